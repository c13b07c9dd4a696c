"""Figures are the number of their records; what counts as a question, an answer, a right category."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from bot.core.figures import (
    Kind,
    Share,
    by_category,
    by_week,
    checks_of,
    first_day,
    line_of,
    opinions_of,
    pick,
    questions_of,
)


@dataclass
class Row:
    id: int
    is_inbound: bool
    outcome: str | None = None
    entry_id: str | None = None
    conversation_id: int = 1
    category: str | None = "testing"
    at: datetime = datetime(2026, 11, 20, 4, tzinfo=UTC)


def talk(*said: tuple[str, str], conversation: int = 1, first: int = 1) -> list[Row]:
    """Pairs of outcome and the entry that was given."""
    rows = []
    for outcome, entry_id in said:
        number = first + len(rows)
        rows += [
            Row(number, True, outcome or None, conversation_id=conversation),
            Row(number + 1, False, entry_id=entry_id or None, conversation_id=conversation),
        ]
    return rows


def kinds(rows: list[Row]) -> list[tuple[int, set[Kind]]]:
    return [(one.message_id, set(one.kinds) - {Kind.ASKED}) for one in questions_of(rows)]


AT_ONCE, CHOSEN, MISSED = {Kind.HIT, Kind.AT_ONCE}, {Kind.HIT, Kind.CHOSEN}, {Kind.MISSED}


def test_a_question_counts_once_whatever_it_took_to_answer_it() -> None:
    assert kinds(talk(("answer", "TST-01"))) == [(1, AT_ONCE)]
    assert kinds(talk(("clarify", ""), ("answer", "TST-01"))) == [(1, CHOSEN)]
    assert kinds(talk(("clarify", ""), ("act", ""))) == [(1, MISSED)]
    assert kinds(talk(("clarify", ""), ("act", ""), ("answer", "TST-01"))) == [(1, MISSED), (5, AT_ONCE)]
    assert kinds(talk(("oos", ""), ("refer", ""))) == [(1, MISSED), (3, MISSED)]


def test_words_that_only_act_are_no_questions() -> None:
    assert kinds(talk(("act", ""), ("form", ""), ("", ""))) == []
    assert kinds(talk(("answer", "TST-01"), ("answer", ""))) == [(1, AT_ONCE)], "更多 is no question"


def test_conversations_do_not_mix() -> None:
    one, other = talk(("clarify", "")), talk(("answer", "TST-01"), conversation=2, first=3)
    assert kinds([*one, *other]) == [(1, MISSED), (3, AT_ONCE)]


def test_the_figures_of_a_week_and_a_category_are_those_of_their_records() -> None:
    rows = talk(("answer", "TST-01"), ("oos", ""), ("clarify", ""), ("answer", "TST-02"))
    rows[2].category = None
    for row in rows[4:]:
        row.at = datetime(2026, 11, 22, 17, tzinfo=UTC)  # Monday in China
    records = questions_of(rows)
    total = line_of("", records)
    assert (total.hit, total.at_once) == (Share(2, 3), Share(1, 3))
    assert [(line.key, line.hit) for line in by_week(records)] == [
        ("2026-W48", Share(1, 1)),
        ("2026-W47", Share(1, 2)),
    ]
    assert [(line.key, line.hit) for line in by_category(records)] == [
        ("oos", Share(0, 1)),
        ("testing", Share(2, 2)),
    ]
    for line in by_week(records):
        assert len(pick(records, Kind.HIT, week=line.key)) == line.hit.part
        assert len(pick(records, Kind.ASKED, week=line.key)) == line.hit.whole
    assert [one.message_id for one in pick(records, Kind.ASKED)] == [5, 3, 1], "newest first"


@dataclass
class Opinion:
    message_id: int
    entry_id: str
    is_helpful: bool
    conversation_id: int = 1
    at: datetime = datetime(2026, 11, 20, 4, tzinfo=UTC)


def test_helpful_is_counted_of_what_was_rated_by_the_category_of_the_entry() -> None:
    rows = [Opinion(1, "TST-01", True), Opinion(2, "TST-01", False), Opinion(3, "GONE-1", True)]
    records = opinions_of(rows, {"TST-01": "testing"})
    assert line_of("", records).helpful == Share(2, 3)
    assert [(line.key, line.helpful) for line in by_category(records)] == [
        ("oos", Share(1, 1)),
        ("testing", Share(1, 2)),
    ]
    assert line_of("", records).hit.percent == "—"
    assert line_of("", records).helpful.percent == "66.7%"


@dataclass
class Check:
    message_id: int
    before: str
    after: str
    state: str
    conversation_id: int = 1
    at: datetime = datetime(2026, 11, 20, 4, tzinfo=UTC)


def test_a_category_is_right_where_staff_confirmed_it_or_the_maintainer_did() -> None:
    rows = [
        Check(1, "testing", "metrology", "accepted"),
        Check(2, "testing", "testing", "accepted"),
        Check(3, "testing", "ip", "rejected"),
        Check(4, "ip", "policy", "accepted"),
    ]
    lines = {line.key: line.right for line in by_category(checks_of(rows))}
    assert lines == {"testing": Share(2, 3), "ip": Share(0, 1)}


def test_weeks_begin_on_monday() -> None:
    assert first_day(date(2026, 11, 21), weeks=1) == date(2026, 11, 16)
    assert first_day(date(2026, 11, 16), weeks=2) == date(2026, 11, 9)
