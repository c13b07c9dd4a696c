"""How well the knowledge answers, in the browser: every number leads to the records that it counts."""

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard
from admin.templating import page
from bot.actions.context import Context
from bot.core.figures import (
    Kind,
    Line,
    Record,
    by_category,
    by_week,
    checks_of,
    first_day,
    line_of,
    opinions_of,
    pick,
    questions_of,
)
from bot.core.gaps import masked
from bot.core.permissions import Actor, Right
from bot.core.times import CHINA, china_date
from bot.store import figures, gaps
from intents.categories import OOS, Category
from knowledge.entries import Entry

_ADDRESS = "/admin/knowledge/figures"
_WEEKS = (4, 12, 26)
_SHOWN = 100  # records of one number at a time
_LABELS = {
    Kind.ASKED: "提问",
    Kind.HIT: "答复了的提问",
    Kind.AT_ONCE: "直接答复的提问",
    Kind.CHOSEN: "追问后答复的提问",
    Kind.MISSED: "没有答复的提问",
    Kind.RATED: "评价过的答复",
    Kind.HELPFUL: "评价为有帮助的答复",
    Kind.CHECKED: "工作人员核对过类别的提问",
    Kind.RIGHT: "核对后类别正确的提问",
}


class _Wanted(BaseModel):
    """Which number is looked into."""

    kind: Kind
    weeks: int = Limits(4, ge=1, le=52)
    week: str = Limits("", max_length=8)
    category: str = Limits("", max_length=32)
    skip: int = Limits(0, ge=0, le=1_000_000)


@dataclass(frozen=True, slots=True)
class _Shown:
    """One record as the page shows it."""

    record: Record
    text: str


def figures_router(ctx: Context, guard: Guard) -> APIRouter:
    """The page under /admin/knowledge/figures."""
    router = APIRouter(prefix="/knowledge/figures")
    allowed = guard.require(Right.SEE_TICKETS)

    @router.get("", response_class=HTMLResponse)
    def overview(
        request: Request,
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
        weeks: Annotated[int, Query(ge=1, le=52)] = 4,
    ) -> HTMLResponse:
        today = china_date(ctx.clock.now())
        begin = first_day(today, weeks=weeks)
        records = _records(ctx, begin)
        return page(
            request,
            "figures.html",
            actor=actor,
            csrf=token,
            weeks=weeks,
            choices=_WEEKS,
            begin=begin,
            total=line_of("", records),
            chosen=len(pick(records, Kind.CHOSEN)),
            missed=len(pick(records, Kind.MISSED)),
            by_week=by_week(records),
            by_category=_in_order(by_category(records)),
            never=_never_hit(ctx, records, today),
            live=sum(1 for entry in ctx.brain.entries if entry.text_on(today)),
            address=lambda kind, week="", category="": _address(kind, weeks, week, category),
            label=_category,
        )

    @router.get("/records", response_class=HTMLResponse)
    def counted(
        request: Request,
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
        wanted: Annotated[_Wanted, Query()],
    ) -> HTMLResponse:
        begin = first_day(china_date(ctx.clock.now()), weeks=wanted.weeks)
        found = pick(_records(ctx, begin), wanted.kind, week=wanted.week, category=wanted.category)
        rest = wanted.skip + _SHOWN
        address = _address(wanted.kind, wanted.weeks, wanted.week, wanted.category)
        return page(
            request,
            "figures.html",
            actor=actor,
            csrf=token,
            weeks=wanted.weeks,
            records=_with_texts(ctx, found[wanted.skip : rest]),
            count=len(found),
            title=_LABELS[wanted.kind],
            week=wanted.week,
            category=wanted.category,
            next=f"{address}&skip={rest}" if rest < len(found) else "",
            may_read=actor.may(Right.SEE_CONVERSATIONS),
            label=_category,
        )

    return router


def _records(ctx: Context, begin: date) -> list[Record]:
    """Every record since a day in China."""
    since = datetime.combine(begin, time(), CHINA)
    categories = {entry.id: entry.category.value for entry in ctx.brain.entries}
    with ctx.read() as session:
        spoken = figures.spoken_since(session, gaps.first_id_since(session, since))
        opinions = figures.opinions_since(session, since)
        decided = figures.decided_since(session, since)
    return [*questions_of(spoken), *opinions_of(opinions, categories), *checks_of(decided)]


def _in_order(lines: list[Line]) -> list[Line]:
    """Categories in the order of Annex B, out of scope last."""
    order = {category.value: place for place, category in enumerate(Category)}
    return sorted(lines, key=lambda line: order.get(line.key, len(order)))


def _never_hit(ctx: Context, records: list[Record], today: date) -> dict[str, list[Entry]]:
    """Entries that may be given today and were not, by category."""
    hit = {one.entry_id for one in records if Kind.HIT in one.kinds}
    never: dict[str, list[Entry]] = {category.value: [] for category in Category}
    for entry in ctx.brain.entries:
        if entry.id not in hit and entry.text_on(today) is not None:
            never[entry.category.value].append(entry)
    return {key: entries for key, entries in never.items() if entries}


def _with_texts(ctx: Context, records: list[Record]) -> list[_Shown]:
    with ctx.read() as session:
        texts = figures.texts_of(session, [one.message_id for one in records])
    return [_Shown(one, masked(texts.get(one.message_id, ""))) for one in records]


def _address(kind: str, weeks: int, week: str, category: str) -> str:
    wanted: dict[str, Any] = {"kind": kind, "weeks": weeks, "week": week, "category": category}
    return f"{_ADDRESS}/records?" + urlencode({key: value for key, value in wanted.items() if value})


def _category(key: str) -> str:
    return "不属于服务范围" if key == OOS else Category(key).label if key in set(Category) else key
