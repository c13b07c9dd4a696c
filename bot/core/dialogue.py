"""step(): one message and the state before it -> one Turn. Pure."""

from collections.abc import Callable
from dataclasses import replace

from bot.core import answers, needform, rating
from bot.core.answers import option
from bot.core.brain import Brain, Heard, Outcome
from bot.core.choices import act_on, and_resume, chosen
from bot.core.messages import Kind, Outgoing
from bot.core.own_tickets import READS
from bot.core.ticket_states import TicketKind
from bot.core.turns import (
    DialogueState,
    EraseContact,
    Facts,
    KeepMaterial,
    NoteStation,
    Said,
    Scene,
    Turn,
)
from bot.core.wording import say
from intents.acts import told_act
from intents.categories import Category
from intents.understand import Act, Mood

_MANY_UNCLEAR = 2  # after that many messages in a row that were not understood, staff are offered first
_KEPT = frozenset({Kind.IMAGE, Kind.VIDEO, Kind.VOICE})
_ASKED_LIMIT = 500  # characters of the last words that are remembered


def step(state: DialogueState, said: Said, facts: Facts, brain: Brain) -> Turn:
    """Decide what one message leads to."""
    scene = rating.known(Scene(state, said, facts, brain))
    return rating.and_offer(scene, _decide(scene))


def _decide(scene: Scene) -> Turn:
    if scene.said.kind is Kind.EVENT:
        return _event(scene)
    if scene.said.heard is None:
        return _material(scene)
    # A tap on a rating may be days old: "满意" would else be taken for the question that stands now.
    action = rating.tapped(scene) or chosen(scene.state, scene.said)
    if action:
        return _perform(scene, action)
    if scene.state.form is not None:
        return _in_form(scene)
    return rating.hear(scene) or _free(scene)


def wants_tickets(state: DialogueState, said: Said) -> bool:
    """Must the contact's tickets be read before this step?"""
    name = _action(state, said).partition(":")[0]
    # A form is compared with what is open before it is submitted.
    if name in READS or name in ("erase-ask", "erase", "submit", "merge"):
        return True
    if said.heard is None:
        return False
    understanding = said.heard.understanding
    is_confirming = state.form is not None and state.form.asking == "confirm"
    if is_confirming and told_act(understanding.text) is Act.AFFIRM:
        return True
    return understanding.act is Act.PROGRESS or bool(understanding.slots.tickets)


def wants_offers(state: DialogueState, said: Said) -> str:
    """The number of the ticket whose providers must be read before this step; empty where none."""
    name, _, number = _action(state, said).partition(":")
    return number if name == "choose" else ""


def _action(state: DialogueState, said: Said) -> str:
    """What a tap, a number, a standing word or a menu button asks for."""
    if said.kind is Kind.EVENT:
        return said.event_key.removeprefix("bot:") if said.event == "click" else ""
    return chosen(state, said) if said.heard is not None else ""


def wants_late(state: DialogueState, said: Said) -> bool:
    """Must replies that came too late be read before this step?"""
    return said.heard is not None and chosen(state, said) == "look"


def _event(scene: Scene) -> Turn:
    said, facts = scene.said, scene.facts
    match said.event:
        case "subscribe":
            welcome = answers.menu(scene, say("welcome", platform=facts.platform_name))
            return replace(welcome, commands=(NoteStation(said.event_key),) if said.event_key else ())
        case "scan":
            turn = answers.menu(scene, say("greet"))
            return replace(turn, commands=(NoteStation(said.event_key),) if said.event_key else ())
        case "user_enter_tempsession":
            return answers.menu(scene, say("welcome", platform=facts.platform_name))
        case "unsubscribe" | "user_authorization_revoke" | "user_authorization_cancellation":
            return Turn(DialogueState(), None, (EraseContact(said.event),))
        case "click":
            return act_on(scene, said.event_key.removeprefix("bot:"))
        case _:
            return scene.silent()


def _material(scene: Scene) -> Turn:
    """A message without words: kept for the request at hand, and answered with what to do next."""
    kind = scene.said.kind
    if kind is Kind.TEXT:
        return scene.turn(say("empty"), scene.state.choices, affirm=scene.state.affirm, deny=scene.state.deny)
    form = scene.state.form
    if form is not None:
        name = f"material.{kind}" if kind in (Kind.FILE, Kind.UNKNOWN) else "form.material"
        turn = needform.ask(scene, form, say(name, kind=say(f"kind.{kind}")))
        return replace(turn, commands=(KeepMaterial(),))
    # Only these carry a media id: nothing is promised of the others.
    if kind in _KEPT:
        text, kept = say(f"material.{kind}"), scene.state.kept + 1
        turn = scene.turn(text, scene.state.choices, KeepMaterial(), kept=kept)
    else:
        turn = scene.turn(say(f"material.{kind}"), scene.state.choices)
    # What was asked before the picture still stands.
    return replace(turn, state=replace(turn.state, affirm=scene.state.affirm, deny=scene.state.deny))


def _perform(scene: Scene, action: str) -> Turn:
    return _next(scene) if action == "next" else act_on(scene, action)


def _next(scene: Scene) -> Turn:
    """Serve the second need of an earlier message."""
    second = scene.state.second
    if not second:
        return scene.turn(say("affirm"))
    heard = scene.brain.hear(second, today=scene.facts.today)
    said = replace(scene.said, text=second, heard=heard)
    return _serve(Scene(replace(scene.state, second=""), said, scene.facts, scene.brain), heard)


# --- free words ---


def _affirm(scene: Scene) -> Turn:
    return _perform(scene, scene.state.affirm) if scene.state.affirm else scene.turn(say("affirm"))


