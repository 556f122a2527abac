"""What a single check that refused means in plain words, and what would have to change: rules by command and name.

A rule that cannot read what the report says gives None, and the check is told as the report has it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from hallmark.explained_behaviour import RULES as BEHAVIOUR
from hallmark.gate_report import Check, GateReport
from hallmark.judgement import wilson_interval
from hallmark.verdict import Metric

SHOWN = 5
"""How many findings, tests or rows a reason names."""
Words = tuple[str, str]
"""What is the matter, and what would have to change."""


def _metric(report: GateReport, check: Check) -> Words | None:
    entry = next((entry for entry in entries(report, "metrics") if entry.get("name") == check.name), {})
    try:
        found = Metric.model_validate({key: value for key, value in entry.items() if key != "name"})
    except ValidationError:
        return None
    value, minimum, bound = found.value, found.minimum, found.decide == "bound"
    limit = found.maximum if minimum is None else minimum
    if limit is None:
        return None
    low, high = found.low, found.high
    judged = value if not bound else low if minimum is not None else high
    at = f"the {'lower' if minimum is not None else 'upper'} end of its 95 % interval" if bound else "it"
    side = "below" if minimum is not None else "above"
    keeps = bound and (value >= limit if minimum is not None else value <= limit)
    what = f"{check.name} is {value:.4g}, and {at}{f' ({judged:.4g})' if bound else ''} is {side} {limit:g}"
    rows = _number(next((c.value for c in report.checks if c.name == "rows judged"), ""))
    if check.name == "accuracy" and minimum is not None and rows:
        more = _more_right(round(value * rows), int(rows), limit, bound=bound)
        if more is not None:
            return what, f"{more} of {int(rows)} rows more would have to be right: improve the model or its data"
    return (
        what,
        f"{check.name} would have to be {abs(judged - limit):.4g} {'higher' if side == 'below' else 'lower'}"
        + (", or be measured on more rows, which narrows the interval" if keeps else "")
        + ": improve the model or its data",
    )


def _champion(report: GateReport, check: Check) -> Words | None:
    found = next(iter(entries(report, "champion")), {})
    try:
        candidate, champion, low, high = (float(found[name]) for name in ("candidate", "champion", "low", "high"))
    except (KeyError, TypeError, ValueError):
        return None
    what = (
        f"{found.get('metric')} is {candidate:.4g}, the model in production has {champion:.4g} on the same rows, and "
        f"the gain is somewhere from {low:+.4g} to {high:+.4g}; asked for: {check.limit}"
    )
    if "no model can reach" in check.detail:
        return what, check.detail
    if not check.detail.startswith("more independent rows"):
        good = "is as good as the one in production" if high < 0 else "reaches that"
        return what, f"improve the model or its data until it {good}"
    return what, (
        "improve the model; if it is good enough already, the validators have to provide more independent rows, "
        "which show smaller differences"
    )


def _more_right(right: int, rows: int, limit: float, *, bound: bool) -> int | None:
    """How many rows more would have to be right for `limit`; None where even all of them would not be enough."""
    for more in range(1, rows - right + 1):
        share = wilson_interval(right + more, rows)[0] if bound else (right + more) / rows
        if share >= limit:
            return more
    return None


def _overlap(report: GateReport, check: Check) -> Words | None:
    told = re.match(r"([\d.e-]+) of (\d+) rows", check.value)
    if told is None:
        return None
    count, total = float(told[1]), int(told[2])
    count = round(count * total) if report.command == "verify-model" else round(count)
    allowed = math.floor((_number(check.limit) or 0) * total)
    what = f"{count} of {total} independent rows are in the training data too, at most {allowed} may be"
    rows = rows_of(report, check).removeprefix(": ")
    where = f" ({rows}, as validate-data counts them)" if rows else ""
    return what, f"take at least {count - allowed} of these rows out of the training data{where}, and train again"


def _same_data(_: GateReport, check: Check) -> Words:
    return (
        "the model was trained on the very file that it is judged by",
        "train on other data: what is judged on its own training data measures memory, not skill",
    )


def _format(_: GateReport, check: Check) -> Words:
    *others, last = check.limit.removeprefix("allowed: ").split(", ")
    allowed = f"{', '.join(others)} or {last}" if others else last
    return (
        f"the model's file is {check.value}, and the policy takes {allowed} only",
        f"let the training script write the model as {allowed}, and name that in hallmark.yaml",
    )


def _rows_judged(_: GateReport, check: Check) -> Words | None:
    found, asked = _number(check.value), _number(check.limit)
    if found is None or asked is None:
        return None
    what = f"the model was judged on {found:g} independent rows, and the policy asks for {asked:g}"
    return what, f"the validators have to provide {asked - found:g} more independent rows"


def _gate(_: GateReport, check: Check) -> Words:
    gate = check.name.removeprefix("gate ")
    if check.value == "no report":
        return f"{gate} left no report, and the policy requires it", f"see why {gate} did not run, then run it"
    return f"{gate} did not pass: {check.value}", f"mend what {gate} says"


def _required_gates(_: GateReport, check: Check) -> Words:
    return (
        f"the verdict lacks a gate that the policy requires: {check.value}",
        f"run all of these gates, and let verify-model judge anew: {check.limit}",
    )


def _container(report: GateReport, check: Check) -> Words:
    return (
        f"{check.value} from what the model itself predicts ({check.limit} may)",
        "let the container predict with the very model file that it was built with, and prepare the features as the "
        "training did",
    )


def _findings(report: GateReport, check: Check) -> Words | None:
    lines = [line.strip() for line in check.detail.splitlines() if line.strip()]
    if not lines or not re.match(r"\d+ findings?", check.value):
        return None
    places = "; ".join(lines[:SHOWN])
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return f"{check.name}: {check.value}: {places}{more}", report.solution


def _tests(report: GateReport, check: Check) -> Words | None:
    failed = [str(entry.get("name")) for entry in entries(report, "failed_tests")]
    if not failed:
        return None
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    return f"{check.value}: {', '.join(failed[:SHOWN])}{more}", report.solution


def _coverage(_: GateReport, check: Check) -> Words | None:
    told = re.match(r"([\d.]+) % of (\d+) lines", check.value)
    asked = _number(check.limit)
    if told is None or asked is None:
        return None
    lines = math.ceil((asked - float(told[1])) / 100 * int(told[2]))
    return (
        f"the tests run {told[1]} % of {told[2]} lines, and {asked:g} % are asked for",
        f"write tests that run about {max(1, lines)} lines more",
    )


def _age(_: GateReport, check: Check) -> Words:
    if "future" in check.value:
        return f"the verdict was {check.value}", "set the clocks of the judge and of this machine, then deliver again"
    return (
        f"the verdict has expired: {check.value.removeprefix('expired verdict, ')}, and it holds {check.limit}",
        "deliver the same commit again: it is judged anew, and the new verdict attested",
    )


def _policy(_: GateReport, check: Check) -> Words:
    return (
        f"the model was judged by the policy {check.value}, which is not trusted now ({check.limit})",
        "deliver the commit again under the present policy, or let the policy's owner add that digest to "
        "signing.trustedPolicies",
    )


def _signature(report: GateReport, check: Check) -> Words:
    if check.value.startswith("made for "):
        return _relocated(report, check)
    return (
        f"no trusted key has made the {check.name}: {check.value} ({check.limit})",
        "let the pipeline sign it: deliver the commit, and never sign by hand",
    )


def _relocated(_: GateReport, check: Check) -> Words:
    return (
        f"{check.name}: {check.value}, which is not where the image lies ({check.limit})",
        "release the image in this repository, or have the policy name the other one in signing.relocatedFrom",
    )


def _unaccepted(_: GateReport, check: Check) -> Words:
    return (
        f"the owner of the signing key has not accepted the policy {check.value}",
        "the key's owner adds this digest to the list `policies` beside the key, if the policy is to be used",
    )


def _platforms(_: GateReport, check: Check) -> Words:
    return (
        f"the image is {check.value}, and the policy allows it for {check.limit} only",
        "take the platform out of image.platforms in hallmark.yaml, or have the validators name it in "
        "image.untestedPlatforms, if they want it delivered without a test",
    )


RULES: tuple[tuple[str, str, Callable[[GateReport, Check], Words | None]], ...] = (
    ("check-code", r"", _findings),
    ("scan-image", r"", _findings),
    ("test-code", r"^the repository's own tests$", _tests),
    ("test-code", r"^coverage$", _coverage),
    ("", r"^rows that the training data holds too$|^independent rows that the training data holds", _overlap),
    ("verify-model", r"^the independent data is not the training data$", _same_data),
    ("verify-model", r"^rows judged$", _rows_judged),
    ("verify-model", r"^gate ", _gate),
    ("verify-model", r"^the container answers as the model$", _container),
    ("verify-model", r"^champion$", _champion),
    ("", r"(^|: )platforms$", _platforms),
    *(("verify-model", pattern, rule) for pattern, rule in BEHAVIOUR),
    ("verify-model", r"", _metric),
    ("predict-model", r"^the policy allows the format$", _format),
    ("", r"^verdict's age$", _age),
    ("verify-image", r"^verdict's policy$", _policy),
    ("", r"^required gates$", _required_gates),
    ("verify-image", r"'s (repository|release)$", _relocated),
    ("verify-image", r"(^|: )(signature|attestation)( \((legacy|bundle)\)| of \w+)?$", _signature),
    ("sign-image", r"^policy accepted for this key$", _unaccepted),
)
"""By command (empty: any) and the check's name; the first that has words for it counts."""


def entries(report: GateReport, figure: str) -> Sequence[dict[str, Any]]:
    found = report.figures.get(figure)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _number(text: str) -> float | None:
    """The first number in a text."""
    found = re.search(r"-?\d+(\.\d+)?(e-?\d+)?", text)
    return float(found[0]) if found else None


def rows_of(report: GateReport, check: Check) -> str:
    """The numbers of the rows that a check of data refused."""
    for entry in entries(report, "failing_rows"):
        rows, total = entry.get("rows"), entry.get("total")
        if entry.get("check") == check.name and isinstance(rows, list) and rows:
            more = f" and {total - SHOWN} more" if isinstance(total, int) and total > SHOWN else ""
            return f": rows {', '.join(map(str, rows[:SHOWN]))}{more} of the {entry.get('dataset', '')} data"
    return ""
