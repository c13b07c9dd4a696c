"""The composition root: the only place that knows everyone."""

import contextlib
import json
import os
import secrets
import string
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from admin.api import health_routes
from admin.console_events import CLOSING
from admin.intake_api import intake_api
from admin.pages import admin_app
from admin.portal import portal_app
from admin.public import public_routes
from bot.actions import clocks, knowledge, takeover
from bot.actions.context import Context, SystemClock
from bot.actions.links import webhook_secret
from bot.actions.telling import NEWS_GAPS
from bot.backends.memory import MemoryHub
from bot.channels.mail import MailSender, MailServer
from bot.channels.metrics import Metrics
from bot.channels.simulator.page import simulator_app
from bot.channels.simulator.platform import Platform
from bot.channels.webhook import SmsSender, WebhookSender
from bot.channels.wechat_api import WeChatApi
from bot.channels.wechat_codec import Codec
from bot.channels.wechat_in import Callback
from bot.channels.wechat_out import WeChatSender
from bot.core.brain import CALIBRATED, Brain
from bot.core.notifications import parse
from bot.core.reach import Channel
from bot.errors import RefusedError
from bot.logs import set_up_logs
from bot.ports import Clock, Sender
from bot.settings import AccountSettings, Settings
from bot.store import courses
from bot.store.base import Database
from bot.store.migrate import upgrade
from bot.worker.loop import Worker
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.search import Index
from knowledge.stored import MANY_CHANGES, index_of

_ACCOUNTS = ("official", "miniprogram")
log = structlog.get_logger()


@dataclass(slots=True)
class Program:
    """One running system: what the commands and the tests hold in their hands."""

    settings: Settings
    ctx: Context
    web: FastAPI
    worker: Worker
    metrics: Metrics
    platform: Platform | None  # the local platform, where the simulator plays WeChat

    @property
    def url(self) -> str:
        """Where this process is reached from the same machine."""
        return self.settings.local_url

    def end_streams(self) -> None:
        """The server stops: whoever listens to a live page is let go."""
        self.ctx.kept[CLOSING] = True
        if self.ctx.hub is not None:
            self.ctx.hub.publish(CLOSING)

    @property
    def has_simulator(self) -> bool:
        """Does the simulator play an account?"""
        return self.platform is not None


def open_context(settings: Settings, *, clock: Clock | None = None) -> Context:
    """Database (made and migrated when new), shipped knowledge and notices, and the brain over it."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    upgrade(database)
    understander = Understander.load(settings.data_dir)
    nothing = Index.build(Release.of(()), understander.tokenizer)
    sure = settings.answer_threshold
    thresholds = replace(CALIBRATED, answer=sure) if sure else CALIBRATED
    ctx = Context(
        settings,
        database,
        clock or SystemClock(),
        Brain(understander, nothing, thresholds),
        secret=_secret(settings),
    )
    knowledge.load_shipped(ctx)
    clocks.load_shipped(ctx)
    renew(ctx)
    return ctx


def _secret(settings: Settings) -> bytes:
    """What signs links and webhooks: the setting, else one that is made once and kept beside the data."""
    if settings.secret_key:
        return settings.secret_key.encode()
    path = settings.data_dir / "secret.key"
    if not path.exists():
        # Written whole under another name first: two processes that start at once end with one key.
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(32), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_bytes()


def renew(ctx: Context) -> None:
    """Put entries and synonyms live as they stand in the database, if they have changed since."""
    before = ctx.brain
    if before.release.number == knowledge.version(ctx):
        return
    release, others = knowledge.read_release(ctx), knowledge.synonyms(ctx)
    understander = before.understander.knowing(others)
    if understander is before.understander and len(before.index.changed(release)) <= MANY_CHANGES:
        index = before.index.updated(release)
    else:
        index = index_of(release, understander.tokenizer, ctx.settings.data_dir)
    ctx.brain = Brain(understander, index, before.thresholds)


def build(settings: Settings, *, clock: Clock | None = None) -> Program:
    """Everything, wired; nothing runs yet."""
    settings, simulated = with_simulator(settings)
    set_up_logs(settings.log_level)
    ctx = open_context(settings, clock=clock)
    ctx.hub = MemoryHub()
    metrics = Metrics()
    accounts = _configured(settings)
    _check_templates(accounts.values())
    apis = {name: _api(name, account, settings, simulated) for name, account in accounts.items()}
    pictures = partial(takeover.picture, ctx)
    senders: dict[str, Sender] = {
        name: WeChatSender(name, api, pictures=pictures) for name, api in apis.items()
    }
    senders |= _other_senders(ctx)
    worker = Worker(ctx, senders, apis, renew=lambda: renew(ctx))
    ctx.poke = worker.poke
    codecs = {name: _codec(name, account, settings) for name, account in accounts.items()}
    platform = Platform({name: accounts[name] for name in simulated}, clock=ctx.clock) if simulated else None
    callback = Callback(ctx, codecs, metrics)
    closing = (callback.close, worker.stop, *(api.close for api in apis.values()), ctx.database.close)
    typing = partial(_show_typing, ctx, senders)
    web = _web(ctx, callback, worker, metrics, platform=platform, typing=typing, closing=closing)
    return Program(settings, ctx, web, worker, metrics, platform)


def _show_typing(ctx: Context, senders: Mapping[str, Sender], conversation_id: int) -> None:
    """Let a contact see that staff are writing; best effort, so whatever the platform answers is nobody's concern."""
    with ctx.read() as session:
        recipient = courses.recipient_of(session, conversation_id)
    sender = senders.get(recipient.account)
    if isinstance(sender, WeChatSender) and recipient.erased_at is None:
        sender.typing(recipient.openid)


