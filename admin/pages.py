"""The staff pages: what waits, what was registered, what was said."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from admin.accounts import accounts_router
from admin.attachments import attachments_router
from admin.auth import Guard, MustChangeError, NotLoggedInError, auth_router
from admin.clocks import clocks_router
from admin.improvements import improvements_router
from admin.intake import intake_router
from admin.libraries import libraries_router
from admin.outbox import outbox_router
from admin.templating import STATIC, page
from admin.tickets import tickets_router
from bot.actions.context import Context
from bot.actions.libraries import Libraries
from bot.core.permissions import Actor, Right
from bot.errors import NotFoundError, RefusedError
from bot.store import conversations, courses, delivery, tickets


def admin_app(ctx: Context) -> FastAPI:
    """Everything under /admin."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    guard = Guard(ctx)
    web.include_router(auth_router(ctx, guard))
    web.include_router(accounts_router(ctx, guard))
    libraries = Libraries.of(ctx)
    web.include_router(_router(ctx, guard))
    web.include_router(tickets_router(ctx, guard, libraries))
    for router in (improvements_router, attachments_router, intake_router, outbox_router, clocks_router):
        web.include_router(router(ctx, guard))
    web.include_router(libraries_router(ctx, guard, libraries))
    web.mount("/static", StaticFiles(directory=STATIC), name="static")

    @web.exception_handler(NotLoggedInError)
    def to_login(_request: Request, _error: NotLoggedInError) -> RedirectResponse:
        return RedirectResponse("/admin/login", status_code=303)

    @web.exception_handler(MustChangeError)
    def to_password(_request: Request, _error: MustChangeError) -> RedirectResponse:
        return RedirectResponse("/admin/password", status_code=303)

    @web.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> HTMLResponse:
        return page(request, "refused.html", status=error.status, problem=error.message)

    return web


def _router(ctx: Context, guard: Guard) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse)
    see_tickets = guard.require(Right.SEE_TICKETS)
    see_conversations = guard.require(Right.SEE_CONVERSATIONS)

    @router.get("/")
    def overview(
        request: Request,
        actor: Annotated[Actor, Depends(see_tickets)],
        token: Annotated[str, Depends(guard.token)],
    ) -> HTMLResponse:
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
                receipts=conversations.count_receipts(session),
                outbox=delivery.count_outbox(session),
                entries=len(ctx.brain.entries),
            )

    @router.get("/conversations/{conversation_id}")
    def conversation(
        request: Request,
        conversation_id: int,
        actor: Annotated[Actor, Depends(see_conversations)],
        token: Annotated[str, Depends(guard.token)],
    ) -> HTMLResponse:
        with ctx.read() as session:
            messages = conversations.transcript(session, conversation_id)
        if not messages:
            raise NotFoundError("conversation", "没有这个会话。")
        return page(request, "conversation.html", actor=actor, csrf=token, messages=messages)

    return router
