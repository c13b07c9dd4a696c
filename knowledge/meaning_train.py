"""Learns what terms mean: latent topics of texts about one matter each (development only)."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from intents.categories import OOS
from intents.corpus import NO_ACT, Sample
from knowledge.entries import Entry
from knowledge.meaning import Meanings, is_meaningful
from knowledge.ranker import Features
from knowledge.reading import Words, read

_LEAST = 3  # documents that must hold a term
_TINY = 1e-9

Document = Sequence[str]
"""Texts about one matter."""


def learn(documents: Iterable[Document], tokenizer: Words, *, size: int = 192) -> Meanings:
    """A vector for every term that stands in at least three documents; deterministic."""
    counts = [_terms(document, tokenizer) for document in documents]
    holders = Counter(term for count in counts for term in count)
    terms = sorted(term for term, held in holders.items() if held >= _LEAST)
    column = {term: place for place, term in enumerate(terms)}
    rarity = np.log((1 + len(counts)) / (np.array([holders[term] for term in terms]) + 0.5))
    matrix = np.zeros((len(counts), len(terms)))
    for row, count in enumerate(counts):
        for term in sorted(count.keys() & column.keys()):
            matrix[row, column[term]] = (1 + np.log(count[term])) * rarity[column[term]]
    matrix /= np.maximum(np.sqrt((matrix**2).sum(1, keepdims=True)), _TINY)
    learned = _latent(matrix, size)
    return Meanings.quantised({term: learned[place] * rarity[place] for term, place in column.items()})


def _latent(matrix: Features, size: int) -> Features:
    """The strongest right singular vectors of a wide matrix, one column each, by way of its small square."""
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    strongest = np.argsort(-values)[:size]
    found: Features = matrix.T @ (vectors[:, strongest] / np.sqrt(np.maximum(values[strongest], _TINY)))
    # A vector and its opposite serve as well: choose one, so that every machine chooses the same.
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    return found * np.where(largest < 0, -1.0, 1.0)


def topics(samples: Iterable[Sample]) -> list[Document]:
    """The training utterances of each topic.

    Questions of entries train the ranker: vectors that had seen them would look better than they are.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for sample in samples:
        if sample.source == "corpus" and sample.act == NO_ACT and sample.style != "two":
            found.setdefault((sample.label, sample.topic), []).append(sample.text)
    return [texts for (label, _), texts in found.items() if label not in ("", OOS)]


def answers(entries: Iterable[Entry]) -> list[Document]:
    """The answers of each entry; its questions stay out, for the ranker is fitted to them."""
    return [
        [line for text in entry.texts for line in f"{text.answer}\n{text.more}".splitlines()]
        for entry in entries
    ]


def _terms(document: Document, tokenizer: Words) -> Counter[str]:
    return Counter(term for text in document for term in read(text, tokenizer).terms if is_meaningful(term))
