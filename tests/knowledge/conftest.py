"""What the tests of knowledge share: one tokenizer, one index of the shipped entries."""

import pytest

from intents.text import Tokenizer
from knowledge.entries import Release
from knowledge.rows import load_seeds
from knowledge.search import Index


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The tokenizer of the product."""
    return Tokenizer.load()


@pytest.fixture(scope="session")
def seeds(tokenizer: Tokenizer) -> Index:
    """The index of everything that ships."""
    return Index.build(Release.of(load_seeds()), tokenizer)
