"""Entries as spreadsheets: taken out, and brought in as drafts after a look at every row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from admin.knowledge_desk import Desk, Seat

# The one way to take a file: bounded, and the form checked before anything is done with it.
from admin.libraries import Upload, attachment, known_form, uploaded
from bot.actions.drafts import ProblemsError, checked, save_draft
from bot.actions.knowledge import all_entries
from bot.errors import RefusedError
from knowledge.entries import Entry, EntryStatus
from knowledge.fields import Problem, entry_to_dict
from knowledge.rows_xlsx import HEADINGS, MOST_ROWS, Line, read_sheet, sheet
from knowledge.sheets import MOST_BYTES

_MOST_DRAFTS = 200  # of one file: each of them is looked at and published by somebody
_MOST_SHOWN = 500  # rows of the report
_NOTE = "从表格导入"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row does, or what became of it."""

    number: int  # of the row
    entry_id: str
    title: str
    what: str  # new, changed, same, wrong, saved
    messages: tuple[str, ...] = ()
    version_id: int = 0  # the draft that was made of it

    @property
    def is_draft(self) -> bool:
        """Does it become a draft?"""
        return self.what in ("new", "changed")


def outcomes(lines: Iterable[Line], known: Mapping[str, Entry]) -> list[Outcome]:
    """What each row would do to the entries as they are. The state of an entry is not changed by a file."""
    return [_outcome(line, known) for line in lines]


def _outcome(line: Line, known: Mapping[str, Entry]) -> Outcome:
    entry = line.entry
    if entry is None:
        return Outcome(line.number, "", "", "wrong", tuple(map(_said, line.problems)))
    live = known.get(entry.id)
    what = "new" if live is None else "same" if replace(entry, status=live.status) == live else "changed"
    return Outcome(line.number, entry.id, entry.title, what)


def _looked_at(desk: Desk, lines: list[Line], found: list[Outcome]) -> list[Outcome]:
    """The rows that would become drafts, held against the rules that every draft is held against."""
    return [
        _checked(desk, line.entry, one) if one.is_draft and line.entry else one
        for line, one in zip(lines, found, strict=True)
    ]


def _checked(desk: Desk, entry: Entry, one: Outcome) -> Outcome:
    try:
        checked(desk.ctx, _body(entry))
    except ProblemsError as refusal:
        return replace(one, what="wrong", messages=tuple(map(_said, refusal.problems)))
    return one


def _body(entry: Entry) -> dict[str, Any]:
    return entry_to_dict(replace(entry, status=EntryStatus.PUBLISHED))


def _said(problem: Problem) -> str:
    """A problem with its column as people name it."""
    column = HEADINGS.get(problem.field, problem.field)
    return f"{column}：{problem.message}" if column else problem.message


def add_files(router: APIRouter, edit: Seat) -> None:
    """/knowledge/file: import with a dry run; /knowledge/download: export."""

    @router.get("/file")
    def page(desk: Annotated[Desk, Depends(edit)]) -> HTMLResponse:
        return _show(desk)

    @router.post("/file")
    def upload(
        desk: Annotated[Desk, Depends(edit)], given: Annotated[Upload, Depends(uploaded)]
    ) -> HTMLResponse:
        desk.check(given.csrf)
        lines = read_sheet(given.data, form=given.form)
        found = outcomes(lines, {entry.id: entry for entry in all_entries(desk.ctx)})
        drafts = sum(one.is_draft for one in found)
        if drafts > _MOST_DRAFTS:
            much = f"一次最多导入 {_MOST_DRAFTS} 条有变化的条目，这个文件有 {drafts} 条，请拆开。"
            return _show(desk, RefusedError("import", much), found=found)
        found = _looked_at(desk, lines, found)
        if given.is_trial:
            return _show(desk, found=found)
        if any(one.what == "wrong" for one in found):
            wrong = RefusedError("import", "请先改好下面的行，再重新上传。")
            return _show(desk, wrong, found=found, is_trial=False)
        return _show(desk, found=_saved(desk, lines, found), is_trial=False)

    @router.get("/download")
    def download(desk: Annotated[Desk, Depends(edit)], form: str = "xlsx") -> Response:
        data = sheet(all_entries(desk.ctx), form=known_form(form))
        return attachment(data, f"knowledge.{form}", form)


def _saved(desk: Desk, lines: list[Line], found: list[Outcome]) -> list[Outcome]:
    """Make a draft of every row that changes something; a row that is refused says why."""
    return [
        _save(desk, line.entry, one) if one.is_draft and line.entry else one
        for line, one in zip(lines, found, strict=True)
    ]


def _save(desk: Desk, entry: Entry, one: Outcome) -> Outcome:
    try:
        version_id = save_draft(
            desk.ctx, actor=desk.actor, entry_id=entry.id, changes=_body(entry), note=_NOTE, seen=0
        )
    except RefusedError as refusal:
        return replace(one, what="wrong", messages=(refusal.message,))
    return replace(one, what="saved", version_id=version_id)


def _show(
    desk: Desk,
    refusal: RefusedError | None = None,
    *,
    found: list[Outcome] | None = None,
    is_trial: bool = True,
) -> HTMLResponse:
    """The page, with the report of a file; what is wrong stands first."""
    rows = sorted(found or (), key=lambda one: one.what != "wrong")
    counts = {
        what: sum(one.what == what for one in rows) for what in ("new", "changed", "same", "wrong", "saved")
    }
    return desk.show(
        "knowledge_file.html",
        refusal,
        found=found,
        rows=rows[:_MOST_SHOWN],
        counts=counts,
        is_trial=is_trial,
        most_rows=MOST_ROWS,
        most_drafts=_MOST_DRAFTS,
        most_megabytes=MOST_BYTES // 1_000_000,
    )
