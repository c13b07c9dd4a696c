"""Tickets: open them with a gapless number, and with the clock of their first step."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.actions.attachments import _bind
from bot.actions.clocks import Given, _plan_clock, _start_clock
from bot.actions.context import Transaction
from bot.core.deadlines import Clock, Step
from bot.core.ticket_states import TicketKind, TicketState
from bot.core.tickets import format_number
from bot.core.times import china_date
from bot.core.turns import Form
from bot.store import tickets
from bot.store.base import insert_row
from bot.store.clocks import station_of
from bot.store.conversations import Talk
from bot.store.courses import BOT
from intents.categories import Category
from intents.quantities import Urgency
from intents.slots import read_slots


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket that was just registered, with the clock of its first step."""

    id: int
    number: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class Entered:
    """What is known of a ticket beside its form, where it did not come from the chat."""

    recorder: str = ""  # 记录人, the member of staff who entered it; empty: nobody yet
    urgency: Urgency | None = None  # None: as the form and its content say
    visit: str = ""  # number of the visit where it came up
    origin: str | None = None  # one key, one ticket


_FROM_CHAT = Entered()
_KEPT = timedelta(days=3)  # a picture sent earlier, outside a form, was for something else


def _open_ticket(
    tx: Transaction, talk: Talk, form: Form, *, channel: str, entered: Entered = _FROM_CHAT
) -> Opened:
    """Register a form: number, Annex B fields, first line of history, materials, first clock with its timers."""
    year = china_date(tx.now).year
    number = format_number(
        form.kind, year=year, serial=tickets.next_number(tx.connection, year=year, kind=form.kind.value)
    )
    given = _first_step(tx, talk, form, entered.urgency)
    clock = _plan_clock(tx, given)
    ticket_id = insert_row(
        tx.connection,
        tickets.Ticket,
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
        respond_by=clock.due,
        content=form.content,
        category=form.category,
        recorder=entered.recorder or BOT,
        urgency=given.urgency.value,
        origin=entered.origin,
        visit=entered.visit,
        created_at=tx.now,
    )
    tickets.add_event(
        tx.connection,
        ticket_id,
        at=tx.now,
        actor=entered.recorder or "contact",
        what="registered",
        note=clock.rests_on.remark,
    )
    _start_clock(tx, ticket_id, given, clock)
    _take_materials(tx, talk.conversation_id, ticket_id)
    tx.poke_after_commit("tickets")
    return Opened(ticket_id, number, clock)


def _take_materials(tx: Transaction, conversation_id: int, ticket_id: int) -> None:
    """What the contact sent for the form, or shortly before it, belongs to the ticket: messages and their files."""
    tickets.attach_materials(tx.connection, conversation_id, ticket_id, since=tx.now - _KEPT)
    _bind(tx, conversation_id, ticket_id)


def _first_step(tx: Transaction, talk: Talk, form: Form, urgency: Urgency | None) -> Given:
    """A need is assessed first (S 8.3.1), with the urgency that it was registered with; the others are acknowledged."""
    is_need = form.kind is TicketKind.NEED
    return Given(
        Step.ASSESS if is_need else Step.ACKNOWLEDGE,
        tx.now,
        (urgency or _urgency_of(form)) if is_need else Urgency.NORMAL,
        Category(form.category),
        station_of(tx.connection, talk.contact_id),
    )


def _urgency_of(form: Form) -> Urgency:
    """As the form says; the green lane where its content asks for it."""
    if read_slots(form.content).urgency is Urgency.GREEN:
        return Urgency.GREEN
    return Urgency.URGENT if form.is_urgent else Urgency.NORMAL
