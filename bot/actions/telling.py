"""Telling people of a request: the enterprise, its provider, our own staff; each message is a row of the outbox."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog

from bot.actions.context import Transaction
from bot.core.deadlines import Recipient
from bot.core.notifications import fill, parse
from bot.core.permissions import Role
from bot.core.reach import Channel, Purpose, abilities, kept
from bot.core.times import china_text
from bot.core.wording import say
from bot.settings import AccountSettings
from bot.store import courses, delivery, people, surveys
from bot.store.delivery import OutboxState
from bot.store.libraries import body_of

log = structlog.get_logger()
NEWS_GAPS = ("number", "title", "state", "time")
"""What a template or subscription message may be filled with."""
_ROLES = {
    Recipient.STAFF: (Role.STAFF, Role.OPERATOR),
    Recipient.SPECIALIST: (Role.STAFF, Role.OPERATOR),
    Recipient.HEAD: (Role.HEAD,),
    Recipient.COORDINATOR: (Role.COORDINATOR,),
}


@dataclass(frozen=True, slots=True)
class Way:
    """How a contact can be reached now: a channel, when they next write (an account alone), by phone, or not at all."""

    channel: Channel | None
    address: str = ""
    account: str = ""
    reason: str = ""  # why not sooner
    extras: Mapping[str, Any] = field(default_factory=dict)  # of the parcel

    @property
    def label(self) -> str:
        """queued, held, by-phone or unreachable: the key of a sentence."""
        if self.channel is not None:
            return "queued"
        return "held" if self.account else "by-phone" if self.address else "unreachable"


def _news_way(tx: Transaction, ticket: Any, text: str) -> Way:
    """How the enterprise can hear this news of its ticket now (protocol 6.5): in the open window, by a template or
    subscription message, by SMS, or with the reply to its next message."""
    settings, recipient = tx.ctx.settings, courses.recipient_of(tx.connection, ticket.conversation_id)
    if recipient.erased_at is not None:
        return Way(None, ticket.phone)
    account = settings.account(recipient.account)
    if account is not None:
        able = abilities(recipient.account, account.kind, links=False)
        is_open = _has_place(tx, ticket.conversation_id, recipient, Purpose.NOTICE)
        if able.has_customer_messages and is_open:
            return Way(Channel.CUSTOMER, recipient.openid, recipient.account)
        if account.notice_template and (found := _notice(tx, ticket, recipient, account, text)):
            return found
    if settings.sms_url and ticket.phone:
        return Way(Channel.SMS, ticket.phone, recipient.account)
    if account is None:
        return Way(None, ticket.phone)
    return Way(None, recipient.openid, recipient.account, "window-closed")


def _notice(
    tx: Transaction, ticket: Any, recipient: sa.Row[Any], account: AccountSettings, text: str
) -> Way | None:
    """The template message (service account, followers) or the subscription message (allowed once each) that tells it."""
    notification = parse(account.notice_template, gaps=NEWS_GAPS)
    values = {
        "number": ticket.number,
        "title": text,
        "state": say(f"state.{ticket.state}"),
        "time": china_text(tx.now),
    }
    try:
        extras = {"template": notification.template, "data": fill(notification, values)}
    except ValueError as error:
        # The operator's template cannot carry this news: the next way is taken, and somebody should look at it.
        log.error("notice template does not fit", ticket=ticket.number, reason=str(error))
        return None
    if recipient.account == "official" and account.kind == "service" and recipient.is_subscribed:
        return Way(Channel.TEMPLATE, recipient.openid, recipient.account, extras=extras)
    if recipient.account == "miniprogram" and surveys.take_subscription(
        tx.connection, recipient.contact_id, notification.template
    ):
        return Way(Channel.SUBSCRIPTION, recipient.openid, recipient.account, extras=extras)
    return None


def _has_place(tx: Transaction, conversation_id: int, recipient: sa.Row[Any], purpose: Purpose) -> bool:
    until = recipient.allowance_until
    keep = _kept(tx, conversation_id, purpose)
    return until is not None and until > tx.now and recipient.allowance > keep


def _kept(tx: Transaction, conversation_id: int, purpose: Purpose) -> int:
    """How many messages of the allowance this one must leave over."""
    settings = tx.ctx.settings
    return kept(
        purpose,
        staff=settings.quota_reserved,
        survey=settings.quota_survey,
        is_survey_coming=purpose is Purpose.STAFF and surveys.is_coming(tx.connection, conversation_id),
    )


def _send_news(tx: Transaction, ticket: Any, way: Way, text: str, *, key: str) -> None:
    """Send news that way; what cannot be sent now is held, and heard with the reply to the contact's next message."""
    if not way.account and way.channel is None:
        return
    _add(
        tx,
        state=OutboxState.DUE if way.channel else OutboxState.HELD,
        result=way.reason,
        key=key,
        lane=f"talk:{ticket.conversation_id}",
        channel=way.channel or Channel.CUSTOMER,
        account=way.account,
        address=way.address,
        text=text,
        extras=dict(way.extras),
        purpose=Purpose.NOTICE.value,
        conversation_id=ticket.conversation_id,
        ticket_id=ticket.id,
        due_at=tx.now,
        at=tx.now,
    )
    if way.channel is not None:
        courses.add_notice(tx.connection, ticket.conversation_id, text, at=tx.now)


