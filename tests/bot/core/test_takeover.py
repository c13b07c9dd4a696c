"""Who gets a chat and why, how long it is waited for, when it ends, and what the answer box says."""

from datetime import datetime, timedelta

import pytest

from bot.core.calendar import WorkCalendar, shipped_notices
from bot.core.takeover import (
    Colleague,
    ConsoleRules,
    Quota,
    choose,
    expected_minutes,
    in_line,
    is_idle,
    is_unanswered,
    is_wait_over,
    mentions,
    own_words,
)
from bot.core.times import CHINA

CALENDAR = WorkCalendar(shipped_notices())


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=CHINA)


def person(number: int, name: str, *skills: str, held: int = 0, work: datetime | None = None) -> Colleague:
    return Colleague(number, name, frozenset(skills), held, work)


LI, CHEN = person(1, "小李", "testing", held=4), person(2, "小陈")


@pytest.mark.parametrize(
    ("people", "last", "name", "why"),
    [
        ([LI, CHEN], "小陈", "小陈", "上次由您接待"),
        ([LI, CHEN], "", "小李", "您擅长这一类"),
        ([LI, person(2, "小陈", "testing", held=3)], "", "小陈", "您擅长这一类"),
        ([person(1, "小李", held=5), CHEN], "小李", "小陈", "现在只有您能接待"),
        ([person(1, "小李", held=1), CHEN], "", "小陈", "您手上的会话最少"),
        (
            [person(1, "小李", work=at("23T10:00")), person(2, "小陈", work=at("23T09:00"))],
            "",
            "小陈",
            "您等待新会话最久",
        ),
        ([person(1, "小李", work=at("23T09:00")), CHEN], "", "小陈", "您等待新会话最久"),
    ],
)
def test_a_chat_goes_to_whom_it_fits_best(people: list[Colleague], last: str, name: str, why: str) -> None:
    chosen = choose(people, category="testing", last=last)
    assert chosen is not None
    assert (chosen[0].name, chosen[1]) == (name, why)


def test_nobody_gets_more_than_they_can_hold() -> None:
    assert choose([person(1, "小李", held=5), person(2, "小陈", held=7)], category="", last="小李") is None
    assert choose([], category="", last="") is None


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [([], None), ([0.2], 5), ([7], 5), ([8], 10), ([1, 2, 31], 5), ([12, 14, 40, 11], 15)],
)
def test_the_expected_wait_is_the_median_to_five_minutes(minutes: list[float], expected: int | None) -> None:
    assert expected_minutes([timedelta(minutes=one) for one in minutes]) == expected


def test_the_queue_is_in_the_order_of_coming() -> None:
    line = in_line([(7, at("23T10:05")), (9, at("23T10:01"))], [timedelta(minutes=9)])
    assert [(one.conversation_id, one.position, one.expected_minutes) for one in line] == [
        (9, 1, 10),
        (7, 2, 10),
    ]


@pytest.mark.parametrize(
    ("since", "now", "is_over"),
    [
        ("23T10:00", "23T10:09", False),
        ("23T10:00", "23T10:10", True),
        ("23T11:55", "23T12:00", True),  # the hours have ended
        ("20T17:25", "23T08:31", False),  # six of the ten minutes have passed, the weekend does not count
        ("20T17:25", "23T08:35", True),
        ("21T10:00", "21T10:01", True),  # a Saturday
    ],
)
def test_a_wait_is_over_after_ten_working_minutes_or_with_the_hours(
    since: str, now: str, is_over: bool
) -> None:
    assert is_wait_over(CALENDAR, at(since), now=at(now)) is is_over


@pytest.mark.parametrize(
    ("contact", "staff", "now", "idle"),
    [
        ("23T10:00", "23T10:01", "23T10:30", False),
        ("23T10:00", "23T10:01", "23T10:31", True),
        (None, "23T10:01", "23T10:31", True),
        ("23T10:02", "23T10:01", "23T11:30", False),  # their word is unanswered
        ("23T10:00", None, "23T11:30", False),
        ("23T11:50", "23T11:55", "23T14:45", False),  # the midday break does not count
        ("23T11:50", "23T11:55", "23T14:55", True),
        ("22T10:00", "22T10:01", "23T10:20", False),  # taken at ten, the answers are of yesterday
    ],
)
def test_only_an_answered_chat_is_idle(contact: str | None, staff: str | None, now: str, idle: bool) -> None:
    moments = {"contact_at": at(contact) if contact else None, "staff_at": at(staff) if staff else None}
    assert is_idle(CALENDAR, held_since=at("23T10:00"), now=at(now), **moments) is idle


def test_a_word_of_the_same_moment_counts_as_answered() -> None:
    assert not is_unanswered(contact_at=at("23T10:00"), staff_at=at("23T10:00"))
    assert not is_unanswered(contact_at=None, staff_at=None)
    assert is_unanswered(contact_at=at("23T10:00"), staff_at=None)


@pytest.mark.parametrize(
    ("asked", "messages", "words"),
    [
        (" 矿泉水检测 ", [("text", "转人工", "act")], "矿泉水检测"),
        ("", [("text", "转人工", "act"), ("text", "矿泉水检测多少钱", "refer")], "矿泉水检测多少钱"),
        ("", [("image", "", ""), ("voice", "检测矿泉水", "oos")], "检测矿泉水"),
        ("", [("text", "13800000000", "form"), ("text", "  ", "oos"), ("event", "subscribe", "")], ""),
    ],
)
def test_what_the_contact_wanted_are_their_own_words(
    asked: str, messages: list[tuple[str, str, str]], words: str
) -> None:
    assert own_words(asked, messages) == words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@小李 请看一下，@小李明 也看", ("小李", "小李明")),
        ("@小李明明天来", ("小李明",)),
        ("li@小陈.com @小陈", ("小陈",)),
        ("@nobody", ()),
        ("小李", ()),
        ("@a.b", ("a.b",)),
        ("@axb", ()),
    ],
)
def test_names_after_an_at_sign_are_called(text: str, found: tuple[str, ...]) -> None:
    assert mentions(text, ["小李", "小李明", "小陈", "a.b", ""]) == found
    assert mentions(text, []) == ()


def test_the_answer_box_says_what_is_left_and_what_else_is_possible() -> None:
    until = at("23T16:20")
    assert Quota(3, until, "held").text == "还可发 3 条，窗口 11-23 16:20 关闭"
    assert Quota(0, until, "held").text.startswith("这次可发的条数已用完")
    closed = Quota(0, None, "sms")
    assert (closed.is_open, closed.next_label) == (False, "改发短信")
    assert "微信不允许主动发送" in closed.text
    assert {Quota(0, None, way).next_label for way in ("held", "notice", "phone")} == {
        "等对方下次留言时送达",
        "发提醒，对方留言时送达",
        "请电话联系",
    }


def test_rules_that_make_no_sense_are_as_shipped() -> None:
    assert ConsoleRules.from_json(None) == ConsoleRules(auto_assign=True, office_hours=True)
    assert ConsoleRules.from_json({"auto_assign": False, "office_hours": "no", "more": 1}) == ConsoleRules(
        False
    )
