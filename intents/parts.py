"""Two needs in one message: where it falls apart, and whether the parts are about different matters."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice

from intents.categories import OOS
from intents.moods import Mood, is_followup, mood_of
from intents.text import data_lines

_STILL = r"(?!.{0,16}[吗么不?没]$)"  # "还要复检吗" asks whether it is still needed, not for more
_JOINT = re.compile(
    rf"[,。;?!、\s]*(?:另外|此外|顺便|顺带|(?<=[,。;?!])同时|同时(?=还|也|想|请)|再就是|还有就是|还有一?[件个]事|还有个?问题|(?<=[,。;?!\s])还有|还有{_STILL}|对了|然后还|再问一?[下个]|再咨询一?下"
    rf"|第二[个件]?(?:事|问题)?[,:、是]|(?<=[,。;?!\s])(?:[还也](?=想)|还(?=需?要(?!我们)){_STILL}|也(?=需?要)|再帮|再请))"
)
# "1、… 2、…": a part begins with the second number; of longer lists the rest is the second part.
_NUMBERED = re.compile(
    r"[,。;?!、\s]*(?:(?<![\d.])[2-9](?:、|\.(?!\d)|\)|,)|[(][2-9二三四五][)]|(?<=[,。;?!\s])(?:[二三四五][是、]|其次[,是]?))"
)
_CIRCLED = re.compile(r"(?<=[^\d.])2(?=[\u3400-\u9fff])")  # "①…②…" as it is normalised
_FIRST = re.compile(r"1(?=[\u3400-\u9fff])")
# One is done, then comes the other: "SC证办完想把商标也注册".
_AFTERWARDS = re.compile(
    rf"[,。;\s]*(?:之后|以后|(?<=[下好成布完])后|(?<=完)了?|以及)[,\s]*(?:还|再|也|就|直接)?(?=想|要{_STILL}|请|得|打算)"
)
_LEADING = re.compile(
    r"^(?:[还也](?=想|要)|我?还?想?(?:请)?问一?下|请问|就是|[1一]、|[1一][.)](?!\d)|[(][1一][)]|一是|第一[,、]|首先|[,。;:?!、\s])+"
)
_CLAUSE = re.compile(r"[,。;?!]+")
_ALSO = re.compile(
    rf"也(?!没有|不(?!确定|清楚|懂|知道|会))|还[想得没有是]|还需?要{_STILL}|(?<!还要)再|顺便|一起|一并|一块"
)
_NOT_NOW = re.compile(r"不是问|问的不是|以后再|后面再|先不|不用|不问|不是.{2,20},是")
_ABOUT_IT = re.compile(
    r"^(?:它|这个|那个|这[种样些]|其中|上述|该)|^(?:能|可以|能不能|可不可以|请)?(?:详细)?(?:讲|说|解释)|^[跟和与].{1,10}(?:有关|关系|一样|区别)"
)
_TRIM = " ,。;?!、"
_SHORTEST = 4  # characters: less names no matter of its own
_MOST_JOINTS = 3
_MOST_COMMAS = 2  # a longer story is one need
_LIKELY = 0.3  # where a word says that something else follows, each part must mean something
_SURE = 0.55  # where a comma and "too" stand, each must be plain

Judge = Callable[[str], tuple[str, float]]


def parts_of(text: str, judge: Judge) -> tuple[str, ...]:
    """The two parts of a normalised text when each is a need of its own about another matter, else ()."""
    for first, second, least in _cuts(text):
        if min(len(first), len(second)) < _SHORTEST or _leans(second):
            continue
        (left, left_share), (right, right_share) = judge(first), judge(second)
        if OOS in (left, right) or min(left_share, right_share) < least:
            continue
        if left != right or _are_apart(first, second):
            return first, second
    return ()


def _leans(second: str) -> bool:
    """Does the second part ask about what the first named? "另外要多久" is no need of its own."""
    return is_followup(second) or _ABOUT_IT.match(second) is not None


def _cuts(text: str) -> Iterator[tuple[str, str, float]]:
    """Where a text may fall apart: both parts, and how plain each must be."""
    for pattern in (_NUMBERED, _JOINT):
        for joint in islice(pattern.finditer(text), _MOST_JOINTS):
            yield (*_halves(text, joint), _LIKELY)
    if (one := _FIRST.match(text)) and (two := _CIRCLED.search(text)):
        yield text[one.end() : two.start()].strip(_TRIM), text[two.end() :].strip(_TRIM), _LIKELY
    clauses = [match for match in _CLAUSE.finditer(text) if match.end() < len(text)]
    if len(clauses) > _MOST_COMMAS or _NOT_NOW.search(text):
        return
    for joint in islice(_AFTERWARDS.finditer(text), _MOST_JOINTS):
        yield (*_halves(text, joint), _SURE)
    for comma in clauses:
        first, second = _halves(text, comma)
        are_questions = mood_of(first) is mood_of(second) is Mood.QUESTION
        if are_questions or _ALSO.search(second):
            yield first, second, _SURE


def _halves(text: str, joint: re.Match[str]) -> tuple[str, str]:
    first, second = text[: joint.start()], text[joint.end() :]
    return _LEADING.sub("", first.strip(_TRIM)), _LEADING.sub("", second).strip(_TRIM)


def _are_apart(first: str, second: str) -> bool:
    """Do both texts name matters, and none in common? Trademark and patent are two; price and time of one are not."""
    left, right = _matters(first), _matters(second)
    return bool(left and right) and not left & right


def _matters(text: str) -> frozenset[str]:
    return frozenset(matter for word, matter in _known_matters().items() if word in text)


@cache
def _known_matters() -> Mapping[str, str]:
    pairs = (line.partition("\t") for line in data_lines("matters.tsv"))
    return {word: matter for word, _, matter in pairs}
