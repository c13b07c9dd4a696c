"""Files in the browser: opened by who may, harmless whatever is in them, and refused in words."""

import hashlib
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest
import sqlalchemy as sa
from starlette.requests import Request

from admin.attachments import file_response
from admin.templating import page
from bot.actions.attachments import FileView, OpenedFile
from bot.app import Program
from bot.channels.simulator.push import PICTURE
from bot.core.permissions import Actor, Role
from bot.serving import running
from bot.settings import Settings
from bot.store import attachments, tickets
from bot.store.attachments import FileState
from bot.store.audit import AuditLine
from tests.make import NOON
from tests.people import Enterprise, number_in
from tests.staff import StaffMember

MOST = 300_000
PDF = b"%PDF-1.7 a report"
_names = count(1)

T = TypeVar("T")
Hire = Callable[[Role], StaffMember]


def picture() -> bytes:
    """A PNG of one dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("files"),
        simulator=True,
        log_level="error",
        attachment_max_bytes=MOST,
    )
    with running(settings) as found:
        yield found


@pytest.fixture
def hire(program: Program) -> Iterator[Hire]:
    made: list[StaffMember] = []

    def one(role: Role) -> StaffMember:
        made.append(StaffMember(program, f"附件{next(_names)}", role))
        return made[-1]

    yield one
    for member in made:
        member.http.close()


@pytest.fixture
def li(hire: Hire) -> StaffMember:
    return hire(Role.STAFF)


@pytest.fixture
def number(program: Program, request: pytest.FixtureRequest) -> str:
    with Enterprise(program, f"files-{request.node.name}"[:60]) as person:
        return person.registers_need()


def token(member: StaffMember) -> str:
    return member.http.get("/admin/password").text.split('name="csrf" value="')[1].split('"')[0]


def send(
    member: StaffMember, number: str, content: bytes, name: str = "报告.pdf", **data: str
) -> httpx.Response:
    """Upload a file with the token of the session, unless another is given."""
    form = {"csrf": token(member), **data}
    return member.http.post(
        f"/admin/tickets/{number}/attachments", data=form, files={"file": (name, content)}, timeout=30
    )


def listed(*views: FileView, role: Role = Role.STAFF, query: str = "") -> str:
    """The files as the ticket's page lists them."""
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": query.encode()}
    ticket = SimpleNamespace(number="NQI-2026-000001")
    answer = page(
        Request(scope),
        "attachments.html",
        actor=Actor(1, "小李", role),
        csrf="t",
        ticket=ticket,
        attachments=views,
    )
    return bytes(answer.body).decode()


def view(**changes: Any) -> FileView:
    values: dict[str, Any] = {
        "id": 7,
        "kind": "image",
        "label": "图片",
        "name": "图片7.png",
        "size": "12 KB",
        "state": FileState.STORED,
        "problem": "",
        "by": "contact",
        "at": NOON,
        "referral_id": None,
        "is_picture": True,
    }
    return FileView(**{**values, **changes})


def files(program: Program, number: str) -> list[tuple[int, str, str]]:
    with program.ctx.read() as session:
        ticket = tickets.ticket_numbered(session, number)
        assert ticket is not None
        return [(row.id, row.name, row.by) for row in attachments.files_of(session, ticket.id)]


def openings(program: Program, attachment: int) -> list[str]:
    with program.ctx.read() as session:
        query = sa.select(AuditLine.actor).where(
            AuditLine.what == "open-attachment", AuditLine.subject == f"attachment:{attachment}"
        )
        return list(session.scalars(query))


def test_a_file_is_put_to_a_ticket_and_opened_with_a_trace(
    program: Program, li: StaffMember, number: str
) -> None:
    answer = send(li, number, PDF, "检测报告.pdf")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/admin/tickets/{number}#attachments",
    )
    ((attachment, name, by),) = files(program, number)
    assert (name, by) == ("检测报告.pdf", li.name)
    opened = li.http.get(f"/admin/attachments/{attachment}")
    assert (opened.status_code, opened.content) == (200, PDF)
    assert opened.headers["content-type"] == "application/pdf"
    assert opened.headers["content-disposition"].startswith('attachment; filename="file.pdf"; filename*=')
    assert openings(program, attachment) == [li.name]


def test_a_picture_may_be_shown_and_nothing_in_it_can_run(
    program: Program, li: StaffMember, number: str
) -> None:
    content = picture() + b"<script>alert(1)</script>"
    send(li, number, content, "现场.html")
    ((attachment, name, _),) = files(program, number)
    assert name == "现场.html.png"
    opened = li.http.get(f"/admin/attachments/{attachment}")
    assert opened.content == content
    assert opened.headers["content-type"] == "image/png"
    assert opened.headers["content-disposition"].startswith("inline; ")
    assert opened.headers["x-content-type-options"] == "nosniff"
    assert opened.headers["cache-control"] == "no-store"
    policy = [part.strip() for part in opened.headers["content-security-policy"].split(";")]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("media_type", ["text/plain", "application/pdf", "audio/mpeg", "video/mp4"])
