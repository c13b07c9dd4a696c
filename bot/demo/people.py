"""The people of the demonstration: enterprises in the chat, staff in the browser, providers behind their webhooks."""

import queue
import re
import secrets
import time
from collections.abc import Callable
from html import unescape

import httpx

from bot.app import Program
from bot.channels.simulator.phone import Bubble, Who
from bot.channels.simulator.push import Delivery, Pusher
from bot.demo.webhooks import Inbox
from bot.errors import RefusedError
from bot.ports import Clock

Tell = Callable[[str, str], None]
"""Narrate one line: who, and what was said or done."""

_PATIENCE = 30.0  # real seconds until something that must come is missed
_LOGIN_HOURS = 11  # a session ends after twelve
_OPENING = 20  # characters of a reply before the line that matters
_CHOICE = re.compile(r"\d+\. ")
_NUMBER = re.compile(r"NQI-(?:[A-Z]-)?\d{4}-\d{6}")
_MARKUP = re.compile(r"<a [^>]*>([^<]*)</a>")
_FIELD = re.compile(r'name="(csrf|seen)" value="([^"]*)"')
_PROBLEM = re.compile(r'class="problem[^"]*" role="alert">([^<]*)<')
_SUGGESTED = re.compile(r'name="provider" value="([^"]*)"')
_PROMPT = re.compile(r'<p class="big">(.*?)</p>', re.DOTALL)


class DemoError(RefusedError):
    """The demonstration did not see what it expected."""


def check(is_right: bool, expected: str, seen: str = "") -> None:
    """Stop the demonstration where something else happened than expected; says what."""
    if not is_right:
        raise DemoError("demo", f"演示没有得到预期结果：{expected}。实际看到：{seen[:300] or '没有内容'}")


def number_in(text: str) -> str:
    """The ticket's number in a reply."""
    found = _NUMBER.search(text)
    check(found is not None, "回复里有编号", text)
    return found[0] if found else ""


def plain(text: str) -> str:
    """A text of the chat as it is read: links without their addresses."""
    return _MARKUP.sub(r"\1", text)


def _gist(reply: str, words: str) -> str:
    """A reply as it is narrated: its beginning, and the line with these words; choices are left out."""
    lines = [line for line in reply.splitlines() if line and not _CHOICE.match(line)]
    place = next((number for number, line in enumerate(lines) if words in line), 0)
    return " ".join(lines) if place == 0 else f"{lines[0][:_OPENING]} … {' '.join(lines[place:])}"


