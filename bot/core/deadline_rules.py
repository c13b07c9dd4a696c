"""How long each step may take, whom to remind before and whom to tell after: the table that an operator edits.

What is stored is only what differs from the defaults, so that a step that an upgrade brings has its rule at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, TypeVar

from bot.core.wording import say
from bot.errors import SettingsError
from intents.categories import Category
from intents.quantities import Urgency

SURVEY_LIMIT = 5  # working days after the service ended (S 9.2.1): a rule may be shorter, never longer
MOST_PROMPTS = 8  # of one step and urgency: each is a timer of every ticket
_Member = TypeVar("_Member", bound=StrEnum)


class Step(StrEnum):
    """A step that has a clock of its own: what must have happened in time (Annex A; complaints: GB/T 19012-2019, 7)."""

    ASSESS = "assess"  # registered -> assessed (S 8.3.1; complaints 7.5)
    MATCH = "match"  # assessed or rejected -> kept in house or referred (S 8.3.4)
    ACCEPT = "accept"  # referred -> the provider's answer
    FIRST_CONTACT = "first-contact"  # accepted -> the provider has spoken to the enterprise
    SERVICE = "service"  # accepted -> finished (the service period of Annex B)
    SURVEY = "survey"  # finished -> the enterprise has been asked (S 9.2.1)
    REVIEW = "review"  # rated -> reviewed and filed (S 7.5)
    ACKNOWLEDGE = "acknowledge"  # complaint or suggestion registered -> acknowledged (7.4)
    INVESTIGATE = "investigate"  # 7.6
    RESPOND = "respond"  # 7.7 and 7.8
    OBJECT = "object"  # time for the complainant before closing (7.9)
    ANSWER = "answer"  # suggestion acknowledged -> answered

    @property
    def label(self) -> str:
        """How the step's deadline is named to people."""
        return _LABELS[self]


