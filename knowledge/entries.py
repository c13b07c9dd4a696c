"""FAQ entries: what we know, what it rests on, and on which days each text may be given."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from intents.categories import Category


class Confidence(StrEnum):
    """How far the facts of an entry are sure; see docs/knowledge.md, rule 1."""

    HIGH = "high"
    MEDIUM = "medium"


class EntryStatus(StrEnum):
    """Where an entry stands; only published ones are given."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Basis:
    """One law, rule or standard that a text rests on, and the days on which it is in force."""

    document: str
    number: str = ""
    clause: str = ""
    from_: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """One wording of an answer and the days (China dates, both included) on which it may be given."""

    answer: str
    more: str = ""
    next: str = ""
    basis: tuple[Basis, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None

    def is_valid(self, today: date) -> bool:
        """May this text be given on that day?"""
        return (self.valid_from is None or self.valid_from <= today) and (
            self.valid_until is None or today <= self.valid_until
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One question that we can answer, in all the ways it is asked."""

    id: str
    category: Category
    title: str
    questions: tuple[str, ...]
    keywords: tuple[str, ...]
    texts: tuple[Text, ...]
    confidence: Confidence
    checked_on: date
    owner: str
    status: EntryStatus = EntryStatus.PUBLISHED
    related: tuple[str, ...] = ()

    def text_on(self, today: date) -> Text | None:
        """The text for that day; None when the entry must not be given then."""
        if self.status is not EntryStatus.PUBLISHED:
            return None
        return next((text for text in self.texts if text.is_valid(today)), None)


@dataclass(frozen=True, slots=True)
class Release:
    """The immutable set of entries that is live."""

    number: int
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry], *, number: int = 1) -> "Release":
        """A release of these entries, in the order of their ids."""
        return cls(number, tuple(sorted(entries, key=lambda entry: entry.id)))
