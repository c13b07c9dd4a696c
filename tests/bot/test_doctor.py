"""`nqi doctor` against the local platform: each mistake has its mend."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.app import Program
from bot.doctor import Finding, examine
from bot.serving import running
from bot.settings import Settings


@dataclass(slots=True)
class Place:
    """A running server, and the settings that somebody would have entered for it."""

    program: Program
    env: dict[str, str]

    def findings(self, **changes: str) -> list[Finding]:
        env = {**self.env, **{f"NQI_{name}": value for name, value in changes.items()}}
        return list(examine(env, offline=False))

    def ill(self, **changes: str) -> str:
        return "\n".join(finding.line() for finding in self.findings(**changes) if not finding.is_well)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("doctor")
    with running(Settings(data_dir=folder, simulator=True, log_level="error")) as program:
        account = program.settings.official
        env = {
            "NQI_DATA_DIR": str(folder),
            "NQI_OFFICIAL__APP_ID": account.app_id,
            "NQI_OFFICIAL__APP_SECRET": account.app_secret,
            "NQI_OFFICIAL__TOKEN": account.token,
            "NQI_OFFICIAL__ENCODING_AES_KEY": account.encoding_aes_key,
            "NQI_OFFICIAL__KIND": "service",
            "NQI_WECHAT_API_BASE": f"{program.url}/simulator/wechat",
            "NQI_PUBLIC_URL": program.url,
        }
        yield Place(program, env)


def test_all_is_well(place: Place) -> None:
    lines = [finding.line() for finding in place.findings() if not finding.is_well]
    assert lines == []


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        ({"OFFICIAL__APP_ID": "wx9999999999999999"}, "AppID 不对"),
        ({"OFFICIAL__APP_SECRET": "wrong"}, "AppSecret 不对"),
        ({"OFFICIAL__TOKEN": "othertoken"}, "另一个 Token"),
        ({"OFFICIAL__ENCODING_AES_KEY": "short"}, "43 位"),
        ({"PUBLIC_URL": "http://127.0.0.1:9"}, "检查域名解析"),
        ({"PUBLIC_URL": ""}, "NQI_PUBLIC_URL"),
        ({"WECHAT_API_BASE": "http://127.0.0.1:9"}, "连不上微信接口"),
        ({"OFFICIAL__MODE": "plain"}, "安全模式"),
        ({"PROT": "1"}, "NQI_PROT"),
    ],
)
def test_each_mistake_has_its_mend(place: Place, changes: dict[str, str], mend: str) -> None:
    assert mend in place.ill(**changes)


def test_the_white_list_names_the_address(place: Place) -> None:
    assert place.program.platform is not None
    place.program.platform.switches.turn_on("40164", times=1, path="stable_token")
    assert "IP白名单" in place.ill()
