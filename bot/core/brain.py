"""Meaning and knowledge together: what was heard, and whether to answer, ask back, refer, or pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Protocol, Self

from intents.categories import OOS
from intents.understand import Mood, Understanding
from knowledge.ambiguous import meanings_of
from knowledge.entries import Entry, Release
from knowledge.reading import ASKING, Words, asks_of, subject_of
from knowledge.search import Hit, Index

_MOST_HITS = 5
_FEWEST_CHOICES = 2


class Outcome(StrEnum):
    """What a message leads to."""

    ANSWER = "answer"  # the best hit is given at once
    CLARIFY = "clarify"  # the hits are offered as choices
    REFER = "refer"  # the need is registered, or that is offered
    ACT = "act"  # the message does something in the conversation: a greeting, a complaint
    OOS = "oos"  # nothing of ours


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the decisions change; scores are probabilities that a hit answers. See docs/retrieval.md."""

    answer: float = 0.72  # at least this, to answer at once
    ahead: float = 0.35  # and this far before the second
    answer_need: float = 0.85  # to answer a need that also asks something, instead of registering it
    answer_stranger: float = 0.95  # the same for what the classifier takes for out of scope
    clarify: float = 0.15  # the three best together; below it no choice is worth reading
    clarify_stranger: float = 0.70
    candidate: float = 0.02  # a single choice below this is not offered
    category: float = 0.30  # below it a remark that is neither question nor need is not ours


CALIBRATED = Thresholds()


@dataclass(frozen=True, slots=True)
class Heard:
    """One message, as understood and looked up."""

    understanding: Understanding
    outcome: Outcome
    hits: tuple[Hit, ...]  # best first, 5 at most
    reasons: tuple[str, ...]
    parts: tuple["Heard", ...] = ()  # two needs in one message, each heard alone; the first is served


class Understands(Protocol):
    """Reads the meaning of a text: `intents.understand.Understander`."""

    @property
    def tokenizer(self) -> Words:
        """Cuts texts into words, for the index too."""
        ...

    def knowing(self, synonyms: Mapping[str, str]) -> Self:
        """The same, reading these other names as the terms they stand for; itself where it does already."""
        ...

    def understand(self, text: str) -> Understanding:
        """What one text means."""
        ...


