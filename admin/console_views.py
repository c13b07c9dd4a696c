"""What the console's pages show: rows of the store as values, masked for who may not see contacts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from admin.console_lists import as_read, name_of, plain_kind, shown
from admin.presence import Presence
from bot.actions.canned import replies_of
from bot.actions.context import Context
from bot.actions.outbox import Meaning
from bot.actions.takeover import quota_of
from bot.core.answers import basis_line
from bot.core.board import masked_name
from bot.core.canned import fill
from bot.core.files import is_raster, size_text
from bot.core.masks import harmless
from bot.core.permissions import Actor, Right, Role
from bot.core.takeover import Quota
from bot.core.times import china_date
from bot.core.turns import DialogueState, Form
from bot.core.wording import say
from bot.errors import NotFoundError
from bot.store import console, delivery, tickets

_SHOWN = 60  # messages of a transcript at once
_AGAIN = 20  # messages before the last known one that are given again: their state may have changed
_SUGGESTED = 3
_EVENTS = {
    "subscribe": "关注了公众号",
    "unsubscribe": "取消了关注",
    "scan": "扫描了二维码",
    "click": "点了菜单",
}
_DELIVERY = {
    "due": "发送中",
    "sent": "已送达微信",
    "held": "对方下次留言时送达",
    "told": "已随回复送达",
    "dead": "没有发出",
    "dropped": "已丢弃",
}
_ACCOUNTS = {
    "official": "公众号",
    "miniprogram": "小程序",
    "web": "网页",
    "desk": "工作人员登记",
    "portal": "门户",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a transcript."""

    id: int
    side: str  # in, bot, staff, note
    who: str
    text: str
    at: datetime
    file: Any  # a row of the attachments, with `is_picture` and `size_text`; None without one
    state: str  # what became of a staff message
    is_bad: bool
    why: str
    category: str
    entry: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of a message."""

    id: int
    label: str
    size: str
    is_stored: bool
    is_picture: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An entry that may answer the contact's last words: its text with what it rests on."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation as somebody looks at it."""

    talk: Any
    name: str
    account: str
    lines: tuple[Line, ...]
    has_older: bool
    quota: Quota | None
    others: tuple[tuple[str, bool], ...]
    is_mine: bool
    may_handle: bool
    may_free: bool  # heads may pass on and give back what others hold
    is_bot_working: bool
    canned: tuple[tuple[int, str, str, str], ...]  # id, shortcut, title, text with its gaps filled
    suggestions: tuple[Suggestion, ...]
    colleagues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """What stands beside a conversation."""

    applicant: str
    person: str
    phone: str
    form: Form | None
    tickets: Sequence[Any]
    referrals: Sequence[Any]


# --- the transcript ---


def talk_of(session: Any, conversation_id: int) -> Any:
    """A conversation with its contact; NotFoundError where there is none."""
    row = console.talk(session, conversation_id)
    if row is None:
        raise NotFoundError("conversation", "没有这个会话。")
    return row


def new_lines(session: Any, talk: Any, *, actor: Actor, after: int) -> tuple[Line, ...]:
    """All messages after that id, and some before it again: what became of them may have changed."""
    start = console.message_before(session, talk.id, after, steps=_AGAIN)
    rows = console.messages(session, talk.id, after=start, limit=_SHOWN + _AGAIN)
    return _lines(session, talk, rows, actor)


def old_lines(session: Any, talk: Any, *, actor: Actor, before: int | None) -> tuple[tuple[Line, ...], bool]:
    """The newest messages (below the id `before`), and whether there are older ones."""
    rows = console.messages(session, talk.id, before=before, limit=_SHOWN + 1)
    return _lines(session, talk, rows[-_SHOWN:], actor), len(rows) > _SHOWN


def _lines(session: Any, talk: Any, rows: Sequence[Any], actor: Actor) -> tuple[Line, ...]:
    sent = delivery.outcomes(session, [row.outbox_key for row in rows if row.outbox_key])
    files = console.files_of_messages(session, [row.id for row in rows])
    return tuple(_line(talk, row, sent.get(row.outbox_key), files.get(row.id), actor) for row in rows)


def _line(talk: Any, row: Any, sent: Any, file: Any, actor: Actor) -> Line:
    side = "in" if row.is_inbound else "note" if row.is_note else "staff" if row.author else "bot"
    text = as_read(row)
    if row.kind == "event":
        text = _EVENTS.get(row.text, "") or "进行了操作"
    if file and text == say("staff.image"):
        text = ""  # the picture itself stands there
    text = shown(text, talk, actor) or ("" if file else plain_kind(row.kind))
    return Line(
        row.id,
        "event" if row.kind == "event" else side,
        {"in": "企业", "bot": "智能助手"}.get(side, row.author),
        text,
        row.at,
        _file(file) if file else None,
        _DELIVERY.get(sent.state, "") if sent else "",
        sent is not None and sent.state in ("dead", "dropped"),
        _why(sent),
        row.category or "",
        row.entry_id or "",
    )


