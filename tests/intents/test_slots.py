"""Everything that is read from a text itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intents.slots import is_phone_like, read_company, read_person, read_phone, read_slots


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13800000000", "13800000000"),
        ("电话是138 0000 0000", "13800000000"),
        ("138-0000-0000", "13800000000"),
        ("１３８００００００００", "13800000000"),
        ("138，0000，0000", "13800000000"),
        ("+86 13800000000", "13800000000"),
        ("008613800000000", "13800000000"),
        ("86-138-0000-0000", "13800000000"),
        ("一三八零零零零零零零零", "13800000000"),
        ("0898-66660000", "0898-66660000"),
        ("(0898)66660000", "0898-66660000"),
        ("０８９８ ６６６６ ００００", "0898-66660000"),
        ("089866660000转801", "0898-66660000-801"),
        ("010-62000000", "010-62000000"),
        ("0762-3330000", "0762-3330000"),
        ("400-123-4567", "400-123-4567"),
        ("8001234567", "800-123-4567"),
        ("座机0395-2620000，手机13800000000", "0395-2620000"),
        ("电话写错了 是13900000000", "13900000000"),
        ("138000000001", None),
        ("1380000000", None),
        ("12800000000", None),
        ("12315", None),
        ("66660000", None),
        ("2026-11-21", None),
        ("91350100M000100Y43", None),
        ("GB 7718-2025", None),
        ("NQI-2026-000001", None),
        ("没有电话", None),
        ("", None),
    ],
)
def test_phones(text: str, expected: str | None) -> None:
    assert read_phone(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1380000000", True),
        ("138000000001", True),
        ("1380000", True),
        ("138 0000 000", True),
        ("66660000", True),
        ("电话 0898-666600", True),
        ("13800000000", False),
        ("12315", False),
        ("2026-11-21", False),
        ("2026年11月21日", False),
        ("NQI-2026-000001", False),
        ("GB/T 19001-2016", False),
        ("91350100M000100Y43", False),
        ("三百台", False),
        ("王经理", False),
    ],
)
def test_runs_that_look_like_a_wrong_phone(text: str, expected: bool) -> None:
    assert is_phone_like(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("示例甜水食品有限公司", "示例甜水食品有限公司"),
        ("示例甜水食品有限公司，联系人李四", "示例甜水食品有限公司"),
        ("我们是海南示例饮料有限公司，想检测椰汁", "海南示例饮料有限公司"),
        ("公司名称：示例科技", "示例科技"),
        ("单位是示例机械厂", "示例机械厂"),
        ("我们海南示例有限公司想检测椰子汁", "海南示例有限公司"),
        ("给示例水业有限责任公司办", "示例水业有限责任公司"),
        ("澄迈示例农民专业合作社", "澄迈示例农民专业合作社"),
        ("海口示例商行", "海口示例商行"),
        ("示例饮料(海南)有限公司", "示例饮料(海南)有限公司"),
        ("我们公司想做认证", None),
        ("你们公司在哪", None),
        ("找一家检测公司", None),
        ("注册一个有限公司要什么", None),
        ("注销公司怎么办", None),
        ("公司是做饮料的", None),
        ("压力表多久检一次", None),
        ("", None),
    ],
)
def test_companies(text: str, expected: str | None) -> None:
    assert read_company(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("王经理", "王经理"),
        ("李女士", "李女士"),
        ("联系人李四", "李四"),
        ("联系人：李四 13800000000", "李四"),
        ("联系人李四电话13800000000", "李四"),
        ("我叫张三", "张三"),
        ("我叫张三，想做检测", "张三"),
        ("我姓陈，陈工", "陈工"),
        ("我是王经理", "王经理"),
        ("找周总", "周总"),
        ("陈生 13800000000", "陈生"),
        ("欧阳老师", "欧阳老师"),
        ("高级工程师", None),
        ("马上要", None),
        ("老板", None),
        ("方便的话安排一下", None),
        ("联系人是谁", None),
        ("应该找哪个部门", None),
        ("", None),
    ],
)
def test_persons(text: str, expected: str | None) -> None:
    assert read_person(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NQI-2026-000001", ("NQI-2026-000001",)),
        ("nqi-2026-000001 到哪一步了", ("NQI-2026-000001",)),
        ("nqi2026000001", ("NQI-2026-000001",)),
        ("ＮＱＩ－２０２６－０００００１", ("NQI-2026-000001",)),
        ("NQI 2026 000001", ("NQI-2026-000001",)),
        ("NQI-C-2026-000012", ("NQI-C-2026-000012",)),
        ("nqi c 2026 000012", ("NQI-C-2026-000012",)),
        ("nqis2026000003", ("NQI-S-2026-000003",)),
        ("nqi—2026—12", ("NQI-2026-000012",)),
        ("2026-000001", ("NQI-2026-000001",)),
        ("NQI-2026-000001和NQI-2026-000002", ("NQI-2026-000001", "NQI-2026-000002")),
        ("NQI是什么", ()),
        ("nqi-1999-000001", ()),
    ],
)
def test_tickets(text: str, expected: tuple[str, ...]) -> None:
    assert read_slots(text).tickets == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GB/T 19001-2016 怎么买", ("GB/T 19001-2016",)),
        ("gb7718新版什么时候实施", ("GB 7718",)),
        ("GB 2760和GB14881", ("GB 2760", "GB 14881")),
        ("DB46/T 583-2023", ("DB46/T 583-2023",)),
        ("ISO/IEC 17025:2017", ("ISO/IEC 17025-2017",)),
        ("ISO9001认证", ("ISO 9001",)),
        ("要做22000", ("ISO 22000",)),
        ("JJG 52-2013压力表规程", ("JJG 52-2013",)),
        ("T/ABC 12-2020", ("T/ABC 12-2020",)),
        ("我们的Q/ABC 001-2023", ("Q/ABC 001-2023",)),
        ("国标是什么", ()),
    ],
)
def test_standards(text: str, expected: tuple[str, ...]) -> None:
    assert read_slots(text).standards == expected


def test_words_from_the_lists() -> None:
    slots = read_slots("我们在澄迈老城，椰子汁灌装线上的电子秤和压力表要校准，顺便测桶装水，加急")
    assert slots.products == ("椰子汁", "桶装水")
    assert slots.instruments == ("电子秤", "压力表")
    assert slots.regions == ("澄迈县",)
    assert slots.urgent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("海口的厂", ("海口市",)),
        ("河源龙川", ("河源市", "河源市龙川县")),
        ("临颍县有没有机构", ("漯河市临颍县",)),
        ("东方红牌茶叶", ()),
    ],
)
def test_regions(text: str, expected: tuple[str, ...]) -> None:
    assert read_slots(text).regions == expected


@given(st.text(max_size=300))
def test_any_text_has_slots(text: str) -> None:
    slots = read_slots(text)
    assert all(slots.phones)
    assert len(slots.companies) <= 5
    assert not (slots.phones and is_phone_like(text))


@pytest.mark.parametrize(
    "run", ["1 ", "13", "0898-", "王", "公司", "有限公司", "我是", "(", "nqi", "gb ", "联系人"]
)
def test_hostile_runs_take_bounded_time(run: str) -> None:
    read_slots(run * 2000)
    is_phone_like(run * 2000)
