"""The enterprise's page of Annex C: the form word for word, for whoever holds the link, safe against what they send."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

import httpx
import pytest

from bot.actions.courses import take_step
from bot.actions.links import survey_link
from bot.actions.surveys import surveys_of
from bot.actions.tickets import _open_ticket
from bot.app import Program
from bot.core.permissions import Actor, Role
from bot.core.surveys import Item, Rating, Survey
from bot.core.ticket_states import Move, TicketKind
from bot.core.tickets import version
from bot.core.turns import Form
from bot.store import conversations, courses, tickets

LI = Actor(1, "小李", Role.OPERATOR)
ALL = {item.value: "yes" if item is Item.SOLVED else "satisfied" for item in Item}


@dataclass(slots=True)
class Visitor:
    """Somebody with the link to the survey of a service that has ended, and no account."""

    program: Program
    http: httpx.Client
    number: str
    path: str

    def sees(self) -> str:
        answer = self.http.get(self.path)
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)

    def sends(self, **data: str) -> httpx.Response:
        return self.http.post(self.path, data=data, follow_redirects=True)

    def survey(self) -> Survey:
        with self.program.ctx.read() as session:
            found = tickets.ticket_numbered(session, self.number)
            assert found is not None
            return surveys_of(session, found.id)[-1].survey


@pytest.fixture
def visitor(program: Program, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    ctx = program.ctx
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", f"public-{request.node.name}", now=tx.now)
        form = Form(TicketKind.NEED, content="检测一批矿泉水", person="王经理", phone="13800000000")
        number = _open_ticket(tx, talk, form, channel="wechat-official").number
    for wanted in (Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START, Move.FINISH):
        with ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
            assert row is not None
            seen = version(courses.course_of(row, tickets.events_of(session, row.id)))
        take_step(
            ctx, number, wanted, actor=LI, seen=seen, plan=("testing",) if wanted is Move.ASSESS else ()
        )
    with ctx.read() as session:
        found = tickets.ticket_numbered(session, number)
        assert found is not None
        link = survey_link(ctx, surveys_of(session, found.id)[-1].id)
    with httpx.Client(base_url=program.url, trust_env=False) as http:
        yield Visitor(program, http, number, link.removeprefix(program.url))


def test_the_page_is_the_form_of_annex_c_and_names_nobody(visitor: Visitor) -> None:
    page = visitor.sees()
    for words in (
        "服务质量满意度评价表",
        "您对本次服务反馈及时性的满意度",
        "您对本次服务的专业性的满意度",
        "您对本次服务的文明性的满意度",
        "您对本次服务的总体评价",
        "您的问题是否得到了解决",
        "您的意见或建议：",
        visitor.number,
    ):
        assert words in page
    ratings = ("非常满意", "满意", "一般", "不满意", "是", "否")
    assert [page.count(f">{rating}</label>") for rating in ratings] == [4, 4, 4, 4, 1, 1]
    assert not any(word in page for word in ("王经理", "13800000000", "矿泉水"))


def test_the_page_runs_no_script_and_sends_its_address_nowhere(visitor: Visitor) -> None:
    headers = visitor.http.get(visitor.path).headers
    assert "script-src" not in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert "set-cookie" not in headers


def test_partial_answers_are_kept_shown_and_corrected(visitor: Visitor) -> None:
    answer = visitor.sends(timeliness="fair", note="<b>快一点</b>")
    assert answer.history[0].status_code == 303
    assert "已收到" in answer.text
    assert "还有没填的项目" in answer.text
    assert "&lt;b&gt;快一点&lt;/b&gt;" in answer.text, "what was typed stays text"
    assert 'value="fair" checked' in answer.text
    page = visitor.sends(**{**ALL, "note": "<b>快一点</b>"}).text
    assert "需要更正的" in page
    assert visitor.survey().answers[Item.TIMELINESS] is Rating.SATISFIED
    assert len(visitor.survey().versions) == 2


def test_a_form_sent_twice_is_one_answer(visitor: Visitor) -> None:
    visitor.sends(**ALL)
    visitor.sends(**ALL)
    assert len(visitor.survey().versions) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "请至少选择一项"),
        ({"timeliness": "yes"}, "请从每一项给出的等级中选择"),
        ({"solved": "magic"}, "请从每一项给出的等级中选择"),
        ({"timeliness": "fair", "note": "长" * 9000}, "1000 字以内"),
    ],
)
def test_a_refusal_keeps_what_was_typed(visitor: Visitor, data: dict[str, str], words: str) -> None:
    answer = visitor.sends(**data)
    assert (answer.status_code, words in answer.text) == (400, True)
    assert data.get("note", "") in answer.text
    assert ('value="fair" checked' in answer.text) == (data.get("timeliness") == "fair")
    assert visitor.survey().versions == ()


@pytest.mark.parametrize("end", ["x", "%00", "%EF%BF%BD", "1.2.3"])
def test_a_link_that_is_none_says_what_to_do(visitor: Visitor, end: str) -> None:
    for path in (f"/s/{end}", visitor.path[:-3]):
        for answer in (visitor.http.get(path), visitor.http.post(path, data=ALL)):
            assert answer.status_code == 404
        assert "联系服务平台" in visitor.http.get(visitor.path[:-3]).text
    assert "0898-66660000" in visitor.http.get(visitor.path[:-3]).text
