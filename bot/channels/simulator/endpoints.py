"""The local platform over HTTP, with the paths of api.weixin.qq.com."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bot.channels.simulator.platform import Account, Call, Platform
from bot.channels.simulator.tokens import ApiError

Operation = Callable[[Account, Mapping[str, Any]], Mapping[str, Any]]
Handler = Callable[[Request, Mapping[str, Any]], Awaitable[Response | Mapping[str, Any]]]

_VIDEOS = "/videos"
_PAGE = "<html><head><title>系统维护</title></head><body>系统维护中</body></html>"


def platform_app(platform: Platform) -> Starlette:
    """The platform as an application, to be mounted or served alone."""
    api = _Api(platform)
    with_token: Mapping[str, Operation] = {
        "/cgi-bin/message/custom/send": platform.send,
        "/cgi-bin/message/custom/typing": platform.typing,
        "/cgi-bin/message/custom/business/typing": platform.typing,
        "/cgi-bin/message/template/send": platform.send_template,
        "/cgi-bin/message/template/subscribe": lambda account, body: platform.send_subscribed(
            account, body, kinds=("service", "subscription")
        ),
        "/cgi-bin/message/subscribe/send": lambda account, body: platform.send_subscribed(
            account, body, kinds=("miniprogram",)
        ),
        "/cgi-bin/message/subscribe/bizsend": lambda account, body: platform.send_subscribed(
            account, body, kinds=("service",)
        ),
        "/cgi-bin/clear_quota": platform.clear_quota,
        "/cgi-bin/callback/check": lambda account, body: {"dns": [{"ip": "127.0.0.1"}], "ping": []},
        "/wxa/business/getuserphonenumber": api.phone_number,
    }
    routes = [
        Route(path, api.endpoint(_operation(platform, run)), methods=["POST"])
        for path, run in with_token.items()
    ]
    others: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "/cgi-bin/token", api.token),
        ("POST", "/cgi-bin/stable_token", api.stable_token),
        ("GET", "/cgi-bin/getcallbackip", api.callback_ips),
        ("POST", "/cgi-bin/media/upload", api.upload),
        ("GET", "/cgi-bin/media/get", api.media),
        ("GET", _VIDEOS, api.video),
        ("GET", "/sns/jscode2session", api.session),
        ("GET", "/sns/oauth2/access_token", api.session),
    )
    routes += [Route(path, api.endpoint(handler), methods=[method]) for method, path, handler in others]
    return Starlette(routes=routes)


def _operation(platform: Platform, run: Operation) -> Handler:
    async def handler(request: Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return run(platform.bearer(request.query_params.get("access_token", "")), body)

    return handler


class _Api:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Record the call, play the fault that is on, answer errors with status 200 as WeChat does."""

        async def endpoint(request: Request) -> Response:
            body = await _body(request)
            path = request.url.path
            self._platform.calls.append(Call(path, dict(request.query_params), body))
            fault = self._platform.switches.draw(path)
            if fault is None:
                return await _run(handler, request, body)
            if fault.name == "slow":
                response = await _run(handler, request, body)
                await asyncio.sleep(fault.seconds)
                return response
            return await _faulty(fault.name, fault.seconds)

        return endpoint

    async def token(self, request: Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        query = request.query_params
        account = self._platform.owner(query.get("appid", ""), query.get("secret", ""))
        return self._platform.token(account, is_stable=False)

    async def stable_token(self, _request: Request, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if body.get("grant_type") != "client_credential":
            raise ApiError(40002, "invalid grant_type")
        account = self._platform.owner(str(body.get("appid", "")), str(body.get("secret", "")))
        return self._platform.token(account, is_stable=True, force=body.get("force_refresh") is True)

    async def callback_ips(self, request: Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        self._platform.bearer(request.query_params.get("access_token", ""))
        return {"ip_list": ["127.0.0.1"]}

    async def upload(self, request: Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        self._platform.bearer(request.query_params.get("access_token", ""))
        async with request.form() as form:
            media = form.get("media")
            if not isinstance(media, UploadFile):
                raise ApiError(41005, "media data missing")
            content, media_type = await media.read(), media.content_type or "application/octet-stream"
        return self._platform.upload(content, request.query_params.get("type", ""), media_type)

    async def media(self, request: Request, _body: Mapping[str, Any]) -> Response:
        self._platform.bearer(request.query_params.get("access_token", ""))
        media_id = request.query_params.get("media_id", "")
        media = self._platform.media(media_id)
        if media.media_type.startswith("video/"):
            address = f"{str(request.base_url).rstrip('/')}{_VIDEOS}?id={media_id}"
            return JSONResponse({"video_url": address})
        return Response(media.content, media_type=media.media_type)

    async def video(self, request: Request, _body: Mapping[str, Any]) -> Response:
        """Where the address of a video leads: no token is asked for."""
        media = self._platform.media(request.query_params.get("id", ""))
        return Response(media.content, media_type=media.media_type)

    async def session(self, request: Request, _body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A login's code becomes an openid, once."""
        query = request.query_params
        self._platform.owner(query.get("appid", ""), query.get("secret", ""))
        code = query.get("js_code") or query.get("code", "")
        return {"openid": self._platform.use_code(code), "session_key": "c2Vzc2lvbg=="}

    def phone_number(self, account: Account, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A phone button's code becomes a number, once."""
        if not account.is_miniprogram:
            raise ApiError(48001, "api unauthorized")
        self._platform.use_code(str(body.get("code", "")))
        return {"phone_info": {"phoneNumber": "13800000000", "purePhoneNumber": "13800000000"}}


async def _run(handler: Handler, request: Request, body: Mapping[str, Any]) -> Response:
    try:
        answer = await handler(request, body)
    except ApiError as error:
        return _refusal(error.code, error.message)
    if isinstance(answer, Response):
        return answer
    return JSONResponse({"errcode": 0, "errmsg": "ok", **answer})


def _refusal(code: int, message: str) -> Response:
    return JSONResponse({"errcode": code, "errmsg": f"{message} rid: 00000000-00000000-00000000"})


async def _faulty(name: str, seconds: float) -> Response:
    if name == "html":
        return HTMLResponse(_PAGE)
    if name == "silence":
        await asyncio.sleep(seconds)
        return Response(status_code=504)
    if name.startswith("http-"):
        return HTMLResponse(_PAGE, status_code=int(name[5:]))
    return _refusal(int(name), "fault switched on")


async def _body(request: Request) -> Mapping[str, Any]:
    """The JSON body; what is not an object counts as empty."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return {}
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
