"""Improvement items (S 9.3, G 8.3): their numbers, by when they are due, who may own and who may close one."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum, auto

from bot.core.calendar import WorkCalendar
from bot.core.permissions import Actor, Right, Role
from bot.core.times import china_date, china_text
from bot.errors import ConflictError, ForbiddenError, RefusedError

KIND = "improvement"  # counts for itself in each year
_DAYS = 20  # working days; a starting value that the head changes item by item, nothing prescribes it
_LONGEST = timedelta(days=366)
_MOST_WORDS = 2000


class Source(StrEnum):
    """What an item came from."""

    SURVEY = auto()
    COMPLAINT = auto()
    STAFF = auto()


class State(StrEnum):
    """An item is being worked on, or was reviewed and closed."""

    OPEN = auto()
    DONE = auto()


class What(StrEnum):
    """What a line of an item's history says."""

    OPENED = auto()
    PROBLEM = auto()  # the same survey found more
    OWNER = auto()
    DUE = auto()
    MEASURE = auto()
    CLOSED = auto()  # with the result; its actor is the reviewer (审核人)


# Whoever owns an item must be able to write down what they did.
OWNER_ROLES = tuple(role for role in Role if Actor(0, "", role).may(Right.HANDLE_TICKETS))


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it stands: what a step on it is judged by."""

    state: State
    owner: str
    due_on: date  # China date
    concerned: tuple[str, ...] = ()  # whom the complaint behind it is about


def format_number(*, year: int, serial: int) -> str:
    """NQI-I-2026-000001: like tickets, each kind counts for itself (S 7.5.2)."""
    return f"NQI-I-{year}-{serial:06d}"


def due_on(calendar: WorkCalendar, now: datetime) -> date:
    """The China date by which an item that is opened now is due, until the head sets another."""
    return china_date(calendar.add_working_days(now, _DAYS).at)


def is_overdue(state: str, due: date, today: date) -> bool:
    """Should the item have been closed before today (China dates)?"""
    return state == State.OPEN and due < today


def words(text: str, *, what: str) -> str:
    """What somebody typed, as it is kept; RefusedError where nothing was typed, or too much.

    `what` names it in the refusal, as in 请写明整改措施.
    """
    if len(text) > _MOST_WORDS:
        raise RefusedError("improvement-words", f"{what}请控制在 {_MOST_WORDS} 字以内。")
    if not text.strip():
        raise RefusedError("improvement-words", f"请写明{what}。")
    return text.strip()


def check_handles(actor: Actor) -> None:
    """ForbiddenError for who may not work on tickets."""
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有办理的权限。")


def check_open(item: Item) -> None:
    """ConflictError for an item that is closed: nothing is added to it any more."""
    if item.state is not State.OPEN:
        raise ConflictError("improvement-done", "这一项已经办结，不能再更改；有新的问题请另立一项。")


def check_assigns(item: Item, actor: Actor, *, owner: str, due: date, today: date) -> None:
    """May the actor give the item that owner and due date?

    Raises ForbiddenError (the head assigns), ConflictError (closed) or RefusedError (a day that is over or too far, nothing new).
    """
    if not actor.may(Right.LEAD):
        raise ForbiddenError("right", "责任人和完成期限由负责人确定。")
    check_open(item)
    if not owner:
        raise RefusedError("improvement-owner", "请选择责任人。")
    if (owner, due) == (item.owner, item.due_on):
        raise RefusedError("improvement-same", "责任人和完成期限都没有变化，没有改动。")
    if due != item.due_on and not today <= due <= today + _LONGEST:
        raise RefusedError("improvement-due", "完成期限请填今天起一年以内的日期。")


def check_closes(item: Item, actor: Actor) -> None:
    """May the actor review and close the item? Nobody closes what they answer for (记录人、审核人不同人).

    Raises ForbiddenError, ConflictError (closed) or RefusedError (nobody owns it yet).
    """
    check_handles(actor)
    check_open(item)
    if not item.owner:
        raise RefusedError("improvement-owner", "还没有责任人，请负责人先指定责任人。")
    if actor.name == item.owner:
        raise ForbiddenError("improvement-owner", "责任人不能审核自己负责的改进项，请另一位同事审核办结。")
    if actor.name in item.concerned:
        raise ForbiddenError(
            "improvement-concerned", "被投诉人不能审核由该投诉引起的改进项，请另一位同事审核办结。"
        )


def check_past(at: datetime | None, *, now: datetime) -> None:
    """RefusedError for something that was done later than now (both aware)."""
    if at is not None and at > now:
        raise RefusedError("moment", "时间不能晚于现在，请核对。")


def called(at: datetime | None, result: str) -> str:
    """What is kept of a call: when it was made and what came of it."""
    return f"{china_text(at)} 致电：{result}" if at is not None else result
