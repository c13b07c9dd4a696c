"""The knowledge console in the browser: who may, what a maintainer does from draft to release, and what is refused."""

import csv
import html
import io
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from admin.knowledge_history import sides
from admin.knowledge_list import validity
from bot.actions.knowledge import import_entries, synonyms
from bot.app import Program, renew
from bot.core.permissions import Role
from bot.serving import running
from bot.settings import Settings
from bot.store.conversations import Feedback, Message, talk_with
from bot.store.drafts import EntryVersion
from bot.store.knowledge_figures import EntryFigures, figures_of, first_message_since, never_given
from intents.categories import Category
from knowledge.entries import Basis, EntryStatus, Text
from knowledge.rows import load_seeds
from knowledge.rows_xlsx import read_sheet, sheet
from tests.make import TODAY, entry
from tests.staff import StaffMember

HOME = "/admin/knowledge"
ENTRY = "MET-05"
VIEWS = (HOME, f"{HOME}/try", f"{HOME}/synonyms", f"{HOME}/{ENTRY}")
EDITING = (f"{HOME}/new", f"{HOME}/{ENTRY}/edit", f"{HOME}/file", f"{HOME}/download")
FORMS = (
    f"{HOME}/new",
    f"{HOME}/{ENTRY}/edit",
    f"{HOME}/synonyms",
    f"{HOME}/synonyms/remove",
    f"{HOME}/file",
    f"{HOME}/versions/1/gate",
    f"{HOME}/versions/1/submit",
    f"{HOME}/versions/1/withdraw",
    f"{HOME}/versions/1/restore",
)
REVIEWING = (f"{HOME}/versions/1/send-back", f"{HOME}/versions/1/publish", f"{HOME}/{ENTRY}/archive")
_numbers = count(1)
_INPUT = re.compile(r'<(?:input|button)[^>]* name="([\w-]+)"[^>]*? value="([^"]*)"')
_AREA = re.compile(r'<textarea name="([\w-]+)"[^>]*>\n?([^<]*)</textarea>')
_CHOICE = re.compile(r'<select name="([\w-]+)".*?<option value="([^"]*)" selected', re.DOTALL)
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')

Staff = Callable[..., StaffMember]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("knowledge"), simulator=True, log_level="error")
    with running(settings) as found:
        yield found


@pytest.fixture
def staff(program: Program) -> Iterator[Staff]:
    """Make somebody of a role; a maintainer unless told otherwise."""
    people: list[StaffMember] = []

    def make(role: Role = Role.MAINTAINER) -> StaffMember:
        people.append(StaffMember(program, f"示例{next(_numbers)}", role))
        return people[-1]

    yield make
    for person in people:
        person.http.close()


@pytest.fixture
def maintainer(staff: Staff) -> StaffMember:
    return staff()


@pytest.fixture
def fresh_entry(program: Program) -> str:
    """The id of an entry that only this test touches, live."""
    entry_id = f"TRN-{800 + next(_numbers)}"
    new = entry(
        entry_id,
        f"示例{entry_id}号抹灰工培训怎么报名",
        category=Category.TRAINING,
        questions=(
            f"{entry_id}号抹灰工培训报名",
            f"想参加{entry_id}号抹灰工的培训",
            f"{entry_id}号抹灰工班还招人吗",
        ),
        keywords=("抹灰工", entry_id.lower()),
        texts=(Text(f"请联系{entry_id}号培训班。"),),
    )
    import_entries(program.ctx, [new])
    renew(program.ctx)
    return entry_id


def opened(person: StaffMember, address: str, status: int = 200, **query: Any) -> str:
    """A page as it is read."""
    answer = person.http.get(address, params=query or None, timeout=30)
    assert answer.status_code == status, answer.text
    return answer.text


