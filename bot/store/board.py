"""Queries of the request board: one page of requests with their clocks, the columns of the board, counts.

The order of the due moments follows the running clocks by their index and looks each ticket up; what has no running
clock (it waits for the enterprise, or has ended) comes after, newest first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, aliased

from bot.core.board import Cursor, Filter, Mark, Order
from bot.core.ticket_states import FINAL, Party, TicketState
from bot.core.times import CHINA, china_date
from bot.store.clocks import TicketClock
from bot.store.console import SavedView
from bot.store.people import Contact, Staff
from bot.store.referrals import Referral
from bot.store.tickets import Ticket, TicketEvent

MOST_COUNTED = 1000  # beyond that a count only says "more"
_OPEN = sorted(state.value for state in TicketState if state not in FINAL)
_SERVED = ("open", "accepted", "finished")  # referrals of a provider that has, or had, the request
_NO_WILDCARD = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_ENDED = ("stopped", "replaced", "paused")  # states of clocks that do not run
_PIECE = 1000  # rows of one statement of an export

_COLUMNS = (
    Ticket.id,
    Ticket.number,
    Ticket.kind,
    Ticket.state,
    Ticket.category,
    Ticket.urgency,
    Ticket.applicant,
    Ticket.content,
    Ticket.channel,
    Ticket.specialist,
    Ticket.legs,
    Ticket.waiting_since,
    Ticket.urged_at,
    Ticket.created_at,
)
_EXPORTED = (
    *_COLUMNS,
    Ticket.person,
    Ticket.phone,
    Ticket.started_at,
    Ticket.respond_by,
    Ticket.provider,
    Ticket.technician,
    Ticket.service_period,
    Ticket.solution,
    Ticket.recorder,
    Ticket.reviewer,
    Contact.station,
)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows with `due_at` and `step` of the clock that ends first (None: none runs), and where the next page begins."""

    rows: tuple[sa.Row[Any], ...]
    next: Cursor | None


@dataclass(frozen=True, slots=True)
class Summary:
    """How many unfinished requests there are, and how many of them stand out."""

    overdue: int
    today: int  # due before the day ends
    waiting: int  # for the enterprise
    urged: int
    states: Mapping[str, int]  # unfinished ones by state


def found_page(session: Session, wanted: Filter, *, now: datetime, after: Cursor | None, limit: int) -> Page:
    """One page of what is looked for."""
    # What waits for the enterprise has no clock that runs.
    if wanted.order is Order.NEW or wanted.mark == Mark.WAITING:
        return _by_id(session, _conditions(wanted, now=now), after=after, limit=limit)
    clocked: Page = Page((), None)
    if (after is None or after.due is not None) and (wanted.states is None or wanted.states - FINAL):
        clocked = _by_clock(session, wanted, now=now, after=after, limit=limit)
        if clocked.next is not None or wanted.mark in (Mark.OVERDUE, Mark.TODAY):
            return clocked
    if wanted.mark in (Mark.OVERDUE, Mark.TODAY):
        return clocked
    left = limit - len(clocked.rows)
    rest = after if after is not None and after.due is None else None
    others = (*_conditions(wanted, now=now), ~_running_of(Ticket.id).exists())
    if not left:
        # The page is full to the last clock: the others, if there are any, begin the next one.
        is_more = session.execute(sa.select(Ticket.id).where(*others).limit(1)).first() is not None
        return Page(clocked.rows, Cursor(None, 2**53) if is_more else None)
    page = _by_id(session, others, after=rest, limit=left)
    return Page((*clocked.rows, *page.rows), page.next)


