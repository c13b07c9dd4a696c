"""Numbers, what a contact sees, and which moves are offered."""

from datetime import date

import pytest

from bot.core.ticket_states import Course, Move, Party, TicketKind, TicketState
from bot.core.tickets import Field, TicketView, fields_of, format_number, offers


def test_numbers_carry_year_and_six_digits_and_other_kinds_a_letter() -> None:
    assert format_number(TicketKind.NEED, year=2026, serial=1) == "NQI-2026-000001"
    assert format_number(TicketKind.COMPLAINT, year=2026, serial=12) == "NQI-C-2026-000012"
    assert format_number(TicketKind.SUGGESTION, year=2027, serial=999_999) == "NQI-S-2027-999999"


@pytest.mark.parametrize(
    ("state", "is_open", "withdraw", "confirm"),
    [
        (TicketState.REGISTERED, True, True, False),
        (TicketState.FINISHED, True, False, True),
        (TicketState.CLOSED, False, False, False),
        (TicketState.WITHDRAWN, False, False, False),
    ],
)
def test_a_contact_is_offered_what_the_table_lets_the_enterprise_do(
    state: TicketState, is_open: bool, withdraw: bool, confirm: bool
) -> None:
    view = TicketView("NQI-2026-000001", TicketKind.NEED, state, "testing", "检测", date(2026, 11, 21))
    assert (view.is_open, view.may(Move.WITHDRAW), view.may(Move.CONFIRM)) == (is_open, withdraw, confirm)
    assert not view.may(Move.ASSESS)


def test_staff_are_offered_what_leads_on_before_what_stays() -> None:
    course = Course("NQI-2026-000001", TicketKind.NEED, TicketState.IN_SERVICE)
    found = {offer.move: offer.needs_reason for offer in offers(course, Party.STAFF)}
    assert list(found)[-1] in (Move.ADD, Move.REPORT, Move.ASK_ENTERPRISE)
    assert (found[Move.FINISH], found[Move.RECALL], found[Move.WITHDRAW]) == (False, True, True)
    assert not {Move.REFER, Move.HAND_ON, Move.URGE, Move.CORRECT} & set(found)


def test_only_complaints_name_whom_they_are_about_and_only_needs_press() -> None:
    assert Field.CONCERNED in fields_of(TicketKind.COMPLAINT)
    assert Field.URGENCY in fields_of(TicketKind.NEED)
    assert fields_of(TicketKind.SUGGESTION) == (Field.CATEGORY, Field.CONTENT)
