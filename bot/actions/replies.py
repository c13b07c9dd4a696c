"""What a reply carries besides the turn's own words: news that waited for it, the request to rate, and its pages."""

from dataclasses import replace

from bot.actions.asking import _ask_in_turn
from bot.actions.context import Transaction
from bot.core.messages import Incoming, Kind, Outgoing
from bot.core.reach import Abilities
from bot.core.rendering import fit
from bot.core.turns import DialogueState, Turn
from bot.core.wording import say
from bot.store import delivery, takeover
from bot.store.conversations import Talk

_MOST_HELD = 3  # news that are told in words; the contact may ask for the others


def _with_held(tx: Transaction, talk: Talk, incoming: Incoming, reply: Outgoing | None) -> Outgoing | None:
    """The reply, with the news that could not be sent before; the newest ones in words, the others by their number.

    While staff hold the talk nothing is replied, and what they left for this moment is heard alone.
    """
    if reply is None and (talk.holder != takeover.STAFF or incoming.kind is Kind.EVENT):
        return None
    held = delivery.held_messages(tx.connection, talk.conversation_id)
    if not held:
        return reply
    delivery.told(tx.connection, [row.id for row in held], at=tx.now)
    if reply is None:
        return Outgoing("\n\n".join(row.text for row in held if row.text))
    texts = [row.text for row in held[-_MOST_HELD:] if row.text]
    more = [say("progress.held_more", count=len(held) - _MOST_HELD)] if len(held) > _MOST_HELD else []
    return replace(reply, text="\n".join([reply.text, "", say("progress.held"), *texts, *more]))


def _with_survey(
    tx: Transaction, talk: Talk, incoming: Incoming, turn: Turn, reply: Outgoing | None
) -> Outgoing | None:
    """The reply, with the request to rate a service, where that waited for the contact to write."""
    if reply is None or incoming.kind is Kind.EVENT:
        return reply
    line = _ask_in_turn(tx, replace(talk, state=turn.state.to_json()))
    return replace(reply, text=f"{reply.text}\n\n{line}") if line else reply


def _fit(state: DialogueState, reply: Outgoing | None, able: Abilities) -> tuple[DialogueState, str]:
    """The reply as one message; what does not fit waits for 更多."""
    if reply is None:
        return state, ""
    text, rest = fit(reply, links=able.has_links, hint=say("answer.more"))
    return (replace(state, more=(*rest, *state.more)) if rest else state), text
