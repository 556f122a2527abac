"""The fixture of the data gates' and the model gate's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .trial import Trial
from .workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def trial(workshop: Workshop) -> Trial:
    return Trial(workshop)
