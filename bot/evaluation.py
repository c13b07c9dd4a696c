"""`nqi eval`: how well labelled texts are understood and answered."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from bot.core.brain import Brain, Heard, Outcome
from bot.errors import RefusedError
from intents.categories import OOS, Category
from intents.understand import Act

_KEYS = frozenset({*(item.value for item in Category), OOS})
_ENTRY = re.compile(r"[A-Z]{3}-[0-9]")
_BINS = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled text; labels that are not given are not judged."""

    text: str
    category: str = ""  # one of the eleven keys or oos
    second: str = ""  # a category that is also right
    act: str = ""
    entries: tuple[str, ...] = ()  # the entries that answer it; ("-",): none does
    outcome: str = ""


def read_samples(file: Path) -> list[Sample]:
    """Read .jsonl (text, category, second, act, faq, outcome) or .tsv (see docs/understanding.md)."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError("eval", f"读不了 {file}：{error}") from error
    read = _from_json if file.suffix == ".jsonl" else _from_tsv
    numbered = (
        (number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    )
    samples = [read(line, file, number) for number, line in numbered]
    if not samples:
        raise RefusedError("eval", f"{file} 里没有样本。")
    return samples


def _from_json(line: str, file: Path, number: int) -> Sample:
    try:
        item = json.loads(line)
        text = item["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError("eval", f"{file} 第 {number} 行不是带 text 的 JSON。") from error
    given = {name: str(item.get(name) or "") for name in ("category", "second", "act", "outcome")}
    return _checked(Sample(str(text), entries=_entries(str(item.get("faq") or "")), **given), file, number)


def _from_tsv(line: str, file: Path, number: int) -> Sample:
    """Columns: label, text[, second]; the label is a category, oos, act:NAME, need, or ids of entries (A|B; -: none)."""
    columns = line.split("\t")
    if len(columns) < 2:
        raise RefusedError("eval", f"{file} 第 {number} 行应为“标签<TAB>文本”。")
    label, text = columns[0], columns[1]
    if label.startswith("act:"):
        sample = Sample(text, act=label.removeprefix("act:"))
    elif label == "need":
        sample = Sample(text, outcome=Outcome.REFER.value)
    elif label == "-" or _ENTRY.match(label):
        sample = Sample(text, entries=_entries(label))
    else:
        sample = Sample(text, category=label, second=columns[2] if len(columns) > 2 else "")
    return _checked(sample, file, number)


def _entries(label: str) -> tuple[str, ...]:
    return tuple(label.split("|")) if label else ()


def _checked(sample: Sample, file: Path, number: int) -> Sample:
    wrong = (sample.category and sample.category not in _KEYS) or (sample.act and sample.act not in set(Act))
    if wrong:
        raise RefusedError("eval", f"{file} 第 {number} 行的标签“{sample.category or sample.act}”不认识。")
    return sample


@dataclass(slots=True)
class Report:
    """Counts of one file; every rate is a count over a count."""

    count: int = 0
    judged: int = 0  # texts with a category of the eleven
    right: int = 0
    right_or_second: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)  # (label, found), right ones too
    oos: int = 0
    oos_caught: int = 0
    refused: int = 0  # needs that were taken for out of scope
    acts: int = 0
    acts_right: int = 0
    asked: int = 0  # texts that an entry answers
    first: int = 0  # ... given at once
    among: int = 0  # ... given at once or among the choices
    answered: int = 0  # answers given at once, of all texts whose entry is known
    answered_wrong: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    outcomes_judged: int = 0
    outcomes_right: int = 0
    confidences: list[tuple[float, bool]] = field(default_factory=list)

    def text(self, title: str) -> str:
        """The figures for people."""
        return "\n".join([f"== {title}（{self.count} 条）", *self._lines()])

    def _lines(self) -> Iterator[str]:
        if self.judged:
            yield f"类别正确 {_rate(self.right, self.judged)}"
            yield f"含可接受的第二类 {_rate(self.right_or_second, self.judged)}"
            yield f"宏平均 F1 {self.macro_f1():.3f}；校准误差 ECE {self.ece():.3f}"
            yield f"真实需求被当作范围外 {_rate(self.refused, self.judged)}"
            wrong = [(pair, n) for pair, n in self.pairs.most_common() if pair[0] != pair[1]][:8]
            for (label, found), n in wrong:
                yield f"  {label} 认成 {found}：{n}"
        if self.oos:
            yield f"范围外识别 {_rate(self.oos_caught, self.oos)}"
        if self.acts:
            yield f"对话动作正确 {_rate(self.acts_right, self.acts)}"
        if self.asked:
            yield f"条目当场给出 {_rate(self.first, self.asked)}；在候选之中 {_rate(self.among, self.asked)}"
        if self.answered:
            yield f"当场答复中答错 {_rate(self.answered_wrong, self.answered)}"
        if self.outcomes_judged:
            yield f"处理方式正确 {_rate(self.outcomes_right, self.outcomes_judged)}"
        yield "处理方式：" + "，".join(f"{name} {n}" for name, n in self.outcomes.most_common())

    def macro_f1(self) -> float:
        """The mean over the labels of the harmonic mean of precision and recall."""
        labels = {label for label, _ in self.pairs}
        scores = []
        for label in labels:
            hit = self.pairs[label, label]
            given = sum(n for (_, found), n in self.pairs.items() if found == label)
            wanted = sum(n for (wish, _), n in self.pairs.items() if wish == label)
            scores.append(2 * hit / (given + wanted) if given + wanted else 0.0)
        return sum(scores) / len(scores) if scores else 0.0

    def ece(self) -> float:
        """Expected calibration error over ten bins of the confidence."""
        total = 0.0
        for number in range(_BINS):
            inside = [item for item in self.confidences if min(int(item[0] * _BINS), _BINS - 1) == number]
            if inside:
                sure = sum(confidence for confidence, _ in inside)
                right = sum(is_right for _, is_right in inside)
                total += abs(sure - right)
        return total / len(self.confidences) if self.confidences else 0.0


def _rate(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%（{part}/{whole}）"


def evaluate(brain: Brain, samples: Iterable[Sample], *, today: date) -> Report:
    """Hear every text as a message would be heard, and count."""
    report = Report()
    for sample in samples:
        _count(report, sample, brain.hear(sample.text, today=today))
    return report


def _count(report: Report, sample: Sample, heard: Heard) -> None:
    report.count += 1
    report.outcomes[heard.outcome.value] += 1
    if sample.category == OOS:
        report.oos += 1
        report.oos_caught += heard.outcome in (Outcome.OOS, Outcome.ACT)
    elif sample.category:
        _count_category(report, sample, heard)
    if sample.act:
        report.acts += 1
        found = heard.understanding.act
        report.acts_right += found is not None and found.value == sample.act and heard.outcome is Outcome.ACT
    if sample.entries:
        _count_entry(report, sample, heard)
    if sample.outcome:
        report.outcomes_judged += 1
        report.outcomes_right += heard.outcome.value == sample.outcome


def _count_category(report: Report, sample: Sample, heard: Heard) -> None:
    found = heard.understanding.category.value if heard.understanding.category else OOS
    report.judged += 1
    report.pairs[sample.category, found] += 1
    report.right += found == sample.category
    report.right_or_second += found in (sample.category, sample.second)
    report.refused += heard.outcome is Outcome.OOS
    report.confidences.append((heard.understanding.confidence, found == sample.category))


def _count_entry(report: Report, sample: Sample, heard: Heard) -> None:
    given = [hit.entry.id for hit in heard.hits]
    is_answer = heard.outcome is Outcome.ANSWER
    is_first = is_answer and given[0] in sample.entries
    report.answered += is_answer
    report.answered_wrong += is_answer and not is_first
    if sample.entries == ("-",):
        return
    report.asked += 1
    report.first += is_first
    report.among += is_first or (
        heard.outcome is Outcome.CLARIFY and not set(given[:3]).isdisjoint(sample.entries)
    )
