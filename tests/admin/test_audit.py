"""The audit trail in the browser: who may read it, what is found, and that taking it out is a line of it too."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest
from openpyxl import load_workbook

import bot
from bot.actions.reveals import kinds
from bot.app import Program
from bot.core.permissions import Role
from bot.core.times import china_date
from bot.serving import running
from bot.settings import Settings
from bot.store.audit import Search, add_line, found_lines
from tests.staff import StaffMember

AUDIT = "/admin/audit"
_KIND = re.compile(
    r'(?:add_line|_note|_note_change|_note_audit|_audit)\([^)]*?(?:what=|, )"([a-z]+(?:-[a-z]+)*)"'
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("audit"), simulator=True, log_level="error")
    with running(settings) as found:
        now = found.ctx.clock.now()
        with found.ctx.transaction() as tx:
            for place in range(120):
                subject = f"NQI-2026-{place:06d}"
                at = now - timedelta(days=120 - place)
                add_line(tx.connection, at=at, actor="小钱", what="see-phone", subject=subject)
            add_line(
                tx.connection, at=now, actor="小孙", what="closure", subject="示例一站", note="停电 100%"
            )
            add_line(tx.connection, at=now, actor="<b>", what="not-yet-worded", note="=1+1 13800000000")
        yield found


@pytest.fixture(scope="module")
def head(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "审计主任", Role.HEAD) as found:
        yield found


def sees(member: StaffMember, **query: str) -> str:
    answer = member.http.get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def subjects(page: str) -> list[str]:
    return re.findall(r'href="/admin/tickets/([^"]+)"', page)


def test_lines_are_read_newest_first_to_the_very_first(head: StaffMember) -> None:
    page, shown = sees(head, actor="小钱"), []
    for _ in range(3):
        shown += subjects(page)
        older = re.search(r'rel="next" href="([^"]*)"', page)
        page = head.http.get(unescape(older[1])).text if older else ""
    assert shown == [f"NQI-2026-{place:06d}" for place in reversed(range(120))]
    assert page == ""


def test_each_condition_finds_its_own(program: Program, head: StaffMember) -> None:
    assert "停电" in sees(head, actor="小孙")
    assert "停电" in sees(head, what="closure")
    assert "停电" in sees(head, subject="示例一站")
    assert "停电" in sees(head, text="100%")
    assert "没有找到记录" in sees(head, text="100_")
    assert subjects(sees(head, subject="NQI-2026-000007")) == ["NQI-2026-000007"]
    day = china_date(program.ctx.clock.now() - timedelta(days=60))
    near = subjects(sees(head, what="see-phone", since=str(day - timedelta(days=1)), until=str(day)))
    assert 1 <= len(near) <= 3
    assert "NQI-2026-000060" in near


@pytest.mark.parametrize(
    "query", ["before=x", "since=never&until=9999-99-99", "actor=%00", "before=" + "9" * 18]
)
def test_nonsense_in_the_address_is_left_out(head: StaffMember, query: str) -> None:
    assert "停电" in head.http.get(f"{AUDIT}?{query}").text


def test_words_are_shown_as_text_and_kinds_in_chinese(head: StaffMember) -> None:
    page = sees(head)
    assert "登记停办" in page
    assert "not-yet-worded" in page, "a kind without words is shown as it is stored"
    assert "<b></td>" not in page
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize("role", Role)
def test_who_may_read_it(program: Program, role: Role) -> None:
    with StaffMember(program, f"审计{role}", role) as member:
        may = role in (Role.OPERATOR, Role.HEAD, Role.COORDINATOR)
        for path in (AUDIT, f"{AUDIT}/export"):
            assert member.http.get(path).status_code == (200 if may else 403)
    stranger = httpx.get(f"{program.url}{AUDIT}/export", trust_env=False)
    assert stranger.headers["location"] == "/admin/login"


def test_phones_are_masked_for_who_may_not_see_them(program: Program, head: StaffMember) -> None:
    with StaffMember(program, "审计统筹", Role.COORDINATOR) as member:
        assert "13800000000" not in sees(member)
        assert "13800000000" not in member.http.get(f"{AUDIT}/export", params={"form": "csv"}).text
    assert "13800000000" in sees(head)


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_an_export_holds_what_is_shown_runs_nothing_and_is_a_line(
    program: Program, head: StaffMember, form: str
) -> None:
    answer = head.http.get(f"{AUDIT}/export", params={"what": "not-yet-worded", "form": form})
    assert f".{form}" in answer.headers["content-disposition"]
    if form == "xlsx":
        rows = [list(row) for row in load_workbook(io.BytesIO(answer.content)).worksheets[0].values]
    else:
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 2
    assert rows[1][1:] == ["<b>", "not-yet-worded", rows[1][3], "'=1+1 13800000000"]
    with program.ctx.read() as session:
        line = found_lines(session, Search(what="audit-export"), limit=1)[0]
    assert (line.actor, line.note) == ("审计主任", "导出 1 条")


def test_there_is_no_other_form(head: StaffMember) -> None:
    assert head.http.get(f"{AUDIT}/export", params={"form": "pdf"}).status_code == 400


def test_every_kind_of_line_has_words() -> None:
    """Add the words of a new kind to the room [audit] of wording.toml."""
    found = {
        kind
        for path in Path(bot.__path__[0]).rglob("*.py")
        if "add_line" in (text := path.read_text(encoding="utf-8"))
        for kind in _KIND.findall(text)
    }
    assert {"log-in", "see-phone", "closure", "board-export"} <= found
    assert found - set(kinds()) == set()
