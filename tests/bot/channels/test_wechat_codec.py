"""The codec: WeChat's own worked examples, every refusal, every kind of push, and noise."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.simulator.wire import Push, make_push, open_reply, url_check
from bot.channels.wechat_codec import SUCCESS, Codec, Decoded, PushRefused, sign, wrap
from bot.core.messages import Incoming, Kind
from bot.errors import SettingsError
from bot.settings import AccountSettings
from tests.bot.channels.accounts import DOCUMENTED, MINIPROGRAM, NOW, OFFICIAL

OPENID = "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
US = "gh_97417a04a28d"
ENCRYPTED = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsX"
    "UnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajA"
    "sjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
)
PLAIN = replace(OFFICIAL, mode="plain", encoding_aes_key="")
ACCOUNTS = {
    "safe xml": OFFICIAL,
    "safe json": MINIPROGRAM,
    "plain xml": PLAIN,
    "plain json": replace(PLAIN, format="json"),
}


def codec_of(account: AccountSettings = OFFICIAL, **more: Any) -> Codec:
    return Codec(account, name="official", max_age=600, **more)


def fields_of(kind: str = "text", **more: Any) -> dict[str, Any]:
    created = int(NOW.timestamp())
    return {"ToUserName": US, "FromUserName": OPENID, "CreateTime": created, "MsgType": kind, **more}


def pushed(fields: Mapping[str, Any], account: AccountSettings = OFFICIAL) -> Push:
    return make_push(codec_of(account), fields, at=NOW, nonce="1514711492")


def decoded(fields: Mapping[str, Any], account: AccountSettings = OFFICIAL) -> Decoded:
    push = pushed(fields, account)
    return codec_of(account).decode(push.query, push.content, now=NOW)


def incoming_of(fields: Mapping[str, Any], account: AccountSettings = OFFICIAL) -> Incoming:
    return decoded(fields, account).incoming


def raw_xml(body: str, account: AccountSettings = OFFICIAL) -> Push:
    """Anything at all, properly sealed and signed."""
    encrypted = codec_of(account).ciphers[0].seal(body, prefix="0123456789abcdef")
    content = f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    return Push(signed(account, encrypted), content.encode(), "text/xml")


def signed(account: AccountSettings, encrypted: str, timestamp: str = "") -> tuple[tuple[str, str], ...]:
    timestamp = timestamp or str(int(NOW.timestamp()))
    signature = sign(account.token, timestamp, "99", encrypted)
    pairs = {"timestamp": timestamp, "nonce": "99", "encrypt_type": "aes", "msg_signature": signature}
    return tuple(pairs.items())


def refused(query: Any, body: bytes, account: AccountSettings = OFFICIAL, now: datetime = NOW) -> str:
    with pytest.raises(PushRefused) as refusal:
        codec_of(account).decode(query, body, now=now)
    assert 400 <= refusal.value.status < 500
    return refusal.value.reason


# WeChat's worked examples.


def test_documented_url_check():
    query = [
        ("signature", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
        ("echostr", "4375120948345356249"),
        ("timestamp", "1714036504"),
        ("nonce", "1514711492"),
    ]
    at = datetime.fromtimestamp(1714036504, UTC)
    assert codec_of(DOCUMENTED).verify_url(query, now=at) == "4375120948345356249"


def test_documented_plain_push():
    query = [
        ("signature", "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
        ("timestamp", "1714037059"),
        ("nonce", "486452656"),
    ]
    body = {
        "ToUserName": US,
        "FromUserName": OPENID,
        "CreateTime": 1714037059,
        "MsgType": "event",
        "Event": "debug_demo",
        "debug_str": "hello world",
    }
    codec = codec_of(replace(DOCUMENTED, mode="plain", encoding_aes_key=""))
    found = codec.decode(
        query, json.dumps(body).encode(), now=datetime.fromtimestamp(1714037060, UTC)
    ).incoming
    assert (found.event, found.created, found.details) == (
        "debug_demo",
        "1714037059",
        {"debug_str": "hello world"},
    )


def test_documented_safe_push():
    query = [
        ("signature", "6c5c811b55cc85e0e1b54100749188c20beb3f5d"),
        ("timestamp", "1714112445"),
        ("nonce", "415670741"),
        ("openid", OPENID),
        ("encrypt_type", "aes"),
        ("msg_signature", "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"),
    ]
    body = json.dumps({"ToUserName": US, "Encrypt": ENCRYPTED}).encode()
    found = codec_of(DOCUMENTED).decode(query, body, now=datetime.fromtimestamp(1714112445, UTC))
    assert (found.incoming.openid, found.incoming.event) == (OPENID, "debug_demo")
    assert (found.envelope.format, found.envelope.encrypted) == ("json", True)


def test_documented_reply():
    encrypted = codec_of(DOCUMENTED).ciphers[0].seal('{"demo_resp":"good luck"}', prefix="707722b803182950")
    assert (
        encrypted
        == "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
    )
    assert json.loads(wrap(encrypted, "AAAAA", 1713424427, "415670741", "json")) == {
        "Encrypt": encrypted,
        "MsgSignature": "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1",
        "TimeStamp": 1713424427,
        "Nonce": "415670741",
    }


# The URL check.


def check(**changes: str) -> list[tuple[str, str]]:
    pairs = dict(url_check(codec_of(), at=NOW, nonce="7", echo="123"))
    return list({**pairs, **changes}.items())


def test_url_check_answers_the_echo():
    assert codec_of().verify_url(check(), now=NOW) == "123"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (check(signature="0" * 40), "signature"),
        (check(signature="é"), "signature"),
        (check(signature=""), "query"),
        (check(echostr=""), "query"),
        (check(echostr="<script>"), "query"),
        (check()[1:], "query"),
        ([*check(), ("nonce", "7")], "query"),
        # Digits moved over the border give the same hash.
        (check(timestamp=str(int(NOW.timestamp()))[:-1], nonce=str(int(NOW.timestamp()))[-1] + "7"), "query"),
        (check(timestamp="１７７２４４３８００"), "query"),
        (check(nonce="7" * 33), "query"),
        (check(nonce="7\n"), "query"),
    ],
)
def test_url_check_refuses(query, reason):
    with pytest.raises(PushRefused) as refusal:
        codec_of().verify_url(query, now=NOW)
    assert refusal.value.reason == reason


@pytest.mark.parametrize("seconds", [-601, 601])
def test_stale_stamps_are_refused(seconds):
    push = pushed(fields_of(Content="你好"))
    assert refused(push.query, push.content, now=NOW + timedelta(seconds=seconds)) == "stale"


@pytest.mark.parametrize("seconds", [-600, 600])
def test_stamps_within_the_window_pass(seconds):
    push = pushed(fields_of(Content="你好"))
    found = codec_of().decode(push.query, push.content, now=NOW + timedelta(seconds=seconds))
    assert found.incoming.text == "你好"


# Construction.


def test_useless_tokens_and_keys_are_refused():
    for account in (
        replace(OFFICIAL, token=""),
        replace(OFFICIAL, encoding_aes_key=""),
        replace(OFFICIAL, encoding_aes_key="short"),
        replace(OFFICIAL, encoding_aes_key="!" * 43),
        replace(OFFICIAL, encoding_aes_key="键" * 43),
        replace(OFFICIAL, previous_aes_key="x"),
    ):
        with pytest.raises(SettingsError):
            codec_of(account)


def test_spare_bits_of_the_key_do_not_matter():
    first, second = (replace(OFFICIAL, encoding_aes_key="a" * 42 + last) for last in "AB")
    push = pushed(fields_of(Content="x"), first)
    assert codec_of(second).decode(push.query, push.content, now=NOW).incoming.text == "x"


# Round trips.


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
def test_text_push(account):
    found = decoded(fields_of(Content="压力表多久检一次？", MsgId=23456789012345678), account)
    push = found.incoming
    assert (push.kind, push.text, push.message_id) == (Kind.TEXT, "压力表多久检一次？", "23456789012345678")
    assert (push.account, push.app_id, push.openid, push.to) == ("official", account.app_id, OPENID, US)
    assert (push.created, push.received_at) == (str(int(NOW.timestamp())), NOW)
    assert (found.envelope.format, found.envelope.encrypted) == (account.format, account.mode == "safe")


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
@pytest.mark.parametrize(
    "text", ["您好", "a]]>b<xml>&amp;", "]]]]>>", "第一行\n第二行", '<a href="weixin://x">1</a>', "😀👨‍👩‍👧"]
)
def test_reply_round_trip(account, text):
    found = decoded(fields_of(Content="x"), account)
    body = codec_of(account).encode(found.incoming, found.envelope, text, at=NOW)
    reply = open_reply(codec_of(account), body.content)
    assert reply["Content"] == text
    assert (reply["ToUserName"], reply["FromUserName"], reply["MsgType"]) == (OPENID, US, "text")
    assert reply["CreateTime"] == str(int(NOW.timestamp()))
    assert body.media_type == f"application/{account.format}"


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
@given(text=st.text(alphabet=st.characters(), min_size=1).filter(lambda text: text.strip()))
def test_any_text_can_be_replied(account, text):
    push = Incoming("official", account.app_id, OPENID, US, Kind.TEXT, NOW, message_id="1")
    found = decoded(fields_of(Content="x"), account)
    body = codec_of(account).encode(push, found.envelope, text, at=NOW)
    assert isinstance(open_reply(codec_of(account), body.content)["MsgType"], str)


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
def test_the_same_push_is_answered_with_the_same_bytes(account):
    first, again = (decoded(fields_of(Content="x", MsgId=1), account) for _ in range(2))
    codec = codec_of(account)
    bodies = {codec.encode(one.incoming, one.envelope, "答复", at=NOW) for one in (first, again)}
    assert len(bodies) == 1
    assert codec.encode(first.incoming, first.envelope, "别的", at=NOW) not in bodies
    if account.mode == "safe":
        other = decoded(fields_of(Content="x", MsgId=2), account)
        assert codec.encode(other.incoming, other.envelope, "答复", at=NOW) not in bodies


def test_saying_nothing_is_plain_success():
    found = decoded(fields_of(Content="x"))
    assert codec_of().encode(found.incoming, found.envelope, "", at=NOW) is SUCCESS


def test_the_previous_key_still_opens_and_answers():
    old = replace(OFFICIAL, encoding_aes_key="b" * 42 + "A")
    new = replace(OFFICIAL, encoding_aes_key="c" * 42 + "A", previous_aes_key=old.encoding_aes_key)
    push = pushed(fields_of(Content="x"), old)
    found = codec_of(new).decode(push.query, push.content, now=NOW)
    assert found.envelope.key == 1
    body = codec_of(new).encode(found.incoming, found.envelope, "好", at=NOW)
    assert open_reply(codec_of(old), body.content)["Content"] == "好"


def test_long_texts_keep_their_length_in_bytes():
    text = "质" * 600
    assert incoming_of(fields_of(Content=text)).text == text


# Refusals.


def changed(push: Push, **changes: str) -> list[tuple[str, str]]:
    return list({**dict(push.query), **changes}.items())


def without(push: Push, name: str) -> list[tuple[str, str]]:
    return [pair for pair in push.query if pair[0] != name]


def test_refusals_in_safe_mode():
    push = pushed(fields_of(Content="x"))
    cases = [
        (changed(push, msg_signature="0" * 40), push.content, "signature"),
        (without(push, "msg_signature"), push.content, "query"),
        (without(push, "encrypt_type"), push.content, "downgrade"),
        (changed(push, encrypt_type="raw"), push.content, "downgrade"),
        (changed(push, encrypt_type="rot13"), push.content, "query"),
        (without(push, "timestamp"), push.content, "query"),
        (without(push, "nonce"), push.content, "query"),
        ([*push.query, ("openid", "x")], push.content, "query"),
        (push.query, b"", "malformed"),
        (push.query, b"\xff\xfe", "malformed"),
        (push.query, b"{", "malformed"),
        (push.query, b"[]", "malformed"),
        (push.query, b"{}", "malformed"),
        (push.query, b'{"Encrypt": 5}', "signature"),
        (push.query, b'{"Encrypt": {}}', "malformed"),
        (push.query, b"[" * 50000, "malformed"),
        (push.query, b'{"a":' * 10000, "malformed"),
        (push.query, pushed(fields_of(Content="x"), PLAIN).content, "downgrade"),
        (push.query, pushed(fields_of(Content="y")).content, "signature"),
        (push.query, push.content + b" " * 65536, "too-large"),
    ]
    for query, body, reason in cases:
        assert refused(query, body) == reason, (query, body[:60])


def test_a_push_for_another_account_is_refused():
    other = replace(OFFICIAL, app_id="wx0000000000000000")
    push = pushed(fields_of(Content="x"), other)
    assert refused(push.query, push.content) == "foreign-app"
    assert (
        refused(push.query, push.content, replace(OFFICIAL, previous_aes_key="d" * 42 + "A")) == "foreign-app"
    )


def test_a_push_under_another_key_is_refused():
    push = pushed(fields_of(Content="x"), replace(OFFICIAL, encoding_aes_key="e" * 42 + "A"))
    assert refused(push.query, push.content) == "encryption"


@pytest.mark.parametrize("encrypted", ["AAAA", "A", "====", "A" * 44, base64.b64encode(b"x" * 64).decode()])
def test_broken_ciphertext_is_refused(encrypted):
    body = f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()
    assert refused(signed(OFFICIAL, encrypted), body) == "encryption"


def test_ciphertext_without_a_key_is_refused():
    push = pushed(fields_of(Content="x"))
    assert refused(push.query, push.content, PLAIN) == "encryption"


def test_plain_mode_reads_ciphertext_when_it_has_a_key():
    push = pushed(fields_of(Content="x"))
    account = replace(OFFICIAL, mode="plain")
    assert codec_of(account).decode(push.query, push.content, now=NOW).envelope.encrypted


def test_plain_mode_checks_the_signature():
    push = pushed(fields_of(Content="x"), PLAIN)
    assert refused(changed(push, signature="0" * 40), push.content, PLAIN) == "signature"
    assert refused(push.query, b"\xff<xml/>", PLAIN) == "malformed"


def test_the_compatible_mode_is_read_from_its_ciphertext():
    push = pushed(fields_of(Content="真的"))
    body = push.content.replace(b"<xml>", b"<xml><MsgType>text</MsgType><Content><![CDATA[fake]]></Content>")
    assert codec_of().decode(push.query, body, now=NOW).incoming.text == "真的"


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    "<xml><MsgType>text</MsgType><FromUserName>o</FromUserName><Content>&b;</Content></xml>"
)
XXE = (
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
    "<xml><MsgType>text</MsgType><FromUserName>o</FromUserName><Content>&a;</Content></xml>"
)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        XXE,
        "",
        " ",
        "text",
        "<xml>",
        "<xml/>",
        "<xml>text</xml>",
        "<xml><xml/></xml>",
        "<other><MsgType>text</MsgType></other>",
        "<xml><MsgType/></xml>",
        "<xml><MsgType>text</MsgType></xml>",
        "<xml><MsgType><b>text</b></MsgType><FromUserName>o</FromUserName></xml>",
        "<xml><MsgType>a</MsgType><MsgType>b</MsgType><FromUserName>o</FromUserName></xml>",
        "<xml><MsgType>event</MsgType><Event/><FromUserName>o</FromUserName></xml>",
        "<xml><MsgType>text</MsgType><FromUserName><b>o</b></FromUserName></xml>",
        "<xml><MsgType>text</MsgType><FromUserName>o</FromUserName><Content>\x01</Content></xml>",
        "{",
        "{}",
        '{"MsgType": {}}',
        '{"MsgType": "text"}',
        '{"a": ' * 3000,
    ],
)
def test_sealed_nonsense_is_refused(body):
    push = raw_xml(body)
    assert refused(push.query, push.content) == "malformed"


def test_nested_and_repeated_fields_are_empty():
    push = raw_xml(
        "<xml><MsgType>text</MsgType><FromUserName>o</FromUserName><ToUserName><a>1</a></ToUserName>"
        "<Content><b>1</b></Content><MsgId>1</MsgId><MsgId>2</MsgId><CreateTime>soon</CreateTime></xml>"
    )
    found = codec_of().decode(push.query, push.content, now=NOW).incoming
    assert (found.text, found.message_id, found.to, found.created) == ("", "", "", "soon")


def test_deep_nesting_is_bounded():
    deep = "<a>" * 4000 + "</a>" * 4000
    body = f"<xml><MsgType>text</MsgType><FromUserName>o</FromUserName>{deep}</xml>"
    push = raw_xml(body)
    assert codec_of().decode(push.query, push.content, now=NOW).incoming.details == {}


def test_details_are_bounded():
    many = "".join(f"<F{number}>x</F{number}>" for number in range(2000))
    push = raw_xml(f"<xml><MsgType>text</MsgType><FromUserName>o</FromUserName>{many}</xml>")
    assert len(codec_of().decode(push.query, push.content, now=NOW).incoming.details) == 64


# Kinds and events.


@pytest.mark.parametrize("account", [OFFICIAL, MINIPROGRAM], ids=["xml", "json"])
@pytest.mark.parametrize(
    ("fields", "kind", "details"),
    [
        (
            {"MsgType": "image", "PicUrl": "http://p", "MediaId": "m"},
            Kind.IMAGE,
            {"PicUrl": "http://p", "MediaId": "m"},
        ),
        (
            {"MsgType": "video", "MediaId": "m", "ThumbMediaId": "t"},
            Kind.VIDEO,
            {"MediaId": "m", "ThumbMediaId": "t"},
        ),
        ({"MsgType": "shortvideo", "MediaId": "m"}, Kind.VIDEO, {"MediaId": "m"}),
        (
            {"MsgType": "location", "Location_X": "20.04", "Scale": 16},
            Kind.LOCATION,
            {"Location_X": "20.04", "Scale": "16"},
        ),
        ({"MsgType": "link", "Title": "t", "Url": "http://u"}, Kind.LINK, {"Title": "t", "Url": "http://u"}),
        (
            {"MsgType": "file", "Title": "a.pdf", "FileTotalLen": 7},
            Kind.FILE,
            {"Title": "a.pdf", "FileTotalLen": "7"},
        ),
        ({"MsgType": "miniprogrampage", "PagePath": "p"}, Kind.CARD, {"PagePath": "p"}),
        ({"MsgType": "hologram"}, Kind.UNKNOWN, {"MsgType": "hologram"}),
        ({"MsgType": "unknown"}, Kind.UNKNOWN, {"MsgType": "unknown"}),
        ({"MsgType": "TEXT", "Content": "x"}, Kind.TEXT, {}),
    ],
)
def test_kinds(account, fields, kind, details):
    found = incoming_of(fields_of() | fields, account)
    assert (found.kind, dict(found.details)) == (kind, details)


def test_voice_is_text_when_it_was_recognised():
    assert incoming_of(fields_of("voice", MediaId="m", Recognition="压力表")).text == "压力表"
    silent = incoming_of(fields_of("voice", MediaId="m", Format="amr", Recognition=""))
    assert (silent.text, dict(silent.details)) == ("", {"MediaId": "m", "Format": "amr"})


def test_a_menu_tap_carries_its_id():
    assert incoming_of(fields_of(Content="满意", bizmsgmenuid="s1")).menu_id == "s1"


@pytest.mark.parametrize("account", [OFFICIAL, MINIPROGRAM], ids=["xml", "json"])
@pytest.mark.parametrize(
    ("event", "key", "scene"),
    [
        ("subscribe", "qrscene_st=7", "st=7"),
        ("subscribe", "qrscene_", ""),
        ("subscribe", "qrscene_qrscene_1", "qrscene_1"),
        ("subscribe", "", None),
        ("subscribe", "last_trade_no_42", None),
        ("subscribe", "scanbarcode|1|2", None),
        ("SCAN", "st=7", "st=7"),
        ("CLICK", "bot:menu", None),
        ("VIEW", "https://example.com", None),
    ],
)
def test_events_and_their_keys(account, event, key, scene):
    found = incoming_of(fields_of("event", Event=event, EventKey=key), account)
    assert (found.kind, found.event, found.event_key) == (Kind.EVENT, event.lower(), key)
    assert found.details.get("scene") == scene


@pytest.mark.parametrize("spelling", ["OpenID", "openid", "OPENID"])
def test_a_revocation_names_its_person(spelling):
    fields = fields_of("event", Event="user_authorization_revoke", RevokeInfo="8", **{spelling: " oPerson"})
    found = incoming_of(fields, MINIPROGRAM)
    assert (found.details["person"], found.details["RevokeInfo"]) == ("oPerson", "8")
    other = incoming_of(fields | {spelling: "oOther"}, MINIPROGRAM)
    assert found.key != other.key


@pytest.mark.parametrize("count", [1, 2])
def test_subscription_lists_have_one_shape(count):
    entries = [{"TemplateId": f"t{number}", "SubscribeStatusString": "accept"} for number in range(count)]
    listed: Any = entries[0] if count == 1 else entries
    event = fields_of("event", Event="subscribe_msg_popup_event")
    by_xml = incoming_of({**event, "SubscribeMsgPopupEvent": {"List": entries}})
    by_json = incoming_of({**event, "List": listed}, MINIPROGRAM)
    assert by_json.details["List.0.TemplateId"] == "t0"
    assert f"List.{count - 1}.SubscribeStatusString" in by_json.details
    if count == 2:
        assert by_xml.details == by_json.details


def test_delivery_events_of_one_second_stay_apart():
    def sent(number: int) -> Incoming:
        entry = {"TemplateId": "t", "MsgID": str(number), "ErrorCode": "0"}
        return incoming_of(fields_of("event", Event="subscribe_msg_sent_event", List=entry), MINIPROGRAM)

    assert sent(1).message_id == "1"
    assert sent(1).key != sent(2).key
    assert incoming_of(fields_of("event", Event="TEMPLATESENDJOBFINISH", MsgID=5)).message_id == "5"


@pytest.mark.parametrize("name", ["subscribe_msg_popup_event", "subscribe_msg_change_event"])
@pytest.mark.parametrize("count", [1, 3])
def test_answers_to_a_popup_are_listed(name, count):
    answers = ["accept", "Reject", "ban"][:count]
    entries = [
        {"TemplateId": f"t_{number}-x", "SubscribeStatusString": answer, "PopupScene": "0"}
        for number, answer in enumerate(answers)
    ]
    listed: Any = entries[0] if count == 1 else entries
    wrapper = "SubscribeMsgPopupEvent" if "popup" in name else "SubscribeMsgChangeEvent"
    by_xml = incoming_of(fields_of("event", Event=name, **{wrapper: {"List": listed}}))
    by_json = incoming_of(fields_of("event", Event=name, List=listed), MINIPROGRAM)
    expected = ",".join(["t_0-x=accept", "t_1-x=reject", "t_2-x=ban"][:count])
    assert (by_xml.details["templates"], by_json.details["templates"]) == (expected, expected)


@pytest.mark.parametrize(
    "entry",
    [
        {"TemplateId": "t=accept,u", "SubscribeStatusString": "accept"},
        {"TemplateId": "t", "SubscribeStatusString": "accept,u=accept"},
        {"TemplateId": {"x": "t"}, "SubscribeStatusString": "accept"},
        {"SubscribeStatusString": "accept"},
        "accept",
    ],
)
def test_a_strange_answer_to_a_popup_counts_for_nothing(entry):
    event = fields_of("event", Event="subscribe_msg_popup_event")
    good = {"TemplateId": "t1", "SubscribeStatusString": "accept"}
    assert incoming_of({**event, "List": [entry, good]}, MINIPROGRAM).details["templates"] == "t1=accept"
    assert "templates" not in incoming_of({**event, "List": entry}, MINIPROGRAM).details


@pytest.mark.parametrize("status", ["success", "failed:user block", "failed: system failed"])
def test_the_result_of_a_template_message_comes_through(status):
    event = fields_of("event", Event="TEMPLATESENDJOBFINISH", MsgID=3148023429112057856, Status=status)
    details = incoming_of(event).details
    assert (details["msg_id"], details["status"]) == ("3148023429112057856", status)


def test_the_results_of_subscription_messages_come_through():
    entries = [
        {"TemplateId": "t", "MsgID": "1700827132819554304", "ErrorCode": "0", "ErrorStatus": "success"},
        {"TemplateId": "t", "MsgID": "7", "ErrorCode": "43107", "ErrorStatus": "banned"},
    ]
    event = fields_of("event", Event="subscribe_msg_sent_event")
    first = incoming_of({**event, "SubscribeMsgSentEvent": {"List": entries[0]}}).details
    assert (first["msg_id"], first["status"]) == ("1700827132819554304", "success")
    both = incoming_of({**event, "List": entries}, MINIPROGRAM).details
    assert (both["msg_id"], both["status"]) == ("1700827132819554304,7", "success,failed:banned")


def test_other_pushes_have_no_results():
    found = incoming_of(fields_of("event", Event="CLICK", EventKey="k", MsgID="5", Status="success")).details
    assert not found.keys() & {"msg_id", "status", "templates"}


def test_nested_events_are_flattened():
    code = {"ScanType": "qrcode", "ScanResult": "st=1"}
    found = incoming_of(fields_of("event", Event="scancode_push", EventKey="k", ScanCodeInfo=code))
    assert found.details["ScanCodeInfo.ScanResult"] == "st=1"


def test_json_ids_stay_as_they_were_written():
    text = (
        '{"FromUserName":"o","MsgType":"text","Content":7,"MsgId":1e400,"CreateTime":"12","x":true,"y":null}'
    )
    push = raw_xml(text)
    found = codec_of().decode(push.query, push.content, now=NOW).incoming
    assert (found.message_id, found.created, found.text, dict(found.details)) == (
        "1e400",
        "12",
        "7",
        {"x": "true"},
    )


def test_characters_that_cannot_be_stored_are_dropped():
    push = raw_xml('{"FromUserName":"o","MsgType":"text","Content":"a\\u0000b\\ud800c","\\ud800":"\\udfff1"}')
    found = codec_of().decode(push.query, push.content, now=NOW).incoming
    assert found.text == "abc"
    assert found.key
    assert dict(found.details) == {"": "1"}


# Noise.


@given(
    body=st.binary(max_size=400),
    pairs=st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6),
)
def test_noise_is_refused(body, pairs):
    refused(pairs, body)


@given(text=st.text(max_size=300) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_sealed_noise_is_refused_or_read(text):
    push = raw_xml(text)
    try:
        found = codec_of().decode(push.query, push.content, now=NOW)
    except PushRefused:
        return
    assert found.incoming.openid


# fmt: off
PIECES = st.sampled_from([
    "<xml>", "</xml>", "<MsgType>", "</MsgType>", "event", "text", "<Event>", "subscribe",
    "</Event>", "<EventKey>", "qrscene_1", "</EventKey>", "<FromUserName>o</FromUserName>",
    "<List>", "</List>", "&amp;", "<![CDATA[", "]]>", "<!DOCTYPE x>", "{", "}", "[", "]", ",",
    "null", "1e9", '"MsgType":', '"text"', '"FromUserName":"o"', '"List":',
])
# fmt: on


@given(pieces=st.lists(PIECES, max_size=25))
def test_sealed_fragments_are_refused_or_read(pieces):
    push = raw_xml("".join(pieces))
    try:
        assert codec_of().decode(push.query, push.content, now=NOW).incoming.key
    except PushRefused:
        return


@pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
@given(data=st.data())
def test_a_damaged_push_is_refused_or_read(account, data):
    push = pushed(fields_of(Content="压力表", MsgId=7), account)
    body = bytearray(push.content)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.booleans()):
            body[place] = data.draw(st.integers(0, 255))
        else:
            del body[place : place + data.draw(st.integers(1, 30))]
        if not body:
            break
    try:
        found = codec_of(account).decode(push.query, bytes(body), now=NOW)
    except PushRefused:
        return
    assert found.incoming.key
    if account.mode == "safe":
        assert found.incoming.text == "压力表"
