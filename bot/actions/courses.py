"""The steps of a ticket: state, history, clocks and what the enterprise hears, in one transaction each."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.actions.clocks import RESPOND, Given, _given, _plan_clock, _start_clock, _stop_clocks
from bot.actions.context import Context, Transaction
from bot.core.deadlines import Pause, Step, explain_change
from bot.core.permissions import Actor, Right
from bot.core.reach import abilities
from bot.core.ticket_states import (
    FINAL,
    Course,
    Due,
    Facts,
    Line,
    Move,
    Moved,
    Party,
    Refused,
    Tick,
    TicketKind,
    TicketState,
    move,
)
from bot.core.tickets import Field, fields_of, version
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import clocks, courses, delivery, tickets
from bot.store.conversations import Talk
from intents.categories import Category
from intents.quantities import Urgency

_STEPS = {
    Due.ASSESS: Step.ASSESS,
    Due.ACCEPT: Step.ACCEPT,
    Due.FIRST_CONTACT: Step.FIRST_CONTACT,
    Due.SERVICE: Step.SERVICE,
    Due.SURVEY: Step.SURVEY,
}
# Starting values until an operator sets others; nothing prescribes them.
_OBJECT_DAYS = 10  # working days in which a complainant may object before the complaint is closed
_REOPEN_DAYS = timedelta(days=30)
_LONGEST_BREAK = timedelta(days=31)  # after that there was a working day in between
_MOST_WORDS = 2000


def take_step(
    ctx: Context,
    number: str,
    wanted: Move,
    *,
    actor: Actor,
    seen: str,
    reason: str = "",
    plan: Sequence[str] = (),
    provider: str = "",
    is_accepted: bool = False,
) -> str:
    """A member of staff makes a move; gives what the enterprise is told (empty: nothing).

    `seen` is the course's `version` that the person looked at; `plan` are the categories of an assessment in sequence.
    Raises NotFoundError, ForbiddenError, ConflictError (somebody was quicker) or RefusedError with the reason in words.
    """
    if any(key not in set(Category) for key in plan):
        raise RefusedError("ticket-plan", "请从十一类服务类别中选择。")
    with ctx.transaction() as tx:
        row, course = _locked(tx, number, actor, seen)
        facts = Facts(
            Party.STAFF,
            actor.name,
            tx.now,
            reason=_words(reason),
            provider=provider,
            plan=tuple(plan),
            due=_due(tx, row, Step.SERVICE),
            reopen_until=_reopen_until(course),
            is_bad=wanted is Move.REOPEN
            and bool(reason.strip()),  # staff write down what the enterprise says
            is_accepted=is_accepted,
            is_time_over=wanted is Move.CLOSE and _is_time_over(tx, row, course),
        )
        moved = _moved(course, wanted, facts)
        told = _with_hint(moved, course)
        recipient = courses.recipient_of(tx.connection, row.conversation_id)
        way = _way(ctx, tx, recipient) if told else ""
        line_id = _write(tx, row, moved, told=told, way=way)
        if way == "queued":
            _queue(tx, row, recipient, told, key=f"ticket-line:{line_id}")
        if moved.course.state in FINAL and recipient.erased_at is not None:
            # Kept only for the service: who left us in the meantime is forgotten now.
            tickets.erase_tickets(tx.connection, row.contact_id, at=tx.now, with_open=False)
    return told


def correct_ticket(
    ctx: Context, number: str, field: Field, *, value: str, reason: str, actor: Actor, seen: str
) -> None:
    """Staff correct a field: a new line with before and after; the enterprise's own words are never changed.

    Another category or urgency moves the running clocks of a need. Raises as `take_step` does.
    """
    with ctx.transaction() as tx:
        row, course = _locked(tx, number, actor, seen)
        moved = _moved(course, Move.CORRECT, Facts(Party.STAFF, actor.name, tx.now, reason=_words(reason)))
        before, after = _before(tx, row, field), _checked(course.kind, field, value)
        if before == after:
            raise RefusedError("correction-same", "更正前后相同，没有改动。")
        _write(tx, row, moved, field=field.value, before=before, after=after)
        match field:
            case Field.CATEGORY | Field.URGENCY:
                courses.set_values(tx.connection, row.id, **{field.value: after})
                _replan(tx, row, field, after)
            case Field.CONCERNED:
                courses.set_values(tx.connection, row.id, concerned=after.split("、") if after else [])
            case Field.CONTENT:
                pass  # stands in the line alone


def _move_own(tx: Transaction, talk: Talk, *, number: str, wanted: Move, note: str = "") -> str:
    """A contact makes a move on their own ticket, inside their turn; gives what they are told, or why not."""
    clocks.calendars(tx.connection, has_lock=True)
    found = courses.lock_ticket(tx.connection, number, contact_id=talk.contact_id)
    if found is None:
        return say("progress.unknown", number=number)
    row, course = found
    try:
        moved = _moved(course, wanted, Facts(Party.ENTERPRISE, "contact", tx.now, reason=_words(note)))
    except RefusedError as refusal:
        return refusal.message
    if wanted is Move.URGE and not _may_urge(tx, row, course):
        return say("course.urged")
    _write(tx, row, moved, told=moved.told, way="reply")
    return moved.told


# --- what a move needs to know ---


def _locked(tx: Transaction, number: str, actor: Actor, seen: str) -> tuple[sa.Row[Any], Course]:
    """The ticket, held; the order of the locks is that of a turn: conversation, calendar, ticket."""
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有办理申请的权限。")
    found = None
    if courses.lock_talk(tx.connection, number):
        clocks.calendars(tx.connection, has_lock=True)
        found = courses.lock_ticket(tx.connection, number)
    if found is None:
        raise NotFoundError("ticket", "没有这件申请，请核对编号。")
    if version(found[1]) != seen:
        raise ConflictError("ticket-seen", say("course.changed"))
    return found


def _moved(course: Course, wanted: Move, facts: Facts) -> Moved:
    done = move(course, wanted, facts)
    if isinstance(done, Refused):
        raise done.error()
    return done


def _words(text: str) -> str:
    if len(text) > _MOST_WORDS:
        raise RefusedError("ticket-words", f"内容请控制在 {_MOST_WORDS} 字以内。")
    return text.strip()


def _due(tx: Transaction, row: sa.Row[Any], step: Step) -> datetime | None:
    clock = courses.last_clock(tx.connection, row.id, step.value)
    return clock.due_at if clock is not None else None


def _last(course: Course, what: Move) -> Line | None:
    return next((line for line in reversed(course.timeline) if line.what is what), None)


def _reopen_until(course: Course) -> datetime | None:
    """Until when what was finished or closed last may be taken up again."""
    ends = (Move.FINISH, Move.RATE, Move.CLOSE, Move.DISMISS)
    moments = [line.at for what in ends if (line := _last(course, what)) is not None]
    return max(moments) + _REOPEN_DAYS if moments else None


def _is_time_over(tx: Transaction, row: sa.Row[Any], course: Course) -> bool:
    """Is the time to rate a service, or to object to a response, over?"""
    if course.state is TicketState.FINISHED:
        due = _due(tx, row, Step.SURVEY)
        return due is not None and due <= tx.now
    responded = _last(course, Move.RESPOND)
    if course.state is not TicketState.RESPONDED or responded is None:
        return False
    calendar = clocks.calendars(tx.connection).of(clocks.station_of(tx.connection, row.contact_id))
    return calendar.add_working_days(responded.at, _OBJECT_DAYS).at <= tx.now


def _may_urge(tx: Transaction, row: sa.Row[Any], course: Course) -> bool:
    """Once a working day: has one begun since the last time?"""
    urged = _last(course, Move.URGE)
    if urged is None or tx.now - urged.at > _LONGEST_BREAK:
        return True
    calendar = clocks.calendars(tx.connection).of(clocks.station_of(tx.connection, row.contact_id))
    first, today = china_date(urged.at), china_date(tx.now)
    days = (first + timedelta(days=number) for number in range(1, (today - first).days + 1))
    return any(calendar.is_working_day(day) for day in days)


# --- what a move writes ---


def _write(
    tx: Transaction, row: sa.Row[Any], moved: Moved, *, told: str = "", way: str = "", **values: str
) -> int:
    """State, line of history and clocks; gives the line's id."""
    after, line = moved.course, moved.course.timeline[-1]
    courses.save_course(tx.connection, row.id, after, **_columns(row, after, line))
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
        told=told,
        told_way=way if told else "",
        **values,
    )
    if after.kind is TicketKind.NEED:
        for due, tick in moved.ticks:
            if due in _STEPS:
                _tick(tx, row, after, _STEPS[due], tick)
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


