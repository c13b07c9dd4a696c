"""The worker: one thread that delivers, finishes what was left, fires timers, tidies up and renews the knowledge."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from bot.actions.asking import _note_ended
from bot.actions.attachments import sweep
from bot.actions.context import Context, Transaction
from bot.actions.conversation import finish, forget_receipts, queued
from bot.actions.sweeps import suspend_due
from bot.actions.takeover import _note_delivery
from bot.ports import MediaSource, Sender
from bot.store.delivery import OutboxMessage
from bot.worker.attachments import fetch_due
from bot.worker.console import tend_console
from bot.worker.outbox import deliver_due
from bot.worker.surveys import ask_due
from bot.worker.timers import fire_due

_PATIENCE = timedelta(seconds=15)  # a queued push is still in its web process's hands before that
_WAKING = frozenset({"outbox", "knowledge", "surveys", "attachments"})
log = structlog.get_logger()


class Worker(threading.Thread):
    """Runs until `stop()`; `poke()` makes it look at once instead of within a second."""

    def __init__(
        self,
        ctx: Context,
        senders: Mapping[str, Sender],
        sources: Mapping[str, MediaSource],
        *,
        renew: Callable[[], None],
    ) -> None:
        super().__init__(name="worker", daemon=True)
        self._ctx = ctx
        self._senders = senders
        self._sources = sources
        self._renew = renew
        self._wake = threading.Event()
        self._is_stopping = False
        self._rounds = 0

    def poke(self, what: str) -> None:
        """Something was written that the worker cares for."""
        if what in _WAKING:
            self._wake.set()

    def stop(self) -> None:
        """End after the present round."""
        self._is_stopping = True
        self._wake.set()
        self.join(timeout=10)

    def run(self) -> None:
        """Rounds of work, a second apart at most; a failure is logged and the next round tries again."""
        while not self._is_stopping:
            try:
                self._round()
            except Exception:
                log.exception("worker round failed")
            self._wake.wait(1.0)
            self._wake.clear()

    def _round(self) -> None:
        # What is queued when we start was left by a crash: nobody is working on it.
        patience = _PATIENCE if self._rounds else timedelta(0)
        is_hourly = self._rounds % 3600 == 0
        self._rounds += 1
        finish_queued(self._ctx, older_than=patience)
        fire_due(self._ctx)
        ask_due(self._ctx)
        tend_console(self._ctx)
        while deliver_due(self._ctx, self._senders, ended=_ended):
            pass
        fetch_due(self._ctx, self._sources)
        suspend_due(self._ctx)
        self._renew()
        if is_hourly:
            forget_receipts(self._ctx)
            sweep(self._ctx)


def _ended(tx: Transaction, row: OutboxMessage) -> None:
    """A message came to its end: its survey is looked at, and the console shows what became of it."""
    _note_ended(tx, row)
    _note_delivery(tx, row)


def finish_queued(ctx: Context, *, older_than: timedelta) -> int:
    """Answer pushes that were acknowledged before a crash or a long delay; gives how many."""
    return sum(finish(ctx, incoming, tries=tries) for incoming, tries in queued(ctx, older_than=older_than))
