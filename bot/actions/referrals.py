"""Referrals: a leg of a need is offered to a provider, who takes it on, refuses, or lets the time pass (S 8.3.4)."""

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.actions.acceptance import _accept, _check_days, service_days
from bot.actions.clocks import _fire
from bot.actions.context import Context, Transaction
from bot.actions.courses import _locked
from bot.actions.libraries import Advice, Libraries
from bot.actions.links import read_referral_link, referral_link
from bot.actions.moves import _due, _lock, _make, _words
from bot.actions.referral_ends import _tell_of
from bot.actions.routing import SEEKING, _chosen, _seek, advice_on, content_of, may_offer
from bot.actions.telling import _tell_staff
from bot.core.deadlines import Recipient, Step
from bot.core.permissions import Actor, Right
from bot.core.routing import Fit, Suggestion
from bot.core.ticket_states import Course, Facts, Move, Party, TicketState
from bot.core.tickets import ReferralLine, lines_for_provider, offers, version, without_contact
from bot.core.times import china_text
from bot.core.turns import ProviderOffer
from bot.core.wording import say
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import clocks, courses, referrals, tickets
from bot.store.conversations import Talk
from bot.store.tickets import Ticket
from intents.categories import Category

MOST_OFFERS = 3  # that the enterprise may choose from
_MOST_AUTOMATIC = 3  # offers of one leg that nobody chose
_BY_PROVIDER = frozenset(
    {Move.ACCEPT, Move.REJECT, Move.START, Move.ASK_EXTENSION, Move.REPORT, Move.ASK_ENTERPRISE, Move.FINISH}
)


def offers_for(ctx: Context, number: str) -> tuple[ProviderOffer, ...]:
    """The providers that the enterprise may choose from for a need that is being matched, best first."""
    with ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        if row is None or row.state not in SEEKING:
            return ()
        course = courses.course_of(row, tickets.events_of(session, row.id))
        advice = advice_on(ctx, session, row, course)
    found = [one for one in advice.suggestions if may_offer(one)] if advice else []
    return tuple(
        ProviderOffer(number, one.provider.number, one.provider.name, one.reason)
        for one in found[:MOST_OFFERS]
    )


def refer_ticket(
    ctx: Context, number: str, *, provider: str, actor: Actor, seen: str, reason: str = ""
) -> str:
    """Staff refer the leg that comes next to a provider of the library; gives what the enterprise is told.

    `provider` is its number; another than the first of the ranking, and one whom nothing but the category speaks for,
    needs a reason. `seen` as for `courses.take_step`; raises as that does.
    """
    with ctx.transaction() as tx:
        row, course = _locked(tx, number, actor, seen)
        chosen, advice = _chosen(tx, row, course, provider)
        words = _words(reason)
        if chosen.fit is Fit.CATEGORY and not words:
            raise RefusedError("referral-reason", "能力词条没有提到这项内容，请先与机构确认，并写明原因。")
        if chosen.rank > 1 and not words:
            raise RefusedError("referral-reason", "没有选排在第一的机构，请写明原因。")
        facts = Facts(actor.party, actor.name, tx.now, reason=words)
        return _offer(tx, row, course, chosen, advice, facts)


def _choose_provider(tx: Transaction, talk: Talk, *, number: str, provider: str) -> str:
    """The enterprise chooses a provider for its own need, inside its turn; gives what it is told, or why not."""
    clocks.calendars(tx.connection, has_lock=True)
    found = courses.lock_ticket(tx.connection, number, contact_id=talk.contact_id)
    if found is None:
        return say("progress.unknown", number=number)
    row, course = found
    try:
        advice = _seek(tx, row, course)
        choice = [one for one in advice.suggestions if may_offer(one)][:MOST_OFFERS]
        chosen = next((one for one in choice if one.provider.number == provider), None)
        if chosen is None:
            return say("referral.not_offered", number=number)
        facts = Facts(Party.ENTERPRISE, "contact", tx.now, reason=say("referral.chosen"))
        return _offer(tx, row, course, chosen, advice, facts, in_turn=True)
    except RefusedError as refusal:
        return refusal.message


def _offer(
    tx: Transaction,
    row: sa.Row[Any],
    course: Course,
    chosen: Suggestion,
    advice: Advice,
    facts: Facts,
    *,
    in_turn: bool = False,
) -> str:
    """Refer to the chosen provider: the move, the referral with its ranking, the message; what the enterprise is told."""
    assert course.leg is not None, "what is assessed has legs"
    name = chosen.provider.name[:200]
    made = _make(tx, row, course, Move.REFER, replace(facts, provider=name), in_turn=in_turn)
    is_listed = any(one.rank == chosen.rank for one in advice.suggestions)
    places = advice.suggestions if is_listed else (*advice.suggestions, chosen)
    referrals.add_referral(
        tx.connection,
        ticket_id=row.id,
        leg=course.leg,
        category=course.legs[course.leg].category,
        provider=chosen.provider.number,
        name=name,
        by=facts.person,
        rank=chosen.rank,
        reason=facts.reason,
        ranking=[
            {"rank": one.rank, "number": one.provider.number, "name": one.provider.name, "reason": one.reason}
            for one in places
        ],
        link_key=secrets.token_hex(8),
        at=tx.now,
    )
    _tell_offer(tx, row)
    return made.told


