"""One's own account in the browser: two steps to log in, where one is logged in, and the page of an invitation."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from itertools import count

import httpx
import pyotp
import pytest

from bot.actions.accounts import end_sessions
from bot.actions.invitations import invite
from bot.actions.second_factor import require_factor
from bot.app import Program
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from tests.make import SetClock
from tests.staff import PASSWORD, StaffMember

PAGE = "/admin/security"
_numbers = count(1)
_CODE = re.compile(r"<code>([A-Z2-7 ]+)</code>")
_FIELD = re.compile(r'name="(csrf|ticket)" value="([^"]+)"')
_SESSION = re.compile(r'name="session" value="([0-9a-f]{64})"')

Hire = Callable[..., StaffMember]


@pytest.fixture(scope="module")
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, clock: SetClock) -> Iterator[Program]:
    """A server of its own, at a moment that stands until it is moved."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("security"), log_level="error")
    with running(settings, clock=clock) as program:
        yield program


@pytest.fixture
def hire(place: Program) -> Iterator[Hire]:
    """Make somebody with an account who is logged in."""
    made: list[StaffMember] = []

    def one(role: Role = Role.STAFF) -> StaffMember:
        made.append(StaffMember(place, f"安全{next(_numbers)}", role))
        return made[-1]

    yield one
    require_factor(place.ctx, roles=[], by="test")
    for member in made:
        member.http.close()


@pytest.fixture
def stranger(place: Program) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=place.url, trust_env=False) as http:
        yield http


def fields(text: str) -> dict[str, str]:
    """What the forms of a page carry."""
    return {name: unescape(value) for name, value in _FIELD.findall(text)}


def post(member: StaffMember, path: str = "", **data: str) -> httpx.Response:
    form = {"csrf": fields(member.http.get(PAGE).text)["csrf"], **data}
    return member.http.post(f"{PAGE}{path}", data=form, follow_redirects=True)


def sets_up(member: StaffMember, clock: SetClock) -> pyotp.TOTP:
    """Turn the second factor on; the code of the present half minute is used then."""
    page = member.http.get(PAGE, params={"setup": "1"}).text
    app = pyotp.TOTP(_CODE.findall(page)[0].replace(" ", ""))
    answer = post(
        member, "/factor", ticket=fields(page)["ticket"], code=app.at(clock.now()), password=PASSWORD
    )
    assert "已开启" in answer.text, answer.text
    clock.move(seconds=30)
    return app


def logs_in(http: httpx.Client, name: str, **form: str) -> httpx.Response:
    return http.post("/admin/login", data={"name": name, "password": PASSWORD, **form})


# --- log in with two steps ---


def test_a_log_in_asks_for_the_code_and_then_opens(
    hire: Hire, clock: SetClock, stranger: httpx.Client
) -> None:
    member = hire()
    app = sets_up(member, clock)
    asked = logs_in(stranger, member.name)
    assert (asked.status_code, "nqi_session" in stranger.cookies) == (200, False)
    assert "验证码" in asked.text
    assert asked.headers["cache-control"] == "no-store"
    ticket = fields(asked.text)["ticket"]
    refused = stranger.post("/admin/login/code", data={"ticket": ticket, "code": "12 34"})
    assert (refused.status_code, fields(refused.text)["ticket"]) == (403, ticket)
    assert "验证码不对" in refused.text
    inside = stranger.post("/admin/login/code", data={"ticket": ticket, "code": app.at(clock.now())})
    assert (inside.status_code, inside.headers["location"]) == (303, "/admin/")
    assert stranger.get("/admin/").status_code == 200


def test_a_ticket_alone_opens_nothing_and_ends_in_the_log_in_form(
    hire: Hire, clock: SetClock, stranger: httpx.Client
) -> None:
    member = hire()
    app = sets_up(member, clock)
    ticket = fields(logs_in(stranger, member.name).text)["ticket"]
    for path in ("/admin/", PAGE, "/admin/password"):
        with httpx.Client(base_url=str(stranger.base_url), trust_env=False) as thief:
            answer = thief.get(path, headers={"Cookie": f"nqi_session={ticket}"})
            assert answer.headers["location"] == "/admin/login"
    clock.move(minutes=6)
    late = stranger.post("/admin/login/code", data={"ticket": ticket, "code": app.at(clock.now())})
    assert (late.status_code, "登录超时" in late.text) == (403, True)
    assert 'name="password"' in late.text


