import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from hallmark.datasets import write_frame

from .workshop import FEATURES, Run, Workshop

LENGTHS = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "sepal_length", "max_value": 9}}
CLASSES = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "species", "value_set": ["setosa"]}}


def bad_input(run: Run) -> str:
    assert run.exit_code == 2, run.told
    assert run.report["status"] == "error"
    return run.told


def test_good_data_passes_with_and_without_suites(workshop: Workshop) -> None:
    assert workshop.run("validate-data").exit_code == 0
    workshop.suite(LENGTHS)
    workshop.suite(LENGTHS, data="independent")
    run = workshop.run("validate-data")
    assert run.exit_code == 0
    assert [figure["dataset"] for figure in run.report["figures"]["expectations"]] == ["training", "independent"]


def test_the_same_data_gives_the_same_report(workshop: Workshop) -> None:
    workshop.suite(LENGTHS, CLASSES)
    assert workshop.run("validate-data").report_text == workshop.run("validate-data").report_text


@pytest.mark.parametrize("data", ["training", "independent"])
def test_an_expectation_that_does_not_hold_refuses_and_says_how_much(workshop: Workshop, data: str) -> None:
    workshop.suite(LENGTHS, CLASSES, data=data)
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert run.refused == [f"{data} data: expect_column_values_to_be_in_set species"]
    figure = run.report["figures"]["expectations"][1]
    rows = workshop.training if data == "training" else workshop.independent
    share = 100 * rows.filter(pl.col("species") != "setosa").height / rows.height
    assert figure["unexpected_percent"] == pytest.approx(share, abs=0.001)
    assert (figure["column"], figure["passed"]) == ("species", False)


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_warning_is_shown_and_does_not_refuse(workshop: Workshop, severity: str) -> None:
    workshop.suite({**CLASSES, "severity": severity})
    run = workshop.run("validate-data")
    assert run.exit_code == 0
    assert "1 with a warning" in run.report["summary"]
    check = run.check(
        f"training data: expect_column_values_to_be_in_set species ({severity}, does not refuse)",
    )
    assert "does not hold for" in check["value"]
    assert run.report["figures"]["expectations"][0]["passed"] is False


def test_reports_hold_no_value_of_the_data(workshop: Workshop) -> None:
    named = workshop.training.with_columns(person=pl.format("Jane Doe {}", pl.int_range(pl.len())))
    workshop.write_training(named)
    workshop.suite(
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "person", "value_set": ["nobody"]}},
        {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "person", "value_set": ["nobody"]}},
        {"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "person", "value": 1}},
        {"type": "expect_column_most_common_value_to_be_in_set", "kwargs": {"column": "person", "value_set": ["x"]}},
    )
    run = workshop.run("validate-data")
    assert len(run.refused) == 4
    assert "Jane" not in run.report_text


def test_an_error_that_quotes_the_data_is_shown_without_it(workshop: Workshop) -> None:
    workshop.write_training(workshop.training.with_columns(person=pl.lit("Jane Doe")))
    workshop.suite({"type": "expect_column_mean_to_be_between", "kwargs": {"column": "person", "min_value": 0}})
    run = workshop.run("validate-data")
    assert "training-suite.json: expectation 1" in bad_input(run)
    assert "Jane" not in run.report_text


# What great-expectations would let pass.


def test_an_empty_suite_is_bad_input(workshop: Workshop) -> None:
    workshop.suite()
    assert "training-suite.json has no expectations" in bad_input(workshop.run("validate-data"))


def test_an_unknown_expectation_is_bad_input_with_the_nearest_known(workshop: Workshop) -> None:
    workshop.suite(LENGTHS, {**LENGTHS, "type": "expect_column_values_to_be_betwen"})
    told = bad_input(workshop.run("validate-data"))
    assert "training-suite.json: expectation 2 is of the unknown type expect_column_values_to_be_betwen" in told
    assert "did you mean expect_column_values_to_be_between?" in told


