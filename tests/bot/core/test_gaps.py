"""Unanswered questions are put together by what they ask, whatever the day, and shown without personal data."""

import random
from datetime import date, timedelta

import pytest

from bot.core.gaps import Gap, Question, Why, correction_line, find_gaps, fold, is_asked_by, masked
from intents.text import Tokenizer
from tests.make import TODAY, entry

WORDS = Tokenizer.load().words


def asked(*texts: str, why: Why = Why.OOS, category: str = "") -> list[Question]:
    return [
        Question(number, number, text, category, TODAY - timedelta(days=number), why)
        for number, text in enumerate(texts, 1)
    ]


def together(*texts: str) -> list[set[int]]:
    """Which texts, by their number, are one gap."""
    return sorted(
        ({one.message_id for one in gap.questions} for gap in find_gaps(asked(*texts), WORDS)), key=min
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("绿色工厂怎么申报", "绿色工厂怎么申报？"),
        ("绿色工厂怎么申报", "请问，绿色工厂怎么申报呢"),
        ("绿色工厂怎么申报", "绿色工廠怎麼申報"),
        ("绿色工厂怎么申报", "我想问下绿色工厂如何申报"),
        ("能效标识备案去哪里办", "能效标识在哪里备案"),
        ("GB/T 19001换版了吗", "gb/t19001 换版了"),
    ],
)
def test_the_same_question_in_other_words_is_one_gap(one: str, other: str) -> None:
    assert together(one, other, "饮用水检测要多少钱", "怎么登记商标") == [{1, 2}, {3}, {4}]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("绿色工厂怎么申报", "绿色食品怎么申报"),
        ("多久能拿到检测报告", "多久能拿到商标证书"),
        ("压力表多少钱", "商标注册多少钱"),
    ],
)
def test_words_that_everybody_uses_do_not_put_questions_together(one: str, other: str) -> None:
    assert len(together(one, other, "压力表怎么申报", "检测报告多少钱", "商标注册多久")) == 5


def test_a_chain_of_likenesses_does_not_grow_into_one_gap() -> None:
    chain = ("海南椰子油出口要什么证", "海南椰子油出口", "椰子油出口备案", "出口备案登记", "备案登记费用多少")
    assert not any({1, len(chain)} <= numbers for numbers in together(*chain))


def test_a_gap_counts_messages_people_days_categories_and_reasons() -> None:
    questions = [
        Question(1, 7, "绿色工厂怎么申报", "policy", date(2026, 11, 2), Why.OOS),
        Question(2, 7, "绿色工厂怎么申报？", "policy", date(2026, 11, 9), Why.UNHELPFUL, "POL-01"),
        Question(3, 8, "绿色工厂怎么申报", "", date(2026, 11, 5), Why.OOS),
    ]
    (gap,) = find_gaps(questions, WORDS)
    assert (gap.id, gap.count, gap.people) == (1, 3, 2)
    assert (gap.first, gap.last) == (date(2026, 11, 2), date(2026, 11, 9))
    assert gap.categories == [("policy", 2), ("", 1)]
    assert gap.reasons == [(Why.OOS, 2), (Why.UNHELPFUL, 1)]
    assert [one.message_id for one in gap.questions] == [3, 2, 1]
    assert gap.texts == ("绿色工厂怎么申报",), "one wording: marks do not count"


def test_the_most_asked_stands_first_and_empty_words_nowhere() -> None:
    found = find_gaps(asked("？？", "绿色工厂怎么申报", "饮用水怎么送检", "饮用水怎么送检", "  "), WORDS)
    assert [gap.count for gap in found] == [2, 1]


def test_ten_thousand_questions_take_less_than_three_seconds_in_any_order() -> None:
    pick = random.Random(7)
    things = [
        f"{first}{second}"
        for first in "绿蓝红黄白黑青紫"
        for second in ("色工厂", "皮纸箱", "花油", "砂砖", "钢管")
    ]
    acts = [
        "怎么申报",
        "检测多少钱",
        "多久能好",
        "去哪里备案",
        "要什么材料",
        "归谁管",
        "能不能加急",
        "有没有补贴",
    ]
    tails = ["", "？", "呢", "，急", "，在海口", "，我们是小厂", "，去年办过一次", "，听说今年改了"]
    texts = [
        f"{pick.choice(things)}{pick.randrange(40)}号{pick.choice(acts)}{pick.choice(tails)}"
        for _ in range(10_000)
    ]
    questions = [
        Question(number, number % 900, text, "testing", TODAY - timedelta(days=number % 30), Why.OOS)
        for number, text in enumerate(texts, 1)
    ]
    found = find_gaps(questions, WORDS)
    assert sum(gap.count for gap in found) == 10_000
    pick.shuffle(questions)
    assert find_gaps(questions, WORDS) == found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("我电话13800000000，绿色工厂怎么申报", "我电话[phone]，绿色工厂怎么申报"),
        ("海南示例椰香食品有限公司想申报绿色工厂", "[企业]想申报绿色工厂"),
        ("我叫王小明，想咨询绿色工厂", "我叫[姓名]，想咨询绿色工厂"),
        ("电话幺三八零零零零零零零零", "电话[电话]"),
        ("邮箱 a.b@example.com 发我", "邮箱 [email] 发我"),
        ("绿色工厂怎么申报", "绿色工厂怎么申报"),
    ],
)
def test_personal_data_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_an_entry_asks_a_question_in_whatever_marks_it_is_written() -> None:
    one = entry(questions=("绿色工厂怎么申报",))
    assert is_asked_by(one, ["绿色工厂怎么申报？"])
    assert is_asked_by(one, ["别的", one.title])
    assert not is_asked_by(one, ["绿色食品怎么申报"])
    assert fold("请问绿色工厂怎么申报呢？") == fold("绿色工厂怎么申报")


def test_a_correction_is_one_line_whatever_the_text_holds() -> None:
    line = correction_line("testing", "两行\n和\t制表", on=TODAY, reviewer="知识维护")
    assert line.split("\t") == ["testing", "两行 和 制表", "", "staff", "2026-11-21", "知识维护"]


def test_a_gap_is_named_by_its_oldest_message() -> None:
    assert Gap(tuple(reversed(asked("甲", "乙"))), ("甲", "乙")).id == 1
