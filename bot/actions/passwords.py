"""Passwords: hashed with argon2id, checked outside of transactions; wrong ones make an account wait."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.actions.context import Context, Transaction
from bot.actions.sessions import fingerprint
from bot.core.accounts import check_password
from bot.core.permissions import Actor
from bot.errors import ForbiddenError, RefusedError
from bot.store import audit, people

_FREE_FAILURES = (
    5  # wrong passwords or codes before an account waits; then 2, 4, 8 … seconds, at most 15 minutes
)
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's minimum for argon2id
_DUMMY = _hasher.hash("an unknown name takes as long as a wrong password")


def hash_of(password: str) -> str:
    """What is stored of a password; slow by design, so it is made before the transaction."""
    return _hasher.hash(password)


def one_time_password() -> tuple[str, str]:
    """A password that nobody has chosen, and its hash."""
    password = secrets.token_urlsafe(12)
    return password, hash_of(password)


def is_right(row: sa.Row[Any] | None, password: str) -> bool:
    """Is it the password of that account? It takes as long where there is no account."""
    try:
        return _hasher.verify(row.password_hash if row is not None else _DUMMY, password) and row is not None
    except (VerificationError, InvalidHashError):
        return False


def refuse_waiting(row: sa.Row[Any], now: datetime) -> None:
    """Raise ForbiddenError, in words with the seconds, while the account waits after wrong passwords or codes."""
    if row.locked_until is not None and row.locked_until > now:
        seconds = int((row.locked_until - now).total_seconds()) + 1
        raise ForbiddenError("locked", f"输错次数过多，请 {seconds} 秒后再试。")


def _count_failure(tx: Transaction, staff_id: int) -> None:
    """One more wrong password or code, and the waiting that follows."""
    over = people.add_failure(tx.connection, staff_id) - _FREE_FAILURES
    if over > 0:
        until = tx.now + timedelta(seconds=min(2**over, 900))
        people.set_account(tx.connection, staff_id, locked_until=until)


def prove_password(ctx: Context, actor: Actor, password: str, *, wrong: str = "密码不对。") -> sa.Row[Any]:
    """The account of somebody who is logged in and knows its password: a session alone may have been stolen.

    Raises ForbiddenError: the words `wrong`, or how long to wait; wrong ones count as they do at log-in.
    """
    with ctx.read() as session:
        row = people.staff_with_id(session, actor.id)
    if row is None:
        raise ForbiddenError("password", wrong)
    refuse_waiting(row, ctx.clock.now())
    if not is_right(row, password):
        with ctx.transaction() as tx:
            _count_failure(tx, row.id)
        raise ForbiddenError("password", wrong)
    return row


def change_password(ctx: Context, actor: Actor, *, old: str, new: str, keep: str) -> None:
    """Set a new password and end every other session; `keep` is the key of the one that stays.

    Raises RefusedError for a new one that cannot be, ForbiddenError for an old one that is wrong.
    """
    check_password(new, name=actor.name)
    if old == new:
        raise RefusedError("password", "新密码不能与原密码相同。")
    row = prove_password(ctx, actor, old, wrong="原密码不对。")
    values = {"password_hash": hash_of(new), "must_change": False, "failures": 0}
    with ctx.transaction() as tx:
        if not people.set_account_if(tx.connection, row.id, hashed=row.password_hash, **values):
            raise ForbiddenError("password", "账号刚刚有变动，请重新登录。")
        people.drop_invitations(tx.connection, row.id)
        people.end_sessions(tx.connection, row.id, keep=fingerprint(keep))
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="change-password")
