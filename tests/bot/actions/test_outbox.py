"""What staff do about messages that did not leave: only what makes sense, once, and written down."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.actions.outbox import (
    Meaning,
    channel_faults,
    drop_message,
    hold_message,
    resend_all,
    resend_message,
    version,
    work_counts,
)
from bot.channels import wechat_errors
from bot.channels.wechat_errors import ReactionKind, failed, is_out_of_order
from bot.core.brain import Brain
from bot.core.reach import Channel, Purpose
from bot.core.wording import names
from bot.errors import ConflictError, NotFoundError, RefusedError
from bot.ports import Failed
from bot.settings import AccountSettings, Settings
from bot.store import conversations, delivery
from bot.store.attachments import Attachment
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.conversations import Conversation
from bot.store.delivery import OutboxMessage, OutboxState, Sieve
from bot.store.migrate import upgrade
from bot.store.people import Contact
from bot.worker.outbox import deliver_due
from tests.make import RecordingSender, SetClock

_ACCOUNT = AccountSettings(app_id="wx1", app_secret="s", token="token", kind="service")


@dataclass(slots=True)
class Desk:
    """A context with one contact whose window is open for five messages."""

    ctx: Context
    clock: SetClock
    sender: RecordingSender
    talk: int

    def write(self, text: str = "办理有进展", **values: Any) -> int:
        """One message as a worker leaves it; dead unless told otherwise."""
        result = values.pop("result", "40164 invalid ip")
        state = OutboxState(values.pop("state", "dead"))
        tries = values.pop("tries", int(state is OutboxState.DEAD))
        with self.ctx.transaction() as tx:
            common = {
                "key": f"key:{self.count()}",
                "lane": f"talk:{self.talk}",
                "channel": Channel.CUSTOMER.value,
                "account": "official",
                "address": "o1",
                "text": text,
                "purpose": Purpose.STAFF.value,
                "conversation_id": self.talk,
                "due_at": tx.now,
                "at": tx.now,
            }
            delivery.add_outbox(tx.connection, state=state, result=result, **{**common, **values})
            tx.connection.execute(
                sa.update(OutboxMessage)
                .where(OutboxMessage.key == common["key"])
                .values(done_at=tx.now if state is OutboxState.DEAD else None, tries=tries)
            )
        return self.count()

    def mail(self, text: str = "请答复是否承接", **values: Any) -> int:
        """A dead e-mail to a provider."""
        common = {"channel": "email", "address": "jigou@example.com", "lane": "provider:示例", "account": ""}
        return self.write(
            text,
            **{
                **common,
                "conversation_id": None,
                "purpose": "referral",
                "result": "smtp-451 later",
                **values,
            },
        )

    def count(self) -> int:
        with self.ctx.read() as session:
            return session.execute(sa.select(sa.func.coalesce(sa.func.max(OutboxMessage.id), 0))).scalar_one()

    def row(self, message_id: int) -> OutboxMessage:
        with self.ctx.read() as session:
            return session.execute(
                sa.select(OutboxMessage).where(OutboxMessage.id == message_id)
            ).scalar_one()

    def seen(self, message_id: int) -> str:
        return version(self.row(message_id))

    def resend(self, message_id: int) -> None:
        resend_message(self.ctx, message_id, seen=self.seen(message_id), actor="小李")

    def hold(self, message_id: int) -> None:
        hold_message(self.ctx, message_id, seen=self.seen(message_id), actor="小李")

    def drop(self, message_id: int, reason: str = "已电话告知") -> None:
        drop_message(self.ctx, message_id, seen=self.seen(message_id), reason=reason, actor="小李")

    def set(self, **values: Any) -> None:
        """Change the contact's conversation."""
        with self.ctx.transaction() as tx:
            tx.connection.execute(sa.update(Conversation).values(**values))

    def audit(self) -> list[tuple[str, str, str]]:
        with self.ctx.read() as session:
            lines = session.execute(
                sa.select(AuditLine.what, AuditLine.subject, AuditLine.note).order_by(AuditLine.id)
            )
            return [(line.what, line.subject, line.note) for line in lines]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock()
    settings = Settings(official=_ACCOUNT, smtp_host="mail.example.com", mail_from="a@example.com")
    ctx = Context(settings, database, clock, Brain.__new__(Brain))
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", "o1", now=tx.now)
    made = Desk(ctx, clock, RecordingSender(), talk.conversation_id)
    made.set(allowance=5, allowance_until=clock.now() + timedelta(days=2))
    yield made
    database.close()


# --- sending again ---


