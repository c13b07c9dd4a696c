"""Settings that are edited while the program runs: a name and a JSON value, who changed it and when."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base


class RuntimeSetting(Base):
    """One setting; what stood there before stands in the audit trail."""

    __tablename__ = "runtime_setting"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(sa.String(60))


def value_of(session: Session | Connection, name: str) -> dict[str, Any] | None:
    """The value of that name; None where nobody has set it."""
    return session.execute(
        sa.select(RuntimeSetting.value).where(RuntimeSetting.name == name)
    ).scalar_one_or_none()


def put_value(connection: Connection, name: str, value: dict[str, Any], *, by: str, now: datetime) -> None:
    """Write a value, new or in place of the one that stands there."""
    values = {"value": value, "updated_at": now, "updated_by": by}
    changed = connection.execute(
        sa.update(RuntimeSetting).where(RuntimeSetting.name == name).values(**values)
    )
    if not changed.rowcount:
        connection.execute(sa.insert(RuntimeSetting).values(name=name, **values))
