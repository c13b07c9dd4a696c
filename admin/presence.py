"""Who else looks at a conversation, and who is typing: kept in memory for 20 seconds, told by pokes.

It is of one process. Several processes would keep the same three values per person in the store behind the hub
(a hash per conversation whose fields expire), since a poke carries no value; the pages would not change.
"""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.actions.context import Context
from bot.core.permissions import Actor

_LIFE = timedelta(seconds=20)
_TYPING_LIFE = timedelta(seconds=12)  # the page says so again every ten seconds while somebody types
_TOLD_EVERY = timedelta(seconds=10)  # WeChat shows 对方正在输入 for about as long


@dataclass(slots=True)
class _Here:
    name: str
    until: datetime
    typing_until: datetime | None = None
    told_at: datetime | None = None  # the contact was shown that we type


class Presence:
    """Conversation -> the people who have it open."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = threading.Lock()
        self._open: dict[int, dict[int, _Here]] = {}

    def look(self, conversation_id: int, actor: Actor) -> None:
        """Somebody has the conversation open."""
        with self._lock:
            is_new = self._touch(conversation_id, actor)[1]
        if is_new:
            self._tell(conversation_id)

    def type(self, conversation_id: int, actor: Actor) -> bool:
        """Somebody types; True when it is time to show that to the contact, at most every 10 seconds."""
        now = self._ctx.clock.now()
        with self._lock:
            here, _is_new = self._touch(conversation_id, actor)
            was_typing = here.typing_until is not None and here.typing_until > now
            here.typing_until = now + _TYPING_LIFE
            is_due = here.told_at is None or now - here.told_at >= _TOLD_EVERY
            if is_due:
                here.told_at = now
        if not was_typing:
            self._tell(conversation_id)
        return is_due

    def rest(self, conversation_id: int, actor: Actor) -> None:
        """What was typed has been sent."""
        with self._lock:
            here = self._open.get(conversation_id, {}).get(actor.id)
            if here is not None:
                here.typing_until = None

    def leave(self, conversation_id: int, actor: Actor) -> None:
        """Somebody has closed the conversation."""
        with self._lock:
            gone = self._open.get(conversation_id, {}).pop(actor.id, None)
        if gone is not None:
            self._tell(conversation_id)

    def others(self, conversation_id: int, actor: Actor) -> tuple[tuple[str, bool], ...]:
        """The other people who have it open, by name, each with whether they type."""
        now = self._ctx.clock.now()
        with self._lock:
            people = self._open.get(conversation_id, {})
            for person in [person for person, here in people.items() if here.until <= now]:
                del people[person]
            if not people:
                self._open.pop(conversation_id, None)
            found = [
                (here.name, here.typing_until is not None and here.typing_until > now)
                for person, here in people.items()
                if person != actor.id
            ]
        return tuple(sorted(found))

    def _touch(self, conversation_id: int, actor: Actor) -> tuple[_Here, bool]:
        until = self._ctx.clock.now() + _LIFE
        people = self._open.setdefault(conversation_id, {})
        is_new = actor.id not in people
        here = people.setdefault(actor.id, _Here(actor.name, until))
        here.until = until
        return here, is_new

    def _tell(self, conversation_id: int) -> None:
        if self._ctx.hub is not None:
            self._ctx.hub.publish(f"conversation:{conversation_id}")
