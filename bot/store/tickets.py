"""Tickets with every Annex B field, and their append-only history."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.ticket_states import FINAL
from bot.store.base import Base, insert_row
from bot.store.clocks import overdue_tickets, stop_clocks
from bot.store.conversations import Message


class Ticket(Base):
    """A registered need, complaint or suggestion (Annex B)."""

    __tablename__ = "ticket"
    __table_args__ = (sa.Index("uq_ticket_origin", "origin", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(24), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    state: Mapped[str] = mapped_column(sa.String(24), index=True)
    contact_id: Mapped[int] = mapped_column(sa.ForeignKey("contact.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(sa.ForeignKey("conversation.id"))
    channel: Mapped[str] = mapped_column(sa.String(32))
    applicant: Mapped[str] = mapped_column(sa.String(120), default="")  # 申请人
    person: Mapped[str] = mapped_column(sa.String(60), default="")  # 联系人
    phone: Mapped[str] = mapped_column(sa.String(40), default="")  # 联系电话
    started_at: Mapped[datetime]  # 需求发起时间
    specialist: Mapped[str] = mapped_column(sa.String(60), default="")  # 服务人员
    respond_by: Mapped[datetime | None]  # 需求反馈时限
    content: Mapped[str] = mapped_column(sa.Text)  # 申请服务内容
    category: Mapped[str] = mapped_column(sa.String(32), index=True)  # 服务类别
    provider: Mapped[str] = mapped_column(sa.String(200), default="")  # 质量技术服务机构及联系人
    technician: Mapped[str] = mapped_column(sa.String(60), default="")  # 技术服务人员
    service_period: Mapped[str] = mapped_column(sa.String(200), default="")  # 技术服务项目及服务周期
    solution: Mapped[str] = mapped_column(sa.Text, default="")  # 技术服务解决过程
    recorder: Mapped[str] = mapped_column(sa.String(60), default="")  # 记录人
    reviewer: Mapped[str] = mapped_column(sa.String(60), default="")  # 审核人
    urgency: Mapped[str] = mapped_column(sa.String(16), default="normal")  # normal, urgent, green
    waiting_since: Mapped[datetime | None]  # for the enterprise: the clocks are paused
    urged_at: Mapped[datetime | None]  # 催办 that staff have not answered with a step yet
    legs: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON, default=list)
    concerned: Mapped[list[str]] = mapped_column(sa.JSON, default=list)  # whom a complaint is about
    origin: Mapped[str | None] = mapped_column(
        sa.String(100)
    )  # the caller's key (HTTP API): one key, one ticket
    visit: Mapped[str] = mapped_column(sa.String(24), default="")  # number of the visit where it came up
    created_at: Mapped[datetime] = mapped_column(index=True)


class TicketEvent(Base):
    """One line of a ticket's history; never changed."""

    __tablename__ = "ticket_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    what: Mapped[str] = mapped_column(sa.String(32))
    note: Mapped[str] = mapped_column(sa.Text, default="")
    party: Mapped[str] = mapped_column(sa.String(16), default="")  # as whom; empty: not a move
    state: Mapped[str] = mapped_column(sa.String(24), default="")  # after the move
    leg: Mapped[int | None] = mapped_column(sa.Integer)
    provider: Mapped[str] = mapped_column(sa.String(200), default="")
    field: Mapped[str] = mapped_column(sa.String(16), default="")  # of a correction
    before: Mapped[str] = mapped_column(sa.Text, default="")
    after: Mapped[str] = mapped_column(sa.Text, default="")
    told: Mapped[str] = mapped_column(sa.Text, default="")  # what the enterprise was told
    told_way: Mapped[str] = mapped_column(sa.String(16), default="")  # reply, queued, unreachable


class YearNumber(Base):
    """The last number given in a year to a kind of ticket: the next is one more, without gaps."""

    __tablename__ = "year_number"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    last: Mapped[int]


def next_number(connection: Connection, *, year: int, kind: str) -> int:
    """Take the next number; the row stays locked until the transaction ends, so a rollback leaves no gap."""
    updated = connection.execute(
        sa.update(YearNumber)
        .where(YearNumber.year == year, YearNumber.kind == kind)
        .values(last=YearNumber.last + 1)
        .returning(YearNumber.last)
    ).scalar_one_or_none()
    if updated is not None:
        return updated
    connection.execute(sa.insert(YearNumber).values(year=year, kind=kind, last=1))
    return 1


def set_respond_by(connection: Connection, ticket_id: int, at: datetime) -> None:
    """Until when the enterprise hears from us (Annex B, 需求反馈时限)."""
    connection.execute(sa.update(Ticket).where(Ticket.id == ticket_id).values(respond_by=at))


def id_of(connection: Connection | Session, number: str, *, contact_id: int) -> int | None:
    """The id of a contact's own ticket; None for somebody else's."""
    query = sa.select(Ticket.id).where(Ticket.number == number, Ticket.contact_id == contact_id)
    return connection.execute(query).scalar_one_or_none()


