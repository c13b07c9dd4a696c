"""What every action is given, and the one transaction around it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.core.brain import Brain
from bot.ports import Clock, Hub
from bot.settings import Settings
from bot.store.base import Database


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class Transaction:
    """One transaction: its connection, its one moment, and what is told to others once it is durable."""

    ctx: "Context"
    connection: Connection
    now: datetime
    pokes: list[str] = field(default_factory=list)

    def poke_after_commit(self, what: str) -> None:
        """Wake those who wait for `what`, after the commit."""
        self.pokes.append(what)


@dataclass(slots=True)
class Context:
    """Readers, writers, the clock and the live knowledge of one process."""

    settings: Settings
    database: Database
    clock: Clock
    brain: Brain
    secret: bytes = b""  # signs links and webhooks; the same in every process (bot.app)
    kept: dict[str, Any] = field(
        default_factory=dict
    )  # what actions keep in memory between transactions, by name
    hub: Hub | None = None  # None where nobody waits: commands, tests of actions
    poke: Callable[[str], None] = lambda what: None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction; pokes leave after the commit."""
        with self.database.transaction() as connection:
            tx = Transaction(self, connection, self.clock.now())
            yield tx
        for what in tx.pokes:
            self.poke(what)
            if self.hub is not None:
                self.hub.publish(what)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for a page."""
        with self.database.read() as session:
            yield session
