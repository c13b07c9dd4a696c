"""When steps are due, who is reminded and told, what a pause costs, and why a deadline moved."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

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
)
from bot.core.deadline_rules import DEFAULT_RULES, Prompt, Rule, Rules
from bot.core.deadlines import (
    Allowance,
    Clock,
    Pause,
    Recipient,
    Step,
    Urgency,
    deadline,
    explain_change,
    plan,
)
from bot.core.times import CHINA
from bot.errors import SettingsError
from intents.categories import Category

CALENDAR = WorkCalendar(shipped_notices())


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def changed(year: int, *, without: tuple[date, ...] = (), off: tuple[date, ...] = ()) -> WorkCalendar:
    """The calendar after that year's notice was replaced by another one."""
    notices = []
    for notice in CALENDAR.notices:
        if notice.year == year:
            kept = tuple(special for special in notice.days if special.day not in without)
            days = (*kept, *(SpecialDay(day, DayKind.OFF, "国庆节") for day in off))
            notices.append(replace(notice, days=days, number="更正通知"))
        else:
            notices.append(notice)
    return replace(CALENDAR, notices=tuple(notices))


# Counted by hand from the notice 国办发明电〔2025〕7号: off are 1 to 7 October, worked are Sunday 20 September and
# Saturday 10 October; the Mid-Autumn break is Friday 25 to Sunday 27 September.
#
# The service ends on Wednesday 30 September:     The service ends on Friday 18 September:
#   Thu  1 Oct to Wed 7 Oct  break                  Sat 19 Sep  weekend
#   Thu  8 Oct  1                                   Sun 20 Sep  1  (make-up day)
#   Fri  9 Oct  2                                   Mon 21 Sep  2
#   Sat 10 Oct  3  (make-up day)                    Tue 22 Sep  3
#   Sun 11 Oct  weekend                             Wed 23 Sep  4
#   Mon 12 Oct  4                                   Thu 24 Sep  5
#   Tue 13 Oct  5  -> 17:30 in China
#
# The service ends on Thursday 24 September: Fri 25 to Sun 27 off, Mon 28 = 1, Tue 29 = 2, Wed 30 = 3, break,
# Thu 8 Oct = 4, Fri 9 Oct = 5.
@pytest.mark.parametrize(
    ("ended", "due"),
    [
        ("2026-09-30T16:00", "2026-10-13T17:30"),
        ("2026-09-30T00:00", "2026-10-13T17:30"),
        ("2026-09-30T23:59", "2026-10-13T17:30"),
        ("2026-10-03T12:00", "2026-10-13T17:30"),  # within the break: 8 October is day one all the same
        ("2026-09-18T09:00", "2026-09-24T17:30"),
        ("2026-09-24T17:00", "2026-10-09T17:30"),
    ],
)
def test_the_survey_is_due_on_the_fifth_working_day_counted_by_hand(ended: str, due: str) -> None:
    clock = plan(Step.SURVEY, china(ended), calendar=CALENDAR)
    assert clock.due == china(due)
    assert clock.due.tzinfo is UTC
    assert clock.rests_on.notices == ((2026, "国办发明电〔2025〕7号"),)
    assert not clock.rests_on.is_provisional


def survey(calendar: WorkCalendar, ended: str = "2026-09-30T16:00") -> Clock:
    return plan(Step.SURVEY, china(ended), calendar=calendar)


def test_a_changed_notice_moves_the_survey_and_the_sentence_says_why() -> None:
    new = survey(changed(2026, without=(date(2026, 10, 10),), off=(date(2026, 10, 8),)))
    # Fri 9 = 1, Mon 12 = 2, Tue 13 = 3, Wed 14 = 4, Thu 15 = 5.
    assert new.due == china("2026-10-15T17:30")
    assert explain_change(survey(CALENDAR), new) == (
        "满意度评价时限由2026-10-13 17:30调整为2026-10-15 17:30：依据更正通知，10月8日改为放假、10月10日改为放假。"
    )


def test_the_sentence_names_days_that_are_worked_again() -> None:
    new = survey(changed(2026, without=(date(2026, 10, 7),)))
    assert new.due == china("2026-10-12T17:30")
    assert "10月7日改为上班" in explain_change(survey(CALENDAR), new)


def test_a_notice_that_is_taken_out_leaves_the_provisional_rule() -> None:
    without = replace(CALENDAR, notices=CALENDAR.notices[:-1])
    new = survey(without)
    # Off are 1 to 3 October and the weekends: Mon 5 = 1 ... Fri 9 = 5.
    assert new.due == china("2026-10-09T17:30")
    assert new.rests_on.provisional == (2026,)
    assert "放假安排已撤下" in explain_change(survey(CALENDAR), new)
    assert "依据国办发明电〔2025〕7号，10月5日改为放假" in explain_change(new, survey(CALENDAR))