def form_on(person: StaffMember, address: str) -> dict[str, Any]:
    """The fields of the edit form as the browser would send them."""
    page = opened(person, address).partition('<form class="intake kb-edit"')[2]
    form: dict[str, Any] = {}
    for name, value in (*_INPUT.findall(page), *_AREA.findall(page), *_CHOICE.findall(page)):
        if name == "add":
            continue
        form.setdefault(name, []).append(html.unescape(value))
    return form


def sent(person: StaffMember, address: str, **data: Any) -> httpx.Response:
    """Post a form with the token of the session."""
    if "csrf" not in data:
        data["csrf"] = _CSRF.findall(opened(person, HOME))[0]
    return person.http.post(address, data=data, timeout=60)


def version_of(program: Program, entry_id: str) -> Any:
    """The newest version of an entry."""
    with program.ctx.read() as session:
        query = sa.select(EntryVersion).where(EntryVersion.entry_id == entry_id)
        return session.execute(query.order_by(EntryVersion.serial.desc())).scalars().first()


def drafted(person: StaffMember, entry_id: str, **changes: Any) -> int:
    """Edit an entry in its form; the draft."""
    form = form_on(person, f"{HOME}/{entry_id}/edit") | changes
    answer = person.http.post(f"{HOME}/{entry_id}/edit", data=form)
    assert answer.status_code == 303, html.unescape(answer.text)
    return int(version_of(person.program, entry_id).id)


def checked(person: StaffMember, version_id: int) -> str:
    """Run the publish check and wait for its end; the page."""
    address = f"{HOME}/versions/{version_id}/gate"
    assert sent(person, address).status_code == 303
    for _ in range(300):
        if not person.http.get(f"{address}/progress").json()["is_running"]:
            return html.unescape(opened(person, address))
        time.sleep(0.05)
    raise AssertionError("the check does not end")


# --- who may ---


@pytest.mark.parametrize("route", [*VIEWS, *EDITING])
def test_nobody_sees_a_page_without_logging_in(program: Program, route: str) -> None:
    answer = httpx.get(f"{program.url}{route}", trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")


@pytest.mark.parametrize(
    ("role", "edits", "publishes"),
    [
        (Role.MAINTAINER, True, True),
        (Role.OPERATOR, True, True),
        (Role.HEAD, True, True),
        (Role.STAFF, False, False),
        (Role.COORDINATOR, False, False),
        (Role.EVALUATOR, False, False),
    ],
)
def test_each_role_meets_its_own_doors(staff: Staff, role: Role, edits: bool, publishes: bool) -> None:
    person = staff(role)
    assert [person.http.get(route).status_code for route in VIEWS] == [200] * len(VIEWS)
    assert [person.http.get(route).status_code for route in EDITING] == [200 if edits else 403] * len(EDITING)
    # A form from elsewhere is refused for everybody; only its words tell who would have been let in.
    for routes, may in ((FORMS, edits), (REVIEWING, publishes)):
        for route in routes:
            files = {"file": ("a.csv", b"x")} if route.endswith("/file") else None
            answer = person.http.post(route, data={"csrf": "guess", "name": "x"}, files=files)
            assert answer.status_code == 403, route
            assert ("页面已过期" in answer.text) is may, route


def test_who_may_only_look_is_offered_nothing_else(staff: Staff) -> None:
    page = opened(staff(Role.EVALUATOR), f"{HOME}/{ENTRY}")
    assert "/edit" not in page
    assert "归档（" not in page
    assert "新增条目" not in opened(staff(Role.EVALUATOR), HOME)


# --- the list ---


def test_the_list_searches_all_words_anywhere(maintainer: StaffMember, fresh_entry: str) -> None:
    for words in (fresh_entry, f"抹灰工 {fresh_entry.lower()}", f"请联系{fresh_entry}号"):
        page = opened(maintainer, HOME, q=words)
        assert "查到 1 条" in page
        assert f"{HOME}/{fresh_entry}" in page
    hostile = opened(maintainer, HOME, q='"><script>alert(1)</script>', page="-1")
    assert "没有查到" in hostile
    assert "<script>alert" not in hostile


def test_the_list_filters_by_category_state_confidence_and_use(
    maintainer: StaffMember, program: Program, fresh_entry: str
) -> None:
    def shows(**asked: str) -> bool:
        return f'href="{HOME}/{fresh_entry}"' in opened(maintainer, HOME, q=fresh_entry, **asked)

    assert shows(category="training", state="published", confidence="high", given="never")
    assert not shows(category="metrology")
    assert not shows(confidence="medium")
    assert not shows(state="draft")
    assert not shows(validity="expired")
    drafted(maintainer, fresh_entry, note="改一改", owner="示例责任人")
    assert shows(state="draft")
    assert shows(state="published"), "what is live stays under its state"
    assert "有草稿" in opened(maintainer, HOME, q=fresh_entry)


def test_many_entries_come_page_by_page(maintainer: StaffMember, program: Program) -> None:
    total = len(program.ctx.brain.entries)
    assert total > 100
    first, second = opened(maintainer, HOME), opened(maintainer, HOME, page="2")
    ids = [set(re.findall(rf'href="{HOME}/([A-Z]{{3}}-[\d-]+)"', page)) for page in (first, second)]
    assert [len(one) for one in ids] == [50, 50]
    assert ids[0].isdisjoint(ids[1])
    assert "上一页" not in first


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"texts": (Text("a", valid_until=TODAY - timedelta(days=1)),)}, "expired"),
        ({"texts": (Text("a", valid_until=TODAY + timedelta(days=59)),)}, "expiring"),
        ({"texts": (Text("a", valid_until=TODAY + timedelta(days=60)),)}, ""),
        ({"texts": (Text("a", basis=(Basis("b", until=TODAY + timedelta(days=9)),)),)}, "expiring"),
        ({"texts": (Text("a", valid_until=TODAY), Text("b", valid_from=TODAY + timedelta(days=1)))}, ""),
        ({"texts": (Text("a", valid_until=TODAY),), "status": EntryStatus.ARCHIVED}, ""),
    ],
)
def test_validity_looks_sixty_days_ahead(changes: dict[str, Any], expected: str) -> None:
    assert validity(entry(**changes), TODAY) == expected


