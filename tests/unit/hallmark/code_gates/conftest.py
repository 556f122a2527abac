"""A tiny model repository, the validators' folder, and the commands run on them as the pipeline runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hallmark.cli import main
from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_tree

DESCRIPTION = """
apiVersion: hallmark.dev/v1alpha1
kind: Model
metadata: {name: coin, version: 1.0.0}
data: {training: data/training.csv, label: side, features: [weight, age]}
training: {script: train.py, seed: 3, parameters: {C: 1.0, kernel: rbf, shrinking: true}, timeout: 100}
tests: {paths: [tests], minimumCoverage: 0, timeout: 100}
image: {predict: "/v1/models/coin:predict"}
"""

TRAIN = """
import argparse
import csv

import skops.io
from sklearn.svm import SVC


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--data", "--model", "--kernel", "--shrinking"):
        parser.add_argument(flag)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--C", type=float)
    flags = parser.parse_args()
    with open(flags.data) as file:
        rows = list(csv.DictReader(file))
    model = SVC(C=flags.C, kernel=flags.kernel, shrinking=flags.shrinking == "true", random_state=flags.seed)
    model.fit([[float(row["weight"]), float(row["age"])] for row in rows], [row["side"] for row in rows])
    skops.io.dump(model, flags.model)
    print("trained on", len(rows), "rows")


if __name__ == "__main__":
    main()
"""

CODE = """
def double(number):
    return 2 * number


def half(number):
    return number / 2
"""

TESTS = """
import coins


def test_double():
    assert coins.double(2) == 4
"""

POLICY = f"""
apiVersion: hallmark.dev/v1alpha1
kind: Policy
metadata: {{name: coin}}
data:
  independent: {{path: independent.csv, sha256: "sha256:{"0" * 64}", label: side, features: [weight, age]}}
model: {{metrics: {{accuracy: {{minimum: 0.9}}}}}}
"""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command left behind."""

    exit_code: int
    report: dict[str, Any]
    folder: Path
    """The report's folder; results lie in `results` beside it."""
    log: str

    def check(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(check for check in self.report["checks"] if check["name"] == name)
        return found


def git(*arguments: str, cwd: Path) -> str:
    """What git says, as somebody with a name."""
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.invalid", "-c", "core.hooksPath=/dev/null")
    done = subprocess.run(["git", *identity, *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit_of(repository: Path, history: Path) -> list[str]:
    """The flags of check-code for a history whose last commit holds all files of `repository`."""
    if not history.exists():
        git("init", "--quiet", "--bare", str(history), cwd=repository)
    there = (f"--git-dir={history}", f"--work-tree={repository}")
    git(*there, "add", "--all", "--force", cwd=repository)
    git(*there, "commit", "--quiet", "--allow-empty", "--message=All of it", cwd=repository)
    return [f"--history={history}", f"--commit={git(*there, 'rev-parse', 'HEAD', cwd=repository)}"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that every gate of the code passes."""
    root = tmp_path / "source"
    files = {
        "hallmark.yaml": DESCRIPTION,
        "train.py": TRAIN,
        "coins.py": CODE,
        "tests/test_coins.py": TESTS,
        "data/training.csv": "weight,age,side\n" + "".join(f"{n},{n % 7},{'ab'[n > 9]}\n" for n in range(20)),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.lstrip())
    return root


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """The validators' folder, whose defaults apply."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY)
    return folder


@pytest.fixture
def run(repository: Path, policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command on the repository; what is handed over by digest is right unless said otherwise."""

    def command(name: str, *more: str, with_policy: bool = True, source_digest: str = "") -> Ran:
        folder = tmp_path / "report"
        argv = [
            name,
            f"--source={repository}",
            f"--source-digest={source_digest or sha256_tree(repository)}",
            f"--report={folder}",
            *more,
        ]
        if name == "check-code":
            argv[1:1] = commit_of(repository, tmp_path / "history")
        if with_policy:
            argv += [f"--policy={policy}", f"--policy-digest={policy_digest(policy)}"]
        exit_code = main(argv)
        report = json.loads((folder / f"{name}.json").read_text())
        assert report["exit_code"] == exit_code
        return Ran(exit_code=exit_code, report=report, folder=folder, log=capsys.readouterr().out)

    return command
