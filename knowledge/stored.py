"""An index on disk: every process of a release reads what the first one built, instead of building it again."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from knowledge.entries import Entry, Release
from knowledge.likeness import Known, Places
from knowledge.postings import Postings
from knowledge.reading import Reading, Words
from knowledge.search import Index, Phrase

_SHAPED_BY = {  # what an index is made with: a change of any makes the files on disk useless
    "intents": ("text.py", "sounds.py", "data/userdict.txt", "data/synonyms.tsv", "data/sounds.tsv"),
    "knowledge": (
        "entries.py",
        "likeness.py",
        "meaning.py",
        "postings.py",
        "reading.py",
        "search.py",
        "stored.py",
        "data/meanings.tsv",
        "data/reading.toml",
    ),
}
MANY_CHANGES = 50  # entries; beyond, reading everything again is worth a new file
_PLACES = ("phrases", "bodies", "texts")

Arrays = Mapping[str, NDArray[Any]]


def index_of(release: Release, tokenizer: Words, folder: Path) -> Index:
    """The index of a release: what the folder holds, with what changed since; built and kept when much did."""
    path = folder / f"index-{_fingerprint(tokenizer)}.npz"
    found = load(path, release, tokenizer)
    if found is not None and len(found.changed(release)) <= MANY_CHANGES:
        return found.updated(release)
    try:
        save(Index.build(release, tokenizer), path)
        for other in folder.glob("index-*"):
            if other != path:
                other.unlink(missing_ok=True)
    except OSError:
        # Without the file the next start is slower, nothing else.
        return Index.build(release, tokenizer)
    # Read again, though it was just built: what building leaves behind is a third of the memory.
    return load(path, release, tokenizer) or Index.build(release, tokenizer)


def _fingerprint(tokenizer: Words) -> str:
    """Tells whether two states of the program read entries alike."""
    seen = hashlib.sha256(tokenizer.fingerprint.encode())
    for package, names in _SHAPED_BY.items():
        for name in names:
            seen.update(files(package).joinpath(name).read_bytes())
    return seen.hexdigest()[:24]


def save(index: Index, path: Path) -> None:
    """Write an index as it was built; whoever reads meanwhile sees the old file or the whole new one.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    with fresh.open("wb") as file:
        np.savez(file, allow_pickle=False, **_arrays_of(index))
    fresh.replace(path)