def test_figures_count_what_left_and_what_was_thought_of_it(
    maintainer: StaffMember, program: Program, fresh_entry: str
) -> None:
    now = program.ctx.clock.now()
    with program.ctx.transaction() as tx:
        talk = talk_with(tx.connection, "official", "o-figures", now=tx.now)
        common = {"conversation_id": talk.conversation_id, "kind": "text", "entry_id": fresh_entry}
        for days in (40, 20, 10):
            at = now - timedelta(days=days)
            done = tx.connection.execute(sa.insert(Message).values(is_inbound=False, at=at, **common))
            assert done.inserted_primary_key is not None
            tx.connection.execute(
                sa.insert(Feedback).values(
                    message_id=done.inserted_primary_key[0],
                    entry_id=fresh_entry,
                    is_helpful=days != 10,
                    at=at,
                )
            )
    with program.ctx.read() as session:
        month, year = timedelta(days=30), timedelta(days=365)
        assert figures_of(session, [fresh_entry], since=now - month) == {fresh_entry: EntryFigures(2, 1, 1)}
        assert figures_of(session, [fresh_entry], since=now - year) == {fresh_entry: EntryFigures(3, 2, 1)}
        assert figures_of(session, [fresh_entry], since=now + month) == {}
        assert fresh_entry not in never_given(session)
        assert first_message_since(session, now - year) <= first_message_since(session, now + month)
    page = html.unescape(opened(maintainer, HOME, q=fresh_entry))
    assert "30 天答出 2 次" in page
    assert "有帮助 1 · 没帮助 1" in page
    assert "没有查到" in opened(maintainer, HOME, q=fresh_entry, given="never")
    assert "答出 2 次，有帮助 1，没帮助 1" in opened(maintainer, f"{HOME}/{fresh_entry}")


# --- one entry ---


