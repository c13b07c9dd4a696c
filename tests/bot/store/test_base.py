"""One writer, many turns: every turn is durable when it returns, and a failed one takes no other with it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.store.base import Database
from bot.store.migrate import current, upgrade
from bot.store.tickets import YearNumber, next_number


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(found)
    yield found
    found.close()


def _last(database: Database) -> int:
    with database.read() as session:
        return session.execute(sa.select(YearNumber.last)).scalar_one_or_none() or 0


def test_numbers_have_no_gap_under_a_thousand_concurrent_registrations(database: Database) -> None:
    def register(_: int) -> int:
        with database.transaction() as connection:
            return next_number(connection, year=2026, kind="need")

    with ThreadPoolExecutor(32) as pool:
        numbers = list(pool.map(register, range(1000)))
    assert sorted(numbers) == list(range(1, 1001))


def test_a_failed_turn_leaves_no_trace_and_spoils_no_other(database: Database) -> None:
    def register(serial: int) -> bool:
        try:
            with database.transaction() as connection:
                next_number(connection, year=2026, kind="need")
                if serial % 3 == 0:
                    raise ValueError("the turn fails after it has written")
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(register, range(300)))
    assert done.count(True) == 200
    assert _last(database) == 200


def test_what_a_turn_wrote_can_be_read_by_others_once_it_returns(database: Database) -> None:
    seen: list[int] = []

    def register(_: int) -> None:
        with database.transaction() as connection:
            mine = next_number(connection, year=2026, kind="need")
        seen.append(_last(database) - mine)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register, range(100)))
    assert min(seen) >= 0


def test_a_transaction_inside_a_transaction_is_refused(database: Database) -> None:
    with (
        database.transaction(),
        pytest.raises(RuntimeError, match="join the outer one"),
        database.transaction(),
    ):
        pass


def test_the_writer_goes_on_after_a_failed_commit(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(sa.text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        connection.execute(
            sa.text("CREATE TABLE child (id INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)")
        )
    with pytest.raises(sa.exc.IntegrityError), database.transaction() as connection:
        connection.execute(sa.text("INSERT INTO child VALUES (7)"))  # refused only by the commit
    with database.transaction() as connection:
        assert next_number(connection, year=2026, kind="need") == 1


def test_nobody_is_told_of_success_when_the_shared_commit_fails(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(sa.text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        connection.execute(
            sa.text("CREATE TABLE child (id INTEGER REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)")
        )
    inside, go_on = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def spoil() -> None:
        try:
            with database.transaction() as connection:
                connection.execute(sa.text("INSERT INTO child VALUES (7)"))
                inside.set()
                go_on.wait(5)
        except sa.exc.SQLAlchemyError:
            outcomes.append("failed")

    def register() -> None:
        try:
            with database.transaction() as connection:
                next_number(connection, year=2026, kind="need")
        except sa.exc.SQLAlchemyError:
            outcomes.append("failed")
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=spoil), threading.Thread(target=register)]
    threads[0].start()
    inside.wait(5)
    threads[1].start()
    while database._waiting == 0:  # the second queues behind the first: they will share a commit
        pass
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert outcomes == ["failed", "failed"]
    assert _last(database) == 0


def test_a_database_is_migrated_once_and_then_left_alone(database: Database) -> None:
    have, want = current(database)
    assert have == want != ""
    upgrade(database)
    assert current(database) == (have, want)


def test_moments_come_back_as_they_went_in_and_naive_ones_are_refused(database: Database) -> None:
    from bot.store.audit import AuditLine, add_line

    moment = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)
    with database.transaction() as connection:
        add_line(connection, at=moment, actor="test", what="test")
    with database.read() as session:
        assert session.execute(sa.select(AuditLine.at)).scalar_one() == moment
    with pytest.raises(sa.exc.StatementError), database.transaction() as connection:
        add_line(connection, at=moment.replace(tzinfo=None), actor="test", what="test")
