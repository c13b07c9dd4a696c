"""Who takes part: contacts on WeChat, and staff who log in."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

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
    station: Mapped[str] = mapped_column(sa.String(64), default="")  # scene of the QR code that brought them
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


class LoginSession(Base):
    """One log-in of a staff member; deleting the row ends it."""

    __tablename__ = "login_session"

    key_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)  # SHA-256 of the cookie's value
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(sa.String(64))
    expires_at: Mapped[datetime] = mapped_column(index=True)


def staff_named(
    session: Session | Connection, name: str
) -> sa.Row[tuple[int, str, str, str, bool, int, datetime]] | None:
    """The staff row of that name, as columns."""
    return session.execute(  # type: ignore[return-value]
        sa.select(
            Staff.id,
            Staff.name,
            Staff.role,
            Staff.password_hash,
            Staff.must_change,
            Staff.failures,
            Staff.locked_until,
        ).where(Staff.name == name)
    ).one_or_none()


def count_staff(session: Session | Connection) -> int:
    """How many staff accounts there are."""
    return session.execute(sa.select(sa.func.count()).select_from(Staff)).scalar_one()


def is_known(connection: Connection, account: str, openid: str) -> bool:
    """Have we met this contact (and not forgotten them)?"""
    return (
        connection.execute(
            sa.select(Contact.id).where(Contact.account == account, Contact.openid == openid)
        ).first()
        is not None
    )


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