def test_what_is_typed_into_the_code_stays_text(stranger: httpx.Client) -> None:
    answer = stranger.post("/admin/login/code", data={"ticket": '"><script>', "code": "<b>"})
    assert answer.status_code == 403
    assert "<script>" not in answer.text


# --- set up, required, ended ---


def test_the_offer_stays_the_same_after_a_wrong_code(hire: Hire) -> None:
    member = hire()
    page = member.http.get(PAGE, params={"setup": "1"})
    assert 'src="data:image/svg+xml' in page.text
    answer = post(member, "/factor", ticket=fields(page.text)["ticket"], code="not a code", password=PASSWORD)
    assert (answer.status_code, "验证码不对" in answer.text) == (400, True)
    assert _CODE.findall(answer.text) == _CODE.findall(page.text)
    assert "没有恢复码" in answer.text
    forged = post(member, "/factor", ticket="forged", code="123456", password=PASSWORD)
    assert (forged.status_code, "设置超时" in forged.text) == (400, True)
    assert _CODE.findall(forged.text) != _CODE.findall(page.text)


def test_who_must_have_it_is_led_to_the_set_up_before_anything_else(
    place: Program, hire: Hire, clock: SetClock
) -> None:
    member = hire()
    require_factor(place.ctx, roles=[Role.STAFF], by="test")
    for path in ("/admin/", "/admin/libraries", "/admin/tasks"):
        answer = member.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    page = member.http.get(PAGE)
    assert "必须使用两步验证" in page.text
    assert 'href="/admin/libraries"' not in page.text, "no navigation that would lead back here"
    assert "data:image/svg+xml" in page.text
    sets_up(member, clock)
    assert member.http.get("/admin/").status_code == 200
    refused = post(member, "/factor/end", code="123456", password=PASSWORD)
    assert (refused.status_code, "不能关闭" in refused.text) == (409, True)


def test_it_is_ended_with_password_and_code(hire: Hire, clock: SetClock) -> None:
    member = hire()
    app = sets_up(member, clock)
    wrong = post(member, "/factor/end", code="12", password=PASSWORD)
    assert (wrong.status_code, "验证码不对" in wrong.text) == (403, True)
    ended = post(member, "/factor/end", code=app.at(clock.now()), password=PASSWORD)
    assert (ended.status_code, "没有开启" in ended.text) == (200, True)


def test_an_operator_resets_it_and_sets_the_rule(
    place: Program, hire: Hire, clock: SetClock, stranger: httpx.Client
) -> None:
    operator, member = hire(Role.OPERATOR), hire()
    sets_up(member, clock)
    page = operator.http.get("/admin/accounts", params={"name": member.name}).text
    csrf = fields(page)["csrf"]
    assert "取消两步验证" in page
    operator.http.post("/admin/accounts/factor", data={"csrf": csrf, "name": member.name})
    assert member.http.get("/admin/").headers["location"] == "/admin/login"
    assert logs_in(stranger, member.name).headers["location"] == "/admin/"
    answer = operator.http.post(
        "/admin/accounts/required", data={"csrf": csrf, "roles": ["staff", "head"]}, follow_redirects=True
    )
    assert re.findall(r'value="(\w+)" checked', answer.text) == ["head", "staff"]
    assert member.name in answer.text.partition("还没有开启")[2]
    assert stranger.get("/admin/").headers["location"] == PAGE
    operator.http.post("/admin/accounts/required", data={"csrf": csrf})
    assert stranger.get("/admin/").status_code == 200


# --- sessions ---


def test_one_sees_ones_sessions_and_ends_them(place: Program, hire: Hire, stranger: httpx.Client) -> None:
    member = hire()
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0 <script>"
    stranger.headers["user-agent"] = agent
    logs_in(stranger, member.name)
    page = member.http.get(PAGE).text
    assert "微信 · iPhone" in page
    assert "127.0.0.1" in page
    assert page.count("本次登录") == 1
    [other] = _SESSION.findall(page)
    assert stranger.get("/admin/").status_code == 200
    post(member, "/sessions/end", session=other)
    assert stranger.get("/admin/").headers["location"] == "/admin/login"
    again = post(member, "/sessions/end", session=other)
    assert (again.status_code, "已经结束" in again.text) == (404, True)
    logs_in(stranger, member.name)
    assert "我的登录（1）" in post(member, "/sessions/others").text
    assert stranger.get("/admin/").headers["location"] == "/admin/login"


