"""Sweeps after a changed basis and the calendar of reviews, in the browser."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard, Visit, visiting
from admin.templating import page
from bot.actions import sweeps as actions
from bot.actions.context import Context
from bot.core.permissions import Right
from bot.core.sweeps import Found, Place
from bot.core.times import china_date
from bot.errors import RefusedError

_MOST = 2000  # subjects of one sweep
_PLACES = {
    Place.BASIS: "依据",
    Place.ANSWER: "答复",
    Place.MORE: "更多",
    Place.NEXT: "下一步",
    Place.TITLE: "标题",
    Place.QUESTION: "问法",
    Place.CANNED: "常用回复",
}


class _Typed(BaseModel):
    """What changes, as it was typed."""

    old: str = Limits("", max_length=200)
    new: str = Limits("", max_length=200)
    on: str = Limits("", max_length=10)


class _Confirmed(_Typed):
    """What is to be done about each subject; the choices stand in `deeds` as "suspend MET-05"."""

    csrf: str
    deeds: list[str] = Limits([], max_length=_MOST)

    def chosen(self, deed: str) -> list[str]:
        """The subjects for which that was chosen."""
        return [subject for one in self.deeds for what, _, subject in [one.partition(" ")] if what == deed]


class _Result(BaseModel):
    """What came of a review."""

    csrf: str
    result: str = Limits("", max_length=2000)
    is_resumed: bool = False


class _Opening(BaseModel):
    """A review that is asked for."""

    csrf: str
    subject: str = Limits(max_length=64)
    reason: str = Limits("", max_length=2000)
    due_on: date


@dataclass(frozen=True, slots=True)
class _Visit(Visit):
    """Who sweeps."""

    def show(self, template: str, refusal: RefusedError | None = None, **values: Any) -> HTMLResponse:
        """A page; after a refusal with its reason."""
        return page(
            self.request,
            template,
            status=refusal.status if refusal else 200,
            actor=self.actor,
            csrf=self.token,
            problem=refusal.message if refusal else "",
            today=china_date(self.ctx.clock.now()),
            **values,
        )

    def sweep(self, typed: _Typed, refusal: RefusedError | None = None) -> HTMLResponse:
        """The form, and what cites the document once one is named; what was chosen is kept."""
        change, found = None, list[Found]()
        if typed.old:
            try:
                change = actions.read_change(typed.old, typed.new, typed.on)
            except RefusedError as problem:
                refusal = refusal or problem
        if change is not None:
            with self.ctx.read() as session:
                found = actions.find_citing(self.ctx, session, change)
        chosen = set(typed.deeds) if isinstance(typed, _Confirmed) else {_usual(one) for one in found}
        return self.show(
            "sweep.html",
            refusal,
            typed=typed,
            change=change,
            found=found,
            chosen=chosen,
            places=_PLACES,
            may_publish=self.actor.may(Right.PUBLISH_KNOWLEDGE),
        )

    def reviews(
        self, refusal: RefusedError | None = None, *, done: str = "", kept: tuple[int, str] = (0, "")
    ) -> HTMLResponse:
        """The calendar; after a refusal with what was typed."""
        with self.ctx.read() as session:
            calendar = actions.review_calendar(self.ctx, session)
        return self.show("reviews.html", refusal, calendar=calendar, done=done, kept=kept)


def sweeps_router(ctx: Context, guard: Guard) -> APIRouter:
    """The pages under /admin/knowledge/sweep and /admin/knowledge/reviews, for who may edit the knowledge."""
    router = APIRouter(prefix="/knowledge")
    visit = visiting(ctx, guard, Right.EDIT_KNOWLEDGE, _Visit)

    @router.get("/sweep", response_class=HTMLResponse)
    def sweep(visit: Annotated[_Visit, Depends(visit)], typed: Annotated[_Typed, Query()]) -> HTMLResponse:
        return visit.sweep(typed)

    @router.post("/sweep", response_model=None)
    def confirm(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Confirmed, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            change = actions.read_change(form.old, form.new, form.on)
            swept = actions.confirm_sweep(
                ctx,
                change,
                suspend=form.chosen("suspend"),
                review=form.chosen("review"),
                actor=visit.actor,
            )
        except RefusedError as refusal:
            return visit.sweep(form, refusal)
        address = f"/admin/knowledge/reviews?done={swept.suspended}-{swept.reviews}"
        return RedirectResponse(address, status_code=303)

    _add_reviews(router, ctx, visit)
    return router


def _add_reviews(router: APIRouter, ctx: Context, visit: Callable[..., _Visit]) -> None:
    @router.get("/reviews", response_class=HTMLResponse)
    def calendar(
        visit: Annotated[_Visit, Depends(visit)],
        done: Annotated[str, Query(pattern=r"^\d{0,5}(-\d{1,5})?$")] = "",
    ) -> HTMLResponse:
        return visit.reviews(done=done)

    @router.post("/reviews", response_model=None)
    def open_one(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Opening, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            actions.open_review(
                ctx, subject=form.subject, reason=form.reason, due_on=form.due_on, actor=visit.actor
            )
        except RefusedError as refusal:
            return visit.reviews(refusal)
        return RedirectResponse("/admin/knowledge/reviews#open", status_code=303)

    @router.post("/reviews/{review_id}", response_model=None)
    def finish(
        visit: Annotated[_Visit, Depends(visit)], review_id: int, form: Annotated[_Result, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            actions.finish_review(
                ctx, review_id, result=form.result, actor=visit.actor, is_resumed=form.is_resumed
            )
        except RefusedError as refusal:
            return visit.reviews(refusal, kept=(review_id, form.result))
        return RedirectResponse("/admin/knowledge/reviews#done", status_code=303)


def _usual(found: Found) -> str:
    """What is chosen unless somebody chooses otherwise: what rests on the document stops, the rest is looked at."""
    return f"{'suspend' if found.rests_on_it else 'review'} {found.subject}"
