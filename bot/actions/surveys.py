"""What comes back of a survey (Annex C): answers from the chat, the link, paper or the telephone, and what follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.actions.asking import _end_survey
from bot.actions.context import Context, Transaction
from bot.actions.courses import _reopen_until
from bot.actions.improvements import _finish_tasks, _open_improvement
from bot.actions.links import read_survey_link
from bot.actions.moves import _lock, _make
from bot.actions.survey_cases import as_attempt
from bot.core.permissions import Actor, Right
from bot.core.survey_ways import Attempt, Way
from bot.core.surveys import (
    Item,
    Outcome,
    Rating,
    Source,
    Survey,
    Version,
    consequence,
    data,
    is_bad,
    record,
)
from bot.core.ticket_states import Course, Facts, Move, Party, rules
from bot.core.times import china_date
from bot.core.turns import RateService, SurveyView
from bot.core.wording import say
from bot.errors import ForbiddenError, NotFoundError, RefusedError
from bot.store import asking, clocks, courses, surveys
from bot.store.conversations import Talk

_LATEST = timedelta(
    days=30
)  # after day five, or the last answer: an answer later than that is no longer about this service
_MOST_WORDS = 1000  # of the opinion, as core.surveys.read_note cuts it


@dataclass(frozen=True, slots=True)
class SurveyPage:
    """What the page behind a link shows: no personal data, for whoever holds the link may read it."""

    number: str
    finished_on: date  # China date
    answers: Mapping[Item, Rating]
    note: str
    is_open: bool  # may be answered or corrected

    @property
    def has_answers(self) -> bool:
        """Has anything been said?"""
        return bool(self.answers or self.note)


@dataclass(frozen=True, slots=True)
class Asked:
    """One attempt to ask, and what became of it (`attempt.answer`: what WeChat or the gateway said)."""

    attempt: Attempt
    reason: str
    is_reminder: bool
    skipped: tuple[tuple[Way, str], ...]
    has_message: bool  # else it left with a reply, or is no message at all


@dataclass(frozen=True, slots=True)
class Call:
    """A call that staff were asked to make."""

    text: str
    due_at: datetime
    done_at: datetime | None
    done_by: str
    result: str


@dataclass(frozen=True, slots=True)
class SurveyHistory:
    """One round of a ticket's survey, whole: every version, every attempt, every call."""

    id: int
    round: int
    state: str  # open, answered, declined, over
    opened_at: datetime
    survey: Survey
    attempts: tuple[Asked, ...]
    calls: tuple[Call, ...]


# --- reading


def survey_view(
    connection: Connection | Session, contact_id: int, *, now: datetime, wanted: int = 0
) -> SurveyView | None:
    """The contact's survey that can still be answered or corrected: `wanted` (tapped, or talked about) if it is one,
    else the newest that misses something, else the newest."""
    views = {
        row.id: _view(connection, row, value)
        for row in surveys.surveys_of_contact(connection, contact_id)
        if _is_answerable(row, value := _value(connection, row), now)
    }
    if wanted in views:
        return views[wanted]
    return next((view for view in views.values() if not view.is_done), next(iter(views.values()), None))


def surveys_of(session: Session, ticket_id: int) -> list[SurveyHistory]:
    """All rounds of a ticket's survey, in order."""
    return [_history(session, row) for row in surveys.surveys_of_ticket(session, ticket_id)]


def _value(connection: Connection | Session, row: sa.Row[Any]) -> Survey:
    return surveys.as_survey(row, surveys.answers_of(connection, row.id))


def _view(connection: Connection | Session, row: sa.Row[Any], value: Survey) -> SurveyView:
    return SurveyView(row.id, surveys.ticket_of(connection, row).number, value.missing, row.is_noted)


def _is_answerable(row: sa.Row[Any], value: Survey, now: datetime) -> bool:
    last: datetime = max([row.due_at, *(version.at for version in value.versions)])
    return row.state == "open" or now < last + _LATEST


def _history(session: Session, row: sa.Row[Any]) -> SurveyHistory:
    attempts = (
        Asked(
            as_attempt(one),
            one.reason,
            one.is_reminder,
            tuple((Way(way), why) for way, why in one.skipped),
            bool(one.outbox_key),
        )
        for one in asking.attempts_of(session, row.id)
    )
    calls = (
        Call(one.text, one.due_at, one.done_at, one.done_by, one.result)
        for one in asking.calls_of(session, row.id)
    )
    value = _value(session, row)
    return SurveyHistory(row.id, row.round, row.state, row.opened_at, value, tuple(attempts), tuple(calls))


