"""The survey of Annex C in the chat: one question after the other, partial answers kept, corrections taken."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.core.answers import option
from bot.core.brain import Heard, Outcome
from bot.core.messages import Kind, Option, Outgoing
from bot.core.surveys import (
    Item,
    Rating,
    data,
    declines,
    label,
    options,
    question,
    read_answers,
    read_note,
)
from bot.core.turns import DialogueState, RateService, Said, Scene, SurveyView, Turn
from bot.core.wording import say
from intents.acts import told_act
from intents.text import normalise
from intents.understand import Act, Mood

WORDS = ("评价", "我要评价", "继续评价", "服务评价", "满意度评价")
"""Whole messages that start the survey again."""
_TAP = re.compile(r"rate:(\d{1,15}):([a-z]+):([a-z-]+)")
_SERVED = frozenset({Act.HUMAN, Act.COMPLAINT, Act.PROGRESS, Act.MENU, Act.CANCEL})
_OPINION = re.compile(
    "希望|建议|下次|最好|以后|今后|意见"
)  # what an opinion begins with, though it sounds like a need

_RATED = re.compile("评价|满意|一般|解决|[点选打]错")  # words that only speak of a rating


# --- what must be known before the step


def wants_survey(state: DialogueState, said: Said) -> bool:
    """Must the contact's survey be read before this step?"""
    if said.kind is Kind.EVENT and said.event_key.removeprefix("bot:") == "rating":
        return True
    text = said.text.strip()
    return (
        state.survey != 0
        or said.menu_id.startswith("rate")
        or any(item.id.startswith("rate:") for item in state.choices)
        or text.strip("。！!.") in WORDS
        or declines(text)
        or _is_correction(text)
    )


def tapped_survey(state: DialogueState, said: Said) -> int:
    """The id of the survey that a tap names or that is being answered; 0 for none. It may be somebody else's."""
    match = _TAP.fullmatch(said.menu_id)
    return int(match[1]) if match else state.survey


def known(scene: Scene) -> Scene:
    """The scene without a survey that is no longer the contact's own open one."""
    survey = scene.facts.survey
    if not scene.state.survey or (survey is not None and survey.id == scene.state.survey):
        return scene
    return replace(scene, state=replace(scene.state, survey=0))


def tapped(scene: Scene) -> str:
    """The action of a tap on a rating, however old its menu is; empty for anything else.

    The id comes from outside: it counts only for the contact's own survey (protocol 4.4).
    """
    match, survey = _TAP.fullmatch(scene.said.menu_id), scene.facts.survey
    return scene.said.menu_id if match and survey is not None and int(match[1]) == survey.id else ""


def is_running(scene: Scene) -> bool:
    """Is a survey being answered, with something left to ask?"""
    survey = scene.facts.survey
    return survey is not None and survey.id == scene.state.survey and not survey.is_done


# --- asking


def first(number: str, *, survey: int, item: Item = Item.TIMELINESS) -> Outgoing:
    """The message that asks for the survey of this ticket, also days after the service."""
    return Outgoing(f"{say('rating.first', number=number)}\n{_question(item)}", _choices(survey, item))


def awaiting(state: DialogueState, survey: SurveyView) -> DialogueState:
    """The state once `first` has been sent: its choices count; those of a form that is open stay."""
    if state.form is not None or not survey.missing:
        return replace(state, survey=survey.id)
    choices = _choices(survey.id, survey.missing[0])
    return replace(state, survey=survey.id, choices=choices, affirm="", deny="")


def open(scene: Scene) -> Turn:
    """Ask what is still missing of the contact's survey, from the first item on."""
    survey, form = scene.facts.survey, scene.state.form
    if survey is None:
        return scene.turn(say("rating.none"), (option("mine"), option("menu")))
    if form is not None:
        return scene.turn(say("rating.after_form"), scene.state.choices, survey=survey.id)
    if survey.is_done:
        return scene.turn(say("rating.done"), (option("menu"),), survey=0)
    opening = ""
    if len(survey.missing) == len(Item):
        opening = say("rating.opening", number=survey.number)
    return _ask(scene, survey.missing, opening)


