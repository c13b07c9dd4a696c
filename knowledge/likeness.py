"""How like a question and an entry are: all that the ranker weighs, from shared words to typing by sound."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise

import numpy as np
from rapidfuzz import fuzz, process

from intents.categories import OOS
from knowledge.entries import Entry
from knowledge.meaning import Vectors
from knowledge.postings import Postings, Query
from knowledge.ranker import ENTRY_FEATURES, Features
from knowledge.reading import TELLING, Reading, TermKind

_SHORT = 4  # characters: hardly a question yet
_REASONS = 5  # words that are named
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Known:
    """An entry as the index holds it: what was read from it once."""

    entry: Entry
    number: int  # of its document in the bodies and in the texts
    phrases: tuple[int, ...]  # its title and questions, numbered in a row; the title first
    keywords: tuple[str, ...]  # as read
    asks: int  # everything that its phrases ask for
    ask_shares: tuple[float, ...]  # per kind of asking: the share of its phrases
    title_asks: int
    numbers: frozenset[str]  # standards named anywhere in it


@dataclass(frozen=True, slots=True)
class Picked:
    """A candidate and those of its phrases that are compared; the title first."""

    known: Known
    numbers: Sequence[int]
    phrases: Sequence[Reading]
    written: Sequence[str]  # the phrases as they stand in the entry


@dataclass(frozen=True, slots=True)
class Question:
    """A question as looked up in each part of the index."""

    reading: Reading
    in_phrases: Query
    in_bodies: Query
    in_texts: Query
    meaning: Vectors
    scores: Mapping[str, float]  # its classification; may be empty


@dataclass(frozen=True, slots=True)
class Places:
    """The three parts of an index."""

    phrases: Postings
    bodies: Postings  # title, questions and keywords of an entry as one document
    texts: Postings  # its answers as one document
    body_meanings: Vectors  # one row per body
    text_meanings: Vectors


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry with what it has in common with the question."""

    entry: Entry
    matched: str  # its phrase that is most like the question
    likeness: float  # of that phrase, 0..1, before any learning
    phrases: Sequence[Reading]

    def reasons(self, words: Iterable[str], text: str) -> tuple[str, ...]:
        """The words of the question that its phrases hold too, in the order given; or what is common to both."""
        held = (word for word in words if any(word in phrase.text for phrase in self.phrases))
        found = tuple(islice(held, _REASONS))
        common = "" if found else _longest_common(text, self.matched)
        return found or ((common,) if len(common) > 1 else ())


def _longest_common(text: str, other: str) -> str:
    """The longest run of characters that two texts share; the first of several."""
    best = ""
    for start in range(len(text)):
        while text[start : start + len(best) + 1] in other and start + len(best) < len(text):
            best = text[start : start + len(best) + 1]
    return best


@dataclass(frozen=True, slots=True)
class Weighed:
    """All candidates for one question with what was compared: what the ranker sees."""

    candidates: tuple[Candidate, ...]
    rows: Features  # one per candidate, columns as in ENTRY_FEATURES
    nothing: Features  # as in NONE_FEATURES
    words: tuple[str, ...]  # of the question, rarest first
    text: str  # the question as read


def compare(question: Question, places: Places, picked: Sequence[Picked]) -> Weighed:
    """Compare a question with its candidates."""
    words, text = _rare_words(question, places), question.reading.text
    if not picked:
        empty = np.zeros((0, len(ENTRY_FEATURES)))
        return Weighed((), empty, _nothing(question, 0.0, 0.0, 0.0), words, text)
    phrases = _compare_phrases(question, places, picked)
    wholes = _compare_wholes(question, places, [one.known.number for one in picked])
    single = _compare_singly(question, places, picked, phrases.best, words)
    rows = np.hstack([phrases.columns, wholes, single[:, :-1], phrases.behind[:, None], single[:, -1:]])
    candidates = tuple(
        Candidate(one.known.entry, one.written[place - start], phrases.best_like - behind, one.phrases)
        for one, place, start, behind in zip(
            picked, phrases.best, phrases.starts, phrases.behind.tolist(), strict=True
        )
    )
    body, meaning = float(wholes[:, 0].max()), float(wholes[:, _MEANING].max())
    return Weighed(candidates, rows, _nothing(question, phrases.best_like, body, meaning), words, text)


