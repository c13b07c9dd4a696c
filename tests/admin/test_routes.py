"""Role × route: every address under /admin with what it takes, checked for each role, for nobody, and for thieves.

A new route needs a line in TABLE. OPEN: for everybody. ANYBODY: for whoever is logged in.
"""

import http.client
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from bot.actions.accounts import close_account
from bot.app import Program
from bot.core.permissions import Actor, Right, Role
from tests.people import Enterprise
from tests.staff import PASSWORD, StaffMember

OPEN, ANYBODY = "open", "anybody"
SEE, HANDLE, ACCOUNTS = Right.SEE_TICKETS, Right.HANDLE_TICKETS, Right.EDIT_ACCOUNTS
CLOCKS, CHANNELS, LIBRARIES = Right.EDIT_CLOCKS, Right.RUN_CHANNELS, Right.EDIT_LIBRARIES
TALKS, KNOWLEDGE, AUDIT = Right.SEE_CONVERSATIONS, Right.EDIT_KNOWLEDGE, Right.SEE_AUDIT

TABLE: dict[str, str | Right | tuple[Right, ...]] = {
    "GET /login": OPEN,
    "POST /login": OPEN,
    "POST /login/code": OPEN,
    "GET /invitation/{key}": OPEN,
    "POST /invitation/{key}": OPEN,
    "MOUNT /static": OPEN,
    "GET /password": ANYBODY,
    "POST /password": ANYBODY,
    "POST /logout": ANYBODY,
    "GET /security": ANYBODY,
    "POST /security/factor": ANYBODY,
    "POST /security/factor/end": ANYBODY,
    "POST /security/sessions/end": ANYBODY,
    "POST /security/sessions/others": ANYBODY,
    "GET /accounts": ACCOUNTS,
    "POST /accounts": ACCOUNTS,
    "POST /accounts/invite": ACCOUNTS,
    "POST /accounts/again": ACCOUNTS,
    "POST /accounts/password": ACCOUNTS,
    "POST /accounts/role": ACCOUNTS,
    "POST /accounts/email": ACCOUNTS,
    "POST /accounts/close": ACCOUNTS,
    "POST /accounts/factor": ACCOUNTS,
    "POST /accounts/sessions": ACCOUNTS,
    "POST /accounts/required": ACCOUNTS,
    "GET /": SEE,
    "GET /tickets/{number}": SEE,
    "POST /tickets/{number}/steps": HANDLE,
    "POST /tickets/{number}/corrections": HANDLE,
    "POST /tickets/{number}/referrals": HANDLE,
    "POST /tickets/{number}/acceptance": HANDLE,
    "POST /tickets/{number}/link": HANDLE,
    "GET /tickets/{number}/survey": HANDLE,
    "POST /tickets/{number}/survey": HANDLE,
    "POST /tickets/{number}/attachments": HANDLE,
    "GET /attachments/{attachment_id}": (SEE, Right.SEE_CONTACTS),
    "GET /tasks": HANDLE,
    "POST /tasks/{task_id}/phone": HANDLE,
    "POST /tasks/{task_id}/done": HANDLE,
    "GET /improvements": SEE,
    "POST /improvements": HANDLE,
    "GET /improvements/{number}": SEE,
    "POST /improvements/{number}/assign": HANDLE,
    "POST /improvements/{number}/measures": HANDLE,
    "POST /improvements/{number}/close": HANDLE,
    "GET /intake": HANDLE,
    "POST /intake": HANDLE,
    "GET /visits": SEE,
    "POST /visits": HANDLE,
    "GET /visits/{number}": SEE,
    "GET /outbox": CHANNELS,
    "POST /outbox/resend": CHANNELS,
    "POST /outbox/hold": CHANNELS,
    "POST /outbox/drop": CHANNELS,
    "POST /outbox/resend-all": CHANNELS,
    "GET /clocks": SEE,
    "POST /clocks": CLOCKS,
    "GET /calendar": SEE,
    "POST /calendar/notice": CLOCKS,
    "POST /calendar/close": CLOCKS,
    "POST /calendar/open": CLOCKS,
    "GET /libraries": SEE,
    "GET /libraries/{name}": SEE,
    "POST /libraries/{name}": LIBRARIES,
    "GET /libraries/{name}/record": SEE,
    "GET /libraries/{name}/download": LIBRARIES,
    "GET /libraries/{name}/template": SEE,
    "GET /audit": AUDIT,
    "GET /audit/export": AUDIT,
    "GET /board": SEE,
    "POST /board/bulk": HANDLE,
    "GET /board/export": SEE,
    "POST /board/views": SEE,
    "POST /board/views/drop": SEE,
    "GET /canned": TALKS,
    "POST /canned": HANDLE,
    "POST /canned/{reply_id}": HANDLE,
    "POST /canned/{reply_id}/remove": HANDLE,
    "GET /console": TALKS,
    "POST /console/away": HANDLE,
    "GET /console/events": TALKS,
    "GET /console/list": TALKS,
    "GET /console/{conversation_id}": TALKS,
    "POST /console/{conversation_id}/claim": HANDLE,
    "POST /console/{conversation_id}/form": HANDLE,
    "POST /console/{conversation_id}/hand-back": HANDLE,
    "POST /console/{conversation_id}/image": HANDLE,
    "GET /console/{conversation_id}/messages": TALKS,
    "POST /console/{conversation_id}/messages/{message_id}/correction": HANDLE,
    "POST /console/{conversation_id}/read": TALKS,
    "POST /console/{conversation_id}/reveal": Right.SEE_CONTACTS,
    "POST /console/{conversation_id}/say": HANDLE,
    "POST /console/{conversation_id}/transfer": HANDLE,
    "POST /console/{conversation_id}/typing": HANDLE,
    "GET /knowledge": SEE,
    "POST /knowledge/askers": KNOWLEDGE,
    "POST /knowledge/deeds": KNOWLEDGE,
    "GET /knowledge/download": KNOWLEDGE,
    "GET /knowledge/figures": SEE,
    "GET /knowledge/figures/records": SEE,
    "GET /knowledge/file": KNOWLEDGE,
    "POST /knowledge/file": KNOWLEDGE,
    "GET /knowledge/gaps": KNOWLEDGE,
    "GET /knowledge/gaps/{message_id}": KNOWLEDGE,
    "POST /knowledge/gaps/{message_id}/{deed}": KNOWLEDGE,
    "GET /knowledge/new": KNOWLEDGE,
    "POST /knowledge/new": KNOWLEDGE,
    "GET /knowledge/proposals": KNOWLEDGE,
    "GET /knowledge/proposals/corrections.tsv": KNOWLEDGE,
    "POST /knowledge/proposals/{proposal_id}/accept": KNOWLEDGE,
    "POST /knowledge/proposals/{proposal_id}/reject": KNOWLEDGE,
    "GET /knowledge/reviews": KNOWLEDGE,
    "POST /knowledge/reviews": KNOWLEDGE,
    "POST /knowledge/reviews/{review_id}": KNOWLEDGE,
    "GET /knowledge/sweep": KNOWLEDGE,
    "POST /knowledge/sweep": KNOWLEDGE,
    "GET /knowledge/synonyms": SEE,
    "POST /knowledge/synonyms": KNOWLEDGE,
    "POST /knowledge/synonyms/remove": KNOWLEDGE,
    "GET /knowledge/try": SEE,
    "GET /knowledge/versions/{version_id}/gate": SEE,
    "POST /knowledge/versions/{version_id}/gate": KNOWLEDGE,
    "GET /knowledge/versions/{version_id}/gate/progress": SEE,
    "POST /knowledge/versions/{version_id}/publish": Right.PUBLISH_KNOWLEDGE,
    "POST /knowledge/versions/{version_id}/restore": KNOWLEDGE,
    "POST /knowledge/versions/{version_id}/send-back": Right.PUBLISH_KNOWLEDGE,
    "POST /knowledge/versions/{version_id}/submit": KNOWLEDGE,
    "POST /knowledge/versions/{version_id}/withdraw": KNOWLEDGE,
    "GET /knowledge/{entry_id:entry}": SEE,
    "POST /knowledge/{entry_id:entry}/archive": Right.PUBLISH_KNOWLEDGE,
    "GET /knowledge/{entry_id:entry}/edit": KNOWLEDGE,
    "POST /knowledge/{entry_id:entry}/edit": KNOWLEDGE,
    "GET /knowledge/{entry_id:entry}/history": SEE,
    "POST /tickets/{number}/reveal": Right.SEE_CONTACTS,
}
LINES = sorted(TABLE)
UPLOADS = (
    "POST /tickets/{number}/attachments",
    "POST /libraries/{name}",
    "POST /knowledge/file",
    "POST /console/{conversation_id}/image",
)  # read by hand: no form is declared
ASKING = ("GET /knowledge/figures/records",)  # refused without the figure that is asked for
CLOSED = [line for line in LINES if TABLE[line] != OPEN]