def test_a_dead_message_leaves_as_if_it_had_never_been_tried(desk: Desk) -> None:
    one = desk.write()
    desk.resend(one)
    row = desk.row(one)
    assert (row.state, row.tries, row.result, row.done_at) == ("due", 0, "", None)
    assert deliver_due(desk.ctx, {"official": desk.sender}) == 1
    assert [parcel.text for parcel in desk.sender.sent] == ["办理有进展"]
    assert desk.row(one).state == "sent"
    assert desk.audit() == [("resend-message", f"outbox:{one}", "customer 40164")]


def test_two_staff_at_once_have_one_effect(desk: Desk) -> None:
    one = desk.write()
    seen = desk.seen(one)
    start, outcomes = Barrier(2), []

    def press() -> None:
        start.wait()
        try:
            resend_message(desk.ctx, one, seen=seen, actor="小李")
        except ConflictError as refusal:
            outcomes.append(refusal.code)
        else:
            outcomes.append("done")

    threads = [Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "outbox-changed"]
    assert len(desk.audit()) == 1


def test_who_acts_on_an_older_failure_is_told_so(desk: Desk) -> None:
    one = desk.write()
    seen = desk.seen(one)
    desk.resend(one)
    desk.clock.move(minutes=1)
    desk.sender.outcomes = [failed("43004", "not a follower")]
    deliver_due(desk.ctx, {"official": desk.sender})
    assert desk.row(one).state == "dead"
    with pytest.raises(ConflictError, match="刚被处理"):
        resend_message(desk.ctx, one, seen=seen, actor="小陈")
    assert desk.row(one).state == "dead"


@pytest.mark.parametrize(
    ("talk", "values", "words"),
    [
        ({"allowance_until": None}, {}, "没有留言"),
        ({"allowance": 0}, {}, "条数已用完"),
        ({"allowance": 2}, {"purpose": "notice"}, "条数已用完"),
        ({}, {"text": ""}, "已按企业要求删除"),
        ({}, {"account": "miniprogram"}, "没有配置"),
        ({}, {"channel": "sms"}, "没有配置"),
        ({}, {"result": "45002 text of 3000 bytes"}, "结果一样"),
    ],
)
def test_what_would_fail_again_is_refused_with_the_reason(
    desk: Desk, talk: dict[str, Any], values: dict[str, Any], words: str
) -> None:
    one = desk.write(**values)
    if talk:
        desk.set(**talk)
    with pytest.raises(ConflictError, match=words):
        desk.resend(one)
    assert desk.row(one).state == "dead"
    assert desk.audit() == []


def test_a_window_that_has_closed_by_the_clock_is_closed(desk: Desk) -> None:
    one = desk.write()
    desk.clock.move(days=2)
    with pytest.raises(ConflictError, match="没有留言"):
        desk.resend(one)


def test_who_unfollowed_cannot_be_reached_by_any_message_of_the_account(desk: Desk) -> None:
    one = desk.write(channel="template", result="43004 x")
    with desk.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Contact).values(is_subscribed=False))
    with pytest.raises(ConflictError, match="取消关注"):
        desk.resend(one)


def test_a_link_that_has_expired_is_not_sent_again(desk: Desk) -> None:
    fresh = desk.mail()
    old = desk.mail(at=desk.clock.now() - timedelta(days=61))
    desk.resend(fresh)
    with pytest.raises(ConflictError, match="链接已经过期"):
        desk.resend(old)


@pytest.mark.parametrize("state", ["due", "held", "sent", "told", "dropped"])
def test_only_what_is_dead_is_sent_again(desk: Desk, state: str) -> None:
    one = desk.write(state=state)
    with pytest.raises(ConflictError):
        desk.resend(one)
    with pytest.raises(ConflictError):
        desk.hold(one)
    assert desk.row(one).state == state


