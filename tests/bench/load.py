"""A small load generator: keeps connections busy, or keeps a pace, and says how long answers took."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured in one run."""

    rate: float  # answers per second
    p50: float  # milliseconds
    p99: float
    failures: int
    count: int


class _Client:
    """One connection; opened anew when the server closes it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, request: bytes) -> bool:
        """Send one request; was it answered with 200?"""
        for attempt in range(2):
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            assert self._reader is not None
            try:
                self._writer.write(request)
                return await self._read(self._reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                self._drop()
                if attempt:
                    return False
        return False

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at < 0:
            await reader.read()
            self._drop()
        else:
            await reader.readexactly(int(lower[at + 15 : lower.index(b"\r\n", at)]))
            if b"connection: close" in lower or head.startswith(b"HTTP/1.0"):
                self._drop()
        return head.split(b" ", 2)[1] == b"200"

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def run(url: str, requests: Sequence[bytes], *, connections: int, seconds: float, pace: float = 0.0) -> Load:
    """Send the requests in turn for so long; with a `pace`, that many are begun per second (open loop)."""
    return asyncio.run(_run(url, requests, connections=connections, seconds=seconds, pace=pace))


async def _run(url: str, requests: Sequence[bytes], *, connections: int, seconds: float, pace: float) -> Load:
    latencies: list[float] = []
    failures = 0
    sent = 0
    begin = time.perf_counter()
    end = begin + seconds

    async def worker() -> None:
        nonlocal failures, sent
        client = _Client(url)
        while True:
            number, sent = sent, sent + 1
            # In the open loop the clock of a request starts when it was due, not when a connection was free.
            due = begin + number / pace if pace else time.perf_counter()
            if max(due, time.perf_counter()) >= end or number >= len(requests):
                return
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            failures += not await client.send(requests[number])
            latencies.append(time.perf_counter() - due)

    await asyncio.gather(*(worker() for _ in range(connections)))
    took = time.perf_counter() - begin
    latencies.sort()
    return Load(
        len(latencies) / took,
        1000 * latencies[len(latencies) // 2],
        1000 * latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))],
        failures,
        len(latencies),
    )
