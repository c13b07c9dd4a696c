"""Tickets as people see them: numbers, what a contact sees of their own, which moves are offered."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum, auto

from bot.core.ticket_states import FINAL, Course, Move, Party, TicketKind, TicketState, rules

_LETTER = {TicketKind.NEED: "", TicketKind.COMPLAINT: "C-", TicketKind.SUGGESTION: "S-"}
# Made elsewhere: by the other side, by the outcome of a survey, or chosen by `move` for another.
_NOT_OFFERED = frozenset(
    {Move.REFER, Move.NO_ANSWER, Move.HAND_ON, Move.RATE, Move.CORRECT, Move.URGE, Move.CONFIRM}
)
# What a provider may read beside its own moves; not here: why staff chose it, what they corrected.
_FOR_PROVIDER = frozenset(
    {Move.ADD, Move.URGE, Move.ASK_ENTERPRISE, Move.GRANT, Move.DENY, Move.RECALL, Move.WITHDRAW, Move.START}
    | {Move.ACCEPT, Move.REJECT, Move.NO_ANSWER, Move.ASK_EXTENSION, Move.REPORT, Move.FINISH, Move.HAND_ON}
)
_REACH = re.compile(
    r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d){8}(?!\d)"  # mobile
    r"|(?<!\d)0\d{2,3}[ -]?\d{7,8}(?!\d)"  # landline
    r"|(?<!\d)[48]00[ -]?\d{3}[ -]?\d{4}(?!\d)"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    re.ASCII,
)


class Field(StrEnum):
    """What of a ticket staff may correct."""

    CATEGORY = auto()
    URGENCY = auto()
    CONTENT = auto()  # a note beside the enterprise's words, which stay
    CONCERNED = auto()  # who is complained about


@dataclass(frozen=True, slots=True)
class TicketView:
    """What a contact may see of their own ticket."""

    number: str
    kind: TicketKind
    state: TicketState
    category: str
    content: str
    created_on: date  # China date

    @property
    def is_open(self) -> bool:
        """Is somebody still working on it?"""
        return self.state not in FINAL

    def may(self, wanted: Move) -> bool:
        """Is this a move of the enterprise now?"""
        rule = rules(self.kind).get((self.state, wanted))
        return rule is not None and Party.ENTERPRISE in rule.who


@dataclass(frozen=True, slots=True)
class Offer:
    """A move that may be tried now; `needs_reason`: it is refused without words."""

    move: Move
    needs_reason: bool


def offers(course: Course, party: Party) -> tuple[Offer, ...]:
    """The moves that a page offers to a party in the ticket's state, those that lead on before those that stay."""
    found = [
        (rule.to is course.state, Offer(wanted, bool({"reason", "behalf"} & set(rule.checks))))
        for (state, wanted), rule in rules(course.kind).items()
        if state is course.state and party in rule.who and wanted not in _NOT_OFFERED
    ]
    return tuple(offer for _, offer in sorted(found, key=lambda one: one[0]))


@dataclass(frozen=True, slots=True)
class ReferralLine:
    """One line of a ticket's timeline as the provider of a referral may see it."""

    at: datetime
    by: Party
    what: Move
    note: str


def lines_for_provider(
    course: Course, leg: int, *, since: datetime, until: datetime | None
) -> list[ReferralLine]:
    """What happened to a leg while a provider had it, and what the enterprise had added before."""
    started = next(
        (
            place
            for place, line in enumerate(course.timeline)
            if (line.what, line.leg, line.at) == (Move.REFER, leg, since)
        ),
        len(course.timeline),
    )
    found = [line for line in course.timeline[:started] if line.what is Move.ADD]
    for line in course.timeline[started + 1 :]:
        if (line.leg == leg and line.what is Move.REFER) or (until is not None and line.at > until):
            break
        if line.leg in (leg, None) and line.what in _FOR_PROVIDER:
            found.append(line)
    return [ReferralLine(line.at, line.by, line.what, line.note) for line in found]


def without_contact(text: str, names: Iterable[str]) -> str:
    """A text for somebody who need not know yet whose it is: numbers, addresses and these names left out."""
    for name in names:
        if len(name) > 1:
            text = text.replace(name, "（略）")
    return _REACH.sub("（略）", text)


def version(course: Course) -> str:
    """Changes with every step but the enterprise's own words: who acts on an older one is told so."""
    count = sum(line.by is not Party.ENTERPRISE for line in course.timeline)
    return f"{course.state}-{count}"


def fields_of(kind: TicketKind) -> tuple[Field, ...]:
    """What may be corrected on a ticket of that kind."""
    if kind is TicketKind.NEED:
        return Field.CATEGORY, Field.URGENCY, Field.CONTENT
    if kind is TicketKind.COMPLAINT:
        return Field.CATEGORY, Field.CONTENT, Field.CONCERNED
    return Field.CATEGORY, Field.CONTENT


def format_number(kind: TicketKind, *, year: int, serial: int) -> str:
    """NQI-2026-000001 for needs; other kinds carry a letter before the year (S 7.5.2: numbered in order)."""
    return f"NQI-{_LETTER[kind]}{year}-{serial:06d}"