ALL_MISSING = [
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "extra", "min_value": 0}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "extra", "value_set": [1]}},
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "extra"}},
    {"type": "expect_column_distinct_values_to_be_in_set", "kwargs": {"column": "extra", "value_set": [1]}},
    {"type": "expect_column_pair_values_to_be_equal", "kwargs": {"column_A": "extra", "column_B": "extra"}},
    {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["extra", "extra2"]}},
]


@pytest.mark.parametrize("entry", ALL_MISSING, ids=lambda entry: str(entry["type"]))
def test_an_expectation_that_saw_no_value_does_not_pass(workshop: Workshop, entry: Mapping[str, Any]) -> None:
    nothing = pl.lit(None, pl.Float64)
    workshop.write_training(workshop.training.with_columns(extra=nothing, extra2=nothing))
    workshop.suite(entry)
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert run.refused[0].startswith(f"training data: {entry['type']}")
    assert run.report["checks"][-1]["value"] == "there was no value to look at"


def test_what_rightly_holds_for_an_empty_column_passes(workshop: Workshop) -> None:
    workshop.write_training(workshop.training.with_columns(extra=pl.lit(None, pl.Float64)))
    workshop.suite(
        {"type": "expect_column_values_to_be_null", "kwargs": {"column": "extra"}},
        {"type": "expect_column_to_exist", "kwargs": {"column": "extra"}},
    )
    assert workshop.run("validate-data").exit_code == 0


def test_a_condition_that_selects_no_row_does_not_pass(workshop: Workshop) -> None:
    condition = {"row_condition": 'species == "nothing"', "condition_parser": "pandas"}
    workshop.suite({**LENGTHS, "kwargs": {**LENGTHS["kwargs"], **condition}})  # type: ignore[dict-item]
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert run.report["checks"][-1]["value"] == "there was no value to look at"


def test_two_equal_entries_are_two_results(workshop: Workshop) -> None:
    workshop.suite(LENGTHS, LENGTHS, CLASSES, CLASSES)
    run = workshop.run("validate-data")
    assert [figure["passed"] for figure in run.report["figures"]["expectations"]] == [True, True, False, False]


def test_results_come_in_the_order_of_the_suite(workshop: Workshop) -> None:
    entries = [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}},
        CLASSES,
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "petal_width", "max_value": 0}},
        LENGTHS,
    ]
    workshop.suite(*entries)
    figures = workshop.run("validate-data").report["figures"]["expectations"]
    assert [figure["type"] for figure in figures] == [entry["type"] for entry in entries]
    assert [figure["passed"] for figure in figures] == [True, False, False, True]


# Errors that are not bad data.


def test_a_column_of_the_suite_that_does_not_exist_is_bad_input(workshop: Workshop) -> None:
    workshop.suite({**LENGTHS, "kwargs": {"column": "sepal_lenght", "max_value": 9}})
    told = bad_input(workshop.run("validate-data"))
    assert "about column sepal_lenght, which the data does not have" in told
    assert "did you mean sepal_length?" in told


def test_that_a_column_exists_can_be_expected(workshop: Workshop) -> None:
    workshop.suite({"type": "expect_column_to_exist", "kwargs": {"column": "age"}})
    run = workshop.run("validate-data")
    assert run.refused == ["training data: expect_column_to_exist age"]


