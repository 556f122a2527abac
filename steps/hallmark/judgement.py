"""How good predictions are: plain functions of labels, without files and without a model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

_Z95 = 1.959963984540054
"""The standard normal distribution's 97.5 % quantile."""
_DRAWN_CLASSES = 50
_OTHER = "(no known class)"


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share of `total` > 0 (E. B. Wilson, JASA 22, 1927, p. 209).

    Unlike the usual `p ± 1.96 s` it holds for few rows and for shares near 0 and 1, where good models are.

    >>> [round(bound, 4) for bound in wilson_interval(57, 60)]
    [0.863, 0.9829]
    """
    share, squared = correct / total, _Z95 * _Z95
    centre = share + squared / (2 * total)
    spread = _Z95 * math.sqrt(share * (1 - share) / total + squared / (4 * total * total))
    scale = 1 + squared / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def confusion_matrix(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, Any] | None:
    """`{labels, counts}`: `counts[i][j]` rows of class i were predicted as class j; None for too many classes to draw.

    The classes are those of the labels. Whatever else a model answers is counted under one name of ours, so that it
    cannot fill the report.
    """
    classes = sorted(set(truth))
    if len(classes) > _DRAWN_CLASSES:
        return None
    known = set(classes)
    pairs = Counter((true, told if told in known else _OTHER) for true, told in zip(truth, predicted, strict=True))
    if any(told == _OTHER for _, told in pairs):
        classes.append(_OTHER)
    return {"labels": classes, "counts": [[pairs[true, told] for told in classes] for true in classes]}
