"""Decisions: what is answered at once, asked back, referred, passed; follow-ups, two needs, short forms."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.brain import CALIBRATED, Brain, Outcome, decide, explain
from intents.categories import OOS, Category
from intents.text import normalise
from intents.understand import Act, Mood, Understanding
from knowledge.entries import Entry, Release, Text
from knowledge.search import Hit, Index
from tests.make import TODAY, entry, understanding


def hits(*scores: float) -> tuple[Hit, ...]:
    return tuple(Hit(entry(f"MET-{place:02}"), score, "", ()) for place, score in enumerate(scores, 1))


QUESTION = understanding("压力表多久检一次", category=Category.METROLOGY, mood=Mood.QUESTION)
NEED = understanding("想给椰汁做个第三方检测", category=Category.TESTING, mood=Mood.NEED)
ASKING_NEED = understanding("想注册商标要多少钱", category=Category.IP, mood=Mood.NEED)
STRANGER = understanding("今天天气怎么样", mood=Mood.QUESTION)
REMARK = replace(understanding("好吃的椰子", category=Category.TESTING, mood=Mood.STATEMENT), confidence=0.2)


@pytest.mark.parametrize(
    ("meant", "scores", "outcome"),
    [
        (QUESTION, (0.95, 0.02), Outcome.ANSWER),
        (QUESTION, (0.72,), Outcome.ANSWER),
        (QUESTION, (0.71, 0.25), Outcome.CLARIFY),
        (QUESTION, (0.45, 0.44), Outcome.CLARIFY),
        (QUESTION, (0.10, 0.10, 0.10), Outcome.CLARIFY),
        (QUESTION, (0.60,), Outcome.REFER),  # one choice is no choice
        (QUESTION, (0.05, 0.04), Outcome.REFER),
        (QUESTION, (), Outcome.REFER),
        (NEED, (0.85, 0.02), Outcome.REFER),
        (NEED, (0.99,), Outcome.REFER),
        (NEED, (0.40, 0.40), Outcome.REFER),
        (ASKING_NEED, (0.95, 0.01), Outcome.ANSWER),
        (ASKING_NEED, (0.80, 0.01), Outcome.REFER),
        (STRANGER, (0.85, 0.05), Outcome.CLARIFY),
        (STRANGER, (0.95,), Outcome.ANSWER),
        (STRANGER, (0.30, 0.10), Outcome.OOS),
        (STRANGER, (), Outcome.OOS),
        (replace(NEED, category=None), (0.30, 0.10), Outcome.OOS),
        (REMARK, (0.05, 0.02), Outcome.OOS),
        (replace(REMARK, confidence=0.9), (0.05, 0.02), Outcome.REFER),
        (understanding("你好", act=Act.GREET), (0.99,), Outcome.ACT),
    ],
)
def test_what_a_message_leads_to(meant: Understanding, scores: Sequence[float], outcome: Outcome) -> None:
    assert decide(meant, hits(*scores), CALIBRATED) is outcome


@given(
    scores=st.lists(st.floats(0, 1), max_size=5),
    mood=st.sampled_from(Mood),
    category=st.none() | st.sampled_from(Category),
    act=st.none() | st.sampled_from(Act),
)
def test_every_answer_is_sure_and_every_clarification_has_choices(
    scores: list[float], mood: Mood, category: Category | None, act: Act | None
) -> None:
    found = hits(*sorted(scores, reverse=True))
    outcome = decide(understanding("压力表", category=category, mood=mood, act=act), found, CALIBRATED)
    if outcome is Outcome.ANSWER:
        assert found[0].score >= CALIBRATED.answer
    if outcome is Outcome.CLARIFY:
        assert len(found) >= 2
    assert (outcome is Outcome.ACT) == (act is not None)


@dataclass
class Letters:
    """Cuts a text into pairs of characters."""

    def plain(self, text: str) -> str:
        return normalise(text)

    def words(self, text: str) -> list[str]:
        return [text[place : place + 2] for place in range(len(text) - 1)]


@dataclass
class Told:
    """Understands what the test told it; everything else is a metrology question."""

    known: dict[str, Understanding] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def knowing(self, synonyms: Mapping[str, str]) -> Self:
        raise AssertionError("nobody changes the synonyms here")

    tokenizer: Letters = field(default_factory=Letters)

    def understand(self, text: str) -> Understanding:
        self.heard.append(text)
        usual = understanding(text, category=Category.METROLOGY, mood=Mood.QUESTION)
        return self.known.get(text, usual)


ENTRIES: list[Entry] = [
    entry(
        "MET-03",
        "检定要交多少钱",
        questions=("压力表检定多少钱", "地磅检定收费吗", "强检免费吗"),
        keywords=("收费",),
    ),
    entry(
        "MET-05", "压力表多久检定一次", questions=("压力表几年检一次", "压力表检定周期", "压力表半年检一次吗")
    ),
    entry(
        "IPR-01",
        "商标怎么注册",
        category=Category.IP,
        questions=("注册商标的流程", "想把店名注册成商标", "商标申请手续"),
        keywords=("商标",),
    ),
    entry(
        "IPR-08",
        "地理标志怎么申请",
        category=Category.IP,
        questions=("怎么申请地理标志",),
        keywords=("地理标志",),
    ),
    entry(
        "STD-19",
        "海南地方标准怎么申报",
        category=Category.STANDARDIZATION,
        questions=("地方标准立项",),
        keywords=("地方标准",),
    ),
]


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.build(Release.of(ENTRIES), Letters())


def ids(brain: Brain, text: str, topic: str = "") -> list[str]:
    return [hit.entry.id for hit in brain.hear(text, today=TODAY, topic=topic).hits]


def test_a_question_is_answered_with_its_reasons(index: Index) -> None:
    told = Told({"压力表几年检一次": replace(QUESTION, text="压力表几年检一次", reasons=("压力表", "几年"))})
    heard = Brain(told, index).hear("压力表几年检一次", today=TODAY)
    assert heard.outcome is Outcome.ANSWER
    assert heard.hits[0].entry.id == "MET-05"
    assert "几年" in heard.reasons
    assert len(heard.reasons) == len(set(heard.reasons))


def test_a_short_form_is_asked_back_with_each_meaning(index: Index) -> None:
    heard = Brain(Told(), index).hear("地标", today=TODAY)
    assert heard.outcome is Outcome.CLARIFY
    assert [hit.entry.id for hit in heard.hits] == ["IPR-08", "STD-19"]


def test_two_needs_are_heard_alone(index: Index) -> None:
    text = "商标怎么注册，另外压力表几年检一次"
    parts = ("商标怎么注册", "压力表几年检一次")
    told = Told({text: replace(QUESTION, text=text, parts=parts)})
    heard = Brain(told, index).hear(text, today=TODAY)
    assert [part.hits[0].entry.id for part in heard.parts] == ["IPR-01", "MET-05"]
    assert (heard.outcome, heard.hits) == (heard.parts[0].outcome, heard.parts[0].hits)
    assert heard.understanding.text == text


def test_what_only_both_halves_ask_for_is_one_question(index: Index) -> None:
    text, parts = "想把店名注册成商标", ("地理标志怎么申请", "地方标准立项")
    told = Told({text: replace(QUESTION, text=text, parts=parts)})
    heard = Brain(told, index).hear(text, today=TODAY)
    assert heard.parts == ()
    assert heard.outcome is Outcome.ANSWER
    assert heard.hits[0].entry.id == "IPR-01"


def test_who_asks_is_no_need_of_its_own(index: Index) -> None:
    text, start = "我们做压力表的，压力表几年检一次", "我们做压力表的"
    told = Told(
        {
            text: replace(QUESTION, text=text, parts=(start, "压力表几年检一次")),
            start: understanding(start, category=Category.METROLOGY, mood=Mood.STATEMENT),
        }
    )
    heard = Brain(told, index).hear(text, today=TODAY)
    assert heard.parts == ()
    assert heard.hits[0].entry.id == "MET-05"


def test_a_followup_is_read_with_the_topic(index: Index) -> None:
    followup = understanding("那费用呢", mood=Mood.QUESTION, is_followup=True)
    told = Told({"那费用呢": followup})
    brain = Brain(told, index)
    assert ids(brain, "那费用呢", topic="压力表多久检定一次")[0] == "MET-03"
    assert "MET-05" not in ids(brain, "那费用呢", topic="压力表多久检定一次")
    assert any("压力表" in text and "费用" in text for text in told.heard)
    alone = brain.hear("那费用呢", today=TODAY)
    assert alone.understanding == followup


def test_a_topic_does_not_touch_a_question_of_its_own(index: Index) -> None:
    assert ids(Brain(Told(), index), "商标怎么注册", topic="压力表多久检定一次")[0] == "IPR-01"


def test_only_choices_worth_reading_are_offered(index: Index) -> None:
    heard = Brain(Told(), index).hear("检定", today=TODAY)
    if heard.outcome is Outcome.CLARIFY:
        assert all(hit.score >= CALIBRATED.candidate for hit in heard.hits[2:])


def test_what_may_not_be_given_today_is_not_heard() -> None:
    ended = replace(ENTRIES[1], texts=(Text("旧的。", valid_until=date(2026, 1, 1)),))
    brain = Brain(Told(), Index.build(Release.of([ended, ENTRIES[0]]), Letters()))
    assert "MET-05" not in ids(brain, "压力表多久检定一次")
    assert brain.entry("MET-05") == ended
    assert brain.entry("XYZ-01") is None
    assert [one.id for one in brain.entries] == ["MET-03", "MET-05"]
    assert brain.release.number == 1


def test_a_decision_is_explained_as_json(index: Index) -> None:
    heard = Brain(Told(), index).hear("压力表几年检一次", today=TODAY)
    line = json.loads(json.dumps(explain(heard), ensure_ascii=False))
    assert list(line) == ["category", "scores", "act", "outcome", "faq", "candidates", "reasons"]
    assert line["category"] == "metrology"
    assert set(line["scores"]) == {*Category, OOS}
    assert line["outcome"] == "answer"
    assert line["faq"] == line["candidates"][0]
    assert set(line["faq"]) == {"id", "title", "score"}
    assert len(line["candidates"]) <= 5


def test_what_is_not_answered_has_no_faq(index: Index) -> None:
    told = Told({"你好": understanding("你好", act=Act.GREET)})
    line = explain(Brain(told, index).hear("你好", today=TODAY))
    assert (line["category"], line["act"], line["outcome"], line["faq"]) == (OOS, "greet", "act", None)
