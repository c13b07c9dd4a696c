"""Our client against the local platform: tokens, messages, files, every fault; nothing raised, nothing lost or leaked."""

import gzip
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from structlog.testing import capture_logs

from bot.channels.simulator.quotas import Act
from bot.channels.wechat_api import MemoryTokenStore, WeChatApi
from bot.channels.wechat_errors import redact
from bot.channels.wechat_out import WeChatSender
from bot.core.reach import Channel
from bot.ports import Failed, File, Outcome, Parcel, Sent
from tests.bot.channels.accounts import MINIPROGRAM, OFFICIAL

OPENID = "oUser1"
SEND = "/message/custom/send"
TOKEN = {"access_token": "t", "expires_in": 7200}


@pytest.fixture
def open_scene(scene):
    """A contact who has just written to the official account."""
    scene.platform.note("official", OPENID, Act.MESSAGE)
    return scene


def code_of(outcome) -> str:
    assert isinstance(outcome, Failed)
    return outcome.code


def text(words: str, **extras) -> Parcel:
    return Parcel("k1", Channel.CUSTOMER, OPENID, words, extras)


def say(api: WeChatApi, words: str = "您好") -> Outcome:
    return WeChatSender("official", api).send(text(words))


def test_a_text_arrives(open_scene):
    assert say(open_scene.api(), "您好，依据 <GB/T 1226> 😀") == Sent()
    (bubble,) = open_scene.platform.phone(OPENID)
    assert (bubble.text, bubble.kind, bubble.via) == ("您好，依据 <GB/T 1226> 😀", "text", "customer")


def test_texts_are_not_escaped_and_carry_no_broken_characters():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.content)
        return httpx.Response(200, json={"access_token": "t", "expires_in": 7200, "errcode": 0})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    assert say(WeChatApi(OFFICIAL, base="http://local", http=http), "好\ud800\x00") == Sent()
    assert "好".encode() in seen[1]
    assert json.loads(seen[1])["text"]["content"] == "好"


def test_the_token_is_fetched_once(open_scene):
    api = open_scene.api()
    for _ in range(3):
        assert isinstance(say(api), Sent)
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
    assert say(api) == Sent()
    assert open_scene.paths() == ["/stable_token", SEND, "/stable_token", SEND]


def test_only_the_token_that_failed_is_dropped():
    store = MemoryTokenStore()
    store.put("a", "new", seconds=60)
    store.drop("a", "old")
    assert store.get("a") == "new"
    store.drop("a", "new")
    assert store.get("a") is None


def forced(scene) -> list[bool]:
    """Of each token call: was it by force?"""
    return [call.body["force_refresh"] for call in scene.platform.calls if call.path.endswith("token")]


def test_a_token_that_is_always_refused_costs_two_attempts_and_one_refresh(open_scene):
    open_scene.platform.switches.turn_on("40001")
    with capture_logs() as lines:
        outcome = say(open_scene.api())
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.pause) == ("40001", False, True, 60)
    # The platform is asked before it is forced: most often another token is there already.
    assert open_scene.paths() == ["/stable_token", SEND, "/stable_token", "/stable_token", SEND]
    assert forced(open_scene) == [False, False, True]
    (alarm,) = [line for line in lines if line["log_level"] == "error"]
    assert (alarm["event"], alarm["code"], alarm["seconds"]) == ("account out of order", "40001", 60)


def test_workers_that_fail_together_refresh_once_and_all_keep_their_message(open_scene):
    """Eight workers with their own client share a token store; each has more messages than one."""
    open_scene.platform.switches.turn_on("40001")
    store = MemoryTokenStore(lambda: open_scene.clock.now().timestamp())
    senders = [WeChatSender("official", open_scene.api(tokens=store)) for _ in range(8)]
    with capture_logs() as lines, ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: senders[number % 8].send(text(str(number))), range(40)))
    assert all(isinstance(one, Failed) and not one.is_permanent and one.pause > 0 for one in outcomes)
    assert forced(open_scene).count(True) == 1
    assert len(forced(open_scene)) == 3
    assert len([line for line in lines if line["log_level"] == "error"]) == 1
    assert open_scene.paths().count(SEND) <= 16
    calls = len(open_scene.platform.calls)
    assert {code_of(sender.send(text("您好"))) for sender in senders} == {"circuit-open"}
    assert len(open_scene.platform.calls) == calls
    # Somebody mends it: after the pause everything arrives.
    open_scene.platform.switches.turn_off()
    open_scene.clock.forward(seconds=61)
    assert [sender.send(text("您好")) for sender in senders[:5]] == [Sent()] * 5


