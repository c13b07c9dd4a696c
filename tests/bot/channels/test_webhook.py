"""Our webhooks and SMS against a real HTTP server on loopback: signed, bounded, and never sent inward."""

import base64
import gzip
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.webhook import (
    ANSWER_BYTES,
    DELAYS,
    SmsSender,
    WebhookSender,
    addresses_of,
    is_public,
    signature,
)
from bot.core.reach import Channel
from bot.ports import Failed, Parcel, Sent
from tests.bot.channels.test_mail import self_signed
from tests.make import NOON, SetClock

SECRET = b"\x01example secret of a provider\xff"
PARCEL = Parcel(
    key="notice:17",
    channel=Channel.WEBHOOK,
    address="https://jigou.example/hook",
    text="新的转介",
    extras={
        "event": "referral.opened",
        "data": {"number": "NQI-2026-000001", "单位": "示例"},
        "secret_of": "7",
    },
)


@dataclass
class Request:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """What the server answers, and what it was sent."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    silent_for: float = 0.0
    breaks_off: bool = False
    requests: list[Request] = field(default_factory=list)
    written: int = 0
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


class _Handler(BaseHTTPRequestHandler):
    hook: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hook.requests.append(Request(self.path, headers, body))
        time.sleep(self.hook.silent_for)
        if self.hook.breaks_off:
            self.close_connection = True
            return
        self.send_response(self.hook.status)
        for name, value in self.hook.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for start in range(0, len(self.hook.body), 8192):
                self.wfile.write(self.hook.body[start : start + 8192])
                self.hook.written = start
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests read what was recorded."""


@contextmanager
def served(hook: Hook, tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    handler = type("Handler", (_Handler,), {"hook": hook})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # Waiting for the handlers at the end keeps a late one out of the next test.
    server.daemon_threads = False
    if tls is not None:
        # The handshake belongs to the handler's thread: a client that walks out of it must not stop the server.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sender(
    *, resolve=addresses_of, is_insecure_allowed: bool = True, read: float = 5.0, clock=None
) -> WebhookSender:
    return WebhookSender(
        lambda name: SECRET if name == "7" else b"",
        clock or SetClock(),
        is_insecure_allowed=is_insecure_allowed,
        resolve=resolve,
        timeout=httpx.Timeout(read, connect=2.0),
    )


def sent(hook: Hook, **changes):
    return sender(**changes).send(replace(PARCEL, address=hook.address))


