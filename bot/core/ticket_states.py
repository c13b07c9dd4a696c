"""The life of a ticket as data: which move leads where, who may make it, which clock runs, what the enterprise hears."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto
from importlib.resources import files
from typing import Any

from bot.core.deadlines import Step
from bot.errors import ConflictError, ForbiddenError, RefusedError


class TicketKind(StrEnum):
    """What a ticket is about."""

    NEED = auto()
    COMPLAINT = auto()
    SUGGESTION = auto()


class TicketState(StrEnum):
    """Where a ticket stands."""

    REGISTERED = auto()
    ASSESSED = auto()
    IN_HOUSE = auto()
    REFERRED = auto()
    REJECTED = auto()  # the provider said no or nothing: the next one is sought
    ACCEPTED = auto()
    IN_SERVICE = auto()
    EXTENSION_ASKED = auto()
    FINISHED = auto()
    SURVEYED = auto()
    REOPENED = auto()
    ACKNOWLEDGED = auto()
    INVESTIGATED = auto()
    RESPONDED = auto()
    ANSWERED = auto()
    CLOSED = auto()
    WITHDRAWN = auto()


class Move(StrEnum):
    """What can happen to a ticket."""

    ASSESS = auto()
    KEEP = auto()  # in-house
    REFER = auto()
    ACCEPT = auto()
    REJECT = auto()
    NO_ANSWER = auto()
    RECALL = auto()  # staff take the referral back
    START = auto()  # first contact made
    ASK_EXTENSION = auto()
    GRANT = auto()
    DENY = auto()
    FINISH = auto()
    HAND_ON = auto()  # this leg is done, another follows; chosen by `move` for FINISH
    RATE = auto()  # Annex C came back
    CLOSE = auto()
    DISMISS = auto()  # no service: duplicate, not our field, answered at once
    REOPEN = auto()
    WITHDRAW = auto()
    ACKNOWLEDGE = auto()
    INVESTIGATE = auto()
    RESPOND = auto()
    OBJECT = auto()  # the complainant does not accept the response
    ANSWER = auto()
    # These leave the state as it is.
    ADD = auto()
    URGE = auto()
    ASK_ENTERPRISE = auto()  # the clocks wait until the enterprise adds something
    REPORT = auto()
    CONFIRM = auto()
    CORRECT = auto()


class Party(StrEnum):
    """As whom somebody acts on a ticket."""

    ENTERPRISE = auto()
    STAFF = auto()
    HEAD = auto()
    PROVIDER = auto()
    SYSTEM = auto()  # a timer, or the outcome of a survey


class Tick(StrEnum):
    """What happens to a clock."""

    START = auto()
    RESTART = auto()
    STOP = auto()
    PAUSE = auto()
    RESUME = auto()


class LegState(StrEnum):
    """Where one provider's part stands."""

    PLANNED = auto()
    OFFERED = auto()
    REJECTED = auto()
    ACCEPTED = auto()
    IN_SERVICE = auto()
    EXTENSION_ASKED = auto()
    FINISHED = auto()
    WITHDRAWN = auto()


