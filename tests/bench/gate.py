"""The publish gate over 5,000 entries and 10,000 questions: `python -m tests.bench.gate` renews its part of the page."""

import os
import random
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bot.actions.publishing import _asking
from bot.core.brain import Brain
from intents.understand import Understander
from knowledge.entries import Entry, Release
from knowledge.gate import Gate, Question, Source, judge, regression_set
from knowledge.search import Index
from tests.bench.measured import alone, memory, replace_part
from tests.bench.sizes import entries_of
from tests.make import TODAY

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"
HEADING = "## Publish gate"
ENTRIES, QUESTIONS = 5_000, 10_000
_PHRASES = 30  # of an entry, about
PAGE = """{heading}

Measured on {day}: processor time on one core (`OPENBLAS_NUM_THREADS=1`), in a process of its own that has read nothing before; {entries:,} entries with {phrases:,} phrases
({memory:,.0f} MiB). Replayed: first questions, shipped pairs, left-out questions of neighbours, and made-up messages in place of a month's.

| draft | questions considered | asked of both indexes | seconds (aim < 10) | stolen | changed |
| --- | --- | --- | --- | --- | --- |
{rows}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One draft through the gate."""

    name: str
    gate: Gate
    seconds: float


def measure() -> tuple[list[Run], int, float]:
    """Three drafts over a synthetic release; the phrases of it, and the memory."""
    brain = _brain()
    drafts = _drafts(brain.index)
    runs = []
    for name, draft in drafts.items():
        questions = regression_set(brain.index, without=draft.id)
        questions += _messages(brain.index, QUESTIONS - len(questions))
        begin = time.process_time()
        gate = judge(brain.index, draft, questions, _asking(brain), today=TODAY)
        runs.append(Run(name, gate, time.process_time() - begin))
    return runs, len(brain.index.phrases), memory()


def _brain() -> Brain:
    understander = Understander.load()
    entries = entries_of(ENTRIES * _PHRASES)[:ENTRIES]
    assert len(entries) == ENTRIES
    return Brain(understander, Index.build(Release.of(entries), understander.tokenizer))


def _drafts(index: Index) -> dict[str, Entry]:
    own, other = index.entry("MET-06"), index.entry("MET-05")
    assert own is not None
    assert other is not None
    theirs = tuple(question.replace("多久", "隔多长时间") for question in other.questions)
    return {
        "one question fewer": replace(own, questions=own.questions[:-1]),
        "a neighbour's questions taken": replace(own, questions=(*own.questions, *theirs)),
        "a new entry": replace(own, id="MET-501", questions=own.questions[::2]),
    }


def _messages(index: Index, count: int) -> list[Question]:
    """Texts like those of people: halves of two questions."""
    mix = random.Random(11)
    known = [question for entry in index.entries for question in entry.questions]
    return [
        Question(f"请问{mix.choice(known)[:14]}{mix.choice(known)[-8:]}", Source.REAL, message=number)
        for number in range(1, count + 1)
    ]


def renew(document: Path) -> None:
    """Write the part of the page about the gate."""
    # Threads that turn while they wait for each other would be counted as work.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    runs, phrases, held = alone(measure)
    rows = "\n".join(
        f"| {run.name} | {run.gate.replayed:,} | {run.gate.asked:,} | {run.seconds:.1f} "
        f"| {len(run.gate.stolen)} | {len(run.gate.changed)} |"
        for run in runs
    )
    text = PAGE.format(
        heading=HEADING,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        entries=ENTRIES,
        phrases=phrases,
        memory=held,
        rows=rows,
    )
    print(text)
    replace_part(document, HEADING, text)


if __name__ == "__main__":
    renew(DOCUMENT)
