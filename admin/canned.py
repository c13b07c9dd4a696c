"""The page of the canned replies."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard, Visit, check_csrf, visiting
from admin.templating import page
from bot.actions.canned import WrongFieldsError, drop_canned, save_canned
from bot.actions.context import Context
from bot.core.canned import GAPS, TEXT_LIMIT
from bot.core.permissions import Right
from bot.errors import RefusedError
from bot.store import console
from intents.categories import Category


class _Reply(BaseModel):
    """A reply as it was typed; the action says in words what is wrong with it."""

    csrf: str
    shortcut: str = Limits("", max_length=60)
    title: str = Limits("", max_length=200)
    text: str = Limits("", max_length=4000)
    category: str = Limits("", max_length=32)


class _Posted(BaseModel):
    """A form without fields."""

    csrf: str


@dataclass(frozen=True, slots=True)
class _Desk(Visit):
    """Who keeps the replies."""

    def show(
        self, refusal: RefusedError | None = None, *, typed: _Reply | None = None, reply_id: int | None = None
    ) -> HTMLResponse:
        """The page; after a refusal with what was typed, in the form where it was typed."""
        with self.ctx.read() as session:
            replies = console.canned_replies(session)
        return page(
            self.request,
            "canned_replies.html",
            status=refusal.status if refusal else 200,
            actor=self.actor,
            csrf=self.token,
            replies=replies,
            problem=refusal.message if refusal else "",
            problems=refusal.problems if isinstance(refusal, WrongFieldsError) else {},
            typed=typed,
            typed_id=reply_id,
            may_edit=self.actor.may(Right.HANDLE_TICKETS),
            gaps=GAPS,
            text_limit=TEXT_LIMIT,
            categories=tuple(Category),
        )

    def save(self, form: _Reply, reply_id: int | None) -> HTMLResponse | RedirectResponse:
        """Keep a reply and show the page anew."""
        check_csrf(form.csrf, self.token)
        values = form.model_dump(exclude={"csrf"})
        try:
            kept = save_canned(self.ctx, actor=self.actor, reply_id=reply_id, **values)
        except RefusedError as refusal:
            return self.show(refusal, typed=form, reply_id=reply_id)
        return RedirectResponse(f"/admin/canned#reply-{kept}", status_code=303)


def canned_router(ctx: Context, guard: Guard) -> APIRouter:
    """Everything under /admin/canned."""
    router = APIRouter()
    see, edit = (
        visiting(ctx, guard, Right.SEE_CONVERSATIONS, _Desk),
        visiting(ctx, guard, Right.HANDLE_TICKETS, _Desk),
    )

    @router.get("/canned", response_class=HTMLResponse)
    def shown(desk: Annotated[_Desk, Depends(see)]) -> HTMLResponse:
        return desk.show()

    @router.post("/canned", response_model=None)
    def add(
        desk: Annotated[_Desk, Depends(edit)], form: Annotated[_Reply, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return desk.save(form, None)

    @router.post("/canned/{reply_id}", response_model=None)
    def change(
        desk: Annotated[_Desk, Depends(edit)],
        reply_id: Annotated[int, Path(ge=1, lt=2**63)],
        form: Annotated[_Reply, Form()],
    ) -> HTMLResponse | RedirectResponse:
        return desk.save(form, reply_id)

    @router.post("/canned/{reply_id}/remove", response_model=None)
    def remove(
        desk: Annotated[_Desk, Depends(edit)],
        reply_id: Annotated[int, Path(ge=1, lt=2**63)],
        form: Annotated[_Posted, Form()],
    ) -> HTMLResponse | RedirectResponse:
        check_csrf(form.csrf, desk.token)
        try:
            drop_canned(ctx, reply_id, actor=desk.actor)
        except RefusedError as refusal:
            return desk.show(refusal)
        return RedirectResponse("/admin/canned", status_code=303)

    return router
