"""Pictures of staff: uploaded, then sent by their media id; what cannot be sent is a value, never an error."""

from bot.actions.attachments import OpenedFile
from bot.channels.simulator.quotas import Act
from bot.channels.wechat_out import WeChatSender
from bot.core.reach import Channel
from bot.ports import Failed, Parcel, Sent
from tests.bot.channels.conftest import Scene

OPENID = "oUser1"
PNG = OpenedFile(b"\x89PNG\r\n\x1a\n a picture", "检测报告.png", "image/png", is_inline=True)
PARCEL = Parcel("k1", Channel.CUSTOMER, OPENID, "[图片]", {"image": 7})


def test_a_picture_is_uploaded_and_shown(scene: Scene) -> None:
    scene.platform.note("official", OPENID, Act.MESSAGE)
    sender = WeChatSender("official", scene.api(), pictures={7: PNG}.get)
    assert sender.send(PARCEL) == Sent()
    (bubble,) = scene.platform.phone(OPENID)
    assert (bubble.kind, bubble.via) == ("image", "customer")
    assert scene.paths()[-2:] == ["/media/upload", "/message/custom/send"]
    media_id = scene.platform.calls[-1].body["image"]["media_id"]
    assert scene.platform.media(media_id).content == PNG.content


def test_a_token_that_died_is_renewed_for_a_picture_too(scene: Scene) -> None:
    scene.platform.note("official", OPENID, Act.MESSAGE)
    sender = WeChatSender("official", scene.api(), pictures={7: PNG}.get)
    scene.platform.switches.turn_on("42001", path="/cgi-bin/media/upload", times=1)
    outcome = sender.send(PARCEL)
    assert outcome == Sent()
    assert len(scene.platform.phone(OPENID)) == 1


def test_a_picture_that_is_gone_or_refused_is_a_failure(scene: Scene) -> None:
    scene.platform.note("official", OPENID, Act.MESSAGE)
    huge = OpenedFile(b"\x89PNG\r\n\x1a\n" + b"0" * (10 << 20), "图.png", "image/png", is_inline=True)
    for pictures, code in ((None, "no-file"), ({}.get, "no-file"), ({7: huge}.get, "40006")):
        outcome = WeChatSender("official", scene.api(), pictures=pictures).send(PARCEL)
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.is_permanent) == (code, True)
    assert scene.platform.phone(OPENID) == []
