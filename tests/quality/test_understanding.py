"""A floor below today's score, on texts that stand nowhere in the corpus."""

from pathlib import Path

import pytest

from intents.corpus import read_corpus
from intents.train import __file__ as train_file
from intents.understand import Understander

HELD_OUT = Path(__file__).with_name("held_out.tsv")
FLOORS = {"category": 0.91, "oos": 0.90, "act": 0.94}


def kind_of(expected: str) -> str:
    return "act" if expected.startswith("act:") else "oos" if expected == "oos" else "category"


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    lines = HELD_OUT.read_text(encoding="utf-8").splitlines()
    return [(line.split("\t")[0], line.split("\t")[1]) for line in lines if not line.startswith("#")]


def test_no_held_out_text_was_learnt(rows: list[tuple[str, str]]) -> None:
    corpus = Path(train_file).parent / "data" / "corpus"
    learnt = {sample.text for sample in read_corpus(corpus)}
    assert [text for _, text in rows if text in learnt] == []


def test_held_out_texts_are_understood(rows: list[tuple[str, str]]) -> None:
    understander = Understander.load()
    right: dict[str, list[bool]] = {}
    for expected, text in rows:
        found = understander.understand(text)
        meant = f"act:{found.act}" if found.act else str(found.category or "oos")
        right.setdefault(kind_of(expected), []).append(meant == expected)
    shares = {kind: sum(hits) / len(hits) for kind, hits in right.items()}
    assert {kind: share for kind, share in shares.items() if share < FLOORS[kind]} == {}, shares
