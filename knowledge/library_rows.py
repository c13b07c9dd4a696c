"""Rows of CSV and XLSX files <-> values of the four libraries; what is wrong is listed by line and column.

One row is one record, one column one field. Several items of a field stand one a line in its cell; the parts of an item
stand between bars, in the order that the template shows. In items, \\n \\| and \\\\ stand for a line end, a bar and a
backslash. Reading never raises for what a file holds, and never runs a formula.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Any, Generic, TypeVar

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.comments import Comment
from openpyxl.styles import Font

from intents.categories import Category
from intents.lists import words_in
from intents.text import normalise
from knowledge import library
from knowledge.library import Enterprise, Expert, Instrument, Provider
from knowledge.sheets import (
    BAD_FILE,
    MOST_BYTES,
    OVERFULL,
    csv_file,
    csv_rows,
    guarded,
    is_overfull,
    unguarded,
    xlsx_rows,
)

_R = TypeVar("_R", Provider, Expert, Enterprise, Instrument)

MOST_ROWS = 20_000  # and as many signs in a cell


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing in a file that is wrong, or doubtful: then the record is taken all the same."""

    line: int  # as the spreadsheet counts; 0 for the file as a whole
    column: str
    message: str  # what to do, in plain Chinese
    is_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Imported(Generic[_R]):
    """What a file holds: the good records in its order, and what to mend (the dry run shows both)."""

    records: tuple[_R, ...]
    problems: tuple[RowProblem, ...]

    @property
    def errors(self) -> tuple[RowProblem, ...]:
        """What kept a record out."""
        return tuple(problem for problem in self.problems if not problem.is_doubt)


# --- cells: how one value is written and read; readers get no blank cell and raise ValueError with what to do ---


@dataclass(frozen=True, slots=True)
class _Cell:
    write: Callable[[Any], str]
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    heading: str
    cell: _Cell
    is_required: str  # anything, or empty
    hint: str

    def written(self, record: object) -> str:
        value = getattr(record, self.name)
        return "" if value is None else self.cell.write(value)


_Wrong = list[RowProblem]
_Columns = dict[str, _Column]


def _shaped(
    shape: str, advice: str, make: Callable[[re.Match[str]], Any] = re.Match.group, write: Any = str
) -> _Cell:
    """A cell of one shape; `make` turns the match into the value and may raise ValueError."""

    def read(cell: str) -> Any:
        with suppress(ValueError):
            if found := re.fullmatch(shape, cell.strip(), re.ASCII):
                return make(found)
        raise ValueError(f"“{cell[:20]}”不可用，{advice}")

    return _Cell(write, read)


def _read_code(cell: str) -> str:
    code = normalise(cell).upper().replace(" ", "").replace("-", "")
    if problem := library.credit_code_problem(code):
        raise ValueError(problem)
    return code


def _read_region(cell: str) -> str:
    found = [word.name for word in words_in(normalise(cell)) if word.kind == "regions"]
    if cell.strip() == "全国":
        return "全国"
    if len(found) != 1:
        raise ValueError(f"没有认出地区“{cell[:20]}”，请写成“海口市”或“海口市秀英区”的样子，一行一个。")
    return found[0]


def _one_of(kind: type[Category] | type[library.Labelled]) -> _Cell:
    members = {name: member for member in kind for name in (member.label, member.value)}
    advice = f"应当是以下之一：{'、'.join(member.label for member in kind)}。"

    def read(cell: str) -> Any:
        if cell.strip() not in members:
            raise ValueError(f"“{cell[:20]}”不可用，{advice}")
        return members[cell.strip()]

    return _Cell(lambda member: member.label, read)


def _list(item: _Cell) -> _Cell:
    def read(cell: str) -> tuple[Any, ...]:
        return tuple(item.read(line) for line in re.split("\r\n?|\n", cell) if line.strip())

    return _Cell(lambda items: "\n".join(map(item.write, items)), read)


def _record(kind: type[Any], name: str) -> _Cell:
    """A value in one line, its parts between bars; those that are empty at the end are left out."""
    columns = _columns(name)

    def write(value: Any) -> str:
        parts = [one.written(value) for one in columns.values()]
        while not parts[-1]:
            parts.pop()
        return "|".join(map(_escaped, parts))

    def read(line: str) -> Any:
        parts = _parts(line)
        if any(parts[len(columns) :]):
            raise ValueError("；".join(("段数太多，只能有", *(one.heading for one in columns.values()))))
        values, problems = _read_columns(columns, dict(zip(columns, parts, strict=False)))
        if problems:
            raise ValueError("；".join(f"{problem.column}：{problem.message}" for problem in problems))
        return kind(**values)

    return _Cell(write, read)


