"""What a method said and what that cost: processor time, in a process of its own."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import psutil

Method = Callable[[str], Sequence[str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a method said to each text, and what that cost."""

    found: tuple[tuple[str, ...], ...]  # labels or ids, best first
    seconds: tuple[float, ...]
    ready: float  # seconds to train or load
    memory: float  # MiB of the whole process


def run(prepare: Callable[[], Method], texts: Sequence[str]) -> Ran:
    """Make a method and ask it every text."""
    begin = time.process_time()
    method = prepare()
    ready = time.process_time() - begin
    method("先热一热")  # what is loaded on first use belongs to no text
    found, seconds = [], []
    for text in texts:
        begin = time.process_time()
        said = method(text)
        seconds.append(time.process_time() - begin)
        found.append(tuple(said))
    return Ran(tuple(found), tuple(seconds), ready, memory())


def replace_part(document: Path, heading: str, fresh: str) -> None:
    """Put a part of a page, which begins with its heading, in place of the one that stands there; else at the end."""
    head, found, rest = document.read_text(encoding="utf-8").partition(heading)
    tail = rest[rest.index("\n## ") :] if found and "\n## " in rest else ""
    document.write_text(f"{head.rstrip()}\n\n{fresh.rstrip()}\n{tail}", encoding="utf-8")


def memory() -> float:
    """MiB that this process holds."""
    return float(psutil.Process().memory_info().rss / 2**20)


def at(seconds: Sequence[float], share: float) -> float:
    """The time within which so large a share was done."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


def alone(task: Callable[..., T], *arguments: object) -> T:
    """Run a function of a module in a fresh process that has one core."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_one_core) as pool:
        return pool.submit(task, *arguments).result()


def _one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
