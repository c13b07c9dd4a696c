"""What maintainers do about unanswered questions: see them together, settle them, tell the askers."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.actions.gap_drafts import draft_questions
from bot.actions.telling import _add, _has_place
from bot.actions.tickets import Entered, _open_ticket
from bot.core.brain import Brain
from bot.core.gaps import Deed, Gap, Question, Why, find_gaps, is_asked_by, masked
from bot.core.permissions import Actor, Right
from bot.core.reach import Channel, Purpose, abilities
from bot.core.ticket_states import TicketKind
from bot.core.times import china_date, china_text
from bot.core.turns import Form
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import conversations, courses, gaps
from bot.store.audit import add_line
from bot.store.delivery import OutboxState
from intents.categories import Category

MOST_DAYS = 180
"""The longest time that is looked at."""

TOLD_WITHIN = timedelta(days=30)
"""Who asked longer ago is not told any more."""

_MOST = 10_000  # of each kind of unanswered question
_QUOTED = 30  # characters of the asker's own words
_WAITING = "gap:"  # stands for the entry that is still to be written


@dataclass(frozen=True, slots=True)
class Ready:
    """An entry that answers now what people asked in vain."""

    entry_id: str
    title: str
    people: int  # conversations that may be told


def unanswered(ctx: Context, session: Session, *, days: int) -> list[Gap]:
    """What was asked in vain in the last days and not dealt with, put together; the most asked first."""
    since = ctx.clock.now() - timedelta(days=min(days, MOST_DAYS))
    found = tuple(_questions(session, since))
    # The same questions give the same gaps: a page that is looked at again costs the reading alone.
    known = ctx.kept.get(f"gaps:{days}")
    if known is None or known[0] != found:
        known = (found, find_gaps(found, ctx.brain.understander.tokenizer.words))
        ctx.kept[f"gaps:{days}"] = known
    gaps_found: list[Gap] = known[1]
    return gaps_found


def _questions(session: Session, since: datetime) -> list[Question]:
    first = gaps.first_id_since(session, since)
    found = {
        row.id: _question(row, Why(row.outcome))
        for row in gaps.missed(session, first=first, outcomes=(Why.OOS, Why.REFER), limit=_MOST)
    }
    word, reply = say("option.none"), say("deny")
    for row in gaps.declined(session, first=first, word=word, reply=reply, limit=_MOST):
        found[row.id] = _question(row, Why.NONE)
    unhelpful = [_asked_back(row) for row in gaps.unhelpful(session, since=since, limit=_MOST)]
    done = gaps.marked_ids(session, [one.message_id for one in unhelpful])
    found |= {one.message_id: one for one in unhelpful if one.message_id not in done}
    return [found[key] for key in sorted(found)]


def _question(row: Any, why: Why, entry_id: str = "") -> Question:
    return Question(
        row.id, row.conversation_id, row.text, row.category or "", china_date(row.at), why, entry_id
    )


def _asked_back(row: Any) -> Question:
    """What somebody asked whose answer did not help; where they chose it from a list, the words before that."""
    if row.before_outcome == "clarify" and row.before_text:
        return Question(
            row.before_id,
            row.conversation_id,
            row.before_text,
            row.before_category or "",
            china_date(row.before_at),
            Why.UNHELPFUL,
            row.entry_id,
        )
    return _question(row, Why.UNHELPFUL, row.entry_id)


# --- what is done about them ---


def settle(ctx: Context, ids: Collection[int], deed: Deed, *, actor: Actor) -> int:
    """Take questions off the list: a new entry is being written for them, or they are out of scope; gives how many.

    Raises ConflictError where somebody else was quicker with all of them.
    """
    _check(actor)
    with ctx.transaction() as tx:
        entry_id = f"{_WAITING}{min(ids, default=0)}" if deed is Deed.ENTRY else ""
        return len(_mark(tx, ids, deed, entry_id=entry_id, actor=actor))


def add_to_entry(
    ctx: Context, ids: Collection[int], *, entry_id: str, texts: Sequence[str], actor: Actor
) -> int:
    """Put wordings into a draft of an entry as questions that it answers, and take their messages off the list.

    Gives the version of the draft. Raises NotFoundError, RefusedError (with the problems of the draft), ConflictError.
    """
    _check(actor)
    if not ids:
        raise RefusedError("gap-none", say("gaps.none"))
    version = draft_questions(
        ctx, actor=actor, entry_id=entry_id, questions=texts, note=say("gaps.note", count=len(texts))
    )
    with ctx.transaction() as tx:
        _mark(tx, ids, Deed.QUESTION, entry_id=entry_id, actor=actor)
    return version


def open_request(ctx: Context, message_id: int, *, actor: Actor) -> str:
    """Register the question as a need of its asker, who is told of it; gives the ticket's number."""
    _check(actor)
    with ctx.transaction() as tx:
        asker = gaps.asker_of(tx.connection, message_id)
        if asker is None or not asker.text:
            raise NotFoundError("gap-message", say("gaps.gone"))
        if asker.erased_at is not None:
            raise RefusedError("gap-erased", say("gaps.erased"))
        talk = conversations.talk_with(tx.connection, asker.account, asker.openid, now=tx.now)
        _mark(tx, [message_id], Deed.TICKET, entry_id="", actor=actor)
        form = Form(
            TicketKind.NEED,
            content=asker.text,
            category=asker.category or Category.OTHER.value,
            applicant=talk.applicant,
            person=talk.person,
            phone=talk.phone,
        )
        entered = Entered(actor.name, origin=f"gap:{message_id}")
        opened = _open_ticket(tx, talk, form, channel=f"wechat-{asker.account}", entered=entered)
        text = say(
            "gaps.registered",
            question=_quoted(asker.text),
            number=opened.number,
            until=china_text(opened.clock.due),
        )
        _tell(tx, talk, text, key=f"gap-ticket:{message_id}")
    return opened.number