def test_a_token_that_dies_is_fetched_once_for_all_workers(open_scene):
    for number in range(40):
        open_scene.platform.note("official", f"o{number}", Act.MESSAGE)
    store = MemoryTokenStore(lambda: open_scene.clock.now().timestamp())
    senders = [WeChatSender("official", open_scene.api(tokens=store)) for _ in range(8)]
    assert senders[0].send(text("您好")) == Sent()
    open_scene.platform.revoke_tokens("official")

    def send(number: int) -> Outcome:
        return senders[number % 8].send(Parcel(str(number), Channel.CUSTOMER, f"o{number}", "您好"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(40))) == [Sent()] * 40
    assert forced(open_scene) == [False, False]


def test_a_token_refused_twice_is_forced_and_works_after_the_pause(open_scene):
    open_scene.platform.switches.turn_on("42001", times=2)
    api = open_scene.api()
    assert code_of(say(api)) == "42001"
    assert forced(open_scene) == [False, False, True]
    open_scene.clock.forward(seconds=61)
    assert say(api) == Sent()


def test_the_pause_doubles_up_to_a_quarter_of_an_hour_and_success_ends_it(open_scene):
    open_scene.platform.switches.turn_on("40001")
    api = open_scene.api()
    pauses = []
    for _ in range(6):
        outcome = say(api)
        assert isinstance(outcome, Failed)
        pauses.append(outcome.pause)
        open_scene.clock.forward(seconds=outcome.pause - 1)
        closed = say(api)
        assert isinstance(closed, Failed)
        assert (closed.code, closed.pause, closed.is_permanent, closed.alarm) == (
            "circuit-open",
            1,
            False,
            False,
        )
        open_scene.clock.forward(seconds=1)
    assert pauses == [60, 120, 240, 480, 900, 900]
    # Five minutes passed between most of them, so force was tried again; never twice within that time.
    assert forced(open_scene).count(True) == 4
    open_scene.platform.switches.turn_off()
    assert say(api) == Sent()
    open_scene.platform.switches.turn_on("45009", times=1)
    outcome = say(api)
    assert isinstance(outcome, Failed)
    assert outcome.pause == 60


def test_after_a_pause_one_caller_finds_out(open_scene):
    open_scene.platform.switches.turn_on("40001")
    store = MemoryTokenStore(lambda: open_scene.clock.now().timestamp())
    first, second = open_scene.api(tokens=store, read=0.1), open_scene.api(tokens=store)
    say(first)
    open_scene.clock.forward(seconds=60)
    open_scene.platform.switches.turn_off()
    open_scene.platform.switches.turn_on("silence", seconds=0.3, times=1)
    assert code_of(say(first)) == "timeout"
    # The silence told nothing: the next one to find out comes when the time of the first is over.
    waiting = say(second)
    assert isinstance(waiting, Failed)
    assert (waiting.code, waiting.pause) == ("circuit-open", 2)
    open_scene.clock.forward(seconds=10)
    assert say(second) == Sent()
    assert say(first) == Sent()


@pytest.mark.parametrize("code", ["45009", "48004", "50004", "50007", "40164", "89503"])
def test_what_concerns_the_whole_account_loses_nothing(open_scene, code):
    open_scene.platform.switches.turn_on(code, path="custom/send")
    api = open_scene.api()
    outcome = say(api)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.pause) == (code, False, True, 60)
    assert code_of(say(api)) == "circuit-open"
    assert open_scene.paths().count(SEND) == 1


@pytest.mark.parametrize("code", ["48001", "40037", "43116", "65400", "45047", "99999"])
def test_what_concerns_one_message_stops_no_other(open_scene, code):
    open_scene.platform.switches.turn_on(code, times=1)
    api = open_scene.api()
    outcome = say(api)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.pause) == (code, True, 0)
    assert say(api) == Sent()


def test_a_worker_that_died_while_fetching_holds_up_the_others_for_a_while_only(open_scene):
    seconds = [0.0]
    store = MemoryTokenStore(lambda: seconds[0])
    assert store.claim(f"lease:{OFFICIAL.app_id}", seconds=20)
    api = open_scene.api(tokens=store)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.token)
        time.sleep(0.05)
        assert not waiting.done()
        seconds[0] = 20.0
        assert isinstance(waiting.result(), str)


