"""Where the demonstration is played: the whole program on a folder of its own, by a clock that can leap."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from bot.actions.accounts import add_staff
from bot.actions.libraries import import_file
from bot.actions.links import webhook_secret
from bot.app import Program
from bot.channels.simulator.tokens import Tokens
from bot.core.calendar import WorkCalendar, shipped_notices
from bot.core.permissions import Role
from bot.core.ticket_states import TicketState
from bot.core.times import china_date, china_text
from bot.core.wording import say
from bot.demo.people import Desk, Office, Phone, check
from bot.demo.webhooks import Inbox, receiving
from bot.serving import running
from bot.settings import Settings
from bot.store import clocks, delivery, surveys, tickets
from intents.categories import Category
from knowledge.library import (
    Agreement,
    Capability,
    Contact,
    Provider,
    ProviderKind,
    ProviderStatus,
    Qualification,
    QualificationKind,
    check_character,
)
from knowledge.library_rows import PROVIDERS, written

NAMES = {"P-1": "示例甲检测中心", "P-2": "示例乙检测技术有限公司"}
"""The providers by number."""
_PATIENCE = 30.0  # real seconds for the worker
_WHO = 26  # cells of the column that names who speaks


class LeapClock:
    """The machine's clock with an offset: it goes on by itself, and days pass in a moment."""

    def __init__(self, start: datetime) -> None:
        self._offset = start - datetime.now(UTC)

    def now(self) -> datetime:
        """The moment that is played, aware, in UTC."""
        return datetime.now(UTC) + self._offset

    def leap_to(self, moment: datetime) -> None:
        """Let the time up to that moment pass; it never goes back."""
        self._offset += max(moment - self.now(), timedelta(0))


class _LastingTokens(Tokens):
    """The platform's tokens by the machine's clock, as we keep ours: days that are leapt over end none of them."""

    def stable(self, now: datetime, *, force: bool) -> tuple[str, int]:
        return super().stable(datetime.now(UTC), force=force)

    def check(self, token: str, now: datetime) -> bool:
        return super().check(token, datetime.now(UTC))


@dataclass(slots=True)
class Stage:
    """The running program, the narrator, and everybody who acts."""

    program: Program
    clock: LeapClock
    calendar: WorkCalendar
    console: Console
    pace: float
    offices: dict[str, Office] = field(default_factory=dict)
    staff: dict[str, Desk] = field(default_factory=dict)

    @property
    def li(self) -> Desk:
        """Who handles the requests."""
        return self.staff["小李"]

    @property
    def chen(self) -> Desk:
        """The head, who reviews."""
        return self.staff["陈主任"]

    def heading(self, text: str) -> None:
        """Begin the part of an enterprise."""
        self.console.print()
        self.console.rule(f"[bold]{escape(text)}")

    def tell(self, who: str, words: str) -> None:
        """One line of what happens: when (China), who, and what."""
        line = Text.assemble(
            (china_text(self.clock.now()), "dim"), " ", (set_cell_size(who, _WHO), "cyan"), " "
        )
        line.append(_shortened(" ".join(words.split()), self.console.width - line.cell_len))
        self.console.print(line, soft_wrap=True, highlight=False)
        time.sleep(self.pace)

    def passes(self, *, days: int = 0, hours: float = 0.0) -> None:
        """So many working days pass, to an hour after the opening; or so many hours."""
        self.settles()
        if days:
            day = china_date(self.calendar.add_working_days(self.clock.now(), days).at)
            self.clock.leap_to(self.calendar.openings(day)[0][0] + timedelta(hours=1))
            self.tell("……", f"{days} 个工作日过去了")
        self.clock.leap_to(self.clock.now() + timedelta(hours=hours))
        self.settles()

    def settles(self) -> None:
        """Wait until the worker has done all that is due at this moment."""
        until = time.monotonic() + _PATIENCE
        while self._has_work():
            check(time.monotonic() < until, "后台任务办完到期的事")
            self.program.worker.poke("outbox")
            time.sleep(0.02)

    def _has_work(self) -> bool:
        now = self.clock.now()
        with self.program.ctx.read() as session:
            return bool(
                clocks.due_timers(session, now=now, limit=1)
                or surveys.due_surveys(session, now=now, limit=1)
                or delivery.due_messages(session, now=now, limit=1)
            )

    def stands(self, number: str, state: TicketState) -> None:
        """The ticket must be in that state now."""
        with self.program.ctx.read() as session:
            row = tickets.ticket_numbered(session, number)
        check(
            row is not None and row.state == state,
            f"{number} {say(f'state.{state}')}",
            row.state if row else "",
        )
        self.tell("系统", f"{number} {say(f'state.{state}')}")

    @contextmanager
    def phone(self, name: str, openid: str) -> Iterator[Phone]:
        """Somebody's phone."""
        phone = Phone(self.program, self.tell, name=name, openid=openid)
        try:
            yield phone
        finally:
            phone.close()


