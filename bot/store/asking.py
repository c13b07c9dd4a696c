"""What asking for a rating rests on: the talk with the contact, what they allow, every attempt, and calls by staff."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.store.base import insert_row
from bot.store.conversations import Conversation, Message
from bot.store.delivery import OutboxMessage, OutboxState
from bot.store.improvements import Task
from bot.store.surveys import Subscription, SurveyAttempt

# --- the talk around it


def talk_state(connection: Connection, conversation_id: int) -> Mapping[str, Any]:
    """What the bot remembers of that conversation (core.turns.DialogueState)."""
    query = sa.select(Conversation.state).where(Conversation.id == conversation_id)
    state: Mapping[str, Any] = connection.execute(query).scalar_one()
    return state


def save_talk_state(connection: Connection, conversation_id: int, state: Mapping[str, Any]) -> None:
    """Write what the bot remembers; the conversation is held."""
    connection.execute(
        sa.update(Conversation).where(Conversation.id == conversation_id).values(state=dict(state))
    )


def last_wrote_at(connection: Connection, conversation_id: int) -> datetime | None:
    """When the contact last wrote something that opens the window."""
    return connection.execute(
        sa.select(Message.at)
        .where(
            Message.conversation_id == conversation_id, Message.is_inbound.is_(True), Message.kind != "event"
        )
        .order_by(Message.id.desc())
        .limit(1)
    ).scalar_one_or_none()


# --- subscription messages


def subscriptions_left(connection: Connection, contact_id: int, template: str) -> int:
    """How many messages of that template the contact has allowed and not got yet."""
    query = sa.select(Subscription.left).where(
        Subscription.contact_id == contact_id, Subscription.template == template
    )
    return connection.execute(query).scalar_one_or_none() or 0


def allow_subscription(connection: Connection, contact_id: int, template: str) -> None:
    """The contact has allowed one message more of that template; the conversation is held."""
    raised = connection.execute(
        sa.update(Subscription)
        .where(Subscription.contact_id == contact_id, Subscription.template == template)
        .values(left=Subscription.left + 1)
    )
    if not raised.rowcount:
        connection.execute(sa.insert(Subscription).values(contact_id=contact_id, template=template, left=1))


def refuse_subscription(connection: Connection, contact_id: int, template: str) -> None:
    """The contact wants no message of that template."""
    connection.execute(
        sa.update(Subscription)
        .where(Subscription.contact_id == contact_id, Subscription.template == template)
        .values(left=0)
    )


# --- the attempts, and the messages and calls behind them


def add_attempt(connection: Connection, survey_id: int, **values: Any) -> None:
    """Append one attempt: way, at, is_reminder, outbox_key, reason, skipped."""
    blank = {"is_reminder": False, "outbox_key": "", "skipped": []}
    connection.execute(sa.insert(SurveyAttempt).values(**{**blank, **values}, survey_id=survey_id))


def attempts_of(connection: Connection | Session, survey_id: int) -> list[sa.Row[Any]]:
    """The attempts of a survey in order, each with `sent_state` and `result` of its message (None: it has none)."""
    columns, box = SurveyAttempt.__table__.c, OutboxMessage.__table__.c
    query = (
        sa.select(*columns, box.state.label("sent_state"), box.result)
        .outerjoin(OutboxMessage.__table__, box.key == sa.func.nullif(columns.outbox_key, ""))
        .where(columns.survey_id == survey_id)
        .order_by(columns.id)
    )
    return list(connection.execute(query))


def asked_by(connection: Connection, key: str) -> list[int]:
    """The ids of the surveys that the message with that key asks about."""
    return list(connection.scalars(sa.select(SurveyAttempt.survey_id).where(SurveyAttempt.outbox_key == key)))


def drop_messages(connection: Connection, survey_id: int, *, result: str, at: datetime) -> None:
    """Messages about this survey that have not left yet do not leave."""
    keys = sa.select(SurveyAttempt.outbox_key).where(
        SurveyAttempt.survey_id == survey_id, SurveyAttempt.outbox_key != ""
    )
    connection.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.key.in_(keys), OutboxMessage.state == OutboxState.DUE.value)
        .values(state=OutboxState.DROPPED.value, result=result[:200], done_at=at)
    )


def accepted_message(connection: Connection, conversation_id: int, msg_id: str) -> sa.Row[Any] | None:
    """The template or subscription message that the platform took under this id: id, key, purpose."""
    box = OutboxMessage.__table__.c
    wanted = [box.id, box.key, box.purpose]
    return connection.execute(
        sa.select(*wanted)
        .where(
            box.conversation_id == conversation_id,
            box.channel.in_(("template", "subscription")),
            box.state == OutboxState.SENT.value,
            box.result == msg_id,
        )
        .order_by(box.id.desc())
        .limit(1)
    ).one_or_none()


def add_call(
    connection: Connection, survey: sa.Row[Any], *, text: str, due_at: datetime, now: datetime
) -> bool:
    """Ask staff to call, once per survey; False where they were asked already. The conversation is held."""
    key = f"survey-call:{survey.id}"
    if connection.execute(sa.select(Task.id).where(Task.key == key)).first() is not None:
        return False
    insert_row(
        connection,
        Task,
        key=key,
        kind="survey-call",
        ticket_id=survey.ticket_id,
        survey_id=survey.id,
        text=text,
        due_at=due_at,
        created_at=now,
    )
    return True


def calls_of(connection: Connection | Session, survey_id: int) -> list[sa.Row[Any]]:
    """The call tasks of a survey in order."""
    columns = Task.__table__.c
    query = sa.select(*columns).where(columns.survey_id == survey_id, columns.kind == "survey-call")
    return list(connection.execute(query.order_by(columns.id)))
