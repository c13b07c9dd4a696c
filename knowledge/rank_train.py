"""Fits the ranker to questions unseen by the index, and its scores to fresh ones (development only)."""

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from intents.categories import OOS
from intents.corpus import NO_ACT, Sample
from knowledge.entries import Entry, Release
from knowledge.likeness import Weighed
from knowledge.meaning import Meanings
from knowledge.meaning_train import answers, learn, topics
from knowledge.ranker import ENTRY_FEATURES, NONE_FEATURES, Features, Ranker
from knowledge.reading import Remembering, Words
from knowledge.search import Index

Scoring = Callable[[str, str], Mapping[str, float]]
"""Text, and the question it was made from -> the twelve scores of its classification."""

_PENALTY = 1.0  # of the squared weights
_HELD_EVERY = 2  # every second question of an entry is asked: all of them tell no more and take twice as long
_STRANGER_EVERY = 6  # every sixth question is also asked of an index without its entry
_STRANGER_WEIGHT = 0.35
_SAME = 0.8  # likeness from which on a phrase is taken for the question itself
_OUTSIDE = 500  # texts from outside
_NO_RANKER = Ranker(np.zeros(len(ENTRY_FEATURES)), np.zeros(len(NONE_FEATURES)))
_EXACT = 6.0  # utility of the very phrase
_NOISE_SEED = 20261121


class Kind(StrEnum):
    """Where a case comes from."""

    HELD = "held"  # the index lacks the question, not its entry
    FRESH = "fresh"  # it stands in no entry
    LEFT_OUT = "left out"  # it lacks the entry: a neighbour may still answer, so these count less
    OUTSIDE = "outside"  # no entry was ever written for it


