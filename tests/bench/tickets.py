"""The cost of requests: registrations, timers that are due at once, the outbox, routing; each beside a floor of its run.

Run alone: `python -m tests.bench.tickets` renews its part of docs/benchmarks.md.
"""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from bot.actions.clocks import load_shipped
from bot.actions.context import Context
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.reach import Channel, Purpose
from bot.core.routing import Need, Roster, suggest_providers
from bot.core.ticket_states import TicketKind
from bot.core.turns import Form
from bot.settings import AccountSettings, Settings
from bot.store import conversations, delivery
from bot.store.audit import add_line
from bot.store.base import Database
from bot.store.clocks import Timer
from bot.store.conversations import Conversation
from bot.store.migrate import upgrade
from bot.store.tickets import TicketEvent
from bot.worker.outbox import deliver_due
from bot.worker.timers import fire_due
from intents.categories import Category
from knowledge.library import ProviderStatus
from knowledge.library_rows import PROVIDERS, load_demo
from tests.bench.measured import at, replace_part
from tests.make import RecordingSender, SetClock

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
HEADING = "## Requests"
REGISTRATIONS, TIMERS, MESSAGES, PROVIDERS_COUNT, NEEDS = 2_000, 10_000, 5_000, 2_000, 400
THREADS = 16
START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)

PAGE = """{heading}

Made by `python -m tests.bench.tickets` on {day}, SQLite with `synchronous=FULL`, one process, {threads} threads where many write.
The floor is the same number of bare rows written the same way in the same run.

| what | figure | floor in the same run | aim |
| --- | --- | --- | --- |
{table}

A registration: number, Annex B fields, first line of history, clock with its timers, in one durable transaction. A timer that fires: claim and
line of history. A message: claim, allowance, sender in memory, outcome, in two durable transactions; messages of one contact wait for each other.
Routing reads the text and ranks whoever offers the category; the roster is indexed once.
"""


