"""Look after the chats of staff: who waits gets somebody or a request, what is idle goes back, alerts ring."""

from bot.actions.context import Context
from bot.actions.queueing import alerts_of, assign_waiting, end_vain_waits, return_idle

_ALERTS = "console-alerts"  # those that rang in the last round, in what the context keeps


def tend_console(ctx: Context) -> int:
    """One round; gives how many chats changed hands."""
    changed = assign_waiting(ctx) + end_vain_waits(ctx) + return_idle(ctx)
    _ring(ctx)
    return changed


def _ring(ctx: Context) -> None:
    """Wake the consoles where an answer became overdue, or no longer is: no message tells them that time has passed."""
    with ctx.read() as session:
        found = frozenset(alert.conversation_id for alert in alerts_of(session, now=ctx.clock.now()))
    if found != ctx.kept.get(_ALERTS, frozenset()) and ctx.hub is not None:
        ctx.hub.publish("console")
    ctx.kept[_ALERTS] = found
