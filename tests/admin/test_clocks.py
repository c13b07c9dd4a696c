"""The clocks in the browser: who may, what a form would move before it does, and that a refusal keeps what was typed."""

import json
import re
from collections.abc import Callable, Iterator
from html import unescape
from itertools import count

import httpx
import pytest

from bot.actions.deadline_rules import replace_rules, rules, shut_stations
from bot.app import Program
from bot.core.deadline_rules import DEFAULT_RULES, Allowance, Recipient, Step
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from intents.categories import Category
from intents.quantities import Urgency
from tests.people import Enterprise
from tests.staff import StaffMember

CLOCKS, CALENDAR = "/admin/clocks", "/admin/calendar"
FORMS = (CLOCKS, f"{CALENDAR}/notice", f"{CALENDAR}/close", f"{CALENDAR}/open")
NOTICE = {
    "year": 2031,
    "number": "示例文号",
    "breaks": [{"name": "元旦", "off": ["2031-01-01", "2031-01-03"], "work": []}],
}
_INPUT = re.compile(r'<input[^>]*?name="([^"]*)" value="([^"]*)"')
_SELECT = re.compile(r'<select name="([^"]*)".*?</select>', re.DOTALL)
_numbers = count(1)

Hire = Callable[..., StaffMember]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A platform of its own: its rules and calendar are changed here."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("clocks"), simulator=True, log_level="error")
    with running(settings) as program:
        yield program


@pytest.fixture
def hire(place: Program) -> Iterator[Hire]:
    """Make somebody with an account who is logged in."""
    made: list[StaffMember] = []

    def one(role: Role) -> StaffMember:
        made.append(StaffMember(place, f"时限{next(_numbers)}", role))
        return made[-1]

    yield one
    for member in made:
        member.http.close()


@pytest.fixture
def head(place: Program, hire: Hire) -> StaffMember:
    """Somebody who may edit, on a platform with the default rules."""
    replace_rules(place.ctx, {}, actor="test")
    return hire(Role.HEAD)


def read(member: StaffMember, path: str) -> str:
    answer = member.http.get(path)
    assert answer.status_code == 200
    return answer.text


def form(page: str, part: str) -> dict[str, str]:
    """What a browser would send of the form of that part, as it stands on the page."""
    text = next(one for one in page.split("<form")[1:] if f'name="part" value="{part}"' in one)
    text = text.split("</form>")[0]
    values = {name: unescape(value) for name, value in _INPUT.findall(text)}
    for select in _SELECT.finditer(text):
        chosen = re.search(r'value="([^"]*)" selected', select[0])
        assert chosen
        values[select[1]] = chosen[1]
    return values


def token(member: StaffMember) -> str:
    found = re.search(r'name="csrf" value="([^"]*)"', read(member, CALENDAR))
    assert found
    return found[1]


def post(member: StaffMember, path: str, **data: str) -> tuple[int, str]:
    answer = member.http.post(path, data={"csrf": token(member), **data})
    return answer.status_code, unescape(answer.text)


def change(
    member: StaffMember, part: str, typed: dict[str, str] | None = None, *, action: str, step: str = ""
) -> tuple[int, str]:
    """Fill in a form of the clocks page, of which `typed` is changed, and send it."""
    values = form(read(member, f"{CLOCKS}?step={step}"), part)
    answer = member.http.post(CLOCKS, data={**values, **(typed or {}), "action": action})
    return answer.status_code, unescape(answer.text)


# --- who may ---


def test_without_a_session_every_route_is_the_log_in(place: Program) -> None:
    with httpx.Client(base_url=place.url, trust_env=False) as http:
        answers = [
            http.get(CLOCKS),
            http.get(CALENDAR),
            *(http.post(path, data={"csrf": "x"}) for path in FORMS),
        ]
    assert {(one.status_code, one.headers["location"]) for one in answers} == {(303, "/admin/login")}


@pytest.mark.parametrize("role", [Role.STAFF, Role.EVALUATOR, Role.MAINTAINER, Role.COORDINATOR])
def test_who_may_only_look_gets_no_form(place: Program, hire: Hire, role: Role) -> None:
    before, member = rules(place.ctx), hire(role)
    for path in (CLOCKS, f"{CLOCKS}?step=accept", CALENDAR):
        text = read(member, path).split("<main")[1]
        assert "<form" not in text
        assert "时限" in text
    for path in FORMS:
        assert post(member, path, part="defaults", action="save", first="2031-05-05")[0] == 403
    assert (rules(place.ctx), shut_stations(place.ctx)) == (before, [])


