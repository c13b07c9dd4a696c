"""Run the program under uvicorn: for good (`nqi serve`), or beside something else (`nqi chat`, tests)."""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import uvicorn

from bot.actions.accounts import FIRST_NAME, create_first_administrator
from bot.app import Program, build
from bot.errors import RefusedError
from bot.ports import Clock
from bot.settings import Settings


def _config(program: Program) -> uvicorn.Config:
    return uvicorn.Config(
        program.web,
        host=program.settings.host,
        port=program.settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=8,
        proxy_headers=False,
    )


class _Server(uvicorn.Server):
    """The server, which ends the live streams before it waits for what is being answered."""

    def __init__(self, program: Program) -> None:
        super().__init__(_config(program))
        self._program = program

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then as uvicorn does."""
        self._program.end_streams()
        await super().shutdown(sockets)


def run(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C, after saying where to click."""
    listener = _listen(settings)
    # Turns of the event loop and of the worker threads alternate; the default 5 ms is a long wait for either.
    sys.setswitchinterval(0.001)
    program = build(settings)
    password = create_first_administrator(program.ctx)
    say(greeting(program, password))
    server = _Server(program)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    say("已停止。")


def _listen(settings: Settings) -> socket.socket:
    """Take the port first: a taken one is said in words, before anything else is done."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise RefusedError(
            "port",
            f"{settings.host}:{settings.port} 无法监听（{error.strerror}）。请换一个，如 NQI_PORT=8001",
        ) from error
    return listener


def greeting(program: Program, password: str | None) -> str:
    """Where to click, and the one-time password on the first start."""
    url = program.url
    lines = ["", f"  已启动：{url}"]
    if program.has_simulator:
        lines.append(f"  模拟微信聊天：{url}/simulator/")
    lines.append(f"  工作台：{url}/admin/")
    if password:
        lines.append(f"  首次登录：用户名 {FIRST_NAME}，一次性密码 {password}")
    lines += ["  按 Ctrl-C 停止。", ""]
    return "\n".join(lines)


@contextlib.contextmanager
def running(settings: Settings, *, clock: Clock | None = None) -> Iterator[Program]:
    """A server on a free port in a thread, for as long as the block lasts; by the machine's clock unless another is named."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = build(replace(settings, host="127.0.0.1", port=port), clock=clock)
    server = _Server(program)
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RefusedError("start", "服务没有启动起来，请看上面的日志。")
        time.sleep(0.02)
    try:
        yield program
    finally:
        server.should_exit = True
        thread.join(timeout=15)
