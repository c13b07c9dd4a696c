"""What may be the name, the address and the password of an account."""

import re
import unicodedata
from importlib.resources import files

from bot.errors import RefusedError

FIRST_NAME = "admin"
# Histories tell by these names who acted when it was no member of staff; `nqi` is the command line.
RESERVED = frozenset(
    {FIRST_NAME, "bot", "system", "contact", "provider", "nqi", "智能助手", "企业", "系统", "服务机构"}
)
SHORTEST_PASSWORD = 10
_LEAST_BESIDES = 5  # characters of a password that are not the name
_LONGEST_NAME = 30
_LONGEST_EMAIL = 120
_SEPARATORS = frozenset("、，,")  # between the names whom a complaint concerns
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}", re.ASCII)
# What is tried first by whoever guesses; shorter ones count together with the name that they are put to.
_COMMONEST = frozenset(files("bot.core").joinpath("data/passwords.txt").read_text(encoding="ascii").split())


def likeness(name: str) -> str:
    """What two names share that people would take for one another: width and case of letters."""
    return unicodedata.normalize("NFKC", name).casefold()


def check_name(name: str) -> None:
    """Refuse a name that cannot be told apart, or that a list of names would break up."""
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise RefusedError("account-name", f"姓名应为 1 到 {_LONGEST_NAME} 个字。")
    if any(not char.isprintable() or char.isspace() or char in _SEPARATORS for char in name):
        raise RefusedError("account-name", "姓名里不能有空格、顿号、逗号或看不见的字符。")
    if likeness(name) in RESERVED:
        raise RefusedError("account-name", "这个名字由系统使用，请换一个。")


def checked_email(email: str) -> str:
    """The address without spaces around it, or nothing; raises RefusedError for what is none."""
    email = email.strip()
    if email and (len(email) > _LONGEST_EMAIL or not _EMAIL.fullmatch(email)):
        raise RefusedError("account-email", "请填写完整的电子邮箱，如 name@example.com，或者不填。")
    return email


def check_password(password: str, *, name: str) -> None:
    """Refuse a password that is too short, the name with little besides, or among the commonest."""
    if len(password) < SHORTEST_PASSWORD:
        raise RefusedError("password", f"密码至少 {SHORTEST_PASSWORD} 位。")
    bare, own = likeness(password), likeness(name)
    rest = bare.replace(own, "")
    if rest != bare and (len(rest) < _LEAST_BESIDES or rest in _COMMONEST):
        raise RefusedError("password", "密码不能就是您的姓名，请换一个。")
    if bare in _COMMONEST or len(set(bare)) <= 2:
        raise RefusedError("password", "这个密码太常见，容易被猜到，请换一个。")
