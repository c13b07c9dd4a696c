"""ChatterBot and Rasa, where they install: into an environment that is thrown away, for they would bring hundreds of packages."""

import json
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measured import Ran

_PATIENCE = 150  # seconds for an installation, or for all answers
_UNFIT = re.compile(r"\b(\d+(?:\.\d+)+) Requires-Python ([^;\s]+)")


class NotMeasuredError(Exception):
    """A program cannot be measured here; says why."""


def chatterbot(pairs: Sequence[tuple[str, str]], texts: Sequence[str]) -> Ran:
    """ChatterBot, taught a label as the reply to each text; words are parted by spaces.

    Raises NotMeasuredError.
    """
    given = json.dumps({"pairs": pairs, "asked": texts})
    with tempfile.TemporaryDirectory() as folder:
        python = _installed("chatterbot>=1.2", Path(folder))
        script = Path(__file__).with_name("chatter.py")
        said = json.loads(_said([str(python), str(script)], given))
    found = tuple((label,) for label in said["found"])
    return Ran(found, tuple(said["seconds"]), said["ready"], said["memory"])


def rasa() -> str:
    """Why Rasa is not compared: its versions ask for an older Python than this project."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            _installed("rasa>=3", Path(folder))
        except NotMeasuredError as error:
            return str(error)
    return "installs on this Python by now; how to ask it is not written yet"


def _installed(requirement: str, folder: Path) -> Path:
    """The Python of a new environment that has the package."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _said([*pip, "--only-binary", ":all:", requirement])
    return python


def _said(command: list[str], given: str = "") -> str:
    try:
        ran = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasuredError(f"not done within {_PATIENCE} s") from error
    except subprocess.CalledProcessError as error:
        raise NotMeasuredError(reason(error.stderr)) from error
    return ran.stdout


def reason(errors: str) -> str:
    """The one line that matters of what pip or a program complained about."""
    if unfit := _UNFIT.findall(errors):
        version, wanted = max(unfit, key=lambda pair: [int(part) for part in pair[0].split(".")])
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        return f"does not install: {version} wants Python {wanted}, this is {here}"
    lines = [line for line in errors.splitlines() if line.strip()]
    return f"does not run: {lines[-1][:120]}" if lines else "does not run"
