"""Fetch the files that contacts sent, and remove the bytes of those that were erased."""

from collections.abc import Mapping

from bot.actions import attachments
from bot.actions.context import Context
from bot.ports import Failed, File, MediaSource

_AT_ONCE = 3  # files of one round: a slow download holds up what else the worker does


class _NotSetUp:
    """Stands in for an account without settings: its files wait until somebody sets it up, or expire."""

    def fetch(self, media_id: str, *, most: int) -> File | Failed:
        return Failed("no-account", f"no account for {media_id[:20]} (at most {most})", False, pause=3600)


def fetch_due(ctx: Context, sources: Mapping[str, MediaSource]) -> int:
    """One round: remove what was erased, fetch a few files whose time has come; gives how many were taken up.

    `sources`: by account of WeChat. Call it once a round.
    """
    attachments.remove_erased(ctx)
    missing = _NotSetUp()
    due = attachments.due_files(ctx, limit=_AT_ONCE)
    return sum(attachments.fetch(ctx, file, sources.get(account, missing)) for file, account in due)