# What is compared with an entry as a whole, in the order of ENTRY_FEATURES.
_WHOLE = ENTRY_FEATURES[ENTRY_FEATURES.index("body") : ENTRY_FEATURES.index("category")]
_MEANING = _WHOLE.index("meaning")


@dataclass(frozen=True, slots=True)
class _Phrases:
    """What came of comparing the phrases of all candidates, one candidate after the other."""

    columns: Features  # per candidate: "characters" to "title" of ENTRY_FEATURES
    behind: Features
    best: Sequence[int]  # per candidate: the place of its phrase that is most like the question
    starts: Sequence[int]  # per candidate: the place of its first phrase, the title
    best_like: float


def _compare_phrases(question: Question, places: Places, picked: Sequence[Picked]) -> _Phrases:
    starts = list(accumulate((len(one.numbers) for one in picked), initial=0))
    like, table = _phrase_table(question, places, picked)
    likes = like.tolist()
    spans = list(pairwise(starts))
    best = [max(range(*span), key=likes.__getitem__) for span in spans]
    best_words = np.maximum.reduceat(table[:, _WORDS], starts[:-1])
    means = np.add.reduceat(table[:, [_ASKED, _WORDS]], starts[:-1]) / np.diff(starts)[:, None]
    columns = np.column_stack([table[best], best_words, means, like[starts[:-1]]])
    best_like = max(likes)
    return _Phrases(columns, best_like - like[best], best, starts[:-1], best_like)


_WORDS = ENTRY_FEATURES.index("words")
_ASKED = ENTRY_FEATURES.index("asked")


def _phrase_table(question: Question, places: Places, picked: Sequence[Picked]) -> tuple[Features, Features]:
    """Per phrase: its likeness, and the columns "characters" to "covered" of ENTRY_FEATURES."""
    readings = [reading for one in picked for reading in one.phrases]
    shared, own = places.phrases.overlaps(
        question.in_phrases, [number for one in picked for number in one.numbers]
    )
    asked = question.in_phrases.squares
    ratio = _ratios(question.reading.text, [reading.text for reading in readings])
    sound_ratio = _ratios(question.reading.sound, [reading.sound for reading in readings])
    total, mine, every = shared.sum(1), own.sum(1), asked.sum()
    cosines = [
        _cosine(shared[:, kinds].sum(1), own[:, kinds].sum(1), asked[kinds].sum()) for kinds in _GROUPS
    ]
    like = 0.4 * _cosine(total, mine, every) + 0.3 * ratio + 0.3 * sound_ratio
    shares = (total / (every + _TINY), total / (mine + _TINY))
    return like.round(5), np.column_stack([*cosines, ratio, sound_ratio, *shares])


_GROUPS = ([TermKind.UNIT, TermKind.PAIR], [TermKind.WORD], [TermKind.SOUND])


def _ratios(text: str, others: Sequence[str]) -> Features:
    found: Features = process.cdist([text], others, scorer=fuzz.ratio, dtype=np.float64)[0] / 100
    return found


def _cosine(shared: Features, own: Features, asked: float) -> Features:
    found: Features = shared / np.sqrt(own * asked + _TINY)
    return found


def _compare_wholes(question: Question, places: Places, numbers: Sequence[int]) -> Features:
    """Per candidate: the columns of _WHOLE."""
    body = _shares(question.in_bodies, places.bodies, numbers)
    text = _shares(question.in_texts, places.texts, numbers)
    meaning = places.body_meanings[numbers] @ question.meaning
    text_meaning = places.text_meanings[numbers] @ question.meaning
    behind = meaning.max() - meaning
    columns = (body[0], body[1], text[0], text[1], body[2], text[2], meaning, text_meaning, behind)
    return np.column_stack(columns).astype(np.float64).round(5)