def _tick(tx: Transaction, row: sa.Row[Any], course: Course, step: Step, tick: Tick) -> None:
    match tick:
        case Tick.START | Tick.RESTART:
            courses.drop_paused(tx.connection, row.id, step.value)
            part = course.legs[course.leg].category if course.leg is not None else row.category
            station = clocks.station_of(tx.connection, row.contact_id)
            _begin(tx, row, Given(step, tx.now, Urgency(row.urgency), Category(part), station))
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


def _begin(tx: Transaction, row: sa.Row[Any], given: Given) -> None:
    clock = _plan_clock(tx, given)
    _start_clock(tx, row.id, given, clock)
    if given.step is RESPOND:
        tickets.set_respond_by(tx.connection, row.id, clock.due)


# --- corrections ---


def _before(tx: Transaction, row: sa.Row[Any], field: Field) -> str:
    match field:
        case Field.CATEGORY | Field.URGENCY:
            return str(getattr(row, field.value))
        case Field.CONCERNED:
            return "、".join(row.concerned)
        case Field.CONTENT:
            return courses.corrected_content(tx.connection, row.id) or str(row.content)


def _checked(kind: TicketKind, field: Field, value: str) -> str:
    """The value as it is stored; RefusedError where it cannot be."""
    words = _words(value)
    if field not in fields_of(kind):
        raise RefusedError("correction-field", "这类申请没有这一项。")
    if field is Field.CATEGORY and words not in set(Category):
        raise RefusedError("correction-category", "请从十一类服务类别中选择。")
    if field is Field.URGENCY and words not in set(Urgency):
        raise RefusedError("correction-urgency", "请选择一般、加急或绿色通道。")
    if field is Field.CONTENT and not words:
        raise RefusedError("correction-content", "请写明更正后的内容说明。")
    if field is Field.CONCERNED:
        return "、".join(
            dict.fromkeys(words.replace("，", "、").replace(",", "、").replace(" ", "").split("、"))
        )
    return words


