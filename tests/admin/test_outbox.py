"""The outbox in the browser: who may, what is shown and what is hidden, and that a press does what it says."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from bot.app import Program
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from bot.store import conversations, delivery
from bot.store.conversations import Conversation
from bot.store.delivery import OutboxMessage, OutboxState
from tests.staff import StaffMember

PAGE = "/admin/outbox"
FORMS = (f"{PAGE}/resend", f"{PAGE}/hold", f"{PAGE}/drop", f"{PAGE}/resend-all")
_numbers = count(1)

Write = Callable[..., int]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server whose worker rests: messages stay where the test puts them."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("outbox"), simulator=True, log_level="error")
    with running(settings) as found:
        found.worker.stop()
        yield found


@pytest.fixture(scope="module")
def operator(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "运营甲") as member:
        yield member


@pytest.fixture
def write(program: Program) -> Write:
    """Empty the outbox, then put messages into it; gives their ids."""
    with program.ctx.transaction() as tx:
        tx.connection.execute(sa.delete(OutboxMessage))

    def one(
        text: str = "您的申请有进展", *, state: str = "dead", result: str = "40164 x", **values: Any
    ) -> int:
        with program.ctx.transaction() as tx:
            talk = conversations.talk_with(tx.connection, "official", "oABCDEFGH12345678", now=tx.now)
            tx.connection.execute(
                sa.update(Conversation).values(allowance=5, allowance_until=tx.now + timedelta(days=2))
            )
            key = f"page:{next(_numbers)}"
            common = {
                "lane": key,
                "channel": "customer",
                "account": "official",
                "address": "oABCDEFGH12345678",
                "purpose": "staff",
                "conversation_id": talk.conversation_id,
                "due_at": tx.now,
                "at": tx.now,
            }
            delivery.add_outbox(
                tx.connection,
                key=key,
                state=OutboxState(state),
                result=result,
                text=text,
                **{**common, **values},
            )
            return int(
                tx.connection.execute(
                    sa.select(OutboxMessage.id).where(OutboxMessage.key == key)
                ).scalar_one()
            )

    return one


def state_of(program: Program, message_id: int) -> str:
    with program.ctx.read() as session:
        return session.execute(
            sa.select(OutboxMessage.state).where(OutboxMessage.id == message_id)
        ).scalar_one()


def shown(member: StaffMember, **query: str) -> str:
    answer = member.http.get(PAGE, params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


def fields(page: str, action: str, message_id: int | None = None) -> dict[str, str]:
    """What the form carries, as a browser would send it."""
    for form in re.findall(rf'<form method="post" action="{action}">(.*?)</form>', page, re.DOTALL):
        pairs = re.findall(r'name="(\w+)" value="([^"]*)"', form)
        found = {name: html.unescape(value) for name, value in pairs}
        if message_id is None or found.get("id") == str(message_id):
            return found
    raise AssertionError(f"no form {action} for {message_id}")


def press(
    member: StaffMember, what: str, message_id: int | None, page: str = "", **typed: str
) -> httpx.Response:
    """Fill in a form of the page and send it."""
    data = fields(page or shown(member), f"{PAGE}/{what}", message_id)
    return member.http.post(f"{PAGE}/{what}", data={**data, **typed}, follow_redirects=True)


def ids(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'<article class="outbox-item" id="m(\d+)"', page)]


# --- who may ---


def test_without_a_session_every_route_is_the_log_in(program: Program) -> None:
    with httpx.Client(base_url=program.url, trust_env=False) as http:
        answers = [http.get(PAGE), *(http.post(route, data={"csrf": "x"}) for route in FORMS)]
    assert {(one.status_code, one.headers["location"]) for one in answers} == {(303, "/admin/login")}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_only_operators_get_in(program: Program, operator: StaffMember, write: Write, role: Role) -> None:
    one = write()
    data = {**fields(shown(operator), f"{PAGE}/drop", one), "reason": "试试"}
    with StaffMember(program, f"同事{next(_numbers)}", role) as member:
        assert member.http.get(PAGE).status_code == 403
        assert {member.http.post(route, data=data).status_code for route in FORMS} == {403}
    assert state_of(program, one) == "dead"


def test_a_form_from_elsewhere_changes_nothing(program: Program, operator: StaffMember, write: Write) -> None:
    one = write()
    data = {
        **fields(shown(operator), f"{PAGE}/drop", one),
        "csrf": "guess",
        "reason": "试试",
        "code": "40164",
    }
    for route in FORMS:
        answer = operator.http.post(route, data=data)
        assert (answer.status_code, "页面已过期" in answer.text) == (403, True), route
    assert state_of(program, one) == "dead"


# --- what is shown ---


def test_a_message_says_what_happened_and_what_to_do_and_hides_who_it_is_for(
    operator: StaffMember, write: Write
) -> None:
    write(
        "NQI-2026-000017 王经理电话 13812345678，打开 https://example.com/p/secret-token 查看",
        result="40164 invalid ip 192.0.2.1",
    )
    page = html.unescape(shown(operator))
    assert "服务器的 IP 不在微信白名单" in page
    assert "IP白名单" in page
    assert "oAB****5678" in page
    assert 'href="/admin/tickets/NQI-2026-000017"' in page
    for secret in ("oABCDEFGH12345678", "13812345678", "secret-token"):
        assert secret not in page


@pytest.mark.parametrize(
    ("values", "masked"),
    [
        ({"channel": "email", "address": "jigou@example.com"}, "j***@example.com"),
        ({"channel": "sms", "address": "13812345678"}, "138****5678"),
        ({"channel": "webhook", "address": "https://hook.example.com/in/t0ken"}, "hook.example.com/…"),
        ({"address": "short"}, "****"),
    ],
)
def test_every_kind_of_address_shows_its_ends_only(
    operator: StaffMember, write: Write, values: dict[str, str], masked: str
) -> None:
    write(**values)
    page = shown(operator)
    assert f"发给 {masked}" in page
    assert values["address"] not in page


def test_hostile_words_stay_text(operator: StaffMember, write: Write) -> None:
    write("<script>alert(1)</script> & {{7*7}}", result="99999 <img src=x onerror=alert(1)>")
    page = shown(operator, ticket='"><script>')
    assert "<script" not in page
    page = shown(operator)
    assert "<script" not in page
    assert "<img" not in page
    assert "{{7*7}}" in page


def test_an_empty_outbox_says_that_nothing_is_to_be_done(operator: StaffMember, write: Write) -> None:
    assert callable(write)
    assert "不用处理" in shown(operator)


def test_lists_are_sifted_by_state_channel_purpose_ticket_and_code(
    operator: StaffMember, write: Write
) -> None:
    dead = write()
    mail = write("编号 NQI-2026-000042", channel="email", address="a@example.com", result="smtp-550 x")
    held = write(state="held", result="window-closed", purpose="notice")
    due = write(state="due", result="")
    assert ids(shown(operator)) == [mail, dead], "newest first"
    assert ids(shown(operator, state="held")) == [held]
    assert ids(shown(operator, state="due")) == [due]
    assert ids(shown(operator, channel="email")) == [mail]
    assert ids(shown(operator, state="held", purpose="notice")) == [held]
    assert ids(shown(operator, state="held", purpose="staff")) == []
    assert ids(shown(operator, ticket=" nqi-2026-000042 ")) == [mail]
    assert ids(shown(operator, ticket="NQI-2026-%")) == []
    assert ids(shown(operator, code="40164")) == [dead]


@pytest.mark.parametrize(
    "query",
    [
        {"state": "nonsense"},
        {"channel": "pigeon"},
        {"purpose": "\x00"},
        {"before": "-1"},
        {"before": "9" * 40},
    ],
)
def test_nonsense_in_the_address_is_left_out(
    operator: StaffMember, write: Write, query: dict[str, str]
) -> None:
    one = write()
    assert ids(shown(operator, **query)) == [one]


def test_older_messages_stand_on_further_pages_none_twice(operator: StaffMember, write: Write) -> None:
    made = [write(str(number)) for number in range(65)]
    page, seen = shown(operator), []
    while True:
        seen += ids(page)
        older = re.search(r'<a href="([^"]*)#list">更早的', page)
        if older is None:
            break
        write("newer")
        page = operator.http.get(html.unescape(older[1])).text
    assert seen == made[::-1]
    assert "回到最新" in page


def test_figures_by_channel_lead_to_their_lists(operator: StaffMember, write: Write) -> None:
    write()
    write()
    write(state="sent", result="")
    page = html.unescape(shown(operator))
    assert 'aria-label="微信客服消息没有发出 2 条"' in page
    assert "没有发出（2）" in page


# --- what a press does ---


def test_a_message_is_sent_again(program: Program, operator: StaffMember, write: Write) -> None:
    one = write()
    answer = press(operator, "resend", one)
    assert "已放回待发送" in answer.text
    assert state_of(program, one) == "due"


def test_a_message_waits_for_the_next_word(program: Program, operator: StaffMember, write: Write) -> None:
    one, survey = write(), write(purpose="survey")
    page = shown(operator)
    assert page.count(f'action="{PAGE}/hold"') == 1, "not offered for a survey"
    answer = press(operator, "hold", one)
    assert "下次留言时告诉" in answer.text
    assert (state_of(program, one), state_of(program, survey)) == ("held", "dead")


def test_a_second_press_on_an_old_page_is_told_so(
    program: Program, operator: StaffMember, write: Write
) -> None:
    one = write()
    page = shown(operator)
    assert press(operator, "drop", one, page, reason="已电话告知").status_code == 200
    answer = press(operator, "resend", one, page)
    assert (answer.status_code, "刚被处理过" in answer.text) == (409, True)
    assert state_of(program, one) == "dropped"


def test_what_makes_no_sense_is_refused_on_the_page(
    program: Program, operator: StaffMember, write: Write
) -> None:
    one = write()
    with program.ctx.transaction() as tx:
        tx.connection.execute(sa.update(Conversation).values(allowance=0))
    answer = press(operator, "resend", one)
    assert answer.status_code == 409
    assert re.search(r'role="alert">[^<]*条数已用完[^<]*下次留言', answer.text)
    assert ids(answer.text) == [one]


def test_a_refused_reason_is_kept_on_the_page(program: Program, operator: StaffMember, write: Write) -> None:
    one = write(state="due", result="")
    page = shown(operator, state="due")
    answer = press(operator, "drop", one, page, reason="长" * 201)
    assert answer.status_code == 400
    assert "长" * 201 in answer.text
    assert ids(answer.text) == [one], "the same list"
    assert state_of(program, one) == "due"
    assert "已丢弃" in press(operator, "drop", one, page, reason="内容有误").text
    assert state_of(program, one) == "dropped"


def test_all_of_one_code_are_sent_again(program: Program, operator: StaffMember, write: Write) -> None:
    ours = [write(result=f"smtp-451 try {number}", channel="webhook") for number in range(3)]
    other = write()
    page = shown(operator)
    assert "全部重新发送 smtp-451 的 3 条" in page
    data = next(
        {"csrf": fields(page, f"{PAGE}/resend", other)["csrf"], "state": "dead", "code": code}
        for code in re.findall(r'name="code" value="(smtp-[^"]*)"', page)
    )
    answer = operator.http.post(f"{PAGE}/resend-all", data=data)
    assert "已把 3 条放回待发送" in answer.text
    assert {state_of(program, one) for one in ours} == {"due"}
    assert state_of(program, other) == "dead"
    again = operator.http.post(f"{PAGE}/resend-all", data=data)
    assert "没有可以重新发送的消息" in again.text


def test_a_channel_that_is_out_of_order_stands_on_top(operator: StaffMember, write: Write) -> None:
    assert "现在发不出去" not in shown(operator)
    write(state="due", result="40125 invalid appsecret")
    page = shown(operator)
    assert "微信客服消息（公众号）：现在发不出去" in page
    assert "AppSecret 不对" in page


# --- figures for machines ---


def test_the_metrics_equal_the_records(program: Program, operator: StaffMember, write: Write) -> None:
    assert operator.name
    write()
    write(channel="email")
    with program.ctx.read() as session:
        counts = delivery.outbox_counts(session)
    text = httpx.get(f"{program.url}/metrics", trust_env=False).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    told = [
        (sample.labels["state"], sample.labels["channel"], int(sample.value))
        for sample in samples
        if sample.name == "nqi_outbox_messages"
    ]
    assert sorted(told) == counts == [("dead", "customer", 1), ("dead", "email", 1)]
    values = {(sample.name, sample.labels.get("state", "")): sample.value for sample in samples}
    for name in (("nqi_timers", "late"), ("nqi_tasks", "open"), ("nqi_surveys", "open")):
        assert values[name] == 0.0
    assert values["nqi_outbox_oldest_due_seconds", ""] == 0.0
    write(state="due", result="", due_at=program.ctx.clock.now() - timedelta(minutes=5))
    late = httpx.get(f"{program.url}/metrics", trust_env=False).text
    found = re.search(r"^nqi_outbox_oldest_due_seconds (\S+)$", late, re.MULTILINE)
    assert found
    assert 300 <= float(found[1]) < 400
