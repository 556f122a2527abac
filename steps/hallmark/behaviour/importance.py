"""Permutation importance: how much of the score is lost when a feature's values no longer belong to their rows.

L. Breiman, "Random Forests", Machine Learning 45 (2001), p. 5; as `sklearn.inspection.permutation_importance`, on a
sample of the rows. Features that say the same share their importance: the loss of one is made up for by the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hallmark.behaviour.intervals import Floats, mean_interval
from hallmark.documents.rules_behaviour import Importance
from hallmark.findings import Findings
from hallmark.gate_report import Check

_SEED = 20_260_101
_LISTED = 5


@dataclass(frozen=True, kw_only=True)
class _Loss:
    feature: str
    value: float
    low: float
    high: float
    rows: int


def judge_importance(
    scored: Sequence[tuple[str, Floats, npt.NDArray[np.int64]]],
    rules: Importance,
    *,
    measure: Literal["accuracy", "r2"],
) -> Findings:
    """Each feature's importance, and whether one of them carries the model.

    Figures: `importances` {measure, maximum_share, warn_above, warning, features: [{feature, value, low, high, share,
    rows}]}, the most important first. `value` is the score lost; `share` is its part of all losses, null where none
    of them is above 0. Intervals are 95 %, by the bootstrap over rows.

    Args:
        scored: each feature, what every changed row lost, and the row it was made of, which may repeat.
    """
    found = []
    generator = np.random.default_rng(_SEED)
    for feature, losses, base in scored:
        # The repeats of a row are no rows of their own.
        _, places = np.unique(base, return_inverse=True)
        each = np.bincount(places, weights=losses) / np.bincount(places)
        low, high = mean_interval(each, generator)
        found.append(_Loss(feature=feature, value=float(each.mean()), low=low, high=high, rows=len(losses)))
    total = sum(max(0.0, loss.value) for loss in found)
    ordered = sorted(found, key=lambda loss: (-loss.value, loss.feature))
    shares = [max(0.0, loss.value) / total if total > 0 else None for loss in ordered]
    share = shares[0]
    warned = share is not None and share >= rules.warn_above and len(ordered) > 1
    listed = ", ".join(f"{loss.feature} {loss.value:.3g}" for loss in ordered[:_LISTED])
    lost = {"accuracy": "accuracy", "r2": "R²"}[measure]
    said = (
        f"no {lost} is lost, whichever feature is permuted"
        if share is None
        else f"{'warning: ' if warned else ''}{ordered[0].feature} has {100 * share:.3g} % of what is lost"
    )
    limit = rules.maximum_share
    check = Check(
        name="no feature carries the model alone",
        passed=limit is None or (share is not None and share <= limit + 1e-12),
        value=f"{said} ({lost} lost by feature: {listed})",
        limit=f"told from {rules.warn_above:g} of all losses on"
        if limit is None
        else f"at most {limit:g} of all losses",
        detail="ask whether the model may lean on this feature: whoever changes it changes the answers",
    )
    figure = {
        "measure": measure,
        "maximum_share": limit,
        "warn_above": rules.warn_above,
        "warning": warned,
        "features": [{**asdict(loss), "share": part} for loss, part in zip(ordered, shares, strict=True)],
    }
    return Findings(checks=(check,), figures={"importances": figure})
