"""The steps of a ticket: each is whole or not at all, says who made it, and moves the clocks."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.clocks import load_shipped
from bot.actions.contacts import _erase_contact
from bot.actions.context import Context
from bot.actions.courses import _move_own, correct_ticket, take_step
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.permissions import Actor, Role
from bot.core.ticket_states import Course, Move, TicketKind, TicketState
from bot.core.tickets import Field, version
from bot.core.times import CHINA
from bot.core.turns import Form
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import AccountSettings, Settings
from bot.store import clocks, conversations, courses, tickets
from bot.store.base import Database
from bot.store.delivery import OutboxMessage
from bot.store.migrate import downgrade, upgrade
from bot.store.tickets import Ticket, TicketEvent
from tests.make import SetClock

LI, CHEN = (Actor(number, name, Role.OPERATOR) for number, name in ((1, "小李"), (2, "小陈")))
NUMBER = "NQI-2026-000001"
COMPLAINT = "NQI-C-2026-000001"


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


SETTINGS = Settings(miniprogram=AccountSettings(app_id="wx1", token="abc123"))
MONDAY = china("2026-11-23T10:00")


@dataclass(slots=True)
class Desk:
    """A ticket of an enterprise, and staff who work on it."""

    ctx: Context
    clock: SetClock

    def registers(self, kind: TicketKind = TicketKind.NEED, *, allowance: int = 0, **form: Any) -> str:
        given: dict[str, Any] = {"content": "检测一批矿泉水", "category": "testing", **form}
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", "o1", now=tx.now)
            until = tx.now + timedelta(hours=48)
            conversations.save_conversation(
                tx.connection, talk.conversation_id, state={}, allowance=allowance, until=until, now=tx.now
            )
            return _open_ticket(tx, talk, Form(kind, **given), channel="wechat-miniprogram").number

    def course(self, number: str = NUMBER) -> Course:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            return courses.course_of(row, tickets.events_of(session, row.id))

    def ticket(self, number: str = NUMBER) -> Ticket:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            return row

    def last(self, number: str = NUMBER) -> TicketEvent:
        with self.ctx.read() as session:
            return tickets.events_of(session, self.ticket(number).id)[-1]

    def steps(self, *moves: Move, number: str = NUMBER, by: Actor = LI, reason: str = "") -> str:
        told = ""
        for wanted in moves:
            needs_plan = wanted is Move.ASSESS and number == NUMBER
            told = take_step(
                self.ctx,
                number,
                wanted,
                actor=by,
                seen=version(self.course(number)),
                reason=reason,
                plan=("testing",) if needs_plan else (),
            )
        return told

    def corrects(self, field: Field, value: str, *, number: str = NUMBER, by: Actor = LI) -> None:
        seen = version(self.course(number))
        correct_ticket(self.ctx, number, field, value=value, reason="电话核实", actor=by, seen=seen)

    def asks(self, wanted: Move, *, number: str = NUMBER, note: str = "", person: str = "o1") -> str:
        """The enterprise makes a move."""
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", person, now=tx.now)
            return _move_own(tx, talk, number=number, wanted=wanted, note=note)

    def erases(self, *, reason: str) -> None:
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", "o1", now=tx.now)
            _erase_contact(tx, talk, reason=reason)

    def runs(self) -> dict[str, datetime]:
        with self.ctx.read() as session:
            return {row.step: row.due_at for row in clocks.running_clocks(session)}

    def outbox(self) -> list[str]:
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(OutboxMessage.text).order_by(OutboxMessage.id)))

    def states(self) -> list[str]:
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(OutboxMessage.state).order_by(OutboxMessage.id)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock(MONDAY)
    ctx = Context(SETTINGS, database, clock, Brain.__new__(Brain))
    load_shipped(ctx)
    yield Desk(ctx, clock)
    database.close()


IN_HOUSE = (Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START)


def test_a_need_served_in_house_has_its_clocks_its_people_and_its_lines(desk: Desk) -> None:
    desk.registers()
    seen = [set(desk.runs())]
    for wanted in (*IN_HOUSE, Move.FINISH):
        desk.steps(wanted, reason="已现场检测" if wanted is Move.FINISH else "")
        seen.append(set(desk.runs()))
    assert seen == [{"assess"}, {"match"}, {"accept"}, {"first-contact", "service"}, {"service"}, {"survey"}]
    row = desk.ticket()
    assert (row.state, row.recorder, row.specialist, row.technician) == ("finished", "小李", "小李", "小李")
    assert row.solution == "已现场检测"
    assert [(line.what, line.person) for line in desk.course().timeline] == [
        (wanted, "小李") for wanted in (*IN_HOUSE, Move.FINISH)
    ]
    with pytest.raises(RefusedError, match="评价还没有结束"):
        desk.steps(Move.CLOSE, by=CHEN)
    desk.clock.move(days=9)
    with pytest.raises(ForbiddenError, match="审核人不能是记录人"):
        desk.steps(Move.CLOSE)
    desk.steps(Move.CLOSE, by=CHEN)
    row = desk.ticket()
    assert (row.state, row.recorder, row.reviewer, desk.runs()) == ("closed", "小李", "小陈", {})


def test_categories_in_sequence_are_legs_that_share_one_timeline(desk: Desk) -> None:
    desk.registers()
    seen = version(desk.course())
    take_step(desk.ctx, NUMBER, Move.ASSESS, actor=LI, seen=seen, plan=("metrology", "testing"))
    desk.steps(Move.KEEP, Move.ACCEPT, Move.START, Move.FINISH)
    assert desk.last().what == "hand_on"
    assert (desk.course().state, desk.course().leg) == (TicketState.ASSESSED, 1)
    desk.steps(Move.KEEP, Move.ACCEPT, Move.START, Move.FINISH)
    assert desk.course().state is TicketState.FINISHED
    assert [line.leg for line in desk.course().timeline if line.what is Move.START] == [0, 1]


def test_what_the_enterprise_is_told_leaves_where_it_may_and_the_line_says_how(desk: Desk) -> None:
    desk.registers(allowance=3)
    assert desk.steps(Move.ASSESS) == desk.outbox()[0] == f"您的需求 {NUMBER} 已评估，正在安排服务。"
    assert (desk.last().told, desk.last().told_way) == (desk.outbox()[0], "queued")
    desk.clock.move(days=3)  # the window has closed
    desk.steps(Move.KEEP)
    assert desk.last().told_way == "held"
    assert desk.states() == ["due", "held"]


def test_the_places_that_are_kept_for_staff_and_the_survey_are_not_used_up(desk: Desk) -> None:
    desk.registers(allowance=2)
    desk.steps(Move.ASSESS)
    assert (desk.states(), desk.last().told_way) == (["held"], "held")


def test_of_two_staff_who_looked_at_the_same_page_one_wins(desk: Desk) -> None:
    desk.registers()
    seen = version(desk.course())

    def assess(actor: Actor) -> str:
        try:
            take_step(desk.ctx, NUMBER, Move.ASSESS, actor=actor, seen=seen, plan=("testing",))
        except ConflictError as conflict:
            return conflict.code
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(assess, (LI, CHEN))) == ["done", "ticket-seen"]
    assert [line.what for line in desk.course().timeline] == [Move.ASSESS]
    assert len(desk.course().legs) == 1


def test_a_refused_step_writes_nothing(desk: Desk) -> None:
    desk.registers()
    before = desk.course()
    with pytest.raises(ConflictError):
        desk.steps(Move.FINISH)
    with pytest.raises(RefusedError, match="请先确定服务类别"):
        take_step(desk.ctx, NUMBER, Move.ASSESS, actor=LI, seen=version(before))
    with pytest.raises(RefusedError, match="十一类"):
        take_step(desk.ctx, NUMBER, Move.ASSESS, actor=LI, seen=version(before), plan=("magic",))
    with pytest.raises(RefusedError, match="2000 字以内"):
        desk.steps(Move.DISMISS, reason="长" * 2001)
    with pytest.raises(NotFoundError):
        take_step(desk.ctx, "NQI-2026-999999", Move.ASSESS, actor=LI, seen=version(before))
    stranger = Actor(3, "小王", Role.OPERATOR, must_change=True)
    with pytest.raises(ForbiddenError):
        desk.steps(Move.ASSESS, by=stranger)
    assert (desk.course(), set(desk.runs())) == (before, {"assess"})


def test_the_clock_waits_while_the_enterprise_is_asked(desk: Desk) -> None:
    desk.registers()
    desk.steps(*IN_HOUSE)
    due = desk.runs()["service"]
    told = desk.steps(Move.ASK_ENTERPRISE, reason="请补充样品数量")
    assert told.endswith(f"回复“补充 {NUMBER} 内容”即可。")
    assert (desk.runs(), desk.course().is_waiting) == ({}, True)
    desk.clock.move(days=1)
    assert "已记入" in desk.asks(Move.ADD, note="一共20瓶")
    assert not desk.course().is_waiting
    # The day of the start does not count: one working hour of Tuesday was waited for.
    assert (due, desk.runs()["service"]) == (china("2026-12-07T17:30"), china("2026-12-08T10:00"))
    assert desk.last().note == "一共20瓶"


def test_a_withdrawal_while_waiting_leaves_no_clock_behind(desk: Desk) -> None:
    desk.registers()
    desk.steps(*IN_HOUSE)
    desk.steps(Move.ASK_ENTERPRISE, reason="请补充样品数量")
    assert desk.asks(Move.WITHDRAW) == f"您的需求 {NUMBER} 已撤回。"
    assert (desk.course().state, desk.runs()) == (TicketState.WITHDRAWN, {})
    with desk.ctx.transaction() as tx:
        assert courses.last_clock(tx.connection, 1, "service", state="paused") is None


def test_an_extension_is_granted_by_somebody_else_and_begins_the_period_anew(desk: Desk) -> None:
    desk.registers()
    desk.steps(*IN_HOUSE)
    due = desk.runs()["service"]
    desk.clock.move(days=1)
    desk.steps(Move.ASK_EXTENSION, reason="设备检修")
    with pytest.raises(ForbiddenError, match="不能自己批准"):
        desk.steps(Move.GRANT)
    desk.steps(Move.GRANT, by=CHEN)
    assert desk.runs()["service"] > due
    desk.clock.move(days=60)
    with pytest.raises(RefusedError, match="服务期限已过"):
        desk.steps(Move.ASK_EXTENSION, reason="设备检修")


def test_a_closed_need_is_taken_up_again_within_the_period_only(desk: Desk) -> None:
    desk.registers()
    desk.steps(*IN_HOUSE, Move.FINISH)
    desk.clock.move(days=9)
    desk.steps(Move.CLOSE, by=CHEN)
    desk.clock.move(days=20)
    desk.steps(Move.REOPEN, reason="企业来电说问题没有解决")
    row = desk.ticket()
    assert (row.state, row.reviewer, row.respond_by) == ("reopened", "", desk.runs()["assess"])
    desk.steps(*IN_HOUSE, Move.FINISH)
    desk.clock.move(days=31)
    with pytest.raises(RefusedError, match="已过重新办理的期限"):
        desk.steps(Move.REOPEN, reason="还是没有解决")


# --- corrections ---


def test_a_correction_is_a_line_with_before_and_after(desk: Desk) -> None:
    desk.registers()
    desk.corrects(Field.CATEGORY, "metrology")
    line = desk.last()
    assert (line.what, line.field, line.before, line.after) == ("correct", "category", "testing", "metrology")
    assert (line.actor, line.note, desk.ticket().category) == ("小李", "电话核实", "metrology")
    desk.corrects(Field.CONTENT, "检测两批矿泉水")
    desk.corrects(Field.CONTENT, "检测三批矿泉水", by=CHEN)
    assert (desk.last().before, desk.last().after) == ("检测两批矿泉水", "检测三批矿泉水")
    assert desk.ticket().content == "检测一批矿泉水", "what the enterprise wrote stays"


def test_a_need_that_has_become_urgent_is_due_sooner_and_the_history_says_why(desk: Desk) -> None:
    desk.registers()
    before = desk.runs()["assess"]
    desk.corrects(Field.URGENCY, "urgent")
    assert before > desk.runs()["assess"] == desk.ticket().respond_by
    assert desk.last().what == "clock-moved"
    assert "评估时限由" in desk.last().note
    desk.steps(Move.ASSESS, Move.KEEP)
    assert desk.runs()["accept"] == china("2026-11-23T16:30"), "four working hours around noon"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Field.CATEGORY, "testing"),
        (Field.CATEGORY, "magic"),
        (Field.URGENCY, "soon"),
        (Field.CONTENT, " "),
        (Field.CONCERNED, "老王"),
    ],
)
def test_a_correction_that_cannot_be_is_refused(desk: Desk, field: Field, value: str) -> None:
    desk.registers()
    with pytest.raises(RefusedError):
        desk.corrects(field, value)
    assert desk.course().timeline == ()


# --- the enterprise ---


def test_urging_counts_once_a_working_day(desk: Desk) -> None:
    desk.clock.at = china("2026-11-27T10:00")  # Friday
    desk.registers()
    assert "已催办" in desk.asks(Move.URGE)
    assert desk.ticket().urged_at == desk.clock.at
    for later in ("2026-11-27T17:00", "2026-11-28T10:00", "2026-11-29T10:00"):
        desk.clock.at = china(later)
        assert "下一个工作日" in desk.asks(Move.URGE)
    desk.clock.at = china("2026-11-30T08:00")
    assert "已催办" in desk.asks(Move.URGE)
    assert [line.what for line in desk.course().timeline] == [Move.URGE, Move.URGE]
    desk.steps(Move.ASSESS)
    assert desk.ticket().urged_at is None, "a step of staff answers it"


def test_somebody_elses_ticket_looks_like_none(desk: Desk) -> None:
    desk.registers()
    assert "没有查到" in desk.asks(Move.WITHDRAW, person="o2")
    assert desk.course().timeline == ()


def test_what_the_table_lacks_is_answered_in_words(desk: Desk) -> None:
    desk.registers()
    assert desk.asks(Move.CONFIRM) == "这件申请现在不能这样办理，请刷新后再试。"
    desk.asks(Move.WITHDRAW)
    assert "不能" in desk.asks(Move.WITHDRAW)
    assert [line.what for line in desk.course().timeline] == [Move.WITHDRAW]


def test_a_contact_who_left_is_forgotten_when_the_service_ends(desk: Desk) -> None:
    desk.registers(applicant="示例公司", allowance=5)
    desk.erases(reason="unsubscribe")
    desk.steps(Move.ASSESS)
    assert (desk.last().told_way, desk.ticket().applicant) == ("unreachable", "示例公司")
    desk.steps(Move.DISMISS, by=CHEN, reason="王经理说不再需要")
    assert (desk.ticket().state, desk.ticket().applicant, desk.ticket().content) == ("closed", "", "")
    assert not any(line.note for line in desk.course().timeline)


# --- complaints and suggestions ---


def test_a_complaint_is_not_handled_by_the_person_it_is_about(desk: Desk) -> None:
    desk.registers(TicketKind.COMPLAINT, content="小李态度不好")
    desk.steps(Move.ACKNOWLEDGE, number=COMPLAINT, by=CHEN)
    desk.corrects(Field.CONCERNED, "小李，甲机构", number=COMPLAINT, by=CHEN)
    assert desk.course(COMPLAINT).concerned == {"小李", "甲机构"}
    with pytest.raises(ForbiddenError, match="被投诉的人员"):
        desk.steps(Move.ASSESS, number=COMPLAINT)
    with pytest.raises(ForbiddenError, match="被投诉的人员"):
        desk.corrects(Field.CONCERNED, "", number=COMPLAINT)
    moves = (Move.ASSESS, Move.INVESTIGATE, Move.RESPOND)
    desk.steps(*moves, number=COMPLAINT, by=CHEN, reason="已当面致歉")
    wang = Actor(3, "小王", Role.OPERATOR)
    with pytest.raises(RefusedError, match="还没有同意处理意见"):
        desk.steps(Move.CLOSE, number=COMPLAINT, by=wang)
    seen = version(desk.course(COMPLAINT))
    told = take_step(desk.ctx, COMPLAINT, Move.CLOSE, actor=wang, seen=seen, is_accepted=True)
    assert "GB/T 19013" in told
    assert (desk.ticket(COMPLAINT).state, desk.ticket(COMPLAINT).reviewer) == ("closed", "小王")


def test_a_silent_complainant_does_not_keep_a_complaint_open_for_ever(desk: Desk) -> None:
    desk.registers(TicketKind.COMPLAINT)
    moves = (Move.ACKNOWLEDGE, Move.ASSESS, Move.INVESTIGATE, Move.RESPOND)
    desk.steps(*moves, number=COMPLAINT, by=CHEN, reason="已核实")
    desk.clock.at = china("2026-12-07T17:00")  # the tenth working day after 23 November has not ended
    with pytest.raises(RefusedError, match="期限也没有到"):
        desk.steps(Move.CLOSE, number=COMPLAINT)
    desk.clock.at = china("2026-12-07T17:31")
    desk.steps(Move.CLOSE, number=COMPLAINT)
    assert desk.ticket(COMPLAINT).state == "closed"


def test_a_suggestion_is_acknowledged_and_answered(desk: Desk) -> None:
    number = desk.registers(TicketKind.SUGGESTION, content="希望周六也开放")
    desk.steps(Move.ACKNOWLEDGE, number=number)
    assert (
        desk.steps(Move.ANSWER, number=number, reason="已安排试行")
        == f"对您的建议 {number} 的答复：已安排试行。"
    )
    assert (desk.ticket(number).state, desk.runs()) == ("answered", {})
    desk.erases(reason="asked")
    assert desk.ticket(number).state == "answered", "what is done stays done"


def test_tickets_of_an_older_release_can_go_on(desk: Desk) -> None:
    desk.registers(is_urgent=True)
    downgrade(desk.ctx.database, "0004")
    upgrade(desk.ctx.database)
    assert (desk.ticket().urgency, desk.course()) == ("urgent", Course(NUMBER, TicketKind.NEED))
    desk.steps(*IN_HOUSE)
    assert desk.course().state is TicketState.IN_SERVICE
