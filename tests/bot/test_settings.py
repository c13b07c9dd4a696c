"""Settings: read once, refused early, with the mend in words."""

from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import Settings

KEY = "A" * 43


def test_nothing_set_means_sqlite_in_var_and_no_account() -> None:
    settings = Settings.from_env({"PATH": "/bin"})
    assert settings.database == "sqlite:///var/nqi.db"
    assert settings.account("official") is None
    assert settings.account("nobody") is None


def test_an_account_is_read_from_its_names() -> None:
    settings = Settings.from_env(
        {
            "NQI_OFFICIAL__APP_ID": "wx1",
            "NQI_OFFICIAL__TOKEN": "token",
            "NQI_OFFICIAL__ENCODING_AES_KEY": KEY,
            "NQI_OFFICIAL__KIND": "service",
            "NQI_OFFICIAL__LINKS": "off",
            "NQI_PORT": "9000",
        }
    )
    account = settings.account("official")
    assert account is not None
    assert (account.kind, account.mode, account.links, settings.port) == ("service", "safe", False, 9000)
    assert KEY not in repr(settings), "secrets stay out of every log"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    settings = Settings.from_env(
        {
            "NQI_MINIPROGRAM__APP_ID": "wx2",
            "NQI_MINIPROGRAM__TOKEN": "token",
            "NQI_MINIPROGRAM__ENCODING_AES_KEY": KEY,
            "NQI_MINIPROGRAM__APP_SECRET_FILE": str(tmp_path / "secret"),
        }
    )
    assert settings.miniprogram.app_secret == "s3cret"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"NQI_PROT": "1"}, "NQI_PROT"),
        ({"NQI_PORT": "many"}, "NQI_PORT"),
        ({"NQI_SIMULATOR": "perhaps"}, "NQI_SIMULATOR"),
        ({"NQI_OFFICIAL__APPID": "x"}, "NQI_OFFICIAL__APPID"),
        ({"NQI_OFFICIAL__APP_ID": "x"}, "TOKEN"),
        ({"NQI_OFFICIAL__APP_ID": "x", "NQI_OFFICIAL__TOKEN": "不行"}, "TOKEN"),
        ({"NQI_OFFICIAL__APP_ID": "x", "NQI_OFFICIAL__TOKEN": "abc"}, "ENCODING_AES_KEY"),
        (
            {"NQI_OFFICIAL__TOKEN": "abc", "NQI_OFFICIAL__ENCODING_AES_KEY": KEY, "NQI_OFFICIAL__KIND": "x"},
            "KIND",
        ),
        ({"NQI_OFFICIAL__TOKEN_FILE": "/nowhere/at/all"}, "TOKEN_FILE"),
        ({"NQI_PLATFORM_NAME": "全国质量平台"}, "不得冠以"),
    ],
)
def test_what_cannot_work_stops_the_start_and_names_the_setting(env: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_env(env)
    assert words in refusal.value.message
