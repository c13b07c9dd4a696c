"""The Sender of a WeChat account: customer, template and subscription messages, one at a time per contact."""

import hashlib
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from bot.channels.wechat_api import WeChatApi
from bot.channels.wechat_errors import ReactionKind, failed, reaction
from bot.core.reach import Channel
from bot.core.rendering import clean
from bot.ports import Failed, Outcome, Parcel

TEXT_BYTES = 2048
"""The most that the platform takes as one text, in bytes of UTF-8 (protocol 3.5)."""

MINIPROGRAM = "miniprogram"

_CUSTOMER = "/cgi-bin/message/custom/send"
_TEMPLATE = "/cgi-bin/message/template/send"
_STRIPES = 64
_ID_LETTERS = 32  # of a client_msg_id
log = structlog.get_logger()


class Picture(Protocol):
    """A picture that is sent: its name, bytes and media type."""

    @property
    def name(self) -> str:
        """As it is called; the platform asks for one."""
        ...

    @property
    def content(self) -> bytes:
        """The bytes."""
        ...

    @property
    def media_type(self) -> str:
        """What the bytes are."""
        ...


Pictures = Callable[[int], Picture | None]


class WeChatSender:
    """Fulfils bot.ports.Sender for one account."""

    def __init__(self, account: str, api: WeChatApi, *, pictures: Pictures | None = None) -> None:
        """`pictures` finds the file of a message that is a picture, by its id; without it none can be sent."""
        self.account = account
        self._api = api
        self._pictures = pictures
        self._has_menus = api.account.menus and account != MINIPROGRAM
        # The platform refuses concurrent sends to one contact (43108).
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))

    def send(self, parcel: Parcel) -> Outcome:
        """Send one message; never raises for what the platform answers."""
        with self._locks[zlib.crc32(parcel.address.encode(errors="replace")) % _STRIPES]:
            match parcel.channel:
                case Channel.CUSTOMER:
                    return self._customer(parcel)
                case Channel.TEMPLATE:
                    return self._template(parcel)
                case Channel.SUBSCRIPTION:
                    return self._subscription(parcel)
                case _:
                    return failed("not-wechat", f"{parcel.channel} does not go through WeChat")

    def typing(self, openid: str, *, is_typing: bool = True) -> Outcome:
        """Show 对方正在输入 for up to 15 s, or until a message is sent; or hide it. Best effort."""
        middle = "business/" if self.account == MINIPROGRAM else ""
        body = {"touser": openid, "command": "Typing" if is_typing else "CancelTyping"}
        return self._api.send(f"/cgi-bin/message/custom/{middle}typing", body)

    def close(self) -> None:
        """Give the connections back."""
        self._api.close()

    def _customer(self, parcel: Parcel) -> Outcome:
        if "image" in parcel.extras:
            return self._picture(parcel)
        menu = _menu(parcel.extras) if self._has_menus else None
        if menu is None:
            return self._text(parcel)
        outcome = self._api.send(_CUSTOMER, {"touser": parcel.address, "msgtype": "msgmenu", "msgmenu": menu})
        if not isinstance(outcome, Failed) or reaction(outcome.code).kind is not ReactionKind.FALL_BACK:
            return outcome
        # Which accounts have no menus stands nowhere (protocol 4.4): the platform says it once, then we know.
        self._has_menus = False
        log.warning("no menus from now on", account=self.account, code=outcome.code)
        return self._text(parcel)

    def _text(self, parcel: Parcel) -> Outcome:
        text = clean(parcel.text)
        if len(text.encode()) > TEXT_BYTES:
            return failed("45002", f"text of {len(text.encode())} bytes")
        body = {"touser": parcel.address, "msgtype": "text", "text": {"content": text}}
        return self._api.send(_CUSTOMER, body)

    def _picture(self, parcel: Parcel) -> Outcome:
        file = self._pictures(int(parcel.extras["image"])) if self._pictures else None
        if file is None:
            return failed("no-file", "the picture is no longer there")
        answer = self._api.upload("image", (file.name, file.content, file.media_type))
        if isinstance(answer, Failed):
            return answer
        image = {"media_id": str(answer.get("media_id", ""))}
        return self._api.send(_CUSTOMER, {"touser": parcel.address, "msgtype": "image", "image": image})

    def _template(self, parcel: Parcel) -> Outcome:
        # The same id within ten minutes is delivered once: a retry after a silence does not double it.
        chosen = {"client_msg_id": hashlib.sha256(parcel.key.encode()).hexdigest()[:_ID_LETTERS]}
        return self._api.send(_TEMPLATE, _notice(parcel, "url") | chosen)

    def _subscription(self, parcel: Parcel) -> Outcome:
        last = "send" if self.account == MINIPROGRAM else "bizsend"
        return self._api.send(f"/cgi-bin/message/subscribe/{last}", _notice(parcel, "page"))


def _menu(extras: Mapping[str, Any]) -> dict[str, Any] | None:
    """The menu of a message with choices; None when it has none, or is longer than a text may be."""
    entries = [{"id": str(id_), "content": clean(text)} for id_, text in extras.get("choices", ())]
    head, tail = clean(extras.get("head", "")), clean(extras.get("tail", ""))
    size = sum(len(text.encode()) for text in (head, tail, *(entry["content"] for entry in entries)))
    if not entries or size > TEXT_BYTES:
        return None
    return {"head_content": head, "list": entries, "tail_content": tail}


def _notice(parcel: Parcel, target: str) -> dict[str, Any]:
    """The body of a template or subscription message; `target` names what a tap on it opens."""
    extras = parcel.extras
    return {
        "touser": parcel.address,
        "template_id": str(extras.get("template", "")),
        "data": {key: {"value": clean(str(value))} for key, value in extras.get("data", {}).items()},
        **({target: str(extras[target])} if extras.get(target) else {}),
    }
