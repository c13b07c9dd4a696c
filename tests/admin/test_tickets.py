"""The page of a ticket: what may be done stands there, nothing else is done, and everything is written down."""

import time
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from bot.app import Program
from bot.core.permissions import Role
from bot.core.ticket_states import Move
from bot.serving import running
from bot.settings import Settings
from bot.store import courses, tickets
from bot.store.clocks import TicketClock, Timer
from bot.store.tickets import Ticket
from intents.categories import Category
from tests.people import Enterprise
from tests.staff import StaffMember


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("tickets"), simulator=True, log_level="error")
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李") as found:
        yield found


@pytest.fixture(scope="module")
def chen(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小陈") as found:
        yield found


@pytest.fixture
def number(program: Program, request: pytest.FixtureRequest) -> str:
    with Enterprise(program, f"page-{request.node.name}"[:60]) as person:
        return person.registers_need()


def moves_on(page: str) -> set[str]:
    return {move.value for move in Move if f'name="move" value="{move.value}"' in page}


def timeline(program: Program, number: str) -> list[str]:
    with program.ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        assert row is not None
        return [
            line.what.value for line in courses.course_of(row, tickets.events_of(session, row.id)).timeline
        ]


def test_only_what_is_possible_now_is_offered(program: Program, li: StaffMember, number: str) -> None:
    page = li.sees(number)
    assert moves_on(page) == {"assess", "dismiss", "withdraw", "ask_enterprise", "add"}
    page = li.steps(number, "assess", plan="testing")
    assert moves_on(page) == {"keep", "dismiss", "withdraw", "ask_enterprise", "add"}
    assert "<b>评估</b>" in page
    assert "小李 · " in page
    until = time.monotonic() + 10
    while f"已发给企业：您的需求 {number} 已评估" not in page:
        assert time.monotonic() < until, page
        page = li.sees(number)


def test_the_eleven_categories_stand_in_the_order_of_annex_b(li: StaffMember, number: str) -> None:
    page = li.sees(number)
    form = page.split('name="field" value="category"')[1].split("</form>")[0]
    places = [form.index(f">{category.label}<") for category in Category]
    assert places == sorted(places)
    assert '<option value="testing" selected>' in form


def test_a_correction_shows_before_and_after_and_who(li: StaffMember, number: str) -> None:
    page = li.corrects(number, "category", "metrology")
    assert "服务类别：产品检验检测服务 → 计量服务" in page
    assert "<dt>服务类别</dt><dd>计量服务</dd>" in page
    assert "紧急程度：一般 → 加急" in li.corrects(number, "urgency", "urgent")
    page = li.corrects(number, "content", "<b>两批</b>")
    assert "更正说明：<b>两批</b>" in page, "unescaped by the helper: the page has it as text"
    assert "<b>两批</b>" not in li.http.get(f"/admin/tickets/{number}").text


def test_an_older_page_is_told_that_somebody_was_quicker_and_keeps_the_words(
    program: Program, li: StaffMember, chen: StaffMember, number: str
) -> None:
    form = chen.form(number)
    li.steps(number, "assess", plan="testing")
    answer = chen.http.post(
        f"/admin/tickets/{number}/steps", data={**form, "move": "dismiss", "reason": "重复登记"}
    )
    assert answer.status_code == 409
    assert "刚被更新" in answer.text
    assert 'role="alert"' in answer.text
    assert "重复登记</textarea>" in answer.text
    assert timeline(program, number) == ["assess"]


@pytest.mark.parametrize(
    ("move", "data", "message"),
    [
        ("dismiss", {}, "请写明内容或原因"),
        ("assess", {}, "请先确定服务类别"),
        ("assess", {"plan": "magic"}, "十一类"),
        ("finish", {}, "现在不能这样办理"),
        ("urge", {}, "您不能办理这一步"),
    ],
)
def test_a_refusal_is_said_in_words(
    program: Program, li: StaffMember, number: str, move: str, data: dict[str, str], message: str
) -> None:
    assert message in li.steps(number, move, form=None, **data)
    assert timeline(program, number) == []


def test_forms_from_elsewhere_and_strangers_are_refused(
    program: Program, li: StaffMember, number: str
) -> None:
    for path, data in (
        ("steps", {"move": "withdraw", "reason": "来电"}),
        ("corrections", {"field": "category", "value": "metrology", "reason": "来电"}),
    ):
        form = {**li.form(number), **data}
        forged = li.http.post(f"/admin/tickets/{number}/{path}", data={**form, "csrf": "guess"})
        assert (forged.status_code, "页面已过期" in forged.text) == (403, True)
        stranger = httpx.post(f"{program.url}/admin/tickets/{number}/{path}", data=form, trust_env=False)
        assert (stranger.status_code, stranger.headers["location"]) == (303, "/admin/login")
    assert timeline(program, number) == []


def test_the_list_shows_state_and_who_urges(program: Program, li: StaffMember, number: str) -> None:
    row = li.http.get("/admin/").text.split(f">{number}</a>")[1].split("</tr>")[0]
    assert "已登记，等待评估" in row
    assert "催办" not in row
    with program.ctx.read() as session:
        found = tickets.ticket_numbered(session, number)
        assert found is not None
    with program.ctx.transaction() as tx:
        courses.set_values(tx.connection, found.id, urged_at=tx.now)
    row = li.http.get("/admin/").text.split(f">{number}</a>")[1].split("</tr>")[0]
    assert ">催办</b>" in row
    assert " 催办</b>" in li.sees(number)


def test_the_list_and_the_page_show_what_is_overdue(program: Program, li: StaffMember, number: str) -> None:
    assert "逾期" not in li.sees(number)
    with program.ctx.transaction() as tx:
        ticket_id = sa.select(Ticket.id).where(Ticket.number == number).scalar_subquery()
        clock = sa.select(TicketClock.id).where(TicketClock.ticket_id == ticket_id)
        fired = sa.update(Timer).where(Timer.clock_id.in_(clock), Timer.what == "due").values(state="fired")
        assert tx.connection.execute(fired).rowcount == 1
    row = li.http.get("/admin/").text.split(f">{number}</a>")[1].split("</tr>")[0]
    assert ">逾期</b>" in row
    assert ">逾期</b>" in li.sees(number)


def test_what_an_urged_need_is_answered_with_takes_the_mark_away(
    program: Program, li: StaffMember, number: str
) -> None:
    page = li.steps(number, "add", reason="已电话联系")
    assert "已电话联系" in page
    assert " 催办</b>" not in page
    assert timeline(program, number) == ["add"]


def test_who_needs_no_contact_sees_none(program: Program) -> None:
    with Enterprise(program, "o-wants-no-audience") as person:
        number = person.registers_need()
        person.says(f"补充 {number} 请找王经理，13800000000")
    with StaffMember(program, f"评价员{number[-4:]}", Role.EVALUATOR) as evaluator:
        page, first = evaluator.sees(number), evaluator.http.get("/admin/").text
    assert "椰汁" in page
    for word in ("示例甜水食品有限公司", "王经理", "13800000000"):
        assert word not in page, word
        assert word not in first, word
    with StaffMember(program, f"工作员{number[-4:]}", Role.STAFF) as staff:
        assert "示例甜水食品有限公司" in staff.sees(number)
