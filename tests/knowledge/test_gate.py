"""The gate: what a draft takes from others, what of its own does not find it, and that nothing is passed over in vain."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest

from intents.categories import Category
from knowledge.entries import Entry, EntryStatus, Release, Text
from knowledge.gate import Answer, Change, Gate, Question, Source, judge, regression_set
from knowledge.reading import Remembering
from knowledge.search import Index
from knowledge.touching import touched
from tests.make import TODAY, entry

PAIR = ("多久检定一次", "几年检一回", "隔多长时间送检")


def ask(index: Index, text: str, on: date) -> Answer:
    """A decision by scores alone: what the brain adds is the same before and after."""
    hits = tuple((hit.entry.id, hit.score) for hit in index.search(text, today=on))
    best = hits[0][1] if hits else 0.0
    outcome, most = ("answer", 1) if best >= 0.72 else ("clarify", 3) if best >= 0.15 else ("refer", 0)
    return Answer(outcome, tuple(entry_id for entry_id, _ in hits[:most]), hits)


@pytest.fixture(scope="session")
def metrology(seeds: Index) -> Index:
    """What ships in metrology."""
    kept = [one for one in seeds.entries if one.category is Category.METROLOGY]
    return Index.build(Release.of(kept), Remembering(seeds.tokenizer))


def run(index: Index, draft: Entry, questions: Sequence[Question] = (), *, is_full: bool = False) -> Gate:
    return judge(index, draft, questions, ask, today=TODAY, is_full=is_full)


def shipped(index: Index, entry_id: str) -> Entry:
    found = index.entry(entry_id)
    assert found is not None
    return found


def thief(index: Index) -> Entry:
    """MET-06 with the questions of MET-05, a little otherwise."""
    theirs = tuple(f"{question}，想了解一下" for question in shipped(index, "MET-05").questions)
    own = shipped(index, "MET-06")
    return replace(own, questions=(*own.questions, *theirs))


def texts(changes: Sequence[Change]) -> set[str]:
    return {change.question.text for change in changes}


def test_a_draft_that_changes_nothing_changes_nothing(metrology: Index) -> None:
    gate = run(metrology, shipped(metrology, "MET-06"), regression_set(metrology, without="MET-06"))
    assert (gate.missed, gate.stolen, gate.changed, gate.is_blocked) == ((), (), (), False)
    assert gate.counts["own"] == gate.own == 1 + len(shipped(metrology, "MET-06").questions)
    assert gate.counts["left-out"] > 0
    assert gate.replayed == sum(gate.counts.values()) > gate.asked


def test_an_entry_that_takes_a_neighbours_questions_is_blocked(metrology: Index) -> None:
    gate = run(metrology, thief(metrology))
    assert gate.is_blocked
    assert "MET-05" in gate.blocks[0]
    assert texts(gate.stolen) <= {text for one in metrology.entries for text in one.questions}
    assert len([change for change in gate.stolen if "MET-05" in change.question.owners]) >= 3
    assert all("MET-06" in (change.after.first, *change.after.offered) for change in gate.stolen)
    assert all(
        set(change.question.owners) & set(change.before.offered or [change.before.first])
        for change in gate.stolen
    )


def test_a_new_entry_without_rivals_passes(metrology: Index) -> None:
    fresh = entry(
        "MET-501",
        "紫砂壶容量标注有什么要求",
        questions=("紫砂壶要标多少毫升", "茶壶容量怎么标", "紫砂壶容量能差多少"),
    )
    gate = run(metrology, fresh, [Question("紫砂壶上要不要标毫升数", Source.REAL, message=7)])
    assert not gate.is_blocked
    assert [(change.question.message, change.after.first) for change in gate.changed] == [(7, "MET-501")]


@pytest.mark.parametrize(("missed", "is_blocked"), [(0, False), (2, False), (3, True), (11, True)])
def test_more_than_a_fifth_of_its_questions_must_not_miss_it(
    metrology: Index, missed: int, is_blocked: bool
) -> None:
    gate = run(metrology, entry("MET-501", "紫砂壶容量标注有什么要求"))
    own = Change(Question("紫砂壶", Source.OWN, ("MET-501",)), Answer("refer"), Answer("refer"))
    judged = replace(gate, own=11, missed=(own,) * missed)
    assert judged.is_blocked is is_blocked
    assert all("找不到" in words for words in judged.blocks)


def test_a_question_that_another_entry_holds_too_may_miss_its_own(metrology: Index) -> None:
    own, theirs = shipped(metrology, "MET-06"), shipped(metrology, "MET-05").questions
    gate = run(metrology, replace(own, questions=theirs))
    assert texts(gate.missed) <= set(theirs)
    assert len(gate.missed) > len(theirs) / 5
    assert any("找不到" in words for words in gate.blocks)


def test_an_entry_for_later_is_judged_on_its_first_day(metrology: Index) -> None:
    start = TODAY + timedelta(days=40)
    own = shipped(metrology, "MET-06")
    gate = run(metrology, replace(own, texts=(Text("以后这样答复。", valid_from=start),)))
    assert (gate.on, gate.missed) == (start, ())
    gone = run(metrology, replace(own, status=EntryStatus.ARCHIVED))
    assert (gone.on, gone.missed, gone.is_blocked) == (TODAY, (), False)


@pytest.mark.parametrize("kind", ["fewer", "theft", "new", "gone"])
def test_what_is_passed_over_would_not_have_changed(seeds: Index, kind: str) -> None:
    own = shipped(seeds, "MET-06")
    draft = {
        "fewer": replace(own, questions=own.questions[::2]),
        "theft": replace(own, questions=(*own.questions, *thief(seeds).questions[-4:])),
        "new": replace(own, id="MET-501", questions=own.questions[::2]),
        "gone": replace(own, status=EntryStatus.ARCHIVED),
    }[kind]
    questions = regression_set(seeds, without=draft.id)[::5]
    quick = run(seeds, draft, questions)
    whole = run(seeds, draft, questions, is_full=True)
    assert replace(quick, asked=whole.asked) == whole
    assert quick.asked - quick.counts["left-out"] - quick.own < 0.25 * len(questions)


def test_progress_counts_up_to_the_end(metrology: Index) -> None:
    told: list[tuple[int, int]] = []
    gate = judge(
        metrology,
        shipped(metrology, "MET-05"),
        regression_set(metrology, without="MET-05"),
        ask,
        today=TODAY,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == sorted(told)
    assert told[-1] == (gate.asked, gate.asked)
    assert len(told) > 3


def test_the_live_index_is_left_as_it_is(metrology: Index) -> None:
    asked = partial(metrology.search, PAIR[0], today=TODAY)
    before = asked()
    run(metrology, thief(metrology), [Question(PAIR[1], Source.REAL, message=1)])
    assert asked() == before


def test_a_result_survives_its_storing_without_the_words_of_people(metrology: Index) -> None:
    real = Question("紫砂壶上要不要标毫升数", Source.REAL, message=12)
    draft = replace(thief(metrology), questions=(*thief(metrology).questions, "紫砂壶要标毫升数吗"))
    gate = run(metrology, draft, [real])
    assert gate.stolen
    stored = gate.to_json()
    assert real.text in texts(gate.changed)
    assert [one["question"]["text"] for one in stored["changed"] if one["question"]["message"]] == [""]
    assert Gate.of_json(stored, {12: real.text}) == gate
    erased = Gate.of_json(stored)
    assert [change.question.text for change in erased.changed if change.question.message] == [""]


def test_the_regression_set_says_who_answers(seeds: Index) -> None:
    found = regression_set(seeds, without="MET-05")
    assert sum(question.source is Source.FIRST for question in found) == len(seeds.entries) - 1
    pairs = [question for question in found if question.source is Source.SHIPPED]
    assert any(not question.owners for question in pairs)
    assert all(seeds.entry(owner) for question in pairs for owner in question.owners)
    assert not any("MET-05" in question.owners[:1] for question in found if question.source is Source.FIRST)


def test_nothing_asked_touches_nothing(metrology: Index) -> None:
    assert touched(metrology, metrology, "MET-05", []) == []
