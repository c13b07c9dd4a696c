"""What a contact may do with their own tickets, by words, by number and by tapping."""

from dataclasses import replace
from datetime import date

import pytest

from bot.core.brain import Outcome
from bot.core.dialogue import step, wants_offers, wants_tickets
from bot.core.messages import Kind, Option
from bot.core.own_tickets import commanded
from bot.core.ticket_states import Move, TicketKind, TicketState
from bot.core.tickets import TicketView
from bot.core.turns import ChooseProvider, DialogueState, Facts, Form, MoveTicket, ProviderOffer, Said
from bot.core.wording import TOLD
from intents.understand import Act
from tests.bot.core.test_dialogue import FACTS, Script, heard, talk


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
        ("选择机构 NQI-2026-000001", "choose:NQI-2026-000001"),
        ("选择机构 NQI-2026-000001 最近的", ""),
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


OFFERS = tuple(
    ProviderOffer("NQI-2026-000001", f"P-{place}", f"示例检测中心{place}", f"第{place}位的理由")
    for place in (1, 2, 3, 4)
)
CHOICE = replace(
    FACTS, tickets=(view(1, TicketState.ASSESSED), view(2, TicketState.IN_SERVICE)), offers=OFFERS
)


@pytest.mark.parametrize("state", TicketState)
def test_choosing_is_offered_while_no_provider_has_the_ticket(state: TicketState) -> None:
    labels = [
        item.label
        for item in talk("我的申请", facts=replace(FACTS, tickets=(view(1, state),)))[-1].state.choices
    ]
    assert ("选择机构" in labels) is (state in (TicketState.ASSESSED, TicketState.REJECTED))


def test_a_provider_is_chosen_among_three_with_their_reasons() -> None:
    listed, told = talk("选择机构 NQI-2026-000001", "2", facts=CHOICE)
    assert listed.reply is not None
    assert "示例检测中心2：第2位的理由" in listed.reply.text
    assert [item.label for item in listed.state.choices] == [
        "示例检测中心1",
        "示例检测中心2",
        "示例检测中心3",
        "由平台安排",
    ]
    assert told.commands == (ChooseProvider("NQI-2026-000001", "P-2"),)
    assert told.reply is not None
    assert told.reply.text == TOLD


def test_the_platform_may_go_on_choosing() -> None:
    told = talk("选择机构 NQI-2026-000001", "由平台安排", facts=CHOICE)[-1]
    assert told.commands == ()
    assert told.reply is not None
    assert "由平台" in told.reply.text


def test_without_a_number_the_tickets_that_wait_for_a_provider_are_offered() -> None:
    picked, listed = talk("选择机构", "1", facts=CHOICE)
    assert [item.label for item in picked.state.choices] == ["NQI-2026-000001", "转人工"]
    assert listed.state.choices[0].id == "provider:NQI-2026-000001:P-1"


@pytest.mark.parametrize(
    ("line", "facts", "said"),
    [
        ("选择机构 NQI-2026-000002", CHOICE, "没有可以"),
        ("选择机构 NQI-2026-000009", CHOICE, "没有查到"),
        ("选择机构 NQI-2026-000001", replace(CHOICE, offers=()), "暂时没有可选"),
        ("选择机构", DONE, "没有可以"),
    ],
)
def test_where_nothing_can_be_chosen_it_is_said(line: str, facts: Facts, said: str) -> None:
    turn = talk(line, facts=facts)[-1]
    assert turn.commands == ()
    assert turn.reply is not None
    assert said in turn.reply.text


def test_a_provider_counts_only_when_it_was_offered() -> None:
    forged = Said(Kind.TEXT, "好", menu_id="provider:NQI-2026-000001:P-4", heard=heard("好", Outcome.OOS))
    turn = step(talk("选择机构 NQI-2026-000001", facts=CHOICE)[-1].state, forged, CHOICE, Script())  # type: ignore[arg-type]
    assert turn.commands == ()
    clicked = Said(Kind.EVENT, event="click", event_key="bot:provider:NQI-2026-000001:P-4")
    turn = step(DialogueState(), clicked, CHOICE, Script())  # type: ignore[arg-type]
    assert turn.commands == ()


def test_choosing_inside_a_form_leaves_the_form() -> None:
    state = DialogueState(form=Form(TicketKind.NEED, content="检测一批矿泉水", asking="applicant"))
    listed, told = talk("选择机构 NQI-2026-000001", "1", facts=CHOICE, state=state)
    assert listed.state.choices[0].label == "示例检测中心1"
    assert told.commands == (ChooseProvider("NQI-2026-000001", "P-1"),)
    assert told.state.form is not None


def test_what_is_read_before_a_step() -> None:
    def said(text: str) -> Said:
        return Said(Kind.TEXT, text, heard=heard(text, Outcome.OOS))

    nothing = DialogueState()
    assert wants_offers(nothing, said("选择机构 NQI-2026-000001")) == "NQI-2026-000001"
    offered = DialogueState(choices=(Option("选择机构", "选择机构", "choose:NQI-2026-000002"),))
    assert wants_offers(offered, said("1")) == "NQI-2026-000002"
    assert wants_offers(nothing, said("我的申请")) == ""
    assert wants_tickets(nothing, said("选择机构 NQI-2026-000001"))
    assert wants_tickets(nothing, Said(Kind.EVENT, event="click", event_key="bot:mine"))
    assert not wants_tickets(nothing, Said(Kind.EVENT, event="view", event_key="bot:mine"))
    confirming = DialogueState(form=Form(TicketKind.NEED, asking="confirm"))
    assert wants_tickets(confirming, said("好的"))
    assert wants_tickets(nothing, said("确认提交"))
    assert not wants_tickets(nothing, said("好的"))
