"""The table of rules as JSON: what differs from the defaults comes back as it was, and nothing else gets in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.deadline_rules import (
    DEFAULT_RULES,
    MOST_PROMPTS,
    SURVEY_LIMIT,
    Allowance,
    Prompt,
    Recipient,
    Rule,
    Rules,
    Step,
)
from bot.core.deadlines import explain_rules
from bot.errors import SettingsError
from intents.categories import Category
from intents.quantities import Urgency

ALLOWANCES = st.one_of(
    st.integers(1, 500).map(lambda days: Allowance(days=days)),
    st.floats(0.01, 4000).map(lambda hours: Allowance(hours=hours)),
)
OF_SURVEYS = st.integers(1, SURVEY_LIMIT).map(lambda days: Allowance(days=days))
KEYS = st.tuples(st.sampled_from(Step), st.sampled_from(Urgency), st.sampled_from([None, *Category]))
PROMPTS = st.builds(
    Prompt,
    st.sampled_from(Step),
    st.sampled_from(Urgency),
    ALLOWANCES,
    st.sampled_from(Recipient),
    st.booleans(),
)


@st.composite
def tables(draw: st.DrawFn) -> Rules:
    """The defaults with some rules changed, added and taken out, and with other prompts for some steps."""
    rules = {rule.key: rule for rule in DEFAULT_RULES.rules}
    for key in draw(st.lists(KEYS, max_size=8)):
        step, urgency, category = key
        allowance = draw(OF_SURVEYS if step is Step.SURVEY else ALLOWANCES)
        rules[key] = Rule(step, urgency, allowance, category)
    for key in draw(st.lists(KEYS, max_size=8)):
        if key[2] is not None:
            rules.pop(key, None)
    told = draw(st.lists(PROMPTS, max_size=MOST_PROMPTS, unique=True))
    steps = {prompt.step for prompt in told} | draw(st.sets(st.sampled_from(Step), max_size=2))
    kept = [prompt for prompt in DEFAULT_RULES.prompts if prompt.step not in steps]
    return Rules(tuple(rules.values()), (*kept, *told))


@given(tables())
def test_what_is_stored_comes_back_as_it_was(table: Rules) -> None:
    stored = json.loads(json.dumps(table.to_json()))
    assert Rules.from_json(stored) == table
    assert bool(stored) is (table != DEFAULT_RULES)
    assert bool(explain_rules(DEFAULT_RULES, table)) is (table != DEFAULT_RULES)


def test_the_defaults_need_no_line_and_an_order_of_rules_means_nothing() -> None:
    assert DEFAULT_RULES.to_json() == {}
    assert Rules.from_json({}) == DEFAULT_RULES
    assert Rules(DEFAULT_RULES.rules[::-1], DEFAULT_RULES.prompts[::-1]) == DEFAULT_RULES


WORDS = st.sampled_from(
    [
        *("rules", "prompts", "step", "urgency", "category", "days", "hours", "to", "is_escalation"),
        *(*Step, *Urgency, *Category, *Recipient),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
HOSTILE = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=20,
)
RULE = st.fixed_dictionaries(
    {"step": WORDS, "urgency": st.sampled_from(Urgency) | LEAVES},
    optional={"category": WORDS | LEAVES, "days": LEAVES, "hours": LEAVES},
)


@given(
    HOSTILE | st.fixed_dictionaries({}, optional={"rules": st.lists(RULE, max_size=3), "prompts": HOSTILE})
)
def test_whatever_is_stored_is_a_table_or_is_refused_in_words(changes: object) -> None:
    said = "。"
    try:
        found = Rules.from_json(changes)
    except SettingsError as refusal:
        said = refusal.message
    else:
        assert Rules.from_json(found.to_json()) == found
    assert said.endswith("。")


def rule(**changes: Any) -> dict[str, Any]:
    return {"rules": [{"step": "assess", "urgency": "normal", "days": 2, **changes}]}


def prompt(**changes: Any) -> dict[str, Any]:
    one = {"urgency": "normal", "to": "staff", "hours": 2, "is_escalation": False, **changes}
    return {"prompts": {"assess": [one]}}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ([], "应为只含"),
        ({"rule": []}, "应为只含 prompts、rules"),
        ({"rules": {}}, "应为列表"),
        ({"rules": ["assess"]}, "应为只含"),
        (rule(step="asses"), "没有这样的环节"),
        (rule(step=None), "没有这样的环节"),
        (rule(urgency="soon"), "没有这样的紧急程度"),
        (rule(category=""), "没有这样的服务类别"),
        (rule(days=True), "days 请填整数"),
        (rule(days=1.5), "days 请填整数"),
        (rule(days="2"), "days 请填整数"),
        (rule(hours=4), "500以内的工作日"),
        (rule(days=-1), "500以内的工作日"),
        (rule(days=10**400), "500以内的工作日"),
        (rule(days=0, hours=float("nan")), "4000以内的工作小时"),
        (rule(days=0, hours=float("inf")), "4000以内的工作小时"),
        (rule(days=0), "评估时限须大于零"),
        ({"rules": [{"step": "assess", "urgency": "normal"}]}, "缺少评估时限（一般）"),
        ({"rules": rule()["rules"] * 2}, "只能有一条"),
        (rule(step="survey", days=6), "1至5个工作日"),
        (rule(step="survey", category="ip", days=0, hours=4), "1至5个工作日"),
        ({"prompts": []}, "应为只含"),
        ({"prompts": {"asses": []}}, "应为只含"),
        ({"prompts": {"assess": {}}}, "应为列表"),
        (prompt(to="boss"), "没有这样的告知对象"),
        (prompt(is_escalation=1), "true 或 false"),
        (prompt(hours=0), "提醒须早于时限"),
        (prompt(hours="2"), "hours 请填数字"),
        ({"prompts": {"assess": prompt()["prompts"]["assess"] * 2}}, "两条相同"),
        (
            {"prompts": {"assess": [prompt(hours=n + 1)["prompts"]["assess"][0] for n in range(9)]}},
            "最多8条",
        ),
    ],
)
def test_what_is_wrong_is_said(changes: object, named: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Rules.from_json(changes)
    assert named in refused.value.message


def test_a_category_without_its_rule_follows_the_one_for_all() -> None:
    table = Rules.from_json({"rules": [{"step": "service", "urgency": "normal", "category": "policy"}]})
    found = table.allowance(Step.SERVICE, urgency=Urgency.NORMAL, category=Category.POLICY)
    assert found == table.allowance(Step.SERVICE, urgency=Urgency.NORMAL) == Allowance(days=10)
    assert explain_rules(DEFAULT_RULES, table) == ["服务周期（一般，政策咨询服务）：3个工作日 → 按通用规则"]


def test_a_change_is_told_with_what_stood_there_before() -> None:
    changes = {
        **rule(days=2),
        "prompts": {
            "survey": [
                {"urgency": "normal", "to": "staff", "days": 2},
                {"urgency": "normal", "to": "head", "hours": 0, "is_escalation": True},
                {"urgency": "normal", "to": "coordinator", "days": 1, "is_escalation": True},
            ]
        },
    }
    assert explain_rules(DEFAULT_RULES, Rules.from_json(changes)) == [
        "评估时限（一般）：1个工作日 → 2个工作日",
        "满意度评价时限的提醒和督办（一般）：提前1个工作日提醒工作人员、到期即告知负责人 → "
        "提前2个工作日提醒工作人员、到期即告知负责人、超期1个工作日告知统筹部门",
        "满意度评价时限的提醒和督办（加急）：提前1个工作日提醒工作人员、到期即告知负责人 → 无",
        "满意度评价时限的提醒和督办（绿色通道）：提前1个工作日提醒工作人员、到期即告知负责人 → 无",
    ]
