"""Floors under the quality of retrieval and decisions, a little below what docs/retrieval.md reports."""

from pathlib import Path

import pytest

from bot.core.brain import Brain
from bot.evaluation import Report, Sample, evaluate, read_samples
from knowledge.rows import load_seeds
from tests.make import TODAY


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return read_samples(Path(__file__).with_name("retrieval.tsv"))


@pytest.fixture(scope="module")
def measured(brain: Brain, samples: list[Sample]) -> Report:
    """The file as the shipped brain hears it."""
    return evaluate(brain, samples, today=TODAY)


def test_the_file_is_large_and_names_entries_that_exist(samples: list[Sample], measured: Report) -> None:
    known = {entry.id for entry in load_seeds()}
    assert measured.at_once.whole >= 250
    assert {one for sample in samples for one in sample.entries} <= known | {"-"}


def test_the_right_entry_is_found(measured: Report) -> None:
    assert measured.recall_1.share >= 0.92
    assert measured.recall_3.share >= 0.97


def test_questions_are_answered_at_once_or_among_the_choices(measured: Report) -> None:
    assert measured.at_once.share >= 0.82
    assert measured.among.share >= 0.93


def test_hardly_any_answer_is_wrong(measured: Report) -> None:
    assert measured.wrong.share <= 0.02


def test_needs_are_referred(measured: Report) -> None:
    assert measured.outcome.share >= 0.85


def test_what_nothing_answers_is_not_answered(measured: Report) -> None:
    assert measured.kept_out.share >= 0.92


@pytest.fixture(scope="module")
def fresh(brain: Brain) -> Report:
    """Questions by somebody who had seen titles and answers, but no question of any entry."""
    return evaluate(brain, read_samples(Path(__file__).with_name("fresh.tsv")), today=TODAY)


def test_fresh_questions_are_answered(fresh: Report) -> None:
    assert fresh.recall_1.share >= 0.91
    assert fresh.at_once.share >= 0.78
    assert fresh.among.share >= 0.92
    assert fresh.wrong.share <= 0.03
    assert fresh.score.error <= 0.06
