"""The commands from the data to the verdict on what the ones before them really wrote."""

from hallmark.verdict import read_verdict

from .workshop import Workshop

TRAIN = """
import argparse
import pandas
import skops.io
from sklearn.svm import SVC

parser = argparse.ArgumentParser()
for flag in ("--data", "--model", "--seed"):
    parser.add_argument(flag, required=True)
flags = parser.parse_args()
frame = pandas.read_csv(flags.data)
labels = frame.pop("species")
skops.io.dump(SVC(random_state=int(flags.seed)).fit(frame, labels), flags.model)
"""


def test_a_model_that_the_repository_trains_gets_a_passing_verdict_twice_the_same(workshop: Workshop) -> None:
    (workshop.folder("source") / "train.py").write_text(TRAIN)
    workshop.rules["requiredGates"] = ["validate-data", "predict-model"]
    workshop.suite(
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "petal_width", "min_value": 0}},
        data="independent",
    )
    texts = set()
    for _ in range(2):
        runs = {name: workshop.run(name) for name in ("validate-data", "prepare-evaluation", "train", "predict-model")}
        assert all(run.exit_code == 0 for run in runs.values()), [run.told for run in runs.values()]
        workshop.respond_as_predicted()
        gates = {"validate_data": runs["validate-data"], "predict_model": runs["predict-model"]}
        judged = workshop.judge(runs["prepare-evaluation"], **gates)
        assert judged.exit_code == 0, judged.told
        texts.add((workshop.folder("verdict") / "verdict.json").read_text())
    first, verdict = map(read_verdict, sorted(texts) * (3 - len(texts)))
    assert first.judges_the_same(verdict)
    assert first.metrics == verdict.metrics
    assert verdict.gates["predict-model"].tools["scikit-learn"] == verdict.tools["scikit-learn"]
    assert verdict.passed
    assert verdict.metrics["accuracy"].value > 0.9
    assert verdict.model.digest == runs["train"].results["model-digest"]


def test_the_probabilities_of_a_classifier_are_judged(workshop: Workshop) -> None:
    text = TRAIN.replace("from sklearn.svm import SVC", "from sklearn.linear_model import LogisticRegression")
    (workshop.folder("source") / "train.py").write_text(text.replace("SVC(", "LogisticRegression(max_iter=1000, "))
    workshop.rules["requiredGates"] = ["predict-model"]
    workshop.rules["model"]["metrics"] = {"roc_auc": {"minimum": 0.9, "decide": "bound"}, "log_loss": {"maximum": 0.5}}
    runs = {name: workshop.run(name) for name in ("prepare-evaluation", "train", "predict-model")}
    assert all(run.exit_code == 0 for run in runs.values()), [run.told for run in runs.values()]
    workshop.respond_as_predicted()
    judged = workshop.judge(runs["prepare-evaluation"], predict_model=runs["predict-model"])
    assert judged.exit_code == 0, judged.told
    assert {curve["class"] for curve in judged.report["figures"]["roc"]} == {"setosa", "versicolor", "virginica"}
