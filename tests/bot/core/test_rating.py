"""Annex C in the chat: one question after the other, partial answers kept, nothing else in the way."""

import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import rating
from bot.core.brain import Heard, Outcome
from bot.core.dialogue import step
from bot.core.messages import Kind, Option
from bot.core.surveys import Item, Rating, options, question
from bot.core.ticket_states import TicketKind
from bot.core.turns import DialogueState, Facts, Form, RateService, RequestStaff, Said, SurveyView, Turn
from intents.understand import Act, Mood
from tests.bot.core.test_dialogue import FACTS, NEED, Script, heard

FIRST, SKILL, MANNERS, WHOLE, SOLVED = Item
NUMBER = "NQI-2026-000001"
OPEN = SurveyView(5, NUMBER, tuple(Item), is_noted=False)
DONE = SurveyView(5, NUMBER, (), is_noted=True)
QUESTION = heard("压力表多久检一次", Outcome.ANSWER, "MET-05", mood=Mood.QUESTION)


@dataclass(slots=True)
class Contact:
    """A contact whose survey is kept as the action would: answers leave what is missing."""

    survey: SurveyView | None = OPEN
    state: DialogueState = field(default_factory=DialogueState)
    answers: dict[str, str] = field(default_factory=dict)
    note: str | None = None
    has_declined: bool = False

    def says(self, line: str | Heard, menu_id: str = "") -> Turn:
        """One message, by words or by a tap."""
        what = heard(line, Outcome.OOS) if isinstance(line, str) else line
        said = Said(Kind.TEXT, what.understanding.text, menu_id=menu_id, heard=what)
        facts: Facts = FACTS
        if rating.wants_survey(self.state, said):
            facts = replace(FACTS, survey=self.survey)
        turn = step(self.state, said, facts, Script())  # type: ignore[arg-type]
        self.state = DialogueState.from_json(json.loads(json.dumps(turn.state.to_json())))
        assert self.state == turn.state
        for command in turn.commands:
            if isinstance(command, RateService):
                self._keep(command)
        return turn

    def _keep(self, command: RateService) -> None:
        assert self.survey is not None
        assert command.survey == self.survey.id
        self.answers.update(command.answers)
        self.has_declined = self.has_declined or command.declines
        if command.note is not None:
            self.note = command.note
        missing = tuple(item for item in self.survey.missing if item not in self.answers)
        self.survey = replace(self.survey, missing=missing, is_noted=self.note is not None)


def text(turn: Turn) -> str:
    assert turn.reply is not None
    return turn.reply.text


def labels(turn: Turn) -> list[str]:
    return [item.label for item in turn.state.choices]


def test_five_taps_and_an_opinion() -> None:
    contact = Contact()
    turn = contact.says("评价")
    assert NUMBER in text(turn)
    for place, item in enumerate(Item, 1):
        assert f"{question(item)}（{place}/5）" in text(turn)
        assert labels(turn) == (["是", "否"] if item is SOLVED else ["非常满意", "满意", "一般", "不满意"])
        turn = contact.says("1")
    assert "意见或建议" in text(turn)
    assert "感谢" in text(contact.says("报告可以再快一点"))
    assert contact.answers == {
        **dict.fromkeys((FIRST, SKILL, MANNERS, WHOLE), "very-satisfied"),
        SOLVED: "yes",
    }
    assert contact.note == "报告可以再快一点"
    assert contact.state.survey == 0, "nothing is left to ask"


def test_every_message_is_kept_at_once() -> None:
    contact = Contact()
    contact.says("评价")
    turn = contact.says("满意")
    assert turn.commands == (RateService(5, (("timeliness", "satisfied"),)),)
    assert SKILL in contact.survey.missing  # type: ignore[union-attr]


def test_free_words_answer_several_items_and_are_said_back() -> None:
    contact = Contact()
    contact.says("我要评价")
    turn = contact.says("速度有点慢，态度非常好，问题解决了")
    assert contact.answers == {FIRST: "fair", MANNERS: "very-satisfied", SOLVED: "yes"}
    assert "已记录" in text(turn)
    assert question(MANNERS) in text(turn)
    assert f"{question(SKILL)}（2/5）" in text(turn)


@pytest.mark.parametrize("line", ["还行吧", "可以", "太慢了", "没得说"])
def test_words_without_a_topic_go_to_the_question_asked(line: str) -> None:
    contact = Contact()
    contact.says("评价")
    contact.says(heard(line, Outcome.ACT, act=Act.AFFIRM) if line == "可以" else line)
    assert list(contact.answers) == [FIRST]


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("跳过", ""),
        ("1", ""),
        ("没有意见", ""),
        ("没有，谢谢", ""),
        ("希望多组织培训", "希望多组织培训"),
        ("王工很专业", "王工很专业"),
    ],
)
def test_the_opinion_is_one_message_or_none(line: str, note: str) -> None:
    contact = Contact(replace(OPEN, missing=()))
    assert "意见或建议" in text(contact.says("评价"))
    wish = heard(line, Outcome.REFER, mood=Mood.NEED) if line.startswith("希望") else line
    contact.says(wish)
    assert contact.note == note
    assert contact.state.survey == 0


