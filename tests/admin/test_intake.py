"""Needs entered by staff and visits, in the browser: nothing typed is lost, nothing is opened twice unasked."""

import re
from collections.abc import Iterator
from html import unescape
from itertools import count

import httpx
import pytest

from bot.app import Program
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from bot.store import tickets
from bot.store.tickets import Ticket
from intents.categories import Category
from tests.staff import StaffMember

_HIDDEN = re.compile(r'name="(csrf|key|shown)" value="([^"]*)"')
_serials = count(1)
NEED = {
    "kind": "need",
    "source": "phone",
    "person": "王经理",
    "content": "三台天平要校准",
    "category": "",
    "urgency": "",
    "started_at": "",
    "visit": "",
}
VISIT = {"visited_on": "2026-11-20", "visitors": "小李", "findings": "天平一年没有校准"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("intake"), simulator=True, log_level="error")
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李", Role.STAFF) as found:
        yield found


def opens(member: StaffMember, address: str = "/admin/intake") -> dict[str, str]:
    """The hidden fields of a page's form."""
    answer = member.http.get(address)
    assert answer.status_code == 200, answer.text
    return dict(_HIDDEN.findall(answer.text))


def firm() -> dict[str, str]:
    """Somebody who has never asked for anything."""
    serial = next(_serials)
    return {"applicant": f"示例第{serial}公司", "phone": f"139{serial:08d}"}


def posts(member: StaffMember, data: dict[str, str], *, form: dict[str, str] | None = None) -> httpx.Response:
    return member.http.post("/admin/intake", data={**(form or opens(member)), **NEED, **data})


def number_at(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/admin/tickets/")


def ticket(program: Program, number: str) -> Ticket:
    with program.ctx.read() as session:
        found = tickets.ticket_numbered(session, number)
        assert found is not None
        return found


def count_of(program: Program) -> int:
    with program.ctx.read() as session:
        return sum(tickets.count_tickets(session).values())


def visits(member: StaffMember, **data: str) -> str:
    """Write a visit down; gives its number."""
    form = opens(member, "/admin/visits")
    answer = member.http.post("/admin/visits", data={**form, **VISIT, **data})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].removeprefix("/admin/visits/")


def test_a_need_is_entered_and_its_page_follows(program: Program, li: StaffMember) -> None:
    data = firm()
    found = ticket(program, number_at(posts(li, {**data, "source": "walk-in", "urgency": "urgent"})))
    assert (found.recorder, found.channel, found.urgency) == ("小李", "walk-in", "urgent")
    assert found.category == Category.METROLOGY, "suggested by the content"
    page = li.sees(found.number)
    assert data["applicant"] in page
    assert "<dt>记录人</dt><dd>小李</dd>" in page
    assert "三台天平要校准" in li.http.get(f"/admin/console/{found.conversation_id}").text


def test_the_form_begins_now_in_chinas_time_and_offers_all_of_annex_b(li: StaffMember) -> None:
    page = li.http.get("/admin/intake").text
    assert re.search(r'name="started_at" value="\d{4}-\d\d-\d\dT\d\d:\d\d"', page)
    places = [page.index(f">{category.label}<") for category in Category]
    assert places == sorted(places)
    for label in ("电话", "邮件", "现场", "走访"):
        assert f">{label}</option>" in page
    assert "门户网站" not in page


def test_a_refusal_keeps_every_word_and_stands_beside_its_field(program: Program, li: StaffMember) -> None:
    before, form = count_of(program), opens(li)
    typed = {
        "applicant": "示例<甜水>公司",
        "phone": "1380000",
        "content": "<b>检测</b>一批矿泉水",
        "category": "testing",
        "urgency": "green",
        "source": "email",
    }
    answer = posts(li, {**typed, "person": "", "started_at": "2026-11-20T09:30"}, form=form)
    assert answer.status_code == 400
    assert count_of(program) == before
    page = unescape(answer.text)
    assert page.count('class="problem" id=') == 2
    for field in ("person", "phone"):
        assert re.search(rf'name="{field}"[^>]*aria-invalid="true" aria-describedby="wrong-{field}"', page)
    for words in (
        'value="示例<甜水>公司"',
        'value="1380000"',
        "<b>检测</b>一批矿泉水</textarea>",
        "有 2 处要改",
    ):
        assert words in page
    for choice in ("testing", "green", "email"):
        assert f'<option value="{choice}" selected>' in page
    assert 'value="2026-11-20T09:30"' in page
    assert "<b>检测" not in answer.text, "escaped"
    assert dict(_HIDDEN.findall(answer.text)) == form, "the page keeps its key"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"started_at": "2099-01-01T10:00"}, "不能晚于现在"),
        ({"source": "visit"}, "请填写走访编号"),
        ({"source": "visit", "visit": "NQI-V-2026-999999"}, "没有这个走访编号"),
        ({"source": "portal"}, "请选择来源"),
        ({"kind": "x"}, "请选择需求、投诉或建议"),
    ],
)
def test_what_cannot_be_is_said_in_words(li: StaffMember, data: dict[str, str], message: str) -> None:
    answer = posts(li, {**firm(), **data})
    assert (answer.status_code, message in answer.text) == (400, True)


