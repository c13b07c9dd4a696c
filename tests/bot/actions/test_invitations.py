"""Invitations: a link that sets the first password, once, within three days."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.accounts import (
    Account,
    AccountState,
    add_staff,
    close_account,
    create_first_administrator,
    list_staff,
    log_in,
    reset_password,
)
from bot.actions.context import Context
from bot.actions.invitations import Invited, accept_invitation, guest_of, invite, invite_again
from bot.core.brain import CALIBRATED, Brain
from bot.core.permissions import Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.delivery import OutboxMessage
from bot.store.migrate import upgrade
from bot.store.people import Invitation
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.search import Index
from tests.make import SetClock

OWN = "my-own-password"


@pytest.fixture(scope="module")
def brain() -> Brain:
    understander = Understander.load()
    return Brain(understander, Index.build(Release.of(()), understander.tokenizer), CALIBRATED)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def ctx(brain: Brain, tmp_path: Path, clock: SetClock) -> Iterator[Context]:
    settings = Settings(data_dir=tmp_path, log_level="error", public_url="https://nqi.example.com/")
    found = Context(settings, Database(settings.database), clock, brain, secret=b"a secret of this test")
    upgrade(found.database)
    create_first_administrator(found)
    yield found
    found.database.close()


def asks(ctx: Context, name: str = "小李", *, email: str = "", role: Role = Role.STAFF) -> Invited:
    return invite(ctx, name=name, role=role, email=email, by="admin")


def key_of(invited: Invited) -> str:
    return invited.link.rsplit("/", 1)[1]


def account(ctx: Context, name: str = "小李") -> Account:
    return next(one for one in list_staff(ctx) if one.name == name)


def mails(ctx: Context) -> list[OutboxMessage]:
    with ctx.read() as session:
        return list(session.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.id)))


def test_who_is_invited_sets_a_password_and_logs_in_with_it(ctx: Context) -> None:
    invited = asks(ctx)
    assert invited.link.startswith("https://nqi.example.com/admin/invitation/")
    assert account(ctx).standing == "已邀请，链接 2026-11-24 12:00 前有效"
    guest = guest_of(ctx, key_of(invited))
    assert (guest.name, guest.role) == ("小李", Role.STAFF)
    assert accept_invitation(ctx, key_of(invited), password=OWN) == "小李"
    begun = log_in(ctx, name="小李", password=OWN)
    assert not begun.actor.must_change
    assert account(ctx).state is AccountState.OPEN


def test_a_link_is_good_once(ctx: Context) -> None:
    key = key_of(asks(ctx))
    accept_invitation(ctx, key, password=OWN)
    for use in (lambda: guest_of(ctx, key), lambda: accept_invitation(ctx, key, password="another-password")):
        with pytest.raises(NotFoundError, match="重新邀请"):
            use()
    log_in(ctx, name="小李", password=OWN)


def test_of_two_who_use_a_link_at_once_one_sets_the_password(ctx: Context) -> None:
    key = key_of(asks(ctx))
    done: list[str] = []

    def comes(password: str) -> None:
        try:
            accept_invitation(ctx, key, password=password)
        except NotFoundError:
            return
        done.append(password)

    both = [threading.Thread(target=comes, args=(one,)) for one in ("the-first-of-two", "the-other-of-two")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(done) == 1
    log_in(ctx, name="小李", password=done[0])


def test_a_link_works_for_three_days(ctx: Context, clock: SetClock) -> None:
    key = key_of(asks(ctx))
    clock.move(days=3, seconds=-1)
    guest_of(ctx, key)
    clock.move(seconds=1)
    with pytest.raises(NotFoundError, match="已过期"):
        accept_invitation(ctx, key, password=OWN)
    assert account(ctx).state is AccountState.EXPIRED


def test_another_invitation_ends_the_earlier_link(ctx: Context, clock: SetClock) -> None:
    first = key_of(asks(ctx))
    clock.move(days=4)
    second = key_of(invite_again(ctx, name="小李", by="admin"))
    with pytest.raises(NotFoundError):
        guest_of(ctx, first)
    accept_invitation(ctx, second, password=OWN)
    with pytest.raises(ConflictError, match="已经在使用"):
        invite_again(ctx, name="小李", by="admin")


def test_a_link_in_place_of_a_one_time_password_ends_that(ctx: Context) -> None:
    first = add_staff(ctx, name="小李", role=Role.STAFF, email="", by="admin")
    invite_again(ctx, name="小李", by="admin")
    with pytest.raises(ForbiddenError, match="不对"):
        log_in(ctx, name="小李", password=first)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_what_else_happens_to_the_account_ends_the_link(ctx: Context, how: str) -> None:
    key = key_of(asks(ctx))
    ways: dict[str, Callable[[], object]] = {
        "reset": lambda: reset_password(ctx, name="小李", by="admin"),
        "close": lambda: close_account(ctx, name="小李", by="admin"),
    }
    ways[how]()
    with pytest.raises(NotFoundError):
        accept_invitation(ctx, key, password=OWN)


@pytest.mark.parametrize("key", ["", "x", "\x00", "\ud800", "../login", "0" * 5000])
def test_what_is_no_link_invites_nobody(ctx: Context, key: str) -> None:
    asks(ctx)
    with pytest.raises(NotFoundError):
        guest_of(ctx, key)


@pytest.mark.parametrize("password", ["short", "1234567890", "小李12345678"])
def test_a_weak_password_is_refused_and_the_link_stays_good(ctx: Context, password: str) -> None:
    key = key_of(asks(ctx))
    with pytest.raises(RefusedError, match="密码"):
        accept_invitation(ctx, key, password=password)
    accept_invitation(ctx, key, password=OWN)


def test_with_mail_set_up_the_link_goes_there_and_is_shown_to_nobody(ctx: Context) -> None:
    ctx.settings = replace(ctx.settings, smtp_host="127.0.0.1", mail_from="nqi@example.com")
    invited = asks(ctx, email=" li@example.com ")
    assert (invited.link, invited.email) == ("", "li@example.com")
    [mail] = mails(ctx)
    assert (mail.channel, mail.address) == ("email", "li@example.com")
    assert "登录密码" in mail.extras["subject"]
    key = mail.text.split("/admin/invitation/")[1].split("\n")[0]
    assert accept_invitation(ctx, key, password=OWN) == "小李"
    assert asks(ctx, "小陈").link, "without an address it is shown"
    assert len(mails(ctx)) == 1


def test_no_key_is_stored_where_links_are_looked_up(ctx: Context) -> None:
    key = key_of(asks(ctx))
    with ctx.read() as session:
        tables = (Invitation.__table__, AuditLine.__table__, OutboxMessage.__table__)
        stored = str([session.execute(sa.select(table)).all() for table in tables])
    assert key not in stored


def test_the_names_of_accounts_are_checked_as_ever(ctx: Context) -> None:
    asks(ctx, "anna")
    with pytest.raises(ConflictError, match="已被使用"):
        asks(ctx, "ANNA")
    with pytest.raises(RefusedError, match="由系统使用"):
        asks(ctx, "bot")
    with pytest.raises(RefusedError, match="电子邮箱"):
        asks(ctx, email="li@")
    with pytest.raises(NotFoundError):
        invite_again(ctx, name="小李", by="admin")


def test_each_step_is_a_line_of_the_audit_trail(ctx: Context) -> None:
    asks(ctx)
    key = key_of(invite_again(ctx, name="小李", by="nqi"))
    accept_invitation(ctx, key, password=OWN)
    with ctx.read() as session:
        lines = session.scalars(sa.select(AuditLine).order_by(AuditLine.id)).all()
    assert [(line.actor, line.what, line.subject) for line in lines][1:] == [
        ("admin", "create-account", "小李"),
        ("admin", "invite", "小李"),
        ("nqi", "invite", "小李"),
        ("小李", "accept-invitation", ""),
    ]
