"""The working calendar as the operator keeps it, and the clocks and timers of tickets.

A clock is one step's deadline with all that it was computed from; its timers are the moments at which somebody is told.
Neither is ever rewritten: when a deadline moves, the clock is replaced by one of the next round.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.calendar import Closure, DayKind, HolidayNotice, SpecialDay, WorkCalendar
from bot.store.base import Base, insert_row
from bot.store.people import Contact


class NoticeRow(Base):
    """One year's notice of days off and make-up days."""

    __tablename__ = "calendar_notice"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str] = mapped_column(sa.String(120), default="")
    published: Mapped[date | None] = mapped_column(sa.Date)
    url: Mapped[str] = mapped_column(sa.String(300), default="")
    days: Mapped[list[list[str]]] = mapped_column(sa.JSON)  # date, off or work, name of the holiday
    updated_at: Mapped[datetime]


class ClosureRow(Base):
    """A time at which a station is closed; without a station: all of them."""

    __tablename__ = "calendar_closure"

    id: Mapped[int] = mapped_column(primary_key=True)
    station: Mapped[str] = mapped_column(sa.String(64), default="", index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(sa.String(200), default="")


class TicketClock(Base):
    """One step's deadline of a ticket, and what it was computed from."""

    __tablename__ = "ticket_clock"
    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "step", "round"),
        sa.Index("ix_ticket_clock_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id"))
    step: Mapped[str] = mapped_column(sa.String(16))
    round: Mapped[int]  # counts up when the step begins anew or its deadline moves
    state: Mapped[str] = mapped_column(sa.String(16), default="running")  # running, stopped, replaced
    started_at: Mapped[datetime]
    due_at: Mapped[datetime]
    urgency: Mapped[str] = mapped_column(sa.String(16))
    category: Mapped[str] = mapped_column(sa.String(32))
    days: Mapped[int]  # what the step may take: working days,
    hours: Mapped[float] = mapped_column(sa.Float)  # or working hours
    pauses: Mapped[list[list[str]]] = mapped_column(sa.JSON)  # start and end, ISO
    station: Mapped[str] = mapped_column(sa.String(64), default="")


class Timer(Base):
    """At `due_at` somebody is told, once."""

    __tablename__ = "timer"
    __table_args__ = (
        sa.UniqueConstraint("clock_id", "what", "recipient", "due_at"),
        sa.Index("ix_timer_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    clock_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket_clock.id"))
    what: Mapped[str] = mapped_column(sa.String(16))  # remind, due, escalate
    recipient: Mapped[str] = mapped_column(sa.String(16), default="")  # the role to tell
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(16), default="pending")  # pending, fired, cancelled
    fired_at: Mapped[datetime | None]
    remark: Mapped[str] = mapped_column(sa.Text, default="")  # empty unless a year's notice was missing


@dataclass(frozen=True, slots=True)
class Calendars:
    """The notices and closures as they stand; `of` gives the calendar of one station."""

    notices: tuple[HolidayNotice, ...]
    closures: tuple[tuple[str, Closure], ...] = ()

    def of(self, station: str) -> WorkCalendar:
        """That station's calendar: closures of its own and of all stations."""
        closed = (closure for where, closure in self.closures if where in ("", station))
        return WorkCalendar(self.notices, closures=tuple(closed))

    def with_notice(self, notice: HolidayNotice) -> "Calendars":
        """The same with this notice in place of its year's."""
        others = (one for one in self.notices if one.year != notice.year)
        return replace(self, notices=(*others, notice))


def in_order(notice: HolidayNotice) -> HolidayNotice:
    """The notice with its days by date, so that two that say the same are equal."""
    return replace(notice, days=tuple(sorted(notice.days, key=lambda special: special.day)))


def calendars(
    session: Session | Connection, *, has_lock: bool = False, will_change: bool = False
) -> Calendars:
    """What is in force. `has_lock` holds it until the transaction ends: shared, or alone when it `will_change`."""
    query = sa.select(
        NoticeRow.year, NoticeRow.number, NoticeRow.published, NoticeRow.url, NoticeRow.days
    ).order_by(NoticeRow.year)
    if has_lock or will_change:
        query = query.with_for_update(read=not will_change)
    notices = (
        HolidayNotice(
            row.year,
            tuple(SpecialDay(date.fromisoformat(day), DayKind(kind), name) for day, kind, name in row.days),
            row.number,
            row.published,
            row.url,
        )
        for row in session.execute(query)
    )
    closed = sa.select(
        ClosureRow.station, ClosureRow.starts_at, ClosureRow.ends_at, ClosureRow.note
    ).order_by(ClosureRow.starts_at, ClosureRow.id)
    return Calendars(
        tuple(notices),
        tuple(
            (row.station, Closure(row.starts_at, row.ends_at, row.note)) for row in session.execute(closed)
        ),
    )


