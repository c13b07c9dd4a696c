"""What the linear models see of a text: characters, words, canonical terms, sounds and cues, each with its count."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations, pairwise

from intents.sounds import sound
from intents.text import Tokenizer, data_lines, domain_words, mask, synonyms

_GAP = re.compile(r"[^\w]+")
_DIGITS = re.compile(r"\d{6,}")
_LATIN = re.compile(r"[a-z][a-z&-]+")
_LONGEST = 4  # characters in a row
_MANY = 3  # terms of the domain; more say no more
_LENGTHS = (2, 4, 7, 12, 20, 40)


def features(text: str, tokenizer: Tokenizer) -> dict[str, int]:
    """Count the features of a text; the first letter of a key names its kind.

    c characters in a row, w words, s canonical terms, p sounds, d number of domain terms, k cues, l length.
    A text without any letter or digit has none.
    """
    plain = _plain(tokenizer.plain(text))
    counts: dict[str, int] = {}
    if plain:
        for key in _keys(plain, tokenizer.words(plain)):
            counts[key] = counts.get(key, 0) + 1
    return counts


def _plain(text: str) -> str:
    masked = mask(text)
    chinese = _LATIN.sub(lambda match: _english().get(match[0], match[0]), masked)
    return _DIGITS.sub("#", _GAP.sub(" ", chinese)).strip()


def _keys(plain: str, words: list[str]) -> Iterator[str]:
    framed = f"^{plain}$"
    end = len(framed)
    for size in range(1, _LONGEST + 1):
        for start in range(end - size + 1):
            yield f"c{framed[start : start + size]}"
    yield from _word_keys(words)
    yield from _sound_keys(plain)
    yield from _cue_keys(plain)
    yield f"l{sum(len(plain) > length for length in _LENGTHS)}"


def _word_keys(words: list[str]) -> Iterator[str]:
    canonical, domain = synonyms(), domain_words()
    known = 0
    for word in words:
        if len(word) > 1:
            yield f"w{word}"
            yield f"s{canonical.get(word, word)}"
            known += word in domain
    for first, second in pairwise(words):
        yield f"w{first} {second}"
    yield f"d{min(known, _MANY)}"


def _sound_keys(plain: str) -> Iterator[str]:
    sounds = [sound(char) or char for char in plain if char != " "]
    for first, second in pairwise(sounds):
        yield f"p{first} {second}"
    for first, second, third in zip(sounds, sounds[1:], sounds[2:], strict=False):
        yield f"p{first} {second} {third}"


def cues_in(counts: Mapping[str, int]) -> frozenset[str]:
    """The cues among the features of a text."""
    return frozenset(key[1:] for key in counts if key[0] == "k" and " " not in key)


def _cue_keys(plain: str) -> Iterator[str]:
    table = _cues()
    found: set[str] = set()
    for start, char in enumerate(plain):
        for word, cues in table.get(char, ()):
            if plain.startswith(word, start):
                found.update(cues)
    cues_found = sorted(found)
    yield from (f"k{cue}" for cue in cues_found)
    yield from (f"k{first} {second}" for first, second in combinations(cues_found, 2))


@cache
def _english() -> Mapping[str, str]:
    return dict(_pair(line) for line in data_lines("english.tsv"))


@cache
def _cues() -> Mapping[str, tuple[tuple[str, frozenset[str]], ...]]:
    """First character -> the words that begin so, each with its cues."""
    cues_of: dict[str, set[str]] = {}
    for line in data_lines("cues.tsv"):
        cue, words = _pair(line)
        for word in words.split():
            cues_of.setdefault(word, set()).add(cue)
    table: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for word, cues in sorted(cues_of.items()):
        table.setdefault(word[0], []).append((word, frozenset(cues)))
    return {first: tuple(words) for first, words in table.items()}


def _pair(line: str) -> tuple[str, str]:
    first, _, second = line.partition("\t")
    return first, second
