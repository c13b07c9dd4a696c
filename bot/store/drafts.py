"""The versions of an entry on their way to the release, and the reviews that are due."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base, insert_row
from bot.store.conversations import Message
from bot.store.knowledge import EntryRow


class EntryVersion(Base):
    """One version of an entry: draft -> review -> published -> archived; its body is never changed once published."""

    __tablename__ = "entry_version"
    __table_args__ = (sa.UniqueConstraint("entry_id", "serial"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[str] = mapped_column(sa.String(32))
    serial: Mapped[int] = mapped_column(sa.Integer)  # counts up within an entry
    state: Mapped[str] = mapped_column(
        sa.String(10), index=True
    )  # draft, review, published, archived, dropped
    body: Mapped[dict[str, Any]] = mapped_column(sa.JSON)  # as bot.store.knowledge keeps an entry
    note: Mapped[str] = mapped_column(sa.Text, default="")  # what was changed, and why
    author: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    reviewer: Mapped[str] = mapped_column(sa.String(60), default="")
    settled_at: Mapped[datetime | None]  # published, archived or dropped
    gate: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)  # what the publish gate found
    override: Mapped[str] = mapped_column(sa.Text, default="")  # why it was published against the gate


class EntryReview(Base):
    """Somebody must look at an entry or a canned reply: its basis changed, or its review date has come."""

    __tablename__ = "entry_review"
    __table_args__ = (sa.Index("ix_entry_review_done_at_due_on", "done_at", "due_on"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(sa.String(64), index=True)  # an entry's id, or canned:<id>
    reason: Mapped[str] = mapped_column(sa.Text)
    due_on: Mapped[date] = mapped_column(sa.Date)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(sa.String(60))
    done_at: Mapped[datetime | None]
    done_by: Mapped[str] = mapped_column(sa.String(60), default="")
    result: Mapped[str] = mapped_column(sa.Text, default="")


_VERSION = EntryVersion.__table__.c


def version(session: Session | Connection, version_id: int, *, is_locked: bool = False) -> sa.Row[Any] | None:
    """One version; locked until the transaction ends where it is to be changed."""
    query = sa.select(*_VERSION).where(_VERSION.id == version_id)
    return session.execute(query.with_for_update() if is_locked else query).one_or_none()


def versions_of(session: Session | Connection, entry_id: str) -> Sequence[sa.Row[Any]]:
    """All versions of an entry, the newest first."""
    query = sa.select(*_VERSION).where(_VERSION.entry_id == entry_id).order_by(_VERSION.serial.desc())
    return session.execute(query).all()


def add_version(connection: Connection, *, entry_id: str, **values: Any) -> int:
    """Append a version to an entry's; gives its id. The entry's row is the lock that keeps the serials apart."""
    connection.execute(sa.select(EntryRow.id).where(EntryRow.id == entry_id).with_for_update())
    last = sa.select(sa.func.max(_VERSION.serial)).where(_VERSION.entry_id == entry_id)
    serial = (connection.execute(last).scalar_one() or 0) + 1
    return insert_row(connection, EntryVersion, entry_id=entry_id, serial=serial, **values)


def change_version(connection: Connection, version_id: int, **values: Any) -> None:
    """Write what changed about a version."""
    connection.execute(sa.update(EntryVersion).where(EntryVersion.id == version_id).values(**values))


def ids_from(session: Session | Connection, prefix: str) -> set[str]:
    """The ids of all entries that begin so, also of those that are drafts only."""
    found: set[str] = set()
    for column in (EntryRow.id, _VERSION.entry_id):
        found |= set(session.execute(sa.select(column).where(column.startswith(prefix))).scalars())
    return found


def asked_since(session: Session, first_message: int, *, limit: int) -> list[tuple[int, str]]:
    """What contacts asked and the bot looked up from that message on, newest first: the message and its words."""
    looked_up = ("answer", "clarify", "refer", "oos")
    query = sa.select(Message.id, Message.text).where(
        Message.id >= first_message,
        Message.is_inbound.is_(True),
        Message.kind == "text",
        Message.outcome.in_(looked_up),
        Message.text != "",
    )
    return [(row.id, row.text) for row in session.execute(query.order_by(Message.id.desc()).limit(limit))]


def texts_of(session: Session, message_ids: Collection[int]) -> dict[int, str]:
    """The words of these messages, as far as they still stand there."""
    query = sa.select(Message.id, Message.text).where(Message.id.in_(message_ids))
    return {row.id: row.text for row in session.execute(query)}
