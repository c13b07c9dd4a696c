"""What the staff console keeps besides conversations: what somebody has read, canned replies, saved views."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.core.ticket_states import FINAL
from bot.store.attachments import Attachment, FileState
from bot.store.base import Base
from bot.store.conversations import Conversation, Message
from bot.store.people import Contact, Staff
from bot.store.referrals import OPEN, Referral
from bot.store.tickets import Ticket

QUIET = timedelta(days=7)  # no word for so long: the conversation has ended
SEARCHED = timedelta(days=90)  # how far back words are looked for
_SEARCHED_MESSAGES = 100_000  # and in how many messages at most
_COUNTED = 1000  # more are not counted one by one


class Reading(Base):
    """How far a member of staff has read a conversation."""

    __tablename__ = "reading"

    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(sa.ForeignKey("conversation.id"), primary_key=True)
    message_id: Mapped[int]  # the last message seen


class CannedReply(Base):
    """A reply that staff send often; {gaps} are filled when it is used."""

    __tablename__ = "canned_reply"

    id: Mapped[int] = mapped_column(primary_key=True)
    shortcut: Mapped[str] = mapped_column(sa.String(30), unique=True)  # typed after a slash
    title: Mapped[str] = mapped_column(sa.String(80))
    text: Mapped[str] = mapped_column(sa.Text)
    category: Mapped[str] = mapped_column(sa.String(32), default="")  # empty: for all
    is_suspended: Mapped[bool] = mapped_column(default=False)  # its basis has expired
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(sa.String(60))


class SavedView(Base):
    """A filter of the request board that somebody keeps under a name."""

    __tablename__ = "saved_view"
    __table_args__ = (sa.UniqueConstraint("staff_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(sa.ForeignKey("staff.id"))
    name: Mapped[str] = mapped_column(sa.String(40))
    query: Mapped[str] = mapped_column(sa.Text)  # of the address


# --- the inbox ---


class Tab(StrEnum):
    """The lists of the inbox."""

    QUEUE = "queue"  # wait for staff, the longest first
    MINE = "mine"
    OTHERS = "others"  # colleagues hold them
    BOT = "bot"
    ENDED = "ended"  # with the bot, no word for a week


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which conversations are looked for; an empty value sifts nothing out."""

    tab: Tab
    staff_id: int  # who looks
    category: str = ""
    station: str = ""
    urgency: str = ""  # of an open ticket

    def clauses(self, now: datetime) -> list[sa.ColumnElement[bool]]:
        """The conditions on the rows."""
        found = _in_tab(self.tab, self.staff_id, now)
        if self.category:
            found.append(Conversation.category == self.category)
        if self.station:
            found.append(Contact.station == self.station)
        if self.urgency:
            urgent = sa.select(Ticket.contact_id).where(
                Ticket.urgency == self.urgency, Ticket.state.not_in([state.value for state in FINAL])
            )
            found.append(Conversation.contact_id.in_(urgent))
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the inbox ended: the moment it is sorted by, and the id."""

    at: datetime
    id: int


def _in_tab(tab: Tab, staff_id: int, now: datetime) -> list[sa.ColumnElement[bool]]:
    """The conditions of a list; each has an index to begin with."""
    match tab:
        case Tab.QUEUE:
            return [Conversation.holder == "waiting"]
        case Tab.MINE:
            return [Conversation.staff_id == staff_id, Conversation.holder == "staff"]
        case Tab.OTHERS:
            return [Conversation.holder == "staff", Conversation.staff_id != staff_id]
        case Tab.BOT:
            return [Conversation.holder == "bot", Conversation.updated_at > now - QUIET]
        case Tab.ENDED:
            return [Conversation.holder == "bot", Conversation.updated_at <= now - QUIET]


def inbox(
    session: Session, sieve: Sieve, *, now: datetime, after: Place | None = None, limit: int = 30
) -> list[sa.Row[Any]]:
    """One page of a list: the queue from the longest wait on, the others from the newest word on; beyond `after`.

    id, holder, waiting_since, staff_id, staff (name), updated_at, contact_at, staff_at, last_id, category, applicant,
    person, account, station, is_erased, and of the last message: text, kind, is_inbound, is_note.
    """
    is_queue = sieve.tab is Tab.QUEUE
    moment = Conversation.waiting_since if is_queue else Conversation.updated_at
    order = [moment, Conversation.id] if is_queue else [moment.desc(), Conversation.id.desc()]
    query = _INBOX.where(*sieve.clauses(now)).order_by(*order).limit(limit)
    if after is not None:
        beyond = moment > after.at if is_queue else moment < after.at
        later = Conversation.id > after.id if is_queue else Conversation.id < after.id
        edge = moment >= after.at if is_queue else moment <= after.at
        # The edge comes first: the index is entered there.
        query = query.where(edge, sa.or_(beyond, later))
    return list(session.execute(query))


_INBOX = (
    sa.select(
        Conversation.id,
        Conversation.holder,
        Conversation.waiting_since,
        Conversation.staff_id,
        Staff.name.label("staff"),
        Conversation.updated_at,
        Conversation.contact_at,
        Conversation.staff_at,
        Conversation.last_id,
        Conversation.category,
        Contact.applicant,
        Contact.person,
        Contact.account,
        Contact.station,
        Contact.erased_at.is_not(None).label("is_erased"),
        Message.text,
        Message.kind,
        Message.is_inbound,
        Message.is_note,
    )
    .join(Contact, Contact.id == Conversation.contact_id)
    .outerjoin(Staff, Staff.id == Conversation.staff_id)
    .outerjoin(Message, Message.id == Conversation.last_id)
)


def inbox_counts(session: Session, staff_id: int, *, now: datetime) -> dict[Tab, int]:
    """How many conversations each list has; at most 1,000 are counted."""
    counts = {}
    for tab in Tab:
        some = sa.select(Conversation.id).where(*_in_tab(tab, staff_id, now)).limit(_COUNTED).subquery()
        counts[tab] = session.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return counts


def unread_counts(session: Session, staff_id: int, ids: Collection[int], *, name: str = "") -> dict[int, int]:
    """Conversation -> how many messages of the contact (and notes that call this `name`) the person has not seen.

    Without the conversations that have none.
    """
    called = sa.and_(Message.is_note.is_(True), Message.text.contains(f"@{name}", autoescape=True))
    concerns = sa.or_(Message.is_inbound.is_(True), called) if name else Message.is_inbound.is_(True)
    read = sa.and_(Reading.conversation_id == Message.conversation_id, Reading.staff_id == staff_id)
    query = (
        sa.select(Message.conversation_id, sa.func.count())
        .outerjoin(Reading, read)
        .where(
            Message.conversation_id.in_(ids),
            concerns,
            Message.id > sa.func.coalesce(Reading.message_id, 0),
        )
        .group_by(Message.conversation_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def calling(session: Session, staff_id: int) -> tuple[int, int]:
    """What asks for this person: how many conversations wait, and how many of their own have unread words."""
    waiting = sa.select(sa.func.count()).select_from(Conversation).where(Conversation.holder == "waiting")
    own = sa.select(Conversation.id).where(Conversation.staff_id == staff_id, Conversation.holder == "staff")
    unread = unread_counts(session, staff_id, list(session.scalars(own)))
    return session.execute(waiting).scalar_one(), len(unread)


def newest_word(session: Session) -> datetime | None:
    """When a conversation changed last."""
    return session.execute(sa.select(sa.func.max(Conversation.updated_at))).scalar_one()


def stations(session: Session) -> list[str]:
    """The stations that conversations which are not the bot's came from."""
    query = sa.select(Contact.station).join(Conversation, Conversation.contact_id == Contact.id)
    held = query.where(Conversation.holder.in_(("waiting", "staff")), Contact.station != "")
    return sorted(set(session.scalars(held)))


