"""Plain methods that understanding and retrieval are held against; every text comes to them normalised."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from intents.categories import OOS

Classify = Callable[[str], str]
Cut = Callable[[str], list[str]]
_PHRASES = 64  # enough that three entries are among them


class Likeness(Protocol):
    """Compares a text with all of a fixed list."""

    def nearest(self, text: str, count: int) -> list[tuple[int, float]]:
        """The numbers of those most like it, best first, each with how much."""
        ...


class Fuzzy:
    """rapidfuzz's ratio of characters."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def nearest(self, text: str, count: int) -> list[tuple[int, float]]:
        """The highest ratios."""
        if count == 1:
            best = process.extractOne(text, self._texts, scorer=fuzz.ratio)
            return [(best[2], best[1])] if best else []
        found = process.extract(text, self._texts, scorer=fuzz.ratio, limit=count)
        return [(number, score) for _, score, number in found]


class Bm25:
    """Okapi BM25 over words; common words count little, but never against."""

    def __init__(self, texts: Sequence[str], cut: Cut, *, k1: float = 1.5, b: float = 0.75) -> None:
        self._cut = cut
        self._count = len(texts)
        counts = [Counter(cut(text)) for text in texts]
        sizes = np.array([one.total() for one in counts], np.float64)
        damping = k1 * (1 - b + b * sizes / max(sizes.mean(), 1.0))
        held: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, one in enumerate(counts):
            for word, times in one.items():
                held[word].append((number, times))
        self._weights: dict[str, tuple[NDArray[np.intp], NDArray[np.float64]]] = {}
        for word, places in held.items():
            rows = np.array([number for number, _ in places], np.intp)
            times_in = np.array([times for _, times in places], np.float64)
            rarity = np.log1p((self._count - len(rows) + 0.5) / (len(rows) + 0.5))
            self._weights[word] = rows, rarity * times_in * (k1 + 1) / (times_in + damping[rows])

    def nearest(self, text: str, count: int) -> list[tuple[int, float]]:
        """The highest sums over the words of the text."""
        scores = np.zeros(self._count)
        for word in self._cut(text):
            if word in self._weights:
                rows, weights = self._weights[word]
                scores[rows] += weights
        return _highest(scores, count)


class Cosine:
    """TF-IDF of single characters and pairs, compared by cosine."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
        self._matrix: Any = self._vectors.fit_transform(texts)

    def nearest(self, text: str, count: int) -> list[tuple[int, float]]:
        """The highest cosines."""
        scores = self._matrix @ self._vectors.transform([text]).T
        return _highest(scores.toarray().ravel(), count)


def _highest(scores: NDArray[np.float64], count: int) -> list[tuple[int, float]]:
    """Those above 0; of equal ones the first."""
    order = np.argsort(-scores, kind="stable")[:count]
    return [(int(number), float(scores[number])) for number in order if scores[number] > 0]


def by_neighbours(likeness: Likeness, labels: Sequence[str], *, count: int) -> Classify:
    """The label to which the nearest are most like; a text that is like none is out of scope."""

    def classify(text: str) -> str:
        votes: dict[str, float] = defaultdict(float)
        for number, score in likeness.nearest(text, count):
            votes[labels[number]] += score
        return max(votes, key=votes.__getitem__, default=OOS)

    return classify


def by_keywords(terms: Mapping[str, str]) -> Classify:
    """Every term that stands in a text votes for its label; of equal votes those with the longest term win."""

    def classify(text: str) -> str:
        found = [term for term in terms if term in text]
        votes = Counter(terms[term] for term in found)
        longest = {terms[term]: len(term) for term in sorted(found, key=len)}
        return max(votes, key=lambda label: (votes[label], longest[label], label), default=OOS)

    return classify


def by_regression(texts: Sequence[str], labels: Sequence[str], *, rarest: int = 2) -> Classify:
    """TF-IDF of one to four characters and a logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True, min_df=rarest)
    model = LogisticRegression(C=10, max_iter=200, tol=1e-3)
    model.fit(vectors.fit_transform(texts), labels)
    return lambda text: str(model.predict(vectors.transform([text]))[0])


def entries_by(likeness: Likeness, owners: Sequence[str], *, count: int) -> Callable[[str], list[str]]:
    """The entries whose phrases are most like a text, best first."""

    def look_up(text: str) -> list[str]:
        found = dict.fromkeys(owners[number] for number, _ in likeness.nearest(text, _PHRASES))
        return list(found)[:count]

    return look_up
