"""The accounts of staff in the browser: who has one, in which role; invite, reset, change and close them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits
from starlette.datastructures import URL

from admin.auth import Guard, Visit, check_csrf, visiting
from admin.security import invitation_router, security_router
from admin.templating import page
from bot.actions.accounts import (
    add_staff,
    change_role,
    close_account,
    end_sessions,
    list_staff,
    reset_factor,
    reset_password,
    set_email,
)
from bot.actions.context import Context
from bot.actions.invitations import Invited, invite, invite_again
from bot.actions.second_factor import factor_rules, require_factor
from bot.core.permissions import Right, Role
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


class _Required(_Posted):
    """Which roles must have a second factor."""

    roles: list[Role] = Limits([], max_length=len(Role))


class _EmailChange(_Posted):
    """Another address."""

    email: str = Limits("", max_length=200)


@dataclass(frozen=True, slots=True)
class _Visit(Visit):
    """Who looks at the accounts."""

    def show(
        self,
        *,
        chosen: str = "",
        refusal: RefusedError | None = None,
        password: str = "",
        invited: Invited | None = None,
        typed: _Addition | None = None,
    ) -> HTMLResponse:
        """The page: one account opened to be changed, a refusal, the one-time password or the link of an account."""
        found = list_staff(self.ctx)
        required, without = factor_rules(self.ctx)
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
            invited=invited,
            typed=typed,
            required=required,
            without=without,
        )

    def once(self, form: _Posted, do: Callable[[], dict[str, Any]]) -> HTMLResponse:
        """Do it and show, this once, the password or the link that it gave; a refusal keeps what was typed."""
        check_csrf(form.csrf, self.token)
        typed = form if isinstance(form, _Addition) else None
        try:
            given = do()
        except RefusedError as refusal:
            return self.show(chosen="" if typed else form.name, refusal=refusal, typed=typed)
        return self.show(chosen=form.name, **given)

    def change(self, form: _Posted, do: Callable[[], object]) -> HTMLResponse | RedirectResponse:
        """Do it and show the account anew; a refusal stands on the page with its reason."""
        check_csrf(form.csrf, self.token)
        try:
            do()
        except RefusedError as refusal:
            return self.show(chosen=form.name, refusal=refusal)
        address = URL("/admin/accounts").include_query_params(name=form.name)
        return RedirectResponse(f"{address}#chosen", status_code=303)


def accounts_router(ctx: Context, guard: Guard) -> APIRouter:
    """All pages of accounts: those of others, one's own, and that of an invitation."""
    router = APIRouter()
    for part in (_others_router(ctx, guard), security_router(ctx, guard), invitation_router(ctx)):
        router.include_router(part)
    return router


def _others_router(ctx: Context, guard: Guard) -> APIRouter:
    """The page under /admin/accounts and its forms, for who may edit accounts."""
    router = APIRouter(prefix="/accounts")
    visit = visiting(ctx, guard, Right.EDIT_ACCOUNTS, _Visit)

    @router.get("", response_class=HTMLResponse)
    def listing(visit: Annotated[_Visit, Depends(visit)], name: str = "") -> HTMLResponse:
        return visit.show(chosen=name)

    _first_passwords(router, visit)
    _changes(router, visit)
    return router


def _first_passwords(router: APIRouter, visiting: Callable[..., _Visit]) -> None:
    """The forms that give somebody a way in: a link, or a one-time password."""

    @router.post("/invite", response_class=HTMLResponse)
    def inviting(
        visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_Addition, Form()]
    ) -> HTMLResponse:
        person = {"name": form.name, "email": form.email, "by": visit.actor.name}
        return visit.once(form, lambda: {"invited": invite(visit.ctx, role=form.role, **person)})

    @router.post("/again", response_class=HTMLResponse)
    def again(visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_Posted, Form()]) -> HTMLResponse:
        return visit.once(
            form, lambda: {"invited": invite_again(visit.ctx, name=form.name, by=visit.actor.name)}
        )

    @router.post("", response_class=HTMLResponse)
    def add(visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_Addition, Form()]) -> HTMLResponse:
        person = {"name": form.name, "email": form.email, "by": visit.actor.name}
        return visit.once(form, lambda: {"password": add_staff(visit.ctx, role=form.role, **person)})

    @router.post("/password", response_class=HTMLResponse)
    def reset(visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_Posted, Form()]) -> HTMLResponse:
        return visit.once(
            form, lambda: {"password": reset_password(visit.ctx, name=form.name, by=visit.actor.name)}
        )


def _changes(router: APIRouter, visiting: Callable[..., _Visit]) -> None:
    """The forms that change an account, or the rule for all."""

    @router.post("/role", response_model=None)
    def role(
        visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_RoleChange, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(
            form, lambda: change_role(visit.ctx, name=form.name, role=form.role, by=visit.actor.name)
        )

    @router.post("/email", response_model=None)
    def email(
        visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_EmailChange, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(
            form, lambda: set_email(visit.ctx, name=form.name, email=form.email, by=visit.actor.name)
        )

    for path, do in (("/close", close_account), ("/factor", reset_factor), ("/sessions", end_sessions)):
        router.post(path, response_model=None)(_plain(visiting, do))

    @router.post("/required", response_model=None)
    def required(
        visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_Required, Form()]
    ) -> RedirectResponse:
        visit.check(form.csrf)
        require_factor(visit.ctx, roles=form.roles, by=visit.actor.name)
        return RedirectResponse("/admin/accounts#required", status_code=303)


def _plain(
    visiting: Callable[..., _Visit], do: Callable[..., object]
) -> Callable[[_Visit, _Posted], HTMLResponse | RedirectResponse]:
    """A form that needs nothing but the name."""

    def changed(
        visit: Annotated[_Visit, Depends(visiting)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(form, lambda: do(visit.ctx, name=form.name, by=visit.actor.name))

    return changed
