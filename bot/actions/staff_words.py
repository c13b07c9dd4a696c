"""What staff send into a chat that they hold: at once, with the contact's next message, or a picture."""

import hashlib
from typing import Any

from bot.actions.attachments import OpenedFile, _checked, _columns, _root
from bot.actions.chats import _enqueue, _held_by, _hello_key, _no_talk, _quota, _write
from bot.actions.context import Context, Transaction
from bot.actions.telling import _news_way
from bot.core import wording
from bot.core.files import GIF, JPEG, PNG, safe_name
from bot.core.permissions import Actor
from bot.core.reach import Channel
from bot.core.rendering import PAGE_BYTES, clean
from bot.core.takeover import Quota
from bot.errors import RefusedError
from bot.store import attachments
from bot.store import takeover as store
from bot.store.attachments import FileState
from bot.store.delivery import OutboxState
from bot.store.takeover import Held

IMAGE_BYTES = 10 << 20
"""The most that WeChat takes as a picture (protocol 8.8)."""
_PICTURES = frozenset({JPEG, PNG, GIF})
_NUDGES = frozenset({Channel.TEMPLATE, Channel.SUBSCRIPTION})


# --- what staff do ---


def say(ctx: Context, conversation_id: int, *, actor: Actor, text: str, key: str) -> int:
    """Send a text to the contact now; gives the message's id, the first one's where the same form comes twice.

    Raises ForbiddenError unless the actor holds the chat, RefusedError where nothing may leave now or the text cannot
    be one message: nothing was written then.
    """
    words = _sayable(text)
    with ctx.transaction() as tx:
        talk, known = _ready(tx, conversation_id, actor=actor, key=key)
        if known is not None:
            return known
        _check_place(tx, talk)
        return _send(tx, talk, _introduced(tx, talk, words), actor=actor, key=key)


def say_later(ctx: Context, conversation_id: int, *, actor: Actor, text: str, key: str) -> int:
    """Send a text the next way that is open: by SMS, or held until the contact writes, who may be told so by a notice.

    Where the window has opened meanwhile it leaves at once. Gives the message's id; raises as `say` does.
    """
    words = _sayable(text)
    with ctx.transaction() as tx:
        talk, known = _ready(tx, conversation_id, actor=actor, key=key)
        if known is not None:
            return known
        quota = _quota(ctx, tx.connection, talk, now=tx.now)
        words = _introduced(tx, talk, words)
        if quota.is_open:
            return _send(tx, talk, words, actor=actor, key=key)
        if quota.next_way == "phone":
            raise RefusedError("no-way", "这位联系人不在微信上，请电话联系。")
        return _send_other_way(tx, talk, words, actor=actor, key=key)


def send_image(
    ctx: Context, conversation_id: int, *, actor: Actor, content: bytes, name: str, key: str
) -> int:
    """Send a picture (JPEG, PNG or GIF, 10 MB at most) to the contact now; gives the message's id.

    Raises RefusedError for another file, else as `say` does.
    """
    kind = _checked(ctx, content)
    if kind not in _PICTURES or len(content) > IMAGE_BYTES:
        raise RefusedError("image-kind", "这里只能发送 JPG、PNG、GIF 图片，最大 10 MB。")
    values = _columns(content, kind, safe_name(name, kind))
    fresh = attachments.write_fresh(_root(ctx), content)
    try:
        with ctx.transaction() as tx:
            talk, known = _ready(tx, conversation_id, actor=actor, key=key)
            if known is not None:
                return known
            _check_place(tx, talk)
            message_id = _send_picture(tx, talk, values, actor=actor, key=key)
            attachments.keep(tx.connection, _root(ctx), fresh, values["digest"])
            return message_id
    finally:
        fresh.unlink(missing_ok=True)


def picture(ctx: Context, attachment_id: int) -> OpenedFile | None:
    """The bytes of a picture that is about to leave; None where it was erased meanwhile."""
    with ctx.read() as session:
        row = attachments.attachment(session, attachment_id)
    if row is None or row.state != FileState.STORED:
        return None
    try:
        content = attachments.path_of(_root(ctx), row.digest).read_bytes()
    except FileNotFoundError:
        return None
    return OpenedFile(content, row.name, row.media_type, is_inline=True)


