"""Files from their message to their end: noted once, fetched safely, bound, opened with a trace, and forgotten."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions import attachments as actions
from bot.actions.attachments import (
    FileView,
    _bind,
    _drop_files,
    _erase_files,
    _note_media,
    add_file,
    attachments_of,
    fetch,
    read_file,
    remove_erased,
    sweep,
)
from bot.actions.clocks import load_shipped
from bot.actions.contacts import _erase_contact
from bot.actions.context import Context
from bot.actions.tickets import _open_ticket
from bot.channels.wechat_errors import failed
from bot.core.brain import Brain
from bot.core.messages import Incoming, Kind
from bot.core.ticket_states import TicketKind
from bot.core.turns import Form
from bot.errors import ConflictError, NotFoundError, RefusedError
from bot.ports import Failed, File
from bot.settings import Settings
from bot.store import attachments, conversations, tickets
from bot.store.attachments import Attachment
from bot.store.audit import AuditLine
from bot.store.base import Database, insert_row
from bot.store.conversations import Message
from bot.store.migrate import upgrade
from bot.store.tickets import Ticket
from tests.make import SetClock

JPEG = b"\xff\xd8\xff\xe0 a picture"
PDF = b"%PDF-1.7 a report"


@dataclass(slots=True)
class Shelf:
    """A platform that holds files; what is not there is answered as the test says."""

    files: dict[str, bytes] = field(default_factory=dict)
    outcomes: list[Failed] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def fetch(self, media_id: str, *, most: int) -> File | Failed:
        self.asked.append(media_id)
        if self.outcomes:
            return self.outcomes.pop(0)
        content = self.files.get(media_id)
        if content is None:
            return failed("40007", "invalid media_id")
        return File(content, "image/jpeg") if len(content) <= most else failed("too-large", "")


@dataclass(slots=True)
class Desk:
    """A folder, a contact who sends, and the platform that holds what was sent."""

    ctx: Context
    clock: SetClock
    shelf: Shelf

    @property
    def root(self) -> Path:
        return self.ctx.settings.data_dir / "attachments"

    def sends(
        self,
        media_id: str = "m1",
        content: bytes | None = JPEG,
        *,
        kind: Kind = Kind.IMAGE,
        is_material: bool = False,
        person: str = "o1",
    ) -> int:
        """A picture message; gives the message's id."""
        if content is not None:
            self.shelf.files[media_id] = content
        details = {"MediaId": media_id} if media_id else {}
        push = Incoming("official", "wx1", person, "gh", kind, self.clock.now(), details=details)
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "official", person, now=tx.now)
            message_id = insert_row(
                tx.connection,
                Message,
                conversation_id=talk.conversation_id,
                is_inbound=True,
                kind=kind.value,
                is_material=is_material,
                at=tx.now,
            )
            _note_media(tx, talk, push, message_id)
        return message_id

    def registers(self, person: str = "o1") -> int:
        """The form ends in a ticket; gives its id."""
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "official", person, now=tx.now)
            form = Form(TicketKind.NEED, content="检测一批矿泉水", category="testing")
            number = _open_ticket(tx, talk, form, channel="wechat-official").number
            ticket_id = tx.connection.execute(
                sa.select(Ticket.id).where(Ticket.number == number)
            ).scalar_one()
            _bind(tx, talk.conversation_id, ticket_id)
        return ticket_id

    def fetches(self, attachment_id: int = 1) -> bool:
        return fetch(self.ctx, attachment_id, self.shelf)

    def erases(self, reason: str = "asked", person: str = "o1") -> None:
        with self.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "official", person, now=tx.now)
            _erase_contact(tx, talk, reason=reason)

    def adds(self, ticket_id: int, content: bytes = PDF, name: str = "报告.pdf") -> int:
        return add_file(self.ctx, ticket_id=ticket_id, content=content, name=name, by="小李")

    def row(self, attachment_id: int = 1) -> Any:
        with self.ctx.read() as session:
            return attachments.attachment(session, attachment_id)

    def rows(self) -> list[tuple[str, str]]:
        with self.ctx.read() as session:
            found = session.execute(sa.select(Attachment.state, Attachment.result).order_by(Attachment.id))
            return [(row.state, row.result) for row in found]

    def views(self, ticket_id: int) -> list[FileView]:
        with self.ctx.read() as session:
            return attachments_of(session, ticket_id)

    def on_disk(self) -> list[bytes]:
        """What lies in the folder, fresh files included."""
        return sorted(path.read_bytes() for path in self.root.rglob("*") if path.is_file())

    def audit(self, what: str) -> list[tuple[str, str, str]]:
        with self.ctx.read() as session:
            query = sa.select(AuditLine).where(AuditLine.what == what).order_by(AuditLine.id)
            return [(line.actor, line.subject, line.note) for line in session.scalars(query)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock = SetClock()
    settings = Settings(data_dir=tmp_path, attachment_max_bytes=2_000_000)
    ctx = Context(settings, database, clock, Brain.__new__(Brain))
    load_shipped(ctx)
    yield Desk(ctx, clock, Shelf())
    database.close()


# --- what contacts send ---


def test_a_picture_is_noted_with_its_message_and_fetched_into_the_folder(desk: Desk) -> None:
    message = desk.sends("m1", JPEG)
    assert desk.row().message_id == message
    assert desk.fetches()
    row = desk.row()
    assert (row.state, row.kind, row.name, row.media_type) == ("stored", "image", "图片1.jpg", "image/jpeg")
    assert row.size == len(JPEG)
    assert attachments.path_of(desk.root, row.digest).read_bytes() == JPEG
    assert desk.on_disk() == [JPEG], "nothing is left of the writing"


def test_what_lies_in_the_folder_is_for_the_owner_alone(desk: Desk) -> None:
    desk.sends()
    desk.fetches()
    for path in desk.root.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("kind", [Kind.VOICE, Kind.VIDEO])
def test_voices_and_videos_are_kept_as_they_are(desk: Desk, kind: Kind) -> None:
    content = b"#!AMR\n voice" if kind is Kind.VOICE else b"\x00\x00\x00\x18ftypisom"
    desk.sends("m1", content, kind=kind)
    desk.fetches()
    assert (desk.row().state, desk.row().kind) == ("stored", kind.value)
    assert desk.on_disk() == [content]


@pytest.mark.parametrize(("kind", "media_id"), [(Kind.TEXT, "m1"), (Kind.FILE, "m1"), (Kind.IMAGE, "")])
def test_what_has_no_file_is_not_noted(desk: Desk, kind: Kind, media_id: str) -> None:
    desk.sends(media_id, kind=kind)
    assert desk.rows() == []


def test_a_file_is_noted_once_however_often_its_push_comes(desk: Desk) -> None:
    desk.sends("m1")
    desk.sends("m1")
    assert desk.rows() == [("due", "")]
    desk.sends("m1", person="o2")
    assert len(desk.rows()) == 2, "another contact's is another"


def test_nobody_fills_the_disk_in_a_day(desk: Desk) -> None:
    for number in range(102):
        desk.sends(f"m{number}")
    assert [state for state, _ in desk.rows()] == ["due"] * 100 + ["failed"] * 2
    assert desk.rows()[-1] == ("failed", "一天内发来的文件太多")
    desk.clock.move(hours=24, seconds=1)
    desk.sends("next day")
    assert desk.rows()[-1][0] == "due"


def test_the_ticket_takes_the_files_of_its_messages_and_no_others(desk: Desk) -> None:
    desk.sends("chat")
    desk.sends("form", is_material=True)
    desk.sends("other", is_material=True, person="o2")
    ticket = desk.registers()
    assert [view.id for view in desk.views(ticket)] == [2]
    assert desk.row(2).number.startswith("NQI-")


def test_only_one_worker_has_a_file(desk: Desk) -> None:
    desk.sends()
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: desk.fetches(), range(16)))
    assert taken.count(True) == 1
    assert desk.shelf.asked == ["m1"]