def search(
    session: Session, words: Collection[str], *, now: datetime, before: int | None = None, limit: int = 30
) -> list[sa.Row[Any]]:
    """Messages that hold all these words, newest first, below the id `before`: id, conversation_id, text, at, …

    Only the last 90 days are searched, and of those the newest 100,000 messages: LIKE reads each of them.
    """
    newest = sa.select(sa.func.coalesce(sa.func.max(Message.id), 0)).scalar_subquery()
    query = (
        sa.select(
            Message.id,
            Message.conversation_id,
            Message.text,
            Message.at,
            Message.is_inbound,
            Message.is_note,
            Message.author,
            Contact.applicant,
            Contact.person,
            Contact.account,
        )
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Contact, Contact.id == Conversation.contact_id)
        .where(Message.id > newest - _SEARCHED_MESSAGES, Message.at >= now - SEARCHED)
        .where(*(Message.text.contains(word, autoescape=True) for word in words))
        .order_by(Message.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Message.id < before)
    return list(session.execute(query))


# --- one conversation ---


def talk(session: Session | Connection, conversation_id: int) -> Any:
    """A conversation with its contact and who holds it, as columns; None where there is none."""
    columns, people = Conversation.__table__.c, Contact.__table__.c
    named = [people.account, people.applicant, people.person, people.phone, people.station]
    wanted = [
        *columns,
        *named,
        people.created_at,
        people.consented_at,
        people.erased_at,
        people.is_subscribed,
    ]
    query = (
        sa.select(*wanted, Staff.name.label("staff"))
        .join(Contact, people.id == columns.contact_id)
        .outerjoin(Staff, Staff.id == columns.staff_id)
    )
    return session.execute(query.where(columns.id == conversation_id)).one_or_none()


