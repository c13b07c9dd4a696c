"""The provider's page: the link is the right, opening it changes nothing, and nothing is shown before its time."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from bot.actions.attachments import add_file
from bot.actions.bindings import _bind
from bot.actions.courses import take_step
from bot.actions.libraries import import_file
from bot.actions.links import referral_link
from bot.actions.referrals import refer_ticket, resend_link
from bot.actions.tickets import _open_ticket
from bot.app import Program
from bot.core.permissions import Actor, Role
from bot.core.ticket_states import Move, TicketKind
from bot.core.tickets import version
from bot.core.turns import Form
from bot.serving import running
from bot.settings import Settings
from bot.store import conversations, courses, referrals, tickets
from bot.store.base import Base
from intents.categories import Category
from knowledge.library import check_character
from knowledge.library_rows import PROVIDERS, load_demo, written
from tests.make import TODAY, SetClock

LI = Actor(1, "小李", Role.STAFF)
PHONE = "0898-66660000"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
PDF = b"%PDF-1.4\n%%EOF\n"
ACCEPTED = {"person": "赵工", "phone": "0898-66660001", "days": "10"}
_SEEN = re.compile(r'name="seen" value="([^"]*)"')


def provider_file() -> bytes:
    """Two providers that test products, as their operator brings them in."""
    model = next(
        one
        for one in load_demo(PROVIDERS)
        if not one.why_not(TODAY) and any(term.category is Category.TESTING for term in one.capabilities)
    )
    codes = [f"91999999{number:09d}" for number in (1, 2)]
    records = [
        replace(
            model,
            is_demo=False,
            number=f"P-{place}",
            name=f"示例检测{place}",
            credit_code=code + check_character(code),
        )
        for place, code in enumerate(codes, 1)
    ]
    return written(PROVIDERS, records, form="csv")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("portal"),
        simulator=True,
        log_level="error",
        service_phone=PHONE,
        attachment_max_bytes=100_000,
    )
    with running(settings) as found:
        found.ctx.clock = SetClock()
        found.worker.stop()  # nothing but the page's own doing changes the tables
        report = import_file(found.ctx, PROVIDERS, provider_file(), form="csv", actor="test")
        assert report.is_written, report.problems
        yield found


@dataclass(slots=True)
class Visitor:
    """Somebody at a provider who opens the link of one referral on a phone."""

    program: Program
    http: httpx.Client
    number: str
    token: str

    @property
    def path(self) -> str:
        return f"/p/{self.token}"

    def opens(self) -> str:
        answer = self.http.get(self.path)
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)

    def seen(self) -> str:
        return _SEEN.findall(self.opens())[0]

    def posts(self, move: str, *, seen: str | None = None, **data: str) -> httpx.Response:
        form = {"move": move, "seen": self.seen() if seen is None else seen, **data}
        return self.http.post(self.path, data=form)

    def does(self, move: str, **data: str) -> str:
        """Make a move that works; the page that follows."""
        answer = self.posts(move, **data)
        assert answer.status_code == 303, unescape(answer.text)
        return unescape(self.http.get(answer.headers["location"]).text)

    def sends(self, name: str, content: bytes) -> httpx.Response:
        return self.http.post(f"{self.path}/files", files={"file": (name, content)})

    def files(self) -> list[tuple[str, str]]:
        """The files on the page: address, name."""
        return re.findall(rf'href="({re.escape(self.path)}/files/\d+)">([^<]*)<', self.opens())

    def row(self) -> sa.Row[tuple[int, int]]:
        with self.program.ctx.read() as session:
            found = tickets.ticket_numbered(session, self.number)
            assert found is not None
            return referrals.referrals_of(session, found.id)[-1]

    def moves(self) -> list[str]:
        """What was done on the ticket."""
        with self.program.ctx.read() as session:
            found = tickets.ticket_numbered(session, self.number)
            assert found is not None
            return [event.what for event in tickets.events_of(session, found.id) if event.party]


def registers(program: Program, openid: str) -> str:
    """An enterprise registers a need; gives its number."""
    form = Form(
        TicketKind.NEED,
        content="想给新出的椰汁做个第三方检测",
        category="testing",
        applicant="示例甜水食品有限公司",
        person="王经理",
        phone="13800000000",
    )
    with program.ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", openid, now=tx.now)
        return _open_ticket(tx, talk, form, channel="wechat-official").number


def seen_of(program: Program, number: str) -> str:
    with program.ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        assert row is not None
        return version(courses.course_of(row, tickets.events_of(session, row.id)))


def steps(program: Program, number: str, wanted: Move, reason: str = "") -> None:
    """Staff make a move."""
    plan = ("testing",) if wanted is Move.ASSESS else ()
    seen = seen_of(program, number)
    take_step(program.ctx, number, wanted, actor=LI, seen=seen, reason=reason, plan=plan)


@pytest.fixture
def invite(program: Program, request: pytest.FixtureRequest) -> Iterator[Callable[..., Visitor]]:
    """Register a need, refer it, and give the provider's person who opens the link."""
    clients: list[httpx.Client] = []

    def make(who: str = "a", provider: str = "P-1") -> Visitor:
        number = registers(program, f"portal-{who}-{request.node.name}"[:60])
        steps(program, number, Move.ASSESS)
        seen = seen_of(program, number)
        refer_ticket(program.ctx, number, provider=provider, actor=LI, seen=seen, reason="企业指定")
        clients.append(httpx.Client(base_url=program.url, trust_env=False, timeout=30))
        visitor = Visitor(program, clients[-1], number, "")
        row = visitor.row()
        visitor.token = referral_link(program.ctx, row.id, row.link_key).rsplit("/", 1)[1]
        return visitor

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def visitor(invite: Callable[..., Visitor]) -> Visitor:
    return invite()


