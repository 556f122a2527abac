"""verify-model: what is asked of the model's answers, and the verdict."""

from __future__ import annotations

import polars as pl
import pytest

from hallmark.commands import verify_model
from hallmark.files import sha256_bytes, sha256_file
from hallmark.platforms import as_text
from hallmark.verdict import this_second

from .trial import GATES, IMAGE, MODEL, SOURCE, Trial, assert_refused
from .workshop import UNCHANGED, Workshop


def test_a_good_model_passes_and_the_verdict_binds_everything(trial: Trial) -> None:
    trial.predict(trial.wrong(3))
    trial.respond(trial.wrong(3))
    run = trial.run()
    assert run.exit_code == 0, run.told
    verdict = trial.verdict
    accuracy = (trial.rows - 3) / trial.rows
    assert verdict.passed
    assert verdict.metrics["accuracy"].value == accuracy
    assert verdict.metrics["accuracy"].low < accuracy < verdict.metrics["accuracy"].high
    assert run.results["accuracy"] == f"{accuracy:.6g}"
    assert (verdict.model.name, verdict.model.version, verdict.model.digest) == ("iris", "1.2.3", MODEL)
    assert (verdict.source.commit, verdict.source.commit_time, verdict.source.digest) == ("a" * 40, 1700000000, SOURCE)
    assert (verdict.image.repository, verdict.image.digest) == ("registry.example.com/candidates/iris", IMAGE)
    assert verdict.data.independent == trial.workshop.rules["data"]["independent"]["sha256"]
    assert (verdict.data.rows, verdict.data.overlap) == (trial.rows, 0)
    assert {gate: found.report for gate, found in verdict.gates.items()} == trial.reports
    assert verdict.policy == trial.workshop.digests()["policy_digest"]()
    gate = verdict.gates["check-code"]
    assert [check.passed for check in gate.checks] == [True]
    assert {"hallmark", "python", "polars"} <= verdict.tools.keys()
    figures = run.report["figures"]
    assert figures["confusion_matrix"]["labels"] == ["setosa", "versicolor", "virginica"]
    assert sum(map(sum, figures["confusion_matrix"]["counts"])) == trial.rows
    assert {entry["name"]: entry["minimum"] for entry in figures["metrics"]}["accuracy"] == 0.8