def test_an_entry_is_shown_as_the_contact_reads_it(maintainer: StaffMember, program: Program) -> None:
    found = program.ctx.brain.entry(ENTRY)
    assert found
    page = html.unescape(opened(maintainer, f"{HOME}/{ENTRY}"))
    assert found.texts[0].answer.strip().splitlines()[0] in page
    assert "依据：《" in page
    assert all(question in page for question in found.questions)
    assert "还没有人改过" in page


@pytest.mark.parametrize("address", ["XXX-99", "XXX-99/edit", "XXX-99/history", "versions/999999/gate"])
def test_what_is_not_there_is_said_in_words(maintainer: StaffMember, address: str) -> None:
    assert "没有" in opened(maintainer, f"{HOME}/{address}", 404)


# --- drafts ---


def test_the_form_holds_an_entry_and_gives_it_back_unchanged(
    maintainer: StaffMember, program: Program
) -> None:
    answer = maintainer.http.post(f"{HOME}/{ENTRY}/edit", data=form_on(maintainer, f"{HOME}/{ENTRY}/edit"))
    assert answer.status_code == 400, "nothing differs, so nothing is saved"
    assert version_of(program, ENTRY) is None


def test_a_refused_form_keeps_what_was_typed_and_names_each_problem_at_its_field(
    maintainer: StaffMember, program: Program, fresh_entry: str
) -> None:
    form = form_on(maintainer, f"{HOME}/{fresh_entry}/edit")
    form |= {
        "title": "",
        "checked_on": "昨天",
        "question": ["<b>新问法</b>", ""],
        "note": "说明",
        "text-1-number": ["GB 1"],
        "text-1-document": [""],
        "text-1-clause": [""],
        "text-1-from": ["x"],
        "text-1-until": [""],
    }
    answer = maintainer.http.post(f"{HOME}/{fresh_entry}/edit", data=form)
    page = html.unescape(answer.text)
    assert answer.status_code == 400
    for field in ("title", "checked_on", "text-1-basis-1-document", "text-1-basis-1-from"):
        assert f'id="wrong-{field}-1"' in page, field
        assert f'aria-describedby="wrong-{field}-1"' in page, field
    assert 'value="昨天"' in page
    assert "&lt;b&gt;新问法" in answer.text
    assert "说明" in page
    assert version_of(program, fresh_entry) is None


@pytest.mark.parametrize(
    ("add", "mark"),
    [("question", 'name="question"'), ("text", "再加一条依据"), ("basis-1", 'name="text-1-document"')],
)
def test_more_lines_come_without_a_script_and_nothing_is_lost(
    maintainer: StaffMember, fresh_entry: str, add: str, mark: str
) -> None:
    address = f"{HOME}/{fresh_entry}/edit"
    before = opened(maintainer, address)
    form = form_on(maintainer, address) | {"title": "改到一半", "add": add}
    form |= {"text-1-document": ["示例文件"]}
    answer = maintainer.http.post(address, data=form)
    assert answer.status_code == 200
    assert answer.text.count(mark) > before.count(mark)
    assert "改到一半" in answer.text
    assert "示例文件" in answer.text


def test_questions_from_elsewhere_fill_a_new_form(maintainer: StaffMember, program: Program) -> None:
    address = f"{HOME}/new?question=示例问一&question=示例问二&category=training"
    form = form_on(maintainer, address)
    assert form["question"][:2] == ["示例问一", "示例问二"]
    assert form["category"] == ["training"]
    form |= {
        "title": "示例塑像工培训在哪报名",
        "question": ["塑像工培训报名在哪里", "塑像工班怎么报", "想学塑像工去哪报名"],
        "keywords": "塑像工、塑像",
        "text-1-answer": "请登记需求，由平台联系。",
    }
    answer = maintainer.http.post(f"{HOME}/new", data=form)
    assert answer.status_code == 303, html.unescape(answer.text)
    entry_id = answer.headers["location"].rpartition("/")[2].partition("#")[0]
    assert version_of(program, entry_id).body["keywords"] == ["塑像工", "塑像"]
    assert "草稿" in opened(maintainer, f"{HOME}/{entry_id}")
    assert entry_id in opened(maintainer, HOME, state="draft")
    assert program.ctx.brain.entry(entry_id) is None, "not live yet"


