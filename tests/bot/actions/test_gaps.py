"""Unanswered questions: which are listed, what is done about them once, and who is told when the answer is there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.drafts import history
from bot.actions.gaps import (
    add_to_entry,
    open_request,
    ready_entries,
    settle,
    take_back,
    tell_askers,
)
from bot.core.brain import Brain
from bot.core.gaps import Deed, Why
from bot.core.permissions import Actor, Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.store import gaps as store
from bot.store.audit import AuditLine
from bot.store.gaps import GapMark
from bot.store.tickets import Ticket
from intents.understand import Understander
from knowledge.entries import EntryStatus, Release
from knowledge.rows import load_seeds
from knowledge.search import Index
from tests.asked import OOS, VAGUE, Desk, open_desk

LI, STAFF = Actor(1, "小李", Role.MAINTAINER), Actor(2, "小陈", Role.STAFF)


@pytest.fixture(scope="module")
def brain() -> Brain:
    understander = Understander.load()
    return Brain(understander, Index.build(Release.of(load_seeds()), understander.tokenizer))


@pytest.fixture
def desk(tmp_path: Path, brain: Brain) -> Iterator[Desk]:
    with open_desk(tmp_path, brain) as found:
        yield found


def marks(desk: Desk) -> list[tuple[int, str, str, bool]]:
    with desk.ctx.read() as session:
        rows = session.scalars(sa.select(GapMark).order_by(GapMark.message_id))
        return [(row.message_id, row.action, row.entry_id, row.is_told) for row in rows]


def ready(desk: Desk) -> list[tuple[str, int]]:
    with desk.ctx.read() as session:
        return [(one.entry_id, one.people) for one in ready_entries(desk.ctx, session)]


# --- what is listed ---


def test_only_what_was_asked_in_vain_is_listed(desk: Desk) -> None:
    desk.says("你好", "压力表多久检定一次", OOS)
    desk.says(f"请问{OOS}？", who="o2")
    (gap,) = desk.gaps()
    assert (gap.count, gap.people, gap.reasons) == (2, 2, [(Why.OOS, 2)])


def test_a_question_that_was_asked_back_about_counts_when_none_of_the_choices_was_it(desk: Desk) -> None:
    desk.says(VAGUE)
    assert desk.counts() == {}, "the choices stand"
    desk.says("都不是")
    assert desk.counts() == {VAGUE: 1}
    desk.says(VAGUE, "1", who="o2")
    assert desk.counts() == {VAGUE: 1}, "one of the choices was it"


def test_none_of_the_choices_by_its_number_counts_too(desk: Desk) -> None:
    desk.says(VAGUE)
    with desk.ctx.read() as session:
        text = session.execute(sa.text("SELECT text FROM message ORDER BY id DESC LIMIT 1")).scalar_one()
    number = next(line.split(".")[0].split("、")[0].strip() for line in text.splitlines() if "都不是" in line)
    desk.says(number if number.isdecimal() else "都不是")
    assert desk.gaps()[0].reasons == [(Why.NONE, 1)]


def test_an_answer_that_did_not_help_counts_as_the_question_it_was_given_for(desk: Desk) -> None:
    desk.says("压力表多久检定一次", "没帮助")
    desk.says(VAGUE, "1", "没帮助", who="o2")
    desk.says("压力表多久检定一次", "有帮助", who="o3")
    found = {gap.texts[0]: gap for gap in desk.gaps()}
    assert set(found) == {"压力表多久检定一次", VAGUE}
    assert found[VAGUE].reasons == [(Why.UNHELPFUL, 1)]
    assert found["压力表多久检定一次"].questions[0].entry_id == "MET-17"
    desk.says("压力表多久检定一次", "没帮助", "有帮助")
    assert found["压力表多久检定一次"].count == desk.counts()["压力表多久检定一次"] == 1


def test_only_the_last_days_are_looked_at_and_put_together_across_days(desk: Desk) -> None:
    desk.says(OOS)
    desk.clock.move(days=20)
    desk.says(OOS, who="o2")
    desk.clock.move(days=5)
    assert (desk.counts(days=30), desk.counts(days=7), desk.counts(days=3)) == ({OOS: 2}, {OOS: 1}, {})
    (gap,) = desk.gaps()
    assert gap.last - gap.first == timedelta(days=20)


def test_what_an_erased_contact_said_is_gone(desk: Desk) -> None:
    desk.says(OOS, "删除我的信息", "确认删除")
    assert desk.gaps() == []


def test_the_first_message_of_a_day_is_found_by_halves(desk: Desk) -> None:
    ids = []
    for _ in range(5):
        ids.append(desk.says(OOS))
        desk.clock.move(days=1)
    with desk.ctx.read() as session:
        at = {one.id: one.at for one in desk.spoken()}
        assert [store.first_id_since(session, at[one]) for one in ids] == ids
        assert store.first_id_since(session, desk.clock.now()) > ids[-1]


# --- what is done about them ---


def test_what_is_out_of_scope_leaves_the_list_and_can_be_put_back(desk: Desk) -> None:
    first, second = desk.says(OOS), desk.says(OOS, who="o2")
    assert settle(desk.ctx, [first, second, second + 999], Deed.OOS, actor=LI) == 2
    assert desk.gaps() == []
    assert marks(desk) == [(first, "oos", "", False), (second, "oos", "", False)]
    with pytest.raises(ConflictError, match="已经处理过"):
        settle(desk.ctx, [first, second], Deed.OOS, actor=LI)
    with desk.ctx.read() as session:
        (deed,) = store.recent_deeds(session, limit=5)
        lines = list(session.scalars(sa.select(AuditLine.what)))
    assert (deed.count, deed.by, deed.action, deed.told) == (2, "小李", "oos", 0)
    assert lines == ["gap-oos"]
    assert take_back(desk.ctx, by=deed.by, at=deed.at, actor=LI) == 2
    assert desk.counts() == {OOS: 2}


def test_what_is_asked_again_stands_on_the_list_again(desk: Desk) -> None:
    settle(desk.ctx, [desk.says(OOS)], Deed.OOS, actor=LI)
    desk.says(OOS, who="o2")
    assert desk.counts() == {OOS: 1}


def test_questions_are_put_into_a_draft_of_an_entry(desk: Desk) -> None:
    message = desk.says(OOS)
    add_to_entry(desk.ctx, [message], entry_id="POL-12", texts=[OOS, OOS], actor=LI)
    with desk.ctx.read() as session:
        draft = next(one for one in history(session, "POL-12") if one.state.is_open)
    assert draft.body["questions"].count(OOS) == 1
    assert draft.author == "小李"
    assert marks(desk) == [(message, "question", "POL-12", False)]
    assert desk.gaps() == []
    again = desk.says("双软企业认定要什么条件", who="o2")
    add_to_entry(desk.ctx, [again], entry_id="POL-12", texts=["双软企业认定要什么条件"], actor=LI)
    with desk.ctx.read() as session:
        drafts = [one for one in history(session, "POL-12") if one.state.is_open]
    assert [set(drafts[0].body["questions"]) >= {OOS, "双软企业认定要什么条件"}, len(drafts)] == [True, 1]


def test_a_refused_draft_leaves_the_questions_on_the_list(desk: Desk) -> None:
    message = desk.says(OOS)
    for entry_id, texts, error in (
        ("POL-99", [OOS], NotFoundError),
        ("POL-12", [], RefusedError),
        ("POL-12", [f"第{number}问" for number in range(51)], RefusedError),
    ):
        with pytest.raises(error):
            add_to_entry(desk.ctx, [message], entry_id=entry_id, texts=texts, actor=LI)
    assert (marks(desk), desk.counts()) == ([], {OOS: 1})


def test_a_request_is_opened_for_one_asker_who_is_told(desk: Desk) -> None:
    message = desk.says(OOS)
    desk.says(OOS, who="o2")
    number = open_request(desk.ctx, message, actor=LI)
    with desk.ctx.read() as session:
        ticket = session.scalars(sa.select(Ticket)).one()
    assert (ticket.number, ticket.content, ticket.recorder, ticket.kind) == (number, OOS, "小李", "need")
    assert desk.counts() == {OOS: 1}, "the other still waits for an answer"
    ((state, text),) = desk.outbox()
    assert (state, number in text, OOS in text) == ("due", True, True)
    with pytest.raises(ConflictError):
        open_request(desk.ctx, message, actor=LI)
    with desk.ctx.read() as session:
        assert len(list(session.scalars(sa.select(Ticket)))) == 1


def test_nobody_without_the_right_settles_anything(desk: Desk) -> None:
    message = desk.says(OOS)
    with pytest.raises(ForbiddenError):
        settle(desk.ctx, [message], Deed.OOS, actor=STAFF)
    with pytest.raises(ForbiddenError):
        open_request(desk.ctx, message, actor=STAFF)
    with pytest.raises(ForbiddenError):
        tell_askers(desk.ctx, entry_id="POL-12", actor=STAFF)


# --- telling the askers ---


def test_askers_are_told_once_when_the_entry_answers_them(desk: Desk) -> None:
    messages = [desk.says(OOS), desk.says("请问双软认定怎么办理呢", who="o2"), desk.says(OOS, who="o2")]
    add_to_entry(desk.ctx, messages, entry_id="POL-12", texts=[OOS], actor=LI)
    assert ready(desk) == []
    with pytest.raises(RefusedError, match="没有需要告知的人"):
        tell_askers(desk.ctx, entry_id="POL-12", actor=LI)
    desk.adds_question("POL-12", OOS)
    assert ready(desk) == [("POL-12", 2)]
    assert tell_askers(desk.ctx, entry_id="POL-12", actor=LI) == 2
    entry = desk.ctx.brain.entry("POL-12")
    assert entry is not None
    text = f"您好，您之前问的“{OOS}”，现在可以答复了。请回复“{entry.title}”查看。"
    assert desk.outbox() == [("due", text), ("due", text)]
    assert [told for *_, told in marks(desk)] == [True, True, True]
    assert ready(desk) == []
    with pytest.raises(RefusedError):
        tell_askers(desk.ctx, entry_id="POL-12", actor=LI)
    assert len(desk.outbox()) == 2
    desk.says(entry.title)
    assert desk.spoken()[-1].outcome == "answer", "what we ask them to reply leads to the answer"


def test_with_the_window_closed_it_waits_for_their_next_message(desk: Desk) -> None:
    add_to_entry(desk.ctx, [desk.says(OOS)], entry_id="POL-12", texts=[OOS], actor=LI)
    desk.adds_question("POL-12", OOS)
    desk.clock.move(days=5)
    assert tell_askers(desk.ctx, entry_id="POL-12", actor=LI) == 1
    assert [state for state, _ in desk.outbox()] == ["held"]
    desk.says("你好")
    assert [state for state, _ in desk.outbox()] == ["told"]


def test_who_asked_long_ago_or_is_erased_or_cannot_be_reached_is_not_told(desk: Desk) -> None:
    old = desk.says(OOS)
    desk.clock.move(days=31)
    gone, elsewhere = desk.says(OOS, who="o2"), desk.says(OOS, who="o3", account="web")
    add_to_entry(desk.ctx, [old, gone, elsewhere], entry_id="POL-12", texts=[OOS], actor=LI)
    desk.adds_question("POL-12", OOS)
    desk.says("删除我的信息", "确认删除", who="o2")
    assert ready(desk) == []
    with pytest.raises(RefusedError, match="没有需要告知的人"):
        tell_askers(desk.ctx, entry_id="POL-12", actor=LI)
    assert desk.outbox() == []


def test_a_new_entry_is_known_by_the_questions_that_it_was_written_for(desk: Desk) -> None:
    messages = [desk.says(OOS), desk.says("双软企业评估去哪里办理认定", who="o2")]
    settle(desk.ctx, messages, Deed.ENTRY, actor=LI)
    assert ready(desk) == []
    model = desk.ctx.brain.entry("POL-12")
    assert model is not None
    fresh = replace(model, id="POL-90", title="双软认定", questions=(f"{OOS}？", "双软评估", "软件企业评估"))
    desk.publishes(replace(fresh, status=EntryStatus.DRAFT))
    assert ready(desk) == [], "a draft answers nobody"
    desk.publishes(fresh)
    assert ready(desk) == [("POL-90", 2)], "settled together, told together"
    assert tell_askers(desk.ctx, entry_id="POL-90", actor=LI) == 2
    assert [entry_id for _, _, entry_id, _ in marks(desk)] == ["POL-90", "POL-90"]


def test_an_entry_that_is_not_there_or_not_given_today_tells_nobody(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        tell_askers(desk.ctx, entry_id="POL-99", actor=LI)
    model = desk.ctx.brain.entry("POL-12")
    assert model is not None
    desk.publishes(replace(model, status=EntryStatus.ARCHIVED))
    with pytest.raises(RefusedError, match="还没有发布"):
        tell_askers(desk.ctx, entry_id="POL-12", actor=LI)


def test_what_askers_were_told_is_not_taken_back(desk: Desk) -> None:
    add_to_entry(desk.ctx, [desk.says(OOS)], entry_id="POL-12", texts=[OOS], actor=LI)
    desk.adds_question("POL-12", OOS)
    tell_askers(desk.ctx, entry_id="POL-12", actor=LI)
    with desk.ctx.read() as session:
        (deed,) = store.recent_deeds(session, limit=5)
    assert take_back(desk.ctx, by=deed.by, at=deed.at, actor=LI) == 0
    assert len(marks(desk)) == 1
