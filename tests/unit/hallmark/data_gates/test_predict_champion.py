"""predict-model with a champion: the model in production is a model file as any other, and is asked the same rows."""

import json
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import polars as pl
import pytest
import skops.io  # type: ignore[import-untyped]
from sklearn.dummy import DummyClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.svm import SVC  # type: ignore[import-untyped]

from hallmark.champion import InProduction
from hallmark.documents.policy import policy_digest
from hallmark.files import sha256_file, sha256_tree
from hallmark.performance.document import read_performance

from .workshop import FEATURES, UNCHANGED, Run, Workshop


@pytest.fixture
def prepared(workshop: Workshop) -> Workshop:
    workshop.rules["model"]["behaviour"] = UNCHANGED
    workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    workshop.rules["model"]["formats"] = ["skops", "joblib"]
    workshop.description["data"]["features"] = FEATURES[:3]
    assert workshop.run("prepare-evaluation").exit_code == 0
    frame = workshop.training.to_pandas()
    model = SVC().fit(frame[FEATURES[:3]].to_numpy(), frame["species"])
    skops.io.dump(model, workshop.folder("model") / "model.skops")
    return workshop


def crown(workshop: Workshop, model: Any, features: list[str], model_format: str = "skops", **changes: Any) -> Path:
    """Put a model in production, trained on the columns that it knows."""
    folder = workshop.root / "champion"
    folder.mkdir(exist_ok=True)
    frame = workshop.training.to_pandas()
    (skops.io if model_format == "skops" else joblib).dump(
        model.fit(frame[features].to_numpy(), frame["species"]), folder / "model"
    )
    workshop.save()
    content = {
        "image": f"registry.example.com/releases/iris@sha256:{'a' * 64}",
        "digest": f"sha256:{'a' * 64}",
        "policy": policy_digest(workshop.folder("policy")),
        "model": {"digest": sha256_file(folder / "model"), "format": model_format, "version": "1.0.0"},
        "task": "classification",
        "features": features,
        **changes,
    }
    InProduction.model_validate(content).write(folder)
    return folder


def predict(workshop: Workshop, folder: Path | None = None, digest: str | None = None) -> Run:
    folder = folder or workshop.root / "champion"
    return workshop.run("predict-model", champion=folder, champion_digest=digest or sha256_tree(folder))


def told(workshop: Workshop, name: str) -> pl.DataFrame:
    return pl.read_parquet(workshop.folder("predictions") / f"{name}.parquet")


def test_both_are_asked_the_same_rows_each_with_its_own_features_and_measured_in_turn(prepared: Workshop) -> None:
    """The candidate has three of the four columns, the champion the two others and in another order."""
    columns = pl.read_parquet(prepared.folder("features") / "features.parquet").columns
    assert sorted(columns) == sorted(["row", *FEATURES])
    features = [FEATURES[3], FEATURES[0]]
    crown(prepared, LogisticRegression(max_iter=500), features)
    run = predict(prepared)
    assert run.exit_code == 0, run.told
    candidate, champion = told(prepared, "predictions"), told(prepared, "champion")
    assert candidate["row"].to_list() == champion["row"].to_list()
    assert [name for name in champion.columns if name.startswith("probability:")]
    assert run.results["champion-predictions-digest"] == sha256_file(
        prepared.folder("predictions") / "champion.parquet"
    )
    assert run.report["digests"]["champion-predictions"] == run.results["champion-predictions-digest"]
    assert run.report["digests"]["champion"] == sha256_tree(prepared.root / "champion")
    frame = prepared.training.to_pandas()
    model = LogisticRegression(max_iter=500).fit(frame[features].to_numpy(), frame["species"])
    rows = pl.read_parquet(prepared.folder("features") / "features.parquet").sort("row")
    assert champion["prediction"].to_list() == model.predict(rows.select(features).to_numpy()).tolist()
    measured = read_performance(prepared.folder("predictions") / "performance.json").models
    assert {name: found.mismatches for name, found in measured.items()} == {"candidate": 0, "champion": 0}
    assert measured["candidate"].answers == measured["champion"].answers


