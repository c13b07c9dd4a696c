"""Entries and synonyms as the operator keeps them: shipped entries follow the project until somebody edits them."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
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


def all_entries(session: Session | Connection) -> list[dict[str, Any]]:
    """Every entry's body, in the order of the ids."""
    return list(session.execute(sa.select(EntryRow.body).order_by(EntryRow.id)).scalars())


def version(session: Session) -> int:
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
    """Write entries that the operator imported; gives how many changed."""
    known = {row.id: row.body for row in connection.execute(sa.select(EntryRow.id, EntryRow.body))}
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
                .values(category=body["category"], body=body, updated_at=now)
            )
        else:
            continue
        changed += 1
    return changed
