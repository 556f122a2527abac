"""profile: proposes an expectation suite and a reference profile from data that is taken for good.

A validators' first day: both files go beside policy.yaml, one as `data.trainingSuite`, the other as the drift's
reference, which needs the data itself no more. The suite is a proposal: it holds for this data, with some margin, and
a person who knows the data makes it stricter. Both files hold what the data holds: names of categories, smallest and
largest values, quantiles. They belong where the data may be.

Refuses (bad input) data that cannot be read, without rows, and columns without a single value.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark.command import Context, Outcome
from hallmark.contract import param, path
from hallmark.documents.rules_drift import Sampling
from hallmark.errors import BadInputError
from hallmark.files import sha256_file
from hallmark.gate_report import Check, decide
from hallmark.nearest import did_you_mean

_PATTERN = "*?["


@dataclass(frozen=True, kw_only=True)
class Params:
    data: str = param("The data: a file, a folder, a pattern such as parts/*.parquet, s3://bucket/key, or https://")
    suite: Path = path("Where the proposed expectation suite is written (JSON of great-expectations 1.x)")
    profile: Path = path("Where the reference profile for drift is written (JSON)")
    columns: tuple[str, ...] = param("The columns that both are about; default: all", default=())
    label: str = param("The column that is predicted; a few numbers in it are classes", default="")
    margin: float = param("Share of a number's range by which the suite lets values leave it", default=0.1)
    maximum_rows: int = param("Of larger data as many rows are drawn by chance", default=2_000_000)
    credential: Path | None = path("Folder with the files of the data's credential, where it needs one", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    """None: it writes two files and decides nothing."""


EXAMPLE = "hallmark profile --data=data/training.csv --suite=policy/training-suite.json --profile=policy/profile.json"


def run(params: Params, context: Context) -> Outcome:
    """Write both files. `figures` is empty: the files say it all."""
    from hallmark.drift.profile import make_profile, write_profile
    from hallmark.drift.proposal import propose_suite, write_suite
    from hallmark.drift.reading import open_source
    from hallmark.inputs.opening import open_input

    if not 0 <= params.margin <= 10:
        raise BadInputError(f"--margin={params.margin} is no share", solution="give one from 0 to 10, such as 0.1")
    if params.maximum_rows < 1000:
        raise BadInputError(f"--maximum-rows={params.maximum_rows} are too few", solution="give 1000 or more")
    base, location = _place(params.data)
    sampling = Sampling.model_validate({"maximumRows": params.maximum_rows})
    context.say(f"profile: reading {params.data}")
    with (
        tempfile.TemporaryDirectory(prefix="hallmark-profile-") as scratch,
        open_input(
            location, base=base, what=f"the data {params.data}", scratch=Path(scratch), credential=params.credential
        ) as opened,
    ):
        source = open_source(opened.frame, sampling, what=opened.what)
        if not source.rows:
            raise BadInputError(f"{source.what} has no rows", solution="provide data with rows")
        names = _columns(params, list(source.schema), source.what)
        profile = make_profile(source, names, label=params.label or None)
        digest = opened.digest
    suite = propose_suite(profile, source.schema, name=params.suite.stem, margin=params.margin)
    write_profile(profile, params.profile)
    write_suite(suite, params.suite)
    size = params.profile.stat().st_size
    report = decide(
        "profile",
        [
            Check(name="rows", passed=True, value=f"{source.rows}, looked at {source.looked_at}"),
            Check(name="columns", passed=True, value=str(len(names))),
            Check(name="expectations", passed=True, value=f"{len(suite['expectations'])} in {params.suite}"),
            Check(name="profile", passed=True, value=f"{size} bytes in {params.profile}"),
        ],
        passed=f"a suite of {len(suite['expectations'])} expectations and a profile of {len(names)} columns proposed"
        f" from {source.rows} rows; read the suite before you rely on it",
        refused="",
        solution="",
        digests={"data": digest, "suite": sha256_file(params.suite), "profile": sha256_file(params.profile)},
    )
    return Outcome(report=report, results=Results())


def _place(data: str) -> tuple[Path, str]:
    """Where to look, and for what: a local path may lead anywhere, it is the caller's own."""
    if "://" in data:
        return Path(), data
    parts = Path(data).parts
    plain = next((index for index, part in enumerate(parts) if any(sign in part for sign in _PATTERN)), len(parts) - 1)
    return Path(*parts[:plain]), str(Path(*parts[plain:]))


def _columns(params: Params, known: Sequence[str], what: str) -> list[str]:
    wanted = list(dict.fromkeys([*params.columns, *([params.label] if params.label else [])]))
    for name in wanted:
        if name not in known:
            raise BadInputError(
                f"{what} has no column {name}",
                solution=did_you_mean(name, known, f"it has {', '.join(known[:20])}"),
            )
    return wanted if params.columns else list(known)
