"""The dialogue as a pure function: tables of turns, and any talk at all."""

import json
from dataclasses import dataclass, field, replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.answers import answer_text, basis_line
from bot.core.brain import Heard, Outcome
from bot.core.dialogue import step
from bot.core.messages import Kind, Option
from bot.core.surveys import Item
from bot.core.ticket_states import Move, TicketKind, TicketState
from bot.core.tickets import TicketView
from bot.core.turns import (
    AttachMaterial,
    DialogueState,
    DropMaterial,
    EraseContact,
    Facts,
    Form,
    KeepMaterial,
    MoveTicket,
    NoteStation,
    OpenTicket,
    RecordFeedback,
    RequestStaff,
    Said,
    SurveyView,
    Turn,
)
from bot.core.wording import TOLD
from intents.categories import Category
from intents.slots import read_slots
from intents.understand import Act, Mood
from knowledge.entries import Basis, Confidence, Entry, Text
from knowledge.search import Hit
from tests.make import NOON, TODAY, entry, understanding

FACTS = Facts(today=TODAY, now=NOON.isoformat(), platform_name="示例平台")
KNOWN = replace(FACTS, applicant="示例公司", person="李四", phone="13800000000", has_consented=True)
ENTRIES = {
    "MET-05": entry(),
    "TST-01": entry("TST-01", "CMA和CNAS有什么区别", category=Category.TESTING),
    "IPR-01": entry("IPR-01", "商标怎么注册", category=Category.IP),
}


@dataclass(slots=True)
class Script:
    """Hears every text as the test says; questions are answered by MET-05."""

    outcomes: dict[str, Heard] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(ENTRIES.values())

    def entry(self, entry_id: str) -> Entry | None:
        return ENTRIES.get(entry_id)

    def hear(self, text: str, *, today: date, topic: str = "") -> Heard:
        return self.outcomes.get(text) or heard(text, Outcome.OOS)


def heard(
    text: str, outcome: Outcome, *ids: str, act: Act | None = None, mood: Mood = Mood.STATEMENT
) -> Heard:
    hits = tuple(Hit(ENTRIES[entry_id], 0.9, "", ()) for entry_id in ids)
    category = ENTRIES[ids[0]].category if ids else Category.TESTING if outcome is Outcome.REFER else None
    meaning = understanding(text, category=category, act=act, mood=mood, slots=read_slots(text))
    return Heard(meaning, outcome, hits, ())


def talk(*lines: Heard | str, facts: Facts = FACTS, state: DialogueState | None = None) -> list[Turn]:
    """Say the lines one after the other; a string is a remark that means nothing by itself."""
    turns: list[Turn] = []
    state = state or DialogueState()
    for line in lines:
        what = heard(line, Outcome.OOS) if isinstance(line, str) else line
        said = Said(Kind.TEXT, what.understanding.text, heard=what)
        turns.append(step(state, said, facts, Script()))  # type: ignore[arg-type]
        state = DialogueState.from_json(json.loads(json.dumps(turns[-1].state.to_json())))
        assert state == turns[-1].state, "the state survives the database"
    return turns


NEED = heard("想给椰汁做检测", Outcome.REFER, mood=Mood.NEED)


def text(turn: Turn) -> str:
    assert turn.reply is not None
    return turn.reply.text


def test_the_form_asks_one_thing_at_a_time_and_opens_a_ticket_at_the_end() -> None:
    turns = talk(NEED, "示例甜水公司", "王经理", "13800000000", "1")
    assert [turn.state.form.asking if turn.state.form else "" for turn in turns] == [
        "applicant",
        "person",
        "phone",
        "confirm",
        "",
    ]
    opened = turns[-1].commands[0]
    assert isinstance(opened, OpenTicket)
    assert (opened.form.applicant, opened.form.person, opened.form.phone) == (
        "示例甜水公司",
        "王经理",
        "13800000000",
    )
    assert opened.form.content == "想给椰汁做检测"


