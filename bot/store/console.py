"""What the staff console keeps besides conversations: what somebody has read, canned replies, saved views."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from bot.store.base import Base


class Reading(Base):
    """How far a member of staff has read a conversation."""

    __tablename__ = "reading"

    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(sa.ForeignKey("conversation.id"), primary_key=True)
    message_id: Mapped[int]  # the last message seen


class CannedReply(Base):
    """A reply that staff send often; {gaps} are filled when it is used."""

    __tablename__ = "canned_reply"

    id: Mapped[int] = mapped_column(primary_key=True)
    shortcut: Mapped[str] = mapped_column(sa.String(30), unique=True)  # typed after a slash
    title: Mapped[str] = mapped_column(sa.String(80))
    text: Mapped[str] = mapped_column(sa.Text)
    category: Mapped[str] = mapped_column(sa.String(32), default="")  # empty: for all
    is_suspended: Mapped[bool] = mapped_column(default=False)  # its basis has expired
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(sa.String(60))


class SavedView(Base):
    """A filter of the request board that somebody keeps under a name."""

    __tablename__ = "saved_view"
    __table_args__ = (sa.UniqueConstraint("staff_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"))
    name: Mapped[str] = mapped_column(sa.String(40))
    query: Mapped[str] = mapped_column(sa.Text)  # of the address
