"""Statements that say something else than the verdict beside them, and what is said about each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _other(path: tuple[str | int, ...], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(predicate: dict[str, Any]) -> None:
        at: Any = predicate
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


DEPENDENCIES = ("buildDefinition", "resolvedDependencies")


DIFFERENT: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("provenance", _other((*DEPENDENCIES, 0, "digest", "gitCommit"), "e" * 40), "other than the verdict's: source"),
    ("provenance", _other((*DEPENDENCIES, 4, "digest", "sha256"), "9" * 64), "other than the verdict's: model"),
    ("provenance", _other(DEPENDENCIES, []), "NO  provenance's dependencies"),
    (
        "provenance",
        _other(("runDetails", "builder", "id"), "https://example.com/laptop"),
        "NO  provenance's builder",
    ),
    ("provenance", _other(("buildDefinition", "buildType"), "by hand"), "NO  provenance's build type"),
    (
        "provenance",
        _other(("buildDefinition", "externalParameters", "releaseImage"), "x.io/y"),
        "NO  provenance's rel",
    ),
    ("tests", _other(("result",), "WARNED"), "NO  test result: WARNED"),
    ("tests", _other(("failedTests",), ["check-code"]), "check-code failed"),
    ("tests", _other(("passedTests",), ["check-code"]), "test-image is missing"),
    ("tests", _other(("configuration", 1, "digest", "sha256"), "9" * 64), "NO  test result's evidence"),
]
"""What is attested, how it was changed, and a part of the refusal."""