def _by_clock(session: Session, wanted: Filter, *, now: datetime, after: Cursor | None, limit: int) -> Page:
    query = (
        sa.select(*_COLUMNS, TicketClock.due_at, TicketClock.step, TicketClock.id.label("clock_id"))
        .select_from(TicketClock)
        .join(Ticket, Ticket.id == TicketClock.ticket_id)
        .where(TicketClock.state == "running", _is_first(), *_plain(wanted))
        .where(*_due_within(wanted, TicketClock.due_at, now=now))
    )
    if after is not None and after.due is not None:
        is_later = sa.or_(TicketClock.due_at > after.due, TicketClock.id > after.id)
        query = query.where(TicketClock.due_at >= after.due, is_later)
    query = query.order_by(TicketClock.due_at, TicketClock.id).limit(limit + 1)
    rows = session.execute(query).all()
    shown = tuple(rows[:limit])
    return Page(shown, Cursor(shown[-1].due_at, shown[-1].clock_id) if len(rows) > limit else None)


def _by_id(
    session: Session, conditions: Sequence[sa.ColumnElement[bool]], *, after: Cursor | None, limit: int
) -> Page:
    query = sa.select(*_COLUMNS, *_next_clock()).where(*conditions)
    if after is not None:
        query = query.where(Ticket.id < after.id)
    rows = session.execute(query.order_by(Ticket.id.desc()).limit(limit + 1)).all()
    shown = tuple(rows[:limit])
    return Page(shown, Cursor(None, shown[-1].id) if len(rows) > limit else None)


def board_columns(
    session: Session, wanted: Filter, *, now: datetime, limit: int
) -> dict[str, tuple[int, list[sa.Row[Any]]]]:
    """Stage -> how many unfinished requests it holds and the first of them, the next due moment before the others."""
    if not wanted.stages:
        return {}
    ranked = _ranked(wanted, now=now)
    first = session.execute(sa.select(ranked).where(ranked.c.place <= limit).order_by(ranked.c.place)).all()
    rows = {
        row.id: row
        for row in session.execute(
            sa.select(*_COLUMNS, *_next_clock()).where(Ticket.id.in_([one.id for one in first]))
        )
    }
    found: dict[str, tuple[int, list[sa.Row[Any]]]] = {one.key: (0, []) for one in wanted.stages}
    for one in first:
        found[one.stage] = (one.total, [*found[one.stage][1], rows[one.id]])
    return found


def _ranked(wanted: Filter, *, now: datetime) -> sa.Subquery:
    """The unfinished requests that are looked for: id, stage, place in it, and how many it holds."""
    due = (
        sa.select(TicketClock.ticket_id, sa.func.min(TicketClock.due_at).label("due_at"))
        .where(TicketClock.state == "running")
        .group_by(TicketClock.ticket_id)
        .subquery()
    )
    stage = sa.case(
        *((Ticket.state.in_([state.value for state in one.states]), one.key) for one in wanted.stages),
        else_="",
    ).label("stage")
    order = (due.c.due_at.is_(None), due.c.due_at, Ticket.id)
    return (
        sa.select(
            Ticket.id,
            stage,
            sa.func.row_number().over(partition_by=stage, order_by=order).label("place"),
            sa.func.count().over(partition_by=stage).label("total"),
        )
        .outerjoin(due, due.c.ticket_id == Ticket.id)
        .where(*_conditions(wanted, now=now), Ticket.state.in_(_OPEN))
        .subquery()
    )


def count_found(session: Session, wanted: Filter, *, now: datetime) -> int:
    """How many requests are looked for; MOST_COUNTED + 1 stands for more than that."""
    found = sa.select(Ticket.id).where(*_conditions(wanted, now=now)).limit(MOST_COUNTED + 1).subquery()
    return session.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()


def versions(session: Session, ids: Sequence[int]) -> dict[int, str]:
    """What `core.tickets.version` says of each of these tickets, without reading their histories."""
    is_counted = sa.and_(TicketEvent.party != "", TicketEvent.party != Party.ENTERPRISE.value)
    query = (
        sa.select(Ticket.id, Ticket.state, sa.func.count(TicketEvent.id))
        .outerjoin(TicketEvent, sa.and_(TicketEvent.ticket_id == Ticket.id, is_counted))
        .where(Ticket.id.in_(ids))
        .group_by(Ticket.id, Ticket.state)
    )
    return {ticket_id: f"{state}-{count}" for ticket_id, state, count in session.execute(query)}


