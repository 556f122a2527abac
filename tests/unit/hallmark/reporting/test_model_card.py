"""The model's card: made of reports, in Markdown and JSON, and nothing in it is alive."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark.cli import main
from hallmark.gate_report import Check, GateReport
from hallmark.model_card import ModelCard, make
from hallmark.reporting import card_text
from hallmark.reporting.run import Gate, Run

ROOT = Path(__file__).parents[4]
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
EVIL = "a|b\n# x <script>alert(1)</script> [x](javascript:y) ![i](https://evil.example/i.png) **b** `c` $m$\x1b[31m"
TRAINING: dict[str, Any] = {
    "model": {"name": "coin", "version": "1.2.3", "format": "skops", "digest": DIGEST},
    "source": {"digest": DIGEST, "script": "train.py"},
    "data": {"path": "data/training.csv", "digest": OTHER, "label": "side", "features": ["mass", "width"]},
    "seed": 7,
    "parameters": {"C": 1.0, "fit": True},
    "environment": {"python": "3.11.9", "libraries": {"numpy": "2.4.0"}},
}
FIGURES: dict[str, Any] = {
    "metrics": [
        {"name": "accuracy", "value": 0.9, "low": 0.85, "high": 0.95, "minimum": 0.8, "decide": "bound"}
    ],
    "fairness": [
        {
            "columns": ["mint"],
            "positive": "head",
            "groups": [{"name": "north", "rows": 40, "rates": {"accuracy": 0.9}, "low": 0.8, "high": 0.95}],
            "metrics": [{"name": "accuracy_difference", "value": 0.05, "limit": 0.1, "held": True}],
        }
    ],
    "slices": {"weak": 2, "weakest": [{"name": "mass = low", "rows": 30, "value": 0.7, "low": 0.5, "high": 0.8}]},
    "importances": {"measure": "accuracy", "warning": True, "features": [{"feature": "mass", "value": 0.4}]},
    "explanations": {"measure": "probability", "pairs": 20, "examples": [
        {"row": 7, "of": "head", "value": 0.9, "background": 0.5,
         "features": [{"feature": "mass", "value": 0.4, "error": 0.1, "shown": "12"}]}]},
    "performance": {"models": {"candidate": {"measures": {
        "latency.mean": {"value": 2.0, "low": 1.9, "high": 2.1, "unit": "ms", "samples": 100},
        "size": {"value": 0.5, "low": 0.5, "high": 0.5, "unit": "MiB", "samples": 1}}}}},
}  # fmt: skip
CARD = {"intendedUse": "Tossing.", "ethics": "Do not bet."}


def gate(command: str, status: Any = "passed", **more: Any) -> Gate:
    report = GateReport(command=command, status=status, **{"summary": f"{command} said so", **more})
    return Gate(task=command, command=command, task_status="Succeeded", report=report)


def a_run(*, judged: Any = "passed", figures: Any = None, training: Any = None, **more: Any) -> Run:
    rows = [Check(name="independent rows", passed=True, value="200"),
            Check(name="training rows compared with them", passed=True, value="900")]  # fmt: skip
    checks = (Check(name="accuracy", passed=judged == "passed", value="0.9", limit="at least 0.8"),)
    gates = [
        gate("fetch-source", summary=f"https://git.example.org/coin.git at {'c' * 40}", figures={"card": CARD},
             checks=(Check(name="revision", passed=True, value="c" * 40),)),
        gate("prepare-evaluation", checks=tuple(rows)),
        gate("train", figures={"training": TRAINING if training is None else training}, digests={"model": DIGEST}),
        gate("verify-model", judged, figures=FIGURES if figures is None else figures, checks=checks,
             digests={"model": DIGEST, "independent-data": OTHER, "policy": OTHER, "source": DIGEST}),
    ]  # fmt: skip
    if "production" in more:
        gates.append(gate("fetch-champion", figures={"production": more["production"]}))
    return Run(name="r", gates=tuple(gates))


def card_of(run: Run) -> ModelCard:
    card = make(run)
    assert card is not None
    return card


def test_a_card_holds_what_the_model_was_made_of_and_how_it_was_judged() -> None:
    card = card_of(a_run())
    assert (card.outcome, card.model.name, card.model.version, card.model.mebibytes) == ("passed", "coin", "1.2.3", 0.5)
    assert (card.model.repository, card.model.commit) == ("https://git.example.org/coin.git", "c" * 40)
    assert (card.training.rows, card.training.columns, card.training.seed) == (900, 3, 7)
    assert card.training.parameters == {"C": "1.0", "fit": "True"}
    assert card.training.dependencies == {"python": "3.11.9", "numpy": "2.4.0"}
    assert (card.evaluation.digest, card.evaluation.rows, card.evaluation.policy) == (OTHER, 200, OTHER)
    assert [(metric.name, metric.minimum, metric.decide) for metric in card.metrics] == [("accuracy", 0.8, "bound")]
    assert card.groups[0].differences == {"accuracy_difference": 0.05}
    assert [measure.name for measure in card.performance] == ["latency.mean", "size"]
    assert card.described.intended_use == "Tossing."
    assert any("2 slices" in caveat for caveat in card.caveats)
    assert any("One feature carries the model: mass." in caveat for caveat in card.caveats)


def test_the_text_has_the_sections_of_a_model_card_and_marks_the_makers_words() -> None:
    text = card_text.to_markdown(card_of(a_run()))
    assert re.findall("^## (.*)$", text, re.MULTILINE) == [
        *("Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Groups by mint"),
        *("Weakest slices", "Importance of the features", "Why row 7 got 0.9 (head) and not 0.5, the mean"),
        *("Performance", "Ethical considerations"),
        *("Caveats and recommendations", "Limits and outcome"),
    ]
    assert "**What it is for** (the maker says): Tossing." in text
    assert "The maker says: Do not bet." in text
    assert "| accuracy | 0.9 | 0.85 to 0.95 | at least 0.8 by the interval's worse end |" in text
    assert "| Hyperparameter C | 1.0 |" in text


def test_the_card_of_a_refused_model_says_so_first() -> None:
    card = card_of(a_run(judged="refused"))
    assert card.caveats[0] == "This model was refused. It is signed by nobody and must not be deployed."
    text = card_text.to_markdown(card)
    assert text.splitlines()[2].startswith("**Refused**: ")
    assert "| accuracy | REFUSED |" in text


@pytest.mark.parametrize(
    "run",
    [
        Run(name="r", gates=()),
        a_run(judged="error"),
        a_run(figures={}),
        a_run(figures={"metrics": [{"name": "accuracy"}]}),
        a_run(training={}),
        a_run(training={"model": {}}),
    ],
)
def test_without_a_judged_model_there_is_no_card(run: Run) -> None:
    assert make(run) is None


@pytest.mark.parametrize(
    ("changed", "gain", "version", "fits"),
    [
        ({}, -0.1, "1.1.1", True),
        ({}, 0.01, "1.2.0", True),
        ({"features": ["mass", "hue"]}, 0.01, "2.0.0", False),
        ({"task": "regression"}, 0.01, "2.0.0", False),
        ({"features": None}, 0.01, "1.2.3", True),
        ({"model": "odd"}, 0.01, "1.2.3", True),
    ],
)
def test_the_proposed_version_comes_from_what_is_in_production(
    changed: dict[str, Any], gain: float, version: str, fits: bool
) -> None:
    production = {"model": {"digest": OTHER, "version": "1.1.0"}, "task": "classification",
                  "features": ["mass", "width"], **changed}  # fmt: skip
    figures = {**FIGURES, "champion": [{"metric": "accuracy", "difference": 0.1, "low": gain, "passed": True}]}
    proposed = card_of(a_run(figures=figures, production=production)).proposed_version
    assert (proposed.version, proposed.fits) == (version, fits)


def test_the_json_is_of_its_published_schema() -> None:
    schema = json.loads((ROOT / "docs/schemas/model-card.schema.json").read_text())
    document = json.loads(card_of(a_run()).model_dump_json(by_alias=True))
    jsonschema.Draft202012Validator(schema).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**document, "outcome": "excellent"})


def test_nothing_in_the_text_comes_alive() -> None:
    training = json.loads(json.dumps(TRAINING).replace('"train.py"', json.dumps(EVIL)).replace('"C"', json.dumps(EVIL)))
    figures = json.loads(json.dumps(FIGURES).replace('"mint"', json.dumps(EVIL)).replace('"north"', json.dumps(EVIL)))
    figures["metrics"][0]["name"] = EVIL
    text = card_text.to_markdown(card_of(a_run(training=training, figures=figures)))
    plain = re.sub(r"\\.", "", text)
    assert "\x1b" not in text
    assert "<" not in plain
    assert "[" not in plain
    assert "://" not in plain
    # A text cannot begin a line of its own, or a cell.
    assert not re.search("^# x", text, re.MULTILINE)
    columns = [line.count("|") for line in plain.splitlines() if line.startswith("|")]
    assert set(columns) <= {3, 5, 6}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["model", "data", "features", "name", "version", "metrics", "groups"]), inner)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(sorted(FIGURES)), JSON),
    st.dictionaries(st.sampled_from(["source", "data", "seed", "parameters", "environment"]), JSON),
    JSON,
)
def test_odd_reports_break_no_card(figures: dict[str, Any], training: dict[str, Any], production: Any) -> None:
    run = a_run(
        figures={**figures, "metrics": FIGURES["metrics"]},
        training={**training, "model": TRAINING["model"]},
        production=production,
    )
    card = card_of(run)
    assert ModelCard.model_validate_json(card.model_dump_json(by_alias=True)) == card
    assert card_text.to_markdown(card)


def test_the_command_writes_both_files_and_removes_those_of_an_earlier_attempt(tmp_path: Path) -> None:
    reports, out = tmp_path / "reports", tmp_path / "out"
    for found in a_run().gates:
        assert found.report is not None
        (reports / found.task).mkdir(parents=True)
        (reports / found.task / f"{found.command}.json").write_text(found.report.to_json())
    arguments = ["report", f"--reports={reports}", "--run-name=r", f"--report={out}"]
    assert main(arguments) == 0
    assert json.loads((out / "model-card.json").read_text())["model"]["name"] == "coin"
    assert (out / "model-card.md").read_text().startswith("# coin 1.2.3\n")
    (reports / "train/train.json").unlink()
    assert main(arguments) == 0
    assert not list(out.glob("model-card*"))
