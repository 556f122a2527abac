"""What all tests have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same cases in every run, so that a failure is the change's and not chance's; and no test depends on a time.
# `pytest --hypothesis-profile=search` looks for cases that nobody has seen yet.
settings.register_profile("stable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("stable")


@pytest.fixture(scope="session", autouse=True)
def built_tools() -> Iterator[None]:
    """What `make setup` builds is found first, also when pytest is called without make."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(__file__).parents[1] / ".tools" / "bin"), prepend=":")
        yield


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes stand in no test's name: what is packed has the time in it, and processes side by side want one name."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
