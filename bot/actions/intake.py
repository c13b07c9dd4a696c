"""Needs that do not come from the chat: staff enter them, a portal sends them, visits bring them up."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.actions.contacts import _remember
from bot.actions.context import Context, Transaction
from bot.actions.conversation import _view
from bot.actions.tickets import Entered, Opened, _open_ticket
from bot.core import repeats
from bot.core.intake import (
    AT_THE_DESK,
    Entry,
    Problem,
    Typed,
    VisitEntry,
    VisitTyped,
    fold_name,
    format_visit,
    read_entry,
    read_visit,
)
from bot.core.needform import category_of
from bot.core.permissions import Actor, Right
from bot.core.ticket_states import TicketState
from bot.core.tickets import TicketView
from bot.core.times import china_date
from bot.core.turns import Form
from bot.errors import ConflictError, ForbiddenError
from bot.store import conversations, people, tickets, visits
from bot.store.base import insert_row
from bot.store.visits import Visit
from intents.slots import read_slots

_DESK, _PORTAL = "desk", "portal"  # accounts of contacts without WeChat
_VISIT = "visit"  # the kind of number
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class Registered:
    """A ticket that an entry has opened, now or when it came before (`is_repeat`)."""

    number: str
    respond_by: datetime | None
    state: TicketState
    duplicates: tuple[str, ...] = ()  # open tickets of the same enterprise that ask for the same
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Likely:
    """Nothing was opened: these open tickets of the same enterprise ask for the same, the likeliest first."""

    tickets: tuple[TicketView, ...]


def register_entry(
    ctx: Context, typed: Typed, *, actor: Actor, key: str = "", shown: Collection[str] = ()
) -> Registered | Likely | tuple[Problem, ...]:
    """A member of staff enters what came by phone, by e-mail, at the window or on a visit (S 8.2.1).

    `key` is that of the page: one page sent twice opens one ticket. `shown` are the numbers of likely duplicates that
    the person has seen and does not mean. Problems where fields are wrong; raises ForbiddenError.
    """
    _check_right(actor)
    entry = read_entry(typed, now=ctx.clock.now())
    if isinstance(entry, tuple):
        return entry
    if entry.source not in AT_THE_DESK:
        return (Problem("source", "请选择来源。"),)
    category = _category_of(ctx, entry)
    # The words are part of it: who goes back and enters the next need means another ticket.
    origin = f"{_DESK}:{_digest(typed, key)}" if key else None
    return _twice(lambda: _register_entry(ctx, entry, category, actor=actor, origin=origin, shown=shown))


def register_from_portal(ctx: Context, typed: Typed, *, key: str) -> Registered | tuple[Problem, ...]:
    """A portal sends a need under a key of its own (80 characters at most): the same key opens one ticket.

    Duplicates are named, not refused: a program has no second press. Problems where fields are wrong; raises
    ConflictError where the key was used for something else.
    """
    origin, digest = f"{_PORTAL}:{key}", _digest(typed)
    # Looked for before the fields are checked: a repeat gets the same answer, whatever the time.
    with ctx.read() as session:
        known = _answer_of(session, origin, digest)
    if known is not None:
        return known
    entry = read_entry(typed, now=ctx.clock.now())
    if isinstance(entry, tuple):
        return entry
    category = _category_of(ctx, entry)
    return _twice(lambda: _register_from_portal(ctx, entry, category, origin=origin, digest=digest))


def record_visit(ctx: Context, typed: VisitTyped, *, actor: Actor) -> str | tuple[Problem, ...]:
    """Write a visit to an enterprise down (S 8.2.2); gives its number, that of the first where it is sent twice.

    Problems where fields are wrong; raises ForbiddenError.
    """
    _check_right(actor)
    entry = read_visit(typed, today=china_date(ctx.clock.now()))
    if isinstance(entry, tuple):
        return entry
    return _twice(lambda: _record_visit(ctx, entry, recorder=actor.name))


def _check_right(actor: Actor) -> None:
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有登记的权限。")


def _twice(do: Callable[[], _Done]) -> _Done:
    """Do it again where another was quicker with the same row: the year's first number, or the ticket of this key."""
    try:
        return do()
    except sa.exc.IntegrityError:
        return do()


def _category_of(ctx: Context, entry: Entry) -> str:
    """The category that was chosen, else the one that the content speaks of; found before any lock is taken."""
    if entry.category is not None:
        return entry.category.value
    return category_of(ctx.brain.hear(entry.content, today=china_date(ctx.clock.now())).understanding)


