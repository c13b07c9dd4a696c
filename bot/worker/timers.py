"""Fire what is due: who must be told of a deadline, in the order of the moments."""

from itertools import groupby
from typing import Any

from bot.actions.clocks import fire_timers
from bot.actions.context import Context
from bot.actions.referrals import expire_referral
from bot.core.deadlines import Recipient, Step
from bot.store import clocks

_BATCH = 100  # timers that share one transaction: bounds how long a turn waits for it


def fire_due(ctx: Context) -> int:
    """Fire every timer whose moment has come, also those of a time when nothing ran; gives how many this worker fired."""
    total = 0
    while True:
        with ctx.read() as session:
            due = clocks.due_timers(session, now=ctx.clock.now(), limit=_BATCH)
        if not due:
            return total
        for is_alone, timers in groupby(due, key=_is_alone):
            if is_alone:
                total += sum(_fire_alone(ctx, timer) for timer in timers)
            else:
                total += fire_timers(ctx, [timer.id for timer in timers])


def _is_alone(timer: Any) -> bool:
    """Does it touch conversations? Their locks come before a timer's, so it shares no transaction with others."""
    return _ends_an_offer(timer) or bool(timer.recipient == Recipient.PROVIDER)


def _ends_an_offer(timer: Any) -> bool:
    return bool(timer.what == "due" and timer.step == Step.ACCEPT)


def _fire_alone(ctx: Context, timer: Any) -> int:
    if _ends_an_offer(timer):
        return int(expire_referral(ctx, timer.id))
    return fire_timers(ctx, (timer.id,))