# --- answering


def _rate(tx: Transaction, talk: Talk, command: RateService) -> None:
    """The contact answers in the chat, inside their turn; somebody else's survey, or one long over, is left alone."""
    clocks.calendars(tx.connection, has_lock=True)
    row = surveys.survey_row(tx.connection, command.survey)
    if row is None or row.contact_id != talk.contact_id:
        return
    if not _is_answerable(row, _value(tx.connection, row), tx.now):
        return
    if command.declines:
        _decline(tx, row)
        return
    found = courses.lock_ticket(tx.connection, surveys.ticket_of(tx.connection, row).number)
    assert found is not None, "a survey has a ticket"
    answers = {Item(item): Rating(value) for item, value in command.answers}
    _answer(tx, row, found, answers, note=command.note, at=tx.now, source=Source.CHAT)


def see_survey(ctx: Context, token: str) -> SurveyPage:
    """What the page behind that link shows; NotFoundError for a link that is forged, too old, or of a forgotten contact."""
    survey_id = read_survey_link(ctx, token)
    with ctx.read() as session:
        row = surveys.survey_row(session, survey_id)
        if row is None or _is_forgotten(session, row):
            raise _no_survey()
        return _page(session, row, ctx.clock.now())


def rate_by_link(ctx: Context, token: str, *, answers: Mapping[Item, Rating], note: str) -> SurveyPage:
    """Whoever holds the link answers or corrects; what is left out stays as it was.

    Raises NotFoundError as `see_survey` does, and RefusedError in words: nothing said, too long, too late.
    """
    survey_id = read_survey_link(ctx, token)
    with ctx.transaction() as tx:
        row = surveys.survey_row(tx.connection, survey_id)
        if row is None or _is_forgotten(tx.connection, row):
            raise _no_survey()
        found = _lock(tx, surveys.ticket_of(tx.connection, row).number)
        # Read again: it was looked at before the lock.
        row = surveys.survey_row(tx.connection, survey_id)
        assert row is not None, "surveys are never deleted"
        if not _is_answerable(row, _value(tx.connection, row), tx.now):
            raise RefusedError("survey-over", say("survey.too_late"))
        _answer(tx, row, found, answers, note=_checked(answers, note), at=tx.now, source=Source.LINK)
        row = surveys.survey_row(tx.connection, survey_id)
        assert row is not None
        return _page(tx.connection, row, tx.now)


def enter_survey(
    ctx: Context,
    number: str,
    *,
    actor: Actor,
    source: Source,
    answers: Mapping[Item, Rating],
    note: str | None = "",
    answered_at: datetime | None = None,
) -> None:
    """Staff enter what was written on paper or said on the telephone, and when (now, unless named); late ones count.

    Raises NotFoundError, ForbiddenError, or RefusedError in words: no service has ended, a moment that cannot be.
    """
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有办理申请的权限。")
    if source not in (Source.PAPER, Source.PHONE):
        raise RefusedError("survey-source", "请选择纸质评价表或电话回访。")
    with ctx.transaction() as tx:
        found = _lock(tx, number)
        row = surveys.last_survey(tx.connection, found[0].id)
        if row is None:
            raise RefusedError("survey-none", "这件申请的服务还没有结束，暂不能录入评价。")
        at = answered_at or tx.now
        if at > tx.now:
            raise RefusedError("survey-future", "评价时间不能晚于现在，请核对。")
        # People write minutes: the one in which the service ended is not before its end.
        if at < row.opened_at.replace(second=0, microsecond=0):
            raise RefusedError("survey-early", "评价时间不能早于服务结束时间，请核对。")
        said = _checked(answers, note)
        _answer(tx, row, found, answers, note=said, at=at, source=source, by=actor.name)
        if source is Source.PHONE:  # the call was made, whatever was left unsaid
            _finish_tasks(tx, row.id, say("survey.entered"), actor.name)


def _is_forgotten(connection: Connection | Session, row: sa.Row[Any]) -> bool:
    return surveys.is_forgotten(connection, row.contact_id)


