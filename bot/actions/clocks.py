"""The clocks of tickets: start and stop them, fire their timers, and move them when calendar or rules change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.actions.asking import _move_survey
from bot.actions.context import Context, Transaction
from bot.actions.referral_ends import _tell_of
from bot.actions.telling import _tell_staff
from bot.core.calendar import HolidayNotice, shipped_notices
from bot.core.deadlines import Allowance, Clock, Pause, Recipient, Step, explain_change, plan
from bot.core.times import china_text
from bot.core.wording import say
from bot.store import clocks as store
from bot.store import referrals, tickets
from bot.store.clocks import Calendars, TicketClock
from bot.store.tickets import Ticket, TicketEvent
from intents.categories import Category
from intents.quantities import Urgency

FEEDBACK = Step.ASSESS  # by its end staff have spoken to the enterprise: the ticket's respond_by (Annex B)
_EVENTS = {"remind": "reminded", "due": "overdue", "escalate": "escalated"}


@dataclass(frozen=True, slots=True)
class Given:
    """What a step's clock is computed from, besides the calendars and the rules."""

    step: Step
    start: datetime
    urgency: Urgency = Urgency.NORMAL
    category: Category | None = None
    station: str = ""
    agreed: Allowance | None = None  # in place of the rule's: agreed upon, or granted as an extension
    pauses: tuple[Pause, ...] = ()

    def clock(self, calendars: Calendars) -> Clock:
        """The clock on the calendar of its station, by the rules that stand beside it."""
        return plan(
            self.step,
            self.start,
            calendar=calendars.of(self.station),
            rules=calendars.rules,
            urgency=self.urgency,
            category=self.category,
            pauses=self.pauses,
            agreed=self.agreed,
        )


@dataclass(frozen=True, slots=True)
class Shift:
    """A running clock that another calendar or table of rules moves: its ticket's number, both due moments (UTC; the
    same where only somebody is told at another moment), and why."""

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
    """A running clock as it stands, its timers, and what a change makes of it."""

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


# --- what a change moves ---


def _foresee(session: Session, before: Calendars, after: Calendars) -> list[Shift]:
    """The running clocks that a change would move, by their due moment; writes nothing."""
    return _shifts(session, [one for one in _renewals(session, before, after) if one.is_moved])


def _move_clocks(tx: Transaction, before: Calendars) -> list[Shift]:
    """Bring every running clock to the calendars and rules that stand now; those that do not move write nothing to
    the ticket. Thousands move at once, while everybody else waits to write: nothing here is a statement per clock."""
    found = list(_renewals(tx.connection, before, store.calendars(tx.connection)))
    moved = [renewal for renewal in found if renewal.is_moved]
    store.set_remarks(
        tx.connection, [one for renewal in found if not renewal.is_moved for one in _remarks(renewal)]
    )
    if not moved:
        return []
    shifts = _shifts(tx.connection, moved)
    _replace_clocks(tx, moved)
    tx.poke_after_commit("tickets")
    return shifts


def _renewals(connection: Session | Connection, before: Calendars, after: Calendars) -> Iterator[_Renewal]:
    timers = store.running_timers(connection)
    for row in store.running_clocks(connection):
        given, why = _given(row), ""
        clock = given.clock(after)
        stand = {(timer.what, timer.recipient, timer.due_at) for timer in timers[row.id]}
        if stand != {moment.key for moment in _moments(clock)}:
            # The promise that was made counts, also where the rules have changed since.
            why = explain_change(replace(given.clock(before), due=row.due_at), clock)
        yield _Renewal(row, timers[row.id], given, clock, why)


def _remarks(renewal: _Renewal) -> Iterator[tuple[int, str]]:
    """The timers of a clock that does not move whose moment has become firmer or less firm."""
    remarks = {moment.key: moment.remark for moment in _moments(renewal.clock)}
    for timer in renewal.timers:
        remark = remarks[timer.what, timer.recipient, timer.due_at]
        if timer.remark != remark:
            yield timer.id, remark


def _shifts(connection: Session | Connection, moved: Sequence[_Renewal]) -> list[Shift]:
    running = sa.select(TicketClock.ticket_id).where(TicketClock.state == "running")
    query = sa.select(Ticket.id, Ticket.number).where(Ticket.id.in_(running))
    numbers = {row.id: row.number for row in connection.execute(query)} if moved else {}
    return [
        Shift(numbers[one.row.ticket_id], one.given.step, one.row.due_at, one.clock.due, one.why)
        for one in moved
    ]


def _replace_clocks(tx: Transaction, moved: Sequence[_Renewal]) -> None:
    """End the clocks and start their next round; what has been told of a moment that stays past is not told again."""
    rounds = store.last_rounds(tx.connection)
    store.end_clocks(tx.connection, [one.row.id for one in moved], state="replaced")
    store.add_clocks(tx.connection, [_next_round(tx, one, rounds) for one in moved])
    _set_respond_by(tx, {one.row.ticket_id: one.clock.due for one in moved if one.given.step is FEEDBACK})
    line = {"at": tx.now, "actor": "system", "what": "clock-moved"}
    tx.connection.execute(
        sa.insert(TicketEvent), [{**line, "ticket_id": one.row.ticket_id, "note": one.why} for one in moved]
    )
    for one in moved:
        if one.given.step is Step.SURVEY and one.row.due_at != one.clock.due:
            _move_survey(tx, one.row.ticket_id, one.clock.due)


