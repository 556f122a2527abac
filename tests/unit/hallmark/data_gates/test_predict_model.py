import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import polars as pl
import pytest
import skops.io  # type: ignore[import-untyped]
from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LinearRegression, LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import FunctionTransformer, StandardScaler  # type: ignore[import-untyped]
from sklearn.svm import SVC  # type: ignore[import-untyped]

from hallmark.files import sha256_file
from hallmark.model_files import session as sessions
from hallmark.model_files.answers import UnfitAnswerError, decode
from hallmark.model_files.predict import Estimator
from hallmark.model_files.questions import questions_with_probes

from ..model_files import onnx_files
from ..model_files.payloads import JOBLIBS, PICKLES, by_system
from .workshop import FEATURES, UNCHANGED, Run, Workshop

TRUSTED = "the file holds trusted types only"
ALLOWED = "the policy allows the format"
DESCRIBED = "the file is what hallmark.yaml calls it"
PREDICTS = "the model loads and predicts"
COMPLETE = "one label for each row"


@pytest.fixture
def prepared(workshop: Workshop) -> Workshop:
    workshop.rules["model"]["behaviour"] = UNCHANGED
    assert workshop.run("prepare-evaluation").exit_code == 0
    return workshop


def fitted(workshop: Workshop, model: Any = None, *, named: bool = True) -> Any:
    frame = workshop.training.to_pandas()
    features = frame[FEATURES] if named else frame[FEATURES].to_numpy()
    return (make_pipeline(StandardScaler(), SVC()) if model is None else model).fit(features, frame["species"])


def put(workshop: Workshop, model: Any, model_format: str = "skops") -> Path:
    path = workshop.folder("model") / f"model.{model_format}"
    if model_format == "skops":
        skops.io.dump(model, path)
    elif model_format == "joblib":
        joblib.dump(model, path)
    else:
        path.write_bytes(pickle.dumps(model))
    use(workshop, model_format)
    return path


def use(workshop: Workshop, model_format: str) -> None:
    """Describe the model as of this format, and let the policy allow every format."""
    workshop.description["model"] = {"format": model_format}
    workshop.rules["model"]["formats"] = ["skops", "pickle", "joblib", "onnx"]


def predictions(workshop: Workshop) -> pl.DataFrame:
    return pl.read_parquet(workshop.folder("predictions") / "predictions.parquet")


def assert_refused(workshop: Workshop, run: Run, check: str, *words: str) -> None:
    assert run.exit_code == 1, run.told
    assert run.refused == [check]
    text = json.dumps(run.report, ensure_ascii=False)
    assert all(word in text for word in words), text
    assert "predictions-digest" not in run.results
    assert not (workshop.folder("predictions") / "predictions.parquet").exists()


