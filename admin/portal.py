"""The provider's page: one referral, reached by a signed link, without an account; made for a phone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Message

from admin.templating import STATIC, page
from bot.actions.attachments import FileView, add_file, attachments_of, read_file, too_large
from bot.actions.bindings import CODE_LIFE, make_code
from bot.actions.context import Context
from bot.actions.referrals import ReferralView, act_on_referral, see_referral
from bot.core.ticket_states import Move
from bot.errors import ConflictError, NotFoundError, RefusedError
from bot.store import referrals
from bot.store.attachments import FileState

_WORDS = ("move", "seen", "reason", "days", "person", "phone")
_MOST_WORDS = (
    64_000  # bytes of a form without a file: 2000 characters of Chinese, percent-encoded, are 18,000
)
_FORM_ROOM = 20_000  # bytes that a form takes besides the file
_DRAINED = 64_000_000  # of a body that is too large: a browser shows no answer before it has sent its file
# The buttons of the page, what leads on first.
_ORDER = (
    Move.ACCEPT,
    Move.REJECT,
    Move.START,
    Move.FINISH,
    Move.REPORT,
    Move.ASK_EXTENSION,
    Move.ASK_ENTERPRISE,
)
# The address is the right: it must not leave by a referrer, a cache or a search engine.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
}
_SAFE_FILE = {**_HEADERS, "Content-Security-Policy": "default-src 'none'; sandbox"}


@dataclass(frozen=True, slots=True)
class _Posted:
    """A form as it came; what kept it from being read, in words for the sender."""

    words: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    content: bytes = b""
    refusal: RefusedError | None = None

    def check(self) -> None:
        """Raise what kept the form from being read."""
        if self.refusal is not None:
            raise self.refusal

    @property
    def move(self) -> Move:
        """What the provider wants to do; RefusedError where that is nothing we know."""
        self.check()
        if self.words["move"] not in set(Move):
            raise RefusedError("portal-move", "没有收到要办理的事项，请在下面选择后再提交。")
        return Move(self.words["move"])

    @property
    def days(self) -> int:
        """Working days; 0 where none were named."""
        text = self.words["days"]
        if text and not (text.isascii() and text.isdecimal() and len(text) <= 4):
            raise RefusedError("portal-days", "天数请填数字，例如 10。")
        return int(text or 0)


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who opened which link, and what it shows."""

    request: Request
    token: str
    view: ReferralView

    def done(self, what: str, place: str = "top") -> RedirectResponse:
        """Show the page anew: to load it again sends nothing twice."""
        return RedirectResponse(f"/p/{self.token}?done={what}#{place}", status_code=303, headers=_HEADERS)


def portal_app(ctx: Context) -> FastAPI:
    """Everything under /p; GET changes nothing, for mail scanners open links."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    web.mount("/static", StaticFiles(directory=STATIC), name="static")
    _refusals(web, ctx)
    web.include_router(_referral_routes(ctx))
    web.include_router(_file_routes(ctx))
    return web


def _opened(ctx: Context) -> Callable[..., _Visit]:
    """A dependency: the link is checked before a form is read, so that a stranger's is not read at all."""

    def opened(request: Request, token: str) -> _Visit:
        return _Visit(request, token, see_referral(ctx, token))

    return opened


def _referral_routes(ctx: Context) -> APIRouter:
    router, opened = APIRouter(), _opened(ctx)

    async def words(request: Request, visit: Annotated[_Visit, Depends(opened)]) -> tuple[_Visit, _Posted]:
        refusal = RefusedError("portal-words", "填写的内容太长，请精简后再提交。")
        return visit, await _posted(request, most=_MOST_WORDS, refusal=refusal)

    @router.get("/{token}")
    def see(visit: Annotated[_Visit, Depends(opened)], done: str = "") -> HTMLResponse:
        return _page(ctx, visit, done=done)

    @router.post("/{token}", response_model=None)
    def act(given: Annotated[tuple[_Visit, _Posted], Depends(words)]) -> HTMLResponse | RedirectResponse:
        visit, posted = given
        try:
            _act(ctx, visit, posted)
        except RefusedError as refusal:
            return _refused(ctx, visit, refusal, posted)
        return visit.done(posted.move)

    @router.post("/{token}/code", response_model=None)
    def code(visit: Annotated[_Visit, Depends(opened)]) -> HTMLResponse | RedirectResponse:
        if not _is_open(visit.view):
            return _refused(ctx, visit, ConflictError("portal-ended", "这项需求已经结束，不能再绑定微信。"))
        make_code(ctx, visit.view.provider)
        return visit.done("code", "wechat")

    return router


def _file_routes(ctx: Context) -> APIRouter:
    router, opened = APIRouter(), _opened(ctx)

    async def upload(request: Request, visit: Annotated[_Visit, Depends(opened)]) -> tuple[_Visit, _Posted]:
        most = ctx.settings.attachment_max_bytes + _FORM_ROOM
        return visit, await _posted(request, most=most, refusal=too_large(ctx))

    @router.post("/{token}/files", response_model=None)
    def send_file(
        given: Annotated[tuple[_Visit, _Posted], Depends(upload)],
    ) -> HTMLResponse | RedirectResponse:
        visit, posted = given
        try:
            _keep_file(ctx, visit, posted)
        except RefusedError as refusal:
            return _refused(ctx, visit, refusal, posted)
        return visit.done("file", "files")

    @router.get("/{token}/files/{file_id}")
    def file(visit: Annotated[_Visit, Depends(opened)], file_id: str) -> Response:
        return _file(ctx, visit.view, file_id)

    return router


