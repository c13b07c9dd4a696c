"""A basis changes: who cites it, from when a text must not be given, and which entries are due for review."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from bot.core.wording import say
from knowledge.entries import Basis, Entry, EntryStatus, Text

AHEAD = timedelta(days=60)
"""How long before its day a review stands in the calendar."""

_CHECKED_EVERY = timedelta(days=365)  # a text is held against its basis once a year at least
_SHORTEST = 4  # characters of a title: shorter ones stand inside too many others
_SHOWN = 24  # characters on either side of a citation
_DASH = "[-‐-―—–−]"
_NUMBER = re.compile(
    r"(?P<head>[a-z]{1,4}(?:\d{2,4}(?= ?/))?(?: ?/ ?[a-z]{1,10}){0,2}) ?(?P<number>\d[\d.]*(?:-\d{1,2}(?!\d))*)"
    rf"(?: ?(?:{_DASH}|:) ?(?P<year>(?:19|20)\d\d))?",
    re.IGNORECASE,
)
_JOINED = re.compile(r"(gb|jj|sb|ny|qb|rb)([tz])", re.IGNORECASE)  # GBT 19001


class Place(StrEnum):
    """Where a citation stands."""

    BASIS = "basis"
    ANSWER = "answer"
    MORE = "more"
    NEXT = "next"
    TITLE = "title"
    QUESTION = "question"
    CANNED = "canned"


# What is given to contacts; a question that names the standard does not rest on it.
_GIVEN = frozenset({Place.BASIS, Place.ANSWER, Place.MORE, Place.NEXT})


@dataclass(frozen=True, slots=True)
class Citation:
    """One place that names a document."""

    place: Place
    shown: str  # as it is written, with some words around it
    is_exact: bool  # the very edition, not the document in general
    text: int = 0  # number of the text within the entry, from 0


@dataclass(frozen=True, slots=True)
class Document:
    """What is looked for: a standard by its number, with or without the year, or any document by its title."""

    name: str
    year: str
    _pattern: re.Pattern[str]

    @classmethod
    def read(cls, typed: str) -> "Document | None":
        """What somebody typed: "GB/T19001", "gbt 19001—2016", "计量法"; None where it is too short to be looked for."""
        text = _JOINED.sub(r"\1/\2", " ".join(_plain(typed).split()).strip("《》 "), count=1)
        found = _NUMBER.fullmatch(text)
        if found is None:
            pattern = re.compile(re.escape(text), re.IGNORECASE)
            return cls(text, "", pattern) if len(text) >= _SHORTEST else None
        head, number, year = found["head"].replace(" ", ""), found["number"], found["year"] or ""
        name = f"{head.upper()} {number}"
        return cls(f"{name}-{year}" if year else name, year, _standard(head, number))

    def cited_in(self, text: str) -> Iterator[tuple[str, bool]]:
        """Each citation with some words around it, and whether it names this edition.

        Without a year in the text the current edition is meant, whichever that is; another year is another edition.
        """
        plain = _plain(text)
        for match in self._pattern.finditer(plain):
            year = match["year"] if "year" in match.re.groupindex else None
            if self.year and year and year != self.year:
                continue
            start, end = max(0, match.start() - _SHOWN), match.end() + _SHOWN
            shown = " ".join(plain[start:end].split())
            shown = ("…" if start else "") + shown + ("…" if end < len(plain) else "")
            yield shown, not self.year or year == self.year


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _standard(head: str, number: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in head.split("/")]
    kind = r"\s?/?\s?".join(parts)
    return re.compile(
        rf"(?<![a-z0-9/]){kind}\s?{re.escape(number)}(?!\d|\.\d|-\d{{1,2}}(?!\d))"
        rf"(?:\s?(?:{_DASH}|:)\s?(?P<year>(?:19|20)\d\d)(?!\d))?",
        re.IGNORECASE,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """An entry or canned reply that cites the document."""

    subject: str  # the entry's id, or canned:<id>
    title: str
    citations: tuple[Citation, ...]
    is_given: bool = True  # a text that may still be given cites it

    @property
    def rests_on_it(self) -> bool:
        """Does what is given rest on this very edition? Then it must not be given once that is replaced."""
        return self.is_given and any(
            one.place is Place.BASIS or (one.is_exact and one.place in (*_GIVEN, Place.CANNED))
            for one in self.citations
        )


def search_entry(entry: Entry, document: Document, *, on: date) -> Found | None:
    """Where an entry cites the document; `on` is the day from which it is replaced."""
    citations = tuple(_citations(entry, document))
    if not citations:
        return None
    live = {number for number, text in enumerate(entry.texts) if _goes_on(text, on)}
    is_given = any(one.text in live and one.place in _GIVEN for one in citations)
    return Found(entry.id, entry.title, citations, is_given and entry.status is not EntryStatus.ARCHIVED)


def search_reply(reply_id: int, title: str, text: str, document: Document) -> Found | None:
    """Where a canned reply cites the document."""
    citations = tuple(Citation(Place.CANNED, shown, is_exact) for shown, is_exact in document.cited_in(text))
    return Found(f"canned:{reply_id}", title, citations) if citations else None


def _citations(entry: Entry, document: Document) -> Iterator[Citation]:
    for place, words in (
        (Place.TITLE, entry.title),
        *((Place.QUESTION, words) for words in entry.questions),
    ):
        for shown, is_exact in document.cited_in(words):
            yield Citation(place, shown, is_exact)
    for number, text in enumerate(entry.texts):
        yield from _in_text(text, number, document)


def _in_text(text: Text, number: int, document: Document) -> Iterator[Citation]:
    for basis in text.basis:
        for shown, is_exact in document.cited_in(f"{basis.document} {basis.number}"):
            yield Citation(Place.BASIS, f"{shown} {basis.clause}".strip(), is_exact, number)
    for place, words in ((Place.ANSWER, text.answer), (Place.MORE, text.more), (Place.NEXT, text.next)):
        for shown, is_exact in document.cited_in(words):
            yield Citation(place, shown, is_exact, number)


def _goes_on(text: Text, day: date) -> bool:
    """May the text still be given on that day or later?"""
    return text.valid_until is None or text.valid_until >= day


def ended(entry: Entry, document: Document, *, on: date) -> Entry:
    """The entry with every text that cites the document given up to the day before, and the basis in force until then.

    A text that was to begin later than that is never given: it keeps its first day, which now lies behind its last.
    """
    last = on - timedelta(days=1)
    texts = tuple(
        _ended(text, document, last)
        if any(one.place in _GIVEN for one in _in_text(text, 0, document))
        else text
        for text in entry.texts
    )
    return replace(entry, texts=texts)


def _ended(text: Text, document: Document, last: date) -> Text:
    basis = tuple(_ended_basis(one, document, last) for one in text.basis)
    return replace(text, basis=basis, valid_until=min(text.valid_until or last, last))


def _ended_basis(basis: Basis, document: Document, last: date) -> Basis:
    if not any(document.cited_in(f"{basis.document} {basis.number}")):
        return basis
    return replace(basis, until=min(basis.until or last, last))


# --- the calendar of reviews ---


@dataclass(frozen=True, slots=True)
class Due:
    """An entry that somebody must look at by a day, and why."""

    entry_id: str
    title: str
    on: date
    why: str


def due_reviews(entries: Iterable[Entry], *, today: date, reviewed: Mapping[str, date]) -> list[Due]:
    """Entries whose review day has come or comes within AHEAD, the most urgent first; `reviewed`: the last review of each.

    A review settles what was due by AHEAD after it.
    """
    found = []
    for entry in entries:
        if entry.status is EntryStatus.PUBLISHED:
            last = reviewed.get(entry.id)
            days = [one for one in _days(entry, today, last) if one.on <= today + AHEAD]
            found += [min(days, key=lambda one: one.on)] if days else []
    return sorted(found, key=lambda one: (one.on, one.entry_id))


def _days(entry: Entry, today: date, last: date | None) -> Iterator[Due]:
    checked = max(entry.checked_on, last or date.min)
    yield Due(entry.id, entry.title, checked + _CHECKED_EVERY, say("sweeps.yearly", date=checked.isoformat()))
    ends = [text.valid_until for text in entry.texts if text.valid_until]
    # A text that another follows without a gap needs nobody.
    followed = {text.valid_from - timedelta(days=1) for text in entry.texts if text.valid_from}
    for day in ends:
        if day not in followed and all(_ends_by(text, day) for text in entry.texts):
            yield from _unless_seen(entry, day, last, say("sweeps.text_ends", date=day.isoformat()))
    current = entry.text_on(today)
    for basis in current.basis if current else ():
        if basis.until and (current is None or basis.until != current.valid_until):
            why = say(
                "sweeps.basis_ends",
                basis=" ".join(part for part in (basis.document, basis.number) if part),
                date=basis.until.isoformat(),
            )
            yield from _unless_seen(entry, basis.until, last, why)


def _ends_by(text: Text, day: date) -> bool:
    return text.valid_until is not None and text.valid_until <= day


def _unless_seen(entry: Entry, day: date, last: date | None, why: str) -> Iterator[Due]:
    if last is None or last < day - AHEAD:
        yield Due(entry.id, entry.title, day, why)