def test_two_who_edit_at_once_are_told_of_each_other(staff: Staff, fresh_entry: str) -> None:
    first, second = staff(), staff()
    form = form_on(second, f"{HOME}/{fresh_entry}/edit")
    drafted(first, fresh_entry, owner="示例甲")
    answer = second.http.post(f"{HOME}/{fresh_entry}/edit", data=form | {"owner": "示例乙"})
    assert answer.status_code == 409
    assert first.name in answer.text
    assert "示例乙" in answer.text


def test_from_draft_to_release_and_back(staff: Staff, program: Program, fresh_entry: str) -> None:
    author, reviewer = staff(), staff()
    version_id = drafted(author, fresh_entry, **{"text-1-answer": "新的答复。", "note": "换了答复"})
    assert sent(author, f"{HOME}/versions/{version_id}/submit").status_code == 303
    assert "换了答复" in opened(reviewer, f"{HOME}/{fresh_entry}")
    back = sent(reviewer, f"{HOME}/versions/{version_id}/send-back", why="")
    assert back.status_code == 400, "the reason is wanted"
    assert sent(reviewer, f"{HOME}/versions/{version_id}/send-back", why="请写明地点").status_code == 303
    assert "请写明地点" in opened(author, f"{HOME}/{fresh_entry}")
    assert sent(author, f"{HOME}/versions/{version_id}/submit").status_code == 303
    unchecked = sent(reviewer, f"{HOME}/versions/{version_id}/publish")
    assert unchecked.status_code == 409
    page = checked(reviewer, version_id)
    assert "可以发布" in page
    own = sent(author, f"{HOME}/versions/{version_id}/publish")
    assert own.status_code == 400, "another pair of eyes"
    assert sent(reviewer, f"{HOME}/versions/{version_id}/publish").status_code == 303
    renew(program.ctx)
    assert "新的答复。" in opened(reviewer, f"{HOME}/{fresh_entry}")
    compared = html.unescape(opened(reviewer, f"{HOME}/{fresh_entry}/history"))
    words = re.sub("</?(?:ins|del)>", "", compared)
    assert "新的答复。" in words
    assert f"请联系{fresh_entry}号培训班。" in words
    assert "<ins>" in compared
    old = re.findall(r"versions/(\d+)/restore", compared)
    assert len(old) == 1
    assert sent(author, f"{HOME}/versions/{old[0]}/restore").status_code == 303
    again = version_of(program, fresh_entry)
    assert (again.state, again.body["text"][0]["answer"]) == ("review", f"请联系{fresh_entry}号培训班。")


def test_the_check_shows_what_would_be_stolen_and_the_head_may_override(
    staff: Staff, program: Program, fresh_entry: str
) -> None:
    victim = program.ctx.brain.entry(ENTRY)
    assert victim
    author, reviewer, head = staff(), staff(), staff(Role.HEAD)
    lines = [*victim.questions[1:5], f"{fresh_entry}抹灰"]
    words = [line[:-1] + "呀" for line in lines]
    version_id = drafted(
        author, fresh_entry, title=victim.title[:-1], question=words, keywords="压力表、电子秤"
    )
    sent(author, f"{HOME}/versions/{version_id}/submit")
    page = checked(reviewer, version_id)
    assert "不能发布" in page
    assert "从其他条目抢走的问题" in page
    assert f"{ENTRY} {victim.title}" in page
    assert '<textarea name="override"' not in page
    assert sent(reviewer, f"{HOME}/versions/{version_id}/publish", override="试试").status_code == 400
    assert '<textarea name="override"' in opened(head, f"{HOME}/versions/{version_id}/gate")
    assert sent(head, f"{HOME}/versions/{version_id}/publish").status_code == 400
    assert sent(head, f"{HOME}/versions/{version_id}/publish", override="示例理由").status_code == 303
    assert "示例理由" in opened(author, f"{HOME}/{fresh_entry}")
    assert sent(head, f"{HOME}/{fresh_entry}/archive", why="").status_code == 400
    assert sent(head, f"{HOME}/{fresh_entry}/archive", why="试完了").status_code == 303
    renew(program.ctx)
    assert fresh_entry in opened(author, HOME, state="archived")


