"""How well the knowledge answers: every figure is the number of its records, so that each can be looked at."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from bot.core.times import china_date
from intents.categories import OOS

_UNANSWERED = frozenset({"clarify", "refer", "oos"})


class Kind(StrEnum):
    """What a record counts for."""

    ASKED = "asked"  # a question was put to the knowledge
    AT_ONCE = "at-once"  # and answered with an entry at once
    CHOSEN = "chosen"  # and answered after asking back
    HIT = "hit"  # either of these
    MISSED = "missed"  # and not answered
    RATED = "rated"  # an answer was rated
    HELPFUL = "helpful"  # as helpful
    CHECKED = "checked"  # staff said what a message should have been taken for, and a maintainer decided
    RIGHT = "right"  # it had been taken for that


@dataclass(frozen=True, slots=True)
class Record:
    """One message that figures count."""

    message_id: int
    conversation_id: int
    on: date  # China
    category: str  # as the bot took it
    kinds: frozenset[Kind]
    entry_id: str = ""

    @property
    def week(self) -> str:
        """ISO: 2026-W47."""
        year, week, _ = self.on.isocalendar()
        return f"{year}-W{week:02d}"


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    @property
    def percent(self) -> str:
        """For people; nothing of nothing is no figure."""
        return f"{100 * self.part / self.whole:.1f}%" if self.whole else "—"


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of a week, of a category, or of everything."""

    key: str
    hit: Share  # answered of asked
    at_once: Share
    helpful: Share
    right: Share


# Made once: a month has tens of thousands of questions.
_KINDS = {
    kind: frozenset({Kind.ASKED, kind} if kind is Kind.MISSED else {Kind.ASKED, Kind.HIT, kind})
    for kind in (Kind.MISSED, Kind.AT_ONCE, Kind.CHOSEN)
}


def questions_of(rows: Iterable[Any]) -> list[Record]:
    """Each question that was put to the knowledge, from all messages in the order of their ids.

    A question counts once: what is chosen after asking back belongs to the question before it. Words that only act
    (更多, a greeting, a form) are none. Answered is what an entry was given for.
    """
    found: dict[int, Record] = {}
    asked_back: dict[int, Record] = {}  # by conversation: the contact may choose now
    answering: dict[int, Record] = {}  # by conversation: the entry follows
    for row in rows:
        talk = row.conversation_id
        if row.is_inbound:
            before = asked_back.pop(talk, None)
            answering.pop(talk, None)
            if row.outcome == "answer":
                answering[talk] = (
                    replace(before, kinds=_KINDS[Kind.CHOSEN]) if before else _asked(row, Kind.AT_ONCE)
                )
            elif row.outcome in _UNANSWERED:
                found[row.id] = _asked(row, Kind.MISSED)
                if row.outcome == "clarify":
                    asked_back[talk] = found[row.id]
        elif (record := answering.pop(talk, None)) and row.entry_id:
            found[record.message_id] = replace(record, entry_id=row.entry_id)
    return [found[key] for key in sorted(found)]


def _asked(row: Any, kind: Kind) -> Record:
    category = row.category or OOS
    return Record(row.id, row.conversation_id, china_date(row.at), category, _KINDS[kind])


def opinions_of(rows: Iterable[Any], categories: Mapping[str, str]) -> list[Record]:
    """Each answer that was rated; its category is that of the entry (`categories` by entry)."""
    return [
        Record(
            row.message_id,
            row.conversation_id,
            china_date(row.at),
            categories.get(row.entry_id, OOS),
            frozenset({Kind.RATED, Kind.HELPFUL}) if row.is_helpful else frozenset({Kind.RATED}),
            row.entry_id,
        )
        for row in rows
    ]


def checks_of(rows: Iterable[Any]) -> list[Record]:
    """Each message whose category staff spoke of and a maintainer decided; right where the bot's category stands."""
    return [
        Record(
            row.message_id,
            row.conversation_id,
            china_date(row.at),
            row.before,
            frozenset({Kind.CHECKED, Kind.RIGHT})
            if row.state == "rejected" or row.after == row.before
            else frozenset({Kind.CHECKED}),
        )
        for row in rows
    ]


def pick(records: Iterable[Record], kind: Kind, *, week: str = "", category: str = "") -> list[Record]:
    """The records that one figure counts, newest first."""
    found = [
        one
        for one in records
        if kind in one.kinds and week in ("", one.week) and category in ("", one.category)
    ]
    return sorted(found, key=lambda one: (one.on, one.message_id), reverse=True)


def line_of(key: str, records: Sequence[Record]) -> Line:
    """The figures of these records."""
    count = Counter(kind for one in records for kind in one.kinds)
    asked = count[Kind.ASKED]
    return Line(
        key,
        hit=Share(count[Kind.HIT], asked),
        at_once=Share(count[Kind.AT_ONCE], asked),
        helpful=Share(count[Kind.HELPFUL], count[Kind.RATED]),
        right=Share(count[Kind.RIGHT], count[Kind.CHECKED]),
    )


def by_week(records: Iterable[Record]) -> list[Line]:
    """The figures of each week, the newest first."""
    return _by(records, lambda one: one.week, reverse=True)


def by_category(records: Iterable[Record]) -> list[Line]:
    """The figures of each category, in the order of their keys."""
    return _by(records, lambda one: one.category, reverse=False)


def _by(records: Iterable[Record], key: Callable[[Record], str], *, reverse: bool) -> list[Line]:
    groups: dict[str, list[Record]] = {}
    for one in records:
        groups.setdefault(key(one), []).append(one)
    return [line_of(name, groups[name]) for name in sorted(groups, reverse=reverse)]


def first_day(today: date, *, weeks: int) -> date:
    """The Monday on which so many weeks begin, this one counted."""
    return today - timedelta(days=today.weekday() + 7 * (weeks - 1))
