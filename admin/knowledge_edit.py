"""Drafts of entries in the browser: write, submit, send back, give up, restore, archive."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException

from admin.knowledge_desk import Desk, Seat, entry_named, to_entry
from admin.knowledge_form import MOST_FIELDS, Typed, form_of, typed_in
from bot.actions import drafts
from bot.errors import RefusedError
from intents.categories import Category
from knowledge.fields import BASIS_NAMES, ENTRY_NAMES, TEXT_NAMES, Problem, entry_to_dict

_QUESTIONS_TAKEN = 50  # from the address of a new entry


async def _posted(request: Request) -> Typed:
    """The form as it was typed; raises RefusedError for one that no page of ours sends."""
    try:
        async with request.form(max_files=0, max_fields=MOST_FIELDS) as form:
            return typed_in(form)
    except HTTPException as error:
        raise RefusedError("form", "内容太多或不完整，请减少一些再保存。") from error


def add_editing(router: APIRouter, edit: Seat) -> None:
    """/knowledge/new and /knowledge/{id}/edit."""

    @router.get("/new")
    def blank(
        desk: Annotated[Desk, Depends(edit)],
        question: Annotated[list[str] | None, Query()] = None,
        category: str = "",
    ) -> HTMLResponse:
        asked = [text.strip()[:200] for text in question or () if text.strip()][:_QUESTIONS_TAKEN]
        body = {
            "title": asked[0][:40] if asked else "",
            "category": category,
            "questions": asked,
            "confidence": "medium",
            "checked_on": desk.today.isoformat(),
            "owner": desk.actor.name,
        }
        return _form_page(desk, "", form_of(body, seen="0"))

    @router.post("/new", response_model=None)
    def create(
        desk: Annotated[Desk, Depends(edit)], typed: Annotated[Typed, Depends(_posted)]
    ) -> HTMLResponse | RedirectResponse:
        return _save(desk, "", typed)

    @router.get("/{entry_id:entry}/edit")
    def change(desk: Annotated[Desk, Depends(edit)], entry_id: str) -> HTMLResponse:
        return _form_page(desk, entry_id, _begun(desk, entry_id))

    @router.post("/{entry_id:entry}/edit", response_model=None)
    def save(
        desk: Annotated[Desk, Depends(edit)], entry_id: str, typed: Annotated[Typed, Depends(_posted)]
    ) -> HTMLResponse | RedirectResponse:
        return _save(desk, entry_id, typed)


def _save(desk: Desk, entry_id: str, typed: Typed) -> HTMLResponse | RedirectResponse:
    """Keep what was typed as a draft; one more line, or the reasons of a refusal, on the same page."""
    desk.check(typed.csrf)
    if typed.add:
        return _form_page(desk, entry_id, typed)
    try:
        version_id = drafts.save_draft(
            desk.ctx,
            actor=desk.actor,
            entry_id=entry_id,
            changes=typed.body,
            note=typed.note,
            seen=_number(typed.seen),
        )
    except RefusedError as refusal:
        return _form_page(desk, entry_id, typed, refusal)
    with desk.ctx.read() as session:
        saved = drafts.version(session, version_id)
    return to_entry(saved.entry_id, "#draft")


def _begun(desk: Desk, entry_id: str) -> Typed:
    """The form as the open draft has it, else as it is live; raises NotFoundError where there is neither."""
    with desk.ctx.read() as session:
        versions = drafts.history(session, entry_id)
    open_one = next((one for one in versions if one.state.is_open), None)
    if open_one is not None:
        return form_of(open_one.body, seen=str(open_one.id), note=open_one.note)
    return form_of(entry_to_dict(entry_named(desk, entry_id)), seen="0")


def _number(told: str) -> int:
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 16 else 0


def _form_page(desk: Desk, entry_id: str, typed: Typed, refusal: RefusedError | None = None) -> HTMLResponse:
    """The form with what was typed; each problem at its field, those of no field above it."""
    problems: Sequence[Problem] = getattr(refusal, "problems", ())
    beside: Mapping[str, list[str]] = defaultdict(list)
    for one in problems:
        if _is_shown(one.field):
            beside[one.field].append(one.message)
    live = desk.ctx.brain.entry(entry_id)
    return desk.show(
        "entry_edit.html",
        refusal,
        entry_id=entry_id,
        live_title=live.title if live else "",
        problem=_summary(refusal, len(problems)),
        typed=typed,
        problems=dict(beside),
        others=[one.message for one in problems if not _is_shown(one.field)],
        categories=tuple(Category),
    )


def _summary(refusal: RefusedError | None, count: int) -> str:
    """What stands above the form; where the problems stand at their fields, they are counted here."""
    if refusal is None or not count:
        return refusal.message if refusal else ""
    return f"没有保存：有 {count} 处要改，请看标红的提示，改好后再按“保存草稿”。"


_SHOWN = {
    *(name for name in ENTRY_NAMES if name not in ("id", "status")),
    *(f"text.{name}" for name in TEXT_NAMES if name != "basis"),
    *(f"text.basis.{name}" for name in BASIS_NAMES),
}


def _is_shown(field: str) -> bool:
    """Does the form have a place for what is wrong with that field?"""
    return re.sub(r"\[[0-9]+\]", "", field) in _SHOWN
