"""Spreadsheets <-> entries, row by row: what the page of import and export reads and writes."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

from intents.categories import Category
from knowledge.entries import Entry
from knowledge.fields import Problem
from knowledge.rows import read_entries, written
from knowledge.sheets import (
    BAD_FILE,
    MOST_BYTES,
    OVERFULL,
    csv_file,
    csv_rows,
    is_overfull,
    xlsx_rows,
)

MOST_ROWS = 10_000
_MOST_COLUMNS = 100
# Columns as people name them; a second text has them again, with a 2 at the end.
HEADINGS: Mapping[str, str] = {
    "id": "编号",
    "category": "类别",
    "title": "标准问",
    "questions": "相似问",
    "keywords": "关键词",
    "related": "相关问题",
    "confidence": "把握",
    "checked_on": "核对日期",
    "owner": "责任人",
    "status": "状态",
    "valid_from": "生效日期",
    "valid_until": "失效日期",
    "answer": "答复",
    "more": "更多",
    "next": "下一步",
    "basis": "依据",
}
_NAMES = {heading: name for name, heading in HEADINGS.items()}
# Values as people name them.
WORDS: Mapping[str, Mapping[str, str]] = {
    "category": {item.value: item.label for item in Category},
    "confidence": {"high": "高", "medium": "中"},
    "status": {"draft": "草稿", "published": "已发布", "archived": "已归档"},
}
_COLUMN = re.compile(r"(.*?)([0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: the entry that it holds, or what is wrong with it."""

    number: int  # as the spreadsheet counts; 0: the file as a whole
    entry: Entry | None
    problems: tuple[Problem, ...] = ()


def read_sheet(data: bytes, *, form: str) -> list[Line]:
    """The rows of a file of form csv or xlsx in the columns of `knowledge.rows`; a bad file is one bad line."""
    if form not in ("csv", "xlsx") or len(data) > MOST_BYTES:
        return _refused(
            f"只能读 xlsx 和 csv 文件，最大 {MOST_BYTES // 1_000_000} MB；请另存或拆成几个再导入。"
        )
    if form == "xlsx" and is_overfull(data):
        return _refused(OVERFULL)
    try:
        found = _rows_of(data, form=form)
        rows = [(number, row) for number, row in found if any(cell.strip() for cell in row)]
    except BAD_FILE:
        return _refused("文件已损坏或不是这种格式，请另存为 xlsx 或 UTF-8 的 csv 再导入。")
    if len(rows) < 2 or len(rows) > MOST_ROWS + 1:
        return _refused(f"第一行要是列名，下面要有 1 到 {MOST_ROWS} 行；可先下载一份照着填。")
    (_, headings), *rest = rows
    names = [_renamed(heading.strip(), _NAMES) for heading in headings]
    return _each_once([_read_row(names, number, row) for number, row in rest])


def _rows_of(data: bytes, *, form: str) -> Iterator[tuple[int, list[str]]]:
    if form == "csv":
        return csv_rows(data)
    return xlsx_rows(data, most_rows=MOST_ROWS + 2, most_columns=_MOST_COLUMNS)


def _renamed(column: str, names: Mapping[str, str]) -> str:
    """The column under its other name, the number at its end kept; one that is not known stays."""
    match = _COLUMN.fullmatch(column)
    return f"{names.get(match[1], match[1])}{match[2]}" if match else column


def _refused(message: str) -> list[Line]:
    return [Line(0, None, (Problem("", "", "", message),))]


def _read_row(names: list[str], number: int, row: list[str]) -> Line:
    formulas = [name for name, cell in zip(names, row, strict=False) if cell.lstrip().startswith("=")]
    if formulas:
        problems = [Problem("", "", name, "这一格是公式，请改为文字。") for name in formulas]
        return Line(number, None, tuple(problems))
    out = io.StringIO(newline="")
    csv.writer(out).writerows([names, [_meant(name, cell) for name, cell in zip(names, row, strict=False)]])
    entries, problems = read_entries(out.getvalue(), form="csv")
    return Line(number, entries[0] if entries else None, tuple(problems))


def _meant(name: str, cell: str) -> str:
    """The value behind the word that people see."""
    keys = {word: key for key, word in WORDS.get(name, {}).items()}
    return keys.get(cell.strip(), cell)


def _each_once(lines: list[Line]) -> list[Line]:
    """An id that stands in two rows is a mistake of the second."""
    seen: set[str] = set()
    found: list[Line] = []
    for line in lines:
        if line.entry is not None and line.entry.id in seen:
            problem = Problem("", line.entry.id, "id", "前面已经有这个编号，请删去一行。")
            found.append(Line(line.number, None, (problem,)))
            continue
        seen |= {line.entry.id} if line.entry is not None else set()
        found.append(line)
    return found


def sheet(entries: Iterable[Entry], *, form: str) -> bytes:
    """Entries as a file of form csv or xlsx that `read_sheet` reads back. Raises ValueError for another form."""
    # What the CSV guards against running as a formula is guarded in the cells of a workbook as well.
    names, *rows = csv.reader(io.StringIO(written(entries, form="csv"), newline=""))
    headings = [_renamed(name, HEADINGS) for name in names]
    shown = [
        [WORDS.get(name, {}).get(cell, cell) for name, cell in zip(names, row, strict=True)] for row in rows
    ]
    if form == "csv":
        return csv_file([headings, *shown])
    if form != "xlsx":
        raise ValueError("只能写 csv 和 xlsx 文件。")
    return _workbook([headings, *shown])


def _workbook(rows: Iterable[list[str]]) -> bytes:
    page = (book := Workbook()).worksheets[0]
    for row in rows:
        page.append([ILLEGAL_CHARACTERS_RE.sub("", cell) for cell in row])
    for cell in page[1]:
        cell.font = Font(bold=True)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
