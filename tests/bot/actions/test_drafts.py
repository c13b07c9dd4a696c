"""Drafts of entries: what is kept, who edits, what is refused, and what people see of the history."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.actions.drafts import (
    ProblemsError,
    VersionView,
    archive,
    difference,
    gate_of,
    history,
    restore,
    save_draft,
    send_back,
    submit,
    version,
    withdraw_draft,
)
from bot.app import open_context, renew
from bot.core.entry_states import EntryState
from bot.core.permissions import Actor, Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from knowledge.rows import entry_to_dict
from tests.make import entry

LI, CHEN = (Actor(number, name, Role.MAINTAINER) for number, name in ((1, "小李"), (2, "小陈")))
STAFF = Actor(3, "小王", Role.STAFF)
FRESH: dict[str, Any] = {
    "category": "metrology",
    "title": "紫砂壶容量标注有什么要求",
    "questions": ["紫砂壶要标多少毫升", "茶壶容量怎么标", "紫砂壶容量能差多少"],
    "keywords": ["紫砂壶", "容量"],
    "confidence": "medium",
    "checked_on": "2026-11-21",
    "owner": "知识维护",
    "text": [{"answer": "按标准标注容量，以最新规定为准。"}],
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """A platform with everything that ships."""
    found = open_context(Settings(data_dir=tmp_path_factory.mktemp("nqi"), log_level="error"))
    yield found
    found.database.close()


@pytest.fixture
def ctx(platform: Context) -> Iterator[Context]:
    """The same, without versions."""
    yield platform
    with platform.transaction() as tx:
        tx.connection.execute(sa.text("DELETE FROM entry_version"))


def body(ctx: Context, entry_id: str = "MET-06") -> dict[str, Any]:
    found = ctx.brain.entry(entry_id)
    assert found is not None
    return entry_to_dict(found)


def versions(ctx: Context, entry_id: str = "MET-06") -> list[VersionView]:
    with ctx.read() as session:
        return history(session, entry_id)


def states(ctx: Context, entry_id: str = "MET-06") -> list[str]:
    return [one.state.value for one in versions(ctx, entry_id)]


def edit(ctx: Context, *, actor: Actor = LI, seen: int = 0, title: str = "检定还是校准，怎么选") -> int:
    return save_draft(
        ctx, actor=actor, entry_id="MET-06", changes={"title": title}, note="标题更短", seen=seen
    )


def test_a_draft_keeps_what_is_live_as_its_first_version(ctx: Context) -> None:
    live = body(ctx)
    draft = edit(ctx)
    newest, first = versions(ctx)
    assert (newest.id, newest.state, newest.author, newest.note) == (
        draft,
        EntryState.DRAFT,
        "小李",
        "标题更短",
    )
    assert (first.state, first.author, first.body) == (EntryState.PUBLISHED, "随项目提供", live)
    assert [(one.field, one.before, one.after) for one in difference(first.body, newest.body)] == [
        ("title", live["title"], "检定还是校准，怎么选")
    ]
    assert gate_of(newest) is None
    renew(ctx)
    assert body(ctx) == live, "a draft is not live"


def test_ones_own_draft_is_edited_in_place(ctx: Context) -> None:
    draft = edit(ctx)
    assert edit(ctx, seen=draft, title="检定和校准怎么选") == draft
    assert states(ctx) == ["draft", "published"]


def test_the_draft_of_another_is_named_and_never_lost(ctx: Context) -> None:
    draft = edit(ctx)
    with pytest.raises(ConflictError, match="小李正在修改"):
        edit(ctx, actor=CHEN)
    later = edit(ctx, actor=CHEN, seen=draft, title="检定和校准怎么选")
    assert states(ctx) == ["draft", "dropped", "published"]
    with pytest.raises(ConflictError, match="小陈正在修改"):
        edit(ctx, seen=draft)
    with ctx.read() as session:
        assert version(session, later).body["title"] == "检定和校准怎么选"
        assert version(session, draft).body["title"] == "检定还是校准，怎么选"


def test_changes_are_laid_over_the_open_draft(ctx: Context) -> None:
    draft = edit(ctx)
    save_draft(ctx, actor=LI, entry_id="MET-06", changes={"owner": "计量室"}, note="", seen=draft)
    found = versions(ctx)[0].body
    assert (found["title"], found["owner"]) == ("检定还是校准，怎么选", "计量室")


def test_a_form_of_a_draft_that_is_gone_is_refused(ctx: Context) -> None:
    draft = edit(ctx)
    withdraw_draft(ctx, draft, actor=LI)
    assert states(ctx) == ["dropped", "published"]
    edit(ctx, title="检定和校准怎么选")  # a fresh form
    withdraw_draft(ctx, versions(ctx)[0].id, actor=LI)
    with pytest.raises(ConflictError, match="已经发布或撤回"):
        edit(ctx, seen=draft)


def test_nothing_changed_is_no_draft(ctx: Context) -> None:
    with pytest.raises(RefusedError, match="相同"):
        save_draft(ctx, actor=LI, entry_id="MET-06", changes=body(ctx), note="", seen=0)
    assert versions(ctx) == []


def test_a_new_entry_gets_a_number_that_no_shipped_one_will_have(ctx: Context) -> None:
    first = save_draft(ctx, actor=LI, entry_id="", changes=FRESH, note="新条目", seen=0)
    with ctx.read() as session:
        assert version(session, first).entry_id == "MET-501"
    other = {**FRESH, "title": "茶杯", "questions": ["茶杯一", "茶杯二", "茶杯三"]}
    save_draft(ctx, actor=LI, entry_id="", changes=other, note="", seen=0)
    assert states(ctx, "MET-502") == ["draft"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"title": ""}, "title", "不能为空"),
        ({"title": "很长" * 21}, "title", "最多 40"),
        ({"questions": ["紫砂壶"]}, "questions", "至少要 3 个"),
        ({"questions": [*FRESH["questions"], "电子秤多久检一次"]}, "questions", "与 MET-05 的相同"),
        ({"category": "nothing"}, "category", "不可用"),
        ({"checked_on": "昨天"}, "checked_on", "不是日期"),
        ({"text": []}, "text", "至少要有一个"),
        ({"text": [{"answer": "请打 13800000000"}]}, "text", "电话号码"),
        ({"text": [{"answer": "好", "valid_from": "2026"}]}, "text[1].valid_from", "不是日期"),
        ({"related": ["MET-99"]}, "related", "不存在"),
        ({"colour": "red"}, "colour", "没有这个字段"),
    ],
)
def test_what_could_not_be_imported_is_refused_at_its_field(
    ctx: Context, changes: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(ProblemsError) as refused:
        save_draft(ctx, actor=LI, entry_id="MET-777", changes={**FRESH, **changes}, note="", seen=0)
    assert (field, True) in [(one.field, words in one.message) for one in refused.value.problems]
    assert versions(ctx, "MET-777") == []


def test_review_goes_back_and_forth_with_reasons(ctx: Context) -> None:
    draft = edit(ctx)
    submit(ctx, draft, actor=LI)
    assert states(ctx)[0] == "review"
    with pytest.raises(RefusedError, match="请写明"):
        send_back(ctx, draft, actor=CHEN, why="  ")
    send_back(ctx, draft, actor=CHEN, why="标题太短")
    found = versions(ctx)[0]
    assert (found.state, found.reviewer, found.note) == (
        EntryState.DRAFT,
        "小陈",
        "标题更短\n小陈退回：标题太短",
    )
    with pytest.raises(ConflictError, match="草稿"):
        send_back(ctx, draft, actor=CHEN, why="再改")
    with ctx.read() as session:
        lines = session.execute(sa.select(AuditLine.what, AuditLine.actor).order_by(AuditLine.id)).all()
    assert [tuple(line) for line in lines][-3:] == [
        ("entry-draft", "小李"),
        ("entry-submit", "小李"),
        ("entry-send-back", "小陈"),
    ]


def test_editing_what_waits_for_review_makes_it_a_draft_again(ctx: Context) -> None:
    draft = edit(ctx)
    submit(ctx, draft, actor=LI)
    edit(ctx, seen=draft, title="检定和校准怎么选")
    assert states(ctx) == ["draft", "published"]


def test_an_archived_entry_is_given_no_more_and_can_be_taken_up_again(ctx: Context) -> None:
    live = body(ctx, "MET-07")
    with pytest.raises(RefusedError, match="为什么"):
        archive(ctx, "MET-07", actor=LI, why="")
    archive(ctx, "MET-07", actor=LI, why="并入另一条")
    renew(ctx)
    assert body(ctx, "MET-07")["status"] == "archived"
    assert [(one.state.value, one.note) for one in versions(ctx, "MET-07")] == [
        ("archived", "并入另一条"),
        ("archived", ""),
    ]
    with pytest.raises(ConflictError, match="已经归档"):
        archive(ctx, "MET-07", actor=LI, why="再来一次")
    again = restore(ctx, versions(ctx, "MET-07")[-1].id, actor=CHEN)
    newest = versions(ctx, "MET-07")[0]
    assert (newest.id, newest.state, newest.body, newest.note) == (
        again,
        EntryState.REVIEW,
        live,
        "恢复第 1 版",
    )
    with pytest.raises(ConflictError, match="小陈正在修改"):
        restore(ctx, versions(ctx, "MET-07")[-1].id, actor=LI)


@pytest.mark.parametrize("actor", [STAFF, Actor(4, "第三方", Role.EVALUATOR)])
def test_who_does_not_maintain_knowledge_may_not_write(ctx: Context, actor: Actor) -> None:
    with pytest.raises(ForbiddenError):
        edit(ctx, actor=actor)
    draft = edit(ctx)
    for act in (submit, withdraw_draft):
        with pytest.raises(ForbiddenError):
            act(ctx, draft, actor=actor)
    with pytest.raises(ForbiddenError):
        send_back(ctx, draft, actor=actor, why="不好")
    with pytest.raises(ForbiddenError):
        archive(ctx, "MET-06", actor=actor, why="不好")
    with pytest.raises(ForbiddenError):
        restore(ctx, draft, actor=actor)
    assert states(ctx) == ["draft", "published"]


def test_what_is_not_there_is_not_found(ctx: Context) -> None:
    for act in (submit, withdraw_draft, restore):
        with pytest.raises(NotFoundError):
            act(ctx, 12345, actor=LI)
    with pytest.raises(NotFoundError):
        archive(ctx, "MET-999", actor=LI, why="没有")


def test_differences_are_said_in_words() -> None:
    before = entry_to_dict(entry())
    later = entry_to_dict(entry(keywords=("检定周期", "压力表")))
    later["text"] = [
        *later["text"],
        {"answer": "以后的答复", "basis": [{"document": "计量法", "clause": "第九条"}]},
    ]
    found = {one.label: (one.before, one.after) for one in difference(before, later)}
    assert found == {
        "关键词": ("检定周期", "检定周期\n压力表"),
        "答复（2）": ("", "以后的答复"),
        "依据（2）": ("", "计量法 第九条"),
    }
    assert difference(before, before) == []


def test_a_note_has_an_end(ctx: Context) -> None:
    with pytest.raises(RefusedError, match="最多"):
        save_draft(ctx, actor=LI, entry_id="MET-06", changes={"title": "短"}, note="长" * 1001, seen=0)
