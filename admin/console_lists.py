"""The lists of the inbox as they are shown: rows of the store as values, masked for who may not see contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.core.board import masked_name
from bot.core.masks import harmless, mask_text
from bot.core.permissions import Actor, Right
from bot.core.rendering import without_links
from bot.store import console
from bot.store.console import Place, Sieve, Tab

_WORDS = 60  # characters of the last words in the list
_PAGE = 30
KINDS = {
    "image": "图片",
    "voice": "语音",
    "video": "视频",
    "file": "文件",
    "location": "位置",
    "link": "链接",
}
TABS = {
    Tab.QUEUE: "排队中",
    Tab.MINE: "我的",
    Tab.OTHERS: "同事接待",
    Tab.BOT: "机器人接待",
    Tab.ENDED: "已结束",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation of the list, or one message that was found."""

    id: int
    name: str
    words: str
    who: str  # before the words; empty: the contact
    at: datetime
    category: str
    station: str
    waiting: str  # how long, in words
    is_long: bool  # longer than ten minutes
    unread: int
    staff: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the inbox."""

    items: tuple[Item, ...]
    next: str  # the cursor of the next page; empty on the last


def read_place(text: str) -> Place | None:
    """A cursor of the address; None where it is none."""
    at, _, number = text.partition("~")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    is_id = number.isascii() and number.isdecimal() and len(number) < 19
    return Place(moment, int(number)) if moment.tzinfo is not None and is_id else None


def inbox_list(session: Any, sieve: Sieve, *, actor: Actor, now: datetime, after: Place | None) -> Listing:
    """A page of the list that somebody looks at."""
    rows = console.inbox(session, sieve, now=now, after=after, limit=_PAGE + 1)
    shown = rows[:_PAGE]
    held = [row.id for row in shown if row.holder != "bot"]
    unread = console.unread_counts(session, actor.id, held, name=actor.name) if held else {}
    items = tuple(_item(row, unread.get(row.id, 0), actor, now) for row in shown)
    last = shown[-1] if len(rows) > _PAGE else None
    moment = (last.waiting_since if sieve.tab is Tab.QUEUE else last.updated_at) if last else None
    return Listing(items, f"{moment.isoformat()}~{last.id}" if last and moment else "")


def _item(row: Any, unread: int, actor: Actor, now: datetime) -> Item:
    asked = row.waiting_since if row.holder == "waiting" else _unanswered(row)
    waited = now - asked if asked else timedelta()
    words = shown(as_read(row), row, actor) or plain_kind(row.kind or "")
    who = "" if row.is_inbound else "备注" if row.is_note else "我们"
    return Item(
        row.id,
        name_of(row, actor),
        words[:_WORDS],
        who if row.kind else "",
        row.waiting_since if row.holder == "waiting" and row.waiting_since else row.updated_at,
        row.category,
        row.station,
        span_text(waited) if asked else "",
        waited >= timedelta(minutes=10),
        unread,
        row.staff or "",
    )


def _unanswered(row: Any) -> datetime | None:
    """Since when the contact's last word waits for whoever holds the conversation."""
    if row.holder != "staff" or row.contact_at is None:
        return None
    return row.contact_at if row.staff_at is None or row.contact_at > row.staff_at else None


def found_list(session: Any, query: str, *, actor: Actor, now: datetime, before: int | None) -> Listing:
    """The messages that hold the words of a query."""
    words = query.split()[:5]
    rows = console.search(session, words, now=now, before=before, limit=_PAGE + 1) if words else []
    items = tuple(
        Item(
            row.conversation_id,
            name_of(row, actor),
            _around(shown(as_read(row), row, actor), words),
            "" if row.is_inbound else "备注" if row.is_note else row.author or "智能助手",
            row.at,
            "",
            "",
            "",
            False,
            0,
            "",
        )
        for row in rows[:_PAGE]
    )
    return Listing(items, str(rows[_PAGE - 1].id) if len(rows) > _PAGE else "")


def _around(text: str, words: Sequence[str]) -> str:
    """The part of a text in which the first word stands."""
    at = max(text.lower().find(words[0].lower()), 0)
    start = max(at - _WORDS // 3, 0)
    return ("…" if start else "") + text[start : start + _WORDS]


def name_of(row: Any, actor: Actor) -> str:
    """What a contact is called in lists: the firm, the person, or by the number of the conversation."""
    name = harmless(row.applicant or row.person or "")
    if not name:
        return f"访客 {getattr(row, 'conversation_id', None) or row.id}"
    return name if actor.may(Right.SEE_CONTACTS) else masked_name(name)


def as_read(message: Any) -> str:
    """The words of a message as the phone shows them: what we sent without its links' markup, what came as it came."""
    text = message.text or ""
    return text if message.is_inbound or message.is_note else without_links(text)


def shown(text: str, row: Any, actor: Actor) -> str:
    """Words of a conversation as this person may read them."""
    text = harmless(text)
    return (
        text
        if actor.may(Right.SEE_CONTACTS)
        else mask_text(text, (row.applicant, row.person, getattr(row, "phone", "")))
    )


def span_text(span: timedelta) -> str:
    """For how long somebody has waited, in words."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "刚来"
    if minutes < 60:
        return f"等了 {minutes} 分钟"
    hours = minutes // 60
    return f"等了 {hours} 小时" if hours < 24 else f"等了 {hours // 24} 天"


def plain_kind(kind: str) -> str:
    """What stands for a message without words."""
    return f"（{KINDS.get(kind, '无文字')}）"
