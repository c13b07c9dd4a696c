"""An index that was changed equals one that was built so."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.postings import Postings

_TERMS = st.sampled_from([f"{kind}{letter}" for kind in range(4) for letter in "abcdef"])
_DOCUMENTS = st.lists(st.lists(_TERMS, unique=True, max_size=6), max_size=8)


def held(postings: Postings, terms: list[str]) -> list[tuple[float, int]]:
    scores = postings.scores(postings.query(terms))
    return [(round(float(score), 4), number) for number, score in enumerate(scores) if score]


@settings(deadline=None)
@given(first=_DOCUMENTS, second=_DOCUMENTS, terms=st.lists(_TERMS, unique=True))
def test_adding_later_is_building_at_once(
    first: list[list[str]], second: list[list[str]], terms: list[str]
) -> None:
    at_once, later = Postings.build(first + second), Postings.build(first).plus(second)
    assert held(later, terms) == held(at_once, terms)
    assert later.live == at_once.live


@settings(deadline=None)
@given(documents=_DOCUMENTS, terms=st.lists(_TERMS, unique=True), data=st.data())
def test_what_was_removed_is_as_if_it_had_never_been(
    documents: list[list[str]], terms: list[str], data: st.DataObject
) -> None:
    numbers = st.integers(0, max(0, len(documents) - 1))
    gone = data.draw(st.sets(numbers, max_size=len(documents)) if documents else st.just(set()))
    emptied = [[] if number in gone else document for number, document in enumerate(documents)]
    less, fresh = Postings.build(documents).minus(gone), Postings.build(emptied)
    assert held(less, terms) == held(fresh, terms)
    assert less.live == fresh.live


def test_shared_and_own_weights_are_told_apart() -> None:
    postings = Postings.build([["0a", "2ab"], ["0a"], ["0c"]])
    shared, own = postings.overlaps(postings.query(["0a", "2ab", "2zz"]), [0, 1, 2])
    assert np.allclose(shared[:2], own[:2])
    assert shared[2].sum() == 0
    assert own[2].sum() > 0


def test_what_nobody_knows_is_unknown() -> None:
    postings = Postings.build([["0a"]])
    assert postings.query(["0z", "2zz"]).unknown == 1.0
    assert postings.query([]).unknown == 1.0
    assert 0 < postings.query(["0a", "2zz"]).unknown < 1


def test_words_of_every_document_are_passed_over() -> None:
    postings = Postings.build([["0a", *(["2rare"] if number == 7 else [])] for number in range(5000)])
    assert held(postings, ["0a", "2rare"])[0][1] == 7
    assert len(held(postings, ["0a", "2rare"])) == 1
    assert len(held(postings, ["0a"])) == 5000


@settings(deadline=None)
@given(first=_DOCUMENTS, one=_DOCUMENTS, other=_DOCUMENTS, terms=st.lists(_TERMS, unique=True))
def test_two_indexes_of_one_origin_do_not_see_each_other(
    first: list[list[str]], one: list[list[str]], other: list[list[str]], terms: list[str]
) -> None:
    origin = Postings.build(first)
    left, right = origin.plus(one), origin.plus(other)
    assert held(origin, terms) == held(Postings.build(first), terms)
    assert held(left, terms) == held(Postings.build(first + one), terms)
    assert held(right, terms) == held(Postings.build(first + other), terms)
