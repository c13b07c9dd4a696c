"""Acts told by what a message is made of; whatever that leaves open is for the model of acts."""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache

from intents.text import data_lines


class Act(StrEnum):
    """What a message does in the conversation, when it does not ask for a service."""

    GREET = "greet"
    THANKS = "thanks"
    HUMAN = "human"
    COMPLAINT = "complaint"
    SUGGESTION = "suggestion"
    PROGRESS = "progress"
    CANCEL = "cancel"
    MENU = "menu"
    BYE = "bye"
    AFFIRM = "affirm"
    DENY = "deny"


# Where a message holds phrases of several acts, the first of these is what it is about: 好的谢谢, 不用了谢谢.
_WEIGHTIEST = (
    Act.CANCEL,
    Act.PROGRESS,
    Act.COMPLAINT,
    Act.HUMAN,
    Act.SUGGESTION,
    Act.MENU,
    Act.BYE,
    Act.DENY,
    Act.THANKS,
    Act.AFFIRM,
    Act.GREET,
)
FILLER = "filler"
_MOST_CHARACTERS = 30
_NOT_WORD = re.compile(r"[\W_]+")
_US = r"(?:你们|你|平台|客服|工作人员|专员|服务站|窗口|公众号|小程序|机器人|(?:推荐|介绍|对接|安排|匹配|合作)的)"
_ABOUT_US = re.compile(
    rf"(?:投诉|举报|差评|曝光).{{0,6}}{_US}|{_US}.{{0,30}}(?:投诉(?!举报|指南|法|率)|举报你)"
)
_ABOUT_OTHERS = re.compile(
    r"12315|12345热线怎么|商家|卖家|超市|消费者|假货|网购|淘宝|京东|拼多多|外卖|快递|买到|买了|店家|饭店|被投诉|被人投诉"
    r"|(?:客户|顾客|用户|打假人?|对手|同行)(?:的|来)?投诉|投诉(?:处理|率|应对|我们|了我们)"
)
_TICKET = re.compile(r"(?<![a-z])nqi[\s\-]*(?:[a-z][\s\-]*)?20\d\d[\s\-]*\d{1,6}")


# What speaks for an act by itself; without any of it the model must be surer. See data/cues.tsv.
_SPEAKS_FOR: Mapping[Act, frozenset[str]] = {
    Act.GREET: frozenset({"hello"}),
    Act.THANKS: frozenset({"thank"}),
    Act.HUMAN: frozenset({"talk", "bot"}),
    Act.COMPLAINT: frozenset({"bad", "us", "theirs", "past"}),
    Act.SUGGESTION: frozenset({"suggest", "us"}),
    Act.PROGRESS: frozenset({"filed", "past", "mine", "state"}),
    Act.CANCEL: frozenset({"stop"}),
    Act.MENU: frozenset({"menu", "us"}),
    Act.BYE: frozenset({"leave"}),
    Act.AFFIRM: frozenset({"yes"}),
    Act.DENY: frozenset({"no"}),
}
# These say nothing of a service: a text that surely asks for one is none of them.
_LIGHT = frozenset(
    {Act.GREET, Act.THANKS, Act.MENU, Act.BYE, Act.AFFIRM, Act.DENY, Act.SUGGESTION, Act.CANCEL}
)
# How probable it must be that a text is any act at all: with a cue, and without.
_WITH_CUE, _WITHOUT_CUE = 0.5, 0.9
_SURE_NEED = 0.8  # of a category: then a light act is not what the message is about


@cache
def phrases() -> Mapping[str, frozenset[str]]:
    """Phrase -> what it may be: acts, or a filler."""
    found: dict[str, set[str]] = {}
    for line in data_lines("acts.tsv"):
        name, _, phrases = line.partition("\t")
        for phrase in phrases.split():
            found.setdefault(phrase, set()).add(name)
    return {phrase: frozenset(names) for phrase, names in found.items()}


@cache
def _longest() -> int:
    return max(map(len, phrases()))


def told_act(text: str) -> Act | None:
    """The act of a normalised text that no model needs to look at.

    It holds nothing but the phrases of acts, or the number of a ticket, or it complains of us by name.
    """
    bare = _NOT_WORD.sub("", text)
    if 0 < len(bare) <= _MOST_CHARACTERS:
        act = _made_of_phrases(bare)
        if act:
            return act
    if _ABOUT_US.search(text) and not _ABOUT_OTHERS.search(text):
        return Act.COMPLAINT
    return Act.PROGRESS if _TICKET.search(text) else None


def _made_of_phrases(bare: str) -> Act | None:
    found = {name for phrase in _pieces(bare) for name in phrases()[phrase]}
    return next((act for act in _WEIGHTIEST if act.value in found), None)


def likely_act(scores: Mapping[str, float], cues: frozenset[str], *, need: float) -> Act | None:
    """The act that a model sees, where it can be believed.

    `scores` are the model's for the acts and "none", `need` is the probability of the likeliest category.
    """
    act = max(Act, key=lambda item: scores.get(item.value, 0.0))
    least = _WITHOUT_CUE if cues.isdisjoint(_SPEAKS_FOR[act]) else _WITH_CUE
    if sum(scores.get(item.value, 0.0) for item in Act) < least:
        return None
    if "others" in cues and cues.isdisjoint({"us", "theirs"}):
        return None
    return None if act in _LIGHT and need >= _SURE_NEED else act


def _pieces(bare: str) -> list[str]:
    """The fewest known phrases that make up a text; none where something else stands in it."""
    known_phrases, longest = phrases(), _longest()
    best: list[list[str] | None] = [[]] + [None] * len(bare)
    for start in range(len(bare)):
        before = best[start]
        if before is None:
            # The text must be covered from its beginning: usually the first characters tell.
            continue
        for end in range(start + 1, min(len(bare), start + longest) + 1):
            piece = bare[start:end]
            known = best[end]
            if piece in known_phrases and (known is None or len(before) + 1 <= len(known)):
                best[end] = [*before, piece]
    return best[-1] or []
