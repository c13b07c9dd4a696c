"""`nqi eval`: how well labelled texts are understood and answered. The figures; `evaluation_page` shows them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bot.core.answers import MOST_CHOICES
from bot.core.brain import CALIBRATED, Brain, Heard, Outcome
from bot.evaluation_samples import KEYS, NOTHING, Sample, read_samples
from intents.categories import OOS
from intents.measure import macro_f1
from intents.text import mask
from intents.understand import Act
from knowledge.search import Hit

__all__ = ["KEYS", "Case", "Report", "Sample", "evaluate", "read_samples", "report_of"]

_BINS = 10
_LADDER = sorted({0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, CALIBRATED.answer})
_PRECISIONS = (0.90, 0.95, 0.98)


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled text and what was made of it."""

    sample: Sample
    heard: Heard
    hits: tuple[Hit, ...] = ()  # of the search alone, best first; only where an entry may be wanted

    @property
    def found(self) -> str:
        """The category that was understood, or oos."""
        category = self.heard.understanding.category
        return category.value if category else OOS

    @property
    def act(self) -> str:
        """The act that the message was taken for."""
        act = self.heard.understanding.act
        return act.value if act and self.heard.outcome is Outcome.ACT else ""

    @property
    def is_need(self) -> bool:
        """Is it labelled with one of the eleven?"""
        return self.sample.category not in ("", OOS)

    @property
    def is_plain(self) -> bool:
        """Is it labelled with something that is served, so that it is no act?"""
        served = (Outcome.ANSWER, Outcome.CLARIFY, Outcome.REFER)
        return not self.sample.act and (self.is_need or self.is_asked or self.sample.outcome in served)

    @property
    def is_exact(self) -> bool:
        """Is the category the wanted one?"""
        return self.found == self.sample.category

    @property
    def is_acceptable(self) -> bool:
        """Is the category the wanted one, or the second that is also right?"""
        return self.found in (self.sample.category, self.sample.second)

    @property
    def is_caught(self) -> bool:
        """Is a text that is not ours kept away from answers and needs?"""
        return self.heard.outcome in (Outcome.OOS, Outcome.ACT)

    @property
    def is_asked(self) -> bool:
        """Does an entry answer it?"""
        return self.sample.entries not in ((), NOTHING)

    @property
    def is_answered(self) -> bool:
        """Is an entry given at once?"""
        return self.heard.outcome is Outcome.ANSWER

    @property
    def is_at_once(self) -> bool:
        """Is a right entry given at once?"""
        return self.is_answered and self.heard.hits[0].entry.id in self.sample.entries

    @property
    def is_among(self) -> bool:
        """Is a right entry given at once or among the choices that are shown?"""
        shown = self.heard.hits[:MOST_CHOICES] if self.heard.outcome is Outcome.CLARIFY else ()
        return self.is_at_once or any(hit.entry.id in self.sample.entries for hit in shown)

    def is_recalled(self, count: int) -> bool:
        """Is a right entry among the first of the search?"""
        return any(hit.entry.id in self.sample.entries for hit in self.hits[:count])

    def is_same_act(self) -> bool:
        """Is it taken for the act that it is?"""
        return self.act == self.sample.act

    def label_right(self, *, with_second: bool = False) -> bool:
        """Is what it is labelled with, category, oos or act, understood?"""
        if self.sample.act:
            return self.is_same_act()
        if self.sample.category == OOS:
            return self.is_caught
        return self.is_acceptable if with_second else self.is_exact


@dataclass(frozen=True, slots=True)
class Rate:
    """A count over a count."""

    part: int
    whole: int

    @property
    def share(self) -> float:
        """0..1; 0 of nothing."""
        return self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """What would be decided if this score were enough."""

    least: float
    decided: Rate  # of all
    right: Rate  # of those decided
    served: Rate  # right ones of those that can be right at all


@dataclass(frozen=True, slots=True)
class Bin:
    """The decisions of one tenth of the scores: how sure they were, and how often right."""

    low: float
    count: int
    sure: float
    right: float


@dataclass(frozen=True, slots=True)
class Curve:
    """What a score is worth: coverage against precision, and calibration."""

    count: int
    steps: tuple[Step, ...]  # at a ladder of scores
    reached: Mapping[str, Step]  # precision in percent -> the step of the largest coverage that has it
    bins: tuple[Bin, ...]  # those that hold anything
    error: float  # expected calibration error


@dataclass(frozen=True, slots=True)
class ActFigures:
    """How well one act is told."""

    act: str
    precision: Rate
    recall: Rate


@dataclass(frozen=True, slots=True)
class Group:
    """The texts of one style or one category."""

    name: str
    count: int
    right: Rate  # of the labels category, oos, act
    with_second: Rate
    at_once: Rate  # of what an entry answers
    among: Rate


