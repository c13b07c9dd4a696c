"""An enterprise whose service has ended, as the tests of surveys need it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.asking import (
    _ask_in_turn,
    _note_ended,
    _note_event,
)
from bot.actions.clocks import load_shipped
from bot.actions.contacts import _erase_contact
from bot.actions.context import Context
from bot.actions.courses import take_step
from bot.actions.surveys import SurveyHistory, _rate, survey_view, surveys_of
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.calendar import DayKind, SpecialDay, shipped_notices
from bot.core.messages import Incoming, Kind
from bot.core.permissions import Actor, Role
from bot.core.reach import Channel
from bot.core.survey_ways import Sending, Way
from bot.core.surveys import Item, Rating
from bot.core.ticket_states import Course, Move, TicketKind
from bot.core.tickets import version
from bot.core.times import CHINA
from bot.core.turns import DialogueState, Form, RateService, SurveyView
from bot.ports import Outcome
from bot.settings import AccountSettings, Settings
from bot.store import conversations, courses, tickets
from bot.store.base import Database
from bot.store.conversations import Conversation, Talk
from bot.store.migrate import upgrade
from bot.store.tickets import Ticket
from bot.worker.outbox import deliver_due
from bot.worker.surveys import ask_due
from tests.make import RecordingSender, SetClock

LI = Actor(1, "小李", Role.OPERATOR)
NUMBER = "NQI-2026-000001"
TEMPLATE = "T1|thing1={title}|character_string2={number}|time3={time}"
ACCOUNT = AccountSettings(app_id="wx1", token="abc123", kind="service")
SETTINGS = Settings(official=ACCOUNT, miniprogram=replace(ACCOUNT, app_id="wx2"))


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


# The notice of 2026 gives 1 to 7 October off and has Saturday 10 October worked. By hand, the working days after
# Wednesday 30 September are Thu 8, Fri 9, Sat 10, Mon 12 and Tue 13 October.
EVE = china("2026-09-30T16:00")
DAY_FIVE = china("2026-10-13T17:30")
LONGER = (
    replace(  # 8 October is off as well, and 10 October is not worked: Fri 9, Mon 12, Tue 13, Wed 14, Thu 15
        next(one for one in shipped_notices() if one.year == 2026),
        days=(
            *(
                one
                for one in next(each for each in shipped_notices() if each.year == 2026).days
                if one.day != date(2026, 10, 10)
            ),
            SpecialDay(date(2026, 10, 8), DayKind.OFF, "国庆节"),
        ),
        number="更正通知",
    )
)


@dataclass(slots=True)
class Desk:
    """An enterprise whose service has ended, the workers, and the platform that they send to."""

    ctx: Context
    clock: SetClock
    account: str = "official"
    sender: RecordingSender = field(default_factory=RecordingSender)

    def serves(self, *, window: bool = False, phone: str = "", finish: datetime = EVE) -> None:
        """A need is registered, served in house and finished; `window`: the contact may still be sent five messages."""
        self.registers(phone)
        self.steps(Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START)
        self.clock.at = finish
        if window:
            self.opens_window()
        self.steps(Move.FINISH)

    def registers(self, phone: str = "") -> None:
        form = Form(TicketKind.NEED, content="检测一批矿泉水", category="testing", phone=phone)
        with self.ctx.transaction() as tx:
            _open_ticket(tx, self.talk(tx), form, channel=f"wechat-{self.account}")

    def opens_window(self, left: int = 5) -> None:
        until = self.clock.at + timedelta(hours=48)
        with self.ctx.transaction() as tx:
            tx.connection.execute(sa.update(Conversation).values(allowance=left, allowance_until=until))

    def talk(self, tx: Any) -> Talk:
        return conversations.talk_with(tx.connection, self.account, "o1", now=tx.now)

    def course(self) -> Course:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, NUMBER)
            assert row is not None
            return courses.course_of(row, tickets.events_of(session, row.id))

    def steps(self, *moves: Move, by: Actor = LI, reason: str = "") -> None:
        for wanted in moves:
            plan = ("testing",) if wanted is Move.ASSESS else ()
            take_step(
                self.ctx, NUMBER, wanted, actor=by, seen=version(self.course()), plan=plan, reason=reason
            )

    def works(self) -> int:
        """One round of the workers, until nothing is left to do now."""
        total = 0
        while done := ask_due(self.ctx) + self.delivers():
            total += done
        return total

    def delivers(self) -> int:
        senders = {self.account: self.sender, Channel.SMS.value: self.sender}
        return deliver_due(self.ctx, senders, ended=_note_ended)

    def goes_to(self, text: str) -> None:
        """Time passes, with a round of the workers every hour."""
        until = china(text)
        while self.clock.at < until:
            self.clock.at = min(self.clock.at + timedelta(hours=1), until)
            self.works()

    def refuses(self, *outcomes: Outcome) -> None:
        self.sender.outcomes = list(outcomes)

    def asked(self) -> list[str]:
        """The messages that asked for a rating and were sent."""
        return [one.text for one in self.sender.sent if one.key.startswith("survey:")]

    def history(self) -> SurveyHistory:
        return self.rounds()[-1]

    def rounds(self) -> list[SurveyHistory]:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, NUMBER)
            assert row is not None
            return surveys_of(session, row.id)

    def log(self) -> list[tuple[Way, Sending]]:
        return [(one.attempt.way, one.attempt.sending) for one in self.history().attempts]

    def writes(self, *, state: DialogueState | None = None) -> str:
        """The contact writes about something else; gives the line that asks for the rating."""
        with self.ctx.transaction() as tx:
            talk = self.talk(tx)
            if state is not None:
                talk = replace(talk, state=state.to_json())
            return _ask_in_turn(tx, talk)

    def rates(
        self, *answers: tuple[Item, Rating], note: str | None = None, declines: bool = False, survey: int = 1
    ) -> None:
        with self.ctx.transaction() as tx:
            pairs = tuple((item.value, rating.value) for item, rating in answers)
            _rate(tx, self.talk(tx), RateService(survey, pairs, note, declines))

    def view(self, wanted: int = 0) -> SurveyView | None:
        with self.ctx.read() as session:
            return survey_view(session, 1, now=self.clock.at, wanted=wanted)

    def hears(self, event: str, **details: str) -> None:
        """WeChat tells what came of something."""
        push = Incoming(
            self.account, "wx1", "o1", "gh", Kind.EVENT, self.clock.at, event=event, details=details
        )
        with self.ctx.transaction() as tx:
            _note_event(tx, self.talk(tx), push)

    def erases(self, reason: str = "asked") -> None:
        with self.ctx.transaction() as tx:
            talk = self.talk(tx)
            _erase_contact(tx, talk, reason=reason)

    def state(self) -> str:
        with self.ctx.read() as session:
            return session.execute(sa.select(Ticket.state)).scalar_one()

    def rows(self, table: type[Any]) -> list[Any]:
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(table).order_by(table.id)))

    def dialogue(self) -> DialogueState:
        with self.ctx.read() as session:
            return DialogueState.from_json(session.execute(sa.select(Conversation.state)).scalar_one())


Make = Callable[..., Desk]


@pytest.fixture(name="make")
def desks(tmp_path: Path) -> Iterator[Make]:
    """Make a desk; the settings may be changed."""
    databases: list[Database] = []

    def desk(*, account: str = "official", settings: Settings = SETTINGS) -> Desk:
        database = Database(f"sqlite:///{tmp_path / f'{len(databases)}.db'}")
        databases.append(database)
        upgrade(database)
        clock = SetClock(china("2026-09-29T10:00"))
        ctx = Context(settings, database, clock, Brain.__new__(Brain), secret=b"s" * 32)
        load_shipped(ctx)
        return Desk(ctx, clock, account)

    yield desk
    for database in databases:
        database.close()


@pytest.fixture(name="desk")
def official_desk(make: Make) -> Desk:
    return make()
