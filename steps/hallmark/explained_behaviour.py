"""What slices, groups, changed rows and measured speed that stand against a model would take, in numbers.

Told from the checks of `hallmark.behaviour` and `hallmark.performance` as reports hold them; what cannot be read there
has no words here, and is told by its own name, value and limit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from hallmark.gate_report import Check, GateReport

Rule = Callable[[GateReport, Check], tuple[str, str] | None]
_NUMBER = r"([-+]?[\d.]+(?:e[-+]?\d+)?)"
_RATES = {
    "selection_rate": "share of answers “{positive}”",
    "true_positive_rate": "share of rows of “{positive}” that are answered so",
    "false_positive_rate": "share of other rows that are answered “{positive}”",
    "accuracy": "accuracy",
    "mean_error": "mean error",
    "mae": "mean absolute error",
}


def _slices(_: GateReport, check: Check) -> tuple[str, str] | None:
    asked = re.match(f"at (least|most) {_NUMBER}", check.limit)
    lines = [re.fullmatch(rf"(.+): {_NUMBER} on (\d+) rows", line.strip()) for line in check.detail.splitlines()]
    known = [(line[1], float(line[2]), int(line[3])) for line in lines if line is not None]
    beyond = re.match(r"(\d+) of (\d+) slices", check.value)
    if asked is None or beyond is None or not known:
        return None
    least, limit = asked[1] == "least", float(asked[2])
    told, weak = [], False
    for name, value, rows in known:
        lacking = math.ceil((limit - value) * rows - 1e-6) if least else 0
        weak = weak or (value < limit if least else value > limit)
        more = f", {lacking} more to be right" if lacking > 0 else ""
        told.append(f"{name}: {value:.4g} on {rows} rows{more}")
    left = int(beyond[1]) - len(known)
    what = (
        f"{check.name}: {beyond[1]} of {beyond[2]} slices are refused, asked for: {check.limit}: {'; '.join(told)}"
        + (f"; and {left} more" if left > 0 else "")
    )
    if not weak:
        return (
            what,
            "the values themselves keep the limit: improve the model on these rows, or judge it on more of them",
        )
    name, value, rows = next(part for part in known if (part[1] < limit if least else part[1] > limit))
    if least:
        lacking = math.ceil((limit - value) * rows - 1e-6)
        need = f"about {lacking} of the {rows} rows of {name} more would have to be right"
    else:
        need = f"the error on the {rows} rows of {name} would have to be {value - limit:.4g} lower"
    others = f", and so on for {int(beyond[1]) - 1} more slices" if int(beyond[1]) > 1 else ""
    return what, f"{need}{others}: improve the model or its training data for these rows"


def _fairness(report: GateReport, check: Check) -> tuple[str, str] | None:
    try:
        return _groups_apart(report, check)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _groups_apart(report: GateReport, check: Check) -> tuple[str, str] | None:
    entry, metric = _metric_of(report, check)
    rate = metric["rate"]
    groups = {group["name"]: group for group in entry["groups"]}
    lowest, highest = groups[metric["lowest"]], groups[metric["highest"]]
    low, high = float(lowest["rates"][rate]), float(highest["rates"][rate])
    ratio, limit, value = metric["name"].endswith("ratio"), float(metric["limit"]), float(metric["value"])
    bound = entry["decide"] == "bound"
    decisive = (float(metric["low"]) if ratio else float(metric["high"])) if bound else value
    keeps = value >= limit if ratio else value <= limit
    positive = str(entry.get("positive") or "")
    of = _RATES[rate].format(positive=positive)
    end = f"; the {'lower' if ratio else 'upper'} end of its 95 % interval is {decisive:.4g}" if bound else ""
    what = (
        f"{check.name}: the {of} is {low:.4g} for {lowest['name']} ({lowest['rows']} rows) and {high:.4g} for"
        f" {highest['name']} ({highest['rows']} rows), a {'ratio' if ratio else 'difference'} of {value:.4g}{end};"
        f" asked for: {check.limit}"
    )
    cause = "look at the model's training data, features and threshold for this group"
    narrow = ", or more rows of these groups be judged, which narrows the interval" if keeps and bound else ""
    # A rate that should be low is brought down in the highest group, any other up in the lowest.
    falls = rate in ("false_positive_rate", "mean_error", "mae")
    if ratio:
        share = decisive / limit if decisive > 0 else value / limit
        step = high * (1 - share) if falls else (low / share if share > 0 else limit * high) - low
    else:
        step = decisive - limit
    worse = highest if falls else lowest
    if rate in ("mean_error", "mae"):
        return what, f"the {of} of {worse['name']} would have to be {step:.4g} lower{narrow}: {cause}"
    rows = int(worse["rows"])
    positives = int(worse["positives"]) if rate in ("true_positive_rate", "false_positive_rate") else 0
    judged = {"true_positive_rate": positives, "false_positive_rate": rows - positives}.get(rate, rows)
    kind = {"true_positive_rate": f" of “{positive}”", "false_positive_rate": f" of another class than “{positive}”"}
    more = math.ceil(step * judged - 1e-6)
    if more > round((high if falls else 1 - low) * judged):
        return what, f"even with all {judged} rows of {worse['name']} right it would not be kept{narrow}: {cause}"
    would = f"be answered “{positive}”" if rate == "selection_rate" else "be right"
    return what, (
        f"about {max(1, more)} more of the {judged} rows{kind.get(rate, '')} of {worse['name']} would have to {would}"
        f"{narrow}: {cause}"
    )


def _metric_of(report: GateReport, check: Check) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a check of groups was made of, of the report's figures; KeyError where it is not there."""
    found = report.figures.get("fairness")
    for entry in found if isinstance(found, list) else []:
        by = " and ".join(entry["columns"])
        for metric in entry["metrics"]:
            name = metric["name"]
            if check.name in (f"{name} by {by}", f"{name} of {entry.get('positive')} by {by}"):
                return entry, metric
    raise KeyError(check.name)


