"""Data larger than the memory that a process may use is opened and checked; what is not needed is not imported."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

LIMIT_MEBIBYTES = 500
"""Of the peak of resident memory; an interpreter with polars and its threads takes 150 of it."""

PROGRAM = """
import json, resource, sys
from pathlib import Path
from hallmark.documents.rules_inputs import InputRules
from hallmark.inputs.checks import check_input
from hallmark.inputs.opening import open_input

location, base, scratch = sys.argv[1:]
rules = InputRules.model_validate_json('{"rows": %d, "schema": {"columns": [{"name": "a", "type": "integer",'
    ' "nullable": false}, {"name": "b", "type": "number", "nullable": false}, {"name": "c", "type": "number"},'
    ' {"name": "t", "type": "string", "nullable": false}]}}')
with open_input(location, base=Path(base), what="the data", scratch=Path(scratch), rules=rules) as opened:
    passed = all(check.passed for check in check_input(opened, rules).checks)
heavy = [name for name in ("pandas", "scipy", "sklearn", "great_expectations", "pyarrow") if name in sys.modules]
# VmHWM and not ru_maxrss, which counts what the parent had before exec.
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
print(json.dumps({"passed": passed, "peak": peak, "heavy": heavy}))
"""
ROWS = 12_000_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows as CSV and as Parquet: more than 500 MiB of numbers and texts once they are in memory."""
    folder = tmp_path_factory.mktemp("large")
    frame = pl.LazyFrame({"a": pl.int_range(ROWS, eager=True)}).with_columns(
        b=pl.col("a") / 7, c=pl.col("a").hash() / 3, t="text of row " + pl.col("a").cast(pl.String)
    )
    frame.sink_csv(folder / "d.csv")
    frame.sink_parquet(folder / "d.parquet", row_group_size=1 << 18)
    return folder


@pytest.mark.parametrize("name", ["d.csv", "d.parquet"])
def test_data_larger_than_memory_is_checked(name: str, large: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % ROWS, name, str(large), str(tmp_path)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(name, (large / name).stat().st_size >> 20, "MiB,", found)
    assert found["passed"]
    assert found["heavy"] == []
    assert found["peak"] < LIMIT_MEBIBYTES
    if name == "d.csv":
        assert (large / name).stat().st_size >> 20 > LIMIT_MEBIBYTES
