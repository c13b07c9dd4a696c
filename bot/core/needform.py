"""The need form of Annex B in the chat: what is known, what to ask next, how a correction is read."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.core import repeats
from bot.core.answers import option
from bot.core.messages import Option
from bot.core.ticket_states import Move, TicketKind
from bot.core.tickets import TicketView
from bot.core.turns import (
    AttachMaterial,
    Command,
    DropMaterial,
    Form,
    MoveTicket,
    OpenTicket,
    SaveConsent,
    Scene,
    Turn,
)
from bot.core.wording import NUMBER, REMARK, TOLD, UNTIL, say
from intents.categories import Category
from intents.slots import Slots, is_phone_like, read_phone, read_slots
from intents.understand import Understanding

CONTENT_LIMIT = 2000  # characters of the need that are kept
_LIKELY = 0.35  # below this a category is a guess: 其他服务, and staff assess it (R18)
_FIELDS = {
    TicketKind.NEED: ("content", "applicant", "person", "phone"),
    TicketKind.COMPLAINT: ("content", "phone"),
    TicketKind.SUGGESTION: ("content",),
}
_SKIP = frozenset({"跳过", "不方便", "不留", "没有", "不用", "不填", "略", "算了"})
_PRIVATE = frozenset(
    {"个人", "没有", "无", "没有公司", "没公司", "个体", "个体户", "我是个人", "不是企业", "没有企业"}
)
_VERB = r"(?:写错了|填错了|错了|不对)?[，,\s]*(?:应该|要)?(?:改成|改为|换成|更正为|改|是|叫|为)?[:：\s]*"
_LABELLED = {
    "applicant": re.compile(
        rf"(?:公司|企业|单位|申请人)(?:名称|名字|名)?{_VERB}(?P<value>[^，,。；;\s]{{2,60}})"
    ),
    "person": re.compile(rf"(?:联系人|姓名|名字)(?:名字)?{_VERB}(?P<value>[^，,。；;\s\d]{{1,20}})"),
    "content": re.compile(r"(?:内容|需求)(?:写错了|错了)?[，,\s]*(?:改成|改为|换成)[:：\s]*(?P<value>.{2,})"),
}
_EXPLICIT = re.compile(r"写错|填错|错了|不对|改成|改为|换成|更正|应该是|[:：]")
_CLEAN = re.compile(
    r"^(?:我们?|咱们?)?(?:公司|企业|单位)?(?:名称|名字|全称)?(?:是|叫|为)?[:：\s]*|[。！!，,；;\s]+$"
)
_CLEAN_PERSON = re.compile(r"^(?:联系人|我|本人|姓名)?(?:是|叫|姓名)?[:：\s]*|[。！!，,；;\s]+$")


def category_of(understanding: Understanding) -> str:
    """The likeliest of the eleven, or `other` where none is likely."""
    likely = max(Category, key=lambda item: understanding.scores.get(item.value, 0.0))
    return likely.value if understanding.scores.get(likely.value, 0.0) >= _LIKELY else Category.OTHER.value


def start(scene: Scene, kind: TicketKind, *, content: str, category: str) -> Turn:
    """Open a form with all that is known already, and ask for the first thing that is not."""
    # The need may have been told some messages before "登记需求": what it said is not asked for again.
    facts, told = scene.facts, (*_heard_slots(scene), read_slots(content))
    form = Form(
        kind=kind,
        content=content.strip()[:CONTENT_LIMIT],
        category=category,
        applicant=next((name for slots in told for name in slots.companies), facts.applicant),
        person=next((name for slots in told for name in slots.persons), facts.person),
        phone=next((number for slots in told for number in slots.phones), facts.phone),
        is_urgent=any(slots.is_urgent for slots in told),
        started_at=facts.now,
    )
    if kind is TicketKind.NEED and form.content:
        shown = form.content if len(form.content) <= 40 else form.content[:40] + "…"
        opening = say("form.started_need", content=shown, label=Category(category).label)
    else:
        opening = say("form.started_plain" if kind is TicketKind.NEED else f"form.started_{kind}")
    lines = [opening]
    if not facts.has_consented and kind is not TicketKind.SUGGESTION:
        lines.append(say("form.consent"))
    elif facts.applicant and kind is TicketKind.NEED:
        lines.append(say("form.known"))
    if scene.state.kept:
        lines.append(say("form.kept", count=scene.state.kept))
    return ask(scene, form, "\n".join(lines))


def _heard_slots(scene: Scene) -> tuple[Slots, ...]:
    return (scene.heard.understanding.slots,) if scene.said.heard else ()


def missing(form: Form) -> str | None:
    """The next field to ask for; None when the form is complete."""
    for name in _FIELDS[form.kind]:
        if not getattr(form, name) and not (name == "phone" and form.has_skipped_phone):
            return name
    return None


def ask(scene: Scene, form: Form, opening: str = "", **changes: Any) -> Turn:
    """Ask for the next missing field, or show the summary."""
    name = missing(form)
    if name is None:
        return _confirm(scene, form, opening, **changes)
    question = _question(form, name)
    options: tuple[Option, ...] = (option("cancel"),)
    if name == "phone" and form.kind is TicketKind.COMPLAINT:
        options = (option("skip"), *options)
    text = f"{opening}\n{question}" if opening else question
    return scene.turn(text, options, outcome="form", form=replace(form, asking=name), **changes)


def _question(form: Form, name: str) -> str:
    if name == "content":
        return say(f"form.ask_content_{form.kind}")
    if name == "phone" and form.kind is TicketKind.COMPLAINT:
        return say("form.ask_phone_optional")
    return say(f"form.ask_{name}")


def label_of(form: Form, name: str) -> str:
    """What Annex B calls a field; complaints and suggestions have their own word for the content."""
    if name == "content" and form.kind is not TicketKind.NEED:
        return say(f"field.content_{form.kind}")
    return say(f"field.{name}")


def _confirm(scene: Scene, form: Form, opening: str = "", **changes: Any) -> Turn:
    lines = [say("form.line", label=label_of(form, name), value=getattr(form, name)) for name in _shown(form)]
    if form.kind is TicketKind.NEED:
        label = Category(form.category).label
        lines.append(say("form.line", label=say("field.category"), value=label))
    if form.is_urgent:
        lines.append(say("form.urgent"))
    text = "\n".join([*([opening] if opening else []), say("form.summary"), *lines, say("form.confirm")])
    options = (option("submit"), option("edit"), option("cancel"))
    return scene.turn(
        text,
        options,
        outcome="form",
        form=replace(form, asking="confirm"),
        affirm="submit",
        deny="edit",
        **changes,
    )


def _shown(form: Form) -> list[str]:
    return [name for name in ("applicant", "person", "phone", "content") if getattr(form, name)]


def edit(scene: Scene, form: Form) -> Turn:
    """Which field is to be changed?"""
    names = [name for name in ("applicant", "person", "phone", "content") if name in _FIELDS[form.kind]]
    options = [Option(label_of(form, name), label_of(form, name), f"edit:{name}") for name in names]
    if form.kind is TicketKind.NEED:
        options.append(Option(say("field.category"), say("field.category"), "edit:category"))
    return scene.turn(say("form.edit"), tuple(options), outcome="form")


def edit_field(scene: Scene, form: Form, name: str) -> Turn:
    """Ask for one field again; the category is chosen from the eleven."""
    if name == "category":
        options = tuple(Option(item.label, item.label, f"set-category:{item.value}") for item in Category)
        return scene.turn(say("menu"), options, outcome="form")
    if name not in _FIELDS[form.kind]:
        return ask(scene, form)
    return ask(scene, _set(form, {name: ""}, has_skipped_phone=False))


def set_category(scene: Scene, form: Form, key: str) -> Turn:
    """The contact names the category."""
    changed = replace(form, category=Category(key).value)
    return ask(scene, changed, say("form.changed", label=say("field.category"), value=Category(key).label))


def skip(scene: Scene, form: Form) -> Turn:
    """Leave the telephone out, where that is allowed."""
    return ask(scene, replace(form, has_skipped_phone=form.kind is TicketKind.COMPLAINT))


def fill(scene: Scene, form: Form) -> Turn:
    """Read the message as values of the form: corrections first, then the field that was asked for."""
    text, slots = scene.said.text.strip(), scene.heard.understanding.slots
    if form.asking == "phone" and form.kind is TicketKind.COMPLAINT and text in _SKIP:
        return skip(scene, form)
    filled, added = _slots(_labelled(form, text), slots, text), ""
    if filled == form and _is_detail(form, slots):
        filled = replace(form, content=f"{form.content}；{text}"[:CONTENT_LIMIT])
        added = say("form.added", text=text)
    elif filled == form:
        problem, filled = _plain(form, text)
        if problem:
            return scene.turn(problem, scene.state.choices, outcome="form")
    changed = added or _changes(form, filled)
    filled = replace(filled, is_urgent=form.is_urgent or slots.is_urgent)
    commands = () if scene.facts.has_consented else (SaveConsent(),)
    turn = ask(scene, filled, changed)
    return replace(turn, commands=commands)


def _labelled(form: Form, text: str) -> Form:
    """“联系人改成李四”, “公司名称：…”: a field named in so many words."""
    if not _EXPLICIT.search(text):
        return form
    values: dict[str, str] = {}
    for name, pattern in _LABELLED.items():
        if name in _FIELDS[form.kind] and (match := pattern.search(text)):
            values[name] = match["value"].strip("“”\"' 。")
    return _set(form, {name: value for name, value in values.items() if value and not read_phone(value)})


def _slots(form: Form, slots: Slots, text: str) -> Form:
    """What the text gives away: a phone always counts (the last of several), names fill gaps."""
    values: dict[str, str] = {}
    if slots.phones and "phone" in _FIELDS[form.kind]:
        values["phone"] = slots.phones[-1]
    if form.kind is TicketKind.NEED and form.asking != "content":
        if slots.companies and (not form.applicant or form.asking == "applicant"):
            values["applicant"] = slots.companies[0]
        if slots.persons and (not form.person or form.asking == "person") and len(text) > 1:
            values["person"] = slots.persons[0]
    return _set(form, values)


def _is_detail(form: Form, slots: Slots) -> bool:
    """Does the message add to the need instead of answering? “三台，加急” is nobody's name."""
    if form.kind is not TicketKind.NEED or form.asking == "content":
        return False
    if slots.companies or slots.persons or slots.phones:
        return False  # who asks, told again
    if slots.pieces or slots.standards or slots.is_urgent:
        return True
    # A firm may be named after a place or a thing, a person hardly.
    return form.asking != "applicant" and bool(
        slots.regions or slots.instruments or slots.products or slots.parameters
    )


