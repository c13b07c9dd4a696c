"""Questions, needs and statements; what leans on the message before."""

import pytest

from intents.moods import is_followup, mood_of
from intents.text import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("压力表多久检一次", "question"),
        ("CMA和CNAS有什么区别？", "question"),
        ("电子秤要不要检定", "question"),
        ("我想了解一下有机认证", "question"),
        ("酒店厨房的台秤需要检定不", "question"),
        ("想问下商标续展", "question"),
        ("商標註冊要多久", "question"),
        ("想给新出的椰汁做个第三方检测", "need"),
        ("能不能帮我们安排一次校准", "need"),
        ("请推荐靠谱的认证咨询老师", "need"),
        ("我们还想注册一个商标，帮我们办一下", "need"),
        ("二十块压力表需要月底前检完", "need"),
        ("希望派专家来做诊断", "need"),
        ("想做有机产品认证", "need"),
        ("王经理", "statement"),
        ("13800000000", "statement"),
        ("示例甜水食品有限公司", "statement"),
        ("商标注册", "statement"),
        ("", "statement"),
    ],
)
def test_moods(text: str, expected: str) -> None:
    assert mood_of(normalise(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "那费用呢",
        "那费用呢？",
        "多久呢",
        "需要什么材料",
        "在哪办",
        "怎么收费",
        "要多久",
        "多少钱",
        "网上能办吗",
        "过期了怎么办",
        "有效期几年",
        "可以加急吗",
        "去哪里办理",
        "那个体户呢",
        "那如果是进口的呢？",
        "請問需要什麼材料",
        "另外，流程是怎样的",
    ],
)
def test_questions_without_a_subject_are_follow_ups(text: str) -> None:
    assert is_followup(normalise(text))


@pytest.mark.parametrize(
    "text",
    [
        "压力表多久检一次",
        "检测多少钱",
        "商标注册需要什么材料",
        "营业执照在哪办",
        "什么是CMA",
        "王经理",
        "谢谢",
        "你们在哪里",
        "？？？",
        "",
        "那个我想问一下就是我们厂的地磅到底要不要每年检定呢",
    ],
)
def test_everything_else_stands_alone(text: str) -> None:
    assert not is_followup(normalise(text))
