"""Tickets that say the same again: shown to the enterprise before it opens a second one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from bot.core.ticket_states import TicketKind
from bot.core.tickets import TicketView
from intents.categories import Category
from intents.slots import Slots, read_slots
from intents.sounds import sound
from intents.text import mask, normalise

_MOST = 3  # shown at once
# How alike two contents must be, of 100; see the table of pairs in tests/bot/core/test_repeats.py.
_ALIKE = 52.0  # of one category
_ALIKE_ELSEWHERE = 70.0  # of two: the same thing may need two services
_SHORT = 3  # characters of substance; below that only the very same is the same

# How a wish is dressed up; what is left is what is wished.
_DRESSING = re.compile(
    r"\[phone\]|您好|你好|请问|麻烦|谢谢|多谢|尽快|尽早|快点|加急|急需|着急|很急|特急|急着|十万火急|拜托|今天|明天|后天|本周|这周|下周|最近|近期"
    r"|(?:我们|我|咱们|咱|本)(?:公司|单位|企业|厂|店|这边|这里|这)?|我司|公司(?:这边)?|你们|贵平台|平台|大家"
    r"|想(?:要|找|给|把|对)?|需要|需|要(?!求)|希望|打算|准备|计划|申请|办理|办个|帮忙|帮我|帮|请|给|把|对|为|做|有没有|有|能不能|能否|可以|可否|是否"
    r"|安排|联系|推荐|介绍|找|机构|单位|公司|第三方|服务|一下子?|一下|一次|进行|新出|新"
    r"|需求|登记|咨询|联系人|电话|(?:几|多)[台批个件]|[的了呢吗吧啊呀嘛么下个们和与及就都再还也是在上去来到这那]"
)
# Several words for one deed.
_DEEDS = (
    (
        re.compile(r"送检|检验检测|检测|检验|化验|检查|测试|测一|检一|验一|测测|检检|测下|检下|测(?![量绘])"),
        "检",
    ),
    (re.compile(r"校准|校正|校验|较准"), "校"),
    (re.compile(r"注册|报名注册"), "注册"),
    (re.compile(r"认证办理|办认证|认证证书|证书认证"), "认证"),
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SMALL = {char: value for value, char in enumerate("零一二三四五六七八九十")} | {"两": 2}
_COUNTED = re.compile(
    rf"[{''.join(_SMALL)}\d]+\s?(?:台套|批次|种类|[台批个件套只支瓶箱盒袋块把根条辆名人款种份次家])"
)
_SIGN = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class _Gist:
    """What of a content tells it from others."""

    words: str  # without dressing, names of who asks, counts and signs
    named: tuple[frozenset[str], ...]  # the things of each kind that stand in it
    numbers: frozenset[str]
    counts: frozenset[tuple[int, str]]


def similar(
    content: str, category: str, tickets: Sequence[TicketView], *, kind: TicketKind
) -> tuple[TicketView, ...]:
    """The open tickets of that kind that ask for the same in other words, the likeliest first, three at most.

    More detail about the same thing is the same; another thing, number or parameter in its place is not.
    """
    gist = _gist(content)
    found = [
        (likeness, ticket)
        for ticket in tickets
        if ticket.is_open and ticket.kind is kind
        for likeness in (_likeness(gist, _gist(ticket.content)),)
        if likeness >= _least(category, ticket.category)
    ]
    found.sort(key=lambda one: -one[0])
    return tuple(ticket for _, ticket in found[:_MOST])


def _least(one: str, other: str) -> float:
    # 其他服务 is what nobody was sure of: it speaks neither for nor against.
    is_same = one == other or Category.OTHER.value in (one, other)
    return _ALIKE if is_same else _ALIKE_ELSEWHERE


def _likeness(one: _Gist, other: _Gist) -> float:
    """How alike two contents are, 0 to 100; 0 where they speak of different things."""
    if min(len(one.words), len(other.words)) < _SHORT:
        return 100.0 if one == other and one.words else 0.0
    if _is_other(one, other) or _has_replaced(one.words, other.words):
        return 0.0
    # The order of the words says little: characters are compared as a bag.
    return fuzz.ratio(sorted(one.words), sorted(other.words))


def _is_other(one: _Gist, other: _Gist) -> bool:
    """Does each name something that the other does not: a thing, a parameter, a place, a number?"""
    pairs = (
        (one.numbers, other.numbers),
        (one.counts, other.counts),
        *zip(one.named, other.named, strict=True),
    )
    return any(mine - yours and yours - mine for mine, yours in pairs)


def _has_replaced(one: str, other: str) -> bool:
    """Does something stand in each that the other lacks? An addition is detail, an exchange is another need."""
    mine, yours = _beyond(one, other), _beyond(other, one)
    return bool(mine and yours) and list(map(sound, mine)) != list(map(sound, yours))


def _beyond(text: str, other: str) -> str:
    """The characters of a text that stand in no pair of neighbours that the other has too."""
    known = {place for place in range(len(text) - 1) if text[place : place + 2] in other}
    rest = (char for place, char in enumerate(text) if not {place, place - 1} & known)
    return "".join(char for char in rest if char not in other)


def _gist(content: str) -> _Gist:
    slots, plain = read_slots(content), normalise(content)
    for name in (*map(normalise, slots.companies), *slots.persons):
        plain = plain.replace(name, " ")
    plain = mask(plain)
    uncounted = _COUNTED.sub(" ", plain)
    return _Gist(
        _SIGN.sub("", _plain(uncounted)),
        _named(slots),
        frozenset(_NUMBER.findall(uncounted)),
        # 一批 only says that there is something.
        frozenset((one.count, one.unit) for one in slots.pieces if (one.count, one.unit) != (1, "批")),
    )


def _named(slots: Slots) -> tuple[frozenset[str], ...]:
    standards = frozenset(name.partition("-")[0] for name in slots.standards)
    rest = (slots.products, slots.instruments, slots.parameters, slots.regions)
    return standards, *map(frozenset, rest)


def _plain(text: str) -> str:
    for pattern, word in _DEEDS:
        text = pattern.sub(word, text)
    return _DRESSING.sub("", text)
