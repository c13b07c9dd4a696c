"""Names of firms and of people in a text."""

import re
import unicodedata

from intents.lists import words_in
from intents.text import normalise

_STRONG = (
    r"(?:有限责任公司|股份有限公司|集团有限公司|有限公司|股份公司|集团公司|分公司|专业合作社|农民专业合作社|合作联社|合作社"
    r"|合伙企业|个人独资企业|经营部|商行|工作室|事务所|加工坊|家庭农场|个体工商户|贸易行|经销部)"
)
_WEAK = r"(?:公司|集团|厂|农场|超市|酒店|饭店|餐厅|研究院|研究所|中心|商店|门店|店|学校|医院|协会|商会|作坊|基地|茶庄|酒庄)"
_NAME = r"[\u3400-\u9fffa-z0-9()（）·&-]"
_FULL = re.compile(rf"(?:{_NAME}|(?<=[a-z]) (?=[a-z])){{2,40}}?{_STRONG}(?:{_NAME}{{1,12}}?分公司)?")
_INTRODUCED = re.compile(
    rf"(?:公司|企业|单位|申请人|厂)(?:的)?(?:名称|名字|名|全称)?\s*(?:是|叫做|叫|为|:)\s*({_NAME}{{2,40}})"
    rf"|(?:我们是|我司是|我是|这里是|我这边是|这边是|我们叫)({_NAME}{{2,20}}?{_WEAK})(?:的|,|。|\s|$)"
)
_WHOLE = re.compile(rf"({_NAME}{{2,24}}?{_WEAK})[。.!]?")
_LEAD = re.compile(
    r"^.*(?:我们的|我们|我司|本公司|我的|公司名称|企业名称|单位名称|申请人|公司名|名称|名字|全称|单位|抬头)?(?:代表|就是|这边是|这里是|是|叫做|叫|为|来自|给|帮|在|找|:)(?=.{4})"
    r"|^(?:公司|企业|单位|我们|我司|你好|您好|关于|对|和|与|及|由|跟|请|向|的|了)+"
)
# Words that tell a description from a name: 一家公司, 你们公司, 检测公司.
_NO_NAME = re.compile(
    r"^(?:一家|一个|这家|那家|哪家|某|几家|两家|三家|多家|别的|其他|其它|另外|你们|贵|我们|我|咱|他们|人家|对方|该|本|同一|每家|小|大|外地|本地|当地|隔壁|附近|上市|子|母|总|分|新|老|个人|国有|民营|外资|合资|外贸|贸易|生产|食品|饮料|检测|第三方|认证|咨询|代理|培训|物流|服务|注册|成立|开|办|名下)*"
    r"(?:注册|成立|开|办|设立|注销|变更|名下)?(?:的)?(?:股份|有限|责任|专业)?$"
)
# What goes before the place in "昨天和海口甲乙商贸有限公司" is no part of the name.
_FOREWORD = re.compile(
    r"(?:[你我他她们和与跟给帮在被以问请想是找对从向为叫了这那家位下到由让替把的用]|单位|企业|昨天|今天|上次|名称)[^a-z]{0,6}$|[,:]$"
)
_SPEECH = r"[的了吗呢吧有没哪找做想要问请能会是在给帮和与及或个家些怎么什多少为被把让到去我你他们这那某几上下里办检测校准检定认证培训]"
_QUESTION = re.compile(
    r"的|一下|查|[一二两三四五六七八九十多各\d]家|有没|有无|没有|某|我们|几|协助|对接|自己|派专家|投诉|不是|得找|设了|一起|个体户|(?:转|改|变更|升级)为?$|怎么|如何|什么|哪|吗|多少|多久|能不能|是否|可以|需要|想|要|注销|注册"
)


def read_company(text: str) -> str | None:
    """The first name of a firm in a text; None where only firms in general are spoken of."""
    return next(iter(companies_in(normalise(text))), None)


