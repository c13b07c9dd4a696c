"""Training from a small corpus: reading, fitting, and the same bytes again."""

from pathlib import Path

import pytest

from intents.corpus import Sample, read_corpus
from intents.duplicates import near_duplicates
from intents.model import Model
from intents.text import mask
from intents.train import train
from intents.understand import ACT_WEIGHTS

CORPUS = Path(__file__).parents[2] / "intents" / "data" / "corpus"
LINES = {
    "metrology": ["压力表多久检一次", "电子秤要检定", "天平校准找谁", "地磅检定要多久"],
    "ip": ["商标注册要多久", "专利年费怎么交", "商标续展要材料吗", "专利申请找谁"],
    "oos": ["今天天气怎么样", "讲个笑话", "明天天气好吗", "再讲个笑话"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, texts in LINES.items():
        rows = [
            f"{style}\ttopic-{number}\t{text}{mark}"
            for number, text in enumerate(texts)
            for style, mark in (("plain", ""), ("question", "？"), ("speech", "啊"))
        ]
        (tmp_path / f"{name}.tsv").write_text("# a comment\n" + "\n".join(rows) + "\n", encoding="utf-8")
    acts = ["plain\tgreet\t你好呀老师", "plain\tgreet\t老师您好", "near\tnone\t取消商标申请\tip"]
    (tmp_path / "acts.tsv").write_text("\n".join(acts) + "\n", encoding="utf-8")
    (tmp_path / "terms-ip.tsv").write_text("terse\tterms\t商标是什么\n", encoding="utf-8")
    return tmp_path


def test_samples_know_what_they_mean(folder: Path) -> None:
    samples = {sample.text: sample for sample in read_corpus(folder)}
    assert samples["压力表多久检一次"].label == "metrology"
    assert (samples["商标是什么"].label, samples["商标是什么"].source) == ("ip", "terms")
    assert (samples["老师您好"].act, samples["老师您好"].label) == ("greet", "oos")
    assert (samples["取消商标申请"].act, samples["取消商标申请"].label) == ("none", "ip")


@pytest.mark.parametrize(
    "line", ["plain\ttopic", "plain\ttopic\ttext\tnowhere", "a\tb\tc\tip\te", "plain\t\ttext"]
)
def test_a_bad_line_is_named(folder: Path, line: str) -> None:
    (folder / "ip.tsv").write_text(f"# head\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"ip\.tsv:2"):
        read_corpus(folder)


def test_training_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    samples = read_corpus(folder)
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        report = train(samples, tmp_path / name / "weights.tsv")
        texts.append([(tmp_path / name / file).read_bytes() for file in ("weights.tsv", ACT_WEIGHTS)])
    assert texts[0] == texts[1]
    assert report.samples == len(samples)
    assert report.held_out("商标续展要材料吗", "商标续展要材料吗") != {}
    assert 0 <= report.cells.accuracy <= 1
    assert "metrology" in report.cells.by_label
    assert Model.load(tmp_path / "one" / "weights.tsv").labels == ("ip", "metrology", "oos")


def test_the_corpus_reads_and_holds_no_personal_data() -> None:
    samples = read_corpus(CORPUS)
    assert len(samples) > 8000
    masked = [sample.text for sample in samples if mask(sample.text) != sample.text]
    assert [text for text in masked if "13800000000" not in text] == []


def test_near_duplicates_are_found_once_whatever_their_order() -> None:
    texts = ["电子秤多久检定一次", "电子秤要多久检定一次呀", "商标注册要多久", "电子秤多久检定一次？", ""]
    samples = [Sample(text, "metrology", "none", "plain", "topic") for text in texts]
    pairs = [{one.text, other.text} for one, other in near_duplicates(samples, least=85)]
    assert {texts[0], texts[3]} in pairs
    assert {texts[0], texts[1]} in pairs
    assert len(pairs) == len({frozenset(pair) for pair in pairs})
    again = [{one.text, other.text} for one, other in near_duplicates(samples[::-1], least=85)]
    assert sorted(map(sorted, again)) == sorted(map(sorted, pairs))


def test_the_corpus_repeats_itself_hardly_ever_and_never_under_two_labels() -> None:
    samples = [sample for sample in read_corpus(CORPUS) if sample.source == "corpus"]
    pairs = list(near_duplicates(samples))
    assert len(pairs) < len(samples) / 200
    both = [(a.text, b.text) for a, b in pairs if a.act == b.act and a.label not in (b.label, b.second)]
    assert both == []
