"""What WeChat checks in the data of a template or subscription message (protocol 6.4)."""

import re
from collections.abc import Mapping
from typing import Any

_KEY = re.compile(r"([a-z_]+?)_?\d*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RULES: Mapping[str, re.Pattern[str]] = {
    "thing": re.compile(r".{1,20}"),
    "character_string": re.compile(r"[\x20-\x7e]{1,32}"),
    "letter": re.compile(r"[A-Za-z]{1,32}"),
    "number": re.compile(r"-?\d{1,32}(\.\d+)?"),
    "symbol": re.compile(r"\W{1,5}"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}"),
    "name": re.compile(r"(?:.{1,10}|[\x20-\x7e]{1,20})"),
    "date": re.compile(r"\d{4}年\d{1,2}月\d{1,2}日.*|\d{4}-\d{1,2}-\d{1,2}.*"),
    "time": re.compile(r".*\d{1,2}:\d{2}.*"),
    "amount": re.compile(r"[¥$￥]?\d{1,10}(\.\d+)?元?"),
    "phone_number": re.compile(r"[\d+*# ()-]{1,17}"),
    "car_number": re.compile(r".{1,8}"),
}


def wrong_key(data: Mapping[str, Any]) -> str | None:
    """The first key whose value WeChat would refuse with 47003; None when all are good."""
    return next((key for key, item in data.items() if not _is_good(key, item)), None)


def _is_good(key: str, item: object) -> bool:
    value = item.get("value") if isinstance(item, Mapping) else item
    if not isinstance(value, str | int | float) or not str(value) or _CONTROL.search(str(value)):
        return False
    kind = _KEY.fullmatch(key)
    rule = _RULES.get(kind[1]) if kind else None
    return rule is None or rule.fullmatch(str(value)) is not None


def shown(data: Mapping[str, Any]) -> str:
    """The lines that the phone shows."""
    values = (item.get("value") if isinstance(item, Mapping) else item for item in data.values())
    return "\n".join(str(value) for value in values)
