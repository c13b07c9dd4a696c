"""Texts of strangers made harmless to look at, and what is shown of them to people who may not see contacts."""

import re
from collections.abc import Iterable

from bot.core.board import masked_name
from bot.core.gaps import masked

# Marks that turn the direction of what follows (bidi), and control characters: they carry no words.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]"
)
_SHORTEST = 2  # a name of one sign would be found everywhere


def harmless(text: str) -> str:
    """A text without marks that could turn or hide what stands beside it."""
    return _INVISIBLE.sub("", text.replace("\r\n", "\n"))


def mask_text(text: str, names: Iterable[str] = ()) -> str:
    """A text without phone numbers and names: those that are known of the contact, and those that it gives away."""
    # The longest first: a firm's name may hold a person's.
    for name in sorted((name for name in names if len(name) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(name, masked_name(name))
    return masked(text)
