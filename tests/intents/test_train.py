"""Training from a small corpus: reading, fitting, and the same bytes again."""

from pathlib import Path

import pytest

from intents.corpus import read_corpus
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
    (tmp_path / "cards-ip.tsv").write_text("question\tip-01\t商标是什么\n", encoding="utf-8")
    return tmp_path


def test_samples_know_what_they_mean(folder: Path) -> None:
    samples = {sample.text: sample for sample in read_corpus(folder)}
    assert samples["压力表多久检一次"].label == "metrology"
    assert (samples["商标是什么"].label, samples["商标是什么"].source) == ("ip", "cards")
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
    assert 0 <= report.cells.accuracy <= 1
    assert "metrology" in report.cells.by_label
    assert Model.load(tmp_path / "one" / "weights.tsv").labels == ("ip", "metrology", "oos")


def test_the_corpus_reads_and_holds_no_personal_data() -> None:
    samples = read_corpus(CORPUS)
    assert len(samples) > 8000
    masked = [sample.text for sample in samples if mask(sample.text) != sample.text]
    assert [text for text in masked if "13800000000" not in text] == []
