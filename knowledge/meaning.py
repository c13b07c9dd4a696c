"""What terms mean, learned from topics of the corpus: texts without a common word can be about the same."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from knowledge.reading import Reading, TermKind, kind_of

Vectors = NDArray[np.float32]

_KINDS = frozenset({TermKind.PAIR, TermKind.WORD})
_STEPS = 127  # of the quantised numbers


@dataclass(frozen=True, slots=True)
class Meanings:
    """Term -> vector. A vector's length says how much the term tells."""

    rows: Mapping[str, int]
    steps: NDArray[np.int8]  # one row per term
    scales: Vectors  # per row: the value of one step

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return int(self.steps.shape[1])

    def of(self, reading: Reading) -> Vectors:
        """The direction of a text, of length 1; zeros when nothing in it is known."""
        rows = [row for term in reading.terms if (row := self.rows.get(term, -1)) >= 0]
        return _unit(self.scales[rows] @ self.steps[rows].astype(np.float32))

    def together(self, readings: Iterable[Reading]) -> Vectors:
        """The common direction of several texts, each counting the same."""
        total = np.zeros(self.size, np.float32)
        for reading in readings:
            total += self.of(reading)
        return _unit(total)

    @classmethod
    def quantised(cls, vectors: Mapping[str, NDArray[np.float64]]) -> "Meanings":
        """Keep vectors in steps of a 127th of their largest number, in the order of the terms."""
        terms = sorted(vectors)
        matrix = np.array([vectors[term] for term in terms]).reshape(len(terms), -1)
        scales = np.abs(matrix).max(axis=1, initial=1e-12) / _STEPS
        # Five digits, so that what is written is what is used.
        scales = np.array([float(f"{scale:.5g}") for scale in scales])
        steps = np.clip(np.rint(matrix / scales[:, None]), -_STEPS, _STEPS).astype(np.int8)
        rows = {term: row for row, term in enumerate(terms)}
        return cls(rows, steps, scales.astype(np.float32))

    def to_text(self, head: str) -> str:
        """One line per term: term, scale, steps in base 64; `head` is a comment on how they were made."""
        lines = [f"# {head}".rstrip()]
        for term, row in self.rows.items():
            steps = base64.b64encode(self.steps[row].tobytes()).decode()
            lines.append(f"{term}\t{self.scales[row]:.5g}\t{steps}")
        return "\n".join(lines) + "\n"

    @classmethod
    def of_text(cls, text: str) -> "Meanings":
        """The opposite of `to_text`."""
        lines = [line.split("\t") for line in text.splitlines() if "\t" in line]
        steps = np.frombuffer(b"".join(base64.b64decode(line[2]) for line in lines), np.int8)
        scales = np.array([float(line[1]) for line in lines], np.float32)
        rows = {line[0]: row for row, line in enumerate(lines)}
        return cls(rows, steps.reshape(len(lines), -1) if lines else np.zeros((0, 1), np.int8), scales)


def is_meaningful(term: str) -> bool:
    """Are terms of this kind given a vector?"""
    return kind_of(term) in _KINDS


def _unit(vector: Vectors) -> Vectors:
    length = float(np.sqrt(vector @ vector))
    return vector / np.float32(length) if length > 1e-9 else np.zeros_like(vector)


@cache
def shipped() -> Meanings:
    """The vectors that ship with the project."""
    return Meanings.of_text((files("knowledge") / "data" / "meanings.tsv").read_text(encoding="utf-8"))
