"""The working calendar as the operator keeps it, and the clocks and timers of tickets.

A clock is one step's deadline with all that it was computed from; its timers are the moments at which somebody is told.
Neither is ever rewritten: when a deadline moves, the clock is replaced by one of the next round.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.calendar import Closure, DayKind, HolidayNotice, SpecialDay, WorkCalendar
from bot.core.deadline_rules import DEFAULT_RULES, Rules
from bot.store.base import Base, insert_row
from bot.store.people import Contact
from bot.store.runtime import value_of

RULES = "clock-rules"  # the runtime setting that holds what differs from the default rules
_MANY = 500  # ids of one statement


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
    """The notices, closures and rules as they stand; `of` gives the calendar of one station."""

    notices: tuple[HolidayNotice, ...]
    closures: tuple[tuple[str, Closure], ...] = ()
    rules: Rules = DEFAULT_RULES
    _known: dict[str, WorkCalendar] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, station: str) -> WorkCalendar:
        """That station's calendar: closures of its own and of all stations."""
        if station not in self._known:
            closed = (closure for where, closure in self.closures if where in ("", station))
            self._known[station] = WorkCalendar(self.notices, closures=tuple(closed))
        return self._known[station]

    def with_notice(self, notice: HolidayNotice) -> "Calendars":
        """The same with this notice in place of its year's."""
        others = (one for one in self.notices if one.year != notice.year)
        return replace(self, notices=(*others, notice))

    def with_rules(self, rules: Rules) -> "Calendars":
        """The same with other rules."""
        return replace(self, rules=rules)

    def with_closure(self, station: str, closure: Closure) -> "Calendars":
        """The same with one closure more."""
        return replace(self, closures=(*self.closures, (station, closure)))

    def without_closure(self, station: str, closure: Closure) -> "Calendars":
        """The same without that closure."""
        kept = tuple(one for one in self.closures if one != (station, closure))
        return replace(self, closures=kept)


def in_order(notice: HolidayNotice) -> HolidayNotice:
    """The notice with its days by date, so that two that say the same are equal."""
    return replace(notice, days=tuple(sorted(notice.days, key=lambda special: special.day)))


def calendars(
    session: Session | Connection, *, has_lock: bool = False, will_change: bool = False
) -> Calendars:
    """What is in force, rules with it. `has_lock` holds it until the transaction ends: shared, or alone when it
    `will_change`."""
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
    found = tuple(notices)  # the lock is taken before anything else is read
    changes = value_of(session, RULES)
    return Calendars(
        found,
        tuple((station, closure) for _, station, closure in closures(session)),
        DEFAULT_RULES if changes is None else Rules.from_json(changes),
    )


def closures(session: Session | Connection) -> list[tuple[int, str, Closure]]:
    """Every closure with its id and its station (empty: all of them), in the order in which they begin."""
    row = ClosureRow.__table__.c
    query = sa.select(row.id, row.station, row.starts_at, row.ends_at, row.note).order_by(
        row.starts_at, row.id
    )
    return [
        (one.id, one.station, Closure(one.starts_at, one.ends_at, one.note)) for one in session.execute(query)
    ]


def stations(session: Session | Connection) -> list[str]:
    """The stations whose code has brought somebody, by name."""
    query = sa.select(Contact.station).where(Contact.station != "").distinct().order_by(Contact.station)
    return list(session.execute(query).scalars())


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


def drop_closure(connection: Connection, closure_id: int) -> None:
    """Take a closure back."""
    connection.execute(sa.delete(ClosureRow).where(ClosureRow.id == closure_id))


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


def add_clocks(connection: Connection, found: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]]) -> None:
    """Insert running clocks (values with their round) and the timers of each, with one statement for all."""
    connection.execute(sa.insert(TicketClock), [values for values, _ in found])
    row = TicketClock.__table__.c
    query = sa.select(row.id, row.ticket_id, row.step, row.round).where(row.state == "running")
    ids = {(ticket_id, step, number): one for one, ticket_id, step, number in connection.execute(query)}
    timers = [
        {"clock_id": ids[values["ticket_id"], values["step"], values["round"]], **timer}
        for values, some in found
        for timer in some
    ]
    connection.execute(sa.insert(Timer), timers)


def last_rounds(connection: Connection) -> dict[tuple[int, str], int]:
    """The last round of every step of the tickets that have a clock running."""
    row = TicketClock.__table__.c
    running = sa.select(row.ticket_id).where(row.state == "running")
    query = (
        sa.select(row.ticket_id, row.step, sa.func.max(row.round))
        .where(row.ticket_id.in_(running))
        .group_by(row.ticket_id, row.step)
    )
    return {(ticket_id, step): last for ticket_id, step, last in connection.execute(query)}


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
    end_clocks(connection, ids, state="stopped")
    return len(ids)


def end_clock(connection: Connection, clock_id: int, *, state: str) -> None:
    """The clock no longer runs (`state`: stopped, paused or replaced); what has not fired never will."""
    end_clocks(connection, [clock_id], state=state)


def end_clocks(connection: Connection, ids: Sequence[int], *, state: str) -> None:
    """These clocks no longer run; what has not fired never will."""
    for some in _chunks(ids):
        connection.execute(sa.update(TicketClock).where(TicketClock.id.in_(some)).values(state=state))
        # Said by what it is not: SQLite would else walk through every pending timer by the index of the state.
        is_pending = Timer.state.not_in(("fired", "cancelled"))
        connection.execute(
            sa.update(Timer).where(Timer.clock_id.in_(some), is_pending).values(state="cancelled")
        )


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + _MANY] for start in range(0, len(ids), _MANY))


def set_remarks(connection: Connection, remarks: Sequence[tuple[int, str]]) -> None:
    """What the moments of these timers rest on has become firmer or less firm; the moments are the same."""
    query = sa.update(Timer).where(Timer.id == sa.bindparam("timer_id"))
    query = query.values(remark=sa.bindparam("new_remark"))
    if remarks:
        connection.execute(query, [{"timer_id": one, "new_remark": remark} for one, remark in remarks])


def due_timers(session: Session, *, now: datetime, limit: int = 100) -> list[sa.Row[Any]]:
    """The timers whose moment has come, oldest first: id, what, recipient, step."""
    return list(
        session.execute(
            sa.select(Timer.id, Timer.what, Timer.recipient, TicketClock.step)
            .join(TicketClock, TicketClock.id == Timer.clock_id)
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
            Timer.id,
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
