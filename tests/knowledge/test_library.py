"""Who of the libraries is eligible on a date, and why not; credit codes by GB 32100-2015."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intents.categories import Category
from knowledge.library import (
    Capability,
    InstrumentStatus,
    ProviderStatus,
    Qualification,
    QualificationKind,
    check_character,
    credit_code_problem,
)
from knowledge.library_rows import EXPERTS, INSTRUMENTS, PROVIDERS, load_demo

TODAY = date(2026, 11, 21)
SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
VALID = "91350100M000100Y43"  # the example of the standard

TESTER = next(one for one in load_demo(PROVIDERS) if one.number == "DEMO-P03")
EXPERT = load_demo(EXPERTS)[0]
INSTRUMENT = load_demo(INSTRUMENTS)[0]


def test_the_example_of_the_standard_is_right() -> None:
    assert credit_code_problem(VALID) == ""


@given(place=st.integers(0, 17), sign=st.sampled_from(SIGNS))
def test_any_changed_sign_is_noticed(place: int, sign: str) -> None:
    changed = VALID[:place] + sign + VALID[place + 1 :]
    assert (credit_code_problem(changed) == "") == (changed == VALID)


@given(first=st.text(SIGNS, min_size=17, max_size=17))
def test_a_computed_check_character_is_right(first: str) -> None:
    assert credit_code_problem(first + check_character(first)) == ""


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("460000000000001", "15 位"),
        ("9135010", "7 位"),
        ("9135O100M000100Y43", "“O”"),
        ("91350100M000100Y44", "校验位"),
    ],
)
def test_a_wrong_code_says_what_to_do(code: str, hint: str) -> None:
    assert hint in credit_code_problem(code)


def test_a_complete_provider_may_be_asked() -> None:
    assert TESTER.why_not(TODAY) == ()


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"status": ProviderStatus.SUSPENDED, "status_reason": "整改"}, "暂停”（整改）"),
        ({"status": ProviderStatus.EXITED}, "退出"),
        ({"status": ProviderStatus.CANDIDATE}, "待入驻"),
        ({"agreement": None}, "没有登记入驻协议"),
        ({"qualifications": ()}, "没有登记CMA或CNAS实验室证书"),
    ],
)
def test_what_keeps_a_provider_out_is_said(changes: dict[str, object], hint: str) -> None:
    reasons = replace(TESTER, **changes).why_not(TODAY)  # type: ignore[arg-type]
    assert len(reasons) == 1
    assert hint in reasons[0]


def test_a_provider_with_a_warning_may_still_be_asked() -> None:
    assert replace(TESTER, status=ProviderStatus.WARNING).why_not(TODAY) == ()


def test_the_last_day_of_agreement_and_certificate_counts() -> None:
    assert TESTER.agreement is not None
    last = TODAY
    cma = Qualification(QualificationKind.CMA, "999999999901", valid_until=last)
    provider = replace(
        TESTER, qualifications=(cma,), agreement=replace(TESTER.agreement, valid_until=last, signed_on=last)
    )
    assert provider.why_not(last) == ()
    assert [len(provider.why_not(last + timedelta(days=step))) for step in (-1, 1)] == [1, 2]


def test_a_term_needs_the_very_certificate_that_it_rests_on() -> None:
    expired = Qualification(QualificationKind.CMA, "999999999901", valid_until=date(2026, 5, 1))
    accredited = Qualification(QualificationKind.LABORATORY, "CNAS L00000", valid_until=date(2030, 5, 1))
    provider = replace(TESTER, qualifications=(expired, accredited))
    assert provider.why_not(TODAY) == ()
    assert provider.term_why_not(provider.capabilities[0], TODAY) == "CMA证书已于 2026-05-01 到期"
    assert not provider.term_why_not(
        replace(provider.capabilities[0], ground=QualificationKind.LABORATORY), TODAY
    )


@pytest.mark.parametrize(
    ("category", "method", "needs_ground"),
    [
        (Category.TESTING, "检测", True),
        (Category.METROLOGY, "检定", True),
        (Category.CERTIFICATION, "认证", True),
        (Category.CERTIFICATION, "咨询、培训", False),
        (Category.TRAINING, "", False),
    ],
)
def test_who_tests_or_certifies_says_on_what_ground(
    category: Category, method: str, needs_ground: bool
) -> None:
    term = Capability(category, "演示对象", method=method)
    assert term.needs_ground is needs_ground
    assert bool(TESTER.term_why_not(term, TODAY)) is needs_ground


def test_a_certificate_without_an_end_counts_only_where_it_has_none() -> None:
    assert "没有登记到期日" in Qualification(QualificationKind.CMA, "999999999901").why_not(TODAY)
    assert Qualification(QualificationKind.PATENT, "00000").why_not(TODAY) == ""


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"title": "高级技师"}, "副高级"),
        ({"title": "工程师"}, "副高级"),
        ({"has_misconduct": True}, "有不良记录"),
        ({"misconduct_checked_on": None}, "还没有核查"),
        ({"term_until": date(2026, 11, 20)}, "聘期"),
    ],
)
def test_what_keeps_an_expert_out_is_said(changes: dict[str, object], hint: str) -> None:
    assert EXPERT.why_not(TODAY) == ()
    (reason,) = replace(EXPERT, **changes).why_not(TODAY)  # type: ignore[arg-type]
    assert hint in reason


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"status": InstrumentStatus.REPAIR}, "维修"),
        ({"calibrated_until": None}, "没有登记"),
        ({"calibrated_until": date(2026, 11, 20)}, "到期"),
    ],
)
def test_what_keeps_an_instrument_from_being_booked_is_said(changes: dict[str, object], hint: str) -> None:
    assert INSTRUMENT.why_not(TODAY) == ()
    (reason,) = replace(INSTRUMENT, **changes).why_not(TODAY)  # type: ignore[arg-type]
    assert hint in reason