def test_a_claim_can_be_given_up():
    store = MemoryTokenStore(lambda: 0.0)
    assert store.claim("a", seconds=1)
    assert not store.claim("a", seconds=1)
    store.release("a")
    assert store.claim("a", seconds=1)
    assert store.left("a") == 0
    store.put("a", "token", seconds=5)
    assert store.left("a") == 5


@pytest.mark.parametrize(
    ("fault", "code", "is_permanent", "alarm", "closes"),
    [
        ("-1", "-1", False, False, False),
        ("45015", "45015", True, False, True),
        ("45047", "45047", True, False, True),
        ("48001", "48001", True, True, False),
        ("43004", "43004", True, False, False),
        ("99999", "99999", True, True, False),
        ("html", "not-json", False, False, False),
        ("http-502", "http-502", False, False, False),
        ("http-404", "http-404", True, True, False),
    ],
)
def test_faults_become_values(open_scene, fault, code, is_permanent, alarm, closes):
    open_scene.platform.switches.turn_on(fault, times=1)
    outcome = say(open_scene.api(), "您好")
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.closes_window) == (
        code,
        is_permanent,
        alarm,
        closes,
    )
    assert bool(outcome.delays) is not is_permanent
    assert say(open_scene.api(), "您好") == Sent()


@pytest.mark.parametrize("fault", ["slow", "silence"])
def test_silence_becomes_a_value(open_scene, fault):
    open_scene.platform.switches.turn_on(fault, times=1, seconds=0.4)
    api = open_scene.api(read=0.1)
    api.token()
    assert code_of(say(api)) == "timeout"
    assert len(open_scene.platform.phone(OPENID)) == (1 if fault == "slow" else 0)


@pytest.mark.parametrize("fault", ["40164", "html", "http-503", "-1"])
def test_no_token_becomes_a_value(open_scene, fault):
    open_scene.platform.switches.turn_on(fault, path="stable_token")
    outcome = say(open_scene.api(), "您好")
    assert code_of(outcome) == {"html": "not-json"}.get(fault, fault)
    assert open_scene.paths() == ["/stable_token"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"app_secret": "wrong"}, "40125"), ({"app_id": "wx0"}, "40013"), ({"app_secret": ""}, "no-secret")],
)
def test_wrong_credentials_raise_the_alarm(open_scene, change, code):
    outcome = say(open_scene.api(replace(OFFICIAL, **change)))
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm, outcome.pause) == (code, False, True, 60)


@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://[", "not an address"])
def test_no_platform_becomes_a_value(base):
    outcome = say(WeChatApi(OFFICIAL, base=base))
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
    assert code_of(say(WeChatApi(OFFICIAL, base="http://local", http=http), "您好")) == "not-json"


def test_a_text_too_long_is_not_even_sent(open_scene):
    assert say(open_scene.api(), "质" * 682) == Sent()
    assert code_of(say(open_scene.api(), "质" * 683)) == "45002"


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
        def send(self, path: str, body):
            running.append(body)
            time.sleep(0.001)
            most.append(len(running))
            running.remove(body)
            return Sent()

    sender = WeChatSender("official", Api(OFFICIAL, base="http://local"))
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: sender.send(text(str(number))), range(50)))
    assert outcomes == [Sent()] * 50
    assert max(most) == 1
    sender.close()


CHOICES = {
    "head": "请评价本次服务",
    "choices": [["s1", "满意"], ["s2", "不满意"]],
    "tail": "也可直接回复数字",
}


def menu(**changes) -> Parcel:
    return text("请评价本次服务\n1. 满意\n2. 不满意", **(CHOICES | changes))


def kinds(scene) -> list[str]:
    return [call.body["msgtype"] for call in scene.platform.calls if call.path.endswith(SEND)]


def test_choices_are_a_menu_to_tap(open_scene):
    assert WeChatSender("official", open_scene.api()).send(menu()) == Sent()
    (bubble,) = open_scene.platform.phone(OPENID)
    assert bubble.kind == "msgmenu"
    assert bubble.text.startswith("请评价本次服务\n<a href=")
    assert bubble.text.endswith("也可直接回复数字")
    assert open_scene.platform.calls[-1].body["msgmenu"]["list"] == [
        {"id": "s1", "content": "满意"},
        {"id": "s2", "content": "不满意"},
    ]


