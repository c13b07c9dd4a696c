"""What a choice, a number or a standing word leads to."""

import re
from collections.abc import Callable
from dataclasses import replace

from bot.core import answers, needform, own_tickets, rating
from bot.core.answers import option
from bot.core.messages import Outgoing
from bot.core.ticket_states import TicketKind
from bot.core.turns import (
    BindProvider,
    CollectLate,
    DialogueState,
    EraseContact,
    LeaveQueue,
    RecordFeedback,
    RequestStaff,
    Said,
    Scene,
    Turn,
)
from bot.core.wording import TOLD, say

_DIGITS = "一二三四五六七八九十"
_PICK = re.compile(rf"第?\s*([0-9]{{1,2}}|十?[{_DIGITS}])\s*(?:个|项|号|条)?[.、。)）]?")
_BIND = re.compile(r"绑定机构[\s:：]*(.{0,40})")
_TRIM = " \t\n。！!.，,～~？?“”\"'"

# Whole messages that always mean the same, whatever was said before.
_WORDS: dict[str, str] = {
    "更多": "more",
    "有帮助": "helpful",
    "没帮助": "unhelpful",
    "没有帮助": "unhelpful",
    "菜单": "menu",
    "转人工": "human",
    "人工": "human",
    "我的申请": "mine",
    "催办": "urge",
    "撤回": "withdraw-ask",
    "撤回申请": "withdraw-ask",
    "确认完成": "confirm",
    "选择机构": "choose",
    "解绑机构": "bind",
    "查看答复": "look",
    "下一个": "next",
    "登记需求": "register",
    "我要登记": "register",
    "需求登记": "register",
    "确认提交": "submit",
    "删除我的信息": "erase-ask",
    "删除个人信息": "erase-ask",
    "注销我的信息": "erase-ask",
    "确认删除": "erase",
    "服务电话": "info",
    "投诉电话": "info",
    "监督电话": "info",
    "联系电话": "info",
    "服务项目": "info",
    "办理流程": "info",
    "服务流程": "info",
    "我要投诉": "complaint",
    "我有建议": "suggestion",
    "意见建议": "suggestion",
    "取消": "cancel",
    **dict.fromkeys(rating.WORDS, "rating"),
    **{item.label: item.id for item in answers.MENU},
}


def chosen(state: DialogueState, said: Said) -> str:
    """The action that a tap, a number or a standing word asks for; empty for free words."""
    text = said.text.strip(_TRIM)
    # A menu id is only believed when it is one of the choices that we put under our last reply.
    for item in state.choices:
        if said.menu_id and said.menu_id == item.id:
            return item.id
    for item in state.choices:
        if text in (item.label, item.send):
            return item.id
    match = _PICK.fullmatch(text)
    if match and state.choices and not (state.form and state.form.asking == "content"):
        number = _number(match[1])
        if 1 <= number <= len(state.choices):
            return state.choices[number - 1].id
    if binding := _BIND.fullmatch(text):
        return f"bind:{binding[1]}"
    return _WORDS.get(text) or own_tickets.commanded(said.text.strip())


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if text.startswith("十") and len(text) == 2:
        return 11 + _DIGITS.index(text[1])
    return 1 + _DIGITS.index(text)


def act_on(scene: Scene, action: str) -> Turn:
    name, _, argument = action.partition(":")
    handler = ACTIONS.get(name)
    if handler is None:
        return answers.menu(scene, say("menu"))
    return handler(scene, argument)


def _entry(scene: Scene, argument: str) -> Turn:
    entry = scene.brain.entry(argument)
    if entry is None:
        return scene.turn(say("answer.gone"))
    return and_resume(scene, answers.give(scene, entry, asked=scene.state.asked or entry.title))


def _category(scene: Scene, argument: str) -> Turn:
    if argument not in {item.id.removeprefix("category:") for item in answers.MENU}:
        return answers.menu(scene, say("menu"))
    return answers.category(scene, argument)


def _helpful(scene: Scene, argument: str) -> Turn:
    entry_id = argument or scene.state.answered
    if not entry_id:
        return scene.turn(say("thanks"))
    return and_resume(scene, scene.turn(say("answer.helpful"), (), RecordFeedback(entry_id, True)))


def _unhelpful(scene: Scene, argument: str) -> Turn:
    entry_id = argument or scene.state.answered
    feedback = (RecordFeedback(entry_id, False),) if entry_id else ()
    return scene.turn(
        say("answer.unhelpful"), (option("register"), option("human")), *feedback, affirm="register"
    )


def _bind(scene: Scene, code: str) -> Turn:
    return scene.turn(TOLD, scene.state.choices, BindProvider(code))


def _none_of_these(scene: Scene, _argument: str) -> Turn:
    return scene.turn(say("deny"), (option("register"), option("human"), option("menu")), affirm="register")


def _register(scene: Scene, _argument: str) -> Turn:
    if scene.state.form is not None:
        return needform.ask(scene, scene.state.form, say("form.resume"))
    asked = scene.state.asked
    key = scene.state.category
    if asked and not key:
        key = needform.category_of(scene.brain.hear(asked, today=scene.facts.today).understanding)
    return needform.start(scene, TicketKind.NEED, content=asked, category=key or "other")


def _human(scene: Scene, _argument: str) -> Turn:
    # Whether people are there, and how many wait before, is known inside the transaction alone.
    return scene.turn(TOLD, (option("register"),), RequestStaff("asked"))


