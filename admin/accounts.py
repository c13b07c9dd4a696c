"""The accounts of staff in the browser: who has one, in which role; open, reset, change and close them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits
from starlette.datastructures import URL

from admin.auth import Guard, check_csrf
from admin.templating import page
from bot.actions.accounts import (
    add_staff,
    change_role,
    close_account,
    list_staff,
    reset_password,
    set_email,
)
from bot.actions.context import Context
from bot.core.permissions import Actor, Right, Role
from bot.core.wording import say
from bot.errors import RefusedError


class _Posted(BaseModel):
    """What every form of the page carries; the action says in words what is wrong with a name."""

    csrf: str
    name: str = Limits("", max_length=200)


class _Addition(_Posted):
    """A new account."""

    role: Role
    email: str = Limits("", max_length=200)


class _RoleChange(_Posted):
    """Another role."""

    role: Role


class _EmailChange(_Posted):
    """Another address."""

    email: str = Limits("", max_length=200)


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who looks at the accounts."""

    ctx: Context
    request: Request
    actor: Actor
    token: str

    def show(
        self,
        *,
        chosen: str = "",
        refusal: RefusedError | None = None,
        password: str = "",
        typed: _Addition | None = None,
    ) -> HTMLResponse:
        """The page: one account opened to be changed, a refusal, or the one-time password of an account."""
        found = list_staff(self.ctx)
        return page(
            self.request,
            "accounts.html",
            status=refusal.status if refusal else 200,
            actor=self.actor,
            csrf=self.token,
            accounts=found,
            labels={role: say(f"role.{role}") for role in Role},
            chosen=next((one for one in found if one.name == chosen), None),
            problem=refusal.message if refusal else "",
            password=password,
            typed=typed,
        )

    def change(self, form: _Posted, do: Callable[[], None]) -> HTMLResponse | RedirectResponse:
        """Do it and show the account anew; a refusal stands on the page with its reason."""
        check_csrf(form.csrf, self.token)
        try:
            do()
        except RefusedError as refusal:
            return self.show(chosen=form.name, refusal=refusal)
        address = URL("/admin/accounts").include_query_params(name=form.name)
        return RedirectResponse(f"{address}#chosen", status_code=303)


def accounts_router(ctx: Context, guard: Guard) -> APIRouter:
    """The page under /admin/accounts and its forms, for who may edit accounts."""
    router = APIRouter(prefix="/accounts")
    allowed = guard.require(Right.EDIT_ACCOUNTS)

    def visit(
        request: Request,
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
    ) -> _Visit:
        return _Visit(ctx, request, actor, token)

    @router.get("", response_class=HTMLResponse)
    def listing(visit: Annotated[_Visit, Depends(visit)], name: str = "") -> HTMLResponse:
        return visit.show(chosen=name)

    @router.post("", response_class=HTMLResponse)
    def add(visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Addition, Form()]) -> HTMLResponse:
        check_csrf(form.csrf, visit.token)
        try:
            password = add_staff(ctx, name=form.name, role=form.role, email=form.email, by=visit.actor.name)
        except RefusedError as refusal:
            return visit.show(refusal=refusal, typed=form)
        return visit.show(chosen=form.name, password=password)

    @router.post("/password", response_class=HTMLResponse)
    def reset(visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Posted, Form()]) -> HTMLResponse:
        check_csrf(form.csrf, visit.token)
        try:
            password = reset_password(ctx, name=form.name, by=visit.actor.name)
        except RefusedError as refusal:
            return visit.show(chosen=form.name, refusal=refusal)
        return visit.show(chosen=form.name, password=password)

    @router.post("/role", response_model=None)
    def role(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_RoleChange, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(
            form, lambda: change_role(ctx, name=form.name, role=form.role, by=visit.actor.name)
        )

    @router.post("/email", response_model=None)
    def email(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_EmailChange, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(
            form, lambda: set_email(ctx, name=form.name, email=form.email, by=visit.actor.name)
        )

    @router.post("/close", response_model=None)
    def close(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(form, lambda: close_account(ctx, name=form.name, by=visit.actor.name))

    return router
