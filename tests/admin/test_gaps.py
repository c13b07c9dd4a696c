"""Unanswered questions and corrections in the browser: seen together, settled by who may, told once."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa

from bot.actions.proposals import propose
from bot.app import Program
from bot.core.permissions import Actor, Role
from bot.serving import running
from bot.settings import Settings
from bot.store.conversations import Message
from intents.categories import Category
from tests.people import Enterprise
from tests.staff import StaffMember

LIST = "/admin/knowledge/gaps"
# Nothing of ours, and each of another kind: every test takes the next.
WORDS = iter(
    (
        "火星旅行怎么报名",
        "吉他弹唱跟谁学",
        "猫咪多大能打疫苗",
        "婚纱照一般拍几套",
        "麻将胡牌怎么算番",
        "广场舞音响放多响",
        "游泳馆周末挤不挤",
        "陨石砸到车谁来赔",
        "星座运势准不准",
    )
)
CHEN = Actor(99, "小陈", Role.STAFF)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("gaps"), simulator=True, log_level="error")
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李", Role.MAINTAINER) as found:
        yield found


@pytest.fixture
def asked(program: Program, request: pytest.FixtureRequest) -> str:
    """Words that nobody else asks, written by two people; one of them leaves a number that is nobody's business."""
    words = next(WORDS)
    for number, text in enumerate((words, f"电话13800000000，{words}")):
        with Enterprise(program, f"{request.node.name}-{number}"[:60]) as person:
            person.says(text)
    return words


def look(who: StaffMember, address: str) -> str:
    answer = who.http.get(address)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def gap_of(who: StaffMember, words: str) -> tuple[str, dict[str, str]]:
    """The address of the gap that holds these words, and what its forms carry."""
    place = next(part for part in look(who, f"{LIST}?days=7").split('<article class="gap">') if words in part)
    address = re.findall(r'href="(/admin/knowledge/gaps/\d+)\?days=7"', place)[0]
    page = look(who, address)
    fields = dict(re.findall(r'name="(csrf|ids|message)" value="([^"]*)"', page))
    return address, fields


def test_a_gap_shows_how_often_by_whom_and_no_personal_data(li: StaffMember, asked: str) -> None:
    address, fields = gap_of(li, asked)
    page = look(li, address)
    assert "2 人问了 2 次" in page
    assert "被当作无关 2 次" in page
    assert len(fields["ids"].split(",")) == 2
    assert "13800000000" not in page + look(li, LIST)
    assert len(re.findall(r'href="/admin/console/\d+#m\d+"', page)) == 2


def test_out_of_scope_leaves_the_list_and_comes_back(li: StaffMember, asked: str) -> None:
    address, fields = gap_of(li, asked)
    page = unescape(li.http.post(f"{address}/oos", data=fields, follow_redirects=True).text)
    assert "已记为不属于服务范围" in page
    assert li.http.get(address).status_code == 404
    again = li.http.post(f"{address}/oos", data=fields)
    assert (again.status_code, "已经处理过" in again.text) == (409, True)
    deed = page.split("最近的处理")[1].split("</form>")[0]
    back = dict(re.findall(r'name="(by|at|csrf)" value="([^"]*)"', deed))
    assert "已放回列表" in li.http.post("/admin/knowledge/deeds", data=back, follow_redirects=True).text
    assert gap_of(li, asked)[1]["ids"] == fields["ids"]


def test_a_new_entry_begins_with_the_questions(li: StaffMember, asked: str) -> None:
    address, fields = gap_of(li, asked)
    answer = li.http.post(f"{address}/entry", data={**fields, "texts": [asked], "category": "policy"})
    target = urlsplit(answer.headers["location"])
    assert (answer.status_code, target.path) == (303, "/admin/knowledge/new")
    assert parse_qs(target.query) == {"from": ["gaps"], "question": [asked], "category": ["policy"]}