def test_a_worker_that_dies_gives_the_file_back(desk: Desk) -> None:
    class Killed(Shelf):
        def fetch(self, media_id: str, *, most: int) -> File | Failed:
            raise KeyboardInterrupt

    desk.sends()
    with pytest.raises(KeyboardInterrupt):
        fetch(desk.ctx, 1, Killed())
    assert not desk.fetches()
    desk.clock.move(minutes=3)
    assert desk.fetches()
    assert desk.row().state == "stored"


def test_a_worker_that_was_believed_dead_writes_nothing_over_the_other(desk: Desk) -> None:
    class Slow(Shelf):
        def fetch(self, media_id: str, *, most: int) -> File | Failed:
            desk.clock.move(minutes=4)
            assert desk.fetches(), "another takes over"
            return File(b"GIF89a", "image/gif")

    desk.sends()
    fetch(desk.ctx, 1, Slow())
    assert desk.row().media_type == "image/jpeg"
    assert desk.on_disk() == [JPEG]


def test_what_a_worker_believed_dead_says_of_a_file_that_another_still_tries_does_not_count(
    desk: Desk,
) -> None:
    class Slow(Shelf):
        def fetch(self, media_id: str, *, most: int) -> File | Failed:
            desk.clock.move(minutes=4)
            desk.shelf.outcomes = [failed("-1", "busy")]
            assert desk.fetches(), "another takes over, in vain for now"
            return failed("40007", "invalid media_id")

    desk.sends()
    fetch(desk.ctx, 1, Slow())
    assert desk.row().state == "due"