def test_only_pictures_are_shown_inside_a_page(media_type: str) -> None:
    headers = file_response(OpenedFile(b"", '名".txt', media_type, is_inline=False)).headers
    assert (
        headers["content-disposition"]
        == "attachment; filename=\"file.txt\"; filename*=UTF-8''%E5%90%8D%22.txt"
    )
    assert headers["content-type"] == media_type


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.pdf", "attachment-empty"),
        (PDF + bytes(MOST), "a.pdf", "attachment-large"),
        (PDF + bytes(MOST * 2), "a.pdf", "attachment-large"),
        (b"<!doctype html><script>alert(1)</script>", "a.png", "attachment-kind"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "a.png", "attachment-kind"),
        (b"", "", "attachment-none"),
    ],
)
def test_what_is_not_kept_is_refused_in_words_on_the_ticket(
    program: Program, li: StaffMember, number: str, content: bytes, name: str, code: str
) -> None:
    answer = send(li, number, content, name)
    assert answer.headers["location"] == f"/admin/tickets/{number}?file={code}#attachments"
    assert 'role="alert"' in listed(query=f"file={code}")
    assert files(program, number) == []


def test_an_unknown_refusal_in_the_address_says_nothing() -> None:
    assert "alert" not in listed(query="file=<script>alert(1)</script>")


def test_a_body_without_a_length_or_an_end_is_refused(program: Program, li: StaffMember, number: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 100

    route = f"/admin/tickets/{number}/attachments"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    for body in (pieces(), b"--b\r\nContent-Disposition: form-data"):
        answer = li.http.post(route, content=body, headers=kind)
        assert answer.headers["location"].startswith(f"/admin/tickets/{number}?file=attachment-"), body
    assert files(program, number) == []


def test_a_form_from_elsewhere_is_refused(program: Program, li: StaffMember, number: str) -> None:
    assert send(li, number, PDF, csrf="guess").status_code == 403
    assert send(li, number, PDF, csrf="").status_code == 403
    assert files(program, number) == []


def test_there_is_nothing_to_put_a_file_to(li: StaffMember) -> None:
    assert send(li, "NQI-2026-999999", PDF).status_code == 404


@pytest.mark.parametrize("attachment", ["999999", "0", "-1", str(10**30), "x"])
def test_a_file_that_does_not_exist_is_not_found(li: StaffMember, attachment: str) -> None:
    assert li.http.get(f"/admin/attachments/{attachment}").status_code in (404, 422)


def test_who_may_not_see_contacts_opens_no_file_and_reads_no_name(
    program: Program, li: StaffMember, hire: Hire, number: str
) -> None:
    send(li, number, PDF)
    ((attachment, _, _),) = files(program, number)
    for role in (Role.COORDINATOR, Role.EVALUATOR, Role.MAINTAINER):
        member = hire(role)
        assert member.http.get(f"/admin/attachments/{attachment}").status_code == 403
        assert send(member, number, PDF).status_code == 403
        shown = listed(view(name="王经理的合同.png"), role=role)
        assert "王经理的合同" not in shown
        assert "需要查看联系人的权限" in shown
        assert "<form" not in shown
        assert "<img" not in shown
        assert listed(role=role).strip() == "", "nothing to see and nothing to do: no empty box"
    assert openings(program, attachment) == []
    with httpx.Client(base_url=program.url, trust_env=False) as stranger:
        answer = stranger.get(f"/admin/attachments/{attachment}")
        assert answer.headers["location"] == "/admin/login"


def test_the_list_shows_what_is_here_on_its_way_or_lost() -> None:
    shown = listed(
        view(name='<b>"现场.png'),
        view(id=8, kind="file", name="报告.pdf", by="小陈", is_picture=False),
        view(id=9, state=FileState.DUE, name="", size="", is_picture=False),
        view(id=10, state=FileState.FAILED, name="", size="", is_picture=False, problem="微信上的文件已过期"),
    )
    assert '<img src="/admin/attachments/7" alt="" loading="lazy">' in shown
    assert "&lt;b&gt;&#34;现场.png" in shown
    assert shown.count("<img") == 1
    assert 'href="/admin/attachments/8"' in shown
    assert "小陈 · 2026-11-21 12:00" in shown
    assert shown.count("企业 · ") == 3
    assert "正在从微信取回" in shown
    assert "没有取到：微信上的文件已过期。需要时请企业再发一次。" in shown
    assert "/admin/attachments/9" not in shown
    assert "/admin/attachments/10" not in shown


def test_a_picture_sent_in_the_chat_reaches_staff_and_goes_with_its_contact(
    program: Program, li: StaffMember
) -> None:
    with Enterprise(program, "o-sends-a-picture") as person:
        person.says("想给新出的椰汁做个第三方检测")
        person.pusher.image(person.openid)
        person.says("示例甜水食品有限公司")
        person.says("王经理")
        person.says("13800000000")
        number = number_in(person.says("确认提交"))
        ((attachment, name, by),) = waits(lambda: [row for row in files(program, number) if row[1]])
        assert (name, by) == (f"图片{attachment}.png", "contact")
        opened = li.http.get(f"/admin/attachments/{attachment}")
        assert (opened.content, opened.headers["content-type"]) == (PICTURE, "image/png")
        person.says("删除我的信息")
        person.says("确认删除")
    assert li.http.get(f"/admin/attachments/{attachment}").status_code == 404
    folder = program.settings.data_dir / "attachments"
    digest = hashlib.sha256(opened.content).hexdigest()
    assert waits(lambda: not any(path.name == digest for path in folder.rglob("*")))


def waits(look: Callable[[], T], seconds: float = 8.0) -> T:
    """Look until there is something to see."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, f"nothing came within {seconds} s"
        time.sleep(0.03)
    return found
