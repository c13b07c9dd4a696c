"""An inverted index over documents made of terms: immutable, and cheap to add to or take from."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from knowledge.reading import TermKind, kind_of

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Sums = NDArray[np.float64]

# How much a match of each kind counts beside its rarity.
_KIND_WEIGHT = {TermKind.UNIT: 0.35, TermKind.PAIR: 1.0, TermKind.WORD: 1.0, TermKind.SOUND: 0.45}
_VERY_MANY = 2_500  # documents
_GROWING = Lock()  # of vocabularies: two threads must not give one number twice


@dataclass(frozen=True, slots=True)
class Query:
    """The terms of a question that an index knows, with their weights there."""

    terms: Ints  # in the order of the text
    weights: Floats
    squares: Sums  # per kind: the squared weight of all terms, also of those that the index has never seen
    unknown: float  # the part of `squares` that it has never seen, 0..1


@dataclass(frozen=True, slots=True)
class Postings:
    """Term -> the documents that hold it, and document -> its terms; documents are numbered from 0.

    A removed document keeps its number without terms, so that the others keep theirs.
    """

    vocabulary: dict[
        str, int
    ]  # shared with what came of this index: only grows; numbers beyond `kinds` are theirs
    kinds: NDArray[np.int8]  # per term
    starts: NDArray[np.int64]  # per term: where its documents start in `documents`; one more at the end
    documents: Ints
    of_document: tuple[Ints, ...]  # per document: the ids of its terms, in the order of its text
    sizes: Floats  # per document: how many terms it has
    live: int  # documents that are not removed
    weights: Floats  # per term: rarity times the weight of its kind
    _own: dict[int, Sums] = field(default_factory=dict, compare=False, repr=False)  # of documents asked for

    @classmethod
    def build(cls, documents: Iterable[Sequence[str]]) -> "Postings":
        """Index these documents; a term counts once in each."""
        return _nothing().plus(documents)

    def plus(self, documents: Iterable[Sequence[str]]) -> "Postings":
        """This index with more documents at the end."""
        vocabulary = self.vocabulary
        with _GROWING:
            fresh = tuple(_ids(document, vocabulary) for document in documents)
            new = list(islice(reversed(vocabulary), len(vocabulary) - len(self.kinds)))
        held = sum(1 for ids in fresh if len(ids))
        kinds = np.append(self.kinds, np.array([kind_of(term) for term in reversed(new)], np.int8))
        terms = np.concatenate([_NO_TERMS, *fresh])
        first = len(self.of_document)
        holders = np.repeat(np.arange(first, first + len(fresh), dtype=np.int32), [len(ids) for ids in fresh])
        order = np.argsort(terms, kind="stable")
        ends = np.full(len(kinds), self.starts[-1])
        ends[: len(self.kinds)] = self.starts[1:]
        merged = np.insert(self.documents, ends[terms[order]], holders[order])
        counts = np.bincount(terms, minlength=len(kinds))
        counts[: len(self.kinds)] += np.diff(self.starts)
        sizes = np.append(self.sizes, np.array([len(ids) for ids in fresh], np.float32))
        return _made(
            vocabulary,
            kinds,
            counts,
            merged,
            of_document=self.of_document + fresh,
            sizes=sizes,
            live=self.live + held,
        )

    def minus(self, numbers: Iterable[int]) -> "Postings":
        """This index without the documents of these numbers."""
        gone = set(numbers)
        if not gone:
            return self
        of_document = list(self.of_document)
        is_gone = np.zeros(len(of_document), bool)
        lost = [_NO_TERMS]
        live = self.live
        for number in gone:
            lost.append(of_document[number])
            live -= bool(len(of_document[number]))
            of_document[number] = _NO_TERMS
            is_gone[number] = True
        counts = np.diff(self.starts) - np.bincount(np.concatenate(lost), minlength=len(self.kinds))
        rest = self.documents[~is_gone[self.documents]]
        sizes = np.where(is_gone, np.float32(0), self.sizes)
        return _made(
            self.vocabulary, self.kinds, counts, rest, of_document=tuple(of_document), sizes=sizes, live=live
        )

    def number(self, term: str) -> int:
        """The id of a term that some document holds; -1 for every other."""
        number = self.vocabulary.get(term, -1)
        is_held = 0 <= number < len(self.kinds) and self.starts[number + 1] > self.starts[number]
        return number if is_held else -1

    def query(self, terms: Iterable[str]) -> Query:
        """Look the terms of a question up."""
        unknown = np.zeros(len(TermKind))
        found: list[int] = []
        rarest = math.log1p((self.live + 0.5) / 0.5)
        for term in terms:
            number = self.number(term)
            if number >= 0:
                found.append(number)
            else:
                kind = kind_of(term)
                unknown[kind] += (rarest * _KIND_WEIGHT[kind]) ** 2
        ids = np.array(found, np.int32)
        weights = self.weights[ids]
        squares = unknown + np.bincount(self.kinds[ids], weights.astype(np.float64) ** 2, len(TermKind))
        share = float(unknown.sum() / squares.sum()) if found or unknown.any() else 1.0
        return Query(ids, weights, squares, share)

    def scores(self, query: Query) -> Floats:
        """Per document: the summed weight of the terms that it shares with the question.

        Terms that very many documents hold are passed over if there are others: they decide nothing.
        """
        sizes = self.starts[query.terms + 1] - self.starts[query.terms]
        telling = np.flatnonzero(sizes <= max(_VERY_MANY, min(sizes.tolist(), default=0)))
        starts = self.starts[query.terms[telling]].tolist()
        spans = [
            self.documents[start : start + size]
            for start, size in zip(starts, sizes[telling].tolist(), strict=True)
        ]
        holders = np.concatenate([_NO_TERMS, *spans])
        weights = np.repeat(query.weights[telling], sizes[telling])
        return np.bincount(holders, weights, len(self.of_document)).astype(np.float32)

    def overlaps(self, query: Query, numbers: Sequence[int]) -> tuple[Sums, Sums]:
        """Per document and kind: the squared weight shared with the question, and its own."""
        lists = [self.of_document[number] for number in numbers]
        terms = np.concatenate([_NO_TERMS, *lists])
        is_asked = np.zeros(len(self.kinds), bool)
        is_asked[query.terms] = True
        places = np.flatnonzero(is_asked[terms])
        rows = np.searchsorted(np.cumsum([len(ids) for ids in lists]), places, "right")
        common = terms[places]
        shape = (len(lists), len(TermKind))
        cells = rows * len(TermKind) + self.kinds[common]
        squares = self.weights[common].astype(np.float64) ** 2
        shared = np.bincount(cells, squares, shape[0] * shape[1]).astype(np.float64)
        own = [self._own_squares(number) for number in numbers]
        return shared.reshape(shape), np.array(own).reshape(shape)

    def _own_squares(self, number: int) -> Sums:
        """Per kind: the squared weight of a document. Kept: a document is compared again and again."""
        found = self._own.get(number)
        if found is None:
            terms = self.of_document[number]
            squares = self.weights[terms].astype(np.float64) ** 2
            found = np.bincount(self.kinds[terms], squares, len(TermKind)).astype(np.float64)
            self._own[number] = found
        return found


def _made(
    vocabulary: dict[str, int],
    kinds: NDArray[np.int8],
    counts: NDArray[np.int64],
    documents: Ints,
    *,
    of_document: tuple[Ints, ...],
    sizes: Floats,
    live: int,
) -> Postings:
    """An index of these parts; `counts` are the documents per term."""
    starts = np.zeros(len(kinds) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    of_kind = np.array([_KIND_WEIGHT[kind] for kind in TermKind], np.float32)
    rarity = np.log1p((live - counts + 0.5).clip(0.5) / (counts + 0.5)).astype(np.float32)
    return Postings(vocabulary, kinds, starts, documents, of_document, sizes, live, rarity * of_kind[kinds])


def _ids(document: Sequence[str], vocabulary: dict[str, int]) -> Ints:
    ids = dict.fromkeys(vocabulary.setdefault(term, len(vocabulary)) for term in document)
    return np.fromiter(ids, np.int32, len(ids))


_NO_TERMS: Ints = np.zeros(0, np.int32)


def _nothing() -> Postings:
    """An index of no documents, with a vocabulary of its own."""
    none = np.zeros(0, np.float32)
    return Postings({}, np.zeros(0, np.int8), np.zeros(1, np.int64), _NO_TERMS, (), none, 0, none)