@dataclass(frozen=True, slots=True)
class Place:
    """A running platform, its routes, somebody of each role, and a request that is there to be looked at."""

    program: Program
    web: FastAPI
    schema: Mapping[str, Any]
    staff: Mapping[Role, StaffMember]
    number: str

    def address(self, line: str) -> str:
        """A route with its gaps filled: the request's number and such, else what is nowhere."""
        known = {"number": self.number, "name": "providers", "conversation_id": "1", "key": "x"}
        known |= {"entry_id": "MET-05", "deed": "oos"}
        path = line.partition(" ")[2]
        return "/admin" + re.sub(r"\{(\w+)(?::\w+)?\}", lambda gap: known.get(gap[1], "1"), path)

    def form(self, line: str) -> dict[str, Any]:
        """What the route's form must hold, as plain as its types allow, with a CSRF token that is none."""
        method, _, path = line.partition(" ")
        path = re.sub(r":\w+\}", "}", path)
        content = self.schema["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
        found: dict[str, Any] = {}
        for kind in content.values():
            body = self._resolved(kind["schema"])
            found |= {name: self._value(body["properties"][name]) for name in body.get("required", ())}
        return {**found, "csrf": "guess"}

    def _value(self, schema: Mapping[str, Any]) -> Any:
        schema = self._resolved(schema)
        if "enum" in schema:
            return schema["enum"][0]
        if "format" in schema:
            return {"date": "2026-11-21", "date-time": "2026-11-21T10:00"}.get(schema["format"], "x")
        if schema.get("type") == "array":
            return [self._value(schema["items"])]
        return {"integer": "1", "number": "1", "boolean": "true"}.get(schema.get("type", ""), "x")

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.schema["components"]["schemas"][name] if name else schema


@pytest.fixture(scope="module")
def place(program: Program) -> Iterator[Place]:
    web = next(route.app for route in program.web.routes if getattr(route, "path", "") == "/admin")
    staff = {role: StaffMember(program, f"角色{role}", role) for role in Role}
    with Enterprise(program, "routes") as person:
        number = person.registers_need()
    yield Place(program, web, get_openapi(title="", version="", routes=web.routes), staff, number)
    for member in staff.values():
        member.http.close()


def lines_of(web: FastAPI) -> set[str]:
    """Every route, a line each."""
    found = set()
    for route in iter_route_contexts(web.routes):
        methods = (route.methods or {"MOUNT"}) - {"HEAD"}
        found |= {f"{method} {route.path}" for method in methods}
    return found


def asked(http: httpx.Client, place: Place, line: str, **headers: str) -> httpx.Response:
    """The route's answer; of a stream only its beginning."""
    method, address = line.partition(" ")[0], place.address(line)
    if method == "GET":
        with http.stream("GET", address, headers=headers) as answer:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer.read()
            return answer
    data = place.form(line)
    if line in UPLOADS:
        return http.post(address, data=data, files={"file": ("a.txt", b"a")}, headers=headers)
    return http.request(method, address, data=data, headers=headers)


def may(role: Role, line: str) -> bool:
    needs = TABLE[line]
    if isinstance(needs, str) and not isinstance(needs, Right):
        return True
    rights = needs if isinstance(needs, tuple) else (needs,)
    return all(Actor(1, "x", role).may(right) for right in rights)


# --- the table ---


def test_every_route_has_a_line_and_every_line_a_route(place: Place) -> None:
    found = lines_of(place.web)
    assert not found - set(TABLE), "new routes: say in TABLE which right they take"
    assert not set(TABLE) - found, "these routes are gone: take their lines out of TABLE"


@pytest.mark.parametrize("line", [one for one in CLOSED if one.startswith("GET")])
def test_each_role_sees_the_page_or_is_refused(place: Place, line: str) -> None:
    for role, member in place.staff.items():
        answer = asked(member.http, place, line)
        if not may(role, line):
            assert (answer.status_code, "没有查看这一页的权限" in answer.text) == (403, True), role
        elif "{" in line or line in ASKING:
            assert answer.status_code in (200, 303, 404, 422), role
        else:
            assert answer.status_code in (200, 303), role
        assert answer.headers.get("location", "") not in ("/admin/login", "/admin/password"), role


@pytest.mark.parametrize("line", [one for one in CLOSED if one.startswith("POST")])
def test_each_role_is_refused_for_its_right_or_else_for_the_form_from_elsewhere(
    place: Place, line: str
) -> None:
    for role, member in place.staff.items():
        answer = asked(member.http, place, line)
        words = "页面已过期" if may(role, line) else "没有查看这一页的权限"
        assert (answer.status_code, words in answer.text) == (403, True), (role, answer.text[-400:])
    assert place.staff[Role.STAFF].http.get("/admin/").status_code == 200, "still logged in"


@pytest.mark.parametrize("line", CLOSED)
def test_without_a_session_every_route_is_the_log_in(place: Place, line: str) -> None:
    with httpx.Client(base_url=place.program.url, trust_env=False) as http:
        answer = asked(http, place, line)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")
        answer = asked(http, place, line, Cookie="nqi_session=" + "x" * 43)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")


@pytest.mark.parametrize("line", [one for one in LINES if TABLE[one] == OPEN and "POST" in one])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_the_forms_before_the_log_in_are_not_sent_from_another_site(
    place: Place, line: str, site: str
) -> None:
    with httpx.Client(base_url=place.program.url, trust_env=False) as http:
        answer = asked(http, place, line, **{"Sec-Fetch-Site": site})
        assert (answer.status_code, "本站的登录页" in answer.text) == (403, True)
        own = asked(http, place, line, **{"Sec-Fetch-Site": "same-origin"})
        assert "本站的登录页" not in own.text


# --- session theft ---


def stolen(member: StaffMember) -> str:
    return member.http.cookies["nqi_session"]


def opens(place: Place, key: str) -> bool:
    """Does a cookie open anything?"""
    headers = {"Cookie": f"nqi_session={key}"}
    with httpx.Client(base_url=place.program.url, trust_env=False) as http:
        answers = [http.get(f"/admin{path}", headers=headers) for path in ("/", "/security", "/password")]
    assert len({answer.status_code for answer in answers}) == 1
    return answers[0].status_code == 200


@pytest.mark.parametrize("how", ["logout", "others", "closed"])
def test_the_cookie_of_a_session_that_has_ended_opens_nothing(place: Place, how: str) -> None:
    with StaffMember(place.program, f"失窃-{how}", Role.OPERATOR) as victim:
        key = stolen(victim)
        assert opens(place, key)
        victim.logs_in()
        fresh = stolen(victim)
        csrf = victim.http.get("/admin/password").text.split('name="csrf" value="')[1].split('"')[0]
        if how == "logout":
            victim.http.post("/admin/logout", data={"csrf": csrf})
            assert (opens(place, fresh), opens(place, key)) == (False, True)
        elif how == "others":
            victim.http.post("/admin/security/sessions/others", data={"csrf": csrf})
            assert (opens(place, fresh), opens(place, key)) == (True, False)
        else:
            close_account(place.program.ctx, name=victim.name, by="test")
            assert (opens(place, fresh), opens(place, key)) == (False, False)


def test_a_log_in_never_takes_up_a_key_that_the_browser_brought(place: Place) -> None:
    with StaffMember(place.program, "固定", Role.STAFF) as victim:
        planted = "a" * 43
        form = {"name": victim.name, "password": PASSWORD}
        with httpx.Client(base_url=place.program.url, trust_env=False) as http:
            answer = http.post("/admin/login", data=form, headers={"Cookie": f"nqi_session={planted}"})
        assert planted not in answer.headers["set-cookie"]
        assert not opens(place, planted)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(place: Place) -> None:
    form = {"name": place.staff[Role.STAFF].name, "password": PASSWORD}
    with httpx.Client(base_url=place.program.url, trust_env=False) as http:
        flags = http.post("/admin/login", data=form).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/admin"} <= {flag.strip() for flag in flags.split(";")}


def test_the_token_of_one_session_is_worth_nothing_in_another(place: Place) -> None:
    mine, theirs = place.staff[Role.OPERATOR], place.staff[Role.HEAD]
    token = theirs.http.get("/admin/password").text.split('name="csrf" value="')[1].split('"')[0]
    answer = mine.http.post("/admin/logout", data={"csrf": token})
    assert (answer.status_code, "页面已过期" in answer.text) == (403, True)
    assert mine.http.get("/admin/").status_code == 200


# --- open redirect, path traversal ---


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_a_log_in_leads_nowhere_but_here(place: Place, target: str) -> None:
    form = {"name": place.staff[Role.STAFF].name, "password": PASSWORD}
    extra = dict.fromkeys(("next", "url", "redirect", "return_to"), target)
    headers = {"Referer": target, "X-Forwarded-Host": "evil.example"}
    with httpx.Client(base_url=place.program.url, trust_env=False) as http:
        answer = http.post("/admin/login", params=extra, data={**form, **extra}, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")


def raw(place: Place, path: str, *, key: str = "") -> tuple[int, str, bytes]:
    """Ask for exactly these bytes: no client tidies the path up. Gives status, location, body."""
    address = urlsplit(place.program.url)
    link = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    link.putrequest("GET", path, skip_accept_encoding=True)
    link.putheader("Cookie", f"nqi_session={key}")
    link.endheaders()
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer.status, answer.getheader("location", ""), body


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "/admin//evil.example/", "/admin/\\evil.example/", "/admin/login//evil.example/..",
     "//evil.example/admin/login/", "/admin/%2f%2fevil.example/", "/admin/login/"],
)  # fmt: skip
def test_no_path_is_led_to_another_host(place: Place, path: str) -> None:
    status, location, _body = raw(place, path)
    assert urlsplit(location).netloc in ("", urlsplit(place.program.url).netloc), status
    assert not location.startswith(("//", "/\\"))


