"""Tasks, improvement items and survey entry in the browser: who may, what is refused, what is kept and shown."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape

import httpx
import pytest
import sqlalchemy as sa

from bot.actions.courses import take_step
from bot.actions.improvements import open_improvement
from bot.app import Program
from bot.core.permissions import Actor, Role
from bot.core.surveys import Item, label, options, question
from bot.core.ticket_states import Move
from bot.core.tickets import version
from bot.core.times import china_date
from bot.serving import running
from bot.settings import Settings
from bot.store import courses, improvements, surveys, tickets
from bot.store.audit import AuditLine
from bot.store.base import insert_row
from bot.store.improvements import Task
from tests.people import Enterprise
from tests.staff import StaffMember

PHONE = "13800000000"  # of every need that people.py registers
MASKED = "138****0000"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_ALERT = re.compile(r'role="alert">([^<]*)<')


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("improvements"), simulator=True, log_level="error")
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李", Role.STAFF) as found:
        yield found


@pytest.fixture(scope="module")
def head(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "主任", Role.HEAD) as found:
        yield found


@pytest.fixture(scope="module")
def reader(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "评价方", Role.EVALUATOR) as found:
        yield found


@pytest.fixture
def number(program: Program, request: pytest.FixtureRequest) -> str:
    with Enterprise(program, f"item-{request.node.name}"[:60]) as person:
        return person.registers_need()


@pytest.fixture
def item(program: Program, number: str) -> str:
    """An open item about the ticket."""
    return open_improvement(
        program.ctx, actor=Actor(0, "小王", Role.STAFF), number=number, problem=f"{number} 的报告有误"
    )


@pytest.fixture
def finished(program: Program, number: str) -> str:
    """A ticket whose service has ended."""
    for move in (Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START, Move.FINISH):
        with program.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            seen = version(courses.course_of(row, tickets.events_of(session, row.id)))
        plan = ("testing",) if move is Move.ASSESS else ()
        actor = Actor(0, "小李", Role.STAFF)
        take_step(program.ctx, number, move, actor=actor, seen=seen, plan=plan, reason="已出报告")
    return number


def must_call(program: Program, number: str, *, kind: str = "survey-call", hours: int = 5) -> int:
    with program.ctx.transaction() as tx:
        ticket_id = tx.connection.scalars(
            sa.select(tickets.Ticket.id).where(tickets.Ticket.number == number)
        ).one()
        survey = surveys.last_survey(tx.connection, ticket_id)
        return insert_row(
            tx.connection,
            Task,
            key=f"{kind}:{number}:test",
            kind=kind,
            ticket_id=ticket_id,
            survey_id=survey.id if survey else None,
            text=f"请致电企业，为 {number} 征求评价。",
            due_at=tx.now + timedelta(hours=hours),
            created_at=tx.now,
        )


def csrf(member: StaffMember) -> str:
    return _CSRF.findall(member.http.get("/admin/password").text)[0]


def post(member: StaffMember, path: str, **data: str) -> httpx.Response:
    """Send a form, with the token unless another is given."""
    return member.http.post(f"/admin/{path}", data={"csrf": csrf(member), **data}, follow_redirects=True)


def alert(answer: httpx.Response) -> str:
    found = _ALERT.findall(answer.text)
    return unescape(found[0]) if found else ""


def card(page: str, task_id: int) -> str:
    """What the page shows of one task."""
    assert f'id="task-{task_id}"' in page
    return unescape(page.split(f'id="task-{task_id}"')[1].split("</details>", maxsplit=1)[0])


# --- who may ---


def test_every_page_and_form_asks_for_a_session(program: Program, number: str, item: str) -> None:
    pages = ("tasks", "improvements", f"improvements/{item}", f"tickets/{number}/survey")
    forms = (
        "tasks/1/phone",
        "tasks/1/done",
        "improvements",
        *(f"improvements/{item}/{what}" for what in ("assign", "measures", "close")),
        f"tickets/{number}/survey",
    )
    with httpx.Client(base_url=program.url, trust_env=False) as http:
        answers = [http.get(f"/admin/{one}") for one in pages]
        answers += [http.post(f"/admin/{one}", data={"csrf": "x"}) for one in forms]
    assert {(one.status_code, one.headers["location"]) for one in answers} == {(303, "/admin/login")}


def test_who_only_reads_sees_items_and_changes_nothing(
    program: Program, reader: StaffMember, number: str, item: str
) -> None:
    task = must_call(program, number)
    page = reader.http.get("/admin/improvements").text
    assert item in page
    assert "登记改进项" not in page
    page = reader.http.get(f"/admin/improvements/{item}").text
    assert f"{number} 的报告有误" in page
    assert page.count("<form") == 1, "log out alone"
    assert reader.http.get("/admin/tasks").status_code == 403
    assert reader.http.get(f"/admin/tickets/{number}/survey").status_code == 403
    for path, data in (
        (f"tasks/{task}/phone", {}),
        (f"tasks/{task}/done", {"result": "无人接听"}),
        ("improvements", {"ticket": number, "problem": "甲"}),
        (f"improvements/{item}/assign", {"owner": "主任", "due_on": "2099-01-01"}),
        (f"improvements/{item}/measures", {"text": "甲"}),
        (f"improvements/{item}/close", {"text": "甲"}),
        (f"tickets/{number}/survey", {"overall": "satisfied"}),
    ):
        answer = post(reader, path, **data)
        assert (answer.status_code, PHONE in answer.text) == (403, False), path
    assert len(lines(program, item)) == 1


def test_forms_from_elsewhere_change_nothing(
    program: Program, head: StaffMember, number: str, item: str
) -> None:
    task = must_call(program, number)
    for path, data in (
        (f"tasks/{task}/phone", {}),
        (f"tasks/{task}/done", {"result": "无人接听"}),
        ("improvements", {"ticket": number, "problem": "甲"}),
        (f"improvements/{item}/assign", {"owner": "主任", "due_on": "2099-01-01"}),
        (f"improvements/{item}/measures", {"text": "甲"}),
        (f"improvements/{item}/close", {"text": "甲"}),
        (f"tickets/{number}/survey", {"overall": "satisfied"}),
    ):
        answer = post(head, path, csrf="guess", **data)
        assert (answer.status_code, "页面已过期" in answer.text, PHONE in answer.text) == (
            403,
            True,
            False,
        ), path
    assert len(lines(program, item)) == 1
    with program.ctx.read() as session:
        found = improvements.task_of(session, task)
        assert found is not None
        assert found.done_at is None


def lines(program: Program, item: str) -> list[tuple[str, str]]:
    with program.ctx.read() as session:
        found = improvements.improvement_numbered(session, item)
        assert found is not None
        return [(one.what, one.note) for one in improvements.events_of(session, found.id)]


# --- tasks ---


def test_the_phone_number_is_masked_until_somebody_asks_and_that_is_audited(
    program: Program, li: StaffMember, number: str
) -> None:
    task = must_call(program, number)
    shown = card(li.http.get("/admin/tasks").text, task)
    assert (PHONE in shown, MASKED in shown, "查看电话" in shown) == (False, True, True)
    answer = post(li, f"tasks/{task}/phone")
    assert answer.headers["cache-control"] == "no-store"
    assert f'href="tel:{PHONE}"' in card(answer.text, task)
    assert answer.text.count(PHONE) == 2, "the number and its link, of this task alone"
    assert PHONE not in li.http.get("/admin/tasks").text
    with program.ctx.read() as session:
        query = sa.select(AuditLine).where(AuditLine.what == "see-phone", AuditLine.subject == number)
        assert [one.actor for one in session.scalars(query)] == ["小李"]


def test_a_call_in_vain_needs_words_and_keeps_what_was_typed(
    program: Program, li: StaffMember, number: str
) -> None:
    task = must_call(program, number)
    answer = post(li, f"tasks/{task}/done", called_at="2026-01-02T10:00", result="  ")
    assert (answer.status_code, alert(answer)) == (400, "请写明办理结果。")
    assert 'value="2026-01-02T10:00"' in card(answer.text, task)
    for at, why in (("2099-01-01T10:00", "不能晚于现在"), ("昨天", "请按"), ("0001-01-01T00:00", "请按")):
        answer = post(li, f"tasks/{task}/done", called_at=at, result="<b>无人接听</b>")
        assert (answer.status_code, why in alert(answer)) == (400, True), at
        assert "&lt;b&gt;无人接听&lt;/b&gt;</textarea>" in answer.text
    answer = post(li, f"tasks/{task}/done", called_at="2026-01-02T10:00", result="无人接听")
    assert answer.status_code == 200
    assert f'id="task-{task}"' not in answer.text
    assert "结果：2026-01-02 10:00 致电：无人接听" in answer.text
    again = post(li, f"tasks/{task}/done", result="再来一次")
    assert (again.status_code, "已由小李" in alert(again)) == (409, True)
    assert post(li, "tasks/999999/done", result="甲").status_code == 404


def test_a_late_task_is_marked_and_a_call_leads_to_the_form(
    program: Program, li: StaffMember, number: str
) -> None:
    late, other = must_call(program, number, hours=-1), must_call(program, number, kind="tell")
    page = li.http.get("/admin/tasks").text
    link = f"/admin/tickets/{number}/survey?source=phone"
    assert [(one in card(page, late), one in card(page, other)) for one in ("逾期", link)] == [
        (True, False)
    ] * 2


# --- improvement items ---


def test_a_problem_becomes_an_item_that_is_assigned_worked_on_and_reviewed(
    program: Program, li: StaffMember, head: StaffMember, number: str
) -> None:
    answer = post(li, "improvements", ticket=f" {number.lower()} ", problem="报告交付前没有核对")
    assert answer.status_code == 200
    made = answer.url.path.rsplit("/", 1)[1]
    assert re.fullmatch(r"NQI-I-\d{4}-\d{6}", made)
    assert "请负责人指定责任人" in answer.text
    assert f'action="/admin/improvements/{made}/assign"' not in answer.text, "the head's alone"
    assert post(li, f"improvements/{made}/assign", owner="小李", due_on="2099-01-01").status_code == 403
    due = (china_date(program.ctx.clock.now()) + timedelta(days=30)).isoformat()
    page = unescape(post(head, f"improvements/{made}/assign", owner="小李", due_on=due).text)
    assert "未指定 → 小李" in page
    assert f"<dd>{due}</dd>" in page
    assert made in li.http.get("/admin/tasks").text, "stands among one's own"
    page = post(li, f"improvements/{made}/measures", text="<i>已培训</i>").text
    assert "&lt;i&gt;已培训&lt;/i&gt;" in page
    assert "审核办结</button>" not in page
    refused = post(li, f"improvements/{made}/close", text="自己办结")
    assert (refused.status_code, "另一位同事" in alert(refused)) == (403, True)
    page = post(head, f"improvements/{made}/close", text="回访满意").text
    assert "已办结" in page
    assert "<dt>审核人</dt><dd>主任</dd>" in page
    assert page.count("<form") == 1, "log out alone"
    assert [what for what, _ in lines(program, made)] == ["opened", "owner", "due", "measure", "closed"]
    assert made in li.http.get("/admin/improvements?show=done").text
    assert made not in li.http.get("/admin/improvements").text


@pytest.mark.parametrize(
    ("ticket", "problem", "why"),
    [("NQI-2026-999999", "甲", "没有这件申请"), ("", "甲", "没有这件申请"), ("own", " ", "请写明存在的问题")],
)
def test_what_cannot_be_registered_is_said_and_kept(
    li: StaffMember, number: str, ticket: str, problem: str, why: str
) -> None:
    named = number if ticket == "own" else ticket
    answer = post(li, "improvements", ticket=named, problem=problem)
    assert (answer.status_code in (400, 404), why in alert(answer)) == (True, True)
    assert f'name="ticket" value="{named}"' in answer.text
    assert f"required>{problem}</textarea>" in answer.text


def test_a_refused_assignment_keeps_what_was_chosen(head: StaffMember, li: StaffMember, item: str) -> None:
    for due, why in (("2020-01-01", "完成期限请填"), ("soon", "日期请按")):
        answer = post(head, f"improvements/{item}/assign", owner=li.name, due_on=due)
        assert (answer.status_code, why in alert(answer)) == (400, True), due
        assert f"<option selected>{li.name}</option>" in answer.text
        assert f'name="due_on" value="{due}"' in answer.text
    answer = post(head, f"improvements/{item}/assign", owner="评价方", due_on="2099-01-01")
    assert "<option>评价方" not in answer.text, "not offered"
    assert post(head, f"improvements/{item}/measures", text=" ").status_code == 400
    assert post(head, f"improvements/{item}/close", text="没有责任人").status_code == 400


def test_overdue_items_are_marked_and_filtered(
    program: Program, li: StaffMember, item: str, number: str
) -> None:
    assert item not in li.http.get("/admin/improvements?show=overdue").text
    with program.ctx.transaction() as tx:
        row = improvements.lock_improvement(tx.connection, item)
        assert row is not None
        improvements.set_values(tx.connection, row.id, due_on=date(2026, 1, 5))
    for path in ("improvements?show=overdue", "improvements", f"improvements/{item}"):
        assert '<b class="mark bad">逾期</b>' in li.http.get(f"/admin/{path}").text.split(item, 1)[1], path


@pytest.mark.parametrize(
    "query", ["show=<script>", "show=done&below=x", "show=done&below=99999999999999999", "ticket=<b>"]
)
def test_strange_queries_show_a_list(li: StaffMember, query: str) -> None:
    answer = li.http.get(f"/admin/improvements?{query}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert 'value="<b>"' not in answer.text


def test_items_and_tickets_that_are_not_there(li: StaffMember) -> None:
    for path in ("improvements/NQI-I-2026-999999", "tickets/NQI-2026-999999/survey"):
        assert li.http.get(f"/admin/{path}").status_code == 404, path


# --- surveys on paper or by telephone ---


def test_the_form_is_annex_c(li: StaffMember, finished: str) -> None:
    page = unescape(li.http.get(f"/admin/tickets/{finished}/survey").text)
    shown = [page.index(question(item)) for item in Item]
    assert shown == sorted(shown)
    for item in Item:
        part = page.split(question(item))[1].split("</fieldset>")[0]
        assert re.findall(r">([^<>\s]+)</label>", part) == [label(one) for one in options(item)]
    assert "服务质量满意度评价表" in page
    assert "您的意见或建议" in page
    assert PHONE not in page


def test_answers_by_telephone_are_entered_and_a_correction_overwrites_nothing(
    program: Program, li: StaffMember, head: StaffMember, finished: str
) -> None:
    must_call(program, finished)
    said = {"source": "phone", "timeliness": "satisfied", "solved": "yes", "note": "<b>希望再快些</b>"}
    answer = li.http.post(f"/admin/tickets/{finished}/survey", data={"csrf": csrf(li), **said})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/admin/tickets/{finished}#surveys"
    post(head, f"tickets/{finished}/survey", source="paper", timeliness="fair")
    with program.ctx.read() as session:
        ticket = tickets.ticket_numbered(session, finished)
        assert ticket is not None
        survey = surveys.last_survey(session, ticket.id)
        assert survey is not None
        versions = surveys.answers_of(session, survey.id)
    assert [(one.source, one.by, one.answers, one.note) for one in versions] == [
        ("phone", "小李", [["timeliness", "satisfied"], ["solved", "yes"]], "<b>希望再快些</b>"),
        ("paper", "主任", [["timeliness", "fair"]], None),
    ]
    raw = li.http.get(f"/admin/tickets/{finished}/survey").text
    assert "<b>希望再快些</b>" not in raw
    history = unescape(raw).split('id="surveys"')[1]
    for words in ("第 1 次", "电话", "纸质", "小李", "主任", "一般", "<b>希望再快些</b>"):
        assert words in history, words


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"overall": "yes"}, "评价等级与评价内容不符"),
        ({"overall": "satisfied", "answered_at": "2099-01-01T10:00"}, "现在"),
        ({"overall": "satisfied", "answered_at": "2020-01-01T10:00"}, ""),
        ({"overall": "satisfied", "answered_at": "昨天"}, "时间请按"),
    ],
)
def test_a_refused_entry_keeps_what_was_ticked(
    li: StaffMember, finished: str, given: dict[str, str], why: str
) -> None:
    answer = post(
        li, f"tickets/{finished}/survey", source="paper", expertise="fair", note="<b>意见</b>", **given
    )
    assert 400 <= answer.status_code < 500
    assert alert(answer)
    assert why in alert(answer)
    for name, value in (("source", "paper"), ("expertise", "fair")):
        assert f'name="{name}" value="{value}" checked' in answer.text
    assert "&lt;b&gt;意见&lt;/b&gt;</textarea>" in answer.text


def test_nothing_is_entered_before_the_service_has_ended(li: StaffMember, number: str) -> None:
    page = li.http.get(f"/admin/tickets/{number}/survey").text
    assert "还没有办结" in page
    assert 'class="annex"' not in page
    answer = post(li, f"tickets/{number}/survey", overall="satisfied")
    assert 400 <= answer.status_code < 500
    assert alert(answer)
