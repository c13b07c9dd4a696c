"""`nqi doctor`: look at everything that commonly goes wrong, and name the mend."""

import hashlib
import os
import shutil
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

import httpx
from sqlalchemy.exc import SQLAlchemyError

from bot.app import open_context
from bot.channels.webhook import addresses_of, is_public
from bot.channels.wechat_api import WeChatApi
from bot.channels.wechat_codec import Codec
from bot.errors import RefusedError
from bot.ports import Failed
from bot.settings import AccountSettings, Settings

_PATIENCE = 8.0  # seconds for each answer of a server that is tried
_FILES = 50  # of the largest size that must still fit on the disk
_LETTERS = 8  # different ones that a key has at least; random ones of 24 characters have far more
_CLOCK_LIMIT = 60.0  # seconds; WeChat's pushes are refused when the clocks are far apart
# What the platform answers to a token request, and what to change (protocol 4.5).
_TOKEN_FIXES: Mapping[str, str] = {
    "40013": "AppID 不对：核对 {prefix}APP_ID 与后台“开发接口管理-基本配置”里的开发者ID。",
    "40125": "AppSecret 不对：在后台重置后填入 {prefix}APP_SECRET。",
    "40243": "AppSecret 已被冻结：在后台解冻或重置。",
    "40164": "本机出口 IP 不在白名单：把 {detail} 里的 IP 加到后台“IP白名单”。",
    "89503": "需要管理员在微信里确认这次调用，确认后再试。",
    "89506": "管理员拒绝了这次调用，24 小时后再试。",
    "89507": "管理员拒绝了这次调用，1 小时后再试。",
    "no-secret": "没有填 {prefix}APP_SECRET：只影响主动下发消息，被动回复不受影响。",
    "timeout": "连接微信接口超时：检查本机能否访问外网 HTTPS。",
    "network": "连不上微信接口：检查 DNS、防火墙和代理。",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    is_well: bool
    what: str
    fix: str = ""

    def line(self) -> str:
        """As one line for the terminal."""
        return f"{'✓' if self.is_well else '✗'} {self.what}" + (f"\n    改法：{self.fix}" if self.fix else "")


def examine(env: Mapping[str, str], *, offline: bool) -> Iterator[Finding]:
    """Look at settings, disk, database, knowledge, what leaves by mail and SMS, and each account."""
    try:
        settings = Settings.from_env(env)
    except RefusedError as refusal:
        yield Finding(False, "设置", refusal.message)
        return
    yield Finding(True, "设置可读")
    yield from _machine(settings)
    yield from _secret_key(settings)
    yield from _attachments(settings)
    yield from _exposure(settings)
    yield from _links(settings)
    yield from _mail(settings, offline=offline)
    yield from _sms(settings, offline=offline)
    names = [name for name in ("official", "miniprogram") if settings.account(name)]
    if not names:
        yield Finding(True, "还没有配置微信账号（make serve 时用模拟器）；接入步骤见 README。")
    for name in names:
        account = settings.account(name)
        assert account is not None
        yield from _account(settings, name, account, offline=offline)


def _machine(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        yield Finding(
            False, f"数据目录 {folder}", f"建不了（{error.strerror}）：换一个 NQI_DATA_DIR 或改权限。"
        )
        return
    if not os.access(folder, os.W_OK):
        yield Finding(False, f"数据目录 {folder}", "没有写权限：改权限，或换一个 NQI_DATA_DIR。")
        return
    yield Finding(True, f"数据目录 {folder} 可写")
    try:
        ctx = open_context(settings)
    except SQLAlchemyError as error:
        yield Finding(
            False, "数据库", f"打不开（{type(error).__name__}）：检查 NQI_DATABASE_URL 和磁盘空间。"
        )
        return
    count = len(ctx.brain.entries)
    yield Finding(
        count > 0, f"数据库可用，知识条目 {count} 条", "" if count else "运行 nqi knowledge import 导入条目。"
    )
    ctx.database.close()


def _secret_key(settings: Settings) -> Iterator[Finding]:
    """Whoever guesses the key can write links that open other people's requests."""
    mend = '用 python -c "import secrets; print(secrets.token_urlsafe(32))" 生成一个，填入 NQI_SECRET_KEY。'
    path = settings.data_dir / "secret.key"
    if settings.secret_key:
        is_well = len(set(settings.secret_key)) >= _LETTERS
        yield Finding(
            is_well, "签名密钥" + ("" if is_well else "太简单，容易被猜到"), "" if is_well else mend
        )
        return
    if not path.is_file():
        return  # the data folder or the database is at fault, and that was said
    if path.stat().st_mode & 0o077:
        yield Finding(False, f"签名密钥 {path} 能被别的用户读取", f"运行 chmod 600 {path}。")
    elif not settings.database.startswith("sqlite"):
        hint = f"几台机器用同一个数据库时，把 {path} 里的内容填入每台的 NQI_SECRET_KEY，否则链接打不开。"
        yield Finding(True, "签名密钥保存在数据目录", hint)
    else:
        yield Finding(True, "签名密钥保存在数据目录，请随数据一起备份")


def _attachments(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir / "attachments"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        room = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding(False, f"附件目录 {folder}", f"不能用（{error.strerror}）：移走同名文件，或改权限。")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(False, f"附件目录 {folder}", "没有写权限：改权限，或换一个 NQI_DATA_DIR。")
    elif room < _FILES * settings.attachment_max_bytes:
        yield Finding(
            False, f"附件目录只剩 {room // 1_000_000} MB", "清理磁盘，或把 NQI_DATA_DIR 移到更大的盘。"
        )
    else:
        yield Finding(True, f"附件目录 {folder} 可写")


def _exposure(settings: Settings) -> Iterator[Finding]:
    """What is meant for trying out must not run where real enterprises write."""
    is_real = bool(settings.public_url) and not _is_here(settings.public_url)
    is_real = is_real or any(settings.account(name) for name in ("official", "miniprogram"))
    if settings.simulator and is_real:
        yield Finding(
            False,
            "模拟器开着，外人可以冒充企业",
            "正式环境去掉 NQI_SIMULATOR（用 nqi serve 启动，不用 make serve）。",
        )
    if settings.webhook_insecure and is_real and not settings.simulator:
        yield Finding(
            False,
            "允许向 http 和内网地址发送",
            "正式环境去掉 NQI_WEBHOOK_INSECURE，请服务机构和短信网关提供公网 https 地址。",
        )


def _split(url: str) -> SplitResult:
    """The parts of an address; of one that is none, nothing."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_here(url: str) -> bool:
    return (_split(url).hostname or "") in ("127.0.0.1", "localhost", "::1")


def _links(settings: Settings) -> Iterator[Finding]:
    """Providers and enterprises open what they are sent elsewhere, not on this machine."""
    if not (settings.smtp_host or settings.sms_url or settings.public_url):
        return
    url = _split(settings.public_url)
    if not settings.public_url:
        fix = "设 NQI_PUBLIC_URL=https://您的域名，否则服务机构和企业收到的链接打不开。"
        yield Finding(False, f"发出的链接指向 {settings.base_url}", fix)
    elif url.scheme not in ("http", "https") or not url.hostname:
        yield Finding(
            False, f"公网地址“{settings.public_url}”不完整", "写全，如 NQI_PUBLIC_URL=https://您的域名。"
        )
    elif url.scheme == "http" and not _is_here(settings.public_url):
        yield Finding(False, "发出的链接不是 https", "配置证书，并把 NQI_PUBLIC_URL 改为 https:// 开头。")
    else:
        yield Finding(True, f"发出的链接指向 {settings.base_url}")


def _mail(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    server = f"邮件服务器 {settings.smtp_host}:{settings.smtp_port}"
    if not settings.smtp_host:
        yield Finding(
            True, "没有设邮件服务器，不发邮件", "要用邮件通知服务机构和工作人员，请设 NQI_SMTP_HOST。"
        )
        return
    if settings.smtp_security == "none" and settings.smtp_user and not _is_here(f"//{settings.smtp_host}"):
        yield Finding(False, f"{server}：密码不加密", "设 NQI_SMTP_SECURITY=starttls 或 tls。")
    if offline:
        return
    try:
        _try_mail(settings)
    except UnicodeError:
        yield Finding(
            False, f"{server}：设置里有不能用的字符", "主机名、用户名和密码只能用英文字母、数字和符号。"
        )
    except OSError as error:
        yield Finding(False, f"{server}：{_mail_fault(error)}", _mail_fix(settings, error))
    else:
        yield Finding(True, f"{server} 可以{'登录' if settings.smtp_user else '连接'}")


def _try_mail(settings: Settings) -> None:
    """Connect and log in as the sender of mails does, send nothing; raises what smtplib raises."""
    context = ssl.create_default_context()
    connection: smtplib.SMTP
    if settings.smtp_security == "tls":
        connection = smtplib.SMTP_SSL(
            settings.smtp_host, settings.smtp_port, timeout=_PATIENCE, context=context
        )
    else:
        connection = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_PATIENCE)
    with connection as smtp:
        if settings.smtp_security == "starttls":
            smtp.starttls(context=context)
        if settings.smtp_user:
            smtp.login(settings.smtp_user, settings.smtp_password)


def _mail_fault(error: OSError) -> str:
    """The kind of failure; the server's own words may repeat the password."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"应答 {error.smtp_code}"
    return type(error).__name__


def _mail_fix(settings: Settings, error: OSError) -> str:
    # smtplib turns a silence into a disconnection, with the cause behind it.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "没有应答：检查防火墙；465 端口用 tls，587 端口用 starttls；很多云主机封了 25 端口。"
    match error:
        case smtplib.SMTPAuthenticationError():
            return "用户名或密码不对：核对 NQI_SMTP_USER；很多邮箱要用专门的授权码作 NQI_SMTP_PASSWORD。"
        case smtplib.SMTPNotSupportedError():
            return "服务器不支持这种加密或登录：465 端口用 NQI_SMTP_SECURITY=tls，587 端口用 starttls。"
        case ssl.SSLCertVerificationError():
            return "证书不被信任：NQI_SMTP_HOST 要填证书上的名字；内部证书请装入系统的信任列表。"
        case ssl.SSLError() | smtplib.SMTPServerDisconnected():
            return "加密方式与端口不符：465 端口用 NQI_SMTP_SECURITY=tls，587 端口用 starttls。"
        case socket.gaierror():
            return "找不到这台主机：核对 NQI_SMTP_HOST 和 DNS。"
        case smtplib.SMTPException():
            return "服务器拒绝本机：请邮件管理员允许本机的 IP。"
    return f"连不上：核对 NQI_SMTP_PORT={settings.smtp_port}，检查服务器是否在运行、防火墙是否放行。"


def _sms(settings: Settings, *, offline: bool) -> Iterator[Finding]:
    if not settings.sms_url:
        return
    found = _sms_fault(settings, offline=offline)
    yield Finding(False, "短信网关", found) if found else Finding(True, "短信网关地址可用")


def _sms_fault(settings: Settings, *, offline: bool) -> str:
    """What would keep every SMS from leaving, with the mend; no SMS is sent."""
    url, is_open = _split(settings.sms_url), settings.webhook_insecure
    if not url.hostname or url.scheme not in (("https", "http") if is_open else ("https",)):
        return "NQI_SMS_URL 要写成 https://主机/路径。"
    if offline:
        return ""
    try:
        if not (is_open or all(is_public(address) for address in addresses_of(url.hostname))):
            return "地址在内网，不会发送：换成公网地址，或确有必要时设 NQI_WEBHOOK_INSECURE=true。"
        port = url.port or (443 if url.scheme == "https" else 80)
        socket.create_connection((url.hostname, port), timeout=_PATIENCE).close()
    except socket.gaierror:
        return "找不到这台主机：核对 NQI_SMS_URL 和 DNS。"
    except (OSError, ValueError) as error:
        return f"连不上（{type(error).__name__}）：核对 NQI_SMS_URL 的端口，检查防火墙和网关。"
    return ""


def _account(settings: Settings, name: str, account: AccountSettings, *, offline: bool) -> Iterator[Finding]:
    prefix = f"NQI_{name.upper()}__"
    try:
        codec = Codec(account, name=name, max_age=settings.callback_max_age)
    except RefusedError as refusal:
        yield Finding(False, f"{name}：消息加解密密钥", f"{refusal.message}（{prefix}ENCODING_AES_KEY）")
        return
    yield Finding(True, f"{name}：Token 和 EncodingAESKey 格式正确")
    if account.mode == "plain":
        yield Finding(False, f"{name}：明文模式不验证内容", f"在后台改为安全模式，并设 {prefix}MODE=safe。")
    if offline:
        return
    yield from _platform(settings, name, account, prefix)
    yield from _callback(settings, name, codec)


def _platform(settings: Settings, name: str, account: AccountSettings, prefix: str) -> Iterator[Finding]:
    yield _clock(settings)
    api = WeChatApi(account, base=settings.wechat_api_base)
    token = api.token()
    api.close()
    if isinstance(token, Failed):
        fix = _TOKEN_FIXES.get(token.code, "按错误码到微信文档查询；也可能是平台暂时故障，稍后再试。")
        yield Finding(
            False,
            f"{name}：取不到 access_token（{token.code} {token.detail}）",
            _fill(fix, prefix, token.detail),
        )
    else:
        yield Finding(True, f"{name}：能取到 access_token")


def _fill(fix: str, prefix: str, detail: str) -> str:
    return fix.replace("{prefix}", prefix).replace("{detail}", detail)


def _clock(settings: Settings) -> Finding:
    try:
        answer = httpx.get(settings.wechat_api_base, timeout=5)
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError) as error:
        return Finding(False, "时钟", f"没能与微信对时（{type(error).__name__}）：检查网络。")
    gap = abs(time.time() - theirs)
    if gap > _CLOCK_LIMIT:
        return Finding(
            False, f"时钟与微信相差 {gap:.0f} 秒", "开启 NTP 对时，例如 timedatectl set-ntp true。"
        )
    return Finding(True, f"时钟与微信相差 {gap:.0f} 秒")


def _callback(settings: Settings, name: str, codec: Codec) -> Iterator[Finding]:
    if not settings.public_url:
        yield Finding(
            False, f"{name}：没有填公网地址", "设 NQI_PUBLIC_URL=https://您的域名，doctor 才能试回调。"
        )
        return
    url = f"{settings.public_url.rstrip('/')}/wechat/{name}"
    if not url.startswith("https://") and "127.0.0.1" not in url:
        yield Finding(False, f"{name}：回调地址不是 https", "微信建议 https，正式环境请配置证书。")
    stamp, nonce, echo = str(int(time.time())), "doctor", "nqi-doctor"
    joined = "".join(sorted((codec.account.token, stamp, nonce))).encode()
    query = {
        "signature": hashlib.sha1(joined, usedforsecurity=False).hexdigest(),
        "timestamp": stamp,
        "nonce": nonce,
        "echostr": echo,
    }
    try:
        answer = httpx.get(url, params=query, timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding(
            False,
            f"{name}：回调 {url} 打不开（{type(error).__name__}）",
            "检查域名解析、端口和反向代理，并确认 nqi serve 在运行。",
        )
        return
    yield _echoed(name, url, answer, echo)


def _echoed(name: str, url: str, answer: httpx.Response, echo: str) -> Finding:
    if answer.status_code == 200 and answer.text == echo:
        return Finding(True, f"{name}：回调 {url} 正常；在后台填这个地址即可")
    fixes = {
        403: "正在运行的服务用的是另一个 Token，或两边时钟相差太多：核对设置后重启。",
        404: "正在运行的服务没有配置这个账号，或地址路径不对：应为 /wechat/" + name,
        301: "地址被重定向，微信不跟随：填最终地址。",
        302: "地址被重定向，微信不跟随：填最终地址。",
    }
    fix = fixes.get(answer.status_code, "反向代理或别的程序在应答：检查它是否把请求原样转给 nqi。")
    return Finding(False, f"{name}：回调 {url} 应答 {answer.status_code}", fix)
