"""`nqi demo` is also the end-to-end test: its tables say what the database holds, and a wrong turn stops it."""

import io
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import httpx
import pytest
from rich.console import Console

from bot.demo import play
from bot.demo.people import DemoError, number_in
from bot.demo.results import Summary
from bot.demo.stage import LeapClock, Stage, staged

ROOT = Path(__file__).parents[2]


class Played:
    """A demonstration that has run to its end."""

    def __init__(self, stage: Stage, folder: Path, summary: Summary, said: str) -> None:
        self.stage = stage
        self.folder = folder
        self.summary = summary
        self.said = said

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What stands in the database, past the program's own code."""
        with closing(sqlite3.connect(self.folder / "nqi.db")) as database:
            return database.execute(query).fetchall()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("demo")
    console = Console(file=io.StringIO(), width=200)
    with staged(folder, console, pace=0) as stage:
        summary = play(stage)
        assert isinstance(console.file, io.StringIO)
        yield Played(stage, folder, summary, console.file.getvalue())


def test_every_request_comes_to_its_end(played: Played) -> None:
    states = [tuple(row) for row in played.rows("SELECT number, state FROM ticket ORDER BY id")]
    year = str(states[0][0])[4:8]
    assert states == [
        (f"NQI-{year}-000001", "closed"),
        (f"NQI-{year}-000002", "closed"),
        (f"NQI-C-{year}-000001", "closed"),
        (f"NQI-{year}-000003", "withdrawn"),
    ]
    assert [(one.number, one.state) for one in played.summary.tickets] == states


def test_the_table_of_clocks_is_what_the_timers_say(played: Played) -> None:
    running = "SELECT count(*) FROM ticket_clock WHERE state IN ('running', 'paused')"
    late = "SELECT count(*) FROM timer WHERE what = 'due' AND state = 'fired'"
    assert (played.rows(running), played.rows(late)) == ([(0,)], [(0,)])
    steps = played.rows(
        "SELECT number, count(DISTINCT step) FROM ticket JOIN ticket_clock ON ticket_id = ticket.id"
        " GROUP BY number ORDER BY ticket.id"
    )
    assert [(one.number, one.kept) for one in played.summary.tickets] == steps
    # Assessed, matched, accepted, contacted, served, rated, reviewed.
    assert [one.kept for one in played.summary.tickets] == [7, 7, 5, 1]
    assert not any(one.overdue for one in played.summary.tickets)


def test_the_table_of_messages_is_the_outbox(played: Played) -> None:
    found = played.rows("SELECT state, channel, count(*) FROM outbox_message GROUP BY 1, 2 ORDER BY 1, 2")
    assert list(played.summary.messages) == found
    assert {row[0] for row in found} == {"sent", "told", "held"}
    hooks = played.rows("SELECT result FROM outbox_message WHERE channel = 'webhook'")
    assert len(hooks) >= 3
    assert set(hooks) == {("http-204",)}, "every signature was accepted"


def test_two_providers_were_asked_and_the_second_did_it(played: Played) -> None:
    found = played.rows("SELECT provider, state, rank FROM referral ORDER BY id")
    assert [row[1:] for row in found] == [("rejected", 1), ("finished", 1)]
    assert {row[0] for row in found} == {"P-1", "P-2"}
    assert played.rows("SELECT count(*) FROM attachment") == [(1,)]


def test_one_survey_was_tapped_and_one_told_by_telephone(played: Played) -> None:
    found = played.rows(
        "SELECT number, survey.state, count(*), max(source), max(by) FROM survey"
        " JOIN ticket ON ticket.id = ticket_id JOIN survey_version ON survey_id = survey.id"
        " GROUP BY survey.id ORDER BY survey.id"
    )
    first, second = (one.number for one in played.summary.surveys)
    assert found == [(first, "answered", 6, "chat", ""), (second, "answered", 1, "phone", "小李")]
    assert [one.answers for one in played.summary.surveys] == [
        "不满意、满意、非常满意、满意、是",
        "非常满意、非常满意、满意、非常满意、是",
    ]
    items = played.rows(
        "SELECT improvement.number, ticket.number, owner FROM improvement JOIN ticket ON ticket.id = ticket_id"
    )
    assert items == [(played.summary.surveys[0].improvements[0], first, "小李")]
    assert played.summary.surveys[1].improvements == ()
    ways = played.rows(
        f"SELECT way FROM survey_attempt JOIN survey ON survey.id = survey_id"
        f" JOIN ticket ON ticket.id = ticket_id WHERE number = '{second}' ORDER BY survey_attempt.id"
    )
    assert [row[0] for row in ways][:2] == ["next-contact", "staff-call"]


def test_the_narration_tells_a_newcomer_what_happened(played: Played) -> None:
    for words in (
        "依据：",
        "已登记，编号 NQI-",
        "接口收到通知 referral.refer，签名有效",
        "本月排期已满",
        "点选【不满意】",
        "改进项 NQI-I-",
        "5 个工作日过去了",
        "由工作人员电话回访",
        "GB/T 19013",
        "已撤回",
        "电话回访",
    ):
        assert words in played.said, words
    assert len(re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d ", played.said, re.MULTILINE)) > 60


def test_what_is_not_as_expected_stops_the_play_in_words(played: Played) -> None:
    with (
        played.stage.phone("示例路人", "demo-other") as other,
        pytest.raises(DemoError, match="回复中有“已为您办妥”") as stopped,
    ):
        other.says("你好", expects="已为您办妥")
    assert "实际看到：您好" in stopped.value.message
    with pytest.raises(DemoError, match="有编号"):
        number_in("没有")
    with pytest.raises(DemoError, match="请写明"):
        played.stage.li.steps(played.summary.tickets[0].number, "correct", "更正")


def test_the_clock_leaps_forward_and_never_back() -> None:
    start = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
    clock = LeapClock(start)
    clock.leap_to(start + timedelta(days=5))
    clock.leap_to(start)
    assert timedelta(days=5) <= clock.now() - start < timedelta(days=5, minutes=1)


@pytest.mark.server
@pytest.mark.timeout(200)
def test_the_command_stays_up_when_asked_and_ends_cleanly(tmp_path: Path) -> None:
    env = {**os.environ, "COLUMNS": "160", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "demo", "--keep", "--pace", "0"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process, process.stdout:
        try:
            _is_left_standing(process, process.stdout, tmp_path)
        finally:
            process.kill()


def _is_left_standing(process: subprocess.Popen[str], stdout: IO[str], place: Path) -> None:
    lines = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, stdout))
    said = "".join(lines)
    found = re.search(r"(http://\S+)/admin/", said)
    password = re.search(r"一次性密码 (\S+)", said)
    folder = re.search(r"数据在 (\S+?)，", said)
    assert found, said
    assert password, said
    assert folder, said
    with httpx.Client(base_url=found[1], trust_env=False) as http:
        answer = http.post("/admin/login", data={"name": "admin", "password": password[1]})
        assert answer.headers["location"] == "/admin/password"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert [path.name for path in place.iterdir()] == [Path(folder[1]).name], "nothing but its folder"
    assert (Path(folder[1]) / "nqi.db").exists()
