"""The index of one release: question -> entries with the probability that they answer it, best first."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from intents.text import normalise
from knowledge import meaning
from knowledge import ranker as weights
from knowledge.entries import Entry, Release
from knowledge.likeness import Known, Picked, Places, Question, Weighed, compare
from knowledge.meaning import Meanings
from knowledge.postings import Floats, Ints, Postings
from knowledge.ranker import Ranker
from knowledge.reading import ASKS, Reading, Words, numbers_in, read

_LOOKED_AT = 64  # phrases of the whole index, before they are grouped by entry
_BY_PHRASES = 10  # entries taken because one of their phrases is like the question
_BY_BODY = 4  # entries taken because all their phrases together are
_BY_MEANING = 10  # entries taken because they are about the same
_TEXT_MEANING = 0.6  # what the answers are about, beside what the phrases are about
_EACH = 10  # phrases of one entry that are compared
_TYPICAL_SIZE = 30.0  # terms of a phrase; longer ones match more by chance
_MANY_TIES = 4  # times as many as wanted: too alike to be worth sorting


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that may answer the question."""

    entry: Entry
    score: float  # calibrated probability that it does, 0..1
    matched: str  # the phrase of the entry that is most like the question
    reasons: tuple[str, ...]  # the words that speak for it, rarest first


@dataclass(frozen=True, slots=True)
class Phrase:
    """A title or question of an entry, as written and as read."""

    entry_id: str
    text: str
    reading: Reading  # its terms stand in the postings only


