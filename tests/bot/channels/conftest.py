"""A local platform served over loopback, with a clock that stands still."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from bot.channels.simulator.endpoints import platform_app
from bot.channels.simulator.platform import Platform
from bot.channels.wechat_api import MemoryTokenStore, WeChatApi
from bot.settings import AccountSettings
from tests.bot.channels.accounts import MINIPROGRAM, OFFICIAL, Still


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """The application on a free port of this machine, in a thread."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@dataclass
class Scene:
    """A platform, its address, and how to call it as an account."""

    platform: Platform
    clock: Still
    base: str
    apis: list[WeChatApi] = field(default_factory=list)

    def api(self, account: AccountSettings = OFFICIAL, *, read: float = 5.0, tokens=None) -> WeChatApi:
        http = httpx.Client(timeout=httpx.Timeout(read, connect=3.0), trust_env=False)
        store = tokens if tokens is not None else MemoryTokenStore(lambda: self.clock.now().timestamp())
        self.apis.append(WeChatApi(account, base=self.base, tokens=store, http=http))
        return self.apis[-1]

    def paths(self) -> list[str]:
        return [call.path.removeprefix("/cgi-bin") for call in self.platform.calls]


@pytest.fixture(scope="session")
def _stage() -> Iterator[tuple[list[Platform], str]]:
    """One server for all tests; each puts its own platform on it."""
    current: list[Platform] = []

    async def dispatch(scope, receive, send):
        await platform_app(current[-1])(scope, receive, send)

    with served(dispatch) as base:
        yield current, base


@pytest.fixture
def scene(_stage) -> Iterator[Scene]:
    current, base = _stage
    clock = Still()
    platform = Platform({"official": OFFICIAL, "miniprogram": MINIPROGRAM}, clock=clock)
    platform.templates.add("T1")
    current.append(platform)
    scene = Scene(platform, clock, base)
    yield scene
    for api in scene.apis:
        api.close()
    current.pop()