def _refusals(web: FastAPI, ctx: Context) -> None:
    """A link that leads nowhere, or an address that is none: one plain page that says whom to ask."""

    @web.exception_handler(RefusedError)
    def refused(request: Request, error: RefusedError) -> HTMLResponse:
        return _gone(ctx, request, error.status, error.message)

    @web.exception_handler(HTTPException)
    def no_page(request: Request, error: HTTPException) -> HTMLResponse:
        return _gone(ctx, request, error.status_code, "没有这个页面，请从收到的链接重新打开。")


def _gone(ctx: Context, request: Request, status: int, problem: str) -> HTMLResponse:
    return _with_headers(
        page(request, "portal_done.html", status=status, problem=problem, service=ctx.settings.service_phone)
    )


def _with_headers(response: HTMLResponse) -> HTMLResponse:
    response.headers.update(_HEADERS)
    return response


# --- what is shown ---


def _page(
    ctx: Context,
    visit: _Visit,
    *,
    refusal: RefusedError | None = None,
    kept: Mapping[str, str] | None = None,
    done: str = "",
) -> HTMLResponse:
    view, now = visit.view, ctx.clock.now()
    with ctx.read() as session:
        files = _files(attachments_of(session, view.ticket_id), view)
        code = referrals.open_code(session, view.provider, since=now - CODE_LIFE)
        bound = referrals.bindings_of(session, view.provider)
    accounts = [name for name in ("official", "miniprogram") if ctx.settings.account(name) is not None]
    response = page(
        visit.request,
        "portal.html",
        status=refusal.status if refusal else 200,
        token=visit.token,
        view=view,
        now=now,
        is_open=_is_open(view),
        moves=[each for each in _ORDER if each in view.moves],
        files=files,
        most_megabytes=f"{ctx.settings.attachment_max_bytes / 1_000_000:g}",
        code=code,
        code_until=code.made_at + CODE_LIFE if code is not None else None,
        bound=len(bound),
        account=accounts[0] if accounts else "",
        service=ctx.settings.service_phone,
        platform=ctx.settings.platform_name,
        problem=refusal.message if refusal else "",
        kept=kept or {},
        done=done,
    )
    return _with_headers(response)


def _refused(
    ctx: Context, visit: _Visit, refusal: RefusedError, posted: _Posted | None = None
) -> HTMLResponse:
    """The page as it stands now, with the reason and with what was typed."""
    fresh = _Visit(visit.request, visit.token, see_referral(ctx, visit.token))
    return _page(ctx, fresh, refusal=refusal, kept=posted.words if posted else {})


def _is_open(view: ReferralView) -> bool:
    return view.state in referrals.OPEN


def _files(found: Iterable[FileView], view: ReferralView) -> list[FileView]:
    """What the provider may open: the contact's files and its own, from acceptance until its part ends."""
    if view.state != "accepted":
        return []
    return [
        one
        for one in found
        if one.state is FileState.STORED and (one.referral_id == view.referral_id or one.by == "contact")
    ]


def _file(ctx: Context, view: ReferralView, file_id: str) -> Response:
    with ctx.read() as session:
        found = _files(attachments_of(session, view.ticket_id), view)
    # Another ticket's file looks like no file.
    known = next((one for one in found if str(one.id) == file_id), None)
    if known is None:
        raise NotFoundError("file", "没有这个文件，请返回办理页面查看。")
    opened = read_file(ctx, known.id, by=view.name, ticket_id=view.ticket_id)
    place = "inline" if opened.is_inline else "attachment"
    headers = {
        **_SAFE_FILE,
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(opened.name, safe='')}",
    }
    return Response(opened.content, media_type=opened.media_type, headers=headers)


# --- what is done ---


def _act(ctx: Context, visit: _Visit, posted: _Posted) -> None:
    wanted = posted.move
    act_on_referral(
        ctx,
        visit.token,
        wanted,
        seen=posted.words["seen"],
        reason=posted.words["reason"],
        days=posted.days,
        person=posted.words["person"],
        phone=posted.words["phone"],
    )


def _keep_file(ctx: Context, visit: _Visit, posted: _Posted) -> None:
    posted.check()
    view = visit.view
    if view.state != "accepted":
        raise ConflictError("portal-files", "接受办理之后、办理完成之前才能上传文件。")
    if not posted.name:
        raise RefusedError("portal-files", "没有选择文件，请选择后再上传。")
    add_file(
        ctx,
        ticket_id=view.ticket_id,
        content=posted.content,
        name=posted.name,
        by=view.name,
        referral_id=view.referral_id,
    )


async def _posted(request: Request, *, most: int, refusal: RefusedError) -> _Posted:
    """The form, never more of it than `most` bytes; past them it is refused."""
    limited = _limited(request, most, refusal)
    try:
        async with limited.form(max_files=1, max_fields=8, max_part_size=_MOST_WORDS) as form:
            words = {name: _text(form.get(name)) for name in _WORDS}
            file = form.get("file")
            if not isinstance(file, UploadFile):
                return _Posted(words)
            return _Posted(words, file.filename or "", await file.read())
    except RefusedError as found:
        return _Posted(refusal=found)
    except HTTPException:
        return _Posted(refusal=RefusedError("portal-form", "提交的内容不完整，请刷新页面后再试。"))


def _text(value: object) -> str:
    """A field as it is kept: no characters that no database takes."""
    return value.replace("\0", "").strip() if isinstance(value, str) else ""


def _limited(request: Request, most: int, refusal: RefusedError) -> Request:
    """The same request, whose body ends with the refusal once it is longer than `most` bytes."""
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen <= most:
            return message
        while message.get("more_body") and seen <= _DRAINED:
            message = await request.receive()
            seen += len(message.get("body", b""))
        raise refusal

    return Request(request.scope, receive)
