"""How a question is read: without courtesies, by sound, by what it asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intents.text import Tokenizer, normalise
from knowledge.reading import ASKS, MOST_CHARACTERS, Remembering, asks_of, numbers_in, read, subject_of


def asks(text: str) -> set[str]:
    bits = asks_of(text)
    return {name for place, name in enumerate(ASKS) if bits >> place & 1}


@pytest.mark.parametrize(
    ("polite", "plain"),
    [
        ("您好，请问压力表多久检一次？谢谢", "压力表多久检一次"),
        ("你好我想咨询一下压力表多久检一次", "压力表多久检一次"),
        ("壓力錶多久檢一次", "压力表多久检一次"),
        ("ＩＳＯ９００１ 怎么办", "iso9001怎么办"),
        ("你好", "你好"),
    ],
)
def test_courtesies_and_ways_of_typing_fall_away(tokenizer: Tokenizer, polite: str, plain: str) -> None:
    assert read(polite, tokenizer).text == plain


def test_words_that_sound_alike_look_alike(tokenizer: Tokenizer) -> None:
    assert read("较准证书", tokenizer).sound == read("校准证书", tokenizer).sound
    assert read("检定", tokenizer).sound != read("校准", tokenizer).sound


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("商标注册多少钱", "fee"),
        ("检定要多久", "time"),
        ("在哪里办", "where"),
        ("这事归谁管", "who"),
        ("什么是强检", "what"),
        ("检定和校准有什么区别", "differ"),
        ("怎么申请", "how"),
        ("要准备什么材料", "papers"),
        ("证书有效期几年", "valid"),
        ("会被罚吗", "penalty"),
        ("有没有培训班，哪里上课", "learn"),
        ("有没有补贴", "grant"),
    ],
)
def test_what_a_question_asks_for(text: str, wanted: str) -> None:
    assert wanted in asks(text)


def test_a_question_without_its_asking_words_is_its_subject() -> None:
    assert subject_of("商标注册要多少钱？") == "商标注册要"
    assert asks(subject_of("压力表多久检一次")) == set()


def test_standards_are_known_by_their_numbers(tokenizer: Tokenizer) -> None:
    assert read("GB/T 19001-2016 和 iso9001", tokenizer).numbers == {"19001", "9001"}
    assert numbers_in("按100号令") == ["100令"]
    assert numbers_in("一共2026个") == []


@pytest.mark.parametrize(
    ("text", "is_negated"),
    [("没有cma章", True), ("能不能用", False), ("要不要检", False), ("不合格怎么办", True)],
)
def test_a_choice_is_no_negation(tokenizer: Tokenizer, text: str, is_negated: bool) -> None:
    assert read(text, tokenizer).is_negated is is_negated


@given(text=st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    class Characters:
        def plain(self, text: str) -> str:
            return normalise(text)

        def words(self, text: str) -> list[str]:
            return list(text)

    reading = read(text, Remembering(Characters()))
    assert len(reading.text) <= MOST_CHARACTERS
    assert len(set(reading.terms)) == len(reading.terms)
    assert reading == read(text, Characters())
