"""When two numbers are the same prediction."""

from __future__ import annotations

import math


def same_number(one: str, other: str, tolerance: float) -> bool:
    """Whether two canonical labels are the same number, up to a relative `tolerance`; of no number, never.

    A library that multiplies a row alone and in a batch may round the last digits otherwise.

    >>> same_number("112.5", "112.50000000000001", 1e-9), same_number("nan", "nan", 1)
    (True, False)
    """
    try:
        return math.isclose(float(one), float(other), rel_tol=tolerance, abs_tol=1e-12)
    except ValueError:
        return False
