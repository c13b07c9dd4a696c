"""Numbers and states."""

import pytest

from bot.core.tickets import Move, TicketKind, TicketState, after, format_number
from bot.errors import ConflictError


def test_numbers_carry_year_and_six_digits_and_other_kinds_a_letter() -> None:
    assert format_number(TicketKind.NEED, year=2026, serial=1) == "NQI-2026-000001"
    assert format_number(TicketKind.COMPLAINT, year=2026, serial=12) == "NQI-C-2026-000012"
    assert format_number(TicketKind.SUGGESTION, year=2027, serial=999_999) == "NQI-S-2027-999999"


def test_a_move_that_the_table_lacks_is_refused() -> None:
    assert after(TicketState.REGISTERED, Move.WITHDRAW) is TicketState.WITHDRAWN
    with pytest.raises(ConflictError):
        after(TicketState.CLOSED, Move.WITHDRAW)
