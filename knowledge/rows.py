"""Rows of files <-> entries: TOML for people and reviews, JSONL for programs, CSV for spreadsheets."""

import csv
import io
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w

from knowledge.entries import Entry
from knowledge.fields import (
    BASIS_NAMES,
    ENTRY_NAMES,
    TEXT_NAMES,
    Problem,
    entry_from_dict,
    entry_to_dict,
    read_entry,
)
from knowledge.sheets import guarded, unguarded

__all__ = [
    "Problem",
    "entry_from_dict",
    "entry_to_dict",
    "load_seeds",
    "read_entries",
    "write_entries",
    "written",
]

_Rows = Iterator[tuple[str, Mapping[str, Any]] | Problem]

_LISTS = ("questions", "keywords", "related")
_FLAT = tuple(name for name in ENTRY_NAMES if name != "text")
_DATES = ("checked_on", "valid_from", "valid_until", "from", "until")


def read_entries(source: Path | str, *, form: str = "toml") -> tuple[list[Entry], list[Problem]]:
    """Read entries from a file (its suffix tells the form) or from a text of that form: toml, jsonl, csv.

    Entries with a problem are left out; each problem says where it is.
    """
    if isinstance(source, Path):
        form, name = source.suffix.lower().lstrip("."), source.name
        try:
            text = source.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            return [], [Problem(name, "", "", "文件不是 UTF-8 编码；请另存为 UTF-8 后再导入。")]
    else:
        text, name = source, ""
    if form not in _READERS:
        return [], [Problem(name, "", "", f"只能读 {'、'.join(_READERS)} 文件。")]
    return _collect(_READERS[form](text, name), name)


def write_entries(entries: Iterable[Entry], path: Path) -> None:
    """Write entries to a file; its suffix tells the form. Raises OSError; ValueError for another suffix."""
    text = written(entries, form=path.suffix.lower().lstrip("."))
    # Spreadsheets take a CSV file for UTF-8 only with the mark in front.
    mark = "\ufeff" if path.suffix.lower() == ".csv" else ""
    path.write_bytes((mark + text).encode())


def written(entries: Iterable[Entry], *, form: str) -> str:
    """Entries as a text of that form: toml, jsonl, csv. Raises ValueError for another one."""
    if form not in _WRITERS:
        raise ValueError(f"只能写 {'、'.join(_WRITERS)} 文件。")
    text: str = _WRITERS[form](list(entries))
    return text


