"""Requests that do not go smoothly: refused, extended, late, expired certificates; a form left, corrected, cancelled."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from email import message_from_bytes
from email.policy import SMTP as POLICY
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd import smtp

from bot.actions.libraries import import_file
from bot.actions.surveys import SurveyHistory, surveys_of
from bot.app import Program
from bot.core.permissions import Role
from bot.core.times import CHINA, china_text
from bot.serving import running
from bot.settings import Settings
from bot.store import tickets
from bot.store.audit import AuditLine
from bot.store.clocks import TicketClock
from bot.store.delivery import OutboxMessage
from knowledge.library import Qualification, QualificationKind
from knowledge.library_rows import PROVIDERS, written
from tests.make import SetClock
from tests.people import Enterprise, Office, drinks_tester, settle
from tests.staff import StaffMember

TECHNICIAN = {"person": "张工", "phone": "0898-66660002"}


def china(text: str) -> datetime:
    """A moment of 2026 in China: 11-23 10:00."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA)


@dataclass(slots=True)
class Postbox:
    """A mail server's handler: it keeps what comes, by address."""

    mails: list[tuple[str, str]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.original_content, policy=POLICY)
        self.mails += [(address, str(mail["subject"])) for address in envelope.rcpt_tos]
        return "250 taken"


@contextmanager
def post_office(box: Postbox) -> Iterator[int]:
    """A mail server on loopback; gives its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> asyncio.Server:
        return await loop.create_server(lambda: smtp.SMTP(box, loop=loop), "127.0.0.1", 0)

    async def end() -> None:
        server.close()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass(slots=True)
class Town:
    """A platform whose clock the test moves, its staff, and what was mailed."""

    program: Program
    clock: SetClock
    box: Postbox
    li: StaffMember
    chen: StaffMember

    def at(self, moment: str) -> None:
        """Go on to that moment (China, 2026), and let the worker do what is due."""
        settle(self.program)
        self.clock.at = china(moment)
        settle(self.program)
        for who in (self.li, self.chen):
            who.logs_in()

    def clocks(self, number: str) -> dict[str, str]:
        """The running clocks: step -> until when (China)."""
        with self.program.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            query = sa.select(TicketClock.step, TicketClock.due_at).where(
                TicketClock.ticket_id == row.id, TicketClock.state == "running"
            )
            return {step: china_text(due)[5:] for step, due in session.execute(query)}

    def state(self, number: str) -> str:
        with self.program.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            return str(row.state)

    def lines(self, number: str, *what: str) -> list[tuple[str, str]]:
        """The lines of history of these kinds: when (China), what."""
        with self.program.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            events = tickets.events_of(session, row.id)
        return [(china_text(one.at)[5:], one.what) for one in events if one.what in what]

    def mailed(self, to: str) -> list[tuple[str, str]]:
        """What was written for an address: when (China), the subject behind the number."""
        with self.program.ctx.read() as session:
            query = sa.select(OutboxMessage.at, OutboxMessage.extras).where(OutboxMessage.address == to)
            rows = session.execute(query.order_by(OutboxMessage.id)).all()
        return [(china_text(at)[5:], str(extras["subject"])) for at, extras in rows]

    def round(self, number: str) -> SurveyHistory:
        """The ticket's survey."""
        with self.program.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            (found,) = surveys_of(session, row.id)
        return found

    def told(self, number: str) -> list[tuple[str, str]]:
        """What the enterprise was told of its ticket: when (China), which move."""
        with self.program.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            events = tickets.events_of(session, row.id)
        return [(china_text(one.at)[5:], one.what) for one in events if one.told]


@pytest.fixture
def town(fresh: Settings) -> Iterator[Town]:
    clock, box = SetClock(china("11-23 10:00")), Postbox()
    with ExitStack() as stack:
        port = stack.enter_context(post_office(box))
        mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
        settings = replace(fresh, **mail, mail_from="platform@example.com")
        program = stack.enter_context(running(settings, clock=clock))
        # P-4's certificate ended yesterday, that of P-5 ends this Friday.
        ends = {4: date(2026, 11, 22), 5: date(2026, 11, 27)}
        held = {
            which: (Qualification(QualificationKind.CMA, "210000000000", valid_until=end),)
            for which, end in ends.items()
        }
        given = [drinks_tester(which) for which in (1, 2, 3)]
        given += [drinks_tester(which, qualifications=own) for which, own in held.items()]
        data = written(PROVIDERS, given, form="csv")
        report = import_file(program.ctx, PROVIDERS, data, form="csv", actor="test")
        assert report.is_written, report.problems
        li = stack.enter_context(StaffMember(program, "小李", Role.STAFF, email="li@example.com"))
        chen = stack.enter_context(StaffMember(program, "陈主任", Role.HEAD, email="chen@example.com"))
        yield Town(program, clock, box, li, chen)


ABOUT = "【质量服务】NQI-2026-000001 "


