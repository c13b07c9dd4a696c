"""Who holds a conversation: the queue, claims as conditional updates, who is here, and what was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.core.permissions import Role
from bot.core.ticket_states import FINAL
from bot.store.audit import AuditLine
from bot.store.console import Reading
from bot.store.conversations import Conversation, Message
from bot.store.people import Contact, Staff
from bot.store.tickets import Ticket

BOT, WAITING, STAFF = "bot", "waiting", "staff"


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation with its contact and its holder, as staff's actions need them."""

    id: int
    contact_id: int
    account: str
    openid: str
    phone: str
    station: str
    is_erased: bool
    holder: str
    staff_id: int | None
    staff_name: str | None
    waiting_since: datetime | None
    claimed_at: datetime | None
    contact_at: datetime | None
    staff_at: datetime | None
    last_id: int
    category: str
    state: Mapping[str, Any]


_HELD = (
    sa.select(
        Conversation.id,
        Conversation.contact_id,
        Contact.account,
        Contact.openid,
        Contact.phone,
        Contact.station,
        Contact.erased_at.is_not(None).label("is_erased"),
        Conversation.holder,
        Conversation.staff_id,
        Staff.name.label("staff_name"),
        Conversation.waiting_since,
        Conversation.claimed_at,
        Conversation.contact_at,
        Conversation.staff_at,
        Conversation.last_id,
        Conversation.category,
        Conversation.state,
    )
    .join(Contact, Contact.id == Conversation.contact_id)
    .outerjoin(Staff, Staff.id == Conversation.staff_id)
)


def held(session: Session | Connection, conversation_id: int, *, has_lock: bool = False) -> Held | None:
    """The conversation; with `has_lock` it stays as it is until the transaction ends."""
    query = _HELD.where(Conversation.id == conversation_id)
    if has_lock:
        query = query.with_for_update(of=Conversation)
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else Held(**row)


def held_by_staff(session: Session, *, spoken_before: datetime) -> list[Held]:
    """The conversations that staff have held since then, and in which neither side has written."""
    query = _HELD.where(
        Conversation.holder == STAFF,
        Conversation.claimed_at <= spoken_before,
        sa.or_(Conversation.contact_at.is_(None), Conversation.contact_at <= spoken_before),
        sa.or_(Conversation.staff_at.is_(None), Conversation.staff_at <= spoken_before),
    )
    return [Held(**row) for row in session.execute(query.order_by(Conversation.id)).mappings()]


def in_queue(session: Session | Connection) -> list[Held]:
    """The conversations that wait for staff, the longest first."""
    query = _HELD.where(Conversation.holder == WAITING)
    rows = session.execute(query.order_by(Conversation.waiting_since, Conversation.id)).mappings()
    return [Held(**row) for row in rows]


def take(
    connection: Connection,
    conversation_id: int,
    *,
    staff_id: int,
    now: datetime,
    why: str = "",
    from_bot: bool = False,
) -> bool:
    """Give a conversation that waits (or is with the bot) to somebody; False where another was quicker."""
    free = (WAITING, BOT) if from_bot else (WAITING,)
    # Who was never in the queue has not waited: the next wait would else be expected from it.
    since = sa.case((Conversation.holder == WAITING, Conversation.waiting_since))
    taken = connection.execute(
        sa.update(Conversation)
        .where(Conversation.id == conversation_id, Conversation.holder.in_(free))
        .values(
            holder=STAFF,
            staff_id=staff_id,
            claimed_at=now,
            assigned_why=why,
            waiting_since=since,
            updated_at=now,
        )
    )
    return taken.rowcount == 1


def pass_on(
    connection: Connection, conversation_id: int, *, seen: int | None, to: int, why: str, now: datetime
) -> bool:
    """Give a conversation from one member of staff to another; False where it is no longer with the first."""
    passed = connection.execute(
        sa.update(Conversation)
        .where(
            Conversation.id == conversation_id, Conversation.holder == STAFF, Conversation.staff_id == seen
        )
        # How long the contact has waited says nothing any more: it ended with the first.
        .values(staff_id=to, claimed_at=now, waiting_since=None, assigned_why=why, updated_at=now)
    )
    return passed.rowcount == 1


