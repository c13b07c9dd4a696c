"""What staff must still do: call tasks, and improvement items with owner and due date (S 9.3)."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base, insert_row
from bot.store.people import Contact
from bot.store.tickets import Ticket


class Task(Base):
    """Something a person must do by a moment, where no message can do it."""

    __tablename__ = "task"
    __table_args__ = (
        sa.Index("ix_task_done_at_due_at", "done_at", "due_at"),
        sa.UniqueConstraint("key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(80))  # the same cause makes one task
    kind: Mapped[str] = mapped_column(sa.String(16))  # survey-call, tell
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id"), index=True)
    survey_id: Mapped[int | None] = mapped_column(sa.ForeignKey("survey.id"))
    text: Mapped[str] = mapped_column(sa.Text)  # what is to be done and why
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    done_by: Mapped[str] = mapped_column(sa.String(60), default="")
    result: Mapped[str] = mapped_column(sa.Text, default="")


class Improvement(Base):
    """One problem that is to become better (S 9.3, G 8.3)."""

    __tablename__ = "improvement"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(24), unique=True)
    ticket_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ticket.id"), index=True)
    survey_id: Mapped[int | None] = mapped_column(sa.ForeignKey("survey.id"))
    source: Mapped[str] = mapped_column(sa.String(16))  # survey, complaint, staff
    problem: Mapped[str] = mapped_column(sa.Text)
    owner: Mapped[str] = mapped_column(sa.String(60), default="")
    due_on: Mapped[date] = mapped_column(sa.Date)  # China date
    state: Mapped[str] = mapped_column(sa.String(8), default="open", index=True)  # open, done
    created_at: Mapped[datetime]


class ImprovementEvent(Base):
    """One line of an improvement's history (core.improvements.What); never changed."""

    __tablename__ = "improvement_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    improvement_id: Mapped[int] = mapped_column(sa.ForeignKey("improvement.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    what: Mapped[str] = mapped_column(sa.String(16))
    note: Mapped[str] = mapped_column(sa.Text, default="")


def has_improvement(connection: Connection | Session, ticket_id: int) -> bool:
    """Has the ticket led to an improvement item?"""
    query = sa.select(Improvement.id).where(Improvement.ticket_id == ticket_id).limit(1)
    return connection.execute(query).first() is not None


def ticket_of(connection: Connection, ticket_id: int) -> sa.Row[Any]:
    """The number of an item's ticket, and the station of its contact."""
    ticket, contact = Ticket.__table__.c, Contact.__table__.c
    query: sa.Select[Any] = sa.select(ticket.number, contact.station).join(
        Contact, contact.id == ticket.contact_id
    )
    return connection.execute(query.where(ticket.id == ticket_id)).one()


def open_of(
    connection: Connection, ticket_id: int, *, survey_id: int | None, source: str, problem: str
) -> sa.Row[Any] | None:
    """The open item that the same survey, or without one the same words about the ticket, have led to."""
    columns = Improvement.__table__.c
    query: sa.Select[Any] = sa.select(columns.id, columns.number).where(
        columns.ticket_id == ticket_id, columns.source == source, columns.state == "open"
    )
    if survey_id is None:
        query = query.where(columns.survey_id.is_(None), columns.problem == problem)
    else:
        query = query.where(columns.survey_id == survey_id)
    return connection.execute(query.order_by(columns.id.desc()).limit(1)).one_or_none()


def is_said(connection: Connection, improvement_id: int, problem: str) -> bool:
    """Does the item name this problem already, when it was opened or later?"""
    opened = sa.select(Improvement.problem).where(Improvement.id == improvement_id)
    added = sa.select(ImprovementEvent.note).where(
        ImprovementEvent.improvement_id == improvement_id, ImprovementEvent.what == "problem"
    )
    return problem in set(connection.scalars(opened)) | set(connection.scalars(added))


def add_improvement(connection: Connection, *, at: datetime, actor: str, note: str, **values: Any) -> int:
    """Insert an item and the first line of its history; gives its id."""
    found = insert_row(connection, Improvement, created_at=at, **values)
    add_event(connection, found, at=at, actor=actor, what="opened", note=note)
    return found


def add_event(
    connection: Connection, improvement_id: int, *, at: datetime, actor: str, what: str, note: str = ""
) -> None:
    """Append one line to an item's history."""
    connection.execute(
        sa.insert(ImprovementEvent).values(
            improvement_id=improvement_id, at=at, actor=actor, what=what, note=note
        )
    )


