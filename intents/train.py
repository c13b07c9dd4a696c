"""Fit and calibrate the models of categories and acts; needs scikit-learn, which the running program does not."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intents.acts import FILLER, likely_act, phrases, told_act
from intents.categories import OOS
from intents.corpus import NO_ACT, Sample, read_corpus
from intents.duplicates import near_duplicates
from intents.features import cues_in, features
from intents.measure import accuracy, calibration_error, macro_f1
from intents.model import Model, text_of, weigh
from intents.text import Tokenizer, normalise
from intents.understand import ACT_WEIGHTS

__all__ = ["Figures", "Report", "Sample", "read_corpus", "train"]

_FOLDS = 5
_STRENGTH = 20.0  # inverse of the regularisation
_RARE = 2  # a feature that only one utterance has teaches nothing
_MOST_FEATURES = {"category": 70_000, "act": 12_000}  # keeps the weights below 4 MB
_TERM_WEIGHT = 0.7  # a term of the lexicon, against a whole utterance
_ACT_WEIGHT = 4.0  # an act, against the many more utterances that are none
_STRANGE = 2.5  # odds for out of scope: of a hundred jokes three fewer get through, of a thousand needs six more are refused
_CURVE = (0.1, 0.25, 0.5, 0.75, 1.0)

Counts = Mapping[str, int]
Matrix = NDArray[np.float64]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one development split says."""

    accuracy: float
    with_second: float  # counting the second category of an utterance as right
    macro_f1: float
    calibration_error: float
    oos_caught: float  # share of the out-of-scope utterances that are seen as such
    needs_refused: float  # share of the real needs that are taken for out of scope
    by_style: Mapping[str, float] = field(default_factory=dict)
    by_label: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """The figures in one line."""
        return (
            f"{self.accuracy:.1%} right, {self.with_second:.1%} with the second category, "
            f"macro-F1 {self.macro_f1:.3f}, ECE {self.calibration_error:.3f}, "
            f"out of scope {self.oos_caught:.1%} caught, {self.needs_refused:.1%} of needs refused"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What was trained on, and how well it does on what it had not seen."""

    samples: int  # utterances read from the corpus
    repeated: int  # pairs of them that are nearly the same
    cells: Figures  # unseen cells of topic and style: known topics, asked otherwise
    topics: Figures  # unseen topics
    acts_right: float  # share of the acts that are recognised, rules and model together
    acts_invented: float  # share of the other utterances in which an act is seen
    curve: tuple[tuple[int, float], ...]  # utterances of the corpus -> accuracy on unseen cells
    held_out: "HeldOut"  # scores of texts that the scoring model has not seen

    def __str__(self) -> str:
        """The report in a few lines, for a terminal."""
        return "\n".join(
            [
                f"utterances            {self.samples:,}, {self.repeated} pairs nearly the same",
                f"unseen cells          {self.cells}",
                f"unseen topics         {self.topics}",
                f"acts                  {self.acts_right:.1%} recognised, {self.acts_invented:.1%} invented",
                "learning curve        "
                + ", ".join(f"{count:,}: {share:.1%}" for count, share in self.curve),
                "by style              " + _listed(self.cells.by_style),
                "by category           " + _listed(self.cells.by_label),
            ]
        )


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items())


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Classifies a text by the model that was fitted without the sample it was made from."""

    tokenizer: Tokenizer
    folds: Mapping[str, int]  # text of a sample -> the fold that was fitted without it
    models: tuple[Model, ...]

    def __call__(self, text: str, origin: str) -> dict[str, float]:
        """The twelve scores of a text that was made from the sample `origin`, or from none."""
        return self.models[self.folds.get(origin, 0)].scores(features(text, self.tokenizer))


@dataclass(frozen=True, slots=True)
class _Data:
    """Samples with their features and the labels to be learnt."""

    samples: Sequence[Sample]
    counts: Sequence[Counts]
    labels: Sequence[str]

    def part(self, is_wanted: Iterable[bool]) -> "_Data":
        rows = [row for row, wanted in enumerate(is_wanted) if wanted]
        return _Data(
            [self.samples[row] for row in rows],
            [self.counts[row] for row in rows],
            [self.labels[row] for row in rows],
        )


@dataclass(frozen=True, slots=True)
class _Linear:
    """A fitted model before it is calibrated and written."""

    labels: list[str]
    places: Mapping[str, int]
    idf: Matrix
    weights: Matrix
    bias: Matrix


def train(samples: Sequence[Sample], out: Path, *, progress: Progress = lambda _: None) -> Report:
    """Fit both models, write them to `out` and beside it, and report what the development split says.

    The same samples give the same bytes.
    """
    from threadpoolctl import threadpool_limits

    # One thread: sums in another order would give other last digits.
    with threadpool_limits(1):
        return _train(samples, out, progress)


def _train(samples: Sequence[Sample], out: Path, progress: Progress) -> Report:
    samples = [*samples, *_phrase_samples()]
    tokenizer = Tokenizer.load()
    counts = [features(sample.text, tokenizer) for sample in samples]
    needs = _Data(samples, counts, [sample.label for sample in samples]).part(bool(s.label) for s in samples)
    # Terms are no sentences, and some entries answer what is an act: whom to complain to about us.
    acts = _Data(samples, counts, [sample.act for sample in samples]).part(
        s.source in ("corpus", "phrases") for s in samples
    )
    progress("categories: unseen cells of topic and style")
    cells, models = _out_of_fold(needs, by_topic=False)
    progress("categories: unseen topics")
    topics, _ = _out_of_fold(needs, by_topic=True)
    progress("acts")
    act_logits, _ = _out_of_fold(acts, by_topic=False)
    progress("learning curve")
    curve = _curve(needs)
    progress("the models themselves")
    developed = _developed(needs)
    temperature = _temperature(np.vstack([cells, topics]), [*developed.labels, *developed.labels], needs)
    act_temperature = _temperature(act_logits, _developed(acts).labels, acts)
    out.write_text(_text(needs, temperature, _MOST_FEATURES["category"]), encoding="utf-8")
    act_text = _text(acts, act_temperature, _MOST_FEATURES["act"])
    out.with_name(ACT_WEIGHTS).write_text(act_text, encoding="utf-8")
    right, invented = _act_figures(acts, act_logits / act_temperature)
    return Report(
        samples=sum(sample.source != "phrases" for sample in samples),
        repeated=sum(1 for _ in near_duplicates([s for s in samples if _is_developed(s)])),
        cells=_figures(needs, cells / temperature),
        topics=_figures(needs, topics / temperature),
        acts_right=right,
        acts_invented=invented,
        curve=curve,
        held_out=HeldOut(
            tokenizer,
            {sample.text: sample.fold(_FOLDS) for sample in needs.samples},
            tuple(_model(linear, temperature) for linear in models),
        ),
    )


def _model(linear: _Linear, temperature: float) -> Model:
    return Model(
        tuple(linear.labels),
        linear.places,
        linear.idf.astype(np.float32),
        (linear.weights / temperature).astype(np.float32),
        _calibrated_bias(linear, temperature).astype(np.float32),
    )


def _calibrated_bias(linear: _Linear, temperature: float) -> Matrix:
    """The bias under the temperature, with the odds for out of scope (the acts have no such label)."""
    is_oos = np.array([label == OOS for label in linear.labels])
    found: Matrix = linear.bias / temperature + np.where(is_oos, np.log(_STRANGE), 0.0)
    return found


def _phrase_samples() -> list[Sample]:
    """The phrases that the rules of acts know, for the model to know them too."""
    return [
        Sample(phrase, "", name, "terse", "phrases", source="phrases")
        for phrase, names in phrases().items()
        for name in sorted(names - {FILLER})
    ]


# --- fitting ---


def _fit(data: _Data, *, most: int | None = None) -> _Linear:
    """One logistic regression per label against the rest; with `most`, again over its strongest features."""
    linear = _fit_over(data, _vocabulary(data))
    if most is None or len(linear.places) <= most:
        return linear
    document_counts = _document_counts(data)
    frequency = np.array([document_counts[key] for key in linear.places], np.float64)
    strength = np.sqrt(frequency) * np.abs(linear.weights).max(axis=1)
    keys = list(linear.places)
    kept = np.argsort(-strength, kind="stable")[:most]
    return _fit_over(data, sorted(keys[row] for row in kept))


def _document_counts(data: _Data) -> Counter[str]:
    return Counter(key for counts in data.counts for key in counts)


def _vocabulary(data: _Data) -> list[str]:
    return sorted(key for key, count in _document_counts(data).items() if count >= _RARE)


def _fit_over(data: _Data, keys: Sequence[str]) -> _Linear:
    from sklearn.linear_model import LogisticRegression

    places = {key: place for place, key in enumerate(keys)}
    document_counts = _document_counts(data)
    seen = np.array([document_counts[key] for key in keys], np.float64)
    idf: Matrix = np.log((1 + len(data.samples)) / (1 + seen)) + 1
    matrix = _matrix(data.counts, places, idf)
    labels = sorted(set(data.labels))
    importance = np.array([_importance(label, s) for label, s in zip(data.labels, data.samples, strict=True)])
    weights = np.zeros((len(keys), len(labels)))
    bias = np.zeros(len(labels))
    for column, label in enumerate(labels):
        # The dual is solved five times as fast here and differs in the second decimal of a logit.
        one = LogisticRegression(
            C=_STRENGTH, solver="liblinear", dual=True, tol=0.01, max_iter=500, random_state=0
        )
        one.fit(matrix, np.array([other == label for other in data.labels]), sample_weight=importance)
        weights[:, column], bias[column] = one.coef_[0], one.intercept_[0]
    return _Linear(labels, places, idf, weights, bias)


def _importance(label: str, sample: Sample) -> float:
    if label == sample.act and label != NO_ACT:
        return _ACT_WEIGHT
    return _TERM_WEIGHT if sample.source == "terms" else 1.0


def _matrix(counts: Sequence[Counts], places: Mapping[str, int], idf: Matrix) -> Any:
    from scipy.sparse import csr_matrix

    starts, columns, values = [0], [], []
    for one in counts:
        rows, weighed = weigh(one, places, idf)
        columns += rows
        values.append(weighed)
        starts.append(len(columns))
    return csr_matrix((np.concatenate(values), columns, starts), shape=(len(counts), len(places)))


def _text(data: _Data, temperature: float, most: int) -> str:
    linear = _fit(data, most=most)
    return text_of(
        linear.labels,
        list(linear.places),
        linear.idf,
        linear.weights / temperature,
        _calibrated_bias(linear, temperature),
    )


# --- development split ---


def _is_developed(sample: Sample) -> bool:
    """Only utterances written as such are judged; questions of entries and terms are only learnt from."""
    return sample.source == "corpus"


def _developed(data: _Data) -> _Data:
    return data.part(map(_is_developed, data.samples))


def _out_of_fold(data: _Data, *, by_topic: bool) -> tuple[Matrix, list[_Linear]]:
    """For every judged sample, the numbers of a model that was fitted without its fold; and those models."""
    folds = [s.fold(_FOLDS, by_topic=by_topic) if s.source != "terms" else -1 for s in data.samples]
    found = np.zeros((len(data.samples), len(set(data.labels))))
    models = []
    for fold in range(_FOLDS):
        linear = _fit(data.part(other != fold for other in folds))
        models.append(linear)
        rows = [row for row, other in enumerate(folds) if other == fold]
        matrix = _matrix([data.counts[row] for row in rows], linear.places, linear.idf)
        found[rows] = matrix @ linear.weights + linear.bias
    judged: Matrix = found[[_is_developed(sample) for sample in data.samples]]
    return judged, models


def _probabilities(logits: Matrix) -> Matrix:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Matrix = powers / powers.sum(axis=1, keepdims=True)
    return found


def _temperature(logits: Matrix, truth: Sequence[str], data: _Data) -> float:
    """The divisor under which the probabilities fit best what was true."""
    labels = sorted(set(data.labels))
    columns = [labels.index(label) for label in truth]
    rows = np.arange(len(columns))

    def loss(temperature: float) -> float:
        return float(-np.log(_probabilities(logits / temperature)[rows, columns] + 1e-12).mean())

    return min((round(float(value), 3) for value in np.geomspace(0.2, 5, 120)), key=loss)


def _figures(data: _Data, logits: Matrix) -> Figures:
    labels = sorted(set(data.labels))
    judged = _developed(data)
    shares = _probabilities(logits)
    found = [labels[column] for column in shares.argmax(axis=1)]
    truth = list(judged.labels)
    is_right = [a == b for a, b in zip(truth, found, strict=True)]
    pairs = list(zip(judged.samples, truth, found, strict=True))
    strangers = [answer == OOS for _, label, answer in pairs if label == OOS]
    needs = [answer == OOS for _, label, answer in pairs if label != OOS]
    return Figures(
        accuracy=accuracy(truth, found),
        with_second=_mean(answer in (label, sample.second) for sample, label, answer in pairs),
        macro_f1=macro_f1(truth, found),
        calibration_error=calibration_error(shares.max(axis=1).tolist(), is_right),
        oos_caught=_mean(strangers),
        needs_refused=_mean(needs),
        by_style=_shares((sample.style, label == answer) for sample, label, answer in pairs),
        by_label=_shares((label, label == answer) for _, label, answer in pairs),
    )


def _mean(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / max(len(found), 1)


def _shares(pairs: Iterable[tuple[str, bool]]) -> dict[str, float]:
    groups: dict[str, list[bool]] = {}
    for name, is_right in pairs:
        groups.setdefault(name, []).append(is_right)
    return {name: _mean(group) for name, group in sorted(groups.items())}


def _act_figures(data: _Data, logits: Matrix) -> tuple[float, float]:
    labels = sorted(set(data.labels))
    judged = _developed(data)
    hits, inventions = [], []
    for sample, counts, row in zip(judged.samples, judged.counts, _probabilities(logits), strict=True):
        scores = dict(zip(labels, row.tolist(), strict=True))
        found = told_act(normalise(sample.text)) or likely_act(scores, cues_in(counts), need=0.0)
        if sample.act == NO_ACT:
            inventions.append(found is not None)
        else:
            hits.append(found == sample.act)
    return _mean(hits), _mean(inventions)


def _curve(data: _Data) -> tuple[tuple[int, float], ...]:
    folds = [s.fold(_FOLDS) if _is_developed(s) else -1 for s in data.samples]
    test = data.part(fold == 0 for fold in folds)
    found = []
    for share in _CURVE:
        # Another fold count cuts the corpus independently of the split itself.
        known = data.part(
            fold != 0 and (fold < 0 or _lot(sample.text) < share)
            for sample, fold in zip(data.samples, folds, strict=True)
        )
        linear = _fit(known)
        numbers = _matrix(test.counts, linear.places, linear.idf) @ linear.weights + linear.bias
        answers = [linear.labels[column] for column in numbers.argmax(axis=1)]
        found.append((sum(map(_is_developed, known.samples)), round(accuracy(list(test.labels), answers), 4)))
    return tuple(found)


def _lot(text: str) -> float:
    """A number from 0 to 1 that only depends on the text."""
    from zlib import crc32

    return crc32(text.encode()) / 2**32
