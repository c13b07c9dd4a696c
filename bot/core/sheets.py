"""Tables that people take out: rows of text as xlsx or csv, which no spreadsheet runs as a formula."""

import io
from collections.abc import Iterable, Sequence

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from knowledge.sheets import csv_file

MOST_ROWS = 50_000  # of a file
_LONGEST_CELL = 32_000  # characters; a spreadsheet takes 32,767
_RUN = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so


def written_sheet(headings: Sequence[str], rows: Iterable[Sequence[str]], *, form: str) -> bytes:
    """A file of form xlsx or csv. ValueError for another form."""
    if form not in ("xlsx", "csv"):
        raise ValueError("only xlsx and csv can be written")
    safe = ([_cell(text) for text in row] for row in rows)
    return _xlsx(headings, safe) if form == "xlsx" else csv_file([headings, *safe])


def _cell(text: str) -> str:
    """The text as a cell; an apostrophe in front of what would be run makes it text."""
    plain: str = ILLEGAL_CHARACTERS_RE.sub("", text)
    # Spaces and apostrophes in front are looked through, as some programs do when they read.
    return ("'" + plain if plain.lstrip(" '\n").startswith(_RUN) else plain)[:_LONGEST_CELL]


def _xlsx(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.freeze_panes = "A2"
    sheet.append(list(headings))
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
