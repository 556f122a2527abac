import itertools
import os
import subprocess
import sys

import polars as pl
import pytest

from hallmark.fingerprints import overlap

from .workshop import FEATURES, Workshop


def _read(workshop: Workshop, folder: str, file: str) -> pl.DataFrame:
    return pl.read_parquet(workshop.folder(folder) / file)


def test_the_independent_data_is_split_into_features_and_labels_that_fit_by_row(workshop: Workshop) -> None:
    run = workshop.run("prepare-evaluation")
    assert run.exit_code == 0
    features, labels = _read(workshop, "features", "features.parquet"), _read(workshop, "labels", "labels.parquet")
    assert features.columns == ["row", *FEATURES]
    assert labels.columns == ["row", "number", "label", "fingerprint"]
    assert features["row"].to_list() == labels["row"].to_list() == list(range(workshop.independent.height))
    joined = features.join(labels, on="row").select(*FEATURES, species="label")
    assert joined.sort(pl.all()).equals(workshop.independent.sort(pl.all()))
    in_the_files_order = features.join(labels, on="row").sort("number")
    assert in_the_files_order["number"].to_list() == list(range(1, features.height + 1))
    assert in_the_files_order.select(*FEATURES, species="label").equals(workshop.independent)


def test_results_are_the_digests_of_what_was_written(workshop: Workshop) -> None:
    run = workshop.run("prepare-evaluation")
    digests = workshop.digests()
    assert run.results["features-digest"] == digests["features_digest"]()
    assert run.results["labels-digest"] == digests["labels_digest"]()
    assert run.results["independent-data-digest"] == workshop.rules["data"]["independent"]["sha256"]
    assert run.results["training-data-digest"] == run.report["digests"]["training-data"]


def test_the_order_of_the_rows_does_not_follow_from_the_order_of_the_file(workshop: Workshop) -> None:
    """Data sorted by class must not come out sorted, and the same rows in another order must come out in one order
    that depends on their values alone (the key, the file's digest, differs and is held fixed here)."""
    workshop.run("prepare-evaluation")
    labels = _read(workshop, "labels", "labels.parquet")["label"].to_list()
    assert workshop.independent["species"].is_sorted()
    changes = sum(left != right for left, right in itertools.pairwise(labels))
    assert changes > len(labels) // 3

    from hallmark.commands.prepare_evaluation import _shuffled
    from hallmark.documents.model import load_model

    model = load_model(workshop.folder("source"))
    seed = f"sha256:{'ab' * 32}"
    once, *_ = _shuffled(workshop.independent, model, seed=seed)
    again, *_ = _shuffled(workshop.independent.reverse(), model, seed=seed)
    assert once.equals(again)


def test_the_same_input_gives_the_same_bytes_in_another_process(workshop: Workshop) -> None:
    first = workshop.run("prepare-evaluation")
    flags = [f"--{name}={workshop.folder(name)}" for name in ("source", "policy", "data")]
    digests = workshop.digests()
    flags += [f"--source-digest={digests['source_digest']()}", f"--policy-digest={digests['policy_digest']()}"]
    for name in ("features", "labels"):
        flags.append(f"--{name}={workshop.root / 'again' / name}")
        flags.append(f"--result-{name}-digest={workshop.root / name}.digest")
    subprocess.run(
        [sys.executable, "-m", "hallmark.cli", "prepare-evaluation", *flags],
        env={**os.environ, "PYTHONHASHSEED": "99", "POLARS_MAX_THREADS": "1"},
        check=True,
        timeout=120,
    )
    for name in ("features", "labels"):
        assert (workshop.root / f"{name}.digest").read_text() == first.results[f"{name}-digest"]


def test_rows_that_the_training_data_holds_are_found_under_another_type_label_and_order(workshop: Workshop) -> None:
    leaked = workshop.independent.head(6).select(
        pl.lit(7).alias("id"),
        pl.lit("other").alias("species"),
        *(pl.col(name).cast(pl.String) for name in reversed(FEATURES)),
    )
    shape = [pl.lit(1).alias("id"), "species", *(pl.col(name).cast(pl.String) for name in reversed(FEATURES))]
    workshop.write_training(pl.concat([workshop.training.select(shape), leaked]))
    assert workshop.run("prepare-evaluation").exit_code == 0
    rows = _read(workshop, "labels", "labels.parquet")["fingerprint"]
    training = _read(workshop, "labels", "training.parquet")["fingerprint"]
    assert overlap(rows, training) == pytest.approx(6 / workshop.independent.height)


