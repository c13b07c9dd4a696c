"""Staff in a chat: one holder, words that arrive or are refused, notes that stay, and the way back to the bot."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from bot.actions import takeover
from bot.actions.queueing import assign_waiting
from bot.channels.wechat_errors import failed
from bot.core.permissions import Actor, Role
from bot.core.takeover import ConsoleRules
from bot.core.turns import Form
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store.console import Reading
from bot.store.conversations import Conversation, Message
from bot.store.delivery import OutboxMessage
from bot.store.people import Staff
from bot.store.surveys import Subscription
from bot.store.tickets import Ticket
from intents.categories import Category
from tests.chats import ACCOUNT, MONDAY, PNG, SATURDAY, Chats, chats_fixture, open_chats  # noqa: F401 - fixtures

HELLO = "工作人员小李为您服务。"


@pytest.fixture(name="li")
def li_fixture(chats: Chats) -> Actor:
    return chats.hires("小李")


@pytest.fixture(name="talk")
def talk_fixture(chats: Chats) -> int:
    return chats.waits()


@pytest.fixture(name="held")
def held_fixture(chats: Chats, li: Actor, talk: int) -> int:
    """A chat that 小李 has taken; the greeting has left."""
    takeover.claim(chats.ctx, talk, actor=li)
    chats.delivers()
    return talk


def set_talk(chats: Chats, **values: object) -> None:
    with chats.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Conversation).values(**values))


# --- asking for staff


def test_in_hours_the_contact_is_queued_and_hears_their_place(chats: Chats) -> None:
    assert chats.writes("转人工").startswith("已为您转接工作人员，前面还有 0 位。")
    assert chats.writes("转人工", person="o2").startswith("已为您转接工作人员，前面还有 1 位。")
    assert chats.writes("转人工", person="o2").startswith("您已在等待工作人员，前面还有 1 位。")
    assert chats.talk("o2").holder == "waiting"
    assert {"console", f"conversation:{chats.talk('o2').id}"} <= set(chats.pokes)


def test_the_expected_wait_is_learnt_from_the_last_ones(chats: Chats, li: Actor) -> None:
    for number, minutes in enumerate((7, 8, 31)):
        talk = chats.waits(person=f"p{number}")
        chats.clock.move(minutes=minutes)
        takeover.claim(chats.ctx, talk, actor=li)
    takeover.claim(chats.ctx, chats.talk("p0").id, actor=li)
    assert "前面还有 0 位，预计等待约 10 分钟。" in chats.writes("转人工")
    with chats.ctx.read() as session:
        (waiting,) = takeover.queue_of(session)
    assert (waiting.conversation_id, waiting.position, waiting.expected_minutes) == (chats.talk().id, 1, 10)


def test_after_hours_nobody_is_queued_and_the_form_is_offered(tmp_path: Path) -> None:
    chats = open_chats(tmp_path, SATURDAY)
    chats.writes("想检测一批矿泉水", Category.TESTING)
    reply = chats.writes("转人工")
    assert "工作人员 2026-11-23 08:30 上班" in reply
    assert chats.talk().holder == "bot"
    assert "检测一批矿泉水" in chats.writes("登记需求")
    assert isinstance(chats.state().form, Form)
    takeover.configure(chats.ctx, ConsoleRules(office_hours=False), actor=Actor(1, "小王", Role.HEAD))
    assert "已为您转接" in chats.writes("转人工", person="o2")
    chats.ctx.database.close()


def test_who_asks_in_the_middle_of_a_form_goes_on_with_it(chats: Chats) -> None:
    chats.writes("登记需求")
    reply = chats.writes("转人工")
    assert reply.startswith("已为您转接工作人员")
    assert "请说明需要什么服务" in chats.writes("登记需求")


def test_only_who_leads_or_runs_the_system_changes_the_rules(chats: Chats, li: Actor) -> None:
    with pytest.raises(ForbiddenError):
        takeover.configure(chats.ctx, ConsoleRules(), actor=li)
    assert chats.audit("configure-console") == []


# --- claims


def test_a_claimed_chat_greets_the_contact_and_silences_the_bot(chats: Chats, li: Actor, talk: int) -> None:
    before = chats.state()
    takeover.claim(chats.ctx, talk, actor=li)
    takeover.claim(chats.ctx, talk, actor=li)
    assert chats.delivers() == [HELLO]
    assert chats.writes("矿泉水多少瓶起检", Category.TESTING) == ""
    assert chats.happens("click", event_key="bot:menu") == ""
    row = chats.talk()
    assert (row.holder, row.staff_id, row.category) == ("staff", li.id, "testing")
    assert chats.state() == before
    assert [line.note for line in chats.audit("claim-conversation")] == ["小李"]
    assert chats.transcript(talk)[-3:] == [
        ("bot", HELLO),
        ("enterprise", "矿泉水多少瓶起检"),
        ("enterprise", "click"),
    ]
    assert row.last_id == chats.rows(Message)[-1].id


def test_of_two_claims_at_the_same_instant_one_wins_and_the_other_reads_who(chats: Chats, talk: int) -> None:
    people = [chats.hires(name) for name in ("小李", "小陈", "小孙", "小赵")]
    gate = Barrier(len(people))

    def claims(actor: Actor) -> str:
        gate.wait()
        try:
            takeover.claim(chats.ctx, talk, actor=actor)
        except ConflictError as error:
            return f"{error.code} {error.message}"
        return actor.name

    with ThreadPoolExecutor(len(people)) as pool:
        said = list(pool.map(claims, people))
    (winner,) = {actor.name for actor in people} & set(said)
    assert sorted(set(said) - {winner}) == [f"taken {winner}已经接待了这个会话。"]
    assert len(said) == 4
    assert len(chats.audit("claim-conversation")) == 1
    assert chats.delivers() == [f"工作人员{winner}为您服务。"]


def test_a_claim_and_the_assignment_at_the_same_instant_have_one_winner(chats: Chats, talk: int) -> None:
    li, _ = chats.hires("小李"), chats.hires("小陈", is_here=True)
    gate = Barrier(2)

    def claims() -> str:
        gate.wait()
        try:
            takeover.claim(chats.ctx, talk, actor=li)
        except ConflictError as error:
            return error.message
        return ""

    def assigns() -> int:
        gate.wait()
        return assign_waiting(chats.ctx)

    with ThreadPoolExecutor(2) as pool:
        refusal, given = pool.submit(claims), pool.submit(assigns)
        outcome = refusal.result(), given.result()
    assert outcome in (("", 0), ("小陈已经接待了这个会话。", 1))
    assert len(chats.audit("claim-conversation")) + len(chats.audit("assign-conversation")) == 1


def test_a_chat_with_the_bot_may_be_taken_and_counts_as_no_wait(chats: Chats, li: Actor) -> None:
    chats.writes("你好")
    takeover.claim(chats.ctx, chats.talk().id, actor=li)
    assert (chats.talk().holder, chats.talk().waiting_since) == ("staff", None)


@pytest.mark.parametrize("role", [Role.MAINTAINER, Role.COORDINATOR, Role.EVALUATOR])
def test_who_handles_no_requests_takes_no_chats(chats: Chats, held: int, role: Role) -> None:
    actor = chats.hires("小外", role)
    deeds = (
        lambda: takeover.claim(chats.ctx, held, actor=actor),
        lambda: chats.says(actor, "您好", held),
        lambda: takeover.note(chats.ctx, held, actor=actor, text="看过"),
        lambda: takeover.hand_back(chats.ctx, held, actor=actor),
        lambda: takeover.transfer(chats.ctx, held, actor=actor, to="小李", why="请看"),
    )
    for deed in deeds:
        with pytest.raises(ForbiddenError):
            deed()


def test_what_is_no_chat_is_said_so(chats: Chats, li: Actor) -> None:
    for deed in (
        lambda: takeover.claim(chats.ctx, 404, actor=li),
        lambda: chats.says(li, "您好", 404),
        lambda: takeover.note(chats.ctx, 404, actor=li, text="看过"),
        lambda: takeover.mark_read(chats.ctx, 404, actor=li, message_id=1),
        lambda: takeover.quota_of(chats.ctx, 404),
    ):
        with pytest.raises(NotFoundError, match="没有这个会话"):
            deed()


# --- words


def test_words_of_staff_arrive_once_and_show_what_became_of_them(chats: Chats, li: Actor, held: int) -> None:
    chats.clock.move(minutes=1)
    first = chats.says(li, "您好，矿泉水 20 瓶起检。\r\n", held, key="page-a")
    assert chats.says(li, "您好，矿泉水 20 瓶起检。", held, key="page-a") == first
    assert chats.says(li, "您好，矿泉水 20 瓶起检。", held, key="page-b") != first
    assert chats.delivers() == [HELLO, *["您好，矿泉水 20 瓶起检。"] * 2]
    message = chats.rows(Message)[-2]
    assert (message.id, message.author, message.is_inbound) == (first, "小李", False)
    (outbox,) = (row for row in chats.rows(OutboxMessage) if row.key == message.outbox_key)
    assert (outbox.state, outbox.purpose, outbox.address) == ("sent", "staff", "o1")
    row = chats.talk()
    assert (row.staff_at, row.last_id) == (chats.clock.now(), chats.rows(Message)[-1].id)
    assert chats.pokes.count(f"conversation:{held}") >= 6, "written, and delivered"


@pytest.mark.parametrize("text", ["", " \n ", "\x00", "检" * 601])
def test_what_is_no_message_is_refused(chats: Chats, li: Actor, held: int, text: str) -> None:
    with pytest.raises(RefusedError, match=r"请写|太长"):
        chats.says(li, text, held)
    assert len(chats.transcript(held)) == 5


def test_only_the_holder_speaks(chats: Chats, li: Actor, talk: int) -> None:
    chen = chats.hires("小陈")
    with pytest.raises(ForbiddenError, match="请先接待"):
        chats.says(li, "您好", talk)
    takeover.claim(chats.ctx, talk, actor=li)
    with pytest.raises(ForbiddenError, match="由小李接待"):
        chats.says(chen, "您好", talk)


def test_no_message_is_taken_that_wechat_would_refuse(chats: Chats, li: Actor, held: int) -> None:
    assert takeover.quota_of(chats.ctx, held).left == 4
    for number in range(4):
        assert takeover.quota_of(chats.ctx, held).left == 4 - number
        chats.says(li, f"第 {number} 条", held)
    with pytest.raises(RefusedError, match=r"已用完.*可以改用：等对方下次留言时送达") as refused:
        chats.says(li, "第五条", held)
    assert refused.value.code == "no-place"
    assert len(chats.delivers()) == 5
    assert {state for _, state in chats.outbox()} == {"sent"}
    chats.clock.move(hours=49)
    assert takeover.quota_of(chats.ctx, held).until is None
    with pytest.raises(RefusedError, match="微信不允许主动发送"):
        chats.says(li, "两天后", held)


def test_words_for_later_are_heard_with_the_next_message(chats: Chats, li: Actor, held: int) -> None:
    chats.clock.move(hours=49)
    for key in ("a", "a", "b"):
        takeover.say_later(chats.ctx, held, actor=li, text=f"样品已收到 {key}", key=key)
    assert chats.outbox()[1:] == [("样品已收到 a", "held"), ("样品已收到 b", "held")]
    assert chats.writes("收到了吗", Category.TESTING) == "样品已收到 a\n\n样品已收到 b"
    assert {state for _, state in chats.outbox()[1:]} == {"told"}
    assert [who for who, _ in chats.transcript(held)[-3:]] == ["小李", "小李", "enterprise"], (
        "each stands once"
    )
    assert chats.writes("好的") == ""


def test_words_for_later_leave_at_once_where_the_window_is_open_again(
    chats: Chats, li: Actor, held: int
) -> None:
    takeover.say_later(chats.ctx, held, actor=li, text="样品已收到", key="a")
    assert chats.delivers()[-1] == "样品已收到"


def test_a_notice_or_a_short_message_goes_ahead_where_there_is_one(tmp_path: Path) -> None:
    chats = open_chats(tmp_path, sms_url="http://127.0.0.1:9/sms")
    li, talk = chats.hires("小李"), chats.waits()
    takeover.claim(chats.ctx, talk, actor=li)
    chats.delivers()
    registers(chats, li, talk)
    chats.clock.move(hours=60)
    assert takeover.quota_of(chats.ctx, talk).next_way == "sms"
    takeover.say_later(chats.ctx, talk, actor=li, text="样品已收到", key="a")
    row = chats.rows(OutboxMessage)[-1]
    assert (row.channel, row.address, row.text) == ("sms", "13800000000", "样品已收到")
    chats.ctx.database.close()


def test_who_allowed_a_notice_is_told_that_a_word_waits(tmp_path: Path) -> None:
    account = replace(ACCOUNT, kind="subscription", notice_template="T1|thing1={title}|thing2={number}")
    chats = open_chats(tmp_path, official=account, miniprogram=replace(account, app_id="wx2"))
    li, talk = chats.hires("小李"), chats.waits()
    takeover.claim(chats.ctx, talk, actor=li)
    registers(chats, li, talk)
    assert takeover.quota_of(chats.ctx, talk).next_way == "held"
    with chats.ctx.transaction() as tx:
        contact = chats.talk().contact_id
        tx.connection.execute(sa.insert(Subscription).values(contact_id=contact, template="T1", left=1))
        tx.connection.execute(sa.text("UPDATE contact SET account = 'miniprogram'"))
    chats.clock.move(hours=60)
    assert takeover.quota_of(chats.ctx, talk).next_way == "notice"
    takeover.say_later(chats.ctx, talk, actor=li, text="样品已收到", key="a")
    nudge, words = chats.rows(OutboxMessage)[-2:]
    assert (nudge.channel, nudge.extras["data"]["thing1"]) == ("subscription", "工作人员已回复，留言即可查看")
    assert (words.text.splitlines()[-1], words.state) == ("样品已收到", "held")
    chats.ctx.database.close()


def test_without_a_place_for_a_greeting_the_first_words_say_who_speaks(
    chats: Chats, li: Actor, talk: int
) -> None:
    set_talk(chats, allowance=1)
    takeover.claim(chats.ctx, talk, actor=li)
    assert chats.outbox() == []
    chats.says(li, "您好", talk)
    set_talk(chats, allowance=5)
    chats.clock.move(seconds=9)
    chats.says(li, "请讲", talk)
    assert chats.delivers() == [f"{HELLO}\n您好", "请讲"]


def test_a_message_that_fails_leaves_its_trace_for_the_console(chats: Chats, li: Actor, held: int) -> None:
    chats.sender.outcomes = [failed("48002", "api forbidden by user")]
    chats.says(li, "您好", held)
    chats.pokes.clear()
    chats.delivers()
    assert chats.outbox()[-1] == ("您好", "dead")
    assert f"conversation:{held}" in chats.pokes


# --- pictures


def test_a_picture_is_kept_and_sent_once(chats: Chats, li: Actor, held: int) -> None:
    for _ in range(2):
        takeover.send_image(chats.ctx, held, actor=li, content=PNG, name="检测报告", key="a")
    (file,) = chats.files()
    message = chats.rows(Message)[-1]
    assert (message.kind, message.author, file.message_id, file.by) == ("image", "小李", message.id, "小李")
    chats.delivers()
    assert chats.sender.sent[-1].extras == {"image": file.id}
    found = takeover.picture(chats.ctx, file.id)
    assert found is not None
    assert (found.content, found.name, found.media_type) == (PNG, "检测报告.png", "image/png")
    assert takeover.picture(chats.ctx, 404) is None


def test_other_files_are_no_pictures(chats: Chats, li: Actor, held: int) -> None:
    for content in (b"", b"%PDF-1.7 a report", b"MZ program", PNG + b"0" * (10 << 20)):
        with pytest.raises(RefusedError):
            takeover.send_image(chats.ctx, held, actor=li, content=content, name="图.png", key="a")
    set_talk(chats, allowance=0)
    with pytest.raises(RefusedError, match="已用完"):
        takeover.send_image(chats.ctx, held, actor=li, content=PNG, name="图.png", key="a")
    assert chats.files() == []
    assert [path for path in (chats.ctx.settings.data_dir / "attachments").rglob("*") if path.is_file()] == []


# --- notes and readings


def test_a_note_stays_among_staff_and_calls_who_is_named(chats: Chats, li: Actor, held: int) -> None:
    chen = chats.hires("小陈")
    before = chats.outbox()
    note = takeover.note(chats.ctx, held, actor=chen, text="@小李 这家上次没有付费 @没有此人")
    assert chats.outbox() == before
    row = chats.rows(Message)[-1]
    assert (row.id, row.is_note, row.author) == (note, True, "小陈")
    assert f"staff:{li.id}" in chats.pokes
    assert chats.talk().last_id == note
    assert chats.talk().staff_at is None, "a note is no answer"
    for text in ("", "备" * 2001):
        with pytest.raises(RefusedError):
            takeover.note(chats.ctx, held, actor=chen, text=text)


def test_what_was_read_stays_read(chats: Chats, li: Actor, held: int) -> None:
    def mark() -> list[int]:
        return [row.message_id for row in chats.rows(Reading)]

    last = chats.talk().last_id
    takeover.mark_read(chats.ctx, held, actor=li, message_id=last - 1)
    assert mark() == [last - 1]
    takeover.mark_read(chats.ctx, held, actor=li, message_id=last + 99)
    assert mark() == [last], "not beyond what is there"
    takeover.mark_read(chats.ctx, held, actor=li, message_id=1)
    assert mark() == [last]


def test_an_open_console_is_noted_twice_a_minute_at_most(chats: Chats, li: Actor) -> None:
    def seen() -> object:
        return chats.rows(Staff)[0].seen_at

    takeover.be_here(chats.ctx, actor=li)
    chats.clock.move(seconds=20)
    takeover.be_here(chats.ctx, actor=li)
    assert seen() == MONDAY
    chats.clock.move(seconds=20)
    takeover.be_here(chats.ctx, actor=li)
    assert seen() == MONDAY + timedelta(seconds=40)


# --- to another, and back


def test_a_chat_is_passed_on_with_its_reason(chats: Chats, li: Actor, held: int) -> None:
    chen = chats.hires("小陈")
    chats.says(li, "请稍候", held)
    chats.clock.move(minutes=1)
    takeover.transfer(chats.ctx, held, actor=li, to="小陈", why="食品检测由她负责")
    assert chats.delivers()[-1] == "接下来由工作人员小陈为您服务。"
    assert (chats.talk().staff_id, chats.talk().assigned_why) == (
        chen.id,
        "小李把会话转给小陈：食品检测由她负责",
    )
    note = [row for row in chats.rows(Message) if row.is_note]
    assert [row.text for row in note] == ["小李把会话转给小陈：食品检测由她负责"]
    assert f"staff:{chen.id}" in chats.pokes
    with pytest.raises(ForbiddenError, match="由小陈接待"):
        chats.says(li, "还有一句", held)
    chats.says(chen, "您好", held)
    assert chats.delivers()[-1] == "您好"


@pytest.mark.parametrize("to", ["小外", "小关", "没有此人", ""])
def test_a_chat_goes_only_to_who_takes_chats(chats: Chats, li: Actor, held: int, to: str) -> None:
    chats.hires("小外", Role.MAINTAINER)
    chats.hires("小关", closed_at=MONDAY)
    with pytest.raises(RefusedError, match="请选择能接待会话的同事"):
        takeover.transfer(chats.ctx, held, actor=li, to=to, why="请看")
    with pytest.raises(RefusedError, match="原因"):
        takeover.transfer(chats.ctx, held, actor=li, to="小李", why=" ")
    with pytest.raises(ConflictError, match="已经由小李接待"):
        takeover.transfer(chats.ctx, held, actor=li, to="小李", why="请看")
    assert chats.talk().staff_id == li.id


def test_a_head_frees_a_chat_of_somebody_else(chats: Chats, held: int) -> None:
    chen, head = chats.hires("小陈"), chats.hires("王主任", Role.HEAD)
    with pytest.raises(ForbiddenError, match="由小李接待"):
        takeover.hand_back(chats.ctx, held, actor=chen)
    takeover.hand_back(chats.ctx, held, actor=head)
    assert chats.talk().holder == "bot"
    with pytest.raises(ForbiddenError, match="没有人接待"):
        takeover.hand_back(chats.ctx, held, actor=head)


def test_handed_back_the_bot_goes_on_where_it_was(chats: Chats, li: Actor) -> None:
    chats.writes("登记需求")
    chats.writes("检测一批矿泉水，20 瓶", Category.TESTING)
    form = chats.state().form
    talk = chats.talk().id
    takeover.claim(chats.ctx, talk, actor=li)
    chats.writes("我先问个别的")
    takeover.hand_back(chats.ctx, talk, actor=li)
    row = chats.talk()
    assert (row.holder, row.staff_id, chats.state().form) == ("bot", None, form)
    assert chats.delivers()[-1].startswith("人工服务已结束，接下来由智能助手为您解答")
    assert "请问联系人怎么称呼" in chats.writes("示例甜水食品有限公司")
    assert [line.actor for line in chats.audit("return-conversation")] == ["小李"]


def test_what_is_on_its_way_arrives_before_the_way_back_is_told(chats: Chats, li: Actor, held: int) -> None:
    chats.says(li, "报告明天发给您", held)
    takeover.hand_back(chats.ctx, held, actor=li)
    assert chats.writes("转人工") != ""
    assert [text[:6] for text in chats.delivers()[1:]] == ["报告明天发给", "人工服务已结"]


def test_a_word_and_the_way_back_at_the_same_instant_lose_nothing(chats: Chats, li: Actor, held: int) -> None:
    gate = Barrier(2)

    def says() -> bool:
        gate.wait()
        try:
            chats.says(li, "报告明天发给您", held)
        except ForbiddenError:
            return False
        return True

    def returns() -> None:
        gate.wait()
        takeover.hand_back(chats.ctx, held, actor=li)

    with ThreadPoolExecutor(2) as pool:
        said, returned = pool.submit(says), pool.submit(returns)
        returned.result()
        assert ("报告明天发给您" in chats.delivers()) is said.result()
    assert chats.talk().holder == "bot"


def test_the_way_back_is_told_later_where_nothing_may_leave(chats: Chats, li: Actor, held: int) -> None:
    chats.clock.move(hours=49)
    takeover.hand_back(chats.ctx, held, actor=li)
    assert chats.outbox()[-1][1] == "held"
    assert "人工服务已结束" in chats.writes("你好")


# --- the contact is gone


@pytest.mark.parametrize("is_held", [True, False])
def test_a_contact_who_leaves_is_held_by_nobody(chats: Chats, li: Actor, talk: int, is_held: bool) -> None:
    if is_held:
        takeover.claim(chats.ctx, talk, actor=li)
        chats.says(li, "您好", talk)
        takeover.note(chats.ctx, talk, actor=li, text="老客户")
    chats.happens("unsubscribe")
    with chats.ctx.read() as session:
        row = session.get_one(Conversation, talk)
        assert takeover.queue_of(session) == []
    assert (row.holder, row.staff_id, row.waiting_since) == ("bot", None, None)
    assert {text for _, text in chats.transcript(talk)} == {""}
    assert chats.delivers() == []
    for deed in (
        lambda: takeover.claim(chats.ctx, talk, actor=li),
        lambda: chats.says(li, "您好", talk),
        lambda: takeover.note(chats.ctx, talk, actor=li, text="老客户"),
    ):
        with pytest.raises(ConflictError, match="已删除"):
            deed()
    assert (takeover.quota_of(chats.ctx, talk).left, takeover.quota_of(chats.ctx, talk).next_way) == (
        0,
        "phone",
    )
    with chats.ctx.read() as session:
        assert session.get_one(Conversation, talk).holder == "bot", "a refused claim leaves nothing"


# --- the form


def registers(chats: Chats, actor: Actor, talk: int, *, key: str = "a", **changes: str) -> str:
    given = {
        "applicant": "示例甜水食品有限公司",
        "person": "王经理",
        "phone": "13800000000",
        "content": "检测一批矿泉水，20 瓶",
        "category": "testing",
        **changes,
    }
    return takeover.finish_form(chats.ctx, talk, actor=actor, key=key, **given)


def test_staff_finish_the_form_for_the_enterprise(chats: Chats, li: Actor) -> None:
    chats.writes("登记需求")
    chats.writes("检测一批矿泉水", Category.TESTING)
    talk = chats.talk().id
    takeover.claim(chats.ctx, talk, actor=li)
    number = registers(chats, li, talk)
    assert registers(chats, li, talk) == number, "the same page twice"
    (ticket,) = chats.tickets()
    assert (ticket.number, ticket.recorder, ticket.channel) == (number, "小李", "wechat-official")
    assert (ticket.applicant, ticket.phone, ticket.category) == (
        "示例甜水食品有限公司",
        "13800000000",
        "testing",
    )
    assert chats.state().form is None
    assert chats.delivers()[-1].startswith(f"工作人员已为您登记，编号 {number}。我们会在 2026-11-")
    assert chats.talk().holder == "staff"


def test_fields_that_are_wrong_are_named(chats: Chats, li: Actor, held: int) -> None:
    with pytest.raises(takeover.FormError) as refused:
        registers(chats, li, held, phone="12", person="")
    assert [problem.field for problem in refused.value.problems] == ["person", "phone"]
    chen = chats.hires("小陈")
    with pytest.raises(ForbiddenError):
        registers(chats, chen, held)
    assert chats.rows(Ticket) == []
