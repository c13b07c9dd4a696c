"""Figures of retrieval and decisions over retrieval.tsv: `python -m tests.quality.retrieval`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.core.brain import Brain, Heard, Outcome
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.rows import load_seeds
from knowledge.search import Hit, Index
from tests.make import TODAY

FILE = Path(__file__).with_name("retrieval.tsv")
_OTHERS = ("-", "need")


@dataclass(frozen=True)
class Sample:
    """One line of the file with what was heard."""

    text: str
    wanted: tuple[str, ...]  # entry ids, or "-" or "need"
    heard: Heard
    hits: tuple[Hit, ...]  # of the search alone, best first

    @property
    def is_asked(self) -> bool:
        """Does an entry answer it?"""
        return self.wanted[0] not in _OTHERS

    @property
    def is_answered(self) -> bool:
        """Is an entry given at once?"""
        return self.heard.outcome is Outcome.ANSWER

    @property
    def is_right_at_once(self) -> bool:
        """Is a right entry given at once?"""
        return self.is_answered and self.heard.hits[0].entry.id in self.wanted

    @property
    def is_offered(self) -> bool:
        """Is a right entry given at once or among the choices shown?"""
        choices = self.heard.hits[:3] if self.heard.outcome is Outcome.CLARIFY else ()
        return self.is_right_at_once or any(hit.entry.id in self.wanted for hit in choices)

    def is_found(self, count: int) -> bool:
        """Is a right entry among the first of the search?"""
        return any(hit.entry.id in self.wanted for hit in self.hits[:count])


def samples() -> list[Sample]:
    """Every line of the file, heard by the brain as it ships."""
    understander = Understander.load()
    brain = Brain(understander, Index.build(Release.of(load_seeds()), understander.tokenizer))
    found = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            wanted, text = line.split("\t")
            heard = brain.hear(text, today=TODAY)
            hits = brain.index.search(text, today=TODAY, scores=heard.understanding.scores)
            found.append(Sample(text, tuple(wanted.split("|")), heard, tuple(hits)))
    return found


@dataclass(frozen=True)
class Figures:
    """Shares over the samples, 0..1."""

    recall_1: float
    recall_3: float
    at_once: float  # of what an entry answers: the right one is given at once
    offered: float  # or among the choices
    wrong: float  # of all answers given at once, needs left out
    referred: float  # of the needs
    kept_out: float  # of what nothing answers: not answered


def figures(found: Iterable[Sample]) -> Figures:
    """Measure."""
    found = list(found)
    asked = [sample for sample in found if sample.is_asked]
    needs = [sample for sample in found if sample.wanted == ("need",)]
    outside = [sample for sample in found if sample.wanted == ("-",)]
    given = [sample for sample in (*asked, *outside) if sample.is_answered]
    return Figures(
        recall_1=_share(asked, lambda sample: sample.is_found(1)),
        recall_3=_share(asked, lambda sample: sample.is_found(3)),
        at_once=_share(asked, lambda sample: sample.is_right_at_once),
        offered=_share(asked, lambda sample: sample.is_offered),
        wrong=_share(given, lambda sample: not sample.is_right_at_once),
        referred=_share(needs, lambda sample: sample.heard.outcome is Outcome.REFER),
        kept_out=_share(outside, lambda sample: not sample.is_answered),
    )


def _share(found: list[Sample], is_counted: Callable[[Sample], bool]) -> float:
    return sum(map(is_counted, found)) / len(found)


def main() -> None:
    """Print the figures, how many would be answered at other thresholds, and what went wrong."""
    found = samples()
    print(figures(found))
    known = [sample for sample in found if sample.wanted != ("need",)]
    asked = sum(sample.is_asked for sample in known)
    for threshold in (0.5, 0.6, 0.7, 0.75, 0.8, 0.83, 0.85, 0.9, 0.95):
        given = [sample for sample in known if sample.hits and sample.hits[0].score >= threshold]
        wrong = sum(not sample.is_found(1) for sample in given)
        print(
            f"best hit >= {threshold:.2f}: right {(len(given) - wrong) / asked:.3f}, wrong {wrong / len(given):.3f}"
        )
    for sample in found:
        is_wrong = sample.is_answered and not sample.is_right_at_once
        if is_wrong or (sample.is_asked and not sample.is_offered):
            hits = ", ".join(f"{hit.entry.id} {hit.score:.2f}" for hit in sample.hits[:3])
            print(f"{'|'.join(sample.wanted)}: {sample.text} -> {sample.heard.outcome} ({hits})")


if __name__ == "__main__":
    main()
