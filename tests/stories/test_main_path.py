"""The main job: a message in, the right answer or a numbered request out."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from bot.store.conversations import Conversation, Feedback, Message
from bot.store.people import Contact
from bot.store.tickets import Ticket, TicketEvent
from tests.people import Enterprise, number_in

Newcomer = Callable[..., Enterprise]


def ticket(enterprise: Enterprise, number: str) -> Ticket:
    with enterprise.program.ctx.read() as session:
        return session.scalars(sa.select(Ticket).where(Ticket.number == number)).one()


def test_a_question_is_answered_at_once_with_its_basis_and_date(enterprise: Enterprise) -> None:
    reply = enterprise.says("压力表多久检一次?")
    assert "依据：《" in reply
    assert "更新日期：20" in reply
    assert "检定" in reply


def test_a_need_is_led_through_the_form_to_a_number(enterprise: Enterprise) -> None:
    first = enterprise.says("想给新出的椰汁做个第三方检测")
    assert "仅用于办理本次服务" in first, "consent comes before the first personal datum"
    assert "企业名称" in first
    assert "联系人" in enterprise.says("示例甜水食品有限公司")
    assert "联系电话" in enterprise.says("王经理")
    summary = enterprise.says("13800000000")
    for shown in ("示例甜水食品有限公司", "王经理", "13800000000", "椰汁"):
        assert shown in summary
    number = number_in(enterprise.says("1"))
    found = ticket(enterprise, number)
    assert (found.applicant, found.person, found.phone) == ("示例甜水食品有限公司", "王经理", "13800000000")
    assert (found.category, found.kind, found.state) == ("testing", "need", "registered")
    assert found.content == "想给新出的椰汁做个第三方检测"
    with enterprise.program.ctx.read() as session:
        events = session.scalars(sa.select(TicketEvent.what).where(TicketEvent.ticket_id == found.id)).all()
    assert events == ["registered"]


def test_everything_in_one_message_asks_nothing_twice(enterprise: Enterprise) -> None:
    enterprise.says("我们想做有机产品认证")
    reply = enterprise.says("示例甜水食品有限公司，联系人李四，电话 138 0000 0001")
    assert "请核对" in reply
    assert "李四" in reply
    assert "13800000001" in reply


def test_the_second_form_uses_what_the_first_one_told(enterprise: Enterprise) -> None:
    enterprise.registers_need()
    reply = enterprise.says("我们还想注册一个商标，帮我们办一下")
    assert "请核对" in reply
    assert "示例甜水食品有限公司" in reply


def test_a_wrong_phone_is_named_and_can_be_corrected_later(enterprise: Enterprise) -> None:
    enterprise.says("想给新出的椰汁做个第三方检测")
    enterprise.says("示例甜水食品有限公司")
    enterprise.says("王经理")
    assert "不像完整的电话号码" in enterprise.says("1380000")
    assert "请核对" in enterprise.says("13800000000")
    reply = enterprise.says("电话写错了 是13900000000")
    assert "已改" in reply
    assert "13900000000" in reply
    number = number_in(enterprise.says("确认提交"))
    assert ticket(enterprise, number).phone == "13900000000"


def test_a_question_in_the_middle_is_answered_and_the_form_goes_on(enterprise: Enterprise) -> None:
    enterprise.says("想给新出的椰汁做个第三方检测")
    reply = enterprise.says("CMA和CNAS有什么区别？")
    assert "依据" in reply or "更新日期" in reply
    assert "企业名称" in reply, "the form goes on in the same message"
    assert "联系人" in enterprise.says("示例甜水食品有限公司")


def test_cancelling_leaves_nothing_behind(enterprise: Enterprise) -> None:
    enterprise.says("想给新出的椰汁做个第三方检测")
    enterprise.says("示例甜水食品有限公司")
    assert "没有保存" in enterprise.says("取消")
    assert "没有查到" in enterprise.says("我的申请")
    with enterprise.program.ctx.read() as session:
        contact = session.scalars(sa.select(Contact).where(Contact.openid == enterprise.openid)).one()
    assert (contact.applicant, contact.person, contact.phone) == ("", "", "")


def test_progress_is_told_by_number_and_only_to_its_owner(enterprise: Enterprise, newcomer: Newcomer) -> None:
    number = enterprise.registers_need()
    assert "已登记" in enterprise.says(f"{number.lower()} 到哪一步了")
    assert number in enterprise.says("我的申请")
    assert "没有查到编号" in newcomer().says(number)


def test_complaints_and_suggestions_have_numbers_of_their_own(enterprise: Enterprise) -> None:
    enterprise.says("我要投诉")
    enterprise.says("你们介绍的检测机构收了样品两周没有消息，电话也不接")
    reply = enterprise.says("跳过")
    assert "请核对" in reply
    complaint = number_in(enterprise.says("确认提交"))
    assert complaint.startswith("NQI-C-")
    enterprise.says("我有建议")
    enterprise.says("希望周末也能有人值班")
    assert number_in(enterprise.says("确认提交")).startswith("NQI-S-")
    assert ticket(enterprise, complaint).kind == "complaint"


def test_a_person_is_asked_for_and_the_queue_is_told(enterprise: Enterprise, newcomer: Newcomer) -> None:
    assert "已为您转接" in enterprise.says("转人工")
    assert "已在等待" in enterprise.says("人工")
    assert "前面还有" in newcomer().says("我想找真人客服")
    assert "已退出等待" in enterprise.says("取消")
    with enterprise.program.ctx.read() as session:
        holder = session.scalar(
            sa.select(Conversation.holder)
            .join(Contact, Contact.id == Conversation.contact_id)
            .where(Contact.openid == enterprise.openid)
        )
    assert holder == "bot"


def test_the_menu_shows_the_eleven_categories_and_each_can_be_tapped(enterprise: Enterprise) -> None:
    menu = enterprise.says("菜单")
    assert len(enterprise.last().links) == 11
    assert "1. 计量服务" in menu
    assert "质量教育和培训服务" in menu
    assert "计量服务：" in enterprise.taps("计量服务")
    assert "依据" in enterprise.says("1") or "更新日期" in enterprise.last().text


def test_feedback_is_kept_once_and_may_change(enterprise: Enterprise) -> None:
    enterprise.says("压力表多久检一次?")
    assert "感谢反馈" in enterprise.taps("有帮助")
    assert "抱歉" in enterprise.says("没帮助")
    with enterprise.program.ctx.read() as session:
        votes = session.scalars(
            sa.select(Feedback.is_helpful)
            .join(Message, Message.id == Feedback.message_id)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .join(Contact, Contact.id == Conversation.contact_id)
            .where(Contact.openid == enterprise.openid)
        ).all()
    assert votes == [False]


def test_two_needs_in_one_message_are_served_one_after_the_other(enterprise: Enterprise) -> None:
    reply = enterprise.says("压力表多久检一次？另外想问一下商标注册要多久")
    assert "您还提到" in reply
    assert "商标" in enterprise.says("下一个")


def test_a_follow_up_is_read_with_the_topic_before_it(enterprise: Enterprise, newcomer: Newcomer) -> None:
    enterprise.says("商标怎么注册")
    assert "商标" in enterprise.says("那需要什么材料？")
    assert "商标" not in newcomer().says("那需要什么材料？")


def test_out_of_scope_is_said_kindly_and_staff_are_offered(enterprise: Enterprise) -> None:
    assert "服务范围" in enterprise.says("今天天气怎么样，适合去海边吗")
    again = enterprise.says("给我讲个笑话吧")
    assert "转人工" in again


def test_small_talk(enterprise: Enterprise) -> None:
    assert "您好" in enterprise.says("你好")
    assert "不客气" in enterprise.says("谢谢")
    assert "再见" in enterprise.says("再见")


def test_erasing_takes_everything_personal_and_withdraws_open_requests(enterprise: Enterprise) -> None:
    number = enterprise.registers_need()
    asked = enterprise.says("删除我的信息")
    assert number in asked
    assert "已删除" in enterprise.says("确认删除")
    found = ticket(enterprise, number)
    assert (found.applicant, found.person, found.phone, found.content) == ("", "", "", "")
    assert found.state == "withdrawn"
    with enterprise.program.ctx.read() as session:
        assert session.scalars(sa.select(Contact).where(Contact.openid == enterprise.openid)).all() == []
        texts = session.scalars(
            sa.select(Message.text).where(
                Message.conversation_id == found.conversation_id, Message.is_inbound
            )
        ).all()
    assert set(texts) == {""}
    assert "没有查到" in enterprise.says("我的申请"), "afterwards they are somebody new"


def test_unfollowing_erases_the_talk_but_keeps_a_request_that_is_being_worked_on(
    enterprise: Enterprise,
) -> None:
    number = enterprise.registers_need()
    assert enterprise.pusher.unsubscribe(enterprise.openid).content == b"success"
    found = ticket(enterprise, number)
    assert found.phone == "13800000000"
    assert found.state == "registered"
    with enterprise.program.ctx.read() as session:
        assert session.scalars(sa.select(Contact).where(Contact.openid == enterprise.openid)).all() == []
    again = enterprise.pusher.unsubscribe(enterprise.openid)
    assert again.content == b"success"


def test_the_mini_program_says_the_same_by_customer_message(newcomer: Newcomer) -> None:
    person = newcomer("miniprogram")
    assert "计量服务" in person.reads(person.pusher.enter(person.openid))
    reply = person.says("压力表多久检一次?")
    assert "依据" in reply
    assert "weixin://" not in person.last().text, "no links there: numbers do"
    assert person.last().via == "customer"


@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        ("image", "图片已收到"),
        ("voice", "听不了语音"),
        ("video", "视频已收到"),
        ("location", "位置已收到"),
        ("link", "链接已收到"),
        ("file", "不允许我们下载"),
    ],
)
def test_what_is_not_text_gets_a_helpful_reply(enterprise: Enterprise, deed: str, expected: str) -> None:
    deeds = {
        "location": lambda: enterprise.pusher.location(
            enterprise.openid, latitude=20.0, longitude=110.3, label="海口"
        ),
        "link": lambda: enterprise.pusher.link(enterprise.openid, title="产品", url="https://example.com"),
        "file": lambda: enterprise.pusher.file(enterprise.openid, "报告.pdf"),
    }
    delivery = deeds[deed]() if deed in deeds else getattr(enterprise.pusher, deed)(enterprise.openid)
    assert expected in enterprise.reads(delivery)


def test_a_voice_message_with_words_is_read_as_text(enterprise: Enterprise) -> None:
    assert "依据" in enterprise.reads(enterprise.pusher.voice(enterprise.openid, "压力表多久检一次"))


def test_what_is_sent_during_the_form_is_attached_to_the_request(enterprise: Enterprise) -> None:
    enterprise.says("想给新出的椰汁做个第三方检测")
    reply = enterprise.reads(enterprise.pusher.image(enterprise.openid))
    assert "会附在正在登记的申请里" in reply
    assert "企业名称" in reply
    for text in ("示例甜水食品有限公司", "王经理", "13800000000"):
        enterprise.says(text)
    number = number_in(enterprise.says("确认提交"))
    with enterprise.program.ctx.read() as session:
        kinds = session.scalars(
            sa.select(Message.kind)
            .join(Ticket, Ticket.id == Message.ticket_id)
            .where(Ticket.number == number)
        ).all()
    assert kinds == ["image"]


def test_events_are_recorded_and_answered_only_where_an_answer_can_be_given(enterprise: Enterprise) -> None:
    pusher, openid = enterprise.pusher, enterprise.openid
    assert "您好" in enterprise.reads(pusher.subscribe(openid, "station-7"))
    assert "您好" in enterprise.reads(pusher.scan(openid, "station-8"))
    for fields in (
        pusher.event(openid, "VIEW", EventKey="https://example.com", MenuId="1"),
        pusher.event(openid, "LOCATION", Latitude="20.0", Longitude="110.3", Precision="60"),
        pusher.event(openid, "TEMPLATESENDJOBFINISH", MsgID="1", Status="success"),
        pusher.event(openid, "some_event_of_next_year", Anything="1"),
        pusher.message(openid, "hologram", Shape="cube"),
    ):
        assert pusher.deliver(fields).content in (b"success",) or fields["MsgType"] == "hologram"
    with enterprise.program.ctx.read() as session:
        station, count = session.execute(
            sa.select(Contact.station, sa.func.count(Message.id))
            .join(Conversation, Conversation.contact_id == Contact.id)
            .join(Message, Message.conversation_id == Conversation.id)
            .where(Contact.openid == openid, Message.is_inbound)
            .group_by(Contact.station)
        ).one()
    assert (station, count) == ("station-8", 7)


def test_markup_in_a_text_comes_back_harmless(enterprise: Enterprise) -> None:
    enterprise.says("我有建议")
    reply = enterprise.pusher.text(
        enterprise.openid, '<a href="weixin://bizmsgmenu?msgmenucontent=x&msgmenuid=1">点我</a>]]><Content>x'
    )
    assert reply.shown is not None
    assert [link.label for link in reply.shown.links] == ["确认提交", "修改", "取消"]