def _ask(scene: Scene, missing: tuple[Item, ...], opening: str, *commands: RateService) -> Turn:
    """Ask the first of the missing items; for the opinion, when none is missing; or end with thanks."""
    survey = scene.facts.survey
    assert survey is not None
    if missing:
        text, choices = _question(missing[0]), _choices(survey.id, missing[0])
    elif not survey.is_noted:
        text, choices = say("rating.ask_note"), (option("skip", f"rate-skip:{survey.id}"),)
    else:
        return scene.turn(opening or say("rating.thanks"), (option("menu"),), *commands, survey=0)
    text = f"{opening}\n{text}" if opening else text
    return scene.turn(text, choices, *commands, survey=survey.id)


def _question(item: Item) -> str:
    place = tuple(Item).index(item) + 1
    return say("rating.question", question=question(item), place=place, count=len(Item))


def _choices(survey: int, item: Item) -> tuple[Option, ...]:
    return tuple(
        Option(label(rating), label(rating), f"rate:{survey}:{item}:{rating}") for rating in options(item)
    )


# --- what is answered


def _rate(scene: Scene, argument: str) -> Turn:
    """A tap or a number: one rating of one item."""
    match, survey = _TAP.fullmatch(f"rate:{argument}"), scene.facts.survey
    if match is None or survey is None or int(match[1]) != survey.id:
        return scene.turn(say("rating.none"), (option("mine"), option("menu")))
    item = next((one for one in Item if one == match[2]), None)
    rating = next((one for one in options(item) if one == match[3]), None) if item else None
    if item is None or rating is None:
        return open(scene)
    return _take(scene, {item: rating})


def _take(scene: Scene, answers: Mapping[Item, Rating]) -> Turn:
    """Keep the answers, say back what was not the plain answer to the question, and go on."""
    survey = scene.facts.survey
    assert survey is not None
    pairs = tuple((item.value, rating.value) for item, rating in answers.items())
    command = RateService(survey.id, pairs)
    said_back = "；".join(
        say("rating.answer", question=question(item), label=label(rating)) for item, rating in answers.items()
    )
    noted = say("rating.noted", answers=said_back)
    if scene.state.form is not None:
        return scene.turn(noted, scene.state.choices, command, survey=survey.id)
    missing = tuple(item for item in survey.missing if item not in answers)
    is_plain = len(answers) == 1 and set(answers) <= set(survey.missing[:1])
    return _ask(scene, missing, "" if is_plain else noted, command)


def _skip(scene: Scene, _argument: str) -> Turn:
    survey = scene.facts.survey
    if survey is None or survey.missing or survey.is_noted:
        return open(scene)
    return _take_note(scene, survey, "")


def _take_note(scene: Scene, survey: SurveyView, note: str) -> Turn:
    thanks = say("rating.thanks_note" if note else "rating.thanks")
    return scene.turn(thanks, (option("menu"),), RateService(survey.id, note=note), survey=0)


def pause(scene: Scene) -> Turn:
    """Not now: the survey can be taken up again."""
    return scene.turn(say("rating.paused"), (option("menu"),), survey=0)


def _decline(scene: Scene, survey: SurveyView) -> Turn:
    return scene.turn(
        say("rating.declined"), (option("menu"),), RateService(survey.id, declines=True), survey=0
    )


def hear(scene: Scene) -> Turn | None:
    """What free words say to the survey; None where they are about something else."""
    survey, text = scene.facts.survey, scene.said.text
    if survey is None or told_act(scene.heard.understanding.text) in _SERVED:
        return None
    # “不要发” may be about anything, unless a rating was just asked for.
    is_meant = is_running(scene) or "评价" in text
    if is_meant and not survey.is_done and not _is_question(scene.heard) and declines(text):
        return _decline(scene, survey)
    if changed := _correction(text, survey):
        return _take(scene, changed)
    if not is_running(scene):
        return None
    return _hear_answer(scene, survey) if survey.missing else _hear_note(scene, survey)


