"""A platform that has been in use for months: 100,000 conversations with their requests, and 5,000 entries."""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.actions.context import Context
from bot.core.ticket_states import FINAL, Move, Party, TicketKind, TicketState
from bot.store.audit import AuditLine
from bot.store.base import Base
from bot.store.clocks import TicketClock
from bot.store.conversations import Conversation, Feedback, Message
from bot.store.drafts import EntryVersion
from bot.store.people import Contact, Staff
from bot.store.tickets import Ticket, TicketEvent
from intents.categories import Category
from knowledge.entries import Entry
from knowledge.rows import entry_to_dict, load_seeds

CONVERSATIONS, ENTRIES, COLLEAGUES = 100_000, 5_000, 20
WAITING, HELD, LONG = 60, 240, 500  # conversations in the queue and with staff; words of the longest of them
SPAN = timedelta(days=120)  # in which the conversations took place, one after the other
UNFINISHED = 10_000  # requests
AUDITED, DRAFTS = 200_000, 40
_MOST_ASKED = 8  # questions of a variant of an entry
_CATEGORIES = tuple(category.value for category in Category)
_COMPLAINTS_ALONE = {TicketState.ACKNOWLEDGED, TicketState.INVESTIGATED, TicketState.RESPONDED}
_UNFINISHED = sorted(state.value for state in frozenset(TicketState) - FINAL - _COMPLAINTS_ALONE)
_ENDED = ("closed", "closed", "withdrawn")


class Crowd:
    """The rows of a platform that has been in use for months; the same in every run but for the moments."""

    def __init__(self, now: datetime, entries: Sequence[Entry], me: int) -> None:
        self.now, self.entries, self.me = now, entries, me
        self._chance = random.Random(5)
        self._asked = [question for entry in load_seeds() for question in entry.questions]
        step = SPAN / CONVERSATIONS
        self._moments = [now - step * (CONVERSATIONS - number) for number in range(CONVERSATIONS + 1)]

    def moment(self, number: int) -> datetime:
        """When that conversation took place; the last one has just."""
        return self._moments[number]

    def holder(self, number: int) -> str:
        """Who has it."""
        left = CONVERSATIONS - number
        return "waiting" if left < WAITING else "staff" if left < WAITING + HELD else "bot"

    def staff_id(self, number: int) -> int:
        """Who holds it where staff do: we hold every eighth."""
        return self.me if number % 8 == 0 else 100 + number % COLLEAGUES

    def colleagues(self) -> Iterator[dict[str, Any]]:
        """Accounts that nobody can log in to."""
        for number in range(COLLEAGUES):
            name = f"示例同事{number}"
            account = {"role": "staff", "password_hash": "-", "created_at": self.now}
            yield {"id": 100 + number, "name": name, **account}

    def contacts(self) -> Iterator[dict[str, Any]]:
        """One per conversation."""
        for number in range(1, CONVERSATIONS + 1):
            yield {
                "id": number,
                "account": "official",
                "openid": f"o-{number}",
                "applicant": f"示例{number}食品有限公司" if number % 3 else "",
                "person": "王经理" if number % 3 else "",
                "phone": "13800000000" if number % 3 else "",
                "station": f"示例{'一二三四五六七八九'[number % 9]}站" if number % 2 else "",
                "created_at": self.moment(number),
            }

    def conversations(self) -> Iterator[dict[str, Any]]:
        """Their rows as `add_message` leaves them."""
        for number in range(1, CONVERSATIONS + 1):
            at, holder = self.moment(number), self.holder(number)
            yield {
                "id": number,
                "contact_id": number,
                "holder": holder,
                "waiting_since": at if holder == "waiting" else None,
                "staff_id": self.staff_id(number) if holder == "staff" else None,
                "claimed_at": at if holder == "staff" else None,
                "state": {},
                "updated_at": at,
                "contact_at": at,
                "last_id": 3 * number,
                "category": _CATEGORIES[number % len(_CATEGORIES)],
            }

    def messages(self) -> Iterator[dict[str, Any]]:
        """A question, its answer, and a word after it; then the long conversation."""
        for number in range(1, CONVERSATIONS + 1):
            category = _CATEGORIES[number % len(_CATEGORIES)]
            about = {"conversation_id": number, "category": category, "at": self.moment(number)}
            asked = f"{self._asked[number % len(self._asked)]}，我的电话13800000000"
            entry = self.entries[int(len(self.entries) * self._chance.random() ** 3 * 0.9)]
            given = {"is_inbound": False, "entry_id": entry.id}
            yield _message(about, asked, outcome="answer")
            yield _message(about, entry.texts[0].answer, outcome="answer", **given)
            yield _message(about, "好的，还想问一下周期", outcome="oos" if number % 10 == 0 else "refer")
        about = {"conversation_id": self.mine, "category": "testing", "at": self.now}
        for turn in range(LONG):
            is_inbound = turn % 2 == 0
            author = "" if is_inbound else "示例operator"
            yield _message(about, f"第{turn}句，电话13800000000", is_inbound=is_inbound, author=author)

    @property
    def mine(self) -> int:
        """The newest conversation that we hold."""
        return next(one for one in range(CONVERSATIONS - WAITING, 0, -1) if one % 8 == 0)

    def feedback(self) -> Iterator[dict[str, Any]]:
        """On every fifth answer."""
        for number in range(5, CONVERSATIONS + 1, 5):
            entry = self.entries[number % len(self.entries)].id
            yield {
                "message_id": 3 * number - 1,
                "entry_id": entry,
                "is_helpful": number % 4 > 0,
                "at": self.moment(number),
            }

    def is_open(self, number: int) -> bool:
        """Is that request unfinished? The newest are."""
        return number > CONVERSATIONS - UNFINISHED

    def state(self, number: int) -> str:
        """Where that request stands."""
        chosen = _UNFINISHED if self.is_open(number) else _ENDED
        return chosen[number % len(chosen)]

    def tickets(self) -> Iterator[dict[str, Any]]:
        """One request per conversation; of the unfinished, every twentieth waits for the enterprise."""
        for number in range(1, CONVERSATIONS + 1):
            at, is_open = self.moment(number), self.is_open(number)
            yield {
                "id": number,
                "number": f"NQI-2026-{number:06d}",
                "kind": TicketKind.NEED.value,
                "state": self.state(number),
                "contact_id": number,
                "conversation_id": number,
                "channel": "wechat-official",
                "applicant": f"示例{number}食品有限公司",
                "person": "王经理",
                "phone": "13800000000",
                "started_at": at,
                "content": "检测一批矿泉水，需要尽快出报告，样品已经备好"
                if number % 2
                else "校准二十块压力表，示例市",
                "category": _CATEGORIES[number % len(_CATEGORIES)],
                "urgency": {0: "urgent", 1: "green"}.get(number % 50, "normal"),
                "waiting_since": at if is_open and number % 20 == 0 else None,
                "urged_at": at if is_open and number % 50 == 3 else None,
                "specialist": "示例同事3" if number % 5 == 0 else "",
                "recorder": "bot",
                "legs": [],
                "concerned": [],
                "created_at": at,
            }

    def clocks(self) -> Iterator[dict[str, Any]]:
        """Two that have stopped and, for an unfinished request that does not wait, one that runs."""
        for number in range(1, CONVERSATIONS + 1):
            runs = self.is_open(number) and number % 20 > 0
            for step in ("assess", "match", "accept"):
                yield {
                    "ticket_id": number,
                    "step": step,
                    "round": 1,
                    "state": "running" if runs and step == "accept" else "stopped",
                    "started_at": self.moment(number),
                    "due_at": self.now + timedelta(minutes=self._chance.randint(-3_000, 20_000)),
                    "urgency": "normal",
                    "category": "testing",
                    "days": 1,
                    "hours": 0.0,
                    "pauses": [],
                }

    def events(self) -> Iterator[dict[str, Any]]:
        """Four lines of history each."""
        for number in range(1, CONVERSATIONS + 1):
            line = {
                "ticket_id": number,
                "at": self.moment(number),
                "actor": "示例同事1",
                "party": "",
                "state": "",
            }
            yield {**line, "what": "registered"}
            for move in (Move.ASSESS, Move.ADD, Move.KEEP):
                yield {**line, "what": move.value, "party": Party.STAFF.value, "state": self.state(number)}

    def audit(self) -> Iterator[dict[str, Any]]:
        """Who did what."""
        for number in range(AUDITED):
            yield {
                "at": self.now - SPAN * ((AUDITED - number) / AUDITED),
                "actor": "示例同事1" if number % 3 else "示例同事3",
                "what": ("log-in", "see-phone", "claim-conversation")[number % 3],
                "subject": f"NQI-2026-{number % CONVERSATIONS + 1:06d}",
                "note": "电话核实，企业补充了样品数量和交付地点",
            }

    def versions(self) -> Iterator[dict[str, Any]]:
        """How every entry came to be, and some that are being edited."""
        for number, entry in enumerate(self.entries):
            row = {"entry_id": entry.id, "body": entry_to_dict(entry), "at": self.now - SPAN}
            row["author"] = "示例同事2"
            yield {**row, "serial": 1, "state": "published"}
            if number < DRAFTS:
                yield {**row, "serial": 2, "state": ("draft", "review")[number % 2]}