@dataclass(frozen=True, slots=True)
class _Valid:
    """Which documents may be given on one day."""

    bodies: NDArray[np.bool_]
    phrases: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Index:
    """One release, ready to be searched. Immutable: a change gives a new index that shares the rest."""

    release: Release
    tokenizer: Words
    ranker: Ranker
    meanings: Meanings
    known: Mapping[str, Known]
    phrases: tuple[Phrase | None, ...]  # None: removed
    owners: tuple[str, ...]  # entry ids by the number of their body; "": removed
    owner_of: Ints  # per phrase: the number of its entry's body
    places: Places
    _days: dict[date, _Valid] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def build(
        cls,
        release: Release,
        tokenizer: Words,
        *,
        ranker: Ranker | None = None,
        meanings: Meanings | None = None,
    ) -> "Index":
        """Index every entry of a release; weights and vectors are those that ship unless others are given."""
        meant = meanings or meaning.shipped()
        none = np.zeros((0, meant.size), np.float32)
        # Each with a vocabulary of its own: it grows with what is added there.
        phrases, bodies, texts = (Postings.build(()) for _ in range(3))
        places = Places(phrases, bodies, texts, none, none)
        owner_of: Ints = np.zeros(0, np.int32)
        nothing = cls(
            Release.of(()), tokenizer, ranker or weights.shipped(), meant, {}, (), (), owner_of, places
        )
        return nothing.updated(release)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, also those that may not be given, in the order of their ids."""
        return self.release.entries

    def entry(self, entry_id: str) -> Entry | None:
        """The entry of that id, if there is one."""
        known = self.known.get(entry_id)
        return known.entry if known else None

    def asks(self, entry_id: str) -> int:
        """Everything that the phrases of an entry ask for, as a bit set over `reading.ASKS`."""
        known = self.known.get(entry_id)
        return known.asks if known else 0

    def with_entry(self, entry: Entry) -> "Index":
        """This index with an entry added or replaced; nothing else is read again."""
        rest = (other for other in self.release.entries if other.id != entry.id)
        return self.updated(Release.of((*rest, entry), number=self.release.number))

    def without_entry(self, entry_id: str) -> "Index":
        """This index without the entry of that id, if it was there."""
        rest = (entry for entry in self.release.entries if entry.id != entry_id)
        return self.updated(Release(self.release.number, tuple(rest)))

    def changed(self, release: Release) -> list[Entry]:
        """The entries of a release that this index does not hold, or holds otherwise."""
        known = self.known
        return [entry for entry in release.entries if entry.id not in known or known[entry.id].entry != entry]

    def updated(self, release: Release) -> "Index":
        """This index, holding exactly that release; only what changed is read."""
        changed = self.changed(release)
        kept = {entry.id for entry in release.entries} - {entry.id for entry in changed}
        return replace(self._only(kept)._plus(changed), release=release)

    def _only(self, kept: Set[str]) -> "Index":
        gone = [known for entry_id, known in self.known.items() if entry_id not in kept]
        if not gone:
            return self
        phrases, owners = list(self.phrases), list(self.owners)
        for known in gone:
            owners[known.number] = ""
            for number in known.phrases:
                phrases[number] = None
        numbers = [known.number for known in gone]
        return replace(
            self,
            known={entry_id: known for entry_id, known in self.known.items() if entry_id in kept},
            phrases=tuple(phrases),
            owners=tuple(owners),
            places=Places(
                self.places.phrases.minus(number for known in gone for number in known.phrases),
                self.places.bodies.minus(numbers),
                self.places.texts.minus(numbers),
                self.places.body_meanings,
                self.places.text_meanings,
            ),
            _days={},
        )

    def search(
        self, text: str, *, today: date, scores: Mapping[str, float] | None = None, limit: int = 5
    ) -> list[Hit]:
        """The entries that answer a text on that day, best first; those without a text for it never come.

        `scores` is the classification of the text (`Understanding.scores`); without it none is favoured.
        """
        weighed = self.weigh(text, today=today, scores=scores)
        shares = np.round(self.ranker.probabilities(weighed.rows, weighed.nothing), 6).tolist()
        ranked = sorted(
            zip(shares, weighed.candidates, strict=True), key=lambda pair: (-pair[0], pair[1].entry.id)
        )
        return [
            Hit(one.entry, share, one.matched, one.reasons(weighed.words, weighed.text))
            for share, one in ranked[:limit]
        ]

    def weigh(self, text: str, *, today: date, scores: Mapping[str, float] | None = None) -> Weighed:
        """Find the candidates and compare them with the text."""
        reading = read(text, self.tokenizer)
        question = Question(
            reading,
            self.places.phrases.query(reading.terms),
            self.places.bodies.query(reading.terms),
            self.places.texts.query(reading.terms),
            self.meanings.of(reading),
            scores or {},
        )
        return compare(question, self.places, self._pick(question, self._valid_on(today)))

    def _pick(self, question: Question, valid: _Valid) -> list[Picked]:
        """The entries worth comparing: like the question in a phrase, as a whole, or in meaning."""
        places = self.places
        by_phrase = places.phrases.scores(question.in_phrases)
        by_phrase /= 0.5 + 0.5 * places.phrases.sizes / _TYPICAL_SIZE
        by_phrase *= valid.phrases
        by_body = places.bodies.scores(question.in_bodies) * valid.bodies
        by_meaning = places.body_meanings @ question.meaning
        by_meaning += _TEXT_MEANING * (places.text_meanings @ question.meaning)
        by_meaning = by_meaning.round(5) * valid.bodies
        phrases = _best(by_phrase, _LOOKED_AT, self._phrase_key)
        ids = dict.fromkeys(self._phrase_key(number)[0] for number in phrases)
        ids = dict.fromkeys(list(ids)[:_BY_PHRASES])
        ids |= dict.fromkeys(self.owners[number] for number in _best(by_body, _BY_BODY, self._owner_key))
        ids |= dict.fromkeys(
            self.owners[number] for number in _best(by_meaning, _BY_MEANING, self._owner_key)
        )
        return [self._picked(self.known[entry_id], by_phrase) for entry_id in ids]

    def _picked(self, known: Known, by_phrase: Floats) -> Picked:
        title, end = known.phrases[0], known.phrases[-1] + 1
        likest = np.argsort(-by_phrase[title + 1 : end], kind="stable")[: _EACH - 1]
        numbers = (title, *(likest + title + 1).tolist())
        phrases = [phrase for number in numbers if (phrase := self.phrases[number]) is not None]
        return Picked(
            known, numbers, [phrase.reading for phrase in phrases], [phrase.text for phrase in phrases]
        )

    def _phrase_key(self, number: int) -> tuple[str, str]:
        phrase = self.phrases[number]
        return (phrase.entry_id, phrase.text) if phrase else ("", "")

    def _owner_key(self, number: int) -> tuple[str, str]:
        return self.owners[number], ""

    def _valid_on(self, today: date) -> _Valid:
        found = self._days.get(today)
        if found is None:
            bodies = np.array([bool(owner and self._is_given(owner, today)) for owner in self.owners], bool)
            found = _Valid(bodies, bodies[self.owner_of])
            # One day at a time: the dictionary must not grow with the years.
            self._days.clear()
            self._days[today] = found
        return found

    def _is_given(self, entry_id: str, today: date) -> bool:
        return self.known[entry_id].entry.text_on(today) is not None

    def _plus(self, entries: Sequence[Entry]) -> "Index":
        if not entries:
            return self
        phrases, known = list(self.phrases), dict(self.known)
        terms: list[tuple[str, ...]] = []
        bodies: list[tuple[str, ...]] = []
        texts: list[tuple[str, ...]] = []
        body_meanings, text_meanings = [self.places.body_meanings], [self.places.text_meanings]
        for number, entry in enumerate(entries, len(self.owners)):
            asked = [self._read(text) for text in (entry.title, *entry.questions)]
            keywords = [self._read(keyword) for keyword in entry.keywords]
            known[entry.id] = _known(entry, number, len(phrases), asked, keywords)
            phrases += [
                Phrase(entry.id, text, replace(reading, terms=()))
                for text, reading in zip((entry.title, *entry.questions), asked, strict=True)
            ]
            terms += [reading.terms for reading in asked]
            bodies.append(_joined([*asked, *keywords]))
            lines = [self._read(part) for part in _parts(entry)]
            texts.append(_joined(lines))
            body_meanings.append(self.meanings.together(asked)[None])
            text_meanings.append(self.meanings.together(lines)[None])
        counts = [len(known[entry.id].phrases) for entry in entries]
        owners = np.arange(len(self.owners), len(self.owners) + len(entries), dtype=np.int32)
        return replace(
            self,
            known=known,
            phrases=tuple(phrases),
            owners=(*self.owners, *(entry.id for entry in entries)),
            owner_of=np.append(self.owner_of, np.repeat(owners, counts)),
            places=Places(
                self.places.phrases.plus(terms),
                self.places.bodies.plus(bodies),
                self.places.texts.plus(texts),
                np.concatenate(body_meanings),
                np.concatenate(text_meanings),
            ),
            _days={},
        )

    def _read(self, text: str) -> Reading:
        """Read a text; equal terms of many texts are one string in memory."""
        reading = read(text, self.tokenizer)
        return replace(reading, terms=tuple(sys.intern(term) for term in reading.terms))


def _known(
    entry: Entry, number: int, first: int, asked: Sequence[Reading], keywords: Sequence[Reading]
) -> Known:
    asks = [sum(reading.asks >> place & 1 for reading in asked) for place in range(len(ASKS))]
    named = [basis.number for text in entry.texts for basis in text.basis]
    numbers = numbers_in(normalise(" ; ".join([*named, *_parts(entry)])))
    return Known(
        entry,
        number,
        tuple(range(first, first + len(asked))),
        tuple(reading.text for reading in keywords),
        sum(1 << place for place, count in enumerate(asks) if count),
        tuple(count / len(asked) for count in asks),
        asked[0].asks,
        frozenset(numbers).union(*(reading.numbers for reading in (*asked, *keywords))),
    )


def _parts(entry: Entry) -> list[str]:
    """The sentences of its texts: what an answer says also tells what it is about."""
    return [
        line for text in entry.texts for line in f"{text.answer}\n{text.more}".splitlines() if line.strip()
    ]


def _joined(readings: Iterable[Reading]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(term for reading in readings for term in reading.terms))


def _best(scores: Floats, count: int, key: Callable[[int], tuple[str, str]]) -> list[int]:
    """The numbers of the highest scores above 0, best first; equal ones in the order of their keys."""
    found = _high(scores, count)
    held = scores[found]
    if len(found) > count:
        floor = np.partition(held, -count)[-count]
        best = found[held > floor]
        # Of very many equal ones it does not matter which.
        found = np.concatenate([best, found[held == floor][: _MANY_TIES * count]])
    return sorted(found.tolist(), key=lambda number: (-scores[number], key(number)))[:count]


def _high(scores: Floats, count: int) -> NDArray[np.intp]:
    """Numbers of scores above 0, at least as many as wanted if there are; most of the low ones are left out."""
    top = scores.max(initial=0.0)
    for share in (0.5, 0.25):
        found = np.flatnonzero(scores > share * top)
        if len(found) >= count:
            return found
    return np.flatnonzero(scores > 0)
