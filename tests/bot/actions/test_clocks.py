"""Clocks are written with their cause, stop with it, and move with the calendar, saying why."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.clocks import (
    Given,
    _plan_clock,
    _start_clock,
    _stop_clocks,
    load_shipped,
    notices,
)
from bot.actions.contacts import _erase_contact
from bot.actions.context import Context
from bot.actions.deadline_rules import close_station, preview_notice, replace_notice
from bot.actions.tickets import Opened, _open_ticket
from bot.core.brain import Brain
from bot.core.calendar import Closure, DayKind, HolidayNotice, SpecialDay, shipped_notices
from bot.core.deadlines import Allowance, Pause, Recipient, Step
from bot.core.ticket_states import TicketKind
from bot.core.times import CHINA
from bot.core.turns import Form
from bot.errors import SettingsError
from bot.settings import Settings
from bot.store import clocks, conversations, people, tickets
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.clocks import TicketClock, Timer
from bot.store.migrate import downgrade, upgrade
from bot.store.tickets import Ticket
from bot.worker.timers import fire_due
from tests.make import SetClock


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


# The notice of 2026 gives 1 to 7 October off, and Saturday 10 October is worked.
EVE = china("2026-09-30T16:00")  # Wednesday; counted by hand: Thu 8 Oct is working day one, Fri 9 day two
LONGER = replace(  # 8 October is off as well, and 10 October is not worked
    shipped_notices()[-1],
    days=(
        *(one for one in shipped_notices()[-1].days if one.day != date(2026, 10, 10)),
        SpecialDay(date(2026, 10, 8), DayKind.OFF, "国庆节"),
    ),
    number="更正通知",
)


@dataclass(slots=True)
class Desk:
    """A context with a clock that can be set, and people who register."""

    ctx: Context
    clock: SetClock

    def registers(self, person: str = "o1", station: str = "", **form: Any) -> Opened:
        given: dict[str, Any] = {"kind": TicketKind.NEED, "content": "检测一批矿泉水", "category": "testing"}
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "official", person, now=tx.now)
            people.save_station(tx.connection, talk.contact_id, station)
            return _open_ticket(tx, talk, Form(**{**given, **form}), channel="wechat-official")

    def erases(self, person: str = "o1", *, reason: str) -> None:
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "official", person, now=tx.now)
            _erase_contact(tx, talk, reason=reason)

    def starts(self, given: Given) -> None:
        """Start a step of the first ticket."""
        with self.ctx.transaction() as tx:
            _start_clock(tx, 1, given, _plan_clock(tx, given))

    def events(self, ticket_id: int = 1) -> list[tuple[str, str]]:
        with self.ctx.read() as session:
            return [(event.what, event.note) for event in tickets.events_of(session, ticket_id)]

    def pending(self) -> list[tuple[str, str, datetime]]:
        with self.ctx.read() as session:
            rows = session.scalars(
                sa.select(Timer).where(Timer.state == "pending").order_by(Timer.due_at, Timer.id)
            )
            return [(row.what, row.recipient, row.due_at) for row in rows]

    def respond_by(self, ticket_id: int = 1) -> datetime | None:
        with self.ctx.read() as session:
            return session.execute(sa.select(Ticket.respond_by).where(Ticket.id == ticket_id)).scalar_one()

    def count(self, table: Any) -> int:
        with self.ctx.read() as session:
            return session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()

    def runs(self) -> list[tuple[str, int]]:
        with self.ctx.read() as session:
            return [(row.step, row.round) for row in clocks.running_clocks(session)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock(EVE)
    ctx = Context(Settings(), database, clock, Brain.__new__(Brain))
    load_shipped(ctx)
    yield Desk(ctx, clock)
    database.close()


def test_a_registered_need_is_due_after_one_working_day_with_reminder_and_escalation(desk: Desk) -> None:
    opened = desk.registers()
    assert opened.clock is not None
    assert opened.clock.due == desk.respond_by() == china("2026-10-08T17:30")
    assert desk.pending() == [
        (
            "remind",
            "staff",
            china("2026-10-08T11:00"),
        ),  # four working hours before: three after noon, one before
        ("due", "", china("2026-10-08T17:30")),
        ("escalate", "head", china("2026-10-09T10:30")),  # two working hours after
    ]


@pytest.mark.parametrize(
    ("form", "due"),
    [
        ({"is_urgent": True}, "2026-10-08T11:00"),  # four working hours: 1.5 on the eve, 2.5 after the break
        ({"content": "出口样品检测，请走绿色通道"}, "2026-10-08T09:00"),  # two working hours
    ],
)
def test_an_urgent_need_is_due_sooner(desk: Desk, form: dict[str, Any], due: str) -> None:
    desk.registers(**form)
    assert desk.respond_by() == china(due)


@pytest.mark.parametrize("kind", [TicketKind.COMPLAINT, TicketKind.SUGGESTION])
def test_complaints_and_suggestions_are_to_be_acknowledged(desk: Desk, kind: TicketKind) -> None:
    opened = desk.registers(kind=kind)
    assert (opened.clock.step, opened.clock.due) == (Step.ACKNOWLEDGE, china("2026-10-08T17:30"))
    assert desk.runs() == [("acknowledge", 1)]


def test_a_registration_that_fails_leaves_no_timer(desk: Desk) -> None:
    def fails() -> None:
        with desk.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "official", "o1", now=tx.now)
            _open_ticket(tx, talk, Form(TicketKind.NEED, content="检测"), channel="wechat-official")
            raise ValueError("after it was written")

    with pytest.raises(ValueError, match="after it was written"):
        fails()
    assert (desk.count(Ticket), desk.count(TicketClock), desk.count(Timer)) == (0, 0, 0)


def test_a_changed_notice_moves_the_clock_that_spans_national_day_and_says_why(desk: Desk) -> None:
    desk.registers()
    foreseen = preview_notice(desk.ctx, LONGER)
    assert desk.respond_by() == china("2026-10-08T17:30"), "a preview writes nothing"
    assert replace_notice(desk.ctx, LONGER, actor="admin") == foreseen
    why = "评估时限由2026-10-08 17:30调整为2026-10-09 17:30：依据更正通知，10月8日改为放假。"
    assert [(shift.number, shift.why) for shift in foreseen] == [("NQI-2026-000001", why)]
    assert desk.events() == [("registered", ""), ("clock-moved", why)]
    assert desk.respond_by() == china("2026-10-09T17:30")
    assert desk.pending() == [
        ("remind", "staff", china("2026-10-09T11:00")),
        ("due", "", china("2026-10-09T17:30")),
        ("escalate", "head", china("2026-10-12T10:30")),  # Saturday 10 October is no longer worked
    ]
    with desk.ctx.read() as session:
        line = session.execute(sa.select(AuditLine).where(AuditLine.what == "calendar")).scalar_one()
    assert (line.actor, line.subject, line.note) == ("admin", "2026", "更正通知")


def test_the_survey_after_national_day_moves_as_counted_by_hand(desk: Desk) -> None:
    desk.registers()
    desk.starts(Given(Step.SURVEY, EVE))
    due = [moment for what, _, moment in desk.pending() if what == "due"]
    assert due == [china("2026-10-08T17:30"), china("2026-10-13T17:30")]
    replace_notice(desk.ctx, LONGER, actor="admin")
    assert desk.events()[-1] == (
        "clock-moved",
        "满意度评价时限由2026-10-13 17:30调整为2026-10-15 17:30：依据更正通知，10月8日改为放假、10月10日改为放假。",
    )
    assert desk.respond_by() == china("2026-10-09T17:30"), "the survey does not touch the time of response"


def test_what_a_notice_does_not_move_writes_nothing(desk: Desk) -> None:
    desk.clock.at = china("2026-11-18T10:00")
    desk.registers()
    rows = desk.count(Timer)
    assert replace_notice(desk.ctx, LONGER, actor="admin") == []
    assert (desk.events(), desk.runs(), desk.count(Timer)) == ([("registered", "")], [("assess", 1)], rows)
    with desk.ctx.read() as session:
        assert session.scalars(sa.select(AuditLine.what)).all() == ["calendar"]
    replace_notice(desk.ctx, replace(LONGER, days=LONGER.days[::-1]), actor="admin")
    assert desk.count(AuditLine) == 1, "the same notice again is no change"


def test_a_missing_year_is_provisional_until_its_notice_comes(desk: Desk) -> None:
    desk.clock.at = china("2029-12-28T10:00")  # Friday; Monday 31 December is worked, 1 January is off
    opened = desk.registers()
    remark = "2029年、2030年放假安排尚未录入，暂按周末和法定节假日推算，录入后时间可能调整。"
    assert opened.clock is not None
    assert opened.clock.rests_on.remark == remark
    assert desk.events() == [("registered", remark)]
    none = HolidayNotice(2029, (SpecialDay(date(2029, 5, 1), DayKind.OFF, "劳动节"),), "甲号")
    assert replace_notice(desk.ctx, none, actor="admin") == []
    with desk.ctx.read() as session:
        assert set(session.scalars(sa.select(Timer.remark))) == {remark.replace("2029年、", "")}
    assert len(desk.events()) == 1
    off = HolidayNotice(2030, (SpecialDay(date(2029, 12, 31), DayKind.OFF, "元旦"),), "乙号")
    replace_notice(desk.ctx, off, actor="admin")
    assert desk.respond_by() == china("2030-01-01T17:30"), "the notice does not give the first of January off"
    assert "依据甲号、乙号，12月31日改为放假" in desk.events()[-1][1]
    with desk.ctx.read() as session:
        assert set(session.scalars(sa.select(Timer.remark).where(Timer.state == "pending"))) == {""}


def test_a_year_that_an_upgrade_brings_moves_the_clocks_and_the_operators_own_stay(desk: Desk) -> None:
    replace_notice(desk.ctx, LONGER, actor="admin")
    with desk.ctx.transaction() as tx:
        tx.connection.execute(sa.delete(clocks.NoticeRow).where(clocks.NoticeRow.year == 2025))
    desk.clock.at = china("2025-09-30T16:00")
    desk.registers()
    assert desk.respond_by() == china("2025-10-07T17:30"), "provisional: 1 to 3, the weekend, Mid-Autumn"
    assert load_shipped(desk.ctx) == 1
    assert desk.respond_by() == china("2025-10-09T17:30")
    assert [notice.title for notice in notices(desk.ctx)][-1] == "更正通知"
    assert load_shipped(desk.ctx) == 0
    assert len(desk.events()) == 2


def test_what_was_told_of_a_past_moment_is_not_told_again_and_a_moved_one_is(desk: Desk) -> None:
    desk.registers()
    desk.clock.at = china("2026-10-08T18:00")
    assert fire_due(desk.ctx) == 2
    desk.registers("o2", content="第二件")
    with desk.ctx.read() as session:
        assert [one.id for one in tickets.recent_tickets(session)] == [1, 2], "the overdue one comes first"
        assert [one.id for one in tickets.recent_tickets(session, limit=1)] == [1]
        assert [one.id for one in tickets.recent_tickets(session, before=3)] == [2]
    shorter = replace(LONGER, days=tuple(one for one in shipped_notices()[-1].days if one.day.day != 7))
    replace_notice(
        desk.ctx, shorter, actor="admin"
    )  # due on the 7th: reminder, due moment and escalation are past
    assert fire_due(desk.ctx) == 1
    assert [what for what, _ in desk.events()] == [
        "registered", "reminded", "overdue", "clock-moved", "escalated",
    ]  # fmt: skip
    replace_notice(desk.ctx, LONGER, actor="admin")  # due on the 9th: all is yet to come
    with desk.ctx.read() as session:
        assert [one.id for one in tickets.recent_tickets(session)] == [2, 1]
    desk.clock.at = china("2026-10-12T12:00")
    fire_due(desk.ctx)
    assert [what for what, _ in desk.events()][-3:] == ["reminded", "overdue", "escalated"]


def test_an_erased_contact_stops_the_clocks_and_one_who_unfollows_is_still_waited_on(desk: Desk) -> None:
    desk.registers()
    desk.erases(reason="unsubscribe")
    assert len(desk.pending()) == 3
    desk.registers("o2")
    desk.erases("o2", reason="asked")
    assert desk.runs() == [("assess", 1)]
    desk.clock.move(days=30)
    fire_due(desk.ctx)
    assert [what for what, _ in desk.events(2)] == ["registered", "erased"]
    assert [what for what, _ in desk.events(1)][-1] == "escalated"


def test_a_step_that_is_done_never_fires_and_one_that_begins_anew_is_the_next_round(desk: Desk) -> None:
    desk.registers()
    desk.starts(Given(Step.ACCEPT, EVE))
    with desk.ctx.transaction() as tx:
        assert _stop_clocks(tx, 1, Step.ASSESS) == 1
        assert _stop_clocks(tx, 1, Step.ASSESS) == 0
    desk.starts(Given(Step.ACCEPT, EVE + timedelta(days=8)))
    assert desk.runs() == [("accept", 2)]
    assert {to for what, to, _ in desk.pending() if what == "escalate"} == {Recipient.STAFF, Recipient.HEAD}
    with desk.ctx.transaction() as tx:
        assert _stop_clocks(tx, 1) == 1
    desk.clock.move(days=60)
    assert fire_due(desk.ctx) == 0


def test_agreed_time_and_pauses_hold_when_the_calendar_moves(desk: Desk) -> None:
    desk.registers()
    pause = Pause(china("2026-10-09T08:30"), china("2026-10-09T17:30"))  # one whole working day
    desk.starts(Given(Step.SERVICE, EVE, agreed=Allowance(days=3), pauses=(pause,)))
    # Thu 8 = 1, Fri 9 paused, Sat 10 = 2 (worked), Mon 12 = 3.
    assert [moment for what, _, moment in desk.pending() if what == "due"][-1] == china("2026-10-12T17:30")
    replace_notice(desk.ctx, LONGER, actor="admin")
    # Fri 9 paused, Mon 12 = 1, Tue 13 = 2, Wed 14 = 3.
    assert [moment for what, _, moment in desk.pending() if what == "due"][-1] == china("2026-10-14T17:30")


def test_a_closed_station_moves_its_own_tickets_only(desk: Desk) -> None:
    desk.registers("o1", station="haikou")
    desk.registers("o2", station="sanya")
    shut = Closure.of_days(date(2026, 10, 8), date(2026, 10, 8), "停电检修")
    shifts = close_station(desk.ctx, shut, station="haikou", actor="admin")
    assert [shift.number for shift in shifts] == ["NQI-2026-000001"]
    assert "停电检修" in desk.events(1)[-1][1]
    assert desk.respond_by(1) == china("2026-10-09T17:30")
    assert desk.respond_by(2) == china("2026-10-08T17:30")
    desk.registers("o3", station="haikou")
    assert desk.respond_by(3) == china("2026-10-09T17:30"), "and those that are registered later"


def test_a_closure_without_end_is_refused_and_changes_nothing(desk: Desk) -> None:
    forever = Closure.of_days(date(2026, 10, 8), date(2029, 10, 8), "搬迁")
    with pytest.raises(SettingsError, match="400天"):
        close_station(desk.ctx, forever, actor="admin")
    assert desk.count(clocks.ClosureRow) == 0
    assert desk.registers().clock is not None


def test_the_tables_can_be_taken_back_and_made_again(desk: Desk) -> None:
    downgrade(desk.ctx.database, "0002")
    upgrade(desk.ctx.database)
    assert notices(desk.ctx) == ()
    assert load_shipped(desk.ctx) == len(shipped_notices())
