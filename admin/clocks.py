"""The clocks in the browser: how long each step may take and who is told, the notices in force, closures of stations."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product, zip_longest
from typing import Annotated, Any
from unicodedata import normalize

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from admin.auth import Guard, Visit, check_csrf, visiting
from admin.templating import page
from bot.actions import deadline_rules as action
from bot.actions.clocks import Shift, notices
from bot.actions.context import Context
from bot.core.deadline_rules import DEFAULT_RULES, Allowance, Prompt, Recipient, Rule, Rules, Step
from bot.core.deadlines import explain_rules
from bot.core.permissions import Right
from bot.core.times import china_date
from bot.core.wording import say
from bot.errors import RefusedError, SettingsError
from intents.categories import Category
from intents.quantities import Urgency

_SHOWN = 50  # clocks listed of those that move
_MOST_ROWS = 24  # reminders and escalations of one form
_MOST_BYTES = 200_000  # of one form; a notice takes about 3,000
_NUMBER = re.compile(r"\d{1,4}(?:\.\d{1,2})?")
_UNITS = {"d": "工作日", "h": "工作小时"}
_Typed = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a form did, or would do: the heading, what changes in words, and the clocks that move."""

    title: str
    is_trial: bool
    lines: list[str] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)

    @property
    def shown(self) -> list[Shift]:
        """The first of the clocks that move."""
        return self.shifts[:_SHOWN]

    @property
    def moved(self) -> int:
        """How many are due at another moment."""
        return sum(shift.before != shift.after for shift in self.shifts)


@dataclass(frozen=True, slots=True)
class _Visit(Visit):
    """Who looks."""

    def show(
        self, template: str, *, outcome: _Outcome | None, refusal: RefusedError | None, **values: Any
    ) -> HTMLResponse:
        """A page with what a form did, or why it was refused."""
        return page(
            self.request,
            template,
            status=refusal.status if refusal else 200,
            actor=self.actor,
            csrf=self.token,
            may_edit=self.actor.may(Right.EDIT_CLOCKS),
            outcome=outcome,
            problem=refusal.message if refusal else "",
            **values,
        )


def clocks_router(ctx: Context, guard: Guard) -> APIRouter:
    """The pages /clocks and /calendar and their forms: who sees tickets looks, who edits clocks changes."""
    router = APIRouter(default_response_class=HTMLResponse)
    see, edit = (
        visiting(ctx, guard, Right.SEE_TICKETS, _Visit),
        visiting(ctx, guard, Right.EDIT_CLOCKS, _Visit),
    )

    @router.get("/clocks")
    def clocks(visit: Annotated[_Visit, Depends(see)], step: str = "") -> HTMLResponse:
        return _clocks_page(visit, {"step": step})

    @router.post("/clocks")
    def change(
        visit: Annotated[_Visit, Depends(edit)], typed: Annotated[_Typed, Depends(_posted)]
    ) -> HTMLResponse:
        check_csrf(typed.get("csrf", ""), visit.token)
        try:
            outcome = _change_rules(visit, typed)
        except RefusedError as refusal:
            return _clocks_page(visit, typed, refusal=refusal)
        return _clocks_page(visit, typed, outcome=outcome)

    @router.get("/calendar")
    def calendar(visit: Annotated[_Visit, Depends(see)]) -> HTMLResponse:
        return _calendar_page(visit, {})

    def posted(do: Callable[[_Visit, _Typed], _Outcome]) -> Callable[..., HTMLResponse]:
        def answer(
            visit: Annotated[_Visit, Depends(edit)], typed: Annotated[_Typed, Depends(_posted)]
        ) -> HTMLResponse:
            check_csrf(typed.get("csrf", ""), visit.token)
            try:
                outcome = do(visit, typed)
            except RefusedError as refusal:
                return _calendar_page(visit, typed, refusal=refusal)
            return _calendar_page(visit, typed if outcome.is_trial else {}, outcome=outcome)

        return answer

    router.post("/calendar/notice")(posted(_bring_notice))
    router.post("/calendar/close")(posted(_close))
    router.post("/calendar/open")(posted(_open))
    return router


