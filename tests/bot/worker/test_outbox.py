"""The outbox: every outcome of a send has its consequence, and nothing is sent twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.channels.wechat_errors import failed
from bot.core.brain import Brain
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

    def write(self, text: str, key: str | None = None) -> None:
        with self.ctx.transaction() as tx:
            delivery.add_outbox(
                tx.connection,
                key=key or text,
                conversation_id=self.conversation_id,
                account="official",
                openid="o1",
                text=text,
                due_at=tx.now,
                at=tx.now,
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
    assert [text for _, text in desk.sender.sent] == ["一", "二"]
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
        assert delivery.claim(tx.connection, 1, tries=0, until=tx.now.replace(hour=5))
        assert not delivery.claim(tx.connection, 1, tries=0, until=tx.now), "another worker has it"
    assert desk.deliver() == 0
    desk.clock.move(hours=2)
    assert desk.deliver() == 1
    assert desk.states() == [("一", "sent", 2)]


def test_an_account_that_is_gone_ends_its_messages(desk: Desk) -> None:
    desk.write("一")
    assert deliver_due(desk.ctx, {}) == 0
    assert desk.states()[0][1] == "dead"
