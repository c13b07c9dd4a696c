"""The figures of an evaluation as people read them: text, one self-contained page, JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.core.brain import Outcome
from bot.errors import RefusedError
from bot.evaluation import KEYS, Bin, Curve, Group, Rate, Report, Step
from intents.categories import OOS, Category
from intents.understand import Act

Reports = Sequence[tuple[str, Report]]

# Two characters each, so that the columns of a matrix stand straight.
NAMES: Mapping[str, str] = {
    Category.METROLOGY: "计量",
    Category.QUALITY_MANAGEMENT: "质管",
    Category.STANDARDIZATION: "标准",
    Category.IP: "知产",
    Category.TESTING: "检测",
    Category.BRAND: "品牌",
    Category.POLICY: "政策",
    Category.CERTIFICATION: "认证",
    Category.SUPPLY_CHAIN: "供链",
    Category.TRAINING: "培训",
    Category.OTHER: "其他",
    OOS: "界外",
}
_ACTS: Mapping[str, str] = {
    Act.GREET: "问候",
    Act.THANKS: "致谢",
    Act.HUMAN: "转人工",
    Act.COMPLAINT: "投诉",
    Act.SUGGESTION: "建议",
    Act.PROGRESS: "查进度",
    Act.CANCEL: "取消",
    Act.MENU: "菜单",
    Act.BYE: "告别",
    Act.AFFIRM: "肯定",
    Act.DENY: "否定",
}
_OUTCOMES: Mapping[str, str] = {
    Outcome.ANSWER: "当场答复",
    Outcome.CLARIFY: "给出选项",
    Outcome.REFER: "登记需求",
    Outcome.ACT: "对话动作",
}
KINDS: Mapping[str, str] = {
    "category": "类别不符",
    "oos": "范围外未识别",
    "act": "动作不符",
    "answer": "当场答错",
    "entry": "没有给出条目",
    "outcome": "处理方式不符",
}
LEGEND = "质管=质量管理，知产=知识产权，供链=产业链供应链，界外=范围外"


def name_of(key: str) -> str:
    """The Chinese name of a category, an act or an outcome; other words as they are."""
    names = {**NAMES, **_ACTS, **_OUTCOMES}
    return names.get(key) or " ".join(names.get(word, word) for word in key.split(" "))


def percent(rate: Rate) -> str:
    """The share for people, with its counts."""
    return f"{100 * rate.share:.1f}%（{rate.part}/{rate.whole}）" if rate.whole else "—"


def headlines(report: Report) -> list[tuple[str, str]]:
    """The figures of a file in one line each, those that its labels allow."""
    rates = [
        ("类别正确", report.category),
        ("含可接受的第二类", report.with_second),
        ("真实需求被当作范围外", report.refused),
        ("范围外识别", report.caught),
        ("范围外却当场答复", report.answered_strangers),
        ("对话动作正确", report.acts),
        ("误认为对话动作", report.invented),
        ("检索第一即对", report.recall_1),
        ("检索前三有对", report.recall_3),
        ("条目当场给出", report.at_once),
        ("当场给出或在候选之中", report.among),
        ("当场答复中答错", report.wrong),
        ("无条目可答时没有硬答", report.kept_out),
        ("处理方式正确", report.outcome),
    ]
    lines = [(name, percent(rate)) for name, rate in rates if rate.whole]
    if report.category.whole:
        lines.insert(2, ("宏平均 F1", f"{report.macro_f1:.3f}"))
    if report.confidence.count:
        lines.append(("类别置信度的校准误差 ECE", f"{report.confidence.error:.3f}"))
    if report.score.count:
        lines.append(("答复得分的校准误差 ECE", f"{report.score.error:.3f}"))
    return lines


def as_text(title: str, report: Report) -> str:
    """The figures of one file for a terminal."""
    ends = "，".join(f"{name_of(name)} {count}" for name, count in report.outcomes.items())
    lines = [f"== {title}（{report.count} 条）"]
    lines += [f"{name} {value}" for name, value in headlines(report)]
    lines += [f"处理方式：{ends}", *_matrix(report), *_acts(report)]
    lines += _curve("类别", report.confidence, served=False)
    lines += _curve("答复", report.score, served=True)
    lines += _groups("按类别", report.categories)
    lines += _groups("按写法", report.styles)
    return "\n".join(lines)


def _matrix(report: Report) -> Iterator[str]:
    if not any(map(sum, report.matrix)):
        return
    yield f"-- 混淆矩阵：行是标签，列是判断（{LEGEND}）"
    yield "    " + "".join(f"  {NAMES[key]}" for key in KEYS)
    for key, row in zip(KEYS, report.matrix, strict=True):
        yield NAMES[key] + "".join(f"{count or '·':>6}" for count in row)


def _acts(report: Report) -> Iterator[str]:
    if report.each_act:
        yield "-- 对话动作：准确率，召回率"
    for one in report.each_act:
        yield f"{_padded(name_of(one.act), 10)}{percent(one.precision)}，{percent(one.recall)}"


def _curve(name: str, curve: Curve, *, served: bool) -> Iterator[str]:
    """Coverage and precision, then calibration; `served`: not all could have been right."""
    if not curve.count:
        return
    yield f"-- {name}：得分达到门槛时的覆盖率与准确率"
    for step in curve.steps:
        yield f"≥{step.least:.2f}  {_step(step, served=served)}"
    for wish, reached in curve.reached.items():
        yield f"准确率 {wish} 时：得分 ≥{reached.least:.3f}，{_step(reached, served=served)}"
    yield f"-- {name}：校准（ECE {curve.error:.3f}）"
    for one in curve.bins:
        yield f"{_span(one)}  {one.count:>6} 条  平均得分 {one.sure:.3f}  实际正确 {one.right:.3f}"


def _step(step: Step, *, served: bool) -> str:
    line = f"决定 {percent(step.decided)}，其中正确 {percent(step.right)}"
    return f"{line}，当场答对 {100 * step.served.share:.1f}%" if served else line


def _span(one: Bin) -> str:
    return f"{one.low:.1f}–{one.low + 0.1:.1f}"


def _groups(title: str, groups: Sequence[Group]) -> Iterator[str]:
    if groups:
        yield f"-- {title}：条数，正确，含第二类；当场给出，含候选"
    for group in groups:
        line = f"{_padded(name_of(group.name), 16)}{group.count:>5} 条"
        if group.right.whole:
            line += f"  {percent(group.right)}，{percent(group.with_second)}"
        if group.at_once.whole:
            line += f"；{percent(group.at_once)}，{percent(group.among)}"
        yield line


def _padded(name: str, width: int) -> str:
    """Chinese characters take two columns."""
    return name + " " * max(1, width - sum(1 + (char > "\u2e80") for char in name))


def write_page(file: Path, reports: Reports, *, today: date, entries: int) -> None:
    """All files on one page that needs nothing else: no script, no address."""
    # Every value is escaped: labelled texts come from strangers.
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(percent=percent, name_of=name_of, span=_span)
    template = pages.get_template("evaluation_page.html")
    values = {"names": NAMES, "keys": KEYS, "legend": LEGEND, "kinds": KINDS, "headlines": headlines}
    page = template.render(reports=reports, today=today, entries=entries, **values)
    _write(file, page, suffix=".html")


def write_json(file: Path, reports: Reports, *, today: date, entries: int) -> None:
    """The same figures for programs."""
    files = [{"file": name, **_plain(report)} for name, report in reports]
    whole = {"date": today.isoformat(), "entries": entries, "labels": KEYS, "files": files}
    _write(file, json.dumps(whole, ensure_ascii=False, indent=1) + "\n", suffix=".json")


def _plain(value: Any) -> Any:
    """Values as JSON knows them; a rate with its share."""
    if is_dataclass(value):
        found = {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        return {**found, "share": round(value.share, 6)} if isinstance(value, Rate) else found
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def _write(file: Path, text: str, *, suffix: str) -> None:
    # A forgotten name would otherwise put the page in place of a labelled file.
    if file.suffix != suffix:
        raise RefusedError("eval", f"{file} 应以 {suffix} 结尾，没有写入。")
    try:
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise RefusedError("eval", f"写不了 {file}：文件夹不存在或没有权限。") from error
