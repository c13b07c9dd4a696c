"""`nqi train`: fit again everything that was learned, from the texts in the repository."""

from collections.abc import Callable, Iterable
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import intents
import knowledge
from bot.errors import RefusedError
from intents.corpus import NO_ACT, Sample, read_corpus
from intents.understand import WEIGHTS, Understander
from knowledge.entries import Entry
from knowledge.rows import load_seeds

Say = Callable[[str], None]
_DATA = Path(intents.__file__).parent / "data"


def train_all(say: Say, *, today: date) -> str:
    """Category and act models, then the vectors, then the ranker; writes the artefacts, gives a report.

    The same texts give the same bytes. Raises RefusedError where scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise RefusedError("train", "训练需要开发依赖（缺 scikit-learn）。请先运行 make setup-dev。")
    from intents.train import train
    from knowledge.rank_train import train as train_ranker

    entries = load_seeds()
    samples = learnt(entries)
    report = train(samples, _DATA / WEIGHTS, progress=say)
    say("vectors and ranker")
    understander = Understander.load()
    trained = train_ranker(entries, samples, understander.tokenizer, report.held_out, today=today)
    for name, text in trained.files().items():
        (Path(knowledge.__file__).parent / "data" / name).write_text(text, encoding="utf-8")
    return f"{report}\nleft out              {trained.held}\nfresh                 {trained.fresh}"


def learnt(entries: Iterable[Entry]) -> list[Sample]:
    """All that categories are learnt from: the corpus, and the questions of entries."""
    questions = (
        Sample(text, entry.category.value, NO_ACT, "question", entry.id, source="entries")
        for entry in entries
        for text in (entry.title, *entry.questions)
    )
    return [*read_corpus(_DATA / "corpus"), *questions]
