"""What stands in a text itself: phones, firms, people, standards, ticket numbers, products, instruments, places."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from intents.text import data_lines, normalise

_MOST = 5  # of one kind; more would be a list pasted in, not a request


@dataclass(frozen=True, slots=True)
class Slots:
    """What could be read from the text itself; empty where nothing was found."""

    phones: tuple[str, ...] = ()  # digits as normalised, 13800000000, 0898-66668888, 400-123-4567
    companies: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    standards: tuple[str, ...] = ()  # GB/T 19001-2016
    tickets: tuple[str, ...] = ()  # NQI-2026-000001
    products: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    urgent: bool = False


def read_slots(text: str) -> Slots:
    """Everything that can be read from one text; equal finds stand once, in the order of the text."""
    text = normalise(text)
    listed = _listed(text)
    return Slots(
        phones=_once(_phones(text)),
        companies=_once(_companies(text)),
        persons=_once(_persons(text)),
        standards=_once(_standards(text)),
        tickets=_once(_tickets(text)),
        products=_once(listed["products"]),
        instruments=_once(listed["instruments"]),
        regions=_once(listed["regions"]),
        urgent=_URGENT.search(text) is not None,
    )


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:_MOST]


# --- telephone numbers ---

_GAP = r"[\s\-–—－_.·、,，]{0,2}"
_MOBILE = re.compile(rf"(?<![\d.])(?:(?:\+|00)?86{_GAP})?(1[3-9](?:{_GAP}\d){{9}})(?!\d)")
_LANDLINE = re.compile(
    rf"(?<![\d.])(?:(?:\+|00)?86{_GAP})?[(（]?(0(?:10|2\d|[3-9]\d\d))[)）]?{_GAP}([2-9]\d{{2,3}}{_GAP}\d{{4}})(?!\d)"
    r"(?:\s?(?:转|-|分机|ext\.?)\s?(\d{1,6})(?!\d))?"
)
_SERVICE = re.compile(rf"(?<![\d.])([48]00){_GAP}(\d{{3}}){_GAP}(\d{{4}})(?!\d)")
_NO_DIGIT = re.compile(r"\D")
_SPOKEN = re.compile(r"[零〇一二三四五六七八九幺]{11,12}")
_SPOKEN_DIGITS = str.maketrans("零〇一二三四五六七八九幺", "001234567891")


def read_phone(text: str) -> str | None:
    """The first telephone number in a text: mobile, landline with area code, 400/800; None where there is none."""
    return next(iter(_phones(normalise(text))), None)


def _phones(text: str) -> list[str]:
    text = _SPOKEN.sub(lambda match: match[0].translate(_SPOKEN_DIGITS), text)
    found = [(match.start(), _NO_DIGIT.sub("", match[1])) for match in _MOBILE.finditer(text)]
    found += [(match.start(), _landline(match)) for match in _LANDLINE.finditer(text)]
    found += [(match.start(), "-".join(match.groups())) for match in _SERVICE.finditer(text)]
    return [number for _, number in sorted(found)]


def _landline(match: re.Match[str]) -> str:
    area, number, extension = match.groups()
    joined = f"{area}-{_NO_DIGIT.sub('', number)}"
    return f"{joined}-{extension}" if extension else joined


_RUN = re.compile(rf"(?<![a-z0-9/.-])\+?[(（]?\d(?:[)）]?{_GAP}[(（]?\d){{5,16}}(?![a-z0-9])")
_NOT_PHONE = re.compile(r"(?:19|20)\d\d\s?[-./年]\s?\d")  # dates and the years of standards


def is_phone_like(text: str) -> bool:
    """Does a digit run look like a telephone number that is not a whole one? So that its writer can be told."""
    text = normalise(text)
    if _phones(text) or _tickets(text) or _standards(text):
        return False
    runs = (match[0] for match in _RUN.finditer(text))
    return any(6 <= len(_NO_DIGIT.sub("", run)) <= 14 and not _NOT_PHONE.match(run) for run in runs)


# --- firms and people ---

_STRONG = (
    r"(?:有限责任公司|股份有限公司|集团有限公司|有限公司|股份公司|集团公司|分公司|专业合作社|农民专业合作社|合作联社|合作社"
    r"|合伙企业|个人独资企业|经营部|商行|工作室|事务所|加工坊|家庭农场|个体工商户|贸易行|经销部)"
)
_WEAK = r"(?:公司|集团|厂|农场|超市|酒店|饭店|餐厅|研究院|研究所|中心|商店|门店|店|学校|医院|协会|商会|作坊|基地|茶庄|酒庄)"
_NAME = r"[\u3400-\u9fffa-z0-9()（）·&-]"
_FULL = re.compile(rf"{_NAME}{{2,40}}?{_STRONG}(?:{_NAME}{{1,12}}?分公司)?")
_INTRODUCED = re.compile(
    rf"(?:公司|企业|单位|申请人|厂)(?:的)?(?:名称|名字|名|全称)?\s*(?:是|叫做|叫|为|:)\s*({_NAME}{{2,40}})"
    rf"|(?:我们是|我司是|我是|这里是|我这边是|这边是|我们叫)({_NAME}{{2,20}}?{_WEAK})(?:的|,|。|\s|$)"
)
_WHOLE = re.compile(rf"({_NAME}{{2,24}}?{_WEAK})[。.!]?")
_LEAD = re.compile(
    r"^.*(?:我们的|我们|我司|本公司|我的|公司名称|企业名称|单位名称|申请人|公司名|名称|名字|全称|单位|抬头)?(?:就是|这边是|这里是|是|叫做|叫|为|来自|给|帮|在|找|:)(?=.{4})"
    r"|^(?:公司|企业|单位|我们|我司|你好|您好|关于|对|和|与|及|由|跟|请|向|的|了)+"
)
# Words that tell a description from a name: 一家公司, 你们公司, 检测公司.
_NO_NAME = re.compile(
    r"^(?:一家|一个|这家|那家|哪家|某|几家|两家|三家|多家|别的|其他|其它|另外|你们|贵|我们|我|咱|他们|人家|对方|该|本|同一|每家|小|大|外地|本地|当地|隔壁|附近|上市|子|母|总|分|新|老|个人|国有|民营|外资|合资|外贸|贸易|生产|食品|饮料|检测|第三方|认证|咨询|代理|培训|物流|服务|注册|成立|开|办|名下)*"
    r"(?:注册|成立|开|办|设立|注销|变更|名下)?(?:的)?(?:股份|有限|责任|专业)?$"
)
_QUESTION = re.compile(r"怎么|如何|什么|哪|吗|多少|多久|能不能|是否|可以|需要|想|要|注销|注册")


def read_company(text: str) -> str | None:
    """The first name of a firm in a text; None where only firms in general are spoken of."""
    return next(iter(_companies(normalise(text))), None)


def _companies(text: str) -> list[str]:
    found = [_trimmed(match[0]) for match in _FULL.finditer(text)]
    if not found:
        found = [_trimmed(match[1] or match[2]) for match in _INTRODUCED.finditer(text)]
    if not found and (whole := _WHOLE.fullmatch(text)):
        found = [_trimmed(whole[1])]
    return [name for name in found if _is_name(name)]


def _trimmed(name: str) -> str:
    previous = ""
    while previous != name:
        previous, name = name, _LEAD.sub("", name)
    return name.strip("()（）-·&") if name.count("(") != name.count(")") else name


def _is_name(name: str) -> bool:
    stem = re.sub(rf"(?:{_STRONG}|{_WEAK})$", "", name)
    if name.endswith("的") or name.startswith("做"):
        return False
    return len(name) >= 4 and len(stem) >= 2 and not _NO_NAME.match(stem) and not _QUESTION.search(stem)


_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳酆鲍史唐"
    "费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵"
    "席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫房丁邓洪包左石崔吉龚程邢裴陆荣翁荀羊甄曲封储靳段富焦牧山谷车侯"
    "全班仰秋仲伊宫宁仇栾甘厉祖武符刘景詹束龙叶司黎溥印怀蒲从鄂索赖卓屠蒙池乔胥能苍双闻党翟谭贡劳冉桑牛边扈燕冀尚农温庄晏柴瞿阎连茹习"
    "艾容向古易慎戈廖庾终衡步都耿满匡国文寇广禄阙东欧沃利蔚越师巩聂晁勾敖融冷辛阚那简饶空曾关蒯相查后荆红游竺权盖益桓公兰肖覃闫麦符"
)
_SURNAME = rf"(?:欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|令狐|[{_SURNAMES}])"
_TITLE = r"(?:先生|女士|小姐|总经理|副总|经理|主任|厂长|老板|老师|师傅|工程师|主管|科长|部长|店长|会计|董事长|董事|总监)"
_CALLED = rf"(?:{_SURNAME}[\u3400-\u9fff]{{0,2}}?{_TITLE}|{_SURNAME}[总工姐哥生])"
_NOBODY = (
    r"(?!高级|安全|计量|质量|方便|应该|时间|常务|技术|单位|法人|全程|公司|相关|包装|任何|何时|后勤|关于|查询|步骤|成本|经销"
    r"|管理|党组|强检|权威|有限|都是|得找|能找|从事|向您|和您|于是|师傅|施工|金工|钟点|华侨|方案|平台|任务|文员|水电|温度)"
)
_TITLED = re.compile(
    rf"(?<![\u3400-\u9fff])(?:我?姓|我是|我叫|请找|请|找|是|叫|联系人?是?):?\s?{_NOBODY}({_CALLED})(?=你好|您好|[^\u3400-\u9fff]|$)"
    rf"|(?<![\u3400-\u9fff]){_NOBODY}({_CALLED})(?=你好|您好|[^\u3400-\u9fff]|$)"
)
_LABEL = r"(?:联系人(?:姓名|名字)?(?:是|为|叫)?|姓名(?:是|为|叫)?|我叫|我的名字(?:是|叫)|负责人(?:是|叫)?|经办人(?:是|叫)?|名字(?:是|叫)|联系:)"
_NAMED = re.compile(
    rf"{_LABEL}[\s:]{{0,3}}({_CALLED}|{_SURNAME}[\u3400-\u9fff]{{1,2}}?)(?=电话|手机|号码|联系|[^\u3400-\u9fff]|$)"
)


def read_person(text: str) -> str | None:
    """The first person named in a text, with the title as written: 李四, 王经理."""
    return next(iter(_persons(normalise(text))), None)


def _persons(text: str) -> list[str]:
    found = [(match.start(), match[1]) for match in _NAMED.finditer(text)]
    found += [(match.start(), match[1] or match[2]) for match in _TITLED.finditer(text)]
    return [name for _, name in sorted(found)]


# --- numbers of documents ---

_TICKET = re.compile(
    r"(?<![a-z])nqi[\s\-_–—－/]*(?:([a-z])[\s\-_–—－/]*)?(20\d\d)[\s\-_–—－/]*(\d{1,6})(?!\d)"
)
_TICKET_BARE = re.compile(r"(20\d\d)-(\d{6})")


def _tickets(text: str) -> list[str]:
    bare = _TICKET_BARE.fullmatch(text)
    if bare:
        return [f"NQI-{bare[1]}-{bare[2]}"]
    return [
        "-".join(["NQI", *([kind.upper()] if kind else []), year, number.zfill(6)])
        for kind, year, number in _TICKET.findall(text)
    ]


_STANDARD = re.compile(
    r"(?<![a-z])(gb|gbz|hj|qb|ny|sb|sn|sc|ls|jjf|jjg|jc|jg|cj|yy|yz|fz|qc|wm|rb|gh|hg|jb|yc|db\d{2,4}|iso|iec|iso/iec|astm|en|t/[a-z]{2,8}|q/[a-z0-9]{2,8})"
    r"(?:\s?/\s?([tz]))?\s?(\d{2,6}(?:\.\d{1,3})?)(?:\s?[-—–:]\s?((?:19|20)\d\d))?(?![\da-z])"
)
_BY_NUMBER = {
    "9001",
    "14001",
    "45001",
    "22000",
    "27001",
    "50001",
    "13485",
    "17025",
    "17020",
    "10012",
    "22716",
    "37001",
}
_MANAGEMENT = re.compile(rf"(?<![\d.])({'|'.join(sorted(_BY_NUMBER))})(?![\d.])")


def _standards(text: str) -> list[str]:
    found = [(match.start(), _standard(match)) for match in _STANDARD.finditer(text)]
    if not found:
        found = [(match.start(), f"ISO {match[1]}") for match in _MANAGEMENT.finditer(text)]
    return [name for _, name in sorted(found)]


def _standard(match: re.Match[str]) -> str:
    head, kind, number, year = match.groups()
    name = f"{head.upper()}/{kind.upper()}" if kind else head.upper()
    return f"{name} {number}-{year}" if year else f"{name} {number}"


# --- words from lists ---

_URGENT = re.compile(
    r"加急|紧急|急用|急需|急着|特急|很急|着急|比较急|火急|十万火急|赶时间|赶着|来不及|马上要|立刻|尽快|越快越好|今天就要|明天就要|等着用|救急|急!|急急|在线等"
)
_LISTS = ("instruments", "regions", "products")  # a word of two lists belongs to the first


@cache
def _lexicon() -> Mapping[str, tuple[tuple[str, str, str], ...]]:
    """First two characters -> the words that begin so, longest first: word, list, canonical form."""
    found: dict[str, tuple[str, str]] = {}
    for name in _LISTS:
        for line in data_lines(f"{name}.tsv"):
            word, _, canonical = line.partition("\t")
            found.setdefault(word, (name, canonical or word))
    table: dict[str, list[tuple[str, str, str]]] = {}
    for word, (name, canonical) in sorted(found.items(), key=lambda item: (-len(item[0]), item[0])):
        table.setdefault(word[:2], []).append((word, name, canonical))
    return {start: tuple(words) for start, words in table.items()}


def _listed(text: str) -> Mapping[str, list[str]]:
    """The words of the lists in a text, the longest at each place; none lies inside another."""
    table = _lexicon()
    found: dict[str, list[str]] = {name: [] for name in _LISTS}
    free = 0
    for place in range(len(text) - 1):
        for word, name, canonical in table.get(text[place : place + 2], ()):
            if place >= free and text.startswith(word, place):
                found[name].append(canonical)
                free = place + len(word)
                break
    return found