def rows(program: Program) -> dict[str, list[tuple[object, ...]]]:
    """Everything that stands in the database."""
    with program.ctx.read() as session:
        return {
            table.name: [tuple(row) for row in session.execute(sa.select(table))]
            for table in Base.metadata.sorted_tables
        }


# --- the course of a referral ---


def test_a_provider_serves_a_request_from_its_phone(visitor: Visitor) -> None:
    page = visitor.does("accept", **ACCEPTED)
    assert "已记录：接受办理" in page
    page = visitor.does("start")
    page = visitor.does("report", reason="样品已收到")
    assert "<p>样品已收到</p>" in page
    assert visitor.sends("结果.pdf", PDF).status_code == 303
    page = visitor.does("finish", reason="已出具报告")
    assert "贵机构已完成这项服务" in page
    assert "<form" not in page
    assert visitor.moves() == ["assess", "refer", "accept", "start", "report", "finish"]
    with visitor.program.ctx.read() as session:
        found = tickets.ticket_numbered(session, visitor.number)
        assert found is not None
        assert (found.technician, found.solution) == ("赵工", "已出具报告")


def test_a_provider_may_say_no_and_then_only_reads_what_became_of_it(visitor: Visitor) -> None:
    page = visitor.does("reject", reason="本月排期已满")
    assert "贵机构已退回这项需求" in page
    assert "<form" not in page
    answer = visitor.posts("accept", seen="", **ACCEPTED)
    assert answer.status_code == 409
    assert visitor.moves()[-1] == "reject"


def test_an_extension_is_asked_with_days_and_a_reason(visitor: Visitor) -> None:
    visitor.does("accept", **ACCEPTED)
    visitor.does("start")
    page = visitor.does("ask_extension", days="5", reason="设备检修")
    assert "延期申请正在核实" in page
    with visitor.program.ctx.transaction() as tx:
        line = tickets.last_event(tx.connection, visitor.row().ticket_id, what="ask_extension")
    assert line is not None
    assert (line.field, line.after) == ("extension", "5")


def test_only_what_is_possible_now_has_a_button_and_what_leads_on_comes_first(visitor: Visitor) -> None:
    def buttons(page: str) -> list[str]:
        return re.findall(r'name="move" value="(\w+)"', page)

    assert buttons(visitor.opens()) == ["accept", "reject", "ask_enterprise"]
    assert buttons(visitor.does("accept", **ACCEPTED)) == ["start", "report", "ask_enterprise"]
    page = visitor.does("start")
    assert buttons(page) == ["finish", "report", "ask_extension", "ask_enterprise"]


