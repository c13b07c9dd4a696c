"""Staff accounts: the first administrator, log in, log out, passwords, and who has an account in which role."""

import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.actions.context import Context, Transaction
from bot.core.permissions import Actor, Role
from bot.core.times import china_text
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import audit, people
from bot.store.base import insert_row
from bot.store.people import LoginSession, Staff

FIRST_NAME = "admin"
_SESSION_HOURS = 12
_FREE_FAILURES = 5  # wrong passwords before an account waits; then 2, 4, 8 … seconds, at most 15 minutes
_SHORTEST = 10
_LONGEST_NAME = 30
_LONGEST_EMAIL = 120
# Histories tell by these names who acted when it was no member of staff; `nqi` is the command line.
_RESERVED = frozenset(
    {FIRST_NAME, "bot", "system", "contact", "provider", "nqi", "智能助手", "企业", "系统", "服务机构"}
)
_SEPARATORS = frozenset("、，,")  # between the names whom a complaint concerns
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}", re.ASCII)
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's minimum for argon2id
_DUMMY = _hasher.hash("an unknown name takes as long as a wrong password")


@dataclass(frozen=True, slots=True)
class Login:
    """A session that has begun: `key` goes into the cookie and is stored nowhere else."""

    key: str
    csrf: str
    actor: Actor


class AccountState(StrEnum):
    """Whether somebody can log in with an account."""

    OPEN = "open"
    FIRST = "first"  # the one-time password has not been changed yet
    LOCKED = "locked"  # for a while, after wrong passwords
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is listed; `at`: closed since then, or locked until then."""

    name: str
    role: Role
    email: str
    state: AccountState
    at: datetime | None = None

    @property
    def standing(self) -> str:
        """The state in words."""
        at = china_text(self.at) if self.at else ""
        return {
            AccountState.OPEN: "使用中",
            AccountState.FIRST: "待首次登录",
            AccountState.LOCKED: f"输错密码，{at} 前不能登录",
            AccountState.CLOSED: f"{at} 停用",
        }[self.state]


def create_first_administrator(ctx: Context) -> str | None:
    """Make the first account when nobody runs the system yet; gives its one-time password, else None."""
    with ctx.read() as session:
        if people.has_open(session, Role.OPERATOR):
            return None
    password, hashed = _one_time_password()
    with ctx.transaction() as tx:
        if people.has_open(tx.connection, Role.OPERATOR):
            return None
        _insert_staff(tx, FIRST_NAME, Role.OPERATOR, hashed, by="system")
    return password


def add_staff(ctx: Context, *, name: str, role: Role, email: str, by: str) -> str:
    """Open an account; gives its one-time password, which is kept nowhere else.

    Raises RefusedError for a name or an address that cannot be, ConflictError for a name that is taken.
    """
    _check_name(name)
    email = _checked_email(email)
    password, hashed = _one_time_password()
    with ctx.transaction() as tx:
        people.lock_open(tx.connection, Role.OPERATOR)  # one at a time: two may want the same name
        if _likeness(name) in map(_likeness, people.staff_names(tx.connection)):
            raise ConflictError("account-name", "这个姓名已被使用（停用的账号也算），请换一个。")
        _insert_staff(tx, name, role, hashed, by=by, email=email)
    return password


def reset_password(ctx: Context, *, name: str, by: str) -> str:
    """Give an account a new one-time password, end its sessions and its waiting; the password is kept nowhere else.

    Raises NotFoundError, ConflictError (closed), or ForbiddenError: one's own is changed with the old one.
    """
    _refuse_self(name, by, "自己的密码请在“修改密码”里更改。")
    password, hashed = _one_time_password()
    with ctx.transaction() as tx:
        row = _open_account(tx, name)
        _set(tx, row, password_hash=hashed, must_change=True, failures=0, locked_until=None)
        people.end_sessions(tx.connection, row.id)
        audit.add_line(tx.connection, at=tx.now, actor=by, what="reset-password", subject=name)
    return password


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
    email = _checked_email(email)
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
        people.end_sessions(tx.connection, row.id)
        audit.add_line(tx.connection, at=tx.now, actor=by, what="close-account", subject=name)


def list_staff(ctx: Context) -> list[Account]:
    """Every account, the open ones first, by name."""
    now = ctx.clock.now()
    with ctx.read() as session:
        return [
            Account(row.name, Role(row.role), row.email, *_state(row, now))
            for row in people.all_staff(session)
        ]


def _state(row: Staff, now: datetime) -> tuple[AccountState, datetime | None]:
    if row.closed_at is not None:
        return AccountState.CLOSED, row.closed_at
    if row.locked_until is not None and row.locked_until > now:
        return AccountState.LOCKED, row.locked_until
    return (AccountState.FIRST if row.must_change else AccountState.OPEN), None


def _one_time_password() -> tuple[str, str]:
    """A password and its hash; made before the transaction, for hashing is slow by design."""
    password = secrets.token_urlsafe(12)
    return password, _hasher.hash(password)


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


def _open_account(tx: Transaction, name: str) -> sa.Row[Any]:
    row = people.staff_named(tx.connection, name, has_lock=True) if name.isprintable() else None
    if row is None:
        raise NotFoundError("account", "没有这个账号，请核对姓名。")
    if row.closed_at is not None:
        raise ConflictError("account-closed", "这个账号已经停用。")
    return row


def _set(tx: Transaction, row: sa.Row[Any], **values: object) -> None:
    tx.connection.execute(sa.update(Staff).where(Staff.id == row.id).values(**values))


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


def _likeness(name: str) -> str:
    """What two names share that people would take for one another: width and case of letters."""
    return unicodedata.normalize("NFKC", name).casefold()


def _check_name(name: str) -> None:
    """Refuse a name that cannot be told apart, or that a list of names would break up."""
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise RefusedError("account-name", f"姓名应为 1 到 {_LONGEST_NAME} 个字。")
    if any(not char.isprintable() or char.isspace() or char in _SEPARATORS for char in name):
        raise RefusedError("account-name", "姓名里不能有空格、顿号、逗号或看不见的字符。")
    if _likeness(name) in _RESERVED:
        raise RefusedError("account-name", "这个名字由系统使用，请换一个。")


def _checked_email(email: str) -> str:
    email = email.strip()
    if email and (len(email) > _LONGEST_EMAIL or not _EMAIL.fullmatch(email)):
        raise RefusedError("account-email", "请填写完整的电子邮箱，如 name@example.com，或者不填。")
    return email


def log_in(ctx: Context, *, name: str, password: str) -> Login:
    """Check a password and begin a session; raises ForbiddenError with the reason in words."""
    with ctx.read() as session:
        row = people.staff_named(session, name)
    now = ctx.clock.now()
    if row is not None and row.locked_until is not None and row.locked_until > now:
        seconds = int((row.locked_until - now).total_seconds()) + 1
        raise ForbiddenError("locked", f"输错次数过多，请 {seconds} 秒后再试。")
    # The slow check runs outside the transaction, and also for names that do not exist.
    is_right = _verify(row.password_hash if row is not None else _DUMMY, password)
    if row is None or not is_right:
        if row is not None:
            _count_failure(ctx, row.id, row.failures + 1)
        raise ForbiddenError("login", "用户名或密码不对。")
    if row.closed_at is not None:
        raise ForbiddenError("closed", "这个账号已停用，请联系运营人员。")
    actor = Actor(row.id, row.name, Role(row.role), must_change=row.must_change)
    return _begin(ctx, actor, row.password_hash)


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _count_failure(ctx: Context, staff_id: int, failures: int) -> None:
    wait = (
        timedelta(seconds=min(2 ** (failures - _FREE_FAILURES), 900)) if failures > _FREE_FAILURES else None
    )
    with ctx.transaction() as tx:
        tx.connection.execute(
            sa.update(Staff)
            .where(Staff.id == staff_id)
            .values(failures=Staff.failures + 1, locked_until=tx.now + wait if wait else None)
        )


def _begin(ctx: Context, actor: Actor, hashed: str) -> Login:
    key, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    with ctx.transaction() as tx:
        tx.connection.execute(sa.delete(LoginSession).where(LoginSession.expires_at < tx.now))
        # The password was checked before: in between the account may have been closed, or given another one.
        still = sa.update(Staff).where(_is_still(actor, hashed)).values(failures=0, locked_until=None)
        if not tx.connection.execute(still).rowcount:
            raise ForbiddenError("login", "账号刚刚有变动，请重新登录。")
        tx.connection.execute(
            sa.insert(LoginSession).values(
                key_hash=_hash(key),
                staff_id=actor.id,
                csrf=csrf,
                expires_at=tx.now + timedelta(hours=_SESSION_HOURS),
            )
        )
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="log-in")
    return Login(key, csrf, actor)


def _is_still(actor: Actor, hashed: str) -> sa.ColumnElement[bool]:
    return sa.and_(Staff.id == actor.id, Staff.password_hash == hashed, Staff.closed_at.is_(None))


def who_is(ctx: Context, key: str) -> tuple[Actor, str] | None:
    """The actor behind a cookie and the session's CSRF token; None when the session has ended."""
    if not key:
        return None
    with ctx.read() as session:
        row = session.execute(
            sa.select(Staff.id, Staff.name, Staff.role, Staff.must_change, LoginSession.csrf)
            .join(Staff, Staff.id == LoginSession.staff_id)
            .where(
                LoginSession.key_hash == _hash(key),
                LoginSession.expires_at > ctx.clock.now(),
                Staff.closed_at.is_(None),
            )
        ).one_or_none()
    return (Actor(row.id, row.name, Role(row.role), must_change=row.must_change), row.csrf) if row else None