def test_a_notice_that_changes_nothing_still_makes_the_deadline_firm() -> None:
    days = (SpecialDay(date(2027, 1, 1), DayKind.OFF, "元旦"),)
    told = WorkCalendar((*shipped_notices(), HolidayNotice(2027, days)))
    old, new = survey(CALENDAR, "2026-12-30T10:00"), survey(told, "2026-12-30T10:00")
    assert old.due == new.due
    assert (old.rests_on.provisional, new.rests_on.provisional) == ((2027,), ())
    assert "2027年" in old.rests_on.remark
    assert explain_change(old, new) == "满意度评价时限不变，仍为2027-01-07 17:30：2027年放假安排已录入。"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (replace(CALENDAR, hours=Hours.daily("09:00-16:00")), "服务站开放时间有变化"),
        (
            replace(CALENDAR, closures=(Closure.of_days(date(2026, 10, 9), date(2026, 10, 9), "台风"),)),
            "服务站停办安排有变化（台风）",
        ),
    ],
)
def test_other_changes_of_the_calendar_are_told_apart(new: WorkCalendar, why: str) -> None:
    assert explain_change(survey(CALENDAR), survey(new)).endswith(f"：{why}。")


def test_changes_of_the_ticket_are_told() -> None:
    def service(start: str = "2026-11-02T10:00", *, days: int = 3, pauses: tuple[Pause, ...] = ()) -> Clock:
        return plan(Step.SERVICE, china(start), calendar=CALENDAR, agreed=Allowance(days=days), pauses=pauses)

    old = service()
    pause = Pause(china("2026-11-04T08:00"), china("2026-11-05T08:00"))
    assert "时限由3个工作日改为6个工作日" in explain_change(old, service(days=6))
    assert "等待服务对象的时间不计入时限" in explain_change(old, service(pauses=(pause,)))
    assert "起算时间改为2026-11-03 10:00" in explain_change(old, service("2026-11-03T10:00"))
    assert explain_change(old, old).startswith("服务周期不变")


@pytest.mark.parametrize(
    ("pauses", "due"),
    [
        ((), "2026-11-06T17:30"),
        ((("11-04T10:00", "11-04T10:05"),), "2026-11-09T08:35"),
        ((("11-04T00:00", "11-05T00:00"),), "2026-11-09T17:30"),  # a whole day, 6.5 h: a whole day later
        ((("11-04T12:00", "11-04T14:30"),), "2026-11-06T17:30"),  # over lunch nothing runs
        ((("11-02T09:00", "11-02T17:00"),), "2026-11-06T17:30"),  # on the day that does not count
        ((("11-07T00:00", "11-30T00:00"),), "2026-11-06T17:30"),  # after it was due
        ((("11-04T10:00", "11-04T11:00"), ("11-04T10:30", "11-04T11:30")), "2026-11-09T10:00"),  # overlapping
        ((("11-06T17:00", "11-09T09:00"),), "2026-11-09T09:30"),  # due half an hour after it goes on
        ((("11-06T17:00", "11-09T09:00"), ("11-09T09:10", "11-09T11:10")), "2026-11-09T11:30"),
    ],
)
def test_waiting_for_the_enterprise_moves_the_day_on_to_the_minute(
    pauses: tuple[tuple[str, str], ...], due: str
) -> None:
    """Four working days from Monday 2 November 2026: Friday 6 November, 17:30."""
    stopped = [Pause(china(f"2026-{start}"), china(f"2026-{end}")) for start, end in pauses]
    assert deadline(CALENDAR, china("2026-11-02T10:00"), Allowance(days=4), stopped).at == china(due)


def test_hours_count_to_the_minute_across_a_pause() -> None:
    # Mon 16:00 to 17:00 = 1 h; pause until Tue 09:00; Tue 09:00 to 12:00 = 3 h.
    pause = Pause(china("2026-11-02T17:00"), china("2026-11-03T09:00"))
    found = deadline(CALENDAR, china("2026-11-02T16:00"), Allowance(hours=4), [pause])
    assert found.at == china("2026-11-03T12:00")


def test_reminders_come_before_and_escalations_after() -> None:
    # Two working days from Monday 2 November: Wednesday 17:30; 4 h before are 3 h of the afternoon and 1 h of the morning.
    clock = plan(Step.ACCEPT, china("2026-11-02T10:00"), calendar=CALENDAR)
    assert clock.due == china("2026-11-04T17:30")
    assert [(alarm.at, alarm.to) for alarm in clock.remind_at] == [
        (china("2026-11-04T11:00"), Recipient.PROVIDER)
    ]
    assert [(alarm.at, alarm.to) for alarm in clock.escalate_at] == [
        (china("2026-11-04T17:30"), Recipient.STAFF),
        (china("2026-11-05T17:30"), Recipient.HEAD),
    ]


