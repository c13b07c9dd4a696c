"""The time that the server takes for pages of the consoles, with 100,000 conversations and 5,000 entries.

Run alone: `python -m tests.bench.pages` renews its part of docs/benchmarks.md.
"""

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx
import psutil
import uvicorn

from bot.actions.knowledge import import_entries
from bot.app import Program, build
from bot.app import renew as renew_brain
from bot.core.permissions import Role
from bot.settings import Settings
from bot.store.people import staff_named
from tests.bench.crowd import (
    AUDITED,
    CONVERSATIONS,
    HELD,
    LONG,
    UNFINISHED,
    WAITING,
    Crowd,
    fill,
    many_entries,
)
from tests.bench.measured import at, replace_part
from tests.staff import StaffMember

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
HEADING = "## Consoles"
TIMES = 40
AIM = 300  # ms

PAGE = """{heading}

Made by `python -m tests.bench.pages` on {day}, SQLite, {times} requests of each page one after the other over loopback, load of the machine {load:.1f}.
The database: {conversations:,} conversations of three messages ({waiting} wait, staff hold {held}), as many requests with three clocks and four lines of
history each ({unfinished:,} unfinished), {audited:,} lines of audit, written in {filled:.0f} s; {entries:,} entries with {phrases:,} questions.
The floor is the log-in page of the same run, which reads nothing. First: the first request of its kind after the start.

| page | p50 ms | p95 ms | first ms | aim |
| --- | --- | --- | --- | --- |
{table}
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of page; the gaps of its path are filled by `gaps_of`, other ones in every request."""

    name: str
    path: str
    role: Role = Role.OPERATOR
    has_aim: bool = False