async def _posted(request: Request) -> _Typed:
    """The fields of a form by name, a file as its text; raises RefusedError with what to do."""
    told = request.headers.get("content-length", "")
    if not (told.isascii() and told.isdecimal() and len(told) < 16 and int(told) <= _MOST_BYTES):
        raise RefusedError(
            "upload", f"提交的内容太大：最大 {_MOST_BYTES // 1000} KB。请返回上一页，检查后再提交。"
        )
    try:
        async with request.form(max_files=1, max_fields=400) as form:
            typed = {name: value for name, value in form.items() if isinstance(value, str)}
            file = form.get("file")
            if isinstance(file, UploadFile) and file.filename:
                typed["text"] = (await file.read()).decode("utf-8-sig", errors="replace")
    except HTTPException as error:
        raise RefusedError("upload", "提交的内容不完整，请刷新页面后再试。") from error
    return typed


# --- the rules ---


def _change_rules(visit: _Visit, typed: _Typed) -> _Outcome:
    """Try or write what one form of the page says."""
    before = action.rules(visit.ctx)
    after = _after(before, typed)
    changes, lines = after.to_json(), explain_rules(before, after)
    if not lines:
        return _Outcome("没有改动", is_trial=True)
    seen = typed.get("seen", "")
    if typed.get("action") != "save":
        shifts = action.preview_rules(visit.ctx, changes, seen=seen)
        return _Outcome("将要改动（尚未保存）", is_trial=True, lines=lines, shifts=shifts)
    shifts = action.replace_rules(visit.ctx, changes, actor=visit.actor.name, seen=seen)
    return _Outcome("已保存", is_trial=False, lines=lines, shifts=shifts)


def _after(before: Rules, typed: _Typed) -> Rules:
    """The rules as a form wants them; SettingsError says which field cannot be."""
    match typed.get("part"):
        case "steps":
            kept = [rule for rule in before.rules if rule.category is not None]
            return Rules((*_step_rules(typed), *kept), before.prompts)
        case "categories":
            kept = [rule for rule in before.rules if rule.step is not Step.SERVICE or rule.category is None]
            return Rules((*kept, *_category_rules(typed)), before.prompts)
        case "prompts":
            step = _step(typed)
            others = [prompt for prompt in before.prompts if prompt.step is not step]
            return Rules(before.rules, (*others, *_prompts(step, typed)))
        case "defaults":
            return DEFAULT_RULES
    raise RefusedError("form", "提交的内容不完整，请刷新页面后再试。")


def _step_rules(typed: _Typed) -> list[Rule]:
    found = []
    for step, urgency in product(Step, Urgency):
        named = f"{step.label}（{say(f'urgency.{urgency}')}）"
        allowance = _time(typed, f"{step}:{urgency}", named)
        if allowance is None:
            raise SettingsError("clock-field", f"请填写{named}。")
        found.append(Rule(step, urgency, allowance))
    return found


def _category_rules(typed: _Typed) -> list[Rule]:
    found = []
    for category, urgency in product(Category, Urgency):
        named = f"{category.label}的服务周期（{say(f'urgency.{urgency}')}）"
        allowance = _time(typed, f"{category}:{urgency}", named)
        if allowance is not None:
            found.append(Rule(Step.SERVICE, urgency, allowance, category))
    return found


def _prompts(step: Step, typed: _Typed) -> list[Prompt]:
    found = []
    for row, urgency in product(range(_MOST_ROWS), Urgency):
        offset = _time(typed, f"{row}:{urgency}", f"第{row + 1}行（{say(f'urgency.{urgency}')}）")
        if offset is None:
            continue
        told = typed.get(f"{row}:to", "")
        if told not in set(Recipient):
            raise SettingsError("clock-field", f"请选择第{row + 1}行要告知谁。")
        is_escalation = typed.get(f"{row}:kind") == "escalate"
        found.append(Prompt(step, urgency, offset, Recipient(told), is_escalation))
    return found


