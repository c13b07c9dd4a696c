"""The basis sweep and the reviews in the browser."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest

from bot.app import Program
from bot.core.permissions import Role
from bot.core.times import china_date
from bot.serving import running
from bot.settings import Settings
from bot.store.base import insert_row
from bot.store.console import CannedReply
from bot.store.knowledge import EntryRow
from tests.staff import StaffMember

SWEEP, REVIEWS = "/admin/knowledge/sweep", "/admin/knowledge/reviews"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("sweeps"), simulator=True, log_level="error")
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李", Role.MAINTAINER) as found:
        yield found


def tomorrow(program: Program) -> str:
    return (china_date(program.ctx.clock.now()) + timedelta(days=1)).isoformat()


def found(who: StaffMember, old: str, on: str, **more: str) -> dict[str, str]:
    """Subject -> what is chosen for it on the page."""
    page = who.http.get(SWEEP, params={"old": old, "on": on, **more})
    assert page.status_code == 200, page.text
    return {
        subject: deed
        for deed, subject in re.findall(r'<option value="(\w+) ([^"]+)" selected>', unescape(page.text))
    }


def csrf(who: StaffMember, address: str) -> str:
    return re.findall(r'name="csrf" value="([^"]*)"', who.http.get(address).text)[0]


def test_every_citation_is_listed_with_a_proposal(program: Program, li: StaffMember) -> None:
    with program.ctx.transaction() as tx:
        reply = insert_row(
            tx.connection,
            CannedReply,
            shortcut="tx",
            title="体系",
            text="请按GB/T19001准备",
            category="",
            is_suspended=False,
            updated_at=tx.now,
            updated_by="小李",
        )
    chosen = found(li, "gbt19001-2016", tomorrow(program))
    expected = {
        entry.id
        for entry in program.ctx.brain.entries
        if any("GB/T 19001-2016" in basis.number for text in entry.texts for basis in text.basis)
    }
    assert len(expected) > 3
    assert {subject for subject, deed in chosen.items() if deed == "suspend"} >= expected
    assert chosen[f"canned:{reply}"] == "review", "no year: the current edition is meant"
    older = found(li, "GB/T 19001-1994", tomorrow(program))
    assert (set(older) <= set(chosen), set(older.values())) == (True, {"review"}), "nobody rests on that one"


def test_a_confirmed_sweep_suspends_on_the_day_and_opens_reviews(program: Program, li: StaffMember) -> None:
    old, on = "GB/T 19580-2012", tomorrow(program)
    chosen = found(li, old, on)
    deeds = [f"{deed} {subject}" for subject, deed in chosen.items()]
    form = {"csrf": csrf(li, REVIEWS), "old": old, "new": "GB/T 19580-2027", "on": on, "deeds": deeds}
    page = unescape(li.http.post(SWEEP, data=form, follow_redirects=True).text)
    count = sum(deed == "suspend" for deed in chosen.values())
    assert count > 0
    assert f"停用 {count} 项，安排复核 {len(chosen)} 项" in page
    assert page.count(f"{old} 自 {on} 起由 GB/T 19580-2027 代替") == len(chosen)
    entry_id = next(subject for subject, deed in chosen.items() if deed == "suspend")
    with program.ctx.read() as session:
        row = session.get(EntryRow, entry_id)
        assert row is not None
        ends = {text.get("valid_until") for text in row.body["text"]}
    assert china_date(program.ctx.clock.now()).isoformat() in ends


def test_a_refused_sweep_keeps_what_was_typed_and_chosen(program: Program, li: StaffMember) -> None:
    on = tomorrow(program)
    form = {"csrf": csrf(li, REVIEWS), "old": "GB 7718-2025", "new": "新标准", "on": on}
    answer = li.http.post(SWEEP, data={**form, "deeds": ["none TST-01"]})
    page = unescape(answer.text)
    assert (answer.status_code, "至少选择一个" in page) == (400, True)
    assert 'value="GB 7718-2025"' in page
    assert 'value="新标准"' in page
    assert "selected" not in page.replace('value="none TST-01" selected', "")
    answer = li.http.get(SWEEP, params={"old": "法", "on": on})
    assert (answer.status_code, "至少 4 个字" in answer.text) == (400, True)
    answer = li.http.get(SWEEP, params={"old": "GB 7718", "on": "明天"})
    assert (answer.status_code, "替代的日期" in answer.text) == (400, True)
    assert li.http.get(SWEEP).status_code == 200


def test_a_review_is_opened_and_finished_with_a_result(program: Program, li: StaffMember) -> None:
    token = csrf(li, REVIEWS)
    opening = {"csrf": token, "subject": "MET-01", "reason": "每年核对", "due_on": tomorrow(program)}
    page = unescape(li.http.post(REVIEWS, data=opening, follow_redirects=True).text)
    mine = next(part for part in page.split("<article") if "每年核对" in part)
    address = re.findall(rf'action="({REVIEWS}/\d+)"', mine)[0]
    refused = li.http.post(address, data={"csrf": token, "result": " "})
    assert (refused.status_code, "写明复核结果" in refused.text) == (400, True)
    page = li.http.post(address, data={"csrf": token, "result": "仍然正确"}, follow_redirects=True).text
    assert "仍然正确" in page.split('id="done"')[1]
    assert li.http.post(address, data={"csrf": token, "result": "再来"}).status_code == 409
    wrong = li.http.post(REVIEWS, data={**opening, "subject": "MET-999"})
    assert (wrong.status_code, "没有这个条目" in wrong.text) == (404, True)


def test_another_site_and_another_role_change_nothing(program: Program, li: StaffMember) -> None:
    form = {"csrf": "forged", "old": "GB 7718", "on": tomorrow(program), "deeds": ["suspend TST-01"]}
    assert li.http.post(SWEEP, data=form).status_code == 403
    assert li.http.post(f"{REVIEWS}/1", data={"csrf": "forged", "result": "x"}).status_code == 403
    with StaffMember(program, "小周", Role.STAFF) as other:
        assert [other.http.get(one).status_code for one in (SWEEP, REVIEWS)] == [403, 403]
        assert other.http.post(SWEEP, data=form).status_code == 403
