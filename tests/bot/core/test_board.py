"""The filter of the request board stands whole in its address; columns, cursors and spans say what they mean."""

from datetime import UTC, date, datetime, timedelta

import pytest

from bot.core.board import (
    ENDED,
    STAGES,
    Cursor,
    Filter,
    Layout,
    Order,
    masked_name,
    span_text,
)
from bot.core.sheets import written_sheet
from bot.core.ticket_states import FINAL, TicketState
from tests.make import NOON

FULL = Filter(
    kind="need",
    state="serving",
    mark="overdue",
    category="testing",
    urgency="green",
    station="示例一站&x=1",
    provider="P-1",
    staff="小李",
    source="phone",
    text="椰汁 50%",
    since=date(2026, 11, 1),
    until=date(2026, 11, 21),
    layout=Layout.BOARD,
    order=Order.NEW,
)


def test_every_condition_stands_in_the_address_and_comes_back() -> None:
    assert Filter.of_query(FULL.query) == FULL


def test_no_condition_is_no_query() -> None:
    assert Filter().query == ""
    assert Filter.of_query("") == Filter()


@pytest.mark.parametrize(
    "query",
    [
        "kind=x&state=gone&mark=late&category=oos&urgency=soon&source=fax&layout=cube&order=random",
        "since=yesterday&until=2026-13-01",
        "since=0001-01-01&until=9999-12-31",
        "station=%00&unknown=1&text=%20%20",
    ],
)
def test_nonsense_is_left_out(query: str) -> None:
    assert Filter.of_query(query) == Filter()


def test_long_words_are_cut() -> None:
    assert len(Filter(text="").read({"text": "字" * 500}).text) == 60


def test_each_unfinished_state_stands_in_one_column() -> None:
    states = [state for stage in STAGES for state in stage.states]
    assert sorted(states) == sorted(set(TicketState) - FINAL)
    assert set(ENDED.states) == FINAL


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("", frozenset(TicketState) - FINAL),
        ("all", None),
        ("ended", FINAL),
        ("rating", {TicketState.FINISHED, TicketState.RESPONDED}),
        ("closed", {TicketState.CLOSED}),
    ],
)
def test_a_state_of_the_address_stands_for_states(state: str, wanted: frozenset[TicketState] | None) -> None:
    assert Filter(state=state).states == wanted


@pytest.mark.parametrize(
    ("state", "keys"),
    [
        ("", [stage.key for stage in STAGES]),
        ("all", [stage.key for stage in STAGES]),
        ("serving", ["serving"]),
        ("referred", ["offered"]),
        ("closed", []),
    ],
)
def test_the_board_has_the_columns_that_can_hold_something(state: str, keys: list[str]) -> None:
    assert [stage.key for stage in Filter(state=state).stages] == keys


@pytest.mark.parametrize(
    "cursor", [Cursor(None, 7), Cursor(datetime(2026, 11, 21, 1, 2, 3, 456789, tzinfo=UTC), 2**53)]
)
def test_a_cursor_comes_back(cursor: Cursor) -> None:
    assert Cursor.read(cursor.text) == cursor


@pytest.mark.parametrize("text", ["", "7", "a.b", "-1.5", "1.", "٣.٤", "9" * 30 + ".1"])
def test_a_broken_cursor_is_none(text: str) -> None:
    assert Cursor.read(text) is None


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=20), "还有 1 分钟"),
        (timedelta(minutes=59), "还有 59 分钟"),
        (timedelta(hours=23, minutes=59), "还有 23 小时"),
        (timedelta(days=3, hours=2), "还有 3 天"),
        (timedelta(days=90), "还早"),
        (timedelta(0), "已超 1 分钟"),
        (timedelta(hours=-5), "已超 5 小时"),
        (timedelta(days=-2), "已超 2 天"),
        (timedelta(days=-90), "早已超期"),
    ],
)
def test_a_span_is_said_in_its_largest_unit(span: timedelta, text: str) -> None:
    assert span_text(NOON + span, NOON) == text


@pytest.mark.parametrize(("name", "shown"), [("", ""), ("王某", "王**"), ("示例甜水食品有限公司", "示例**")])
def test_a_name_is_masked_to_its_beginning(name: str, shown: str) -> None:
    assert masked_name(name) == shown


@pytest.mark.parametrize("text", ["=1+1", "+86", "-1", "@x", "\t=1", " =1", "\n=1", "'=1"])
def test_what_a_spreadsheet_would_run_becomes_text(text: str) -> None:
    table = written_sheet(["标题"], [[text]], form="csv").decode("utf-8-sig")
    assert table.splitlines()[1].lstrip('"').startswith("'")


def test_a_sheet_has_no_other_form() -> None:
    with pytest.raises(ValueError, match="xlsx and csv"):
        written_sheet([], [], form="pdf")
