"""People who ask, and a maintainer who looks at what they asked, without a running server."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlalchemy as sa

from bot.actions.clocks import load_shipped as load_notices
from bot.actions.context import Context
from bot.actions.conversation import hear, receive
from bot.actions.gaps import unanswered
from bot.actions.knowledge import import_entries
from bot.actions.knowledge import load_shipped as load_entries
from bot.app import renew
from bot.core.brain import Brain
from bot.core.gaps import Gap
from bot.core.messages import Incoming, Kind
from bot.settings import AccountSettings, Settings
from bot.store.base import Database
from bot.store.conversations import Message
from bot.store.delivery import OutboxMessage
from bot.store.knowledge import version
from bot.store.migrate import upgrade
from knowledge.entries import Entry, Release
from tests.make import NOON, SetClock

OOS, VAGUE = "双软认定怎么办理", "零碳园区怎么申报"
"""What no entry answers: taken for nothing of ours, and asked back about."""


@dataclass(slots=True)
class Desk:
    """A platform whose shipped knowledge people ask."""

    ctx: Context
    clock: SetClock
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def says(self, *texts: str, who: str = "o1", account: str = "official") -> int:
        """Somebody writes; gives the id of their last message."""
        for text in texts:
            self.clock.move(seconds=1)
            incoming = Incoming(
                account,
                "wx1",
                who,
                "gh",
                Kind.TEXT,
                self.clock.now(),
                message_id=str(next(self._numbers)),
                text=text,
            )
            receive(self.ctx, incoming, hear(self.ctx, incoming))
        return self.spoken()[-1].id

    def spoken(self) -> Sequence[Message]:
        """What contacts said, in order."""
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(Message).where(Message.is_inbound).order_by(Message.id)))

    def gaps(self, days: int = 30) -> list[Gap]:
        """What was asked in vain."""
        with self.ctx.read() as session:
            return unanswered(self.ctx, session, days=days)

    def counts(self, days: int = 30) -> dict[str, int]:
        """The leading words of each gap, and how often it was asked."""
        return {gap.texts[0]: gap.count for gap in self.gaps(days)}

    def outbox(self) -> list[tuple[str, str]]:
        """What is to leave: state and text."""
        with self.ctx.read() as session:
            rows = session.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.id))
            return [(row.state, row.text) for row in rows]

    def publishes(self, entry: Entry) -> None:
        """Put an entry live."""
        self.clock.move(seconds=1)
        import_entries(self.ctx, [entry])
        renew(self.ctx)

    def adds_question(self, entry_id: str, text: str) -> None:
        """Put an entry live that asks one more question."""
        entry = self.ctx.brain.entry(entry_id)
        assert entry is not None
        self.publishes(replace(entry, questions=(*entry.questions, text)))


@contextmanager
def open_desk(folder: Path, brain: Brain) -> Iterator[Desk]:
    """A database of its own with the shipped entries, over a brain that knows them already."""
    account = AccountSettings(app_id="wx1", token="abc123", kind="service")
    settings = Settings(data_dir=folder, log_level="error", official=account)
    database = Database(f"sqlite:///{folder / 'nqi.db'}")
    upgrade(database)
    ctx = Context(settings, database, SetClock(NOON), brain)
    load_notices(ctx)
    load_entries(ctx)
    with ctx.read() as session:
        release = Release(version(session), brain.release.entries)
    ctx.brain = Brain(brain.understander, replace(brain.index, release=release), brain.thresholds)
    assert isinstance(ctx.clock, SetClock)
    yield Desk(ctx, ctx.clock)
    database.close()
