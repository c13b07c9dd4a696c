"""The four libraries as values (G 7.2.1): providers, experts, enterprises, instruments; who is eligible on a date."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Self

from intents.categories import Category


class Labelled(StrEnum):
    """A member has a key for programs and a label for people; `shape` is what its numbers look like."""

    _value_: str
    label: str
    shape: str

    def __new__(cls, value: str, label: str, shape: str = ".*") -> Self:
        """A member from its key, its Chinese label and a pattern."""
        member = str.__new__(cls, value)
        member._value_, member.label, member.shape = value, label, shape
        return member


class ProviderKind(Labelled):
    """What an institution is; some kinds must show a qualification."""

    METROLOGY = "metrology", "法定计量检定机构"
    CALIBRATION = "calibration", "校准机构"
    TESTING = "testing", "检验检测机构"
    INSPECTION = "inspection", "检验机构"
    PROFICIENCY = "proficiency", "能力验证提供者"
    CERTIFICATION = "certification", "认证机构"
    STANDARDS = "standards", "标准化机构"
    PATENT = "patent", "专利代理机构"
    TRADEMARK = "trademark", "商标代理机构"
    LAW = "law", "律师事务所"
    TRAINING = "training", "培训机构"
    CONSULTING = "consulting", "咨询机构"
    EQUIPMENT = "equipment", "特种设备检验机构"
    TRADE = "trade", "技术性贸易措施机构"
    OTHER = "other", "其他机构"


class QualificationKind(Labelled):
    """What a qualification is; the label stands in the files."""

    METROLOGY = "metrology", "计量授权"
    STANDARD = "standard", "计量标准考核"
    CMA = "cma", "CMA", r"\d{11,12}[A-Z]?"
    LABORATORY = "cnas-l", "CNAS实验室", r"CNAS\s?L\d{4,5}"
    INSPECTION = "cnas-ib", "CNAS检验机构", r"CNAS\s?IB\d{4}"
    PROFICIENCY = "cnas-pt", "CNAS能力验证", r"CNAS\s?PT\d{4}"
    CERTIFICATION = "cnca", "认证机构批准", r"CNCA-RF?-\d{4}-\d{2,4}"
    PATENT = "patent", "专利代理执业许可", r"\d{5}"
    LAW = "law", "律师事务所执业许可"
    EQUIPMENT = "ts", "特种设备核准", r"TS\d{7}-\d{4}"
    REGISTRATION = "registration", "营业执照或法人证书"
    OTHER = "other", "其他资质"

    @property
    def must_expire(self) -> bool:
        """Is a certificate of this kind worth nothing without the day on which it ends?"""
        return self.value not in ("patent", "law", "registration", "other")


class ProviderStatus(Labelled):
    """Where a provider stands (S 7.2.3); active ones and those with a warning are asked."""

    CANDIDATE = "candidate", "待入驻"
    ACTIVE = "active", "正常"
    WARNING = "warning", "预警"
    SUSPENDED = "suspended", "暂停"
    EXITED = "exited", "退出"


class Scale(Labelled):
    """The size of an enterprise by the national classification of 2011."""

    LARGE = "large", "大型"
    MEDIUM = "medium", "中型"
    SMALL = "small", "小型"
    MICRO = "micro", "微型"


class Sharing(Labelled):
    """How an instrument is shared (G 6.5)."""

    TIME = "time", "分时租赁"
    SERVICE = "service", "代检代测"
    OUTSOURCING = "outsourcing", "实验外包"
    OPEN = "open", "开放机时"


class InstrumentStatus(Labelled):
    """Can an instrument be booked?"""

    AVAILABLE = "available", "可预约"
    REPAIR = "repair", "维修"
    STOPPED = "stopped", "停用"


# One of these must be valid (S 7.2.1, 7.2.2); a kind that does not stand here need not show any.
_MUST_SHOW: dict[ProviderKind, tuple[QualificationKind, ...]] = {
    ProviderKind.METROLOGY: (QualificationKind.METROLOGY,),
    ProviderKind.CALIBRATION: (QualificationKind.LABORATORY, QualificationKind.METROLOGY),
    ProviderKind.TESTING: (QualificationKind.CMA, QualificationKind.LABORATORY),
    ProviderKind.INSPECTION: (QualificationKind.INSPECTION, QualificationKind.CMA),
    ProviderKind.PROFICIENCY: (QualificationKind.PROFICIENCY,),
    ProviderKind.CERTIFICATION: (QualificationKind.CERTIFICATION,),
    ProviderKind.PATENT: (QualificationKind.PATENT,),
    ProviderKind.LAW: (QualificationKind.LAW,),
    ProviderKind.EQUIPMENT: (QualificationKind.EQUIPMENT,),
}
# Who tests, verifies or certifies must say on what ground; who advises or teaches need not.
_GROUNDED = frozenset({Category.METROLOGY, Category.TESTING, Category.CERTIFICATION})
_ADVICE = re.compile("咨询|培训|辅导|宣贯|指导")


@dataclass(frozen=True, slots=True)
class Qualification:
    """A certificate: both days are China dates and included."""

    kind: QualificationKind
    number: str
    issuer: str = ""
    scope: str = ""
    issued_on: date | None = None
    valid_until: date | None = None

    def why_not(self, on: date) -> str:
        """Why it does not count on that day; empty where it does."""
        if self.issued_on is not None and on < self.issued_on:
            return f"{self.kind.label}证书 {self.issued_on} 起才有效"
        if self.valid_until is None:
            return f"{self.kind.label}证书没有登记到期日" if self.kind.must_expire else ""
        return f"{self.kind.label}证书已于 {self.valid_until} 到期" if self.valid_until < on else ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement by which a provider joined (S 7.2.1); without an end it holds until somebody ends it."""

    number: str
    signed_on: date
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A person who answers for a library record."""

    name: str
    duty: str = ""
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability term: what is done to what, by which standard, on the ground of which qualification."""

    category: Category
    subject: str  # one or more things: 电子秤、台秤
    detail: str = ""  # standards and parameters: JJG 539、最大秤量150t
    method: str = ""  # 检定, 校准, 全项检验, 咨询
    ground: QualificationKind | None = None
    days: int | None = None  # turn-around in working days

    @property
    def needs_ground(self) -> bool:
        """Must the term name the qualification that it rests on?"""
        return self.category in _GROUNDED and not _ADVICE.search(self.method)