def _time(typed: _Typed, name: str, named: str) -> Allowance | None:
    """What stands in a pair of fields, number and unit; None where the number is empty."""
    text = normalize("NFKC", typed.get(name, "")).strip()
    if not text:
        return None
    is_days = typed.get(f"{name}:unit", "d") == "d"
    if not _NUMBER.fullmatch(text) or (is_days and "." in text):
        raise SettingsError("clock-field", f"{named}请填数字，工作日请填整数。")
    return Allowance(days=int(text)) if is_days else Allowance(hours=float(text))


def _step(typed: _Typed) -> Step:
    key = typed.get("step", "")
    if key not in set(Step):
        raise SettingsError("clock-field", "没有这个环节，请刷新页面后再试。")
    return Step(key)


def _clocks_page(
    visit: _Visit, typed: _Typed, *, outcome: _Outcome | None = None, refusal: RefusedError | None = None
) -> HTMLResponse:
    """The page; after a trial or a refusal with what was typed."""
    rules = action.rules(visit.ctx)
    part = typed.get("part", "") if refusal or (outcome and outcome.is_trial) else ""
    values = _rule_values(rules)
    if part in values:
        values[part] = dict(typed)
    chosen = Step(typed["step"]) if typed.get("step") in set(Step) else None
    row_values: dict[str, str] = {}
    if chosen is not None:
        row_values = dict(typed) if part == "prompts" else _prompt_values(rules.prompts_of(chosen))
    return visit.show(
        "clocks.html",
        outcome=outcome,
        refusal=refusal,
        part=part,
        seen=typed.get("seen", "") if part else action.version(rules),
        values=values,
        chosen=chosen,
        rows=row_values,
        row_count=min(_MOST_ROWS, _rows_used(row_values) + 2),
        told={step: _told(rules, step) for step in Step},
        changed=explain_rules(DEFAULT_RULES, rules),
        steps=tuple(Step),
        urgencies={urgency: say(f"urgency.{urgency}") for urgency in Urgency},
        categories=tuple(Category),
        recipients={one: say(f"role.{one}") for one in Recipient},
        units=_UNITS,
    )


def _rule_values(rules: Rules) -> dict[str, dict[str, str]]:
    """The fields of the two tables of rules: for all categories, and the service periods of single ones."""
    of_all = {f"{one.step}:{one.urgency}": one.allowance for one in rules.rules if one.category is None}
    service = [one for one in rules.rules if one.step is Step.SERVICE and one.category is not None]
    own = {f"{one.category}:{one.urgency}": one.allowance for one in service}
    return {"steps": _filled(of_all), "categories": _filled(own)}


def _prompt_values(prompts: tuple[Prompt, ...]) -> dict[str, str]:
    """The fields of a step's prompts: one row for each role, with a column for each urgency."""
    values: dict[str, str] = {}
    rows = 0
    groups = dict.fromkeys((prompt.is_escalation, prompt.to) for prompt in prompts)
    for is_escalation, to in sorted(groups, key=lambda group: group[0]):
        columns = [
            [
                one
                for one in prompts
                if (one.is_escalation, one.to, one.urgency) == (is_escalation, to, urgency)
            ]
            for urgency in Urgency
        ]
        for row in zip_longest(*columns):
            values |= {f"{rows}:kind": "escalate" if is_escalation else "remind", f"{rows}:to": to.value}
            values |= _filled({f"{rows}:{one.urgency}": one.offset for one in row if one is not None})
            rows += 1
    return values


def _filled(times: Mapping[str, Allowance]) -> dict[str, str]:
    numbers = {name: f"{time.days}" if time.days else f"{time.hours:g}" for name, time in times.items()}
    return numbers | {f"{name}:unit": "d" if time.days else "h" for name, time in times.items()}


