"""The simulator and the staff pages in a real Chromium."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bot.actions.accounts import create_first_administrator
from bot.app import Program
from bot.serving import running
from bot.settings import Settings

CHROMIUM = os.environ.get("TEST_CHROMIUM", "")
pytestmark = [
    pytest.mark.chromium,
    pytest.mark.xdist_group("chromium"),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium fonts-noto-cjk"),
]
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield found
        found.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, str]]:
    """A server of its own and the administrator's one-time password."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("browser"), simulator=True, log_level="error")
    with running(settings) as program:
        password = create_first_administrator(program.ctx)
        assert password
        yield program, password


@pytest.fixture(params=[(1440, 900), (390, 844)], ids=["desktop", "phone"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
    found = context.new_page()
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    yield found
    context.close()
    assert problems == []


def say(page: Page, text: str) -> None:
    page.get_by_label("消息").fill(text)
    page.keyboard.press("Enter")


def last(page: Page) -> str:
    return page.locator("#talk li:not(.mine):not(.note)").last.inner_text()


def hears(page: Page, pattern: str) -> None:
    expect(page.locator("#talk li:not(.mine):not(.note)").last).to_contain_text(
        re.compile(pattern), timeout=10_000
    )


def test_ask_get_an_answer_run_the_form_and_query_progress(page: Page, place: tuple[Program, str]) -> None:
    page.goto(f"{place[0].url}/simulator/")
    say(page, "压力表多久检一次？")
    hears(page, "依据：《")
    page.locator("#talk a", has_text="有帮助").last.click()
    hears(page, "感谢反馈")
    say(page, "想给新出的椰汁做个第三方检测")
    hears(page, "企业名称")
    say(page, "示例甜水食品有限公司")
    hears(page, "联系人")
    say(page, "王经理")
    hears(page, "联系电话")
    say(page, "13800000000")
    hears(page, "请核对")
    page.locator("#talk a", has_text="确认提交").last.click()
    hears(page, r"NQI-\d{4}-\d{6}")
    number = re.search(r"NQI-\d{4}-\d{6}", last(page))
    assert number
    say(page, "我的申请")
    hears(page, number[0])
    folder = os.environ.get("TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"simulator-{page.viewport_size['width']}.png"))  # type: ignore[index]
    wide = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert wide, "nothing sticks out sideways"


def test_markup_that_somebody_sends_stays_text(page: Page, place: tuple[Program, str]) -> None:
    page.goto(f"{place[0].url}/simulator/")
    say(page, "<img src=x onerror=alert(1)>")
    expect(page.locator("#talk li.mine").last).to_have_text("<img src=x onerror=alert(1)>")
    assert page.locator("#talk img").count() == 0


def test_the_mini_program_answers_by_later_message(page: Page, place: tuple[Program, str]) -> None:
    page.goto(f"{place[0].url}/simulator/")
    page.get_by_label("小程序客服").check()
    say(page, "压力表多久检一次？")
    hears(page, "依据：《")


def test_the_first_log_in_changes_the_password_and_shows_what_waits(
    browser: Browser, place: tuple[Program, str]
) -> None:
    program, password = place
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{program.url}/admin/")
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码").fill("wrong-password")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不对")
    page.get_by_label("密码").fill(password)
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", name="修改密码")).to_be_visible()
    page.goto(f"{program.url}/admin/")
    expect(page.get_by_role("heading", name="修改密码")).to_be_visible()
    page.get_by_label("原密码").fill(password)
    page.get_by_label("新密码（至少 10 位）").fill("long-enough-2026")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("heading", name="工作台")).to_be_visible()
    expect(page.get_by_text("最近登记")).to_be_visible()
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_role("heading", name="登录")).to_be_visible()
    page.close()
