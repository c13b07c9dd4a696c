"""A need goes to a provider from its page: one click for the first, a reason for another, and all that became of it."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.actions.referrals import act_on_referral, see_referral
from bot.app import Program
from bot.core.permissions import Role
from bot.core.ticket_states import Move
from bot.errors import NotFoundError
from bot.serving import running
from bot.settings import Settings
from bot.store import referrals, tickets
from tests.bot.actions.test_referrals import Desk, provider
from tests.bot.channels.test_mail import Box, served
from tests.make import SetClock
from tests.people import Enterprise
from tests.staff import StaffMember

WATER = "想给一批矿泉水做全项检验"


@pytest.fixture(scope="module")
def box() -> Box:
    return Box()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, box: Box) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("referrals"), simulator=True, log_level="error")
    with served(box) as server:
        mail = {"smtp_host": server.host, "smtp_port": server.port, "smtp_security": "none"}
        with running(replace(settings, **mail, mail_from="platform@example.com")) as found:
            desk = Desk(found.ctx, SetClock())
            desk.knows(provider(1), provider(2, email=""), provider(3))
            yield found


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李") as found:
        yield found


@pytest.fixture
def number(program: Program, li: StaffMember, request: pytest.FixtureRequest) -> str:
    """A need that has been assessed."""
    with Enterprise(program, f"refer-{request.node.name}"[:60], "miniprogram") as person:
        found = person.registers_need(WATER)
        person.says("你好")
    li.steps(found, "assess", plan="testing")
    return found


def offered_first(page: str) -> str:
    """The provider whose button stands open."""
    found = re.search(r'id="suggestions".*?<form(.*?)</form>', page, re.DOTALL)
    assert found
    assert "reason" not in found[1]
    return re.findall(r'name="provider" value="([^"]*)"', found[1])[0]


def refers(who: StaffMember, number: str, which: str, reason: str = "") -> str:
    return who.posts(number, "referrals", {**who.form(number), "provider": which, "reason": reason})


def link_on(page: str) -> str:
    return re.findall(r'value="[^"]*/p/([^"]*)"', page)[0]


def shows(who: StaffMember, number: str, words: str) -> str:
    """The page, once it says so."""
    until = time.monotonic() + 10
    while words not in (page := who.sees(number)):
        assert time.monotonic() < until, page
        time.sleep(0.05)
    return page


def states(program: Program, number: str) -> list[tuple[str, str]]:
    with program.ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        assert row is not None
        return [(one.provider, one.state) for one in referrals.referrals_of(session, row.id)]


def test_the_first_is_one_click_away_and_after_a_refusal_the_next_is(
    program: Program, li: StaffMember, box: Box, number: str
) -> None:
    page = li.sees(number)
    assert page.index('id="suggestions"') < page.index("<h2>办理</h2>")
    first = offered_first(page)
    page = refers(li, number, first)
    assert states(program, number) == [(first, "open")]
    assert "等待答复" in page
    assert 'id="suggestions"' not in page, "whoever has been asked is waited for"
    if first != "P002":
        shows(li, number, "邮件已发送")
        assert box.recipients[-1] == f"p{first[-1]}@example.com"
    token = link_on(li.sees(number))
    act_on_referral(
        program.ctx, token, Move.REJECT, seen=see_referral(program.ctx, token).seen, reason="本月排期已满"
    )
    page = li.sees(number)
    second = offered_first(page)
    assert second != first
    assert "<b>服务机构退回</b>" in page
    assert "本月排期已满" in page
    page = refers(li, number, second)
    assert states(program, number) == [(first, "rejected"), (second, "open")]
    assert "转介记录（2）" in page
    assert page.count("当时的排名（选第 1 家）") == 2


def test_another_than_the_first_is_refused_without_a_reason_and_the_words_stay(
    program: Program, li: StaffMember, number: str
) -> None:
    first = offered_first(li.sees(number))
    other = next(which for which in ("P001", "P003") if which != first)
    assert "没有选排在第一的机构，请写明原因" in refers(li, number, other)
    form = {**li.form(number), "seen": "older", "provider": other, "reason": "以前合作过"}
    page = li.posts(number, "referrals", form)
    assert "刚被更新" in page
    assert "以前合作过</textarea>" in page
    assert states(program, number) == []
    assert "原因：以前合作过" in refers(li, number, other, "以前合作过")
    assert states(program, number) == [(other, "open")]


def test_a_provider_that_cannot_be_told_has_a_link_to_copy_and_old_links_end(
    program: Program, li: StaffMember, number: str
) -> None:
    page = refers(li, number, "P002", "离企业近")
    assert "没有可以通知这家机构的方式" in page
    first = link_on(page)
    assert see_referral(program.ctx, first).number == number
    second = link_on(li.posts(number, "link", li.form(number)))
    assert second != first
    assert see_referral(program.ctx, second).state == "open"
    with pytest.raises(NotFoundError, match="链接无效"):
        see_referral(program.ctx, first)
    assert "重新发送链接" in li.sees(number)


def test_staff_write_down_an_acceptance_and_both_sides_learn_of_each_other(
    program: Program, li: StaffMember, number: str
) -> None:
    page = refers(li, number, "P003", "企业指定")
    assert 'name="phone" maxlength="40" inputmode="tel" required value="0898-66660001"' in page
    typed = {"person": "张工", "phone": "12", "days": "9", "reason": "来电承接"}
    page = li.posts(number, "acceptance", {**li.form(number), **typed})
    assert "请填写完整的联系电话" in page
    assert 'value="张工"' in page
    assert "来电承接</textarea>" in page
    assert "天数请填数字" in li.posts(
        number, "acceptance", {**li.form(number), **typed, "phone": "0898-66660000", "days": "两周"}
    )
    page = li.posts(number, "acceptance", {**li.form(number), **typed, "phone": "0898-66660000"})
    assert "示例丙检测中心，张工 0898-66660000" in page
    assert "产品检验检测服务；9 个工作日" in page
    assert "联系人：张工，电话 0898-66660000" in page
    li.steps(number, "start")
    li.steps(number, "ask_extension", reason="设备检修")
    with StaffMember(program, f"小陈{number[-3:]}") as chen:
        assert 'name="days" type="number"' in chen.sees(number)
        assert "<b>同意延期</b>" in chen.steps(number, "grant", days="3")


def test_a_rejection_by_telephone_is_written_down(program: Program, li: StaffMember, number: str) -> None:
    refers(li, number, "P003", "企业指定")
    assert "代机构登记退回" in li.sees(number)
    assert "请写明内容或原因" in li.steps(number, "reject")
    li.steps(number, "reject", reason="来电说排期已满")
    assert states(program, number) == [("P003", "rejected")]


def test_several_legs_stand_with_their_state(li: StaffMember, program: Program) -> None:
    with Enterprise(program, "refer-legs", "miniprogram") as person:
        number = person.registers_need(WATER)
    li.posts(number, "steps", {**li.form(number), "move": "assess", "plan": ["testing", "certification"]})
    page = li.sees(number)
    assert "产品检验检测服务 · 还没有安排" in page
    page = refers(li, number, offered_first(page))
    assert "产品检验检测服务 · 等待答复 · 示例" in page


def test_who_only_reads_sees_no_link_and_refers_nothing(
    program: Program, li: StaffMember, number: str
) -> None:
    with StaffMember(program, f"评价{number[-3:]}", Role.EVALUATOR) as reader:
        page = reader.sees(number)
        assert "建议机构" in page
        assert "转给这家机构" not in page
        csrf = li.form(number)["csrf"]
        for what in ("referrals", "acceptance", "link"):
            form = {**li.form(number), "provider": "P001", "person": "张工", "phone": "0898-66660000"}
            assert "权限" in reader.posts(number, what, form)
            forged = li.http.post(f"/admin/tickets/{number}/{what}", data={**form, "csrf": f"{csrf}x"})
            assert forged.status_code == 403
        refers(li, number, "P003", "企业指定")
        assert "/p/" not in reader.sees(number)
    assert states(program, number) == [("P003", "open")]