def _escaped(item: str) -> str:
    return item.replace("\\", "\\\\").replace("\n", "\\n").replace("|", "\\|")


def _unescaped(item: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], item)


def _parts(line: str) -> list[str]:
    return [_unescaped(part) for part in re.findall(r"(?:^|\|)((?:\\.|[^\\|])*)", line)]


def _read_columns(columns: _Columns, cells: dict[str, str], line: int = 0) -> tuple[dict[str, Any], _Wrong]:
    values: dict[str, Any] = {}
    problems: _Wrong = []
    for column in columns.values():
        cell = cells.get(column.name, "")
        try:
            if len(cell) > MOST_ROWS:
                raise ValueError("内容太长，请精简。")
            if cell.strip():
                values[column.name] = column.cell.read(cell)
            elif column.is_required:
                raise ValueError("不能为空，请填写。")
        except ValueError as error:
            problems.append(RowProblem(line, column.heading, str(error)))
    return values, problems


# The kinds of cells that columns.csv names.
_CELLS = {
    "text": _Cell(str, lambda cell: re.sub("\r\n?", "\n", cell).strip()),
    "texts": _list(_Cell(_escaped, lambda line: _unescaped(line.strip()))),
    "day": _shaped(
        r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?",
        "日期请写成 2026-11-21 的样子。",
        lambda found: date(*map(int, found.groups())),
    ),
    "count": _shaped(r"\d{1,4}", "请填整数，例如 7。", lambda found: int(found[0])),
    "flag": _shaped(
        "[是否]", "请填“是”或“否”。", lambda found: found[0] == "是", lambda flag: "是" if flag else "否"
    ),
    "code": _Cell(str, _read_code),
    "phone": _shaped(
        r"1[3-9]\d{9}|0\d{2,3}-?\d{7,8}(?:-\d{1,6})?|[48]00-?\d{3}-?\d{4}|123(?:15|45|30)",
        "电话请写成 13800000000 或 0898-66660000 的样子。",
    ),
    "email": _shaped(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}", "请填完整的电子邮箱。"),
    "webhook": _shaped(r"https://[^\s/@]+(?:/\S*)?", "请填以 https:// 开头的地址。"),
    "title": _shaped(library.SENIOR_TITLE.pattern, "要填副高级以上职称；技能等级不算职称。"),
    "region": _Cell(str, _read_region),
    "regions": _list(_Cell(str, _read_region)),
    "category": _one_of(Category),
    "categories": _list(_one_of(Category)),
    "provider-kind": _one_of(library.ProviderKind),
    "provider-status": _one_of(library.ProviderStatus),
    "qualification-kind": _one_of(library.QualificationKind),
    "scale": _one_of(library.Scale),
    "sharing": _list(_one_of(library.Sharing)),
    "instrument-status": _one_of(library.InstrumentStatus),
}


def _columns(owner: str) -> _Columns:
    """The columns of a library, or the parts of an item in a cell, as columns.csv has them."""
    text = (files("knowledge") / "seeds" / "libraries" / "columns.csv").read_text(encoding="utf-8")
    rows: Iterator[dict[str, Any]] = csv.DictReader(io.StringIO(text))
    mine = [row for row in rows if row.pop("owner") == owner]
    return {row["name"]: _Column(**row | {"cell": _CELLS[row["cell"]]}) for row in mine}


_CELLS["agreement"] = _record(library.Agreement, "agreement")
_CELLS["contacts"] = _list(_record(library.Contact, "contact"))
_CELLS["qualifications"] = _list(_record(library.Qualification, "qualification"))
_CELLS["capabilities"] = _list(_record(library.Capability, "capability"))
_CELLS["licences"] = _list(_record(library.Licence, "licence"))


@dataclass(frozen=True, slots=True)
class Table(Generic[_R]):
    """One of the four libraries as a table: the name of its files, what a row makes, its columns."""

    name: str
    kind: type[_R]
    columns: _Columns


PROVIDERS = Table("providers", Provider, _columns("providers"))
EXPERTS = Table("experts", Expert, _columns("experts"))
ENTERPRISES = Table("enterprises", Enterprise, _columns("enterprises"))
INSTRUMENTS = Table("instruments", Instrument, _columns("instruments"))


# --- files ---


