"""The access tokens that the local platform hands out (protocol 7)."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LIFE = timedelta(seconds=7200)
OVERLAP = timedelta(seconds=300)  # the old and the new token both work for so long


class ApiError(Exception):
    """The platform refuses a call with this errcode."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True)
class Tokens:
    """The tokens of one account."""

    _living: dict[str, datetime] = field(default_factory=dict)
    _stable: str = ""
    _latest: str = ""
    _forced: list[datetime] = field(default_factory=list)

    def fresh(self, now: datetime) -> tuple[str, int]:
        """`/token`: always a new one; the one before lives for five minutes more."""
        if self._latest in self._living:
            self._living[self._latest] = min(self._living[self._latest], now + OVERLAP)
        self._latest = self._new(now)
        return self._latest, int(LIFE.total_seconds())

    def stable(self, now: datetime, *, force: bool) -> tuple[str, int]:
        """`/stable_token`: the same one during its life, renewed five minutes before its end."""
        if force:
            self._note_force(now)
            self._living.pop(self._stable, None)
        if self._living.get(self._stable, now) - now <= OVERLAP:
            self._stable = self._new(now)
        return self._stable, int((self._living[self._stable] - now).total_seconds())

    def check(self, token: str, now: datetime) -> bool:
        """Does this token belong to the account? Raises ApiError when it does and is over."""
        if token not in self._living:
            return False
        if self._living[token] <= now:
            raise ApiError(42001, "access_token expired")
        return True

    def revoke(self) -> None:
        """All tokens die, as after a reset of the secret."""
        self._living.clear()

    def _new(self, now: datetime) -> str:
        token = secrets.token_urlsafe(64)
        self._living[token] = now + LIFE
        return token

    def _note_force(self, now: datetime) -> None:
        today = [at for at in self._forced if now - at < timedelta(days=1)]
        if len(today) >= 20 or (today and now - today[-1] < timedelta(seconds=30)):
            raise ApiError(45011, "api minute-quota reach limit, must slower, retry next minute")
        self._forced = [*today, now]
