"""The simulator's page: a phone in the browser, and the local platform behind it."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.staticfiles import StaticFiles

from bot.channels.simulator.endpoints import platform_app
from bot.channels.simulator.phone import Bubble, Who
from bot.channels.simulator.platform import Platform
from bot.channels.simulator.push import Delivery, Pusher
from bot.errors import NotFoundError, RefusedError

_HERE = Path(__file__).parent
_LINK = re.compile(r'<a\s+href="[^"<>]*"[^<>]*>([^<>]*)</a>')
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
User = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{3,40}$")]


class Sending(BaseModel):
    """One thing that the person at the page does."""

    user: User
    kind: Literal["text", "menu", "event", "image", "voice", "video", "file", "location", "link"]
    text: str = Field("", max_length=4000)
    menu_id: str = Field("", max_length=200)
    event: Literal["", "subscribe", "unsubscribe", "user_enter_tempsession"] = ""


def simulator_app(platform: Platform, callback: str) -> FastAPI:
    """Everything under /simulator; `callback` is this server's own /wechat address."""
    web = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    pushers = {name: Pusher(platform, name, f"{callback}/{name}") for name in platform.names}

    def pusher(account: str) -> Pusher:
        found = pushers.get(account)
        if found is None:
            raise NotFoundError("account", "模拟器没有这个账号。")
        return found

    @web.get("/")
    def page() -> FileResponse:
        return FileResponse(_HERE / "static" / "index.html", headers=_HEADERS)

    # Plain functions run in threads: a push may take fifteen seconds.
    @web.post("/api/{account}/send")
    def send(account: str, sending: Sending) -> dict[str, Any]:
        delivery = _DEEDS[sending.kind](pusher(account), sending)
        return {"tries": delivery.tries, "note": _note(sending, delivery)}

    @web.get("/api/{account}/phone")
    def phone(account: str, user: str, after: int = 0) -> dict[str, Any]:
        pusher(account)
        bubbles = [
            bubble for bubble in platform.phone(user, after=max(after, 0)) if bubble.account == account
        ]
        return {"messages": [_shown(bubble) for bubble in bubbles]}

    @web.exception_handler(RefusedError)
    def refused(_request: Request, error: RefusedError) -> JSONResponse:
        return JSONResponse({"code": error.code, "message": error.message}, status_code=error.status)

    @web.exception_handler(RequestValidationError)
    def unreadable(_request: Request, _error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"code": "body", "message": "请求内容不对，请刷新页面重试"}, status_code=422)

    web.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    web.mount("/wechat", platform_app(platform))
    return web


_DEEDS: Mapping[str, Callable[[Pusher, Sending], Delivery]] = {
    "text": lambda pusher, it: pusher.text(it.user, it.text),
    "menu": lambda pusher, it: pusher.tap(it.user, it.text, it.menu_id),
    "image": lambda pusher, it: pusher.image(it.user),
    "voice": lambda pusher, it: pusher.voice(it.user, it.text),
    "video": lambda pusher, it: pusher.video(it.user),
    "file": lambda pusher, it: pusher.file(it.user, "检测报告.pdf"),
    "location": lambda pusher, it: pusher.location(it.user, latitude=20.02, longitude=110.33, label="海口市"),
    "link": lambda pusher, it: pusher.link(it.user, title="产品介绍", url="https://example.com/"),
    "event": lambda pusher, it: _EVENTS[it.event](pusher, it.user),
}
_EVENTS: Mapping[str, Callable[[Pusher, str], Delivery]] = {
    "subscribe": lambda pusher, user: pusher.subscribe(user),
    "unsubscribe": lambda pusher, user: pusher.unsubscribe(user),
    "user_enter_tempsession": lambda pusher, user: pusher.enter(user),
    "": lambda pusher, user: pusher.view(user, "https://example.com/"),
}


def _note(sending: Sending, delivery: Delivery) -> str:
    """A grey line for what leaves no bubble."""
    if sending.event == "unsubscribe":
        return "已取消关注：平台收到后会删除您的个人信息。"
    if len(delivery.tries) > 1:
        return f"微信推送了 {len(delivery.tries)} 次：{'、'.join(delivery.tries)}"
    return ""


def _shown(bubble: Bubble) -> dict[str, Any]:
    return {
        "id": bubble.number,
        "mine": bubble.who is Who.CONTACT,
        "fault": bubble.who is Who.PLATFORM,
        "parts": list(_parts(bubble)),
        "text": _LINK.sub(r"\1", bubble.text),
    }


def _parts(bubble: Bubble) -> Iterator[dict[str, str]]:
    """The text cut at its links; what a contact wrote has none, whatever it looks like."""
    links = iter(bubble.links if bubble.who is not Who.CONTACT else ())
    rest = bubble.text
    while link := next(links, None):
        found = _LINK.search(rest)
        assert found
        yield {"text": rest[: found.start()]}
        yield (
            {"text": link.label, "send": link.sends[0], "id": link.sends[1]}
            if link.sends
            else {"text": link.label}
        )
        rest = rest[found.end() :]
    yield {"text": rest}