def _set(form: Form, values: Mapping[str, str], **flags: bool) -> Form:
    """The form with these fields changed."""
    changes: dict[str, Any] = {**values, **flags}
    return replace(form, **changes)


def _plain(form: Form, text: str) -> tuple[str, Form]:
    """The bare answer to the question asked: a problem in words, or the form with the value."""
    match form.asking:
        case "content":
            if len(text) < 4:
                return say("form.bad_content"), form
            return "", replace(form, content=text[:CONTENT_LIMIT])
        case "applicant":
            name = "个人" if text in _PRIVATE else _CLEAN.sub("", text)
            if not 2 <= len(name) <= 60 or name.isdigit():
                return say("form.bad_applicant"), form
            return "", replace(form, applicant=name)
        case "person":
            person = _CLEAN_PERSON.sub("", text)
            if not 1 <= len(person) <= 20 or any(sign.isdigit() for sign in person):
                return say("form.bad_person"), form
            return "", replace(form, person=person)
        case "phone":
            shown = text if len(text) <= 20 else text[:20] + "…"
            return say("form.bad_phone" if is_phone_like(text) else "form.ask_phone", text=shown), form
        case _:
            return say("form.confirm"), form


def _changes(before: Form, after: Form) -> str:
    """What was corrected, said back."""
    lines = [
        say("form.changed", label=label_of(after, name), value=getattr(after, name))
        for name in ("applicant", "person", "phone", "content")
        if getattr(before, name) and getattr(before, name) != getattr(after, name)
    ]
    return "\n".join(lines)


