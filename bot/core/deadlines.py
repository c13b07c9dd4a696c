"""The clocks of a ticket: by when each step is due, whom to remind before and whom to tell after.

All offsets and allowances are working time of the station's calendar; the rules are a table that an operator edits.
A ticket that waits for the enterprise has no running clock: integration drops its timers when the waiting begins and
plans anew, with the pause, when it ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import product

from bot.core.calendar import Basis, Closure, DayKind, Moment, WorkCalendar
from bot.core.deadline_rules import DEFAULT_RULES, SURVEY_LIMIT, Allowance, Recipient, Rules, Step
from bot.core.times import CHINA, china_date, china_text
from bot.core.wording import say
from intents.categories import Category
from intents.quantities import Urgency

__all__ = [
    "Alarm",
    "Allowance",
    "Clock",
    "Pause",
    "Recipient",
    "Step",
    "Urgency",
    "deadline",
    "explain_change",
    "explain_rules",
    "plan",
]


@dataclass(frozen=True, slots=True)
class Pause:
    """The ticket waited for the enterprise from `start` up to `end` (aware); it may not end before it begins."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("a pause ends after it begins")


@dataclass(frozen=True, slots=True)
class Alarm:
    """At `at` (UTC) somebody is to be told; what the moment rests on beyond the due one stands with it."""

    at: datetime
    to: Recipient
    rests_on: Basis


@dataclass(frozen=True, slots=True)
class Clock:
    """One step's deadline with its alarms, in order (UTC), and all that it was computed from."""

    step: Step
    start: datetime
    allowance: Allowance
    pauses: tuple[Pause, ...]
    due: datetime
    remind_at: tuple[Alarm, ...]
    escalate_at: tuple[Alarm, ...]
    rests_on: Basis


def deadline(
    calendar: WorkCalendar, start: datetime, allowance: Allowance, pauses: Iterable[Pause] = ()
) -> Moment:
    """When the allowance is used up, not counting the working time of the pauses.

    Days: the end of the n-th working day after the China date of `start`, moved on by the working time that was paused
    from the day after `start`. Hours: the moment when they have passed outside the pauses. Pauses may overlap.
    """
    runs_from = start
    if allowance.days:
        runs_from = datetime.combine(china_date(start) + timedelta(days=1), time(), CHINA)
        due = calendar.add_working_days(start, allowance.days).at
    else:
        due = calendar.add_working_time(start, allowance.hours).at
    counted = runs_from
    for pause in sorted(pauses, key=lambda one: one.start):
        begin = max(pause.start, counted)
        if begin < due and begin < pause.end:
            paused = calendar.working_time_between(begin, pause.end).time
            due = calendar.later(due, paused).at if paused else due
            counted = pause.end
    return Moment(due, calendar.basis(start, due))


def plan(
    step: Step,
    start: datetime,
    *,
    calendar: WorkCalendar,
    rules: Rules = DEFAULT_RULES,
    urgency: Urgency = Urgency.NORMAL,
    category: Category | None = None,
    pauses: Iterable[Pause] = (),
    agreed: Allowance | None = None,
) -> Clock:
    """The clock of a step that began (or, for the survey, whose service ended) at `start`.

    `agreed` replaces the rule's allowance: a service period from the need form, or an extension that was granted.
    Reminders that would come before the start are left out; one that would fall into a pause waits for its end.
    The survey takes no pauses and at most five days (ValueError): these are prescribed, and nobody waits for the
    enterprise (S 9.2.1).
    """
    stopped = tuple(pauses)
    if step is Step.SURVEY and (stopped or (agreed and not 1 <= agreed.days <= SURVEY_LIMIT)):
        raise ValueError("the survey has no pauses and at most five days")
    allowance = agreed or rules.allowance(step, urgency=urgency, category=category)
    due = deadline(calendar, start, allowance, stopped)
    remind: list[Alarm] = []
    escalate: list[Alarm] = []
    for prompt in rules.prompts:
        if (prompt.step, prompt.urgency) != (step, urgency):
            continue
        if prompt.is_escalation:
            after = _after(calendar, due.at, prompt.offset)
            escalate.append(Alarm(after, prompt.to, calendar.basis(start, after)))
            continue
        before = _outside(calendar, _before(calendar, due.at, prompt.offset), stopped)
        if start < before < due.at:
            remind.append(Alarm(before, prompt.to, calendar.basis(start, before)))
    return Clock(
        step, start, allowance, stopped, due.at, _in_order(remind), _in_order(escalate), due.rests_on
    )


def explain_change(old: Clock, new: Clock) -> str:
    """One sentence: from when to when a deadline was moved, and why; for the ticket's history and the log."""
    if old.due == new.due:
        return f"{new.step.label}不变，仍为{china_text(new.due)}：{_reason(old, new)}。"
    return f"{new.step.label}由{china_text(old.due)}调整为{china_text(new.due)}：{_reason(old, new)}。"


