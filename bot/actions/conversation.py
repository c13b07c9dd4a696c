"""receive(): one push in, one effect, one receipt; and what happens to pushes that took too long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.actions.asking import _note_event
from bot.actions.attachments import _note_media
from bot.actions.context import Context, Transaction
from bot.actions.deeds import _carry_out
from bot.actions.referrals import offers_for
from bot.actions.replies import _fit, _with_held, _with_survey
from bot.actions.surveys import survey_view
from bot.core.brain import Heard
from bot.core.dialogue import step, wants_late, wants_offers, wants_tickets
from bot.core.messages import Incoming, Kind
from bot.core.rating import tapped_survey, wants_survey
from bot.core.reach import Abilities, Channel, Purpose, Quotas, abilities, allowance_after
from bot.core.ticket_states import TicketKind, TicketState
from bot.core.tickets import TicketView
from bot.core.times import china_date
from bot.core.turns import DialogueState, EraseContact, Facts, KeepMaterial, Said, Turn
from bot.core.wording import say
from bot.store import conversations, delivery, people, takeover, tickets
from bot.store.conversations import Talk

_LEAVING = frozenset({"unsubscribe", "user_authorization_revoke", "user_authorization_cancellation"})
_WORDED = frozenset({Kind.TEXT, Kind.VOICE})
_MOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What the push is answered with; the same however often it is delivered."""

    text: str  # empty: success, nothing is said
    at: datetime  # when it was decided: the reply's CreateTime
    is_repeat: bool = False
    is_queued: bool = False


def hear(ctx: Context, incoming: Incoming) -> Heard | None:
    """Understand the words of a push, before any lock is taken; None where there are none."""
    if incoming.kind not in _WORDED or not incoming.text.strip():
        return None
    return ctx.brain.hear(incoming.text, today=china_date(incoming.received_at))


def receive(ctx: Context, incoming: Incoming, heard: Heard | None) -> Answer:
    """Take one push: one turn of the dialogue, its messages, commands and receipt in one transaction."""
    able = _abilities(ctx, incoming.account)
    person = incoming.details.get("person") or incoming.openid
    with ctx.transaction() as tx:
        if incoming.event in _LEAVING and not people.is_known(tx.connection, incoming.account, person):
            return _only_receipt(tx, incoming)
        # The state is read after the lock: two quick messages would otherwise both start from the old one.
        talk = conversations.talk_with(tx.connection, incoming.account, person, now=tx.now)
        known = conversations.receipt_of(tx.connection, incoming.key)
        if known is not None and known.state == "answered":
            return Answer(known.reply, known.at, is_repeat=True)
        is_late = known is not None or _is_late(ctx, tx.now, incoming)
        turn = _take_turn(ctx, tx, talk, incoming, heard)
        reply = _with_held(tx, talk, incoming, _carry_out(tx, talk, turn, incoming))
        reply = _with_survey(tx, talk, incoming, turn, reply)
        state, text = _fit(turn.state, reply, able)
        message_id, last_id = _record_messages(tx, talk, incoming, heard, turn, text)
        _note_media(tx, talk, incoming, message_id)
        _note_event(tx, talk, incoming)
        _save_talk(ctx, tx, talk, incoming, state, heard, last_id=last_id)
        _wake_staff(tx, talk, turn)
        return _settle(tx, talk, incoming, text, is_late=is_late, known=known, able=able)


def record_push(ctx: Context, incoming: Incoming) -> Answer:
    """Write a push down whose answer is not ready within the budget, so that it may be acknowledged."""
    able = _abilities(ctx, incoming.account)
    with ctx.transaction() as tx:
        known = conversations.receipt_of(tx.connection, incoming.key)
        if known is not None:
            return Answer(known.reply, known.at, is_repeat=True, is_queued=known.state == "queued")
        talk = conversations.talk_with(tx.connection, incoming.account, incoming.openid, now=tx.now)
        text = _holding_text(incoming, able)
        conversations.save_receipt(
            tx.connection,
            {
                "key": incoming.key,
                "conversation_id": talk.conversation_id,
                "state": "queued",
                "incoming": to_json(incoming),
                "reply": text,
                "late_reply": None,
                "at": tx.now,
            },
            is_known=False,
        )
        return Answer(text, tx.now, is_queued=True)


def queued(ctx: Context, *, older_than: timedelta, limit: int = 1000) -> list[tuple[Incoming, int]]:
    """Pushes that were acknowledged but not answered, oldest first, each with its vain tries."""
    with ctx.read() as session:
        rows = conversations.queued_receipts(session, before=ctx.clock.now() - older_than, limit=limit)
    return [(from_json(row.incoming), row.tries) for row in rows if row.incoming]