def exported_rows(
    session: Session, wanted: Filter, *, now: datetime, limit: int, piece: int = _PIECE
) -> Iterator[sa.Row[Any]]:
    """What is looked for with every field of Annex B and the contact's station, newest first; read `piece` at a time."""
    query = sa.select(*_EXPORTED, *_next_clock()).join(Contact, Contact.id == Ticket.contact_id)
    query = query.where(*_conditions(wanted, now=now)).order_by(Ticket.id.desc())
    before: int | None = None
    while limit > 0:
        batch = query if before is None else query.where(Ticket.id < before)
        rows = session.execute(batch.limit(min(piece, limit))).all()
        yield from rows
        if len(rows) < min(piece, limit):
            return
        limit, before = limit - len(rows), rows[-1].id


def board_summary(session: Session, *, now: datetime) -> Summary:
    """The figures of the overview, of unfinished requests alone."""
    counts = sa.select(Ticket.state, sa.func.count()).where(Ticket.state.in_(_OPEN))
    marked = {mark: Filter(mark=mark.value) for mark in Mark}

    def count(mark: Mark) -> int:
        if mark in (Mark.OVERDUE, Mark.TODAY):
            query = sa.select(sa.func.count()).select_from(TicketClock)
            query = query.where(TicketClock.state == "running", _is_first())
            return session.execute(
                query.where(*_due_within(marked[mark], TicketClock.due_at, now=now))
            ).scalar_one()
        column = Ticket.waiting_since if mark is Mark.WAITING else Ticket.urged_at
        query = sa.select(sa.func.count()).select_from(Ticket)
        return session.execute(query.where(column.is_not(None), Ticket.state.in_(_OPEN))).scalar_one()

    states = {row[0]: row[1] for row in session.execute(counts.group_by(Ticket.state))}
    return Summary(count(Mark.OVERDUE), count(Mark.TODAY), count(Mark.WAITING), count(Mark.URGED), states)


def contact_on(session: Session | Connection, number: str) -> sa.Row[Any] | None:
    """Number, applicant, person and phone of a request."""
    row = Ticket.__table__.c
    query = sa.select(*(row[name] for name in ("number", "applicant", "person", "phone")))
    return session.execute(query.where(row.number == number)).one_or_none()


# --- what is looked for ---


