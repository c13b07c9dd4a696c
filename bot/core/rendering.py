"""Outgoing -> the text that a phone shows: numbered choices, tap links, and pages short enough to send."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from bot.core.messages import Option, Outgoing

PAGE_BYTES = 1800
"""Bytes of UTF-8 in one text, link markup included (protocol 3.5 keeps 2,048 as the platform's own limit)."""

# What XML 1.0 cannot hold (protocol 3.10); the same are dropped for JSON, so that both formats say the same.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# The client URL-decodes msgmenucontent: everything but unreserved ASCII and raw characters is encoded.
_RESERVED = re.compile("[^A-Za-z0-9\\-._~\xa0-\U0010ffff]")

# One tap link or one user-perceived character; the bounds keep hostile text linear.
_ATOM = re.compile(
    r"<a\b[^<>]{0,1200}>[^<>]{0,400}</a>"
    r"|[\U0001f1e6-\U0001f1ff]{2}"  # a flag is two letters
    r"|\r\n"
    # Variation selectors, combining marks, skin tones, tags and joined emoji stay with what they change.
    r"|.(?:[\ufe00-\ufe0f\u0300-\u036f\u20d0-\u20ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]|\u200d.)*",
    re.DOTALL,
)
_LEAST_ROOM = 300  # bytes beside the choices, below which these are paged with the text
_LINK = re.compile(r'<a\s+href="([^"<>]*)"[^<>]*>([^<>]*)</a>')

_SENTENCE_ENDS = frozenset("。！？!?；;…\n")
_CLAUSE_ENDS = frozenset("，、： \t")
_CLOSERS = frozenset("”’」』）)】》\"'")


def clean(text: str) -> str:
    """The text without the characters that no message can carry: control characters, lone surrogates."""
    return _UNSPEAKABLE.sub("", text)


def escape(text: str) -> str:
    """Text that we did not write, unable to open a tag; WeChat has no entities, so `<` becomes full width."""
    return clean(text).replace("<", "＜")


def render(outgoing: Outgoing, *, links: bool) -> str:
    """The message as one text, each choice on a numbered line; with `links`, a tap sends it (protocol 5)."""
    lines = [escape(outgoing.text)] if outgoing.text else []
    for number, option in enumerate(outgoing.options, start=1):
        lines.append(f"{number}. {_tap(option, number) if links else escape(option.label)}")
    return "\n".join(lines)


def _tap(option: Option, number: int) -> str:
    """A link whose tap makes the client send the option; both parameters are needed."""
    content, menu_id = _encoded(option.send), _encoded(option.id or str(number))
    href = f"weixin://bizmsgmenu?msgmenucontent={content}&msgmenuid={menu_id}"
    return f'<a href="{href}">{escape(option.label).replace(">", "＞")}</a>'


def _encoded(text: str) -> str:
    return _RESERVED.sub(lambda match: quote(match[0], safe=""), clean(text))


def fit(outgoing: Outgoing, *, links: bool, hint: str) -> tuple[str, tuple[str, ...]]:
    """The message as one sendable text, and the texts that did not fit.

    When there are such, `hint` says how to get them; the choices stay with the first text, without links if
    these would take more than half of it.
    """
    whole = render(outgoing, links=links)
    if _size(whole) <= PAGE_BYTES:
        return whole, ()
    choices = _choices(outgoing, links=links)
    room = PAGE_BYTES - _size(choices) - _size(hint) - 2
    if room < _LEAST_ROOM:
        first, *rest = pages(whole)
        return first, tuple(rest)
    first, *rest = pages(escape(outgoing.text), room) or [""]
    return "\n".join(part for part in (first, hint if rest else "", choices) if part), tuple(rest)


def _choices(outgoing: Outgoing, *, links: bool) -> str:
    linked = render(Outgoing("", outgoing.options), links=links)
    return linked if _size(linked) <= PAGE_BYTES // 2 else render(Outgoing("", outgoing.options), links=False)


def _size(text: str) -> int:
    return len(text.encode())


def links_in(text: str) -> list[tuple[str, str]]:
    """The (address, label) of every link in a rendered text."""
    return [(match[1], match[2]) for match in _LINK.finditer(text)]


def without_links(text: str) -> str:
    """A rendered text as it is read: of every link its label."""
    return _LINK.sub(r"\2", text)


def pages(text: str, limit: int = PAGE_BYTES) -> list[str]:
    """Cut a rendered text into pages of at most `limit` bytes of UTF-8, at sentence ends where there are any.

    A page never ends inside a link, a character, or an emoji of several code points, unless that alone
    exceeds the limit. White space at a page's edges is dropped. Raises ValueError for a limit below four.
    """
    if limit < 4:
        raise ValueError("a page must hold at least one character")
    text = clean(text).strip()
    if _size(text) <= limit:
        return [text] if text else []
    atoms = [part for atom in _ATOM.findall(text) for part in _fitting(atom, limit)]
    return [page for page in _paged(atoms, limit) if page]


def _fitting(atom: str, limit: int) -> Iterator[str]:
    """The atom, or its parts when it alone is longer than a page."""
    if _size(atom) <= limit:
        yield atom
    elif atom.startswith("<a"):
        yield "<"
        yield from (part for inner in _ATOM.findall(atom[1:]) for part in _fitting(inner, limit))
    else:
        yield from atom


def _paged(atoms: list[str], limit: int) -> Iterator[str]:
    sizes = [_size(atom) for atom in atoms]
    start = 0
    while start < len(atoms):
        while start < len(atoms) and atoms[start].isspace():
            start += 1
        end, size = start, 0
        while end < len(atoms) and size + sizes[end] <= limit:
            size += sizes[end]
            end += 1
        if end < len(atoms):
            end = _best_cut(atoms, start, end)
        yield "".join(atoms[start:end]).strip()
        start = end


def _best_cut(atoms: list[str], start: int, end: int) -> int:
    """The last sentence end in the last two thirds of the page, else the last clause end, else `end`."""
    earliest = start + (end - start) // 3
    for ends in (_SENTENCE_ENDS, _CLAUSE_ENDS):
        for cut in range(end, earliest, -1):
            if _ends_with(atoms, cut, ends):
                return cut
    return end


def _ends_with(atoms: list[str], cut: int, ends: frozenset[str]) -> bool:
    """Does a sentence end just before the atom at `cut`, closing quotes and brackets included?"""
    if cut < len(atoms) and (atoms[cut] in _CLOSERS or atoms[cut] in ends):
        return False
    last = cut - 1
    while last > 0 and atoms[last] in _CLOSERS:
        last -= 1
    return atoms[last] in ends
