"""Accounts of staff: who gets one, who keeps it, and what ends with it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bot.actions import accounts
from bot.actions.accounts import (
    AccountState,
    add_staff,
    change_role,
    close_account,
    create_first_administrator,
    list_staff,
    log_in,
    reset_password,
    set_email,
)
from bot.actions.context import Context
from bot.actions.passwords import change_password
from bot.actions.sessions import NOWHERE, Login, who_is
from bot.core import accounts as rules
from bot.core.brain import CALIBRATED, Brain
from bot.core.permissions import Right, Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.migrate import upgrade
from bot.store.people import Staff, staff_emails
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.search import Index
from tests.make import SetClock

OWN = "my-own-password"


@pytest.fixture(scope="module")
def brain() -> Brain:
    """A mind that knows nothing: accounts need none."""
    understander = Understander.load()
    return Brain(understander, Index.build(Release.of(()), understander.tokenizer), CALIBRATED)


@pytest.fixture
def ctx(brain: Brain, tmp_path: Path) -> Iterator[Context]:
    """A new platform with its first administrator, at a moment that stands still."""
    settings = Settings(data_dir=tmp_path, log_level="error")
    found = Context(settings, Database(settings.database), SetClock(), brain)
    upgrade(found.database)
    create_first_administrator(found)
    yield found
    found.database.close()


def add(ctx: Context, name: str = "小李", role: Role = Role.STAFF, *, email: str = "") -> str:
    return add_staff(ctx, name=name, role=role, email=email, by="admin")


def begin(ctx: Context, name: str = "小李", role: Role = Role.STAFF) -> Login:
    """Somebody with an account and a password of their own, logged in."""
    first = add(ctx, name, role)
    begun = log_in(ctx, name=name, password=first)
    change_password(ctx, begun.actor, old=first, new=OWN, keep=begun.key)
    return begun


def may(ctx: Context, login: Login, right: Right) -> bool | None:
    """What the next request of a session may do; None: there is no session."""
    found = who_is(ctx, login.key)
    return found.actor.may(right) if found else None


def trail(ctx: Context) -> list[tuple[str, str, str, str]]:
    with ctx.read() as session:
        lines = session.scalars(sa.select(AuditLine).order_by(AuditLine.id))
        return [(line.actor, line.what, line.subject, line.note) for line in lines if line.what != "log-in"]


def states(ctx: Context) -> dict[str, AccountState]:
    return {one.name: one.state for one in list_staff(ctx)}


# --- open ---


def test_an_added_account_works_with_its_one_time_password_until_that_is_changed(ctx: Context) -> None:
    first = add(ctx, email=" li@example.com ")
    begun = log_in(ctx, name="小李", password=first)
    assert begun.actor.must_change
    assert may(ctx, begun, Right.SEE_TICKETS) is False
    assert states(ctx)["小李"] is AccountState.FIRST
    change_password(ctx, begun.actor, old=first, new=OWN, keep=begun.key)
    assert may(ctx, begun, Right.SEE_TICKETS) is True
    assert states(ctx)["小李"] is AccountState.OPEN
    with pytest.raises(ForbiddenError, match="不对"):
        log_in(ctx, name="小李", password=first)


def test_no_password_stands_in_the_database(ctx: Context) -> None:
    passwords = [add(ctx), reset_password(ctx, name="小李", by="admin")]
    with ctx.read() as session:
        stored = str(
            [session.execute(sa.select(table)).all() for table in (Staff.__table__, AuditLine.__table__)]
        )
    assert not [one for one in passwords if one in stored]


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " 小李",
        "小李 ",
        "小 李",
        "小李\u3000",
        "小李\n",
        "小\x00李",
        "小\u200b李",
        "\u202e李小",
        "小李、小陈",
        "小李,小陈",
        "\ud800",
        "李" * 31,
    ],
)
def test_a_name_that_cannot_be_told_apart_is_refused(ctx: Context, name: str) -> None:
    with pytest.raises(RefusedError, match="姓名"):
        add(ctx, name)
    assert list(states(ctx)) == ["admin"]


@pytest.mark.parametrize(
    "name",
    ["bot", "BOT", "ｂｏｔ", "system", "contact", "provider", "nqi", "智能助手", "企业", "系统", "服务机构"],
)
def test_the_names_of_those_who_are_no_staff_in_histories_are_refused(ctx: Context, name: str) -> None:
    with pytest.raises(RefusedError, match="由系统使用"):
        add(ctx, name)


@pytest.mark.parametrize("name", ["李", "李" * 30, "<b>小李</b>", "O'Brien", "小李-2", "=1+1", "../x"])
def test_any_other_name_is_taken_as_it_is(ctx: Context, name: str) -> None:
    first = add(ctx, name)
    assert log_in(ctx, name=name, password=first).actor.name == name


@pytest.mark.parametrize("again", ["anna", "Anna", "ＡＮＮＡ"])
def test_a_name_is_given_once_and_so_is_one_that_looks_like_it(ctx: Context, again: str) -> None:
    add(ctx, "anna")
    close_account(ctx, name="anna", by="admin")
    with pytest.raises(ConflictError, match="已被使用"):
        add(ctx, again)


@given(st.text(max_size=40))
def test_what_passes_as_a_name_is_visible_and_whole(name: str) -> None:
    is_whole = 1 <= len(name) <= 30 and name.isprintable() and not re.search(r"[\s、，,]", name)
    if is_whole and name.lower() not in rules.RESERVED:
        rules.check_name(name)
    else:
        with pytest.raises(RefusedError, match=r"姓名|名字"):
            rules.check_name(name)


@pytest.mark.parametrize(
    "email",
    [
        "li",
        "li@",
        "@example.com",
        "li@example",
        "a b@example.com",
        "li@example.com\nBcc: x@example.com",
        "li@example.com,x@example.com",
        "<li@example.com>",
        "李@example.com",
        "a@" + "b" * 130 + ".com",
    ],
)
def test_an_address_that_is_none_is_refused(ctx: Context, email: str) -> None:
    with pytest.raises(RefusedError, match="电子邮箱"):
        add(ctx, email=email)
    add(ctx)
    with pytest.raises(RefusedError, match="电子邮箱"):
        set_email(ctx, name="小李", email=email, by="admin")


# --- change ---


def test_another_role_counts_from_the_next_request_on(ctx: Context) -> None:
    begun = begin(ctx)
    assert may(ctx, begun, Right.LEAD) is False
    change_role(ctx, name="小李", role=Role.HEAD, by="admin")
    assert may(ctx, begun, Right.LEAD) is True
    change_role(ctx, name="小李", role=Role.EVALUATOR, by="admin")
    assert may(ctx, begun, Right.HANDLE_TICKETS) is False


def test_a_closed_account_is_logged_out_and_stays_out(ctx: Context) -> None:
    begun = begin(ctx)
    close_account(ctx, name="小李", by="admin")
    assert who_is(ctx, begun.key) is None
    with pytest.raises(ForbiddenError, match="已停用"):
        log_in(ctx, name="小李", password=OWN)
    with pytest.raises(ForbiddenError, match="不对"):
        log_in(ctx, name="小李", password="not the password")
    assert states(ctx)["小李"] is AccountState.CLOSED
    changes: list[Callable[[], object]] = [
        lambda: close_account(ctx, name="小李", by="admin"),
        lambda: change_role(ctx, name="小李", role=Role.HEAD, by="admin"),
        lambda: reset_password(ctx, name="小李", by="admin"),
        lambda: set_email(ctx, name="小李", email="li@example.com", by="admin"),
    ]
    for change in changes:
        with pytest.raises(ConflictError, match="已经停用"):
            change()


def test_a_session_of_a_closed_account_counts_for_nothing_even_if_its_row_is_there(ctx: Context) -> None:
    begun = begin(ctx)
    with ctx.transaction() as tx:
        tx.connection.execute(sa.update(Staff).where(Staff.name == "小李").values(closed_at=tx.now))
    assert who_is(ctx, begun.key) is None


def test_a_reset_ends_the_sessions_the_old_password_and_the_waiting(ctx: Context) -> None:
    begun = begin(ctx)
    for _ in range(6):
        with pytest.raises(ForbiddenError, match="不对"):
            log_in(ctx, name="小李", password="wrong")
    with pytest.raises(ForbiddenError, match="秒后再试"):
        log_in(ctx, name="小李", password=OWN)
    assert states(ctx)["小李"] is AccountState.LOCKED
    again = reset_password(ctx, name="小李", by="admin")
    assert who_is(ctx, begun.key) is None
    with pytest.raises(ForbiddenError, match="不对"):
        log_in(ctx, name="小李", password=OWN)
    assert log_in(ctx, name="小李", password=again).actor.must_change


def test_a_password_that_was_reset_while_it_was_checked_begins_no_session(ctx: Context) -> None:
    begun = begin(ctx)
    with ctx.read() as session:
        seen = session.execute(sa.select(Staff.password_hash).where(Staff.name == "小李")).scalar_one()
    reset_password(ctx, name="小李", by="admin")
    with pytest.raises(ForbiddenError, match="重新登录"):
        accounts._begin(ctx, begun.actor, seen, NOWHERE)


def test_mail_goes_to_open_accounts_of_the_roles_each_address_once(ctx: Context) -> None:
    add(ctx, "小李", email="li@example.com")
    add(ctx, "小陈", Role.HEAD, email="chen@example.com")
    add(ctx, "小王", Role.HEAD, email="li@example.com")
    add(ctx, "小张", Role.HEAD)
    add(ctx, "小周", Role.EVALUATOR, email="zhou@example.com")
    add(ctx, "小吴", Role.HEAD, email="wu@example.com")
    close_account(ctx, name="小吴", by="admin")
    with ctx.read() as session:
        assert staff_emails(session, [Role.HEAD, Role.STAFF]) == ["li@example.com", "chen@example.com"]
        assert staff_emails(session, []) == []
    set_email(ctx, name="小陈", email="", by="admin")
    with ctx.read() as session:
        assert staff_emails(session, [Role.HEAD]) == ["li@example.com"]


# --- who may not ---


def test_nobody_closes_degrades_or_resets_themselves(ctx: Context) -> None:
    add(ctx, "小陈", Role.OPERATOR)
    changes: list[Callable[[], object]] = [
        lambda: close_account(ctx, name="小陈", by="小陈"),
        lambda: change_role(ctx, name="小陈", role=Role.STAFF, by="小陈"),
        lambda: reset_password(ctx, name="小陈", by="小陈"),
    ]
    for change in changes:
        with pytest.raises(ForbiddenError):
            change()
    assert {one.name: one.role for one in list_staff(ctx)}["小陈"] is Role.OPERATOR


def test_the_last_operator_stays(ctx: Context) -> None:
    add(ctx, "小陈", Role.OPERATOR)
    add(ctx, "小李")
    close_account(ctx, name="admin", by="小陈")
    for by in ("nqi", "admin", "小李"):
        with pytest.raises(ConflictError, match="最后一个运营"):
            close_account(ctx, name="小陈", by=by)
        with pytest.raises(ConflictError, match="最后一个运营"):
            change_role(ctx, name="小陈", role=Role.HEAD, by=by)
    close_account(ctx, name="小李", by="小陈")
    assert create_first_administrator(ctx) is None, "there is still somebody who runs the system"


def test_what_changes_nothing_and_who_is_not_there_are_said(ctx: Context) -> None:
    add(ctx, email="li@example.com")
    with pytest.raises(ConflictError, match="角色没有变化"):
        change_role(ctx, name="小李", role=Role.STAFF, by="admin")
    with pytest.raises(ConflictError, match="邮箱没有变化"):
        set_email(ctx, name="小李", email="li@example.com", by="admin")
    for name in ("小陈", "", "\x00", "小李 "):
        with pytest.raises(NotFoundError, match="没有这个账号"):
            close_account(ctx, name=name, by="admin")


def test_staff_without_an_operator_leave_room_for_the_first_administrator(
    brain: Brain, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, log_level="error")
    ctx = Context(settings, Database(settings.database), SetClock(), brain)
    upgrade(ctx.database)
    add(ctx, "小李", Role.STAFF)
    with pytest.raises(RefusedError, match="由系统使用"):
        add(ctx, "admin", Role.STAFF)
    password = create_first_administrator(ctx)
    assert password is not None
    assert log_in(ctx, name="admin", password=password).actor.role is Role.OPERATOR
    assert create_first_administrator(ctx) is None
    ctx.database.close()


def test_each_change_is_a_line_of_the_audit_trail_and_a_refusal_is_none(ctx: Context) -> None:
    add(ctx, email="li@example.com")
    change_role(ctx, name="小李", role=Role.HEAD, by="admin")
    set_email(ctx, name="小李", email="", by="admin")
    reset_password(ctx, name="小李", by="nqi")
    close_account(ctx, name="小李", by="nqi")
    with pytest.raises(ConflictError):
        close_account(ctx, name="admin", by="nqi")
    assert trail(ctx) == [
        ("system", "create-account", "admin", "operator"),
        ("admin", "create-account", "小李", "staff"),
        ("admin", "change-role", "小李", "staff -> head"),
        ("admin", "set-email", "小李", "li@example.com -> -"),
        ("nqi", "reset-password", "小李", ""),
        ("nqi", "close-account", "小李", ""),
    ]


def test_the_list_shows_the_open_accounts_first(ctx: Context) -> None:
    for name in ("乙", "甲", "丙"):
        add(ctx, name)
    close_account(ctx, name="丙", by="admin")
    found = list_staff(ctx)
    assert [one.name for one in found][-1] == "丙"
    assert found[-1].standing == "2026-11-21 12:00 停用"
    assert found[0].standing == "待首次登录"
