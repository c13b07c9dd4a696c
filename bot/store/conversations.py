"""Conversations, their messages, and the receipts that make one effect of one push."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Session, mapped_column

from bot.store.base import Base, insert_row
from bot.store.people import Contact


class Conversation(Base):
    """The talk with one contact; its row is the lock that keeps two quick messages in order."""

    __tablename__ = "conversation"
    __table_args__ = (sa.Index("ix_conversation_holder_updated_at", "holder", "updated_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    contact_id: Mapped[int] = mapped_column(sa.ForeignKey("contact.id"), unique=True)
    holder: Mapped[str] = mapped_column(sa.String(16), default="bot")  # bot | waiting | staff
    waiting_since: Mapped[datetime | None] = mapped_column(index=True)
    state: Mapped[dict[str, Any]] = mapped_column(default=dict)  # core.dialogue.DialogueState
    allowance: Mapped[int] = mapped_column(default=0)  # customer messages that may still be sent
    allowance_until: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(index=True)
    staff_id: Mapped[int | None] = mapped_column(index=True)  # who holds it, where staff do
    claimed_at: Mapped[datetime | None]
    assigned_why: Mapped[str] = mapped_column(
        sa.String(200), default=""
    )  # where nobody claimed it: why this person
    contact_at: Mapped[datetime | None]  # the contact's last message
    staff_at: Mapped[datetime | None]  # staff's last message
    last_id: Mapped[int] = mapped_column(default=0)  # of the newest message
    category: Mapped[str] = mapped_column(
        sa.String(32), default=""
    )  # of the contact's last words that had one


class Message(Base):
    """One message of a conversation, in the order of the ids; with what was decided about it."""

    __tablename__ = "message"
    __table_args__ = (
        sa.Index("ix_message_conversation_id_id", "conversation_id", "id"),
        sa.Index("ix_message_outcome_id", "outcome", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(sa.ForeignKey("conversation.id"))
    ticket_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ticket.id"), index=True)
    is_inbound: Mapped[bool]
    kind: Mapped[str] = mapped_column(sa.String(16))
    text: Mapped[str] = mapped_column(sa.Text, default="")
    details: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)  # media ids and the like, as they came
    is_material: Mapped[bool] = mapped_column(default=False)  # waits for the ticket that the form will open
    category: Mapped[str | None] = mapped_column(sa.String(32))
    outcome: Mapped[str | None] = mapped_column(sa.String(16))
    entry_id: Mapped[str | None] = mapped_column(sa.String(32), index=True)
    author: Mapped[str] = mapped_column(sa.String(60), default="")  # the member of staff who wrote it
    is_note: Mapped[bool] = mapped_column(default=False)  # among staff: never sent
    outbox_key: Mapped[str | None] = mapped_column(
        sa.String(100), index=True
    )  # what became of it stands there
    at: Mapped[datetime]


class Receipt(Base):
    """One push, by its key: that it was taken, and what was answered."""

    __tablename__ = "receipt"
    __table_args__ = (
        sa.Index(
            "ix_receipt_queued",
            "at",
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        ),
    )

    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    conversation_id: Mapped[int | None] = mapped_column(sa.ForeignKey("conversation.id"), index=True)
    state: Mapped[str] = mapped_column(sa.String(10))  # queued | answered
    incoming: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)  # only while queued
    tries: Mapped[int] = mapped_column(default=0)  # how often a queued push was worked on in vain
    reply: Mapped[str] = mapped_column(sa.Text, default="")  # the passive reply's text; empty: success
    late_reply: Mapped[str | None] = mapped_column(sa.Text)  # came after the budget; collected by 查看答复
    at: Mapped[datetime] = mapped_column(index=True)


class Feedback(Base):
    """有帮助 or 没帮助 on one answer; a later word replaces the earlier."""

    __tablename__ = "feedback"
    __table_args__ = (sa.UniqueConstraint("message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(sa.ForeignKey("message.id"))
    entry_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    is_helpful: Mapped[bool]
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Talk:
    """A contact and their conversation, read together."""

    contact_id: int
    conversation_id: int
    account: str
    openid: str
    applicant: str
    person: str
    phone: str
    has_consented: bool
    holder: str
    state: Mapping[str, Any]
    allowance: int
    allowance_until: datetime | None


def _or_as_it_is(name: str, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    # With the column's type: a moment would else be stored in the zone it came in.
    return sa.func.coalesce(sa.bindparam(name, type_=column.type), column)


_TALK = (
    sa.select(
        Contact.id.label("contact_id"),
        Conversation.id.label("conversation_id"),
        Contact.account,
        Contact.openid,
        Contact.applicant,
        Contact.person,
        Contact.phone,
        Contact.consented_at.is_not(None).label("has_consented"),
        Conversation.holder,
        Conversation.state,
        Conversation.allowance,
        Conversation.allowance_until,
    )
    .join(Conversation, Conversation.contact_id == Contact.id)
    .where(Contact.account == sa.bindparam("account"), Contact.openid == sa.bindparam("openid"))
    .with_for_update(of=Conversation)
)
_RECEIPT = sa.select(
    Receipt.key, Receipt.state, Receipt.reply, Receipt.at, Receipt.conversation_id, Receipt.incoming
).where(Receipt.key == sa.bindparam("key"))
_CONVERSATION_TABLE = Conversation.__table__
_MESSAGE_TABLE = Message.__table__
_RECEIPT_TABLE = Receipt.__table__
_UPDATE_CONVERSATION = (
    sa.update(_CONVERSATION_TABLE)  # type: ignore[arg-type]
    .where(_CONVERSATION_TABLE.c.id == sa.bindparam("row_id"))
    .values(
        state=sa.bindparam("new_state"),
        allowance=sa.bindparam("new_allowance"),
        allowance_until=sa.bindparam("new_until"),
        last_id=_or_as_it_is("new_last", _CONVERSATION_TABLE.c.last_id),
        contact_at=_or_as_it_is("new_word", _CONVERSATION_TABLE.c.contact_at),
        category=_or_as_it_is("new_category", _CONVERSATION_TABLE.c.category),
        updated_at=sa.bindparam("now"),
    )
)


def receipt_of(connection: Connection, key: str) -> sa.Row[Any] | None:
    """What is known of the push with that key."""
    return connection.execute(_RECEIPT, {"key": key}).one_or_none()


def talk_with(connection: Connection, account: str, openid: str, *, now: datetime) -> Talk:
    """Lock and read the conversation with a contact; both are made when they are new."""
    row = connection.execute(_TALK, {"account": account, "openid": openid}).mappings().one_or_none()
    if row is not None:
        return Talk(**row)
    contact_id = insert_row(
        connection,
        Contact,
        account=account,
        openid=openid,
        applicant="",
        person="",
        phone="",
        station="",
        is_subscribed=True,
        created_at=now,
    )
    conversation_id = insert_row(
        connection, Conversation, contact_id=contact_id, holder="bot", state={}, allowance=0, updated_at=now
    )
    return Talk(contact_id, conversation_id, account, openid, "", "", "", False, "bot", {}, 0, None)


def append_message(connection: Connection, row: Mapping[str, Any]) -> int:
    """Append a message, and leave its conversation's row to `save_conversation`; gives its id."""
    key = connection.execute(sa.insert(_MESSAGE_TABLE), row).inserted_primary_key  # type: ignore[arg-type]
    assert key is not None
    return int(key[0])


