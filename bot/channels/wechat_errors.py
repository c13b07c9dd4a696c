"""What the platform's error codes mean for us (protocol 4.5), as data; and what must not stand beside them."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.ports import Failed

_SECRET = re.compile(r"((?:access_token|secret|appsecret|js_code|code)=)[^&\s\"']+")


class ReactionKind(StrEnum):
    """What is to be done about a failed call."""

    RETRY = "retry"  # passing: try again after the delays
    REFRESH = "refresh"  # the token is dead: fetch it again, once
    CLOSE_WINDOW = "close-window"  # the ledger is wrong: nothing more until the contact writes again
    STOP = "stop"  # this contact cannot be reached this way any more
    FALL_BACK = "fall-back"  # this account may not send this kind: send it in another form
    SPLIT = "split"  # too long: cut it and send the parts
    BACK_OFF = "back-off"  # too often to this contact: hours, not seconds
    CONFIGURATION = "configuration"  # somebody must change something in the console
    ACCOUNT = "account"  # the same, and until then nothing of this account works: wait, lose nothing
    FILE = "file"  # this file cannot be had
    BUG = "bug"  # our data or our code is wrong: never retry
    IGNORE = "ignore"  # best effort, as typing is


@dataclass(frozen=True, slots=True)
class Reaction:
    """A row of the table; `delays` are the seconds before each further try, and there are no more tries.

    `pause`: the account is out of order, not the message; so many seconds at least until a try makes sense.
    """

    kind: ReactionKind
    meaning: str
    delays: tuple[float, ...] = ()
    alarm: bool = False
    pause: float = 0.0

    @property
    def is_permanent(self) -> bool:
        """Would the same call fail again, however long we wait?"""
        return not self.delays and not self.pause


PAUSE = 60.0
"""Seconds for which an account that is out of order is left alone at first."""


def _rows(
    kind: ReactionKind, codes: Mapping[int, str], *, alarm: bool = False, pause: float = 0.0
) -> dict[str, Reaction]:
    return {str(code): Reaction(kind, meaning, alarm=alarm, pause=pause) for code, meaning in codes.items()}


_BACKOFF = (1.0, 2.0, 4.0)
_HOURS = (7200.0, 14400.0)

TABLE: Mapping[str, Reaction] = {
    "-1": Reaction(ReactionKind.RETRY, "system busy", _BACKOFF),
    "45011": Reaction(ReactionKind.RETRY, "calls per minute", (2.0, 5.0, 20.0)),
    "44990": Reaction(ReactionKind.RETRY, "calls per second", (1.5, 3.0, 6.0)),
    "44991": Reaction(ReactionKind.RETRY, "calls per second", (1.5, 3.0, 6.0)),
    "61450": Reaction(ReactionKind.RETRY, "system error of the customer desk", _BACKOFF),
    "43108": Reaction(ReactionKind.RETRY, "concurrent sends to one contact", (1.0, 2.0, 4.0)),
    # After a silence the message may have been delivered: one more try at most.
    "timeout": Reaction(ReactionKind.RETRY, "no answer in time", (2.0,)),
    "network": Reaction(ReactionKind.RETRY, "no connection", _BACKOFF),
    "not-json": Reaction(ReactionKind.RETRY, "an answer that is not JSON", _BACKOFF),
    "no-secret": Reaction(ReactionKind.ACCOUNT, "the account's secret is not set", alarm=True, pause=PAUSE),
    # Our own word while the account is left alone; the alarm has rung.
    "circuit-open": Reaction(ReactionKind.ACCOUNT, "the account is out of order", pause=PAUSE),
    **_rows(
        ReactionKind.REFRESH,
        {40001: "token wrong", 40014: "token invalid", 42001: "token expired"},
        alarm=True,
        pause=PAUSE,
    ),
    **_rows(ReactionKind.CLOSE_WINDOW, {45015: "outside the window or unfollowed", 45047: "count used up"}),
    **_rows(
        ReactionKind.STOP,
        {
            43004: "not a follower",
            43019: "blacklisted",
            48002: "refuses messages",
            43101: "has not subscribed",
            43107: "subscription messages banned",
            50002: "contact restricted",
            70000: "minor protection",
        },
    ),
    **_rows(ReactionKind.FALL_BACK, {40200: "this account may not send this kind"}),
    **_rows(ReactionKind.SPLIT, {45002: "text too long"}),
    **_rows(ReactionKind.FILE, {40007: "media id invalid or older than three days"}),
    "too-large": Reaction(ReactionKind.FILE, "larger than what is kept"),
    "no-file": Reaction(ReactionKind.FILE, "an answer that leads to no file", alarm=True),
    "43117": Reaction(ReactionKind.BACK_OFF, "template too often to this contact", _HOURS),
    **_rows(
        ReactionKind.ACCOUNT,
        {
            40013: "app id wrong",
            40125: "app secret wrong",
            40243: "app secret frozen",
            40164: "address not on the whitelist",
            89501: "address waits for the administrator",
            89503: "address waits for the administrator",
            89506: "address refused by the administrator",
            89507: "address refused by the administrator",
            48004: "interface banned",
            45009: "daily quota used up",
            50004: "account disabled",
            50007: "account frozen",
        },
        alarm=True,
        pause=PAUSE,
    ),
    **_rows(
        ReactionKind.CONFIGURATION,
        {
            48001: "interface not authorised",
            48006: "clear_quota used up",
            40036: "template id wrong",
            40037: "template id wrong",
            40039: "template address wrong",
            40249: "template carries marketing",
            43116: "template restricted",
            65400: "customer desk not enabled",
            **dict.fromkeys(range(65401, 65413), "agent account wrong"),
        },
        alarm=True,
    ),
    **_rows(
        ReactionKind.BUG,
        {
            40003: "openid invalid or of another account",
            45008: "too many articles",
            45048: "menu kind invalid",
            47003: "template argument invalid",
            45168: "sensitive word",
            61451: "parameter invalid",
        },
        alarm=True,
    ),
    **_rows(
        ReactionKind.IGNORE,
        {45072: "typing: bad command", 45080: "typing: no exchange", 45081: "typing already"},
    ),
}

UNKNOWN = Reaction(ReactionKind.BUG, "not in the table", alarm=True)
_GATEWAY = Reaction(ReactionKind.RETRY, "the platform's gateway failed", _BACKOFF)
_HTTP = Reaction(ReactionKind.CONFIGURATION, "the address answers, but not as the platform", alarm=True)


def reaction(code: str) -> Reaction:
    """The row for an errcode as text, or for http-502, timeout, network, not-json; unknown ones are bugs."""
    if code in TABLE:
        return TABLE[code]
    if code.startswith("http-"):
        return _GATEWAY if code[5:] in {"408", "429"} or code.startswith("http-5") else _HTTP
    return UNKNOWN


def failed(code: str, detail: str) -> Failed:
    """The outcome of a call that failed with that code; `detail` must carry no secret."""
    row = reaction(code)
    return Failed(
        code=code,
        detail=detail,
        is_permanent=row.is_permanent,
        delays=row.delays,
        closes_window=row.kind is ReactionKind.CLOSE_WINDOW,
        alarm=row.alarm,
        pause=row.pause,
    )


def is_out_of_order(code: str) -> bool:
    """Does the failure concern the whole account, so that no other message would fare better?"""
    return reaction(code).kind in (ReactionKind.REFRESH, ReactionKind.ACCOUNT)


def shows_account_works(code: str) -> bool:
    """Did the platform take our token, though it refused the call?"""
    return code in TABLE and code.isdigit() and not is_out_of_order(code)


def redact(text: str, *secrets: str) -> str:
    """The text without these secrets and without the value of any parameter that is one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _SECRET.sub(r"\1***", text)


class _Redacting(logging.Filter):
    """Takes tokens out of the lines that the HTTP client writes."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


REDACTING = _Redacting()
"""For the logger of the HTTP client."""
