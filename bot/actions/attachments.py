"""Files of contacts, providers and staff: noted with their message, fetched, added, opened, and forgotten."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.core.files import FileKind, is_raster, safe_name, size_text, sniff
from bot.core.messages import Incoming, Kind
from bot.core.ticket_states import FINAL
from bot.core.wording import say
from bot.errors import ConflictError, NotFoundError, RefusedError
from bot.ports import Failed, File, MediaSource
from bot.store import attachments, audit
from bot.store.attachments import Attachment, FileState
from bot.store.conversations import Talk

_KINDS = frozenset({Kind.IMAGE, Kind.VOICE, Kind.VIDEO})
_KEPT = timedelta(days=3)  # by the platform (protocol 2.2)
# Ours, not prescribed: what one person may fill of the disk, and what a page can show.
_MOST_A_DAY = 100
_MOST_OF_TICKET = 50
_CLAIM = timedelta(
    minutes=3
)  # longer than a download may take; a worker that dies gives the file back after this
_LATER = timedelta(hours=1)  # when the platform's own delays are used up
_REASONS = {"40007": "expired", "too-large": "large"}
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FileView:
    """A file as a page lists it."""

    id: int
    kind: str  # image, voice, video or file
    label: str  # the same in words
    name: str  # empty until it is stored
    size: str  # in words
    state: FileState
    problem: str  # why it is not here; empty unless it failed
    by: str  # contact, the provider's name, or a staff member
    at: datetime
    referral_id: int | None
    is_picture: bool  # a browser may show it in the page


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file that somebody reads."""

    content: bytes
    name: str
    media_type: str
    is_inline: bool  # a picture that a browser may show; everything else is downloaded


# --- what contacts send ---


def _note_media(tx: Transaction, talk: Talk, incoming: Incoming, message_id: int) -> None:
    """Write down that a picture, voice or video message has a file to be fetched; once, however often it comes."""
    media_id = incoming.details.get("MediaId", "")[:300]
    if incoming.kind not in _KINDS or not media_id:
        return
    if attachments.is_noted(tx.connection, talk.conversation_id, media_id):
        return
    since = tx.now - timedelta(days=1)
    sent = attachments.count_of_talk(tx.connection, talk.conversation_id, since=since)
    is_too_many = sent >= _MOST_A_DAY
    attachments.add_attachment(
        tx.connection,
        conversation_id=talk.conversation_id,
        message_id=message_id,
        kind=incoming.kind.value,
        account=incoming.account,
        media_id=media_id,
        state=(FileState.FAILED if is_too_many else FileState.DUE).value,
        result=say("attachment.many") if is_too_many else "",
        due_at=None if is_too_many else tx.now,
        by="contact",
        at=tx.now,
    )
    tx.poke_after_commit("attachments")


def _bind(tx: Transaction, conversation_id: int, ticket_id: int) -> None:
    """Give the files of the messages that a ticket has taken to the ticket; after `tickets.attach_materials`."""
    attachments.bind(tx.connection, conversation_id, ticket_id)


def due_files(ctx: Context, *, limit: int) -> list[tuple[int, str]]:
    """Files whose time to be fetched has come, oldest first: id, account."""
    with ctx.read() as session:
        rows = attachments.due_attachments(session, state=FileState.DUE, now=ctx.clock.now(), limit=limit)
    return [(row.id, row.account) for row in rows]


def fetch(ctx: Context, attachment_id: int, source: MediaSource) -> bool:
    """Fetch a file that a contact sent and write down what came of it; False when another worker has it.

    The platform keeps files for three days: until then passing failures are tried again, after that none.
    """
    with ctx.transaction() as tx:
        claimed = attachments.claim(tx.connection, attachment_id, now=tx.now, until=tx.now + _CLAIM)
    if claimed is None:
        return False
    outcome = source.fetch(claimed.media_id, most=ctx.settings.attachment_max_bytes)
    if isinstance(outcome, File):
        _take_in(ctx, claimed, outcome.content)
    else:
        log.warning("file not fetched", attachment=attachment_id, code=outcome.code, alarm=outcome.alarm)
        _write_failure(ctx, claimed, outcome)
    return True