def _deny(scene: Scene) -> Turn:
    if scene.state.deny:
        return _perform(scene, scene.state.deny)
    return scene.turn(say("thanks") if scene.state.affirm else say("deny"), (option("menu"), option("human")))


_ACTS: dict[Act, Callable[[Scene], Turn]] = {
    Act.GREET: lambda scene: answers.menu(scene, say("greet")),
    Act.THANKS: lambda scene: scene.turn(say("thanks")),
    Act.BYE: lambda scene: scene.turn(say("bye")),
    Act.HUMAN: lambda scene: _perform(scene, "human"),
    Act.COMPLAINT: lambda scene: _perform(scene, "complaint"),
    Act.SUGGESTION: lambda scene: _perform(scene, "suggestion"),
    Act.PROGRESS: lambda scene: _perform(scene, "mine"),
    Act.CANCEL: lambda scene: _perform(scene, "cancel"),
    Act.MENU: lambda scene: answers.menu(scene, say("menu")),
    Act.AFFIRM: _affirm,
    Act.DENY: _deny,
}


def _free(scene: Scene) -> Turn:
    """Words outside a form."""
    heard = scene.heard
    if heard.understanding.slots.tickets and heard.outcome is not Outcome.ANSWER:
        return _perform(scene, "mine")
    if heard.understanding.is_followup and scene.state.topic:
        heard = scene.brain.hear(scene.said.text, today=scene.facts.today, topic=scene.state.topic)
    if not heard.parts:
        return _serve(scene, heard)
    first, second = heard.parts[0], heard.parts[1]
    turn = _serve(scene, first, words=first.understanding.text)
    return _offer_second(turn, second.understanding.text)


def _serve(scene: Scene, heard: Heard, *, words: str = "") -> Turn:
    """Do what one thing heard asks for."""
    asked = (words or scene.said.text).strip()[:_ASKED_LIMIT]
    match heard.outcome:
        case Outcome.ACT:
            assert heard.understanding.act is not None
            return _ACTS[heard.understanding.act](scene)
        case Outcome.ANSWER:
            return answers.give(scene, heard.hits[0].entry, asked=asked)
        case Outcome.CLARIFY:
            return answers.clarify(scene, heard.hits, asked=asked)
        case Outcome.REFER:
            return _refer(scene, heard, asked)
        case Outcome.OOS:
            return _unclear(scene)


def _refer(scene: Scene, heard: Heard, asked: str) -> Turn:
    key = needform.category_of(heard.understanding)
    if heard.understanding.mood is Mood.NEED:
        return needform.start(scene, TicketKind.NEED, content=asked, category=key)
    label = Category(key).label
    return scene.turn(
        say("refer", label=label),
        (option("register"), option("human")),
        outcome="refer",
        asked=asked,
        category=key,
        topic=asked,
        affirm="register",
    )


def _unclear(scene: Scene) -> Turn:
    count = scene.state.unclear + 1
    options = (option("menu"), option("register"), option("human"))
    if count >= _MANY_UNCLEAR:
        options = (option("human"), option("register"), option("menu"))
    name = "unclear" if count >= _MANY_UNCLEAR else "oos"
    return scene.turn(say(name), options, outcome="oos", unclear=count)


def _offer_second(turn: Turn, second: str) -> Turn:
    """Serve the first need now, remember the second and say so; a form offers it when it is done."""
    state = replace(turn.state, second=second[:_ASKED_LIMIT])
    if turn.reply is None or state.form is not None:
        return replace(turn, state=state)
    options = (*turn.reply.options, option("next"))
    text = f"{turn.reply.text}\n\n{say('answer.second', text=state.second)}"
    return replace(turn, state=replace(state, choices=options, affirm="next"), reply=Outgoing(text, options))


# --- inside a form ---

_FORM_ACTS = frozenset({Act.CANCEL, Act.HUMAN, Act.MENU, Act.PROGRESS})


def _in_form(scene: Scene) -> Turn:
    form, heard = scene.state.form, scene.heard
    assert form is not None
    # A name or a company may look like anything: inside a form only an act in so many words counts.
    act = told_act(heard.understanding.text)
    if act in _FORM_ACTS:
        return and_resume(scene, _ACTS[act](scene)) if act is not Act.CANCEL else _perform(scene, "cancel")
    if act is Act.AFFIRM and form.asking == "confirm":
        return needform.submit(scene)
    if act is Act.DENY and form.asking == "confirm":
        return needform.edit(scene, form)
    if act in (Act.GREET, Act.THANKS, Act.AFFIRM) and form.asking != "person":
        return needform.ask(scene, form)
    if _is_aside(scene):
        return and_resume(scene, _serve(scene, heard))
    if _is_other_need(scene):
        return and_resume(scene, _remember_need(scene))
    return needform.fill(scene, form)


def _is_aside(scene: Scene) -> bool:
    """A question in the middle of the form, answered before the form goes on."""
    heard = scene.heard
    slots = heard.understanding.slots
    return (
        heard.understanding.mood is Mood.QUESTION
        and heard.outcome in (Outcome.ANSWER, Outcome.CLARIFY)
        and not slots.phones
        and not slots.companies
    )


def _is_other_need(scene: Scene) -> bool:
    form, heard = scene.state.form, scene.heard
    return (
        form is not None
        and form.asking in ("applicant", "person", "phone")
        and heard.understanding.mood is Mood.NEED
        and heard.outcome is Outcome.REFER
        and len(scene.said.text) >= 6
        and not heard.understanding.slots.companies
        and not heard.understanding.slots.phones
    )


def _remember_need(scene: Scene) -> Turn:
    text = scene.said.text.strip()[:_ASKED_LIMIT]
    return scene.turn(say("answer.second", text=text), outcome="form", second=text)
