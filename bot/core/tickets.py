"""Tickets as people see them: numbers, what a contact sees of their own, which moves are offered."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum, auto

from bot.core.ticket_states import FINAL, Course, Move, Party, TicketKind, TicketState, rules

_LETTER = {TicketKind.NEED: "", TicketKind.COMPLAINT: "C-", TicketKind.SUGGESTION: "S-"}
# Made elsewhere: by the other side, by the outcome of a survey, or chosen by `move` for another.
_NOT_OFFERED = frozenset(
    {Move.REFER, Move.REJECT, Move.NO_ANSWER, Move.HAND_ON, Move.RATE, Move.CORRECT, Move.URGE, Move.CONFIRM}
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