def test_the_columns_of_a_table_can_be_expected(workshop: Workshop) -> None:
    kind = "expect_table_columns_to_match_ordered_list"
    workshop.suite({"type": kind, "kwargs": {"column_list": [*FEATURES, "species"]}})
    assert workshop.run("validate-data").exit_code == 0
    workshop.suite({"type": kind, "kwargs": {"column_list": [*FEATURES, "class"]}})
    assert workshop.run("validate-data").exit_code == 1


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"type": LENGTHS["type"], "kwargs": {"colum": "sepal_length"}}, "wrong arguments"),
        ({"type": LENGTHS["type"], "kwargs": {"column": "sepal_length", "maximum": 3}}, "wrong arguments"),
        ({"type": LENGTHS["type"], "kwargs": {"column": "sepal_length"}}, "wrong arguments"),
        ({"type": LENGTHS["type"], "kwargs": {"column": "species", "max_value": 3}}, "could not be evaluated"),
        (
            {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "species", "regex": "["}},
            "could not be evaluated",
        ),
        ({**LENGTHS, "severity": "fatal"}, "severity 'fatal'"),
        ({**LENGTHS, "kwarg": {}}, "unknown key kwarg"),
        ({"kwargs": {}}, "needs a type and kwargs"),
        ({"type": LENGTHS["type"], "kwargs": []}, "needs a type and kwargs"),
        ("expect_column_to_exist", "is no JSON object"),
    ],
)
def test_an_entry_that_cannot_be_evaluated_is_bad_input(workshop: Workshop, entry: Any, reason: str) -> None:
    workshop.suite(LENGTHS, entry)
    told = bad_input(workshop.run("validate-data"))
    assert "training-suite.json: expectation 2" in told
    assert reason in told


def test_a_suite_of_the_old_kind_is_bad_input_that_says_what_to_rename(workshop: Workshop) -> None:
    old = {"expectation_type": LENGTHS["type"], "kwargs": LENGTHS["kwargs"]}
    (workshop.folder("policy") / "old.json").write_text(
        json.dumps({"expectation_suite_name": "old", "expectations": [old]})
    )
    workshop.use_suite("old.json")
    assert "rename expectation_suite_name to name" in bad_input(workshop.run("validate-data"))
    workshop.suite(old)
    assert "rename expectation_type to type" in bad_input(workshop.run("validate-data"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ("[1]", "is no JSON object"),
        ('{"expectations": {}}', "has no expectations"),
        ('{"name": "x", "expectation": []}', "did you mean expectations?"),
        ('{"expectations": [1], "expectations": []}', "the key 'expectations' stands twice in one object"),
        ("[" * 50_000, "is not JSON"),
    ],
)
def test_a_file_that_is_no_suite_is_bad_input(workshop: Workshop, text: str, reason: str) -> None:
    (workshop.folder("policy") / "suite.json").write_text(text)
    workshop.use_suite("suite.json", data="independent")
    assert reason in bad_input(workshop.run("validate-data"))


def test_a_missing_suite_is_bad_input(workshop: Workshop) -> None:
    workshop.use_suite("nothing.json")
    assert "cannot read the expectation suite nothing.json" in bad_input(workshop.run("validate-data"))


# What is always checked.


def test_another_file_than_the_policy_s_is_refused_and_not_looked_into(workshop: Workshop) -> None:
    workshop.independent.drop("species").write_csv(workshop.folder("data") / "independent.csv")
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert run.refused == ["the independent data independent.csv: is the one that the rules name"]
    assert "differs from policy.yaml's sha256" in run.report["summary"]


def test_a_file_that_was_changed_and_is_no_data_any_more_is_refused_as_another(workshop: Workshop) -> None:
    write_frame(workshop.independent, workshop.folder("data") / "independent.parquet")
    workshop.pin("independent.parquet")
    assert workshop.run("validate-data").exit_code == 0
    with (workshop.folder("data") / "independent.parquet").open("ab") as file:
        file.write(b"x")
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert run.refused == ["the independent data independent.parquet: is the one that the rules name"]
    assert "differs from policy.yaml's sha256" in run.report["summary"]
    assert run.report["digests"]["independent-data"] != workshop.rules["data"]["independent"]["sha256"]


@pytest.mark.parametrize("data", ["training", "independent"])
def test_data_without_rows_is_bad_input_and_no_suite_passes_on_it(workshop: Workshop, data: str) -> None:
    workshop.suite(LENGTHS, data=data)
    getattr(workshop, f"write_{data}")(getattr(workshop, data).head(0))
    run = workshop.run("validate-data")
    assert run.exit_code == 2
    assert f"the {data} data" in run.told
    assert "no rows" in run.told


