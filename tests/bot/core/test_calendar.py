"""Working days and hours: what the notices say, what holds without one, and that counting is consistent."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.calendar import (
    Closure,
    DayKind,
    HolidayNotice,
    Hours,
    SpecialDay,
    WorkCalendar,
    shipped_notices,
    statutory_days,
)
from bot.core.times import CHINA
from bot.errors import SettingsError

CALENDAR = WorkCalendar(shipped_notices())
UNTOLD = WorkCalendar(())
STATION = WorkCalendar(
    shipped_notices(),
    Hours.daily("09:00-11:30", "15:00-18:00"),
    (
        Closure.of_days(date(2026, 10, 8), date(2026, 10, 9), "三月三"),
        Closure(
            datetime(2026, 10, 12, 10, 0, tzinfo=CHINA), datetime(2026, 10, 12, 16, 0, tzinfo=CHINA), "停电"
        ),
    ),
)
CALENDARS = st.sampled_from([CALENDAR, UNTOLD, STATION])
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 6, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
AMOUNTS = st.timedeltas(timedelta(microseconds=1), timedelta(hours=120))


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


@pytest.mark.parametrize(("year", "number"), [(2024, 251), (2025, 248), (2026, 248)])
def test_a_year_has_as_many_working_days_as_its_notice_leaves(year: int, number: int) -> None:
    """The figures stand in domain/holidays.md, counted there by two other packages."""
    days = (date(year, 1, 1) + timedelta(days=day) for day in range(366))
    assert sum(CALENDAR.is_working_day(day) for day in days if day.year == year) == number


@pytest.mark.parametrize("notice", shipped_notices(), ids=lambda notice: str(notice.year))
def test_the_shipped_notices_agree_with_the_week_and_the_law(notice: HolidayNotice) -> None:
    for special in notice.days:
        assert special.kind is DayKind.OFF or special.day.weekday() >= 5
    off = {special.day for special in notice.days if special.kind is DayKind.OFF}
    # New Year's Eve and 2 May became statutory in 2025; the notice for 2024 leaves 9 February a working day.
    assert set(statutory_days(notice.year)) - off == ({date(2024, 2, 9)} if notice.year == 2024 else set())
    assert notice.published is not None
    assert notice.published.year == notice.year - 1
    assert notice.number.startswith(f"国办发明电〔{notice.year - 1}〕")


def test_a_year_without_a_notice_has_its_statutory_days_on_their_dates() -> None:
    assert {day.isoformat() for day in statutory_days(2027)} == {
        *("2027-01-01", "2027-02-05", "2027-02-06", "2027-02-07", "2027-02-08", "2027-04-05"),
        *("2027-05-01", "2027-05-02", "2027-06-09", "2027-09-15"),
        *("2027-10-01", "2027-10-02", "2027-10-03"),
    }
    assert CALENDAR.is_provisional(2027)
    assert not CALENDAR.is_provisional(2026)
    assert not CALENDAR.is_working_day(date(2027, 2, 5))
    assert CALENDAR.is_working_day(date(2027, 2, 9))
    assert not CALENDAR.is_working_day(date(2027, 1, 9))


@pytest.mark.parametrize("year", [1949, 1999, 2023, 2037, 2099, 2100, 2500])
def test_a_year_that_no_table_knows_still_counts(year: int) -> None:
    start = datetime(year, 3, 1, 2, 0, tzinfo=UTC)
    counted = CALENDAR.add_working_days(start, 3)
    assert counted.at > start
    assert counted.rests_on.provisional == (year,)
    assert f"{year}年" in counted.rests_on.remark
    assert not CALENDAR.is_working_day(date(year, 10, 1))


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-11-20T08:30", "2026-11-20T08:30"),  # Friday, the first minute
        ("2026-11-20T07:00", "2026-11-20T08:30"),
        ("2026-11-20T12:00", "2026-11-20T14:30"),  # closed from the minute of closing
        ("2026-11-20T15:10", "2026-11-20T15:10"),
        ("2026-11-20T17:30", "2026-11-23T08:30"),  # over the weekend
        ("2026-09-19T10:00", "2026-09-20T08:30"),  # Sunday 20 September is worked
        ("2026-09-30T20:00", "2026-10-08T08:30"),  # over the National Day break
    ],
)
def test_the_next_opening(moment: str, opens: str) -> None:
    found = CALENDAR.next_opening(china(moment))
    assert found.at == china(opens)
    assert found.at.tzinfo is UTC
    assert CALENDAR.is_open(found.at)
    assert CALENDAR.is_open(china(moment)) is (moment == opens)


@pytest.mark.parametrize(
    ("start", "hours", "ends"),
    [
        ("2026-11-20T08:30", 3.5, "2026-11-20T12:00"),  # the whole morning
        ("2026-11-20T11:00", 2, "2026-11-20T15:30"),  # 1 h, lunch, 1 h
        ("2026-11-20T16:30", 2, "2026-11-23T09:30"),  # 1 h, weekend, 1 h
        ("2026-09-30T17:00", 1, "2026-10-08T09:00"),  # 0.5 h, the break, 0.5 h
        ("2026-10-09T17:00", 1, "2026-10-10T09:00"),  # into a Saturday that is worked
        ("2026-11-21T03:00", 6.5, "2026-11-23T17:30"),  # a whole day from Monday on
        ("2026-11-20T12:30", 0, "2026-11-20T14:30"),
    ],
)
def test_hours_run_only_while_the_station_is_open(start: str, hours: float, ends: str) -> None:
    assert CALENDAR.add_working_time(china(start), hours).at == china(ends)


def test_closures_take_days_and_hours_from_one_station_only() -> None:
    start = china("2026-09-30T10:00")
    assert CALENDAR.add_working_days(start, 1).at == china("2026-10-08T17:30")
    closed = STATION.add_working_days(start, 1)
    assert closed.at == china("2026-10-10T18:00")
    assert [closure.reason for closure in closed.rests_on.closures] == ["三月三"]
    # On the 12th it is open from 9 to 10 and from 16 to 18.
    day = STATION.working_time_between(china("2026-10-12T00:00"), china("2026-10-13T00:00"))
    assert day.time == timedelta(hours=3)


def test_a_closed_last_interval_ends_the_working_day_earlier() -> None:
    closure = Closure(china("2026-11-24T14:00"), china("2026-11-24T18:00"))
    calendar = replace(CALENDAR, closures=(closure,))
    assert calendar.add_working_days(china("2026-11-23T10:00"), 1).at == china("2026-11-24T12:00")


def test_each_kind_of_day_may_have_its_own_hours() -> None:
    day = Hours.daily("08:00-16:00").make_up
    hours = Hours((day, day, (), day, Hours.daily("08:00-12:00").make_up), ())
    calendar = WorkCalendar(shipped_notices(), hours)
    assert not calendar.is_working_day(date(2026, 11, 25))  # Wednesday
    assert not calendar.is_working_day(date(2026, 10, 10))  # make-up day, not worked here
    assert calendar.add_working_days(china("2026-11-26T09:00"), 1).at == china("2026-11-27T12:00")


@pytest.mark.parametrize(
    ("first", "last", "provisional"),
    [
        ("2026-12-01T09:00", "2026-12-24T09:00", ()),
        ("2026-12-01T09:00", "2026-12-25T09:00", (2027,)),  # New Year's notice may reach back
        ("2025-12-29T09:00", "2025-12-31T09:00", ()),
        ("2026-12-31T15:00", "2027-01-04T09:00", (2027,)),
        ("2023-12-28T09:00", "2027-01-04T09:00", (2023, 2027)),
    ],
)
def test_results_name_the_years_whose_notice_is_missing(
    first: str, last: str, provisional: tuple[int, ...]
) -> None:
    basis = CALENDAR.working_time_between(china(first), china(last)).rests_on
    assert basis.provisional == provisional
    assert basis.is_provisional is bool(provisional)
    assert bool(basis.remark) is bool(provisional)


def test_a_notice_may_reach_back_into_december() -> None:
    day = SpecialDay(date(2026, 12, 31), DayKind.OFF, "元旦")
    calendar = WorkCalendar((*shipped_notices(), HolidayNotice(2027, (day,))))
    assert CALENDAR.is_working_day(date(2026, 12, 31))
    assert not calendar.is_working_day(date(2026, 12, 31))
    # The notice alone counts for its year: 1 January is a Friday and not named in it.
    assert calendar.is_working_day(date(2027, 1, 1))


def test_working_time_is_below_zero_backwards() -> None:
    a, b = china("2026-11-20T16:30"), china("2026-11-23T09:30")
    assert CALENDAR.working_time_between(a, b).time == timedelta(hours=2)
    assert CALENDAR.working_time_between(b, a).time == -timedelta(hours=2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Hours.daily("12:00-08:30"),
        lambda: Hours.daily("08:30-12:00", "11:00-17:00"),
        Hours.daily,
        lambda: Hours(((),) * 7, ()),
        lambda: Closure.of_days(date(2026, 5, 2), date(2026, 5, 1)),
        lambda: WorkCalendar((*shipped_notices(), HolidayNotice(2026, ()))),
        lambda: HolidayNotice(2027, (SpecialDay(date(2026, 11, 1), DayKind.OFF, ""),)),
        lambda: HolidayNotice(2027, (SpecialDay(date(2027, 1, 1), DayKind.OFF, ""),) * 2),
        lambda: replace(
            CALENDAR, closures=(Closure.of_days(date(2026, 1, 1), date(2036, 1, 1)),)
        ).next_opening(china("2026-02-01T00:00")),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(make: object) -> None:
    assert callable(make)
    with pytest.raises(SettingsError) as refused:
        make()
    assert refused.value.message.endswith("。")


@pytest.mark.parametrize(
    "count",
    [
        lambda: CALENDAR.next_opening(datetime(2026, 1, 1)),  # noqa: DTZ001
        lambda: CALENDAR.add_working_days(china("2026-01-01T00:00"), 0),
        lambda: CALENDAR.days_before(china("2026-01-01T00:00"), 0),
        lambda: CALENDAR.add_working_time(china("2026-01-01T00:00"), -1),
        lambda: CALENDAR.earlier(china("2026-01-01T00:00"), timedelta()),
    ],
)
def test_what_has_no_meaning_is_an_error_of_the_caller(count: object) -> None:
    assert callable(count)
    with pytest.raises(ValueError, match=r"aware|working"):
        count()


@given(calendar=CALENDARS, start=MOMENTS, amount=AMOUNTS)
def test_time_added_is_time_between(calendar: WorkCalendar, start: datetime, amount: timedelta) -> None:
    end = calendar.later(start, amount).at
    assert calendar.working_time_between(start, end).time == amount
    back = calendar.earlier(end, amount).at
    assert calendar.working_time_between(back, end).time == amount
    assert back >= start  # the last such moment, so not before the one that we came from


@given(calendar=CALENDARS, start=MOMENTS, amount=AMOUNTS, days=st.integers(1, 30))
def test_nothing_lands_outside_working_time(
    calendar: WorkCalendar, start: datetime, amount: timedelta, days: int
) -> None:
    tick = timedelta(microseconds=1)
    ends = (calendar.later(start, amount).at, calendar.add_working_days(start, days).at)
    for end in ends:  # the end of an interval is still within it
        assert calendar.is_open(end - tick)
    begins = (
        calendar.next_opening(start),
        calendar.earlier(start, amount),
        calendar.days_before(start, days),
    )
    for begin in begins:
        assert calendar.is_open(begin.at)


@given(calendar=CALENDARS, moments=st.tuples(MOMENTS, MOMENTS), amounts=st.tuples(AMOUNTS, AMOUNTS))
def test_later_starts_and_longer_times_never_end_earlier(
    calendar: WorkCalendar, moments: tuple[datetime, datetime], amounts: tuple[timedelta, timedelta]
) -> None:
    early, late = sorted(moments)
    short, long = sorted(amounts)
    assert calendar.later(early, short).at <= calendar.later(late, short).at
    assert calendar.later(early, short).at <= calendar.later(early, long).at
    assert calendar.add_working_days(early, 3).at <= calendar.add_working_days(late, 3).at
    assert calendar.add_working_days(early, 3).at < calendar.add_working_days(early, 4).at
    assert calendar.next_opening(early).at <= calendar.next_opening(late).at


@given(calendar=CALENDARS, start=MOMENTS, days=st.integers(1, 30))
def test_between_the_event_and_the_end_lie_exactly_so_many_working_days(
    calendar: WorkCalendar, start: datetime, days: int
) -> None:
    end = calendar.add_working_days(start, days).at
    first, last = start.astimezone(CHINA).date(), end.astimezone(CHINA).date()
    passed = [first + timedelta(days=number + 1) for number in range((last - first).days)]
    assert sum(calendar.is_working_day(day) for day in passed) == days
    assert calendar.openings(last)[-1][1] == end