def explain_rules(before: Rules, after: Rules) -> list[str]:
    """What a change of the table changes, a line each with what stood there before; for the page and the audit."""
    old, new = ({rule.key: rule.allowance.label for rule in one.rules} for one in (before, after))
    lines = []
    for step, urgency, category in {**old, **new}:
        was, now = (one.get((step, urgency, category), "按通用规则") for one in (old, new))
        if was != now:
            named = "，".join((say(f"urgency.{urgency}"), *([category.label] if category else [])))
            lines.append(f"{step.label}（{named}）：{was} → {now}")
    for step, urgency in product(Step, Urgency):
        was, now = (
            "、".join(prompt.label for prompt in one.prompts_of(step) if prompt.urgency is urgency) or "无"
            for one in (before, after)
        )
        if was != now:
            lines.append(f"{step.label}的提醒和督办（{say(f'urgency.{urgency}')}）：{was} → {now}")
    return lines


def _reason(old: Clock, new: Clock) -> str:
    reasons: list[str] = []
    if old.start != new.start:
        reasons.append(f"起算时间改为{china_text(new.start)}")
    if old.allowance != new.allowance:
        reasons.append(f"时限由{old.allowance.label}改为{new.allowance.label}")
    if old.pauses != new.pauses:
        reasons.append("等待服务对象的时间不计入时限")
    if moved := _changed_days(old.rests_on, new.rests_on):
        source = _sources(new.rests_on, {day.year + reach for day in moved for reach in (0, day.month == 12)})
        days = "、".join(f"{day.month}月{day.day}日改为{kind}" for day, kind in moved.items())
        reasons.append(f"{source}，{days}")
    was, now = (_closures(one.rests_on, until=min(old.due, new.due)) for one in (old, new))
    if was != now:
        told = [one.reason for one in now if one.reason and one not in was]
        told += [f"已取消：{one.reason}" for one in was if one.reason and one not in now]
        reasons.append("服务站停办安排有变化" + (f"（{'、'.join(told)}）" if told else ""))
    if not reasons and old.due != new.due:
        reasons.append("服务站开放时间有变化")
    if not reasons and _told(old) != _told(new):
        reasons.append("提醒和督办的时间有变化")
    if not reasons:
        settled = [f"{year}年" for year in old.rests_on.provisional if year not in new.rests_on.provisional]
        reasons.append("、".join(settled) + "放假安排已录入" if settled else "计算依据没有影响结果的变化")
    return "；".join(reasons)


def _told(clock: Clock) -> list[tuple[str, datetime, Recipient]]:
    return [
        *(("remind", alarm.at, alarm.to) for alarm in clock.remind_at),
        *(("escalate", alarm.at, alarm.to) for alarm in clock.escalate_at),
    ]


def _changed_days(old: Basis, new: Basis) -> dict[date, str]:
    """The days that both counts passed and that only one of them took for working days, and what they are now."""
    first, last = max(old.first, new.first), min(old.last, new.last)
    before, after = ({one.day: one.kind for one in basis.special} for basis in (old, new))
    told: dict[date, str] = {}
    for day in sorted(before.keys() | after.keys()):
        ordinary = DayKind.WORK if day.weekday() < 5 else DayKind.OFF
        was, now = before.get(day, ordinary), after.get(day, ordinary)
        if first <= day <= last and was is not now:
            told[day] = "上班" if now is DayKind.WORK else "放假"
    return told


def _sources(new: Basis, years: set[int]) -> str:
    titles = [title for year, title in new.notices if year in years]
    return "依据" + "、".join(titles) if titles else "放假安排已撤下，暂按周末和法定节假日推算"


def _closures(basis: Basis, *, until: datetime) -> list[Closure]:
    return [closure for closure in basis.closures if closure.start < until]


def _before(calendar: WorkCalendar, due: datetime, offset: Allowance) -> datetime:
    if offset.days:
        return calendar.days_before(due, offset.days).at
    return calendar.earlier(due, timedelta(hours=offset.hours)).at


def _after(calendar: WorkCalendar, due: datetime, offset: Allowance) -> datetime:
    if offset.days:
        return calendar.add_working_days(due, offset.days).at
    return calendar.add_working_time(due, offset.hours).at if offset.hours else due


def _outside(calendar: WorkCalendar, moment: datetime, pauses: Iterable[Pause]) -> datetime:
    for pause in sorted(pauses, key=lambda one: one.start):
        if pause.start <= moment < pause.end:
            moment = calendar.next_opening(pause.end).at
    return moment


def _in_order(alarms: Iterable[Alarm]) -> tuple[Alarm, ...]:
    return tuple(sorted(alarms, key=lambda alarm: (alarm.at, alarm.to)))