def test_one_rejects_one_asks_too_long_and_one_is_late(town: Town) -> None:
    """Monday 23 November 2026; open 8:30 to 12:00 and 14:30 to 17:30 on working days, no holiday near."""
    li = town.li
    with Enterprise(town.program, "late-1") as person:
        number = person.registers_need()
        # One working day to assess, two to match: the day itself does not count.
        assert town.clocks(number) == {"assess": "11-24 17:30"}
        town.at("11-23 10:30")
        li.steps(number, "assess", plan="testing")
        assert town.clocks(number) == {"match": "11-25 17:30"}
        first_is_refused(town, number)
        second_is_recalled(town, number)
        third_is_late(town, number)
        assert [text for text in person.received() if "暂时不能承接" in text]
    assert town.told(number) == [
        ("11-23 10:30", "assess"),
        ("11-23 11:00", "refer"),
        ("11-24 09:00", "reject"),
        ("11-24 09:30", "refer"),
        ("11-24 15:00", "accept"),
        ("11-25 10:00", "start"),
        ("11-27 16:30", "ask_extension"),
        ("11-27 17:00", "deny"),
        ("11-27 17:10", "recall"),
        ("11-30 09:00", "refer"),
        ("11-30 15:00", "accept"),
        ("12-01 09:00", "start"),
        ("12-04 11:07", "finish"),
    ]
    written_down = {
        who: town.mailed(f"{who}@example.com") for who in ("p1", "p2", "p3", "p4", "p5", "li", "chen")
    }
    assert written_down == {
        "p1": [("11-23 11:00", f"{ABOUT}转给服务机构")],
        "p2": [
            ("11-24 09:30", f"{ABOUT}转给服务机构"),
            # Two working days before Friday: the opening of Wednesday.
            ("11-25 08:30", f"{ABOUT}到期提醒"),
            ("11-27 17:00", f"{ABOUT}不同意延期"),
            ("11-27 17:10", f"{ABOUT}收回，重新安排"),
        ],
        "p3": [("11-30 09:00", f"{ABOUT}转给服务机构")],
        "p4": [],
        "p5": [],
        "li": [
            ("11-24 09:00", f"示例甲检测中心退回了需求 {number}"),
            ("11-27 16:30", f"示例乙检测中心申请延长需求 {number} 的服务时间"),
            ("12-02 17:30", f"{ABOUT}服务周期督办"),
            ("12-04 11:07", f"示例丙检测中心已完成需求 {number}"),
        ],
        "chen": [("12-03 17:30", f"{ABOUT}服务周期督办")],
    }
    told = [(f"{who}@example.com", what) for who, mails in written_down.items() for _, what in mails]
    assert sorted(town.box.mails) == sorted(told), "each was taken by the mail server, once"


def first_is_refused(town: Town, number: str) -> None:
    """The first of the ranking says no, the next morning; the two with an old certificate are not asked."""
    assert town.li.suggested(number) == ["P-1", "P-2", "P-3", "P-5"], "P-4's certificate ended yesterday"
    town.at("11-23 11:00")
    town.li.refers(number, "P-1")
    assert (town.state(number), town.clocks(number)) == ("referred", {"accept": "11-25 17:30"})
    with Office(town.li.link(number)) as office:
        assert "请在 <b>2026-11-25 17:30</b> 前" in office.sees()
        town.at("11-24 09:00")
        assert "贵机构已退回这项需求" in office.acts("reject", reason="本月排期已满")
    assert (town.state(number), town.clocks(number)) == ("rejected", {"match": "11-26 17:30"})
    assert town.li.suggested(number) == ["P-2", "P-3", "P-5"]


def second_is_recalled(town: Town, number: str) -> None:
    """The second accepts three days, asks for three more an hour before they are over, and does not get them."""
    town.at("11-24 09:30")
    town.li.refers(number, "P-2")
    assert town.clocks(number) == {"accept": "11-26 17:30"}
    with Office(town.li.link(number)) as office:
        town.at("11-24 15:00")
        office.acts("accept", **TECHNICIAN, days="3")
        assert town.clocks(number) == {"first-contact": "11-25 17:30", "service": "11-27 17:30"}
        town.at("11-25 08:29")
        assert town.lines(number, "reminded") == []
        town.at("11-25 08:30")
        assert town.lines(number, "reminded") == [("11-25 08:30", "reminded")]
        town.at("11-25 10:00")
        office.acts("start")
        assert town.clocks(number) == {"service": "11-27 17:30"}
        town.at("11-27 16:30")
        office.acts("ask_extension", days="3", reason="有一项需要复检")
        assert (town.state(number), town.clocks(number)) == ("extension_asked", {"service": "11-27 17:30"})
        town.at("11-27 17:00")
        town.li.steps(number, "deny", reason="企业不能再等")
        assert (town.state(number), town.clocks(number)) == ("in_service", {"service": "11-27 17:30"})
        town.at("11-27 17:10")
        town.li.steps(number, "recall", reason="另行安排")
        # The weekend does not count.
        assert (town.state(number), town.clocks(number)) == ("assessed", {"match": "12-01 17:30"})
        assert "服务平台已收回这项需求" in office.sees()
        assert "13800000000" not in office.sees(), "who no longer serves the enterprise sees it no more"
    assert town.lines(number, "overdue") == [], "recalled twenty minutes before the end"


