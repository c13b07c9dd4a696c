"""Annex C: its wording, how people answer it, what a bad answer leads to, and the ladder that proves the asking."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.survey_ways import Attempt, ContactFacts, Schedule, Sending, Step, Way, next_way
from bot.core.surveys import (
    Item,
    Outcome,
    Rating,
    Source,
    Survey,
    consequence,
    declines,
    form,
    is_bad,
    label,
    options,
    question,
    read_answer,
    read_answers,
    read_note,
    record,
)

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
DUE = NOW + timedelta(days=7)
FIRST, SKILL, MANNERS, WHOLE, SOLVED = Item
VERY, GOOD, FAIR, BAD, YES, NO = Rating


def test_the_form_reads_as_annex_c() -> None:
    assert [question(item) for item in Item] == [
        "您对本次服务反馈及时性的满意度",
        "您对本次服务的专业性的满意度",
        "您对本次服务的文明性的满意度",
        "您对本次服务的总体评价",
        "您的问题是否得到了解决",
    ]
    assert [label(rating) for rating in options(WHOLE)] == ["非常满意", "满意", "一般", "不满意"]
    assert [label(rating) for rating in options(SOLVED)] == ["是", "否"]
    assert form("note") == "您的意见或建议："


@pytest.mark.parametrize("item", Item)
def test_taps_and_numbers_are_read(item: Item) -> None:
    for place, rating in enumerate(options(item), 1):
        for text in (label(rating), f"{place}", f" {place}。", f"选{place}", f"第{'一二三四'[place - 1]}个"):
            assert read_answer(item, text) is rating, text
    assert read_answer(item, "5") is None


SAID: list[tuple[Item, Rating | None, str]] = [
    (
        FIRST,
        VERY,
        "非常满意👍 非常的满意 特别好 太好了！ 满意得不得了 没话说 没得挑 ５分 五星好评 不能再满意了",
    ),
    (FIRST, GOOD, "挺好的 很满意 还不错 不错不错 比较满意 可以 行 👍 好 不慢 一点都不差"),
    (FIRST, GOOD, "没什么不满意的 没有不满 全部满意 误差小，满意"),
    (FIRST, FAIR, "还行吧 凑合 一般般啦 马马虎虎 还可以 差不多 不好不坏 有点慢 慢了点 很一般"),
    (
        FIRST,
        BAD,
        "太慢了 不满意 不太满意 不是很满意 很不及时 不够快 太差了 不能说满意 说不上满意 不怎么样 👎 真的不行",
    ),
    # Slips of the keyboard, sounds, traditional characters.
    (FIRST, VERY, "非长满易 飞常满意 非常滿意 feichangmanyi"),
    (FIRST, BAD, "布满意 部满意 不满义 bu满意"),
    (FIRST, FAIR, "一班"),
    # Questions, wishes, acknowledgements and contradictions say nothing; 4 of 5 marks might be either end.
    (FIRST, None, "满意吗？ 好不好 希望快一点 好的 嗯 4分 不是不满意 满意，不满意 误差大 你好"),
    (FIRST, None, "如果解决了就满意 建议快点 没意见 态度很好"),
    (SKILL, GOOD, "很专业 挺专业的 内行"),
    (SKILL, BAD, "不专业 专业不行 什么都不懂 外行"),
    (SKILL, None, "太慢了"),
    (WHOLE, BAD, "太慢了"),
    (WHOLE, GOOD, "态度很好"),
    (WHOLE, None, "没解决"),
    (SOLVED, YES, "解决了 已经解决 都解决啦 是的 嗯嗯 搞定了 好了 基本解决了 解绝了 没问题了"),
    (
        SOLVED,
        NO,
        "没解决 还没 没有 解决了一部分 解决不了 搞不定 还在处理 没帮上忙 解决了八成 没完全解决 问题还在 部分吧 怎么还没解决？",
    ),
    (SOLVED, None, "解决了没 什么时候能解决 满意 3 有些慢"),
]


@pytest.mark.parametrize(("item", "rating", "texts"), SAID)
def test_free_words_are_read(item: Item, rating: Rating | None, texts: str) -> None:
    for text in texts.split():
        assert read_answer(item, text) is rating, text


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("都满意，问题解决了", dict.fromkeys((FIRST, SKILL, MANNERS, WHOLE), GOOD) | {SOLVED: YES}),
        ("1 1 2 3 2", {FIRST: VERY, SKILL: VERY, MANNERS: GOOD, WHOLE: FAIR, SOLVED: NO}),
        ("1214是", {FIRST: VERY, SKILL: GOOD, MANNERS: VERY, WHOLE: BAD, SOLVED: YES}),
        (
            "1.非常满意 2.满意 3.一般 4.不满意 5.否",
            {FIRST: VERY, SKILL: GOOD, MANNERS: FAIR, WHOLE: BAD, SOLVED: NO},
        ),
        ("及时性满意，专业性一般，解决了", {FIRST: GOOD, SKILL: FAIR, SOLVED: YES}),
        ("态度很好就是太慢了，问题没解决", {FIRST: BAD, MANNERS: GOOD, SOLVED: NO}),
        ("除了速度慢点，其他都满意", {FIRST: FAIR, SKILL: GOOD, MANNERS: GOOD, WHOLE: GOOD}),
        ("除了态度以外都满意", {FIRST: GOOD, SKILL: GOOD, WHOLE: GOOD}),
        ("除了态度其他都满意，态度一般", {FIRST: GOOD, SKILL: GOOD, MANNERS: FAIR, WHOLE: GOOD}),
        ("专业性和态度都很好", {SKILL: GOOD, MANNERS: GOOD}),
        ("满意，哦说错了，不满意", {WHOLE: BAD}),
        ("问题解决了很满意", {WHOLE: GOOD, SOLVED: YES}),
        ("一个解决了，一个没解决", {SOLVED: NO}),
        ("等了3天,很慢,跑了2趟", {FIRST: BAD}),
        ("帮我解决压力表检定的问题", {}),
        ("压力表多久检一次", {}),
        ("12315", {}),
    ],
)
def test_several_items_in_one_message(text: str, answers: dict[Item, Rating]) -> None:
    assert read_answers(text) == answers


ANSWERING = st.lists(
    st.sampled_from(
        [*"不没有非常满意解决了一般好差慢都其他除，。1234 ？！", "不满意", "没解决", "👍", "但是"]
    ),
    max_size=40,
).map("".join)


@settings(deadline=None, max_examples=150)
@given(text=st.one_of(st.text(max_size=80), ANSWERING), asked=st.sampled_from([None, *Item]))
def test_any_text_is_read_without_error(text: str, asked: Item | None) -> None:
    for item, rating in read_answers(text, asked=asked).items():
        assert rating in options(item)
    assert len(read_note(text)) <= 1000
    assert declines(text) in (True, False)


@settings(deadline=None, max_examples=50)
@given(asked=st.sampled_from(Item), loud=st.sampled_from(["！", "~", "。", "👍", " "]), data=st.data())
def test_the_words_of_the_form_are_always_read(asked: Item, loud: str, data: st.DataObject) -> None:
    rating = data.draw(st.sampled_from(options(asked)))
    text = label(rating) + ("" if asked is SOLVED and loud == "👍" else loud)
    if not (loud == "👍" and rating is BAD):  # a contradiction
        assert read_answer(asked, text) is rating


def test_rows_of_negations_take_no_time() -> None:
    assert read_answers("没有" * 2000) == {}


def test_refusing_to_rate_and_having_nothing_to_add_are_understood() -> None:
    assert declines("不想评价了")
    assert not declines("评价：满意")
    assert read_note("没有意见。") == ""
    assert read_note(" 希望多开培训班 ") == "希望多开培训班"


def test_partial_answers_are_kept_and_corrections_are_new_versions() -> None:
    first = record(Survey(DUE), {FIRST: GOOD}, at=NOW, source=Source.CHAT)
    second = record(first, {FIRST: BAD, SKILL: GOOD}, at=NOW, source=Source.PHONE, by="小李", note="太慢")
    assert first.missing == (SKILL, MANNERS, WHOLE, SOLVED)
    assert second.versions[0] is first.versions[0]
    assert second.answers == {FIRST: BAD, SKILL: GOOD}
    assert (second.note, second.versions[1].by) == ("太慢", "小李")
    assert record(second, {FIRST: BAD}, at=NOW, source=Source.CHAT, note="太慢") is second
    with pytest.raises(ValueError, match="solved cannot be rated"):
        record(second, {SOLVED: GOOD}, at=NOW, source=Source.CHAT)


def test_late_answers_count_and_are_marked() -> None:
    in_time = record(Survey(DUE), {WHOLE: FAIR}, at=DUE, source=Source.LINK)
    late = record(in_time, {WHOLE: GOOD}, at=DUE + timedelta(seconds=1), source=Source.LINK)
    assert [version.is_late for version in late.versions] == [False, True]
    assert late.answers == {WHOLE: GOOD}


@pytest.mark.parametrize(
    ("answers", "days", "outcome", "reason"),
    [
        ({WHOLE: FAIR, SOLVED: YES}, 0, Outcome.NONE, "没有不满意"),
        ({WHOLE: GOOD, SOLVED: NO}, 0, Outcome.REOPEN, "企业表示问题没有解决"),
        ({WHOLE: BAD}, 0, Outcome.REOPEN, "“您对本次服务的总体评价”为不满意"),
        ({FIRST: BAD, WHOLE: GOOD, SOLVED: YES}, 0, Outcome.IMPROVE, "反馈及时性"),
        ({SOLVED: NO}, 31, Outcome.IMPROVE, "已过重新办理的期限"),
    ],
)
def test_a_bad_survey_reopens_or_is_improved_on(
    answers: dict[Item, Rating], days: int, outcome: Outcome, reason: str
) -> None:
    survey = record(Survey(DUE), answers, at=NOW, source=Source.CHAT)
    found = consequence(survey, now=NOW + timedelta(days=days), reopen_until=NOW + timedelta(days=30))
    assert is_bad(survey) is (outcome is not Outcome.NONE)
    assert found.outcome is outcome
    assert reason in found.reason


# --- The ladder

PLAN = Schedule(remind_at=NOW + timedelta(days=3), call_at=NOW + timedelta(days=6), deadline=DUE)
ALL = ContactFacts(
    may_message=True, has_template=True, has_subscription=True, has_sms=True, has_miniprogram=True
)


def step(contact: ContactFacts, *attempts: Attempt, days: float = 0) -> Step:
    return next_way(contact, attempts, now=NOW + timedelta(days=days), schedule=PLAN)


def tried(way: Way, sending: Sending = Sending.SENT, days: float = 0) -> Attempt:
    return Attempt(way, NOW + timedelta(days=days), sending)


def test_each_way_follows_the_one_that_failed() -> None:
    order: list[Way] = []
    attempts: list[Attempt] = []
    while (found := step(ALL, *attempts)).way is not Way.NEXT_CONTACT:
        order.append(found.way)
        attempts.append(tried(found.way, Sending.FAILED))
    assert order == [Way.MESSAGE, Way.TEMPLATE, Way.SUBSCRIPTION, Way.SMS, Way.MINIPROGRAM]
    assert [way for way, _ in found.skipped] == order
    assert found.until == PLAN.call_at


def test_a_contact_who_allows_nothing_is_called_before_day_five_ends() -> None:
    nothing = ContactFacts()
    first = step(nothing)
    assert first.way is Way.NEXT_CONTACT
    assert all(reason for _, reason in first.skipped)
    assert len(first.skipped) == 5
    assert step(nothing, days=6).way is Way.STAFF_CALL
    assert PLAN.call_at < PLAN.deadline
    # A day of downtime does not lose the call.
    late = step(nothing, days=8)
    assert late.way is Way.STAFF_CALL
    assert "期限已过" in late.reason


def test_the_next_contact_opens_the_message_again() -> None:
    failed = tried(Way.MESSAGE, Sending.FAILED, days=1)
    before = ContactFacts(may_message=True, last_wrote_at=NOW)
    assert step(before, failed, days=2).way is Way.NEXT_CONTACT
    since = ContactFacts(may_message=True, last_wrote_at=NOW + timedelta(days=1.5))
    assert step(since, failed, days=2).way is Way.MESSAGE


def test_one_reminder_and_never_two_ways_at_once() -> None:
    assert step(ALL, tried(Way.MESSAGE, Sending.PENDING)).way is Way.WAIT
    waiting = step(ALL, tried(Way.MESSAGE), days=1)
    assert (waiting.way, waiting.until) == (Way.WAIT, PLAN.remind_at)
    reminder = step(ContactFacts(has_template=True), tried(Way.MESSAGE), days=3)
    assert (reminder.way, reminder.is_reminder) == (Way.TEMPLATE, True)
    assert reminder.reason.startswith("已询问")
    after = step(ALL, tried(Way.MESSAGE), tried(Way.TEMPLATE, days=3), days=4)
    assert (after.way, after.until) == (Way.WAIT, PLAN.call_at)


def test_nobody_is_asked_who_answered_or_does_not_want_to() -> None:
    assert step(ContactFacts(is_answered=True), days=9).way is Way.STOP
    assert step(ContactFacts(has_declined=True)).way is Way.STOP
    assert step(ALL, tried(Way.STAFF_CALL), days=6.5).way is Way.WAIT
    assert step(ALL, tried(Way.STAFF_CALL), days=8).way is Way.STOP


@given(
    flags=st.tuples(*[st.booleans()] * 5),
    attempts=st.lists(st.tuples(st.sampled_from(list(Way)[:5]), st.sampled_from(Sending)), max_size=6),
    days=st.floats(0, 10),
)
def test_an_unanswered_survey_always_ends_in_a_call(
    flags: tuple[bool, ...], attempts: list[tuple[Way, Sending]], days: float
) -> None:
    may_message, template, subscription, sms, mini = flags
    contact = ContactFacts(
        may_message=may_message,
        has_template=template,
        has_subscription=subscription,
        has_sms=sms,
        has_miniprogram=mini,
    )
    found = step(contact, *(tried(way, sending) for way, sending in attempts), days=days)
    assert found.reason
    assert (found.way is Way.STAFF_CALL) is (NOW + timedelta(days=days) >= PLAN.call_at)
    if found.way in (Way.WAIT, Way.NEXT_CONTACT):
        assert found.until
        assert found.until > NOW + timedelta(days=days)
