"""Staff and enterprises in real browsers: take over, talk, lose the network, hand back; by keyboard; and axe's rules."""

import re
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, Route, expect

from bot.app import Program
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from bot.store.conversations import Conversation, Message
from tests.conftest import always_open
from tests.staff import PASSWORD, StaffMember
from tests.stories.browsers import (  # noqa: F401 - fixtures
    DESKTOP,
    MARKS,
    PATIENCE,
    PHONE,
    Desk,
    Phone,
    Window,
    Windows,
    chromium,
    enter,
    picture,
    tab_to,
    windows,
)

pytestmark = MARKS
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
ASKED = "请问电梯限速器的检测找谁做"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("console-story"), simulator=True, log_level="error")
    with running(settings) as found:
        always_open(found)
        yield found


def newest_talk(program: Program) -> int:
    with program.ctx.read() as session:
        return session.execute(sa.select(sa.func.max(Conversation.id))).scalar_one()


def stored(program: Program, talk: int) -> list[tuple[int, str, str]]:
    """The whole transcript as it was written down: id, whose, words."""
    with program.ctx.read() as session:
        query = sa.select(Message).where(Message.conversation_id == talk).order_by(Message.id)
        return [
            (
                row.id,
                "in" if row.is_inbound else "note" if row.is_note else "staff" if row.author else "bot",
                row.text,
            )
            for row in session.scalars(query)
        ]


@pytest.fixture
def waiting(program: Program, window: Windows) -> Iterator[tuple[Phone, int]]:
    """An enterprise that has asked for a human, and its conversation; the queue is empty again at the end."""
    phone = Phone(window(), program)
    phone.says(ASKED)
    phone.says("转人工")
    phone.hears("已为您转接工作人员")
    talk = newest_talk(program)
    yield phone, talk
    with program.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Conversation).values(holder="bot", staff_id=None, waiting_since=None))


def takes(desk: Desk, talk: int) -> None:
    desk.opens_chat(talk)
    desk.page.get_by_role("button", name="接待", exact=True).click()
    expect(desk.page.locator(".chat-state")).to_contain_text("由您接待")


def is_complete(desk: Desk, program: Program, talk: int) -> None:
    """The page holds every message once and in order, as it is stored, without having been loaded anew."""
    rows = stored(program, talk)
    expect(desk.page.locator(".lines > li")).to_have_count(len(rows), timeout=PATIENCE)
    assert desk.ids() == [number for number, _, _ in rows]
    live = desk.transcript()
    assert [side for side, _ in live] == [side for _, side, _ in rows]
    desk.page.reload()
    assert desk.transcript() == live, "the live page is what a fresh one shows"


def test_an_enterprise_and_staff_talk_and_the_bot_takes_over_again(program: Program, window: Windows) -> None:
    desk = Desk(window(), program, "小李")
    desk.opens("/console")
    phone = Phone(window(), program)
    phone.says(ASKED)
    phone.says("转人工")
    phone.hears("已为您转接工作人员")
    talk = newest_talk(program)

    expect(desk.page).to_have_title(re.compile(r"^\(1\) "), timeout=PATIENCE)
    row = desk.page.locator(f'.inbox a[href^="/admin/console/{talk}?"]')
    expect(row).to_contain_text("刚来", timeout=PATIENCE)
    row.click()
    desk.page.get_by_role("button", name="接待", exact=True).click()
    expect(desk.page.locator(".chat-state")).to_contain_text("由您接待")
    phone.hears(f"工作人员{desk.name}为您服务")

    phone.says("是一台老电梯")
    desk.sees("是一台老电梯")
    desk.writes("请问电梯在哪个市县？")
    phone.hears("请问电梯在哪个市县？")
    expect(desk.line("请问电梯在哪个市县？").locator(".line-state")).to_contain_text(
        "已送达微信", timeout=PATIENCE
    )
    desk.writes("对方比较着急，先问清地点", "内部备注")
    expect(desk.page.locator(".lines > li.note")).to_contain_text("先问清地点", timeout=PATIENCE)

    phone.sends_a_picture()
    expect(desk.page.locator(".lines > li.in img")).to_have_count(1, timeout=PATIENCE)
    desk.page.locator(".chat-picture summary").click()
    desk.page.get_by_label("选择图片").set_input_files(
        {"name": "示例.png", "mimeType": "image/png", "buffer": PNG}
    )
    desk.page.get_by_role("button", name="发送图片").click()
    expect(desk.page.locator(".lines > li.staff img")).to_have_count(1, timeout=PATIENCE)
    drawn = "(one) => one.decode().then(() => one.naturalWidth)"
    assert desk.page.locator(".lines > li.staff img").evaluate(drawn) == 1
    phone.hears("[图片]")
    expect(desk.line("已为您转接工作人员")).not_to_contain_text("href")
    picture(desk.page, "console-talk")

    desk.page.get_by_role("button", name="交还机器人").click()
    expect(desk.page.locator(".chat-state")).to_contain_text("智能助手接待")
    phone.hears("人工服务已结束")
    phone.says("压力表多久检一次？")
    phone.hears("依据：《")
    desk.sees("压力表多久检一次？")
    expect(desk.page.locator(".lines > li").last).to_contain_text("依据：《", timeout=PATIENCE)
    is_complete(desk, program, talk)
    assert not [text for text in phone.heard() if "先问清地点" in text], "a note never leaves"
    assert sum("请问电梯在哪个市县" in text for text in phone.heard()) == 1


