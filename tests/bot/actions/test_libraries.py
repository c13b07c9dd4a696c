"""The libraries come in whole or not at all, real records replace the demonstration, and the routing sees it at once."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from openpyxl import Workbook, load_workbook
from typer.testing import CliRunner

from bot.__main__ import cli
from bot.actions.context import Context
from bot.actions.libraries import (
    TABLES,
    Advice,
    Libraries,
    Report,
    export,
    import_file,
    load_demonstration,
    table_named,
)
from bot.app import open_context
from bot.errors import NotFoundError, RefusedError
from bot.settings import Settings
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.migrate import downgrade, upgrade
from intents.categories import Category
from knowledge.library import Provider, check_character
from knowledge.library_rows import (
    ENTERPRISES,
    EXPERTS,
    INSTRUMENTS,
    MOST_BYTES,
    PROVIDERS,
    Table,
    load_demo,
    written,
)
from tests.make import TODAY, SetClock


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """A platform with everything that ships."""
    found = open_context(Settings(data_dir=tmp_path_factory.mktemp("whole"), log_level="error"))
    yield found
    found.database.close()


@pytest.fixture
def ctx(whole: Context, tmp_path: Path) -> Iterator[Context]:
    """The same, over a new database, at a moment that stands still."""
    settings = replace(whole.settings, data_dir=tmp_path)
    found = Context(settings, Database(settings.database), SetClock(), whole.brain)
    upgrade(found.database)
    yield found
    found.database.close()


def test_a_new_platform_has_empty_libraries(whole: Context) -> None:
    assert [held(whole, table) for table in TABLES.values()] == [[], [], [], []]


def code(number: int) -> str:
    first = f"91460000{number:09d}"
    return first + check_character(first)


def real(which: int, **changes: Any) -> Provider:
    """A provider that is nobody's demonstration: verifies scales and pressure gauges."""
    given = {"number": f"P{which:03d}", "name": f"甲{which}计量所", "credit_code": code(which)}
    return replace(load_demo(PROVIDERS)[0], is_demo=False, **(given | changes))


def bring(
    ctx: Context, *records: Any, table: Table[Any] = PROVIDERS, form: str = "xlsx", dry_run: bool = False
) -> Report:
    data = written(table, records, form=form)
    return import_file(ctx, table, data, form=form, actor="wang", dry_run=dry_run)


def held(ctx: Context, table: Table[Any] = PROVIDERS) -> list[Any]:
    return list(Libraries(ctx).records(table).values())


def trail(ctx: Context) -> list[tuple[str, str, str]]:
    with ctx.read() as session:
        lines = session.scalars(
            sa.select(AuditLine).where(AuditLine.what.like("library-%")).order_by(AuditLine.id)
        )
        return [(line.actor, line.what, line.subject) for line in lines]


def advise(libraries: Libraries, text: str, applicant: str = "") -> Advice:
    return libraries.advise(Category.METROLOGY, text, applicant=applicant, on=TODAY)


# --- the demonstration set, and real data in its place ---


def test_the_demonstration_set_comes_with_one_command(ctx: Context) -> None:
    assert load_demonstration(ctx, actor="wang") == {
        "providers": 12,
        "experts": 6,
        "enterprises": 3,
        "instruments": 8,
    }
    for table in TABLES.values():
        assert held(ctx, table) == list(load_demo(table))
    assert trail(ctx) == [("wang", "library-import", name) for name in TABLES]


def test_real_records_take_the_place_of_the_demonstration_of_their_table_alone(ctx: Context) -> None:
    load_demonstration(ctx, actor="wang")
    report = bring(ctx, real(1), real(2))
    assert report.is_written
    assert (report.records, report.new, report.changed, report.removed) == (2, 2, 0, 12)
    assert held(ctx) == [real(1), real(2)]
    assert held(ctx, EXPERTS) == list(load_demo(EXPERTS))
    assert load_demonstration(ctx, actor="wang")["providers"] is None
    assert held(ctx) == [real(1), real(2)]


def test_a_record_with_the_number_and_code_of_a_demonstration_replaces_it(ctx: Context) -> None:
    load_demonstration(ctx, actor="wang")
    taken = replace(load_demo(PROVIDERS)[3], is_demo=False)
    assert bring(ctx, taken).errors == ()
    assert held(ctx) == [taken]


def test_records_are_added_and_replaced_by_number_and_the_same_again_changes_nothing(ctx: Context) -> None:
    bring(ctx, real(1), real(2))
    report = bring(ctx, real(2, name="乙计量所"), real(3))
    assert (report.new, report.changed) == (1, 1)
    assert [one.name for one in held(ctx)] == ["甲1计量所", "乙计量所", "甲3计量所"]
    again = bring(ctx, real(2, name="乙计量所"), real(3))
    assert (again.records, again.new, again.changed) == (2, 0, 0)
    assert len(trail(ctx)) == 3, "every import is written down"