def take_back(ctx: Context, *, by: str, at: datetime, actor: Actor) -> int:
    """Put what somebody settled at one moment back on the list; gives how many."""
    _check(actor)
    with ctx.transaction() as tx:
        count = gaps.drop_marks(tx.connection, by=by, at=at)
        add_line(tx.connection, at=tx.now, actor=actor.name, what="gap-back", subject=by, note=str(count))
        tx.poke_after_commit("gaps")
    return count


def _check(actor: Actor) -> None:
    if not actor.may(Right.EDIT_KNOWLEDGE):
        raise ForbiddenError("right", say("gaps.right"))


def _mark(tx: Transaction, ids: Iterable[int], deed: Deed, *, entry_id: str, actor: Actor) -> list[int]:
    fresh = gaps.add_marks(tx.connection, ids, action=deed.value, entry_id=entry_id, by=actor.name, at=tx.now)
    if not fresh:
        raise ConflictError("gap-gone", say("gaps.gone"))
    add_line(
        tx.connection,
        at=tx.now,
        actor=actor.name,
        what=f"gap-{deed.value}",
        subject=entry_id or f"message:{fresh[0]}",
        note=str(len(fresh)),
    )
    tx.poke_after_commit("gaps")
    return fresh


# --- telling the askers ---


def ready_entries(ctx: Context, session: Session) -> list[Ready]:
    """Entries that are live and answer what people asked in vain and were not told yet."""
    found: dict[str, set[int]] = {}
    for entry_id, rows in _answered(ctx, gaps.untold(session, since=ctx.clock.now() - TOLD_WITHIN)).items():
        found[entry_id] = {row.conversation_id for row in rows if _account(ctx, row)}
    live = {entry_id: ctx.brain.entry(entry_id) for entry_id in found}
    return [
        Ready(entry_id, entry.title, len(found[entry_id]))
        for entry_id, entry in sorted(live.items())
        if entry is not None and found[entry_id]
    ]


