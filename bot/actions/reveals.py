"""Looking at what is masked, and taking the audit trail out; each leaves its line."""

from dataclasses import dataclass

from bot.actions.context import Context
from bot.core.permissions import Actor, Right
from bot.core.sheets import MOST_ROWS, written_sheet
from bot.core.times import china_text
from bot.core.wording import names, say
from bot.errors import ForbiddenError, NotFoundError, RefusedError
from bot.store import board
from bot.store.audit import Search, add_line, all_lines
from intents.text import mask

_SHEET = ("at", "actor", "what", "subject", "note")


@dataclass(frozen=True, slots=True)
class Reached:
    """Whom a request is from and how they are reached."""

    number: str
    applicant: str
    person: str
    phone: str


def reveal_contact(ctx: Context, number: str, *, actor: Actor) -> Reached:
    """Name and phone of a request's contact, unmasked; that they were looked at is a line of the audit trail.

    Raises ForbiddenError, NotFoundError, or RefusedError where none were left or they are deleted.
    """
    if not actor.may(Right.SEE_CONTACTS):
        raise ForbiddenError("right", "您没有查看联系电话的权限。")
    with ctx.transaction() as tx:
        row = board.contact_on(tx.connection, number)
        if row is None:
            raise NotFoundError("ticket", "没有这件申请，请核对编号。")
        if not (row.person or row.phone):
            raise RefusedError("reveal-none", "这件申请没有留下联系人和电话，或者企业已要求删除。")
        add_line(tx.connection, at=tx.now, actor=actor.name, what="see-phone", subject=row.number)
    return Reached(row.number, row.applicant, row.person, row.phone)


def what_text(what: str) -> str:
    """A kind of line in words; one that has none yet as it is stored."""
    return say(f"audit.{what}") if f"audit.{what}" in names() else what


def kinds() -> dict[str, str]:
    """Every kind of line that has words, by its words."""
    found = (name.removeprefix("audit.") for name in names() if name.startswith("audit."))
    return dict(sorted(((one, say(f"audit.{one}")) for one in found), key=lambda pair: pair[1]))


def export_audit(ctx: Context, wanted: Search, *, form: str, actor: Actor) -> bytes:
    """The newest MOST_ROWS lines that are looked for as xlsx or csv, and a line that says who took how many out.

    Raises ForbiddenError, or RefusedError for another form.
    """
    if not actor.may(Right.SEE_AUDIT):
        raise ForbiddenError("right", "您没有查看审计日志的权限。")
    if form not in ("xlsx", "csv"):
        raise RefusedError("form", "只能下载 xlsx 或 csv。")
    hide = str if actor.may(Right.SEE_CONTACTS) else mask
    with ctx.read() as session:
        rows = [
            [china_text(row.at), row.actor, what_text(row.what), hide(row.subject), hide(row.note)]
            for row in all_lines(session, wanted, limit=MOST_ROWS)
        ]
    with ctx.transaction() as tx:
        note = say("board.taken", count=len(rows))
        add_line(tx.connection, at=tx.now, actor=actor.name, what="audit-export", subject="audit", note=note)
    return written_sheet([say(f"board.audit_{name}") for name in _SHEET], rows, form=form)
