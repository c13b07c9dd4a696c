"""What an operator edits: new steps follow it, running clocks keep what was promised, and every change is written down."""

from datetime import date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.clocks import Given
from bot.actions.deadline_rules import (
    breaks_of,
    close_station,
    known_stations,
    open_station,
    preview_closing,
    preview_notice,
    preview_opening,
    preview_rules,
    read_closure,
    replace_notice,
    replace_rules,
    rules,
    shut_stations,
    version,
)
from bot.core.calendar import Closure, shipped_notices
from bot.core.deadline_rules import DEFAULT_RULES, Allowance, Rules, Step
from bot.core.times import CHINA
from bot.errors import ConflictError, NotFoundError, SettingsError
from bot.store import clocks, surveys
from bot.store.audit import AuditLine
from bot.store.runtime import RuntimeSetting, put_value
from bot.store.tickets import Ticket
from tests.bot.actions.test_clocks import EVE, LONGER, Desk, china, desk  # noqa: F401 - a fixture

TWO_DAYS = {"rules": [{"step": "assess", "urgency": "normal", "days": 2}]}
EARLIER = {
    "prompts": {
        "assess": [
            {"urgency": "normal", "to": "staff", "hours": 6},
            {"urgency": "normal", "to": "coordinator", "days": 1, "is_escalation": True},
        ]
    }
}


def audit(desk: Desk) -> list[tuple[str, str, str, str]]:  # noqa: F811
    with desk.ctx.read() as session:
        lines = session.scalars(sa.select(AuditLine).order_by(AuditLine.id))
        return [(line.actor, line.what, line.subject, line.note) for line in lines]


def due(desk: Desk) -> list[datetime]:  # noqa: F811
    return [at for what, _, at in desk.pending() if what == "due"]


# --- rules ---


def test_without_a_setting_the_defaults_hold(desk: Desk) -> None:  # noqa: F811
    assert rules(desk.ctx) == DEFAULT_RULES


def test_new_steps_follow_new_rules_and_a_running_clock_keeps_what_was_promised(desk: Desk) -> None:  # noqa: F811
    desk.registers()
    assert preview_rules(desk.ctx, TWO_DAYS) == []
    assert replace_rules(desk.ctx, TWO_DAYS, actor="admin") == []
    assert desk.respond_by() == china("2026-10-08T17:30")
    opened = desk.registers("o2", content="第二件")
    assert opened.clock is not None
    assert (opened.clock.due, opened.clock.allowance) == (china("2026-10-09T17:30"), Allowance(days=2))
    assert replace_notice(desk.ctx, LONGER, actor="admin")
    # 8 October is off: the first has one day still, the second two.
    assert (desk.respond_by(1), desk.respond_by(2)) == (china("2026-10-09T17:30"), china("2026-10-12T17:30"))
    assert audit(desk)[0] == ("admin", "clock-rules", "", "评估时限（一般）：1个工作日 → 2个工作日")


def test_reminders_and_escalations_of_running_clocks_follow(desk: Desk) -> None:  # noqa: F811
    desk.registers()
    foreseen = preview_rules(desk.ctx, EARLIER)
    assert ("remind", "staff", china("2026-10-08T11:00")) in desk.pending(), "a preview writes nothing"
    assert replace_rules(desk.ctx, EARLIER, actor="admin") == foreseen
    assert desk.pending() == [
        (
            "remind",
            "staff",
            china("2026-10-08T09:00"),
        ),  # six hours: three of the afternoon, three before noon
        ("due", "", china("2026-10-08T17:30")),
        ("escalate", "coordinator", china("2026-10-09T17:30")),
    ]
    why = "评估时限不变，仍为2026-10-08 17:30：提醒和督办的时间有变化。"
    assert desk.events()[-1] == ("clock-moved", why)
    assert [(shift.before == shift.after, shift.why) for shift in foreseen] == [(True, why)]
    assert desk.runs() == [("assess", 2)]


def test_the_running_survey_keeps_its_days_and_the_next_is_sooner(desk: Desk) -> None:  # noqa: F811
    desk.registers()
    desk.starts(Given(Step.SURVEY, EVE))
    sooner = {"rules": [{"step": "survey", "urgency": "normal", "days": 3}]}
    assert replace_rules(desk.ctx, sooner, actor="admin") == []
    assert due(desk)[-1] == china("2026-10-13T17:30")
    desk.starts(Given(Step.SURVEY, EVE))
    assert due(desk)[-1] == china("2026-10-10T17:30")
    with pytest.raises(SettingsError, match="5个工作日"):
        replace_rules(desk.ctx, {"rules": [{**sooner["rules"][0], "days": 6}]}, actor="admin")


