"""Ask for ratings: look at every survey whose moment has come."""

from bot.actions.asking import look
from bot.actions.context import Context
from bot.store import surveys


def ask_due(ctx: Context, *, batch: int = 100) -> int:
    """Take the next rung of every survey that is due, each in a transaction of its own; gives how many were taken."""
    total = 0
    while True:
        with ctx.read() as session:
            ids = surveys.due_surveys(session, now=ctx.clock.now(), limit=batch)
        if not ids:
            return total
        # A look moves its survey on; where another worker was first, it has moved it.
        total += sum(look(ctx, survey_id) for survey_id in ids)