class Phone:
    """An enterprise's person with WeChat on their phone."""

    def __init__(self, program: Program, tell: Tell, *, name: str, openid: str) -> None:
        assert program.platform is not None, "the demonstration runs with the simulator"
        self.name = name
        self._tell = tell
        self._openid = openid
        self._platform = program.platform
        self._pusher = Pusher(program.platform, "official", f"{program.url}/wechat/official")

    def close(self) -> None:
        """Put the phone away."""
        self._pusher.close()

    def says(self, text: str, *, expects: str) -> str:
        """Write, and read what comes back at once; the reply must hold these words."""
        self._tell(self.name, f"“{text}”")
        return self._reads(self._pusher.text(self._openid, text), expects)

    def taps(self, label: str, *, expects: str) -> str:
        """Tap a choice under the last message of the account."""
        links = (link for bubble in reversed(self._received()) for link in bubble.links)
        found = next((link.sends for link in links if link.label == label and link.sends), None)
        check(found is not None, f"可以点选“{label}”", self._received()[-1].text)
        self._tell(self.name, f"点选【{label}】")
        return self._reads(self._pusher.tap(self._openid, *found or ("", "")), expects)

    def hears(self, words: str) -> str:
        """Wait for a message of the account that holds these words."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            for bubble in self._received():
                if words in plain(bubble.text):
                    self._tell("智能助手", f"→ {self.name}：{plain(bubble.text)}")
                    return plain(bubble.text)
            time.sleep(0.02)
        raise DemoError("demo", f"演示没有得到预期结果：{self.name}应收到含“{words}”的消息。")

    def _reads(self, delivery: Delivery, expects: str) -> str:
        reply = plain(delivery.text)
        self._tell("智能助手", _gist(reply, expects))
        check(expects in reply, f"回复中有“{expects}”", reply)
        return reply

    def _received(self) -> list[Bubble]:
        return [bubble for bubble in self._platform.phone(self._openid) if bubble.who is not Who.CONTACT]


class Desk:
    """A member of staff who works in the browser."""

    def __init__(self, program: Program, tell: Tell, *, name: str, password: str) -> None:
        self.name = name
        self._tell = tell
        self._clock: Clock = program.ctx.clock
        self._http = httpx.Client(base_url=program.url, trust_env=False, timeout=_PATIENCE)
        self._password = secrets.token_urlsafe(12)
        self._log_in(password)
        self._post("/admin/password", {"old": password, "new": self._password}, page="/admin/password")

    def close(self) -> None:
        """Close the browser."""
        self._http.close()

    def sees(self, path: str, expects: str = "") -> str:
        """A page under /admin/, which must hold these words."""
        if (self._clock.now() - self._since).total_seconds() > _LOGIN_HOURS * 3600:
            self._log_in(self._password)
        answer = self._http.get(path)
        text = unescape(answer.text)
        check(answer.status_code == 200 and expects in text, f"{path} 中有“{expects}”", _problem(text))
        return text

    def steps(self, number: str, move: str, what: str, **data: str) -> None:
        """Make a move on the page of a ticket."""
        self.posts(f"/admin/tickets/{number}/steps", {"move": move, **data}, what, page=_page(number))

    def refers(self, number: str) -> str:
        """Refer a need to the first of the suggested providers; gives the provider's number."""
        found = _SUGGESTED.search(self.sees(_page(number)))
        check(found is not None, "有可以转介的机构")
        provider = found[1] if found else ""
        what = f"{number} 转给排名第一的机构 {provider}"
        self.posts(f"/admin/tickets/{number}/referrals", {"provider": provider}, what, page=_page(number))
        return provider

    def posts(self, path: str, data: dict[str, str], what: str, *, page: str) -> str:
        """Open a page, send one of its forms, and narrate it; gives the page that answers."""
        found = self._post(path, data, page=page)
        self._tell(self.name, what)
        return found

    def _post(self, path: str, data: dict[str, str], *, page: str) -> str:
        answer = self._http.post(path, data={**dict(_FIELD.findall(self.sees(page))), **data})
        text = unescape(answer.text)
        check(answer.status_code in (200, 303), f"{self.name}提交 {path} 成功", _problem(text))
        return text

    def _log_in(self, password: str) -> None:
        self._since = self._clock.now()
        answer = self._http.post("/admin/login", data={"name": self.name, "password": password})
        check(answer.status_code == 303, f"{self.name}登录成功", _problem(answer.text))


class Office:
    """A provider's office: it knows what its webhook brought, and acts on the page behind the link, without an account."""

    def __init__(self, tell: Tell, *, name: str, inbox: Inbox) -> None:
        self.name = name
        self._inbox = inbox
        self._tell = tell
        self._http = httpx.Client(trust_env=False, timeout=_PATIENCE)
        self._link = ""

    def close(self) -> None:
        """Close the browser."""
        self._http.close()

    def receives(self, event: str) -> None:
        """Wait for a webhook of that event, and open the link that it brings."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            try:
                message = self._inbox.messages.get(timeout=0.1)
            except queue.Empty:
                continue
            if message["type"] == event:
                data = message["data"]
                self._tell(self.name, f"接口收到通知 {event}，签名有效，需求 {data['number']}")
                self._link = data.get("link", "") or self._link
                return
        raise DemoError("demo", f"演示没有得到预期结果：{self.name}应收到通知 {event}。")

    def reads(self) -> None:
        """Open the page and read what is wanted."""
        found = _PROMPT.search(self._opens())
        check(found is not None, "办理页面写明要做什么")
        self._tell(self.name, f"打开链接：{re.sub('<[^>]+>', '', found[1]) if found else ''}")

    def acts(self, move: str, what: str, **data: str) -> None:
        """Send one of the forms of the page."""
        seen = dict(_FIELD.findall(self._opens()))
        self._sent(self._http.post(self._link, data={**seen, "move": move, **data}))
        self._tell(self.name, what)

    def uploads(self, name: str, content: bytes) -> None:
        """Attach a file on the page."""
        self._sent(self._http.post(f"{self._link}/files", files={"file": (name, content)}))
        self._tell(self.name, f"上传结果文件《{name}》")

    def _opens(self) -> str:
        answer = self._http.get(self._link)
        check(answer.status_code == 200, f"{self.name}能打开链接", _problem(unescape(answer.text)))
        return unescape(answer.text)

    def _sent(self, answer: httpx.Response) -> None:
        check(answer.status_code == 303, f"{self.name}办理成功", _problem(unescape(answer.text)))


def _page(number: str) -> str:
    return f"/admin/tickets/{number}"


def _problem(text: str) -> str:
    """The reason of a refusal, else the beginning of the page as it is read."""
    found = _PROBLEM.search(text)
    return found[1] if found else " ".join(re.sub("<[^>]+>", " ", text).split())
