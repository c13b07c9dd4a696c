"""What is wrong with entries before they go live: the rules of docs/knowledge.md that a program can check."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise

from intents.categories import Category
from knowledge.entries import Basis, Entry, EntryStatus, Release, Text
from knowledge.reading import Remembering, Words, read
from knowledge.search import Index

TITLE_MOST = 40  # characters
ANSWER_MOST = 300
MORE_MOST = 800
NEXT_MOST = 120
QUESTIONS_WANTED = 8
QUESTIONS_LEAST = 3
KEYWORDS = (2, 8)
RELATED_MOST = 4

PREFIXES: Mapping[Category, str] = {
    Category.METROLOGY: "MET",
    Category.QUALITY_MANAGEMENT: "QMG",
    Category.STANDARDIZATION: "STD",
    Category.IP: "IPR",
    Category.TESTING: "TST",
    Category.BRAND: "BRD",
    Category.POLICY: "POL",
    Category.CERTIFICATION: "CER",
    Category.SUPPLY_CHAIN: "SCH",
    Category.TRAINING: "TRN",
    Category.OTHER: "OTH",
}

_ID = re.compile(r"([A-Z]{3})-[0-9]{2,4}(?:-[0-9]{1,2})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff\ufffe\uffff]")
_MARKUP = re.compile(r"[<>]")
_UNSURE = re.compile(r"〔核〕|\[核\]|【核】|〔待核")
_ADDRESS = re.compile(r"https?:|www\.|[a-z0-9-]+\.(?:com|cn|org|net|gov)\b", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![0-9])(?:1[3-9][0-9]{9}|0[0-9]{2,3}[-\s]?[0-9]{7,8}|[48]00[-\s]?[0-9]{3}[-\s]?[0-9]{4})(?![0-9])"
)
_LEGAL = re.compile(
    r"第[一二三四五六七八九十百零0-9]+条|罚款|(?<![公美日])[0-9一二三四五六七八九十百千万.]+元"
    r"|[0-9一二三四五六七八九十]+(?:个)?(?:工作)?日内|[0-9]+个?工作日|没收|吊销|有效期.{0,4}[0-9一二三四五六七八九十]+年"
)
# How much likelier another entry must be before a question counts as taken from its own.
_TRIED = 4  # questions of an entry, where all entries are checked
_STOLEN = 0.5


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # must not go live
    WARNING = "warning"  # somebody should look


Progress = Callable[[Sequence[Entry]], Iterable[Entry]]
"""Passes entries on, one by one, and may show how many are left."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one entry."""

    level: Level
    entry_id: str
    message: str  # a clear Chinese sentence

    @property
    def is_error(self) -> bool:
        """Does it keep the entry from going live?"""
        return self.level is Level.ERROR

    def __str__(self) -> str:
        return f"{'错误' if self.is_error else '提醒'} {self.entry_id}：{self.message}"


def check(
    entries: Sequence[Entry],
    *,
    today: date,
    tokenizer: Words,
    only: Collection[str] | None = None,
    progress: Progress = iter,
) -> list[Finding]:
    """Everything that is wrong, errors first, then in the order of the ids.

    `only`: the ids whose own questions are tried against the others (all, unless given); that is the long part,
    and `progress` is handed the entries of it to show how far it is.
    """
    findings = [
        *(finding for entry in entries for finding in _check_one(entry, today)),
        *_ids(entries),
        *_related(entries),
        *_duplicates(entries, tokenizer),
        *_stolen(entries, today, tokenizer, only, progress),
    ]
    return sorted(findings, key=lambda one: (not one.is_error, one.entry_id, one.message))


def _check_one(entry: Entry, today: date) -> Iterator[Finding]:
    """What an entry shows by itself."""
    for level, message in (
        *_form(entry),
        *_counts(entry),
        *_signs(entry),
        *_days(entry, today),
        *(found for text in entry.texts for found in _basis(text, today)),
    ):
        yield Finding(level, entry.id, message)


_Found = Iterator[tuple[Level, str]]


