"""A need that nobody assesses: the enterprise knows until when, staff see it reminded, overdue and escalated."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import sqlalchemy as sa

from bot.actions.accounts import create_first_administrator
from bot.app import build
from bot.calendars import import_notice, show_calendar
from bot.core.calendar import WorkCalendar, shipped_notices
from bot.core.times import china_date, china_text
from bot.serving import running
from bot.settings import Settings
from bot.store import tickets
from bot.store.clocks import TicketClock, Timer
from tests.make import SetClock
from tests.people import Enterprise, number_in, plain

LATER = timedelta(days=30)  # longer than any break


def told(settings: Settings, *, at: datetime, count: int) -> list[str]:
    """Let the worker of a program that starts at that moment run until the ticket has so many lines of history."""
    program = build(settings, clock=SetClock(at))
    program.worker.start()
    until = time.monotonic() + 20
    found: list[str] = []
    while len(found) < count and time.monotonic() < until:
        time.sleep(0.05)
        with program.ctx.read() as session:
            found = [event.what for event in tickets.events_of(session, 1)]
    program.worker.stop()
    program.ctx.database.close()
    return found


def page(url: str, password: str, path: str) -> str:
    """A staff page, after the first password was changed."""
    new = "long-enough-2026"
    with httpx.Client(base_url=url, trust_env=False) as http:
        http.post("/admin/login", data={"name": "admin", "password": password})
        csrf = http.get("/admin/password").text.split('name="csrf" value="')[1].split('"')[0]
        http.post("/admin/password", data={"csrf": csrf, "old": password, "new": new})
        return http.get(path).text


def test_a_forgotten_need_is_reminded_overdue_and_escalated_across_restarts(fresh: Settings) -> None:
    with running(fresh) as program, Enterprise(program, "clock-1") as person:
        number = person.registers_need()
        with program.ctx.read() as session:
            found = tickets.ticket_numbered(session, number)
            assert found is not None
            due = found.respond_by
            registered = found.created_at
        assert due == WorkCalendar(shipped_notices()).add_working_days(registered, 1).at
        reply = plain(person.last().text)
        assert f"编号 {number}。工作人员会在 {china_text(due)} 前评估并联系您。" in reply
        assert not any("\ue000" <= char <= "\uf8ff" for char in reply), "every mark is filled"
    lines = ["registered", "reminded", "overdue", "escalated"]
    assert told(fresh, at=registered + LATER, count=4) == lines
    assert told(fresh, at=registered + LATER, count=4) == lines
    with running(fresh) as program:
        password = create_first_administrator(program.ctx)
        assert password
        html = page(program.url, password, f"/admin/tickets/{number}")
    assert f"<dt>需求反馈时限</dt><dd>{china_text(due)}</dd>" in html
    for shown in ("<b>到期提醒</b>", "请工作人员注意", "<b>超期</b>", "已到评估时限", "<b>督办</b>"):
        assert shown in html


def test_who_takes_the_need_back_is_not_waited_for(enterprise: Enterprise) -> None:
    number = enterprise.registers_need()
    query = (
        sa.select(Timer.state)
        .join(TicketClock, TicketClock.id == Timer.clock_id)
        .join(tickets.Ticket, tickets.Ticket.id == TicketClock.ticket_id)
        .where(tickets.Ticket.number == number)
    )
    with enterprise.program.ctx.read() as session:
        assert set(session.scalars(query)) == {"pending"}
    enterprise.says("删除我的信息")
    enterprise.says("确认删除")
    with enterprise.program.ctx.read() as session:
        assert set(session.scalars(query)) == {"cancelled"}


def test_a_complaint_is_not_promised_a_moment(enterprise: Enterprise) -> None:
    enterprise.says("我要投诉")
    enterprise.says("你们的工作人员态度很差，电话一直没有人接")
    enterprise.says("示例甜水食品有限公司")
    enterprise.says("王经理")
    enterprise.says("13800000000")
    reply = enterprise.says("确认提交")
    assert number_in(reply).startswith("NQI-C-")
    assert "评估" not in reply


def test_the_operator_brings_in_a_notice_from_a_file(fresh: Settings, tmp_path: Path) -> None:
    with running(fresh) as program, Enterprise(program, "clock-2") as person:
        number = person.registers_need()
        with program.ctx.read() as session:
            found = tickets.ticket_numbered(session, number)
            assert found is not None
            due = found.respond_by
            assert due is not None
        day = china_date(due)
        file = tmp_path / "notice.json"
        one = {"name": "测试假日", "off": [day.isoformat(), day.isoformat()], "work": []}
        file.write_text(json.dumps({"year": day.year, "number": "测试号", "breaks": [one]}), encoding="utf-8")
        planned = import_notice(fresh, file, dry_run=True)
        assert planned[0].startswith(f"{number} 评估时限由{china_text(due)}调整为")
        assert "未写入" in planned[-1]
        done = import_notice(fresh, file, dry_run=False)
        assert done[:-1] == planned[:-1]
        assert "已录入" in done[-1]
        with program.ctx.read() as session:
            moved = tickets.ticket_numbered(session, number)
            assert moved is not None
            assert moved.respond_by is not None
            assert moved.respond_by > due
    assert f"  测试假日：{day.month}月{day.day}日放假" in show_calendar(fresh, today=day)
    assert show_calendar(fresh, today=datetime(2040, 1, 1, tzinfo=UTC).date())[-1].startswith(
        "2041年：放假安排尚未录入"
    )