def test_a_form_from_elsewhere_changes_nothing(place: Program, head: StaffMember) -> None:
    for path in FORMS:
        data = {"csrf": "guess", "part": "defaults", "action": "save", "first": "2031-01-01", "closure": "1"}
        assert head.http.post(path, data=data).status_code == 403
    assert rules(place.ctx) == DEFAULT_RULES
    assert shut_stations(place.ctx) == []


# --- rules ---


def test_what_the_page_shows_is_what_is_in_force(place: Program, head: StaffMember) -> None:
    page = read(head, f"{CLOCKS}?step=service")
    for part in ("steps", "categories", "prompts"):
        extra = {"step": "service"} if part == "prompts" else {}
        answer = head.http.post(CLOCKS, data={**form(page, part), **extra, "action": "save"})
        assert "没有改动" in answer.text, part
    assert rules(place.ctx) == DEFAULT_RULES


def test_a_rule_is_tried_and_then_saved(place: Program, head: StaffMember) -> None:
    typed = {"assess:normal": "６", "assess:normal:unit": "h"}
    status, page = change(head, "steps", typed, action="check")
    assert status == 200
    assert "将要改动（尚未保存）" in page
    assert "评估时限（一般）：1个工作日 → 6个工作小时" in page
    assert form(page, "steps")["assess:normal"] == "６", "what was typed is still there"
    assert rules(place.ctx) == DEFAULT_RULES
    status, page = change(head, "steps", typed, action="save")
    assert (status, "已保存" in page) == (200, True)
    assert rules(place.ctx).allowance(Step.ASSESS, urgency=Urgency.NORMAL) == Allowance(hours=6)
    assert form(page, "steps")["assess:normal"] == "6"
    status, page = change(head, "defaults", action="save")
    assert "目前全部是默认值" in page
    assert rules(place.ctx) == DEFAULT_RULES


def test_a_category_may_have_its_own_period_or_none(place: Program, head: StaffMember) -> None:
    typed = {"testing:normal": "7", "policy:normal": ""}
    _, page = change(head, "categories", typed, action="save")
    assert "服务周期（一般，产品检验检测服务）：按通用规则 → 7个工作日" in page
    assert "服务周期（一般，政策咨询服务）：3个工作日 → 按通用规则" in page
    found = rules(place.ctx)
    periods = [
        found.allowance(Step.SERVICE, urgency=Urgency.NORMAL, category=category).days
        for category in (Category.TESTING, Category.POLICY)
    ]
    assert periods == [7, 10]


def test_reminders_are_changed_added_and_taken_out(place: Program, head: StaffMember) -> None:
    with Enterprise(place, f"o-clock-{next(_numbers)}") as person:
        number = person.registers_need()
    typed = {
        "0:normal": "6",
        "1:urgent": "",
        "2:kind": "escalate",
        "2:to": "coordinator",
        "2:normal": "1",
        "2:normal:unit": "d",
    }
    _, page = change(head, "prompts", typed, action="check", step="assess")
    assert number in page, "the running clock whose reminder moves is named"
    assert "个时限不变、只调整提醒和督办" in page
    _, page = change(head, "prompts", typed, action="save", step="assess")
    assert "提前6个工作小时提醒工作人员、超期2个工作小时告知负责人、超期1个工作日告知统筹部门" in page
    told = [(one.urgency, one.to) for one in rules(place.ctx).prompts_of(Step.ASSESS) if one.is_escalation]
    assert told == [
        (Urgency.NORMAL, Recipient.HEAD),
        (Urgency.NORMAL, Recipient.COORDINATOR),
        (Urgency.GREEN, Recipient.HEAD),
    ]


@pytest.mark.parametrize(
    ("part", "step", "typed", "named"),
    [
        ("steps", "", {"survey:normal": "6"}, "1至5个工作日"),
        ("steps", "", {"assess:normal": ""}, "请填写评估时限（一般）"),
        ("steps", "", {"assess:normal": "很快"}, "评估时限（一般）请填数字"),
        ("steps", "", {"assess:normal": "1.5"}, "工作日请填整数"),
        ("steps", "", {"assess:normal": "9999"}, "500以内"),
        ("categories", "", {"ip:green": "-1"}, "知识产权服务的服务周期（绿色通道）请填数字"),
        ("prompts", "assess", {"0:normal": "0"}, "提醒须早于时限"),
        ("prompts", "assess", {"0:to": "boss"}, "请选择第1行要告知谁"),
        ("prompts", "assess", {"step": "dance"}, "没有这个环节"),
        ("steps", "", {"part": "dance"}, "不完整"),
    ],
)
def test_a_refusal_keeps_what_was_typed(
    place: Program, head: StaffMember, part: str, step: str, typed: dict[str, str], named: str
) -> None:
    status, page = change(head, part, typed, action="save", step=step)
    assert status == 400
    assert named in page
    assert rules(place.ctx) == DEFAULT_RULES
    ((name, value),) = typed.items()
    if name not in ("step", "part", "0:to"):
        assert form(page, part)[name] == value


