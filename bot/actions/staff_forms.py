"""A member of staff finishes the need form of a contact whose chat they hold."""

import hashlib
from dataclasses import replace

from bot.actions.chats import _held_by, _poke
from bot.actions.contacts import _remember
from bot.actions.context import Context, Transaction
from bot.actions.queueing import _tell_opened
from bot.actions.tickets import Entered, _open_ticket
from bot.core import wording
from bot.core.intake import Entry, Problem, Source, Typed, read_entry
from bot.core.needform import category_of
from bot.core.permissions import Actor
from bot.core.times import china_date, china_text
from bot.core.turns import DialogueState, Form
from bot.errors import RefusedError
from bot.store import conversations, visits
from bot.store import takeover as store
from intents.slots import read_slots


class FormError(RefusedError):
    """Fields of the form cannot stay as they are; `problems` name each of them, in the order of the form."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("form", problems[0].message)
        self.problems = problems


def finish_form(
    ctx: Context,
    conversation_id: int,
    *,
    actor: Actor,
    applicant: str,
    person: str,
    phone: str,
    content: str,
    kind: str = "need",
    category: str = "",
    urgency: str = "",
    key: str = "",
) -> str:
    """Register what the contact wants, with the actor as its recorder; gives the number, and tells it to the contact.

    `category` and `urgency` empty: as the content says. `key` is that of the page: one page sent twice opens one
    ticket. Raises FormError for fields, ForbiddenError unless the actor holds the chat.
    """
    # The rules of a need that comes by phone: here as there a person writes down what another says.
    typed = Typed(kind, Source.PHONE, applicant, person, phone, content, category, urgency)
    entry = read_entry(typed, now=ctx.clock.now())
    if isinstance(entry, tuple):
        raise FormError(entry)
    chosen = entry.category.value if entry.category else _heard_category(ctx, entry.content)
    with ctx.transaction() as tx:
        talk = _held_by(tx, conversation_id, actor)
        origin = f"chat:{talk.id}:{hashlib.sha256(key.encode(errors='replace')).hexdigest()}" if key else None
        known = visits.ticket_of_origin(tx.connection, origin) if origin else None
        if known is not None:
            return str(known.number)
        return _register(
            tx, conversation_id, entry, chosen, entered=Entered(actor.name, entry.urgency, "", origin)
        )


def _heard_category(ctx: Context, content: str) -> str:
    return category_of(ctx.brain.hear(content, today=china_date(ctx.clock.now())).understanding)


def _register(tx: Transaction, conversation_id: int, entry: Entry, category: str, *, entered: Entered) -> str:
    held = store.held(tx.connection, conversation_id)
    assert held is not None, "locked a moment ago"
    talk = conversations.talk_with(tx.connection, held.account, held.openid, now=tx.now)
    state = DialogueState.from_json(talk.state)
    form = Form(
        entry.kind,
        content=entry.content,
        category=category,
        applicant=entry.applicant,
        person=entry.person,
        phone=entry.phone,
        is_urgent=read_slots(entry.content).is_urgent,
        started_at=(state.form.started_at if state.form else "") or tx.now.isoformat(),
    )
    opened = _open_ticket(tx, talk, form, channel=f"wechat-{talk.account}", entered=entered)
    _remember(tx, talk, form)
    left = replace(state, form=None, choices=(), affirm="", deny="", asked="", kept=0)
    store.save_state(tx.connection, held.id, left.to_json())
    until, remark = china_text(opened.clock.due), opened.clock.rests_on.remark
    text = wording.say("staff.registered", number=opened.number, until=until, remark=remark)
    _tell_opened(tx, opened.number, text, key=f"registered:{opened.id}")
    _poke(tx, held.id)
    return opened.number