def finish(ctx: Context, incoming: Incoming, *, tries: int) -> bool:
    """Answer a queued push; False when another worker has it. After too many vain tries: an apology."""
    with ctx.transaction() as tx:
        if not conversations.claim_receipt(tx.connection, incoming.key, tries=tries):
            return False
    if tries >= _MOST_TRIES:
        _give_up(ctx, incoming)
    else:
        receive(ctx, incoming, hear(ctx, incoming))
    return True


def _give_up(ctx: Context, incoming: Incoming) -> None:
    able = _abilities(ctx, incoming.account)
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, incoming.account, incoming.openid, now=tx.now)
        known = conversations.receipt_of(tx.connection, incoming.key)
        if known is not None and known.state == "queued":
            _settle(tx, talk, incoming, say("late.failed"), is_late=True, known=known, able=able)


def forget_receipts(ctx: Context) -> int:
    """Drop receipts that no redelivery can ask for any more; gives how many."""
    with ctx.transaction() as tx:
        return conversations.forget_receipts(
            tx.connection, before=tx.now - timedelta(hours=ctx.settings.receipt_hours)
        )


def to_json(incoming: Incoming) -> dict[str, Any]:
    """A push as JSON values."""
    return {
        name: dict(value)
        if isinstance(value, Mapping)
        else value.isoformat()
        if isinstance(value, datetime)
        else value
        for name, value in ((name, getattr(incoming, name)) for name in Incoming.__dataclass_fields__)
    }


def from_json(data: Mapping[str, Any]) -> Incoming:
    """The opposite of `to_json`."""
    values = {name: data[name] for name in Incoming.__dataclass_fields__ if name in data}
    return Incoming(
        **{
            **values,
            "kind": Kind(values["kind"]),
            "received_at": datetime.fromisoformat(values["received_at"]),
        }
    )


# --- pieces of the one transaction ---


def _abilities(ctx: Context, account: str) -> Abilities:
    settings = ctx.settings.account(account)
    return abilities(account, settings.kind if settings else "", links=settings.links if settings else False)


def _is_late(ctx: Context, now: datetime, incoming: Incoming) -> bool:
    return now - incoming.received_at > timedelta(seconds=ctx.settings.callback_budget)


def _holding_text(incoming: Incoming, able: Abilities) -> str:
    """What is said at once when the answer comes later: nothing where a customer message will bring it."""
    if able.has_customer_messages or incoming.kind is Kind.EVENT:
        return ""
    return say("late.ask")


def _only_receipt(tx: Transaction, incoming: Incoming) -> Answer:
    """Somebody whom we do not know has left: there is nothing to erase."""
    if conversations.receipt_of(tx.connection, incoming.key) is None:
        row = _receipt_row(incoming, None, "", tx.now)
        conversations.save_receipt(tx.connection, row, is_known=False)
    return Answer("", tx.now)


def _receipt_row(incoming: Incoming, conversation_id: int | None, reply: str, at: datetime) -> dict[str, Any]:
    return {
        "key": incoming.key,
        "conversation_id": conversation_id,
        "state": "answered",
        "incoming": None,
        "reply": reply,
        "late_reply": None,
        "at": at,
    }


def _take_turn(ctx: Context, tx: Transaction, talk: Talk, incoming: Incoming, heard: Heard | None) -> Turn:
    state = DialogueState.from_json(talk.state)
    event_key = (
        incoming.details.get("scene", "") if incoming.event in ("subscribe", "scan") else incoming.event_key
    )
    said = Said(
        kind=incoming.kind,
        text=incoming.text,
        menu_id=incoming.menu_id,
        event=incoming.event,
        event_key=event_key,
        heard=heard,
    )
    if talk.holder == takeover.STAFF and incoming.event not in _LEAVING:
        return Turn(state)  # a person is speaking with the contact: the bot only records
    facts = _facts(ctx, tx, talk, state, said)
    return step(state, said, facts, ctx.brain)


def _facts(ctx: Context, tx: Transaction, talk: Talk, state: DialogueState, said: Said) -> Facts:
    settings = ctx.settings
    views: tuple[TicketView, ...] = ()
    late: tuple[str, ...] = ()
    is_pending = False
    if wants_tickets(state, said):
        views = tuple(_view(row) for row in tickets.tickets_of(tx.connection, talk.contact_id))
    number = wants_offers(state, said)
    offers = offers_for(ctx, number) if number and any(view.number == number for view in views) else ()
    survey = None
    if wants_survey(state, said):
        survey = survey_view(tx.connection, talk.contact_id, now=tx.now, wanted=tapped_survey(state, said))
    if wants_late(state, said):
        late = tuple(
            row.late_reply for row in conversations.late_replies(tx.connection, talk.conversation_id)
        )
        is_pending = conversations.has_queued(tx.connection, talk.conversation_id)
    return Facts(
        today=china_date(tx.now),
        now=tx.now.isoformat(),
        platform_name=settings.platform_name,
        service_phone=settings.service_phone,
        complaint_phone=settings.complaint_phone,
        applicant=talk.applicant,
        person=talk.person,
        phone=talk.phone,
        has_consented=talk.has_consented,
        is_waiting=talk.holder == takeover.WAITING,
        tickets=views,
        late=late,
        is_late_pending=is_pending,
        offers=offers,
        survey=survey,
    )


