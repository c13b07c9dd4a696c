"""The local platform keeps WeChat's rules: quotas, lengths, kinds, codes, media."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from bot.channels.simulator.phone import Link
from bot.channels.simulator.platform import Platform
from bot.channels.simulator.quotas import Act, Ledger, Taking
from bot.channels.simulator.templates import wrong_key
from bot.channels.simulator.tokens import ApiError
from tests.bot.channels.accounts import MINIPROGRAM, NOW, OFFICIAL, Still

OPENID = "oUser1"
TEXT = {"touser": OPENID, "msgtype": "text", "text": {"content": "您好"}}


class Desk:
    """One account as its server may use it."""

    def __init__(self, name: str, settings) -> None:
        self.clock = Still()
        self.platform = Platform({name: settings}, clock=self.clock)
        self.platform.templates.add("T1")
        self.name = name
        token = self.platform.token(self.platform.owner(settings.app_id, settings.app_secret), is_stable=True)
        self.account = self.platform.bearer(token["access_token"])

    def does(self, act: Act | None) -> None:
        self.platform.note(self.name, OPENID, act)

    def sends(self, **changes) -> int:
        return self.code(self.platform.send, TEXT | changes)

    def code(self, operation, body) -> int:
        try:
            operation(self.account, body)
        except ApiError as error:
            return error.code
        return 0


@pytest.fixture
def desk() -> Desk:
    return Desk("official", OFFICIAL)


@pytest.fixture
def mini() -> Desk:
    return Desk("miniprogram", MINIPROGRAM)


@pytest.mark.parametrize(
    ("act", "count", "seconds"),
    [
        (Act.MESSAGE, 5, 48 * 3600),
        (Act.TAP, 3, 60),
        (Act.CLICK, 3, 60),
        (Act.FOLLOW, 3, 60),
        (Act.SCAN, 3, 60),
    ],
)
def test_what_an_act_allows(desk, act, count, seconds):
    desk.does(act)
    assert [desk.sends() for _ in range(count + 1)] == [0] * count + [45047]
    desk.does(act)
    desk.clock.forward(seconds=seconds - 1)
    assert desk.sends() == 0
    desk.clock.forward(seconds=1)
    assert desk.sends() == 45015


def test_a_tap_leaves_the_two_days_as_they_were(desk):
    desk.does(Act.MESSAGE)
    desk.clock.forward(hours=47)
    desk.does(Act.TAP)
    assert desk.platform.left("official", OPENID) == 8
    assert [desk.sends() for _ in range(3)] == [0, 0, 0]
    assert desk.platform.left("official", OPENID) == 5
    desk.clock.forward(hours=1)
    assert desk.sends() == 45015


def test_the_allowances_of_a_mini_program_merge():
    ledger = Ledger(merges=True)
    ledger.note(Act.MESSAGE, NOW)
    for _ in range(4):
        assert ledger.take(NOW) is Taking.ALLOWED
    ledger.note(Act.ENTER, NOW)
    assert ledger.left(NOW) == 2
    assert ledger.left(NOW + timedelta(hours=47)) == 2


def test_nobody_is_sent_anything_before_they_came(desk):
    assert desk.sends() == 40003
    desk.does(None)
    assert desk.sends() == 45015


def test_who_unfollows_is_out_of_reach(desk):
    desk.does(Act.MESSAGE)
    desk.platform.unfollow("official", OPENID)
    assert desk.sends() == 45015
    assert desk.code(desk.platform.send_template, template()) == 43004


def test_an_unverified_account_may_not_send():
    desk = Desk("official", replace(OFFICIAL, kind="subscription_unverified"))
    desk.does(Act.MESSAGE)
    assert desk.sends() == 48001


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"text": {"content": ""}}, 44004),
        ({"text": {"content": "质" * 682 + "ab"}}, 0),
        ({"text": {"content": "质" * 683}}, 45002),
        ({"text": "您好"}, 40008),
        ({"msgtype": "hologram"}, 40008),
        ({"msgtype": "link", "link": {"title": "t"}}, 40008),
        ({"msgtype": "image", "image": {"media_id": "nothing"}}, 40007),
        ({"msgtype": "news", "news": {"articles": [{"title": "a"}]}}, 0),
        ({"msgtype": "news", "news": {"articles": [{"title": "a"}] * 2}}, 45008),
        ({"touser": "oSomebody"}, 40003),
    ],
)
def test_what_may_be_sent(desk, changes, code):
    desk.does(Act.MESSAGE)
    assert desk.sends(**changes) == code
    assert len(desk.platform.phone(OPENID)) == (1 if code == 0 else 0)


def test_a_mini_program_has_its_own_kinds(mini):
    mini.does(Act.MESSAGE)
    assert mini.sends(msgtype="link", link={"title": "t"}) == 0
    assert mini.sends(msgtype="voice", voice={"media_id": "x"}) == 40008


def test_a_menu_shows_links(desk):
    desk.does(Act.MESSAGE)
    menu = {"head_content": "满意吗？", "list": [{"id": "s1", "content": "满意"}], "tail_content": ""}
    assert desk.sends(msgtype="msgmenu", msgmenu=menu) == 0
    (bubble,) = desk.platform.phone(OPENID)
    assert bubble.links[0].sends == ("满意", "s1")


def test_an_ordinary_link_sends_nothing():
    assert Link("https://example.com/?msgmenucontent=x&msgmenuid=1", "x").sends is None
    assert Link("weixin://bizmsgmenu?msgmenucontent=x", "x").sends is None


def template(**changes) -> dict:
    return {"touser": OPENID, "template_id": "T1", "data": {"thing1": {"value": "校准"}}, **changes}


def test_templates(desk):
    desk.does(None)
    send = desk.platform.send_template
    assert desk.code(send, template(client_msg_id="1")) == 0
    assert desk.code(send, template(client_msg_id="1")) == 0
    assert len(desk.platform.phone(OPENID)) == 1
    assert desk.code(send, template(template_id="T9")) == 40037
    assert desk.code(send, template(data={"thing1": {"value": "质" * 21}})) == 47003
    assert desk.code(send, template(data={})) == 47003
    subscription = Desk("official", replace(OFFICIAL, kind="subscription"))
    assert subscription.code(subscription.platform.send_template, template()) == 48001


def test_one_accept_is_one_message(mini):
    mini.does(None)

    def send() -> int:
        return mini.code(
            lambda account, body: mini.platform.send_subscribed(account, body, kinds=("miniprogram",)),
            template(),
        )

    assert send() == 43101
    mini.platform.accept("miniprogram", OPENID, "T1")
    assert [send(), send()] == [0, 43101]


@pytest.mark.parametrize(
    ("key", "value", "is_good"),
    [
        ("thing1", "质" * 20, True),
        ("thing1", "a\nb", False),
        ("thing1", "", False),
        ("character_string2", "NQI-2026-000001", True),
        ("character_string2", "编号", False),
        ("phrase3", "已受理", True),
        ("phrase3", "已受理了吗啊", False),
        ("number4", "12.5", True),
        ("number4", "十二", False),
        ("phone_number5", "0898-66668888", True),
        ("date6", "2026年3月2日 15:01", True),
        ("keyword1", "任意", True),
    ],
)
def test_template_values(key, value, is_good):
    assert (wrong_key({key: {"value": value}}) is None) is is_good


def test_media_live_three_days(desk):
    media_id = desk.platform.upload(b"x", "image", "image/png")["media_id"]
    assert desk.platform.media(media_id).content == b"x"
    desk.does(Act.MESSAGE)
    assert desk.sends(msgtype="image", image={"media_id": media_id}) == 0
    desk.clock.forward(days=3, seconds=1)
    with pytest.raises(ApiError) as refusal:
        desk.platform.media(media_id)
    assert refusal.value.code == 40007


def test_codes_are_used_once(mini):
    code = mini.platform.issue_code(OPENID)
    assert mini.platform.use_code(code) == OPENID
    for wrong, expected in ((code, 40163), ("x", 40029)):
        with pytest.raises(ApiError) as refusal:
            mini.platform.use_code(wrong)
        assert refusal.value.code == expected


def test_quota_is_cleared_ten_times_a_month(desk):
    body = {"appid": OFFICIAL.app_id}
    assert [desk.code(desk.platform.clear_quota, body) for _ in range(11)] == [0] * 10 + [48006]
    desk.clock.forward(days=31)
    assert desk.code(desk.platform.clear_quota, body) == 0


def test_stable_tokens_stay_and_plain_tokens_void_each_other(desk):
    platform, account, clock = desk.platform, desk.account, desk.clock

    def token(**how) -> str:
        return platform.token(account, **how)["access_token"]

    stable = token(is_stable=True)
    clock.forward(seconds=6000)
    assert platform.token(account, is_stable=True) == {"access_token": stable, "expires_in": 1200}
    first, second = token(is_stable=False), token(is_stable=False)
    assert first != second
    clock.forward(seconds=301)
    with pytest.raises(ApiError) as refusal:
        platform.bearer(first)
    assert refusal.value.code == 42001
    assert platform.bearer(second) is account
    clock.forward(seconds=600)
    assert token(is_stable=True) != stable
    assert platform.bearer(stable) is account


def test_force_is_rationed(desk):
    def force() -> int:
        return desk.code(lambda account, _: desk.platform.token(account, is_stable=True, force=True), {})

    assert [force(), force()] == [0, 45011]
    for _ in range(19):
        desk.clock.forward(seconds=31)
        assert force() == 0
    desk.clock.forward(seconds=31)
    assert force() == 45011


def test_the_rest_of_the_api_over_http(scene):
    with httpx.Client(base_url=scene.base, trust_env=False) as http:
        credentials = {"appid": OFFICIAL.app_id, "secret": OFFICIAL.app_secret}
        answer = http.get("/cgi-bin/token", params={**credentials, "grant_type": "client_credential"}).json()
        token = {"access_token": answer["access_token"]}
        assert http.get("/cgi-bin/getcallbackip", params=token).json()["ip_list"] == ["127.0.0.1"]
        assert http.get("/cgi-bin/getcallbackip").json()["errcode"] == 41001
        assert (
            http.post("/cgi-bin/callback/check", params=token, json={"action": "all"}).json()["errcode"] == 0
        )
        assert (
            http.post("/cgi-bin/message/custom/send", params=token, content=b"{").json()["errcode"] == 40008
        )
        uploaded = http.post(
            "/cgi-bin/media/upload",
            params={**token, "type": "image"},
            files={"media": ("a.png", b"png", "image/png")},
        ).json()
        found = http.get("/cgi-bin/media/get", params={**token, "media_id": uploaded["media_id"]})
        assert (found.content, found.headers["content-type"]) == (b"png", "image/png")
        assert http.get("/cgi-bin/media/get", params={**token, "media_id": "x"}).json()["errcode"] == 40007
        video = scene.platform.upload(b"ftyp", "video", "video/mp4")["media_id"]
        address = http.get("/cgi-bin/media/get", params={**token, "media_id": video}).json()["video_url"]
        assert address.startswith(scene.base)
        assert http.get(address).content == b"ftyp"
        assert http.post("/cgi-bin/media/upload", params=token, json={}).json()["errcode"] == 41005
        login = {"appid": MINIPROGRAM.app_id, "secret": MINIPROGRAM.app_secret}
        code = scene.platform.issue_code(OPENID)
        session = [
            http.get("/sns/jscode2session", params={**login, "js_code": code}).json() for _ in range(2)
        ]
        assert (session[0]["openid"], session[1]["errcode"]) == (OPENID, 40163)
        mini = http.post("/cgi-bin/stable_token", json={**login, "grant_type": "client_credential"}).json()[
            "access_token"
        ]
        phone = http.post(
            "/wxa/business/getuserphonenumber",
            params={"access_token": mini},
            json={"code": scene.platform.issue_code(OPENID)},
        ).json()
        assert phone["phone_info"]["purePhoneNumber"] == "13800000000"
        refused = http.post("/wxa/business/getuserphonenumber", params=token, json={"code": "x"})
        assert refused.json()["errcode"] == 48001
