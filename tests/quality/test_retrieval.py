"""Floors under the quality of retrieval and decisions, a little below what docs/retrieval.md reports."""

import pytest

from knowledge.rows import load_seeds
from tests.quality.retrieval import Figures, Sample, figures, samples


@pytest.fixture(scope="module")
def heard() -> list[Sample]:
    return samples()


@pytest.fixture(scope="module")
def measured(heard: list[Sample]) -> Figures:
    return figures(heard)


def test_the_file_is_large_and_names_entries_that_exist(heard: list[Sample]) -> None:
    known = {entry.id for entry in load_seeds()}
    asked = [sample for sample in heard if sample.is_asked]
    assert len(asked) >= 250
    assert {one for sample in asked for one in sample.wanted} <= known


def test_the_right_entry_is_found(measured: Figures) -> None:
    assert measured.recall_1 >= 0.92
    assert measured.recall_3 >= 0.97


def test_questions_are_answered_at_once_or_among_the_choices(measured: Figures) -> None:
    assert measured.at_once >= 0.66
    assert measured.offered >= 0.93


def test_hardly_any_answer_is_wrong(measured: Figures) -> None:
    assert measured.wrong <= 0.02


def test_needs_are_referred(measured: Figures) -> None:
    assert measured.referred >= 0.85


def test_what_nothing_answers_is_not_answered(measured: Figures) -> None:
    assert measured.kept_out >= 0.92