def test_an_account_that_refuses_menus_gets_the_text_at_once_and_ever_after(open_scene):
    open_scene.platform.switches.turn_on("40200", times=1)
    sender = WeChatSender("official", open_scene.api())
    assert [sender.send(menu()), sender.send(menu())] == [Sent(), Sent()]
    assert kinds(open_scene) == ["msgmenu", "text", "text"]
    assert open_scene.platform.phone(OPENID)[0].text == "请评价本次服务\n1. 满意\n2. 不满意"


@pytest.mark.parametrize(
    ("account", "settings", "changes"),
    [
        ("miniprogram", MINIPROGRAM, {}),
        ("official", replace(OFFICIAL, menus=False), {}),
        ("official", OFFICIAL, {"choices": []}),
        ("official", OFFICIAL, {"head": "质" * 683}),
    ],
)
def test_where_menus_cannot_be_the_text_goes(open_scene, account, settings, changes):
    open_scene.platform.note(account, OPENID, Act.MESSAGE)
    assert WeChatSender(account, open_scene.api(settings)).send(menu(**changes)) == Sent()
    assert kinds(open_scene) == ["text"]


def test_another_refusal_of_a_menu_sends_no_text(open_scene):
    open_scene.platform.switches.turn_on("45047", times=1)
    assert code_of(WeChatSender("official", open_scene.api()).send(menu())) == "45047"
    assert kinds(open_scene) == ["msgmenu"]


def notice(channel: Channel, key: str = "ticket:1:survey", **changes) -> Parcel:
    extras = {"template": "T1", "data": {"thing1": "示例检测", "time2": "2026年3月2日 17:30"}, **changes}
    return Parcel(key, channel, OPENID, "", extras)


def test_a_template_message_arrives_once(open_scene):
    sender = WeChatSender("official", open_scene.api())
    parcel = notice(Channel.TEMPLATE, url="https://example.com/s")
    outcomes = [sender.send(parcel), sender.send(parcel)]
    assert all(isinstance(one, Sent) and one.detail.isdigit() for one in outcomes)
    (bubble,) = open_scene.platform.phone(OPENID)
    assert bubble.text == "示例检测\n2026年3月2日 17:30"
    body = open_scene.platform.calls[-1].body
    assert body["data"]["thing1"] == {"value": "示例检测"}
    assert body["url"] == "https://example.com/s"
    assert len(body["client_msg_id"]) == 32
    # Another message has another id.
    sender.send(notice(Channel.TEMPLATE, key="ticket:2:survey"))
    assert len(open_scene.platform.phone(OPENID)) == 2
    assert "url" not in open_scene.platform.calls[-1].body


@pytest.mark.parametrize(
    ("account", "settings", "path"), [("official", OFFICIAL, "bizsend"), ("miniprogram", MINIPROGRAM, "send")]
)
def test_a_subscription_message_needs_an_accepted_one(open_scene, account, settings, path):
    sender = WeChatSender(account, open_scene.api(settings))
    open_scene.platform.accept(account, OPENID, "T1")
    outcome = sender.send(notice(Channel.SUBSCRIPTION, page="pages/rate?n=1"))
    assert isinstance(outcome, Sent)
    assert outcome.detail.isdigit()
    assert open_scene.paths()[-1] == f"/message/subscribe/{path}"
    assert open_scene.platform.calls[-1].body["page"] == "pages/rate?n=1"
    assert code_of(sender.send(notice(Channel.SUBSCRIPTION))) == "43101"


def test_other_channels_are_refused_without_a_call(open_scene):
    outcome = WeChatSender("official", open_scene.api()).send(notice(Channel.EMAIL))
    assert isinstance(outcome, Failed)
    assert outcome.is_permanent
    assert open_scene.paths() == []


def uploaded(scene, content: bytes, kind: str, media_type: str) -> str:
    return str(scene.platform.upload(content, kind, media_type)["media_id"])


def test_files_are_fetched(scene):
    api = scene.api()
    picture = uploaded(scene, b"\xff\xd8" * 500, "image", "image/jpeg")
    assert api.fetch(picture, most=1000) == File(b"\xff\xd8" * 500, "image/jpeg")
    video = uploaded(scene, b"ftyp", "video", "video/mp4")
    assert api.fetch(video, most=1000) == File(b"ftyp", "video/mp4")
    scene.platform.revoke_tokens("official")
    assert isinstance(api.fetch(picture, most=1000), File)


