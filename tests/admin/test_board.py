"""The request board in the browser: who may, what is shown and masked, and that a press does what it says."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from itertools import count

import httpx
import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from bot.app import Program
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from bot.store import audit, courses, tickets
from bot.store.clocks import TicketClock
from tests.people import Enterprise
from tests.staff import StaffMember

BOARD = "/admin/board"
FORMS = (f"{BOARD}/bulk", f"{BOARD}/views", f"{BOARD}/views/drop")
_CSRF = re.compile(r'name="csrf" value="([^"]*)"')
_numbers = count(1)

Hire = Callable[[Role], StaffMember]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A platform of its own whose worker rests: nothing falls due by itself."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("board"), simulator=True, log_level="error")
    with running(settings) as found:
        found.worker.stop()
        yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李") as found:
        yield found


@pytest.fixture
def hire(program: Program) -> Iterator[Hire]:
    """Make somebody with an account who is logged in."""
    made: list[StaffMember] = []

    def one(role: Role) -> StaffMember:
        made.append(StaffMember(program, f"看板{next(_numbers)}", role))
        return made[-1]

    yield one
    for member in made:
        member.http.close()


@pytest.fixture
def number(program: Program) -> Iterator[str]:
    """A need that stands alone among the unfinished ones of its enterprise."""
    with Enterprise(program, f"o-board-{next(_numbers)}") as enterprise:
        yield enterprise.registers_need()


def sees(member: StaffMember, **query: str) -> str:
    answer = member.http.get(BOARD, params=query)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def row_of(page: str, number: str) -> str:
    return page.partition(f'value="{number}:')[2].partition("</li>")[0]


def posts(member: StaffMember, path: str, **data: object) -> httpx.Response:
    page = sees(member)
    csrf = _CSRF.findall(page)
    return member.http.post(path, data={"csrf": csrf[0], **data})


def tick(page: str, number: str) -> str:
    found = re.search(rf'name="pick" value="({number}:[^"]*)"', page)
    assert found, f"{number} cannot be ticked"
    return found[1]


def changes(program: Program, number: str, *, due: float = 0, **values: object) -> None:
    """Another state of things: columns of the request, or hours from now at which its clock ends."""
    with program.ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        assert row is not None
    with program.ctx.transaction() as tx:
        if values:
            courses.set_values(tx.connection, row.id, **values)
        if due:
            mine = sa.update(TicketClock).where(TicketClock.ticket_id == row.id)
            tx.connection.execute(mine.values(due_at=tx.now + timedelta(hours=due)))


def test_the_list_shows_the_clock_and_what_stands_out(program: Program, li: StaffMember, number: str) -> None:
    page = row_of(sees(li), number)
    assert "想给新出的椰汁" in page
    assert "示例甜水食品有限公司" in page
    assert "评估" in page
    assert 'class="mark' not in page
    with program.ctx.read() as session:
        now = program.ctx.clock.now()
        assert tickets.ticket_numbered(session, number) is not None
    changes(program, number, due=-49, urged_at=now, urgency="urgent")
    page = row_of(sees(li), number)
    assert "已超 2 天" in page
    for mark in ("逾期", "催办", "加急"):
        assert f">{mark}</b>" in page
    assert number in sees(li, mark="overdue")
    assert number not in sees(li, mark="today")
    assert number in sees(li, layout="board", mark="urged")


def test_the_board_shows_cards_in_the_column_of_their_state(li: StaffMember, number: str) -> None:
    page = sees(li, layout="board", text=number)
    column = page.partition('<section aria-label="待受理评估">')[2].partition("</section>")[0]
    assert number in column
    assert page.count(f"/admin/tickets/{number}") == 1
    assert "已结束的请看" in sees(li, layout="board", state="closed")


def test_what_was_looked_for_stands_in_the_fields_again(li: StaffMember) -> None:
    page = sees(li, text="<b>没有", state="serving", since="2026-01-02", staff="不在册", order="new")
    assert 'name="text" value="<b>没有"' in page
    assert '<option value="serving" selected>' in page
    assert '<option value="不在册" selected>' in page
    assert 'name="since" value="2026-01-02"' in page
    assert "没有找到申请" in page


@pytest.mark.parametrize("query", ["after=x", "state=%00&text=%00", "since=9999-99-99&after=1.", "layout=7"])
def test_nonsense_in_the_address_is_left_out(li: StaffMember, query: str) -> None:
    assert li.http.get(f"{BOARD}?{query}").status_code == 200


def test_the_next_page_goes_on_where_this_one_ends(program: Program, li: StaffMember, number: str) -> None:
    with program.ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        assert row is not None
        columns = {name: getattr(row, name) for name in row.__table__.columns.keys() if name != "id"}  # noqa: SIM118
    with program.ctx.transaction() as tx:
        copies = [
            {**columns, "number": f"NQI-1999-{one:06d}", "channel": "visit", "origin": None}
            for one in range(60)
        ]
        tx.connection.execute(sa.insert(tickets.Ticket), copies)
    page, shown = sees(li, source="visit"), []
    assert "共 60 件" in page
    for _ in range(2):
        shown += re.findall(r'name="pick" value="([^:]*):', page)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        page = unescape(li.http.get(following[1]).text) if following else ""
    assert sorted(shown) == [f"NQI-1999-{one:06d}" for one in range(60)]
    assert page == ""


def test_one_deed_for_many_reports_each(program: Program, li: StaffMember, number: str) -> None:
    with Enterprise(program, f"o-board-{next(_numbers)}") as enterprise:
        other = enterprise.registers_need()
    page = sees(li)
    picks = [tick(page, number), tick(page, other)]
    li.steps(other, "assess", plan="ip")
    answer = unescape(posts(li, FORMS[0], act="assess", pick=picks, query="order=new").text)
    assert "办好 1 件，1 件没有办" in answer
    assert f">{number}</a>：已评估" in answer
    assert "没有办，" in answer.partition(f">{other}</a>：")[2].partition("</li>")[0]
    assert '<option value="new" selected>' in answer, "the same list is shown again"
    assert "已评估，正在安排" in li.sees(number)


def test_a_refused_deed_keeps_what_was_ticked_and_typed(li: StaffMember, number: str) -> None:
    picked = tick(sees(li), number)
    answer = posts(li, FORMS[0], act="category", pick=picked, reason="电话核实")
    page = unescape(answer.text)
    assert (answer.status_code, "更正请选择新的内容" in page) == (400, True)
    assert f'value="{picked}" aria-label="选择 {number}" checked' in page
    assert 'name="reason" value="电话核实"' in page
    assert '<option value="category" selected>' in page
    assert "请选择要做什么" in posts(li, FORMS[0], pick=picked).text
    assert "请先勾选" in posts(li, FORMS[0], act="keep").text


def test_all_of_the_page_means_the_rows_that_were_shown(li: StaffMember, number: str) -> None:
    page = sees(li, text=number)
    rows = re.findall(r'name="row" value="([^"]*)"', page)
    assert len(rows) == 1
    answer = posts(li, FORMS[0], act="urgency", urgency="urgent", reason="来电", row=rows, whole="true")
    assert f">{number}</a>：已更正紧急程度" in unescape(answer.text)


def test_views_are_saved_with_the_filter_and_dropped(li: StaffMember, hire: Hire) -> None:
    answer = posts(li, FORMS[1], name="椰汁 & 逾期", query="mark=overdue&text=椰汁")
    assert answer.status_code == 303
    assert "mark=overdue" in answer.headers["location"]
    page = sees(li)
    assert ">椰汁 & 逾期</a>" in page
    assert ">椰汁 & 逾期</a>" not in sees(hire(Role.STAFF))
    found = re.search(r'name="id" value="(\d+)"', page)
    assert found
    assert posts(li, FORMS[2], id=found[1]).headers["location"] == BOARD
    assert "我的视图" not in sees(li)
    refused = posts(li, FORMS[1], name="长" * 41, query="mark=urged")
    assert refused.status_code == 400
    assert f'name="name" value="{"长" * 41}"' in refused.text
    assert '<option value="urged" selected>' in refused.text


def test_the_export_is_what_the_filter_shows(program: Program, li: StaffMember, number: str) -> None:
    answer = li.http.get(f"{BOARD}/export", params={"text": number})
    assert answer.headers["content-disposition"].startswith('attachment; filename="requests-')
    rows = list(load_workbook(io.BytesIO(answer.content)).worksheets[0].iter_rows(values_only=True))
    assert len(rows) == 2
    assert (rows[1][0], "13800000000" in rows[1]) == (number, True)
    with program.ctx.read() as session:
        line = audit.found_lines(session, audit.Search(what="board-export"), limit=1)[0]
    assert (line.actor, line.note) == ("小李", "导出 1 件；条件：text=*")


def test_who_may_not_see_contacts_sees_none(program: Program, hire: Hire, number: str) -> None:
    changes(program, number, content="请打 13911112222 联系，做检测", applicant="示例甜水食品有限公司")
    evaluator = hire(Role.EVALUATOR)
    page = sees(evaluator, text=number)
    assert "13911112222" not in page
    assert "甜水食品" not in page
    assert 'name="pick"' not in page
    exported = evaluator.http.get(f"{BOARD}/export", params={"text": number}).content
    cells = str(list(load_workbook(io.BytesIO(exported)).worksheets[0].iter_rows(values_only=True)))
    assert number in cells
    for secret in ("13911112222", "13800000000", "王经理", "甜水食品"):
        assert secret not in cells


@pytest.mark.parametrize("role", Role)
def test_each_role_may_what_its_rights_say(hire: Hire, number: str, role: Role) -> None:
    member = hire(role)
    handles = role in (Role.OPERATOR, Role.HEAD, Role.STAFF)
    assert member.http.get(BOARD).status_code == 200
    assert posts(member, FORMS[0], act="keep").status_code == (400 if handles else 403)
    revealed = posts(member, f"/admin/tickets/{number}/reveal")
    assert revealed.status_code == (200 if handles else 403)
    assert ("13800000000" in revealed.text) is handles


def test_a_reveal_shows_the_phone_once_and_writes_it_down(
    program: Program, li: StaffMember, number: str
) -> None:
    page = posts(li, f"/admin/tickets/{number.lower()}/reveal").text
    assert 'href="tel:13800000000"' in page
    assert "王经理" in page
    assert "13800000000" not in li.sees(number)
    with program.ctx.read() as session:
        lines = audit.found_lines(session, audit.Search(what="see-phone", subject=number), limit=5)
    assert [line.actor for line in lines] == ["小李"]
    assert posts(li, "/admin/tickets/NQI-2026-999999/reveal").status_code == 404
    assert li.http.get(f"/admin/tickets/{number}/reveal").status_code == 405


def test_forged_forms_and_strangers_change_nothing(program: Program, li: StaffMember, number: str) -> None:
    pick = tick(sees(li), number)
    for path in (*FORMS, f"/admin/tickets/{number}/reveal"):
        data = {"csrf": "guess", "act": "assess", "pick": pick, "name": "x"}
        forged = li.http.post(path, data=data)
        assert (forged.status_code, "页面已过期" in forged.text) == (403, True)
        stranger = httpx.post(f"{program.url}{path}", data=data, trust_env=False)
        assert (stranger.status_code, stranger.headers["location"]) == (303, "/admin/login")
    for path in (BOARD, f"{BOARD}/export"):
        assert httpx.get(f"{program.url}{path}", trust_env=False).headers["location"] == "/admin/login"
    assert tick(sees(li), number) == pick


def test_a_link_of_the_filter_leads_nowhere_else(li: StaffMember) -> None:
    answer = posts(li, FORMS[1], name="外面", query="//evil.example/?layout=board")
    assert answer.headers["location"].startswith(BOARD)
    assert "evil" not in answer.headers["location"]


def test_markup_in_a_request_stays_text(program: Program, li: StaffMember, number: str) -> None:
    changes(program, number, content="<script>alert(1)</script>", applicant="<img src=x>")
    for layout in ("list", "board"):
        text = li.http.get(BOARD, params={"text": number, "layout": layout}).text
        assert "<script>alert" not in text
        assert "<img" not in text
