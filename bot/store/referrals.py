"""Referrals: one row for each time a leg of a need is offered to a provider, with the ranking that led there."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from bot.core.ticket_states import FINAL
from bot.store.audit import AuditLine
from bot.store.base import Base, insert_row
from bot.store.clocks import TicketClock, Timer
from bot.store.people import Contact
from bot.store.tickets import Ticket


class Referral(Base):
    """One leg of a ticket offered to one provider; the row ends, a new offer is a new row."""

    __tablename__ = "referral"
    __table_args__ = (
        sa.Index("ix_referral_provider_state", "provider", "state"),
        sa.Index("ix_referral_category_id", "category", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id"), index=True)
    leg: Mapped[int] = mapped_column(sa.Integer)  # the place in the ticket's legs
    category: Mapped[str] = mapped_column(sa.String(32))  # of the leg
    provider: Mapped[str] = mapped_column(sa.String(64))  # its number in the library
    name: Mapped[str] = mapped_column(sa.String(200))  # as it was then
    state: Mapped[str] = mapped_column(sa.String(16), default="open")  # open, accepted, or how it ended
    by: Mapped[str] = mapped_column(sa.String(60))  # who chose it: staff, contact (the enterprise) or system
    rank: Mapped[int] = mapped_column(
        sa.Integer, default=0
    )  # its place in the ranking; 0: it did not stand there
    reason: Mapped[str] = mapped_column(
        sa.Text, default=""
    )  # why this one; required where it is not the first
    ranking: Mapped[list[dict[str, Any]]] = mapped_column(
        sa.JSON, default=list
    )  # number, name, reason of each place
    link_key: Mapped[str] = mapped_column(
        sa.String(32)
    )  # part of the signed link: another key ends the old links
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Binding(Base):
    """A provider's person on WeChat: made with a code on the provider's page, bound when the code comes from WeChat."""

    __tablename__ = "provider_binding"

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(sa.String(64), index=True)
    code: Mapped[str] = mapped_column(sa.String(16), unique=True)
    contact_id: Mapped[int | None] = mapped_column(sa.ForeignKey("contact.id"), index=True)
    made_at: Mapped[datetime]
    bound_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


OPEN = ("open", "accepted")
WRONG_CODE = "bind-wrong"  # in the audit trail


def add_referral(connection: Connection, **values: Any) -> int:
    """Write an offer; gives its id."""
    return insert_row(connection, Referral, state="open", **values)


def open_of(connection: Connection | Session, ticket_id: int) -> sa.Row[Any] | None:
    """The referral of a ticket that a provider is answering or working on."""
    columns = Referral.__table__.c
    return connection.execute(
        sa.select(*columns)
        .where(columns.ticket_id == ticket_id, columns.state.in_(OPEN))
        .order_by(columns.id.desc())
        .limit(1)
    ).one_or_none()


def referral_of(connection: Connection | Session, referral_id: int) -> sa.Row[Any] | None:
    """One referral as columns, with the `number` of its ticket."""
    columns = Referral.__table__.c
    wanted = [*columns, Ticket.__table__.c.number]
    query = sa.select(*wanted).join(Ticket, Ticket.id == columns.ticket_id)
    return connection.execute(query.where(columns.id == referral_id)).one_or_none()


def referrals_of(connection: Connection | Session, ticket_id: int) -> list[sa.Row[Any]]:
    """All referrals of a ticket, oldest first."""
    columns = Referral.__table__.c
    return list(
        connection.execute(sa.select(*columns).where(columns.ticket_id == ticket_id).order_by(columns.id))
    )


def open_of_ended(connection: Connection, contact_id: int) -> list[sa.Row[Any]]:
    """The open referrals of a contact's tickets that have ended: id, provider, name, the ticket's number."""
    columns, ticket = Referral.__table__.c, Ticket.__table__.c
    return list(
        connection.execute(
            sa.select(columns.id, columns.provider, columns.name, ticket.number)
            .join(Ticket.__table__, ticket.id == columns.ticket_id)
            .where(
                ticket.contact_id == contact_id,
                columns.state.in_(OPEN),
                ticket.state.in_([state.value for state in FINAL]),
            )
        )
    )


def set_state(connection: Connection, referral_id: int, state: str, *, at: datetime) -> None:
    """Where a referral stands now; whatever is not open has ended."""
    connection.execute(
        sa.update(Referral)
        .where(Referral.id == referral_id)
        .values(state=state, ended_at=None if state in OPEN else at)
    )


def set_link_key(connection: Connection, referral_id: int, key: str) -> None:
    """Only links with this key work from now on."""
    connection.execute(sa.update(Referral).where(Referral.id == referral_id).values(link_key=key))


def number_of_timer(connection: Connection, timer_id: int) -> str | None:
    """The number of the ticket that a timer belongs to; None where there is no such timer."""
    query = (
        sa.select(Ticket.number)
        .join(TicketClock, TicketClock.ticket_id == Ticket.id)
        .join(Timer, Timer.clock_id == TicketClock.id)
    )
    return connection.execute(query.where(Timer.id == timer_id)).scalar_one_or_none()


def loads(session: Session | Connection) -> dict[str, int]:
    """Number of a provider -> its open referrals; those without any are left out."""
    rows = session.execute(
        sa.select(Referral.provider, sa.func.count())
        .where(Referral.state.in_(OPEN))
        .group_by(Referral.provider)
    )
    return {row[0]: row[1] for row in rows}


def recent(session: Session | Connection, category: str, *, limit: int = 50) -> list[str]:
    """The providers of the last referrals of a category, oldest first."""
    rows = session.execute(
        sa.select(Referral.provider)
        .where(Referral.category == category)
        .order_by(Referral.id.desc())
        .limit(limit)
    )
    return [row[0] for row in rows][::-1]


# --- bindings: a provider's people on WeChat ---


def add_code(connection: Connection, provider: str, code: str, *, at: datetime) -> None:
    """Write a code; it takes the place of the provider's older ones, which nobody can use any more."""
    insert_row(connection, Binding, provider=provider, code=code, made_at=at)


