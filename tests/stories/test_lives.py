"""Kill -9 at any moment during the lives of 500 requests: no message, timer or number is lost or doubled."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.actions.asking import _note_ended
from bot.actions.clocks import load_shipped
from bot.actions.context import Context
from bot.actions.courses import _move_own, take_step
from bot.actions.libraries import import_file
from bot.actions.referrals import refer_ticket
from bot.actions.surveys import enter_survey, surveys_of
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.permissions import Actor, Role
from bot.core.surveys import Item, Rating, Source
from bot.core.ticket_states import Move, TicketKind, TicketState
from bot.core.tickets import version
from bot.core.times import CHINA
from bot.core.turns import Form
from bot.ports import Outcome, Parcel, Sent
from bot.settings import AccountSettings, Settings
from bot.store import conversations, courses, tickets
from bot.store.base import Database
from bot.store.migrate import upgrade
from bot.store.tickets import Ticket
from bot.worker.outbox import deliver_due
from bot.worker.surveys import ask_due
from bot.worker.timers import fire_due
from knowledge.library_rows import PROVIDERS, written
from tests.make import SetClock
from tests.people import drinks_tester

ROOT = Path(__file__).parents[2]
_IN_MEMORY = Path("/dev/shm")
LIVES = 500
WORKERS = 3
LI, CHEN = Actor(1, "小李", Role.STAFF), Actor(2, "小陈", Role.HEAD)
ACCOUNT = "miniprogram"
ANSWERS = dict.fromkeys(tuple(Item)[:4], Rating.SATISFIED) | {Item.SOLVED: Rating.YES}


def china(text: str) -> datetime:
    """A moment of 2026 in China: 11-23 10:00."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=CHINA)


# --- what runs in the processes that are killed ---


class SharedClock:
    """A clock that stands in a file, so that all processes see it leap."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def now(self) -> datetime:
        """The moment in the file."""
        return datetime.fromisoformat(self.path.read_text(encoding="ascii"))

    def set(self, moment: datetime) -> None:
        """Leap; whoever reads meanwhile sees the one or the other."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(moment.isoformat(), encoding="ascii")
        fresh.replace(self.path)


class PostingSender:
    """Hands each message to the stand-in, under the process that sends it."""

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=30)

    def send(self, parcel: Parcel) -> Outcome:
        """Post the key."""
        self.http.request("POST", f"/{os.getpid()}", body=parcel.key.encode())
        self.http.getresponse().read()
        return Sent("taken")


def opened(folder: Path) -> Context:
    """A context on the folder's database, as each process has one."""
    settings = Settings(
        data_dir=folder,
        miniprogram=AccountSettings(app_id="wx1", token="abc123"),
        smtp_host="127.0.0.1",
        mail_from="platform@example.com",
    )
    clock = SharedClock(folder / "clock")
    database = Database(settings.database)
    return Context(settings, database, clock, Brain.__new__(Brain), secret=b"0123456789abcdef")


def work(ctx: Context, port: int) -> int:
    """One round of a worker; gives how much it did."""
    senders = dict.fromkeys(("email", "webhook", ACCOUNT), PostingSender(port))
    return fire_due(ctx) + ask_due(ctx) + deliver_due(ctx, senders, ended=_note_ended)


def handle(ctx: Context, places: Iterable[int]) -> int:
    """Enterprises and staff: register what is missing, and take the next step of every life; gives how many."""
    with ctx.read() as session:
        found = {row.person: row for row in tickets.recent_tickets(session, limit=10_000)}
    count = 0
    for place in places:
        row = found.get(f"王经理{place}")
        count += _register(ctx, place) if row is None else _step(ctx, place, row)
    return count


def _register(ctx: Context, place: int) -> bool:
    form = Form(
        TicketKind.NEED,
        content="检测一批椰汁",
        category="testing",
        applicant=f"示例企业{place}",
        person=f"王经理{place}",
        phone="13800000000",
    )
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, ACCOUNT, f"life-{place}", now=tx.now)
        conversations.save_conversation(
            tx.connection,
            talk.conversation_id,
            state={},
            allowance=40,
            until=tx.now + timedelta(days=60),
            now=tx.now,
        )
        _open_ticket(tx, talk, form, channel="wechat-miniprogram")
    return True


