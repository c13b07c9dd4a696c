"""Tickets: kinds, numbers, states and the moves between them."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from bot.errors import ConflictError


class TicketKind(StrEnum):
    """What a ticket is about; each kind has its own gapless numbers in a year."""

    NEED = "need"
    COMPLAINT = "complaint"
    SUGGESTION = "suggestion"


class TicketState(StrEnum):
    """Where a ticket stands."""

    REGISTERED = "registered"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


class Move(StrEnum):
    """What can happen to a ticket."""

    WITHDRAW = "withdraw"
    CLOSE = "close"


_NEXT: dict[tuple[TicketState, Move], TicketState] = {
    (TicketState.REGISTERED, Move.WITHDRAW): TicketState.WITHDRAWN,
    (TicketState.REGISTERED, Move.CLOSE): TicketState.CLOSED,
}

_LETTER = {TicketKind.NEED: "", TicketKind.COMPLAINT: "C-", TicketKind.SUGGESTION: "S-"}


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
        return self.state is TicketState.REGISTERED


def after(state: TicketState, move: Move) -> TicketState:
    """The state after a move; raises ConflictError when the move is not possible there."""
    try:
        return _NEXT[state, move]
    except KeyError as error:
        raise ConflictError("ticket-state", "这件申请的状态已经变化，请刷新后再试。") from error


def format_number(kind: TicketKind, *, year: int, serial: int) -> str:
    """NQI-2026-000001 for needs; other kinds carry a letter before the year (S 7.5.2: numbered in order)."""
    return f"NQI-{_LETTER[kind]}{year}-{serial:06d}"
