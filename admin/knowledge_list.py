"""The list of entries: searched and filtered in memory, with what became of each in the last thirty days."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from threading import Lock
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from admin.knowledge_desk import STATES, Desk, Seat
from bot.store.knowledge_figures import EntryFigures, figures_of, never_given, under_way
from intents.categories import Category
from knowledge.entries import Confidence, Entry, EntryStatus, Release
from knowledge.fields import read_entry

_PAGE = 50  # entries of one page
DAYS = timedelta(days=30)  # the figures count
_SOON = timedelta(days=60)  # an end within them is said
_MOST_WORDS = 100  # characters to look for
_STATES = {name: STATES[name] for name in ("published", "draft", "review", "archived")}
VALIDITIES = {"expired": "已失效", "expiring": "60 天内到期"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see, as the address says it; what it does not know is no filter."""

    q: str = ""
    category: str = ""
    state: str = ""
    validity: str = ""
    confidence: str = ""
    given: str = ""

    @property
    def query(self) -> str:
        """The same as part of an address."""
        return urlencode({name: value for name, value in asdict(self).items() if value})


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the list: as it is live, and its version that is not live yet."""

    id: str
    entry: Entry  # the version, where nothing is live
    is_live: bool  # is it part of the release?
    version_state: str = ""  # draft, review; empty: nothing is under way
    author: str = ""

    @property
    def state(self) -> str:
        """Where it stands."""
        return self.entry.status.value if self.is_live else self.version_state

    def is_in(self, state: str) -> bool:
        """Does it belong under that state? A live entry with a draft belongs under both."""
        return state in (self.state, self.version_state)


class Catalogue:
    """The words of all entries, read once per change of the release."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._release: Release | None = None
        self._words: dict[str, tuple[Entry, str]] = {}

    def words_of(self, release: Release) -> Mapping[str, tuple[Entry, str]]:
        """By id: the entry, and all that it says in one text to search."""
        with self._lock:
            if self._release is not release:
                kept = self._words
                self._words = {
                    entry.id: kept[entry.id]
                    if entry.id in kept and kept[entry.id][0] is entry
                    else (entry, words(entry))
                    for entry in release.entries
                }
                self._release = release
            return self._words


def words(entry: Entry) -> str:
    """All that an entry says, to search in."""
    bases = (f"{basis.document} {basis.number}" for text in entry.texts for basis in text.basis)
    texts = (f"{text.answer}\n{text.more}\n{text.next}" for text in entry.texts)
    parts = (entry.id, entry.title, *entry.questions, *entry.keywords, *texts, *bases)
    return "\n".join(parts).casefold()


def validity(entry: Entry, today: date) -> str:
    """expired: no text of a published entry may be given; expiring: none can be in sixty days, or a basis has ended."""
    if entry.status is not EntryStatus.PUBLISHED:
        return ""
    text, later = entry.text_on(today), entry.text_on(today + _SOON)
    if text is None:
        return "expired"
    if later is None or any(basis.until and basis.until < today + _SOON for basis in later.basis):
        return "expiring"
    return ""


def select(rows: Iterable[Row], asked: Asked, *, today: date, unasked: Collection[str]) -> list[Row]:
    """The rows that all filters let through; `unasked`: ids that no answer was ever made of."""
    return [
        row
        for row in rows
        if (not asked.category or row.entry.category.value == asked.category)
        and (not asked.state or row.is_in(asked.state))
        and (not asked.confidence or row.entry.confidence.value == asked.confidence)
        and (not asked.validity or validity(row.entry, today) == asked.validity)
        and (asked.given != "never" or row.id in unasked)
    ]


def rows_of(desk: Desk, catalogue: Catalogue, asked: Asked) -> list[Row]:
    """The live entries and those that are drafts only, of which the words and all filters hold, by their ids."""
    known = catalogue.words_of(desk.ctx.brain.release)
    with desk.ctx.read() as session:
        versions = {version.entry_id: version for version in under_way(session)}
        unasked = never_given(session) if asked.given else set()
    wanted = asked.q.casefold().split()
    found = [
        _row(entry, versions.get(entry.id))
        for entry, text in known.values()
        if all(word in text for word in wanted)
    ]
    for version in versions.values():
        entry = None if version.entry_id in known else read_entry(version.body)[0]
        if entry is not None and all(word in words(entry) for word in wanted):
            found.append(Row(entry.id, entry, False, version.state, version.author))
    chosen = select(found, asked, today=desk.today, unasked=unasked)
    return sorted(chosen, key=lambda row: row.id)


def _row(entry: Entry, version: Any) -> Row:
    if version is None:
        return Row(entry.id, entry, True)
    return Row(entry.id, entry, True, version.state, version.author)


def add_list(router: APIRouter, see: Seat) -> None:
    """/knowledge: the list."""
    catalogue = Catalogue()

    @router.get("", response_class=HTMLResponse)
    def listing(
        desk: Annotated[Desk, Depends(see)], asked: Annotated[Asked, Depends(_asked)], page: str = "1"
    ) -> HTMLResponse:
        return _list_page(desk, rows_of(desk, catalogue, asked), asked, page)


def _asked(
    q: str = "",
    category: str = "",
    state: str = "",
    validity: str = "",
    confidence: str = "",
    given: str = "",
) -> Asked:
    return Asked(
        q.strip()[:_MOST_WORDS],
        category if category in {item.value for item in Category} else "",
        state if state in _STATES else "",
        validity if validity in VALIDITIES else "",
        confidence if confidence in {item.value for item in Confidence} else "",
        given if given == "never" else "",
    )


def _list_page(desk: Desk, rows: list[Row], asked: Asked, told: str) -> HTMLResponse:
    """One page of the rows; a page that does not exist is the nearest one."""
    last = max(1, -(-len(rows) // _PAGE))
    number = int(told) if told.isascii() and told.isdecimal() and len(told) < 9 else 1
    number = min(max(1, number), last)
    shown = rows[(number - 1) * _PAGE :][:_PAGE]
    ids = [row.id for row in shown]
    with desk.ctx.read() as session:
        figures = figures_of(session, ids, since=desk.ctx.clock.now() - DAYS)
        unasked = never_given(session)
    return desk.show(
        "knowledge.html",
        asked=asked,
        count=len(rows),
        number=number,
        last=last,
        rows=[_shown(row, figures.get(row.id), row.id in unasked, today=desk.today) for row in shown],
        categories=tuple(Category),
        list_states=_STATES,
        validities=VALIDITIES,
    )


def _shown(row: Row, figures: EntryFigures | None, is_unasked: bool, *, today: date) -> dict[str, Any]:
    return {
        "row": row,
        "entry": row.entry,
        "validity": VALIDITIES.get(validity(row.entry, today), ""),
        "figures": figures or EntryFigures(),
        "is_unasked": is_unasked,
    }