def quota_of(ctx: Context, conversation_id: int) -> Quota:
    """What may still be sent to the contact; raises NotFoundError."""
    with ctx.read() as session:
        talk = store.held(session, conversation_id)
        if talk is None:
            raise _no_talk()
        return _quota(ctx, session.connection(), talk, now=ctx.clock.now())


# --- pieces of the transaction ---


def _ready(tx: Transaction, conversation_id: int, *, actor: Actor, key: str) -> tuple[Held, int | None]:
    """The chat that the actor holds, and the message of this form where it was sent already."""
    talk = _held_by(tx, conversation_id, actor)
    return talk, store.message_keyed(tx.connection, talk.id, _key(talk, key))


def _key(talk: Held, key: str) -> str:
    """The outbox key of a form; what a page sends may be of any length."""
    return f"staff:{talk.id}:{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:32]}"


def _sayable(text: str) -> str:
    words = clean(text.replace("\r\n", "\n")).strip()
    if not words:
        raise RefusedError("words-empty", "请写要发送的内容。")
    if len(words.encode()) > PAGE_BYTES:
        raise RefusedError("words-long", f"内容太长：一条最多约 {PAGE_BYTES // 3} 个汉字，请分成几条。")
    return words


def _check_place(tx: Transaction, talk: Held) -> None:
    """Refuse now what WeChat would refuse later."""
    quota = _quota(tx.ctx, tx.connection, talk, now=tx.now)
    if not quota.is_open:
        raise RefusedError("no-place", f"{quota.text}。可以改用：{quota.next_label}。")


def _introduced(tx: Transaction, talk: Held, words: str) -> str:
    """The words, with who speaks where there was no place to say so when the chat was taken."""
    has_spoken = talk.staff_at and talk.claimed_at and talk.staff_at >= talk.claimed_at
    if has_spoken or store.message_keyed(tx.connection, talk.id, _hello_key(talk)) is not None:
        return words
    return f"{wording.say('staff.introduced', who=talk.staff_name)}\n{words}"


def _send(tx: Transaction, talk: Held, words: str, *, actor: Actor, key: str) -> int:
    _enqueue(tx, talk, words, key=_key(talk, key))
    return _write(tx, talk, words, key=_key(talk, key), author=actor.name)


def _send_picture(tx: Transaction, talk: Held, values: dict[str, Any], *, actor: Actor, key: str) -> int:
    text = wording.say("staff.image")
    message_id = _write(tx, talk, text, key=_key(talk, key), author=actor.name, kind="image")
    given = {**values, "conversation_id": talk.id, "message_id": message_id, "by": actor.name[:60]}
    attachment_id = attachments.add_attachment(tx.connection, **given, at=tx.now)
    _enqueue(tx, talk, text, key=_key(talk, key), extras={"image": attachment_id})
    return message_id


def _send_other_way(tx: Transaction, talk: Held, words: str, *, actor: Actor, key: str) -> int:
    """By SMS, or held; a notice that a word waits goes beside it where one may be sent."""
    own, ticket = _key(talk, key), store.open_ticket(tx.connection, talk.contact_id)
    way = _news_way(tx, ticket, wording.say("staff.new_reply")) if ticket is not None else None
    if way is not None and way.channel is Channel.SMS:
        _enqueue(tx, talk, words, key=own, channel=Channel.SMS, address=way.address)
        return _write(tx, talk, words, key=own, author=actor.name)
    if way is not None and way.channel in _NUDGES:
        extras = dict(way.extras)
        nudge = wording.say("staff.new_reply")
        _enqueue(tx, talk, nudge, key=f"nudge:{own}", channel=way.channel, extras=extras)
    _enqueue(tx, talk, words, key=own, state=OutboxState.HELD)
    return _write(tx, talk, words, key=own, author=actor.name)
