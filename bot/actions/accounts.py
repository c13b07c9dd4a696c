"""Staff accounts: who has one, in which role; opened, changed, reset and closed; log in with the password."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from bot.actions.context import Context, Transaction
from bot.actions.passwords import _count_failure, is_right, one_time_password, refuse_waiting
from bot.actions.second_factor import code_needed
from bot.actions.sessions import NOWHERE, Browser, Login, _begin_session
from bot.core import accounts as rules
from bot.core.permissions import Actor, Role
from bot.core.times import china_text
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError
from bot.store import audit, people
from bot.store.base import insert_row
from bot.store.people import Staff

FIRST_NAME = rules.FIRST_NAME


class AccountState(StrEnum):
    """Whether somebody can log in with an account."""

    OPEN = "open"
    INVITED = "invited"  # has a link to set the first password
    EXPIRED = "expired"  # had one, and did not use it in time
    FIRST = "first"  # the one-time password has not been changed yet
    LOCKED = "locked"  # for a while, after wrong passwords
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is listed; `at`: closed since then, or locked or invited until then."""

    name: str
    role: Role
    email: str
    state: AccountState
    at: datetime | None = None
    has_factor: bool = False

    @property
    def standing(self) -> str:
        """The state in words."""
        at = china_text(self.at) if self.at else ""
        return {
            AccountState.OPEN: "使用中",
            AccountState.INVITED: f"已邀请，链接 {at} 前有效",
            AccountState.EXPIRED: "邀请已过期，还没有登录过",
            AccountState.FIRST: "待首次登录",
            AccountState.LOCKED: f"输错密码，{at} 前不能登录",
            AccountState.CLOSED: f"{at} 停用",
        }[self.state]


def create_first_administrator(ctx: Context) -> str | None:
    """Make the first account when nobody runs the system yet; gives its one-time password, else None."""
    with ctx.read() as session:
        if people.has_open(session, Role.OPERATOR):
            return None
    password, hashed = one_time_password()
    with ctx.transaction() as tx:
        if people.has_open(tx.connection, Role.OPERATOR):
            return None
        _insert_staff(tx, FIRST_NAME, Role.OPERATOR, hashed, by="system")
    return password


def add_staff(ctx: Context, *, name: str, role: Role, email: str, by: str) -> str:
    """Open an account; gives its one-time password, which is kept nowhere else.

    Raises RefusedError for a name or an address that cannot be, ConflictError for a name that is taken.
    """
    rules.check_name(name)
    email = rules.checked_email(email)
    password, hashed = one_time_password()
    with ctx.transaction() as tx:
        _refuse_taken(tx, name)
        _insert_staff(tx, name, role, hashed, by=by, email=email)
    return password


def reset_password(ctx: Context, *, name: str, by: str) -> str:
    """Give an account a new one-time password, end its sessions and its waiting; the password is kept nowhere else.

    Raises NotFoundError, ConflictError (closed), or ForbiddenError: one's own is changed with the old one.
    """
    _refuse_self(name, by, "自己的密码请在“修改密码”里更改。")
    password, hashed = one_time_password()
    with ctx.transaction() as tx:
        row = _open_account(tx, name)
        _give_password(tx, row, hashed)
        audit.add_line(tx.connection, at=tx.now, actor=by, what="reset-password", subject=name)
    return password


def reset_factor(ctx: Context, *, name: str, by: str) -> None:
    """Take the second factor from an account whose phone is lost; its sessions and its waiting end.

    Raises NotFoundError, ConflictError (closed, or it has none), or ForbiddenError for one's own.
    """
    _refuse_self(name, by, "自己的两步验证请在“账号安全”里更改。")
    with ctx.transaction() as tx:
        row = _open_account(tx, name)
        if not row.totp_secret:
            raise ConflictError("factor", "这个账号没有开启两步验证。")
        _set(tx, row, totp_secret="", failures=0, locked_until=None)
        people.end_sessions(tx.connection, row.id)
        audit.add_line(tx.connection, at=tx.now, actor=by, what="reset-second-factor", subject=name)


def end_sessions(ctx: Context, *, name: str, by: str) -> int:
    """Log somebody else out everywhere; gives how many sessions ended.

    Raises NotFoundError, ConflictError (closed), or ForbiddenError: one's own end on the page of one's sessions.
    """
    _refuse_self(name, by, "自己的登录请在“账号安全”里结束。")
    with ctx.transaction() as tx:
        ended = people.end_sessions(tx.connection, _open_account(tx, name).id)
        note = str(ended)
        audit.add_line(tx.connection, at=tx.now, actor=by, what="end-sessions", subject=name, note=note)
    return ended


def change_role(ctx: Context, *, name: str, role: Role, by: str) -> None:
    """Give an account another role; what its sessions may do changes with their next request.

    Raises NotFoundError, ForbiddenError for one's own, ConflictError (closed, last operator, or no change).
    """
    _refuse_self(name, by, "不能更改自己的角色，请由另一位运营人员办理。")
    with ctx.transaction() as tx:
        operators = people.lock_open(tx.connection, Role.OPERATOR)
        row = _open_account(tx, name)
        if row.role == role:
            raise ConflictError("account-same", "角色没有变化。")
        _refuse_last(name, operators)
        _set(tx, row, role=role.value)
        _note_change(tx, name, by=by, what="change-role", before=row.role, after=role.value)


def set_email(ctx: Context, *, name: str, email: str, by: str) -> None:
    """Set where somebody is written to; empty: nowhere. Raises NotFoundError, ConflictError or RefusedError."""
    email = rules.checked_email(email)
    with ctx.transaction() as tx:
        row = _open_account(tx, name)
        if row.email == email:
            raise ConflictError("account-same", "邮箱没有变化。")
        _set(tx, row, email=email)
        _note_change(tx, name, by=by, what="set-email", before=row.email, after=email)


