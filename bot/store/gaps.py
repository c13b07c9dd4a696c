"""What the knowledge lacks: corrections that staff propose, and what was done about unanswered questions."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from bot.store.base import Base
from bot.store.conversations import Conversation, Feedback, Message
from bot.store.people import Contact


class Proposal(Base):
    """A member of staff says what a message should have been taken for; a maintainer decides."""

    __tablename__ = "proposal"
    __table_args__ = (sa.Index("ix_proposal_state_id", "state", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(12))  # category, answer
    message_id: Mapped[int | None] = mapped_column(sa.ForeignKey("message.id"))
    ticket_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ticket.id"))
    text: Mapped[str] = mapped_column(sa.Text)  # the words, without personal data
    before: Mapped[str] = mapped_column(sa.String(64))  # category or entry as the bot took it
    after: Mapped[str] = mapped_column(sa.String(64))  # as staff say it should be; empty: none
    note: Mapped[str] = mapped_column(sa.Text, default="")
    by: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(sa.String(10), default="open")  # open, accepted, rejected
    decided_by: Mapped[str] = mapped_column(sa.String(60), default="")
    decided_at: Mapped[datetime | None]


class GapMark(Base):
    """What a maintainer did about one unanswered question."""

    __tablename__ = "gap_mark"

    message_id: Mapped[int] = mapped_column(sa.ForeignKey("message.id"), primary_key=True)
    action: Mapped[str] = mapped_column(sa.String(12))  # entry, question, oos, ticket
    entry_id: Mapped[str] = mapped_column(sa.String(32), default="", index=True)
    by: Mapped[str] = mapped_column(sa.String(60))
    at: Mapped[datetime]
    is_told: Mapped[bool] = mapped_column(default=False)  # the asker was told that there is an answer now


_WORDED = ("text", "voice")


def first_id_since(session: Session | Connection, moment: datetime) -> int:
    """The id of the oldest message at or after that moment, found by halves: ids grow with time."""
    highest = session.execute(sa.select(sa.func.max(Message.id))).scalar_one() or 0
    low, high = 1, highest + 1
    while low < high:
        middle = (low + high) // 2
        query = sa.select(Message.at).where(Message.id >= middle).order_by(Message.id).limit(1)
        at = session.execute(query).scalar_one_or_none()
        if at is None or at >= moment:
            high = middle
        else:
            low = middle + 1
    return low


def _unmarked(first: int) -> tuple[Any, ...]:
    return (
        Message.id >= first,
        Message.text != "",
        Message.is_inbound,
        Message.kind.in_(_WORDED),
        Message.id.not_in(sa.select(GapMark.message_id)),
    )


def _columns(table: Any) -> list[Any]:
    return [table.id, table.conversation_id, table.text, table.category, table.at, table.outcome]


def missed(session: Session, *, first: int, outcomes: Sequence[str], limit: int) -> list[sa.Row[Any]]:
    """Words of contacts with one of these outcomes that nobody has dealt with, newest first: id, conversation_id, text,
    category, at, outcome."""
    query = (
        sa.select(*_columns(Message))
        .where(Message.outcome.in_(outcomes), *_unmarked(first))
        .order_by(Message.id.desc())
        .limit(limit)
    )
    return list(session.execute(query))


def _next_id(of: Any, *, is_inbound: bool) -> Any:
    """The id of the next message of the same conversation."""
    other = aliased(Message)
    query = sa.select(sa.func.min(other.id)).where(
        other.conversation_id == of.conversation_id,
        other.id > of.id,
        other.is_inbound.is_(is_inbound),
        other.is_note.is_(False),
    )
    return query.correlate(of).scalar_subquery()


def _last_id(of: Any) -> Any:
    """The id of the contact's words before a message of the same conversation."""
    other = aliased(Message)
    query = sa.select(sa.func.max(other.id)).where(
        other.conversation_id == of.conversation_id,
        other.id < of.id,
        other.is_inbound,
        other.kind.in_(_WORDED),
    )
    return query.correlate(of).scalar_subquery()


