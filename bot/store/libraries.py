"""Records of the four libraries (G 7.2.1): one row for one record, its body the cells of its line in a file."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base

LONGEST_NUMBER = 64


class LibraryRow(Base):
    """One record of one library; a library holds demonstration records or real ones, never both."""

    __tablename__ = "library_record"
    __table_args__ = (sa.Index("ix_library_record_library_updated_at", "library", "updated_at"),)

    library: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(LONGEST_NUMBER), primary_key=True)
    body: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    is_demo: Mapped[bool]
    updated_at: Mapped[datetime]  # each change of a library is later than the one before


def bodies_of(session: Session | Connection, library: str) -> dict[str, dict[str, str]]:
    """The records of a library in the order of their numbers: number -> body."""
    rows = session.execute(
        sa.select(LibraryRow.number, LibraryRow.body)
        .where(LibraryRow.library == library)
        .order_by(LibraryRow.number)
    )
    return {row.number: row.body for row in rows}


def body_of(session: Session | Connection, library: str, number: str) -> dict[str, str] | None:
    """One record's body; None where there is no such record."""
    return session.execute(
        sa.select(LibraryRow.body).where(LibraryRow.library == library, LibraryRow.number == number)
    ).scalar_one_or_none()


def version(session: Session | Connection, library: str) -> tuple[int, int]:
    """Differs after every change of a library: its last change in microseconds, how many records it holds."""
    count, last = session.execute(
        sa.select(sa.func.count(), sa.func.max(LibraryRow.updated_at)).where(LibraryRow.library == library)
    ).one()
    return (round(last.timestamp() * 1_000_000) if last else 0), count


def count_records(session: Session | Connection, library: str, *, is_demo: bool) -> int:
    """How many demonstration records a library holds, or how many real ones."""
    return session.execute(
        sa.select(sa.func.count()).where(LibraryRow.library == library, LibraryRow.is_demo.is_(is_demo))
    ).scalar_one()


def put_records(
    connection: Connection,
    library: str,
    bodies: Mapping[str, dict[str, str]],
    *,
    is_demo: bool,
    now: datetime,
) -> None:
    """Write records, new or in place of those of the same number; the caller leaves out what has not changed."""
    if not bodies:
        return
    last = connection.execute(
        sa.select(sa.func.max(LibraryRow.updated_at)).where(LibraryRow.library == library)
    ).scalar_one()
    at = max(now, last + timedelta(microseconds=1)) if last else now
    connection.execute(
        sa.delete(LibraryRow).where(LibraryRow.library == library, LibraryRow.number.in_(list(bodies)))
    )
    rows = [
        {"library": library, "number": number, "body": body, "is_demo": is_demo, "updated_at": at}
        for number, body in bodies.items()
    ]
    connection.execute(sa.insert(LibraryRow), rows)


def remove_demo(connection: Connection, library: str) -> int:
    """Delete the demonstration records of a library; gives how many there were."""
    return connection.execute(
        sa.delete(LibraryRow).where(LibraryRow.library == library, LibraryRow.is_demo.is_(True))
    ).rowcount
