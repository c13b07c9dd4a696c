"""Any move on a ticket, whoever makes it: state, line of history, clocks, who is told, and what follows from it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.actions.asking import _follow_survey, _forget_surveys
from bot.actions.attachments import _erase_files
from bot.actions.clocks import FEEDBACK, Given, _given, _plan_clock, _start_clock, _stop_clocks
from bot.actions.context import Transaction
from bot.actions.referral_ends import _follow_referral
from bot.actions.telling import _news_way, _send_news
from bot.core.deadlines import Allowance, Pause, Step
from bot.core.ticket_states import (
    FINAL,
    Course,
    Facts,
    Line,
    Move,
    Moved,
    Party,
    Refused,
    Tick,
    move,
)
from bot.core.wording import say
from bot.errors import NotFoundError, RefusedError
from bot.store import clocks, courses, tickets
from intents.categories import Category
from intents.quantities import Urgency

_MOST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Made:
    """A move that was made: the ticket's row before it, the course after it, what the enterprise was told."""

    row: sa.Row[Any]
    course: Course
    told: str


def _lock(tx: Transaction, number: str) -> tuple[sa.Row[Any], Course]:
    """The ticket, held; the order of the locks is that of a turn: conversation, calendar, ticket."""
    found = None
    if courses.lock_talk(tx.connection, number):
        clocks.calendars(tx.connection, has_lock=True)
        found = courses.lock_ticket(tx.connection, number)
    if found is None:
        raise NotFoundError("ticket", "没有这件申请，请核对编号。")
    return found


def _make(
    tx: Transaction,
    row: sa.Row[Any],
    course: Course,
    wanted: Move,
    facts: Facts,
    *,
    in_turn: bool = False,
    agreed: Allowance | None = None,
    columns: dict[str, Any] | None = None,
    more: str = "",
    **values: str,
) -> Made:
    """Make a move on a held ticket; RefusedError with the reason in words where it cannot be.

    `in_turn`: the enterprise makes it in the chat and hears the reply. `agreed`: the service period that ACCEPT, START
    or GRANT settle. `columns`: what else changes in the ticket's row; `more`: what the enterprise hears besides;
    `values`: columns of the line of history.
    """
    moved = move(course, wanted, facts)
    if isinstance(moved, Refused):
        raise moved.error()
    told = _with_hint(moved, course) + more
    way = None if in_turn or not told else _news_way(tx, row, told)
    told_way = way.label if way else "reply" if told else ""
    line_id = _write(
        tx, row, moved, agreed=agreed, columns=columns or {}, told=told, told_way=told_way, **values
    )
    if way is not None:
        _send_news(tx, row, way, told, key=f"ticket-line:{line_id}")
    _follow_referral(tx, row, course, moved)
    _follow_survey(tx, row, moved)
    if moved.course.state in FINAL and not in_turn:
        _forget_if_gone(tx, row)
    return Made(row, moved.course, told)


def _words(text: str) -> str:
    """What somebody typed, as it is kept."""
    if len(text) > _MOST_WORDS:
        raise RefusedError("ticket-words", f"内容请控制在 {_MOST_WORDS} 字以内。")
    return text.strip()


def _last(course: Course, what: Move) -> Line | None:
    """The newest line of that move."""
    return next((line for line in reversed(course.timeline) if line.what is what), None)


def _due(tx: Transaction, row: sa.Row[Any], step: Step) -> datetime | None:
    """When the running clock of a step ends; None where none runs."""
    clock = courses.last_clock(tx.connection, row.id, step.value)
    return clock.due_at if clock is not None else None


def _with_hint(moved: Moved, before: Course) -> str:
    is_question = moved.course.timeline[-1].what is Move.ASK_ENTERPRISE
    return moved.told + say("course.add_hint", number=before.number) if is_question else moved.told


def _forget_if_gone(tx: Transaction, row: sa.Row[Any]) -> None:
    """Kept only for the service: who left us in the meantime is forgotten when it ends."""
    if courses.recipient_of(tx.connection, row.conversation_id).erased_at is not None:
        tickets.erase_tickets(tx.connection, row.contact_id, at=tx.now, with_open=False)
        _forget_surveys(tx, row.contact_id)
        _erase_files(tx, row.contact_id)


