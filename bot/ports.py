"""The outside world as the inside sees it: protocols that backends and channels fulfil."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took the message."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The platform did not take it; `reaction` is a row of the error table (protocol 4.5)."""

    code: str  # errcode as text, or http-502, timeout, not-json
    detail: str
    is_permanent: bool  # the same call would fail again, however long we wait
    delays: tuple[float, ...] = ()  # seconds before each further try; after them, none
    closes_window: bool = False  # the ledger is wrong: nothing can be sent until the contact writes again
    alarm: bool = False  # somebody must look at the configuration


Outcome = Sent | Failed


class Sender(Protocol):
    """Sends one customer message; never raises for what the platform answers."""

    def send_text(self, openid: str, text: str) -> Outcome:
        """Send one text of at most 2,048 bytes of UTF-8."""
        ...
