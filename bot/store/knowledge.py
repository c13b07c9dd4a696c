"""Entries and synonyms as the operator keeps them: shipped entries follow the project until somebody edits them."""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base


class EntryRow(Base):
    """One entry as JSON, with the fingerprint of the text that shipped."""

    __tablename__ = "entry"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    category: Mapped[str] = mapped_column(sa.String(32), index=True)
    body: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    shipped: Mapped[str] = mapped_column(
        sa.String(64), default=""
    )  # fingerprint of the shipped text; empty: the operator's
    updated_at: Mapped[datetime]


class SynonymRow(Base):
    """Another name for a term, beside those that ship."""

    __tablename__ = "synonym"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    term: Mapped[str] = mapped_column(sa.String(40))
    updated_at: Mapped[datetime]


def fingerprint(body: Mapping[str, Any]) -> str:
    """Tells whether two entries are the same."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def moments(session: Session) -> dict[str, datetime]:
    """Entry -> when it was last changed, in the order of the ids."""
    rows = session.execute(sa.select(EntryRow.id, EntryRow.updated_at).order_by(EntryRow.id))
    return {row.id: row.updated_at for row in rows}


def bodies_of(session: Session, entry_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """The bodies of these entries."""
    rows = session.execute(sa.select(EntryRow.id, EntryRow.body).where(EntryRow.id.in_(entry_ids)))
    return {row.id: row.body for row in rows}


def entry_row(session: Session | Connection, entry_id: str, *, is_locked: bool = False) -> sa.Row[Any] | None:
    """One entry as it is live: body, shipped, updated_at; locked where it is to be changed."""
    query = sa.select(EntryRow.body, EntryRow.shipped, EntryRow.updated_at).where(EntryRow.id == entry_id)
    return session.execute(query.with_for_update() if is_locked else query).one_or_none()


def version(session: Session | Connection) -> int:
    """A number that differs after every change of an entry or synonym: the last changes in microseconds, the counts."""
    number = 0
    for table in (EntryRow, SynonymRow):
        count, last = session.execute(sa.select(sa.func.count(), sa.func.max(table.updated_at))).one()
        number += int(last.timestamp() * 1_000_000) + count if last else 0
    return number


def synonyms(session: Session | Connection) -> dict[str, str]:
    """Other name -> term."""
    rows = session.execute(sa.select(SynonymRow.name, SynonymRow.term).order_by(SynonymRow.name))
    return {row.name: row.term for row in rows}


def put_synonyms(connection: Connection, pairs: Mapping[str, str], *, now: datetime) -> int:
    """Write synonyms, new or in place of what stood there; gives how many changed."""
    known = synonyms(connection)
    changed = {name: term for name, term in pairs.items() if known.get(name) != term}
    if changed:
        connection.execute(sa.delete(SynonymRow).where(SynonymRow.name.in_(changed)))
        rows = [{"name": name, "term": term, "updated_at": now} for name, term in changed.items()]
        connection.execute(sa.insert(SynonymRow), rows)
    return len(changed)


def remove_synonym(connection: Connection, name: str) -> bool:
    """Forget one; False where there was none."""
    return connection.execute(sa.delete(SynonymRow).where(SynonymRow.name == name)).rowcount > 0


def load_shipped(connection: Connection, bodies: Mapping[str, Mapping[str, Any]], *, now: datetime) -> int:
    """Insert shipped entries that are new and renew those that nobody has edited; gives how many changed."""
    known = {
        row.id: row for row in connection.execute(sa.select(EntryRow.id, EntryRow.body, EntryRow.shipped))
    }
    now = _next_moment(connection, now)
    changed = 0
    for entry_id, body in bodies.items():
        mark = fingerprint(body)
        row = known.get(entry_id)
        if row is None:
            connection.execute(
                sa.insert(EntryRow).values(
                    id=entry_id, category=body["category"], body=body, shipped=mark, updated_at=now
                )
            )
        elif row.shipped and row.shipped != mark and fingerprint(row.body) == row.shipped:
            connection.execute(
                sa.update(EntryRow)
                .where(EntryRow.id == entry_id)
                .values(category=body["category"], body=body, shipped=mark, updated_at=now)
            )
        else:
            continue
        changed += 1
    return changed


def put_entries(connection: Connection, bodies: Mapping[str, Mapping[str, Any]], *, now: datetime) -> int:
    """Write entries that the operator imported or published, which are then theirs; gives how many changed."""
    stored = sa.select(EntryRow.id, EntryRow.body).where(EntryRow.id.in_(bodies))
    known = {row.id: row.body for row in connection.execute(stored)}
    now = _next_moment(connection, now)
    changed = 0
    for entry_id, body in bodies.items():
        if entry_id not in known:
            connection.execute(
                sa.insert(EntryRow).values(
                    id=entry_id, category=body["category"], body=body, shipped="", updated_at=now
                )
            )
        elif fingerprint(known[entry_id]) != fingerprint(body):
            connection.execute(
                sa.update(EntryRow)
                .where(EntryRow.id == entry_id)
                .values(category=body["category"], body=body, shipped="", updated_at=now)
            )
        else:
            continue
        changed += 1
    return changed


def _next_moment(connection: Connection, now: datetime) -> datetime:
    """Now, or just after the last change: `version` must differ even where a clock stands or goes back."""
    last = connection.execute(sa.select(sa.func.max(EntryRow.updated_at))).scalar_one()
    return max(now, last + timedelta(microseconds=1)) if last else now
