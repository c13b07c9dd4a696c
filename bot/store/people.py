"""Who takes part: contacts on WeChat, and staff who log in."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.permissions import Role
from bot.store.base import Base


class Contact(Base):
    """A person who writes to us, known by the account and the openid there."""

    __tablename__ = "contact"
    __table_args__ = (sa.UniqueConstraint("account", "openid"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(sa.String(32))
    openid: Mapped[str] = mapped_column(sa.String(128))
    applicant: Mapped[str] = mapped_column(
        sa.String(120), default=""
    )  # 申请人, remembered from the last form
    person: Mapped[str] = mapped_column(sa.String(60), default="")  # 联系人
    phone: Mapped[str] = mapped_column(sa.String(40), default="")  # 联系电话
    station: Mapped[str] = mapped_column(
        sa.String(64), default="", index=True
    )  # scene of the QR code that brought them
    is_subscribed: Mapped[bool] = mapped_column(default=True)
    consented_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]


class Staff(Base):
    """Somebody who logs in."""

    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(60), unique=True)
    role: Mapped[str] = mapped_column(sa.String(32))
    password_hash: Mapped[str] = mapped_column(sa.String(255))
    must_change: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    email: Mapped[str] = mapped_column(sa.String(120), default="")  # where news of tickets go; may be empty
    closed_at: Mapped[datetime | None]  # logs in no more; the name stays taken, for histories name it
    totp_secret: Mapped[str] = mapped_column(sa.String(64), default="")  # second factor; empty: none
    totp_step: Mapped[int] = mapped_column(
        default=0
    )  # the last time step whose code was used: none is good twice
    skills: Mapped[list[str]] = mapped_column(
        sa.JSON, default=list
    )  # categories whose conversations they take
    is_away: Mapped[bool] = mapped_column(default=False)  # gets no conversations
    seen_at: Mapped[datetime | None]  # the console was open then


class LoginSession(Base):
    """One log-in of a staff member; deleting the row ends it."""

    __tablename__ = "login_session"

    key_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)  # SHA-256 of the cookie's value
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(sa.String(64))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    begun_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(sa.String(64), default="")  # of the browser
    agent: Mapped[str] = mapped_column(sa.String(200), default="")  # what the browser calls itself


class Invitation(Base):
    """A link by which somebody sets their first password; good once."""

    __tablename__ = "invitation"

    key_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)  # SHA-256 of the link's key
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), index=True)
    expires_at: Mapped[datetime]


def staff_named(session: Session | Connection, name: str, *, has_lock: bool = False) -> sa.Row[Any] | None:
    """The staff row of that name, as columns; with `has_lock` it stays as it is until the transaction ends."""
    return _account(session, Staff.name == name, has_lock=has_lock)


def staff_with_id(
    session: Session | Connection, staff_id: int, *, has_lock: bool = False
) -> sa.Row[Any] | None:
    """The same by its id."""
    return _account(session, Staff.id == staff_id, has_lock=has_lock)


def _account(
    session: Session | Connection, which: sa.ColumnElement[bool], *, has_lock: bool
) -> sa.Row[Any] | None:
    query = sa.select(
        Staff.id,
        Staff.name,
        Staff.role,
        Staff.password_hash,
        Staff.must_change,
        Staff.failures,
        Staff.locked_until,
        Staff.email,
        Staff.closed_at,
        Staff.totp_secret,
        Staff.totp_step,
    ).where(which)
    return session.execute(query.with_for_update() if has_lock else query).one_or_none()  # type: ignore[return-value]


def set_account(connection: Connection, staff_id: int, **values: object) -> None:
    """Change columns of an account."""
    connection.execute(sa.update(Staff).where(Staff.id == staff_id).values(**values))


def set_account_if(connection: Connection, staff_id: int, *, hashed: str, **values: object) -> bool:
    """The same if it is open and its password hash is still this one; False when it has changed."""
    changed = connection.execute(
        sa.update(Staff)
        .where(Staff.id == staff_id, Staff.password_hash == hashed, Staff.closed_at.is_(None))
        .values(**values)
    )
    return changed.rowcount == 1


def add_failure(connection: Connection, staff_id: int) -> int:
    """Count a wrong password or code; gives how many there are since the last right one."""
    set_account(connection, staff_id, failures=Staff.failures + 1)
    return int(connection.execute(sa.select(Staff.failures).where(Staff.id == staff_id)).scalar_one())


def all_staff(session: Session) -> list[Staff]:
    """Every account, the open ones first, by name."""
    return list(session.scalars(sa.select(Staff).order_by(Staff.closed_at.is_not(None), Staff.name)))


def staff_names(connection: Connection) -> list[str]:
    """The names that are taken, by closed accounts too."""
    return list(connection.scalars(sa.select(Staff.name)))


def has_open(session: Session | Connection, role: Role) -> bool:
    """Is there an open account of this role?"""
    query = sa.select(Staff.id).where(Staff.role == role.value, Staff.closed_at.is_(None))
    return session.execute(query.limit(1)).first() is not None


def lock_open(connection: Connection, role: Role) -> frozenset[str]:
    """The names of the open accounts of a role; they stay open until the transaction ends."""
    query = sa.select(Staff.name).where(Staff.role == role.value, Staff.closed_at.is_(None))
    # In one order, so that two who come at once wait for each other and do not lock each other out.
    return frozenset(connection.scalars(query.order_by(Staff.id).with_for_update()))


def staff_emails(session: Session | Connection, roles: Iterable[Role]) -> list[str]:
    """The e-mail addresses of the open accounts of these roles, each once, in the order of the accounts."""
    query = sa.select(Staff.email).where(
        Staff.role.in_([role.value for role in roles]), Staff.closed_at.is_(None), Staff.email != ""
    )
    return list(dict.fromkeys(row.email for row in session.execute(query.order_by(Staff.id))))


def add_session(connection: Connection, **values: object) -> None:
    """A log-in begins; those that have ended go."""
    connection.execute(sa.delete(LoginSession).where(LoginSession.expires_at < values["begun_at"]))
    connection.execute(sa.insert(LoginSession).values(**values))


def live_session(session: Session, key_hash: str, *, now: datetime) -> sa.Row[Any] | None:
    """A log-in that has not ended, of an account that is open: its moments, and what tells who it is."""
    query = (
        sa.select(
            LoginSession.csrf,
            LoginSession.begun_at,
            LoginSession.seen_at,
            Staff.id,
            Staff.name,
            Staff.role,
            Staff.must_change,
            (Staff.totp_secret != "").label("has_factor"),
        )
        .join(Staff, Staff.id == LoginSession.staff_id)
        .where(LoginSession.key_hash == key_hash, LoginSession.expires_at > now, Staff.closed_at.is_(None))
    )
    return session.execute(query).one_or_none()  # type: ignore[return-value]


def touch_session(
    connection: Connection, key_hash: str, *, at: datetime, before: datetime, **values: datetime
) -> None:
    """Write that a log-in is in use, unless somebody wrote so after `before`."""
    connection.execute(
        sa.update(LoginSession)
        .where(
            LoginSession.key_hash == key_hash,
            sa.or_(LoginSession.seen_at.is_(None), LoginSession.seen_at <= before),
        )
        .values(seen_at=at, **values)
    )


def sessions_of(session: Session, staff_id: int, *, now: datetime) -> list[LoginSession]:
    """The log-ins of somebody that have not ended, the last used first."""
    query = sa.select(LoginSession).where(LoginSession.staff_id == staff_id, LoginSession.expires_at > now)
    return list(
        session.scalars(query.order_by(LoginSession.seen_at.desc().nulls_last(), LoginSession.key_hash))
    )


def end_session(connection: Connection, key_hash: str, *, staff_id: int | None = None) -> bool:
    """Log out once, where it is that person's; False when there is no such session."""
    query = sa.delete(LoginSession).where(LoginSession.key_hash == key_hash)
    query = query if staff_id is None else query.where(LoginSession.staff_id == staff_id)
    return connection.execute(query).rowcount == 1


