"""Referrals: offered with reasons, answered from a link, passed on when nobody answers, told once, and private."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.acceptance import record_acceptance
from bot.actions.clocks import load_shipped
from bot.actions.context import Context
from bot.actions.courses import _move_own, correct_ticket, take_step
from bot.actions.libraries import Libraries, import_file, load_demonstration
from bot.actions.links import read_referral_link
from bot.actions.referrals import (
    ReferralView,
    _choose_provider,
    act_on_referral,
    expire_referral,
    offers_for,
    refer_ticket,
    resend_link,
    see_referral,
)
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.permissions import Actor, Role
from bot.core.ticket_states import Course, LegState, Move, TicketKind, TicketState
from bot.core.tickets import Field, version
from bot.core.times import CHINA
from bot.core.turns import Form
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import AccountSettings, Settings
from bot.store import clocks, conversations, courses, referrals, tickets
from bot.store.base import Database
from bot.store.clocks import TicketClock, Timer
from bot.store.delivery import OutboxMessage
from bot.store.migrate import upgrade
from bot.store.people import Staff
from bot.store.tickets import Ticket
from bot.worker.timers import fire_due
from intents.categories import Category
from knowledge.library import (
    Agreement,
    Capability,
    Contact,
    Provider,
    ProviderKind,
    ProviderStatus,
    Qualification,
    QualificationKind,
    check_character,
)
from knowledge.library_rows import PROVIDERS, written
from tests.make import SetClock

LI, CHEN = (Actor(number, name, Role.OPERATOR) for number, name in ((1, "小李"), (2, "小陈")))
NUMBER = "NQI-2026-000001"
SETTINGS = Settings(
    miniprogram=AccountSettings(app_id="wx1", token="abc123"),
    smtp_host="127.0.0.1",
    mail_from="platform@example.com",
    public_url="https://nqi.example.com",
)
TECHNICIAN = {"person": "张工", "phone": "0898-66660000"}


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


MONDAY = china("2026-11-23T10:00")


def provider(which: int, **changes: Any) -> Provider:
    """A provider that tests water; the lower its number, the better its place."""
    first = f"91999999{which:09d}"
    given: dict[str, Any] = {
        "number": f"P{which:03d}",
        "name": f"示例{'甲乙丙丁戊己'[which - 1]}检测中心",
        "kind": ProviderKind.TESTING,
        "credit_code": first + check_character(first),
        "region": "海口市",
        "service_regions": ("海南省",),
        "contacts": (Contact("示例联系人", "业务", "0898-66660001"),),
        "email": f"p{which}@example.com",
        "qualifications": (
            Qualification(QualificationKind.CMA, "210000000000", valid_until=date(2028, 12, 31)),
        ),
        "capabilities": (
            Capability(Category.TESTING, "矿泉水、饮用水", "GB 8537", "全项检验", QualificationKind.CMA, 7),
        ),
        "agreement": Agreement("示例协议1", date(2026, 1, 1)),
        "status": ProviderStatus.ACTIVE,
    }
    return Provider(**{**given, **changes})


@dataclass(slots=True)
class Desk:
    """A need of an enterprise, a library of providers, and staff."""

    ctx: Context
    clock: SetClock

    def knows(self, *providers: Provider) -> None:
        report = import_file(
            self.ctx, PROVIDERS, written(PROVIDERS, providers, form="csv"), form="csv", actor="小李"
        )
        assert report.is_written, report.problems

    def registers(self, *, plan: tuple[str, ...] = ("testing",), person: str = "o1", **form: Any) -> str:
        given = {
            "content": "检测一批矿泉水，王经理电话 13800000000",
            "category": "testing",
            "applicant": "示例甜水食品有限公司",
            "person": "王经理",
            "phone": "13800000000",
            **form,
        }
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", person, now=tx.now)
            conversations.save_conversation(
                tx.connection,
                talk.conversation_id,
                state={},
                allowance=40,
                until=tx.now + timedelta(days=30),
                now=tx.now,
            )
            number = _open_ticket(
                tx, talk, Form(TicketKind.NEED, **given), channel="wechat-miniprogram"
            ).number
        take_step(self.ctx, number, Move.ASSESS, actor=LI, seen=self.seen(number), plan=plan)
        return number

    def course(self, number: str = NUMBER) -> Course:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            return courses.course_of(row, tickets.events_of(session, row.id))

    def seen(self, number: str = NUMBER) -> str:
        return version(self.course(number))

    def ticket(self, number: str = NUMBER) -> Ticket:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            return row

    def refers(self, which: int = 1, *, by: Actor = LI, reason: str = "", number: str = NUMBER) -> str:
        seen = self.seen(number)
        return refer_ticket(self.ctx, number, provider=f"P{which:03d}", actor=by, seen=seen, reason=reason)

    def steps(self, wanted: Move, *, by: Actor = LI, **values: Any) -> str:
        return take_step(self.ctx, NUMBER, wanted, actor=by, seen=self.seen(), **values)

    def link(self) -> str:
        """The newest link that a provider was mailed."""
        text = next(text for text in reversed(self.mails("p")) if "/p/" in text)
        return text.split("/p/")[1].split()[0]

    def acts(self, wanted: Move, *, token: str = "", **values: Any) -> ReferralView:
        token = token or self.link()
        return act_on_referral(self.ctx, token, wanted, seen=see_referral(self.ctx, token).seen, **values)

    def asks(self, wanted: Move, *, note: str = "") -> str:
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", "o1", now=tx.now)
            return _move_own(tx, talk, number=NUMBER, wanted=wanted, note=note)

    def chooses(self, which: int, *, person: str = "o1") -> str:
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", person, now=tx.now)
            return _choose_provider(tx, talk, number=NUMBER, provider=f"P{which:03d}")

    def mails(self, to: str = "") -> list[str]:
        with self.ctx.read() as session:
            query = sa.select(OutboxMessage.text).where(OutboxMessage.channel == "email")
            rows = query.where(OutboxMessage.address.startswith(to)).order_by(OutboxMessage.id)
            return list(session.scalars(rows))

    def told(self) -> list[str]:
        """What the enterprise was sent."""
        with self.ctx.read() as session:
            query = sa.select(OutboxMessage.text).where(OutboxMessage.channel == "customer")
            return list(session.scalars(query.order_by(OutboxMessage.id)))

    def offered(self) -> list[tuple[str, str, str, int]]:
        with self.ctx.read() as session:
            rows = referrals.referrals_of(session, 1)
            return [(row.provider, row.state, row.by, row.rank) for row in rows]

    def due(self, step: str) -> datetime:
        with self.ctx.read() as session:
            return {row.step: row.due_at for row in clocks.running_clocks(session)}[step]


def opened(folder: Path, clock: SetClock, settings: Settings = SETTINGS) -> Context:
    database = Database(f"sqlite:///{folder / 'nqi.db'}")
    upgrade(database)
    ctx = Context(settings, database, clock, Brain.__new__(Brain), secret=b"0123456789abcdef")
    load_shipped(ctx)
    return ctx


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = SetClock(MONDAY)
    found = Desk(opened(tmp_path, clock), clock)
    found.knows(*map(provider, range(1, 4)))
    with found.ctx.transaction() as tx:
        for name in ("小李", "小陈"):
            tx.connection.execute(
                sa.insert(Staff).values(
                    name=name,
                    role="operator",
                    password_hash="x",
                    must_change=False,
                    failures=0,
                    email="staff@example.com",
                    created_at=tx.now,
                )
            )
    yield found
    found.ctx.database.close()


# --- the whole course ---


def test_the_first_rejects_the_second_asks_an_extension_and_finishes(desk: Desk) -> None:
    desk.registers()
    assert desk.refers() == f"您的需求 {NUMBER} 已转给示例甲检测中心，等待对方确认。"
    first = desk.link()
    assert desk.due("accept") == china("2026-11-25T17:30")
    desk.clock.at = china("2026-11-24T09:00")
    view = desk.acts(Move.REJECT, reason="本月排期已满")
    assert (view.state, view.moves, view.content, view.ticket_state) == (
        "rejected",
        (),
        "",
        TicketState.REJECTED,
    )
    assert desk.mails("staff")[-1].startswith(f"示例甲检测中心退回了需求 {NUMBER}")
    assert desk.due("match") == china("2026-11-26T17:30")

    desk.refers(2)
    view = desk.acts(Move.ACCEPT, days=5, **TECHNICIAN)
    assert (view.state, view.phone, view.service_days) == ("accepted", "13800000000", 5)
    row = desk.ticket()
    assert row.provider == "示例乙检测中心，张工 0898-66660000"
    assert (row.technician, row.service_period) == ("张工", "产品检验检测服务；5 个工作日")
    assert "张工，电话 0898-66660000" in desk.told()[-1]
    # Accepted on Tuesday: Wed 1, Thu 2, Fri 3, Mon 4, Tue 1 December 5.
    assert view.service_until == desk.due("service") == china("2026-12-01T17:30")
    assert desk.acts(Move.START).ticket_state is TicketState.IN_SERVICE
    assert [line.note for line in desk.acts(Move.REPORT, reason="样品已收到").lines][-1] == "样品已收到"

    desk.clock.at = china("2026-12-01T16:30")
    view = desk.acts(Move.ASK_EXTENSION, days=3, reason="设备检修")
    assert (view.ticket_state, desk.mails("staff")[-1].splitlines()[1]) == (
        TicketState.EXTENSION_ASKED,
        "原因：设备检修",
    )
    desk.steps(Move.GRANT, by=CHEN)
    assert desk.due("service") == china("2026-12-04T17:30"), "three working days more: Wed, Thu, Fri"
    assert "延期已同意" in desk.mails("p2")[-1]

    desk.clock.at = china("2026-12-05T09:00")
    fire_due(desk.ctx)
    assert Move.ASK_EXTENSION not in desk.acts(Move.REPORT, reason="报告正在签发").moves
    view = desk.acts(Move.FINISH, reason="二十项合格，报告已交付")
    assert (view.state, view.moves, view.phone, desk.ticket().solution) == (
        "finished",
        (),
        "",
        "二十项合格，报告已交付",
    )
    assert desk.course().state is TicketState.FINISHED
    assert desk.offered() == [("P001", "rejected", "小李", 1), ("P002", "finished", "小李", 1)]
    assert see_referral(desk.ctx, first).state == "rejected", "the first still sees that it refused"


def test_legs_are_referred_one_after_the_other_and_annex_b_has_a_line_for_each(desk: Desk) -> None:
    scale = Capability(Category.METROLOGY, "压力表、矿泉水", "", "检定", QualificationKind.CMA)
    desk.knows(provider(4, capabilities=(scale,)))
    desk.registers(plan=("metrology", "testing"))
    desk.refers(4)
    desk.acts(Move.ACCEPT, **TECHNICIAN)
    desk.acts(Move.START)
    assert desk.acts(Move.FINISH, reason="已检定").state == "finished"
    assert (desk.course().state, desk.course().leg) == (TicketState.ASSESSED, 1)
    desk.refers(1)
    assert desk.acts(Move.ACCEPT, days=7, person="李工", phone="13800000001").service_days == 7
    row = desk.ticket()
    assert row.provider.split("\n") == [
        "示例丁检测中心，张工 0898-66660000",
        "示例甲检测中心，李工 13800000001",
    ]
    assert row.technician == "张工\n李工"
    assert [leg.state for leg in desk.course().legs] == [LegState.FINISHED, LegState.ACCEPTED]
    desk.steps(Move.RECALL, reason="企业要求换一家")
    assert desk.ticket().provider.split("\n") == ["示例丁检测中心，张工 0898-66660000", "—"]


def test_staff_write_down_what_a_provider_says_on_the_telephone(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    with pytest.raises(RefusedError, match="完整的联系电话"):
        record_acceptance(desk.ctx, NUMBER, actor=LI, seen=desk.seen(), person="张工", phone="123")
    record_acceptance(desk.ctx, NUMBER, actor=LI, seen=desk.seen(), reason="来电承接", **TECHNICIAN)
    assert "工作人员已登记贵机构承接" in desk.mails("p1")[-1]
    assert (desk.ticket().technician, desk.ticket().service_period) == (
        "张工",
        "产品检验检测服务；7 个工作日",
    )
    with pytest.raises(ConflictError):
        record_acceptance(desk.ctx, NUMBER, actor=LI, seen=desk.seen(), **TECHNICIAN)
    assert desk.course().state is TicketState.ACCEPTED


def test_a_rejection_by_telephone_lets_the_next_one_come(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    desk.steps(Move.REJECT, reason="来电说排期已满")
    assert (desk.offered()[-1][1], desk.course().state) == ("rejected", TicketState.REJECTED)
    assert [offer.provider for offer in offers_for(desk.ctx, NUMBER)] == ["P002", "P003"]


# --- who may be asked ---


def test_another_than_the_first_needs_a_reason_and_the_ranking_is_kept(desk: Desk) -> None:
    desk.registers()
    with pytest.raises(RefusedError, match="没有选排在第一的机构"):
        desk.refers(2)
    assert desk.offered() == []
    desk.refers(2, reason="企业以前合作过")
    with desk.ctx.read() as session:
        row = referrals.referrals_of(session, 1)[0]
    assert (row.rank, row.reason, row.category, row.leg) == (2, "企业以前合作过", "testing", 0)
    assert [place["number"] for place in row.ranking] == ["P001", "P002", "P003"]
    assert all(place["reason"].endswith("。") for place in row.ranking)
    assert all("企业以前合作过" not in line.note for line in see_referral(desk.ctx, desk.link()).lines)


def test_whom_nothing_but_the_category_speaks_for_is_asked_with_a_reason_only(desk: Desk) -> None:
    other = Capability(Category.TESTING, "塑料桶", "", "检验", QualificationKind.CMA)
    desk.knows(*(provider(which, capabilities=(other,)) for which in (1, 2, 3)))
    desk.registers()
    assert offers_for(desk.ctx, NUMBER) == ()
    with pytest.raises(RefusedError, match="请先与机构确认"):
        desk.refers()
    assert "已转给" in desk.refers(reason="已电话确认可以做")


def test_who_is_excluded_today_is_refused_with_every_reason(desk: Desk) -> None:
    lapsed = (Qualification(QualificationKind.CMA, "210000000000", valid_until=date(2026, 11, 22)),)
    desk.knows(
        provider(1, qualifications=lapsed, status=ProviderStatus.SUSPENDED, status_reason="整改"),
        provider(2, related=("示例甜水食品有限公司",)),
    )
    desk.registers()
    with pytest.raises(RefusedError, match=r"整改.*证书已于 2026-11-22 到期"):
        desk.refers(1, reason="一直合作")
    with pytest.raises(RefusedError, match="回避"):
        desk.refers(2, reason="一直合作")
    with pytest.raises(NotFoundError):
        desk.refers(9)
    assert [offer.provider for offer in offers_for(desk.ctx, NUMBER)] == ["P003"]
    assert desk.mails("p") == []


def test_a_certificate_that_expires_while_others_are_asked_is_never_offered(desk: Desk) -> None:
    lapses = (Qualification(QualificationKind.CMA, "210000000000", valid_until=date(2026, 11, 24)),)
    desk.knows(provider(2, qualifications=lapses))
    desk.registers()
    assert "P002" in {offer.provider for offer in offers_for(desk.ctx, NUMBER)}
    desk.refers()
    desk.clock.at = china("2026-11-25T17:30")
    fire_due(desk.ctx)
    assert [row[0] for row in desk.offered()] == ["P001", "P003"]


def test_a_demonstration_provider_is_never_referred_to(tmp_path: Path) -> None:
    clock = SetClock(MONDAY)
    desk = Desk(opened(tmp_path, clock), clock)
    load_demonstration(desk.ctx, actor="小李")
    desk.registers()
    demo = next(iter(Libraries.of(desk.ctx).records(PROVIDERS)))
    with pytest.raises(RefusedError, match="演示机构"):
        refer_ticket(desk.ctx, NUMBER, provider=demo, actor=LI, seen=desk.seen(), reason="试试")
    assert (offers_for(desk.ctx, NUMBER), desk.offered(), desk.mails()) == ((), [], [])
    desk.ctx.database.close()


def test_nobody_is_asked_twice_for_a_leg(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    desk.steps(Move.RECALL, reason="企业要求换一家")
    assert "原因：企业要求换一家" in desk.mails("p1")[-1]
    with pytest.raises(RefusedError, match="已经问过示例甲检测中心"):
        desk.refers(1)
    assert "已转给示例乙检测中心" in desk.refers(2), "without him the second is the first"


def test_who_may_not_handle_tickets_refers_nothing_and_an_older_page_is_told(desk: Desk) -> None:
    desk.registers()
    seen = desk.seen()
    reader = Actor(3, "小孙", Role.EVALUATOR)
    with pytest.raises(ForbiddenError):
        desk.refers(by=reader)
    with pytest.raises(ForbiddenError):
        resend_link(desk.ctx, NUMBER, actor=reader)
    correct_ticket(desk.ctx, NUMBER, Field.URGENCY, value="urgent", reason="来电", actor=LI, seen=seen)
    with pytest.raises(ConflictError):
        refer_ticket(desk.ctx, NUMBER, provider="P001", actor=LI, seen=seen)
    with pytest.raises(ConflictError, match="没有机构在办理"):
        resend_link(desk.ctx, NUMBER, actor=LI)


# --- the enterprise chooses ---


def test_the_enterprise_chooses_among_three(desk: Desk) -> None:
    desk.knows(provider(4))
    desk.registers()
    names = [offer.provider for offer in offers_for(desk.ctx, NUMBER)]
    assert names == ["P001", "P002", "P003"]
    assert "没有查到" in desk.chooses(2, person="o2")
    assert "现在不能承接" in desk.chooses(4)
    assert desk.chooses(2) == f"您的需求 {NUMBER} 已转给示例乙检测中心，等待对方确认。"
    assert desk.offered() == [("P002", "open", "contact", 2)]
    assert desk.chooses(3) == "这件申请现在不能转给机构，请刷新后再试。"
    assert offers_for(desk.ctx, NUMBER) == ()
    assert offers_for(desk.ctx, "NQI-2026-999999") == ()


# --- no answer ---


def test_who_does_not_answer_is_passed_over_three_times_and_then_staff_are_called(desk: Desk) -> None:
    desk.knows(*map(provider, range(4, 7)))
    desk.registers()
    desk.refers()
    for _ in range(4):
        desk.clock.at = desk.due("accept")
        fire_due(desk.ctx)
    assert desk.offered() == [
        ("P001", "no-answer", "小李", 1),
        ("P002", "no-answer", "system", 1),
        ("P003", "no-answer", "system", 1),
        ("P004", "no-answer", "system", 1),
    ]
    assert (desk.course().state, desk.course().legs[0].state) == (TicketState.REJECTED, LegState.REJECTED)
    calls = [text for text in desk.mails("staff") if "没有按时答复" in text]
    assert ["已自动转给示例" in text for text in calls] == [True, True, True, False]
    assert "请在工作台安排对接" in calls[-1]
    assert desk.due("match") > desk.clock.at
    assert "不需要再办理" in desk.mails("p2")[-1]
    assert len(desk.mails("p5")) == 0
    assert desk.refers(5) == f"您的需求 {NUMBER} 已转给示例戊检测中心，等待对方确认。"


def test_two_workers_pass_an_offer_on_once(desk: Desk, tmp_path: Path) -> None:
    desk.registers()
    desk.refers()
    moment = desk.due("accept")
    workers = [opened(tmp_path, SetClock(moment)) for _ in range(3)]
    with desk.ctx.read() as session:
        query = sa.select(Timer.id).join(TicketClock, TicketClock.id == Timer.clock_id)
        timer = session.scalars(query.where(Timer.what == "due", TicketClock.step == "accept")).one()
    start = threading.Barrier(len(workers))
    won: list[bool] = []

    def work(ctx: Context) -> None:
        start.wait(10)
        won.append(expire_referral(ctx, timer))

    threads = [threading.Thread(target=work, args=(ctx,)) for ctx in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == [False, False, True]
    assert [row[:2] for row in desk.offered()] == [("P001", "no-answer"), ("P002", "open")]
    assert len(desk.mails("p2")) == 1
    assert [line.what for line in desk.course().timeline].count(Move.NO_ANSWER) == 1
    assert not expire_referral(desk.ctx, 10_000)
    for ctx in workers:
        ctx.database.close()


def test_what_we_serve_ourselves_is_overdue_and_no_more(desk: Desk) -> None:
    desk.registers()
    desk.steps(Move.KEEP)
    desk.clock.at = desk.due("accept") - timedelta(minutes=1)
    fire_due(desk.ctx)
    assert "请工作人员注意：机构答复时限" in desk.mails("staff")[-1]
    desk.clock.move(minutes=1)
    fire_due(desk.ctx)
    assert (desk.course().state, desk.offered()) == (TicketState.IN_HOUSE, [])
    with desk.ctx.read() as session:
        assert "overdue" in [event.what for event in tickets.events_of(session, 1)]


def test_reminders_and_escalations_reach_their_role_once(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    desk.clock.at = china("2026-11-25T11:00")  # four working hours before the end
    assert (fire_due(desk.ctx), fire_due(desk.ctx)) == (1, 0)
    reminded = [text for text in desk.mails("p1") if "机构答复时限为 2026-11-25 17:30" in text]
    assert len(reminded) == 1
    assert "/p/" in reminded[0]
    desk.acts(Move.ACCEPT, **TECHNICIAN)
    assert desk.mails("staff") == []
    desk.clock.at = china("2026-11-26T17:30")
    fire_due(desk.ctx)
    fire_due(desk.ctx)
    assert len([text for text in desk.mails("staff") if "首次联系时限" in text]) == 1
    assert len(set(desk.mails())) == len(desk.mails()), "nobody is told the same twice"


# --- the link ---


def test_a_forged_an_old_and_a_replaced_link_open_nothing(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    first = desk.link()
    referral_id, key = read_referral_link(desk.ctx, first)
    other = replace(desk.ctx, secret=b"another secret of 16")
    for token in ("", "x" * 40, first[:-2], f"{first}x"):
        with pytest.raises(NotFoundError, match="链接无效"):
            see_referral(desk.ctx, token)
    with pytest.raises(NotFoundError):
        see_referral(other, first)
    second = resend_link(desk.ctx, NUMBER, actor=CHEN)
    assert second in desk.mails("p1")[-1]
    assert read_referral_link(desk.ctx, second.split("/p/")[1])[0] == referral_id
    with pytest.raises(NotFoundError):
        see_referral(desk.ctx, first)
    with pytest.raises(NotFoundError):
        act_on_referral(desk.ctx, first, Move.ACCEPT, seen=desk.seen(), **TECHNICIAN)
    assert see_referral(desk.ctx, desk.link()).state == "open"
    assert key not in second


def test_a_link_ends_with_its_days(desk: Desk, tmp_path: Path) -> None:
    desk.registers()
    desk.refers()
    ended = replace(desk.ctx, settings=replace(SETTINGS, link_days=-1))
    with pytest.raises(NotFoundError, match="已过期"):
        see_referral(ended, desk.link())


def test_a_provider_acts_on_its_own_leg_only_and_not_after_recall(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    first = desk.link()
    seen = see_referral(desk.ctx, first).seen
    desk.steps(Move.RECALL, reason="企业要求换一家")
    with pytest.raises(ConflictError, match="已由平台收回"):
        act_on_referral(desk.ctx, first, Move.ACCEPT, seen=seen, **TECHNICIAN)
    desk.refers(2)
    view = see_referral(desk.ctx, first)
    assert (view.state, view.moves, view.lines, view.content) == ("recalled", (), (), "")
    for wanted in (Move.ACCEPT, Move.REJECT, Move.FINISH):
        with pytest.raises(ConflictError):
            act_on_referral(desk.ctx, first, wanted, seen=desk.seen(), reason="完成", **TECHNICIAN)
    assert desk.course().state is TicketState.REFERRED


def test_what_a_provider_may_not_do_is_refused_and_writes_nothing(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    before = desk.course()
    for wanted in (Move.GRANT, Move.CLOSE, Move.RATE, Move.ADD, Move.RECALL):
        with pytest.raises(ForbiddenError):
            desk.acts(wanted, reason="试试")
    for wanted, values, words in (
        (Move.REJECT, {}, "请写明"),
        (Move.ACCEPT, {"person": "", "phone": "13800000000"}, "姓名"),
        (Move.ACCEPT, {"person": "张工", "phone": "12"}, "联系电话"),
        (Move.ACCEPT, {"days": 251, **TECHNICIAN}, "工作日"),
        (Move.FINISH, {}, "解决过程"),
        (Move.ASK_EXTENSION, {"reason": "忙"}, "工作日"),
        (Move.START, {}, "现在不能"),
    ):
        with pytest.raises(RefusedError, match=words):
            desk.acts(wanted, **values)
    with pytest.raises(ConflictError, match="刚被更新"):
        act_on_referral(desk.ctx, desk.link(), Move.ACCEPT, seen="referred-0", **TECHNICIAN)
    assert desk.course() == before


def test_the_enterprise_is_unknown_to_the_provider_until_it_accepts(desk: Desk) -> None:
    desk.registers()
    desk.asks(Move.ADD, note="请打 13800000000 找王经理，样品20瓶")
    desk.refers()
    token = desk.link()
    view = see_referral(desk.ctx, token)
    assert (view.applicant, view.person, view.phone) == ("", "", "")
    private = ("13800000000", "王经理", "示例甜水")
    assert not any(word in part for word in private for part in (repr(view), *desk.mails("p1")))
    assert "检测一批矿泉水" in view.content
    assert [line.note for line in view.lines] == ["请打 （略） 找（略），样品20瓶"]
    assert set(view.moves) == {Move.ACCEPT, Move.REJECT, Move.ASK_ENTERPRISE}
    assert (view.respond_until, view.service_until, view.service_days) == (desk.due("accept"), None, 7)
    view = desk.acts(Move.ACCEPT, **TECHNICIAN)
    assert (view.applicant, view.person, view.phone) == ("示例甜水食品有限公司", "王经理", "13800000000")
    assert "13800000000" in view.content
    desk.asks(Move.WITHDRAW, note="不需要了")
    view = see_referral(desk.ctx, token)
    assert view.state == "withdrawn"
    assert not any(word in repr(view) for word in private)


def test_the_provider_asks_the_enterprise_and_its_clock_waits(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    assert desk.acts(Move.ASK_ENTERPRISE, reason="请补充样品数量").is_waiting
    assert desk.told()[-1].endswith(f"回复“补充 {NUMBER} 内容”即可。")
    assert see_referral(desk.ctx, desk.link()).respond_until is None
    resend_link(desk.ctx, NUMBER, actor=LI)
    assert "换了新的链接" in desk.mails("p1")[-1]
    desk.clock.move(days=9)
    fire_due(desk.ctx)
    desk.asks(Move.ADD, note="一共20瓶")
    assert "企业补充了需求" in desk.mails("p1")[-1]
    view = see_referral(desk.ctx, desk.link())
    assert (view.is_waiting, view.state) == (False, "open")
    assert [line.note for line in view.lines] == ["请补充样品数量", "一共20瓶"]


def test_open_referrals_and_turns_count_in_the_next_ranking(desk: Desk) -> None:
    desk.registers()
    desk.refers()
    other = desk.registers(person="o2")
    assert [offer.provider for offer in offers_for(desk.ctx, other)] == ["P002", "P003", "P001"]
    assert "在办 1 件" in offers_for(desk.ctx, other)[-1].reason
