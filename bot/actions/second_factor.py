"""The second factor of an account: asked for after the password, set up, ended, reset, and required of roles."""

import hmac
from collections.abc import Collection
from datetime import datetime
from typing import Any

import pyotp
import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer

from bot.actions.context import Context, Transaction
from bot.actions.passwords import _count_failure, prove_password, refuse_waiting
from bot.actions.sessions import Browser, Login, _begin_session, fingerprint
from bot.core import second_factor
from bot.core.permissions import Actor, Role
from bot.core.second_factor import matching_step
from bot.errors import ConflictError, ForbiddenError, RefusedError
from bot.store import audit, people, runtime

_BETWEEN = 300  # seconds from the password to the code
_SETTING_UP = 1800  # seconds to find and install an app
_WRONG = "验证码不对，或者已经用过。请输入应用里现在显示的 6 位数字。"


class CodeNeededError(ForbiddenError):
    """The password was right; the log-in goes on with a code and this ticket."""

    def __init__(self, ticket: str) -> None:
        super().__init__("code", "请输入两步验证的验证码。")
        self.ticket = ticket


def code_needed(ctx: Context, row: sa.Row[Any]) -> CodeNeededError:
    """What is raised for an account with a second factor once its password was right."""
    return CodeNeededError(_sign(ctx, "log-in", [row.id, _mark(row)], seconds=_BETWEEN))


def log_in_with_code(ctx: Context, *, ticket: str, code: str, browser: Browser) -> Login:
    """The second step of a log-in; raises ForbiddenError with the reason in words.

    A wrong code counts like a wrong password. `login-ticket`: begin again with the password.
    """
    staff_id, mark = _read(ctx, "log-in", ticket, of=[int, str]) or (0, "")
    with ctx.transaction() as tx:
        row = people.staff_with_id(tx.connection, staff_id, has_lock=True)
        # The password was checked before: in between the account may have been closed, or given another one.
        if row is None or row.closed_at is not None or not hmac.compare_digest(_mark(row), mark):
            raise ForbiddenError("login-ticket", "登录超时或账号有变动，请重新输入密码。")
        refuse_waiting(row, tx.now)
        begun = None
        if _take_code(tx, row, code):
            people.set_account(tx.connection, row.id, failures=0, locked_until=None)
            actor = Actor(row.id, row.name, Role(row.role), must_change=row.must_change)
            begun = _begin_session(tx, actor, browser)
    if begun is None:  # refused only now: the failure is to be counted
        raise ForbiddenError("code", _WRONG)
    return begun


def _take_code(tx: Transaction, row: sa.Row[Any], code: str) -> bool:
    """Use a code up; a wrong one counts as a failure. The row is locked, so none is good twice."""
    step = matching_step(row.totp_secret, code, at=tx.now, after=row.totp_step) if row.totp_secret else None
    if step is None:
        _count_failure(tx, row.id)
        return False
    people.set_account(tx.connection, row.id, totp_step=step)
    return True


def new_factor(ctx: Context, actor: Actor) -> tuple[str, str]:
    """A secret to be put into an app, and the ticket with which it is confirmed; nothing is stored yet."""
    secret = pyotp.random_base32()
    return secret, _sign(ctx, "factor", [actor.id, secret], seconds=_SETTING_UP)


def secret_in(ctx: Context, actor: Actor, ticket: str) -> str:
    """The secret of a ticket that was given to this person, to show it again; empty when it is too old."""
    found = _read(ctx, "factor", ticket, of=[int, str])
    return found[1] if found and found[0] == actor.id else ""