@contextmanager
def staged(folder: Path, console: Console, *, pace: float) -> Iterator[Stage]:
    """The whole program on that folder with its simulator, two providers and two members of staff."""
    clock = LeapClock(_morning())
    # Nothing of the environment: a demonstration never reaches the operator's own database or accounts.
    settings = Settings(data_dir=folder, simulator=True, webhook_insecure=True, log_level="error")
    inboxes = {number: Inbox() for number in NAMES}
    with ExitStack() as stack:
        address = stack.enter_context(receiving(inboxes, folder))
        program = stack.enter_context(running(settings, clock=clock))
        _keep_tokens(program)
        with program.ctx.read() as session:
            calendar = clocks.calendars(session).of("")
        stage = Stage(program, clock, calendar, console, pace)
        for number, inbox in inboxes.items():
            inbox.secret = webhook_secret(program.ctx, number)
            stage.offices[number] = Office(stage.tell, name=NAMES[number], inbox=inbox)
            stack.callback(stage.offices[number].close)
        _join(stage, address)
        for name, role in (("小李", Role.STAFF), ("陈主任", Role.HEAD)):
            password = add_staff(program.ctx, name=name, role=role, email="", by="nqi")
            stage.staff[name] = Desk(program, stage.tell, name=name, password=password)
            stack.callback(stage.staff[name].close)
        yield stage


def _keep_tokens(program: Program) -> None:
    assert program.platform is not None, "the demonstration runs with the simulator"
    for name in program.platform.names:
        account = program.platform.settings(name)
        program.platform.owner(account.app_id, account.app_secret).tokens = _LastingTokens()


def _morning() -> datetime:
    """Shortly after the opening of the next working day."""
    calendar = WorkCalendar(shipped_notices())
    day = china_date(calendar.add_working_days(datetime.now(UTC), 1).at)
    return calendar.openings(day)[0][0] + timedelta(minutes=5)


def _shortened(text: str, room: int) -> str:
    return text if cell_len(text) <= room else set_cell_size(text, max(room - 2, 10)).rstrip() + "…"


def _join(stage: Stage, address: str) -> None:
    """The two providers join, as an operator brings them in: by a file."""
    today = china_date(stage.clock.now())
    records = [
        _provider(place, number, name, webhook=f"{address}/{number}", today=today)
        for place, (number, name) in enumerate(NAMES.items(), start=1)
    ]
    data = written(PROVIDERS, records, form="csv")
    report = import_file(stage.program.ctx, PROVIDERS, data, form="csv", actor="nqi")
    check(report.is_written, "两家机构导入成功", str(report.problems))
    stage.tell("系统", f"导入机构库：{'、'.join(NAMES.values())}。{report.summary}")


def _provider(place: int, number: str, name: str, *, webhook: str, today: date) -> Provider:
    code = f"91999999{place:09d}"  # 999999 is no place: the code belongs to nobody
    return Provider(
        number=number,
        name=name,
        kind=ProviderKind.TESTING,
        credit_code=code + check_character(code),
        region="海口市",
        service_regions=("海南省",),
        contacts=(Contact("示例联系人", "业务", "0898-66660001"),),
        webhook=webhook,
        qualifications=(
            Qualification(
                QualificationKind.CMA, f"21000000000{place}", valid_until=today + timedelta(days=900)
            ),
        ),
        capabilities=(
            Capability(Category.TESTING, "椰汁、饮料", "GB 7101", "全项检验", QualificationKind.CMA, 5),
        ),
        agreement=Agreement(f"示例协议{place}", date(today.year, 1, 1)),
        status=ProviderStatus.ACTIVE,
    )