def test_the_signature_is_that_of_the_specification():
    """The worked example of the Standard Webhooks reference implementations."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(
        secret, id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_arrives_signed():
    with served(Hook()) as hook:
        assert sent(hook) == Sent("http-204")
    (request,) = hook.requests
    assert request.path == "/hook"
    assert json.loads(request.body) == {
        "type": "referral.opened",
        "timestamp": "2026-11-21T04:00:00Z",
        "data": PARCEL.extras["data"],
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{hook.port}"
    assert request.headers["webhook-id"] == PARCEL.key
    moment = request.headers["webhook-timestamp"]
    assert moment == str(int(NOON.timestamp()))
    signed = f"{PARCEL.key}.{moment}.".encode() + request.body
    digest = hmac.new(SECRET, signed, hashlib.sha256).digest()
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_a_repetition_has_the_same_id_and_a_time_of_its_own():
    clock = SetClock()
    with served(Hook()) as hook:
        webhooks = sender(clock=clock)
        for _ in range(2):
            webhooks.send(replace(PARCEL, address=hook.address))
            clock.move(seconds=30)
    first, second = (request.headers for request in hook.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 30
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(
    ("status", "is_permanent", "alarm"),
    [
        (410, True, False),
        (400, True, True),
        (401, True, True),
        (404, True, True),
        (304, True, True),
        (408, False, False),
        (429, False, False),
        (500, False, False),
        (503, False, False),
    ],
)
def test_statuses_become_outcomes(status, is_permanent, alarm):
    with served(Hook(status, body="没有\x00这个  地址".encode())) as hook:
        outcome = sent(hook)
    assert outcome == Failed(
        code=f"http-{status}",
        detail="" if status == 304 else "没有这个 地址",
        is_permanent=is_permanent,
        alarm=alarm,
        delays=() if is_permanent else DELAYS,
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with served(Hook()) as inner, served(Hook(status, {"location": inner.address})) as hook:
        outcome = sent(hook)
    assert (outcome.code, outcome.is_permanent, outcome.alarm) == (f"http-{status}", True, True)
    assert (len(hook.requests), inner.requests) == (1, [])


def test_a_slow_answer_is_tried_again():
    with served(Hook(silent_for=0.5)) as hook:
        outcome = sent(hook, read=0.1)
    assert (outcome.code, outcome.is_permanent, outcome.delays) == ("timeout", False, DELAYS)


def test_a_broken_answer_is_tried_again():
    with served(Hook(breaks_off=True)) as hook:
        outcome = sent(hook)
    assert (outcome.code, outcome.delays) == ("network", DELAYS)


def test_nobody_there_is_tried_again():
    with served(Hook()) as hook:
        pass
    outcome = sent(hook)
    assert (outcome.code, outcome.detail, outcome.delays) == ("network", "ConnectError", DELAYS)


@pytest.mark.parametrize("status", [200, 500])
def test_a_huge_answer_is_not_read_to_its_end(status):
    with served(Hook(status, body=b"x" * 40_000_000)) as hook:
        outcome = sent(hook)
    assert hook.written < 20_000_000
    if status == 200:
        assert outcome == Sent("http-200")
    else:
        assert outcome.detail == "x" * 200
    assert ANSWER_BYTES == 65_536


def test_a_compressed_answer_stays_compressed():
    body = gzip.compress(b"a" * 50_000_000)
    with served(Hook(500, {"content-encoding": "gzip"}, body)) as hook:
        outcome = sent(hook)
    assert outcome.code == "http-500"
    assert "aaaa" not in outcome.detail
    assert hook.requests[0].headers["accept-encoding"] == "identity"


def test_no_cookie_and_no_proxy_comes_between(monkeypatch):
    with served(Hook(200, {"set-cookie": "a=b; Path=/"})) as hook, served(Hook()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        webhooks = sender()
        for _ in range(2):
            webhooks.send(replace(PARCEL, address=hook.address))
    assert ["cookie" in request.headers for request in hook.requests] == [False, False]
    assert proxy.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:{port}/hook",
        "https://localhost:{port}/hook",
        "https://[::1]:{port}/hook",
        "https://[::ffff:127.0.0.1]:{port}/hook",
        "https://2130706433:{port}/hook",
        "https://127.1:{port}/hook",
        "http://127.0.0.1:{port}/hook",
    ],
)
def test_our_own_network_is_refused_when_not_allowed(address):
    with served(Hook()) as hook:
        outcome = sender(is_insecure_allowed=False).send(
            replace(PARCEL, address=address.format(port=hook.port))
        )
    assert (outcome.code, outcome.is_permanent, outcome.alarm) == ("webhook-address", True, True)
    assert hook.requests == []


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    outcome = sender(resolve=lambda _: ["203.0.114.7", "10.0.0.1"], is_insecure_allowed=False).send(PARCEL)
    assert (outcome.code, outcome.is_permanent) == ("webhook-address", True)


@pytest.mark.parametrize(
    ("host", "is_good"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::1", False),
        ("2001:db8::1", False),
        ("fc00::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("example", False),
    ],
)
def test_public_addresses(host, is_good):
    assert is_public(host) is is_good


def test_the_name_is_asked_for_once_and_the_checked_address_is_called():
    asked = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with served(Hook()) as hook:
        outcome = sender(resolve=resolve).send(
            replace(PARCEL, address=f"http://jigou.example:{hook.port}/hook?a=1")
        )
    assert (outcome, asked) == (Sent("http-204"), ["jigou.example"])
    assert hook.requests[0].headers["host"] == f"jigou.example:{hook.port}"
    assert hook.requests[0].path == "/hook?a=1"


def test_the_next_address_is_called_when_the_first_does_not_answer():
    with served(Hook()) as hook:
        outcome = sender(resolve=lambda _: ["::1", "127.0.0.1"]).send(
            replace(PARCEL, address=f"http://jigou.example:{hook.port}/hook")
        )
    assert (outcome, len(hook.requests)) == (Sent("http-204"), 1)


def test_the_certificate_is_that_of_the_name_not_of_the_address(tmp_path, monkeypatch):
    certificate = self_signed(tmp_path, "jigou.example")
    with served(Hook(), certificate.server) as hook:
        parcel = replace(PARCEL, address=f"https://jigou.example:{hook.port}/hook")
        other = replace(PARCEL, address=f"https://qita.example:{hook.port}/hook")
        distrusted = sender(resolve=lambda _: ["127.0.0.1"]).send(parcel)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        webhooks = sender(resolve=lambda _: ["127.0.0.1"])
        outcomes = webhooks.send(parcel), webhooks.send(other)
    assert distrusted.code == "network"
    assert outcomes[0] == Sent("http-204")
    assert outcomes[1].code == "network"
    assert [request.headers["host"] for request in hook.requests] == [f"jigou.example:{hook.port}"]


def unknown(host: str) -> list[str]:
    raise OSError(host)


@pytest.mark.parametrize(
    ("changes", "code", "is_permanent"),
    [
        ({"address": "http://jigou.example/hook"}, "webhook-address", True),
        ({"address": "ftp://jigou.example/hook"}, "webhook-address", True),
        ({"address": "https://"}, "webhook-address", True),
        ({"address": "https://a:b@jigou.example/"}, "webhook-address", True),
        ({"address": "https://jigou.example:0/"}, "webhook-address", True),
        ({"address": "https://jigou.example:65536/"}, "webhook-address", True),
        ({"address": "//jigou.example"}, "webhook-address", True),
        ({"extras": {**PARCEL.extras, "secret_of": "8"}}, "webhook-secret", True),
        ({"extras": {"event": "a", "data": {}}}, "webhook-secret", True),
        ({"extras": {**PARCEL.extras, "event": ""}}, "webhook-content", True),
        ({"extras": {**PARCEL.extras, "data": None}}, "webhook-content", True),
        ({"extras": {**PARCEL.extras, "data": {"at": NOON}}}, "webhook-content", True),
        ({"extras": {**PARCEL.extras, "data": {"share": float("nan")}}}, "webhook-content", True),
        ({"key": "a\r\nx: y"}, "webhook-content", True),
        ({}, "network", False),
    ],
)
def test_what_cannot_be_sent(changes, code, is_permanent):
    outcome = sender(resolve=unknown, is_insecure_allowed=False).send(replace(PARCEL, **changes))
    assert (outcome.code, outcome.is_permanent) == (code, is_permanent)
    assert outcome.alarm is is_permanent
    assert bool(outcome.delays) is not is_permanent


HOSTILE = st.lists(
    st.sampled_from(
        ["http", "https", "://", "//", "@", ":", "[", "]", "%", "\r\n", "#", "?", "例子", "\ud800"]
    )
    | st.text(max_size=10),
    max_size=8,
).map("".join)


@settings(deadline=None)
@given(address=HOSTILE | HOSTILE.map(lambda text: f"https://{text}"), key=HOSTILE)
def test_no_address_and_no_key_can_raise(never, address, key):
    outcome = never.send(replace(PARCEL, address=address, key=key))
    assert isinstance(outcome, Failed)
    assert outcome.code in ("webhook-address", "webhook-content", "network")


@pytest.fixture(scope="module")
def never() -> WebhookSender:
    """A sender in a network where no name is known."""
    return sender(resolve=unknown, is_insecure_allowed=False)


@settings(deadline=None, max_examples=50)
@given(data=st.dictionaries(st.text(), st.text() | st.integers() | st.none()), key=st.uuids().map(str))
def test_whatever_is_sent_arrives_and_verifies(open_hook, data, key):
    open_hook.requests.clear()
    extras = {**PARCEL.extras, "data": data}
    outcome = sender().send(replace(PARCEL, address=open_hook.address, key=key, extras=extras))
    assert outcome == Sent("http-204")
    (request,) = open_hook.requests
    assert json.loads(request.body)["data"] == data
    found = signature(SECRET, id=key, timestamp=int(NOON.timestamp()), body=request.body)
    assert request.headers["webhook-signature"] == found


@pytest.fixture(scope="module")
def open_hook() -> Iterator[Hook]:
    with served(Hook()) as hook:
        yield hook


def test_an_sms_goes_to_the_gateway_signed():
    parcel = Parcel(key="survey:3", channel=Channel.SMS, address="13800000000", text="请您评价本次服务。")
    with served(Hook(200, body=b"{}")) as hook:
        outcome = SmsSender(hook.address, SECRET, SetClock(), is_insecure_allowed=True).send(parcel)
    assert outcome == Sent("http-200")
    (request,) = hook.requests
    content = json.loads(request.body)
    assert (content["type"], content["data"]) == (
        "sms.send",
        {"phone": "13800000000", "text": "请您评价本次服务。"},
    )
    found = signature(SECRET, id="survey:3", timestamp=int(NOON.timestamp()), body=request.body)
    assert request.headers["webhook-signature"] == found
    assert request.headers["webhook-id"] == "survey:3"


def test_a_gateway_that_refuses_is_reported():
    parcel = Parcel(key="survey:3", channel=Channel.SMS, address="13800000000", text="您好")
    with served(Hook(403, body=b"wrong signature")) as hook:
        outcome = SmsSender(hook.address, b"other", SetClock(), is_insecure_allowed=True).send(parcel)
    assert (outcome.code, outcome.detail, outcome.alarm) == ("http-403", "wrong signature", True)


def test_a_gateway_without_a_secret_is_not_called():
    parcel = Parcel(key="survey:3", channel=Channel.SMS, address="13800000000", text="您好")
    with served(Hook()) as hook:
        outcome = SmsSender(hook.address, b"", SetClock(), is_insecure_allowed=True).send(parcel)
    assert (outcome.code, hook.requests) == ("webhook-secret", [])
