"""A provider's people on WeChat: bound by a code from the provider's page, and by nothing else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bot.actions.bindings import _LETTERS, CODE_LIFE, _bind, _plain, _unbind, make_code
from bot.actions.contacts import _erase_contact
from bot.actions.context import Context, Transaction
from bot.core.brain import Brain
from bot.settings import Settings
from bot.store import conversations, courses, libraries, referrals
from bot.store.audit import AuditLine
from bot.store.base import Database
from bot.store.conversations import Talk
from bot.store.migrate import upgrade
from tests.make import SetClock

PROVIDER = "P-1"
NAME = "示例检测中心"


@dataclass(slots=True)
class Desk:
    """A platform with two providers, and people who write to it."""

    ctx: Context
    clock: SetClock

    def talk(self, tx: Transaction, person: str) -> Talk:
        return conversations.talk_with(tx.connection, "official", person, now=tx.now)

    def sends(self, code: str, person: str = "o1") -> str:
        with self.ctx.transaction() as tx:
            return _bind(tx, self.talk(tx, person), code)

    def leaves(self, person: str = "o1") -> str:
        with self.ctx.transaction() as tx:
            return _unbind(tx, self.talk(tx, person))

    def bound(self, provider: str = PROVIDER) -> list[str]:
        """Who is told of a provider's referrals."""
        with self.ctx.transaction() as tx:
            return [row.openid for row in courses.bound_contacts(tx.connection, provider)]

    def count(self, provider: str = PROVIDER) -> int:
        with self.ctx.read() as session:
            return len(referrals.bindings_of(session, provider))

    def trail(self) -> list[tuple[str, str]]:
        with self.ctx.read() as session:
            query = sa.select(AuditLine.what, AuditLine.note).order_by(AuditLine.id)
            return [(row.what, row.note) for row in session.execute(query)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new platform, at a moment that stands still."""
    settings, clock = Settings(data_dir=tmp_path), SetClock()
    ctx = Context(settings, Database(settings.database), clock, Brain.__new__(Brain))
    upgrade(ctx.database)
    with ctx.transaction() as tx:
        bodies = {PROVIDER: {"name": NAME}, "P-2": {"name": "示例计量所"}}
        libraries.put_records(tx.connection, "providers", bodies, is_demo=False, now=tx.now)
    yield Desk(ctx, clock)
    ctx.database.close()


def test_a_code_binds_who_sends_it_and_says_so(desk: Desk) -> None:
    code = make_code(desk.ctx, PROVIDER)
    told = desk.sends(code)
    assert f"已绑定{NAME}" in told
    assert "解绑机构" in told
    assert (desk.bound(), desk.count(), desk.count("P-2")) == (["o1"], 1, 0)
    assert desk.trail() == [("bind-provider", PROVIDER)]


def test_a_code_has_eight_letters_that_nobody_mixes_up(desk: Desk) -> None:
    codes = {make_code(desk.ctx, PROVIDER) for _ in range(20)}
    assert len(codes) == 20
    assert all(len(code) == 8 and set(code) <= set(_LETTERS) for code in codes)
    assert not set(_LETTERS) & set("0O1IL2Z5S8BU")


def test_small_letters_gaps_and_full_width_are_the_same_code(desk: Desk) -> None:
    code = make_code(desk.ctx, PROVIDER)
    typed = f" {code[:4].lower()} - {''.join(chr(ord(letter) + 0xFEE0) for letter in code[4:])}。"
    assert "已绑定" in desk.sends(typed)


def test_a_code_works_once_for_half_an_hour_and_only_the_newest(desk: Desk) -> None:
    old, new, other = (make_code(desk.ctx, provider) for provider in (PROVIDER, PROVIDER, "P-2"))
    assert "绑定码不正确或已失效" in desk.sends(old)
    desk.clock.move(minutes=30)
    assert "已绑定" in desk.sends(new)
    assert "绑定码不正确或已失效" in desk.sends(new, "o2")
    desk.clock.move(seconds=1)
    assert "30 分钟内有效" in desk.sends(other)
    assert (desk.bound(), desk.bound("P-2")) == (["o1"], [])


def test_the_open_code_is_shown_until_it_is_used_or_too_old(desk: Desk) -> None:
    def shown() -> str:
        with desk.ctx.read() as session:
            row = referrals.open_code(session, PROVIDER, since=desk.clock.at - CODE_LIFE)
            return row.code if row is not None else ""

    assert shown() == ""
    code = make_code(desk.ctx, PROVIDER)
    assert shown() == code
    desk.sends(code)
    assert shown() == ""
    make_code(desk.ctx, PROVIDER)
    desk.clock.move(days=1)
    assert shown() == ""


def test_a_person_who_binds_again_is_still_told_once(desk: Desk) -> None:
    for _ in range(2):
        desk.sends(make_code(desk.ctx, PROVIDER))
    desk.sends(make_code(desk.ctx, "P-2"))
    desk.sends(make_code(desk.ctx, PROVIDER), "o2")
    assert (desk.bound(), desk.bound("P-2")) == (["o1", "o2"], ["o1"])
    told = desk.leaves()
    assert told.startswith("已解绑")
    assert NAME in told
    assert "示例计量所" in told
    assert (desk.bound(), desk.bound("P-2")) == (["o2"], [])
    assert "还没有绑定机构" in desk.leaves()


def test_after_five_wrong_codes_in_an_hour_none_is_taken(desk: Desk) -> None:
    code = make_code(desk.ctx, PROVIDER)
    for _ in range(5):
        assert "不正确或已失效" in desk.sends("33333333")
    assert "一小时后再试" in desk.sends(code)
    assert desk.bound() == []
    assert "已绑定" in desk.sends(code, "o2"), "others are not kept out"
    desk.clock.move(hours=1)
    assert "已绑定" in desk.sends(make_code(desk.ctx, PROVIDER))
    assert desk.trail().count(("bind-wrong", "")) == 5


def test_two_who_send_one_code_at_once_are_one_bound_and_one_refused(desk: Desk) -> None:
    code = make_code(desk.ctx, PROVIDER)
    with ThreadPoolExecutor(2) as pool:
        told = sorted(text[:5] for text in pool.map(lambda who: desk.sends(code, who), ("o1", "o2")))
    assert [text == "绑定码不正" for text in told].count(True) == 1
    assert len(desk.bound()) == 1


def test_who_is_forgotten_is_told_nothing_more(desk: Desk) -> None:
    desk.sends(make_code(desk.ctx, PROVIDER))
    with desk.ctx.transaction() as tx:
        _erase_contact(tx, desk.talk(tx, "o1"), reason="asked")
    assert (desk.bound(), desk.count()) == ([], 0)


def test_a_provider_that_left_the_library_is_named_by_its_number(desk: Desk) -> None:
    assert "已绑定P-9" in desk.sends(make_code(desk.ctx, "P-9"))


@given(st.text(max_size=300))
def test_any_words_are_read_as_some_code(text: str) -> None:
    code = _plain(text)
    assert len(code) <= 9
    assert code == _plain(code)


@given(st.lists(st.sampled_from(_LETTERS), min_size=8, max_size=8).map("".join), st.sampled_from(" -_。:："))
def test_a_code_is_read_whatever_stands_between_its_letters(code: str, gap: str) -> None:
    assert _plain(gap.join(code)) == _plain(code.lower()) == code
