"""The staff console: the inbox, one conversation, what is said in it, and the stream that keeps both live."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from html import unescape
from queue import Empty, Queue
from threading import Thread
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from admin.console_events import CLOSING
from bot.actions import takeover
from bot.app import Program
from bot.core.permissions import Actor, Role
from bot.serving import running
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.base import insert_row
from bot.store.console import CannedReply
from bot.store.conversations import Conversation, Message
from bot.store.gaps import Proposal
from bot.store.people import Contact, Staff
from tests.conftest import always_open
from tests.people import Enterprise
from tests.staff import StaffMember

_CSRF = re.compile(r'name="csrf" value="([^"]*)"')
_LINE = re.compile(r'<li id="m(\d+)" data-id="\d+" class="line (\w+)">(.*?)</li>', re.S)
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("console"), simulator=True, log_level="error")
    with running(settings) as found:
        always_open(found)
        yield found
        # Streams end by themselves, so that the server need not wait for them.
        found.ctx.kept[CLOSING] = True
        assert found.ctx.hub is not None
        found.ctx.hub.publish(CLOSING)


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李", Role.STAFF) as found:
        yield found


@pytest.fixture(scope="module")
def chen(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小陈", Role.STAFF) as found:
        yield found


@pytest.fixture
def person(program: Program, request: pytest.FixtureRequest) -> Iterator[Enterprise]:
    with Enterprise(program, f"console-{request.node.name}"[:60]) as found:
        yield found


def actor_of(staff: StaffMember) -> Actor:
    with staff.program.ctx.read() as session:
        row = session.execute(sa.select(Staff.id, Staff.role).where(Staff.name == staff.name)).one()
    return Actor(row.id, staff.name, Role(row.role))


def talk_of(person: Enterprise) -> int:
    with person.program.ctx.read() as session:
        query = sa.select(Conversation.id).join(Contact, Contact.id == Conversation.contact_id)
        return session.execute(query.where(Contact.openid == person.openid)).scalar_one()


def sees(staff: StaffMember, path: str) -> str:
    answer = staff.http.get(f"/admin/console{path}")
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def posts(staff: StaffMember, talk: int, what: str, **values: str) -> httpx.Response:
    csrf = _CSRF.findall(sees(staff, f"/{talk}"))[0]
    return staff.http.post(f"/admin/console/{talk}/{what}", data={"csrf": csrf, **values})


def claims(staff: StaffMember, talk: int) -> None:
    assert posts(staff, talk, "claim").status_code == 303


def lines(page: str) -> list[tuple[int, str, str]]:
    """The messages of a page or fragment: id, whose, markup."""
    return [(int(number), side, text) for number, side, text in _LINE.findall(page)]


def in_list(page: str, talk: int) -> str:
    """The entry of a conversation in the list; empty where it does not stand there."""
    found = re.search(rf'<a href="/admin/console/{talk}\?.*?</a>', page, re.S)
    return found[0] if found else ""


# --- the inbox ---


def test_who_asked_for_staff_waits_in_the_queue_until_somebody_takes_it(
    program: Program, li: StaffMember, chen: StaffMember, person: Enterprise
) -> None:
    person.says("电梯检测找谁")
    talk = talk_of(person)
    assert in_list(sees(li, "?tab=bot"), talk)
    with program.ctx.transaction() as tx:
        tx.connection.execute(
            sa.update(Conversation)
            .where(Conversation.id == talk)
            .values(holder="waiting", waiting_since=tx.now - timedelta(minutes=12))
        )
    entry = in_list(sees(li, "?tab=queue"), talk)
    assert "等了 12 分钟" in entry
    assert "mark bad" in entry
    claims(li, talk)
    assert not in_list(sees(li, "?tab=queue"), talk)
    assert in_list(sees(li, "?tab=mine"), talk)
    assert "小李 接待" in in_list(sees(chen, "?tab=others"), talk)
    assert not in_list(sees(chen, "?tab=mine"), talk)


def test_a_week_without_a_word_is_the_end(program: Program, li: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    with program.ctx.transaction() as tx:
        old = tx.now - timedelta(days=7, minutes=1)
        tx.connection.execute(sa.update(Conversation).where(Conversation.id == talk).values(updated_at=old))
    assert not in_list(sees(li, "?tab=bot"), talk)
    assert in_list(sees(li, "?tab=ended"), talk)


def test_unread_words_are_counted_until_they_are_seen(
    li: StaffMember, chen: StaffMember, person: Enterprise
) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    sees(li, f"/{talk}")
    person.says("第一句")
    person.says("第二句")
    assert 'aria-label="2 条未读"' in in_list(sees(li, "?tab=mine"), talk)
    sees(li, f"/{talk}")
    assert "未读" not in in_list(sees(li, "?tab=mine"), talk)
    assert "未读" in in_list(sees(chen, "?tab=others"), talk), "what one has read, another has not"


def test_who_is_called_in_a_note_sees_that_in_the_list(
    li: StaffMember, chen: StaffMember, person: Enterprise
) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    sees(chen, f"/{talk}")
    posts(li, talk, "say", text="请看一下", key="n1", how="note")
    assert "未读" not in in_list(sees(chen, "?tab=others"), talk)
    posts(li, talk, "say", text="@小陈 请看一下", key="n2", how="note")
    assert 'aria-label="1 条未读"' in in_list(sees(chen, "?tab=others"), talk)


def test_pages_of_the_list_follow_without_gap_or_double(program: Program, li: StaffMember) -> None:
    with program.ctx.transaction() as tx:
        made = []
        for number in range(65):
            contact = insert_row(
                tx.connection,
                Contact,
                account="official",
                openid=f"paged-{number}",
                applicant="",
                person="",
                phone="",
                station="翻页站",
                is_subscribed=True,
                created_at=tx.now,
            )
            # Many of one moment: the id tells them apart.
            at = tx.now - timedelta(days=30, minutes=number // 7)
            values = {"holder": "bot", "state": {}, "allowance": 0, "updated_at": at}
            made.append(insert_row(tx.connection, Conversation, contact_id=contact, **values))
    seen: list[int] = []
    query = "?tab=ended&station=翻页站"
    while query:
        page = sees(li, query)
        listed = page.split('<ul class="inbox">')[1].split("</ul>")[0]
        seen += [int(number) for number in re.findall(r'<a href="/admin/console/(\d+)\?', listed)]
        found = re.search(r'<a href="/admin/console(\?[^"]*)">下一页', page)
        query = found[1] if found else ""
    assert len(seen) == len(set(seen)) == 65
    assert set(seen) == set(made)


def test_filters_sift_by_category_station_and_urgency(
    program: Program, li: StaffMember, person: Enterprise
) -> None:
    person.registers_need("加急：想给新出的椰汁做个第三方检测，明天就要")
    talk = talk_of(person)
    with program.ctx.transaction() as tx:
        contact = sa.select(Conversation.contact_id).where(Conversation.id == talk).scalar_subquery()
        tx.connection.execute(sa.update(Contact).where(Contact.id == contact).values(station="示例站"))
        tx.connection.execute(
            sa.update(Conversation).where(Conversation.id == talk).values(category="testing")
        )
    for query in ("category=testing", "station=示例站", "urgency=urgent"):
        assert in_list(sees(li, f"?tab=bot&{query}"), talk), query
    for query in ("category=training", "station=别处", "urgency=green"):
        assert not in_list(sees(li, f"?tab=bot&{query}"), talk), query


def test_words_are_found_in_transcripts_and_signs_of_patterns_are_words(
    li: StaffMember, person: Enterprise
) -> None:
    person.says("请问防爆叉车的年检周期是多久")
    talk = talk_of(person)
    assert "防爆叉车" in in_list(sees(li, "?q=防爆叉车 年检"), talk)
    assert not in_list(sees(li, "?q=防爆叉车 没有这个词"), talk)
    assert not in_list(sees(li, "?q=防爆%周期"), talk)
    assert "没有找到" in sees(li, "?q=___________________")


@pytest.mark.parametrize(
    "query",
    ["?tab=nothing", "?page=x~y", "?page=2026-01-01T00:00:00~1", "?q=a&page=-1", "?page=~", "?urgency='"],
)
def test_an_address_that_makes_no_sense_shows_a_list(li: StaffMember, query: str) -> None:
    assert '<ul class="inbox">' in sees(li, query)


# --- one conversation ---


def test_both_talk_notes_stay_private_and_the_bot_is_silent(
    program: Program, li: StaffMember, person: Enterprise
) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    assert posts(li, talk, "say", text="请问是哪种仪器？", key="k1", how="now").status_code == 303
    assert posts(li, talk, "say", text="请问是哪种仪器？", key="k1", how="now").status_code == 303
    assert "请问是哪种仪器" in person.waits_for_a_message()
    assert person.says("压力表多久检一次？") == "", "a person is speaking with them"
    assert posts(li, talk, "say", text="客户着急", key="k2", how="note").status_code == 303
    page = sees(li, f"/{talk}")
    shown = [(side, text) for _number, side, text in lines(page)]
    assert sum("请问是哪种仪器" in text for _side, text in shown) == 1, "one form, said once"
    note = next(text for side, text in shown if side == "note")
    assert "客户着急" in note
    assert "企业看不到" in note
    assert any(side == "staff" and "小李" in text for side, text in shown)
    assert not any("客户着急" in text for text in person.received())
    until = time.monotonic() + 8
    while "已送达微信" not in next(text for _n, side, text in lines(sees(li, f"/{talk}")) if side == "staff"):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_who_is_second_sees_who_was_first(li: StaffMember, chen: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    answer = posts(chen, talk, "claim")
    assert answer.status_code == 409
    assert "小李" in answer.text.split('role="alert"')[1].split("</p>")[0]
    refused = posts(chen, talk, "say", text="我来答", key="c1", how="now")
    assert refused.status_code == 403
    assert "我来答</textarea>" in refused.text, "what was typed is kept"


def test_hand_back_and_transfer(li: StaffMember, chen: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    refused = posts(li, talk, "transfer", to="小陈", why="")
    assert refused.status_code == 400
    assert posts(li, talk, "transfer", to="小陈", why="您熟悉检测").status_code == 303
    assert in_list(sees(chen, "?tab=mine"), talk)
    assert posts(chen, talk, "hand-back").status_code == 303
    assert in_list(sees(chen, "?tab=bot"), talk)
    assert "依据" in person.says("压力表多久检一次？"), "the bot answers again"


def test_the_quota_is_shown_and_a_closed_window_offers_the_next_way(
    program: Program, li: StaffMember, person: Enterprise
) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    assert re.search(r"还可发 \d+ 条，窗口 .* 关闭", sees(li, f"/{talk}"))
    with program.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Conversation).where(Conversation.id == talk).values(allowance=0))
    page = sees(li, f"/{talk}")
    assert 'value="later"' in page
    assert 'value="now"' not in page
    refused = posts(li, talk, "say", text="材料收到了", key="q1", how="now")
    assert refused.status_code == 400
    assert "材料收到了</textarea>" in refused.text
    assert posts(li, talk, "say", text="材料收到了", key="q1", how="later").status_code == 303
    assert "对方下次留言时送达" in sees(li, f"/{talk}")


def test_pictures_pass_and_what_only_looks_like_one_does_not(li: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    csrf = {"csrf": _CSRF.findall(sees(li, f"/{talk}"))[0]}
    place = f"/admin/console/{talk}/image?key=p1"
    for content in (b"<script>alert(1)</script>", b"MZ\x90\x00", b""):
        answer = li.http.post(place, data=csrf, files={"file": ("bild.png", content, "image/png")})
        assert answer.status_code == 400, content
    answer = li.http.post(place, data=csrf, files={"file": ("bild.png", _PNG, "image/png")})
    assert answer.status_code == 303, answer.text
    shown = [text for _n, side, text in lines(sees(li, f"/{talk}")) if side == "staff" and "<img" in text]
    assert len(shown) == 1
    link = re.search(r'src="(/admin/attachments/\d+)"', shown[0])
    assert link
    assert li.http.get(link[1]).content == _PNG
    answer = li.http.post(place, data={"csrf": "x"}, files={"file": ("b.png", _PNG, "image/png")})
    assert answer.status_code == 403


def test_hostile_words_are_shown_as_words(li: StaffMember, person: Enterprise) -> None:
    person.says("<script>alert('x')</script>\u202e反向" + "长" * 300)
    page = li.http.get(f"/admin/console/{talk_of(person)}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "\u202e" not in page


def test_canned_replies_and_answers_are_put_into_the_box_without_a_script(
    program: Program, li: StaffMember, person: Enterprise
) -> None:
    person.says("您好")
    with program.ctx.transaction() as tx:
        reply = insert_row(
            tx.connection,
            CannedReply,
            shortcut="zj",
            title="自我介绍",
            text="我是{工作人员}，您的编号 {编号}。",
            category="",
            is_suspended=False,
            updated_at=tx.now,
            updated_by="小李",
        )
    talk = talk_of(person)
    claims(li, talk)
    page = posts(li, talk, "say", text="您好。", key="i1", insert=f"canned:{reply}").text
    assert "您好。\n我是小李，您的编号 {编号}。</textarea>" in page
    refused = posts(li, talk, "say", text="您的编号 {编号}。", key="i1", how="now")
    assert refused.status_code == 400
    assert "还有没填的空：编号" in refused.text
    person.says("压力表多久检定一次？")
    page = sees(li, f"/{talk}")
    entry = re.search(r'value="(entry:[\w-]+)" data-text="([^"]*)"', page)
    assert entry, "what the bot would have answered is offered"
    assert "依据" in entry[2]
    assert f"{entry[2]}</textarea>" in unescape(posts(li, talk, "say", key="i1", insert=entry[1]).text)


def test_a_card_is_masked_until_somebody_asks_and_that_is_written_down(
    program: Program, li: StaffMember, person: Enterprise
) -> None:
    number = person.registers_need()
    talk = talk_of(person)
    side = sees(li, f"/{talk}").split('id="side"')[1]
    assert "138****0000" in side
    assert "13800000000" not in side
    assert "王经理" not in side
    assert f"/admin/tickets/{number}" in side
    answer = posts(li, talk, "reveal")
    assert "13800000000" in answer.text.split('id="side"')[1]
    with program.ctx.read() as session:
        found = sa.select(AuditLine.actor).where(
            AuditLine.what == "reveal", AuditLine.subject == f"conversation:{talk}"
        )
        assert list(session.scalars(found)) == ["小李"]


def test_maintainers_read_without_names_and_phones_and_do_nothing(
    program: Program, person: Enterprise
) -> None:
    person.registers_need()
    talk = talk_of(person)
    with StaffMember(program, f"知识员{talk}", Role.MAINTAINER) as reader:
        page = sees(reader, f"/{talk}")
        assert "13800000000" not in page
        assert "示例甜水食品有限公司" not in page
        assert "王经理" not in page
        assert "data-say" not in page
        for what in ("claim", "say", "hand-back", "transfer", "form", "reveal", "typing"):
            answer = reader.http.post(f"/admin/console/{talk}/{what}", data={"csrf": "x"})
            assert answer.status_code == 403, what
    with StaffMember(program, f"评价员{talk}", Role.EVALUATOR) as stranger:
        for path in ("", f"/{talk}", f"/{talk}/messages", "/list", "/events"):
            assert stranger.http.get(f"/admin/console{path}").status_code == 403, path


def test_forms_from_elsewhere_are_refused(li: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    for what in ("claim", "say", "hand-back", "transfer", "form", "reveal", "typing", "read"):
        data = {"csrf": "guess", "last": "1"}
        assert li.http.post(f"/admin/console/{talk}/{what}", data=data).status_code == 403, what
    assert in_list(sees(li, "?tab=bot"), talk)


def test_staff_finish_the_form_and_every_problem_is_said(li: StaffMember, person: Enterprise) -> None:
    person.says("想给新出的椰汁做个第三方检测")
    talk = talk_of(person)
    claims(li, talk)
    assert "代企业登记" in sees(li, f"/{talk}")
    typed = {"content": "椰汁第三方检测", "applicant": "示例甜水食品有限公司", "person": "王经理"}
    refused = posts(li, talk, "form", **typed, phone="abc", category="testing")
    assert refused.status_code == 400
    assert 'value="abc"' in refused.text
    assert posts(li, talk, "form", **typed, phone="13800000000", category="testing").status_code == 303
    page = sees(li, f"/{talk}")
    assert re.search(r"/admin/tickets/NQI-\d{4}-\d{6}", page)
    assert "代企业登记" not in page


def test_a_correction_becomes_a_proposal(program: Program, li: StaffMember, person: Enterprise) -> None:
    person.says("压力表多久检定一次？")
    talk = talk_of(person)
    message = next(number for number, side, _text in lines(sees(li, f"/{talk}")) if side == "in")
    values = {"kind": "category", "after": "training", "note": "问的是培训"}
    assert posts(li, talk, f"messages/{message}/correction", **values).status_code == 303
    with program.ctx.read() as session:
        row = session.execute(
            sa.select(Proposal.after, Proposal.by).where(Proposal.message_id == message)
        ).one()
    assert tuple(row) == ("training", "小李")
    refused = posts(li, talk, f"messages/{message}/correction", kind="category", after="nothing")
    assert refused.status_code == 400


# --- what is fetched and pushed ---


def test_a_fragment_brings_what_is_new_and_repeats_only_what_is_known(
    li: StaffMember, person: Enterprise
) -> None:
    person.says("您好")
    talk = talk_of(person)
    before = lines(sees(li, f"/{talk}"))
    last = before[-1][0]
    person.says("新的一句话")
    found = lines(sees(li, f"/{talk}/messages?after={last}"))
    assert [number for number, _side, _text in found if number <= last] == [one[0] for one in before]
    new = [(side, text) for number, side, text in found if number > last]
    assert new[0][0] == "in"
    assert "新的一句话" in new[0][1]


def test_a_page_that_was_away_for_long_gets_everything(
    program: Program, li: StaffMember, person: Enterprise
) -> None:
    person.says("您好")
    talk = talk_of(person)
    last = lines(sees(li, f"/{talk}"))[-1][0]
    with program.ctx.transaction() as tx:
        rows = [
            {"conversation_id": talk, "is_inbound": True, "kind": "text", "text": f"第{n}句", "at": tx.now}
            for n in range(200)
        ]
        tx.connection.execute(sa.insert(Message), rows)
    texts: list[str] = []
    while new := [one for one in lines(sees(li, f"/{talk}/messages?after={last}")) if one[0] > last]:
        texts += [found[0] for _n, _side, text in new if (found := re.findall(r"第\d+句", text))]
        last = new[-1][0]
    assert texts == [f"第{n}句" for n in range(200)]
    page = sees(li, f"/{talk}")
    assert "更早的消息" in page
    older = re.search(r"before=(\d+)", page)
    assert older
    assert lines(sees(li, f"/{talk}?before={older[1]}"))[-1][0] < int(older[1])


Event = tuple[str, dict[str, Any], str]


def _hear(answer: httpx.Response, found: "Queue[Event]") -> None:
    values: dict[str, str] = {}
    with suppress(httpx.StreamError, httpx.TransportError):  # the test closes it
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                values[name] = value
            elif "event" in values:
                found.put((values.pop("event"), json.loads(values["data"]), values["id"]))


@contextmanager
def listening(staff: StaffMember, *, talk: int = 0, last: str = "") -> Iterator[Callable[..., Event]]:
    """A stream that is open; what is given waits for the next event of a kind."""
    found: Queue[Event] = Queue()
    headers = {"Last-Event-ID": last} if last else {}
    http = httpx.Client(base_url=staff.program.url, trust_env=False, cookies=staff.http.cookies)

    def event(kind: str, seconds: float = 8.0) -> Event:
        until = time.monotonic() + seconds
        while True:
            one = found.get(timeout=max(0.01, until - time.monotonic()))
            if one[0] == kind:
                return one

    place = f"/admin/console/events?open={talk}"
    with http, http.stream("GET", place, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        reader = Thread(target=_hear, args=(answer, found), daemon=True)
        reader.start()
        yield event


def test_a_word_reaches_the_open_page_at_once(li: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    with listening(li, talk=talk) as event:
        first = event("conversation")
        person.says("还在吗")
        second = event("conversation")
    assert second[1]["id"] == talk
    assert second[1]["last"] > first[1]["last"]


def test_a_lost_connection_is_taken_up_where_it_broke(li: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    with listening(li, talk=talk) as event:
        event("inbox")
        known = event("conversation")
    with listening(li, talk=talk, last=known[2]) as event, pytest.raises(Empty):
        event("conversation", 1.5)
    person.says("断线时说的话")
    with listening(li, talk=talk, last=known[2]) as event:
        assert event("conversation")[1]["last"] > known[1]["last"]


def test_the_inbox_counts_who_calls(program: Program, li: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    with listening(li) as event:
        before = event("inbox")[1]
        with program.ctx.transaction() as tx:
            values = {"holder": "waiting", "waiting_since": tx.now, "updated_at": tx.now}
            tx.connection.execute(sa.update(Conversation).where(Conversation.id == talk).values(**values))
            tx.poke_after_commit("console")
        assert event("inbox")[1]["waiting"] == before["waiting"] + 1
    takeover.claim(program.ctx, talk, actor=actor_of(li))


def test_who_else_looks_and_types_is_shown(li: StaffMember, chen: StaffMember, person: Enterprise) -> None:
    person.says("您好")
    talk = talk_of(person)
    claims(li, talk)
    with listening(chen, talk=talk) as event:
        event("conversation")
        assert "小陈 也在看" in sees(li, f"/{talk}/messages?after=0")
        assert posts(li, talk, "typing").status_code == 204
        event("conversation")
        assert "小李 正在输入" in sees(chen, f"/{talk}/messages?after=0")
        posts(li, talk, "say", text="好的", key="t1", how="now")
        assert "小李 正在输入" not in sees(chen, f"/{talk}/messages?after=0")


def test_an_ended_session_ends_the_stream(program: Program) -> None:
    with StaffMember(program, "小周", Role.STAFF) as zhou:
        with listening(zhou) as event:
            event("inbox")
            csrf = _CSRF.findall(zhou.http.get("/admin/console").text)[0]
            key = zhou.http.cookies["nqi_session"]
            zhou.http.post("/admin/logout", data={"csrf": csrf})
        answer = httpx.get(
            f"{program.url}/admin/console/events", cookies={"nqi_session": key}, trust_env=False
        )
        assert answer.status_code == 303


def test_what_is_not_there_is_said(li: StaffMember) -> None:
    for path in ("/999999", "/999999/messages?after=0", "/0", "/x"):
        assert li.http.get(f"/admin/console{path}").status_code in (404, 422), path


def test_a_break_is_taken_and_ended(program: Program, li: StaffMember) -> None:
    csrf = _CSRF.findall(sees(li, ""))[0]
    for away, words in (("true", "休息中"), ("false", "接待中")):
        assert li.http.post("/admin/console/away", data={"csrf": csrf, "away": away}).status_code == 303
        assert words in sees(li, "")