_LABELS = {
    Step.ASSESS: "评估时限",
    Step.MATCH: "对接时限",
    Step.ACCEPT: "机构答复时限",
    Step.FIRST_CONTACT: "首次联系时限",
    Step.SERVICE: "服务周期",
    Step.SURVEY: "满意度评价时限",
    Step.REVIEW: "审核归档时限",
    Step.ACKNOWLEDGE: "受理时限",
    Step.INVESTIGATE: "调查时限",
    Step.RESPOND: "处理意见时限",
    Step.OBJECT: "投诉人异议期限",
    Step.ANSWER: "建议答复时限",
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


Key = tuple[Step, Urgency, Category | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a step may take; a rule for a category goes before the one for all (None)."""

    step: Step
    urgency: Urgency
    allowance: Allowance
    category: Category | None = None

    @property
    def key(self) -> Key:
        """What it is the rule of: a table has one of each."""
        return self.step, self.urgency, self.category


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

    @property
    def label(self) -> str:
        """How it is written for people."""
        role = say(f"role.{self.to}")
        if not self.is_escalation:
            return f"提前{self.offset.label}提醒{role}"
        return f"超期{self.offset.label}告知{role}" if self.offset else f"到期即告知{role}"


@dataclass(frozen=True, slots=True)
class Rules:
    """The table, in the order of its steps; SettingsError names what is double, missing, empty or against S 9.2.1."""

    rules: tuple[Rule, ...]
    prompts: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        keys = {rule.key for rule in self.rules}
        if len(keys) < len(self.rules):
            raise SettingsError("clock-rules", "同一环节、紧急程度和服务类别只能有一条时限。")
        for step, urgency in product(Step, Urgency):
            if (step, urgency, None) not in keys:
                raise SettingsError(
                    "clock-rules", f"缺少{step.label}（{say(f'urgency.{urgency}')}）的通用规则。"
                )
            self._check_prompts(step, urgency)
        for rule in self.rules:
            if not rule.allowance:
                raise SettingsError("clock-rules", f"{rule.step.label}须大于零。")
            if rule.step is Step.SURVEY and not 1 <= rule.allowance.days <= SURVEY_LIMIT:
                raise SettingsError("clock-survey", "满意度评价须在服务结束后1至5个工作日内提请。")
        # In one order, so that two tables that say the same are equal.
        object.__setattr__(self, "rules", tuple(sorted(self.rules, key=_place_of_rule)))
        object.__setattr__(self, "prompts", tuple(sorted(self.prompts, key=_place_of_prompt)))

    def _check_prompts(self, step: Step, urgency: Urgency) -> None:
        found = [one for one in self.prompts if (one.step, one.urgency) == (step, urgency)]
        if len(set(found)) < len(found):
            raise SettingsError("clock-prompt", f"{step.label}有两条相同的提醒或督办，请删去一条。")
        if len(found) > MOST_PROMPTS:
            raise SettingsError("clock-prompt", f"{step.label}的提醒和督办最多{MOST_PROMPTS}条。")

    @classmethod
    def from_json(cls, changes: object) -> "Rules":
        """The defaults with these changes, as `to_json` gives them; SettingsError says what is wrong with them."""
        given = _mapping(changes, {"rules", "prompts"})
        table = {rule.key: rule for rule in DEFAULT_RULES.rules}
        changed = [_read_rule(one) for one in _items(given.get("rules", []))]
        if len({key for key, _ in changed}) < len(changed):
            raise SettingsError("clock-rules", "同一环节、紧急程度和服务类别只能有一条时限。")
        for key, allowance in changed:
            table.pop(key, None)
            if allowance is not None:
                table[key] = Rule(key[0], key[1], allowance, key[2])
        told = given.get("prompts", {})
        replaced = _mapping(told, set(Step))
        kept = [one for one in DEFAULT_RULES.prompts if one.step not in replaced]
        read = [_read_prompt(Step(step), one) for step, some in replaced.items() for one in _items(some)]
        return cls(tuple(table.values()), (*kept, *read))

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults: single rules (without time: removed), and all prompts of a step."""
        here, usual = ({rule.key: rule.allowance for rule in one.rules} for one in (self, DEFAULT_RULES))
        changed = [key for key in {**usual, **here} if here.get(key) != usual.get(key)]
        steps = [step for step in Step if self.prompts_of(step) != DEFAULT_RULES.prompts_of(step)]
        found: dict[str, Any] = {}
        if changed:
            found["rules"] = [_written_rule(key, here.get(key)) for key in changed]
        if steps:
            found["prompts"] = {
                step.value: [_written_prompt(one) for one in self.prompts_of(step)] for step in steps
            }
        return found

    def prompts_of(self, step: Step) -> tuple[Prompt, ...]:
        """The reminders and escalations of a step."""
        return tuple(prompt for prompt in self.prompts if prompt.step is step)

    def allowance(self, step: Step, *, urgency: Urgency, category: Category | None = None) -> Allowance:
        """What the step may take: by the category's own rule, else by the one for all."""
        found = {
            rule.category: rule.allowance
            for rule in self.rules
            if (rule.step, rule.urgency) == (step, urgency)
        }
        return found.get(category) or found[None]


_PLACES = {
    member: number for kind in (Step, Urgency, Category, Recipient) for number, member in enumerate(kind)
}


def _place_of_rule(rule: Rule) -> tuple[int, int, int]:
    place = _PLACES[rule.category] if rule.category else -1
    return _PLACES[rule.step], place, _PLACES[rule.urgency]


def _place_of_prompt(prompt: Prompt) -> tuple[int, int, bool, int, int, float]:
    offset = prompt.offset
    return (
        _PLACES[prompt.step],
        _PLACES[prompt.urgency],
        prompt.is_escalation,
        _PLACES[prompt.to],
        offset.days,
        offset.hours,
    )


# --- as JSON ---


def _read_rule(given: object) -> tuple[Key, Allowance | None]:
    one = _mapping(given, {"step", "urgency", "category", "days", "hours"})
    category = _member(Category, one["category"], "服务类别") if "category" in one else None
    key = _member(Step, one.get("step"), "环节"), _member(Urgency, one.get("urgency"), "紧急程度"), category
    return key, _read_allowance(one) if one.keys() & {"days", "hours"} else None


def _read_prompt(step: Step, given: object) -> Prompt:
    one = _mapping(given, {"urgency", "to", "is_escalation", "days", "hours"})
    is_escalation = one.get("is_escalation", False)
    if not isinstance(is_escalation, bool):
        raise SettingsError("clock-rules", "时限设置有误：is_escalation 请填 true 或 false。")
    return Prompt(
        step,
        _member(Urgency, one.get("urgency"), "紧急程度"),
        _read_allowance(one),
        _member(Recipient, one.get("to"), "告知对象"),
        is_escalation,
    )


def _read_allowance(one: Mapping[str, Any]) -> Allowance:
    days, hours = one.get("days", 0), one.get("hours", 0.0)
    if type(days) is not int or type(hours) not in (int, float):
        raise SettingsError("clock-rules", "时限设置有误：days 请填整数，hours 请填数字。")
    return Allowance(days, hours)


def _written_rule(key: Key, allowance: Allowance | None) -> dict[str, Any]:
    step, urgency, category = key
    part = {"category": category.value} if category else {}
    return {"step": step.value, "urgency": urgency.value, **part, **_written_allowance(allowance)}


def _written_prompt(prompt: Prompt) -> dict[str, Any]:
    words = {"urgency": prompt.urgency.value, "to": prompt.to.value, "is_escalation": prompt.is_escalation}
    return {**words, **_written_allowance(prompt.offset)}


def _written_allowance(allowance: Allowance | None) -> dict[str, Any]:
    if allowance is None:
        return {}
    return {"days": allowance.days} if allowance.days else {"hours": allowance.hours}


def _mapping(given: object, known: set[str] | set[Step]) -> dict[str, Any]:
    if not isinstance(given, dict) or not given.keys() <= known:
        raise SettingsError("clock-rules", f"时限设置有误：应为只含 {'、'.join(sorted(known))} 的对象。")
    return given


def _items(given: object) -> list[Any]:
    if not isinstance(given, list):
        raise SettingsError("clock-rules", "时限设置有误：应为列表。")
    return given


def _member(kind: type[_Member], given: object, named: str) -> _Member:
    if not isinstance(given, str) or given not in set(kind):
        raise SettingsError("clock-rules", f"时限设置有误：没有这样的{named}。")
    return kind(given)


def _days(number: int) -> Allowance:
    return Allowance(days=number)


def _hours(number: float) -> Allowance:
    return Allowance(hours=number)


# Defaults for the editable table, in the order normal, urgent, green. Only the survey's five days are prescribed
# (S 9.2.1); all others are starting values for an operator to set after the station's own promises.
_FOR_ALL = {
    Step.ASSESS: (_days(1), _hours(4), _hours(2)),
    Step.MATCH: (_days(2), _hours(4), _hours(2)),
    Step.ACCEPT: (_days(2), _hours(4), _hours(2)),
    Step.FIRST_CONTACT: (_days(1), _hours(4), _hours(2)),
    Step.SERVICE: (_days(10), _days(5), _days(3)),
    Step.SURVEY: (_days(5), _days(5), _days(5)),
    Step.REVIEW: (_days(10), _days(10), _days(10)),
    Step.ACKNOWLEDGE: (_days(1), _hours(4), _hours(2)),
    Step.INVESTIGATE: (_days(10), _days(5), _days(3)),
    Step.RESPOND: (_days(5), _days(3), _days(1)),
    Step.OBJECT: (_days(10), _days(10), _days(10)),
    Step.ANSWER: (_days(15), _days(10), _days(5)),
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
    Step.MATCH: ((_hours(4), _hours(1), _hours(1)), Recipient.STAFF),
    Step.REVIEW: ((_days(1), _days(1), _days(1)), Recipient.STAFF),
    Step.ACKNOWLEDGE: ((_hours(2), _hours(1), _hours(1)), Recipient.STAFF),
    Step.INVESTIGATE: ((_days(2), _days(1), _days(1)), Recipient.STAFF),
    Step.RESPOND: ((_days(1), _days(1), _hours(4)), Recipient.STAFF),
    Step.OBJECT: ((_days(2), _days(2), _days(2)), Recipient.STAFF),
    Step.ANSWER: ((_days(2), _days(1), _days(1)), Recipient.STAFF),
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
    Step.MATCH: (((_hours(2), _hours(1), _hours(0)), Recipient.HEAD),),
    Step.REVIEW: (((_days(1), _days(1), _days(1)), Recipient.HEAD),),
    Step.ACKNOWLEDGE: (((_hours(2), _hours(1), _hours(0)), Recipient.HEAD),),
    Step.INVESTIGATE: (((_hours(0), _hours(0), _hours(0)), Recipient.HEAD),),
    Step.RESPOND: (((_hours(0), _hours(0), _hours(0)), Recipient.HEAD),),
    Step.OBJECT: (((_hours(0), _hours(0), _hours(0)), Recipient.STAFF),),
    Step.ANSWER: (((_days(1), _days(1), _days(1)), Recipient.HEAD),),
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