def _digest(typed: Typed, key: str = "") -> str:
    """Two entries of one digest say the same."""
    text = json.dumps([key, asdict(typed)], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# --- one transaction each ---


def _register_entry(
    ctx: Context,
    entry: Entry,
    category: str,
    *,
    actor: Actor,
    origin: str | None,
    shown: Collection[str],
) -> Registered | Likely | tuple[Problem, ...]:
    with ctx.transaction() as tx:
        known = visits.ticket_of_origin(tx.connection, origin) if origin else None
        if known is not None:
            return Registered(known.number, known.respond_by, TicketState(known.state), is_repeat=True)
        if entry.visit and visits.visit_numbered(tx.connection, entry.visit) is None:
            return (Problem("visit", "没有这个走访编号，请核对。"),)
        found = _repeats(tx, entry, category)
        if any(view.number not in shown for view in found):
            return Likely(found)
        entered = Entered(actor.name, entry.urgency, entry.visit, origin)
        opened = _register(tx, entry, category, account=_DESK, entered=entered, details={})
    return _registered(opened, found)


def _register_from_portal(
    ctx: Context, entry: Entry, category: str, *, origin: str, digest: str
) -> Registered:
    with ctx.transaction() as tx:
        known = _answer_of(tx.connection, origin, digest)
        if known is not None:
            return known
        found = _repeats(tx, entry, category)
        entered = Entered(urgency=entry.urgency, origin=origin)
        details = {"digest": digest, "duplicates": [view.number for view in found]}
        opened = _register(tx, entry, category, account=_PORTAL, entered=entered, details=details)
    return _registered(opened, found)


def _answer_of(connection: Session | sa.Connection, origin: str, digest: str) -> Registered | None:
    """What the caller's key has opened; ConflictError where it stands for something else."""
    known = visits.ticket_of_origin(connection, origin)
    if known is None:
        return None
    # Once the contact was erased, nobody can tell any more what was said.
    details = known.details or {}
    if details.get("digest") != digest:
        raise ConflictError("intake-key", "这个 Idempotency-Key 已经用于另一项内容，请换一个。")
    return Registered(
        known.number,
        known.respond_by,
        TicketState(known.state),
        tuple(details["duplicates"]),
        is_repeat=True,
    )


def _registered(opened: Opened, found: Collection[TicketView]) -> Registered:
    numbers = tuple(view.number for view in found)
    return Registered(opened.number, opened.clock.due, TicketState.REGISTERED, numbers)


def _repeats(tx: Transaction, entry: Entry, category: str) -> tuple[TicketView, ...]:
    """The open tickets of the same enterprise that ask for the same."""
    rows = visits.open_tickets_of(
        tx.connection, entry.kind, phone=entry.phone, applicant=fold_name(entry.applicant)
    )
    return repeats.similar(entry.content, category, [_view(row) for row in rows], kind=entry.kind)


def _register(
    tx: Transaction,
    entry: Entry,
    category: str,
    *,
    account: str,
    entered: Entered,
    details: Mapping[str, object],
) -> Opened:
    openid = people.desk_openid(tx.connection, account, applicant=entry.applicant, phone=entry.phone)
    talk = conversations.talk_with(tx.connection, account, openid, now=tx.now)
    form = Form(
        entry.kind,
        content=entry.content,
        category=category,
        applicant=entry.applicant,
        person=entry.person,
        phone=entry.phone,
        is_urgent=read_slots(entry.content).is_urgent,
        started_at=(entry.started_at or tx.now).isoformat(),
    )
    opened = _open_ticket(tx, talk, form, channel=entry.source.value, entered=entered)
    _remember(tx, talk, form)
    # What was said stands in the conversation, as it does for those who write to us.
    message = {
        "ticket_id": opened.id,
        "is_inbound": True,
        "kind": "text",
        "text": entry.content,
        "at": tx.now,
    }
    conversations.add_message(
        tx.connection,
        {
            **message,
            "conversation_id": talk.conversation_id,
            "details": dict(details) or None,
            "is_material": False,
        },
    )
    return opened


def _record_visit(ctx: Context, entry: VisitEntry, *, recorder: str) -> str:
    values = {**asdict(entry), "recorder": recorder}
    with ctx.transaction() as tx:
        known = visits.same_visit(tx.connection, **values)
        if known is not None:
            return known
        year = china_date(tx.now).year
        serial = tickets.next_number(tx.connection, year=year, kind=_VISIT)
        number = format_visit(year=year, serial=serial)
        insert_row(tx.connection, Visit, number=number, created_at=tx.now, **values)
    return number