def test_a_deadline_is_shown_and_said_to_be_past(visitor: Visitor) -> None:
    clock = visitor.program.ctx.clock
    assert isinstance(clock, SetClock)
    assert "答复是否承接" in visitor.opens()
    assert "已过" not in visitor.opens()
    before = clock.at
    visitor.does("accept", **ACCEPTED)
    visitor.does("start")
    clock.move(days=40)
    try:
        assert '<b class="mark bad">已过</b>' in visitor.opens()
    finally:
        clock.at = before


# --- privacy ---


def test_the_contact_is_shown_from_acceptance_until_the_end(visitor: Visitor) -> None:
    private = ("13800000000", "示例甜水食品有限公司", "王经理")
    page = visitor.opens()
    assert "想给新出的椰汁做个第三方检测" in page
    assert "产品检验检测服务" in page
    assert not [word for word in private if word in page]
    assert 'id="files"' not in page
    page = visitor.does("accept", **ACCEPTED)
    assert [word for word in private if word in page] == list(private)
    visitor.does("start")
    visitor.sends("结果.pdf", PDF)
    page = visitor.does("finish", reason="已完成")
    assert not [word for word in private if word in page]
    assert 'id="files"' not in page


def test_files_of_the_contact_and_its_own_are_open_and_no_others(
    visitor: Visitor, invite: Callable[..., Visitor]
) -> None:
    ctx, ticket_id = visitor.program.ctx, visitor.row().ticket_id
    theirs = add_file(ctx, ticket_id=ticket_id, content=PNG, name="标签.png", by="contact")
    ours = add_file(ctx, ticket_id=ticket_id, content=PDF, name="内部.pdf", by="小李")
    other = invite("b", "P-2")
    other.does("accept", **ACCEPTED)
    assert other.sends("别家.pdf", PDF).status_code == 303
    assert visitor.http.get(f"{visitor.path}/files/{theirs}").status_code == 404, "not accepted yet"
    visitor.does("accept", **ACCEPTED)
    assert visitor.sends("结果.pdf", PDF).status_code == 303
    assert [name for _, name in visitor.files()] == ["标签.png", "结果.pdf"]
    foreign = other.files()[0][0].rsplit("/", 1)[1]
    for number in (str(ours), foreign, "0", "-1", "x", "9" * 30, "%00"):
        assert visitor.http.get(f"{visitor.path}/files/{number}").status_code == 404
    picture, result = (visitor.http.get(address) for address, _ in visitor.files())
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    assert picture.headers["content-disposition"].startswith("inline;")
    assert result.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote('结果.pdf')}"
    for answer in (picture, result):
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert answer.headers["x-content-type-options"] == "nosniff"
    visitor.does("start")
    visitor.does("finish", reason="已完成")
    assert visitor.http.get(f"{visitor.path}/files/{theirs}").status_code == 404
    assert visitor.sends("又一个.pdf", PDF).status_code == 409


# --- the link ---


def test_opening_the_link_changes_nothing(visitor: Visitor) -> None:
    before = rows(visitor.program)
    for _ in range(2):
        visitor.opens()
        visitor.http.get(f"{visitor.path}?done=accept&move=accept")
        visitor.http.head(visitor.path)
        visitor.http.get(f"{visitor.path}/files")
        visitor.http.get(f"{visitor.path}/code")
    after = rows(visitor.program)
    assert {name for name in before if before[name] != after[name]} == set()


def test_every_answer_keeps_the_address_to_itself(visitor: Visitor) -> None:
    answers = [
        visitor.http.get(visitor.path),
        visitor.posts("accept", seen="old"),
        visitor.http.post(f"{visitor.path}/code"),
        visitor.posts("accept", **ACCEPTED),
        visitor.http.get("/p/nothing"),
        visitor.http.get(f"{visitor.path}/files/1"),
        visitor.http.delete(visitor.path),
    ]
    assert [answer.status_code for answer in answers] == [200, 409, 303, 303, 404, 404, 405]
    for answer in answers:
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "set-cookie" not in answer.headers


def test_the_page_is_small_and_loads_nothing_from_elsewhere(visitor: Visitor) -> None:
    visitor.does("accept", **ACCEPTED)
    page = visitor.opens()
    assert len(page.encode()) < 16_000
    assert "<script" not in page
    assert "style=" not in page
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    assert {address for address in addresses if not address.startswith(("/p/", "tel:", "#"))} == set()
    for sheet in (address for address in addresses if address.endswith(".css")):
        assert visitor.http.get(sheet).status_code == 200