def test_without_common_rows_there_is_no_overlap(workshop: Workshop) -> None:
    workshop.run("prepare-evaluation")
    rows = _read(workshop, "labels", "labels.parquet")["fingerprint"]
    assert overlap(rows, _read(workshop, "labels", "training.parquet")["fingerprint"]) == 0


def test_run_twice_in_the_same_folders_gives_the_same(workshop: Workshop) -> None:
    assert workshop.run("prepare-evaluation") == workshop.run("prepare-evaluation")


def test_data_that_is_not_the_policys_is_bad_input(workshop: Workshop) -> None:
    workshop.independent.head(50).write_csv(workshop.folder("data") / "independent.csv")
    run = workshop.run("prepare-evaluation")
    assert run.exit_code == 2
    assert "is another one than the rules name" in run.told
    assert "features-digest" not in run.results


@pytest.mark.parametrize("digest", ["source_digest", "policy_digest"])
def test_a_digest_that_is_not_its_writers_is_bad_input(workshop: Workshop, digest: str) -> None:
    run = workshop.run("prepare-evaluation", **{digest: f"sha256:{'0' * 64}"})
    assert run.exit_code == 2
    assert "changed on the way" in run.told


def test_independent_data_without_rows_is_bad_input(workshop: Workshop) -> None:
    workshop.write_independent(workshop.independent.head(0))
    run = workshop.run("prepare-evaluation")
    assert (run.exit_code, "no rows" in run.told) == (2, True)


def test_independent_data_with_a_gap_is_bad_input(workshop: Workshop) -> None:
    gap = pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise("petal_width")
    workshop.write_independent(workshop.independent.with_columns(gap.alias("petal_width")))
    run = workshop.run("prepare-evaluation")
    assert (run.exit_code, "petal_width" in run.told) == (2, True)


def test_a_missing_label_column_is_bad_input(workshop: Workshop) -> None:
    workshop.write_independent(workshop.independent.drop("species"))
    run = workshop.run("prepare-evaluation")
    assert run.exit_code == 2
    assert "names column species, which the independent data independent.csv does not have" in run.told


def test_a_folder_that_cannot_be_written_is_a_failed_tool(workshop: Workshop) -> None:
    workshop.folder("features").rmdir()
    workshop.folder("features").write_text("a file where the folder should be")
    run = workshop.run("prepare-evaluation")
    assert run.exit_code == 3
    assert "cannot write" in run.told


def test_all_offered_features_are_handed_over_only_where_a_champion_may_ask_for_them(workshop: Workshop) -> None:
    own, other = FEATURES[:2], FEATURES[2:]
    workshop.description["data"]["features"] = own
    gap = pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise(pl.col(other[0])).alias(other[0])
    exact = pl.col(other[1]).cast(pl.Decimal(10, 2))
    workshop.independent.with_columns(gap, exact).write_parquet(workshop.folder("data") / "independent.parquet")
    workshop.pin("independent.parquet")
    assert workshop.run("prepare-evaluation").exit_code == 0
    alone = _read(workshop, "features", "features.parquet")
    assert alone.columns == ["row", *own]
    workshop.rules["model"]["champion"] = {"metric": "accuracy"}
    run = workshop.run("prepare-evaluation")
    assert run.exit_code == 0, f"a gap that the candidate does not see is not its: {run.told}"
    found = _read(workshop, "features", "features.parquet")
    assert found.columns == ["row", *own, *other]
    assert found.select("row", *own).equals(alone)
    assert found[other[0]].null_count() == 1
    assert found.schema[other[1]] == pl.Float64
    workshop.rules["data"]["independent"]["features"] = [*FEATURES, "petal_colour"]
    run = workshop.run("prepare-evaluation")
    assert run.exit_code == 2
    assert "names column petal_colour" in run.told
