"""The versions of an entry before they are live: write, submit, send back, withdraw; take an old one up again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.core.entry_states import RIGHTS, EntryMove, EntryState, after, check_may
from bot.core.masks import mask_text
from bot.core.permissions import Actor, Right
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import ConflictError, NotFoundError, RefusedError
from bot.store import drafts as store
from bot.store import knowledge
from bot.store.audit import add_line
from intents.categories import Category
from knowledge.check import PREFIXES
from knowledge.drafting import check_draft, problems
from knowledge.entries import Entry, EntryStatus
from knowledge.fields import ENTRY_NAMES, Problem, entry_to_dict, read_entry
from knowledge.gate import Gate

_OWN_FROM = (
    501  # the project numbers what ships from 1 on: an operator's new entry must never meet one of these
)
_MOST_WORDS = 1000  # of a note or reason
_LISTS = ("questions", "keywords", "related")


class ProblemsError(RefusedError):
    """An entry that cannot go live as it is; each problem names its field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = "\n".join(f"{problem.field}：{problem.message}" for problem in problems)
        super().__init__("entry-problems", f"{say('drafts.problems')}\n{lines}")
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version as pages show it."""

    id: int
    entry_id: str
    serial: int
    state: EntryState
    body: Mapping[str, Any]
    note: str
    author: str
    at: datetime
    reviewer: str
    settled_at: datetime | None
    override: str
    gate: Gate | None


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field that differs, in words for people; lists stand one item a line."""

    field: str
    label: str
    before: str
    after: str


# --- looking ---


def history(session: Session, entry_id: str) -> list[VersionView]:
    """Every version of an entry, the newest first; empty where nobody has edited it yet."""
    return [_view(row, {}) for row in store.versions_of(session, entry_id)]


def version(session: Session, version_id: int) -> VersionView:
    """One version, with what its gate found in words. Raises NotFoundError."""
    row = store.version(session, version_id)
    if row is None:
        raise NotFoundError("version", say("drafts.none"))
    changed = row.gate["changed"] if row.gate else ()
    asked = store.texts_of(session, [one["question"]["message"] for one in changed])
    return _view(row, {number: mask_text(text) for number, text in asked.items()})


def gate_of(view: VersionView) -> Gate | None:
    """What the publish gate found about a version; None where it was not run since the last edit."""
    return view.gate


def difference(before: Mapping[str, Any], later: Mapping[str, Any]) -> list[FieldDiff]:
    """The fields in which two bodies differ, in the order of the form."""
    old, new = dict(_fields(before)), dict(_fields(later))
    names = dict.fromkeys((*old, *new))
    return [
        FieldDiff(name, _label(name), old.get(name, ""), new.get(name, ""))
        for name in names
        if old.get(name, "") != new.get(name, "")
    ]


def _view(row: sa.Row[Any], texts: Mapping[int, str]) -> VersionView:
    gate = Gate.of_json(row.gate, texts) if row.gate else None
    values = {name: getattr(row, name) for name in VersionView.__slots__ if name not in ("state", "gate")}
    return VersionView(**values, state=EntryState(row.state), gate=gate)


