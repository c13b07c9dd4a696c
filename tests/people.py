"""People who act through the running program, as they would through WeChat."""

import re
import time
from datetime import date
from html import unescape
from typing import Any

import httpx

from bot.app import Program
from bot.channels.simulator.phone import Bubble, Who
from bot.channels.simulator.push import Delivery, Pusher
from bot.store import clocks, delivery, surveys
from intents.categories import Category
from knowledge.library import (
    Agreement,
    Capability,
    Contact,
    Provider,
    ProviderKind,
    ProviderStatus,
    Qualification,
    QualificationKind,
    check_character,
)

_NUMBER = re.compile(r"NQI-(?:[A-Z]-)?\d{4}-\d{6}")
_SEEN = re.compile(r'name="seen" value="([^"]*)"')
_MARKUP = re.compile(r"<a [^>]*>([^<]*)</a>")


def plain(text: str) -> str:
    """A text as it is read: links without their addresses."""
    return _MARKUP.sub(r"\1", text)


class Enterprise:
    """A contact with a phone."""

    def __init__(self, program: Program, openid: str, account: str = "official") -> None:
        assert program.platform is not None
        self.program = program
        self.platform = program.platform
        self.openid = openid
        self.account = account
        self.pusher = Pusher(program.platform, account, f"{program.url}/wechat/{account}")

    def __enter__(self) -> "Enterprise":
        return self

    def __exit__(self, *_: object) -> None:
        self.pusher.close()

    def says(self, text: str) -> str:
        """Write, and read what comes back at once."""
        return self.reads(self.pusher.text(self.openid, text))

    def reads(self, delivery: Delivery) -> str:
        """The reply to a push: passive, or the customer message that follows it in a mini-program."""
        if delivery.shown is not None or self.account == "official":
            return plain(delivery.text)
        return self.waits_for_a_message()

    def taps(self, label: str) -> str:
        """Tap a choice under the last message."""
        for link in self.last().links:
            if link.label == label and link.sends:
                return self.reads(self.pusher.tap(self.openid, *link.sends))
        raise AssertionError(f"no choice {label!r} in {self.last().text!r}")

    def last(self) -> Bubble:
        """The last message of the account."""
        return [bubble for bubble in self.phone() if bubble.who is not Who.CONTACT][-1]

    def phone(self) -> list[Bubble]:
        """All that the phone shows."""
        return self.platform.phone(self.openid)

    def received(self) -> list[str]:
        """All that the account said."""
        return [plain(bubble.text) for bubble in self.phone() if bubble.who is not Who.CONTACT]

    def waits_for_a_message(self, seconds: float = 8.0) -> str:
        """Wait for a message that answers the last thing said."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            bubbles = self.phone()
            if bubbles and bubbles[-1].who is not Who.CONTACT:
                return plain(bubbles[-1].text)
            time.sleep(0.03)
        raise AssertionError(f"nothing came within {seconds} s")

    def registers_need(self, text: str = "想给新出的椰汁做个第三方检测") -> str:
        """Fill in the form to its end and give the number."""
        self.says(text)
        self.says("示例甜水食品有限公司")
        self.says("王经理")
        self.says("13800000000")
        return number_in(self.says("确认提交"))


class Office:
    """Somebody at a provider who opens the link of one referral."""

    def __init__(self, link: str) -> None:
        self.link = link
        self.http = httpx.Client(trust_env=False, timeout=30)

    def __enter__(self) -> "Office":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def sees(self) -> str:
        """The page as it stands now."""
        answer = self.http.get(self.link)
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)

    def acts(self, move: str, **data: str) -> str:
        """Send one of the forms of the page; the page that follows, or the one with the refusal."""
        form = {"move": move, "seen": _SEEN.findall(self.sees())[0], **data}
        return unescape(self.http.post(self.link, data=form, follow_redirects=True).text)


def drinks_tester(which: int, **changes: Any) -> Provider:
    """A provider that tests drinks; the lower its number, the better its place."""
    code = f"91999999{which:09d}"
    given: dict[str, Any] = {
        "number": f"P-{which}",
        "name": f"示例{'甲乙丙丁戊'[which - 1]}检测中心",
        "kind": ProviderKind.TESTING,
        "credit_code": code + check_character(code),
        "region": "海口市",
        "service_regions": ("海南省",),
        "contacts": (Contact("示例联系人", "业务", "0898-66660001"),),
        "email": f"p{which}@example.com",
        "qualifications": (
            Qualification(QualificationKind.CMA, "210000000000", valid_until=date(2028, 12, 31)),
        ),
        "capabilities": (
            Capability(Category.TESTING, "椰汁、饮料", "GB 7101", "全项检验", QualificationKind.CMA, 5),
        ),
        "agreement": Agreement("示例协议1", date(2026, 1, 1)),
        "status": ProviderStatus.ACTIVE,
    }
    return Provider(**{**given, **changes})


def settle(program: Program, seconds: float = 20.0) -> None:
    """Wait until the worker has done all that is due by the program's clock."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = program.ctx.clock.now()
        with program.ctx.read() as session:
            if not (
                clocks.due_timers(session, now=now, limit=1)
                or surveys.due_surveys(session, now=now, limit=1)
                or delivery.due_messages(session, now=now, limit=1)
            ):
                return
        program.worker.poke("outbox")
        time.sleep(0.02)
    raise AssertionError(f"the worker has not done its work within {seconds} s")


def number_in(text: str) -> str:
    """The ticket's number in a reply."""
    found = _NUMBER.search(text)
    assert found, f"no number in {text!r}"
    return found[0]
