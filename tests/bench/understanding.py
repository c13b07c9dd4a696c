"""Understanding and retrieval against plain methods, on the same texts: `python -m tests.bench.understanding`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bot import training
from bot.evaluation_samples import NOTHING, read_samples
from bot.evaluation_samples import Sample as Judged
from intents.categories import OOS
from intents.corpus import Sample
from intents.measure import macro_f1
from intents.text import Tokenizer, normalise
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.rows import load_seeds
from knowledge.search import Index
from tests.bench import baselines, foreign, sizes
from tests.bench.baselines import Likeness
from tests.bench.measured import Method, Ran, alone, at, replace_part, run
from tests.make import TODAY

ROOT = Path(__file__).parents[2]
HEADING = "## Understanding and retrieval\n"
_NEIGHBOURS = 5
_SHOWN = 3  # entries that count as found
_FEW = 20  # texts of which a percentage would say too much
_SAMPLED = 30  # texts for what takes seconds for each

PAGE = (
    HEADING
    + """
Measured on {day}: processor time on one core, every line in a process of its own. All methods learn the same {learnt:,} texts (corpus, lexicon,
questions of the entries), normalised, and are asked the same unseen ones (`tests/quality/*.tsv`; columns are named after the files). Out of scope is
one more class; {left_out} texts that are learnt word for word are left out. Words are cut by jieba with the terms of the domain. BM25: Okapi, k1 1.5, b 0.75.

| category | {sets} | with second | macro-F1 | out of scope caught | needs refused | µs p50 | µs p99 | ready s | MiB |
|{dashes}
{categories}

Ours also reads act, mood, slots, parts and reasons; its weights are loaded as the last `nqi train` left them. MiB: the whole process with the texts.

| entry (first / among three) | {lookups} | µs p50 | µs p99 | ready s | MiB |
|{lookup_dashes}
{entries}

The plain methods look through all {phrases:,} phrases; ours includes understanding.

| one decision about 3,000 characters | p50 ms | max of 5, ms |
| --- | --- | --- |
{worst}

| phrases | build s | on disk MiB | load s | one more entry ms | search p50 / p99 ms | decision p50 / p99 ms | process MiB |
| --- | --- | --- | --- | --- | --- | --- | --- |
{sizes}

