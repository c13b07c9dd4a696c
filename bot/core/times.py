"""China's time: stored in UTC, shown in Asia/Shanghai."""

from datetime import date, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")  # no summer time since 1991


def china_date(moment: datetime) -> date:
    """The date in Asia/Shanghai at that moment."""
    return moment.astimezone(CHINA).date()


def china_text(moment: datetime) -> str:
    """The moment as people in China read it: 2026-11-21 20:15."""
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
