"""What staff must still do, in the browser: tasks, improvement items, and surveys on paper or by telephone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard, Visit, visiting
from admin.templating import page
from bot.actions.context import Context
from bot.actions.improvements import assign, finish, finish_task, note_measure, open_improvement, see_phone
from bot.actions.surveys import enter_survey, surveys_of
from bot.core import surveys as annex_c
from bot.core.improvements import OWNER_ROLES, is_overdue
from bot.core.permissions import Right
from bot.core.surveys import Item, Rating, Source
from bot.core.times import CHINA, china_date
from bot.errors import NotFoundError, RefusedError
from bot.store import improvements, people, tickets

_PAGE, _YEARS = 50, range(2000, 2101)  # closed items of one page; a form's year beyond these is a slip


class _Posted(BaseModel):
    """What every form carries."""

    csrf: str


class _Call(_Posted):
    """A call that led to nothing, or another task that is done."""

    called_at: str = Limits("", max_length=40)
    result: str = Limits("", max_length=4000)


class _Opening(_Posted):
    """A problem that somebody has seen."""

    ticket: str = Limits("", max_length=40)
    problem: str = Limits("", max_length=4000)


class _Assignment(_Posted):
    """Who answers for an item, and by when."""

    owner: str = Limits("", max_length=60)
    due_on: str = Limits("", max_length=20)


class _Words(_Posted):
    """A measure, or a result."""

    text: str = Limits("", max_length=4000)


class _Answers(_Posted):
    """Annex C as it came on paper or by telephone; each rating by its place in the form's order."""

    source: Literal["paper", "phone"] = "phone"
    timeliness: Rating | None = None
    expertise: Rating | None = None
    courtesy: Rating | None = None
    overall: Rating | None = None
    solved: Rating | None = None
    note: str = Limits(default="", max_length=4000)
    answered_at: str = Limits(default="", max_length=40)

    @property
    def answers(self) -> dict[Item, Rating]:
        """What was ticked; RefusedError for a rating that the item does not have."""
        found: dict[Item, Rating] = {}
        for item in Item:
            rating = getattr(self, item.value)
            if rating is not None and rating not in annex_c.options(item):
                raise RefusedError("survey-rating", "评价等级与评价内容不符，请重新选择。")
            if rating is not None:
                found[item] = rating
        return found


@dataclass(frozen=True, slots=True)
class _Visit(Visit):
    """Who looks at a page."""

    def show(self, template: str, refusal: RefusedError | None, **values: Any) -> HTMLResponse:
        """A page of somebody who is logged in, with the reason of a refusal."""
        return page(
            self.request,
            template,
            status=refusal.status if refusal else 200,
            actor=self.actor,
            csrf=self.token,
            problem=refusal.message if refusal else "",
            may_handle=self.actor.may(Right.HANDLE_TICKETS),
            **values,
        )


def improvements_router(ctx: Context, guard: Guard) -> APIRouter:
    """The pages of tasks, of improvement items, and of entering a survey."""
    router = APIRouter()
    see, handle = (
        visiting(ctx, guard, Right.SEE_TICKETS, _Visit),
        visiting(ctx, guard, Right.HANDLE_TICKETS, _Visit),
    )
    _add_tasks(router, handle)
    _add_items(router, see, handle)
    _add_item(router, see, handle)
    _add_surveys(router, handle)
    return router


# --- tasks ---


