"""The base score of a CVSS 3 vector, for advisories that give nothing else.

The formula is that of FIRST's specification of CVSS 3.1, section 7.1 and appendix A (https://www.first.org/cvss/).
"""

from __future__ import annotations

import math
from typing import Literal

Severity = Literal["low", "medium", "high", "critical"]

_VALUES: dict[str, dict[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def base_score(vector: str) -> float | None:
    """The base score, 0 to 10, of a vector such as `CVSS:3.1/AV:N/AC:L/...`; None where it is none of CVSS 3.

    >>> base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
    9.8
    """
    head, _, rest = vector.partition("/")
    if head not in ("CVSS:3.0", "CVSS:3.1"):
        return None
    metrics = dict(part.partition(":")[::2] for part in rest.split("/"))
    try:
        value = {name: values[metrics[name]] for name, values in _VALUES.items()}
        changed = {"U": False, "C": True}[metrics["S"]]
        privileges = _PRIVILEGES[metrics["S"]][metrics["PR"]]
    except KeyError:
        return None
    loss = 1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"])
    impact = 7.52 * (loss - 0.029) - 3.25 * (loss - 0.02) ** 15 if changed else 6.42 * loss
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * value["AV"] * value["AC"] * privileges * value["UI"]
    return _round_up(min(10.0, (1.08 if changed else 1.0) * (impact + exploitability)))


def severity_of(score: float) -> Severity:
    """The qualitative rating (section 5 of the specification); what scores 0 counts as low."""
    if score >= 9.0:
        return "critical"
    if score >= 7.0:
        return "high"
    return "medium" if score >= 4.0 else "low"


def _round_up(number: float) -> float:
    """The smallest number with one decimal that is not below `number`, without the errors of binary fractions."""
    scaled = round(number * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (math.floor(scaled / 10_000) + 1) / 10