@pytest.mark.parametrize("model_format", ["skops", "pickle", "joblib"])
@pytest.mark.parametrize("named", [True, False], ids=["fitted with names", "fitted without"])
def test_a_good_model_predicts_each_row_without_a_warning(
    prepared: Workshop, model_format: str, named: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    model = fitted(prepared, named=named)
    put(prepared, model, model_format)
    run = prepared.run("predict-model")
    assert run.exit_code == 0, run.told
    features = pl.read_parquet(prepared.folder("features") / "features.parquet")
    told = predictions(prepared)
    assert told["row"].to_list() == features["row"].to_list()
    frame = features.select(FEATURES).to_pandas()
    assert told["prediction"].to_list() == model.predict(frame if named else frame.to_numpy()).tolist()
    assert run.results["predictions-digest"] == prepared.digests()["predictions_digest"]()
    assert "Warning" not in "".join(capfd.readouterr())


def test_the_same_model_gives_the_same_bytes_but_of_what_was_measured(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    runs = [prepared.run("predict-model") for _ in range(2)]
    assert len({run.results.pop("performance-digest") for run in runs}) == 2
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("labels", "dtype"), [([0, 1], pl.Int64), ([0.5, 1.5], pl.Float64), ([True, False], pl.Boolean)]
)
def test_predictions_keep_the_type_of_the_labels(
    prepared: Workshop, labels: list[object], dtype: type[pl.DataType]
) -> None:
    frame = prepared.training.to_pandas()[FEATURES]
    put(prepared, DummyClassifier().fit(frame, np.array(labels * len(frame))[: len(frame)]))
    assert prepared.run("predict-model").exit_code == 0
    assert predictions(prepared).schema["prediction"] == dtype


def test_a_format_that_the_policy_does_not_allow_is_refused_before_it_is_loaded(prepared: Workshop) -> None:
    canary = prepared.root / "canary"
    PICKLES["os.system"](put(prepared, fitted(prepared), "pickle"), canary)
    prepared.rules["model"]["formats"] = ["skops"]
    assert_refused(prepared, prepared.run("predict-model"), ALLOWED, "by its bytes pickle", "allowed: skops")
    assert not canary.exists()


def test_an_onnx_model_predicts_each_row_with_probabilities(prepared: Workshop) -> None:
    onnx_files.write(prepared.folder("model") / "model.onnx", onnx_files.linear(FEATURES))
    use(prepared, "onnx")
    run = prepared.run("predict-model")
    assert run.exit_code == 0, run.told
    told = predictions(prepared)
    assert told.columns == ["row", "prediction", *(f"probability:{name}" for name in onnx_files.CLASSES)]
    assert told.height == prepared.independent.height


@pytest.mark.parametrize("name", ["tensor in a file above", "operator of a library"])
def test_an_onnx_file_that_is_not_self_contained_is_refused(prepared: Workshop, name: str) -> None:
    make, words = onnx_files.HOSTILE[name]
    make(prepared.folder("model") / "model.onnx", prepared.root / "canary")
    use(prepared, "onnx")
    check = "the file is self-contained and of standard operators"
    run = prepared.run("predict-model")
    assert_refused(prepared, run, check, words)
    assert run.report["solution"] == "mend the model or its training script"


@pytest.mark.parametrize("name", ["os.system", "array of objects"])
def test_a_malicious_pickle_is_refused_and_does_not_run(prepared: Workshop, name: str) -> None:
    use(prepared, "pickle")
    canary = prepared.root / "canary"
    PICKLES[name](prepared.folder("model") / "model.pickle", canary)
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS, "posix.system")
    assert not canary.exists()


@pytest.mark.parametrize(
    "name", ["beside an array", "in an array of objects", "compressed by zlib", "compressed by lzma"]
)
def test_a_malicious_joblib_file_is_refused_and_does_not_run(prepared: Workshop, name: str) -> None:
    use(prepared, "joblib")
    canary = prepared.root / "canary"
    JOBLIBS[name](prepared.folder("model") / "model.joblib", canary)
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS, "posix.system")
    assert not canary.exists()


@pytest.mark.parametrize("make", [PICKLES["os.system"], JOBLIBS["beside an array"], JOBLIBS["compressed by zlib"]])
def test_a_pickle_called_skops_is_refused_and_does_not_run(
    prepared: Workshop, make: Callable[[Path, Path], object]
) -> None:
    use(prepared, "skops")
    canary = prepared.root / "canary"
    make(prepared.folder("model") / "model.skops", canary)
    assert_refused(prepared, prepared.run("predict-model"), DESCRIBED, "described as skops")
    assert not canary.exists()


def untrusted(canary: Path) -> Any:
    import os

    return make_pipeline(FunctionTransformer(partial(os.system, f"touch {canary}")), SVC())


def test_a_skops_file_with_an_untrusted_type_is_refused_by_name_and_not_loaded(prepared: Workshop) -> None:
    canary = prepared.root / "canary"
    put(prepared, untrusted(canary))
    run = prepared.run("predict-model")
    assert_refused(prepared, run, TRUSTED, "posix.system", "functools.partial")
    assert not canary.exists()


