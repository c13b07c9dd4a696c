"""Deeds for many requests, reminders, views and exports: each request on its own, nothing twice, nothing leaked."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from bot.actions.board import (
    Outcome,
    Pick,
    act_on_tickets,
    drop_view,
    export_board,
    remind_provider,
    save_view,
)
from bot.actions.clocks import load_shipped
from bot.actions.context import Context
from bot.actions.courses import take_step
from bot.actions.libraries import import_file
from bot.actions.referrals import refer_ticket
from bot.actions.reveals import Reached, export_audit, reveal_contact
from bot.actions.tickets import _open_ticket
from bot.core.board import STAGES, Act, Cursor, Filter, Order
from bot.core.brain import Brain
from bot.core.permissions import Actor, Role
from bot.core.ticket_states import Move, TicketKind
from bot.core.tickets import version
from bot.core.turns import Form
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import AccountSettings, Settings
from bot.store import board, conversations, courses, tickets
from bot.store.audit import AuditLine, Search
from bot.store.base import Database
from bot.store.clocks import TicketClock
from bot.store.delivery import OutboxMessage
from bot.store.migrate import upgrade
from bot.store.people import Contact, Staff
from bot.store.tickets import Ticket, TicketEvent
from knowledge.library_rows import PROVIDERS, written
from tests.make import NOON, SetClock
from tests.people import drinks_tester

SETTINGS = Settings(
    miniprogram=AccountSettings(app_id="wx1", token="abc123"),
    smtp_host="127.0.0.1",
    mail_from="platform@example.com",
    public_url="https://nqi.example.com",
)
LI, EVA = Actor(1, "小李", Role.OPERATOR), Actor(2, "小赵", Role.EVALUATOR)


@dataclass(slots=True)
class Desk:
    """Requests of one enterprise, and staff who look at the board."""

    ctx: Context
    clock: SetClock

    def registers(self, kind: TicketKind = TicketKind.NEED, **form: Any) -> str:
        given: dict[str, Any] = {
            "content": "检测一批椰汁",
            "category": "testing",
            "applicant": "示例甜水食品有限公司",
            "person": "王经理",
            "phone": "13800000000",
            **form,
        }
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "miniprogram", "o1", now=tx.now)
            return _open_ticket(tx, talk, Form(kind, **given), channel="wechat-miniprogram").number

    def pick(self, number: str) -> Pick:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            return Pick(number, version(courses.course_of(row, tickets.events_of(session, row.id))))

    def steps(self, number: str, *moves: Move, **values: Any) -> None:
        for wanted in moves:
            plan = ("testing",) if wanted is Move.ASSESS else ()
            seen = self.pick(number).seen
            take_step(self.ctx, number, wanted, actor=LI, seen=seen, plan=plan, **values)

    def refers(self, number: str) -> None:
        providers = written(PROVIDERS, (drinks_tester(1),), form="csv")
        assert import_file(self.ctx, PROVIDERS, providers, form="csv", actor="小李").is_written
        self.steps(number, Move.ASSESS)
        refer_ticket(self.ctx, number, provider="P-1", actor=LI, seen=self.pick(number).seen)

    def ticket(self, number: str) -> Ticket:
        with self.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            return row

    def sets(self, number: str, **values: Any) -> None:
        with self.ctx.transaction() as tx:
            courses.set_values(tx.connection, self.ticket(number).id, **values)

    def due(self, number: str, **span: float) -> None:
        """The running clock of a request ends then, from now."""
        with self.ctx.transaction() as tx:
            mine = TicketClock.ticket_id == self.ticket(number).id
            changed = sa.update(TicketClock).where(mine, TicketClock.state == "running")
            tx.connection.execute(changed.values(due_at=tx.now + timedelta(**span)))

    def numbers(self, limit: int = 50, **wanted: Any) -> list[str]:
        """What the list shows, read page by page."""
        found: list[str] = []
        after: Cursor | None = None
        for _ in range(30):
            with self.ctx.read() as session:
                page = board.found_page(
                    session, Filter(**wanted), now=self.clock.at, after=after, limit=limit
                )
            found += [row.number for row in page.rows]
            after = page.next
            if after is None:
                return found
        raise AssertionError("the pages have no end")

    def rows(self, column: Any) -> list[Any]:
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(column).order_by(column)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock()
    ctx = Context(SETTINGS, database, clock, Brain.__new__(Brain), secret=b"s" * 32)
    load_shipped(ctx)
    with ctx.transaction() as tx:
        for actor in (LI, EVA):
            values = {"name": actor.name, "role": actor.role.value, "password_hash": "-", "failures": 0}
            tx.connection.execute(sa.insert(Staff).values(id=actor.id, created_at=tx.now, **values))
    yield Desk(ctx, clock)
    database.close()


# --- what is found ---


def test_overdue_comes_first_then_the_next_due_then_what_waits_newest_first(desk: Desk) -> None:
    one, two, three, four, five = (desk.registers() for _ in range(5))
    desk.due(one, hours=30)
    desk.due(two, hours=-5)
    desk.due(three, hours=3)
    for number in (four, five):
        desk.steps(number, Move.ASK_ENTERPRISE, reason="请补充数量")
    for limit in (1, 2, 3, 50):
        assert desk.numbers(limit) == [two, three, one, five, four]
        assert desk.numbers(limit, order=Order.NEW) == [five, four, three, two, one]


def test_clocks_that_end_at_one_moment_are_shown_once_each_whatever_the_page(desk: Desk) -> None:
    made = [desk.registers() for _ in range(5)]
    for number in made:
        desk.due(number, hours=2)
    for limit in (1, 2, 5):
        assert desk.numbers(limit) == made


def test_a_request_with_two_clocks_stands_once_under_the_one_that_ends_first(desk: Desk) -> None:
    number = desk.registers()
    desk.steps(number, Move.ASSESS, Move.KEEP, Move.ACCEPT)
    with desk.ctx.read() as session:
        runs = sa.select(TicketClock.due_at).where(TicketClock.state == "running")
        dues = sorted(session.scalars(runs))
        page = board.found_page(session, Filter(), now=desk.clock.at, after=None, limit=50)
    assert len(dues) == 2
    assert [(row.number, row.due_at) for row in page.rows] == [(number, dues[0])]


@pytest.mark.parametrize("order", Order)
def test_each_condition_finds_its_own(desk: Desk, order: Order) -> None:
    need, other = desk.registers(), desk.registers(category="ip", content="商标 100%_ 注册", applicant="")
    complaint = desk.registers(TicketKind.COMPLAINT, content="没有回音", category="other")
    desk.refers(need)
    desk.due(need, hours=-1)
    desk.due(other, hours=2)
    desk.due(complaint, hours=40)
    desk.sets(other, urged_at=desk.clock.at, urgency="urgent", channel="phone", specialist="小陈")
    desk.sets(complaint, waiting_since=desk.clock.at, created_at=desk.clock.at - timedelta(days=2))
    with desk.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Contact).values(station="示例一站"))

    def found(**wanted: Any) -> set[str]:
        return set(desk.numbers(order=order, **wanted))

    everything = {need, other, complaint}
    assert found() == found(state="all") == found(station="示例一站") == everything
    assert found(kind="complaint") == found(mark="waiting") == {complaint}
    assert found(state="offered") == found(state="referred") == found(mark="overdue") == {need}
    assert found(provider="P-1") == found(text="椰汁") == {need}
    assert found(category="ip") == found(urgency="urgent") == found(source="phone") == {other}
    assert found(mark="today") == found(mark="urged") == found(staff="小陈") == {other}
    assert found(text="100%_") == found(text="商标 注册") == {other}
    assert found(text="甜水") == {need, complaint}
    assert found(text=other[-6:]) == {other}
    assert found(until=date(2026, 11, 19)) == found(until=date(2026, 11, 20)) == {complaint}
    assert found(since=date(2026, 11, 21), until=date(2026, 11, 21)) == {need, other}
    for nothing in ({"station": "别处"}, {"provider": "P-9"}, {"text": "_甜"}, {"state": "closed"}):
        assert found(**nothing) == set()
    with desk.ctx.read() as session:
        for wanted, count in ((Filter(), 3), (Filter(mark="overdue"), 1), (Filter(text="甜水"), 2)):
            assert board.count_found(session, wanted, now=desk.clock.at) == count


def test_a_provider_who_declined_no_longer_has_the_request(desk: Desk) -> None:
    number = desk.registers()
    desk.refers(number)
    desk.steps(number, Move.RECALL, reason="换一家")
    assert desk.numbers(provider="P-1") == []


def test_what_ended_is_shown_when_it_is_asked_for(desk: Desk) -> None:
    number, stays = desk.registers(), desk.registers()
    desk.steps(number, Move.WITHDRAW, reason="企业来电撤回")
    assert desk.numbers() == [stays]
    assert desk.numbers(state="ended") == desk.numbers(state="withdrawn") == [number]
    assert set(desk.numbers(state="all")) == {number, stays}


def test_the_columns_hold_what_is_unfinished_the_next_due_first(desk: Desk) -> None:
    late, soon, waits, gone = (desk.registers() for _ in range(4))
    desk.due(late, hours=-1)
    desk.due(soon, hours=1)
    desk.steps(waits, Move.ASK_ENTERPRISE, reason="请补充数量")
    desk.steps(gone, Move.WITHDRAW, reason="企业来电撤回")
    kept = desk.registers()
    desk.steps(kept, Move.ASSESS, Move.KEEP)
    with desk.ctx.read() as session:
        found = board.board_columns(session, Filter(state="all"), now=desk.clock.at, limit=2)
        late_ones = board.board_columns(session, Filter(mark="overdue"), now=desk.clock.at, limit=2)
    shown = {key: (total, [row.number for row in rows]) for key, (total, rows) in found.items()}
    assert shown == {
        **{stage.key: (0, []) for stage in STAGES},
        "new": (3, [late, soon]),
        "offered": (1, [kept]),
    }
    assert [row.number for _, rows in late_ones.values() for row in rows] == [late]


def test_the_summary_counts_each_request_once(desk: Desk) -> None:
    late, today, waits, gone = (desk.registers() for _ in range(4))
    desk.steps(today, Move.ASSESS, Move.KEEP, Move.ACCEPT)
    desk.due(late, hours=-1)
    desk.due(today, hours=3)
    desk.steps(waits, Move.ASK_ENTERPRISE, reason="请补充数量")
    desk.sets(late, urged_at=desk.clock.at)
    desk.steps(gone, Move.WITHDRAW, reason="企业来电撤回")
    with desk.ctx.read() as session:
        found = board.board_summary(session, now=desk.clock.at)
    assert (found.overdue, found.today, found.waiting, found.urged) == (1, 1, 1, 1)
    assert found.states == {"registered": 2, "accepted": 1}


def test_the_versions_of_a_page_are_those_of_the_courses(desk: Desk) -> None:
    numbers = [desk.registers() for _ in range(3)]
    desk.steps(numbers[1], Move.ASSESS, Move.KEEP)
    with desk.ctx.transaction() as tx:
        line = {"at": tx.now, "actor": "contact", "what": "add", "party": "enterprise", "state": "registered"}
        tickets.add_event(tx.connection, desk.ticket(numbers[2]).id, **line)
    ids = [desk.ticket(number).id for number in numbers]
    with desk.ctx.read() as session:
        found = board.versions(session, ids)
    assert [found[one] for one in ids] == [desk.pick(number).seen for number in numbers]


# --- deeds for many ---


def test_each_request_is_done_or_refused_on_its_own(desk: Desk) -> None:
    need, complaint, stale = desk.registers(), desk.registers(TicketKind.COMPLAINT), desk.registers()
    old = desk.pick(stale)
    desk.steps(stale, Move.ADD, reason="已电话联系")
    picks = [desk.pick(need), desk.pick(complaint), old, Pick("NQI-2026-999999", "x")]
    found = act_on_tickets(desk.ctx, picks, Act.ASSESS, actor=LI)
    assert [bool(one.done) for one in found] == [True, False, False, False]
    assert desk.ticket(need).state == "assessed"
    assert desk.ticket(need).legs[0]["category"] == "testing"
    assert [desk.ticket(number).state for number in (complaint, stale)] == ["registered", "registered"]
    assert "没有这件申请" in found[3].refused
    again = act_on_tickets(desk.ctx, picks[:1], Act.ASSESS, actor=LI)
    assert again[0].refused, "sent twice, it is done once"


def test_a_request_ticked_twice_is_done_once(desk: Desk) -> None:
    pick = desk.pick(desk.registers())
    assert act_on_tickets(desk.ctx, [pick, pick], Act.ASSESS, actor=LI) == (
        Outcome(pick.number, done="已评估"),
    )


def test_a_complaint_that_was_acknowledged_is_assessed_without_a_plan(desk: Desk) -> None:
    number = desk.registers(TicketKind.COMPLAINT)
    desk.steps(number, Move.ACKNOWLEDGE)
    assert act_on_tickets(desk.ctx, [desk.pick(number)], Act.ASSESS, actor=LI)[0].done
    assert desk.ticket(number).legs == []


def test_many_are_kept_in_house_and_corrected(desk: Desk) -> None:
    numbers = [desk.registers() for _ in range(2)]
    for act, value in ((Act.ASSESS, ""), (Act.KEEP, ""), (Act.CATEGORY, "ip"), (Act.URGENCY, "urgent")):
        picks = [desk.pick(number) for number in numbers]
        found = act_on_tickets(desk.ctx, picks, act, actor=LI, value=value, reason="电话核实")
        assert all(one.done for one in found), found
    for number in numbers:
        row = desk.ticket(number)
        assert (row.state, row.category, row.urgency) == ("in_house", "ip", "urgent")


@pytest.mark.parametrize(
    ("act", "more", "error"),
    [
        (Act.ASSESS, {"actor": EVA}, ForbiddenError),
        (Act.CATEGORY, {"value": "ip"}, RefusedError),
        (Act.URGENCY, {"reason": "电话核实"}, RefusedError),
    ],
)
def test_what_can_be_tried_on_none_is_refused_whole(
    desk: Desk, act: Act, more: dict[str, Any], error: type[RefusedError]
) -> None:
    pick = desk.pick(desk.registers())
    with pytest.raises(error):
        act_on_tickets(desk.ctx, [pick], act, **{"actor": LI, **more})
    assert desk.pick(pick.number) == pick


@pytest.mark.parametrize("count", [0, 101])
def test_none_and_too_many_are_refused(desk: Desk, count: int) -> None:
    picks = [Pick(f"NQI-2026-{number:06d}", "x") for number in range(count)]
    with pytest.raises(RefusedError, match=r"勾选|最多"):
        act_on_tickets(desk.ctx, picks, Act.KEEP, actor=LI)


def test_a_provider_is_reminded_once_a_day_with_its_link_and_its_deadline(desk: Desk) -> None:
    number = desk.registers()
    desk.refers(number)
    pick = desk.pick(number)
    assert act_on_tickets(desk.ctx, [pick], Act.REMIND, actor=LI)[0].done
    mails = [text for text in desk.rows(OutboxMessage.text) if "机构答复时限" in text]
    assert len(mails) == 1
    assert "/p/" in mails[0]
    assert "已提醒示例甲检测中心" in "".join(desk.rows(TicketEvent.note))
    assert desk.pick(number) == pick, "a reminder is no step: others may go on"
    with pytest.raises(ConflictError, match="今天已经"):
        remind_provider(desk.ctx, number, actor=LI, seen=pick.seen)
    desk.clock.move(days=1)
    remind_provider(desk.ctx, number, actor=LI, seen=pick.seen)
    assert len([text for text in desk.rows(OutboxMessage.text) if "机构答复时限" in text]) == 2


def test_nobody_is_reminded_where_no_provider_has_it_or_none_can_be_reached(desk: Desk) -> None:
    number = desk.registers()
    with pytest.raises(ConflictError, match="没有机构"):
        remind_provider(desk.ctx, number, actor=LI, seen=desk.pick(number).seen)
    desk.refers(number)
    silent = written(PROVIDERS, (drinks_tester(1, email=""),), form="csv")
    assert import_file(desk.ctx, PROVIDERS, silent, form="csv", actor="小李").is_written
    with pytest.raises(RefusedError, match="打电话"):
        remind_provider(desk.ctx, number, actor=LI, seen=desk.pick(number).seen)
    assert "provider-reminded" not in desk.rows(TicketEvent.what)


# --- views ---


def test_views_are_kept_replaced_and_forgotten_by_their_owner(desk: Desk) -> None:
    save_view(desk.ctx, actor=LI, name=" 我的  逾期 ", query="mark=overdue&foo=1")
    save_view(desk.ctx, actor=LI, name="我的 逾期", query="mark=urged")
    save_view(desk.ctx, actor=EVA, name="我的 逾期", query="")
    with desk.ctx.read() as session:
        (mine,), (theirs,) = (board.views_of(session, actor.id) for actor in (LI, EVA))
    assert (mine.name, mine.query) == ("我的 逾期", "mark=urged")
    with pytest.raises(NotFoundError):
        drop_view(desk.ctx, theirs.id, actor=LI)
    drop_view(desk.ctx, mine.id, actor=LI)
    with desk.ctx.read() as session:
        assert board.views_of(session, LI.id) == []
        assert [one.id for one in board.views_of(session, EVA.id)] == [theirs.id]


@pytest.mark.parametrize("name", ["", "   ", "长" * 41, "一\u202e二"])
def test_a_view_needs_a_name(desk: Desk, name: str) -> None:
    with pytest.raises(RefusedError, match="名称"):
        save_view(desk.ctx, actor=LI, name=name, query="")


def test_the_views_of_a_person_have_an_end(desk: Desk) -> None:
    for number in range(30):
        save_view(desk.ctx, actor=LI, name=f"视图{number}", query="")
    with pytest.raises(RefusedError, match="最多"):
        save_view(desk.ctx, actor=LI, name="又一个", query="")
    save_view(desk.ctx, actor=LI, name="视图7", query="mark=urged")


# --- what is taken out, and what is looked at ---


def sheet(data: bytes) -> list[dict[str, Any]]:
    lines = list(load_workbook(io.BytesIO(data)).worksheets[0].iter_rows())
    assert all(cell.data_type != "f" for line in lines for cell in line), "no formula"
    heads, *rows = [[cell.value for cell in line] for line in lines]
    return [dict(zip(heads, row, strict=True)) for row in rows]


def test_an_export_holds_what_the_filter_shows_and_runs_nothing(desk: Desk) -> None:
    desk.registers(content="别的", category="ip")
    number = desk.registers(content="=HYPERLINK(1)", applicant="@示例")
    desk.steps(number, Move.ASSESS)
    (row,) = sheet(export_board(desk.ctx, Filter(state="assessed"), actor=LI))
    assert (row["编号"], row["状态"], row["服务类别"]) == (number, "已评估，正在安排", "产品检验检测服务")
    assert (row["申请服务内容"], row["申请人"]) == ("'=HYPERLINK(1)", "'@示例")
    assert (row["联系人"], row["联系电话"], row["来源"]) == ("王经理", "13800000000", "微信小程序")
    assert (row["登记时间"], row["期限名称"]) == ("2026-11-21 12:00", "对接时限")
    assert desk.rows(AuditLine.what)[-1:] == ["board-export"]
    assert "导出 1 件；条件：state=assessed" in desk.rows(AuditLine.note)


def test_who_may_not_see_contacts_takes_no_persons_out(desk: Desk) -> None:
    desk.registers(content="请联系 13800000000")
    data = export_board(desk.ctx, Filter(text="联系"), actor=EVA)
    (row,) = sheet(data)
    assert {"联系人", "联系电话"} & set(row) == set()
    assert row["申请人"] == "示例**"
    assert "13800000000" not in str(row)
    assert "联系" not in "".join(desk.rows(AuditLine.note)), "what was looked for may be somebody's name"


def test_an_export_reads_on_behind_its_first_piece(desk: Desk) -> None:
    numbers = [desk.registers() for _ in range(5)]
    with desk.ctx.read() as session:
        found = list(board.exported_rows(session, Filter(), now=NOON, limit=4, piece=2))
    assert [row.number for row in found] == numbers[::-1][:4]


def test_a_contact_is_revealed_with_a_line_in_the_audit_trail(desk: Desk) -> None:
    number = desk.registers()
    found = reveal_contact(desk.ctx, number, actor=LI)
    assert found == Reached(number, "示例甜水食品有限公司", "王经理", "13800000000")
    with desk.ctx.read() as session:
        (line,) = session.scalars(sa.select(AuditLine))
    assert (line.actor, line.what, line.subject) == ("小李", "see-phone", number)


def test_nobody_is_revealed_to_who_may_not_know_or_where_nobody_is_left(desk: Desk) -> None:
    number = desk.registers()
    with pytest.raises(ForbiddenError):
        reveal_contact(desk.ctx, number, actor=EVA)
    with pytest.raises(NotFoundError):
        reveal_contact(desk.ctx, "NQI-2026-999999", actor=LI)
    desk.sets(number, person="", phone="")
    with pytest.raises(RefusedError, match="没有留下"):
        reveal_contact(desk.ctx, number, actor=LI)
    assert desk.rows(AuditLine.what) == []


def test_the_audit_trail_is_taken_out_with_a_line_of_its_own(desk: Desk) -> None:
    number = desk.registers()
    reveal_contact(desk.ctx, number, actor=LI)
    table = export_audit(desk.ctx, Search(what="see-phone"), form="csv", actor=LI).decode("utf-8-sig")
    assert table.splitlines() == [
        "时间,谁,做了什么,对象,说明",
        f"2026-11-21 12:00,小李,查看联系电话,{number},",
    ]
    assert sorted(desk.rows(AuditLine.what)) == ["audit-export", "see-phone"]
    with pytest.raises(ForbiddenError):
        export_audit(desk.ctx, Search(), form="csv", actor=EVA)
    with pytest.raises(RefusedError, match="xlsx"):
        export_audit(desk.ctx, Search(), form="pdf", actor=LI)
