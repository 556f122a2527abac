"""Paths that people write into their documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def relative(value: str) -> str:
    """`value`, if it is a path that stays inside its folder. Raises ValueError."""
    path = Path(value)
    if not value or path.is_absolute() or ".." in path.parts:
        raise ValueError("must be a path inside its folder, without '..'")
    return value


RepositoryPath = Annotated[str, AfterValidator(relative)]
