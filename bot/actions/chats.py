"""Pieces of what happens in a chat between a contact and staff; each joins a transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from bot.actions.context import Context, Transaction
from bot.actions.telling import _add
from bot.core import wording
from bot.core.permissions import Actor, Right
from bot.core.reach import Channel, Purpose, abilities, kept
from bot.core.takeover import Quota
from bot.errors import ConflictError, ForbiddenError, NotFoundError
from bot.store import asking, audit, conversations, courses, delivery, surveys
from bot.store import takeover as store
from bot.store.delivery import OutboxMessage, OutboxState
from bot.store.takeover import Held


def _locked(tx: Transaction, conversation_id: int) -> Held:
    """The chat, held until the transaction ends; what staff write and what the contact writes come one after another."""
    talk = store.held(tx.connection, conversation_id, has_lock=True)
    if talk is None:
        raise _no_talk()
    return talk


def _no_talk() -> NotFoundError:
    return NotFoundError("conversation", "没有这个会话。")


def _check_right(actor: Actor) -> None:
    if not (actor.may(Right.HANDLE_TICKETS) and actor.may(Right.SEE_CONVERSATIONS)):
        raise ForbiddenError("right", "您没有接待会话的权限。")


def _held_by(tx: Transaction, conversation_id: int, actor: Actor) -> Held:
    """The chat, where the actor holds it and there is somebody to speak to; else ForbiddenError or ConflictError."""
    _check_right(actor)
    talk = _locked(tx, conversation_id)
    if talk.is_erased:
        raise ConflictError("erased", "联系人已删除个人信息，不能再发送。")
    if talk.holder != store.STAFF or talk.staff_id != actor.id:
        who = f"这个会话由{talk.staff_name}接待。" if talk.holder == store.STAFF else "请先接待这个会话。"
        raise ForbiddenError("not-held", who)
    return talk


def _greet(tx: Transaction, talk: Held, what: str, *, by: str) -> None:
    """Tell the contact who speaks with them now, and write down who has taken or was given the chat."""
    sentence = "staff.transferred" if what == "transfer-conversation" else "staff.introduced"
    _tell(tx, talk, wording.say(sentence, who=talk.staff_name), key=_hello_key(talk), is_kept=False)
    _note_audit(tx, talk, what, by=by)
    tx.poke_after_commit(f"staff:{talk.staff_id}")
    _poke(tx, talk.id)


def _let_go(tx: Transaction, talk: Held, text: str, *, by: str) -> bool:
    """Give the chat back to the bot and tell the contact so; False where it is no longer with whom we saw."""
    if not store.let_go(tx.connection, talk.id, seen=talk.staff_id):
        return False
    _tell(tx, talk, text, key=_hello_key(talk).replace("hello", "bye", 1), is_kept=True)
    _note_audit(tx, talk, "return-conversation", by=by)
    _poke(tx, talk.id)
    return True


def _note_audit(tx: Transaction, talk: Held, what: str, *, by: str) -> None:
    """Who acted, and whose chat it was; how the next is given to people rests on these lines."""
    subject = f"conversation:{talk.id}"
    audit.add_line(tx.connection, at=tx.now, actor=by, what=what, subject=subject, note=talk.staff_name or "")


def _hello_key(talk: Held) -> str:
    """One greeting for each time that somebody takes the chat."""
    at = talk.claimed_at.isoformat() if talk.claimed_at else ""
    return f"hello:{talk.id}:{talk.staff_id}:{at}"


def _quota(ctx: Context, connection: Connection, talk: Held, *, now: datetime) -> Quota:
    recipient = courses.recipient_of(connection, talk.id)
    account, until = ctx.settings.account(talk.account), recipient.allowance_until
    way = _next_way(ctx, connection, talk, recipient)
    if account is None or talk.is_erased or until is None or until <= now:
        return Quota(0, None, way)
    if not abilities(talk.account, account.kind, links=False).has_customer_messages:
        return Quota(0, None, way)
    keep = kept(
        Purpose.STAFF,
        staff=ctx.settings.quota_reserved,
        survey=ctx.settings.quota_survey,
        is_survey_coming=surveys.is_coming(connection, talk.id),
    )
    # What is about to leave has not been taken off the allowance yet.
    coming = delivery.count_due_to(connection, talk.id, Channel.CUSTOMER.value)
    return Quota(max(recipient.allowance - keep - coming, 0), until, way)


def _next_way(ctx: Context, connection: Connection, talk: Held, recipient: Any) -> str:
    """The way that `say_later` takes while the window is closed; see `Quota`."""
    account = ctx.settings.account(talk.account)
    if account is None or talk.is_erased:
        return "phone"
    ticket = store.open_ticket(connection, talk.contact_id)
    if ticket is None:
        return "held"
    template = account.notice_template.partition("|")[0].strip()
    if template and talk.account == "official" and account.kind == "service" and recipient.is_subscribed:
        return "notice"
    if template and asking.subscriptions_left(connection, talk.contact_id, template):
        return "notice"
    return "sms" if ctx.settings.sms_url and ticket.phone else "held"


def _enqueue(
    tx: Transaction,
    talk: Held,
    text: str,
    *,
    key: str,
    state: OutboxState = OutboxState.DUE,
    channel: Channel = Channel.CUSTOMER,
    address: str = "",
    extras: dict[str, Any] | None = None,
) -> None:
    _add(
        tx,
        key=key,
        lane=f"talk:{talk.id}",
        channel=channel,
        account=talk.account,
        address=address or talk.openid,
        text=text,
        extras=extras or {},
        purpose=Purpose.STAFF.value,
        conversation_id=talk.id,
        state=state,
        result="window-closed" if state is OutboxState.HELD else "",
        due_at=tx.now,
        at=tx.now,
    )


def _write(
    tx: Transaction, talk: Held, text: str, *, key: str | None = None, author: str = "", **values: Any
) -> int:
    """Put a message into the transcript and wake who looks at it."""
    row = {
        "conversation_id": talk.id,
        "is_inbound": False,
        "kind": "text",
        "text": text,
        "is_material": False,
        "author": author,
        "outbox_key": key,
        "at": tx.now,
        **values,
    }
    message_id = conversations.add_message(tx.connection, row)
    _poke(tx, talk.id)
    return message_id


def _tell(tx: Transaction, talk: Held, text: str, *, key: str, is_kept: bool) -> None:
    """The bot tells the contact how it goes on; without a place it waits for their next message if `is_kept`."""
    if talk.is_erased or tx.ctx.settings.account(talk.account) is None:
        return
    is_open = (
        _quota(tx.ctx, tx.connection, talk, now=tx.now).left > 1
    )  # the last place is for a person's words
    if not is_open and not is_kept:
        return
    _enqueue(tx, talk, text, key=key, state=OutboxState.DUE if is_open else OutboxState.HELD)
    _write(tx, talk, text, key=key)


def _poke(tx: Transaction, conversation_id: int) -> None:
    tx.poke_after_commit(f"conversation:{conversation_id}")
    tx.poke_after_commit("console")


def _note_delivery(tx: Transaction, row: OutboxMessage) -> None:
    """A message of a chat has left, or will not: whoever looks at the chat sees it."""
    if row.conversation_id is not None:
        tx.poke_after_commit(f"conversation:{row.conversation_id}")