def load_seeds() -> list[Entry]:
    """The entries that ship with the project, in the order of their ids; raises ValueError for a bad one."""
    found: list[Entry] = []
    for file in sorted((files("knowledge") / "seeds" / "entries").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            entries, problems = _collect(_toml_rows(file.read_text(encoding="utf-8"), file.name), file.name)
            if problems:
                raise ValueError(str(problems[0]))
            found += entries
    return sorted(found, key=lambda entry: entry.id)


def _collect(rows: _Rows, name: str) -> tuple[list[Entry], list[Problem]]:
    entries: list[Entry] = []
    problems: list[Problem] = []
    for row in rows:
        if isinstance(row, Problem):
            problems.append(row)
            continue
        place, data = row
        entry, wrong = read_entry(data, file=name, row=place)
        problems += wrong
        if entry is not None:
            entries.append(entry)
    return entries, problems


# --- TOML ------------------------------------------------------------------------------------------------


def _toml_rows(text: str, name: str) -> _Rows:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        yield Problem(name, "", "", f"TOML 格式有误：{error}")
        return
    for key in data:
        if key != "entry":
            yield Problem(name, "", key, "文件里只能有 [[entry]]。")
    rows = data.get("entry", [])
    if not isinstance(rows, list):
        yield Problem(name, "", "entry", "每个条目要以 [[entry]] 开头。")
        return
    for place, row in enumerate(rows, 1):
        if isinstance(row, dict):
            yield f"第{place}条", row
        else:
            yield Problem(name, f"第{place}条", "", "每个条目要以 [[entry]] 开头。")


def _toml(entries: list[Entry]) -> str:
    rows = [_with_dates(entry_to_dict(entry)) for entry in entries]
    return tomli_w.dumps({"entry": rows}, multiline_strings=True) if rows else ""


def _with_dates(value: Any, name: str = "") -> Any:
    """ISO dates as TOML dates, where a field holds one."""
    if isinstance(value, dict):
        return {key: _with_dates(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_dates(item) for item in value]
    return date.fromisoformat(value) if name in _DATES and value else value


# --- JSON lines ------------------------------------------------------------------------------------------


def _jsonl_rows(text: str, name: str) -> _Rows:
    for place, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except ValueError:
            yield Problem(name, f"第{place}行", "", "这一行不是 JSON。")
            continue
        if isinstance(data, dict):
            yield f"第{place}行", data
        else:
            yield Problem(name, f"第{place}行", "", "这一行应当是一个 JSON 对象。")


def _jsonl(entries: list[Entry]) -> str:
    return "".join(json.dumps(entry_to_dict(entry), ensure_ascii=False) + "\n" for entry in entries)


# --- CSV -------------------------------------------------------------------------------------------------
# One row per entry. Lists: one item a line. A second text has the same columns again, with a 2 at the end.
# A basis is a line `document|number|clause|from|until`.
# In items, \n \| and \\ stand for a line end, a bar and a backslash.


def _csv(entries: list[Entry]) -> str:
    most = max((len(entry.texts) for entry in entries), default=1)
    columns = [*_FLAT, *(_column(name, place) for place in range(max(1, most)) for name in TEXT_NAMES)]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for entry in entries:
        cells = _cells(entry_to_dict(entry))
        writer.writerow([guarded(cells.get(column, "")) for column in columns])
    return out.getvalue()


def _cells(data: Mapping[str, Any]) -> dict[str, str]:
    cells = {name: data.get(name, "") for name in _FLAT if name not in _LISTS}
    cells |= {name: _lines(data.get(name, [])) for name in _LISTS}
    for place, text in enumerate(data.get("text", [])):
        for name in TEXT_NAMES:
            value = text.get(name, "")
            cells[_column(name, place)] = _bases(value) if name == "basis" and value else value
    return cells


def _column(name: str, place: int) -> str:
    return name if place == 0 else f"{name}{place + 1}"


def _lines(items: Iterable[str]) -> str:
    return "\n".join(_escaped(item) for item in items)


def _bases(bases: Iterable[Mapping[str, str]]) -> str:
    return "\n".join(_basis_line([basis.get(name, "") for name in BASIS_NAMES]) for basis in bases)


def _basis_line(parts: list[str]) -> str:
    while not parts[-1]:
        parts.pop()
    return "|".join(map(_escaped, parts))


def _escaped(item: str) -> str:
    return item.replace("\\", "\\\\").replace("\n", "\\n").replace("|", "\\|")


def _unescaped(item: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], item)


def _csv_rows(text: str, name: str) -> _Rows:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [column.strip() for column in next(rows, [])]
        if "id" not in columns:
            yield Problem(name, "", "", "第一行要是列名，至少有 id、category、title、answer。")
            return
        for row in rows:
            if any(cell.strip() for cell in row):
                yield (
                    f"第{rows.line_num}行",
                    _from_cells(dict(zip(columns, map(unguarded, row), strict=False))),
                )
    except csv.Error as error:
        yield Problem(name, f"第{rows.line_num}行", "", f"CSV 格式有误：{error}")


def _from_cells(cells: dict[str, str]) -> dict[str, Any]:
    """One row as the values of an entry; columns that nobody knows stay in, so that they are reported."""
    data: dict[str, Any] = {}
    texts: dict[int, dict[str, Any]] = {}
    for column, cell in cells.items():
        name, place = _split_column(column)
        if name in TEXT_NAMES:
            if cell:
                texts.setdefault(place, {})[name] = _read_bases(cell) if name == "basis" else cell
        elif name in _LISTS:
            data[name] = [_unescaped(line) for line in _cut(cell) if line]
        elif cell or name == "owner":
            data[column] = cell
    data["text"] = [texts[place] for place in sorted(texts)]
    return data


def _split_column(column: str) -> tuple[str, int]:
    match = re.fullmatch(r"([a-z_]+)([0-9]{0,2})", column)
    return (match[1], int(match[2] or 1)) if match else (column, 1)


def _read_bases(cell: str) -> list[dict[str, str]]:
    return [
        {name: part for name, part in zip(BASIS_NAMES, _parts(line), strict=False) if part}
        for line in _cut(cell)
        if line
    ]


def _parts(line: str) -> list[str]:
    """The parts of a line between bars that are not escaped."""
    return [_unescaped(part) for part in re.findall(r"((?:\\.|[^\\|])*)(?:\||$)", line)]


def _cut(cell: str) -> list[str]:
    return cell.replace("\r\n", "\n").split("\n")


_READERS = {"toml": _toml_rows, "jsonl": _jsonl_rows, "csv": _csv_rows}
_WRITERS = {"toml": _toml, "jsonl": _jsonl, "csv": _csv}
