"""Attachments: files of contacts, providers and staff; the bytes lie in the data folder under their digest.

due -> stored | failed; every row may become erased, and keeps the digest until its bytes are gone.

The bytes come under their name inside the transaction that writes their row, and go inside one that has looked for
other rows: what has no row belongs to nobody, and no row is without its bytes.
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.ticket_states import FINAL
from bot.store.base import Base, insert_row
from bot.store.conversations import Conversation, Message
from bot.store.tickets import Ticket

_FRESH = "fresh"  # the folder of files that have no row yet
_DIGEST = re.compile("[0-9a-f]{64}")


class FileState(StrEnum):
    """Where a file stands."""

    DUE = "due"
    STORED = "stored"
    FAILED = "failed"
    ERASED = "erased"


class Attachment(Base):
    """One file; what a contact sent is fetched from the platform first (`due`), which keeps it for three days."""

    __tablename__ = "attachment"
    __table_args__ = (sa.Index("ix_attachment_state_due_at", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int | None] = mapped_column(sa.ForeignKey("conversation.id"), index=True)
    message_id: Mapped[int | None] = mapped_column(sa.ForeignKey("message.id"), index=True)
    ticket_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ticket.id"), index=True)
    referral_id: Mapped[int | None] = mapped_column(sa.ForeignKey("referral.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(16))  # image, voice, video, file
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    media_type: Mapped[str] = mapped_column(sa.String(100), default="")
    size: Mapped[int] = mapped_column(default=0)  # bytes
    digest: Mapped[str] = mapped_column(sa.String(64), default="", index=True)  # SHA-256 of the bytes
    account: Mapped[str] = mapped_column(sa.String(32), default="")
    media_id: Mapped[str] = mapped_column(sa.String(300), default="")
    state: Mapped[str] = mapped_column(sa.String(10))  # FileState
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]  # to be fetched; of an erased row: its bytes are to be removed
    result: Mapped[str] = mapped_column(sa.String(200), default="")
    by: Mapped[str] = mapped_column(sa.String(60))  # contact, the provider's name, or a staff member
    at: Mapped[datetime]


# --- rows ---


def add_attachment(connection: Connection, **values: Any) -> int:
    """Write down a file; gives its id."""
    blank = {"name": "", "media_type": "", "size": 0, "digest": "", "account": "", "media_id": ""}
    return insert_row(connection, Attachment, **{**blank, "tries": 0, "result": "", **values})


def is_noted(connection: Connection, conversation_id: int, media_id: str) -> bool:
    """Is that file of the platform written down for the conversation?"""
    found = sa.select(Attachment.id).where(
        Attachment.conversation_id == conversation_id, Attachment.media_id == media_id
    )
    return connection.execute(found).first() is not None


def count_of_talk(connection: Connection, conversation_id: int, *, since: datetime) -> int:
    """How many files a contact has sent since then."""
    return connection.execute(
        sa.select(sa.func.count()).where(
            Attachment.conversation_id == conversation_id, Attachment.at >= since
        )
    ).scalar_one()


def count_of_ticket(connection: Connection, ticket_id: int) -> int:
    """How many files a ticket has."""
    return connection.execute(
        sa.select(sa.func.count()).where(
            Attachment.ticket_id == ticket_id, Attachment.state != FileState.ERASED
        )
    ).scalar_one()


def bind(connection: Connection, conversation_id: int, ticket_id: int) -> int:
    """Give the files of messages that a ticket took to the ticket; gives how many."""
    taken = sa.select(Message.id).where(
        Message.ticket_id == ticket_id, Message.conversation_id == conversation_id
    )
    return connection.execute(
        sa.update(Attachment)
        .where(
            Attachment.conversation_id == conversation_id,
            Attachment.ticket_id.is_(None),
            Attachment.message_id.in_(taken),
        )
        .values(ticket_id=ticket_id)
    ).rowcount


def lock_ticket(connection: Connection, ticket_id: int) -> sa.Row[Any] | None:
    """A ticket, held while a file is added to it: number, content and state."""
    columns = Ticket.__table__.c
    wanted = [columns.number, columns.content, columns.state]
    return connection.execute(
        sa.select(*wanted).where(columns.id == ticket_id).with_for_update()
    ).one_or_none()


def attachment(session: Connection | Session, attachment_id: int) -> sa.Row[Any] | None:
    """One file's row, as columns, with the `number` of its ticket (None without one)."""
    columns, tickets = Attachment.__table__.c, Ticket.__table__.c
    wanted = [*columns, tickets.number]
    return session.execute(
        sa.select(*wanted)
        .join(Ticket, tickets.id == columns.ticket_id, isouter=True)
        .where(columns.id == attachment_id)
    ).one_or_none()


def files_of(session: Session, ticket_id: int) -> list[Attachment]:
    """The files of a ticket in order, without the erased ones."""
    return list(
        session.scalars(
            sa.select(Attachment)
            .where(Attachment.ticket_id == ticket_id, Attachment.state != FileState.ERASED)
            .order_by(Attachment.id)
        )
    )


def due_attachments(session: Session, *, state: FileState, now: datetime, limit: int) -> list[sa.Row[Any]]:
    """What is to be fetched (or, of erased rows, removed) by now, oldest first: id, account, digest."""
    return list(
        session.execute(
            sa.select(Attachment.id, Attachment.account, Attachment.digest)
            .where(Attachment.state == state, Attachment.due_at <= now)
            .order_by(Attachment.due_at, Attachment.id)
            .limit(limit)
        )
    )


