"""Which role holds which right: pinned, so that nobody gains one by accident."""

import pytest

from bot.core import wording
from bot.core.permissions import Actor, Right, Role
from bot.core.ticket_states import Party

TABLE = {
    #                 tickets conversations contacts handle libraries clocks channels accounts audit lead knowledge publish override
    Role.OPERATOR: "   x       x             x        x      x         x      x        x        x    -    x         x       - ",
    Role.HEAD: "       x       x             x        x      -         x      -        -        x    x    x         x       x ",
    Role.STAFF: "      x       x             x        x      -         -      -        -        -    -    -         -       - ",
    Role.MAINTAINER: " x       x             -        -      -         -      -        -        -    -    x         x       - ",
    Role.COORDINATOR: "x       -             -        -      x         -      -        -        x    -    -         -       - ",
    Role.EVALUATOR: "  x       -             -        -      -         -      -        -        -    -    -         -       - ",
}
COLUMNS = (
    Right.SEE_TICKETS,
    Right.SEE_CONVERSATIONS,
    Right.SEE_CONTACTS,
    Right.HANDLE_TICKETS,
    Right.EDIT_LIBRARIES,
    Right.EDIT_CLOCKS,
    Right.RUN_CHANNELS,
    Right.EDIT_ACCOUNTS,
    Right.SEE_AUDIT,
    Right.LEAD,
    Right.EDIT_KNOWLEDGE,
    Right.PUBLISH_KNOWLEDGE,
    Right.OVERRIDE_GATE,
)


def held(role: Role, *, must_change: bool = False) -> set[Right]:
    actor = Actor(1, "小李", role, must_change=must_change)
    return {right for right in Right if actor.may(right)}


def test_the_table_names_every_role_and_every_right() -> None:
    assert set(TABLE) == set(Role)
    assert set(COLUMNS) == set(Right)


@pytest.mark.parametrize("role", Role)
def test_each_role_holds_just_the_rights_of_the_table(role: Role) -> None:
    marks = TABLE[role].split()
    assert held(role) == {right for right, mark in zip(COLUMNS, marks, strict=True) if mark == "x"}


@pytest.mark.parametrize("role", Role)
def test_with_the_first_password_nobody_may_anything(role: Role) -> None:
    assert held(role, must_change=True) == set()


@pytest.mark.parametrize("role", Role)
def test_only_the_head_acts_as_the_head(role: Role) -> None:
    assert Actor(1, "小李", role).party is (Party.HEAD if role is Role.HEAD else Party.STAFF)


@pytest.mark.parametrize("role", Role)
def test_each_role_has_words(role: Role) -> None:
    assert f"role.{role}" in wording.names()