def number_of(connection: Connection | Session, ticket_id: int) -> str:
    """The ticket's number."""
    return connection.execute(sa.select(Ticket.number).where(Ticket.id == ticket_id)).scalar_one()


def add_event(
    connection: Connection,
    ticket_id: int,
    *,
    at: datetime,
    actor: str,
    what: str,
    note: str = "",
    **values: Any,
) -> int:
    """Append one line to a ticket's history; gives the line's id."""
    return insert_row(
        connection, TicketEvent, ticket_id=ticket_id, at=at, actor=actor, what=what, note=note, **values
    )


def attach_materials(connection: Connection, conversation_id: int, ticket_id: int, *, since: datetime) -> int:
    """Bind what the contact sent for the form to the ticket, as far as it is no older than that; gives how many."""
    return connection.execute(
        sa.update(Message)
        .where(
            Message.conversation_id == conversation_id,
            Message.is_material.is_(True),
            Message.ticket_id.is_(None),
            Message.at >= since,
        )
        .values(ticket_id=ticket_id, is_material=False)
    ).rowcount


def drop_materials(connection: Connection, conversation_id: int) -> None:
    """The form was cancelled: what was sent for it belongs to no ticket."""
    connection.execute(
        sa.update(Message)
        .where(Message.conversation_id == conversation_id, Message.is_material.is_(True))
        .values(is_material=False)
    )


def tickets_of(connection: Connection | Session, contact_id: int, *, limit: int = 20) -> list[sa.Row[Any]]:
    """A contact's own tickets, newest first."""
    return list(
        connection.execute(
            sa.select(
                Ticket.id,
                Ticket.number,
                Ticket.kind,
                Ticket.state,
                Ticket.category,
                Ticket.content,
                Ticket.created_at,
            )
            .where(Ticket.contact_id == contact_id)
            .order_by(Ticket.id.desc())
            .limit(limit)
        )
    )


def events_of(session: Session, ticket_id: int) -> list[TicketEvent]:
    """A ticket's history in order."""
    return list(
        session.scalars(
            sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket_id).order_by(TicketEvent.id)
        )
    )


def last_event(connection: Connection | Session, ticket_id: int, *, what: str) -> sa.Row[Any] | None:
    """The newest line of that kind, as columns."""
    lines = TicketEvent.__table__.c
    return connection.execute(
        sa.select(*lines)
        .where(lines.ticket_id == ticket_id, lines.what == what)
        .order_by(lines.id.desc())
        .limit(1)
    ).one_or_none()


def ticket_numbered(session: Session, number: str) -> Ticket | None:
    """The ticket with that number."""
    return session.scalars(sa.select(Ticket).where(Ticket.number == number)).one_or_none()


def recent_tickets(
    session: Session, *, kind: str = "", limit: int = 100, before: int | None = None
) -> list[Ticket]:
    """The overdue tickets, by id, then the newest others; of one kind if named.

    `before`: the next page, others alone with an id below that.
    """
    overdue = overdue_tickets()
    query = sa.select(Ticket).where(Ticket.kind == kind) if kind else sa.select(Ticket)
    others = query.where(Ticket.id.not_in(overdue)).order_by(Ticket.id.desc())
    if before is not None:
        return list(session.scalars(others.where(Ticket.id < before).limit(limit)))
    first = list(session.scalars(query.where(Ticket.id.in_(overdue)).order_by(Ticket.id).limit(limit)))
    return first + list(session.scalars(others.limit(limit - len(first))))


def count_tickets(session: Session) -> dict[str, int]:
    """How many tickets of each kind there are."""
    return {
        row[0]: row[1]
        for row in session.execute(sa.select(Ticket.kind, sa.func.count()).group_by(Ticket.kind))
    }


def erase_tickets(connection: Connection, contact_id: int, *, at: datetime, with_open: bool) -> list[str]:
    """Take a contact's personal data out of their tickets; gives the numbers.

    `with_open`: unfinished tickets end as withdrawn and are erased too; else they are kept until they end.
    """
    numbers = []
    for row in tickets_of(connection, contact_id, limit=10_000):
        is_done = row.state in FINAL
        if not (is_done or with_open):
            continue
        numbers.append(row.number)
        stop_clocks(connection, row.id)
        state = row.state if is_done else "withdrawn"
        connection.execute(
            sa.update(Ticket)
            .where(Ticket.id == row.id)
            .values(person="", phone="", applicant="", content="", state=state, concerned=[], urged_at=None)
        )
        # The lines stay, the words in them may be the contact's.
        connection.execute(
            sa.update(TicketEvent)
            .where(TicketEvent.ticket_id == row.id, TicketEvent.party != "")
            .values(note="", before="", after="", told="")
        )
        add_event(connection, row.id, at=at, actor="system", what="erased")
        connection.execute(
            sa.update(Message).where(Message.ticket_id == row.id).values(text="", details=None)
        )
    return numbers