def _shares(query: Query, place: Postings, numbers: Sequence[int]) -> tuple[Features, Features, Features]:
    """Per document: the share of the question that it covers, that of its words, and the cosine of both."""
    shared, own = place.overlaps(query, numbers)
    total, asked = shared.sum(1), query.squares.sum()
    words = shared[:, TermKind.WORD] / (query.squares[TermKind.WORD] + _TINY)
    return total / (asked + _TINY), words, _cosine(total, own.sum(1), asked)


def _rare_words(question: Question, places: Places) -> tuple[str, ...]:
    """The words of the question that entries know, rarest first."""
    mark = str(int(TermKind.WORD))
    words = [term for term in question.reading.terms if term[0] == mark]
    numbers = {term: number for term in words if (number := places.bodies.number(term)) >= 0}
    ordered = sorted(numbers, key=lambda term: (-float(places.bodies.weights[numbers[term]]), term))
    return tuple(term[1:] for term in ordered)


def _compare_singly(
    question: Question, places: Places, picked: Sequence[Picked], best: Sequence[int], words: Sequence[str]
) -> Features:
    """Per candidate: the columns "category" to "inside" of ENTRY_FEATURES, and "rarest"."""
    rarest = places.bodies.number(f"{int(TermKind.WORD)}{words[0]}") if words else -1
    rows = []
    start = 0
    for one, place in zip(picked, best, strict=True):
        phrase = one.phrases[place - start]
        start += len(one.phrases)
        holds_rarest = rarest in places.bodies.of_document[one.known.number]
        rows.append(
            (
                *_category(question, one.known),
                *_agreement(question.reading, one.known, phrase),
                float(holds_rarest),
            )
        )
    return np.array(rows)


def _category(question: Question, known: Known) -> tuple[float, float]:
    score = question.scores.get(known.entry.category.value, 0.0) if question.scores else 1 / 12
    return score, math.log(score + 0.02)


def _agreement(asked: Reading, known: Known, phrase: Reading) -> tuple[float, ...]:
    """What the two agree and differ in, apart from their words."""
    is_same = asked.text == phrase.text
    is_inside = min(len(asked.text), len(phrase.text)) > _SHORT and (
        asked.text in phrase.text or phrase.text in asked.text
    )
    return (
        float(min(2, sum(keyword in asked.text for keyword in known.keywords if keyword))),
        float(asked.asks & phrase.asks != 0),
        float(asked.asks & known.title_asks != 0),
        _ask_share(asked.asks, known.ask_shares),
        float(asked.asks & TELLING & ~known.asks != 0),
        float(known.title_asks & TELLING & ~asked.asks != 0),
        float(asked.asks != 0 and phrase.asks != 0 and asked.asks & phrase.asks == 0),
        float(not asked.numbers.isdisjoint(known.numbers)),
        float(bool(asked.numbers) and asked.numbers.isdisjoint(known.numbers)),
        float(asked.is_negated != phrase.is_negated),
        float(is_same),
        float(is_inside and not is_same),
    )


def _ask_share(asks: int, shares: Sequence[float]) -> float:
    """The mean share of an entry's phrases that ask for each of these."""
    wanted = [share for place, share in enumerate(shares) if asks >> place & 1]
    return sum(wanted) / len(wanted) if wanted else 0.0


def _nothing(question: Question, best_like: float, best_body: float, best_meaning: float) -> Features:
    length = len(question.reading.text)
    return np.array(
        [
            1.0,
            question.scores.get(OOS, 0.0),
            question.in_bodies.unknown,
            math.log1p(length),
            float(length <= _SHORT),
            best_like,
            best_body,
            best_meaning,
        ]
    )
