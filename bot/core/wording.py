"""Every sentence the bot says, by name; the texts stand in data/wording.toml."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

NUMBER = "\ue000"  # stands for the ticket's number, which only the transaction knows
UNTIL = "\ue002"  # stands for the moment until which the enterprise hears from us
TOLD = "\ue004"  # stands for what a step on a ticket led to, or why it is refused
REMARK = "\ue003"  # stands for what may still move that moment; often nothing


@cache
def _texts() -> dict[str, dict[str, str]]:
    loaded: dict[str, dict[str, Any]] = tomllib.loads(
        files("bot.core").joinpath("data/wording.toml").read_text(encoding="utf-8")
    )
    return {room: {name: text.strip("\n") for name, text in texts.items()} for room, texts in loaded.items()}


def say(name: str, **values: object) -> str:
    """The sentence of that name ("form.summary", or "oos" for "oos.text"), with its gaps filled."""
    room, _, key = name.partition(".")
    text = _texts()[room][key or "text"]
    for gap, value in values.items():
        text = text.replace("{" + gap + "}", str(value))
    return text


def names() -> frozenset[str]:
    """The names of all sentences."""
    return frozenset(f"{room}.{key}" for room, texts in _texts().items() for key in texts)
