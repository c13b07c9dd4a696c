"""The staff console: who waits, who is spoken with, and one conversation with all that staff need beside it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.attachments import Upload, upload_reader
from admin.auth import Guard, check_csrf
from admin.console_desk import Desk, Filter, Visit
from admin.console_events import events_router
from admin.console_views import talk_of
from admin.presence import Presence
from bot.actions import takeover
from bot.actions.console import reveal_contact
from bot.actions.context import Context
from bot.actions.proposals import propose
from bot.core.canned import open_gaps
from bot.core.permissions import Actor, Right
from bot.errors import RefusedError

Typing = Callable[[int], None]
"""Shows the contact of a conversation that somebody types, as far as the channel can; never raises."""


class _Posted(BaseModel):
    """What every form carries."""

    csrf: str


class _Words(_Posted):
    """The answer box."""

    text: str = Limits("", max_length=4000)
    key: str = Limits("", max_length=60)  # of the page: the same form sent twice says it once
    how: str = Limits("", max_length=10)  # now, later, note
    insert: str = Limits("", max_length=60)  # canned:<id> or entry:<id> is put into the box first


class _Transfer(_Posted):
    """Who takes over."""

    to: str = Limits("", max_length=60)
    why: str = Limits("", max_length=500)


class _Correction(_Posted):
    """What a message should have been taken for."""

    kind: str = Limits(max_length=12)  # category, answer
    after: str = Limits("", max_length=64)
    note: str = Limits("", max_length=500)


class _Read(_Posted):
    """How far somebody has read."""

    last: int = Limits(ge=0, lt=2**63)


class _FormFields(_Posted):
    """The running form, as staff complete it."""

    key: str = Limits("", max_length=60)
    content: str = Limits("", max_length=2000)
    applicant: str = Limits("", max_length=60)
    person: str = Limits("", max_length=20)
    phone: str = Limits("", max_length=40)
    category: str = Limits("", max_length=32)


class _Away(_Posted):
    """Whether somebody takes a break."""

    away: bool = False


def _nothing(_conversation_id: int) -> None:
    """No channel shows that somebody types."""


def console_router(ctx: Context, guard: Guard, typing: Typing = _nothing) -> APIRouter:
    """Everything under /admin/console."""
    router = APIRouter()
    presence = Presence(ctx)
    desk = Desk(ctx, presence)
    router.include_router(events_router(ctx, guard, presence))
    see = guard.require(Right.SEE_CONVERSATIONS)

    @router.get("/console", response_class=HTMLResponse)
    def inbox(
        request: Request,
        actor: Annotated[Actor, Depends(see)],
        token: Annotated[str, Depends(guard.token)],
        wanted: Annotated[Filter, Query()],
    ) -> HTMLResponse:
        return desk.inbox(request, actor, token, wanted)

    @router.get("/console/list", response_class=HTMLResponse)
    def listed(
        request: Request, actor: Annotated[Actor, Depends(see)], wanted: Annotated[Filter, Query()]
    ) -> HTMLResponse:
        return desk.part(request, actor, wanted)

    @router.post("/console/away")
    def away(
        actor: Annotated[Actor, Depends(guard.require(Right.HANDLE_TICKETS))],
        token: Annotated[str, Depends(guard.token)],
        form: Annotated[_Away, Form()],
    ) -> RedirectResponse:
        check_csrf(form.csrf, token)
        takeover.set_away(ctx, actor=actor, is_away=form.away)
        return RedirectResponse("/admin/console", status_code=303)

    _add_reading(router, desk, guard)
    _add_talking(router, desk, guard)
    _add_holding(router, desk, guard)
    _add_signs(router, desk, guard, typing)
    return router


def _visitor(guard: Guard, right: Right) -> Callable[..., Visit]:
    allowed = guard.require(right)

    def visit(
        request: Request,
        conversation_id: Annotated[int, Path(ge=1, lt=2**63)],
        # The actor is found out first: strangers' bodies are not read.
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
    ) -> Visit:
        names = {name: request.query_params.get(name, "")[:60] for name in Filter.model_fields}
        return Visit(request, conversation_id, actor, token, Filter(**{k: v for k, v in names.items() if v}))

    return visit


def _add_reading(router: APIRouter, desk: Desk, guard: Guard) -> None:
    see = _visitor(guard, Right.SEE_CONVERSATIONS)

    @router.get("/console/{conversation_id}", response_class=HTMLResponse)
    def chat(
        visit: Annotated[Visit, Depends(see)],
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    ) -> HTMLResponse:
        answer = desk.chat(visit, before=before)
        _mark_read(desk.ctx, visit)
        return answer

    @router.get("/console/{conversation_id}/messages", response_class=HTMLResponse)
    def messages(
        visit: Annotated[Visit, Depends(see)], after: Annotated[int, Query(ge=0, lt=2**63)] = 0
    ) -> HTMLResponse:
        return desk.messages(visit, after)

    @router.post("/console/{conversation_id}/reveal", response_class=HTMLResponse)
    def reveal(
        visit: Annotated[Visit, Depends(_visitor(guard, Right.SEE_CONTACTS))],
        form: Annotated[_Posted, Form()],
    ) -> HTMLResponse:
        visit.check(form.csrf)
        return desk.chat(visit, revealed=reveal_contact(desk.ctx, visit.id, actor=visit.actor))


def _mark_read(ctx: Context, visit: Visit) -> None:
    """Who opens the page has read what stands there."""
    if visit.actor.may(Right.HANDLE_TICKETS):
        with ctx.read() as session:
            last = talk_of(session, visit.id).last_id
        takeover.mark_read(ctx, visit.id, actor=visit.actor, message_id=last)


def _add_talking(router: APIRouter, desk: Desk, guard: Guard) -> None:
    ctx, handle = desk.ctx, _visitor(guard, Right.HANDLE_TICKETS)

    @router.post("/console/{conversation_id}/say", response_model=None)
    def say(
        visit: Annotated[Visit, Depends(handle)], form: Annotated[_Words, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        if form.insert:
            return desk.chat(
                visit, kept={"text": desk.inserted(visit, form.text, form.insert), "key": form.key}
            )
        try:
            _send(ctx, visit, form)
        except RefusedError as refusal:
            return desk.chat(visit, refusal, kept={"text": form.text, "key": form.key})
        desk.presence.rest(visit.id, visit.actor)
        return visit.done

    @router.post("/console/{conversation_id}/image", response_model=None)
    def image(
        visit: Annotated[Visit, Depends(handle)],
        given: Annotated[Upload, Depends(upload_reader(ctx))],
        key: Annotated[str, Query(max_length=60)] = "",
    ) -> HTMLResponse | RedirectResponse:
        try:
            if given.refusal is not None:
                raise given.refusal
            visit.check(given.csrf)
            takeover.send_image(
                ctx, visit.id, actor=visit.actor, content=given.content, name=given.name, key=key
            )
        except RefusedError as refusal:
            return desk.chat(visit, refusal)
        return visit.done

    @router.post("/console/{conversation_id}/messages/{message_id}/correction", response_model=None)
    def correct(
        visit: Annotated[Visit, Depends(handle)],
        message_id: Annotated[int, Path(ge=1, lt=2**63)],
        form: Annotated[_Correction, Form()],
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            propose(
                ctx,
                actor=visit.actor,
                message_id=message_id,
                kind=form.kind,
                after=form.after,
                note=form.note,
            )
        except RefusedError as refusal:
            return desk.chat(visit, refusal, kept={"note": form.note, "corrected": str(message_id)})
        return visit.done


def _send(ctx: Context, visit: Visit, form: _Words) -> None:
    text = form.text.replace("\r\n", "\n").strip()
    if form.how == "note":
        takeover.note(ctx, visit.id, actor=visit.actor, text=text)
        return
    if gaps := open_gaps(text):
        raise RefusedError("canned-gap", f"还有没填的空：{'、'.join(gaps)}。请补全后再发送。")
    way = takeover.say_later if form.how == "later" else takeover.say
    way(ctx, visit.id, actor=visit.actor, text=text, key=form.key)


def _add_holding(router: APIRouter, desk: Desk, guard: Guard) -> None:
    ctx, handle = desk.ctx, _visitor(guard, Right.HANDLE_TICKETS)

    def _done(visit: Visit, do: Callable[[], object], **kept: str) -> HTMLResponse | RedirectResponse:
        try:
            do()
        except RefusedError as refusal:
            return desk.chat(visit, refusal, kept=kept)
        return visit.done

    @router.post("/console/{conversation_id}/claim", response_model=None)
    def claim(
        visit: Annotated[Visit, Depends(handle)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        return _done(visit, lambda: takeover.claim(ctx, visit.id, actor=visit.actor))

    @router.post("/console/{conversation_id}/hand-back", response_model=None)
    def hand_back(
        visit: Annotated[Visit, Depends(handle)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        return _done(visit, lambda: takeover.hand_back(ctx, visit.id, actor=visit.actor))

    @router.post("/console/{conversation_id}/transfer", response_model=None)
    def transfer(
        visit: Annotated[Visit, Depends(handle)], form: Annotated[_Transfer, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        move = lambda: takeover.transfer(ctx, visit.id, actor=visit.actor, to=form.to, why=form.why)  # noqa: E731
        return _done(visit, move, to=form.to, why=form.why)

    @router.post("/console/{conversation_id}/form", response_model=None)
    def finish(
        visit: Annotated[Visit, Depends(handle)], form: Annotated[_FormFields, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        values = form.model_dump(exclude={"csrf"})
        kept = {f"form_{name}": value for name, value in values.items()}
        try:
            takeover.finish_form(ctx, visit.id, actor=visit.actor, **values)
        except takeover.FormError as error:
            words = " ".join(problem.message for problem in error.problems)
            return desk.chat(visit, RefusedError(error.code, words), kept=kept)
        except RefusedError as refusal:
            return desk.chat(visit, refusal, kept=kept)
        return visit.done


def _add_signs(router: APIRouter, desk: Desk, guard: Guard, typing: Typing) -> None:
    """Small signs of life that pages send by themselves."""
    see, handle = _visitor(guard, Right.SEE_CONVERSATIONS), _visitor(guard, Right.HANDLE_TICKETS)

    @router.post("/console/{conversation_id}/typing", status_code=204)
    def type_(visit: Annotated[Visit, Depends(handle)], form: Annotated[_Posted, Form()]) -> Response:
        visit.check(form.csrf)
        with desk.ctx.read() as session:
            talk = talk_of(session, visit.id)
        is_due = desk.presence.type(visit.id, visit.actor)
        if is_due and talk.holder == "staff" and talk.staff_id == visit.actor.id:
            typing(visit.id)
        return Response(status_code=204)

    @router.post("/console/{conversation_id}/read", status_code=204)
    def read(visit: Annotated[Visit, Depends(see)], form: Annotated[_Read, Form()]) -> Response:
        visit.check(form.csrf)
        if visit.actor.may(Right.HANDLE_TICKETS):
            takeover.mark_read(desk.ctx, visit.id, actor=visit.actor, message_id=form.last)
        return Response(status_code=204)