def _no_survey() -> NotFoundError:
    return NotFoundError("survey", say("survey.gone"))


def _page(connection: Connection | Session, row: sa.Row[Any], now: datetime) -> SurveyPage:
    value = _value(connection, row)
    return SurveyPage(
        surveys.ticket_of(connection, row).number,
        china_date(row.opened_at),
        value.answers,
        value.note,
        _is_answerable(row, value, now),
    )


def _checked(answers: Mapping[Item, Rating], note: str | None) -> str | None:
    """The opinion as it is kept; None where none was written."""
    # A form counts a line's end once, and sends two characters.
    words = (note or "").replace("\r\n", "\n").strip()
    if not answers and not words:
        raise RefusedError("survey-empty", "请至少选择一项，或者写下意见或建议。")
    if len(words) > _MOST_WORDS:
        raise RefusedError("survey-note", f"意见或建议请控制在 {_MOST_WORDS} 字以内。")
    return words or None


def _decline(tx: Transaction, row: sa.Row[Any]) -> None:
    """Not wanting to rate is an answer too: it is written down, and nobody asks again."""
    if row.state == "open":
        why = data("ladder")["declined"]
        asking.add_attempt(tx.connection, row.id, way=Way.STOP.value, at=tx.now, reason=why)
        _end_survey(tx, row.id, "declined", why)


def _answer(
    tx: Transaction,
    row: sa.Row[Any],
    found: tuple[sa.Row[Any], Course],
    answers: Mapping[Item, Rating],
    *,
    note: str | None,
    at: datetime,
    source: Source,
    by: str = "",
) -> None:
    """One version more, the end of asking once all is answered, and what follows; nothing where nothing new was said."""
    before = _value(tx.connection, row)
    after = record(before, answers, at=at, source=source, note=note, by=by)
    # A form has a place for the opinion: whoever left it empty need not be asked for it.
    if (note is not None or source is not Source.CHAT) and not row.is_noted:
        surveys.set_survey(tx.connection, row.id, is_noted=True)
    if after is before:
        return
    version = after.versions[-1]
    # Whole surveys end before the version is written: see the order of the rows in `_end_survey`.
    if not after.missing and row.state != "answered":
        _end_survey(tx, row.id, "answered", data("ladder")["answered"], by=by)
    surveys.add_version(tx.connection, row.id, version)
    until = _reopen_until(found[1])
    if after.answers and not before.answers:
        found = _count(tx, found, version)
    _follow(tx, row, found, after, until)
    tx.poke_after_commit("tickets")


def _count(
    tx: Transaction, found: tuple[sa.Row[Any], Course], version: Version
) -> tuple[sa.Row[Any], Course]:
    """The first answer of a round is a step of its ticket, where that waits for one; gives the ticket as it is then.

    What staff enter is told to the enterprise: nobody rates in its name behind its back.
    """
    row, course = found
    if (course.state, Move.RATE) not in rules(course.kind):
        return found
    is_ours = bool(version.by)
    by, person = (Party.STAFF, version.by) if is_ours else (Party.ENTERPRISE, "contact")
    _make(tx, row, course, Move.RATE, Facts(by, person, tx.now), in_turn=not is_ours)
    again = courses.lock_ticket(tx.connection, row.number)
    assert again is not None
    return again


def _follow(
    tx: Transaction,
    survey: sa.Row[Any],
    found: tuple[sa.Row[Any], Course],
    value: Survey,
    until: datetime | None,
) -> None:
    """不满意 or 未解决, just said: the ticket is taken up again, or an improvement item is opened (S 9.3.1)."""
    fresh = Survey(value.due, value.versions[-1:])
    if not is_bad(fresh):
        return
    row, course = found
    what = consequence(value, now=tx.now, reopen_until=until or tx.now)
    if what.outcome is Outcome.IMPROVE:
        _open_improvement(
            tx,
            ticket_id=row.id,
            survey_id=survey.id,
            source="survey",
            problem=what.reason,
            category=row.category,
        )
    # Not where it is worked on again already: an earlier answer of the same survey did that.
    elif what.outcome is Outcome.REOPEN and (course.state, Move.REOPEN) in rules(course.kind):
        facts = Facts(Party.SYSTEM, "", tx.now, reason=what.reason, reopen_until=until, is_bad=True)
        _make(tx, row, course, Move.REOPEN, facts)