def _take_in(ctx: Context, claimed: sa.Row[Any], content: bytes) -> None:
    kind = sniff(content)
    if kind is None:
        _write_failure(ctx, claimed, Failed("kind", "", is_permanent=True))
        return
    try:
        fresh = attachments.write_fresh(_root(ctx), content)
    except OSError as error:
        log.error("file not written", attachment=claimed.id, error=str(error), alarm=True)
        _write_failure(ctx, claimed, Failed("disk", "", is_permanent=False, pause=_LATER.total_seconds()))
        return
    name = safe_name(f"{say(f'attachment.{kind.group}')}{claimed.id}", kind)
    values = _columns(content, kind, name)
    try:
        with ctx.transaction() as tx:
            # Erased while it was on its way: then the bytes are not kept either.
            if attachments.finish(tx.connection, claimed, **values):
                attachments.keep(tx.connection, _root(ctx), fresh, values["digest"])
                _poke_lookers(tx, claimed)
    finally:
        fresh.unlink(missing_ok=True)


def _poke_lookers(tx: Transaction, claimed: sa.Row[Any]) -> None:
    """Whoever looks at the ticket or the chat sees what became of the file."""
    tx.poke_after_commit("tickets")
    tx.poke_after_commit(f"conversation:{claimed.conversation_id}")


def _columns(content: bytes, kind: FileKind, name: str) -> dict[str, Any]:
    """What a row says of bytes that are stored."""
    return {
        "state": FileState.STORED.value,
        "kind": kind.group,
        "name": name,
        "media_type": kind.media_type,
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "due_at": None,
        "result": "",
    }


def _write_failure(ctx: Context, claimed: sa.Row[Any], failed: Failed) -> None:
    """Try again after the delay that the failure names, an hour when it names none any more; or give up."""
    with ctx.transaction() as tx:
        at = None if failed.is_permanent else tx.now + _delay(failed, claimed.tries)
        if at is not None and at < claimed.at + _KEPT:
            tries = claimed.tries - 1 if failed.pause else claimed.tries
            attachments.finish(tx.connection, claimed, due_at=at, tries=tries, result=_reason(ctx, failed))
            return
        over = failed if failed.is_permanent else Failed("40007", "", is_permanent=True)
        values = {"state": FileState.FAILED.value, "due_at": None, "result": _reason(ctx, over)}
        attachments.finish(tx.connection, claimed, **values)
        _poke_lookers(tx, claimed)


def _delay(failed: Failed, tries: int) -> timedelta:
    if failed.pause:
        return timedelta(seconds=failed.pause)
    return timedelta(seconds=failed.delays[tries - 1]) if tries <= len(failed.delays) else _LATER


def _reason(ctx: Context, failed: Failed) -> str:
    """Why a file is not here, in plain words."""
    key = _REASONS.get(failed.code, failed.code if failed.code in ("kind", "disk") else "refused")
    return say(f"attachment.{key}", most=_megabytes(ctx), code=failed.code)[:200]


# --- what providers and staff add, and who opens it ---


def add_file(
    ctx: Context, *, ticket_id: int, content: bytes, name: str, by: str, referral_id: int | None = None
) -> int:
    """A provider or a member of staff puts a file to a ticket; gives its id.

    Who calls has made sure that `by` may do so. Raises RefusedError for an empty, too large or unknown file,
    ConflictError for the fifty-first or for an erased ticket, NotFoundError for no ticket.
    """
    kind = _checked(ctx, content)
    values = _columns(content, kind, safe_name(name, kind))
    fresh = attachments.write_fresh(_root(ctx), content)
    try:
        with ctx.transaction() as tx:
            number = _open_to_files(tx, ticket_id)
            attachment_id = attachments.add_attachment(
                tx.connection, **values, ticket_id=ticket_id, referral_id=referral_id, by=by[:60], at=tx.now
            )
            attachments.keep(tx.connection, _root(ctx), fresh, values["digest"])
            _note_audit(tx, by, "attach", attachment_id, number)
            tx.poke_after_commit("tickets")
    finally:
        fresh.unlink(missing_ok=True)
    return attachment_id


def _checked(ctx: Context, content: bytes) -> FileKind:
    if not content:
        raise RefusedError("attachment-empty", say("attachment.add_empty"))
    if len(content) > ctx.settings.attachment_max_bytes:
        raise too_large(ctx)
    kind = sniff(content)
    if kind is None:
        raise RefusedError("attachment-kind", say("attachment.add_kind"))
    return kind


def too_large(ctx: Context) -> RefusedError:
    """The refusal of a file that is too large, for pages that stop reading before its end."""
    return RefusedError("attachment-large", say("attachment.add_large", most=_megabytes(ctx)))


def _open_to_files(tx: Transaction, ticket_id: int) -> str:
    """The number of a ticket that can take one more file."""
    row = attachments.lock_ticket(tx.connection, ticket_id)
    if row is None:
        raise NotFoundError("ticket", "没有这件申请，请核对编号。")
    if not row.content and row.state in FINAL:
        raise ConflictError("attachment-erased", say("attachment.add_erased"))
    if attachments.count_of_ticket(tx.connection, ticket_id) >= _MOST_OF_TICKET:
        raise ConflictError("attachment-many", say("attachment.add_many", most=_MOST_OF_TICKET))
    return str(row.number)


