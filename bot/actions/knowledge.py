"""What we know: load what ships, take what the operator imports, put it live."""

from collections.abc import Iterable

from bot.actions.context import Context
from bot.store import knowledge as store
from knowledge.entries import Entry, Release
from knowledge.rows import entry_from_dict, entry_to_dict, load_seeds


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
        return [entry_from_dict(body) for body in store.all_entries(session)]


def read_release(ctx: Context) -> Release:
    """The entries as they stand now."""
    with ctx.read() as session:
        number = store.version(session)
    return Release.of(all_entries(ctx), number=number)


def version(ctx: Context) -> int:
    """Changes whenever an entry changes."""
    with ctx.read() as session:
        return store.version(session)
