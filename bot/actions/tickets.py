"""Tickets: open them with a gapless number."""

from datetime import datetime

from bot.actions.context import Transaction
from bot.core.tickets import TicketState, format_number
from bot.core.times import china_date
from bot.core.turns import Form
from bot.store import tickets
from bot.store.conversations import Talk


def _open_ticket(tx: Transaction, talk: Talk, form: Form, *, channel: str) -> str:
    """Register a form: number, Annex B fields, first line of history, materials. Gives the number."""
    year = china_date(tx.now).year
    number = format_number(
        form.kind, year=year, serial=tickets.next_number(tx.connection, year=year, kind=form.kind.value)
    )
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
        content=form.content,
        category=form.category,
        recorder="bot",
        is_urgent=form.is_urgent,
        created_at=tx.now,
    )
    tickets.attach_materials(tx.connection, talk.conversation_id, ticket_id)
    tx.poke_after_commit("tickets")
    return number
