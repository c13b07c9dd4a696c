"""What comes back: versions that are never overwritten, late answers that count, and what a bad one leads to."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bot.actions.links import survey_link
from bot.actions.surveys import SurveyPage, enter_survey, rate_by_link, see_survey, surveys_of
from bot.core.permissions import Actor, Role
from bot.core.survey_ways import Way
from bot.core.surveys import Item, Rating, Source
from bot.core.ticket_states import Move
from bot.errors import ForbiddenError, NotFoundError, RefusedError
from bot.store.improvements import Improvement, ImprovementEvent, Task
from bot.store.surveys import SurveyVersion
from tests.surveys import (  # noqa: F401 - fixtures
    EVE,
    LI,
    NUMBER,
    Desk,
    Make,
    china,
    desks,
    official_desk,
)

CHEN = Actor(2, "小陈", Role.HEAD)
GOOD = tuple((item, Rating.YES if item is Item.SOLVED else Rating.SATISFIED) for item in Item)


@pytest.fixture
def done(desk: Desk) -> Desk:
    """A service that has just ended."""
    desk.serves()
    return desk


def token(desk: Desk, survey: int = 1) -> str:
    return survey_link(desk.ctx, survey).rpartition("/")[2]


def moves(desk: Desk) -> list[Move]:
    return [line.what for line in desk.course().timeline][5:]


# --- in the chat


def test_partial_answers_are_kept_and_the_first_one_is_a_step_of_the_ticket(done: Desk) -> None:
    done.rates(GOOD[0])
    assert (done.state(), moves(done)) == ("surveyed", [Move.RATE])
    done.rates(GOOD[1], GOOD[2])
    assert moves(done) == [Move.RATE], "one step, however many taps"
    view = done.view()
    assert view is not None
    assert (view.number, view.missing) == (NUMBER, (Item.OVERALL, Item.SOLVED))
    assert done.history().state == "open"
    done.rates(GOOD[3], GOOD[4])
    assert done.history().state == "answered"
    done.rates(note="")
    view = done.view()
    assert view is not None
    assert view.is_done
    assert [version.note for version in done.history().survey.versions] == [None, None, None]


def test_a_tap_that_comes_twice_is_one_answer(done: Desk) -> None:
    done.rates(GOOD[0])
    done.rates(GOOD[0])
    assert len(done.rows(SurveyVersion)) == 1


def test_a_correction_is_a_new_version(done: Desk) -> None:
    done.rates(*GOOD, note="很好")
    done.clock.move(hours=1)
    done.rates((Item.EXPERTISE, Rating.FAIR))
    versions = done.history().survey.versions
    assert [version.answers for version in versions] == [GOOD, ((Item.EXPERTISE, Rating.FAIR),)]
    assert done.history().survey.answers[Item.EXPERTISE] is Rating.FAIR
    assert done.history().survey.note == "很好"
    assert (done.state(), moves(done)) == ("surveyed", [Move.RATE])


def test_nobody_answers_for_somebody_else(done: Desk) -> None:
    done.rates(GOOD[0], survey=99)
    with done.ctx.transaction() as tx:
        tx.connection.execute(sa.text("UPDATE contact SET openid = 'o2'"))
    done.rates(GOOD[0])
    assert done.rows(SurveyVersion) == []


def test_not_wanting_to_rate_ends_the_asking_and_is_written_down(done: Desk) -> None:
    done.works()
    done.rates(declines=True)
    done.goes_to("2026-10-14T09:00")
    assert done.history().state == "declined"
    assert [one.attempt.way for one in done.history().attempts] == [Way.NEXT_CONTACT, Way.STOP]
    assert "不评价" in done.history().attempts[1].reason
    assert done.rows(Task) == []
    done.rates(*GOOD)
    assert done.history().state == "answered", "a change of mind counts"


def test_a_late_answer_counts_and_is_marked(done: Desk) -> None:
    done.goes_to("2026-10-14T09:00")
    assert done.history().state == "over"
    done.rates(*GOOD)
    (version,) = done.history().survey.versions
    assert (version.is_late, done.state(), done.history().state) == (True, "surveyed", "answered")


def test_an_answer_to_a_closed_ticket_counts_too(done: Desk) -> None:
    done.goes_to("2026-10-14T09:00")
    done.steps(Move.CLOSE, by=CHEN)
    done.rates(GOOD[0])
    assert (done.state(), moves(done)) == ("closed", [Move.CLOSE, Move.RATE])


def test_a_month_after_day_five_nothing_is_asked_or_changed_any_more(done: Desk) -> None:
    done.goes_to("2026-10-14T09:00")
    done.clock.at = china("2026-11-12T17:29")
    assert done.view() is not None
    done.clock.move(minutes=1)
    assert done.view() is None
    done.rates(GOOD[0])
    assert done.rows(SurveyVersion) == []


def test_an_answer_ends_the_call_that_staff_were_to_make(done: Desk) -> None:
    done.goes_to("2026-10-13T09:00")
    done.rates(GOOD[0])
    assert done.history().calls[0].done_at is None, "four items are still open"
    done.rates(*GOOD[1:])
    (call,) = done.history().calls
    assert (call.done_by, call.done_at) == ("system", done.clock.at)


def test_of_two_surveys_the_tapped_one_is_meant(done: Desk) -> None:
    done.rates(*GOOD, note="")
    done.steps(Move.REOPEN, reason="没有解决")
    done.steps(Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START, Move.FINISH)
    views = [done.view(wanted=wanted) for wanted in (0, 1, 2, 9)]
    assert [view.id for view in views if view] == [2, 1, 2, 2]


# --- what a bad one leads to


def test_an_unsolved_problem_is_taken_up_again_at_once(done: Desk) -> None:
    done.rates((Item.SOLVED, Rating.NO))
    assert (done.state(), moves(done)) == ("reopened", [Move.RATE, Move.REOPEN])
    with done.ctx.read() as session:
        assert "问题没有解决" in done.course().timeline[-1].note
        assert surveys_of(session, 1)[0].state == "over"
    done.rates(*GOOD[:4])
    assert done.history().state == "answered", "the rest of the form is kept all the same"
    assert (done.state(), done.rows(Improvement)) == ("reopened", [])


def test_an_aspect_opens_one_improvement_that_names_all_of_them(done: Desk) -> None:
    done.rates((Item.TIMELINESS, Rating.DISSATISFIED))
    done.rates((Item.COURTESY, Rating.DISSATISFIED))
    (item,) = done.rows(Improvement)
    assert (item.ticket_id, item.survey_id, item.source) == (1, 1, "survey")
    assert "反馈及时性" in item.problem
    assert "文明性" in done.rows(ImprovementEvent)[-1].note
    assert done.state() == "surveyed"
    done.rates(*GOOD[3:])
    assert len(done.rows(ImprovementEvent)) == 2, "nothing bad came in addition"


def test_after_the_time_to_reopen_it_is_an_improvement(done: Desk) -> None:
    done.clock.at = EVE + timedelta(days=31)
    done.rates((Item.OVERALL, Rating.DISSATISFIED))
    assert done.state() == "surveyed"
    assert "已过重新办理的期限" in done.rows(Improvement)[0].problem


# --- by the link


def test_the_link_shows_and_takes_the_form(done: Desk) -> None:
    page = see_survey(done.ctx, token(done))
    assert page == SurveyPage(NUMBER, EVE.date(), {}, "", is_open=True)
    assert not page.has_answers
    page = rate_by_link(done.ctx, token(done), answers=dict(GOOD[:2]), note=" 第一行\r\n第二行 ")
    assert (page.answers, page.note) == (dict(GOOD[:2]), "第一行\n第二行")
    rate_by_link(done.ctx, token(done), answers={Item.TIMELINESS: Rating.FAIR}, note="")
    versions = done.history().survey.versions
    assert [version.source for version in versions] == [Source.LINK, Source.LINK]
    assert see_survey(done.ctx, token(done)).note == "第一行\n第二行", "what is left out stays"


@pytest.mark.parametrize(("note", "code"), [(" ", "survey-empty"), ("长" * 1001, "survey-note")])
def test_the_link_refuses_what_says_nothing_or_too_much(done: Desk, note: str, code: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        rate_by_link(done.ctx, token(done), answers={}, note=note)
    assert (refusal.value.code, done.rows(SurveyVersion)) == (code, [])


def test_the_link_shows_what_was_answered_when_it_is_too_late_to_change_it(done: Desk) -> None:
    rate_by_link(done.ctx, token(done), answers=dict(GOOD), note="")
    view = done.view()
    assert view is not None
    assert view.is_done, "the form had a place for the opinion"
    link = token(done)
    done.clock.at = china("2026-11-12T17:30")
    assert not see_survey(done.ctx, link).is_open
    with pytest.raises(RefusedError, match="已经截止"):
        rate_by_link(done.ctx, link, answers={Item.TIMELINESS: Rating.FAIR}, note="")


@pytest.mark.parametrize("forged", ["", "x", "1.2.3"])
def test_a_forged_link_leads_nowhere(done: Desk, forged: str) -> None:
    with pytest.raises(NotFoundError):
        see_survey(done.ctx, forged)
    with pytest.raises(NotFoundError):
        rate_by_link(done.ctx, forged, answers=dict(GOOD), note="")


def test_the_link_of_a_forgotten_contact_or_of_no_survey_leads_nowhere(done: Desk) -> None:
    with pytest.raises(NotFoundError):
        see_survey(done.ctx, token(done, 99))
    done.erases()
    for link in (token(done), token(done, 99)):
        with pytest.raises(NotFoundError):
            rate_by_link(done.ctx, link, answers=dict(GOOD), note="")
    with pytest.raises(NotFoundError):
        see_survey(done.ctx, token(done))


# --- on paper and by telephone


def enter(desk: Desk, at: datetime | None = None, *, by: Actor = LI, source: Source = Source.PAPER) -> None:
    enter_survey(desk.ctx, NUMBER, actor=by, source=source, answers=dict(GOOD), note="", answered_at=at)


def test_staff_enter_paper_and_the_enterprise_hears_of_it(done: Desk) -> None:
    done.clock.move(days=8)
    at = EVE + timedelta(hours=1)
    enter(done, at)
    (version,) = done.history().survey.versions
    assert (version.at, version.source, version.by, version.is_late) == (at, Source.PAPER, "小李", False)
    line = done.course().timeline[-1]
    assert (line.what, line.person, line.at) == (Move.RATE, "小李", done.clock.at)
    with done.ctx.read() as session:
        told = session.execute(sa.text("SELECT told, told_way FROM ticket_event ORDER BY id DESC")).first()
    assert told is not None
    assert tuple(told) == (f"感谢您评价需求 {NUMBER} 的服务。", "held")


def test_the_head_may_enter_a_call_too_and_it_ends_the_task(done: Desk) -> None:
    done.goes_to("2026-10-13T09:00")
    enter(done, by=CHEN, source=Source.PHONE)
    (call,) = done.history().calls
    assert (call.done_by, done.state()) == ("小陈", "surveyed")


def test_paper_cannot_be_older_than_the_service_or_newer_than_now(done: Desk) -> None:
    done.clock.move(days=1)
    enter_survey(
        done.ctx, NUMBER, actor=LI, source=Source.PAPER, answers={Item.SOLVED: Rating.YES}, answered_at=EVE
    )
    with pytest.raises(RefusedError, match="早于服务结束"):
        enter(done, EVE - timedelta(minutes=1))
    with pytest.raises(RefusedError, match="晚于现在"):
        enter(done, done.clock.at + timedelta(minutes=1))
    assert len(done.rows(SurveyVersion)) == 1


def test_who_may_not_or_has_nothing_to_enter_is_refused(desk: Desk) -> None:
    desk.serves()
    with pytest.raises(ForbiddenError):
        enter(desk, by=Actor(3, "评价员", Role.EVALUATOR))
    with pytest.raises(RefusedError, match="纸质评价表或电话"):
        enter(desk, source=Source.LINK)
    with pytest.raises(RefusedError, match="至少选择一项"):
        enter_survey(desk.ctx, NUMBER, actor=LI, source=Source.PHONE, answers={}, note=None)
    with pytest.raises(NotFoundError):
        enter_survey(desk.ctx, "NQI-2026-999999", actor=LI, source=Source.PHONE, answers=dict(GOOD))


def test_before_the_service_has_ended_there_is_nothing_to_enter(desk: Desk) -> None:
    desk.registers()
    with pytest.raises(RefusedError, match="还没有结束"):
        enter(desk)
