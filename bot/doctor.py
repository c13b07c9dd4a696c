"""`nqi doctor`: look at everything that commonly goes wrong, and name the mend."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from sqlalchemy.exc import SQLAlchemyError

from bot.app import open_context
from bot.channels.wechat_api import WeChatApi
from bot.channels.wechat_codec import Codec
from bot.errors import RefusedError
from bot.ports import Failed
from bot.settings import AccountSettings, Settings

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
    """Look at settings, disk, database, knowledge, and each account."""
    try:
        settings = Settings.from_env(env)
    except RefusedError as refusal:
        yield Finding(False, "设置", refusal.message)
        return
    yield Finding(True, "设置可读")
    yield from _machine(settings)
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