def add_message(connection: Connection, row: Mapping[str, Any]) -> int:
    """Append a message and note in its conversation's row what the lists of the console show; gives its id."""
    message_id = append_message(connection, row)
    changes: dict[str, Any] = {"last_id": message_id, "updated_at": row["at"]}
    if row["is_inbound"] and row["kind"] != "event":
        changes |= {"contact_at": row["at"]} | ({"category": row["category"]} if row.get("category") else {})
    elif row.get("author") and not row.get("is_note"):
        changes["staff_at"] = row["at"]
    connection.execute(
        sa.update(Conversation).where(Conversation.id == row["conversation_id"]).values(**changes)
    )
    return message_id


def save_conversation(
    connection: Connection,
    conversation_id: int,
    *,
    state: Mapping[str, Any],
    allowance: int,
    until: datetime | None,
    now: datetime,
    last_id: int | None = None,
    contact_at: datetime | None = None,
    category: str | None = None,
) -> None:
    """Write the conversation's new state; who holds it is changed elsewhere, and the last three stay where None."""
    connection.execute(
        _UPDATE_CONVERSATION,
        {
            "row_id": conversation_id,
            "new_state": state,
            "new_allowance": allowance,
            "new_until": until,
            "new_last": last_id,
            "new_word": contact_at,
            "new_category": category,
            "now": now,
        },
    )


def save_receipt(connection: Connection, row: Mapping[str, Any], *, is_known: bool) -> None:
    """Write the receipt of a push: a new row, or the end of a queued one."""
    if is_known:
        connection.execute(sa.update(Receipt).where(Receipt.key == row["key"]).values(**row))
    else:
        connection.execute(sa.insert(_RECEIPT_TABLE), [row])  # type: ignore[arg-type]


