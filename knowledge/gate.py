"""The publish gate: what would people be told otherwise if a draft went live? Pure, over two indexes."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from knowledge.entries import Entry, EntryStatus, Release
from knowledge.reading import Remembering
from knowledge.search import Index
from knowledge.touching import touched

_MOST_MISSED = 0.2  # of an entry's own questions
_CLEARLY = 0.35  # how far the draft must be ahead to take a question away: as far as an answer at once needs
_NEIGHBOURS = 12  # entries whose own questions are tried without their wording
_FOLDS = 4  # each lacks a quarter of the neighbours' questions
_STEP = 20  # questions between two words of progress
_SHIPPED = ("asked.tsv", "calibration.tsv")


class Source(StrEnum):
    """Where a question comes from."""

    OWN = "own"  # of the entry that is drafted
    FIRST = "first"  # the first question of another entry, word for word
    LEFT_OUT = "left-out"  # a neighbour's own question, asked as if that entry did not hold this wording
    SHIPPED = "shipped"  # pairs that ship: knowledge/data/asked.tsv and calibration.tsv
    REAL = "real"  # asked by somebody


@dataclass(frozen=True, slots=True)
class Question:
    """One question that is replayed."""

    text: str
    source: Source
    owners: tuple[str, ...] = ()  # the entries that answer it; empty: none, or nobody knows
    message: int = 0  # the message that asked it, where it is real


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question leads to."""

    outcome: str  # bot.core.brain.Outcome
    offered: tuple[str, ...] = ()  # the entries that are given or offered, best first
    hits: tuple[tuple[str, float], ...] = ()  # entries with their probability, best first

    @property
    def first(self) -> str:
        """The likeliest entry; empty where there is none."""
        return self.hits[0][0] if self.hits else ""

    def score(self, entry_ids: Iterable[str]) -> float:
        """The probability of the likeliest of these."""
        wanted = set(entry_ids)
        return max((score for entry_id, score in self.hits if entry_id in wanted), default=0.0)


@dataclass(frozen=True, slots=True)
class Change:
    """One question that leads elsewhere."""

    question: Question
    before: Answer
    after: Answer


Ask = Callable[[Index, str, date], Answer]
"""What a question leads to over an index on a day."""
Progress = Callable[[int, int], None]
"""Told how many questions of how many are done."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What would change, and whether that keeps the draft from going live."""

    entry_id: str
    body: str  # fingerprint of the draft
    release: int  # over which it was run
    on: date  # the day for which was asked: today, or the first on which the draft has an answer
    own: int  # questions of the entry itself
    missed: tuple[Change, ...]  # those that do not find it
    stolen: tuple[Change, ...]  # questions of others that the draft takes away
    changed: tuple[Change, ...]  # all others that lead elsewhere
    counts: Mapping[str, int]  # replayed questions by source
    asked: int  # of these, asked again of both; the others cannot be touched by this entry
    warnings: tuple[str, ...] = ()  # what a reviewer should look at; keeps nothing from going live

    @property
    def blocks(self) -> tuple[str, ...]:
        """Why the draft may not go live, in words; empty where it may."""
        found = []
        if self.stolen:
            losing = sorted({owner for change in self.stolen for owner in change.question.owners})
            found.append(f"有 {len(self.stolen)} 个问法会从其他条目（{'、'.join(losing)}）转到这一条。")
        if len(self.missed) > self.own * _MOST_MISSED:
            found.append(f"本条目的 {self.own} 个问法中有 {len(self.missed)} 个找不到它，最多允许五分之一。")
        return tuple(found)

    @property
    def is_blocked(self) -> bool:
        """May the draft go live only by an override?"""
        return bool(self.blocks)

    @property
    def replayed(self) -> int:
        """Questions that were considered."""
        return sum(self.counts.values())

    def to_json(self) -> dict[str, Any]:
        """As JSON values. The words of real questions are left out: they stand in their message, and go with it."""
        kept = replace(self, changed=tuple(_wordless(change) for change in self.changed))
        return {**asdict(kept), "on": self.on.isoformat()}

    @classmethod
    def of_json(cls, data: Mapping[str, Any], texts: Mapping[int, str] | None = None) -> "Gate":
        """The opposite of `to_json`; `texts` are the words of real questions by their message."""
        lists = {
            name: tuple(_change(item, texts or {}) for item in data[name])
            for name in ("missed", "stolen", "changed")
        }
        return cls(
            **{
                **data,
                **lists,
                "on": date.fromisoformat(data["on"]),
                "warnings": tuple(data["warnings"]),
            }
        )


