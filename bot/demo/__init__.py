"""`nqi demo`: three enterprises, two providers and a survey, played through the whole program in about a minute."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from bot.actions.accounts import FIRST_NAME, create_first_administrator
from bot.actions.surveys import surveys_of
from bot.core.surveys import Item, question
from bot.core.ticket_states import TicketState
from bot.core.times import china_text
from bot.demo.people import Office, Phone, check, number_in
from bot.demo.results import Summary, show, summarise
from bot.demo.stage import NAMES, Stage, staged
from bot.store import improvements, tickets

_PACE = 0.4  # seconds after each line: a minute for the whole
_PDF = b"%PDF-1.4\n%%EOF\n"
_RATED = ("不满意", "满意", "非常满意", "满意", "是")  # one item of Annex C is bad


def run(console: Console, *, is_kept: bool = False, pace: float = _PACE) -> None:
    """Play in a folder of its own, which goes afterwards; with `is_kept` it stays, and the server until Ctrl-C.

    DemoError says what was not as expected.
    """
    with ExitStack() as stack:
        if is_kept:
            folder = Path(tempfile.mkdtemp(prefix="nqi-demo-"))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nqi-demo-")))
        console.print("正在启动演示：整个系统、模拟的微信、两家示例机构，都只在本机的临时文件夹里。")
        stage = stack.enter_context(staged(folder, console, pace=pace))
        play(stage)
        if is_kept:
            _stay(stage, folder)


def play(stage: Stage) -> Summary:
    """All three parts and the summary; raises DemoError at the first thing that is not as expected."""
    _is_referred(stage)
    _is_served_in_house(stage)
    _complains(stage)
    summary = summarise(stage.program)
    show(stage.console, summary)
    check(not any(one.overdue for one in summary.tickets), "没有超期的环节")
    check(all(state != "dead" for state, _, _ in summary.messages), "没有发不出去的消息")
    return summary


def _stay(stage: Stage, folder: Path) -> None:
    """Leave everything running until Ctrl-C, and say where to click."""
    password, url = create_first_administrator(stage.program.ctx), stage.program.url
    for line in (
        "",
        f"  演示留着，可以点开看：{url}/admin/",
        f"  登录：用户名 {FIRST_NAME}，一次性密码 {password}",
        f"  模拟微信聊天：{url}/simulator/",
        f"  数据在 {folder}，看完可以整个删除",
        "  按 Ctrl-C 停止。",
        "",
    ):
        stage.console.print(line, soft_wrap=True, markup=False, highlight=False)
    while True:
        time.sleep(3600)


# --- 企业一: referred, rejected, referred again, extended, finished, rated ---


def _is_referred(stage: Stage) -> None:
    stage.heading("企业一：先咨询，再登记需求，转给服务机构，直到评价和改进")
    with stage.phone("示例甜水食品公司 王经理", "demo-1") as wang:
        wang.says("压力表多久检定一次", expects="依据：")
        wang.says("想给新出的椰汁做个第三方检测", expects="企业名称")
        number = _registers(wang, "示例甜水食品有限公司", "王经理", "13800000001")
        stage.passes(hours=0.5)
        stage.li.steps(number, "assess", f"评估 {number}：产品检验检测", plan="testing")
        wang.hears(f"您的需求 {number} 已评估")
        second = _is_rejected(stage, wang, number)
        _is_extended(stage, wang, second, number)
        _is_finished(stage, wang, second, number)
        _is_improved(stage, number)


def _registers(person: Phone, applicant: str, name: str, phone: str = "") -> str:
    """Fill in the rest of the form, the phone where it is not known yet; gives the number."""
    person.says(applicant, expects="联系人")
    person.says(name, expects="联系电话")
    if phone:
        person.says(phone, expects="请核对登记内容")
    return number_in(person.taps("确认提交", expects="已登记，编号"))


def _is_rejected(stage: Stage, wang: Phone, number: str) -> Office:
    """The first of the ranking refuses; gives the office of the one that is asked next."""
    first = stage.offices[stage.li.refers(number)]
    first.receives("referral.refer")
    first.reads()
    wang.hears(f"已转给{first.name}")
    stage.passes(hours=1)
    first.acts("reject", "退回：本月排期已满", reason="本月排期已满")
    wang.hears(f"{first.name}暂时不能承接")
    stage.stands(number, TicketState.REJECTED)
    second = stage.offices[stage.li.refers(number)]
    check(second is not first, "退回的机构不再排在第一")
    second.receives("referral.refer")
    wang.says("我的申请", expects=f"已转给{second.name}")
    return second


def _is_extended(stage: Stage, wang: Phone, office: Office, number: str) -> None:
    stage.passes(days=1)
    office.reads()
    office.acts("accept", "接受办理：承办人赵工，5 个工作日", person="赵工", phone="0898-66660002", days="5")
    wang.hears(f"{office.name}已接受您的需求 {number}")
    stage.passes(hours=1)
    office.acts("start", "已联系企业，开始办理")
    stage.stands(number, TicketState.IN_SERVICE)
    stage.passes(days=2)
    office.acts("report", "报告进展：样品已收到", reason="样品已收到，正在做微生物项目")
    stage.passes(days=2)
    office.acts("ask_extension", "申请延期 2 个工作日：复检一项", days="2", reason="有一项需要复检")
    stage.li.steps(number, "grant", f"同意 {number} 延期 2 个工作日", days="2")
    office.receives("referral.grant")
    stage.stands(number, TicketState.IN_SERVICE)


def _is_finished(stage: Stage, wang: Phone, office: Office, number: str) -> None:
    stage.passes(days=2)
    # What could not be sent while the window was closed is heard with this reply.
    wang.says("我的申请", expects="延长")
    office.uploads("检测报告.pdf", _PDF)
    office.acts("finish", "办理完成", reason="全部项目检测完成，报告已交付")
    wang.hears(f"您的需求 {number} 已办理完成")
    wang.hears(f"您的申请 {number} 已办理完成，请您评价本次服务")
    for item, rating in zip(Item, _RATED, strict=True):
        after = tuple(Item)[tuple(Item).index(item) + 1 :]
        wang.taps(rating, expects=question(after[0]) if after else "意见或建议")
    wang.says("希望延期早一点告诉我们", expects="感谢您的评价和意见")
    stage.stands(number, TicketState.SURVEYED)


def _is_improved(stage: Stage, number: str) -> None:
    with stage.program.ctx.read() as session:
        found = [one for one in improvements.improvements_of(session) if one.ticket == number]
    check(len(found) == 1, f"{number} 的评价带来一个改进项")
    item = found[0]
    stage.tell("系统", f"改进项 {item.number}：{item.problem}")
    page = f"/admin/improvements/{item.number}"
    data = {"owner": stage.li.name, "due_on": item.due_on.isoformat()}
    stage.chen.posts(f"{page}/assign", data, f"指定改进项 {item.number} 的责任人：小李", page=page)
    stage.chen.steps(number, "close", f"审核 {number}，办结归档")
    stage.stands(number, TicketState.CLOSED)


# --- 企业二: served in house, never writes again ---


def _is_served_in_house(stage: Stage) -> None:
    stage.heading("企业二：由平台直接办理，企业不再留言，靠电话完成评价")
    with stage.phone("示例清泉饮料厂 李厂长", "demo-2") as li:
        li.says("车间的电子秤想请人上门检定，一共三台", expects="企业名称")
        number = _registers(li, "示例清泉饮料厂", "李厂长", "13800000002")
        for move, what in (("assess", "评估"), ("keep", "由我们直接办理"), ("accept", "接受办理")):
            plan = {"plan": "metrology"} if move == "assess" else {}
            stage.li.steps(number, move, f"{what} {number}", **plan)
        li.hears("由我们的工作人员直接办理")
    stage.passes(hours=1)
    stage.li.steps(number, "start", f"已联系企业，开始办理 {number}")
    stage.passes(days=3)
    stage.li.steps(number, "finish", f"{number} 办理完成", reason="三台电子秤已上门检定，证书已交付")
    stage.stands(number, TicketState.FINISHED)
    stage.passes(days=5)
    _is_called(stage, number)
    stage.chen.steps(number, "close", f"审核 {number}，办结归档")
    stage.stands(number, TicketState.CLOSED)


def _is_called(stage: Stage, number: str) -> None:
    """Nobody could be asked in the chat: staff call on the fifth working day, and enter what they hear."""
    _show_attempts(stage, number)
    with stage.program.ctx.read() as session:
        found = [task for task in improvements.open_tasks(session) if task.number == number]
    check(len(found) == 1, f"{number} 有一项电话回访任务")
    stage.tell("系统", f"待办任务：{found[0].text}")
    path = f"/admin/tasks/{found[0].id}/phone"
    seen = stage.li.posts(path, {}, "查看电话（记入审计日志），拨打回访", page="/admin/tasks")
    check("13800000002" in seen, "任务页显示完整电话")
    page = f"/admin/tickets/{number}/survey"
    values = ("very-satisfied", "very-satisfied", "satisfied", "very-satisfied", "yes")
    data = {"source": "phone", **dict(zip((item.value for item in Item), values, strict=True))}
    stage.li.posts(page, data, f"录入 {number} 的电话评价", page=page)
    stage.stands(number, TicketState.SURVEYED)
    stage.li.sees("/admin/tasks", "现在没有待办任务")


def _show_attempts(stage: Stage, number: str) -> None:
    """How the enterprise was asked, and why not otherwise: the proof for S 9.2.1."""
    with stage.program.ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        found = surveys_of(session, row.id) if row is not None else []
    attempts = [one for each in found for one in each.attempts]
    check(len(attempts) > 1, f"{number} 有征求评价的记录")
    for one in attempts:
        why = "；".join(reason for _, reason in one.skipped)
        stage.tell("征求评价记录", f"{china_text(one.attempt.at)} {one.reason}{f'（{why}）' if why else ''}")


# --- 企业三: a complaint, and a need that is taken back ---


def _complains(stage: Stage) -> None:
    stage.heading("企业三：投诉一家机构，另外撤回一件需求")
    name = NAMES["P-1"]
    with stage.phone("示例果园合作社 陈社长", "demo-3") as chen:
        chen.says("我要投诉", expects="请说明投诉的对象")
        chen.says(f"{name}约好上周来取样，一直没有人来，也不接电话，要求说明情况", expects="联系电话")
        chen.says("13800000003", expects="请核对登记内容")
        number = number_in(chen.taps("确认提交", expects="投诉已登记"))
        _is_investigated(stage, chen, number, name)
        stage.passes(hours=1)
        chen.says("想买一台新的水质检测仪，想请人帮忙做校准", expects="企业名称")
        need = _registers(chen, "示例果园农民专业合作社", "陈社长")
        chen.says(f"撤回 {need}", expects="确定要撤回")
        chen.taps("确认撤回", expects="已撤回")
        stage.stands(need, TicketState.WITHDRAWN)


def _is_investigated(stage: Stage, chen: Phone, number: str, name: str) -> None:
    page = f"/admin/tickets/{number}"
    stage.li.steps(number, "acknowledge", f"受理 {number}")
    chen.hears(f"您的投诉 {number} 已受理")
    data = {"field": "concerned", "value": name, "reason": "投诉人写明"}
    stage.li.posts(f"{page}/corrections", data, f"登记被投诉的机构：{name}", page=page)
    stage.li.steps(number, "assess", f"评估 {number}")
    stage.passes(days=3)
    stage.li.steps(number, "investigate", f"调查 {number} 完成", reason="已向机构核实：取样安排遗漏")
    stage.li.steps(number, "respond", "答复处理意见", reason="机构已致歉，并于明天上午上门取样")
    chen.says("我的申请", expects="机构已致歉")
    stage.stands(number, TicketState.RESPONDED)
    stage.passes(hours=2)
    chen.says(f"补充 {number} 同意这个处理意见", expects="已记入")
    stage.chen.steps(number, "close", f"审核 {number}，投诉人同意，办结", is_accepted="true")
    chen.hears("GB/T 19013")
    stage.stands(number, TicketState.CLOSED)