def lock_improvement(connection: Connection, number: str) -> sa.Row[Any] | None:
    """An item by its number, held until the transaction ends, with whom its ticket complains about."""
    columns = Improvement.__table__.c
    held = connection.execute(
        sa.select(*columns).where(columns.number == number).with_for_update()
    ).one_or_none()
    if held is None:
        return None
    ticket = Ticket.__table__.c
    query: sa.Select[Any] = sa.select(*columns, ticket.concerned).outerjoin(
        Ticket, ticket.id == columns.ticket_id
    )
    return connection.execute(query.where(columns.id == held.id)).one()


def set_values(connection: Connection, improvement_id: int, **values: Any) -> None:
    """Change owner, due date or state; the line of history was written before."""
    connection.execute(sa.update(Improvement).where(Improvement.id == improvement_id).values(**values))


def _with_ticket() -> sa.Select[Any]:
    """Items with their ticket's number, and who closed them."""
    closer = (
        sa.select(ImprovementEvent.actor)
        .where(ImprovementEvent.improvement_id == Improvement.id, ImprovementEvent.what == "closed")
        .order_by(ImprovementEvent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.select(
        *Improvement.__table__.c, Ticket.number.label("ticket"), closer.label("reviewer")
    ).outerjoin(Ticket, Ticket.id == Improvement.ticket_id)


def improvements_of(
    session: Session,
    *,
    state: str = "open",
    owner: str = "",
    due_before: date | None = None,
    limit: int = 200,
    below: int | None = None,
) -> list[sa.Row[Any]]:
    """Items in a state, of one owner or due before a day if named, with ticket number and reviewer.

    Open ones by due day, closed ones by id, newest first; `below`: closed ones with an id below that.
    """
    query = _with_ticket().where(Improvement.state == state)
    if owner:
        query = query.where(Improvement.owner == owner)
    if due_before is not None:
        query = query.where(Improvement.due_on < due_before)
    if below is not None:
        query = query.where(Improvement.id < below)
    order = (Improvement.id.desc(),) if state == "done" else (Improvement.due_on, Improvement.id)
    return list(session.execute(query.order_by(*order).limit(limit)))


def count_improvements(session: Session, *, today: date) -> dict[str, int]:
    """How many items are open, of these overdue, and done (today: China date)."""
    by_state = sa.select(Improvement.state, sa.func.count()).group_by(Improvement.state)
    found = {row[0]: row[1] for row in session.execute(by_state)}
    late = sa.select(sa.func.count()).where(Improvement.state == "open", Improvement.due_on < today)
    return {"open": 0, "done": 0, **found, "overdue": session.execute(late).scalar_one()}


def improvement_numbered(session: Session, number: str) -> sa.Row[Any] | None:
    """The item with that number, with its ticket's number and its reviewer."""
    return session.execute(_with_ticket().where(Improvement.number == number)).one_or_none()


def events_of(session: Session, improvement_id: int) -> list[ImprovementEvent]:
    """An item's history in order."""
    query = sa.select(ImprovementEvent).where(ImprovementEvent.improvement_id == improvement_id)
    return list(session.scalars(query.order_by(ImprovementEvent.id)))


# --- tasks ---


def _tasks() -> sa.Select[Any]:
    """Tasks with what must be known of their ticket."""
    return sa.select(
        *Task.__table__.c, Ticket.number, Ticket.applicant, Ticket.person, Ticket.phone, Ticket.category
    ).join(Ticket, Ticket.id == Task.ticket_id)


def open_tasks(session: Session, *, limit: int = 500) -> list[sa.Row[Any]]:
    """What is still to be done, most urgent first, with number, applicant, person, phone and category of the ticket."""
    query = _tasks().where(Task.done_at.is_(None)).order_by(Task.due_at, Task.id)
    return list(session.execute(query.limit(limit)))


def done_tasks(session: Session, *, limit: int = 20) -> list[sa.Row[Any]]:
    """What was done last, newest first, with the same columns."""
    query = _tasks().where(Task.done_at.is_not(None)).order_by(Task.done_at.desc(), Task.id.desc())
    return list(session.execute(query.limit(limit)))


def task_of(connection: Connection | Session, task_id: int) -> sa.Row[Any] | None:
    """One task, with the same columns."""
    return connection.execute(_tasks().where(Task.id == task_id)).one_or_none()


def end_task(connection: Connection, task_id: int, *, at: datetime, by: str, result: str) -> bool:
    """The task is done; False where it is done already, or there is none."""
    ended = sa.update(Task).where(Task.id == task_id, Task.done_at.is_(None))
    return connection.execute(ended.values(done_at=at, done_by=by, result=result)).rowcount == 1


def end_tasks(connection: Connection, survey_id: int, *, at: datetime, by: str, result: str) -> int:
    """The open tasks of a survey are done; gives how many."""
    ended = sa.update(Task).where(Task.survey_id == survey_id, Task.done_at.is_(None))
    return connection.execute(ended.values(done_at=at, done_by=by, result=result)).rowcount
