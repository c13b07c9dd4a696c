"""Canned replies: gaps that are filled, gaps that stay to be seen, and replies that cannot be kept."""

import pytest

from bot.core.canned import fill, open_gaps, problems_of, shortcut_of

GOOD = {"shortcut": "您好", "title": "问候", "text": "您好，我是{工作人员}。", "category": ""}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("您好，我是{工作人员}。", "您好，我是小李。"),
        ("{企业}的{联系人}，您好", "示例甲公司的{联系人}，您好"),
        ("没有空", "没有空"),
        ("{别的}不动", "{别的}不动"),
        ("{企业}{企业}", "示例甲公司示例甲公司"),
        ("{{企业}}", "{示例甲公司}"),
    ],
)
def test_known_gaps_are_filled_and_others_stay(text: str, filled: str) -> None:
    assert fill(text, {"工作人员": "小李", "企业": "示例甲公司", "联系人": ""}) == filled


def test_a_value_with_braces_is_not_filled_again() -> None:
    assert fill("{企业}", {"企业": "{工作人员}", "工作人员": "小李"}) == "{工作人员}"


def test_gaps_that_nobody_filled_are_named_once() -> None:
    assert open_gaps("{编号}、{企业}、{编号}、{别的}") == ("编号", "企业")
    assert open_gaps("编号已填") == ()


@pytest.mark.parametrize(("typed", "stored"), [("/YS", "ys"), (" 您好 ", "您好"), ("//a-b", "a-b")])
def test_a_shortcut_is_kept_without_its_slash(typed: str, stored: str) -> None:
    assert shortcut_of(typed) == stored


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("shortcut", "", "快捷词"),
        ("shortcut", "有 空格", "快捷词"),
        ("shortcut", "a" * 21, "快捷词"),
        ("title", "", "标题"),
        ("title", "长" * 81, "标题"),
        ("text", "", "内容"),
        ("text", "长" * 601, "内容"),
        ("text", "您好{名字}", "没有 {名字} 这个空"),
        ("category", "nothing", "十一类"),
    ],
)
def test_what_cannot_be_kept_is_said_at_its_field(field: str, value: str, words: str) -> None:
    found = problems_of(**{**GOOD, field: value})
    assert list(found) == [field]
    assert words in found[field]


def test_a_good_reply_has_no_problems() -> None:
    assert problems_of(**GOOD) == {}
    assert problems_of(**{**GOOD, "category": "testing"}) == {}
