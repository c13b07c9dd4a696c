"""The clocks of tickets: start and stop them, fire their timers, and move them when the calendar changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from bot.actions.context import Context, Transaction
from bot.core.calendar import Closure, HolidayNotice, WorkCalendar, shipped_notices
from bot.core.deadlines import DEFAULT_RULES, Allowance, Clock, Pause, Step, explain_change, plan
from bot.core.times import china_text
from bot.core.wording import say
from bot.store import clocks as store
from bot.store import tickets
from bot.store.audit import add_line
from bot.store.clocks import Calendars
from intents.categories import Category
from intents.quantities import Urgency

RESPOND = Step.ASSESS  # by its end staff have spoken to the enterprise: the ticket's respond_by (Annex B)
_EVENTS = {"remind": "reminded", "due": "overdue", "escalate": "escalated"}


@dataclass(frozen=True, slots=True)
class Given:
    """What a step's clock is computed from, besides the calendar and the rules."""

    step: Step
    start: datetime
    urgency: Urgency = Urgency.NORMAL
    category: Category | None = None
    station: str = ""
    agreed: Allowance | None = None  # in place of the rule's: agreed upon, or granted as an extension
    pauses: tuple[Pause, ...] = ()

    def clock(self, calendar: WorkCalendar) -> Clock:
        """The clock on that calendar."""
        return plan(
            self.step,
            self.start,
            calendar=calendar,
            rules=DEFAULT_RULES,
            urgency=self.urgency,
            category=self.category,
            pauses=self.pauses,
            agreed=self.agreed,
        )


@dataclass(frozen=True, slots=True)
class Shift:
    """A running clock that another calendar moves: its ticket's number, both due moments (UTC), and why."""

    number: str
    step: Step
    before: datetime
    after: datetime
    why: str


