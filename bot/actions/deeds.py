"""The commands of a turn, carried out inside its transaction."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import singledispatch

from bot.actions.attachments import _drop_files
from bot.actions.bindings import _bind, _unbind
from bot.actions.contacts import _erase_contact, _remember
from bot.actions.context import Transaction
from bot.actions.courses import _move_own
from bot.actions.queueing import _request_staff
from bot.actions.referrals import _choose_provider
from bot.actions.surveys import _rate
from bot.actions.tickets import _open_ticket, _take_materials
from bot.core.messages import Incoming, Outgoing
from bot.core.times import china_text
from bot.core.turns import (
    AttachMaterial,
    BindProvider,
    ChooseProvider,
    CollectLate,
    Command,
    DialogueState,
    DropMaterial,
    EraseContact,
    KeepMaterial,
    LeaveQueue,
    MoveTicket,
    NoteStation,
    OpenTicket,
    RateService,
    RecordFeedback,
    RequestStaff,
    SaveConsent,
    Turn,
)
from bot.core.wording import NUMBER, REMARK, TOLD, UNTIL
from bot.store import audit, conversations, delivery, people, takeover, tickets
from bot.store.conversations import Talk


@dataclass(slots=True)
class _Deed:
    """What a command needs to be carried out, and the marks it fills in the reply."""

    tx: Transaction
    talk: Talk
    incoming: Incoming
    marks: dict[str, str]


def _carry_out(tx: Transaction, talk: Talk, turn: Turn, incoming: Incoming) -> Outgoing | None:
    """Carry out the turn's commands, and put what only they know into the reply."""
    deed = _Deed(tx, talk, incoming, {})
    for command in turn.commands:
        _do(command, deed)
    if turn.reply is None:
        return None
    text = turn.reply.text
    for mark, value in deed.marks.items():
        text = text.replace(mark, value)
    return replace(turn.reply, text=text)


@singledispatch
def _do(command: Command, deed: _Deed) -> None:
    raise TypeError(f"no deed for {command!r}")


@_do.register
def _(command: OpenTicket, deed: _Deed) -> None:
    opened = _open_ticket(deed.tx, deed.talk, command.form, channel=f"wechat-{deed.incoming.account}")
    deed.marks[NUMBER] = opened.number
    deed.marks[UNTIL] = china_text(opened.clock.due)
    deed.marks[REMARK] = opened.clock.rests_on.remark
    _remember(deed.tx, deed.talk, command.form)


@_do.register
def _(command: MoveTicket, deed: _Deed) -> None:
    deed.marks[TOLD] = _move_own(
        deed.tx, deed.talk, number=command.number, wanted=command.move, note=command.note
    )


@_do.register
def _(command: ChooseProvider, deed: _Deed) -> None:
    deed.marks[TOLD] = _choose_provider(deed.tx, deed.talk, number=command.number, provider=command.provider)


@_do.register
def _(command: BindProvider, deed: _Deed) -> None:
    deed.marks[TOLD] = (
        _bind(deed.tx, deed.talk, command.code) if command.code else _unbind(deed.tx, deed.talk)
    )


@_do.register
def _(command: RateService, deed: _Deed) -> None:
    _rate(deed.tx, deed.talk, command)


@_do.register
def _(command: AttachMaterial, deed: _Deed) -> None:
    ticket_id = tickets.id_of(deed.tx.connection, command.number, contact_id=deed.talk.contact_id)
    if ticket_id is not None:
        _take_materials(deed.tx, deed.talk.conversation_id, ticket_id)


@_do.register
def _(command: RequestStaff, deed: _Deed) -> None:
    deed.marks[TOLD] = _request_staff(deed.tx, deed.talk)
    deed.tx.poke_after_commit("console")


@_do.register
def _(command: LeaveQueue, deed: _Deed) -> None:
    takeover.leave_queue(deed.tx.connection, deed.talk.conversation_id)
    deed.tx.poke_after_commit("console")


@_do.register
def _(command: SaveConsent, deed: _Deed) -> None:
    people.save_consent(deed.tx.connection, deed.talk.contact_id, at=deed.tx.now)


@_do.register
def _(command: RecordFeedback, deed: _Deed) -> None:
    conversations.save_feedback(
        deed.tx.connection,
        deed.talk.conversation_id,
        entry_id=command.entry_id,
        is_helpful=command.is_helpful,
        at=deed.tx.now,
    )


@_do.register
def _(command: KeepMaterial, deed: _Deed) -> None:
    """The message row itself bears the mark; see `_record_messages`."""


@_do.register
def _(command: DropMaterial, deed: _Deed) -> None:
    _drop_files(deed.tx, deed.talk.conversation_id)
    tickets.drop_materials(deed.tx.connection, deed.talk.conversation_id)
    form = DialogueState.from_json(deed.talk.state).form
    if form is not None and form.started_at:
        _forget_form(deed.tx, deed.talk, since=datetime.fromisoformat(form.started_at))


def _forget_form(tx: Transaction, talk: Talk, *, since: datetime) -> None:
    """What was said while the form was open goes, as we tell the contact; that there was a form remains."""
    conversations.scrub_messages(tx.connection, talk.conversation_id, since=since)
    delivery.scrub_replies(tx.connection, talk.conversation_id, since=since)
    subject = f"contact:{talk.contact_id}"
    audit.add_line(tx.connection, at=tx.now, actor="contact", what="form-cancelled", subject=subject)


@_do.register
def _(command: EraseContact, deed: _Deed) -> None:
    _erase_contact(deed.tx, deed.talk, reason=command.reason)


@_do.register
def _(command: CollectLate, deed: _Deed) -> None:
    conversations.clear_late(deed.tx.connection, deed.talk.conversation_id)


@_do.register
def _(command: NoteStation, deed: _Deed) -> None:
    people.save_station(deed.tx.connection, deed.talk.contact_id, command.scene)