@pytest.mark.parametrize(("kind", "media_type"), [("image", "image/jpeg"), ("video", "video/mp4")])
def test_a_file_too_large_is_not_kept(scene, kind, media_type):
    outcome = scene.api().fetch(uploaded(scene, b"x" * 1001, kind, media_type), most=1000)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent, outcome.alarm) == ("too-large", True, False)


def test_a_file_that_is_gone_is_gone(scene):
    media_id = uploaded(scene, b"x", "image", "image/png")
    scene.clock.forward(days=3, seconds=1)
    outcome = scene.api().fetch(media_id, most=1000)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.is_permanent) == ("40007", True)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, json={"video_url": "http://elsewhere.example/v"}), "no-file"),
        (httpx.Response(200, json={"video_url": "file:///etc/passwd"}), "no-file"),
        (httpx.Response(200, json={"video_url": "http://["}), "no-file"),
        (httpx.Response(200, json={"video_url": "https://h:port/"}), "network"),
        (httpx.Response(200, json={"video_url": "http://local:81/v"}), "no-file"),
        (httpx.Response(200, json={"errcode": 0, "errmsg": "ok"}), "no-file"),
        (httpx.Response(200, json={"errcode": 45009, "errmsg": "quota"}), "45009"),
        (httpx.Response(200, content=gzip.compress(b"x"), headers={"Content-Encoding": "gzip"}), "no-file"),
        (httpx.Response(302, headers={"Location": "http://elsewhere.example/"}), "http-302"),
        (httpx.Response(502), "http-502"),
        (httpx.Response(200, text="x" * 101), "too-large"),
        (httpx.Response(200, json={"note": "a file of the contact's own"}), None),
        (httpx.Response(200, content=b"[1]", headers={"Content-Type": "application/json"}), None),
        (httpx.Response(200, content=b""), None),
    ],
)
def test_strange_files_become_values(answer, expected):
    seen = []

    def transport(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(200, json=TOKEN) if request.url.path.endswith("stable_token") else answer

    http = httpx.Client(transport=httpx.MockTransport(transport))
    outcome = WeChatApi(OFFICIAL, base="http://local", http=http).fetch("m", most=100)
    assert seen == ["/cgi-bin/stable_token", "/cgi-bin/media/get"]
    assert (outcome.code if isinstance(outcome, Failed) else None) == expected


def test_a_video_over_https_is_followed_without_the_token():
    seen = []

    def transport(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        if request.url.host == "video.example":
            return httpx.Response(200, content=b"ftyp", headers={"Content-Type": "video/mp4"})
        return httpx.Response(200, json=TOKEN | {"video_url": "https://video.example/v?k=1"})

    http = httpx.Client(transport=httpx.MockTransport(transport))
    assert WeChatApi(OFFICIAL, base="http://local", http=http).fetch("m", most=9) == File(
        b"ftyp", "video/mp4"
    )
    assert seen[-1] == "https://video.example/v?k=1"


def test_a_file_never_has_more_bytes_in_memory_than_allowed():
    given = []

    class Endless(httpx.SyncByteStream):
        def __iter__(self):
            while True:
                given.append(1)
                yield b"x" * 10

    def transport(request: httpx.Request) -> httpx.Response:
        is_token = request.url.path.endswith("stable_token")
        return httpx.Response(200, json=TOKEN) if is_token else httpx.Response(200, stream=Endless())

    http = httpx.Client(transport=httpx.MockTransport(transport))
    api = WeChatApi(OFFICIAL, base="http://local", http=http)
    assert code_of(api.fetch("m", most=100_000)) == "too-large"
    assert len(given) == 10_001


def test_secrets_are_in_no_line_and_no_value(open_scene, caplog):
    caplog.set_level(logging.DEBUG)
    api = open_scene.api()
    token = api.token()
    assert isinstance(token, str)
    say(api)

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(502, text=f"{request.url} {request.content.decode()}")

    leaky = httpx.Client(transport=httpx.MockTransport(echo))
    outcome = say(WeChatApi(OFFICIAL, base="http://local", http=leaky), "您好")
    written = caplog.text + repr(outcome)
    assert "stable_token" in written
    assert token not in written
    assert OFFICIAL.app_secret not in written


def test_redaction():
    address = "https://h/p?access_token=abc&x=1&secret=def&appsecret=g"
    assert redact(address) == "https://h/p?access_token=***&x=1&secret=***&appsecret=***"
    assert redact("the token is xyz", "xyz", "") == "the token is ***"
