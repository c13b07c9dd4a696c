"""Publishing: blocked by the gate, against it with a reason, live at once, and back again."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.actions.drafts import VersionView, archive, history, restore, save_draft, submit, version
from bot.actions.knowledge import import_entries, put_synonyms
from bot.actions.publishing import is_stale, publish, run_gate, try_out
from bot.app import Program, build, renew
from bot.core.brain import Outcome
from bot.core.permissions import Actor, Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store import conversations
from bot.store.audit import AuditLine
from bot.store.knowledge import EntryRow, load_shipped
from knowledge.gate import Source
from knowledge.rows import entry_from_dict, entry_to_dict, load_seeds
from tests.make import SetClock

LI, CHEN = (Actor(number, name, Role.MAINTAINER) for number, name in ((1, "小李"), (2, "小陈")))
HEAD = Actor(3, "王主任", Role.HEAD)
ODD = ["紫砂壶要标多少毫升", "茶壶容量怎么标", "紫砂壶容量能差多少"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A platform with what ships in metrology; nothing of it runs unless a test starts it."""
    found = build(Settings(data_dir=tmp_path_factory.mktemp("nqi"), log_level="error"), clock=SetClock())
    kept = {other for one in ("MET-05", "MET-06", "MET-07") for other in body(found.ctx, one)["related"]}
    with found.ctx.transaction() as tx:
        others = sa.delete(EntryRow).where(EntryRow.category != "metrology", EntryRow.id.not_in(kept))
        tx.connection.execute(others)
    renew(found.ctx)
    yield found
    found.ctx.database.close()


@pytest.fixture
def ctx(program: Program) -> Iterator[Context]:
    """Its context, with the knowledge that ships."""
    ctx = program.ctx
    shipped = ctx.brain.entries
    yield ctx
    with ctx.transaction() as tx:
        tx.connection.execute(sa.text("DELETE FROM entry_version"))
        tx.connection.execute(sa.text("DELETE FROM synonym"))
    import_entries(ctx, shipped)
    renew(ctx)


def body(ctx: Context, entry_id: str = "MET-06") -> dict[str, Any]:
    found = ctx.brain.entry(entry_id)
    assert found is not None
    return entry_to_dict(found)


def view(ctx: Context, version_id: int) -> VersionView:
    with ctx.read() as session:
        return version(session, version_id)


def draft(ctx: Context, *more: str, actor: Actor = LI) -> int:
    """A draft of MET-06 with more questions, submitted."""
    questions = [*body(ctx)["questions"], *more]
    found = save_draft(
        ctx, actor=actor, entry_id="MET-06", changes={"questions": questions}, note="补问法", seen=0
    )
    submit(ctx, found, actor=actor)
    return found


def theft(ctx: Context) -> list[str]:
    """The questions of MET-05, a little otherwise."""
    return [
        text.replace("多久", "隔多长时间") + "，跟校准一样吗"
        for text in body(ctx, "MET-05")["questions"][:12]
    ]


def test_what_passes_is_live_in_the_next_answer_and_the_old_one_archived(ctx: Context) -> None:
    chosen = draft(ctx, *ODD)
    gate = run_gate(ctx, chosen)
    assert not gate.is_blocked
    assert view(ctx, chosen).gate == gate
    publish(ctx, chosen, actor=CHEN)
    renew(ctx)
    heard = ctx.brain.hear(ODD[0], today=gate.on)
    assert heard.hits[0].entry.id == "MET-06"
    found = view(ctx, chosen)
    assert (found.state.value, found.reviewer, found.override, found.settled_at) == (
        "published",
        "小陈",
        "",
        ctx.clock.now(),
    )
    with ctx.read() as session:
        assert [one.state.value for one in history(session, "MET-06")] == ["published", "archived"]
        line = (
            session.execute(sa.select(AuditLine).where(AuditLine.what == "entry-publish")).scalars().all()[-1]
        )
    assert (line.actor, line.subject, line.note) == ("小陈", "MET-06", "发布第 2 版")


def test_a_theft_is_blocked_mended_published_and_taken_back(ctx: Context) -> None:
    before = body(ctx)
    bad = draft(ctx, *theft(ctx))
    gate = run_gate(ctx, bad)
    assert any("MET-05" in change.question.owners for change in gate.stolen)
    with pytest.raises(RefusedError, match="MET-05"):
        publish(ctx, bad, actor=CHEN)
    with pytest.raises(RefusedError, match="MET-05"):
        publish(ctx, bad, actor=CHEN, override="我觉得可以")  # who may not override
    mended = save_draft(
        ctx,
        actor=LI,
        entry_id="MET-06",
        changes={"questions": [*before["questions"], *ODD]},
        note="",
        seen=bad,
    )
    submit(ctx, mended, actor=LI)
    assert not run_gate(ctx, mended).is_blocked
    publish(ctx, mended, actor=CHEN)
    renew(ctx)
    assert ODD[0] in body(ctx)["questions"]
    with ctx.read() as session:
        first = history(session, "MET-06")[-1]
    back = restore(ctx, first.id, actor=CHEN)
    run_gate(ctx, back)
    publish(ctx, back, actor=LI)
    renew(ctx)
    assert body(ctx) == before


