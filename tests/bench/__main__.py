"""`make bench`: the figures of docs/benchmarks.md, all from one run."""

import contextlib
import json
import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

import httpx
import psutil

from bot.actions.knowledge import import_entries
from bot.app import open_context
from bot.channels.simulator.wire import make_push
from bot.channels.wechat_codec import Codec
from bot.settings import AccountSettings, Settings
from knowledge.rows import load_seeds
from tests.bench import gate, pages, tickets, understanding
from tests.bench.load import Load, run

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
ENTRIES = 1000
SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
ACCOUNT = AccountSettings(
    app_id="wx0000000000000001",
    app_secret=secrets.token_hex(16),
    token="benchmark",
    encoding_aes_key="A" * 43,
    kind="service",
)
PYTHON = sys.executable


PAGE = """# Benchmarks

Made by `make bench` on {day} ({machine}), load generator on the same machine,
{entries} entries, 1,000 contacts, {seconds:.0f} s a run. Ratios hold; absolute figures drift.

| path | callbacks/s | p50 ms | p99 ms | p50 ms at half rate | p99 ms at half rate | failures |
| --- | --- | --- | --- | --- | --- | --- |
{table}

| what | figure | aim |
| --- | --- | --- |
| p99 at half of the maximum rate | {half:.1f} ms | < 50 ms |
| start to first answer, shipped entries | {started:.2f} s | < 3 s |
| memory after start / after the load | {idle:.0f} / {loaded:.0f} MiB | < 250 MiB |
| `nqi classify` | {classified:,.0f} texts/s | |

The full path is signature, decryption, parse, understanding, retrieval, dialogue, one durable transaction
(`synchronous=FULL`, commits shared by the turns that wait) and encrypted reply. The bare echo does
the crypto and the parse on the same server. WeRoBot: gunicorn, one worker, its default SQLite session.
"""


