"""A delivery up to the judge, for the tests of verify-model."""

from __future__ import annotations

from typing import Any

import polars as pl

from hallmark.datasets import write_frame
from hallmark.files import sha256_bytes, sha256_file
from hallmark.gate_report import Check, GateReport, decide
from hallmark.performance.document import Measure, Measured, ModelPerformance, Noise
from hallmark.verdict import Verdict, read_verdict

from .workshop import UNCHANGED, Run, Workshop

MODEL = sha256_bytes(b"model")
IMAGE = sha256_bytes(b"image")
SOURCE = sha256_bytes(b"source")
GATES = ("check-code", "test-code", "validate-data", "predict-model", "test-image", "scan-image")
IN_PRODUCTION = {
    "champion_digest": f"sha256:{'c' * 64}",
    "champion_image": f"registry.example.com/releases/iris@sha256:{'d' * 64}",
    "champion_model_digest": f"sha256:{'e' * 64}",
}


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


def assert_refused(trial: Trial, run: Run, check: str) -> None:
    """The gate said no for this one reason, and the verdict says so too."""
    assert run.exit_code == 1, run.told
    assert run.refused == [check]
    verdict = trial.verdict
    assert not verdict.passed
    assert [found.name for found in verdict.checks if not found.passed] == [check]
    assert run.results["verdict-digest"] == sha256_file(trial.workshop.folder("verdict") / "verdict.json")


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