def submit(scene: Scene, *, is_sure: bool = False) -> Turn:
    """Open the ticket, if the form is complete; what looks like an open ticket is shown first."""
    form = scene.state.form
    if form is None:
        return scene.turn(say("form.nothing"), (option("mine"), option("menu")))
    if missing(form):
        return ask(scene, form)
    # Who insists with the very words after the question has answered it.
    was_asked = any(item.id == _ANYWAY for item in scene.state.choices)
    insists = was_asked and scene.said.text.strip() == say("option.submit")
    found = () if is_sure or insists else _repeats(scene, form)
    if found:
        return _show_repeats(scene, form, found)
    text = say(f"form.opened_{form.kind}", number=NUMBER, until=UNTIL, remark=REMARK)
    return _leave(scene, text, OpenTicket(form))


_ANYWAY = "submit:anyway"
_MERGE = "merge"


def _repeats(scene: Scene, form: Form) -> tuple[TicketView, ...]:
    if form.kind is TicketKind.SUGGESTION:
        return ()
    found = repeats.similar(form.content, form.category, scene.facts.tickets, kind=form.kind)
    return tuple(ticket for ticket in found if ticket.may(Move.ADD))


def _show_repeats(scene: Scene, form: Form, found: tuple[TicketView, ...]) -> Turn:
    lines = [
        say(
            "form.repeat",
            number=ticket.number,
            state=say(f"state.{ticket.state}"),
            date=ticket.created_on.isoformat(),
        )
        for ticket in found
    ]
    labels = [say("option.merge")]
    if len(found) > 1:
        labels = [say("option.merge_into", number=ticket.number) for ticket in found]
    merges = tuple(
        Option(label, label, f"{_MERGE}:{ticket.number}") for label, ticket in zip(labels, found, strict=True)
    )
    text = "\n".join([say("form.repeats"), *lines, say("form.repeat_choice")])
    options = (*merges, option("anyway", _ANYWAY), option("cancel"))
    return scene.turn(text, options, outcome="form", form=replace(form, asking="confirm"))


def merge(scene: Scene, number: str) -> Turn:
    """Add what the form says to the ticket that asks for the same, and forget the form."""
    form = scene.state.form
    # Only as an answer to our question: nothing is added to a ticket that we did not show.
    is_offered = any(item.id == f"{_MERGE}:{number}" for item in scene.state.choices)
    if form is None or not is_offered:
        return submit(scene)
    return _leave(scene, TOLD, MoveTicket(number, Move.ADD, form.content), AttachMaterial(number))


def _leave(scene: Scene, text: str, *commands: Command) -> Turn:
    """The form has served; the second need of an earlier message is offered."""
    options: tuple[Option, ...] = (option("mine"),)
    if scene.state.second:
        text += "\n\n" + say("answer.second", text=scene.state.second)
        options = (option("next"), *options)
    return scene.turn(
        text,
        options,
        *commands,
        outcome="form",
        form=None,
        kept=0,
        asked="",
        affirm="next" if scene.state.second else "",
    )


def cancel(scene: Scene) -> Turn:
    """Forget the form."""
    return scene.turn(
        say("form.cancelled"), (option("menu"),), DropMaterial(), outcome="form", form=None, kept=0, asked=""
    )
