"""The clocks of a ticket: by when each step is due, whom to remind before and whom to tell after.

All offsets and allowances are working time of the station's calendar; the rules are rows that an operator may edit.
A ticket that waits for the enterprise has no running clock: integration drops its timers when the waiting begins and
plans anew, with the pause, when it ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import product

from bot.core.calendar import Basis, Closure, DayKind, Moment, WorkCalendar
from bot.core.times import CHINA, china_date, china_text
from bot.errors import SettingsError
from intents.categories import Category
from intents.quantities import Urgency

SURVEY_LIMIT = 5  # working days after the service ended (S 9.2.1): a rule may be shorter, never longer


class Step(StrEnum):
    """A step that has a clock of its own (Annex A)."""

    ASSESS = "assess"  # registered -> assessed
    ACCEPT = "accept"  # referred -> the provider's answer (respond_by)
    FIRST_CONTACT = "first-contact"  # accepted -> the provider has spoken to the enterprise
    SERVICE = "service"  # accepted -> finished (service period)
    SURVEY = "survey"  # finished -> the enterprise has been asked

    @property
    def label(self) -> str:
        """How the step's deadline is named to people."""
        return _LABELS[self]


_LABELS = {
    Step.ASSESS: "需求评估时限",
    Step.ACCEPT: "需求反馈时限",
    Step.FIRST_CONTACT: "首次联系时限",
    Step.SERVICE: "服务周期",
    Step.SURVEY: "满意度评价时限",
}


class Recipient(StrEnum):
    """Who is reminded or told."""

    PROVIDER = "provider"
    STAFF = "staff"
    SPECIALIST = "specialist"
    HEAD = "head"
    COORDINATOR = "coordinator"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whole working days or working hours; SettingsError when both are given, one is below zero or beyond two years."""

    days: int = 0
    hours: float = 0.0

    def __post_init__(self) -> None:
        if (self.days and self.hours) or not (0 <= self.days <= 500 and 0 <= self.hours <= 4000):
            raise SettingsError("clock-allowance", "时限请填500以内的工作日，或4000以内的工作小时。")

    @property
    def label(self) -> str:
        """How it is written for people."""
        return f"{self.days}个工作日" if self.days else f"{self.hours:g}个工作小时"

    def __bool__(self) -> bool:
        return bool(self.days or self.hours)


@dataclass(frozen=True, slots=True)
class Pause:
    """The ticket waited for the enterprise from `start` up to `end` (aware); it may not end before it begins."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("a pause ends after it begins")


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a step may take; a rule for a category goes before the one for all (None)."""

    step: Step
    urgency: Urgency
    allowance: Allowance
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Whom to remind before the due moment, or to tell after it; an escalation without offset comes at once.

    Hours before are working hours up to the due moment; n days before is the opening of the n-th working day before it.
    """

    step: Step
    urgency: Urgency
    offset: Allowance
    to: Recipient
    is_escalation: bool = False

    def __post_init__(self) -> None:
        if not self.offset and not self.is_escalation:
            raise SettingsError("clock-prompt", "提醒须早于时限，请填写提前的时间。")


@dataclass(frozen=True, slots=True)
class Rules:
    """The table of all rules; SettingsError names what is double, missing, empty or against S 9.2.1."""

    rules: tuple[Rule, ...]
    prompts: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        keys = [(rule.step, rule.urgency, rule.category) for rule in self.rules]
        if len(set(keys)) < len(keys):
            raise SettingsError("clock-rules", "同一环节、紧急程度和服务类别只能有一条时限。")
        for step, urgency in product(Step, Urgency):
            if (step, urgency, None) not in keys:
                raise SettingsError("clock-rules", f"缺少{step.label}（{urgency.value}）的通用规则。")
        for rule in self.rules:
            if not rule.allowance:
                raise SettingsError("clock-rules", f"{rule.step.label}须大于零。")
            if rule.step is Step.SURVEY and not 1 <= rule.allowance.days <= SURVEY_LIMIT:
                raise SettingsError("clock-survey", "满意度评价须在服务结束后1至5个工作日内提请。")

    def allowance(self, step: Step, *, urgency: Urgency, category: Category | None = None) -> Allowance:
        """What the step may take: by the category's own rule, else by the one for all."""
        found = {
            rule.category: rule.allowance
            for rule in self.rules
            if (rule.step, rule.urgency) == (step, urgency)
        }
        return found.get(category) or found[None]


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
    rules: Rules | None = None,
    urgency: Urgency = Urgency.NORMAL,
    category: Category | None = None,
    pauses: Iterable[Pause] = (),
    agreed: Allowance | None = None,
) -> Clock:
    """The clock of a step that began (or, for the survey, whose service ended) at `start`.

    `agreed` replaces the rule's allowance: a service period from the need form, or an extension that was granted.
    Reminders that would come before the start are left out; one that would fall into a pause waits for its end.
    The survey takes neither (ValueError): its five days are prescribed and nobody waits for the enterprise (S 9.2.1).
    """
    table = rules or DEFAULT_RULES
    stopped = tuple(pauses)
    if step is Step.SURVEY and (agreed or stopped):
        raise ValueError("the survey has no agreed allowance and no pauses")
    allowance = agreed or table.allowance(step, urgency=urgency, category=category)
    due = deadline(calendar, start, allowance, stopped)
    remind: list[Alarm] = []
    escalate: list[Alarm] = []
    for prompt in table.prompts:
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
        told = "、".join(f"{day.month}月{day.day}日改为{now}" for day, now in moved.items())
        reasons.append(f"{source}，{told}")
    closed = [_closures(one.rests_on, until=min(old.due, new.due)) for one in (old, new)]
    if closed[0] != closed[1]:
        named = "、".join(one.reason for one in closed[1] if one.reason)
        reasons.append("服务站停办安排有变化" + (f"（{named}）" if named else ""))
    if not reasons and old.due != new.due:
        reasons.append("服务站开放时间有变化")
    if not reasons:
        settled = [f"{year}年" for year in old.rests_on.provisional if year not in new.rests_on.provisional]
        reasons.append("、".join(settled) + "放假安排已录入" if settled else "计算依据没有影响结果的变化")
    return "；".join(reasons)


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


