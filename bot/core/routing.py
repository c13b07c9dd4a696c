"""Whom to refer a need to, and why: who is qualified and serves the place, ranked with one reason each (R03, R11)."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from functools import cache, lru_cache
from heapq import nsmallest
from importlib.resources import files
from typing import NamedTuple, Self

from intents.categories import Category
from intents.slots import Slots, read_slots
from intents.text import normalise, synonyms
from knowledge.library import Capability, Provider

NO_SCORE = 75.0  # what a provider without an evaluation counts as, so that newcomers get their turn
_LOCAL, _SERVED = 25, 12  # points for a provider of the same city, for one that serves the place
_MOST_LOAD, _LOAD_STEP = 20, 4  # each open referral costs four points
_MOST_SCORE = 25
_MOST_TURN, _TURN_STEP = (
    20,
    5,
)  # each recent referral less than the one asked most often had counts five points
_GREEN_LANE = 9
_slots = lru_cache(maxsize=16384)(read_slots)  # capability terms repeat each other
_VESSEL = "瓶|罐|盒|袋|杯|机|设备"  # what follows makes another thing of a product
_FIT_STEP = 100  # above all other points together: the fit decides first


class Fit(IntEnum):
    """How well the capability terms answer the words of the need; things before standards and parameters."""

    CATEGORY = 0  # nothing but the category: somebody should ask before referring
    DETAIL = 1
    SUBJECT = 2
    EXACT = 3


@dataclass(frozen=True, slots=True)
class Need:
    """What is to be served: its category, what the text names, and whose it is."""

    category: Category
    text: str
    slots: Slots = field(default_factory=Slots)
    applicant: str = ""
    credit_code: str = ""
    region: str = ""  # canonical name of the enterprise's place; empty: what the text says

    @classmethod
    def read(
        cls, category: Category, text: str, *, applicant: str = "", credit_code: str = "", region: str = ""
    ) -> Self:
        """A need from the words of the enterprise."""
        return cls(category, text, read_slots(text), applicant, credit_code, region)

    @property
    def place(self) -> str:
        """Where it is to be served; empty where that is not known, or where the text names several places."""
        return self.region or (self.slots.regions[0] if len(self.slots.regions) == 1 else "")

    @property
    def names(self) -> frozenset[str]:
        """What the enterprise is called: its name, its credit code."""
        return frozenset((_plain(self.applicant), _plain(self.credit_code))) - {""}


class Points(NamedTuple):
    """What a place in the list rests on; the fit counts hundreds, all others together stay below one hundred."""

    fit: int
    region: int
    load: int
    score: int
    turn: int  # fair rotation
    urgency: int

    @property
    def total(self) -> int:
        """The points by which the list is ordered."""
        return sum(self)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One provider that may be asked, its place in the list from 1, and why it stands there."""

    rank: int
    provider: Provider
    fit: Fit
    matched: tuple[str, ...]  # the words of its terms that the need names
    points: Points
    reason: str


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One provider that must not be asked, and every reason for it."""

    provider: Provider
    reasons: tuple[str, ...]


class _Term(NamedTuple):
    """One capability term with the keys under which a text may name it; those of standards begin with #."""

    term: Capability
    subjects: frozenset[str]
    details: frozenset[str]
    methods: frozenset[str]
    things: frozenset[str]  # subjects and details: a method alone tells nothing


class _Offer(NamedTuple):
    """What one provider offers in one category."""

    provider: Provider
    names: frozenset[str]  # its own and those of the enterprises it has an interest in
    areas: tuple[str, ...]
    terms: tuple[_Term, ...]