The shipped entries, cut or filled up with mixtures of their words. A decision is understanding, search and choice. Aims: p99 of a decision 3 / 5 / 15 ms;
100,000 phrases built in 60 s, loaded in 3 s, one entry added in 50 ms.
"""
)


# --- texts ---


@cache
def judged() -> Mapping[str, Sequence[Judged]]:
    """Every file of unseen texts by its name."""
    files = sorted((ROOT / "tests" / "quality").glob("*.tsv"))
    return {path.stem: read_samples(path) for path in files}


@dataclass(frozen=True, slots=True)
class Asked:
    """One unseen text and the file it stands in."""

    file: str
    sample: Judged


def unseen(is_wanted: Callable[[Judged], bool]) -> tuple[list[Asked], int]:
    """The texts that are wanted, and how many more were left out because they are learnt word for word."""
    known = {text for text, _ in learnt()}
    wanted = [Asked(file, one) for file, samples in judged().items() for one in samples if is_wanted(one)]
    kept = [one for one in wanted if normalise(one.sample.text) not in known]
    return kept, len(wanted) - len(kept)


def has_category(sample: Judged) -> bool:
    """Is it labelled with one of the eleven or as out of scope?"""
    return bool(sample.category)


def has_entry(sample: Judged) -> bool:
    """Does an entry answer it?"""
    return sample.entries not in ((), NOTHING)


@cache
def learnt() -> Sequence[tuple[str, Sample]]:
    """What `nqi train` learns categories from, normalised."""
    samples = training.learnt(load_seeds())
    pairs = [(normalise(sample.text), sample) for sample in samples if sample.label]
    return [(text, sample) for text, sample in pairs if text]


# --- methods ---


def _labels() -> list[str]:
    return [sample.label for _, sample in learnt()]


def _taught() -> list[str]:
    return [text for text, _ in learnt()]


def _by_neighbours(likeness: Likeness, count: int) -> Method:
    classify = baselines.by_neighbours(likeness, _labels(), count=count)
    return lambda text: [classify(normalise(text))]


def _keywords() -> Method:
    classify = baselines.by_keywords(
        {text: sample.label for text, sample in learnt() if sample.source == "terms"}
    )
    return lambda text: [classify(normalise(text))]


def _regression() -> Method:
    classify = baselines.by_regression(_taught(), _labels())
    return lambda text: [classify(normalise(text))]


def _understood() -> Method:
    understander = Understander.load()
    return lambda text: [understander.understand(text).category or OOS]


CATEGORIES: Mapping[str, Callable[[], Method]] = {
    "keyword voting": _keywords,
    "rapidfuzz, the nearest": lambda: _by_neighbours(baselines.Fuzzy(_taught()), 1),
    "BM25, five neighbours": lambda: _by_neighbours(
        baselines.Bm25(_taught(), Tokenizer.load().words), _NEIGHBOURS
    ),
    "TF-IDF of characters, logistic regression": _regression,
    "ours": _understood,
}


def phrases() -> list[tuple[str, str]]:
    """Every title and question of the shipped entries, normalised, with its entry."""
    return [(normalise(text), entry.id) for entry in load_seeds() for text in (entry.title, *entry.questions)]


def _entries(make: Callable[[Sequence[str]], Likeness]) -> Method:
    texts, owners = zip(*phrases(), strict=True)
    look_up = baselines.entries_by(make(texts), owners, count=_SHOWN)
    return lambda text: look_up(normalise(text))


def _searched() -> Method:
    understander = Understander.load()
    index = Index.build(Release.of(load_seeds()), understander.tokenizer)

    def look_up(text: str) -> list[str]:
        scores = understander.understand(text).scores
        hits = index.search(text, today=TODAY, scores=scores, limit=_SHOWN)
        return [hit.entry.id for hit in hits]

    return look_up


ENTRIES: Mapping[str, Callable[[], Method]] = {
    "rapidfuzz": lambda: _entries(baselines.Fuzzy),
    "BM25": lambda: _entries(lambda texts: baselines.Bm25(texts, Tokenizer.load().words)),
    "TF-IDF of characters, cosine": lambda: _entries(baselines.Cosine),
    "ours": _searched,
}


def categorise(name: str, texts: Sequence[str]) -> Ran:
    """Run one of CATEGORIES; the texts it learns are read before the clock starts."""
    learnt()
    return run(CATEGORIES[name], texts)


def look_up(name: str, texts: Sequence[str]) -> Ran:
    """Run one of ENTRIES."""
    return run(ENTRIES[name], texts)


# --- figures ---


def category_cells(asked: Sequence[Asked], found: Sequence[str], files: Sequence[str]) -> list[str]:
    """Right by file, right with the second, macro-F1, caught, refused."""
    pairs = [(one, label) for one, label in zip(asked, found, strict=True)]
    needs = [(one, label) for one, label in pairs if one.sample.category != OOS]
    strangers = [label for one, label in pairs if one.sample.category == OOS]
    wanted = [one.sample.category for one, _ in needs]
    return [
        *(_share(label == one.sample.category for one, label in needs if one.file == file) for file in files),
        _share(label in (one.sample.category, one.sample.second) for one, label in needs),
        f"{macro_f1(wanted, [label for _, label in needs]):.3f}",
        _share(label == OOS for label in strangers),
        _share(label == OOS for _, label in needs),
    ]


def entry_cells(asked: Sequence[Asked], found: Sequence[Sequence[str]], files: Sequence[str]) -> list[str]:
    """The right entry first, and among those found, by file."""
    cells = []
    for file in files:
        mine = [(one.sample.entries, ids) for one, ids in zip(asked, found, strict=True) if one.file == file]
        first = _share(bool({*ids[:1]} & {*wanted}) for wanted, ids in mine)
        cells.append(f"{first} / {_share(bool({*ids} & {*wanted}) for wanted, ids in mine)}")
    return cells


def _share(is_right: Iterable[bool]) -> str:
    """In percent; of a few, as a count."""
    counted = list(is_right)
    if len(counted) < _FEW:
        return f"{sum(counted)} of {len(counted)}" if counted else "–"
    return f"{sum(counted) / len(counted):.1%}"


def _cost(ran: Ran) -> list[str]:
    times = (f"{at(ran.seconds, share) * 1e6:,.0f}" for share in (0.5, 0.99))
    return [*times, f"{ran.ready:.1f}", f"{ran.memory:.0f}"]


# --- the page ---


def page() -> str:
    """Measure everything; the part of docs/benchmarks.md that begins with HEADING."""
    texts, known_texts = unseen(has_category)
    questions, known_questions = unseen(has_entry)
    files = _counted(one for one in texts if one.sample.category != OOS)
    lookups = _counted(questions)
    return PAGE.format(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        learnt=len(learnt()),
        left_out=known_texts + known_questions,
        sets=_heads(files),
        dashes=" --- |" * (len(files) + 9),
        categories="\n".join([*_category_rows(texts, list(files)), *_foreign_rows(texts, list(files))]),
        lookups=_heads(lookups),
        lookup_dashes=" --- |" * (len(lookups) + 5),
        entries="\n".join(_entry_rows(questions, list(lookups))),
        phrases=len(phrases()),
        worst="\n".join(
            _row([kind, f"{p50 * 1e3:.1f}", f"{most * 1e3:.1f}"]) for kind, p50, most in alone(sizes.worst)
        ),
        sizes="\n".join(_size_row(alone(sizes.size, count)) for count in sizes.COUNTS),
    )


def _counted(asked: Iterable[Asked]) -> dict[str, int]:
    """How many texts there are of each file."""
    return dict(Counter(one.file for one in asked))


def _heads(counts: Mapping[str, int]) -> str:
    return " | ".join(f"{file} ({count})" for file, count in counts.items())


def _row(cells: Iterable[str]) -> str:
    line = f"| {' | '.join(cells)} |"
    print(line, flush=True)
    return line


def _category_rows(asked: Sequence[Asked], files: Sequence[str]) -> Iterator[str]:
    for name in CATEGORIES:
        ran = alone(categorise, name, [one.sample.text for one in asked])
        yield _row([name, *category_cells(asked, [first for first, *_ in ran.found], files), *_cost(ran)])


def _entry_rows(asked: Sequence[Asked], files: Sequence[str]) -> Iterator[str]:
    for name in ENTRIES:
        ran = alone(look_up, name, [one.sample.text for one in asked])
        yield _row([name, *entry_cells(asked, ran.found, files), *_cost(ran)])


def _foreign_rows(asked: Sequence[Asked], files: Sequence[str]) -> Iterator[str]:
    """What is no library but a program: a few texts, or the reason why not."""
    some = asked[:: -(-len(asked) // _SAMPLED)]
    words = Tokenizer.load().words
    pairs = [(" ".join(words(text)), sample.label) for text, sample in learnt()]
    try:
        ran = foreign.chatterbot(
            [pair for pair in pairs if pair[0]],
            [" ".join(words(normalise(one.sample.text))) for one in some],
        )
    except foreign.NotMeasuredError as error:
        yield _empty(f"ChatterBot: {error}", files)
    else:
        cells = category_cells(some, [label for (label,) in ran.found], files)
        yield _row([f"ChatterBot, {len(some)} of the texts", *cells, *_cost(ran)])
    yield _empty(f"Rasa: {foreign.rasa()}", files)


def _empty(name: str, files: Sequence[str]) -> str:
    return _row([name, *["–"] * (len(files) + 8)])


def _size_row(size: sizes.Size) -> str:
    search, decision = (f"{p50 * 1e3:.1f} / {p99 * 1e3:.1f}" for p50, p99 in (size.search, size.decision))
    return _row(
        [
            f"{size.phrases:,}",
            f"{size.build:.1f}",
            f"{size.file:.0f}",
            f"{size.load:.2f}",
            f"{size.added * 1e3:.0f}",
            search,
            decision,
            f"{size.memory:.0f}",
        ]
    )


def renew(path: Path) -> None:
    """Measure, and put the figures in the place of the old ones."""
    replace_part(path, HEADING, page())


if __name__ == "__main__":
    renew(ROOT / "docs" / "benchmarks.md")
