"""Spreadsheet files as rows of text: read within bounds, and written so that no cell runs as a formula."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

MOST_BYTES = 10_000_000  # of a file; unpacked ten times as many
OVERFULL = "表格里的单元格太多，请删去空白的行和列，或拆成几个文件再导入。"
# Of a workbook, unpacked: the most rows with every column filled have fewer; each costs the reader memory.
_MOST_TAGS = 3_000_000
# What openpyxl and the zip format raise for a damaged file.
BAD_FILE = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    SyntaxError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    csv.Error,
)
# A spreadsheet would run these as a formula; an apostrophe in front makes them text.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guarded(cell: str) -> str:
    """A cell as it is written: what a spreadsheet would run has an apostrophe in front."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The opposite of `guarded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def csv_rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file with their numbers, from 1; raises one of BAD_FILE."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("gb18030")  # what a Chinese spreadsheet saves
    return enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1)


def csv_file(rows: Iterable[Iterable[str]]) -> bytes:
    """Rows as a CSV file; spreadsheets take it for UTF-8 only with the mark in front."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return ("\ufeff" + out.getvalue()).encode()


def is_overfull(data: bytes) -> bool:
    """Does a small workbook unpack to more cells than anybody fills? What cannot be unpacked is the reader's to refuse."""
    tags = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if sum(part.file_size for part in parts) > 10 * MOST_BYTES:
                return True
            for part in parts:
                with archive.open(part) as stream:
                    while tags <= _MOST_TAGS and (chunk := stream.read(1 << 20)):
                        tags += chunk.count(b"<")
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError):
        return False
    return tags > _MOST_TAGS


def xlsx_rows(data: bytes, *, most_rows: int, most_columns: int) -> Iterator[tuple[int, list[str]]]:
    """The rows of a workbook's first sheet with their numbers, from 1; raises one of BAD_FILE."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(part.file_size for part in archive.infolist()) > 10 * MOST_BYTES:
            raise ValueError("too large when unpacked")
    sheet = load_workbook(io.BytesIO(data), read_only=True).worksheets[0]
    sheet.reset_dimensions()
    rows = sheet.iter_rows(max_row=most_rows, max_col=most_columns, values_only=True)
    return ((number, [_shown(value) for value in row]) for number, row in enumerate(rows, 1))


def _shown(value: object) -> str:
    """A spreadsheet's value as it would be typed; what is neither text, number nor day counts as a formula."""
    match value:
        case None:
            return ""
        case bool():
            return "是" if value else "否"
        case datetime():
            return value.date().isoformat()
        case float() if value.is_integer():
            return str(int(value))
        case str() | int() | float() | date():
            return str(value)
        case _:
            return "="
