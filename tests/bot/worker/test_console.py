"""The worker's round over chats: who is here gets them, who waited in vain gets a request, what is idle goes back."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from bot.actions import takeover
from bot.actions.queueing import assign_waiting, end_vain_waits, return_idle
from bot.backends.memory import MemoryHub
from bot.core.permissions import Actor, Role
from bot.core.takeover import ConsoleRules
from bot.core.turns import Form
from bot.store.conversations import Message
from bot.store.people import Staff
from bot.worker.console import tend_console
from intents.categories import Category
from tests.chats import PNG, Chats, chats_fixture, china  # noqa: F401 - fixtures

HEAD = Actor(99, "王主任", Role.HEAD)


def holder(chats: Chats, person: str = "o1") -> str:
    """The name of who holds a chat; empty where nobody does."""
    names = {row.id: row.name for row in chats.rows(Staff)}
    found = chats.talk(person).staff_id
    return names[found] if found is not None else ""


# --- to somebody who is here


def test_who_waits_is_given_to_who_is_here_and_reads_why(chats: Chats) -> None:
    li = chats.hires("小李", is_here=True)
    talk = chats.waits()
    assert tend_console(chats.ctx) == 1
    assert tend_console(chats.ctx) == 0
    row = chats.talk()
    assert (row.holder, row.staff_id, row.assigned_why) == ("staff", li.id, "现在只有您能接待")
    assert chats.delivers() == ["工作人员小李为您服务。"]
    (line,) = chats.audit("assign-conversation")
    assert (line.actor, line.subject, line.note) == ("system", f"conversation:{talk}", "小李")
    assert {f"staff:{li.id}", "console", f"conversation:{talk}"} <= set(chats.pokes)


@pytest.mark.parametrize(
    "values",
    [
        {"is_away": True},
        {"role": Role.MAINTAINER},
        {"closed_at": china("2026-11-23T09:00")},
        {"must_change": True},
        {"is_here": False, "seen_at": china("2026-11-23T09:57:59")},
        {"is_here": False},
    ],
)
def test_who_is_not_here_or_takes_no_chats_gets_none(chats: Chats, values: dict[str, object]) -> None:
    chats.hires("小李", **{"is_here": True, **values})  # type: ignore[arg-type]
    chats.waits()
    assert assign_waiting(chats.ctx) == 0
    assert chats.talk().holder == "waiting"


def test_known_people_come_before_knowledge_and_knowledge_before_leisure(chats: Chats) -> None:
    li = chats.hires("小李", is_here=True)
    chats.hires("小陈", is_here=True, skills=["testing"])
    chats.waits()
    takeover.claim(chats.ctx, chats.talk().id, actor=li)
    chats.says(li, "您好", chats.talk().id)
    takeover.hand_back(chats.ctx, chats.talk().id, actor=li)
    chats.clock.move(minutes=1)
    chats.waits()
    chats.waits(person="o2")
    assert assign_waiting(chats.ctx) == 2
    assert (holder(chats), chats.talk().assigned_why) == ("小李", "上次由您接待")
    assert (holder(chats, "o2"), chats.talk("o2").assigned_why) == ("小陈", "您擅长这一类")


def test_chats_are_shared_out_until_everybody_has_five(chats: Chats) -> None:
    chats.hires("小李", is_here=True)
    chats.hires("小陈", is_here=True)
    for number in range(12):
        chats.waits(person=f"p{number}", words="你好")
        chats.clock.move(seconds=1)
    assert assign_waiting(chats.ctx) == 10
    assert [holder(chats, f"p{number}") for number in range(10)] == ["小李", "小陈"] * 5
    assert [chats.talk(f"p{number}").holder for number in (10, 11)] == ["waiting"] * 2
    assert chats.talk("p1").assigned_why == "您手上的会话最少"
    assert chats.talk("p2").assigned_why == "您等待新会话最久"


def test_two_workers_give_each_chat_once(chats: Chats) -> None:
    chats.hires("小李", is_here=True)
    for number in range(4):
        chats.waits(person=f"p{number}")
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda _: assign_waiting(chats.ctx), range(2))) == 4
    assert len(chats.audit("assign-conversation")) == 4


def test_a_setting_leaves_the_queue_to_people(chats: Chats) -> None:
    chats.hires("小李", is_here=True)
    takeover.configure(chats.ctx, ConsoleRules(auto_assign=False), actor=HEAD)
    chats.waits()
    assert assign_waiting(chats.ctx) == 0
    takeover.configure(chats.ctx, ConsoleRules(), actor=HEAD)
    assert assign_waiting(chats.ctx) == 1
    assert [line.note for line in chats.audit("configure-console")] == [
        "auto_assign=False office_hours=True",
        "auto_assign=True office_hours=True",
    ]


def test_who_is_away_keeps_what_they_hold(chats: Chats) -> None:
    li = chats.hires("小李", is_here=True)
    chats.waits()
    assign_waiting(chats.ctx)
    takeover.set_away(chats.ctx, actor=li, is_away=True)
    chats.waits(person="o2")
    assert assign_waiting(chats.ctx) == 0
    assert holder(chats) == "小李"
    takeover.set_away(chats.ctx, actor=li, is_away=False)
    assert assign_waiting(chats.ctx) == 1


# --- nobody came


def test_who_waited_in_vain_gets_a_request_and_is_told_so(chats: Chats) -> None:
    talk = chats.waits(words="想检测一批矿泉水")
    chats.clock.move(minutes=9)
    assert end_vain_waits(chats.ctx) == 0
    chats.writes("急用", None)
    chats.clock.move(minutes=1)
    assert (end_vain_waits(chats.ctx), end_vain_waits(chats.ctx)) == (1, 0)
    (ticket,) = chats.tickets()
    assert (ticket.content, ticket.kind, ticket.category, ticket.recorder) == (
        "想检测一批矿泉水",
        "need",
        "testing",
        "bot",
    )
    assert ticket.started_at == china("2026-11-23T10:00")
    assert ticket.respond_by is not None
    row = chats.talk()
    assert (row.holder, row.waiting_since, chats.state().asked) == ("bot", None, "")
    (told,) = chats.delivers()
    assert told.startswith(f"抱歉，工作人员暂时没能接待您，已为您登记，编号 {ticket.number}。")
    assert "回复“我的申请”可随时查看进度。" in told
    assert ("bot", told) in chats.transcript(talk)
    assert ticket.number in chats.writes("我的申请")


def test_who_never_said_what_they_wanted_gets_a_request_that_says_so(chats: Chats) -> None:
    chats.writes("转人工")
    chats.clock.move(minutes=10)
    end_vain_waits(chats.ctx)
    assert [(row.content, row.category) for row in chats.tickets()] == [
        ("请工作人员联系（转人工时没有说明内容）", "other")
    ]


def test_a_form_that_was_begun_becomes_the_request(chats: Chats) -> None:
    chats.writes("登记需求")
    chats.writes("检测一批矿泉水，20 瓶", Category.TESTING)
    chats.writes("示例甜水食品有限公司")
    chats.writes("转人工")
    assert isinstance(chats.state().form, Form)
    chats.clock.move(minutes=10)
    end_vain_waits(chats.ctx)
    (ticket,) = chats.tickets()
    assert (ticket.content, ticket.applicant) == ("检测一批矿泉水，20 瓶", "示例甜水食品有限公司")
    assert chats.state().form is None


def test_the_end_of_the_hours_ends_the_waiting(chats: Chats) -> None:
    chats.clock.at = china("2026-11-23T11:57")
    chats.waits()
    chats.clock.move(minutes=2)
    assert end_vain_waits(chats.ctx) == 0
    chats.clock.move(minutes=1)
    assert end_vain_waits(chats.ctx) == 1
    assert chats.delivers()[0].startswith(
        "抱歉，人工服务时间已结束，没能接待您，已为您登记，编号 NQI-2026-000001"
    )


def test_people_who_are_there_at_any_time_are_waited_for_at_any_time(chats: Chats) -> None:
    takeover.configure(chats.ctx, ConsoleRules(office_hours=False), actor=HEAD)
    chats.clock.at = china("2026-11-22T22:00")
    chats.waits()
    chats.clock.move(minutes=9)
    assert end_vain_waits(chats.ctx) == 0
    chats.clock.move(minutes=1)
    assert end_vain_waits(chats.ctx) == 1


def test_a_claim_and_the_end_of_the_waiting_at_the_same_instant_have_one_winner(chats: Chats) -> None:
    li, talk = chats.hires("小李"), chats.waits()
    chats.clock.move(minutes=10)
    with ThreadPoolExecutor(2) as pool:
        ended = pool.submit(end_vain_waits, chats.ctx)
        claimed = pool.submit(takeover.claim, chats.ctx, talk, actor=li)
        claimed.result()
        # A chat that is with the bot again may be taken too; a request stands only where the waiting was ended first.
        assert ended.result() == len(chats.tickets())
    assert holder(chats) == "小李"


def test_who_leaves_the_queue_or_for_good_gets_no_request(chats: Chats) -> None:
    chats.waits()
    assert chats.writes("取消").startswith("已退出等待")
    chats.waits(person="o2")
    chats.happens("unsubscribe", person="o2")
    chats.clock.move(minutes=20)
    assert end_vain_waits(chats.ctx) == 0
    assert chats.tickets() == []


def test_where_nothing_may_be_sent_the_request_is_told_with_the_next_reply(chats: Chats) -> None:
    chats.clock.at = china("2026-11-20T17:25")
    chats.waits()
    chats.happens("click", event_key="bot:menu")
    with chats.ctx.transaction() as tx:
        tx.connection.exec_driver_sql("UPDATE conversation SET allowance = 0")
    chats.clock.move(minutes=10)
    end_vain_waits(chats.ctx)
    assert [state for _, state in chats.outbox()] == ["held"]
    assert "NQI-2026-000001" in chats.writes("你好")


# --- idle


def test_an_answered_chat_goes_back_after_half_an_hour_of_silence(chats: Chats) -> None:
    li, talk = chats.hires("小李"), chats.waits()
    takeover.claim(chats.ctx, talk, actor=li)
    chats.writes("矿泉水多少瓶")
    chats.clock.move(minutes=1)
    takeover.send_image(chats.ctx, talk, actor=li, content=PNG, name="清单.png", key="a")
    chats.clock.move(minutes=29)
    assert return_idle(chats.ctx) == 0
    chats.clock.move(minutes=1)
    assert (tend_console(chats.ctx), tend_console(chats.ctx)) == (1, 0)
    assert chats.talk().holder == "bot"
    assert chats.delivers()[-1].startswith("您有一段时间没有留言，人工服务先到这里")
    assert [line.actor for line in chats.audit("return-conversation")] == ["system"]


def test_a_note_keeps_no_chat_and_the_midday_break_ends_none(chats: Chats) -> None:
    chats.clock.at = china("2026-11-23T11:45")
    li, talk = chats.hires("小李"), chats.waits()
    takeover.claim(chats.ctx, talk, actor=li)
    chats.clock.move(minutes=1)
    chats.says(li, "请稍候", talk)
    chats.clock.at = china("2026-11-23T14:45")
    takeover.note(chats.ctx, talk, actor=li, text="等电话")
    assert return_idle(chats.ctx) == 0, "29 minutes of work"
    chats.clock.at = china("2026-11-23T14:46")
    assert return_idle(chats.ctx) == 1


def test_an_unanswered_word_rings_an_alert_and_never_goes_back(chats: Chats) -> None:
    li, talk = chats.hires("小李"), chats.waits()
    takeover.claim(chats.ctx, talk, actor=li)
    chats.says(li, "您好", talk)
    chats.clock.move(minutes=1)
    chats.writes("请问多久出报告")
    chats.clock.move(minutes=29)
    with chats.ctx.read() as session:
        assert takeover.alerts_of(session, now=chats.clock.now()) == []
    chats.clock.move(minutes=1)
    assert return_idle(chats.ctx) == 0
    with chats.ctx.read() as session:
        (alert,) = takeover.alerts_of(session, now=chats.clock.now())
    assert (alert.conversation_id, alert.staff_name) == (talk, "小李")
    assert alert.since == chats.clock.now() - timedelta(minutes=30)
    assert chats.talk().holder == "staff"


def test_the_consoles_are_woken_once_when_an_answer_is_overdue(chats: Chats) -> None:
    hub = MemoryHub()
    chats.ctx.hub = hub
    li, talk = chats.hires("小李"), chats.waits()
    takeover.claim(chats.ctx, talk, actor=li)
    chats.clock.move(minutes=1)
    chats.writes("请问多久出报告")
    chats.clock.move(minutes=30)

    async def rounds() -> list[bool]:
        woken = []
        for _ in range(2):
            waiting = asyncio.create_task(hub.wait(["console"], 0.5))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(tend_console, chats.ctx)
            woken.append(await waiting)
        return woken

    assert asyncio.run(rounds()) == [True, False]


def test_a_word_that_comes_meanwhile_keeps_the_chat(chats: Chats) -> None:
    li, talk = chats.hires("小李"), chats.waits()
    takeover.claim(chats.ctx, talk, actor=li)
    chats.clock.move(seconds=1)
    chats.says(li, "您好", talk)
    chats.clock.move(minutes=31)
    with ThreadPoolExecutor(2) as pool:
        returned = pool.submit(return_idle, chats.ctx)
        answer = pool.submit(chats.writes, "你好")
        # Either the word came first and staff keep the chat, or the bot answers it.
        assert (returned.result() == 1) is (answer.result() != "")
    assert len([row for row in chats.rows(Message) if row.text == "你好"]) == 1
