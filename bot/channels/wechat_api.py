"""Calls to WeChat's API: one HTTP client, one stable token, one circuit, every failure a value."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import httpx
import structlog

from bot.channels.wechat_errors import (
    PAUSE,
    REDACTING,
    ReactionKind,
    failed,
    is_out_of_order,
    reaction,
    redact,
    shows_account_works,
)
from bot.ports import Failed, File, Outcome, Sent
from bot.settings import AccountSettings

_SPARE = 300  # seconds before a token's end at which it counts as gone (protocol 7.2)
_FORCE_EVERY = 300  # seconds between two forced refreshes, over all processes
_RENEW_EVERY = (
    50  # seconds between two renewals of refused tokens, over all processes; less than a circuit's pause
)
_LEASE = 20.0  # seconds after which a worker that fetches a token counts as dead
_POLL = 0.02  # seconds between two looks for the token that another worker fetches
_LONGEST, _TOP = 900.0, 4  # seconds of the longest pause of a circuit, and how many doublings lead there
_MEMORY = 3600.0  # seconds that a circuit remembers how often it opened
_PROBE = 10.0  # seconds that one caller has to find out whether the account works again
_SOON = 2.0  # seconds that the others wait meanwhile
_DOWNLOAD = 60.0  # seconds that a file may take altogether
_ANSWER_BYTES = 8192  # of an answer that stands in place of a file
_ANSWERS = frozenset({"application/json", "text/plain", "text/json", ""})
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_T = TypeVar("_T")
log = structlog.get_logger()


class TokenStore(Protocol):
    """Keeps tokens and the state of circuits for all who share it; forgets them when their time is over."""

    def get(self, key: str) -> str | None:
        """The token, if there is one that still lives."""
        ...

    def left(self, key: str) -> float:
        """For how many seconds it still lives; 0 when there is none."""
        ...

    def put(self, key: str, token: str, *, seconds: float) -> None:
        """Keep the token for so long."""
        ...

    def drop(self, key: str, token: str) -> None:
        """Forget the token, unless another has taken its place."""
        ...

    def claim(self, key: str, *, seconds: float) -> bool:
        """True for the first caller, and again when the seconds are over or the claim is given up."""
        ...

    def release(self, key: str) -> None:
        """Give up the claim."""
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

    def left(self, key: str) -> float:
        """For how many seconds it still lives; 0 when there is none."""
        with self._lock:
            known = self._tokens.get(key)
            return max(known[1] - self._seconds(), 0.0) if known else 0.0

    def put(self, key: str, token: str, *, seconds: float) -> None:
        """Keep the token for so long."""
        with self._lock:
            self._tokens[key] = (token, self._seconds() + seconds)

    def drop(self, key: str, token: str) -> None:
        """Forget the token, unless another has taken its place."""
        with self._lock:
            if self._tokens.get(key, ("", 0.0))[0] == token:
                self._tokens.pop(key, None)

    def claim(self, key: str, *, seconds: float) -> bool:
        """True for the first caller, and again when the seconds are over or the claim is given up."""
        with self._lock:
            now = self._seconds()
            if key in self._claims and now < self._claims[key]:
                return False
            self._claims[key] = now + seconds
            return True

    def release(self, key: str) -> None:
        """Give up the claim."""
        with self._lock:
            self._claims.pop(key, None)


class Circuit:
    """Whether calls of one account make sense now; all who share the store share it."""

    def __init__(self, app_id: str, store: TokenStore) -> None:
        self._app_id = app_id
        self._store = store
        self._open, self._level = f"circuit:{app_id}", f"circuit-level:{app_id}"

    def shut(self) -> Failed | None:
        """Why no call may be made now, with the seconds until one may."""
        left = self._store.left(self._open)
        return replace(failed("circuit-open", "the account is left alone"), pause=left) if left > 0 else None

    def refusal(self) -> Failed | None:
        """The same for a call about to be made; after a pause one caller at a time finds out how things are."""
        refusal, level = self.shut(), self._store.get(self._level)
        if refusal is None and level is not None:
            if self._store.claim(f"{self._open}:probe:{level}", seconds=_PROBE):
                return None
            return replace(failed("circuit-open", "another caller finds out"), pause=_SOON)
        return refusal

    def open(self, failure: Failed) -> Failed:
        """No more calls for a while, longer each time; rings the alarm once. The failure with its pause."""
        level = int(self._store.get(self._level) or 0)
        seconds = min(PAUSE * 2**level, _LONGEST)
        if self.shut() is None:
            # Everybody who fails shuts it, so that nobody's next call slips through; the first one counts. In this
            # order: who sees the new level must see the pause too, else one failure would count twice.
            self._store.put(self._open, "open", seconds=seconds)
            if self._store.claim(f"{self._open}:{level}", seconds=seconds):
                self._store.put(self._level, str(min(level + 1, _TOP)), seconds=seconds + _MEMORY)
                self._ring(failure, seconds)
        return replace(failure, pause=self._store.left(self._open) or seconds)

    def _ring(self, failure: Failed, seconds: float) -> None:
        log.error(
            "account out of order",
            app_id=self._app_id,
            code=failure.code,
            detail=failure.detail,
            seconds=seconds,
        )

    def close(self) -> None:
        """The account works."""
        level = self._store.get(self._level)
        if level is None:
            return
        self._store.drop(self._level, level)
        self._store.drop(self._open, "open")
        for number in range(_TOP + 1):
            self._store.release(f"{self._open}:{number}")
            self._store.release(f"{self._open}:probe:{number}")
        log.info("account works again", app_id=self._app_id)


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
        self.account = account
        self._base = base.rstrip("/")
        self._tokens: TokenStore = tokens if tokens is not None else MemoryTokenStore()
        self._circuit = Circuit(account.app_id, self._tokens)
        # Plain http is the local platform: no proxy stands before that.
        self._http = http or httpx.Client(
            timeout=httpx.Timeout(5.0, connect=3.0), trust_env=self._base.startswith("https://")
        )
        # httpx writes whole addresses, tokens included, at level INFO.
        logging.getLogger("httpx").addFilter(REDACTING)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def send(self, path: str, body: Mapping[str, Any]) -> Outcome:
        """POST a message; the detail of success is the platform's id for it, where it gives one."""
        answer = self.call(path, body)
        return answer if isinstance(answer, Failed) else Sent(str(answer.get("msgid", "")))

    def call(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any] | Failed:
        """POST the body as JSON with the token: what the platform answers, or why not.

        Two attempts at most, the second with another token. When the account is out of order, it is left
        alone for a minute, then for longer: the failures of that time have a `pause`.
        """
        return self._authorised(lambda token: self._post(path, body, {"access_token": token}))

    def upload(self, kind: str, file: tuple[str, bytes, str]) -> Mapping[str, Any] | Failed:
        """Give the platform a file (name, bytes, media type) that a message may carry for three days (protocol 8.8)."""

        def attempt(token: str) -> Mapping[str, Any] | Failed:
            address, query = f"{self._base}/cgi-bin/media/upload", {"access_token": token, "type": kind}
            return self._guarded(
                lambda: _read(self._http.post(address, params=query, files={"media": file})), secrets=[token]
            )

        return self._authorised(attempt)

    def fetch(self, media_id: str, *, most: int) -> File | Failed:
        """A file that a contact sent, of at most so many bytes (protocol 8.8)."""
        return self._authorised(lambda token: self._file(media_id, token, most))

    def token(self, *, instead_of: str = "") -> str | Failed:
        """The token kept, or a new one when there is none or it is the refused one; all who need it share one call."""
        lease = f"lease:{self.account.app_id}"
        for _ in range(int(_LEASE / _POLL)):
            kept = self._kept(instead_of)
            if kept:
                return kept
            if self._tokens.claim(lease, seconds=_LEASE):
                try:
                    # Another may have been here between the look and the claim.
                    return self._kept(instead_of) or self._circuit.shut() or self._renewed(instead_of)
                finally:
                    self._tokens.release(lease)
            time.sleep(_POLL)
        return failed("timeout", "another worker's token did not come")

    def _authorised(self, attempt: Callable[[str], _T | Failed]) -> _T | Failed:
        refusal = self._circuit.refusal()
        if refusal is not None:
            return refusal
        token = self.token()
        if isinstance(token, Failed):
            return token
        answer = attempt(token)
        if isinstance(answer, Failed) and reaction(answer.code).kind is ReactionKind.REFRESH:
            newer = self.token(instead_of=token)
            if isinstance(newer, str):
                answer = attempt(newer)
            elif reaction(newer.code).kind is ReactionKind.ACCOUNT:
                answer = newer
        return self._noted(answer)

    def _noted(self, answer: _T | Failed) -> _T | Failed:
        """The answer, after the circuit has learnt from it; what tells nothing about the account leaves it as it is."""
        if not isinstance(answer, Failed) or shows_account_works(answer.code):
            self._circuit.close()
        elif answer.code != "circuit-open" and is_out_of_order(answer.code):
            return self._circuit.open(answer)
        return answer

    def _kept(self, refused: str) -> str | None:
        token = self._tokens.get(self.account.app_id)
        return token if token != refused else None

    def _renewed(self, refused: str) -> str | Failed:
        """A token other than the refused one; by force only if the platform insists on that one."""
        app_id = self.account.app_id
        if not refused:
            return self._fetched(force=False)
        if not self._tokens.claim(f"renew:{app_id}", seconds=_RENEW_EVERY):
            return failed("40001", "the token that came a moment ago is refused too")
        self._tokens.drop(app_id, refused)
        token = self._fetched(force=False)
        if token == refused and self._tokens.claim(f"force:{app_id}", seconds=_FORCE_EVERY):
            token = self._fetched(force=True)
        return token if token != refused else failed("40001", "the platform insists on the refused token")

    def _fetched(self, *, force: bool) -> str | Failed:
        account = self.account
        if not account.app_secret:
            return self._circuit.open(failed("no-secret", "the account's secret is not set"))
        body = {
            "grant_type": "client_credential",
            "appid": account.app_id,
            "secret": account.app_secret,
            "force_refresh": force,
        }
        answer = self._post("/cgi-bin/stable_token", body, {})
        if isinstance(answer, Failed):
            log.warning("no token", app_id=account.app_id, code=answer.code, alarm=answer.alarm)
            return self._circuit.open(answer) if is_out_of_order(answer.code) else answer
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(seconds, int):
            return failed("not-json", "an answer without a token")
        self._tokens.put(account.app_id, token, seconds=max(seconds - _SPARE, 30))
        return token

    def _post(
        self, path: str, body: Mapping[str, Any], query: Mapping[str, str]
    ) -> Mapping[str, Any] | Failed:
        # Escaped texts would arrive as literal \uXXXX (protocol 4.2).
        content = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        return self._guarded(
            lambda: _read(
                self._http.post(f"{self._base}{path}", params=dict(query), content=content, headers=_JSON)
            ),
            secrets=query.values(),
        )

    def _file(self, media_id: str, token: str, most: int) -> File | Failed:
        query = {"access_token": token, "media_id": media_id}

        def ask() -> File | Failed:
            found = self._download(f"{self._base}/cgi-bin/media/get", query, most)
            said = _said(found) if isinstance(found, File) else None
            if said is None:
                return found if isinstance(found, Failed) or len(found.content) <= most else _too_large(most)
            if "video_url" not in said:
                return _refused(said) or failed("no-file", "an answer that is neither file nor error")
            url = httpx.URL(str(said["video_url"]))
            # Anything else would let a forged answer lead us about, or bring the video in the clear.
            if url.scheme != "https" and _origin(url) != _origin(httpx.URL(self._base)):
                return failed("no-file", f"a video that is not followed to {url.scheme}://{url.host}")
            return self._download(str(url), {}, most, is_answer_possible=False)

        return self._guarded(ask, secrets=[token])

    def _download(
        self, url: str, query: Mapping[str, str], most: int, *, is_answer_possible: bool = True
    ) -> File | Failed:
        """What stands there, read piece by piece: no more than `most` bytes are ever kept."""
        ends = time.monotonic() + _DOWNLOAD
        # Unpacking could make any number of bytes of a few.
        headers = {"Accept-Encoding": "identity"}
        with self._http.stream("GET", url, params=dict(query) or None, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                return failed(f"http-{response.status_code}", "no file")
            if response.headers.get("content-encoding", "identity") != "identity":
                return failed("no-file", "a packed answer")
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            room = max(most, _ANSWER_BYTES) if is_answer_possible and media_type in _ANSWERS else most
            content = bytearray()
            for piece in response.iter_bytes():
                if len(content) + len(piece) > room:
                    return _too_large(most)
                if time.monotonic() > ends:
                    return failed("timeout", "the file did not end")
                content += piece
        return File(bytes(content), media_type or "application/octet-stream")

    def _guarded(self, ask: Callable[[], _T | Failed], *, secrets: Iterable[str]) -> _T | Failed:
        """The answer; what the network does becomes a value, and no secret stands in it."""
        answer: _T | Failed
        try:
            answer = ask()
        except httpx.TimeoutException as error:
            answer = failed("timeout", type(error).__name__)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            answer = failed("network", f"{type(error).__name__}: {error}")
        if isinstance(answer, Failed):
            return replace(answer, detail=redact(answer.detail, self.account.app_secret, *secrets))
        return answer


def _read(response: httpx.Response) -> Mapping[str, Any] | Failed:
    if response.status_code != httpx.codes.OK:
        return failed(f"http-{response.status_code}", response.text[:200])
    answer = _object(response.content)
    return failed("not-json", response.text[:200]) if answer is None else _refused(answer) or answer


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refused(answer: Mapping[str, Any]) -> Failed | None:
    code = str(answer.get("errcode", 0))
    return None if code == "0" else failed(code, str(answer.get("errmsg", "")))


def _said(file: File) -> dict[str, Any] | None:
    """What the platform says in place of a file; None when it is one."""
    if file.media_type not in _ANSWERS or len(file.content) > _ANSWER_BYTES:
        return None
    said = _object(file.content)
    return said if said is not None and said.keys() & {"errcode", "video_url"} else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _too_large(most: int) -> Failed:
    return failed("too-large", f"more than {most} bytes")