def test_the_reminder_of_the_survey_leaves_staff_two_days() -> None:
    clock = survey(CALENDAR)
    assert [(alarm.at, alarm.to) for alarm in clock.remind_at] == [
        (china("2026-10-12T08:30"), Recipient.STAFF)
    ]
    assert [(alarm.at, alarm.to) for alarm in clock.escalate_at] == [(clock.due, Recipient.HEAD)]


def test_a_reminder_waits_for_the_end_of_a_pause_and_none_comes_before_the_start() -> None:
    pause = Pause(china("2026-11-03T14:00"), china("2026-11-04T09:00"))
    clock = plan(Step.ASSESS, china("2026-11-02T10:00"), calendar=CALENDAR, pauses=(pause,))
    # Due Tuesday 17:30 and 3.5 h more: Wednesday 12:00; 4 h before would be Tuesday 17:00, within the pause.
    assert clock.due == china("2026-11-04T12:00")
    assert [alarm.at for alarm in clock.remind_at] == [china("2026-11-04T09:00")]
    short = plan(Step.ASSESS, china("2026-11-02T10:00"), calendar=CALENDAR, agreed=Allowance(hours=2))
    assert short.remind_at == ()


def test_what_lies_in_a_year_without_a_notice_says_so_by_itself() -> None:
    clock = plan(Step.ACCEPT, china("2026-12-22T10:00"), calendar=CALENDAR)
    assert clock.due == china("2026-12-24T17:30")
    assert not clock.rests_on.is_provisional
    assert [alarm.rests_on.provisional for alarm in clock.escalate_at] == [(), (2027,)]


@pytest.mark.parametrize(
    ("step", "urgency", "category", "allowance"),
    [
        (Step.SURVEY, Urgency.GREEN, None, Allowance(days=5)),
        (Step.ASSESS, Urgency.NORMAL, Category.IP, Allowance(days=1)),
        (Step.ACCEPT, Urgency.URGENT, Category.TESTING, Allowance(hours=4)),
        (Step.SERVICE, Urgency.NORMAL, Category.POLICY, Allowance(days=3)),
        (Step.SERVICE, Urgency.NORMAL, Category.TESTING, Allowance(days=10)),
        (Step.SERVICE, Urgency.GREEN, Category.CERTIFICATION, Allowance(days=5)),
    ],
)
def test_a_rule_of_the_category_goes_before_the_one_for_all(
    step: Step, urgency: Urgency, category: Category | None, allowance: Allowance
) -> None:
    assert DEFAULT_RULES.allowance(step, urgency=urgency, category=category) == allowance


def test_by_default_the_more_urgent_is_never_due_later_and_somebody_hears_of_it() -> None:
    start = china("2026-11-02T10:00")
    for step in Step:
        for category in (None, *Category):
            clocks = [
                plan(step, start, calendar=CALENDAR, urgency=urgency, category=category)
                for urgency in Urgency
            ]
            dues = [clock.due for clock in clocks]
            assert dues == sorted(dues, reverse=True)
            assert all(clock.remind_at and clock.escalate_at for clock in clocks)


def test_edited_rules_are_followed() -> None:
    rules = replace(
        DEFAULT_RULES,
        rules=(*DEFAULT_RULES.rules, Rule(Step.ASSESS, Urgency.NORMAL, Allowance(hours=1), Category.IP)),
    )
    start = china("2026-11-02T10:00")
    assert plan(Step.ASSESS, start, calendar=CALENDAR, rules=rules, category=Category.IP).due == china(
        "2026-11-02T11:00"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: Allowance(days=1, hours=1),
        lambda: Allowance(days=-1),
        lambda: Allowance(hours=float("nan")),
        lambda: Allowance(days=501),
        lambda: Prompt(Step.SURVEY, Urgency.NORMAL, Allowance(), Recipient.STAFF),
        lambda: Rules((), ()),
        lambda: Rules((*DEFAULT_RULES.rules, DEFAULT_RULES.rules[0]), ()),
        lambda: Rules((*DEFAULT_RULES.rules, Rule(Step.ASSESS, Urgency.GREEN, Allowance(), Category.IP)), ()),
        lambda: Rules(
            (*DEFAULT_RULES.rules, Rule(Step.SURVEY, Urgency.GREEN, Allowance(days=6), Category.IP)), ()
        ),
        lambda: Rules(
            (*DEFAULT_RULES.rules, Rule(Step.SURVEY, Urgency.GREEN, Allowance(hours=99), Category.IP)), ()
        ),
    ],
)
def test_rules_that_cannot_hold_are_refused_in_words(make: object) -> None:
    assert callable(make)
    with pytest.raises(SettingsError) as refused:
        make()
    assert refused.value.message.endswith("。")