def _conditions(wanted: Filter, *, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """The filter, with the due moments of the marks."""
    within = _due_within(wanted, TicketClock.due_at, now=now)
    if not within:
        return _plain(wanted)
    due = sa.select(TicketClock.ticket_id).where(TicketClock.state == "running", _is_first(), *within)
    return (*_plain(wanted), Ticket.id.in_(due))


def _plain(wanted: Filter) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions that need no clock."""
    found: list[sa.ColumnElement[bool]] = []
    states = wanted.states
    if states is not None:
        found.append(Ticket.state.in_(sorted(state.value for state in states)))
    for column, value in (
        (Ticket.kind, wanted.kind),
        (Ticket.category, wanted.category),
        (Ticket.urgency, wanted.urgency),
        (Ticket.channel, wanted.source),
    ):
        if value:
            found.append(column == value)
    if wanted.mark == Mark.WAITING:
        found.append(Ticket.waiting_since.is_not(None))
    if wanted.mark == Mark.URGED:
        found.append(Ticket.urged_at.is_not(None))
    return (*found, *_people(wanted), *_words(wanted.text), *_days(wanted))


def _people(wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.station:
        yield Ticket.contact_id.in_(sa.select(Contact.id).where(Contact.station == wanted.station))
    if wanted.provider:
        had = sa.select(Referral.ticket_id).where(
            Referral.provider == wanted.provider, Referral.state.in_(_SERVED)
        )
        yield Ticket.id.in_(had)
    if wanted.staff:
        columns = (Ticket.specialist, Ticket.recorder, Ticket.reviewer)
        yield sa.or_(*(column == wanted.staff for column in columns))


def _words(text: str) -> Iterator[sa.ColumnElement[bool]]:
    for word in text.split():
        pattern = f"%{word.translate(_NO_WILDCARD)}%"
        columns = (Ticket.number, Ticket.applicant, Ticket.content)
        yield sa.or_(*(column.ilike(pattern, escape="\\") for column in columns))


def _days(wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.since:
        yield Ticket.created_at >= _begin(wanted.since)
    if wanted.until:
        yield Ticket.created_at < _begin(wanted.until + timedelta(days=1))


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA)


def _due_within(wanted: Filter, column: Any, *, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    if wanted.mark == Mark.OVERDUE:
        return (column <= now,)
    if wanted.mark == Mark.TODAY:
        return (column > now, column < _begin(china_date(now) + timedelta(days=1)))
    return ()


def _runs(clock: Any) -> sa.ColumnElement[bool]:
    """Does the clock of a known ticket run? Said by what it is not: SQLite would else walk through all that run."""
    runs: sa.ColumnElement[bool] = clock.state.not_in(_ENDED)
    return runs


def _running_of(ticket_id: Any) -> sa.Select[int]:
    clock = aliased(TicketClock)
    return sa.select(clock.id).where(clock.ticket_id == ticket_id, _runs(clock))


def _is_first() -> sa.ColumnElement[bool]:
    """Of the running clocks of its ticket, does this one end first?"""
    other = aliased(TicketClock)
    is_sooner = sa.or_(
        other.due_at < TicketClock.due_at,
        sa.and_(other.due_at == TicketClock.due_at, other.id < TicketClock.id),
    )
    sooner = sa.select(other.id).where(other.ticket_id == TicketClock.ticket_id, _runs(other), is_sooner)
    return ~sooner.correlate(TicketClock).exists()


def _next_clock() -> tuple[Any, Any]:
    """`due_at` and `step` of the ticket's clock that ends first; None where none runs."""
    clock = aliased(TicketClock)
    query = sa.select(clock.due_at).where(clock.ticket_id == Ticket.id, _runs(clock))
    query = query.order_by(clock.due_at, clock.id).limit(1).correlate(Ticket)
    step = query.with_only_columns(clock.step)
    return query.scalar_subquery().label("due_at"), step.scalar_subquery().label("step")


# --- saved views, and who may stand in a filter ---


def views_of(session: Session | Connection, staff_id: int) -> list[sa.Row[Any]]:
    """The saved views of somebody, by name: id, name, query."""
    query = sa.select(SavedView.id, SavedView.name, SavedView.query).where(SavedView.staff_id == staff_id)
    return list(session.execute(query.order_by(SavedView.name)))


def put_view(connection: Connection, staff_id: int, *, name: str, query: str) -> None:
    """Keep a view under a name; one of the same name is replaced."""
    is_mine = sa.and_(SavedView.staff_id == staff_id, SavedView.name == name)
    if not connection.execute(sa.update(SavedView).where(is_mine).values(query=query)).rowcount:
        connection.execute(sa.insert(SavedView).values(staff_id=staff_id, name=name, query=query))


def drop_view(connection: Connection, staff_id: int, view_id: int) -> bool:
    """Forget a view of theirs; False where they have none of that id."""
    is_mine = sa.and_(SavedView.id == view_id, SavedView.staff_id == staff_id)
    return bool(connection.execute(sa.delete(SavedView).where(is_mine)).rowcount)


def staff_names(session: Session) -> list[str]:
    """Everybody whose name may stand on a request, by name."""
    return list(session.scalars(sa.select(Staff.name).order_by(Staff.name)))
