"""The audit trail in the browser: who did what, newest first, to be searched and taken out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from pydantic import Field as Limits
from starlette.responses import Response

from admin.auth import Guard
from admin.board import attachment
from admin.templating import page
from bot.actions.context import Context
from bot.actions.reveals import export_audit, kinds, what_text
from bot.core.board import day_of
from bot.core.permissions import Actor, Right
from bot.core.times import china_date
from bot.store.audit import Search, found_lines
from intents.text import mask

_PAGE = 50  # lines of one page
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class _Filter(BaseModel):
    """What is looked for, as the address says it; nonsense is left out."""

    actor: str = Limits("", max_length=60)
    what: str = Limits("", max_length=40)
    subject: str = Limits("", max_length=120)
    text: str = Limits("", max_length=60)
    since: str = Limits("", max_length=20)
    until: str = Limits("", max_length=20)
    before: str = Limits("", max_length=20)
    form: str = Limits("xlsx", max_length=8)

    @property
    def search(self) -> Search:
        """The same with what we know."""
        typed = {name: getattr(self, name).replace("\0", "").strip() for name in _TYPED}
        return Search(**typed, since=day_of(self.since), until=day_of(self.until))

    @property
    def last(self) -> int | None:
        """The id before which the page begins."""
        is_number = self.before.isascii() and self.before.isdecimal() and len(self.before) < 18
        return int(self.before) if is_number else None


_TYPED = ("actor", "what", "subject", "text")


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who looks at the trail."""

    request: Request
    actor: Actor
    token: str


def audit_router(ctx: Context, guard: Guard) -> APIRouter:
    """/admin/audit and its export."""
    router = APIRouter()
    see = _visit(guard)

    @router.get("/audit", response_class=HTMLResponse)
    def listing(visit: Annotated[_Visit, Depends(see)], given: Annotated[_Filter, Query()]) -> HTMLResponse:
        wanted = given.search
        with ctx.read() as session:
            rows = found_lines(session, wanted, before=given.last, limit=_PAGE + 1)
        hide = str if visit.actor.may(Right.SEE_CONTACTS) else mask
        shown = [(row, what_text(row.what), hide(row.subject), hide(row.note)) for row in rows[:_PAGE]]
        return page(
            visit.request,
            "audit.html",
            actor=visit.actor,
            csrf=visit.token,
            lines=shown,
            s=wanted,
            kinds=kinds(),
            is_first=given.last is None,
            has_filter=wanted != Search(),
            first=_address("/admin/audit", wanted),
            older=_address("/admin/audit", wanted, before=str(rows[_PAGE - 1].id))
            if len(rows) > _PAGE
            else "",
            exports=[(form, _address("/admin/audit/export", wanted, form=form)) for form in _TYPES],
        )

    @router.get("/audit/export")
    def export(visit: Annotated[_Visit, Depends(see)], given: Annotated[_Filter, Query()]) -> Response:
        data = export_audit(ctx, given.search, form=given.form, actor=visit.actor)
        name = f"audit-{china_date(ctx.clock.now()):%Y%m%d}.{given.form}"
        return attachment(data, name, _TYPES[given.form])

    return router


def _visit(guard: Guard) -> Callable[..., _Visit]:
    allowed = guard.require(Right.SEE_AUDIT)

    def visit(
        request: Request,
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
    ) -> _Visit:
        return _Visit(request, actor, token)

    return visit


def _address(path: str, wanted: Search, **more: str) -> str:
    values: dict[str, str | date | None] = {
        name: getattr(wanted, name) for name in (*_TYPED, "since", "until")
    }
    query = urlencode({name: str(value) for name, value in {**values, **more}.items() if value})
    return f"{path}?{query}" if query else path