def _add_tasks(router: APIRouter, handle: Callable[..., _Visit]) -> None:
    @router.get("/tasks", response_class=HTMLResponse)
    def listing(visit: Annotated[_Visit, Depends(handle)]) -> HTMLResponse:
        return _tasks(visit)

    @router.post("/tasks/{task_id}/phone", response_class=HTMLResponse)
    def phone(
        visit: Annotated[_Visit, Depends(handle)], task_id: int, form: Annotated[_Posted, Form()]
    ) -> HTMLResponse:
        visit.check(form.csrf)
        try:
            found = see_phone(visit.ctx, task_id, actor=visit.actor)
        except RefusedError as refusal:
            return _tasks(visit, refusal, task_id=task_id)
        return _tasks(visit, task_id=task_id, phone=found)

    @router.post("/tasks/{task_id}/done", response_model=None)
    def done(
        visit: Annotated[_Visit, Depends(handle)], task_id: int, form: Annotated[_Call, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            at = _moment(form.called_at)
            finish_task(visit.ctx, task_id, result=form.result, actor=visit.actor, called_at=at)
        except RefusedError as refusal:
            return _tasks(visit, refusal, task_id=task_id, typed=form)
        return RedirectResponse("/admin/tasks", status_code=303)


def _tasks(
    visit: _Visit,
    refusal: RefusedError | None = None,
    *,
    task_id: int = 0,
    phone: str = "",
    typed: _Call | None = None,
) -> HTMLResponse:
    """The list; one task with its phone number, or with what was typed and why it was refused."""
    now = visit.ctx.clock.now()
    with visit.ctx.read() as session:
        values = {
            "tasks": improvements.open_tasks(session),
            "done": improvements.done_tasks(session),
            "own": improvements.improvements_of(session, owner=visit.actor.name),
        }
    return visit.show(
        "tasks.html",
        refusal,
        chosen=task_id,
        phone_shown=phone,
        typed=typed,
        now=now,
        today=china_date(now),
        is_overdue=is_overdue,
        latest=_field(now),
        may_see_phone=visit.actor.may(Right.SEE_CONTACTS),
        **values,
    )


# --- improvement items ---


def _add_items(router: APIRouter, see: Callable[..., _Visit], handle: Callable[..., _Visit]) -> None:
    @router.get("/improvements", response_class=HTMLResponse)
    def listing(
        visit: Annotated[_Visit, Depends(see)], show: str = "open", ticket: str = "", below: str = ""
    ) -> HTMLResponse:
        return _items(visit, shown=show, ticket=ticket[:40], below=below)

    @router.post("/improvements", response_model=None)
    def opening(
        visit: Annotated[_Visit, Depends(handle)], form: Annotated[_Opening, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        number = form.ticket.strip().upper()
        try:
            return _back(open_improvement(visit.ctx, actor=visit.actor, number=number, problem=form.problem))
        except RefusedError as refusal:
            return _items(visit, refusal, ticket=form.ticket, typed=form.problem)


def _add_item(router: APIRouter, see: Callable[..., _Visit], handle: Callable[..., _Visit]) -> None:
    @router.get("/improvements/{number}", response_class=HTMLResponse)
    def item(visit: Annotated[_Visit, Depends(see)], number: str) -> HTMLResponse:
        return _item(visit, number.upper())

    @router.post("/improvements/{number}/assign", response_model=None)
    def assignment(
        visit: Annotated[_Visit, Depends(handle)], number: str, form: Annotated[_Assignment, Form()]
    ) -> HTMLResponse | RedirectResponse:
        def do() -> None:
            assign(visit.ctx, number.upper(), owner=form.owner, due_on=_day(form.due_on), actor=visit.actor)

        return _done(visit, number, form, do, what="assign")

    @router.post("/improvements/{number}/measures", response_model=None)
    def measure(
        visit: Annotated[_Visit, Depends(handle)], number: str, form: Annotated[_Words, Form()]
    ) -> HTMLResponse | RedirectResponse:
        do = partial(note_measure, visit.ctx, number.upper(), text=form.text, actor=visit.actor)
        return _done(visit, number, form, do, what="measure")

    @router.post("/improvements/{number}/close", response_model=None)
    def close(
        visit: Annotated[_Visit, Depends(handle)], number: str, form: Annotated[_Words, Form()]
    ) -> HTMLResponse | RedirectResponse:
        do = partial(finish, visit.ctx, number.upper(), result=form.text, actor=visit.actor)
        return _done(visit, number, form, do, what="close")


def _done(
    visit: _Visit, number: str, form: _Posted, do: Callable[[], None], *, what: str
) -> HTMLResponse | RedirectResponse:
    """Do it and show the item anew; a refusal stands on the page with what was typed."""
    visit.check(form.csrf)
    try:
        do()
    except RefusedError as refusal:
        return _item(visit, number.upper(), refusal, what=what, typed=form)
    return _back(number.upper())


def _back(number: str) -> RedirectResponse:
    return RedirectResponse(f"/admin/improvements/{number}#history", status_code=303)


def _items(
    visit: _Visit,
    refusal: RefusedError | None = None,
    *,
    shown: str = "open",
    ticket: str = "",
    typed: str = "",
    below: str = "",
) -> HTMLResponse:
    """The items that are open, overdue or done."""
    shown = shown if shown in ("overdue", "done") else "open"
    today = china_date(visit.ctx.clock.now())
    last = int(below) if below.isascii() and below.isdecimal() and len(below) < 16 else None
    with visit.ctx.read() as session:
        if shown == "done":
            found = improvements.improvements_of(session, state="done", limit=_PAGE + 1, below=last)
        else:
            found = improvements.improvements_of(session, due_before=today if shown == "overdue" else None)
        counts = improvements.count_improvements(session, today=today)
    return visit.show(
        "improvements.html",
        refusal,
        shown=shown,
        counts=counts,
        items=found[:_PAGE] if shown == "done" else found,
        has_more=shown == "done" and len(found) > _PAGE,
        today=today,
        is_overdue=is_overdue,
        ticket=ticket,
        typed=typed,
    )


def _item(
    visit: _Visit, number: str, refusal: RefusedError | None = None, *, what: str = "", typed: Any = None
) -> HTMLResponse:
    """One item with its history; after a refusal with what was typed."""
    with visit.ctx.read() as session:
        found = improvements.improvement_numbered(session, number)
        if found is None:
            raise NotFoundError("improvement", "没有这个改进项，请核对编号。")
        events = improvements.events_of(session, found.id)
        staff = people.all_staff(session)
    return visit.show(
        "improvement.html",
        refusal,
        item=found,
        events=events,
        owners=[one.name for one in staff if one.closed_at is None and one.role in OWNER_ROLES],
        may_lead=visit.actor.may(Right.LEAD),
        is_late=is_overdue(found.state, found.due_on, china_date(visit.ctx.clock.now())),
        today=china_date(visit.ctx.clock.now()),
        what=what,
        typed=typed,
    )


# --- surveys on paper or by telephone ---


def _add_surveys(router: APIRouter, handle: Callable[..., _Visit]) -> None:
    @router.get("/tickets/{number}/survey", response_class=HTMLResponse)
    def entry(
        visit: Annotated[_Visit, Depends(handle)], number: str, source: Literal["paper", "phone"] = "phone"
    ) -> HTMLResponse:
        return _entry(visit, number.upper(), _Answers(csrf="", source=source))

    @router.post("/tickets/{number}/survey", response_model=None)
    def enter(
        visit: Annotated[_Visit, Depends(handle)], number: str, form: Annotated[_Answers, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            enter_survey(
                visit.ctx,
                number.upper(),
                actor=visit.actor,
                source=Source(form.source),
                answers=form.answers,
                note=form.note.strip() or None,
                answered_at=_moment(form.answered_at),
            )
        except RefusedError as refusal:
            return _entry(visit, number.upper(), form, refusal)
        return RedirectResponse(f"/admin/tickets/{number.upper()}#surveys", status_code=303)


def _entry(visit: _Visit, number: str, form: _Answers, refusal: RefusedError | None = None) -> HTMLResponse:
    """The form of Annex C, with what was ticked and typed."""
    with visit.ctx.read() as session:
        ticket = tickets.ticket_numbered(session, number)
        if ticket is None:
            raise NotFoundError("ticket", "没有这件申请，请核对编号。")
        rounds = surveys_of(session, ticket.id)
    return visit.show(
        "survey_entry.html",
        refusal,
        ticket=ticket,
        surveys=rounds,
        annex_c=annex_c,
        form=form,
        items=tuple(Item),
        latest=_field(visit.ctx.clock.now()),
    )


# --- what forms say ---


def _moment(text: str) -> datetime | None:
    """When something happened (China time); None where it was left empty, RefusedError for what is no moment."""
    refusal = RefusedError("moment", "时间请按“2026-11-23 10:30”的样子填写。")
    try:
        at = datetime.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise refusal from error
    if at is not None and (at.tzinfo is not None or at.year not in _YEARS):
        raise refusal
    return at.replace(tzinfo=CHINA) if at is not None else None


def _day(text: str) -> date:
    """A China date; RefusedError for what is none."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise RefusedError("day", "日期请按“2026-12-31”的样子填写。") from error


def _field(moment: datetime) -> str:
    """A moment as a form's field takes it (China time)."""
    return moment.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M")
