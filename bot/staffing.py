"""Commands around staff accounts: invite, add, list, reset, change the role, close."""

from bot.actions import accounts, invitations
from bot.actions.accounts import Account
from bot.app import open_context
from bot.core.permissions import Role
from bot.core.wording import say
from bot.errors import RefusedError
from bot.settings import Settings

_BY = "nqi"  # who it was, in the audit trail


def invite_staff(settings: Settings, name: str, *, role: str, email: str) -> list[str]:
    """Open an account by invitation; the last line shows the link, unless it left by e-mail. Raises RefusedError."""
    wanted = role_named(role)
    invited = invitations.invite(open_context(settings), name=name, role=wanted, email=email, by=_BY)
    sent = f"邀请邮件将由运行中的服务发往 {invited.email}，3 天内有效。"
    shown = f"邀请链接（只显示这一次，3 天内有效，只能使用一次）：{invited.link}"
    return [f"已邀请：{name}（{say(f'role.{wanted}')}）", shown if invited.link else sent]


def add_staff(settings: Settings, name: str, *, role: str, email: str) -> list[str]:
    """Open an account; the last line shows its one-time password, this once. Raises RefusedError."""
    wanted = role_named(role)
    password = accounts.add_staff(open_context(settings), name=name, role=wanted, email=email, by=_BY)
    return [f"已建立账号：{name}（{say(f'role.{wanted}')}）", _shown(password)]


def list_staff(settings: Settings) -> list[str]:
    """Every account, a line each: name, role, e-mail, whether it can log in."""
    found = accounts.list_staff(open_context(settings))
    return [_described(one) for one in found] or ["还没有账号。用 nqi staff add 建立。"]


def reset_password(settings: Settings, name: str) -> list[str]:
    """Give an account a new one-time password, shown this once. Raises RefusedError."""
    return [
        f"已重置：{name}，原来的登录已全部退出。",
        _shown(accounts.reset_password(open_context(settings), name=name, by=_BY)),
    ]


def reset_factor(settings: Settings, name: str) -> str:
    """Take the second factor from an account whose phone is lost. Raises RefusedError."""
    accounts.reset_factor(open_context(settings), name=name, by=_BY)
    return f"已取消 {name} 的两步验证，原来的登录已全部退出。"


def change_role(settings: Settings, name: str, role: str) -> str:
    """Give an account another role. Raises RefusedError."""
    wanted = role_named(role)
    accounts.change_role(open_context(settings), name=name, role=wanted, by=_BY)
    return f"{name} 的角色已改为{say(f'role.{wanted}')}。"


def close_account(settings: Settings, name: str) -> str:
    """End an account. Raises RefusedError."""
    accounts.close_account(open_context(settings), name=name, by=_BY)
    return f"已停用：{name}，原来的登录已全部退出。"


def role_named(key: str) -> Role:
    """The role of that key; raises RefusedError that names all of them."""
    if key not in set(Role):
        known = "、".join(f"{role}（{say(f'role.{role}')}）" for role in Role)
        raise RefusedError("role", f"没有角色 {key}。可用：{known}。")
    return Role(key)


def _shown(password: str) -> str:
    return f"一次性密码（只显示这一次，首次登录后须更换）：{password}"


def _described(one: Account) -> str:
    factor = ("两步验证",) if one.has_factor else ()
    return "  ".join((one.name, say(f"role.{one.role}"), one.email or "未填邮箱", one.standing, *factor))
