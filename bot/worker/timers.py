"""Fire what is due: who must be told of a deadline, in the order of the moments."""

from bot.actions.clocks import fire_timers
from bot.actions.context import Context
from bot.store import clocks

_BATCH = 100  # timers that share one transaction: bounds how long a turn waits for it


def fire_due(ctx: Context) -> int:
    """Fire every timer whose moment has come, also those of a time when nothing ran; gives how many this worker fired."""
    total = 0
    while True:
        with ctx.read() as session:
            ids = clocks.due_timers(session, now=ctx.clock.now(), limit=_BATCH)
        if not ids:
            return total
        total += fire_timers(ctx, ids)
