"""The page of the canned replies: kept, changed, removed; every refusal keeps what was typed."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import sqlalchemy as sa

from bot.app import Program
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from bot.store import console
from bot.store.audit import AuditLine
from bot.store.console import CannedReply
from tests.staff import StaffMember

_CSRF = re.compile(r'name="csrf" value="([^"]*)"')


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("canned"), simulator=True, log_level="error")
    with running(settings) as found:
        yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李", Role.STAFF) as found:
        yield found


def posts(staff: StaffMember, path: str = "", **values: str) -> tuple[int, str]:
    csrf = _CSRF.findall(staff.http.get("/admin/canned").text)[0]
    data = {"csrf": csrf, **values}
    answer = staff.http.post(f"/admin/canned{path}", data=data, follow_redirects=True)
    return answer.status_code, unescape(answer.text)


def kept(program: Program) -> dict[str, int]:
    with program.ctx.read() as session:
        return {row.shortcut: row.id for row in console.canned_replies(session)}


def test_a_reply_is_kept_changed_and_removed(program: Program, li: StaffMember) -> None:
    status, page = posts(li, shortcut="/HQ", title="获取材料", text="{联系人}，请发来{编号}的材料。")
    assert status == 200
    assert "/hq" in page
    reply_id = kept(program)["hq"]
    status, page = posts(
        li, f"/{reply_id}", shortcut="hq", title="要材料", text="请发来材料。", category="testing"
    )
    assert status == 200
    assert "要材料" in page
    assert posts(li, f"/{reply_id}/remove")[0] == 200
    assert "hq" not in kept(program)
    with program.ctx.read() as session:
        lines = session.scalars(
            sa.select(AuditLine.what).where(AuditLine.subject == f"canned:{reply_id}").order_by(AuditLine.id)
        )
        assert list(lines) == ["canned-added", "canned-changed", "canned-removed"]


def test_a_refusal_keeps_what_was_typed_and_says_what_is_wrong(program: Program, li: StaffMember) -> None:
    status, page = posts(li, shortcut="有 空格", title="测试<b>", text="写了很久的内容{名字}")
    assert status == 400
    assert "快捷词请用" in page
    assert "没有 {名字} 这个空" in page
    assert "写了很久的内容{名字}</textarea>" in page
    assert "有 空格" not in kept(program)


def test_a_shortcut_stands_for_one_reply(program: Program, li: StaffMember) -> None:
    assert posts(li, shortcut="same", title="一", text="一")[0] == 200
    status, page = posts(li, shortcut="SAME", title="二", text="二")
    assert status == 409
    assert "快捷词“same”已经有了" in page


def test_what_is_gone_is_said(li: StaffMember) -> None:
    assert posts(li, "/999", shortcut="x", title="x", text="x")[0] == 404
    assert posts(li, "/999/remove")[0] == 404


def test_a_suspended_reply_comes_back_when_somebody_saves_it(program: Program, li: StaffMember) -> None:
    posts(li, shortcut="old", title="旧依据", text="按旧标准办理。")
    reply_id = kept(program)["old"]
    with program.ctx.transaction() as tx:
        tx.connection.execute(
            sa.update(CannedReply).where(CannedReply.id == reply_id).values(is_suspended=True)
        )
    assert "依据已失效" in li.http.get("/admin/canned").text
    page = posts(li, f"/{reply_id}", shortcut="old", title="新依据", text="按新标准办理。")[1]
    assert "依据已失效" not in page


def test_maintainers_look_and_others_do_not(program: Program) -> None:
    with StaffMember(program, "知识员", Role.MAINTAINER) as reader:
        page = reader.http.get("/admin/canned")
        assert page.status_code == 200
        assert "新增常用语" not in page.text
        assert reader.http.post("/admin/canned", data={"csrf": "x"}).status_code == 403
    with StaffMember(program, "评价员", Role.EVALUATOR) as stranger:
        assert stranger.http.get("/admin/canned").status_code == 403


def test_a_form_from_elsewhere_is_refused(program: Program, li: StaffMember) -> None:
    data = {"csrf": "guess", "shortcut": "evil", "title": "x", "text": "x"}
    assert li.http.post("/admin/canned", data=data).status_code == 403
    assert "evil" not in kept(program)
