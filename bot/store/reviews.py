"""Queries on reviews of entries and canned replies, and what a sweep changes."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.store.base import insert_row
from bot.store.console import CannedReply
from bot.store.drafts import EntryReview


def open_reviews(session: Session) -> list[EntryReview]:
    """Reviews that nobody has finished, the first due first."""
    query = sa.select(EntryReview).where(EntryReview.done_at.is_(None))
    return list(session.scalars(query.order_by(EntryReview.due_on, EntryReview.id)))


def done_reviews(session: Session, *, before: datetime | None = None, limit: int = 50) -> list[EntryReview]:
    """Finished reviews, the last finished first."""
    query = sa.select(EntryReview).where(EntryReview.done_at.is_not(None))
    query = query.where(EntryReview.done_at < before) if before else query
    return list(session.scalars(query.order_by(EntryReview.done_at.desc(), EntryReview.id).limit(limit)))


def last_reviews(session: Session | Connection) -> dict[str, datetime]:
    """Subject -> when its last review was finished."""
    query = (
        sa.select(EntryReview.subject, sa.func.max(EntryReview.done_at))
        .where(EntryReview.done_at.is_not(None))
        .group_by(EntryReview.subject)
    )
    return {row[0]: row[1] for row in session.execute(query) if row[1] is not None}


def add_review(
    connection: Connection, *, subject: str, reason: str, due_on: date, by: str, at: datetime
) -> int:
    """Ask for a review; the same that is open already is not asked for twice. Gives its id."""
    query = sa.select(EntryReview.id).where(
        EntryReview.subject == subject, EntryReview.reason == reason, EntryReview.done_at.is_(None)
    )
    known = connection.execute(query.order_by(EntryReview.id).limit(1)).scalar_one_or_none()
    return known or insert_row(
        connection, EntryReview, subject=subject, reason=reason, due_on=due_on, created_at=at, created_by=by
    )


def lock_review(connection: Connection, review_id: int) -> sa.Row[Any] | None:
    """One review, held until the transaction ends."""
    columns = EntryReview.__table__.c
    return connection.execute(
        sa.select(*columns).where(columns.id == review_id).with_for_update()
    ).one_or_none()


def finish_review(connection: Connection, review_id: int, *, by: str, result: str, at: datetime) -> None:
    """Write down what came of a review."""
    connection.execute(
        sa.update(EntryReview)
        .where(EntryReview.id == review_id)
        .values(done_at=at, done_by=by, result=result)
    )


# --- canned replies ---


def canned_replies(session: Session | Connection) -> Sequence[sa.Row[Any]]:
    """Every canned reply: id, title, text, is_suspended."""
    columns = CannedReply.__table__.c
    wanted: list[Any] = [columns.id, columns.title, columns.text, columns.is_suspended]
    return session.execute(sa.select(*wanted).order_by(columns.id)).all()


def suspend_replies(connection: Connection, ids: Iterable[int], *, is_suspended: bool, at: datetime) -> int:
    """Take canned replies out of use, or back; gives how many changed."""
    return connection.execute(
        sa.update(CannedReply)
        .where(CannedReply.id.in_(list(ids)), CannedReply.is_suspended.is_(not is_suspended))
        .values(is_suspended=is_suspended, updated_at=at)
    ).rowcount
