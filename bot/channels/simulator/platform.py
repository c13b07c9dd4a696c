"""The local WeChat platform: what api.weixin.qq.com does, in memory, for the simulator and the tests."""

import itertools
import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.channels.simulator import templates
from bot.channels.simulator.phone import Bubble, Phones, Who
from bot.channels.simulator.quotas import QUOTAS, Act, Ledger, Taking
from bot.channels.simulator.switches import Switches
from bot.channels.simulator.tokens import ApiError, Tokens
from bot.ports import Clock
from bot.settings import AccountSettings

MINIPROGRAM = "miniprogram"
TEXT_BYTES = 2048
MEDIA_LIFE = timedelta(days=3)
CODE_LIFE = timedelta(minutes=5)

_OFFICIAL_TYPES = frozenset(
    {"text", "image", "voice", "video", "music", "news", "mpnewsarticle", "msgmenu", "miniprogrampage"}
)
_MINIPROGRAM_TYPES = frozenset({"text", "image", "link", "miniprogrampage"})
_STAND_INS = {"image": "[图片]", "voice": "[语音]", "video": "[视频]"}  # what the phone shows of a material


@dataclass(slots=True)
class Account:
    """One account and its tokens."""

    name: str
    settings: AccountSettings
    tokens: Tokens = field(default_factory=Tokens)
    clearings: list[datetime] = field(default_factory=list)

    @property
    def is_miniprogram(self) -> bool:
        """The mini-program has its own rules."""
        return self.name == MINIPROGRAM


@dataclass(slots=True)
class Person:
    """One contact of one account."""

    ledger: Ledger
    is_follower: bool = True
    accepted: Counter[tuple[str, str]] = field(default_factory=Counter)  # (template, scene) -> messages


@dataclass(frozen=True, slots=True)
class Media:
    """A temporary material."""

    content: bytes
    media_type: str
    at: datetime


