"""What staff must still do: improvement items with owner and due date (S 9.3, G 8.3), and tasks."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from bot.actions.context import Context, Transaction
from bot.actions.telling import _tell_staff
from bot.core import improvements as core
from bot.core.deadlines import Recipient
from bot.core.improvements import Item, Source, State, What
from bot.core.permissions import Actor, Right
from bot.core.ticket_states import TicketKind
from bot.core.times import china_date, china_text
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import clocks, courses, improvements, people, tickets
from bot.store.audit import add_line
from intents.categories import Category

# --- improvement items ---


def _open_improvement(
    tx: Transaction,
    *,
    ticket_id: int,
    survey_id: int | None = None,
    source: str,
    problem: str,
    category: str = "",
    actor: str = "system",
) -> str:
    """Open an item about a ticket, in the transaction that found the problem; gives its number.

    One for a survey, or for the same words about a ticket, as long as it is open: what the survey finds besides is a
    line of that item. Nobody owns it yet: the head decides, and hears of it. `category`: the service category, if the
    problem belongs to one. Raises RefusedError where the problem is not told.
    """
    told = core.words(problem, what="存在的问题")
    found = improvements.open_of(tx.connection, ticket_id, survey_id=survey_id, source=source, problem=told)
    if found is not None:
        if not improvements.is_said(tx.connection, found.id, told):
            improvements.add_event(
                tx.connection, found.id, at=tx.now, actor=actor, what=What.PROBLEM.value, note=told
            )
        return str(found.number)
    number = _numbered(tx)
    ticket = improvements.ticket_of(tx.connection, ticket_id)
    due = core.due_on(clocks.calendars(tx.connection).of(ticket.station or ""), tx.now)
    improvements.add_improvement(
        tx.connection,
        number=number,
        ticket_id=ticket_id,
        survey_id=survey_id,
        source=source,
        problem=told,
        owner="",
        due_on=due,
        state=State.OPEN.value,
        at=tx.now,
        actor=actor,
        note=_opening(told, category),
    )
    tickets.add_event(tx.connection, ticket_id, at=tx.now, actor=actor, what="improvement", note=number)
    gaps = {"number": number, "ticket": ticket.number, "problem": told, "due": due.isoformat()}
    subject, text = say("improvement.subject", **gaps), say("improvement.opened", **gaps)
    _tell_staff(tx, Recipient.HEAD, subject=subject, text=text, key=f"improvement:{number}")
    tx.poke_after_commit("tickets")
    return number


def _numbered(tx: Transaction) -> str:
    year = china_date(tx.now).year
    return core.format_number(year=year, serial=tickets.next_number(tx.connection, year=year, kind=core.KIND))


def _opening(problem: str, category: str) -> str:
    """The first line of the history."""
    return f"{problem}（{Category(category).label}）" if category in set(Category) else problem


def open_improvement(ctx: Context, *, actor: Actor, number: str, problem: str) -> str:
    """Staff open an item about a ticket, a complaint too; gives its number.

    Raises ForbiddenError, NotFoundError (the ticket) or RefusedError with the reason in words.
    """
    core.check_handles(actor)
    with ctx.transaction() as tx:
        # The order of the locks is that of a turn: the conversation first.
        found = (
            courses.lock_ticket(tx.connection, number) if courses.lock_talk(tx.connection, number) else None
        )
        if found is None:
            raise NotFoundError("ticket", "没有这件申请，请核对编号。")
        row, course = found
        source = Source.COMPLAINT if course.kind is TicketKind.COMPLAINT else Source.STAFF
        return _open_improvement(tx, ticket_id=row.id, source=source.value, problem=problem, actor=actor.name)


def assign(ctx: Context, number: str, *, owner: str, due_on: date, actor: Actor) -> None:
    """The head says who answers for an item and by when (China date); each change is a line with before and after.

    Raises NotFoundError, ForbiddenError, ConflictError or RefusedError as `core.improvements.check_assigns` does.
    """
    with ctx.transaction() as tx:
        row, item = _held(tx, number)
        core.check_assigns(item, actor, owner=owner, due=due_on, today=china_date(tx.now))
        if owner != item.owner:
            _check_owner(tx, owner)
            _note(tx, row, actor, What.OWNER, f"{item.owner or '未指定'} → {owner}")
        if due_on != item.due_on:
            _note(tx, row, actor, What.DUE, f"{item.due_on} → {due_on}")
        improvements.set_values(tx.connection, row.id, owner=owner, due_on=due_on)


def note_measure(ctx: Context, number: str, *, text: str, actor: Actor) -> None:
    """Somebody writes down what was done about the problem; raises as `assign` does."""
    core.check_handles(actor)
    said = core.words(text, what="整改措施")
    with ctx.transaction() as tx:
        row, item = _held(tx, number)
        core.check_open(item)
        _note(tx, row, actor, What.MEASURE, said)


def finish(ctx: Context, number: str, *, result: str, actor: Actor) -> None:
    """Somebody other than the owner reviews the result and closes the item; raises as `assign` does."""
    with ctx.transaction() as tx:
        row, item = _held(tx, number)
        core.check_closes(item, actor)
        _note(tx, row, actor, What.CLOSED, core.words(result, what="改进结果"))
        improvements.set_values(tx.connection, row.id, state=State.DONE.value)


def _held(tx: Transaction, number: str) -> tuple[sa.Row[Any], Item]:
    """The item, held until the transaction ends."""
    row = improvements.lock_improvement(tx.connection, number)
    if row is None:
        raise NotFoundError("improvement", "没有这个改进项，请核对编号。")
    return row, Item(State(row.state), row.owner, row.due_on, tuple(row.concerned or ()))


def _note(tx: Transaction, row: sa.Row[Any], actor: Actor, what: What, note: str) -> None:
    improvements.add_event(tx.connection, row.id, at=tx.now, actor=actor.name, what=what.value, note=note)


def _check_owner(tx: Transaction, name: str) -> None:
    found = people.staff_named(tx.connection, name)
    if found is None or found.closed_at is not None or found.role not in core.OWNER_ROLES:
        raise RefusedError("improvement-owner", "责任人须是在用账号的工作人员，请从名单中选择。")


# --- tasks ---


def finish_task(
    ctx: Context, task_id: int, *, result: str, actor: Actor, called_at: datetime | None = None
) -> None:
    """Staff end a task without what it asked for: when they called (aware) and what came of it, in words.

    A call that was answered ends the task by entering the survey. Raises ForbiddenError, NotFoundError, ConflictError
    (it is done already) or RefusedError (no words; a call that is still to come).
    """
    core.check_handles(actor)
    said = core.words(result, what="办理结果")
    with ctx.transaction() as tx:
        core.check_past(called_at, now=tx.now)
        kept = core.called(called_at, said)
        if not improvements.end_task(tx.connection, task_id, at=tx.now, by=actor.name, result=kept):
            raise _why_not(tx, task_id)
        tx.poke_after_commit("tasks")


def _why_not(tx: Transaction, task_id: int) -> RefusedError:
    found = improvements.task_of(tx.connection, task_id)
    if found is None:
        return NotFoundError("task", "没有这项任务。")
    by = "系统" if found.done_by == "system" else found.done_by
    return ConflictError("task-done", f"这项任务已由{by}在 {china_text(found.done_at)} 办完。")


def _finish_tasks(tx: Transaction, survey_id: int, result: str, by: str) -> int:
    """The survey was answered meanwhile: nobody need call any more; gives how many tasks that ended."""
    count = improvements.end_tasks(tx.connection, survey_id, at=tx.now, by=by or "system", result=result)
    if count:
        tx.poke_after_commit("tasks")
    return count


def see_phone(ctx: Context, task_id: int, *, actor: Actor) -> str:
    """The phone number of whom a task is about; that it was looked at is a line of the audit trail.

    Raises ForbiddenError, NotFoundError, or RefusedError where no number was left.
    """
    core.check_handles(actor)
    if not actor.may(Right.SEE_CONTACTS):
        raise ForbiddenError("right", "您没有查看联系电话的权限。")
    with ctx.transaction() as tx:
        found = improvements.task_of(tx.connection, task_id)
        if found is None:
            raise NotFoundError("task", "没有这项任务。")
        if not found.phone:
            raise RefusedError("task-phone", "这件申请没有留下电话，或者企业已要求删除。请在办理结果中写明。")
        add_line(tx.connection, at=tx.now, actor=actor.name, what="see-phone", subject=found.number)
        return str(found.phone)