@pytest.mark.parametrize(
    "tail",
    ["../auth.py", "..%2fauth.py", "%2e%2e/auth.py", "%2e%2e%2fauth.py", "..%252fauth.py", "..\\auth.py",
     "%2e%2e%5cauth.py", "..%c0%afauth.py", "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd",
     "../../../../../../../../etc/passwd", "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "admin.css%00.py", "."],
)  # fmt: skip
@pytest.mark.parametrize("room", ["static", "attachments"])
def test_no_path_leads_out_of_the_files_that_are_given_out(place: Place, room: str, tail: str) -> None:
    status, _location, body = raw(place, f"/admin/{room}/{tail}", key=stolen(place.staff[Role.OPERATOR]))
    assert status in (307, 400, 404, 405, 422)
    assert b"NotLoggedInError" not in body
    assert b"root:" not in body


@pytest.mark.parametrize("number", ["0", "-1", "1.0", "9" * 30, "1%00", "%31%2f..", "nan"])
def test_an_attachment_that_is_none_is_said_to_be_none(place: Place, number: str) -> None:
    status, _location, _body = raw(
        place, f"/admin/attachments/{number}", key=stolen(place.staff[Role.OPERATOR])
    )
    assert status in (404, 422)


def test_a_static_file_is_given_out(place: Place) -> None:
    assert raw(place, "/admin/static/admin.css")[0] == 200