def end_sessions(connection: Connection, staff_id: int, *, keep: str = "") -> int:
    """Log somebody out everywhere, but for the session with the key hash `keep`; gives how many ended."""
    ended = connection.execute(
        sa.delete(LoginSession).where(LoginSession.staff_id == staff_id, LoginSession.key_hash != keep)
    )
    return ended.rowcount


def put_invitation(connection: Connection, staff_id: int, *, key_hash: str, expires_at: datetime) -> None:
    """Invite somebody; an earlier link of theirs works no longer."""
    drop_invitations(connection, staff_id)
    connection.execute(
        sa.insert(Invitation).values(key_hash=key_hash, staff_id=staff_id, expires_at=expires_at)
    )


def drop_invitations(connection: Connection, staff_id: int) -> None:
    """End the links by which somebody could have set their first password."""
    connection.execute(sa.delete(Invitation).where(Invitation.staff_id == staff_id))


def invited(session: Session | Connection, key_hash: str, *, now: datetime) -> sa.Row[Any] | None:
    """Whom a link invites (id, name, role), while it works and the account is open."""
    query = (
        sa.select(Staff.id, Staff.name, Staff.role)
        .join(Invitation, Invitation.staff_id == Staff.id)
        .where(Invitation.key_hash == key_hash, Invitation.expires_at > now, Staff.closed_at.is_(None))
    )
    return session.execute(query).one_or_none()  # type: ignore[return-value]


