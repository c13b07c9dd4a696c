"""The outbox: every outcome of a send has its consequence, and nothing is sent twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.channels.wechat_errors import failed
from bot.core.brain import Brain
from bot.core.reach import Channel, Purpose
from bot.ports import Failed
from bot.settings import Settings
from bot.store import conversations, delivery
from bot.store.base import Database
from bot.store.conversations import Conversation
from bot.store.delivery import OutboxMessage
from bot.store.migrate import upgrade
from bot.worker.outbox import deliver_due
from tests.make import RecordingSender, SetClock


@dataclass(slots=True)
class Desk:
    """A context with one contact who may be sent five messages."""

    ctx: Context
    clock: SetClock
    sender: RecordingSender
    conversation_id: int

    def write(
        self, text: str, key: str | None = None, purpose: Purpose = Purpose.REPLY, **values: object
    ) -> None:
        with self.ctx.transaction() as tx:
            delivery.add_outbox(
                tx.connection,
                **{
                    "key": key or text,
                    "lane": f"talk:{self.conversation_id}",
                    "channel": Channel.CUSTOMER.value,
                    "account": "official",
                    "address": "o1",
                    "text": text,
                    "purpose": purpose.value,
                    "conversation_id": self.conversation_id,
                    "due_at": tx.now,
                    "at": tx.now,
                    **values,
                },
            )

    def deliver(self) -> int:
        return deliver_due(self.ctx, {"official": self.sender})

    def states(self) -> list[tuple[str, str, int]]:
        with self.ctx.read() as session:
            rows = session.execute(
                sa.select(OutboxMessage.text, OutboxMessage.state, OutboxMessage.tries).order_by(
                    OutboxMessage.id
                )
            )
            return [(row.text, row.state, row.tries) for row in rows]

    def allowance(self) -> int:
        with self.ctx.read() as session:
            return session.execute(sa.select(Conversation.allowance)).scalar_one()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock()
    ctx = Context(Settings(), database, clock, Brain.__new__(Brain))
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", "o1", now=tx.now)
        tx.connection.execute(
            sa.update(Conversation).values(allowance=5, allowance_until=tx.now.replace(year=tx.now.year + 1))
        )
    yield Desk(ctx, clock, RecordingSender(), talk.conversation_id)
    database.close()


def test_messages_leave_in_order_one_contact_at_a_time(desk: Desk) -> None:
    desk.write("一")
    desk.write("二")
    assert desk.deliver() == 1
    assert desk.deliver() == 1
    assert desk.deliver() == 0
    assert [parcel.text for parcel in desk.sender.sent] == ["一", "二"]
    assert desk.allowance() == 3


def test_the_same_cause_is_written_once(desk: Desk) -> None:
    desk.write("一", key="reply:1")
    with pytest.raises(sa.exc.IntegrityError):
        desk.write("一", key="reply:1")


def test_the_last_place_is_kept_for_staff(desk: Desk) -> None:
    for number in range(5):
        desk.write(str(number))
    while desk.deliver():
        pass
    assert len(desk.sender.sent) == 4
    assert desk.states()[-1][1] == "dead"
    assert desk.allowance() == 1


def test_a_passing_failure_is_tried_again_after_the_delays_of_the_table_and_then_given_up(desk: Desk) -> None:
    desk.sender.outcomes = [failed("-1", "system busy")] * 9
    desk.write("一")
    assert desk.deliver() == 1
    assert desk.deliver() == 0, "not before the delay"
    for _ in range(3):
        desk.clock.move(seconds=5)
        assert desk.deliver() == 1
    assert desk.states() == [("一", "dead", 4)]
    assert desk.allowance() == 5, "what the platform did not take does not count"


def test_after_a_silence_there_is_one_more_try_at_most(desk: Desk) -> None:
    desk.sender.outcomes = [failed("timeout", "ReadTimeout")] * 9
    desk.write("一")
    for _ in range(5):
        desk.deliver()
        desk.clock.move(minutes=5)
    assert len(desk.sender.sent) == 2


def test_a_closed_window_empties_the_ledger_and_ends_the_message(desk: Desk) -> None:
    desk.sender.outcomes = [failed("45015", "out of time")]
    desk.write("一")
    desk.write("二")
    while desk.deliver():
        pass
    assert [state for _, state, _ in desk.states()] == ["dead", "dead"]
    assert len(desk.sender.sent) == 1, "the second is not even tried"
    assert desk.allowance() == 0


def test_a_worker_that_died_after_claiming_gives_the_message_back(desk: Desk) -> None:
    desk.write("一")
    with desk.ctx.transaction() as tx:
        due_at = tx.now
        assert delivery.claim(tx.connection, 1, tries=0, due_at=due_at, until=tx.now.replace(hour=5))
        assert not delivery.claim(tx.connection, 1, tries=0, due_at=due_at, until=tx.now), "another has it"
    assert desk.deliver() == 0
    desk.clock.move(hours=2)
    assert desk.deliver() == 1
    assert desk.states() == [("一", "sent", 2)]


def test_an_account_that_is_gone_ends_its_messages(desk: Desk) -> None:
    desk.write("一")
    assert deliver_due(desk.ctx, {}) == 1
    assert desk.sender.sent == []
    assert desk.states()[0][1] == "dead"


def test_six_messages_in_one_window(desk: Desk) -> None:
    """Must hold 3: the sixth never reaches WeChat, its reason and what is done instead stand there, the survey's place stays."""
    for number in range(6):
        desk.write(f"进展{number}", purpose=Purpose.NOTICE)
    while desk.deliver():
        pass
    assert [parcel.text for parcel in desk.sender.sent] == ["进展0", "进展1", "进展2"]
    assert desk.allowance() == 2
    with desk.ctx.read() as session:
        last = delivery.outcomes(session, ["进展5"])["进展5"]
    assert (last.state, last.result) == ("held", "no-allowance")
    desk.write("请评价", purpose=Purpose.SURVEY)
    desk.deliver()
    assert desk.sender.sent[-1].text == "请评价"
    desk.write("我来答复您", purpose=Purpose.STAFF)
    desk.deliver()
    assert desk.sender.sent[-1].text == "我来答复您"
    assert desk.allowance() == 0


def test_a_channel_that_is_out_of_order_costs_the_message_no_try(desk: Desk) -> None:
    desk.sender.outcomes = [Failed("circuit-open", "", is_permanent=False, pause=60.0)] * 50
    desk.write("一")
    for _ in range(50):
        assert desk.deliver() == 1
        assert desk.deliver() == 0, "not before the pause is over"
        desk.clock.move(minutes=2)
    assert desk.states() == [("一", "due", 0)]
    assert desk.deliver() == 1
    assert desk.states() == [("一", "sent", 1)]
    assert desk.allowance() == 4


def test_other_channels_cost_no_allowance_and_hold_each_other_up_only_in_their_lane(desk: Desk) -> None:
    desk.sender.outcomes = [Failed("smtp-451", "", is_permanent=False, delays=(60.0,))]
    mail = {"lane": "provider:1", "channel": "email", "address": "a@example.com", "conversation_id": None}
    desk.write("信一", purpose=Purpose.REFERRAL, **mail)
    desk.write("信二", purpose=Purpose.REFERRAL, **mail)
    desk.write("信三", purpose=Purpose.REFERRAL, **{**mail, "lane": "provider:2"})
    assert deliver_due(desk.ctx, {"email": desk.sender}) == 2
    assert deliver_due(desk.ctx, {"email": desk.sender}) == 0
    assert [parcel.text for parcel in desk.sender.sent] == ["信一", "信三"]
    assert desk.allowance() == 5