_NEXT = {
    TicketState.ASSESSED: (Move.KEEP, LI),
    TicketState.IN_HOUSE: (Move.ACCEPT, LI),
    TicketState.ACCEPTED: (Move.START, LI),
    TicketState.IN_SERVICE: (Move.FINISH, LI),
    TicketState.SURVEYED: (Move.CLOSE, CHEN),
}


def _step(ctx: Context, place: int, row: Ticket) -> bool:
    """The next step of that life, by its kind: served, referred, withdrawn, forgotten, dismissed."""
    life, state = place % 5, TicketState(row.state)
    if life == 3:
        return False
    if state is TicketState.REGISTERED:
        return _takes(ctx, row, Move.ASSESS, LI, plan=("testing",))
    if life == 0:
        return _serve(ctx, place, row, state)
    if state is not TicketState.ASSESSED:
        return False
    if life == 1:
        refer_ticket(ctx, row.number, provider="P-1", actor=LI, seen=_seen(ctx, row), reason="企业所在地近")
        return True
    if life == 2:
        with ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, ACCOUNT, f"life-{place}", now=tx.now)
            _move_own(tx, talk, number=row.number, wanted=Move.WITHDRAW)
        return True
    return _takes(ctx, row, Move.DISMISS, CHEN, reason="不属于服务范围")


def _serve(ctx: Context, place: int, row: Ticket, state: TicketState) -> bool:
    if state is TicketState.FINISHED:
        return _rate(ctx, place, row)
    if state not in _NEXT:
        return False
    wanted, actor = _NEXT[state]
    return _takes(ctx, row, wanted, actor)


def _rate(ctx: Context, place: int, row: Ticket) -> bool:
    """Half of the enterprises answer once they were asked; the others never do, and their requests end without."""
    with ctx.read() as session:
        survey = surveys_of(session, row.id)[-1]
    if place % 10 == 0 and survey.attempts:
        enter_survey(ctx, row.number, actor=LI, source=Source.PHONE, answers=ANSWERS)
        return True
    return survey.survey.due <= ctx.clock.now() and _takes(ctx, row, Move.CLOSE, CHEN)


def _takes(
    ctx: Context, row: Ticket, wanted: Move, actor: Actor, *, plan: tuple[str, ...] = (), reason: str = ""
) -> bool:
    take_step(ctx, row.number, wanted, actor=actor, seen=_seen(ctx, row), plan=plan, reason=reason)
    return True


def _seen(ctx: Context, row: Ticket) -> str:
    with ctx.read() as session:
        fresh = tickets.ticket_numbered(session, row.number)
        assert fresh is not None
        return version(courses.course_of(fresh, tickets.events_of(session, fresh.id)))


def nursery(folder: str, given: str) -> None:
    """Fork a process for each line on standard input (worker or desk), so that a new one is there at once."""
    ctx, port = opened(Path(folder)), int(given)
    # The first lives are led here: a process that has done everything once begets quicker ones.
    while handle(ctx, range(10)) + work(ctx, port):
        pass
    ctx.database.close()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _live(ctx, port, line.strip())
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _live(ctx: Context, port: int, role: str) -> None:
    """Do the work of that role until the process is killed."""
    # Each begins somewhere else, for few live to see the last.
    places = random.Random(os.getpid()).sample(range(LIVES), LIVES)
    while True:
        if not (handle(ctx, places) if role == "desk" else work(ctx, port)):
            time.sleep(0.02)


# --- the test, which kills them ---


