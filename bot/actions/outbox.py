"""What staff do about messages that did not leave, which channels are out of order, and the figures of waiting work."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.actions.telling import _kept
from bot.core.reach import Channel, Purpose
from bot.core.wording import names, say
from bot.errors import ConflictError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store import courses, delivery, surveys
from bot.store.attachments import Attachment
from bot.store.audit import add_line
from bot.store.clocks import Timer
from bot.store.delivery import OutboxState, Sieve
from bot.store.improvements import Task
from bot.store.surveys import SurveyRow
from intents.text import mask

MOST_AT_ONCE = 200
"""Messages that one press of a button puts back: bounds how long everybody else waits for the writer."""

_NEGLECTED = timedelta(minutes=5)  # a worker takes up what is due within seconds
_LONGEST_REASON = 200
_ASKING = frozenset({Purpose.SURVEY, Purpose.REMINDER})
_WITH_LINK = frozenset({*_ASKING, Purpose.REFERRAL})
# The whole channel is out of order, not the message (protocol 4.5; RFC 4954 for mail).
_OUT_OF_ORDER = frozenset(
    [
        "no-secret",
        "circuit-open",
        "40001",
        "40014",
        "42001",
        "40013",
        "40125",
        "40243",
        "40164",
        "89501",
        "89503",
        "89506",
        "89507",
        "48004",
        "45009",
        "50004",
        "50007",
        "smtp-auth",
        "smtp-tls",
        "smtp-settings",
        "smtp-530",
        "smtp-534",
        "smtp-535",
        "smtp-538",
    ]
)
# What was written down can never be taken: the same words to the same address fail the same way.
_UNFIT = frozenset(
    [
        "45002",
        "45008",
        "45048",
        "45168",
        "47003",
        "40003",
        "61451",
        "43101",
        "not-wechat",
        "mail-address",
        "webhook-content",
    ]
)
_MENDS = {
    **dict.fromkeys(("40001", "40014", "42001", "40125", "40243", "no-secret"), "secret"),
    **dict.fromkeys(("40164", "89501", "89503", "89506", "89507"), "whitelist"),
    **dict.fromkeys(("43004", "43019", "48002", "43107", "50002", "70000"), "call"),
    **dict.fromkeys(("no-allowance", "45015", "45047", "window-closed", "43101", "43117"), "window"),
    **dict.fromkeys(("channel-not-configured", "40013", "smtp-settings", "webhook-secret"), "settings"),
    **dict.fromkeys(("40036", "40037", "40039", "40249", "43116", "47003"), "template"),
    **dict.fromkeys(("48001", "48004", "50004", "50007", "65400", "40200"), "console"),
    **dict.fromkeys(("timeout", "network", "not-json", "-1", "circuit-open", "61450", "43108"), "later"),
    **dict.fromkeys(("45009", "45011", "44990", "44991"), "quota"),
    **dict.fromkeys(("smtp-auth", "smtp-530", "smtp-534", "smtp-535", "smtp-538", "smtp-tls"), "mail"),
    **dict.fromkeys(("mail-address", "smtp-550", "smtp-551", "smtp-553", "webhook-address"), "address"),
    **dict.fromkeys(("45002", "45008", "45168", "webhook-content", "smtp-552", "smtp-554"), "content"),
    **dict.fromkeys(("http-400", "http-401", "http-403", "http-404", "http-410"), "provider"),
    "neglected": "worker",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A result in plain words, and what to do next."""

    code: str
    text: str
    mend: str
    detail: str = ""  # in the other side's words

    @classmethod
    def of(cls, result: str) -> "Meaning":
        """The meaning of an outbox row's result; a code that nobody has described is its own meaning."""
        code, _, detail = result.partition(" ")
        kind = next((one for one in (code, _family(code)) if f"result.{one}" in names()), "")
        text = say(f"result.{kind}") if kind else code
        return cls(code, text, say(f"mend.{_mend(code)}"), mask(detail))


@dataclass(frozen=True, slots=True)
class Fault:
    """One channel that is out of order now."""

    channel: str  # core.reach.Channel; empty: none of them is served
    account: str  # of WeChat
    meaning: Meaning
    messages: int  # that wait for it
    since: datetime  # the oldest of them was written, or due
    next_at: datetime  # the next try


@dataclass(frozen=True, slots=True)
class Bulk:
    """What came of putting back all messages that failed in one way."""

    sent: int
    left: tuple[tuple[str, int], ...]  # why some stay where they are, and how many
    more: bool  # there may be others: press again


def channel_faults(session: Session, now: datetime) -> list[Fault]:
    """The channels that are out of order now, each with its newest telling result; the reason why nothing leaves."""
    groups: dict[str, list[sa.Row[Any]]] = {}
    for row in delivery.failing_groups(session):
        code = row.result.partition(" ")[0]
        if code in _OUT_OF_ORDER or row.is_fresh:
            groups.setdefault(row.account or row.channel, []).append(row)
    found = [_fault(rows) for rows in groups.values()]
    neglected = delivery.neglected_messages(session, since=now - _NEGLECTED)
    if neglected.messages:
        due_at = neglected.due_at
        found.append(Fault("", "", Meaning.of("neglected"), neglected.messages, due_at, due_at))
    return found


