"""The steps of a ticket: what staff decide, what they correct, and what the enterprise does with its own."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.actions.clocks import FEEDBACK, _given, _plan_clock
from bot.actions.context import Context, Transaction
from bot.actions.moves import _begin, _due, _last, _lock, _make, _words
from bot.core.deadlines import Allowance, Step, explain_change
from bot.core.permissions import Actor, Right
from bot.core.ticket_states import Course, Facts, Move, Party, Refused, TicketKind, TicketState, move
from bot.core.tickets import Field, fields_of, version
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, RefusedError
from bot.store import clocks, courses, improvements, surveys, tickets
from bot.store.conversations import Talk
from intents.categories import Category
from intents.quantities import Urgency

# Starting values until an operator sets others; nothing prescribes them.
_REOPEN_DAYS = timedelta(days=30)
_LONGEST_BREAK = timedelta(days=31)  # after that there was a working day in between


def take_step(
    ctx: Context,
    number: str,
    wanted: Move,
    *,
    actor: Actor,
    seen: str,
    reason: str = "",
    plan: Sequence[str] = (),
    days: int = 0,
    is_accepted: bool = False,
) -> str:
    """A member of staff makes a move; gives what the enterprise is told (empty: nothing).

    `seen` is the course's `version` that the person looked at; `plan` are the categories of an assessment in sequence;
    `days` working days of service to agree on (ACCEPT), or by which it is extended (GRANT; 0: what was asked for).
    Referring is `referrals.refer_ticket`. Raises NotFoundError, ForbiddenError, ConflictError (somebody was quicker) or
    RefusedError with the reason in words.
    """
    if any(key not in set(Category) for key in plan):
        raise RefusedError("ticket-plan", "请从十一类服务类别中选择。")
    if not 0 <= days <= 250:
        raise RefusedError("ticket-days", "天数请填 1 至 250 个工作日。")
    with ctx.transaction() as tx:
        row, course = _locked(tx, number, actor, seen)
        facts = Facts(
            actor.party,
            actor.name,
            tx.now,
            reason=_words(reason),
            plan=tuple(plan),
            due=_due(tx, row, Step.SERVICE),
            reopen_until=_reopen_until(course),
            # Staff write down what the enterprise says; closing looks at what it rated.
            is_bad=bool(reason.strip()) if wanted is Move.REOPEN else surveys.is_bad(tx.connection, row.id),
            has_improvement=improvements.has_improvement(tx.connection, row.id),
            is_accepted=is_accepted,
            is_time_over=wanted is Move.CLOSE and _is_time_over(tx, row, course),
        )
        made = _make(tx, row, course, wanted, facts, agreed=_agreed(tx, row, wanted, days))
    return made.told


def correct_ticket(
    ctx: Context, number: str, field: Field, *, value: str, reason: str, actor: Actor, seen: str
) -> None:
    """Staff correct a field: a new line with before and after; the enterprise's own words are never changed.

    Another category or urgency moves the running clocks of a need. Raises as `take_step` does.
    """
    with ctx.transaction() as tx:
        row, course = _locked(tx, number, actor, seen)
        before, after = _before(tx, row, field), _checked(course.kind, field, value)
        if before == after:
            raise RefusedError("correction-same", "更正前后相同，没有改动。")
        facts = Facts(actor.party, actor.name, tx.now, reason=_words(reason))
        _make(tx, row, course, Move.CORRECT, facts, field=field.value, before=before, after=after)
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
        facts = Facts(Party.ENTERPRISE, "contact", tx.now, reason=_words(note))
        is_possible = not isinstance(move(course, wanted, facts), Refused)
        if is_possible and wanted is Move.URGE and not _may_urge(tx, row, course):
            return say("course.urged")
        return _make(tx, row, course, wanted, facts, in_turn=True).told
    except RefusedError as refusal:
        return refusal.message


# --- what a move needs to know ---


def _locked(tx: Transaction, number: str, actor: Actor, seen: str) -> tuple[sa.Row[Any], Course]:
    """The ticket, held for somebody who may handle it and has seen it as it stands."""
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有办理申请的权限。")
    found = _lock(tx, number)
    if version(found[1]) != seen:
        raise ConflictError("ticket-seen", say("course.changed"))
    return found


def _agreed(tx: Transaction, row: sa.Row[Any], wanted: Move, days: int) -> Allowance | None:
    """The service period that a step settles; None leaves it to the rule."""
    if wanted is Move.GRANT:
        running = courses.last_clock(tx.connection, row.id, Step.SERVICE.value)
        asked = _extension_asked(tx, row)
        return Allowance(days=running.days + (days or asked or 1)) if running is not None else None
    return Allowance(days=days) if days and wanted is Move.ACCEPT else None


def _extension_asked(tx: Transaction, row: sa.Row[Any]) -> int:
    """The working days that were asked for last; 0 where none were named."""
    line = tickets.last_event(tx.connection, row.id, what=Move.ASK_EXTENSION.value)
    return int(line.after) if line is not None and line.after.isdecimal() else 0


def _reopen_until(course: Course) -> datetime | None:
    """Until when what was finished or closed last may be taken up again."""
    ends = (Move.FINISH, Move.RATE, Move.CLOSE, Move.DISMISS)
    moments = [line.at for what in ends if (line := _last(course, what)) is not None]
    return max(moments) + _REOPEN_DAYS if moments else None


def _is_time_over(tx: Transaction, row: sa.Row[Any], course: Course) -> bool:
    """Is the time to rate a service, or to object to a response, over?"""
    step = {TicketState.FINISHED: Step.SURVEY, TicketState.RESPONDED: Step.OBJECT}.get(course.state)
    due = _due(tx, row, step) if step else None
    return due is not None and due <= tx.now


def _may_urge(tx: Transaction, row: sa.Row[Any], course: Course) -> bool:
    """Once a working day: has one begun since the last time?"""
    urged = _last(course, Move.URGE)
    if urged is None or tx.now - urged.at > _LONGEST_BREAK:
        return True
    calendar = clocks.calendars(tx.connection).of(clocks.station_of(tx.connection, row.contact_id))
    first, today = china_date(urged.at), china_date(tx.now)
    days = (first + timedelta(days=number) for number in range(1, (today - first).days + 1))
    return any(calendar.is_working_day(day) for day in days)


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
        elif step is FEEDBACK or not row.legs:
            new = replace(new, category=Category(value))
        before, after = _plan_clock(tx, old), _plan_clock(tx, new)
        if before.due == after.due:
            continue
        _begin(tx, row, new)
        why = explain_change(before, after)
        tickets.add_event(tx.connection, row.id, at=tx.now, actor="system", what="clock-moved", note=why)