def open_code(session: Session | Connection, provider: str, *, since: datetime) -> sa.Row[Any] | None:
    """The provider's newest code, if it was made since then and nobody has used it."""
    columns = Binding.__table__.c
    row = session.execute(
        sa.select(*columns).where(columns.provider == provider).order_by(columns.id.desc()).limit(1)
    ).one_or_none()
    return row if row is not None and row.contact_id is None and row.made_at >= since else None


def claim_code(
    connection: Connection, code: str, contact_id: int, *, since: datetime, at: datetime
) -> sa.Row[Any] | None:
    """Bind a contact by a code that is still open: id and provider of the binding; None where it is not open."""
    newer, columns = aliased(Binding), Binding.__table__.c
    is_replaced = sa.exists().where(newer.provider == Binding.provider, newer.id > Binding.id)
    return connection.execute(
        sa.update(Binding)
        .where(Binding.code == code, Binding.contact_id.is_(None), Binding.made_at >= since, ~is_replaced)
        .values(contact_id=contact_id, bound_at=at)
        .returning(columns.id, columns.provider)
    ).one_or_none()


def end_bindings(
    connection: Connection, contact_id: int, *, at: datetime, provider: str = "", but: int = 0
) -> list[str]:
    """End a contact's bindings, to one provider if named, all `but` one; gives the providers, first bound first."""
    is_theirs = sa.and_(Binding.contact_id == contact_id, Binding.ended_at.is_(None), Binding.id != but)
    if provider:
        is_theirs &= Binding.provider == provider
    found = list(connection.scalars(sa.select(Binding.provider).where(is_theirs).order_by(Binding.id)))
    connection.execute(sa.update(Binding).where(is_theirs).values(ended_at=at))
    return list(dict.fromkeys(found))


def bindings_of(session: Session | Connection, provider: str) -> list[sa.Row[Any]]:
    """The people on WeChat that a provider has bound now, the first first."""
    columns = Binding.__table__.c
    return list(
        session.execute(
            sa.select(columns.id, columns.contact_id, columns.bound_at)
            .join(Contact, Contact.id == columns.contact_id)
            .where(columns.provider == provider, columns.ended_at.is_(None), Contact.erased_at.is_(None))
            .order_by(columns.id)
        )
    )


def wrong_codes(connection: Connection, contact_id: int, *, since: datetime) -> int:
    """How often a contact has sent a code that does not work."""
    return connection.execute(
        sa.select(sa.func.count()).where(
            AuditLine.what == WRONG_CODE, AuditLine.subject == f"contact:{contact_id}", AuditLine.at > since
        )
    ).scalar_one()
