"""Passwords that are too easy to guess."""

import pytest

from bot.core.accounts import check_password
from bot.errors import RefusedError


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "至少 10 位"),
        ("123456789", "至少 10 位"),
        ("1234567890", "太常见"),
        ("PassWord123", "太常见"),
        ("ｑwertyuiop", "太常见"),
        ("aaaaaaaaaaaa", "太常见"),
        ("ababababab", "太常见"),
        ("woaini1314", "太常见"),
        ("zhangxiaoming", "您的姓名"),
        ("ZhangXiaoMing88", "您的姓名"),
        ("zhangxiaoming12345678", "您的姓名"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        check_password(password, name="zhangxiaoming")


@pytest.mark.parametrize(
    "password", ["long-enough-2026", "my-own-password", "海南的椰子树下有风吹过", "correct horse battery"]
)
def test_a_phrase_of_ones_own_is_taken(password: str) -> None:
    check_password(password, name="小李")
    check_password(password, name="海")


def test_a_name_with_much_besides_is_no_longer_the_name() -> None:
    check_password("小李的猫叫做海风和椰子", name="小李")
    with pytest.raises(RefusedError, match="您的姓名"):
        check_password("小李12345678", name="小李")