def environment(folder: str, port: int) -> dict[str, str]:
    """The settings of the servers that are measured."""
    names = {
        "DATA_DIR": folder,
        "PORT": str(port),
        "LOG_LEVEL": "error",
        "OFFICIAL__APP_ID": ACCOUNT.app_id,
        "OFFICIAL__APP_SECRET": ACCOUNT.app_secret,
        "OFFICIAL__TOKEN": ACCOUNT.token,
        "OFFICIAL__ENCODING_AES_KEY": ACCOUNT.encoding_aes_key,
        "OFFICIAL__KIND": ACCOUNT.kind,
        "WECHAT_API_BASE": "http://127.0.0.1:9",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NQI_")}
    return {**kept, **{f"NQI_{name}": value for name, value in names.items()}}


def texts() -> list[str]:
    """What is asked: the questions of the shipped entries and some small talk."""
    asked = [question for entry in load_seeds() for question in entry.questions]
    return [*asked, "你好", "谢谢", "今天天气怎么样", "想给新出的椰汁做个第三方检测", "转人工", "菜单"]


def requests(port: int, count: int, *, people: int = 1000) -> list[bytes]:
    """Sealed pushes as raw HTTP, each with an id of its own, from so many contacts."""
    codec = Codec(ACCOUNT, name="official", max_age=600)
    asked = texts()
    now = datetime.now(UTC)
    made = []
    for number in range(count):
        fields = {
            "ToUserName": "gh_bench",
            "FromUserName": f"bench-{number % people}",
            "CreateTime": int(now.timestamp()),
            "MsgType": "text",
            "Content": asked[number % len(asked)],
            "MsgId": secrets.randbits(63),
        }
        push = make_push(codec, fields, at=now, nonce=str(secrets.randbelow(10**9)))
        head = (
            f"POST /wechat/official?{urlencode(list(push.query))} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: {push.media_type}\r\nContent-Length: {len(push.content)}\r\n\r\n"
        )
        made.append(head.encode() + push.content)
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(
    command: Sequence[str], env: dict[str, str], port: int, *, cwd: str = str(ROOT)
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, from start to readiness to end."""
    process = subprocess.Popen(
        command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1)
                break
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def measure(port: int, label: str, *, connections: int) -> tuple[Load, Load]:
    """The highest rate, and the latency at half of it."""
    url = f"http://127.0.0.1:{port}"
    run(url, requests(port, 400), connections=connections, seconds=3)  # warm
    top = run(url, requests(port, int(6000 * SECONDS)), connections=connections, seconds=SECONDS)
    half = run(
        url,
        requests(port, int(top.rate / 2 * SECONDS) + 1),
        connections=connections * 4,
        seconds=SECONDS,
        pace=top.rate / 2,
    )
    print(
        f"{label}: {top.rate:.0f}/s, p99 at half {half.p99:.1f} ms, failures {top.failures + half.failures}"
    )
    return top, half


def fill(folder: str) -> None:
    """Bring the knowledge to 1,000 entries: copies of the shipped ones with questions of their own."""
    seeds = load_seeds()
    more = []
    for number in range(ENTRIES - len(seeds)):
        seed = seeds[number % len(seeds)]
        mark = f"第{number // len(seeds) + 2}类情形"
        more.append(
            replace(
                seed,
                id=f"{seed.id}-{number + 900}",
                title=f"{mark}{seed.title}"[:40],
                questions=tuple(f"{mark}{question}" for question in seed.questions),
                related=(),
            )
        )
    ctx = open_context(Settings(data_dir=Path(folder)))
    import_entries(ctx, more)
    ctx.database.close()


def start_time(env: dict[str, str], port: int) -> float:
    """Seconds from the command to the first answer."""
    push = requests(port, 1)[0]
    begin = time.perf_counter()
    with serving([PYTHON, "-m", "bot", "serve"], env, port):
        load = run(f"http://127.0.0.1:{port}", [push], connections=1, seconds=10)
        took = time.perf_counter() - begin
    assert not load.failures
    return took


def _feed(pipe: IO[str], lines: list[str]) -> None:
    pipe.writelines(lines)
    pipe.close()


def classify_rate(env: dict[str, str], count: int = 4000) -> float:
    """Texts per second of `nqi classify`, its start not counted."""
    asked = texts()
    lines = [json.dumps({"id": number, "text": asked[number % len(asked)]}) + "\n" for number in range(count)]
    process = subprocess.Popen(
        [PYTHON, "-m", "bot", "classify"],
        env=env,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(lines[0])
    process.stdin.flush()
    process.stdout.readline()
    begin = time.perf_counter()
    feeder = threading.Thread(target=_feed, args=(process.stdin, lines[1:]))  # both pipes must move
    feeder.start()
    answered = sum(1 for _ in process.stdout)
    feeder.join()
    took = time.perf_counter() - begin
    process.wait()
    return answered / took


def machine() -> str:
    """What this was measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return f"{model}, {psutil.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Measure everything and write docs/benchmarks.md."""
    rows: list[tuple[str, Load, Load]] = []
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = environment(folder, port)
        # The first start also makes the database; the median of three is an ordinary one.
        started = sorted(start_time(env, port) for _ in range(3))[1]
        fill(folder)
        with serving([PYTHON, "-m", "bot", "serve"], env, port) as process:
            idle = psutil.Process(process.pid).memory_info().rss / 2**20
            rows.append(("full path, durable (SQLite, FULL)", *measure(port, "full path", connections=32)))
            loaded = psutil.Process(process.pid).memory_info().rss / 2**20
        classified = classify_rate(env)
        bare = [
            "-m",
            "uvicorn",
            "--factory",
            "tests.bench.peers:bare",
            "--port",
            str(port),
            "--no-access-log",
        ]
        with serving([PYTHON, *bare, "--log-level", "error"], env, port):
            rows.append(("bare echo of the same crypto", *measure(port, "bare echo", connections=32)))
        peer = ["-m", "gunicorn", "-w", "1", "-b", f"127.0.0.1:{port}", "--log-level", "error"]
        # WeRoBot keeps its sessions in a file in the folder where it runs.
        there = {**env, "PYTHONPATH": str(ROOT)}
        with serving([PYTHON, *peer, "tests.bench.peers:werobot()"], there, port, cwd=folder):
            rows.append(("WeRoBot echo, default session", *measure(port, "WeRoBot", connections=16)))
    write(rows, started=started, idle=idle, loaded=loaded, classified=classified)
    understanding.renew(DOCUMENT)
    tickets.renew(DOCUMENT)
    gate.renew(DOCUMENT)
    pages.renew(DOCUMENT)


def write(
    rows: list[tuple[str, Load, Load]], *, started: float, idle: float, loaded: float, classified: float
) -> None:
    """docs/benchmarks.md, whole."""
    table = "\n".join(
        f"| {label} | {top.rate:,.0f} | {top.p50:.1f} | {top.p99:.1f} | {half.p50:.1f} | {half.p99:.1f} "
        f"| {top.failures + half.failures} |"
        for label, top, half in rows
    )
    text = PAGE.format(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=machine(),
        entries=ENTRIES,
        seconds=SECONDS,
        table=table,
        half=rows[0][2].p99,
        started=started,
        idle=idle,
        loaded=loaded,
        classified=classified,
    )
    DOCUMENT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