def test_who_is_known_is_asked_nothing() -> None:
    (turn,) = talk(NEED, facts=KNOWN)
    assert "请核对" in text(turn)
    assert "同意" not in text(turn), "consent was given before"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("电话写错了 是139 0000 0000", "phone", "13900000000"),
        ("电话改成0898-66668888", "phone", "0898-66668888"),
        ("联系人改成张三", "person", "张三"),
        ("联系人：赵六", "person", "赵六"),
        ("公司名称改成示例椰子汁有限公司", "applicant", "示例椰子汁有限公司"),
        ("不是13800000000，是13911112222", "phone", "13911112222"),
    ],
)
def test_corrections_are_read_in_plain_words(line: str, name: str, value: str) -> None:
    turns = talk(NEED, line, facts=KNOWN)
    form = turns[-1].state.form
    assert form is not None
    assert getattr(form, name) == value
    assert "已改" in text(turns[-1])


def test_a_company_keeps_its_letters() -> None:
    form = talk(NEED, "ABC食品有限公司")[-1].state.form
    assert form is not None
    assert form.applicant == "ABC食品有限公司"


def test_what_the_need_says_is_not_asked_again() -> None:
    told = "我们是海南示例饮料有限公司，三台天平要校准，加急，联系人李四 13800000000"
    (turn,) = talk(heard(told, Outcome.REFER, mood=Mood.NEED))
    form = turn.state.form
    assert form is not None
    assert (form.applicant, form.person, form.phone) == ("海南示例饮料有限公司", "李四", "13800000000")
    assert (form.asking, form.is_urgent) == ("confirm", True)
    assert "加急" in text(turn).splitlines()[-2]


def test_who_asks_told_again_is_no_part_of_the_need() -> None:
    form = talk(NEED, "海南示例食品有限公司", "李四", "13800000000", "海南示例食品有限公司")[-1].state.form
    assert form is not None
    assert (form.applicant, form.asking) == ("海南示例食品有限公司", "confirm")
    assert "示例食品" not in form.content


def test_what_was_said_before_registering_is_not_asked_again() -> None:
    asked = heard("ABC食品有限公司急着办有机认证，找谁", Outcome.REFER, mood=Mood.QUESTION)
    form = talk(asked, "登记需求")[-1].state.form
    assert form is not None
    assert (form.applicant, form.is_urgent, form.asking) == ("ABC食品有限公司", True, "person")


@pytest.mark.parametrize(
    ("before", "line", "asking"),
    [
        ([], "一共三台", "applicant"),
        ([], "按GB 7718做", "applicant"),
        ([], "很急", "applicant"),
        (["示例公司"], "在海口", "person"),
        (["示例公司", "王经理"], "检菌落总数", "phone"),
        (["示例公司", "王经理", "13800000000"], "五批样品", "confirm"),
    ],
)
def test_a_detail_joins_the_need_and_the_question_stands(before: list[str], line: str, asking: str) -> None:
    turn = talk(NEED, *before, line)[-1]
    form = turn.state.form
    assert form is not None
    assert form.content == f"想给椰汁做检测；{line}"
    assert form.asking == asking
    assert form.is_urgent is (line == "很急")
    assert line in text(turn)


@pytest.mark.parametrize("name", ["海口示例椰汁厂", "红日衡器公司", "示例重金属检测公司"])
def test_a_firm_named_after_a_place_or_a_thing_is_no_detail(name: str) -> None:
    form = talk(NEED, name)[-1].state.form
    assert form is not None
    assert (form.applicant, form.content) == (name, "想给椰汁做检测")


@pytest.mark.parametrize("line", ["12345", "138 0000", "139000000001", "没有电话", "abc"])
def test_a_phone_that_is_none_is_asked_for_again(line: str) -> None:
    turns = talk(NEED, "示例公司", "王经理", line)
    form = turns[-1].state.form
    assert form is not None
    assert (form.asking, form.phone) == ("phone", "")


def test_a_question_in_between_is_answered_and_the_form_goes_on() -> None:
    question = heard("压力表多久检一次", Outcome.ANSWER, "MET-05", mood=Mood.QUESTION)
    turns = talk(NEED, question, "示例公司")
    assert "由检定机构按规程确定" in text(turns[1])
    assert "企业名称" in text(turns[1])
    assert turns[1].entry_id == "MET-05"
    assert turns[2].state.form is not None
    assert turns[2].state.form.applicant == "示例公司"


