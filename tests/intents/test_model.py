"""The weights as a text file."""

from pathlib import Path

import numpy as np
import pytest

from intents.corpus import Sample
from intents.measure import accuracy, calibration_error, macro_f1
from intents.model import Model, parse, shipped, text_of
from intents.understand import ACT_WEIGHTS, WEIGHTS


def small() -> Model:
    return parse(
        text_of(
            ["a", "b"],
            ["wzoo", "wapple"],
            np.array([2.0, 1.5]),
            np.array([[0.5, -1.0], [2.0, 0.25]]),
            np.array([0.1, -0.1]),
        )
    )


def test_what_is_written_is_read_again() -> None:
    model = small()
    assert model.labels == ("a", "b")
    assert list(model.places) == ["wapple", "wzoo"], "sorted, so that changes can be reviewed"
    assert model.idf.tolist() == [1.5, 2.0]
    assert model.weights[0].tolist() == pytest.approx([2.0, 0.25], abs=0.01)
    assert model.bias.tolist() == pytest.approx([0.1, -0.1], abs=0.01)


def test_probabilities_sum_to_one_and_evidence_names_the_strongest_first() -> None:
    model = small()
    counts = {"wapple": 1, "wzoo": 2, "wunknown": 1}
    assert sum(model.scores(counts).values()) == pytest.approx(1)
    assert [key for key, _ in model.evidence(counts, "a")] == ["wzoo", "wapple"]
    assert model.evidence(counts, "b") == []
    assert sum(model.scores({}).values()) == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "nonsense", "#labels\ta\n#scale\t1\n", "\n\n"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match="weights"):
        Model.load(path)


def test_shipped_weights_are_small_and_whole_numbers() -> None:
    for name in (WEIGHTS, ACT_WEIGHTS):
        path = shipped(name)
        assert path.stat().st_size < 4_000_000
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        keys = [line.split("\t")[0] for line in lines]
        assert keys == sorted(keys)
        assert all(value.lstrip("-").isdigit() for value in lines[0].split("\t")[1:])


def test_figures() -> None:
    expected, found = ["a", "a", "b", "b"], ["a", "b", "b", "b"]
    assert accuracy(expected, found) == 0.75
    assert macro_f1(expected, found) == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert calibration_error([0.95, 0.95, 0.55, 0.55], [True, True, True, False]) == pytest.approx(0.05)
    assert accuracy([], []) == 0


def test_folds_keep_cells_together() -> None:
    one = Sample("甲", "ip", "none", "plain", "fees")
    other = Sample("乙", "ip", "none", "plain", "fees")
    assert one.fold(5) == other.fold(5)
    assert one.fold(5, by_topic=True) == Sample("丙", "ip", "none", "terse", "fees").fold(5, by_topic=True)
