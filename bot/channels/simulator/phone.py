"""What the phone of a contact shows."""

import threading
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from bot.core.rendering import links_in


class Who(StrEnum):
    """Who speaks in a bubble."""

    CONTACT = "contact"
    ACCOUNT = "account"
    PLATFORM = "platform"  # WeChat itself, as with its fault text


@dataclass(frozen=True, slots=True)
class Link:
    """A clickable piece of a text; one that `sends` makes the phone send that, with the menu id."""

    href: str
    label: str

    @property
    def sends(self) -> tuple[str, str] | None:
        """The text and the menu id that a tap sends; None for an ordinary link."""
        parts = urlsplit(self.href)
        if (parts.scheme, parts.netloc) != ("weixin", "bizmsgmenu"):
            return None
        query = parse_qs(parts.query)
        content, menu_id = query.get("msgmenucontent"), query.get("msgmenuid")
        return (content[0], menu_id[0]) if content and menu_id else None


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message on a phone; the numbers rise by one over all phones of the platform."""

    number: int
    account: str
    openid: str
    who: Who
    kind: str  # text, image, …, template, subscribe, fault
    text: str
    at: datetime
    via: str = ""  # passive, customer, notice

    @property
    def links(self) -> tuple[Link, ...]:
        """The links in the text, in their order."""
        return tuple(Link(href, label) for href, label in links_in(self.text))


class Phones:
    """The phones of all contacts; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bubbles: list[Bubble] = []
        self._typing: dict[str, datetime] = {}

    def show(
        self, account: str, openid: str, *, who: Who, kind: str, text: str, at: datetime, via: str = ""
    ) -> Bubble:
        """Put a message on the phone."""
        with self._lock:
            bubble = Bubble(len(self._bubbles) + 1, account, openid, who, kind, text, at, via)
            self._bubbles.append(bubble)
            self._typing.pop(openid, None)
            return bubble

    def of(self, openid: str, *, after: int = 0) -> list[Bubble]:
        """What that phone shows, oldest first, without the first `after` numbers."""
        with self._lock:
            return [bubble for bubble in self._bubbles[after:] if bubble.openid == openid]

    def set_typing(self, openid: str, until: datetime | None) -> None:
        """对方正在输入 stands above the chat until then; None takes it away."""
        with self._lock:
            if until is None:
                self._typing.pop(openid, None)
            else:
                self._typing[openid] = until

    def is_typing(self, openid: str, now: datetime) -> bool:
        """Does 对方正在输入 stand above the chat now?"""
        with self._lock:
            return openid in self._typing and self._typing[openid] > now