def _other_senders(ctx: Context) -> dict[str, Sender]:
    """E-mail, webhooks and SMS, as far as they are set up; webhooks go to whoever registered one."""
    settings, secret_of = ctx.settings, partial(webhook_secret, ctx)
    is_open = settings.webhook_insecure
    found: dict[str, Sender] = {
        Channel.WEBHOOK.value: WebhookSender(secret_of, ctx.clock, is_insecure_allowed=is_open)
    }
    if settings.smtp_host:
        server = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=settings.smtp_password,
            sender=settings.mail_from,
        )
        found[Channel.EMAIL.value] = MailSender(server, ctx.clock)
    if settings.sms_url:
        found[Channel.SMS.value] = SmsSender(
            settings.sms_url, secret_of("sms"), ctx.clock, is_insecure_allowed=is_open
        )
    return found


def _configured(settings: Settings) -> Mapping[str, AccountSettings]:
    found = ((name, settings.account(name)) for name in _ACCOUNTS)
    return {name: account for name, account in found if account is not None}


def _check_templates(accounts: Iterable[AccountSettings]) -> None:
    """A template that cannot be read stops the start, not a message days later."""
    for account in accounts:
        for text in (account.notice_template, account.survey_template):
            if text:
                parse(text, gaps=NEWS_GAPS)


def _codec(name: str, account: AccountSettings, settings: Settings) -> Codec:
    return Codec(account, name=name, max_age=settings.callback_max_age, max_bytes=settings.callback_max_bytes)


def _api(name: str, account: AccountSettings, settings: Settings, simulated: tuple[str, ...]) -> WeChatApi:
    base = f"{settings.local_url}/simulator/wechat" if name in simulated else settings.wechat_api_base
    return WeChatApi(account, base=base)


def with_simulator(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Give made-up credentials to the accounts that are not configured, when the simulator is on."""
    if not settings.simulator:
        return settings, ()
    names = tuple(name for name in _ACCOUNTS if settings.account(name) is None)
    kept = _kept_credentials(settings.data_dir / "simulator.json", names)
    return replace(settings, **dict[str, Any](kept)), names


def _kept_credentials(path: Path, names: tuple[str, ...]) -> dict[str, AccountSettings]:
    """The simulator's credentials survive a restart, so that a retry after it can still be read."""
    data: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    fresh = [name for name in names if name not in data]
    for name in fresh:
        data[name] = {
            "app_id": f"wx{secrets.token_hex(8)}",
            "app_secret": secrets.token_hex(16),
            "token": secrets.token_hex(8),
            "encoding_aes_key": "".join(
                secrets.choice(string.ascii_letters + string.digits) for _ in range(42)
            )
            + "A",
            "kind": "service",
            "format": "json" if name == "miniprogram" else "xml",
        }
    if fresh:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return {name: AccountSettings(**data[name]) for name in names}


def _web(
    ctx: Context,
    callback: Callback,
    worker: Worker,
    metrics: Metrics,
    *,
    platform: Platform | None,
    typing: Callable[[int], None],
    closing: Iterable[Callable[[], None]],
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        for close in closing:
            close()

    web = FastAPI(title="NQI", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    # A plain route: half the framework's cost, and no validation page can ever answer WeChat.
    web.router.routes.append(Route("/wechat/{account}", callback.answer, methods=["GET", "POST"]))
    web.router.routes.extend(health_routes(ctx, metrics.registry))
    web.router.routes.extend(intake_api(ctx))
    web.mount("/admin", admin_app(ctx, typing=typing))
    web.mount("/p", portal_app(ctx))
    web.mount("/s", public_routes(ctx))
    if platform is not None:
        address = f"{ctx.settings.local_url}/wechat"
        web.mount("/simulator", simulator_app(platform, address))

    @web.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("/simulator/" if platform is not None else "/admin/")

    @web.exception_handler(RefusedError)
    async def refused(_request: Request, error: RefusedError) -> Response:
        return JSONResponse({"code": error.code, "message": error.message}, status_code=error.status)

    return web
