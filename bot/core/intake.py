"""Needs that do not come from the chat (S 8.2.1, 8.2.2): where from, what must be known, and what is wrong with it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from bot.core.ticket_states import TicketKind
from bot.core.times import CHINA, china_date
from bot.core.wording import say
from intents.categories import Category
from intents.quantities import Urgency
from intents.slots import read_phone

CONTENT_LIMIT = 2000  # characters of a need, as in the chat
FINDINGS_LIMIT = 4000  # characters of what a visit found
_NAME_LIMIT, _PERSON_LIMIT, _VISITORS_LIMIT = 60, 20, 200
_EARLIEST = date(2000, 1, 1)  # what lies before is a slip of the pen
_SLACK = timedelta(minutes=2)  # the clock of a portal may be ahead of ours
_NOBODY = frozenset({"", "个人", "无", "匿名", "不详"})  # applicants who need not be the same
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_Chosen = TypeVar("_Chosen", bound=StrEnum)
_VISIT = re.compile(r"NQI-V-\d{4}-\d{6,}")


class Source(StrEnum):
    """How a need reached us, where it was not the chat."""

    PHONE = "phone"
    EMAIL = "email"
    WALK_IN = "walk-in"
    VISIT = "visit"
    PORTAL = "portal"  # by the HTTP API

    @property
    def label(self) -> str:
        """In words."""
        return say(f"source.{self.value}")


AT_THE_DESK = tuple(source for source in Source if source is not Source.PORTAL)
"""What staff may choose from."""
REQUIRED: Mapping[TicketKind, frozenset[str]] = {
    TicketKind.NEED: frozenset({"applicant", "person", "phone", "content"}),
    TicketKind.COMPLAINT: frozenset({"content"}),
    TicketKind.SUGGESTION: frozenset({"content"}),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as somebody typed it, all of it text; empty category, urgency or start: to be found out."""

    kind: str = TicketKind.NEED.value
    source: str = ""
    applicant: str = ""
    person: str = ""
    phone: str = ""
    content: str = ""
    category: str = ""
    urgency: str = ""
    started_at: str = ""  # ISO 8601; without an offset it is China's time
    visit: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A form that can be registered; `category` and `urgency` None where the content shall say it."""

    kind: TicketKind
    source: Source
    applicant: str
    person: str
    phone: str
    content: str
    category: Category | None
    urgency: Urgency | None
    started_at: datetime | None  # None: now
    visit: str


@dataclass(frozen=True, slots=True)
class VisitTyped:
    """A visit as somebody typed it."""

    enterprise: str = ""
    person: str = ""
    phone: str = ""
    visited_on: str = ""  # ISO date
    visitors: str = ""
    findings: str = ""


@dataclass(frozen=True, slots=True)
class VisitEntry:
    """A visit that can be written down."""

    enterprise: str
    person: str
    phone: str
    visited_on: date
    visitors: str
    findings: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A field that cannot stay as it is, and what to write instead."""

    field: str
    message: str


class _WrongError(ValueError):
    """The value of a field cannot be read; the words say what to write."""


def read_entry(typed: Typed, *, now: datetime) -> Entry | tuple[Problem, ...]:
    """The form as values, or all that is wrong with it in the order of the form."""
    required = next((names for kind, names in REQUIRED.items() if kind == typed.kind), frozenset())
    read: dict[str, Callable[[], Any]] = {
        "kind": lambda: TicketKind(_one_of(typed.kind, TicketKind, "请选择需求、投诉或建议。")),
        "source": lambda: Source(_one_of(typed.source, Source, "请选择来源。")),
        "visit": lambda: _visit_number(typed.visit, is_visit=typed.source == Source.VISIT),
        "applicant": lambda: _name(typed.applicant, "申请人", is_required="applicant" in required),
        "person": lambda: _person(typed.person, is_required="person" in required),
        "phone": lambda: _phone(typed.phone, is_required="phone" in required),
        "content": lambda: _content(typed.content),
        "category": lambda: _choice(typed.category, Category, "请从十一类服务类别中选择。"),
        "urgency": lambda: _choice(typed.urgency, Urgency, "请选择一般、加急或绿色通道。"),
        "started_at": lambda: _started_at(typed.started_at, now=now),
    }
    values = _read_all(read)
    return values if isinstance(values, tuple) else Entry(**values)


