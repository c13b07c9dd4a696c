"""A file that is no notice is refused in words, and nothing of it is kept."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bot.calendars import close_station, open_station, read_notice, show_calendar
from bot.core.calendar import shipped_notices
from bot.errors import RefusedError
from bot.settings import Settings

HOLIDAYS = Path(__file__).parents[2] / "bot/core/data/holidays.json"
GOOD: dict[str, Any] = {
    "year": 2027,
    "breaks": [{"name": "元旦", "off": ["2027-01-01", "2027-01-03"], "work": ["2027-01-09"]}],
}


def written(folder: Path, data: Any) -> Path:
    file = folder / "notice.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def test_the_shipped_notices_are_read_as_they_ship(tmp_path: Path) -> None:
    entries = json.loads(HOLIDAYS.read_text(encoding="utf-8"))["notices"]
    found = tuple(read_notice(written(tmp_path, entry)) for entry in entries)
    assert found == shipped_notices()


def test_number_and_source_may_be_unknown(tmp_path: Path) -> None:
    notice = read_notice(written(tmp_path, GOOD))
    assert (notice.title, notice.published, len(notice.days)) == ("2027年放假安排", None, 4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"year": "next"}, "不是一份放假安排"),
        ({"year": 2028}, "不属于2028年"),
        ({"breaks": None}, "不是一份放假安排"),
        ({"breaks": ["元旦"]}, "不是一份放假安排"),
        ({"breaks": []}, "没有放假日期"),
        ({"number": "号" * 121}, "过长"),
        ({"published": "yesterday"}, "不是一份放假安排"),
        ({"breaks": [{"name": "元旦", "off": ["2027-01-03", "2027-01-01"], "work": []}]}, "1到30天"),
        ({"breaks": [{"name": "元旦", "off": ["2027-01-01", "2027-12-31"], "work": []}]}, "1到30天"),
        ({"breaks": [{"name": "元旦", "off": ["2027-01-01"], "work": []}]}, "不是一份放假安排"),
        (
            {"breaks": [{"name": "元旦", "off": ["2027-01-01", "2027-01-01"], "work": ["2027-01-04"]}]},
            "不是周末",
        ),
        ({"breaks": GOOD["breaks"] * 2}, "出现了两次"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    file = written(tmp_path, {**GOOD, **change})
    with pytest.raises(RefusedError) as refused:
        read_notice(file)
    assert named in refused.value.message


def test_what_is_no_json_or_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notice.json"
    with pytest.raises(RefusedError, match="读不了"):
        read_notice(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(RefusedError, match="JSON"):
        read_notice(file)
    file.write_text("[1]", encoding="utf-8")
    with pytest.raises(RefusedError, match="放假安排"):
        read_notice(file)


def test_a_station_is_closed_and_opened_from_the_command_line(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, log_level="error")

    def shuts(*, dry_run: bool) -> list[str]:
        return close_station(
            settings, "2026-12-01", "2026-12-02", station="haikou", reason="停电", dry_run=dry_run
        )

    label = "停办 haikou 2026-12-01 至 2026-12-02 全天 停电"
    assert shuts(dry_run=True) == [f"检查通过（未写入）：{label}，0 个办理时限有变化。"]
    assert shuts(dry_run=False) == [f"已登记：{label}，0 个办理时限有变化。"]
    today = date(2026, 11, 21)
    assert show_calendar(settings, today=today)[0] == "停办 1：haikou 2026-12-01 至 2026-12-02 全天 停电"
    assert open_station(settings, 1, dry_run=True)[-1].startswith("检查通过（未写入）：停办 1")
    assert open_station(settings, 1, dry_run=False)[-1].startswith("已取消：停办 1")
    assert not show_calendar(settings, today=today)[0].startswith("停办")
    with pytest.raises(RefusedError, match="没有这条停办"):
        open_station(settings, 1, dry_run=False)
