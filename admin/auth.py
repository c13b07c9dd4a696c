"""Log in, log out, and the actor behind a request."""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Cookie, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from admin.templating import page
from bot.actions.accounts import change_password, log_in, log_out, who_is
from bot.actions.context import Context
from bot.core.permissions import Actor, Right
from bot.errors import ForbiddenError, RefusedError

COOKIE = "nqi_session"


class NotLoggedInError(Exception):
    """Nobody is logged in: the page is the log-in form."""


class MustChangeError(Exception):
    """The first password is still in use: the page is the one that changes it."""


class Guard:
    """Who is asking, and may they?"""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def session(self, key: str) -> tuple[Actor, str]:
        """The actor and the CSRF token of a session key; raises NotLoggedInError."""
        found = who_is(self._ctx, key)
        if found is None:
            raise NotLoggedInError
        return found

    def token(self, nqi_session: Annotated[str, Cookie()] = "") -> str:
        """A dependency: the CSRF token that the forms of a page carry."""
        return self.session(nqi_session)[1]

    def require(self, right: Right) -> Callable[[str], Actor]:
        """A dependency: the actor, who holds this right."""

        def actor(nqi_session: Annotated[str, Cookie()] = "") -> Actor:
            found, _csrf = self.session(nqi_session)
            if found.must_change:
                raise MustChangeError
            if not found.may(right):
                raise ForbiddenError("right", "您没有查看这一页的权限。")
            return found

        return actor


def auth_router(ctx: Context, guard: Guard) -> APIRouter:
    """The pages around the password."""
    router = APIRouter()

    @router.get("/login", response_class=HTMLResponse)
    def login_form(request: Request) -> HTMLResponse:
        return page(request, "login.html")

    @router.post("/login", response_model=None)
    def login(
        request: Request,
        name: Annotated[str, Form(max_length=60)],
        password: Annotated[str, Form(max_length=200)],
    ) -> HTMLResponse | RedirectResponse:
        try:
            begun = log_in(ctx, name=name.strip(), password=password)
        except RefusedError as refusal:
            return page(request, "login.html", status=refusal.status, problem=refusal.message, name=name)
        response = RedirectResponse(
            "/admin/password" if begun.actor.must_change else "/admin/", status_code=303
        )
        response.set_cookie(
            COOKIE,
            begun.key,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/admin",
        )
        return response

    def session(nqi_session: Annotated[str, Cookie()] = "") -> tuple[Actor, str]:
        return guard.session(nqi_session)

    @router.get("/password", response_class=HTMLResponse)
    def password_form(
        request: Request, found: Annotated[tuple[Actor, str], Depends(session)]
    ) -> HTMLResponse:
        return page(request, "password.html", actor=found[0], csrf=found[1])

    @router.post("/password", response_model=None)
    def password_change(
        request: Request,
        found: Annotated[tuple[Actor, str], Depends(session)],
        csrf: Annotated[str, Form()],
        old: Annotated[str, Form(max_length=200)],
        new: Annotated[str, Form(max_length=200)],
        nqi_session: Annotated[str, Cookie()] = "",
    ) -> HTMLResponse | RedirectResponse:
        actor, token = found
        check_csrf(csrf, token)
        try:
            change_password(ctx, actor, old=old, new=new, keep=nqi_session)
        except RefusedError as refusal:
            return page(
                request,
                "password.html",
                status=refusal.status,
                actor=actor,
                csrf=token,
                problem=refusal.message,
            )
        return RedirectResponse("/admin/", status_code=303)

    @router.post("/logout")
    def logout(
        found: Annotated[tuple[Actor, str], Depends(session)],
        csrf: Annotated[str, Form()],
        nqi_session: Annotated[str, Cookie()] = "",
    ) -> RedirectResponse:
        check_csrf(csrf, found[1])
        log_out(ctx, key=nqi_session)
        response = RedirectResponse("/admin/login", status_code=303)
        response.delete_cookie(COOKIE, path="/admin")
        return response

    return router


def check_csrf(given: str, token: str) -> None:
    """Refuse a form that another site sent."""
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise ForbiddenError("csrf", "页面已过期，请刷新后重试。")