def test_who_does_not_want_to_rate_is_let_go() -> None:
    contact = Contact()
    contact.says("评价")
    turn = contact.says("不想评价")
    assert turn.commands == (RateService(5, declines=True),)
    assert "不再请您评价" in text(turn)
    assert contact.state.survey == 0


def test_declining_words_about_something_else_decline_nothing() -> None:
    contact = Contact()
    contact.says("样品不要发快递")
    assert not contact.has_declined


@pytest.mark.parametrize("missing", [tuple(Item), ()])
@pytest.mark.parametrize(
    "line",
    [
        QUESTION,
        NEED,
        heard("转人工", Outcome.ACT, act=Act.HUMAN),
        heard("菜单", Outcome.ACT, act=Act.MENU),
        heard("我要投诉", Outcome.ACT, act=Act.COMPLAINT),
        heard("你好", Outcome.ACT, act=Act.GREET),
    ],
)
def test_anything_else_is_served_and_the_survey_waits(line: Heard, missing: tuple[Item, ...]) -> None:
    contact = Contact(replace(OPEN, missing=missing))
    contact.says("评价")
    turn = contact.says(line)
    assert not any(isinstance(command, RateService) for command in turn.commands)
    if turn.state.form is not None:
        turn = contact.says("取消")
    assert labels(turn)[-1] == "继续评价"
    again = contact.says("继续评价")
    assert question(FIRST) in text(again) if missing else "意见或建议" in text(again)


def test_staff_are_called_in_the_middle_of_a_survey() -> None:
    contact = Contact()
    contact.says("评价")
    turn = contact.says(heard("转人工", Outcome.ACT, act=Act.HUMAN))
    assert any(isinstance(command, RequestStaff) for command in turn.commands)


def test_what_is_not_understood_is_asked_once_more() -> None:
    contact = Contact()
    contact.says("评价")
    assert "没有看明白" in text(contact.says("嘟嘟嘟"))
    turn = contact.says("嘟嘟嘟")
    assert "没有看明白，请点选" not in text(turn)
    assert "继续评价" in labels(turn)
    assert contact.answers == {}


def test_an_act_that_is_only_guessed_does_not_end_the_asking() -> None:
    contact = Contact()
    contact.says("评价")
    guessed = heard("你们效率真高", Outcome.ACT, act=Act.COMPLAINT)
    assert question(FIRST) in text(contact.says(guessed))
    assert contact.says(guessed).state.form is not None, "said twice, it is meant"
    contact = Contact()
    contact.says("评价")
    wants_staff = heard("找个人跟我说", Outcome.ACT, act=Act.HUMAN)
    assert any(isinstance(command, RequestStaff) for command in contact.says(wants_staff).commands)


@pytest.mark.parametrize("line", ["取消", "不用了"])
def test_not_now_ends_the_asking_without_a_word_to_the_record(line: str) -> None:
    contact = Contact()
    contact.says("评价")
    turn = contact.says(line)
    assert turn.commands == ()
    assert contact.state.survey == 0
    assert question(FIRST) in text(contact.says("评价"))


def test_a_tap_on_a_menu_sent_days_ago_counts() -> None:
    contact = Contact()
    old = rating.first(NUMBER, survey=5).options[1]
    contact.says(old.send, menu_id=old.id)
    assert contact.answers == {FIRST: "satisfied"}
    # The word is also a choice under the question that stands now: the id tells which was meant.
    contact.says("不满意", menu_id="rate:5:timeliness:dissatisfied")
    assert contact.answers == {FIRST: "dissatisfied"}


@pytest.mark.parametrize(
    "menu_id",
    [
        "rate:6:timeliness:satisfied",
        "rate:5:timeliness:yes",
        "rate:5:nothing:satisfied",
        "rate:5:solved:satisfied",
        "rate:5",
        "rate-skip:5",
        "rate:99999999999999999999:timeliness:satisfied",
    ],
)
def test_a_tap_that_is_not_one_of_ours_counts_for_nothing(menu_id: str) -> None:
    contact = Contact()
    turn = contact.says("随便", menu_id=menu_id)
    assert turn.commands == ()
    assert contact.answers == {}


def test_somebody_without_a_survey_is_told_so() -> None:
    contact = Contact(None)
    assert "没有待评价" in text(contact.says("评价"))
    stale = DialogueState(survey=4, choices=(Option("满意", "满意", "rate:4:timeliness:satisfied"),))
    turn = Contact(None, stale).says("满意")
    assert turn.commands == ()
    assert turn.state.survey == 0


