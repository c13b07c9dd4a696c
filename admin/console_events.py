"""The console's event stream: what changed is said in a word, the page fetches it; nothing is lost with a connection.

Two events: `inbox` (the counts; the list is to be fetched) and `conversation` (of the open one; its messages after
the last known id are to be fetched). The id of an event says what the page knows by then; with it as Last-Event-ID a
new connection tells at once what has changed since. A lost poke costs seconds: every wait ends after five.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Cookie, Depends, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from admin.auth import Guard, NotLoggedInError
from admin.presence import Presence
from bot.actions.context import Context
from bot.actions.sessions import who_is
from bot.actions.takeover import be_here
from bot.core.permissions import Actor, Right
from bot.ports import Hub
from bot.store import console, delivery

CLOSING = "closing"  # in `ctx.kept` and on the hub: the server stops, streams end at once
_PATIENCE = 5.0  # seconds after which the rows are read unasked
_BREATH = 1.0  # seconds between two looks at the inbox, however much happens there
_RETRY = 2000  # milliseconds until a browser connects again
_STATES = 20  # messages whose delivery is watched


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Who listens, and which conversation they have open (0: none)."""

    key: str
    actor: Actor
    open: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """What somebody's page should know: a mark that changes with it, and what the event says."""

    mark: str
    data: dict[str, Any]


def events_router(ctx: Context, guard: Guard, presence: Presence) -> APIRouter:
    """The stream of one page."""
    router = APIRouter()
    see = guard.require(Right.SEE_CONVERSATIONS)

    @router.get("/console/events", response_class=EventSourceResponse)
    async def events(
        actor: Annotated[Actor, Depends(see)],
        open_id: Annotated[int, Query(alias="open", ge=0, lt=2**63)] = 0,
        last_event_id: Annotated[str, Header(max_length=100)] = "",
        nqi_session: Annotated[str, Cookie()] = "",
    ) -> AsyncIterator[ServerSentEvent]:
        watcher = _Watcher(nqi_session, actor, open_id)
        stream = _Stream(ctx, presence, watcher)
        with suppress(NotLoggedInError):
            async for event in stream.follow(last_event_id):
                yield event

    return router


class _Stream:
    def __init__(self, ctx: Context, presence: Presence, watcher: _Watcher) -> None:
        self._ctx, self._presence, self._watcher = ctx, presence, watcher
        self._looked = -_BREATH

    async def follow(self, last_event_id: str) -> AsyncIterator[ServerSentEvent]:
        """Events for as long as somebody listens; raises NotLoggedInError where the session has ended."""
        hub = self._ctx.hub
        assert hub is not None, "the console needs a hub"
        inbox, _, chat = last_event_id.partition(":")
        yield ServerSentEvent(comment="open", retry=_RETRY)
        try:
            while not self._ctx.kept.get(CLOSING):
                is_due = time.monotonic() - self._looked >= _BREATH
                # The wait begins before the reading: what changes meanwhile ends it at once.
                waiting = asyncio.create_task(self._wait(hub, is_due=is_due))
                try:
                    await asyncio.sleep(0)
                    lists, talk = await run_in_threadpool(self._read, is_due=is_due)
                    if lists is not None and lists.mark != inbox:
                        inbox = lists.mark
                        yield ServerSentEvent(event="inbox", data=lists.data, id=f"{inbox}:{chat}")
                    if talk is not None and talk.mark != chat:
                        chat = talk.mark
                        yield ServerSentEvent(event="conversation", data=talk.data, id=f"{inbox}:{chat}")
                    await waiting
                finally:
                    waiting.cancel()
        finally:
            if self._watcher.open:
                self._presence.leave(self._watcher.open, self._watcher.actor)

    async def _wait(self, hub: Hub, *, is_due: bool) -> None:
        topics = [CLOSING]
        if self._watcher.open:
            topics.append(f"conversation:{self._watcher.open}")
        if is_due:
            await hub.wait([*topics, "console", f"staff:{self._watcher.actor.id}"], _PATIENCE)
            return
        # The inbox was looked at just now: a busy hour must not become a look per message.
        await hub.wait(topics, max(0.05, _BREATH - (time.monotonic() - self._looked)))

    def _read(self, *, is_due: bool) -> tuple[_Seen | None, _Seen | None]:
        watcher = self._watcher
        # A session that ended meanwhile, or a right that was taken, ends the stream too.
        found = who_is(self._ctx, watcher.key, is_use=False)
        if found is None or not found.actor.may(Right.SEE_CONVERSATIONS):
            raise NotLoggedInError
        actor = found.actor
        if is_due:
            self._looked = time.monotonic()
            if actor.may(Right.HANDLE_TICKETS):
                be_here(self._ctx, actor=actor)
        if watcher.open:
            self._presence.look(watcher.open, actor)
        with self._ctx.read() as session:
            lists = inbox_seen(session, actor.id) if is_due else None
            talk = self._talk_seen(session) if watcher.open else None
        return lists, talk

    def _talk_seen(self, session: Any) -> _Seen | None:
        row = console.talk(session, self._watcher.open)
        if row is None:
            return None
        newest = console.messages(session, row.id, limit=_STATES)
        sent = delivery.outcomes(session, [line.outbox_key for line in newest if line.outbox_key])
        states = sorted((key, one.state, one.result) for key, one in sent.items())
        # A picture that was sent is fetched later.
        files = sorted(
            (one.id, one.state)
            for one in console.files_of_messages(session, [line.id for line in newest]).values()
        )
        others = self._presence.others(row.id, self._watcher.actor)
        quota = (row.allowance, row.allowance_until)
        mark = _digest(row.id, row.last_id, row.holder, row.staff_id, quota, row.state, states, files, others)
        return _Seen(mark, {"id": row.id, "last": row.last_id})


def inbox_seen(session: Any, staff_id: int) -> _Seen:
    """What the inbox calls for: how many wait, how many of one's own conversations have unread words."""
    waiting, unread = console.calling(session, staff_id)
    newest = console.newest_word(session)
    return _Seen(_digest(waiting, unread, newest), {"waiting": waiting, "unread": unread})


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]
