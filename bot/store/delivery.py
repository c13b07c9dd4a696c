"""The outbox: every message that leaves is a row, written with its cause."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base
from bot.store.conversations import Conversation


class OutboxMessage(Base):
    """One customer message to be sent; `key` makes a second writing of the same message impossible."""

    __tablename__ = "outbox_message"
    __table_args__ = (sa.Index("ix_outbox_message_state_due_at", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(100), unique=True)
    conversation_id: Mapped[int] = mapped_column(sa.ForeignKey("conversation.id"), index=True)
    account: Mapped[str] = mapped_column(sa.String(32))
    openid: Mapped[str] = mapped_column(sa.String(128))
    text: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(10), default="due")  # due | sent | dead
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    result: Mapped[str] = mapped_column(sa.String(200), default="")
    at: Mapped[datetime]


def add_outbox(connection: Connection, **values: Any) -> None:
    """Write down a message to be sent."""
    connection.execute(sa.insert(OutboxMessage).values(state="due", tries=0, result="", **values))


def due_messages(session: Session, *, now: datetime, limit: int = 100) -> list[OutboxMessage]:
    """Messages whose time has come, at most one per conversation: the oldest unsent, so that order holds."""
    oldest = (
        sa.select(sa.func.min(OutboxMessage.id))
        .where(OutboxMessage.state == "due")
        .group_by(OutboxMessage.conversation_id)
    )
    return list(
        session.scalars(
            sa.select(OutboxMessage)
            .where(OutboxMessage.id.in_(oldest), OutboxMessage.due_at <= now)
            .order_by(OutboxMessage.id)
            .limit(limit)
        )
    )


def next_due(session: Session) -> datetime | None:
    """When the earliest unsent message is due."""
    return session.scalar(sa.select(sa.func.min(OutboxMessage.due_at)).where(OutboxMessage.state == "due"))


def claim(connection: Connection, message_id: int, *, tries: int, until: datetime) -> bool:
    """Take a message for sending; False when another worker has it. Due again at `until` if we die."""
    claimed = connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.tries == tries, OutboxMessage.state == "due")
        .values(tries=tries + 1, due_at=until)
    )
    return claimed.rowcount == 1


def finish(
    connection: Connection, message_id: int, *, state: str, result: str, due_at: datetime | None = None
) -> None:
    """Write down what became of a try."""
    values: dict[str, Any] = {"state": state, "result": result[:200]}
    if due_at is not None:
        values["due_at"] = due_at
    connection.execute(sa.update(OutboxMessage).where(OutboxMessage.id == message_id).values(**values))


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
    connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.conversation_id == conversation_id)
        .values(text="", state=sa.case((OutboxMessage.state == "due", "dead"), else_=OutboxMessage.state))
    )


def count_outbox(session: Session) -> dict[str, int]:
    """How many messages are in each state."""
    return {
        row[0]: row[1]
        for row in session.execute(
            sa.select(OutboxMessage.state, sa.func.count()).group_by(OutboxMessage.state)
        )
    }
