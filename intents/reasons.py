"""The words that decided, for people to read."""

from collections.abc import Mapping

from intents.model import Model

_MOST = 5
_SHORTEST = 2  # characters: one alone tells a reader nothing
_LOOKED_AT = 48
_WORTH = 0.1  # of the strongest word: what is weaker did not decide


def reasons_of(text: str, model: Model, counts: Mapping[str, int], label: str) -> tuple[str, ...]:
    """The words of a normalised text that spoke most for a label, strongest first."""
    gains = [0.0] * len(text)
    for key, gain in model.evidence(counts, label)[:_LOOKED_AT]:
        # Canonical terms, sounds and cues stand for words that are named anyway.
        if key[0] in "cw":
            _spread(gains, text, key[1:].strip("^$ "), gain)
    words = {key[1:] for key in counts if key[0] == "w" and " " not in key}
    # What is cut is shown as written: a word that was translated first does not stand in the text.
    weighed = [(_gain(gains, text, word), word) for word in words if len(word) >= _SHORTEST and word in text]
    best = sorted(weighed, key=lambda pair: (-pair[0], pair[1]))[:_MOST]
    return tuple(word for gain, word in best if gain > best[0][0] * _WORTH)


def _spread(gains: list[float], text: str, part: str, gain: float) -> None:
    """Credit every character of a part, where it first stands."""
    start = text.find(part) if part else -1
    if start >= 0:
        for place in range(start, start + len(part)):
            gains[place] += gain / len(part)


def _gain(gains: list[float], text: str, word: str) -> float:
    start = text.find(word)
    return sum(gains[start : start + len(word)])
