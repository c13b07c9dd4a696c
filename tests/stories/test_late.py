"""Answers that take too long: acknowledged in time, delivered later, lost never."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.conversation import record_push
from bot.app import Program, with_simulator
from bot.core.brain import Brain, Heard
from bot.core.messages import Incoming, Kind
from bot.serving import running
from bot.settings import Settings
from bot.store.conversations import Message, Receipt
from tests.people import Enterprise

SLOW = 1.2  # seconds


class SlowBrain:
    """Thinks long about what is hard."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._brain, name)

    def hear(self, text: str, *, today: date, topic: str = "") -> Heard:
        if "难题" in text:
            time.sleep(SLOW)
        return self._brain.hear(text.replace("难题", ""), today=today, topic=topic)


def slowed(program: Program) -> None:
    program.ctx.brain = SlowBrain(program.ctx.brain)  # type: ignore[assignment]


@pytest.fixture
def hurried(fresh: Settings) -> Settings:
    """Half a second is all the time there is."""
    return replace(fresh, callback_budget=0.4)


@pytest.fixture
def verified(hurried: Settings) -> Iterator[Program]:
    with running(hurried) as program:
        slowed(program)
        yield program


def unverified(settings: Settings) -> Settings:
    """The official account may not send customer messages."""
    with_simulator(settings)
    kept = settings.data_dir / "simulator.json"
    kept.write_text(kept.read_text().replace('"kind": "service"', '"kind": "subscription_unverified"'))
    return settings


def waits_for(person: Enterprise, count: int) -> list[str]:
    """Wait until the phone has received so many messages."""
    until = time.monotonic() + 8
    while len(person.received()) < count and time.monotonic() < until:
        time.sleep(0.05)
    return person.received()


def test_a_late_answer_comes_as_a_customer_message_once(verified: Program) -> None:
    with Enterprise(verified, "late-1") as person:
        person.says("你好")
        fields = person.pusher.message(person.openid, "text", Content="难题压力表多久检一次")
        began = time.monotonic()
        first = person.pusher.deliver(fields)
        assert time.monotonic() - began < SLOW, "acknowledged before the answer is ready"
        assert first.content == b"success"
        assert person.pusher.deliver(fields).content == b"success", "the same delivery, the same bytes"
        assert "依据" in waits_for(person, 2)[-1]
        assert person.last().via == "customer"
        time.sleep(1.5)
        assert len(person.received()) == 2


def test_a_quick_message_behind_a_slow_one_waits_its_turn(verified: Program) -> None:
    with Enterprise(verified, "late-2") as person:
        person.says("你好")
        for text in ("难题压力表多久检一次", "谢谢"):
            person.pusher.deliver(person.pusher.message(person.openid, "text", Content=text))
        received = waits_for(person, 3)
        assert "依据" in received[1]
        assert "不客气" in received[2]
        with verified.ctx.read() as session:
            texts = session.scalars(
                sa.select(Message.text).where(Message.is_inbound).order_by(Message.id)
            ).all()
        assert list(texts) == ["你好", "难题压力表多久检一次", "谢谢"]


def test_an_account_without_customer_messages_offers_the_answer_to_be_collected(hurried: Settings) -> None:
    settings = unverified(hurried)
    with running(settings) as program, Enterprise(program, "late-3") as person:
        slowed(program)
        assert "查看答复" in person.says("难题压力表多久检一次")
        time.sleep(SLOW)
    with running(settings) as program, Enterprise(program, "late-3") as person:
        assert "依据" in person.says("查看答复"), "the answer survives a restart"
        assert "没有待查看" in person.says("查看答复")


def test_what_a_crash_left_queued_is_answered_at_the_next_start(hurried: Settings) -> None:
    settings = unverified(hurried)
    with running(settings) as program:
        incoming = Incoming(
            "official",
            program.settings.official.app_id,
            "late-4",
            "gh_x",
            Kind.TEXT,
            datetime.now(UTC) - timedelta(seconds=5),
            created="1700000000",
            message_id="77",
            text="压力表多久检一次",
        )
        assert record_push(program.ctx, incoming).is_queued
        with program.ctx.read() as session:
            assert session.scalars(sa.select(Receipt.state)).all() == ["queued"]
    with running(settings) as program, Enterprise(program, "late-4") as person:
        until = time.monotonic() + 8
        states: list[str] = []
        while states != ["answered"] and time.monotonic() < until:
            with program.ctx.read() as session:
                states = list(session.scalars(sa.select(Receipt.state)))
                count = len(session.scalars(sa.select(Message.id)).all())
        assert (states, count) == (["answered"], 2)
        assert "依据" in person.says("查看答复")
