"""The life of a version of an entry as data: which move leads where, and which right it takes."""

from collections.abc import Mapping
from enum import StrEnum

from bot.core.permissions import Actor, Right
from bot.errors import ConflictError, ForbiddenError


class EntryState(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    REVIEW = "review"
    PUBLISHED = "published"  # what is live, and so at most one of an entry
    ARCHIVED = "archived"  # was live, or says that the entry is not any more
    DROPPED = "dropped"  # a draft that another took the place of, or that was withdrawn

    @property
    def label(self) -> str:
        """For people."""
        return _LABELS[self]

    @property
    def is_open(self) -> bool:
        """Is it still being worked on?"""
        return self in (EntryState.DRAFT, EntryState.REVIEW)


class EntryMove(StrEnum):
    """What can happen to a version."""

    REPLACE = "replace"  # it is edited: a newer draft takes its place
    SUBMIT = "submit"
    SEND_BACK = "send-back"
    WITHDRAW = "withdraw"
    PUBLISH = "publish"
    SUPERSEDE = "supersede"  # another version goes live, or the entry is taken off


_LABELS: Mapping[EntryState, str] = {
    EntryState.DRAFT: "草稿",
    EntryState.REVIEW: "待审核",
    EntryState.PUBLISHED: "已发布",
    EntryState.ARCHIVED: "已归档",
    EntryState.DROPPED: "已作废",
}
_NEXT: Mapping[tuple[EntryState, EntryMove], EntryState] = {
    (EntryState.DRAFT, EntryMove.REPLACE): EntryState.DROPPED,
    (EntryState.REVIEW, EntryMove.REPLACE): EntryState.DROPPED,
    (EntryState.DRAFT, EntryMove.SUBMIT): EntryState.REVIEW,
    (EntryState.REVIEW, EntryMove.SEND_BACK): EntryState.DRAFT,
    (EntryState.DRAFT, EntryMove.WITHDRAW): EntryState.DROPPED,
    (EntryState.REVIEW, EntryMove.WITHDRAW): EntryState.DROPPED,
    (EntryState.REVIEW, EntryMove.PUBLISH): EntryState.PUBLISHED,
    (EntryState.PUBLISHED, EntryMove.SUPERSEDE): EntryState.ARCHIVED,
}
RIGHTS: Mapping[EntryMove, Right] = {
    EntryMove.REPLACE: Right.EDIT_KNOWLEDGE,
    EntryMove.SUBMIT: Right.EDIT_KNOWLEDGE,
    EntryMove.WITHDRAW: Right.EDIT_KNOWLEDGE,
    EntryMove.SEND_BACK: Right.PUBLISH_KNOWLEDGE,
    EntryMove.PUBLISH: Right.PUBLISH_KNOWLEDGE,
    EntryMove.SUPERSEDE: Right.PUBLISH_KNOWLEDGE,
}


def after(state: EntryState, move: EntryMove) -> EntryState:
    """The state after a move. Raises ConflictError where it is not possible."""
    found = _NEXT.get((state, move))
    if found is None:
        raise ConflictError("entry-state", f"这一版现在是“{state.label}”，不能这样操作。请刷新页面后再试。")
    return found


def moves(actor: Actor, state: EntryState) -> tuple[EntryMove, ...]:
    """What somebody may do with a version, in the order of the table."""
    return tuple(move for held, move in _NEXT if held is state and actor.may(RIGHTS[move]))


def check_may(actor: Actor, right: Right) -> None:
    """Raises ForbiddenError where somebody does not hold a right."""
    if not actor.may(right):
        raise ForbiddenError("forbidden", "您没有维护知识的这项权限，请联系负责人。")