def _fields(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every field of a body with its words; those of the texts by their place."""
    for name in ENTRY_NAMES:
        value = body.get(name, "")
        if name in _LISTS:
            yield name, "\n".join(value)
        elif name == "category":
            yield name, Category(value).label if value in set(Category) else str(value)
        elif name in ("confidence", "status"):
            yield name, say(f"drafts.{name}_{value}") if value else ""
        elif name == "text":
            for place, text in enumerate(value or (), 1):
                yield from _text_fields(place, text)
        elif name != "id":
            yield name, str(value)


def _text_fields(place: int, text: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in text.items():
        told = "\n".join(" ".join(basis.values()) for basis in value) if name == "basis" else str(value)
        yield f"text[{place}].{name}", told


def _label(name: str) -> str:
    """The name of a field for people."""
    field, _, part = name.partition("].")
    place = field.partition("[")[2]
    return (
        say(f"drafts.field_{part}") + (f"（{place}）" if place != "1" else "")
        if part
        else say(f"drafts.field_{name}")
    )


# --- writing ---


def save_draft(
    ctx: Context, *, actor: Actor, entry_id: str, changes: Mapping[str, Any], note: str, seen: int
) -> int:
    """Keep an entry as a draft; gives the version's id.

    `entry_id` is empty for a new one: then it gets the next free number of its category. `changes` are fields as an import
    takes them, laid over the open draft, else over what is live. `seen` is the open draft that was shown to the actor
    (0: none, or what is live); a draft of one's own is edited in place, that of somebody else stays in the history.
    Raises ForbiddenError; ProblemsError; ConflictError naming who edits; RefusedError where nothing differs.
    """
    check_may(actor, Right.EDIT_KNOWLEDGE)
    words = _words(note)
    with ctx.read() as session:
        base = _base(session, entry_id, seen) if entry_id else {}
        named = entry_id or _free_id(session, str(changes.get("category", "")))
    entry = checked(ctx, {**base, **changes, "id": named, "status": EntryStatus.PUBLISHED.value})
    with ctx.transaction() as tx:
        _keep_present(tx, entry.id)
        if not entry_id and entry.id in store.ids_from(tx.connection, entry.id):
            raise ConflictError("draft-number", say("drafts.again"))
        saved = _put_draft(tx, entry, actor=actor, note=words, seen=seen)
        add_line(tx.connection, at=tx.now, actor=actor.name, what="entry-draft", subject=entry.id, note=words)
        tx.poke_after_commit("console")
    return saved


def _base(session: Session, entry_id: str, seen: int) -> dict[str, Any]:
    """What the changes are laid over."""
    open_one = _open(store.versions_of(session, entry_id))
    row = knowledge.entry_row(session, entry_id)
    if open_one is not None and open_one.id == seen:
        return dict(open_one.body)
    return dict(row.body) if row else {}


def _put_draft(tx: Transaction, entry: Entry, *, actor: Actor, note: str, seen: int) -> int:
    """Write the draft where nobody else has written meanwhile."""
    body = entry_to_dict(entry)
    versions = store.versions_of(tx.connection, entry.id)
    open_one, newest = _open(versions), versions[0].id if versions else 0
    _check_seen(open_one, newest=newest, seen=seen)
    live = knowledge.entry_row(tx.connection, entry.id)
    if open_one is None and live is not None and live.body == body:
        raise RefusedError("draft-same", say("drafts.same"))
    if open_one is not None and open_one.author == actor.name:
        draft = EntryState.DRAFT.value
        store.change_version(
            tx.connection, open_one.id, state=draft, body=body, note=note, at=tx.now, gate=None
        )
        return int(open_one.id)
    if open_one is not None:
        _settle(tx, open_one, EntryMove.REPLACE)
    return _add(tx, entry.id, EntryState.DRAFT, body, author=actor.name, note=note)


def _check_seen(open_one: sa.Row[Any] | None, *, newest: int, seen: int) -> None:
    """Raises ConflictError where somebody else has saved, published or withdrawn since the form was shown."""
    if open_one is not None and open_one.id != seen:
        raise ConflictError("draft-other", say("drafts.other", author=open_one.author))
    if open_one is None and seen not in (0, newest):
        raise ConflictError("draft-gone", say("drafts.gone"))


def submit(ctx: Context, version_id: int, *, actor: Actor) -> None:
    """Ask for review. Raises ForbiddenError, NotFoundError or ConflictError."""
    _move(ctx, version_id, EntryMove.SUBMIT, actor=actor)


def withdraw_draft(ctx: Context, version_id: int, *, actor: Actor) -> None:
    """Give a draft up; it stays in the history. Raises ForbiddenError, NotFoundError or ConflictError."""
    _move(ctx, version_id, EntryMove.WITHDRAW, actor=actor)


def send_back(ctx: Context, version_id: int, *, actor: Actor, why: str) -> None:
    """The reviewer wants changes and says which. Raises ForbiddenError, NotFoundError, ConflictError or RefusedError."""
    words = _words(why)
    if not words:
        raise RefusedError("draft-why", say("drafts.why"))
    _move(ctx, version_id, EntryMove.SEND_BACK, actor=actor, why=words)


def _move(ctx: Context, version_id: int, move: EntryMove, *, actor: Actor, why: str = "") -> None:
    check_may(actor, RIGHTS[move])
    with ctx.transaction() as tx:
        row = _locked(tx, version_id)
        values: dict[str, Any] = {"state": after(EntryState(row.state), move).value}
        if move is EntryMove.WITHDRAW:
            values["settled_at"] = tx.now
        if why:
            sent = say("drafts.sent_back", actor=actor.name, why=why)
            values |= {"note": f"{row.note}\n{sent}".strip(), "reviewer": actor.name}
        store.change_version(tx.connection, row.id, **values)
        add_line(
            tx.connection, at=tx.now, actor=actor.name, what=f"entry-{move}", subject=row.entry_id, note=why
        )
        tx.poke_after_commit("console")


def restore(ctx: Context, version_id: int, *, actor: Actor) -> int:
    """Take an old version up again: a new version with its words that waits for review; gives its id.

    Raises ForbiddenError; NotFoundError; ProblemsError where it no longer fits the others; ConflictError where a draft is
    open; RefusedError where it is what is live.
    """
    check_may(actor, Right.EDIT_KNOWLEDGE)
    with ctx.read() as session:
        old = version(session, version_id)
    entry = checked(ctx, {**old.body, "status": EntryStatus.PUBLISHED.value})
    note = say("drafts.restored", serial=old.serial)
    with ctx.transaction() as tx:
        _keep_present(tx, entry.id)
        saved = _put_draft(tx, entry, actor=actor, note=note, seen=0)
        store.change_version(tx.connection, saved, state=after(EntryState.DRAFT, EntryMove.SUBMIT).value)
        add_line(
            tx.connection, at=tx.now, actor=actor.name, what="entry-restore", subject=entry.id, note=note
        )
        tx.poke_after_commit("console")
    return saved


def archive(ctx: Context, entry_id: str, *, actor: Actor, why: str) -> None:
    """Take an entry off: nobody is given it any more; why stands in its history.

    Raises ForbiddenError; NotFoundError; ConflictError where it is off already; RefusedError without a reason.
    """
    check_may(actor, Right.PUBLISH_KNOWLEDGE)
    words = _words(why)
    if not words:
        raise RefusedError("archive-why", say("drafts.archive_why"))
    with ctx.transaction() as tx:
        row = knowledge.entry_row(tx.connection, entry_id, is_locked=True)
        if row is None:
            raise NotFoundError("entry", say("drafts.no_entry"))
        if row.body.get("status") == EntryStatus.ARCHIVED.value:
            raise ConflictError("entry-archived", say("drafts.archived"))
        _keep_present(tx, entry_id)
        body = {**row.body, "status": EntryStatus.ARCHIVED.value}
        _put_live(tx, entry_id, body)
        saved = _add(tx, entry_id, EntryState.ARCHIVED, body, author=actor.name, note=words)
        store.change_version(tx.connection, saved, settled_at=tx.now)
        add_line(
            tx.connection, at=tx.now, actor=actor.name, what="entry-archive", subject=entry_id, note=words
        )


# --- parts of other transactions ---


def _put_live(tx: Transaction, entry_id: str, body: Mapping[str, Any]) -> None:
    """Put a body live in every process; what was live is archived."""
    for row in store.versions_of(tx.connection, entry_id):
        if row.state == EntryState.PUBLISHED.value:
            _settle(tx, row, EntryMove.SUPERSEDE)
    knowledge.put_entries(tx.connection, {entry_id: body}, now=tx.now)
    tx.poke_after_commit("knowledge")
    tx.poke_after_commit("console")


def _keep_present(tx: Transaction, entry_id: str) -> None:
    """Make what is live a version where none holds it: it came with the project, or by an import."""
    row = knowledge.entry_row(tx.connection, entry_id, is_locked=True)
    if row is None:
        return
    is_live = row.body.get("status", "published") == EntryStatus.PUBLISHED.value
    state = EntryState.PUBLISHED if is_live else EntryState.ARCHIVED
    versions = store.versions_of(tx.connection, entry_id)
    if any(one.state == state.value and one.body == row.body for one in versions):
        return
    for one in versions:
        if one.state == EntryState.PUBLISHED.value:
            _settle(tx, one, EntryMove.SUPERSEDE)
    is_shipped = row.shipped == knowledge.fingerprint(row.body)
    author = say("drafts.project") if is_shipped else say("drafts.imported")
    saved = _add(tx, entry_id, state, row.body, author=author, note="")
    store.change_version(tx.connection, saved, at=row.updated_at, settled_at=row.updated_at)


def _add(
    tx: Transaction, entry_id: str, state: EntryState, body: Mapping[str, Any], *, author: str, note: str
) -> int:
    return store.add_version(
        tx.connection,
        entry_id=entry_id,
        state=state.value,
        body=dict(body),
        author=author,
        note=note,
        at=tx.now,
        reviewer="",
        override="",
    )


def _settle(tx: Transaction, row: sa.Row[Any], move: EntryMove) -> None:
    state = after(EntryState(row.state), move)
    store.change_version(tx.connection, row.id, state=state.value, settled_at=tx.now)


def _locked(tx: Transaction, version_id: int) -> sa.Row[Any]:
    row = store.version(tx.connection, version_id, is_locked=True)
    if row is None:
        raise NotFoundError("version", say("drafts.none"))
    return row


def _open(versions: Sequence[sa.Row[Any]]) -> sa.Row[Any] | None:
    """The version that is being worked on; there is at most one."""
    return next((one for one in versions if EntryState(one.state).is_open), None)


def checked(ctx: Context, body: Mapping[str, Any]) -> Entry:
    """The entry of a body, if it could go live beside the others. Raises ProblemsError."""
    entry, wrong = read_entry(body)
    if entry is None:
        raise ProblemsError(wrong)
    found = problems(check_draft(entry, ctx.brain.index, today=china_date(ctx.clock.now())))
    if found:
        raise ProblemsError(found)
    return entry


def _free_id(session: Session, category: str) -> str:
    """The next number of a category that neither an entry nor a draft bears; empty where there is no such category."""
    if category not in set(Category):
        return ""
    prefix = f"{PREFIXES[Category(category)]}-"
    taken = store.ids_from(session, prefix)
    return next(name for number in count(_OWN_FROM) if (name := f"{prefix}{number}") not in taken)


def _words(text: str) -> str:
    if len(text) > _MOST_WORDS:
        raise RefusedError("draft-words", say("drafts.words", most=_MOST_WORDS))
    return text.strip()
