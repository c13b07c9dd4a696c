"""The libraries in the browser: who may, what a hostile file meets, and what a ticket's page suggests."""

import html
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bot.actions.libraries import TABLES, Libraries, import_file, load_demonstration
from bot.app import Program
from bot.core import permissions
from bot.core.permissions import Right, Role
from knowledge.library import ProviderStatus, check_character
from knowledge.library_rows import (
    ENTERPRISES,
    EXPERTS,
    INSTRUMENTS,
    MOST_BYTES,
    PROVIDERS,
    load_demo,
    written,
)
from tests.admin.test_pages import browser, cookie, place  # noqa: F401 - fixtures
from tests.make import TODAY
from tests.people import Enterprise

LIST = "/admin/libraries/providers"
VIEWS = (LIST, f"{LIST}?q=%00&page=-1", f"{LIST}/record?number=DEMO-P01", f"{LIST}/template")
PAGES = (*VIEWS, f"{LIST}/download")


@pytest.fixture
def staff(browser: httpx.Client, cookie: str) -> httpx.Client:  # noqa: F811
    """A browser in which the administrator has logged in."""
    browser.cookies.set("nqi_session", cookie, path="/admin")
    return browser


@pytest.fixture(autouse=True)
def demonstration(place: tuple[Program, str], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The demonstration set stands in every library that no test has given real records; the day is set."""
    monkeypatch.setattr("admin.libraries.china_date", lambda _moment: TODAY)
    load_demonstration(place[0].ctx, actor="test")


@pytest.fixture
def csrf(staff: httpx.Client) -> str:
    return staff.get(LIST).text.split('name="csrf" value="')[1].split('"')[0]


@pytest.fixture
def visitor(staff: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """The same person without the right to edit."""
    monkeypatch.setitem(permissions._RIGHTS, Role.OPERATOR, frozenset({Right.SEE_TICKETS}))
    return staff


def send(
    http: httpx.Client,
    csrf: str,
    data: bytes,
    *,
    name: str = "a.xlsx",
    action: str = "import",
    to: str = LIST,
) -> tuple[int, str]:
    """Upload a file; the status and the page as it is read."""
    answer = http.post(to, data={"csrf": csrf, "action": action}, files={"file": (name, data)}, timeout=60)
    return answer.status_code, html.unescape(answer.text)


def code(number: int) -> str:
    first = f"91460000{number:09d}"
    return first + check_character(first)


# --- who may ---


@pytest.mark.parametrize("route", PAGES)
def test_nobody_sees_a_library_without_logging_in(browser: httpx.Client, route: str) -> None:  # noqa: F811
    answer = browser.get(route)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")


def test_nobody_uploads_without_logging_in(browser: httpx.Client) -> None:  # noqa: F811
    answer = browser.post(LIST, files={"file": ("a.csv", b"x")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")


@pytest.mark.parametrize("route", PAGES)
def test_an_editor_sees_every_page(staff: httpx.Client, route: str) -> None:
    assert staff.get(route).status_code == 200


def test_without_the_right_one_may_look_but_neither_import_nor_export(visitor: httpx.Client) -> None:
    assert [visitor.get(route).status_code for route in VIEWS] == [200] * len(VIEWS)
    assert 'type="file"' not in visitor.get(LIST).text
    record = visitor.get(f"{LIST}/record?number=DEMO-P01").text
    assert "0898-00000000" not in record
    assert "需要维护权限" in record
    assert visitor.get(f"{LIST}/download").status_code == 403
    assert send(visitor, "x", b"x")[0] == 403


def test_who_may_see_no_tickets_sees_no_library(
    visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(permissions._RIGHTS, Role.OPERATOR, frozenset({Right.SEE_CONVERSATIONS}))
    assert {visitor.get(route).status_code for route in PAGES} == {403}


def test_a_form_from_elsewhere_writes_nothing(staff: httpx.Client) -> None:
    file = written(EXPERTS, [replace(load_demo(EXPERTS)[0], is_demo=False)], form="csv")
    status, page = send(staff, "guess", file, name="a.csv", to="/admin/libraries/experts")
    assert (status, "页面已过期" in page) == (403, True)
    assert "共 6 条" in staff.get("/admin/libraries/experts").text


# --- look and search ---


@pytest.mark.parametrize("name", TABLES)
def test_each_library_lists_its_records_marked_and_opens_them(staff: httpx.Client, name: str) -> None:
    first = load_demo(TABLES[name])[0]
    page = staff.get(f"/admin/libraries/{name}").text
    assert page.count("<strong>演示</strong>") == len(load_demo(TABLES[name]))
    assert 'aria-current="page"' in page
    record = staff.get(f"/admin/libraries/{name}/record", params={"number": first.number})
    assert record.status_code == 200
    assert first.name in record.text
    assert "不会向其发送任何内容" in record.text


def test_a_search_finds_by_words_and_keeps_hostile_ones_as_text(staff: httpx.Client) -> None:
    assert "查到 1 条" in staff.get(LIST, params={"q": "压力表 龙华"}).text
    page = staff.get(LIST, params={"q": '"><script>alert(1)</script>'}).text
    assert "没有查到" in page
    assert "<script>" not in page


@pytest.mark.parametrize("route", ["/admin/libraries/people", f"{LIST}/record?number=P404", f"{LIST}/record"])
def test_what_is_not_there_is_said_in_words(staff: httpx.Client, route: str) -> None:
    answer = staff.get(route)
    assert answer.status_code == 404
    assert "没有" in answer.text


def test_many_records_come_in_pages(place: tuple[Program, str], staff: httpx.Client) -> None:  # noqa: F811
    many: list[Any] = [
        replace(
            load_demo(ENTERPRISES)[0],
            number=f"C{which:03d}",
            name=f"乙{which}厂",
            credit_code=code(which),
            is_demo=False,
        )
        for which in range(1, 121)
    ]
    data = written(ENTERPRISES, many, form="csv")
    assert import_file(place[0].ctx, ENTERPRISES, data, form="csv", actor="test").is_written
    route = "/admin/libraries/enterprises"
    pages = [
        staff.get(route, params={"q": "厂", "page": number}).text for number in ("1", "2", "3", "99", "x")
    ]
    assert [page.count("<li>") for page in pages] == [50, 50, 20, 20, 50]
    assert "第 2 页，共 3 页" in pages[1]
    assert ('rel="prev"' in pages[0], 'rel="next"' in pages[2]) == (False, False)


def test_a_record_says_why_it_cannot_be_asked_today(staff: httpx.Client) -> None:
    stopped = next(one for one in load_demo(INSTRUMENTS) if one.status.value == "repair")
    page = staff.get("/admin/libraries/instruments/record", params={"number": stopped.number}).text
    assert "仪器状态为“维修”" in page
    assert "仪器状态为“维修”" in staff.get("/admin/libraries/instruments").text


# --- in and out ---


def test_a_trial_shows_each_bad_row_and_writes_nothing(staff: httpx.Client, csrf: str) -> None:
    bad = [replace(load_demo(EXPERTS)[0], is_demo=False), replace(load_demo(EXPERTS)[1], title="高级技师")]
    to = "/admin/libraries/experts"
    for action, expected in (("check", 200), ("import", 400)):
        status, page = send(staff, csrf, written(EXPERTS, bad, form="xlsx"), action=action, to=to)
        assert status == expected
        assert "<td>3</td><td>职称</td>" in page
        assert "共 6 条" in page
    good = written(EXPERTS, bad[:1], form="xlsx")
    status, page = send(staff, csrf, good, action="check", to=to)
    assert (status, "检查通过，尚未写入" in page, "共 6 条" in page) == (200, True, True)


def test_an_import_replaces_the_demonstration_and_what_is_downloaded_comes_back(
    staff: httpx.Client, csrf: str
) -> None:
    to = "/admin/libraries/instruments"
    mine = [replace(one, is_demo=False) for one in load_demo(INSTRUMENTS)[:2]]
    status, page = send(staff, csrf, written(INSTRUMENTS, mine, form="xlsx"), to=to)
    assert status == 200
    assert "移除演示数据 8 条" in page
    for form in ("xlsx", "csv"):
        answer = staff.get(f"{to}/download", params={"form": form})
        assert answer.headers["content-disposition"] == f'attachment; filename="instruments.{form}"'
        status, page = send(staff, csrf, answer.content, name=f"back.{form}", action="check", to=to)
        assert (status, "共 2 条，新增 0 条，有变化 0 条" in page) == (200, True)
    assert staff.get(f"{to}/download", params={"form": "exe"}).status_code == 400


@pytest.mark.parametrize(
    ("data", "name", "hint"),
    [
        (b"x" * 2 * MOST_BYTES, "a.xlsx", "文件太大：最大 10 MB"),
        (b"x" * (MOST_BYTES + 1), "a.csv", "最大 10 MB"),
        (b"PK\x03\x04nothing", "a.xlsx", "已损坏"),
        (b"<svg onload=alert(1)>", "a.svg", "只能读 csv 和 xlsx"),
        (b"<script>alert(1)</script>\n", "a.csv", "缺少这一列"),
        (b"", "a.csv", "第一行要是列名"),
        (b"x", "", "没有选择文件"),
    ],
)
def test_a_hostile_upload_is_refused_in_words(
    staff: httpx.Client, csrf: str, data: bytes, name: str, hint: str
) -> None:
    answer = staff.post(
        LIST, data={"csrf": csrf, "action": "import"}, files={"file": (name, data)}, timeout=60
    )
    assert answer.status_code == 400
    assert hint in answer.text
    assert "<script>alert" not in answer.text


def test_an_upload_of_unknown_length_or_shape_is_refused_in_words(staff: httpx.Client) -> None:
    endless = staff.post(LIST, content=iter([b"x" * 100]), headers={"Content-Type": "text/csv"})
    assert (endless.status_code, "没有收到文件大小" in endless.text) == (400, True)
    torn = staff.post(LIST, content=b"--x", headers={"Content-Type": "multipart/form-data; boundary=y"})
    assert (torn.status_code, "上传的内容不完整" in torn.text or "没有选择文件" in torn.text) == (400, True)


# --- on the ticket's page ---


def test_a_ticket_s_page_suggests_providers_with_reasons_and_folds_those_that_must_not_be_asked(
    place: tuple[Program, str],  # noqa: F811
    staff: httpx.Client,
) -> None:
    with Enterprise(place[0], "library-ticket") as person:
        person.says("想给新出的矿泉水做个第三方检测")
        person.says("演示椰岛食品有限公司")
        person.says("王经理")
        person.says("13812345678")
        number = person.says("确认提交").split("编号 ")[1][:15]
    page = staff.get(f"/admin/tickets/{number}").text
    section = page.split('id="suggestions"')[1].split("</section>")[0]
    listed, folded = section.split("<details>")
    first = load_demo(PROVIDERS)[2]
    assert listed.index(first.name) < listed.index("能力词条写有")
    assert "不能转介" in listed
    assert "<summary>登记了此类服务但不能推荐的机构（" in folded
    assert "CMA证书已于 2026-06-30 到期" in folded
    stopped = replace(first, is_demo=False, status=ProviderStatus.SUSPENDED, status_reason="整改")
    data = written(PROVIDERS, [stopped], form="csv")
    assert import_file(place[0].ctx, PROVIDERS, data, form="csv", actor="test").is_written
    page = staff.get(f"/admin/tickets/{number}").text
    assert "没有今天可以推荐的机构" in page
    assert "机构状态为“暂停”（整改）" in page
    assert len(Libraries(place[0].ctx).records(PROVIDERS)) == 1


def test_a_complaint_suggests_nobody(place: tuple[Program, str], staff: httpx.Client) -> None:  # noqa: F811
    with Enterprise(place[0], "library-complaint") as person:
        person.says("我要投诉")
        told = person.says("检测报告晚了十天还没有给我")
        for _ in range(4):
            if "NQI-C-" in told:
                break
            told = person.says("确认提交" if "确认" in told else "13812345678")
    number = "NQI-C-" + told.split("NQI-C-")[1][:11]
    assert 'id="suggestions"' not in staff.get(f"/admin/tickets/{number}").text
