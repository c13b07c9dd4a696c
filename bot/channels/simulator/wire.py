"""WeChat's side of the wire, for the local platform: makes signed, sealed pushes and opens the replies."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.channels.wechat_codec import Codec, Format, PushRefused, envelope_field, format_of, parse, sign
from bot.channels.wechat_fields import xml


@dataclass(frozen=True, slots=True)
class Push:
    """A request as WeChat makes it."""

    query: tuple[tuple[str, str], ...]
    content: bytes
    media_type: str


def make_push(codec: Codec, fields: Mapping[str, Any], *, at: datetime, nonce: str, key: int = 0) -> Push:
    """Sign and seal these fields in the account's mode and format; `key` 1 is the previous AES key."""
    account, timestamp = codec.account, str(int(at.timestamp()))
    query = [
        ("signature", sign(account.token, timestamp, nonce)),
        ("timestamp", timestamp),
        ("nonce", nonce),
        ("openid", str(fields.get("FromUserName", ""))),
    ]
    plain = _written(fields, account.format)
    if account.mode == "safe":
        encrypted = codec.ciphers[key].seal(plain, prefix=secrets.token_hex(8))
        plain = _written({"ToUserName": fields.get("ToUserName", ""), "Encrypt": encrypted}, account.format)
        query.append(("encrypt_type", "aes"))
        query.append(("msg_signature", sign(account.token, timestamp, nonce, encrypted)))
    return Push(tuple(query), plain.encode(), "application/json" if account.format == "json" else "text/xml")


def url_check(codec: Codec, *, at: datetime, nonce: str, echo: str) -> tuple[tuple[str, str], ...]:
    """The query of the console's check of our address."""
    timestamp = str(int(at.timestamp()))
    signature = sign(codec.account.token, timestamp, nonce)
    return (("signature", signature), ("timestamp", timestamp), ("nonce", nonce), ("echostr", echo))


def open_reply(codec: Codec, content: bytes) -> Mapping[str, Any]:
    """The fields of a passive reply, as WeChat reads it; PushRefused when it is malformed."""
    expected: Format = "json" if codec.account.format == "json" else "xml"
    if format_of(content) != expected:
        raise PushRefused("malformed")
    if codec.account.mode == "plain":
        try:
            return parse(content.decode())
        except UnicodeDecodeError:
            raise PushRefused("malformed") from None
    names = ("Encrypt", "MsgSignature", "TimeStamp", "Nonce")
    encrypted, signature, seconds, nonce = (envelope_field(content, name) for name in names)
    if signature != sign(codec.account.token, seconds, nonce, encrypted):
        raise PushRefused("signature")
    return parse(_opened(codec, encrypted))


def _opened(codec: Codec, encrypted: str) -> str:
    """WeChat takes a reply under either key while a change is on."""
    try:
        return codec.ciphers[0].open(encrypted)
    except PushRefused:
        if len(codec.ciphers) == 1:
            raise
        return codec.ciphers[1].open(encrypted)


def _written(fields: Mapping[str, Any], format_: str) -> str:
    return json.dumps(fields, ensure_ascii=False) if format_ == "json" else xml(fields)
