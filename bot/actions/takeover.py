"""Staff take chats over: claim, write notes, pass on and hand back; what they send stands in `staff_words`."""

from datetime import timedelta

import sqlalchemy as sa

from bot.actions.chats import _check_right, _greet, _let_go, _locked, _note_delivery, _write
from bot.actions.context import Context, Transaction
from bot.actions.queueing import HANDLERS, alerts_of, configure, queue_of
from bot.actions.staff_forms import FormError, finish_form
from bot.actions.staff_words import picture, quota_of, say, say_later, send_image
from bot.core import wording
from bot.core.permissions import Actor, Right
from bot.core.rendering import clean
from bot.core.takeover import mentions
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import takeover as store
from bot.store.takeover import Held

# The one door for pages: whatever staff do in a chat is found here.
__all__ = [
    "HANDLERS",
    "FormError",
    "_note_delivery",
    "alerts_of",
    "be_here",
    "claim",
    "configure",
    "finish_form",
    "hand_back",
    "mark_read",
    "note",
    "picture",
    "queue_of",
    "quota_of",
    "say",
    "say_later",
    "send_image",
    "set_away",
    "transfer",
]

_LONGEST_NOTE = 2000
_LONGEST_WHY = 100
_SEEN_EVERY = timedelta(seconds=30)  # a console says more often that it is open than anybody asks


def claim(ctx: Context, conversation_id: int, *, actor: Actor) -> None:
    """Take a chat that waits or is with the bot; one's own is taken already. The contact is told who speaks now.

    Raises ConflictError: `taken` names who was quicker, `erased` where the contact is gone; ForbiddenError,
    NotFoundError.
    """
    _check_right(actor)
    with ctx.transaction() as tx:
        is_mine = store.take(tx.connection, conversation_id, staff_id=actor.id, now=tx.now, from_bot=True)
        talk = _locked(tx, conversation_id)
        if talk.is_erased:
            raise ConflictError("erased", "联系人已删除个人信息，没有会话可以接待。")
        if talk.staff_id != actor.id:
            raise ConflictError("taken", f"{talk.staff_name}已经接待了这个会话。")
        if is_mine:
            _greet(tx, talk, "claim-conversation", by=actor.name)


def hand_back(ctx: Context, conversation_id: int, *, actor: Actor) -> None:
    """Give the chat back to the bot, whose dialogue goes on where it was; the contact is told.

    What is on its way arrives before that. Raises ForbiddenError unless the actor holds it or leads.
    """
    with ctx.transaction() as tx:
        talk = _held_or_led(tx, conversation_id, actor)
        _let_go(tx, talk, wording.say("staff.handed_back"), by=actor.name)


def transfer(ctx: Context, conversation_id: int, *, actor: Actor, to: str, why: str) -> None:
    """Pass the chat on to a colleague, who reads why; the contact is told who speaks now.

    Raises ForbiddenError unless the actor holds it or leads, RefusedError without a reason or for somebody who takes
    no chats, ConflictError for whom it is with already.
    """
    reason = clean(why).strip()
    if not 1 <= len(reason) <= _LONGEST_WHY:
        raise RefusedError("transfer-why", f"请写明转给同事的原因，{_LONGEST_WHY} 字以内。")
    with ctx.transaction() as tx:
        talk = _held_or_led(tx, conversation_id, actor)
        colleague = store.open_people(tx.connection, HANDLERS).get(to)
        if colleague is None:
            raise RefusedError("transfer-to", "请选择能接待会话的同事。")
        if colleague == talk.staff_id:
            raise ConflictError("transfer-same", f"这个会话已经由{to}接待。")
        moved = wording.say("staff.moved", who=actor.name, to=to, why=reason)
        store.pass_on(tx.connection, talk.id, seen=talk.staff_id, to=colleague, why=moved, now=tx.now)
        _write(tx, talk, moved, author=actor.name, is_note=True)
        _greet(tx, _locked(tx, talk.id), "transfer-conversation", by=actor.name)


def _held_or_led(tx: Transaction, conversation_id: int, actor: Actor) -> Held:
    """The chat that staff hold, for its holder or for a head, who may have to free it."""
    _check_right(actor)
    talk = _locked(tx, conversation_id)
    if talk.holder != store.STAFF:
        raise ForbiddenError("not-held", "这个会话现在没有人接待。")
    if talk.staff_id != actor.id and not actor.may(Right.LEAD):
        raise ForbiddenError("not-held", f"这个会话由{talk.staff_name}接待。")
    return talk


def note(ctx: Context, conversation_id: int, *, actor: Actor, text: str) -> int:
    """Write a note among staff, which never leaves; who is named by @姓名 is woken. Gives the message's id.

    Raises RefusedError for an empty or too long one, ForbiddenError, NotFoundError.
    """
    _check_right(actor)
    words = clean(text.replace("\r\n", "\n")).strip()
    if not 1 <= len(words) <= _LONGEST_NOTE:
        raise RefusedError("note", f"请写备注内容，{_LONGEST_NOTE} 字以内。")
    with ctx.transaction() as tx:
        talk = _locked(tx, conversation_id)
        if talk.is_erased:
            raise ConflictError("erased", "联系人已删除个人信息，不能再写备注。")
        known = store.open_people(tx.connection, HANDLERS)
        for name in mentions(words, known):
            tx.poke_after_commit(f"staff:{known[name]}")
        return _write(tx, talk, words, author=actor.name, is_note=True)


def mark_read(ctx: Context, conversation_id: int, *, actor: Actor, message_id: int) -> None:
    """The actor has seen the messages up to that one; earlier marks never take it back. Raises NotFoundError."""
    with ctx.read() as session:
        talk = store.held(session, conversation_id)
        if talk is None:
            raise NotFoundError("conversation", "没有这个会话。")
        seen = min(message_id, talk.last_id)  # the page's word: what is not there yet will be unread
        if store.read_up_to(session, actor.id, conversation_id) >= seen:
            return
    try:
        _note_read(ctx, conversation_id, actor=actor, seen=seen)
    except sa.exc.IntegrityError:
        # Another page of the same person has written the first mark.
        _note_read(ctx, conversation_id, actor=actor, seen=seen)


def _note_read(ctx: Context, conversation_id: int, *, actor: Actor, seen: int) -> None:
    with ctx.transaction() as tx:
        store.note_read(tx.connection, actor.id, conversation_id, message_id=seen)
        tx.poke_after_commit(f"staff:{actor.id}")


def be_here(ctx: Context, *, actor: Actor) -> None:
    """The actor's console is open; pages call this with every heartbeat, it is written every half minute."""
    with ctx.read() as session:
        if store.was_seen(session, actor.id, since=ctx.clock.now() - _SEEN_EVERY):
            return
    with ctx.transaction() as tx:
        store.touch_staff(tx.connection, actor.id, now=tx.now)


def set_away(ctx: Context, *, actor: Actor, is_away: bool) -> None:
    """The actor is given no chats for a while, or is given them again; those they hold stay with them."""
    with ctx.transaction() as tx:
        store.set_away(tx.connection, actor.id, is_away=is_away)
        tx.poke_after_commit("console")
