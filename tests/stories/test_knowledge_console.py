"""Maintainers in real browsers: edit, be stopped by the gate, mend, have it reviewed, publish, and return."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from bot.actions.knowledge import import_entries
from bot.app import Program, renew
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from intents.categories import Category
from knowledge.entries import Entry, Text
from tests.make import entry
from tests.stories.browsers import (  # noqa: F401 - fixtures
    DESKTOP,
    MARKS,
    PATIENCE,
    PHONE,
    Desk,
    Phone,
    Windows,
    chromium,
    enter,
    picture,
    tab_to,
    windows,
)

pytestmark = MARKS
HOME = "/knowledge"
ENTRY = "TRN-801"
VICTIM = "MET-05"
QUESTION = "抹灰工的培训怎么报名"
OLD, NEW = "请联系示例抹灰班。", "请联系示例抹灰班，周末也开课。"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("knowledge-story"), simulator=True, log_level="error"
    )
    with running(settings) as found:
        yield found


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def maintainers(
    program: Program, window: Windows, request: pytest.FixtureRequest
) -> tuple[Desk, Desk, Phone]:
    """Who writes, who reviews, and somebody who asks; the entry is live as it was at first."""
    first = entry(
        ENTRY,
        "抹灰工培训怎么报名",
        category=Category.TRAINING,
        questions=("抹灰工培训报名", QUESTION, "抹灰工班还招人吗"),
        keywords=("抹灰工", "抹灰班"),
        texts=(Text(OLD),),
    )
    import_entries(program.ctx, [first])
    renew(program.ctx)
    size = request.param
    author, reviewer = (Desk(window(size), program, who, Role.MAINTAINER) for who in ("小周", "小吴"))
    return author, reviewer, Phone(window(), program)


def stolen_questions(victim: Entry | None) -> list[str]:
    """What another entry's contacts ask, a little otherwise put."""
    assert victim
    return [question.rstrip("？?") + "呀" for question in victim.questions[1:5]]


def edits(author: Desk, questions: list[str], *, answer: str, title: str, keywords: str) -> None:
    """Fill the form of the entry and save it as a draft, one line per question."""
    author.opens(f"{HOME}/{ENTRY}/edit")
    page = author.page
    lines = page.locator('input[name="question"]')
    while lines.count() < len(questions):
        page.get_by_role("button", name="再加几行").click()
    for place in range(lines.count()):
        lines.nth(place).fill(questions[place] if place < len(questions) else "")
    page.get_by_label("标准问").fill(title)
    page.get_by_label(re.compile("^关键词")).fill(keywords)
    page.get_by_label(re.compile("^答复（")).fill(answer)
    page.get_by_role("button", name="保存草稿").last.click()
    expect(page.get_by_role("heading", name="草稿（")).to_be_visible()


def submits(author: Desk) -> None:
    author.page.get_by_role("button", name="提交审核").click()
    expect(author.page.get_by_role("heading", name="待审核的修改")).to_be_visible()


def checks(desk: Desk, verdict: str) -> None:
    """Run the check of the open version and wait for what it says."""
    desk.opens(f"{HOME}/{ENTRY}")
    desk.page.get_by_role("link", name="检查和发布").click()
    desk.page.get_by_role("button", name=re.compile("^(开始|重新)检查$")).click()
    expect(desk.page.get_by_role("heading", name=re.compile(f"^{verdict}"))).to_be_visible(timeout=60_000)


def publishes(reviewer: Desk) -> None:
    reviewer.page.get_by_role("button", name="发布这一版").click()
    expect(reviewer.page.get_by_role("heading", name="联系人看到的")).to_be_visible()


def answers(phone: Phone, words: str) -> None:
    """A second after something was published, the bot answers with it."""
    phone.page.wait_for_timeout(1000)
    phone.says(QUESTION)
    phone.hears(words)


def test_a_theft_is_stopped_mended_published_and_taken_back(
    program: Program, maintainers: tuple[Desk, Desk, Phone]
) -> None:
    author, reviewer, phone = maintainers
    victim = program.ctx.brain.entry(VICTIM)
    assert victim
    answers(phone, OLD)

    edits(author, stolen_questions(victim), answer=NEW, title=victim.title[:-1], keywords="压力表\n电子秤")
    submits(author)
    checks(reviewer, "不能发布")
    stolen = reviewer.page.locator("section", has=reviewer.page.get_by_role("heading", name="从其他条目抢走"))
    expect(stolen).to_contain_text(f"{VICTIM} {victim.title}")
    picture(reviewer.page, "gate-blocked")
    assert reviewer.page.get_by_role("button", name="发布这一版").count() == 0
    answers(phone, OLD)

    edits(
        author,
        ["抹灰工培训报名", QUESTION, "抹灰工班还招人吗", "抹灰班周末上课吗"],
        answer=NEW,
        title="抹灰工培训怎么报名",
        keywords="抹灰工\n抹灰班",
    )
    submits(author)
    checks(author, "可以发布")
    expect(author.page.locator("#publish")).to_contain_text("请另一位同事审核发布")
    assert author.page.get_by_role("button", name="发布").count() == 0
    reviewer.opens(f"{HOME}/{ENTRY}")
    reviewer.page.get_by_role("link", name="检查和发布").click()
    publishes(reviewer)
    answers(phone, NEW)

    author.opens(f"{HOME}/{ENTRY}/history")
    picture(author.page, "history")
    author.page.get_by_role("button", name="恢复这一版").click()
    expect(author.page.get_by_role("heading", name="待审核的修改")).to_be_visible()
    checks(reviewer, "可以发布")
    publishes(reviewer)
    answers(phone, OLD)
    reviewer.opens(f"{HOME}/{ENTRY}")
    expect(reviewer.page.locator(".kb-as-seen")).not_to_contain_text("周末")


def test_an_entry_is_edited_without_a_mouse(program: Program, maintainers: tuple[Desk, Desk, Phone]) -> None:
    author, _reviewer, _phone = maintainers
    page = author.page
    author.opens(f"{HOME}?q={ENTRY}")
    enter(page, f'a[href="/admin/knowledge/{ENTRY}"]')
    enter(page, f'a[href="/admin/knowledge/{ENTRY}/edit"]')
    tab_to(page, 'input[name="question"]')
    page.keyboard.press("Enter")  # a new line, where the focus goes
    page.keyboard.type("抹灰工夜班怎么报")
    tab_to(page, 'textarea[name="note"]')
    page.keyboard.type("补一个问法")
    enter(page, "main button:not(.link):not([formnovalidate])")
    expect(page.get_by_role("heading", name="草稿（")).to_be_visible()
    enter(page, "form[action$='/submit'] button")
    expect(page.get_by_role("heading", name="待审核的修改")).to_be_visible()
    enter(page, "a[href$='/gate']")
    enter(page, "form[action$='/gate'] button")
    expect(page.get_by_role("heading", name="可以发布")).to_be_visible(timeout=60_000)
    author.opens(f"{HOME}/{ENTRY}")
    page.get_by_text("放弃这次修改").click()
    page.get_by_role("button", name="放弃修改").click()
    expect(page.locator("#draft")).to_have_count(0, timeout=PATIENCE)