def log_out(ctx: Context, *, key: str) -> None:
    """End a session."""
    with ctx.transaction() as tx:
        tx.connection.execute(sa.delete(LoginSession).where(LoginSession.key_hash == _hash(key)))


def change_password(ctx: Context, actor: Actor, *, old: str, new: str, keep: str) -> None:
    """Set a new password and end every other session; `keep` is the key of the one that stays."""
    if len(new) < _SHORTEST:
        raise RefusedError("password", f"新密码至少 {_SHORTEST} 位。")
    if hmac.compare_digest(old.encode(), new.encode()):
        raise RefusedError("password", "新密码不能与原密码相同。")
    with ctx.read() as session:
        row = people.staff_named(session, actor.name)
    if row is None or not _verify(row.password_hash, old):
        raise ForbiddenError("password", "原密码不对。")
    hashed = _hasher.hash(new)
    with ctx.transaction() as tx:
        values = {"password_hash": hashed, "must_change": False}
        changed = tx.connection.execute(
            sa.update(Staff).where(_is_still(actor, row.password_hash)).values(**values)
        )
        if not changed.rowcount:
            raise ForbiddenError("password", "账号刚刚有变动，请重新登录。")
        people.end_sessions(tx.connection, actor.id, keep=_hash(keep))
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="change-password")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
