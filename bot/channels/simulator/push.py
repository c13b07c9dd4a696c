"""Pushes as WeChat makes them: sealed, five seconds of patience, three tries, the reply put on the phone."""

import secrets
import struct
import time
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from bot.channels.simulator.phone import Bubble, Who
from bot.channels.simulator.platform import MINIPROGRAM, TEXT_BYTES, Platform
from bot.channels.simulator.quotas import Act
from bot.channels.simulator.wire import make_push, open_reply, url_check
from bot.channels.wechat_codec import Codec, PushRefused
from bot.channels.wechat_fields import text_of


def _picture() -> bytes:
    """A small picture that browsers show: shades of green, as a PNG."""
    wide, high = 120, 80
    rows = b"".join(
        b"\0" + b"".join(bytes((x, 110 + y, 90)) for x in range(0, 2 * wide, 2)) for y in range(high)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PICTURE = _picture()
"""What a contact sends who sends a picture."""
PATIENCE = 5.0
TRIES = 3
_YEAR = int(timedelta(days=365).total_seconds())

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one push: how each try ended, the answer of the last, and what the phone showed."""

    fields: Fields
    tries: tuple[str, ...]  # answered, silent, malformed, timeout, unreachable, http-503
    content: bytes = b""
    shown: Bubble | None = None

    @property
    def text(self) -> str:
        """The text shown, the platform's fault text included; empty when nothing was."""
        return self.shown.text if self.shown else ""


class Pusher:
    """WeChat as one account's server sees it."""

    def __init__(
        self,
        platform: Platform,
        account: str,
        url: str,
        *,
        http: httpx.Client | None = None,
        patience: float = PATIENCE,
        pause: float = 0.0,
    ) -> None:
        """`url` is our callback; `patience` the seconds of one try, `pause` those between two."""
        self._platform = platform
        self._account = account
        self._settings = platform.settings(account)
        self._codec = Codec(self._settings, name=account, max_age=_YEAR)
        self._url = httpx.URL(url)
        self._http = http or httpx.Client(trust_env=False)
        self._patience = patience
        self._pause = pause
        self.original_id = f"gh_{self._settings.app_id[-12:]}"

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    # What a contact does.

    def text(self, openid: str, content: str) -> Delivery:
        """The contact writes."""
        return self._say(openid, content, self.message(openid, "text", Content=content))

    def tap(self, openid: str, content: str, menu_id: str) -> Delivery:
        """The contact taps a link or a menu inside a message: a text that counts as a click."""
        fields = self.message(openid, "text", Content=content, bizmsgmenuid=menu_id)
        return self._say(openid, content, fields, act=Act.TAP)

    def image(self, openid: str) -> Delivery:
        """The contact sends a picture."""
        media_id = self._platform.upload(PICTURE, "image", "image/png")["media_id"]
        fields = self.message(openid, "image", PicUrl="http://mmbiz.qpic.cn/local/0", MediaId=media_id)
        return self._say(openid, "[图片]", fields)

    def voice(self, openid: str, recognition: str = "") -> Delivery:
        """The contact speaks; WeChat has switched recognition off for most accounts."""
        media_id = self._platform.upload(b"#!AMR\n", "voice", "audio/amr")["media_id"]
        fields = self.message(openid, "voice", MediaId=media_id, Format="amr", Recognition=recognition)
        return self._say(openid, "[语音]", fields)

    def video(self, openid: str) -> Delivery:
        """The contact sends a video."""
        media_id = self._platform.upload(b"\x00\x00\x00\x18ftyp", "video", "video/mp4")["media_id"]
        return self._say(
            openid, "[视频]", self.message(openid, "video", MediaId=media_id, ThumbMediaId=media_id)
        )

    def location(self, openid: str, *, latitude: float, longitude: float, label: str) -> Delivery:
        """The contact sends a place."""
        place = {"Location_X": str(latitude), "Location_Y": str(longitude), "Scale": 16, "Label": label}
        return self._say(openid, f"[位置] {label}", self.message(openid, "location", **place))

    def link(self, openid: str, *, title: str, url: str) -> Delivery:
        """The contact sends a link."""
        fields = self.message(openid, "link", Title=title, Description="", Url=url)
        return self._say(openid, f"[链接] {title}", fields)

    def file(self, openid: str, name: str) -> Delivery:
        """The contact sends a file; nobody can fetch it."""
        parts = {"Title": name, "Description": "", "FileKey": "k", "FileMd5": "0" * 32, "FileTotalLen": 1024}
        return self._say(openid, f"[文件] {name}", self.message(openid, "file", **parts))

    def card(self, openid: str, *, title: str, path: str) -> Delivery:
        """The contact sends a mini-program card."""
        parts = {
            "Title": title,
            "AppId": self._settings.app_id,
            "PagePath": path,
            "ThumbUrl": "",
            "ThumbMediaId": "",
        }
        return self._say(openid, f"[小程序] {title}", self.message(openid, "miniprogrampage", **parts))

    def subscribe(self, openid: str, scene: str = "") -> Delivery:
        """The contact follows, perhaps by a QR code with a scene."""
        key = {"EventKey": f"qrscene_{scene}", "Ticket": "ticket"} if scene else {"EventKey": ""}
        return self._do(openid, Act.FOLLOW, self.event(openid, "subscribe", **key))

    def unsubscribe(self, openid: str) -> Delivery:
        """The contact unfollows; no answer can reach the phone."""
        self._platform.unfollow(self._account, openid)
        return self.deliver(self.event(openid, "unsubscribe", EventKey=""))

    def scan(self, openid: str, scene: str) -> Delivery:
        """A follower scans a QR code."""
        return self._do(openid, Act.SCAN, self.event(openid, "SCAN", EventKey=scene, Ticket="ticket"))

    def click(self, openid: str, key: str) -> Delivery:
        """The contact chooses from the account's menu."""
        return self._do(openid, Act.CLICK, self.event(openid, "CLICK", EventKey=key))

    def view(self, openid: str, url: str) -> Delivery:
        """The contact opens a page from the menu; no answer can be given."""
        return self._do(openid, None, self.event(openid, "VIEW", EventKey=url, MenuId="1"))

    def enter(self, openid: str, session_from: str = "") -> Delivery:
        """The contact opens the mini-program's customer-service window."""
        fields = self.event(openid, "user_enter_tempsession", SessionFrom=session_from)
        return self._do(openid, Act.ENTER, fields)

    def revoke(self, openid: str, info: str = "8") -> Delivery:
        """The contact takes back a permission; the sender is then the platform's own account."""
        fields = self.event(
            "platform",
            "user_authorization_revoke",
            OpenID=openid,
            AppID=self._settings.app_id,
            RevokeInfo=info,
        )
        return self.deliver(fields)

    def popup(self, openid: str, answers: Mapping[str, str]) -> Delivery:
        """The contact answers a subscription popup: template id -> accept or reject."""
        for template, answer in answers.items():
            if answer == "accept":
                self._platform.accept(self._account, openid, template)
        entries: list[Fields] = [
            {"TemplateId": template, "SubscribeStatusString": answer, "PopupScene": "0"}
            for template, answer in answers.items()
        ]
        listed: Any = entries[0] if len(entries) == 1 else entries
        is_json = self._settings.format == "json"
        nested = {"List": listed} if is_json else {"SubscribeMsgPopupEvent": {"List": listed}}
        return self.deliver(self.event(openid, "subscribe_msg_popup_event", **nested))

    def template_result(self, openid: str, message_id: str, status: str = "success") -> Delivery:
        """What became of a template message, as WeChat tells the account after a while."""
        fields = self.event(openid, "TEMPLATESENDJOBFINISH", MsgID=int(message_id), Status=status)
        return self.deliver(fields)

    # What WeChat makes of it.

    def message(self, openid: str, kind: str, **more: Any) -> dict[str, Any]:
        """The fields of a message."""
        return {**self._common(openid, kind), **more, "MsgId": self._platform.next_id()}

    def event(self, openid: str, name: str, **more: Any) -> dict[str, Any]:
        """The fields of an event."""
        return {**self._common(openid, "event"), "Event": name, **more}

    def verify(self) -> bool:
        """The console's check of our address."""
        echo = str(secrets.randbelow(10**18))
        query = url_check(self._codec, at=self._platform.clock.now(), nonce=_nonce(), echo=echo)
        try:
            response = self._http.get(self._url.copy_merge_params(list(query)), timeout=self._patience)
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK and response.content == echo.encode()

    def deliver(self, fields: Fields) -> Delivery:
        """Push these fields until they are answered, three times at most; show what comes of it."""
        tries: list[str] = []
        for number in range(TRIES):
            if number and self._pause:
                time.sleep(self._pause)
            response = self._try(fields)
            if isinstance(response, bytes):
                return self._answered(fields, tries, response)
            tries.append(response)
        return Delivery(fields, tuple(tries), shown=self._fault(fields))

    def deliver_together(self, pushes: Sequence[Fields]) -> list[Delivery]:
        """Push them at the same time: other contacts, or the same push twice."""
        with ThreadPoolExecutor(max(len(pushes), 1)) as pool:
            return list(pool.map(self.deliver, pushes))

    def _common(self, openid: str, kind: str) -> dict[str, Any]:
        now = int(self._platform.clock.now().timestamp())
        return {"ToUserName": self.original_id, "FromUserName": openid, "CreateTime": now, "MsgType": kind}

    def _say(self, openid: str, shown: str, fields: Fields, *, act: Act = Act.MESSAGE) -> Delivery:
        now, kind = self._platform.clock.now(), str(fields["MsgType"])
        self._platform.phones.show(self._account, openid, who=Who.CONTACT, kind=kind, text=shown, at=now)
        return self._do(openid, act, fields)

    def _do(self, openid: str, act: Act | None, fields: Fields) -> Delivery:
        self._platform.note(self._account, openid, act)
        return self.deliver(fields)

    def _try(self, fields: Fields) -> bytes | str:
        """One delivery, signed anew: the body of a 200, else how it failed."""
        push = make_push(self._codec, fields, at=self._platform.clock.now(), nonce=_nonce())
        try:
            response = self._http.post(
                self._url.copy_merge_params(list(push.query)),
                content=push.content,
                headers={"Content-Type": push.media_type},
                timeout=self._patience,
            )
        except httpx.TimeoutException:
            return "timeout"
        except httpx.HTTPError:
            return "unreachable"
        return response.content if response.status_code == httpx.codes.OK else f"http-{response.status_code}"

    def _answered(self, fields: Fields, tries: list[str], content: bytes) -> Delivery:
        if content in (b"", b"success"):
            return Delivery(fields, (*tries, "silent"), content)
        try:
            kind, text = self._read(fields, content)
        except PushRefused:
            return Delivery(fields, (*tries, "malformed"), content, self._fault(fields))
        shown = None if kind == "transfer_customer_service" else self._show(fields, Who.ACCOUNT, kind, text)
        return Delivery(fields, (*tries, "answered"), content, shown)

    def _read(self, fields: Fields, content: bytes) -> tuple[str, str]:
        """Kind and text of a passive reply; PushRefused for what WeChat would not show."""
        reply = open_reply(self._codec, content)
        kind, text = text_of(reply.get("MsgType")), text_of(reply.get("Content"))
        ends = (text_of(reply.get("ToUserName")), text_of(reply.get("FromUserName")))
        is_swapped = ends == (fields["FromUserName"], fields["ToUserName"])
        if kind == "text":
            is_good = 0 < len(text.encode()) <= TEXT_BYTES and self._account != MINIPROGRAM
        else:
            is_good = kind in ("image", "voice", "video", "music", "news", "transfer_customer_service")
        if not is_swapped or not is_good:
            raise PushRefused("malformed")
        return kind, text

    def _fault(self, fields: Fields) -> Bubble | None:
        """WeChat's own words when an account fails (protocol 3.3)."""
        return self._show(fields, Who.PLATFORM, "fault", fault_text(self._account, self._settings.kind))

    def _show(self, fields: Fields, who: Who, kind: str, text: str) -> Bubble | None:
        if fields.get("Event") == "unsubscribe":
            return None
        now, openid = self._platform.clock.now(), str(fields["FromUserName"])
        return self._platform.phones.show(
            self._account, openid, who=who, kind=kind, text=text, at=now, via="passive"
        )


def fault_text(account: str, kind: str) -> str:
    """What the phone shows when our server has failed three times or answered nonsense."""
    if account == MINIPROGRAM:
        return "该小程序提供的服务出现故障，请稍后再试"
    return f"该{'服务号' if kind == 'service' else '公众号'}暂时无法提供服务，请稍后再试"


def _nonce() -> str:
    return str(secrets.randbelow(10**10))
