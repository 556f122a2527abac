"""Every Tekton object of the repository, judged by upstream's own validation and by tekton-lint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from hallmark.process import Completed, run
from laptop import go_tools

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
VALIDATE = ROOT / ".tools" / "bin" / "tekton-validate"
LINT = TOOLS / "node_modules" / ".bin" / "tekton-lint"

GOOD_TASK = """
apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: greet
spec:
  params:
    - name: whom
      description: Who is greeted.
  results:
    - name: greeting
      description: What was said.
  workspaces:
    - name: book
  steps:
    - name: greet
      image: registry.example/steps:1.0
      command: [greet]
      args: ["--whom=$(params.whom)", "--book=$(workspaces.book.path)", "--result=$(results.greeting.path)"]
"""


@pytest.fixture(scope="session")
def validator() -> Path:
    """tekton-validate, built from its pinned source if it was not yet."""
    if not go_tools.is_built(TOOLS / "tekton", "./cmd/tekton-validate", VALIDATE):
        go_tools.build(TOOLS / "tekton", "./cmd/tekton-validate", VALIDATE)
    return VALIDATE


@pytest.fixture(scope="session")
def linter() -> Path:
    """tekton-lint, installed by its lock file if it was not yet; none of its packages' scripts is run."""
    if not LINT.exists():
        run(["npm", "ci", "--prefix", str(TOOLS), "--ignore-scripts"], env=os.environ, timeout=600)
    return LINT


def validate(validator: Path, *paths: Path) -> Completed:
    return run([str(validator), *map(str, paths)], accept=None)


def lint(linter: Path, tmp_path: Path, *patterns: str) -> Completed:
    # Its cache for tasks of other repositories, of which there are none, is made even so.
    cache = {"TL_CACHE_DIR": str(tmp_path / "cache")}
    argv = [str(linter), "--color=false", "--max-warnings=0", f"--config={TOOLS / 'tekton-lint.yaml'}"]
    return run([*argv, *patterns], env=cache, accept=None, cwd=ROOT)


def accepted_scenarios() -> list[Path]:
    """The scenarios' pipelines, without those that are there to be refused before anything runs."""
    return [
        path
        for path in sorted((ROOT / "tests" / "scenarios").glob("**/pipeline.yaml"))
        if yaml.safe_load(path.with_name("expect.yaml").read_text())["exit"] != 2
    ]


def broken(tmp_path: Path, before: str, after: str) -> Path:
    """A file with the good task, one text in it replaced."""
    assert before in GOOD_TASK
    path = tmp_path / "broken.yaml"
    path.write_text(GOOD_TASK.replace(before, after))
    return path


def test_upstream_accepts_the_catalog(validator):
    judged = validate(validator, ROOT / "tasks", ROOT / "pipelines")
    assert judged.exit_code == 0, judged.stdout
    assert "Pipeline/model-delivery: ok" in judged.stdout


def test_upstream_accepts_the_scenarios(validator):
    paths = accepted_scenarios()
    judged = validate(validator, *paths)
    assert judged.exit_code == 0, judged.stdout
    assert len(paths) <= judged.stdout.count(": ok\n")


def test_upstream_accepts_the_good_task(validator, tmp_path):
    judged = validate(validator, broken(tmp_path, "greet", "greet"))
    assert (judged.exit_code, judged.stdout.count("Task/greet: ok")) == (0, 1)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("command:", "commands:", 'unknown field "spec.steps[0].commands"'),
        ("$(params.whom)", "$(params.who)", "non-existent variable"),
        ("args:", "script: greet\n      args:", "script cannot be used with command"),
        ("name: greeting\n", "name: greeting\n      type: numbers\n", "invalid value: numbers"),
        ("name: greet\nspec", "name: Greet Me\nspec", "metadata.name"),
        ("kind: Task", "kind: Tusk", "not one of those that can be checked"),
        ("tekton.dev/v1\n", "tekton.dev/v1beta1\n", "not one of those that can be checked"),
        ("metadata:", "metadata: {}\nmetadata:", "already set"),
    ],
)
def test_upstream_refuses_a_broken_task(validator, tmp_path, before, after, complaint):
    judged = validate(validator, broken(tmp_path, before, after))
    assert judged.exit_code == 1
    assert complaint in judged.stdout


def test_one_wrong_document_among_good_ones_is_enough(validator, tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(f"{GOOD_TASK}---\n{GOOD_TASK.replace('image:', 'imago:')}")
    judged = validate(validator, path)
    assert judged.exit_code == 1
    assert judged.stdout.count("Task/greet: ok") == 1


def test_what_crashes_the_webhook_is_refused(validator, tmp_path):
    """Upstream 1.6.0 writes to a nil map when a param of one name is a string first and an object later."""
    spec = {"steps": [{"name": "go", "image": "registry.example/any"}]}
    values = {"one": "text", "two": {"key": "value"}}
    tasks = [{"name": task, "params": [{"name": "o", "value": o}], "taskSpec": spec} for task, o in values.items()]
    run_of_both = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "crash"},
        "spec": {"pipelineSpec": {"tasks": tasks}},
    }
    path = tmp_path / "crash.yaml"
    path.write_text(yaml.safe_dump(run_of_both))
    judged = validate(validator, path)
    assert judged.exit_code == 1
    assert "PipelineRun/crash: upstream's validation crashes on it" in judged.stdout


def test_nothing_to_check_is_not_a_pass(validator, tmp_path):
    (tmp_path / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n")
    assert validate(validator, tmp_path).exit_code == 2
    assert validate(validator, tmp_path / "missing.yaml").exit_code == 2


def test_lint_accepts_the_catalog(linter, tmp_path):
    found = lint(linter, tmp_path, "tasks/*/*.yaml", "pipelines/*.yaml")
    assert found.exit_code == 0, found.stdout + found.stderr


def test_lint_accepts_the_good_task(linter, tmp_path):
    assert lint(linter, tmp_path, str(broken(tmp_path, "greet", "greet"))).exit_code == 0


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("steps:1.0", "steps:latest", "no-latest-image"),
        ("--whom=$(params.whom)", "--whom=you", "no-unused-param"),
        ("name: whom", "name: whomEver", "no-undefined-param"),
        ("args:", "env: [{name: A, value: a}, {name: A, value: b}]\n      args:", "no-duplicate-env"),
    ],
)
def test_lint_refuses_a_broken_task(linter, tmp_path, before, after, rule):
    found = lint(linter, tmp_path, str(broken(tmp_path, before, after)))
    assert found.exit_code == 1
    assert rule in found.stdout
