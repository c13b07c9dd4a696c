"""Asking for a rating within five working days (S 9.2.1): surveys are opened and ended here, and asked rung by rung."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.actions.context import Context, Transaction
from bot.actions.improvements import _finish_tasks
from bot.actions.links import survey_link
from bot.actions.survey_cases import CHANNELS, Case, _contact_facts, _open_case
from bot.actions.telling import _add, _tell_staff
from bot.core import rating
from bot.core.deadlines import Recipient
from bot.core.deadlines import Step as Clocked
from bot.core.messages import Incoming
from bot.core.reach import Purpose
from bot.core.rendering import fit
from bot.core.survey_ways import Sending, Step, Way, next_way
from bot.core.surveys import question
from bot.core.ticket_states import Move, Moved, TicketState
from bot.core.times import china_text
from bot.core.turns import DialogueState
from bot.core.wording import say
from bot.settings import AccountSettings
from bot.store import asking, courses, delivery, surveys
from bot.store.conversations import Talk
from bot.store.delivery import OutboxMessage, OutboxState

_ENDS = frozenset({Move.REOPEN, Move.WITHDRAW, Move.CLOSE, Move.DISMISS})


# --- surveys begin and end


def _follow_survey(tx: Transaction, row: sa.Row[Any], moved: Moved) -> None:
    """A finished service is to be rated; a ticket that goes on, or is closed, is asked about no more."""
    line = moved.course.timeline[-1]
    if line.what is Move.FINISH and line.state is TicketState.FINISHED:
        _open_survey(tx, row)
    elif line.what in _ENDS:
        for survey_id in surveys.open_ids(tx.connection, ticket_id=row.id):
            _end_survey(tx, survey_id, "over", say("survey.ticket_went_on"))


def _open_survey(tx: Transaction, row: sa.Row[Any]) -> None:
    if courses.recipient_of(tx.connection, row.conversation_id).erased_at is not None:
        return  # who has asked to be forgotten is not asked anything
    clock = courses.last_clock(tx.connection, row.id, Clocked.SURVEY.value)
    assert clock is not None, "FINISH starts the survey's clock before"
    surveys.open_survey(
        tx.connection,
        ticket_id=row.id,
        contact_id=row.contact_id,
        conversation_id=row.conversation_id,
        due_at=clock.due_at,
        now=tx.now,
    )
    tx.poke_after_commit("surveys")


def _end_survey(tx: Transaction, survey_id: int, state: str, why: str, *, by: str = "") -> None:
    """Nobody is asked any more (`state`: answered, declined or over): nothing leaves, nobody need call."""
    # Messages first: a worker that writes down a sending takes the two rows in this order.
    asking.drop_messages(tx.connection, survey_id, result=why, at=tx.now)
    surveys.set_survey(tx.connection, survey_id, state=state, look_at=None)
    _finish_tasks(tx, survey_id, why, by)


def _move_survey(tx: Transaction, ticket_id: int, due_at: datetime) -> None:
    """Another calendar moved the end of day five: reminder and call are decided anew, call tasks follow."""
    ids = surveys.open_ids(tx.connection, ticket_id=ticket_id)
    surveys.move_surveys(tx.connection, ids, due_at=due_at, now=tx.now)
    if ids:
        tx.poke_after_commit("surveys")


def _forget_surveys(tx: Transaction, contact_id: int) -> None:
    """The contact is forgotten: nobody asks them, and their own words go; the ratings remain without the person."""
    for survey_id in surveys.open_ids(tx.connection, contact_id=contact_id):
        _end_survey(tx, survey_id, "over", say("survey.erased"))
    surveys.forget_notes(tx.connection, contact_id)


# --- one survey, rung by rung


def look(ctx: Context, survey_id: int) -> bool:
    """Take the next rung of a survey that is due: its conversation is held, so that two workers ask once.

    False when nothing was due any more.
    """
    with ctx.transaction() as tx:
        if not surveys.lock_talk(tx.connection, survey_id):
            return False
        found = surveys.survey_row(tx.connection, survey_id)
        if found is None or found.state != "open" or found.look_at is None or found.look_at > tx.now:
            return False
        case = _open_case(tx, found)
        if case.recipient.erased_at is not None:
            _end_survey(tx, survey_id, "over", say("survey.erased"))
            return True
        _take(case, next_way(_contact_facts(case), case.attempts, now=tx.now, schedule=case.schedule))
    return True


def _take(case: Case, step: Step) -> None:
    match step.way:
        case Way.STOP:
            _log(case, step)
            _end_survey(case.tx, case.row.id, "over" if case.value.missing else "answered", step.reason)
        case Way.WAIT:
            _look_at(case, step.until)
        case Way.NEXT_CONTACT:
            # One line, however often it is looked at meanwhile.
            if not case.attempts or case.attempts[-1].way is not Way.NEXT_CONTACT:
                _log(case, step)
            _forget_question(case)
            _look_at(case, step.until)
        case Way.STAFF_CALL:
            _ask_staff(case, step)
        case _:
            _forget_question(case)
            _send(case, step)


def _look_at(case: Case, until: datetime | None) -> None:
    """Look again then; a moment that has come already is looked at a little later, when it is past."""
    at = until or case.schedule.call_at
    later = at if at > case.tx.now else case.tx.now + timedelta(minutes=1)
    surveys.set_survey(case.tx.connection, case.row.id, look_at=later)


def _log(case: Case, step: Step, *, key: str = "") -> None:
    asking.add_attempt(
        case.tx.connection,
        case.row.id,
        way=step.way.value,
        at=case.tx.now,
        is_reminder=step.is_reminder,
        outbox_key=key,
        reason=step.reason,
        skipped=[[way.value, why] for way, why in step.skipped],
    )


def _send(case: Case, step: Step) -> None:
    """Write the message of that way to the outbox; its end brings the next look."""
    tx, row, ticket = case.tx, case.row, case.ticket
    text, extras = _message(case, step.way)
    key = f"survey:{row.id}:{len(case.attempts) + 1}"
    _log(case, step, key=key)
    _add(
        tx,
        key=key,
        lane=f"talk:{row.conversation_id}",
        channel=CHANNELS[step.way],
        account=case.recipient.account,
        address=ticket.phone if step.way is Way.SMS else case.recipient.openid,
        text=text,
        extras=extras,
        purpose=(Purpose.REMINDER if step.is_reminder else Purpose.SURVEY).value,
        conversation_id=row.conversation_id,
        ticket_id=ticket.id,
        due_at=tx.now,
        at=tx.now,
    )
    courses.add_notice(tx.connection, row.conversation_id, text, at=tx.now)
    _look_at(case, case.schedule.call_at)


def _message(case: Case, way: Way) -> tuple[str, dict[str, Any]]:
    """What the message says, and what its channel needs besides."""
    tx, number, link = case.tx, case.ticket.number, survey_link(case.tx.ctx, case.row.id)
    if way is Way.MESSAGE:
        asked = rating.first(number, survey=case.row.id, item=case.value.missing[0])
        text, _ = fit(asked, links=case.able.has_links, hint="")
        _save_state(case, rating.awaiting(_state(case), case.view))
        return text, {"head": asked.text, "choices": [[one.id, one.label] for one in asked.options]}
    text = say("survey.by_link", number=number, link=link)
    if way is Way.SUBSCRIPTION:
        surveys.take_subscription(tx.connection, case.recipient.contact_id, case.notification["template"])
        return text, dict(case.notification)  # a tap opens pages of the mini-program alone
    return text, {**case.notification, "url": link} if way is Way.TEMPLATE else {}


def _state(case: Case) -> DialogueState:
    return DialogueState.from_json(asking.talk_state(case.tx.connection, case.row.conversation_id))


def _save_state(case: Case, state: DialogueState) -> None:
    asking.save_talk_state(case.tx.connection, case.row.conversation_id, state.to_json())


def _forget_question(case: Case) -> None:
    """A question that did not arrive is not being answered: numbers and free words mean something else again."""
    tried = [each for each in case.attempts if each.way in CHANNELS]
    state = _state(case)
    if not tried or tried[-1].sending is not Sending.FAILED or state.survey != case.row.id:
        return
    choices = tuple(one for one in state.choices if not one.id.startswith("rate"))
    _save_state(case, replace(state, survey=0, choices=choices))


def _ask_staff(case: Case, step: Step) -> None:
    """A person calls: the task stands on a page, and is told by mail."""
    tx, number = case.tx, case.ticket.number
    _log(case, step)
    _look_at(case, case.schedule.deadline)
    until = china_text(case.row.due_at)
    items = "；".join(question(item) for item in case.value.missing)
    text = say("survey.call", number=number, until=until, items=items)
    if asking.add_call(tx.connection, case.row, text=text, due_at=case.row.due_at, now=tx.now):
        subject = say("survey.call_subject", number=number, until=until)
        _tell_staff(tx, Recipient.STAFF, subject=subject, text=text, key=f"survey-call:{case.row.id}")
        tx.poke_after_commit("tasks")


# --- what others notice


def _note_ended(tx: Transaction, row: OutboxMessage) -> None:
    """A message came to its end: where it asked for a rating, its survey is looked at now."""
    if row.purpose in (Purpose.SURVEY, Purpose.REMINDER):
        _look_now(tx, row.key)


def _look_now(tx: Transaction, key: str) -> None:
    surveys.look_now(tx.connection, asking.asked_by(tx.connection, key), now=tx.now)
    tx.poke_after_commit("surveys")


def _ask_in_turn(tx: Transaction, talk: Talk) -> str:
    """The contact has just written: the line to add to the reply where a survey waited for that; else nothing.

    `talk.state` is as the turn leaves it. Nobody is asked in the middle of a form, or of a talk with staff; where the
    dialogue is asking for the rating itself, that is the attempt. It has no message of its own: it leaves with the reply.
    """
    state = DialogueState.from_json(talk.state)
    if state.form is not None or talk.holder == "staff":
        return ""
    for survey_id in surveys.open_ids(tx.connection, contact_id=talk.contact_id):
        if state.survey not in (0, survey_id):
            continue
        row = surveys.survey_row(tx.connection, survey_id)
        assert row is not None, "read a line above"
        if number := _asked_in_turn(_open_case(tx, row)):
            return "" if state.survey else say("survey.in_turn", number=number)
    return ""


def _asked_in_turn(case: Case) -> str:
    """Write the attempt where it is time for one; gives the number of the ticket, else nothing."""
    # A reply is free, whatever the window says.
    facts = replace(_contact_facts(case), may_message=True, last_wrote_at=case.tx.now)
    step = next_way(facts, case.attempts, now=case.tx.now, schedule=case.schedule)
    if step.way is not Way.MESSAGE:
        return ""
    _log(case, step)
    surveys.look_now(case.tx.connection, [case.row.id], now=case.tx.now)
    case.tx.poke_after_commit("surveys")
    return str(case.ticket.number)


def _note_event(tx: Transaction, talk: Talk, incoming: Incoming) -> None:
    """What WeChat says afterwards: a message did not arrive, or the contact allows or refuses subscription messages."""
    match incoming.event:
        case "templatesendjobfinish" | "subscribe_msg_sent_event":
            for msg_id, status in _results(incoming.details):
                if msg_id and not status.startswith("success"):
                    _note_lost(tx, talk, msg_id, status)
        case "subscribe_msg_popup_event" | "subscribe_msg_change_event":
            for answer in incoming.details.get("templates", "").split(","):
                _note_allowance(tx, talk, *answer.partition("=")[::2])


def _results(details: Mapping[str, str]) -> list[tuple[str, str]]:
    ids, status = details.get("msg_id", "").split(","), details.get("status", "")
    each = status.split(",")
    return list(zip(ids, each if len(each) == len(ids) else [status] * len(ids), strict=True))


def _note_lost(tx: Transaction, talk: Talk, msg_id: str, status: str) -> None:
    """Taken by WeChat, but not delivered: news are held for the contact's next message, a survey goes on."""
    found = asking.accepted_message(tx.connection, talk.conversation_id, msg_id)
    if found is None:
        return
    state = OutboxState.HELD if found.purpose == Purpose.NOTICE else OutboxState.DEAD
    delivery.finish(tx.connection, found.id, state=state, result=status, at=tx.now)
    _look_now(tx, found.key)


def _note_allowance(tx: Transaction, talk: Talk, template: str, answer: str) -> None:
    """One accept is one message (protocol 6.4); whoever refuses gets none, whatever they allowed before."""
    if template not in _templates(tx.ctx.settings.account(talk.account)):
        return
    if answer == "accept":
        asking.allow_subscription(tx.connection, talk.contact_id, template)
        surveys.look_now(
            tx.connection, surveys.open_ids(tx.connection, contact_id=talk.contact_id), now=tx.now
        )
        tx.poke_after_commit("surveys")
    elif answer in ("reject", "ban"):
        asking.refuse_subscription(tx.connection, talk.contact_id, template)


def _templates(account: AccountSettings | None) -> set[str]:
    """The ids of the account's own templates."""
    texts = (account.survey_template, account.notice_template) if account else ()
    return {text.partition("|")[0].strip() for text in texts if text}