def test_a_passing_failure_is_tried_again_after_the_delays_of_the_table_then_hourly(desk: Desk) -> None:
    desk.sends()
    desk.shelf.outcomes = [failed("-1", "busy")] * 5
    waits = []
    for _ in range(5):
        assert desk.fetches()
        waits.append((desk.row().due_at - desk.clock.now()).total_seconds())
        assert not desk.fetches(), "not before the delay"
        desk.clock.at = desk.row().due_at
    assert waits == [1, 2, 4, 3600, 3600]
    assert desk.fetches()
    assert desk.row().state == "stored"


def test_an_account_that_is_out_of_order_costs_no_tries(desk: Desk) -> None:
    desk.sends()
    desk.shelf.outcomes = [failed("45009", "quota")] * 3
    for _ in range(3):
        assert desk.fetches()
        assert desk.row().tries == 0
        desk.clock.at = desk.row().due_at
    assert desk.fetches()
    assert desk.row().state == "stored"


def test_after_three_days_the_file_is_given_up_as_expired(desk: Desk) -> None:
    desk.sends()
    desk.shelf.outcomes = [failed("network", "down")] * 100
    while desk.row().state == "due":
        assert desk.fetches()
        desk.clock.at = desk.row().due_at or desk.clock.at
    assert desk.rows() == [("failed", "微信上的文件已过期")]
    assert timedelta(days=2, hours=22) < desk.clock.now() - desk.row().at < timedelta(days=3)


@pytest.mark.parametrize(
    ("content", "outcome", "reason"),
    [
        (None, None, "微信上的文件已过期"),
        (JPEG + bytes(2_000_000), None, "文件超过 2 MB"),
        (b"<html><script>alert(1)</script>", None, "文件类型不支持"),
        (b"<svg onload='alert(1)'/>", None, "文件类型不支持"),
        (b"", None, "文件类型不支持"),
        (JPEG, failed("48001", "api unauthorized"), "微信没有给出文件（48001）"),
    ],
)
def test_what_cannot_be_had_or_kept_says_why_in_words(
    desk: Desk, content: bytes | None, outcome: Failed | None, reason: str
) -> None:
    desk.sends("m1", content, is_material=True)
    desk.shelf.outcomes = [outcome] if outcome else []
    assert desk.fetches()
    assert desk.on_disk() == []
    (view,) = desk.views(desk.registers())
    assert (view.state, view.problem, view.name, view.label) == ("failed", reason, "", "图片")
    desk.clock.move(days=1)
    assert not desk.fetches(), "nothing more is tried"


def test_a_full_disk_loses_no_file(desk: Desk) -> None:
    desk.root.write_bytes(b"in the way")
    desk.sends()
    desk.fetches()
    assert desk.rows() == [("due", "服务器存不下文件")]
    desk.root.unlink()
    desk.clock.at = desk.row().due_at
    desk.fetches()
    assert desk.rows() == [("stored", "")]


# --- what providers and staff add, and who opens it ---


