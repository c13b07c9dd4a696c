"""The second factor of an account: set up, asked for, used up, ended, reset, and required of roles."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa

from bot.actions import second_factor as factors
from bot.actions.accounts import (
    add_staff,
    change_role,
    close_account,
    create_first_administrator,
    list_staff,
    log_in,
    reset_factor,
    reset_password,
)
from bot.actions.context import Context
from bot.actions.passwords import change_password
from bot.actions.second_factor import CodeNeededError, log_in_with_code
from bot.actions.sessions import Browser, Login, open_sessions, who_is
from bot.core.brain import CALIBRATED, Brain
from bot.core.permissions import Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.migrate import upgrade
from bot.store.people import Staff
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.search import Index
from tests.make import SetClock

OWN = "my-own-password"
HERE = Browser("127.0.0.1", "a browser")


@pytest.fixture(scope="module")
def brain() -> Brain:
    understander = Understander.load()
    return Brain(understander, Index.build(Release.of(()), understander.tokenizer), CALIBRATED)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def ctx(brain: Brain, tmp_path: Path, clock: SetClock) -> Iterator[Context]:
    settings = Settings(data_dir=tmp_path, log_level="error")
    found = Context(settings, Database(settings.database), clock, brain, secret=b"a secret of this test")
    upgrade(found.database)
    create_first_administrator(found)
    yield found
    found.database.close()


@pytest.fixture
def begun(ctx: Context) -> Login:
    """小李, logged in with a password of their own and no second factor."""
    return begin(ctx, "小李")


def begin(ctx: Context, name: str, role: Role = Role.STAFF) -> Login:
    first = add_staff(ctx, name=name, role=role, email="", by="admin")
    found = log_in(ctx, name=name, password=first)
    change_password(ctx, found.actor, old=first, new=OWN, keep=found.key)
    return found


def sets_up(ctx: Context, begun: Login) -> str:
    """Turn the second factor on; gives its secret. The code of this half minute is used then."""
    secret, ticket = factors.new_factor(ctx, begun.actor)
    factors.set_factor(ctx, begun.actor, ticket=ticket, code=code(ctx, secret), password=OWN, keep=begun.key)
    return secret


def code(ctx: Context, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(ctx.clock.now(), counter_offset=steps)


def wrong(ctx: Context, secret: str) -> str:
    """A code of none of the steps that count."""
    right = {code(ctx, secret, steps) for steps in (-1, 0, 1)}
    return next(one for one in ("000000", "111111", "222222", "333333") if one not in right)


def ticket(ctx: Context, name: str = "小李", password: str = OWN) -> str:
    """What is between the password and the code."""
    with pytest.raises(CodeNeededError) as needed:
        log_in(ctx, name=name, password=password)
    return needed.value.ticket


def enters(ctx: Context, between: str, given: str) -> Login:
    return log_in_with_code(ctx, ticket=between, code=given, browser=HERE)


def trail(ctx: Context) -> list[tuple[str, str, str, str]]:
    with ctx.read() as session:
        lines = session.scalars(sa.select(AuditLine).where(AuditLine.what.contains("second-factor")))
        return [(line.actor, line.what, line.subject, line.note) for line in lines]


# --- log in ---


def test_with_it_a_log_in_takes_the_password_and_then_a_code(
    ctx: Context, begun: Login, clock: SetClock
) -> None:
    secret = sets_up(ctx, begun)
    clock.move(seconds=30)
    again = enters(ctx, ticket(ctx), code(ctx, secret))
    known = who_is(ctx, again.key)
    assert known is not None
    assert known.actor.name == "小李"
    assert next((one.address, one.agent) for one in open_sessions(ctx, known.actor, key=again.key)) == (
        "127.0.0.1",
        "a browser",
    )


def test_a_code_is_good_once(ctx: Context, begun: Login, clock: SetClock) -> None:
    secret = sets_up(ctx, begun)
    with pytest.raises(ForbiddenError, match="已经用过"):
        enters(ctx, ticket(ctx), code(ctx, secret))
    clock.move(seconds=30)
    used = code(ctx, secret)
    enters(ctx, ticket(ctx), used)
    with pytest.raises(ForbiddenError, match="已经用过"):
        enters(ctx, ticket(ctx), used)
    enters(ctx, ticket(ctx), code(ctx, secret, steps=1))
    with pytest.raises(ForbiddenError, match="已经用过"):
        enters(ctx, ticket(ctx), code(ctx, secret))


def test_of_many_at_once_with_the_same_code_one_gets_in(ctx: Context, begun: Login, clock: SetClock) -> None:
    secret = sets_up(ctx, begun)
    clock.move(seconds=30)
    between, given = ticket(ctx), code(ctx, secret)
    inside: list[Login] = []
    refused: list[ForbiddenError] = []

    def comes() -> None:
        try:
            inside.append(enters(ctx, between, given))
        except ForbiddenError as refusal:
            refused.append(refusal)

    crowd = [threading.Thread(target=comes) for _ in range(8)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert (len(inside), len(refused)) == (1, 7)


def test_wrong_codes_make_the_account_wait_as_wrong_passwords_do_and_both_add_up(
    ctx: Context, begun: Login, clock: SetClock
) -> None:
    secret = sets_up(ctx, begun)
    for _ in range(3):
        with pytest.raises(ForbiddenError, match="不对"):
            log_in(ctx, name="小李", password="wrong")
    between = ticket(ctx)
    for _ in range(3):
        with pytest.raises(ForbiddenError, match="验证码不对"):
            enters(ctx, between, wrong(ctx, secret))
    clock.move(seconds=1)
    with pytest.raises(ForbiddenError, match="请 2 秒后再试"):
        enters(ctx, between, code(ctx, secret, steps=1))
    with pytest.raises(ForbiddenError, match="秒后再试"):
        log_in(ctx, name="小李", password=OWN)
    clock.move(seconds=2)
    enters(ctx, ticket(ctx), code(ctx, secret, steps=1))
    with pytest.raises(ForbiddenError, match="不对"):
        log_in(ctx, name="小李", password="wrong")
    ticket(ctx)  # the count began anew: nobody waits


def test_the_waiting_doubles_up_to_a_quarter_of_an_hour(ctx: Context, begun: Login, clock: SetClock) -> None:
    secret = sets_up(ctx, begun)
    between = ticket(ctx)
    waits = []
    for _ in range(17):
        before = clock.now()
        with pytest.raises(ForbiddenError, match="验证码不对"):
            enters(ctx, between, wrong(ctx, secret))
        with ctx.read() as session:
            until = session.scalar(sa.select(Staff.locked_until).where(Staff.name == "小李"))
        waits.append(int((until - before).total_seconds()) if until and until > before else 0)
        clock.at = until if until else before
        between = ticket(ctx)
    assert waits == [0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_the_way_from_password_to_code_is_open_for_five_minutes(
    ctx: Context, begun: Login, clock: SetClock
) -> None:
    secret = sets_up(ctx, begun)
    early, late = ticket(ctx), ticket(ctx)
    clock.move(seconds=299)
    enters(ctx, early, code(ctx, secret))
    clock.move(seconds=31)
    with pytest.raises(ForbiddenError, match="登录超时"):
        enters(ctx, late, code(ctx, secret))


def test_a_ticket_is_worth_nothing_when_it_is_forged_or_of_another_kind(ctx: Context, begun: Login) -> None:
    secret, of_set_up = factors.new_factor(ctx, begun.actor)
    sets_up(ctx, begun)
    good = ticket(ctx)
    for bad in ("", "x", good[:-1], good[::-1], of_set_up, "\x00", f"{good}x"):
        with pytest.raises(ForbiddenError, match="重新输入密码") as refused:
            enters(ctx, bad, code(ctx, secret))
        assert refused.value.code == "login-ticket"


@pytest.mark.parametrize("what", ["password", "factor", "close"])
def test_what_changed_since_the_password_was_checked_ends_the_log_in(
    ctx: Context, begun: Login, clock: SetClock, what: str
) -> None:
    secret = sets_up(ctx, begun)
    between = ticket(ctx)
    clock.move(seconds=30)
    changes: dict[str, Callable[[], object]] = {
        "password": lambda: reset_password(ctx, name="小李", by="admin"),
        "factor": lambda: reset_factor(ctx, name="小李", by="admin"),
        "close": lambda: close_account(ctx, name="小李", by="admin"),
    }
    changes[what]()
    with pytest.raises(ForbiddenError, match="重新输入密码"):
        enters(ctx, between, code(ctx, secret))


def test_a_new_password_does_not_open_the_way_around_it(ctx: Context, begun: Login) -> None:
    sets_up(ctx, begun)
    given = reset_password(ctx, name="小李", by="admin")
    ticket(ctx, password=given)


# --- set up, end, reset ---


def test_setting_it_up_takes_the_password_and_a_right_code(ctx: Context, begun: Login) -> None:
    secret, offer = factors.new_factor(ctx, begun.actor)
    given = {"ticket": offer, "code": code(ctx, secret), "password": OWN, "keep": begun.key}
    with pytest.raises(ForbiddenError, match="密码不对"):
        factors.set_factor(ctx, begun.actor, **{**given, "password": "wrong"})
    with pytest.raises(RefusedError, match="验证码不对"):
        factors.set_factor(ctx, begun.actor, **{**given, "code": wrong(ctx, secret)})
    assert not factors.has_factor(ctx, begun.actor)
    factors.set_factor(ctx, begun.actor, **given)
    assert factors.has_factor(ctx, begun.actor)
    with pytest.raises(ConflictError, match="已经开启"):
        factors.set_factor(ctx, begun.actor, **given)
    assert {one.name: one.has_factor for one in list_staff(ctx)} == {"admin": False, "小李": True}
    assert trail(ctx) == [("小李", "set-second-factor", "", "")]


def test_setting_it_up_ends_the_sessions_that_began_without_it(ctx: Context, begun: Login) -> None:
    other = log_in(ctx, name="小李", password=OWN)
    sets_up(ctx, begun)
    assert who_is(ctx, other.key) is None
    assert who_is(ctx, begun.key) is not None


def test_an_offer_is_for_one_person_and_half_an_hour(ctx: Context, begun: Login, clock: SetClock) -> None:
    secret, offer = factors.new_factor(ctx, begun.actor)
    stranger = begin(ctx, "小陈").actor
    assert factors.secret_in(ctx, stranger, offer) == ""
    clock.move(seconds=1800)
    assert factors.secret_in(ctx, begun.actor, offer) == secret
    clock.move(seconds=1)
    with pytest.raises(RefusedError, match="设置超时"):
        factors.set_factor(
            ctx, begun.actor, ticket=offer, code=code(ctx, secret), password=OWN, keep=begun.key
        )


def test_ending_it_takes_both_and_counts_what_is_wrong(ctx: Context, begun: Login, clock: SetClock) -> None:
    with pytest.raises(ConflictError, match="没有开启"):
        factors.end_factor(ctx, begun.actor, code="123456", password=OWN)
    secret = sets_up(ctx, begun)
    clock.move(seconds=30)
    for _ in range(3):
        with pytest.raises(ForbiddenError, match="密码不对"):
            factors.end_factor(ctx, begun.actor, code=code(ctx, secret), password="wrong")
        with pytest.raises(ForbiddenError, match="验证码不对"):
            factors.end_factor(ctx, begun.actor, code=wrong(ctx, secret), password=OWN)
    with pytest.raises(ForbiddenError, match="秒后再试"):
        factors.end_factor(ctx, begun.actor, code=code(ctx, secret), password=OWN)
    clock.move(seconds=30)
    factors.end_factor(ctx, begun.actor, code=code(ctx, secret), password=OWN)
    assert log_in(ctx, name="小李", password=OWN).actor.name == "小李"
    assert [line[1] for line in trail(ctx)] == ["set-second-factor", "end-second-factor"]


def test_an_operator_resets_it_for_others_and_not_for_themselves(ctx: Context, begun: Login) -> None:
    sets_up(ctx, begun)
    reset_factor(ctx, name="小李", by="admin")
    assert who_is(ctx, begun.key) is None, "logged out: the phone may be in other hands"
    log_in(ctx, name="小李", password=OWN)
    with pytest.raises(ConflictError, match="没有开启"):
        reset_factor(ctx, name="小李", by="admin")
    with pytest.raises(ForbiddenError, match="账号安全"):
        reset_factor(ctx, name="admin", by="admin")
    with pytest.raises(NotFoundError):
        reset_factor(ctx, name="没有这个人", by="admin")
    assert trail(ctx)[-1] == ("admin", "reset-second-factor", "小李", "")


def test_no_secret_reaches_the_audit_trail(ctx: Context, begun: Login) -> None:
    secret = sets_up(ctx, begun)
    with ctx.read() as session:
        lines = str(session.execute(sa.select(AuditLine.__table__)).all())
    assert secret not in lines


# --- required ---


def test_who_must_have_it_and_has_not_is_known_from_the_next_request_on(ctx: Context, begun: Login) -> None:
    factors.require_factor(ctx, roles=[Role.STAFF, Role.HEAD], by="admin")
    known = who_is(ctx, begun.key)
    assert known is not None
    assert known.must_set_up
    assert factors.factor_rules(ctx) == ({Role.STAFF, Role.HEAD}, ["小李"])
    sets_up(ctx, begun)
    known = who_is(ctx, begun.key)
    assert known is not None
    assert not known.must_set_up
    assert factors.factor_rules(ctx)[1] == []


def test_who_must_have_it_does_not_end_it_before_the_role_changes(
    ctx: Context, begun: Login, clock: SetClock
) -> None:
    secret = sets_up(ctx, begun)
    factors.require_factor(ctx, roles=[Role.STAFF], by="admin")
    clock.move(seconds=30)
    with pytest.raises(ConflictError, match="必须使用"):
        factors.end_factor(ctx, begun.actor, code=code(ctx, secret), password=OWN)
    change_role(ctx, name="小李", role=Role.EVALUATOR, by="admin")
    factors.end_factor(ctx, begun.actor, code=code(ctx, secret), password=OWN)
    assert not factors.has_factor(ctx, begun.actor)


def test_the_rule_is_audited_when_it_changes_and_only_then(ctx: Context) -> None:
    factors.require_factor(ctx, roles=[Role.HEAD, Role.OPERATOR], by="admin")
    factors.require_factor(ctx, roles=[Role.OPERATOR, Role.HEAD], by="admin")
    factors.require_factor(ctx, roles=[], by="admin")
    assert trail(ctx) == [
        ("admin", "require-second-factor", "", "- -> operator, head"),
        ("admin", "require-second-factor", "", "operator, head -> -"),
    ]
