from __future__ import annotations

from pathlib import Path

import pytest

from hallmark.documents.loading import load, parse
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Policy, load_policy, policy_digest
from hallmark.errors import BadInputError

SAMPLE = Path(__file__).parents[4] / "samples/iris"
POLICY = (SAMPLE / "validators/policy/policy.yaml").read_text()
MODEL = (SAMPLE / "repository/hallmark.yaml").read_text()


def mistake(text: str, document: type[Policy] | type[Model] = Policy) -> BadInputError:
    with pytest.raises(BadInputError) as caught:
        parse(text, document, name="policy.yaml")
    return caught.value


def test_the_sample_documents_are_read() -> None:
    assert parse(POLICY, Policy, name="policy.yaml").model.metrics.accuracy.minimum == 0.9
    assert load_model(SAMPLE / "repository").training.parameters == {"C": 1.0}


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() -> None:
    error = mistake(POLICY.replace("minimumRows", "minimunRows"))
    line = POLICY.splitlines().index("  minimumRows: 30") + 1
    assert error.message == f"policy.yaml:{line}:3: unknown key model.minimunRows"
    assert error.solution == "did you mean minimumRows?"


def test_an_unknown_key_like_no_other_gets_the_list_of_known_ones() -> None:
    assert "known here: " in mistake(POLICY + "zzzz: 1\n").solution


def test_the_python_name_of_a_key_is_not_a_key() -> None:
    assert "minimumRows" in mistake(POLICY.replace("minimumRows", "minimum_rows")).solution


def test_a_missing_key_is_named() -> None:
    without = POLICY.replace("      minimum: 0.9\n", "      {}\n")
    assert "model.metrics.accuracy.minimum is missing" in mistake(without).message


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("minimum: 0.9", "minimum: 1.9", "is 1.9, but must be at most 1"),
        ("minimum: 0.9", "minimum: '0.9'", 'is "0.9", but must be a number'),
        ("minimum: 0.9", "minimum: .nan", "must be a finite number"),
        ("path: independent.csv", "path: ../independent.csv", "must be a path inside"),
        ("kind: Policy", "kind: Polity", "Policy"),
        ("formats: [skops]", "formats: [exe]", "must be one of skops, onnx"),
        ("maximumOverlap: 0", "maximumOverlap: 0\n  maximumOverlap: 1", "stands twice"),
        ("maximumOverlap: 0", "maximumOverlap: &a 0\n  x: *a", "aliases are not allowed"),
        ("maximumOverlap: 0", "maximumOverlap: [", "not YAML"),
    ],
)
def test_a_wrong_value_is_bad_input(before: str, after: str, what: str) -> None:
    assert before in POLICY
    assert what in mistake(POLICY.replace(before, after)).message


@pytest.mark.parametrize(
    "text", ["", "[]", "just text", "42", "[" * 20_000, "a: !!python/object/apply:os.getpid []", "a: !!int x"]
)
def test_a_document_that_is_no_mapping_is_bad_input(text: str) -> None:
    assert mistake(text).exit_code == 2


def test_a_missing_policy_says_who_provides_it(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="validators' policy"):
        load_policy(tmp_path)


def test_a_file_that_is_no_text_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="UTF-8"):
        load(tmp_path / "policy.yaml", Policy, what="the policy")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "policy.yaml").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(BadInputError, match="larger than"):
        load_policy(tmp_path)


def test_a_policy_that_was_changed_after_it_was_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    pinned = policy_digest(tmp_path)
    load_policy(tmp_path, expected_digest=pinned)
    (tmp_path / "training-suite.json").write_text("{}")
    with pytest.raises(BadInputError, match="changed on the way"):
        load_policy(tmp_path, expected_digest=pinned)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", ""])
def test_a_path_out_of_the_repository_is_refused(path: str) -> None:
    error = mistake(MODEL.replace("script: train.py", f"script: '{path}'"), Model)
    assert "training.script" in error.message


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "01.0.0"])
def test_a_version_that_is_not_semantic_is_refused(version: str) -> None:
    assert "metadata.version" in mistake(MODEL.replace("version: 1.0.0", f"version: '{version}'"), Model).message
