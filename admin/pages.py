"""The staff pages: what is in the application under /admin, and its first page."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from admin.accounts import accounts_router
from admin.attachments import attachments_router
from admin.audit import audit_router
from admin.auth import Guard, MustChangeError, NotLoggedInError, auth_router
from admin.board import board_router
from admin.canned import canned_router
from admin.clocks import clocks_router
from admin.console import console_router
from admin.figures import figures_router
from admin.gaps import gaps_router
from admin.improvements import improvements_router
from admin.intake import intake_router
from admin.knowledge import knowledge_router
from admin.libraries import libraries_router
from admin.outbox import outbox_router
from admin.sweeps import sweeps_router
from admin.templating import STATIC, page
from admin.tickets import tickets_router
from bot.actions.context import Context
from bot.actions.libraries import Libraries
from bot.actions.outbox import channel_faults
from bot.core.permissions import Actor, Right
from bot.core.wording import say
from bot.errors import RefusedError
from bot.store import board, conversations, courses, improvements, tickets

_ROUTERS = (
    auth_router,
    accounts_router,
    audit_router,
    board_router,
    improvements_router,
    attachments_router,
    intake_router,
    outbox_router,
    clocks_router,
    canned_router,
    # Their addresses lie under /knowledge, where the rest of the path is an entry's id.
    gaps_router,
    sweeps_router,
    figures_router,
    knowledge_router,
)


def admin_app(ctx: Context, *, typing: Callable[[int], None] = lambda conversation_id: None) -> FastAPI:
    """Everything under /admin; `typing` shows a contact that staff write to it."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    guard = Guard(ctx)
    libraries = Libraries.of(ctx)
    web.include_router(_router(ctx, guard))
    web.include_router(tickets_router(ctx, guard, libraries))
    for router in _ROUTERS:
        web.include_router(router(ctx, guard))
    web.include_router(console_router(ctx, guard, typing=typing))
    web.include_router(libraries_router(ctx, guard, libraries))
    web.mount("/static", StaticFiles(directory=STATIC), name="static")

    @web.exception_handler(NotLoggedInError)
    def to_login(_request: Request, _error: NotLoggedInError) -> RedirectResponse:
        return RedirectResponse("/admin/login", status_code=303)

    @web.exception_handler(MustChangeError)
    def to_password(_request: Request, _error: MustChangeError) -> RedirectResponse:
        return RedirectResponse("/admin/password", status_code=303)

    @web.exception_handler(RequestValidationError)
    def unreadable(request: Request, _error: RequestValidationError) -> HTMLResponse:
        return page(request, "refused.html", status=422, problem=say("page.unreadable"))

    @web.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> HTMLResponse:
        return page(request, "refused.html", status=error.status, problem=error.message)

    return web


def _router(ctx: Context, guard: Guard) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)
    see = guard.require(Right.SEE_TICKETS)

    @router.get("/")
    def overview(
        request: Request,
        actor: Annotated[Actor, Depends(see)],
        token: Annotated[str, Depends(guard.token)],
    ) -> HTMLResponse:
        now = ctx.clock.now()
        with ctx.read() as session:
            found = tickets.recent_tickets(session, limit=50)
            return page(
                request,
                "overview.html",
                actor=actor,
                csrf=token,
                waiting=conversations.waiting_conversations(session),
                tickets=found,
                overdue=courses.overdue_ids(session, [ticket.id for ticket in found]),
                counts=tickets.count_tickets(session),
                summary=board.board_summary(session, now=now),
                tasks=len(improvements.open_tasks(session)),
                faults=channel_faults(session, now) if actor.may(Right.RUN_CHANNELS) else (),
                entries=len(ctx.brain.entries),
            )

    return router
