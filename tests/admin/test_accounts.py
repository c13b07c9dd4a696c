"""The accounts in the browser: who may, what is refused, and the one-time password that is shown once."""

import html
import re
from collections.abc import Callable, Iterator
from itertools import count

import httpx
import pytest

from bot.actions.accounts import Account, AccountState, list_staff, log_in
from bot.app import Program
from bot.core.permissions import Role
from tests.staff import StaffMember

PAGE = "/admin/accounts"
FORMS = (PAGE, f"{PAGE}/password", f"{PAGE}/role", f"{PAGE}/email", f"{PAGE}/close")
_PASSWORD = re.compile(r"<code>([\w-]{16})</code>")
_numbers = count(1)

Hire = Callable[..., StaffMember]


@pytest.fixture
def hire(program: Program) -> Iterator[Hire]:
    """Make somebody with an account who is logged in; an operator unless named."""
    made: list[StaffMember] = []

    def one(role: Role = Role.OPERATOR) -> StaffMember:
        made.append(StaffMember(program, f"账号{next(_numbers)}", role))
        return made[-1]

    yield one
    for member in made:
        member.http.close()


@pytest.fixture
def operator(hire: Hire) -> StaffMember:
    return hire()


def csrf(member: StaffMember) -> str:
    page = member.http.get("/admin/password").text
    return page.split('name="csrf" value="')[1].split('"')[0]


def post(member: StaffMember, route: str, **data: str) -> httpx.Response:
    """Send a form of the page, with the token unless another is given."""
    return member.http.post(route, data={"csrf": csrf(member), **data}, follow_redirects=True)


def add(member: StaffMember, name: str, *, role: str = "staff", email: str = "") -> httpx.Response:
    return post(member, PAGE, name=name, role=role, email=email)


def account(program: Program, name: str) -> Account | None:
    return next((one for one in list_staff(program.ctx) if one.name == name), None)


# --- who may ---


def test_without_a_session_every_route_is_the_log_in(program: Program) -> None:
    with httpx.Client(base_url=program.url, trust_env=False) as http:
        answers = [http.get(PAGE), *(http.post(route, data={"csrf": "x"}) for route in FORMS)]
    assert {(one.status_code, one.headers["location"]) for one in answers} == {(303, "/admin/login")}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_only_operators_get_in(program: Program, hire: Hire, role: Role) -> None:
    member, victim = hire(role), hire(Role.STAFF)
    assert member.http.get(PAGE).status_code == 403
    for route in FORMS:
        answer = post(member, route, name=victim.name, role="operator", email="x@example.com")
        assert answer.status_code == 403, route
    assert account(program, victim.name) == Account(victim.name, Role.STAFF, "", AccountState.OPEN)


def test_a_form_from_elsewhere_changes_nothing(program: Program, operator: StaffMember, hire: Hire) -> None:
    victim = hire(Role.STAFF)
    before = list_staff(program.ctx)
    for route in FORMS:
        data = {"name": victim.name if route != PAGE else "新来的", "role": "head", "email": "x@example.com"}
        answer = post(operator, route, csrf="guess", **data)
        assert (answer.status_code, "页面已过期" in answer.text) == (403, True), route
    assert list_staff(program.ctx) == before
    assert victim.http.get("/admin/").status_code == 200, "still logged in"


# --- what is done ---


def test_a_new_account_shows_its_password_once_and_it_works(program: Program, operator: StaffMember) -> None:
    answer = add(operator, "新同事", email="new@example.com")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    password = _PASSWORD.findall(answer.text)[0]
    assert log_in(program.ctx, name="新同事", password=password).actor.must_change
    later = operator.http.get(PAGE, params={"name": "新同事"}).text
    assert password not in later
    assert "待首次登录" in later
    assert "new@example.com" in later


