"""One ticket in the browser: what it says, what may be done with it now, and all that was done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard, check_csrf
from admin.libraries import advice_for
from admin.templating import page
from bot.actions.context import Context
from bot.actions.courses import correct_ticket, take_step
from bot.actions.libraries import Libraries
from bot.core.permissions import Actor, Right
from bot.core.ticket_states import Move, Party
from bot.core.tickets import Field as TicketField
from bot.core.tickets import fields_of, offers, version
from bot.errors import NotFoundError, RefusedError
from bot.store import courses, tickets
from intents.categories import Category
from intents.quantities import Urgency
from intents.slots import read_slots


class _Posted(BaseModel):
    """What every form of the page carries."""

    csrf: str
    seen: str = Limits(max_length=60)  # the course's version on the page
    reason: str = Limits("", max_length=2000)


class _Step(_Posted):
    """A move."""

    move: Move
    plan: list[str] = Limits([], max_length=11)
    is_accepted: bool = False


class _Correction(_Posted):
    """A field and what shall stand there."""

    field: TicketField
    value: str = Limits("", max_length=2000)


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who looks at which ticket."""

    request: Request
    number: str
    actor: Actor
    token: str

    def check(self, csrf: str) -> None:
        """Refuse a form that another site sent."""
        check_csrf(csrf, self.token)

    @property
    def done(self) -> RedirectResponse:
        """Show the page anew, at what was just written."""
        return RedirectResponse(f"/admin/tickets/{self.number}#history", status_code=303)


def tickets_router(ctx: Context, guard: Guard, libraries: Libraries) -> APIRouter:
    """The page of a ticket, its steps and its corrections."""
    router = APIRouter()
    see, handle = _visit(guard, Right.SEE_TICKETS), _visit(guard, Right.HANDLE_TICKETS)

    @router.get("/tickets/{number}", response_class=HTMLResponse)
    def ticket(visit: Annotated[_Visit, Depends(see)]) -> HTMLResponse:
        return _shown(ctx, libraries, visit)

    @router.post("/tickets/{number}/steps", response_model=None)
    def step(
        visit: Annotated[_Visit, Depends(handle)], form: Annotated[_Step, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            take_step(
                ctx,
                visit.number,
                form.move,
                actor=visit.actor,
                seen=form.seen,
                reason=form.reason,
                plan=[key for key in form.plan if key],
                is_accepted=form.is_accepted,
            )
        except RefusedError as refusal:
            return _shown(ctx, libraries, visit, refusal, what=form.move.value, reason=form.reason)
        return visit.done

    @router.post("/tickets/{number}/corrections", response_model=None)
    def correction(
        visit: Annotated[_Visit, Depends(handle)], form: Annotated[_Correction, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            correct_ticket(
                ctx,
                visit.number,
                form.field,
                value=form.value,
                reason=form.reason,
                actor=visit.actor,
                seen=form.seen,
            )
        except RefusedError as refusal:
            return _shown(
                ctx, libraries, visit, refusal, what=form.field.value, reason=form.reason, value=form.value
            )
        return visit.done

    return router


def _visit(guard: Guard, right: Right) -> Callable[..., _Visit]:
    allowed = guard.require(right)

    def visit(
        request: Request,
        number: str,
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
    ) -> _Visit:
        return _Visit(request, number.upper(), actor, token)

    return visit


def _shown(
    ctx: Context, libraries: Libraries, visit: _Visit, refusal: RefusedError | None = None, **kept: str
) -> HTMLResponse:
    """The page; after a refusal with its reason and with the words that were typed."""
    with ctx.read() as session:
        found = tickets.ticket_numbered(session, visit.number)
        if found is None:
            raise NotFoundError("ticket", "没有这件申请，请核对编号。")
        events = tickets.events_of(session, found.id)
        overdue = courses.overdue_ids(session, [found.id])
    course = courses.course_of(found, events)
    may_handle = visit.actor.may(Right.HANDLE_TICKETS)
    return page(
        visit.request,
        "ticket.html",
        status=refusal.status if refusal else 200,
        actor=visit.actor,
        csrf=visit.token,
        ticket=found,
        events=events,
        slots=read_slots(found.content),
        advice=advice_for(ctx, libraries, found),
        problem=refusal.message if refusal else "",
        kept=kept,
        seen=version(course),
        is_overdue=bool(overdue),
        offers=offers(course, Party.STAFF) if may_handle else (),
        fields=fields_of(course.kind) if may_handle else (),
        categories=tuple(Category),
        urgencies=tuple(Urgency),
        content_note=next((event.after for event in reversed(events) if event.field == "content"), ""),
    )