FLOOR = Case("log-in page (floor)", "/login")
CASES = (
    Case("inbox: queue", "/console", has_aim=True),
    Case("inbox: mine", "/console?tab=mine", has_aim=True),
    Case("inbox: held by colleagues", "/console?tab=others", has_aim=True),
    Case("inbox: with the bot", "/console?tab=bot", has_aim=True),
    Case("inbox: closed", "/console?tab=ended", has_aim=True),
    Case("inbox: closed, names masked", "/console?tab=ended", Role.MAINTAINER, has_aim=True),
    Case("inbox: closed, of a category", "/console?tab=ended&category=testing", has_aim=True),
    Case("inbox: closed, of a station", "/console?tab=ended&station=示例三站", has_aim=True),
    Case("inbox: closed, of a station without any", "/console?tab=ended&station=无此站", has_aim=True),
    Case("inbox: closed, urgent", "/console?tab=ended&urgency=green", has_aim=True),
    Case("inbox: with the bot, all filters", "/console?tab=bot&category=ip&station=示例三站&urgency=urgent"),
    Case("inbox: closed, a page in the middle", "/console?tab=ended&page={place}", has_aim=True),
    Case("inbox: list alone, as it is renewed live", "/console/list?tab=mine"),
    Case("words that stand in many messages", "/console?q=检测"),
    Case("words that stand in none", "/console?q=没有人说过"),
    Case("a conversation", "/console/{talk}"),
    Case("a conversation of 500 messages, held by oneself", "/console/{mine}"),
    Case("its new messages, as they come live", "/console/{mine}/messages?after={last}"),
    Case("requests: list", "/board", has_aim=True),
    Case("requests: overdue", "/board?mark=overdue"),
    Case("requests: waiting for the enterprise", "/board?mark=waiting"),
    Case("requests: of a category, all states", "/board?category=ip&state=all"),
    Case("requests: of a station", "/board?station=示例三站"),
    Case("requests: words that stand in many", "/board?text=矿泉水"),
    Case("requests: words that stand in none", "/board?text=没有人说过"),
    Case("requests: words that stand in none, all states", "/board?text=没有人说过&state=all"),
    Case("requests: board", "/board?layout=board"),
    Case("requests: board, of a category", "/board?layout=board&category=ip"),
    Case("one request", "/tickets/{number}"),
    Case("first page", "/"),
    Case("entry list", "/knowledge", has_aim=True),
    Case("entry list: names masked", "/knowledge", Role.EVALUATOR, has_aim=True),
    Case("entry list: search", "/knowledge?q=检测", has_aim=True),
    Case("entry list: of a category, in force", "/knowledge?category=testing&state=published", has_aim=True),
    Case("entry list: never given", "/knowledge?given=never", has_aim=True),
    Case("entry list: last page", "/knowledge?page=9999", has_aim=True),
    Case("one entry", "/knowledge/{entry}"),
    Case("gaps", "/knowledge/gaps"),
    Case("figures of the knowledge", "/knowledge/figures"),
    Case("audit", "/audit"),
    Case("audit: of one person", "/audit?actor=示例同事3"),
    Case("audit: words that stand in none", "/audit?text=没有人说过"),
)


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one kind of page."""

    first: float
    middle: float
    last: float  # p95

    def line(self, case: Case) -> str:
        """As a line of the table."""
        aim = f"p95 < {AIM} ms" if case.has_aim else ""
        return f"| {case.name} | {self.middle:.1f} | {self.last:.1f} | {self.first:.1f} | {aim} |"


# --- the server, and the pages ---


@contextmanager
def serving(folder: Path) -> Iterator[Program]:
    """The program over what stands there, without its worker: that would end the waiting while pages are measured."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        program = build(Settings(data_dir=folder, host="127.0.0.1", port=port, log_level="error"))
        config = uvicorn.Config(program.web, lifespan="off", log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield program
        finally:
            server.should_exit = True
            thread.join()
            program.ctx.database.close()


def gaps_of(rows: Crowd) -> Callable[[int], dict[str, str]]:
    """What stands in the paths of the n-th request."""

    def gaps(turn: int) -> dict[str, str]:
        far = CONVERSATIONS // 2 + turn
        return {
            "talk": str(CONVERSATIONS - WAITING - HELD - 97 * turn),
            "mine": str(rows.mine),
            "last": str(3 * CONVERSATIONS + LONG - 2),
            "number": f"NQI-2026-{CONVERSATIONS - 97 * turn:06d}",
            "entry": rows.entries[101 * turn % len(rows.entries)].id,
            "place": f"{rows.moment(far):%Y-%m-%dT%H:%M:%S}%2B00:00~{far}",
        }

    return gaps


def times_of(http: httpx.Client, case: Case, gaps: Callable[[int], dict[str, str]]) -> Times:
    """Ask for the page again and again; the first request is counted apart."""
    took = []
    for turn in range(TIMES + 1):
        address = "/admin" + case.path.format(**gaps(turn))
        begin = time.perf_counter()
        answer = http.get(address)
        took.append(1000 * (time.perf_counter() - begin))
        assert answer.status_code == 200, f"{address}: {unescape(answer.text)[:2000]}"
    return Times(took[0], at(took[1:], 0.5), at(took[1:], 0.95))


class Visitors:
    """Who asks: one account of each role, logged in on first use."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._people: dict[Role, StaffMember] = {}

    def of(self, role: Role) -> StaffMember:
        """The one of that role."""
        if role not in self._people:
            self._people[role] = StaffMember(self._program, f"示例{role.value}", role)
            self._people[role].http.timeout = 60  # a page that is far too slow is measured too
        return self._people[role]

    def close(self) -> None:
        """Let their connections go."""
        for one in self._people.values():
            one.http.close()


def id_of(program: Program, name: str) -> int:
    """The account of that name."""
    with program.ctx.read() as session:
        row = staff_named(session, name)
    assert row is not None
    return int(row.id)


def measured(visitors: Visitors, rows: Crowd) -> Iterator[str]:
    """Every page, as lines of the table."""
    for case in (FLOOR, *CASES):
        line = times_of(visitors.of(case.role).http, case, gaps_of(rows)).line(case)
        print(line, flush=True)
        yield line


def part() -> str:
    """The part of docs/benchmarks.md, measured now."""
    entries = many_entries()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as program:
        visitors = Visitors(program)
        import_entries(program.ctx, entries)
        renew_brain(program.ctx)
        rows = Crowd(datetime.now(UTC), entries, id_of(program, visitors.of(Role.OPERATOR).name))
        begin = time.perf_counter()
        fill(program.ctx, rows)
        filled = time.perf_counter() - begin
        load = psutil.getloadavg()[0]
        table = list(measured(visitors, rows))
        visitors.close()
    return PAGE.format(
        heading=HEADING,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        times=TIMES,
        load=load,
        conversations=CONVERSATIONS,
        waiting=WAITING,
        held=HELD,
        unfinished=UNFINISHED,
        audited=AUDITED,
        entries=len(entries),
        phrases=sum(len(entry.questions) for entry in entries),
        filled=filled,
        table="\n".join(table),
    )


def renew(document: Path) -> None:
    """Measure, and put the figures in the place of the old ones."""
    fresh = part()
    replace_part(document, HEADING, fresh)
    print(fresh)


if __name__ == "__main__":
    renew(DOCUMENT)