def test_the_session_of_another_is_not_ended(hire: Hire) -> None:
    member, victim = hire(), hire()
    with httpx.Client(base_url=str(victim.http.base_url), trust_env=False) as http:
        logs_in(http, victim.name)
        [theirs] = _SESSION.findall(victim.http.get(PAGE).text)
        assert post(member, "/sessions/end", session=theirs).status_code == 404
        assert http.get("/admin/").status_code == 200


def test_a_session_slides_and_ends(hire: Hire, clock: SetClock) -> None:
    used, left = hire(), hire()
    clock.move(hours=11)
    assert used.http.get("/admin/").status_code == 200
    clock.move(hours=2)
    assert used.http.get("/admin/").status_code == 200
    assert left.http.get("/admin/").headers["location"] == "/admin/login"


# --- invitations ---


def test_an_invitation_is_shown_once_and_leads_to_the_workbench(hire: Hire, stranger: httpx.Client) -> None:
    operator = hire(Role.OPERATOR)
    csrf = fields(operator.http.get("/admin/accounts").text)["csrf"]
    form = {"csrf": csrf, "name": "新同事", "role": "staff", "email": ""}
    shown = operator.http.post("/admin/accounts/invite", data=form)
    link = re.findall(r'readonly value="([^"]+/admin/invitation/[\w-]{43})"', shown.text)[0]
    assert link not in operator.http.get("/admin/accounts", params={"name": "新同事"}).text
    page = stranger.get(link)
    assert (page.status_code, "新同事" in page.text, "工作人员" in page.text) == (200, True, True)
    weak = stranger.post(link, data={"password": "1234567890"})
    assert (weak.status_code, "太常见" in weak.text) == (400, True)
    inside = stranger.post(link, data={"password": PASSWORD})
    assert (inside.status_code, inside.headers["location"]) == (303, "/admin/")
    assert stranger.get("/admin/").status_code == 200
    used = stranger.get(link)
    assert (used.status_code, "已经用过" in used.text) == (404, True)


def test_another_invitation_replaces_the_link(place: Program, hire: Hire, stranger: httpx.Client) -> None:
    operator = hire(Role.OPERATOR)
    first = invite(place.ctx, name="迟到的同事", role=Role.STAFF, email="", by="test").link
    csrf = fields(operator.http.get("/admin/accounts").text)["csrf"]
    shown = operator.http.post("/admin/accounts/again", data={"csrf": csrf, "name": "迟到的同事"}).text
    second = re.findall(r'readonly value="([^"]+)"', shown)[0]
    assert [stranger.get(link).status_code for link in (first, second)] == [404, 200]


@pytest.mark.parametrize("key", ["x", "%00", "..%2f..%2flogin", "%ff", "<script>", "0" * 3000])
def test_what_is_no_invitation_is_said(stranger: httpx.Client, key: str) -> None:
    for answer in (
        stranger.get(f"/admin/invitation/{key}"),
        stranger.post(f"/admin/invitation/{key}", data={"password": PASSWORD}),
    ):
        assert answer.status_code == 404
        assert "<script>" not in answer.text


def test_an_invitation_whose_role_needs_a_second_factor_leads_to_its_set_up(
    place: Program, stranger: httpx.Client
) -> None:
    require_factor(place.ctx, roles=[Role.MAINTAINER], by="test")
    link = invite(place.ctx, name="新的维护", role=Role.MAINTAINER, email="", by="test").link
    stranger.post(link, data={"password": PASSWORD})
    assert stranger.get("/admin/").headers["location"] == PAGE
    require_factor(place.ctx, roles=[], by="test")


def test_all_sessions_of_an_account_end_from_the_list_of_accounts(place: Program, hire: Hire) -> None:
    operator, member = hire(Role.OPERATOR), hire()
    csrf = fields(operator.http.get("/admin/accounts").text)["csrf"]
    operator.http.post("/admin/accounts/sessions", data={"csrf": csrf, "name": member.name})
    assert member.http.get("/admin/").headers["location"] == "/admin/login"
    assert end_sessions(place.ctx, name=member.name, by="test") == 0
