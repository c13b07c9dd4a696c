"""`nqi doctor` against the local platform: each mistake has its mend."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.app import Program
from bot.doctor import Finding, examine
from bot.serving import running
from bot.settings import Settings


@dataclass(slots=True)
class Place:
    """A running server, and the settings that somebody would have entered for it."""

    program: Program
    env: dict[str, str]

    def findings(self, *, offline: bool = False, **changes: str) -> list[Finding]:
        env = {**self.env, **{f"NQI_{name}": value for name, value in changes.items()}}
        return list(examine(env, offline=offline))

    def ill(self, *, offline: bool = False, **changes: str) -> str:
        found = self.findings(offline=offline, **changes)
        return "\n".join(finding.line() for finding in found if not finding.is_well)


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
        ({"SIMULATOR": "true"}, "去掉 NQI_SIMULATOR"),
        ({"WEBHOOK_INSECURE": "true"}, "去掉 NQI_WEBHOOK_INSECURE"),
        ({"SECRET_KEY": "ab" * 16}, "填入 NQI_SECRET_KEY"),
        ({"PUBLIC_URL": "http://127.0.0.1.example.invalid"}, "改为 https://"),
        ({"PUBLIC_URL": "nqi.example.org"}, "写全"),
        ({"ATTACHMENT_MAX_BYTES": "9" * 18}, "清理磁盘"),
    ],
)
def test_each_mistake_has_its_mend(place: Place, changes: dict[str, str], mend: str) -> None:
    assert mend in place.ill(**changes)


def test_the_white_list_names_the_address(place: Place) -> None:
    assert place.program.platform is not None
    place.program.platform.switches.turn_on("40164", times=1, path="stable_token")
    assert "IP白名单" in place.ill()


# --- what leaves by mail and SMS ---


@contextmanager
def mail_server(**options: object) -> Iterator[dict[str, str]]:
    """A real SMTP server on a free port, and the settings that lead to it."""
    controller = Controller(_Nobody(), hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(controller.port),
            "SMTP_SECURITY": "none",
            "MAIL_FROM": "nqi@example.com",
        }
    finally:
        controller.stop()


class _Nobody:
    """Takes no mail: the doctor sends none."""

    async def handle_DATA(self, *_: object) -> str:
        raise AssertionError("the doctor sent a mail")


def authenticate(_server: object, _session: object, _envelope: object, _way: str, data: object) -> AuthResult:
    """The one account that there is."""
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"nqi", b"right-one")
    return AuthResult(success=is_right, handled=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def mails() -> Iterator[dict[str, str]]:
    """A server that wants a log-in."""
    with mail_server(authenticator=authenticate, auth_require_tls=False) as found:
        yield {**found, "SMTP_USER": "nqi", "SMTP_PASSWORD": "right-one"}


def test_a_mail_server_that_lets_us_in_is_well(place: Place, mails: dict[str, str]) -> None:
    assert place.ill(**mails) == ""
    assert any("可以登录" in finding.what for finding in place.findings(**mails))


@pytest.mark.parametrize(
    ("changes", "mend"),
    [
        ({"SMTP_PASSWORD": "wrong"}, "授权码"),
        ({"SMTP_SECURITY": "starttls"}, "465 端口用 NQI_SMTP_SECURITY=tls"),
        ({"SMTP_SECURITY": "tls"}, "加密方式与端口不符"),
        ({"SMTP_PASSWORD": "不是英文"}, "只能用英文"),
        ({"SMTP_HOST": "mail.invalid"}, "核对 NQI_SMTP_HOST"),
        ({"SMTP_HOST": "mail.invalid"}, "密码不加密"),
        ({"PUBLIC_URL": ""}, "收到的链接打不开"),
        ({"MAIL_FROM": ""}, "NQI_MAIL_FROM"),
    ],
)
def test_each_mistake_about_mail_has_its_mend(
    place: Place, mails: dict[str, str], changes: dict[str, str], mend: str
) -> None:
    found = place.ill(**{**mails, **changes})
    assert mend in found
    assert "right-one" not in found


def test_a_mail_server_that_is_not_there_is_said_and_offline_nobody_is_called(
    place: Place, mails: dict[str, str]
) -> None:
    gone = {**mails, "SMTP_PORT": str(free_port())}
    assert "核对 NQI_SMTP_PORT" in place.ill(**gone)
    assert place.ill(offline=True, **gone) == ""


def test_a_certificate_that_nobody_vouches_for_is_said(place: Place, tmp_path: Path) -> None:
    server = self_signed(tmp_path)
    with mail_server(tls_context=server, require_starttls=True) as settings:
        found = place.ill(**{**settings, "SMTP_SECURITY": "starttls"})
    assert "证书不被信任" in found


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's certificate that only it vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3650))
        .not_valid_after(now + timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_the_sms_gateway_is_looked_at_without_sending(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        url = f"http://127.0.0.1:{gateway.getsockname()[1]}/sms"
        trial = {"SIMULATOR": "true", "WEBHOOK_INSECURE": "true", "PUBLIC_URL": place.env["NQI_PUBLIC_URL"]}
        assert "短信网关" not in place.ill(SMS_URL=url, **trial)
    assert "检查防火墙和网关" in place.ill(SMS_URL=url, **trial)


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("http://sms.example.com/send", "https://主机/路径"),
        ("sms.example.com", "https://主机/路径"),
        ("https://[", "https://主机/路径"),
        ("https://127.0.0.1/send", "地址在内网"),
        ("https://sms.invalid/send", "找不到这台主机"),
    ],
)
def test_each_mistake_about_sms_has_its_mend(place: Place, url: str, mend: str) -> None:
    assert mend in place.ill(SMS_URL=url)


# --- what lies on the disk ---


def alone(place: Place, **changes: str) -> str:
    """What is wrong with the same data where no account is set up."""
    env = {"NQI_DATA_DIR": place.env["NQI_DATA_DIR"]}
    env |= {f"NQI_{name}": value for name, value in changes.items()}
    return "\n".join(finding.line() for finding in examine(env, offline=True) if not finding.is_well)


def test_a_key_that_others_can_read_is_said(place: Place) -> None:
    assert alone(place) == ""
    key = Path(place.env["NQI_DATA_DIR"]) / "secret.key"
    key.chmod(0o644)
    try:
        assert "chmod 600" in alone(place)
        assert alone(place, SECRET_KEY="k3Y-of-24-different-words") == "", "the file is not used then"
    finally:
        key.chmod(0o600)


def test_a_file_where_the_attachments_should_lie_is_said(place: Place) -> None:
    folder = Path(place.env["NQI_DATA_DIR"]) / "attachments"
    aside = folder.rename(folder.with_name("aside")) if folder.exists() else None
    folder.write_text("")
    try:
        assert "附件目录" in alone(place)
    finally:
        folder.unlink()
        if aside is not None:
            aside.rename(folder)


def test_the_simulator_is_well_where_nobody_else_comes(place: Place) -> None:
    assert alone(place, SIMULATOR="true", WEBHOOK_INSECURE="true") == ""
    assert "模拟器" in alone(place, SIMULATOR="true", PUBLIC_URL="https://nqi.example.org")
