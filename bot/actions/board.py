"""The request board: one deed for many requests, reminders to providers, saved views, and taking requests out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.actions.context import Context, Transaction
from bot.actions.courses import _locked, correct_ticket, take_step
from bot.actions.moves import _due
from bot.actions.referral_ends import _tell_of
from bot.core.board import OPEN, Act, Filter, masked_name
from bot.core.deadlines import Step
from bot.core.permissions import Actor, Right
from bot.core.sheets import MOST_ROWS, written_sheet
from bot.core.ticket_states import Move, TicketKind
from bot.core.tickets import Field
from bot.core.times import CHINA, china_date, china_text
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import board as store
from bot.store import clocks, courses, referrals, tickets
from bot.store.audit import add_line
from intents.categories import Category
from intents.text import mask

MOST_PICKED = 100  # requests of one bulk action
_MOST_VIEWS = 30  # of one person
_LONGEST_NAME = 40
_REMINDED = "provider-reminded"  # a line of the history
_FIELDS = {Act.CATEGORY: Field.CATEGORY, Act.URGENCY: Field.URGENCY}
_PERSONAL = ("person", "phone")  # left out, and masked, for who may not see contacts
_MASKED = ("applicant", "content", "solution", "provider", "technician")
_SHEET = (
    "number",
    "kind",
    "state",
    "category",
    "urgency",
    "applicant",
    "person",
    "phone",
    "source",
    "station",
    "started_at",
    "created_at",
    "content",
    "due_at",
    "step",
    "waiting_since",
    "urged_at",
    "specialist",
    "respond_by",
    "provider",
    "technician",
    "service_period",
    "solution",
    "recorder",
    "reviewer",
)


@dataclass(frozen=True, slots=True)
class Pick:
    """A request that somebody ticked, as it stood on their page (`courses.take_step`: seen)."""

    number: str
    seen: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: what was done, or why not."""

    number: str
    done: str = ""
    refused: str = ""


def act_on_tickets(
    ctx: Context, picks: Sequence[Pick], act: Act, *, actor: Actor, value: str = "", reason: str = ""
) -> tuple[Outcome, ...]:
    """Do the same to many requests, each in a transaction of its own, and say of each what was done or why not.

    `value` is the new category or urgency, `reason` why it is corrected. Raises ForbiddenError or RefusedError where
    nothing can be tried at all.
    """
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有办理申请的权限。")
    if not picks:
        raise RefusedError("board-picks", "请先勾选要办理的申请。")
    if len(picks) > MOST_PICKED:
        raise RefusedError("board-picks", f"一次最多办理 {MOST_PICKED} 件，请分几次。")
    if act in _FIELDS and not (value and reason.strip()):
        raise RefusedError("board-value", "更正请选择新的内容，并写明原因。")
    found = []
    for pick in {pick.number: pick for pick in picks}.values():
        try:
            done = _act(ctx, pick, act, actor=actor, value=value, reason=reason)
        except RefusedError as refusal:
            found.append(Outcome(pick.number, refused=refusal.message))
        else:
            found.append(Outcome(pick.number, done=done))
    return tuple(found)


def _act(ctx: Context, pick: Pick, act: Act, *, actor: Actor, value: str, reason: str) -> str:
    """Do it to one request; gives what was done in words."""
    if act is Act.REMIND:
        remind_provider(ctx, pick.number, actor=actor, seen=pick.seen)
    elif act in _FIELDS:
        field = _FIELDS[act]
        correct_ticket(ctx, pick.number, field, value=value, reason=reason, actor=actor, seen=pick.seen)
    else:
        wanted = Move.ASSESS if act is Act.ASSESS else Move.KEEP
        plan = _plan(ctx, pick.number) if wanted is Move.ASSESS else ()
        take_step(ctx, pick.number, wanted, actor=actor, seen=pick.seen, plan=plan)
    return say(f"board.done_{act.value}")


def _plan(ctx: Context, number: str) -> tuple[str, ...]:
    """The one category of a need; other kinds have no plan. Another category since then is another seen version."""
    with ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
    return (row.category,) if row is not None and row.kind == TicketKind.NEED else ()


def remind_provider(ctx: Context, number: str, *, actor: Actor, seen: str) -> None:
    """Remind the provider that has the request of its running deadline, once a day; a line of the history says so.

    Raises as `courses.take_step` does; ConflictError where no provider has it, or it was reminded today already.
    """
    with ctx.transaction() as tx:
        row, _ = _locked(tx, number, actor, seen)
        found = referrals.open_of(tx.connection, row.id)
        if found is None:
            raise ConflictError("board-provider", "现在没有机构在办理这件申请，不能提醒。")
        last = tickets.last_event(tx.connection, row.id, what=_REMINDED)
        if last is not None and china_date(last.at) == china_date(tx.now):
            raise ConflictError("board-reminded", "今天已经提醒过这家机构。")
        note = _remind(tx, row, found)
        tickets.add_event(
            tx.connection,
            row.id,
            at=tx.now,
            actor=actor.name,
            what=_REMINDED,
            note=note,
            provider=found.name,
        )
        tx.poke_after_commit("tickets")


