"""Texts of strangers: harmless to look at, and without personal data for who may not see contacts."""

import pytest

from bot.core.masks import harmless, mask_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("付款\u202etxt.exe", "付款txt.exe"),
        ("a\u2066b\u2069c", "abc"),
        ("一\x00二\x1b[31m", "一二[31m"),
        ("一行\r\n二行\t表", "一行\n二行\t表"),
        ("家庭👨‍👩‍👧", "家庭👨‍👩‍👧"),
    ],
)
def test_marks_that_turn_or_hide_text_are_taken_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_phones_and_names_are_masked() -> None:
    text = "我是示例甜水食品有限公司的王小明，电话13812345678"
    shown = mask_text(text, ("示例甜水食品有限公司", "王小明", ""))
    assert "13812345678" not in shown
    assert "甜水" not in shown
    assert "小明" not in shown
    assert mask_text("想做检测", ("王",)) == "想做检测"
