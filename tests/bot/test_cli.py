"""The command line: what it prints, how it ends, and what it says to a mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


def nqi(folder: Path, *words: str, given: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "NQI_DATA_DIR": str(folder),
        **{f"NQI_{name}": value for name, value in settings.items()},
    }
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        input=given,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=env,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize(
    "words",
    [
        "",
        "serve",
        "chat",
        "ask",
        "classify",
        "eval",
        "knowledge check",
        "knowledge import",
        "knowledge synonyms",
        "calendar show",
        "calendar close",
        "calendar open",
        "staff add",
        "staff list",
        "staff reset",
        "staff role",
        "staff close",
        "demo",
        "calendar import",
        "libraries import",
        "libraries export",
        "libraries template",
        "libraries demo",
        "libraries secret",
        "doctor",
        "train",
    ],
)
def test_every_command_explains_itself(folder: Path, words: str) -> None:
    shown = nqi(folder, *words.split(), "--help")
    assert shown.returncode == 0
    assert "Usage" in shown.stdout


def test_classify_answers_each_line_in_order(folder: Path) -> None:
    lines = [
        {"id": 7, "text": "压力表多久检一次?"},
        {"text": "想给新出的椰汁做个第三方检测"},
        {"id": "x", "text": "今天天气怎么样"},
        {"id": None, "text": "转人工"},
        {"id": 3, "text": ""},
    ]
    done = nqi(folder, "classify", given="".join(json.dumps(line) + "\n" for line in lines))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [7, None, "x", None, 3]
    first, need, weather, human, _ = answers
    names = {"id", "category", "scores", "act", "outcome", "faq", "candidates", "reasons"}
    assert all(set(answer) == names for answer in answers)
    assert all(len(answer["scores"]) == 12 for answer in answers)
    assert all(len(answer["candidates"]) <= 5 for answer in answers)
    assert (first["category"], first["outcome"]) == ("metrology", "answer")
    assert set(first["faq"]) == {"id", "title", "score"}
    assert (need["category"], need["outcome"], need["faq"]) == ("testing", "refer", None)
    assert (weather["category"], weather["outcome"]) == ("oos", "oos")
    assert (human["act"], human["outcome"]) == ("human", "act")


def test_a_line_that_is_no_request_is_named_and_the_others_are_answered(folder: Path) -> None:
    done = nqi(folder, "classify", given='not json\n{"text": "你好"}\n{"words": 1}\n')
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert "error" in answers[0]
    assert answers[1]["act"] == "greet"
    assert "error" in answers[2]


def test_ask_shows_the_answer_and_why(folder: Path) -> None:
    done = nqi(folder, "ask", "压力表多久检一次")
    assert done.returncode == 0
    assert "依据：《" in done.stdout
    assert "判断：answer" in done.stdout


def test_chat_goes_through_the_callback_in_the_terminal(folder: Path) -> None:
    done = nqi(folder, "chat", given="压力表多久检一次\n/图片\n")
    assert done.returncode == 0, done.stderr
    assert "计量服务" in done.stdout, "the welcome"
    assert "依据：《" in done.stdout
    assert "图片已收到" in done.stdout


def test_knowledge_goes_out_and_comes_back_the_same(folder: Path, tmp_path: Path) -> None:
    for suffix in ("toml", "jsonl", "csv"):
        file = tmp_path / f"all.{suffix}"
        out = nqi(folder, "knowledge", "export", str(file))
        assert out.returncode == 0, out.stderr
        back = nqi(folder, "knowledge", "import", str(file))
        assert back.returncode == 0, back.stderr
        assert "其中 0 条有变化" in back.stdout


def test_the_shipped_knowledge_has_no_error(folder: Path) -> None:
    done = nqi(folder, "knowledge", "check")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "：0 个错误" in done.stdout


@pytest.mark.parametrize(
    ("words", "settings", "expected"),
    [
        (("ask", "x"), {"PROT": "1"}, "NQI_PROT"),
        (("knowledge", "import", "{file}"), {}, "没有导入"),
        (("eval", "{file}"), {}, "标签"),
        (("serve",), {"PORT": "x"}, "NQI_PORT"),
        (("chat", "--url", "http://127.0.0.1:9"), {}, "连不上"),
    ],
)
def test_a_mistake_ends_in_words_not_in_a_traceback(
    folder: Path, tmp_path: Path, words: tuple[str, ...], settings: dict[str, str], expected: str
) -> None:
    file = tmp_path / "broken.tsv"
    file.write_text("[[entry]\nid = \n")
    if words[0] == "knowledge":
        file = file.rename(tmp_path / "broken.toml")
    done = nqi(folder, *(word.replace("{file}", str(file)) for word in words), **settings)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_is_well_offline_and_names_the_mend_for_a_mistake(folder: Path) -> None:
    well = nqi(folder, "doctor", "--offline")
    assert well.returncode == 0, well.stderr
    assert "知识条目" in well.stderr
    ill = nqi(
        folder,
        "doctor",
        "--offline",
        OFFICIAL__APP_ID="wx1",
        OFFICIAL__TOKEN="token",
        OFFICIAL__ENCODING_AES_KEY="短",
    )
    assert ill.returncode == 1
    assert "ENCODING_AES_KEY" in ill.stderr
