"""Figures of a classification: accuracy, macro-F1, calibration; from labels and probabilities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BINS = 10


def accuracy(expected: Sequence[str], found: Sequence[str]) -> float:
    """The share that was found right; 0 of nothing."""
    return sum(a == b for a, b in zip(expected, found, strict=True)) / max(len(expected), 1)


def macro_f1(expected: Sequence[str], found: Sequence[str]) -> float:
    """The mean over the expected labels of the harmonic mean of precision and recall."""
    labels = sorted(set(expected))
    return sum(_f1(label, expected, found) for label in labels) / max(len(labels), 1)


def _f1(label: str, expected: Sequence[str], found: Sequence[str]) -> float:
    hits = sum(a == b == label for a, b in zip(expected, found, strict=True))
    return 2 * hits / max(expected.count(label) + found.count(label), 1)


def calibration_error(confidences: Sequence[float], is_right: Sequence[bool]) -> float:
    """Expected calibration error: how far confidence and share of right ones lie apart, over ten bins."""
    sure: NDArray[np.float64] = np.asarray(confidences, np.float64)
    right: NDArray[np.float64] = np.asarray(is_right, np.float64)
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    groups = [bins == number for number in range(_BINS)]
    return float(sum(abs(sure[one].mean() - right[one].mean()) * one.mean() for one in groups if one.any()))