def claim(
    connection: Connection, attachment_id: int, *, now: datetime, until: datetime
) -> sa.Row[Any] | None:
    """Take a file for fetching; None when another worker has it. Due again at `until` if we die."""
    columns = Attachment.__table__.c
    return connection.execute(
        sa.update(Attachment)
        .where(Attachment.id == attachment_id, Attachment.state == FileState.DUE, Attachment.due_at <= now)
        .values(tries=Attachment.tries + 1, due_at=until)
        .returning(
            columns.id,
            columns.tries,
            columns.at,
            columns.media_id,
            columns.due_at,
            columns.conversation_id,
        )
    ).one_or_none()


def finish(connection: Connection, claimed: sa.Row[Any], **values: Any) -> bool:
    """Write the outcome of a claimed fetch; False when the row was erased or taken over in the meantime."""
    written = connection.execute(
        sa.update(Attachment)
        .where(
            Attachment.id == claimed.id,
            Attachment.state == FileState.DUE,
            Attachment.tries == claimed.tries,
            Attachment.due_at == claimed.due_at,
        )
        .values(**values)
    )
    return written.rowcount == 1


def erase_of_contact(connection: Connection, contact_id: int, *, at: datetime) -> int:
    """Erase what a contact sent, except for tickets that still need it, and all files of their ended tickets."""
    ended = sa.select(Ticket.id).where(
        Ticket.contact_id == contact_id, Ticket.state.in_([state.value for state in FINAL])
    )
    own = sa.select(Conversation.id).where(Conversation.contact_id == contact_id)
    loose = Attachment.ticket_id.is_(None) & Attachment.conversation_id.in_(own)
    return _erase(connection, loose | Attachment.ticket_id.in_(ended), at=at)


def erase_materials(connection: Connection, conversation_id: int, *, at: datetime) -> int:
    """Erase what was sent for a form that opens no ticket."""
    materials = sa.select(Message.id).where(
        Message.conversation_id == conversation_id, Message.is_material.is_(True), Message.ticket_id.is_(None)
    )
    return _erase(connection, Attachment.ticket_id.is_(None) & Attachment.message_id.in_(materials), at=at)


def _erase(connection: Connection, which: sa.ColumnElement[bool], *, at: datetime) -> int:
    return connection.execute(
        sa.update(Attachment)
        .where(which, Attachment.state != FileState.ERASED)
        .values(
            state=FileState.ERASED.value,
            due_at=sa.case((Attachment.digest != "", sa.literal(at, Attachment.due_at.type))),
            name="",
            media_id="",
            result="",
            size=0,
        )
    ).rowcount


def forget_digest(connection: Connection, attachment_id: int) -> None:
    """The bytes of an erased row are gone, or another row's alone."""
    connection.execute(
        sa.update(Attachment)
        .where(Attachment.id == attachment_id, Attachment.state == FileState.ERASED)
        .values(digest="", due_at=None)
    )


def put_off(connection: Connection, attachment_id: int, *, at: datetime) -> None:
    """The disk did not let go of an erased row's bytes: try again then."""
    connection.execute(
        sa.update(Attachment)
        .where(Attachment.id == attachment_id, Attachment.state == FileState.ERASED)
        .values(due_at=at)
    )


def digests(session: Session, prefix: str) -> set[str]:
    """The digests of all rows that begin so."""
    return set(
        session.scalars(
            sa.select(Attachment.digest).where(Attachment.digest >= prefix, Attachment.digest < f"{prefix}g")
        )
    )


def _is_used(connection: Connection, digest: str) -> bool:
    used = sa.select(Attachment.id).where(Attachment.digest == digest, Attachment.state == FileState.STORED)
    return connection.execute(used.limit(1)).first() is not None


def _hold(connection: Connection, digest: str) -> None:
    """Let nobody else store or remove these bytes until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        key = sa.literal(int(digest[:15], 16), sa.BigInteger)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


# --- bytes ---


def path_of(root: Path, digest: str) -> Path:
    """Where the bytes of that digest lie."""
    return root / digest[:2] / digest


def write_fresh(root: Path, content: bytes) -> Path:
    """Write bytes durably under a passing name, readable by the owner only; raises OSError as the disk does."""
    folder = root / _FRESH
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / secrets.token_hex(16)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return path


def keep(connection: Connection, root: Path, fresh: Path, digest: str) -> None:
    """Give fresh bytes their place, in the transaction that writes their row; the same bytes lie there once."""
    _hold(connection, digest)
    path = path_of(root, digest)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh.replace(path)
    # Else a power cut could leave the row without its file.
    for folder in (path.parent, root):
        _sync(folder)


def remove(connection: Connection, root: Path, digest: str) -> bool:
    """Remove bytes that no row uses any more, in this transaction; False where one does."""
    _hold(connection, digest)
    if _is_used(connection, digest):
        return False
    path_of(root, digest).unlink(missing_ok=True)
    return True


def lying(root: Path) -> Iterator[tuple[str, list[str]]]:
    """What lies in the folder: the first two signs of the digests, and the digests that begin so."""
    for folder in sorted(root.glob("[0-9a-f][0-9a-f]")):
        yield folder.name, sorted(path.name for path in folder.iterdir() if _DIGEST.fullmatch(path.name))


def drop_fresh(root: Path, *, before: datetime) -> int:
    """Remove files that were never given a place and are older than that: whoever wrote them died."""
    count = 0
    for path in (root / _FRESH).glob("*"):
        # Its writer may be alive and give it a place just now.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                count += 1
    return count


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
