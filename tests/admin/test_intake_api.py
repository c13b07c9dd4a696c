"""The HTTP API for a portal: who may, what is refused and how, and that a retry opens nothing twice."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from admin.intake_api import intake_api
from bot.app import Program
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from bot.store import tickets
from tests.people import Enterprise
from tests.staff import StaffMember

KEY = "portal-key-for-tests-0123456789"
NEED = {"person": "王经理", "content": "三台天平要校准"}
_serials = count(1)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("portal"), simulator=True, log_level="error", intake_key=KEY
    )
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def http(program: Program) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=program.url, trust_env=False, headers={"Authorization": f"Bearer {KEY}"}
    ) as client:
        yield client


def need(**changes: Any) -> dict[str, Any]:
    """The body of somebody who has never asked for anything."""
    serial = next(_serials)
    return {**NEED, "applicant": f"示例第{serial}公司", "phone": f"137{serial:08d}", **changes}


def post(http: httpx.Client, body: Any, key: str = "") -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Idempotency-Key": key or f"key {next(_serials)}", "Content-Type": "application/json"}
    return http.post("/api/needs", content=raw, headers=headers)


def count_of(program: Program) -> int:
    with program.ctx.read() as session:
        return sum(tickets.count_tickets(session).values())


def test_a_need_is_registered_with_a_number_and_a_time_limit(program: Program, http: httpx.Client) -> None:
    body = need(category="testing", urgency="urgent", started_at="2026-11-20T09:30:00+08:00")
    answer = post(http, body, "k-1")
    assert answer.status_code == 201
    given = answer.json()
    assert set(given) == {"number", "respond_by", "state"}
    assert given["state"] == "registered"
    assert given["respond_by"].endswith("+08:00")
    with program.ctx.read() as session:
        found = tickets.ticket_numbered(session, given["number"])
        assert found is not None
    assert (found.channel, found.origin, found.category, found.urgency) == (
        "portal",
        "portal:k-1",
        "testing",
        "urgent",
    )
    assert (found.applicant, found.phone) == (body["applicant"], body["phone"])
    assert found.started_at.isoformat() == "2026-11-20T01:30:00+00:00"


def test_a_retry_gets_the_same_answer_and_another_body_is_refused(
    program: Program, http: httpx.Client
) -> None:
    body = need()
    first, before = post(http, body, "retry"), count_of(program)
    again = post(http, dict(reversed(body.items())), "retry")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = post(http, {**body, "content": "压力表检定"}, "retry")
    assert (other.status_code, other.json()["code"]) == (409, "intake-key")
    assert count_of(program) == before


def test_retries_at_once_open_one(http: httpx.Client) -> None:
    body = need()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(http, body, "at-once"), range(16)))
    assert sorted({one.status_code for one in answers}) == [200, 201]
    assert sum(one.status_code == 201 for one in answers) == 1
    assert len({one.text for one in answers}) == 1


def test_similar_open_ones_are_named_and_it_opens_all_the_same(http: httpx.Client) -> None:
    body = need()
    first = post(http, body).json()
    second = post(http, {**body, "content": "天平校准，一共三台"}, "similar")
    assert second.status_code == 201
    assert second.json()["duplicates"] == [first["number"]]
    assert post(http, {**body, "content": "天平校准，一共三台"}, "similar").json() == second.json()


@pytest.mark.parametrize("kind", ["complaint", "suggestion"])
def test_complaints_and_suggestions_may_come_without_a_name(http: httpx.Client, kind: str) -> None:
    body = {"applicant": "", "person": "", "phone": "", "content": "检测报告出得太慢", "kind": kind}
    answer = post(http, body)
    assert answer.status_code == 201
    assert answer.json()["number"].startswith(f"NQI-{kind[0].upper()}-")


@pytest.mark.parametrize(
    ("changes", "status", "code", "named"),
    [
        ({"phone": "1380000"}, 422, "intake-phone", "phone"),
        ({"phone": 13800000000}, 422, "intake-field", "phone"),
        ({"applicant": ""}, 422, "intake-applicant", "applicant"),
        ({"content": "检"}, 422, "intake-content", "content"),
        ({"category": "magic"}, 422, "intake-category", "category"),
        ({"urgency": True}, 422, "intake-field", "urgency"),
        ({"started_at": "2099-01-01T10:00:00+08:00"}, 422, "intake-started-at", "started_at"),
        ({"kind": "visit"}, 422, "intake-kind", "kind"),
        ({"colour": "red"}, 422, "intake-field", "colour"),
        ({"source": "phone"}, 422, "intake-field", "source"),
    ],
)
def test_a_field_is_refused_by_its_name(
    program: Program, http: httpx.Client, changes: dict[str, Any], status: int, code: str, named: str
) -> None:
    before = count_of(program)
    answer = post(http, need(**changes))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message"}
    assert f"字段 {named}" in answer.json()["message"]
    assert count_of(program) == before


@pytest.mark.parametrize("name", ["applicant", "person", "phone", "content"])
def test_a_missing_field_is_named(http: httpx.Client, name: str) -> None:
    body = need()
    del body[name]
    answer = post(http, body)
    assert (answer.status_code, answer.json()["message"]) == (422, f"缺少字段 {name}。")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe{}", b"[" * 60_000])
def test_what_is_no_json_object_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = post(http, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "intake-json")


def test_a_body_that_is_too_long_is_refused_however_it_comes(http: httpx.Client) -> None:
    long = json.dumps(need(content="检" * 30_000)).encode()
    assert len(long) > 65_536
    assert post(http, long).status_code == 413
    pieces = (b" " * 10_000 for _ in range(7))  # chunked: no length is announced
    answer = http.post("/api/needs", content=pieces, headers={"Idempotency-Key": "long"})
    assert (answer.status_code, answer.json()["code"]) == (413, "intake-size")


@pytest.mark.parametrize("key", [None, "", "k" * 81, "a\tb", "é"])
def test_the_key_of_a_request_is_required_and_plain(http: httpx.Client, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key.encode("latin-1")}
    answer = http.post("/api/needs", json=need(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "intake-key")


def test_the_longest_key_is_taken(http: httpx.Client) -> None:
    assert post(http, need(), "k" * 80).status_code == 201


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", KEY])
def test_without_the_portals_key_nothing_is_told(program: Program, given: str) -> None:
    headers = {"Authorization": given, "Idempotency-Key": "k"}
    with httpx.Client(base_url=program.url, trust_env=False, headers=headers) as stranger:
        for answer in (stranger.post("/api/needs", json=need()), stranger.get("/api/needs/NQI-2026-000001")):
            assert (answer.status_code, answer.json()["code"]) == (401, "intake-auth")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_other_methods_are_refused(http: httpx.Client) -> None:
    assert http.get("/api/needs").status_code == 405
    assert http.delete("/api/needs/NQI-2026-000001").status_code == 405


def test_its_course_can_be_followed_without_what_people_wrote(program: Program, http: httpx.Client) -> None:
    body = need()
    number = post(http, body).json()["number"]
    with StaffMember(program, "小李", Role.OPERATOR) as li:
        li.corrects(number, "content", "三台天平，内部备注", reason="电话核实")
        li.steps(number, "assess", plan="metrology")
        li.steps(number, "ask_enterprise", reason="请问王经理天平的量程")
    answer = http.get(f"/api/needs/{number.lower()}")
    assert answer.status_code == 200
    found = answer.json()
    assert (found["number"], found["kind"], found["state"]) == (number, "need", "assessed")
    assert found["state_text"] == "已评估，正在安排"
    assert [line["step"] for line in found["timeline"]] == ["registered", "assess", "ask_enterprise"]
    assert [line["text"] for line in found["timeline"]] == ["登记", "评估", "请企业补充"]
    assert [line["state"] for line in found["timeline"]] == ["registered", "assessed", "assessed"]
    assert all(line["at"].endswith("+08:00") for line in found["timeline"])
    for secret in ("备注", "电话核实", "王经理", "小李", body["applicant"], body["phone"], body["content"]):
        assert secret not in answer.text


def test_what_came_another_way_is_not_shown(program: Program, http: httpx.Client) -> None:
    with Enterprise(program, "chat-1") as person:
        number = person.registers_need()
    for asked in (number, "NQI-2026-999999", "x"):
        assert http.get(f"/api/needs/{asked}").status_code == 404


def test_without_a_key_in_the_settings_the_api_is_closed(program: Program) -> None:
    closed = replace(program.ctx, settings=replace(program.settings, intake_key=""))
    transport = httpx.ASGITransport(Starlette(routes=intake_api(closed)))
    headers = {"Authorization": "Bearer ", "Idempotency-Key": "k"}

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=transport, base_url="http://nqi", headers=headers) as client:
            return [
                await client.post("/api/needs", json=need()),
                await client.get("/api/needs/NQI-2026-000001"),
            ]

    for answer in asyncio.run(ask()):
        assert (answer.status_code, answer.json()["code"]) == (404, "intake-closed")
