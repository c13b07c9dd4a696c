"""`nqi staff …`: the commands around accounts, one function each."""

import os
from typing import Annotated

import typer

from bot.settings import Settings

staff_cli = typer.Typer(help="工作人员账号：邀请、新建、查看、重置、更改角色、停用。", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="姓名，登录时使用")]
_ROLES = "operator、head、staff、maintainer、coordinator 或 evaluator"


_Role = Annotated[str, typer.Option(help=_ROLES)]
_Email = Annotated[str, typer.Option(help="邮箱，用于接收邀请和提醒，可不填")]


@staff_cli.command("invite")
def staff_invite(name: _Name, role: _Role, email: _Email = "") -> None:
    """邀请：新建账号，由本人打开链接设置密码；能发邮件时发邮件，否则显示链接。"""
    from bot.staffing import invite_staff

    _report(invite_staff(_settings(), name, role=role, email=email))


@staff_cli.command("factor")
def staff_factor(name: _Name) -> None:
    """取消两步验证（手机丢失时），已登录的随即退出。"""
    from bot.staffing import reset_factor

    _report([reset_factor(_settings(), name)])


@staff_cli.command("add")
def staff_add(name: _Name, role: _Role, email: _Email = "") -> None:
    """新建账号，显示一次性密码（只显示一次）。"""
    from bot.staffing import add_staff

    _report(add_staff(_settings(), name, role=role, email=email))


@staff_cli.command("list")
def staff_list() -> None:
    """列出全部账号：姓名、角色、邮箱、状态。"""
    from bot.staffing import list_staff

    _report(list_staff(_settings()))


@staff_cli.command("reset")
def staff_reset(name: _Name) -> None:
    """重置密码，显示新的一次性密码（只显示一次）。"""
    from bot.staffing import reset_password

    _report(reset_password(_settings(), name))


@staff_cli.command("role")
def staff_role(name: _Name, role: Annotated[str, typer.Argument(help=_ROLES)]) -> None:
    """更改角色，下一次操作起生效。"""
    from bot.staffing import change_role

    _report([change_role(_settings(), name, role)])


@staff_cli.command("close")
def staff_close(name: _Name) -> None:
    """停用账号，已登录的随即退出。"""
    from bot.staffing import close_account

    _report([close_account(_settings(), name)])


def _settings() -> Settings:
    return Settings.from_env(os.environ)


def _report(lines: list[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201