def test_the_defaults_are_restored_and_nothing_is_stored_for_them(desk: Desk) -> None:  # noqa: F811
    replace_rules(desk.ctx, TWO_DAYS, actor="admin")
    assert rules(desk.ctx) == Rules.from_json(TWO_DAYS)
    replace_rules(desk.ctx, {}, actor="head")
    assert rules(desk.ctx) == DEFAULT_RULES
    replace_rules(desk.ctx, {}, actor="head")
    with desk.ctx.read() as session:
        stored = session.execute(sa.select(RuntimeSetting.value, RuntimeSetting.updated_by)).all()
    assert stored == [({}, "head")]
    assert [line[3] for line in audit(desk)] == [
        "评估时限（一般）：1个工作日 → 2个工作日",
        "评估时限（一般）：2个工作日 → 1个工作日",
    ]


def test_who_saw_other_rules_is_refused(desk: Desk) -> None:  # noqa: F811
    seen = version(rules(desk.ctx))
    replace_rules(desk.ctx, TWO_DAYS, actor="admin", seen=seen)
    for attempt in (
        lambda: replace_rules(desk.ctx, {}, actor="head", seen=seen),
        lambda: preview_rules(desk.ctx, {}, seen=seen),
    ):
        with pytest.raises(ConflictError, match="刷新"):
            attempt()
    assert rules(desk.ctx) == Rules.from_json(TWO_DAYS)


def test_rules_that_an_older_program_stored_and_this_one_does_not_know_are_named(desk: Desk) -> None:  # noqa: F811
    with desk.ctx.transaction() as tx:
        put_value(tx.connection, clocks.RULES, {"rules": [{"step": "dance"}]}, by="x", now=tx.now)
    with pytest.raises(SettingsError, match="环节"):
        rules(desk.ctx)


# --- closures ---


SHUT = Closure.of_days(date(2026, 10, 8), date(2026, 10, 8), "停电检修")


def test_a_closure_that_is_taken_back_moves_the_clocks_back_and_says_why(desk: Desk) -> None:  # noqa: F811
    desk.registers("o1", station="haikou")
    desk.registers("o2", station="sanya")
    foreseen = preview_closing(desk.ctx, SHUT, station=" haikou ")
    assert close_station(desk.ctx, SHUT, station=" haikou ", actor="admin") == foreseen
    assert [shift.number for shift in foreseen] == ["NQI-2026-000001"]
    (shut,) = shut_stations(desk.ctx)
    assert shut.label == "haikou 2026-10-08 全天 停电检修"
    back = preview_opening(desk.ctx, shut.id)
    assert desk.respond_by(1) == china("2026-10-09T17:30"), "a preview writes nothing"
    assert open_station(desk.ctx, shut.id, actor="head", seen=shut.label) == back
    assert desk.respond_by(1) == china("2026-10-08T17:30")
    assert desk.events(1)[-1][1] == (
        "评估时限由2026-10-09 17:30调整为2026-10-08 17:30：服务站停办安排有变化（已取消：停电检修）。"
    )
    assert len(desk.events(2)) == 1
    assert audit(desk) == [
        ("admin", "closure", "haikou", shut.label),
        ("head", "closure-end", "haikou", shut.label),
    ]
    assert shut_stations(desk.ctx) == []
    with pytest.raises(NotFoundError):
        open_station(desk.ctx, shut.id, actor="head")


def test_another_closure_in_its_place_is_not_taken_back_by_mistake(desk: Desk) -> None:  # noqa: F811
    close_station(desk.ctx, SHUT, actor="admin")
    (shut,) = shut_stations(desk.ctx)
    with pytest.raises(ConflictError, match="刷新"):
        open_station(desk.ctx, shut.id, actor="head", seen="haikou 2026-10-09 全天")
    assert shut_stations(desk.ctx) == [shut]


@pytest.mark.parametrize(
    ("closure", "station", "named"),
    [
        (SHUT, "", "已经登记过"),
        (Closure.of_days(date(2026, 12, 1), date(2026, 12, 1), "字" * 201), "", "200字以内"),
        (Closure.of_days(date(2026, 12, 1), date(2026, 12, 1)), "站" * 65, "64字以内"),
        (Closure.of_days(date(2026, 12, 1), date(2029, 12, 1), "搬迁"), "haikou", "400天"),
    ],
)
def test_closures_that_cannot_be_are_refused(
    desk: Desk,  # noqa: F811
    closure: Closure,
    station: str,
    named: str,
) -> None:
    close_station(desk.ctx, SHUT, actor="admin")
    for attempt in (
        lambda: preview_closing(desk.ctx, closure, station=station),
        lambda: close_station(desk.ctx, closure, station=station, actor="admin"),
    ):
        with pytest.raises(SettingsError, match=named):
            attempt()
    assert len(shut_stations(desk.ctx)) == 1


