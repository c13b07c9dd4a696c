"""Who cites a document, from when a text is not given any more, and what is due for review."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from bot.core.sweeps import AHEAD, Document, Place, due_reviews, ended, search_entry, search_reply
from knowledge.entries import Basis, EntryStatus, Text
from tests.make import TODAY, entry

CHANGE = date(2027, 1, 1)


def document(typed: str) -> Document:
    found = Document.read(typed)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("GB/T 19001-2016", "GB/T 19001-2016"),
        ("gbt19001—2016", "GB/T 19001-2016"),
        ("ＧＢ/Ｔ１９００１", "GB/T 19001"),
        ("gb 7718", "GB 7718"),
        ("DB46/T 583-2023", "DB46/T 583-2023"),
        ("ISO/IEC 17025:2017", "ISO/IEC 17025-2017"),
        ("GB/T 2828.1-2012", "GB/T 2828.1-2012"),
        ("《中华人民共和国计量法》", "中华人民共和国计量法"),
    ],
)
def test_a_document_is_read_as_it_may_be_typed(typed: str, name: str) -> None:
    assert document(typed).name == name


@pytest.mark.parametrize("typed", ["", "  ", "法", "GB", "《法》"])
def test_what_is_too_short_to_be_looked_for_is_none(typed: str) -> None:
    assert Document.read(typed) is None


@pytest.mark.parametrize(
    ("typed", "text", "exact"),
    [
        ("GB/T 19001-2016", "依据GB/T 19001-2016第8条", [True]),
        ("GB/T 19001-2016", "依据 GBT19001—2016", [True]),
        ("GB/T 19001-2016", "按GB/T19001建立体系", [False]),
        ("GB/T 19001-2016", "GB/T 19001-2008已经作废", []),
        ("GB/T 19001", "GB/T 19001-2008和GB/T 19001", [True, True]),
        ("GB/T 19001", "GB 19001、GB/T 19001.2、GB/T 190011、GB/T 1900", []),
        ("GB 7718", "GB/T 7718和GB 7718-2025", [True]),
        ("GB/T 2828.1", "GB/T 2828.1-2012，GB/T 2828.11", [True]),
        ("ISO 9001", "ISO9001:2015", [True]),
        ("中华人民共和国计量法", "《中华人民共和国计量法》第九条", [True]),
    ],
)
def test_citations_are_found_however_they_are_written(typed: str, text: str, exact: list[bool]) -> None:
    assert [is_exact for _shown, is_exact in document(typed).cited_in(text)] == exact


def test_every_place_of_an_entry_is_looked_at_and_shown() -> None:
    text = Text(
        "按GB/T 19001-2016办。",
        more="详见GB/T 19001。",
        next="GB/T 19001可登记。",
        basis=(Basis("质量管理体系 要求", "GB/T 19001-2016", "8.1"),),
    )
    found = search_entry(
        entry(title="GB/T 19001是什么", questions=("gbt19001",), texts=(text,)),
        document("GB/T 19001-2016"),
        on=CHANGE,
    )
    assert found is not None
    assert [one.place for one in found.citations] == [
        Place.TITLE,
        Place.QUESTION,
        Place.BASIS,
        Place.ANSWER,
        Place.MORE,
        Place.NEXT,
    ]
    assert found.citations[2].shown == "质量管理体系 要求 GB/T 19001-2016 8.1"
    assert found.rests_on_it


@pytest.mark.parametrize(
    ("changes", "rests"),
    [
        ({"texts": (Text("见GB/T 19001。"),)}, False),  # the current edition, whichever it is
        ({"texts": (Text("见GB/T 19001-2016。"),)}, True),
        ({"texts": (Text("甲", basis=(Basis("要求", "GB/T 19001"),)),)}, True),
        ({"questions": ("GB/T 19001-2016怎么办",)}, False),
        ({"texts": (Text("见GB/T 19001-2016。", valid_until=date(2026, 12, 31)),)}, False),  # ends by itself
    ],
)
def test_only_what_is_given_rests_on_an_edition(changes: dict[str, object], rests: bool) -> None:
    found = search_entry(entry(**changes), document("GB/T 19001-2016"), on=CHANGE)
    assert found is not None
    assert found.rests_on_it is rests


def test_an_entry_that_does_not_cite_it_is_not_found() -> None:
    assert search_entry(entry(), document("GB/T 19001"), on=CHANGE) is None
    assert search_reply(1, "甲", "乙", document("GB/T 19001")) is None


def test_a_canned_reply_rests_on_the_edition_that_it_names() -> None:
    found = search_reply(3, "体系", "请按GB/T 19001-2016准备", document("GB/T 19001-2016"))
    assert found is not None
    assert (found.subject, found.rests_on_it) == ("canned:3", True)


def test_a_text_is_given_until_the_day_before_and_not_one_day_longer() -> None:
    old = Text("旧", basis=(Basis("要求", "GB/T 19001-2016"), Basis("计量法")))
    new = Text("新", basis=(Basis("要求", "GB/T 19001-2026"),), valid_from=CHANGE)
    after = ended(entry(texts=(old, new)), document("GB/T 19001-2016"), on=CHANGE)
    last = CHANGE - timedelta(days=1)
    assert (after.texts[0].valid_until, after.texts[1]) == (last, new)
    assert [basis.until for basis in after.texts[0].basis] == [last, None]
    given = [after.text_on(day) for day in (last, CHANGE)]
    assert [text.answer if text else "" for text in given] == ["旧", "新"]
    assert ended(after, document("GB/T 19001-2016"), on=CHANGE) == after


def test_a_text_that_ends_sooner_keeps_its_end_and_one_that_begins_later_is_never_given() -> None:
    sooner = Text("甲GB/T 19001-2016", valid_until=TODAY)
    later = Text("乙GB/T 19001-2016", valid_from=CHANGE + timedelta(days=60))
    after = ended(entry(texts=(sooner, later)), document("GB/T 19001"), on=CHANGE)
    assert after.texts[0] == sooner
    assert [after.text_on(CHANGE + timedelta(days=days)) for days in range(-30, 400, 10)] == [None] * 43


# --- the calendar ---


def due(*entries: object, reviewed: dict[str, date] | None = None) -> list[tuple[str, date]]:
    found = due_reviews(entries, today=TODAY, reviewed=reviewed or {})  # type: ignore[arg-type]
    return [(one.entry_id, one.on) for one in found]


def test_an_entry_is_due_a_year_after_it_was_checked_or_reviewed() -> None:
    checked = entry(checked_on=TODAY - timedelta(days=340))
    assert due(checked) == [("MET-05", TODAY + timedelta(days=25))]
    assert due(entry(checked_on=TODAY - timedelta(days=304))) == [], "sixty-one days ahead"
    assert due(checked, reviewed={"MET-05": TODAY}) == []
    assert due(replace(checked, status=EntryStatus.ARCHIVED)) == []


def test_a_text_without_a_successor_and_a_basis_that_ends_are_due() -> None:
    end = TODAY + timedelta(days=30)
    follower = Text("新", valid_from=end + timedelta(days=1))
    assert due(entry(texts=(Text("旧", valid_until=end),))) == [("MET-05", end)]
    assert due(entry(texts=(Text("旧", valid_until=end), follower))) == []
    assert due(entry(texts=(Text("旧", basis=(Basis("甲", "乙", until=end),)),))) == [("MET-05", end)]


def test_a_review_settles_what_was_near_when_it_was_done() -> None:
    end = TODAY + timedelta(days=30)
    one = entry(texts=(Text("旧", valid_until=end),))
    assert due(one, reviewed={"MET-05": end - AHEAD}) == []
    assert due(one, reviewed={"MET-05": end - AHEAD - timedelta(days=1)}) == [("MET-05", end)]


def test_the_most_urgent_stands_first() -> None:
    days = {"MET-01": 400, "MET-02": 500, "MET-03": 340}
    entries = [entry(entry_id, checked_on=TODAY - timedelta(days=ago)) for entry_id, ago in days.items()]
    assert [entry_id for entry_id, _on in due(*entries)] == ["MET-02", "MET-01", "MET-03"]
