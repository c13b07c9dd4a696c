"""Which questions can a changed entry matter to? What lets the gate pass over all others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from knowledge.meaning import Vectors
from knowledge.reading import Reading, read
from knowledge.search import Index

# What an entry has at least to be worth a choice; of 1,688 candidates with 3 % or more 14 had less, none with 10 %.
_NEAREST = 12  # it is among so many by meaning: two more than the index compares
_NEAR, _COVERED = 40, 0.05  # or among so many, and covers that share of the question's rarity
_WELL_COVERED = 0.25  # or covers that much of it
_ANSWERS = 0.6  # what the answers are about, beside what the phrases are about: as the index weighs it
_CHUNK = 1_000  # questions whose likeness to all entries is held at once


def touched(before: Index, after: Index, entry_id: str, texts: Sequence[str]) -> list[bool]:
    """Per question: can the entry, as it was or as it will be, matter to its answer?

    It does where it is one of the nearest by meaning, or shares words of weight with the question. For all others it is
    no candidate worth a choice, and all other candidates are the same in both indexes. What is left is that words which
    change hands become rarer or more common; that shows only where very many questions change at once.
    """
    if not texts:
        return []
    readings = [read(text, after.tokenizer) for text in texts]
    covered = np.maximum(_covered(before, entry_id, readings), _covered(after, entry_id, readings))
    ahead = _ahead(before, after, entry_id, readings)
    is_near = (ahead < _NEAREST) | ((ahead < _NEAR) & (covered >= _COVERED))
    return [bool(one) for one in is_near | (covered >= _WELL_COVERED)]


def _covered(index: Index, entry_id: str, readings: Sequence[Reading]) -> NDArray[np.float64]:
    """Per question: the share of its rarity that the entry's title, questions and keywords cover."""
    known = index.known.get(entry_id)
    if known is None:
        return np.zeros(len(readings))
    bodies = index.places.bodies
    is_held = np.zeros(len(bodies.kinds), bool)
    is_held[bodies.of_document[known.number]] = True
    shares = []
    for reading in readings:
        query = bodies.query(reading.terms)
        shared = query.weights[is_held[query.terms]].astype(np.float64)
        shares.append(float((shared**2).sum() / max(query.squares.sum(), 1e-9)))
    return np.array(shares)


def _ahead(before: Index, after: Index, entry_id: str, readings: Sequence[Reading]) -> NDArray[np.int64]:
    """Per question: how many other entries are nearer by meaning than the old and the new entry."""
    indexes = [index for index in (before, after) if entry_id in index.known]
    own = np.array([_about(index)[index.known[entry_id].number] for index in indexes])
    others = _about(after)[[known.number for known in after.known.values() if known.entry.id != entry_id]]
    found = []
    for start in range(0, len(readings), _CHUNK):
        asked = np.array([after.meanings.of(reading) for reading in readings[start : start + _CHUNK]])
        likeness, wanted = asked @ others.T, asked @ own.T
        found.append(np.min([(likeness > one[:, None]).sum(1) for one in wanted.T], axis=0))
    ahead: NDArray[np.int64] = np.concatenate(found)
    return ahead


def _about(index: Index) -> Vectors:
    """Per document: what it is about, as the index weighs it."""
    return index.places.body_meanings + np.float32(_ANSWERS) * index.places.text_meanings
