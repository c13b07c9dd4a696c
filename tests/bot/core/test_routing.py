"""Whom a need is referred to: who is left out and why, who stands first and why, and that everybody gets a turn."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.routing import (
    Fit,
    Need,
    Roster,
    Suggestion,
    excluded_providers,
    is_within,
    suggest_providers,
)
from intents.categories import Category
from knowledge.library import (
    Agreement,
    Capability,
    Provider,
    ProviderKind,
    ProviderStatus,
    Qualification,
    QualificationKind,
)
from knowledge.library_rows import PROVIDERS, load_demo

TODAY = date(2026, 11, 21)
CMA = QualificationKind.CMA


def laboratory(number: str = "P1", **changes: object) -> Provider:
    """A laboratory that may be asked today."""
    values: dict[str, object] = {
        "name": f"演示{number}",
        "kind": ProviderKind.TESTING,
        "credit_code": f"演示代码{number}",
        "region": "海口市",
        "service_regions": ("海南省",),
        "qualifications": (Qualification(CMA, "999999999901", valid_until=date(2028, 1, 1)),),
        "capabilities": (term(),),
        "agreement": Agreement("演示协议", date(2026, 1, 1), date(2028, 1, 1)),
        "status": ProviderStatus.ACTIVE,
    }
    return Provider(number, **{**values, **changes})  # type: ignore[arg-type]


def term(subject: str = "饮料、矿泉水", detail: str = "GB 8538、铅", method: str = "检测") -> Capability:
    """A capability term of a laboratory."""
    return Capability(Category.TESTING, subject, detail, method, CMA)


def suggested(
    text: str | Need,
    *providers: Provider,
    on: date = TODAY,
    loads: Mapping[str, int] | None = None,
    scores: Mapping[str, float] | None = None,
    recent: Sequence[str] = (),
    most: int = 20,
) -> tuple[Suggestion, ...]:
    """The list for a need of testing."""
    need = Need.read(Category.TESTING, text) if isinstance(text, str) else text
    return suggest_providers(
        need, providers, on=on, loads=loads or {}, scores=scores or {}, recent=recent, most=most
    )


def numbers(found: tuple[Suggestion, ...]) -> list[str]:
    return [one.provider.number for one in found]


# --- who is left out ---


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"status": ProviderStatus.SUSPENDED}, "暂停"),
        ({"agreement": None}, "没有登记入驻协议"),
        (
            {"agreement": Agreement("演示", date(2026, 1, 1), date(2026, 11, 20))},
            "入驻协议已于 2026-11-20 到期",
        ),
        (
            {"qualifications": (Qualification(CMA, "1", valid_until=date(2026, 11, 20)),)},
            "CMA证书已于 2026-11-20 到期",
        ),
        ({"service_regions": ("三亚市",), "region": "三亚市"}, "服务地区不包括海口市"),
        ({"name": "演示饮品有限公司"}, "应当回避"),
        ({"credit_code": "91350100M000100Y43"}, "应当回避"),
        ({"related": ("演示饮品（有限公司）",)}, "应当回避"),
    ],
)
def test_who_is_left_out_is_named_with_the_reason(changes: dict[str, object], hint: str) -> None:
    need = Need.read(
        Category.TESTING,
        "海口的矿泉水要检测",
        applicant="演示饮品有限公司",
        credit_code="91350100M000100Y43",
    )
    other, barred = laboratory("P2"), laboratory("P1", **changes)
    assert numbers(suggested(need, barred, other)) == ["P2"]
    (exclusion,) = excluded_providers(need, Roster.of([barred, other]), on=TODAY)
    assert exclusion.provider == barred
    assert [reason for reason in exclusion.reasons if hint in reason] == list(exclusion.reasons)


def test_a_warning_does_not_keep_a_provider_out() -> None:
    assert numbers(suggested("检测矿泉水", laboratory(status=ProviderStatus.WARNING))) == ["P1"]


def test_another_category_is_not_offered() -> None:
    need = Need.read(Category.IP, "注册商标")
    assert suggested(need, laboratory()) == ()
    assert excluded_providers(need, Roster.of([laboratory()]), on=TODAY) == ()


@given(
    ends=st.lists(st.integers(-400, 400), min_size=1, max_size=12),
    agreed=st.integers(-400, 400),
    on=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
)
def test_an_expired_provider_is_never_suggested(ends: list[int], agreed: int, on: date) -> None:
    providers = [
        laboratory(
            f"P{place:02d}",
            qualifications=(Qualification(CMA, "1", valid_until=TODAY + timedelta(days=end)),),
            agreement=Agreement("演示", date(2020, 1, 1), TODAY + timedelta(days=agreed)),
        )
        for place, end in enumerate(ends)
    ]
    good = {
        one.number
        for one, end in zip(providers, ends, strict=True)
        if on <= TODAY + timedelta(days=min(end, agreed))
    }
    need = Need.read(Category.TESTING, "检测矿泉水")
    assert set(numbers(suggested(need, *providers, on=on))) == good
    out = excluded_providers(need, Roster.of(providers), on=on)
    assert {one.provider.number for one in out} == {one.number for one in providers} - good


# --- who stands first ---


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("矿泉水检测", Fit.EXACT),
        ("矿泉水按GB/T8538做一遍", Fit.SUBJECT),
        ("矿泉水按 GB8538-2022 做一遍", Fit.EXACT),
        ("有一批矿泉水", Fit.SUBJECT),
        ("测铅含量", Fit.DETAIL),
        ("检测饮料瓶", Fit.CATEGORY),
        ("检测一双鞋", Fit.CATEGORY),
    ],
)
def test_how_well_the_terms_answer_the_words(text: str, fit: Fit) -> None:
    assert [one.fit for one in suggested(text, laboratory())] == [fit]


def test_a_head_noun_is_found_both_ways() -> None:
    fine, plain = (
        laboratory("P1", capabilities=(term("精密压力表"),)),
        laboratory("P2", capabilities=(term("天平"),)),
    )
    (one,) = suggested("一块压力表", fine)
    assert (one.fit, set(one.matched)) == (Fit.SUBJECT, {"精密压力表"})
    assert [one.fit for one in suggested("一台电子天平", plain)] == [Fit.SUBJECT]


def test_things_come_before_standards_places_loads_and_scores() -> None:
    exact = laboratory("P4", region="三亚市")
    subject = laboratory("P3", capabilities=(term(detail="", method=""),))
    detail = laboratory("P2", capabilities=(term("大米"),))
    nothing = laboratory("P1", capabilities=(term("玩具", "", ""),))
    found = suggested(
        "海口的矿泉水测铅含量", exact, subject, detail, nothing, loads={"P4": 9}, scores={"P4": 1, "P1": 100}
    )
    assert [(one.provider.number, one.fit.name) for one in found] == [
        ("P4", "EXACT"),
        ("P3", "SUBJECT"),
        ("P2", "DETAIL"),
        ("P1", "CATEGORY"),
    ]
    assert "请先确认" in found[-1].reason


@pytest.mark.parametrize(
    ("better", "loads", "scores", "recent"),
    [
        ({"region": "海口市秀英区"}, {}, {}, ()),
        ({}, {"P1": 3}, {}, ()),
        ({}, {}, {"P1": 60.0, "P2": 90.0}, ()),
        ({}, {}, {}, ("P1",)),
        ({}, {}, {}, ("P2", "P1")),
        ({"has_green_lane": True}, {}, {}, ()),
    ],
)
def test_between_equal_fits_place_load_score_turn_and_green_lane_decide(
    better: dict[str, object], loads: dict[str, int], scores: dict[str, float], recent: Sequence[str]
) -> None:
    first, second = laboratory("P1", region="三亚市"), laboratory("P2", **{"region": "三亚市", **better})
    found = suggested("海口的矿泉水检测，加急", first, second, loads=loads, scores=scores, recent=recent)
    assert numbers(found) == ["P2", "P1"]


def test_the_reason_is_one_sentence_with_the_facts() -> None:
    (one,) = suggested(
        "海口的矿泉水要检测", laboratory(), loads={"P1": 2}, scores={"P1": 91.6}, recent=["P1"]
    )
    assert one.reason.count("。") == 1
    for fact in ("“矿泉水”", "同城", "CMA证书有效至 2028-01-01", "在办 2 件", "评价 92 分", "近期转介 1 次"):
        assert fact in one.reason


STRANGERS = st.lists(
    st.tuples(
        st.sampled_from(["海口市", "三亚市", "儋州市"]),
        st.booleans(),
        st.integers(0, 9),
        st.none() | st.floats(0, 100),
        st.sampled_from(["矿泉水", "大米", "饮料"]),
    ),
    max_size=12,
)


@given(strangers=STRANGERS, recent=st.lists(st.integers(0, 11), max_size=20), data=st.data())
def test_the_order_is_total_stable_and_follows_the_points(
    strangers: list[tuple[str, bool, int, float | None, str]], recent: list[int], data: st.DataObject
) -> None:
    providers = [
        laboratory(f"P{place:02d}", region=region, has_green_lane=green, capabilities=(term(thing),))
        for place, (region, green, _, _, thing) in enumerate(strangers)
    ]
    loads = {f"P{place:02d}": row[2] for place, row in enumerate(strangers)}
    scores = {f"P{place:02d}": row[3] for place, row in enumerate(strangers) if row[3] is not None}
    turns = [f"P{place:02d}" for place in recent]
    text = "海口的矿泉水检测，加急"
    found = suggested(text, *providers, loads=loads, scores=scores, recent=turns)
    mixed = data.draw(st.permutations(providers))
    assert suggested(text, *mixed, loads=loads, scores=scores, recent=turns) == found
    assert suggested(text, *mixed, loads=loads, scores=scores, recent=turns, most=3) == found[:3]
    assert sorted(numbers(found)) == [one.number for one in providers]
    assert [one.rank for one in found] == list(range(1, len(found) + 1))
    for first, second in pairwise(found):
        assert first.points.total >= second.points.total
        assert first.fit >= second.fit
    for one in found:
        assert 0 <= one.points.total - one.points.fit < 100


@given(count=st.integers(1, 8), rounds=st.integers(1, 60))
def test_equals_are_asked_equally_often(count: int, rounds: int) -> None:
    roster = Roster.of(laboratory(f"P{place}") for place in range(count))
    need, recent = Need.read(Category.TESTING, "检测矿泉水"), list[str]()
    for _ in range(rounds):
        found = suggest_providers(need, roster, on=TODAY, loads=Counter(recent), scores={}, recent=recent)
        recent.append(found[0].provider.number)
    turns = [recent.count(f"P{place}") for place in range(count)]
    assert max(turns) - min(turns) <= 1


@given(scores=st.lists(st.floats(60, 100), min_size=2, max_size=6))
def test_nobody_with_a_passing_score_waits_for_ever(scores: list[float]) -> None:
    roster = Roster.of(laboratory(f"P{place}") for place in range(len(scores)))
    known = {f"P{place}": score for place, score in enumerate(scores)}
    need, recent = Need.read(Category.TESTING, "检测矿泉水"), list[str]()
    for _ in range(4 * len(scores)):
        found = suggest_providers(need, roster, on=TODAY, loads={}, scores=known, recent=recent)
        recent.append(found[0].provider.number)
    assert set(recent) == set(known)


def test_one_who_never_gets_a_turn_does_not_stop_the_rotation_of_the_others() -> None:
    good, fair = laboratory("P1"), laboratory("P2")
    remote = laboratory("P3", region="三亚市")
    unfit = laboratory("P4", capabilities=(term("玩具"),))
    scores, recent = {"P1": 95.0, "P2": 85.0, "P3": 10.0}, list[str]()
    for _ in range(40):
        found = suggested("海口的矿泉水检测", good, fair, remote, unfit, scores=scores, recent=recent)
        recent.append(found[0].provider.number)
    assert abs(recent.count("P1") - recent.count("P2")) <= 1


# --- places, and the whole ---


@pytest.mark.parametrize(
    ("place", "area", "is_inside"),
    [
        ("海口市秀英区", "海口市", True),
        ("澄迈县", "海南省", True),
        ("澄迈县", "海口市", False),
        ("洋浦经济开发区", "儋州市", True),
        ("海南省", "海口市", False),
        ("上海市", "全国", True),
        ("上海市", "海南省", False),
        ("广州市", "", False),
    ],
)
def test_places_lie_in_areas(place: str, area: str, is_inside: bool) -> None:
    assert is_within(place, area) is is_inside


def test_several_places_in_a_text_exclude_nobody() -> None:
    far = laboratory(service_regions=("河源市",), region="河源市")
    assert suggested("矿泉水从上海运到北京，要检测", far)
    assert suggested("上海的矿泉水要检测", far) == ()
    assert suggested(replace(Need.read(Category.TESTING, "矿泉水从上海运到北京"), region="上海市"), far) == ()


def test_the_demonstration_set_serves_a_need() -> None:
    need = Need.read(Category.METROLOGY, "压力表校准，在海口，加急")
    found = suggest_providers(need, load_demo(PROVIDERS), on=TODAY, loads={}, scores={}, recent=[])
    assert [(one.provider.number, one.fit.name) for one in found] == [
        ("DEMO-P02", "EXACT"),
        ("DEMO-P01", "SUBJECT"),
    ]
