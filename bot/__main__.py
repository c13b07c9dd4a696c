"""The `nqi` command line: thin, one function per command."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from bot.errors import RefusedError
from bot.settings import Settings
from bot.staff_commands import staff_cli

cli = typer.Typer(
    name="nqi",
    help="质量基础设施一站式服务助手：微信消息进来，正确的答复或编号的申请出去。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
knowledge_cli = typer.Typer(help="知识条目：检查、导入、导出。", no_args_is_help=True)
cli.add_typer(knowledge_cli, name="knowledge")
calendar_cli = typer.Typer(help="工作日历：查看、录入放假安排，登记和取消停办。", no_args_is_help=True)
cli.add_typer(calendar_cli, name="calendar")
libraries_cli = typer.Typer(help="机构、专家、企业、仪器设备四个库：导入、导出。", no_args_is_help=True)
cli.add_typer(libraries_cli, name="libraries")
cli.add_typer(staff_cli, name="staff")
errors = Console(stderr=True)


def main() -> None:
    """Run a command; a user's mistake ends in one clear line and exit code 2."""
    try:
        cli(standalone_mode=True)
    except RefusedError as refusal:
        errors.print(f"[red]错误：[/]{escape(refusal.message)}", highlight=False)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has left: nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _settings(**changes: Any) -> Settings:
    given = {f"NQI_{name.upper()}": str(value) for name, value in changes.items() if value is not None}
    return Settings.from_env({**os.environ, **given})


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="监听地址，默认 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="端口，默认 8000")] = None,
) -> None:
    """运行整个系统：网页、微信回调、后台任务，一个进程。"""
    from bot.serving import run

    run(_settings(host=host, port=port), say=lambda line: print(line, flush=True))  # noqa: T201 - it is what it prints


@cli.command()
def chat(
    account: Annotated[str, typer.Option(help="official 或 miniprogram")] = "official",
    url: Annotated[str | None, typer.Option(help="已在运行的服务地址；不填则临时启动一个")] = None,
) -> None:
    """在终端里扮演企业聊天，消息走加密回调，与微信一样。"""
    from bot.channels.simulator.terminal import talk
    from bot.serving import running

    if url:
        talk(url, account)
        return
    with running(_settings(simulator=True, log_level="error")) as program:
        talk(program.url, account)


@cli.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="演完不退出，可以登录查看演出的内容")] = False,
    pace: Annotated[float, typer.Option(help="每行之后停几秒", min=0, max=60)] = 0.4,
) -> None:
    """演示一件申请的全过程：三家企业、两家机构和一次评价，约一分钟，只用临时文件夹。"""
    from bot.demo import run

    try:
        run(Console(), is_kept=keep, pace=pace)
    except KeyboardInterrupt:
        print("已停止。")  # noqa: T201
        raise typer.Exit(0 if keep else 130) from None


@cli.command()
def ask(text: Annotated[str, typer.Argument(help="一句话")]) -> None:
    """看一句话会得到什么答复，以及为什么。"""
    from bot.app import open_context
    from bot.preview import preview

    print(preview(open_context(_settings()), text))  # noqa: T201


@cli.command()
def classify() -> None:
    """从标准输入读 JSON 行 {"id"?,"text"}，每行输出一行 JSON 判断。"""
    from bot.app import open_context
    from bot.core.brain import explain
    from bot.core.times import china_date

    brain = open_context(_settings()).brain
    today = china_date(datetime.now(UTC))
    has_mistake = False
    for line in sys.stdin:
        given = _read_line(line)
        if isinstance(given, str):
            has_mistake = True
            result: dict[str, Any] = {"id": None, "error": given}
        else:
            result = {"id": given.get("id"), **explain(brain.hear(given["text"], today=today))}
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    if has_mistake:
        raise typer.Exit(1)


def _read_line(line: str) -> dict[str, Any] | str:
    """One input line, or what is wrong with it."""
    try:
        given = json.loads(line)
    except ValueError:
        return "这一行不是 JSON"
    if not isinstance(given, dict) or not isinstance(given.get("text"), str):
        return '这一行缺少文本字段 "text"'
    return given


