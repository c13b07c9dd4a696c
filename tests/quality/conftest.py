"""The brain as it ships, for all tests of quality."""

import pytest

from bot.core.brain import Brain
from intents.understand import Understander
from knowledge.entries import Release
from knowledge.rows import load_seeds
from knowledge.search import Index


@pytest.fixture(scope="session")
def brain() -> Brain:
    """Understanding and index of everything that ships."""
    understander = Understander.load()
    return Brain(understander, Index.build(Release.of(load_seeds()), understander.tokenizer))