def test_a_file_of_staff_is_stored_under_a_safe_name_and_leaves_a_trace(desk: Desk) -> None:
    ticket = desk.registers()
    attachment = desk.adds(ticket, PDF, "../../报告\u202e.exe")
    (view,) = desk.views(ticket)
    assert (view.id, view.name, view.by, view.size) == (attachment, "报告.exe.pdf", "小李", "1 KB")
    assert not view.is_picture
    assert desk.on_disk() == [PDF]
    assert desk.audit("attach") == [("小李", "attachment:1", "NQI-2026-000001")]


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.pdf", "attachment-empty"),
        (PDF + bytes(2_000_000), "a.pdf", "attachment-large"),
        (b"<!doctype html><script>alert(1)</script>", "photo.png", "attachment-kind"),
        (b"<svg onload='alert(1)'/>", "photo.png", "attachment-kind"),
        (b"MZ\x90\x00", "report.pdf", "attachment-kind"),
    ],
)
def test_what_is_empty_too_large_or_disguised_is_refused(
    desk: Desk, content: bytes, name: str, code: str
) -> None:
    ticket = desk.registers()
    with pytest.raises(RefusedError) as refusal:
        desk.adds(ticket, content, name)
    assert refusal.value.code == code
    assert (desk.rows(), desk.on_disk()) == ([], [])


def test_a_ticket_has_fifty_files_at_most_and_a_refused_one_leaves_no_bytes(desk: Desk) -> None:
    ticket = desk.registers()
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda number: desk.adds(ticket, PDF + bytes([number])), range(50)))
    assert len(set(added)) == 50
    with pytest.raises(ConflictError, match="已有 50 个附件"):
        desk.adds(ticket)
    assert len(desk.on_disk()) == 50