def _why(sent: Any) -> str:
    """Why a message has not left, in words; the outbox page says more."""
    if sent is None or sent.state in ("sent", "told") or not sent.result:
        return ""
    return Meaning.of(sent.result).text


def _file(row: Any) -> File:
    is_stored = row.state == "stored"
    label = row.name or say(f"attachment.{row.kind}")
    return File(row.id, label, size_text(row.size) if row.size else "", is_stored, is_raster(row.media_type))


def chat_of(
    ctx: Context,
    session: Any,
    talk: Any,
    *,
    actor: Actor,
    presence: Presence,
    suggest: Callable[[int, str], tuple[Suggestion, ...]],
    before: int | None = None,
    after: int | None = None,
) -> Chat:
    """The conversation as somebody looks at it: the newest messages, or those after an id."""
    if after is not None:
        lines, has_older = new_lines(session, talk, actor=actor, after=after), False
    else:
        lines, has_older = old_lines(session, talk, actor=actor, before=before)
    may_handle = actor.may(Right.HANDLE_TICKETS)
    is_mine = may_handle and talk.holder == "staff" and talk.staff_id == actor.id
    words = console.last_words(session, talk.id) if is_mine else None
    return Chat(
        talk,
        name_of(talk, actor),
        _ACCOUNTS.get(talk.account, talk.account),
        lines,
        has_older,
        quota_of(ctx, talk.id) if is_mine else None,
        presence.others(talk.id, actor),
        is_mine,
        may_handle,
        is_mine or (may_handle and talk.holder == "staff" and actor.may(Right.LEAD)),
        _is_working(lines, talk),
        canned_of(session, talk, actor) if is_mine else (),
        suggest(words.id, words.text) if words else (),
        _colleagues(session, actor) if may_handle and talk.holder == "staff" else (),
    )


def _is_working(lines: Sequence[Line], talk: Any) -> bool:
    """Does the bot owe the contact an answer?"""
    return talk.holder == "bot" and bool(lines) and lines[-1].side == "in"


def _colleagues(session: Any, actor: Actor) -> tuple[str, ...]:
    """Who else may take the conversation over."""
    rows = console.answerers(session)
    return tuple(
        row.name
        for row in rows
        if row.id != actor.id and Actor(row.id, row.name, Role(row.role)).may(Right.HANDLE_TICKETS)
    )


def canned_of(session: Any, talk: Any, actor: Actor) -> tuple[tuple[int, str, str, str], ...]:
    """The canned replies with their gaps filled for this conversation."""
    values = _gap_values(session, talk, actor)
    rows = replies_of(session, category=talk.category)
    return tuple((row.id, row.shortcut, row.title, fill(row.text, values)) for row in rows)


def _gap_values(session: Any, talk: Any, actor: Actor) -> Mapping[str, str]:
    newest = tickets.tickets_of(session, talk.contact_id, limit=1)
    return {
        "企业": talk.applicant,
        "联系人": talk.person,
        "编号": newest[0].number if newest else "",
        "工作人员": actor.name,
    }


def suggestions(ctx: Context, text: str, today: date) -> tuple[Suggestion, ...]:
    """The entries that answer a text best, each with its answer and what that rests on."""
    found = []
    for hit in ctx.brain.hear(text, today=today).hits[:_SUGGESTED]:
        given = hit.entry.text_on(today)
        if given is not None:
            basis = basis_line(given.basis, today)
            tail = f"\n{say('answer.basis', basis=basis)}" if basis else ""
            found.append(Suggestion(hit.entry.id, hit.entry.title, given.answer.strip() + tail))
    return tuple(found)


class Suggester:
    """Remembers what was suggested for the last messages: pages are fetched again and again while people talk."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[tuple[int, int, date], tuple[Suggestion, ...]] = {}

    def of(self, message_id: int, text: str) -> tuple[Suggestion, ...]:
        """The suggestions for one message."""
        today = china_date(self._ctx.clock.now())
        key = (message_id, self._ctx.brain.release.number, today)
        found = self._known.get(key)
        if found is None:
            found = suggestions(self._ctx, text, today)
            if len(self._known) >= 500:
                self._known.clear()
            self._known[key] = found
        return found


# --- beside it ---


def side_of(session: Any, talk: Any, *, actor: Actor) -> Side:
    """The contact's card, what they asked for before, and the form they are filling in."""
    state = DialogueState.from_json(talk.state)
    may_see = actor.may(Right.SEE_CONTACTS)
    return Side(
        harmless(talk.applicant) if may_see else masked_name(harmless(talk.applicant)),
        masked_name(harmless(talk.person)),
        talk.phone,
        state.form,
        tickets.tickets_of(session, talk.contact_id, limit=10),
        console.open_referrals_of(session, talk.contact_id),
    )