def test_a_second_request_needs_a_second_press(program: Program, li: StaffMember) -> None:
    data, form = firm(), opens(li)
    first = number_at(posts(li, data, form=form))
    form = opens(li)
    again = {**data, "content": "天平校准，一共三台"}
    shown = posts(li, again, form=form)
    assert (shown.status_code, ticket(program, first).state) == (409, "registered")
    assert f'<a href="/admin/tickets/{first}">{first}</a>' in shown.text
    assert "天平校准，一共三台</textarea>" in shown.text
    buttons = re.findall(r"<button[^>]*>([^<]+)</button>", shown.text.split('class="intake"')[1])
    assert buttons == ["重新检查", "仍然登记"], "Enter presses the first"
    assert posts(li, again, form=form).status_code == 409, "sent again without the press"
    hidden = dict(_HIDDEN.findall(shown.text))
    assert hidden["shown"] == first
    second = number_at(posts(li, again, form=hidden))
    assert second != first
    assert number_at(posts(li, again, form=hidden)) == second, "pressed twice"


def test_a_complaint_needs_its_content_alone(program: Program, li: StaffMember) -> None:
    content = f"检测机构迟迟不出报告，第{next(_serials)}次来电"
    nobody = {"applicant": "", "person": "", "phone": ""}
    found = ticket(program, number_at(posts(li, {**nobody, "kind": "complaint", "content": content})))
    assert (found.kind, found.number[:6]) == ("complaint", "NQI-C-")


def test_a_visit_leads_to_needs(program: Program, li: StaffMember) -> None:
    data = firm()
    number = visits(li, enterprise=data["applicant"], person="王经理", phone=data["phone"])
    page = li.http.get(f"/admin/visits/{number}").text
    assert f"<dd>{data['phone']}</dd>" in page
    assert f'href="/admin/intake?visit={number}"' in page
    form = li.http.get(f"/admin/intake?visit={number}").text
    assert '<option value="visit" selected>' in form
    for value in (number, data["applicant"], "王经理", data["phone"]):
        assert f'value="{value}"' in form
    need = number_at(posts(li, {**data, "source": "visit", "visit": number}))
    assert ticket(program, need).visit == number
    assert f'<a href="/admin/tickets/{need}">{need}</a>' in li.http.get(f"/admin/visits/{number}").text
    row = li.http.get("/admin/visits").text.split(f"/admin/visits/{number}")[1].split("</li>")[0]
    assert "已登记 1 件" in row


def test_a_refused_visit_keeps_every_word(li: StaffMember) -> None:
    form = opens(li, "/admin/visits")
    data = {**VISIT, "enterprise": "示例甜水", "visited_on": "2099-01-01", "findings": "<i>很多</i>"}
    answer = li.http.post("/admin/visits", data={**form, **data})
    assert answer.status_code == 400
    page = unescape(answer.text)
    for words in (
        "不能晚于今天",
        'value="2099-01-01"',
        'value="示例甜水"',
        "<i>很多</i></textarea>",
        " open>",
    ):
        assert words in page


def test_older_visits_stand_on_the_next_page(li: StaffMember) -> None:
    numbers = [visits(li, enterprise=firm()["applicant"]) for _ in range(51)]
    page = li.http.get("/admin/visits").text
    assert numbers[0] not in page
    older = re.search(r'href="(/admin/visits\?before=\d+)"', page)
    assert older
    assert numbers[0] in li.http.get(older[1]).text


@pytest.mark.parametrize(
    "address", ["/admin/visits/NQI-V-2020-000001", "/admin/intake?visit=NQI-V-2020-000001"]
)
def test_a_visit_that_is_not_there_is_said_so(li: StaffMember, address: str) -> None:
    answer = li.http.get(address)
    assert (answer.status_code, "没有这个走访编号" in answer.text) == (404, True)


def test_who_only_reads_sees_visits_without_phones_and_enters_nothing(
    program: Program, li: StaffMember
) -> None:
    number = visits(li, enterprise=firm()["applicant"], phone="13800000000")
    with StaffMember(program, "小评", Role.EVALUATOR) as reader:
        page = reader.http.get(f"/admin/visits/{number}").text
        assert "138****0000" in page
        assert "13800000000" not in page
        assert "登记需求" not in page
        assert 'method="post" action="/admin/visits"' not in reader.http.get("/admin/visits").text
        assert reader.http.get("/admin/intake").status_code == 403
        form = {"csrf": opens(reader, "/admin/password")["csrf"]}
        for path, data in (("intake", NEED), ("visits", VISIT)):
            assert reader.http.post(f"/admin/{path}", data={**form, **data}).status_code == 403


def test_forms_from_elsewhere_and_strangers_are_refused(program: Program, li: StaffMember) -> None:
    before = count_of(program)
    for path, data in (("intake", {**NEED, **firm()}), ("visits", {**VISIT, "enterprise": "示例甜水"})):
        forged = li.http.post(f"/admin/{path}", data={**data, "csrf": "guess"})
        assert (forged.status_code, "页面已过期" in forged.text) == (403, True)
        stranger = httpx.post(f"{program.url}/admin/{path}", data={**data, "csrf": "x"}, trust_env=False)
        assert (stranger.status_code, stranger.headers["location"]) == (303, "/admin/login")
    assert count_of(program) == before
