"""The page on which an enterprise rates a service (Annex C): for whoever holds the link, without account or script."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel

from admin.templating import page
from bot.actions.context import Context
from bot.actions.surveys import SurveyPage, rate_by_link, see_survey
from bot.core.surveys import Item, Rating, form, label, options, question
from bot.core.wording import say
from bot.errors import NotFoundError, RefusedError

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    # The address is the right to answer: it goes nowhere.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}


class _Answers(BaseModel):
    """What the form carries: the five items of Annex C, each of them optional, and the opinion."""

    timeliness: str = ""
    expertise: str = ""
    courtesy: str = ""
    overall: str = ""
    solved: str = ""
    note: str = ""

    def chosen(self) -> dict[Item, Rating]:
        """The ratings that were ticked; RefusedError for one that the item does not have."""
        given = {item: getattr(self, item.value) for item in Item}
        if any(value and value not in options(item) for item, value in given.items()):
            raise RefusedError("survey-rating", "请从每一项给出的等级中选择。")
        return {item: Rating(value) for item, value in given.items() if value}


def public_routes(ctx: Context) -> FastAPI:
    """The pages under /s: one for each survey, named by its signed link."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @web.get("/{token}", response_class=HTMLResponse)
    def survey(request: Request, token: str) -> HTMLResponse:
        return _shown(ctx, request, see_survey(ctx, token))

    @web.post("/{token}", response_model=None)
    def rate(
        request: Request, token: str, given: Annotated[_Answers, Form()]
    ) -> HTMLResponse | RedirectResponse:
        try:
            rate_by_link(ctx, token, answers=given.chosen(), note=given.note)
        except NotFoundError:
            raise
        except RefusedError as refusal:
            return _shown(ctx, request, see_survey(ctx, token), refusal, typed=given)
        return RedirectResponse(request.url.path, status_code=303)

    @web.exception_handler(RequestValidationError)
    def unreadable(request: Request, _error: RequestValidationError) -> HTMLResponse:
        return _page(ctx, request, status=422, problem=say("page.unreadable"), found=None)

    @web.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> HTMLResponse:
        return _page(ctx, request, status=error.status, problem=error.message, found=None)

    return web


def _shown(
    ctx: Context,
    request: Request,
    found: SurveyPage,
    refusal: RefusedError | None = None,
    *,
    typed: _Answers | None = None,
) -> HTMLResponse:
    """The form, with what stands there or what was just typed."""
    ticked: Mapping[str, str] = {item.value: rating.value for item, rating in found.answers.items()}
    note = found.note
    if typed is not None:
        ticked = {item.value: getattr(typed, item.value) for item in Item}
        note = typed.note
    return _page(
        ctx,
        request,
        status=refusal.status if refusal else 200,
        problem=refusal.message if refusal else "",
        found=found,
        ticked=ticked,
        note=note,
    )


def _page(ctx: Context, request: Request, *, status: int, **values: object) -> HTMLResponse:
    shown = page(
        request,
        "survey_public.html",
        status=status,
        platform=ctx.settings.platform_name,
        phone=ctx.settings.service_phone,
        items=tuple(Item),
        question=question,
        label=label,
        options=options,
        form=form,
        **values,
    )
    shown.headers.update(_HEADERS)
    return shown