def declined(session: Session, *, first: int, word: str, reply: str, limit: int) -> list[sa.Row[Any]]:
    """Words that were asked back about in vain: the next thing said is `word`, or is replied to with `reply`."""
    following, answer = aliased(Message), aliased(Message)
    query = (
        sa.select(*_columns(Message))
        .join(following, following.id == _next_id(Message, is_inbound=True))
        .outerjoin(answer, answer.id == _next_id(following, is_inbound=False))
        .where(
            Message.outcome == "clarify",
            *_unmarked(first),
            sa.or_(following.text == word, answer.text.startswith(reply, autoescape=True)),
        )
        .order_by(Message.id.desc())
        .limit(limit)
    )
    return list(session.execute(query))


def unhelpful(session: Session, *, since: datetime, limit: int) -> list[sa.Row[Any]]:
    """Words whose answer did not help, the newest opinion first: as `missed`, with the entry_id that was given.

    Where the answer was chosen among several, the words are those that were asked back about.
    """
    answer, before = aliased(Message), aliased(Message)
    query = (
        sa.select(
            *_columns(Message),
            Feedback.entry_id.label("entry_id"),
            before.id.label("before_id"),
            before.text.label("before_text"),
            before.category.label("before_category"),
            before.at.label("before_at"),
            before.outcome.label("before_outcome"),
        )
        .select_from(Feedback)
        .join(answer, answer.id == Feedback.message_id)
        .join(Message, Message.id == _last_id(answer))
        .outerjoin(before, before.id == _last_id(Message))
        .where(Feedback.is_helpful.is_(False), Feedback.at >= since, Message.text != "")
        .order_by(Feedback.id.desc())
        .limit(limit)
    )
    return list(session.execute(query))


def marked_ids(session: Session | Connection, ids: Iterable[int]) -> frozenset[int]:
    """Those of these messages that were dealt with."""
    return frozenset(
        session.execute(sa.select(GapMark.message_id).where(GapMark.message_id.in_(list(ids)))).scalars()
    )


def add_marks(
    connection: Connection, ids: Iterable[int], *, action: str, entry_id: str, by: str, at: datetime
) -> list[int]:
    """Write down what was done about these words of contacts; gives those that nobody had dealt with before."""
    wanted = list(ids)
    # Held, so that of two who settle the same words at once the second finds the marks of the first.
    query = sa.select(Message.id).where(Message.id.in_(wanted), Message.is_inbound)
    known = connection.execute(query.order_by(Message.id).with_for_update()).scalars()
    fresh = sorted(set(known) - marked_ids(connection, wanted))
    rows = [
        {"message_id": one, "action": action, "entry_id": entry_id, "by": by, "at": at, "is_told": False}
        for one in fresh
    ]
    if rows:
        connection.execute(sa.insert(GapMark), rows)
    return fresh


def drop_marks(connection: Connection, *, by: str, at: datetime) -> int:
    """Take back what one person did at one moment; what askers were told of stays."""
    return connection.execute(
        sa.delete(GapMark).where(GapMark.by == by, GapMark.at == at, GapMark.is_told.is_(False))
    ).rowcount


def recent_deeds(session: Session, *, limit: int) -> list[sa.Row[Any]]:
    """What was done last, newest first: at, by, action, entry_id, count, told (how many askers), text (of one message)."""
    query = (
        sa.select(
            GapMark.at,
            GapMark.by,
            GapMark.action,
            GapMark.entry_id,
            sa.func.count().label("count"),
            sa.func.sum(sa.cast(GapMark.is_told, sa.Integer)).label("told"),
            sa.func.min(Message.text).label("text"),
        )
        .join(Message, Message.id == GapMark.message_id)
        .group_by(GapMark.at, GapMark.by, GapMark.action, GapMark.entry_id)
        .order_by(GapMark.at.desc())
        .limit(limit)
    )
    return list(session.execute(query))


