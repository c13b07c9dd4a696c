"""The libraries leave and come back unchanged; every bad cell is named; no file makes the reader fail."""

import csv
import io
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from intents.categories import Category
from knowledge.library import (
    Agreement,
    Capability,
    Contact,
    Provider,
    ProviderKind,
    ProviderStatus,
    Qualification,
    QualificationKind,
    check_character,
    credit_code_problem,
)
from knowledge.library_rows import (
    ENTERPRISES,
    EXPERTS,
    INSTRUMENTS,
    PROVIDERS,
    Table,
    load_demo,
    read_records,
    written,
)

FORMS = ("csv", "xlsx")
TABLES: tuple[Table[Any], ...] = (PROVIDERS, EXPERTS, ENTERPRISES, INSTRUMENTS)

_SIGNS = st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), max_codepoint=0xD7FF)
_ANY = st.text(_SIGNS, max_size=12).map(str.strip)
_FILLED = _ANY.filter(bool)
_FORMULA = st.sampled_from(["=1+1", "+86", "-x", "@a", "'=x", "''+", "a|b", "a\\", "\\n", "|"])
_WORD = _FILLED | _FORMULA
_DAY = st.dates(date(1990, 1, 1), date(2090, 1, 1))
_CODES = st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=17, max_size=17).map(
    lambda first: first + check_character(first)
)
PROVIDER = st.builds(
    Provider,
    number=_WORD,
    name=_WORD,
    kind=st.sampled_from(ProviderKind),
    credit_code=_CODES,
    region=st.sampled_from(["海口市", "澄迈县", "河源市源城区"]),
    service_regions=st.sampled_from([("全国",), ("海南省", "广东省")]),
    short_names=st.lists(_WORD, max_size=2).map(tuple),
    contacts=st.lists(st.builds(Contact, _WORD, _ANY, st.just("0898-00000000")), min_size=1, max_size=2).map(
        tuple
    ),
    webhook=st.sampled_from(["", "https://example.invalid/hook"]),
    qualifications=st.lists(
        st.builds(Qualification, st.just(QualificationKind.OTHER), _WORD, _ANY, _ANY, st.none() | _DAY, _DAY),
        max_size=2,
    ).map(tuple),
    capabilities=st.lists(
        st.builds(Capability, st.just(Category.IP), _WORD, _ANY, _ANY, st.none(), st.none() | st.just(7)),
        max_size=2,
    ).map(tuple),
    agreement=st.none() | st.builds(Agreement, _WORD, _DAY, st.none() | _DAY),
    has_green_lane=st.booleans(),
    status=st.sampled_from([ProviderStatus.ACTIVE, ProviderStatus.CANDIDATE]),
)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=40)
@given(provider=PROVIDER)
def test_what_is_written_is_read_again(form: str, provider: Provider) -> None:
    found = read_records(PROVIDERS, written(PROVIDERS, [provider], form=form), form=form)
    assert found.errors == ()
    assert found.records == (provider,)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_demonstration_set_survives_and_its_template_is_empty(table: Table[Any], form: str) -> None:
    records = load_demo(table)
    assert read_records(table, written(table, records, form=form), form=form).records == records
    assert read_records(table, written(table, [], form=form), form=form).records == ()


def test_the_demonstration_set_is_marked_and_nobody_real() -> None:
    sizes = [len(load_demo(table)) for table in TABLES]
    assert sizes == [12, 6, 3, 8]
    for table in TABLES:
        for record in load_demo(table):
            assert record.is_demo
            assert record.name.startswith("演示")
    for record in (*load_demo(PROVIDERS), *load_demo(ENTERPRISES)):
        assert record.credit_code[2:8] == "999999"
        assert credit_code_problem(record.credit_code) == ""
        assert {contact.phone for contact in record.contacts} == {"0898-00000000"}


def cells(**changes: str) -> list[dict[str, str]]:
    """The rows of a file with one provider, some of its cells changed."""
    text = written(PROVIDERS, load_demo(PROVIDERS)[2:3], form="csv").decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    return [row | changes]


