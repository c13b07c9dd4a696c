"""Staff accounts: the first administrator, log in, log out, change of password."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.actions.context import Context
from bot.core.permissions import Actor, Role
from bot.errors import ForbiddenError, RefusedError
from bot.store import audit, people
from bot.store.people import LoginSession, Staff

FIRST_NAME = "admin"
_SESSION_HOURS = 12
_FREE_FAILURES = 5  # wrong passwords before an account waits; then 2, 4, 8 … seconds, at most 15 minutes
_SHORTEST = 10
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's minimum for argon2id
_DUMMY = _hasher.hash("an unknown name takes as long as a wrong password")


@dataclass(frozen=True, slots=True)
class Login:
    """A session that has begun: `key` goes into the cookie and is stored nowhere else."""

    key: str
    csrf: str
    actor: Actor


def create_first_administrator(ctx: Context) -> str | None:
    """Make the first account when there is none; gives its one-time password, else None."""
    with ctx.read() as session:
        if people.count_staff(session):
            return None
    password = secrets.token_urlsafe(12)
    hashed = _hasher.hash(password)
    with ctx.transaction() as tx:
        if people.count_staff(tx.connection):
            return None
        tx.connection.execute(
            sa.insert(Staff).values(
                name=FIRST_NAME,
                role=Role.OPERATOR.value,
                password_hash=hashed,
                must_change=True,
                failures=0,
                created_at=tx.now,
            )
        )
        audit.add_line(tx.connection, at=tx.now, actor="system", what="create-account", subject=FIRST_NAME)
    return password


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
    actor = Actor(row.id, row.name, Role(row.role), must_change=row.must_change)
    return _begin(ctx, actor)


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


def _begin(ctx: Context, actor: Actor) -> Login:
    key, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    with ctx.transaction() as tx:
        tx.connection.execute(sa.delete(LoginSession).where(LoginSession.expires_at < tx.now))
        tx.connection.execute(
            sa.update(Staff).where(Staff.id == actor.id).values(failures=0, locked_until=None)
        )
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


def who_is(ctx: Context, key: str) -> tuple[Actor, str] | None:
    """The actor behind a cookie and the session's CSRF token; None when the session has ended."""
    if not key:
        return None
    with ctx.read() as session:
        row = session.execute(
            sa.select(Staff.id, Staff.name, Staff.role, Staff.must_change, LoginSession.csrf)
            .join(Staff, Staff.id == LoginSession.staff_id)
            .where(LoginSession.key_hash == _hash(key), LoginSession.expires_at > ctx.clock.now())
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
        tx.connection.execute(
            sa.update(Staff).where(Staff.id == actor.id).values(password_hash=hashed, must_change=False)
        )
        tx.connection.execute(
            sa.delete(LoginSession).where(
                LoginSession.staff_id == actor.id, LoginSession.key_hash != _hash(keep)
            )
        )
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="change-password")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