def attachments_of(session: Session, ticket_id: int) -> list[FileView]:
    """The files of a ticket, oldest first, as a page lists them."""
    return [_view(row) for row in attachments.files_of(session, ticket_id)]


def _view(row: Attachment) -> FileView:
    state = FileState(row.state)
    return FileView(
        id=row.id,
        kind=row.kind,
        label=say(f"attachment.{row.kind}"),
        name=row.name,
        size=size_text(row.size) if row.size else "",
        state=state,
        problem=row.result if state is FileState.FAILED else "",
        by=row.by,
        at=row.at,
        referral_id=row.referral_id,
        is_picture=is_raster(row.media_type),
    )


def read_file(
    ctx: Context, attachment_id: int, *, by: str = "provider", ticket_id: int | None = None
) -> OpenedFile:
    """The bytes of a file, for somebody who may see it; that they were opened is written down.

    With `ticket_id`, files of other tickets look like none. Raises NotFoundError.
    """
    with ctx.transaction() as tx:
        row = attachments.attachment(tx.connection, attachment_id)
        if row is None or (ticket_id is not None and row.ticket_id != ticket_id):
            raise _no_file()
        if row.state != FileState.STORED:
            raise _no_file()
        _note_audit(tx, by, "open-attachment", attachment_id, row.number or "")
    try:
        content = attachments.path_of(_root(ctx), row.digest).read_bytes()
    except FileNotFoundError as error:
        raise _no_file() from error
    return OpenedFile(content, row.name, row.media_type, is_raster(row.media_type))


def _no_file() -> NotFoundError:
    return NotFoundError("attachment", "没有这个文件，可能还没有取回，或者已经删除。")


def _note_audit(tx: Transaction, by: str, what: str, attachment_id: int, number: str) -> None:
    subject = f"attachment:{attachment_id}"
    audit.add_line(tx.connection, at=tx.now, actor=by[:60], what=what, subject=subject, note=number)


# --- forgetting ---


def _erase_files(tx: Transaction, contact_id: int) -> None:
    """Erase a contact's files; after `tickets.erase_tickets`, whose open tickets keep theirs until they end.

    The bytes go within seconds after the commit (`remove_erased`), unless somebody else sent the same.
    """
    if attachments.erase_of_contact(tx.connection, contact_id, at=tx.now):
        tx.poke_after_commit("attachments")


def _drop_files(tx: Transaction, conversation_id: int) -> None:
    """Erase what was sent for a form that was cancelled; before `tickets.drop_materials` takes the mark away."""
    if attachments.erase_materials(tx.connection, conversation_id, at=tx.now):
        tx.poke_after_commit("attachments")


def remove_erased(ctx: Context, *, limit: int = 100) -> int:
    """Remove the bytes of erased rows that nobody else uses; gives how many rows were seen to."""
    with ctx.read() as session:
        rows = attachments.due_attachments(session, state=FileState.ERASED, now=ctx.clock.now(), limit=limit)
    for row in rows:
        _remove(ctx, row.id, row.digest)
    return len(rows)


def _remove(ctx: Context, attachment_id: int, digest: str) -> None:
    with ctx.transaction() as tx:
        try:
            attachments.remove(tx.connection, _root(ctx), digest)
        except OSError as error:
            log.error("file not removed", attachment=attachment_id, error=str(error), alarm=True)
            attachments.put_off(tx.connection, attachment_id, at=tx.now + _LATER)
        else:
            attachments.forget_digest(tx.connection, attachment_id)


def sweep(ctx: Context) -> int:
    """Remove what a crash left in the folder: bytes without a row, and files that were never whole; hourly.

    Gives how many files went.
    """
    root, count = _root(ctx), 0
    for prefix, lying in attachments.lying(root):
        with ctx.read() as session:
            known = attachments.digests(session, prefix)
        for digest in lying:
            if digest not in known:
                # Looked up once more inside: somebody may store the same bytes at this moment.
                with ctx.transaction() as tx:
                    count += attachments.remove(tx.connection, root, digest)
    return count + attachments.drop_fresh(root, before=ctx.clock.now() - _LATER)


def _root(ctx: Context) -> Path:
    return ctx.settings.data_dir / "attachments"


def _megabytes(ctx: Context) -> str:
    return f"{ctx.settings.attachment_max_bytes / 1_000_000:g}"
