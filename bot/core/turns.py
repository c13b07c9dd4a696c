"""The values of the dialogue: what it remembers, what it is told, and what it decides."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from bot.core.brain import Brain, Heard
from bot.core.messages import Kind, Option, Outgoing
from bot.core.surveys import Item
from bot.core.ticket_states import Move, TicketKind
from bot.core.tickets import TicketView


@dataclass(frozen=True, slots=True)
class Form:
    """A need form (Annex B) while it is being filled in; also complaints and suggestions."""

    kind: TicketKind
    content: str = ""
    category: str = "other"
    applicant: str = ""
    person: str = ""
    phone: str = ""
    is_urgent: bool = False
    has_skipped_phone: bool = False
    asking: str = ""  # the field asked for; "confirm" while the summary stands
    started_at: str = ""  # ISO, UTC: 需求发起时间


@dataclass(frozen=True, slots=True)
class DialogueState:
    """What the bot remembers of a conversation between two messages."""

    choices: tuple[Option, ...] = ()  # the numbered choices under the last reply; Option.id is the action
    affirm: str = ""  # the action that "好的" stands for
    deny: str = ""  # the action that "不用" stands for
    topic: str = ""  # the question talked about, for "那费用呢"
    category: str = ""
    asked: str = ""  # the last free words, so that 登记需求 need not ask for them again
    answered: str = ""  # the entry given last, for 有帮助
    more: tuple[str, ...] = ()  # texts that follow on 更多
    second: str = ""  # the second need of a message, not served yet
    form: Form | None = None
    unclear: int = 0  # messages in a row that were not understood
    survey: int = 0  # the id of the survey that is being answered
    kept: int = 0  # pictures and the like that wait for the next form

    def to_json(self) -> dict[str, Any]:
        """As JSON values, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DialogueState":
        """The opposite of `to_json`; unknown names of older versions are dropped."""
        values = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        values["choices"] = tuple(Option(**item) for item in values.get("choices", ()))
        values["more"] = tuple(values.get("more", ()))
        if values.get("form"):
            known = {
                name: value for name, value in values["form"].items() if name in Form.__dataclass_fields__
            }
            values["form"] = Form(**{**known, "kind": TicketKind(known["kind"])})
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the contact, as heard; `heard` is None where there are no words."""

    kind: Kind
    text: str = ""
    menu_id: str = ""
    event: str = ""
    event_key: str = ""
    heard: Heard | None = None


@dataclass(frozen=True, slots=True)
class ProviderOffer:
    """A provider that the enterprise may choose for a ticket, with the reason of its place."""

    number: str  # of the ticket
    provider: str  # the provider's own number
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SurveyView:
    """What the dialogue needs to know of the contact's own survey."""

    id: int
    number: str  # of the ticket
    missing: tuple[Item, ...]  # not answered yet, in their order
    is_noted: bool  # 意见或建议 was asked for and answered or left out

    @property
    def is_done(self) -> bool:
        """Has everything been asked?"""
        return not self.missing and self.is_noted


@dataclass(frozen=True, slots=True)
class Facts:
    """What the dialogue may know of the world: read before, never fetched."""

    today: date  # China
    now: str  # ISO, UTC
    platform_name: str
    service_phone: str = ""
    complaint_phone: str = ""
    applicant: str = ""
    person: str = ""
    phone: str = ""
    has_consented: bool = False
    is_waiting: bool = False  # waits for staff
    tickets: tuple[TicketView, ...] = ()
    late: tuple[str, ...] = ()  # replies that came too late and are ready now
    is_late_pending: bool = False
    offers: tuple[ProviderOffer, ...] = ()  # of the ticket that `wants_offers` names, best first
    survey: SurveyView | None = None  # where `wants_survey`; stays for some days after the last answer


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Register this form."""

    form: Form


@dataclass(frozen=True, slots=True)
class MoveTicket:
    """The contact makes this move on their own ticket; the reply is what comes of it."""

    number: str
    move: Move
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChooseProvider:
    """The contact chooses this provider for their own ticket; the reply is what comes of it."""

    number: str
    provider: str


@dataclass(frozen=True, slots=True)
class BindProvider:
    """The contact acts for a provider, as this code says (empty: no longer); the reply is what comes of it."""

    code: str


@dataclass(frozen=True, slots=True)
class RateService:
    """What one message says to a survey of the contact: pairs of item and rating, and the opinion.

    `note` is None while it was not given; an empty one says that there is none.
    """

    survey: int
    answers: tuple[tuple[str, str], ...] = ()
    note: str | None = None
    declines: bool = False


@dataclass(frozen=True, slots=True)
class RequestStaff:
    """Put the conversation into the queue for staff; `reason` is asked, unhelpful or unclear."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeaveQueue:
    """The contact no longer waits for staff."""


@dataclass(frozen=True, slots=True)
class SaveConsent:
    """The contact went on after the consent line."""


@dataclass(frozen=True, slots=True)
class RecordFeedback:
    """有帮助 or 没帮助 on the entry given last."""

    entry_id: str
    is_helpful: bool


@dataclass(frozen=True, slots=True)
class KeepMaterial:
    """This message belongs to the form that is being filled in, or else to the next one."""


@dataclass(frozen=True, slots=True)
class AttachMaterial:
    """What was sent for the form goes to this ticket of the contact instead."""

    number: str


@dataclass(frozen=True, slots=True)
class DropMaterial:
    """The form was cancelled: what was sent for it is not kept for a ticket."""


@dataclass(frozen=True, slots=True)
class EraseContact:
    """Delete what is known of the contact; the reason goes into the audit trail."""

    reason: str


@dataclass(frozen=True, slots=True)
class CollectLate:
    """The late replies have been given."""


@dataclass(frozen=True, slots=True)
class NoteStation:
    """The contact came by a station's QR code."""

    scene: str


Command = (
    OpenTicket
    | MoveTicket
    | ChooseProvider
    | BindProvider
    | RateService
    | RequestStaff
    | LeaveQueue
    | SaveConsent
    | RecordFeedback
    | KeepMaterial
    | AttachMaterial
    | DropMaterial
    | EraseContact
    | CollectLate
    | NoteStation
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one message leads to: the new state, what to say (None: nothing), what to do."""

    state: DialogueState
    reply: Outgoing | None = None
    commands: tuple[Command, ...] = ()
    entry_id: str = ""  # the entry given, if any
    outcome: str = ""  # answer, clarify, refer, act, oos, form; for the record


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a step looks at."""

    state: DialogueState
    said: Said
    facts: Facts
    brain: Brain

    @property
    def heard(self) -> Heard:
        """What was understood of the words."""
        assert self.said.heard is not None
        return self.said.heard

    def turn(
        self,
        text: str,
        options: tuple[Option, ...] = (),
        *commands: Command,
        outcome: str = "act",
        entry_id: str = "",
        **changes: Any,
    ) -> Turn:
        """A turn that says this; the options become the open choices, the rest of the state is kept."""
        fresh: dict[str, Any] = {"choices": options, "affirm": "", "deny": "", "unclear": 0}
        state = replace(self.state, **{**fresh, **changes})
        return Turn(state, Outgoing(text, options), commands, entry_id=entry_id, outcome=outcome)

    def silent(self, *commands: Command) -> Turn:
        """A turn that says nothing and changes nothing of the talk."""
        return Turn(self.state, None, commands)