def let_go(connection: Connection, conversation_id: int, *, seen: int | None) -> bool:
    """Give a conversation of that member of staff back to the bot; False where it is no longer with them."""
    gone = connection.execute(
        sa.update(Conversation)
        .where(
            Conversation.id == conversation_id, Conversation.holder == STAFF, Conversation.staff_id == seen
        )
        .values(holder=BOT, staff_id=None, assigned_why="")
    )
    return gone.rowcount == 1


def end_holding(connection: Connection, conversation_id: int) -> None:
    """Nobody waits and nobody holds it any more: the contact is gone."""
    connection.execute(
        sa.update(Conversation)
        .where(Conversation.id == conversation_id, Conversation.holder != BOT)
        .values(holder=BOT, staff_id=None, waiting_since=None, assigned_why="")
    )


# --- the queue ---


def wait_for_staff(connection: Connection, conversation_id: int, *, now: datetime) -> datetime:
    """Put a conversation into the queue unless it is there; gives since when it waits."""
    connection.execute(
        sa.update(Conversation)
        .where(Conversation.id == conversation_id, Conversation.holder == BOT)
        .values(holder=WAITING, waiting_since=now)
    )
    since = connection.execute(
        sa.select(Conversation.waiting_since).where(Conversation.id == conversation_id)
    ).scalar_one()
    return since or now


def leave_queue(connection: Connection, conversation_id: int) -> bool:
    """The contact no longer waits; False where they did not."""
    left = connection.execute(
        sa.update(Conversation)
        .where(Conversation.id == conversation_id, Conversation.holder == WAITING)
        .values(holder=BOT, waiting_since=None)
    )
    return left.rowcount == 1


def count_ahead(connection: Connection, conversation_id: int, *, since: datetime) -> int:
    """How many come before a conversation that waits since that moment."""
    same = sa.and_(Conversation.waiting_since == since, Conversation.id < conversation_id)
    query = sa.select(sa.func.count()).where(
        Conversation.holder == WAITING, sa.or_(Conversation.waiting_since < since, same)
    )
    return connection.execute(query).scalar_one()


def last_waits(session: Session | Connection, *, limit: int) -> list[sa.Row[Any]]:
    """The waits that began last and ended with somebody who came: waiting_since, claimed_at."""
    return list(
        session.execute(
            sa.select(Conversation.waiting_since, Conversation.claimed_at)
            .where(
                Conversation.waiting_since.is_not(None),
                Conversation.holder != WAITING,
                Conversation.claimed_at >= Conversation.waiting_since,
            )
            .order_by(Conversation.waiting_since.desc())
            .limit(limit)
        )
    )


# --- people ---


def people_here(
    session: Session | Connection, roles: Sequence[Role], *, since: datetime
) -> list[sa.Row[Any]]:
    """Open accounts of these roles whose console was open since then and who take chats: id, name, skills."""
    query = sa.select(Staff.id, Staff.name, Staff.skills).where(
        Staff.role.in_([role.value for role in roles]),
        Staff.seen_at >= since,
        Staff.is_away.is_(False),
        Staff.closed_at.is_(None),
        Staff.must_change.is_(False),
    )
    return list(session.execute(query.order_by(Staff.id)))


def open_people(session: Session | Connection, roles: Sequence[Role]) -> dict[str, int]:
    """The open accounts of these roles: name -> id."""
    query = sa.select(Staff.name, Staff.id).where(
        Staff.role.in_([role.value for role in roles]), Staff.closed_at.is_(None)
    )
    return {row.name: row.id for row in session.execute(query.order_by(Staff.name))}


def held_counts(connection: Connection) -> dict[int, int]:
    """How many conversations each member of staff holds."""
    query = sa.select(Conversation.staff_id, sa.func.count()).where(Conversation.holder == STAFF)
    rows = connection.execute(query.group_by(Conversation.staff_id))
    return {row[0]: row[1] for row in rows if row[0] is not None}