# --- what a move writes ---


def _write(
    tx: Transaction,
    row: sa.Row[Any],
    moved: Moved,
    *,
    agreed: Allowance | None,
    columns: dict[str, Any],
    **values: str,
) -> int:
    """State, line of history and clocks; gives the line's id."""
    after, line = moved.course, moved.course.timeline[-1]
    courses.save_course(tx.connection, row.id, after, **{**_columns(row, after, line), **columns})
    line_id = tickets.add_event(
        tx.connection,
        row.id,
        at=line.at,
        actor=line.person or "system",
        what=line.what.value,
        note=line.note,
        party=line.by.value,
        state=line.state.value,
        leg=line.leg,
        provider=line.provider,
        **values,
    )
    for step, tick in moved.ticks:
        _tick(tx, row, after, step, tick, agreed=agreed)
    tx.poke_after_commit("tickets")
    return line_id


def _columns(row: sa.Row[Any], after: Course, line: Line) -> dict[str, Any]:
    """What else changes in the ticket's row: who waits, who urges, and the fields of Annex B that staff fill."""
    values: dict[str, Any] = {"waiting_since": (row.waiting_since or line.at) if after.is_waiting else None}
    is_ours = line.by in (Party.STAFF, Party.HEAD)
    if line.what is Move.URGE:
        values["urged_at"] = line.at
    elif is_ours:
        values["urged_at"] = None
    if is_ours and line.what is Move.KEEP:
        values["specialist"] = line.person
    if is_ours and line.what is Move.START and not line.provider:
        values["technician"] = line.person
    if line.what in (Move.FINISH, Move.HAND_ON) and line.note:
        values["solution"] = f"{row.solution}\n{line.note}".strip()
    return values


def _tick(
    tx: Transaction, row: sa.Row[Any], course: Course, step: Step, tick: Tick, *, agreed: Allowance | None
) -> None:
    match tick:
        case Tick.START:
            courses.drop_paused(tx.connection, row.id, step.value)
            settled = agreed if step is Step.SERVICE else None
            _begin(tx, row, replace(_new_given(tx, row, course, step), agreed=settled))
        case Tick.RESTART:
            _extend(tx, row, course, step, agreed)
        case Tick.STOP:
            _stop_clocks(tx, row.id, step)
            courses.drop_paused(tx.connection, row.id, step.value)
        case Tick.PAUSE:
            running = courses.last_clock(tx.connection, row.id, step.value)
            if running is not None:
                clocks.end_clock(tx.connection, running.id, state="paused")
        case Tick.RESUME:
            paused = courses.last_clock(tx.connection, row.id, step.value, state="paused")
            if paused is not None:
                courses.drop_paused(tx.connection, row.id, step.value)
                given = _given(paused)
                _begin(tx, row, replace(given, pauses=(*given.pauses, Pause(row.waiting_since, tx.now))))


def _new_given(tx: Transaction, row: sa.Row[Any], course: Course, step: Step) -> Given:
    part = course.legs[course.leg].category if course.leg is not None else row.category
    station = clocks.station_of(tx.connection, row.contact_id)
    return Given(step, tx.now, Urgency(row.urgency), Category(part), station)


def _extend(tx: Transaction, row: sa.Row[Any], course: Course, step: Step, agreed: Allowance | None) -> None:
    """The same clock with a longer allowance: an extension counts from where the service began."""
    running = courses.last_clock(tx.connection, row.id, step.value)
    if running is None or agreed is None:
        _begin(tx, row, _new_given(tx, row, course, step))
        return
    _begin(tx, row, replace(_given(running), agreed=agreed))


def _begin(tx: Transaction, row: sa.Row[Any], given: Given) -> None:
    clock = _plan_clock(tx, given)
    _start_clock(tx, row.id, given, clock)
    if given.step is FEEDBACK:
        tickets.set_respond_by(tx.connection, row.id, clock.due)