def test_there_is_no_file_without_a_ticket_that_has_its_contents(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        desk.adds(77)
    ticket = desk.registers()
    desk.erases()
    with pytest.raises(ConflictError, match="内容已删除"):
        desk.adds(ticket)
    assert desk.on_disk() == []


def test_the_same_bytes_lie_there_once(desk: Desk) -> None:
    ticket = desk.registers()
    desk.adds(ticket, name="一.pdf")
    desk.adds(ticket, name="二.pdf")
    assert [view.name for view in desk.views(ticket)] == ["一.pdf", "二.pdf"]
    assert desk.on_disk() == [PDF]


def test_opening_a_file_is_written_down(desk: Desk) -> None:
    desk.sends()
    desk.fetches()
    opened = read_file(desk.ctx, 1, by="小李")
    assert (opened.content, opened.name, opened.media_type) == (JPEG, "图片1.jpg", "image/jpeg")
    assert opened.is_inline
    ticket = desk.registers()
    second = desk.adds(ticket)
    assert not read_file(desk.ctx, second, ticket_id=ticket).is_inline
    assert desk.audit("open-attachment") == [
        ("小李", "attachment:1", ""),
        ("provider", "attachment:2", "NQI-2026-000001"),
    ]


def test_what_is_not_there_not_yet_there_or_of_another_ticket_looks_the_same(desk: Desk) -> None:
    desk.sends()
    ticket = desk.registers()
    second = desk.adds(ticket)
    attachments.path_of(desk.root, desk.row(second).digest).unlink()
    cases: list[tuple[int, int | None]] = [(1, None), (second, ticket + 1), (second, None), (99, None)]
    words = set()
    for attachment, of in cases:
        with pytest.raises(NotFoundError) as refusal:
            read_file(desk.ctx, attachment, by="小李", ticket_id=of)
        words.add(refusal.value.message)
    assert len(words) == 1


# --- forgetting ---


def test_erasure_takes_the_rows_at_once_and_the_bytes_with_the_next_round(desk: Desk) -> None:
    desk.sends("chat", JPEG)
    desk.sends("form", JPEG + b"2", is_material=True)
    ticket = desk.registers()
    desk.adds(ticket)
    assert desk.fetches(1)
    assert desk.fetches(2)
    desk.erases()
    assert [state for state, _ in desk.rows()] == ["erased"] * 3
    assert desk.views(ticket) == []
    assert all((desk.row(number).name, desk.row(number).media_id) == ("", "") for number in (1, 2, 3))
    with pytest.raises(NotFoundError):
        read_file(desk.ctx, 1)
    assert remove_erased(desk.ctx) == 3
    assert desk.on_disk() == []
    assert remove_erased(desk.ctx) == 0
    assert desk.row().digest == ""


def test_who_unfollows_keeps_the_files_of_open_tickets_only(desk: Desk) -> None:
    desk.sends("chat")
    desk.sends("form", JPEG + b"2", is_material=True)
    ticket = desk.registers()
    desk.fetches(1)
    desk.fetches(2)
    desk.erases("unsubscribe")
    remove_erased(desk.ctx)
    assert [view.id for view in desk.views(ticket)] == [2]
    assert desk.on_disk() == [JPEG + b"2"]
    with desk.ctx.transaction() as tx:
        contact = tx.connection.execute(sa.select(Ticket.contact_id)).scalar_one()
        tickets.erase_tickets(tx.connection, contact, at=tx.now, with_open=True)
        _erase_files(tx, contact)
    remove_erased(desk.ctx)
    assert desk.on_disk() == []


def test_bytes_that_somebody_else_sent_too_stay_for_them(desk: Desk) -> None:
    desk.sends("m1", JPEG)
    desk.sends("m2", JPEG, person="o2")
    desk.fetches(1)
    desk.fetches(2)
    desk.erases(person="o1")
    remove_erased(desk.ctx)
    assert read_file(desk.ctx, 2).content == JPEG
    desk.erases(person="o2")
    remove_erased(desk.ctx)
    assert desk.on_disk() == []


def test_a_file_that_is_on_its_way_when_its_contact_is_erased_is_not_kept(desk: Desk) -> None:
    class Slow(Shelf):
        def fetch(self, media_id: str, *, most: int) -> File | Failed:
            desk.erases()
            return File(JPEG, "image/jpeg")

    desk.sends()
    fetch(desk.ctx, 1, Slow())
    assert desk.rows() == [("erased", "")]
    assert desk.on_disk() == []
    assert not desk.fetches()


def test_a_cancelled_form_takes_its_files_along(desk: Desk) -> None:
    desk.sends("earlier", JPEG + b"1", is_material=True)
    desk.registers()
    desk.sends("form", is_material=True)
    desk.fetches(1)
    desk.fetches(2)
    with desk.ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", "o1", now=tx.now)
        _drop_files(tx, talk.conversation_id)
        tickets.drop_materials(tx.connection, talk.conversation_id)
    remove_erased(desk.ctx)
    assert [state for state, _ in desk.rows()] == ["stored", "erased"]
    assert desk.on_disk() == [JPEG + b"1"]


def test_a_file_that_the_disk_does_not_let_go_is_tried_again(desk: Desk) -> None:
    desk.sends()
    desk.fetches()
    path = attachments.path_of(desk.root, desk.row().digest)
    path.unlink()
    path.mkdir()  # cannot be unlinked, whoever runs this
    desk.erases()
    assert remove_erased(desk.ctx) == 1
    assert remove_erased(desk.ctx) == 0
    path.rmdir()
    path.write_bytes(JPEG)
    desk.clock.move(hours=1)
    assert remove_erased(desk.ctx) == 1
    assert desk.on_disk() == []


def test_the_sweep_takes_what_a_crash_left_and_nothing_else(desk: Desk) -> None:
    assert sweep(desk.ctx) == 0, "no folder yet"
    desk.sends()
    desk.fetches()
    digest = desk.row().digest
    orphan = attachments.path_of(desk.root, digest[:2] + "0" * 62)
    orphan.write_bytes(b"no row")
    stranger = orphan.with_name("README")
    stranger.write_bytes(b"not ours")
    old, young = (attachments.write_fresh(desk.root, text) for text in (b"old", b"young"))
    for path, age in ((old, 7200), (young, 60)):
        moment = desk.clock.now().timestamp() - age
        os.utime(path, (moment, moment))
    assert sweep(desk.ctx) == 2
    assert desk.on_disk() == sorted([JPEG, b"not ours", b"young"])
    desk.erases()
    assert sweep(desk.ctx) == 0, "erased rows see to their bytes themselves"
    remove_erased(desk.ctx)
    assert JPEG not in desk.on_disk()


def test_bytes_that_are_stored_while_the_sweep_looks_are_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep has read that nobody knows these bytes; then somebody stores the same."""
    ticket = desk.registers()
    desk.adds(ticket, PDF)
    monkeypatch.setattr(actions.attachments, "digests", lambda _session, _prefix: set())
    assert sweep(desk.ctx) == 0
    assert desk.on_disk() == [PDF]
