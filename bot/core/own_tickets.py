"""A contact's own tickets: see them, urge, withdraw, add to, confirm, choose a provider."""

import re
from collections.abc import Callable

from bot.core.answers import option
from bot.core.messages import Option
from bot.core.ticket_states import Move
from bot.core.tickets import TicketView
from bot.core.turns import ChooseProvider, MoveTicket, Scene, Turn
from bot.core.wording import TOLD, say

_MOST_SHOWN = 5
_MOST_OFFERED = 3  # providers to choose from
_ACTS = {
    "urge": (Move.URGE, "催办"),
    "withdraw-ask": (Move.WITHDRAW, "撤回"),
    "confirm": (Move.CONFIRM, "确认完成"),
    "add": (Move.ADD, "补充"),
    "choose": (Move.REFER, "选择机构"),
}
_COMMAND = re.compile(
    r"(催办|撤回|确认完成|补充|选择机构)[\s:：]*(NQI-(?:[CS]-)?\d{4}-\d{6})(?:[\s:：，,。]+(.*))?",
    re.IGNORECASE | re.DOTALL,
)
_NAMES = {words: name for name, (_, words) in _ACTS.items()}
READS = frozenset({*_ACTS, "withdraw", "mine", "provider"})
"""The actions that look at the contact's tickets."""


def commanded(text: str) -> str:
    """The action of 撤回 NQI-2026-000001 and the like; empty for other words."""
    found = _COMMAND.fullmatch(text)
    if found is None or (found[3] and found[1] != "补充"):
        return ""
    return f"{_NAMES[found[1]]}:{found[2].upper()}"


def mine(scene: Scene, argument: str) -> Turn:
    """The contact's tickets with their states; one alone with what may be done with it."""
    tickets = scene.facts.tickets
    wanted = (argument,) if argument else scene.heard.understanding.slots.tickets if scene.said.heard else ()
    if wanted:
        found = tuple(ticket for ticket in tickets if ticket.number in wanted)
        if not found:
            return _unknown(scene, wanted[0])
        tickets = found
    if not tickets:
        return scene.turn(say("progress.none"), (option("register"), option("human")))
    shown = tickets[:_MOST_SHOWN]
    head = [] if wanted else [say("progress.list")]
    text = "\n".join([*head, *map(_line, shown), say("progress.hint")])
    return scene.turn(text, (*_choices(shown), option("human")))


def _choices(shown: tuple[TicketView, ...]) -> tuple[Option, ...]:
    if len(shown) > 1:
        return tuple(_pick(ticket, "mine") for ticket in shown if ticket.is_open)
    ticket = shown[0]
    offered = (
        (Move.REFER, option("choose", f"choose:{ticket.number}")),
        (Move.CONFIRM, option("confirm_ticket", f"confirm:{ticket.number}")),
        (Move.URGE, option("urge_ticket", f"urge:{ticket.number}")),
        (Move.ADD, option("add_ticket", f"add:{ticket.number}")),
        (Move.WITHDRAW, option("withdraw_ticket", f"withdraw-ask:{ticket.number}")),
    )
    return tuple(choice for wanted, choice in offered if ticket.may(wanted))


def _pick(ticket: TicketView, action: str) -> Option:
    return Option(ticket.number, ticket.number, f"{action}:{ticket.number}")


def _line(ticket: TicketView) -> str:
    return say(
        "progress.line",
        number=ticket.number,
        kind=say(f"kind.{ticket.kind}"),
        state=say(f"state.{ticket.state}"),
        date=ticket.created_on.isoformat(),
        content=ticket.content if len(ticket.content) <= 30 else ticket.content[:30] + "…",
    )


def _unknown(scene: Scene, number: str) -> Turn:
    return scene.turn(say("progress.unknown", number=number), (option("mine"), option("human")))


def _on_ticket(name: str, go_on: Callable[[Scene, str], Turn]) -> Callable[[Scene, str], Turn]:
    """An action on one ticket: the one named, the only one it fits, or one to pick."""
    wanted, words = _ACTS[name]

    def handler(scene: Scene, argument: str) -> Turn:
        if argument:
            known = any(ticket.number == argument for ticket in scene.facts.tickets)
            return go_on(scene, argument) if known else _unknown(scene, argument)
        fitting = [ticket for ticket in scene.facts.tickets if ticket.may(wanted)]
        if not fitting:
            return scene.turn(say("course.none", act=words), (option("mine"), option("human")))
        if len(fitting) == 1:
            return go_on(scene, fitting[0].number)
        picks = tuple(_pick(ticket, name) for ticket in fitting[:_MOST_SHOWN])
        return scene.turn(say("course.pick", act=words), (*picks, option("human")))

    return handler


