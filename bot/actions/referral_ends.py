"""What a move on a ticket means for the referral of the leg that is being worked on: how it stands, who is told."""

from typing import Any

import sqlalchemy as sa

from bot.actions.context import Transaction
from bot.actions.links import referral_link
from bot.actions.telling import _tell_provider, _tell_staff
from bot.core.deadlines import Recipient
from bot.core.ticket_states import Course, Move, Moved, Party
from bot.core.wording import say
from bot.store import courses, referrals

_STATES = {
    Move.ACCEPT: "accepted",
    Move.REJECT: "rejected",
    Move.NO_ANSWER: "no-answer",
    Move.RECALL: "recalled",
    Move.FINISH: "finished",
    Move.HAND_ON: "finished",
    Move.WITHDRAW: "withdrawn",
    Move.DISMISS: "withdrawn",
}
_TOLD = frozenset(
    {Move.NO_ANSWER, Move.RECALL, Move.WITHDRAW, Move.GRANT, Move.DENY, Move.ADD, Move.URGE, Move.ACCEPT}
)
_NOBODY = "—"  # no provider serves, or served, this leg
_FOR_STAFF = frozenset({Move.REJECT, Move.ASK_EXTENSION, Move.FINISH, Move.HAND_ON})


def _follow_referral(tx: Transaction, row: sa.Row[Any], before: Course, moved: Moved) -> None:
    """Bring the open referral to the move; its provider hears what somebody else did, staff what it did."""
    line = moved.course.timeline[-1]
    found = referrals.open_of(tx.connection, row.id)
    if found is None:
        return
    if line.what in _STATES:
        referrals.set_state(tx.connection, found.id, _STATES[line.what], at=tx.now)
    if line.what is Move.RECALL and found.state == "accepted":
        courses.set_values(tx.connection, row.id, **_annex_b(row, found.leg))
    key = f"{line.what}:{row.id}:{len(moved.course.timeline)}"
    if line.what in _TOLD and line.by is not Party.PROVIDER:
        _tell_of(tx, row.number, found, line.what, line.note, key=key)
    if line.what in _FOR_STAFF and line.by is Party.PROVIDER:
        gaps = {"number": row.number, "provider": found.name, "reason": line.note}
        text = say(f"referral.staff_{line.what}", **gaps)
        _tell_staff(tx, Recipient.STAFF, subject=text.splitlines()[0], text=text, key=key)


def _annex_b(
    row: Any, leg: int, *, provider: str = _NOBODY, technician: str = _NOBODY, period: str = _NOBODY
) -> dict[str, str]:
    """The fields of Annex B that an acceptance fills, one line for each leg of the ticket."""
    return {
        "provider": _placed(row.provider, leg, provider)[:200],
        "technician": _placed(row.technician, leg, technician)[:60],
        "service_period": _placed(row.service_period, leg, period)[:200],
    }


def _placed(text: str, leg: int, value: str) -> str:
    lines = text.split("\n") if text else []
    lines += [_NOBODY] * (leg - len(lines))
    return "\n".join((*lines[:leg], value, *lines[leg + 1 :]))


def _tell_of(
    tx: Transaction, number: str, found: sa.Row[Any], what: str, reason: str, *, key: str, **gaps: str
) -> bool:
    """Tell the provider of an open referral what happened, with the link to its page; False where no way leads there.

    `what` is a move, `remind` (a deadline comes near) or `link` (the page has another address).
    """
    link = referral_link(tx.ctx, found.id, found.link_key)
    values = {"number": number, "provider": found.name, "reason": reason, "link": link, **gaps}
    title = say(f"move.{what}") if what in set(Move) else say(f"referral.title_{what}")
    return _tell_provider(
        tx,
        found.provider,
        event=f"referral.{what}",
        subject=say("referral.subject", number=number, what=title),
        text=say(f"referral.{what}", **values),
        data={"number": number, "provider": found.provider, "what": what, "reason": reason, "link": link},
        key=key,
    )


def _end_referrals_of(tx: Transaction, contact_id: int) -> None:
    """Tickets of a contact who is forgotten ended without a move: their providers are told to stop."""
    for found in referrals.open_of_ended(tx.connection, contact_id):
        referrals.set_state(tx.connection, found.id, "withdrawn", at=tx.now)
        _tell_provider(
            tx,
            found.provider,
            event="referral.withdraw",
            subject=say("referral.subject", number=found.number, what=say("move.withdraw")),
            text=say("referral.withdraw", number=found.number, provider=found.name),
            data={"number": found.number, "provider": found.provider, "what": "withdraw"},
            key=f"erased:{found.id}",
        )
