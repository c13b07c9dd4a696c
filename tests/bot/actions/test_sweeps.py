"""A changed basis: who cites it stops being given on the day, in every version, and somebody looks at it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.actions.knowledge import import_entries, load_shipped
from bot.actions.sweeps import (
    Change,
    confirm_sweep,
    find_citing,
    finish_review,
    open_review,
    read_change,
    review_calendar,
    suspend_due,
)
from bot.app import renew
from bot.core.brain import Brain, Outcome
from bot.core.permissions import Actor, Role
from bot.errors import ConflictError, ForbiddenError, NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.base import Database, insert_row
from bot.store.console import CannedReply
from bot.store.drafts import EntryReview, EntryVersion
from bot.store.knowledge import EntryRow
from bot.store.migrate import upgrade
from intents.understand import Understander
from knowledge.entries import Basis, Entry, Release, Text
from knowledge.rows import entry_from_dict, entry_to_dict
from knowledge.search import Index
from tests.make import NOON, TODAY, SetClock, entry

LI = Actor(1, "小李", Role.MAINTAINER)
STAFF = Actor(2, "小陈", Role.STAFF)
OLD, NEW = "GB/T 19001-2016", "GB/T 19001-2026"
DAY = TODAY + timedelta(days=10)
CITING = entry(
    "QMG-01",
    "质量管理体系怎么建立",
    texts=(Text("先做差距分析，再编文件。", basis=(Basis("质量管理体系 要求", OLD, "4.4"),)),),
)
ASKED = "质量管理体系怎么建立"


@dataclass(slots=True)
class Desk:
    """A maintainer over two entries and two canned replies."""

    ctx: Context
    clock: SetClock

    def change(self, *, on: date = DAY, old: str = OLD, new: str = NEW) -> Change:
        return read_change(old, new, on.isoformat())

    def cites(self, change: Change) -> list[str]:
        with self.ctx.read() as session:
            return [found.subject for found in find_citing(self.ctx, session, change)]

    def sweeps(self, *suspend: str, review: tuple[str, ...] = (), **change: date) -> None:
        self.clock.move(seconds=1)  # the release is named by the moment of its last change
        confirm_sweep(self.ctx, self.change(**change), suspend=suspend, review=review, actor=LI)
        renew(self.ctx)

    def imports(self, one: Entry) -> None:
        self.clock.move(seconds=1)
        import_entries(self.ctx, [one])
        renew(self.ctx)

    def entry(self, entry_id: str = "QMG-01") -> Entry:
        with self.ctx.read() as session:
            row = session.get(EntryRow, entry_id)
            assert row is not None
            return entry_from_dict(row.body)

    def versions(self) -> list[tuple[int, str, str]]:
        with self.ctx.read() as session:
            rows = session.scalars(sa.select(EntryVersion).order_by(EntryVersion.serial))
            return [(row.serial, row.state, row.note) for row in rows]

    def reviews(self) -> list[tuple[str, date, str]]:
        with self.ctx.read() as session:
            rows = session.scalars(sa.select(EntryReview).order_by(EntryReview.id))
            return [(row.subject, row.due_on, row.reason) for row in rows]

    def suspended(self) -> list[bool]:
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(CannedReply.is_suspended).order_by(CannedReply.id)))

    def answers(self, on: date) -> bool:
        heard = self.ctx.brain.hear(ASKED, today=on)
        return heard.outcome is Outcome.ANSWER and heard.hits[0].entry.id == "QMG-01"


@pytest.fixture(scope="module")
def understander() -> Understander:
    return Understander.load()


@pytest.fixture
def desk(tmp_path: Path, understander: Understander) -> Iterator[Desk]:
    settings = Settings(data_dir=tmp_path, log_level="error")
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock(NOON)
    brain = Brain(understander, Index.build(Release.of((), number=-1), understander.tokenizer))
    ctx = Context(settings, database, clock, brain)
    import_entries(ctx, [CITING, entry()])
    with ctx.transaction() as tx:
        for title, text in (("体系", f"请按{OLD}准备"), ("其他", "您好")):
            insert_row(
                tx.connection,
                CannedReply,
                shortcut=title,
                title=title,
                text=text,
                category="",
                is_suspended=False,
                updated_at=tx.now,
                updated_by="小李",
            )
    renew(ctx)
    yield Desk(ctx, clock)
    database.close()


def test_entries_and_replies_that_cite_it_are_found(desk: Desk) -> None:
    assert desk.cites(desk.change()) == ["QMG-01", "canned:1"]
    assert desk.cites(desk.change(old="gbt19001")) == ["QMG-01", "canned:1"]
    assert desk.cites(desk.change(old="GB/T 19001-2008")) == []


def test_an_answer_is_given_up_to_the_day_before_and_no_longer(desk: Desk) -> None:
    assert desk.answers(DAY)
    desk.sweeps("QMG-01")
    assert desk.answers(DAY - timedelta(days=1))
    assert not desk.answers(DAY)
    reason = f"{OLD} 自 {DAY} 起由 {NEW} 代替"
    assert desk.reviews() == [("QMG-01", DAY, reason)]
    assert desk.versions() == [(1, "archived", ""), (2, "published", reason)]
    with desk.ctx.read() as session:
        line = session.execute(sa.select(AuditLine).where(AuditLine.what == "sweep")).scalar_one()
        assert (line.actor, line.subject, line.note) == ("小李", OLD, f"{reason}: QMG-01")


def test_a_day_that_has_come_stops_it_at_once(desk: Desk) -> None:
    desk.sweeps("QMG-01", on=TODAY)
    assert not desk.answers(TODAY)
    assert desk.reviews()[0][1] == TODAY
    desk.sweeps("QMG-01", on=TODAY - timedelta(days=400))
    assert desk.entry().texts[0].valid_until == TODAY - timedelta(days=401)
    assert desk.reviews()[1][1] == TODAY, "nobody can be asked to look at it last year"


def test_what_is_only_reviewed_goes_on(desk: Desk) -> None:
    desk.sweeps(review=("QMG-01",))
    assert desk.answers(DAY)
    assert [subject for subject, _, _ in desk.reviews()] == ["QMG-01"]
    assert desk.versions() == []


def test_a_draft_does_not_bring_the_old_basis_back(desk: Desk) -> None:
    edited = replace(CITING, keywords=("新词",))
    with desk.ctx.transaction() as tx:
        for serial, state, one in ((1, "published", CITING), (2, "review", edited)):
            insert_row(
                tx.connection,
                EntryVersion,
                entry_id="QMG-01",
                serial=serial,
                state=state,
                body=entry_to_dict(one),
                gate={"is_blocked": False},
                author="小陈",
                at=tx.now,
            )
    desk.sweeps("QMG-01")
    with desk.ctx.read() as session:
        rows = list(session.scalars(sa.select(EntryVersion).order_by(EntryVersion.serial)))
    assert [row.state for row in rows] == ["archived", "review", "published"]
    draft = entry_from_dict(rows[1].body)
    assert (draft.keywords, draft.texts[0].valid_until) == (("新词",), DAY - timedelta(days=1))
    assert rows[1].gate is None, "the gate ran over another body"


def test_the_same_sweep_twice_does_nothing_new(desk: Desk) -> None:
    desk.sweeps("QMG-01")
    before = (desk.versions(), desk.reviews())
    desk.sweeps("QMG-01")
    assert (desk.versions(), desk.reviews()) == before


def test_an_entry_that_ships_stays_suspended_after_an_upgrade(desk: Desk) -> None:
    load_shipped(desk.ctx)
    renew(desk.ctx)
    shipped = desk.entry("QMG-02")
    with desk.ctx.read() as session:
        row = session.get(EntryRow, "QMG-02")
        assert row is not None
        assert row.shipped
    basis = shipped.texts[0].basis[0]
    change = read_change(basis.document, "", DAY.isoformat())
    confirm_sweep(desk.ctx, change, suspend=["QMG-02"], review=(), actor=LI)
    load_shipped(desk.ctx)
    assert desk.entry("QMG-02").texts[0].valid_until == DAY - timedelta(days=1)


def test_an_entry_that_was_mended_meanwhile_is_not_suspended(desk: Desk) -> None:
    desk.imports(replace(CITING, texts=(Text("新写的。", basis=(Basis("要求", NEW),)),)))
    with pytest.raises(ConflictError, match="刚被修改"):
        desk.sweeps("QMG-01", "canned:1")
    assert (desk.reviews(), desk.suspended()) == ([], [False, False]), "all or nothing"


def test_who_may_not_and_what_is_not_there_is_refused(desk: Desk) -> None:
    change = desk.change()
    with pytest.raises(ForbiddenError):
        confirm_sweep(desk.ctx, change, suspend=["QMG-01"], review=(), actor=STAFF)
    with pytest.raises(RefusedError, match="至少选择一个"):
        desk.sweeps()
    for subject in ("QMG-99", "canned:9", "canned:x"):
        with pytest.raises(NotFoundError):
            desk.sweeps(subject)
    for old, on in (("", "2026-12-01"), ("法", "2026-12-01"), (OLD, "明天")):
        with pytest.raises(RefusedError):
            read_change(old, NEW, on)


# --- canned replies ---


def test_a_canned_reply_goes_out_of_use_on_its_day(desk: Desk) -> None:
    desk.sweeps("canned:1")
    assert desk.suspended() == [False, False]
    assert suspend_due(desk.ctx) == 0
    desk.clock.move(days=9)
    assert suspend_due(desk.ctx) == 0, "the day before"
    desk.clock.move(days=1)
    assert suspend_due(desk.ctx) == 1
    assert desk.suspended() == [True, False]
    assert suspend_due(desk.ctx) == 0


def test_a_canned_reply_is_put_back_by_its_review(desk: Desk) -> None:
    desk.sweeps("canned:1", on=TODAY)
    assert desk.suspended() == [True, False]
    finish_review(desk.ctx, 1, result="已改为新标准", actor=LI, is_resumed=True)
    assert desk.suspended() == [False, False]


def test_a_review_before_the_day_keeps_a_mended_reply_in_use(desk: Desk) -> None:
    desk.sweeps("canned:1")
    finish_review(desk.ctx, 1, result="已改为新标准", actor=LI, is_resumed=True)
    desk.clock.move(days=30)
    assert suspend_due(desk.ctx) == 0
    assert desk.suspended() == [False, False]


# --- reviews ---


def test_the_calendar_holds_what_is_due_open_and_done(desk: Desk) -> None:
    desk.imports(replace(CITING, checked_on=TODAY - timedelta(days=400)))
    with desk.ctx.read() as session:
        found = review_calendar(desk.ctx, session)
    assert [(one.entry_id, one.on) for one in found.due] == [("QMG-01", TODAY - timedelta(days=35))]
    open_review(desk.ctx, subject="QMG-01", reason=found.due[0].why, due_on=DAY, actor=LI)
    with desk.ctx.read() as session:
        found = review_calendar(desk.ctx, session)
    assert (found.due, [one.subject for one in found.open]) == ([], ["QMG-01"])
    finish_review(desk.ctx, 1, result="仍然正确", actor=LI)
    with desk.ctx.read() as session:
        found = review_calendar(desk.ctx, session)
    assert (found.due, found.open) == ([], [])
    assert [(one.subject, one.result, one.done_by) for one in found.done] == [("QMG-01", "仍然正确", "小李")]
    assert found.titles["QMG-01"] == CITING.title


def test_a_review_ends_once_and_with_a_result(desk: Desk) -> None:
    desk.sweeps(review=("QMG-01",))
    with pytest.raises(RefusedError, match="复核结果"):
        finish_review(desk.ctx, 1, result=" ", actor=LI)
    with pytest.raises(ForbiddenError):
        finish_review(desk.ctx, 1, result="好", actor=STAFF)
    finish_review(desk.ctx, 1, result="好", actor=LI)
    with pytest.raises(ConflictError):
        finish_review(desk.ctx, 1, result="好", actor=LI)
    with pytest.raises(RefusedError, match="1000 字"):
        open_review(desk.ctx, subject="QMG-01", reason="长" * 1001, due_on=DAY, actor=LI)
