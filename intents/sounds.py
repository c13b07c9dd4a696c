"""How characters sound, for words typed by sound: 校准 and 较准 are one."""

from collections.abc import Mapping
from functools import cache

from intents.text import data_lines


@cache
def _sounds() -> Mapping[str, str]:
    pairs = (line.split("\t") for line in data_lines("sounds.tsv"))
    return {char: syllable for syllable, chars in pairs for char in chars}


def syllables() -> list[str]:
    """All syllables that a character may have, in order."""
    return sorted(set(_sounds().values()))


def sound(char: str) -> str:
    """The syllable of a character without tone; zh=z, ch=c, sh=s, ang=an, eng=en, ing=in; "" where it has none."""
    return _sounds().get(char, "")
