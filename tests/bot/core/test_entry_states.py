"""The life of a version: every move that there is, and that all others are refused."""

from itertools import product

import pytest

from bot.core.entry_states import RIGHTS, EntryMove, EntryState, after, check_may, moves
from bot.core.permissions import Actor, Right, Role
from bot.errors import ConflictError, ForbiddenError

TABLE = {
    #                      replace    submit    send-back  withdraw   publish      supersede
    EntryState.DRAFT: "     dropped   review    -          dropped    -            -        ",
    EntryState.REVIEW: "    dropped   -         draft      dropped    published    -        ",
    EntryState.PUBLISHED: " -         -         -          -          -            archived ",
    EntryState.ARCHIVED: "  -         -         -          -          -            -        ",
    EntryState.DROPPED: "   -         -         -          -          -            -        ",
}


@pytest.mark.parametrize(("state", "move"), list(product(EntryState, EntryMove)))
def test_a_move_leads_where_the_table_says_or_is_refused(state: EntryState, move: EntryMove) -> None:
    wanted = TABLE[state].split()[list(EntryMove).index(move)]
    if wanted == "-":
        with pytest.raises(ConflictError, match=state.label):
            after(state, move)
    else:
        assert after(state, move) == wanted


def test_every_move_takes_a_right() -> None:
    assert set(RIGHTS) == set(EntryMove)


@pytest.mark.parametrize(
    ("role", "state", "wanted"),
    [
        (Role.MAINTAINER, EntryState.DRAFT, ["replace", "submit", "withdraw"]),
        (Role.MAINTAINER, EntryState.REVIEW, ["replace", "send-back", "withdraw", "publish"]),
        (Role.HEAD, EntryState.PUBLISHED, ["supersede"]),
        (Role.STAFF, EntryState.DRAFT, []),
        (Role.EVALUATOR, EntryState.REVIEW, []),
    ],
)
def test_what_somebody_may_do_follows_from_state_and_role(
    role: Role, state: EntryState, wanted: list[str]
) -> None:
    assert moves(Actor(1, "小李", role), state) == tuple(wanted)


def test_who_lacks_a_right_is_told_so() -> None:
    check_may(Actor(1, "小李", Role.HEAD), Right.OVERRIDE_GATE)
    with pytest.raises(ForbiddenError, match="负责人"):
        check_may(Actor(1, "小李", Role.OPERATOR), Right.OVERRIDE_GATE)


@pytest.mark.parametrize("state", EntryState)
def test_only_what_is_worked_on_is_open(state: EntryState) -> None:
    assert state.is_open is (state.value in ("draft", "review"))
