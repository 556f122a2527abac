"""What drift costs: KS, Jensen-Shannon and PSI of 20 columns, 1,000,000 current rows against 100,000, from Parquet.

Every variant is a process of its own, started from the command line: `hallmark`'s part of the gate, the same figures
by scipy (`SCIPY`), and Evidently 0.7, which needs an environment of its own (`--evidently=PYTHON`). They take turns,
and the best of each counts, so that a machine whose speed drifts does not change the ratios. `--large` adds
100,000,000 rows, which have to fit into less than 1 GiB.

    python bench/drift.py --evidently=path/to/venv/bin/python --large
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

GOALS = {"scipy": 2.5, "evidently": 15.0}
LARGE_MEMORY = 1024
"""MiB."""

HALLMARK = """
import sys, polars as pl
from hallmark.documents.rules_drift import Drift, Sampling
from hallmark.drift.detect import find_drift
rows = int(sys.argv[3]) if len(sys.argv) > 3 else 2_000_000
rules = Drift.model_construct(sampling=Sampling.model_construct(maximum_rows=rows, seed=0))
current = pl.scan_parquet(sys.argv[2])
found = find_drift(pl.scan_parquet(sys.argv[1]), current, rules, features=current.collect_schema().names())
assert all({"ks", "js", "psi"} <= set(column["statistics"]) for column in found.figures["drift"])
print([f"{column['value']:.6f}" for column in found.figures["drift"]])
"""
PROFILE = HALLMARK.replace(
    "find_drift(pl.scan_parquet(sys.argv[1])",
    "find_drift(__import__('hallmark.drift.profile').drift.profile.read_profile("
    "__import__('pathlib').Path(sys.argv[1]))",
)
SCIPY = """
import sys, numpy as np, polars as pl
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp
reference, current = (pl.read_parquet(path) for path in sys.argv[1:3])
found = []
for name in reference.columns:
    a, b = reference[name].to_numpy(), current[name].to_numpy()
    found.append(f"{ks_2samp(a, b).statistic:.6f}")
    edges = np.concatenate([[-np.inf], np.quantile(a, np.arange(1, 10) / 10), [np.inf]])
    p, q = np.histogram(a, edges)[0] / len(a), np.histogram(b, edges)[0] / len(b)
    jensenshannon(p, q)
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    ((q - p) * np.log(q / p)).sum()
print(found)
"""
EVIDENTLY = """
import sys, pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
names = list(reference.columns)
definition = DataDefinition(numerical_columns=names)
sets = [Dataset.from_pandas(frame, data_definition=definition) for frame in (reference, current)]
metrics = [ValueDrift(column=name, method=method) for name in names for method in ("ks", "jensenshannon", "psi")]
found = Report(metrics).run(sets[1], sets[0]).dict()
assert len(found["metrics"]) == 3 * len(names)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evidently", help="a Python that has evidently 0.7; left out: not compared")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="100,000,000 rows too (about 3 GB of disk for a while)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-drift-") as folder:
        root = Path(folder)
        reference, current = _table(root / "reference.parquet", 100_000, 1), _table(root / "current.parquet", 10**6, 2)
        profile = root / "profile.json"
        _profile(reference, profile)
        variants = {
            "hallmark": (sys.executable, HALLMARK, reference),
            "hallmark, from a profile": (sys.executable, PROFILE, profile),
            "scipy": (sys.executable, SCIPY, reference),
        }
        if options.evidently:
            variants["evidently"] = (options.evidently, EVIDENTLY, reference)
        best: dict[str, tuple[float, float, str]] = {}
        for _ in range(options.rounds):
            for name, (python, script, first) in variants.items():
                best[name] = min(best.get(name, (1e9, 0.0, "")), _run([python, "-c", script, str(first), str(current)]))
        assert best["hallmark"][2] == best["scipy"][2], "hallmark and scipy do not find the same"
        print("| 20 columns, 1M against 100k rows | wall s | peak MiB | ratio |\n|---|---|---|---|")
        for name, (seconds, memory, _) in best.items():
            print(f"| {name} | {seconds:.2f} | {memory:.0f} | {seconds / best['hallmark'][0]:.1f} |")
        met = all(best[name][0] / best["hallmark"][0] >= goal for name, goal in GOALS.items() if name in best)
        if options.large:
            met = _large(root, reference) and met
    return 0 if met else 1


def _large(root: Path, reference: Path) -> bool:
    """100M rows of 4 columns: all of them (no sampling), and as the rules' default draws them."""
    folder = root / "large"
    folder.mkdir()
    for part in range(50):
        _table(folder / f"part-{part:02}.parquet", 2_000_000, 100 + part, columns=4)
    small = root / "reference-4.parquet"
    pl.read_parquet(reference, columns=[f"c{index:02}" for index in range(4)]).write_parquet(small)
    met = True
    print("| 4 columns, 100M against 100k rows | wall s | peak MiB |\n|---|---|---|")
    for name, rows in (("all rows", 10**9), ("2,000,000 drawn by chance (default)", 2_000_000)):
        seconds, memory, _ = _run([sys.executable, "-c", HALLMARK, str(small), str(folder / "*.parquet"), str(rows)])
        print(f"| {name} | {seconds:.1f} | {memory:.0f} |")
        met = met and memory < LARGE_MEMORY
    return met


def _table(path: Path, rows: int, seed: int, columns: int = 20) -> Path:
    chance = np.random.default_rng(seed)
    pl.DataFrame(
        {f"c{index:02}": chance.normal(0.01 * index * (seed % 2), 1, rows) for index in range(columns)}
    ).write_parquet(path, compression="zstd", row_group_size=1 << 18)
    return path


def _profile(reference: Path, target: Path) -> None:
    from hallmark.documents.rules_drift import Sampling
    from hallmark.drift.profile import make_profile, write_profile
    from hallmark.drift.reading import open_source

    source = open_source(pl.scan_parquet(reference), Sampling(), what="the reference")
    write_profile(make_profile(source, source.schema.names()), target)


def _run(argv: list[str]) -> tuple[float, float, str]:
    """Wall seconds, peak memory in MiB, and what it printed."""
    start = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv[0]} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_maxrss / 1024, said


if __name__ == "__main__":
    sys.exit(main())
