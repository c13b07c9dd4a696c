"""Engine, column types, and the two ways in: `read()` and `transaction()`.

SQLite has one writer. Turns that wait for it share one commit (group commit): each runs in a savepoint of its
own, the last one out flushes the disk for all, and nobody is told of success before that flush.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import NullPool

_NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
_LARGEST_GROUP = 64  # turns that share one commit: bounds how long the first of them waits


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware moment in UTC; refuses naive ones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Store UTC; SQLite has no zones, so the zone is dropped there."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the database")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """All tables."""

    metadata = sa.MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own idiom
        datetime: UtcDateTime,
        dict[str, Any]: sa.JSON,
        int: sa.BigInteger().with_variant(sa.Integer(), "sqlite"),  # SQLite counts rows only in INTEGER keys
    }


class _Group:
    """Turns that will be made durable by the same commit."""

    def __init__(self) -> None:
        self.size = 0
        self.done = threading.Event()
        self.error: BaseException | None = None


class Database:
    """One database: SQLite in a file, or PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._here = threading.local()
        self._mutex = threading.Lock()
        self._count = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None
        self._outer: Any = None
        self._writer: Connection | None = None
        if self.is_sqlite:
            self._write_engine = _sqlite_engine(url, is_writer=True)
            self.engine = _sqlite_engine(url, is_writer=False)
        else:
            self.engine = sa.create_engine(url, pool_size=20, max_overflow=20, pool_pre_ping=True)
            self._write_engine = self.engine

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; changes are refused (SQLite) or dropped (PostgreSQL)."""
        with Session(self.engine, autoflush=False) as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection inside one transaction; when it is left, the change is durable."""
        if getattr(self._here, "is_busy", False):
            raise RuntimeError("a transaction inside a transaction: join the outer one instead")
        self._here.is_busy = True
        try:
            with self._shared_commit() if self.is_sqlite else self._write_engine.begin() as connection:
                yield connection
        finally:
            self._here.is_busy = False

    @contextmanager
    def _shared_commit(self) -> Iterator[Connection]:
        with self._count:
            self._waiting += 1
        self._mutex.acquire()
        with self._count:
            self._waiting -= 1
        group = None
        try:
            group = self._join()
            assert self._writer is not None
            with self._writer.begin_nested():
                yield self._writer
        finally:
            self._leave(group)
        if group.error is not None:
            raise group.error

    def _join(self) -> _Group:
        if self._group is None:
            if self._writer is None:
                self._writer = self._write_engine.connect()
            self._outer = self._writer.begin()
            self._group = _Group()
        self._group.size += 1
        return self._group

    def _leave(self, group: _Group | None) -> None:
        """Commit for the group when nobody queues behind, else leave that to the next and wait for it."""
        if group is None:
            self._mutex.release()
            return
        if self._waiting and group.size < _LARGEST_GROUP:
            self._mutex.release()
            group.done.wait()
            return
        try:
            self._outer.commit()
        except sa.exc.SQLAlchemyError as error:
            group.error = error
            self._drop_writer()
        finally:
            self._group = None
            group.done.set()
            self._mutex.release()

    def _drop_writer(self) -> None:
        """End the transaction that a failed commit left open; the next turn gets a new connection."""
        if self._writer is not None:
            self._writer.invalidate()
            self._writer.close()
            self._writer = None

    def is_reachable(self) -> bool:
        """Can the database be read now?"""
        try:
            with self.engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        with self._mutex:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._write_engine.dispose()
        self.engine.dispose()


def _sqlite_engine(url: str, *, is_writer: bool) -> Engine:
    arguments: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": 10.0}}
    if is_writer:
        arguments["poolclass"] = NullPool  # the one connection is ours to keep
    engine = sa.create_engine(url, **arguments)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = (
            None  # we begin ourselves: the driver's own begin comes too late for IMMEDIATE
        )
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # a recorded message survives the power cut
            "foreign_keys=ON",
            "busy_timeout=10000",
            "query_only=OFF" if is_writer else "query_only=ON",
        ):
            dbapi.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")

    return engine


def insert_row(connection: Connection, table: type[Base], **values: Any) -> int:
    """Insert one row and give its id."""
    key = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])
