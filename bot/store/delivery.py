"""The outbox: every message that leaves is a row, written with its cause.

due -> sent | dead (nothing more is tried) | held (the contact hears it when they next write) -> told; staff may drop it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base
from bot.store.conversations import Conversation
from bot.store.tickets import Ticket


class OutboxState(StrEnum):
    """Where a message stands."""

    DUE = "due"
    SENT = "sent"
    HELD = "held"
    TOLD = "told"
    DEAD = "dead"
    DROPPED = "dropped"


class OutboxMessage(Base):
    """One message to be sent; `key` makes a second writing of the same message impossible."""

    __tablename__ = "outbox_message"
    __table_args__ = (
        sa.Index("ix_outbox_message_state_due_at", "state", "due_at"),
        sa.Index("ix_outbox_message_state_lane_id", "state", "lane", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(100), unique=True)
    lane: Mapped[str] = mapped_column(sa.String(100))  # messages of one lane leave one after the other
    channel: Mapped[str] = mapped_column(sa.String(16))  # core.reach.Channel
    account: Mapped[str] = mapped_column(sa.String(32), default="")  # of WeChat
    address: Mapped[str] = mapped_column(sa.String(300))  # openid, e-mail address, http address, phone
    text: Mapped[str] = mapped_column(sa.Text)
    extras: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    purpose: Mapped[str] = mapped_column(sa.String(16))  # core.reach.Purpose
    conversation_id: Mapped[int | None] = mapped_column(sa.ForeignKey("conversation.id"), index=True)
    ticket_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ticket.id"), index=True)
    state: Mapped[str] = mapped_column(sa.String(10), default="due")
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    result: Mapped[str] = mapped_column(sa.String(200), default="")
    at: Mapped[datetime]
    done_at: Mapped[datetime | None]


def add_outbox(
    connection: Connection, *, state: OutboxState = OutboxState.DUE, result: str = "", **values: Any
) -> None:
    """Write down a message to be sent, or one that is held for the contact's next message."""
    connection.execute(
        sa.insert(OutboxMessage).values(
            **{"account": "", "extras": {}, "conversation_id": None, "ticket_id": None, **values},
            state=state.value,
            tries=0,
            result=result,
        )
    )


def due_messages(session: Session, *, now: datetime, limit: int = 100) -> list[OutboxMessage]:
    """Messages whose time has come, at most one per lane: the oldest unsent, so that order holds."""
    oldest = (
        sa.select(sa.func.min(OutboxMessage.id))
        .where(OutboxMessage.state == OutboxState.DUE)
        .group_by(OutboxMessage.lane)
    )
    return list(
        session.scalars(
            sa.select(OutboxMessage)
            .where(OutboxMessage.id.in_(oldest), OutboxMessage.due_at <= now)
            .order_by(OutboxMessage.id)
            .limit(limit)
        )
    )


def claim(connection: Connection, message_id: int, *, tries: int, due_at: datetime, until: datetime) -> bool:
    """Take a message for sending; False when another worker has it. Due again at `until` if we die."""
    claimed = connection.execute(
        sa.update(OutboxMessage)
        .where(
            OutboxMessage.id == message_id,
            OutboxMessage.tries == tries,
            # A pause gives the try back: the moment tells two claims of the same try apart.
            OutboxMessage.due_at == due_at,
            OutboxMessage.state == OutboxState.DUE,
        )
        .values(tries=tries + 1, due_at=until)
    )
    return claimed.rowcount == 1


def finish(connection: Connection, message_id: int, *, state: OutboxState, result: str, at: datetime) -> None:
    """Write down that nothing more is tried, and why."""
    connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id == message_id)
        .values(state=state.value, result=result[:200], done_at=at)
    )


def try_again(
    connection: Connection, message_id: int, *, at: datetime, result: str, is_counted: bool = True
) -> None:
    """The message is due again at that moment; a try that is not counted is given back."""
    tries = OutboxMessage.tries if is_counted else OutboxMessage.tries - 1
    connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id == message_id)
        .values(due_at=at, result=result[:200], tries=tries)
    )


def held_messages(connection: Connection, conversation_id: int) -> list[sa.Row[Any]]:
    """What the contact has not heard yet, oldest first: id, text."""
    return list(
        connection.execute(
            sa.select(OutboxMessage.id, OutboxMessage.text)
            .where(OutboxMessage.conversation_id == conversation_id, OutboxMessage.state == OutboxState.HELD)
            .order_by(OutboxMessage.id)
        )
    )


