"""What a contact may do with their own tickets, by words, by number and by tapping."""

from dataclasses import replace
from datetime import date

import pytest

from bot.core.brain import Outcome
from bot.core.own_tickets import commanded
from bot.core.ticket_states import Move, TicketKind, TicketState
from bot.core.tickets import TicketView
from bot.core.turns import DialogueState, Form, MoveTicket
from bot.core.wording import TOLD
from intents.understand import Act
from tests.bot.core.test_dialogue import FACTS, heard, talk


def view(serial: int, state: TicketState = TicketState.REGISTERED) -> TicketView:
    number = f"NQI-2026-{serial:06d}"
    return TicketView(number, TicketKind.NEED, state, "testing", "检测一批矿泉水", date(2026, 11, 21))


ONE = replace(FACTS, tickets=(view(1),))
TWO = replace(FACTS, tickets=(view(2), view(1)))
DONE = replace(FACTS, tickets=(view(1, TicketState.CLOSED),))


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("撤回 NQI-2026-000001", "withdraw-ask:NQI-2026-000001"),
        ("催办nqi-c-2026-000012", "urge:NQI-C-2026-000012"),
        ("确认完成：NQI-2026-000001", "confirm:NQI-2026-000001"),
        ("补充 NQI-2026-000001 一共20瓶\n都要", "add:NQI-2026-000001"),
        ("撤回 NQI-2026-000001 怎么弄", ""),
        ("商标申请撤回", ""),
        ("NQI-2026-000001", ""),
    ],
)
def test_a_command_names_its_ticket(text: str, action: str) -> None:
    assert commanded(text) == action


def test_one_ticket_is_urged_without_a_number_and_of_several_one_is_picked() -> None:
    assert talk("催办", facts=ONE)[-1].commands == (MoveTicket("NQI-2026-000001", Move.URGE),)
    asked, urged = talk("催办", "2", facts=TWO)
    assert [item.label for item in asked.state.choices][:2] == ["NQI-2026-000002", "NQI-2026-000001"]
    assert urged.commands == (MoveTicket("NQI-2026-000001", Move.URGE),)
    assert urged.reply is not None
    assert urged.reply.text == TOLD


def test_withdrawing_is_asked_first_and_done_on_a_yes_only() -> None:
    yes = heard("好的", Outcome.ACT, act=Act.AFFIRM)
    no = heard("不用", Outcome.ACT, act=Act.DENY)
    asked, done = talk("撤回 NQI-2026-000001", yes, facts=ONE)
    assert asked.commands == ()
    assert done.commands == (MoveTicket("NQI-2026-000001", Move.WITHDRAW),)
    assert talk("撤回", no, facts=ONE)[-1].commands == ()
    assert talk("撤回", "确认撤回", facts=ONE)[-1].commands == done.commands
    assert talk("确认撤回", facts=ONE)[-1].commands == (), "the words alone might be a slip"


def test_what_does_not_fit_is_said_without_a_command() -> None:
    for text in ("催办", "撤回", "确认完成"):
        turn = talk(text, facts=DONE)[-1]
        assert turn.commands == ()
        assert turn.reply is not None
        assert "没有可以" in turn.reply.text
    unknown = talk("撤回 NQI-2026-000009", facts=ONE)[-1]
    assert unknown.reply is not None
    assert "没有查到" in unknown.reply.text


def test_my_tickets_offer_what_may_be_done() -> None:
    assert [item.label for item in talk("我的申请", facts=ONE)[-1].state.choices] == [
        "催办",
        "补充内容",
        "撤回",
        "转人工",
    ]
    finished = replace(FACTS, tickets=(view(1, TicketState.FINISHED),))
    assert "确认完成" in [item.label for item in talk("我的申请", facts=finished)[-1].state.choices]
    picked = talk("我的申请", "NQI-2026-000001", facts=TWO)[-1]
    assert "撤回" in [item.label for item in picked.state.choices]


def test_in_a_form_withdrawing_means_the_form_and_urging_goes_on_with_it() -> None:
    form = Form(TicketKind.NEED, content="检测一批矿泉水", applicant="示例公司", asking="person")
    state = DialogueState(form=form)
    assert talk("撤回", facts=ONE, state=state)[-1].state.form is None
    urged = talk("催办", facts=ONE, state=state)[-1]
    assert urged.commands == (MoveTicket("NQI-2026-000001", Move.URGE),)
    assert urged.state.form == form
    assert urged.reply is not None
    assert urged.reply.text.startswith(TOLD)
