"""Needs that staff enter, and visits to enterprises, in the browser."""

import secrets
from dataclasses import dataclass, fields
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel

from admin.auth import Guard, Visit, check_csrf, visiting
from admin.templating import page
from bot.actions.context import Context
from bot.actions.intake import Likely, Registered, record_visit, register_entry
from bot.core.intake import (
    AT_THE_DESK,
    CONTENT_LIMIT,
    FINDINGS_LIMIT,
    Problem,
    Source,
    Typed,
    VisitTyped,
    started_text,
    today_text,
)
from bot.core.permissions import Right
from bot.core.ticket_states import TicketKind
from bot.core.tickets import TicketView
from bot.errors import NotFoundError
from bot.store import visits
from intents.categories import Category
from intents.quantities import Urgency

_MOST_VISITS = 50


class _Entry(BaseModel):
    """A need as it was typed; the action says in words what is wrong with it."""

    csrf: str
    key: str = ""  # of this page: sent twice, it opens one ticket
    shown: str = ""  # the duplicates that were shown, by number; 仍然登记 was pressed
    kind: str = TicketKind.NEED.value
    source: str = ""
    applicant: str = ""
    person: str = ""
    phone: str = ""
    content: str = ""
    category: str = ""
    urgency: str = ""
    started_at: str = ""
    visit: str = ""

    @property
    def typed(self) -> Typed:
        """The fields of the form."""
        return Typed(**{field.name: getattr(self, field.name) for field in fields(Typed)})


class _Visited(BaseModel):
    """A visit as it was typed."""

    csrf: str
    enterprise: str = ""
    person: str = ""
    phone: str = ""
    visited_on: str = ""
    visitors: str = ""
    findings: str = ""

    @property
    def typed(self) -> VisitTyped:
        """The fields of the form."""
        return VisitTyped(**{field.name: getattr(self, field.name) for field in fields(VisitTyped)})


@dataclass(frozen=True, slots=True)
class _Desk(Visit):
    """Who sits at the desk."""

    def show(self, template: str, problems: tuple[Problem, ...] = (), **values: Any) -> HTMLResponse:
        """A page; after a refusal with what is wrong beside each field."""
        return page(
            self.request,
            template,
            status=values.pop("status", 400 if problems else 200),
            actor=self.actor,
            csrf=self.token,
            problems={problem.field: problem.message for problem in problems},
            may_handle=self.actor.may(Right.HANDLE_TICKETS),
            may_call=self.actor.may(Right.SEE_CONTACTS),
            **values,
        )

    def entry(
        self,
        typed: Typed,
        problems: tuple[Problem, ...] = (),
        *,
        key: str = "",
        likely: tuple[TicketView, ...] = (),
    ) -> HTMLResponse:
        """The form of a need, with what was typed."""
        return self.show(
            "intake.html",
            problems,
            status=409 if likely else 400 if problems else 200,
            typed=typed,
            key=key or secrets.token_urlsafe(16),
            likely=likely,
            kinds=tuple(TicketKind),
            sources=AT_THE_DESK,
            categories=tuple(Category),
            urgencies=tuple(Urgency),
            content_limit=CONTENT_LIMIT,
        )

    def visits(
        self,
        typed: VisitTyped | None = None,
        problems: tuple[Problem, ...] = (),
        *,
        before: int | None = None,
    ) -> HTMLResponse:
        """The list of visits, with the form of a new one."""
        with self.ctx.read() as session:
            found = visits.recent_visits(session, before=before, limit=_MOST_VISITS + 1)
            shown = found[:_MOST_VISITS]
            counts = visits.count_tickets_of(session, [one.number for one in shown])
        today = today_text(self.ctx.clock.now())
        return self.show(
            "visits.html",
            problems,
            visits=shown,
            counts=counts,
            next=shown[-1].id if len(found) > len(shown) else None,
            typed=typed or VisitTyped(visited_on=today, visitors=self.actor.name),
            today=today,
            findings_limit=FINDINGS_LIMIT,
        )


def intake_router(ctx: Context, guard: Guard) -> APIRouter:
    """/admin/intake: enter a need; /admin/visits: visits and what came of them."""
    router = APIRouter(default_response_class=HTMLResponse)
    see, handle = (
        visiting(ctx, guard, Right.SEE_TICKETS, _Desk),
        visiting(ctx, guard, Right.HANDLE_TICKETS, _Desk),
    )

    @router.get("/intake")
    def blank(
        desk: Annotated[_Desk, Depends(handle)], visit: Annotated[str, Query(max_length=24)] = ""
    ) -> HTMLResponse:
        return desk.entry(_prefilled(ctx, visit.upper()))

    @router.post("/intake", response_model=None)
    def register(
        desk: Annotated[_Desk, Depends(handle)], form: Annotated[_Entry, Form()]
    ) -> HTMLResponse | RedirectResponse:
        check_csrf(form.csrf, desk.token)
        typed = form.typed
        match register_entry(ctx, typed, actor=desk.actor, key=form.key, shown=form.shown.split()):
            case Registered() as done:
                return RedirectResponse(f"/admin/tickets/{done.number}", status_code=303)
            case Likely(found):
                return desk.entry(typed, key=form.key, likely=found)
            case problems:
                return desk.entry(typed, problems, key=form.key)

    @router.get("/visits")
    def listing(desk: Annotated[_Desk, Depends(see)], before: int | None = None) -> HTMLResponse:
        return desk.visits(before=before)

    @router.post("/visits", response_model=None)
    def record(
        desk: Annotated[_Desk, Depends(handle)], form: Annotated[_Visited, Form()]
    ) -> HTMLResponse | RedirectResponse:
        check_csrf(form.csrf, desk.token)
        done = record_visit(ctx, form.typed, actor=desk.actor)
        if isinstance(done, tuple):
            return desk.visits(form.typed, done)
        return RedirectResponse(f"/admin/visits/{done}", status_code=303)

    @router.get("/visits/{number}")
    def visit(desk: Annotated[_Desk, Depends(see)], number: str) -> HTMLResponse:
        with ctx.read() as session:
            found = visits.visit_numbered(session, number.upper())
            if found is None:
                raise NotFoundError("visit", "没有这个走访编号，请核对。")
            return desk.show(
                "visit.html", visit=found, tickets=visits.tickets_of_visit(session, found.number)
            )

    return router


def _prefilled(ctx: Context, visit: str) -> Typed:
    """An empty form that begins now; with what is known of the enterprise where a visit is named."""
    started = started_text(ctx.clock.now())
    if not visit:
        return Typed(source=Source.PHONE.value, started_at=started)
    with ctx.read() as session:
        found = visits.visit_numbered(session, visit)
    if found is None:
        raise NotFoundError("visit", "没有这个走访编号，请核对。")
    return Typed(
        source=Source.VISIT.value,
        applicant=found.enterprise,
        person=found.person,
        phone=found.phone,
        started_at=started,
        visit=found.number,
    )
