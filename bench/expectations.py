"""What a suite of 20 expectations costs: Hallmark on polars against great-expectations itself, each a fresh process.

1,000,000 rows of 20 columns as Parquet and as CSV, in turn, the best of several runs, process start included; then
100,000,000 rows in partitioned Parquet files by polars alone, whose memory is what counts. Both sides read the same
suite and the same file, and find the same. The machine may be busy: read the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROWS = 1_000_000
MANY = 100_000_000
FILES = 20
GOALS = {"parquet": (12.0, 0.25), "csv": (6.0, 1.0)}
"""At least how many times faster, and at most which share of the memory."""
LARGEST = 1024
"""MiB, for the 100,000,000 rows."""
OURS = """
import sys
from pathlib import Path
import polars as pl
from hallmark.expectations.runner import run_suite
from hallmark.expectations.suite import load_suite
suite, data = Path(sys.argv[1]), sys.argv[2]
rows = pl.scan_csv(data) if data.endswith(".csv") else pl.scan_parquet(data)
results = run_suite(load_suite(suite.parent, suite.name), rows, engine="auto")
assert all(result.engine == "polars" for result in results)
print(len(results), sum(result.held for result in results))
"""
THEIRS = """
import json, sys
import great_expectations as gx, pandas as pd
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
suite, data = json.load(open(sys.argv[1])), sys.argv[2]
frame = pd.read_csv(data) if data.endswith(".csv") else pd.read_parquet(data)
asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("data").add_dataframe_asset("rows")
batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
checks = [ExpectationConfiguration(type=e["type"], kwargs=e["kwargs"]).to_domain_obj() for e in suite["expectations"]]
found = batch.validate(gx.ExpectationSuite("suite", expectations=checks), result_format="BASIC")
print(len(found.results), sum(result.success for result in found.results))
"""
# A process begins with the peak of the one that starts it, so that has to be a small one.
WATCH = """
import json, os, subprocess, sys, tempfile, time
started = time.perf_counter()
complaints = tempfile.TemporaryFile()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=complaints)
said = process.stdout.read().decode().strip()
_, status, used = os.wait4(process.pid, 0)
seconds, processor = time.perf_counter() - started, used.ru_utime + used.ru_stime
print(json.dumps({"seconds": seconds, "processor": processor, "mebibytes": used.ru_maxrss / 1024, "said": said}))
if status:
    complaints.seek(0)
    sys.exit(complaints.read().decode())
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    seconds: float
    processor: float
    """Seconds of all its threads: what another process takes away does not count."""
    mebibytes: float
    said: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each side and format; the best counts (default: 3)")
    parser.add_argument("--no-many", action="store_true", help="leave out the 100,000,000 rows")
    arguments = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory(prefix="hallmark-bench-") as name:
        folder = Path(name)
        suite = folder / "suite.json"
        suite.write_text(json.dumps({"name": "bench", "expectations": SUITE}), encoding="utf-8")
        frame = rows_of(ROWS, seed=1)
        frame.write_parquet(folder / "rows.parquet")
        frame.write_csv(folder / "rows.csv")
        del frame
        print(f"{'wall (CPU) memory':19}{'polars':>24}{'great-expectations':>26}{'faster':>9}{'CPU':>8}{'memory':>9}")
        for kind, (speed, memory) in GOALS.items():
            data = folder / f"rows.{kind}"
            both = [(cost(OURS, suite, data), cost(THEIRS, suite, data)) for _ in range(arguments.runs)]
            ours, theirs = (min(side, key=lambda run: run.seconds) for side in zip(*both, strict=True))
            if ours.said != theirs.said:
                raise AssertionError(f"{ours.said} here, {theirs.said} there")
            faster, share = theirs.seconds / ours.seconds, ours.mebibytes / theirs.mebibytes
            good = good and faster >= speed and share <= memory
            effort = theirs.processor / ours.processor
            print(f"{kind:19}{told(ours):>24}{told(theirs):>26}{faster:8.1f}x{effort:7.1f}x{share:8.2f}x")
        if not arguments.no_many:
            good = many(folder) and good
    return 0 if good else 1


