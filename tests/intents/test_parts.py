"""Two needs in one message, and the many messages that are one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intents.parts import parts_of
from intents.text import normalise
from intents.understand import Understander

UNDERSTANDER = Understander.load()


def parts(text: str) -> tuple[str, ...]:
    return UNDERSTANDER.understand(text).parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Other categories, with a word between.
        ("ISO9001怎么认证另外食品标签帮看看", ("iso9001怎么认证", "食品标签帮看看")),
        ("地磅检定找谁，另外净含量标注怎么写", ("地磅检定找谁", "净含量标注怎么写")),
        ("我们做饮料的，想检测椰汁，还想办有机认证", ("我们做饮料的,想检测椰汁", "想办有机认证")),
        ("FDA注册找谁，另外想做商标", ("fda注册找谁", "想做商标")),
        ("SC证办完想把商标也注册", ("sc证办完", "想把商标也注册")),
        # Two questions.
        ("压力表多久检一次？商标注册要多久？", ("压力表多久检一次", "商标注册要多久")),
        ("食品标签审核多少钱？还有HACCP要办多久？", ("食品标签审核多少钱", "haccp要办多久")),
        # Numbered.
        ("1、压力表检定多少钱 2、商标怎么注册", ("压力表检定多少钱", "商标怎么注册")),
        ("1.电子秤要不要强检；2.SC证怎么办", ("电子秤要不要强检", "sc证怎么办")),
        ("(1)压力表校准 (2)内审员培训什么时候有", ("压力表校准", "内审员培训什么时候有")),
        ("①有机认证要多久②商标怎么注册", ("有机认证要多久", "商标怎么注册")),
        ("一是想做个椰汁检测，二是想注册商标", ("想做个椰汁检测", "想注册商标")),
        # Two matters of one category.
        ("商标多久下证？另外想问下专利申请费用", ("商标多久下证", "专利申请费用")),
        ("软著怎么登记，顺便问下商标续展", ("软著怎么登记", "商标续展")),
        ("想办高企，再问一个专精特新怎么报", ("想办高企", "专精特新怎么报")),
        ("环评怎么办？另外消防验收找谁", ("环评怎么办", "消防验收找谁")),
        ("CMA怎么申请？CNAS要什么条件？", ("cma怎么申请", "cnas要什么条件")),
    ],
)
def test_two_needs_fall_apart(text: str, expected: tuple[str, str]) -> None:
    assert parts(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        # One thing, two questions about it.
        "压力表校准多少钱，还有能不能上门",
        "压力表检定怎么办，要多久",
        "商标注册多少钱，多久能下来",
        "商标怎么注册，另外多少钱",
        "专利申请要多久？还有要什么材料？",
        "1、商标注册要多少钱 2、多久能下来",
        "1.多少钱 2.多久 3.去哪办",
        "另外商标续展呢",
        "商标注册，另外它要多少钱",
        # Who asks, and what happened before.
        "我们是做饼干的，想问食品标签怎么标",
        "我们是做秤的，还需要许可证吗",
        "去年抽检不合格，现在整改好了，还要复检吗",
        "客户要CNAS报告，我们只有CMA的，还能用吗",
        "政府年年喊品牌强农，落到我们合作社啥也没有，到底怎么帮",
        # Two words, one question.
        "商标和专利有什么区别",
        "我有商标了，还需要注册专利吗",
        "现在申请专利还有高企补贴吗",
        "不是问商标，是问专利年费怎么交",
        "压力表、温度计、电子秤校准多少钱",
        # Digits that number nothing.
        "1台天平2台秤要校准",
        "1年检一次还是2年检一次",
        "2.5级压力表要不要检",
        "1、2、3级精度怎么分",
        "标准2025年1月1日实施，3月前的标签怎么办",
    ],
)
def test_one_need_stays_whole(text: str) -> None:
    assert parts(text) == ()


@given(st.text(alphabet="检测认证商标专利，。？另外还想也1、2. ", max_size=200))
@settings(max_examples=100, deadline=None)
def test_parts_are_two_pieces_of_the_text_in_their_order(text: str) -> None:
    text = normalise(text)
    found = parts_of(text, lambda part: ("ip" if "商标" in part else "testing", 1.0))
    assert len(found) in (0, 2)
    assert found == () or text.find(found[0]) + len(found[0]) <= text.rfind(found[1])


def test_the_number_of_looks_is_bounded() -> None:
    looks: list[str] = []

    def judge(part: str) -> tuple[str, float]:
        looks.append(part)
        return "ip", 1.0

    assert parts_of(normalise("另外检测，还想检测2、也要检测后想检测。" * 300), judge) == ()
    assert len(looks) <= 30