@dataclass(frozen=True, slots=True)
class Provider:
    """An institution of the provider library (S 3.6, 7.2)."""

    number: str
    name: str
    kind: ProviderKind
    credit_code: str
    region: str
    service_regions: tuple[str, ...]  # 全国, a province, cities, counties
    short_names: tuple[str, ...] = ()
    address: str = ""
    contacts: tuple[Contact, ...] = ()
    email: str = ""  # where referrals go
    webhook: str = ""
    opening_hours: str = ""
    qualifications: tuple[Qualification, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    industries: tuple[str, ...] = ()
    agreement: Agreement | None = None
    has_green_lane: bool = False
    related: tuple[str, ...] = ()  # enterprises it has an interest in: names or credit codes
    status: ProviderStatus = ProviderStatus.CANDIDATE
    status_reason: str = ""
    is_demo: bool = False  # nothing is ever sent to demonstration records

    def qualifies(self, kinds: Iterable[QualificationKind], on: date) -> str:
        """Why none of these qualifications counts on that day; empty where one does."""
        reasons = []
        kinds = tuple(kinds)
        for held in self.qualifications:
            if held.kind in kinds:
                reason = held.why_not(on)
                if not reason:
                    return ""
                reasons.append(reason)
        return "、".join(reasons) or f"没有登记{'或'.join(kind.label for kind in kinds)}证书"

    def why_not(self, on: date) -> tuple[str, ...]:
        """Why it may not be asked for anything on that day (R11, R12): every reason; none where it may."""
        reasons = []
        if self.status not in (ProviderStatus.ACTIVE, ProviderStatus.WARNING):
            because = f"（{self.status_reason}）" if self.status_reason else ""
            reasons.append(f"机构状态为“{self.status.label}”{because}")
        reasons += self._agreement_why_not(on)
        must_show = _MUST_SHOW.get(self.kind, ())
        if must_show and (reason := self.qualifies(must_show, on)):
            reasons.append(reason)
        return tuple(reasons)

    def _agreement_why_not(self, on: date) -> list[str]:
        if self.agreement is None:
            return ["没有登记入驻协议"]
        if on < self.agreement.signed_on:
            return [f"入驻协议 {self.agreement.signed_on} 才签订"]
        until = self.agreement.valid_until
        return [f"入驻协议已于 {until} 到期"] if until is not None and until < on else []

    def flaws(self) -> Iterator[tuple[str, str, bool]]:
        """What does not fit together: field, what to do, and whether it is only doubtful."""
        for held in self.qualifications:
            if held.kind.must_expire and held.valid_until is None:
                yield "qualifications", f"{held.kind.label}证书要写有效期至。", False
            if not re.fullmatch(held.kind.shape, held.number):
                yield (
                    "qualifications",
                    f"“{held.number}”不像{held.kind.label}证书的编号，请对照证书核对。",
                    True,
                )
        held_kinds = {held.kind for held in self.qualifications}
        for term in self.capabilities:
            if term.needs_ground and term.ground is None:
                yield "capabilities", f"“{term.subject}”要写明依据哪种资质。", False
            elif term.ground is not None and term.ground not in held_kinds:
                yield "capabilities", f"“{term.subject}”依据的{term.ground.label}证书没有登记。", True
        if self.status in (ProviderStatus.SUSPENDED, ProviderStatus.EXITED) and not self.status_reason:
            yield "status_reason", "暂停或退出要写明原因。", False

    def term_why_not(self, term: Capability, on: date) -> str:
        """Why a term may not be offered on that day; empty where it may."""
        if term.ground is None:
            return f"能力词条“{term.subject}”没有写明依据的资质" if term.needs_ground else ""
        return self.qualifies((term.ground,), on)


SENIOR_TITLE = re.compile(
    "(?:正高级|高级|教授级高级)(?:工程|农艺|经济|实验|会计|统计|审计|兽医|畜牧)师"
    "|副?(?:教授|研究员|研究馆员|主任药师|主任技师)"
)
"""副高 or above (S 7.3.2c); a skill grade such as 高级技师 is no title."""


@dataclass(frozen=True, slots=True)
class Expert:
    """A person of the expert library (S 5.3.2, 7.3)."""

    number: str
    name: str
    unit: str
    title: str
    categories: tuple[Category, ...]
    industries: tuple[str, ...] = ()
    region: str = ""
    phone: str = ""
    email: str = ""
    certificate: str = ""  # of the title: number or file
    availability: str = ""
    conflicts: tuple[str, ...] = ()  # enterprises it may not serve: names or credit codes
    may_publish: bool = False  # consent to be shown in public
    misconduct_checked_on: date | None = None
    has_misconduct: bool = False
    term_until: date | None = None
    is_demo: bool = False

    def why_not(self, on: date) -> tuple[str, ...]:
        """Why it may not be asked on that day (R10); none where it may."""
        reasons = []
        if not SENIOR_TITLE.fullmatch(self.title):
            reasons.append(f"职称“{self.title}”不在副高级以上的名单里")
        if self.has_misconduct:
            reasons.append("有不良记录")
        elif self.misconduct_checked_on is None or on < self.misconduct_checked_on:
            reasons.append("还没有核查不良记录")
        if self.term_until is not None and self.term_until < on:
            reasons.append(f"聘期已于 {self.term_until} 结束")
        return tuple(reasons)


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence or certificate of an enterprise: kind, number, last day."""

    kind: str
    number: str
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Enterprise:
    """An enterprise that is served (服务对象)."""

    number: str
    name: str
    credit_code: str
    region: str
    park: str = ""
    scale: Scale | None = None
    industry: str = ""  # GB/T 4754: C1522
    products: tuple[str, ...] = ()
    standards: tuple[str, ...] = ()
    licences: tuple[Licence, ...] = ()
    contacts: tuple[Contact, ...] = ()
    specialist: str = ""
    is_demo: bool = False


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument that its owner shares (G 6.5, R28)."""

    number: str
    name: str
    owner: str  # the number of the provider
    sharing: tuple[Sharing, ...]
    region: str = ""
    place: str = ""
    maker: str = ""
    model: str = ""
    serial: str = ""
    parameters: tuple[str, ...] = ()  # range, accuracy
    methods: tuple[str, ...] = ()  # standards it serves
    calibrated_until: date | None = None
    price_note: str = ""
    lead_days: int | None = None  # working days from booking to use
    needs_operator: bool = False
    status: InstrumentStatus = InstrumentStatus.AVAILABLE
    is_demo: bool = False

    def why_not(self, on: date) -> tuple[str, ...]:
        """Why it cannot be booked for that day; none where it can."""
        reasons = []
        if self.status is not InstrumentStatus.AVAILABLE:
            reasons.append(f"仪器状态为“{self.status.label}”")
        if self.calibrated_until is None:
            reasons.append("没有登记检定或校准的有效期")
        elif self.calibrated_until < on:
            reasons.append(f"检定或校准已于 {self.calibrated_until} 到期")
        return tuple(reasons)


# --- unified social credit codes (GB 32100-2015) ---

_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def check_character(first: str) -> str:
    """The 18th character for the first 17 of a credit code; raises ValueError for a sign that codes do not hold."""
    total = sum(_SIGNS.index(sign) * pow(3, place, 31) for place, sign in enumerate(first))
    return _SIGNS[-total % 31]


def credit_code_problem(code: str) -> str:
    """What is wrong with a credit code and what to do; empty for a right one."""
    if len(code) == 15 and code.isdecimal():
        return "这是 15 位的旧注册号，请改填 18 位统一社会信用代码。"
    if len(code) != 18:
        return f"统一社会信用代码是 18 位，这里是 {len(code)} 位，请对照营业执照核对。"
    foreign = next((sign for sign in code if sign not in _SIGNS), "")
    if foreign:
        return f"统一社会信用代码里没有“{foreign}”（字母 I、O、S、V、Z 不用），请对照营业执照核对。"
    if code[-1] != check_character(code[:17]):
        return "统一社会信用代码的校验位不对，请对照营业执照逐位核对。"
    return ""
