"""The figures equal what is counted by hand, and every number leads to its records."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
import sqlalchemy as sa

from bot.actions.proposals import accept_proposal, propose, reject_proposal
from bot.app import Program
from bot.core.permissions import Actor, Role
from bot.serving import running
from bot.settings import Settings
from bot.store.conversations import Message
from tests.people import Enterprise
from tests.staff import StaffMember

FIGURES = "/admin/knowledge/figures"
CHEN, LI = Actor(98, "小陈", Role.STAFF), Actor(99, "小李", Role.MAINTAINER)
# What is asked, and what a person who counts by hand writes down for it.
TALKS = (
    (("压力表多久检定一次", "有帮助"), "at once, helpful"),
    (("压力表多久检定一次", "没帮助"), "at once, unhelpful"),
    (("检测多少钱", "有帮助"), "at once, helpful"),
    (("你好", "检测多少钱", "谢谢"), "at once"),
    (("零碳园区怎么申报", "1"), "chosen"),
    (("零碳园区怎么申报", "都不是"), "missed"),
    (("双软认定怎么办理",), "missed"),
    (("今天天气怎么样",), "missed"),
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("figures"), simulator=True, log_level="error")
    with running(settings) as found:
        for number, (texts, _counted) in enumerate(TALKS):
            with Enterprise(found, f"figures-{number}") as person:
                for text in texts:
                    person.says(text)
        corrects(found)
        yield found


def corrects(program: Program) -> None:
    """Of the two that were taken for metrology one is confirmed, the other corrected; of testing a correction fails."""
    with program.ctx.read() as session:
        rows = list(session.scalars(sa.select(Message).where(Message.is_inbound).order_by(Message.id)))
    metrology = [row.id for row in rows if row.text == "压力表多久检定一次"]
    testing = next(row.id for row in rows if row.text == "检测多少钱")
    for message, after in ((metrology[0], "metrology"), (metrology[1], "standardization"), (testing, "ip")):
        one = propose(program.ctx, actor=CHEN, message_id=message, kind="category", after=after)
        if after == "ip":
            reject_proposal(program.ctx, one, actor=LI, why="没有错")
        else:
            accept_proposal(program.ctx, one, actor=LI)


@pytest.fixture(scope="module")
def li(program: Program) -> Iterator[StaffMember]:
    with StaffMember(program, "小李", Role.MAINTAINER) as found:
        yield found


def look(who: StaffMember, address: str) -> str:
    answer = who.http.get(address)
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def counted(*words: str) -> int:
    return sum(any(part in words for part in what.split(", ")) for _texts, what in TALKS)


def row_of(page: str, name: str) -> list[str]:
    """The cells of a table's row, as they are read."""
    row = page.split(f'<th scope="row">{name}</th>')[1].split("</tr>", maxsplit=1)[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row.split("<td>")[1:]]


def test_the_figures_are_those_of_a_count_by_hand(li: StaffMember) -> None:
    page = look(li, FIGURES)
    hit, asked = counted("at once", "chosen"), counted("at once", "chosen", "missed")
    assert (hit, asked, counted("helpful"), counted("helpful", "unhelpful")) == (5, 8, 2, 3)
    top = page.split('class="figures knowledge-figures"')[1].split("</ul>")[0]
    assert re.findall(r"<b>([^<]+)</b>", top) == ["62.5%", "50.0%", "66.7%", "66.7%"]
    assert re.findall(r">(\d+)</a>", top) == ["5", "8", "4", "1", "3", "2", "3", "2", "3"]


def test_categories_have_figures_of_their_own(li: StaffMember) -> None:
    page = look(li, FIGURES)
    assert row_of(page, "计量服务") == ["100.0% 2 / 2", "100.0% 2 / 2", "50.0% 1 / 2", "50.0% 1 / 2"]
    assert row_of(page, "产品检验检测服务") == [
        "100.0% 2 / 2",
        "100.0% 2 / 2",
        "100.0% 1 / 1",
        "100.0% 1 / 1",
    ]
    assert row_of(page, "不属于服务范围") == ["0.0% 0 / 2", "0.0% 0 / 2", "—", "—"]


def test_every_number_leads_to_so_many_records(li: StaffMember) -> None:
    page = look(li, FIGURES)
    links = re.findall(r'<a href="(/admin/knowledge/figures/records[^"]+)"[^>]*>(\d+)</a>', page)
    assert len(links) > 20
    for address, number in links:
        records = look(li, address)
        assert f"：{number} 条" in records, address
        assert len(re.findall(r"看会话", records)) == int(number), address


def test_the_records_are_masked_and_their_talks_for_who_may_read_them(program: Program) -> None:
    with StaffMember(program, "评价员", Role.EVALUATOR) as evaluator:
        page = look(evaluator, f"{FIGURES}/records?kind=missed")
        assert "双软认定怎么办理" in page
        assert "/admin/console/" not in page


def test_entries_that_were_never_hit_are_listed(program: Program, li: StaffMember) -> None:
    page = look(li, FIGURES).split('id="never"')[1]
    live = len(program.ctx.brain.entries)
    hit = {"MET-17", "TST-05"}
    assert all(f"/admin/knowledge/{entry_id}" not in page for entry_id in hit)
    assert page.count('<li><a href="/admin/knowledge/') == int(re.findall(r"：(\d+) /", page)[0]) == live - 3


@pytest.mark.parametrize(
    "query", ["", "?weeks=0", "?weeks=99", "/records", "/records?kind=magic", "/records?kind=hit&skip=-1"]
)
def test_an_odd_address_is_refused(li: StaffMember, query: str) -> None:
    assert li.http.get(f"{FIGURES}{query}").status_code == (422 if query else 200)


def test_a_week_without_questions_has_no_figures(li: StaffMember) -> None:
    assert "：0 条" in look(li, f"{FIGURES}/records?kind=asked&week=2020-W01")
