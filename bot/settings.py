"""One frozen Settings, read once from the environment (`NQI_…`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bot.errors import SettingsError

PREFIX = "NQI_"


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One WeChat account and what it may do. Fields are set as NQI_OFFICIAL__APP_ID and so on."""

    app_id: str = ""
    app_secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    encoding_aes_key: str = field(default="", repr=False)
    previous_aes_key: str = field(default="", repr=False)  # answers pushes under the old key after a change
    kind: str = "subscription_unverified"  # subscription_unverified | subscription | service
    mode: str = "safe"  # safe | plain
    format: str = "xml"  # xml | json (mini-program)
    links: bool = True  # clickable text (protocol 5); off: numbered choices only
    menus: bool = (
        True  # tap menus in customer messages (protocol 4.4); off, or refused: clickable text or numbers
    )
    survey_template: str = (
        ""  # template or subscription message that asks for a rating: ID|thing1={title}|time2={time}
    )
    notice_template: str = ""  # the same for news of a request

    @property
    def is_configured(self) -> bool:
        """Is there enough to receive pushes?"""
        return bool(self.app_id and self.token)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one process; see the table in README.md."""

    data_dir: Path = Path("var")
    database_url: str = ""  # empty: SQLite in data_dir
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""  # https://… as the world sees it: for links in messages, and for `doctor`
    simulator: bool = False
    platform_name: str = "质量基础设施“一站式”服务平台"
    service_phone: str = ""
    complaint_phone: str = ""
    wechat_api_base: str = "https://api.weixin.qq.com"
    callback_budget: float = 3.5  # seconds from the first byte to the passive reply
    callback_max_age: int = 600  # seconds a push's timestamp may differ from our clock
    callback_max_bytes: int = 65536
    receipt_hours: int = 48  # how long a push is remembered
    quota_message: int = 5  # customer messages after the contact wrote (protocol 4.1)
    quota_message_hours: int = 48
    quota_event: int = 3  # after a menu click, follow or scan
    quota_event_seconds: int = 60
    quota_enter: int = 2  # mini-program: after entering the customer-service window
    quota_reserved: int = 1  # kept for staff
    quota_survey: int = 1  # kept for the survey
    secret_key: str = field(
        default="", repr=False
    )  # signs links and webhooks; empty: made and kept in data_dir
    link_days: int = 60  # how long a provider's link to a request works
    smtp_host: str = ""  # empty: no e-mail is sent
    smtp_port: int = 587
    smtp_security: str = "starttls"  # starttls | tls | none
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    mail_from: str = ""
    webhook_insecure: bool = False  # allow http and private addresses for webhooks
    sms_url: str = ""  # the operator's SMS gateway; empty: no SMS
    intake_key: str = field(default="", repr=False)  # key of the HTTP API for needs; empty: closed
    attachment_max_bytes: int = 20_000_000
    answer_threshold: float = 0.0  # 0: the calibrated one that ships with the model
    log_level: str = "info"
    official: AccountSettings = field(default_factory=AccountSettings)
    miniprogram: AccountSettings = field(default_factory=AccountSettings)

    @property
    def database(self) -> str:
        """The database as a SQLAlchemy address."""
        return self.database_url or f"sqlite:///{self.data_dir / 'nqi.db'}"

    @property
    def base_url(self) -> str:
        """Where links lead that people get: the public address, else this machine's own."""
        return self.public_url.rstrip("/") or self.local_url

    @property
    def local_url(self) -> str:
        """Where this process is reached from the same machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"

    def account(self, name: str) -> AccountSettings | None:
        """The account of that name, if it is configured."""
        found = {"official": self.official, "miniprogram": self.miniprogram}.get(name)
        return found if found is not None and found.is_configured else None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read `NQI_…`; `NQI_X_FILE` names a file that holds the value of `NQI_X`.

        Raises SettingsError for an unknown name or a value that cannot be read.
        """
        given = {name[len(PREFIX) :].lower(): value for name, value in env.items() if name.startswith(PREFIX)}
        values: dict[str, Any] = {}
        nested: dict[str, dict[str, str]] = {"official": {}, "miniprogram": {}}
        for name, value in sorted(given.items()):
            bare, text = _from_file(name, value)
            account, _, inner = bare.partition("__")
            if inner and account in nested:
                nested[account][inner] = text
            else:
                values[bare] = text
        for account, texts in nested.items():
            if texts:
                values[account] = _convert(AccountSettings, texts, f"{PREFIX}{account.upper()}__")
        settings: Settings = _convert(cls, values, PREFIX)
        _check(settings)
        return settings