def test_a_type_that_the_policy_trusts_is_loaded(prepared: Workshop) -> None:
    from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]

    put(prepared, fitted(prepared, RandomForestClassifier(3, random_state=0)))
    run = prepared.run("predict-model")
    assert_refused(prepared, run, TRUSTED, "sklearn.tree._tree.Tree")
    assert "the policy's owner may add it to model.trustedTypes" in run.report["solution"]
    prepared.rules["model"]["trustedTypes"] = ["sklearn.tree._tree.Tree"]
    run = prepared.run("predict-model")
    assert run.exit_code == 0, run.told
    assert "sklearn.tree._tree.Tree" in run.check(TRUSTED)["value"]


class Scaled(StandardScaler):  # type: ignore[misc]
    """What a training script may define."""


def test_a_class_of_the_training_script_is_not_to_be_trusted(
    prepared: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scaled, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Scaled", Scaled, raising=False)
    put(prepared, fitted(prepared, make_pipeline(Scaled(), SVC())))
    run = prepared.run("predict-model")
    assert_refused(prepared, run, TRUSTED, "__main__.Scaled")
    assert "classes of the training script (__main__) cannot be loaded outside it" in run.report["solution"]
    assert "trustedTypes" not in run.report["solution"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def _bomb(path: Path) -> None:
    """Three members of 700 MB each, in two megabytes."""
    piece = bytes(10 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        for name in ("1.npy", "2.npy", "3.npy"):
            with archive.open(name, "w", force_zip64=True) as member:
                for _ in range(70):
                    member.write(piece)


def _nonsense(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({"protocol": 2, "__loader__": "Nothing", "__module__": 5}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_cut, "zip's directory"), (_bomb, "unpacks to more than"), (_nonsense, "cannot be audited")],
)
def test_a_skops_file_that_cannot_be_audited_is_refused(
    prepared: Workshop, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(put(prepared, fitted(prepared)))
    assert_refused(prepared, prepared.run("predict-model"), TRUSTED, reason)


def test_a_truncated_pickle_is_refused(prepared: Workshop) -> None:
    _cut(put(prepared, fitted(prepared), "pickle"))
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS)


def test_a_file_that_is_no_model_s_format_is_refused(prepared: Workshop) -> None:
    put(prepared, fitted(prepared)).write_bytes(b"weights")
    assert_refused(prepared, prepared.run("predict-model"), DESCRIBED, "no format of a model")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (LinearRegression().fit([[1.0]], [1.0]), "not a classifier"),
        (StandardScaler().fit([[1.0]]), "cannot predict"),
        ({"weights": [1, 2]}, "cannot predict"),
        (LogisticRegression(), "NotFittedError"),
        (LogisticRegression().fit([[1.0], [2.0]], ["a", "b"]), "ValueError"),
    ],
    ids=["regressor", "transformer", "dict", "not fitted", "other features"],
)
def test_what_is_no_classifier_for_these_rows_is_refused(prepared: Workshop, model: Any, reason: str) -> None:
    put(prepared, model)
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS, reason)


def test_several_labels_for_a_row_are_refused(prepared: Workshop) -> None:
    from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-untyped]

    frame = prepared.training.to_pandas()
    put(prepared, KNeighborsClassifier(algorithm="brute").fit(frame[FEATURES], np.zeros((len(frame), 2))))
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS, f"shape ({prepared.independent.height}, 2)")


def test_a_model_that_takes_too_long_is_refused(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    prepared.rules["model"]["timeout"] = 1
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS, "its time ran out", "within 1 s")


def test_a_classifier_s_probabilities_are_written_for_each_class(prepared: Workshop) -> None:
    model = fitted(prepared, make_pipeline(StandardScaler(), LogisticRegression()))
    put(prepared, model)
    assert prepared.run("predict-model").exit_code == 0
    told = predictions(prepared)
    expected = model.predict_proba(
        pl.read_parquet(prepared.folder("features") / "features.parquet").to_pandas()[FEATURES]
    )
    assert told.columns == ["row", "prediction", *(f"probability:{name}" for name in model.classes_)]
    assert told.drop("row", "prediction").to_numpy().tolist() == expected.tolist()


