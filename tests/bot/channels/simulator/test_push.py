"""Pushes against a small server of our own: three tries, one answer, WeChat's words for a fault."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.channels.simulator.phone import Who
from bot.channels.simulator.platform import Platform
from bot.channels.simulator.push import Pusher, fault_text
from bot.channels.simulator.wire import make_push
from bot.channels.wechat_codec import Codec, Decoded
from bot.core.messages import Incoming, Kind, Option, Outgoing
from bot.core.rendering import render
from tests.bot.channels.accounts import MINIPROGRAM, OFFICIAL, Still
from tests.bot.channels.conftest import served

OPENID = "oUser1"
FAULT = "该服务号暂时无法提供服务，请稍后再试"
ACCOUNTS = {
    "official": OFFICIAL,
    "miniprogram": MINIPROGRAM,
    "plain": replace(OFFICIAL, mode="plain"),
    "json": replace(OFFICIAL, format="json"),
}


class Server:
    """A callback that answers with what the test lays out; one answer after the other, the last for ever."""

    def __init__(self) -> None:
        self.clock = Still()
        self.platform = Platform(ACCOUNTS, clock=self.clock)
        self.codecs = {name: Codec(one, name=name, max_age=600) for name, one in ACCOUNTS.items()}
        self.replies: list[str | bytes | int | float] = ["收到"]
        self.heard: list[Incoming] = []
        self.app = Starlette(routes=[Route("/wechat/{account}", self.callback, methods=["GET", "POST"])])
        self.base = ""

    async def callback(self, request: Request) -> Response:
        codec, query = self.codecs[request.path_params["account"]], request.query_params.multi_items()
        if request.method == "GET":
            return Response(codec.verify_url(query, now=self.clock.now()))
        decoded = codec.decode(query, await request.body(), now=self.clock.now())
        self.heard.append(decoded.incoming)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, float):
            await asyncio.sleep(reply)
        if isinstance(reply, int):
            return Response(status_code=reply)
        return self.written(codec, decoded, reply)

    def written(self, codec: Codec, decoded: Decoded, reply: str | bytes | float) -> Response:
        if isinstance(reply, str):
            body = codec.encode(decoded.incoming, decoded.envelope, reply, at=self.clock.now())
            return Response(body.content, media_type=body.media_type)
        return Response(reply if isinstance(reply, bytes) else b"success")

    def pusher(self, account: str = "official") -> Pusher:
        return Pusher(self.platform, account, f"{self.base}/wechat/{account}", patience=0.2)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    with served(server.app) as server.base:
        yield server


@pytest.fixture
def pusher(server) -> Iterator[Pusher]:
    pusher = server.pusher()
    yield pusher
    pusher.close()


@pytest.mark.parametrize("account", ["official", "plain", "json"])
def test_the_answer_stands_on_the_phone(server, account):
    pusher = server.pusher(account)
    delivery = pusher.text(OPENID, "压力表多久检一次？")
    assert (delivery.tries, delivery.text) == (("answered",), "收到")
    assert [(one.who, one.text) for one in server.platform.phone(OPENID)] == [
        (Who.CONTACT, "压力表多久检一次？"),
        (Who.ACCOUNT, "收到"),
    ]
    assert server.platform.phone(OPENID, after=delivery.shown.number) == []
    pusher.close()


def test_links_can_be_tapped(server, pusher):
    server.replies = [render(Outgoing("请选择", (Option("计量服务", "计量 服务", "m1"),)), links=True)]
    (link,) = pusher.text(OPENID, "菜单").shown.links
    assert link.sends == ("计量 服务", "m1")
    pusher.tap(OPENID, *link.sends)
    assert (server.heard[-1].text, server.heard[-1].menu_id) == ("计量 服务", "m1")
    assert server.platform.left("official", OPENID) == 8


@pytest.mark.parametrize("reply", ["", b"", b"success"])
def test_silence_shows_nothing(server, pusher, reply):
    server.replies = [reply]
    delivery = pusher.text(OPENID, "您好")
    assert (delivery.tries, delivery.shown) == (("silent",), None)


@pytest.mark.parametrize(
    ("replies", "tries", "text"),
    [
        ([0.4, "收到"], ("timeout", "answered"), "收到"),
        ([503, 500, "收到"], ("http-503", "http-500", "answered"), "收到"),
        ([0.4], ("timeout",) * 3, FAULT),
        ([500], ("http-500",) * 3, FAULT),
        ([b"hello"], ("malformed",), FAULT),
        ([b'{"MsgType": "text"}'], ("malformed",), FAULT),
        ([b"<xml><MsgType>text</MsgType></xml>"], ("malformed",), FAULT),
        (["质" * 683], ("malformed",), FAULT),
    ],
)
def test_three_tries_and_then_the_fault_text(server, pusher, replies, tries, text):
    server.replies = replies
    delivery = pusher.text(OPENID, "您好")
    assert (delivery.tries, delivery.text) == (tries, text)
    assert len({push.key for push in server.heard}) == 1


def test_nobody_there(server):
    pusher = Pusher(server.platform, "official", "http://127.0.0.1:1/wechat/official")
    assert pusher.text(OPENID, "您好").tries == ("unreachable",) * 3
    assert not pusher.verify()
    pusher.close()


def test_a_reply_that_is_not_for_the_contact_is_a_fault(server, pusher):
    push = Incoming("official", OFFICIAL.app_id, "oOther", pusher.original_id, Kind.TEXT, server.clock.now())
    codec = server.codecs["official"]
    decoded = replace(codec_envelope(codec, server), incoming=push)
    server.replies = [codec.encode(push, decoded.envelope, "收到", at=server.clock.now()).content]
    assert pusher.text(OPENID, "您好").tries == ("malformed",)


def codec_envelope(codec: Codec, server: Server) -> Decoded:
    fields = {"ToUserName": "gh", "FromUserName": "o", "CreateTime": 1, "MsgType": "text", "Content": "x"}
    push = make_push(codec, fields, at=server.clock.now(), nonce="1")
    return codec.decode(push.query, push.content, now=server.clock.now())


def test_an_encrypted_success_is_a_fault(server, pusher):
    server.replies = ["success"]
    assert pusher.text(OPENID, "您好").text == "success"
    encrypted = server.codecs["official"].ciphers[0].seal("success", prefix="0" * 16)
    server.replies = [f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()]
    assert pusher.text(OPENID, "您好").text == FAULT


def test_a_mini_program_has_no_passive_reply(server):
    pusher = server.pusher("miniprogram")
    assert pusher.text(OPENID, "您好").text == fault_text("miniprogram", "")
    server.replies = [b"success"]
    assert pusher.enter(OPENID, "st=7").shown is None
    assert server.heard[-1].details["SessionFrom"] == "st=7"
    pusher.close()


def test_the_same_push_again_and_at_once(server, pusher):
    fields = pusher.message(OPENID, "text", Content="您好")
    deliveries = pusher.deliver_together([fields] * 4)
    assert {delivery.content for delivery in deliveries} == {deliveries[0].content}
    assert len({push.key for push in server.heard}) == 1


def test_the_console_checks_the_address(pusher):
    assert pusher.verify()


ACTS = {
    "image": (lambda pusher: pusher.image(OPENID), Kind.IMAGE, ""),
    "voice": (lambda pusher: pusher.voice(OPENID, "压力表"), Kind.VOICE, ""),
    "video": (lambda pusher: pusher.video(OPENID), Kind.VIDEO, ""),
    "file": (lambda pusher: pusher.file(OPENID, "报告.pdf"), Kind.FILE, ""),
    "link": (lambda pusher: pusher.link(OPENID, title="标准", url="https://e.com"), Kind.LINK, ""),
    "card": (lambda pusher: pusher.card(OPENID, title="小程序", path="pages/index"), Kind.CARD, ""),
    "location": (
        lambda pusher: pusher.location(OPENID, latitude=20.04, longitude=110.3, label="海口"),
        Kind.LOCATION,
        "",
    ),
    "subscribe": (lambda pusher: pusher.subscribe(OPENID, "st=7"), Kind.EVENT, "subscribe"),
    "scan": (lambda pusher: pusher.scan(OPENID, "st=7"), Kind.EVENT, "scan"),
    "click": (lambda pusher: pusher.click(OPENID, "bot:menu"), Kind.EVENT, "click"),
    "view": (lambda pusher: pusher.view(OPENID, "https://e.com"), Kind.EVENT, "view"),
    "popup": (lambda pusher: pusher.popup(OPENID, {"T1": "accept"}), Kind.EVENT, "subscribe_msg_popup_event"),
}


@pytest.mark.parametrize(("act", "kind", "event"), ACTS.values(), ids=ACTS)
def test_what_a_contact_can_do(server, pusher, act, kind, event):
    assert act(pusher).text == "收到"
    assert (server.heard[-1].kind, server.heard[-1].event) == (kind, event)


def test_scenes_media_and_recognition_come_through(server, pusher):
    pusher.subscribe(OPENID, "st=7")
    assert server.heard[-1].details["scene"] == "st=7"
    pusher.voice(OPENID, "压力表")
    assert server.heard[-1].text == "压力表"
    assert server.platform.media(server.heard[-1].details["MediaId"]).media_type == "audio/amr"
    pusher.popup(OPENID, {"T1": "accept", "T2": "reject"})
    assert server.heard[-1].details["List.1.SubscribeStatusString"] == "reject"
    assert server.heard[-1].details["templates"] == "T1=accept,T2=reject"


def test_the_account_hears_what_became_of_a_template_message(server, pusher):
    pusher.template_result(OPENID, "3148023429112057856", "failed:user block")
    details = server.heard[-1].details
    assert (details["msg_id"], details["status"]) == ("3148023429112057856", "failed:user block")


def test_revocations_and_unfollowing_reach_no_phone(server, pusher):
    assert pusher.revoke(OPENID).fields["FromUserName"] != OPENID
    assert server.heard[-1].details["person"] == OPENID
    server.replies = [500]
    assert pusher.unsubscribe(OPENID).shown is None
    assert server.platform.phone(OPENID) == []


def test_messages_have_ids_of_their_own(server, pusher):
    pusher.text(OPENID, "您好")
    pusher.text(OPENID, "您好")
    assert server.heard[0].key != server.heard[1].key