def told(connection: Connection, ids: Sequence[int], *, at: datetime) -> None:
    """The contact has heard these with a reply."""
    connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id.in_(ids), OutboxMessage.state == OutboxState.HELD)
        .values(state=OutboxState.TOLD.value, done_at=at)
    )


def outcomes(session: Session | Connection, keys: Iterable[str]) -> Mapping[str, sa.Row[Any]]:
    """What became of messages: key -> state, channel, result, tries, done_at."""
    columns = OutboxMessage.__table__.c
    wanted = [columns.key, columns.state, columns.channel, columns.result, columns.tries, columns.done_at]
    rows = session.execute(sa.select(*wanted).where(columns.key.in_(list(keys))))
    return {row.key: row for row in rows}


def take_allowance(connection: Connection, conversation_id: int, *, now: datetime, keep: int) -> bool:
    """Use one message of the contact's allowance, leaving `keep` in reserve; False when there is none."""
    taken = connection.execute(
        sa.update(Conversation)
        .where(
            Conversation.id == conversation_id,
            Conversation.allowance > keep,
            Conversation.allowance_until > now,
        )
        .values(allowance=Conversation.allowance - 1)
    )
    return taken.rowcount == 1


def give_back_allowance(connection: Connection, conversation_id: int) -> None:
    """The platform did not take the message: it does not count."""
    connection.execute(
        sa.update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(allowance=Conversation.allowance + 1)
    )


def close_window(connection: Connection, conversation_id: int) -> None:
    """The platform says that nothing may be sent: believe it over our own count."""
    connection.execute(sa.update(Conversation).where(Conversation.id == conversation_id).values(allowance=0))


def drop_outbox(connection: Connection, conversation_id: int) -> None:
    """Nothing more is to be sent to this contact."""
    waiting = (OutboxState.DUE, OutboxState.HELD)
    connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.conversation_id == conversation_id)
        .values(
            text="",
            extras={},
            state=sa.case(
                (OutboxMessage.state.in_(waiting), OutboxState.DROPPED.value), else_=OutboxMessage.state
            ),
        )
    )


