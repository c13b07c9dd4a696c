"""The staff pages: nobody gets in who may not, and hostile text stays text."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from bot.actions.accounts import create_first_administrator, log_in
from bot.app import Program
from bot.errors import ForbiddenError
from bot.serving import running
from bot.settings import Settings
from tests.conftest import always_open
from tests.people import Enterprise

ROUTES = (
    "/admin/",
    "/admin/password",
    "/admin/tickets/NQI-2026-000001",
    "/admin/console/1",
    "/admin/libraries",
    "/admin/libraries/providers",
    "/admin/libraries/providers/record?number=P001",
    "/admin/libraries/providers/download",
    "/admin/libraries/providers/template",
    "/admin/accounts",
    "/admin/attachments/1",
    "/admin/calendar",
    "/admin/clocks",
    "/admin/improvements",
    "/admin/intake",
    "/admin/outbox",
    "/admin/tasks",
    "/admin/tickets/NQI-2026-000001/survey",
    "/admin/visits",
)
PASSWORD = "long-enough-2026"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, str]]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("admin"), simulator=True, log_level="error")
    with running(settings) as program:
        always_open(program)
        password = create_first_administrator(program.ctx)
        assert password
        yield program, password


@pytest.fixture
def browser(place: tuple[Program, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=place[0].url, trust_env=False) as http:
        yield http


@pytest.fixture(scope="module")
def cookie(place: tuple[Program, str]) -> str:
    """The key of an administrator who has set a password."""
    program, first = place
    with httpx.Client(base_url=program.url, trust_env=False) as http:
        login = http.post("/admin/login", data={"name": "admin", "password": first})
        assert login.headers["location"] == "/admin/password"
        assert "must" not in login.text
        assert http.get("/admin/").headers["location"] == "/admin/password", "nothing else before the change"
        page = http.get("/admin/password").text
        csrf = page.split('name="csrf" value="')[1].split('"')[0]
        short = http.post("/admin/password", data={"csrf": csrf, "old": first, "new": "short"})
        assert short.status_code == 400
        done = http.post("/admin/password", data={"csrf": csrf, "old": first, "new": PASSWORD})
        assert done.headers["location"] == "/admin/"
        return http.cookies["nqi_session"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("key", ["", "x", "0" * 43])
def test_without_a_session_every_page_is_the_log_in(browser: httpx.Client, route: str, key: str) -> None:
    answer = browser.get(route, headers={"Cookie": f"nqi_session={key}"} if key else {})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")


def test_the_first_account_is_made_once(place: tuple[Program, str]) -> None:
    assert create_first_administrator(place[0].ctx) is None


def test_a_form_from_elsewhere_is_refused(browser: httpx.Client, cookie: str) -> None:
    browser.cookies.set("nqi_session", cookie, path="/admin")
    for route, data in (
        ("/admin/logout", {}),
        ("/admin/password", {"old": PASSWORD, "new": "another-password"}),
    ):
        answer = browser.post(route, data={"csrf": "guess", **data})
        assert answer.status_code == 403
        assert "页面已过期" in answer.text
    assert browser.get("/admin/").status_code == 200, "still logged in"


def test_pages_forbid_foreign_scripts_and_are_not_kept(browser: httpx.Client, cookie: str) -> None:
    browser.cookies.set("nqi_session", cookie, path="/admin")
    headers = browser.get("/admin/").headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_what_an_enterprise_wrote_is_shown_as_text_and_its_phone_masked(
    place: tuple[Program, str], browser: httpx.Client, cookie: str
) -> None:
    browser.cookies.set("nqi_session", cookie, path="/admin")
    with Enterprise(place[0], "admin-page") as person:
        person.says("想给新出的椰汁做个第三方检测")
        person.says("<script>alert(1)</script>食品有限公司")
        person.says("王经理")
        person.says("13812345678")
        number = person.says("确认提交").split("编号 ")[1][:15]
        person.says("转人工")
    page = browser.get(f"/admin/tickets/{number}")
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "138****5678" in page.text
    assert "从内容中读到" in page.text
    assert "椰汁" in page.text.split("从内容中读到")[1]
    assert "13812345678" not in page.text
    overview = browser.get("/admin/").text
    assert number in overview
    assert "/admin/console/" in overview
    talk = overview.split("/admin/console/")[1].split('"')[0]
    assert "转人工" in browser.get(f"/admin/console/{talk}").text
    assert browser.get(f"/admin/tickets/{number.lower()}").status_code == 200


@pytest.mark.parametrize(
    "route", ["/admin/tickets/NQI-2026-999999", "/admin/tickets/..%2f..%2fetc", "/admin/console/999999"]
)
def test_what_is_not_there_is_said_in_words(browser: httpx.Client, cookie: str, route: str) -> None:
    browser.cookies.set("nqi_session", cookie, path="/admin")
    answer = browser.get(route)
    assert answer.status_code == 404


def test_wrong_passwords_make_an_account_wait(place: tuple[Program, str], cookie: str) -> None:
    program = place[0]
    attempt: Callable[[], object] = lambda: log_in(program.ctx, name="admin", password="wrong")  # noqa: E731
    for _ in range(6):
        with pytest.raises(ForbiddenError, match="不对"):
            attempt()
    with pytest.raises(ForbiddenError, match="秒后再试"):
        log_in(program.ctx, name="admin", password=PASSWORD)
    with pytest.raises(ForbiddenError, match="不对"):
        log_in(program.ctx, name="nobody", password=PASSWORD)
