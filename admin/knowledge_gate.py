"""The publish page: the check with its progress, what a draft would change, and putting it live."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, Form
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from admin.knowledge_desk import Desk, Seat, to_entry
from bot.actions import drafts
from bot.actions.context import Context
from bot.actions.drafts import VersionView
from bot.actions.publishing import is_stale, publish, run_gate
from bot.core.entry_states import EntryMove, moves
from bot.core.permissions import Right
from bot.errors import RefusedError

_MOST_SHOWN = 100  # changed questions of one kind
_SOURCES = {
    "own": "本条目的问法",
    "first": "其他条目的首个问法",
    "left-out": "相邻条目的问法",
    "shipped": "随程序发布的问法",
    "real": "近一个月真实提问（已隐去个人信息）",
}


@dataclass(slots=True)
class _Run:
    """A check that is under way."""

    done: int = 0
    total: int = 0

    @property
    def words(self) -> str:
        """How far it is."""
        if not self.total:
            return "正在准备要重放的问题…"
        return f"已重放 {self.done} / {self.total} 个可能受影响的问题"


class Runs:
    """The checks of this process that are under way, and why the last one of a version broke off."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs: dict[int, _Run] = {}
        self._refusals: dict[int, str] = {}

    def begin(self, version_id: int) -> bool:
        """Note that one begins; False where one of this version is under way already."""
        with self._lock:
            if version_id in self._runs:
                return False
            self._runs[version_id] = _Run()
            self._refusals.pop(version_id, None)
            return True

    def run(self, ctx: Context, version_id: int) -> None:
        """Run a check that has begun; its result is stored with the version."""

        def told(done: int, total: int) -> None:
            with self._lock:
                self._runs[version_id] = _Run(done, total)

        try:
            run_gate(ctx, version_id, progress=told)
        except RefusedError as refusal:
            self._refusals[version_id] = refusal.message
        finally:
            with self._lock:
                del self._runs[version_id]

    def of(self, version_id: int) -> _Run | None:
        """The check of a version that is under way."""
        with self._lock:
            return self._runs.get(version_id)

    def refusal(self, version_id: int) -> str:
        """Why the last check of a version broke off."""
        return self._refusals.get(version_id, "")


def add_gate(router: APIRouter, *, see: Seat, edit: Seat, review: Seat) -> None:
    """/knowledge/versions/{id}/gate: run the check, look at what it found, publish."""
    runs = Runs()
    _add_check(router, runs, see=see, edit=edit)
    _add_publishing(router, runs, review=review)


def _add_check(router: APIRouter, runs: Runs, *, see: Seat, edit: Seat) -> None:
    @router.get("/versions/{version_id}/gate")
    def look(desk: Annotated[Desk, Depends(see)], version_id: int) -> HTMLResponse:
        return _show(desk, runs, version_id)

    @router.post("/versions/{version_id}/gate")
    def start(
        desk: Annotated[Desk, Depends(edit)],
        version_id: int,
        csrf: Annotated[str, Form()],
        background: BackgroundTasks,
    ) -> RedirectResponse:
        desk.check(csrf)
        with desk.ctx.read() as session:
            drafts.version(session, version_id)
        if runs.begin(version_id):
            # In a thread of the app's pool, after this answer: leaving the page stops nothing.
            background.add_task(runs.run, desk.ctx, version_id)
        return _back(version_id)

    @router.get("/versions/{version_id}/gate/progress", response_class=JSONResponse)
    def progress(_desk: Annotated[Desk, Depends(see)], version_id: int) -> dict[str, Any]:
        run = runs.of(version_id)
        if run is None:
            return {"is_running": False}
        return {"is_running": True, "done": run.done, "total": run.total, "words": run.words}


def _add_publishing(router: APIRouter, runs: Runs, *, review: Seat) -> None:
    @router.post("/versions/{version_id}/publish", response_model=None)
    def go_live(
        desk: Annotated[Desk, Depends(review)],
        version_id: int,
        csrf: Annotated[str, Form()],
        override: Annotated[str, Form(max_length=2000)] = "",
    ) -> HTMLResponse | RedirectResponse:
        desk.check(csrf)
        try:
            publish(desk.ctx, version_id, actor=desk.actor, override=override.strip())
        except RefusedError as refusal:
            return _show(desk, runs, version_id, refusal, override=override)
        with desk.ctx.read() as session:
            return to_entry(drafts.version(session, version_id).entry_id)


def _back(version_id: int) -> RedirectResponse:
    return RedirectResponse(f"/admin/knowledge/versions/{version_id}/gate", status_code=303)


def _titles(desk: Desk, draft: VersionView) -> Callable[[str], str]:
    """The title of an entry as people look for it; the draft bears its new one."""

    def title(entry_id: str) -> str:
        if entry_id == draft.entry_id:
            return str(draft.body.get("title", entry_id))
        found = desk.ctx.brain.entry(entry_id)
        return found.title if found else entry_id

    return title


def _show(
    desk: Desk, runs: Runs, version_id: int, refusal: RefusedError | None = None, *, override: str = ""
) -> HTMLResponse:
    """What the check found, how far it is, and whether the version may go live."""
    with desk.ctx.read() as session:
        version = drafts.version(session, version_id)
    return desk.show(
        "gate.html",
        refusal,
        version=version,
        gate=version.gate,
        run=runs.of(version_id),
        broke=runs.refusal(version_id),
        is_stale=version.gate is not None and is_stale(desk.ctx, version),
        is_own=version.author == desk.actor.name,
        can_publish=EntryMove.PUBLISH in moves(desk.actor, version.state),
        may_check=version.state.is_open and desk.actor.may(Right.EDIT_KNOWLEDGE),
        title=_titles(desk, version),
        sources=_SOURCES,
        most=_MOST_SHOWN,
        override=override,
    )
