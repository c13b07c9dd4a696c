"""People who act through the running program, as they would through WeChat."""

import re
import time

from bot.app import Program
from bot.channels.simulator.phone import Bubble, Who
from bot.channels.simulator.push import Delivery, Pusher

_NUMBER = re.compile(r"NQI-(?:[A-Z]-)?\d{4}-\d{6}")
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


def number_in(text: str) -> str:
    """The ticket's number in a reply."""
    found = _NUMBER.search(text)
    assert found, f"no number in {text!r}"
    return found[0]
