"""What the deliveries of these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from laptop import registry, world


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.World]:
    """Registries, a git server, keys and a base image, once for all."""
    state = tmp_path_factory.mktemp("world")
    try:
        with world.running(state, print) as found:
            yield found
    finally:
        registry.stop(state / "registries/candidates")
        registry.stop(state / "registries/releases")
