"""Unanswered questions and proposed corrections, as maintainers settle them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard, Visit, visiting
from admin.templating import page
from bot.actions import gaps as actions
from bot.actions import proposals
from bot.actions.context import Context
from bot.core.gaps import Deed, Gap, Why, masked
from bot.core.permissions import Actor, Right
from bot.core.wording import say
from bot.errors import NotFoundError, RefusedError
from bot.store import gaps
from intents.categories import OOS, Category

_ADDRESS = "/admin/knowledge/gaps"
_DAYS = (7, 30, 90)
_Days = Annotated[int, Query(ge=1, le=actions.MOST_DAYS)]
_SHOWN = 30  # gaps on a page
_SAMPLES = 3  # wordings of a gap in the list
_MOST_TEXTS = 12  # wordings that are offered for an entry
_MOST_MESSAGES = 100  # of one gap, with links to their conversations
_PROPOSALS = 50
_WHYS = {Why.OOS: "被当作无关", Why.REFER: "没有条目", Why.NONE: "选了“都不是”", Why.UNHELPFUL: "没帮助"}
_DEEDS = {
    Deed.ENTRY: "新建条目",
    Deed.QUESTION: "收为问法",
    Deed.OOS: "不属于服务范围",
    Deed.TICKET: "登记需求",
}
_STATES = {"open": "待处理", "accepted": "已采纳", "rejected": "未采纳"}


class _Posted(BaseModel):
    """What the forms of a gap carry: which messages were seen, and what is to be done about them."""

    csrf: str
    ids: str = Limits("", max_length=200_000, pattern=r"^[0-9,]*$")
    texts: list[str] = Limits([], max_length=_MOST_TEXTS)
    entry: str = Limits("", max_length=40)
    category: str = Limits("", max_length=32)
    message: int = 0

    @property
    def messages(self) -> list[int]:
        """The ids of the messages that were seen."""
        return [int(one) for one in self.ids.split(",") if one]


class _TakenBack(BaseModel):
    """Whose deed is taken back."""

    csrf: str
    by: str = Limits(max_length=60)
    at: datetime


class _Decision(BaseModel):
    """What becomes of a proposal."""

    csrf: str
    why: str = Limits("", max_length=2000)


@dataclass(frozen=True, slots=True)
class _Visit(Visit):
    """Who looks at the gaps."""

    def show(self, template: str, refusal: RefusedError | None = None, **values: Any) -> HTMLResponse:
        """A page; after a refusal with its reason."""
        return page(
            self.request,
            template,
            status=refusal.status if refusal else 200,
            actor=self.actor,
            csrf=self.token,
            problem=refusal.message if refusal else "",
            problems=getattr(refusal, "problems", ()),
            label=_category,
            masked=masked,
            may_read=self.actor.may(Right.SEE_CONVERSATIONS),
            **values,
        )

    def listing(
        self, *, days: int = 30, skip: int = 0, done: str = "", refusal: RefusedError | None = None
    ) -> HTMLResponse:
        """The list of gaps."""
        with self.ctx.read() as session:
            found = actions.unanswered(self.ctx, session, days=days)
            ready = actions.ready_entries(self.ctx, session)
            deeds = gaps.recent_deeds(session, limit=10)
            waiting = gaps.count_proposals(session).get("open", 0)
        return self.show(
            "gaps.html",
            refusal,
            gaps=found[skip : skip + _SHOWN],
            count=len(found),
            messages=sum(gap.count for gap in found),
            next=skip + _SHOWN if skip + _SHOWN < len(found) else 0,
            skip=skip,
            days=days,
            choices=_DAYS,
            whys=_WHYS,
            samples=_SAMPLES,
            ready=ready,
            deeds=deeds,
            deed_labels=_DEEDS,
            waiting=waiting,
            done=done,
        )

    def gap(
        self,
        message_id: int,
        *,
        days: int,
        refusal: RefusedError | None = None,
        typed: _Posted | None = None,
    ) -> HTMLResponse:
        """One gap, with what can be done about it; after a refusal with what was chosen."""
        with self.ctx.read() as session:
            found = actions.unanswered(self.ctx, session, days=days)
        gap = _gap_with(found, message_id)
        if gap is None:
            if refusal is not None:
                return self.listing(days=days, refusal=refusal)
            raise NotFoundError("gap", say("gaps.gone"))
        texts = list(dict.fromkeys(masked(text) for text in gap.texts))[:_MOST_TEXTS]
        return self.show(
            "gap.html",
            refusal,
            gap=gap,
            days=days,
            ids=",".join(str(one.message_id) for one in gap.questions),
            texts=texts,
            chosen=typed.texts if typed else texts,
            entry=typed.entry if typed else "",
            category=next((key for key, _count in gap.categories if key), ""),
            categories=tuple(Category),
            shown=gap.questions[:_MOST_MESSAGES],
            whys=_WHYS,
            likely=self._likely(gap),
        )

    def _likely(self, gap: Gap) -> list[tuple[str, str]]:
        """Entries that the gap may belong to: those that did not help, then those that stand nearest."""
        given = [one.entry_id for one in gap.questions if one.entry_id]
        hits = self.ctx.brain.index.search(gap.texts[0], today=self.ctx.clock.now().date(), limit=5)
        ids = dict.fromkeys((*given, *(hit.entry.id for hit in hits)))
        entries = (self.ctx.brain.entry(one) for one in ids)
        return [(entry.id, entry.title) for entry in entries if entry is not None][:6]


def gaps_router(ctx: Context, guard: Guard) -> APIRouter:
    """The pages under /admin/knowledge/gaps and /admin/knowledge/proposals, for who may edit the knowledge."""
    router = APIRouter(prefix="/knowledge")
    visit = visiting(ctx, guard, Right.EDIT_KNOWLEDGE, _Visit)

    @router.get("/gaps", response_class=HTMLResponse)
    def listing(
        visit: Annotated[_Visit, Depends(visit)],
        days: _Days = 30,
        skip: Annotated[int, Query(ge=0, le=100_000)] = 0,
        done: Annotated[str, Query(max_length=20)] = "",
    ) -> HTMLResponse:
        return visit.listing(days=days, skip=skip, done=done)

    _add_deeds(router, ctx, visit)
    _add_telling(router, ctx, visit)
    _add_proposals(router, ctx, visit)
    return router


def _add_deeds(router: APIRouter, ctx: Context, visit: Callable[..., _Visit]) -> None:
    @router.get("/gaps/{message_id}", response_class=HTMLResponse)
    def one(visit: Annotated[_Visit, Depends(visit)], message_id: int, days: _Days = 30) -> HTMLResponse:
        return visit.gap(message_id, days=days)

    @router.post("/gaps/{message_id}/{deed}", response_model=None)
    def settle(
        visit: Annotated[_Visit, Depends(visit)],
        message_id: int,
        deed: Deed,
        form: Annotated[_Posted, Form()],
        days: _Days = 30,
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            return RedirectResponse(_do(ctx, deed, form, actor=visit.actor), status_code=303)
        except RefusedError as refusal:
            return visit.gap(message_id, days=days, refusal=refusal, typed=form)


def _do(ctx: Context, deed: Deed, form: _Posted, *, actor: Actor) -> str:
    """Do it; gives the page that follows."""
    match deed:
        case Deed.ENTRY:
            actions.settle(ctx, form.messages, deed, actor=actor)
            given = [("question", text) for text in form.texts]
            given += [("category", form.category)] if form.category in set(Category) else []
            return f"/admin/knowledge/new?{urlencode([('from', 'gaps'), *given])}"
        case Deed.QUESTION:
            entry_id = form.entry.strip().upper()
            actions.add_to_entry(ctx, form.messages, entry_id=entry_id, texts=form.texts, actor=actor)
            return f"/admin/knowledge/{entry_id}"
        case Deed.OOS:
            actions.settle(ctx, form.messages, deed, actor=actor)
            return f"{_ADDRESS}?done=oos"
        case Deed.TICKET:
            return f"/admin/tickets/{actions.open_request(ctx, form.message, actor=actor)}"


def _add_telling(router: APIRouter, ctx: Context, visit: Callable[..., _Visit]) -> None:
    @router.post("/askers", response_model=None)
    def tell(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        try:
            count = actions.tell_askers(ctx, entry_id=form.entry, actor=visit.actor)
        except RefusedError as refusal:
            return visit.listing(refusal=refusal)
        return RedirectResponse(f"{_ADDRESS}?done=told-{count}", status_code=303)

    @router.post("/deeds", response_model=None)
    def take_back(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_TakenBack, Form()]
    ) -> HTMLResponse | RedirectResponse:
        visit.check(form.csrf)
        actions.take_back(ctx, by=form.by, at=form.at, actor=visit.actor)
        return RedirectResponse(f"{_ADDRESS}?done=back", status_code=303)


def _add_proposals(router: APIRouter, ctx: Context, visit: Callable[..., _Visit]) -> None:
    @router.get("/proposals", response_class=HTMLResponse)
    def listing(
        visit: Annotated[_Visit, Depends(visit)],
        show: Annotated[str, Query(pattern="^(open|accepted|rejected)$")] = "open",
        before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    ) -> HTMLResponse:
        return _proposals(visit, show, before=before)

    @router.get("/proposals/corrections.tsv")
    def lines(_visit: Annotated[_Visit, Depends(visit)]) -> PlainTextResponse:
        text = "".join(f"{line}\n" for line in proposals.corrections(ctx))
        headers = {
            "Content-Disposition": 'attachment; filename="corrections.tsv"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return PlainTextResponse(text, headers=headers)

    @router.post("/proposals/{proposal_id}/accept", response_model=None)
    def accept(
        visit: Annotated[_Visit, Depends(visit)], proposal_id: int, form: Annotated[_Decision, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return _decided(
            visit, proposal_id, form, lambda: proposals.accept_proposal(ctx, proposal_id, actor=visit.actor)
        )

    @router.post("/proposals/{proposal_id}/reject", response_model=None)
    def reject(
        visit: Annotated[_Visit, Depends(visit)], proposal_id: int, form: Annotated[_Decision, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return _decided(
            visit,
            proposal_id,
            form,
            lambda: proposals.reject_proposal(ctx, proposal_id, actor=visit.actor, why=form.why),
        )


def _decided(
    visit: _Visit, proposal_id: int, form: _Decision, do: Callable[[], object]
) -> HTMLResponse | RedirectResponse:
    visit.check(form.csrf)
    try:
        do()
    except RefusedError as refusal:
        return _proposals(visit, "open", refusal=refusal, kept=(proposal_id, form.why))
    return RedirectResponse("/admin/knowledge/proposals", status_code=303)


def _proposals(
    visit: _Visit,
    show: str,
    *,
    before: int | None = None,
    refusal: RefusedError | None = None,
    kept: tuple[int, str] = (0, ""),
) -> HTMLResponse:
    with visit.ctx.read() as session:
        rows = gaps.proposals(session, state=show, before=before, limit=_PROPOSALS + 1)
        counts = gaps.count_proposals(session)
    titles = {entry.id: entry.title for entry in visit.ctx.brain.entries}
    return visit.show(
        "proposals.html",
        refusal,
        proposals=rows[:_PROPOSALS],
        next=rows[_PROPOSALS - 1].id if len(rows) > _PROPOSALS else 0,
        shown=show,
        states=_STATES,
        counts=counts,
        titles=titles,
        kept=kept,
    )


def _gap_with(found: Sequence[Gap], message_id: int) -> Gap | None:
    return next((gap for gap in found if any(one.message_id == message_id for one in gap.questions)), None)


def _category(key: str) -> str:
    if key in ("", OOS):
        return "不属于服务范围"
    return Category(key).label if key in set(Category) else key
