"""What the knowledge lacks: corrections that staff propose, and what was done about unanswered questions."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from bot.store.base import Base


class Proposal(Base):
    """A member of staff says what a message should have been taken for; a maintainer decides."""

    __tablename__ = "proposal"
    __table_args__ = (sa.Index("ix_proposal_state_id", "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(12))  # category, answer
    message_id: Mapped[int | None] = mapped_column(sa.ForeignKey("message.id"))
    ticket_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ticket.id"))
    text: Mapped[str] = mapped_column(sa.Text)  # the words, without personal data
    before: Mapped[str] = mapped_column(sa.String(64))  # category or entry as the bot took it
    after: Mapped[str] = mapped_column(sa.String(64))  # as staff say it should be; empty: none
    note: Mapped[str] = mapped_column(sa.Text, default="")
    by: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(10), default="open")  # open, accepted, rejected
    decided_by: Mapped[str] = mapped_column(sa.String(60), default="")
    decided_at: Mapped[datetime | None]


class GapMark(Base):
    """What a maintainer did about one unanswered question."""

    __tablename__ = "gap_mark"

    message_id: Mapped[int] = mapped_column(sa.ForeignKey("message.id"), primary_key=True)
    action: Mapped[str] = mapped_column(sa.String(12))  # entry, question, oos, ticket
    entry_id: Mapped[str] = mapped_column(sa.String(32), default="", index=True)
    by: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    is_told: Mapped[bool] = mapped_column(default=False)  # the asker was told that there is an answer now
