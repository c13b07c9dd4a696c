"""What is wrong with one draft beside the entries that are live: the rules of an import, without reading all of them."""

import re
from collections.abc import Iterator
from datetime import date

from knowledge.check import Finding, Level, check
from knowledge.entries import Entry, EntryStatus
from knowledge.fields import Problem
from knowledge.reading import read
from knowledge.search import Index

# The field that a sentence of `knowledge.check` speaks of: the first that it names.
_FIELDS = tuple(
    (re.compile(pattern), field)
    for pattern, field in (
        ("^编号", "id"),
        ("^标题", "title"),
        ("相似问", "questions"),
        ("关键词", "keywords"),
        ("相关问题", "related"),
        ("核对日期", "checked_on"),
        ("谁维护", "owner"),
        ("类别", "category"),
    )
)


def check_draft(draft: Entry, index: Index, *, today: date) -> list[Finding]:
    """Everything that is wrong with it, errors first; its questions are held against those of all live entries."""
    related = [entry for one in draft.related if one != draft.id and (entry := index.entry(one)) is not None]
    found = check([draft, *related], today=today, tokenizer=index.tokenizer, only=())
    own = [finding for finding in found if finding.entry_id == draft.id]
    return sorted({*own, *_held(draft, index)}, key=lambda one: (not one.is_error, one.message))


def problems(findings: list[Finding]) -> list[Problem]:
    """The errors, each with the field that it speaks of."""
    return [Problem("", one.entry_id, _field(one.message), one.message) for one in findings if one.is_error]


def _held(draft: Entry, index: Index) -> Iterator[Finding]:
    """Questions that another live entry holds word for word."""
    live = {entry.id for entry in index.entries if entry.status is EntryStatus.PUBLISHED} - {draft.id}
    wanted = {read(text, index.tokenizer).text: text for text in (draft.title, *draft.questions)}
    for phrase in index.phrases:
        if phrase is not None and phrase.reading.text in wanted and phrase.entry_id in live:
            what = "标题" if wanted[phrase.reading.text] == draft.title else "相似问"
            message = f"{what}“{wanted[phrase.reading.text]}”与 {phrase.entry_id} 的相同。"
            yield Finding(Level.ERROR, draft.id, message)


def _field(message: str) -> str:
    return next((field for pattern, field in _FIELDS if pattern.search(message)), "text")
