"""The words of the lists in a text: instruments, places, parameters, products."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from intents.text import data_lines

_LISTS = ("instruments", "regions", "parameters", "products")  # a word of two lists belongs to the first
# What follows makes another thing of the word: 中山路 is not in 中山, 绝缘电阻测试仪 is an instrument.
_OTHER = {
    "instruments": re.compile(r"(?!)"),
    "products": re.compile(r"(?!)"),
    "regions": re.compile("路|街(?!道)|大道|大街|大学|医院"),
    "parameters": re.compile("测[试定量]?仪|检测仪|分析仪|试验[箱机]|[仪箱计](?!量|算)|传感器|软糖|质控菌"),
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of one of the lists, where it stands in a text."""

    start: int
    end: int
    kind: str
    name: str


@cache
def _lexicon() -> Mapping[str, tuple[tuple[str, str, str], ...]]:
    """First two characters -> the words that begin so, longest first: word, list, canonical form."""
    found: dict[str, tuple[str, str]] = {}
    for name in _LISTS:
        for line in data_lines(f"{name}.tsv"):
            word, _, canonical = line.partition("\t")
            found.setdefault(word, (name, canonical or word))
    table: dict[str, list[tuple[str, str, str]]] = {}
    for word, (name, canonical) in sorted(found.items(), key=lambda item: (-len(item[0]), item[0])):
        table.setdefault(word[:2], []).append((word, name, canonical))
    return {start: tuple(words) for start, words in table.items()}


def words_in(text: str) -> list[Word]:
    """The words of the lists in a text, the longest at each place; none lies inside another."""
    table = _lexicon()
    found: list[Word] = []
    free = 0
    for place in range(len(text) - 1):
        for word, kind, name in table.get(text[place : place + 2], ()):
            if place >= free and text.startswith(word, place) and _is_whole(text, place, word):
                free = place + len(word)
                if not _OTHER[kind].match(text, free):
                    found.append(Word(place, free, kind, name))
                break
    return found


def _is_whole(text: str, place: int, word: str) -> bool:
    """A word in Latin letters is not a part of a longer one."""
    if not word.isascii():
        return True
    after = text[place + len(word) : place + len(word) + 1]
    return not (text[place - 1 : place].isascii() and text[place - 1 : place].isalnum()) and not (
        after.isascii() and after.isalnum()
    )