def test_demonstration_and_real_records_are_never_mixed(ctx: Context) -> None:
    mixed = bring(ctx, real(1), load_demo(PROVIDERS)[1])
    assert "同一个文件" in mixed.errors[0].message
    bring(ctx, real(1))
    later = bring(ctx, load_demo(PROVIDERS)[1])
    assert "已有真实数据" in later.errors[0].message
    assert held(ctx) == [real(1)]


# --- dry run, bad rows ---


def test_a_dry_run_tells_what_would_happen_and_writes_nothing(ctx: Context) -> None:
    load_demonstration(ctx, actor="wang")
    before = trail(ctx)
    report = bring(ctx, real(1), dry_run=True)
    assert not report.is_written
    assert (report.new, report.removed) == (1, 12)
    assert "将移除演示数据 12 条" in report.summary
    assert held(ctx) == list(load_demo(PROVIDERS))
    assert trail(ctx) == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_one_bad_row_keeps_the_whole_file_out_and_each_is_named(ctx: Context, dry_run: bool) -> None:
    bad = [real(2, credit_code="91350100M000100Y44"), real(3, region="火星")]
    report = bring(ctx, real(1), *bad, dry_run=dry_run)
    assert [(one.line, one.column) for one in report.errors] == [(3, "统一社会信用代码"), (4, "所在地区")]
    assert not report.is_written
    assert held(ctx) == []
    assert trail(ctx) == []


def test_a_code_that_another_number_of_the_library_holds_is_refused(ctx: Context) -> None:
    bring(ctx, real(1), real(2))
    (problem,) = bring(ctx, real(9, credit_code=code(1))).errors
    assert (problem.column, "P001" in problem.message) == ("统一社会信用代码", True)
    swapped = bring(ctx, real(1, credit_code=code(2)), real(2, credit_code=code(1)))
    assert swapped.errors == (), "two records may change their codes in one file"


def test_an_instrument_of_an_unknown_provider_is_doubtful_but_comes_in(ctx: Context) -> None:
    instrument = replace(load_demo(INSTRUMENTS)[0], is_demo=False, owner="P404")
    report = bring(ctx, instrument, table=INSTRUMENTS)
    assert [(one.is_doubt, "P404" in one.message) for one in report.problems] == [(True, True)]
    assert held(ctx, INSTRUMENTS) == [instrument]


def test_a_number_that_does_not_fit_and_an_empty_file_are_refused_in_words(ctx: Context) -> None:
    assert "最多 64 个字" in bring(ctx, real(1, number="P" * 65)).errors[0].message
    assert "没有记录" in bring(ctx).errors[0].message
    assert bring(ctx, real(1, number="P" * 64)).is_written


# --- hostile files ---


