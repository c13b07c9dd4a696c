"""A provider takes a need on, by its page or by telephone: Annex B is filled in, both sides learn of each other."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.actions.courses import _locked
from bot.actions.libraries import Libraries
from bot.actions.moves import _make, _words
from bot.actions.referral_ends import _annex_b
from bot.core.deadlines import Allowance, Step
from bot.core.permissions import Actor
from bot.core.ticket_states import Course, Facts, Move
from bot.core.wording import say
from bot.errors import ConflictError, RefusedError
from bot.store import clocks, referrals
from intents.categories import Category
from intents.quantities import Urgency
from intents.slots import read_phone
from knowledge.library_rows import PROVIDERS

MOST_DAYS = 250  # working days: a year
_MOST_PERSON = 30


def record_acceptance(
    ctx: Context,
    number: str,
    *,
    actor: Actor,
    seen: str,
    days: int = 0,
    person: str,
    phone: str,
    reason: str = "",
) -> None:
    """Staff write down that the provider of the open referral accepts, by telephone; raises as `referrals.act_on_referral` does."""
    with ctx.transaction() as tx:
        row, course = _locked(tx, number, actor, seen)
        found = referrals.open_of(tx.connection, row.id)
        if found is None:
            raise ConflictError("referral-ended", "现在没有机构在等待答复，请刷新后再试。")
        facts = Facts(actor.party, actor.name, tx.now, reason=_words(reason))
        _accept(tx, row, course, facts, found=found, days=days, person=person, phone=phone)


def service_days(ctx: Context, within: Session | Connection, found: sa.Row[Any], row: Any) -> int:
    """The working days that the provider's own terms name for this, the longest of those that fit; else the rule's."""
    record = Libraries.of(ctx).records(PROVIDERS).get(found.provider)
    terms = (
        [one for one in record.capabilities if one.category == found.category and one.days] if record else []
    )
    named = [one for one in terms if any(word in row.content for word in one.subject.split("、") if word)]
    days = max((one.days or 0 for one in named or terms), default=0)
    rules = clocks.calendars(within).rules
    rule = rules.allowance(Step.SERVICE, urgency=Urgency(row.urgency), category=Category(found.category))
    return min(days or rule.days or 1, MOST_DAYS)


def _check_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise RefusedError("ticket-days", f"天数请填 1 至 {MOST_DAYS} 个工作日。")


def _accept(
    tx: Transaction,
    row: sa.Row[Any],
    course: Course,
    facts: Facts,
    *,
    found: sa.Row[Any],
    days: int,
    person: str,
    phone: str,
) -> None:
    """The service begins: Annex B is filled in, its period starts, and both sides learn how to reach each other."""
    name, reached = person.strip(), read_phone(phone)
    if not 1 <= len(name) <= _MOST_PERSON:
        raise RefusedError("referral-person", f"请填写技术服务人员的姓名（{_MOST_PERSON} 字以内）。")
    if reached is None:
        raise RefusedError("referral-phone", "请填写完整的联系电话，例如 13800000000 或 0898-66660000。")
    days = days or service_days(tx.ctx, tx.connection, found, row)
    _check_days(days)
    columns = _annex_b(
        row,
        found.leg,
        provider=f"{found.name[:100]}，{name} {reached}",
        technician=name,
        period=f"{Category(found.category).label}；{days} 个工作日",
    )
    # The enterprise hears whom it will deal with (S 5.2.1.1b); the provider reads the same on its page.
    contact = say("referral.contact", person=name, phone=reached)
    _make(tx, row, course, Move.ACCEPT, facts, agreed=Allowance(days=days), columns=columns, more=contact)