@cli.command(name="eval")
def evaluate(
    files: Annotated[list[Path], typer.Argument(help="标注文件：.jsonl 或 .tsv，UTF-8")],
    html: Annotated[Path | None, typer.Option(help="另存为一个网页，带图和判断有误的文本")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="另存为 JSON，数字相同")] = None,
) -> None:
    """在标注好的文件上评测理解和检索。

    .tsv 每行：标签、文本、可接受的第二类、写法，用 TAB 分开，后两列可不填。标签是类别、oos、act:动作、need、条目编号（A|B；- 表示无条目可答）。
    .jsonl 每行一个对象：text，以及 category、second、act、faq、outcome、style 中的任意几个。# 开头的行不读。
    """
    from bot.app import open_context
    from bot.evaluation import evaluate as measure
    from bot.evaluation import read_samples
    from bot.evaluation_page import as_text, write_json, write_page

    sets = [(file.name, read_samples(file)) for file in files]
    brain = open_context(_settings()).brain
    today = _today()
    reports = []
    for name, samples in sets:
        report = measure(brain, track(samples, description=escape(name), console=errors), today=today)
        print(as_text(name, report))  # noqa: T201
        reports.append((name, report))
    if html:
        write_page(html, reports, today=today, entries=len(brain.entries))
    if as_json:
        write_json(as_json, reports, today=today, entries=len(brain.entries))


@cli.command()
def train() -> None:
    """用语料重新训练分类模型和排序模型（开发环境）。"""
    from bot.training import train_all

    with errors.status("训练中…") as status:
        print(train_all(lambda what: status.update(f"训练中：{what}"), today=_today()))  # noqa: T201


def _progress(entries: Sequence[Any]) -> Iterable[Any]:
    return track(entries, description="逐条核对", console=errors, transient=True)


def _today() -> Any:
    from bot.core.times import china_date

    return china_date(datetime.now(UTC))


@knowledge_cli.command("check")
def knowledge_check(
    files: Annotated[list[Path] | None, typer.Argument(help="条目文件；不填则检查数据库里的条目")] = None,
) -> None:
    """检查条目：日期、依据、重复、互相抢答、长度。有错误时退出码为 1。"""
    from bot.editing import check_entries, read_files

    entries, problems = read_files(files) if files else (None, [])
    findings = check_entries(_settings(), entries, today=_today(), progress=_progress)
    lines = [*(f"错误 {problem}" for problem in problems), *(str(finding) for finding in findings)]
    _report(lines)
    errors_found = len(problems) + sum(finding.is_error for finding in findings)
    print(f"检查完成：{errors_found} 个错误，{len(lines) - errors_found} 个提醒。")  # noqa: T201
    if errors_found:
        raise typer.Exit(1)