def workbook(**parts: bytes) -> bytes:
    """A spreadsheet of one provider, some of its parts replaced."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(written(PROVIDERS, [real(1)], form="xlsx"))) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, parts.get(name.rsplit("/", 1)[-1].split(".")[0], source.read(name)))
    return out.getvalue()


def formula() -> bytes:
    book = load_workbook(io.BytesIO(written(PROVIDERS, [real(1)], form="xlsx")))
    book.worksheets[0].cell(2, 2).value = '=HYPERLINK("http://example.invalid","x")'
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def strange() -> bytes:
    book = Workbook()
    book.worksheets[0].append(["编号", 7, None, True])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "form", "hint"),
    [
        (formula, "xlsx", "公式"),
        (strange, "xlsx", "缺少这一列"),
        (lambda: b"MZ\x90\x00" * 400, "xlsx", "已损坏"),
        (lambda: b"\xff\xfe\x00" * 400, "csv", "已损坏"),
        (lambda: written(PROVIDERS, [real(1)], form="xlsx"), "csv", "已损坏"),
        (lambda: b"PK\x03\x04" + bytes(90), "xlsx", "已损坏"),
        (lambda: b"x", "exe", "csv 和 xlsx"),
        (lambda: bytes(2 * MOST_BYTES), "csv", "最大 10 MB"),
        (lambda: workbook(sheet1=bytes(150_000_000)), "xlsx", "单元格太多"),
        (lambda: workbook(sheet1=b"<c/>" * 4_000_000), "xlsx", "单元格太多"),
        (lambda: workbook(sheet1=b"<worksheet"), "xlsx", "已损坏"),
        (lambda: "编号\n".encode() + b"1\n" * 20_001, "csv", "最多 20000 行"),
    ],
)
def test_a_hostile_file_is_refused_in_words_and_leaves_nothing(
    ctx: Context, data: Any, form: str, hint: str
) -> None:
    report = import_file(ctx, PROVIDERS, data(), form=form, actor="wang")
    assert hint in "".join(problem.message for problem in report.errors)
    assert not report.is_written
    assert held(ctx) == []


# --- out again ---


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_what_goes_out_comes_back_without_a_change(ctx: Context, table: Table[Any], form: str) -> None:
    load_demonstration(ctx, actor="wang")
    data, count = export(ctx, table, form=form, actor="li")
    assert count == len(load_demo(table))
    report = import_file(ctx, table, data, form=form, actor="li")
    assert (report.records, report.new, report.changed, report.errors) == (count, 0, 0, ())
    assert ("li", "library-export", table.name) in trail(ctx)


def test_hostile_words_are_kept_as_they_are(ctx: Context) -> None:
    evil = real(1, name="=1+1", address="'; DROP TABLE library_record; --", short_names=("a|b", "c\\n"))
    assert bring(ctx, evil).is_written
    assert held(ctx) == [evil]


# --- in memory ---


def test_the_roster_is_the_same_until_a_provider_changes(ctx: Context) -> None:
    libraries = Libraries(ctx)
    bring(ctx, real(1))
    first = libraries.roster()
    bring(ctx, real(1))
    bring(ctx, replace(load_demo(EXPERTS)[0], is_demo=False), table=EXPERTS)
    assert libraries.roster() is first
    bring(ctx, real(1, name="乙计量所"))  # the clock has not moved
    assert libraries.roster() is not first
    assert [one.provider.name for one in advise(libraries, "压力表检定").suggestions] == ["乙计量所"]


def test_another_process_s_import_is_seen(ctx: Context) -> None:
    libraries = Libraries(ctx)
    assert libraries.records(PROVIDERS) == {}
    other = Context(ctx.settings, Database(ctx.settings.database), ctx.clock, ctx.brain)
    bring(other, real(1))
    other.database.close()
    assert list(libraries.records(PROVIDERS)) == ["P001"]


def test_a_search_wants_all_words_and_never_looks_at_phone_numbers(ctx: Context) -> None:
    load_demonstration(ctx, actor="wang")
    libraries = Libraries(ctx)
    assert [one.number for one in libraries.search(PROVIDERS, "压力表 龙华")] == ["DEMO-P02"]
    assert len(libraries.search(PROVIDERS, "demo-p01")) == 1
    assert libraries.search(PROVIDERS, "0898-00000000") == []
    assert len(libraries.search(PROVIDERS, " ")) == 12


def test_a_record_that_is_not_there_is_said_in_words(ctx: Context) -> None:
    with pytest.raises(NotFoundError, match="没有这个编号"):
        Libraries(ctx).record(PROVIDERS, "P404")
    with pytest.raises(NotFoundError, match="providers（机构库）"):
        table_named("../../etc")


def test_the_enterprise_library_tells_place_and_conflict(ctx: Context) -> None:
    applicant = replace(load_demo(ENTERPRISES)[0], is_demo=False)  # in 澄迈县
    bring(ctx, applicant, table=ENTERPRISES)
    bring(
        ctx,
        real(1, related=(applicant.credit_code,)),
        real(2, service_regions=("三亚市",), region="三亚市"),
        real(3),
    )
    found = advise(Libraries(ctx), "压力表检定", applicant.name)
    assert [one.provider.number for one in found.suggestions] == ["P003"]
    reasons = {one.provider.number: "；".join(one.reasons) for one in found.excluded}
    assert "回避" in reasons["P001"]
    assert "澄迈县" in reasons["P002"]


def test_the_schema_goes_back_and_forth(ctx: Context) -> None:
    bring(ctx, real(1))
    downgrade(ctx.database, "0003")
    upgrade(ctx.database)
    assert held(ctx) == []


# --- the command line ---


def nqi(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["libraries", *words], env={"NQI_DATA_DIR": str(folder)})
    if isinstance(done.exception, RefusedError):
        return f"refused: {done.exception.message}"
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_the_command_line_plays_the_life_of_a_library(tmp_path: Path) -> None:
    assert "机构库：演示数据 12 条" in nqi(tmp_path, "demo")
    good, bad, out = (tmp_path / name for name in ("good.xlsx", "bad.csv", "out.csv"))
    good.write_bytes(written(PROVIDERS, [real(1), real(2)], form="xlsx"))
    bad.write_bytes(written(PROVIDERS, [real(1), real(3, region="火星")], form="csv"))
    assert "检查通过（未写入）：共 2 条，新增 2 条" in nqi(
        tmp_path, "import", "providers", str(good), "--dry-run"
    )
    refused = nqi(tmp_path, "import", "providers", str(bad))
    assert "有 1 处要改" in refused
    assert "第 3 行“所在地区”：没有认出地区“火星”" in refused
    assert "移除演示数据 12 条" in nqi(tmp_path, "import", "providers", str(good))
    assert "机构库：已有真实数据，没有改动。" in nqi(tmp_path, "demo")
    assert "机构库 2 条" in nqi(tmp_path, "export", "providers", str(out))
    assert "新增 0 条，有变化 0 条" in nqi(tmp_path, "import", "providers", str(out), "--dry-run")


def test_the_command_line_writes_a_template_and_names_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "template.xlsx"
    assert "机构库的模板" in nqi(tmp_path, "template", "providers", str(file))
    headings = [cell.value for cell in load_workbook(file).worksheets[0][1]]
    assert headings == [one.heading for one in PROVIDERS.columns.values()]
    assert "refused: 没有“people”这个库" in nqi(tmp_path, "template", "people", str(file))
    assert "扩展名" in nqi(tmp_path, "template", "providers", str(tmp_path / "x.doc"))
    assert "写不了" in nqi(tmp_path, "template", "providers", str(tmp_path / "no" / "x.csv"))