def _is_correction(text: str) -> bool:
    """“专业性点错了，应该是满意”; other mistakes are none of the survey's."""
    plain = normalise(text)
    return bool(re.search(data("parts")["correction"], plain) and _RATED.search(plain))


def _correction(text: str, survey: SurveyView) -> Mapping[Item, Rating]:
    """What a correction says; without the name of an item, the answer given last is meant."""
    if not _is_correction(text):
        return {}
    plain = normalise(text)
    named = [item for item in Item if re.search(data("topics")[item], plain)]
    if len(named) == 1:
        return read_answers(text, asked=named[0])
    given = [item for item in Item if item not in survey.missing]
    return read_answers(text, asked=given[-1] if survey.missing and given and not named else None)


def _hear_answer(scene: Scene, survey: SurveyView) -> Turn | None:
    heard, act = scene.heard, told_act(scene.heard.understanding.text)
    if _is_answered(heard) or (_is_need(heard) and not _RATED.search(heard.understanding.text)):
        return None
    if answers := read_answers(scene.said.text, asked=_asked(scene, survey)):
        return _take(scene, answers)
    if act is Act.AFFIRM:
        return open(scene)
    if act is Act.DENY:
        return pause(scene)
    # Under our question “你们效率真高” is hardly a complaint, whatever the model of acts takes it for.
    is_guess = heard.outcome is Outcome.ACT and act is None and heard.understanding.act is not Act.HUMAN
    # Once more, then the words are taken for something else.
    if not (is_guess or heard.outcome is Outcome.OOS) or scene.state.unclear:
        return None
    turn = _ask(scene, survey.missing, say("rating.unclear"))
    return replace(turn, state=replace(turn.state, unclear=1))


def _asked(scene: Scene, survey: SurveyView) -> Item:
    """The item under our last reply, which may have been answered elsewhere meanwhile; else the first missing one."""
    taps = (_TAP.fullmatch(item.id) for item in scene.state.choices)
    asked = next((match[2] for match in taps if match and int(match[1]) == survey.id), "")
    return next((item for item in Item if item == asked), survey.missing[0])


def _hear_note(scene: Scene, survey: SurveyView) -> Turn | None:
    heard, act = scene.heard, told_act(scene.heard.understanding.text)
    if act in (Act.DENY, Act.THANKS, Act.BYE, Act.AFFIRM):
        return _take_note(scene, survey, "")
    is_wish = _OPINION.match(heard.understanding.text) is not None
    if act is Act.GREET or (_is_need(heard) and not is_wish) or _is_question(heard):
        return None
    return _take_note(scene, survey, read_note(scene.said.text))


def _is_need(heard: Heard) -> bool:
    return heard.understanding.mood is Mood.NEED and heard.outcome is Outcome.REFER


def _is_answered(heard: Heard) -> bool:
    return heard.understanding.mood is Mood.QUESTION and heard.outcome is Outcome.ANSWER


def _is_question(heard: Heard) -> bool:
    known = (Outcome.ANSWER, Outcome.CLARIFY)
    return heard.understanding.mood is Mood.QUESTION and heard.outcome in known


def and_offer(scene: Scene, turn: Turn) -> Turn:
    """After something else was served: the survey that waits is offered among the choices."""
    state = turn.state
    is_left = not is_running(scene) or state.survey != scene.state.survey
    is_asked = any(item.id.startswith(("rate", "rating")) for item in state.choices)
    if is_left or is_asked or state.form is not None or turn.reply is None:
        return turn
    choices = (*turn.reply.options, option("rating"))
    return replace(turn, state=replace(state, choices=choices), reply=Outgoing(turn.reply.text, choices))


ACTIONS: dict[str, Callable[[Scene, str], Turn]] = {
    "rating": lambda scene, _: open(scene),
    "rate": _rate,
    "rate-skip": _skip,
}
