"""Sessions: one log-in in one browser, from the cookie that begins it to its end."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.actions.context import Context, Transaction
from bot.core import second_factor
from bot.core.permissions import Actor, Role
from bot.errors import NotFoundError
from bot.store import audit, people, runtime

_IDLE = timedelta(hours=12)  # a session ends so long after its last use
_LONGEST = timedelta(days=7)  # and at most so long after it began
_TOUCHED = timedelta(minutes=1)  # its use is written down no more often


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody logs in from; kept so that they can tell their sessions apart."""

    address: str = ""
    agent: str = ""  # what the browser calls itself


NOWHERE = Browser()


@dataclass(frozen=True, slots=True)
class Login:
    """A session that has begun: `key` goes into the cookie and is stored nowhere else."""

    key: str
    csrf: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Known:
    """Who is behind a cookie."""

    actor: Actor
    csrf: str
    must_set_up: bool = False  # their role must have a second factor, and they have none yet


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its owner sees it; `id` ends it and logs nobody in."""

    id: str
    begun_at: datetime | None
    seen_at: datetime | None
    address: str
    agent: str
    is_this: bool


def fingerprint(key: str) -> str:
    """What is stored of a key that somebody holds."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def _begin_session(tx: Transaction, actor: Actor, browser: Browser) -> Login:
    """A log-in has succeeded."""
    key, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    people.add_session(
        tx.connection,
        key_hash=fingerprint(key),
        staff_id=actor.id,
        csrf=csrf,
        begun_at=tx.now,
        seen_at=tx.now,
        expires_at=tx.now + _IDLE,
        address=browser.address[:64],
        agent=browser.agent[:200],
    )
    audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="log-in")
    return Login(key, csrf, actor)


def who_is(ctx: Context, key: str, *, is_use: bool = True) -> Known | None:
    """Who is behind a cookie; None when the session has ended. It ends later for being used, unless not `is_use`."""
    if not key:
        return None
    now, key_hash = ctx.clock.now(), fingerprint(key)
    with ctx.read() as session:
        row = people.live_session(session, key_hash, now=now)
        if row is None:
            return None
        required = frozenset[Role]()
        if not row.has_factor:
            required = second_factor.required_roles(runtime.value_of(session, second_factor.SETTING))
    if is_use and (row.seen_at is None or now - row.seen_at >= _TOUCHED):
        _touch(ctx, key_hash, row.begun_at)
    actor = Actor(row.id, row.name, Role(row.role), must_change=row.must_change)
    return Known(actor, row.csrf, must_set_up=actor.role in required)


def _touch(ctx: Context, key_hash: str, begun_at: datetime | None) -> None:
    with ctx.transaction() as tx:
        begun = begun_at or tx.now  # unknown for those that began before it was written down
        until = min(tx.now + _IDLE, begun + _LONGEST)
        before = tx.now - _TOUCHED
        people.touch_session(
            tx.connection, key_hash, at=tx.now, before=before, begun_at=begun, expires_at=until
        )


def log_out(ctx: Context, *, key: str) -> None:
    """End a session."""
    with ctx.transaction() as tx:
        people.end_session(tx.connection, fingerprint(key))


def open_sessions(ctx: Context, actor: Actor, *, key: str) -> list[OpenSession]:
    """Where somebody is logged in, the last used first; `key` is the cookie of the one that asks."""
    this = fingerprint(key)
    with ctx.read() as session:
        return [
            OpenSession(row.key_hash, row.begun_at, row.seen_at, row.address, row.agent, row.key_hash == this)
            for row in people.sessions_of(session, actor.id, now=ctx.clock.now())
        ]


def end_session(ctx: Context, actor: Actor, *, session_id: str) -> None:
    """Log out of one's own session elsewhere; raises NotFoundError when it has ended, or is another's."""
    with ctx.transaction() as tx:
        if not people.end_session(tx.connection, session_id, staff_id=actor.id):
            raise NotFoundError("session", "这个登录已经结束。")
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="end-session")


def end_other_sessions(ctx: Context, actor: Actor, *, keep: str) -> int:
    """Log out everywhere but here, the session with the key `keep`; gives how many ended."""
    with ctx.transaction() as tx:
        ended = people.end_sessions(tx.connection, actor.id, keep=fingerprint(keep))
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="end-other-sessions", note=str(ended))
    return ended