def third_is_late(town: Town, number: str) -> None:
    """The third finishes two days late: each of those who answer for it hears at its minute."""
    town.at("11-30 09:00")
    assert town.li.suggested(number) == ["P-3"], "P-5's certificate ended on Friday"
    for who, reason in (("P-4", "2026-11-22"), ("P-5", "2026-11-27")):
        assert f"CMA证书已于 {reason} 到期" in town.li.refers(number, who, "指定这家")
        assert town.state(number) == "assessed"
    town.li.refers(number, "P-3")
    assert town.clocks(number) == {"accept": "12-02 17:30"}
    late = ("overdue", "escalated")
    with Office(town.li.link(number)) as office:
        town.at("11-30 15:00")
        office.acts("accept", **TECHNICIAN, days="2")
        assert town.clocks(number) == {"first-contact": "12-01 17:30", "service": "12-02 17:30"}
        town.at("12-01 09:00")
        office.acts("start")
        town.at("12-02 17:29")
        assert town.lines(number, *late) == []
        assert "逾期" not in town.li.sees(number)
        town.at("12-02 17:30")
        found = [("12-02 17:30", "overdue"), ("12-02 17:30", "escalated")]
        assert town.lines(number, *late) == found
        assert "逾期" in town.li.sees(number)
        town.at("12-03 17:29")
        assert town.lines(number, *late) == found
        town.at("12-03 17:30")
        assert town.lines(number, *late) == [*found, ("12-03 17:30", "escalated")]
        town.at("12-04 11:07")
        assert '<b>2026-12-02 17:30</b> <b class="mark bad">已过</b>' in office.sees()
        office.acts("finish", reason="全部项目完成")
    # Five working days after Friday 4 December.
    assert (town.state(number), town.clocks(number)) == ("finished", {"survey": "12-11 17:30"})
    assert "逾期" not in town.li.sees(number)
    survey = town.round(number)
    assert (survey.state, survey.opened_at, survey.survey.due) == (
        "open",
        china("12-04 11:07"),
        china("12-11 17:30"),
    )
    settle(town.program)


PERSONAL = ("13800000000", "13911112222", "王经理", "示例甜水")


def kept(program: Program) -> list[tuple[str, str]]:
    """Where in the database something personal stands: table, value."""
    with closing(sqlite3.connect(program.settings.data_dir / "nqi.db")) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table, str(value))
            for table in tables
            for row in database.execute(f'SELECT * FROM "{table}"')
            for value in row
            if any(word in str(value) for word in PERSONAL)
        ]


def files(program: Program) -> list[Path]:
    """The bytes of attachments on the disk."""
    folder = program.settings.data_dir / "attachments"
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("account", ["official", "miniprogram"])
def test_a_form_left_overnight_corrected_and_cancelled_leaves_nothing(town: Town, account: str) -> None:
    program = town.program
    with Enterprise(program, f"form-{account}", account) as person:
        asked = [
            person.says(words) for words in ("想给新出的椰汁做个第三方检测", "示例甜水食品有限公司", "王经理")
        ]
        assert "企业名称" in asked[0]
        assert "怎么称呼" in asked[1]
        assert "附在正在登记的申请里" in person.reads(person.pusher.image(person.openid))
        for _ in range(200):
            if files(program):
                break
            time.sleep(0.03)
        assert len(files(program)) == 1, "the picture was fetched"
        town.at("11-24 09:00")
        assert "联系电话" in (reply := person.says("我回来了"))
        assert "企业名称" not in reply
        summary = person.says("13800000000")
        for known in ("申请人：示例甜水食品有限公司", "联系人：王经理", "联系电话：13800000000", "椰汁"):
            assert known in summary
        corrected = person.says("电话改成13911112222")
        assert "已改：联系电话 13911112222" in corrected
        assert "联系电话：13911112222" in corrected
        assert "企业名称是什么" not in corrected
        assert {table for table, _ in kept(program)} >= {"conversation", "message"}, "the look finds them"
        assert "填写的内容没有保存" in person.says("取消")
        settle(program)
        for _ in range(200):
            if not files(program):
                break
            program.worker.poke("attachments")
            time.sleep(0.03)
        assert files(program) == []
        assert kept(program) == []
        assert "没有查到您的申请" in person.says("我的申请")
        with program.ctx.read() as session:
            lines = session.execute(sa.select(AuditLine.actor, AuditLine.what)).all()
        assert ("contact", "form-cancelled") in [tuple(line) for line in lines]
        again = person.says("想给新出的椰汁做个第三方检测")
        assert "企业名称" in again, "nothing of the cancelled form is known"
