"""Replies made of knowledge: answers with their basis, choices, the menu."""

from datetime import date

from bot.core.messages import Option
from bot.core.turns import Scene, Turn
from bot.core.wording import say
from intents.categories import Category
from knowledge.entries import Basis, Confidence, Entry, Text
from knowledge.search import Hit

MOST_CHOICES = 3  # entries offered at once; 都不是 comes after them
_EXAMPLES = 5  # entries shown under a category


def option(name: str, action: str = "") -> Option:
    """A standing choice such as 转人工; its action bears its name unless another is given."""
    label = say(f"option.{name}")
    return Option(label, label, action or name)


MENU = tuple(Option(category.label, category.label, f"category:{category.value}") for category in Category)


def basis_line(bases: tuple[Basis, ...], today: date) -> str:
    """The bases one after the other: those no longer in force left out, coming ones with their date."""
    return "；".join(_cite(basis, today) for basis in bases if not basis.until or today <= basis.until)


def _cite(basis: Basis, today: date) -> str:
    document = basis.document if basis.document.startswith("《") else f"《{basis.document}》"
    number = f"（{basis.number}）" if basis.number else ""
    coming = say("answer.coming", date=basis.from_.isoformat()) if basis.from_ and basis.from_ > today else ""
    return f"{document}{number}{basis.clause}{coming}"


def answer_text(entry: Entry, text: Text, today: date) -> str:
    """The answer with its basis and the day on which it was last checked."""
    lines = [text.answer.strip()]
    if entry.confidence is Confidence.MEDIUM and "为准" not in text.answer:
        lines.append(say("answer.medium"))
    if text.next:
        lines.append(text.next.strip())
    if text.more:
        lines.append(say("answer.more"))
    tail = []
    if basis := basis_line(text.basis, today):
        tail.append(say("answer.basis", basis=basis))
    tail.append(say("answer.checked", date=entry.checked_on.isoformat()))
    return "\n".join(lines) + "\n\n" + "\n".join(tail)


def give(scene: Scene, entry: Entry, *, asked: str) -> Turn:
    """Answer with an entry; where it has no text for today, say that it has gone."""
    text = entry.text_on(scene.facts.today)
    if text is None:
        return scene.turn(say("answer.gone"))
    options = (
        *((option("more"),) if text.more else ()),
        option("helpful", f"helpful:{entry.id}"),
        option("unhelpful", f"unhelpful:{entry.id}"),
        option("register"),
    )
    return scene.turn(
        answer_text(entry, text, scene.facts.today),
        options,
        outcome="answer",
        entry_id=entry.id,
        topic=entry.title,
        category=entry.category.value,
        asked=asked,
        answered=entry.id,
        more=(text.more.strip(),) if text.more else (),
        affirm="register" if text.next else "",
    )


def more(scene: Scene) -> Turn:
    """The rest of the last answer."""
    if not scene.state.more:
        return scene.turn(say("answer.no_more"))
    first, *rest = scene.state.more
    entry = scene.brain.entry(scene.state.answered)
    follow = (option("more"),) if rest else ()
    related = related_options(scene, entry) if entry and not rest else ()
    text = f"{first}\n\n{say('answer.related')}" if related else first
    return scene.turn(text, (*follow, *related), outcome="answer", more=tuple(rest))


def related_options(scene: Scene, entry: Entry) -> tuple[Option, ...]:
    """Entries that stand beside this one and may be given today."""
    found = (scene.brain.entry(entry_id) for entry_id in entry.related)
    return tuple(
        Option(other.title, other.title, f"entry:{other.id}")
        for other in found
        if other is not None and other.text_on(scene.facts.today)
    )[:MOST_CHOICES]


def clarify(scene: Scene, hits: tuple[Hit, ...], *, asked: str) -> Turn:
    """Two to four numbered choices, 都不是 last."""
    options = tuple(
        Option(hit.entry.title, hit.entry.title, f"entry:{hit.entry.id}") for hit in hits[:MOST_CHOICES]
    )
    return scene.turn(
        say("clarify"),
        (*options, option("none")),
        outcome="clarify",
        asked=asked,
        deny="none",
        topic=asked,
        category="",
    )


def menu(scene: Scene, text: str) -> Turn:
    """The eleven categories under a text."""
    return scene.turn(text, MENU)


def category(scene: Scene, key: str) -> Turn:
    """What is often asked in one category, and the way to register a need."""
    chosen = Category(key)
    entries = [
        entry
        for entry in scene.brain.entries
        if entry.category is chosen and entry.text_on(scene.facts.today)
    ]
    options = tuple(Option(entry.title, entry.title, f"entry:{entry.id}") for entry in entries[:_EXAMPLES])
    return scene.turn(
        say("category", label=chosen.label),
        (*options, option("register"), option("human")),
        category=key,
        topic=chosen.label,
        asked="",
    )


def service_info(scene: Scene) -> Turn:
    """What the platform does, how, and whom to call (S 5.1.5); phones only where they are set."""
    facts = scene.facts
    lines = [say("service.info", categories="、".join(category.label for category in Category))]
    if facts.service_phone:
        lines.append(say("service.phone", phone=facts.service_phone))
    if facts.complaint_phone:
        lines.append(say("service.complaint_phone", phone=facts.complaint_phone))
    if not (facts.service_phone or facts.complaint_phone):
        lines.append(say("service.no_phone"))
    return scene.turn("\n".join(lines), (option("menu"), option("human")))
