"""What would be said to one text, and why: `nqi ask`."""

from datetime import UTC, datetime

from bot.actions.context import Context
from bot.core.brain import explain
from bot.core.dialogue import step
from bot.core.messages import Kind
from bot.core.rendering import render
from bot.core.times import china_date
from bot.core.turns import DialogueState, Facts, Said


def preview(ctx: Context, text: str) -> str:
    """The reply to a text from somebody new, with the decision behind it; nothing is recorded."""
    now = datetime.now(UTC)
    heard = ctx.brain.hear(text, today=china_date(now)) if text.strip() else None
    facts = Facts(today=china_date(now), now=now.isoformat(), platform_name=ctx.settings.platform_name)
    turn = step(DialogueState(), Said(Kind.TEXT, text, heard=heard), facts, ctx.brain)
    lines = [render(turn.reply, links=False) if turn.reply else ""]
    if heard is not None:
        why = explain(heard)
        lines.append("")
        lines.append(f"判断：{why['outcome']}  类别：{why['category']}  动作：{why['act'] or '无'}")
        lines += [f"候选：{item['id']} {item['title']}（{item['score']:.2f}）" for item in why["candidates"]]
        lines.append(f"理由：{'、'.join(why['reasons']) or '无'}")
    return "\n".join(lines)
