"""Asking within five working days: every rung of the ladder, what proves it, and what moves it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.actions.asking import (
    look,
)
from bot.actions.deadline_rules import replace_notice
from bot.channels.wechat_errors import failed
from bot.core.reach import Channel
from bot.core.survey_ways import Sending, Way
from bot.core.surveys import Item, Rating
from bot.core.ticket_states import Move, TicketKind
from bot.core.turns import DialogueState, Form
from bot.ports import Sent
from bot.store import surveys, tickets
from bot.store.conversations import Message
from bot.store.delivery import OutboxMessage
from bot.store.improvements import Task
from bot.store.people import Contact
from bot.worker.surveys import ask_due
from tests.surveys import (  # noqa: F401 - fixtures
    ACCOUNT,
    DAY_FIVE,
    EVE,
    LI,
    LONGER,
    NUMBER,
    SETTINGS,
    TEMPLATE,
    Desk,
    Make,
    china,
    desks,
    official_desk,
)

# --- day five


def test_the_deadline_before_the_national_day_break_is_the_one_counted_by_hand(desk: Desk) -> None:
    desk.serves()
    assert desk.history().survey.due == DAY_FIVE


def test_a_changed_notice_moves_the_survey_and_its_call_and_the_history_says_why(desk: Desk) -> None:
    desk.serves()
    desk.goes_to("2026-10-13T09:00")
    assert [call.due_at for call in desk.history().calls] == [DAY_FIVE]
    replace_notice(desk.ctx, LONGER, actor="小李")
    moved = china("2026-10-15T17:30")
    assert (desk.history().survey.due, desk.history().calls[0].due_at) == (moved, moved)
    with desk.ctx.read() as session:
        last = tickets.events_of(session, 1)[-1]
    assert (last.what, "由2026-10-13 17:30调整为2026-10-15 17:30" in last.note) == ("clock-moved", True)


def test_a_notice_that_comes_before_the_call_moves_the_call_too(desk: Desk) -> None:
    desk.serves()
    desk.works()
    replace_notice(desk.ctx, LONGER, actor="小李")
    desk.goes_to("2026-10-15T08:00")
    assert desk.rows(Task) == []
    desk.goes_to("2026-10-15T09:00")
    assert len(desk.rows(Task)) == 1


def test_who_can_never_be_messaged_is_called_on_day_five_and_the_log_proves_the_asking(desk: Desk) -> None:
    desk.serves()
    assert desk.works() == 1
    assert desk.log() == [(Way.NEXT_CONTACT, Sending.SENT)]
    desk.goes_to("2026-10-13T08:00")
    assert (desk.rows(Task), desk.asked()) == ([], [])
    desk.goes_to("2026-10-13T09:00")
    (task,) = desk.rows(Task)
    assert (task.kind, task.key, task.due_at) == ("survey-call", "survey-call:1", DAY_FIVE)
    assert task.created_at == china("2026-10-13T09:00"), "a whole working day is left"
    assert NUMBER in task.text
    assert "您的问题是否得到了解决" in task.text
    desk.goes_to("2026-10-13T18:00")
    assert desk.log() == [
        (Way.NEXT_CONTACT, Sending.SENT),
        (Way.STAFF_CALL, Sending.SENT),
        (Way.STOP, Sending.SENT),
    ], "one line, however often it was looked at"
    skipped = dict(desk.history().attempts[0].skipped)
    assert "会话窗口已关闭" in skipped[Way.MESSAGE]
    assert set(skipped) == {Way.MESSAGE, Way.TEMPLATE, Way.SUBSCRIPTION, Way.SMS, Way.MINIPROGRAM}
    assert desk.history().state == "over"
    assert len(desk.rows(Task)) == 1


def test_a_downtime_over_the_whole_week_still_ends_in_a_call(desk: Desk) -> None:
    desk.serves()
    desk.clock.at = china("2026-10-14T10:00")
    desk.works()
    assert desk.log() == [(Way.STAFF_CALL, Sending.SENT)]
    assert "立即" in desk.history().attempts[0].reason


# --- messages


def test_an_open_window_brings_one_tap_for_each_item_and_numbers_count(desk: Desk) -> None:
    desk.serves(window=True)
    desk.works()
    (parcel,) = [one for one in desk.sender.sent if one.key.startswith("survey:")]
    assert parcel.extras["choices"] == [
        ["rate:1:timeliness:very-satisfied", "非常满意"],
        ["rate:1:timeliness:satisfied", "满意"],
        ["rate:1:timeliness:fair", "一般"],
        ["rate:1:timeliness:dissatisfied", "不满意"],
    ]
    assert NUMBER in parcel.extras["head"]
    assert "msgmenuid=rate%3A1%3Atimeliness%3Afair" in parcel.text, "links where the account has them"
    assert desk.log() == [(Way.MESSAGE, Sending.SENT)]
    state = desk.dialogue()
    assert (state.survey, [one.id for one in state.choices]) == (
        1,
        [id_ for id_, _ in parcel.extras["choices"]],
    )
    assert parcel.text in [message.text for message in desk.rows(Message)]


def test_without_links_the_choices_are_numbers(make: Make) -> None:
    desk = make(account="miniprogram")
    desk.serves(window=True)
    desk.works()
    assert desk.asked()[0].splitlines()[-4:] == ["1. 非常满意", "2. 满意", "3. 一般", "4. 不满意"]


def test_one_reminder_while_the_window_is_open_and_then_only_the_call(desk: Desk) -> None:
    desk.serves(window=True, finish=china("2026-10-12T16:00"))
    desk.goes_to("2026-10-14T08:00")
    assert len(desk.asked()) == 1
    desk.goes_to("2026-10-14T09:00")
    assert len(desk.asked()) == 2, "in the morning of the second working day: within 48 hours"
    assert [one.is_reminder for one in desk.history().attempts] == [False, True]
    desk.opens_window()
    desk.goes_to("2026-10-19T18:00")
    assert len(desk.asked()) == 2
    assert [way for way, _ in desk.log()] == [Way.MESSAGE, Way.MESSAGE, Way.STAFF_CALL, Way.STOP]


def test_the_reminder_asks_what_is_still_missing(desk: Desk) -> None:
    desk.serves(window=True, finish=china("2026-10-12T16:00"))
    desk.works()
    desk.rates((Item.TIMELINESS, Rating.FAIR), (Item.EXPERTISE, Rating.FAIR))
    desk.goes_to("2026-10-14T09:00")
    assert "文明性" in desk.asked()[1]


def test_a_message_that_fails_is_written_down_with_the_answer_and_the_next_way_is_taken(make: Make) -> None:
    desk = make(settings=replace(SETTINGS, official=replace(ACCOUNT, survey_template=TEMPLATE)))
    desk.serves(window=True)
    desk.refuses(Sent(), failed("45047", "out of response count limit"), Sent("900"))
    desk.works()
    assert desk.log() == [(Way.MESSAGE, Sending.FAILED), (Way.TEMPLATE, Sending.SENT)]
    assert "45047" in desk.history().attempts[0].attempt.answer
    assert (desk.dialogue().survey, desk.dialogue().choices) == (0, ()), "nobody saw the question"


def test_a_follower_of_a_service_account_gets_a_template_with_the_link(make: Make) -> None:
    desk = make(settings=replace(SETTINGS, official=replace(ACCOUNT, survey_template=TEMPLATE)))
    desk.serves()
    desk.works()
    (parcel,) = desk.sender.sent
    assert (parcel.channel, parcel.extras["template"]) == (Channel.TEMPLATE, "T1")
    assert parcel.extras["data"] == {
        "thing1": "请您评价本次服务",
        "character_string2": NUMBER,
        "time3": "2026年9月30日 16:00",
    }
    assert parcel.extras["url"].startswith("http://127.0.0.1:8000/s/")


def test_who_does_not_follow_gets_no_template(make: Make) -> None:
    desk = make(settings=replace(SETTINGS, official=replace(ACCOUNT, survey_template=TEMPLATE)))
    desk.serves()
    with desk.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Contact).values(is_subscribed=False))
    desk.works()
    assert desk.log() == [(Way.NEXT_CONTACT, Sending.SENT)]


@pytest.mark.parametrize("template", ["T1", "T1|amount1={title}", "T1|thing1={nonsense}"])
def test_a_template_that_cannot_ask_is_no_way(make: Make, template: str) -> None:
    desk = make(settings=replace(SETTINGS, official=replace(ACCOUNT, survey_template=template)))
    desk.serves()
    desk.works()
    assert desk.log() == [(Way.NEXT_CONTACT, Sending.SENT)]


def test_a_template_that_did_not_arrive_is_a_failed_attempt_in_the_platforms_words(make: Make) -> None:
    desk = make(settings=replace(SETTINGS, official=replace(ACCOUNT, survey_template=TEMPLATE)))
    desk.serves()
    desk.refuses(Sent("900"))
    desk.works()
    desk.hears("templatesendjobfinish", msg_id="900", status="success")
    assert desk.log() == [(Way.TEMPLATE, Sending.SENT)]
    desk.hears("templatesendjobfinish", msg_id="901", status="failed:user block")
    assert desk.log() == [(Way.TEMPLATE, Sending.SENT)], "another message"
    desk.hears("templatesendjobfinish", msg_id="900", status="failed:user block")
    desk.works()
    assert desk.log() == [(Way.TEMPLATE, Sending.FAILED), (Way.NEXT_CONTACT, Sending.SENT)]
    assert desk.history().attempts[0].attempt.answer == "failed:user block"


def test_a_contact_of_the_mini_program_is_asked_as_often_as_they_allowed(make: Make) -> None:
    account = replace(ACCOUNT, survey_template=TEMPLATE)
    desk = make(account="miniprogram", settings=replace(SETTINGS, miniprogram=account))
    desk.serves()
    desk.works()
    assert desk.log() == [(Way.NEXT_CONTACT, Sending.SENT)]
    desk.hears("subscribe_msg_popup_event", templates="T1=accept,T9=accept")
    desk.works()
    assert desk.log()[1:] == [(Way.SUBSCRIPTION, Sending.SENT)]
    assert desk.sender.sent[-1].channel is Channel.SUBSCRIPTION
    with desk.ctx.read() as session:
        left = session.execute(sa.select(surveys.Subscription.template, surveys.Subscription.left)).all()
    assert [tuple(row) for row in left] == [("T1", 0)], "templates that are not ours are not counted"


def test_who_switches_subscription_messages_off_gets_none(make: Make) -> None:
    account = replace(ACCOUNT, survey_template=TEMPLATE)
    desk = make(account="miniprogram", settings=replace(SETTINGS, miniprogram=account))
    desk.hears("subscribe_msg_popup_event", templates="T1=accept")
    desk.hears("subscribe_msg_popup_event", templates="T1=accept")
    desk.hears("subscribe_msg_change_event", templates="T1=reject")
    desk.serves()
    desk.works()
    assert desk.log() == [(Way.NEXT_CONTACT, Sending.SENT)]


def test_an_sms_leads_to_the_page(make: Make) -> None:
    desk = make(settings=replace(SETTINGS, sms_url="https://example.com/sms"))
    desk.serves(phone="13800000000")
    desk.works()
    parcel = desk.sender.sent[-1]
    assert (parcel.channel, parcel.address) == (Channel.SMS, "13800000000")
    assert "http://127.0.0.1:8000/s/" in parcel.text


# --- the next contact


def test_whoever_writes_again_is_asked_with_the_reply_once(desk: Desk) -> None:
    desk.serves()
    desk.works()
    desk.clock.move(days=8)  # Thursday 8 October
    assert desk.writes(state=DialogueState(form=Form(TicketKind.NEED))) == "", "not in the middle of a form"
    assert f"{NUMBER} 已办理完成" in desk.writes()
    assert desk.log() == [(Way.NEXT_CONTACT, Sending.SENT), (Way.MESSAGE, Sending.SENT)]
    assert not desk.history().attempts[1].has_message
    desk.works()
    assert desk.writes() == ""
    desk.goes_to("2026-10-12T09:00")
    assert "已办理完成" in desk.writes(), "one reminder"
    assert [one.is_reminder for one in desk.history().attempts] == [False, False, True, True]
    desk.works()
    assert desk.writes() == ""


def test_where_the_dialogue_asks_by_itself_that_is_the_attempt(desk: Desk) -> None:
    desk.serves()
    desk.works()
    assert desk.writes(state=DialogueState(survey=1)) == ""
    assert desk.log() == [(Way.NEXT_CONTACT, Sending.SENT), (Way.MESSAGE, Sending.SENT)]
    assert desk.writes() == "", "not now, said the contact"


def test_a_contact_without_a_survey_hears_nothing_of_one(desk: Desk) -> None:
    with desk.ctx.transaction() as tx:
        desk.talk(tx)
    assert desk.writes() == ""


# --- who may not be asked


def test_two_workers_who_look_at_once_ask_once(desk: Desk) -> None:
    desk.serves(window=True)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda _: look(desk.ctx, 1), range(2))) == [False, True]
    while desk.delivers():
        pass
    assert len(desk.asked()) == 1
    assert not look(desk.ctx, 99)


def test_a_ticket_that_goes_on_is_asked_about_no_more(desk: Desk) -> None:
    desk.serves(window=True)
    ask_due(desk.ctx)
    desk.steps(Move.REOPEN, reason="企业来电说没有解决")
    desk.works()
    assert (desk.asked(), desk.history().state) == ([], "over"), "what had not left stays"
    assert [one.state for one in desk.rows(OutboxMessage) if one.key == "survey:1:1"] == ["dropped"]
    assert desk.view() is not None, "an answer still counts"


def test_the_second_round_is_a_survey_of_its_own(desk: Desk) -> None:
    desk.serves(window=True)
    desk.works()
    desk.steps(Move.REOPEN, reason="没有解决")
    desk.steps(Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START, Move.FINISH)
    desk.works()
    assert [(one.round, one.state) for one in desk.rounds()] == [(1, "over"), (2, "open")]
    assert len(desk.asked()) == 2


def test_whoever_is_forgotten_is_not_asked_and_their_words_go(desk: Desk) -> None:
    desk.serves()
    desk.rates((Item.TIMELINESS, Rating.FAIR), note="王经理说还行")
    desk.goes_to("2026-10-13T09:00")
    desk.erases()
    desk.works()
    assert desk.history().state == "over"
    assert desk.history().calls[0].done_by == "system"
    assert (desk.history().survey.note, desk.history().survey.answers) == ("", {Item.TIMELINESS: Rating.FAIR})


def test_whoever_left_before_the_end_of_the_service_has_no_survey(desk: Desk) -> None:
    desk.registers()
    desk.steps(Move.ASSESS, Move.KEEP, Move.ACCEPT, Move.START)
    desk.erases("unsubscribe")
    desk.steps(Move.FINISH)
    assert (desk.state(), desk.rounds(), desk.works()) == ("finished", [], 0)


def test_an_erasure_that_raced_with_the_asking_ends_it(desk: Desk) -> None:
    desk.serves()
    with desk.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Contact).values(erased_at=tx.now))
    assert desk.works() == 1
    assert (desk.history().state, desk.history().attempts) == ("over", ())


def test_the_survey_keeps_its_place_until_its_message_has_left(desk: Desk) -> None:
    desk.serves(window=True)
    with desk.ctx.transaction() as tx:
        assert surveys.is_coming(tx.connection, 1)
    ask_due(desk.ctx)
    with desk.ctx.transaction() as tx:
        assert surveys.is_coming(tx.connection, 1), "written, not sent"
    desk.works()
    with desk.ctx.transaction() as tx:
        assert not surveys.is_coming(tx.connection, 1)
