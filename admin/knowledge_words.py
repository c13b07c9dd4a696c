"""Synonyms and domain words: what the operator added, and how a text is cut and read with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse

from admin.knowledge_desk import Desk, Seat
from bot.actions.knowledge import put_synonyms, remove_synonym, synonyms
from bot.errors import RefusedError
from intents.text import domain_words, normalise
from intents.text import synonyms as shipped_synonyms

_PAGE_ADDRESS = "/admin/knowledge/synonyms"
_MOST_LINE = 60  # characters of a word or text that is looked up
_MOST_FOUND = 50  # shipped words shown for one look-up


@dataclass(frozen=True, slots=True)
class _Typed:
    """A pair as it was typed."""

    name: str = ""
    term: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a text is read now."""

    plain: str  # with the operator's synonyms replaced
    words: list[str]
    shipped: Mapping[str, str]  # synonyms that ship and hold the text
    domain: list[str]  # domain words that ship and hold it


def add_words(router: APIRouter, see: Seat, edit: Seat) -> None:
    """/knowledge/synonyms: list, look up, add, remove."""

    @router.get("/synonyms")
    def listing(desk: Annotated[Desk, Depends(see)], q: str = "") -> HTMLResponse:
        return _show(desk, q=q.strip()[:_MOST_LINE])

    @router.post("/synonyms", response_model=None)
    def add(
        desk: Annotated[Desk, Depends(edit)],
        csrf: Annotated[str, Form()],
        name: Annotated[str, Form(max_length=200)] = "",
        term: Annotated[str, Form(max_length=200)] = "",
    ) -> HTMLResponse | RedirectResponse:
        desk.check(csrf)
        try:
            put_synonyms(desk.ctx, {name: term}, actor=desk.actor.name)
        except RefusedError as refusal:
            return _show(desk, refusal, typed=_Typed(name, term))
        return RedirectResponse(_PAGE_ADDRESS, status_code=303)

    @router.post("/synonyms/remove", response_model=None)
    def remove(
        desk: Annotated[Desk, Depends(edit)],
        csrf: Annotated[str, Form()],
        name: Annotated[str, Form(max_length=200)],
    ) -> HTMLResponse | RedirectResponse:
        desk.check(csrf)
        try:
            remove_synonym(desk.ctx, name, actor=desk.actor.name)
        except RefusedError as refusal:
            return _show(desk, refusal)
        return RedirectResponse(_PAGE_ADDRESS, status_code=303)


def _show(
    desk: Desk, refusal: RefusedError | None = None, *, typed: _Typed | None = None, q: str = ""
) -> HTMLResponse:
    """The pairs, what a look-up found, and what was typed."""
    return desk.show(
        "synonyms.html",
        refusal,
        pairs=synonyms(desk.ctx),
        typed=typed or _Typed(),
        q=q,
        reading=_read(desk, q) if q else None,
        shipped_count=len(shipped_synonyms()),
        domain_count=len(domain_words()),
        most=_MOST_FOUND,
    )


def _read(desk: Desk, text: str) -> _Reading:
    """A text as the index reads it, and the shipped words that hold it or stand in it."""
    tokenizer = desk.ctx.brain.index.tokenizer
    plain, wanted = tokenizer.plain(text), normalise(text)
    pairs = {
        name: term for name, term in shipped_synonyms().items() if wanted in (name, term) or name in wanted
    }
    domain = [word for word in domain_words() if word in wanted or wanted in word]
    return _Reading(plain, tokenizer.words(plain), pairs, sorted(domain, key=lambda word: (len(word), word)))
