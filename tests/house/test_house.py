"""House rules that a tool cannot know: each failure says what to do instead."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from bot.core import wording
from bot.settings import AccountSettings, Settings
from bot.store.base import Base, Database
from bot.store.migrate import upgrade

ROOT = Path(__file__).parents[2]
ROOMS = ("bot", "intents", "knowledge", "admin")
# The callback's edge, the worker's loop (style 13).
BROAD = {"bot/channels/wechat_in.py", "bot/worker/loop.py"}


def sources() -> list[Path]:
    return [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "versions" not in path.parts]


def test_each_layer_sees_only_those_below_it() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_the_migrations_make_exactly_the_tables_of_the_program(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    with database.transaction() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    database.close()
    assert difference == [], "write a migration for this difference"


def test_broad_excepts_stand_only_at_the_two_edges() -> None:
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else ""
                is_broad = caught in ("", "Exception", "BaseException")
                assert not is_broad or name in BROAD, (
                    f"{name}:{node.lineno}: name the exceptions that you expect"
                )


def test_modules_open_with_a_sentence_and_stay_readable() -> None:
    for path in sources():
        text = path.read_text(encoding="utf-8")
        if text:
            assert ast.get_docstring(ast.parse(text)), f"{path}: open the module with one sentence"
        assert text.count("\n") <= 420, f"{path}: split it by noun"


def test_functions_stay_short() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_nest(node):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path}:{node.lineno}: {node.name} has {length} lines; 60 at most"


def _is_nest(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A router's factory holds its routes."""
    return any(
        isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if inner is not node
    )


def test_every_sentence_is_said_somewhere_and_every_said_one_exists() -> None:
    names = wording.names()
    said: set[str] = set()
    patterns: set[str] = set()
    for path in sources():
        text = path.read_text(encoding="utf-8")
        said |= set(re.findall(r"""(?:say|option)\(\s*["']([a-z_]+(?:\.[a-z_]+)?)["']""", text))
        said |= set(re.findall(r'"((?:form|staff|oos|unclear|late|progress)\.[a-z_]+|oos|unclear)"', text))
        patterns |= set(re.findall(r'f"([a-z]+\.(?:[a-z_]+_)?)\{', text))
    full = {name if "." in name else f"{name}.text" for name in said} | {f"option.{name}" for name in said}
    for name in names:
        is_said = name in full or any(name.startswith(pattern) for pattern in patterns)
        assert is_said, f"wording.toml: {name} is never said; delete it"


def test_every_setting_stands_in_the_readme() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        text = (ROOT / readme).read_text(encoding="utf-8")
        for item in fields(Settings):
            if item.name in ("official", "miniprogram"):
                continue
            assert f"`NQI_{item.name.upper()}`" in text, (
                f"{readme}: the settings table lacks NQI_{item.name.upper()}"
            )
        for item in fields(AccountSettings):
            assert f"`__{item.name.upper()}`" in text, (
                f"{readme}: the account table lacks __{item.name.upper()}"
            )


def test_chinese_stays_in_data_wording_and_messages() -> None:
    """Comments are English: Chinese in one is a quotation of a term at most."""
    han = re.compile(r"[\u4e00-\u9fff]")
    for path in sources():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            comment = line.strip()
            if comment.startswith("#"):
                share = len(han.findall(comment)) / max(len(comment), 1)
                assert share < 0.5, f"{path}:{number}: write the comment in English"
