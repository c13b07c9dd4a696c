"""The working calendar of China: days off and make-up days by notice, opening hours, closures of a station.

A day rests on the notice of its year; the last week of December also on the next year's, which may reach back into it
(Saturday 2018-12-29 was worked for New Year 2019). Where a year's notice is missing the provisional rule holds:
- Saturdays and Sundays are off, there are no make-up days, and a holiday that falls on a weekend is not made good;
- the statutory days are off on their dates (Order No. 795 of the State Council, in force since 2025-01-01, also for
  years before it): 1 January, 1-2 May, 1-3 October; Qingming computed for 2000 to 2099; New Year's Eve and the first
  three days of the lunar year, Dragon Boat and Mid-Autumn from the table in data/holidays.json (2024 to 2036). Outside
  these ranges the dates of Qingming and of the lunar festivals are not known, and those days count as ordinary.
Every result names the notices it rests on and the years that were provisional; a missing year never raises.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from json import loads
from typing import Any, Self

from bot.core.times import CHINA, china_date
from bot.errors import SettingsError

_DAY = timedelta(days=1)
_FOREVER = 400  # days without any opening, after which a calendar is taken to be closed for good
_REACHED_BACK = (12, 25)  # from this date on the next year's notice may speak of the day as well


class DayKind(StrEnum):
    """What a notice says of a day."""

    OFF = "off"
    WORK = "work"  # a make-up day: a Saturday or Sunday that is worked


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A China date that is not what its weekday says, and the holiday that is the reason."""

    day: date
    kind: DayKind
    name: str


@dataclass(frozen=True, slots=True)
class HolidayNotice:
    """One year's arrangement; `number` and `published` are printed where a deadline is explained.

    Raises SettingsError when a day stands twice or lies neither in the year nor in the December before it.
    """

    year: int
    days: tuple[SpecialDay, ...]
    number: str = ""
    published: date | None = None
    url: str = ""

    def __post_init__(self) -> None:
        seen: set[date] = set()
        for special in self.days:
            month = (special.day.year, special.day.month)
            if special.day in seen:
                raise SettingsError("calendar-day", f"{special.day} 在{self.year}年放假安排中出现了两次。")
            if special.day.year != self.year and month != (self.year - 1, 12):
                raise SettingsError("calendar-day", f"{special.day} 不属于{self.year}年放假安排。")
            seen.add(special.day)

    @property
    def title(self) -> str:
        """How the notice is named to people: its number, or the year where no number is known."""
        return self.number or f"{self.year}年放假安排"


@dataclass(frozen=True, slots=True)
class Interval:
    """Opening hours within one day, China time: open from `opens` up to, but not at, `closes`."""

    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening intervals: `week` from Monday to Friday, `make_up` on a weekend day that is worked.

    A weekday without intervals is no working day of that station. Raises SettingsError when intervals overlap, are not in
    order or end before they begin, and when no weekday has any.
    """

    week: tuple[tuple[Interval, ...], ...]
    make_up: tuple[Interval, ...]

    def __post_init__(self) -> None:
        if len(self.week) != 5 or not any(self.week):
            raise SettingsError("calendar-hours", "请填写周一至周五的开放时间，至少有一天开放。")
        for intervals in (*self.week, self.make_up):
            ends = [time(), *(one.closes for one in intervals)]
            spans = zip(ends, intervals, strict=False)
            if any(one.opens < before or one.opens >= one.closes for before, one in spans):
                raise SettingsError("calendar-hours", "开放时段须按先后填写，不能重叠，每段结束须晚于开始。")

    @classmethod
    def daily(cls, *spans: str) -> Self:
        """The same hours on every working day, written as "08:30-12:00"; ValueError when a time cannot be read."""
        intervals = tuple(Interval(*(time.fromisoformat(end) for end in span.split("-"))) for span in spans)
        return cls((intervals,) * 5, intervals)


DEFAULT_HOURS = Hours.daily("08:30-12:00", "14:30-17:30")


@dataclass(frozen=True, slots=True)
class Closure:
    """A station is closed from `start` up to `end` (aware); for whole days use `Closure.of_days`."""

    start: datetime
    end: datetime
    reason: str = ""

    def __post_init__(self) -> None:
        if _utc(self.end) <= _utc(self.start):
            raise SettingsError("calendar-closure", "停办的结束时间须晚于开始时间。")

    @classmethod
    def of_days(cls, first: date, last: date, reason: str = "") -> Self:
        """Closed on all China dates from `first` to `last`, both included."""
        return cls(_midnight(first), _midnight(last + _DAY), reason)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a result rests on: the China dates it counted over and all that set them apart from an ordinary week."""

    first: date
    last: date
    notices: tuple[tuple[int, str], ...] = ()  # year and title
    provisional: tuple[int, ...] = ()  # years without a notice
    special: tuple[SpecialDay, ...] = ()
    closures: tuple[Closure, ...] = ()

    @property
    def is_provisional(self) -> bool:
        """May a notice that is still to come move the result?"""
        return bool(self.provisional)

    @property
    def remark(self) -> str:
        """The sentence that goes with a provisional result; empty for a firm one."""
        if not self.provisional:
            return ""
        years = "、".join(f"{year}年" for year in self.provisional)
        return f"{years}放假安排尚未录入，暂按周末和法定节假日推算，录入后时间可能调整。"


