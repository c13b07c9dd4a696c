"""Commands around the working calendar: show what is in force, bring in a year's notice, close and open stations."""

from datetime import date
from pathlib import Path

from bot.actions import deadline_rules
from bot.actions.clocks import Shift, notices
from bot.actions.deadline_rules import breaks_of, read_closure, shut_stations
from bot.app import open_context
from bot.core.calendar import HolidayNotice
from bot.errors import RefusedError
from bot.settings import Settings

_ACTOR = "nqi"


def show_calendar(settings: Settings, *, today: date) -> list[str]:
    """The closures with their numbers, then the notices in force, a line for each holiday; says what holds where this
    or the next year's is missing."""
    ctx = open_context(settings)
    known = {notice.year: notice for notice in notices(ctx)}
    lines: list[str] = []
    for year in sorted(known.keys() | {today.year, today.year + 1}):
        if year in known:
            lines += _described(known[year])
        else:
            lines.append(
                f"{year}年：放假安排尚未录入，暂按周末和法定节假日推算。公布后请用 nqi calendar import 录入。"
            )
    return [f"停办 {shut.id}：{shut.label}" for shut in shut_stations(ctx)] + lines


def import_notice(settings: Settings, file: Path, *, dry_run: bool) -> list[str]:
    """Bring in the notice of a file, in place of its year's; says which deadlines of open tickets move, a line each.

    Raises RefusedError, and changes nothing, where the file cannot be read or is no notice.
    """
    notice = read_notice(file)
    ctx = open_context(settings)
    if dry_run:
        shifts = deadline_rules.preview_notice(ctx, notice)
    else:
        shifts = deadline_rules.replace_notice(ctx, notice, actor=_ACTOR)
    done = "检查通过（未写入）" if dry_run else "已录入"
    return _told(shifts, f"{done}：{notice.year}年放假安排 {notice.number}".rstrip())


def close_station(
    settings: Settings, first: str, last: str, *, station: str, reason: str, dry_run: bool
) -> list[str]:
    """Close a station (empty: all) on these days or between these moments; says which deadlines move, a line each.

    Raises RefusedError, and changes nothing, where the span cannot be read or the closure cannot be.
    """
    closure = read_closure(first, last, reason=reason)
    ctx = open_context(settings)
    if dry_run:
        shifts = deadline_rules.preview_closing(ctx, closure, station=station)
    else:
        shifts = deadline_rules.close_station(ctx, closure, actor=_ACTOR, station=station)
    done = "检查通过（未写入）" if dry_run else "已登记"
    return _told(shifts, f"{done}：停办 {deadline_rules.Shut(0, station.strip(), closure).label}")


def open_station(settings: Settings, closure_id: int, *, dry_run: bool) -> list[str]:
    """Take a closure back, by its number in `show_calendar`; says which deadlines move, a line each."""
    ctx = open_context(settings)
    if dry_run:
        shifts = deadline_rules.preview_opening(ctx, closure_id)
    else:
        shifts = deadline_rules.open_station(ctx, closure_id, actor=_ACTOR)
    return _told(shifts, f"{'检查通过（未写入）' if dry_run else '已取消'}：停办 {closure_id}")


def read_notice(file: Path) -> HolidayNotice:
    """One year's notice from a file, as `deadline_rules.read_notice`; RefusedError says what is wrong."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise RefusedError("calendar-file", f"读不了 {file}：{error.strerror}。") from error
    except ValueError as error:
        raise RefusedError("calendar-file", f"{file} 不是 UTF-8 编码的 JSON 文件。") from error
    return deadline_rules.read_notice(text, name=str(file))


def _told(shifts: list[Shift], done: str) -> list[str]:
    return [*(f"{shift.number} {shift.why}" for shift in shifts), f"{done}，{len(shifts)} 个办理时限有变化。"]


def _described(notice: HolidayNotice) -> list[str]:
    published = f"，{notice.published}公布" if notice.published else ""
    lines = [f"{notice.year}年：{notice.number or '未写文号'}{published}"]
    for name, off, work in breaks_of(notice):
        told = [days + verb for days, verb in ((off, "放假"), (work, "上班")) if days]
        lines.append(f"  {name}：{'，'.join(told)}")
    return lines
