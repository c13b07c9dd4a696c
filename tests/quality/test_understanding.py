"""Floors below today's figures, on texts that stand nowhere in what was learnt."""

from pathlib import Path

import pytest
from rapidfuzz import fuzz, process

from bot.core.brain import Brain
from bot.evaluation import Report, evaluate, read_samples
from bot.training import learnt
from intents.text import normalise
from knowledge.rank_train import rows
from knowledge.rows import load_seeds
from tests.make import TODAY

HERE = Path(__file__).parent
FILES = ("held_out.tsv", "unseen.tsv", "fresh.tsv", "retrieval.tsv")
LONG = 8  # characters: shorter texts, bare terms above all, are met again by chance
TOO_LIKE = 88.0


@pytest.fixture(scope="module")
def unseen(brain: Brain) -> Report:
    return evaluate(brain, read_samples(HERE / "unseen.tsv"), today=TODAY)


def test_no_text_of_a_test_was_learnt() -> None:
    # Titles name the matter: whoever asks for it in plain words comes near them.
    titles = {entry.title for entry in load_seeds()}
    texts = [normalise(one.text) for one in learnt(load_seeds()) if one.text not in titles]
    texts += [normalise(text) for name in ("asked.tsv", "calibration.tsv") for text, _ in rows(name)]
    known = set(texts)
    for file in FILES:
        asked = [normalise(sample.text) for sample in read_samples(HERE / file)]
        assert [text for text in asked if len(text) > LONG and text in known] == []
        sample = [text for text in asked if len(text) > LONG][:: max(1, len(asked) // 100)]
        found = process.cdist(sample, texts, scorer=fuzz.ratio, score_cutoff=TOO_LIKE)
        pairs = [(sample[row], texts[column]) for row, column in zip(*found.nonzero(), strict=True)]
        assert pairs == []


def test_categories_are_understood(unseen: Report) -> None:
    assert unseen.category.share >= 0.90
    assert unseen.with_second.share >= 0.92
    assert unseen.macro_f1 >= 0.90


def test_strangers_are_seen_and_hardly_a_need_refused(unseen: Report) -> None:
    assert unseen.caught.share >= 0.85
    assert unseen.refused.share <= 0.03


def test_acts_are_understood_and_none_is_invented(unseen: Report) -> None:
    assert unseen.acts.share >= 0.93
    assert unseen.invented.share <= 0.01


def test_confidence_is_what_it_says(unseen: Report) -> None:
    assert unseen.confidence.error <= 0.06


def test_the_older_held_out_texts_are_still_understood(brain: Brain) -> None:
    report = evaluate(brain, read_samples(HERE / "held_out.tsv"), today=TODAY)
    assert report.category.share >= 0.95
    assert report.caught.share >= 0.90
    assert report.acts.share >= 0.96