def _fault(rows: list[sa.Row[Any]]) -> Fault:
    # While an account is left alone, its messages say only that; an older one says why.
    telling = next((row for row in rows if not row.result.startswith("circuit-open")), rows[0])
    return Fault(
        telling.channel,
        telling.account,
        Meaning.of(telling.result),
        sum(row.messages for row in rows),
        min(row.since for row in rows),
        min(row.due_at for row in rows),
    )


def version(row: Any) -> str:
    """Changes whenever a message comes to an end anew: who acts on an older one is told so."""
    return f"{row.state}-{row.done_at.timestamp() if row.done_at else 0:.6f}"


def resend_message(ctx: Context, message_id: int, *, seen: str, actor: str) -> None:
    """Put a dead message back, as if it had never been tried.

    Raises NotFoundError, or ConflictError: somebody was faster, or sending it now makes no sense, with the reason.
    """
    with ctx.transaction() as tx:
        row = _locked(tx, message_id, seen, frozenset({OutboxState.DEAD}))
        reason = _why_not(tx, row)
        if reason:
            raise ConflictError("outbox-senseless", reason)
        _put_back(tx, row)
        _note(tx, row, actor, "resend-message")


def resend_all(ctx: Context, sieve: Sieve, *, actor: str) -> Bulk:
    """Put back the dead messages that failed with the sieve's code, the oldest MOST_AT_ONCE that can be sent now.

    Raises RefusedError without a code: what failed in several ways has several mends.
    """
    if not sieve.code or sieve.state is not OutboxState.DEAD:
        raise RefusedError("outbox-code", "请先选择一种失败原因，再全部重新发送。")
    with ctx.transaction() as tx:
        rows = delivery.lock_sifted(tx.connection, sieve, limit=MOST_AT_ONCE)
        left = Counter(reason for row in rows if (reason := _resent(tx, row)))
        sent = len(rows) - left.total()
        if sent:
            note = f"{sent} messages"
            add_line(
                tx.connection,
                at=tx.now,
                actor=actor,
                what="resend-messages",
                subject=f"outbox:{sieve.code}"[:120],
                note=note,
            )
    return Bulk(sent, tuple(left.most_common()), more=len(rows) == MOST_AT_ONCE)


def _resent(tx: Transaction, row: sa.Row[Any]) -> str:
    """Put it back, or say why not."""
    reason = _why_not(tx, row)
    if not reason:
        _put_back(tx, row)
    return reason


def hold_message(ctx: Context, message_id: int, *, seen: str, actor: str) -> None:
    """Keep a dead message until the contact writes again, when they read it with the reply.

    Raises NotFoundError, or ConflictError: somebody was faster, or the contact could never read it so.
    """
    with ctx.transaction() as tx:
        row = _locked(tx, message_id, seen, frozenset({OutboxState.DEAD}))
        if not may_be_held(row):
            raise ConflictError(
                "outbox-hold", "只有发给微信联系人的消息和办理通知能等下次留言时告诉，请重新发送或丢弃。"
            )
        _refuse_erased(tx, row)
        _turn(tx, row, OutboxState.HELD, done_at=None)
        _note(tx, row, actor, "hold-message")


def may_be_held(row: Any) -> bool:
    """Would the words make sense at the head of the reply to the contact's next message?"""
    if row.conversation_id is None or row.purpose in _ASKING:  # a survey has its own ladder
        return False
    return bool(row.channel == Channel.CUSTOMER or row.purpose == Purpose.NOTICE)


def drop_message(ctx: Context, message_id: int, *, seen: str, reason: str, actor: str) -> None:
    """Give a message up for good; the reason goes into the audit trail.

    Raises NotFoundError, RefusedError without a reason, or ConflictError: somebody was faster.
    """
    reason = reason.strip()
    if not reason or len(reason) > _LONGEST_REASON:
        raise RefusedError("outbox-reason", f"请写明丢弃的原因，{_LONGEST_REASON} 字以内。")
    with ctx.transaction() as tx:
        open_states = frozenset({OutboxState.DEAD, OutboxState.HELD, OutboxState.DUE})
        row = _locked(tx, message_id, seen, open_states)
        _turn(tx, row, OutboxState.DROPPED, done_at=tx.now)
        _note(tx, row, actor, "drop-message", f": {mask(reason)}")


def _locked(tx: Transaction, message_id: int, seen: str, states: frozenset[OutboxState]) -> sa.Row[Any]:
    row = delivery.lock_message(tx.connection, message_id)
    if row is None:
        raise NotFoundError("outbox", "没有这条消息。")
    if row.state not in states or version(row) != seen:
        raise _changed()
    return row


def _changed() -> ConflictError:
    return ConflictError("outbox-changed", "这条消息刚被处理过，下面是最新情况。")


