"""The worker's round over files: each account has its own source, and a few files are one round's work."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.actions.context import Context
from bot.channels.simulator.endpoints import platform_app
from bot.channels.simulator.platform import Platform
from bot.channels.wechat_api import WeChatApi
from bot.core.brain import Brain
from bot.ports import Failed, File, MediaSource
from bot.settings import Settings
from bot.store import attachments
from bot.store.attachments import Attachment
from bot.store.base import Database
from bot.store.migrate import upgrade
from bot.worker.attachments import fetch_due
from tests.bot.channels.accounts import OFFICIAL
from tests.bot.channels.conftest import served
from tests.make import SetClock


@dataclass(slots=True)
class Source:
    """Gives the same picture for every id."""

    asked: list[str] = field(default_factory=list)

    def fetch(self, media_id: str, *, most: int) -> File | Failed:
        self.asked.append(media_id)
        return File(b"GIF89a"[:most], "image/gif")


@dataclass(slots=True)
class Desk:
    """A database with files to be fetched."""

    ctx: Context
    clock: SetClock

    def notes(self, media_id: str, *, account: str = "official") -> None:
        with self.ctx.transaction() as tx:
            attachments.add_attachment(
                tx.connection,
                kind="image",
                account=account,
                media_id=media_id,
                state="due",
                due_at=tx.now,
                by="contact",
                at=tx.now,
            )

    def states(self) -> list[tuple[str, str]]:
        with self.ctx.read() as session:
            rows = session.execute(sa.select(Attachment.state, Attachment.result).order_by(Attachment.id))
            return [(row.state, row.result) for row in rows]

    def rounds(self, sources: dict[str, MediaSource]) -> list[int]:
        """Rounds until nothing is left to do."""
        done = []
        while taken := fetch_due(self.ctx, sources):
            done.append(taken)
        return done


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock()
    yield Desk(Context(Settings(data_dir=tmp_path), database, clock, Brain.__new__(Brain)), clock)
    database.close()


def test_a_few_files_are_fetched_in_a_round_oldest_first(desk: Desk) -> None:
    source = Source()
    for number in range(7):
        desk.notes(f"m{number}")
        desk.clock.move(seconds=1)
    assert desk.rounds({"official": source}) == [3, 3, 1]
    assert source.asked == [f"m{number}" for number in range(7)]
    assert desk.states() == [("stored", "")] * 7


def test_every_account_is_asked_for_its_own_files(desk: Desk) -> None:
    official, mini = Source(), Source()
    desk.notes("m1")
    desk.notes("m2", account="miniprogram")
    desk.rounds({"official": official, "miniprogram": mini})
    assert (official.asked, mini.asked) == (["m1"], ["m2"])


def test_files_of_an_account_that_is_not_set_up_wait_for_it_and_hold_up_no_other(desk: Desk) -> None:
    source = Source()
    desk.notes("m1", account="miniprogram")
    desk.notes("m2")
    assert desk.rounds({"official": source}) == [2]
    assert [state for state, _ in desk.states()] == ["due", "stored"]
    desk.clock.move(hours=1)
    assert desk.rounds({"official": source, "miniprogram": source}) == [1]
    assert desk.states() == [("stored", "")] * 2


def test_the_bytes_of_erased_rows_go_with_the_round(desk: Desk) -> None:
    desk.notes("m1")
    desk.rounds({"official": Source()})
    (path,) = (desk.ctx.settings.data_dir / "attachments").glob("??/*")
    with desk.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Attachment).values(state="erased", due_at=tx.now))
    assert fetch_due(desk.ctx, {}) == 0
    assert not path.exists()


def test_files_come_from_the_platform_over_http_and_expire_there(desk: Desk) -> None:
    platform = Platform({"official": OFFICIAL}, clock=desk.clock)
    picture, video = b"\xff\xd8\xff\xe0 a picture", b"\x00\x00\x00\x18ftypisom"
    for content, kind, media_type in ((picture, "image", "image/jpeg"), (video, "video", "video/mp4")):
        desk.notes(platform.upload(content, kind, media_type)["media_id"])
    desk.notes("never-uploaded")
    with served(platform_app(platform)) as base:
        api = WeChatApi(OFFICIAL, base=base)
        assert desk.rounds({"official": api}) == [3]
        api.close()
    assert desk.states() == [("stored", ""), ("stored", ""), ("failed", "微信上的文件已过期")]
    files = (desk.ctx.settings.data_dir / "attachments").glob("??/*")
    assert sorted(path.read_bytes() for path in files) == sorted([picture, video])