def test_the_head_may_go_against_the_gate_with_a_reason_that_is_kept(ctx: Context) -> None:
    chosen = draft(ctx, *theft(ctx))
    assert run_gate(ctx, chosen).is_blocked
    with pytest.raises(RefusedError, match="请写明理由"):
        publish(ctx, chosen, actor=HEAD, override="  ")
    publish(ctx, chosen, actor=HEAD, override="两条将合并")
    assert view(ctx, chosen).override == "两条将合并"
    with ctx.read() as session:
        line = (
            session.execute(sa.select(AuditLine).where(AuditLine.what == "entry-publish")).scalars().all()[-1]
        )
    assert line.note.endswith("两条将合并")


def test_nobody_reviews_their_own_words_unless_the_head_says_why(ctx: Context) -> None:
    mine = draft(ctx, *ODD)
    run_gate(ctx, mine)
    with pytest.raises(RefusedError, match="另一位同事"):
        publish(ctx, mine, actor=LI)
    publish(ctx, mine, actor=HEAD, override="不需要的理由")
    assert view(ctx, mine).override == "", "nothing was overridden"
    renew(ctx)
    own = draft(ctx, "紫砂杯要标容量吗", actor=HEAD)
    run_gate(ctx, own)
    publish(ctx, own, actor=HEAD, override="只有我在岗")
    assert view(ctx, own).override == "只有我在岗"


def test_without_a_gate_of_this_body_over_this_release_nothing_goes_live(ctx: Context) -> None:
    chosen = draft(ctx, *ODD)
    with pytest.raises(ConflictError, match="先对这一版运行"):
        publish(ctx, chosen, actor=CHEN)
    run_gate(ctx, chosen)
    assert not is_stale(ctx, view(ctx, chosen))
    archive(ctx, "MET-07", actor=LI, why="试一试")  # the release moves on, with the clock standing still
    assert is_stale(ctx, view(ctx, chosen))
    with pytest.raises(ConflictError, match="重新检查"):
        publish(ctx, chosen, actor=CHEN)
    run_gate(ctx, chosen)  # over what is in the database, not what this process has read so far
    publish(ctx, chosen, actor=CHEN)


def test_an_edit_after_the_gate_wants_another(ctx: Context) -> None:
    chosen = draft(ctx, *ODD)
    run_gate(ctx, chosen)
    save_draft(ctx, actor=LI, entry_id="MET-06", changes={"owner": "计量室"}, note="", seen=chosen)
    submit(ctx, chosen, actor=LI)
    with pytest.raises(ConflictError, match="先对这一版运行"):
        publish(ctx, chosen, actor=CHEN)


def test_an_edit_during_the_gate_is_noticed(ctx: Context) -> None:
    chosen = draft(ctx, *ODD)

    def edit(done: int, total: int) -> None:
        if done == total:
            save_draft(ctx, actor=LI, entry_id="MET-06", changes={"owner": "计量室"}, note="", seen=chosen)

    with pytest.raises(ConflictError, match="检查期间"):
        run_gate(ctx, chosen, progress=edit)
    assert view(ctx, chosen).gate is None


def test_only_what_was_submitted_and_by_whom_may(ctx: Context) -> None:
    chosen = save_draft(ctx, actor=LI, entry_id="MET-06", changes={"owner": "计量室"}, note="", seen=0)
    run_gate(ctx, chosen)
    with pytest.raises(ConflictError, match="草稿"):
        publish(ctx, chosen, actor=CHEN)
    submit(ctx, chosen, actor=LI)
    with pytest.raises(ForbiddenError):
        publish(ctx, chosen, actor=Actor(9, "小王", Role.STAFF))
    publish(ctx, chosen, actor=CHEN)
    with pytest.raises(ConflictError, match="已发布"):
        publish(ctx, chosen, actor=CHEN)
    with pytest.raises(ConflictError, match="已经发布"):
        run_gate(ctx, chosen)
    with pytest.raises(NotFoundError):
        run_gate(ctx, 12345)


