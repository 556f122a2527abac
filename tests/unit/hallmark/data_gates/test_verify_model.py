from typing import Any

import polars as pl
import pytest

from hallmark.commands import verify_model
from hallmark.datasets import write_frame
from hallmark.documents.policy import load_policy
from hallmark.files import sha256_bytes, sha256_file, sha256_tree
from hallmark.gate_report import Check, GateReport, decide
from hallmark.performance.document import Measure, Measured, ModelPerformance, Noise
from hallmark.platforms import as_text
from hallmark.release import verdict_checks
from hallmark.verdict import Verdict, read_verdict, this_second

from .workshop import FEATURES, PLACE, PRODUCTION, UNCHANGED, Run, Workshop

MODEL = sha256_bytes(b"model")
IMAGE = sha256_bytes(b"image")
SOURCE = sha256_bytes(b"source")
GATES = ("check-code", "test-code", "validate-data", "predict-model", "test-image", "scan-image")


class Trial:
    """A delivery up to the judge: labels by prepare-evaluation; predictions, responses and reports as their writers
    leave them, right unless a test says otherwise."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        workshop.rules["model"]["behaviour"] = UNCHANGED
        self.prepare()
        labels = pl.read_parquet(workshop.folder("labels") / "labels.parquet")
        self.truth: list[Any] = labels["label"].to_list()
        self.predict(self.truth)
        self.respond(self.truth)
        self.measure(latency=1.0)
        self.reports = {gate: self.report(gate) for gate in GATES}

    @property
    def rows(self) -> int:
        return len(self.truth)

    def prepare(self) -> None:
        prepared = self.workshop.run("prepare-evaluation")
        assert prepared.exit_code == 0, prepared.told
        self.data = {name: prepared.results[name] for name in ("training-data-digest", "independent-data-digest")}

    def predict(
        self,
        labels: list[Any],
        rows: list[int] | None = None,
        *,
        sure: float | None = None,
        folder: str = "predictions",
    ) -> None:
        """`sure`: the probability of what is told, where the model gives any; the rest is the other classes'."""
        frame = pl.DataFrame({"row": rows or list(range(len(labels))), "prediction": labels})
        if sure is not None:
            likely = {name: pl.col("prediction") == name for name in ("setosa", "versicolor", "virginica")}
            frame = frame.with_columns(
                pl.when(right).then(sure).otherwise((1 - sure) / 2).alias(f"probability:{name}")
                for name, right in likely.items()
            )
        self.workshop.folder(folder).mkdir(exist_ok=True)
        write_frame(frame, self.workshop.folder(folder) / "predictions.parquet")

    def measure(self, *, latency: float) -> None:
        """The mean time for one row, in milliseconds, of which the measuring is sure."""
        mean = Measure(value=latency, low=latency, high=latency, unit="ms", samples=200)
        candidate = ModelPerformance(measures={"latency.mean": mean}, histogram=[], answers=200, mismatches=0)
        noise = Noise(median=1, spread=0.1, drift=0.1)
        measured = Measured(
            rounds=5, batch_rows=1000, threads=1, start_seconds=1, noise=noise, models={"candidate": candidate}
        )
        measured.write(self.workshop.folder("predictions"))

    def respond(self, labels: list[Any], rows: list[int] | None = None) -> None:
        frame = pl.DataFrame({"row": rows or list(range(len(labels))), "prediction": labels})
        frame = frame.with_columns(pl.col("row").cast(pl.Int64), seconds=pl.lit(0.001))
        write_frame(frame, self.workshop.folder("responses") / "responses.parquet")

    def wrong(self, count: int) -> list[Any]:
        """The true labels, `count` of them replaced by another class."""
        others = {"setosa": "virginica", "versicolor": "setosa", "virginica": "versicolor"}
        return [others[label] if row < count else label for row, label in enumerate(self.truth)]

    def report(self, gate: str, *, passed: bool = True, folder: str = "", digests: dict[str, str] | None = None) -> str:
        """Write a gate's report; its digest."""
        check = Check(name="anything", passed=passed)
        found = decide(gate, [check], passed="yes", refused="no", solution="mend it", digests=digests)
        return self.write(gate, found, folder)

    def write(self, gate: str, report: GateReport, folder: str = "") -> str:
        path = self.workshop.folder("reports") / (folder or gate) / f"{gate}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(report.to_json())
        return sha256_file(path)

    def run(self, **given: Any) -> Run:
        defaults: dict[str, Any] = {
            "repository_url": "https://git.example.com/team/iris.git",
            "commit": "a" * 40,
            "commit_time": 1_700_000_000,
            "source_digest": SOURCE,
            "training_data_digest": self.data["training-data-digest"],
            "independent_data_digest": self.data["independent-data-digest"],
            "model_digest": MODEL,
            "model_name": "iris",
            "model_version": "1.2.3",
            "minimum_accuracy": "",
            "candidate_image": "registry.example.com/candidates/iris",
            "image_digest": IMAGE,
            "gates": tuple(f"{gate}={digest}" for gate, digest in self.reports.items()),
        }
        return self.workshop.run("verify-model", **{**defaults, **given})

    @property
    def verdict(self) -> Verdict:
        return read_verdict((self.workshop.folder("verdict") / "verdict.json").read_text())


