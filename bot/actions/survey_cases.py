"""One survey that is asked about: its rows, the contact's means and the schedule, as the ladder looks at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
import structlog

from bot.actions.context import Transaction
from bot.actions.telling import NEWS_GAPS, _has_place
from bot.core.calendar import WorkCalendar
from bot.core.notifications import fill, parse
from bot.core.reach import Abilities, Channel, Purpose, abilities
from bot.core.survey_ways import Attempt, ContactFacts, Schedule, Sending, Way
from bot.core.surveys import Survey
from bot.core.times import china_date, china_text
from bot.core.turns import SurveyView
from bot.core.wording import say
from bot.errors import SettingsError
from bot.settings import AccountSettings
from bot.store import asking, clocks, courses, surveys
from bot.store.delivery import OutboxState

_REMIND_DAYS = 2  # working days after the first message; nothing prescribes it
CHANNELS = {
    Way.MESSAGE: Channel.CUSTOMER,
    Way.TEMPLATE: Channel.TEMPLATE,
    Way.SUBSCRIPTION: Channel.SUBSCRIPTION,
    Way.SMS: Channel.SMS,
}
_FATES = {OutboxState.DUE: Sending.PENDING, OutboxState.SENT: Sending.SENT}
log = structlog.get_logger()


@dataclass(frozen=True)
class Case:
    """A survey that is asked about, with all that the ladder looks at."""

    tx: Transaction
    row: sa.Row[Any]
    recipient: sa.Row[Any]
    calendar: WorkCalendar

    @cached_property
    def ticket(self) -> sa.Row[Any]:
        return surveys.ticket_of(self.tx.connection, self.row)

    @cached_property
    def value(self) -> Survey:
        return surveys.as_survey(self.row, surveys.answers_of(self.tx.connection, self.row.id))

    @cached_property
    def view(self) -> SurveyView:
        return SurveyView(self.row.id, self.ticket.number, self.value.missing, self.row.is_noted)

    @cached_property
    def attempts(self) -> tuple[Attempt, ...]:
        rows = asking.attempts_of(self.tx.connection, self.row.id)
        return tuple(as_attempt(row) for row in rows if row.way != Way.STOP)

    @cached_property
    def account(self) -> AccountSettings | None:
        return self.tx.ctx.settings.account(self.recipient.account)

    @cached_property
    def able(self) -> Abilities:
        account = self.account or AccountSettings(kind="", links=False)
        return abilities(self.recipient.account, account.kind, links=account.links)

    @cached_property
    def notification(self) -> Mapping[str, Any]:
        """The survey's template, filled; empty where the account has none, or one that cannot say this."""
        return _notification(self)

    @cached_property
    def schedule(self) -> Schedule:
        """Staff call on the whole last working day; the reminder comes in the morning, while a window of 48 h is open."""
        call_at = _opening(self.calendar, self.row.due_at)
        sent = [each.at for each in self.attempts if each.sending is Sending.SENT and each.way in CHANNELS]
        remind_at = call_at
        if sent:
            second = self.calendar.add_working_days(sent[0], _REMIND_DAYS).at
            remind_at = min(_opening(self.calendar, second), call_at)
        return Schedule(remind_at, call_at, self.row.due_at)


def _open_case(tx: Transaction, row: sa.Row[Any]) -> Case:
    # The calendar is held: a notice that moves day five waits, and finds what is decided here.
    station = clocks.station_of(tx.connection, row.contact_id)
    calendar = clocks.calendars(tx.connection, has_lock=True).of(station)
    # Read after the calendar: the one who changed it may have moved the survey.
    fresh = surveys.survey_row(tx.connection, row.id)
    assert fresh is not None, "surveys are never deleted"
    return Case(tx, fresh, courses.recipient_of(tx.connection, row.conversation_id), calendar)


def as_attempt(row: sa.Row[Any]) -> Attempt:
    """An attempt with what became of its message; without a message it left with a reply, or needed none."""
    sending = Sending.SENT
    if row.sent_state is not None:
        sending = _FATES.get(OutboxState(row.sent_state), Sending.FAILED)
    return Attempt(Way(row.way), row.at, sending, row.result or "")


def _opening(calendar: WorkCalendar, moment: datetime) -> datetime:
    """When the station opens on the day of that moment; the moment itself where it is closed all day."""
    spans = calendar.openings(china_date(moment))
    return spans[0][0] if spans else moment


def _contact_facts(case: Case) -> ContactFacts:
    tx, recipient, settings = case.tx, case.recipient, case.tx.ctx.settings
    is_official = recipient.account == "official"
    is_service = case.account is not None and case.account.kind == "service"
    has_place = _has_place(tx, case.row.conversation_id, recipient, _purpose(case))
    return ContactFacts(
        is_answered=not case.value.missing,
        may_message=case.able.has_customer_messages and has_place,
        last_wrote_at=asking.last_wrote_at(tx.connection, case.row.conversation_id),
        has_template=is_official and is_service and recipient.is_subscribed and bool(case.notification),
        has_subscription=recipient.account == "miniprogram" and _subscriptions(case) > 0,
        has_sms=bool(settings.sms_url and case.ticket.phone),
    )


def _purpose(case: Case) -> Purpose:
    is_asked = any(each.sending is Sending.SENT and each.way in CHANNELS for each in case.attempts)
    return Purpose.REMINDER if is_asked else Purpose.SURVEY


def _subscriptions(case: Case) -> int:
    if not case.notification:
        return 0
    return asking.subscriptions_left(
        case.tx.connection, case.recipient.contact_id, case.notification["template"]
    )


def _notification(case: Case) -> dict[str, Any]:
    if case.account is None or not case.account.survey_template:
        return {}
    values = {
        "title": say("survey.title"),
        "number": case.ticket.number,
        "state": say(f"state.{case.ticket.state}"),
        "time": china_text(case.row.opened_at),
    }
    try:
        notification = parse(case.account.survey_template, gaps=NEWS_GAPS)
        return {"template": notification.template, "data": fill(notification, values)}
    except (SettingsError, ValueError) as error:
        # The operator's template cannot ask: the next way is taken, and somebody should look at it.
        log.error("survey template does not fit", ticket=case.ticket.number, reason=str(error))
        return {}
