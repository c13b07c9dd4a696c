"""Chromium as people use it: windows of their own, an enterprise's phone, a desk of staff, and the rules for all."""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, expect, sync_playwright

from bot.app import Program
from bot.core.permissions import Role
from tests.staff import StaffMember

CHROMIUM = os.environ.get("TEST_CHROMIUM", "")
MARKS = [
    pytest.mark.chromium,
    pytest.mark.xdist_group("chromium"),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium fonts-noto-cjk"),
]
DESKTOP, PHONE = (1440, 900), (390, 844)
_names = itertools.count(1)
PATIENCE = 15_000  # milliseconds: a loaded machine is no fault of the page
_AXE = Path(__file__).parent.parent / "browser" / "axe.min.js"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Said by the browser for every 4xx and lost connection; `Window` judges answers by their status instead.
_OF_THE_NETWORK = "Failed to load resource"
_RULES = """
async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  const bad = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
  return bad.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")} ${node.failureSummary}`));
}
"""


@pytest.fixture(scope="module", name="browser")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of a module."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield found
        found.close()


@dataclass
class Window:
    """A browser context of its own with one page, and what went wrong on it."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda line: self._note(line.type, line.text))
        self.page.on("response", self._judge)

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and not text.startswith(_OF_THE_NETWORK):
            self.problems.append(text)

    def _judge(self, response: Response) -> None:
        if response.status == 404 or response.status >= 500:
            self.problems.append(f"{response.status} {response.url}")

    def is_offline(self, value: bool) -> None:
        """Take the network away, or give it back."""
        self.page.context.set_offline(value)


Windows = Callable[..., Window]


@pytest.fixture(name="window")
def windows(browser: Browser) -> Iterator[Windows]:
    """Open a window; at the end no page may have complained of anything."""
    opened: list[Window] = []

    def open_(size: tuple[int, int] = DESKTOP) -> Window:
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
        opened.append(Window(context.new_page()))
        return opened[-1]

    yield open_
    for one in opened:
        one.page.context.close()
    assert [problem for one in opened for problem in one.problems] == []


# --- people ---


class Phone:
    """An enterprise at the page of the simulator."""

    def __init__(self, window: Window, program: Program) -> None:
        self.window, self.page = window, window.page
        self.page.goto(f"{program.url}/simulator/")

    def says(self, text: str) -> None:
        """Write a message; its bubble stands on the phone."""
        before = self.page.locator("#talk li.mine").count()
        self.page.get_by_label("消息").fill(text)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#talk li.mine")).to_have_count(before + 1, timeout=PATIENCE)

    def sends_a_picture(self) -> None:
        """Send the stand-in picture."""
        self.page.get_by_role("button", name="发图片").click()
        expect(self.page.locator("#talk li.mine").last).to_have_text("[图片]", timeout=PATIENCE)

    def hears(self, words: str | re.Pattern[str]) -> None:
        """The last message of the account holds these words."""
        expect(self.page.locator("#talk li:not(.mine):not(.note)").last).to_contain_text(
            words, timeout=PATIENCE
        )

    def heard(self) -> list[str]:
        """All that the account said, oldest first."""
        return self.page.locator("#talk li:not(.mine):not(.note)").all_inner_texts()


class Desk:
    """Somebody of staff in a browser."""

    def __init__(self, window: Window, program: Program, name: str, role: Role = Role.STAFF) -> None:
        self.window, self.page, self.program = window, window.page, program
        self.name = f"示例{name}{next(_names)}"
        with StaffMember(program, self.name, role) as staff:
            key = staff.http.cookies["nqi_session"]
        # Their session of a moment ago: how one logs in is another story.
        self.page.context.add_cookies([{"name": "nqi_session", "value": key, "url": f"{program.url}/admin"}])

    def opens(self, path: str) -> None:
        """Go to a page under /admin."""
        answer = self.page.goto(f"{self.program.url}/admin{path}")
        assert answer is not None
        assert answer.status == 200, path

    def opens_chat(self, talk: int) -> None:
        """Open a conversation, and wait until the page is live."""
        with self.page.expect_response(re.compile("/admin/console/events")):
            self.opens(f"/console/{talk}")

    def writes(self, text: str, button: str = "发送") -> None:
        """Write into the answer box and press a button; the box is empty once it was taken."""
        box = self.page.locator("textarea[name=text]")
        box.fill(text)
        self.page.get_by_role("button", name=button, exact=True).click()
        expect(box).to_have_value("", timeout=PATIENCE)

    def line(self, text: str) -> Locator:
        """The message of the transcript that holds these words."""
        return self.page.locator(".lines > li", has_text=text)

    def sees(self, text: str, count: int = 1) -> None:
        """The transcript holds these words so many times."""
        expect(self.line(text)).to_have_count(count, timeout=PATIENCE)

    def transcript(self) -> list[tuple[str, str]]:
        """Whose message, and its words, as they stand on the page."""
        return [
            (str(side).removeprefix("line "), str(words))
            for side, words in self.page.evaluate(
                """() => [...document.querySelectorAll(".lines > li")].map((row) => [
                     row.className,
                     row.querySelector(".line-body p[dir]")?.textContent ?? row.querySelector("img")?.tagName ?? "",
                   ])"""
            )
        ]

    def ids(self) -> list[int]:
        """The ids of the transcript's messages in the order of the page."""
        return [
            int(number)
            for number in self.page.evaluate(
                "[...document.querySelectorAll('.lines > li')].map((row) => row.dataset.id)"
            )
        ]


# --- rules ---


def breaks_rules(page: Page) -> list[str]:
    """The serious and critical faults that axe finds, each with its place and reason."""
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(_RULES)
    return found


def sticks_out(page: Page) -> list[str]:
    """What reaches beyond the right edge of a page that scrolls sideways; empty where it does not scroll."""
    found: list[str] = page.evaluate(
        """() => {
          const wide = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= wide) return [];
          const out = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > wide + 1);
          return [`page ${document.documentElement.scrollWidth} of ${wide}`,
                  ...out.slice(0, 5).map((one) => `${one.tagName}.${one.className}`)];
        }"""
    )
    return found


_HELD = """(selector) => document.activeElement.matches(selector)"""
_MARKED = """() => {
  const style = getComputedStyle(document.activeElement);
  return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
}"""


def tab_to(page: Page, selector: str, *, most: int = 120) -> None:
    """Press Tab until the focus is on what the selector names; the focus is to be seen there."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(_HELD, selector):
            assert page.evaluate(_MARKED), f"the focus is not seen on {selector}"
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def enter(page: Page, selector: str) -> None:
    """Go to a link or button by Tab and press Enter; the page that follows is there."""
    tab_to(page, selector)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page where TEST_SCREENSHOTS names a folder."""
    folder = os.environ.get("TEST_SCREENSHOTS")
    size: Any = page.viewport_size
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}-{size['width']}.png"))