def put_notice(connection: Connection, notice: HolidayNotice, *, now: datetime) -> None:
    """Write a year's notice, new or in place of what stood there."""
    values = {
        "number": notice.number,
        "published": notice.published,
        "url": notice.url,
        "days": [[one.day.isoformat(), one.kind.value, one.name] for one in in_order(notice).days],
        "updated_at": now,
    }
    # Updated in place: whoever waits for the row's lock finds it changed, not gone.
    changed = connection.execute(sa.update(NoticeRow).where(NoticeRow.year == notice.year).values(**values))
    if not changed.rowcount:
        connection.execute(sa.insert(NoticeRow).values(year=notice.year, **values))


def add_closure(connection: Connection, closure: Closure, *, station: str) -> None:
    """Write a closure of one station, or of all of them (empty)."""
    connection.execute(
        sa.insert(ClosureRow).values(
            station=station, starts_at=closure.start, ends_at=closure.end, note=closure.reason
        )
    )


def station_of(connection: Connection, contact_id: int) -> str:
    """The station whose code brought the contact; empty where none did."""
    found = connection.execute(
        sa.select(Contact.station).where(Contact.id == contact_id)
    ).scalar_one_or_none()
    return found or ""


def add_clock(connection: Connection, timers: Iterable[dict[str, Any]], **values: Any) -> int:
    """Insert a running clock of the next round of its step, with its timers; gives the clock's id."""
    last = connection.execute(
        sa.select(sa.func.max(TicketClock.round)).where(
            TicketClock.ticket_id == values["ticket_id"], TicketClock.step == values["step"]
        )
    ).scalar_one()
    clock_id = insert_row(connection, TicketClock, round=(last or 0) + 1, **values)
    connection.execute(sa.insert(Timer), [{"clock_id": clock_id, **timer} for timer in timers])
    return clock_id


def running_clocks(session: Session | Connection) -> list[sa.Row[Any]]:
    """Every clock that runs, by due moment, as columns."""
    columns = TicketClock.__table__.c
    query = sa.select(*columns).where(columns.state == "running").order_by(columns.due_at, columns.id)
    return list(session.execute(query))


def overdue_tickets() -> sa.Select[int]:
    """The ids of tickets with a running clock whose due moment has fired."""
    return (
        sa.select(TicketClock.ticket_id)
        .join(Timer, Timer.clock_id == TicketClock.id)
        .where(TicketClock.state == "running", Timer.what == "due", Timer.state == "fired")
    )


def running_timers(session: Session | Connection) -> dict[int, list[sa.Row[Any]]]:
    """The timers of every clock that runs, by the clock's id, in the order in which they fire."""
    columns = Timer.__table__.c
    query = (
        sa.select(*columns)
        .join(TicketClock.__table__, TicketClock.id == columns.clock_id)
        .where(TicketClock.state == "running")
        .order_by(columns.due_at, columns.id)
    )
    found: dict[int, list[sa.Row[Any]]] = {}
    for row in session.execute(query):
        found.setdefault(row.clock_id, []).append(row)
    return found


def stop_clocks(connection: Connection, ticket_id: int, *, steps: Sequence[str] = ()) -> int:
    """Stop the ticket's running clocks, of these steps if named, and cancel their timers; gives how many clocks."""
    running = sa.select(TicketClock.id).where(
        TicketClock.ticket_id == ticket_id, TicketClock.state == "running"
    )
    if steps:
        running = running.where(TicketClock.step.in_(steps))
    ids = list(connection.execute(running).scalars())
    for clock_id in ids:
        end_clock(connection, clock_id, state="stopped")
    return len(ids)


def end_clock(connection: Connection, clock_id: int, *, state: str) -> None:
    """The clock no longer runs (`state`: stopped or replaced); what has not fired never will."""
    connection.execute(sa.update(TicketClock).where(TicketClock.id == clock_id).values(state=state))
    connection.execute(
        sa.update(Timer).where(Timer.clock_id == clock_id, Timer.state == "pending").values(state="cancelled")
    )


def set_remark(connection: Connection, timer_id: int, remark: str) -> None:
    """What the timer's moment rests on has become firmer or less firm; the moment is the same."""
    connection.execute(sa.update(Timer).where(Timer.id == timer_id).values(remark=remark))


def due_timers(session: Session, *, now: datetime, limit: int = 100) -> list[int]:
    """The ids of the timers whose moment has come, oldest first."""
    return list(
        session.scalars(
            sa.select(Timer.id)
            .where(Timer.state == "pending", Timer.due_at <= now)
            .order_by(Timer.due_at, Timer.id)
            .limit(limit)
        )
    )


def claim_timers(connection: Connection, ids: Sequence[int], *, now: datetime) -> list[sa.Row[Any]]:
    """Fire these timers, those that nobody else has fired or cancelled; gives them with their clocks, oldest first."""
    claimed = connection.execute(
        sa.update(Timer)
        .where(Timer.id.in_(ids), Timer.state == "pending")
        .values(state="fired", fired_at=now)
        .returning(Timer.id)
    ).scalars()
    query = (
        sa.select(
            Timer.what,
            Timer.recipient,
            TicketClock.ticket_id,
            TicketClock.step,
            TicketClock.due_at.label("until"),
        )
        .join(TicketClock, TicketClock.id == Timer.clock_id)
        .where(Timer.id.in_(list(claimed)))
        .order_by(Timer.due_at, Timer.id)
    )
    return list(connection.execute(query))