def test_many_rows_are_asked_in_pieces_and_told_as_one(prepared: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    put(prepared, fitted(prepared, make_pipeline(StandardScaler(), LogisticRegression())))
    assert prepared.run("predict-model").exit_code == 0
    whole = predictions(prepared)
    monkeypatch.setattr(sessions, "CHUNK_ROWS", 7)
    assert prepared.run("predict-model").exit_code == 0
    pieces = predictions(prepared)
    assert pieces["prediction"].equals(whole["prediction"])
    assert np.allclose(pieces.drop("row", "prediction").to_numpy(), whole.drop("row", "prediction").to_numpy())


def test_a_model_that_cannot_tell_probabilities_has_no_such_column(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    assert prepared.run("predict-model").exit_code == 0
    assert predictions(prepared).columns == ["row", "prediction"]


def test_classes_are_called_by_their_canonical_labels(prepared: Workshop) -> None:
    frame = prepared.training.to_pandas()[FEATURES]
    put(prepared, DummyClassifier().fit(frame, np.array([True, False] * len(frame))[: len(frame)]))
    assert prepared.run("predict-model").exit_code == 0
    assert predictions(prepared).columns[2:] == ["probability:false", "probability:true"]


class Boastful(DummyClassifier):  # type: ignore[misc]
    """Gives probabilities that are none."""

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        return np.full((len(X), len(self.classes_)), 0.9)


def test_probabilities_that_do_not_sum_to_one_are_refused() -> None:
    model = Boastful().fit([[0.0], [1.0]], ["a", "b"])
    with pytest.raises(UnfitAnswerError, match="sum to 1"):
        decode(Estimator(model, "classification").answer(pl.DataFrame({"a": [0.0]})), rows=1, task="classification")


def probes(workshop: Workshop, *, first: int | None = None) -> pl.DataFrame:
    """Write probes.parquet: the independent rows again, backwards, numbered from `first` (default: after the last)."""
    features = pl.read_parquet(workshop.folder("features") / "features.parquet")
    start = features.height if first is None else first
    frame = features.reverse().with_columns(row=pl.int_range(start, start + features.height))
    frame.write_parquet(workshop.folder("features") / "probes.parquet")
    return frame


def test_probes_are_predicted_with_the_other_rows(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    assert prepared.run("predict-model").exit_code == 0
    alone = predictions(prepared)
    frame = probes(prepared)
    run = prepared.run("predict-model", probes_digest=sha256_file(prepared.folder("features") / "probes.parquet"))
    assert run.exit_code == 0, run.told
    told = predictions(prepared)
    assert told["row"].to_list() == list(range(2 * frame.height))
    assert told.head(frame.height).equals(alone)
    assert told["prediction"].tail(frame.height).to_list() == alone["prediction"].reverse().to_list()


def test_a_model_that_answers_probes_otherwise_where_they_stand_among_others_is_refused(prepared: Workshop) -> None:
    """Plain ONNX operators are enough: the graph knows how many rows there will be, and at which places the probes."""
    frame = probes(prepared)
    file = prepared.folder("features") / "probes.parquet"
    asked = questions_with_probes(prepared.folder("features") / "features.parquet", file, FEATURES, prepared.root)
    places = (asked.rows >= frame.height).to_list()
    onnx_files.write(prepared.folder("model") / "model.onnx", onnx_files.by_place(places))
    use(prepared, "onnx")
    run = prepared.run("predict-model", probes_digest=sha256_file(file))
    assert_refused(prepared, run, "the same answers one by one as among others", "must not depend on the rows beside")
    onnx_files.write(prepared.folder("model") / "model.onnx", onnx_files.by_place([False] * len(places)))
    assert prepared.run("predict-model", probes_digest=sha256_file(file)).exit_code == 0


def test_probes_that_nobody_vouches_for_are_bad_input(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    probes(prepared)
    for given in ({"probes_digest": ""}, {"probes_digest": f"sha256:{'0' * 64}"}):
        run = prepared.run("predict-model", **given)
        assert (run.exit_code, "probes.parquet was changed on the way" in run.told) == (2, True), run.told


def test_probes_that_are_promised_but_not_there_are_bad_input(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    assert prepared.run("predict-model", probes_digest=f"sha256:{'0' * 64}").exit_code == 2


def test_a_probe_with_the_number_of_another_row_is_bad_input(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    probes(prepared, first=0)
    run = prepared.run("predict-model", probes_digest=sha256_file(prepared.folder("features") / "probes.parquet"))
    assert (run.exit_code, "a row twice" in run.told) == (2, True), run.told


def test_the_report_holds_no_value_that_an_error_quotes(prepared: Workshop) -> None:
    from sklearn.preprocessing import OrdinalEncoder

    secret = "Jane Doe"  # noqa: S105
    for name in ("training", "independent"):
        frame = getattr(prepared, name).with_columns(sepal_length=pl.lit("x" if name == "training" else secret))
        getattr(prepared, f"write_{name}")(frame)
    assert prepared.run("prepare-evaluation").exit_code == 0
    put(prepared, fitted(prepared, make_pipeline(OrdinalEncoder(), SVC())))
    run = prepared.run("predict-model")
    assert_refused(prepared, run, PREDICTS, "unknown categories")
    assert secret not in run.report_text


@pytest.mark.parametrize("digest", ["source_digest", "policy_digest", "features_digest", "model_digest"])
def test_a_digest_that_is_not_its_writers_is_bad_input(prepared: Workshop, digest: str) -> None:
    put(prepared, fitted(prepared))
    run = prepared.run("predict-model", **{digest: f"sha256:{'0' * 64}"})
    assert run.exit_code == 2
    assert "changed on the way" in run.told


def test_a_missing_model_is_bad_input(prepared: Workshop) -> None:
    run = prepared.run("predict-model", model_digest=f"sha256:{'0' * 64}")
    assert (run.exit_code, "model.skops cannot be read" in run.told) == (2, True)


def test_a_link_in_the_models_place_is_bad_input(prepared: Workshop) -> None:
    real = put(prepared, fitted(prepared)).rename(prepared.root / "elsewhere.skops")
    (prepared.folder("model") / "model.skops").symlink_to(real)
    assert prepared.run("predict-model").exit_code == 2


def test_predictions_that_cannot_be_written_are_a_failed_tool(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    prepared.folder("predictions").rmdir()
    prepared.folder("predictions").write_text("a file where the folder should be")
    run = prepared.run("predict-model")
    assert run.exit_code == 3
    assert "cannot write" in run.told


def test_earlier_predictions_do_not_outlive_a_refusal(prepared: Workshop) -> None:
    put(prepared, fitted(prepared))
    assert prepared.run("predict-model").exit_code == 0
    put(prepared, {"no": "model"})
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS)


def test_a_payload_inside_a_real_estimator_is_refused(prepared: Workshop) -> None:
    canary = prepared.root / "canary"
    model = fitted(prepared)
    model.steps[-1][1].classes_ = by_system(canary)
    put(prepared, model, "joblib")
    assert_refused(prepared, prepared.run("predict-model"), PREDICTS, "posix.system")
    assert not canary.exists()


def test_a_fifo_in_the_models_place_is_bad_input(prepared: Workshop) -> None:
    os.mkfifo(prepared.folder("model") / "model.skops")
    run = prepared.run("predict-model", model_digest=f"sha256:{'0' * 64}")
    assert (run.exit_code, "is no regular file" in run.told) == (2, True), run.told
