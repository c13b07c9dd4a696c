"""`nqi eval`: labelled files are read, counted, and shown; strangers' words do no harm."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.brain import Heard, Outcome
from bot.errors import RefusedError
from bot.evaluation import KEYS, Case, Rate, Sample, curve_of, read_samples, report_of
from bot.evaluation_page import NAMES, as_text, name_of, percent, write_json, write_page
from intents.categories import OOS, Category
from intents.understand import Act
from knowledge.search import Hit
from tests.bot.test_cli import nqi
from tests.make import TODAY, entry, understanding

METROLOGY, TESTING = Category.METROLOGY, Category.TESTING


def hits(*found: tuple[str, float]) -> tuple[Hit, ...]:
    return tuple(Hit(entry(entry_id), score, "", ()) for entry_id, score in found)


def case(
    sample: Sample,
    outcome: Outcome = Outcome.REFER,
    *,
    category: Category | None = None,
    sure: float = 1.0,
    act: Act | None = None,
    found: tuple[Hit, ...] = (),
    shown: tuple[Hit, ...] | None = None,
) -> Case:
    meant = replace(understanding(sample.text, category=category, act=act), confidence=sure, reasons=("词",))
    return Case(sample, Heard(meant, outcome, found if shown is None else shown, ("词",)), found)


def need(category: Category, second: str = "", style: str = "") -> Sample:
    return Sample("要检", category=category.value, second=second, style=style)


def read(folder: Path, text: str, name: str = "x.tsv") -> list[Sample]:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return read_samples(file)


def test_tsv_lines_say_what_they_are_labelled_with(tmp_path: Path) -> None:
    lines = [
        "# 说明",
        "metrology\t压力表",
        "testing\t椰汁送检\tcertification\tterse\t2026-11-21\t知识维护",
        "oos\t天气\t\tnear",
        "act:greet\t你好\t\tplain",
        "need\t要送检",
        "MET-05|MET-06\t几年一检",
        "-\t兽药",
    ]
    assert read(tmp_path, "\ufeff" + "\r\n".join(lines) + "\n") == [
        Sample("压力表", category="metrology"),
        Sample("椰汁送检", category="testing", second="certification", style="terse"),
        Sample("天气", category="oos", style="near"),
        Sample("你好", act="greet", style="plain"),
        Sample("要送检", outcome="refer"),
        Sample("几年一检", entries=("MET-05", "MET-06")),
        Sample("兽药", entries=("-",)),
    ]


def test_jsonl_lines_name_their_labels(tmp_path: Path) -> None:
    given = {"text": "一行\u2028两行", "category": "ip", "second": None, "faq": "IPR-01", "style": "two"}
    found = read(tmp_path, json.dumps(given, ensure_ascii=False) + "\n", "x.jsonl")
    assert found == [Sample("一行\u2028两行", category="ip", entries=("IPR-01",), style="two")]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.tsv", "压力表\n", "第 1 行应为“标签<TAB>文本”"),
        ("x.tsv", "metrology\t压力表\nmetrolgy\t压力表\n", "第 2 行的标签“metrolgy”不认识"),
        ("x.tsv", "metrology\t压力表\tmetrolgy\n", "不认识"),
        ("x.tsv", "act:sing\t啦啦\n", "的标签“sing”不认识"),
        ("x.tsv", "metrology\t \n", "没有文本"),
        ("x.tsv", "# 只有说明\n", "没有样本"),
        ("x.jsonl", "{\n", "不是带 text 的 JSON"),
        ("x.jsonl", "[" * 100_000, "不是带 text 的 JSON"),
        ("x.jsonl", '["text"]\n', "不是带 text 的 JSON"),
        ("x.jsonl", '{"text": 3}\n', "不是带 text 的 JSON"),
        ("x.jsonl", '{"text": "x", "faq": ["MET-05"]}\n', "的 faq 应为文字"),
        ("x.jsonl", '{"text": "x", "outcome": "fly"}\n', "的标签“fly”不认识"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(tmp_path, text, name)
    assert said in refused.value.message


def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    garbled = tmp_path / "x.tsv"
    garbled.write_bytes("metrology\t压力表".encode("gbk"))
    with pytest.raises(RefusedError, match="不是 UTF-8 文本"):
        read_samples(garbled)
    with pytest.raises(RefusedError, match="文件不存在或没有权限"):
        read_samples(tmp_path)


def test_categories_are_counted_with_the_second_that_is_also_right() -> None:
    report = report_of(
        [
            case(need(METROLOGY), category=METROLOGY),
            case(need(METROLOGY, second="testing"), category=TESTING),
            case(need(TESTING), category=METROLOGY),
            case(need(TESTING), Outcome.OOS),
            case(Sample("天气", category=OOS), Outcome.ANSWER, category=TESTING),
            case(Sample("哈哈", category=OOS), Outcome.OOS),
        ]
    )
    assert (report.category, report.with_second) == (Rate(1, 4), Rate(2, 4))
    assert report.macro_f1 == pytest.approx((2 * 1 / (2 + 2) + 0) / 2)
    assert report.refused == Rate(1, 4)
    assert (report.caught, report.answered_strangers) == (Rate(1, 2), Rate(1, 2))
    at = {key: place for place, key in enumerate(KEYS)}
    cells = {
        (KEYS[row], KEYS[column]): count
        for row, line in enumerate(report.matrix)
        for column, count in enumerate(line)
        if count
    }
    assert len(report.matrix) == len(report.matrix[0]) == 12
    assert report.matrix[at["metrology"]][at["testing"]] == 1
    assert cells["oos", "testing"] == cells["testing", OOS] == cells["oos", "oos"] == 1
    # The second category that is also right is no mistake.
    assert [(one.kind, one.label, one.found) for one in report.mistakes] == [
        ("category", "testing", "metrology"),
        ("category", "testing", "oos"),
        ("oos", "oos", "testing"),
    ]


def test_acts_are_counted_each_and_invented_ones_too() -> None:
    greeting = Sample("你好", act="greet")
    report = report_of(
        [
            case(greeting, Outcome.ACT, act=Act.GREET),
            case(greeting, Outcome.ACT, act=Act.BYE),
            case(greeting),
            # Invented, although the category is right.
            case(need(METROLOGY), Outcome.ACT, act=Act.GREET, category=METROLOGY),
            # Chat may be an act: neither right nor invented.
            case(Sample("哈喽", category=OOS), Outcome.ACT, act=Act.GREET),
        ]
    )
    assert (report.acts, report.invented) == (Rate(1, 3), Rate(1, 1))
    told = {one.act: (one.precision, one.recall) for one in report.each_act}
    assert told == {"greet": (Rate(1, 2), Rate(1, 3)), "bye": (Rate(0, 1), Rate(0, 0))}
    assert report.caught == Rate(1, 1)


def test_entries_are_counted_found_given_offered_and_wrong() -> None:
    wanted = Sample("几年一检", entries=("MET-05", "MET-06"))
    right = hits(("MET-06", 0.9), ("MET-01", 0.1))
    third = hits(("MET-01", 0.4), ("MET-02", 0.3), ("MET-05", 0.1))
    fourth = hits(("MET-01", 0.4), ("MET-02", 0.3), ("MET-03", 0.1), ("MET-05", 0.1))
    report = report_of(
        [
            case(wanted, Outcome.ANSWER, found=right),
            case(wanted, Outcome.ANSWER, found=third),
            case(wanted, Outcome.CLARIFY, found=third),
            case(wanted, Outcome.CLARIFY, found=fourth),  # three choices are shown
            case(wanted, Outcome.REFER, found=right),
            case(wanted, Outcome.REFER),
            case(Sample("兽药", entries=("-",)), Outcome.ANSWER, found=right),
            case(Sample("农药", entries=("-",)), Outcome.REFER, found=third),
            case(Sample("要送检", outcome="refer"), Outcome.ANSWER, found=right),
        ]
    )
    assert (report.recall_1, report.recall_3) == (Rate(2, 6), Rate(4, 6))
    assert (report.at_once, report.among) == (Rate(1, 6), Rate(2, 6))
    assert report.wrong == Rate(2, 3)
    assert report.kept_out == Rate(1, 2)
    assert report.outcome == Rate(0, 1)
    assert report.score.count == 8
    sure = next(step for step in report.score.steps if step.least == 0.9)
    assert (sure.decided, sure.right, sure.served) == (Rate(3, 8), Rate(2, 3), Rate(2, 6))
    kinds = [one.kind for one in report.mistakes]
    assert kinds == ["answer", "entry", "entry", "entry", "answer", "outcome"]
    assert report.mistakes[0].found == "MET-01(0.40) MET-02(0.30) MET-05(0.10)"


def test_coverage_falls_and_precision_rises_with_the_score_that_is_wanted() -> None:
    curve = curve_of([(0.95, True)] * 8 + [(0.95, False)] + [(0.85, True)] * 2 + [(0.2, False)] * 4)
    everything = curve.steps[0]
    assert (everything.least, everything.decided, everything.right) == (0, Rate(15, 15), Rate(10, 15))
    by_score = {step.least: step for step in curve.steps}
    assert by_score[0.85].decided == Rate(11, 15)
    assert by_score[0.95].right == Rate(8, 9)
    # Equal scores are decided together, so nothing better than 10 of 11 is to be had.
    assert list(curve.reached) == ["90%"]
    assert (curve.reached["90%"].least, curve.reached["90%"].decided) == (0.85, Rate(11, 15))


def test_calibration_compares_how_sure_with_how_often_right() -> None:
    curve = curve_of([(1.0, True), (0.9, False), (0.15, False), (0.11, True)])
    assert [(one.low, one.count) for one in curve.bins] == [(0.1, 2), (0.9, 2)]
    assert [one.right for one in curve.bins] == [0.5, 0.5]
    assert curve.error == pytest.approx((abs(0.26 - 1) + abs(1.9 - 1)) / 4)
    nothing = curve_of([])
    assert (nothing.steps, nothing.reached, nothing.bins, nothing.error) == ((), {}, (), 0)


def test_styles_and_categories_have_figures_of_their_own() -> None:
    report = report_of(
        [
            case(need(METROLOGY, style="terse"), category=METROLOGY),
            case(need(TESTING, second="metrology", style="terse"), category=METROLOGY),
            case(Sample("你好", act="greet", style="plain"), Outcome.ACT, act=Act.GREET),
            case(
                Sample("几年一检", entries=("MET-05",), style="plain"),
                Outcome.ANSWER,
                found=hits(("MET-05", 1)),
            ),
            case(need(TESTING), category=TESTING),
        ]
    )
    styles = {group.name: group for group in report.styles}
    assert list(styles) == ["plain", "terse"]
    assert (styles["terse"].right, styles["terse"].with_second) == (Rate(1, 2), Rate(2, 2))
    assert (styles["plain"].count, styles["plain"].right) == (2, Rate(1, 1))
    assert (styles["plain"].at_once, styles["plain"].among) == (Rate(1, 1), Rate(1, 1))
    assert [(group.name, group.right) for group in report.categories] == [
        ("metrology", Rate(1, 1)),
        ("testing", Rate(1, 2)),
    ]


def test_the_text_names_every_figure_and_its_columns_stand_straight() -> None:
    shown = as_text("x.tsv", report_of([case(need(METROLOGY), category=METROLOGY, sure=0.95)]))
    assert "类别正确 100.0%（1/1）" in shown
    rows = [line for line in shown.splitlines() if line.endswith("·") and line[:2] in NAMES.values()]
    assert len(rows) == 12
    assert len({len(row) for row in rows}) == 1
    assert "答复：" not in shown, "nothing was asked of the knowledge"
    assert "0.9–1.0       1 条  平均得分 0.950  实际正确 1.000" in shown


def test_names_are_chinese_where_there_is_one() -> None:
    assert (name_of("ip"), name_of("human"), name_of("clarify")) == ("知产", "转人工", "给出选项")
    assert name_of("refer MET-05(0.90)") == "登记需求 MET-05(0.90)"
    assert percent(Rate(0, 0)) == "—"


def test_the_page_escapes_and_masks_what_strangers_wrote(tmp_path: Path) -> None:
    text = "<script>alert(1)</script> 电话13812345678"
    sample = Sample(text, category="testing", style="<i>")
    entries = Sample("几年一检", entries=("MET-05",))
    report = report_of(
        [
            case(sample, category=METROLOGY),
            case(entries, Outcome.CLARIFY, found=hits(("MET-01", 0.5), ("MET-02", 0.3))),
        ]
    )
    reports = [('"><img src=x>.tsv', report), ("empty", report_of([]))]
    write_page(tmp_path / "x.html", reports, today=TODAY, entries=3)
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 电话[phone]" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "<i>" not in page
    assert "13812345678" not in page
    # Nothing is fetched: no address, no source, no import.
    assert not re.search(r"https?:|src=|@import|url\(", page.replace("src=x&gt;", ""))
    assert page.count('class="plot"') == 4


def test_the_json_holds_the_same_figures(tmp_path: Path) -> None:
    report = report_of([case(need(METROLOGY), category=METROLOGY), case(need(TESTING), category=METROLOGY)])
    write_json(tmp_path / "x.json", [("x.tsv", report)], today=TODAY, entries=3)
    whole = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    (found,) = whole["files"]
    assert (whole["date"], whole["entries"], whole["labels"]) == ("2026-11-21", 3, list(KEYS))
    assert (found["file"], found["count"]) == ("x.tsv", 2)
    assert found["category"] == {"part": 1, "whole": 2, "share": 0.5}
    assert found["mistakes"][0]["label"] == "testing"
    assert found["confidence"]["steps"][0]["right"]["share"] == 0.5


def test_a_place_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="写不了"):
        write_json(tmp_path / "no" / "x.json", [], today=TODAY, entries=0)


def test_a_labelled_file_is_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "x.tsv"
    file.write_text("metrology\t压力表\n", encoding="utf-8")
    with pytest.raises(RefusedError, match=r"应以 \.html 结尾"):
        write_page(file, [], today=TODAY, entries=0)
    assert read_samples(file)


@pytest.mark.server
@pytest.mark.timeout(300)
def test_the_command_prints_and_writes_the_figures_of_each_file(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tsv", tmp_path / "second.jsonl"
    first.write_text(
        "metrology\t压力表多久检一次<script>\t\tterse\nact:human\t转人工\noos\t今天天气怎么样\n",
        encoding="utf-8",
    )
    second.write_text(
        '{"text": "压力表多久检一次", "faq": "MET-17", "category": "brand"}\n', encoding="utf-8"
    )
    html, as_json = tmp_path / "out.html", tmp_path / "out.json"
    done = nqi(tmp_path, "eval", "--html", str(html), "--json", str(as_json), str(first), str(second))
    assert done.returncode == 0, done.stderr
    assert "== first.tsv（3 条）" in done.stdout
    assert "== second.jsonl（1 条）" in done.stdout
    assert "对话动作正确 100.0%（1/1）" in done.stdout
    assert "<script" not in html.read_text(encoding="utf-8")
    files = json.loads(as_json.read_text(encoding="utf-8"))["files"]
    assert [found["file"] for found in files] == ["first.tsv", "second.jsonl"]
    assert files[1]["recall_1"] == {"part": 1, "whole": 1, "share": 1.0}
    assert files[1]["mistakes"][0]["text"] == "压力表多久检一次"


@pytest.mark.server
@pytest.mark.timeout(300)
def test_a_missing_file_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    done = nqi(tmp_path, "eval", str(tmp_path / "nowhere.tsv"))
    assert done.returncode == 2
    assert "文件不存在" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr
