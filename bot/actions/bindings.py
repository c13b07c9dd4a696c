"""Bindings: a provider's person hears of referrals on WeChat, bound by a code from the provider's page."""

import secrets
import unicodedata
from datetime import timedelta

from bot.actions.context import Context, Transaction
from bot.core.wording import say
from bot.store import audit, referrals
from bot.store.conversations import Talk
from bot.store.libraries import body_of

CODE_LIFE = timedelta(minutes=30)
_LETTERS = "34679ACDEFGHJKMNPQRTVWXY"  # none that is read as another: 0 O, 1 I L, 2 Z, 5 S, 8 B, U V
_LENGTH = 8
_MOST_WRONG = 5  # 24 ** 8 codes: at that pace nobody guesses one while it is open
_WRONG_SPAN = timedelta(hours=1)


def make_code(ctx: Context, provider: str) -> str:
    """A new code for a provider, good for `CODE_LIFE`; an older one of the same provider ends with it."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    with ctx.transaction() as tx:
        referrals.add_code(tx.connection, provider, code, at=tx.now)
    return code


def _bind(tx: Transaction, talk: Talk, code: str) -> str:
    """Bind a contact to the provider whose code they sent, inside their turn; gives what they are told.

    Five wrong codes within an hour, and not even a right one is taken for a while.
    """
    wrong = referrals.wrong_codes(tx.connection, talk.contact_id, since=tx.now - _WRONG_SPAN)
    if wrong >= _MOST_WRONG:
        return say("binding.many")
    bound = referrals.claim_code(
        tx.connection, _plain(code), talk.contact_id, since=tx.now - CODE_LIFE, at=tx.now
    )
    if bound is None:
        _note(tx, talk, referrals.WRONG_CODE)
        return say("binding.wrong", minutes=CODE_LIFE // timedelta(minutes=1))
    # Who binds the same provider again would else hear everything twice.
    referrals.end_bindings(tx.connection, talk.contact_id, at=tx.now, provider=bound.provider, but=bound.id)
    _note(tx, talk, "bind-provider", bound.provider)
    hours = tx.ctx.settings.quota_message_hours
    return say("binding.done", provider=_name(tx, bound.provider), hours=hours)


def _unbind(tx: Transaction, talk: Talk) -> str:
    """End all bindings of a contact, inside their turn; gives what they are told."""
    ended = referrals.end_bindings(tx.connection, talk.contact_id, at=tx.now)
    if not ended:
        return say("binding.none")
    for provider in ended:
        _note(tx, talk, "unbind-provider", provider)
    return say("binding.ended", provider="、".join(_name(tx, provider) for provider in ended))


def _plain(code: str) -> str:
    """A code as it was typed, as it was made: full-width letters, small ones and gaps count as nothing."""
    letters = unicodedata.normalize("NFKC", code[:100]).upper()
    return "".join(letter for letter in letters if letter.isalnum())[: _LENGTH + 1]


def _name(tx: Transaction, provider: str) -> str:
    body = body_of(tx.connection, "providers", provider)
    return body["name"] if body else provider


def _note(tx: Transaction, talk: Talk, what: str, provider: str = "") -> None:
    subject = f"contact:{talk.contact_id}"
    audit.add_line(tx.connection, at=tx.now, actor="contact", what=what, subject=subject, note=provider)
