"""The HTTP API by which a portal registers needs and asks what became of them; see docs/intake-api.md."""

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.actions.context import Context
from bot.actions.intake import Registered, register_from_portal
from bot.core.intake import Problem, Source, Typed
from bot.core.ticket_states import Party
from bot.core.times import CHINA
from bot.core.wording import say
from bot.errors import NotFoundError, RefusedError
from bot.store import tickets
from bot.store.tickets import Ticket, TicketEvent

_MOST_BYTES = 64 * 1024
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,78}[\x21-\x7e])?")
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_WRONG = {
    "missing": "缺少字段 {field}。",
    "extra_forbidden": "不认识的字段 {field}，请对照接口文档。",
    "string_type": "字段 {field} 应为文字（字符串）。",
}


class _Need(BaseModel):
    """The body: texts alone, and nothing that we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid")

    applicant: str
    person: str
    phone: str
    content: str
    category: str | None = None
    urgency: str | None = None
    started_at: str | None = None
    kind: str | None = None


class _KeyError(RefusedError):
    """Who calls is not the portal."""

    status = 401


class _SizeError(RefusedError):
    """The body is too long."""

    status = 413


class _FieldError(RefusedError):
    """A field is missing or wrong."""

    status = 422


def intake_api(ctx: Context) -> list[Route]:
    """POST /api/needs and GET /api/needs/{number}; both answer 404 while no key is set."""

    async def create(request: Request) -> Response:
        _check_key(ctx, request)
        key, body = _idempotency_key(request), await _read(request)
        return await run_in_threadpool(_create, ctx, key, body)

    async def show(request: Request) -> Response:
        _check_key(ctx, request)
        return await run_in_threadpool(_show, ctx, request.path_params["number"])

    return [
        Route("/api/needs", _answered(create), methods=["POST"]),
        Route("/api/needs/{number}", _answered(show), methods=["GET"]),
    ]


def _answered(do: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A refusal is an answer, too: its code and its reason in words."""

    async def answer(request: Request) -> Response:
        try:
            return await do(request)
        except RefusedError as refusal:
            headers = {**_HEADERS, "WWW-Authenticate": "Bearer"} if refusal.status == 401 else _HEADERS
            body = {"code": refusal.code, "message": refusal.message}
            return JSONResponse(body, status_code=refusal.status, headers=headers)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


def _check_key(ctx: Context, request: Request) -> None:
    expected = ctx.settings.intake_key
    if not expected:
        raise NotFoundError("intake-closed", "登记接口没有启用。")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # Both are compared whatever their lengths: the time tells nothing of the key.
    is_known = hmac.compare_digest(given.strip().encode(), expected.encode())
    if scheme.lower() != "bearer" or not is_known:
        raise _KeyError("intake-auth", "密钥不正确，请检查 Authorization 请求头。")


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not _KEY.fullmatch(key):
        raise RefusedError("intake-key", "请在 Idempotency-Key 请求头里写 1 至 80 个可见的英文字符。")
    return key


async def _read(request: Request) -> bytes:
    """The body, as far as it is allowed to go."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise _SizeError("intake-size", f"请求体不能超过 {_MOST_BYTES // 1024} KiB。")
    return bytes(body)


def _create(ctx: Context, key: str, body: bytes) -> Response:
    match register_from_portal(ctx, _typed(body), key=key):
        case Registered() as done:
            return JSONResponse(_as_json(done), status_code=200 if done.is_repeat else 201, headers=_HEADERS)
        case problems:
            raise _field_error(problems[0])


def _typed(body: bytes) -> Typed:
    """The body as a form; RefusedError where it is no JSON object of texts."""
    try:
        need = _Need.model_validate_json(body)
    except ValidationError as error:
        raise _shape_error(error) from None
    given = {name: value for name, value in need.model_dump().items() if value is not None}
    return replace(Typed(source=Source.PORTAL.value), **given)


def _shape_error(error: ValidationError) -> RefusedError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if not first["loc"]:
        return RefusedError("intake-json", "请求体应为一个 JSON 对象（UTF-8）。")
    # Unknown names come from the caller: only the beginning is said back.
    field = str(first["loc"][0])[:40]
    return _FieldError("intake-field", _WRONG.get(first["type"], "字段 {field} 不对。").format(field=field))


def _field_error(problem: Problem) -> RefusedError:
    return _FieldError(
        f"intake-{problem.field.replace('_', '-')}", f"字段 {problem.field}：{problem.message}"
    )


def _as_json(done: Registered) -> dict[str, Any]:
    respond_by = done.respond_by.astimezone(CHINA).isoformat(timespec="seconds") if done.respond_by else None
    answer: dict[str, Any] = {"number": done.number, "respond_by": respond_by, "state": done.state.value}
    return {**answer, "duplicates": list(done.duplicates)} if done.duplicates else answer


def _show(ctx: Context, number: str) -> Response:
    with ctx.read() as session:
        found = tickets.ticket_numbered(session, number.upper())
        # What came another way is nobody's business here.
        if found is None or found.channel != Source.PORTAL.value:
            raise NotFoundError("ticket", "没有这件申请，请核对编号。")
        events = tickets.events_of(session, found.id)
    return JSONResponse(_course(found, events), headers=_HEADERS)


def _course(found: Ticket, events: list[TicketEvent]) -> dict[str, Any]:
    """Where it stands and which steps the enterprise may see; none of the words that people wrote."""
    respond_by = (
        found.respond_by.astimezone(CHINA).isoformat(timespec="seconds") if found.respond_by else None
    )
    return {
        "number": found.number,
        "kind": found.kind,
        "state": found.state,
        "state_text": say(f"state.{found.state}"),
        "respond_by": respond_by,
        "timeline": [_line(event) for event in events if _is_seen(event)],
    }


def _is_seen(event: TicketEvent) -> bool:
    """Registered, told to the enterprise, or done by it."""
    return event.what == "registered" or bool(event.told) or event.party == Party.ENTERPRISE


def _line(event: TicketEvent) -> dict[str, str]:
    is_move = event.what != "registered"
    return {
        "at": event.at.astimezone(CHINA).isoformat(timespec="seconds"),
        "step": event.what,
        "text": say(f"move.{event.what}") if is_move else "登记",
        "state": event.state or "registered",
    }
