from dataclasses import replace

import pytest

from hallmark.next_version import Known, propose

BEFORE = Known(version="1.2.3", digest="sha256:old", task="classification", features=("a", "b"))
NOW = replace(BEFORE, version="1.2.4", digest="sha256:new")


@pytest.mark.parametrize(
    ("now", "better", "version", "change", "reason"),
    [
        (replace(NOW, digest=BEFORE.digest, features=("x",)), True, "1.2.3", "none", "byte for byte"),
        (NOW, False, "1.2.4", "patch", "trained anew"),
        (NOW, True, "1.3.0", "minor", "better"),
        (replace(NOW, features=("a", "b", "c")), False, "1.3.0", "minor", "given c too"),
        (replace(NOW, features=("c", "a", "b")), False, "1.3.0", "minor", "given c too"),
        (replace(NOW, features=("a",)), True, "2.0.0", "major", "no longer given b"),
        (replace(NOW, features=("a", "c")), True, "2.0.0", "major", "no longer given b"),
        (replace(NOW, features=("b", "a")), True, "2.0.0", "major", "another order"),
        (replace(NOW, features=("b", "c", "a")), True, "2.0.0", "major", "another order"),
        (replace(NOW, task="regression"), True, "2.0.0", "major", "was a classification"),
    ],
)
def test_the_version_rises_with_what_callers_would_notice(
    now: Known, better: bool, version: str, change: str, reason: str
) -> None:
    found = propose(now, BEFORE, better=better)
    assert (found.version, found.change) == (version, change)
    assert reason in found.reason


@pytest.mark.parametrize("before", [None, replace(BEFORE, version="latest")])
def test_without_a_model_in_production_the_makers_version_stands(before: Known | None) -> None:
    found = propose(NOW, before, better=False)
    assert (found.version, found.change, found.fits) == ("1.2.4", "first", True)


@pytest.mark.parametrize(
    ("given", "fits"),
    [("1.2.3", False), ("1.2.4-rc.1", False), ("1.2.4", True), ("1.10.0", True), ("2.0.0", True), ("new", False)],
)
def test_a_version_fits_if_it_is_at_least_the_proposed_one(given: str, fits: bool) -> None:
    assert propose(replace(NOW, version=given), BEFORE, better=False).fits is fits


def test_a_list_of_many_features_is_cut() -> None:
    many = tuple(f"f{number}" for number in range(9))
    assert propose(NOW, replace(BEFORE, features=("a", "b", *many)), better=False).reason.endswith("f4 and 4 more")
