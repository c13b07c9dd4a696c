"""What an operator edits of the clocks: rules, a year's notice, closures; each change moves what runs and says why."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from bot.actions.clocks import Shift, _foresee, _move_clocks
from bot.actions.context import Context, Transaction
from bot.core.calendar import Closure, DayKind, HolidayNotice, SpecialDay, break_days
from bot.core.deadline_rules import Rules
from bot.core.deadlines import explain_rules
from bot.core.times import CHINA, china_date, china_text
from bot.errors import ConflictError, NotFoundError, RefusedError, SettingsError
from bot.store import clocks as store
from bot.store import runtime
from bot.store.audit import add_line
from bot.store.clocks import Calendars

_LONGEST = 30  # days of one break: more is a slip of the pen
_MOST_STATION, _MOST_REASON = 64, 200  # characters


@dataclass(frozen=True, slots=True)
class Shut:
    """A closure as it is kept: its number, and its station (empty: all of them)."""

    id: int
    station: str
    closure: Closure

    @property
    def where(self) -> str:
        """The station as it is named to people."""
        return self.station or "全部服务站"

    @property
    def span(self) -> str:
        """From when to when; whole days by their dates, the last included."""
        first, last = china_date(self.closure.start), china_date(self.closure.end) - timedelta(days=1)
        if first <= last and Closure.of_days(first, last) == replace(self.closure, reason=""):
            return f"{first} 全天" if first == last else f"{first} 至 {last} 全天"
        return f"{china_text(self.closure.start)} 至 {china_text(self.closure.end)}"

    @property
    def label(self) -> str:
        """One line: where, from when to when, why."""
        return f"{self.where} {self.span} {self.closure.reason}".rstrip()


# --- rules ---


def rules(ctx: Context) -> Rules:
    """The rules in force."""
    with ctx.read() as session:
        return store.calendars(session).rules


def version(table: Rules) -> str:
    """Stands for what a table says: a form that was filled in over another one is refused."""
    return sha256(json.dumps(table.to_json(), sort_keys=True).encode()).hexdigest()[:16]


def preview_rules(ctx: Context, changes: Mapping[str, Any], *, seen: str = "") -> list[Shift]:
    """The running clocks whose reminders or escalations these rules would move; writes nothing.

    `changes` is all that shall differ from the defaults (`Rules.to_json`); raises SettingsError where it cannot hold.
    `seen` is the `version` that the person looked at (ConflictError where somebody was quicker).
    """
    after = Rules.from_json(dict(changes))
    with ctx.read() as session:
        before = store.calendars(session)
        _check_seen(before, seen)
        return _foresee(session, before, before.with_rules(after))


def replace_rules(ctx: Context, changes: Mapping[str, Any], *, actor: str, seen: str = "") -> list[Shift]:
    """Put rules in place of those in force: steps that begin from now on follow them; a running clock keeps the time
    that was promised, and its reminders and escalations follow.

    One transaction; rules that are in force already change nothing. `changes` and `seen` as for `preview_rules`.
    """
    after = Rules.from_json(dict(changes))
    with ctx.transaction() as tx:
        before = store.calendars(tx.connection, will_change=True)
        _check_seen(before, seen)
        if after == before.rules:
            return []
        runtime.put_value(tx.connection, store.RULES, after.to_json(), by=actor, now=tx.now)
        _note(tx, actor, "clock-rules", note="\n".join(explain_rules(before.rules, after)))
        return _move_clocks(tx, before)


def _check_seen(before: Calendars, seen: str) -> None:
    if seen and seen != version(before.rules):
        raise ConflictError("clock-rules", "时限规则刚刚被别人改过，请刷新页面后再改。")


# --- notices ---


def preview_notice(ctx: Context, notice: HolidayNotice) -> list[Shift]:
    """The running clocks that this notice would move; writes nothing."""
    with ctx.read() as session:
        before = store.calendars(session)
        return _foresee(session, before, before.with_notice(notice))


def replace_notice(ctx: Context, notice: HolidayNotice, *, actor: str) -> list[Shift]:
    """Put a notice in place of its year's, move every running clock that rests on it, and write down why.

    One transaction; a notice that is in force already changes nothing.
    """
    with ctx.transaction() as tx:
        before = store.calendars(tx.connection, will_change=True)
        if store.in_order(notice) in before.notices:
            return []
        store.put_notice(tx.connection, notice, now=tx.now)
        _note(tx, actor, "calendar", subject=str(notice.year), note=notice.title)
        return _move_clocks(tx, before)


def read_notice(text: str, *, name: str) -> HolidayNotice:
    """One year's notice: JSON with `year`, `breaks` (name, off: first and last day, work: make-up days), and if known
    `number`, `published`, `url`. Raises RefusedError that names the file and what is wrong with it."""
    try:
        data = json.loads(text)
        days = tuple(special for one in data["breaks"] for special in _days(one))
        published = date.fromisoformat(data["published"]) if data.get("published") else None
        year, number, url = int(data["year"]), str(data.get("number", "")), str(data.get("url", ""))
    except json.JSONDecodeError as error:
        raise RefusedError("calendar-file", f"{name} 不是 UTF-8 编码的 JSON 文件。") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise RefusedError(
            "calendar-file",
            f"{name} 不是一份放假安排（{error}）。应有 year 和 breaks，每个节日写 name、off（首日和末日）、work（调休上班日）。",
        ) from error
    if not days or len(number) > 120 or len(url) > 300:
        raise RefusedError("calendar-file", f"{name} 里没有放假日期，或文号、网址过长。")
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


def breaks_of(notice: HolidayNotice) -> list[tuple[str, str, str]]:
    """The breaks of a notice in order: name, days off and make-up days, as people write them; empty where none."""
    holidays: dict[str, list[SpecialDay]] = {}
    for special in sorted(notice.days, key=lambda one: one.day):
        holidays.setdefault(special.name, []).append(special)
    return [(name, _spans(days, DayKind.OFF), _spans(days, DayKind.WORK)) for name, days in holidays.items()]


def _spans(special: list[SpecialDay], kind: DayKind) -> str:
    """The days of that kind, those that follow each other as one span."""
    spans: list[list[date]] = []
    for day in (one.day for one in special if one.kind is kind):
        if spans and spans[-1][-1] + timedelta(days=1) == day:
            spans[-1].append(day)
        else:
            spans.append([day])
    return "、".join(
        "至".join(f"{day.month}月{day.day}日" for day in dict.fromkeys((span[0], span[-1]))) for span in spans
    )


# --- closures ---


def shut_stations(ctx: Context) -> list[Shut]:
    """Every closure, in the order in which they begin."""
    with ctx.read() as session:
        return [Shut(*one) for one in store.closures(session)]


def known_stations(ctx: Context) -> list[str]:
    """The stations whose code has brought somebody, by name."""
    with ctx.read() as session:
        return store.stations(session)


def read_closure(first: str, last: str, *, reason: str = "") -> Closure:
    """A closure from words: ISO dates (both whole, the last included) or moments in China's time, as 2026-12-01T14:00;
    without `last` up to the end of the first day. Raises SettingsError in words."""
    try:
        start = _moment(first.strip(), is_end=False)
        end = _moment(last.strip() or first.strip()[:10], is_end=True)
        return Closure(start, end, reason.strip())
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            "calendar-closure", "停办的起止请写日期（如 2026-12-01）或日期加时间（如 2026-12-01T14:00）。"
        ) from error


def _moment(text: str, *, is_end: bool) -> datetime:
    if "T" not in text:
        whole = Closure.of_days(date.fromisoformat(text), date.fromisoformat(text))
        return whole.end if is_end else whole.start
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        raise ValueError("the time is China's")
    return found.replace(tzinfo=CHINA)


def preview_closing(ctx: Context, closure: Closure, *, station: str = "") -> list[Shift]:
    """The running clocks that this closure would move; writes nothing. Raises as `close_station` does."""
    with ctx.read() as session:
        before = store.calendars(session)
        return _foresee(session, before, _closed(before, station.strip(), closure))


def close_station(ctx: Context, closure: Closure, *, actor: str, station: str = "") -> list[Shift]:
    """Write down a closure of a station (empty: of all) and move the clocks that rest on it.

    Raises SettingsError when it stands there already, when a name is too long, and when the station would not open
    again within 400 days.
    """
    where = station.strip()
    with ctx.transaction() as tx:
        before = store.calendars(tx.connection, will_change=True)
        _closed(before, where, closure)
        store.add_closure(tx.connection, closure, station=where)
        _note(tx, actor, "closure", subject=where, note=Shut(0, where, closure).label)
        return _move_clocks(tx, before)


def preview_opening(ctx: Context, closure_id: int) -> list[Shift]:
    """The running clocks that would move back without this closure; writes nothing. NotFoundError where it is gone."""
    with ctx.read() as session:
        before = store.calendars(session)
        shut = _shut(store.closures(session), closure_id)
        return _foresee(session, before, before.without_closure(shut.station, shut.closure))


def open_station(ctx: Context, closure_id: int, *, actor: str, seen: str = "") -> list[Shift]:
    """Take a closure back: the clocks that rest on it move, and the ticket says why.

    `seen` is the closure's `label` that the person looked at (ConflictError where another one stands there now).
    """
    with ctx.transaction() as tx:
        before = store.calendars(tx.connection, will_change=True)
        shut = _shut(store.closures(tx.connection), closure_id)
        if seen and seen != shut.label:
            raise ConflictError("closure", "停办安排刚刚有变化，请刷新页面后再试。")
        store.drop_closure(tx.connection, closure_id)
        _note(tx, actor, "closure-end", subject=shut.station, note=shut.label)
        return _move_clocks(tx, before)


def _closed(before: Calendars, station: str, closure: Closure) -> Calendars:
    """The calendars with that closure, if it can be."""
    if len(station) > _MOST_STATION or len(closure.reason) > _MOST_REASON:
        raise SettingsError(
            "calendar-closure", f"服务站请控制在{_MOST_STATION}字以内，事由请控制在{_MOST_REASON}字以内。"
        )
    if (station, closure.start, closure.end) in {
        (where, one.start, one.end) for where, one in before.closures
    }:
        raise SettingsError("calendar-closure", "这段停办已经登记过，不用重复登记。")
    after = before.with_closure(station, closure)
    for where in {station, *(one for one, _ in after.closures if not station)}:
        calendar = after.of(where)
        for shut in calendar.closures:  # two that follow each other may add up to one without end
            calendar.add_working_days(shut.start, 1)
    return after


def _shut(found: list[tuple[int, str, Closure]], closure_id: int) -> Shut:
    for one in found:
        if one[0] == closure_id:
            return Shut(*one)
    raise NotFoundError("closure", "没有这条停办安排，可能已经被取消。")


def _note(tx: Transaction, actor: str, what: str, *, subject: str = "", note: str) -> None:
    add_line(tx.connection, at=tx.now, actor=actor, what=what, subject=subject, note=note)
