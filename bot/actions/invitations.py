"""Invitations: a link by which somebody sets the first password of their account, good once."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from bot.actions.accounts import _give_password, _insert_staff, _open_account, _refuse_taken
from bot.actions.context import Context, Transaction
from bot.actions.passwords import hash_of, one_time_password
from bot.actions.sessions import fingerprint
from bot.core import accounts as rules
from bot.core.permissions import Role
from bot.core.reach import Channel, Purpose
from bot.core.times import china_text
from bot.core.wording import say
from bot.errors import ConflictError, NotFoundError
from bot.store import audit, delivery, people

_DAYS = 3  # for which a link works


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody was invited: by e-mail, else by whoever passes the link on; it is shown this once."""

    name: str
    email: str = ""  # where the link was sent
    link: str = ""  # where no e-mail can be sent


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom a link invites."""

    id: int
    name: str
    role: Role


def invite(ctx: Context, *, name: str, role: Role, email: str, by: str) -> Invited:
    """Open an account for somebody who sets its password by a link.

    Raises RefusedError for a name or an address that cannot be, ConflictError for a name that is taken.
    """
    rules.check_name(name)
    email = rules.checked_email(email)
    _nobody_knows, hashed = one_time_password()
    with ctx.transaction() as tx:
        _refuse_taken(tx, name)
        _insert_staff(tx, name, role, hashed, by=by, email=email)
        row = _open_account(tx, name)
        return _send(tx, staff_id=row.id, name=name, email=email, by=by)


def invite_again(ctx: Context, *, name: str, by: str) -> Invited:
    """Another link for somebody who has not set a password yet; the earlier link or one-time password ends.

    Raises NotFoundError, ConflictError (closed, or in use).
    """
    _nobody_knows, hashed = one_time_password()
    with ctx.transaction() as tx:
        row = _open_account(tx, name)
        if not row.must_change:
            raise ConflictError("account-used", "这个账号已经在使用。忘记密码请用“重置密码”。")
        _give_password(tx, row, hashed)
        return _send(tx, staff_id=row.id, name=name, email=row.email, by=by)


def _send(tx: Transaction, *, staff_id: int, name: str, email: str, by: str) -> Invited:
    key = secrets.token_urlsafe(32)
    until = tx.now + timedelta(days=_DAYS)
    people.put_invitation(tx.connection, staff_id, key_hash=fingerprint(key), expires_at=until)
    audit.add_line(tx.connection, at=tx.now, actor=by, what="invite", subject=name)
    link = f"{tx.ctx.settings.base_url}/admin/invitation/{key}"
    if not (tx.ctx.settings.smtp_host and email):
        return Invited(name, link=link)
    platform = tx.ctx.settings.platform_name
    text = say(
        "account.invitation", person=name, by=by, link=link, until=china_text(until), platform=platform
    )
    delivery.add_outbox(
        tx.connection,
        key=f"invitation:{fingerprint(key)}",
        lane=f"invitation:{staff_id}",
        channel=Channel.EMAIL.value,
        address=email,
        text=text,
        extras={"subject": say("account.invitation_subject", platform=platform)},
        purpose=Purpose.ALERT.value,
        due_at=tx.now,
        at=tx.now,
    )
    tx.poke_after_commit("outbox")
    return Invited(name, email=email)


def guest_of(ctx: Context, key: str) -> Guest:
    """Whom a link invites; raises NotFoundError for one that is forged, used, replaced or too old."""
    with ctx.read() as session:
        row = people.invited(session, fingerprint(key), now=ctx.clock.now())
    if row is None:
        raise _no_link()
    return Guest(row.id, row.name, Role(row.role))


def accept_invitation(ctx: Context, key: str, *, password: str) -> str:
    """Set the first password and use the link up; gives the name to log in with.

    Raises NotFoundError as above, RefusedError for a password that cannot be: the link stays good then.
    """
    guest = guest_of(ctx, key)
    rules.check_password(password, name=guest.name)
    values = {"password_hash": hash_of(password), "must_change": False, "failures": 0, "locked_until": None}
    with ctx.transaction() as tx:
        if not people.take_invitation(tx.connection, fingerprint(key), now=tx.now):
            raise _no_link()
        people.set_account(tx.connection, guest.id, **values)
        people.end_sessions(tx.connection, guest.id)
        audit.add_line(tx.connection, at=tx.now, actor=guest.name, what="accept-invitation")
    return guest.name


def _no_link() -> NotFoundError:
    return NotFoundError("invitation", "邀请链接无效、已经用过或已过期，请联系运营人员重新邀请。")
