"""Commands around the four libraries: import, export, template, demonstration set."""

from base64 import b64encode
from pathlib import Path

from bot.actions import libraries
from bot.actions.links import webhook_secret
from bot.app import open_context
from bot.errors import RefusedError
from bot.settings import Settings
from knowledge.library_rows import PROVIDERS, RowProblem, written
from knowledge.sheets import MOST_BYTES

_FORMS = ("csv", "xlsx")


def import_file(settings: Settings, table: str, file: Path, *, dry_run: bool) -> list[str]:
    """Bring a file into a library, or only look at it; what is doubtful stands in front, a line each.

    Raises RefusedError with every bad row, and writes nothing, where there is one.
    """
    kind = libraries.table_named(table)
    form = _form(file)
    try:
        with file.open("rb") as source:
            data = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise RefusedError("library-file", f"读不了 {file}：{error.strerror}。") from error
    ctx = open_context(settings)
    report = libraries.import_file(ctx, kind, data, form=form, actor="nqi", dry_run=dry_run)
    if report.errors:
        lines = "\n".join(map(describe, report.errors))
        raise RefusedError("library-import", f"没有导入，有 {len(report.errors)} 处要改：\n{lines}")
    done = "检查通过（未写入）" if dry_run else f"已导入{libraries.LABELS[table]}"
    return [*(f"提醒 {describe(doubt)}" for doubt in report.problems), f"{done}：{report.summary}"]


def export_file(settings: Settings, table: str, file: Path) -> str:
    """Write a library to a csv or xlsx file; says how many records."""
    kind, form = libraries.table_named(table), _form(file)
    data, count = libraries.export(open_context(settings), kind, form=form, actor="nqi")
    _save(file, data)
    return f"已导出{libraries.LABELS[table]} {count} 条到 {file}。"


def template_file(table: str, file: Path) -> str:
    """Write the empty table of a library to a csv or xlsx file."""
    _save(file, written(libraries.table_named(table), (), form=_form(file)))
    return f"已写好{libraries.LABELS[table]}的模板：{file}。粗体的列必须填写。"


def load_demonstration(settings: Settings) -> list[str]:
    """Load the demonstration set into the libraries that hold nothing real; a line for each."""
    loaded = libraries.load_demonstration(open_context(settings), actor="nqi")
    return [
        f"{libraries.LABELS[name]}："
        + ("已有真实数据，没有改动。" if count is None else f"演示数据 {count} 条。")
        for name, count in loaded.items()
    ]


def signing_secret(settings: Settings, number: str) -> str:
    """The secret with which a provider checks our webhooks, as Standard Webhooks writes it; NotFoundError for no provider."""
    ctx = open_context(settings)
    libraries.Libraries.of(ctx).record(PROVIDERS, number)
    return "whsec_" + b64encode(webhook_secret(ctx, number)).decode()


def describe(problem: RowProblem) -> str:
    """Where it is, and what to do."""
    place = f"第 {problem.line} 行" if problem.line else "整个文件"
    return f"{place}{f'“{problem.column}”' if problem.column else ''}：{problem.message}"


def _form(file: Path) -> str:
    form = file.suffix.lower().removeprefix(".")
    if form not in _FORMS:
        raise RefusedError("library-file", f"{file} 的扩展名要是 .csv 或 .xlsx。")
    return form


def _save(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise RefusedError("library-file", f"写不了 {file}：{error.strerror}。请换一个位置。") from error