@dataclass(frozen=True, slots=True)
class Mistake:
    """A text that was not understood or answered as labelled; without numbers of persons and firms."""

    kind: str  # category, oos, act, answer (a wrong one was given), entry (a right one was not), outcome
    text: str
    label: str
    found: str
    confidence: float
    words: tuple[str, ...]  # that decided


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one file."""

    count: int
    category: Rate  # texts of the eleven whose category is right
    with_second: Rate
    macro_f1: float  # over the eleven
    refused: Rate  # texts of the eleven that were taken for out of scope
    caught: Rate  # of what is out of scope
    answered_strangers: Rate  # of what is out of scope: an entry was given
    matrix: tuple[tuple[int, ...], ...]  # label by found, both in the order of KEYS
    confidence: Curve  # of categories, out of scope as the twelfth
    acts: Rate
    invented: Rate  # acts seen in texts that are none
    each_act: tuple[ActFigures, ...]
    recall_1: Rate
    recall_3: Rate
    at_once: Rate
    among: Rate
    wrong: Rate  # of the answers given at once, where the right entry is known
    kept_out: Rate  # of what nothing answers: no entry was given
    score: Curve  # of the best hit
    outcomes: Mapping[str, int]
    outcome: Rate
    styles: tuple[Group, ...]
    categories: tuple[Group, ...]
    mistakes: tuple[Mistake, ...]


def evaluate(brain: Brain, samples: Iterable[Sample], *, today: date) -> Report:
    """Hear every text as a message would be heard, and count."""
    return report_of([hear(brain, sample, today=today) for sample in samples])


def hear(brain: Brain, sample: Sample, *, today: date) -> Case:
    """What is made of one text."""
    heard = brain.hear(sample.text, today=today)
    if not sample.entries:
        return Case(sample, heard)
    hits = brain.index.search(sample.text, today=today, scores=heard.understanding.scores)
    return Case(sample, heard, tuple(hits))


def report_of(cases: Sequence[Case]) -> Report:
    """Count."""
    needs = [case for case in cases if case.is_need]
    strangers = [case for case in cases if case.sample.category == OOS]
    acts = [case for case in cases if case.sample.act]
    plain = [case for case in cases if case.is_plain]
    asked = [case for case in cases if case.is_asked]
    known = [case for case in cases if case.sample.entries]
    outside = [case for case in known if not case.is_asked]
    ends = [case for case in cases if case.sample.outcome]
    return Report(
        count=len(cases),
        category=_rate(needs, lambda case: case.is_exact),
        with_second=_rate(needs, lambda case: case.is_acceptable),
        macro_f1=macro_f1([case.sample.category for case in needs], [case.found for case in needs]),
        refused=_rate(needs, lambda case: case.heard.outcome is Outcome.OOS),
        caught=_rate(strangers, lambda case: case.is_caught),
        answered_strangers=_rate(strangers, lambda case: case.is_answered),
        matrix=_matrix([*needs, *strangers]),
        confidence=curve_of(
            [(case.heard.understanding.confidence, case.is_exact) for case in (*needs, *strangers)]
        ),
        acts=_rate(acts, Case.is_same_act),
        invented=_rate(plain, lambda case: case.act != ""),
        each_act=tuple(_act_figures([*acts, *plain])),
        recall_1=_rate(asked, lambda case: case.is_recalled(1)),
        recall_3=_rate(asked, lambda case: case.is_recalled(3)),
        at_once=_rate(asked, lambda case: case.is_at_once),
        among=_rate(asked, lambda case: case.is_among),
        wrong=_rate([case for case in known if case.is_answered], lambda case: not case.is_at_once),
        kept_out=_rate(outside, lambda case: not case.is_answered),
        score=curve_of(
            [(case.hits[0].score if case.hits else 0.0, case.is_recalled(1)) for case in known],
            possible=len(asked),
        ),
        outcomes=dict(Counter(case.heard.outcome.value for case in cases).most_common()),
        outcome=_rate(ends, lambda case: case.heard.outcome == case.sample.outcome),
        styles=_groups(cases, lambda sample: sample.style, sorted({case.sample.style for case in cases})),
        categories=_groups(cases, lambda sample: sample.category, KEYS),
        mistakes=tuple(mistake for case in cases for mistake in _mistakes(case)),
    )


def _rate(cases: Sequence[Case], is_counted: Callable[[Case], bool]) -> Rate:
    return Rate(sum(map(is_counted, cases)), len(cases))


def _matrix(cases: Sequence[Case]) -> tuple[tuple[int, ...], ...]:
    pairs = Counter((case.sample.category, case.found) for case in cases)
    return tuple(tuple(pairs[label, found] for found in KEYS) for label in KEYS)


def _act_figures(cases: Sequence[Case]) -> Iterable[ActFigures]:
    for act in Act:
        wanted = [case for case in cases if case.sample.act == act]
        given = [case for case in cases if case.act == act]
        if wanted or given:
            yield ActFigures(act.value, _rate(given, Case.is_same_act), _rate(wanted, Case.is_same_act))


def curve_of(judged: Sequence[tuple[float, bool]], *, possible: int | None = None) -> Curve:
    """What a score is worth, from scores and whether the decision was right; `possible`: how many could be."""
    possible = len(judged) if possible is None else possible
    steps = tuple(_step(judged, least, possible) for least in _LADDER) if judged else ()
    bins = tuple(_bins(judged))
    apart = sum(abs(one.sure - one.right) * one.count for one in bins)
    return Curve(len(judged), steps, _reached(judged, possible), bins, apart / max(len(judged), 1))


def _step(judged: Sequence[tuple[float, bool]], least: float, possible: int) -> Step:
    decided = [is_right for score, is_right in judged if score >= least]
    right = sum(decided)
    return Step(least, Rate(len(decided), len(judged)), Rate(right, len(decided)), Rate(right, possible))


def _reached(judged: Sequence[tuple[float, bool]], possible: int) -> dict[str, Step]:
    """From the surest down; equal scores are decided together."""
    found: dict[str, Step] = {}
    ranked = sorted(judged, reverse=True)
    right = 0
    for place, (score, is_right) in enumerate(ranked, 1):
        right += is_right
        if place < len(ranked) and ranked[place][0] == score:
            continue
        step = Step(score, Rate(place, len(ranked)), Rate(right, place), Rate(right, possible))
        found.update({f"{wish:.0%}": step for wish in _PRECISIONS if step.right.share >= wish})
    return dict(sorted(found.items()))


def _bins(judged: Sequence[tuple[float, bool]]) -> Iterable[Bin]:
    for number in range(_BINS):
        inside = [item for item in judged if min(int(item[0] * _BINS), _BINS - 1) == number]
        if inside:
            sure = sum(score for score, _ in inside) / len(inside)
            yield Bin(
                number / _BINS, len(inside), sure, sum(is_right for _, is_right in inside) / len(inside)
            )


def _groups(
    cases: Sequence[Case], name_of: Callable[[Sample], str], names: Sequence[str]
) -> tuple[Group, ...]:
    """A group for each name that occurs; texts without a name are in none."""
    found: dict[str, list[Case]] = {name: [] for name in names if name}
    for case in cases:
        if name := name_of(case.sample):
            found[name].append(case)
    return tuple(_group(name, members) for name, members in found.items() if members)


def _group(name: str, cases: Sequence[Case]) -> Group:
    labelled = [case for case in cases if case.sample.category or case.sample.act]
    asked = [case for case in cases if case.is_asked]
    return Group(
        name,
        len(cases),
        _rate(labelled, Case.label_right),
        _rate(labelled, lambda case: case.label_right(with_second=True)),
        _rate(asked, lambda case: case.is_at_once),
        _rate(asked, lambda case: case.is_among),
    )


def _mistakes(case: Case) -> Iterable[Mistake]:
    """What went wrong with one text; a category that is acceptable as the second is no mistake."""
    sample, heard = case.sample, case.heard
    outcome = heard.outcome.value
    if case.is_need and not case.is_acceptable:
        yield _mistake("category", case, sample.category, case.found)
    if sample.category == OOS and not case.is_caught:
        yield _mistake("oos", case, OOS, case.found)
    if sample.act and case.act != sample.act:
        yield _mistake("act", case, sample.act, case.act or outcome)
    if sample.entries and case.is_answered and not case.is_at_once:
        yield _mistake("answer", case, "|".join(sample.entries), _hits(heard.hits))
    elif case.is_asked and not case.is_among:
        yield _mistake("entry", case, "|".join(sample.entries), f"{outcome} {_hits(case.hits)}".strip())
    if sample.outcome and outcome != sample.outcome:
        yield _mistake("outcome", case, sample.outcome, outcome)


def _mistake(kind: str, case: Case, label: str, found: str) -> Mistake:
    heard, is_lookup = case.heard, kind in ("answer", "entry")
    best = max((hit.score for hit in case.hits[:1]), default=0.0)
    words = heard.reasons if is_lookup else heard.understanding.reasons
    return Mistake(
        kind=kind,
        text=mask(case.sample.text),
        label=label,
        found=found,
        confidence=best if is_lookup else heard.understanding.confidence,
        words=tuple(mask(word) for word in words),
    )


def _hits(hits: Sequence[Hit]) -> str:
    return " ".join(f"{hit.entry.id}({hit.score:.2f})" for hit in hits[:MOST_CHOICES])
