"""The worker's round: whatever is due is looked at, once, and the round comes to its end."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from bot.store.surveys import SurveyRow
from bot.worker.surveys import ask_due
from tests.surveys import EVE, Desk, Make, desks, official_desk  # noqa: F401 - fixtures


def copies(desk: Desk, count: int) -> None:
    """More surveys of the same ticket, as of rounds that nobody saw through."""
    (first,) = desk.rows(SurveyRow)
    with desk.ctx.transaction() as tx:
        for number in range(2, count + 2):
            values = {
                column.name: getattr(first, column.name)
                for column in SurveyRow.__table__.columns
                if column.name != "id"
            }
            tx.connection.execute(sa.insert(SurveyRow).values(**{**values, "round": number}))


def test_everything_due_is_looked_at_in_one_round_however_many_batches_it_takes(desk: Desk) -> None:
    desk.serves()
    copies(desk, 7)
    assert (ask_due(desk.ctx, batch=3), ask_due(desk.ctx, batch=3)) == (8, 0)
    assert all(row.look_at > EVE for row in desk.rows(SurveyRow))


def test_two_workers_share_the_round(desk: Desk) -> None:
    desk.serves(window=True)
    copies(desk, 7)
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda _: ask_due(desk.ctx), range(2))) == 8
    assert sorted(len(one.attempts) for one in desk.rounds()) == [1] * 8


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_round_at_the_very_deadline_comes_to_its_end(desk: Desk, offset: int) -> None:
    desk.serves()
    desk.goes_to("2026-10-13T09:00")
    desk.clock.at = desk.history().survey.due
    desk.clock.move(seconds=offset)
    assert ask_due(desk.ctx) == (0 if offset < 0 else 1)
    assert ask_due(desk.ctx) == 0
    assert desk.history().state == ("over" if offset > 0 else "open")
