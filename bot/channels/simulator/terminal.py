"""`nqi chat`: the simulator in a terminal, through the same encrypted callback."""

import secrets
import threading
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel

from bot.errors import RefusedError

_POLL = 1.0  # seconds between two looks at the phone


def talk(url: str, account: str) -> None:
    """Chat until an empty end of input; /关注 and /图片 do what a phone can do."""
    console = Console()
    phone = _Phone(url.rstrip("/"), account, console)
    console.print(
        "像企业一样发消息，回车发送；/关注 /图片 /语音 /位置 模拟其他动作，Ctrl-D 结束。", style="dim"
    )
    phone.send({"kind": "event", "event": "subscribe" if account == "official" else "user_enter_tempsession"})
    watcher = threading.Thread(target=phone.watch, daemon=True)
    watcher.start()
    try:
        while True:
            phone.send(_meant(console.input("[bold green]> [/]")))
    except (EOFError, KeyboardInterrupt):
        console.print("再见。")
    finally:
        phone.stop()


def _meant(line: str) -> dict[str, str]:
    deeds = {"/图片": "image", "/语音": "voice", "/位置": "location", "/文件": "file"}
    if line.strip() == "/关注":
        return {"kind": "event", "event": "subscribe"}
    if line.strip() in deeds:
        return {"kind": deeds[line.strip()]}
    return {"kind": "text", "text": line}


class _Phone:
    def __init__(self, url: str, account: str, console: Console) -> None:
        self._api = f"{url}/simulator/api/{account}"
        self._user = f"term-{secrets.token_hex(6)}"
        self._console = console
        self._seen = 0
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._http = httpx.Client(timeout=20, trust_env=False)

    def send(self, message: dict[str, str]) -> None:
        """Do it, then show what came back."""
        if message.get("kind") == "text" and not message["text"].strip():
            return
        self._call("send", message)
        self.show()

    def show(self) -> None:
        """Print what is new on the phone."""
        with self._lock:
            query = {"user": self._user, "after": str(self._seen)}
            for bubble in self._call("phone", None, query)["messages"]:
                self._seen = max(self._seen, bubble["id"])
                if not bubble["mine"]:
                    style = "red" if bubble["fault"] else "cyan"
                    self._console.print(
                        Panel(bubble["text"], border_style=style, title="质量服务"), markup=False
                    )

    def watch(self) -> None:
        """Show later messages as they come."""
        while not self._is_over.wait(_POLL):
            self.show()

    def stop(self) -> None:
        """No more looks."""
        self._is_over.set()

    def _call(self, path: str, body: dict[str, str] | None, query: dict[str, str] | None = None) -> Any:
        try:
            if body is None:
                answer = self._http.get(f"{self._api}/{path}", params=query)
            else:
                answer = self._http.post(f"{self._api}/{path}", json={"user": self._user, **body})
        except httpx.HTTPError as error:
            raise RefusedError(
                "chat", f"连不上 {self._api}（{type(error).__name__}）。请确认服务在运行。"
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise RefusedError(
                "chat", f"模拟器没有应答（{answer.status_code}）。请用 NQI_SIMULATOR=true 启动服务。"
            )
        return answer.json()
