"""The four libraries (G 7.2.1): bring files in, take them out, look things up, and say whom a need may be referred to.

An import adds records and replaces those of the same number; nothing is written while one row of the file is wrong.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from bot.actions.context import Context, Transaction
from bot.core.routing import Exclusion, Need, Roster, Suggestion, excluded_providers, suggest_providers
from bot.errors import NotFoundError
from bot.store import libraries as store
from bot.store import referrals
from bot.store.audit import add_line
from intents.categories import Category
from knowledge.library import Enterprise, Expert, Instrument, Provider
from knowledge.library_rows import (
    ENTERPRISES,
    EXPERTS,
    INSTRUMENTS,
    PROVIDERS,
    RowProblem,
    Table,
    load_demo,
    read_records,
    written,
)

_R = TypeVar("_R", Provider, Expert, Enterprise, Instrument)
Record = Provider | Expert | Enterprise | Instrument

TABLES: Mapping[str, Table[Any]] = {
    table.name: table for table in (PROVIDERS, EXPERTS, ENTERPRISES, INSTRUMENTS)
}
LABELS = {
    "providers": "机构库",
    "experts": "专家库",
    "enterprises": "企业库",
    "instruments": "仪器设备库",
}
PRIVATE = frozenset({"contacts", "phone", "email"})  # how people are reached: for editors, never searched


@dataclass(frozen=True, slots=True)
class Report:
    """What an import did, or would do: how many records came, are new, differ; the demonstration records that go."""

    records: int
    new: int
    changed: int
    removed: int
    problems: tuple[RowProblem, ...]
    is_written: bool = False

    @property
    def errors(self) -> tuple[RowProblem, ...]:
        """What keeps the file out."""
        return tuple(problem for problem in self.problems if not problem.is_doubt)

    @property
    def summary(self) -> str:
        """One sentence for people."""
        demo = (
            f"，{'移除' if self.is_written else '将移除'}演示数据 {self.removed} 条" if self.removed else ""
        )
        return f"共 {self.records} 条，新增 {self.new} 条，有变化 {self.changed} 条{demo}。"


@dataclass(frozen=True, slots=True)
class Advice:
    """Whom a need may be referred to, best first, and who must not be asked."""

    suggestions: tuple[Suggestion, ...]
    excluded: tuple[Exclusion, ...]


def table_named(name: str) -> Table[Any]:
    """The table of that name; raises NotFoundError with the names that exist."""
    if name not in TABLES:
        known = "、".join(f"{key}（{label}）" for key, label in LABELS.items())
        raise NotFoundError("library", f"没有“{name[:20]}”这个库。可用的有：{known}。")
    return TABLES[name]


# --- in and out ---


def import_file(
    ctx: Context, table: Table[Any], data: bytes, *, form: str, actor: str, dry_run: bool = False
) -> Report:
    """Bring a csv or xlsx file into a library, all of it or, where a row is wrong, nothing; never raises for a file.

    Real records take the place of the demonstration records of their library. `dry_run` only looks.
    """
    found = read_records(table, data, form=form)
    if dry_run:
        with ctx.read() as session:
            return _examine(session, table, found.records, found.problems)[0]
    with ctx.transaction() as tx:
        report, changed = _examine(tx.connection, table, found.records, found.problems)
        if report.errors:
            return report
        is_demo = found.records[0].is_demo
        _put(tx, table, changed, is_demo=is_demo, report=report, actor=actor)
    return Report(report.records, report.new, report.changed, report.removed, report.problems, True)


def load_demonstration(ctx: Context, *, actor: str) -> dict[str, int | None]:
    """Load the demonstration set: library -> how many records; None where real ones stand, which are left alone."""
    loaded: dict[str, int | None] = {}
    with ctx.transaction() as tx:
        for name, table in TABLES.items():
            if store.count_records(tx.connection, name, is_demo=False):
                loaded[name] = None
                continue
            records = load_demo(table)
            report, changed = _examine(tx.connection, table, records, ())
            _put(tx, table, changed, is_demo=True, report=report, actor=actor)
            loaded[name] = len(records)
    return loaded


def export(ctx: Context, table: Table[Any], *, form: str, actor: str) -> tuple[bytes, int]:
    """A library as a file of form csv or xlsx, and how many records it holds; who took it out is written down."""
    with ctx.transaction() as tx:
        bodies = store.bodies_of(tx.connection, table.name)
        note = f"导出 {len(bodies)} 条"
        add_line(tx.connection, at=tx.now, actor=actor, what="library-export", subject=table.name, note=note)
    return written(table, [_record(table, body) for body in bodies.values()], form=form), len(bodies)


def _put(
    tx: Transaction,
    table: Table[Any],
    changed: Mapping[str, dict[str, str]],
    *,
    is_demo: bool,
    report: Report,
    actor: str,
) -> None:
    store.put_records(tx.connection, table.name, changed, is_demo=is_demo, now=tx.now)
    if not is_demo:
        store.remove_demo(tx.connection, table.name)
    note = f"导入{'演示数据' if is_demo else ''} {report.records} 条，新增 {report.new} 条，变化 {report.changed} 条，移除演示 {report.removed} 条"
    add_line(tx.connection, at=tx.now, actor=actor, what="library-import", subject=table.name, note=note)
    tx.poke_after_commit("libraries")


def _examine(
    session: Session | Connection,
    table: Table[Any],
    records: Sequence[Record],
    problems: Sequence[RowProblem],
) -> tuple[Report, dict[str, dict[str, str]]]:
    """What importing these records would do to the library as it stands, and the bodies that would be written."""
    before = store.bodies_of(session, table.name)
    is_real = bool(records) and not records[0].is_demo
    demo = {number for number, body in before.items() if body.get("is_demo") == "是"}
    stays = {number: body for number, body in before.items() if not (is_real and number in demo)}
    bodies = {record.number: _body(table, record) for record in records}
    changed = {number: body for number, body in bodies.items() if before.get(number) != body}
    new = len(bodies.keys() - stays.keys())
    found = [*problems, *_clashes(session, table, records, stays, has_real=len(demo) < len(before))]
    if not records and not found:
        found.append(RowProblem(0, "", "文件里没有记录，请在列名下面逐行填写。"))
    differing = len(changed.keys() & stays.keys())
    return Report(len(bodies), new, differing, len(demo) if is_real else 0, tuple(found)), changed


def _clashes(
    session: Session | Connection,
    table: Table[Any],
    records: Sequence[Record],
    stays: Mapping[str, dict[str, str]],
    *,
    has_real: bool,
) -> Iterator[RowProblem]:
    """What a file cannot know by itself: it does not fit to what the libraries hold."""
    kinds = {record.is_demo for record in records}
    if len(kinds) > 1:
        yield RowProblem(0, "演示数据", "演示数据和真实数据不能在同一个文件里，请删去演示数据的行。")
    elif True in kinds and has_real:
        yield RowProblem(0, "演示数据", f"{LABELS[table.name]}里已有真实数据，不能再导入演示数据。")
    for record in records:
        if len(record.number) > store.LONGEST_NUMBER:
            yield RowProblem(
                0, "编号", f"“{record.number[:20]}…”太长，编号最多 {store.LONGEST_NUMBER} 个字。"
            )
    if "credit_code" in table.columns:
        holders = {body["credit_code"]: number for number, body in stays.items()}
        # A record of the file frees the code that it had before.
        coming = {record.number for record in records}
        for record in records:
            holder = holders.get(getattr(record, "credit_code", ""), record.number)
            if holder not in coming:
                message = f"编号“{record.number[:20]}”与库里的“{holder}”是同一个代码，请沿用库里的编号。"
                yield RowProblem(0, "统一社会信用代码", message)
    if table is INSTRUMENTS:
        known = store.bodies_of(session, PROVIDERS.name)
        owners = {record.owner for record in records if isinstance(record, Instrument)} - known.keys()
        for owner in sorted(owners):
            yield RowProblem(0, "所属机构编号", f"机构库里还没有“{owner[:20]}”，请补录。", is_doubt=True)


def _body(table: Table[Any], record: Record) -> dict[str, str]:
    """A record as the cells of its line in a file; empty ones are left out."""
    cells = {name: column.written(record) for name, column in table.columns.items()}
    return {name: cell for name, cell in cells.items() if cell}


def _record(table: Table[_R], body: Mapping[str, str]) -> _R:
    """The record that a body holds; ValueError where a cell no longer reads."""
    columns = table.columns
    return table.kind(**{name: columns[name].cell.read(cell) for name, cell in body.items()})


# --- in memory ---


@dataclass(frozen=True, slots=True)
class _Kept:
    """One library as it stood at a version: its records by number, and for each what a search looks at."""

    version: tuple[int, int]
    records: Mapping[str, Any]
    texts: Mapping[str, str]


class Libraries:
    """The libraries in memory: a library is read again when it has changed. May be shared between threads."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._roster: tuple[tuple[int, int], Roster] | None = None

    @classmethod
    def of(cls, ctx: Context) -> "Libraries":
        """The one of this process."""
        found: Libraries = ctx.kept.setdefault("libraries", cls(ctx))
        return found

    def records(self, table: Table[_R]) -> Mapping[str, _R]:
        """Number -> record, in the order of the numbers."""
        return self._current(table).records

    def search(self, table: Table[_R], words: str) -> list[_R]:
        """The records that hold all of these words anywhere but in how people are reached; all for no words."""
        kept, wanted = self._current(table), words.casefold().split()
        return [
            record
            for number, record in kept.records.items()
            if all(word in kept.texts[number] for word in wanted)
        ]

    def record(self, table: Table[_R], number: str) -> _R:
        """The record of that number; raises NotFoundError."""
        found: _R | None = self._current(table).records.get(number)
        if found is None:
            raise NotFoundError("library-record", f"{LABELS[table.name]}里没有这个编号，请核对。")
        return found

    def roster(self) -> Roster:
        """The providers as the routing wants them: the same object until one of them changes."""
        kept = self._current(PROVIDERS)
        with self._lock:
            if self._roster is None or self._roster[0] != kept.version:
                self._roster = kept.version, Roster.of(kept.records.values())
            return self._roster[1]

    def need(self, category: Category, text: str, *, applicant: str) -> Need:
        """A need as the routing wants it; the enterprise library tells the place and the code of who stands there."""
        known = next(
            (one for one in self.records(ENTERPRISES).values() if one.name == applicant.strip()), None
        )
        return Need.read(
            category,
            text,
            applicant=applicant,
            credit_code=known.credit_code if known else "",
            region=known.region if known else "",
        )

    def advise(
        self,
        category: Category,
        text: str,
        *,
        applicant: str,
        on: date,
        within: Session | Connection | None = None,
        most: int = 10,
    ) -> Advice:
        """Whom a need may be referred to on that day (China date), the `most` best; demonstration records too, marked.

        Open referrals and the turns of late are counted, `within` the transaction that wants to know, if one is under
        way. Nobody has a score yet: until providers are evaluated (S 7.2.3) all of them count as newcomers.
        """
        if within is None:
            with self._ctx.read() as session:
                return self.advise(category, text, applicant=applicant, on=on, within=session, most=most)
        need, roster = self.need(category, text, applicant=applicant), self.roster()
        suggestions = suggest_providers(
            need,
            roster,
            on=on,
            loads=referrals.loads(within),
            scores={},
            recent=referrals.recent(within, category.value),
            most=most,
        )
        return Advice(suggestions, excluded_providers(need, roster, on=on))

    def _current(self, table: Table[Any]) -> _Kept:
        with self._ctx.read() as session:
            version = store.version(session, table.name)
            if (kept := self._kept.get(table.name)) is not None and kept.version == version:
                return kept
            with self._lock:
                if (kept := self._kept.get(table.name)) is not None and kept.version == version:
                    return kept  # another thread was first
                bodies = store.bodies_of(session, table.name)
                kept = _Kept(
                    version,
                    {number: _record(table, body) for number, body in bodies.items()},
                    {number: _searched(body.items()) for number, body in bodies.items()},
                )
                self._kept[table.name] = kept
                return kept


def _searched(cells: Iterable[tuple[str, str]]) -> str:
    return "\n".join(cell for name, cell in cells if name not in PRIVATE).casefold()
