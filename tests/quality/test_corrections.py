"""What staff corrected: the file is clean, unknown to the training, and does not get worse."""

from datetime import date
from pathlib import Path

import pytest

import intents
from bot.core.brain import Brain
from bot.evaluation import Sample, evaluate, read_samples
from intents.corpus import read_corpus
from intents.text import mask, normalise
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.rows import load_seeds
from knowledge.search import Index
from tests.make import TODAY

FILE = Path(__file__).with_name("corrections.tsv")
FLOOR = 0.5  # of lines that nobody has mended yet, 9 of 15 were right when they were written


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return read_samples(FILE)


def test_every_line_says_when_and_by_whom_it_was_reviewed() -> None:
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for line in lines:
        assert line.count("\t") == 5, f"label, text, second, style, date, reviewer: {line}"
        day, reviewer = line.split("\t")[4:]
        assert date.fromisoformat(day) <= TODAY
        assert reviewer.strip(), f"who reviewed it? {line}"


def test_no_line_holds_personal_data(samples: list[Sample]) -> None:
    assert [sample.text for sample in samples if mask(sample.text) != sample.text] == []


def test_no_line_was_learnt_or_stands_elsewhere(samples: list[Sample]) -> None:
    learnt = {normalise(one.text) for one in read_corpus(Path(intents.__file__).parent / "data" / "corpus")}
    for name in ("held_out.tsv", "retrieval.tsv"):
        learnt |= {normalise(one.text) for one in read_samples(FILE.with_name(name))}
    own = [normalise(sample.text) for sample in samples]
    assert len(set(own)) == len(own)
    assert learnt.isdisjoint(own)


def test_corrected_messages_are_understood(samples: list[Sample]) -> None:
    understander = Understander.load()
    brain = Brain(understander, Index.build(Release.of(load_seeds()), understander.tokenizer))
    report = evaluate(brain, samples, today=TODAY)
    wrong = {mistake.text for mistake in report.mistakes}
    assert 1 - len(wrong) / report.count >= FLOOR, report.mistakes