def test_a_bad_link_says_whom_to_ask(visitor: Visitor) -> None:
    for token in ("nothing", visitor.token[:-8], visitor.token + "x", "x" * 2000):
        answer = visitor.http.get(f"/p/{token}")
        assert answer.status_code == 404
        assert "链接无效或已过期" in answer.text
        assert PHONE in answer.text


@trials(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(min_size=1, max_size=60), st.sampled_from(["", "/files", "/code", "/files/1"]))
def test_no_words_are_a_link(visitor: Visitor, token: str, rest: str) -> None:
    path = f"/p/{quote(token, safe='')}{rest}"
    for answer in (visitor.http.get(path), visitor.http.post(path, data={"move": "accept"})):
        assert answer.status_code in (404, 405), answer.text
        assert visitor.number not in answer.text


@trials(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_link_with_one_letter_changed_is_none(visitor: Visitor, data: st.DataObject) -> None:
    # Not the last letter: two of its bits carry nothing.
    place = data.draw(st.integers(0, len(visitor.token) - 2))
    letter = data.draw(st.sampled_from("ABCabc019_-").filter(lambda one: one != visitor.token[place]))
    forged = visitor.token[:place] + letter + visitor.token[place + 1 :]
    assert visitor.http.get(f"/p/{forged}").status_code == 404


def test_a_link_that_was_replaced_or_is_too_old_has_ended(visitor: Visitor) -> None:
    old = visitor.token
    visitor.token = resend_link(visitor.program.ctx, visitor.number, actor=LI).rsplit("/", 1)[1]
    assert "答复是否承接" in visitor.opens()
    assert visitor.http.get(f"/p/{old}").status_code == 404
    answer = visitor.http.post(f"/p/{old}", data={"move": "accept", "seen": visitor.seen(), **ACCEPTED})
    assert answer.status_code == 404
    assert "accept" not in visitor.moves()


def test_a_referral_that_was_taken_back_is_read_only_and_keeps_what_was_typed(visitor: Visitor) -> None:
    visitor.does("accept", **ACCEPTED)
    visitor.does("start")
    seen = visitor.seen()
    steps(visitor.program, visitor.number, Move.RECALL, "企业另有安排")
    answer = visitor.posts("report", seen=seen, reason="样品<b>已</b>收到")
    page = answer.text
    assert answer.status_code == 409
    assert "服务平台已收回这项需求" in page
    assert "样品&lt;b&gt;已&lt;/b&gt;收到" in page
    assert "13800000000" not in page
    assert "<form" not in page


# --- forms ---


def test_of_two_tabs_the_slower_is_told_and_keeps_its_words(visitor: Visitor) -> None:
    visitor.does("accept", **ACCEPTED)
    visitor.does("start")
    seen = visitor.seen()
    visitor.does("report", reason="样品已收到")
    answer = visitor.posts("ask_extension", seen=seen, days="7", reason="设备检修")
    page = unescape(answer.text)
    assert answer.status_code == 409
    assert "刚被更新" in page
    assert "设备检修</textarea>" in page
    assert 'value="7"' in page
    assert "ask_extension" not in visitor.moves()


@pytest.mark.parametrize(
    ("move", "data", "message"),
    [
        ("reject", {}, "请写明"),
        ("accept", {**ACCEPTED, "days": "很快"}, "天数请填数字"),
        ("accept", {**ACCEPTED, "days": "99999"}, "天数请填数字"),
        ("accept", {**ACCEPTED, "days": "²"}, "天数请填数字"),
        ("finish", {"reason": "已完成"}, "现在不能这样办理"),
        ("grant", {"reason": "同意"}, "不能"),
        ("assess", {"reason": "评估"}, "不能"),
        ("magic", {}, "没有收到要办理的事项"),
        ("", {}, "没有收到要办理的事项"),
    ],
)
def test_a_refusal_is_said_in_words(visitor: Visitor, move: str, data: dict[str, str], message: str) -> None:
    answer = visitor.posts(move, **data)
    assert answer.status_code in (400, 403, 409)
    page = unescape(answer.text)
    assert message in page
    assert 'role="alert"' in page
    if "person" in data:
        assert 'value="赵工"' in page
    assert visitor.moves() == ["assess", "refer"]


def test_what_was_typed_comes_back_as_text(visitor: Visitor) -> None:
    answer = visitor.posts("accept", **{**ACCEPTED, "person": '"><script>alert(1)</script>', "days": "x"})
    assert answer.status_code == 400
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_form_that_is_too_large_or_broken_is_refused_in_words(visitor: Visitor) -> None:
    seen = visitor.seen()
    form = {"move": "reject", "seen": seen, "reason": "满" * 30_000}
    large = visitor.http.post(visitor.path, data=form)
    assert (large.status_code, "内容太长" in large.text) == (400, True)
    sent = (b"move=reject&reason=" + b"x" * 1000 for _ in range(100))
    kind = {"content-type": "application/x-www-form-urlencoded"}
    streamed = visitor.http.post(visitor.path, content=sent, headers=kind)
    assert (streamed.status_code, "内容太长" in streamed.text) == (400, True)
    many = visitor.http.post(visitor.path, content=b"&".join(b"a=1" for _ in range(50)), headers=kind)
    assert (many.status_code, "不完整" in many.text) == (400, True)
    broken = visitor.http.post(
        visitor.path, content=b"--x\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert broken.status_code == 400
    assert visitor.moves() == ["assess", "refer"]


@trials(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(["application/x-www-form-urlencoded", "multipart/form-data", "", "text/x"]),
)
def test_any_body_is_answered_with_a_page(visitor: Visitor, body: bytes, kind: str) -> None:
    for path in (visitor.path, f"{visitor.path}/files"):
        answer = visitor.http.post(path, content=body, headers={"content-type": kind} if kind else {})
        assert answer.status_code in (400, 409)
        assert 'role="alert"' in answer.text
    assert visitor.moves() == ["assess", "refer"]


def test_null_characters_are_taken_out(visitor: Visitor) -> None:
    visitor.does("reject", reason="排期\0已满")
    with visitor.program.ctx.transaction() as tx:
        line = tickets.last_event(tx.connection, visitor.row().ticket_id, what="reject")
    assert line is not None
    assert line.note == "排期已满"


# --- files ---


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("结果.png", b"<html><script>alert(1)</script></html>"),
        ("结果.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("结果.pdf", b"MZ\x90\0" + b"\0" * 200),
        ("空.pdf", b""),
        ("大.png", PNG + b"\0" * 100_000),
        ("更大.png", PNG + b"\0" * 3_000_000),
    ],
)
def test_a_disguised_empty_or_large_file_is_refused(visitor: Visitor, name: str, content: bytes) -> None:
    visitor.does("accept", **ACCEPTED)
    answer = visitor.sends(name, content)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert visitor.files() == []


def test_a_form_without_a_file_says_so(visitor: Visitor) -> None:
    visitor.does("accept", **ACCEPTED)
    for answer in (visitor.http.post(f"{visitor.path}/files", data={"file": "x"}), visitor.sends("", b"")):
        assert (answer.status_code, "没有选择文件" in answer.text) == (400, True)


def test_files_wait_for_acceptance(visitor: Visitor) -> None:
    answer = visitor.sends("结果.pdf", PDF)
    assert (answer.status_code, "接受办理之后" in answer.text) == (409, True)


# --- WeChat ---


def test_a_code_from_the_page_binds_a_person_on_wechat(invite: Callable[..., Visitor]) -> None:
    visitor = invite(provider="P-2")

    def shown() -> list[str]:
        return re.findall(r'class="code">绑定机构 (\w{8})<', visitor.opens())

    ctx = visitor.program.ctx
    assert shown() == []
    answer = visitor.http.post(f"{visitor.path}/code")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{visitor.path}?done=code#wechat")
    code = shown()[0]
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", "portal-bound", now=tx.now)
        assert "已绑定示例检测2" in _bind(tx, talk, code)
    assert shown() == []
    assert "已绑定 1 个微信" in visitor.opens()
    visitor.does("reject", reason="排期已满")
    answer = visitor.http.post(f"{visitor.path}/code")
    assert answer.status_code == 409
    assert 'id="wechat"' not in answer.text
