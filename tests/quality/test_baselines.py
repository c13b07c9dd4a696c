"""The plain methods of `make bench` do what they are known for, so that the comparison is worth reading."""

import pytest

from intents.categories import OOS
from tests.bench import baselines, foreign, sizes
from tests.bench.baselines import Bm25, Cosine, Fuzzy, Likeness

TEXTS = ["压力表 多久 检定 一次", "商标 到期 怎么 续展", "商标 怎么 注册", "食品 标签 怎么 写"]
LABELS = ["metrology", "ip", "ip", "testing"]


@pytest.fixture(params=[Fuzzy, Cosine, lambda texts: Bm25(texts, str.split)], ids=["fuzzy", "cosine", "bm25"])
def likeness(request: pytest.FixtureRequest) -> Likeness:
    made: Likeness = request.param(TEXTS)
    return made


@pytest.mark.parametrize(
    ("text", "nearest"), [("压力表 检定", 0), ("商标 续展", 1), ("注册 商标", 2), ("标签 食品", 3)]
)
def test_the_nearest_text_comes_first(likeness: Likeness, text: str, nearest: int) -> None:
    found = likeness.nearest(text, 3)
    assert found[0][0] == nearest
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert likeness.nearest(text, 1)[0] == found[0]


def test_bm25_knows_the_figures_of_the_formula() -> None:
    index = Bm25(["a b", "a a c"], str.split, k1=1.5, b=0.75)
    # Rarity of b: ln(1 + 1.5 / 1.5); two words against 2.5 on average.
    ((number, score),) = index.nearest("b x", 2)
    assert number == 0
    assert score == pytest.approx(0.6931 * 2.5 / (1 + 1.5 * 0.85), rel=1e-3)
    assert [number for number, _ in index.nearest("a", 2)] == [1, 0]
    assert index.nearest("x", 2) == []


def test_neighbours_vote_and_a_text_like_none_is_out_of_scope() -> None:
    classify = baselines.by_neighbours(Bm25(TEXTS, str.split), LABELS, count=3)
    assert classify("商标 怎么 写") == "ip"
    assert classify("天气") == OOS


def test_keywords_vote_and_the_longest_decides_between_equals() -> None:
    classify = baselines.by_keywords(
        {"检定": "metrology", "商标": "ip", "商标注册": "ip", "食品检测": "testing"}
    )
    assert classify("压力表检定") == "metrology"
    assert classify("商标注册和检定") == "ip"
    assert classify("检定还是食品检测") == "testing"
    assert classify("天气") == OOS


def test_the_regression_learns_what_it_is_taught() -> None:
    classify = baselines.by_regression(TEXTS * 3, LABELS * 3)
    assert [classify(text) for text in ("压力表检定", "商标注册", "食品标签")] == [
        "metrology",
        "ip",
        "testing",
    ]


def test_entries_come_once_each_in_the_order_of_their_best_phrase(likeness: Likeness) -> None:
    look_up = baselines.entries_by(likeness, ["MET-05", "IPR-02", "IPR-02", "TST-01"], count=2)
    assert look_up("商标 怎么 续展")[0] == "IPR-02"
    assert len(set(look_up("怎么"))) == len(look_up("怎么")) <= 2


def test_the_reason_why_something_does_not_install_is_one_line() -> None:
    errors = "WARNING: x\nERROR: Ignored: 3.6.9 Requires-Python >=3.8,<3.11; 3.6.21 Requires-Python >=3.8,<3.10; 3.7.0b1 Requires-Python <4\n"
    assert foreign.reason(errors).startswith("does not install: 3.6.21 wants Python >=3.8,<3.10")
    assert foreign.reason("Traceback\nERROR: no network\n") == "does not run: ERROR: no network"


def test_long_texts_are_as_long_as_they_say() -> None:
    assert {kind: len(text) for kind, text in sizes.long_texts().items() if len(text) != sizes.LONG} == {}