def _from_file(name: str, value: str) -> tuple[str, str]:
    if not name.endswith("_file"):
        return name, value
    try:
        return name.removesuffix("_file"), Path(value).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(
            "settings", f"{PREFIX}{name.upper()} 指向的文件读不到：{error.strerror}。请检查路径和权限。"
        ) from error


def _convert(cls: type[Any], texts: Mapping[str, Any], prefix: str) -> Any:
    known = {item.name: item for item in fields(cls)}
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in known:
            raise SettingsError(
                "settings", f"不认识的设置 {prefix}{name.upper()}。请对照 README 的设置表检查拼写。"
            )
        values[name] = _value(known[name].type, text, f"{prefix}{name.upper()}")
    return cls(**values)


def _value(kind: Any, text: Any, name: str) -> Any:
    if not isinstance(text, str):
        return text
    kind = getattr(kind, "__name__", kind)
    try:
        match kind:
            case "bool":
                return {
                    "true": True,
                    "1": True,
                    "yes": True,
                    "on": True,
                    "false": False,
                    "0": False,
                    "no": False,
                    "off": False,
                }[text.lower()]
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "Path":
                return Path(text)
            case _:
                return text
    except (KeyError, ValueError) as error:
        raise SettingsError("settings", f"{name} 的值“{text}”不能用，这里要填 {kind}。") from error


def _check(settings: Settings) -> None:
    """Refuse what cannot work, naming the mend."""
    # S 5.7 of the guide: a platform's name never claims to be national.
    for word in ("国家", "中国", "全国"):
        if settings.platform_name.startswith(word):
            raise SettingsError("settings", f"{PREFIX}PLATFORM_NAME 不得冠以“{word}”（建设指南 5.7）。")
    _one_of(f"{PREFIX}SMTP_SECURITY", settings.smtp_security, ("starttls", "tls", "none"))
    if settings.smtp_host and "@" not in settings.mail_from:
        raise SettingsError("settings", f"设了 {PREFIX}SMTP_HOST，还要用 {PREFIX}MAIL_FROM 写明发件邮箱。")
    for name, value in (("INTAKE_KEY", settings.intake_key), ("SECRET_KEY", settings.secret_key)):
        if value and len(value) < 24:
            raise SettingsError("settings", f"{PREFIX}{name} 太短，请用至少 24 位的随机字符。")
    for name in ("official", "miniprogram"):
        account: AccountSettings = getattr(settings, name)
        prefix = f"{PREFIX}{name.upper()}__"
        if account == AccountSettings():
            continue
        _one_of(f"{prefix}KIND", account.kind, ("subscription_unverified", "subscription", "service"))
        _one_of(f"{prefix}MODE", account.mode, ("safe", "plain"))
        _one_of(f"{prefix}FORMAT", account.format, ("xml", "json"))
        # SHA-1 over an empty token would let anybody sign.
        if not (account.token.isascii() and account.token.isalnum() and 3 <= len(account.token) <= 32):
            raise SettingsError(
                "settings", f"{prefix}TOKEN 应为 3 至 32 位英文字母或数字，与公众平台后台填写的一致。"
            )
        if account.mode == "safe" and len(account.encoding_aes_key) != 43:
            raise SettingsError(
                "settings", f"{prefix}ENCODING_AES_KEY 应为 43 位字母或数字，与公众平台后台填写的一致。"
            )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError("settings", f"{name} 的值“{value}”不能用，可填：{'、'.join(allowed)}。")