@dataclass(slots=True)
class StandIn:
    """What the other side took: the sending process and the key, in order."""

    taken: list[tuple[int, str]] = field(default_factory=list)

    @contextlib.contextmanager
    def serving(self) -> Iterator[int]:
        """Listen on loopback; gives the port."""
        taken = self.taken

        class Taker(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                key = self.rfile.read(length)
                if len(key) < length:
                    return  # the sender was killed in the middle of its words
                taken.append((int(self.path.strip("/")), key.decode()))
                self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """The sender was killed before it had its answer."""

        server = Server(("127.0.0.1", 0), Taker)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join(10)


class Town:
    """The desk and the workers as processes, and the chance that kills them."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.clock = SharedClock(folder / "clock")
        self.chance = random.Random(20261121)
        self.killed: set[int] = set()
        self.alive: dict[int, str] = {}
        code = "import sys; from tests.stories.test_lives import nursery; nursery(*sys.argv[1:])"
        self.nursery = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, role: str) -> None:
        assert self.nursery.stdin
        assert self.nursery.stdout
        self.nursery.stdin.write(f"{role}\n")
        self.nursery.stdin.flush()
        self.alive[int(self.nursery.stdout.readline())] = role

    def begin_all(self) -> None:
        for role in ("desk", *["worker"] * WORKERS):
            self.begin(role)

    def kill(self, pid: int) -> str:
        """End a process at once; gives what it was."""
        role = self.alive.pop(pid)
        os.kill(pid, signal.SIGKILL)
        self.killed.add(pid)
        while _is_there(pid):
            time.sleep(0.001)
        return role

    def kill_all(self) -> None:
        for pid in tuple(self.alive):
            self.kill(pid)

    def leaps(self, moment: datetime) -> None:
        """Nobody lives through a leap: else what is being sent would seem to have been given up."""
        self.kill_all()
        self.clock.set(moment)
        self.begin_all()

    def suffers(self, kills: int) -> None:
        """One process after the other is killed at random, and another takes its place."""
        for _ in range(kills):
            time.sleep(self.chance.uniform(0.02, 0.25))
            self.begin(self.kill(self.chance.choice(sorted(self.alive))))

    def rests(self, seconds: float = 60.0) -> None:
        """Wait, without kills, until a while has passed in which nothing changed."""
        until, before = time.monotonic() + seconds, ""
        while time.monotonic() < until:
            now = self.said(
                "SELECT (SELECT count(*) FROM ticket_event), (SELECT max(id) FROM outbox_message),"
                " (SELECT count(*) FROM outbox_message WHERE state = 'due'),"
                " (SELECT count(*) FROM timer WHERE state = 'pending'),"
                " (SELECT count(*) FROM survey_attempt), (SELECT count(*) FROM ticket)"
            )
            if str(now) == before:
                return
            before = str(now)
            time.sleep(0.5)
        raise AssertionError("the processes have not come to rest")

    def said(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.folder / "nqi.db", timeout=30)) as database:
            return database.execute(query).fetchall()

    def close(self) -> None:
        assert self.nursery.stdin
        assert self.nursery.stdout
        self.kill_all()
        self.nursery.stdin.close()
        self.nursery.wait(10)
        self.nursery.stdout.close()


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has such a place: what kill -9 leaves needs no disk to be seen."""
    if not _IN_MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY, prefix="nqi-lives-") as folder:
        yield Path(folder)


@pytest.fixture
def town(quick_path: Path, stand_in: StandIn) -> Iterator[Town]:
    tmp_path = quick_path
    SharedClock(tmp_path / "clock").set(china("11-23 10:00"))
    ctx = opened(tmp_path)
    upgrade(ctx.database)
    ctx.clock = SetClock(china("11-23 09:00"))
    load_shipped(ctx)
    data = written(
        PROVIDERS,
        [drinks_tester(which, webhook=f"https://p{which}.example.com/hook") for which in (1, 2, 3)],
        form="csv",
    )
    assert import_file(ctx, PROVIDERS, data, form="csv", actor="test").is_written
    ctx.database.close()
    with stand_in.serving() as port:
        found = Town(tmp_path, port)
        yield found
        found.close()


# Each leap passes deadlines: reminders, ends, escalations, offers that nobody answered, surveys, calls.
LEAPS = (
    "11-24 11:00",
    "11-24 17:30",
    "11-25 11:30",
    "11-26 17:30",
    "11-30 17:30",
    "12-02 08:30",
    "12-03 17:30",
    "12-09 17:30",
    "12-21 17:30",
    "12-31 17:30",
)
LAST = datetime(2027, 1, 29, 17, 30, tzinfo=CHINA)  # who was served last has been asked long enough


@pytest.mark.timeout(150)
def test_nothing_is_lost_or_doubled_when_workers_are_killed(town: Town, stand_in: StandIn) -> None:
    started = time.monotonic()
    town.begin_all()
    town.suffers(20)
    for words in LEAPS:
        town.leaps(china(words))
        town.suffers(6)
    # What a kill left in hand is free again after a minute.
    for moment in (china("12-31 17:32"), LAST - timedelta(minutes=2), LAST):
        town.leaps(moment)
        town.rests()
    assert all(map(_is_there, town.alive)), "nobody ended by itself"
    town.kill_all()
    the_numbers_are_whole(town)
    every_timer_fired_once(town)
    every_service_was_asked_about_once(town)
    every_message_left_once(town, stand_in)
    assert time.monotonic() - started < 120