def _move(scene: Scene, number: str, wanted: Move, note: str = "") -> Turn:
    return scene.turn(TOLD, (option("mine"),), MoveTicket(number, wanted, note))


def _ask_withdraw(scene: Scene, number: str) -> Turn:
    ticket = next(one for one in scene.facts.tickets if one.number == number)
    if not ticket.may(Move.WITHDRAW):  # the refusal says why
        return _move(scene, number, Move.WITHDRAW)
    keep = f"unmoved:{number}"
    yes = option("withdraw", f"withdraw:{number}")
    return scene.turn(
        say("course.withdraw_ask", number=number), (yes, option("cancel", keep)), affirm=yes.id, deny=keep
    )


def _withdraw(scene: Scene, number: str) -> Turn:
    # Only as an answer to our question: the words alone might be a slip.
    if not any(item.id == f"withdraw:{number}" for item in scene.state.choices):
        return ACTIONS["withdraw-ask"](scene, number)
    return _move(scene, number, Move.WITHDRAW)


def _add(scene: Scene, number: str) -> Turn:
    found = _COMMAND.fullmatch(scene.said.text.strip())
    note = (found[3] or "").strip() if found else ""
    if not note:
        return scene.turn(say("course.add_how", number=number))
    return _move(scene, number, Move.ADD, note)


def _choose(scene: Scene, number: str) -> Turn:
    """The providers that may serve the ticket, each with the reason of its place."""
    if not number:
        # Which providers fit is only read once the ticket is named.
        fitting = [ticket for ticket in scene.facts.tickets if ticket.may(Move.REFER)]
        if not fitting:
            return _none_to_choose(scene)
        picks = tuple(_pick(ticket, "choose") for ticket in fitting[:_MOST_SHOWN])
        return scene.turn(
            say("course.pick", act=say("option.choose")), (*picks, option("human")), outcome="clarify"
        )
    ticket = next((one for one in scene.facts.tickets if one.number == number), None)
    if ticket is None:
        return _unknown(scene, number)
    if not ticket.may(Move.REFER):
        return _none_to_choose(scene)
    offers = [offer for offer in scene.facts.offers if offer.number == number][:_MOST_OFFERED]
    if not offers:
        return scene.turn(say("course.no_provider", number=number), (option("mine"), option("human")))
    lines = [say("course.provider", provider=offer.name, reason=offer.reason) for offer in offers]
    options = tuple(Option(offer.name, offer.name, f"provider:{number}:{offer.provider}") for offer in offers)
    text = "\n".join([say("course.choose", number=number), *lines])
    return scene.turn(text, (*options, option("platform", f"unchosen:{number}")), outcome="clarify")


def _none_to_choose(scene: Scene) -> Turn:
    return scene.turn(say("course.none", act=say("option.choose")), (option("mine"), option("human")))


def _provider(scene: Scene, argument: str) -> Turn:
    number, _, provider = argument.partition(":")
    # Only one that we offered for this ticket: it was checked when it was ranked.
    if not any(item.id == f"provider:{argument}" for item in scene.state.choices):
        return mine(scene, number)
    return scene.turn(TOLD, (option("mine"),), ChooseProvider(number, provider))


ACTIONS: dict[str, Callable[[Scene, str], Turn]] = {
    "mine": mine,
    "urge": _on_ticket("urge", lambda scene, number: _move(scene, number, Move.URGE)),
    "confirm": _on_ticket("confirm", lambda scene, number: _move(scene, number, Move.CONFIRM)),
    "add": _on_ticket("add", _add),
    "withdraw-ask": _on_ticket("withdraw-ask", _ask_withdraw),
    "withdraw": _withdraw,
    "choose": _choose,
    "provider": _provider,
    "unchosen": lambda scene, number: scene.turn(say("course.unchosen", number=number), (option("mine"),)),
    "unmoved": lambda scene, number: scene.turn(say("course.kept", number=number), (option("mine"),)),
}