@dataclass(frozen=True, slots=True)
class Leg:
    """One part of a need: a category served by one provider, or by ourselves (provider empty)."""

    category: str
    state: LegState = LegState.PLANNED
    provider: str = ""
    refused_by: tuple[str, ...] = ()  # who was asked and did not serve it


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline; never changed."""

    at: datetime
    by: Party
    person: str
    what: Move
    state: TicketState  # after the move
    leg: int | None = None  # the place in `legs`
    provider: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """A ticket as the moves see it. `concerned`: the persons and providers that a complaint is about."""

    number: str
    kind: TicketKind
    state: TicketState = TicketState.REGISTERED
    recorder: str = ""  # 记录人; empty until staff touch what came from the chat
    reviewer: str = ""  # 审核人
    concerned: frozenset[str] = frozenset()
    is_waiting: bool = False  # for the enterprise: the clocks are paused
    legs: tuple[Leg, ...] = ()
    timeline: tuple[Line, ...] = ()

    @property
    def leg(self) -> int | None:
        """The place of the leg that is being worked on or comes next."""
        ended = (LegState.FINISHED, LegState.WITHDRAWN)
        return next((place for place, leg in enumerate(self.legs) if leg.state not in ended), None)

    @property
    def is_open(self) -> bool:
        """Is somebody still working on it?"""
        return self.state not in FINAL


@dataclass(frozen=True, slots=True)
class Facts:
    """Who moves, when and why, and what the guards of some moves need to know."""

    by: Party
    person: str  # account, contact or provider's person; never empty for staff
    at: datetime
    reason: str = ""
    provider: str = ""  # whom to refer to; or for which provider the person acts
    plan: tuple[str, ...] = ()  # ASSESS: the categories, one leg each, in sequence
    due: datetime | None = None  # ASK_EXTENSION: the end of the service period
    reopen_until: datetime | None = None
    is_bad: bool = False  # 不满意 or 未解决 stands in the survey, or the enterprise says so
    has_improvement: bool = False
    is_accepted: bool = False  # the complainant accepts the response
    is_time_over: bool = False  # CLOSE: the time to rate, or to object, is over


@dataclass(frozen=True, slots=True)
class Moved:
    """The ticket after a move, its clocks, and what the enterprise is told (empty: nothing)."""

    course: Course
    ticks: tuple[tuple[Step, Tick], ...]
    told: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a move is not possible, in words for the person who tried."""

    code: str
    message: str

    def error(self) -> RefusedError:
        """As the error that an action raises."""
        if self.code == "ticket-state":
            return ConflictError(self.code, self.message)
        is_forbidden = self.code.removeprefix("ticket-") in ("party", "review", "own", "other", "impartial")
        return (ForbiddenError if is_forbidden else RefusedError)(self.code, self.message)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a table: where to, who may, what must hold, what the enterprise is told."""

    to: TicketState
    who: frozenset[Party]
    checks: tuple[str, ...] = ()
    told: str = ""


FINAL = frozenset({TicketState.CLOSED, TicketState.WITHDRAWN, TicketState.ANSWERED})
_DATA: Mapping[str, Any] = tomllib.loads(
    files("bot.core").joinpath("data/ticket_states.toml").read_text(encoding="utf-8")
)


def _table(text: str) -> Mapping[tuple[TicketState, Move], Rule]:
    table: dict[tuple[TicketState, Move], Rule] = {}
    for row in text.strip().splitlines():
        origins, name, to, who, checks, told = row.split("|")
        for origin in map(TicketState, origins.split()):
            after = origin if to == "=" else TicketState(to)
            parties = frozenset(map(Party, who.split()))
            table[origin, Move(name)] = Rule(after, parties, tuple(checks.split()), told)
    return table


_TABLES = {kind: _table(_DATA[kind]["moves"]) for kind in TicketKind}
_LEG = {Move(name): LegState(state) for name, state in _DATA["legs"].items()}


def rules(kind: TicketKind) -> Mapping[tuple[TicketState, Move], Rule]:
    """The whole table of a kind: what is not in it cannot happen."""
    return _TABLES[kind]


def clocks(kind: TicketKind, state: TicketState) -> tuple[Step, ...]:
    """The clocks that run in a state; none in a final one."""
    return tuple(map(Step, _DATA[kind]["clocks"].get(state, "").split()))


def _has_own_leg(course: Course, facts: Facts) -> bool:
    if facts.by is not Party.PROVIDER:
        return True
    return (
        course.leg is not None and bool(facts.provider) and facts.provider == course.legs[course.leg].provider
    )


def _may_be_offered(course: Course, facts: Facts) -> bool:
    return (
        bool(facts.provider)
        and course.leg is not None
        and facts.provider not in course.legs[course.leg].refused_by
    )


def _is_other(course: Course, facts: Facts) -> bool:
    asked = [line.person for line in course.timeline if line.what is Move.ASK_EXTENSION]
    return not asked or asked[-1] != facts.person


def _is_settled(course: Course, facts: Facts) -> bool:
    # Once investigated again, the head may end what cannot be agreed on (GB/T 19012-2019, 7.9).
    is_repeated = any(line.what is Move.OBJECT for line in course.timeline)
    return facts.is_accepted or facts.is_time_over or (is_repeated and facts.by is Party.HEAD)


_CHECKS: dict[str, tuple[Callable[[Course, Facts], bool], str]] = {
    "reason": (lambda _, facts: bool(facts.reason.strip()), "请写明内容或原因。"),
    "behalf": (
        lambda _, facts: facts.by is not Party.STAFF or bool(facts.reason.strip()),
        "请写明企业怎样要求撤回。",
    ),
    "review": (
        lambda course, facts: facts.person != course.recorder,
        "审核人不能是记录人，请换一位工作人员办理。",
    ),
    "plan": (lambda _, facts: bool(facts.plan), "请先确定服务类别；需要几家机构依次服务的，请按顺序写明。"),
    "provider": (_may_be_offered, "请选择一家没有退回过这一项的服务机构。"),
    "own": (_has_own_leg, "这一项服务不是由贵机构承担的。"),
    "early": (lambda _, facts: facts.due is None or facts.at < facts.due, "服务期限已过，不能再申请延长。"),
    "other": (_is_other, "申请延长的人不能自己批准，请换一位工作人员办理。"),
    "over": (lambda _, facts: facts.is_time_over, "满意度评价还没有结束，暂不能办结。"),
    "improved": (
        lambda _, facts: not facts.is_bad or facts.has_improvement,
        "评价中有不满意或未解决，请重新办理或列入改进计划。",
    ),
    "bad": (lambda _, facts: facts.is_bad, "没有不满意或未解决的评价，不需要重新办理。"),
    "period": (
        lambda _, facts: facts.reopen_until is not None and facts.at <= facts.reopen_until,
        "已过重新办理的期限，请登记新的申请。",
    ),
    "impartial": (
        lambda course, facts: not {facts.person, facts.provider} & course.concerned,
        "被投诉的人员或机构不能处理这件投诉。",
    ),
    "settled": (_is_settled, "投诉人还没有同意处理意见，答复期限也没有到，暂不能办结。"),
}


def move(course: Course, wanted: Move, facts: Facts) -> Moved | Refused:
    """Make a move, or say why not; FINISH becomes HAND_ON while other legs wait. The given course is left as it was."""
    if wanted in (Move.FINISH, Move.HAND_ON):
        is_last = all(leg.state is not LegState.PLANNED for leg in course.legs)
        wanted = Move.FINISH if is_last else Move.HAND_ON
    rule = rules(course.kind).get((course.state, wanted))
    if rule is None:
        return Refused("ticket-state", "这件申请现在不能这样办理，请刷新后再试。")
    if facts.by not in rule.who or (facts.by in (Party.STAFF, Party.HEAD) and not facts.person):
        return Refused("ticket-party", "您不能办理这一步。")
    for name in rule.checks:
        holds, message = _CHECKS[name]
        if not holds(course, facts):
            return Refused(f"ticket-{name}", message)
    return _moved(course, wanted, facts, rule)


def _moved(course: Course, wanted: Move, facts: Facts, rule: Rule) -> Moved:
    place, legs = course.leg, _legs(course, wanted, facts)
    provider = facts.provider if wanted is Move.REFER or place is None else course.legs[place].provider
    line = Line(facts.at, facts.by, facts.person, wanted, rule.to, place, provider, facts.reason)
    is_ours = facts.by in (Party.STAFF, Party.HEAD)
    after = replace(
        course,
        state=rule.to,
        legs=legs,
        timeline=(*course.timeline, line),
        recorder=course.recorder
        or (facts.person if is_ours and wanted in (Move.ASSESS, Move.ACKNOWLEDGE) else ""),
        reviewer=_reviewer(course, wanted, facts),
        is_waiting=wanted is Move.ASK_ENTERPRISE
        or (course.is_waiting and rule.to is course.state and wanted is not Move.ADD),
    )
    gaps = {
        "number": course.number,
        "provider": provider or "我们的工作人员",
        "reason": facts.reason.strip().rstrip("。"),
    }
    return Moved(after, _ticks(course, after, wanted), rule.told.format(**gaps))


def _reviewer(course: Course, wanted: Move, facts: Facts) -> str:
    if wanted is Move.REOPEN:
        return ""
    return facts.person if wanted in (Move.CLOSE, Move.DISMISS) else course.reviewer


def _legs(course: Course, wanted: Move, facts: Facts) -> tuple[Leg, ...]:
    if wanted is Move.ASSESS:
        return (*course.legs, *(Leg(category) for category in facts.plan))
    if wanted not in _LEG or course.leg is None:
        return course.legs
    legs, place, state = list(course.legs), course.leg, _LEG[wanted]
    leg = replace(legs[place], state=state)
    if wanted in (Move.KEEP, Move.REFER):
        leg = replace(leg, provider=facts.provider if wanted is Move.REFER else "")
    elif wanted in (Move.REJECT, Move.NO_ANSWER, Move.RECALL):
        leg = replace(
            leg, provider="", refused_by=(*leg.refused_by, leg.provider) if leg.provider else leg.refused_by
        )
    legs[place] = leg
    if state is LegState.WITHDRAWN:
        legs[place:] = [replace(each, state=state) for each in legs[place:]]
    return tuple(legs)


def _ticks(before: Course, after: Course, wanted: Move) -> tuple[tuple[Step, Tick], ...]:
    old, new = clocks(before.kind, before.state), clocks(after.kind, after.state)
    ticks = [(step, Tick.STOP) for step in old if step not in new]
    for step in new:
        if step not in old:
            ticks.append((step, Tick.START))
        elif wanted is Move.GRANT:
            ticks.append((step, Tick.RESTART))
        elif before.is_waiting != after.is_waiting:
            ticks.append((step, Tick.PAUSE if after.is_waiting else Tick.RESUME))
    return tuple(ticks)
