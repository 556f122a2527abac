"""The gate's part about drift: which columns of the current data are distributed otherwise than in the reference.

A column has drifted if its statistic is above the policy's limit *and* that is more than chance (default; a policy may
ask for one of the two only). Among a million rows a shift that matters to nobody is certain, and among thirty a large
one is chance. Rows are drawn by chance where there are more than the rules allow; what that, and a profile in the
place of the data, can add to a statistic stands in the figures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from hallmark.documents.rules_drift import ColumnDrift, Drift, Kind
from hallmark.drift import compare
from hallmark.drift.columns import Column, Family, describe, family, require_kind
from hallmark.drift.compare import Compared
from hallmark.drift.profile import Profile, read_profile
from hallmark.drift.reading import Source, groups, open_source
from hallmark.drift.statistics import adjusted
from hallmark.errors import BadInputError
from hallmark.files import inside
from hallmark.findings import Findings
from hallmark.gate_report import Check
from hallmark.nearest import did_you_mean

TRAINING = "training"
"""`reference` in the rules, where it is no profile."""
_CORRECTIONS = {"holm": "Holm", "bonferroni": "Bonferroni", "bh": "Benjamini-Hochberg", "none": "no correction"}


def reference_of(rules: Drift, folder: Path, training: pl.LazyFrame) -> pl.LazyFrame | Profile:
    """What the rules compare with: the training data, or the profile in the policy's folder.

    Raises:
        BadInputError: the profile is missing, damaged, or leads out of the folder.
    """
    return training if rules.reference == TRAINING else read_profile(inside(folder, rules.reference))


def find_drift(
    reference: pl.LazyFrame | Profile,
    current: pl.LazyFrame,
    rules: Drift,
    *,
    features: Sequence[str],
    label: str | None = None,
    prediction: str | None = None,
    what: tuple[str, str] = ("the training data", "the independent data"),
) -> Findings:
    """Compare the columns that the rules name.

    Args:
        reference: the training data, or its profile.
        features: the columns that are compared where the rules name none.
        label: compared too, if the rules say so; it may drift only if its own check lets it.
        prediction: a column of both, compared as the label is.
        what: the two, for people to read.

    Returns:
        A check for each column, for its missing values where it has any, and for the share of drifted features.
        `figures` holds `drift`: [{column, role, kind, statistic, value, limit, p, adjusted_p, drifted, statistics:
        {ks, js, psi, chi2, wasserstein}, missing: {reference, current}, rows: {reference, current}, error, confidence,
        histogram: {edges, reference, current} or categories: {names, reference, current}}], shares from 0 to 1.

    Raises:
        BadInputError: a column that is named does not exist or cannot be compared, has no values, or there are fewer
            rows than the rules ask for: nothing was looked at then.
    """
    roles = _roles(rules, features, label, prediction)
    now = open_source(current, rules.sampling, what=what[1])
    before = reference if isinstance(reference, Profile) else open_source(reference, rules.sampling, what=what[0])
    _require(roles, rules, before, now, what)

    found: list[Compared] = []
    for columns in _references(before, now, rules, roles):
        found.extend(compare.columns(columns, now, rules, error=before.error))
    return _findings(found, rules, roles)


def _roles(rules: Drift, features: Sequence[str], label: str | None, prediction: str | None) -> dict[str, str]:
    """Every column that is compared, and as what."""
    roles = dict.fromkeys(rules.columns or features, "feature")
    if rules.label and label is not None:
        roles[label] = "label"
    if rules.prediction:
        if prediction is None:
            raise BadInputError(
                "drift.prediction is true, but there are no predictions to compare",
                solution="set drift.prediction to false, or compare where there are predictions",
            )
        roles[prediction] = "prediction"
    for name in rules.overrides:
        if name not in roles:
            raise BadInputError(
                f"drift.overrides.{name} is about a column that is not compared", solution=_near(name, roles)
            )
    if "feature" not in roles.values():
        raise BadInputError("there are no columns to compare", solution="name some in drift.columns")
    return roles


def _require(
    roles: Mapping[str, str], rules: Drift, before: Source | Profile, now: Source, what: tuple[str, str]
) -> None:
    """Every column on both sides and of the same family, and enough rows."""
    profile = before if isinstance(before, Profile) else None
    name = what[0] if profile is None else "the profile"
    for column in roles:
        for place, columns in ((name, _known(before)), (now.what, _known(now))):
            if column not in columns:
                raise BadInputError(f"{place} has no column {column}", solution=_near(column, columns))
        theirs, mine = _family(before, column), _family(now, column)
        if mine != theirs:
            raise BadInputError(
                f"column {column} is a {theirs} in {name} and a {mine} in {now.what}",
                solution="write both with the same types",
            )
        override = rules.overrides.get(column, ColumnDrift())
        require_kind(column, mine, override.kind)
        kept = profile.columns[column].kind if profile else override.kind
        if override.kind not in (None, kept):
            raise BadInputError(
                f"drift.overrides.{column}.kind is {override.kind}, but the profile has it as {kept}",
                solution="leave the kind out, or compare with the training data",
            )
    for place, rows in ((name, before.rows), (now.what, now.rows)):
        if rows < rules.minimum_rows:
            raise BadInputError(
                f"{place} has {rows} rows, too few for drift to be found: drift.minimumRows is {rules.minimum_rows}",
                solution="provide more rows",
            )


def _known(side: Source | Profile) -> Collection[str]:
    return side.columns if isinstance(side, Profile) else side.schema


def _family(side: Source | Profile, column: str) -> Family:
    if isinstance(side, Profile):
        return side.columns[column].family
    return family(side.schema[column], column, side.what)


def _near(name: str, known: Collection[str]) -> str:
    return did_you_mean(name, known, "correct the name, or the data")


def _references(
    before: Source | Profile, now: Source, rules: Drift, roles: Mapping[str, str]
) -> Iterator[list[Column]]:
    """The reference's columns, as many at a time as fit into memory, with what is kept of the current ones."""
    rows = 0 if isinstance(before, Profile) else before.looked_at
    if "wasserstein" in {rules.statistic, *(override.statistic for override in rules.overrides.values())}:
        rows = max(rows, now.looked_at)
    classes = [name for name, role in roles.items() if role != "feature"]
    for group in groups(list(roles), rows):
        if isinstance(before, Profile):
            yield [before.columns[name] for name in group]
        else:
            kinds: dict[str, Kind | None] = {name: rules.overrides.get(name, ColumnDrift()).kind for name in group}
            yield describe(before, kinds, classes=classes)


