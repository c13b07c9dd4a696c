"""An index read from a file is the index that was written, and a file that cannot be trusted is not."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intents.text import Tokenizer
from knowledge import stored
from knowledge.entries import Entry, Release
from knowledge.rows import load_seeds
from knowledge.search import Index
from knowledge.stored import index_of

TODAY = date(2026, 11, 21)
SEEDS = load_seeds()[:40]
QUESTIONS = ["压力表多久检一次", "商标续展", "较准费用", "GB 7718 过渡期", "今天天气怎么样", "", "🙂"]


def found(index: Index) -> list[list[tuple[str, float, str, tuple[str, ...]]]]:
    """What is seen from outside."""
    return [
        [(hit.entry.id, hit.score, hit.matched, hit.reasons) for hit in index.search(text, today=TODAY)]
        for text in QUESTIONS
    ]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("index-*"))


def edited(entry: Entry) -> Entry:
    return replace(entry, questions=(*entry.questions[1:], "这台机器要不要送去查一查"))


@pytest.fixture(scope="module")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the index of SEEDS."""
    folder = tmp_path_factory.mktemp("stored")
    index_of(Release.of(SEEDS), tokenizer, folder)
    return folder


def test_the_file_gives_the_index_that_was_built(tokenizer: Tokenizer, folder: Path) -> None:
    before = files(folder)[0].stat().st_mtime_ns
    read = index_of(Release.of(SEEDS, number=7), tokenizer, folder)
    assert files(folder)[0].stat().st_mtime_ns == before
    assert read.release == Release.of(SEEDS, number=7)
    assert found(read) == found(Index.build(Release.of(SEEDS), tokenizer))


@settings(max_examples=20, deadline=None)
@given(gone=st.sets(st.integers(0, 39), max_size=10), changed=st.sets(st.integers(0, 39), max_size=10))
def test_the_file_serves_a_release_that_differs_a_little(
    tokenizer: Tokenizer, folder: Path, gone: set[int], changed: set[int]
) -> None:
    entries = [
        edited(entry) if place in changed else entry for place, entry in enumerate(SEEDS) if place not in gone
    ]
    read = index_of(Release.of(entries), tokenizer, folder)
    assert read.release == Release.of(entries)
    assert found(read) == found(Index.build(Release.of(entries), tokenizer))
    more = read.updated(Release.of(SEEDS))
    assert found(more) == found(Index.build(Release.of(SEEDS), tokenizer))


def test_many_changes_give_a_new_file(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MANY_CHANGES", 3)
    index_of(Release.of(SEEDS[:10]), tokenizer, tmp_path)
    small = files(tmp_path)[0].stat().st_size
    read = index_of(Release.of(SEEDS), tokenizer, tmp_path)
    assert [path.stat().st_size > small for path in files(tmp_path)] == [True]
    assert found(read) == found(Index.build(Release.of(SEEDS), tokenizer))


def test_other_synonyms_read_the_entries_again(tokenizer: Tokenizer, tmp_path: Path) -> None:
    index_of(Release.of(SEEDS), tokenizer, tmp_path)
    first = files(tmp_path)
    index_of(Release.of(SEEDS), tokenizer.knowing({"气压计": "压力表"}), tmp_path)
    assert len(files(tmp_path)) == 1
    assert files(tmp_path) != first


@pytest.mark.parametrize("kept", [0, 1, 100, 5_000, -1])
def test_a_broken_file_is_built_again(tokenizer: Tokenizer, tmp_path: Path, kept: int) -> None:
    release = Release.of(SEEDS[:5])
    whole = found(index_of(release, tokenizer, tmp_path))
    path = files(tmp_path)[0]
    data = path.read_bytes()
    path.write_bytes(data[:kept])
    assert found(index_of(release, tokenizer, tmp_path)) == whole
    assert path.read_bytes() == data


def test_a_folder_that_cannot_be_written_costs_only_time(tokenizer: Tokenizer, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    release = Release.of(SEEDS[:5])
    assert found(index_of(release, tokenizer, in_the_way / "inside")) == found(
        Index.build(release, tokenizer)
    )
