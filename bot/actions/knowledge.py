"""What we know: load what ships, take what the operator imports, put it live."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from bot.actions.context import Context
from bot.errors import NotFoundError, RefusedError
from bot.store import knowledge as store
from bot.store.audit import add_line
from intents.text import normalise
from knowledge.entries import Entry, Release
from knowledge.rows import entry_from_dict, entry_to_dict, load_seeds

_KEPT = "entries"  # entry id -> when it was changed, and the entry as read


def load_shipped(ctx: Context) -> int:
    """Bring the shipped entries in; what the operator edited stays. Gives how many changed."""
    bodies = {entry.id: entry_to_dict(entry) for entry in load_seeds()}
    with ctx.transaction() as tx:
        return store.load_shipped(tx.connection, bodies, now=tx.now)


def import_entries(ctx: Context, entries: Iterable[Entry]) -> int:
    """Write entries that were checked; gives how many changed."""
    bodies = {entry.id: entry_to_dict(entry) for entry in entries}
    with ctx.transaction() as tx:
        changed = store.put_entries(tx.connection, bodies, now=tx.now)
        tx.poke_after_commit("knowledge")
    return changed


def all_entries(ctx: Context) -> list[Entry]:
    """Every entry in the database, drafts and archived ones too."""
    with ctx.read() as session:
        moments = store.moments(session)
        kept: dict[str, tuple[datetime, Entry]] = ctx.kept.get(_KEPT, {})
        changed = [one for one, at in moments.items() if one not in kept or kept[one][0] != at]
        bodies = store.bodies_of(session, changed)
    # Only what changed is read: thousands of entries would take longer than a change may take to be live.
    fresh = {entry_id: (moments[entry_id], entry_from_dict(body)) for entry_id, body in bodies.items()}
    found = {entry_id: fresh.get(entry_id) or kept[entry_id] for entry_id in moments}
    ctx.kept[_KEPT] = found
    return [entry for _, entry in found.values()]


def read_release(ctx: Context) -> Release:
    """The entries as they stand now."""
    with ctx.read() as session:
        number = store.version(session)
    return Release.of(all_entries(ctx), number=number)


def synonyms(ctx: Context) -> dict[str, str]:
    """The operator's synonyms: other name -> term."""
    with ctx.read() as session:
        return store.synonyms(session)


def put_synonyms(ctx: Context, pairs: Mapping[str, str], *, actor: str) -> int:
    """Add or change synonyms, all or none; gives how many changed.

    Raises RefusedError where one would not work: too short or long, without a letter, a chain, or a name of itself.
    """
    plain = {normalise(name): normalise(term) for name, term in pairs.items()}
    with ctx.transaction() as tx:
        known = store.synonyms(tx.connection) | plain
        for name, term in plain.items():
            _check_synonym(name, term, known)
        changed = store.put_synonyms(tx.connection, plain, now=tx.now)
        for name, term in plain.items():
            add_line(tx.connection, at=tx.now, actor=actor, what="synonym", subject=name, note=term)
        tx.poke_after_commit("knowledge")
    return changed


def remove_synonym(ctx: Context, name: str, *, actor: str) -> None:
    """Forget a synonym. Raises RefusedError where there is none of that name."""
    with ctx.transaction() as tx:
        if not store.remove_synonym(tx.connection, normalise(name)):
            raise NotFoundError("synonym", f"没有“{name}”这个同义词，请核对后再试。")
        add_line(tx.connection, at=tx.now, actor=actor, what="synonym", subject=normalise(name), note="")
        tx.poke_after_commit("knowledge")


_SHORTEST, _LONGEST = 2, 20  # characters: one alone stands inside too many other words


def _check_synonym(name: str, term: str, known: Mapping[str, str]) -> None:
    problem = ""
    if not all(_SHORTEST <= len(word) <= _LONGEST for word in (name, term)):
        problem = f"名称和标准词都应为 {_SHORTEST} 到 {_LONGEST} 个字"
    elif not any(char.isalnum() for char in name) or not any(char.isalnum() for char in term):
        problem = "名称和标准词里要有文字"
    elif name == term:
        problem = "两边相同，不需要登记"
    elif term in known:
        problem = f"“{term}”本身是“{known[term]}”的同义词，请直接指向后者"
    elif name in known.values():
        problem = f"“{name}”是别的同义词的标准词，不能再改指"
    if problem:
        raise RefusedError("synonym", f"同义词“{name}”→“{term}”没有保存：{problem}。")


def version(ctx: Context) -> int:
    """Changes whenever an entry or a synonym changes."""
    with ctx.read() as session:
        return store.version(session)