def test_a_message_that_is_not_there_is_said(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        resend_message(desk.ctx, 999, seen="dead-0", actor="小李")


# --- all of one failure ---


def test_all_of_one_code_are_put_back_and_nothing_else(desk: Desk) -> None:
    ours = [desk.mail(str(number), result=f"smtp-451 try {number}") for number in range(3)]
    longer, other = desk.mail(result="smtp-4511 x"), desk.mail(result="smtp-550 x")
    sieve = Sieve(OutboxState.DEAD, code="smtp-451")
    bulk = resend_all(desk.ctx, sieve, actor="小李")
    assert (bulk.sent, bulk.left, bulk.more) == (3, (), False)
    assert {desk.row(one).state for one in ours} == {"due"}
    assert (desk.row(longer).state, desk.row(other).state) == ("dead", "dead")
    assert desk.audit() == [("resend-messages", "outbox:smtp-451", "3 messages")]
    assert resend_all(desk.ctx, sieve, actor="小陈").sent == 0, "the second press finds nothing"
    assert len(desk.audit()) == 1


def test_a_bulk_fills_the_window_and_says_what_stayed(desk: Desk) -> None:
    desk.set(allowance=3)
    for number in range(5):
        desk.write(str(number))
    bulk = resend_all(desk.ctx, Sieve(OutboxState.DEAD, code="40164"), actor="小李")
    assert bulk.sent == 3
    [(reason, count)] = bulk.left
    assert (count, "条数已用完" in reason) == (2, True)
    while deliver_due(desk.ctx, {"official": desk.sender}):
        pass
    assert [parcel.text for parcel in desk.sender.sent] == ["0", "1", "2"], "in their order"


def test_a_bulk_keeps_to_the_filter_and_needs_a_code(desk: Desk) -> None:
    mail, message = desk.mail(result="timeout x"), desk.write(result="timeout x")
    resend_all(desk.ctx, Sieve(OutboxState.DEAD, channel="email", code="timeout"), actor="小李")
    assert (desk.row(mail).state, desk.row(message).state) == ("due", "dead")
    with pytest.raises(RefusedError):
        resend_all(desk.ctx, Sieve(OutboxState.DEAD), actor="小李")


@pytest.mark.parametrize("code", ["%", "smtp_451", "smtp-%", "' OR 1=1 --"])
def test_a_code_is_a_word_and_no_pattern(desk: Desk, code: str) -> None:
    desk.mail(result="smtp-451 x")
    assert resend_all(desk.ctx, Sieve(OutboxState.DEAD, code=code), actor="小李").sent == 0


# --- holding and dropping ---


def test_a_held_message_is_read_with_the_next_reply(desk: Desk) -> None:
    one = desk.write("工作人员：样品已收到")
    desk.hold(one)
    with desk.ctx.transaction() as tx:
        assert [row.text for row in delivery.held_messages(tx.connection, desk.talk)] == [
            "工作人员：样品已收到"
        ]
    assert desk.audit() == [("hold-message", f"outbox:{one}", "customer 40164")]


@pytest.mark.parametrize(
    "values",
    [
        {"purpose": "survey"},
        {"purpose": "reminder"},
        {"channel": "template", "purpose": "referral"},
        {"channel": "email", "conversation_id": None},
        {"text": ""},
    ],
)
def test_what_no_reply_can_carry_is_not_held(desk: Desk, values: dict[str, Any]) -> None:
    one = desk.write(**values)
    with pytest.raises(ConflictError):
        desk.hold(one)
    assert desk.row(one).state == "dead"


@pytest.mark.parametrize("state", ["dead", "held", "due"])
def test_a_dropped_message_never_leaves_and_its_reason_is_kept_without_numbers(
    desk: Desk, state: str
) -> None:
    one = desk.write(state=state)
    desk.drop(one, "打 13812345678 说过了")
    assert desk.row(one).state == "dropped"
    assert deliver_due(desk.ctx, {"official": desk.sender}) == 0
    [(what, subject, note)] = desk.audit()
    assert (what, subject) == ("drop-message", f"outbox:{one}")
    assert "说过了" in note
    assert "13812345678" not in note


@pytest.mark.parametrize("reason", ["", "  ", "长" * 201])
def test_dropping_needs_a_reason(desk: Desk, reason: str) -> None:
    one = desk.write()
    with pytest.raises(RefusedError):
        desk.drop(one, reason)
    assert desk.row(one).state == "dead"


# --- what is out of order ---


def test_a_channel_out_of_order_is_told_with_its_cause(desk: Desk) -> None:
    for number in range(2):
        desk.write(str(number), state="due", result="", lane=f"talk:{number}")
    desk.sender.outcomes = [failed("40164", "invalid ip 192.0.2.1"), failed("circuit-open", "left alone")]
    deliver_due(desk.ctx, {"official": desk.sender})
    with desk.ctx.read() as session:
        [fault] = channel_faults(session, desk.clock.now())
    assert (fault.account, fault.messages, fault.meaning.code) == ("official", 2, "40164")
    assert fault.next_at == desk.clock.now() + timedelta(seconds=60)
    desk.clock.move(minutes=2)
    deliver_due(desk.ctx, {"official": desk.sender})
    with desk.ctx.read() as session:
        assert channel_faults(session, desk.clock.now()) == [], "it works again"


def test_a_pause_of_a_server_is_a_fault_and_a_retry_of_one_message_is_none(desk: Desk) -> None:
    desk.mail(state="due", result="")
    desk.mail(state="due", result="", lane="provider:2")
    desk.sender.outcomes = [
        Failed("smtp-521", "closed", is_permanent=False, pause=300.0),
        Failed("smtp-451", "greylisted", is_permanent=False, delays=(60.0,)),
    ]
    deliver_due(desk.ctx, {"email": desk.sender})
    with desk.ctx.read() as session:
        [fault] = channel_faults(session, desk.clock.now())
    assert (fault.channel, fault.meaning.code, fault.messages) == ("email", "smtp-521", 1)


def test_messages_that_nobody_takes_up_are_a_fault_and_those_behind_another_are_none(desk: Desk) -> None:
    desk.mail(state="due", result="smtp-451 x", tries=1, due_at=desk.clock.now() + timedelta(hours=1))
    desk.mail(state="due", result="")
    desk.clock.move(minutes=6)
    with desk.ctx.read() as session:
        assert channel_faults(session, desk.clock.now()) == [], "the second waits for the first"
    desk.mail(state="due", result="", lane="provider:2", due_at=desk.clock.now() - timedelta(minutes=6))
    with desk.ctx.read() as session:
        [fault] = channel_faults(session, desk.clock.now())
    assert (fault.channel, fault.messages) == ("", 1)
    assert "nqi serve" in fault.meaning.mend


# --- words and figures ---

_ELSEWHERE = {ReactionKind.FILE, ReactionKind.IGNORE}  # files that are fetched, typing that is shown
_RARE = {"48006", *(str(code) for code in range(65401, 65413))}  # of calls that we never make


def test_every_code_that_a_message_can_fail_with_has_words() -> None:
    for code, row in wechat_errors.TABLE.items():
        if row.kind in _ELSEWHERE or code in _RARE:
            continue
        assert Meaning.of(f"{code} x").text != code, f"wording.toml: [result] lacks {code}"


def test_what_concerns_the_whole_account_is_known_as_such(desk: Desk) -> None:
    for code in filter(is_out_of_order, wechat_errors.TABLE):
        desk.write(code, state="due", result=f"{code} x", account=f"account-{code}", tries=1)
    with desk.ctx.read() as session:
        found = {fault.account for fault in channel_faults(session, desk.clock.now())}
    assert found == {f"account-{code}" for code in filter(is_out_of_order, wechat_errors.TABLE)}


@pytest.mark.parametrize(
    ("result", "text", "mend"),
    [
        ("http-503 busy", "对方接口出错", "自行恢复"),
        ("http-418", "对方接口不接收", "服务机构"),
        ("smtp-452 x", "暂时不接收", "自行恢复"),
        ("smtp-571 x", "拒收", "nqi doctor"),
        ("no-allowance", "条数", "下次留言"),
        ("99999 whatever", "99999", "技术支持"),
        ("-", "-", "技术支持"),
    ],
)
def test_a_result_has_a_meaning_and_a_mend(result: str, text: str, mend: str) -> None:
    meaning = Meaning.of(result)
    assert text in meaning.text
    assert mend in meaning.mend


def test_every_mend_is_reached_by_some_result() -> None:
    results = {name.partition(".")[2] for name in names() if name.startswith("result.")}
    reached = {Meaning.of(code).mend for code in results} | {Meaning.of("unheard-of").mend}
    assert len(reached) == sum(name.startswith("mend.") for name in names())


def test_the_other_sides_words_are_shown_without_numbers() -> None:
    assert "13812345678" not in Meaning.of("http-400 phone 13812345678 unknown").detail


def test_the_figures_equal_the_records(desk: Desk) -> None:
    with desk.ctx.read() as session:
        assert work_counts(session, desk.clock.now()) == {
            "nqi_timers": {"late": 0},
            "nqi_tasks": {"open": 0},
            "nqi_surveys": {"open": 0},
            "nqi_attachments": {},
        }
        assert delivery.longest_delay(session, now=desk.clock.now()) == 0.0
    common = {"kind": "image", "by": "contact", "at": desk.clock.now()}
    with desk.ctx.transaction() as tx:
        for state in ("due", "due", "stored"):
            tx.connection.execute(sa.insert(Attachment).values(state=state, **common))
    desk.mail(state="due", result="")
    desk.clock.move(seconds=90)
    with desk.ctx.read() as session:
        assert work_counts(session, desk.clock.now())["nqi_attachments"] == {"due": 2, "stored": 1}
        assert delivery.longest_delay(session, now=desk.clock.now()) == 90.0
        assert delivery.outbox_counts(session) == [("due", "email", 1)]


def test_a_channel_that_is_set_up_again_takes_its_messages(desk: Desk) -> None:
    one = desk.mail(result="channel-not-configured")
    desk.ctx.settings = replace(desk.ctx.settings, smtp_host="")
    with pytest.raises(ConflictError, match="没有配置"):
        desk.resend(one)
    desk.ctx.settings = replace(desk.ctx.settings, smtp_host="mail.example.com")
    desk.resend(one)
    assert desk.row(one).state == "due"
