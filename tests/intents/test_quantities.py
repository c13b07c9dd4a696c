"""How many pieces, and how soon."""

import pytest

from intents.quantities import Pieces, Urgency, read_number
from intents.slots import read_slots


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", (3, False)),
        ("两", (2, False)),
        ("十二", (12, False)),
        ("二十", (20, False)),
        ("一百二十", (120, False)),
        ("三千", (3000, False)),
        ("两三", (3, True)),
        ("二三十", (30, True)),
        ("几十", (10, True)),
        ("上百", (100, True)),
        ("零", None),
        ("", None),
        ("台", None),
    ],
)
def test_numbers(text: str, expected: tuple[int, bool] | None) -> None:
    assert read_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("三台天平要校准", "3台"),
        ("十几块压力表", "10+块"),
        ("压力表5块，温度计8支", "5块 8支"),
        ("压力表 x 5 块", "5块"),
        ("两批椰子汁送检", "2批"),
        ("二十多台电子秤", "20+台"),
        ("10多台电子秤", "10+台"),
        ("10-20台电子秤", "20+台"),
        ("十来个样品", "10+个"),
        ("二三十个样品", "30+个"),
        ("三块旧压力表", "3块"),
        ("半打压力表", "6个"),
        ("俩压力表坏了", "2个"),
        ("仨电子秤", "3个"),
        ("做三批次样品", "3批次"),
        ("检定电子秤 20 台", "20台"),
        ("電子秤兩台", "2台"),
        ("５台離心機", "5台"),
        # Money, time, places in a row, people, papers, articles.
        ("三块钱的检测", ""),
        ("压力表检一次五十块", ""),
        ("检压力表30块钱", ""),
        ("压力表三十块左右一个", ""),
        ("压力表两个月检一次", ""),
        ("5个工作日", ""),
        ("一式三份", ""),
        ("第三批名单", ""),
        ("换一批", ""),
        ("两个问题", ""),
        ("一个商标多少钱", ""),
        ("一个压力表多久检一次", ""),
        ("三个压力容器工要复审", ""),
        ("三台县", ""),
        ("两台湾老板", ""),
        ("两批准文件", ""),
        ("2.5级", ""),
        ("GB 7718台账", ""),
        ("咱俩压力表", ""),
        ("", ""),
    ],
)
def test_pieces(text: str, expected: str) -> None:
    found = read_slots(text).pieces
    assert " ".join(f"{item.count}{'+' if item.is_about else ''}{item.unit}" for item in found) == expected


def test_pieces_are_values() -> None:
    assert read_slots("三台天平").pieces == (Pieces(3, "台"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("这批货比较急", Urgency.URGENT),
        ("通关要加急，检测也帮加急", Urgency.URGENT),
        ("能不能加急", Urgency.URGENT),
        ("下周就要报告", Urgency.URGENT),
        ("明天要交报告", Urgency.URGENT),
        ("周五之前必须拿到", Urgency.URGENT),
        ("货柜等着装船，求安排", Urgency.URGENT),
        ("赶船期", Urgency.URGENT),
        ("证书被暂停，急着恢复", Urgency.URGENT),
        ("请尽快安排", Urgency.URGENT),
        ("急！", Urgency.URGENT),
        ("产线停工等着，急用", Urgency.URGENT),
        ("帮我走绿色通道", Urgency.GREEN),
        ("申请开通检测绿色通道", Urgency.GREEN),
        ("特急", Urgency.GREEN),
        # No hurry, or none of theirs.
        ("不急，慢慢来", Urgency.NORMAL),
        ("设备检验不急，先说人员考证", Urgency.NORMAL),
        ("不着急", Urgency.NORMAL),
        ("不加急多少钱", Urgency.NORMAL),
        ("没那么急", Urgency.NORMAL),
        ("不赶时间", Urgency.NORMAL),
        # Questions about express services.
        ("加急费多少", Urgency.NORMAL),
        ("加急检测能几天", Urgency.NORMAL),
        ("可以加急吗", Urgency.NORMAL),
        ("有没有加急服务", Urgency.NORMAL),
        ("小程序软著能加急不", Urgency.NORMAL),
        ("绿色通道怎么申请", Urgency.NORMAL),
        ("走绿色通道要加钱吗", Urgency.NORMAL),
        ("建议开通绿色通道给小微企业", Urgency.NORMAL),
        # Other words with the same characters.
        ("应急预案怎么写", Urgency.NORMAL),
        ("紧急停车装置检验", Urgency.NORMAL),
        ("急救箱要检吗", Urgency.NORMAL),
        ("急需紧缺人才补贴", Urgency.NORMAL),
        ("明天要下雨吗", Urgency.NORMAL),
        ("下周有什么课", Urgency.NORMAL),
        ("压力表检定", Urgency.NORMAL),
        ("", Urgency.NORMAL),
    ],
)
def test_urgency(text: str, expected: Urgency) -> None:
    slots = read_slots(text)
    assert slots.urgency is expected
    assert slots.is_urgent is (expected is not Urgency.NORMAL)
