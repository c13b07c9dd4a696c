"""What the knowledge lacks: unanswered questions that ask the same, put together; and the words of proposals."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from rapidfuzz import fuzz

from intents.slots import read_slots
from intents.text import mask, normalise
from knowledge.entries import Entry
from knowledge.reading import ASKING, asks_of

_ALIKE = 0.58  # half shared words, half letters: below it two texts ask for different things
_SHARED = 0.34  # of the weight of their words: below it the letters are not even compared
_LOOKED_AT = 5  # the rarest words of a text by which others are found
_COMMON = 300  # groups that share a word: with more the word tells nothing
_COMPARED = 12  # groups that share the rarest words with a text: these alone are compared in full
_ODD = re.compile(r"[\W_]+")
# What people say around a question; it would make different questions look alike.
_AROUND = re.compile(
    r"^(?:你好|您好|在吗|请问|我想|问一下|想问下|想问一下|咨询一下|麻烦问下|问下)+|(?:谢谢|吗|呢|呀|啊|吧|了|嘛)+$"
)
# How something is asked, whatever it is: such words weigh little, however seldom they are.
_PLAIN = frozenset(
    [
        "怎么",
        "怎样",
        "怎么样",
        "如何",
        "咋",
        "咋办",
        "多少",
        "多久",
        "多长",
        "几",
        "几天",
        "哪里",
        "哪儿",
        "哪",
        "去",
        "到",
        "在",
        "办",
        "办理",
        "能",
        "能不能",
        "可以",
        "可不可以",
        "要",
        "需要",
        "什么",
        "啥",
        "有",
        "没有",
        "有没有",
        "是",
        "是不是",
        "的",
        "了",
        "吗",
        "呢",
        "我",
        "我们",
        "你们",
        "咱",
        "想",
        "问",
        "请问",
        "咨询",
        "下",
        "一下",
        "钱",
        "和",
        "与",
        "跟",
        "给",
        "做",
        "弄",
        "搞",
        "谁",
        "吧",
        "啊",
        "被",
        "把",
        "就",
        "都",
        "还",
        "也",
    ]
)
_PLAIN_WEIGHT = 0.3
_DIGITS = re.compile(r"(?:[0-9０-９零〇一二三四五六七八九幺][\s\-–—－_.·、,，]{0,2}){7,}")


class Why(StrEnum):
    """Why a question counts as unanswered."""

    OOS = "oos"  # taken for nothing of ours
    REFER = "refer"  # ours, but no entry answers it
    NONE = "none"  # none of the choices that were offered
    UNHELPFUL = "unhelpful"  # answered, and the answer did not help


class Deed(StrEnum):
    """What a maintainer does about unanswered questions."""

    ENTRY = "entry"  # a new entry is written
    QUESTION = "question"  # they become questions of an entry
    OOS = "oos"  # nothing of ours, indeed
    TICKET = "ticket"  # a request was opened for the asker


@dataclass(frozen=True, slots=True)
class Question:
    """One unanswered question."""

    message_id: int
    conversation_id: int
    text: str
    category: str  # as it was understood; empty: none
    on: date  # China
    why: Why
    entry_id: str = ""  # the entry that did not help


@dataclass(frozen=True, slots=True)
class Gap:
    """Unanswered questions that ask the same."""

    questions: tuple[Question, ...]  # newest first
    texts: tuple[str, ...]  # each wording once, the most frequent first

    @property
    def id(self) -> int:
        """Names the gap as long as its oldest message is unanswered."""
        return self.questions[-1].message_id

    @property
    def count(self) -> int:
        """How often it was asked."""
        return len(self.questions)

    @property
    def people(self) -> int:
        """How many conversations it was asked in."""
        return len({one.conversation_id for one in self.questions})

    @property
    def first(self) -> date:
        """The first day on which it was asked."""
        return min(one.on for one in self.questions)

    @property
    def last(self) -> date:
        """The last day on which it was asked."""
        return max(one.on for one in self.questions)

    @property
    def categories(self) -> list[tuple[str, int]]:
        """The categories it was taken for, the most frequent first; empty: none."""
        return Counter(one.category for one in self.questions).most_common()

    @property
    def reasons(self) -> list[tuple[Why, int]]:
        """Why it counts as unanswered, the most frequent reason first."""
        return Counter(one.why for one in self.questions).most_common()


def fold(text: str) -> str:
    """What is left of a text when only its letters and digits count; two texts of one fold ask the same."""
    return _ODD.sub("", _AROUND.sub("", _ODD.sub("", mask(normalise(text)))))


def find_gaps(questions: Iterable[Question], words: Callable[[str], Sequence[str]]) -> list[Gap]:
    """Put questions together that ask the same, whatever the day; the most asked first.

    `words` cuts a normalised text. The result depends on the questions alone, not on their order.
    """
    alike: dict[str, list[Question]] = defaultdict(list)
    for one in sorted(questions, key=lambda one: one.message_id):
        if key := fold(one.text):
            alike[key].append(one)
    groups = _grouped(alike, words)
    found = [_gap([alike[key] for key in keys]) for keys in groups]
    return sorted(found, key=lambda gap: (-gap.count, -gap.last.toordinal(), gap.id))


def _gap(parts: Sequence[list[Question]]) -> Gap:
    texts = tuple(part[0].text for part in sorted(parts, key=lambda part: (-len(part), part[0].message_id)))
    every = sorted((one for part in parts for one in part), key=lambda one: -one.message_id)
    return Gap(tuple(every), texts)


def _grouped(
    alike: Mapping[str, Sequence[Question]], words: Callable[[str], Sequence[str]]
) -> list[list[str]]:
    """Keys that belong together; each group is led by its most frequent wording, and all are like that one.

    Chains are thus impossible: a is like b and b like c, but c is compared with a alone.
    """
    terms = {key: frozenset(words(key)) for key in alike}
    seen = Counter(term for of_one in terms.values() for term in of_one)
    weight = {
        term: math.log(1 + len(alike) / count) * (_PLAIN_WEIGHT if term in _PLAIN else 1)
        for term, count in seen.items()
    }
    leaders = _Leaders(terms, weight)
    groups: list[list[str]] = []
    for key in sorted(alike, key=lambda key: (-len(alike[key]), -len(terms[key]), key)):
        place = leaders.likest(key)
        if place is None:
            leaders.add(key)
            groups.append([key])
        else:
            groups[place].append(key)
    return groups


class _Leaders:
    """The leading wordings so far, found by their words."""

    def __init__(self, terms: Mapping[str, frozenset[str]], weight: Mapping[str, float]) -> None:
        self._terms, self._weight = terms, weight
        self._total = {key: sum(weight[term] for term in own) for key, own in terms.items()}
        self._asks = {key: asks_of(key) & ASKING for key in terms}
        self._keys: list[str] = []
        self._led_by: dict[str, list[int]] = defaultdict(list)

    def add(self, key: str) -> None:
        """Another one leads a group of its own."""
        for term in self._terms[key]:
            self._led_by[term].append(len(self._keys))
        self._keys.append(key)

    def likest(self, key: str) -> int | None:
        """The group whose leader is most like that wording; None where none is like enough."""
        shared: dict[int, float] = defaultdict(float)
        rare = sorted(self._terms[key], key=lambda term: (-self._weight[term], term))
        for term in rare[:_LOOKED_AT]:
            led = self._led_by[term]
            if len(led) <= _COMMON:
                for place in led:
                    shared[place] += self._weight[term]
        likely = sorted(shared, key=lambda place: (-shared[place], place))[:_COMPARED]
        best, place = max(((self._likeness(key, self._keys[one]), -one) for one in likely), default=(0.0, 0))
        return -place if best >= _ALIKE else None

    def _likeness(self, one: str, other: str) -> float:
        """How far two texts ask the same, 0..1: by their words, each as heavy as it is rare, and by their letters.

        What something costs and how long it takes are two questions, whatever else they share.
        """
        if self._asks[one] and self._asks[other] and not self._asks[one] & self._asks[other]:
            return 0.0
        both = sum(self._weight[term] for term in self._terms[one] & self._terms[other])
        shared = both / (self._total[one] + self._total[other] - both)
        return (shared + fuzz.ratio(one, other) / 100) / 2 if shared >= _SHARED else 0.0


def masked(text: str) -> str:
    """A text without telephone numbers, addresses, and names of persons and firms."""
    text = mask(text)
    slots = read_slots(text)
    if slots.phones:
        text = _DIGITS.sub("[电话]", text)
    names = [*((name, "[企业]") for name in slots.companies), *((name, "[姓名]") for name in slots.persons)]
    for name, label in names:
        if name not in text:
            text = normalise(text)  # found in another way of typing it
        text = text.replace(name, label).replace(normalise(name), label)
    return text


def is_asked_by(entry: Entry, texts: Iterable[str]) -> bool:
    """Is one of these texts a question of the entry?"""
    own = {fold(text) for text in (entry.title, *entry.questions)}
    return any(fold(text) in own for text in texts)


def correction_line(label: str, text: str, *, on: date, reviewer: str) -> str:
    """A line of tests/quality/corrections.tsv: label, text, second category, style, date, who reviewed it."""
    words = " ".join(text.split())
    return "\t".join((label, words, "", "staff", on.isoformat(), reviewer))