def close_account(ctx: Context, *, name: str, by: str) -> None:
    """End an account and its sessions; its name stays in the histories and is given to nobody else.

    Raises NotFoundError, ForbiddenError for one's own, ConflictError (closed before, or the last operator).
    """
    _refuse_self(name, by, "不能停用自己的账号，请由另一位运营人员办理。")
    with ctx.transaction() as tx:
        operators = people.lock_open(tx.connection, Role.OPERATOR)
        row = _open_account(tx, name)
        _refuse_last(name, operators)
        _set(tx, row, closed_at=tx.now)
        people.drop_invitations(tx.connection, row.id)
        people.end_sessions(tx.connection, row.id)
        audit.add_line(tx.connection, at=tx.now, actor=by, what="close-account", subject=name)


def list_staff(ctx: Context) -> list[Account]:
    """Every account, the open ones first, by name."""
    now = ctx.clock.now()
    with ctx.read() as session:
        until = people.invitations(session)
        return [
            Account(
                row.name,
                Role(row.role),
                row.email,
                *_state(row, until.get(row.id), now),
                bool(row.totp_secret),
            )
            for row in people.all_staff(session)
        ]


def _state(row: Staff, invited: datetime | None, now: datetime) -> tuple[AccountState, datetime | None]:
    if row.closed_at is not None:
        return AccountState.CLOSED, row.closed_at
    if row.locked_until is not None and row.locked_until > now:
        return AccountState.LOCKED, row.locked_until
    if row.must_change and invited is not None:
        return (AccountState.INVITED, invited) if invited > now else (AccountState.EXPIRED, None)
    return (AccountState.FIRST if row.must_change else AccountState.OPEN), None


def _insert_staff(tx: Transaction, name: str, role: Role, hashed: str, *, by: str, email: str = "") -> None:
    insert_row(
        tx.connection,
        Staff,
        name=name,
        role=role.value,
        password_hash=hashed,
        must_change=True,
        failures=0,
        created_at=tx.now,
        email=email,
    )
    audit.add_line(tx.connection, at=tx.now, actor=by, what="create-account", subject=name, note=role.value)


def _refuse_taken(tx: Transaction, name: str) -> None:
    people.lock_open(tx.connection, Role.OPERATOR)  # one at a time: two may want the same name
    if rules.likeness(name) in map(rules.likeness, people.staff_names(tx.connection)):
        raise ConflictError("account-name", "这个姓名已被使用（停用的账号也算），请换一个。")


def _open_account(tx: Transaction, name: str) -> sa.Row[Any]:
    row = people.staff_named(tx.connection, name, has_lock=True) if name.isprintable() else None
    if row is None:
        raise NotFoundError("account", "没有这个账号，请核对姓名。")
    if row.closed_at is not None:
        raise ConflictError("account-closed", "这个账号已经停用。")
    return row


def _set(tx: Transaction, row: sa.Row[Any], **values: object) -> None:
    people.set_account(tx.connection, row.id, **values)


def _give_password(tx: Transaction, row: sa.Row[Any], hashed: str) -> None:
    """A first password in place of the present one: whoever knew that is out."""
    _set(tx, row, password_hash=hashed, must_change=True, failures=0, locked_until=None)
    people.drop_invitations(tx.connection, row.id)
    people.end_sessions(tx.connection, row.id)


def _note_change(tx: Transaction, name: str, *, by: str, what: str, before: str, after: str) -> None:
    note = f"{before or '-'} -> {after or '-'}"
    audit.add_line(tx.connection, at=tx.now, actor=by, what=what, subject=name, note=note)


def _refuse_self(name: str, by: str, message: str) -> None:
    if name == by:
        raise ForbiddenError("account-self", message)


def _refuse_last(name: str, operators: frozenset[str]) -> None:
    if operators == {name}:
        label = say(f"role.{Role.OPERATOR}")
        raise ConflictError("account-last", f"这是最后一个{label}账号，请先建立另一个。")


def log_in(ctx: Context, *, name: str, password: str, browser: Browser = NOWHERE) -> Login:
    """Check a password and begin a session; raises ForbiddenError with the reason in words.

    CodeNeededError, one of them, has the ticket for the second step of an account that has a second factor.
    """
    with ctx.read() as session:
        row = people.staff_named(session, name) if name.isprintable() else None
    if row is not None:
        refuse_waiting(row, ctx.clock.now())
    # The slow check runs outside the transaction, and also for names that do not exist.
    if not is_right(row, password) or row is None:
        if row is not None:
            with ctx.transaction() as tx:
                _count_failure(tx, row.id)
        raise ForbiddenError("login", "用户名或密码不对。")
    if row.closed_at is not None:
        raise ForbiddenError("closed", "这个账号已停用，请联系运营人员。")
    if row.totp_secret:
        raise code_needed(ctx, row)
    actor = Actor(row.id, row.name, Role(row.role), must_change=row.must_change)
    return _begin(ctx, actor, row.password_hash, browser)


def _begin(ctx: Context, actor: Actor, hashed: str, browser: Browser) -> Login:
    with ctx.transaction() as tx:
        # The password was checked before: in between the account may have been closed, or given another one,
        # or a second factor.
        present = people.staff_with_id(tx.connection, actor.id, has_lock=True)
        if present is None or present.closed_at or present.password_hash != hashed or present.totp_secret:
            raise ForbiddenError("login", "账号刚刚有变动，请重新登录。")
        _set(tx, present, failures=0, locked_until=None)
        return _begin_session(tx, actor, browser)