def _wordless(change: Change) -> Change:
    question = change.question
    return replace(change, question=replace(question, text="")) if question.message else change


def _change(data: Mapping[str, Any], texts: Mapping[int, str]) -> Change:
    asked = data["question"]
    question = Question(
        texts.get(asked["message"], asked["text"]),
        Source(asked["source"]),
        tuple(asked["owners"]),
        asked["message"],
    )
    return Change(question, _answer(data["before"]), _answer(data["after"]))


def _answer(data: Mapping[str, Any]) -> Answer:
    hits = tuple((entry_id, score) for entry_id, score in data["hits"])
    return Answer(data["outcome"], tuple(data["offered"]), hits)


def regression_set(index: Index, *, without: str) -> list[Question]:
    """The first question of every other live entry, and the pairs that ship, as far as the index knows their entries."""
    firsts = [
        _owned(entry.questions[0], Source.FIRST, (entry.id,))
        for entry in index.entries
        if entry.id != without and entry.questions and entry.status is EntryStatus.PUBLISHED
    ]
    pairs = [_owned(text, Source.SHIPPED, owners) for text, owners in _shipped_pairs()]
    return firsts + [pair for pair in pairs if all(index.entry(owner) for owner in pair.owners)]


def judge(
    before: Index,
    draft: Entry,
    questions: Sequence[Question],
    ask: Ask,
    *,
    today: date,
    body: str = "",
    warnings: Sequence[str] = (),
    is_full: bool = False,
    progress: Progress = lambda done, total: None,
) -> Gate:
    """Replay the entry's own questions, its neighbours' and these against the draft.

    Only questions that the old or the new entry can touch are asked again of both (`touched`); `is_full` asks all.
    Raises whatever `ask` and `progress` do.
    """
    # The folds read the same texts again; and the live index keeps the day that it is asked for.
    before = replace(before, tokenizer=Remembering(before.tokenizer), _days={})
    after, on = before.with_entry(draft), _first_day(draft, today)
    own = [Question(text, Source.OWN, (draft.id,)) for text in (draft.title, *draft.questions)]
    found = [ask(after, question.text, on) for question in own]
    again = questions if is_full else _touchable(before, after, draft.id, questions)
    folds = _folds(before, after, draft, _neighbours(found, draft))
    replay = _Replay(ask, on, draft.id, progress, len(own), [*folds, _Round(before, after, again)])
    changes = list(replay.changes())
    stolen = [change for change in changes if _is_stolen(change, draft.id)]
    considered = [*own, *questions, *(question for fold in folds for question in fold.questions)]
    return Gate(
        draft.id,
        body,
        before.release.number,
        on,
        len(own),
        tuple(_missed(own, found, draft, on)),
        tuple(stolen),
        tuple(change for change in changes if change not in stolen and _is_change(change, draft.id)),
        dict(sorted(Counter(question.source.value for question in considered).items())),
        replay.total,
        tuple(warnings),
    )


def _missed(own: Iterable[Question], found: Iterable[Answer], draft: Entry, on: date) -> Iterator[Change]:
    """Its own questions that do not find it, unless there is nothing to be found on any day."""
    if draft.text_on(on) is not None:
        for question, answer in zip(own, found, strict=True):
            if draft.id not in (answer.first, *answer.offered):
                yield Change(question, answer, answer)


def _touchable(before: Index, after: Index, draft_id: str, questions: Sequence[Question]) -> list[Question]:
    held = touched(before, after, draft_id, [question.text for question in questions])
    return [question for question, is_held in zip(questions, held, strict=True) if is_held]


@dataclass(frozen=True, slots=True)
class _Round:
    """Questions to be asked of two indexes."""

    before: Index
    after: Index
    questions: Sequence[Question]


@dataclass(frozen=True, slots=True)
class _Replay:
    """Asks the questions of all rounds, and tells how far it is."""

    ask: Ask
    on: date
    draft_id: str
    progress: Progress
    done: int  # questions that were asked before
    rounds: Sequence[_Round]

    @property
    def total(self) -> int:
        """Questions of all rounds, and those before."""
        return self.done + sum(len(one.questions) for one in self.rounds)

    def changes(self) -> Iterator[Change]:
        """What each question led to and leads to."""
        asked = ((one, question) for one in self.rounds for question in one.questions)
        for done, (one, question) in enumerate(asked, self.done):
            if done % _STEP == 0:
                self.progress(done, self.total)
            after = self.ask(one.after, question.text, self.on)
            # A left-out wording only tells whether the draft takes it; where it is no hit, it does not.
            if question.source is not Source.LEFT_OUT or after.score((self.draft_id,)):
                yield Change(question, self.ask(one.before, question.text, self.on), after)
        self.progress(self.total, self.total)


