"""Settings that all tests share."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A time limit for one example would fail for what else the machine does.
settings.register_profile("pyconv", deadline=None)
settings.load_profile("pyconv")


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """The benchmark's rivals switch torch's gradients off in their process; no other test may see it."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_grad_enabled(True)