def test_the_gate_replays_the_months_questions_without_what_names_people(ctx: Context) -> None:
    asked, other = f"请问{ODD[0]}？", "化学试剂过期了怎么办，我电话{}"
    said = {"紫砂壶老问题": 40, other.format("13800001234"): 3, other.format("13900001234"): 2, asked: 1}
    with ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", "o1", now=tx.now)
        for text, days in said.items():
            conversations.add_message(
                tx.connection,
                {
                    "conversation_id": talk.conversation_id,
                    "is_inbound": True,
                    "kind": "text",
                    "text": text,
                    "outcome": "refer",
                    "at": tx.now - timedelta(days=days),
                },
            )
    chosen = draft(ctx, *ODD)
    gate = run_gate(ctx, chosen)
    real = [change.question for change in gate.changed if change.question.source is Source.REAL]
    assert gate.counts["real"] == 2, "each wording once whoever asks, and nothing older than a month"
    assert [question.text for question in real] == [asked]
    kept = view(ctx, chosen).gate
    assert kept is not None
    shown = [change.question.text for change in kept.changed if change.question.source is Source.REAL]
    assert shown == [asked]
    with ctx.transaction() as tx:
        conversations.scrub_messages(tx.connection, talk.conversation_id)
    kept = view(ctx, chosen).gate
    assert kept is not None
    assert [one.question.text for one in kept.changed if one.question.source is Source.REAL] == [""]


def test_publishing_makes_a_shipped_entry_the_operators(ctx: Context) -> None:
    chosen = draft(ctx, *ODD)
    run_gate(ctx, chosen)
    publish(ctx, chosen, actor=CHEN)
    seed = next(entry_to_dict(one) for one in load_seeds() if one.id == "MET-06")
    with ctx.transaction() as tx:
        assert load_shipped(tx.connection, {"MET-06": seed}, now=tx.now) == 0
    with ctx.read() as session:
        row = session.execute(sa.select(EntryRow.body, EntryRow.shipped).where(EntryRow.id == "MET-06")).one()
    assert (ODD[0] in row.body["questions"], row.shipped) == (True, "")


def test_a_published_change_is_live_within_a_second(program: Program, ctx: Context) -> None:
    chosen = draft(ctx, *ODD)
    gate = run_gate(ctx, chosen)
    program.worker.start()
    try:
        begun = time.monotonic()
        publish(ctx, chosen, actor=CHEN)
        while ODD[0] not in body(ctx)["questions"] and time.monotonic() - begun < 5:
            time.sleep(0.005)
        assert time.monotonic() - begun < 1.0
        assert ctx.brain.hear(ODD[0], today=gate.on).hits[0].entry.id == "MET-06"
    finally:
        program.worker.stop()


def test_new_synonyms_wait_for_the_process_to_read_them(ctx: Context) -> None:
    chosen = draft(ctx, *ODD)
    put_synonyms(ctx, {"呼呼表": "压力表"}, actor="小李")
    with pytest.raises(ConflictError, match="几秒"):
        run_gate(ctx, chosen)
    renew(ctx)
    run_gate(ctx, chosen)


def test_a_question_is_tried_out_with_what_decided(ctx: Context) -> None:
    trial = try_out(ctx, "电子秤多久检一次？")
    best = trial.candidates[0]
    assert (trial.outcome, trial.category, best.entry_id) == (Outcome.ANSWER, "metrology", "MET-05")
    assert (trial.with_draft, trial.is_changed) == (None, False)
    assert "电子秤" in best.words
    pushes = [abs(feature.push) for feature in best.features]
    assert pushes == sorted(pushes, reverse=True)
    assert all(feature.label for feature in best.features)
    assert sum(feature.push for feature in best.features) > 0


def test_a_question_is_tried_out_with_a_draft(ctx: Context) -> None:
    chosen = draft(ctx, *ODD)
    trial = try_out(ctx, ODD[0], version_id=chosen)
    assert trial.is_changed
    assert trial.with_draft is not None
    assert trial.with_draft.candidates[0].entry_id == "MET-06"
    assert not try_out(ctx, "商标怎么注册", version_id=chosen).is_changed
    with pytest.raises(NotFoundError):
        try_out(ctx, "压力表", version_id=12345)


def test_a_second_process_reads_only_what_changed(ctx: Context) -> None:
    other = replace(ctx, kept={})
    renew(other)
    kept = other.brain.entry("MET-05")
    changed = {**body(ctx), "owner": "计量室"}
    import_entries(ctx, [entry_from_dict(changed)])
    renew(other)
    assert body(other) == changed
    assert other.brain.entry("MET-05") is kept