def _set_respond_by(tx: Transaction, due: Mapping[int, datetime]) -> None:
    query = sa.update(Ticket).where(Ticket.id == sa.bindparam("ticket"))
    query = query.values(respond_by=sa.bindparam("until"))
    if due:
        tx.connection.execute(query, [{"ticket": one, "until": at} for one, at in due.items()])


def _next_round(
    tx: Transaction, renewal: _Renewal, rounds: Mapping[tuple[int, str], int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    row = renewal.row
    told = {(timer.what, timer.recipient): timer.fired_at for timer in renewal.timers if timer.fired_at}
    values = _columns(row.ticket_id, renewal.given, renewal.clock)
    values["round"] = rounds[row.ticket_id, row.step] + 1
    return values, _timers(tx, renewal.clock, told=told)


# --- clocks and timers ---


def fire_timers(ctx: Context, ids: Sequence[int]) -> int:
    """Fire those of these timers that nobody else has, and tell whom they name, in one transaction; gives how many.

    What the end of an offer leads to is `referrals.expire_referral`.
    """
    with ctx.transaction() as tx:
        return len(_fire(tx, ids))


def _fire(tx: Transaction, ids: Sequence[int]) -> list[sa.Row[Any]]:
    """Claim these timers, write and tell what each says; gives those that nobody else had."""
    fired = store.claim_timers(tx.connection, ids, now=tx.now)
    for timer in fired:
        _ring(tx, timer)
    if fired:
        tx.poke_after_commit("tickets")
    return fired


def _ring(tx: Transaction, timer: sa.Row[Any]) -> None:
    """One line in the history of the ticket; a reminder and an escalation are also told to the role they name."""
    what, step, until = _EVENTS[timer.what], Step(timer.step), china_text(timer.until)
    to = Recipient(timer.recipient) if timer.recipient else None
    offer = referrals.open_of(tx.connection, timer.ticket_id) if to is Recipient.PROVIDER else None
    if to is Recipient.PROVIDER and offer is None:
        to = Recipient.STAFF  # we serve it ourselves
    note = say(f"clock.{what}", role=say(f"role.{to}") if to else "", step=step.label, until=until)
    tickets.add_event(tx.connection, timer.ticket_id, at=tx.now, actor="system", what=what, note=note)
    if to is None:
        return
    number, key = tickets.number_of(tx.connection, timer.ticket_id), f"timer:{timer.id}"
    if offer is not None:
        _tell_of(tx, number, offer, "remind", "", key=key, step=step.label, until=until)
        return
    subject = say(
        "referral.subject", number=number, what=say(f"referral.clock_{timer.what}", step=step.label)
    )
    _tell_staff(tx, to, subject=subject, text=say("referral.staff_clock", number=number, note=note), key=key)


def _plan_clock(tx: Transaction, given: Given) -> Clock:
    """The clock of a step on the calendar in force; it holds until the transaction ends."""
    return given.clock(store.calendars(tx.connection, has_lock=True))


def _start_clock(tx: Transaction, ticket_id: int, given: Given, clock: Clock) -> None:
    """Write a planned clock and its timers; one of the same step that still runs is stopped."""
    store.stop_clocks(tx.connection, ticket_id, steps=(given.step,))
    store.add_clock(tx.connection, _timers(tx, clock, told={}), **_columns(ticket_id, given, clock))


def _stop_clocks(tx: Transaction, ticket_id: int, *steps: Step) -> int:
    """The steps are done, or (none named) the ticket is: their timers never fire. Gives how many clocks stopped."""
    return store.stop_clocks(tx.connection, ticket_id, steps=steps)


def _timers(
    tx: Transaction, clock: Clock, *, told: Mapping[tuple[str, str], datetime]
) -> list[dict[str, Any]]:
    """The columns of a clock's timers; one that is past and was told (`told`: when) has fired already."""

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

    return [timer(moment) for moment in _moments(clock)]


def _columns(ticket_id: int, given: Given, clock: Clock) -> dict[str, Any]:
    return {
        "ticket_id": ticket_id,
        "step": given.step.value,
        "started_at": clock.start,
        "due_at": clock.due,
        "urgency": given.urgency.value,
        "category": given.category.value if given.category else "",
        "days": clock.allowance.days,
        "hours": clock.allowance.hours,
        "pauses": [[pause.start.isoformat(), pause.end.isoformat()] for pause in clock.pauses],
        "station": given.station,
    }


def _given(row: sa.Row[Any]) -> Given:
    """What a stored clock was computed from: it keeps the time that was promised, whatever the rules say since."""
    pauses = (Pause(*(datetime.fromisoformat(end) for end in pause)) for pause in row.pauses)
    return Given(
        Step(row.step),
        row.started_at,
        Urgency(row.urgency),
        Category(row.category) if row.category else None,
        row.station,
        Allowance(row.days, row.hours),
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