class _Words(NamedTuple):
    """All keys of a category, by their first and by their last two signs."""

    starts: dict[str, list[str]]
    ends: dict[str, list[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Roster:
    """The providers with their capability terms indexed once; good until one of them changes."""

    offers: Mapping[Category, tuple[_Offer, ...]]
    words: Mapping[Category, _Words]

    @classmethod
    def of(cls, providers: Iterable[Provider]) -> Self:
        """Index providers; the order in which they come does not matter."""
        offers: dict[Category, list[_Offer]] = {category: [] for category in Category}
        for _, provider in sorted({one.number: one for one in providers}.items()):
            names = frozenset(map(_plain, (provider.name, provider.credit_code, *provider.related))) - {""}
            areas = (*provider.service_regions, provider.region)
            for category in {term.category for term in provider.capabilities}:
                terms = tuple(_read_term(term) for term in provider.capabilities if term.category is category)
                offers[category].append(_Offer(provider, names, areas, terms))
        return cls(
            {category: tuple(found) for category, found in offers.items()},
            {category: _words(found) for category, found in offers.items()},
        )


def suggest_providers(
    need: Need,
    providers: Roster | Iterable[Provider],
    *,
    on: date,
    loads: Mapping[str, int],
    scores: Mapping[str, float],
    recent: Sequence[str],
    most: int = 20,
) -> tuple[Suggestion, ...]:
    """Rank the providers that may be asked on that day (China date), the `most` best, each with its reason.

    `loads`: number of a provider -> its open referrals; `scores`: -> its evaluation, 0 to 100; `recent`: numbers of the
    providers of the last referrals of this category, oldest first. Equal points: who waited longest, then the number.
    """
    roster = providers if isinstance(providers, Roster) else Roster.of(providers)
    said, place, names = _said(need, roster.words[need.category]), need.place, need.names
    fits = [
        _fit(offer, terms, said)
        for offer, terms, why_not in _eligible(roster, need.category, on)
        if not why_not and offer.names.isdisjoint(names) and _serves(offer.areas, place)
    ]
    # Whom nothing but the category speaks for comes last: where enough others stand, there is nothing to rank.
    named = [one for one in fits if one.fit]
    fits = named if len(named) >= most else fits
    turns = Counter(recent)
    # The most turns that one of each fit had: in a sorted list it stands last.
    ahead = dict(sorted((one.fit, turns.get(one.provider.number, 0)) for one in fits))
    last = {number: turn for turn, number in enumerate(recent)}
    ranked = []
    for fit in fits:
        provider, number = fit.provider, fit.provider.number
        points = Points(
            _FIT_STEP * fit.fit,
            _LOCAL if _is_local(provider.region, place) else _SERVED,
            max(0, _MOST_LOAD - _LOAD_STEP * loads.get(number, 0)),
            round(_MOST_SCORE * min(100.0, max(0.0, scores.get(number, NO_SCORE))) / 100),
            min(_MOST_TURN, _TURN_STEP * (ahead[fit.fit] - turns.get(number, 0))),
            _GREEN_LANE if provider.has_green_lane and need.slots.is_urgent else 0,
        )
        ranked.append((-sum(points), last.get(number, -1), number, fit, points))
    return tuple(
        Suggestion(
            rank=rank,
            provider=fit.provider,
            fit=fit.fit,
            matched=fit.matched,
            points=points,
            reason=_reason(need, fit, points, loads.get(number, 0), scores.get(number), turns[number]),
        )
        for rank, (_, _, number, fit, points) in enumerate(nsmallest(most, ranked), 1)
    )


def excluded_providers(need: Need, roster: Roster, *, on: date) -> tuple[Exclusion, ...]:
    """Who registered the category and must not be asked on that day, by number, each with every reason."""
    found = []
    for offer, _, why_not in _eligible(roster, need.category, on):
        reasons = [*why_not]
        if not offer.names.isdisjoint(need.names):
            reasons.append("与提出需求的企业是同一家或有关联，应当回避")
        if not _serves(offer.areas, need.place):
            reasons.append(f"服务地区不包括{need.place}")
        found += [Exclusion(offer.provider, tuple(reasons))] if reasons else []
    return tuple(found)


@lru_cache(maxsize=2 * len(Category))
def _eligible(
    roster: Roster, category: Category, on: date
) -> tuple[tuple[_Offer, tuple[_Term, ...], tuple[str, ...]], ...]:
    """Who offers a category: the terms that may be used on that day, and why none may; the same all day long."""
    found = []
    for offer in roster.offers[category]:
        grounds = [offer.provider.term_why_not(one.term, on) for one in offer.terms]
        usable = tuple(one for one, reason in zip(offer.terms, grounds, strict=True) if not reason)
        reasons = (*offer.provider.why_not(on), *(() if usable else grounds))
        found.append((offer, usable, tuple(dict.fromkeys(reasons))))
    return tuple(found)


def _plain(name: str) -> str:
    """The name of a firm, or its code, without what people write differently."""
    return re.sub(r"[\s()（）]", "", normalise(name))


# --- what the need says, and which term answers it ---


class _Fitting(NamedTuple):
    """A provider with the term that answers the need best."""

    provider: Provider
    fit: Fit
    matched: tuple[str, ...]
    term: Capability


def _fit(offer: _Offer, usable: tuple[_Term, ...], said: frozenset[str]) -> _Fitting:
    best = (Fit.CATEGORY, 0)
    matched: tuple[str, ...] = ()
    chosen = usable[0]
    for one in usable:
        if one.things.isdisjoint(said):
            continue
        subjects, details, methods = one.subjects & said, one.details & said, one.methods & said
        fit = Fit.DETAIL if not subjects else Fit.EXACT if details or methods else Fit.SUBJECT
        here = (fit, len(subjects) + len(details) + len(methods))
        if here > best:
            best, chosen = here, one
            matched = tuple(sorted(subjects)) + tuple(sorted(details)) + tuple(sorted(methods))
    return _Fitting(offer.provider, best[0], matched, chosen.term)


def _said(need: Need, words: _Words) -> frozenset[str]:
    """The keys that the need names: those in its text, those of its slots, those that end with a thing it names."""
    text, slots = normalise(need.text), need.slots
    things = [normalise(name) for name in (*slots.instruments, *slots.products)]
    things = [name for name in things if name not in text or _is_meant(name, text, things)]
    named = {normalise(name) for name in slots.parameters} | {*things}
    named |= {synonyms().get(name, name) for name in named}
    named |= {_standard(name) for name in slots.standards}
    for place in range(len(text) - 1):
        for key in words.starts.get(text[place : place + 2], ()):
            if key not in named and text.startswith(key, place) and _is_meant(key, text, things):
                named.add(key)
    for name in things:
        named.update(key for key in words.ends.get(name[-2:], ()) if key.endswith(name))
    return frozenset(named)


def _is_meant(key: str, text: str, things: Iterable[str]) -> bool:
    """Does the text name this very thing? 饮料 in 饮料瓶 and ph in phone are others."""
    for thing in things:
        if key in thing and not thing.endswith(key):
            text = text.replace(thing, "|")
    if key.isascii():
        return re.search(rf"(?<![a-z0-9]){re.escape(key)}(?![a-z0-9])", text) is not None
    return re.search(rf"{re.escape(key)}(?!{_VESSEL})", text) is not None


@lru_cache(maxsize=32768)
def _read_term(term: Capability) -> _Term:
    subjects, details = _pieces(term.subject), _pieces(term.detail)
    subjects |= {synonyms().get(piece, piece) for piece in subjects}
    for piece in tuple(subjects):
        slots = _slots(piece)
        # The head of a Chinese name is its end: 精密压力表 is a 压力表, 饮料瓶 is no 饮料.
        subjects |= {name for name in (*slots.instruments, *slots.products) if piece.endswith(name)}
    for piece in tuple(details):
        slots = _slots(piece)
        if slots.standards:
            details.discard(piece)
        details |= {_standard(name) for name in slots.standards}
        details |= {normalise(name) for name in slots.parameters}
    things = frozenset(subjects | details)
    return _Term(term, frozenset(subjects), frozenset(details), frozenset(_pieces(term.method)), things)


def _pieces(text: str) -> set[str]:
    return {piece.strip() for piece in re.split(r"[、，,；;\n]", normalise(text)) if piece.strip()}


def _standard(name: str) -> str:
    """GB/T 19001-2016 and GB/T19001 are one standard."""
    return "#" + re.sub(r"[-:](?:19|20)\d\d$|\s", "", normalise(name))


def _words(offers: Iterable[_Offer]) -> _Words:
    found = _Words({}, {})
    terms = [one for offer in offers for one in offer.terms]
    for key in sorted({key for one in terms for key in one.things | one.methods}):
        if len(key) > 1 and not key.startswith("#"):
            found.starts.setdefault(key[:2], []).append(key)
            found.ends.setdefault(key[-2:], []).append(key)
    return found


# --- places ---


@cache
def _codes() -> Mapping[str, str]:
    """Canonical name of a place -> its code of GB/T 2260, where the platform's table has it."""
    text = (files("knowledge") / "seeds" / "libraries" / "regions.csv").read_text(encoding="utf-8")
    rows = (line.split(",") for line in text.splitlines()[1:])
    return {name: code for code, name in rows}


@lru_cache(maxsize=16384)
def is_within(place: str, area: str) -> bool:
    """Does a place lie in an area, or is it the same? By codes where both have one, else by their names."""
    if area == "全国" or (area and place.startswith(area)):
        return True
    code, stem = _codes().get(place, ""), _codes().get(area, "")
    stem = stem[:2] if stem.endswith("0000") else stem.removesuffix("00")
    return bool(stem) and code.startswith(stem)


@lru_cache(maxsize=16384)
def _serves(areas: tuple[str, ...], place: str) -> bool:
    return not place or any(is_within(place, area) or is_within(area, place) for area in areas)


@lru_cache(maxsize=16384)
def _is_local(one: str, other: str) -> bool:
    """Are two places in the same city? A whole province is nobody's city."""
    return bool(one and other) and _city(one) == _city(other) and not _city(one).endswith("0000")


def _city(place: str) -> str:
    code = _codes().get(place, "")
    if not code:
        return place[: place.find("市") + 1] or place
    # Counties directly under a province are their own city.
    return code if code[2:4] == "90" else f"{code[:4]}00"


# --- the sentence ---


def _reason(need: Need, fitting: _Fitting, points: Points, load: int, score: float | None, turns: int) -> str:
    parts = [_fit_reason(need, fitting)]
    if points.region == _LOCAL:
        parts.append("与服务地点同城")
    elif need.place:
        parts.append(f"服务地区包括{need.place}")
    held = [one for one in fitting.provider.qualifications if one.kind is fitting.term.ground]
    if until := max((one.valid_until for one in held if one.valid_until), default=None):
        parts.append(f"{held[0].kind.label}证书有效至 {until}")
    if points.urgency:
        parts.append("可走绿色通道")
    judged = "暂无评价" if score is None else f"评价 {score:.0f} 分"
    parts += [f"在办 {load} 件", judged, f"近期转介 {turns} 次"]
    return "，".join(parts) + "。"


def _fit_reason(need: Need, fitting: _Fitting) -> str:
    if fitting.fit is Fit.CATEGORY:
        return f"登记了{need.category.label}但能力词条没有提到这项内容（转介前请先确认）"
    names = [key[1:].upper() if key.startswith("#") else key for key in fitting.matched]
    return f"能力词条写有{''.join(f'“{name}”' for name in names[:4])}"
