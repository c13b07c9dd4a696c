"""How to ask for a rating when WeChat may not let us: the ladder from a message to a staff call (S 9.2.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.core.surveys import data


class Way(StrEnum):
    """A way of asking, in the order they are tried, or what to do instead."""

    MESSAGE = "message"
    TEMPLATE = "template"
    SUBSCRIPTION = "subscription"
    SMS = "sms"
    MINIPROGRAM = "miniprogram"
    NEXT_CONTACT = "next-contact"
    WAIT = "wait"
    STAFF_CALL = "staff-call"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """What is known of the contact now.

    `may_message`: they have just written (a passive reply is free), or the window is open and the survey's place is left.
    """

    is_answered: bool = False
    has_declined: bool = False
    may_message: bool = False
    last_wrote_at: datetime | None = None
    has_template: bool = False
    has_subscription: bool = False
    has_sms: bool = False
    has_miniprogram: bool = False


class Sending(StrEnum):
    """What became of an attempt."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to ask; `answer` is what WeChat (or the SMS gateway) said."""

    way: Way
    at: datetime
    sending: Sending
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to remind, when staff must call, and the end of day five; computed on the working calendar by the caller."""

    remind_at: datetime
    call_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next and why; `skipped` says of each way before it why it was not taken; look again at `until`."""

    way: Way
    reason: str
    is_reminder: bool = False
    skipped: tuple[tuple[Way, str], ...] = ()
    until: datetime | None = None


def next_way(
    contact: ContactFacts, attempts: Sequence[Attempt], *, now: datetime, schedule: Schedule
) -> Step:
    """The next rung: never two ways at once, one reminder, a staff call before day five ends whatever happened."""
    texts, call_at = data("ladder"), min(schedule.call_at, schedule.deadline)
    if contact.is_answered or contact.has_declined:
        return Step(Way.STOP, texts["answered" if contact.is_answered else "declined"])
    if any(each.way is Way.STAFF_CALL for each in attempts):
        if now > schedule.deadline:
            return Step(Way.STOP, texts["over"])
        return Step(Way.WAIT, texts["called"], until=schedule.deadline)
    if now >= call_at:
        return Step(Way.STAFF_CALL, texts["call_late" if now > schedule.deadline else "call"])
    tried = [each for each in attempts if each.way in _WAYS]
    if any(each.sending is Sending.PENDING for each in tried):
        return Step(Way.WAIT, texts["pending"], until=call_at)
    sent = [each for each in tried if each.sending is Sending.SENT]
    if len(sent) > 1:
        return Step(Way.WAIT, texts["reminded"], until=call_at)
    if sent and now < schedule.remind_at:
        return Step(Way.WAIT, texts["asked"], until=schedule.remind_at)
    return _rung(contact, tried, is_reminder=bool(sent), until=call_at)


_WAYS = (Way.MESSAGE, Way.TEMPLATE, Way.SUBSCRIPTION, Way.SMS, Way.MINIPROGRAM)


def _rung(contact: ContactFacts, tried: Iterable[Attempt], *, is_reminder: bool, until: datetime) -> Step:
    texts = data("ladder")
    usable = {
        Way.MESSAGE: contact.may_message,
        Way.TEMPLATE: contact.has_template,
        Way.SUBSCRIPTION: contact.has_subscription,
        Way.SMS: contact.has_sms,
        Way.MINIPROGRAM: contact.has_miniprogram,
    }
    failed = {each.way: each.at for each in tried if each.sending is Sending.FAILED}
    skipped: list[tuple[Way, str]] = []
    for way in _WAYS:
        # A closed window opens again when the contact writes; the other ways stay shut.
        is_fresh = (
            way is Way.MESSAGE and contact.last_wrote_at and contact.last_wrote_at > failed.get(way, until)
        )
        if not usable[way]:
            skipped.append((way, texts[f"no_{way}"]))
        elif way in failed and not is_fresh:
            skipped.append((way, texts["failed"]))
        else:
            lead = texts["reminder"] if is_reminder else ""
            return Step(way, lead + texts[way], is_reminder, tuple(skipped))
    return Step(Way.NEXT_CONTACT, texts["wait"], is_reminder, tuple(skipped), until)
