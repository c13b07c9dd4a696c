"""The request board in the browser: list and columns with their clocks, deeds for many, saved views, export."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits
from starlette.responses import Response

from admin.auth import Guard, Visit, visiting
from admin.templating import page
from bot.actions.board import (
    MOST_PICKED,
    Outcome,
    Pick,
    act_on_tickets,
    board_choices,
    drop_view,
    export_board,
    provider_of,
    save_view,
)
from bot.actions.context import Context
from bot.actions.libraries import Libraries
from bot.actions.reveals import reveal_contact
from bot.core.board import (
    MOST_WORDS,
    SOURCES,
    STAGES,
    Act,
    Cursor,
    Filter,
    Layout,
    Mark,
    Order,
    masked_name,
    span_text,
)
from bot.core.deadlines import Step
from bot.core.permissions import Right
from bot.core.ticket_states import TicketKind, TicketState
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import RefusedError
from bot.store import board
from intents.categories import Category
from intents.quantities import Urgency
from intents.text import mask
from knowledge.library_rows import PROVIDERS

_PAGE = 50  # requests of one page of the list
_COLUMN = 20  # and of one column of the board
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class _Posted(BaseModel):
    """What every form of the page carries: the filter brings back the same list."""

    csrf: str
    query: str = Limits("", max_length=2000)


class _Deed(_Posted):
    """One deed for the requests that were ticked, as `number:seen`."""

    act: Act | None = None
    category: str = Limits("", max_length=40)
    urgency: str = Limits("", max_length=20)
    reason: str = Limits("", max_length=2000)
    pick: list[str] = Limits([], max_length=2 * MOST_PICKED)
    row: list[str] = Limits([], max_length=2 * MOST_PICKED)
    whole: bool = False  # all rows of the page

    @property
    def picks(self) -> list[Pick]:
        """What was ticked."""
        parted = (one.partition(":") for one in (self.row if self.whole else self.pick))
        return [Pick(number[:24], seen[:60]) for number, _, seen in parted]

    @property
    def value(self) -> str:
        """The new category or urgency."""
        return {Act.CATEGORY: self.category, Act.URGENCY: self.urgency}.get(self.act or Act.KEEP, "")


class _View(_Posted):
    """A view to keep."""

    name: str = Limits("", max_length=400)


class _Dropped(_Posted):
    """A view to forget."""

    id: int = Limits(0, ge=0, le=2**53)


@dataclass(frozen=True, slots=True)
class _Item:
    """One request as it is shown."""

    row: Any
    seen: str
    applicant: str
    content: str
    provider: str
    step: str
    span: str
    is_overdue: bool


@dataclass(frozen=True, slots=True)
class _Visit(Visit):
    """Who looks at the board."""

    def show(
        self,
        wanted: Filter,
        *,
        after: Cursor | None = None,
        refusal: RefusedError | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """The page; after a refusal with its reason and with what was typed."""
        now = self.ctx.clock.now()
        is_board = wanted.layout is Layout.BOARD
        found = self._columns(wanted, now) if is_board else self._listed(wanted, after, now)
        with self.ctx.read() as session:
            summary = board.board_summary(session, now=now)
            views = board.views_of(session, self.actor.id)
        given = {
            "problem": refusal.message if refusal else "",
            "summary": summary,
            "views": views,
            "f": wanted,
            **found,
            **self._choices(wanted),
            **values,
        }
        status = refusal.status if refusal else 200
        return page(
            self.request, "board.html", status=status, actor=self.actor, csrf=self.token, now=now, **given
        )

    def _listed(self, wanted: Filter, after: Cursor | None, now: datetime) -> dict[str, Any]:
        with self.ctx.read() as session:
            found = board.found_page(session, wanted, now=now, after=after, limit=_PAGE)
            count = board.count_found(session, wanted, now=now) if after is None else None
            seen = board.versions(session, [row.id for row in found.rows]) if self.may_handle else {}
        items = [self._item(row, now, seen.get(row.id, "")) for row in found.rows]
        return {
            "items": items,
            "count": count,
            "most": board.MOST_COUNTED,
            "next": found.next.text if found.next else "",
            "is_first": after is None,
            "acts": tuple(Act) if self.may_handle and items else (),
        }

    def _columns(self, wanted: Filter, now: datetime) -> dict[str, Any]:
        with self.ctx.read() as session:
            found = board.board_columns(session, wanted, now=now, limit=_COLUMN)
        columns = [
            (stage, found[stage.key][0], [self._item(row, now, "") for row in found[stage.key][1]])
            for stage in wanted.stages
        ]
        return {"columns": columns}

    def _item(self, row: Any, now: datetime, seen: str) -> _Item:
        may_see = self.actor.may(Right.SEE_CONTACTS)
        return _Item(
            row,
            seen,
            row.applicant if may_see else masked_name(row.applicant),
            row.content if may_see else mask(row.content),
            provider_of(row),
            Step(row.step).label if row.step else "",
            span_text(row.due_at, now) if row.due_at else "",
            row.due_at is not None and row.due_at <= now,
        )

    def _choices(self, wanted: Filter) -> dict[str, Any]:
        """What the fields of the filter offer; what it asks for stands there whether it is known or not."""
        others = board_choices(self.ctx)
        records = Libraries.of(self.ctx).records(PROVIDERS)
        providers = {number: record.name for number, record in records.items()}
        if wanted.provider:
            providers.setdefault(wanted.provider, wanted.provider)
        return {
            "kinds": tuple(TicketKind),
            "stages": STAGES,
            "states": tuple(TicketState),
            "marks": tuple((mark, say(f"board.mark_{mark.value}")) for mark in Mark),
            "categories": tuple(Category),
            "urgencies": tuple(Urgency),
            "sources": SOURCES,
            "orders": tuple(Order),
            "providers": providers,
            "stations": _with(others.stations, wanted.station),
            "staff": _with(others.staff, wanted.staff),
            "most_words": MOST_WORDS,
            "address": _address,
            "act_label": lambda act: say(f"board.act_{act.value}"),
            "today": china_date(self.ctx.clock.now()).isoformat(),
            # What the tabs and the switch set leads here without the form.
            "is_refined": wanted.at(mark="", state="", layout=Layout.LIST, order=Order.DUE) != Filter(),
            "has_filter": wanted.at(layout=Layout.LIST, order=Order.DUE) != Filter(),
        }

    @property
    def may_handle(self) -> bool:
        """May they act on requests?"""
        return self.actor.may(Right.HANDLE_TICKETS)


def board_router(ctx: Context, guard: Guard) -> APIRouter:
    """/admin/board, its deeds, views and export; and a request's contact, unmasked for those who may."""
    router = APIRouter()
    see, handle = (
        visiting(ctx, guard, Right.SEE_TICKETS, _Visit),
        visiting(ctx, guard, Right.HANDLE_TICKETS, _Visit),
    )
    reveal = visiting(ctx, guard, Right.SEE_CONTACTS, _Visit)

    @router.get("/board", response_class=HTMLResponse)
    def listing(visit: Annotated[_Visit, Depends(see)]) -> HTMLResponse:
        given = visit.request.query_params
        return visit.show(Filter.read(given), after=Cursor.read(given.get("after", "")))

    @router.get("/board/export")
    def export(visit: Annotated[_Visit, Depends(see)]) -> Response:
        data = export_board(ctx, Filter.read(visit.request.query_params), actor=visit.actor)
        return attachment(data, f"requests-{china_date(ctx.clock.now()):%Y%m%d}.xlsx", _XLSX)

    @router.post("/board/bulk", response_class=HTMLResponse)
    def bulk(visit: Annotated[_Visit, Depends(handle)], form: Annotated[_Deed, Form()]) -> HTMLResponse:
        visit.check(form.csrf)
        wanted = Filter.of_query(form.query)
        kept: dict[str, Any] = {"kept": form, "picked": frozenset(pick.number for pick in form.picks)}
        try:
            outcomes = _done(ctx, visit, form)
        except RefusedError as refusal:
            return visit.show(wanted, refusal=refusal, **kept)
        return visit.show(wanted, outcomes=outcomes, done=sum(bool(one.done) for one in outcomes))

    @router.post("/board/views", response_model=None)
    def keep(
        visit: Annotated[_Visit, Depends(see)], form: Annotated[_View, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        wanted = Filter.of_query(form.query)
        try:
            save_view(ctx, actor=visit.actor, name=form.name, query=form.query)
        except RefusedError as refusal:
            return visit.show(wanted, refusal=refusal, view_name=form.name)
        return RedirectResponse(_address(wanted), status_code=303)

    @router.post("/board/views/drop")
    def forget(visit: Annotated[_Visit, Depends(see)], form: Annotated[_Dropped, Form()]) -> RedirectResponse:
        visit.check(form.csrf)
        drop_view(ctx, form.id, actor=visit.actor)
        return RedirectResponse(_address(Filter.of_query(form.query)), status_code=303)

    @router.post("/tickets/{number}/reveal", response_class=HTMLResponse)
    def revealed(
        number: str, visit: Annotated[_Visit, Depends(reveal)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse:
        visit.check(form.csrf)
        found = reveal_contact(ctx, number.upper(), actor=visit.actor)
        return page(visit.request, "reveal.html", actor=visit.actor, csrf=visit.token, found=found)

    return router


def _done(ctx: Context, visit: _Visit, form: _Deed) -> Sequence[Outcome]:
    if form.act is None:
        raise RefusedError("board-act", "请选择要做什么。")
    return act_on_tickets(ctx, form.picks, form.act, actor=visit.actor, value=form.value, reason=form.reason)


def _address(wanted: Filter, path: str = "/admin/board", **changes: str) -> str:
    """The address of the page, or of `path`, with changes to the filter; `after` is where the page begins."""
    after = changes.pop("after", "")
    query = wanted.at(**_typed(changes)).query + (f"&after={after}" if after else "")
    return f"{path}?{query.lstrip('&')}" if query else path


def _typed(changes: Mapping[str, str]) -> dict[str, object]:
    kinds: Mapping[str, Callable[[str], object]] = {"layout": Layout, "order": Order}
    return {name: kinds.get(name, str)(value) for name, value in changes.items()}


def _with(names: Sequence[str], chosen: str) -> tuple[str, ...]:
    return (*names, chosen) if chosen and chosen not in names else tuple(names)


def attachment(data: bytes, name: str, media_type: str) -> Response:
    """A file to be saved, never shown."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=media_type, headers=headers)
