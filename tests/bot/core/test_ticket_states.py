"""The life of needs, complaints and suggestions; docs/tickets.md tells the same as the tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.core.deadlines import Step
from bot.core.ticket_states import (
    FINAL,
    Course,
    Facts,
    LegState,
    Move,
    Moved,
    Party,
    Refused,
    Tick,
    TicketKind,
    TicketState,
    clocks,
    move,
    rules,
)
from bot.errors import ConflictError, ForbiddenError, RefusedError

NOW = datetime(2026, 9, 21, 2, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
DOCS = Path(__file__).parents[3] / "docs" / "tickets.md"
NEED = Course("NQI-2026-000001", TicketKind.NEED)
COMPLAINT = Course("NQI-C-2026-000001", TicketKind.COMPLAINT, concerned=frozenset({"老王", "甲机构"}))


def by(party: Party, person: str = "小李", **more: object) -> Facts:
    return replace(Facts(party, person, NOW), **more)  # type: ignore[arg-type]


STAFF = by(Party.STAFF, reason="已核对")
REVIEWER = by(Party.STAFF, "小陈", reason="已审核", is_time_over=True)
ENTERPRISE = by(Party.ENTERPRISE, "contact", reason="说明")


def provider(name: str, **more: object) -> Facts:
    return by(Party.PROVIDER, "机构人员", provider=name, **more)


def go(course: Course, first: tuple[Move, Facts], *others: tuple[Move, Facts]) -> Moved:
    """Make all these moves; each must be possible."""
    moved = move(course, *first)
    assert isinstance(moved, Moved), (first, moved)
    return go(moved.course, *others) if others else moved


def refusal(course: Course, wanted: Move, facts: Facts) -> Refused:
    refused = move(course, wanted, facts)
    assert isinstance(refused, Refused), refused
    return refused


def in_service(name: str = "甲机构", *, plan: tuple[str, ...] = ("testing",)) -> Course:
    return go(
        NEED,
        (Move.ASSESS, by(Party.STAFF, plan=plan)),
        (Move.REFER, by(Party.STAFF, provider=name)),
        (Move.ACCEPT, provider(name)),
        (Move.START, provider(name)),
    ).course


def test_a_need_goes_from_registration_to_its_file() -> None:
    finished = go(in_service(), (Move.FINISH, provider("甲机构")))
    assert finished.course.state is TicketState.FINISHED
    assert finished.ticks == ((Step.SERVICE, Tick.STOP), (Step.SURVEY, Tick.START))
    assert finished.told == "您的需求 NQI-2026-000001 已办理完成。"
    closed = go(finished.course, (Move.RATE, ENTERPRISE), (Move.CLOSE, REVIEWER)).course
    assert (closed.state, closed.recorder, closed.reviewer) == (TicketState.CLOSED, "小李", "小陈")
    assert [line.what for line in closed.timeline] == [
        Move.ASSESS,
        Move.REFER,
        Move.ACCEPT,
        Move.START,
        Move.FINISH,
        Move.RATE,
        Move.CLOSE,
    ]


def test_in_house_service_takes_the_same_way_with_ourselves_as_the_provider() -> None:
    accepted = go(
        NEED,
        (Move.ASSESS, by(Party.STAFF, plan=("policy",))),
        (Move.KEEP, STAFF),
        (Move.ACCEPT, STAFF),
    )
    assert accepted.told == "我们的工作人员已接受您的需求 NQI-2026-000001，将与您联系。"
    assert accepted.ticks == (
        (Step.ACCEPT, Tick.STOP),
        (Step.FIRST_CONTACT, Tick.START),
        (Step.SERVICE, Tick.START),
    )
    assert refusal(accepted.course, Move.START, provider("")).code == "ticket-own"


def test_legs_follow_each_other_in_one_timeline() -> None:
    course = in_service("甲机构", plan=("metrology", "testing", "certification"))
    for done, name in enumerate(("乙机构", "丙机构"), 1):
        between = go(course, (Move.FINISH, provider(course.legs[done - 1].provider)))
        assert between.course.state is TicketState.ASSESSED
        assert (Step.MATCH, Tick.START) in between.ticks
        assert between.course.leg == done
        course = go(
            between.course,
            (Move.REFER, by(Party.STAFF, provider=name)),
            (Move.ACCEPT, provider(name)),
            (Move.START, provider(name)),
        ).course
    course = go(course, (Move.FINISH, provider("丙机构"))).course
    assert course.state is TicketState.FINISHED
    assert [(leg.category, leg.provider, leg.state) for leg in course.legs] == [
        ("metrology", "甲机构", LegState.FINISHED),
        ("testing", "乙机构", LegState.FINISHED),
        ("certification", "丙机构", LegState.FINISHED),
    ]
    assert [line.leg for line in course.timeline if line.what in (Move.FINISH, Move.HAND_ON)] == [0, 1, 2]


def test_a_provider_acts_on_its_own_leg_only() -> None:
    assert refusal(in_service(), Move.FINISH, provider("乙机构")).message == "这一项服务不是由贵机构承担的。"


def test_a_refused_leg_goes_to_another_provider() -> None:
    assessed = go(NEED, (Move.ASSESS, by(Party.STAFF, plan=("testing",)))).course
    referred = go(assessed, (Move.REFER, by(Party.STAFF, provider="甲机构"))).course
    rejected = go(referred, (Move.REJECT, provider("甲机构", reason="排期已满")))
    assert rejected.ticks == ((Step.ACCEPT, Tick.STOP), (Step.MATCH, Tick.START))
    assert rejected.told.startswith("甲机构暂时不能承接")
    assert refusal(rejected.course, Move.REFER, by(Party.STAFF, provider="甲机构")).code == "ticket-provider"
    silent = go(
        rejected.course,
        (Move.REFER, by(Party.SYSTEM, "", provider="乙机构")),
        (Move.NO_ANSWER, by(Party.SYSTEM, "")),
    ).course
    assert silent.legs[0].refused_by == ("甲机构", "乙机构")
    recalled = go(
        silent,
        (Move.REFER, by(Party.STAFF, provider="丙机构")),
        (Move.RECALL, by(Party.STAFF, reason="重派")),
    ).course
    assert (recalled.state, recalled.legs[0].state) == (TicketState.ASSESSED, LegState.PLANNED)
    assert go(recalled, (Move.KEEP, STAFF)).course.legs[0].provider == ""


def test_an_extension_is_asked_in_time_and_granted_by_somebody_else() -> None:
    course = in_service()
    late = provider("甲机构", reason="设备检修", due=NOW)
    assert refusal(course, Move.ASK_EXTENSION, late).code == "ticket-early"
    asked = go(course, (Move.ASK_EXTENSION, replace(late, due=NOW + timedelta(hours=1))))
    assert asked.ticks == ()
    assert go(asked.course, (Move.GRANT, STAFF)).ticks == ((Step.SERVICE, Tick.RESTART),)
    assert go(asked.course, (Move.DENY, STAFF)).ticks == ()
    by_staff = go(course, (Move.ASK_EXTENSION, STAFF)).course
    assert refusal(by_staff, Move.GRANT, STAFF).code == "ticket-other"


def test_clocks_wait_while_the_enterprise_is_asked() -> None:
    asked = go(in_service(), (Move.ASK_ENTERPRISE, provider("甲机构", reason="请补充样品数量")))
    assert asked.ticks == ((Step.SERVICE, Tick.PAUSE),)
    assert asked.told == "办理您的需求 NQI-2026-000001 需要您补充：请补充样品数量。"
    assert go(asked.course, (Move.ASK_ENTERPRISE, provider("甲机构", reason="再问"))).ticks == ()
    assert go(asked.course, (Move.URGE, ENTERPRISE)).course.is_waiting
    added = go(asked.course, (Move.ADD, ENTERPRISE))
    assert added.ticks == ((Step.SERVICE, Tick.RESUME),)
    assert not added.course.is_waiting
    # Going on without the answer ends the waiting too.
    extension = go(asked.course, (Move.ASK_EXTENSION, provider("甲机构", reason="检修")))
    assert extension.ticks == ((Step.SERVICE, Tick.RESUME),)


def test_recorder_and_reviewer_are_two_people() -> None:
    surveyed = go(in_service(), (Move.FINISH, STAFF), (Move.RATE, ENTERPRISE)).course
    refused = refusal(surveyed, Move.CLOSE, STAFF)
    assert refused.message == "审核人不能是记录人，请换一位工作人员办理。"
    assert isinstance(refused.error(), ForbiddenError)
    recorded = replace(NEED, recorder="小李")
    assert refusal(recorded, Move.DISMISS, STAFF).code == "ticket-review"
    assert go(recorded, (Move.DISMISS, REVIEWER)).course.state is TicketState.CLOSED


def test_a_bad_survey_reopens_or_needs_an_improvement_before_closing() -> None:
    finished = go(in_service(), (Move.FINISH, STAFF)).course
    assert refusal(finished, Move.CLOSE, replace(REVIEWER, is_time_over=False)).code == "ticket-over"
    surveyed = go(finished, (Move.RATE, ENTERPRISE)).course
    assert refusal(surveyed, Move.CLOSE, replace(REVIEWER, is_bad=True)).code == "ticket-improved"
    closed = go(surveyed, (Move.CLOSE, replace(REVIEWER, is_bad=True, has_improvement=True))).course
    unsolved = replace(ENTERPRISE, is_bad=True, reopen_until=LATER)
    assert refusal(closed, Move.REOPEN, replace(unsolved, is_bad=False)).code == "ticket-bad"
    too_late = replace(unsolved, at=LATER + timedelta(seconds=1))
    assert refusal(closed, Move.REOPEN, too_late).code == "ticket-period"
    reopened = go(closed, (Move.REOPEN, unsolved))
    assert reopened.ticks == ((Step.ASSESS, Tick.START),)
    again = go(reopened.course, (Move.ASSESS, by(Party.STAFF, plan=("testing",)))).course
    assert [leg.state for leg in again.legs] == [LegState.FINISHED, LegState.PLANNED]


def test_withdrawing_ends_the_legs_that_are_not_done() -> None:
    course = in_service(plan=("metrology", "testing"))
    withdrawn = go(course, (Move.WITHDRAW, ENTERPRISE))
    assert refusal(course, Move.WITHDRAW, by(Party.STAFF)).code == "ticket-behalf"
    assert {leg.state for leg in withdrawn.course.legs} == {LegState.WITHDRAWN}
    assert withdrawn.ticks == ((Step.SERVICE, Tick.STOP),)
    assert isinstance(refusal(withdrawn.course, Move.ASSESS, STAFF).error(), ConflictError)


def test_a_correction_is_a_new_line_even_after_closing() -> None:
    closed = replace(NEED, state=TicketState.CLOSED)
    corrected = go(closed, (Move.CORRECT, by(Party.STAFF, reason="联系人应为张工"))).course
    assert corrected.state is TicketState.CLOSED
    assert corrected.timeline[-1].note == "联系人应为张工"
    assert type(refusal(closed, Move.CORRECT, by(Party.STAFF, reason=" ")).error()) is RefusedError


def responded() -> Course:
    return go(
        COMPLAINT,
        (Move.ACKNOWLEDGE, by(Party.SYSTEM, "")),
        (Move.ASSESS, STAFF),
        (Move.INVESTIGATE, STAFF),
        (Move.RESPOND, by(Party.STAFF, reason="退还费用。")),
    ).course


def test_each_step_of_a_complaint_has_its_clock() -> None:
    seen = [clocks(TicketKind.COMPLAINT, line.state) for line in responded().timeline]
    assert clocks(TicketKind.COMPLAINT, TicketState.REGISTERED) == (Step.ACKNOWLEDGE,)
    assert seen == [(Step.ASSESS,), (Step.INVESTIGATE,), (Step.RESPOND,), (Step.OBJECT,)]


def test_a_complaint_is_not_handled_by_whom_it_is_about() -> None:
    steps = [(TicketState.ACKNOWLEDGED, Move.ASSESS), (TicketState.ASSESSED, Move.INVESTIGATE)]
    steps += [(TicketState.INVESTIGATED, Move.RESPOND), (TicketState.RESPONDED, Move.CLOSE)]
    for state, wanted in steps:
        course = replace(COMPLAINT, state=state)
        for facts in (by(Party.HEAD, "老王"), by(Party.STAFF, "甲机构的人", provider="甲机构")):
            fitting = replace(facts, reason="处理", is_accepted=True)
            assert refusal(course, wanted, fitting).code == "ticket-impartial"
            assert refusal(course, Move.WITHDRAW, fitting).code in ("ticket-party", "ticket-state")


def test_a_complaint_closes_when_accepted_or_time_is_over_and_names_the_next_step() -> None:
    course = responded()
    assert refusal(course, Move.CLOSE, replace(REVIEWER, is_time_over=False)).code == "ticket-settled"
    assert refusal(course, Move.CLOSE, replace(STAFF, is_accepted=True)).code == "ticket-review"
    closed = go(course, (Move.CLOSE, REVIEWER))
    assert "GB/T 19013" in closed.told
    again = go(closed.course, (Move.REOPEN, replace(ENTERPRISE, reopen_until=LATER)))
    assert again.course.state is TicketState.REOPENED


def test_a_second_disagreement_is_ended_by_the_head() -> None:
    head = by(Party.HEAD, "负责人", reason="内部程序已完成")
    assert refusal(responded(), Move.CLOSE, head).code == "ticket-settled"
    again = go(
        responded(), (Move.OBJECT, ENTERPRISE), (Move.INVESTIGATE, STAFF), (Move.RESPOND, STAFF)
    ).course
    assert go(again, (Move.CLOSE, head)).course.state is TicketState.CLOSED


def test_a_suggestion_is_acknowledged_and_answered() -> None:
    suggestion = Course("NQI-S-2026-000001", TicketKind.SUGGESTION)
    answered = go(suggestion, (Move.ACKNOWLEDGE, STAFF), (Move.ANSWER, by(Party.STAFF, reason="已采纳。")))
    assert answered.told == "对您的建议 NQI-S-2026-000001 的答复：已采纳。"
    assert answered.ticks == ((Step.ANSWER, Tick.STOP),)
    assert not answered.course.is_open


@pytest.mark.parametrize("person", ["", "小李"])
def test_only_the_parties_of_a_row_may_move(person: str) -> None:
    party = Party.STAFF if not person else Party.ENTERPRISE
    assert refusal(NEED, Move.ASSESS, by(party, person, plan=("testing",))).code == "ticket-party"


@pytest.mark.parametrize("kind", TicketKind)
def test_every_state_is_reached_and_every_open_one_has_a_clock(kind: TicketKind) -> None:
    table = rules(kind)
    reached = {TicketState.REGISTERED} | {rule.to for rule in table.values()}
    assert {state for state, _ in table} <= reached
    for state in reached:
        assert bool(clocks(kind, state)) is (state not in FINAL), state
        assert state in FINAL or any(at is state and rule.to is not state for (at, _), rule in table.items())


ANY_FACTS = st.builds(
    Facts,
    st.sampled_from(Party),
    st.sampled_from(["小李", "小陈", "老王", ""]),
    st.just(NOW),
    st.sampled_from(["", "原因 {number} {}"]),
    st.sampled_from(["甲机构", "乙机构", ""]),
    st.sampled_from([(), ("testing",), ("metrology", "testing")]),
    due=st.sampled_from([None, NOW, LATER]),
    reopen_until=st.sampled_from([None, NOW, LATER]),
    is_bad=st.booleans(),
    has_improvement=st.booleans(),
    is_accepted=st.booleans(),
    is_time_over=st.booleans(),
)


class AnyMoves(RuleBasedStateMachine):
    """Whoever tries whatever: the course stays inside its table and never forgets."""

    @initialize(kind=st.sampled_from(TicketKind))
    def begin(self, kind: TicketKind) -> None:
        self.course = Course("NQI-2026-000001", kind, concerned=frozenset({"老王"}))
        self.kind = kind

    @rule(wanted=st.sampled_from(Move), facts=ANY_FACTS)
    def try_move(self, wanted: Move, facts: Facts) -> None:
        before = self.course
        moved = move(before, wanted, facts)
        if isinstance(moved, Refused):
            assert moved.message
            assert str(moved.error()) == moved.message
            return
        after = moved.course
        assert after.timeline[:-1] == before.timeline
        assert rules(self.kind)[before.state, after.timeline[-1].what].to is after.state
        if before.state is TicketState.CLOSED:
            assert after.state is TicketState.CLOSED or wanted is Move.REOPEN
        if before.state in (TicketState.WITHDRAWN, TicketState.ANSWERED):
            assert after.state is before.state
        started = {due for due, tick in moved.ticks if tick is Tick.START}
        assert started == {*clocks(self.kind, after.state)} - {*clocks(self.kind, before.state)}
        self.course = after

    @invariant()
    def legs_match_the_state(self) -> None:
        course = self.course
        if course.state is TicketState.IN_SERVICE:
            assert course.leg is not None
            assert course.legs[course.leg].state is LegState.IN_SERVICE
        if course.kind is TicketKind.NEED and course.state is TicketState.ASSESSED:
            assert course.leg is not None
        if course.state is TicketState.FINISHED:
            assert course.leg is None
        assert not course.reviewer or course.reviewer != course.recorder


AnyMoves.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestAnyMoves = AnyMoves.TestCase


def drawing(kind: TicketKind) -> list[str]:
    """The Mermaid lines of a kind: moves between the same two states share an arrow."""
    arrows: dict[tuple[TicketState, TicketState], list[str]] = {}
    for (state, name), row in rules(kind).items():
        if row.to is not state:
            arrows.setdefault((state, row.to), []).append(name)
    lines = [f"    {start} --> {end}: {', '.join(names)}" for (start, end), names in arrows.items()]
    ends = [state for state in TicketState if state in FINAL and any(end is state for _, end in arrows)]
    return ["stateDiagram-v2", "    [*] --> registered", *lines, *(f"    {end} --> [*]" for end in ends)]


def table(kind: TicketKind) -> list[str]:
    """The rows of a kind's table in the docs; equal rows of several states are one."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for (state, name), row in rules(kind).items():
        old, new = clocks(kind, state), clocks(kind, row.to)
        ticks = [f"+{due}" for due in new if due not in old] + [f"−{due}" for due in old if due not in new]
        ticks += {"grant": ["↻service"], "ask_enterprise": ["pause"], "add": ["resume"]}.get(name, [])
        to = "same" if row.to is state else row.to
        who, needs = " ".join(sorted(row.who)), " ".join(row.checks)
        rows.setdefault((name, to, who, needs, " ".join(ticks), row.told), []).append(state)
    return [f"| {name} | {' '.join(states)} | {' | '.join(rest)} |" for (name, *rest), states in rows.items()]


@pytest.mark.parametrize("kind", TicketKind)
def test_the_docs_tell_the_same(kind: TicketKind) -> None:
    written = DOCS.read_text(encoding="utf-8")
    for block in (drawing(kind), table(kind)):
        assert "\n".join(block) + "\n" in written, f"docs/tickets.md: {kind} should read\n" + "\n".join(block)
