"""What stands in a text itself: phones, firms, people, numbers of documents, things, places, pieces, urgency."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from intents.lists import Word, words_in
from intents.names import as_typed, companies_in, persons_in
from intents.quantities import Pieces, Urgency, pieces_of, urgency_of
from intents.text import normalise

_MOST = 5  # of one kind; more would be a list pasted in, not a request
_MOST_PARAMETERS = 12  # these are asked for by the list


@dataclass(frozen=True, slots=True)
class Slots:
    """What could be read from the text itself; empty where nothing was found."""

    phones: tuple[str, ...] = ()  # digits as normalised, 13800000000, 0898-66668888, 400-123-4567
    companies: tuple[str, ...] = ()  # in the letters in which they were typed
    persons: tuple[str, ...] = ()
    standards: tuple[str, ...] = ()  # GB/T 19001-2016
    tickets: tuple[str, ...] = ()  # NQI-2026-000001
    products: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()  # what is tested or calibrated for: 铅, 菌落总数, 拉伸强度
    regions: tuple[str, ...] = ()
    pieces: tuple[Pieces, ...] = ()
    urgency: Urgency = Urgency.NORMAL

    @property
    def counted(self) -> tuple[str, ...]:
        """The pieces in words: 3台, 约10块."""
        return tuple(f"{'约' if one.is_about else ''}{one.count}{one.unit}" for one in self.pieces)

    @property
    def is_urgent(self) -> bool:
        """Is it wanted sooner than usual?"""
        return self.urgency is not Urgency.NORMAL


def read_slots(text: str) -> Slots:
    """Everything that can be read from one text; equal finds stand once, in the order of the text."""
    typed, text = text, normalise(text)
    companies = companies_in(text)
    listed = _outside(companies, words_in(text), text)
    things = {word.start: word.end for word in listed if word.kind in ("instruments", "products")}
    return Slots(
        phones=_once(_phones(text)),
        companies=_once(as_typed(name, typed) for name in companies),
        persons=_once(persons_in(text)),
        standards=_once(_standards(text)),
        tickets=_once(_tickets(text)),
        products=_named(listed, "products"),
        instruments=_named(listed, "instruments"),
        parameters=_parameters(listed, text),
        regions=_named(listed, "regions"),
        pieces=tuple(pieces_of(text, things)),
        urgency=urgency_of(text),
    )


def _once(found: Iterable[str], most: int = _MOST) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:most]


# --- telephone numbers ---

_GAP = r"[\s\-–—－_.·、,，]{0,2}"
_FREE = r"(?<![\d.])(?<!\d[a-z])(?<!\d[a-z]{2})"  # not inside a longer number or a code
_MOBILE = re.compile(rf"{_FREE}(?:(?:\+|00)?86{_GAP})?(1[3-9](?:{_GAP}\d){{9}})(?!\d)")
_LANDLINE = re.compile(
    rf"{_FREE}(?:(?:\+|00)?86{_GAP})?[(（]?(0\s?(?:1\s?0|2\s?\d|[3-9]\s?\d\s?\d))[)）]?{_GAP}([2-9](?:\s?\d){{2,3}}{_GAP}\d(?:\s?\d){{3}})(?!\d)"
    r"(?:\s?(?:转|-|分机|ext\.?)\s?(\d{1,6})(?!\d))?"
)
_SERVICE = re.compile(rf"{_FREE}([48]00){_GAP}(\d{{3}}){_GAP}(\d{{4}})(?!\d)")
_NO_DIGIT = re.compile(r"\D")
_SPOKEN = re.compile(r"[零〇一二三四五六七八九幺]{11,12}")
_SPOKEN_DIGITS = str.maketrans("零〇一二三四五六七八九幺", "001234567891")


def read_phone(text: str) -> str | None:
    """The first telephone number in a text: mobile, landline with area code, 400/800; None where there is none."""
    return next(iter(_phones(normalise(text))), None)


def _phones(text: str) -> list[str]:
    text = _SPOKEN.sub(lambda match: match[0].translate(_SPOKEN_DIGITS), text)
    found = [(match.start(), _NO_DIGIT.sub("", match[1])) for match in _MOBILE.finditer(text)]
    found += [(match.start(), _landline(match)) for match in _LANDLINE.finditer(text)]
    found += [(match.start(), "-".join(match.groups())) for match in _SERVICE.finditer(text)]
    return [number for _, number in sorted(found)]


def _landline(match: re.Match[str]) -> str:
    area, number, extension = match.groups()
    joined = f"{_NO_DIGIT.sub('', area)}-{_NO_DIGIT.sub('', number)}"
    return f"{joined}-{extension}" if extension else joined


_RUN = re.compile(rf"(?<![a-z0-9/.-])\+?[(（]?\d(?:[)）]?{_GAP}[(（]?\d){{5,16}}(?![a-z0-9])")
_NOT_PHONE = re.compile(r"(?:19|20)\d\d\s?[-./年]\s?\d")  # dates and the years of standards


def is_phone_like(text: str) -> bool:
    """Does a digit run look like a telephone number that is not a whole one? So that its writer can be told."""
    text = normalise(text)
    if _phones(text) or _tickets(text) or _standards(text):
        return False
    runs = (match[0] for match in _RUN.finditer(text))
    return any(6 <= len(_NO_DIGIT.sub("", run)) <= 14 and not _NOT_PHONE.match(run) for run in runs)


# --- numbers of documents ---

_TICKET = re.compile(
    r"(?<![a-z])nqi[\s\-_–—－/]*(?:([a-z])[\s\-_–—－/]*)?(20\d\d)[\s\-_–—－/]*(\d{1,6})(?!\d)"
)
_TICKET_BARE = re.compile(r"(20\d\d)-(\d{6})")


def _tickets(text: str) -> list[str]:
    bare = _TICKET_BARE.fullmatch(text)
    if bare:
        return [f"NQI-{bare[1]}-{bare[2]}"]
    return [
        "-".join(["NQI", *([kind.upper()] if kind else []), year, number.zfill(6)])
        for kind, year, number in _TICKET.findall(text)
    ]


_STANDARD = re.compile(
    r"(?<![a-z0-9])(?:(?P<sure>gbz|gb|jjf|jjg|db\d{2,4}|dbs\d{2}|iso/iec|iso/ts|iso|iec|astm [a-z]|astm[a-z]|en|tsg|t/[a-z]{2,10}|q/[a-z0-9]{2,10})"
    # Two letters alone mean too much else: with /T or a year only.
    r"|(?P<trade>[a-z]{2}(?=\s?/\s?[tz]|\s?\d{3,6}(?:\.\d{1,3})?\s?[-—–]\s?(?:19|20)\d\d)))"
    r"(?:\s?/\s?(?P<kind>[tz])|(?<=gb)(?P<short>t)(?=\s?\d))?\s?(?P<number>(?:\d{2,6}|\d(?=\.))(?:\.\d{1,3})?(?:(?<=\d)-\d{1,2}(?!\d))?)"
    r"(?:\s?[-—–:]\s?(?P<year>(?:19|20)\d\d))?(?![\da-z])"
)
_SPOKEN_STANDARD = re.compile(
    r"国标\s?(?:号|编号)?[是为:]?\s?(?!19001|24001|45001)(\d{4,5}(?:\.\d{1,3})?)(?:\s?[-—–:]\s?((?:19|20)\d\d))?(?![\d年个元])"
)
# Standards that are called by their bare number.
_BY_NUMBER = {
    **dict.fromkeys(("2760", "2762", "2763", "7718", "14880", "14881", "28050"), "GB"),
    **dict.fromkeys(("9001", "14001", "45001", "22000", "27001", "50001", "13485"), "ISO"),
    **dict.fromkeys(("17025", "17020", "10012", "22716", "37001"), "ISO"),
}
_BARE = re.compile(
    rf"(?<![\d.a-z-])(?<!fssc )({'|'.join(sorted(_BY_NUMBER))})(?:\s?[-—–:]\s?((?:19|20)\d\d))?(?![\d.-]|\s?[元块个台人吨万件多平米斤家套次度年号]|左右)"
)


def _standards(text: str) -> list[str]:
    matches = list(_STANDARD.finditer(text))
    found = [(match.start(), _standard(match)) for match in matches]
    found += [
        (match.start(), _dated(f"GB {match[1]}", match[2])) for match in _SPOKEN_STANDARD.finditer(text)
    ]
    rest = _blanked(text, [match.span() for match in matches])
    found += [
        (match.start(), _dated(f"{_BY_NUMBER[match[1]]} {match[1]}", match[2]))
        for match in _BARE.finditer(rest)
    ]
    return [name for _, name in sorted(found)]


def _blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + "|" * (end - start) + text[end:]
    return text


def _standard(match: re.Match[str]) -> str:
    head, kind = match["sure"] or match["trade"], match["kind"] or match["short"]
    if head.startswith("astm"):
        return _dated(f"ASTM {head[-1]}{match['number']}".upper(), match["year"])
    return _dated(
        f"{head}/{kind} {match['number']}".upper() if kind else f"{head} {match['number']}".upper(),
        match["year"],
    )


def _dated(name: str, year: str | None) -> str:
    return f"{name}-{year}" if year else name


# --- things ---

# One character names an element only where the sentence is about contents.
_ELEMENT = r"[铅镉砷汞铬镍锡铝铜锌铁钙钠钾锰硒锶锂氟碘锑钡]"
_CONTENT = re.compile(
    rf"(?<=[测检查验含、和及])({_ELEMENT})(?=[、,。;和及与等测检吗]|$|含量|超标|残留|迁移|溶出|限量|元素|离子|不合格)"
    rf"|({_ELEMENT})(?=含量|超标|残留|迁移|溶出|限量|元素|离子|不合格|、{_ELEMENT})"
)


def _outside(companies: Iterable[str], listed: list[Word], text: str) -> list[Word]:
    """Without the things in the names of firms: a food company need not mean food; its place counts."""
    spans = [(text.find(name), text.find(name) + len(name)) for name in companies]
    return [
        word
        for word in listed
        if word.kind == "regions" or not any(start <= word.start < end for start, end in spans)
    ]


def _of_kind(listed: Iterable[Word], kind: str) -> list[tuple[int, str]]:
    return [(word.start, word.name) for word in listed if word.kind == kind]


def _named(listed: Iterable[Word], kind: str) -> tuple[str, ...]:
    return _once(name for _, name in _of_kind(listed, kind))


def _parameters(listed: Iterable[Word], text: str) -> tuple[str, ...]:
    elements = [(match.start(), match[1] or match[2]) for match in _CONTENT.finditer(text)]
    found = sorted([*_of_kind(listed, "parameters"), *elements])
    return _once((name for _, name in found), _MOST_PARAMETERS)
