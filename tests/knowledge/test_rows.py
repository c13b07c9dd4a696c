"""Entries leave and come back unchanged, and every mistake in a file is named."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intents.categories import Category
from knowledge.check import PREFIXES
from knowledge.entries import Basis, Confidence, Entry, EntryStatus, Text
from knowledge.rows import entry_from_dict, entry_to_dict, load_seeds, read_entries, write_entries, written
from tests.make import entry

FORMS = ("toml", "jsonl", "csv")

# Everything but surrogates and control characters; line ends are \n, as everywhere inside.
_SIGNS = st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t")
_ANY = st.text(_SIGNS, max_size=30)
_FILLED = _ANY.filter(lambda text: text.strip() != "")
_DAY = st.dates(date(1990, 1, 1), date(2090, 1, 1))
_MAYBE_DAY = st.none() | _DAY

_BASES = st.builds(Basis, _FILLED, _ANY, _ANY, _MAYBE_DAY, _MAYBE_DAY)
_TEXTS = st.builds(Text, _FILLED, _ANY, _ANY, st.lists(_BASES, max_size=2).map(tuple), _MAYBE_DAY, _MAYBE_DAY)
_LISTS = st.lists(_FILLED, max_size=3).map(tuple)
ENTRIES = st.builds(
    Entry,
    id=_FILLED,
    category=st.sampled_from(Category),
    title=_FILLED,
    questions=_LISTS,
    keywords=_LISTS,
    texts=st.lists(_TEXTS, min_size=1, max_size=3).map(tuple),
    confidence=st.sampled_from(Confidence),
    checked_on=_DAY,
    owner=_ANY,
    status=st.sampled_from(EntryStatus),
    related=_LISTS,
)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(entries=st.lists(ENTRIES, max_size=3))
def test_what_is_written_is_read_again(form: str, entries: list[Entry]) -> None:
    assert read_entries(written(entries, form=form), form=form) == (entries, [])


@given(one=ENTRIES)
def test_an_entry_survives_as_json(one: Entry) -> None:
    assert entry_from_dict(json.loads(json.dumps(entry_to_dict(one)))) == one


@pytest.mark.parametrize("form", FORMS)
def test_files_keep_the_shipped_entries(form: str, tmp_path: Path) -> None:
    seeds = load_seeds()
    path = tmp_path / f"entries.{form}"
    write_entries(seeds, path)
    assert read_entries(path) == (seeds, [])


def test_the_shipped_entries_are_all_there() -> None:
    seeds = load_seeds()
    assert len(seeds) >= 290
    assert {one.category for one in seeds} == set(Category)
    assert all(one.id.startswith(PREFIXES[one.category]) for one in seeds)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "'="])
def test_a_cell_is_no_formula(sign: str) -> None:
    one = entry(title=f"{sign}1+2", keywords=(f"{sign}cmd",))
    text = written([one], form="csv")
    assert f"'{sign}1+2" in text
    assert f"'{sign}cmd" in text
    assert read_entries(text, form="csv") == ([one], [])


def test_a_spreadsheet_may_add_a_mark_and_other_line_ends(tmp_path: Path) -> None:
    one = entry(texts=(Text("第一行\n第二行"),))
    path = tmp_path / "entries.csv"
    write_entries([one], path)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    path.write_bytes(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert read_entries(path) == ([one], [])


def test_a_csv_row_may_hold_two_texts() -> None:
    two = (Text("旧的。", valid_until=date(2026, 12, 31)), Text("新的。", valid_from=date(2027, 1, 1)))
    text = written([entry("MET-01"), entry("MET-02", texts=two)], form="csv")
    found, problems = read_entries(text, form="csv")
    assert problems == []
    assert found[1].texts == two
    assert len(found[0].texts) == 1


_GOOD = """
[[entry]]
id = "MET-01"
category = "metrology"
title = "标题"
questions = ["问"]
confidence = "high"
checked_on = 2026-11-21
owner = "知识维护"
[[entry.text]]
answer = "答"
"""


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('category = "metrology"', 'category = "weather"', "category"),
        ('title = "标题"', 'title = " "', "title"),
        ('title = "标题"', "title = 3", "title"),
        ('questions = ["问"]', 'questions = "问"', "questions"),
        ("checked_on = 2026-11-21", 'checked_on = "昨天"', "checked_on"),
        ("checked_on = 2026-11-21", "", "checked_on"),
        ('confidence = "high"', 'confidence = "sure"', "confidence"),
        ('answer = "答"', 'answer = ""', "text[1].answer"),
        ('answer = "答"', 'answer = "答"\nbasis = [{ number = "1" }]', "text[1].basis[1].document"),
        ('answer = "答"', 'answer = "答"\nvalid_from = 7', "text[1].valid_from"),
        ('owner = "知识维护"', 'onwer = "知识维护"', "onwer"),
        ('[[entry.text]]\nanswer = "答"', "", "text"),
    ],
)
def test_each_mistake_is_named(old: str, new: str, field: str) -> None:
    entries, problems = read_entries(_GOOD.replace(old, new))
    assert entries == []
    assert [problem.field for problem in problems] == [field]
    assert problems[0].entry_id == "MET-01"
    assert problems[0].message.endswith("。")


def test_good_rows_come_in_beside_bad_ones() -> None:
    entries, problems = read_entries(_GOOD + _GOOD.replace("MET-01", "MET-02").replace('"high"', '"low"'))
    assert [one.id for one in entries] == ["MET-01"]
    assert str(problems[0]).startswith("MET-02 confidence：")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("[[entry", "toml"),
        ("other = 1", "toml"),
        ("entry = 1", "toml"),
        ("entry = [1]", "toml"),
        ("{", "jsonl"),
        ("[]", "jsonl"),
        ('{"id": "MET-01"}', "jsonl"),
        ("title,answer\r\n1,2", "csv"),
        ('id,title\r\n"1', "csv"),
        ("id,surprise\r\nMET-01,2", "csv"),
        ("", "xlsx"),
    ],
)
def test_what_is_no_entry_is_a_problem(text: str, form: str) -> None:
    entries, problems = read_entries(text, form=form)
    assert entries == []
    assert problems


def test_a_file_in_another_encoding_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "entries.csv"
    path.write_bytes("id,标题".encode("gb18030"))
    _, problems = read_entries(path)
    assert "UTF-8" in problems[0].message
    assert problems[0].file == "entries.csv"


def test_only_known_forms_are_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="toml"):
        write_entries([], tmp_path / "entries.txt")
    with pytest.raises(ValueError, match="title"):
        entry_from_dict({"id": "MET-01", "category": "metrology"})


@settings(deadline=None)
@given(text=st.text(max_size=80), form=st.sampled_from(FORMS))
def test_any_text_is_read_without_a_crash(text: str, form: str) -> None:
    entries, problems = read_entries(text, form=form)
    assert entries == [] or not problems