def _turn(tx: Transaction, row: sa.Row[Any], to: OutboxState, **values: Any) -> None:
    if not delivery.turn_message(tx.connection, row.id, seen=OutboxState(row.state), to=to, **values):
        raise _changed()


def _put_back(tx: Transaction, row: sa.Row[Any]) -> None:
    _turn(tx, row, OutboxState.DUE, tries=0, due_at=tx.now, result="", done_at=None)
    tx.poke_after_commit("outbox")


def _note(tx: Transaction, row: sa.Row[Any], actor: str, what: str, more: str = "") -> None:
    note = f"{row.channel} {row.result.partition(' ')[0] or '-'}{more}"
    add_line(tx.connection, at=tx.now, actor=actor, what=what, subject=f"outbox:{row.id}", note=note)


def _why_not(tx: Transaction, row: sa.Row[Any]) -> str:
    """Why sending it again makes no sense now; nothing where it does."""
    settings = tx.ctx.settings
    if not row.text:
        return "内容已按企业要求删除，不能再发送，请丢弃。"
    if not _is_set_up(settings, row):
        return "这条渠道现在没有配置，重新发送仍会失败。请先完成设置并重启，再重新发送。"
    if row.result.partition(" ")[0] in _UNFIT:
        return "这条消息本身不能被接收，再发一次结果一样。请换一种方式联系对方，然后丢弃。"
    if row.purpose in _WITH_LINK and row.at + timedelta(days=settings.link_days) < tx.now:
        return "消息里的链接已经过期，不能再发送，请到申请页面重新办理，然后丢弃。"
    if row.purpose in _ASKING and row.ticket_id is not None and not _is_asked(tx, row.ticket_id):
        return "这次评价已经结束，不需要再询问，请丢弃。"
    return _why_unreachable(tx, row)


def _is_set_up(settings: Settings, row: sa.Row[Any]) -> bool:
    channel = Channel(row.channel)
    if channel.is_wechat:
        return settings.account(row.account) is not None
    if channel is Channel.EMAIL:
        return bool(settings.smtp_host)
    return channel is Channel.WEBHOOK or bool(settings.sms_url)


def _is_asked(tx: Transaction, ticket_id: int) -> bool:
    survey = surveys.last_survey(tx.connection, ticket_id)
    return survey is None or survey.state == "open"


def _why_unreachable(tx: Transaction, row: sa.Row[Any]) -> str:
    """Why the platform would not take it for this contact now."""
    if row.conversation_id is None or not Channel(row.channel).is_wechat:
        return ""
    contact = courses.recipient_of(tx.connection, row.conversation_id)
    if not contact.is_subscribed:
        return "对方已取消关注，微信不会送达。请电话联系，然后丢弃。"
    if row.channel != Channel.CUSTOMER:
        return ""
    instead = say("mend.window" if may_be_held(row) else "mend.call")
    if contact.allowance_until is None or contact.allowance_until <= tx.now:
        return f"对方近期没有留言，微信不允许主动发送。{instead}"
    # What is about to leave will use its places first.
    waiting = delivery.count_due_to(tx.connection, row.conversation_id, row.channel)
    if contact.allowance - waiting <= _kept(tx, row.conversation_id, Purpose(row.purpose)):
        return f"对方这次留言后可发的条数已用完。{instead}"
    return ""


def _refuse_erased(tx: Transaction, row: sa.Row[Any]) -> None:
    if not row.text or courses.recipient_of(tx.connection, row.conversation_id).erased_at is not None:
        raise ConflictError("outbox-erased", "对方的信息已按要求删除，这条消息请丢弃。")


def _family(code: str) -> str:
    """http-5xx for http-503, smtp-4xx for smtp-451: what is said of codes that have no words of their own."""
    kind, _, number = code.rpartition("-")
    return f"{kind}-{number[0]}xx" if kind and len(number) == 3 and number.isdecimal() else code


def _mend(code: str) -> str:
    return _MENDS.get(code) or {
        "http-5xx": "later",
        "smtp-4xx": "later",
        "smtp-5xx": "mail",
        "http-4xx": "provider",
    }.get(_family(code), "report")


def work_counts(session: Session, now: datetime) -> dict[str, dict[str, int]]:
    """How much waits where: the metric's name -> state -> how many rows."""
    late = sa.select(sa.func.count()).where(Timer.state == "pending", Timer.due_at <= now)
    tasks = sa.select(sa.func.count()).where(Task.done_at.is_(None))
    asked = sa.select(sa.func.count()).where(SurveyRow.state == "open")
    files = sa.select(Attachment.state, sa.func.count()).group_by(Attachment.state)
    return {
        "nqi_timers": {"late": session.execute(late).scalar_one()},
        "nqi_tasks": {"open": session.execute(tasks).scalar_one()},
        "nqi_surveys": {"open": session.execute(asked).scalar_one()},
        "nqi_attachments": {row[0]: row[1] for row in session.execute(files)},
    }
