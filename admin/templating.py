"""Jinja: one environment, the headers of every page, and how values are shown."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.templating import Jinja2Templates

from bot.core.board import masked_name
from bot.core.masks import mask_text
from bot.core.permissions import Right
from bot.core.times import china_text
from bot.core.wording import say
from intents.categories import Category

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# The navigation: who holds the right sees the page.
_PAGES = (
    (Right.SEE_CONVERSATIONS, "/admin/console", "会话"),
    (Right.SEE_TICKETS, "/admin/board", "工单"),
    (Right.HANDLE_TICKETS, "/admin/intake", "登记"),
    (Right.HANDLE_TICKETS, "/admin/tasks", "待办"),
    (Right.HANDLE_TICKETS, "/admin/visits", "走访"),
    (Right.SEE_TICKETS, "/admin/improvements", "改进"),
    (Right.SEE_TICKETS, "/admin/knowledge", "知识"),
    (Right.SEE_TICKETS, "/admin/libraries", "资源库"),
    (Right.SEE_TICKETS, "/admin/clocks", "时限"),
    (Right.RUN_CHANNELS, "/admin/outbox", "发送"),
    (Right.EDIT_ACCOUNTS, "/admin/accounts", "账号"),
    (Right.SEE_AUDIT, "/admin/audit", "审计"),
)
_templates = Jinja2Templates(directory=_HERE / "templates")


def _label(key: str) -> str:
    return Category(key).label if key in {item.value for item in Category} else key


def _phone(value: str) -> str:
    """Only the ends of a phone number are shown."""
    return value[:3] + "****" + value[-4:] if len(value) >= 8 else value and "****"


def _value(value: str, field: str) -> str:
    """A corrected value as it is read."""
    if not value:
        return "（空）"
    if field == "urgency":
        return say(f"urgency.{value}")
    return _label(value) if field == "category" else value


_templates.env.globals.update(pages=_PAGES)
_templates.env.filters.update(
    china=china_text,
    value=_value,
    move=lambda key: say(f"move.{key}"),
    party=lambda key: say(f"party.{key}"),
    way=lambda key: say(f"way.{key}"),
    correction=lambda key: say(f"correction.{key}"),
    category=_label,
    phone=_phone,
    state=lambda key: say(f"state.{key}"),
    kind=lambda key: say(f"kind.{key}"),
    source=lambda key: say(f"source.{key}"),
    named=lambda name, is_open: name if is_open else masked_name(name),
    worded=lambda text, is_open, *names: text if is_open else mask_text(text, names),
)


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page with the headers that keep foreign scripts out."""
    return _templates.TemplateResponse(request, template, values, status_code=status, headers=_HEADERS)
