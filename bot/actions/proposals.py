"""Corrections that staff propose and maintainers decide: what a message should have been taken for, or answered with."""

from bot.actions.context import Context, Transaction
from bot.actions.gap_drafts import draft_questions
from bot.core.gaps import correction_line, masked
from bot.core.permissions import Actor, Right
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import gaps
from bot.store.audit import add_line
from bot.store.base import insert_row
from bot.store.gaps import Proposal
from intents.categories import OOS, Category

KINDS = ("category", "answer")
"""What can be corrected."""

_LONGEST_NOTE = 500
_REVIEWED = "知识维护"  # who reviewed a line: the role, never a name


def propose(ctx: Context, *, actor: Actor, message_id: int, kind: str, after: str, note: str = "") -> int:
    """Say what a contact's message should have been taken for (a category, or oos) or answered with (an entry; empty:
    none); the same as it was taken for says that the bot was right. Gives the proposal's id.

    Raises NotFoundError, RefusedError; ConflictError where another person's proposal for it waits.
    """
    if not (actor.may(Right.HANDLE_TICKETS) or actor.may(Right.EDIT_KNOWLEDGE)):
        raise ForbiddenError("right", say("proposal.right"))
    after, note = _checked(ctx, kind, after.strip(), note.strip())
    with ctx.transaction() as tx:
        asker = gaps.asker_of(tx.connection, message_id)
        if asker is None:
            raise NotFoundError("proposal-message", say("proposal.message"))
        if not asker.text.strip():
            raise RefusedError("proposal-words", say("proposal.words"))
        known = gaps.open_proposal(tx.connection, message_id, kind)
        if known is not None and known.by != actor.name:
            raise ConflictError("proposal-taken", say("proposal.taken", who=known.by))
        if known is not None:
            gaps.change_proposal(tx.connection, known.id, after=after, note=note, at=tx.now)
            return int(known.id)
        if kind == "answer":
            before = gaps.answer_to(tx.connection, message_id, asker.conversation_id)
        else:
            before = asker.category or OOS
        proposal_id = insert_row(
            tx.connection,
            Proposal,
            kind=kind,
            message_id=message_id,
            ticket_id=asker.ticket_id,
            text=masked(asker.text),
            before=before,
            after=after,
            note=note,
            by=actor.name,
            at=tx.now,
            state="open",
        )
        _note(tx, actor, "proposal", proposal_id, f"{kind}: {before or '-'} -> {after or '-'}")
        tx.poke_after_commit("gaps")
    return proposal_id


def accept_proposal(ctx: Context, proposal_id: int, *, actor: Actor) -> int:
    """Take a correction on: it stands among the corrections, and a new question goes into a draft of the entry.

    Gives the version of that draft; 0 where there is none. Raises what saving the draft raises, and ConflictError where
    somebody else has decided.
    """
    _check(actor)
    with ctx.transaction() as tx:
        row = _lock(tx, proposal_id)
    version = 0
    if row.kind == "answer" and row.after and row.after != row.before:
        note = say("proposal.draft", id=proposal_id)
        version = draft_questions(ctx, actor=actor, entry_id=row.after, questions=(row.text,), note=note)
    with ctx.transaction() as tx:
        _lock(tx, proposal_id)
        _decide(tx, proposal_id, "accepted", actor)
        _note(tx, actor, "proposal-accepted", proposal_id, row.after or "-")
    return version


def reject_proposal(ctx: Context, proposal_id: int, *, actor: Actor, why: str) -> None:
    """The bot was right: the reason stands with the proposal. Raises ConflictError where somebody else has decided."""
    _check(actor)
    why = why.strip()
    if not why:
        raise RefusedError("proposal-reason", say("proposal.reason"))
    if len(why) > _LONGEST_NOTE:
        raise RefusedError("proposal-note", say("proposal.note_limit"))
    with ctx.transaction() as tx:
        row = _lock(tx, proposal_id)
        note = f"{row.note}\n{why}" if row.note else why
        _decide(tx, proposal_id, "rejected", actor, note=note)
        _note(tx, actor, "proposal-rejected", proposal_id, why)


def corrections(ctx: Context) -> list[str]:
    """Every accepted correction as a line of tests/quality/corrections.tsv, oldest first; each text once."""
    with ctx.read() as session:
        rows = gaps.accepted_proposals(session)
    lines = {
        (row.kind, row.text): correction_line(
            row.after or "-", row.text, on=china_date(row.decided_at), reviewer=_REVIEWED
        )
        for row in rows
    }
    return list(lines.values())


def _checked(ctx: Context, kind: str, after: str, note: str) -> tuple[str, str]:
    if kind not in KINDS:
        raise RefusedError("proposal-kind", say("proposal.kind"))
    if kind == "category" and after not in {*Category, OOS}:
        raise RefusedError("proposal-category", say("proposal.category"))
    if kind == "answer" and after:
        after = after.upper()
        if ctx.brain.entry(after) is None:
            raise RefusedError("proposal-entry", say("proposal.entry", entry=after[:40]))
    if len(note) > _LONGEST_NOTE:
        raise RefusedError("proposal-note", say("proposal.note_limit"))
    return after, note


def _check(actor: Actor) -> None:
    if not actor.may(Right.EDIT_KNOWLEDGE):
        raise ForbiddenError("right", say("gaps.right"))


def _lock(tx: Transaction, proposal_id: int) -> Proposal:
    row = gaps.lock_proposal(tx.connection, proposal_id)
    if row is None or row.state != "open":
        raise ConflictError("proposal-settled", say("proposal.settled"))
    return row  # type: ignore[return-value]


def _decide(tx: Transaction, proposal_id: int, state: str, actor: Actor, **values: str) -> None:
    gaps.change_proposal(
        tx.connection, proposal_id, state=state, decided_by=actor.name, decided_at=tx.now, **values
    )
    tx.poke_after_commit("gaps")


def _note(tx: Transaction, actor: Actor, what: str, proposal_id: int, note: str) -> None:
    add_line(
        tx.connection, at=tx.now, actor=actor.name, what=what, subject=f"proposal:{proposal_id}", note=note
    )
