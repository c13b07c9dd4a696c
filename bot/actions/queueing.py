"""Who waits for staff: into the queue, to somebody who is here, or, where nobody came, to a request; and idle chats."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.actions.chats import _greet, _let_go, _locked, _poke
from bot.actions.context import Context, Transaction
from bot.actions.telling import _news_way, _send_news
from bot.actions.tickets import _open_ticket
from bot.core import wording
from bot.core.permissions import Actor, Right, Role
from bot.core.takeover import (
    HERE,
    IDLE_LIMIT,
    WAIT_LIMIT,
    WAITS_COUNTED,
    Colleague,
    ConsoleRules,
    Waiting,
    choose,
    expected_minutes,
    in_line,
    is_idle,
    is_unanswered,
    is_wait_over,
    own_words,
)
from bot.core.ticket_states import TicketKind
from bot.core.times import china_text
from bot.core.turns import DialogueState, Form
from bot.errors import ForbiddenError
from bot.store import audit, clocks, conversations, courses, runtime
from bot.store import takeover as store
from bot.store.clocks import Calendars
from bot.store.conversations import Talk
from bot.store.takeover import Held
from intents.categories import Category

SETTING = "console"
"""The runtime setting that holds `ConsoleRules`."""
HANDLERS = tuple(role for role in Role if Actor(0, "", role).may(Right.HANDLE_TICKETS))
"""The roles to which chats may go."""
_GIVEN = ("claim-conversation", "assign-conversation", "transfer-conversation")
_TODAY = timedelta(hours=12)  # whoever was given no chat for so long has waited longest anyway
_CATEGORIES = frozenset(category.value for category in Category)


@dataclass(frozen=True, slots=True)
class Alert:
    """A chat in which the contact's last word has had no answer for too long."""

    conversation_id: int
    staff_id: int
    staff_name: str
    since: datetime  # of the contact's last word


# --- what is asked for ---


def queue_of(session: Session) -> list[Waiting]:
    """Who waits for staff, the longest first, with the wait that was to be expected."""
    rows = [(talk.id, talk.waiting_since) for talk in store.in_queue(session)]
    return in_line([(key, since) for key, since in rows if since is not None], _waits(session))


def alerts_of(session: Session, *, now: datetime) -> list[Alert]:
    """The chats that wait for an answer of staff through all the time after which an answered one would go back."""
    calendars = clocks.calendars(session)
    found = []
    for talk in store.held_by_staff(session, spoken_before=now - IDLE_LIMIT):
        if not is_unanswered(contact_at=talk.contact_at, staff_at=talk.staff_at):
            continue
        assert talk.contact_at is not None, "somebody's word is unanswered"
        # Who has only just taken the chat cannot have answered sooner.
        since = max(talk.contact_at, talk.claimed_at or talk.contact_at)
        waited = calendars.of(talk.station).working_time_between(since, now).time
        if waited >= IDLE_LIMIT and talk.staff_id is not None:
            found.append(Alert(talk.id, talk.staff_id, talk.staff_name or "", talk.contact_at))
    return found


def rules_of(session: Session | Connection) -> ConsoleRules:
    """How the queue works now."""
    return ConsoleRules.from_json(runtime.value_of(session, SETTING))


def configure(ctx: Context, rules: ConsoleRules, *, actor: Actor) -> None:
    """Change how the queue works; raises ForbiddenError for who runs no accounts and leads nobody."""
    if not (actor.may(Right.EDIT_ACCOUNTS) or actor.may(Right.LEAD)):
        raise ForbiddenError("right", "您没有更改接待设置的权限。")
    value = {name: getattr(rules, name) for name in ConsoleRules.__dataclass_fields__}
    with ctx.transaction() as tx:
        runtime.put_value(tx.connection, SETTING, value, by=actor.name, now=tx.now)
        told = " ".join(f"{name}={value[name]}" for name in sorted(value))
        audit.add_line(tx.connection, at=tx.now, actor=actor.name, what="configure-console", note=told)
        tx.poke_after_commit("console")


def _waits(session: Session | Connection) -> list[timedelta]:
    return [row.claimed_at - row.waiting_since for row in store.last_waits(session, limit=WAITS_COUNTED)]


# --- into the queue ---


def _request_staff(tx: Transaction, talk: Talk) -> str:
    """The contact wants a person: into the queue in office hours, else when people are back. Gives what to say."""
    is_waiting = talk.holder == store.WAITING
    if not is_waiting and (when := _back_at(tx, talk.contact_id)):
        return wording.say("staff.after_hours", when=china_text(when))
    since = store.wait_for_staff(tx.connection, talk.conversation_id, now=tx.now)
    ahead = store.count_ahead(tx.connection, talk.conversation_id, since=since)
    minutes = expected_minutes(_waits(tx.connection))
    wait = wording.say("staff.expected", minutes=minutes) if minutes else ""
    if is_waiting:
        return wording.say("staff.waiting", ahead=ahead, wait=wait)
    return wording.say("staff.asked", ahead=ahead, wait=wait)


def _back_at(tx: Transaction, contact_id: int) -> datetime | None:
    """When people are back at the contact's station; None while they are there."""
    if not rules_of(tx.connection).office_hours:
        return None
    station = clocks.station_of(tx.connection, contact_id)
    calendar = clocks.calendars(tx.connection).of(station)
    return None if calendar.is_open(tx.now) else calendar.next_opening(tx.now).at


# --- to somebody who is here ---


def assign_waiting(ctx: Context) -> int:
    """Give those who wait to people who are here, until nobody has a place left; gives how many."""
    with ctx.read() as session:
        waiting = store.in_queue(session)
        if not waiting or not rules_of(session).auto_assign:
            return 0
        if not store.people_here(session, HANDLERS, since=ctx.clock.now() - HERE):
            return 0
    return sum(_assign(ctx, talk.id) for talk in waiting)


