"""The callback: a push in, the passive reply out, within WeChat's five seconds."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from bot.actions.context import Context
from bot.actions.conversation import Answer, hear, receive, record_push
from bot.channels.metrics import Metrics
from bot.channels.wechat_codec import Codec, Decoded, PushRefused
from bot.core.messages import Incoming

_LAST_MOMENT = timedelta(seconds=4.6)  # WeChat hangs up after 5 s: a reply after this is sent another way
_THREADS = 16  # turns that may share one commit
log = structlog.get_logger()


class Callback:
    """`GET|POST /wechat/{account}`."""

    def __init__(self, ctx: Context, codecs: Mapping[str, Codec], metrics: Metrics) -> None:
        self._ctx = ctx
        self._codecs = codecs
        self._metrics = metrics
        self._turns: dict[str, asyncio.Task[Answer]] = {}
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="turn")
        # Pushes that came too late are written down even when every turn hangs.
        self._recorder = ThreadPoolExecutor(2, thread_name_prefix="record")

    async def answer(self, request: Request) -> Response:
        """Answer one delivery; whatever goes wrong becomes a plain status, never a page."""
        name = request.path_params["account"]
        codec = self._codecs.get(name)
        if codec is None:
            return Response(status_code=404)
        if request.method == "GET":
            return self._verify(codec, request)
        started = self._ctx.clock.now()
        self._metrics.received.labels(name).inc()
        try:
            body = await _read(request, self._ctx.settings.callback_max_bytes)
            decoded = codec.decode(request.query_params.multi_items(), body, now=started)
        except PushRefused as refusal:
            self._metrics.rejected.labels(name, refusal.reason).inc()
            log.info("push refused", account=name, reason=refusal.reason)
            return Response(status_code=refusal.status)
        except ClientDisconnect:
            self._metrics.rejected.labels(name, "disconnect").inc()
            return Response(status_code=400)
        response = await self._respond(name, codec, decoded)
        self._metrics.seconds.labels(name).observe((self._ctx.clock.now() - started).total_seconds())
        return response

    def close(self) -> None:
        """Let running turns end; nothing new begins."""
        self._pool.shutdown(wait=True)
        self._recorder.shutdown(wait=True)

    def _verify(self, codec: Codec, request: Request) -> Response:
        try:
            echo = codec.verify_url(request.query_params.multi_items(), now=self._ctx.clock.now())
        except PushRefused as refusal:
            return Response(status_code=refusal.status)
        return PlainTextResponse(echo)

    async def _respond(self, name: str, codec: Codec, decoded: Decoded) -> Response:
        incoming = decoded.incoming
        try:
            answer = await self._answer(incoming)
        except Exception:
            # Not recorded, so not acknowledged: WeChat delivers it again.
            log.exception("push failed", account=name, push=incoming.key)
            self._metrics.rejected.labels(name, "unavailable").inc()
            return Response(status_code=503)
        (self._metrics.queued if answer.is_queued else self._metrics.answered).labels(name).inc()
        if answer.is_repeat:
            self._metrics.repeated.labels(name).inc()
        if not answer.text:
            return PlainTextResponse("success")
        body = codec.encode(incoming, decoded.envelope, answer.text, at=answer.at)
        return Response(body.content, media_type=body.media_type)

    async def _answer(self, incoming: Incoming) -> Answer:
        """The turn's answer if it is ready within the budget, else the receipt that it will come."""
        turn = self._turns.get(incoming.key)
        if turn is None:
            turn = asyncio.create_task(self._run(incoming))
            self._turns[incoming.key] = turn
            turn.add_done_callback(lambda done: self._ended(incoming, done))
        budget = timedelta(seconds=self._ctx.settings.callback_budget)
        done, _ = await asyncio.wait({turn}, timeout=self._left(incoming, budget))
        if done and turn.exception() is None:
            return turn.result()
        return await self._record(incoming)

    async def _record(self, incoming: Incoming) -> Answer:
        loop = asyncio.get_running_loop()
        recording = loop.run_in_executor(self._recorder, record_push, self._ctx, incoming)
        return await asyncio.wait_for(recording, max(self._left(incoming, _LAST_MOMENT), 0.5))

    def _left(self, incoming: Incoming, budget: timedelta) -> float:
        return max((budget - (self._ctx.clock.now() - incoming.received_at)).total_seconds(), 0.01)

    async def _run(self, incoming: Incoming) -> Answer:
        async with self._in_order(f"{incoming.account}:{incoming.openid}"):
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, incoming)

    def _work(self, incoming: Incoming) -> Answer:
        return receive(self._ctx, incoming, hear(self._ctx, incoming))

    def _ended(self, incoming: Incoming, turn: asyncio.Task[Answer]) -> None:
        self._turns.pop(incoming.key, None)
        if not turn.cancelled() and (error := turn.exception()) is not None:
            log.error("turn failed", push=incoming.key, exc_info=error)

    @asynccontextmanager
    async def _in_order(self, who: str) -> AsyncIterator[None]:
        """One turn of a contact at a time, in the order in which they arrived."""
        lock, users = self._locks.get(who, (asyncio.Lock(), 0))
        self._locks[who] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[who]
            if users == 1:
                del self._locks[who]
            else:
                self._locks[who] = (lock, users - 1)


async def _read(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is longer than the limit, whatever Content-Length says."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise PushRefused("too-large")
    return bytes(body)
