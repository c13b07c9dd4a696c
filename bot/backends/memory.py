"""One process: a hub that carries pokes between its threads and its event loop."""

import asyncio
import threading
from collections.abc import Collection


class MemoryHub:
    """Fulfils bot.ports.Hub: whoever waits is woken by the topics it waits for; nothing is kept for later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[_Waiter] = set()

    def publish(self, topic: str) -> None:
        """Wake those who wait for the topic; from any thread."""
        with self._lock:
            found = [waiter for waiter in self._waiting if topic in waiter.topics]
        for waiter in found:
            waiter.wake()

    async def wait(self, topics: Collection[str], seconds: float) -> bool:
        """Wait for one of the topics, at most so long; True when one was published meanwhile."""
        waiter = _Waiter(frozenset(topics))
        with self._lock:
            self._waiting.add(waiter)
        try:
            return await waiter.wait(seconds)
        finally:
            with self._lock:
                self._waiting.discard(waiter)


class _Waiter:
    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True