def test_choices_in_between_come_first_and_the_form_waits() -> None:
    unclear = heard("检定还是校准", Outcome.CLARIFY, "MET-05", "TST-01", mood=Mood.QUESTION)
    turns = talk(NEED, unclear, "1")
    assert "哪一项" in text(turns[1])
    assert "由检定机构按规程确定" in text(turns[2])
    assert "企业名称" in text(turns[2])


def test_cancelling_forgets_the_form() -> None:
    turns = talk(NEED, "示例公司", "取消")
    assert turns[-1].state.form is None
    assert not any(isinstance(command, OpenTicket) for turn in turns for command in turn.commands)


def test_submitting_twice_opens_one_ticket() -> None:
    turns = talk(NEED, "确认提交", "确认提交", facts=KNOWN)
    opened = [command for turn in turns for command in turn.commands if isinstance(command, OpenTicket)]
    assert len(opened) == 1
    assert "没有待提交" in text(turns[-1])


def open_ticket(serial: int, content: str, kind: TicketKind = TicketKind.NEED) -> TicketView:
    number = f"NQI-2026-{serial:06d}"
    return TicketView(number, kind, TicketState.IN_SERVICE, "testing", content, date(2026, 11, 20))


ONE_OPEN = replace(KNOWN, tickets=(open_ticket(7, "椰汁需要检测一下"), open_ticket(8, "商标注册")))
TWO_OPEN = replace(KNOWN, tickets=(open_ticket(7, "椰汁需要检测一下"), open_ticket(9, "检测椰汁")))


def test_a_likely_repeat_is_shown_before_a_second_ticket_is_opened() -> None:
    shown = talk(NEED, "1", facts=ONE_OPEN)[-1]
    assert shown.commands == ()
    assert "NQI-2026-000007，办理中，2026-11-20登记" in text(shown)
    assert "NQI-2026-000008" not in text(shown)
    assert [item.label for item in shown.state.choices] == ["补充到原申请", "仍然登记", "取消"]


def test_a_repeat_is_added_to_the_ticket_with_what_was_sent_for_it() -> None:
    merged = talk(NEED, "1", "补充到原申请", facts=ONE_OPEN)[-1]
    number = "NQI-2026-000007"
    assert merged.commands == (MoveTicket(number, Move.ADD, "想给椰汁做检测"), AttachMaterial(number))
    assert text(merged) == TOLD
    assert merged.state.form is None


@pytest.mark.parametrize("line", ["仍然登记", "2", "确认提交"])
def test_a_repeat_is_registered_all_the_same_on_a_word(line: str) -> None:
    opened = talk(NEED, "1", line, facts=ONE_OPEN)[-1]
    assert [type(command) for command in opened.commands] == [OpenTicket]


def test_a_repeat_is_cancelled_or_asked_about_again() -> None:
    assert talk(NEED, "1", "取消", facts=ONE_OPEN)[-1].commands == (DropMaterial(),)
    again = talk(NEED, "1", heard("好的", Outcome.ACT, act=Act.AFFIRM), facts=ONE_OPEN)[-1]
    assert again.commands == (), "“好的” does not say which"
    assert "补充到原申请" in [item.label for item in again.state.choices]


def test_of_several_repeats_one_is_named() -> None:
    merged = talk(NEED, "1", "补充到 NQI-2026-000009", facts=TWO_OPEN)[-1]
    assert merged.commands[0] == MoveTicket("NQI-2026-000009", Move.ADD, "想给椰汁做检测")


def test_a_complaint_is_compared_with_complaints_and_a_suggestion_with_nothing() -> None:
    told = "检测机构迟迟不出报告"
    for kind, is_shown in ((TicketKind.COMPLAINT, True), (TicketKind.SUGGESTION, False)):
        form = Form(kind, content=told, has_skipped_phone=True, asking="confirm")
        earlier = replace(open_ticket(3, told, kind), state=TicketState.REGISTERED)
        turn = talk("确认提交", facts=replace(KNOWN, tickets=(earlier,)), state=DialogueState(form=form))[-1]
        assert (turn.commands == ()) is is_shown


