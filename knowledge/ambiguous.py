"""Short forms that mean several things: what each of them may stand for."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from intents.text import normalise

# What people put around a single word without saying more.
_AROUND = re.compile(
    r"^(?:我想|我要|想|要|问|办理?|做|申请|查询?|咨询|关于|一下|下)+"
    r"|(?:的?(?:事|事情|问题|业务|服务))?[?？。.!！呢吗啊\s]*$"
)


def meanings_of(text: str) -> tuple[str, ...]:
    """What a text that is only an ambiguous short form may ask for; empty for every other text."""
    plain = normalise(text)
    forms = _forms()
    return forms.get(plain) or forms.get(_AROUND.sub("", plain), ())


@cache
def _forms() -> Mapping[str, tuple[str, ...]]:
    data = tomllib.loads((files("knowledge") / "data" / "ambiguous.toml").read_text(encoding="utf-8"))
    return {form: tuple(meanings) for form, meanings in data["forms"].items()}
