"""Commands around the working calendar: show the notices in force, bring in a year's notice."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bot.actions.clocks import notices, preview_notice, replace_notice
from bot.app import open_context
from bot.core.calendar import DayKind, HolidayNotice, SpecialDay, break_days
from bot.errors import RefusedError
from bot.settings import Settings

_LONGEST = 30  # days of one break: more is a slip of the pen


def show_calendar(settings: Settings, *, today: date) -> list[str]:
    """The notices in force, a line for each holiday; says what holds where this or the next year's is missing."""
    known = {notice.year: notice for notice in notices(open_context(settings))}
    lines: list[str] = []
    for year in sorted(known.keys() | {today.year, today.year + 1}):
        if year in known:
            lines += _described(known[year])
        else:
            lines.append(
                f"{year}年：放假安排尚未录入，暂按周末和法定节假日推算。公布后请用 nqi calendar import 录入。"
            )
    return lines


def import_notice(settings: Settings, file: Path, *, dry_run: bool) -> list[str]:
    """Bring in the notice of a file, in place of its year's; says which deadlines of open tickets move, a line each.

    Raises RefusedError, and changes nothing, where the file cannot be read or is no notice.
    """
    notice = read_notice(file)
    ctx = open_context(settings)
    shifts = preview_notice(ctx, notice) if dry_run else replace_notice(ctx, notice, actor="nqi")
    done = "检查通过（未写入）" if dry_run else "已录入"
    return [
        *(f"{shift.number} {shift.why}" for shift in shifts),
        f"{done}：{notice.year}年放假安排 {notice.number}".rstrip() + f"，{len(shifts)} 个办理时限有变化。",
    ]


def read_notice(file: Path) -> HolidayNotice:
    """One year's notice: JSON with `year`, `breaks` (name, off: first and last day, work: make-up days), and if known
    `number`, `published`, `url`. Raises RefusedError that names what is wrong."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RefusedError("calendar-file", f"读不了 {file}：{error.strerror}。") from error
    except ValueError as error:
        raise RefusedError("calendar-file", f"{file} 不是 UTF-8 编码的 JSON 文件。") from error
    try:
        days = tuple(special for one in data["breaks"] for special in _days(one))
        published = date.fromisoformat(data["published"]) if data.get("published") else None
        year, number, url = int(data["year"]), str(data.get("number", "")), str(data.get("url", ""))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RefusedError(
            "calendar-file",
            f"{file} 不是一份放假安排（{error}）。应有 year 和 breaks，每个节日写 name、off（首日和末日）、work（调休上班日）。",
        ) from error
    if not days or len(number) > 120 or len(url) > 300:
        raise RefusedError("calendar-file", f"{file} 里没有放假日期，或文号、网址过长。")
    return HolidayNotice(year, days, number, published, url)


def _days(one: dict[str, Any]) -> list[SpecialDay]:
    name = str(one["name"])
    first, last = (date.fromisoformat(end) for end in one["off"])
    length = (last - first).days + 1
    if not 1 <= length <= _LONGEST:
        raise RefusedError("calendar-day", f"{name}放假应为1到{_LONGEST}天：{first} 至 {last}。")
    worked = [date.fromisoformat(day) for day in one["work"]]
    for day in worked:
        if day.weekday() < 5:
            raise RefusedError("calendar-day", f"{name}的调休上班日 {day} 不是周末，请核对。")
    return break_days(name, first, last, worked)


def _described(notice: HolidayNotice) -> list[str]:
    published = f"，{notice.published}公布" if notice.published else ""
    lines = [f"{notice.year}年：{notice.number or '未写文号'}{published}"]
    holidays: dict[str, list[SpecialDay]] = {}
    for special in sorted(notice.days, key=lambda one: one.day):
        holidays.setdefault(special.name, []).append(special)
    for name, days in holidays.items():
        told = [
            _spans([one.day for one in days if one.kind is kind]) + verb
            for kind, verb in ((DayKind.OFF, "放假"), (DayKind.WORK, "上班"))
            if any(one.kind is kind for one in days)
        ]
        lines.append(f"  {name}：{'，'.join(told)}")
    return lines


def _spans(days: list[date]) -> str:
    """Days in order, those that follow each other as one span."""
    spans: list[list[date]] = []
    for day in days:
        if spans and spans[-1][-1] + timedelta(days=1) == day:
            spans[-1].append(day)
        else:
            spans.append([day])
    return "、".join(
        "至".join(f"{day.month}月{day.day}日" for day in dict.fromkeys((span[0], span[-1]))) for span in spans
    )
