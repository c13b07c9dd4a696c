"""Labelled texts as values, read from a file."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.core.brain import Outcome
from bot.errors import RefusedError
from intents.categories import OOS, Category
from intents.understand import Act

KEYS = (*(item.value for item in Category), OOS)
"""The labels of categories, in the order of a confusion matrix."""

NOTHING = ("-",)
"""Instead of entries: nothing that we know answers the text."""

_ENTRY = re.compile(r"[A-Z]{3}-[0-9]")


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled text; labels that are not given are not judged."""

    text: str
    category: str = ""  # one of the eleven keys or oos
    second: str = ""  # a category that is also right
    act: str = ""
    entries: tuple[str, ...] = ()  # the entries that answer it; ("-",): none does
    outcome: str = ""
    style: str = ""  # how it is written, for figures of their own


def read_samples(file: Path) -> list[Sample]:
    """Read .jsonl (text, category, second, act, faq, outcome, style) or .tsv (label, text, second, style).

    Raises RefusedError naming the line that cannot be used. The labels of .tsv stand at `_from_tsv`.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise RefusedError("eval", f"读不了 {file}：文件不存在或没有权限。") from error
    except UnicodeDecodeError as error:
        raise RefusedError("eval", f"读不了 {file}：不是 UTF-8 文本，请另存为 UTF-8。") from error
    read = _from_json if file.suffix == ".jsonl" else _from_tsv
    samples = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                samples.append(_checked(read(line)))
            except ValueError as error:
                raise RefusedError("eval", f"{file} 第 {number} 行{error}。") from error
    if not samples:
        raise RefusedError("eval", f"{file} 里没有样本。")
    return samples


def _from_json(line: str) -> Sample:
    try:
        item: Any = json.loads(line)
    except (ValueError, RecursionError):
        item = None
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        raise ValueError("不是带 text 的 JSON")
    names = ("category", "second", "act", "faq", "outcome", "style")
    given = {name: item.get(name) or "" for name in names}
    wrong = next((name for name, value in given.items() if not isinstance(value, str)), None)
    if wrong:
        raise ValueError(f"的 {wrong} 应为文字")
    return Sample(item["text"], entries=_entries(given.pop("faq")), **given)


def _from_tsv(line: str) -> Sample:
    """Columns: label, text[, second[, style]]; what follows is for people.

    The label is a category, oos, act:NAME, need, or ids of entries (A|B; -: none).
    """
    label, text, second, style = (column.strip() for column in [*line.split("\t"), "", "", ""][:4])
    if not label or "\t" not in line:
        raise ValueError("应为“标签<TAB>文本”")
    if label.startswith("act:"):
        return Sample(text, act=label.removeprefix("act:"), style=style)
    if label == "need":
        return Sample(text, outcome=Outcome.REFER.value, style=style)
    if label == "-" or _ENTRY.match(label):
        return Sample(text, entries=_entries(label), style=style)
    return Sample(text, category=label, second=second, style=style)


def _entries(label: str) -> tuple[str, ...]:
    return tuple(label.split("|")) if label else ()


def _checked(sample: Sample) -> Sample:
    known = (
        (sample.category, KEYS),
        (sample.second, KEYS),
        (sample.act, set(Act)),
        (sample.outcome, set(Outcome)),
    )
    wrong = next((label for label, names in known if label and label not in names), None)
    if wrong is not None:
        raise ValueError(f"的标签“{wrong[:40]}”不认识")
    if not sample.text.strip():
        raise ValueError("没有文本")
    return sample