@pytest.mark.parametrize(
    "more",
    [
        {"agreed": Allowance(days=9)},
        {"pauses": (Pause(china("2026-10-08T09:00"), china("2026-10-09T09:00")),)},
    ],
)
def test_nothing_lengthens_the_days_of_the_survey(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="survey"):
        plan(Step.SURVEY, china("2026-09-30T16:00"), calendar=CALENDAR, **more)


def test_a_pause_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="pause"):
        Pause(china("2026-11-04T10:00"), china("2026-11-04T09:59"))


MOMENTS = st.datetimes(datetime(2026, 8, 1), datetime(2027, 3, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001
PAUSES = st.lists(
    st.builds(
        lambda start, hours: Pause(start, start + hours),
        MOMENTS,
        st.timedeltas(timedelta(), timedelta(days=20)),
    ),
    max_size=4,
)
ALLOWANCES = st.one_of(
    st.integers(1, 30).map(lambda days: Allowance(days=days)),
    st.integers(1, 600).map(lambda quarters: Allowance(hours=quarters / 4)),
)


@given(start=MOMENTS, allowance=ALLOWANCES, pauses=PAUSES, more=PAUSES)
def test_pauses_only_lengthen(
    start: datetime, allowance: Allowance, pauses: list[Pause], more: list[Pause]
) -> None:
    plain = deadline(CALENDAR, start, allowance).at
    paused = deadline(CALENDAR, start, allowance, pauses).at
    assert plain <= paused <= deadline(CALENDAR, start, allowance, [*pauses, *more]).at
    assert CALENDAR.is_open(paused - timedelta(microseconds=1))


@given(start=MOMENTS, quarters=st.integers(1, 600), pauses=PAUSES)
def test_outside_the_pauses_exactly_the_allowance_has_passed(
    start: datetime, quarters: int, pauses: list[Pause]
) -> None:
    due = deadline(CALENDAR, start, Allowance(hours=quarters / 4), pauses).at
    ran, at = timedelta(), start
    for pause in sorted(pauses, key=lambda one: one.start):
        if pause.start > at:
            ran += CALENDAR.working_time_between(at, min(pause.start, due)).time if at < due else timedelta()
        at = max(at, pause.end)
    ran += CALENDAR.working_time_between(at, due).time if at < due else timedelta()
    assert ran == timedelta(hours=quarters / 4)


@given(
    step=st.sampled_from(Step),
    urgency=st.sampled_from(Urgency),
    category=st.sampled_from([None, *Category]),
    starts=st.tuples(MOMENTS, MOMENTS),
    pauses=PAUSES,
)
def test_a_clock_is_in_order_and_later_starts_are_never_due_earlier(
    step: Step,
    urgency: Urgency,
    category: Category | None,
    starts: tuple[datetime, datetime],
    pauses: list[Pause],
) -> None:
    if step is Step.SURVEY:
        pauses = []
    early, late = (
        plan(step, start, calendar=CALENDAR, urgency=urgency, category=category, pauses=pauses)
        for start in sorted(starts)
    )
    assert early.due <= late.due
    for clock in (early, late):
        moments = [
            clock.start,
            *(alarm.at for alarm in clock.remind_at),
            clock.due,
            *(alarm.at for alarm in clock.escalate_at),
        ]
        assert moments == sorted(moments)
        assert clock.rests_on.is_provisional is (clock.rests_on.last >= date(2026, 12, 25))
        assert not any(pause.start <= alarm.at < pause.end for pause in pauses for alarm in clock.remind_at)


def test_only_the_telling_moved_says_so() -> None:
    told = (*DEFAULT_RULES.prompts, Prompt(Step.ASSESS, Urgency.NORMAL, Allowance(hours=1), Recipient.HEAD))
    old, new = (
        plan(Step.ASSESS, china("2026-11-02T10:00"), calendar=CALENDAR, rules=rules)
        for rules in (DEFAULT_RULES, replace(DEFAULT_RULES, prompts=told))
    )
    assert explain_change(old, new) == "评估时限不变，仍为2026-11-03 17:30：提醒和督办的时间有变化。"


def test_a_closure_that_is_taken_back_is_named() -> None:
    shut = replace(CALENDAR, closures=(Closure.of_days(date(2026, 10, 9), date(2026, 10, 9), "台风"),))
    assert explain_change(survey(shut), survey(CALENDAR)).endswith("：服务站停办安排有变化（已取消：台风）。")


def test_a_survey_that_was_promised_sooner_stays_so() -> None:
    found = plan(Step.SURVEY, china("2026-11-02T10:00"), calendar=CALENDAR, agreed=Allowance(days=2))
    assert found.due == china("2026-11-04T17:30")