@contextmanager
def context() -> Iterator[tuple[Context, SetClock]]:
    """A database of its own on disk."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/nqi.db")
        upgrade(database)
        clock = SetClock(START)
        account = AccountSettings(app_id="wx1", token="abc123", kind="service")
        ctx = Context(Settings(official=account), database, clock, Brain.__new__(Brain))
        load_shipped(ctx)
        yield ctx, clock
        database.close()


def took(work: Callable[[], object]) -> float:
    """Seconds that the work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def many(count: int, work: Callable[[int], object]) -> float:
    """Work per second, done by many threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return count / took(lambda: list(pool.map(work, range(count))))


def register(ctx: Context, number: int) -> None:
    """One need of a contact of its own."""
    form = Form(TicketKind.NEED, "检测一批矿泉水", "testing", "示例公司", "王经理", "13800000000")
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", f"o{number}", now=tx.now)
        _open_ticket(tx, talk, form, channel="wechat-official")


def bare_row(ctx: Context, number: int) -> None:
    """One durable row: less than this nothing costs that is kept."""
    with ctx.transaction() as tx:
        add_line(tx.connection, at=tx.now, actor="bench", what="row", subject=str(number))


def registrations() -> tuple[float, float]:
    """Registrations and bare rows per second."""
    with context() as (ctx, _):
        return many(REGISTRATIONS, lambda number: register(ctx, number)), many(
            REGISTRATIONS, lambda number: bare_row(ctx, number)
        )


def timers() -> tuple[int, float, float]:
    """How many timers were due at once, and the seconds to fire them, and to write as many bare lines of history."""
    with context() as (ctx, clock):
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda number: register(ctx, number), range(TIMERS // 3)))
        clock.at = START + timedelta(days=30)
        with ctx.read() as session:
            due = session.execute(
                sa.select(sa.func.count()).where(Timer.state == "pending", Timer.due_at <= clock.at)
            ).scalar_one()
        fired = took(lambda: fire_due(ctx))
        blank = {"ticket_id": 1, "at": clock.at, "actor": "bench", "what": "row"}
        floor = 0.0
        for _ in range(due // 100):
            begin = time.perf_counter()
            with ctx.transaction() as tx:
                for _line in range(100):
                    tx.connection.execute(sa.insert(TicketEvent).values(**blank))
            floor += time.perf_counter() - begin
        return due, fired, floor


def outbox() -> tuple[float, float]:
    """Messages to 500 contacts and, as the floor, pairs of bare durable rows per second, by one worker each."""
    with context() as (ctx, _):
        with ctx.transaction() as tx:
            ids = [
                conversations.talk_with(tx.connection, "official", f"o{number}", now=tx.now).conversation_id
                for number in range(500)
            ]
            tx.connection.execute(
                sa.update(Conversation).values(allowance=10_000, allowance_until=START + timedelta(days=2))
            )
            for number, conversation_id in zip(range(MESSAGES), itertools.cycle(ids)):
                delivery.add_outbox(
                    tx.connection,
                    key=str(number),
                    lane=f"talk:{conversation_id}",
                    channel=Channel.CUSTOMER.value,
                    account="official",
                    address=f"o{conversation_id}",
                    text="进展",
                    purpose=Purpose.NOTICE.value,
                    conversation_id=conversation_id,
                    due_at=tx.now,
                    at=tx.now,
                )
        sender = RecordingSender()

        def empty() -> None:
            while deliver_due(ctx, {"official": sender}):
                pass

        rate = MESSAGES / took(empty)
        assert len(sender.sent) == MESSAGES
        pairs = took(lambda: [bare_row(ctx, number) for number in range(2 * MESSAGES // 5)])
        return rate, MESSAGES / 5 / pairs


def routing() -> tuple[float, float]:
    """Milliseconds (median, p99) to rank 2,000 providers for one need."""
    shipped = [replace(one, is_demo=False, status=ProviderStatus.ACTIVE) for one in load_demo(PROVIDERS)]
    providers = [
        replace(one, number=f"P{number}", name=f"示例机构{number}", credit_code=f"示例{number}")
        for number, one in zip(range(PROVIDERS_COUNT), itertools.cycle(shipped))
    ]
    roster = Roster.of(providers)
    needs = [("检测一批矿泉水，示例市", Category.TESTING), ("校准20块压力表", Category.METROLOGY)]
    day, seconds = START.date(), []
    for text, category in itertools.islice(itertools.cycle(needs), NEEDS):
        begin = time.perf_counter()
        need = Need.read(category, text)
        suggest_providers(need, roster, on=day, loads={}, scores={}, recent=(), most=10)
        seconds.append(time.perf_counter() - begin)
    return 1000 * at(seconds[2:], 0.5), 1000 * at(seconds[2:], 0.99)


def part() -> str:
    """The part of docs/benchmarks.md, measured now."""
    registered, rows = registrations()
    due, fired, lines = timers()
    sent, pairs = outbox()
    middle, last = routing()
    table = [
        f"| registrations per second | {registered:,.0f} | {rows:,.0f} bare rows | |",
        f"| {due:,} timers due at once, seconds to fire all | {fired:.1f} | {lines:.1f} for as many lines | |",
        f"| outbox, messages per second | {sent:,.0f} | {pairs:,.0f} pairs of bare rows | |",
        f"| routing over {PROVIDERS_COUNT:,} providers, p50 / p99 | {middle:.1f} / {last:.1f} ms | | p99 < 20 ms |",
    ]
    return PAGE.format(
        heading=HEADING, day=f"{datetime.now(UTC):%Y-%m-%d}", threads=THREADS, table="\n".join(table)
    )


def renew(document: Path) -> None:
    """Measure, and put the figures in the place of the old ones."""
    fresh = part()
    replace_part(document, HEADING, fresh)
    print(fresh)


if __name__ == "__main__":
    renew(DOCUMENT)