def _replan(tx: Transaction, row: sa.Row[Any], field: Field, value: str) -> None:
    """Bring the running clocks of a need to its new urgency or category; a due moment that moves is a line."""
    for step in Step:
        running = courses.last_clock(tx.connection, row.id, step.value)
        if running is None or row.kind != TicketKind.NEED:
            continue
        old = _given(running)
        new = replace(old, agreed=None)
        if field is Field.URGENCY:
            new = replace(new, urgency=Urgency(value))
        elif step is RESPOND or not row.legs:
            new = replace(new, category=Category(value))
        before, after = _plan_clock(tx, old), _plan_clock(tx, new)
        if before.due == after.due:
            continue
        _begin(tx, row, new)
        why = explain_change(before, after)
        tickets.add_event(tx.connection, row.id, at=tx.now, actor="system", what="clock-moved", note=why)


# --- telling the enterprise ---


def _with_hint(moved: Moved, before: Course) -> str:
    is_question = moved.course.timeline[-1].what is Move.ASK_ENTERPRISE
    return moved.told + say("course.add_hint", number=before.number) if is_question else moved.told


def _way(ctx: Context, tx: Transaction, recipient: sa.Row[Any]) -> str:
    """How the enterprise can be told now: by a customer message (queued), or not at all (unreachable)."""
    settings = ctx.settings.account(recipient.account)
    able = abilities(recipient.account, settings.kind if settings else "", links=False)
    until = recipient.allowance_until
    is_open = until is not None and until > tx.now and recipient.allowance > ctx.settings.quota_reserved
    may_send = able.has_customer_messages and is_open and recipient.erased_at is None
    return "queued" if may_send else "unreachable"


def _queue(tx: Transaction, row: sa.Row[Any], recipient: sa.Row[Any], text: str, *, key: str) -> None:
    delivery.add_outbox(
        tx.connection,
        key=key,
        conversation_id=row.conversation_id,
        account=recipient.account,
        openid=recipient.openid,
        text=text,
        due_at=tx.now,
        at=tx.now,
    )
    courses.add_notice(tx.connection, row.conversation_id, text, at=tx.now)
    tx.poke_after_commit("outbox")
