"""The outbox in the browser: what could not leave and why, what to do about it, and which channels are out of order."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from pydantic import Field as Limits

from admin.auth import Guard, Visit, check_csrf, visiting
from admin.templating import page
from bot.actions.context import Context
from bot.actions.outbox import (
    Bulk,
    Meaning,
    channel_faults,
    drop_message,
    hold_message,
    may_be_held,
    resend_all,
    resend_message,
    version,
)
from bot.core.permissions import Right
from bot.core.reach import Channel, Purpose
from bot.core.wording import say
from bot.errors import RefusedError
from bot.store import delivery
from bot.store.delivery import OutboxMessage, OutboxState, Sieve
from intents.text import mask

_PAGE = 30  # messages of one page
_WORDS = 60  # characters of a message that are shown
_LISTED = (OutboxState.DEAD, OutboxState.HELD, OutboxState.DUE)
_COUNTED = (*_LISTED, OutboxState.SENT, OutboxState.TOLD, OutboxState.DROPPED)
_NUMBER = re.compile(r"NQI-(?:[A-Z]-)?\d{4}-\d{6}")
_MARKUP = re.compile(r"<[^<>]*>")
_ADDRESS = re.compile(r"https?://\S+")
_PLACEHOLDER = re.compile(r"\[(?:[a-z]+)\]")


class _Filter(BaseModel):
    """What is looked for, as the address of the page says it; nonsense finds nothing or is left out."""

    state: str = Limits("", max_length=20)
    channel: str = Limits("", max_length=20)
    purpose: str = Limits("", max_length=20)
    ticket: str = Limits("", max_length=40)
    code: str = Limits("", max_length=60)

    @property
    def sieve(self) -> Sieve:
        """The same with what we know."""
        return Sieve(
            OutboxState(self.state) if self.state in _LISTED else OutboxState.DEAD,
            channel=self.channel if self.channel in set(Channel) else "",
            purpose=self.purpose if self.purpose in set(Purpose) else "",
            ticket=self.ticket.strip().upper(),
            code=self.code.strip(),
        )


class _Posted(_Filter):
    """What every form of the page carries: the filter brings back the same list."""

    csrf: str
    id: int = Limits(0, ge=0, le=2**53)
    seen: str = Limits("", max_length=60)
    reason: str = Limits("", max_length=2000)


@dataclass(frozen=True, slots=True)
class _Item:
    """One message as it is shown."""

    row: OutboxMessage
    ticket: str
    label: str
    purpose: str
    address: str
    words: str
    meaning: Meaning
    mend: str
    seen: str
    may_hold: bool


@dataclass(frozen=True, slots=True)
class _Visit(Visit):
    """Who looks at the outbox."""

    def show(
        self,
        sieve: Sieve,
        *,
        before: int | None = None,
        refusal: RefusedError | None = None,
        bulk: Bulk | None = None,
        done: str = "",
        kept: _Posted | None = None,
    ) -> HTMLResponse:
        """The page; after a refusal with its reason and with the words that were typed."""
        with self.ctx.read() as session:
            found = delivery.sifted_messages(session, sieve, before=before, limit=_PAGE + 1)
            counts = delivery.outbox_counts(session)
            codes = delivery.result_counts(session, sieve)
            faults = channel_faults(session, self.ctx.clock.now())
        items = [_item(row, number) for row, number in found[:_PAGE]]
        return page(
            self.request,
            "outbox.html",
            status=refusal.status if refusal else 200,
            actor=self.actor,
            csrf=self.token,
            sieve=sieve,
            items=items,
            older=_address(sieve, before=items[-1].row.id) if len(found) > _PAGE else "",
            newest=_address(sieve) if before is not None else "",
            table=_table(counts),
            totals={state: sum(each[2] for each in counts if each[0] == state) for state in _LISTED},
            codes=[(Meaning.of(code), count) for code, count in codes.items() if code],
            faults=[(fault, _channel_label(fault.channel or "any", fault.account)) for fault in faults],
            problem=refusal.message if refusal else "",
            bulk=bulk,
            done=_DONE.get(done, ""),
            kept=kept,
            states=_LISTED,
            counted=_COUNTED,
            channels=[(one, _label("channel", one)) for one in Channel],
            purposes=[(one, _label("purpose", one)) for one in Purpose],
            address=_address,
            label=_label,
        )

    def change(self, form: _Posted, what: str, do: Callable[[], None]) -> HTMLResponse | RedirectResponse:
        """Do it and show the list anew; a refusal stands on the page with its reason."""
        check_csrf(form.csrf, self.token)
        try:
            do()
        except RefusedError as refusal:
            return self.show(form.sieve, refusal=refusal, kept=form)
        return RedirectResponse(f"{_address(form.sieve, done=what)}#list", status_code=303)


_DONE = {"resent": "已放回待发送，马上再试。", "kept": "已改为对方下次留言时告诉。", "dropped": "已丢弃。"}


def outbox_router(ctx: Context, guard: Guard) -> APIRouter:
    """The page under /admin/outbox and its forms, for who runs the channels."""
    router = APIRouter(prefix="/outbox")
    visit = visiting(ctx, guard, Right.RUN_CHANNELS, _Visit)

    @router.get("", response_class=HTMLResponse)
    def listing(
        visit: Annotated[_Visit, Depends(visit)],
        wanted: Annotated[_Filter, Query()],
        before: str = "",
        done: str = "",
    ) -> HTMLResponse:
        below = int(before) if before.isascii() and before.isdecimal() and len(before) < 16 else None
        return visit.show(wanted.sieve, before=below, done=done)

    @router.post("/resend", response_model=None)
    def resend(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(
            form, "resent", lambda: resend_message(ctx, form.id, seen=form.seen, actor=visit.actor.name)
        )

    @router.post("/hold", response_model=None)
    def hold(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(
            form, "kept", lambda: hold_message(ctx, form.id, seen=form.seen, actor=visit.actor.name)
        )

    @router.post("/drop", response_model=None)
    def drop(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse | RedirectResponse:
        return visit.change(
            form,
            "dropped",
            lambda: drop_message(ctx, form.id, seen=form.seen, reason=form.reason, actor=visit.actor.name),
        )

    @router.post("/resend-all", response_class=HTMLResponse)
    def everything(
        visit: Annotated[_Visit, Depends(visit)], form: Annotated[_Posted, Form()]
    ) -> HTMLResponse:
        visit.check(form.csrf)
        try:
            bulk = resend_all(ctx, form.sieve, actor=visit.actor.name)
        except RefusedError as refusal:
            return visit.show(form.sieve, refusal=refusal)
        return visit.show(form.sieve, bulk=bulk)

    return router


def _item(row: OutboxMessage, number: str) -> _Item:
    found = _NUMBER.search(row.text)
    meaning = Meaning.of(row.result)
    return _Item(
        row,
        number or (found[0] if found else ""),
        _channel_label(row.channel, row.account),
        _label("purpose", row.purpose),
        _masked(row.channel, row.address),
        _first_words(row.text),
        meaning,
        _next(row, meaning),
        version(row),
        may_be_held(row),
    )


def _next(row: OutboxMessage, meaning: Meaning) -> str:
    """What is to be done about a message where it stands now."""
    if row.state == OutboxState.HELD:
        return "对方下次留言时会自动告诉，不用操作；急事请电话联系，然后丢弃。"
    if row.state == OutboxState.DUE and not row.result:
        return "正在排队，到时间自动发送，不用操作。"
    is_hint_idle = meaning.mend == say("mend.window") and not may_be_held(row)
    return say("mend.call") if is_hint_idle else meaning.mend


def _label(kind: str, key: str) -> str:
    return say(f"outbox.{kind}_{key}")


def _channel_label(channel: str, account: str) -> str:
    """The channel, with its account where it has one."""
    is_wechat = channel in set(Channel) and Channel(channel).is_wechat
    place = (
        f"（{_label('account', account)}）" if is_wechat and account in ("official", "miniprogram") else ""
    )
    return _label("channel", channel) + place


def _masked(channel: str, address: str) -> str:
    """To whom it goes, of which only the ends are shown."""
    if channel == Channel.WEBHOOK:
        # The rest of the address may be as good as a password.
        return f"{urlsplit(address).hostname or '—'}/…" if "://" in address else "—"
    name, at, domain = address.rpartition("@")
    if at:
        return f"{name[:1]}***@{domain}"
    return f"{address[:3]}****{address[-4:]}" if len(address) >= 9 else address and "****"


def _first_words(text: str) -> str:
    """The beginning of a message, without links, phone numbers and addresses of mail."""
    bare = " ".join(_ADDRESS.sub("[链接]", _MARKUP.sub("", text)).split())
    hidden = _PLACEHOLDER.sub("***", mask(bare))
    return hidden if len(hidden) <= _WORDS else hidden[:_WORDS] + "…"


def _table(counts: list[tuple[str, str, int]]) -> list[tuple[str, str, list[tuple[OutboxState, int]]]]:
    """Channel, its label and its messages by state, for the channels that have any."""
    by_place = {(channel, state): count for state, channel, count in counts}
    used = {channel for _, channel, _ in counts}
    return [
        (
            one.value,
            _label("channel", one),
            [(state, by_place.get((one.value, state), 0)) for state in _COUNTED],
        )
        for one in Channel
        if one in used
    ]


def _address(sieve: Sieve, **changes: Any) -> str:
    """The address of a list: this one with these changes."""
    values: dict[str, Any] = {
        "state": sieve.state.value,
        "channel": sieve.channel,
        "purpose": sieve.purpose,
        "ticket": sieve.ticket,
        "code": sieve.code,
        **changes,
    }
    return f"/admin/outbox?{urlencode({name: value for name, value in values.items() if value})}"
