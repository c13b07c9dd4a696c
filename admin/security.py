"""One's own account: the second factor, where one is logged in, and the page that an invitation leads to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import segno
from fastapi import APIRouter, Cookie, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from admin.auth import Guard, MustChangeError, browser_of, check_csrf, check_origin, entered, room
from admin.templating import page
from bot.actions import second_factor as factors
from bot.actions.accounts import log_in
from bot.actions.context import Context
from bot.actions.invitations import accept_invitation, guest_of
from bot.actions.second_factor import CodeNeededError
from bot.actions.sessions import Known, end_other_sessions, end_session, open_sessions
from bot.core import second_factor
from bot.core.wording import say
from bot.errors import RefusedError

_PAGE = "/admin/security"
_ISSUER = "质量服务助手"
# The first that stands in what a browser calls itself names it: several claim to be others as well.
_BROWSERS = (
    ("MicroMessenger", "微信"),
    ("Edg", "Edge"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "安卓"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A new second factor as it is put into an app."""

    ticket: str
    secret: str
    picture: str  # a data: address


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who looks at their own account, by which session."""

    ctx: Context
    request: Request
    known: Known
    key: str

    def show(
        self, *, wants: bool = False, refusal: RefusedError | None = None, ticket: str = ""
    ) -> HTMLResponse:
        """The page; `wants`: with a second factor to be set up, the one of `ticket` again where that is still good."""
        has = factors.has_factor(self.ctx, self.known.actor)
        return page(
            self.request,
            "security.html",
            status=refusal.status if refusal else 200,
            actor=self.known.actor,
            csrf=self.known.csrf,
            must_set_up=self.known.must_set_up,
            has_factor=has,
            offer=self._offer(ticket) if not has and (wants or self.known.must_set_up) else None,
            sessions=open_sessions(self.ctx, self.known.actor, key=self.key),
            browser=_browser,
            problem=refusal.message if refusal else "",
            problem_at=refusal.code if refusal else "",
            **room(self.known),
        )

    def _offer(self, ticket: str) -> _Offer:
        secret = factors.secret_in(self.ctx, self.known.actor, ticket) if ticket else ""
        if not secret:
            secret, ticket = factors.new_factor(self.ctx, self.known.actor)
        address = second_factor.address(secret, name=self.known.actor.name, issuer=_ISSUER)
        picture = segno.make(address, error="l").svg_data_uri(scale=4, border=3, light="#fff")
        return _Offer(ticket, second_factor.in_groups(secret), picture)

    def change(
        self, csrf: str, do: Callable[[], object], *, ticket: str = ""
    ) -> HTMLResponse | RedirectResponse:
        """Do it and show the page anew; a refusal stands on it with its reason."""
        check_csrf(csrf, self.known.csrf)
        try:
            do()
        except RefusedError as refusal:
            return self.show(wants=bool(ticket), refusal=refusal, ticket=ticket)
        return RedirectResponse(_PAGE, status_code=303)


def _browser(agent: str) -> str:
    """A browser and its system in words, as far as they are known."""
    names = (next((name for mark, name in known if mark in agent), "") for known in (_BROWSERS, _SYSTEMS))
    return " · ".join(name for name in names if name) or "未知的浏览器"


def security_router(ctx: Context, guard: Guard) -> APIRouter:
    """The page under /admin/security and its forms, for everybody who is logged in."""
    router = APIRouter(prefix="/security")

    def visit(
        request: Request,
        known: Annotated[Known, Depends(guard.known)],
        nqi_session: Annotated[str, Cookie()] = "",
    ) -> _Visit:
        if known.actor.must_change:
            raise MustChangeError
        return _Visit(ctx, request, known, nqi_session)

    visiting = Annotated[_Visit, Depends(visit)]
    token = Annotated[str, Form()]
    code = Annotated[str, Form(max_length=20)]
    password = Annotated[str, Form(max_length=200)]

    @router.get("", response_class=HTMLResponse)
    def own(visit: visiting, setup: bool = False) -> HTMLResponse:
        return visit.show(wants=setup)

    @router.post("/factor", response_model=None)
    def begin(
        visit: visiting,
        csrf: token,
        ticket: Annotated[str, Form(max_length=500)],
        code: code,
        password: password,
    ) -> HTMLResponse | RedirectResponse:
        proof = {"ticket": ticket, "code": code, "password": password}
        return visit.change(
            csrf, lambda: factors.set_factor(ctx, visit.known.actor, keep=visit.key, **proof), ticket=ticket
        )

    @router.post("/factor/end", response_model=None)
    def end(visit: visiting, csrf: token, code: code, password: password) -> HTMLResponse | RedirectResponse:
        return visit.change(
            csrf, lambda: factors.end_factor(ctx, visit.known.actor, code=code, password=password)
        )

    @router.post("/sessions/end", response_model=None)
    def end_one(
        visit: visiting, csrf: token, session: Annotated[str, Form(max_length=64)]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(csrf, lambda: end_session(ctx, visit.known.actor, session_id=session))

    @router.post("/sessions/others", response_model=None)
    def end_others(visit: visiting, csrf: token) -> HTMLResponse | RedirectResponse:
        return visit.change(csrf, lambda: end_other_sessions(ctx, visit.known.actor, keep=visit.key))

    return router


def invitation_router(ctx: Context) -> APIRouter:
    """The page of an invitation, for whoever holds the link."""
    router = APIRouter(prefix="/invitation")

    @router.get("/{key}", response_class=HTMLResponse)
    def form(request: Request, key: str) -> HTMLResponse:
        return _invitation(ctx, request, key)

    @router.post("/{key}", response_model=None, dependencies=[Depends(check_origin)])
    def accept(
        request: Request, key: str, password: Annotated[str, Form(max_length=200)]
    ) -> HTMLResponse | RedirectResponse:
        try:
            name = accept_invitation(ctx, key, password=password)
            begun = log_in(ctx, name=name, password=password, browser=browser_of(request))
        except CodeNeededError as needed:
            return page(request, "second_factor.html", ticket=needed.ticket)
        except RefusedError as refusal:
            return _invitation(ctx, request, key, refusal=refusal)
        return entered(request, begun)

    return router


def _invitation(
    ctx: Context, request: Request, key: str, *, refusal: RefusedError | None = None
) -> HTMLResponse:
    """The form, with what was wrong; for a link that is no good the page that says so."""
    guest = guest_of(ctx, key)
    return page(
        request,
        "invitation.html",
        status=refusal.status if refusal else 200,
        guest=guest,
        role=say(f"role.{guest.role}"),
        key=key,
        problem=refusal.message if refusal else "",
    )