def _days(number: int) -> Allowance:
    return Allowance(days=number)


def _hours(number: float) -> Allowance:
    return Allowance(hours=number)


# Defaults for the editable table, in the order normal, urgent, green. Only the survey's five days are prescribed
# (S 9.2.1); all others are starting values for an operator to set after the station's own promises.
_FOR_ALL = {
    Step.ASSESS: (_days(1), _hours(4), _hours(2)),
    Step.ACCEPT: (_days(2), _hours(4), _hours(2)),
    Step.FIRST_CONTACT: (_days(1), _hours(4), _hours(2)),
    Step.SERVICE: (_days(10), _days(5), _days(3)),
    Step.SURVEY: (_days(5), _days(5), _days(5)),
}
_SERVICE = {
    Category.POLICY: (_days(3), _days(2), _days(1)),
    Category.CERTIFICATION: (_days(20), _days(10), _days(5)),
    Category.STANDARDIZATION: (_days(20), _days(10), _days(5)),
    Category.QUALITY_MANAGEMENT: (_days(20), _days(10), _days(5)),
    Category.IP: (_days(20), _days(10), _days(5)),
    Category.BRAND: (_days(20), _days(10), _days(5)),
    Category.TRAINING: (_days(15), _days(8), _days(5)),
}
# Per step: reminders (offset before, in the same order, and whom), then escalations (offset after, and whom).
_REMIND = {
    Step.ASSESS: ((_hours(4), _hours(1), _hours(1)), Recipient.STAFF),
    Step.ACCEPT: ((_hours(4), _hours(1), _hours(1)), Recipient.PROVIDER),
    Step.FIRST_CONTACT: ((_hours(4), _hours(1), _hours(1)), Recipient.PROVIDER),
    Step.SERVICE: ((_days(2), _days(1), _hours(4)), Recipient.PROVIDER),
    Step.SURVEY: ((_days(1), _days(1), _days(1)), Recipient.STAFF),
}
_ESCALATE = {
    Step.ASSESS: (((_hours(2), _hours(1), _hours(0)), Recipient.HEAD),),
    Step.ACCEPT: (
        ((_hours(0), _hours(0), _hours(0)), Recipient.STAFF),
        ((_days(1), _hours(4), _hours(1)), Recipient.HEAD),
    ),
    Step.FIRST_CONTACT: (
        ((_hours(0), _hours(0), _hours(0)), Recipient.SPECIALIST),
        ((_days(1), _hours(4), _hours(1)), Recipient.HEAD),
    ),
    Step.SERVICE: (
        ((_hours(0), _hours(0), _hours(0)), Recipient.SPECIALIST),
        ((_days(1), _hours(4), _hours(2)), Recipient.HEAD),
        ((_days(5), _days(3), _days(1)), Recipient.COORDINATOR),
    ),
    Step.SURVEY: (((_hours(0), _hours(0), _hours(0)), Recipient.HEAD),),
}

DEFAULT_RULES = Rules(
    rules=(
        *(
            Rule(step, urgency, allowance)
            for step, row in _FOR_ALL.items()
            for urgency, allowance in zip(Urgency, row, strict=True)
        ),
        *(
            Rule(Step.SERVICE, urgency, allowance, category)
            for category, row in _SERVICE.items()
            for urgency, allowance in zip(Urgency, row, strict=True)
        ),
    ),
    prompts=(
        *(
            Prompt(step, urgency, offset, to)
            for step, (row, to) in _REMIND.items()
            for urgency, offset in zip(Urgency, row, strict=True)
        ),
        *(
            Prompt(step, urgency, offset, to, is_escalation=True)
            for step, told in _ESCALATE.items()
            for row, to in told
            for urgency, offset in zip(Urgency, row, strict=True)
        ),
    ),
)