def test_similar_questions_go_into_a_draft_and_a_wrong_number_keeps_what_was_chosen(
    li: StaffMember, asked: str
) -> None:
    address, fields = gap_of(li, asked)
    answer = li.http.post(f"{address}/question", data={**fields, "texts": [asked], "entry": "xyz-1"})
    page = unescape(answer.text)
    assert (answer.status_code, "没有这个条目" in page) == (404, True)
    assert 'value="xyz-1"'.upper() in page.upper()
    assert page.count(" checked") == 1
    answer = li.http.post(f"{address}/question", data={**fields, "texts": [asked], "entry": "pol-12"})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/admin/knowledge/POL-12")


def test_a_request_is_opened_for_an_asker(li: StaffMember, asked: str) -> None:
    address, fields = gap_of(li, asked)
    answer = li.http.post(f"{address}/ticket", data=fields)
    assert re.fullmatch(r"/admin/tickets/NQI-\d{4}-\d{6}", answer.headers["location"])
    assert asked in li.sees(answer.headers["location"].rsplit("/", 1)[1])


def test_markup_in_a_question_is_shown_as_text(program: Program, li: StaffMember) -> None:
    with Enterprise(program, "markup") as person:
        person.says("<script>alert(1)</script>双软<b>认定</b>")
    page = li.http.get(f"{LIST}?days=7").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_another_site_and_another_role_change_nothing(program: Program, li: StaffMember, asked: str) -> None:
    address, fields = gap_of(li, asked)
    forged = {**fields, "csrf": "forged"}
    posts = (f"{address}/oos", "/admin/knowledge/askers", "/admin/knowledge/proposals/1/accept")
    assert [li.http.post(one, data={**forged, "why": "x"}).status_code for one in posts] == [403] * 3
    with StaffMember(program, "小周", Role.STAFF) as other:
        seen = [other.http.get(one).status_code for one in (LIST, address, "/admin/knowledge/proposals")]
        assert seen == [403] * 3
        assert other.http.post(f"{address}/oos", data=fields).status_code == 403
    assert httpx.get(f"{program.url}{LIST}", trust_env=False).status_code == 303
    assert gap_of(li, asked)[1]["ids"] == fields["ids"]


@pytest.mark.parametrize("query", ["days=0", "days=9999", "skip=-1", "days=x"])
def test_an_odd_address_is_refused(li: StaffMember, query: str) -> None:
    assert li.http.get(f"{LIST}?{query}").status_code == 422


# --- corrections ---


def message_of(program: Program, words: str) -> int:
    with program.ctx.read() as session:
        query = sa.select(sa.func.max(Message.id)).where(Message.text == words, Message.is_inbound)
        return session.execute(query).scalar_one()


def test_a_correction_is_accepted_or_rejected_with_a_reason(
    program: Program, li: StaffMember, asked: str
) -> None:
    message = message_of(program, asked)
    one = propose(program.ctx, actor=CHEN, message_id=message, kind="category", after="policy", note="政策类")
    page = look(li, "/admin/knowledge/proposals")
    mine = page.split(f'id="p{one}"')[1].split("</article>")[0]
    assert f"不属于服务范围 → <b>{Category.POLICY.label}</b>" in mine
    assert "政策类" in mine
    csrf = re.findall(r'name="csrf" value="([^"]*)"', mine)[0]
    refused = li.http.post(f"/admin/knowledge/proposals/{one}/reject", data={"csrf": csrf, "why": " "})
    assert (refused.status_code, "不采纳的原因" in refused.text) == (400, True)
    li.http.post(f"/admin/knowledge/proposals/{one}/accept", data={"csrf": csrf})
    assert f'id="p{one}"' in look(li, "/admin/knowledge/proposals?show=accepted")
    assert (
        li.http.post(
            f"/admin/knowledge/proposals/{one}/reject", data={"csrf": csrf, "why": "晚了"}
        ).status_code
        == 409
    )
    lines = li.http.get("/admin/knowledge/proposals/corrections.tsv")
    assert lines.headers["content-type"].startswith("text/plain")
    assert f"policy\t{asked}\t\tstaff\t" in lines.text
