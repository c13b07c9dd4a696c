"""Two versions of an entry side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from admin.knowledge_desk import Desk, Seat
from bot.actions import drafts
from bot.actions.drafts import FieldDiff, VersionView
from bot.core.entry_states import EntryState
from bot.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters, and whether the other side lacks it."""

    text: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Sides:
    """One field of both versions, cut where they differ."""

    label: str
    before: list[Piece]
    after: list[Piece]


def sides(label: str, before: str, after: str) -> Sides:
    """Cut two texts where they differ."""
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        left += [Piece(before[i1:i2], tag != "equal")] if i1 < i2 else []
        right += [Piece(after[j1:j2], tag != "equal")] if j1 < j2 else []
    return Sides(label, left, right)


def add_history(router: APIRouter, see: Seat) -> None:
    """/knowledge/{id}/history: differences between two versions."""

    @router.get("/{entry_id:entry}/history")
    def compare(
        desk: Annotated[Desk, Depends(see)], entry_id: str, before: str = "", after: str = ""
    ) -> HTMLResponse:
        with desk.ctx.read() as session:
            versions = drafts.history(session, entry_id)
        if not versions:
            raise NotFoundError("entry-version", "这个条目还没有版本记录。")
        newer = _named(versions, after) or versions[0]
        older = _named(versions, before) or _before(versions, newer)
        live = desk.ctx.brain.entry(entry_id)
        return desk.show(
            "entry_history.html",
            entry_id=entry_id,
            title=live.title if live else "",
            versions=versions,
            before=older,
            after=newer,
            differences=[_sides(one) for one in drafts.difference(older.body, newer.body)],
            restorable=[one for one in (older, *([newer] if newer.id != older.id else [])) if _is_old(one)],
        )


def _is_old(one: VersionView) -> bool:
    """Can it be taken up again? What is live or under way cannot."""
    return one.state in (EntryState.ARCHIVED, EntryState.DROPPED)


def _sides(one: FieldDiff) -> Sides:
    return sides(one.label, one.before, one.after)


def _named(versions: Sequence[VersionView], told: str) -> VersionView | None:
    return next((one for one in versions if str(one.id) == told), None)


def _before(versions: Sequence[VersionView], newer: VersionView) -> VersionView:
    """The version before that one; itself where it is the first."""
    older = [one for one in versions if one.serial < newer.serial]
    return max(older, key=lambda one: one.serial, default=newer)
