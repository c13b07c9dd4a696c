"""One entry as plain JSON values: written from an Entry, and read back with a sentence for every mistake."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from intents.categories import Category
from knowledge.entries import Basis, Confidence, Entry, EntryStatus, Text

_E = TypeVar("_E", bound=StrEnum)

ENTRY_NAMES = (
    "id",
    "category",
    "title",
    "questions",
    "keywords",
    "related",
    "confidence",
    "checked_on",
    "owner",
    "status",
    "text",
)
TEXT_NAMES = ("valid_from", "valid_until", "answer", "more", "next", "basis")
BASIS_NAMES = ("document", "number", "clause", "from", "until")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps an entry from being read."""

    file: str
    entry_id: str
    field: str
    message: str  # a clear Chinese sentence

    def __str__(self) -> str:
        where = " ".join(part for part in (self.file, self.entry_id, self.field) if part)
        return f"{where}：{self.message}" if where else self.message


def entry_to_dict(entry: Entry) -> dict[str, Any]:
    """An entry as JSON values in the shape of the TOML files, dates in ISO form; empty parts are left out."""
    return _without_nothing(
        {
            "id": entry.id,
            "category": entry.category.value,
            "title": entry.title,
            "questions": list(entry.questions),
            "keywords": list(entry.keywords),
            "related": list(entry.related),
            "confidence": entry.confidence.value,
            "checked_on": entry.checked_on.isoformat(),
            "owner": entry.owner,
            "status": entry.status.value,
            "text": [_text_to_dict(text) for text in entry.texts],
        },
        keep=("id", "category", "title", "questions", "owner"),
    )


def entry_from_dict(data: Mapping[str, Any]) -> Entry:
    """The opposite of `entry_to_dict`; raises ValueError with the first problem."""
    entry, problems = read_entry(data)
    if entry is None:
        raise ValueError(str(problems[0]))
    return entry


def read_entry(
    data: Mapping[str, Any], *, file: str = "", row: str = ""
) -> tuple[Entry | None, list[Problem]]:
    """Read one entry; None and the problems if there is any. `row` names an entry that has no id."""
    reader = _Reader(data, file, str(data.get("id") or row))
    reader.knows(ENTRY_NAMES)
    entry = Entry(
        id=reader.text("id", is_required=True),
        category=reader.member("category", Category, Category.OTHER),
        title=reader.text("title", is_required=True),
        questions=reader.texts("questions"),
        keywords=reader.texts("keywords"),
        texts=tuple(_read_text(part) for part in reader.parts("text", is_required=True)),
        confidence=reader.member("confidence", Confidence, Confidence.MEDIUM),
        checked_on=reader.day("checked_on", is_required=True) or date.min,
        owner=reader.text("owner"),
        status=reader.member("status", EntryStatus, EntryStatus.PUBLISHED, is_required=False),
        related=reader.texts("related"),
    )
    return (None if reader.problems else entry), reader.problems


def _text_to_dict(text: Text) -> dict[str, Any]:
    return _without_nothing(
        {
            "valid_from": text.valid_from.isoformat() if text.valid_from else "",
            "valid_until": text.valid_until.isoformat() if text.valid_until else "",
            "answer": text.answer,
            "more": text.more,
            "next": text.next,
            "basis": [_basis_to_dict(basis) for basis in text.basis],
        },
        keep=("answer",),
    )


def _basis_to_dict(basis: Basis) -> dict[str, Any]:
    return _without_nothing(
        {
            "document": basis.document,
            "number": basis.number,
            "clause": basis.clause,
            "from": basis.from_.isoformat() if basis.from_ else "",
            "until": basis.until.isoformat() if basis.until else "",
        },
        keep=("document",),
    )


def _without_nothing(data: dict[str, Any], *, keep: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value or name in keep}


def _read_text(reader: "_Reader") -> Text:
    reader.knows(TEXT_NAMES)
    return Text(
        answer=reader.text("answer", is_required=True),
        more=reader.text("more"),
        next=reader.text("next"),
        basis=tuple(_read_basis(part) for part in reader.parts("basis")),
        valid_from=reader.day("valid_from"),
        valid_until=reader.day("valid_until"),
    )


def _read_basis(reader: "_Reader") -> Basis:
    reader.knows(BASIS_NAMES)
    return Basis(
        document=reader.text("document", is_required=True),
        number=reader.text("number"),
        clause=reader.text("clause"),
        from_=reader.day("from"),
        until=reader.day("until"),
    )


@dataclass(slots=True)
class _Reader:
    """Takes fields out of one table and collects what is wrong with them."""

    data: Mapping[str, Any]
    file: str
    entry_id: str
    prefix: str = ""
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, name: str, message: str) -> None:
        self.problems.append(Problem(self.file, self.entry_id, f"{self.prefix}{name}", message))

    def knows(self, names: tuple[str, ...]) -> None:
        for name in self.data:
            if name not in names:
                self.wrong(str(name), f"没有这个字段；可用的字段是：{'、'.join(names)}。")

    def text(self, name: str, *, is_required: bool = False) -> str:
        value = self.data.get(name, "")
        if not isinstance(value, str):
            self.wrong(name, "应当是一段文字。")
            return ""
        if is_required and not value.strip():
            self.wrong(name, "不能为空。")
        return _one_line_end(value)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.data.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(name, "应当是一列文字。")
            return ()
        return tuple(_one_line_end(item) for item in value)

    def member(self, name: str, kind: type[_E], default: _E, *, is_required: bool = True) -> _E:
        value = self.data.get(name)
        if value is None and not is_required:
            return default
        if value not in {member.value for member in kind}:
            self.wrong(name, f"“{value or ''}”不可用；应当是以下之一：{'、'.join(kind)}。")
            return default
        return kind(value)

    def day(self, name: str, *, is_required: bool = False) -> date | None:
        value = self.data.get(name)
        if value in (None, ""):
            if is_required:
                self.wrong(name, "缺少日期。")
            return None
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            self.wrong(name, f"“{value}”不是日期；写成 2026-11-21 的样子。")
            return None

    def parts(self, name: str, *, is_required: bool = False) -> "list[_Reader]":
        value = self.data.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            self.wrong(name, "应当是一列表格。")
            return []
        if is_required and not value:
            self.wrong(name, "至少要有一个答复文本。")
        return [
            _Reader(item, self.file, self.entry_id, f"{self.prefix}{name}[{place}].", self.problems)
            for place, item in enumerate(value, 1)
        ]


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
