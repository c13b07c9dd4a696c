"""Sweeps after a changed basis, and reviews: who cites it, what stops being given, who looked at it again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.actions.drafts import _keep_present, _put_live
from bot.core.entry_states import EntryState
from bot.core.permissions import Actor, Right
from bot.core.sweeps import Document, Due, Found, due_reviews, ended, search_entry, search_reply
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import drafts, knowledge, reviews, runtime
from bot.store.audit import add_line
from bot.store.drafts import EntryReview
from knowledge.entries import EntryStatus
from knowledge.rows import entry_from_dict, entry_to_dict

CANNED = "canned:"
"""How the subject of a review begins that is a canned reply."""

_PENDING = "canned-suspensions"  # runtime setting: id of a reply -> the day from which it must not be used
_MOST_WORDS = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """A document that is replaced, or ends, on a day."""

    old: Document
    new: str  # empty: nothing replaces it
    on: date  # the first day on which the old one is no longer in force

    @property
    def reason(self) -> str:
        """In words, for reviews and histories."""
        day = self.on.isoformat()
        if not self.new:
            return say("sweeps.reason", old=self.old.name, date=day)
        return say("sweeps.replaced", old=self.old.name, new=self.new, date=day)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a confirmed sweep did."""

    suspended: int
    reviews: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """What must be looked at, what is being looked at, and what was."""

    due: list[Due]
    open: list[EntryReview]
    done: list[EntryReview]
    titles: Mapping[str, str]  # subject -> what it is called
    suspended: frozenset[str]  # canned replies that are out of use


def read_change(old: str, new: str, on: str) -> Change:
    """What somebody typed about a changed basis. Raises RefusedError."""
    document = Document.read(old)
    if document is None:
        raise RefusedError("sweep-document", say("sweeps.unclear"))
    if max(len(old), len(new)) > _MOST_WORDS:
        raise RefusedError("sweep-words", say("sweeps.words"))
    try:
        day = date.fromisoformat(on.strip())
    except ValueError as error:
        raise RefusedError("sweep-date", say("sweeps.date")) from error
    return Change(document, " ".join(new.split()), day)


def find_citing(ctx: Context, session: Session, change: Change) -> list[Found]:
    """Every entry and canned reply that cites the document: entries in the order of their ids, then replies."""
    entries = (
        search_entry(entry, change.old, on=change.on)
        for entry in ctx.brain.entries
        if entry.status is not EntryStatus.ARCHIVED
    )
    replies = (
        search_reply(row.id, row.title, row.text, change.old) for row in reviews.canned_replies(session)
    )
    return [found for found in (*entries, *replies) if found is not None]


def confirm_sweep(
    ctx: Context, change: Change, *, suspend: Collection[str], review: Collection[str], actor: Actor
) -> Swept:
    """Open a review of each subject, and stop those in `suspend` from being given from the day of the change on.

    An entry gets a published version whose citing texts are valid until the day before: they go on answering until then
    and not one day longer, in every process, and even where nobody gets round to the review. It passes neither gate nor
    second person: no question changes its owner, and the only harm that could be done is an answer too few. Open drafts
    get the same days, so that publishing one does not bring the old basis back. Raises ConflictError where an entry no
    longer cites the document.
    """
    _check(actor, Right.PUBLISH_KNOWLEDGE)
    subjects = list(dict.fromkeys((*suspend, *review)))
    if not subjects:
        raise RefusedError("sweep-nothing", say("sweeps.nothing"))
    with ctx.transaction() as tx:
        due_on = max(change.on, china_date(tx.now))
        for subject in subjects:
            _check_subject(tx, subject)
            reviews.add_review(
                tx.connection, subject=subject, reason=change.reason, due_on=due_on, by=actor.name, at=tx.now
            )
        ending = list(dict.fromkeys(suspend))
        for subject in ending:
            if not subject.startswith(CANNED):
                _end_entry(tx, subject, change, actor=actor)
        _end_replies(tx, [one for one in ending if one.startswith(CANNED)], change, actor=actor)
        note = f"{change.reason}: {'、'.join(ending) or '-'}"
        add_line(
            tx.connection, at=tx.now, actor=actor.name, what="sweep", subject=change.old.name[:120], note=note
        )
        tx.poke_after_commit("knowledge")
    return Swept(len(ending), len(subjects))


def suspend_due(ctx: Context) -> int:
    """Take the canned replies out of use whose day has come; gives how many. The worker asks every round."""
    with ctx.read() as session:
        waiting = runtime.value_of(session, _PENDING) or {}
    today = china_date(ctx.clock.now()).isoformat()
    if all(day > today for day in waiting.values()):
        return 0
    with ctx.transaction() as tx:
        waiting = runtime.value_of(tx.connection, _PENDING) or {}
        due = [int(key) for key, day in waiting.items() if day <= today]
        count = reviews.suspend_replies(tx.connection, due, is_suspended=True, at=tx.now)
        _keep_waiting(tx, {key: day for key, day in waiting.items() if day > today}, by="system")
        for one in due:
            add_line(
                tx.connection, at=tx.now, actor="system", what="canned-suspended", subject=f"{CANNED}{one}"
            )
    return count


def _check(actor: Actor, right: Right) -> None:
    if not actor.may(right):
        raise ForbiddenError("right", say("sweeps.right"))


def _check_subject(tx: Transaction, subject: str) -> None:
    """Raises NotFoundError where there is no such entry or canned reply."""
    if subject.startswith(CANNED):
        known = any(f"{CANNED}{row.id}" == subject for row in reviews.canned_replies(tx.connection))
    else:
        known = knowledge.entry_row(tx.connection, subject) is not None
    if not known:
        raise NotFoundError("sweep-subject", say("sweeps.subject"))


