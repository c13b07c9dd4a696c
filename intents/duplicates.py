"""Texts of the corpus that are nearly the same: they teach nothing new, and under two labels they teach both wrongly."""

from collections.abc import Iterator, Sequence

from rapidfuzz import fuzz, process

from intents.corpus import Sample
from intents.text import normalise

ALIKE = 92.0  # of 100: one character in twelve differs
_BLOCK = 256


def near_duplicates(samples: Sequence[Sample], *, least: float = ALIKE) -> Iterator[tuple[Sample, Sample]]:
    """Pairs of samples whose normalised texts are that alike, each pair once, in the order of their lengths.

    Only texts of similar length can be: the sum of the lengths bounds the likeness.
    """
    texts = [normalise(sample.text) for sample in samples]
    order = sorted(range(len(texts)), key=lambda place: (len(texts[place]), texts[place]))
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        longest = len(texts[block[-1]]) * (200 / least - 1)
        others = order[start : next(_ends(order, start, texts, longest))]
        found = process.cdist(
            [texts[place] for place in block],
            [texts[place] for place in others],
            scorer=fuzz.ratio,
            score_cutoff=least,
        )
        for row, column in zip(*found.nonzero(), strict=True):
            if column > row:
                yield samples[block[row]], samples[others[column]]


def _ends(order: Sequence[int], start: int, texts: Sequence[str], longest: float) -> Iterator[int]:
    for place in range(start, len(order)):
        if len(texts[order[place]]) > longest:
            yield place
    yield len(order)
