"""Improvement items and tasks: each step is a line, one survey makes one item, nobody closes their own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.clocks import load_shipped
from bot.actions.context import Context
from bot.actions.improvements import (
    _finish_tasks,
    _open_improvement,
    assign,
    finish,
    finish_task,
    note_measure,
    open_improvement,
    see_phone,
)
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.permissions import Actor, Role
from bot.core.ticket_states import TicketKind
from bot.core.times import CHINA
from bot.core.turns import Form
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store import conversations, courses, improvements, surveys, tickets
from bot.store.audit import AuditLine
from bot.store.base import Database, insert_row
from bot.store.delivery import OutboxMessage
from bot.store.improvements import Task
from bot.store.migrate import upgrade
from bot.store.people import Staff
from tests.make import SetClock

HEAD = Actor(1, "主任", Role.HEAD)
LI = Actor(2, "小李", Role.STAFF)
CHEN = Actor(3, "小陈", Role.STAFF)
READER = Actor(4, "评价方", Role.EVALUATOR)
FIRST = "NQI-I-2026-000001"
DUE = date(2026, 12, 21)  # the twentieth working day after the Monday below
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=CHINA)


@dataclass(slots=True)
class Desk:
    """A finished ticket with its survey, and staff."""

    ctx: Context
    clock: SetClock
    number: str = ""
    ticket_id: int = 0
    survey_id: int = 0

    def registers(self, kind: TicketKind = TicketKind.NEED) -> str:
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", "o1", now=tx.now)
            form = Form(
                kind, content="检测一批矿泉水", category="testing", phone="13800000000", person="王经理"
            )
            return _open_ticket(tx, talk, form, channel="wechat-miniprogram").number

    def prepares(self) -> None:
        self.number = self.registers()
        with self.ctx.transaction() as tx:
            row = tx.connection.execute(sa.select(tickets.Ticket.__table__)).one()
            self.ticket_id = row.id
            self.survey_id = surveys.open_survey(
                tx.connection,
                ticket_id=row.id,
                contact_id=row.contact_id,
                conversation_id=row.conversation_id,
                due_at=tx.now + timedelta(days=7),
                now=tx.now,
            )

    def hires(self, *people: Actor, email: str = "", is_closed: bool = False) -> None:
        with self.ctx.transaction() as tx:
            for one in people:
                insert_row(
                    tx.connection,
                    Staff,
                    name=one.name,
                    role=one.role.value,
                    password_hash="x",
                    created_at=tx.now,
                    email=email,
                    closed_at=tx.now if is_closed else None,
                )

    def finds(self, problem: str = "“专业性”为不满意", **given: Any) -> str:
        values = {"ticket_id": self.ticket_id, "survey_id": self.survey_id, "source": "survey", **given}
        with self.ctx.transaction() as tx:
            return _open_improvement(tx, problem=problem, **values)

    def item(self, number: str = FIRST) -> sa.Row[Any]:
        with self.ctx.read() as session:
            found = improvements.improvement_numbered(session, number)
            assert found is not None
            return found

    def lines(self, number: str = FIRST) -> list[tuple[str, str, str]]:
        with self.ctx.read() as session:
            found = improvements.improvement_numbered(session, number)
            assert found is not None
            return [(one.what, one.actor, one.note) for one in improvements.events_of(session, found.id)]

    def must_call(self, *, key: str = "survey-call:1", **given: Any) -> int:
        values = {"ticket_id": self.ticket_id, "survey_id": self.survey_id, "kind": "survey-call", **given}
        with self.ctx.transaction() as tx:
            due = tx.now + timedelta(hours=7)
            return insert_row(
                tx.connection, Task, key=key, text="请致电企业", due_at=due, created_at=tx.now, **values
            )

    def task(self, task_id: int) -> sa.Row[Any]:
        with self.ctx.read() as session:
            found = improvements.task_of(session, task_id)
            assert found is not None
            return found

    def audit(self) -> list[tuple[str, str, str]]:
        with self.ctx.read() as session:
            query = sa.select(AuditLine).where(AuditLine.what == "see-phone")
            return [(one.actor, one.what, one.subject) for one in session.scalars(query)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock(MONDAY)
    made = Desk(Context(Settings(smtp_host="127.0.0.1"), database, clock, Brain.__new__(Brain)), clock)
    load_shipped(made.ctx)
    made.prepares()
    yield made
    database.close()


# --- opening ---


def test_a_bad_rating_opens_an_item_that_the_head_hears_of(desk: Desk) -> None:
    desk.hires(HEAD, email="head@example.com")
    desk.hires(LI, email="li@example.com")
    assert desk.finds(category="testing") == FIRST
    item = desk.item()
    assert (item.ticket, item.survey_id, item.source, item.owner, item.due_on, item.state, item.reviewer) == (
        desk.number,
        desk.survey_id,
        "survey",
        "",
        DUE,
        "open",
        None,
    )
    assert desk.lines() == [("opened", "system", "“专业性”为不满意（产品检验检测服务）")]
    with desk.ctx.read() as session:
        last = tickets.events_of(session, desk.ticket_id)[-1]
        mails = list(session.scalars(sa.select(OutboxMessage).where(OutboxMessage.channel == "email")))
        assert improvements.has_improvement(session, desk.ticket_id)
    assert (last.what, last.actor, last.note, last.party) == ("improvement", "system", FIRST, "")
    assert [mail.address for mail in mails] == ["head@example.com"]
    assert all(word in mails[0].text for word in (FIRST, desk.number, "2026-12-21", "不满意"))


def test_the_line_on_the_ticket_is_no_move(desk: Desk) -> None:
    def course() -> object:
        with desk.ctx.read() as session:
            row = tickets.ticket_numbered(session, desk.number)
            assert row is not None
            return courses.course_of(row, tickets.events_of(session, row.id))

    before = course()
    desk.finds()
    assert course() == before


def test_one_survey_makes_one_item_and_what_it_finds_besides_a_line(desk: Desk) -> None:
    assert [desk.finds(), desk.finds(), desk.finds("“文明性”为不满意"), desk.finds("“文明性”为不满意")] == [
        FIRST
    ] * 4
    assert [(what, note) for what, _, note in desk.lines()] == [
        ("opened", "“专业性”为不满意"),
        ("problem", "“文明性”为不满意"),
    ]
    assert desk.item().problem == "“专业性”为不满意", "nothing is overwritten"


def test_a_closed_item_takes_nothing_more_and_the_next_finding_opens_another(desk: Desk) -> None:
    desk.hires(LI)
    desk.finds()
    assign(desk.ctx, FIRST, owner="小李", due_on=DUE, actor=HEAD)
    finish(desk.ctx, FIRST, result="已培训", actor=HEAD)
    before = desk.lines()
    assert desk.finds("“文明性”为不满意") == "NQI-I-2026-000002"
    assert desk.lines() == before


def test_two_who_find_the_same_at_once_open_one_item(desk: Desk) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = {one.result() for one in [pool.submit(desk.finds) for _ in range(16)]}
    assert numbers == {FIRST}
    assert len(desk.lines()) == 1


def test_numbers_have_no_gaps_and_begin_anew_each_year(desk: Desk) -> None:
    assert desk.finds("甲", survey_id=None, source="staff") == FIRST
    with pytest.raises(RefusedError, match="请写明"):
        desk.finds(" ", survey_id=None, source="staff")
    assert desk.finds("乙", survey_id=None, source="staff") == "NQI-I-2026-000002"
    desk.clock.at = datetime(2027, 1, 1, 0, 30, tzinfo=CHINA)
    assert desk.finds("丙", survey_id=None, source="staff") == "NQI-I-2027-000001"


def test_staff_open_items_and_a_complaint_is_their_source(desk: Desk) -> None:
    complaint = desk.registers(TicketKind.COMPLAINT)
    first = open_improvement(desk.ctx, actor=LI, number=desk.number, problem="报告交付前没有核对")
    assert open_improvement(desk.ctx, actor=LI, number=desk.number, problem=" 报告交付前没有核对 ") == first
    second = open_improvement(desk.ctx, actor=LI, number=complaint, problem="答复不及时")
    assert [(desk.item(one).source, desk.item(one).ticket) for one in (first, second)] == [
        ("staff", desk.number),
        ("complaint", complaint),
    ]
    assert desk.lines(first) == [("opened", "小李", "报告交付前没有核对")]


def test_who_may_not_or_names_no_ticket_opens_nothing(desk: Desk) -> None:
    with pytest.raises(ForbiddenError):
        open_improvement(desk.ctx, actor=READER, number=desk.number, problem="甲")
    with pytest.raises(NotFoundError):
        open_improvement(desk.ctx, actor=LI, number="NQI-2026-999999", problem="甲")
    with pytest.raises(RefusedError, match="请写明"):
        open_improvement(desk.ctx, actor=LI, number=desk.number, problem="")
    with desk.ctx.read() as session:
        assert improvements.improvements_of(session) == []


# --- the life of an item ---


def test_every_step_is_a_line_and_another_person_closes(desk: Desk) -> None:
    desk.hires(LI, CHEN)
    desk.finds()
    assign(desk.ctx, FIRST, owner="小李", due_on=DUE, actor=HEAD)
    assign(desk.ctx, FIRST, owner="小陈", due_on=date(2026, 12, 25), actor=HEAD)
    note_measure(desk.ctx, FIRST, text="已组织培训", actor=CHEN)
    with pytest.raises(ForbiddenError, match="另一位同事"):
        finish(desk.ctx, FIRST, result="已改进", actor=CHEN)
    with pytest.raises(RefusedError, match="请写明改进结果"):
        finish(desk.ctx, FIRST, result=" ", actor=LI)
    assert desk.item().state == "open"
    finish(desk.ctx, FIRST, result="回访满意", actor=LI)
    assert desk.lines() == [
        ("opened", "system", "“专业性”为不满意"),
        ("owner", "主任", "未指定 → 小李"),
        ("owner", "主任", "小李 → 小陈"),
        ("due", "主任", "2026-12-21 → 2026-12-25"),
        ("measure", "小陈", "已组织培训"),
        ("closed", "小李", "回访满意"),
    ]
    item = desk.item()
    assert (item.state, item.owner, item.due_on, item.reviewer) == (
        "done",
        "小陈",
        date(2026, 12, 25),
        "小李",
    )


def test_nothing_is_added_to_a_closed_item(desk: Desk) -> None:
    desk.hires(LI)
    desk.finds()
    assign(desk.ctx, FIRST, owner="小李", due_on=DUE, actor=HEAD)
    finish(desk.ctx, FIRST, result="已改进", actor=CHEN)
    before = desk.lines()
    with pytest.raises(ConflictError):
        note_measure(desk.ctx, FIRST, text="再补一条", actor=LI)
    with pytest.raises(ConflictError):
        assign(desk.ctx, FIRST, owner="小李", due_on=date(2026, 12, 30), actor=HEAD)
    with pytest.raises(ConflictError):
        finish(desk.ctx, FIRST, result="再办结", actor=CHEN)
    assert desk.lines() == before


def test_two_reviewers_at_once_close_it_once(desk: Desk) -> None:
    desk.hires(LI)
    desk.finds()
    assign(desk.ctx, FIRST, owner="小李", due_on=DUE, actor=HEAD)

    def close(name: str) -> bool:
        try:
            finish(desk.ctx, FIRST, result="已改进", actor=replace(CHEN, name=name))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(close, "甲乙丙丁戊己")) == 1
    assert [what for what, _, _ in desk.lines()].count("closed") == 1


def test_the_person_complained_about_does_not_close_what_it_led_to(desk: Desk) -> None:
    desk.hires(LI)
    complaint = desk.registers(TicketKind.COMPLAINT)
    with desk.ctx.transaction() as tx:
        row = courses.lock_ticket(tx.connection, complaint)
        assert row is not None
        courses.set_values(tx.connection, row[0].id, concerned=["小陈"])
    number = open_improvement(desk.ctx, actor=LI, number=complaint, problem="态度生硬")
    assign(desk.ctx, number, owner="小李", due_on=DUE, actor=HEAD)
    with pytest.raises(ForbiddenError, match="被投诉人"):
        finish(desk.ctx, number, result="已改进", actor=CHEN)
    finish(desk.ctx, number, result="已改进", actor=HEAD)


@pytest.mark.parametrize("name", ["没有这个人", "离职的", "评价方"])
def test_an_owner_is_somebody_who_can_work_on_it(desk: Desk, name: str) -> None:
    desk.hires(READER)
    desk.hires(replace(LI, name="离职的"), is_closed=True)
    desk.finds()
    with pytest.raises(RefusedError, match="在用账号"):
        assign(desk.ctx, FIRST, owner=name, due_on=date(2026, 12, 30), actor=HEAD)
    assert len(desk.lines()) == 1
    assert desk.item().due_on == DUE, "whole or not at all"


def test_an_unknown_item_is_said(desk: Desk) -> None:
    for do in (
        lambda: assign(desk.ctx, "NQI-I-2026-000009", owner="小李", due_on=DUE, actor=HEAD),
        lambda: note_measure(desk.ctx, "NQI-I-2026-000009", text="甲", actor=LI),
        lambda: finish(desk.ctx, "NQI-I-2026-000009", result="甲", actor=LI),
    ):
        with pytest.raises(NotFoundError):
            do()


def test_open_overdue_and_done_are_counted_and_listed(desk: Desk) -> None:
    desk.hires(LI)
    for problem in ("甲", "乙", "丙"):
        desk.finds(problem, survey_id=None, source="staff")
    third = "NQI-I-2026-000003"
    assign(desk.ctx, third, owner="小李", due_on=date(2026, 11, 25), actor=HEAD)
    assign(desk.ctx, "NQI-I-2026-000002", owner="小李", due_on=DUE, actor=HEAD)
    finish(desk.ctx, "NQI-I-2026-000002", result="已改进", actor=HEAD)
    today = date(2026, 11, 26)
    with desk.ctx.read() as session:
        assert improvements.count_improvements(session, today=today) == {"open": 2, "done": 1, "overdue": 1}
        assert [one.number for one in improvements.improvements_of(session)] == [third, FIRST]
        assert [one.number for one in improvements.improvements_of(session, due_before=today)] == [third]
        assert [one.number for one in improvements.improvements_of(session, owner="小李")] == [third]
        done = improvements.improvements_of(session, state="done")
        assert [(one.number, one.reviewer) for one in done] == [("NQI-I-2026-000002", "主任")]
        assert improvements.improvements_of(session, state="done", below=done[0].id) == []


# --- tasks ---


def test_a_call_in_vain_is_written_down_with_who_and_when(desk: Desk) -> None:
    task_id = desk.must_call()
    finish_task(desk.ctx, task_id, result="无人接听", actor=LI, called_at=MONDAY - timedelta(minutes=20))
    task = desk.task(task_id)
    assert (task.done_by, task.done_at, task.result) == ("小李", MONDAY, "2026-11-23 09:40 致电：无人接听")
    with desk.ctx.read() as session:
        assert improvements.open_tasks(session) == []
        assert [one.id for one in improvements.done_tasks(session)] == [task_id]


def test_a_task_needs_words_and_a_past_moment(desk: Desk) -> None:
    task_id = desk.must_call()
    with pytest.raises(RefusedError, match="请写明办理结果"):
        finish_task(desk.ctx, task_id, result=" \n", actor=LI)
    with pytest.raises(RefusedError, match="不能晚于现在"):
        finish_task(desk.ctx, task_id, result="无人接听", actor=LI, called_at=MONDAY + timedelta(minutes=1))
    with pytest.raises(ForbiddenError):
        finish_task(desk.ctx, task_id, result="无人接听", actor=READER)
    with pytest.raises(NotFoundError):
        finish_task(desk.ctx, task_id + 1, result="无人接听", actor=LI)
    assert desk.task(task_id).done_at is None


def test_a_task_is_finished_once(desk: Desk) -> None:
    task_id = desk.must_call()
    finish_task(desk.ctx, task_id, result="无人接听", actor=LI)
    with pytest.raises(ConflictError, match="小李"):
        finish_task(desk.ctx, task_id, result="我也打了", actor=CHEN)
    assert desk.task(task_id).result == "无人接听"


def test_an_answer_that_arrives_meanwhile_ends_the_call(desk: Desk) -> None:
    call = desk.must_call()
    other = desk.must_call(key="tell:1", kind="tell", survey_id=None)
    with desk.ctx.transaction() as tx:
        assert _finish_tasks(tx, desk.survey_id, "企业已在线评价", "") == 1
    with desk.ctx.transaction() as tx:
        assert _finish_tasks(tx, desk.survey_id, "再来一次", "小李") == 0
    task = desk.task(call)
    assert (task.done_by, task.result, task.done_at) == ("system", "企业已在线评价", MONDAY)
    with pytest.raises(ConflictError, match="系统"):
        finish_task(desk.ctx, call, result="无人接听", actor=LI)
    with desk.ctx.read() as session:
        assert [one.id for one in improvements.open_tasks(session)] == [other]


def test_the_most_urgent_task_stands_first_with_whom_to_call(desk: Desk) -> None:
    first = desk.must_call()
    desk.clock.at = MONDAY - timedelta(hours=3)
    earlier = desk.must_call(key="survey-call:2")
    with desk.ctx.read() as session:
        found = improvements.open_tasks(session)
    assert [one.id for one in found] == [earlier, first]
    assert (found[0].number, found[0].person, found[0].phone) == (desk.number, "王经理", "13800000000")


def test_each_look_at_a_phone_number_is_audited(desk: Desk) -> None:
    task_id = desk.must_call()
    assert [see_phone(desk.ctx, task_id, actor=one) for one in (LI, CHEN)] == ["13800000000"] * 2
    assert desk.audit() == [("小李", "see-phone", desk.number), ("小陈", "see-phone", desk.number)]


def test_who_may_not_see_numbers_and_what_has_none(desk: Desk) -> None:
    task_id = desk.must_call()
    for reader in (READER, replace(LI, must_change=True)):
        with pytest.raises(ForbiddenError):
            see_phone(desk.ctx, task_id, actor=reader)
    with pytest.raises(NotFoundError):
        see_phone(desk.ctx, task_id + 1, actor=LI)
    with desk.ctx.transaction() as tx:
        courses.set_values(tx.connection, desk.ticket_id, phone="")
    with pytest.raises(RefusedError, match="没有留下电话"):
        see_phone(desk.ctx, task_id, actor=LI)
    assert desk.audit() == []