def _findings(found: Sequence[Compared], rules: Drift, roles: Mapping[str, str]) -> Findings:
    p_values = adjusted(np.array([column.p for column in found]), rules.correction)
    drifted = [_beyond(rules, column.value, column.limit, float(p)) for column, p in zip(found, p_values, strict=True)]
    of_missing = adjusted(np.array([column.missing_p for column in found]), rules.correction)
    checks, figures = [], []
    for column, p, has in zip(found, map(float, p_values), drifted, strict=True):
        role = roles[column.name]
        shared = has and role == "feature" and rules.maximum_share_of_columns > 0
        checks.append(
            Check(
                name=f"drift: {'' if role == 'feature' else f'{role} '}{column.name}"
                + (" (the share decides)" if shared else ""),
                passed=not has or shared,
                value=f"{column.statistic} {column.value:.4g}{_uncertain(column)}, p {p:.3g}",
                limit=_limit(rules, column.limit),
                detail=f"p of {len(found)} columns, {_CORRECTIONS[rules.correction]}",
            )
        )
        figures.append({**column.figure(), "role": role, "adjusted_p": p, "drifted": has})
    for column, p in zip(found, map(float, of_missing), strict=True):
        if any(column.missing):
            change = abs(column.missing[1] - column.missing[0])
            checks.append(
                Check(
                    name=f"drift: {column.name}: missing values",
                    passed=not _beyond(rules, change, rules.maximum_missing_change, p),
                    value=f"{100 * column.missing[1]:.3g} %, was {100 * column.missing[0]:.3g} %, p {p:.3g}",
                    limit=_limit(rules, rules.maximum_missing_change, "a change of "),
                )
            )
    features = [has for column, has in zip(found, drifted, strict=True) if roles[column.name] == "feature"]
    share = sum(features) / len(features)
    checks.append(
        Check(
            name="drift: share of columns",
            passed=share <= rules.maximum_share_of_columns,
            value=f"{sum(features)} of {len(features)} features have drifted",
            limit=f"at most {100 * rules.maximum_share_of_columns:g} %",
        )
    )
    return Findings(checks=tuple(checks), figures={"drift": figures})


def _beyond(rules: Drift, value: float, limit: float, p: float) -> bool:
    large, significant = value > limit, p < rules.significance
    if rules.decide == "both":
        return large and significant
    return large if rules.decide == "statistic" else significant


def _limit(rules: Drift, limit: float, of: str = "") -> str:
    parts = {"statistic": f"{of}at most {limit:g}", "p-value": f"p at least {rules.significance:g}"}
    return " or ".join(parts.values()) if rules.decide == "both" else parts[rules.decide]


def _uncertain(column: Compared) -> str:
    return f" ± {column.error:.2g}" if column.error else ""