def test_a_closure_of_all_is_weighed_with_those_of_single_stations(desk: Desk) -> None:  # noqa: F811
    first = Closure.of_days(date(2026, 12, 1), date(2027, 9, 30))
    close_station(desk.ctx, first, station="haikou", actor="admin")
    with pytest.raises(SettingsError, match="400天"):
        close_station(desk.ctx, Closure.of_days(date(2027, 9, 1), date(2028, 6, 30)), actor="admin")
    close_station(desk.ctx, Closure.of_days(date(2027, 9, 1), date(2027, 9, 30)), actor="admin")


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("2026-12-01", "", "2026-12-01 全天"),
        ("2026-12-01", "2026-12-03", "2026-12-01 至 2026-12-03 全天"),
        ("2026-12-01T14:00", "", "2026-12-01 14:00 至 2026-12-02 00:00"),
        ("2026-12-01T14:00", "2026-12-01T16:30", "2026-12-01 14:00 至 2026-12-01 16:30"),
        ("2026-12-01", "2026-12-02T12:00", "2026-12-01 00:00 至 2026-12-02 12:00"),
    ],
)
def test_spans_are_read_in_chinas_time(desk: Desk, first: str, last: str, told: str) -> None:  # noqa: F811
    close_station(desk.ctx, read_closure(first, last), actor="admin")
    assert shut_stations(desk.ctx)[0].span == told


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [
        ("", "", "请写日期"),
        ("明天", "", "请写日期"),
        ("2026-12-01", "T12:00", "请写日期"),
        ("2026-12-01T14:00+00:00", "", "请写日期"),
        ("0001-01-01", "", "请写日期"),
        ("9999-12-31", "", "请写日期"),
        ("2026-12-02", "2026-12-01", "晚于开始"),
        ("2026-12-02T09:00", "2026-12-02T09:00", "晚于开始"),
    ],
)
def test_spans_that_are_none_are_refused(first: str, last: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read_closure(first, last)


def test_stations_are_offered_by_name(desk: Desk) -> None:  # noqa: F811
    desk.registers("o1", station="sanya")
    desk.registers("o2")
    desk.registers("o3", station="haikou")
    assert known_stations(desk.ctx) == ["haikou", "sanya"]


def test_breaks_are_told_as_people_write_them() -> None:
    national = next(one for one in breaks_of(shipped_notices()[-1]) if one[0] == "国庆节")
    assert national == ("国庆节", "10月1日至10月7日", "9月20日、10月10日")


# --- many at once ---


def test_the_survey_follows_its_clock(desk: Desk) -> None:  # noqa: F811
    desk.registers()
    desk.starts(Given(Step.SURVEY, EVE))
    with desk.ctx.transaction() as tx:
        row = tx.connection.execute(sa.select(Ticket.__table__)).one()
        surveys.open_survey(
            tx.connection,
            ticket_id=row.id,
            contact_id=row.contact_id,
            conversation_id=row.conversation_id,
            due_at=china("2026-10-13T17:30"),
            now=tx.now,
        )
    replace_notice(desk.ctx, LONGER, actor="admin")
    with desk.ctx.read() as session:
        found = surveys.last_survey(session, 1)
    assert found is not None
    assert found.due_at == china("2026-10-15T17:30")


def test_however_many_clocks_move_the_statements_stay_the_same(desk: Desk) -> None:  # noqa: F811
    counted: list[str] = []

    def moves(reason: str) -> tuple[int, int]:
        counted.clear()
        shut = Closure.of_days(date(2026, 10, 8), date(2026, 10, 8), reason)
        shifts = close_station(desk.ctx, shut, station=reason, actor="admin")
        return len(shifts), len(counted)

    def count(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        counted.append(statement)

    for number in range(3):
        desk.registers(f"a{number}", station="few")
    for number in range(40):
        desk.registers(f"b{number}", station="many")
    sa.event.listen(desk.ctx.database._write_engine, "before_cursor_execute", count)
    few, many = moves("few"), moves("many")
    assert (few[0], many[0]) == (3, 40)
    assert few[1] == many[1]


def test_rounds_timers_and_lines_of_many_stay_with_their_own(desk: Desk) -> None:  # noqa: F811
    for number in range(30):
        desk.clock.at = EVE.replace(minute=number)
        desk.registers(f"p{number}", content=f"第{number}件", is_urgent=number % 3 == 0)
    desk.starts(Given(Step.SERVICE, EVE))
    assert len(preview_notice(desk.ctx, LONGER)) == 31
    replace_notice(desk.ctx, LONGER, actor="admin")
    with desk.ctx.read() as session:
        timers = clocks.running_timers(session)
        for row in clocks.running_clocks(session):
            (own,) = (timer.due_at for timer in timers[row.id] if timer.what == "due")
            assert own == row.due_at
            assert row.round == 2
    for ticket_id in range(2, 31):
        (line,) = (note for what, note in desk.events(ticket_id) if what == "clock-moved")
        until = desk.respond_by(ticket_id)
        assert until is not None
        assert f"调整为{until.astimezone(CHINA):%Y-%m-%d %H:%M}" in line
