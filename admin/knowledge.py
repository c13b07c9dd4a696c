"""The knowledge console: one entry as the contact sees it, its versions, and what may be done with them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse

from admin.auth import Guard
from admin.knowledge_desk import Desk, seat, to_entry
from admin.knowledge_edit import add_editing
from admin.knowledge_files import add_files
from admin.knowledge_gate import add_gate
from admin.knowledge_history import add_history
from admin.knowledge_list import DAYS, VALIDITIES, add_list, validity
from admin.knowledge_try import add_try
from admin.knowledge_words import add_words
from bot.actions import drafts
from bot.actions.context import Context
from bot.actions.drafts import VersionView
from bot.core.answers import answer_text
from bot.core.entry_states import moves
from bot.core.permissions import Right
from bot.errors import NotFoundError, RefusedError
from bot.store.knowledge_figures import EntryFigures, figures_of
from knowledge.entries import Basis, Entry, EntryStatus, Text
from knowledge.fields import read_entry


@dataclass(frozen=True, slots=True)
class _Shown:
    """One text of an entry as the contact sees it."""

    answer: str
    more: str
    days: str
    is_now: bool


def knowledge_router(ctx: Context, guard: Guard) -> APIRouter:
    """Everything under /admin/knowledge but gaps, sweeps and figures."""
    router = APIRouter(prefix="/knowledge", default_response_class=HTMLResponse)
    see = seat(ctx, guard, Right.SEE_TICKETS)
    edit, review = seat(ctx, guard, Right.EDIT_KNOWLEDGE), seat(ctx, guard, Right.PUBLISH_KNOWLEDGE)
    add_list(router, see)
    add_try(router, see)
    add_words(router, see, edit)
    add_files(router, edit)
    add_gate(router, see=see, edit=edit, review=review)
    add_editing(router, edit)
    add_history(router, see)
    _add_entry(router, see)
    _add_moves(router, edit, review)
    return router


def _add_entry(router: APIRouter, see: Callable[..., Desk]) -> None:
    @router.get("/{entry_id:entry}")
    def entry(desk: Annotated[Desk, Depends(see)], entry_id: str, version: str = "") -> HTMLResponse:
        number = int(version) if version.isascii() and version.isdecimal() and len(version) < 16 else 0
        return _entry_page(desk, entry_id, version_id=number)


def _add_moves(router: APIRouter, edit: Callable[..., Desk], review: Callable[..., Desk]) -> None:
    """What changes a version's state; a refusal stands on the entry's page."""

    @router.post("/versions/{version_id}/submit", response_model=None)
    def submit(
        desk: Annotated[Desk, Depends(edit)], version_id: int, csrf: Annotated[str, Form()]
    ) -> HTMLResponse | RedirectResponse:
        do = partial(drafts.submit, desk.ctx, version_id, actor=desk.actor)
        return _done(desk, version_id, csrf, do)

    @router.post("/versions/{version_id}/withdraw", response_model=None)
    def withdraw(
        desk: Annotated[Desk, Depends(edit)], version_id: int, csrf: Annotated[str, Form()]
    ) -> HTMLResponse | RedirectResponse:
        do = partial(drafts.withdraw_draft, desk.ctx, version_id, actor=desk.actor)
        return _done(desk, version_id, csrf, do)

    @router.post("/versions/{version_id}/send-back", response_model=None)
    def send_back(
        desk: Annotated[Desk, Depends(review)],
        version_id: int,
        csrf: Annotated[str, Form()],
        why: Annotated[str, Form(max_length=4000)] = "",
    ) -> HTMLResponse | RedirectResponse:
        do = partial(drafts.send_back, desk.ctx, version_id, actor=desk.actor, why=why.strip())
        return _done(desk, version_id, csrf, do, typed_for="send-back", typed=why)

    @router.post("/versions/{version_id}/restore", response_model=None)
    def restore(
        desk: Annotated[Desk, Depends(edit)], version_id: int, csrf: Annotated[str, Form()]
    ) -> HTMLResponse | RedirectResponse:
        do = partial(drafts.restore, desk.ctx, version_id, actor=desk.actor)
        return _done(desk, version_id, csrf, do)

    @router.post("/{entry_id:entry}/archive", response_model=None)
    def archive(
        desk: Annotated[Desk, Depends(review)],
        entry_id: str,
        csrf: Annotated[str, Form()],
        why: Annotated[str, Form(max_length=4000)] = "",
    ) -> HTMLResponse | RedirectResponse:
        desk.check(csrf)
        try:
            drafts.archive(desk.ctx, entry_id, actor=desk.actor, why=why.strip())
        except RefusedError as refusal:
            return _entry_page(desk, entry_id, refusal, typed_for="archive", typed=why)
        return to_entry(entry_id)


def _done(
    desk: Desk, version_id: int, csrf: str, do: Callable[[], object], *, typed_for: str = "", typed: str = ""
) -> HTMLResponse | RedirectResponse:
    """Do it and show the entry anew; a refusal stands on the page with what was typed."""
    desk.check(csrf)
    with desk.ctx.read() as session:
        entry_id = drafts.version(session, version_id).entry_id
    try:
        do()
    except RefusedError as refusal:
        return _entry_page(desk, entry_id, refusal, typed_for=typed_for, typed=typed)
    return to_entry(entry_id, "#draft")


def _entry_page(
    desk: Desk,
    entry_id: str,
    refusal: RefusedError | None = None,
    *,
    version_id: int = 0,
    typed_for: str = "",
    typed: str = "",
) -> HTMLResponse:
    """One entry: as it is live, or as one of its versions has it; what is not live yet where nothing else is."""
    ctx, live = desk.ctx, desk.ctx.brain.entry(entry_id)
    with ctx.read() as session:
        versions = drafts.history(session, entry_id)
        figures = figures_of(session, [entry_id], since=ctx.clock.now() - DAYS)
    shown = _chosen(versions, version_id, is_live=live is not None)
    entry = read_entry(shown.body)[0] if shown else live
    if entry is None:
        raise NotFoundError("entry", "没有这个条目，请核对编号。")
    open_version = next((one for one in versions if one.state.is_open), None)
    return desk.show(
        "entry.html",
        refusal,
        entry=entry,
        is_live=live is not None,
        shown=shown,
        open=open_version,
        base=next((one for one in versions if one.state == "published"), None),
        gate=drafts.gate_of(open_version) if open_version else None,
        moves=[move.value for move in moves(desk.actor, open_version.state)] if open_version else [],
        versions=versions,
        validity=VALIDITIES.get(validity(entry, desk.today), ""),
        texts=[_as_seen(entry, text, desk.today) for text in entry.texts],
        bases=[_cited(basis) for text in entry.texts for basis in text.basis],
        figures=figures.get(entry_id, EntryFigures()),
        related=[one for one in map(ctx.brain.entry, entry.related) if one is not None],
        typed_for=typed_for,
        typed=typed,
    )


def _chosen(versions: list[VersionView], version_id: int, *, is_live: bool) -> VersionView | None:
    """The version that the page shows; None: what is live."""
    if version_id:
        return next((one for one in versions if one.id == version_id), None)
    return None if is_live else next(iter(versions), None)


def _as_seen(entry: Entry, text: Text, today: date) -> _Shown:
    """A text as it would be sent today; the days on which it may be."""
    begins, ends = text.valid_from, text.valid_until
    days = f"{begins or '以前'} 至 {ends or '以后'}" if begins or ends else "不限日期"
    is_now = entry.status is EntryStatus.PUBLISHED and entry.text_on(today) == text
    return _Shown(answer_text(entry, text, today), text.more, days, is_now)


def _cited(basis: Basis) -> str:
    """A basis with the days on which it is in force."""
    document = basis.document if basis.document.startswith("《") else f"《{basis.document}》"
    number = f"（{basis.number}）" if basis.number else ""
    begins = f"，{basis.from_} 施行" if basis.from_ else ""
    ends = f"，有效至 {basis.until}" if basis.until else ""
    return f"{document}{number}{basis.clause}{begins}{ends}"
