"""Two needs in one message: where it falls apart, and whether the parts are about different matters."""

import re
from collections.abc import Callable, Iterator
from itertools import islice

from intents.categories import OOS
from intents.moods import Mood, is_followup, mood_of

_JOINT = re.compile(
    r"[,。;?!、\s]*(?:另外|此外|顺便|顺带|同时|再就是|还有就是|还有一?[件个]事|还有个?问题|还有|对了|然后还|再问一?[下个]|再咨询一?下"
    r"|第二[个件]?(?:事|问题)?[,:、是]|以及|(?<=[,。;?!\s])(?:还想|也想|还要|还需要|也要|也需要|再帮))"
)
_LEADING = re.compile(r"^(?:还想|也想|还要|我?还?想?(?:请)?问一?下|请问|想问一?下|就是|[,。;:?!、\s])+")
_CLAUSE = re.compile(r"[,。;?!]+")
_ALSO = re.compile(r"也|还[要想得需没有是]|再|顺便|一起|一并|一块")
_NOT_NOW = re.compile(r"不是问|问的不是|以后再|先不|不用")
_TRIM = " ,。;?!、"
_SHORTEST = 4  # characters: less names no matter of its own
_MOST_JOINTS = 3
_MOST_COMMAS = 2  # a longer story is one need
_LIKELY = 0.3  # where a word says that something else follows, each part must mean something
_SURE = 0.55  # where only a comma stands, each must be plain

Judge = Callable[[str], tuple[str, float]]


def parts_of(text: str, judge: Judge) -> tuple[str, ...]:
    """The two parts of a normalised text when each is a need of its own in another category, else ()."""
    for first, second, least in _cuts(text):
        if min(len(first), len(second)) < _SHORTEST:
            continue
        (left, left_share), (right, right_share) = judge(first), judge(second)
        if left != right and OOS not in (left, right) and min(left_share, right_share) >= least:
            return first, second
    return ()


def _cuts(text: str) -> Iterator[tuple[str, str, float]]:
    """Where a text may fall apart: both parts, and how plain each must be."""
    for joint in islice(_JOINT.finditer(text), _MOST_JOINTS):
        yield text[: joint.start()].strip(_TRIM), _LEADING.sub("", text[joint.end() :]).strip(_TRIM), _LIKELY
    clauses = [match for match in _CLAUSE.finditer(text) if match.end() < len(text)]
    if len(clauses) > _MOST_COMMAS or _NOT_NOW.search(text):
        return
    for comma in clauses:
        first, second = text[: comma.start()].strip(_TRIM), text[comma.end() :].strip(_TRIM)
        are_questions = mood_of(first) is mood_of(second) is Mood.QUESTION
        if (are_questions or _ALSO.search(second)) and not is_followup(second):
            yield first, second, _SURE
