"""The list of the knowledge console: what became of entries, and which are being worked on."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.store.conversations import Feedback, Message
from bot.store.drafts import EntryVersion
from bot.store.knowledge import EntryRow

_MOST_HALVINGS = 64  # of a range of ids: more than there can be


@dataclass(frozen=True, slots=True)
class EntryFigures:
    """What became of one entry since a day."""

    given: int = 0  # answers that left with it
    helpful: int = 0
    unhelpful: int = 0


def figures_of(session: Session, entry_ids: Collection[str], *, since: datetime) -> dict[str, EntryFigures]:
    """The figures of these entries from that moment on; an entry that was neither given nor judged is left out."""
    first = first_message_since(session, since)
    given = session.execute(
        sa.select(Message.entry_id, sa.func.count())
        .where(Message.entry_id.in_(entry_ids), Message.is_inbound.is_(False), Message.id >= first)
        .group_by(Message.entry_id)
    )
    counts = {entry_id: EntryFigures(count) for entry_id, count in given if entry_id is not None}
    judged = session.execute(
        sa.select(
            Feedback.entry_id,
            sa.func.count().filter(Feedback.is_helpful.is_(True)),
            sa.func.count().filter(Feedback.is_helpful.is_(False)),
        )
        .where(Feedback.entry_id.in_(entry_ids), Feedback.at >= since)
        .group_by(Feedback.entry_id)
    )
    for entry_id, helpful, unhelpful in judged:
        counts[entry_id] = EntryFigures(counts.get(entry_id, EntryFigures()).given, helpful, unhelpful)
    return counts


def first_message_since(session: Session, since: datetime) -> int:
    """The id of the first message of that moment or later; one above the last where there is none.

    Ids follow time, and no index holds the moments: halving a range of ids costs twenty look-ups, a scan a second.
    """
    low = session.execute(sa.select(sa.func.min(Message.id))).scalar() or 0
    high = 1 + (session.execute(sa.select(sa.func.max(Message.id))).scalar() or -1)
    for _ in range(_MOST_HALVINGS):
        if low >= high:
            break
        middle = (low + high) // 2
        found = session.execute(
            sa.select(Message.id, Message.at).where(Message.id >= middle).order_by(Message.id).limit(1)
        ).one()
        if found.at < since:
            low = found.id + 1
        else:
            high = middle
    return low


def never_given(session: Session) -> set[str]:
    """The live entries that no answer has ever been made of."""
    was_given = sa.select(Message.id).where(Message.entry_id == EntryRow.id).exists()
    return set(session.execute(sa.select(EntryRow.id).where(~was_given)).scalars())


def under_way(session: Session) -> list[sa.Row[Any]]:
    """The versions that are drafts or wait for review: id, entry_id, state, author, body."""
    row = EntryVersion
    chosen = sa.select(row.id, row.entry_id, row.state, row.author, row.body)
    return list(
        session.execute(
            chosen.where(EntryVersion.state.in_(("draft", "review"))).order_by(EntryVersion.entry_id)
        )
    )
