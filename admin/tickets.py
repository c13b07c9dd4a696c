"""One ticket in the browser: what it says, what may be done with it now, and all that was done."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard, check_csrf
from admin.templating import page
from bot.actions.acceptance import record_acceptance, service_days
from bot.actions.attachments import attachments_of
from bot.actions.context import Context
from bot.actions.courses import correct_ticket, take_step
from bot.actions.libraries import Libraries
from bot.actions.links import referral_link
from bot.actions.outbox import Meaning
from bot.actions.referrals import offer_key, refer_ticket, resend_link
from bot.actions.routing import SEEKING, advice_on
from bot.actions.surveys import surveys_of
from bot.core import surveys
from bot.core.permissions import Actor, Right
from bot.core.ticket_states import Move
from bot.core.tickets import Field as TicketField
from bot.core.tickets import fields_of, offers, version
from bot.errors import NotFoundError, RefusedError
from bot.store import courses, delivery, referrals, tickets
from bot.store.tickets import TicketEvent
from intents.categories import Category
from intents.quantities import Urgency
from intents.slots import read_slots
from knowledge.library_rows import PROVIDERS

# How the message to a provider is named in the outbox, and what that way is called.
_WAYS = {"mail": "邮件", "hook": "接口", "chat:0": "微信", "chat:1": "微信", "chat:2": "微信"}


class _Posted(BaseModel):
    """What every form of the page carries."""

    csrf: str
    seen: str = Limits(max_length=60)  # the course's version on the page
    reason: str = Limits("", max_length=2000)


class _Step(_Posted):
    """A move."""

    move: Move
    plan: list[str] = Limits([], max_length=11)
    days: str = Limits("", max_length=8)
    is_accepted: bool = False


class _Referral(_Posted):
    """Whom the next leg goes to."""

    provider: str = Limits(max_length=64)


class _Acceptance(_Posted):
    """What a provider said on the telephone."""

    days: str = Limits("", max_length=8)
    person: str = Limits("", max_length=100)
    phone: str = Limits("", max_length=100)


class _Correction(_Posted):
    """A field and what shall stand there."""

    field: TicketField
    value: str = Limits("", max_length=2000)


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of a message: the key of its label, and why, in words."""

    way: str
    why: str


@dataclass(frozen=True, slots=True)
class _Current:
    """The referral that a provider is answering or working on, as staff handle it."""

    row: Any
    link: str
    ways: tuple[tuple[str, _Told], ...]  # how it was told of the link, and what became of it
    days: int  # suggested service period
    person: str  # of the library: whom staff would telephone
    phone: str


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
        return self.at("history")

    def at(self, place: str) -> RedirectResponse:
        """Show the page anew, at that place."""
        return RedirectResponse(f"/admin/tickets/{self.number}#{place}", status_code=303)


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
                days=_days(form.days),
                is_accepted=form.is_accepted,
            )
        except RefusedError as refusal:
            return _shown(
                ctx, libraries, visit, refusal, what=form.move.value, reason=form.reason, days=form.days
            )
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

    _add_referrals(router, ctx, libraries, handle)
    return router


