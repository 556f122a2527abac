from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engines import differences
from engines.differences import unexplained
from engines.observation import NOT_RUN

SOLO = {"reason": "Succeeded", "results": {"digest": "sha256:aa"}, "skipped": {}}
TEKTON = {"reason": "Succeeded", "results": {"digest": "sha256:bb"}, "skipped": {"last": "stopping"}}
DIGEST = {"results.digest": {"tkn-solo": {"matches": "sha256:.."}, "tekton": "sha256:bb"}}
SKIPPED = {"skipped.last": {"tkn-solo": "(none)", "tekton": "stopping"}}


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def write(fields: dict[str, Any]) -> None:
        (tmp_path / "list.yaml").write_text(yaml.safe_dump([{"scenario": "one", "why": "so", "fields": fields}]))

    monkeypatch.setattr(differences, "FILE", tmp_path / "list.yaml")
    return write


def test_differences_that_are_listed_are_explained(listed: Any) -> None:
    listed({**DIGEST, **SKIPPED})
    assert unexplained("one", SOLO, TEKTON) == {}


def test_a_difference_that_is_not_listed_is_told_with_both_values(listed: Any) -> None:
    listed(DIGEST)
    assert unexplained("one", SOLO, TEKTON) == SKIPPED


def test_a_difference_of_another_scenario_explains_nothing(listed: Any) -> None:
    listed({**DIGEST, **SKIPPED})
    assert set(unexplained("two", SOLO, TEKTON)) == {"results.digest", "skipped.last"}


def test_another_value_than_the_listed_one_is_told(listed: Any) -> None:
    listed({**DIGEST, "skipped.last": {"tkn-solo": "(none)", "tekton": "timeout"}})
    assert unexplained("one", SOLO, TEKTON) == SKIPPED


def test_an_entry_that_is_no_longer_a_difference_is_told(listed: Any) -> None:
    listed({**DIGEST, **SKIPPED, "reason": {"tkn-solo": "Succeeded", "tekton": "Failed"}})
    assert unexplained("one", SOLO, TEKTON) == {"reason": "no longer a difference"}


def test_where_one_engine_does_not_run_the_rest_is_not_compared(listed: Any) -> None:
    listed({})
    assert unexplained("one", {"reason": NOT_RUN}, TEKTON) == {"reason": {"tkn-solo": NOT_RUN, "tekton": "Succeeded"}}