def queued_receipts(session: Session, *, before: datetime, limit: int = 1000) -> list[sa.Row[Any]]:
    """Pushes that were taken but not finished, oldest first: key, the push itself, vain tries."""
    return list(
        session.execute(
            sa.select(Receipt.key, Receipt.incoming, Receipt.tries)
            .where(Receipt.state == "queued", Receipt.at < before)
            .order_by(Receipt.at, Receipt.key)
            .limit(limit)
        )
    )


def claim_receipt(connection: Connection, key: str, *, tries: int) -> bool:
    """Count one more try at a queued push; False when another worker has it."""
    claimed = connection.execute(
        sa.update(Receipt)
        .where(Receipt.key == key, Receipt.state == "queued", Receipt.tries == tries)
        .values(tries=tries + 1)
    )
    return claimed.rowcount == 1


def count_receipts(session: Session) -> dict[str, int]:
    """How many remembered pushes are in each state."""
    return {
        row[0]: row[1]
        for row in session.execute(sa.select(Receipt.state, sa.func.count()).group_by(Receipt.state))
    }


def late_replies(connection: Connection, conversation_id: int) -> list[sa.Row[Any]]:
    """Replies that came too late and wait to be collected, oldest first."""
    return list(
        connection.execute(
            sa.select(Receipt.key, Receipt.late_reply)
            .where(Receipt.conversation_id == conversation_id, Receipt.late_reply.is_not(None))
            .order_by(Receipt.at)
        )
    )


def forget_receipts(connection: Connection, *, before: datetime) -> int:
    """Drop answered receipts older than that; gives how many."""
    return connection.execute(
        sa.delete(Receipt).where(
            Receipt.state == "answered", Receipt.at < before, Receipt.late_reply.is_(None)
        )
    ).rowcount


def last_answer_message(connection: Connection, conversation_id: int, entry_id: str) -> int | None:
    """The id of the newest message that gave that entry."""
    return connection.execute(
        sa.select(Message.id)
        .where(
            Message.conversation_id == conversation_id,
            Message.entry_id == entry_id,
            Message.is_inbound.is_(False),
        )
        .order_by(Message.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def scrub_messages(connection: Connection, conversation_id: int, *, since: datetime | None = None) -> None:
    """Take the words and details out of a conversation's messages, of those since then if named; that they were
    exchanged remains."""
    first = since or datetime.min.replace(tzinfo=UTC)
    connection.execute(
        sa.update(Message)
        .where(Message.conversation_id == conversation_id, Message.at >= first)
        .values(text="", details=None)
    )
    connection.execute(
        sa.update(Receipt)
        .where(Receipt.conversation_id == conversation_id, Receipt.at >= first)
        .values(reply="", late_reply=None, incoming=None, state="answered")
    )


def waiting_conversations(session: Session) -> list[sa.Row[Any]]:
    """Conversations that wait for staff, the longest first."""
    return list(
        session.execute(
            sa.select(
                Conversation.id,
                Conversation.waiting_since,
                Contact.applicant,
                Contact.person,
                Contact.account,
            )
            .join(Contact, Contact.id == Conversation.contact_id)
            .where(Conversation.holder == "waiting")
            .order_by(Conversation.waiting_since)
            .limit(200)
        )
    )


def transcript(session: Session, conversation_id: int, *, limit: int = 200) -> list[sa.Row[Any]]:
    """The newest messages of a conversation, in order."""
    rows = session.execute(
        sa.select(
            Message.id,
            Message.is_inbound,
            Message.kind,
            Message.text,
            Message.at,
            Message.outcome,
            Message.entry_id,
        )
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.id.desc())
        .limit(limit)
    ).all()
    return list[Any](rows)[::-1]


def save_feedback(
    connection: Connection, conversation_id: int, *, entry_id: str, is_helpful: bool, at: datetime
) -> None:
    """有帮助 or 没帮助 on the newest answer with that entry; a later word replaces the earlier."""
    message_id = last_answer_message(connection, conversation_id, entry_id)
    if message_id is None:
        return
    connection.execute(sa.delete(Feedback).where(Feedback.message_id == message_id))
    connection.execute(
        sa.insert(Feedback).values(message_id=message_id, entry_id=entry_id, is_helpful=is_helpful, at=at)
    )


def has_queued(connection: Connection, conversation_id: int) -> bool:
    """Is an answer of this conversation still being worked on?"""
    return (
        connection.execute(
            sa.select(Receipt.key).where(
                Receipt.conversation_id == conversation_id, Receipt.state == "queued"
            )
        ).first()
        is not None
    )


def clear_late(connection: Connection, conversation_id: int) -> None:
    """The late replies have been given."""
    connection.execute(
        sa.update(Receipt)
        .where(Receipt.conversation_id == conversation_id, Receipt.late_reply.is_not(None))
        .values(late_reply=None)
    )
