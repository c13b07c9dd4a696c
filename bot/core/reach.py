"""What WeChat lets us send to a contact now: account kinds, allowances, windows (protocol 0 and 4.1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.messages import Incoming, Kind

_TAPS = frozenset({"click", "scancode_push", "scancode_waitmsg", "subscribe", "scan"})


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an account may do; never found out by an error."""

    has_passive_reply: bool
    has_customer_messages: bool
    has_links: bool


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many customer messages an act of the contact allows, and for how long."""

    message: int
    message_hours: int
    event: int
    event_seconds: int
    enter: int


def abilities(account: str, kind: str, *, links: bool) -> Abilities:
    """The abilities of an account kind; the mini-program has no passive reply and no links of its own."""
    if account == "miniprogram":
        return Abilities(has_passive_reply=False, has_customer_messages=True, has_links=False)
    return Abilities(
        has_passive_reply=True, has_customer_messages=kind in ("subscription", "service"), has_links=links
    )


def allowance_after(
    incoming: Incoming, *, left: int, until: datetime | None, quotas: Quotas, now: datetime
) -> tuple[int, datetime | None]:
    """The allowance after this push: raised, never lowered; a window that has closed counts for nothing."""
    if until is None or until <= now:
        left, until = 0, None
    granted = _granted(incoming, quotas, now)
    if granted is None:
        return left, until
    count, ends = granted
    return max(left, count), ends if until is None else max(until, ends)


def _granted(incoming: Incoming, quotas: Quotas, now: datetime) -> tuple[int, datetime] | None:
    if incoming.kind is Kind.EVENT:
        if incoming.event == "user_enter_tempsession":
            return quotas.enter, now + timedelta(seconds=quotas.event_seconds)
        return (
            (quotas.event, now + timedelta(seconds=quotas.event_seconds)) if incoming.event in _TAPS else None
        )
    # A tap on a clickable text comes back as a text with a menu id and counts as a tap.
    if incoming.menu_id:
        return quotas.event, now + timedelta(seconds=quotas.event_seconds)
    return quotas.message, now + timedelta(hours=quotas.message_hours)
