"""A need from its registration to its end, seen by the enterprise and by staff; and the ways in which it ends early."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.app import Program
from bot.serving import running
from bot.settings import Settings
from tests.make import SetClock
from tests.people import Enterprise, number_in
from tests.staff import StaffMember


@pytest.fixture
def stage(fresh: Settings) -> Iterator[Program]:
    """A platform of its own: its clock may be moved."""
    with running(fresh) as found:
        yield found


@pytest.fixture
def li(stage: Program) -> Iterator[StaffMember]:
    with StaffMember(stage, "小李") as found:
        yield found


@pytest.fixture
def chen(stage: Program) -> Iterator[StaffMember]:
    with StaffMember(stage, "小陈") as found:
        yield found


def hears(person: Enterprise, words: str, seconds: float = 10.0) -> bool:
    """Does a message with these words reach the phone?"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if any(words in text for text in person.received()):
            return True
        time.sleep(0.03)
    return False


def test_a_need_is_served_in_house_and_the_enterprise_hears_of_it(
    stage: Program, li: StaffMember, chen: StaffMember
) -> None:
    with Enterprise(stage, "course-1", "miniprogram") as person:
        number = person.registers_need()
        person.says("你好")  # whoever has written may be told more
        li.steps(number, "assess", plan="testing")
        assert hears(person, f"您的需求 {number} 已评估")
        li.steps(number, "keep")
        assert hears(person, f"您的需求 {number} 由我们的工作人员直接办理")
        li.steps(number, "accept")
        person.says("谢谢")
        li.steps(number, "start")
        page = li.steps(number, "finish", reason="样品检测完成，报告已交付")
        assert hears(person, f"您的需求 {number} 已办理完成")
        assert hears(person, "您对本次服务反馈及时性的满意度"), "the rating is asked for at once"
        assert "正在发给企业：您的需求" in page or "已发给企业：您的需求" in page
        assert "已发给企业：您的需求" in li.sees(number)
        assert "已办理完成" in person.says(f"进度 {number}")
        assert "已记录您确认" in person.says(f"确认完成 {number}")
    assert "评价还没有结束" in chen.steps(number, "close")
    stage.ctx.clock = SetClock(datetime.now(UTC) + timedelta(days=20))
    li.logs_in()
    chen.logs_in()
    assert "审核人不能是记录人" in li.steps(number, "close")
    page = chen.steps(number, "close")
    assert "已办结" in page
    assert "<dt>审核人</dt><dd>小陈</dd>" in page
    for what in (
        "评估",
        "由我们直接办理",
        "接受办理",
        "已联系企业，开始办理",
        "办理完成",
        "企业确认完成",
        "审核办结",
    ):
        assert f"<b>{what}</b>" in page


def test_an_enterprise_urges_and_withdraws_its_own_need(stage: Program, li: StaffMember) -> None:
    with Enterprise(stage, "course-2") as person, Enterprise(stage, "course-3") as other:
        number = person.registers_need()
        assert "已登记，等待评估" in person.says("我的申请")
        assert f"已催办需求 {number}" in person.taps("催办")
        assert "已经催办过" in person.says(f"催办 {number}")
        assert ">催办</b>" in li.http.get("/admin/").text
        assert "没有查到" in other.says(f"撤回 {number}"), "somebody else's ticket looks like none"
        assert f"确定要撤回 {number} 吗" in person.says(f"撤回 {number}")
        assert "继续办理" in person.taps("取消")
        person.says("我的申请")
        assert f"确定要撤回 {number} 吗" in person.taps("撤回")
        assert f"您的需求 {number} 已撤回" in person.taps("确认撤回")
        assert "没有可以撤回的申请" in person.says("撤回")
        assert "现在不能这样办理" in person.says(f"催办 {number}")
        page = li.sees(number)
        assert page.count("<b>催办</b>") == page.count("<b>撤回</b>") == 1
        assert "现在不能这样办理" in li.steps(number, "assess", plan="testing")


def test_what_staff_ask_for_is_added_by_the_enterprise(stage: Program, li: StaffMember) -> None:
    with Enterprise(stage, "course-4") as person:
        number = person.registers_need()
        assert "等企业补充" in li.steps(number, "ask_enterprise", reason="请补充样品数量")
        assert "后面写上" in person.says(f"补充 {number}")
        assert "已记入" in person.says(f"补充 {number} 一共20瓶")
        page = li.sees(number)
        assert "等企业补充" not in page
        assert "一共20瓶" in page


def test_a_complaint_is_not_dismissed_by_the_person_it_is_about(
    stage: Program, li: StaffMember, chen: StaffMember
) -> None:
    with Enterprise(stage, "course-5") as person:
        person.says("我要投诉")
        person.says("小李说好上周联系我们，一直没有联系")
        number = number_in(person.says("跳过") + person.says("1") + person.says("我的申请"))
    chen.steps(number, "acknowledge")
    chen.corrects(number, "concerned", "小李")
    for move in ("assess", "ask_enterprise"):
        assert "被投诉的人员或机构不能处理这件投诉" in li.steps(number, move, reason="没有这回事")
    for move in ("assess", "investigate", "respond"):
        chen.steps(number, move, reason="已核实并致歉")
    refused = li.steps(number, "close", is_accepted="true")
    assert "被投诉的人员或机构不能处理这件投诉" in refused
    assert "审核人不能是记录人" in chen.steps(number, "close", is_accepted="true")
    with StaffMember(stage, "小王") as wang:
        assert "GB/T 19013" in wang.steps(number, "close", is_accepted="true")


def test_two_staff_at_once_make_one_step(stage: Program, li: StaffMember, chen: StaffMember) -> None:
    with Enterprise(stage, "course-6") as person:
        number = person.registers_need()
    both = {who: who.form(number) for who in (li, chen)}
    pages = [who.steps(number, "assess", form=form, plan="testing") for who, form in both.items()]
    assert ["刚被更新" in page for page in pages] == [False, True]
    assert li.sees(number).count("<b>评估</b>") == 1