@knowledge_cli.command("import")
def knowledge_import(
    files: Annotated[list[Path], typer.Argument(help="TOML、JSONL 或 CSV 文件", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不写入")] = False,
) -> None:
    """导入条目；有一处错误就整批不写入。"""
    from bot.editing import import_files

    print(import_files(_settings(), files, today=_today(), dry_run=dry_run, progress=_progress))  # noqa: T201


@knowledge_cli.command("export")
def knowledge_export(
    file: Annotated[Path, typer.Argument(help="写到哪里：.toml、.jsonl 或 .csv")],
) -> None:
    """导出数据库里的全部条目。"""
    from bot.editing import export_file

    print(export_file(_settings(), file))  # noqa: T201


@knowledge_cli.command("synonyms")
def knowledge_synonyms(
    add: Annotated[list[str] | None, typer.Option("--add", help="登记一条，写作 叫法=标准词，可重复")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="删除一条，写叫法，可重复")] = None,
) -> None:
    """查看、登记或删除同义词：企业的叫法和条目里的标准词。"""
    from bot.editing import change_synonyms

    _report(change_synonyms(_settings(), add or (), remove or ()))


@calendar_cli.command("show")
def calendar_show() -> None:
    """查看已录入的放假安排；缺今年或明年的会说明。"""
    from bot.calendars import show_calendar

    _report(show_calendar(_settings(), today=_today()))


@calendar_cli.command("import")
def calendar_import(
    file: Annotated[Path, typer.Argument(help="一年的放假安排，JSON 文件", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看哪些时限会变，不写入")] = False,
) -> None:
    """录入一年的放假安排，重算所有未办结申请的时限。"""
    from bot.calendars import import_notice

    _report(import_notice(_settings(), file, dry_run=dry_run))


_TRIAL = typer.Option("--dry-run", help="只看哪些时限会变，不写入")


@calendar_cli.command("close")
def calendar_close(
    first: Annotated[str, typer.Argument(help="首日 2026-12-01，或时间 2026-12-01T14:00")],
    last: Annotated[str, typer.Argument(help="末日（含）或时间；不填则到首日结束")] = "",
    station: Annotated[str, typer.Option(help="服务站；不填则全部")] = "",
    reason: Annotated[str, typer.Option(help="事由，写入受影响的申请")] = "",
    dry_run: Annotated[bool, _TRIAL] = False,
) -> None:
    """登记停办，顺延受影响的时限。"""
    from bot.calendars import close_station

    _report(close_station(_settings(), first, last, station=station, reason=reason, dry_run=dry_run))


@calendar_cli.command("open")
def calendar_open(
    number: Annotated[int, typer.Argument(help="停办的序号，见 nqi calendar show")],
    dry_run: Annotated[bool, _TRIAL] = False,
) -> None:
    """取消一条停办，重算受影响的时限。"""
    from bot.calendars import open_station

    _report(open_station(_settings(), number, dry_run=dry_run))


_Library = Annotated[str, typer.Argument(help="providers、experts、enterprises 或 instruments")]


@libraries_cli.command("import")
def libraries_import(
    table: _Library,
    file: Annotated[Path, typer.Argument(help="csv 或 xlsx 文件，最大 10 MB", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不写入")] = False,
) -> None:
    """导入一个库；真实数据会替换演示数据，有一行错误就整个文件不写入。"""
    from bot.libraries import import_file

    _report(import_file(_settings(), table, file, dry_run=dry_run))


@libraries_cli.command("export")
def libraries_export(
    table: _Library, file: Annotated[Path, typer.Argument(help="写到哪里：.csv 或 .xlsx")]
) -> None:
    """导出一个库的全部记录。"""
    from bot.libraries import export_file

    _report([export_file(_settings(), table, file)])


@libraries_cli.command("template")
def libraries_template(
    table: _Library, file: Annotated[Path, typer.Argument(help="写到哪里：.csv 或 .xlsx")]
) -> None:
    """写一份空白模板，列名下填写即可导入。"""
    from bot.libraries import template_file

    _report([template_file(table, file)])


@libraries_cli.command("demo")
def libraries_demo() -> None:
    """装入演示数据；已有真实数据的库不动。"""
    from bot.libraries import load_demonstration

    _report(load_demonstration(_settings()))


@libraries_cli.command("secret")
def libraries_secret(number: Annotated[str, typer.Argument(help="机构编号")]) -> None:
    """显示一家机构核对我们回调签名用的密钥，请通过安全的方式交给它。"""
    from bot.libraries import signing_secret

    _report([signing_secret(_settings(), number)])


@cli.command()
def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="不连接微信，只检查本机")] = False,
) -> None:
    """检查设置、数据库、时钟和与微信的连接，逐项给出改法。"""
    from bot.doctor import examine

    is_well = True
    for finding in examine(dict(os.environ), offline=offline):
        is_well = is_well and finding.is_well
        errors.print(finding.line(), highlight=False)
    if not is_well:
        raise typer.Exit(1)


def _report(lines: list[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201


if __name__ == "__main__":
    main()