def _add_referrals(
    router: APIRouter, ctx: Context, libraries: Libraries, handle: Callable[..., _Visit]
) -> None:
    @router.post("/tickets/{number}/referrals", response_model=None)
    def refer(
        visit: Annotated[_Visit, Depends(handle)], form: Annotated[_Referral, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            refer_ticket(
                ctx,
                visit.number,
                provider=form.provider,
                actor=visit.actor,
                seen=form.seen,
                reason=form.reason,
            )
        except RefusedError as refusal:
            kept = {"what": "refer", "provider": form.provider, "reason": form.reason}
            return _shown(ctx, libraries, visit, refusal, **kept)
        return visit.at("referral")

    @router.post("/tickets/{number}/acceptance", response_model=None)
    def accept(
        visit: Annotated[_Visit, Depends(handle)], form: Annotated[_Acceptance, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        typed = {"person": form.person, "phone": form.phone, "reason": form.reason}
        try:
            record_acceptance(
                ctx, visit.number, actor=visit.actor, seen=form.seen, days=_days(form.days), **typed
            )
        except RefusedError as refusal:
            return _shown(ctx, libraries, visit, refusal, what="accept", days=form.days, **typed)
        return visit.at("referral")

    @router.post("/tickets/{number}/link", response_model=None)
    def renew(
        visit: Annotated[_Visit, Depends(handle)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            resend_link(ctx, visit.number, actor=visit.actor)
        except RefusedError as refusal:
            return _shown(ctx, libraries, visit, refusal)
        return visit.at("referral")


def _days(text: str) -> int:
    """The days that were typed; 0 where none were."""
    if text and not (text.isascii() and text.isdecimal()):
        raise RefusedError("ticket-days", "天数请填数字，例如 10。")
    return int(text or 0)


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
    may_handle = visit.actor.may(Right.HANDLE_TICKETS)
    with ctx.read() as session:
        found = tickets.ticket_numbered(session, visit.number)
        if found is None:
            raise NotFoundError("ticket", "没有这件申请，请核对编号。")
        events = tickets.events_of(session, found.id)
        course = courses.course_of(found, events)
        rounds = surveys_of(session, found.id)
        overdue = courses.overdue_ids(session, [found.id])
        history = referrals.referrals_of(session, found.id)
        advice = advice_on(ctx, session, found, course)
        news = _news(session, events)
        current = _current(ctx, session, libraries, found, history) if may_handle else None
        attachments = attachments_of(session, found.id)
    return page(
        visit.request,
        "ticket.html",
        status=refusal.status if refusal else 200,
        actor=visit.actor,
        csrf=visit.token,
        ticket=found,
        events=events,
        news=news,
        slots=read_slots(found.content),
        advice=advice,
        legs=course.legs,
        history=history,
        current=current,
        attachments=attachments,
        surveys=rounds,
        annex_c=surveys,
        problem=refusal.message if refusal else "",
        kept=kept,
        seen=version(course),
        is_overdue=bool(overdue),
        may_refer=may_handle and course.state in SEEKING,
        offers=offers(course, visit.actor.party) if may_handle else (),
        fields=fields_of(course.kind) if may_handle else (),
        categories=tuple(Category),
        urgencies=tuple(Urgency),
        content_note=next((event.after for event in reversed(events) if event.field == "content"), ""),
        asked_days=next((event.after for event in reversed(events) if event.field == "extension"), ""),
    )


def _news(session: Any, events: Iterable[TicketEvent]) -> Mapping[int, _Told]:
    """The line's id -> what became of what the enterprise was told."""
    lines = [event for event in events if event.told_way and (event.told or event.note)]
    found = delivery.outcomes(session, [f"ticket-line:{event.id}" for event in lines])
    return {event.id: _outcome(found.get(f"ticket-line:{event.id}"), event.told_way) for event in lines}


def _outcome(row: Any, otherwise: str) -> _Told:
    """The state of an outbox row; without one, how it was meant to go."""
    if row is None:
        return _Told(otherwise, "")
    why = row.result if row.state in ("due", "dead", "held") and row.result != "window-closed" else ""
    return _Told("queued" if row.state == "due" else row.state, Meaning.of(why).text if why else "")


def _current(
    ctx: Context, session: Any, libraries: Libraries, ticket: Any, history: Sequence[Any]
) -> _Current | None:
    row = next((one for one in reversed(history) if one.state in referrals.OPEN), None)
    if row is None:
        return None
    key = offer_key(row)
    sent = delivery.outcomes(session, [f"{way}:{key}" for way in _WAYS])
    ways = [
        (label, _outcome(sent[f"{way}:{key}"], "")) for way, label in _WAYS.items() if f"{way}:{key}" in sent
    ]
    record = libraries.records(PROVIDERS).get(row.provider)
    contact = record.contacts[0] if record is not None and record.contacts else None
    return _Current(
        row,
        referral_link(ctx, row.id, row.link_key),
        tuple(ways),
        service_days(ctx, session, row, ticket),
        contact.name if contact else "",
        contact.phone if contact else "",
    )
