"""Cost of one decision: for long texts, and over many phrases; processor time: `python -m tests.bench.sizes 1000 10000`."""

import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bot.core.brain import Brain
from intents.text import Tokenizer
from intents.understand import Understander
from knowledge import stored
from knowledge.entries import Entry, Release
from knowledge.rows import load_seeds
from knowledge.search import Index
from tests.bench.measured import at, memory
from tests.make import TODAY

LONG = 3000  # characters
COUNTS = (1_000, 10_000, 100_000)
_ASKED = 400
_TIMES = 5
_HAN = [chr(code) for code in range(0x4E00, 0x9FA6)]
_COMPLAINT = (
    "我们厂去年年底送了三十块压力表去校准，证书拿回来一看有五块的编号写错了，打电话过去说要重新排队，可是下个月客户就要来审核，"
    "质量部的同事急得不行，又问了两家机构，一家说只做检定不做校准，另一家报价高了一倍还要自己送过去；另外我们还想顺便问一下体系认证"
    "和商标续展能不能在你们这里一起办，需要准备哪些材料，大概多久能下来，费用是怎么算的，有没有补贴可以申请，麻烦尽快给个答复，谢谢各位老师了。"
)


@dataclass(frozen=True, slots=True)
class Size:
    """What an index with so many phrases costs, in seconds and MiB."""

    phrases: int
    build: float
    file: float
    load: float
    added: float
    search: tuple[float, float]  # p50, p99
    decision: tuple[float, float]
    memory: float


def long_texts() -> dict[str, str]:
    """Texts of 3,000 characters that could take long, by what they are."""
    mix = random.Random(3)
    return {
        "one character": "测" * LONG,
        "digits": "".join(mix.choices("0123456789", k=LONG)),
        "Latin letters": "".join(mix.choices("abcdefghijklmnopqrstuvwxyz", k=LONG)),
        "Han characters at random": "".join(mix.choices(_HAN, k=LONG)),
        "control characters": "".join(mix.choices("\x00\x01\x08\x1b\x7f\u200b\u202e\ufeff", k=LONG)),
        "emoji": "".join(mix.choices("😀🙏👨‍👩‍👧🇨🇳🔥", k=LONG)),
        "brackets in brackets": "（(【[" * (LONG // 8) + "]】)）" * (LONG // 8),
        "a long sentence, again and again": (_COMPLAINT * (LONG // len(_COMPLAINT) + 1))[:LONG],
    }


def worst() -> list[tuple[str, float, float]]:
    """For each long text the median and the longest time of one decision."""
    understander = Understander.load()
    brain = Brain(understander, Index.build(Release.of(load_seeds()), understander.tokenizer))
    brain.hear("你好", today=TODAY)
    rows = []
    for kind, text in long_texts().items():
        took = [_seconds(partial(brain.hear, text, today=TODAY)) for _ in range(_TIMES)]
        rows.append((kind, at(took, 0.5), max(took)))
    return rows


def size(count: int) -> Size:
    """Build, keep, load and ask an index with so many phrases."""
    understander = Understander.load()
    entries = entries_of(count)
    release = Release.of(entries)
    start = time.process_time()
    index = Index.build(release, understander.tokenizer)
    built = time.process_time() - start
    file, loaded = _stored(index, release, understander.tokenizer)
    brain = Brain(understander, index)
    texts = questions()
    brain.hear(texts[0], today=TODAY)
    gc.collect()
    searched = [_seconds(partial(index.search, text, today=TODAY)) for text in texts]
    decided = [_seconds(partial(brain.hear, text, today=TODAY)) for text in texts]
    added = [_seconds(lambda: index.with_entry(replace(entries[0], id="NEW-01"))) for _ in range(_TIMES)]
    return Size(
        len(index.phrases),
        built,
        file,
        loaded,
        at(added, 0.5),
        (at(searched, 0.5), at(searched, 0.99)),
        (at(decided, 0.5), at(decided, 0.99)),
        memory(),
    )


def _stored(index: Index, release: Release, tokenizer: Tokenizer) -> tuple[float, float]:
    """MiB on disk, and seconds to read it again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.npz"
        stored.save(index, path)
        return path.stat().st_size / 2**20, _seconds(lambda: stored.load(path, release, tokenizer))


def questions() -> list[str]:
    """Questions like those of the entries, some hundreds."""
    known = [question for entry in load_seeds() for question in entry.questions]
    return [f"请问{question}？" for question in known[:: max(1, len(known) // _ASKED)]]


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


def _endless(seeds: Sequence[Entry]) -> Iterator[tuple[int, Entry]]:
    for place in range(10**9):
        yield place, seeds[place % len(seeds)]


def _mixed(entry: Entry, other: Entry, place: int, mix: random.Random) -> Entry:
    words = [question[: len(question) // 2] for question in other.questions]
    questions = tuple(mix.choice(words) + question[len(question) // 2 :] for question in entry.questions)
    return replace(
        entry, id=f"{entry.id}-{place}", title=mix.choice(words) + entry.title, questions=questions
    )


def _seconds(task: Callable[[], object]) -> float:
    start = time.process_time()
    task()
    return time.process_time() - start


if __name__ == "__main__":
    for wanted in sys.argv[1:] or COUNTS:
        print(size(int(wanted)))