@dataclass(frozen=True, slots=True)
class Moment:
    """A computed moment, UTC."""

    at: datetime
    rests_on: Basis


@dataclass(frozen=True, slots=True)
class Span:
    """A computed length of working time."""

    time: timedelta
    rests_on: Basis


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """When one station works. Moments come in aware (ValueError otherwise) and go out in UTC.

    Raises SettingsError from any count that meets no opening for 400 days: closures or hours that never end.
    """

    notices: tuple[HolidayNotice, ...]
    hours: Hours = DEFAULT_HOURS
    closures: tuple[Closure, ...] = ()
    _days: Mapping[date, SpecialDay] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        in_order = sorted(self.notices, key=lambda notice: notice.year)
        if len({notice.year for notice in in_order}) < len(in_order):
            raise SettingsError("calendar-year", "同一年只能有一份放假安排。")
        object.__setattr__(self, "_days", {special.day: special for one in in_order for special in one.days})

    def is_provisional(self, year: int) -> bool:
        """Is the notice of that year missing, so that the provisional rule holds?"""
        return all(notice.year != year for notice in self.notices)

    def special_day(self, day: date) -> SpecialDay | None:
        """What sets the China date apart from its weekday, by notice or by the provisional rule."""
        found = self._days.get(day)
        if found is None and self.is_provisional(day.year):
            return statutory_days(day.year).get(day)
        return found

    def openings(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """The working time of a China date, without closures, in UTC and in order."""
        spans = [
            (_local(day, interval.opens), _local(day, interval.closes)) for interval in self._intervals(day)
        ]
        for closure in self.closures:
            spans = [part for span in spans for part in _without(span, closure)]
        return tuple(spans)

    def is_working_day(self, day: date) -> bool:
        """Is the station open at any time on that China date?"""
        return bool(self.openings(day))

    def is_open(self, moment: datetime) -> bool:
        """Is it working time at that moment?"""
        at = _utc(moment)
        return any(opens <= at < closes for opens, closes in self.openings(china_date(at)))

    def next_opening(self, moment: datetime) -> Moment:
        """The moment itself where it lies in working time, else the next one that does."""
        return self.later(moment, timedelta())

    def add_working_days(self, start: datetime, n: int) -> Moment:
        """The end of the n-th working day after the event, n >= 1: its own day does not count (S 9.2.1)."""
        if n < 1:
            raise ValueError("count at least one working day")
        at = _utc(start)
        for spans in self._days_from(china_date(at) + _DAY, _DAY):
            n -= 1
            if n == 0:
                at = spans[-1][1]
                break
        return self._moment(start, at)

    def days_before(self, due: datetime, n: int) -> Moment:
        """The opening of the n-th working day before the China date of `due`, n >= 1."""
        if n < 1:
            raise ValueError("count at least one working day")
        at = _utc(due)
        for spans in self._days_from(china_date(at) - _DAY, -_DAY):
            n -= 1
            if n == 0:
                at = spans[0][0]
                break
        return self._moment(due, at)

    def add_working_time(self, start: datetime, hours: float) -> Moment:
        """The moment when that many working hours have passed; with 0 the next opening."""
        return self.later(start, timedelta(hours=hours))

    def later(self, start: datetime, amount: timedelta) -> Moment:
        """The first moment by which `amount` of working time has passed since `start`; ValueError below zero."""
        if amount < timedelta():
            raise ValueError("working time runs forwards; see earlier()")
        at, left = _utc(start), amount
        for spans in self._days_from(china_date(at), _DAY):
            for opens, closes in spans:
                begin = max(opens, at)
                if begin < closes and left <= closes - begin:
                    return self._moment(start, begin + left)
                left -= max(closes - begin, timedelta())
        raise AssertionError("the walk ends by itself only with an error")

    def earlier(self, end: datetime, amount: timedelta) -> Moment:
        """The last moment from which `amount` of working time is left until `end`; ValueError unless above zero."""
        if amount <= timedelta():
            raise ValueError("working time to go back must be above zero")
        at, left = _utc(end), amount
        for spans in self._days_from(china_date(at), -_DAY):
            for opens, closes in reversed(spans):
                finish = min(closes, at)
                if opens < finish and left <= finish - opens:
                    return self._moment(end, finish - left)
                left -= max(finish - opens, timedelta())
        raise AssertionError("the walk ends by itself only with an error")

    def working_time_between(self, a: datetime, b: datetime) -> Span:
        """The working time from `a` to `b`; below zero when `b` is the earlier one."""
        first, last = sorted((_utc(a), _utc(b)))
        total = timedelta()
        for number in range((china_date(last) - china_date(first)).days + 1):
            for opens, closes in self.openings(china_date(first) + number * _DAY):
                total += max(min(closes, last) - max(opens, first), timedelta())
        return Span(total if _utc(a) <= _utc(b) else -total, self.basis(first, last))

    def basis(self, a: datetime, b: datetime) -> Basis:
        """What the days between two moments rest on, those of both moments included."""
        first, last = sorted((china_date(_utc(a)), china_date(_utc(b))))
        reach = last.year + 1 if (last.month, last.day) >= _REACHED_BACK else last.year
        years = range(first.year, reach + 1)
        days = (first + number * _DAY for number in range((last - first).days + 1))
        return Basis(
            first,
            last,
            tuple(sorted((one.year, one.title) for one in self.notices if one.year in years)),
            tuple(year for year in years if self.is_provisional(year)),
            tuple(special for day in days if (special := self.special_day(day))),
            tuple(
                one
                for one in self.closures
                if one.start < _midnight(last + _DAY) and one.end > _midnight(first)
            ),
        )

    def _intervals(self, day: date) -> tuple[Interval, ...]:
        special = self.special_day(day)
        if special and special.kind is DayKind.OFF:
            return ()
        if day.weekday() < 5:
            return self.hours.week[day.weekday()]
        return self.hours.make_up if special else ()

    def _days_from(self, day: date, step: timedelta) -> Iterator[tuple[tuple[datetime, datetime], ...]]:
        closed = 0
        while closed < _FOREVER:
            spans = self.openings(day)
            closed = 0 if spans else closed + 1
            if spans:
                yield spans
            day += step
        raise SettingsError("calendar-closed", "工作日历连续400天没有开放时间，请检查开放时段和停办设置。")

    def _moment(self, start: datetime, at: datetime) -> Moment:
        return Moment(at, self.basis(start, at))


@cache
def statutory_days(year: int) -> Mapping[date, SpecialDay]:
    """The statutory holidays of a year on their own dates, as far as they are known (see the module's rule)."""
    first = {name: date.fromisoformat(text) for name, text in _data()["lunar"].get(str(year), {}).items()}
    if 2000 <= year < 2100:
        # The Sun passes the same point 0.2422 days later each year; leap days set it back.
        first["清明节"] = date(year, 4, int(0.2422 * (year - 2000) + 4.81) - (year - 2000) // 4)
    days = [(date(year, 1, 1), "元旦"), *((date(year, 5, number), "劳动节") for number in (1, 2))]
    days += [(date(year, 10, number), "国庆节") for number in (1, 2, 3)]
    for name, start in first.items():
        length = range(-1, 3) if name == "春节" else range(1)  # New Year's Eve to the third day
        days += [(start + number * _DAY, name) for number in length]
    return {day: SpecialDay(day, DayKind.OFF, name) for day, name in days}


@cache
def shipped_notices() -> tuple[HolidayNotice, ...]:
    """The notices that come with the software; they seed the editable table."""
    return tuple(_notice(entry) for entry in _data()["notices"])


def _notice(entry: Mapping[str, Any]) -> HolidayNotice:
    days: list[SpecialDay] = []
    for one in entry["breaks"]:
        first, last = map(date.fromisoformat, one["off"])
        days += break_days(one["name"], first, last, map(date.fromisoformat, one["work"]))
    published = date.fromisoformat(entry["published"])
    return HolidayNotice(entry["year"], tuple(days), entry["number"], published, entry["url"])


def break_days(name: str, first: date, last: date, worked: Iterable[date]) -> list[SpecialDay]:
    """The days of one break: off from the first to the last day, both included, and those worked for it."""
    off = (first + number * _DAY for number in range((last - first).days + 1))
    found = [SpecialDay(day, DayKind.OFF, name) for day in off]
    return found + [SpecialDay(day, DayKind.WORK, name) for day in worked]


@cache
def _data() -> dict[str, Any]:
    loaded: dict[str, Any] = loads(
        files("bot.core").joinpath("data/holidays.json").read_text(encoding="utf-8")
    )
    return loaded


def _utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("give an aware moment")
    return moment.astimezone(UTC)


def _midnight(day: date) -> datetime:
    return _local(day, time())


def _local(day: date, at: time) -> datetime:
    return datetime.combine(day, at, CHINA).astimezone(UTC)


def _without(span: tuple[datetime, datetime], closure: Closure) -> list[tuple[datetime, datetime]]:
    """What a closure leaves of a span: nothing, one part or two."""
    opens, closes = span
    parts = [(opens, min(closes, closure.start)), (max(opens, closure.end), closes)]
    return [(start, end) for start, end in parts if start < end]