def _rows_used(values: _Typed) -> int:
    """How many rows hold anything, up to the last one that does."""
    used = [row for row, urgency in product(range(_MOST_ROWS), Urgency) if values.get(f"{row}:{urgency}")]
    return max(used, default=-1) + 1


def _told(rules: Rules, step: Step) -> list[str]:
    """Who is told of a step where nothing is urgent, in words."""
    return [prompt.label for prompt in rules.prompts_of(step) if prompt.urgency is Urgency.NORMAL]


# --- the calendar ---


def _bring_notice(visit: _Visit, typed: _Typed) -> _Outcome:
    if not typed.get("text", "").strip():
        raise RefusedError("upload", "没有选择文件，请选择放假安排的 JSON 文件后再提交。")
    notice = action.read_notice(typed["text"], name="这个文件")
    lines = [
        f"{name}：{off or '不'}放假" + (f"，{work}上班" if work else "")
        for name, off, work in action.breaks_of(notice)
    ]
    if typed.get("action") != "save":
        shifts = action.preview_notice(visit.ctx, notice)
        return _Outcome(
            f"{notice.year}年放假安排检查通过，尚未录入", is_trial=True, lines=lines, shifts=shifts
        )
    shifts = action.replace_notice(visit.ctx, notice, actor=visit.actor.name)
    return _Outcome(f"已录入{notice.year}年放假安排", is_trial=False, lines=lines, shifts=shifts)


def _close(visit: _Visit, typed: _Typed) -> _Outcome:
    station = typed.get("station", "").strip()
    first, last = typed.get("first", ""), typed.get("last", "") or typed.get("first", "")
    closure = action.read_closure(
        _at(first, typed.get("opens", "")),
        _at(last, typed.get("closes", "")),
        reason=typed.get("reason", ""),
    )
    lines = [action.Shut(0, station, closure).label]
    if typed.get("action") != "save":
        shifts = action.preview_closing(visit.ctx, closure, station=station)
        return _Outcome("停办可以登记，尚未登记", is_trial=True, lines=lines, shifts=shifts)
    shifts = action.close_station(visit.ctx, closure, actor=visit.actor.name, station=station)
    return _Outcome("已登记停办", is_trial=False, lines=lines, shifts=shifts)


def _open(visit: _Visit, typed: _Typed) -> _Outcome:
    number = typed.get("closure", "")
    closure_id = int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 0
    lines = [typed.get("seen", "")]
    if typed.get("action") != "save":
        shifts = action.preview_opening(visit.ctx, closure_id)
        return _Outcome("取消这条停办会改动以下时限，尚未取消", is_trial=True, lines=lines, shifts=shifts)
    shifts = action.open_station(visit.ctx, closure_id, actor=visit.actor.name, seen=typed.get("seen", ""))
    return _Outcome("已取消停办", is_trial=False, lines=lines, shifts=shifts)


def _at(day: str, clock: str) -> str:
    return f"{day.strip()}T{clock.strip()}" if clock.strip() else day


def _calendar_page(
    visit: _Visit, typed: _Typed, *, outcome: _Outcome | None = None, refusal: RefusedError | None = None
) -> HTMLResponse:
    """The page; after a trial or a refusal with what was typed."""
    now = visit.ctx.clock.now()
    this_year = china_date(now).year
    found = sorted(notices(visit.ctx), key=lambda notice: -notice.year)
    known = {notice.year for notice in found}
    shut = action.shut_stations(visit.ctx)
    return visit.show(
        "calendar.html",
        outcome=outcome,
        refusal=refusal,
        typed=typed,
        this_year=this_year,
        provisional=[year for year in (this_year, this_year + 1) if year not in known],
        notices=[(notice, action.breaks_of(notice)) for notice in found],
        shut=[one for one in shut if one.closure.end > now],
        past=[one for one in reversed(shut) if one.closure.end <= now],
        stations=action.known_stations(visit.ctx),
    )
