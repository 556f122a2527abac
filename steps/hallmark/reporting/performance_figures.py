"""How fast and how large the model is, from the figure of `hallmark.performance.judgement`."""

from __future__ import annotations

import itertools
from typing import Any

from hallmark.reporting.exhibits import (
    NOTHING,
    Entry,
    Exhibit,
    Row,
    Table,
    count,
    forest,
    interval,
    mapping,
    number,
    objects,
    text,
    told,
)
from hallmark.reporting.plots import bars

_PARTS = (("latency.", "Latency of one row"), ("batch.latency.", "Latency of a batch"))
_OTHERS = {
    "batch.throughput": "throughput in batches",
    "memory": "memory of the process",
    "memory.model": "of it, the model's",
    "size": "the model's file",
    "loadSeconds": "time to load the model",
}
_STATISTICS = {"mean": "mean", "p50": "p50 (median)", "p95": "p95", "p99": "p99"}


def performance(value: Any) -> list[Exhibit]:
    """From {models {name: {measures {key: {value, low, high, unit}}, histogram}}, limits, noise, rounds, batchRows,
    threads, startSeconds}."""
    found = mapping(value)
    models = {str(name)[:40]: mapping(model) for name, model in list(mapping(found.get("models")).items())[:2]}
    limits = {text(limit.get("name")): limit for limit in objects(found.get("limits"))}
    if not models:
        return []
    exhibits = [exhibit for prefix, title in _PARTS for exhibit in _latency(prefix, title, models, limits, found)]
    exhibits += [drawing for name, model in models.items() for drawing in _histogram(name, model)]
    return [*exhibits, *_sizes(models, limits)]


def _latency(
    prefix: str, title: str, models: dict[str, dict[str, Any]], limits: dict[str, dict[str, Any]], found: dict[str, Any]
) -> list[Exhibit]:
    entries = []
    for statistic, words in _STATISTICS.items():
        for name, model in models.items():
            key = f"{prefix}{statistic}"
            measure = mapping(mapping(model.get("measures")).get(key))
            value, low, high = (number(measure.get(part), 0) for part in ("value", "low", "high"))
            if value is None:
                continue
            limit, needed, result = _limit(key, name, limits, value)
            whose = "" if len(models) == 1 else f", {name}"
            entries.append(
                Entry(
                    cells=(f"{words}{whose}", told(value, limit), interval(low, high, limit), needed),
                    value=value,
                    low=low,
                    high=high,
                    limits=() if limit is None else (limit,),
                    result=result,
                )
            )
    if not entries:
        return []
    rows = count(found.get("batchRows"))
    batch = f" of {rows} rows" if prefix.startswith("batch") and rows else ""
    note = _noise(found) if prefix == "latency." else ""
    table = forest(("Statistic", "Milliseconds", "95 % interval", "Needed"), entries)
    return [Exhibit(title=f"{title}{batch}", note=note, table=table)]


def _limit(key: str, model: str, limits: dict[str, dict[str, Any]], value: float) -> tuple[float | None, str, str]:
    """The limit, in words, and how that was decided; only the candidate has limits."""
    known = mapping(limits.get(key))
    limit = number(known.get("limit"))
    if limit is None or model != "candidate":
        return None, NOTHING, ""
    words = f"at {'least' if known.get('atLeast') is True else 'most'} {told(limit, value)}"
    return limit, words, "passed" if known.get("passed") is True else "refused"


def _noise(found: dict[str, Any]) -> str:
    noise = mapping(found.get("noise"))
    median, spread, drift = (number(noise.get(name), 0) for name in ("median", "spread", "drift"))
    rounds, threads = count(found.get("rounds")), count(found.get("threads"))
    said = (
        f"Measured from outside the model's process, {rounds} rounds on {threads} thread{'' if threads == 1 else 's'}."
    )
    if median is None or spread is None or drift is None:
        return said
    waited = number(noise.get("throttled"), 0)
    throttled = f" The machine was throttled for {waited:.2f} s." if waited else ""
    return (
        f"{said} The machine's own noise: the same small work took {median:.3g} ms, with a spread of"
        f" {spread:.0%} and {drift:.0%} between rounds.{throttled}"
    )


def _histogram(name: str, model: dict[str, Any]) -> list[Exhibit]:
    """Of single rows: [[upper edge in ms, count], ...]."""
    given = model.get("histogram")
    pairs = [
        (edge, rows)
        for entry in (given[:200] if isinstance(given, list) else [])
        if isinstance(entry, list | tuple) and len(entry) == 2
        if (edge := number(entry[0], 0, 1e9)) is not None and (rows := count(entry[1])) is not None
    ]
    first = next((place for place, (_, rows) in enumerate(pairs) if rows), 0)
    pairs = pairs[max(0, first - 1) :]
    edges = [edge for edge, _ in pairs]
    if len(pairs) < 3 or any(low >= high for low, high in itertools.pairwise(edges)):
        return []
    width, slowest = edges[1] - edges[0], edges[-1]
    # The last bin reaches to the slowest answer, and would press all others together.
    edges = [max(0.0, edges[0] - width), *edges[:-1], min(slowest, edges[-2] + width)]
    measures = mapping(model.get("measures"))
    marks = [
        (f"{statistic} {told(place)} ms", place)
        for statistic in _STATISTICS
        if (place := number(mapping(measures.get(f"latency.{statistic}")).get("value"), 0)) is not None
    ]
    total = sum(rows for _, rows in pairs)
    said = f"latency of {total} questions of one row to the {name}: " + ", ".join(mark for mark, _ in marks)
    drawn = bars(said, edges, [("questions", [rows for _, rows in pairs])], "milliseconds", marks=marks)
    ends = [*edges[1:-1], slowest]
    listed = [
        Row(cells=(f"{low:.4g} to {high:.4g}", str(amount)))
        for low, high, (_, amount) in zip(edges, ends, pairs, strict=False)
        if amount
    ]
    note = f"The last bar holds all that is slower, up to {slowest:.4g} ms."
    table = Table(columns=("Milliseconds", "Questions"), rows=tuple(listed))
    return [Exhibit(title=f"Distribution of the {name}'s latency", note=note, picture=drawn, table=table, folded=True)]


def _sizes(models: dict[str, dict[str, Any]], limits: dict[str, dict[str, Any]]) -> list[Exhibit]:
    rows = []
    for key, words in _OTHERS.items():
        for name, model in models.items():
            measure = mapping(mapping(model.get("measures")).get(key))
            value, low, high = (number(measure.get(part), 0) for part in ("value", "low", "high"))
            if value is None:
                continue
            limit, needed, result = _limit(key, name, limits, value)
            whose = "" if len(models) == 1 else f", {name}"
            ends = NOTHING if low == high else interval(low, high, limit)
            shown = f"{told(value, limit)} {text(measure.get('unit'), 12)}"
            rows.append(Row(cells=(f"{words}{whose}", shown, ends, needed), result=result))
    if not rows:
        return []
    table = Table(columns=("Measure", "Value", "95 % interval", "Needed"), rows=tuple(rows))
    return [Exhibit(title="Memory, size and throughput", table=table)]
