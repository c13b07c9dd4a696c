"""The audit trail: who did what, when; append-only."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from bot.store.base import Base


class AuditLine(Base):
    """One line; holds no personal data of contacts."""

    __tablename__ = "audit_line"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(sa.String(60))
    what: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[str] = mapped_column(sa.String(120), default="")
    note: Mapped[str] = mapped_column(sa.Text, default="")


def add_line(
    connection: Connection, *, at: datetime, actor: str, what: str, subject: str = "", note: str = ""
) -> None:
    """Append one line."""
    connection.execute(sa.insert(AuditLine).values(at=at, actor=actor, what=what, subject=subject, note=note))
