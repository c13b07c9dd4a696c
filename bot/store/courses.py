"""The course of a ticket as rows: read it under a lock, write it with its line of history."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.core.ticket_states import Course, Leg, LegState, Line, Move, Party, TicketKind, TicketState
from bot.store.clocks import TicketClock, overdue_tickets
from bot.store.conversations import Conversation, add_message
from bot.store.people import Contact
from bot.store.referrals import Binding
from bot.store.tickets import Ticket, TicketEvent

BOT = "bot"  # the recorder of what came from the chat, until staff touch it


class CourseRow(Protocol):
    """A ticket's row, whole or as columns."""

    number: Any
    kind: Any
    state: Any
    recorder: Any
    reviewer: Any
    concerned: Any
    waiting_since: Any
    legs: Any


def course_of(row: CourseRow, events: Iterable[Any]) -> Course:
    """The course that a ticket's row and its lines of history tell; lines that are no moves are left out."""
    return Course(
        number=row.number,
        kind=TicketKind(row.kind),
        state=TicketState(row.state),
        recorder="" if row.recorder == BOT else row.recorder,
        reviewer=row.reviewer,
        concerned=frozenset(row.concerned),
        is_waiting=row.waiting_since is not None,
        legs=tuple(
            Leg(leg["category"], LegState(leg["state"]), leg["provider"], tuple(leg["refused_by"]))
            for leg in row.legs
        ),
        timeline=tuple(_line(event) for event in events if event.party),
    )


def _line(event: Any) -> Line:
    return Line(
        event.at,
        Party(event.party),
        event.actor,
        Move(event.what),
        TicketState(event.state),
        event.leg,
        event.provider,
        event.note,
    )


def lock_talk(connection: Connection, number: str) -> bool:
    """Lock the conversation of that ticket, as every turn does; False where there is no such ticket."""
    conversation_id = sa.select(Ticket.conversation_id).where(Ticket.number == number).scalar_subquery()
    found = connection.execute(
        sa.select(Conversation.id).where(Conversation.id == conversation_id).with_for_update()
    )
    return found.first() is not None


def lock_ticket(
    connection: Connection, number: str, *, contact_id: int | None = None
) -> tuple[sa.Row[Any], Course] | None:
    """The ticket's row and its course, held until the transaction ends; of that contact if one is named.

    Others may still append lines to its history (a timer that fires): they wait for nothing.
    """
    columns = Ticket.__table__.c
    query = sa.select(*columns).where(columns.number == number).with_for_update(key_share=True)
    if contact_id is not None:
        query = query.where(columns.contact_id == contact_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    lines = TicketEvent.__table__.c
    events = connection.execute(sa.select(*lines).where(lines.ticket_id == row.id).order_by(lines.id))
    return row, course_of(row, events)


def save_course(connection: Connection, ticket_id: int, course: Course, **values: Any) -> None:
    """Write where the ticket stands now, with other columns if named; its lines are written apart."""
    connection.execute(
        sa.update(Ticket)
        .where(Ticket.id == ticket_id)
        .values(
            state=course.state.value,
            recorder=course.recorder or BOT,
            reviewer=course.reviewer,
            legs=[_leg(leg) for leg in course.legs],
            **values,
        )
    )


def _leg(leg: Leg) -> dict[str, Any]:
    return {**asdict(leg), "state": leg.state.value, "refused_by": list(leg.refused_by)}


def set_values(connection: Connection, ticket_id: int, **values: Any) -> None:
    """Correct columns of a ticket; what stood there goes into a line of its history."""
    connection.execute(sa.update(Ticket).where(Ticket.id == ticket_id).values(**values))


def last_clock(
    connection: Connection, ticket_id: int, step: str, *, state: str = "running"
) -> sa.Row[Any] | None:
    """The newest clock of a step in that state."""
    columns = TicketClock.__table__.c
    return connection.execute(
        sa.select(*columns)
        .where(columns.ticket_id == ticket_id, columns.step == step, columns.state == state)
        .order_by(columns.round.desc())
        .limit(1)
    ).one_or_none()


def drop_paused(connection: Connection, ticket_id: int, step: str) -> None:
    """A paused clock of that step will not go on."""
    connection.execute(
        sa.update(TicketClock)
        .where(TicketClock.ticket_id == ticket_id, TicketClock.step == step, TicketClock.state == "paused")
        .values(state="stopped")
    )


def corrected_content(connection: Connection, ticket_id: int) -> str:
    """The content note as it was corrected last; empty where it never was."""
    return (
        connection.execute(
            sa.select(TicketEvent.after)
            .where(TicketEvent.ticket_id == ticket_id, TicketEvent.field == "content")
            .order_by(TicketEvent.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        or ""
    )


def recipient_of(connection: Connection | Session, conversation_id: int) -> sa.Row[Any]:
    """Who hears of a ticket, and what may still be sent to them."""
    contact, talk = Contact.__table__.c, Conversation.__table__.c
    columns = [
        contact.id.label("contact_id"),
        contact.account,
        contact.openid,
        contact.is_subscribed,
        contact.erased_at,
        talk.allowance,
        talk.allowance_until,
    ]
    query = (
        sa.select(*columns)
        .join(Conversation.__table__, talk.contact_id == contact.id)
        .where(talk.id == conversation_id)
    )
    return connection.execute(query).one()


def bound_contacts(connection: Connection, provider: str) -> list[sa.Row[Any]]:
    """The contacts on WeChat that a provider has bound, and what may still be sent to them."""
    contact, talk, bound = Contact.__table__.c, Conversation.__table__.c, Binding.__table__.c
    columns = [
        contact.account,
        contact.openid,
        talk.id.label("conversation_id"),
        talk.allowance,
        talk.allowance_until,
    ]
    query = (
        sa.select(*columns)
        .join(Contact.__table__, contact.id == bound.contact_id)
        .join(Conversation.__table__, talk.contact_id == contact.id)
        .where(bound.provider == provider, bound.ended_at.is_(None), contact.erased_at.is_(None))
        .order_by(bound.id)
    )
    return list(connection.execute(query))


def add_notice(connection: Connection, conversation_id: int, text: str, *, at: datetime) -> None:
    """What the contact is told of a ticket stands among the messages of the conversation."""
    notice = {"conversation_id": conversation_id, "is_inbound": False, "kind": "text", "text": text, "at": at}
    add_message(connection, {**notice, "is_material": False})


def overdue_ids(session: Session, ids: Sequence[int]) -> frozenset[int]:
    """Those of these tickets whose due moment has passed while its step runs."""
    return frozenset(
        session.scalars(sa.select(Ticket.id).where(Ticket.id.in_(ids), Ticket.id.in_(overdue_tickets())))
    )