def set_factor(ctx: Context, actor: Actor, *, ticket: str, code: str, password: str, keep: str) -> None:
    """Turn the second factor on, proved by a code of the app; sessions other than `keep` end.

    Raises RefusedError (`factor-ticket`: too old; `code`: wrong), ForbiddenError (password), ConflictError (is on).
    """
    secret = secret_in(ctx, actor, ticket)
    if not secret:
        raise RefusedError("factor-ticket", "设置超时，请用新的二维码重新添加。")
    row = prove_password(ctx, actor, password)
    step = matching_step(secret, code, at=ctx.clock.now(), after=0)
    if step is None:
        raise RefusedError("code", "验证码不对。请确认手机时间准确，再输入应用里现在显示的 6 位数字。")
    with ctx.transaction() as tx:
        present = _own(tx, row.id)
        if present.totp_secret:
            raise ConflictError("factor", "两步验证已经开启。")
        people.set_account(tx.connection, row.id, totp_secret=secret, totp_step=step, failures=0)
        # The other sessions began without it.
        people.end_sessions(tx.connection, row.id, keep=fingerprint(keep))
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="set-second-factor")


def end_factor(ctx: Context, actor: Actor, *, code: str, password: str) -> None:
    """Turn one's own second factor off; a wrong code counts as a failure.

    Raises ForbiddenError (password, code), ConflictError when the role must have it, or it is off.
    """
    proved = prove_password(ctx, actor, password)
    with ctx.transaction() as tx:
        row = _own(tx, proved.id)
        if not row.totp_secret:
            raise ConflictError("factor", "两步验证没有开启。")
        if row.role in _required(tx.connection):
            raise ConflictError("factor", "您的角色必须使用两步验证，不能关闭。")
        refuse_waiting(row, tx.now)
        is_ended = _take_code(tx, row, code)
        if is_ended:
            people.set_account(tx.connection, row.id, totp_secret="", failures=0)
            audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="end-second-factor")
    if not is_ended:
        raise ForbiddenError("code", _WRONG)


def require_factor(ctx: Context, *, roles: Collection[Role], by: str) -> None:
    """Say which roles must have a second factor; it counts from the next request of everybody."""
    with ctx.transaction() as tx:
        before, after = _required(tx.connection), frozenset(roles)
        if before == after:
            return
        value = second_factor.setting(after)
        runtime.put_value(tx.connection, second_factor.SETTING, value, by=by, now=tx.now)
        note = f"{_listed(before)} -> {_listed(after)}"
        audit.add_line(tx.connection, at=tx.now, actor=by, what="require-second-factor", note=note)


def factor_rules(ctx: Context) -> tuple[frozenset[Role], list[str]]:
    """The roles that must have a second factor, and whose accounts of them have none yet."""
    with ctx.read() as session:
        roles = _required(session)
        return roles, people.without_factor(session, roles)


def has_factor(ctx: Context, actor: Actor) -> bool:
    """Is the second factor of this account on?"""
    with ctx.read() as session:
        row = people.staff_with_id(session, actor.id)
    return row is not None and bool(row.totp_secret)


def _required(session: Any) -> frozenset[Role]:
    return second_factor.required_roles(runtime.value_of(session, second_factor.SETTING))


def _listed(roles: Collection[Role]) -> str:
    return ", ".join(role.value for role in Role if role in roles) or "-"


def _own(tx: Transaction, staff_id: int) -> sa.Row[Any]:
    row = people.staff_with_id(tx.connection, staff_id, has_lock=True)
    if row is None or row.closed_at is not None:
        raise ConflictError("account-closed", "这个账号已经停用。")
    return row


def _mark(row: sa.Row[Any]) -> str:
    """Changes with the password and the second factor."""
    return fingerprint(f"{row.password_hash}:{row.totp_secret}")[:24]


def _sign(ctx: Context, what: str, values: list[Any], *, seconds: int) -> str:
    until = int(ctx.clock.now().timestamp()) + seconds
    return str(URLSafeSerializer(ctx.secret, salt=f"account:{what}").dumps([until, *values]))


def _read(ctx: Context, what: str, ticket: str, *, of: list[type]) -> list[Any] | None:
    """The values of a ticket; None for one that is forged, cut off or too old."""
    try:
        until, *values = URLSafeSerializer(ctx.secret, salt=f"account:{what}").loads(ticket)
    except BadData:
        return None
    is_good = until >= _moment(ctx.clock.now()) and [type(value) for value in values] == of
    return values if is_good else None


def _moment(at: datetime) -> int:
    return int(at.timestamp())
