"""The form of an entry: from its fields to lines that are typed, and back with nothing lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData

from knowledge.fields import BASIS_NAMES

_SINGLE = ("title", "category", "confidence", "checked_on", "owner")
_LISTS = ("keywords", "related")  # one a line
_TEXT = ("answer", "more", "next", "valid_from", "valid_until")
_MOST = 200  # lines of one kind that a form may hold
MOST_FIELDS = 1000  # of a form


@dataclass(frozen=True, slots=True)
class Typed:
    """An entry as its form holds it; `body` has the shape of `knowledge.fields.entry_to_dict`, without the id."""

    body: Mapping[str, Any]
    note: str = ""
    seen: str = ""  # which version the form began with
    csrf: str = ""
    add: str = ""  # what the person wants one more line of: question, text, basis-1; empty: to save
    blanks: Mapping[str, int] = field(default_factory=dict)  # empty lines that the page shows

    @property
    def questions(self) -> list[str]:
        """The questions and the empty lines below them."""
        return [*self.body.get("questions", []), *[""] * self.blanks.get("question", 3)]

    @property
    def texts(self) -> list[dict[str, Any]]:
        """The texts, each with its bases and an empty line where there are none or one was asked for."""
        texts = [*self.body.get("text", []), *[{}] * self.blanks.get("text", 0)] or [{}]
        return [
            {**text, "basis": self._bases(place, text.get("basis", []))}
            for place, text in enumerate(texts, 1)
        ]

    def _bases(self, place: int, bases: Sequence[Mapping[str, str]]) -> list[Mapping[str, str]]:
        count = self.blanks.get(f"basis-{place}", 0 if bases else 1)
        return [*bases, *[{}] * count]

    def lines(self, name: str) -> str:
        """A list as the lines of a text field."""
        return "\n".join(self.body.get(name, []))

    def text(self, name: str) -> str:
        """A field of one line."""
        return str(self.body.get(name, ""))


def form_of(body: Mapping[str, Any], *, seen: str, note: str = "") -> Typed:
    """The form of an entry or version as it stands."""
    return Typed({name: value for name, value in body.items() if name not in ("id", "status")}, note, seen)


def typed_in(form: FormData) -> Typed:
    """What was typed; lines that are empty are no lines, white space around one is not meant."""
    body: dict[str, Any] = {name: _said(form, name) for name in _SINGLE}
    body["questions"] = [line for line in map(str.strip, map(str, form.getlist("question"))) if line][:_MOST]
    for name in _LISTS:
        lines = str(form.get(name, "")).replace("、", "\n").splitlines()
        body[name] = [line.strip() for line in lines if line.strip()][:_MOST]
    body["text"] = _texts(form)
    add = _said(form, "add")
    blanks = {"question": 5} if add == "question" else {add: 1} if add else {}
    return Typed(body, _said(form, "note"), _said(form, "seen"), _said(form, "csrf"), add, blanks)


def _said(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


def _texts(form: FormData) -> list[dict[str, Any]]:
    """The texts in their order, without those that are empty but for the days."""
    found: list[dict[str, Any]] = []
    for place in range(1, _counted(form, "texts") + 1):
        text: dict[str, Any] = {name: _said(form, f"text-{place}-{name}") for name in _TEXT}
        text = {name: value for name, value in text.items() if value}
        if bases := _bases(form, place):
            text["basis"] = bases
        if text:
            found.append(text)
    return found


def _bases(form: FormData, place: int) -> list[dict[str, str]]:
    """The bases of one text: each part of them is a column of fields of the same name."""
    columns = [[str(one).strip() for one in form.getlist(f"text-{place}-{name}")] for name in BASIS_NAMES]
    rows = zip(*columns, strict=False)
    found = [
        {name: part for name, part in zip(BASIS_NAMES, row, strict=True) if part} for row in rows if any(row)
    ]
    return found[:_MOST]


def _counted(form: FormData, name: str) -> int:
    told = _said(form, name)
    return min(_MOST, int(told)) if told.isascii() and told.isdecimal() and len(told) < 4 else 0
