"""What the figures of the knowledge are counted from."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.store.conversations import Feedback, Message
from bot.store.gaps import Proposal


def spoken_since(session: Session, first: int) -> list[sa.Row[Any]]:
    """Every message from that id on, in the order of the ids: id, conversation_id, is_inbound, category, outcome,
    entry_id, at; without notes among staff."""
    columns = Message.__table__.c
    query = (
        sa.select(
            columns.id,
            columns.conversation_id,
            columns.is_inbound,
            columns.category,
            columns.outcome,
            columns.entry_id,
            columns.at,
        )
        .where(columns.id >= first, columns.is_note.is_(False))
        .order_by(columns.id)
    )
    return list(session.execute(query))


def opinions_since(session: Session, since: datetime) -> list[sa.Row[Any]]:
    """有帮助 and 没帮助 since a moment: message_id, entry_id, is_helpful, at, conversation_id."""
    query = (
        sa.select(
            Feedback.message_id, Feedback.entry_id, Feedback.is_helpful, Feedback.at, Message.conversation_id
        )
        .join(Message, Message.id == Feedback.message_id)
        .where(Feedback.at >= since)
        .order_by(Feedback.id)
    )
    return list(session.execute(query))


def decided_since(session: Session, since: datetime) -> list[sa.Row[Any]]:
    """Corrections of categories that were decided, of messages since a moment: id, message_id, conversation_id, before,
    after, state, at (of the message)."""
    query = (
        sa.select(
            Proposal.id,
            Proposal.message_id,
            Message.conversation_id,
            Proposal.before,
            Proposal.after,
            Proposal.state,
            Message.at,
        )
        .join(Message, Message.id == Proposal.message_id)
        .where(Proposal.kind == "category", Proposal.state != "open", Message.at >= since)
        .order_by(Proposal.id)
    )
    return list(session.execute(query))


def texts_of(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """The words of messages, by id."""
    rows = session.execute(sa.select(Message.id, Message.text).where(Message.id.in_(list(ids))))
    return {row[0]: row[1] for row in rows}