def take_invitation(connection: Connection, key_hash: str, *, now: datetime) -> bool:
    """Use a link up; False when it was used before, replaced, or is too old."""
    query = sa.delete(Invitation).where(Invitation.key_hash == key_hash, Invitation.expires_at > now)
    return connection.execute(query).rowcount == 1


def invitations(session: Session) -> dict[int, datetime]:
    """Until when the link of each invited account works or worked, by account."""
    rows = session.execute(sa.select(Invitation.staff_id, Invitation.expires_at))
    return {row.staff_id: row.expires_at for row in rows}


def without_factor(session: Session, roles: Iterable[Role]) -> list[str]:
    """The names of the open accounts of these roles that have no second factor."""
    query = sa.select(Staff.name).where(
        Staff.role.in_([role.value for role in roles]), Staff.closed_at.is_(None), Staff.totp_secret == ""
    )
    return list(session.scalars(query.order_by(Staff.name)))


def is_known(connection: Connection, account: str, openid: str) -> bool:
    """Have we met this contact (and not forgotten them)?"""
    return (
        connection.execute(
            sa.select(Contact.id).where(Contact.account == account, Contact.openid == openid)
        ).first()
        is not None
    )


def desk_openid(connection: Connection, account: str, *, applicant: str, phone: str) -> str:
    """Who is known there by that phone and applicant, else a new name; without a phone nobody is known.

    For people without WeChat: the name is random, so that nothing is ever sent by it.
    """
    query = sa.select(Contact.openid).where(
        Contact.account == account, Contact.phone == phone, Contact.applicant == applicant
    )
    known = connection.execute(query.order_by(Contact.id).limit(1)).scalar_one_or_none() if phone else None
    return known or f"{account}-{secrets.token_hex(16)}"


def save_profile(connection: Connection, contact_id: int, **values: str) -> None:
    """Remember applicant, person or phone."""
    connection.execute(sa.update(Contact).where(Contact.id == contact_id).values(**values))


def save_consent(connection: Connection, contact_id: int, *, at: datetime) -> None:
    """The contact has agreed that we keep what they enter; the first time counts."""
    connection.execute(
        sa.update(Contact)
        .where(Contact.id == contact_id, Contact.consented_at.is_(None))
        .values(consented_at=at)
    )


def save_station(connection: Connection, contact_id: int, scene: str) -> None:
    """Remember whose QR code brought the contact."""
    connection.execute(sa.update(Contact).where(Contact.id == contact_id).values(station=scene[:64]))


def erase_contact(connection: Connection, contact_id: int, *, alias: str, at: datetime) -> None:
    """Put an alias in place of the openid, and nothing in place of the rest."""
    connection.execute(
        sa.update(Contact)
        .where(Contact.id == contact_id)
        .values(
            openid=alias,
            applicant="",
            person="",
            phone="",
            station="",
            is_subscribed=False,
            consented_at=None,
            erased_at=at,
        )
    )
