"""Visits to enterprises (S 8.2.2), and what intake asks of tickets: of a visit, of an enterprise, of a caller's key."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.ticket_states import FINAL, TicketKind
from bot.store.base import Base
from bot.store.conversations import Message
from bot.store.tickets import Ticket


class Visit(Base):
    """One visit, numbered like tickets."""

    __tablename__ = "visit"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(24), unique=True)
    enterprise: Mapped[str] = mapped_column(sa.String(120))
    person: Mapped[str] = mapped_column(sa.String(60), default="")
    phone: Mapped[str] = mapped_column(sa.String(40), default="")
    visited_on: Mapped[date] = mapped_column(sa.Date)  # China date
    visitors: Mapped[str] = mapped_column(sa.String(200), default="")
    findings: Mapped[str] = mapped_column(sa.Text)
    recorder: Mapped[str] = mapped_column(sa.String(60))
    created_at: Mapped[datetime] = mapped_column(index=True)


def visit_numbered(session: Session | Connection, number: str) -> sa.Row[Any] | None:
    """The visit with that number, as columns."""
    columns = Visit.__table__.c
    return session.execute(sa.select(*columns).where(columns.number == number)).one_or_none()


def same_visit(connection: Connection, **values: Any) -> str | None:
    """The number of a visit that has these very values: a form that was sent twice."""
    same = (getattr(Visit, name) == value for name, value in values.items())
    return connection.execute(sa.select(Visit.number).where(*same).limit(1)).scalar_one_or_none()


def recent_visits(session: Session, *, before: int | None = None, limit: int = 50) -> list[Visit]:
    """Visits, those written down last first; `before`: only those with a smaller id."""
    query = sa.select(Visit) if before is None else sa.select(Visit).where(Visit.id < before)
    return list(session.scalars(query.order_by(Visit.id.desc()).limit(limit)))


def count_tickets_of(session: Session, numbers: Sequence[str]) -> dict[str, int]:
    """How many tickets came of each of these visits."""
    query = sa.select(Ticket.visit, sa.func.count()).where(Ticket.visit.in_(numbers)).group_by(Ticket.visit)
    return {row[0]: row[1] for row in session.execute(query)}


def tickets_of_visit(session: Session, number: str) -> list[Ticket]:
    """The tickets that came of a visit, in order."""
    return list(session.scalars(sa.select(Ticket).where(Ticket.visit == number).order_by(Ticket.id)))


def open_tickets_of(
    connection: Connection, kind: TicketKind, *, phone: str, applicant: str, limit: int = 100
) -> list[sa.Row[Any]]:
    """Open tickets of that kind with the same phone or of the same applicant, newest first; empty names nobody.

    `applicant` is folded as `core.intake.fold_name` does.
    """
    found = []
    if phone:
        found.append(Ticket.phone == phone)
    if applicant:
        found.append(_folded(Ticket.applicant) == applicant)
    if not found:
        return []
    columns = (
        Ticket.id,
        Ticket.number,
        Ticket.kind,
        Ticket.state,
        Ticket.category,
        Ticket.content,
        Ticket.created_at,
    )
    query = (
        sa.select(*columns)
        .where(Ticket.kind == kind.value, Ticket.state.not_in([state.value for state in FINAL]))
        .where(sa.or_(*found))
        .order_by(Ticket.id.desc())
        .limit(limit)
    )
    return list(connection.execute(query))


def _folded(name: Any) -> sa.ColumnElement[str]:
    """What `core.intake.fold_name` does, in the database."""
    text: Any = sa.func.lower(name)
    for char, other in ((" ", ""), ("\u3000", ""), ("（", "("), ("）", ")")):
        text = sa.func.replace(text, char, other)
    return text  # type: ignore[no-any-return]


def ticket_of_origin(connection: Session | Connection, origin: str) -> sa.Row[Any] | None:
    """The ticket that a caller's key has opened, with the details of the message that its content stands in."""
    columns = (Ticket.number, Ticket.state, Ticket.respond_by, Message.details)
    query = (
        sa.select(*columns)
        .outerjoin(Message, sa.and_(Message.ticket_id == Ticket.id, Message.is_inbound.is_(True)))
        .where(Ticket.origin == origin)
        .order_by(Message.id)
        .limit(1)
    )
    return connection.execute(query).one_or_none()
