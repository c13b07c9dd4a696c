"""Which tickets of an enterprise ask for the same again: a table of pairs, and what does not count."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.repeats import similar
from bot.core.ticket_states import TicketKind, TicketState
from bot.core.tickets import TicketView

# The same need in other words, or with more detail.
SAME = [
    ("想给椰汁做检测", "椰汁需要检测一下"),
    ("检测一批矿泉水", "矿泉水送检"),
    ("检测一批矿泉水", "我们公司有一批矿泉水要检测，麻烦尽快安排"),
    ("三台天平要校准", "天平校准，一共三台"),
    ("三台天平要校准", "3台天平需要校准"),
    ("压力表校准", "压力表较准"),
    ("压力表校准", "我们是海南示例饮料有限公司，压力表要校准，联系人李四 13800000000"),
    ("想注册商标", "申请注册商标"),
    ("想注册一个饮料商标", "我要注册饮料商标"),
    ("办ISO9001认证", "我们想办理ISO 9001认证"),
    ("矿泉水检测菌落总数", "矿泉水要测菌落总数，急"),
    ("地磅检定，10吨", "10吨地磅检定"),
    ("椰子油检测重金属", "椰子油的重金属检测"),
    ("矿泉水检测", "矿泉水检测重金属"),
    ("请帮我们起草一个企业标准", "企业标准起草"),
    ("食品标签审核", "帮忙审核一下食品标签"),
    ("咖啡豆出口需要检测农药残留", "咖啡豆农药残留检测"),
    ("电子秤检定", "電子秤檢定"),
    ("电子秤要检定", "我们店里有五把电子秤要检定"),
    ("检测机构迟迟不出报告", "检测机构不出报告，迟迟不出"),
    ("检测机构迟迟不出报告", "我要投诉，检测机构迟迟不出报告，等了一个月"),
    ("请专家来厂里看看生产线的问题", "专家来厂里看看生产线问题"),
    ("椰子粉营养成分表怎么做，想检测", "椰子粉做营养成分检测"),
    ("实验室想做CMA资质认定", "CMA资质认定咨询"),
    ("条码注册", "申请注册商品条码"),
]
# The same deed on another instrument, product, number or parameter; or another deed.
OTHER = [
    ("想给椰汁做检测", "想给豆浆做检测"),
    ("检测一批矿泉水", "检测一批咖啡豆"),
    ("三台天平要校准", "五台天平要校准"),
    ("三台天平要校准", "三台压力表要校准"),
    ("10吨地磅检定", "5吨地磅检定"),
    ("压力表校准", "压力表维修"),
    ("矿泉水检测菌落总数", "矿泉水检测重金属"),
    ("想注册商标", "商标续展"),
    ("想注册商标", "想申请专利"),
    ("办ISO9001认证", "办ISO14001认证"),
    ("按GB 7718审核标签", "按GB 28050审核标签"),
    ("荔枝味椰子汁饮料要检测营养成分", "芒果味椰子汁饮料要检测营养成分"),
    ("海口的加油机检定", "三亚的加油机检定"),
    ("天平校准", "温度计校准"),
    ("需要检测", "矿泉水检测"),
    ("检测", "认证"),
    ("商标注册", "商标注册后被别人侵权想维权"),
    ("CMA资质认定咨询", "CNAS认可咨询"),
    ("企业标准起草", "团体标准起草"),
    ("量块校准", "游标卡尺校准"),
    ("血压计检定", "血糖仪检定"),
    ("质量管理培训", "计量管理培训"),
    ("一批椰子糖检测", "一批椰子片检测"),
    ("检测机构迟迟不出报告", "检测机构态度恶劣"),
    ("报告写错了产品名称", "报告写错了生产日期"),
    ("编号A12的砝码校准", "编号B34的砝码校准"),
    ("计量人员培训", "计量器具采购"),
    ("椰子糖出口检测", "椰子糖出口认证"),
    ("产品质量投诉，瓶子漏水", "产品质量投诉，标签掉色"),
    ("椰汁检测菌落总数和铅", "椰汁检测菌落总数和镉"),
    ("天平校准", "天平检定"),
    ("三月的样品检测", "四月的样品检测"),
    ("商标注册", "专利注册"),
    ("检测报告怎么查真伪", "检测报告要盖章"),
]


def view(
    content: str,
    *,
    kind: TicketKind = TicketKind.NEED,
    state: TicketState = TicketState.REGISTERED,
    category: str = "testing",
    serial: int = 1,
) -> TicketView:
    return TicketView(f"NQI-2026-{serial:06d}", kind, state, category, content, date(2026, 11, 21))


def is_similar(content: str, ticket: TicketView, category: str = "testing") -> bool:
    return bool(similar(content, category, (ticket,), kind=TicketKind.NEED))


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_need_in_other_words_is_found(one: str, other: str) -> None:
    assert is_similar(one, view(other))
    assert is_similar(other, view(one))


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_another_thing_is_another_need(one: str, other: str) -> None:
    assert not is_similar(one, view(other))
    assert not is_similar(other, view(one))


def test_only_open_tickets_of_the_kind_count() -> None:
    text = "检测一批矿泉水"
    assert not is_similar(text, view(text, kind=TicketKind.COMPLAINT))
    for state in (TicketState.CLOSED, TicketState.WITHDRAWN):
        assert not is_similar(text, view(text, state=state))
    assert is_similar(text, view(text, state=TicketState.IN_SERVICE))


def test_in_another_category_more_likeness_is_wanted() -> None:
    short, longer = "矿泉水检测", "矿泉水检测重金属和微生物"
    assert is_similar(short, view(longer))
    assert not is_similar(short, view(longer), category="certification")
    assert is_similar(short, view("矿泉水送检"), category="certification")
    assert is_similar(short, view(longer), category="other"), "nobody was sure of that category"


def test_the_likeliest_comes_first_and_three_are_shown() -> None:
    texts = ["矿泉水检测重金属", "矿泉水送检", "天平校准", "检测一批矿泉水", "矿泉水要检测铅", "矿泉水检测"]
    tickets = [view(text, serial=serial) for serial, text in enumerate(texts)]
    found = similar("矿泉水检测", "testing", tickets, kind=TicketKind.NEED)
    assert [ticket.content for ticket in found] == ["矿泉水送检", "检测一批矿泉水", "矿泉水检测"]


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_are_compared_alike_both_ways(one: str, other: str) -> None:
    assert is_similar(one, view(other)) == is_similar(other, view(one))