def _own(name: str) -> Callable[[Scene, str], Turn]:
    """An action on the contact's own tickets; a form that was open goes on after it."""

    def handler(scene: Scene, argument: str) -> Turn:
        if name == "withdraw-ask" and not argument and scene.state.form is not None:
            return needform.cancel(scene)
        turn = own_tickets.ACTIONS[name](scene, argument)
        return turn if turn.state.affirm or turn.state.deny else and_resume(scene, turn)

    return handler


def _rating(name: str) -> Callable[[Scene, str], Turn]:
    """An action on the contact's survey; a form that was open goes on after it."""
    return lambda scene, argument: and_resume(scene, rating.ACTIONS[name](scene, argument))


def _look(scene: Scene, _argument: str) -> Turn:
    if scene.facts.late:
        return scene.turn("\n\n".join(scene.facts.late), scene.state.choices, CollectLate())
    if scene.facts.is_late_pending:
        return scene.turn(say("late.pending"), (option("look"),))
    return scene.turn(say("late.none"))


def _erase_ask(scene: Scene, _argument: str) -> Turn:
    open_tickets = [ticket for ticket in scene.facts.tickets if ticket.is_open]
    lines = [say("erase.ask")]
    if open_tickets:
        numbers = "、".join(ticket.number for ticket in open_tickets)
        lines.append(say("erase.open", count=len(open_tickets), numbers=numbers))
    lines.append(say("erase.confirm"))
    return scene.turn("\n".join(lines), (option("erase"), option("cancel", "keep")), deny="keep")


def _erase(scene: Scene, _argument: str) -> Turn:
    # Only as an answer to our question: the words alone might be a slip.
    if not any(item.id == "erase" for item in scene.state.choices):
        return _erase_ask(scene, "")
    return Turn(DialogueState(), Outgoing(say("erase.done")), (EraseContact("asked"),), outcome="act")


def _keep(scene: Scene, _argument: str) -> Turn:
    return and_resume(scene, scene.turn(say("erase.kept")))


def _cancel(scene: Scene, _argument: str) -> Turn:
    if scene.state.form is not None:
        return needform.cancel(scene)
    if scene.facts.is_waiting:
        return scene.turn(say("staff.left"), (), LeaveQueue())
    if rating.is_running(scene):
        return rating.pause(scene)
    return scene.turn(say("form.nothing_to_cancel"), (option("mine"), option("human")))


def _complaint(scene: Scene, _argument: str) -> Turn:
    return _own_words(scene, TicketKind.COMPLAINT)


def _suggestion(scene: Scene, _argument: str) -> Turn:
    return _own_words(scene, TicketKind.SUGGESTION)


def _own_words(scene: Scene, kind: TicketKind) -> Turn:
    """Start a complaint or suggestion; words beyond the mere wish are its content already."""
    bare = re.sub(
        r"(我|想|要|有|提|个|一下|你们|投诉|建议|意见|反映|举报|问题|给|了|吗|：|:|，|,|。|！|!|\s)",
        "",
        scene.said.text,
    )
    content = scene.said.text if len(bare) >= 4 else ""
    return needform.start(scene, kind, content=content, category="other")


def _edit(scene: Scene, argument: str) -> Turn:
    form = scene.state.form
    if form is None:
        return scene.turn(say("form.nothing"), (option("menu"),))
    return needform.edit_field(scene, form, argument) if argument else needform.edit(scene, form)


def _set_category(scene: Scene, argument: str) -> Turn:
    form = scene.state.form
    if form is None:
        return answers.category(scene, argument)
    return needform.set_category(scene, form, argument)


def _skip(scene: Scene, _argument: str) -> Turn:
    form = scene.state.form
    return needform.skip(scene, form) if form else scene.turn(say("form.nothing"), (option("menu"),))


def and_resume(scene: Scene, turn: Turn) -> Turn:
    """After an aside: go on with the form that was open, in the same message."""
    form = turn.state.form
    # Choices of our own come first: the form goes on once one of them is taken.
    if scene.state.form is None or form is None or turn.reply is None or turn.outcome == "clarify":
        return turn
    inner = Scene(turn.state, scene.said, scene.facts, scene.brain)
    again = needform.ask(inner, form, say("form.resume"))
    assert again.reply is not None
    text = f"{turn.reply.text}\n\n{again.reply.text}"
    return replace(
        again,
        reply=Outgoing(text, again.reply.options),
        commands=turn.commands,
        entry_id=turn.entry_id,
        outcome=turn.outcome,
    )


ACTIONS: dict[str, Callable[[Scene, str], Turn]] = {
    "bind": _bind,
    "entry": _entry,
    "category": _category,
    "more": lambda scene, _: and_resume(scene, answers.more(scene)),
    "helpful": _helpful,
    "unhelpful": _unhelpful,
    "none": _none_of_these,
    "register": _register,
    "human": _human,
    **{name: _own(name) for name in own_tickets.ACTIONS},
    **{name: _rating(name) for name in rating.ACTIONS},
    "look": _look,
    "menu": lambda scene, _: answers.menu(scene, say("menu")),
    "info": lambda scene, _: and_resume(scene, answers.service_info(scene)),
    "erase-ask": _erase_ask,
    "erase": _erase,
    "keep": _keep,
    "cancel": _cancel,
    "complaint": _complaint,
    "suggestion": _suggestion,
    "submit": lambda scene, argument: needform.submit(scene, is_sure=argument == "anyway"),
    "merge": needform.merge,
    "edit": _edit,
    "set-category": _set_category,
    "skip": _skip,
}