def given_since(connection: Connection, whats: Sequence[str], *, since: datetime) -> dict[str, datetime]:
    """Who was given a conversation last, and when: the note of those lines of the audit trail is the name."""
    query = (
        sa.select(AuditLine.note, sa.func.max(AuditLine.at))
        .where(AuditLine.at >= since, AuditLine.what.in_(whats))
        .group_by(AuditLine.note)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def was_seen(session: Session, staff_id: int, *, since: datetime) -> bool:
    """Was somebody's console open since then?"""
    query = sa.select(Staff.id).where(Staff.id == staff_id, Staff.seen_at > since)
    return session.execute(query).first() is not None


def touch_staff(connection: Connection, staff_id: int, *, now: datetime) -> None:
    """Somebody's console is open."""
    connection.execute(sa.update(Staff).where(Staff.id == staff_id).values(seen_at=now))


def set_away(connection: Connection, staff_id: int, *, is_away: bool) -> None:
    """Somebody takes no conversations for a while, or takes them again."""
    connection.execute(sa.update(Staff).where(Staff.id == staff_id).values(is_away=is_away))


# --- messages ---


def message_keyed(connection: Connection, conversation_id: int, key: str) -> int | None:
    """The id of the message of that key."""
    query = sa.select(Message.id).where(Message.outbox_key == key, Message.conversation_id == conversation_id)
    return connection.execute(query.limit(1)).scalar_one_or_none()


def last_author(connection: Connection, conversation_id: int) -> str:
    """Who of staff spoke last with this contact; empty where nobody did."""
    query = sa.select(Message.author).where(
        Message.conversation_id == conversation_id, Message.author != "", Message.is_note.is_(False)
    )
    return connection.execute(query.order_by(Message.id.desc()).limit(1)).scalar_one_or_none() or ""


def last_words(connection: Connection, conversation_id: int, *, limit: int = 20) -> list[sa.Row[Any]]:
    """What the contact wrote, the newest first: kind, text, outcome, category."""
    query = sa.select(Message.kind, Message.text, Message.outcome, Message.category).where(
        Message.conversation_id == conversation_id, Message.is_inbound.is_(True)
    )
    return list(connection.execute(query.order_by(Message.id.desc()).limit(limit)))


def open_ticket(connection: Connection, contact_id: int) -> sa.Row[Any] | None:
    """The contact's newest request that is not ended, as columns."""
    columns = Ticket.__table__.c
    query = sa.select(*columns).where(
        columns.contact_id == contact_id, columns.state.not_in([state.value for state in FINAL])
    )
    return connection.execute(query.order_by(columns.id.desc()).limit(1)).one_or_none()


def save_state(connection: Connection, conversation_id: int, state: Mapping[str, Any]) -> None:
    """Write the dialogue's state, where staff or the worker finished something of it."""
    connection.execute(sa.update(Conversation).where(Conversation.id == conversation_id).values(state=state))


# --- what was read ---


def read_up_to(session: Session | Connection, staff_id: int, conversation_id: int) -> int:
    """The id of the last message that somebody has seen; 0 where none."""
    query = sa.select(Reading.message_id).where(
        Reading.staff_id == staff_id, Reading.conversation_id == conversation_id
    )
    return session.execute(query).scalar_one_or_none() or 0


def note_read(connection: Connection, staff_id: int, conversation_id: int, *, message_id: int) -> None:
    """Somebody has seen the messages up to that one; what was seen stays seen."""
    mine = sa.and_(Reading.staff_id == staff_id, Reading.conversation_id == conversation_id)
    if connection.execute(sa.select(Reading.message_id).where(mine)).first() is None:
        connection.execute(
            sa.insert(Reading).values(
                staff_id=staff_id, conversation_id=conversation_id, message_id=message_id
            )
        )
        return
    connection.execute(
        sa.update(Reading).where(mine, Reading.message_id < message_id).values(message_id=message_id)
    )
