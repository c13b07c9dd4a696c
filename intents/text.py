"""One text as everybody here reads it: normalised, masked, cut into words."""

import hashlib
import marshal
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import jieba

MOST_CHARACTERS = 600  # of a normalised text; a longer one keeps its beginning and its end
_HEAD = 400
_RAW_BOUND = 4000  # cut before anything else looks at the text
_RARE = 10  # words that jieba counted less often cost 45 MiB and are not of this domain

_MARKS = re.compile("[\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f]")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]")
_NO_OTHERS: Mapping[str, str] = {}
# What a table of single characters gets wrong.
_PHRASES = {
    "乾隆": "乾隆",
    "乾坤": "乾坤",
    "品質": "质量",
    "資訊": "信息",
    "軟體": "软件",
    "專案": "项目",
    "選單": "菜单",
}
_PHRASE = re.compile("|".join(map(re.escape, _PHRASES)))
# Taiwan, Hong Kong and old forms that opencc's simplified table does not hold.
_VARIANTS = dict(zip("綫裏羣衆峯麪妳説産値査", "线里群众峰面你说产值查", strict=True))


def normalise(text: str) -> str:
    """One form for all ways of typing the same: NFKC, simplified, lower case, single spaces, no control characters.

    At most MOST_CHARACTERS long, whatever comes in; normalising twice changes nothing.
    """
    text = unicodedata.normalize("NFKC", _visible(text[:_RAW_BOUND])).lower()
    text = unicodedata.normalize("NFKC", _simplified(text))
    text = _SPACE.sub(" ", _visible(text)).strip()
    if len(text) > MOST_CHARACTERS:
        tail = text[-(MOST_CHARACTERS - _HEAD - 1) :]
        text = f"{text[:_HEAD].rstrip()} {tail.lstrip()}"
    return text


def _visible(text: str) -> str:
    text = _MARKS.sub("", text)
    if text.isprintable():
        return text
    return "".join(_printable(char) for char in text)


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else ""


def _simplified(text: str) -> str:
    if text.isascii():
        return text
    return _PHRASE.sub(lambda match: _PHRASES[match[0]], text).translate(_traditional())


@cache
def _traditional() -> Mapping[int, str]:
    """Character by character: opencc's table, read without its slow phrase search."""
    table = (files("opencc") / "dictionary" / "TSCharacters.txt").read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in table.splitlines() if "\t" in line)
    found = {ord(traditional): simplified.split(" ")[0] for traditional, simplified in pairs}
    found.update({ord(variant): plain for variant, plain in _VARIANTS.items()})
    # An everyday simplified character too: 著作, 著名.
    found.pop(ord("著"), None)
    return found


_CODE = "0-9a-hj-npqrtuwxy"  # letters that codes of firms may hold
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), placeholder)
    for pattern, placeholder in (
        (r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}", "[email]"),
        # Unified social credit codes and identity cards: 18 characters, always with a region of six digits.
        (rf"(?<![0-9a-z])[{_CODE}]{{2}}\d{{6}}[{_CODE}]{{10}}(?![0-9a-z])", "[id]"),
        (r"(?<![0-9a-z])\d{15,19}(?![0-9a-z])", "[id]"),
        (r"(?<![0-9a-z])(?:\+?86[\s-]*)?[1１][3-9３-９](?:[\s\-–—－·]?\d){9}(?!\d)", "[phone]"),
        (r"(?<![0-9a-z.-])[0０]\d{2,3}[\s\-–—－)）]{0,2}\d{7,8}(?![0-9a-z])", "[phone]"),
        (r"(?<![0-9a-z.-])(?:[48]00|４００|８００)[\s\-–—－]?\d{3}[\s\-–—－]?\d{4}(?![0-9a-z])", "[phone]"),
    )
)
_MASKABLE = re.compile(r"@|\d[\d\s\-–—－·()（）]{5,}\d|\d{6}[0-9A-Za-z]{10}")


def mask(text: str) -> str:
    """The text with telephone numbers, e-mail addresses and numbers of persons or firms replaced by placeholders."""
    if not _MASKABLE.search(text):
        return text
    for pattern, placeholder in _MASKS:
        text = pattern.sub(placeholder, text)
    return text


