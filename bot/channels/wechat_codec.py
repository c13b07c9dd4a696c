"""Bytes <-> values: signature, cipher, XML and JSON of WeChat's pushes; the one importer of wechatpy.

No XML parser sees bytes that no signature covers: the envelope is read by pattern, the push once opened.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from xml.parsers.expat import ExpatError

from wechatpy.crypto import PrpCrypto
from wechatpy.exceptions import InvalidAppIdException
from wechatpy.parser import parse_message
from wechatpy.replies import TextReply

from bot.channels.wechat_fields import cdata, incoming, text_of, xml
from bot.core.messages import Incoming
from bot.core.rendering import clean
from bot.errors import RefusedError, SettingsError
from bot.settings import AccountSettings

Format = Literal["xml", "json"]
Reason = Literal[
    "query", "signature", "stale", "too-large", "malformed", "encryption", "foreign-app", "downgrade"
]
Query = Sequence[tuple[str, str]]

MAX_BYTES = 65536

_STATUS: Mapping[str, int] = {"query": 400, "malformed": 400, "too-large": 413}
_TIMESTAMP = re.compile(r"[0-9]{10}")
_NONCE = re.compile(r"[0-9A-Za-z]{1,32}")
_ECHO = re.compile(r"[0-9A-Za-z+/=._-]{1,256}")
_MEDIA_TYPES: Mapping[Format, str] = {"xml": "application/xml", "json": "application/json"}


class PushRefused(RefusedError):  # noqa: N818 - the word of the protocol page
    """A push that is not WeChat's, not for us, or not readable; the outside gets `status` and no body."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"push-{reason}", "推送未通过校验。")
        self.reason: Reason = reason
        self.status = _STATUS.get(reason, 403)


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a push was wrapped; the reply is wrapped likewise. `key` is the index of the key that opened it."""

    format: Format
    key: int = 0
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """One push that passed every check."""

    incoming: Incoming
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an HTTP answer."""

    content: bytes
    media_type: str


SUCCESS = Body(b"success", "text/plain")
"""Taken, nothing to say: always plain, an encrypted one makes WeChat show a fault (protocol 1.3)."""


class Cipher(PrpCrypto):  # type: ignore[misc]  # wechatpy has no types
    """AES-256-CBC with WeChat's padding and framing under one key; the caller gives the random prefix."""

    def __init__(self, key: bytes, app_id: str, prefix: str = "") -> None:
        super().__init__(key)
        self.key = key
        self.app_id = app_id
        self._prefix = prefix

    def get_random_string(self) -> str:
        """The first 16 characters inside; wechatpy takes them from a generator that is not secret."""
        return self._prefix

    def seal(self, text: str, *, prefix: str) -> str:
        """The ciphertext of the text as base64; the prefix has 16 ASCII characters."""
        return str(Cipher(self.key, self.app_id, prefix).encrypt(text, self.app_id), "ascii")

    def open(self, encrypted: str) -> str:
        """The text inside; PushRefused when it is not under this key or not for this app."""
        try:
            return str(self.decrypt(encrypted, self.app_id))
        except InvalidAppIdException:
            raise PushRefused("foreign-app") from None
        # Wrong key, broken base64, broken length, broken framing (protocol 9.3).
        except (ValueError, IndexError, struct.error):
            raise PushRefused("encryption") from None


def aes_key(text: str) -> bytes:
    """The 32 bytes of an EncodingAESKey; its last character may have spare bits set. Raises SettingsError."""
    try:
        key = base64.b64decode(f"{text}=")
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise SettingsError("settings", "EncodingAESKey 应为 43 位字母或数字，与公众平台后台填写的一致。")
    return key


def sign(*parts: str) -> str:
    """SHA-1 in hex over the parts sorted by bytes and joined (protocol 1.1, 1.2)."""
    joined = b"".join(sorted(part.encode(errors="replace") for part in parts))
    return hashlib.sha1(joined, usedforsecurity=False).hexdigest()


