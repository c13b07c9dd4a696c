"""What maintainers change is live after `renew`, and what cannot work is refused in words."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.actions.knowledge import import_entries, put_synonyms, remove_synonym, synonyms
from bot.app import open_context, renew
from bot.core.brain import Heard, Outcome
from bot.errors import NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.migrate import downgrade, upgrade

TODAY = date(2026, 11, 21)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    """A platform with everything that ships."""
    found = open_context(Settings(data_dir=tmp_path, log_level="error"))
    yield found
    found.database.close()


def hear(ctx: Context, text: str) -> Heard:
    renew(ctx)
    return ctx.brain.hear(text, today=TODAY)


def test_a_synonym_is_understood_from_the_next_message_on(ctx: Context) -> None:
    asked = "呼呼表多久检一次？"  # a made-up name that nothing knows
    wanted = hear(ctx, "压力表多久检一次？")
    assert wanted.outcome is Outcome.ANSWER
    assert hear(ctx, asked).hits[:1] != wanted.hits[:1]
    put_synonyms(ctx, {"呼呼表": "压力表"}, actor="maintainer")
    heard = hear(ctx, asked)
    assert [hit.entry.id for hit in heard.hits] == [hit.entry.id for hit in wanted.hits]
    assert heard.outcome is Outcome.ANSWER
    assert "呼呼表" in heard.understanding.text, "what was written stays as it was written"
    with ctx.read() as session:
        line = session.execute(sa.select(AuditLine).where(AuditLine.what == "synonym")).scalar_one()
        assert (line.actor, line.subject, line.note) == ("maintainer", "呼呼表", "压力表")
    remove_synonym(ctx, "呼呼表", actor="maintainer")
    assert synonyms(ctx) == {}
    assert hear(ctx, asked).outcome is not Outcome.ANSWER


def test_a_synonym_holds_in_entries_too_and_after_a_restart(ctx: Context) -> None:
    entry = ctx.brain.entries[0]
    import_entries(ctx, [replace(entry, questions=(*entry.questions, "呼呼表要挂几张牌子"))])
    put_synonyms(ctx, {"呼呼表": "压力表"}, actor="maintainer")
    assert hear(ctx, "压力表要挂几张牌子").hits[0].entry.id == entry.id
    again = open_context(ctx.settings)
    assert again.brain.hear("呼呼表要挂几张牌子", today=TODAY) == hear(ctx, "呼呼表要挂几张牌子")
    again.database.close()


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("表", "压力表"),
        ("气压计", "表"),
        ("，。", "压力表"),
        ("压力表", "压 力 表" * 9),
        ("压力表", "压力表"),
        ("气压计", "地秤"),  # 地秤 is itself another name
        ("电子汽车衡", "地磅"),  # 电子汽车衡 is what 地秤 stands for
    ],
)
def test_a_synonym_that_cannot_work_is_refused(ctx: Context, name: str, term: str) -> None:
    put_synonyms(ctx, {"地秤": "电子汽车衡"}, actor="maintainer")
    with pytest.raises(RefusedError, match="没有保存"):
        put_synonyms(ctx, {"磅秤": "电子秤", name: term}, actor="maintainer")
    assert synonyms(ctx) == {"地秤": "电子汽车衡"}


def test_a_synonym_that_is_not_there_cannot_be_removed(ctx: Context) -> None:
    with pytest.raises(NotFoundError, match="没有"):
        remove_synonym(ctx, "地秤", actor="maintainer")


def test_the_schema_goes_back_and_forward_again(ctx: Context) -> None:
    downgrade(ctx.database, "0001")
    upgrade(ctx.database)
    assert put_synonyms(ctx, {"地秤": "电子汽车衡"}, actor="maintainer") == 1
    assert put_synonyms(ctx, {"地秤": "电子汽车衡"}, actor="maintainer") == 0


def test_an_entry_that_changes_is_live_without_reading_the_others_again(ctx: Context) -> None:
    before = ctx.brain.index
    first, second = ctx.brain.entries[:2]
    import_entries(ctx, [replace(first, questions=(*first.questions, "紫色的罐子能不能上天"))])
    assert hear(ctx, "紫色的罐子能不能上天").hits[0].entry.id == first.id
    assert ctx.brain.index.known[second.id] is before.known[second.id]