def test_who_filled_in_an_older_page_is_told_so(place: Program, head: StaffMember) -> None:
    old = form(read(head, CLOCKS), "steps")
    change(head, "steps", {"match:normal": "3"}, action="save")
    answer = head.http.post(CLOCKS, data={**old, "assess:normal": "2", "action": "save"})
    assert answer.status_code == 409
    assert "刚刚被别人改过" in answer.text
    assert rules(place.ctx).allowance(Step.ASSESS, urgency=Urgency.NORMAL) == Allowance(days=1)


# --- the calendar ---


def test_a_notice_is_tried_and_brought_in_without_choosing_the_file_again(head: StaffMember) -> None:
    files = {"file": ("notice.json", json.dumps(NOTICE).encode())}
    data = {"csrf": token(head), "action": "check"}
    page = unescape(head.http.post(f"{CALENDAR}/notice", data=data, files=files).text)
    assert "2031年放假安排检查通过，尚未录入" in page
    assert "元旦：1月1日至1月3日放假" in page
    assert "2031年：示例文号" not in read(head, CALENDAR)
    kept = re.search(r'name="text" value="(.*?)">', page, re.DOTALL)
    assert kept
    status, page = post(head, f"{CALENDAR}/notice", action="save", text=kept[1])
    assert (status, "已录入2031年放假安排" in page) == (200, True)
    assert "2031年：示例文号" in read(head, CALENDAR)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "没有选择文件"),
        (b"\xff\xfe", "不是 UTF-8 编码的 JSON"),
        (b"[" * 50_000, "放假安排"),
        (b'{"year": 2031}', "应有 year 和 breaks"),
        (b"x" * 300_000, "内容太大"),
    ],
)
def test_a_file_that_is_no_notice_is_refused_in_words(head: StaffMember, data: bytes, named: str) -> None:
    files = {"file": ("notice.json", data)}
    answer = head.http.post(f"{CALENDAR}/notice", data={"csrf": token(head), "action": "save"}, files=files)
    assert answer.status_code == 400
    assert named in unescape(answer.text)


def test_a_source_that_is_no_web_address_is_no_link(head: StaffMember) -> None:
    text = json.dumps({**NOTICE, "year": 2032, "url": "javascript:alert(1)"}).replace("2031-", "2032-")
    post(head, f"{CALENDAR}/notice", action="save", text=text)
    page = read(head, CALENDAR)
    assert "2032年：示例文号" in page
    assert "javascript:" not in page


def test_a_year_without_its_notice_is_said_to_be_provisional(place: Program, head: StaffMember) -> None:
    years = {place.ctx.clock.now().year, place.ctx.clock.now().year + 1}
    known = {int(one) for one in re.findall(r"<summary>(\d{4})年：", read(head, CALENDAR))}
    assert ("放假安排尚未录入" in read(head, CALENDAR)) is bool(years - known)


def test_a_station_is_closed_and_opened(place: Program, head: StaffMember) -> None:
    typed = {"first": "2031-03-03", "closes": "12:00", "station": "示例站", "reason": "<b>停电</b>"}
    _, page = post(head, f"{CALENDAR}/close", action="check", **typed)
    label = "示例站 2031-03-03 00:00 至 2031-03-03 12:00 <b>停电</b>"
    assert "停办可以登记，尚未登记" in page
    assert label in page
    assert 'value="示例站"' in page
    assert shut_stations(place.ctx) == []
    _, page = post(head, f"{CALENDAR}/close", action="save", **typed)
    assert "已登记停办" in page
    assert "<b>停电" not in read(head, CALENDAR)
    (shut,) = shut_stations(place.ctx)
    opened = {"closure": str(shut.id), "seen": shut.label}
    _, page = post(head, f"{CALENDAR}/open", action="check", **opened)
    assert "尚未取消" in page
    assert shut_stations(place.ctx) == [shut]
    _, page = post(head, f"{CALENDAR}/open", action="save", **opened)
    assert "已取消停办" in page
    assert shut_stations(place.ctx) == []
    assert post(head, f"{CALENDAR}/open", action="save", **opened)[0] == 404


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ({"first": ""}, "请写日期"),
        ({"first": "2031-03-04", "last": "2031-03-03"}, "晚于开始"),
        ({"first": "2031-03-04", "station": "站" * 65}, "64字以内"),
    ],
)
def test_a_closure_that_cannot_be_keeps_what_was_typed(
    head: StaffMember, typed: dict[str, str], named: str
) -> None:
    status, page = post(head, f"{CALENDAR}/close", action="save", reason="示例事由", **typed)
    assert status == 400
    assert named in page
    assert 'value="示例事由"' in page
