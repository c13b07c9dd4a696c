"""Needs that do not come from the chat: one entry, one ticket, one number, however often and at once they come."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.actions.clocks import load_shipped
from bot.actions.context import Context
from bot.actions.courses import take_step
from bot.actions.intake import Likely, Registered, record_visit, register_entry, register_from_portal
from bot.actions.tickets import _open_ticket
from bot.core.brain import Brain
from bot.core.intake import Problem, Typed, VisitTyped
from bot.core.permissions import Actor, Role
from bot.core.ticket_states import Move, TicketKind, TicketState
from bot.core.tickets import version
from bot.core.turns import Form
from bot.errors import ConflictError, ForbiddenError
from bot.settings import Settings
from bot.store import conversations, courses, tickets, visits
from bot.store.base import Database
from bot.store.delivery import OutboxMessage
from bot.store.migrate import upgrade
from bot.store.people import Contact
from bot.store.tickets import Ticket, TicketEvent
from bot.store.visits import Visit
from intents.quantities import Urgency
from knowledge.entries import Release
from knowledge.search import Index
from tests.bot.core.test_brain import Told
from tests.make import SetClock

LI, CHEN = (Actor(number, name, Role.STAFF) for number, name in ((1, "小李"), (2, "小陈")))
NEED = Typed(
    kind="need",
    source="phone",
    applicant="示例甜水食品有限公司",
    person="王经理",
    phone="13800000000",
    content="检测一批矿泉水",
    category="testing",
)
VISIT = VisitTyped("示例甜水食品有限公司", "王经理", "13800000000", "2026-11-20", "小李", "天平一年没有校准")


@dataclass(slots=True)
class Desk:
    """A context with a clock that can be set."""

    ctx: Context
    clock: SetClock
    reader: Told

    def enters(self, *, by: Actor = LI, key: str = "", shown: tuple[str, ...] = (), **changes: str) -> Any:
        return register_entry(self.ctx, replace(NEED, **changes), actor=by, key=key, shown=shown)

    def number(self, **changes: str) -> str:
        done = self.enters(**changes)
        assert isinstance(done, Registered), done
        return done.number

    def sends(self, key: str = "k1", **changes: str) -> Any:
        return register_from_portal(self.ctx, replace(NEED, source="portal", **changes), key=key)

    def ticket(self, number: str) -> Ticket:
        with self.ctx.read() as session:
            found = tickets.ticket_numbered(session, number)
            assert found is not None
            return found

    def events(self, number: str) -> list[TicketEvent]:
        ticket = self.ticket(number)
        with self.ctx.read() as session:
            return tickets.events_of(session, ticket.id)

    def all(self, column: Any) -> list[Any]:
        with self.ctx.read() as session:
            return list(session.scalars(sa.select(column)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'nqi.db'}")
    upgrade(database)
    clock, reader = SetClock(), Told()
    brain = Brain(reader, Index.build(Release.of(()), reader.tokenizer))
    ctx = Context(Settings(), database, clock, brain)
    load_shipped(ctx)
    yield Desk(ctx, clock, reader)
    database.close()


# --- what staff enter ---


def test_an_entry_holds_its_form_its_source_and_who_recorded_it(desk: Desk) -> None:
    done = desk.enters(started_at="2026-11-20T09:30", urgency="green")
    assert isinstance(done, Registered)
    ticket, first = desk.ticket(done.number), desk.events(done.number)[0]
    assert done == Registered("NQI-2026-000001", ticket.respond_by, TicketState.REGISTERED)
    assert (ticket.channel, ticket.recorder, ticket.urgency, ticket.visit) == ("phone", "小李", "green", "")
    assert (ticket.applicant, ticket.person, ticket.phone) == (NEED.applicant, "王经理", "13800000000")
    assert (ticket.content, ticket.category) == ("检测一批矿泉水", "testing")
    assert ticket.started_at == desk.clock.now() - timedelta(hours=26, minutes=30)
    assert (first.actor, first.what, first.party) == ("小李", "registered", "")


def test_the_recorder_stays_and_cannot_review(desk: Desk) -> None:
    number = desk.number()
    with desk.ctx.read() as session:
        row = tickets.ticket_numbered(session, number)
        assert row is not None
        course = courses.course_of(row, tickets.events_of(session, row.id))
    with pytest.raises(ForbiddenError, match="审核人不能是记录人"):
        take_step(desk.ctx, number, Move.DISMISS, actor=LI, seen=version(course), reason="重复")
    take_step(desk.ctx, number, Move.DISMISS, actor=CHEN, seen=version(course), reason="重复")
    ticket = desk.ticket(number)
    assert (ticket.recorder, ticket.reviewer, ticket.state) == ("小李", "小陈", "closed")
    assert desk.events(number)[-1].told_way == "by-phone"
    assert desk.all(OutboxMessage.id) == [], "nothing is ever sent to them by WeChat"


@pytest.mark.parametrize(
    ("content", "urgency", "expected"),
    [
        ("检测一批矿泉水", "", "normal"),
        ("检测一批矿泉水，加急", "", "urgent"),
        ("检测一批矿泉水，走绿色通道", "", "green"),
        ("检测一批矿泉水，加急", "normal", "normal"),
        ("检测一批矿泉水", "urgent", "urgent"),
    ],
)
def test_the_urgency_is_chosen_or_read_from_the_content(
    desk: Desk, content: str, urgency: str, expected: Urgency
) -> None:
    assert desk.ticket(desk.number(content=content, urgency=urgency)).urgency == expected


def test_a_category_that_was_left_open_is_suggested_by_the_content(desk: Desk) -> None:
    assert desk.ticket(desk.number(category="")).category == "metrology"
    assert len(desk.reader.heard) == 1
    assert desk.ticket(desk.number(content="椰子油检测重金属")).category == "testing"
    assert len(desk.reader.heard) == 1, "what a person chose is not guessed at"


def test_the_same_person_is_found_again_and_another_is_not(desk: Desk) -> None:
    first = desk.number()
    again = desk.number(content="椰子油检测重金属", person="李经理")
    other = desk.number(content="天平校准三台", applicant="示例另一家公司")
    nobody = [
        desk.number(kind="suggestion", content=text, applicant="", person="", phone="")
        for text in ("窗口多开一小时", "希望增加培训")
    ]
    owners = [desk.ticket(number).contact_id for number in (first, again, other, *nobody)]
    assert owners[0] == owners[1]
    assert len(set(owners)) == 4
    assert set(desk.all(Contact.account)) == {"desk"}
    assert len(set(desk.all(Contact.openid))) == 4
    with desk.ctx.read() as session:
        said = conversations.transcript(session, desk.ticket(first).conversation_id)
    assert [message.text for message in said] == ["检测一批矿泉水", "椰子油检测重金属"]


def test_a_second_request_for_the_same_is_shown_before_it_is_opened(desk: Desk) -> None:
    first = desk.number()
    found = desk.enters(content="矿泉水送检", person="李经理")
    assert isinstance(found, Likely)
    assert [view.number for view in found.tickets] == [first]
    assert desk.all(Ticket.number) == [first], "nothing was written"
    assert desk.number(content="椰子油检测重金属") == "NQI-2026-000002"
    done = desk.enters(content="矿泉水送检", shown=(first,))
    assert isinstance(done, Registered)
    assert (done.number, done.duplicates) == ("NQI-2026-000003", (first,))


@pytest.mark.parametrize(
    ("changes", "is_shown"),
    [
        ({"applicant": "示例另一家公司"}, True),  # the same phone
        ({"phone": "13900000000", "applicant": "示例甜水 食品有限公司"}, True),  # the same name
        ({"phone": "13900000000", "applicant": "示例另一家公司"}, False),
        ({"kind": "complaint"}, False),
    ],
)
def test_duplicates_are_those_of_the_same_enterprise_and_kind(
    desk: Desk, changes: dict[str, str], *, is_shown: bool
) -> None:
    desk.number()
    assert isinstance(desk.enters(**changes), Likely) is is_shown


def test_two_private_persons_are_not_one_enterprise(desk: Desk) -> None:
    desk.number(applicant="个人")
    assert isinstance(desk.enters(applicant="个人", phone="13900000000"), Registered)


def test_what_was_not_shown_is_not_waved_through(desk: Desk) -> None:
    first = desk.number()
    second = desk.number(content="椰子油检测重金属")
    found = desk.enters(content="椰子油的重金属检测", shown=(first,))
    assert isinstance(found, Likely)
    assert [view.number for view in found.tickets] == [second]


def test_a_request_from_the_chat_counts_as_well(desk: Desk) -> None:
    with desk.ctx.transaction() as tx:
        talk = conversations.talk_with(tx.connection, "official", "o1", now=tx.now)
        form = Form(TicketKind.NEED, content="矿泉水送检", category="testing", phone="13800000000")
        number = _open_ticket(tx, talk, form, channel="wechat-official").number
    found = desk.enters()
    assert isinstance(found, Likely)
    assert found.tickets[0].number == number
    assert (desk.ticket(number).recorder, desk.events(number)[0].actor) == ("bot", "contact")


def test_one_page_sent_twice_opens_one_ticket_and_the_next_need_another(desk: Desk) -> None:
    first, second = desk.enters(key="page-1"), desk.enters(key="page-1")
    assert (first.number, first.is_repeat) == (second.number, not second.is_repeat)
    other = desk.enters(key="page-1", content="椰子油检测重金属")
    assert other.number == "NQI-2026-000002", "back to the form, and the next need in it"


def test_refused_entries_name_their_fields_and_write_nothing(desk: Desk) -> None:
    assert [problem.field for problem in desk.enters(phone="138", person="")] == ["person", "phone"]
    assert desk.enters(source="portal") == (Problem("source", "请选择来源。"),)
    assert [one.field for one in desk.enters(source="visit", visit="NQI-V-2026-000009")] == ["visit"]
    assert desk.all(Ticket.id) == desk.all(Contact.id) == []
    assert desk.number() == "NQI-2026-000001"


@pytest.mark.parametrize("role", [Role.EVALUATOR, Role.COORDINATOR, Role.MAINTAINER])
def test_who_may_not_handle_tickets_may_not_enter_them(desk: Desk, role: Role) -> None:
    actor = Actor(3, "小王", role)
    with pytest.raises(ForbiddenError):
        register_entry(desk.ctx, NEED, actor=actor)
    with pytest.raises(ForbiddenError):
        record_visit(desk.ctx, VISIT, actor=actor)


# --- visits ---


def test_a_visit_opens_needs(desk: Desk) -> None:
    number = record_visit(desk.ctx, VISIT, actor=LI)
    assert number == "NQI-V-2026-000001"
    assert record_visit(desk.ctx, VISIT, actor=LI) == number, "the form was sent twice"
    assert record_visit(desk.ctx, replace(VISIT, findings="标签不全"), actor=LI) == "NQI-V-2026-000002"
    need = desk.number(source="visit", visit=number)
    assert (desk.ticket(need).channel, desk.ticket(need).visit) == ("visit", number)
    with desk.ctx.read() as session:
        assert [ticket.number for ticket in visits.tickets_of_visit(session, number)] == [need]
        assert visits.count_tickets_of(session, [number, "NQI-V-2026-000002"]) == {number: 1}


def test_a_refused_visit_leaves_no_gap(desk: Desk) -> None:
    problems = record_visit(desk.ctx, replace(VISIT, visited_on="2026-11-22"), actor=LI)
    assert isinstance(problems, tuple)
    assert problems[0].field == "visited_on"
    assert record_visit(desk.ctx, VISIT, actor=LI) == "NQI-V-2026-000001"


# --- what a portal sends ---


def test_a_portal_gets_the_same_answer_under_the_same_key(desk: Desk) -> None:
    first = desk.sends()
    desk.clock.move(days=400)
    assert desk.sends() == replace(first, is_repeat=True)
    with pytest.raises(ConflictError, match="Idempotency-Key"):
        desk.sends(content="椰子油检测重金属")
    ticket = desk.ticket(first.number)
    assert (ticket.channel, ticket.origin, ticket.recorder) == ("portal", "portal:k1", "bot")
    assert desk.events(first.number)[0].actor == "contact"
    assert desk.all(Contact.account) == ["portal"]


def test_a_portal_is_told_of_duplicates_and_told_again(desk: Desk) -> None:
    first = desk.number()
    second = desk.sends(content="矿泉水送检")
    assert second.duplicates == (first,)
    assert desk.sends(content="矿泉水送检").duplicates == (first,)


def test_a_portal_is_refused_by_field_and_its_key_stays_free(desk: Desk) -> None:
    assert [problem.field for problem in desk.sends(phone="")] == ["phone"]
    assert desk.sends().number == "NQI-2026-000001"


# --- numbers ---


def test_a_transaction_that_fails_after_it_took_a_number_leaves_no_gap(desk: Desk) -> None:
    taken = []

    def fail() -> None:
        with desk.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "desk", "d1", now=tx.now)
            form = Form(TicketKind.NEED, content="检测一批矿泉水")
            taken.append(_open_ticket(tx, talk, form, channel="phone").number)
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        fail()
    assert taken == ["NQI-2026-000001"]
    assert desk.number() == "NQI-2026-000001"


def test_one_key_at_once_opens_one_ticket(desk: Desk) -> None:
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda _: desk.sends(), range(32)))
    assert {one.number for one in done} == {"NQI-2026-000001"}
    assert sum(not one.is_repeat for one in done) == 1


def test_a_thousand_at_once_are_numbered_without_gaps(desk: Desk) -> None:
    """Requests, complaints, suggestions and visits, with refused ones in between."""
    kinds = ("need", "complaint", "suggestion", "visit")

    def enter(place: int) -> str:
        kind, firm, phone = kinds[place % 4], f"示例第{place}公司", f"138{place:08d}"
        if kind == "visit":
            done = record_visit(desk.ctx, replace(VISIT, enterprise=firm), actor=LI)
            assert isinstance(record_visit(desk.ctx, replace(VISIT, enterprise=""), actor=LI), tuple)
            return str(done)
        refused = desk.enters(kind=kind, source="visit", visit="NQI-V-2020-000001", phone=phone)
        assert isinstance(refused, tuple)
        return desk.number(kind=kind, applicant=firm, phone=phone)

    with ThreadPoolExecutor(32) as pool:
        given = set(pool.map(enter, range(1000)))
    letters = ("", "C-", "S-", "V-")
    expected = {f"NQI-{letter}2026-{serial:06d}" for letter in letters for serial in range(1, 251)}
    assert given == expected
    assert {*desk.all(Ticket.number), *desk.all(Visit.number)} == expected


def test_a_new_year_begins_anew(desk: Desk) -> None:
    desk.number()
    desk.clock.move(days=60)
    assert desk.number(content="椰子油检测重金属") == "NQI-2027-000001"
    assert record_visit(desk.ctx, VISIT, actor=LI) == "NQI-V-2027-000001"
