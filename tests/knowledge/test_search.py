"""Search: what is found, on which days, and that changes to an index are as good as building it anew."""

import time
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from intents.categories import OOS, Category
from intents.text import Tokenizer, normalise
from knowledge.ambiguous import meanings_of
from knowledge.entries import Entry, EntryStatus, Release, Text
from knowledge.rows import load_seeds
from knowledge.search import Hit, Index
from tests.make import TODAY, entry

ENTRIES = [
    entry(
        "MET-05", "压力表多久检定一次", questions=("压力表几年检一次", "压力表的检定周期", "压力表半年一检吗")
    ),
    entry("MET-08", "仪器送检去哪里", questions=("哪里可以检定仪器", "送检找哪家机构", "仪器拿到哪里检")),
    entry(
        "IPR-01",
        "商标怎么注册",
        category=Category.IP,
        keywords=("商标",),
        questions=("注册商标的流程", "想把店名注册成商标", "商标申请要什么手续"),
    ),
    entry(
        "STD-10",
        "标准作废了怎么查",
        category=Category.STANDARDIZATION,
        keywords=("查新",),
        questions=("GB 7718还有效吗", "标准查新在哪查", "怎么看标准是否现行"),
    ),
]


def found(index: Index, text: str, today: date = TODAY) -> list[tuple[str, float]]:
    return [(hit.entry.id, round(hit.score, 4)) for hit in index.search(text, today=today)]


@pytest.fixture(scope="session")
def small(tokenizer: Tokenizer) -> Index:
    return Index.build(Release.of(ENTRIES), tokenizer)


@pytest.mark.parametrize(
    ("text", "entry_id"),
    [
        ("压力表多长时间检定", "MET-05"),
        ("請問壓力錶幾年檢一次？", "MET-05"),
        ("鸭力表检定周期", "MET-05"),
        ("压力标的鉴定周期", "MET-05"),
        ("仪器拿去哪检", "MET-08"),
        ("我想注册一个商标", "IPR-01"),
        ("上标注册流程", "IPR-01"),
        ("gb7718现在有效没有", "STD-10"),
    ],
)
def test_questions_find_their_entry(small: Index, text: str, entry_id: str) -> None:
    assert found(small, text)[0][0] == entry_id


def test_the_very_question_is_sure(seeds: Index) -> None:
    for one in seeds.entries[::17]:
        best = seeds.search(one.questions[0], today=TODAY)[0]
        assert best.score > 0.9, one.questions[0]
        assert best.matched == one.questions[0]


def test_a_hit_says_why(small: Index) -> None:
    best = small.search("商标注册", today=TODAY)[0]
    assert best.matched in ENTRIES[2].questions or best.matched == ENTRIES[2].title
    assert any("商标" in reason for reason in best.reasons)


def test_scores_are_probabilities_in_order(seeds: Index) -> None:
    hits = seeds.search("商标注册要多少钱", today=TODAY)
    scores = [hit.score for hit in hits]
    assert len(hits) == 5
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= 1.0


def test_the_category_counts(small: Index) -> None:
    scores = {**dict.fromkeys(Category, 0.0), OOS: 0.0}

    def best(category: Category) -> float:
        hits = small.search("怎么查标准", today=TODAY, scores={**scores, category: 1.0})
        return next(hit.score for hit in hits if hit.entry.id == "STD-10")

    assert best(Category.STANDARDIZATION) > best(Category.IP)


@pytest.mark.parametrize("text", ["", " ", "？！", "\U0001f600", "a", "z9", "\x00", "x" * 3000])
def test_texts_that_say_nothing_find_nothing_sure(small: Index, text: str) -> None:
    assert all(score < 0.5 for _, score in found(small, text))


def test_an_empty_index_finds_nothing(tokenizer: Tokenizer) -> None:
    assert Index.build(Release.of(()), tokenizer).search("压力表", today=TODAY) == []


def test_only_texts_valid_that_day_are_found(tokenizer: Tokenizer) -> None:
    old = Text("旧的。", valid_until=date(2026, 12, 31))
    index = Index.build(
        Release.of(
            [
                replace(ENTRIES[0], texts=(old,)),
                replace(ENTRIES[1], status=EntryStatus.DRAFT),
                replace(ENTRIES[2], status=EntryStatus.ARCHIVED),
                ENTRIES[3],
            ]
        ),
        tokenizer,
    )
    assert {"MET-05", "STD-10"} >= {one for one, _ in found(index, "压力表多久检定一次")}
    assert found(index, "压力表多久检定一次")[0][0] == "MET-05"
    later = found(index, "压力表多久检定一次", date(2027, 1, 1))
    assert all(one == "STD-10" for one, _ in later)
    assert found(index, "压力表多久检定一次")[0][0] == "MET-05"


