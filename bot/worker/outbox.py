"""Deliver what is in the outbox: claim, send outside any transaction, write down the outcome."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from bot.actions.context import Context, Transaction
from bot.actions.telling import _kept
from bot.core.reach import Channel, Purpose
from bot.ports import Failed, Outcome, Parcel, Sender, Sent
from bot.store import delivery
from bot.store.delivery import OutboxMessage, OutboxState

_CLAIM = timedelta(seconds=60)  # a worker that dies gives the message back after this
_HELD = frozenset({Purpose.NOTICE})  # what the contact still wants to hear when they next write
log = structlog.get_logger()

Ended = Callable[[Transaction, OutboxMessage], None]


def deliver_due(ctx: Context, senders: Mapping[str, Sender], *, ended: Ended | None = None) -> int:
    """Send every message whose time has come; gives how many were taken up.

    `senders`: by account of WeChat, or by channel. `ended` joins the transaction in which a message comes to its end.
    """
    with ctx.read() as session:
        rows = delivery.due_messages(session, now=ctx.clock.now())
    return sum(_deliver(ctx, senders, row, ended) for row in rows)


def _deliver(ctx: Context, senders: Mapping[str, Sender], row: OutboxMessage, ended: Ended | None) -> bool:
    sender = senders.get(row.account if Channel(row.channel).is_wechat else row.channel)
    with ctx.transaction() as tx:
        if not delivery.claim(
            tx.connection, row.id, tries=row.tries, due_at=row.due_at, until=tx.now + _CLAIM
        ):
            return False
        if sender is None:
            _end(tx, row, OutboxState.DEAD, "channel-not-configured", ended)
            return True
        if not _take_place(tx, row):
            _end(tx, row, OutboxState.DEAD, "no-allowance", ended)
            return True
    parcel = Parcel(row.key, Channel(row.channel), row.address, row.text, row.extras)
    _write_down(ctx, row, sender.send(parcel), ended)
    return True


def _uses_allowance(row: OutboxMessage) -> bool:
    return row.channel == Channel.CUSTOMER and row.conversation_id is not None


def _take_place(tx: Transaction, row: OutboxMessage) -> bool:
    """Use one message of the contact's allowance, where the channel costs one."""
    if row.conversation_id is None or not _uses_allowance(row):
        return True
    keep = _kept(tx, row.conversation_id, Purpose(row.purpose))
    return delivery.take_allowance(tx.connection, row.conversation_id, now=tx.now, keep=keep)


def _end(tx: Transaction, row: OutboxMessage, state: OutboxState, result: str, ended: Ended | None) -> None:
    """Nothing more is tried; news that did not reach a contact is held until they write again."""
    if state is OutboxState.DEAD and row.purpose in _HELD and row.conversation_id is not None:
        state = OutboxState.HELD
    delivery.finish(tx.connection, row.id, state=state, result=result, at=tx.now)
    if ended is not None:
        ended(tx, row)


def _write_down(ctx: Context, row: OutboxMessage, outcome: Outcome, ended: Ended | None) -> None:
    with ctx.transaction() as tx:
        match outcome:
            case Sent(detail):
                _end(tx, row, OutboxState.SENT, detail, ended)
            case Failed(is_permanent=True, pause=0):
                if row.conversation_id is not None and _uses_allowance(row):
                    delivery.give_back_allowance(tx.connection, row.conversation_id)
                    if outcome.closes_window:
                        delivery.close_window(tx.connection, row.conversation_id)
                _end(tx, row, OutboxState.DEAD, f"{outcome.code} {outcome.detail}", ended)
            case Failed():
                _again(tx, row, outcome, ended)
    if isinstance(outcome, Failed):
        log.warning("send failed", message=row.id, code=outcome.code, alarm=outcome.alarm)


def _again(tx: Transaction, row: OutboxMessage, outcome: Failed, ended: Ended | None) -> None:
    """Try again: after a pause of the channel, uncounted, or as often as the error's row says."""
    if row.conversation_id is not None and _uses_allowance(row):
        delivery.give_back_allowance(tx.connection, row.conversation_id)
    result = f"{outcome.code} {outcome.detail}"
    if outcome.pause:
        at = tx.now + timedelta(seconds=outcome.pause)
        delivery.try_again(tx.connection, row.id, at=at, result=result, is_counted=False)
    elif row.tries < len(outcome.delays):
        # After a silence the message may have arrived: the table says how many more tries are right.
        at = tx.now + timedelta(seconds=outcome.delays[row.tries])
        delivery.try_again(tx.connection, row.id, at=at, result=result)
    else:
        _end(tx, row, OutboxState.DEAD, result, ended)
