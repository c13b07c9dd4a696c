"""A linear model over text features: label -> calibrated probability, and the features that spoke for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_HEAD = "#labels"
_SCALE = "#scale"
_BIAS = "#bias"
IDF_UNIT = 100  # stored inverse document frequencies are hundredths


def shipped(name: str) -> Path:
    """A data file of this package."""
    return Path(str(files("intents") / "data" / name))


@dataclass(frozen=True, slots=True)
class Model:
    """Weights as they stand in a text file; `Model.load` reads what `text_of` writes."""

    labels: tuple[str, ...]
    places: Mapping[str, int]  # feature -> row
    idf: Floats
    weights: Floats  # rows: features, columns: labels
    bias: Floats

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a weights file. Raises ValueError where it is none."""
        return parse(path.read_text(encoding="utf-8"))

    def logits(self, counts: Mapping[str, int]) -> Floats:
        """One number per label; their softmax are the probabilities."""
        rows, values = weigh(counts, self.places, self.idf)
        if not rows:
            return self.bias
        found: Floats = values @ self.weights[rows] + self.bias
        return found

    def scores(self, counts: Mapping[str, int]) -> dict[str, float]:
        """The probability of every label; they sum to 1."""
        return dict(zip(self.labels, softmax(self.logits(counts)).tolist(), strict=True))

    def evidence(self, counts: Mapping[str, int], label: str) -> list[tuple[str, float]]:
        """The features that speak for a label against the others, strongest first."""
        rows, values = weigh(counts, self.places, self.idf)
        if not rows:
            return []
        column = self.labels.index(label)
        weights = self.weights[rows]
        gains = values * (weights[:, column] - weights.mean(axis=1))
        known = [key for key in counts if key in self.places]
        ranked = sorted(zip(known, gains.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        return [(key, gain) for key, gain in ranked if gain > 0]


def weigh(
    counts: Mapping[str, int], places: Mapping[str, int], idf: NDArray[Any]
) -> tuple[list[int], NDArray[Any]]:
    """Sublinear TF-IDF of unit length over the known features, as their places and values."""
    rows: list[int] = []
    logs: list[float] = []
    for key, count in counts.items():
        row = places.get(key)
        if row is not None:
            rows.append(row)
            logs.append(1.0 if count == 1 else 1.0 + math.log(count))
    values = np.array(logs, idf.dtype) * idf[rows]
    length = np.sqrt(values @ values)
    return rows, values / (length or 1.0)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of one row of numbers."""
    powers = np.exp((logits - logits.max()).astype(np.float64))
    found: NDArray[np.float64] = powers / powers.sum()
    return found


def parse(text: str) -> Model:
    """Read the text of a weights file. Raises ValueError where it is none."""
    lines = [line for line in text.split("\n") if line]
    head = {name: rest.split("\t") for name, _, rest in (line.partition("\t") for line in lines[:4])}
    if not {_HEAD, _SCALE, _BIAS} <= head.keys():
        raise ValueError("not a weights file")
    body = [line.partition("\t") for line in lines if not line.startswith("#")]
    labels = tuple(head[_HEAD])
    numbers = np.fromstring("\t".join(rest for _, _, rest in body), dtype=np.int64, sep="\t")
    table = numbers.astype(np.float32).reshape(len(body), len(labels) + 1)
    scale = np.float32(float(head[_SCALE][0]))
    return Model(
        labels,
        {key: row for row, (key, _, _) in enumerate(body)},
        table[:, 0] / np.float32(IDF_UNIT),
        np.ascontiguousarray(table[:, 1:]) * scale,
        np.array([int(value) for value in head[_BIAS]], np.float32) * scale,
    )


def text_of(
    labels: Sequence[str], keys: Sequence[str], idf: NDArray[Any], weights: NDArray[Any], bias: NDArray[Any]
) -> str:
    """The text of a weights file: whole numbers, one line per feature, sorted."""
    scale = float(f"{max(np.abs(weights).max(), np.abs(bias).max() / 8) / 127:.6g}")
    table = np.rint(weights / scale).astype(int)
    hundredths = np.rint(np.asarray(idf) * IDF_UNIT).astype(int)
    lines = [
        "# linear model; per feature: inverse document frequency in hundredths, one weight per label in units of #scale",
        "\t".join([_HEAD, *labels]),
        f"{_SCALE}\t{scale:.6g}",
        "\t".join([_BIAS, *map(str, np.rint(bias / scale).astype(int))]),
    ]
    rows = sorted((key, row) for row, key in enumerate(keys))
    lines += ["\t".join([key, str(hundredths[row]), *map(str, table[row])]) for key, row in rows]
    return "\n".join(lines) + "\n"
