"""Tickets: open them with a gapless number, and with the clock of their first step."""

from dataclasses import dataclass
from datetime import datetime

from bot.actions.clocks import Given, _plan_clock, _start_clock
from bot.actions.context import Transaction
from bot.core.deadlines import Clock, Step
from bot.core.ticket_states import TicketKind, TicketState
from bot.core.tickets import format_number
from bot.core.times import china_date
from bot.core.turns import Form
from bot.store import tickets
from bot.store.clocks import station_of
from bot.store.conversations import Talk
from intents.categories import Category
from intents.quantities import Urgency
from intents.slots import read_slots


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket that was just registered; only needs have a clock from the start."""

    number: str
    clock: Clock | None = None


def _open_ticket(tx: Transaction, talk: Talk, form: Form, *, channel: str) -> Opened:
    """Register a form: number, Annex B fields, first line of history, materials, first clock with its timers."""
    year = china_date(tx.now).year
    number = format_number(
        form.kind, year=year, serial=tickets.next_number(tx.connection, year=year, kind=form.kind.value)
    )
    given = _first_step(tx, talk, form)
    clock = _plan_clock(tx, given) if given else None
    ticket_id = tickets.add_ticket(
        tx.connection,
        number=number,
        kind=form.kind.value,
        state=TicketState.REGISTERED.value,
        contact_id=talk.contact_id,
        conversation_id=talk.conversation_id,
        channel=channel,
        applicant=form.applicant,
        person=form.person,
        phone=form.phone,
        started_at=datetime.fromisoformat(form.started_at) if form.started_at else tx.now,
        respond_by=clock.due if clock else None,
        content=form.content,
        category=form.category,
        recorder="bot",
        is_urgent=form.is_urgent,
        urgency=(given.urgency if given else Urgency.NORMAL).value,
        created_at=tx.now,
        note=clock.rests_on.remark if clock else "",
    )
    if given and clock:
        _start_clock(tx, ticket_id, given, clock)
    tickets.attach_materials(tx.connection, talk.conversation_id, ticket_id)
    tx.poke_after_commit("tickets")
    return Opened(number, clock)


def _first_step(tx: Transaction, talk: Talk, form: Form) -> Given | None:
    """A need is assessed first (S 8.3.1), with the urgency that it was registered with."""
    if form.kind is not TicketKind.NEED:
        return None
    urgency = Urgency.URGENT if form.is_urgent else Urgency.NORMAL
    if read_slots(form.content).urgency is Urgency.GREEN:
        urgency = Urgency.GREEN
    return Given(
        Step.ASSESS, tx.now, urgency, Category(form.category), station_of(tx.connection, talk.contact_id)
    )