def many(folder: Path) -> bool:
    parts = folder / "parts"
    parts.mkdir()
    for number in range(FILES):
        rows_of(MANY // FILES, seed=number).select(MANY_COLUMNS).write_parquet(parts / f"{number:03}.parquet")
    suite = folder / "many.json"
    kept = [entry for entry in SUITE if entry["kwargs"].get("column") in MANY_COLUMNS and "unique" not in entry["type"]]
    suite.write_text(json.dumps({"name": "many", "expectations": kept}), encoding="utf-8")
    size = sum(part.stat().st_size for part in parts.iterdir()) >> 20
    found = cost(OURS, suite, parts / "*.parquet")
    print(f"{MANY:,} rows, {size} MiB of Parquet, {len(kept)} expectations by polars: {told(found)}")
    return found.mebibytes < LARGEST


def cost(script: str, suite: Path, data: Path) -> Cost:
    """The wall time and the peak resident memory of a fresh process."""
    command = [sys.executable, "-W", "ignore", "-c", script, str(suite), str(data)]
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", WATCH, *command],
        env=os.environ | {"GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Cost(**json.loads(found.stdout))


def told(cost: Cost) -> str:
    return f"{cost.seconds:.2f} s ({cost.processor:.2f}) {cost.mebibytes:.0f} MiB"


def rows_of(count: int, *, seed: int) -> pl.DataFrame:
    """20 columns: numbers, text of few and of many values, a date; a tenth of two of them is missing."""
    chance = np.random.default_rng(seed)
    numbers = {f"x{place}": chance.normal(50, 10, count).round(4) for place in range(10)}
    counts = {f"n{place}": chance.integers(0, 100, count) for place in range(4)}
    frame = pl.DataFrame({"id": np.arange(count), **numbers, **counts})
    few = pl.Series(["bern", "basel", "zürich", "genf"])
    return frame.with_columns(
        city=few.gather(chance.integers(0, 4, count)),
        country=pl.Series(["CH", "DE", "FR"]).gather(chance.integers(0, 3, count)),
        code=pl.format("A-{}", pl.col("n0") * 1000 + pl.col("n1")),
        mail=pl.format("user{}@example.org", pl.col("n2") * 100 + pl.col("n3")),
        day=pl.date(2020, 1, 1) + pl.duration(days=pl.col("n0")),
        x1=pl.when(pl.Series(chance.random(count) < 0.9)).then(pl.col("x1")),
    )


def _entry(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


SUITE = [
    _entry("column_values_to_not_be_null", column="x0"),
    _entry("column_values_to_not_be_null", column="city"),
    _entry("column_values_to_not_be_null", column="x1", mostly=0.8),
    _entry("column_values_to_be_between", column="x0", min_value=-100, max_value=200),
    _entry("column_values_to_be_between", column="x1", min_value=20, max_value=80, mostly=0.9),
    _entry("column_values_to_be_between", column="x2", min_value=0, strict_min=True, mostly=0.99),
    _entry("column_values_to_be_between", column="n0", min_value=0, max_value=99),
    _entry("column_values_to_be_between", column="n1", max_value=50),
    _entry("column_values_to_be_in_set", column="city", value_set=["bern", "basel", "zürich", "genf"]),
    _entry("column_values_to_be_in_set", column="country", value_set=["CH", "DE"], mostly=0.5),
    _entry("column_values_to_match_regex", column="code", regex=r"^A-\d+$"),
    _entry("column_values_to_match_regex", column="mail", regex="^[a-z0-9]+@[a-z.]+$"),
    _entry("column_values_to_be_unique", column="id"),
    _entry("column_value_lengths_to_be_between", column="code", min_value=3, max_value=8),
    _entry("column_mean_to_be_between", column="x0", min_value=40, max_value=60),
    _entry("column_stdev_to_be_between", column="x2", min_value=5, max_value=15),
    _entry("column_max_to_be_between", column="x1", max_value=200),
    _entry("column_min_to_be_between", column="n0", min_value=0),
    _entry("column_unique_value_count_to_be_between", column="country", min_value=3, max_value=3),
    _entry("table_row_count_to_be_between", min_value=1),
]
MANY_COLUMNS = ["x0", "x1", "n0", "city", "country"]


if __name__ == "__main__":
    sys.exit(main())