def _message(about: Mapping[str, Any], text: str, **more: Any) -> dict[str, Any]:
    plain = {"is_inbound": True, "kind": "text", "outcome": None, "entry_id": None, "author": ""}
    return {**plain, **about, "text": text, **more}


def many_entries() -> list[Entry]:
    """The shipped entries, and variants of them with questions of their own."""
    seeds = load_seeds()
    variants = (_variant(seed, turn) for turn in itertools.count(2) for seed in seeds)
    return list(itertools.islice(itertools.chain(seeds, variants), ENTRIES))


def _variant(seed: Entry, turn: int) -> Entry:
    questions = tuple(f"{turn}号园区{question}" for question in seed.questions[:_MOST_ASKED])
    title = f"{turn}号园区{seed.title}"[:40]
    return replace(seed, id=f"{seed.id}-{turn}", title=title, questions=questions, related=())


def fill(ctx: Context, rows: Crowd) -> None:
    """Write all of it."""
    with ctx.transaction() as tx:
        for table, made in (
            (Staff, rows.colleagues()),
            (Contact, rows.contacts()),
            (Conversation, rows.conversations()),
            (Ticket, rows.tickets()),
            (Message, rows.messages()),
            (Feedback, rows.feedback()),
            (TicketClock, rows.clocks()),
            (TicketEvent, rows.events()),
            (AuditLine, rows.audit()),
            (EntryVersion, rows.versions()),
        ):
            _insert(tx.connection, table, made)
        last = sa.select(sa.func.max(Message.id)).scalar_subquery()
        tx.connection.execute(
            sa.update(Conversation)
            .where(Conversation.id == rows.mine)
            .values(last_id=last, updated_at=rows.now)
        )


def _insert(connection: sa.Connection, table: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
    rest = iter(rows)
    while part := list(itertools.islice(rest, 20_000)):
        connection.execute(sa.insert(table), part)
