"""Improvement items: numbers, due dates, and who may do what."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from bot.core.calendar import WorkCalendar, shipped_notices
from bot.core.improvements import (
    OWNER_ROLES,
    Item,
    State,
    called,
    check_assigns,
    check_closes,
    check_handles,
    check_past,
    due_on,
    format_number,
    is_overdue,
    words,
)
from bot.core.permissions import Actor, Role
from bot.core.times import CHINA
from bot.errors import ConflictError, ForbiddenError, RefusedError

TODAY = date(2026, 11, 23)
HEAD = Actor(1, "主任", Role.HEAD)
LI = Actor(2, "小李", Role.STAFF)
OPEN = Item(State.OPEN, "", date(2026, 12, 21))


def assigns(item: Item = OPEN, actor: Actor = HEAD, owner: str = "小李", due: date = OPEN.due_on) -> None:
    check_assigns(item, actor, owner=owner, due=due, today=TODAY)


def test_numbers_count_for_themselves() -> None:
    assert format_number(year=2026, serial=1) == "NQI-I-2026-000001"


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        ("2026-11-23T10:00", date(2026, 12, 21)),  # four weeks without a holiday
        ("2026-11-22T23:30", date(2026, 12, 18)),  # a Sunday: Monday is the first day
        # Worked: 20 Sept. and 10 Oct.; off: 25 Sept. and 1 to 7 Oct. By hand: 5 days up to 24 Sept., 8 up to 30 Sept.,
        # 11 up to 10 Oct., 16 up to 16 Oct.
        ("2026-09-18T10:00", date(2026, 10, 22)),
    ],
)
def test_twenty_working_days_are_counted_on_the_calendar(opened: str, due: date) -> None:
    calendar = WorkCalendar(shipped_notices())
    moment = datetime.fromisoformat(opened).replace(tzinfo=CHINA)
    assert due_on(calendar, moment) == due
    worked = (moment.date() + timedelta(days=n) for n in range(1, (due - moment.date()).days + 1))
    assert sum(calendar.is_working_day(day) for day in worked) == 20


@pytest.mark.parametrize(
    ("state", "due", "is_late"),
    [
        ("open", TODAY - timedelta(days=1), True),
        ("open", TODAY, False),
        ("done", TODAY - timedelta(days=1), False),
    ],
)
def test_an_item_is_overdue_from_the_day_after(state: str, due: date, is_late: bool) -> None:
    assert is_overdue(state, due, TODAY) is is_late


def test_owners_are_those_who_may_handle_tickets() -> None:
    assert set(OWNER_ROLES) == {Role.OPERATOR, Role.HEAD, Role.STAFF}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.HEAD])
def test_only_the_head_assigns(role: Role) -> None:
    with pytest.raises(ForbiddenError, match="负责人"):
        assigns(actor=Actor(1, "甲", role))


def test_the_head_may_change_either_and_must_change_one() -> None:
    assigns()
    owned = replace(OPEN, owner="小李")
    assigns(owned, owner="小陈")
    assigns(owned, due=TODAY)
    with pytest.raises(RefusedError, match="没有变化"):
        assigns(owned)
    with pytest.raises(RefusedError, match="选择责任人"):
        assigns(owner="")


@pytest.mark.parametrize("due", [TODAY - timedelta(days=1), TODAY + timedelta(days=400), date.max])
def test_a_due_date_lies_within_the_next_year(due: date) -> None:
    with pytest.raises(RefusedError, match="完成期限"):
        assigns(due=due)


def test_an_overdue_item_may_get_another_owner_and_keep_its_date() -> None:
    assigns(
        replace(OPEN, owner="小李", due_on=TODAY - timedelta(days=9)),
        owner="小陈",
        due=TODAY - timedelta(days=9),
    )


def test_whoever_answers_for_an_item_does_not_close_it() -> None:
    owned = replace(OPEN, owner="小李")
    check_closes(owned, HEAD)
    with pytest.raises(ForbiddenError, match="责任人"):
        check_closes(owned, LI)
    with pytest.raises(ForbiddenError, match="被投诉人"):
        check_closes(replace(owned, concerned=("主任",)), HEAD)
    with pytest.raises(RefusedError, match="还没有责任人"):
        check_closes(OPEN, HEAD)


def test_what_is_closed_stays_as_it_is() -> None:
    done = Item(State.DONE, "小李", OPEN.due_on)
    with pytest.raises(ConflictError):
        check_closes(done, HEAD)
    with pytest.raises(ConflictError):
        assigns(done, owner="小陈")


@pytest.mark.parametrize("role", list(Role))
def test_who_may_not_handle_tickets_closes_nothing(role: Role) -> None:
    actor = Actor(1, "甲", role)
    if role in OWNER_ROLES:
        check_handles(actor)
        return
    with pytest.raises(ForbiddenError):
        check_handles(actor)
    with pytest.raises(ForbiddenError):
        check_closes(replace(OPEN, owner="小李"), actor)


def test_words_are_asked_for_and_kept_without_their_edges() -> None:
    assert words("  已培训\n", what="整改措施") == "已培训"
    with pytest.raises(RefusedError, match="请写明整改措施"):
        words(" \n", what="整改措施")
    with pytest.raises(RefusedError, match="2000"):
        words("长" * 2001, what="整改措施")


def test_a_call_is_kept_with_its_time_and_is_never_in_the_future() -> None:
    now = datetime(2026, 11, 23, 10, 5, tzinfo=CHINA)
    assert called(now, "无人接听") == "2026-11-23 10:05 致电：无人接听"
    assert called(None, "已上门") == "已上门"
    check_past(now, now=now)
    check_past(None, now=now)
    with pytest.raises(RefusedError, match="不能晚于现在"):
        check_past(now + timedelta(minutes=1), now=now)