def _form(entry: Entry) -> _Found:
    match = _ID.fullmatch(entry.id)
    wanted = PREFIXES.get(entry.category)
    if wanted is None:
        yield Level.ERROR, f"没有“{entry.category}”这个类别。"
    elif not match:
        yield Level.ERROR, f"编号要写成 {wanted}-01 或 {wanted}-01-2 的样子。"
    elif match[1] != wanted:
        yield Level.ERROR, f"编号的前缀与类别不符，{entry.category.label}应当用 {wanted}。"
    yield from _longer(entry.title, TITLE_MOST, "标题")
    for text in entry.texts:
        yield from _longer(text.answer, ANSWER_MOST, "答复")
        yield from _longer(text.more, MORE_MOST, "“更多”")
        yield from _longer(text.next, NEXT_MOST, "下一步")
        if not text.answer.strip():
            yield Level.ERROR, "答复是空的。"


def _longer(text: str, most: int, name: str) -> _Found:
    if len(text.strip()) > most:
        yield Level.ERROR, f"{name}有 {len(text.strip())} 个字，最多 {most} 个。"


def _counts(entry: Entry) -> _Found:
    asked = len(entry.questions)
    if asked < QUESTIONS_LEAST:
        yield Level.ERROR, f"只有 {asked} 个相似问，至少要 {QUESTIONS_LEAST} 个。"
    elif asked < QUESTIONS_WANTED:
        yield Level.WARNING, f"只有 {asked} 个相似问，最好有 {QUESTIONS_WANTED} 个以上。"
    least, most = KEYWORDS
    if not least <= len(entry.keywords) <= most:
        yield Level.WARNING, f"有 {len(entry.keywords)} 个关键词，最好是 {least} 到 {most} 个。"
    if len(entry.related) > RELATED_MOST:
        yield Level.WARNING, f"有 {len(entry.related)} 个相关问题，最多显示 {RELATED_MOST} 个。"
    if not entry.owner.strip():
        yield Level.WARNING, "没有写明由谁维护。"


def _signs(entry: Entry) -> _Found:
    """Signs that must not reach anybody, wherever they stand."""
    shown = [part for text in entry.texts for part in (text.answer, text.more, text.next)]
    every = [entry.title, *entry.questions, *entry.keywords, *shown, *_cited(entry)]
    if any(_CONTROL.search(part) for part in every):
        yield Level.ERROR, "文字里有控制字符或看不见的字符，请删除。"
    if any(_MARKUP.search(part) for part in every):
        yield Level.ERROR, "文字里有尖括号，请改写。"
    if any(_UNSURE.search(part) for part in (entry.title, *shown)):
        yield Level.ERROR, "答复里有〔核〕标记：未核实的内容不能写成事实。"
    if any(_ADDRESS.search(part) for part in shown):
        yield Level.ERROR, "答复里有网址；请改写系统的正式名称。"
    if any(_PHONE.search(part) for part in shown):
        yield Level.ERROR, "答复里有电话号码；电话由运营方在设置中填写。"


def _cited(entry: Entry) -> list[str]:
    bases = [basis for text in entry.texts for basis in text.basis]
    return [part for basis in bases for part in (basis.document, basis.number, basis.clause)]


def _days(entry: Entry, today: date) -> _Found:
    """Each day has at most one text, without a gap between two, and today has one."""
    for text in entry.texts:
        if text.valid_from and text.valid_until and text.valid_until < text.valid_from:
            yield Level.ERROR, f"答复的有效期倒置：{text.valid_from} 到 {text.valid_until}。"
            return
    ordered = sorted(entry.texts, key=lambda text: text.valid_from or date.min)
    for earlier, later in pairwise(ordered):
        end, start = earlier.valid_until or date.max, later.valid_from or date.min
        if start <= end:
            yield Level.ERROR, f"两个答复的有效期重叠：{_day(start)}前后都可用。"
        elif start - end > timedelta(days=1):
            yield Level.WARNING, f"{_day(end)}之后到{_day(start)}之前没有可用的答复。"
    if entry.status is EntryStatus.PUBLISHED and entry.text_on(today) is None:
        yield Level.WARNING, "今天没有可用的答复。"
    if entry.checked_on > today:
        yield Level.WARNING, f"核对日期 {entry.checked_on} 在今天之后。"


def _day(day: date) -> str:
    return "长期" if day in (date.min, date.max) else day.isoformat()