def _robust(_: GateReport, check: Check) -> tuple[str, str] | None:
    told = re.match(rf"{_NUMBER} \(95 % interval up to {_NUMBER}; (\d+) rows\)", check.value)
    asked = re.match(f"at most {_NUMBER}(.*)", check.limit)
    if told is None or asked is None:
        return None
    value, high, rows, limit = float(told[1]), float(told[2]), int(told[3]), float(asked[1])
    over = (high if asked[2] else value) - limit
    what = f"{check.name} is {value:.4g} on {rows} changed rows (interval up to {high:.4g}); asked for:"
    what += f" {check.limit}"
    narrow = ", or more rows be judged, which narrows the interval" if value <= limit else ""
    count = max(1, math.ceil(over * rows - 1e-6))
    if check.name.endswith("accuracy lost"):
        need = f"about {count} more of the {rows} changed rows would have to be right"
    elif check.name.endswith("answers changed"):
        need = f"about {count} fewer of the {rows} changed rows may get another answer"
    else:
        need = f"it would have to be {over:.4g} lower"
    return what, f"{need}{narrow}: {check.detail}"


def _declared(_: GateReport, check: Check) -> tuple[str, str] | None:
    told = re.match(rf"(.*) for (\d+) of (\d+) rows \({_NUMBER}; 95 % interval {_NUMBER} to", check.value)
    asked = re.match(f"at least {_NUMBER}(.*)", check.limit)
    if told is None or asked is None:
        return None
    share, low, rows, minimum = float(told[4]), float(told[5]), int(told[3]), float(asked[1])
    more = max(1, math.ceil((minimum - (low if asked[2] else share)) * rows - 1e-6))
    narrow = ", or more rows be judged, which narrows the interval" if share >= minimum else ""
    need = f"it would have to hold for about {min(more, rows - int(told[2]))} of these {rows} rows more{narrow}"
    return f"{check.name}: {check.value}; asked for: {check.limit}", f"{need} ({check.detail})"


def _performance(_: GateReport, check: Check) -> tuple[str, str] | None:
    told = re.match(rf"{_NUMBER} (\S+) \(95 % interval {_NUMBER} to {_NUMBER}\)", check.value)
    asked = re.match(rf"at (least|most) {_NUMBER} \S+, decided by the (\w+)", check.limit)
    if told is None or asked is None:
        return None
    value, unit, low, high = float(told[1]), told[2], float(told[3]), float(told[4])
    least, limit = asked[1] == "least", float(asked[2])
    worse, better = (low, high) if least else (high, low)
    judged = {"bound": worse, "estimate": value, "evidence": better}.get(asked[3], value)
    what = (
        f"{check.name} is {value:.4g} {unit}, its 95 % interval {low:.4g} to {high:.4g} {unit}; asked for:"
        f" {check.limit}"
    )
    noise = f" ({check.detail})" if check.detail else ""
    if value >= limit if least else value <= limit:
        return what, f"the value itself keeps the limit: measure it in more rounds or on a quieter machine{noise}"
    lacking = f"{abs(judged - limit):.4g} {unit} {'higher' if least else 'lower'}"
    return what, f"it would have to be {lacking}: take a smaller or simpler model{noise}"


def _as_it_says(_: GateReport, check: Check) -> tuple[str, str] | None:
    """A check whose detail is what to do."""
    what = f"{check.name}: {check.value}; asked for: {check.limit}"
    return (what, check.detail) if check.detail else None


RULES: tuple[tuple[str, Rule], ...] = (
    (r" in every slice(, beside all rows)?$", _slices),
    (r"^[a-z_]+_(difference|ratio) .*\bby ", _fairness),
    (r"^groups compared by |^the same row gets the same answer$", _as_it_says),
    (r"^robust to ", _robust),
    (r"^(hallmark.yaml )?(invariance|directional): ", _declared),
    (r"^(latency of |throughput$|memory$|size of the model's file$|time to load$)", _performance),
)
"""By a pattern of the check's name; the first that has words for it counts."""
