"""A contact who writes and staff who answer, without a running program."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions import takeover
from bot.actions.clocks import load_shipped
from bot.actions.context import Context
from bot.actions.conversation import receive
from bot.actions.takeover import _note_delivery
from bot.core.brain import Brain, Heard, Outcome
from bot.core.messages import Incoming, Kind
from bot.core.permissions import Actor, Role
from bot.core.times import CHINA
from bot.core.turns import DialogueState
from bot.settings import AccountSettings, Settings
from bot.store.attachments import Attachment
from bot.store.audit import AuditLine
from bot.store.base import Base, Database, insert_row
from bot.store.conversations import Conversation, Message
from bot.store.delivery import OutboxMessage
from bot.store.migrate import upgrade
from bot.store.people import Contact, Staff
from bot.store.tickets import Ticket
from bot.worker.outbox import deliver_due
from intents.categories import Category
from intents.understand import Act
from tests.make import RecordingSender, SetClock, understanding

ACCOUNT = AccountSettings(app_id="wx1", token="abc123", kind="service")
PNG = b"\x89PNG\r\n\x1a\n a picture"
_serial = itertools.count(1)


def china(text: str) -> datetime:
    """A moment as people in China write it."""
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


MONDAY, SATURDAY = china("2026-11-23T10:00"), china("2026-11-21T10:00")


def heard(text: str, category: Category | None = None) -> Heard:
    """转人工 is a command; words with a category ask for a service; others are not understood."""
    if text == "转人工":
        return Heard(understanding(text, act=Act.HUMAN), Outcome.ACT, (), ())
    outcome = Outcome.REFER if category else Outcome.OOS
    return Heard(understanding(text, category=category), outcome, (), ())


@dataclass(slots=True)
class Chats:
    """The actions of one process, its clock, and what its worker sends."""

    ctx: Context
    clock: SetClock
    sender: RecordingSender = field(default_factory=RecordingSender)
    pokes: list[str] = field(default_factory=list)

    def writes(self, text: str, category: Category | None = None, *, person: str = "o1") -> str:
        """A contact writes; gives what is answered at once."""
        push = Incoming(
            "official",
            "wx1",
            person,
            "gh",
            Kind.TEXT,
            self.clock.now(),
            message_id=str(next(_serial)),
            text=text,
        )
        return receive(self.ctx, push, heard(text, category)).text

    def happens(self, event: str, *, person: str = "o1", **details: str) -> str:
        """An event of the platform; gives what is answered at once."""
        push = Incoming(
            "official",
            "wx1",
            person,
            "gh",
            Kind.EVENT,
            self.clock.now(),
            created=str(next(_serial)),
            event=event,
            **details,
        )
        return receive(self.ctx, push, None).text

    def waits(self, *, person: str = "o1", words: str = "想检测一批矿泉水") -> int:
        """A contact says what they want and asks for staff; gives the conversation."""
        self.writes(words, Category.TESTING, person=person)
        self.writes("转人工", person=person)
        return self.talk(person).id

    def hires(self, name: str, role: Role = Role.STAFF, *, is_here: bool = False, **values: Any) -> Actor:
        """Somebody with an account; `is_here`: their console is open now."""
        with self.ctx.transaction() as tx:
            given = {
                "password_hash": "x",
                "must_change": False,
                "failures": 0,
                "created_at": tx.now,
                **values,
            }
            if is_here:
                given["seen_at"] = tx.now
            return Actor(insert_row(tx.connection, Staff, name=name, role=role.value, **given), name, role)

    def says(self, actor: Actor, text: str, talk: int, *, key: str = "") -> int:
        """Somebody of staff writes to the contact."""
        return takeover.say(self.ctx, talk, actor=actor, text=text, key=key or f"page-{next(_serial)}")

    def delivers(self) -> list[str]:
        """The worker sends all that is due; gives all that it ever sent."""
        while deliver_due(self.ctx, {"official": self.sender}, ended=_note_delivery):
            pass
        return [parcel.text for parcel in self.sender.sent]

    def rows(self, table: type[Base]) -> list[Any]:
        """All rows of a table in order."""
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(table).order_by(sa.inspect(table).primary_key[0])))

    def talk(self, person: str = "o1") -> Conversation:
        """The conversation of a contact."""
        with self.ctx.read() as session:
            query = sa.select(Conversation).join(Contact, Contact.id == Conversation.contact_id)
            return session.scalars(query.where(Contact.openid == person)).one()

    def state(self, person: str = "o1") -> DialogueState:
        """What the bot remembers of a conversation."""
        return DialogueState.from_json(self.talk(person).state)

    def transcript(self, talk: int) -> list[tuple[str, str]]:
        """Who said what: enterprise, bot or a name."""
        rows = [row for row in self.rows(Message) if row.conversation_id == talk]
        return [("enterprise" if row.is_inbound else row.author or "bot", row.text) for row in rows]

    def outbox(self) -> list[tuple[str, str]]:
        """What is to leave, or has left: text and state."""
        return [(row.text, row.state) for row in self.rows(OutboxMessage)]

    def audit(self, what: str) -> list[AuditLine]:
        """The lines of the audit trail of one kind."""
        return [line for line in self.rows(AuditLine) if line.what == what]

    def tickets(self) -> list[Ticket]:
        """All requests."""
        return self.rows(Ticket)

    def files(self) -> list[Attachment]:
        """All files."""
        return self.rows(Attachment)


def open_chats(folder: Path, at: datetime = MONDAY, **settings: Any) -> Chats:
    """A process with a database of its own."""
    database = Database(f"sqlite:///{folder / 'nqi.db'}")
    upgrade(database)
    clock, pokes = SetClock(at), list[str]()
    given = {"data_dir": folder, "official": ACCOUNT, **settings}
    ctx = Context(Settings(**given), database, clock, Brain.__new__(Brain), poke=pokes.append)
    load_shipped(ctx)
    return Chats(ctx, clock, pokes=pokes)


@pytest.fixture(name="chats")
def chats_fixture(tmp_path: Path) -> Iterator[Chats]:
    """Monday morning, everybody at work."""
    chats = open_chats(tmp_path)
    yield chats
    chats.ctx.database.close()