@pytest.mark.parametrize("data", ["training", "independent"])
@pytest.mark.parametrize("column", ["petal_width", "species"])
@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_a_gap_is_refused_with_its_column_and_count(
    workshop: Workshop, data: str, column: str, gap: float | None
) -> None:
    if column == "species" and gap is not None:
        gap = None
    rows = getattr(workshop, data)
    holes = rows.with_columns(pl.when(pl.int_range(pl.len()) < 3).then(gap).otherwise(column).alias(column))
    getattr(workshop, f"write_{data}")(holes)
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    assert run.check(f"{data} data: no gaps in features and label")["value"] == f"{column}: 3"


def test_a_class_that_the_training_data_does_not_know_is_refused(workshop: Workshop) -> None:
    workshop.write_training(workshop.training.filter(pl.col("species") != "virginica"))
    run = workshop.run("validate-data")
    assert run.exit_code == 1
    check = run.check("independent data: every class is in the training data")
    assert check["value"] == "1 unknown: virginica"


def test_classes_are_the_same_whatever_their_type(workshop: Workshop) -> None:
    codes = {"setosa": 0, "versicolor": 1, "virginica": 2}
    coded = pl.col("species").replace_strict(codes, return_dtype=pl.Int64)
    workshop.write_training(workshop.training.with_columns(coded))
    workshop.write_independent(workshop.independent.with_columns(coded.cast(pl.Float64)))
    assert workshop.run("validate-data").exit_code == 0


def test_a_missing_label_column_is_bad_input(workshop: Workshop) -> None:
    workshop.write_training(workshop.training.drop("species"))
    told = bad_input(workshop.run("validate-data"))
    assert "names column species, which the training data data/training.csv does not have" in told


def test_labels_that_are_no_class_names_are_bad_input(workshop: Workshop) -> None:
    workshop.write_training(workshop.training.with_columns(species=pl.lit("x" * 300)))
    assert "use class names" in bad_input(workshop.run("validate-data"))


@pytest.mark.parametrize("digest", ["source_digest", "policy_digest"])
def test_a_digest_that_is_not_its_writers_is_bad_input(workshop: Workshop, digest: str) -> None:
    assert "changed on the way" in bad_input(workshop.run("validate-data", **{digest: f"sha256:{'0' * 64}"}))


def test_nothing_is_written_outside_the_report_and_nothing_is_sent(workshop: Workshop) -> None:
    """In a process of its own, with an empty home and temporary folder, and no address that could be reached."""
    workshop.suite(LENGTHS)
    workshop.save()
    home = workshop.root / "home"
    home.mkdir()
    digests = workshop.digests()
    flags = [f"--{name}={workshop.folder(name)}" for name in ("source", "policy", "data")]
    flags += [f"--source-digest={digests['source_digest']()}", f"--policy-digest={digests['policy_digest']()}"]
    flags += [f"--report={workshop.root / 'report'}"]
    trap = "import socket; socket.socket.connect = None; import sys; from hallmark.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", trap, "validate-data", *flags],
        cwd=home,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert list(home.iterdir()) == []
    assert done.stderr == ""
    assert sorted(path.name for path in (workshop.root / "report").iterdir()) == [
        "validate-data.json",
        "validate-data.junit.xml",
    ]


@pytest.mark.parametrize("engine", ["auto", "gx"])
def test_the_rows_that_an_expectation_found_are_listed_with_personal_values_masked(
    workshop: Workshop, engine: str
) -> None:
    workshop.suite({"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "species", "value_set": ["a"]}})
    workshop.rules["data"]["engine"] = engine
    run = workshop.run("validate-data")
    listed = {figure["check"]: figure for figure in run.report["figures"]["failing_rows"]}
    found = listed["expect_column_values_to_be_in_set species"]
    assert found["rows"] == list(range(1, 21))
    assert found["values"] == []

    workshop.rules["data"]["quality"] = {"failingRows": {"maximum": 2, "showValues": True, "personal": ["species"]}}
    (found,) = workshop.run("validate-data").report["figures"]["failing_rows"]
    assert (found["rows"], found["columns"], found["values"]) == ([1, 2], ["species"], [["•••"], ["•••"]])
