"""What may be sent: raised by acts of the contact, never lowered, gone when the window closes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.messages import Incoming, Kind
from bot.core.reach import Quotas, abilities, allowance_after

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
QUOTAS = Quotas(message=5, message_hours=48, event=3, event_seconds=60, enter=2)


def push(kind: Kind = Kind.TEXT, event: str = "", menu_id: str = "") -> Incoming:
    return Incoming("official", "wx", "o", "gh", kind, NOW, event=event, menu_id=menu_id)


@pytest.mark.parametrize(
    ("incoming", "count", "span"),
    [
        (push(), 5, timedelta(hours=48)),
        (push(Kind.IMAGE), 5, timedelta(hours=48)),
        (push(menu_id="entry:MET-05"), 3, timedelta(minutes=1)),
        (push(Kind.EVENT, "subscribe"), 3, timedelta(minutes=1)),
        (push(Kind.EVENT, "click"), 3, timedelta(minutes=1)),
        (push(Kind.EVENT, "user_enter_tempsession"), 2, timedelta(minutes=1)),
    ],
)
def test_each_act_grants_what_the_protocol_says(incoming: Incoming, count: int, span: timedelta) -> None:
    assert allowance_after(incoming, left=0, until=None, quotas=QUOTAS, now=NOW) == (count, NOW + span)


@pytest.mark.parametrize("event", ["view", "location", "templatesendjobfinish", "unsubscribe"])
def test_other_events_grant_nothing(event: str) -> None:
    assert allowance_after(push(Kind.EVENT, event), left=0, until=None, quotas=QUOTAS, now=NOW) == (0, None)


@given(
    left=st.integers(0, 5),
    minutes=st.integers(-100, 3000),
    kind=st.sampled_from([push(), push(menu_id="x"), push(Kind.EVENT, "scan"), push(Kind.EVENT, "view")]),
)
def test_an_open_window_is_never_made_smaller_and_a_closed_one_counts_for_nothing(
    left: int, minutes: int, kind: Incoming
) -> None:
    until = NOW + timedelta(minutes=minutes)
    after, ends = allowance_after(kind, left=left, until=until, quotas=QUOTAS, now=NOW)
    if minutes > 0:
        assert after >= left
        assert ends is not None
        assert ends >= until
    else:
        assert after in (0, 3, 5)


@pytest.mark.parametrize(
    ("account", "kind", "passive", "customer"),
    [
        ("official", "subscription_unverified", True, False),
        ("official", "subscription", True, True),
        ("official", "service", True, True),
        ("miniprogram", "", False, True),
    ],
)
def test_abilities_follow_the_account_kind(account: str, kind: str, passive: bool, customer: bool) -> None:
    able = abilities(account, kind, links=True)
    assert (able.has_passive_reply, able.has_customer_messages) == (passive, customer)
