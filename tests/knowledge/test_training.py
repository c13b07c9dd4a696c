"""Training: what is learned is reproducible, reviewable text, and better than nothing."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intents.categories import OOS, Category
from intents.corpus import Sample
from intents.text import Tokenizer
from knowledge import meaning, ranker
from knowledge.entries import Release
from knowledge.meaning import Meanings
from knowledge.rank_train import Case, Kind, Trained, disturbed, judge, train
from knowledge.ranker import ENTRY_FEATURES, NONE_FEATURES, Ranker
from knowledge.reading import read
from knowledge.rows import load_seeds
from knowledge.search import Index
from tests.make import TODAY

# Every sixth entry, and of the corpus only what is written here: a training of seconds.
SOME = load_seeds()[::6]
SAMPLES = [
    Sample(text, label, "none", "plain", topic)
    for topic, label, texts in (
        ("interval", "metrology", ("压力表检定周期", "电子秤多久检定一次", "检定周期怎么定")),
        ("trademark", "ip", ("注册商标流程", "商标注册费用", "商标怎么注册")),
        ("chat", OOS, ("今天天气不错", "讲个笑话", "中午吃什么")),
    )
    for text in texts
]


def even(_text: str, _origin: str) -> Mapping[str, float]:
    return dict.fromkeys((*Category, OOS), 1 / 12)


@pytest.fixture(scope="module")
def trained(tokenizer: Tokenizer) -> Trained:
    return train(SOME, SAMPLES, tokenizer, even, today=TODAY)


def test_the_same_training_gives_the_same_files(trained: Trained, tokenizer: Tokenizer) -> None:
    assert train(SOME, SAMPLES, tokenizer, even, today=TODAY).files() == trained.files()


def test_the_right_entry_comes_first(trained: Trained) -> None:
    report = trained.held
    assert report.recall_1 > 0.75
    assert report.recall_3 >= report.recall_1
    assert report.reached >= report.recall_3
    # The scores are fitted to fresh questions, not to left-out ones.
    assert trained.fresh.calibration < 0.15
    assert 0 < report.coverage < 1


def test_the_files_are_read_as_they_were_written(trained: Trained, tokenizer: Tokenizer) -> None:
    files = trained.files()
    again = Meanings.of_text(files["meanings.tsv"])
    reading = read("压力表检定周期", tokenizer)
    assert np.array_equal(again.of(reading), trained.meanings.of(reading))
    weights = Ranker.of(files["ranker.toml"])
    assert np.allclose(weights.entry, trained.ranker.entry, atol=1e-4)
    index = Index.build(Release.of(SOME), tokenizer, ranker=weights, meanings=again)
    assert index.search(SOME[0].questions[0], today=TODAY)[0].entry.id == SOME[0].id


def test_the_shipped_weights_name_every_feature() -> None:
    shipped = ranker.shipped()
    assert (len(shipped.entry), len(shipped.none)) == (len(ENTRY_FEATURES), len(NONE_FEATURES))
    assert meaning.shipped().size == 192
    with pytest.raises(KeyError):
        Ranker.of("[entry]\n[none]\n")


def test_texts_about_the_same_mean_alike(tokenizer: Tokenizer) -> None:
    meanings = meaning.shipped()

    def alike(text: str, other: str) -> float:
        return float(meanings.of(read(text, tokenizer)) @ meanings.of(read(other, tokenizer)))

    assert alike("菜市场的秤缺斤少两", "电子秤不准被举报") > alike("菜市场的秤缺斤少两", "商标怎么续展")
    assert not meanings.of(read("", tokenizer)).any()


def test_probabilities_leave_room_for_none() -> None:
    weights = Ranker(np.ones(len(ENTRY_FEATURES)), np.zeros(len(NONE_FEATURES)))
    rows = np.zeros((2, len(ENTRY_FEATURES)))
    shares = weights.probabilities(rows, np.zeros(len(NONE_FEATURES)))
    assert shares == pytest.approx([1 / 3, 1 / 3])
    assert len(weights.probabilities(rows[:0], np.zeros(len(NONE_FEATURES)))) == 0


@given(text=st.text(min_size=1, max_size=40), seed=st.integers(0, 99))
def test_disturbed_texts_stay_near(text: str, seed: int) -> None:
    from random import Random

    found = disturbed(text, Random(seed))
    assert abs(len(found) - len(text)) <= 20
    assert found == disturbed(text, Random(seed))


def test_cases_without_candidates_count_as_missed(trained: Trained, tokenizer: Tokenizer) -> None:
    nothing = Index.build(Release.of(()), tokenizer).weigh("压力表", today=TODAY)
    case = Case("压力表", ("MET-01",), nothing, np.zeros(0, bool), Kind.HELD)
    report = judge(trained.ranker, [case])
    assert (report.recall_1, report.reached, report.coverage) == (0.0, 0.0, 0.0)
