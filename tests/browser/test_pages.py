"""Every page that people work with, in Chromium at both widths: axe's rules, and nothing sticks out sideways."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page

from bot.actions.courses import take_step
from bot.actions.drafts import save_draft, submit
from bot.actions.libraries import import_file
from bot.actions.links import survey_link
from bot.actions.publishing import run_gate
from bot.actions.surveys import surveys_of
from bot.app import Program
from bot.core.permissions import Actor, Role
from bot.core.ticket_states import Move
from bot.core.tickets import version
from bot.serving import running
from bot.settings import Settings
from bot.store import courses, tickets
from bot.store.console import CannedReply
from bot.store.conversations import Conversation
from bot.store.people import Staff
from intents.categories import Category
from knowledge.library_rows import PROVIDERS, written
from tests.conftest import always_open
from tests.people import Enterprise, drinks_tester
from tests.staff import StaffMember
from tests.stories.browsers import (  # noqa: F401 - fixtures
    DESKTOP,
    MARKS,
    PHONE,
    Windows,
    breaks_rules,
    chromium,
    picture,
    sticks_out,
    windows,
)

pytestmark = MARKS
VICTIM = "MET-05"
WHO = "示例小李"


@dataclass(frozen=True, slots=True)
class Place:
    """A platform on which something has happened, and the session of somebody who may see nearly all of it."""

    program: Program
    session: str
    addresses: dict[str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("pages"), simulator=True, log_level="error")
    with running(settings) as program, StaffMember(program, WHO, Role.OPERATOR) as li:
        always_open(program)
        addresses = {
            **_tickets(program, li),
            **_chats(program, li),
            **_knowledge(program),
        }
        yield Place(program, li.http.cookies["nqi_session"], addresses)


def _tickets(program: Program, li: StaffMember) -> dict[str, str]:
    """One request with a provider, one whose service has ended and is to be rated."""
    report = import_file(
        program.ctx, PROVIDERS, written(PROVIDERS, [drinks_tester(1)], form="csv"), form="csv", actor=WHO
    )
    assert report.is_written, report.problems
    with Enterprise(program, "pages-referred") as enterprise:
        referred = enterprise.registers_need()
    li.steps(referred, "assess", plan="testing")
    li.refers(referred, "P-1", reason="企业指定")
    with Enterprise(program, "pages-served") as enterprise:
        served = enterprise.registers_need()
    actor = _actor(program)
    for wanted in (Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START, Move.FINISH):
        with program.ctx.read() as session:
            row = tickets.ticket_numbered(session, served)
            assert row
            seen = version(courses.course_of(row, tickets.events_of(session, row.id)))
        plan = ("testing",) if wanted is Move.ASSESS else ()
        take_step(program.ctx, served, wanted, actor=actor, seen=seen, plan=plan)
    with program.ctx.read() as session:
        row = tickets.ticket_numbered(session, served)
        assert row
        rated = survey_link(program.ctx, surveys_of(session, row.id)[-1].id)
    return {"ticket": f"/admin/tickets/{referred}", "provider": li.link(referred), "survey": rated}


def _actor(program: Program) -> Actor:
    with program.ctx.read() as session:
        number = session.execute(sa.select(Staff.id).where(Staff.name == WHO)).scalar_one()
    return Actor(number, WHO, Role.OPERATOR)


def _chats(program: Program, li: StaffMember) -> dict[str, str]:
    """A chat that somebody has taken, with every kind of message, and one that waits."""
    with Enterprise(program, "pages-waits") as other:
        other.says("电梯检测找谁")
        other.says("转人工")
    with program.ctx.transaction() as tx:
        tx.connection.execute(
            sa.insert(CannedReply).values(
                shortcut="hi",
                title="问候",
                text="{企业}您好，我是{工作人员}。",
                updated_by=WHO,
                updated_at=tx.now,
            )
        )
    with Enterprise(program, "pages-talks") as enterprise:
        enterprise.says("压力表多久检一次？")
        enterprise.says("转人工")
        with program.ctx.read() as session:
            talk = session.execute(sa.select(sa.func.max(Conversation.id))).scalar_one()
        for what, values in (
            ("claim", {}),
            ("say", {"text": "您好，请问是哪种压力表？", "key": "k1", "how": "now"}),
            ("say", {"text": "先核对一下", "key": "k2", "how": "note"}),
        ):
            csrf = li.http.get("/admin/canned").text.partition('name="csrf" value="')[2].partition('"')[0]
            answer = li.http.post(f"/admin/console/{talk}/{what}", data={"csrf": csrf, **values})
            assert answer.status_code == 303, answer.text
        enterprise.says("是锅炉上的压力表")
    return {"chat": f"/admin/console/{talk}"}


def _knowledge(program: Program) -> dict[str, str]:
    """Something that nobody could answer, and a draft that the gate has stopped."""
    for number in range(2):
        with Enterprise(program, f"pages-gap-{number}") as person:
            person.says("火星旅行怎么报名")
    victim = program.ctx.brain.entry(VICTIM)
    assert victim
    author = Actor(99, "示例小周", Role.MAINTAINER)
    changes = {
        "category": Category.TRAINING.value,
        "title": victim.title[:-1],
        "questions": [question.rstrip("？?") + "呀" for question in victim.questions[1:5]],
        "keywords": ["压力表", "电子秤"],
        "confidence": "medium",
        "checked_on": "2026-01-05",
        "owner": author.name,
        "text": [{"answer": "请联系示例培训班。"}],
    }
    draft = save_draft(program.ctx, actor=author, entry_id="", changes=changes, note="示例", seen=0)
    submit(program.ctx, draft, actor=author)
    assert run_gate(program.ctx, draft).is_blocked
    return {"gate": f"/admin/knowledge/versions/{draft}/gate"}


_PAGES = {
    "overview": "/admin/",
    "inbox": "/admin/console",
    "inbox-mine": "/admin/console?tab=mine",
    "inbox-search": "/admin/console?q=压力表",
    "chat": "",
    "ticket": "",
    "board": "/admin/board",
    "board-columns": "/admin/board?layout=board",
    "intake": "/admin/intake",
    "tasks": "/admin/tasks",
    "improvements": "/admin/improvements",
    "outbox": "/admin/outbox",
    "clocks": "/admin/clocks",
    "calendar": "/admin/calendar",
    "libraries": "/admin/libraries",
    "providers": "/admin/libraries/providers",
    "knowledge": "/admin/knowledge",
    "entry": f"/admin/knowledge/{VICTIM}",
    "edit": f"/admin/knowledge/{VICTIM}/edit",
    "new-entry": "/admin/knowledge/new",
    "gate": "",
    "bench": "/admin/knowledge/try?q=压力表多久检一次",
    "synonyms": "/admin/knowledge/synonyms",
    "gaps": "/admin/knowledge/gaps",
    "proposals": "/admin/knowledge/proposals",
    "sweep": "/admin/knowledge/sweep",
    "reviews": "/admin/knowledge/reviews",
    "figures": "/admin/knowledge/figures",
    "canned": "/admin/canned",
    "accounts": "/admin/accounts",
    "audit": "/admin/audit",
    "security": "/admin/security",
    "password": "/admin/password",
    "provider": "",
    "survey": "",
}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", _PAGES)
def test_a_page_keeps_the_rules_and_its_width(
    place: Place, window: Windows, name: str, size: tuple[int, int]
) -> None:
    page = window(size).page
    page.context.add_cookies(
        [{"name": "nqi_session", "value": place.session, "url": f"{place.program.url}/admin"}]
    )
    _is_good(page, place, place.addresses.get(name, _PAGES[name]), name)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_log_in_keeps_the_rules_and_its_width(
    place: Place, window: Windows, size: tuple[int, int]
) -> None:
    page = window(size).page
    _is_good(page, place, "/admin/login", "login")
    page.get_by_label("用户名").fill("示例没有")
    page.get_by_label("密码").fill("wrong-password")
    page.get_by_role("button", name="登录").click()
    page.get_by_role("alert").wait_for()
    assert breaks_rules(page) == []


def _is_good(page: Page, place: Place, address: str, name: str) -> None:
    url = address if address.startswith("http") else place.program.url + address
    answer = page.goto(url)
    assert answer is not None
    assert answer.status == 200, url
    picture(page, name)
    assert breaks_rules(page) == []
    assert sticks_out(page) == []
    for one in page.locator("main details:not([open]) > summary").all():
        if one.is_visible():
            one.click()
    assert breaks_rules(page) == [], "with all details open"
    assert sticks_out(page) == [], "with all details open"


def test_the_rules_are_really_checked(window: Windows) -> None:
    page = window().page
    page.set_content('<html lang="zh"><title>x</title><main><input><div style="width:3000px">x</div></main>')
    assert any(fault.startswith("label") for fault in breaks_rules(page))
    assert sticks_out(page)