def untold(session: Session | Connection, *, since: datetime) -> list[sa.Row[Any]]:
    """Askers who may be told once their question is answered, newest first: message_id, entry_id, conversation_id, text,
    account, openid, allowance, allowance_until."""
    query = (
        sa.select(
            GapMark.message_id,
            GapMark.entry_id,
            Message.conversation_id,
            Message.text,
            Contact.account,
            Contact.openid,
            Conversation.allowance,
            Conversation.allowance_until,
        )
        .join(Message, Message.id == GapMark.message_id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .where(
            GapMark.action.in_(("entry", "question")),
            GapMark.is_told.is_(False),
            Message.at >= since,
            Message.text != "",
            Contact.erased_at.is_(None),
        )
        .order_by(GapMark.message_id.desc())
    )
    return list(session.execute(query))


def set_told(connection: Connection, ids: Iterable[int], *, entry_id: str) -> None:
    """The askers of these words were told of the entry."""
    connection.execute(
        sa.update(GapMark).where(GapMark.message_id.in_(list(ids))).values(is_told=True, entry_id=entry_id)
    )


def asker_of(session: Session | Connection, message_id: int) -> sa.Row[Any] | None:
    """Who said something: text, category, outcome, conversation_id, ticket_id, and the contact's account, openid,
    applicant, person, phone, erased_at; None where no contact did."""
    columns: list[Any] = [
        Message.text,
        Message.category,
        Message.outcome,
        Message.conversation_id,
        Message.ticket_id,
        Contact.account,
        Contact.openid,
        Contact.applicant,
        Contact.person,
        Contact.phone,
        Contact.erased_at,
    ]
    query = (
        sa.select(*columns)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .where(Message.id == message_id, Message.is_inbound)
    )
    return session.execute(query).one_or_none()


def answer_to(session: Session | Connection, message_id: int, conversation_id: int) -> str:
    """The id of the entry that a contact's words were answered with at once; empty where none was."""
    query = (
        sa.select(Message.entry_id, Message.is_inbound)
        .where(Message.conversation_id == conversation_id, Message.id > message_id)
        .order_by(Message.id)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return row.entry_id or "" if row is not None and not row.is_inbound else ""


# --- proposals ---


def open_proposal(connection: Connection, message_id: int, kind: str) -> sa.Row[Any] | None:
    """The correction of a message that waits for a maintainer: id, by."""
    columns: list[Any] = [Proposal.id, Proposal.by]
    query = sa.select(*columns).where(
        Proposal.message_id == message_id, Proposal.kind == kind, Proposal.state == "open"
    )
    return connection.execute(query).first()


def lock_proposal(connection: Connection, proposal_id: int) -> sa.Row[Any] | None:
    """One correction, held until the transaction ends."""
    columns = Proposal.__table__.c
    query = sa.select(*columns).where(columns.id == proposal_id).with_for_update()
    return connection.execute(query).one_or_none()


def change_proposal(connection: Connection, proposal_id: int, **values: Any) -> None:
    """Write columns of a correction."""
    connection.execute(sa.update(Proposal).where(Proposal.id == proposal_id).values(**values))


def proposals(
    session: Session, *, state: str, before: int | None = None, limit: int = 50
) -> list[sa.Row[Any]]:
    """Corrections in a state, newest first, with the conversation of the message."""
    query = (
        sa.select(*Proposal.__table__.c, Message.conversation_id)
        .outerjoin(Message, Message.id == Proposal.message_id)
        .where(Proposal.state == state)
        .order_by(Proposal.id.desc())
        .limit(limit)
    )
    return list(session.execute(query.where(Proposal.id < before) if before else query))


def accepted_proposals(session: Session) -> list[sa.Row[Any]]:
    """Every correction that was accepted, oldest first."""
    query = sa.select(*Proposal.__table__.c).where(Proposal.state == "accepted").order_by(Proposal.id)
    return list(session.execute(query))


def count_proposals(session: Session) -> dict[str, int]:
    """How many corrections are in each state."""
    rows = session.execute(sa.select(Proposal.state, sa.func.count()).group_by(Proposal.state))
    return {row[0]: row[1] for row in rows}


def forget_words(connection: Connection, conversation_id: int) -> None:
    """The contact is forgotten: proposals keep what was decided, not the words."""
    theirs = sa.select(Message.id).where(Message.conversation_id == conversation_id)
    connection.execute(sa.update(Proposal).where(Proposal.message_id.in_(theirs)).values(text="", note=""))