def messages(
    session: Session,
    conversation_id: int,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int = 60,
) -> list[sa.Row[Any]]:
    """Messages in order, as columns: those beyond the id `after`, else the newest (below `before`, where named)."""
    columns = Message.__table__.c
    query = sa.select(*columns).where(columns.conversation_id == conversation_id)
    if after is not None:
        return list(session.execute(query.where(columns.id > after).order_by(columns.id).limit(limit)))
    if before is not None:
        query = query.where(columns.id < before)
    return list(session.execute(query.order_by(columns.id.desc()).limit(limit)))[::-1]


def message_before(session: Session, conversation_id: int, message_id: int, *, steps: int) -> int:
    """The id that stands so many messages before that one; 0 where there are fewer."""
    query = sa.select(Message.id).where(Message.conversation_id == conversation_id, Message.id <= message_id)
    found = session.execute(query.order_by(Message.id.desc()).offset(steps).limit(1)).scalar_one_or_none()
    return found or 0


def last_words(session: Session, conversation_id: int) -> Any:
    """The contact's last message that has words of their own: id, text."""
    query = sa.select(Message.id, Message.text).where(
        Message.conversation_id == conversation_id,
        Message.is_inbound.is_(True),
        Message.kind.in_(("text", "voice")),
        Message.text != "",
    )
    return session.execute(query.order_by(Message.id.desc()).limit(1)).one_or_none()


def files_of_messages(session: Session, ids: Iterable[int]) -> Mapping[int, Any]:
    """Message -> its file: id, message_id, kind, name, media_type, size, state."""
    columns = Attachment.__table__.c
    wanted = [columns.id, columns.message_id, columns.kind, columns.name, columns.media_type, columns.size]
    query = sa.select(*wanted, columns.state).where(
        columns.message_id.in_(list(ids)), columns.state != FileState.ERASED
    )
    return {row.message_id: row for row in session.execute(query)}


def open_referrals_of(session: Session, contact_id: int) -> list[sa.Row[Any]]:
    """The referrals of a contact's tickets that a provider is answering or working on: number, name, state, at."""
    query = (
        sa.select(Ticket.number, Referral.name, Referral.state, Referral.at)
        .join(Referral, Referral.ticket_id == Ticket.id)
        .where(Ticket.contact_id == contact_id, Referral.state.in_(OPEN))
        .order_by(Referral.id.desc())
        .limit(10)
    )
    return list(session.execute(query))


def answerers(session: Session) -> list[sa.Row[Any]]:
    """The open accounts: id, name, role, is_away, seen_at, by name."""
    query = sa.select(Staff.id, Staff.name, Staff.role, Staff.is_away, Staff.seen_at)
    return list(session.execute(query.where(Staff.closed_at.is_(None)).order_by(Staff.name)))


def is_away(session: Session, staff_id: int) -> bool:
    """Has this person said that they get no conversations?"""
    return bool(session.execute(sa.select(Staff.is_away).where(Staff.id == staff_id)).scalar_one_or_none())


# --- canned replies ---


def canned_replies(session: Session | Connection) -> list[sa.Row[Any]]:
    """All canned replies as columns, by shortcut."""
    columns = CannedReply.__table__.c
    return list(session.execute(sa.select(*columns).order_by(columns.shortcut)))


def canned_reply(session: Session | Connection, reply_id: int) -> sa.Row[Any] | None:
    """One canned reply, as columns."""
    columns = CannedReply.__table__.c
    return session.execute(sa.select(*columns).where(columns.id == reply_id)).one_or_none()


def change_canned(connection: Connection, reply_id: int, **values: Any) -> bool:
    """Write a canned reply anew; False where there is none."""
    changed = connection.execute(sa.update(CannedReply).where(CannedReply.id == reply_id).values(**values))
    return changed.rowcount == 1


def drop_canned(connection: Connection, reply_id: int) -> bool:
    """Remove a canned reply; False where there is none."""
    return connection.execute(sa.delete(CannedReply).where(CannedReply.id == reply_id)).rowcount == 1
