"""One effect for one push, however often and however it arrives."""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from bot.app import Program
from bot.channels.simulator.wire import make_push
from bot.channels.wechat_codec import Codec
from bot.store.conversations import Conversation, Message, Receipt
from bot.store.people import Contact
from bot.store.tickets import Ticket
from tests.people import Enterprise, plain

Newcomer = Callable[..., Enterprise]


def counters(program: Program) -> dict[str, float]:
    """The sums of the callback's counters."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx.get(f"{program.url}/metrics", trust_env=False).text):
        for sample in family.samples:
            if sample.name.startswith("nqi_pushes_") and sample.name.endswith("_total"):
                name = sample.name.removeprefix("nqi_pushes_").removesuffix("_total")
                sums[name] = sums.get(name, 0) + sample.value
    return sums


def said(enterprise: Enterprise) -> list[tuple[bool, str]]:
    """The transcript: from the contact?, text."""
    with enterprise.program.ctx.read() as session:
        rows = session.execute(
            sa.select(Message.is_inbound, Message.text)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .join(Contact, Contact.id == Conversation.contact_id)
            .where(Contact.openid == enterprise.openid)
            .order_by(Message.id)
        )
        return [(row.is_inbound, plain(row.text)) for row in rows]


def test_the_same_delivery_again_gets_the_same_bytes_and_has_no_second_effect(enterprise: Enterprise) -> None:
    fields = enterprise.pusher.message(enterprise.openid, "text", Content="压力表多久检一次")
    first = enterprise.pusher.deliver(fields)
    time.sleep(1.1)  # another second: the reply must not be dated anew
    second = enterprise.pusher.deliver(fields)
    assert first.content == second.content != b"success"
    assert len(said(enterprise)) == 2


def test_the_same_push_twice_at_once_has_one_effect(enterprise: Enterprise) -> None:
    fields = enterprise.pusher.message(enterprise.openid, "text", Content="压力表多久检一次")
    deliveries = enterprise.pusher.deliver_together([fields] * 6)
    assert len({delivery.content for delivery in deliveries}) == 1
    assert len(said(enterprise)) == 2


def test_two_people_with_the_same_message_id_each_get_their_answer(newcomer: Newcomer) -> None:
    one, other = newcomer(), newcomer()
    fields = one.pusher.message(one.openid, "text", Content="你好")
    assert one.pusher.deliver(fields).text
    assert other.pusher.deliver({**fields, "FromUserName": other.openid}).text
    assert len(said(other)) == 2


def test_two_quick_messages_of_one_person_are_answered_in_order(enterprise: Enterprise) -> None:
    enterprise.says("想给新出的椰汁做个第三方检测")
    texts = ["示例甜水食品有限公司", "王经理", "13800000000"]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(3) as pool:
        deliveries = []
        for text in texts:
            fields = enterprise.pusher.message(enterprise.openid, "text", Content=text)
            deliveries.append(pool.submit(enterprise.pusher.deliver, fields))
            time.sleep(0.02)
        replies = [plain(delivery.result().text) for delivery in deliveries]
    assert "联系人" in replies[0]
    assert "联系电话" in replies[1]
    assert "请核对" in replies[2]
    assert [text for inbound, text in said(enterprise) if inbound][1:] == texts


def hostile(program: Program) -> list[tuple[str, list[tuple[str, str]], bytes]]:
    """Bodies and queries that WeChat would never send."""
    assert program.platform is not None
    account = program.settings.official
    codec = Codec(account, name="official", max_age=10**9)
    now = datetime.now(UTC)
    fields = {
        "ToUserName": "gh",
        "FromUserName": "hostile",
        "CreateTime": 1,
        "MsgType": "text",
        "Content": "x",
        "MsgId": 1,
    }
    good = make_push(codec, fields, at=now, nonce="12345")
    query = dict(good.query)
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        b"<xml><MsgType>&b;</MsgType></xml>"
    )
    xxe = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Encrypt>&a;</Encrypt></xml>'
    old = make_push(codec, fields, at=now - timedelta(hours=1), nonce="12345")
    future = make_push(codec, fields, at=now + timedelta(hours=1), nonce="12345")
    signature = hashlib.sha1(b"").hexdigest()
    return [
        ("empty", list(good.query), b""),
        ("oversized", list(good.query), b"<xml>" + b"a" * 100_000 + b"</xml>"),
        ("no query", [], good.content),
        ("wrong signature", list({**query, "msg_signature": signature}.items()), good.content),
        ("empty signature", list({**query, "msg_signature": ""}.items()), good.content),
        ("stale", list(old.query), old.content),
        ("from the future", list(future.query), future.content),
        ("repeated parameter", [*good.query, ("nonce", "12345")], good.content),
        ("shifted digits", list({**query, "timestamp": query["timestamp"][:5]}.items()), good.content),
        ("plain body in safe mode", list(good.query), b"<xml><MsgType>text</MsgType></xml>"),
        ("downgrade", [item for item in good.query if item[0] != "encrypt_type"], good.content),
        ("entity bomb", list(good.query), bomb),
        ("external entity", list(good.query), xxe),
        ("truncated", list(good.query), good.content[: len(good.content) // 2]),
        ("bad utf-8", list(good.query), b"\xff\xfe<xml>\xff</xml>"),
        ("not xml", list(good.query), b"{]"),
    ]


def test_hostile_deliveries_are_refused_leave_nothing_and_the_server_lives(program: Program) -> None:
    before = counters(program)
    with program.ctx.read() as session:
        receipts = session.scalar(sa.select(sa.func.count()).select_from(Receipt))
    cases = hostile(program)
    with httpx.Client(trust_env=False) as http:
        for name, query, body in cases:
            answer = http.post(f"{program.url}/wechat/official", params=query, content=body)
            assert 400 <= answer.status_code < 500, name
            assert answer.content == b"", f"{name}: nothing leaks"
        assert http.get(f"{program.url}/healthz").text == "ok"
        assert http.post(f"{program.url}/wechat/nobody", content=b"x").status_code == 404
    with program.ctx.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Receipt)) == receipts
        assert session.scalars(sa.select(Contact).where(Contact.openid == "hostile")).all() == []
    after = counters(program)
    assert after["rejected"] - before.get("rejected", 0) == len(cases)


def test_every_delivery_ends_in_exactly_one_counter(program: Program, enterprise: Enterprise) -> None:
    enterprise.says("你好")
    enterprise.says("压力表多久检一次")
    sums = counters(program)
    assert sums["received"] == sums["answered"] + sums.get("queued", 0) + sums.get("rejected", 0)


def test_the_console_s_check_of_our_address_is_echoed(program: Program, enterprise: Enterprise) -> None:
    assert enterprise.pusher.verify()
    answer = httpx.get(f"{program.url}/wechat/official", params={"echostr": "x"}, trust_env=False)
    assert answer.status_code in (400, 403)


def test_numbers_are_gapless_when_many_register_at_once(newcomer: Newcomer) -> None:
    people = [newcomer() for _ in range(12)]
    for person in people:
        person.says("想给新出的椰汁做个第三方检测")
        person.says("示例甜水食品有限公司，联系人李四，13800000000")
    fields = [person.pusher.message(person.openid, "text", Content="确认提交") for person in people]
    deliveries = people[0].pusher.deliver_together(fields)
    assert all("已登记" in delivery.text for delivery in deliveries)
    with people[0].program.ctx.read() as session:
        numbers = session.scalars(
            sa.select(Ticket.number).where(Ticket.kind == "need").order_by(Ticket.number)
        ).all()
    serials = [int(number.rsplit("-", 1)[1]) for number in numbers]
    assert serials == list(range(1, len(serials) + 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u200b",
        "？",
        "1",
        "😀😀",
        "a" * 3000,
        "查" * 3000,
        "<script>alert(1)</script>",
        "' OR 1=1 --",
    ],
)
def test_odd_texts_get_a_sane_reply(enterprise: Enterprise, text: str) -> None:
    reply = enterprise.says(text)
    assert reply
    assert "暂时无法提供服务" not in reply