def tell_askers(ctx: Context, *, entry_id: str, actor: Actor) -> int:
    """Tell everybody who asked in vain what this entry answers now, once each; gives how many were told.

    In the open window at once, else with the reply to their next message. Only who asked within TOLD_WITHIN, and is not
    erased. Raises NotFoundError, RefusedError where the entry is not live or nobody is left to be told.
    """
    _check(actor)
    entry = ctx.brain.entry(entry_id)
    if entry is None:
        raise NotFoundError("gap-entry", say("gaps.no_entry"))
    if entry.text_on(china_date(ctx.clock.now())) is None:
        raise RefusedError("gap-live", say("gaps.not_live"))
    told: set[int] = set()
    with ctx.transaction() as tx:
        rows = _answered(ctx, gaps.untold(tx.connection, since=tx.now - TOLD_WITHIN)).get(entry_id, [])
        rows = [row for row in rows if _account(ctx, row)]
        for row in rows:
            if row.conversation_id not in told:
                text = say("gaps.answered", question=_quoted(row.text), title=entry.title)
                _tell(tx, row, text, key=f"gap:{row.message_id}")
                told.add(row.conversation_id)
        gaps.set_told(tx.connection, [row.message_id for row in rows], entry_id=entry_id)
        if not told:
            raise RefusedError("gap-nobody", say("gaps.nobody"))
        note = str(len(told))
        add_line(tx.connection, at=tx.now, actor=actor.name, what="gap-told", subject=entry_id, note=note)
    return len(told)


def _answered(ctx: Context, rows: Iterable[Any]) -> dict[str, list[Any]]:
    """Live entry -> the askers whose question it answers now.

    Questions that were settled together count together: it is enough that the entry asks one of them.
    """
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(row.entry_id, []).append(row)
    found: dict[str, list[Any]] = {}
    for entry_id, group in groups.items():
        known = _entry_asking(ctx, entry_id, [row.text for row in group])
        if known:
            found.setdefault(known, []).extend(group)
    return found


def _entry_asking(ctx: Context, entry_id: str, texts: Sequence[str]) -> str:
    """The live entry that one of the texts is a question of: the one that was named, else one that was written for it."""
    brain, today = ctx.brain, china_date(ctx.clock.now())
    if not entry_id.startswith(_WAITING):
        entry = brain.entry(entry_id)
        is_live = entry is not None and entry.text_on(today) is not None and is_asked_by(entry, _shown(texts))
        return entry_id if is_live else ""
    wordings = list(dict.fromkeys(texts))
    hits = (hit for text in wordings[:20] for hit in _search(brain, text, ctx))
    return next((hit.entry.id for hit in hits if is_asked_by(hit.entry, _shown(wordings))), "")


def _search(brain: Brain, text: str, ctx: Context) -> Sequence[Any]:
    return brain.index.search(text, today=china_date(ctx.clock.now()), limit=5)


def _shown(texts: Sequence[str]) -> list[str]:
    """Texts as they were written, and as they were shown to be put into an entry."""
    return [*texts, *(masked(text) for text in texts)]


def _account(ctx: Context, row: Any) -> bool:
    """Does the asker write on an account of ours that can be answered later?"""
    return ctx.settings.account(row.account) is not None


def _tell(tx: Transaction, to: Any, text: str, *, key: str) -> None:
    """Say something in the conversation: now where the window is open, else with the reply to the next message."""
    settings = tx.ctx.settings.account(to.account)
    if settings is None:
        return
    able = abilities(to.account, settings.kind, links=False)
    is_open = able.has_customer_messages and _has_place(tx, to.conversation_id, to, Purpose.NOTICE)
    _add(
        tx,
        state=OutboxState.DUE if is_open else OutboxState.HELD,
        result="" if is_open else "window-closed",
        key=key,
        lane=f"talk:{to.conversation_id}",
        channel=Channel.CUSTOMER,
        account=to.account,
        address=to.openid,
        text=text,
        purpose=Purpose.NOTICE.value,
        conversation_id=to.conversation_id,
        due_at=tx.now,
        at=tx.now,
    )
    if is_open:
        courses.add_notice(tx.connection, to.conversation_id, text, at=tx.now)


def _quoted(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _QUOTED else f"{words[:_QUOTED]}…"