def the_numbers_are_whole(town: Town) -> None:
    rows = town.said("SELECT number, person, state FROM ticket ORDER BY number")
    assert [row[0] for row in rows] == [f"NQI-2026-{serial:06d}" for serial in range(1, LIVES + 1)]
    assert {row[1] for row in rows} == {f"王经理{place}" for place in range(LIVES)}, "one request for each"
    assert town.said("SELECT kind, last FROM year_number") == [("need", LIVES)]
    ends: defaultdict[int, set[str]] = defaultdict(set)
    for _, person, state in rows:
        ends[int(str(person).removeprefix("王经理")) % 5].add(str(state))
    assert ends[1] <= {"referred", "rejected"}
    assert {life: ends[life] for life in (0, 2, 3, 4)} == {
        0: {"closed"},
        2: {"withdrawn"},
        3: {"registered"},
        4: {"closed"},
    }


def every_timer_fired_once(town: Town) -> None:
    """No moment has passed in silence, and each that fired stands once in the history of its request."""
    moments = town.said("SELECT state, due_at FROM timer")
    now = LAST.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    assert [at for state, at in moments if state == "pending" and str(at) <= now] == []
    names = {"remind": "reminded", "due": "overdue", "escalate": "escalated"}
    fired = town.said(
        "SELECT ticket_id, what, count(*) FROM timer JOIN ticket_clock ON ticket_clock.id = clock_id"
        " WHERE timer.state = 'fired' GROUP BY 1, 2"
    )
    lines = town.said(
        "SELECT ticket_id, what, count(*) FROM ticket_event"
        " WHERE what IN ('reminded', 'overdue', 'escalated') GROUP BY 1, 2"
    )
    assert sorted((ticket, names[str(what)], count) for ticket, what, count in fired) == sorted(lines)
    assert len(lines) > LIVES, "they were at work"


def every_service_was_asked_about_once(town: Town) -> None:
    assert town.said("SELECT count(*), count(DISTINCT ticket_id) FROM survey") == [(LIVES // 5,) * 2]
    found = town.said(
        "SELECT survey_id, count(*) - count(DISTINCT outbox_key), sum(way = 'message'), sum(way = 'staff-call')"
        " FROM survey_attempt WHERE way IN ('message', 'staff-call') GROUP BY 1"
    )
    assert len(found) == LIVES // 5, "each was asked, by a message or by a call"
    # A message and its reminder at most, each under a key of its own; a call has none.
    assert all((same, calls) in ((0, 0), (0, 1)) for _, same, _, calls in found)
    assert {messages for _, _, messages, _ in found} <= {0, 1, 2}
    assert town.said("SELECT survey_id FROM task GROUP BY 1 HAVING count(*) > 1") == []


def every_message_left_once(town: Town, stand_in: StandIn) -> None:
    """Once, but for tries that a kill cut off between sending and writing down: those show the same key."""
    states = {str(key): str(state) for key, state in town.said("SELECT key, state FROM outbox_message")}
    assert set(states.values()) <= {"sent", "held", "dead", "dropped"}, "nothing is left to be sent"
    last = {pid: place for place, (pid, _) in enumerate(stand_in.taken)}
    taken: defaultdict[str, list[bool]] = defaultdict(list)
    for place, (pid, key) in enumerate(stand_in.taken):
        may_be_cut = pid in town.killed and last[pid] == place
        taken[key].append(may_be_cut)
    assert taken.keys() <= states.keys(), "what left was written down before"
    assert {key for key, state in states.items() if state == "sent"} <= taken.keys(), "none is lost"
    for key, tries in taken.items():
        assert all(tries[:-1]), f"{key} was sent again though nobody was killed over it"
        assert states[key] == "sent" or all(tries), f"{key} was sent, and it is written down as {states[key]}"
    again = len(stand_in.taken) - len(taken)
    assert again <= len(town.killed)
    assert len(taken) > 2 * LIVES, "they were at work"
