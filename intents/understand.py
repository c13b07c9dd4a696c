"""All evidence about one text -> one Understanding: what is meant, how sure, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from intents.acts import Act, likely_act, told_act
from intents.categories import OOS, Category
from intents.features import cues_in, features
from intents.model import Model, shipped
from intents.moods import Mood, is_followup, mood_of
from intents.parts import parts_of
from intents.reasons import reasons_of
from intents.slots import Slots, read_slots
from intents.text import Tokenizer, normalise

__all__ = ["Act", "Mood", "Slots", "Understander", "Understanding"]

WEIGHTS = "weights.tsv"
ACT_WEIGHTS = "act-weights.tsv"


@dataclass(frozen=True, slots=True)
class Understanding:
    """What one text means, before anything is looked up."""

    text: str  # normalised
    category: Category | None  # None: out of scope
    confidence: float  # calibrated probability of `category` (or of oos), 0..1
    scores: Mapping[str, float]  # the eleven keys and "oos"; sum to 1
    act: Act | None
    mood: Mood
    slots: Slots = field(default_factory=Slots)
    reasons: tuple[str, ...] = ()  # the words that decided, strongest first
    parts: tuple[str, ...] = ()  # two needs in one message: the text of each, else ()
    is_followup: bool = False  # needs the topic before it: 那费用呢


_ACTS = frozenset(act.value for act in Act)


@dataclass(frozen=True, slots=True)
class Understander:
    """Everything that is loaded once to understand texts; pure and safe to share between threads."""

    tokenizer: Tokenizer
    categories: Model
    acts: Model

    @classmethod
    def load(cls, cache_dir: Path | None = None) -> "Understander":
        """Read dictionaries and weights; `cache_dir` keeps the prepared dictionary for faster starts."""
        return cls(Tokenizer.load(cache_dir), Model.load(shipped(WEIGHTS)), Model.load(shipped(ACT_WEIGHTS)))

    def knowing(self, synonyms: Mapping[str, str]) -> Self:
        """The same, reading these other names as the terms they stand for; itself where it does already."""
        tokenizer = self.tokenizer.knowing(synonyms)
        if tokenizer.others == self.tokenizer.others:
            return self
        return replace(self, tokenizer=tokenizer)

    def understand(self, text: str) -> Understanding:
        """Read one text; any text at all, in bounded time. Of two needs, the first gives the category."""
        typed, text = text, normalise(text)
        counts = features(text, self.tokenizer)
        scores = self._scores(counts)
        act = told_act(text) or self._likely_act(counts, scores)
        parts = () if act else parts_of(text, self._category)
        if parts:
            counts = features(parts[0], self.tokenizer)
            scores = self._scores(counts)
        best = _best(scores)
        return Understanding(
            text=text,
            category=None if best == OOS else Category(best),
            confidence=scores[best],
            scores=scores,
            act=act,
            mood=mood_of(text),
            slots=read_slots(typed),
            reasons=self._reasons(text, counts, act, best),
            parts=parts,
            is_followup=act is None and is_followup(text),
        )

    def _scores(self, counts: Mapping[str, int]) -> dict[str, float]:
        return self.categories.scores(counts) if counts else {**dict.fromkeys(Category, 0.0), OOS: 1.0}

    def _reasons(
        self, text: str, counts: Mapping[str, int], act: Act | None, category: str
    ) -> tuple[str, ...]:
        if act:
            return reasons_of(text, self.acts, counts, act.value)
        return reasons_of(text, self.categories, counts, category)

    def _likely_act(self, counts: Mapping[str, int], scores: Mapping[str, float]) -> Act | None:
        if not counts:
            return None
        need = max(scores[item] for item in Category)
        return likely_act(self.acts.scores(counts), cues_in(counts), need=need)

    def _category(self, text: str) -> tuple[str, float]:
        """The likeliest category of a part of a text and its probability."""
        scores = self._scores(features(text, self.tokenizer))
        best = _best(scores)
        return best, scores[best]


def _best(scores: Mapping[str, float]) -> str:
    return max(scores, key=lambda key: (scores[key], key))
