"""`nqi staff`: accounts from the terminal."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot import staffing
from bot.actions.accounts import log_in
from bot.actions.context import Context
from bot.app import open_context
from bot.core.permissions import Role
from bot.errors import ConflictError, ForbiddenError, RefusedError
from bot.settings import Settings
from tests.bot.test_cli import nqi


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One platform for all; each test brings its own names."""
    return Settings(data_dir=tmp_path_factory.mktemp("staffing"), log_level="error")


@pytest.fixture(scope="module")
def ctx(settings: Settings) -> Iterator[Context]:
    found = open_context(settings)
    yield found
    found.database.close()


def password_in(lines: list[str]) -> str:
    return lines[-1].rsplit("：", 1)[1]


def test_an_account_from_its_opening_to_its_end(settings: Settings, ctx: Context) -> None:
    staffing.add_staff(settings, "小周", role="operator", email="")
    opened = staffing.add_staff(settings, "小李", role="staff", email="li@example.com")
    assert opened[0] == "已建立账号：小李（工作人员）"
    assert log_in(ctx, name="小李", password=password_in(opened)).actor.role is Role.STAFF
    assert "小李  工作人员  li@example.com  待首次登录" in staffing.list_staff(settings)
    assert staffing.change_role(settings, "小李", "head") == "小李 的角色已改为负责人。"
    reset = password_in(staffing.reset_password(settings, "小李"))
    with pytest.raises(ForbiddenError, match="不对"):
        log_in(ctx, name="小李", password=password_in(opened))
    assert log_in(ctx, name="小李", password=reset).actor.role is Role.HEAD
    assert staffing.close_account(settings, "小李").startswith("已停用：小李")
    assert re.fullmatch(r"小李  负责人  li@example.com  .+ 停用", staffing.list_staff(settings)[-1])
    with pytest.raises(ConflictError, match="最后一个运营"):
        staffing.close_account(settings, "小周")


@pytest.mark.parametrize("role", ["boss", "", "Staff", "工作人员"])
def test_an_unknown_role_is_answered_with_the_known_ones(settings: Settings, role: str) -> None:
    with pytest.raises(RefusedError, match="evaluator（第三方评价）"):
        staffing.add_staff(settings, "小陈", role=role, email="")
    with pytest.raises(RefusedError, match="head（负责人）"):
        staffing.change_role(settings, "小陈", role)


def test_a_platform_without_accounts_says_how_to_make_one(tmp_path: Path, settings: Settings) -> None:
    assert staffing.list_staff(replace(settings, data_dir=tmp_path)) == [
        "还没有账号。用 nqi staff add 建立。"
    ]


@pytest.mark.server
@pytest.mark.timeout(300)
def test_the_command_line_prints_the_password_once_and_refuses_in_words(settings: Settings) -> None:
    folder = settings.data_dir
    added = nqi(folder, "staff", "add", "小孙", "--role", "staff", "--email", "sun@example.com")
    assert added.returncode == 0, added.stderr
    password = password_in(added.stdout.splitlines())
    assert len(password) == 16
    again = nqi(folder, "staff", "add", "小孙", "--role", "staff")
    assert (again.returncode, "已被使用" in again.stderr) == (2, True)
    assert "Traceback" not in again.stderr
    listed = nqi(folder, "staff", "list").stdout
    assert "小孙  工作人员  sun@example.com" in listed
    assert password not in listed
    assert "角色已改为" in nqi(folder, "staff", "role", "小孙", "maintainer").stdout
    assert password not in nqi(folder, "staff", "reset", "小孙").stdout
    assert "已停用" in nqi(folder, "staff", "close", "小孙").stdout