class Codec:
    """Reads the pushes of one account and writes the passive replies to them."""

    def __init__(
        self, account: AccountSettings, *, name: str, max_age: int, max_bytes: int = MAX_BYTES
    ) -> None:
        """`max_age` in seconds either way, `max_bytes` of a body; raises SettingsError."""
        if not account.token:  # SHA-1 over an empty token would let anybody sign
            raise SettingsError("settings", "消息推送的 Token 不能为空。")
        if account.mode == "safe" and not account.encoding_aes_key:
            raise SettingsError("settings", "安全模式需要填写 EncodingAESKey。")
        self.account = account
        self.name = name
        keys = [key for key in (account.encoding_aes_key, account.previous_aes_key) if key]
        self.ciphers = tuple(Cipher(aes_key(key), account.app_id) for key in keys)
        self._max_age = max_age
        self._max_bytes = max_bytes

    def verify_url(self, query: Query, *, now: datetime) -> str:
        """The echostr to answer the console's check with, exactly; PushRefused when it is not WeChat's."""
        params = _once(query)
        self._check_stamp(params, now)
        if not _ECHO.fullmatch(params.get("echostr", "")):
            raise PushRefused("query")
        self._check_signature(params, "signature")
        return params["echostr"]

    def decode(self, query: Query, body: bytes, *, now: datetime) -> Decoded:
        """The push in this request; raises PushRefused, and nothing else, for what must not be taken."""
        if len(body) > self._max_bytes:
            raise PushRefused("too-large")
        params = _once(query)
        self._check_stamp(params, now)
        match params.get("encrypt_type", "raw"):
            case "aes" if self.ciphers:
                encrypted = envelope_field(body, "Encrypt")
                self._check_signature(params, "msg_signature", encrypted)
                key, plain = self._open(encrypted)
                envelope = Envelope(format_of(body), key=key, encrypted=True)
            case "raw" if self.account.mode == "plain":
                self._check_signature(params, "signature")
                plain, envelope = _utf8(body), Envelope(format_of(body))
            case "raw" | "aes":
                raise PushRefused("downgrade" if self.account.mode == "safe" else "encryption")
            case _:
                raise PushRefused("query")
        return Decoded(self._incoming(parse(plain), now), envelope)

    def _incoming(self, fields: Mapping[str, Any], now: datetime) -> Incoming:
        # A push that says neither what it is nor from whom cannot be answered by anybody.
        if not text_of(fields.get("MsgType")) or not text_of(fields.get("FromUserName")):
            raise PushRefused("malformed")
        return incoming(fields, account=self.name, app_id=self.account.app_id, now=now)

    def encode(self, push: Incoming, envelope: Envelope, text: str, *, at: datetime) -> Body:
        """The passive reply, wrapped like the push; the same arguments always give the same bytes.

        An empty text is `success`. The caller keeps the text within the platform's length.
        """
        if not text:
            return SUCCESS
        seconds = int(at.timestamp())
        plain = _text_reply(push, text, seconds, envelope.format)
        if envelope.encrypted:
            plain = self._sealed(plain, envelope, f"{push.key}:{seconds}", seconds)
        return Body(plain.encode(), _MEDIA_TYPES[envelope.format])

    def _sealed(self, plain: str, envelope: Envelope, seed: str, seconds: int) -> str:
        cipher = self.ciphers[envelope.key]
        # Not random: a redelivery is answered with the same bytes though no ciphertext was stored.
        chance = hmac.new(cipher.key, f"{seed}:{plain}".encode(), hashlib.sha256).hexdigest()
        encrypted = cipher.seal(plain, prefix=chance[:16])
        return wrap(encrypted, self.account.token, seconds, str(int(chance[16:32], 16)), envelope.format)

    def _check_stamp(self, params: Mapping[str, str], now: datetime) -> None:
        timestamp = params.get("timestamp", "")
        # The signed string has no separators, so only one shape of each is taken (protocol 1.4).
        if not _TIMESTAMP.fullmatch(timestamp) or not _NONCE.fullmatch(params.get("nonce", "")):
            raise PushRefused("query")
        if abs(now.timestamp() - int(timestamp)) > self._max_age:
            raise PushRefused("stale")

    def _check_signature(self, params: Mapping[str, str], name: str, *more: str) -> None:
        given = params.get(name, "")
        if not given:
            raise PushRefused("query")
        own = sign(self.account.token, params["timestamp"], params["nonce"], *more)
        if not hmac.compare_digest(own.encode(), given.encode(errors="replace")):
            raise PushRefused("signature")

    def _open(self, encrypted: str) -> tuple[int, str]:
        """The index of the key that opens it and the text; the current key is tried first."""
        reasons: set[Reason] = set()
        for index, cipher in enumerate(self.ciphers):
            try:
                return index, cipher.open(encrypted)
            except PushRefused as refused:
                reasons.add(refused.reason)
        raise PushRefused("foreign-app" if "foreign-app" in reasons else "encryption")


