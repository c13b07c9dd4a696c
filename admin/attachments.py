"""The files of a ticket in the browser: opened one by one by who may see contacts, and put to it by who handles it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from admin.auth import Guard, check_csrf
from bot.actions.attachments import OpenedFile, add_file, read_file, too_large
from bot.actions.context import Context
from bot.core.permissions import Actor, Right
from bot.errors import NotFoundError, RefusedError
from bot.store import tickets

_FORM_ROOM = 20_000  # bytes that a form takes besides the file
_DRAINED = 3  # times what is allowed: a browser shows no answer before it has sent its file
_HEADERS = {
    # Shown as what it is or not at all; even a page among the bytes could do and load nothing.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with a file, as it came; or why it was not read."""

    csrf: str = ""
    name: str = ""
    content: bytes = b""
    refusal: RefusedError | None = None


def file_response(opened: OpenedFile) -> Response:
    """A file for a browser: pictures in the page, everything else to be saved, nothing to be run."""
    way = "inline" if opened.is_inline else "attachment"
    plain = f"file.{opened.name.rpartition('.')[2]}"
    disposition = f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(opened.name, safe='')}"
    headers = {**_HEADERS, "Content-Type": opened.media_type, "Content-Disposition": disposition}
    return Response(opened.content, headers=headers)


def attachments_router(ctx: Context, guard: Guard) -> APIRouter:
    """Opening a file, and putting one to a ticket; the list is a part of the ticket's page."""
    router = APIRouter()
    see_ticket, see_contact = guard.require(Right.SEE_TICKETS), guard.require(Right.SEE_CONTACTS)
    handle = guard.require(Right.HANDLE_TICKETS)

    @router.get("/attachments/{attachment_id}")
    def opened(
        attachment_id: Annotated[int, Path(ge=1, lt=2**63)],
        actor: Annotated[Actor, Depends(see_ticket)],
        # Pictures may show persons.
        _contacts: Annotated[Actor, Depends(see_contact)],
    ) -> Response:
        return file_response(read_file(ctx, attachment_id, by=actor.name))

    @router.post("/tickets/{number}/attachments")
    def add(
        number: str,
        # The actor is found out first: strangers' bodies are not read.
        actor: Annotated[Actor, Depends(handle)],
        token: Annotated[str, Depends(guard.token)],
        given: Annotated[Upload, Depends(upload_reader(ctx))],
    ) -> RedirectResponse:
        refused = ""
        try:
            _keep(ctx, number.upper(), actor, token, given)
        except RefusedError as refusal:
            if not refusal.code.startswith("attachment-"):
                raise
            refused = f"?file={refusal.code}"
        return RedirectResponse(f"/admin/tickets/{number.upper()}{refused}#attachments", status_code=303)

    return router


def _keep(ctx: Context, number: str, actor: Actor, token: str, given: Upload) -> None:
    if given.refusal is not None:
        raise given.refusal
    check_csrf(given.csrf, token)
    with ctx.read() as session:
        found = tickets.ticket_numbered(session, number)
    if found is None:
        raise NotFoundError("ticket", "没有这件申请，请核对编号。")
    add_file(ctx, ticket_id=found.id, content=given.content, name=given.name, by=actor.name)


def upload_reader(ctx: Context) -> Callable[[Request], Awaitable[Upload]]:
    """A dependency: the form, never more of it than a file may have."""

    async def read(request: Request) -> Upload:
        most = ctx.settings.attachment_max_bytes + _FORM_ROOM
        told = request.headers.get("content-length", "")
        length = int(told) if told.isascii() and told.isdecimal() and len(told) < 16 else None
        if length is None:
            return Upload(refusal=_incomplete())
        if length > most:
            await _drain(request, _DRAINED * most)
            return Upload(refusal=too_large(ctx))
        try:
            async with request.form(max_files=1, max_fields=2) as form:
                file, csrf = form.get("file"), str(form.get("csrf") or "")
                if not isinstance(file, UploadFile) or not file.filename:
                    return Upload(csrf, refusal=RefusedError("attachment-none", "没有选择文件。"))
                return Upload(csrf, file.filename, await file.read())
        except HTTPException:
            return Upload(refusal=_incomplete())

    return read


async def _drain(request: Request, most: int) -> None:
    seen = 0
    async for part in request.stream():
        seen += len(part)
        if seen > most:
            break


def _incomplete() -> RefusedError:
    return RefusedError("attachment-incomplete", "上传的内容不完整，请刷新页面后再试。")