def as_csv(rows: list[dict[str, str]], encoding: str = "utf-8") -> bytes:
    """Rows as a spreadsheet saves them."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


@pytest.mark.parametrize(
    ("column", "cell", "hint"),
    [
        ("名称", "", "不能为空"),
        ("类型", "检测所", "应当是以下之一"),
        ("统一社会信用代码", "91350100M000100Y44", "校验位"),
        ("所在地区", "火星", "没有认出地区"),
        ("服务地区", "海南省\n某地", "没有认出地区“某地”"),
        ("联系人", "演示|受理|123", "电话"),
        ("联系人", "演示|受理|0898-00000000|a@b|多", "段数太多"),
        ("接单邮箱", "demo", "邮箱"),
        ("接单地址", "http://example.invalid", "https://"),
        ("资质", "CMA|999999999901", "有效期至"),
        ("资质", "CMA|999999999901||||2026-13-40", "2026-11-21"),
        ("能力词条", "产品检验检测服务|饮料", "依据哪种资质"),
        ("能力词条", "检验|饮料", "应当是以下之一"),
        ("入驻协议", "演示协议", "不能为空"),
        ("绿色通道", "有", "“是”或“否”"),
        ("状态原因", "", ""),
        ("简称", '=HYPERLINK("x")', "公式"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column(column: str, cell: str, hint: str) -> None:
    rows = cells(**{column: cell}) + cells()
    if column == "状态原因":
        rows[0]["状态"], hint = "暂停", "原因"
    rows[1] |= {"编号": "演示另一家", "统一社会信用代码": "91350100M000100Y43"}
    found = read_records(PROVIDERS, as_csv(rows), form="csv")
    assert [one.number for one in found.records] == ["演示另一家"]
    (problem,) = found.errors
    assert (problem.line, problem.column) == (2, column)
    assert hint in problem.message


def test_a_strange_number_and_an_unknown_column_are_doubts_only() -> None:
    rows = cells(资质="CMA|演示一号||||2028-01-01\nCNAS实验室|CNAS L00000||||2028-01-01")
    rows[0]["备注"] = "无"
    found = read_records(PROVIDERS, as_csv(rows), form="csv")
    assert len(found.records) == 1
    assert [(one.line, one.column, one.is_doubt) for one in found.problems] == [
        (1, "备注", True),
        (2, "资质", True),
    ]


def test_a_repeated_number_or_code_is_reported() -> None:
    found = read_records(PROVIDERS, as_csv(cells() + cells()), form="csv")
    assert len(found.records) == 1
    assert {(one.line, one.column) for one in found.errors} == {(3, "编号"), (3, "统一社会信用代码")}


def test_a_missing_column_is_asked_for_once() -> None:
    rows = [{name: cell for name, cell in cells()[0].items() if name != "名称"}]
    (problem,) = read_records(PROVIDERS, as_csv(rows), form="csv").problems
    assert (problem.line, problem.column) == (1, "名称")


def test_a_chinese_spreadsheet_s_encoding_is_read() -> None:
    assert len(read_records(PROVIDERS, as_csv(cells(), "gb18030"), form="csv").records) == 1


@pytest.mark.parametrize("form", FORMS)
def test_no_exported_cell_is_run_as_a_formula(form: str) -> None:
    evil = replace(load_demo(PROVIDERS)[0], name="=1+1", address="@SUM(A1)")
    data = written(PROVIDERS, [evil], form=form)
    if form == "csv":
        row = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))[1]
        assert not [cell for cell in row if cell[:1] in ("=", "+", "-", "@")]
    else:
        shown = [cell for line in load_workbook(io.BytesIO(data)).worksheets[0] for cell in line]
        assert not [cell for cell in shown if cell.data_type == "f"]


def test_days_numbers_and_formulas_of_a_spreadsheet() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    row = [one.written(load_demo(INSTRUMENTS)[0]) for one in INSTRUMENTS.columns.values()]
    names = list(INSTRUMENTS.columns)
    row[names.index("calibrated_until")] = date(2028, 6, 30)  # type: ignore[call-overload]
    row[names.index("lead_days")] = 3.0  # type: ignore[call-overload]
    sheet.append(names)
    sheet.append(row)
    row[0], row[names.index("place")] = "演示", "=1+1"
    sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    found = read_records(INSTRUMENTS, out.getvalue(), form="xlsx")
    assert found.records == load_demo(INSTRUMENTS)[:1]
    assert [(one.line, one.column) for one in found.errors] == [(3, "存放地点")]


@settings(deadline=None)
@given(data=st.binary(max_size=200), form=st.sampled_from([*FORMS, "pdf"]))
def test_no_bytes_make_the_reader_fail(data: bytes, form: str) -> None:
    assert read_records(EXPERTS, data, form=form).problems


@settings(deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from(list(PROVIDERS.columns)), st.text(max_size=30) | _FORMULA), max_size=4
    )
)
def test_no_rows_make_the_reader_fail(rows: list[dict[str, str]]) -> None:
    data = as_csv([dict.fromkeys(PROVIDERS.columns, "") | row for row in [{}, *rows]], "utf-8")
    filled = [row for row in rows if any(cell.strip() for cell in row.values())]
    found = read_records(PROVIDERS, data, form="csv")
    assert len({one.line for one in found.errors}) + len(found.records) == len(filled)


@settings(deadline=None, max_examples=60)
@given(place=st.integers(0, 5000), byte=st.integers(0, 255))
def test_a_damaged_spreadsheet_does_not_make_the_reader_fail(place: int, byte: int) -> None:
    data = bytearray(written(EXPERTS, load_demo(EXPERTS), form="xlsx"))
    data[place % len(data)] = byte
    found = read_records(EXPERTS, bytes(data), form="xlsx")
    assert found.records or found.problems
