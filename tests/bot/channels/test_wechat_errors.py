"""The error table: every code of the protocol page, each with one reaction."""

import pytest

from bot.channels.wechat_errors import (
    TABLE,
    UNKNOWN,
    ReactionKind,
    failed,
    is_out_of_order,
    reaction,
    shows_account_works,
)

LISTED = [
    str(code)
    for code in (
        -1,
        45011,
        44990,
        44991,
        61450,
        43108,
        40001,
        40014,
        42001,
        45015,
        45047,
        43004,
        43019,
        48002,
        43101,
        43107,
        40003,
        50002,
        50007,
        50004,
        45002,
        45008,
        40200,
        45009,
        43116,
        43117,
        47003,
        40036,
        40037,
        40039,
        40249,
        45168,
        70000,
        48001,
        48004,
        48006,
        40013,
        40125,
        40243,
        40164,
        89501,
        89503,
        89506,
        89507,
        61451,
        65400,
        65401,
        65412,
        45048,
        45072,
        45080,
        45081,
    )
]


@pytest.mark.parametrize("code", LISTED)
def test_every_listed_code_has_a_reaction(code):
    assert reaction(code) is TABLE[code]
    assert reaction(code) is not UNKNOWN


def test_what_comes_back_by_itself_is_tried_again():
    for code, row in TABLE.items():
        counted = row.kind in (ReactionKind.RETRY, ReactionKind.BACK_OFF)
        assert bool(row.delays) is counted, code
        assert (counted or is_out_of_order(code)) is not row.is_permanent, code
        assert all(delay >= 1 for delay in row.delays), code


def test_after_a_silence_there_is_one_more_try():
    assert len(reaction("timeout").delays) == 1


@pytest.mark.parametrize(
    ("code", "is_permanent"), [("http-500", False), ("http-429", False), ("http-403", True)]
)
def test_http_statuses(code, is_permanent):
    assert failed(code, "").is_permanent is is_permanent


def test_unknown_codes_are_bugs_that_somebody_sees():
    outcome = failed("123456", "what?")
    assert (outcome.is_permanent, outcome.alarm, outcome.detail) == (True, True, "what?")


@pytest.mark.parametrize("code", ["45015", "45047"])
def test_only_the_window_codes_close_the_window(code):
    assert failed(code, "").closes_window
    assert [row for row in TABLE if failed(row, "").closes_window] == ["45015", "45047"]


WHOLE_ACCOUNT = [
    *("40001", "40014", "42001"),
    *("40013", "40125", "40243", "40164", "89501", "89503", "89506", "89507"),
    *("45009", "48004", "50004", "50007", "no-secret", "circuit-open"),
]


@pytest.mark.parametrize("code", WHOLE_ACCOUNT)
def test_what_concerns_the_whole_account_is_waited_for(code):
    outcome = failed(code, "")
    assert (outcome.is_permanent, outcome.pause, outcome.delays) == (False, 60, ())
    assert outcome.alarm is (code != "circuit-open")
    assert is_out_of_order(code)
    assert not shows_account_works(code)


def test_nothing_else_is_waited_for():
    assert {code for code in TABLE if failed(code, "").pause} == set(WHOLE_ACCOUNT)


@pytest.mark.parametrize("code", ["48001", "40036", "40037", "40039", "40249", "43116", "65400", "65412"])
def test_what_concerns_one_kind_of_message_is_final_and_somebody_sees_it(code):
    outcome = failed(code, "")
    assert (outcome.is_permanent, outcome.alarm, outcome.pause) == (True, True, 0)


@pytest.mark.parametrize(
    ("code", "shows"),
    [
        ("45015", True),
        ("43101", True),
        ("45011", True),
        ("-1", False),
        ("timeout", False),
        ("http-502", False),
        ("not-json", False),
        ("99999", False),
        ("too-large", False),
    ],
)
def test_which_refusals_show_that_the_account_works(code, shows):
    assert shows_account_works(code) is shows
