"""Surveys after Annex C: one for each finished service, with every version of its answers and every attempt to ask."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core import surveys
from bot.core.survey_ways import Way
from bot.core.surveys import Item, Rating, Source, Survey, Version
from bot.store.base import Base, insert_row
from bot.store.conversations import Conversation
from bot.store.delivery import OutboxMessage, OutboxState
from bot.store.improvements import Task
from bot.store.people import Contact
from bot.store.tickets import Ticket

_SENDING = (Way.MESSAGE.value, Way.TEMPLATE.value, Way.SUBSCRIPTION.value, Way.SMS.value)


class SurveyRow(Base):
    """One survey of one finished service; `look_at` is when the next rung of the ladder is tried."""

    __tablename__ = "survey"
    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "round"),
        sa.Index("ix_survey_state_look_at", "state", "look_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id"))
    round: Mapped[int] = mapped_column(
        sa.Integer
    )  # counts up when the ticket was reopened and finished again
    contact_id: Mapped[int] = mapped_column(sa.ForeignKey("contact.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(sa.ForeignKey("conversation.id"))
    state: Mapped[str] = mapped_column(sa.String(12), default="open")  # open, answered, declined, over
    is_noted: Mapped[bool] = mapped_column(default=False)  # 意见或建议 was asked for and answered or left out
    due_at: Mapped[datetime]  # the end of the fifth working day (S 9.2.1)
    look_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]


class SurveyVersion(Base):
    """What one act of answering added or corrected; never changed."""

    __tablename__ = "survey_version"

    id: Mapped[int] = mapped_column(primary_key=True)
    survey_id: Mapped[int] = mapped_column(sa.ForeignKey("survey.id"), index=True)
    at: Mapped[datetime]
    source: Mapped[str] = mapped_column(sa.String(8))  # core.surveys.Source
    answers: Mapped[list[list[str]]] = mapped_column(sa.JSON)  # item, rating
    note: Mapped[str | None] = mapped_column(sa.Text)
    by: Mapped[str] = mapped_column(sa.String(60), default="")  # the staff member who entered it
    is_late: Mapped[bool] = mapped_column(default=False)


class SurveyAttempt(Base):
    """One attempt to ask, or the reason why nobody was asked; what became of it stands in the outbox row."""

    __tablename__ = "survey_attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    survey_id: Mapped[int] = mapped_column(sa.ForeignKey("survey.id"), index=True)
    way: Mapped[str] = mapped_column(sa.String(16))  # core.survey_ways.Way
    at: Mapped[datetime]
    is_reminder: Mapped[bool] = mapped_column(default=False)
    outbox_key: Mapped[str] = mapped_column(sa.String(100), default="", index=True)
    reason: Mapped[str] = mapped_column(sa.Text)  # why this way
    skipped: Mapped[list[list[str]]] = mapped_column(
        sa.JSON, default=list
    )  # way and why not, of those before it


class Subscription(Base):
    """How many subscription messages of a template a contact has allowed (protocol 6.3, 6.4)."""

    __tablename__ = "subscription"

    contact_id: Mapped[int] = mapped_column(sa.ForeignKey("contact.id"), primary_key=True)
    template: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    left: Mapped[int]


# --- what is open, and what is due


def is_coming(connection: Connection, conversation_id: int) -> bool:
    """Is this contact to be asked, and no message that asks has left yet? Its place of the allowance is kept."""
    asked = (
        sa.select(SurveyAttempt.id)
        .outerjoin(OutboxMessage, OutboxMessage.key == SurveyAttempt.outbox_key)
        .where(
            SurveyAttempt.survey_id == SurveyRow.id,
            SurveyAttempt.way.in_(_SENDING),
            sa.or_(SurveyAttempt.outbox_key == "", OutboxMessage.state == OutboxState.SENT.value),
        )
    )
    query = sa.select(SurveyRow.id).where(
        SurveyRow.conversation_id == conversation_id, SurveyRow.state == "open", ~asked.exists()
    )
    return connection.execute(query.limit(1)).first() is not None


def due_surveys(session: Session, *, now: datetime, limit: int = 100) -> list[int]:
    """The ids of the open surveys that are to be looked at, the longest waiting first."""
    return list(
        session.scalars(
            sa.select(SurveyRow.id)
            .where(SurveyRow.state == "open", SurveyRow.look_at <= now)
            .order_by(SurveyRow.look_at, SurveyRow.id)
            .limit(limit)
        )
    )


def lock_talk(connection: Connection, survey_id: int) -> bool:
    """Lock the conversation of that survey, as every turn does; False where there is no such survey.

    Whoever answers or asks holds it: the survey's own row needs no lock.
    """
    conversation_id = sa.select(SurveyRow.conversation_id).where(SurveyRow.id == survey_id).scalar_subquery()
    found = connection.execute(
        sa.select(Conversation.id).where(Conversation.id == conversation_id).with_for_update()
    )
    return found.first() is not None


def survey_row(connection: Connection | Session, survey_id: int) -> sa.Row[Any] | None:
    """The survey of that id, as columns."""
    columns = SurveyRow.__table__.c
    return connection.execute(sa.select(*columns).where(columns.id == survey_id)).one_or_none()


def surveys_of_contact(connection: Connection | Session, contact_id: int) -> list[sa.Row[Any]]:
    """The newest surveys of a contact, newest first."""
    columns = SurveyRow.__table__.c
    query = sa.select(*columns).where(columns.contact_id == contact_id).order_by(columns.id.desc()).limit(10)
    return list(connection.execute(query))


def surveys_of_ticket(connection: Connection | Session, ticket_id: int) -> list[sa.Row[Any]]:
    """All rounds of a ticket's survey, in order."""
    columns = SurveyRow.__table__.c
    query = sa.select(*columns).where(columns.ticket_id == ticket_id).order_by(columns.round)
    return list(connection.execute(query))