def test_a_later_correction_is_a_new_version() -> None:
    contact = Contact(DONE, answers={SKILL: "dissatisfied"})
    turn = contact.says("刚才专业性点错了，应该是满意")
    assert turn.commands == (RateService(5, (("expertise", "satisfied"),)),)
    assert "满意" in text(turn)
    assert contact.state.survey == 0


def test_a_correction_without_a_name_means_the_answer_given_last() -> None:
    contact = Contact()
    for line in ("评价", "1", "4"):
        contact.says(line)
    turn = contact.says("点错了，是满意")
    assert contact.answers == {FIRST: "very-satisfied", SKILL: "satisfied"}
    assert question(MANNERS) in text(turn)


@pytest.mark.parametrize(
    "line", ["电话写错了，应该是13900000000", "满意", "你说得不对，很差", "公司名改成示例公司"]
)
def test_after_the_end_other_words_change_nothing(line: str) -> None:
    assert Contact(DONE).says(line).commands == ()


def test_a_finished_survey_is_not_asked_again() -> None:
    turn = Contact(DONE).says("评价")
    assert "已完成" in text(turn)
    assert labels(turn) == ["菜单"]


def test_a_form_goes_on_and_a_tap_inside_it_still_counts() -> None:
    state = DialogueState(form=Form(TicketKind.NEED, content="检测椰汁", asking="applicant"))
    contact = Contact(state=state)
    turn = contact.says("满意", menu_id="rate:5:overall:satisfied")
    assert contact.answers == {WHOLE: "satisfied"}
    assert "企业名称" in text(turn)
    assert turn.state.form is not None
    assert turn.state.form.applicant == ""
    waiting = contact.says("评价")
    assert "登记完成后" in text(waiting)
    assert "继续评价" in labels(contact.says("取消"))


def test_the_first_message_makes_its_numbers_count() -> None:
    contact = Contact()
    message = rating.first(NUMBER, survey=5)
    assert NUMBER in message.text
    assert question(FIRST) in message.text
    contact.state = rating.awaiting(contact.state, OPEN)
    assert contact.state.choices == message.options
    contact.says("4")
    assert contact.answers == {FIRST: "dissatisfied"}
    form = DialogueState(form=Form(TicketKind.NEED), choices=(Option("取消", "取消", "cancel"),))
    assert rating.awaiting(form, OPEN).choices == form.choices


def test_what_was_answered_on_the_page_meanwhile_does_not_shift_the_question() -> None:
    contact = Contact()
    contact.says("评价")
    contact.survey = replace(OPEN, missing=(MANNERS, WHOLE, SOLVED))
    contact.says("还行吧")
    assert contact.answers == {FIRST: "fair"}


@pytest.mark.parametrize(
    ("state", "said", "wanted"),
    [
        (DialogueState(), Said(Kind.TEXT, "评价"), True),
        (DialogueState(), Said(Kind.TEXT, "压力表多久检一次"), False),
        (DialogueState(), Said(Kind.TEXT, "不想评价"), True),
        (DialogueState(), Said(Kind.TEXT, "满意", menu_id="rate:5:overall:satisfied"), True),
        (DialogueState(survey=5), Said(Kind.TEXT, "压力表多久检一次"), True),
        (DialogueState(), Said(Kind.TEXT, "刚才专业性点错了，应该是满意"), True),
        (DialogueState(), Said(Kind.EVENT, event="click", event_key="bot:rating"), True),
        (DialogueState(), Said(Kind.EVENT, event="view", event_key="other"), False),
    ],
)
def test_the_survey_is_read_when_it_may_be_meant(state: DialogueState, said: Said, wanted: bool) -> None:
    assert rating.wants_survey(state, said) is wanted


TAPS = st.builds(
    "rate:{}:{}:{}".format, st.sampled_from([5, 6]), st.sampled_from(Item), st.sampled_from(Rating)
)
LINES = st.one_of(
    st.sampled_from([QUESTION, NEED, heard("你好", Outcome.ACT, act=Act.GREET)]),
    st.sampled_from(
        [
            "评价",
            "1",
            "2",
            "4",
            "满意",
            "还行吧",
            "没解决",
            "取消",
            "跳过",
            "不用了",
            "专业性点错了，应该是一般",
        ]
    ),
    st.text(max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LINES, st.one_of(st.just(""), TAPS)), max_size=15))
def test_in_any_talk_only_ratings_that_an_item_has_are_kept(talk: list[tuple[str | Heard, str]]) -> None:
    contact = Contact()
    for line, menu_id in talk:
        assert contact.says(line, menu_id).reply is not None
    for item, given_rating in contact.answers.items():
        assert given_rating in options(Item(item))