@pytest.fixture
def trial(workshop: Workshop) -> Trial:
    return Trial(workshop)


def assert_refused(trial: Trial, run: Run, check: str) -> None:
    """The gate said no for this one reason, and the verdict says so too."""
    assert run.exit_code == 1, run.told
    assert run.refused == [check]
    verdict = trial.verdict
    assert not verdict.passed
    assert [found.name for found in verdict.checks if not found.passed] == [check]
    assert run.results["verdict-digest"] == sha256_file(trial.workshop.folder("verdict") / "verdict.json")


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


def test_a_container_that_was_asked_too_little_is_refused(trial: Trial) -> None:
    trial.respond(trial.truth[:10])
    assert_refused(trial, trial.run(), "the container answers as the model")
    trial.workshop.rules["image"] = {"rows": 10}
    assert trial.run().exit_code == 0


def test_a_container_that_was_not_asked_is_refused_whatever_the_policy_allows(trial: Trial) -> None:
    trial.workshop.rules["image"] = {"rows": 1, "maximumMismatches": 1000}
    empty = pl.DataFrame(schema={"row": pl.Int64, "prediction": pl.String, "seconds": pl.Float64})
    write_frame(empty, trial.workshop.folder("responses") / "responses.parquet")
    assert_refused(trial, trial.run(), "the container answers as the model")


@pytest.mark.parametrize("gate", GATES)
def test_a_required_gate_without_a_report_is_refused(trial: Trial, gate: str) -> None:
    del trial.reports[gate]
    run = trial.run()
    assert_refused(trial, run, f"gate {gate}")
    assert run.check(f"gate {gate}")["value"] == "no report"
    assert gate not in trial.verdict.gates


def test_a_gate_with_an_empty_digest_has_no_report(trial: Trial) -> None:
    trial.reports["test-code"] = ""
    assert_refused(trial, trial.run(), "gate test-code")


def test_a_required_gate_that_was_refused_is_refused_here_too(trial: Trial) -> None:
    trial.reports["check-code"] = trial.report("check-code", passed=False)
    run = trial.run()
    assert_refused(trial, run, "gate check-code")
    assert not trial.verdict.gates["check-code"].passed


def test_a_gate_that_ended_with_an_error_has_not_passed(trial: Trial) -> None:
    report = GateReport(command="check-code", status="error", summary="no ruff", exit_code=3)
    trial.reports["check-code"] = trial.write("check-code", report)
    assert_refused(trial, trial.run(), "gate check-code")


def test_another_gates_report_does_not_count(trial: Trial) -> None:
    report = decide("check-code", [Check(name="x", passed=True)], passed="", refused="", solution="")
    trial.reports["test-code"] = trial.write("test-code", report)
    assert_refused(trial, trial.run(), "gate test-code")


@pytest.mark.parametrize("name", ["model", "image", "source", "policy", "predictions", "responses", "independent-data"])
def test_a_report_about_another_delivery_does_not_count(trial: Trial, name: str) -> None:
    trial.reports["test-image"] = trial.report("test-image", digests={name: sha256_bytes(b"another")})
    run = trial.run()
    assert_refused(trial, run, "gate test-image")
    assert run.check("gate test-image")["value"] == f"its report is about another {name}"


