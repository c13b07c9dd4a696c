"""Corrections: who proposes them, what they hold, and what a maintainer's word leads to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.drafts import history
from bot.actions.proposals import accept_proposal, corrections, propose, reject_proposal
from bot.core.brain import Brain
from bot.core.permissions import Actor, Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.evaluation_samples import read_samples
from bot.store.gaps import Proposal
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.rows import load_seeds
from knowledge.search import Index
from tests.asked import OOS, Desk, open_desk

LI, CHEN = Actor(1, "小李", Role.MAINTAINER), Actor(2, "小陈", Role.STAFF)
WANG, EVALUATOR = Actor(3, "小王", Role.STAFF), Actor(4, "评价员", Role.EVALUATOR)
ANSWERED = "压力表多久检定一次"


@pytest.fixture(scope="module")
def brain() -> Brain:
    understander = Understander.load()
    return Brain(understander, Index.build(Release.of(load_seeds()), understander.tokenizer))


@pytest.fixture
def desk(tmp_path: Path, brain: Brain) -> Iterator[Desk]:
    with open_desk(tmp_path, brain) as found:
        yield found


def row(desk: Desk, proposal_id: int) -> Proposal:
    with desk.ctx.read() as session:
        found = session.get(Proposal, proposal_id)
        assert found is not None
        return found


def test_a_proposal_holds_what_the_bot_took_it_for_and_no_personal_data(desk: Desk) -> None:
    message = desk.says(f"我叫王小明，电话13800000000，{ANSWERED}")
    found = row(
        desk, propose(desk.ctx, actor=CHEN, message_id=message, kind="category", after="testing", note="误判")
    )
    assert (found.before, found.after, found.by, found.state) == ("metrology", "testing", "小陈", "open")
    assert "13800000000" not in found.text
    assert "王小明" not in found.text
    assert ANSWERED in found.text
    oos = propose(desk.ctx, actor=CHEN, message_id=desk.says(OOS), kind="category", after="policy")
    assert row(desk, oos).before == "oos"


def test_an_answer_is_corrected_to_another_entry_or_to_none(desk: Desk) -> None:
    message = desk.says(ANSWERED)
    found = row(desk, propose(desk.ctx, actor=CHEN, message_id=message, kind="answer", after="met-05"))
    assert (found.before, found.after) == ("MET-17", "MET-05")
    none = row(desk, propose(desk.ctx, actor=CHEN, message_id=desk.says(OOS), kind="answer", after=""))
    assert (none.before, none.after) == ("", "")


def test_the_same_person_changes_their_word_another_one_is_told_whose_it_is(desk: Desk) -> None:
    message = desk.says(ANSWERED)
    first = propose(desk.ctx, actor=CHEN, message_id=message, kind="category", after="testing")
    assert propose(desk.ctx, actor=CHEN, message_id=message, kind="category", after="ip") == first
    assert row(desk, first).after == "ip"
    with pytest.raises(ConflictError, match="小陈已对这条消息提出过更正"):
        propose(desk.ctx, actor=WANG, message_id=message, kind="category", after="brand")
    assert propose(desk.ctx, actor=WANG, message_id=message, kind="answer", after="MET-05") != first


@pytest.mark.parametrize(
    ("kind", "after", "note"),
    [
        ("mood", "testing", ""),
        ("category", "magic", ""),
        ("category", "", ""),
        ("answer", "MET-999", ""),
        ("category", "testing", "长" * 501),
    ],
)
def test_what_cannot_be_is_refused(desk: Desk, kind: str, after: str, note: str) -> None:
    message = desk.says(ANSWERED)
    with pytest.raises(RefusedError):
        propose(desk.ctx, actor=CHEN, message_id=message, kind=kind, after=after, note=note)


def test_only_a_contacts_words_are_corrected_and_not_by_everybody(desk: Desk) -> None:
    message = desk.says(ANSWERED)
    with pytest.raises(NotFoundError):  # the bot's reply
        propose(desk.ctx, actor=CHEN, message_id=message + 1, kind="category", after="testing")
    with pytest.raises(ForbiddenError):
        propose(desk.ctx, actor=EVALUATOR, message_id=message, kind="category", after="testing")
    desk.says("删除我的信息", "确认删除")
    with pytest.raises(RefusedError, match="已删除"):
        propose(desk.ctx, actor=CHEN, message_id=message, kind="category", after="testing")


def test_accepted_corrections_are_lines_that_the_evaluation_reads(desk: Desk, tmp_path: Path) -> None:
    wrong = propose(desk.ctx, actor=CHEN, message_id=desk.says(OOS), kind="category", after="policy")
    none = propose(desk.ctx, actor=CHEN, message_id=desk.says(ANSWERED), kind="answer", after="")
    left = propose(desk.ctx, actor=CHEN, message_id=desk.says("今天天气怎么样"), kind="category", after="ip")
    for one in (wrong, none):
        accept_proposal(desk.ctx, one, actor=LI)
    reject_proposal(desk.ctx, left, actor=LI, why="确实无关")
    lines = corrections(desk.ctx)
    assert lines == [
        f"policy\t{OOS}\t\tstaff\t2026-11-21\t知识维护",
        f"-\t{ANSWERED}\t\tstaff\t2026-11-21\t知识维护",
    ]
    file = tmp_path / "corrections.tsv"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert [(one.category, one.entries) for one in read_samples(file)] == [("policy", ()), ("", ("-",))]


def test_an_accepted_answer_goes_into_a_draft_of_the_entry(desk: Desk) -> None:
    one = propose(desk.ctx, actor=CHEN, message_id=desk.says(OOS), kind="answer", after="POL-12")
    assert accept_proposal(desk.ctx, one, actor=LI) > 0
    with desk.ctx.read() as session:
        draft = next(found for found in history(session, "POL-12") if found.state.is_open)
    assert OOS in draft.body["questions"]
    found = row(desk, one)
    assert (found.state, found.decided_by) == ("accepted", "小李")


def test_of_two_decisions_one_counts(desk: Desk) -> None:
    one = propose(desk.ctx, actor=CHEN, message_id=desk.says(OOS), kind="category", after="policy")
    with pytest.raises(ForbiddenError):
        accept_proposal(desk.ctx, one, actor=CHEN)
    with pytest.raises(RefusedError, match="原因"):
        reject_proposal(desk.ctx, one, actor=LI, why=" ")
    reject_proposal(desk.ctx, one, actor=LI, why="不是我们的事")
    assert row(desk, one).note == "不是我们的事"
    for decide in (
        lambda: accept_proposal(desk.ctx, one, actor=LI),
        lambda: reject_proposal(desk.ctx, one, actor=LI, why="再说"),
    ):
        with pytest.raises(ConflictError, match="已经处理过"):
            decide()
    with desk.ctx.read() as session:
        assert list(session.scalars(sa.select(Proposal.state))) == ["rejected"]
