"""Questions that people asked, put into a draft of an entry."""

from collections.abc import Sequence

from bot.actions.context import Context
from bot.actions.drafts import history, save_draft
from bot.core.gaps import fold
from bot.core.permissions import Actor
from bot.core.wording import say
from bot.errors import NotFoundError, RefusedError
from knowledge.rows import entry_to_dict

MOST_QUESTIONS = 50
"""At once: more would be a list that nobody has read."""


def draft_questions(ctx: Context, *, actor: Actor, entry_id: str, questions: Sequence[str], note: str) -> int:
    """Add questions to the actor's own open draft, else to a draft of what is live; gives its version.

    0 where the live entry asks all of them already. Raises NotFoundError; what `save_draft` raises: RefusedError with its
    problems, ConflictError where somebody else edits the entry.
    """
    entry = ctx.brain.entry(entry_id)
    if entry is None:
        raise NotFoundError("gap-entry", say("gaps.no_entry"))
    if not questions:
        raise RefusedError("gap-none", say("gaps.none"))
    if len(questions) > MOST_QUESTIONS:
        raise RefusedError("gap-many", say("gaps.many_questions", most=MOST_QUESTIONS))
    with ctx.read() as session:
        draft = next((one for one in history(session, entry_id) if one.state.is_open), None)
    # A draft of somebody else is left alone: saving refuses, and names them.
    own = draft if draft is not None and draft.author == actor.name else None
    body = own.body if own else entry_to_dict(entry)
    known = {fold(text) for text in (body["title"], *body["questions"])}
    fresh = [text for text in dict.fromkeys(questions) if fold(text) not in known]
    if not fresh:
        return own.id if own else 0
    changes = {"questions": [*body["questions"], *fresh]}
    return save_draft(
        ctx, actor=actor, entry_id=entry_id, changes=changes, note=note, seen=own.id if own else 0
    )
