"""From draft to release: the gate over what people ask, putting a version live, and trying a question out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.actions import knowledge
from bot.actions.context import Context, Transaction
from bot.actions.drafts import VersionView, _keep_present, _locked, _put_live, version
from bot.core.brain import Brain, Heard, Outcome, Understands
from bot.core.entry_states import EntryMove, EntryState, after, check_may
from bot.core.permissions import Actor, Right
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import ConflictError, RefusedError
from bot.store import drafts as store
from bot.store import knowledge as entries
from bot.store.audit import add_line
from bot.store.knowledge_figures import first_message_since
from intents.text import mask, normalise
from intents.understand import Understanding
from knowledge.drafting import check_draft
from knowledge.entries import Entry
from knowledge.gate import Answer, Gate, Question, Source, judge, regression_set
from knowledge.ranker import ENTRY_FEATURES, Features
from knowledge.reading import Words
from knowledge.rows import entry_from_dict
from knowledge.search import Hit, Index

_MONTH = timedelta(days=31)
_MOST_READ, _MOST_ASKED = (
    20_000,
    5_000,
)  # messages of the month that are looked at; different questions of them
_MOST_FEATURES = 6  # that are named for one candidate


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that speaks for a candidate, or against it."""

    name: str  # of knowledge.ranker.ENTRY_FEATURES
    label: str
    value: float
    push: float  # how far it lifts this candidate above its rival, in the ranker's utility


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that was weighed for a question."""

    entry_id: str
    title: str
    score: float  # probability that it answers
    matched: str  # its phrase that is most like the question
    words: tuple[str, ...]  # that speak for it, rarest first
    features: tuple[Feature, ...]  # what decided against the best other candidate, strongest first


@dataclass(frozen=True, slots=True)
class Trial:
    """What a question would lead to."""

    text: str
    outcome: Outcome
    category: str  # empty: out of scope
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]  # best first
    with_draft: "Trial | None" = None  # the same with the draft that was named

    @property
    def is_changed(self) -> bool:
        """Would the draft change what is told?"""
        other = self.with_draft
        return other is not None and (self.outcome, self._told) != (other.outcome, other._told)

    @property
    def _told(self) -> tuple[str, ...]:
        most = {Outcome.ANSWER: 1, Outcome.CLARIFY: len(self.candidates)}.get(self.outcome, 0)
        return tuple(candidate.entry_id for candidate in self.candidates[:most])


@dataclass(frozen=True, slots=True)
class _Remembering:
    """Understands each text once: the gate asks it of several indexes."""

    inner: Understands
    seen: dict[str, Understanding] = field(default_factory=dict)

    @property
    def tokenizer(self) -> Words:
        """That of the one behind it."""
        return self.inner.tokenizer

    def knowing(self, synonyms: Mapping[str, str]) -> Self:
        """The same with these synonyms."""
        return replace(self, inner=self.inner.knowing(synonyms), seen={})

    def understand(self, text: str) -> Understanding:
        """What one text means."""
        if text not in self.seen:
            self.seen[text] = self.inner.understand(text)
        return self.seen[text]


# --- the gate ---


def run_gate(
    ctx: Context, version_id: int, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> Gate:
    """Replay questions against a draft over what is live now; the result is stored with the version.

    Takes seconds, and no transaction meanwhile. Raises NotFoundError; ConflictError where the version is not open, is
    edited meanwhile, or synonyms are just being renewed.
    """
    brain = _present(ctx)
    with ctx.read() as session:
        view = _open_version(session, version_id)
        asked = _asked(ctx, session)
    draft = entry_from_dict(view.body)
    today = china_date(ctx.clock.now())
    gate = judge(
        brain.index,
        draft,
        [*regression_set(brain.index, without=draft.id), *asked],
        _asking(brain),
        today=today,
        body=entries.fingerprint(view.body),
        warnings=[one.message for one in check_draft(draft, brain.index, today=today)],
        progress=progress,
    )
    with ctx.transaction() as tx:
        row = _locked(tx, version_id)
        if entries.fingerprint(row.body) != gate.body:
            raise ConflictError("gate-changed", say("drafts.changed"))
        store.change_version(tx.connection, version_id, gate=gate.to_json())
        tx.poke_after_commit("console")
    return gate


def _open_version(session: Session, version_id: int) -> VersionView:
    view = version(session, version_id)
    if not view.state.is_open:
        raise ConflictError("entry-state", say("drafts.gone"))
    return view


def _present(ctx: Context) -> Brain:
    """A brain over the entries as they stand in the database now; it may be a moment ahead of the one that answers."""
    brain = ctx.brain
    if brain.release.number == knowledge.version(ctx):
        return brain
    release = knowledge.read_release(ctx)
    if brain.understander.knowing(knowledge.synonyms(ctx)) is not brain.understander:
        raise ConflictError("gate-busy", say("drafts.busy"))
    return Brain(brain.understander, brain.index.updated(release), brain.thresholds)


def _asked(ctx: Context, session: Session) -> list[Question]:
    """What people asked in the last month, each wording once, the newest first, without numbers of persons and firms."""
    first = first_message_since(session, ctx.clock.now() - _MONTH)
    found: dict[str, Question] = {}
    for message, text in store.asked_since(session, first, limit=_MOST_READ):
        masked = mask(text)
        found.setdefault(normalise(masked), Question(masked, Source.REAL, message=message))
    return list(found.values())[:_MOST_ASKED]


def _asking(brain: Brain) -> Callable[[Index, str, date], Answer]:
    understander = _Remembering(brain.understander)

    def ask(index: Index, text: str, on: date) -> Answer:
        heard = Brain(understander, index, brain.thresholds).hear(text, today=on)
        hits = tuple((hit.entry.id, hit.score) for hit in heard.hits)
        most = {Outcome.ANSWER: 1, Outcome.CLARIFY: len(hits)}.get(heard.outcome, 0)
        return Answer(heard.outcome.value, tuple(entry_id for entry_id, _ in hits[:most]), hits)

    return ask


def is_stale(ctx: Context, view: VersionView) -> bool:
    """Was the stored gate run over another body, or another release than what is live now; or not at all?"""
    with ctx.read() as session:
        return not _is_current(view.gate, view.body, entries.version(session))


def _is_current(gate: Gate | None, body: Mapping[str, object], release: int) -> bool:
    return gate is not None and (gate.body, gate.release) == (entries.fingerprint(body), release)


# --- going live ---


def publish(ctx: Context, version_id: int, *, actor: Actor, override: str = "") -> None:
    """Put a reviewed version live; what was live is archived, and every process answers with the new one at once.

    The reviewer is not its author, and the gate has looked at this very body over what is live now and blocks nothing;
    whoever holds Right.OVERRIDE_GATE may go against both, with a reason that is kept. Raises ForbiddenError,
    NotFoundError, ConflictError (not in review, or the gate is out of date) or RefusedError (blocked).
    """
    check_may(actor, Right.PUBLISH_KNOWLEDGE)
    with ctx.transaction() as tx:
        row = _locked(tx, version_id)
        state = after(EntryState(row.state), EntryMove.PUBLISH)
        reason = _reason(tx, row, actor=actor, override=override.strip())
        _keep_present(tx, row.entry_id)
        _put_live(tx, row.entry_id, row.body)
        store.change_version(
            tx.connection,
            row.id,
            state=state.value,
            reviewer=actor.name,
            settled_at=tx.now,
            override=reason,
        )
        note = " ".join(part for part in (say("drafts.published", serial=row.serial), reason) if part)
        add_line(
            tx.connection,
            at=tx.now,
            actor=actor.name,
            what="entry-publish",
            subject=row.entry_id,
            note=note,
        )


def _reason(tx: Transaction, row: sa.Row[tuple[object, ...]], *, actor: Actor, override: str) -> str:
    """Why it may go live against what speaks against it; empty where nothing does."""
    if row.gate is None:
        raise ConflictError("gate-missing", say("drafts.unchecked"))
    gate = Gate.of_json(row.gate)
    if not _is_current(gate, row.body, entries.version(tx.connection)):
        raise ConflictError("gate-outdated", say("drafts.outdated"))
    against = [*gate.blocks, *([say("drafts.own")] if row.author == actor.name else [])]
    if not against:
        return ""
    if not actor.may(Right.OVERRIDE_GATE):
        raise RefusedError("gate-blocked", say("drafts.blocked", why="".join(against)))
    if not override:
        raise RefusedError("gate-reason", say("drafts.reason", why="".join(against)))
    return override


# --- the test bench ---


def try_out(ctx: Context, text: str, *, version_id: int = 0) -> Trial:
    """What a question leads to now, and with a draft where one is named. Raises NotFoundError."""
    brain, today = ctx.brain, china_date(ctx.clock.now())
    trial = _tried(brain, text, today)
    if not version_id:
        return trial
    with ctx.read() as session:
        draft: Entry = entry_from_dict(version(session, version_id).body)
    drafted = Brain(brain.understander, brain.index.with_entry(draft), brain.thresholds)
    return replace(trial, with_draft=_tried(drafted, text, today))


def _tried(brain: Brain, text: str, today: date) -> Trial:
    heard = brain.hear(text, today=today)
    category = heard.understanding.category
    candidates = _candidates(brain, heard, today)
    return Trial(text, heard.outcome, category.value if category else "", heard.reasons, candidates)


def _candidates(brain: Brain, heard: Heard, today: date) -> tuple[Candidate, ...]:
    """The hits with what the ranker saw: the first against the second, the others against the first."""
    understanding = heard.understanding
    weighed = brain.index.weigh(understanding.text, today=today, scores=understanding.scores)
    rows = dict(zip((one.entry.id for one in weighed.candidates), weighed.rows, strict=True))
    ids = [hit.entry.id for hit in heard.hits]
    return tuple(
        _candidate(hit, rows.get(hit.entry.id), rows.get(_rival(ids, hit)), brain.index.ranker.entry)
        for hit in heard.hits
    )


def _rival(ids: Sequence[str], hit: Hit) -> str:
    return next((other for other in ids if other != hit.entry.id), "")


def _candidate(hit: Hit, row: Features | None, rival: Features | None, weights: Features) -> Candidate:
    features: tuple[Feature, ...] = ()
    if row is not None:
        pushes = (row - (rival if rival is not None else 0)) * weights
        order = sorted(range(len(pushes)), key=lambda place: -abs(pushes[place]))[:_MOST_FEATURES]
        features = tuple(
            Feature(
                ENTRY_FEATURES[place],
                say(f"feature.{ENTRY_FEATURES[place]}"),
                float(row[place]),
                float(pushes[place]),
            )
            for place in order
            if pushes[place]
        )
    return Candidate(hit.entry.id, hit.entry.title, hit.score, hit.matched, hit.reasons, features)
