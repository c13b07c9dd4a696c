"""How much and how soon: the pieces that a text counts, and its urgency."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Urgency(StrEnum):
    """How soon the service is wanted; the green lane is for trade tests (G 6.2.1)."""

    NORMAL = "normal"
    URGENT = "urgent"  # 加急, 明天要报告
    GREEN = "green"  # the green lane is asked for in so many words: 走绿色通道, 特急


@dataclass(frozen=True, slots=True)
class Pieces:
    """A number of things with its unit: 三台, 十几块."""

    count: int
    unit: str
    is_about: bool = False  # 十几, 二十多: at least `count`


# --- numbers ---

_DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2, "俩": 2, "仨": 3}
_POWERS = {"十": 10, "百": 100, "千": 1000}
_HAN = "[一二两三四五六七八九十百千]"
_NUMBER = (
    rf"(?P<number>[几数上][十百千]|\d{{1,5}}(?![\d.])|{_HAN}{{1,7}})"
    r"(?P<about>多|来|几|余)?"
)


def read_number(text: str) -> tuple[int, bool] | None:
    """A number as it is written, and whether it stands for about that many; None for what is no number."""
    is_about = text.startswith(("几", "数", "上"))
    text = text[1:] if is_about else text
    if text.isdecimal() and text.isascii():
        return int(text), is_about
    total, digit, is_second = 0, 0, False
    for char in text:
        if char in _POWERS:
            total, digit, is_second = total + (digit or 1) * _POWERS[char], 0, False
        elif char in _DIGITS:
            is_about = is_about or is_second  # 两三台
            digit, is_second = _DIGITS[char], True
        else:
            return None
    return (total + digit, is_about) if total + digit else None


# --- pieces ---

_STRONG = r"台套|台(?!湾|州|账|县|阶|词|面|风(?!机|速|扇|琴))|批次|批(?!准|复|文|发|件|评|注)"
# These count other things as well: a thing that we know must stand beside them.
_WEAK = "(?:块(?!左右|一|每|起)|[个只支件套箱瓶桶袋盒辆把根条枚双组款])"
_BARRED = r"(?<![第每\da-z./%·一二两三四五六七八九十百千几式同某换哪上下前这那唯-])"
_COUNTED = re.compile(rf"{_BARRED}(?P<low>\d{{1,4}}\s?[-~至到]\s?)?{_NUMBER}\s?(?P<unit>{_STRONG}|{_WEAK})")
_PAIR = re.compile(r"(?<![咱你我他她它们哥姐])(?P<pair>[俩仨])(?!人|月|字|礼拜|星期|口)")
_DOZEN = re.compile(r"(?<![一-龥\d])(?P<dozen>半|一|两)打(?=[一-龥])|(?<=[有要检校测送买])(?P<half>半)打")
_NOUN = r"样品|试样|样本|样(?!式|板|子|的)|仪器|设备|仪表|量具|器具|表(?![格单示明扬])|秤|货(?!款)|产品"
_BETWEEN = r"(?:[一-龥]{1,5}的|[新旧老大小长短]|进口|国产|数字|电子|精密|普通|不锈钢|不同)?"
_NOUN_AFTER = re.compile(rf"{_BETWEEN}(?:{_NOUN})")
_GAP_AFTER = re.compile(_BETWEEN)
_LINK = r"\s?[:,、(x×*]?(?:有|共|一共|总共|大概|大约|约|差不多|各|拢共|总计)?\s?"
_BEFORE = re.compile(rf"(?P<noun>{_NOUN})?(?P<link>{_LINK})$")
_PEOPLE = re.compile(r"[工师员厂]|品种|品牌|公司|行业|标准|商标|专利|证")
_NO_MORE = re.compile(r"\s?(?:[,。;?!、)]|$|要|需|都|想|校|检|送|测|左右|到期|过期|怎么)")
_WHEN_OR_WHAT = re.compile(
    r"钱|月|工作日|自然日|小时|礼拜|星期|季度|年|人|问题|部门|机构|公司|厂家|字|阶段|步骤|商标|专利|标准|办法|方案|方面|报告|证|合同|文件|点"
)
_MOST = 5
_NEAR = 12  # characters looked at before a number


def pieces_of(text: str, things: Mapping[int, int]) -> list[Pieces]:
    """The pieces counted in a normalised text; `things`: where products and instruments start and end in it."""
    found = _counted(text, things)
    found += [
        (match.start(), Pieces(_DIGITS[match["pair"]], "个"))
        for match in _PAIR.finditer(text)
        if _stands_before(text, match.end(), things)
    ]
    found += [
        (match.start(), Pieces({"半": 6, "一": 12, "两": 24}[match["dozen"] or match["half"]], "个"))
        for match in _DOZEN.finditer(text)
        if _stands_before(text, match.end(), things)
    ]
    return [pieces for _, pieces in sorted(found, key=lambda item: item[0])][:_MOST]


def _counted(text: str, things: Mapping[int, int]) -> list[tuple[int, Pieces]]:
    found = []
    for match in _COUNTED.finditer(text):
        number = read_number(match["number"])
        if number is None or number[0] == 0 or _WHEN_OR_WHAT.match(text, match.end()):
            continue
        is_plain = match["unit"][0] in "台批"
        # "一个压力表" is an article, not a count.
        if match["number"] == "一" and not is_plain:
            continue
        if is_plain or _stands_before(text, match.end(), things) or _stands_after(text, match, things):
            is_about = number[1] or bool(match["about"] or match["low"])
            found.append((match.start(), Pieces(number[0], match["unit"], is_about)))
    return found


def _stands_before(text: str, at: int, things: Mapping[int, int]) -> bool:
    """Does the name of a thing follow? 三块旧压力表, but not 三个叉车工."""
    gap = _GAP_AFTER.match(text, at)
    starts = (at, gap.end()) if gap else (at,)
    listed = any(start in things and not _PEOPLE.match(text, things[start]) for start in starts)
    return listed or _NOUN_AFTER.match(text, at) is not None


def _stands_after(text: str, match: re.Match[str], things: Mapping[int, int]) -> bool:
    """Does the name of a thing go before, and nothing else follow? 压力表5块."""
    if not _NO_MORE.match(text, match.end()):
        return False
    before = text[max(0, match.start() - _NEAR) : match.start()]
    link = _BEFORE.search(before)
    return link is not None and (
        link["noun"] is not None or match.start() - len(link["link"]) in things.values()
    )


# --- urgency ---

_NOT_URGENT = re.compile(
    r"(?:不|没|没有|无需|不用|不必|不需要|不算|不是|不太|不怎么|并不|没那么|没有那么|不是很|不是特别|不是太|不要)(?:着|太|很|那么|特别|怎么)?(?:加急|特急|紧急|着急|赶时间|急用|急需|急)"
    r"|不赶(?:时间|工期|着)?|应急|急救|紧急(?:停|切断|制动|疏散|出口|喷淋|召回|预案|情况|采购|状态)|急需紧缺|急诊"
)
_ASKED = re.compile(
    r"加急(?:费|怎么|多少|要多|几天|几个|最快|收费|价格|一般|服务|业务|渠道|通道|申请|吗|么|的?话|办?理?[吗么]|检测(?:能)?(?:几天|怎么|多少|多久|$|通道|申请))"
    r"|加急[不没]|(?:什么是|有没有|有无|提供|算不算|内部|说是|说能|说可以|不是.{0,4})(?:内部)?(?:加急|特急)|收.{0,6}加急"
)
_GREEN = re.compile(
    r"(?:走|开通?|申请|安排|需要?|进|求|启动)(?:一下|一?个|下)?[^,。;?!不]{0,8}绿色通道"
    r"(?!.{0,12}(?:[吗?几哪]|怎么|如何|条件|多少|什么|给小微))|特急|十万火急|万分火急"
)
_DAY = (
    r"(?:今天|今晚|今日|明天|明日|明早|后天|大后天|这两天|这几天|本周|这周|这个?星期|下周|下个?星期|下个?礼拜|周[一二三四五六日末天]|月底|\d{1,2}[号日]|[一二两三3]天内)"
    r"(?:下?周?[一二三四五六日天]|上午|下午|中午|早上|晚上|.{0,3}点)?(?:之?前|以前)?"
)
_DUE = re.compile(
    rf"{_DAY}(?:就|必须|一定|得|急){{1,2}}(?:要(?!求|不要)|得|交|用|出货|发货|装船|开标|投标|送货|开业|拿到|出报告)"
    rf"|{_DAY}要(?=报告|结果|证书|货|出货|发货|装船|开标|投标|用|交|验货|上架|[,。!;]|$)(?!.{{0,10}}[吗?])"
    r"|(?:等着|等米下锅|赶着?)(?:装船|出货|发货|发船|开船|投标|开标|开工|开业|用|交货|上架|报关|清关|通关|提货|入库|投产|船期|工期|交期|货期|货|时间)"
    r"|(?:货|船).{0,8}(?:码头|港口).{0,4}等着|(?:停产|停线|停工)等|就差一?[张份个].{0,6}(?:报告|检测|证)"
)
_URGENT = re.compile(
    r"加急|急用|急需|急着|着急|很急|比较急|特别急|非常急|挺急|有点急|太急|要得急|催得急|订单急|货急|急急|救急|火急|急[!,。]|急$|急死|急到|急求"
    r"|(?:很|比较|非常|特别|十分|时间|任务)紧急|紧急(?=[,。!]|$|需要|求助|处理|办理|送检|检测|校准)|在线等|[怕快就]来不及|来不及了|来不及(?=[,。!]|$)"
    r"|尽快|越快越好|马上要(?=报告|用|交|货|审|验|开|投|出|装|[,。!]|$)|立刻要|立马要|火速|等着用"
)


def urgency_of(text: str) -> Urgency:
    """How soon a normalised text wants it; who only asks about express services is in no hurry."""
    text = _ASKED.sub(" ", _NOT_URGENT.sub(" ", text))
    if _GREEN.search(text):
        return Urgency.GREEN
    return Urgency.URGENT if _URGENT.search(text) or _DUE.search(text) else Urgency.NORMAL
