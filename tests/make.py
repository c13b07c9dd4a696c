"""Objects for tests that need no running program."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from bot.ports import Outcome, Parcel, Sent
from intents.categories import OOS, Category
from intents.understand import Act, Mood, Slots, Understanding
from knowledge.entries import Basis, Confidence, Entry, Text

NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
TODAY = date(2026, 11, 21)


@dataclass(slots=True)
class SetClock:
    """A clock that stands until it is moved."""

    at: datetime = NOON

    def now(self) -> datetime:
        """The set moment."""
        return self.at

    def move(self, **span: float) -> None:
        """Go on by so much."""
        self.at += timedelta(**span)


@dataclass(slots=True)
class RecordingSender:
    """Takes messages and answers with what it was told to, then with success."""

    outcomes: list[Outcome] = field(default_factory=list)
    sent: list[Parcel] = field(default_factory=list)

    def send(self, parcel: Parcel) -> Outcome:
        """Record the message."""
        self.sent.append(parcel)
        return self.outcomes.pop(0) if self.outcomes else Sent()


def understanding(
    text: str,
    *,
    category: Category | None = None,
    act: Act | None = None,
    mood: Mood = Mood.STATEMENT,
    slots: Slots | None = None,
    is_followup: bool = False,
) -> Understanding:
    """What a text means, as the test says."""
    scores = {item.value: 0.0 for item in Category} | {OOS: 0.0}
    scores[category.value if category else OOS] = 1.0
    return Understanding(text, category, 1.0, scores, act, mood, slots or Slots(), is_followup=is_followup)


def entry(entry_id: str = "MET-05", title: str = "压力表多久检定一次", **changes: object) -> Entry:
    """A published entry with one text."""
    values: dict[str, object] = {
        "category": Category.METROLOGY,
        "questions": (f"{title}呢", f"想知道{title}", f"请问{title}"),
        "keywords": ("检定周期",),
        "texts": (Text("由检定机构按规程确定。", basis=(Basis("计量法", "2018年修正", "第九条"),)),),
        "confidence": Confidence.HIGH,
        "checked_on": TODAY,
        "owner": "知识维护",
    }
    return Entry(entry_id, title=title, **{**values, **changes})  # type: ignore[arg-type]
