"""Accounts of WeChat's own documentation and of our own making, and a clock that stands still."""

from datetime import UTC, datetime, timedelta

from bot.settings import AccountSettings

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

DOCUMENTED = AccountSettings(
    app_id="wxba5fad812f8e6fb9",
    app_secret="s" * 32,
    token="AAAAA",
    encoding_aes_key="A" * 43,
    kind="service",
    format="json",
)
OFFICIAL = AccountSettings(
    app_id="wx1234567890abcdef",
    app_secret="official-secret",
    token="officialtoken",
    encoding_aes_key="abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    kind="service",
)
MINIPROGRAM = AccountSettings(
    app_id="wxfedcba0987654321",
    app_secret="miniprogram-secret",
    token="minitoken",
    encoding_aes_key="0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
    format="json",
)


class Still:
    """A clock that moves when it is told to."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def forward(self, **span: float) -> None:
        self._now += timedelta(**span)
