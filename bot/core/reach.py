"""What WeChat lets us send to a contact now: account kinds, allowances, windows (protocol 0 and 4.1)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.messages import Incoming, Kind

_TAPS = frozenset({"click", "scancode_push", "scancode_waitmsg", "subscribe", "scan"})


class Channel(StrEnum):
    """How a message leaves, and what it carries besides its text."""

    CUSTOMER = "customer"  # 客服消息; extras: `choices` [[id, text], …] with `head` and `tail`, where taps are possible
    TEMPLATE = "template"  # 模板消息; extras: `template`, `data` {key: value}, `url`
    SUBSCRIPTION = "subscription"  # 订阅消息; extras: `template`, `data` {key: value}, `page`
    SMS = "sms"  # by the operator's gateway
    EMAIL = "email"  # extras: `subject`
    WEBHOOK = "webhook"  # extras: `event` (its name), `data` (JSON), `secret_of` (whose secret signs it)

    @property
    def is_wechat(self) -> bool:
        """Does it go through an account of ours?"""
        return self in (Channel.CUSTOMER, Channel.TEMPLATE, Channel.SUBSCRIPTION)


class Purpose(StrEnum):
    """Why a message leaves: it decides which places of the allowance it may use."""

    REPLY = "reply"  # the late answer to what the contact has just said
    NOTICE = "notice"  # news of a request
    STAFF = "staff"  # a person's words
    SURVEY = "survey"
    REMINDER = "reminder"  # of the survey
    REFERRAL = "referral"  # to a provider
    ALERT = "alert"  # to our own people


def kept(purpose: Purpose, *, staff: int, survey: int, is_survey_coming: bool) -> int:
    """How many messages of a contact's allowance must be left over: places kept for staff and for the survey.

    Each may use its own place; what is kept for a survey that nobody waits for is staff's to use.
    """
    match purpose:
        case Purpose.REPLY | Purpose.REMINDER:
            return staff
        case Purpose.STAFF:
            return survey if is_survey_coming else 0
        case Purpose.SURVEY:
            return 0
        case _:
            return staff + survey


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
