"""Canned replies: the gaps that are filled when one is used, and what a new one must be like."""

import re
from collections.abc import Iterable, Mapping

from intents.categories import Category

GAPS = ("企业", "联系人", "编号", "工作人员")
"""What may stand in braces: applicant, contact person, number of the newest open request, who answers."""
TEXT_LIMIT = 600  # characters: a customer message carries 2,048 bytes
_TITLE_LIMIT = 80
_SHORTCUT = re.compile(r"[\w-]{1,20}")
_BRACES = re.compile(r"\{([^{}\n]{0,20})\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """The reply with its gaps filled; a gap whose value is not known stays, so that who sends it sees it."""
    return _BRACES.sub(lambda found: values.get(found[1]) or found[0], text)


def open_gaps(text: str) -> tuple[str, ...]:
    """The known gaps that nobody has filled, each once."""
    return tuple(dict.fromkeys(name for name in _BRACES.findall(text) if name in GAPS))


def shortcut_of(typed: str) -> str:
    """A shortcut as it is stored: without the slash before it, in small letters."""
    return typed.strip().lstrip("/").lower()


def problems_of(*, shortcut: str, title: str, text: str, category: str) -> dict[str, str]:
    """Field -> what is wrong with it, in words; empty where the reply can be kept."""
    found: dict[str, str] = {}
    if not _SHORTCUT.fullmatch(shortcut):
        found["shortcut"] = "快捷词请用 1 至 20 个汉字、字母或数字，不含空格。"
    if not 1 <= len(title) <= _TITLE_LIMIT:
        found["title"] = f"请写标题，至多 {_TITLE_LIMIT} 个字。"
    if category and category not in set(Category):
        found["category"] = "请从十一类服务类别中选择，或者不限。"
    if not 1 <= len(text) <= TEXT_LIMIT:
        found["text"] = f"请写内容，至多 {TEXT_LIMIT} 个字。"
    elif unknown := _unknown(_BRACES.findall(text)):
        allowed = "、".join(f"{{{name}}}" for name in GAPS)
        found["text"] = f"没有 {unknown} 这个空。可以用：{allowed}。"
    return found


def _unknown(names: Iterable[str]) -> str:
    """The first gap that nothing fills, with its braces; empty where all are known."""
    return next((f"{{{name}}}" for name in names if name not in GAPS), "")
