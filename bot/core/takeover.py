"""Staff take over a chat: what may still be sent, how long somebody waits, whom a chat goes to, and when it ends.

The limits are starting values of ours, not prescribed; spans are working time of the contact's station.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from bot.core.calendar import WorkCalendar
from bot.core.times import CHINA
from bot.core.wording import say

WAIT_LIMIT = timedelta(minutes=10)
"""Who has waited so long for staff is told so, and gets a request instead."""
IDLE_LIMIT = timedelta(minutes=30)
"""Without a word for so long, an answered chat goes back to the bot, and an unanswered one rings an alert."""
HERE = timedelta(minutes=2)
"""Whose console was open within that span is here."""
MOST_HELD = 5
"""Chats that one person is given; they may take more themselves."""
WAITS_COUNTED = 20
"""The last waits from which the next is expected."""

_STEP = 5  # minutes to which an expected wait is rounded
_WORDED = frozenset({"text", "voice"})
_NOBODY = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Quota:
    """How many messages staff may still send to a contact, until when (None: not now), and the way that is open else.

    `next_way`: held (with the contact's next message), notice (the same, and a template message says so), sms, phone.
    """

    left: int
    until: datetime | None
    next_way: str

    @property
    def is_open(self) -> bool:
        """May a message leave now?"""
        return self.left > 0 and self.until is not None

    @property
    def text(self) -> str:
        """The state in words, as the answer box shows it."""
        if self.until is None:
            return say("staff.quota_closed")
        at = self.until.astimezone(CHINA).strftime("%m-%d %H:%M")
        return say("staff.quota" if self.left else "staff.quota_used", left=self.left, at=at)

    @property
    def next_label(self) -> str:
        """What the button of the other way says."""
        return say(f"staff.way_{self.next_way}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contact in the queue; `expected_minutes` from its beginning, None where nothing is known."""

    conversation_id: int
    since: datetime
    position: int  # the first is 1
    expected_minutes: int | None


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who is here and may take chats."""

    id: int
    name: str
    skills: frozenset[str]  # categories
    held: int
    last_work: datetime | None = None  # the beginning of the last chat of today


@dataclass(frozen=True, slots=True)
class ConsoleRules:
    """What an operator decides about the queue (the runtime setting `console`)."""

    auto_assign: bool = True
    office_hours: bool = True  # False: people are there at any time

    @classmethod
    def from_json(cls, value: dict[str, Any] | None) -> "ConsoleRules":
        """The setting as it is kept; what is missing or no truth value stays as it ships."""
        given = value or {}
        known = {name: given[name] for name in cls.__dataclass_fields__ if isinstance(given.get(name), bool)}
        return cls(**known)


def expected_minutes(waits: Sequence[timedelta]) -> int | None:
    """The wait to expect after these: their median to five minutes, five at least; None after none."""
    if not waits:
        return None
    minutes = median(wait.total_seconds() for wait in waits) / 60
    return max(_STEP, round(minutes / _STEP) * _STEP)


def in_line(rows: Iterable[tuple[int, datetime]], waits: Sequence[timedelta]) -> list[Waiting]:
    """The queue, the longest waiting first: pairs of conversation and beginning, and the last waits."""
    expected = expected_minutes(waits)
    ordered = sorted(rows, key=lambda row: (row[1], row[0]))
    return [Waiting(key, since, place, expected) for place, (key, since) in enumerate(ordered, 1)]


def choose(
    colleagues: Iterable[Colleague], *, category: str, last: str, most: int = MOST_HELD
) -> tuple[Colleague, str] | None:
    """Whom a waiting chat goes to, and why, in words for them; None where everybody is busy.

    `last` is the name of who spoke with this contact before: known people first, then those who know the category, then
    who has the fewest chats, then who has waited longest for one.
    """
    free = [one for one in colleagues if one.held < most]
    if not free:
        return None
    best = min(free, key=lambda one: _rank(one, category, last))
    return best, _why(best, free, category, last)


def _rank(one: Colleague, category: str, last: str) -> tuple[bool, bool, int, datetime, int]:
    return one.name != last, category not in one.skills, one.held, one.last_work or _NOBODY, one.id


def _why(best: Colleague, free: Sequence[Colleague], category: str, last: str) -> str:
    if best.name == last:
        return say("staff.why_last")
    if category in best.skills:
        return say("staff.why_skill")
    if len(free) == 1:
        return say("staff.why_only")
    others = [one.held for one in free if one is not best]
    return say("staff.why_fewest" if best.held < min(others) else "staff.why_longest")


def is_wait_over(calendar: WorkCalendar, since: datetime, *, now: datetime) -> bool:
    """Has somebody waited in vain: through all the minutes that we give ourselves, or to the end of the hours?"""
    if not calendar.is_open(now):
        return True
    return calendar.working_time_between(since, now).time >= WAIT_LIMIT


def is_idle(
    calendar: WorkCalendar,
    *,
    held_since: datetime,
    contact_at: datetime | None,
    staff_at: datetime | None,
    now: datetime,
) -> bool:
    """Does a chat go back to the bot: the contact's last word was answered, and nobody has written for long?"""
    if staff_at is None or is_unanswered(contact_at=contact_at, staff_at=staff_at):
        return False
    # The answer may be of an earlier day: whoever has just taken the chat is about to write.
    quiet_since = max(staff_at, held_since)
    return calendar.working_time_between(quiet_since, now).time >= IDLE_LIMIT


def is_unanswered(*, contact_at: datetime | None, staff_at: datetime | None) -> bool:
    """Is the contact's last word still without an answer of staff?"""
    return contact_at is not None and (staff_at is None or staff_at < contact_at)


def own_words(asked: str, messages: Iterable[tuple[str, str, str]]) -> str:
    """What the contact wanted: the last question that is remembered, else their newest words that were no command.

    `messages`: kind, text and outcome of what they wrote, the newest first. Empty where they never said.
    """
    if asked.strip():
        return asked.strip()
    # In a form the words are names and numbers, and an act is a command such as 转人工.
    said = (
        text.strip() for kind, text, outcome in messages if kind in _WORDED and outcome not in ("act", "form")
    )
    return next((text for text in said if text), "")


def mentions(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Who is called by @姓名, in the order of the text; the longest name that fits counts."""
    known = sorted((name for name in names if name), key=len, reverse=True)
    if not known:
        return ()
    pattern = re.compile("@(" + "|".join(re.escape(name) for name in known) + ")")
    return tuple(dict.fromkeys(pattern.findall(text)))
