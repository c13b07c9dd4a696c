"""The second factor: codes of an app that change with the time (TOTP, RFC 6238), and who must have one."""

import unicodedata
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import pyotp

from bot.core.permissions import Role

SETTING = "second-factor"
"""The runtime setting that names the roles which must have one: {"roles": [...]}."""

_STEP = 30  # seconds for which a code stands (RFC 6238, 5.2)
_DIGITS = 6
_IGNORED = dict.fromkeys(map(ord, " -\u3000"))  # as people type and apps show it: 123 456


def matching_step(secret: str, code: str, *, at: datetime, after: int) -> int | None:
    """The time step that a code is of: the present one, or the one before or after it; None for a wrong code.

    Steps up to `after` no longer count: a code that was used, or an older one, is good for nothing (RFC 6238, 5.2).
    """
    digits = unicodedata.normalize("NFKC", code).translate(_IGNORED)
    if not (digits.isascii() and digits.isdigit() and len(digits) == _DIGITS):
        return None
    codes = pyotp.HOTP(secret, digits=_DIGITS)
    present = int(at.timestamp()) // _STEP
    around = (step for step in (present, present - 1, present + 1) if step > after)
    return next((step for step in around if codes.verify(digits, step)), None)


def address(secret: str, *, name: str, issuer: str) -> str:
    """The otpauth address that an app reads from the picture."""
    return pyotp.TOTP(secret, digits=_DIGITS, interval=_STEP).provisioning_uri(name=name, issuer_name=issuer)


def in_groups(secret: str) -> str:
    """A secret as it is typed into an app by hand: four by four."""
    return " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))


def required_roles(value: Mapping[str, Any] | None) -> frozenset[Role]:
    """The roles that the setting names; without a setting none."""
    return frozenset(role for role in Role if value is not None and role.value in value.get("roles", ()))


def setting(roles: Collection[Role]) -> dict[str, Any]:
    """The setting that names these roles."""
    return {"roles": [role.value for role in Role if role in roles]}
