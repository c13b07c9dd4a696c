"""Our client against the local platform: tokens, texts, every fault; nothing raised, nothing leaked."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from bot.channels.simulator.quotas import Act
from bot.channels.wechat_api import MemoryTokenStore, WeChatApi, redact
from bot.channels.wechat_out import WeChatSender
from bot.ports import Failed, Sent
from tests.bot.channels.accounts import MINIPROGRAM, OFFICIAL

OPENID = "oUser1"
SEND = "/message/custom/send"


@pytest.fixture
def open_scene(scene):
    """A contact who has just written to the official account."""
    scene.platform.note("official", OPENID, Act.MESSAGE)
    return scene


def code_of(outcome) -> str:
    assert isinstance(outcome, Failed)
    return outcome.code


def test_a_text_arrives(open_scene):
    assert open_scene.api().send_text(OPENID, "您好，依据 <GB/T 1226> 😀") == Sent()
    (bubble,) = open_scene.platform.phone(OPENID)
    assert (bubble.text, bubble.kind, bubble.via) == ("您好，依据 <GB/T 1226> 😀", "text", "customer")


def test_texts_are_not_escaped_and_carry_no_broken_characters():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(200, json={"access_token": "t", "expires_in": 7200, "errcode": 0})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    assert WeChatApi(OFFICIAL, base="http://local", http=http).send_text(OPENID, "好\ud800\x00") == Sent()
    assert "好".encode() in seen[1]
    assert json.loads(seen[1])["text"]["content"] == "好"


def test_the_token_is_fetched_once(open_scene):
    api = open_scene.api()
    for _ in range(3):
        assert isinstance(api.send_text(OPENID, "您好"), Sent)
    assert open_scene.paths() == ["/stable_token", SEND, SEND, SEND]


def test_the_token_is_renewed_five_minutes_before_its_end(open_scene):
    api = open_scene.api()
    first = api.token()
    open_scene.clock.forward(seconds=6899)
    assert api.token() == first
    open_scene.clock.forward(seconds=2)
    assert api.token() != first
    assert open_scene.paths() == ["/stable_token"] * 2


def test_a_short_token_is_kept_for_half_a_minute():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(200, json={"access_token": "t", "expires_in": 10})

    now = [0.0]
    http = httpx.Client(transport=httpx.MockTransport(answer))
    api = WeChatApi(OFFICIAL, base="http://local", http=http, tokens=MemoryTokenStore(lambda: now[0]))
    for now[0] in (0.0, 29.0, 31.0):
        assert api.token() == "t"
    assert len(seen) == 2


def test_many_threads_fetch_one_token(open_scene):
    api = open_scene.api()
    with ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(lambda _: api.token(), range(40)))
    assert len(tokens) == 1
    assert open_scene.paths() == ["/stable_token"]


def test_a_dead_token_is_fetched_again_once(open_scene):
    api = open_scene.api()
    api.token()
    open_scene.platform.revoke_tokens("official")
    assert api.send_text(OPENID, "您好") == Sent()
    assert open_scene.paths() == ["/stable_token", SEND, "/stable_token", SEND]


def test_only_the_token_that_failed_is_dropped():
    store = MemoryTokenStore()
    store.put("a", "new", seconds=60)
    store.drop("a", "old")
    assert store.get("a") == "new"
    store.drop("a", "new")
    assert store.get("a") is None


def test_a_token_that_is_always_refused_raises_the_alarm_without_a_storm(open_scene):
    open_scene.platform.switches.turn_on("40001")
    api = open_scene.api()
    outcome = api.send_text(OPENID, "您好")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm) == ("40001", False, True)
    assert open_scene.paths() == ["/stable_token", SEND, "/stable_token", SEND, "/stable_token", SEND]
    forced = [call.body["force_refresh"] for call in open_scene.platform.calls if call.path.endswith("token")]
    assert forced == [False, False, True]
    # Within five minutes nobody forces again.
    assert code_of(api.send_text(OPENID, "您好")) == "40001"
    assert len(open_scene.paths()) == 10
    open_scene.clock.forward(seconds=301)
    api.send_text(OPENID, "您好")
    assert [call.body.get("force_refresh") for call in open_scene.platform.calls].count(True) == 2


def test_a_token_refused_twice_is_forced(open_scene):
    open_scene.platform.switches.turn_on("42001", times=2)
    assert open_scene.api().send_text(OPENID, "您好") == Sent()


@pytest.mark.parametrize(
    ("fault", "code", "is_permanent", "alarm", "closes"),
    [
        ("-1", "-1", False, False, False),
        ("45015", "45015", True, False, True),
        ("45047", "45047", True, False, True),
        ("45009", "45009", True, True, False),
        ("43004", "43004", True, False, False),
        ("99999", "99999", True, True, False),
        ("html", "not-json", False, False, False),
        ("http-502", "http-502", False, False, False),
        ("http-404", "http-404", True, True, False),
    ],
)
def test_faults_become_values(open_scene, fault, code, is_permanent, alarm, closes):
    open_scene.platform.switches.turn_on(fault, times=1)
    outcome = open_scene.api().send_text(OPENID, "您好")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.closes_window) == (
        code,
        is_permanent,
        alarm,
        closes,
    )
    assert bool(outcome.delays) is not is_permanent
    assert open_scene.api().send_text(OPENID, "您好") == Sent()


@pytest.mark.parametrize("fault", ["slow", "silence"])
def test_silence_becomes_a_value(open_scene, fault):
    open_scene.platform.switches.turn_on(fault, times=1, seconds=0.4)
    api = open_scene.api(read=0.1)
    api.token()
    assert code_of(api.send_text(OPENID, "您好")) == "timeout"
    assert len(open_scene.platform.phone(OPENID)) == (1 if fault == "slow" else 0)


@pytest.mark.parametrize("fault", ["40164", "html", "http-503", "-1"])
def test_no_token_becomes_a_value(open_scene, fault):
    open_scene.platform.switches.turn_on(fault, path="stable_token")
    outcome = open_scene.api().send_text(OPENID, "您好")
    assert code_of(outcome) == {"html": "not-json"}.get(fault, fault)
    assert open_scene.paths() == ["/stable_token"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"app_secret": "wrong"}, "40125"), ({"app_id": "wx0"}, "40013"), ({"app_secret": ""}, "no-secret")],
)
def test_wrong_credentials_raise_the_alarm(open_scene, change, code):
    outcome = open_scene.api(replace(OFFICIAL, **change)).send_text(OPENID, "您好")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm) == (code, True, True)


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://[", "not an address"])
def test_no_platform_becomes_a_value(base):
    outcome = WeChatApi(OFFICIAL, base=base).send_text(OPENID, "您好")
    assert code_of(outcome) == "network"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100000,
        b"{}",
        b'{"access_token": 5, "expires_in": 1}',
        b'{"access_token": "t"}',
        b'{"access_token": "t", "expires_in": "7200"}',
        b'{"access_token": "", "expires_in": 1}',
    ],
)
def test_strange_tokens_become_values(body):
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body)))
    assert (
        code_of(WeChatApi(OFFICIAL, base="http://local", http=http).send_text(OPENID, "您好")) == "not-json"
    )


def test_a_text_too_long_is_not_even_sent(open_scene):
    assert open_scene.api().send_text(OPENID, "质" * 682) == Sent()
    assert code_of(open_scene.api().send_text(OPENID, "质" * 683)) == "45002"


def test_typing_has_two_paths(open_scene):
    open_scene.platform.note("miniprogram", "oMini", Act.MESSAGE)
    assert WeChatSender("official", open_scene.api()).typing(OPENID) == Sent()
    assert open_scene.platform.phones.is_typing(OPENID, open_scene.clock.now())
    mini = WeChatSender("miniprogram", open_scene.api(MINIPROGRAM))
    assert mini.typing("oMini") == Sent()
    assert open_scene.paths()[-1] == "/message/custom/business/typing"
    assert code_of(mini.typing("oMini")) == "45081"


def test_the_sender_sends_one_at_a_time_to_a_contact():
    running, most = [], []

    class Api(WeChatApi):
        def send_text(self, openid: str, text: str):
            running.append(text)
            time.sleep(0.001)
            most.append(len(running))
            running.remove(text)
            return Sent()

    sender = WeChatSender("official", Api(OFFICIAL, base="http://local"))
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: sender.send_text(OPENID, str(number)), range(50)))
    assert outcomes == [Sent()] * 50
    assert max(most) == 1
    sender.close()


def test_secrets_are_in_no_line_and_no_value(open_scene, caplog):
    caplog.set_level(logging.DEBUG)
    api = open_scene.api()
    token = api.token()
    assert isinstance(token, str)
    api.send_text(OPENID, "您好")

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(502, text=f"{request.url} {request.content.decode()}")

    leaky = httpx.Client(transport=httpx.MockTransport(echo))
    outcome = WeChatApi(OFFICIAL, base="http://local", http=leaky).send_text(OPENID, "您好")
    written = caplog.text + repr(outcome)
    assert "stable_token" in written
    assert token not in written
    assert OFFICIAL.app_secret not in written


def test_redaction():
    address = "https://h/p?access_token=abc&x=1&secret=def&appsecret=g"
    assert redact(address) == "https://h/p?access_token=***&x=1&secret=***&appsecret=***"
    assert redact("the token is xyz", "xyz", "") == "the token is ***"
