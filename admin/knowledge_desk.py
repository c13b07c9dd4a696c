"""Who sits at the knowledge console, and what all of its pages share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.convertors import StringConvertor, register_url_convertor

from admin.auth import Guard, check_csrf
from admin.templating import page
from bot.actions.context import Context
from bot.core.entry_states import EntryState
from bot.core.permissions import Actor, Right
from bot.core.times import china_date
from bot.errors import NotFoundError, RefusedError
from knowledge.entries import Entry

CONFIDENCES = {"high": "高", "medium": "中"}
STATES = {state.value: state.label for state in EntryState}
OUTCOMES = {
    "answer": "直接答复",
    "clarify": "请对方选择",
    "refer": "建议登记需求",
    "act": "办理（问候、转人工等）",
    "oos": "不在服务范围",
}


class _EntryConvertor(StringConvertor):
    """Entry ids hold a hyphen; the other pages under /knowledge have none in their names."""

    regex = "[A-Za-z0-9_]+-[A-Za-z0-9_-]+"


register_url_convertor("entry", _EntryConvertor())


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks at a page of the console."""

    ctx: Context
    request: Request
    actor: Actor
    token: str

    @property
    def today(self) -> date:
        """The day in China."""
        return china_date(self.ctx.clock.now())

    def check(self, csrf: str) -> None:
        """Refuse a form that another site sent."""
        check_csrf(csrf, self.token)

    def show(self, template: str, refusal: RefusedError | None = None, **values: Any) -> HTMLResponse:
        """A page, with the reason of a refusal."""
        common = {
            "actor": self.actor,
            "csrf": self.token,
            "problem": refusal.message if refusal else "",
            "may_edit": self.actor.may(Right.EDIT_KNOWLEDGE),
            "may_publish": self.actor.may(Right.PUBLISH_KNOWLEDGE),
            "may_override": self.actor.may(Right.OVERRIDE_GATE),
            "today": self.today,
            "states": STATES,
            "confidences": CONFIDENCES,
            "outcomes": OUTCOMES,
        }
        status = refusal.status if refusal else 200
        return page(self.request, template, status=status, **{**common, **values})


Seat = Callable[..., Desk]


def seat(ctx: Context, guard: Guard, right: Right) -> Seat:
    """A dependency: the desk of somebody who holds this right."""
    allowed = guard.require(right)

    def desk(
        request: Request,
        actor: Annotated[Actor, Depends(allowed)],
        token: Annotated[str, Depends(guard.token)],
    ) -> Desk:
        return Desk(ctx, request, actor, token)

    return desk


def entry_named(desk: Desk, entry_id: str) -> Entry:
    """The live entry of that id; raises NotFoundError."""
    found = desk.ctx.brain.entry(entry_id)
    if found is None:
        raise NotFoundError("entry", "没有这个条目，请核对编号。")
    return found


def to_entry(entry_id: str, place: str = "") -> RedirectResponse:
    """Show the entry anew."""
    return RedirectResponse(f"/admin/knowledge/{entry_id}{place}", status_code=303)
