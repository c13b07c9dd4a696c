"""The versions of an entry on their way to the release, and the reviews that are due."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from bot.store.base import Base


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