@dataclass(slots=True)
class Code:
    """A one-time code of a login or a phone button."""

    openid: str
    at: datetime
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, as it came."""

    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


class Platform:
    """All accounts, contacts and phones; safe to use from any thread."""

    def __init__(
        self,
        accounts: Mapping[str, AccountSettings],
        *,
        clock: Clock,
        quotas: Mapping[Act, tuple[int, timedelta]] = QUOTAS,
    ) -> None:
        self.clock = clock
        self.switches = Switches()
        self.phones = Phones()
        self.calls: list[Call] = []
        self.templates: set[str] = set()
        self._quotas = quotas
        self._lock = threading.RLock()
        self._accounts = {name: Account(name, settings) for name, settings in accounts.items()}
        self._people: dict[tuple[str, str], Person] = {}  # (account, openid)
        self._media: dict[str, Media] = {}
        self._codes: dict[str, Code] = {}
        self._once: dict[tuple[str, str], datetime] = {}
        # Ids go on rising over restarts, as far as chance can see to it.
        self._numbers = itertools.count(secrets.randbits(60))

    # What tests and the simulator do.

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the accounts."""
        return tuple(self._accounts)

    def phone(self, openid: str, *, after: int = 0) -> list[Bubble]:
        """What the contact's phone shows, oldest first; `after` leaves out what has been seen."""
        return self.phones.of(openid, after=after)

    def note(self, account: str, openid: str, act: Act | None) -> None:
        """The contact did something towards the account; some acts allow messages."""
        with self._lock:
            person = self._person(account, openid)
            if act is Act.FOLLOW:
                person.is_follower = True
            if act is not None:
                person.ledger.note(act, self.clock.now())

    def unfollow(self, account: str, openid: str) -> None:
        """Nothing can be sent to the contact any more."""
        with self._lock:
            person = self._person(account, openid)
            person.is_follower = False
            person.ledger.close()

    def accept(self, account: str, openid: str, template: str, *, scene: str = "") -> None:
        """The contact accepts one more message of the template."""
        with self._lock:
            self._person(account, openid).accepted[template, scene] += 1

    def left(self, account: str, openid: str) -> int:
        """How many customer messages the account may still send to the contact."""
        with self._lock:
            person = self._people.get((account, openid))
            return person.ledger.left(self.clock.now()) if person else 0

    def issue_code(self, openid: str) -> str:
        """A one-time code, as a login gives it to the page."""
        with self._lock:
            code = secrets.token_urlsafe(16)
            self._codes[code] = Code(openid, self.clock.now())
            return code

    def revoke_tokens(self, account: str) -> None:
        """Kill all tokens of the account."""
        with self._lock:
            self._accounts[account].tokens.revoke()

    def next_id(self) -> int:
        """A new message id, of 64 bits like WeChat's."""
        return next(self._numbers)

    def settings(self, account: str) -> AccountSettings:
        """The settings that the console of the account shows."""
        return self._accounts[account].settings

    # What the API does; each raises ApiError to refuse.

    def owner(self, app_id: str, secret: str) -> Account:
        """The account with these credentials."""
        account = next((one for one in self._accounts.values() if one.settings.app_id == app_id), None)
        if account is None:
            raise ApiError(40013, "invalid appid")
        if not secret or account.settings.app_secret != secret:
            raise ApiError(40125, "invalid appsecret")
        return account

    def bearer(self, token: str) -> Account:
        """The account with this token."""
        if not token:
            raise ApiError(41001, "access_token missing")
        with self._lock:
            for account in self._accounts.values():
                if account.tokens.check(token, self.clock.now()):
                    return account
        raise ApiError(40001, "invalid credential, access_token is invalid or not latest")

    def token(self, account: Account, *, is_stable: bool, force: bool = False) -> Mapping[str, Any]:
        """`/token` and `/stable_token`."""
        with self._lock:
            now = self.clock.now()
            tokens = account.tokens
            token, seconds = tokens.stable(now, force=force) if is_stable else tokens.fresh(now)
        return {"access_token": token, "expires_in": seconds}

    def send(self, account: Account, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`/message/custom/send`."""
        if account.settings.kind == "subscription_unverified" and not account.is_miniprogram:
            raise ApiError(48001, "api unauthorized")
        openid, kind = str(body.get("touser", "")), str(body.get("msgtype", ""))
        text = self._customer_text(account, kind, body.get(kind))
        with self._lock:
            match self._known(account, openid).ledger.take(self.clock.now()):
                case Taking.CLOSED:
                    raise ApiError(45015, "response out of time limit or subscription is canceled")
                case Taking.USED_UP:
                    raise ApiError(45047, "out of response count limit")
            self._show(account, openid, kind=kind, text=text, via="customer")
        return {}

    def typing(self, account: Account, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`/message/custom/typing`."""
        openid, command = str(body.get("touser", "")), body.get("command")
        if command not in ("Typing", "CancelTyping"):
            raise ApiError(45072, "command field must be 'Typing' or 'CancelTyping'")
        with self._lock:
            now = self.clock.now()
            if self._known(account, openid).ledger.left(now) == 0:
                raise ApiError(45080, "you should have a recent interaction with the user")
            if command == "Typing" and self.phones.is_typing(openid, now):
                raise ApiError(45081, "you are already typing")
            self.phones.set_typing(openid, now + timedelta(seconds=15) if command == "Typing" else None)
        return {}

    def send_template(self, account: Account, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`/message/template/send`; the same client_msg_id within ten minutes is sent once."""
        self._need_kind(account, "service")
        openid = str(body.get("touser", ""))
        self._check_template(body)
        with self._lock:
            if not self._known(account, openid).is_follower:
                raise ApiError(43004, "require subscribe")
            if not self._is_repeated(openid, str(body.get("client_msg_id", ""))):
                self._show(account, openid, kind="template", text=templates.shown(body["data"]), via="notice")
            return {"msgid": self.next_id()}

    def send_subscribed(
        self, account: Account, body: Mapping[str, Any], *, kinds: tuple[str, ...]
    ) -> Mapping[str, Any]:
        """`/message/subscribe/send`, `…/bizsend`, `/message/template/subscribe`: one accept, one message."""
        self._need_kind(account, *kinds)
        openid, scene = str(body.get("touser", "")), str(body.get("scene", ""))
        self._check_template(body)
        with self._lock:
            accepted = self._known(account, openid).accepted
            if accepted[str(body["template_id"]), scene] <= 0:
                raise ApiError(43101, "user refuse to accept the msg")
            accepted[str(body["template_id"]), scene] -= 1
            self._show(account, openid, kind="subscribe", text=templates.shown(body["data"]), via="notice")
            return {"msgid": self.next_id()}

    def upload(self, content: bytes, kind: str, media_type: str) -> Mapping[str, Any]:
        """`/media/upload`."""
        limits = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "thumb": 64 << 10}
        if kind not in limits:
            raise ApiError(40004, "invalid media type")
        if not content or len(content) > limits[kind]:
            raise ApiError(40006, "invalid media size")
        with self._lock:
            media_id, now = secrets.token_urlsafe(32), self.clock.now()
            self._media[media_id] = Media(content, media_type, now)
        return {"type": kind, "media_id": media_id, "created_at": int(now.timestamp())}

    def media(self, media_id: str) -> Media:
        """`/media/get`; three days long."""
        with self._lock:
            media = self._media.get(media_id)
        if media is None or self.clock.now() - media.at > MEDIA_LIFE:
            raise ApiError(40007, "invalid media_id")
        return media

    def use_code(self, code: str) -> str:
        """The openid behind a one-time code, once and for five minutes."""
        with self._lock:
            found = self._codes.get(code)
            if found is None or self.clock.now() - found.at > CODE_LIFE:
                raise ApiError(40029, "invalid code")
            if found.is_used:
                raise ApiError(40163, "code been used")
            found.is_used = True
            return found.openid

    def clear_quota(self, account: Account, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """`/clear_quota`, ten times a month."""
        if body.get("appid") != account.settings.app_id:
            raise ApiError(40013, "invalid appid")
        with self._lock:
            now = self.clock.now()
            month = [at for at in account.clearings if (at.year, at.month) == (now.year, now.month)]
            if len(month) >= 10:
                raise ApiError(48006, "forbid to clear quota because of reaching the limit")
            account.clearings = [*month, now]
        return {}

    def _customer_text(self, account: Account, kind: str, item: Any) -> str:
        """What the phone shows of a customer message."""
        types = _MINIPROGRAM_TYPES if account.is_miniprogram else _OFFICIAL_TYPES
        if kind not in types or not isinstance(item, Mapping):
            raise ApiError(40008, "invalid message type")
        text = _said(kind, item)
        if kind == "text" and not text:
            raise ApiError(44004, "empty content")
        if len(text.encode()) > TEXT_BYTES:
            raise ApiError(45002, "content size out of limit")
        if kind in ("image", "voice", "video"):
            self.media(str(item.get("media_id", "")))
        return text

    def _check_template(self, body: Mapping[str, Any]) -> None:
        if body.get("template_id") not in self.templates:
            raise ApiError(40037, "invalid template_id")
        data = body.get("data")
        wrong = templates.wrong_key(data) if isinstance(data, Mapping) and data else "data"
        if wrong is not None:
            raise ApiError(47003, f"argument invalid! data.{wrong}.value invalid")

    def _need_kind(self, account: Account, *kinds: str) -> None:
        kind = MINIPROGRAM if account.is_miniprogram else account.settings.kind
        if kind not in kinds:
            raise ApiError(48001, "api unauthorized")

    def _is_repeated(self, openid: str, client_msg_id: str) -> bool:
        now, before = self.clock.now(), self._once.get((openid, client_msg_id))
        if client_msg_id:
            self._once[openid, client_msg_id] = now
        return before is not None and now - before < timedelta(minutes=10)

    def _person(self, account: str, openid: str) -> Person:
        if (account, openid) not in self._people:
            ledger = Ledger(merges=account == MINIPROGRAM, quotas=self._quotas)
            self._people[account, openid] = Person(ledger)
        return self._people[account, openid]

    def _known(self, account: Account, openid: str) -> Person:
        person = self._people.get((account.name, openid))
        if person is None:
            raise ApiError(40003, "invalid openid")
        return person

    def _show(self, account: Account, openid: str, *, kind: str, text: str, via: str) -> None:
        now = self.clock.now()
        self.phones.show(account.name, openid, who=Who.ACCOUNT, kind=kind, text=text, at=now, via=via)


def _said(kind: str, item: Mapping[str, Any]) -> str:
    if kind == "text":
        return str(item.get("content", ""))
    if kind == "msgmenu":
        entries = item.get("list") or []
        lines = (item.get("head_content", ""), *_menu(entries), item.get("tail_content", ""))
        return "\n".join(str(line) for line in lines if line)
    if kind == "news":
        articles = item.get("articles") or []
        if len(articles) != 1:
            raise ApiError(45008, "article size out of limit")
        return str(articles[0].get("title", ""))
    return str(item.get("title", "")) or _STAND_INS.get(kind, "")


def _menu(entries: list[Mapping[str, Any]]) -> list[str]:
    href = "weixin://bizmsgmenu?msgmenucontent={content}&msgmenuid={id}"
    return [f'<a href="{href.format(**entry)}">{entry["content"]}</a>' for entry in entries]