def scrub_replies(connection: Connection, conversation_id: int, *, since: datetime) -> None:
    """Take the words out of the replies that were sent to this contact since then; one that waits is not sent."""
    connection.execute(
        sa.update(OutboxMessage)
        .where(
            OutboxMessage.conversation_id == conversation_id,
            OutboxMessage.purpose == "reply",
            OutboxMessage.at >= since,
        )
        .values(
            text="",
            extras={},
            state=sa.case(
                (OutboxMessage.state == OutboxState.DUE, OutboxState.DROPPED.value),
                else_=OutboxMessage.state,
            ),
        )
    )


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which messages are looked for; an empty value sifts nothing out."""

    state: OutboxState
    channel: str = ""
    purpose: str = ""
    ticket: str = ""  # its number
    code: str = ""  # the first word of the result

    def clauses(self) -> list[sa.ColumnElement[bool]]:
        """The conditions on the rows."""
        found = [OutboxMessage.state == self.state.value]
        if self.channel:
            found.append(OutboxMessage.channel == self.channel)
        if self.purpose:
            found.append(OutboxMessage.purpose == self.purpose)
        if self.ticket:
            # What goes to providers and staff names its ticket in its words alone.
            number = sa.select(Ticket.id).where(Ticket.number == self.ticket).scalar_subquery()
            named = OutboxMessage.text.contains(self.ticket, autoescape=True)
            found.append(sa.or_(OutboxMessage.ticket_id == number, named))
        if self.code:
            begins = OutboxMessage.result.startswith(f"{self.code} ", autoescape=True)
            found.append(sa.or_(OutboxMessage.result == self.code, begins))
        return found


def sifted_messages(
    session: Session, sieve: Sieve, *, before: int | None, limit: int
) -> list[tuple[OutboxMessage, str]]:
    """Messages with their tickets' numbers, newest first, below the id `before`."""
    query = (
        sa.select(OutboxMessage, sa.func.coalesce(Ticket.number, ""))
        .outerjoin(Ticket, Ticket.id == OutboxMessage.ticket_id)
        .where(*sieve.clauses())
        .order_by(OutboxMessage.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(OutboxMessage.id < before)
    return [(row[0], row[1]) for row in session.execute(query)]


def result_counts(session: Session, sieve: Sieve) -> dict[str, int]:
    """How many of these messages ended with which code, the first word of their result; the most frequent first."""
    query = (
        sa.select(OutboxMessage.result, sa.func.count())
        .where(*sieve.clauses())
        .group_by(OutboxMessage.result)
    )
    counts: Counter[str] = Counter()
    for result, count in session.execute(query):
        counts[result.partition(" ")[0]] += count
    return dict(counts.most_common())


def outbox_counts(session: Session) -> list[tuple[str, str, int]]:
    """State, channel and how many."""
    query = (
        sa.select(OutboxMessage.state, OutboxMessage.channel, sa.func.count())
        .group_by(OutboxMessage.state, OutboxMessage.channel)
        .order_by(OutboxMessage.state, OutboxMessage.channel)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def longest_delay(session: Session, *, now: datetime) -> float:
    """Seconds since the moment at which the longest waiting message was due; 0 when none is late."""
    query = sa.select(sa.func.min(OutboxMessage.due_at)).where(OutboxMessage.state == OutboxState.DUE)
    oldest = session.execute(query).scalar_one()
    return max(0.0, (now - oldest).total_seconds()) if oldest is not None else 0.0


def failing_groups(session: Session) -> list[sa.Row[Any]]:
    """The messages that are due after a failure, put together by how they leave, result and whether a try was counted.

    Newest first: channel, account, result, is_fresh (no try was counted), count, since, due_at (of the next try).
    """
    # A constant, no parameter: PostgreSQL would not see that it groups by what it selects.
    is_fresh = OutboxMessage.tries == sa.literal_column("0")
    query = (
        sa.select(
            OutboxMessage.channel,
            OutboxMessage.account,
            OutboxMessage.result,
            is_fresh.label("is_fresh"),
            sa.func.count().label("messages"),
            sa.func.min(OutboxMessage.at).label("since"),
            sa.func.min(OutboxMessage.due_at).label("due_at"),
        )
        .where(OutboxMessage.state == OutboxState.DUE, OutboxMessage.result != "")
        .group_by(OutboxMessage.channel, OutboxMessage.account, OutboxMessage.result, is_fresh)
        .order_by(sa.func.max(OutboxMessage.id).desc())
    )
    return list(session.execute(query))


def neglected_messages(session: Session, *, since: datetime) -> sa.Row[Any]:
    """Messages that head their lane and that nobody took up though they were due then: count, due_at of the oldest."""
    heads = (
        sa.select(sa.func.min(OutboxMessage.id))
        .where(OutboxMessage.state == OutboxState.DUE)
        .group_by(OutboxMessage.lane)
    )
    columns: list[sa.ColumnElement[Any]] = [
        sa.func.count().label("messages"),
        sa.func.min(OutboxMessage.due_at).label("due_at"),
    ]
    query = sa.select(*columns)
    return session.execute(query.where(OutboxMessage.id.in_(heads), OutboxMessage.due_at < since)).one()


def lock_message(connection: Connection, message_id: int) -> sa.Row[Any] | None:
    """One message, held until the transaction ends."""
    columns = OutboxMessage.__table__.c
    query = sa.select(*columns).where(columns.id == message_id).with_for_update()
    return connection.execute(query).one_or_none()


def lock_sifted(connection: Connection, sieve: Sieve, *, limit: int) -> list[sa.Row[Any]]:
    """The oldest of these messages, held until the transaction ends."""
    columns = OutboxMessage.__table__.c
    query = sa.select(*columns).where(*sieve.clauses()).order_by(columns.id).limit(limit)
    return list(connection.execute(query.with_for_update()))


def turn_message(
    connection: Connection, message_id: int, *, seen: OutboxState, to: OutboxState, **values: Any
) -> bool:
    """Put a message into another state; False when it is no longer in the one that was seen."""
    turned = connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.state == seen.value)
        .values(state=to.value, **values)
    )
    return turned.rowcount == 1


def count_due_to(connection: Connection, conversation_id: int, channel: str) -> int:
    """How many messages are about to leave to that contact by that channel."""
    query = sa.select(sa.func.count()).where(
        OutboxMessage.conversation_id == conversation_id,
        OutboxMessage.channel == channel,
        OutboxMessage.state == OutboxState.DUE,
    )
    return connection.execute(query).scalar_one()
