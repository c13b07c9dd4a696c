"""How a message asks: a question, a wish that something be done, or neither; and whether it leans on the one before."""

import re
from enum import StrEnum


class Mood(StrEnum):
    """How a message asks."""

    QUESTION = "question"  # wants to know something: 压力表多久检一次
    NEED = "need"  # wants something done: 想给新出的椰汁做个第三方检测
    STATEMENT = "statement"  # neither: a name, a number, a remark


_QUESTION = re.compile(
    r"[?？]|吗|么$|嘛$|呢$|怎么|怎样|咋|如何|多久|多少|多长|多大|几[天个年次家种类月号岁点级项份元块]|什么|啥|哪|谁|何时|为何|为什么|干嘛"
    r"|能不能|能否|可不可以|可否|行不行|是不是|是否|有没有|要不要|需不需要|用不用|算不算|会不会|该不该|对不对|够不够|大不大|严不严|给不给|到底"
    r"|认不认|有无|还是.{1,12}(?:好|呢)?$|区别|不同|(?<![顾访疑])问(?![题卷答])|请教|打听"
    r"|(?:咨询|了解)(?:一?下|$)|(?:想|要)(?:咨询|了解|知道|弄清|搞懂|弄懂)|冇|没得$|不咯?$|不\s*$|没$|没有$|几时|点样|点办"
)
_NEED = re.compile(
    r"需要(?!提供|准备)|急需|希望|请(?!问|教|假)|求(?![职证是])|帮(?:我|我们|忙|咱|俺|着)|麻烦|委托|登记|预约|想(?!知|问|不)"
    r"|(?:要|打算|准备|计划|拟)(?:给|把|对|为|请|找|让|做|办|申|报|送|测|检|委|预|安|注|参|组|开|搞|弄|建|立|导|培|买|租|借|约|换|改|对|联|增|制|编|起|派|上|推|创|评|写|补|统|整|校|一|个)"
    r"|(?:安排|推荐|介绍|对接|联系|派|找)(?:一下|个|一个|一家|几家|一位|人|专家|老师|机构)|我要报"
)
# A favour asked politely is a wish, though it has the form of a question.
_ASKED = re.compile(
    r"(?:能|可以|可否|能否|能不能|可不可以|是否可以)(?:请|麻烦)?(?:你们|您|平台)?"
    r"(?:帮我|帮忙|帮我们|给我|给我们|安排|派|上门|推荐|对接|介绍|协助|联系)"
)


def mood_of(text: str) -> Mood:
    """How a normalised text asks."""
    if _ASKED.search(text):
        return Mood.NEED
    if _QUESTION.search(text):
        return Mood.QUESTION
    return Mood.NEED if _NEED.search(text) else Mood.STATEMENT


# A follow-up asks without a subject: when all of these are taken away, nothing is left.
_OPENING = re.compile(
    r"^(?:那么?|那请问|请问|还有|另外|然后|再问(?:一?下)?|好的?|哦+|嗯+|行|我想问(?:一?下)?|想问(?:一?下)?|这个|那个|它|这|该|上面(?:说的|那个)?|刚才(?:说的|那个)?|,| )+"
)
_ASKS = re.compile(
    r"费用|收费|价格|价钱|报价|免费|材料|资料|手续|流程|步骤|条件|要求|时间|时限|周期|期限|有效期|地址|地点|地方|窗口|网址|网站|入口|电话|联系方式"
    r"|部门|机构|单位|依据|规定|文件|法律|标准|表格|模板|样本|例子|方法|办法|结果|后果|原因|区别|加急|网上|线上|现场|上门|自己|本人|代办|委托|别人"
    r"|个人|企业|公司|过期|到期|罚款|处罚|大概|一般|通常|具体|究竟|总共|一共|应该|必须|可以|没有|提交|准备|联系|申请|办理"
    r"|多久|多长|多少|几个工作日|几个月|什么时候|何时|啥时候|什么|哪些|哪里|哪儿|怎么样|怎么|怎样|如何|为什么|为啥|的话|一下"
    r"|[需要得能会是有在去到找用花收交带给填办做弄走拿出等算看查钱费罚表行来啥哪谁咋几天年月我就都还也才再又不没"
    r"的了吗呢么嘛啊呀吧下个些份次人好呗哈?!,.。、:;~\s]"
)
_WITH_TOPIC = re.compile(r"^那?(?:如果|要是|假如)?(?:是)?.{1,8}呢[?。!]*$")
_MOST = 20
_HAN = re.compile("[\u3400-\u9fff]{2}")


def is_followup(text: str) -> bool:
    """Does a normalised text ask without saying about what? 那费用呢, 需要什么材料."""
    if not _HAN.search(text) or len(text) > _MOST or mood_of(text) is not Mood.QUESTION:
        return False
    rest = _OPENING.sub("", text)
    return not _ASKS.sub("", rest) or (text.startswith("那") and _WITH_TOPIC.match(text) is not None)
