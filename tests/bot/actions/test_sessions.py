"""Sessions: how long they last, who ends them, and that a key that has ended opens nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.accounts import add_staff, close_account, create_first_administrator, end_sessions, log_in
from bot.actions.context import Context
from bot.actions.passwords import change_password
from bot.actions.sessions import (
    Browser,
    Login,
    end_other_sessions,
    end_session,
    fingerprint,
    log_out,
    open_sessions,
    who_is,
)
from bot.core.brain import CALIBRATED, Brain
from bot.core.permissions import Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.migrate import upgrade
from bot.store.people import LoginSession
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
    """A platform with 小李 and 小陈, who have passwords of their own and are logged in nowhere."""
    settings = Settings(data_dir=tmp_path, log_level="error")
    found = Context(settings, Database(settings.database), clock, brain, secret=b"a secret of this test")
    upgrade(found.database)
    create_first_administrator(found)
    for name in ("小李", "小陈"):
        first = add_staff(found, name=name, role=Role.STAFF, email="", by="admin")
        begun = log_in(found, name=name, password=first)
        change_password(found, begun.actor, old=first, new=OWN, keep=begun.key)
        log_out(found, key=begun.key)
    yield found
    found.database.close()


def enter(ctx: Context, name: str = "小李", **browser: str) -> Login:
    return log_in(ctx, name=name, password=OWN, browser=Browser(**browser))


def row(ctx: Context, login: Login) -> LoginSession:
    with ctx.read() as session:
        return session.scalars(
            sa.select(LoginSession).where(LoginSession.key_hash == fingerprint(login.key))
        ).one()


def test_a_session_ends_twelve_hours_after_its_last_use(ctx: Context, clock: SetClock) -> None:
    used, left = enter(ctx), enter(ctx)
    clock.move(hours=11, minutes=59)
    assert who_is(ctx, used.key) is not None
    clock.move(minutes=1)
    assert who_is(ctx, left.key) is None
    clock.move(hours=11, minutes=58)
    assert who_is(ctx, used.key) is not None


def test_a_session_ends_after_seven_days_however_much_it_is_used(ctx: Context, clock: SetClock) -> None:
    begun = enter(ctx)
    for _ in range(14):
        clock.move(hours=11, minutes=59)
        assert who_is(ctx, begun.key) is not None
    clock.move(minutes=14)
    assert who_is(ctx, begun.key) is None


def test_its_use_is_written_down_once_a_minute_and_not_for_looking_on(ctx: Context, clock: SetClock) -> None:
    begun = enter(ctx)
    first = row(ctx, begun).seen_at
    clock.move(seconds=59)
    who_is(ctx, begun.key)
    assert row(ctx, begun).seen_at == first
    clock.move(seconds=1)
    who_is(ctx, begun.key, is_use=False)
    assert row(ctx, begun).seen_at == first
    who_is(ctx, begun.key)
    assert row(ctx, begun).seen_at == clock.now()


def test_one_that_began_before_its_moment_was_written_down_counts_from_now(
    ctx: Context, clock: SetClock
) -> None:
    begun = enter(ctx)
    with ctx.transaction() as tx:
        tx.connection.execute(sa.update(LoginSession).values(begun_at=None, seen_at=None))
    assert who_is(ctx, begun.key) is not None
    assert (row(ctx, begun).begun_at, row(ctx, begun).seen_at) == (clock.now(), clock.now())


def test_people_see_their_own_sessions_the_last_used_first(ctx: Context, clock: SetClock) -> None:
    old = enter(ctx, address="10.0.0.1", agent="old")
    enter(ctx, "小陈", address="10.0.0.9", agent="theirs")
    clock.move(minutes=5)
    new = enter(ctx, address="x" * 90, agent="y" * 300)
    found = open_sessions(ctx, new.actor, key=old.key)
    assert [(one.address, one.agent, one.is_this) for one in found] == [
        ("x" * 64, "y" * 200, False),
        ("10.0.0.1", "old", True),
    ]
    assert [one.begun_at for one in found] == [row(ctx, new).begun_at, row(ctx, old).begun_at]


def test_people_end_one_of_their_own_or_all_others_and_nobody_elses(ctx: Context) -> None:
    here, there, third, theirs = enter(ctx), enter(ctx), enter(ctx), enter(ctx, "小陈")
    with pytest.raises(NotFoundError, match="已经结束"):
        end_session(ctx, here.actor, session_id=fingerprint(theirs.key))
    end_session(ctx, here.actor, session_id=fingerprint(there.key))
    assert [who_is(ctx, one.key) is not None for one in (here, there, third, theirs)] == [
        True,
        False,
        True,
        True,
    ]
    with pytest.raises(NotFoundError):
        end_session(ctx, here.actor, session_id=fingerprint(there.key))
    assert end_other_sessions(ctx, here.actor, keep=here.key) == 1
    assert [who_is(ctx, one.key) is not None for one in (here, third, theirs)] == [True, False, True]


def test_an_operator_ends_all_of_an_account_and_it_is_audited(ctx: Context) -> None:
    sessions = [enter(ctx), enter(ctx)]
    assert end_sessions(ctx, name="小李", by="admin") == 2
    assert [who_is(ctx, one.key) for one in sessions] == [None, None]
    with pytest.raises(ForbiddenError, match="账号安全"):
        end_sessions(ctx, name="小李", by="小李")
    with pytest.raises(NotFoundError):
        end_sessions(ctx, name="\x00", by="admin")
    close_account(ctx, name="小李", by="admin")
    with pytest.raises(ConflictError, match="已经停用"):
        end_sessions(ctx, name="小李", by="admin")
    with ctx.read() as session:
        lines = session.scalars(sa.select(AuditLine).where(AuditLine.what == "end-sessions")).all()
    assert [(line.actor, line.subject, line.note) for line in lines] == [("admin", "小李", "2")]


@pytest.mark.parametrize("key", ["", "x", "\x00", "\ud800", "0" * 5000])
def test_what_is_no_key_is_nobody(ctx: Context, key: str) -> None:
    enter(ctx)
    assert who_is(ctx, key) is None


def test_what_is_stored_of_a_key_opens_nothing(ctx: Context) -> None:
    begun = enter(ctx)
    assert who_is(ctx, row(ctx, begun).key_hash) is None


def test_a_new_password_ends_the_other_sessions_and_guessing_the_old_one_waits(ctx: Context) -> None:
    here, there = enter(ctx), enter(ctx)
    for _ in range(6):
        with pytest.raises(ForbiddenError, match="原密码不对"):
            change_password(ctx, here.actor, old="guess", new="another-password", keep=here.key)
    with pytest.raises(ForbiddenError, match="秒后再试"):
        change_password(ctx, here.actor, old=OWN, new="another-password", keep=here.key)
    assert who_is(ctx, there.key) is not None
    ctx.clock.move(seconds=2)  # type: ignore[attr-defined]
    with pytest.raises(RefusedError, match="太常见"):
        change_password(ctx, here.actor, old=OWN, new="1234567890", keep=here.key)
    change_password(ctx, here.actor, old=OWN, new="another-password", keep=here.key)
    assert (who_is(ctx, here.key) is not None, who_is(ctx, there.key)) == (True, None)


@pytest.mark.parametrize("name", ["\x00", "小李\n", "\ud800"])
def test_a_name_that_nobody_can_have_is_just_wrong(ctx: Context, name: str) -> None:
    with pytest.raises(ForbiddenError, match="用户名或密码不对"):
        log_in(ctx, name=name, password=OWN)