def test_a_check_of_another_state_of_things_is_out_of_date(
    staff: Staff, program: Program, fresh_entry: str
) -> None:
    author, reviewer = staff(), staff()
    version_id = drafted(author, fresh_entry, owner="示例乙")
    sent(author, f"{HOME}/versions/{version_id}/submit")
    checked(reviewer, version_id)
    import_entries(program.ctx, [entry(f"TRN-{990 + next(_numbers)}", f"别的事{fresh_entry}")])
    renew(program.ctx)
    assert "结果已过时" in opened(reviewer, f"{HOME}/versions/{version_id}/gate")
    assert sent(reviewer, f"{HOME}/versions/{version_id}/publish").status_code == 409


def test_giving_a_draft_up_leaves_what_is_live(staff: Staff, program: Program, fresh_entry: str) -> None:
    author = staff()
    version_id = drafted(author, fresh_entry, owner="示例丙")
    assert sent(author, f"{HOME}/versions/{version_id}/withdraw").status_code == 303
    assert version_of(program, fresh_entry).state == "dropped"
    again = sent(author, f"{HOME}/versions/{version_id}/withdraw")
    assert again.status_code == 409
    assert 'role="alert"' in again.text


def test_sides_mark_what_the_other_lacks() -> None:
    found = sides("答复", "每年检定一次。", "每两年检定一次。")
    assert "".join(piece.text for piece in found.before) == "每年检定一次。"
    assert [piece.text for piece in found.after if piece.is_changed] == ["两"]
    assert not any(piece.is_changed for piece in found.before)


# --- the bench, the words ---


def test_the_bench_tells_the_outcome_and_what_decided(maintainer: StaffMember) -> None:
    page = html.unescape(opened(maintainer, f"{HOME}/try", q="压力表多久检一次？"))
    assert "结果：直接答复" in page
    assert f"{HOME}/{ENTRY}" in page
    assert "强在哪里" in page
    assert "<script>alert" not in opened(maintainer, f"{HOME}/try", q="<script>alert(1)</script>")


def test_the_bench_compares_with_a_draft(maintainer: StaffMember, fresh_entry: str) -> None:
    asked = f"{fresh_entry}号抹灰工夜校晚上几点开"
    version_id = drafted(maintainer, fresh_entry, question=[asked, "抹灰工夜校", "抹灰工夜校时间"])
    page = html.unescape(opened(maintainer, f"{HOME}/try", q=asked, version=str(version_id)))
    assert "用草稿：直接答复" in page
    assert "用草稿后，答复会变" in page
    opened(maintainer, f"{HOME}/try", 404, q="x", version="999999")


def test_synonyms_are_added_looked_up_and_removed(maintainer: StaffMember, program: Program) -> None:
    assert sent(maintainer, f"{HOME}/synonyms", name="咕咕表", term="压力表").status_code == 303
    assert synonyms(program.ctx)["咕咕表"] == "压力表"
    renew(program.ctx)
    page = html.unescape(opened(maintainer, f"{HOME}/synonyms", q="咕咕表多久检"))
    assert "压力表多久检" in page
    refused = sent(maintainer, f"{HOME}/synonyms", name="压力表", term="咕咕表")
    assert refused.status_code == 400
    assert 'value="咕咕表"' in refused.text
    assert sent(maintainer, f"{HOME}/synonyms/remove", name="咕咕表").status_code == 303
    assert sent(maintainer, f"{HOME}/synonyms/remove", name="咕咕表").status_code == 404
    assert synonyms(program.ctx) == {}


