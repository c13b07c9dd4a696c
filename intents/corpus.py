"""The training corpus as values: utterances with what they mean, in which style, about what."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from intents.acts import Act
from intents.categories import OOS, Category

NO_ACT = "none"
# Acts that speak of services themselves say nothing about where out of scope begins.
_ABOUT_SERVICES = frozenset({Act.COMPLAINT, Act.SUGGESTION, Act.PROGRESS})
_LABELS = frozenset({OOS, *(item.value for item in Category)})


@dataclass(frozen=True, slots=True)
class Sample:
    """One utterance of the corpus."""

    text: str
    label: str  # category key or "oos"; "" where an utterance must not teach categories
    act: str  # act or "none"
    style: str
    topic: str
    second: str = ""  # another category that is right as well
    source: str = "corpus"  # corpus, entries (their questions), terms (the lexicon)

    def fold(self, count: int, *, by_topic: bool = False) -> int:
        """The part of the development split: whole cells of topic and style, or whole topics, stay together."""
        if self.act != NO_ACT or self.source != "corpus":
            key = self.text
        else:
            key = f"{self.label} {self.topic}" if by_topic else f"{self.label} {self.topic} {self.style}"
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) % count


def read_corpus(folder: Path) -> list[Sample]:
    """All utterances of a folder, `<category>.tsv`, `terms-…`, `oos.tsv` and `acts.tsv`, in their order.

    Raises ValueError naming the file and line that is not as docs/knowledge.md says.
    """
    found: dict[tuple[str, str], Sample] = {}
    for path in sorted(folder.glob("*.tsv")):
        for sample in _samples(path):
            # The first wins: an equal utterance of another file would teach the opposite.
            found.setdefault((sample.text, sample.act), sample)
    return list(found.values())


def _samples(path: Path) -> Iterator[Sample]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            try:
                yield _sample(path.stem, line.split("\t"))
            except ValueError as error:
                raise ValueError(f"{path.name}:{number}: {error}") from error


def _sample(stem: str, fields: list[str]) -> Sample:
    if not 3 <= len(fields) <= 4 or not all(fields[:3]):
        raise ValueError("style, topic, text and perhaps a second category are wanted")
    style, topic, text, second = (field.strip() for field in (*fields, "")[:4])
    if second and second not in _LABELS:
        raise ValueError(f"no such category: {second}")
    if stem == "acts":
        return _act_sample(style, topic, text, second)
    source, _, label = stem.partition("-") if stem.startswith("terms-") else ("corpus", "", stem)
    if label not in _LABELS:
        raise ValueError(f"no such category: {label}")
    return Sample(text, label, NO_ACT, style, topic, second, source)


def _act_sample(style: str, topic: str, text: str, second: str) -> Sample:
    if topic == NO_ACT:
        return Sample(text, second or OOS, NO_ACT, style, topic)
    return Sample(text, "" if Act(topic) in _ABOUT_SERVICES else OOS, topic, style, topic)
