"""Drift is found where it is, nowhere else, and never passed over in silence."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats

from hallmark.documents.loading import parse
from hallmark.documents.rules_drift import Drift, Sampling
from hallmark.drift import reading
from hallmark.drift.detect import find_drift, reference_of
from hallmark.drift.profile import Profile, make_profile, write_profile
from hallmark.drift.reading import open_source
from hallmark.errors import BadInputError
from hallmark.findings import Findings

FEATURES = ["number", "whole", "category", "flag", "day", "moment", "words"]


def table(rows: int = 2_000, seed: int = 1) -> pl.DataFrame:
    chance = np.random.default_rng(seed)
    start = datetime.datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "number": chance.normal(size=rows),
            "whole": chance.integers(0, 6, rows),
            "category": chance.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2]),
            "flag": chance.random(rows) < 0.4,
            "day": [(start + datetime.timedelta(days=int(days))).date() for days in chance.integers(0, 90, rows)],
            "moment": [start + datetime.timedelta(seconds=int(seconds)) for seconds in chance.integers(0, 10**7, rows)],
            "words": ["x" * int(length) + str(place) for place, length in enumerate(chance.integers(1, 40, rows))],
            "label": chance.integers(0, 3, rows),
            "answer": chance.integers(0, 3, rows),
        }
    )


REFERENCE = table()


def rules(**keys: Any) -> Drift:
    return parse(json.dumps(keys), Drift, name="policy.yaml")


def profile_of(frame: pl.DataFrame) -> Profile:
    return make_profile(open_source(frame.lazy(), Sampling(), what="the data"), frame.columns, label="label")


def found(
    current: pl.DataFrame, *, reference: pl.DataFrame | Profile = REFERENCE, label: str | None = "label", **keys: Any
) -> Findings:
    first = reference.lazy() if isinstance(reference, pl.DataFrame) else reference
    return find_drift(first, current.lazy(), rules(**keys), features=FEATURES, label=label, prediction="answer")


def refused(findings: Findings) -> list[str]:
    return [check.name.removeprefix("drift: ") for check in findings.checks if not check.passed]


def figure(findings: Findings, column: str) -> dict[str, Any]:
    return next(entry for entry in findings.figures["drift"] if entry["column"] == column)


CHANGES = {
    "number": pl.col("number") + 0.3,
    "whole": pl.col("whole") + 1,
    "category": pl.when(pl.col("flag")).then(pl.lit("blue")).otherwise("category").alias("category"),
    "flag": pl.col("number") < 0.5,
    "day": pl.col("day") + pl.duration(days=20),
    "moment": pl.col("moment") + pl.duration(days=20),
    "words": pl.col("words") + "abcdefgh",
    "label": pl.lit(1).alias("label"),
}


def test_another_draw_of_the_same_distribution_passes() -> None:
    assert refused(found(table(seed=2))) == []
    assert refused(found(table(seed=2), reference=profile_of(REFERENCE))) == []


@pytest.mark.parametrize("column", CHANGES)
@pytest.mark.parametrize("stored", [False, True], ids=["data", "profile"])
def test_a_column_that_moved_is_refused(column: str, stored: bool) -> None:
    changed = table(seed=2).with_columns(CHANGES[column].alias(column))
    findings = found(changed, reference=profile_of(REFERENCE) if stored else REFERENCE)
    names = ["label label"] if column == "label" else [column, "share of columns"]
    assert refused(findings) == names
    entry = figure(findings, column)
    assert entry["drifted"] is True
    drawn = entry.get("histogram") or entry["categories"]
    assert sum(drawn["reference"]) == pytest.approx(1)
    assert sum(drawn["current"]) == pytest.approx(1)


@pytest.mark.parametrize("statistic", ["ks", "js", "psi", "chi2", "wasserstein"])
def test_every_statistic_finds_a_shift_and_names_itself(statistic: str) -> None:
    moved = table(seed=2).with_columns(CHANGES["number"], CHANGES["category"])
    findings = found(moved, statistic=statistic)
    assert {"number", "category"} <= set(refused(findings))
    assert figure(findings, "number")["statistic"] == statistic
    assert refused(found(table(seed=2), statistic=statistic)) == []


def test_the_statistics_of_a_gate_are_scipys() -> None:
    moved = table(900, seed=2).with_columns(CHANGES["number"])
    entry = figure(found(moved, statistic="wasserstein", correction="none"), "number")
    before, now = REFERENCE["number"].to_numpy(), moved["number"].to_numpy()
    test = scipy.stats.ks_2samp(before, now)
    assert entry["statistics"]["ks"] == pytest.approx(test.statistic, abs=1e-9)
    assert entry["p"] == entry["adjusted_p"] == pytest.approx(test.pvalue, abs=1e-9)
    assert entry["value"] == pytest.approx(scipy.stats.wasserstein_distance(before, now) / before.std(), abs=1e-9)


def test_a_shift_that_is_certain_but_small_passes_unless_p_alone_decides() -> None:
    large = table(60_000, seed=2).with_columns(pl.col("number") + 0.03)
    reference = table(60_000)
    assert refused(found(large, reference=reference)) == []
    assert "number" in refused(found(large, reference=reference, decide="p-value"))


def test_a_shift_that_is_large_but_chance_passes_unless_the_statistic_alone_decides() -> None:
    few = table(40, seed=3)
    assert refused(found(few)) == []
    assert "number" in refused(found(few, decide="statistic"))


def test_correction_spares_clean_columns() -> None:
    """With 40 clean columns at p < 0.05 a false alarm is nearly certain."""
    chance = np.random.default_rng(5)
    before, now = (pl.DataFrame({f"c{i}": chance.normal(size=400) for i in range(40)}).lazy() for _ in range(2))
    alarms = {
        correction: sum(
            entry["drifted"]
            for entry in find_drift(
                before, now, rules(decide="p-value", correction=correction), features=[f"c{i}" for i in range(40)]
            ).figures["drift"]
        )
        for correction in ("none", "bh", "holm", "bonferroni")
    }
    assert alarms["none"] > 0
    assert alarms["bh"] == alarms["holm"] == alarms["bonferroni"] == 0


def test_the_share_of_columns_decides_if_the_policy_lets_some_drift() -> None:
    one = table(seed=2).with_columns(CHANGES["number"])
    assert refused(found(one, maximumShareOfColumns=0.2)) == []
    assert found(one, maximumShareOfColumns=0.2).checks[0].name.endswith("(the share decides)")
    two = one.with_columns(CHANGES["whole"])
    assert refused(found(two, maximumShareOfColumns=0.2)) == ["share of columns"]
    assert refused(found(one.with_columns(CHANGES["label"]), maximumShareOfColumns=0.2)) == ["label label"]


def test_predictions_are_compared_if_the_policy_says_so() -> None:
    moved = table(seed=2).with_columns(answer=pl.lit(0))
    assert refused(found(moved)) == []
    assert refused(found(moved, prediction=True)) == ["prediction answer"]


def test_values_that_are_gone_are_refused() -> None:
    gone = table(seed=2).with_columns(
        pl.when(pl.col("flag")).then(None).otherwise("whole").alias("whole"),
        pl.when(pl.col("flag")).then(float("nan")).otherwise("number").alias("number"),
    )
    assert refused(found(gone)) == ["number: missing values", "whole: missing values"]
    assert refused(found(gone, maximumMissingChange=0.5)) == []
    assert figure(found(gone), "number")["missing"] == {"reference": 0.0, "current": pytest.approx(0.4, abs=0.05)}


def test_overrides_hold_for_their_column_only() -> None:
    moved = table(seed=2).with_columns(CHANGES["number"], CHANGES["whole"])
    findings = found(moved, overrides={"number": {"limit": 0.9}, "whole": {"statistic": "psi", "kind": "categorical"}})
    assert refused(findings) == ["whole", "share of columns"]
    assert figure(findings, "whole")["categories"]["names"][-1] == "other"


def test_infinities_are_values_but_have_no_wasserstein_distance() -> None:
    far = table(seed=2).with_columns(pl.when(pl.col("flag")).then(float("inf")).otherwise("number").alias("number"))
    assert "number" in refused(found(far))
    json.dumps(found(far).figures, allow_nan=False)
    with pytest.raises(BadInputError, match="infinite"):
        found(far, overrides={"number": {"statistic": "wasserstein"}})


def test_rare_categories_and_extremes_stay_out_of_the_report() -> None:
    frame = table(seed=2).with_columns(
        pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("Ada Lovelace")).otherwise("category").alias("category"),
        pl.when(pl.int_range(pl.len()) < 1).then(987654.25).otherwise("number").alias("number"),
    )
    report = json.dumps(found(frame, reference=frame).figures)
    assert "Ada" not in report
    assert "987654" not in report
    assert "xxx" not in report


def test_a_small_tables_extremes_stay_out_of_the_report_too() -> None:
    frame = table(40).with_columns(number=pl.int_range(pl.len()) * 1.2345678 + 0.1234567)
    drawn = figure(found(frame, reference=frame), "number")["histogram"]
    assert not set(drawn["edges"]) & set(frame["number"].to_list())


def test_the_reference_is_the_training_data_or_a_profile_beside_the_policy(tmp_path: Path) -> None:
    training = REFERENCE.lazy()
    write_profile(profile_of(REFERENCE), tmp_path / "profile.json")
    assert reference_of(rules(), tmp_path, training) is training
    stored = reference_of(rules(reference="profile.json"), tmp_path, training)
    assert isinstance(stored, Profile)
    assert stored.rows == REFERENCE.height
    with pytest.raises(BadInputError, match="cannot read the profile"):
        reference_of(rules(reference="profil.json"), tmp_path, training)


def change(column: str, value: pl.Expr) -> pl.DataFrame:
    return table(seed=2).with_columns(value.alias(column))


@pytest.mark.parametrize(
    ("call", "said", "solution"),
    [
        (lambda: found(table().drop("whole")), "no column whole", "correct"),
        (lambda: found(table().rename({"whole": "whoel"})), "independent data has no column whole", "mean whoel"),
        (lambda: found(table(), reference=table().drop("day")), "training data has no column day", "correct"),
        (lambda: found(table(), reference=profile_of(table().drop("day"))), "profile has no column day", "correct"),
        (lambda: found(table(), columns=["numbr"]), "no column numbr", "mean number"),
        (lambda: found(table(), overrides={"numbr": {"limit": 1}}), "overrides.numbr", "mean number"),
        (lambda: found(table(seed=2).clear()), "0 rows", "more rows"),
        (lambda: found(table(29)), "29 rows", "more rows"),
        (lambda: found(table(), reference=table(29)), "29 rows", "more rows"),
        (lambda: found(change("number", pl.lit(None, pl.Float64))), "number of the independent data has no v", "leave"),
        (lambda: found(change("number", pl.lit(float("nan")))), "number of the independent data has no v", "leave"),
        (lambda: found(change("number", pl.lit(None))), "number of the independent data has no values", "leave"),
        (lambda: found(table(), reference=change("flag", pl.lit(None, pl.Boolean))), "flag of the training", "leave"),
        (lambda: found(change("number", pl.lit("a"))), "is a number in the training data and a text", "same types"),
        (lambda: found(change("number", pl.concat_list("whole"))), "which has no distribution", "leave it out"),
        (lambda: found(table(), overrides={"number": {"kind": "text"}}), "cannot be compared as text", "numeric"),
        (lambda: found(table(), overrides={"flag": {"statistic": "ks"}}), "categories have no order", "js"),
        (
            lambda: found(table(), reference=profile_of(table()), overrides={"number": {"kind": "categorical"}}),
            "the profile has it as numeric",
            "leave the kind out",
        ),
        (
            lambda: find_drift(REFERENCE.lazy(), table().lazy(), rules(prediction=True), features=FEATURES),
            "no predictions",
            "set drift.prediction",
        ),
        (lambda: find_drift(REFERENCE.lazy(), table().lazy(), rules(), features=[]), "no columns to compare", "name"),
    ],
)
def test_what_cannot_be_compared_is_bad_input(call: Callable[[], Findings], said: str, solution: str) -> None:
    with pytest.raises(BadInputError) as caught:
        call()
    assert said in caught.value.message
    assert solution in caught.value.solution


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"statistics": "ks"}, "unknown key statistics"),
        ({"statistic": "kolmogorov"}, "statistic"),
        ({"decide": "any"}, "decide"),
        ({"limit": 0}, "limit"),
        ({"columns": []}, "columns"),
        ({"reference": "../elsewhere.json"}, "reference"),
        ({"overrides": {"a": {"limt": 1}}}, "overrides.a.limt"),
        ({"sampling": {"maximumRows": 3}}, "sampling.maximumRows"),
    ],
)
def test_a_mistake_in_the_rules_is_bad_input_with_its_line(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=r"policy\.yaml:1") as caught:
        rules(**keys)
    assert said in caught.value.message


def test_large_data_is_sampled_the_same_way_every_time_and_the_error_is_stated() -> None:
    large = table(30_000, seed=2)
    keys = {"sampling": {"maximumRows": 5_000, "seed": 7}}
    once, again, other = found(large, **keys), found(large, **keys), found(large, sampling={"maximumRows": 5_000})
    assert once == again
    assert figure(once, "number")["value"] != figure(other, "number")["value"]
    entry, exact = figure(once, "number"), figure(found(large), "number")
    assert entry["error"] == pytest.approx(0.023, abs=0.0005)
    assert abs(entry["value"] - exact["value"]) <= entry["error"]
    assert 4_600 < entry["rows"]["current"] < 5_400
    assert "±" in once.checks[0].value


def test_groups_of_columns_and_batches_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    current = table(9_000, seed=2).with_columns(CHANGES["category"])
    keys = {"overrides": {"number": {"statistic": "wasserstein"}}}
    expected = found(current, **keys)
    monkeypatch.setattr(reading, "GROUP_BYTES", 1)
    monkeypatch.setattr(reading, "BATCH_BYTES", 1)
    assert found(current, **keys) == expected


def test_damaged_data_is_bad_input(tmp_path: Path) -> None:
    table(9_000).write_parquet(tmp_path / "data.parquet", compression="uncompressed")
    content = bytearray((tmp_path / "data.parquet").read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    (tmp_path / "data.parquet").write_bytes(content)
    with pytest.raises(BadInputError, match="the independent data cannot be read"):
        find_drift(REFERENCE.lazy(), pl.scan_parquet(tmp_path / "data.parquet"), rules(), features=FEATURES)


def test_drift_imports_no_large_library() -> None:
    heavy = "scipy", "pandas", "sklearn", "great_expectations", "pyarrow"
    code = (
        f"import sys, hallmark.drift.detect, hallmark.drift.proposal; print([m for m in {heavy} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