def test_adding_to_a_ticket_counts_only_after_our_question() -> None:
    state = talk(NEED, facts=ONE_OPEN)[-1].state
    forged = Said(Kind.EVENT, event="click", event_key="bot:merge:NQI-2026-000008")
    turn = step(state, forged, ONE_OPEN, Script())  # type: ignore[arg-type]
    assert not any(isinstance(command, MoveTicket) for command in turn.commands)


def sent(kind: Kind, state: DialogueState) -> Turn:
    return step(state, Said(kind), FACTS, Script())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VIDEO, Kind.VOICE])
def test_a_picture_before_the_form_is_kept_for_it_and_said_so(kind: Kind) -> None:
    kept = sent(kind, DialogueState(affirm="register"))
    assert kept.commands == (KeepMaterial(),)
    assert "会附在您接下来登记的申请里" in text(kept)
    assert kept.state.affirm == "register", "what was asked before still stands"
    started = talk(NEED, state=sent(kind, kept.state).state)[-1]
    assert "之前发来的 2 份材料" in text(started)
    cancelled = talk("取消", state=started.state)[-1]
    assert cancelled.commands == (DropMaterial(),)
    assert cancelled.state.kept == 0


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.LOCATION, Kind.LINK, Kind.CARD, Kind.UNKNOWN])
def test_what_cannot_be_kept_is_not_promised(kind: Kind) -> None:
    turn = sent(kind, DialogueState())
    assert turn.commands == ()
    assert "附在" not in text(turn)
    assert "一并" not in text(turn)


def test_a_file_in_a_form_is_noted_but_not_promised() -> None:
    turn = sent(Kind.FILE, talk(NEED)[-1].state)
    assert turn.commands == (KeepMaterial(),)
    assert "不允许我们下载" in text(turn)
    assert turn.state.form is not None


def test_a_state_of_an_older_version_is_read() -> None:
    old = {"asked": "椰汁", "gone": 1, "choices": [{"label": "菜单", "send": "菜单", "id": "menu"}]}
    state = DialogueState.from_json(old)
    assert (state.asked, state.survey, state.kept) == ("椰汁", 0, 0)


def test_a_clarification_is_answered_by_number_word_or_none() -> None:
    unclear = heard("检定", Outcome.CLARIFY, "MET-05", "TST-01", "IPR-01")
    for pick, expected in (
        ("2", "TST-01"),
        ("第三个", "IPR-01"),
        ("压力表多久检定一次", "MET-05"),
        ("１", "MET-05"),
    ):
        line = pick if pick != "１" else "1"
        assert talk(unclear, line)[-1].entry_id == expected
    none = talk(unclear, "4")[-1]
    assert "登记需求" in [option.label for option in none.reply.options]  # type: ignore[union-attr]
    assert talk(unclear)[0].reply.options[-1].label == "都不是"  # type: ignore[union-attr]


def test_a_menu_id_is_believed_only_when_it_was_offered() -> None:
    said = Said(Kind.TEXT, "随便", menu_id="erase", heard=heard("随便", Outcome.OOS))
    turn = step(DialogueState(), said, FACTS, Script())  # type: ignore[arg-type]
    assert not any(isinstance(command, EraseContact) for command in turn.commands)
    offered = DialogueState(choices=(Option("有帮助", "有帮助", "helpful:MET-05"),))
    said = Said(Kind.TEXT, "有帮助", menu_id="helpful:MET-05", heard=heard("有帮助", Outcome.OOS))
    turn = step(offered, said, FACTS, Script())  # type: ignore[arg-type]
    assert turn.commands == (RecordFeedback("MET-05", True),)


def test_erasing_needs_our_question_first() -> None:
    assert not any(isinstance(c, EraseContact) for c in talk("确认删除")[0].commands)
    assert any(isinstance(c, EraseContact) for c in talk("删除我的信息", "确认删除")[1].commands)
    kept = talk("删除我的信息", "取消")[1]
    assert kept.commands == ()
    assert "没有删除" in text(kept)


def test_a_person_may_be_asked_for_inside_a_form_and_the_form_stays() -> None:
    turns = talk(NEED, heard("转人工", Outcome.ACT, act=Act.HUMAN))
    assert any(isinstance(command, RequestStaff) for command in turns[-1].commands)
    assert turns[-1].state.form is not None