def test_an_account_changes_role_and_address_and_ends(
    program: Program, operator: StaffMember, hire: Hire
) -> None:
    member = hire(Role.EVALUATOR)
    assert member.http.get("/admin/console/1").status_code == 403
    post(operator, f"{PAGE}/role", name=member.name, role="staff")
    assert member.http.get("/admin/console/999999").status_code == 404, "seen at once, were it there"
    page = post(operator, f"{PAGE}/email", name=member.name, email="a@example.com")
    assert page.url.path == PAGE
    assert "a@example.com" in page.text
    page = post(operator, f"{PAGE}/close", name=member.name)
    assert "已经停用" in page.text
    assert member.http.get("/admin/").headers["location"] == "/admin/login"
    found = account(program, member.name)
    assert found is not None
    assert (found.role, found.email, found.state) == (Role.STAFF, "a@example.com", AccountState.CLOSED)


def test_a_reset_logs_out_and_shows_another_password(
    program: Program, operator: StaffMember, hire: Hire
) -> None:
    member = hire(Role.STAFF)
    answer = post(operator, f"{PAGE}/password", name=member.name)
    password = _PASSWORD.findall(answer.text)[0]
    assert member.http.get("/admin/").headers["location"] == "/admin/login"
    assert log_in(program.ctx, name=member.name, password=password).actor.must_change


def test_nobody_is_offered_or_granted_the_end_of_their_own_account(
    program: Program, operator: StaffMember
) -> None:
    own = operator.http.get(PAGE, params={"name": operator.name}).text
    assert f'action="{PAGE}/email"' in own
    for what, data in (("close", {}), ("role", {"role": "staff"}), ("password", {})):
        assert f'action="{PAGE}/{what}"' not in own
        answer = post(operator, f"{PAGE}/{what}", name=operator.name, **data)
        assert answer.status_code == 403
        assert 'role="alert"' in answer.text
    assert account(program, operator.name) == Account(operator.name, Role.OPERATOR, "", AccountState.OPEN)


# --- what is refused, and what is shown ---


@pytest.mark.parametrize("name", ["", "bot", "智能助手", " 小李", "小\u200b李", "李" * 31, "小李、小陈"])
def test_a_refused_name_is_said_in_words_and_what_was_typed_is_kept(operator: StaffMember, name: str) -> None:
    answer = add(operator, name, role="head", email="kept@example.com")
    assert answer.status_code == 400
    assert re.search(r'role="alert">(姓名|这个名字)', answer.text)
    assert 'value="kept@example.com"' in answer.text
    assert '<option value="head" selected>' in answer.text
    assert not _PASSWORD.findall(answer.text)


def test_a_taken_name_and_a_missing_account_are_said(operator: StaffMember) -> None:
    assert (add(operator, operator.name).status_code, "已被使用" in add(operator, operator.name).text) == (
        409,
        True,
    )
    answer = post(operator, f"{PAGE}/close", name="没有这个人")
    assert (answer.status_code, "没有这个账号" in answer.text) == (404, True)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img/src=x>', "a&name=b#c", "../../login", "{{7*7}}"]
)
def test_a_hostile_name_stays_text_and_its_links_lead_to_it(operator: StaffMember, name: str) -> None:
    added = add(operator, name)
    assert added.status_code == 200
    page = operator.http.get(PAGE).text
    assert "<script" not in page
    assert "<img" not in page
    assert name in html.unescape(page)
    links = [html.unescape(link) for link in re.findall(r'<a href="(/admin/accounts\?name=[^"]*)"', page)]
    opened = [operator.http.get(link).text for link in links]
    shown = [html.unescape(text) for text in opened if f"<h2>{name}</h2>" in html.unescape(text)]
    assert len(shown) == 1
    closed = post(operator, f"{PAGE}/close", name=name)
    assert (closed.status_code, closed.url.path) == (200, PAGE)
    assert f"<h2>{name}</h2>" in html.unescape(closed.text)


def test_what_is_looked_for_and_not_there_is_just_the_list(operator: StaffMember) -> None:
    answer = operator.http.get(PAGE, params={"name": "<script>\x00"})
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert 'id="chosen"' not in answer.text
