"""Fixtures for stories: one server for all of them, people who act through it."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.actions.queueing import SETTING
from bot.app import Program
from bot.serving import running
from bot.settings import Settings
from bot.store import runtime
from tests.people import Enterprise

_names = itertools.count(1)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A platform with the simulator, in a folder of its own."""
    return Settings(
        data_dir=tmp_path_factory.mktemp("nqi"),
        simulator=True,
        log_level="error",
        service_phone="0898-66660000",
    )


def always_open(program: Program) -> None:
    """Have staff there at any hour, whenever the tests run."""
    rules = {"auto_assign": False, "office_hours": False}
    with program.ctx.transaction() as tx:
        runtime.put_value(tx.connection, SETTING, rules, by="test", now=tx.now)


@pytest.fixture(scope="session")
def program(settings: Settings) -> Iterator[Program]:
    """A running server that all stories share; each brings its own people. Staff are there at any time of day."""
    with running(settings) as found:
        always_open(found)
        yield found


@pytest.fixture
def fresh(tmp_path: Path, settings: Settings) -> Settings:
    """The same platform, with nothing in it yet."""
    return replace(settings, data_dir=tmp_path)


@pytest.fixture
def newcomer(program: Program) -> Iterator[Callable[..., Enterprise]]:
    """Make somebody who has never written before; `account` is official unless named."""
    people: list[Enterprise] = []

    def make(account: str = "official") -> Enterprise:
        people.append(Enterprise(program, f"o-{os.getpid()}-{next(_names)}", account))
        return people[-1]

    yield make
    for person in people:
        person.pusher.close()


@pytest.fixture
def enterprise(newcomer: Callable[..., Enterprise]) -> Enterprise:
    """Somebody who has never written before."""
    return newcomer()