def test_a_report_about_this_delivery_counts_wherever_it_lies(trial: Trial) -> None:
    trial.report("test-image", passed=False)
    trial.reports["test-image"] = trial.report("test-image", folder="my-task", digests={"model": MODEL, "image": IMAGE})
    assert trial.run().exit_code == 0


def test_a_gate_that_the_policy_does_not_require_may_be_missing(trial: Trial) -> None:
    trial.workshop.rules["requiredGates"] = ["predict-model", "test-image"]
    trial.reports = {gate: trial.reports[gate] for gate in ("predict-model", "test-image")}
    assert trial.run().exit_code == 0


def test_a_report_that_was_changed_is_bad_input(trial: Trial) -> None:
    trial.report("check-code", digests={"source": SOURCE})
    run = trial.run()
    assert run.exit_code == 2
    assert "no report of check-code has the digest" in run.told
    assert not (trial.workshop.folder("verdict") / "verdict.json").exists()


def test_a_link_in_a_reports_place_is_bad_input(trial: Trial) -> None:
    path = trial.workshop.folder("reports") / "check-code" / "check-code.json"
    path.rename(trial.workshop.root / "elsewhere.json")
    path.symlink_to(trial.workshop.root / "elsewhere.json")
    assert trial.run().exit_code == 2


@pytest.mark.parametrize(
    "entry", ["check-code", "no-such-gate=sha256:00", f"check-code=sha256:{'0' * 63}", f"={sha256_bytes(b'')}"]
)
def test_an_entry_that_names_no_report_is_bad_input(trial: Trial, entry: str) -> None:
    run = trial.run(gates=(entry,))
    assert (run.exit_code, "--gates has" in run.told) == (2, True)


def test_a_gate_named_twice_is_bad_input(trial: Trial) -> None:
    entry = f"check-code={trial.reports['check-code']}"
    run = trial.run(gates=(entry, entry))
    assert (run.exit_code, "stands twice" in run.told) == (2, True)


@pytest.mark.parametrize("digest", ["policy_digest", "labels_digest", "predictions_digest", "responses_digest"])
def test_a_digest_that_is_not_its_writers_is_bad_input(trial: Trial, digest: str) -> None:
    run = trial.run(**{digest: f"sha256:{'0' * 64}"})
    assert run.exit_code == 2
    assert "changed on the way" in run.told


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("commit", "main"),
        ("commit_time", "-1"),
        ("commit_time", "yesterday"),
        ("source_digest", "none"),
        ("model_digest", "sha256:12"),
        ("training_data_digest", "sha256:12"),
        ("image_digest", "latest"),
        ("candidate_image", "registry.example.com/iris:latest"),
        ("repository_url", "https://user:secret@git.example.com/iris.git"),
    ],
)
def test_params_that_no_verdict_may_rest_on_are_bad_input(trial: Trial, flag: str, value: str) -> None:
    run = trial.run(**{flag: value})
    assert run.exit_code == 2, run.told
    assert "secret" not in run.report_text
    assert not (trial.workshop.folder("verdict") / "verdict.json").exists()


def test_predictions_for_other_rows_are_bad_input(trial: Trial) -> None:
    trial.predict(trial.truth[1:])
    run = trial.run()
    assert (run.exit_code, "not about the same rows" in run.told) == (2, True)


def test_responses_for_unknown_rows_are_bad_input(trial: Trial) -> None:
    trial.respond(trial.truth, rows=[*range(trial.rows - 1), 9999])
    assert trial.run().exit_code == 2


def test_a_row_that_was_answered_twice_is_bad_input(trial: Trial) -> None:
    trial.respond(["setosa", "setosa"], rows=[1, 1])
    run = trial.run()
    assert (run.exit_code, "a row twice" in run.told) == (2, True)


def test_a_gap_in_the_predictions_is_bad_input(trial: Trial) -> None:
    trial.predict([None, *trial.truth[1:]])
    run = trial.run()
    assert (run.exit_code, "predictions.parquet is not what its writer writes" in run.told) == (2, True)


