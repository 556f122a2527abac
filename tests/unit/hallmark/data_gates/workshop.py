"""A small iris delivery on disk: repository, policy, data and the folders between the tasks, and the commands run on
them as the pipeline runs them, with every digest recomputed the way its writer would have given it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from hallmark.cli import main
from hallmark.command import load
from hallmark.contract import flags_of
from hallmark.datasets import FEATURES_FILE, LABELS_FILE, PREDICTIONS_FILE, PROBES_FILE, RESPONSES_FILE, write_frame
from hallmark.documents.policy import load_policy, policy_digest
from hallmark.files import sha256_bytes, sha256_file, sha256_tree
from hallmark.gate_report import Check
from hallmark.performance.document import PERFORMANCE_FILE
from hallmark.release import verdict_checks
from hallmark.verdict import Verdict

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
FOLDERS = (
    "source",
    "policy",
    "data",
    "fetched",
    "features",
    "labels",
    "model",
    "predictions",
    "responses",
    "verdict",
    "reports",
)

DESCRIPTION: dict[str, Any] = {
    "apiVersion": "hallmark.dev/v1alpha1",
    "kind": "Model",
    "metadata": {"name": "iris", "version": "1.2.3"},
    "data": {"training": "data/training.csv", "label": "species", "features": FEATURES},
    "training": {"script": "train.py"},
    "image": {"predict": "/v1/models/iris:predict"},
}
POLICY: dict[str, Any] = {
    "apiVersion": "hallmark.dev/v1alpha1",
    "kind": "Policy",
    "metadata": {"name": "iris"},
    "data": {"independent": {"path": "independent.csv", "sha256": "", "label": "species", "features": FEATURES}},
    "model": {"metrics": {"accuracy": {"minimum": 0.8}}},
}


UNCHANGED: dict[str, Any] = {"importance": {"enabled": False}, "determinism": {"enabled": False}}
"""`model.behaviour` without changed rows, for tests that write predictions by hand."""


PRODUCTION = {
    "repository": "https://git.example.com/config.git",
    "branch": "main",
    "path": "production/kustomization.yaml",
}
PLACE = " ".join(PRODUCTION.values())
"""As fetch-champion tells it."""


@dataclass(frozen=True)
class Run:
    exit_code: int
    report: dict[str, Any]
    report_text: str
    results: dict[str, str]

    def check(self, name: str) -> dict[str, Any]:
        """The one check of that name."""
        found = [check for check in self.report["checks"] if check["name"] == name]
        assert len(found) == 1, [check["name"] for check in self.report["checks"]]
        return dict(found[0])

    @property
    def refused(self) -> list[str]:
        return [check["name"] for check in self.report["checks"] if not check["passed"]]

    @property
    def told(self) -> str:
        return f"{self.report['summary']} {self.report['solution']}"


class Workshop:
    def __init__(self, root: Path) -> None:
        self.root = root
        for name in FOLDERS:
            self.folder(name).mkdir()
        self.description = copy.deepcopy(DESCRIPTION)
        self.rules = copy.deepcopy(POLICY)
        training, independent = iris()
        self.write_training(training)
        self.write_independent(independent)

    def folder(self, name: str) -> Path:
        return self.root / name

    @property
    def training(self) -> pl.DataFrame:
        return pl.read_csv(self.folder("source") / "data" / "training.csv")

    @property
    def independent(self) -> pl.DataFrame:
        return pl.read_csv(self.folder("data") / "independent.csv")

    def write_training(self, frame: pl.DataFrame) -> None:
        (self.folder("source") / "data").mkdir(exist_ok=True)
        frame.write_csv(self.folder("source") / "data" / "training.csv")

    def write_independent(self, frame: pl.DataFrame) -> None:
        frame.write_csv(self.folder("data") / "independent.csv")
        self.pin()

    def pin(self, file: str = "independent.csv") -> None:
        """Let the policy name this file and its digest."""
        self.rules["data"]["independent"] |= {"path": file, "sha256": sha256_file(self.folder("data") / file)}

    def suite(self, *entries: Mapping[str, Any], data: str = "training", **top: Any) -> None:
        """Put a suite beside the policy, for the training or the independent data."""
        file = f"{data}-suite.json"
        (self.folder("policy") / file).write_text(json.dumps({"name": data, "expectations": entries, **top}))
        self.use_suite(file, data=data)

    def use_suite(self, file: str, *, data: str = "training") -> None:
        if data == "training":
            self.rules["data"]["trainingSuite"] = file
        else:
            self.rules["data"]["independent"]["suite"] = file

    def save(self) -> None:
        if champion := self.rules["model"].get("champion"):
            champion.setdefault("production", [PRODUCTION])
        (self.folder("source") / "hallmark.yaml").write_text(yaml.safe_dump(self.description))
        (self.folder("policy") / "policy.yaml").write_text(yaml.safe_dump(self.rules))

    def digests(self) -> dict[str, Callable[[], str]]:
        model = self.folder("model") / f"model.{self.description.get('model', {}).get('format', 'skops')}"
        return {
            "source_digest": lambda: sha256_tree(self.folder("source")),
            "policy_digest": lambda: policy_digest(self.folder("policy")),
            "features_digest": lambda: sha256_file(self.folder("features") / FEATURES_FILE),
            "labels_digest": lambda: sha256_tree(self.folder("labels")),
            "model_digest": lambda: sha256_file(model),
            "probes_digest": self.probes_digest,
            "champion_digest": lambda: "none" if self.rules["model"].get("champion") else "not-asked",
            "champion_place": lambda: PLACE if self.rules["model"].get("champion") else "",
            "predictions_digest": lambda: sha256_file(self.folder("predictions") / PREDICTIONS_FILE),
            "performance_digest": lambda: sha256_file(self.folder("predictions") / PERFORMANCE_FILE),
            "responses_digest": lambda: sha256_file(self.folder("responses") / RESPONSES_FILE),
        }

    def probes_digest(self) -> str:
        """Empty where there are no changed rows."""
        file = self.folder("features") / PROBES_FILE
        return sha256_file(file) if file.exists() else ""

    def respond_as_predicted(self) -> None:
        """Let the container have answered as the model, for the independent rows alone."""
        told = pl.read_parquet(self.folder("predictions") / PREDICTIONS_FILE)
        rows = pl.read_parquet(self.folder("labels") / LABELS_FILE)["row"].cast(told.schema["row"])
        write_frame(told.filter(pl.col("row").is_in(rows.implode())), self.folder("responses") / RESPONSES_FILE)

    def run(self, command: str, **given: Any) -> Run:
        """Run a command; a flag that is not given is its folder's path or its artefact's digest."""
        self.save()
        digests = self.digests()
        module = load(command)
        arguments = []
        for flag in flags_of(module.Params):
            if flag.field in given:
                value = given[flag.field]
                arguments += [flag.flag, *value] if isinstance(value, tuple) else [f"{flag.flag}={value}"]
            elif flag.field in FOLDERS:
                arguments.append(f"{flag.flag}={self.folder(flag.field)}")
            elif flag.field in digests:
                arguments.append(f"{flag.flag}={digests[flag.field]()}")
        reports, results = self.folder("reports") / command, self.root / "results" / command
        arguments += [f"{flag.flag}={results / flag.name}" for flag in flags_of(module.Results)]
        arguments += [f"--report={reports}", f"--result-report-digest={results / 'report-digest'}"]
        exit_code = main([command, *arguments])
        text = (reports / f"{command}.json").read_text()
        assert (results / "report-digest").read_text() == sha256_bytes(text.encode())
        found = {path.name: path.read_text() for path in results.iterdir()}
        return Run(exit_code, json.loads(text), text, found)

    def judge(self, prepared: Run, **gates: Run) -> Run:
        """verify-model on what the commands before it wrote; `gates`: their runs, by command."""
        return self.run(
            "verify-model",
            repository_url="https://git.example.com/iris.git",
            commit="b" * 40,
            commit_time=1,
            training_data_digest=prepared.results["training-data-digest"],
            independent_data_digest=prepared.results["independent-data-digest"],
            model_name="iris",
            model_version="1.2.3",
            candidate_image="registry.example.com/candidates/iris",
            image_digest=sha256_bytes(b"image"),
            gates=tuple(f"{name.replace('_', '-')}={run.results['report-digest']}" for name, run in gates.items()),
        )

    def ask_again(self, verdict: Verdict) -> list[Check]:
        """What sign-image asks of a verdict the moment it was given, by the policy that is here now."""
        return verdict_checks(
            verdict,
            policy=load_policy(self.folder("policy")),
            policy_digest=verdict.policy,
            image_digest=verdict.image.digest,
            commit=None,
            model_digest=None,
            now=verdict.judged_at,
        )


def iris() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Iris as training rows and independent rows that have no row in common, each sorted by class."""
    from sklearn.datasets import load_iris  # type: ignore[import-untyped]

    data = load_iris()
    frame = pl.DataFrame(data.data, schema=FEATURES, orient="row")
    frame = frame.with_columns(species=pl.Series([str(data.target_names[target]) for target in data.target]))
    frame = frame.unique(FEATURES, keep="first", maintain_order=True).with_row_index("place")
    independent = frame.filter(pl.col("place") % 5 < 2).drop("place")
    return frame.filter(pl.col("place") % 5 >= 2).drop("place"), independent
