"""The satisfaction survey of Annex C: its items, how free words are read, what a bad one leads to."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files

from intents.text import normalise


class Item(StrEnum):
    """The five items of Annex C, in its order."""

    TIMELINESS = "timeliness"
    EXPERTISE = "expertise"
    COURTESY = "courtesy"
    OVERALL = "overall"
    SOLVED = "solved"


class Rating(StrEnum):
    """The answers of Annex C: four ratings for the first four items, yes or no for the last."""

    VERY_SATISFIED = "very-satisfied"
    SATISFIED = "satisfied"
    FAIR = "fair"
    DISSATISFIED = "dissatisfied"
    YES = "yes"
    NO = "no"


_RATED = tuple(Item)[:4]
_GOOD = frozenset({Rating.VERY_SATISFIED, Rating.SATISFIED})


@cache
def data(room: str) -> Mapping[str, str]:
    """One table of data/survey.toml."""
    text = files("bot.core").joinpath("data/survey.toml").read_text(encoding="utf-8")
    # Long patterns are folded with a backslash at the end of the line.
    return {name: value.replace("\\\n", "") for name, value in tomllib.loads(text)[room].items()}


def form(name: str) -> str:
    """A printed word of the form: title, number, content, rating, note, applicant, date."""
    return data("form")[name]


def question(item: Item) -> str:
    """The item in the words of Annex C."""
    return data("items")[item]


def label(rating: Rating) -> str:
    """The rating in the words of Annex C."""
    return data("ratings")[rating]


def options(item: Item) -> tuple[Rating, ...]:
    """The ratings of an item in the order of Annex C: the answer "1" is the first."""
    return tuple(Rating)[4:] if item is Item.SOLVED else tuple(Rating)[:4]


# --- What was answered, with its history


class Source(StrEnum):
    """How an answer reached us; paper and phone are entered by staff."""

    CHAT = "chat"
    LINK = "link"
    PAPER = "paper"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Version:
    """What one act of answering added or corrected; never changed afterwards."""

    at: datetime
    source: Source
    answers: tuple[tuple[Item, Rating], ...]
    note: str | None = None  # 您的意见或建议; None leaves the earlier one
    by: str = ""  # the staff member who entered it; empty: the enterprise itself
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """One survey of one service; `due` is the end of the fifth working day after it (S 9.2.1)."""

    due: datetime
    versions: tuple[Version, ...] = ()

    @property
    def answers(self) -> dict[Item, Rating]:
        """The latest answer to each item."""
        found = {item: rating for version in self.versions for item, rating in version.answers}
        return {item: found[item] for item in Item if item in found}

    @property
    def note(self) -> str:
        """The latest opinion or suggestion."""
        return next((each.note for each in reversed(self.versions) if each.note is not None), "")

    @property
    def missing(self) -> tuple[Item, ...]:
        """The items that are still open, in their order."""
        return tuple(item for item in Item if item not in self.answers)


def record(
    survey: Survey,
    answers: Mapping[Item, Rating],
    *,
    at: datetime,
    source: Source,
    note: str | None = None,
    by: str = "",
) -> Survey:
    """The survey with one version more, or as it was when nothing new was said; late answers count and are marked.

    Raises ValueError for a rating that the item does not have.
    """
    for item, rating in answers.items():
        if rating not in options(item):
            raise ValueError(f"{item} cannot be rated {rating}")
    before = survey.answers
    fresh = tuple(
        (item, answers[item]) for item in Item if item in answers and answers[item] != before.get(item)
    )
    note = note if note is not None and note != survey.note else None
    if not fresh and note is None:
        return survey
    version = Version(at, source, fresh, note, by, is_late=at > survey.due)
    return replace(survey, versions=(*survey.versions, version))


class Outcome(StrEnum):
    """What a survey leads to."""

    NONE = "none"
    REOPEN = "reopen"
    IMPROVE = "improve"


@dataclass(frozen=True, slots=True)
class Consequence:
    """What to do about a survey, and why in one sentence."""

    outcome: Outcome
    reason: str


def is_bad(survey: Survey) -> bool:
    """Is any item 不满意, or the problem not solved?"""
    return bool({Rating.DISSATISFIED, Rating.NO} & set(survey.answers.values()))


def consequence(survey: Survey, *, now: datetime, reopen_until: datetime) -> Consequence:
    """Unsolved or dissatisfied with the whole: reopen while that is possible; else an improvement item (S 9.3.1)."""
    texts, answers = data("consequence"), survey.answers
    if not is_bad(survey):
        return Consequence(Outcome.NONE, texts["nothing"])
    reasons = [
        texts["unsolved"] if item is Item.SOLVED else texts["dissatisfied"].format(item=question(item))
        for item, rating in answers.items()
        if rating in (Rating.DISSATISFIED, Rating.NO)
    ]
    is_grave = answers.get(Item.SOLVED) is Rating.NO or answers.get(Item.OVERALL) is Rating.DISSATISFIED
    if is_grave and now <= reopen_until:
        return Consequence(Outcome.REOPEN, texts["reopen"].format(reasons="、".join(reasons)))
    name = "improve_late" if is_grave else "improve_aspect"
    return Consequence(Outcome.IMPROVE, texts[name].format(reasons="、".join(reasons)))


# --- What an answer in free words means


_BARE, _ALL, _NAMED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Heard:
    item: Item
    rating: Rating
    weight: int  # _NAMED, _ALL ("all", "the rest") or _BARE; 10 more after "I meant"
    is_literal: bool  # the very word of the form


def read_answer(item: Item, text: str) -> Rating | None:
    """The rating that a text gives to this item; None when it does not say, contradicts itself, or asks.

    A number is the place among `options`; 分 and 星 only count when they are all or nothing, since "4分" could be either end.
    A problem solved in part is not solved.
    """
    return read_answers(text, asked=item).get(item)


def read_answers(text: str, *, asked: Item | None = None) -> dict[Item, Rating]:
    """All items that one message answers; words without a topic go to the item asked for, else to the whole."""
    plain = _plain(text)
    if numbered := _numbers(plain, asked):
        return numbered
    heard: list[_Heard] = []
    spared: set[Item] = set()  # "除了态度": said to differ, not how
    bonus = 0
    for part in _parts(plain):
        if re.search(data("parts")["correction"], part):
            bonus += 10
        found = _read_part(part, asked)
        if part.startswith("除") and not found:
            spared |= _topics(part)
        heard += [replace(each, weight=each.weight + bonus) for each in found]
    heard = [each for each in heard if each.item not in spared or each.weight % 10 == _NAMED]
    merged = {item: _merge([each for each in heard if each.item is item]) for item in Item}
    answers = {item: rating for item, rating in merged.items() if rating}
    # Asked about the whole, one aspect is what the whole is judged by.
    aspects = {answers[item] for item in _RATED[:3] if item in answers}
    if asked is Item.OVERALL and asked not in answers and asked not in spared and len(aspects) == 1:
        answers[asked] = aspects.pop()
    return answers


def declines(text: str) -> bool:
    """Does the contact not want to rate at all?"""
    return bool(re.search(data("other")["decline"], _plain(text)))


def read_note(text: str) -> str:
    """The opinion or suggestion, at most 1,000 characters; empty when the answer is that there is none."""
    bare = _plain(text).strip(" ,.。!~、")
    return "" if re.fullmatch(data("other")["no_note"], bare) else text.strip()[:1000]


def _plain(text: str) -> str:
    text = normalise(text)
    for slip, meant in data("slips").items():
        text = re.sub(slip, meant, text)
    return text


def _parts(plain: str) -> list[str]:
    """The parts of a message that state something."""
    patterns = data("parts")
    rough = re.findall(patterns["split"], plain)
    pieces = [piece for each in rough for piece in re.split(patterns["turn"], each)]
    bare = [piece.strip(" ,.。;!、~:") for piece in pieces]
    return [part for part in bare if part and not re.search(patterns["nothing"], part)]


def _numbers(plain: str, asked: Item | None) -> dict[Item, Rating]:
    """Numbers only: one for the item asked for, four or five for the form; or "1满意 2一般 …" item by item."""
    bare = plain.strip(" ,.。!、~")
    if re.fullmatch(data("other")["best_marks"], bare) and asked in _RATED:
        return {asked: Rating.VERY_SATISFIED}
    single = re.fullmatch(r"(?:选择?|第|打|给)?\s*([1-4一二三四])\s*(?:个|项|号)?\s*[、.)]?(?:吧|了)?", bare)
    if single and asked is not None:
        place = "1234".find(single[1]) if single[1].isdigit() else "一二三四".find(single[1])
        return {asked: options(asked)[place]} if place < len(options(asked)) else {}
    row = re.fullmatch(r"[1-4](?:[\s,、/]*[1-4]){2}[\s,、/]*[1-4](?:[\s,、/]*[12是否])?", bare)
    if row:
        signs = [{"是": "1", "否": "2"}.get(sign, sign) for sign in re.findall(r"[1-4是否]", bare)]
        return {item: options(item)[int(sign) - 1] for item, sign in zip(Item, signs, strict=False)}
    labelled = (
        re.findall(r"([1-5])\s*[.、:)]?\s*([^\d]+)", bare) if re.match(r"[1-5]\s*[^\d\s]", bare) else []
    )
    if len({number for number, _ in labelled}) < 2:
        return {}
    pairs = [(tuple(Item)[int(number) - 1], words) for number, words in labelled]
    read = {item: read_answers(words, asked=item).get(item) for item, words in pairs}
    return {item: rating for item, rating in read.items() if rating} if all(read.values()) else {}


def _topics(part: str) -> set[Item]:
    return {item for item in Item if re.search(data("topics")[item], part)}


def _read_part(part: str, asked: Item | None) -> list[_Heard]:
    topics = _topics(part)
    solved = _solved(part, is_asked=asked is Item.SOLVED, is_topic=Item.SOLVED in topics)
    heard = [_Heard(Item.SOLVED, solved, _NAMED, False)] if solved else []
    if solved is Rating.NO and "满意" not in part:
        return heard
    rating, is_literal = _rate(part)
    if rating is None:
        return heard
    words = data("words")
    named = topics - {Item.SOLVED}
    if named:
        return [*heard, *(_Heard(item, rating, _NAMED, is_literal) for item in sorted(named))]
    if re.search(f"{words['all']}|{words['rest']}", part):
        return [*heard, *(_Heard(item, rating, _ALL, is_literal) for item in _RATED)]
    item = asked or Item.OVERALL
    return heard if item is Item.SOLVED else [*heard, _Heard(item, rating, _BARE, is_literal)]


def _solved(part: str, *, is_asked: bool, is_topic: bool) -> Rating | None:
    patterns = data("solved")
    if is_asked and re.fullmatch(patterns["bare_yes"], part):
        return Rating.YES
    if is_asked and re.fullmatch(patterns["bare_no"], part):
        return Rating.NO
    if not is_topic and not is_asked:
        return None
    if re.search(patterns["yes"], part):
        return Rating.YES
    partly = patterns["partly"]
    if re.search(patterns["no"], part) or re.fullmatch(f"[只就]?(?:{partly})[吧了]?", part):
        return Rating.NO
    if is_topic and re.search(partly, part):
        return Rating.NO
    return Rating.YES if re.search(patterns["done"], part) else None


@cache
def _token() -> re.Pattern[str]:
    words = data("words")
    every = "|".join(words[kind] for kind in ("best", "fair", "bad", "good"))
    # Possessive: a row of negations must not be tried in every grouping.
    denied = f"(?P<denied>(?:(?!{every})(?:{words['not']})(?:{words['not_gap']})*+)*+)"
    degree = f"(?P<very>{words['very']})?(?:的|地|之)?(?P<mild>{words['mild_before']})?"
    kinds = "|".join(f"(?P<{kind}>{words[kind]})" for kind in ("best", "fair", "bad", "good"))
    return re.compile(f"{denied}{degree}(?:{kinds})(?P<after>极了|爆了|{words['mild_after']})?")


def _rate(part: str) -> tuple[Rating | None, bool]:
    """The rating that a part speaks, and whether in the very word of the form."""
    read = [
        (_rating(match), label(Rating.SATISFIED) == match["good"] or label(Rating.FAIR) == match["fair"])
        for match in _token().finditer(part)
    ]
    found = [(rating, is_literal) for rating, is_literal in read if rating]
    if not found:
        words = data("words")
        quality = re.search(
            f"(?P<denied>(?:(?:{words['not']})(?:{words['not_gap']})*+)*+)(?P<very>{words['very']})?(?:{words['qualities']})",
            part,
        )
        if quality is None:
            return None, False
        if _is_denied(quality["denied"]):
            return Rating.DISSATISFIED, False
        return (Rating.VERY_SATISFIED if quality["very"] else Rating.SATISFIED), False
    heard = [_Heard(Item.OVERALL, rating, _BARE, is_literal) for rating, is_literal in found]
    return _merge(heard), any(is_literal for _, is_literal in found)


def _is_denied(words: str) -> bool:
    """Two negations cancel each other."""
    return len(re.findall(data("words")["not"], words)) % 2 == 1


def _rating(match: re.Match[str]) -> Rating | None:
    is_denied, denied = _is_denied(match["denied"]), match["denied"]
    if match["fair"]:
        return None if is_denied else Rating.FAIR
    if match["bad"]:
        if is_denied:
            return Rating.SATISFIED
        is_mild = match["mild"] or (
            match["after"] and not match["very"] and match["after"] not in ("极了", "爆了")
        )
        return Rating.FAIR if is_mild else Rating.DISSATISFIED
    if is_denied:
        # Not "very" good is less than good, not bad.
        return Rating.FAIR if re.search("非常|特别|十分", denied) else Rating.DISSATISFIED
    is_most = match["best"] or match["very"] or match["after"] in ("极了", "爆了")
    return Rating.VERY_SATISFIED if is_most else Rating.SATISFIED


def _merge(heard: list[_Heard]) -> Rating | None:
    """One rating of what was said about one item: the most pointed counts, a contradiction does not."""
    if not heard:
        return None
    top = max(each.weight for each in heard)
    ratings = [each for each in heard if each.weight == top]
    said = {each.rating for each in ratings}
    if Rating.NO in said:
        return Rating.NO
    if said & _GOOD and Rating.DISSATISFIED in said:
        return None
    literal = [each for each in ratings if each.is_literal]
    if not literal and said <= _GOOD:
        return min(said, key=tuple(Rating).index)
    return (literal or ratings)[-1].rating