def _basis(text: Text, today: date) -> _Found:
    """A text with a legal figure names what it rests on, and that is in force while the text is given."""
    shown = f"{text.answer}\n{text.more}"
    if not text.basis:
        if match := _LEGAL.search(shown):
            yield Level.WARNING, f"答复里有“{match[0]}”，但没有写依据。"
        return
    # A text that is checked today is given from today, or from the day on which it takes over.
    start = max(text.valid_from or today, min(today, text.valid_until or today))
    for basis in text.basis:
        if basis.from_ and basis.until and basis.until < basis.from_:
            yield Level.ERROR, f"依据{_name(basis)}的生效和失效日期倒置。"
        elif basis.until and basis.until < start:
            yield Level.WARNING, f"依据{_name(basis)}到 {basis.until} 已经失效，不会显示。"
    if not any(_covers(basis, start) for basis in text.basis):
        yield Level.WARNING, f"{start} 没有一条依据在生效，答复会没有依据。"


def _covers(basis: Basis, day: date) -> bool:
    return (basis.from_ is None or basis.from_ <= day) and (basis.until is None or day <= basis.until)


def _name(basis: Basis) -> str:
    return f"《{basis.document.strip('《》')}》"


def _ids(entries: Iterable[Entry]) -> Iterator[Finding]:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            yield Finding(Level.ERROR, entry.id, "编号重复。")
        seen.add(entry.id)


def _related(entries: Sequence[Entry]) -> Iterator[Finding]:
    known = {entry.id for entry in entries}
    for entry in entries:
        for other in entry.related:
            if other == entry.id:
                yield Finding(Level.WARNING, entry.id, "相关问题里有它自己。")
            elif other not in known:
                yield Finding(Level.ERROR, entry.id, f"相关问题 {other} 不存在。")


def _duplicates(entries: Iterable[Entry], tokenizer: Words) -> Iterator[Finding]:
    """The same question twice in one entry, or in two."""
    holders: dict[str, str] = {}
    for entry in entries:
        own: set[str] = set()
        for question in entry.questions:
            plain = read(question, tokenizer).text
            if not plain:
                yield Finding(Level.ERROR, entry.id, f"相似问“{question}”没有内容。")
            elif plain in own:
                yield Finding(Level.WARNING, entry.id, f"相似问“{question}”写了两遍。")
            elif holders.setdefault(plain, entry.id) != entry.id:
                yield Finding(Level.ERROR, entry.id, f"相似问“{question}”与 {holders[plain]} 的相同。")
            own.add(plain)
        title = read(entry.title, tokenizer).text
        if title not in own and holders.setdefault(title, entry.id) != entry.id:
            yield Finding(Level.ERROR, entry.id, f"标题“{entry.title}”与 {holders[title]} 的问法相同。")


def _stolen(
    entries: Sequence[Entry],
    today: date,
    tokenizer: Words,
    only: Collection[str] | None,
    progress: Progress,
) -> Iterator[Finding]:
    """Questions that another entry would answer if their own entry did not hold them word by word."""
    unique = {entry.id: entry for entry in entries}
    index = Index.build(Release.of(unique.values()), Remembering(tokenizer))
    thieves: dict[tuple[str, str], list[str]] = defaultdict(list)
    tried = [entry for entry in index.entries if (only is None or entry.id in only) and entry.text_on(today)]
    for entry in progress(tried):
        without = index.without_entry(entry.id)
        for question in entry.questions if only is not None else _some(entry.questions):
            rest = tuple(other for other in entry.questions if other != question)
            thief = _first(without.with_entry(replace(entry, questions=rest)), question, entry, today)
            if thief:
                thieves[entry.id, thief].append(question)
    for (entry_id, thief), questions in thieves.items():
        shown = "、".join(f"“{question}”" for question in questions[:3])
        yield Finding(
            Level.WARNING,
            entry_id,
            f"相似问{shown}更像 {thief}《{unique[thief].title}》的问题，请改写或移过去。",
        )


def _some(questions: Sequence[str]) -> Sequence[str]:
    """Some of many questions, evenly: all of all entries would take minutes and tell little more."""
    return questions[:: max(1, len(questions) // _TRIED)]


def _first(index: Index, question: str, entry: Entry, today: date) -> str:
    """The entry that takes the question away from its own; empty if none clearly does."""
    hits = index.search(question, today=today)
    if not hits or hits[0].entry.id == entry.id:
        return ""
    own = next((hit.score for hit in hits if hit.entry.id == entry.id), 0.0)
    return hits[0].entry.id if hits[0].score - own >= _STOLEN else ""