def test_the_same_input_gives_the_same_verdict_and_report_at_the_same_time(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = this_second()
    monkeypatch.setattr(verify_model, "this_second", lambda: now)
    first, text = trial.run(), (trial.workshop.folder("verdict") / "verdict.json").read_bytes()
    assert trial.run() == first
    assert (trial.workshop.folder("verdict") / "verdict.json").read_bytes() == text


def test_accuracy_exactly_at_the_minimum_passes_and_just_below_is_refused(trial: Trial) -> None:
    for wrong, exit_code in ((6, 0), (7, 1)):
        trial.workshop.rules["model"]["metrics"]["accuracy"]["minimum"] = (trial.rows - 6) / trial.rows
        trial.predict(trial.wrong(wrong))
        trial.respond(trial.wrong(wrong))
        assert trial.run().exit_code == exit_code
    assert_refused(trial, trial.run(), "accuracy")


def test_the_repository_may_tighten_the_minimum(trial: Trial) -> None:
    trial.predict(trial.wrong(3))
    trial.respond(trial.wrong(3))
    run = trial.run(minimum_accuracy="0.99")
    assert_refused(trial, run, "accuracy")
    assert run.check("accuracy")["limit"] == "at least 0.99"
    assert trial.verdict.metrics["accuracy"].minimum == 0.99


def test_the_repository_may_not_loosen_the_minimum(trial: Trial) -> None:
    trial.predict(trial.wrong(20))
    trial.respond(trial.wrong(20))
    assert_refused(trial, trial.run(minimum_accuracy="0.1"), "accuracy")


@pytest.mark.parametrize("minimum", ["1.5", "-0.1", "nan", "inf"])
def test_a_minimum_that_is_none_is_bad_input(trial: Trial, minimum: str) -> None:
    run = trial.run(minimum_accuracy=minimum)
    assert (run.exit_code, "no accuracy" in run.told) == (2, True)


def test_labels_of_another_type_are_the_same_classes(workshop: Workshop) -> None:
    codes = {"setosa": 0, "versicolor": 1, "virginica": 2}
    coded = pl.col("species").replace_strict(codes, return_dtype=pl.Int64)
    workshop.write_training(workshop.training.with_columns(coded))
    workshop.write_independent(workshop.independent.with_columns(coded))
    trial = Trial(workshop)
    trial.predict([float(label) for label in trial.truth])
    trial.respond([str(label) for label in trial.truth])
    run = trial.run()
    assert run.exit_code == 0, run.told
    assert trial.verdict.metrics["accuracy"].value == 1


def test_rows_of_the_training_data_are_refused(workshop: Workshop) -> None:
    leaked = workshop.independent.head(2).with_columns(pl.lit("setosa").alias("species"))
    workshop.write_training(pl.concat([workshop.training, leaked]))
    trial = Trial(workshop)
    run = trial.run()
    assert_refused(trial, run, "rows that the training data holds too")
    assert trial.verdict.data.overlap == pytest.approx(2 / trial.rows)


def test_the_policy_may_accept_some_overlap(workshop: Workshop) -> None:
    workshop.write_training(pl.concat([workshop.training, workshop.independent.head(2)]))
    workshop.rules["data"]["maximumOverlap"] = 0.1
    assert Trial(workshop).run().exit_code == 0


def test_the_training_file_as_independent_data_is_refused(workshop: Workshop) -> None:
    workshop.write_independent(workshop.training)
    run = Trial(workshop).run()
    assert run.exit_code == 1
    assert "the independent data is not the training data" in run.refused


def test_too_few_rows_are_refused(trial: Trial) -> None:
    trial.workshop.rules["model"]["minimumRows"] = trial.rows + 1
    assert_refused(trial, trial.run(), "rows judged")


def test_independent_data_that_is_not_the_policys_is_refused(trial: Trial) -> None:
    run = trial.run(independent_data_digest=sha256_bytes(b"other data"))
    assert_refused(trial, run, "the independent data is the policy's")


def test_a_policy_for_another_model_is_refused(trial: Trial) -> None:
    assert_refused(trial, trial.run(model_name="orchids"), "the policy is this model's")


def test_a_container_that_answers_otherwise_is_refused(trial: Trial) -> None:
    trial.respond(trial.wrong(1))
    run = trial.run()
    assert_refused(trial, run, "the container answers as the model")
    assert run.check("the container answers as the model")["value"] == f"1 of {trial.rows} answers differ"
    trial.workshop.rules["image"] = {"maximumMismatches": 1}
    assert trial.run().exit_code == 0


def test_every_metric_of_probabilities_is_in_the_verdict_and_drawn(trial: Trial) -> None:
    trial.workshop.rules["model"]["metrics"] = {"roc_auc": {"minimum": 0.9}, "log_loss": {"maximum": 0.5}}
    trial.predict(trial.wrong(3), sure=0.9)
    trial.respond(trial.wrong(3))
    run = trial.run()
    assert run.exit_code == 0, run.told
    metrics = trial.verdict.metrics
    assert len(metrics) == 10
    assert metrics["log_loss"].low < metrics["log_loss"].value < metrics["log_loss"].high < 0.5
    assert {"metrics", "confusion_matrix", "roc", "calibration", "scores"} <= set(run.report["figures"])
    assert run.results["accuracy"] == f"{(trial.rows - 3) / trial.rows:.6g}"


def test_a_loss_above_its_limit_is_refused(trial: Trial) -> None:
    trial.workshop.rules["model"]["metrics"] = {"log_loss": {"maximum": 0.3}}
    trial.predict(trial.truth, sure=0.7)
    assert_refused(trial, trial.run(), "log_loss")


def test_probabilities_that_the_policy_asks_for_and_the_model_does_not_give_are_bad_input(trial: Trial) -> None:
    trial.workshop.rules["model"]["metrics"]["brier"] = {"maximum": 1}
    run = trial.run()
    assert (run.exit_code, "limits brier, which needs probabilities" in run.told) == (2, True)
    assert not (trial.workshop.folder("verdict") / "verdict.json").exists()


def test_probabilities_that_are_none_are_bad_input(trial: Trial) -> None:
    trial.predict(trial.truth, sure=1.1)
    run = trial.run()
    assert (run.exit_code, "a probability is not from 0 to 1" in run.told) == (2, True)


def test_the_interval_s_end_decides_where_the_policy_says_so(trial: Trial) -> None:
    trial.workshop.rules["model"]["metrics"]["accuracy"] |= {"minimum": 0.94}
    trial.predict(trial.wrong(3))
    trial.respond(trial.wrong(3))
    assert trial.run().exit_code == 0
    trial.workshop.rules["model"]["metrics"]["accuracy"] |= {"decide": "bound"}
    assert_refused(trial, trial.run(), "accuracy")
    assert trial.verdict.metrics["accuracy"].decide == "bound"


def test_a_verdict_that_the_data_cannot_support_is_refused(trial: Trial) -> None:
    trial.workshop.rules["model"]["metrics"]["accuracy"] |= {"precision": 0.01}
    run = trial.run()
    assert_refused(trial, run, "precision of accuracy")
    assert "rows would be needed" in run.check("precision of accuracy")["detail"]


def test_a_positive_class_that_is_none_is_bad_input(trial: Trial) -> None:
    trial.workshop.rules["model"]["positive"] = "setosa"
    run = trial.run()
    assert (run.exit_code, "model.positive names 'setosa', but the classes are setosa, versi" in run.told) == (2, True)


def test_rows_that_were_made_beside_the_independent_ones_are_judged_by_their_tests(trial: Trial) -> None:
    trial.workshop.rules["model"]["behaviour"] = {"importance": {"enabled": False}, "determinism": {"rows": 20}}
    trial.prepare()
    run = trial.run()
    assert (run.exit_code, "not about the same rows" in run.told) == (2, True)

    key = pl.read_parquet(trial.workshop.folder("labels") / "probes.parquet")
    again = [trial.truth[base] for base in key["base"]]
    rows = [*range(trial.rows), *key["row"]]
    trial.predict([*trial.truth, *again], rows=rows)
    assert trial.run().exit_code == 0
    assert trial.verdict.data.rows == trial.rows
    trial.predict([*trial.truth, *("setosa" for _ in again)], rows=rows)
    run = trial.run()
    assert run.exit_code == 1
    assert any("same" in name for name in run.refused), run.refused


def test_a_slow_model_is_refused(trial: Trial) -> None:
    trial.measure(latency=15.5)
    run = trial.run()
    assert run.exit_code == 1
    assert any("latency" in name for name in run.refused), run.refused


def test_what_was_measured_is_believed_by_its_digest_only(trial: Trial) -> None:
    trial.measure(latency=15.5)
    known = sha256_file(trial.workshop.folder("predictions") / "performance.json")
    trial.measure(latency=1.0)
    run = trial.run(performance_digest=known)
    assert (run.exit_code, "performance.json was changed on the way" in run.told) == (2, True)


def test_groups_are_judged_on_columns_that_the_model_is_not_given(trial: Trial) -> None:
    workshop = trial.workshop
    part = pl.Series("part", ["a", "b"] * 30)
    workshop.write_independent(workshop.independent.with_columns(part))
    fairness = {"columns": ["part"], "maximumAccuracyDifference": 0.1, "minimumRows": 10, "decide": "estimate"}
    workshop.rules["model"]["behaviour"] = {**UNCHANGED, "fairness": [fairness]}
    workshop.rules["model"]["metrics"] = {"accuracy": {"minimum": 0.5}}
    trial.prepare()
    features = pl.read_parquet(workshop.folder("features") / "features.parquet")
    assert "part" not in features.columns
    trial.truth = pl.read_parquet(workshop.folder("labels") / "labels.parquet")["label"].to_list()
    trial.predict(trial.truth)
    trial.respond(trial.truth)
    assert trial.run().exit_code == 0
    unfair = pl.read_parquet(workshop.folder("labels") / "groups.parquet")["part"] == "a"
    told = [wrong if bad else right for wrong, right, bad in zip(trial.wrong(60), trial.truth, unfair, strict=True)]
    trial.predict(told)
    trial.respond(told)
    run = trial.run()
    assert run.exit_code == 1
    assert any("accuracy_difference" in name for name in run.refused), run.refused


def test_a_group_column_that_the_data_lacks_is_bad_input(workshop: Workshop) -> None:
    fairness = {"columns": ["part"], "maximumAccuracyDifference": 0.1}
    workshop.rules["model"]["behaviour"] = {"fairness": [fairness]}
    run = workshop.run("prepare-evaluation")
    assert (run.exit_code, "names column part" in run.told) == (2, True)


def test_a_mistake_is_told_by_its_row_in_the_independent_data(trial: Trial) -> None:
    wrong = next(place for place, label in enumerate(trial.truth) if label != "setosa")
    told = ["setosa" if place == wrong else label for place, label in enumerate(trial.truth)]
    trial.predict(told)
    trial.respond(told)
    (mistake,) = trial.run().report["figures"]["mistakes"]["rows"]
    assert mistake == {"row": mistake["row"], "true": trial.truth[wrong], "predicted": "setosa"}
    features = pl.read_parquet(trial.workshop.folder("features") / "features.parquet")[wrong]
    in_the_data = trial.workshop.independent[mistake["row"] - 1]
    assert in_the_data.select(features.columns[1:]).equals(features[:, 1:])


def test_without_a_mistake_none_is_told(trial: Trial) -> None:
    assert "mistakes" not in trial.run().report["figures"]


def test_an_image_for_several_platforms_has_to_be_tested_on_each_that_the_policy_names(trial: Trial) -> None:
    parts = {"linux/amd64": sha256_bytes(b"amd64"), "linux/arm64/v8": sha256_bytes(b"arm64")}
    told = {"image_platforms": as_text(parts), "tested_platform": "linux/amd64"}
    refused = trial.run(**told)
    assert refused.exit_code == 1
    assert refused.refused == ["platforms"]
    assert trial.run(image_platforms="linux/amd64=latest").exit_code == 2
    assert trial.run(tested_platform="x86").exit_code == 2
    trial.workshop.rules["image"] = {"untestedPlatforms": ["linux/arm64"]}
    trial.prepare()
    trial.reports = {gate: trial.report(gate) for gate in GATES}
    passed = trial.run(**told)
    assert passed.exit_code == 0, passed.told
    assert (trial.verdict.image.platforms, trial.verdict.image.tested) == (parts, "linux/amd64")