@dataclass(frozen=True, slots=True)
class Case:
    """One question with what was compared, and which candidates are right (none: the knowledge lacks it)."""

    text: str
    wanted: tuple[str, ...]  # the entries that answer it; empty for texts that none answers
    weighed: Weighed
    right: NDArray[np.bool_]
    kind: Kind = Kind.HELD

    @property
    def weight(self) -> float:
        """How much it counts in the fit."""
        return _STRANGER_WEIGHT if self.kind is Kind.LEFT_OUT else 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """How the ranker does on questions that were fitted to (held) or that its scores were fitted to (fresh)."""

    cases: int
    recall_1: float
    recall_3: float
    reached: float  # the right entry is among the candidates at all
    calibration: float  # expected calibration error of the best hit's score
    coverage: float  # share answered at once when 2 % of the answers may be wrong
    threshold: float  # the score above which that holds

    def __str__(self) -> str:
        return (
            f"{self.cases:,} questions: recall@1 {self.recall_1:.3f}, "
            f"@3 {self.recall_3:.3f}, candidates {self.reached:.3f}, calibration error {self.calibration:.3f}; "
            f"with 2 % wrong {self.coverage:.3f} answered at once, from a score of {self.threshold:.2f}"
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gives; `files` are to be written to knowledge/data."""

    meanings: Meanings
    ranker: Ranker
    held: Report
    fresh: Report

    def files(self) -> dict[str, str]:
        """File name -> text."""
        how = "made by `nqi train`; see docs/retrieval.md"
        return {
            "meanings.tsv": self.meanings.to_text(f"Vectors of terms, {how}."),
            "ranker.toml": self.ranker.to_toml(f"Weights of the ranker, {how}."),
        }


def train(
    entries: Sequence[Entry], samples: Sequence[Sample], tokenizer: Words, scoring: Scoring, *, today: date
) -> Trained:
    """Learn the vectors from the corpus and the answers, then fit the ranker with them. Deterministic."""
    tokenizer = Remembering(tokenizer)
    meanings = learn([*topics(samples), *answers(entries)], tokenizer)
    # The file holds rounded numbers: fit with what will be read from it.
    meanings = Meanings.of_text(meanings.to_text(""))
    strangers = [sample.text for sample in samples if sample.label == OOS and sample.act == NO_ACT]
    outside = strangers[:: max(1, len(strangers) // _OUTSIDE)]
    index = Index.build(Release.of(entries), tokenizer, ranker=_NO_RANKER, meanings=meanings)
    cases = gather(index, scoring, today=today, outside=outside)
    fresh = ask_all(index, rows("calibration.tsv"), scoring, today=today)
    ranker = sharpened(fit([*cases, *ask_all(index, rows("asked.tsv"), scoring, today=today)]), fresh)
    return Trained(meanings, ranker, judge(ranker, cases), judge(ranker, fresh))


def gather(index: Index, scoring: Scoring, *, today: date, outside: Iterable[str] = ()) -> list[Case]:
    """Ask every question of an index that lacks it.

    Also texts from outside: chat, other trades.
    """
    noise = random.Random(_NOISE_SEED)  # noqa: S311 - reproducible on purpose
    also = dict(rows("also.tsv"))
    cases: list[Case] = []

    def ask(
        index: Index, text: str, right: Collection[str], kind: Kind = Kind.HELD, origin: str = ""
    ) -> None:
        weighed = index.weigh(text, today=today, scores=scoring(text, origin or text))
        wanted = {*right, *also.get(origin, ())}
        is_right = [_is_right(one.entry.id, wanted) for one in weighed.candidates]
        is_same = [one.likeness > _SAME for one in weighed.candidates]
        # An entry that holds nearly the same question is no wrong answer.
        if kind is Kind.HELD:
            is_right = [one or other for one, other in zip(is_right, is_same, strict=True)]
        elif any(is_same):
            return
        cases.append(Case(text, tuple(sorted(wanted)), weighed, np.array(is_right, bool), kind))

    for entry in index.entries:
        without = index.without_entry(entry.id)
        for place, question in enumerate(entry.questions[::_HELD_EVERY]):
            rest = tuple(other for other in entry.questions if other != question)
            reduced = without.with_entry(replace(entry, questions=rest))
            ask(reduced, disturbed(question, noise), (entry.id,), origin=question)
            if place % (_STRANGER_EVERY // _HELD_EVERY) == 0 and question not in also:
                ask(without, question, (), Kind.LEFT_OUT)
    for text in outside:
        ask(index, text, (), Kind.OUTSIDE)
    return cases


def rows(name: str) -> list[tuple[str, tuple[str, ...]]]:
    """The lines "entries<TAB>text" of a data file: text, and the entries that answer it (none for "-")."""
    lines = (files("knowledge") / "data" / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [(text, () if ids == "-" else tuple(ids.split("|"))) for ids, text in pairs]


def ask_all(
    index: Index, asked: Iterable[tuple[str, tuple[str, ...]]], scoring: Scoring, *, today: date
) -> list[Case]:
    """Ask questions that stand in no entry; those whose entries the index lacks are passed over."""
    cases = []
    for text, wanted in asked:
        if wanted and not index.known.keys() & set(wanted):
            continue
        weighed = index.weigh(text, today=today, scores=scoring(text, text))
        is_right = [_is_right(one.entry.id, wanted) for one in weighed.candidates]
        kind = Kind.FRESH if wanted else Kind.OUTSIDE
        cases.append(Case(text, wanted, weighed, np.array(is_right, bool), kind))
    return cases


_BEFORE = (
    "你好，",
    "请问",
    "您好，请问",
    "想问一下",
    "我们公司",
    "老师，",
    "麻烦问下",
    "急！",
    "我们厂",
    "那个",
)
_AFTER = ("谢谢", "？", "呢", "啊", "，谢谢", "，急", "吗", "。", "，我们是小厂")


def disturbed(text: str, noise: random.Random) -> str:
    """A text as somebody in a hurry might write it; two in five stay as they are."""
    dice = noise.random()
    if dice < 0.4:
        return text
    if dice < 0.55:
        return noise.choice(_BEFORE) + text
    if dice < 0.7:
        return text.rstrip("？?") + noise.choice(_AFTER)
    if dice < 0.8 and len(text) > 5:
        place = noise.randrange(len(text))
        return text[:place] + text[place + 1 :]
    if dice < 0.9 and len(text) > 5:
        place = noise.randrange(len(text) - 1)
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return noise.choice(_BEFORE) + text + noise.choice(_AFTER)


def fit(cases: Sequence[Case]) -> Ranker:
    """The weights under which the right candidates (or "none") are likeliest, by Newton's method."""
    size, rest = len(ENTRY_FEATURES), len(NONE_FEATURES)
    blocks = [_block(case, size, rest) for case in cases]
    weights = np.zeros(size + rest)
    loss = _loss(blocks, weights)
    for _ in range(60):
        change = _newton(blocks, weights)
        step = 1.0
        while (tried := _loss(blocks, _after(weights, step, change))) > loss and step > 1e-4:
            step /= 2
        gain, loss = loss - tried, tried
        weights = _after(weights, step, change)
        if gain < 1e-6 * loss:
            break
    return Ranker(weights[:size], weights[size:])


def sharpened(ranker: Ranker, fresh: Sequence[Case]) -> Ranker:
    """The ranker with all weights multiplied so that its scores on fresh questions are as sure as they are right.

    Left-out questions are harder than those of life: whoever wrote an entry's questions made them differ.
    """

    def loss(factor: float) -> float:
        weights = factor * np.append(ranker.entry, ranker.none)
        blocks = (_block(case, len(ranker.entry), len(ranker.none)) for case in fresh)
        return sum(
            _log_sum(utilities) - _log_sum(utilities[block.right])
            for block, utilities in ((block, block.rows @ weights) for block in blocks)
        )

    factor = min(np.linspace(0.6, 2.5, 96).round(2).tolist(), key=loss) if fresh else 1.0
    weights = ranker.entry * factor
    # No case is ever the very phrase, since that was left out; one that is leaves no doubt.
    weights[ENTRY_FEATURES.index("exact")] = _EXACT
    return Ranker(weights, ranker.none * factor)


@dataclass(frozen=True, slots=True)
class _Block:
    """One case as the fit sees it: the rows of the candidates and, last, of "none of them"."""

    rows: Features
    right: NDArray[np.bool_]
    weight: float


def _loss(blocks: Sequence[_Block], weights: Features) -> float:
    total = _PENALTY / 2 * float(weights @ weights)
    for block in blocks:
        utilities = block.rows @ weights
        total += block.weight * (_log_sum(utilities) - _log_sum(utilities[block.right]))
    return total


def _newton(blocks: Sequence[_Block], weights: Features) -> Features:
    """The step that leads to the minimum of the parabola that touches the loss here."""
    gradient: Features = _PENALTY * weights
    curve: Features = _PENALTY * np.eye(len(weights))
    for block in blocks:
        utilities = block.rows @ weights
        shares = np.exp(utilities - _log_sum(utilities))
        goal = np.zeros_like(shares)
        goal[block.right] = np.exp(utilities[block.right] - _log_sum(utilities[block.right]))
        centred = block.rows - shares @ block.rows
        gradient += block.weight * ((shares - goal) @ block.rows)
        curve += block.weight * ((centred * shares[:, None]).T @ centred)
    return np.asarray(np.linalg.solve(curve, gradient), np.float64)


def _after(weights: Features, step: float, change: Features) -> Features:
    moved: Features = weights - step * change
    return moved


def _log_sum(utilities: Features) -> float:
    top = float(utilities.max())
    return top + float(np.log(np.exp(utilities - top).sum()))


def _block(case: Case, size: int, rest: int) -> _Block:
    count = len(case.right)
    rows = np.zeros((count + 1, size + rest))
    rows[:count, :size] = case.weighed.rows
    rows[count, size:] = case.weighed.nothing
    return _Block(rows, np.append(case.right, not case.right.any()), case.weight)


def judge(ranker: Ranker, cases: Sequence[Case]) -> Report:
    """Figures over these cases."""
    cases = [case for case in cases if case.kind is not Kind.LEFT_OUT]
    held = [case for case in cases if case.kind in (Kind.HELD, Kind.FRESH)]
    ranks = [_rank(ranker, case) for case in held]
    tops = [_top(ranker, case) for case in cases]
    threshold, coverage = _threshold(tops, len(held))
    return Report(
        cases=len(cases),
        recall_1=float(np.mean([rank < 1 for rank in ranks])),
        recall_3=float(np.mean([rank < 3 for rank in ranks])),
        reached=float(np.mean([case.right.any() for case in held])),
        calibration=_calibration(tops),
        coverage=coverage,
        threshold=threshold,
    )


def _rank(ranker: Ranker, case: Case) -> int:
    """Candidates before the first right one; a large number if there is none."""
    shares = ranker.probabilities(case.weighed.rows, case.weighed.nothing)
    order = case.right[np.argsort(-shares, kind="stable")]
    return int(order.argmax()) if order.any() else 999


def _top(ranker: Ranker, case: Case) -> tuple[float, bool]:
    """The best candidate's score, and whether it is right."""
    if not len(case.right):
        return 0.0, False
    shares = ranker.probabilities(case.weighed.rows, case.weighed.nothing)
    best = int(shares.argmax())
    return float(shares[best]), bool(case.right[best])


def _calibration(tops: Sequence[tuple[float, bool]]) -> float:
    scores = np.array([score for score, _ in tops])
    is_right = np.array([right for _, right in tops])
    bins = np.minimum((scores * 10).astype(int), 9)
    gaps = [
        (bins == place).mean() * abs(scores[bins == place].mean() - is_right[bins == place].mean())
        for place in range(10)
        if (bins == place).any()
    ]
    return float(sum(gaps))


def _threshold(tops: Sequence[tuple[float, bool]], held: int) -> tuple[float, float]:
    """The lowest score above which at most 2 % are wrong, and the share of held questions answered there."""
    ordered = sorted(tops, reverse=True)
    wrong, best = 0, (1.0, 0.0)
    for count, (score, is_right) in enumerate(ordered, 1):
        wrong += not is_right
        if wrong <= 0.02 * count:
            best = (score, (count - wrong) / max(held, 1))
    return best


def _is_right(found: str, wanted: Collection[str]) -> bool:
    """An entry that was split off a wanted one is right too."""
    return any(found == one or found.startswith(f"{one}-") for one in wanted)