def _view(row: Any) -> TicketView:
    return TicketView(
        number=row.number,
        kind=TicketKind(row.kind),
        state=TicketState(row.state),
        category=row.category,
        content=row.content,
        created_on=china_date(row.created_at),
    )


def _record_messages(
    tx: Transaction, talk: Talk, incoming: Incoming, heard: Heard | None, turn: Turn, text: str
) -> tuple[int, int]:
    """Append what was said by both; gives the ids of the contact's message and of the last one."""
    blank = {
        "ticket_id": None,
        "details": None,
        "is_material": False,
        "category": None,
        "outcome": None,
        "entry_id": None,
    }
    common = {**blank, "conversation_id": talk.conversation_id, "at": tx.now}
    is_erased = any(isinstance(command, EraseContact) for command in turn.commands)
    category = heard.understanding.category if heard else None
    said = {
        **common,
        "is_inbound": True,
        "kind": incoming.kind.value,
        "text": "" if is_erased else incoming.text or incoming.event,
        "details": None if is_erased else _details(incoming),
        "is_material": any(isinstance(command, KeepMaterial) for command in turn.commands),
        "category": category.value if category else None,
        "outcome": turn.outcome or None,
    }
    message_id = conversations.append_message(tx.connection, said)
    # What staff left for this moment stands in the transcript already, as theirs.
    if not text or talk.holder == takeover.STAFF:
        return message_id, message_id
    answered = {"kind": "text", "text": text, "entry_id": turn.entry_id or None}
    return message_id, conversations.append_message(
        tx.connection, {**common, "is_inbound": False, **answered}
    )


def _details(incoming: Incoming) -> dict[str, str] | None:
    named = {"event_key": incoming.event_key} if incoming.event_key else {}
    return {**incoming.details, **named} or None


def _wake_staff(tx: Transaction, talk: Talk, turn: Turn) -> None:
    """Consoles show what was said; nobody holds or waits for a contact who is gone."""
    if any(isinstance(command, EraseContact) for command in turn.commands):
        takeover.end_holding(tx.connection, talk.conversation_id)
    tx.poke_after_commit(f"conversation:{talk.conversation_id}")
    tx.poke_after_commit("console")


def _save_talk(
    ctx: Context,
    tx: Transaction,
    talk: Talk,
    incoming: Incoming,
    state: DialogueState,
    heard: Heard | None,
    *,
    last_id: int,
) -> None:
    settings = ctx.settings
    quotas = Quotas(
        message=settings.quota_message,
        message_hours=settings.quota_message_hours,
        event=settings.quota_event,
        event_seconds=settings.quota_event_seconds,
        enter=settings.quota_enter,
    )
    left, until = allowance_after(
        incoming, left=talk.allowance, until=talk.allowance_until, quotas=quotas, now=tx.now
    )
    category = heard.understanding.category if heard else None
    conversations.save_conversation(
        tx.connection,
        talk.conversation_id,
        state=state.to_json(),
        allowance=left,
        until=until,
        now=tx.now,
        last_id=last_id,
        contact_at=None if incoming.kind is Kind.EVENT else tx.now,
        category=category.value if category else None,
    )


def _settle(
    tx: Transaction,
    talk: Talk,
    incoming: Incoming,
    text: str,
    *,
    is_late: bool,
    known: Any,
    able: Abilities,
) -> Answer:
    """Write the receipt, and send the text the way that is open: passively, later, or to be collected."""
    is_passive = able.has_passive_reply and not is_late
    passive = (
        text
        if is_passive
        else known.reply
        if known is not None
        else _holding_text(incoming, able)
        if text
        else ""
    )
    at = known.at if known is not None else tx.now
    row = _receipt_row(incoming, talk.conversation_id, passive, at)
    if text and not is_passive:
        if able.has_customer_messages:
            delivery.add_outbox(
                tx.connection,
                key=f"reply:{incoming.key}",
                lane=f"talk:{talk.conversation_id}",
                channel=Channel.CUSTOMER.value,
                account=talk.account,
                address=talk.openid,
                text=text,
                purpose=Purpose.REPLY.value,
                conversation_id=talk.conversation_id,
                due_at=tx.now,
                at=tx.now,
            )
            tx.poke_after_commit("outbox")
        else:
            row["late_reply"] = text
    conversations.save_receipt(tx.connection, row, is_known=known is not None)
    return Answer(passive, at)
