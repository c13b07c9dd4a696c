"""`nqi train`: fit again everything that was learned, from the texts in the repository."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import intents
import knowledge
from bot.errors import RefusedError
from intents.understand import WEIGHTS, Understander
from knowledge.rows import load_seeds

Say = Callable[[str], None]


def train_all(say: Say, *, today: date) -> str:
    """Category and act models, then the vectors, then the ranker; writes the artefacts, gives a report.

    The same texts give the same bytes. Raises RefusedError where scikit-learn is not installed.
    """
    try:
        from intents.train import read_corpus, train
    except ImportError as error:
        raise RefusedError(
            "train", f"训练需要开发依赖（缺 {error.name}）。请先运行 make setup-dev。"
        ) from error
    from knowledge.rank_train import train as train_ranker

    folder = Path(intents.__file__).parent / "data"
    samples = read_corpus(folder / "corpus")
    report = train(samples, folder / WEIGHTS, progress=say)
    say("vectors and ranker")
    understander = Understander.load()
    trained = train_ranker(
        load_seeds(),
        samples,
        understander.tokenizer,
        lambda text: understander.understand(text).scores,
        today=today,
    )
    for name, text in trained.files().items():
        (Path(knowledge.__file__).parent / "data" / name).write_text(text, encoding="utf-8")
    return f"{report}\n{trained.report}"