def load(path: Path, release: Release, tokenizer: Words) -> Index | None:
    """Of a written index, what is the same in this release; None where no whole one lies there."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return _index_of(dict(arrays), release, tokenizer)
    except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile):
        return None


def _mark(entry: Entry) -> str:
    # A dataclass names all its values in its representation, in the order of its fields.
    return hashlib.sha256(repr(entry).encode()).hexdigest()[:24]


# --- writing ---


def _arrays_of(index: Index) -> dict[str, NDArray[Any]]:
    known = [index.known[owner] for owner in index.owners]
    readings = [phrase.reading for phrase in index.phrases if phrase]
    places = {name: getattr(index.places, name) for name in _PLACES}
    parts = [_part_arrays(name, place) for name, place in places.items()]
    return {
        **{key: array for part in parts for key, array in part.items()},
        "owners": _text(index.owners),
        "marks": _text([_mark(one.entry) for one in known]),
        "owner_of": index.owner_of,
        "written": _text([phrase.text for phrase in index.phrases if phrase]),
        "read": _text([reading.text for reading in readings]),
        "sounds": _text([reading.sound for reading in readings]),
        "asks": np.array([reading.asks for reading in readings], np.int64),
        "negated": np.array([reading.is_negated for reading in readings], bool),
        "numbers": _text([sorted(reading.numbers) for reading in readings]),
        "entry_keywords": _text([one.keywords for one in known]),
        "entry_asks": np.array([(one.asks, one.title_asks) for one in known], np.int64).reshape(-1, 2),
        "entry_shares": np.array([one.ask_shares for one in known], np.float64),
        "entry_numbers": _text([sorted(one.numbers) for one in known]),
        "body_meanings": index.places.body_meanings,
        "text_meanings": index.places.text_meanings,
    }


def _part_arrays(name: str, place: Postings) -> dict[str, NDArray[Any]]:
    return {
        f"{name}.vocabulary": _text(list(place.vocabulary)[: len(place.kinds)]),
        f"{name}.kinds": place.kinds,
        f"{name}.starts": place.starts,
        f"{name}.documents": place.documents,
        f"{name}.terms": np.concatenate([np.zeros(0, np.int32), *place.of_document]),
        f"{name}.sizes": place.sizes,
        f"{name}.weights": place.weights,
        f"{name}.live": np.array(place.live),
    }


def _text(values: Sequence[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(values, ensure_ascii=False).encode(), np.uint8)


# --- reading ---


def _index_of(arrays: Arrays, release: Release, tokenizer: Words) -> Index:
    entries = {entry.id: entry for entry in release.entries}
    owners: list[str] = _values(arrays["owners"])
    is_same = [
        owner in entries and _mark(entries[owner]) == mark
        for owner, mark in zip(owners, _values(arrays["marks"]), strict=True)
    ]
    gone = [number for number, same in enumerate(is_same) if not same]
    owners = [owner if same else "" for owner, same in zip(owners, is_same, strict=True)]
    phrases = list(_phrases(arrays, owners))
    lost = [number for number, phrase in enumerate(phrases) if phrase is None]
    known = dict(_known(arrays, entries, owners))
    places = Places(
        _place(arrays, "phrases").minus(lost),
        _place(arrays, "bodies").minus(gone),
        _place(arrays, "texts").minus(gone),
        arrays["body_meanings"],
        arrays["text_meanings"],
    )
    return replace(
        Index.build(Release.of(()), tokenizer),
        release=Release.of((entries[owner] for owner in known), number=release.number),
        known=known,
        phrases=tuple(phrases),
        owners=tuple(owners),
        owner_of=arrays["owner_of"],
        places=places,
    )


def _known(
    arrays: Arrays, entries: Mapping[str, Entry], owners: Sequence[str]
) -> Iterator[tuple[str, Known]]:
    counts = np.bincount(arrays["owner_of"], minlength=len(owners)).tolist()
    rows = zip(
        owners,
        pairwise(accumulate(counts, initial=0)),
        _values(arrays["entry_keywords"]),
        arrays["entry_asks"].tolist(),
        arrays["entry_shares"].tolist(),
        _values(arrays["entry_numbers"]),
        strict=True,
    )
    for number, (owner, span, words, (asks, title_asks), shares, named) in enumerate(rows):
        if owner:
            phrases = tuple(range(*span))
            yield (
                owner,
                Known(
                    entries[owner],
                    number,
                    phrases,
                    tuple(words),
                    asks,
                    tuple(shares),
                    title_asks,
                    frozenset(named),
                ),
            )


def _phrases(arrays: Arrays, owners: Sequence[str]) -> Iterator[Phrase | None]:
    rows = zip(
        arrays["owner_of"].tolist(),
        _values(arrays["written"]),
        _values(arrays["read"]),
        _values(arrays["sounds"]),
        arrays["asks"].tolist(),
        _values(arrays["numbers"]),
        arrays["negated"].tolist(),
        strict=True,
    )
    nothing: frozenset[str] = frozenset()
    for number, written, text, sound, asks, numbers, is_negated in rows:
        named = frozenset(numbers) if numbers else nothing
        reading = Reading(text, sound, (), asks, named, is_negated)
        yield Phrase(owners[number], written, reading) if owners[number] else None


def _place(arrays: Arrays, name: str) -> Postings:
    terms: list[str] = _values(arrays[f"{name}.vocabulary"])
    sizes = arrays[f"{name}.sizes"]
    ends = np.cumsum(sizes, dtype=np.int64)[:-1]
    return Postings(
        {term: number for number, term in enumerate(terms)},
        arrays[f"{name}.kinds"],
        arrays[f"{name}.starts"],
        arrays[f"{name}.documents"],
        tuple(np.split(arrays[f"{name}.terms"], ends)) if len(sizes) else (),
        sizes,
        int(arrays[f"{name}.live"]),
        arrays[f"{name}.weights"],
    )


def _values(array: NDArray[Any]) -> list[Any]:
    found: list[Any] = json.loads(array.tobytes())
    return found
