"""The learned part of retrieval: features of candidates -> the probability that each answers the question."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]

ENTRY_FEATURES = (
    "characters",  # cosine with the phrase that fits best
    "words",
    "sounds",
    "ratio",  # rapidfuzz, characters
    "sound_ratio",  # rapidfuzz, syllables
    "asked",  # share of the question that the best phrase covers
    "covered",  # share of the best phrase that the question covers
    "best_words",  # the best cosine of any phrase of the entry, words only
    "mean_asked",  # share of the question that a phrase of the entry covers, mean of all
    "mean_words",  # mean cosine, words only
    "title",  # likeness of the title
    "body",  # share of the question that title, questions and keywords together cover
    "body_words",
    "answer",  # share that the texts cover
    "answer_words",
    "body_cosine",  # the same, also counting what the entry has and the question has not
    "text_cosine",
    "meaning",  # likeness of meaning with title and questions
    "text_meaning",  # and with the texts
    "behind_meaning",  # how far behind the best candidate's
    "category",  # score of the entry's category
    "category_log",
    "keywords",  # keywords that stand in the question, 2 at most
    "ask_same",  # the best phrase asks for the same: a fee, a time, a place
    "ask_title",  # the title asks for it
    "ask_share",  # how many of the entry's phrases ask for it
    "ask_missing",  # a telling ask that no phrase of the entry has
    "ask_extra",  # a telling ask of the title that the question has not
    "ask_other",  # the best phrase asks for something else
    "number_same",  # a standard that is named
    "number_other",
    "negation_other",
    "exact",
    "inside",  # one of the two holds the other
    "behind",  # how far this entry's likeness is behind the best candidate's
    "rarest",  # the rarest word of the question is in the entry
)
NONE_FEATURES = (
    "bias",
    "oos",  # score of "out of scope"
    "unknown",  # share of the question that no phrase knows
    "length",  # log of the characters
    "short",  # four characters or fewer
    "best_likeness",
    "best_body",
    "best_meaning",
)


@dataclass(frozen=True, slots=True)
class Ranker:
    """A conditional logit: each candidate has a utility, and so has "none of them"."""

    entry: Features
    none: Features

    def probabilities(self, candidates: Features, nothing: Features) -> Features:
        """Per candidate (one row each): the probability that it answers the question."""
        utilities = np.append(candidates @ self.entry, nothing @ self.none)
        powers = np.exp(utilities - utilities.max())
        shares: Features = powers[:-1] / powers.sum()
        return shares

    @classmethod
    def of(cls, text: str) -> "Ranker":
        """Read weights as TOML; raises KeyError where a feature has none."""
        data = tomllib.loads(text)
        return cls(
            np.array([float(data["entry"][name]) for name in ENTRY_FEATURES]),
            np.array([float(data["none"][name]) for name in NONE_FEATURES]),
        )

    def to_toml(self, head: str) -> str:
        """The weights as a reviewable file; `head` is a comment that says how they were made."""
        lines = [f"# {line}" for line in head.splitlines()]
        for table, names, weights in (
            ("entry", ENTRY_FEATURES, self.entry),
            ("none", NONE_FEATURES, self.none),
        ):
            lines += ["", f"[{table}]"]
            lines += [f"{name} = {weight:.4f}" for name, weight in zip(names, weights, strict=True)]
        return "\n".join(lines) + "\n"


@cache
def shipped() -> Ranker:
    """The weights that ship with the project."""
    return Ranker.of((files("knowledge") / "data" / "ranker.toml").read_text(encoding="utf-8"))
