"""How retrieval reads one text: without courtesies, as terms and sounds, and by what it asks for."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Protocol

from intents.sounds import sound, syllables
from intents.text import normalise, synonyms

MOST_CHARACTERS = 200  # of one text; what follows says nothing new about what is asked
_BOUND = 4 * MOST_CHARACTERS  # cut before anything else looks at the text


class Words(Protocol):
    """Cuts a text into words: `intents.text.Tokenizer`."""

    @property
    def fingerprint(self) -> str:
        """Tells whether two of them cut alike."""
        ...

    def plain(self, text: str) -> str:
        """The one form of a text that words are cut from."""
        ...

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Remembering:
    """A tokenizer for work that reads the same texts again and again; remembers every text it saw."""

    tokenizer: Words
    seen: dict[str, list[str]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """That of the tokenizer behind it."""
        return self.tokenizer.fingerprint

    def plain(self, text: str) -> str:
        """The one form of a text."""
        return self.tokenizer.plain(text)

    def words(self, text: str) -> list[str]:
        """The words of a normalised text, in order."""
        found = self.seen.get(text)
        if found is None:
            found = self.seen[text] = self.tokenizer.words(text)
        return found


class TermKind(IntEnum):
    """The kinds of terms that a text is looked up by."""

    UNIT = 0  # one Han character, or a run of letters or digits
    PAIR = 1  # two units that stand together
    WORD = 2  # a word of the dictionary
    SOUND = 3  # the sounds of a pair, for typing by sound


_UNIT = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)*|[\u3400-\u9fff]")
_TABLE = tomllib.loads((files("knowledge") / "data" / "reading.toml").read_text(encoding="utf-8"))
_COURTESY = re.compile("|".join(_TABLE["courtesy"]))
_ASKS = tuple(re.compile("|".join(patterns)) for patterns in _TABLE["asks"].values())
_ASKING = re.compile(
    "|".join(pattern for name in _TABLE["asking"] for pattern in _TABLE["asks"][name]) + r"|[?？,，。、和]"
)
_CHOICE = re.compile("|".join(_TABLE["choice"]))  # holds a negation and is none
_NEGATION = re.compile("|".join(_TABLE["negation"]))
_STANDARD = re.compile(
    r"(?:gb|db|iso|iec|jjg|jjf|haccp|fssc|qb|ny|sb|sn|hj|ja|rb|wm)[a-z]{0,3}\s*(?:/\s*[tz])?\s*/?\s*([0-9]{2,6}(?:\.[0-9]+)?)"
    r"|(?<![0-9.])((?:9001|14001|45001|22000|27001|50001|17025|17020|10012|13485|19580|7718|28050|14881|2760))(?![0-9.])"
)
_DECREE = re.compile(r"([0-9]{2,3})号令")


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as retrieval sees it."""

    text: str  # normalised, without courtesies and punctuation
    sound: str  # one character per unit: units that sound alike share it
    terms: tuple[str, ...]  # each once, in order; the first character names the kind
    asks: int  # bit set over `ASKS`
    numbers: frozenset[str]  # of the standards that are named
    is_negated: bool


ASKS: tuple[str, ...] = tuple(_TABLE["asks"])
ASKING = sum(1 << place for place, name in enumerate(ASKS) if name in _TABLE["asking"])
"""Those of the asks that make a text a question, as a bit set."""
TELLING = sum(1 << place for place, name in enumerate(ASKS) if name in _TABLE["telling"])
"""Those of the asks that an entry must speak of to answer, as a bit set."""


def read(text: str, words: Words) -> Reading:
    """Read a text; bounded in time for any input."""
    plain = words.plain(text[:_BOUND])[:MOST_CHARACTERS]
    plain = _COURTESY.sub(" ", plain).strip() or plain
    units = _UNIT.findall(plain)
    sounds = [_sound(unit) or unit for unit in units]
    return Reading(
        text="".join(units),
        sound="".join(map(_letter, units)),
        terms=tuple(dict.fromkeys(_terms(units, sounds, words.words(plain)))),
        asks=_asks(plain),
        numbers=frozenset(numbers_in(plain)),
        is_negated=_NEGATION.search(_CHOICE.sub("", plain)) is not None,
    )


def asks_of(text: str) -> int:
    """What a text asks for, as a bit set over `ASKS`."""
    return _asks(normalise(text[:_BOUND]))


def subject_of(text: str) -> str:
    """A question without the words that ask: what it is about."""
    plain = _ASKING.sub(" ", normalise(text[:_BOUND]))
    return " ".join(plain.split())


def kind_of(term: str) -> TermKind:
    """The kind of a term of a reading."""
    return TermKind(int(term[0]))


def numbers_in(text: str) -> list[str]:
    """The numbers of the standards and decrees that a normalised text names, without their years."""
    found = [first or second for first, second in _STANDARD.findall(text)]
    return found + [f"{number}令" for number in _DECREE.findall(text)]


def _terms(units: list[str], sounds: list[str], words: Iterable[str]) -> Iterable[str]:
    for unit in units:
        yield f"0{unit}"
    for first, second in pairwise(units):
        yield f"1{first}{second}"
    others = synonyms()
    for word in words:
        if len(word) > 1 and _UNIT.match(word):
            yield f"2{word}"
            if word in others:
                yield f"2{others[word]}"
    for first, second in pairwise(sounds):
        yield f"3{first}{second}"


def _asks(text: str) -> int:
    return sum(1 << place for place, pattern in enumerate(_ASKS) if pattern.search(text))


def _sound(unit: str) -> str:
    # Here the character stands for checking, hardly ever for a school.
    return "jiao" if unit == "校" else sound(unit)


def _letter(unit: str) -> str:
    """One character for the sound of a unit; what has no sound stands for itself."""
    syllable = _sound(unit)
    return _letters()[syllable] if syllable else unit[0]


@cache
def _letters() -> Mapping[str, str]:
    private = 0xE000  # characters that no text holds
    return {syllable: chr(private + place) for place, syllable in enumerate(syllables())}