def test_without_a_champion_nothing_is_said_of_one(prepared: Workshop) -> None:
    crown(prepared, DummyClassifier(), FEATURES)
    assert predict(prepared).exit_code == 0
    empty = prepared.root / "nothing"
    empty.mkdir()
    run = prepared.run("predict-model", champion=empty, champion_digest="none")
    assert run.exit_code == 0, run.told
    assert run.results["champion-predictions-digest"] == ""
    assert not (prepared.folder("predictions") / "champion.parquet").exists(), "an earlier run's was left"


def test_a_champion_that_was_changed_or_not_handed_over_is_bad_input(prepared: Workshop) -> None:
    folder = crown(prepared, DummyClassifier(), FEATURES)
    digest = sha256_tree(folder)
    for word in ("", "none", "not-asked", "odd"):
        assert prepared.run("predict-model", champion=folder, champion_digest=word).exit_code == 2
    assert prepared.run("predict-model", champion_digest=digest).exit_code == 2
    (folder / "model").write_bytes(b"another")
    assert predict(prepared, digest=digest).exit_code == 2
    run = predict(prepared)
    assert run.exit_code == 2
    assert "the champion's model was changed on the way" in run.told
    crown(prepared, DummyClassifier(), FEATURES, policy=f"sha256:{'b' * 64}")
    assert "the policy that the champion was checked by" in predict(prepared).told
    (folder / "champion.json").write_text("{}")
    assert "champion.json is not what fetch-champion writes" in predict(prepared).told
    crown(prepared, DummyClassifier(), FEATURES)
    target = prepared.root / "elsewhere"
    (folder / "model").rename(target)
    (folder / "model").symlink_to(target)
    assert predict(prepared).exit_code == 2


def test_a_champion_in_a_format_that_is_no_longer_allowed_is_refused_with_what_to_do(prepared: Workshop) -> None:
    prepared.rules["model"]["formats"] = ["skops"]
    crown(prepared, DummyClassifier(), FEATURES, "joblib")
    run = predict(prepared)
    assert run.exit_code == 1
    assert run.refused == ["champion: the policy allows the format"]
    assert "under a policy without model.champion" in run.told
    assert not list(prepared.folder("predictions").iterdir())


def test_a_champion_with_a_type_that_is_not_trusted_is_never_loaded(prepared: Workshop) -> None:
    folder = crown(prepared, DummyClassifier(), FEATURES)
    import zipfile

    with zipfile.ZipFile(folder / "model") as archive:
        schema = archive.read("schema.json").decode()
        others = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    with zipfile.ZipFile(folder / "model", "w") as archive:
        archive.writestr("schema.json", schema.replace("sklearn.dummy", "os").replace("DummyClassifier", "system"))
        for name, data in others.items():
            archive.writestr(name, data)
    content = json.loads((folder / "champion.json").read_text())
    content["model"]["digest"] = sha256_file(folder / "model")
    (folder / "champion.json").write_text(json.dumps(content))
    run = predict(prepared)
    assert run.exit_code == 1
    assert run.refused == ["champion: the file holds trusted types only"]


def test_a_champion_that_fails_on_the_rows_is_told_from_a_candidate_that_does(prepared: Workshop) -> None:
    crown(prepared, SVC(), FEATURES[:2])
    folder = prepared.root / "champion"
    content = json.loads((folder / "champion.json").read_text())
    (folder / "champion.json").write_text(json.dumps({**content, "features": FEATURES}))
    run = predict(prepared)
    assert run.exit_code == 1
    assert run.refused == ["champion: the model loads and predicts"]


def test_a_column_that_the_data_lacks_or_has_gaps_in_is_bad_input(prepared: Workshop) -> None:
    crown(prepared, DummyClassifier(), FEATURES)
    file = prepared.folder("features") / "features.parquet"
    whole = pl.read_parquet(file)
    gap = pl.when(pl.col("row") == 3).then(None).otherwise(pl.col(FEATURES[3])).alias(FEATURES[3])
    for table in (whole.drop(FEATURES[3]), whole.with_columns(gap)):
        table.write_parquet(file)
        run = predict(prepared)
        assert run.exit_code == 2
        assert f"lacks values of {FEATURES[3]}" in run.told