def _end_entry(tx: Transaction, entry_id: str, change: Change, *, actor: Actor) -> None:
    """Put a version live that differs in its days alone; what was live is kept, what is being worked on follows."""
    row = knowledge.entry_row(tx.connection, entry_id, is_locked=True)
    assert row is not None
    body = _ended_body(row.body, change)
    if body == row.body:
        entry = entry_from_dict(body)
        if search_entry(entry, change.old, on=change.on) is None:
            raise ConflictError("sweep-changed", say("sweeps.changed", title=entry.title))
        return
    _keep_present(tx, entry_id)
    _put_live(tx, entry_id, body)
    drafts.add_version(
        tx.connection,
        entry_id=entry_id,
        state=EntryState.PUBLISHED.value,
        body=body,
        author=actor.name,
        note=change.reason,
        at=tx.now,
        reviewer=actor.name,
        settled_at=tx.now,
        override=change.reason,
    )
    for version in drafts.versions_of(tx.connection, entry_id):
        if EntryState(version.state).is_open:
            ended_draft = _ended_body(version.body, change)
            drafts.change_version(tx.connection, version.id, body=ended_draft, gate=None)


def _ended_body(body: Mapping[str, Any], change: Change) -> dict[str, Any]:
    return entry_to_dict(ended(entry_from_dict(body), change.old, on=change.on))


def _end_replies(tx: Transaction, subjects: Sequence[str], change: Change, *, actor: Actor) -> None:
    """A canned reply knows no days: it goes out of use now, or on the day, when `suspend_due` finds it."""
    ids = [int(subject.removeprefix(CANNED)) for subject in subjects]
    if change.on <= china_date(tx.now):
        reviews.suspend_replies(tx.connection, ids, is_suspended=True, at=tx.now)
    elif ids:
        waiting = runtime.value_of(tx.connection, _PENDING) or {}
        coming = {str(one): min(waiting.get(str(one), "9999"), change.on.isoformat()) for one in ids}
        _keep_waiting(tx, {**waiting, **coming}, by=actor.name)


def _keep_waiting(tx: Transaction, waiting: Mapping[str, str], *, by: str) -> None:
    runtime.put_value(tx.connection, _PENDING, dict(waiting), by=by, now=tx.now)


# --- reviews ---


def review_calendar(ctx: Context, session: Session) -> Calendar:
    """Entries whose review has come or comes soon and is not open yet, the open reviews, and the last finished ones."""
    opened = reviews.open_reviews(session)
    busy = {one.subject for one in opened}
    reviewed = {
        subject: china_date(at)
        for subject, at in reviews.last_reviews(session).items()
        if not subject.startswith(CANNED)
    }
    due = due_reviews(ctx.brain.entries, today=china_date(ctx.clock.now()), reviewed=reviewed)
    replies = reviews.canned_replies(session)
    titles = {entry.id: entry.title for entry in ctx.brain.entries}
    titles |= {f"{CANNED}{row.id}": row.title for row in replies}
    suspended = frozenset(f"{CANNED}{row.id}" for row in replies if row.is_suspended)
    done = reviews.done_reviews(session)
    return Calendar([one for one in due if one.entry_id not in busy], opened, done, titles, suspended)


def open_review(ctx: Context, *, subject: str, reason: str, due_on: date, actor: Actor) -> int:
    """Ask for an entry to be looked at by a day; gives the review's id."""
    _check(actor, Right.EDIT_KNOWLEDGE)
    reason = _words(reason)
    with ctx.transaction() as tx:
        _check_subject(tx, subject)
        found = reviews.add_review(
            tx.connection, subject=subject, reason=reason, due_on=due_on, by=actor.name, at=tx.now
        )
        add_line(
            tx.connection, at=tx.now, actor=actor.name, what="review-opened", subject=subject, note=reason
        )
    return found


def finish_review(
    ctx: Context, review_id: int, *, result: str, actor: Actor, is_resumed: bool = False
) -> None:
    """Write down what came of a review; `is_resumed` puts a canned reply back into use.

    An entry is put back by publishing a version with the new basis. Raises RefusedError without a result; ConflictError
    where it was finished already.
    """
    _check(actor, Right.EDIT_KNOWLEDGE)
    result = _words(result)
    if not result:
        raise RefusedError("review-result", say("sweeps.result"))
    with ctx.transaction() as tx:
        row = reviews.lock_review(tx.connection, review_id)
        if row is None or row.done_at is not None:
            raise ConflictError("review-done", say("sweeps.done"))
        reviews.finish_review(tx.connection, review_id, by=actor.name, result=result, at=tx.now)
        if is_resumed and row.subject.startswith(CANNED):
            _resume(tx, row.subject.removeprefix(CANNED), actor=actor)
        add_line(
            tx.connection, at=tx.now, actor=actor.name, what="review-done", subject=row.subject, note=result
        )


def _resume(tx: Transaction, reply_id: str, *, actor: Actor) -> None:
    reviews.suspend_replies(tx.connection, [int(reply_id)], is_suspended=False, at=tx.now)
    waiting = runtime.value_of(tx.connection, _PENDING) or {}
    if reply_id in waiting:
        rest = {key: day for key, day in waiting.items() if key != reply_id}
        _keep_waiting(tx, rest, by=actor.name)


def _words(text: str) -> str:
    if len(text) > _MOST_WORDS:
        raise RefusedError("sweep-words", say("sweeps.words"))
    return text.strip()
