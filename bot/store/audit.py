"""The audit trail: who did what, when; append-only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.times import CHINA
from bot.store.base import Base

_BATCH = 1000  # rows of one statement of an export
_NO_WILDCARD = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


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


@dataclass(frozen=True, slots=True)
class Search:
    """Which lines are looked for; empty: any."""

    actor: str = ""
    what: str = ""
    subject: str = ""
    text: str = ""  # in subject or note
    since: date | None = None  # China dates, both included
    until: date | None = None


def found_lines(
    session: Session, wanted: Search, *, before: int | None = None, limit: int
) -> list[sa.Row[Any]]:
    """The newest lines that are looked for, of those with a smaller id than `before`."""
    line = AuditLine.__table__.c
    query = sa.select(*line).where(*_conditions(wanted))
    if before is not None:
        query = query.where(line.id < before)
    return list(session.execute(query.order_by(line.id.desc()).limit(limit)))


def all_lines(session: Session, wanted: Search, *, limit: int) -> Iterator[sa.Row[Any]]:
    """The newest lines that are looked for, read in pieces."""
    before: int | None = None
    while limit > 0:
        rows = found_lines(session, wanted, before=before, limit=min(_BATCH, limit))
        yield from rows
        if len(rows) < min(_BATCH, limit):
            return
        limit, before = limit - len(rows), rows[-1].id


def _conditions(wanted: Search) -> Iterator[sa.ColumnElement[bool]]:
    for column, value in (
        (AuditLine.actor, wanted.actor),
        (AuditLine.what, wanted.what),
        (AuditLine.subject, wanted.subject),
    ):
        if value:
            yield column == value
    for word in wanted.text.split():
        pattern = f"%{word.translate(_NO_WILDCARD)}%"
        columns = (AuditLine.subject, AuditLine.note)
        yield sa.or_(*(column.ilike(pattern, escape="\\") for column in columns))
    if wanted.since:
        yield AuditLine.at >= datetime.combine(wanted.since, time(), CHINA)
    if wanted.until:
        yield AuditLine.at < datetime.combine(wanted.until + timedelta(days=1), time(), CHINA)