def _is_stolen(change: Change, draft_id: str) -> bool:
    """Does a question that clearly was another entry's lead to the draft now, clearly or without its own being offered?

    Both ends must be clear: a wording that is left out is harder than life, and one that leans either way tells nothing.
    """
    owners, before, after = change.question.owners, change.before, change.after
    if before.first not in owners or draft_id in owners:
        return False
    was_theirs = before.score(owners) - before.score((draft_id,)) >= _CLEARLY
    is_taken = after.score((draft_id,)) - after.score(owners) >= _CLEARLY
    is_lost = not set(owners).isdisjoint(before.offered) and set(owners).isdisjoint(after.offered)
    return was_theirs and ((is_taken and after.first == draft_id) or (is_lost and draft_id in after.offered))


def _is_change(change: Change, draft_id: str) -> bool:
    """Would somebody be told something else?"""
    before, after = change.before, change.after
    return (
        before.outcome != after.outcome
        or before.offered[:1] != after.offered[:1]
        or (draft_id in before.offered) != (draft_id in after.offered)
    )


def _first_day(draft: Entry, today: date) -> date:
    """Today, or the first day after it on which the draft has an answer."""
    starts = [text.valid_from for text in draft.texts if text.valid_from and text.valid_from > today]
    return next((day for day in (today, *sorted(starts)) if draft.text_on(day) is not None), today)


# --- neighbours: a question that an entry holds word for word always finds it, so its wording is left out ---


def _neighbours(found: Iterable[Answer], draft: Entry) -> list[str]:
    """The entries that come next for the draft's own questions, the nearest first."""
    votes: defaultdict[str, float] = defaultdict(float)
    for answer in found:
        for place, (entry_id, _) in enumerate(answer.hits):
            votes[entry_id] += 1 / (1 + place)
    votes.pop(draft.id, None)
    return sorted(votes, key=lambda entry_id: (-votes[entry_id], entry_id))[:_NEIGHBOURS]


def _folds(before: Index, after: Index, draft: Entry, neighbours: Sequence[str]) -> list[_Round]:
    """The neighbours' questions, each to be asked where its entry holds only the other three quarters."""
    entries = [entry for entry_id in neighbours if (entry := before.entry(entry_id)) is not None]
    asked = [_owned(text, Source.LEFT_OUT, (entry.id,)) for entry in entries for text in entry.questions]
    wanted = {question.text for question in _touchable(before, after, draft.id, asked)}
    rounds = []
    for fold in range(_FOLDS):
        rests = [_without_fold(entry, fold) for entry in entries]
        questions = [
            _owned(text, Source.LEFT_OUT, (entry.id,))
            for entry in entries
            for text in entry.questions[fold::_FOLDS]
            if text in wanted
        ]
        if questions:
            lacking = _with(before, rests)
            rounds.append(_Round(lacking, lacking.with_entry(draft), questions))
    return rounds


def _without_fold(entry: Entry, fold: int) -> Entry:
    rest = tuple(text for place, text in enumerate(entry.questions) if place % _FOLDS != fold)
    return replace(entry, questions=rest)


def _with(index: Index, entries: Iterable[Entry]) -> Index:
    """An index with these entries in place of those of the same id."""
    fresh = {entry.id: entry for entry in entries}
    rest = [entry for entry in index.release.entries if entry.id not in fresh]
    return index.updated(Release.of((*rest, *fresh.values()), number=index.release.number))


# --- what ships ---


def _owned(text: str, source: Source, owners: tuple[str, ...]) -> Question:
    """A question with everything that answers it, also what a second reading found."""
    return Question(text, source, tuple(dict.fromkeys((*owners, *_also().get(text, ())))))


@cache
def _also() -> Mapping[str, tuple[str, ...]]:
    return dict(_pairs("also.tsv"))


@cache
def _shipped_pairs() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(pair for name in _SHIPPED for pair in _pairs(name))


def _pairs(name: str) -> list[tuple[str, tuple[str, ...]]]:
    """The lines "entries<TAB>text" of a data file: text, and the entries that answer it (none for "-")."""
    lines = (files("knowledge") / "data" / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [(text, () if ids == "-" else tuple(ids.split("|"))) for ids, text in pairs]
