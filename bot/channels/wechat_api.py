"""Calls to WeChat's API: one HTTP client, one stable token, every failure a value."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import httpx
import structlog

from bot.channels.wechat_errors import ReactionKind, failed, reaction
from bot.core.rendering import clean
from bot.ports import Failed, Outcome, Sent
from bot.settings import AccountSettings

TEXT_BYTES = 2048
"""The most that the platform takes as one text, in bytes of UTF-8 (protocol 3.5)."""

_SPARE = 300  # seconds before a token's end at which it counts as gone (protocol 7.2)
_FORCE_EVERY = 300  # seconds between two forced refreshes, over all processes
_SECRET = re.compile(r"((?:access_token|secret|appsecret|js_code|code)=)[^&\s\"']+")
_JSON = {"Content-Type": "application/json; charset=utf-8"}
log = structlog.get_logger()


class TokenStore(Protocol):
    """Keeps tokens for all who share it; forgets them when their time is over."""

    def get(self, key: str) -> str | None:
        """The token, if there is one that still lives."""
        ...

    def put(self, key: str, token: str, *, seconds: float) -> None:
        """Keep the token for so long."""
        ...

    def drop(self, key: str, token: str) -> None:
        """Forget the token, unless another has taken its place."""
        ...

    def claim(self, key: str, *, seconds: float) -> bool:
        """True for the first caller, and again when the seconds are over."""
        ...


class MemoryTokenStore:
    """The token store of one process."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._claims: dict[str, float] = {}

    def get(self, key: str) -> str | None:
        """The token, if there is one that still lives."""
        with self._lock:
            token, until = self._tokens.get(key, ("", 0.0))
            return token if token and self._seconds() < until else None

    def put(self, key: str, token: str, *, seconds: float) -> None:
        """Keep the token for so long."""
        with self._lock:
            self._tokens[key] = (token, self._seconds() + seconds)

    def drop(self, key: str, token: str) -> None:
        """Forget the token, unless another has taken its place."""
        with self._lock:
            if self._tokens.get(key, ("", 0.0))[0] == token:
                del self._tokens[key]

    def claim(self, key: str, *, seconds: float) -> bool:
        """True for the first caller, and again when the seconds are over."""
        with self._lock:
            now = self._seconds()
            if key in self._claims and now < self._claims[key]:
                return False
            self._claims[key] = now + seconds
            return True


class WeChatApi:
    """The API as one account sees it; made for worker threads, which may share it."""

    def __init__(
        self,
        account: AccountSettings,
        *,
        base: str,
        tokens: TokenStore | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """`base` is the platform's address; the default client waits 3 s to connect and 5 s to read."""
        self._account = account
        self._base = base.rstrip("/")
        self._tokens: TokenStore = tokens if tokens is not None else MemoryTokenStore()
        # Plain http is the local platform: no proxy stands before that.
        self._http = http or httpx.Client(
            timeout=httpx.Timeout(5.0, connect=3.0), trust_env=self._base.startswith("https://")
        )
        self._fetching = threading.Lock()
        # httpx writes whole addresses, tokens included, at level INFO.
        logging.getLogger("httpx").addFilter(_REDACTING)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def send_text(self, openid: str, text: str) -> Outcome:
        """Send one customer text."""
        text = clean(text)
        if len(text.encode()) > TEXT_BYTES:
            return failed("45002", f"text of {len(text.encode())} bytes")
        body = {"touser": openid, "msgtype": "text", "text": {"content": text}}
        return _outcome(self.call("/cgi-bin/message/custom/send", body))

    def typing(self, openid: str, *, is_miniprogram: bool = False, is_typing: bool = True) -> Outcome:
        """Show or hide 对方正在输入; best effort, so the outcome is only for the curious."""
        middle = "business/" if is_miniprogram else ""
        body = {"touser": openid, "command": "Typing" if is_typing else "CancelTyping"}
        return _outcome(self.call(f"/cgi-bin/message/custom/{middle}typing", body))

    def call(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
        """POST the body as JSON with the token: what the platform answers, or why not.

        A dead token is fetched anew once, then once more by force if nobody has done so for five minutes.
        """
        answer: Mapping[str, Any] | Failed = failed("40001", "no token was accepted")
        for force in (False, False, True):
            if force and not self._tokens.claim(f"force:{self._account.app_id}", seconds=_FORCE_EVERY):
                break
            token = self.token(force=force)
            if isinstance(token, Failed):
                return token
            answer = self._post(path, body, {"access_token": token})
            if not isinstance(answer, Failed) or reaction(answer.code).kind is not ReactionKind.REFRESH:
                return answer
            self._tokens.drop(self._account.app_id, token)
        log.error("token refused", app_id=self._account.app_id, path=path)
        return answer

    def token(self, *, force: bool = False) -> str | Failed:
        """The token kept, or a new one; threads that need one at once make one call."""
        with self._fetching:
            kept = None if force else self._tokens.get(self._account.app_id)
            return kept or self._fetch(force=force)

    def _fetch(self, *, force: bool) -> str | Failed:
        account = self._account
        if not account.app_secret:
            return failed("no-secret", "the account's secret is not set")
        body = {
            "grant_type": "client_credential",
            "appid": account.app_id,
            "secret": account.app_secret,
            "force_refresh": force,
        }
        answer = self._post("/cgi-bin/stable_token", body, {})
        if isinstance(answer, Failed):
            log.warning("no token", app_id=account.app_id, code=answer.code, alarm=answer.alarm)
            return answer
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            return failed("not-json", "an answer without a token")
        self._tokens.put(account.app_id, token, seconds=max(seconds - _SPARE, 30))
        return token

    def _post(
        self, path: str, body: Mapping[str, Any], query: Mapping[str, str]
    ) -> Mapping[str, Any] | Failed:
        # Escaped texts would arrive as literal \uXXXX (protocol 4.2).
        answer: Mapping[str, Any] | Failed
        content = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        try:
            response = self._http.post(
                f"{self._base}{path}", params=dict(query), content=content, headers=_JSON
            )
        except httpx.TimeoutException as error:
            answer = failed("timeout", type(error).__name__)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            answer = failed("network", f"{type(error).__name__}: {error}")
        else:
            answer = _read(response)
        if isinstance(answer, Failed):
            return replace(answer, detail=redact(answer.detail, self._account.app_secret, *query.values()))
        return answer


def _read(response: httpx.Response) -> Mapping[str, Any] | Failed:
    if response.status_code != httpx.codes.OK:
        return failed(f"http-{response.status_code}", response.text[:200])
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        return failed("not-json", response.text[:200])
    code = str(answer.get("errcode", 0))
    return answer if code == "0" else failed(code, str(answer.get("errmsg", "")))


def _outcome(answer: Mapping[str, Any] | Failed) -> Outcome:
    return answer if isinstance(answer, Failed) else Sent(str(answer.get("msgid", "")))


def redact(text: str, *secrets: str) -> str:
    """The text without these secrets and without the value of any parameter that is one."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _SECRET.sub(r"\1***", text)


class _Redacting(logging.Filter):
    """Takes tokens out of the lines that the HTTP client writes."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


_REDACTING = _Redacting()