def is_forgotten(connection: Connection | Session, contact_id: int) -> bool:
    """Has this contact asked to be forgotten, or left?"""
    query = sa.select(Contact.id).where(Contact.id == contact_id, Contact.erased_at.is_not(None))
    return connection.execute(query).first() is not None


def ticket_of(connection: Connection | Session, survey_row: sa.Row[Any]) -> sa.Row[Any]:
    """The ticket that a survey is about, as columns."""
    columns = Ticket.__table__.c
    return connection.execute(sa.select(*columns).where(columns.id == survey_row.ticket_id)).one()


def take_subscription(connection: Connection, contact_id: int, template: str) -> bool:
    """Use one subscription message that the contact has allowed; False when none is left."""
    taken = connection.execute(
        sa.update(Subscription)
        .where(
            Subscription.contact_id == contact_id, Subscription.template == template, Subscription.left > 0
        )
        .values(left=Subscription.left - 1)
    )
    return taken.rowcount == 1


# --- what is written


def open_survey(
    connection: Connection,
    *,
    ticket_id: int,
    contact_id: int,
    conversation_id: int,
    due_at: datetime,
    now: datetime,
) -> int:
    """Open the survey of a service that has just ended, to be asked at once; gives its id."""
    last = connection.execute(
        sa.select(sa.func.max(SurveyRow.round)).where(SurveyRow.ticket_id == ticket_id)
    ).scalar_one()
    return insert_row(
        connection,
        SurveyRow,
        ticket_id=ticket_id,
        round=(last or 0) + 1,
        contact_id=contact_id,
        conversation_id=conversation_id,
        state="open",
        is_noted=False,
        due_at=due_at,
        look_at=now,
        opened_at=now,
    )


def set_survey(connection: Connection, survey_id: int, **values: Any) -> None:
    """Write columns of a survey."""
    connection.execute(sa.update(SurveyRow).where(SurveyRow.id == survey_id).values(**values))


def open_ids(
    connection: Connection, *, ticket_id: int | None = None, contact_id: int | None = None
) -> list[int]:
    """The ids of the open surveys of a ticket, or of a contact."""
    query = sa.select(SurveyRow.id).where(SurveyRow.state == "open")
    if ticket_id is not None:
        query = query.where(SurveyRow.ticket_id == ticket_id)
    if contact_id is not None:
        query = query.where(SurveyRow.contact_id == contact_id)
    return list(connection.scalars(query.order_by(SurveyRow.id)))


def move_surveys(connection: Connection, ids: Sequence[int], *, due_at: datetime, now: datetime) -> None:
    """The end of day five has moved: when to remind and to call is to be decided anew; call tasks follow."""
    connection.execute(sa.update(SurveyRow).where(SurveyRow.id.in_(ids)).values(due_at=due_at, look_at=now))
    connection.execute(
        sa.update(Task).where(Task.survey_id.in_(ids), Task.done_at.is_(None)).values(due_at=due_at)
    )


def look_now(connection: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """These surveys are to be looked at, those that are still open."""
    connection.execute(
        sa.update(SurveyRow).where(SurveyRow.id.in_(ids), SurveyRow.state == "open").values(look_at=now)
    )


def forget_notes(connection: Connection, contact_id: int) -> None:
    """Take the contact's own words out of their surveys; the ratings remain."""
    ids = sa.select(SurveyRow.id).where(SurveyRow.contact_id == contact_id)
    connection.execute(
        sa.update(SurveyVersion)
        .where(SurveyVersion.survey_id.in_(ids), SurveyVersion.note.is_not(None))
        .values(note="")
    )


def add_version(connection: Connection, survey_id: int, version: Version) -> None:
    """Append what one act of answering added or corrected."""
    connection.execute(
        sa.insert(SurveyVersion).values(
            survey_id=survey_id,
            at=version.at,
            source=version.source.value,
            answers=[[item.value, rating.value] for item, rating in version.answers],
            note=version.note,
            by=version.by,
            is_late=version.is_late,
        )
    )


# --- the answers


def answers_of(connection: Connection | Session, survey_id: int) -> list[sa.Row[Any]]:
    """The versions of a survey's answers, oldest first."""
    columns = SurveyVersion.__table__.c
    return list(
        connection.execute(sa.select(*columns).where(columns.survey_id == survey_id).order_by(columns.id))
    )


def last_survey(connection: Connection | Session, ticket_id: int) -> sa.Row[Any] | None:
    """The newest survey of a ticket."""
    columns = SurveyRow.__table__.c
    return connection.execute(
        sa.select(*columns).where(columns.ticket_id == ticket_id).order_by(columns.round.desc()).limit(1)
    ).one_or_none()


def as_survey(row: sa.Row[Any], versions: Iterable[sa.Row[Any]]) -> Survey:
    """The value behind the rows."""
    return Survey(
        row.due_at,
        tuple(
            Version(
                one.at,
                Source(one.source),
                tuple((Item(item), Rating(rating)) for item, rating in one.answers),
                one.note,
                one.by,
                one.is_late,
            )
            for one in versions
        ),
    )


def is_bad(connection: Connection | Session, ticket_id: int) -> bool:
    """Does the newest survey of a ticket say 不满意 or 未解决?"""
    row = last_survey(connection, ticket_id)
    return row is not None and surveys.is_bad(as_survey(row, answers_of(connection, row.id)))
