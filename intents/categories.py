"""The eleven service categories of DB46/T 583-2023, clause 6: key, Annex B wording, Annex B order."""

from enum import StrEnum


class Category(StrEnum):
    """A service category; the members stand in the order of Annex B's tick boxes."""

    METROLOGY = "metrology"
    QUALITY_MANAGEMENT = "quality-management"
    STANDARDIZATION = "standardization"
    IP = "ip"
    TESTING = "testing"
    BRAND = "brand"
    POLICY = "policy"
    CERTIFICATION = "certification"
    SUPPLY_CHAIN = "supply-chain"
    TRAINING = "training"
    OTHER = "other"

    @property
    def label(self) -> str:
        """The wording of Annex B."""
        return _LABELS[self]


_LABELS = {
    Category.METROLOGY: "计量服务",
    Category.QUALITY_MANAGEMENT: "质量管理及意识提升服务",
    Category.STANDARDIZATION: "标准化服务",
    Category.IP: "知识产权服务",
    Category.TESTING: "产品检验检测服务",
    Category.BRAND: "品牌培育服务",
    Category.POLICY: "政策咨询服务",
    Category.CERTIFICATION: "认证认可服务",
    Category.SUPPLY_CHAIN: "产业链供应链服务",
    Category.TRAINING: "质量教育和培训服务",
    Category.OTHER: "其他服务",
}

OOS = "oos"
"""The twelfth score of a classification: the text asks for none of the eleven."""
