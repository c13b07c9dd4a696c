"""The request board: what somebody looks for, as the address of the page says it, and the columns of the board."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum, auto
from urllib.parse import parse_qsl, urlencode

from bot.core.intake import Source
from bot.core.ticket_states import FINAL, TicketKind, TicketState
from bot.core.wording import say
from intents.categories import Category
from intents.quantities import Urgency

MOST_WORDS = 60  # characters of a text that is looked for
OPEN, ALL = "", "all"  # of Filter.state: unfinished ones, whatever their state
SOURCES = ("wechat-official", "wechat-miniprogram", *(source.value for source in Source))
_LONGEST_AGE = 60  # days; beyond that a due moment is only said to be long past or far off


class Mark(StrEnum):
    """What makes a request stand out."""

    OVERDUE = auto()
    TODAY = auto()  # due before the day ends
    WAITING = auto()  # for the enterprise
    URGED = auto()


class Layout(StrEnum):
    """How the board shows what it found."""

    LIST = auto()
    BOARD = auto()


class Order(StrEnum):
    """What stands first."""

    DUE = auto()  # the next due moment, overdue ones before all
    NEW = auto()


class Act(StrEnum):
    """What may be done to many requests at once."""

    ASSESS = auto()  # as it is: its own category is the plan
    KEEP = auto()  # in-house
    REMIND = auto()  # the provider that has it
    CATEGORY = auto()
    URGENCY = auto()


@dataclass(frozen=True, slots=True)
class Stage:
    """A column of the board: the states that one next deed ends."""

    key: str
    states: tuple[TicketState, ...]

    @property
    def label(self) -> str:
        """In words."""
        return say(f"board.stage_{self.key}")


STAGES = (
    Stage("new", (TicketState.REGISTERED, TicketState.REOPENED, TicketState.ACKNOWLEDGED)),
    Stage("arranging", (TicketState.ASSESSED, TicketState.REJECTED)),
    Stage("offered", (TicketState.IN_HOUSE, TicketState.REFERRED)),
    Stage(
        "serving",
        (
            TicketState.ACCEPTED,
            TicketState.IN_SERVICE,
            TicketState.EXTENSION_ASKED,
            TicketState.INVESTIGATED,
        ),
    ),
    Stage("rating", (TicketState.FINISHED, TicketState.RESPONDED)),
    Stage("filing", (TicketState.SURVEYED,)),
)
ENDED = Stage("ended", tuple(state for state in TicketState if state in FINAL))
_STATES = {stage.key: stage.states for stage in (*STAGES, ENDED)}


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for; empty: anything. `state` is a state, a stage, "all", or empty for what is unfinished."""

    kind: str = ""
    state: str = OPEN
    mark: str = ""
    category: str = ""
    urgency: str = ""
    station: str = ""
    provider: str = ""  # its number in the library
    staff: str = ""
    source: str = ""
    text: str = ""  # in number, applicant or content
    since: date | None = None  # registered from this China date
    until: date | None = None  # to that one
    layout: Layout = Layout.LIST
    order: Order = Order.DUE

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Filter":
        """The filter of an address; what we do not know is left out."""
        known: dict[str, frozenset[str]] = {
            "kind": frozenset(TicketKind),
            "state": frozenset({*TicketState, *_STATES, ALL}),
            "mark": frozenset(Mark),
            "category": frozenset(Category),
            "urgency": frozenset(Urgency),
            "source": frozenset(SOURCES),
        }
        chosen = {name: given[name] for name, values in known.items() if given.get(name) in values}
        typed = {
            name: "".join(given.get(name, "").split("\0")).strip()[:length]
            for name, length in (("station", 64), ("provider", 64), ("staff", 60), ("text", MOST_WORDS))
        }
        return cls(
            **chosen,
            **typed,
            since=day_of(given.get("since", "")),
            until=day_of(given.get("until", "")),
            layout=Layout.BOARD if given.get("layout") == Layout.BOARD else Layout.LIST,
            order=Order.NEW if given.get("order") == Order.NEW else Order.DUE,
        )

    @classmethod
    def of_query(cls, query: str) -> "Filter":
        """The filter of a query string."""
        return cls.read(dict(parse_qsl(query)))

    @property
    def query(self) -> str:
        """The query string that leads back here: only what differs from the page without conditions, in one order."""
        values = ((one.name, getattr(self, one.name), one.default) for one in fields(self))
        return urlencode([(name, str(value)) for name, value, plain in values if value != plain])

    @property
    def states(self) -> frozenset[TicketState] | None:
        """The states that are looked for; None for all of them."""
        if self.state == ALL:
            return None
        if self.state == OPEN:
            return frozenset(TicketState) - FINAL
        return frozenset(_STATES.get(self.state) or (TicketState(self.state),))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The columns of the board that can hold what is looked for."""
        wanted = self.states
        return tuple(stage for stage in STAGES if wanted is None or wanted & set(stage.states))

    def at(self, **changes: object) -> "Filter":
        """The same with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of the list ends: in the order of the due moments, else (or after them) in that of the ids."""

    due: datetime | None  # None: among those without a running clock, or in the order of registration
    id: int  # of the clock, or of the ticket

    @classmethod
    def read(cls, text: str) -> "Cursor | None":
        """The cursor of an address; None for none, or for nonsense."""
        moment, _, number = text.partition(".")
        if not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in (moment, number)):
            return None
        due = _EPOCH + timedelta(microseconds=int(moment)) if int(moment) else None
        return cls(due, int(number))

    @property
    def text(self) -> str:
        """As it stands in an address."""
        moment = (self.due - _EPOCH) // timedelta(microseconds=1) if self.due else 0
        return f"{moment}.{self.id}"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span_text(due: datetime, now: datetime) -> str:
    """How long until a due moment, or since: 还有 3 小时, 已超 2 天."""
    gap = due - now
    far = abs(gap)
    key = "left" if gap > timedelta(0) else "late"
    if far.days > _LONGEST_AGE:
        return say(f"board.{key}_long")
    if far >= timedelta(days=1):
        return say(f"board.{key}_days", count=far.days)
    if far >= timedelta(hours=1):
        return say(f"board.{key}_hours", count=far.seconds // 3600)
    return say(f"board.{key}_minutes", count=max(1, far.seconds // 60))


def masked_name(name: str) -> str:
    """An applicant for somebody who may not know who it is: only the beginning is shown."""
    return name[: 2 if len(name) > 3 else 1] + "**" if name else ""


def day_of(text: str) -> date | None:
    """The day of an address, 2026-11-21; None for nonsense."""
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
    # Farther off, a day has no moment in every zone.
    return day if day and 2000 <= day.year < 3000 else None