def _tell_offer(tx: Transaction, row: sa.Row[Any]) -> None:
    """Tell the provider of the open referral where its page is, and what is wanted while it has not answered."""
    found = referrals.open_of(tx.connection, row.id)
    assert found is not None, "it is open"
    due = _due(tx, row, Step.ACCEPT)
    if due is None:
        _tell_of(tx, row.number, found, "link", "", key=offer_key(found))
        return
    _tell_of(
        tx,
        row.number,
        found,
        Move.REFER,
        "",
        key=offer_key(found),
        until=china_text(due),
        category=Category(found.category).label,
        content=without_contact(content_of(tx.connection, row), (row.applicant, row.person)),
    )


def offer_key(referral: Any) -> str:
    """How the message that offers a referral is named in the outbox, behind mail:, hook: or chat:0:."""
    return f"refer:{referral.id}:{referral.link_key}"


def resend_link(ctx: Context, number: str, *, actor: Actor) -> str:
    """Give the open referral a new link and tell its provider; older links end. Gives the link, for staff to copy."""
    if not actor.may(Right.HANDLE_TICKETS):
        raise ForbiddenError("right", "您没有办理申请的权限。")
    key = secrets.token_hex(8)
    with ctx.transaction() as tx:
        row, _ = _lock(tx, number)
        found = referrals.open_of(tx.connection, row.id)
        if found is None:
            raise ConflictError("referral-ended", "现在没有机构在办理这件申请，不需要重新发送。")
        referrals.set_link_key(tx.connection, found.id, key)
        tickets.add_event(
            tx.connection, row.id, at=tx.now, actor=actor.name, what="link-renewed", provider=found.name
        )
        _tell_offer(tx, row)
    return referral_link(ctx, found.id, key)


def expire_referral(ctx: Context, timer_id: int) -> bool:
    """The time to accept is over: the offer ends and the next provider is asked, or staff are told that none is left.

    The timer is claimed in the same transaction: False when another worker was first. What we serve ourselves is only
    overdue.
    """
    with ctx.transaction() as tx:
        number = referrals.number_of_timer(tx.connection, timer_id)
        if number is None:
            return False
        row, course = _lock(tx, number)
        if not _fire(tx, (timer_id,)):
            return False
        found = referrals.open_of(tx.connection, row.id)
        if course.state is TicketState.REFERRED and found is not None:
            _ask_next(tx, row, course, found)
    return True


def _ask_next(tx: Transaction, row: sa.Row[Any], course: Course, silent: sa.Row[Any]) -> None:
    facts = Facts(Party.SYSTEM, "system", tx.now)
    after = _make(tx, row, course, Move.NO_ANSWER, facts).course
    advice = advice_on(tx.ctx, tx.connection, row, after)
    rows = referrals.referrals_of(tx.connection, row.id)
    count = sum((one.leg, one.by) == (after.leg, "system") for one in rows)
    can = [one for one in advice.suggestions if may_offer(one)] if advice and count < _MOST_AUTOMATIC else []
    if advice and can:
        reason = say("referral.next")
        _offer(tx, row, after, can[0], advice, replace(facts, reason=reason))
    gaps = {"number": row.number, "provider": silent.name}
    text = (
        say("referral.staff_next", **gaps, next=can[0].provider.name)
        if can
        else say("referral.staff_none", **gaps)
    )
    _tell_staff(tx, Recipient.STAFF, subject=text.splitlines()[0], text=text, key=f"no-answer:{silent.id}")


# --- what the provider sees and does ---


@dataclass(frozen=True, slots=True)
class ReferralView:
    """What the page of one referral shows to its provider; who the enterprise is only while it serves it."""

    referral_id: int
    ticket_id: int
    number: str  # of the ticket
    provider: str  # its number in the library
    name: str
    state: str  # of the referral: open, accepted, or how it ended
    ticket_state: TicketState
    category: str
    content: str
    region: str
    urgency: str
    respond_until: datetime | None
    service_until: datetime | None
    is_waiting: bool  # for the enterprise
    applicant: str
    person: str
    phone: str
    service_days: int  # suggested service period in working days; once accepted, the one agreed on
    moves: tuple[Move, ...]  # what the provider may do now
    lines: tuple[ReferralLine, ...]
    seen: str  # the version of the ticket, for `act_on_referral`


def see_referral(ctx: Context, token: str) -> ReferralView:
    """The referral behind a link; NotFoundError for one that is forged, too old, or replaced by a new one."""
    referral_id, key = read_referral_link(ctx, token)
    with ctx.read() as session:
        found = _opened(session, referral_id, key)
        row = tickets.ticket_numbered(session, found.number)
        assert row is not None, "a referral has a ticket"
        course = courses.course_of(row, tickets.events_of(session, row.id))
        return _view(ctx, session.connection(), found, row, course)


