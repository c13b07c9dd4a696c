"""What is remembered of a contact, and how it is forgotten."""

import secrets

from bot.actions.asking import _forget_surveys
from bot.actions.attachments import _erase_files
from bot.actions.context import Transaction
from bot.actions.referral_ends import _end_referrals_of
from bot.core.turns import Form
from bot.store import audit, conversations, delivery, gaps, people, tickets
from bot.store.conversations import Talk


def _remember(tx: Transaction, talk: Talk, form: Form) -> None:
    """Keep who they are for the next form: nothing is asked twice (S 5.2.2.2)."""
    known = {name: value for name in ("applicant", "person", "phone") if (value := getattr(form, name))}
    if known:
        people.save_profile(tx.connection, talk.contact_id, **known)


def _erase_contact(tx: Transaction, talk: Talk, *, reason: str) -> None:
    """Delete a contact's personal data everywhere; numbers, dates and states of tickets remain without them.

    PIPL article 47: on withdrawn consent personal data are deleted; the record that a service took place
    is kept (S 7.5), without the person.
    """
    # Who unfollows still waits for the service they registered: open tickets are erased when they end.
    has_unfollowed = reason == "unsubscribe"
    numbers = tickets.erase_tickets(tx.connection, talk.contact_id, at=tx.now, with_open=not has_unfollowed)
    _end_referrals_of(tx, talk.contact_id)
    _forget_surveys(tx, talk.contact_id)
    _erase_files(tx, talk.contact_id)
    conversations.scrub_messages(tx.connection, talk.conversation_id)
    gaps.forget_words(tx.connection, talk.conversation_id)
    delivery.drop_outbox(tx.connection, talk.conversation_id)
    people.erase_contact(tx.connection, talk.contact_id, alias=f"erased-{secrets.token_hex(8)}", at=tx.now)
    audit.add_line(
        tx.connection,
        at=tx.now,
        actor="contact",
        what="erase",
        subject=f"contact:{talk.contact_id}",
        note=f"{reason} {' '.join(numbers)}".strip(),
    )