def _assign(ctx: Context, conversation_id: int) -> bool:
    """Give one chat to whom it fits best; False where another took it, or nobody has a place."""
    with ctx.transaction() as tx:
        talk = _locked(tx, conversation_id)
        if talk.holder != store.WAITING:
            return False
        last = store.last_author(tx.connection, talk.id)
        chosen = choose(_colleagues(tx), category=talk.category, last=last)
        if chosen is None:
            return False
        colleague, why = chosen
        store.take(tx.connection, talk.id, staff_id=colleague.id, now=tx.now, why=why)
        _greet(tx, _locked(tx, talk.id), "assign-conversation", by="system")
    return True


def _colleagues(tx: Transaction) -> list[Colleague]:
    held = store.held_counts(tx.connection)
    given = store.given_since(tx.connection, _GIVEN, since=tx.now - _TODAY)
    return [
        Colleague(row.id, row.name, frozenset(row.skills), held.get(row.id, 0), given.get(row.name))
        for row in store.people_here(tx.connection, HANDLERS, since=tx.now - HERE)
    ]


# --- nobody came ---


def end_vain_waits(ctx: Context) -> int:
    """Tell those for whom nobody came, and register what they wanted; gives how many."""
    with ctx.read() as session:
        waiting = store.in_queue(session)
        if not waiting:
            return 0
        rules, calendars = rules_of(session), clocks.calendars(session)
    now = ctx.clock.now()
    over = [talk.id for talk in waiting if _is_over(talk, rules, calendars, now=now)]
    return sum(_end_wait(ctx, conversation_id) for conversation_id in over)


def _is_over(talk: Held, rules: ConsoleRules, calendars: Calendars, *, now: datetime) -> bool:
    if talk.waiting_since is None:
        return False
    if not rules.office_hours:
        return now - talk.waiting_since >= WAIT_LIMIT
    return is_wait_over(calendars.of(talk.station), talk.waiting_since, now=now)


def _end_wait(ctx: Context, conversation_id: int) -> bool:
    with ctx.transaction() as tx:
        held = _locked(tx, conversation_id)
        if held.is_erased or not store.leave_queue(tx.connection, held.id):
            return False
        talk = conversations.talk_with(tx.connection, held.account, held.openid, now=tx.now)
        opened = _open_ticket(tx, talk, _wanted(tx, talk, held), channel=f"wechat-{talk.account}")
        state = DialogueState.from_json(talk.state)
        left = replace(state, form=None, choices=(), affirm="", deny="", asked="", kept=0)
        store.save_state(tx.connection, held.id, left.to_json())
        values = {"number": opened.number, "until": china_text(opened.clock.due)}
        remark = opened.clock.rests_on.remark
        if _back_at(tx, talk.contact_id):
            text = wording.say("staff.closed_meanwhile", remark=remark, **values)
        else:
            text = wording.say("staff.nobody_came", remark=remark, **values)
        _tell_opened(tx, opened.number, text, key=f"vain:{opened.id}")
        _poke(tx, held.id)
    return True


def _wanted(tx: Transaction, talk: Talk, held: Held) -> Form:
    """The need of somebody for whom nobody came: their form as far as it is, else their last own words."""
    state = DialogueState.from_json(talk.state)
    if state.form is not None and state.form.content:
        return replace(state.form, asking="", started_at=state.form.started_at or tx.now.isoformat())
    words = [(row.kind, row.text, row.outcome or "") for row in store.last_words(tx.connection, held.id)]
    found = own_words(state.asked, words)
    category = held.category if held.category in _CATEGORIES else Category.OTHER.value
    return Form(
        TicketKind.NEED,
        content=found or wording.say("staff.wanted"),
        category=category if found else Category.OTHER.value,
        applicant=talk.applicant,
        person=talk.person,
        phone=talk.phone,
        started_at=(held.waiting_since or tx.now).isoformat(),
    )


def _tell_opened(tx: Transaction, number: str, text: str, *, key: str) -> None:
    """Tell the contact of a request that was opened for them, the way that is open."""
    found = courses.lock_ticket(tx.connection, number)
    assert found is not None, "opened in this transaction"
    ticket, _ = found
    _send_news(tx, ticket, _news_way(tx, ticket, text), text, key=key)


# --- nobody writes any more ---


def return_idle(ctx: Context) -> int:
    """Give chats back to the bot in which all is answered and nobody has written for long; gives how many."""
    now = ctx.clock.now()
    with ctx.read() as session:
        quiet = store.held_by_staff(session, spoken_before=now - IDLE_LIMIT)
        if not quiet:
            return 0
        calendars = clocks.calendars(session)
    over = [talk for talk in quiet if _is_idle(talk, calendars, now=now)]
    return sum(_return(ctx, talk) for talk in over)


def _is_idle(talk: Held, calendars: Calendars, *, now: datetime) -> bool:
    return talk.claimed_at is not None and is_idle(
        calendars.of(talk.station),
        held_since=talk.claimed_at,
        contact_at=talk.contact_at,
        staff_at=talk.staff_at,
        now=now,
    )


def _return(ctx: Context, seen: Held) -> bool:
    with ctx.transaction() as tx:
        talk = _locked(tx, seen.id)
        # A word that came meanwhile keeps the chat with staff.
        if (talk.claimed_at, talk.contact_at, talk.staff_at) != (
            seen.claimed_at,
            seen.contact_at,
            seen.staff_at,
        ):
            return False
        return _let_go(tx, talk, wording.say("staff.idle"), by="system")
