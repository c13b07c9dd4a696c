"""The contact's card beside a conversation, shown unmasked to who asks for it."""

from dataclasses import dataclass

from bot.actions.context import Context
from bot.core.permissions import Actor, Right
from bot.errors import ForbiddenError, NotFoundError
from bot.store import audit, console


@dataclass(frozen=True, slots=True)
class Revealed:
    """A contact's own data, unmasked."""

    applicant: str
    person: str
    phone: str


def reveal_contact(ctx: Context, conversation_id: int, *, actor: Actor) -> Revealed:
    """Show a contact's name and phone; that somebody looked is written down. Raises ForbiddenError, NotFoundError."""
    if not actor.may(Right.SEE_CONTACTS):
        raise ForbiddenError("right", "您没有查看联系方式的权限。")
    with ctx.transaction() as tx:
        row = console.talk(tx.connection, conversation_id)
        if row is None:
            raise NotFoundError("conversation", "没有这个会话。")
        subject = f"conversation:{conversation_id}"
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="reveal", subject=subject)
    return Revealed(row.applicant, row.person, row.phone)