def test_entries_are_reached_by_their_ids(small: Index) -> None:
    assert small.entry("IPR-01") == ENTRIES[2]
    assert small.entry("IPR-99") is None
    assert [one.id for one in small.entries] == ["IPR-01", "MET-05", "MET-08", "STD-10"]
    assert small.asks("IPR-01") != 0
    assert small.asks("IPR-99") == 0


def same(hits: list[Hit], others: list[Hit]) -> bool:
    return [hit.entry.id for hit in hits] == [hit.entry.id for hit in others] and all(
        abs(hit.score - other.score) < 1e-4 and hit.matched == other.matched
        for hit, other in zip(hits, others, strict=True)
    )


@settings(deadline=None, max_examples=20, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_a_changed_index_equals_one_built_so(data: st.DataObject) -> None:
    tokenizer = _Letters()
    before = data.draw(st.lists(_SOME, unique_by=lambda one: one.id, max_size=5))
    index = Index.build(Release.of(before), tokenizer)
    entries = {one.id: one for one in before}
    for change in data.draw(st.lists(_SOME, max_size=4)):
        if change.id in entries and data.draw(st.booleans()):
            index = index.without_entry(change.id)
            del entries[change.id]
        else:
            index = index.with_entry(change)
            entries[change.id] = change
    fresh = Index.build(Release.of(entries.values()), tokenizer)
    assert index.entries == fresh.entries
    for text in data.draw(st.lists(_WORDS, min_size=1, max_size=3)):
        assert same(index.search(text, today=TODAY), fresh.search(text, today=TODAY))


class _Letters:
    """Words of two letters: enough for a test of bookkeeping."""

    def plain(self, text: str) -> str:
        return normalise(text)

    def words(self, text: str) -> list[str]:
        return [text[place : place + 2] for place in range(0, len(text), 2)]


_WORDS = st.text("检定校准商标注册标准查新", min_size=2, max_size=8)
_SOME: st.SearchStrategy[Entry] = st.builds(
    entry,
    st.sampled_from(["MET-01", "MET-02", "MET-03", "MET-04", "MET-05", "MET-06"]),
    _WORDS,
    questions=st.lists(_WORDS, max_size=3).map(tuple),
)


def test_adding_an_entry_leaves_the_old_index_alone(small: Index) -> None:
    before = found(small, "电梯多久检验")
    more = small.with_entry(entry("OTH-08", "电梯多久检验一次", category=Category.OTHER))
    assert found(more, "电梯多久检验")[0][0] == "OTH-08"
    assert found(small, "电梯多久检验") == before
    assert more.without_entry("OTH-08").without_entry("OTH-08").entries == small.entries


def test_adding_an_entry_is_quick(seeds: Index) -> None:
    start = time.process_time()
    seeds.with_entry(seeds.entries[0])
    assert time.process_time() - start < 0.5  # usually 10 ms


@settings(deadline=None, max_examples=60)
@given(text=st.text(max_size=200))
def test_any_text_gets_sane_hits(seeds: Index, text: str) -> None:
    hits = seeds.search(text, today=TODAY)
    assert len(hits) <= 5
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert hits == seeds.search(text, today=TODAY)


def test_long_texts_take_no_longer(seeds: Index) -> None:
    text = "请问压力表和安全阀以及水表电表燃气表多久检定一次要不要钱" * 150
    start = time.process_time()
    seeds.search(text, today=TODAY)
    assert time.process_time() - start < 0.2  # usually 10 ms


def test_ambiguous_forms_stand_alone() -> None:
    assert len(meanings_of("地标")) == 2
    assert meanings_of("SC？") == meanings_of("sc")
    assert meanings_of("我想问一下备案的事") == meanings_of("备案")
    assert meanings_of("食品企业标准备案去哪办") == ()
    assert meanings_of("") == ()


def test_every_meaning_of_a_short_form_has_an_entry(seeds: Index) -> None:
    for form in ("地标", "SC", "报检", "备案", "自我声明", "首检", "年审", "合格证", "复检", "换证"):
        best = {seeds.search(meaning, today=TODAY)[0].entry.id for meaning in meanings_of(form)}
        assert len(best) >= 2, form


def test_the_same_release_gives_the_same_index(tokenizer: Tokenizer) -> None:
    entries = load_seeds()
    one = Index.build(Release.of(entries), tokenizer)
    other = Index.build(Release.of(reversed(entries)), tokenizer)
    assert one.search("地磅要年检吗", today=TODAY) == other.search("地磅要年检吗", today=TODAY)
