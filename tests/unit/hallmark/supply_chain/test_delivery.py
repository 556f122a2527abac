"""What a commit message records, and which commit may replace which."""

from __future__ import annotations

import itertools

import pytest

from hallmark.delivery import Delivery, message, objection, parse
from hallmark.errors import BadInputError
from hallmark.history import Relation

DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
COMMIT = "c" * 40
LAST = Delivery(manifest_commit="d" * 40, image_digest=DIGEST, source_commit="e" * 40, source_time=1000)
TRAILERS = {"Image-Digest": DIGEST, "Source-Commit": COMMIT, "Source-Commit-Time": "1000", "PipelineRun": "iris-1"}


def test_a_message_is_read_back_as_the_delivery_it_records() -> None:
    text = message("iris", TRAILERS)
    assert text.startswith("Deliver iris aaaaaaaaaaaa\n\n")
    expected = Delivery(manifest_commit="f" * 40, image_digest=DIGEST, source_commit=COMMIT, source_time=1000)
    assert parse("f" * 40, text, "iris") == expected
    assert parse("f" * 40, text, "ir") is None


@pytest.mark.parametrize(
    "change",
    [{"Source-Commit": "main"}, {"Source-Commit-Time": "soon"}, {"Image-Digest": "sha256:0"}, {"Source-Commit": ""}],
)
def test_a_message_with_an_odd_trailer_records_nothing(change: dict[str, str]) -> None:
    lines = "".join(f"{key}: {value}\n" for key, value in {"Image-Name": "iris", **TRAILERS, **change}.items())
    assert parse("f" * 40, f"Deliver\n\n{lines}", "iris") is None


def test_a_squashed_message_still_records_its_delivery() -> None:
    text = f"Merge request 7\n\n* {message('iris', TRAILERS)}\n\nCo-authored-by: A. Maker <maker@example.com>\n"
    assert parse("f" * 40, text, "iris") is not None


@pytest.mark.parametrize("value", ["iris-1\nSource-Commit: " + "0" * 40, "", "a\rb", "a\x1bb"])
def test_a_value_that_could_pose_as_another_trailer_is_bad_input(value: str) -> None:
    with pytest.raises(BadInputError, match="PipelineRun"):
        message("iris", {**TRAILERS, "PipelineRun": value})


RELATIONS: tuple[Relation, ...] = ("same", "older", "newer", "diverged", "unknown")


@pytest.mark.parametrize(("relation", "time"), list(itertools.product(RELATIONS, (999, 1000, 1001))))
def test_the_first_delivery_is_always_accepted(relation: Relation, time: int) -> None:
    assert objection(COMMIT, time, None, relation, None) == ""


@pytest.mark.parametrize(("relation", "time"), list(itertools.product(RELATIONS, (999, 1000, 1001))))
def test_ancestry_decides_and_only_without_it_the_time(relation: Relation, time: int) -> None:
    refused = relation == "older" or (relation in ("diverged", "unknown") and time < LAST.source_time)
    assert bool(objection(COMMIT, time, LAST, relation, DIGEST)) is refused


def test_what_was_taken_back_is_not_delivered_again_by_the_same_commit() -> None:
    assert "taken back" in objection(LAST.source_commit, 1000, LAST, "same", OTHER)
    assert objection(COMMIT, 1001, LAST, "newer", OTHER) == ""