def _tell_provider(
    tx: Transaction, number: str, *, event: str, subject: str, text: str, data: Mapping[str, Any], key: str
) -> bool:
    """Tell a provider by e-mail, by webhook and, where bound, on WeChat; False where none of them is there.

    A demonstration provider is never told anything.
    """
    body = body_of(tx.connection, "providers", number)
    if body is None or body.get("is_demo") == "是":
        return False
    common: dict[str, Any] = {
        "lane": f"provider:{number}",
        "purpose": Purpose.REFERRAL.value,
        "due_at": tx.now,
        "at": tx.now,
    }
    is_told = False
    if tx.ctx.settings.smtp_host and (address := body.get("email", "")):
        _add(
            tx,
            key=f"mail:{key}",
            channel=Channel.EMAIL,
            address=address,
            text=text,
            extras={"subject": subject},
            **common,
        )
        is_told = True
    if address := body.get("webhook", ""):
        extras = {"event": event, "data": dict(data), "secret_of": number}
        # A lane of its own: a webhook that is down holds no mail back.
        hook = {**common, "lane": f"webhook:{number}"}
        _add(
            tx, key=f"hook:{key}", channel=Channel.WEBHOOK, address=address, text=text, extras=extras, **hook
        )
        is_told = True
    for place, bound in enumerate(courses.bound_contacts(tx.connection, number)):
        is_told |= _tell_bound(tx, bound, text, key=f"chat:{place}:{key}")
    return is_told


def _tell_bound(tx: Transaction, bound: sa.Row[Any], text: str, *, key: str) -> bool:
    """A provider's person on WeChat: only while their own window is open; mail and webhook are the sure ways."""
    if not _has_place(tx, bound.conversation_id, bound, Purpose.REFERRAL):
        return False
    _add(
        tx,
        key=key,
        lane=f"talk:{bound.conversation_id}",
        channel=Channel.CUSTOMER,
        account=bound.account,
        address=bound.openid,
        text=text,
        purpose=Purpose.REFERRAL.value,
        conversation_id=bound.conversation_id,
        due_at=tx.now,
        at=tx.now,
    )
    return True


def _tell_staff(tx: Transaction, to: Recipient, *, subject: str, text: str, key: str) -> int:
    """Mail the open accounts of a role; gives how many were told. The pages show the same without mail."""
    if not tx.ctx.settings.smtp_host:
        return 0
    addresses: Iterable[str] = people.staff_emails(tx.connection, _ROLES[to])
    count = 0
    for address in dict.fromkeys(addresses):
        _add(
            tx,
            key=f"staff:{_short(address)}:{key}",
            lane=f"staff:{_short(address)}",
            channel=Channel.EMAIL,
            address=address,
            text=text,
            extras={"subject": subject},
            purpose=Purpose.ALERT.value,
            due_at=tx.now,
            at=tx.now,
        )
        count += 1
    return count


def _short(address: str) -> str:
    """Stands for an address in keys, which are short and not for reading."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def _add(tx: Transaction, *, channel: Channel, **values: Any) -> None:
    delivery.add_outbox(tx.connection, channel=channel.value, **values)
    tx.poke_after_commit("outbox")
