"""The data of template and subscription messages: settings -> template, values -> what WeChat takes (protocol 6.4)."""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.core.rendering import clean
from bot.errors import SettingsError

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_KEY = re.compile(r"([a-z_]+?)[0-9]{1,3}")
_GAP = re.compile(r"\{([a-z_]+)\}")
_SPACES = re.compile(r"\s+")
_MOMENT = re.compile(r"([0-9]{4})[年/.-]([0-9]{1,2})[月/.-]([0-9]{1,2})日?(?:[ T]*([0-9]{1,2}):([0-9]{2}))?")
_HOUR = re.compile(r"(?<![0-9:])([01]?[0-9]|2[0-3]):([0-5][0-9])(?![0-9])")
_RANGE = re.compile(r"\s*(?:[~～—–-]|至|到)\s*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_AMOUNT = re.compile(r"([¥$]?) ?([0-9]{1,10})(?:(\.[0-9]{1,2})[0-9]*)? ?(元?)")
_PHONE = re.compile(r"[+(]?[0-9][0-9+*#() -]*")


@dataclass(frozen=True, slots=True)
class Notification:
    """A template of the account's console and what its keys are to say: texts with gaps like {title}."""

    template: str
    fields: tuple[tuple[str, str], ...]

    @property
    def gaps(self) -> frozenset[str]:
        """The names of the values that it needs."""
        return frozenset(name for _, text in self.fields for name in _GAP.findall(text))


def parse(text: str, *, gaps: Collection[str] = ()) -> Notification:
    """Read a setting like `ID|thing1={title}|time2={time}`; with `gaps`, no other names may stand in braces.

    Raises SettingsError, in Chinese, naming what is wrong.
    """
    template, *parts = (part.strip() for part in text.split("|"))
    if not _ID.fullmatch(template):
        raise _wrong(f"竖线之前应是模板ID，由字母、数字、“-”和“_”组成，现在是“{template}”")
    if not parts:
        raise _wrong("模板ID之后没有字段，应写成：模板ID|thing1={title}|time2={time}")
    fields = tuple(_field(part, gaps) for part in parts)
    keys = [key for key, _ in fields]
    repeated = next((key for key in keys if keys.count(key) > 1), None)
    if repeated:
        raise _wrong(f"字段 {repeated} 写了两次")
    return Notification(template, fields)


def _field(part: str, gaps: Collection[str]) -> tuple[str, str]:
    key, equals, text = (piece.strip() for piece in part.partition("="))
    if not equals or not text:
        raise _wrong(f"“{part}”应写成 字段名=内容，例如 thing1={{title}}")
    if _kind(key) not in _FITTERS:
        raise _wrong(f"字段名“{key}”应是类型加序号，例如 thing1；类型可以是：{'、'.join(sorted(_FITTERS))}")
    if set("{}") & set(_GAP.sub("", text)):
        raise _wrong(f"“{part}”里的花括号不成对，或其中不是小写英文名")
    unknown = [name for name in _GAP.findall(text) if gaps and name not in gaps]
    if unknown:
        raise _wrong(f"“{part}”里没有 {{{unknown[0]}}} 这个内容，可用：{'、'.join(sorted(gaps))}")
    return key, text


def _wrong(what: str) -> SettingsError:
    return SettingsError("notification", f"消息模板设置有误：{what}。")


def _kind(key: str) -> str:
    found = _KEY.fullmatch(key)
    return found[1] if found else ""


def fill(notification: Notification, values: Mapping[str, str]) -> dict[str, str]:
    """What each key says, cut and cleaned to the limits of its type; moments are china texts.

    A gap without a value is empty. Raises ValueError for a type that can neither hold its text nor do without:
    a date that is none, a number too long to be shortened.
    """
    return {key: _fitted(key, _text(pattern, values)) for key, pattern in notification.fields}


def _text(pattern: str, values: Mapping[str, str]) -> str:
    whole = _GAP.sub(lambda gap: values.get(gap[1], ""), pattern)
    # Newlines and control characters are refused anywhere; what cannot be seen counts as nothing.
    spaced = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in whole)
    text = _SPACES.sub(" ", clean(spaced)).strip()
    return text if any(unicodedata.category(char)[0] not in "CZM" for char in text) else ""