def read_visit(typed: VisitTyped, *, today: date) -> VisitEntry | tuple[Problem, ...]:
    """The visit as values, or all that is wrong with it in the order of the form."""
    read: dict[str, Callable[[], Any]] = {
        "enterprise": lambda: _name(typed.enterprise, "企业名称", is_required=True),
        "person": lambda: _person(typed.person, is_required=False),
        "phone": lambda: _phone(typed.phone, is_required=False),
        "visited_on": lambda: _visited_on(typed.visited_on, today=today),
        "visitors": lambda: _text(typed.visitors, "走访人员", limit=_VISITORS_LIMIT),
        "findings": lambda: _text(typed.findings, "走访情况", limit=FINDINGS_LIMIT),
    }
    values = _read_all(read)
    return values if isinstance(values, tuple) else VisitEntry(**values)


def fold_name(name: str) -> str:
    """One form for the ways of typing a firm's name: spaces, brackets, letters; empty for what names nobody."""
    text = re.sub(r"[ \u3000]", "", name).translate(str.maketrans("（）", "()")).translate(_LOWER)
    return "" if text in _NOBODY else text


# Only these: databases lower other letters differently.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def format_visit(*, year: int, serial: int) -> str:
    """NQI-V-2026-000001."""
    return f"NQI-V-{year}-{serial:06d}"


# --- fields ---


def _read_all(read: Mapping[str, Callable[[], Any]]) -> dict[str, Any] | tuple[Problem, ...]:
    values, problems = {}, []
    for field, value in read.items():
        try:
            values[field] = value()
        except _WrongError as wrong:
            problems.append(Problem(field, str(wrong)))
    return tuple(problems) if problems else values


def _clean(text: str) -> str:
    """What was typed, without what no database and no page can show."""
    return _CONTROL.sub("", text.replace("\r\n", "\n")).strip()


def _one_of(text: str, allowed: type[StrEnum], message: str) -> str:
    if text not in set(allowed):
        raise _WrongError(message)
    return text


def _choice(text: str, allowed: type[_Chosen], message: str) -> _Chosen | None:
    return allowed(_one_of(text, allowed, message)) if text else None


def _name(text: str, label: str, *, is_required: bool) -> str:
    name = " ".join(_clean(text).split())
    if not name and not is_required:
        return ""
    if not 2 <= len(name) <= _NAME_LIMIT or name.isdigit():
        raise _WrongError(f"请填写{label}，2 至 {_NAME_LIMIT} 字；没有单位的填“个人”。")
    return name


def _person(text: str, *, is_required: bool) -> str:
    name = " ".join(_clean(text).split())
    if not name and not is_required:
        return ""
    if not 1 <= len(name) <= _PERSON_LIMIT or any(sign.isdigit() for sign in name):
        raise _WrongError(f"请填写联系人姓名，{_PERSON_LIMIT} 字以内，不含数字。")
    return name


def _phone(text: str, *, is_required: bool) -> str:
    typed = _clean(text)
    if not typed and not is_required:
        return ""
    number = read_phone(typed)
    if number is None:
        raise _WrongError("请填写完整的联系电话：11 位手机号，或带区号的座机，例如 0898-66668888。")
    return number


def _content(text: str) -> str:
    content = _clean(text)
    if not 4 <= len(content) <= CONTENT_LIMIT:
        raise _WrongError(f"请写明内容，4 至 {CONTENT_LIMIT} 字。")
    return content


def _text(text: str, label: str, *, limit: int) -> str:
    words = _clean(text)
    if not 1 <= len(words) <= limit:
        raise _WrongError(f"请填写{label}，{limit} 字以内。")
    return words


def _visit_number(text: str, *, is_visit: bool) -> str:
    number = _clean(text).upper()
    if is_visit and not _VISIT.fullmatch(number):
        raise _WrongError("请填写走访编号，例如 NQI-V-2026-000001；还没有登记走访的，请先登记走访。")
    if number and not is_visit:
        raise _WrongError("来源不是走访：请清空走访编号，或把来源改为走访。")
    return number


def _started_at(text: str, *, now: datetime) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=CHINA)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _WrongError("请填写需求发起时间，例如 2026-11-21T10:30。") from None
    if moment > now + _SLACK:
        raise _WrongError("需求发起时间不能晚于现在。")
    if moment.date() <= _EARLIEST:
        raise _WrongError("请核对需求发起时间的年份。")
    return min(moment, now)


def _visited_on(text: str, *, today: date) -> date:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise _WrongError("请填写走访日期，例如 2026-11-21。") from None
    if day > today:
        raise _WrongError("走访日期不能晚于今天。")
    if day < _EARLIEST:
        raise _WrongError("请核对走访日期的年份。")
    return day


def started_text(moment: datetime) -> str:
    """A moment as the form shows it: China's time, to the minute."""
    return moment.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M")


def today_text(moment: datetime) -> str:
    """China's date as the form shows it."""
    return china_date(moment).isoformat()
