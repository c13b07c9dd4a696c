"""What the console's routes share: the filter of the list, who looks at what, and how the pages are put together."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import check_csrf
from admin.console_lists import TABS, Listing, found_list, inbox_list, read_place
from admin.console_views import Chat, Suggester, chat_of, side_of, talk_of
from admin.presence import Presence
from admin.templating import page
from bot.actions.console import Revealed
from bot.actions.context import Context
from bot.core.permissions import Actor, Right
from bot.errors import RefusedError
from bot.store import console
from bot.store.console import Sieve, Tab
from intents.categories import Category
from intents.quantities import Urgency

_LISTS: dict[str, Any] = {"categories": tuple(Category), "urgencies": tuple(Urgency)}


class Filter(BaseModel):
    """What the list shows, as it stands in the address."""

    tab: str = Limits(Tab.QUEUE.value, max_length=10)
    category: str = Limits("", max_length=32)
    station: str = Limits("", max_length=64)
    urgency: str = Limits("", max_length=16)
    q: str = Limits("", max_length=60)
    page: str = Limits("", max_length=60)  # cursor

    def sieve(self, actor: Actor) -> Sieve:
        """The same as the store asks for it."""
        return Sieve(self.chosen, actor.id, self.category, self.station.strip(), self.urgency)

    @property
    def chosen(self) -> Tab:
        """The list; the queue where the address names none."""
        return Tab(self.tab) if self.tab in set(Tab) else Tab.QUEUE

    def address(self, **changes: str) -> str:
        """The query of an address with these changes; a page is never kept."""
        values = {**self.model_dump(exclude={"page"}), "tab": self.chosen.value, **changes}
        return urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at which conversation."""

    request: Request
    id: int
    actor: Actor
    token: str
    filter: Filter

    def check(self, csrf: str) -> None:
        """Refuse a form that another site sent."""
        check_csrf(csrf, self.token)

    @property
    def done(self) -> RedirectResponse:
        """Show the conversation anew."""
        query = self.filter.address()
        return RedirectResponse(f"/admin/console/{self.id}?{query}#end", status_code=303)


class Desk:
    """The pages, and what they keep in memory."""

    def __init__(self, ctx: Context, presence: Presence) -> None:
        self.ctx, self.presence = ctx, presence
        self.suggest = Suggester(ctx)

    def list_values(self, session: Any, actor: Actor, wanted: Filter) -> dict[str, Any]:
        """What the list needs."""
        now = self.ctx.clock.now()
        return {
            "listing": self._listing(session, actor, wanted),
            "filter": wanted,
            "tabs": TABS,
            "counts": console.inbox_counts(session, actor.id, now=now),
            "calling": console.calling(session, actor.id),
            "is_away": console.is_away(session, actor.id),
            "may_handle": actor.may(Right.HANDLE_TICKETS),
        }

    def _listing(self, session: Any, actor: Actor, wanted: Filter) -> Listing:
        now = self.ctx.clock.now()
        if wanted.q.strip():
            before = int(wanted.page) if wanted.page.isascii() and wanted.page.isdecimal() else None
            return found_list(session, wanted.q, actor=actor, now=now, before=before)
        after = read_place(wanted.page)
        return inbox_list(session, wanted.sieve(actor), actor=actor, now=now, after=after)

    def inbox(self, request: Request, actor: Actor, token: str, wanted: Filter) -> HTMLResponse:
        """The list alone."""
        with self.ctx.read() as session:
            values = self.list_values(session, actor, wanted)
            stations = console.stations(session)
        return page(request, "console.html", actor=actor, csrf=token, stations=stations, **_LISTS, **values)

    def part(self, request: Request, actor: Actor, wanted: Filter) -> HTMLResponse:
        """The list as a fragment."""
        with self.ctx.read() as session:
            values = self.list_values(session, actor, wanted)
        return page(request, "console_list.html", actor=actor, **values)

    def chat(
        self,
        visit: Visit,
        refusal: RefusedError | None = None,
        *,
        before: int | None = None,
        revealed: Revealed | None = None,
        kept: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """The conversation; after a refusal with its reason and with what was typed."""
        self.presence.look(visit.id, visit.actor)
        with self.ctx.read() as session:
            shown = self._shown(session, visit, before=before)
            values = {
                **self.list_values(session, visit.actor, visit.filter),
                "stations": console.stations(session),
                "side": side_of(session, shown.talk, actor=visit.actor),
                "chat": shown,
            }
        return page(
            visit.request,
            "console_chat.html",
            status=refusal.status if refusal else 200,
            actor=visit.actor,
            csrf=visit.token,
            problem=refusal.message if refusal else "",
            revealed=revealed,
            kept=kept or {},
            key=(kept or {}).get("key") or secrets.token_urlsafe(12),
            may_reveal=visit.actor.may(Right.SEE_CONTACTS),
            **_LISTS,
            **values,
        )

    def messages(self, visit: Visit, after: int) -> HTMLResponse:
        """What is new in a conversation, as a fragment; with all that may have changed beside it."""
        with self.ctx.read() as session:
            shown = self._shown(session, visit, after=after)
        return page(
            visit.request,
            "console_messages.html",
            actor=visit.actor,
            csrf=visit.token,
            chat=shown,
            query=visit.filter.address(),
            categories=tuple(Category),
        )

    def inserted(self, visit: Visit, text: str, what: str) -> str:
        """The text of the box with a canned reply (canned:<id>) or an entry's answer (entry:<id>) after it."""
        with self.ctx.read() as session:
            shown = self._shown(session, visit, after=0)
        texts = {f"canned:{number}": reply for number, _shortcut, _title, reply in shown.canned}
        texts |= {f"entry:{one.id}": one.text for one in shown.suggestions}
        added = texts.get(what, "")
        return f"{text.rstrip()}\n{added}".strip() if added else text

    def _shown(
        self, session: Any, visit: Visit, *, before: int | None = None, after: int | None = None
    ) -> Chat:
        return chat_of(
            self.ctx,
            session,
            talk_of(session, visit.id),
            actor=visit.actor,
            presence=self.presence,
            suggest=self.suggest.of,
            before=before,
            after=after,
        )