def _once(query: Query) -> dict[str, str]:
    params = dict(query)
    if len(params) != len(query):
        raise PushRefused("query")
    return params


def format_of(body: bytes) -> Format:
    return "json" if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "xml"


def _utf8(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PushRefused("malformed") from None


def envelope_field(body: bytes, name: str) -> str:
    """A field of an envelope: the last, as in compatible mode it stands behind what a person wrote."""
    if format_of(body) == "json":
        value = _json(_utf8(body)).get(name)
        found = value if isinstance(value, str) else ""
    else:
        # Letters, digits and base64 are all that an envelope holds.
        pattern = rb"<%b>\s*(?:<!\[CDATA\[)?([0-9A-Za-z+/=]+)(?:\]\]>)?\s*</%b>" % (
            name.encode(),
            name.encode(),
        )
        matches = re.findall(pattern, body)
        found = matches[-1].decode("ascii") if matches else ""
    if not found:
        raise PushRefused("downgrade" if b"MsgType" in body else "malformed")
    return found


def _json(text: str) -> dict[str, Any]:
    try:
        # Ids are opaque: numbers are kept as they are written.
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise PushRefused("malformed") from None
    if not isinstance(value, dict):
        raise PushRefused("malformed")
    return value


def parse(text: str) -> dict[str, Any]:
    """The fields of an opened push or reply, XML or JSON, nested as they came. Raises PushRefused."""
    if text.lstrip().startswith("{"):
        return _json(text)
    try:
        fields = dict(parse_message(text)._data)
    # What wechatpy raises for nothing, bad XML, entities, missing and nested fields (protocol 9.2).
    except (ExpatError, ValueError, KeyError, TypeError, AttributeError):
        raise PushRefused("malformed") from None
    # wechatpy renames a follow that came by a QR code and cuts its key; here it stays as it came.
    match fields.get("Event"):
        case "subscribe_scan":
            fields |= {"Event": "subscribe", "EventKey": f"qrscene_{text_of(fields.get('EventKey'))}"}
        case "subscribe_scan_product":
            fields["Event"] = "subscribe"
    return fields


def _text_reply(push: Incoming, text: str, seconds: int, format_: Format) -> str:
    if format_ == "xml":
        source, target = cdata(push.to), cdata(push.openid)
        return str(TextReply(source=source, target=target, time=seconds, content=cdata(text)).render())
    reply = {
        "ToUserName": push.openid,
        "FromUserName": push.to,
        "CreateTime": seconds,
        "MsgType": "text",
        "Content": clean(text),
    }
    return json.dumps(reply, ensure_ascii=False)


def wrap(encrypted: str, token: str, seconds: int, nonce: str, format_: Format) -> str:
    """The envelope of an encrypted reply (protocol 1.3)."""
    signature = sign(token, str(seconds), nonce, encrypted)
    if format_ == "json":
        fields = {"Encrypt": encrypted, "MsgSignature": signature, "TimeStamp": seconds, "Nonce": nonce}
        return json.dumps(fields)
    return xml({"Encrypt": encrypted, "MsgSignature": signature, "TimeStamp": seconds, "Nonce": nonce})
