"""Everything that is read from a text itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intents.lists import words_in
from intents.names import read_company, read_person
from intents.slots import is_phone_like, read_phone, read_slots
from intents.text import normalise
from intents.understand import Understander

UNDERSTANDER = Understander.load()


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
        ("座机 0 8 9 8 6 6 6 6 0 0 0 0", "0898-66660000"),
        ("tel13800000000", "13800000000"),
        ("91460100MA5T913800000000X", None),
        ("SC10646010500123", None),
        ("订单号20261121138000000001", None),
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
        # In the middle of a sentence: only the name, in the letters in which it was typed.
        ("请问海南省ABC Food食品有限公司的SC证过期怎么办", "海南省abc food食品有限公司"),
        ("昨天和海口甲乙商贸有限公司签了合同怎么维权", "海口甲乙商贸有限公司"),
        ("我想咨询一下海口市龙华区椰城饮料有限公司能不能办SC", "海口市龙华区椰城饮料有限公司"),
        ("麻烦帮我给海口椰香食品厂校准下压力表", "海口椰香食品厂"),
        ("您好，我这里是儋州市那大镇福源茶叶加工厂，想检农残", "儋州市那大镇福源茶叶加工厂"),
        ("委托单位漯河市示例肉制品有限责任公司，联系人", "漯河市示例肉制品有限责任公司"),
        ("海南示例生物股份有限公司三亚分公司要校准", "海南示例生物股份有限公司三亚分公司"),
        ("跟XYZ贸易有限公司买的秤", "xyz贸易有限公司"),
        ("代表示例集团有限公司询价", "示例集团有限公司"),
        ("用海南示例商行的名字注册商标", "海南示例商行"),
        # Firms in general, and what only looks like one.
        ("海口有没有检测公司", None),
        ("海口检测公司有哪些", None),
        ("海口食品厂怎么办SC", None),
        ("海口椰子加工厂办SC要什么", None),
        ("被海口某检测有限公司坑了", None),
        ("个体户转有限公司商标怎么变更", None),
        ("帮我查一下有限公司章程", None),
        ("共有三家有限公司投标", None),
        ("我们是新开的一家小电器厂", None),
        ("芒果合作社想做自己的品牌", None),
        ("农民专业合作社怎么申请绿色食品", None),
        ("我们几个合作社想一起用一个商标", None),
        ("投诉推荐给我的代理公司", None),
        ("绿色工厂", None),
        ("中山路上的店", None),
        ("送课进厂", None),
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
        ("请问海南省ABC Food食品有限公司的SC证", "海南省ABC Food食品有限公司"),
        ("ＡＢＣ食品有限公司", "ABC食品有限公司"),
        ("Abc（Hainan）飲料有限公司", "Abc(Hainan)饮料有限公司"),
        ("示例饮料有限公司", "示例饮料有限公司"),
    ],
)
def test_firms_keep_the_letters_in_which_they_were_typed(text: str, expected: str) -> None:
    assert read_slots(text).companies == (expected,)
    assert UNDERSTANDER.understand(text).slots.companies == (expected,)


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
        ("GB 2760—2024", ("GB 2760-2024",)),
        ("ＧＢ／Ｔ　１９００１－２０１６", ("GB/T 19001-2016",)),
        ("gbt19001", ("GB/T 19001",)),
        ("GB/T 1.1-2020怎么买", ("GB/T 1.1-2020",)),
        ("GB 4806.7-2023", ("GB 4806.7-2023",)),
        ("国标7718什么时候实施", ("GB 7718",)),
        ("7718-2025过敏原8类是哪些", ("GB 7718-2025",)),
        ("QB/T 2300", ("QB/T 2300",)),
        ("NY/T 391-2021", ("NY/T 391-2021",)),
        ("T/ABC 001-2023", ("T/ABC 001-2023",)),
        ("ISO 22000:2018", ("ISO 22000-2018",)),
        ("iso9001、14001、45001三体系", ("ISO 9001", "ISO 14001", "ISO 45001")),
        ("IEC 60335-1和EN 71-1:2014", ("IEC 60335-1", "EN 71-1-2014")),
        ("ASTM D4169", ("ASTM D4169",)),
        ("ISO 14001:2026转换", ("ISO 14001-2026",)),
        ("花了22000元", ()),
        ("9001个样品", ()),
        ("FSSC 22000认证", ()),
        ("内存16GB 512", ()),
        ("SC10646010500123怎么查", ()),
        ("型号QC 100的秤", ()),
        ("2024年10月", ()),
    ],
)
def test_standards(text: str, expected: tuple[str, ...]) -> None:
    assert read_slots(text).standards == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("测铅、砷、汞和菌落总数，还有大肠菌群", ("铅", "砷", "汞", "菌落总数", "大肠菌群")),
        ("大米镉超标怎么办", ("镉",)),
        ("pH值和COD", ("pH", "化学需氧量")),
        ("不锈钢拉伸强度和硬度", ("拉伸强度", "硬度")),
        ("芒果农残", ("农药残留",)),
        ("水分超标", ("水分",)),
        ("服装甲醛、色牢度", ("甲醛", "色牢度")),
        ("测绝缘电阻", ("绝缘电阻",)),
        ("绝缘电阻测试仪校准", ()),
        ("硬度计和水分仪校准", ()),
        ("铅笔出口检测", ()),
        ("铁锅要什么认证", ()),
        ("iphone能检测吗", ()),
        ("phd学历能评职称吗", ()),
        ("维生素软糖要备案吗", ()),
        ("工作压力大", ()),
        ("", ()),
    ],
)
def test_parameters(text: str, expected: tuple[str, ...]) -> None:
    assert read_slots(text).parameters == expected


def test_the_things_in_the_name_of_a_firm_are_not_what_it_wants() -> None:
    slots = read_slots("海口示例饮料有限公司，想校准压力表")
    assert slots.products == ()
    assert slots.instruments == ("压力表",)
    assert slots.regions == ("海口市",)


def test_words_from_the_lists() -> None:
    slots = read_slots("我们在澄迈老城，椰子汁灌装线上的电子秤和压力表要校准，顺便测桶装水，加急")
    assert slots.products == ("椰子汁", "桶装水")
    assert slots.instruments == ("电子秤", "压力表")
    assert slots.regions == ("澄迈县",)
    assert slots.is_urgent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("海口的厂", ("海口市",)),
        ("河源龙川", ("河源市", "河源市龙川县")),
        ("临颍县有没有机构", ("漯河市临颍县",)),
        ("海口市龙华区海秀路", ("海口市龙华区",)),
        ("琼中的厂", ("琼中黎族苗族自治县",)),
        ("三沙市西沙区", ("三沙市西沙区",)),
        ("河源市和平县", ("河源市和平县",)),
        ("舞阳", ("漯河市舞阳县",)),
        ("攀枝花和毕节", ("攀枝花市", "毕节市")),
        ("恩施州", ("恩施土家族苗族自治州",)),
        ("喀什", ("喀什地区",)),
        ("东方红牌茶叶", ()),
        ("世界和平", ()),
        ("三明治检测", ()),
        ("普洱茶检测", ()),
        ("大理石放射性", ()),
        ("开封后保质期", ()),
        ("日照老化试验", ()),
        ("来宾签到", ()),
        ("白银首饰", ()),
        ("蔬菜和田间管理", ()),
        ("中山路上的店", ()),
        ("哈密瓜", ()),
    ],
)
def test_regions(text: str, expected: tuple[str, ...]) -> None:
    assert read_slots(text).regions == expected


FAMILIAR = "海口示例有限公司压力表三台十几块13800000000GB/T-急明天要铅、厂 aB（）\n"


@given(st.one_of(st.text(max_size=3000), st.text(alphabet=FAMILIAR, max_size=3000)))
@settings(max_examples=150, deadline=None)
def test_any_text_has_slots(text: str) -> None:
    slots, read = read_slots(text), normalise(text)
    assert slots == read_slots(text)
    assert all(name.lower() in read for name in (*slots.companies, *slots.persons))
    assert all(piece.count > 0 and piece.unit for piece in slots.pieces)
    assert all(len(found) <= 12 for found in (slots.phones, slots.companies, slots.parameters, slots.pieces))
    assert not (slots.phones and is_phone_like(text))


@given(st.one_of(st.text(max_size=300), st.text(alphabet=FAMILIAR, max_size=300)))
@settings(deadline=None)
def test_words_of_the_lists_lie_in_the_text_and_never_overlap(text: str) -> None:
    text = normalise(text)
    free = 0
    for word in words_in(text):
        assert free <= word.start < word.end <= len(text)
        free = word.end


@pytest.mark.parametrize(
    "run",
    [
        "1 ",
        "13",
        "0898-",
        "王",
        "公司",
        "有限公司",
        "我是",
        "(",
        "nqi",
        "gb ",
        "联系人",
        "三台",
        "十",
        "海口a",
        "明天",
        "铅、",
    ],
)
def test_hostile_runs_take_bounded_time(run: str) -> None:
    read_slots(run * 2000)
    is_phone_like(run * 2000)
