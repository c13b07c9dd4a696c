"""Deliver what is in the outbox: claim, send outside any transaction, write down the outcome."""

from collections.abc import Mapping
from datetime import timedelta

import structlog

from bot.actions.context import Context
from bot.ports import Failed, Outcome, Sender, Sent
from bot.store import delivery
from bot.store.delivery import OutboxMessage

_CLAIM = timedelta(seconds=60)  # a worker that dies gives the message back after this
log = structlog.get_logger()


def deliver_due(ctx: Context, senders: Mapping[str, Sender]) -> int:
    """Send every message whose time has come; gives how many were tried."""
    with ctx.read() as session:
        rows = delivery.due_messages(session, now=ctx.clock.now())
    return sum(_deliver(ctx, senders, row) for row in rows)


def _deliver(ctx: Context, senders: Mapping[str, Sender], row: OutboxMessage) -> bool:
    sender = senders.get(row.account)
    with ctx.transaction() as tx:
        if not delivery.claim(tx.connection, row.id, tries=row.tries, until=tx.now + _CLAIM):
            return False
        keep = ctx.settings.quota_reserved
        if sender is None:
            delivery.finish(tx.connection, row.id, state="dead", result="account-not-configured")
            return False
        if not delivery.take_allowance(tx.connection, row.conversation_id, now=tx.now, keep=keep):
            delivery.finish(tx.connection, row.id, state="dead", result="no-allowance")
            return False
    _write_down(ctx, row, sender.send_text(row.openid, row.text))
    return True


def _write_down(ctx: Context, row: OutboxMessage, outcome: Outcome) -> None:
    with ctx.transaction() as tx:
        match outcome:
            case Sent(detail):
                delivery.finish(tx.connection, row.id, state="sent", result=detail)
            case Failed(is_permanent=True):
                delivery.finish(
                    tx.connection, row.id, state="dead", result=f"{outcome.code} {outcome.detail}"
                )
                if outcome.closes_window:
                    delivery.close_window(tx.connection, row.conversation_id)
            case Failed(delays=delays):
                # After a silence the message may have arrived: the table says how many more tries are right.
                is_spent = row.tries >= len(delays)
                delivery.give_back_allowance(tx.connection, row.conversation_id)
                delivery.finish(
                    tx.connection,
                    row.id,
                    state="dead" if is_spent else "due",
                    result=f"{outcome.code} {outcome.detail}",
                    due_at=None if is_spent else tx.now + timedelta(seconds=delays[row.tries]),
                )
    if isinstance(outcome, Failed):
        log.warning("send failed", message=row.id, code=outcome.code, alarm=outcome.alarm)
