"""Log in, with a second step where the account has one; log out; and the actor behind a request."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Cookie, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from admin.templating import page
from bot.actions.accounts import log_in
from bot.actions.context import Context
from bot.actions.passwords import change_password
from bot.actions.second_factor import CodeNeededError, log_in_with_code
from bot.actions.sessions import Browser, Known, Login, log_out, who_is
from bot.core.permissions import Actor, Right
from bot.errors import ForbiddenError, RefusedError

COOKIE = "nqi_session"


class NotLoggedInError(Exception):
    """Nobody is logged in: the page is the log-in form."""


class MustChangeError(Exception):
    """The first password is still in use: the page is the one that changes it."""


class MustSetUpError(HTTPException):
    """Their role must have a second factor, and they have none: the page is the one that sets it up."""

    def __init__(self) -> None:
        super().__init__(status_code=303, headers={"Location": "/admin/security"})


class Guard:
    """Who is asking, and may they? `known` and `token` are dependencies; a request looks its session up once."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

        def known(nqi_session: Annotated[str, Cookie()] = "") -> Known:
            return self.session(nqi_session)

        def token(found: Annotated[Known, Depends(known)]) -> str:
            return found.csrf

        self.known: Callable[[str], Known] = known
        """A dependency: somebody who is logged in, with whatever is still to be set up."""
        self.token: Callable[[Known], str] = token
        """A dependency: the CSRF token that the forms of a page carry."""

    def session(self, key: str) -> Known:
        """Who is behind a session key; raises NotLoggedInError."""
        found = who_is(self._ctx, key)
        if found is None:
            raise NotLoggedInError
        return found

    def is_live(self, key: str) -> bool:
        """Has the session not ended? For streams that outlive a request; asking does not prolong it."""
        return who_is(self._ctx, key, is_use=False) is not None

    def require(self, right: Right) -> Callable[[Known], Actor]:
        """A dependency: the actor, who holds this right."""

        def actor(found: Annotated[Known, Depends(self.known)]) -> Actor:
            if found.actor.must_change:
                raise MustChangeError
            if found.must_set_up:
                raise MustSetUpError
            if not found.actor.may(right):
                raise ForbiddenError("right", "您没有查看这一页的权限。")
            return found.actor

        return actor


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at a page; the pages of a module add how they show themselves."""

    ctx: Context
    request: Request
    actor: Actor
    token: str

    def check(self, csrf: str) -> None:
        """Refuse a form that another site sent."""
        check_csrf(csrf, self.token)


V = TypeVar("V", bound=Visit)


def visiting(ctx: Context, guard: Guard, right: Right, kind: type[V]) -> Callable[..., V]:
    """A dependency: the visit of somebody who holds this right."""
    allowed = guard.require(right)

    def visit(
        request: Request,
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
    ) -> V:
        return kind(ctx, request, actor, token)

    return visit


def auth_router(ctx: Context, guard: Guard) -> APIRouter:
    """The pages around the password."""
    router = APIRouter()

    @router.get("/login", response_class=HTMLResponse)
    def login_form(request: Request) -> HTMLResponse:
        return page(request, "login.html")

    @router.post("/login", response_model=None, dependencies=[Depends(check_origin)])
    def login(
        request: Request,
        name: Annotated[str, Form(max_length=60)],
        password: Annotated[str, Form(max_length=200)],
    ) -> HTMLResponse | RedirectResponse:
        try:
            begun = log_in(ctx, name=name.strip(), password=password, browser=browser_of(request))
        except CodeNeededError as needed:
            return page(request, "second_factor.html", ticket=needed.ticket)
        except RefusedError as refusal:
            return page(request, "login.html", status=refusal.status, problem=refusal.message, name=name)
        return entered(request, begun)

    @router.post("/login/code", response_model=None, dependencies=[Depends(check_origin)])
    def login_code(
        request: Request,
        ticket: Annotated[str, Form(max_length=500)],
        code: Annotated[str, Form(max_length=20)],
    ) -> HTMLResponse | RedirectResponse:
        try:
            begun = log_in_with_code(ctx, ticket=ticket, code=code, browser=browser_of(request))
        except RefusedError as refusal:
            form = "login.html" if refusal.code == "login-ticket" else "second_factor.html"
            return page(request, form, status=refusal.status, problem=refusal.message, ticket=ticket)
        return entered(request, begun)

    _password_pages(router, ctx, guard)

    @router.post("/logout")
    def logout(
        found: Annotated[Known, Depends(guard.known)],
        csrf: Annotated[str, Form()],
        nqi_session: Annotated[str, Cookie()] = "",
    ) -> RedirectResponse:
        check_csrf(csrf, found.csrf)
        log_out(ctx, key=nqi_session)
        response = RedirectResponse("/admin/login", status_code=303)
        response.delete_cookie(COOKIE, path="/admin")
        return response

    return router


def _password_pages(router: APIRouter, ctx: Context, guard: Guard) -> None:
    @router.get("/password", response_class=HTMLResponse)
    def password_form(request: Request, found: Annotated[Known, Depends(guard.known)]) -> HTMLResponse:
        return page(request, "password.html", actor=found.actor, csrf=found.csrf, **room(found))

    @router.post("/password", response_model=None)
    def password_change(
        request: Request,
        found: Annotated[Known, Depends(guard.known)],
        csrf: Annotated[str, Form()],
        old: Annotated[str, Form(max_length=200)],
        new: Annotated[str, Form(max_length=200)],
        nqi_session: Annotated[str, Cookie()] = "",
    ) -> HTMLResponse | RedirectResponse:
        check_csrf(csrf, found.csrf)
        try:
            change_password(ctx, found.actor, old=old, new=new, keep=nqi_session)
        except RefusedError as refusal:
            return page(
                request,
                "password.html",
                status=refusal.status,
                actor=found.actor,
                csrf=found.csrf,
                problem=refusal.message,
                **room(found),
            )
        return RedirectResponse("/admin/", status_code=303)


def room(found: Known) -> dict[str, Any]:
    """Without the second factor that is due there is no navigation: every page would lead back."""
    return {"pages": ()} if found.must_set_up else {}


def entered(request: Request, begun: Login) -> RedirectResponse:
    """The answer to a log-in that has succeeded: the cookie, and the first page."""
    # Never an address from the request: nobody is led elsewhere by a log-in.
    first = "/admin/password" if begun.actor.must_change else "/admin/"
    response = RedirectResponse(first, status_code=303)
    response.set_cookie(
        COOKIE,
        begun.key,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/admin",
    )
    return response


def browser_of(request: Request) -> Browser:
    """Where a log-in comes from, in visible characters."""
    agent = "".join(char for char in request.headers.get("user-agent", "") if char.isprintable())
    return Browser(request.client.host if request.client else "", agent)


def check_origin(request: Request) -> None:
    """A dependency of forms that nobody is logged in for yet: refuse one that another site sent.

    Every browser since 2023 says so itself (Sec-Fetch-Site); who sends nothing is no browser with a victim in it.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("csrf", "请从本站的登录页登录。")


def check_csrf(given: str, token: str) -> None:
    """Refuse a form that another site sent."""
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise ForbiddenError("csrf", "页面已过期，请刷新后重试。")
