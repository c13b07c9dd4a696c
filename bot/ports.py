"""The outside world as the inside sees it: protocols that backends and channels fulfil."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.core.reach import Channel


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message that leaves, as the outbox holds it."""

    key: str  # the same for every try: who can, delivers it once
    channel: Channel
    address: str  # openid, e-mail address, http address or phone number
    text: str  # what is read; the fallback where the channel can show more
    extras: Mapping[str, Any] = field(
        default_factory=dict
    )  # what the channel needs besides: see bot.core.reach.Channel


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side took the message."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The other side did not take it; for WeChat the values are a row of the error table (protocol 4.5)."""

    code: str  # errcode as text, or http-502, timeout, not-json, smtp-550
    detail: str
    is_permanent: bool  # the same call would fail again, however long we wait
    delays: tuple[float, ...] = ()  # seconds before each further try; after them, none
    closes_window: bool = False  # the ledger is wrong: nothing can be sent until the contact writes again
    alarm: bool = False  # somebody must look at the configuration
    pause: float = 0.0  # not the message's fault: the channel is out of order; try again after so many seconds, uncounted


Outcome = Sent | Failed


class Sender(Protocol):
    """Sends through one channel; never raises for what the other side answers."""

    def send(self, parcel: Parcel) -> Outcome:
        """Send one message."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A file that a contact sent, as the platform gives it out."""

    content: bytes
    media_type: str


class MediaSource(Protocol):
    """Where the files stand that contacts send."""

    def fetch(self, media_id: str, *, most: int) -> "File | Failed":
        """The file, of at most so many bytes; the platform keeps it for three days."""
        ...


class Hub(Protocol):
    """Carries pokes between whoever writes and whoever waits; facts stay in the database, so a lost poke costs seconds."""

    def publish(self, topic: str) -> None:
        """Wake those who wait for the topic; from any thread."""
        ...

    async def wait(self, topics: Collection[str], seconds: float) -> bool:
        """Wait for one of the topics, at most so long; True when one was published meanwhile."""
        ...