@cache
def synonyms() -> Mapping[str, str]:
    """Other name -> the canonical term of the domain; ambiguous short forms are not in it."""
    pairs = (line.split("\t") for line in _lines("synonyms.tsv"))
    return dict(pairs)


@cache
def domain_words() -> frozenset[str]:
    """All terms of the domain, as the tokenizer keeps them together."""
    return frozenset(_lines("userdict.txt"))


class Tokenizer:
    """Cuts texts into words: jieba's algorithm over its common words and those of the domain.

    `others` are the operator's synonyms, other name -> the term that entries and training use.
    """

    def __init__(
        self, frequencies: dict[str, int], total: int, others: Mapping[str, str] = _NO_OTHERS
    ) -> None:
        self._jieba = jieba.Tokenizer()
        # Set directly: jieba's own loading knows only its full dictionary and a cache under /tmp.
        self._jieba.FREQ, self._jieba.total = frequencies, total
        self._jieba.initialized = True
        self.others = {normalise(name): normalise(term) for name, term in others.items()}
        # A term that holds its other name must not grow each time it is read: terms match as themselves.
        known = sorted({*self.others, *self.others.values()} - {""}, key=lambda name: (-len(name), name))
        self._other = re.compile("|".join(map(re.escape, known))) if known else None

    @classmethod
    def load(cls, cache_dir: Path | None = None) -> "Tokenizer":
        """Read the dictionaries; with a folder for the prepared form it takes a tenth of the time from then on."""
        if cache_dir is None:
            return cls(*_dictionary())
        path = cache_dir / f"words-{_fingerprint()}.cache"
        prepared = _prepared(path)
        if prepared is None:
            prepared = _dictionary()
            # Without the file the next start is slower, nothing else.
            with suppress(OSError):
                _write(path, marshal.dumps(prepared))
        return cls(*prepared)

    def knowing(self, others: Mapping[str, str]) -> "Tokenizer":
        """This tokenizer with these synonyms instead of its own."""
        return Tokenizer(self._jieba.FREQ, self._jieba.total, others)

    @property
    def fingerprint(self) -> str:
        """Tells whether two tokenizers cut alike."""
        return f"{_fingerprint()} {sorted(self.others.items())}"

    def plain(self, text: str) -> str:
        """A text in its one form, with the operator's synonyms replaced by the terms they stand for."""
        text = normalise(text)
        if self._other is None:
            return text
        return self._other.sub(lambda match: self.others.get(match[0], match[0]), text)

    def words(self, text: str) -> list[str]:
        """The words of a normalised text in order, without spaces and punctuation."""
        return [word for word in self._jieba.cut(text, HMM=False) if _WORD.search(word)]


def _lines(name: str) -> Iterator[str]:
    text = (files("intents") / "data" / name).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))


def data_lines(name: str) -> list[str]:
    """The lines of a data file of this package, without comments and empty ones."""
    return list(_lines(name))


def _fingerprint() -> str:
    seen = f"{version('jieba')} {_RARE}\n" + "\n".join(_lines("userdict.txt"))
    return hashlib.sha256(seen.encode()).hexdigest()[:16]


def _prepared(path: Path) -> tuple[dict[str, int], int] | None:
    try:
        frequencies, total = marshal.loads(path.read_bytes())  # noqa: S302 - a file of our own data folder
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return (frequencies, total) if isinstance(frequencies, dict) and isinstance(total, int) else None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(data)
    fresh.replace(path)


def _dictionary() -> tuple[dict[str, int], int]:
    """Words with their frequencies; every beginning of a word stands there with 0, as jieba wants it."""
    frequencies: dict[str, int] = {}
    total = 0
    for word, count in _counted_words():
        total += count
        frequencies[word] = count
        for end in range(1, len(word)):
            frequencies.setdefault(word[:end], 0)
    return frequencies, total


def _counted_words() -> Iterator[tuple[str, int]]:
    for line in (files("jieba") / "dict.txt").read_text(encoding="utf-8").splitlines():
        word, count, _ = line.split(" ")
        if int(count) >= _RARE:
            yield word, int(count)
    for word in _lines("userdict.txt"):
        yield word, 2000