def test_a_lost_network_loses_and_doubles_nothing(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    phone, talk = waiting
    desk = Desk(window(), program, "小李")
    takes(desk, talk)
    phone.says("第一句")
    desk.sees("第一句")
    desk.writes("第一答")
    phone.hears("第一答")

    desk.window.is_offline(True)
    phone.says("断线时的第二句")
    phone.says("断线时的第三句")
    box = desk.page.locator("textarea[name=text]")
    box.fill("断线时写的答复")
    box.press("Control+Enter")
    expect(desk.page.locator("[data-problem]")).to_contain_text("网络中断", timeout=PATIENCE)
    expect(box).to_have_value("断线时写的答复")
    assert desk.line("断线时的第三句").count() == 0
    desk.window.is_offline(False)

    desk.sees("断线时的第二句")
    desk.sees("断线时的第三句")
    box.press("Control+Enter")
    phone.hears("断线时写的答复")
    expect(box).to_have_value("")
    phone.says("恢复后的第四句")
    desk.sees("恢复后的第四句")
    desk.sees("断线时写的答复")
    is_complete(desk, program, talk)
    assert sum("断线时写的答复" in text for text in phone.heard()) == 1


def test_what_was_said_while_the_answer_was_lost_is_said_once(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    phone, talk = waiting
    desk = Desk(window(), program, "小李")
    takes(desk, talk)

    def swallow(route: Route) -> None:
        route.fetch(max_redirects=0)  # the server has it
        route.abort("connectionreset")  # the page never hears of that

    desk.page.route("**/say?*", swallow, times=1)
    box = desk.page.locator("textarea[name=text]")
    box.fill("只说一次的话")
    box.press("Control+Enter")
    expect(desk.page.locator("[data-problem]")).to_contain_text("网络中断", timeout=PATIENCE)
    box.press("Control+Enter")
    expect(box).to_have_value("", timeout=PATIENCE)
    phone.hears("只说一次的话")
    phone.says("收到")
    desk.sees("收到")
    desk.sees("只说一次的话")
    assert sum("只说一次的话" in text for text in phone.heard()) == 1


def test_a_stream_that_breaks_again_and_again_leaves_no_gap(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    phone, talk = waiting
    desk = Desk(window(), program, "小李")
    takes(desk, talk)
    breaks: list[int] = []

    def cut(route: Route) -> None:
        breaks.append(1)
        route.abort("connectionreset")

    desk.page.route("**/console/events*", cut, times=2)
    desk.page.reload()
    expect(desk.page.get_by_text("连接中断，正在重连")).to_be_visible(timeout=PATIENCE)
    phone.says("重连之前说的话")
    desk.sees("重连之前说的话")
    expect(desk.page.get_by_text("连接中断，正在重连")).to_be_hidden(timeout=PATIENCE)
    assert len(breaks) == 2
    phone.says("重连之后说的话")
    desk.sees("重连之后说的话")
    is_complete(desk, program, talk)


def test_unread_words_are_counted_in_the_list_and_the_title_until_they_are_read(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    phone, talk = waiting
    desk = Desk(window(), program, "小李")
    takes(desk, talk)
    desk.opens("/console?tab=mine")
    assert not desk.page.title().startswith("(")
    phone.says("还在吗")
    phone.says("有消息请告诉我")
    row = desk.page.locator(f'.inbox a[href^="/admin/console/{talk}?"]')
    expect(row.get_by_label("2 条未读")).to_be_visible(timeout=PATIENCE)
    expect(desk.page).to_have_title(re.compile(r"^\(1\) "), timeout=PATIENCE)
    row.click()
    expect(desk.page).not_to_have_title(re.compile(r"^\("), timeout=PATIENCE)
    expect(desk.page.locator(f'.inbox a[href^="/admin/console/{talk}?"] .badge')).to_have_count(0)


def test_of_two_who_take_the_same_chat_at_the_same_instant_one_wins_and_the_other_sees_who(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    phone, talk = waiting
    desks = [Desk(window(), program, who) for who in ("小李", "小陈")]
    for desk in desks:
        desk.opens_chat(talk)
    at = time.time() * 1000 + 1500
    for desk in desks:
        desk.page.evaluate(
            """(at) => setTimeout(() => document.querySelector("form[action*='/claim'] button").click(), at - Date.now())""",
            at,
        )
    for desk in desks:
        expect(desk.page.locator(".chat-state")).to_contain_text(
            re.compile("由您接待|接待中"), timeout=PATIENCE
        )
    mine = ["由您接待" in desk.page.locator(".chat-state").inner_text() for desk in desks]
    assert sorted(mine) == [False, True]
    winner, loser = (desks[0], desks[1]) if mine[0] else (desks[1], desks[0])
    expect(loser.page.locator("[data-problem]")).to_have_text(f"{winner.name}已经接待了这个会话。")
    expect(loser.page.locator(".chat-state")).to_contain_text(f"{winner.name} 接待中")
    assert loser.page.get_by_role("button", name="接待", exact=True).count() == 0
    phone.hears(f"工作人员{winner.name}为您服务")
    assert sum("为您服务" in text for text in phone.heard()) == 1


def test_who_else_looks_and_types_is_shown_to_each(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    _phone, talk = waiting
    li, chen = (Desk(window(), program, who) for who in ("小李", "小陈"))
    takes(li, talk)
    chen.opens_chat(talk)
    expect(li.page.locator(".chat-other")).to_have_text(f"{chen.name} 也在看", timeout=PATIENCE)
    li.page.locator("textarea[name=text]").press_sequentially("正在查")
    expect(chen.page.locator(".chat-other")).to_have_text(f"{li.name} 正在输入…", timeout=PATIENCE)


def test_markup_in_a_message_runs_nowhere(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    phone, talk = waiting
    hostile = "<img src=x onerror=document.title='ran'><script>document.title='ran'</script>\"'><b>粗</b>"
    desk = Desk(window(), program, "小李")
    takes(desk, talk)
    phone.says(hostile)  # arrives on the live page
    desk.sees("onerror=")
    desk.page.reload()  # and on one that is loaded
    assert desk.line("onerror=").locator(".line-body p").inner_text() == hostile
    assert desk.page.locator(".lines .line-body b, .lines script, .lines img").count() == 0
    desk.opens("/console?tab=mine")
    expect(desk.page.locator(".inbox")).to_contain_text("onerror=")
    assert desk.page.locator(".inbox img, .inbox script").count() == 0
    assert "ran" not in desk.page.title()


def log_in_by_keyboard(page: Page, program: Program, who: str) -> None:
    page.goto(f"{program.url}/admin/")
    page.keyboard.type(who)  # the first field has the focus
    tab_to(page, "input[name=password]", most=2)
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="工作台")).to_be_visible()


def test_a_chat_is_handled_without_a_mouse(
    program: Program, window: Windows, waiting: tuple[Phone, int]
) -> None:
    phone, talk = waiting
    who = "示例键盘"
    StaffMember(program, who, Role.STAFF).http.close()
    page = window().page
    log_in_by_keyboard(page, program, who)
    enter(page, 'nav a[href="/admin/console"]')
    expect(page.get_by_role("heading", name="会话", exact=True)).to_be_attached()
    enter(page, f'.inbox a[href^="/admin/console/{talk}?"]')
    expect(page.locator(".chat-state")).to_contain_text("等待人工")
    enter(page, "form[action*='/claim'] button")
    expect(page.locator(".chat-state")).to_contain_text("由您接待")
    tab_to(page, "textarea[name=text]")
    page.keyboard.type("您好，我来帮您看看")
    page.keyboard.press("Control+Enter")
    phone.hears("您好，我来帮您看看")
    expect(page.locator("textarea[name=text]")).to_be_focused()
    enter(page, "form[action*='/hand-back'] button")
    expect(page.locator(".chat-state")).to_contain_text("智能助手接待")
    phone.hears("人工服务已结束")


def test_a_chat_is_handled_on_a_phone(program: Program, window: Windows, waiting: tuple[Phone, int]) -> None:
    phone, talk = waiting
    desk = Desk(window(PHONE), program, "小李")
    desk.opens("/console")
    desk.page.locator(f'.inbox a[href^="/admin/console/{talk}?"]').click()
    desk.page.get_by_role("button", name="接待", exact=True).click()
    expect(desk.page.locator(".chat-state")).to_contain_text("由您接待")
    desk.writes("在手机上也能答复")
    phone.hears("在手机上也能答复")
    expect(desk.page.locator("textarea[name=text]")).to_be_in_viewport()
    picture(desk.page, "console-phone")
    desk.page.get_by_role("link", name="会话列表").click()
    expect(desk.page.locator(".inbox")).to_be_visible()