# --- files ---


def uploaded(person: StaffMember, data: bytes, *, action: str, name: str = "a.xlsx") -> tuple[int, str]:
    csrf = _CSRF.findall(opened(person, HOME))[0]
    answer = person.http.post(
        f"{HOME}/file", data={"csrf": csrf, "action": action}, files={"file": (name, data)}, timeout=60
    )
    return answer.status_code, html.unescape(answer.text)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_what_is_taken_out_comes_back_the_same(maintainer: StaffMember, program: Program, form: str) -> None:
    answer = maintainer.http.get(f"{HOME}/download", params={"form": form})
    assert f"knowledge.{form}" in answer.headers["content-disposition"]
    found = [line.entry for line in read_sheet(answer.content, form=form)]
    assert sorted(one.id for one in found if one) == [one.id for one in program.ctx.brain.entries]
    status, page = uploaded(maintainer, answer.content, action="check", name=f"a.{form}")
    assert status == 200
    assert f"没有变化 {len(found)} 条" in page
    assert maintainer.http.get(f"{HOME}/download", params={"form": "exe"}).status_code == 400


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_no_cell_of_a_file_runs_as_a_formula(form: str) -> None:
    hostile = entry(title="=HYPERLINK(1)", owner="-1+1", keywords=("@x", "'=y"))
    data = sheet([hostile], form=form)
    assert read_sheet(data, form=form)[0].entry == hostile
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_a_file_is_tried_first_and_then_becomes_drafts(
    maintainer: StaffMember, program: Program, fresh_entry: str
) -> None:
    live = program.ctx.brain.entry(fresh_entry)
    assert live
    text = sheet([live], form="csv").decode().replace("请联系", "表格里改的，请联系")
    status, page = uploaded(maintainer, text.encode(), action="check", name="a.csv")
    assert (status, "有变化 1 条" in page, version_of(program, fresh_entry)) == (200, True, None)
    status, page = uploaded(maintainer, text.encode(), action="import", name="a.csv")
    assert (status, "已存为草稿 1 条" in page) == (200, True)
    assert version_of(program, fresh_entry).body["text"][0]["answer"].startswith("表格里改的")
    assert program.ctx.brain.entry(fresh_entry) == live, "nothing is live before it is published"


def test_one_bad_row_keeps_the_whole_file_out_and_is_named(
    maintainer: StaffMember, program: Program, fresh_entry: str
) -> None:
    live = program.ctx.brain.entry(fresh_entry)
    assert live
    rows = list(csv.reader(io.StringIO(sheet([live], form="csv").decode("utf-8-sig"))))
    place = rows[0].index("核对日期")
    good, bad, formula = list(rows[1]), list(rows[1]), list(rows[1])
    good[rows[0].index("责任人")] = "示例丁"
    bad[0], bad[place] = "TRN-998", "前天"
    formula[0], formula[1] = "TRN-999", "=1+1"
    out = io.StringIO()
    csv.writer(out).writerows([rows[0], good, bad, formula, good])
    status, page = uploaded(maintainer, out.getvalue().encode(), action="import", name="a.csv")
    assert status == 400
    assert "核对日期：“前天”不是日期" in page
    assert "类别：这一格是公式" in page
    assert "前面已经有这个编号" in page
    assert version_of(program, fresh_entry) is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.xlsx", b"PK\x03\x04 broken"),
        ("a.exe", b"MZ"),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.csv", b""),
        ("a.csv", "编号,标准问\n".encode()),
    ],
)
def test_what_is_no_spreadsheet_is_refused_in_words(maintainer: StaffMember, name: str, data: bytes) -> None:
    _, page = uploaded(maintainer, data, action="import", name=name)
    assert "没有导入" in page or "检查没有通过" in page


def test_the_seeds_survive_a_spreadsheet() -> None:
    seeds = load_seeds()
    assert [line.entry for line in read_sheet(sheet(seeds, form="xlsx"), form="xlsx")] == seeds
