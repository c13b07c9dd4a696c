"""Kill -9 at any point between push and reply: one effect, one answer, nothing lost."""

import contextlib
import os
import random
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bot.app import with_simulator
from bot.channels.simulator.wire import make_push, open_reply
from bot.channels.wechat_codec import Codec
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
KILLS = 6
PEOPLE = 8
KEPT = (
    "SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM staff), (SELECT max(updated_at) FROM entry)"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`nqi serve` in a process that can be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        settings, _ = with_simulator(Settings(data_dir=folder, simulator=True))
        self.codec = Codec(settings.official, name="official", max_age=10**9)

    def start(self) -> None:
        names = {
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "SIMULATOR": "true",
            "LOG_LEVEL": "error",
        }
        env = {**os.environ, **{f"NQI_{name}": value for name, value in names.items()}}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot", "serve"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 90
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=1, trust_env=False).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ctrl-C."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=15)

    def push(self, fields: dict[str, object]) -> bytes | None:
        """One delivery; None when nobody answered with 200."""
        push = make_push(self.codec, fields, at=datetime.now(UTC), nonce=str(secrets.randbelow(10**9)))
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.post(
                f"{self.url}/wechat/official",
                params=list(push.query),
                content=push.content,
                timeout=5,
                trust_env=False,
            )
            return answer.content if answer.status_code == 200 else None
        return None

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(self.folder / "nqi.db")) as database:
            return database.execute(query).fetchall()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    yield found
    if found.process and found.process.poll() is None:
        found.kill()


def message(person: str, text: str, serial: int) -> dict[str, object]:
    return {
        "ToUserName": "gh_x",
        "FromUserName": person,
        "CreateTime": 1_700_000_000 + serial,
        "MsgType": "text",
        "Content": text,
        "MsgId": 10_000 + serial,
    }


@pytest.mark.server
@pytest.mark.timeout(400)
def test_a_server_killed_at_any_moment_loses_and_doubles_nothing(server: Server) -> None:
    """People go through the form to a number while the server is killed under them; WeChat tries again."""
    chance = random.Random(20261121)
    texts = [
        "想给新出的椰汁做个第三方检测",
        "示例甜水食品有限公司",
        "王经理",
        "13800000000",
        "确认提交",
        "我的申请",
    ]
    replies: dict[tuple[str, int], bytes] = {}
    is_over = threading.Event()

    def person(number: int) -> None:
        for serial, text in enumerate(texts):
            fields = message(f"crash-{number}", text, number * 100 + serial)
            content = None
            while content is None and not is_over.is_set():
                content = server.push(fields)
                if content is None:
                    time.sleep(0.05)
            if content is not None:
                replies[f"crash-{number}", serial] = content
                assert server.push(fields) in (content, None), "the same delivery, the same bytes"

    server.start()
    threads = [threading.Thread(target=person, args=(number,)) for number in range(PEOPLE)]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.6))
        server.kill()
        server.start()
    for thread in threads:
        thread.join(120)
    is_over.set()
    assert len(replies) == PEOPLE * len(texts)

    numbers = [str(row[0]) for row in server.rows("SELECT number FROM ticket ORDER BY number")]
    assert len(numbers) == PEOPLE, "one request for each"
    assert [int(number[-6:]) for number in numbers] == list(range(1, PEOPLE + 1)), "without a gap"
    inbound = server.rows(
        "SELECT contact.openid, message.text, count(*) FROM message"
        " JOIN conversation ON conversation.id = conversation_id JOIN contact ON contact.id = contact_id"
        " WHERE is_inbound GROUP BY 1, 2"
    )
    assert sorted(inbound) == sorted((f"crash-{n}", text, 1) for n in range(PEOPLE) for text in texts)
    assert server.rows("SELECT count(*) FROM receipt WHERE state = 'queued'") == [(0,)]
    last = open_reply(server.codec, replies["crash-0", len(texts) - 1])
    assert "NQI-" in str(last["Content"])


@pytest.mark.server
def test_starting_again_changes_nothing_and_ctrl_c_stops_cleanly(server: Server) -> None:
    server.start()
    for serial, text in enumerate(("想给新出的椰汁做个第三方检测", "示例甜水食品有限公司")):
        server.push(message("days-later", text, serial))
    before = server.rows(KEPT)
    assert server.stop() == 0
    server.start()
    assert server.rows(KEPT) == before
    content = server.push(message("days-later", "王经理", 9))
    assert content is not None
    assert "联系电话" in str(open_reply(server.codec, content)["Content"]), (
        "the form goes on where it stopped"
    )
    assert server.stop() == 0
