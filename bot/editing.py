"""Commands around the entries: check, import, export."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from bot.actions.knowledge import all_entries, import_entries, put_synonyms, remove_synonym, synonyms
from bot.app import open_context
from bot.errors import RefusedError
from bot.settings import Settings
from knowledge.check import Finding, Progress, check
from knowledge.entries import Entry
from knowledge.rows import Problem, read_entries, write_entries


def read_files(files: Sequence[Path]) -> tuple[list[Entry], list[Problem]]:
    """The entries of all files, and what could not be read."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for file in files:
        if not file.is_file():
            raise RefusedError("file", f"没有这个文件：{file}")
        found, wrong = read_entries(file)
        entries += found
        problems += wrong
    return entries, problems


def check_entries(
    settings: Settings, entries: Sequence[Entry] | None, *, today: date, progress: Progress
) -> list[Finding]:
    """What is wrong with these entries, or with those in the database."""
    ctx = open_context(settings)
    looked_at = all_entries(ctx) if entries is None else list(entries)
    return check(looked_at, today=today, tokenizer=ctx.brain.understander.tokenizer, progress=progress)


def import_files(
    settings: Settings, files: Sequence[Path], *, today: date, dry_run: bool, progress: Progress
) -> str:
    """Import entries if none of them has an error; says what happened."""
    entries, problems = read_files(files)
    if problems:
        raise RefusedError("import", "没有导入：\n" + "\n".join(str(problem) for problem in problems))
    ctx = open_context(settings)
    known = {entry.id: entry for entry in all_entries(ctx)}
    changed = {entry.id for entry in entries if known.get(entry.id) != entry}
    findings = check(
        list((known | {entry.id: entry for entry in entries}).values()),
        today=today,
        tokenizer=ctx.brain.understander.tokenizer,
        only=changed,
        progress=progress,
    )
    wrong = [finding for finding in findings if finding.is_error and finding.entry_id in changed]
    if wrong:
        raise RefusedError("import", "没有导入：\n" + "\n".join(str(finding) for finding in wrong))
    if dry_run:
        return f"检查通过：{len(entries)} 条可以导入（未写入）。"
    return f"已导入 {len(entries)} 条，其中 {import_entries(ctx, entries)} 条有变化。"


def change_synonyms(settings: Settings, add: Sequence[str], remove: Sequence[str]) -> list[str]:
    """Remove and add synonyms ("other name=term"); gives all that stand afterwards, a line each."""
    pairs = {}
    for given in add:
        name, sign, term = given.partition("=")
        if not sign:
            raise RefusedError("synonym", f"“{given}”应写作 叫法=标准词，例如 地秤=电子汽车衡。")
        pairs[name] = term
    ctx = open_context(settings)
    for name in remove:
        remove_synonym(ctx, name, actor="nqi")
    if pairs:
        put_synonyms(ctx, pairs, actor="nqi")
    return [f"{name}={term}" for name, term in synonyms(ctx).items()] or ["还没有登记同义词。"]


def export_file(settings: Settings, file: Path) -> str:
    """Write every entry of the database to a file."""
    entries = all_entries(open_context(settings))
    try:
        write_entries(entries, file)
    except OSError as error:
        raise RefusedError("export", f"写不了 {file}：{error.strerror}。请换一个位置。") from error
    return f"已导出 {len(entries)} 条到 {file}。"