def test_a_file_that_is_no_parquet_is_bad_input(trial: Trial) -> None:
    (trial.workshop.folder("predictions") / "predictions.parquet").write_bytes(b"PAR1 and nothing more")
    assert trial.run().exit_code == 2


def test_a_label_added_to_the_folder_changes_its_digest(trial: Trial) -> None:
    digest = sha256_tree(trial.workshop.folder("labels"))
    (trial.workshop.folder("labels") / "more.parquet").write_bytes(b"x")
    assert trial.run(labels_digest=digest).exit_code == 2


def test_a_verdict_that_cannot_be_written_is_a_failed_tool(trial: Trial) -> None:
    trial.workshop.folder("verdict").rmdir()
    trial.workshop.folder("verdict").write_text("a file where the folder should be")
    run = trial.run()
    assert (run.exit_code, "cannot write" in run.told) == (3, True)


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


IN_PRODUCTION = {
    "champion_digest": f"sha256:{'c' * 64}",
    "champion_image": f"registry.example.com/releases/iris@sha256:{'d' * 64}",
    "champion_model_digest": f"sha256:{'e' * 64}",
}


def crown(trial: Trial, labels: list[Any]) -> str:
    """Let the model in production have said this; returns the digest of what it said."""
    trial.predict(labels, folder="champion")
    target = trial.workshop.folder("predictions") / "champion.parquet"
    (trial.workshop.folder("champion") / "predictions.parquet").replace(target)
    return sha256_file(target)


def against(trial: Trial, wrong: int, **given: str) -> Run:
    """The judge's answer where the champion tells so many rows wrong."""
    digest = crown(trial, trial.wrong(wrong))
    return trial.run(**{**IN_PRODUCTION, "champion_predictions_digest": digest, **given})