def _remind(tx: Transaction, row: Any, found: Any) -> str:
    """Send the reminder; gives the line for the history."""
    steps = (Step.SERVICE, Step.FIRST_CONTACT) if found.state == "accepted" else (Step.ACCEPT,)
    running = ((step, due) for step in steps if (due := _due(tx, row, step)) is not None)
    step, due = min(running, key=lambda one: one[1], default=(None, None))
    if step is None or due is None:
        raise ConflictError("board-clock", "正在等企业补充，期限暂停，不需要提醒机构。")
    until = china_text(due)
    key = f"asked:{found.id}:{tx.now.astimezone(CHINA):%Y%m%d}"
    if not _tell_of(tx, row.number, found, "remind", "", key=key, step=step.label, until=until):
        raise RefusedError("board-way", "这家机构没有可用的邮箱、接口或微信，请打电话提醒。")
    return say("board.reminded", provider=found.name, step=step.label, until=until)


# --- saved views ---


def save_view(ctx: Context, *, actor: Actor, name: str, query: str) -> None:
    """Keep what the board shows under a name; one of the same name is replaced. RefusedError says what is wrong."""
    plain = " ".join(name.split())
    if not plain or len(plain) > _LONGEST_NAME or not plain.isprintable():
        raise RefusedError("board-view", f"请填写名称，{_LONGEST_NAME} 字以内。")
    with ctx.transaction() as tx:
        names = {view.name for view in store.views_of(tx.connection, actor.id)}
        if plain not in names and len(names) >= _MOST_VIEWS:
            raise RefusedError("board-view", f"最多保存 {_MOST_VIEWS} 个视图，请先删除不用的。")
        store.put_view(tx.connection, actor.id, name=plain, query=Filter.of_query(query).query)


def drop_view(ctx: Context, view_id: int, *, actor: Actor) -> None:
    """Forget one of their own views. NotFoundError where they have none of that id."""
    with ctx.transaction() as tx:
        if not store.drop_view(tx.connection, actor.id, view_id):
            raise NotFoundError("board-view", "没有这个视图，可能已经删除。")


# --- taking requests out ---


def export_board(ctx: Context, wanted: Filter, *, actor: Actor) -> bytes:
    """What is looked for as xlsx, the newest MOST_ROWS; who took out how many is a line of the audit trail.

    Without the right to see contacts there are no persons and phones in it, and names and words are masked.
    """
    if not actor.may(Right.SEE_TICKETS):
        raise ForbiddenError("right", "您没有导出申请的权限。")
    may_see = actor.may(Right.SEE_CONTACTS)
    names = [name for name in _SHEET if may_see or name not in _PERSONAL]
    rows = []
    with ctx.read() as session:
        for row in store.exported_rows(session, wanted, now=ctx.clock.now(), limit=MOST_ROWS):
            rows.append([_shown(name, row, may_see=may_see) for name in names])
    with ctx.transaction() as tx:
        note = say("board.exported", count=len(rows), filter=_named(wanted))
        add_line(tx.connection, at=tx.now, actor=actor.name, what="board-export", subject="ticket", note=note)
    return written_sheet([say(f"board.column_{name}") for name in names], rows, form="xlsx")


def _named(wanted: Filter) -> str:
    """The filter for the audit trail; the words that were looked for may be somebody's name and are left out."""
    query = wanted.at(text="").query
    return f"{query or wanted.state or OPEN}{' text=*' if wanted.text else ''}".strip() or "—"


def _shown(name: str, row: Any, *, may_see: bool) -> str:
    """One field as people read it."""
    value = row.channel if name == "source" else getattr(row, name)
    if not value:
        return ""
    if isinstance(value, datetime):
        return china_text(value)
    text = _worded(name, str(value))
    if may_see or name not in _MASKED:
        return text
    return masked_name(text) if name == "applicant" else mask(text)


def _worded(name: str, value: str) -> str:
    match name:
        case "kind" | "state" | "urgency" | "source":
            return say(f"{name}.{value}")
        case "category" if value in set(Category):
            return Category(value).label
        case "step":
            return Step(value).label
        case "recorder" if value == courses.BOT:
            return say("board.bot")
    return value


@dataclass(frozen=True, slots=True)
class BoardChoices:
    """What may be chosen in the filter besides the fixed lists."""

    stations: tuple[str, ...]
    staff: tuple[str, ...]


def board_choices(ctx: Context) -> BoardChoices:
    """The stations and the people that requests may stand under."""
    with ctx.read() as session:
        return BoardChoices(tuple(clocks.stations(session)), tuple(store.staff_names(session)))


def provider_of(row: Any) -> str:
    """The provider that has the leg which is being worked on; empty: none."""
    return next((str(name) for name in _providers(row)), "")


def _providers(row: Any) -> Iterator[str]:
    for leg in row.legs:
        if leg["state"] not in ("finished", "withdrawn"):
            yield leg["provider"]
            return
