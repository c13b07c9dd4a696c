"""`nqi staff invite` and `nqi staff factor`: a way in by a link, and the way back for who lost their phone."""

from collections.abc import Iterator

import pyotp
import pytest
from typer.testing import CliRunner

from bot import staffing
from bot.actions import second_factor as factors
from bot.actions.accounts import log_in
from bot.actions.context import Context
from bot.actions.invitations import accept_invitation
from bot.actions.second_factor import CodeNeededError
from bot.app import open_context
from bot.core.permissions import Role
from bot.errors import ConflictError, RefusedError
from bot.settings import Settings
from bot.staff_commands import staff_cli

OWN = "my-own-password"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(data_dir=tmp_path_factory.mktemp("staff"), log_level="error")


@pytest.fixture(scope="module")
def ctx(settings: Settings) -> Iterator[Context]:
    found = open_context(settings)
    yield found
    found.database.close()


def test_an_invitation_from_the_terminal_shows_its_link(settings: Settings, ctx: Context) -> None:
    lines = staffing.invite_staff(settings, "小李", role="head", email="")
    assert lines[0] == "已邀请：小李（负责人）"
    accept_invitation(ctx, lines[1].rsplit("/", 1)[1], password=OWN)
    assert log_in(ctx, name="小李", password=OWN).actor.role is Role.HEAD
    with pytest.raises(RefusedError, match="没有角色"):
        staffing.invite_staff(settings, "小陈", role="boss", email="")


def test_a_lost_second_factor_is_taken_away_from_the_terminal(settings: Settings, ctx: Context) -> None:
    link = staffing.invite_staff(settings, "小周", role="operator", email="")[1]
    accept_invitation(ctx, link.rsplit("/", 1)[1], password=OWN)
    begun = log_in(ctx, name="小周", password=OWN)
    secret, ticket = factors.new_factor(ctx, begun.actor)
    code = pyotp.TOTP(secret).at(ctx.clock.now())
    factors.set_factor(ctx, begun.actor, ticket=ticket, code=code, password=OWN, keep=begun.key)
    with pytest.raises(CodeNeededError):
        log_in(ctx, name="小周", password=OWN)
    assert any(line.endswith("使用中  两步验证") for line in staffing.list_staff(settings))
    assert staffing.reset_factor(settings, "小周").startswith("已取消 小周 的两步验证")
    log_in(ctx, name="小周", password=OWN)
    with pytest.raises(ConflictError, match="没有开启"):
        staffing.reset_factor(settings, "小周")


def test_the_commands_are_there_with_words(settings: Settings) -> None:
    shown = CliRunner().invoke(staff_cli, ["--help"]).output
    for command in ("invite", "factor", "add", "list", "reset", "role", "close"):
        assert command in shown
