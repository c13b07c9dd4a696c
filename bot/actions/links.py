"""Signed links for people without an account: a provider's page of one referral, an enterprise's page of one survey."""

import hashlib
import hmac
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from bot.actions.context import Context
from bot.errors import NotFoundError

_DAY = 86_400


def referral_link(ctx: Context, referral_id: int, key: str) -> str:
    """The address of a provider's page; it works for `link_days`, and no longer once the referral has another key."""
    return f"{ctx.settings.base_url}/p/{_signer(ctx, 'referral').dumps([referral_id, key])}"


def survey_link(ctx: Context, survey_id: int) -> str:
    """The address of the page on which an enterprise rates a service (Annex C)."""
    return f"{ctx.settings.base_url}/s/{_signer(ctx, 'survey').dumps(survey_id)}"


def read_referral_link(ctx: Context, token: str) -> tuple[int, str]:
    """The referral's id and its key; NotFoundError for a link that is forged, cut off or too old."""
    found = _read(ctx, "referral", token)
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[0], int)):
        raise _no_link()
    return found[0], str(found[1])


def read_survey_link(ctx: Context, token: str) -> int:
    """The survey's id; NotFoundError for a link that is forged, cut off or too old."""
    found = _read(ctx, "survey", token)
    if not isinstance(found, int):
        raise _no_link()
    return found


def _signer(ctx: Context, what: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(ctx.secret, salt=f"link:{what}")


def _read(ctx: Context, what: str, token: str) -> Any:
    try:
        return _signer(ctx, what).loads(token, max_age=ctx.settings.link_days * _DAY)
    except BadData as error:
        raise _no_link() from error


def _no_link() -> NotFoundError:
    return NotFoundError("link", "链接无效或已过期，请联系服务平台重新发送。")


def webhook_secret(ctx: Context, number: str) -> bytes:
    """The secret that signs what leaves for one provider (or for the SMS gateway, "sms"): nobody else's is like it."""
    return hmac.new(ctx.secret, f"webhook:{number}".encode(), hashlib.sha256).digest()