def _fitted(key: str, text: str) -> str:
    value = _FITTERS[_kind(key)](text)
    if not value:
        raise ValueError(f"{key} cannot say {text!r}")
    return value


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _thing(text: str) -> str:
    return _shortened(text, 20) or "无"


def _ascii(text: str) -> str:
    """The printable ASCII of the text; full-width forms count as what they stand for."""
    plain = "".join(char for char in unicodedata.normalize("NFKC", text) if " " <= char <= "~")
    return _SPACES.sub(" ", plain).strip()


def _character_string(text: str) -> str:
    return _ascii(text)[:32].strip() or "-"


def _letter(text: str) -> str:
    return "".join(char for char in _ascii(text) if char.isalpha())[:32]


def _number(text: str) -> str:
    """The first number; decimals give way to length, other digits never."""
    found = _NUMBER.search(_ascii(text).replace(",", ""))
    whole, _, decimals = found[0].partition(".") if found else ("", "", "")
    digits = len(whole.lstrip("-"))
    if digits > 32:
        return ""
    return f"{whole}.{decimals[: 32 - digits]}" if decimals[: 32 - digits] else whole


def _symbol(text: str) -> str:
    return re.sub(r"[\w\s]", "", text)[:5] or "—"


def _phrase(text: str) -> str:
    return re.sub(r"[^\u4e00-\u9fff]", "", text)[:5] or "无"


def _name(text: str) -> str:
    if text.isascii():
        return text[:20].strip() or "无"
    return _shortened(text, 10)


def _date(text: str) -> str:
    """A date, with its time if there is one, or two of them."""
    return _moments(text, is_time_needed=False)


def _time(text: str) -> str:
    """A time, with its date if there is one, or two of them."""
    if _MOMENT.search(unicodedata.normalize("NFKC", text)):
        return _moments(text, is_time_needed=True)
    return "~".join(_hours(text))


def _moments(text: str, *, is_time_needed: bool) -> str:
    text = unicodedata.normalize("NFKC", text)
    found = list(_MOMENT.finditer(text))[:2]
    if len(found) == 2 and not _RANGE.fullmatch(text[found[0].end() : found[1].start()]):
        found = found[:1]
    said = [_moment(match, is_time_needed=is_time_needed) for match in found]
    return "~".join(said) if all(said) else ""


def _moment(match: re.Match[str], *, is_time_needed: bool) -> str:
    year, month, day, hour, minute = (int(part) if part else None for part in match.groups())
    if is_time_needed and hour is None:
        return ""
    try:
        datetime(year or 0, month or 0, day or 0, hour or 0, minute or 0)  # noqa: DTZ001 - only: is there such a day?
    except ValueError:
        return ""
    return f"{year}年{month}月{day}日" + (f" {hour:02}:{minute:02}" if hour is not None else "")


def _hours(text: str) -> list[str]:
    found = _HOUR.finditer(unicodedata.normalize("NFKC", text))
    return [f"{int(match[1]):02}:{match[2]}" for match in found][:2]


def _amount(text: str) -> str:
    """The text if it is one amount; another one would be wrong, so nothing is cut but decimals below a cent."""
    found = _AMOUNT.fullmatch(unicodedata.normalize("NFKC", text).replace(",", ""))
    return f"{found[1]}{found[2]}{found[3] or ''}{found[4]}" if found else ""


def _phone_number(text: str) -> str:
    """The first number in the text; a part of one would be wrong."""
    found = _PHONE.search(_ascii(text))
    number = found[0].strip() if found else ""
    if len(number) > 17:
        number = re.sub(r"[ ()-]", "", number)
    return number if len(number) <= 17 else ""


def _car_number(text: str) -> str:
    plate = text.replace(" ", "") or "无"
    return plate if len(plate) <= 8 else ""


def _listed(text: str) -> str:
    return text


_FITTERS: Mapping[str, Callable[[str], str]] = {
    "thing": _thing,
    "character_string": _character_string,
    "letter": _letter,
    "number": _number,
    "symbol": _symbol,
    "phrase": _phrase,
    "name": _name,
    "date": _date,
    "time": _time,
    "amount": _amount,
    "phone_number": _phone_number,
    "car_number": _car_number,
    # One of the values that the template lists; service accounts call the same thing const.
    "enum": _listed,
    "const": _listed,
}
