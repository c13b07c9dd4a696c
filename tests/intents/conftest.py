"""One understander for all tests of this room."""

import pytest

from intents.understand import Understander


@pytest.fixture(scope="session")
def understander() -> Understander:
    return Understander.load()
