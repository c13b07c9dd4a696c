"""Routing a ticket: whom its next leg may be referred to, as the libraries and its own history stand."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.actions.libraries import Advice, Libraries
from bot.core.routing import Fit, Suggestion
from bot.core.ticket_states import Course, TicketKind, TicketState
from bot.core.times import china_date
from bot.errors import ConflictError, RefusedError
from bot.store import courses, referrals
from bot.store.tickets import Ticket
from intents.categories import Category
from knowledge.library_rows import PROVIDERS

SEEKING = (TicketState.ASSESSED, TicketState.REJECTED)  # in these a need may be referred
_ADVISED = (TicketState.REGISTERED, TicketState.REOPENED, *SEEKING)


def advice_on(
    ctx: Context, within: Session | Connection, row: Ticket | sa.Row[Any], course: Course, *, most: int = 10
) -> Advice | None:
    """Whom the leg that comes next may be referred to now, best first; None where nobody need be asked.

    Who was asked for this leg before stands in neither list. `row` is the ticket's.
    """
    category = row.category if course.leg is None else course.legs[course.leg].category
    is_known = category in set(Category)
    if course.kind is not TicketKind.NEED or course.state not in _ADVISED or not row.content or not is_known:
        return None
    numbers, names = _asked(within, row.id, course)
    advice = Libraries.of(ctx).advise(
        Category(category),
        content_of(within, row),
        applicant=row.applicant,
        on=china_date(ctx.clock.now()),
        within=within,
        most=most + len(numbers),
    )
    left = (
        one
        for one in advice.suggestions
        if one.provider.number not in numbers and one.provider.name not in names
    )
    return replace(advice, suggestions=tuple(replace(one, rank=rank) for rank, one in enumerate(left, 1)))


def _asked(
    within: Session | Connection, ticket_id: int, course: Course
) -> tuple[frozenset[str], frozenset[str]]:
    """Numbers and names of those who were asked for the leg that comes next."""
    if course.leg is None:
        return frozenset(), frozenset()
    rows = referrals.referrals_of(within, ticket_id)
    numbers = frozenset(one.provider for one in rows if one.leg == course.leg)
    return numbers, frozenset(course.legs[course.leg].refused_by)


def content_of(within: Session | Connection, row: Any) -> str:
    """What is wanted, as it was corrected last."""
    connection = within if isinstance(within, Connection) else within.connection()
    return courses.corrected_content(connection, row.id) or str(row.content)


def may_offer(one: Suggestion) -> bool:
    """May it be offered without a member of staff having looked?"""
    return not one.provider.is_demo and one.fit is not Fit.CATEGORY


def _seek(tx: Transaction, row: sa.Row[Any], course: Course, *, most: int = 10) -> Advice:
    """As `advice_on`, for a ticket that may be referred now; ConflictError where it may not."""
    advice = advice_on(tx.ctx, tx.connection, row, course, most=most)
    if advice is None or course.state not in SEEKING:
        raise ConflictError("ticket-state", "这件申请现在不能转给机构，请刷新后再试。")
    return advice


def _chosen(tx: Transaction, row: sa.Row[Any], course: Course, number: str) -> tuple[Suggestion, Advice]:
    """The provider of that number in the ranking; NotFoundError or RefusedError with every reason why not."""
    record = Libraries.of(tx.ctx).record(PROVIDERS, number)
    if record.is_demo:
        raise RefusedError(
            "referral-demo", "演示机构不能转介，也不会向其发送任何内容。请先导入真实的机构库。"
        )
    advice = _seek(tx, row, course)
    if number in _asked(tx.connection, row.id, course)[0]:
        raise RefusedError("referral-asked", f"这一项已经问过{record.name}，请另选一家。")
    reasons = [reason for one in advice.excluded if one.provider.number == number for reason in one.reasons]
    if reasons:
        raise RefusedError("referral-excluded", f"今天不能转给{record.name}：{'；'.join(reasons)}。")
    # Whom the page does not list may be chosen all the same.
    everyone = _seek(tx, row, course, most=len(Libraries.of(tx.ctx).records(PROVIDERS)))
    found = next((one for one in everyone.suggestions if one.provider.number == number), None)
    if found is None:
        raise RefusedError("referral-category", f"{record.name}没有登记这类服务，请另选一家。")
    return found, advice
