"""The test bench: what a question leads to, why, and what a draft would change."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from admin.knowledge_desk import Desk, Seat
from bot.actions import drafts
from bot.actions.publishing import Trial, try_out
from bot.store.knowledge_figures import under_way

_MOST_WORDS = 300  # of a question


def add_try(router: APIRouter, see: Seat) -> None:
    """/knowledge/try: type a question, choose a draft."""

    @router.get("/try")
    def bench(desk: Annotated[Desk, Depends(see)], q: str = "", version: str = "") -> HTMLResponse:
        text = q.strip()[:_MOST_WORDS]
        number = int(version) if version.isascii() and version.isdecimal() and len(version) < 16 else 0
        with desk.ctx.read() as session:
            open_ones = under_way(session)
            chosen = drafts.version(session, number) if number else None
        trial = try_out(desk.ctx, text, version_id=number) if text else None
        return desk.show(
            "try_out.html",
            q=text,
            chosen=chosen,
            drafts=open_ones,
            is_listed=any(one.id == number for one in open_ones),
            trials=_both(trial),
            trial=trial,
        )


def _both(trial: Trial | None) -> list[tuple[str, Trial]]:
    """The trial now, and with the draft where one was chosen."""
    if trial is None:
        return []
    now = "现在" if trial.with_draft else "结果"
    return [(now, trial), *([("用草稿", trial.with_draft)] if trial.with_draft else [])]
