"""Canned replies: staff keep them together, every change is written down."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.actions.context import Context
from bot.core.canned import problems_of, shortcut_of
from bot.core.permissions import Actor, Right
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import audit, console
from bot.store.base import insert_row
from bot.store.console import CannedReply


class WrongFieldsError(RefusedError):
    """A form has fields that cannot stay as they are; `problems`: field -> what is wrong, in words."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("canned-fields", "还没有保存：请按提示修改。")
        self.problems = problems


def save_canned(
    ctx: Context,
    *,
    actor: Actor,
    shortcut: str,
    title: str,
    text: str,
    category: str = "",
    reply_id: int | None = None,
) -> int:
    """Keep a new reply, or a changed one; gives its id. Somebody has looked at it: it is no longer suspended.

    Raises ForbiddenError, WrongFieldsError, ConflictError (the shortcut stands for another), NotFoundError.
    """
    _check_right(actor)
    values = {"shortcut": shortcut_of(shortcut), "title": title.strip(), "category": category}
    values["text"] = text.replace("\r\n", "\n").strip()
    if problems := problems_of(**values):
        raise WrongFieldsError(problems)
    try:
        return _write(ctx, actor, reply_id, values)
    except sa.exc.IntegrityError as error:
        raise ConflictError("canned-shortcut", f"快捷词“{values['shortcut']}”已经有了，请换一个。") from error


def _write(ctx: Context, actor: Actor, reply_id: int | None, values: dict[str, str]) -> int:
    with ctx.transaction() as tx:
        columns: dict[str, Any] = {
            **values,
            "is_suspended": False,
            "updated_at": tx.now,
            "updated_by": actor.name,
        }
        if reply_id is None:
            reply_id = insert_row(tx.connection, CannedReply, **columns)
            what = "canned-added"
        elif console.change_canned(tx.connection, reply_id, **columns):
            what = "canned-changed"
        else:
            raise _gone()
        _note(tx, actor, what, reply_id, values["shortcut"])
        tx.poke_after_commit("console")
    return reply_id


def drop_canned(ctx: Context, reply_id: int, *, actor: Actor) -> None:
    """Remove a reply. Raises ForbiddenError or NotFoundError."""
    _check_right(actor)
    with ctx.transaction() as tx:
        row = console.canned_reply(tx.connection, reply_id)
        if row is None:
            raise _gone()
        console.drop_canned(tx.connection, reply_id)
        _note(tx, actor, "canned-removed", reply_id, row.shortcut)


def replies_of(session: Session, *, category: str = "") -> list[sa.Row[Any]]:
    """The replies that may be sent, those of this category first."""
    rows = [row for row in console.canned_replies(session) if not row.is_suspended]
    return sorted(rows, key=lambda row: (not category or row.category != category, row.shortcut))


def _check_right(actor: Actor) -> None:
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有编辑常用语的权限。")


def _gone() -> NotFoundError:
    return NotFoundError("canned", "没有这条常用语，可能已被删除。")


def _note(tx: Any, actor: Actor, what: str, reply_id: int, shortcut: str) -> None:
    subject = f"canned:{reply_id}"
    audit.add_line(tx.connection, at=tx.now, actor=actor.name, what=what, subject=subject, note=shortcut)