def _opened(within: Session | Connection, referral_id: int, key: str) -> sa.Row[Any]:
    found = referrals.referral_of(within, referral_id)
    if found is None or not hmac.compare_digest(found.link_key.encode(), key.encode()):
        raise NotFoundError("link", "链接无效或已过期，请联系服务平台重新发送。")
    return found


def _view(
    ctx: Context, connection: Connection, found: sa.Row[Any], row: Ticket, course: Course
) -> ReferralView:
    is_ours, is_over = found.state == "accepted", found.state not in (*referrals.OPEN, "finished")
    names = () if is_ours else (row.applicant, row.person)
    due = {step: courses.last_clock(connection, row.id, step.value) for step in (Step.ACCEPT, Step.SERVICE)}
    is_open, service = found.state in referrals.OPEN, due[Step.SERVICE]
    accept = due[Step.ACCEPT]

    def shown(text: str) -> str:
        return text if is_ours else without_contact(text, names)

    content = "" if is_over else shown(content_of(connection, row))
    lines = lines_for_provider(course, found.leg, since=found.at, until=found.ended_at)
    need = Libraries.of(ctx).need(Category(found.category), row.content, applicant=row.applicant)
    return ReferralView(
        referral_id=found.id,
        ticket_id=row.id,
        number=row.number,
        provider=found.provider,
        name=found.name,
        state=found.state,
        ticket_state=course.state,
        category=found.category,
        content=content,
        region="" if is_over else need.place,
        urgency=row.urgency,
        respond_until=accept.due_at if is_open and accept else None,
        service_until=service.due_at if is_ours and service else None,
        is_waiting=course.is_waiting,
        applicant=row.applicant if is_ours else "",
        person=row.person if is_ours else "",
        phone=row.phone if is_ours else "",
        service_days=service.days if is_ours and service else service_days(ctx, connection, found, row),
        moves=_moves(course, found, due=service.due_at if service else None, now=ctx.clock.now()),
        lines=() if is_over else tuple(replace(line, note=shown(line.note)) for line in lines),
        seen=version(course),
    )


def _moves(course: Course, found: sa.Row[Any], *, due: datetime | None, now: datetime) -> tuple[Move, ...]:
    if found.state not in referrals.OPEN or course.leg != found.leg:
        return ()
    is_late = due is not None and due <= now
    can = (offer.move for offer in offers(course, Party.PROVIDER) if offer.move in _BY_PROVIDER)
    return tuple(each for each in can if not (each is Move.ASK_EXTENSION and is_late))


def act_on_referral(
    ctx: Context,
    token: str,
    wanted: Move,
    *,
    seen: str,
    reason: str = "",
    days: int = 0,
    person: str = "",
    phone: str = "",
) -> ReferralView:
    """The provider makes a move on its referral; gives what its page shows then.

    `days` are working days: the service period (ACCEPT; 0: the suggested one) or how much longer (ASK_EXTENSION);
    `person` and `phone` are the technician's (ACCEPT); the reason of FINISH is the course of the service (Annex B).
    Raises NotFoundError for a bad link, ConflictError where the referral has ended or somebody was quicker, RefusedError.
    """
    referral_id, key = read_referral_link(ctx, token)
    with ctx.transaction() as tx:
        row, course = _lock(tx, _opened(tx.connection, referral_id, key).number)
        found = _opened(tx.connection, referral_id, key)  # as it stands under the lock
        if found.state not in referrals.OPEN:
            raise ConflictError("referral-ended", say(f"referral.ended_{found.state.replace('-', '_')}"))
        if version(course) != seen:
            raise ConflictError("ticket-seen", say("course.changed"))
        if wanted not in _BY_PROVIDER:
            raise ForbiddenError("ticket-party", "您不能办理这一步。")
        due = _due(tx, row, Step.SERVICE)
        facts = Facts(
            Party.PROVIDER, found.name[:60], tx.now, reason=_words(reason), provider=found.name, due=due
        )
        _act(tx, row, course, wanted, facts, found=found, days=days, person=person, phone=phone)
    return see_referral(ctx, token)


def _act(
    tx: Transaction,
    row: sa.Row[Any],
    course: Course,
    wanted: Move,
    facts: Facts,
    *,
    found: sa.Row[Any],
    days: int,
    person: str,
    phone: str,
) -> None:
    match wanted:
        case Move.ACCEPT:
            _accept(tx, row, course, facts, found=found, days=days, person=person, phone=phone)
        case Move.ASK_EXTENSION:
            _check_days(days)
            _make(tx, row, course, wanted, facts, field="extension", after=str(days))
        case Move.FINISH if not facts.reason:
            raise RefusedError("referral-solution", "请写明解决过程和结果。")
        case _:
            _make(tx, row, course, wanted, facts)
