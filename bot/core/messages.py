"""What comes in and what goes out, in the words of the platform rather than of WeChat."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of inbound messages; an event is a message whose kind is EVENT."""

    TEXT = "text"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"
    LOCATION = "location"
    LINK = "link"
    CARD = "miniprogrampage"
    EVENT = "event"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Incoming:
    """One push, as decoded and checked by a channel. All ids are opaque strings."""

    account: str  # official, miniprogram, web
    app_id: str
    openid: str
    to: str  # our own id in the push; a passive reply swaps the two
    kind: Kind
    received_at: datetime  # aware, UTC: when the first byte of the push was read
    created: str = ""  # the platform's CreateTime, as it came
    message_id: str = ""
    text: str = ""  # Content; Recognition of a voice message
    event: str = ""  # lower case
    event_key: str = ""
    menu_id: str = ""  # bizmsgmenuid: untrusted
    details: Mapping[str, str] = field(
        default_factory=dict
    )  # MediaId, PicUrl, Label, Title, ... as they came

    @property
    def key(self) -> str:
        """The same however often a push is delivered (protocol 2.4): a hash of all that tells two apart."""
        parts = (
            self.app_id,
            self.openid,
            self.created,
            self.kind.value,
            self.event,
            self.event_key,
            self.message_id,
        )
        # Lengths keep "a"+"bc" apart from "ab"+"c".
        framed = "".join(f"{len(part)}:{part}" for part in parts)
        if not self.message_id and self.kind is not Kind.EVENT:
            framed += f"|{len(self.text)}:{self.text}"
        return hashlib.sha256(framed.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Option:
    """One choice under a reply: what is shown, and what a tap or the number sends."""

    label: str
    send: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to a contact, ready for any channel: plain text, and choices that are numbered there."""

    text: str
    options: tuple[Option, ...] = ()