def test_events() -> None:
    def event(name: str, key: str = "") -> Turn:
        return step(DialogueState(), Said(Kind.EVENT, event=name, event_key=key), FACTS, Script())  # type: ignore[arg-type]

    welcome = event("subscribe", "station-1")
    assert len(welcome.reply.options) == 11  # type: ignore[union-attr]
    assert welcome.commands == (NoteStation("station-1"),)
    assert isinstance(event("unsubscribe").commands[0], EraseContact)
    assert event("view").reply is None
    assert event("something_new").reply is None
    assert "服务类别" in text(event("click", "bot:menu"))
    assert "服务类别" in text(event("click", "no-such-key"))


def test_an_answer_carries_basis_and_date_and_medium_ones_a_reservation() -> None:
    sure = answer_text(entry(), entry().texts[0], TODAY)
    assert sure.endswith("依据：《计量法》（2018年修正）第九条\n更新日期：2026-11-21")
    assert "为准" not in sure
    assert "为准" in answer_text(entry(confidence=Confidence.MEDIUM), entry().texts[0], TODAY)


def test_a_basis_is_shown_while_it_counts_and_a_coming_one_with_its_day() -> None:
    old = Basis("旧法", until=date(2026, 12, 31))
    new = Basis("新法", from_=date(2027, 1, 1))
    assert basis_line((old, new), TODAY) == "《旧法》；《新法》（2027-01-01起施行）"
    assert basis_line((old, new), date(2027, 1, 1)) == "《新法》"


def test_outside_its_validity_an_entry_is_never_given() -> None:
    ENTRIES["OLD-01"] = entry("OLD-01", "旧规定", texts=(Text("旧的答复", valid_until=date(2026, 1, 1)),))
    try:
        turn = talk(heard("旧规定", Outcome.ANSWER, "OLD-01"))[0]
    finally:
        del ENTRIES["OLD-01"]
    assert "旧的答复" not in text(turn)


LINES = st.one_of(
    st.sampled_from(
        [
            NEED,
            heard("压力表多久检一次", Outcome.ANSWER, "MET-05", mood=Mood.QUESTION),
            heard("检定", Outcome.CLARIFY, "MET-05", "TST-01"),
            heard("怎么收费", Outcome.REFER, mood=Mood.QUESTION),
            *(heard(f"<{act}>", Outcome.ACT, act=act) for act in Act),
        ]
    ),
    st.sampled_from(
        [
            "1",
            "2",
            "3",
            "4",
            "11",
            "取消",
            "确认提交",
            "修改",
            "更多",
            "菜单",
            "有帮助",
            "没帮助",
            "下一个",
            "查看答复",
            "删除我的信息",
            "确认删除",
            "登记需求",
            "我的申请",
            "跳过",
            "示例公司",
            "王经理",
            "13800000000",
            "都不是",
            "计量服务",
            "评价",
            "满意",
            "很满意，专业性一般",
            "不想评价",
            "确认完成",
            "选择机构",
            "选择机构 NQI-2026-000007",
            "仍然登记",
        ]
    ),
    st.text(max_size=40),
)


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(LINES, max_size=12),
    facts=st.sampled_from(
        [
            FACTS,
            KNOWN,
            replace(FACTS, is_waiting=True),
            replace(TWO_OPEN, survey=SurveyView(3, "NQI-2026-000001", (Item.OVERALL, Item.SOLVED), False)),
            replace(FACTS, survey=SurveyView(3, "NQI-2026-000001", (), is_noted=True)),
        ]
    ),
)
def test_any_talk_gets_an_answer_to_every_word_and_never_a_ticket_without_its_fields(
    lines: list[Heard | str], facts: Facts
) -> None:
    for turn in talk(*lines, facts=facts):
        assert turn.reply is not None
        assert turn.reply.text.strip()
        assert len(turn.state.choices) <= 16
        for command in turn.commands:
            if isinstance(command, OpenTicket):
                assert command.form.content
                assert command.form.kind != "need" or (command.form.applicant and command.form.phone)
