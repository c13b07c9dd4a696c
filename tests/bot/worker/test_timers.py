"""Every timer fires once and in order: after a stop, beside another worker, and when a worker is killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.clocks import fire_timers, load_shipped
from bot.actions.context import Context
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.ticket_states import TicketKind
from bot.core.times import CHINA
from bot.core.turns import Form
from bot.settings import Settings
from bot.store import clocks, conversations
from bot.store.base import Database
from bot.store.clocks import Timer
from bot.store.migrate import upgrade
from bot.store.tickets import TicketEvent
from bot.worker.timers import fire_due
from tests.make import SetClock

MORNING = datetime(2026, 11, 23, 10, 0, tzinfo=CHINA)  # Monday: due Tuesday 17:30
TOLD = ["reminded", "overdue", "escalated"]
ROOT = Path(__file__).parents[3]


def opened(folder: Path, clock: SetClock) -> Context:
    """A context of its own on the folder's database, as another process would have it."""
    database = Database(f"sqlite:///{folder / 'nqi.db'}")
    upgrade(database)
    ctx = Context(Settings(), database, clock, Brain.__new__(Brain))
    load_shipped(ctx)
    return ctx


def register(ctx: Context, person: str = "o1") -> None:
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", person, now=tx.now)
        form = Form(TicketKind.NEED, content="检测一批矿泉水", category="testing")
        _open_ticket(tx, talk, form, channel="wechat-official")


def history(ctx: Context, ticket_id: int = 1) -> list[str]:
    with ctx.read() as session:
        query = sa.select(TicketEvent.what).where(TicketEvent.ticket_id == ticket_id)
        return list(session.scalars(query.order_by(TicketEvent.id)))[1:]


def states(ctx: Context) -> list[str]:
    with ctx.read() as session:
        return list(session.scalars(sa.select(Timer.state).order_by(Timer.id)))


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MORNING)


@pytest.fixture
def ctx(tmp_path: Path, clock: SetClock) -> Iterator[Context]:
    found = opened(tmp_path, clock)
    yield found
    found.database.close()


def test_each_timer_fires_at_its_moment_and_says_whom_and_what(ctx: Context, clock: SetClock) -> None:
    register(ctx)
    assert fire_due(ctx) == 0
    found = []
    for moment in ("24T10:59", "24T11:00", "24T17:29", "24T17:30", "25T10:29", "25T10:30", "26T10:30"):
        clock.at = datetime.fromisoformat(f"2026-11-{moment}").replace(tzinfo=CHINA)
        found.append(fire_due(ctx))
    assert found == [0, 1, 0, 1, 0, 1, 0]
    with ctx.read() as session:
        lines = session.execute(sa.select(TicketEvent.actor, TicketEvent.note).order_by(TicketEvent.id)).all()
    assert [tuple(line) for line in lines[1:]] == [
        ("system", "请工作人员注意：评估时限为 2026-11-24 17:30。"),
        ("system", "已到评估时限（2026-11-24 17:30），尚未完成。"),
        ("system", "评估时限（2026-11-24 17:30）已过，请负责人督促办理。"),
    ]


def test_after_days_of_downtime_all_fire_once_and_in_order(ctx: Context, clock: SetClock) -> None:
    register(ctx)
    clock.move(hours=24)
    register(ctx, "o2")
    clock.move(days=6)
    assert fire_due(ctx) == 6
    assert fire_due(ctx) == 0
    with ctx.read() as session:
        rows = session.execute(
            sa.select(TicketEvent.ticket_id, TicketEvent.what)
            .where(TicketEvent.actor == "system")
            .order_by(TicketEvent.id)
        ).all()
        fired = session.execute(sa.select(Timer.fired_at).distinct()).scalars().all()
    assert [tuple(row) for row in rows] == [
        (1, "reminded"),  # Tuesday 11:00
        (1, "overdue"),  # Tuesday 17:30
        (1, "escalated"),  # Wednesday 10:30
        (2, "reminded"),  # Wednesday 11:00
        (2, "overdue"),
        (2, "escalated"),
    ]
    assert fired == [clock.now()]


def test_a_restart_neither_loses_nor_doubles(tmp_path: Path, clock: SetClock) -> None:
    told = []
    for days in (0, 1, 1, 1, 1):
        clock.move(days=days)
        ctx = opened(tmp_path, clock)
        if not days:
            register(ctx)
        fire_due(ctx)
        told.append(history(ctx))
        ctx.database.close()
    assert told == [[], [], TOLD[:2], TOLD, TOLD]


def test_two_workers_at_once_fire_each_timer_once(tmp_path: Path, clock: SetClock) -> None:
    workers = [opened(tmp_path, replace(clock)) for _ in range(3)]
    for number in range(80):
        register(workers[0], f"o{number}")
    start = threading.Barrier(len(workers))
    fired: list[int] = []

    def work(ctx: Context) -> None:
        ctx.clock = SetClock(MORNING.replace(day=30))
        start.wait(10)
        fired.append(fire_due(ctx))

    threads = [threading.Thread(target=work, args=(ctx,)) for ctx in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(fired) == 3 * 80
    assert len(fired) == len(workers)
    assert [history(workers[0], number) for number in range(1, 81)] == [TOLD] * 80
    for ctx in workers:
        ctx.database.close()


def test_who_comes_second_with_the_same_timers_fires_none(ctx: Context, clock: SetClock) -> None:
    register(ctx)
    clock.move(days=7)
    with ctx.read() as session:
        seen = [timer.id for timer in clocks.due_timers(session, now=clock.now())]
    assert (fire_timers(ctx, seen), fire_timers(ctx, seen)) == (3, 0)
    assert history(ctx) == TOLD


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from bot.store import clocks
from bot.store.base import Database
with Database(sys.argv[1]).transaction() as connection:
    claimed = clocks.claim_timers(connection, [1, 2, 3], now=datetime.now(UTC))
    print(len(claimed), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_killed_between_claim_and_commit_loses_nothing(
    ctx: Context, clock: SetClock, tmp_path: Path
) -> None:
    register(ctx)
    clock.move(days=7)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, f"sqlite:///{tmp_path / 'nqi.db'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "3\n"), killed.stderr
    assert states(ctx) == ["pending"] * 3
    assert fire_due(ctx) == 3
    assert (states(ctx), history(ctx)) == (["fired"] * 3, TOLD)


def test_many_at_once_are_fired_in_batches(ctx: Context, clock: SetClock) -> None:
    for number in range(40):
        register(ctx, f"o{number}")
    clock.move(days=7)
    with ctx.read() as session:
        assert len(clocks.due_timers(session, now=clock.now())) == 100
    assert fire_due(ctx) == 120
    assert states(ctx) == ["fired"] * 120
