"""Speed (processor time) and memory of retrieval: `python -m tests.knowledge.bench 1000 10000 100000` (numbers of phrases)."""

import gc
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import psutil

from intents.text import Tokenizer
from knowledge.entries import Entry, Release
from knowledge.rows import load_seeds
from knowledge.search import Index

TODAY = date(2026, 11, 21)
_ASKED = 400


def entries_of(count: int) -> list[Entry]:
    """Entries with that many phrases: the shipped ones, then copies with the words of others mixed in."""
    seeds = load_seeds()
    mix = random.Random(7)
    made: list[Entry] = []
    total = 0
    for place, entry in _endless(seeds):
        fresh = entry if place < len(seeds) else _mixed(entry, mix.choice(seeds), place, mix)
        made.append(fresh)
        total += 1 + len(fresh.questions)
        if total >= count:
            return made
    return made


def _endless(seeds: list[Entry]) -> Iterator[tuple[int, Entry]]:
    for place in range(10**9):
        yield place, seeds[place % len(seeds)]


def _mixed(entry: Entry, other: Entry, place: int, mix: random.Random) -> Entry:
    words = [question[: len(question) // 2] for question in other.questions]
    questions = tuple(mix.choice(words) + question[len(question) // 2 :] for question in entry.questions)
    return replace(
        entry, id=f"{entry.id}-{place}", title=mix.choice(words) + entry.title, questions=questions
    )


def main(counts: list[int]) -> None:
    """Print one line per number of phrases."""
    tokenizer = Tokenizer.load(None)
    questions = [question for entry in load_seeds() for question in entry.questions]
    asked = [f"请问{question}？" for question in questions[:: max(1, len(questions) // _ASKED)]]
    for count in counts:
        entries = entries_of(count)
        start = time.process_time()
        index = Index.build(Release.of(entries), tokenizer)
        built = time.process_time() - start
        index.search(asked[0], today=TODAY)
        gc.collect()
        took = sorted(_seconds(index, text) for text in asked)
        start = time.process_time()
        index.with_entry(replace(entries[0], id="NEW-01"))
        added = time.process_time() - start
        memory = psutil.Process().memory_info().rss / 2**20
        print(
            f"{len(index.phrases):>7} phrases: built {built:6.1f} s, search p50 {took[len(took) // 2] * 1e3:5.2f} ms, "
            f"p99 {took[int(len(took) * 0.99)] * 1e3:5.2f} ms, one more entry {added * 1e3:5.1f} ms, {memory:4.0f} MiB"
        )


def _seconds(index: Index, text: str) -> float:
    start = time.process_time()
    index.search(text, today=TODAY)
    return time.process_time() - start


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [1_000, 10_000, 100_000])