def companies_in(text: str) -> list[str]:
    """The names of firms in a normalised text, without the words of the sentence around them."""
    found = [_from_place(_trimmed(match[0])) for match in _FULL.finditer(text)]
    if not found:
        found = [_trimmed(match[1] or match[2]) for match in _INTRODUCED.finditer(text)]
    if not found and (whole := _WHOLE.fullmatch(text)):
        found = [_trimmed(whole[1])]
    if not found:
        found = _placed(text)
    return [name for name in found if _is_name(name)]


def _from_place(name: str) -> str:
    """A name without the words of the sentence that stand before its place."""
    for word in words_in(name):
        rest = name[word.start :]
        if word.kind == "regions" and "的" not in rest and _FOREWORD.search(name, 0, word.start):
            return rest
    return name


_AFTER_PLACE = re.compile(
    rf"(?:(?!{_SPEECH})[\u4e00-\u9fffa-z0-9]){{2,10}}?(?:公司|集团|厂|农场|酒庄|茶庄)(?!家|商|房|里|长|区)"
)


def _placed(text: str) -> list[str]:
    """Firms with a short name behind their place: 海口椰香食品厂, but not 海口食品厂, which is any."""
    found = []
    for word in words_in(text):
        name = _AFTER_PLACE.match(text, word.end) if word.kind == "regions" else None
        if name is not None and _GENERIC.sub("", _without_things(name[0])):
            found.append(text[word.start : name.end()])
    return found


def _without_things(name: str) -> str:
    for word in reversed(words_in(name)):
        name = name[: word.start] + name[word.end :]
    return name


_GENERIC = re.compile(
    r"绿色|工程|技贸|评议|研究|正规|认证|辅导|培训|学校|美容|美发|标杆|示范|检验|检测|计量|校准|服务|企业|平台|技术|质量|实验室?|措施|农民|专业|合作社|养殖|种植|电器|烘干机|厂家|工厂|代工|生态|智能|无废|零碳|产业|孵化|创新|数据|展览|商务|政务|行政|管理|监测|信息"
    r"|食品|饮料|水产|农产品|农业|机械|加工|生产|制造|制品|包装|服装|外贸|贸易|物流|科技|环保|建筑|建材|化工|电子|五金|纺织|印刷|塑料|代理|咨询|第三方|家具|玩具|模具"
    r"|附近|本地|当地|大型|小型|小|大|老|新|公司|集团|厂|农场|酒庄|茶庄|市|县|区|镇|省"
)


def _trimmed(name: str) -> str:
    previous = ""
    while previous != name:
        previous, name = name, _LEAD.sub("", name)
    return name.strip("()（）-·&") if name.count("(") != name.count(")") else name


_STRONG_END = re.compile(rf"(?:有限|股份|责任)公司$|(?!合作社){_STRONG}$")
_DEED = re.compile("[进下到入赴来去驻建办开搬换审验出离返请各全](?:厂|店|公司|基地|中心|协会)$")


def _is_name(name: str) -> bool:
    stem = re.sub(rf"(?:{_STRONG}|{_WEAK})$", "", name)
    if name.startswith("做") or _DEED.search(name):
        return False
    if stem != name and not _STRONG_END.search(name) and len(_GENERIC.sub("", _without_things(stem))) < 2:
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
    return next(iter(persons_in(normalise(text))), None)


def persons_in(text: str) -> list[str]:
    """The people named in a normalised text."""
    found = [(match.start(), match[1]) for match in _NAMED.finditer(text)]
    found += [(match.start(), match[1] or match[2]) for match in _TITLED.finditer(text)]
    return [name for _, name in sorted(found)]


def as_typed(name: str, typed: str) -> str:
    """A name that was read, in the letters in which it was typed: “ABC 公司” is not “abc 公司”."""
    if not _LETTER.search(name):
        return name
    # Whatever is no letter or digit may have been typed in another form: full-width, traditional.
    pattern = "".join(re.escape(char) if char.isascii() and char.isalnum() else "." for char in name)
    match = re.search(pattern, unicodedata.normalize("NFKC", typed), re.IGNORECASE | re.ASCII)
    if match is None:
        return name
    return "".join(shown if _LETTER.match(char) else char for char, shown in zip(name, match[0], strict=True))


_LETTER = re.compile("[a-z]")
