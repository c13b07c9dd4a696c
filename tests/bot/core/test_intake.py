"""Forms that staff and portals fill in: what must be known, and what is said where it cannot be read."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.intake import (
    AT_THE_DESK,
    Entry,
    Source,
    Typed,
    VisitEntry,
    VisitTyped,
    fold_name,
    format_visit,
    read_entry,
    read_visit,
    started_text,
)
from bot.core.ticket_states import TicketKind
from intents.categories import Category
from intents.quantities import Urgency
from tests.make import NOON, TODAY

GOOD = Typed(
    kind="need",
    source="phone",
    applicant="示例甜水食品有限公司",
    person="王经理",
    phone="138 0000 0000",
    content="检测一批矿泉水",
)
VISITED = VisitTyped(
    enterprise="示例甜水食品有限公司",
    visited_on="2026-11-20",
    visitors="小李、小陈",
    findings="天平一年没有校准",
)


def read(**changes: str) -> Entry:
    found = read_entry(replace(GOOD, **changes), now=NOON)
    assert isinstance(found, Entry), found
    return found


def wrong(**changes: str) -> list[str]:
    found = read_entry(replace(GOOD, **changes), now=NOON)
    assert isinstance(found, tuple), found
    return [problem.field for problem in found]


def test_a_whole_form_is_read_and_what_is_left_open_stays_open() -> None:
    assert read() == Entry(
        TicketKind.NEED,
        Source.PHONE,
        applicant="示例甜水食品有限公司",
        person="王经理",
        phone="13800000000",
        content="检测一批矿泉水",
        category=None,
        urgency=None,
        started_at=None,
        visit="",
    )


@pytest.mark.parametrize("category", list(Category))
@pytest.mark.parametrize("urgency", list(Urgency))
def test_what_is_chosen_is_kept(category: Category, urgency: Urgency) -> None:
    found = read(category=category.value, urgency=urgency.value)
    assert (found.category, found.urgency) == (category, urgency)


@pytest.mark.parametrize("source", [source for source in AT_THE_DESK if source is not Source.VISIT])
def test_every_source_has_words_of_its_own(source: Source) -> None:
    assert read(source=source.value).source is source
    assert len({one.label for one in Source}) == len(Source)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "booking"),
        ("kind", ""),
        ("source", ""),
        ("source", "fax"),
        ("visit", "NQI-V-2026-000001"),  # not from a visit
        ("applicant", ""),
        ("applicant", "示"),
        ("applicant", "示" * 61),
        ("applicant", "13800000000"),
        ("person", "  "),
        ("person", "王1"),
        ("person", "王" * 21),
        ("phone", ""),
        ("phone", "1380000000"),
        ("phone", "电话回头给"),
        ("content", "检测"),
        ("content", "\x00\x01检测\x02"),
        ("content", "检" * 2001),
        ("category", "magic"),
        ("urgency", "now"),
        ("started_at", "昨天"),
        ("started_at", "2026-13-01T10:00"),
        ("started_at", "0001-01-01T00:00"),
        ("started_at", "1999-12-31T10:00"),
        ("started_at", "2026-11-21T12:03"),  # noon in China is NOON
    ],
)
def test_each_field_is_refused_by_its_name(field: str, value: str) -> None:
    assert wrong(**{field: value}) == [field]


def test_all_problems_are_said_at_once_in_the_order_of_the_form() -> None:
    found = read_entry(Typed(kind="need"), now=NOON)
    assert isinstance(found, tuple)
    assert [problem.field for problem in found] == ["source", "applicant", "person", "phone", "content"]
    assert all(problem.message.endswith("。") for problem in found)


@pytest.mark.parametrize("kind", ["complaint", "suggestion"])
def test_who_complains_or_suggests_need_not_say_who_they_are(kind: str) -> None:
    found = read(kind=kind, applicant="", person="", phone="")
    assert (found.applicant, found.person, found.phone) == ("", "", "")
    assert wrong(kind=kind, phone="123") == ["phone"], "a wrong one is still a wrong one"
    assert wrong(kind=kind, content="") == ["content"]


def test_a_visit_has_its_number() -> None:
    assert read(source="visit", visit=" nqi-v-2026-000012 ").visit == "NQI-V-2026-000012"
    assert wrong(source="visit") == ["visit"]
    assert wrong(source="visit", visit="NQI-2026-000012") == ["visit"]


@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2026-11-21T12:00", NOON),
        ("2026-11-21T12:01", NOON),  # a clock that is ahead of ours says now
        ("2026-11-21T04:00:00Z", NOON),
        ("2026-11-21T12:00:00+08:00", NOON),
        ("2026-11-20", datetime(2026, 11, 19, 16, tzinfo=UTC)),
    ],
)
def test_a_start_is_chinas_time_unless_it_says_otherwise(typed: str, moment: datetime) -> None:
    assert read(started_at=typed).started_at == moment


def test_what_the_form_shows_can_be_read_again() -> None:
    shown = started_text(NOON + timedelta(seconds=59))
    assert shown == "2026-11-21T12:00"
    assert read(started_at=shown).started_at == NOON


def test_what_no_database_keeps_is_left_out() -> None:
    found = read(applicant="示例\x00甜水  食品", content="第一行\r\n第二行\x07\ud800")
    assert (found.applicant, found.content) == ("示例甜水 食品", "第一行\n第二行")


def test_a_visit_is_read_or_refused_by_field() -> None:
    found = read_visit(VISITED, today=TODAY)
    assert isinstance(found, VisitEntry)
    assert (found.visited_on, found.phone) == (date(2026, 11, 20), "")
    for field, value in (
        ("enterprise", ""),
        ("phone", "123"),
        ("visited_on", "2026-11-22"),
        ("visited_on", "1999-12-31"),
        ("visited_on", "上周"),
        ("visitors", " "),
        ("visitors", "李" * 201),
        ("findings", ""),
        ("findings", "天" * 4001),
    ):
        problems = read_visit(replace(VISITED, **{field: value}), today=TODAY)
        assert isinstance(problems, tuple)
        assert [problem.field for problem in problems] == [field], value


def test_a_visit_on_this_very_day_may_be_written_down() -> None:
    assert isinstance(read_visit(replace(VISITED, visited_on="2026-11-21"), today=TODAY), VisitEntry)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("示例（海口）公司", "示例(海口) 公司", True),
        ("示例ABC公司", "示例abc公司", True),
        ("示例\u3000甜水", "示例甜水", True),
        ("示例甜水", "示例甜汤", False),
    ],
)
def test_names_are_the_same_however_they_are_typed(one: str, other: str, *, is_same: bool) -> None:
    assert (fold_name(one) == fold_name(other)) is is_same


@pytest.mark.parametrize("name", ["", " ", "个人", " 个人 ", "匿名"])
def test_some_names_name_nobody(name: str) -> None:
    assert fold_name(name) == ""


def test_visits_are_numbered_in_a_row_of_their_own() -> None:
    assert format_visit(year=2026, serial=1) == "NQI-V-2026-000001"


TEXTS = st.text(max_size=60)


@given(
    st.builds(
        Typed,
        kind=TEXTS | st.sampled_from(list(TicketKind)),
        source=TEXTS | st.sampled_from(list(Source)),
        applicant=TEXTS,
        person=TEXTS,
        phone=TEXTS,
        content=TEXTS,
        category=TEXTS,
        urgency=TEXTS,
        started_at=TEXTS | st.datetimes().map(datetime.isoformat),
        visit=TEXTS,
    )
)
def test_any_text_is_read_or_refused_and_what_is_read_keeps_the_rules(typed: Typed) -> None:
    found = read_entry(typed, now=NOON)
    if isinstance(found, tuple):
        assert found
        assert all(problem.message for problem in found)
        return
    assert len(found.content) >= 4
    assert found.started_at is None or found.started_at <= NOON
    assert not any(char in found.content for char in "\x00\x07")
    assert (found.source is Source.VISIT) == bool(found.visit)