@dataclass(frozen=True, slots=True)
class _Moment:
    """One timer to be: what happens at `at`, and the role to tell."""

    what: str
    recipient: str
    at: datetime
    remark: str

    @property
    def key(self) -> tuple[str, str, datetime]:
        return self.what, self.recipient, self.at


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A running clock as it stands, its timers, and what another calendar makes of it."""

    row: sa.Row[Any]
    timers: list[sa.Row[Any]]
    given: Given
    clock: Clock
    why: str  # empty where none of its timers comes at another moment

    @property
    def is_moved(self) -> bool:
        """Does any of its timers come at another moment?"""
        return bool(self.why)


# --- the calendar ---


def load_shipped(ctx: Context) -> int:
    """Bring in the shipped notices of years that have none; gives how many. What the operator entered stays."""
    with ctx.transaction() as tx:
        before = store.calendars(tx.connection, will_change=True)
        known = {notice.year for notice in before.notices}
        absent = [notice for notice in shipped_notices() if notice.year not in known]
        for notice in absent:
            store.put_notice(tx.connection, notice, now=tx.now)
        if absent:
            _move_clocks(tx, before)
    return len(absent)


def notices(ctx: Context) -> tuple[HolidayNotice, ...]:
    """The notices in force, by year."""
    with ctx.read() as session:
        return store.calendars(session).notices


def preview_notice(ctx: Context, notice: HolidayNotice) -> list[Shift]:
    """The running clocks that this notice would move; writes nothing."""
    with ctx.read() as session:
        before = store.calendars(session)
        return [
            _shift(session, renewal)
            for renewal in _renewals(session, before, before.with_notice(notice))
            if renewal.is_moved
        ]


def replace_notice(ctx: Context, notice: HolidayNotice, *, actor: str) -> list[Shift]:
    """Put a notice in place of its year's, move every running clock that rests on it, and write down why.

    One transaction; a notice that is in force already changes nothing.
    """
    with ctx.transaction() as tx:
        before = store.calendars(tx.connection, will_change=True)
        if store.in_order(notice) in before.notices:
            return []
        store.put_notice(tx.connection, notice, now=tx.now)
        add_line(
            tx.connection,
            at=tx.now,
            actor=actor,
            what="calendar",
            subject=str(notice.year),
            note=notice.title,
        )
        return _move_clocks(tx, before)


def close_station(ctx: Context, closure: Closure, *, actor: str, station: str = "") -> list[Shift]:
    """Write down a closure of a station (empty: of all) and move the clocks that rest on it.

    Raises SettingsError when the station would not open again within 400 days.
    """
    with ctx.transaction() as tx:
        before = store.calendars(tx.connection, will_change=True)
        store.add_closure(tx.connection, closure, station=station)
        store.calendars(tx.connection).of(station).add_working_days(closure.start, 1)
        span = f"{china_text(closure.start)} - {china_text(closure.end)} {closure.reason}".strip()
        add_line(tx.connection, at=tx.now, actor=actor, what="closure", subject=station, note=span)
        return _move_clocks(tx, before)


def _move_clocks(tx: Transaction, before: Calendars) -> list[Shift]:
    """Bring every running clock to the calendar that stands now; those that do not move write nothing to the ticket."""
    shifts = []
    for renewal in _renewals(tx.connection, before, store.calendars(tx.connection)):
        if renewal.is_moved:
            shifts.append(_shift(tx.connection, renewal))
            _replace_clock(tx, renewal)
        else:
            remarks = {moment.key: moment.remark for moment in _moments(renewal.clock)}
            for timer in renewal.timers:
                remark = remarks[timer.what, timer.recipient, timer.due_at]
                if timer.remark != remark:
                    store.set_remark(tx.connection, timer.id, remark)
    if shifts:
        tx.poke_after_commit("tickets")
    return shifts


def _renewals(connection: Any, before: Calendars, after: Calendars) -> Iterator[_Renewal]:
    old, new = cache(before.of), cache(after.of)
    timers = store.running_timers(connection)
    for row in store.running_clocks(connection):
        given, why = _given(row), ""
        clock = given.clock(new(row.station))
        stand = {(timer.what, timer.recipient, timer.due_at) for timer in timers[row.id]}
        if stand != {moment.key for moment in _moments(clock)}:
            # The promise that was made counts, also where the rules have changed since.
            why = explain_change(replace(given.clock(old(row.station)), due=row.due_at), clock)
        yield _Renewal(row, timers[row.id], given, clock, why)


def _shift(connection: Any, renewal: _Renewal) -> Shift:
    number = tickets.number_of(connection, renewal.row.ticket_id)
    return Shift(number, renewal.given.step, renewal.row.due_at, renewal.clock.due, renewal.why)


def _replace_clock(tx: Transaction, renewal: _Renewal) -> None:
    """End the clock and start its next round; what has been told of a moment that stays past is not told again."""
    row = renewal.row
    told = {(timer.what, timer.recipient): timer.fired_at for timer in renewal.timers if timer.fired_at}
    store.end_clock(tx.connection, row.id, state="replaced")
    _write(tx, row.ticket_id, renewal.given, renewal.clock, told=told)
    if renewal.given.step is RESPOND:
        tickets.set_respond_by(tx.connection, row.ticket_id, renewal.clock.due)
    tickets.add_event(
        tx.connection, row.ticket_id, at=tx.now, actor="system", what="clock-moved", note=renewal.why
    )


# --- clocks and timers ---


def fire_timers(ctx: Context, ids: Sequence[int]) -> int:
    """Fire those of these timers that nobody else has: claim and history in one transaction; gives how many."""
    with ctx.transaction() as tx:
        fired = store.claim_timers(tx.connection, ids, now=tx.now)
        for timer in fired:
            what = _EVENTS[timer.what]
            role = say(f"role.{timer.recipient}") if timer.recipient else ""
            note = say(f"clock.{what}", role=role, step=Step(timer.step).label, until=china_text(timer.until))
            tickets.add_event(tx.connection, timer.ticket_id, at=tx.now, actor="system", what=what, note=note)
        if fired:
            tx.poke_after_commit("tickets")
    return len(fired)


def _plan_clock(tx: Transaction, given: Given) -> Clock:
    """The clock of a step on the calendar in force; it holds until the transaction ends."""
    return given.clock(store.calendars(tx.connection, has_lock=True).of(given.station))


def _start_clock(tx: Transaction, ticket_id: int, given: Given, clock: Clock) -> None:
    """Write a planned clock and its timers; one of the same step that still runs is stopped."""
    store.stop_clocks(tx.connection, ticket_id, steps=(given.step,))
    _write(tx, ticket_id, given, clock, told={})


def _stop_clocks(tx: Transaction, ticket_id: int, *steps: Step) -> int:
    """The steps are done, or (none named) the ticket is: their timers never fire. Gives how many clocks stopped."""
    return store.stop_clocks(tx.connection, ticket_id, steps=steps)


def _write(
    tx: Transaction,
    ticket_id: int,
    given: Given,
    clock: Clock,
    *,
    told: dict[tuple[str, str], datetime],
) -> None:
    def timer(moment: _Moment) -> dict[str, Any]:
        fired_at = told.get((moment.what, moment.recipient)) if moment.at <= tx.now else None
        return {
            "what": moment.what,
            "recipient": moment.recipient,
            "due_at": moment.at,
            "state": "fired" if fired_at else "pending",
            "fired_at": fired_at,
            "remark": moment.remark,
        }

    store.add_clock(
        tx.connection,
        [timer(moment) for moment in _moments(clock)],
        ticket_id=ticket_id,
        step=given.step.value,
        started_at=clock.start,
        due_at=clock.due,
        urgency=given.urgency.value,
        category=given.category.value if given.category else "",
        days=clock.allowance.days,
        hours=clock.allowance.hours,
        pauses=[[pause.start.isoformat(), pause.end.isoformat()] for pause in clock.pauses],
        station=given.station,
    )


def _given(row: sa.Row[Any]) -> Given:
    """What a stored clock was computed from; the survey's days are the rule's (S 9.2.1)."""
    step = Step(row.step)
    pauses = (Pause(*(datetime.fromisoformat(end) for end in pause)) for pause in row.pauses)
    return Given(
        step,
        row.started_at,
        Urgency(row.urgency),
        Category(row.category) if row.category else None,
        row.station,
        None if step is Step.SURVEY else Allowance(row.days, row.hours),
        tuple(pauses),
    )


def _moments(clock: Clock) -> list[_Moment]:
    """A clock's timers in the order in which they fire; two alarms of one role at one moment are one."""
    alarms = [("remind", alarm) for alarm in clock.remind_at]
    told = [("escalate", alarm) for alarm in clock.escalate_at]
    found = [
        *(_Moment(what, alarm.to.value, alarm.at, alarm.rests_on.remark) for what, alarm in alarms),
        _Moment("due", "", clock.due, clock.rests_on.remark),
        *(_Moment(what, alarm.to.value, alarm.at, alarm.rests_on.remark) for what, alarm in told),
    ]
    return list({moment.key: moment for moment in found}.values())
