"""Each rule of docs/knowledge.md that a program can check finds its breach, and nothing else."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import pytest

from intents.categories import Category
from intents.text import Tokenizer
from knowledge.check import Level, check
from knowledge.entries import Basis, Entry, EntryStatus, Text
from tests.make import TODAY, entry

_QUESTIONS = tuple(
    f"{word}要多久检定一次" for word in ("水表", "地磅", "天平", "砝码", "卡尺", "温度计", "流量计", "血压计")
)
GOOD = entry("MET-05", questions=_QUESTIONS, keywords=("检定周期", "多久"))


def found(tokenizer: Tokenizer, *entries: Entry, today: date = TODAY) -> list[tuple[Level, str]]:
    return [(one.level, one.message) for one in check(entries, today=today, tokenizer=tokenizer)]


def with_text(**changes: object) -> Entry:
    return replace(GOOD, texts=(replace(GOOD.texts[0], **changes),))  # type: ignore[arg-type]


def test_a_good_entry_has_no_findings(tokenizer: Tokenizer) -> None:
    assert found(tokenizer, GOOD) == []


LAW = Basis("计量法")
CASES: list[tuple[Entry, Level, str]] = [
    (replace(GOOD, id="STD-05"), Level.ERROR, "前缀"),
    (replace(GOOD, id="met5"), Level.ERROR, "编号要写成"),
    (replace(GOOD, title="长" * 41), Level.ERROR, "标题有 41 个字"),
    (with_text(answer="长" * 301), Level.ERROR, "答复有 301 个字"),
    (with_text(more="长" * 801), Level.ERROR, "“更多”有 801 个字"),
    (with_text(answer=" "), Level.ERROR, "答复是空的"),
    (replace(GOOD, questions=_QUESTIONS[:2]), Level.ERROR, "至少要 3 个"),
    (replace(GOOD, questions=_QUESTIONS[:7]), Level.WARNING, "最好有 8 个以上"),
    (replace(GOOD, keywords=("检定周期",)), Level.WARNING, "关键词"),
    (replace(GOOD, related=("MET-99",)), Level.ERROR, "MET-99 不存在"),
    (replace(GOOD, related=("MET-05",)), Level.WARNING, "有它自己"),
    (replace(GOOD, owner=""), Level.WARNING, "由谁维护"),
    (replace(GOOD, questions=(*_QUESTIONS, f"请问{_QUESTIONS[0]}？")), Level.WARNING, "写了两遍"),
    (replace(GOOD, questions=(*_QUESTIONS, "？！")), Level.ERROR, "没有内容"),
    (replace(GOOD, title="标题\u200b里有东西"), Level.ERROR, "控制字符"),
    (with_text(answer="a\x07b"), Level.ERROR, "控制字符"),
    (with_text(answer="<b>检定</b>"), Level.ERROR, "尖括号"),
    (with_text(more="周期是1年〔核〕"), Level.ERROR, "〔核〕"),
    (with_text(answer="请看 https://example.com/x"), Level.ERROR, "网址"),
    (with_text(answer="请登录 std.samr.gov.cn 查询"), Level.ERROR, "网址"),
    (with_text(answer="请拨打0898-66668888"), Level.ERROR, "电话"),
    (with_text(next="请加13800000000"), Level.ERROR, "电话"),
    (with_text(answer="依照第九条办理。", basis=()), Level.WARNING, "第九条"),
    (with_text(answer="7个工作日内提出。", basis=()), Level.WARNING, "没有写依据"),
    (with_text(answer="处以罚款。", basis=()), Level.WARNING, "罚款"),
    (with_text(answer="最高3万元。", basis=()), Level.WARNING, "没有写依据"),
    (replace(GOOD, checked_on=date(2026, 11, 22)), Level.WARNING, "在今天之后"),
    (with_text(valid_until=date(2026, 11, 20)), Level.WARNING, "今天没有可用的答复"),
    (with_text(valid_from=TODAY, valid_until=date(2026, 1, 1)), Level.ERROR, "有效期倒置"),
    (with_text(basis=(replace(LAW, from_=date(2027, 1, 1), until=date(2026, 1, 1)),)), Level.ERROR, "倒置"),
    (with_text(basis=(replace(LAW, until=date(2026, 1, 1)),)), Level.WARNING, "没有一条依据在生效"),
    (with_text(basis=(LAW, replace(LAW, until=date(2026, 1, 1)))), Level.WARNING, "已经失效"),
]


@pytest.mark.parametrize(("one", "level", "words"), CASES)
def test_each_breach_is_found(tokenizer: Tokenizer, one: Entry, level: Level, words: str) -> None:
    findings = found(tokenizer, one)
    assert [item for item in findings if item[0] is level and words in item[1]], findings
    assert all(item[0] is level or words in item[1] for item in findings if item[0] is Level.ERROR)


def test_two_texts_meet_without_overlap_or_gap(tokenizer: Tokenizer) -> None:
    old = Text("旧的。", valid_until=date(2026, 12, 31))
    new = Text("新的。", valid_from=date(2027, 1, 1))
    assert found(tokenizer, replace(GOOD, texts=(new, old))) == []
    overlap = found(tokenizer, replace(GOOD, texts=(old, replace(new, valid_from=date(2026, 12, 31)))))
    assert overlap[0][0] is Level.ERROR
    assert "重叠" in overlap[0][1]
    gap = found(tokenizer, replace(GOOD, texts=(old, replace(new, valid_from=date(2027, 1, 3)))))
    assert gap == [(Level.WARNING, "2026-12-31之后到2027-01-03之前没有可用的答复。")]
    both_open = found(tokenizer, replace(GOOD, texts=(Text("一。"), Text("二。"))))
    assert "重叠" in both_open[0][1]


def test_a_draft_needs_no_text_for_today(tokenizer: Tokenizer) -> None:
    draft = replace(with_text(valid_from=date(2027, 1, 1)), status=EntryStatus.DRAFT)
    assert found(tokenizer, draft) == []


def test_ids_and_questions_belong_to_one_entry(tokenizer: Tokenizer) -> None:
    other = replace(GOOD, id="MET-06", title="校准多久一次")
    findings = check([GOOD, other, GOOD], today=TODAY, tokenizer=tokenizer)
    assert any("编号重复" in one.message for one in findings if one.is_error)
    assert any("与 MET-05 的相同" in one.message for one in findings if one.entry_id == "MET-06")


def test_a_stolen_question_is_found(tokenizer: Tokenizer) -> None:
    thief = replace(
        GOOD,
        id="MET-06",
        title="仪器校准去哪里做",
        questions=tuple(
            f"{word}校准去哪里做"
            for word in ("卡尺", "天平", "烘箱", "流量计", "砝码", "热电偶", "硬度计", "粗糙度仪")
        ),
        keywords=("校准", "去哪里"),
    )
    victim = replace(GOOD, questions=(*_QUESTIONS, "温度计校准去哪里做"))
    findings = check([victim, thief], today=TODAY, tokenizer=tokenizer)
    assert [str(one) for one in findings if "温度计校准去哪里做" in one.message] == [
        "提醒 MET-05：相似问“温度计校准去哪里做”更像 MET-06《仪器校准去哪里做》的问题，请改写或移过去。"
    ]


def test_errors_come_first(tokenizer: Tokenizer) -> None:
    findings = check(
        [replace(GOOD, keywords=()), replace(GOOD, id="IPR-01", category=Category.IP, title="<标题>")],
        today=TODAY,
        tokenizer=tokenizer,
    )
    assert [one.is_error for one in findings] == sorted((one.is_error for one in findings), reverse=True)


def test_only_the_entries_asked_for_are_tried_against_the_others(tokenizer: Tokenizer) -> None:
    other = replace(GOOD, id="MET-06", questions=tuple(f"再问{text}" for text in _QUESTIONS))
    tried: list[str] = []

    def progress(entries: Iterable[Entry]) -> Iterable[Entry]:
        for one in entries:
            tried.append(one.id)
            yield one

    check([GOOD, other], today=TODAY, tokenizer=tokenizer, only=["MET-06"], progress=progress)
    assert tried == ["MET-06"]
