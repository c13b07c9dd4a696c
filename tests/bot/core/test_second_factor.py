"""Codes of the second factor: RFC 6238's own, which steps count, and how people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.core.permissions import Role
from bot.core.second_factor import address, in_groups, matching_step, required_roles, setting

# "12345678901234567890" of RFC 6238, Appendix B, in base32; the RFC's eight digits end in these six.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = {59: "287082", 1111111109: "081804", 1234567890: "005924", 2000000000: "279037"}


def at(seconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def step(code: str, seconds: int, *, after: int = 0) -> int | None:
    return matching_step(SECRET, code, at=at(seconds), after=after)


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_the_codes_of_the_standard_are_right_at_their_time(seconds: int, code: str) -> None:
    assert step(code, seconds) == seconds // 30


@pytest.mark.parametrize(
    ("seconds", "is_right"), [(-31, False), (-30, True), (0, True), (30, True), (60, False), (89, False)]
)
def test_a_code_counts_one_step_early_and_one_step_late(seconds: int, is_right: bool) -> None:
    begin = 1234567890 // 30 * 30
    assert (step("005924", begin + seconds) is not None) is is_right


def test_neither_a_used_code_nor_an_older_one_counts() -> None:
    present = 1234567890 // 30
    assert step("005924", 1234567890, after=present - 1) == present
    assert step("005924", 1234567890, after=present) is None
    assert step("005924", 1234567890, after=present + 1) is None


@pytest.mark.parametrize("typed", ["005 924", " 005924 ", "005-924", "００５９２４", "005\u3000924"])
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    assert step(typed, 1234567890) is not None


@pytest.mark.parametrize("typed", ["", "5924", "0059245", "abcdef", "00592x", "٠٠٥٩٢٤", "\x00", "005925"])
def test_anything_else_is_wrong(typed: str) -> None:
    assert step(typed, 1234567890) is None


def test_an_app_reads_whose_code_it_is() -> None:
    found = address(SECRET, name="小李:1", issuer="质量服务助手")
    assert found.startswith("otpauth://totp/%E8%B4%A8")
    assert f"secret={SECRET}" in found
    assert "%3A1" in found, "a colon in a name ends no issuer"
    assert in_groups("ABCDEFGHI") == "ABCD EFGH I"


@pytest.mark.parametrize("value", [None, {}, {"roles": []}, {"roles": ["boss"]}])
def test_without_a_known_role_nobody_must(value: dict[str, list[str]] | None) -> None:
    assert required_roles(value) == frozenset()


def test_the_setting_names_the_roles_that_it_is_read_as() -> None:
    assert required_roles(setting({Role.HEAD, Role.OPERATOR})) == {Role.HEAD, Role.OPERATOR}
