"""The four libraries in the browser: look, search, bring files in, take them out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from admin.auth import Guard, check_csrf
from admin.templating import page
from bot.actions.context import Context
from bot.actions.libraries import (
    LABELS,
    PRIVATE,
    Libraries,
    Record,
    Report,
    export,
    import_file,
    table_named,
)
from bot.core.permissions import Actor, Right
from bot.core.times import china_date
from bot.errors import RefusedError
from knowledge.library import Enterprise, Provider
from knowledge.library_rows import MOST_ROWS, Table, written
from knowledge.sheets import MOST_BYTES

_PAGE = 50  # records of one page
_MOST_PROBLEMS = 200  # bad rows shown at once
_FORM_ROOM = 20_000  # bytes that a form takes besides the file
_DRAINED = 64_000_000  # of a body that is too large: a browser shows no answer before it has sent its file
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with a file, as it came."""

    csrf: str
    is_trial: bool
    form: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a record as it is shown."""

    heading: str
    text: str
    hint: str


async def uploaded(request: Request) -> Upload:
    """The form, never more of it than a file may have; raises RefusedError with what to do."""
    told = request.headers.get("content-length", "")
    length = int(told) if told.isascii() and told.isdecimal() and len(told) < 16 else None
    if length is None:
        raise RefusedError("upload", "没有收到文件大小，请换一个浏览器再试。")
    if length > MOST_BYTES + _FORM_ROOM:
        seen = 0
        async for part in request.stream():
            seen += len(part)
            if seen > _DRAINED:
                break
        raise RefusedError("upload", f"文件太大：最大 {MOST_BYTES // 1_000_000} MB。请拆成几个文件再上传。")
    try:
        async with request.form(max_files=1, max_fields=4) as form:
            file, csrf = form.get("file"), form.get("csrf")
            if not isinstance(file, UploadFile) or not file.filename:
                raise RefusedError("upload", "没有选择文件，请选择 xlsx 或 csv 文件后再提交。")
            suffix = PurePath(file.filename).suffix.lower().removeprefix(".")
            is_trial = form.get("action") != "import"
            return Upload(str(csrf or ""), is_trial, suffix, await file.read())
    except HTTPException as error:
        raise RefusedError("upload", "上传的内容不完整，请刷新页面后再试。") from error


def libraries_router(ctx: Context, guard: Guard, libraries: Libraries) -> APIRouter:
    """The pages under /admin/libraries: who sees tickets sees them, editors bring files in and take them out."""
    router = APIRouter(prefix="/libraries", default_response_class=HTMLResponse)
    see = guard.require(Right.SEE_TICKETS)
    edit = guard.require(Right.EDIT_LIBRARIES)

    @router.get("")
    def first(_actor: Annotated[Actor, Depends(see)]) -> RedirectResponse:
        return RedirectResponse("/admin/libraries/providers", status_code=303)

    @router.get("/{name}")
    def listing(
        request: Request,
        name: str,
        actor: Annotated[Actor, Depends(see)],
        token: Annotated[str, Depends(guard.token)],
        q: str = "",
        page: str = "1",
    ) -> HTMLResponse:
        values = _listed(ctx, libraries, table_named(name), q.strip()[:100], page)
        return _list_page(request, actor, token, values)

    @router.post("/{name}")
    def upload(
        request: Request,
        name: str,
        actor: Annotated[Actor, Depends(edit)],
        token: Annotated[str, Depends(guard.token)],
        given: Annotated[Upload, Depends(uploaded)],
    ) -> HTMLResponse:
        check_csrf(given.csrf, token)
        table = table_named(name)
        report = import_file(
            ctx, table, given.data, form=given.form, actor=actor.name, dry_run=given.is_trial
        )
        values = _listed(ctx, libraries, table, "", "1")
        return _list_page(request, actor, token, values, report=report, is_trial=given.is_trial)

    @router.get("/{name}/record")
    def record(
        request: Request,
        name: str,
        actor: Annotated[Actor, Depends(see)],
        token: Annotated[str, Depends(guard.token)],
        number: str = "",
    ) -> HTMLResponse:
        table = table_named(name)
        found = libraries.record(table, number)
        may_edit = actor.may(Right.EDIT_LIBRARIES)
        return page(
            request,
            "library.html",
            actor=actor,
            csrf=token,
            table=name,
            label=LABELS[name],
            record=found,
            has_check=not isinstance(found, Enterprise),
            reasons=_reasons(ctx, found),
            terms=_term_reasons(ctx, found),
            fields=_fields(table, found, hidden=frozenset() if may_edit else PRIVATE),
        )

    @router.get("/{name}/download")
    def download(name: str, actor: Annotated[Actor, Depends(edit)], form: str = "xlsx") -> Response:
        table = table_named(name)
        data, _ = export(ctx, table, form=known_form(form), actor=actor.name)
        return attachment(data, f"{table.name}.{form}", form)

    @router.get("/{name}/template")
    def template(name: str, _actor: Annotated[Actor, Depends(see)]) -> Response:
        table = table_named(name)
        return attachment(written(table, (), form="xlsx"), f"{table.name}-template.xlsx", "xlsx")

    return router


def _list_page(
    request: Request,
    actor: Actor,
    token: str,
    values: Mapping[str, Any],
    *,
    report: Report | None = None,
    is_trial: bool = False,
) -> HTMLResponse:
    problems = sorted(report.problems, key=lambda problem: problem.is_doubt) if report else []
    return page(
        request,
        "libraries.html",
        status=400 if report is not None and report.errors and not is_trial else 200,
        actor=actor,
        csrf=token,
        may_edit=actor.may(Right.EDIT_LIBRARIES),
        labels=LABELS,
        report=report,
        is_trial=is_trial,
        shown=problems[:_MOST_PROBLEMS],
        most_rows=MOST_ROWS,
        most_megabytes=MOST_BYTES // 1_000_000,
        **values,
    )


def _listed(ctx: Context, libraries: Libraries, table: Table[Any], words: str, told: str) -> dict[str, Any]:
    """One page of what a search finds; a page that does not exist is the nearest one."""
    found = libraries.search(table, words)
    last = max(1, -(-len(found) // _PAGE))
    number = int(told) if told.isascii() and told.isdecimal() and len(told) < 9 else 1
    number = min(max(1, number), last)
    return {
        "table": table.name,
        "label": LABELS[table.name],
        "q": words,
        "count": len(found),
        "number": number,
        "last": last,
        "rows": [
            (one, _short(table, one), _reasons(ctx, one)) for one in found[(number - 1) * _PAGE :][:_PAGE]
        ],
        "has_check": table.kind is not Enterprise,
    }


def _short(table: Table[Any], record: Record) -> str:
    """What tells a record from others of its name."""
    names = ("kind", "title", "scale", "region", "model")
    cells = (table.columns[name].written(record) for name in names if name in table.columns)
    return " · ".join((record.number, *(cell for cell in cells if cell)))


def _reasons(ctx: Context, record: Record) -> tuple[str, ...]:
    """Why it cannot be asked or booked today."""
    return () if isinstance(record, Enterprise) else record.why_not(china_date(ctx.clock.now()))


def _term_reasons(ctx: Context, record: Record) -> list[str]:
    """The capability terms of a provider that must not be offered today, each with the reason."""
    today = china_date(ctx.clock.now())
    if not isinstance(record, Provider):
        return []
    found = ((term, record.term_why_not(term, today)) for term in record.capabilities)
    return [f"{term.category.label}“{term.subject}”：{reason}" for term, reason in found if reason]


def _fields(table: Table[Any], record: Record, *, hidden: frozenset[str]) -> list[_Field]:
    """The fields of a record in the order of the table; the hint says in which order the parts of an item stand."""
    fields = []
    for name, column in table.columns.items():
        text = column.written(record)
        if name in hidden and text:
            text = "（需要维护权限才能查看）"
        fields.append(_Field(column.heading, text, column.hint if "|" in column.hint and text else ""))
    return fields


def known_form(form: str) -> str:
    if form not in _TYPES:
        raise RefusedError("form", "只能下载 xlsx 或 csv。")
    return form


def attachment(data: bytes, name: str, form: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=_TYPES[form], headers=headers)
