"""The fields of a push -> Incoming, and fields -> the XML that WeChat writes; no bytes, no keys."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from bot.core.messages import Incoming, Kind
from bot.core.rendering import clean

_KINDS: Mapping[str, Kind] = {
    **{kind.value: kind for kind in Kind if kind is not Kind.UNKNOWN},
    "shortvideo": Kind.VIDEO,
}
_MAPPED = frozenset(
    {"ToUserName", "FromUserName", "CreateTime", "MsgType", "MsgId", "MsgID"}
    | {"Content", "Recognition", "Event", "EventKey", "bizmsgmenuid"}
)
# XML nests the list of a subscription event in one of these, JSON has it at the top (protocol 2.3).
_WRAPPERS = frozenset({"SubscribeMsgPopupEvent", "SubscribeMsgChangeEvent", "SubscribeMsgSentEvent"})
_LISTED_ID = re.compile(r"List\.\d+\.MsgID")
_TEMPLATE_ID, _WORD = re.compile(r"[0-9A-Za-z_-]+"), re.compile(r"[A-Za-z]+")
_MAX_DEPTH, _MAX_DETAILS = 4, 64


def incoming(fields: Mapping[str, Any], *, account: str, app_id: str, now: datetime) -> Incoming:
    """The push with these fields; whatever is missing, nested or repeated where it should not be is empty."""
    kind = _KINDS.get(text_of(fields.get("MsgType")).lower(), Kind.UNKNOWN)
    event = text_of(fields.get("Event")).lower() if kind is Kind.EVENT else ""
    details = _details(fields, kind, event)
    return Incoming(
        account=account,
        app_id=app_id,
        openid=text_of(fields.get("FromUserName")),
        to=text_of(fields.get("ToUserName")),
        kind=kind,
        received_at=now,
        created=text_of(fields.get("CreateTime")),
        message_id=_message_id(fields, details),
        text=text_of(fields.get("Recognition" if kind is Kind.VOICE else "Content")),
        event=event,
        # The platform's own account pushes for many people within one second: the person tells them apart.
        event_key=text_of(fields.get("EventKey")) or details.get("person", ""),
        menu_id=text_of(fields.get("bizmsgmenuid")),
        details=details,
    )


def text_of(value: object) -> str:
    """A scalar as text, without characters that XML cannot hold; what is nested or missing is nothing."""
    if isinstance(value, bool):
        return str(value).lower()
    return clean(value).strip() if isinstance(value, str) else ""


def _details(fields: Mapping[str, Any], kind: Kind, event: str) -> dict[str, str]:
    """All that has no field of its own in Incoming, flattened: `ScanCodeInfo.ScanResult`, `List.0.…`."""
    rest = {name: value for name, value in fields.items() if name not in _MAPPED}
    details = dict(islice(_flat("", rest, 0), _MAX_DETAILS))
    if kind is Kind.UNKNOWN:
        details["MsgType"] = text_of(fields.get("MsgType"))
    key = text_of(fields.get("EventKey"))
    details |= _results(fields, details, event)
    if event == "scan":
        details["scene"] = key
    elif event == "subscribe" and key.startswith("qrscene_"):
        details["scene"] = key.removeprefix("qrscene_")
    elif event.startswith("user_authorization_") or event == "user_info_modified":
        # The sender is the platform's own account here; the person is spelt OpenID or openid (protocol 2.3).
        details["person"] = next((text_of(rest[name]) for name in rest if name.lower() == "openid"), "")
    return details


def _results(fields: Mapping[str, Any], details: Mapping[str, str], event: str) -> dict[str, str]:
    """What came of messages and popups: `msg_id` and `status`, or `templates` as `ID=accept,ID2=reject`."""
    match event:
        case "templatesendjobfinish" | "masssendjobfinish":
            found = {"msg_id": text_of(fields.get("MsgID")), "status": text_of(fields.get("Status"))}
        case "subscribe_msg_sent_event":
            entries = _entries(details)
            found = {
                "msg_id": ",".join(entry.get("MsgID", "") for entry in entries),
                "status": ",".join(_sent_status(entry) for entry in entries),
            }
        case "subscribe_msg_popup_event" | "subscribe_msg_change_event":
            answers = (
                (entry.get("TemplateId", ""), entry.get("SubscribeStatusString", ""))
                for entry in _entries(details)
            )
            found = {
                "templates": ",".join(
                    f"{template}={answer.lower()}"
                    for template, answer in answers
                    if _TEMPLATE_ID.fullmatch(template) and _WORD.fullmatch(answer)
                )
            }
        case _:
            found = {}
    return {name: value for name, value in found.items() if value}


def _entries(details: Mapping[str, str]) -> list[dict[str, str]]:
    """The flattened list of a subscription event, entry by entry."""
    entries: dict[str, dict[str, str]] = {}
    for name, value in details.items():
        outer, _, rest = name.partition(".")
        index, _, field = rest.partition(".")
        if outer == "List" and index.isdigit() and field:
            entries.setdefault(index, {})[field] = value
    return list(entries.values())


def _sent_status(entry: Mapping[str, str]) -> str:
    """In the words of a template message's result: success, or failed and why."""
    return "success" if entry.get("ErrorCode") == "0" else f"failed:{entry.get('ErrorStatus', '')}"


def _flat(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(_inner_name(name, clean(key)), item, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(f"{name}.{index}", item, depth + 1)
    elif text := text_of(value):
        yield name, text


def _inner_name(outer: str, key: str) -> str:
    if key in _WRAPPERS:
        return outer
    if not outer:
        return key
    # A list of one comes as the object itself.
    return f"{outer}.0.{key}" if outer == "List" else f"{outer}.{key}"


def _message_id(fields: Mapping[str, Any], details: Mapping[str, str]) -> str:
    """The platform's id; an event about several messages has those of all."""
    listed = ",".join(value for name, value in details.items() if _LISTED_ID.fullmatch(name))
    ids = (text_of(fields.get("MsgId")), text_of(fields.get("MsgID")), details.get("trace_id", ""), listed)
    return next((found for found in ids if found), "")


def cdata(text: str) -> str:
    """The text fit to stand inside CDATA: nothing that XML cannot hold, nothing that ends the section."""
    return clean(text).replace("]]>", "]]]]><![CDATA[>")


def xml(fields: Mapping[str, Any]) -> str:
    """The fields as WeChat writes XML: texts in CDATA, numbers bare, lists as repeated elements."""
    return f"<xml>{_elements(fields)}</xml>"


def _elements(fields: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_content(item)}</{name}>"
        for name, value in fields.items()
        for item in (value if isinstance(value, list) else [value])
    )


def _content(value: object) -> str:
    if isinstance(value, Mapping):
        return _elements(value)
    return str(value) if isinstance(value, int) else f"<![CDATA[{cdata(str(value))}]]>"