def test_a_candidate_that_is_no_better_than_the_champion_is_refused(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    assert_refused(trial, against(trial, 0), "champion")
    run = against(trial, 5)
    assert run.exit_code == 0, run.told
    (figure,) = run.report["figures"]["champion"]
    assert (figure["candidate"], figure["champion"], figure["reference"]) == (
        1,
        55 / 60,
        IN_PRODUCTION["champion_image"],
    )
    assert next(check.value for check in trial.verdict.checks if check.name == "champion").startswith(
        "accuracy 1, the c"
    )
    found = trial.verdict.champion
    assert found is not None
    assert (found.image, found.model) == (IN_PRODUCTION["champion_image"], IN_PRODUCTION["champion_model_digest"])
    assert (found.metric, found.rule, found.ratio, found.candidate, found.champion) == (
        "accuracy",
        "ratio",
        1.01,
        1,
        55 / 60,
    )
    assert found.low is not None
    assert found.low <= 5 / 60 <= (found.high or 0)
    assert run.report["digests"]["champion"] == IN_PRODUCTION["champion_digest"]


def test_one_that_is_as_good_passes_by_non_inferiority_and_a_worse_one_does_not(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", "rule": "non-inferiority", "margin": 0.1}
    trial.workshop.rules["model"]["metrics"]["accuracy"]["minimum"] = 0.5
    assert against(trial, 0).exit_code == 0
    trial.predict(trial.wrong(8))
    trial.respond(trial.wrong(8))
    run = against(trial, 0)
    assert_refused(trial, run, "champion")
    assert "accuracy 0.866667, the champion's 1" in run.check("champion")["value"]


def test_the_model_in_production_delivered_again_is_not_asked_to_be_better_than_itself(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    run = against(trial, 0, champion_model_digest=MODEL)
    assert run.exit_code == 0, run.told
    assert "the model in production itself" in run.check("champion")["limit"]


def test_a_first_delivery_passes_only_where_the_policy_says_so(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    assert_refused(trial, trial.run(), "champion")
    trial.workshop.rules["model"]["champion"]["first"] = "allow"
    assert trial.run().exit_code == 0
    assert trial.verdict.champion is not None
    assert trial.verdict.champion.image is None
    assert str(trial.verdict.champion.production) == PLACE


@pytest.mark.parametrize("name", [*IN_PRODUCTION, "champion_predictions_digest"])
def test_a_part_of_a_champion_is_never_taken_for_a_first_delivery(trial: Trial, name: str) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", "first": "allow"}
    run = against(trial, 0, **{name: ""})
    assert (run.exit_code, f"--{name.replace('_', '-')}" in run.told) == (2, True), run.told
    for word in ("odd", "none", "not-asked") if name == "champion_digest" else ("odd",):
        assert against(trial, 0, **{name: word}).exit_code == 2


@pytest.mark.parametrize(
    "place", ["", "odd", PLACE.replace("production/", "staging/"), PLACE.replace(" main", " other")]
)
def test_a_champion_of_a_place_that_the_policy_does_not_name_is_bad_input(trial: Trial, place: str) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", "first": "allow"}
    for run in (trial.run(champion_place=place), against(trial, 5, champion_place=place)):
        assert (run.exit_code, "none of the policy's model.champion.production" in run.told) == (2, True), run.told


def test_where_no_comparison_is_asked_for_nobody_may_say_that_nothing_was_in_production(trial: Trial) -> None:
    for word in ("none", "", MODEL):
        assert trial.run(champion_digest=word).exit_code == 2
    assert trial.run(champion_digest="not-asked").exit_code == 0


def test_a_champion_that_was_asked_other_rows_or_was_changed_is_bad_input(trial: Trial) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    digest = crown(trial, trial.truth[1:])
    run = trial.run(**IN_PRODUCTION, champion_predictions_digest=digest)
    assert (run.exit_code, "champion.parquet is not about the same rows" in run.told) == (2, True)
    assert trial.run(**IN_PRODUCTION, champion_predictions_digest=MODEL).exit_code == 2


def test_what_is_needed_to_ask_the_model_again_stands_in_the_verdict(trial: Trial) -> None:
    assert trial.run().exit_code == 0
    model = trial.verdict.model
    assert (model.format, model.task, model.features) == ("skops", "classification", FEATURES)


@pytest.mark.parametrize(
    ("rules", "changes", "said"),
    [
        ({}, None, "missing"),
        ({}, {"metric": "f1"}, "f1 by ratio"),
        ({}, {"image": None, "model": None}, "nothing was in production"),
        ({}, {"passed": False}, "the judge said no"),
        ({}, {"production": None}, "nowhere"),
        ({"production": [{**PRODUCTION, "branch": "next"}]}, {}, f"compared with what is in {PLACE}"),
        ({}, {"candidate": None}, "no values"),
        ({"ratio": 1.2}, {}, "and 1.1 is needed"),
        ({"rule": "non-inferiority", "margin": 0.01}, {}, "accuracy by ratio"),
        ({"rule": "non-inferiority", "margin": 0.01}, {"rule": "non-inferiority", "margin": 0.05}, "margin of 0.05"),
        (
            {"rule": "non-inferiority", "margin": 0.1},
            {"rule": "non-inferiority", "margin": 0.05, "p": 0.06},
            "p = 0.06",
        ),
    ],
)
def test_a_comparison_by_a_rule_that_asks_less_is_not_signed(
    trial: Trial, rules: dict[str, object], changes: dict[str, object] | None, said: str
) -> None:
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    assert against(trial, 5).exit_code == 0
    verdict = trial.verdict
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy", **rules}
    trial.workshop.save()
    champion = None if changes is None or verdict.champion is None else verdict.champion.model_copy(update=changes)
    checks = verdict_checks(
        verdict.model_copy(update={"champion": champion}),
        policy=load_policy(trial.workshop.folder("policy")),
        policy_digest=verdict.policy,
        image_digest=verdict.image.digest,
        commit=None,
        model_digest=None,
        now=verdict.judged_at,
    )
    assert [check.name for check in checks if not check.passed] == ["verdict's champion"]
    assert said in next(check.value for check in checks if not check.passed)


def test_a_verdict_without_the_comparison_that_the_policy_asks_for_is_not_signed(trial: Trial) -> None:
    assert trial.run().exit_code == 0
    verdict = trial.verdict
    trial.workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    trial.workshop.save()
    policy = load_policy(trial.workshop.folder("policy"))
    checks = verdict_checks(
        verdict,
        policy=policy,
        policy_digest=verdict.policy,
        image_digest=verdict.image.digest,
        commit=None,
        model_digest=None,
        now=verdict.judged_at,
    )
    assert [check.name for check in checks if not check.passed] == ["verdict's champion"]


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
