"""Marks on the fields of the model, which steer the generic code that reads and replaces."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def var(default: Any = "") -> Any:
    """A field in which variables are replaced."""
    return field(default=default, metadata={"variables": True})


def unsupported(why: str, default: Any = None) -> Any:
    """A field that Tekton knows and tkn-solo refuses."""
    return field(default=default, metadata={"unsupported": why})


def ignored(default: Any = None) -> Any:
    """A field that is accepted and not enforced on one machine."""
    return field(default=default, metadata={"ignored": True})
