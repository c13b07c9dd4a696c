"""Data of template messages: settings that say what is wrong, values that WeChat takes."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.channels.simulator.templates import wrong_key
from bot.core.notifications import Notification, fill, parse
from bot.core.times import china_text
from bot.errors import SettingsError
from tests.make import NOON

SETTING = "TEMPLATE_ID-1|thing1={title}|character_string2={number}|time3={time}|phrase4={state}"


def filled(kind: str, value: str) -> str:
    return fill(Notification("T1", ((f"{kind}1", "{value}"),)), {"value": value})[f"{kind}1"]


def test_a_setting_is_read():
    found = parse(f" {SETTING} ")
    assert found.template == "TEMPLATE_ID-1"
    assert found.fields[0] == ("thing1", "{title}")
    assert found.gaps == {"title", "number", "time", "state"}


def test_texts_around_gaps_and_equals_signs_stay():
    found = parse("T|thing1=编号{number}=有效 | thing02 = 固定的话")
    assert found.fields == (("thing1", "编号{number}=有效"), ("thing02", "固定的话"))
    assert fill(found, {"number": "7"}) == {"thing1": "编号7=有效", "thing02": "固定的话"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "模板ID"),
        ("模板|thing1={title}", "模板ID"),
        ("T", "没有字段"),
        ("T|", "字段名=内容"),
        ("T|thing1", "字段名=内容"),
        ("T|thing1=", "字段名=内容"),
        ("T|thing={title}", "“thing”"),
        ("T|keyword1={title}", "“keyword1”"),
        ("T|thing1={title", "花括号"),
        ("T|thing1={Title}", "花括号"),
        ("T|thing1={}", "花括号"),
        ("T|thing1={title}|thing1={time}", "两次"),
        ("T|thing1={titel}", "{titel}"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(text, part):
    with pytest.raises(SettingsError) as error:
        parse(text, gaps={"title", "time"})
    assert part in error.value.message
    assert error.value.message.startswith("消息模板设置有误：")


@given(
    st.text(max_size=80)
    | st.lists(
        st.sampled_from(["T", "thing1", "date2", "=", "|", "{a}", "{", "}", " ", "编号"]), max_size=12
    ).map("".join)
)
@example("T|thing1={a}={a}| date2 = x")
def test_any_setting_is_read_or_refused(text):
    try:
        found = parse(text)
    except SettingsError:
        return
    assert parse("|".join((found.template, *(f"{key}={value}" for key, value in found.fields)))) == found


def test_a_whole_message():
    values = {"title": "一批瓶装饮用水的检验", "number": "NQI-2026-000001", "state": "服务中"}
    assert fill(parse(SETTING), values | {"time": china_text(NOON)}) == {
        "thing1": "一批瓶装饮用水的检验",
        "character_string2": "NQI-2026-000001",
        "time3": "2026年11月21日 12:00",
        "phrase4": "服务中",
    }


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("thing", "质" * 20, "质" * 20),
        ("thing", "质" * 21, "质" * 19 + "…"),
        ("thing", "一\r\n二\x00\u2028三", "一 二 三"),
        ("thing", " \n\u200b\ud800", "无"),
        ("thing", "{value}", "{value}"),
        ("character_string", "ＮＱＩ－２０２６编号", "NQI-2026"),
        ("character_string", "编号", "-"),
        ("character_string", "a" * 33, "a" * 32),
        ("letter", "B级", "B"),
        ("number", "共 1,234.50 元", "1234.50"),
        ("number", "-5", "-5"),
        ("number", "1" * 30 + ".123", "1" * 30 + ".12"),
        ("number", "1" * 32 + ".5", "1" * 32),
        ("symbol", "★★★★★★", "★★★★★"),
        ("symbol", "五", "—"),
        ("phrase", "待企业补充材料", "待企业补充"),
        ("phrase", "done", "无"),
        ("name", "示例市质量技术服务中心一", "示例市质量技术服务…"),
        ("name", "Example Metrology Centre", "Example Metrology Ce"),
        ("name", "", "无"),
        ("date", "2026-11-21", "2026年11月21日"),
        ("date", "2026-11-21 20:15", "2026年11月21日 20:15"),
        ("date", "2026年11月2日", "2026年11月2日"),
        ("date", "2026-11-21 至 2026-11-25", "2026年11月21日~2026年11月25日"),
        ("date", "2026-11-21，晚于 2026-11-20", "2026年11月21日"),
        ("time", "2026-11-21 20:15", "2026年11月21日 20:15"),
        ("time", "9:05", "09:05"),
        ("time", "上午9：00到11：30", "09:00~11:30"),
        ("amount", "￥1,200.505元", "¥1200.50元"),
        ("amount", "300", "300"),
        ("phone_number", "电话：0898-66660000", "0898-66660000"),
        ("phone_number", "+86 (0898) 6666 0000", "+86089866660000"),
        ("car_number", "琼A 12345", "琼A12345"),
        ("enum", "已受理", "已受理"),
    ],
)
def test_values_fit_their_type(kind, value, expected):
    assert filled(kind, value) == expected
    assert wrong_key({f"{kind}1": {"value": expected}}) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("letter", "汉字"),
        ("number", "没有"),
        ("number", "1" * 33),
        ("date", "明天"),
        ("date", "2026-02-30"),
        ("time", "2026-11-21"),
        ("time", "2026-11-21 25:00"),
        ("time", "2026-02-30 10:00"),
        ("amount", "约300元"),
        ("amount", "-3"),
        ("amount", "12345678901"),
        ("phone_number", "无"),
        ("phone_number", "1" * 18),
        ("car_number", "琼A1234567"),
        ("enum", ""),
    ],
)
def test_what_can_neither_be_said_nor_left_out_is_refused(kind, value):
    with pytest.raises(ValueError, match=f"{kind}1"):
        filled(kind, value)


# Types that always have something to say: a survey must not fail because a title is odd.
ALWAYS = ("thing", "character_string", "symbol", "phrase", "name")
OTHERS = ("letter", "number", "date", "time", "amount", "phone_number", "car_number", "enum", "const")
ANYTHING = st.text(max_size=60) | st.text(alphabet="0123456789-:~年月日 ¥$元.,+()#至粤Aa质★\n", max_size=30)
NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check(data: Mapping[str, str]) -> None:
    assert wrong_key({key: {"value": value} for key, value in data.items()}) is None
    assert all(value and value == value.strip() and not NEVER.search(value) for value in data.values())


@pytest.mark.parametrize("kind", ALWAYS)
@given(value=ANYTHING, around=st.sampled_from(["{value}", "编号{value}", "{value}{value}", "{missing}"]))
def test_whatever_the_value_the_result_is_valid(kind, value, around):
    check(fill(Notification("T", ((f"{kind}1", around),)), {"value": value}))


@pytest.mark.parametrize("kind", OTHERS)
@given(value=ANYTHING)
def test_whatever_the_value_the_result_is_valid_or_refused(kind, value):
    try:
        found = filled(kind, value)
    except ValueError:
        return
    check({f"{kind}1": found})


@given(st.datetimes(min_value=NOON.replace(tzinfo=None)), st.sampled_from(["date", "time"]))
def test_every_moment_can_be_said(moment, kind):
    text = moment.strftime("%Y-%m-%d %H:%M")
    said = filled(kind, text)
    assert [int(part) for part in re.findall(r"\d+", said)] == [
        int(part) for part in re.findall(r"\d+", text)
    ]