def read_records(table: Table[_R], data: bytes, *, form: str) -> Imported[_R]:
    """Read a file of form csv or xlsx; records with an error are left out, doubts leave them in."""
    if form not in ("csv", "xlsx") or len(data) > MOST_BYTES:
        return _refused("只能读 csv 和 xlsx 文件，最大 10 MB；请另存或拆成几个再导入。")
    if form == "xlsx" and is_overfull(data):
        return _refused(OVERFULL)
    try:
        found = csv_rows(data) if form == "csv" else xlsx_rows(data, most_rows=2 * MOST_ROWS, most_columns=60)
        rows = [(line, row) for line, row in found if any(cell.strip() for cell in row)]
    except BAD_FILE:
        return _refused("文件已损坏或不是这种格式，请另存为 xlsx 或 UTF-8 的 csv 再导入。")
    if not rows or len(rows) > MOST_ROWS:
        return _refused(f"第一行要是列名，下面最多 {MOST_ROWS} 行；可先下载模板。")
    names, problems = _names(table, *rows[0])
    records: list[_R] = []
    seen: set[str] = set()
    for line, row in rows[1:] if all(problem.is_doubt for problem in problems) else []:
        record, wrong = _read_row(table, dict(zip(names, row, strict=False)), line, seen)
        problems += wrong
        records += [record] if record is not None else []
    return Imported(tuple(records), tuple(problems))


def _refused(message: str) -> Imported[Any]:
    return Imported((), (RowProblem(0, "", message),))


def _names(table: Table[_R], line: int, row: list[str]) -> tuple[list[str], _Wrong]:
    """The fields of the columns of a file, by heading or field name; unknown columns are not read."""
    known = {key: one.name for one in table.columns.values() for key in (one.heading, one.name)}
    names = [known.get(cell.strip(), "") for cell in row]
    problems = [
        RowProblem(line, cell.strip()[:20], "没有这一列，内容未读取。", is_doubt=True)
        for cell, name in zip(row, names, strict=True)
        if cell.strip() and not name
    ]
    problems += [
        RowProblem(line, one.heading, "缺少这一列，请对照模板补上。")
        for one in table.columns.values()
        if one.is_required and one.name not in names
    ]
    return names, problems


def _read_row(table: Table[_R], cells: dict[str, str], line: int, seen: set[str]) -> tuple[_R | None, _Wrong]:
    plain = {name: unguarded(cell) for name, cell in cells.items()}
    values, problems = _read_columns(table.columns, plain, line)
    for one in table.columns.values():
        if cells.get(one.name, "").lstrip().startswith("="):
            problems.append(RowProblem(line, one.heading, "这一格是公式，请改为数值或文字。"))
        value = values.get(one.name) if one.name in ("number", "credit_code") else None
        if value in seen:
            problems.append(RowProblem(line, one.heading, f"“{value}”前面已经有了，请删去一行。"))
        seen |= {value} if value else set()
    if problems:
        return None, problems
    record = table.kind(**values)
    flaws: list[tuple[str, str, bool]] = list(record.flaws()) if isinstance(record, Provider) else []
    problems = [
        RowProblem(line, table.columns[name].heading, message, doubt) for name, message, doubt in flaws
    ]
    return (record if all(problem.is_doubt for problem in problems) else None), problems


def written(table: Table[_R], records: Iterable[_R], *, form: str) -> bytes:
    """Records as a file of form csv or xlsx; without records it is the template. ValueError for another form."""
    rows: list[list[str]] = [
        [guarded(one.written(record)) for one in table.columns.values()] for record in records
    ]
    if form == "xlsx":
        return _xlsx(table, rows)
    if form != "csv":
        raise ValueError("只能写 csv 和 xlsx 文件。")
    return csv_file([[one.heading for one in table.columns.values()], *rows])


def _xlsx(table: Table[_R], rows: list[list[str]]) -> bytes:
    sheet = (book := Workbook()).worksheets[0]
    for place, one in enumerate(table.columns.values(), 1):
        cell = sheet.cell(1, place, one.heading)
        cell.font = Font(bold=bool(one.is_required))
        cell.comment = Comment(one.hint, "nqi") if one.hint else None
    for row in rows:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", cell) for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def load_demo(table: Table[_R]) -> tuple[_R, ...]:
    """The demonstration records that ship with the project; raises ValueError for a bad one."""
    data = (files("knowledge") / "seeds" / "libraries" / f"{table.name}.csv").read_bytes()
    found = read_records(table, data, form="csv")
    if found.problems:
        raise ValueError(repr(found.problems[0]))
    return found.records
