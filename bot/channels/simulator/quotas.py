"""How many customer messages WeChat lets an account send to one contact (protocol 4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Act(StrEnum):
    """What a contact did that allows messages."""

    MESSAGE = "message"
    TAP = "tap"  # a link or menu inside a message: counts like a click
    CLICK = "click"
    FOLLOW = "follow"
    SCAN = "scan"
    ENTER = "enter"  # the mini-program's customer-service window


class Taking(StrEnum):
    """What became of one attempt to send."""

    ALLOWED = "allowed"
    CLOSED = "closed"  # 45015
    USED_UP = "used-up"  # 45047


_MINUTE, _TWO_DAYS = timedelta(minutes=1), timedelta(hours=48)

QUOTAS: Mapping[Act, tuple[int, timedelta]] = {
    Act.MESSAGE: (5, _TWO_DAYS),
    Act.TAP: (3, _MINUTE),
    Act.CLICK: (3, _MINUTE),
    Act.FOLLOW: (3, _MINUTE),
    Act.SCAN: (3, _MINUTE),
    Act.ENTER: (2, _MINUTE),
}


@dataclass(slots=True)
class _Allowance:
    left: int
    until: datetime


class Ledger:
    """The allowances of one contact; a mini-program's merge, an official account's stand alone."""

    def __init__(self, *, merges: bool, quotas: Mapping[Act, tuple[int, timedelta]] = QUOTAS) -> None:
        self._merges = merges
        self._quotas = quotas
        self._allowances: dict[str, _Allowance] = {}

    def note(self, act: Act, now: datetime) -> None:
        """The contact did this: its allowance starts anew."""
        count, span = self._quotas[act]
        new = _Allowance(count, now + span)
        old = self._allowances.get("all") if self._merges else None
        if old is not None and old.until > now:
            new = _Allowance(max(old.left, new.left), max(old.until, new.until))
        self._allowances["all" if self._merges else act] = new

    def take(self, now: datetime) -> Taking:
        """Use one message, of the allowance that ends first."""
        living = [allowance for allowance in self._allowances.values() if allowance.until > now]
        if not living:
            return Taking.CLOSED
        full = [allowance for allowance in living if allowance.left > 0]
        if not full:
            return Taking.USED_UP
        min(full, key=lambda allowance: allowance.until).left -= 1
        return Taking.ALLOWED

    def left(self, now: datetime) -> int:
        """How many messages may still be sent now."""
        return sum(allowance.left for allowance in self._allowances.values() if allowance.until > now)

    def close(self) -> None:
        """The contact unfollowed."""
        self._allowances.clear()