class Brain:
    """Understanding and the index of the live release; holds no state of any talk."""

    def __init__(self, understander: Understands, index: Index, thresholds: Thresholds = CALIBRATED) -> None:
        self.understander = understander
        self.index = index
        self.thresholds = thresholds

    @property
    def release(self) -> Release:
        """The entries that are live."""
        return self.index.release

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries of the release, in the order of their ids."""
        return self.index.entries

    def entry(self, entry_id: str) -> Entry | None:
        """The entry of that id, if there is one."""
        return self.index.entry(entry_id)

    def hear(self, text: str, *, today: date, topic: str = "") -> Heard:
        """Understand a text, look it up, and decide.

        `topic` is what was talked about before; a follow-up ("那费用呢?") is read together with it.
        """
        understanding = self.understander.understand(text)
        if topic and understanding.is_followup:
            return self._hear_after(topic, text, understanding, today)
        parts = [self.understander.understand(part) for part in understanding.parts[:2]]
        # "We make scales, do we still need a licence?" is one question: who asks comes first.
        if len(parts) < 2 or parts[0].mood is Mood.STATEMENT:
            return self._hear_one(understanding, today)
        heard = tuple(self._hear_one(part, today) for part in parts)
        whole = self._looked_up(understanding, today)
        # "I hold some patents, can I borrow on them?": an entry that only both halves together ask for.
        if whole and whole[0].score >= self.thresholds.answer_need and not _leads(heard, whole[0]):
            return self._decided(understanding, whole)
        first = heard[0]
        return Heard(understanding, first.outcome, first.hits, first.reasons, heard)

    def _hear_one(self, understanding: Understanding, today: date) -> Heard:
        offered = self._offered(understanding, today)
        if len(offered) > 1:
            return Heard(understanding, Outcome.CLARIFY, offered, ("简称有多种意思",))
        return self._decided(understanding, self._looked_up(understanding, today))

    def _hear_after(self, topic: str, text: str, understanding: Understanding, today: date) -> Heard:
        """A follow-up, looked up and classified with the subject of the topic before it."""
        whole = self.understander.understand(f"{subject_of(topic)} {text}")
        meant = replace(whole, act=None, mood=understanding.mood, parts=(), is_followup=True)
        asked = asks_of(text)
        hits = self._looked_up(meant, today, limit=_MOST_HITS + 1)
        # The topic's own answer has just been given: again only if it was written for this question as well.
        given = [
            hit for hit in hits if hit.entry.title == topic and not self.index.asks(hit.entry.id) & asked
        ]
        return self._decided(meant, _without(hits, given)[:_MOST_HITS])

    def _offered(self, understanding: Understanding, today: date) -> tuple[Hit, ...]:
        """The best entry for each meaning of an ambiguous short form that stands alone."""
        found: dict[str, Hit] = {}
        for meaning in meanings_of(understanding.text):
            for hit in self.index.search(meaning, today=today, limit=1):
                found.setdefault(hit.entry.id, hit)
        return tuple(found.values())[:_MOST_HITS]

    def _looked_up(
        self, understanding: Understanding, today: date, *, limit: int = _MOST_HITS
    ) -> tuple[Hit, ...]:
        text, scores = understanding.text, understanding.scores
        return tuple(self.index.search(text, today=today, scores=scores, limit=limit))

    def _decided(self, understanding: Understanding, hits: tuple[Hit, ...]) -> Heard:
        outcome = decide(understanding, hits, self.thresholds)
        if outcome is Outcome.CLARIFY:
            hits = tuple(
                hit
                for place, hit in enumerate(hits)
                if place < _FEWEST_CHOICES or hit.score >= self.thresholds.candidate
            )
        words = hits[0].reasons if hits and outcome in (Outcome.ANSWER, Outcome.CLARIFY) else ()
        reasons = tuple(dict.fromkeys((*words, *understanding.reasons)))
        return Heard(understanding, outcome, hits, reasons)


def _leads(parts: Sequence[Heard], hit: Hit) -> bool:
    """Is the entry of that hit also what one of the parts is most likely to ask for?"""
    return any(part.hits and part.hits[0].entry.id == hit.entry.id for part in parts)


def _without(hits: Sequence[Hit], gone: Sequence[Hit]) -> tuple[Hit, ...]:
    """The other hits, as probable as they are once these are ruled out."""
    rest = 1.0 - sum(hit.score for hit in gone)
    if not gone or rest <= 0:
        return tuple(hit for hit in hits if hit not in gone)
    return tuple(replace(hit, score=min(1.0, hit.score / rest)) for hit in hits if hit not in gone)


def decide(understanding: Understanding, hits: Sequence[Hit], thresholds: Thresholds) -> Outcome:
    """What a message leads to. Pure."""
    if understanding.act is not None:
        return Outcome.ACT
    best = hits[0].score if hits else 0.0
    behind = hits[1].score if len(hits) > 1 else 0.0
    is_asking = asks_of(understanding.text) & ASKING != 0
    if understanding.mood is Mood.NEED and not (is_asking and best >= thresholds.answer_need):
        return Outcome.REFER if understanding.category else _for_stranger(hits, thresholds)
    if understanding.category is None:
        return _for_stranger(hits, thresholds)
    if best >= thresholds.answer and best - behind >= thresholds.ahead:
        return Outcome.ANSWER
    if _together(hits) >= thresholds.clarify and len(hits) >= _FEWEST_CHOICES:
        return Outcome.CLARIFY
    is_remark = understanding.mood is Mood.STATEMENT and understanding.confidence < thresholds.category
    return Outcome.OOS if is_remark else Outcome.REFER


def _for_stranger(hits: Sequence[Hit], thresholds: Thresholds) -> Outcome:
    """For what looks out of scope, unless what we know says strongly that it is not."""
    if hits and hits[0].score >= thresholds.answer_stranger:
        return Outcome.ANSWER
    if len(hits) >= _FEWEST_CHOICES and _together(hits) >= thresholds.clarify_stranger:
        return Outcome.CLARIFY
    return Outcome.OOS


def _together(hits: Sequence[Hit]) -> float:
    """The probability that one of the three best answers."""
    return sum(hit.score for hit in hits[:3])


def explain(heard: Heard) -> dict[str, Any]:
    """A decision as JSON values, the shape of a line of `nqi classify` (without its id)."""
    understanding = heard.understanding
    candidates = [_as_json(hit) for hit in heard.hits]
    return {
        "category": understanding.category.value if understanding.category else OOS,
        "scores": {key: round(float(score), 4) for key, score in understanding.scores.items()},
        "act": understanding.act.value if understanding.act else None,
        "outcome": heard.outcome.value,
        "faq": candidates[0] if heard.outcome is Outcome.ANSWER else None,
        "candidates": candidates,
        "reasons": list(heard.reasons),
    }


def _as_json(hit: Hit) -> dict[str, Any]:
    return {"id": hit.entry.id, "title": hit.entry.title, "score": round(hit.score, 4)}
