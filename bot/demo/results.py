"""What the demonstration leaves behind: read from the database, and shown as tables."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table

from bot.actions.surveys import surveys_of
from bot.app import Program
from bot.core.deadlines import Step
from bot.core.reach import Channel
from bot.core.surveys import label
from bot.core.ticket_states import TicketState
from bot.core.wording import say
from bot.store import courses, delivery, improvements, tickets

_CHANNELS = {Channel.CUSTOMER.value: "微信消息", Channel.WEBHOOK.value: "机构接口"}
_OUTCOMES = {
    "due": "等待发送",
    "sent": "已发出",
    "held": "等企业下次留言时告诉",
    "told": "企业留言时已告诉",
    "dead": "没有发出",
    "dropped": "不再需要",
}
_SOURCES = {"chat": "会话点选", "phone": "电话回访", "link": "评价链接", "paper": "纸质表格"}


@dataclass(frozen=True, slots=True)
class Played:
    """One request as it stands at the end, and how many of its clocks were kept."""

    number: str
    state: TicketState
    kept: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Rated:
    """One survey: how it was answered, and the improvement items that its ticket has led to."""

    number: str
    source: str
    answers: str
    improvements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the database holds after the play."""

    tickets: tuple[Played, ...]
    messages: tuple[tuple[str, str, int], ...]  # state, channel, how many
    surveys: tuple[Rated, ...]


def summarise(program: Program) -> Summary:
    """Read what the database holds: every ticket with its clocks, the messages by outcome, the surveys."""
    with program.ctx.read() as session:
        found = sorted(tickets.recent_tickets(session), key=lambda row: row.id)
        played, rated = [], []
        items = improvements.improvements_of(session)
        for row in found:
            late = [event for event in tickets.events_of(session, row.id) if event.what == "overdue"]
            ended = [
                step
                for step in Step
                if courses.last_clock(session.connection(), row.id, step.value, state="stopped")
            ]
            state = TicketState(row.state)
            played.append(Played(row.number, state, len(ended) - len(late), len(late)))
            for one in surveys_of(session, row.id):
                source = one.survey.versions[-1].source if one.survey.versions else ""
                answers = "、".join(label(rating) for rating in one.survey.answers.values())
                own = tuple(item.number for item in items if item.ticket == row.number)
                rated.append(Rated(row.number, source, answers, own))
        messages = tuple(delivery.outbox_counts(session))
    return Summary(tuple(played), messages, tuple(rated))


def show(console: Console, summary: Summary) -> None:
    """Print it as three tables."""
    console.print()
    console.rule("[bold]结果")
    table = Table("编号", "状态", "按时完成的环节", "超期的环节")
    for one in summary.tickets:
        table.add_row(one.number, say(f"state.{one.state}"), str(one.kept), str(one.overdue))
    console.print(table)
    table = Table("消息", "结果", "条数")
    for state, channel, count in summary.messages:
        table.add_row(_CHANNELS.get(channel, channel), _OUTCOMES[state], str(count))
    console.print(table)
    table = Table("评价", "方式", Column("五项结果", overflow="fold"), "改进项")
    for rated in summary.surveys:
        table.add_row(
            rated.number,
            _SOURCES.get(rated.source, rated.source),
            rated.answers,
            "、".join(rated.improvements) or "—",
        )
    console.print(table)
