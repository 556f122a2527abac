"""How the model behaves: slices, groups, changed rows and importances, from the figures of `hallmark.behaviour`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hallmark.reporting.exhibits import (
    NOTHING,
    Entry,
    Exhibit,
    Row,
    Table,
    chance,
    count,
    forest,
    interval,
    mapping,
    number,
    objects,
    text,
    told,
)

_WORDS = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "accuracy": "accuracy",
    "mean_error": "mean error",
    "mae": "mean absolute error",
}
"""What is told of a group, in the order of the columns; the last of them is drawn."""


def slices(value: Any) -> list[Exhibit]:
    """From `hallmark.behaviour.slices.judge_slices`: those that refuse first, then the weakest; with the limit.

    A slice that is only weak, or beyond the limit by chance at most, is a warning.
    """
    found = mapping(value)
    whole = number(found.get("value"))
    classes = found.get("measure") == "accuracy"
    entries = []
    limit = _slice_limit(mapping(found.get("limits")), whole)
    for entry in objects(found.get("weakest")):
        mean, low, high = (number(entry.get(name)) for name in ("value", "low", "high"))
        if mean is None:
            continue
        p = number(entry.get("p"), 0, 1)
        beyond = limit is not None and (mean < limit if classes else mean > limit)
        entries.append(
            Entry(
                cells=(text(entry.get("name")), str(count(entry.get("rows")) or NOTHING), told(mean, limit),
                       interval(low, high, limit), chance(p)),
                value=mean,
                low=low,
                high=high,
                limits=() if limit is None else (limit,),
                reference=whole,
                result="refused"
                if entry.get("refused") is True
                else "warning"
                if beyond or entry.get("weak") is True
                else "",
            )
        )  # fmt: skip
    looked = count(found.get("looked"))
    if whole is None or looked is None:
        return []
    entries.sort(key=lambda entry: (entry.result != "refused", entry.value if classes else -entry.value))
    weak, refused = count(found.get("weak")) or 0, count(found.get("refused")) or 0
    more = refused - sum(entry.result == "refused" for entry in entries)
    pairs, every = count(found.get("tested_pairs")), count(found.get("all_pairs"))
    some = f", of {pairs} of {every} pairs of columns" if pairs is not None and every and pairs < every else ""
    note = (
        f"{looked} slices were looked at{some}; {weak} are worse than their rest by more than chance (p below"
        f" {told(number(found.get('significance')))} after Holm)"
        + (f"; {refused} refuse the model" if refused else "")
        + (f", {more} of them not shown here" if more > 0 else "")
        + f". The thin line is all rows' {told(whole)}"
        + (f", the dashed one the limit {told(limit)}." if limit is not None else ".")
    )
    measure = _WORDS["accuracy" if classes else "mae"].capitalize()
    table = forest(("Slice", "Rows", measure, "95 % interval", "p"), entries, shares=classes) if entries else None
    return [Exhibit(title="The weakest slices", note=note, table=table)]


def _slice_limit(limits: dict[str, Any], whole: float | None) -> float | None:
    """The strictest of the limits, as a value of the measure."""
    known = {name: limit for name, entry in limits.items() if (limit := number(entry)) is not None}
    lows = [known[name] for name in ("minimum",) if name in known]
    highs = [known[name] for name in ("maximum_error",) if name in known]
    if whole is not None:
        lows += [whole - known[name] for name in ("maximum_gap",) if name in known]
        highs += [whole * known[name] for name in ("maximum_ratio",) if name in known]
    return max(lows) if lows else min(highs, default=None)


def fairness(value: Any) -> list[Exhibit]:
    """From [{columns, positive, groups, metrics, ...}] of `hallmark.behaviour.fairness.judge_fairness`."""
    found = []
    for entry in objects(value)[:20]:
        columns = entry.get("columns")
        by = " and ".join(text(column, 60) for column in columns[:10]) if isinstance(columns, list) else ""
        found += _groups(entry, by) + _differences(entry, by)
    return found


def _groups(entry: dict[str, Any], by: str) -> list[Exhibit]:
    left_out = mapping(entry.get("left_out"))
    groups = objects(entry.get("groups"))
    rates = [name for name in _WORDS if any(name in mapping(group.get("rates")) for group in groups)]
    drawn = "accuracy" if "accuracy" in rates else "mae"
    others = [name for name in rates if name != drawn]
    entries = []
    for group in groups:
        known = mapping(group.get("rates"))
        value, low, high = number(known.get(drawn)), number(group.get("low")), number(group.get("high"))
        if value is None:
            continue
        name = text(group.get("name"))
        compared = group.get("compared") is not False
        cells = [name if compared else f"{name} (left out: {text(left_out.get(name), 120)})"]
        cells += [
            str(count(group.get("rows")) or NOTHING),
            *(told(number(known.get(rate)), digits=3) for rate in others),
        ]
        cells += [told(value), interval(low, high)]
        entries.append(Entry(cells=tuple(cells), value=value, low=low, high=high, result="" if compared else "warning"))
    if not entries:
        return []
    positive = text(entry.get("positive"), 60)
    note = f"Selection is the answer “{positive}”; rates are shares of the group's rows." if positive else ""
    columns = ("Group", "Rows", *(_WORDS[rate].capitalize() for rate in [*others, drawn]), "95 % interval")
    table = forest(columns, entries, shares=drawn == "accuracy")
    return [Exhibit(title=f"Groups by {by}", note=note, table=table)]


def _differences(entry: dict[str, Any], by: str) -> list[Exhibit]:
    entries = []
    for metric in objects(entry.get("metrics")):
        value, low, high, limit = (number(metric.get(name)) for name in ("value", "low", "high", "limit"))
        name = text(metric.get("name"))
        if value is None or limit is None:
            continue
        most = "at least" if name.endswith("ratio") else "at most"
        bound = " by the worse end" if entry.get("decide") == "bound" else ""
        pair = f"{text(metric.get('lowest'), 60)}; {text(metric.get('highest'), 60)}"
        entries.append(
            Entry(
                cells=(name.replace("_", " "), pair, told(value, limit), interval(low, high, limit),
                       f"{most} {told(limit, value)}{bound}"),
                value=value,
                low=low,
                high=high,
                limits=(limit,),
                extra=(0.0,),
                result="passed" if metric.get("held") is True else "refused",
            )
        )  # fmt: skip
    if not entries:
        return []
    table = forest(("Between groups", "Lowest; highest", "Value", "95 % interval", "Needed"), entries)
    return [Exhibit(title=f"Differences between groups by {by}", table=table)]


def probes(value: dict[str, Any]) -> list[Exhibit]:
    """Robustness, declared tests and determinism, from the figures `robustness`, `declared` and `determinism`, as
    `hallmark.behaviour` leaves them."""
    return [
        *_robustness(value.get("robustness")),
        *_declared(value.get("declared")),
        *_same(value.get("determinism")),
    ]


def _robustness(value: Any) -> list[Exhibit]:
    entries, rows = [], []
    for entry in objects(value):
        ratio = entry.get("measure") == "mae"
        lost, low, high = (number(entry.get(name)) for name in ("value", "low", "high"))
        limits = mapping(entry.get("limits"))
        limit = number(limits.get("maximum_error_ratio" if ratio else "maximum_drop"))
        result = "passed" if entry.get("passed") is True else "refused"
        changed = number(entry.get("changed"), 0, 1)
        most = number(limits.get("maximum_changed"))
        answers = NOTHING if changed is None else told(changed, most, 3) + (f" (at most {told(most)})" if most else "")
        cells = (
            f"{text(entry.get('test'))}, {count(entry.get('rows'))} rows",
            f"{told(number(entry.get('before')))} → {told(number(entry.get('after')))}",
            *(() if ratio else (answers,)),
            told(lost, limit), interval(low, high, limit), NOTHING if limit is None else f"at most {told(limit, lost)}",
        )  # fmt: skip
        if lost is None:
            # Without an answer for each row there is no number.
            rows.append(Row(cells=cells, result=result))
        else:
            known = () if limit is None else (limit,)
            entries.append(
                Entry(cells=cells, value=lost, low=low, high=high, limits=known, result=result,
                      reference=1.0 if ratio else 0.0, extra=(0.0,))
            )  # fmt: skip
    if not entries and not rows:
        return []
    ratio = any(entry.get("measure") == "mae" for entry in objects(value))
    measure, lost_as = ("Mean absolute error", "Times as large") if ratio else ("Accuracy", "Lost")
    columns = ("Change", measure, *(() if ratio else ("Answers changed",)), lost_as, "95 % interval", "Needed")
    drawn = forest(columns, entries) if entries else Table(columns=columns, rows=())
    table = Table(columns=columns, rows=(*drawn.rows, *rows), axis=drawn.axis)
    note = "The same rows before and after a change that should not matter much. The thin line is no change."
    return [Exhibit(title="Robustness", note=note, table=table)]


def _declared(value: Any) -> list[Exhibit]:
    entries = []
    for entry in objects(value):
        share, low, high, minimum = (number(entry.get(name), 0, 1) for name in ("share", "low", "high", "minimum"))
        if share is None or minimum is None:
            continue
        held, rows = count(entry.get("held")), count(entry.get("rows"))
        entries.append(
            Entry(
                cells=(text(entry.get("test")), f"{held} of {rows}",
                       told(share, minimum), interval(low, high, minimum), f"at least {told(minimum, share)}"),
                value=share,
                low=low,
                high=high,
                limits=(minimum,),
                result="passed" if entry.get("passed") is True else "refused",
            )
        )  # fmt: skip
    if not entries:
        return []
    note = "Changes for which the answer has to stay, or may go one way only; declared by policy or maker."
    table = forest(("Test", "Held for", "Share", "95 % interval", "Needed"), entries, shares=True)
    return [Exhibit(title="Declared tests", note=note, table=table)]


def _same(value: Any) -> list[Exhibit]:
    total, differ = count(mapping(value).get("rows")), count(mapping(value).get("differ"))
    if total is None or differ is None:
        return []
    row = Row(
        cells=("the same row twice", str(total), str(differ)), result="refused" if differ or not total else "passed"
    )
    return [Exhibit(title="Determinism", table=Table(columns=("Asked", "Rows", "Answered otherwise"), rows=(row,)))]


def importances(value: Any) -> list[Exhibit]:
    """From {measure, maximum_share, warn_above, warning, features: [{feature, value, low, high, share, rows}]}."""
    found = mapping(value)
    limit = number(found.get("maximum_share"), 0, 1)
    entries: list[Entry] = []
    for entry in objects(found.get("features")):
        lost, low, high = (number(entry.get(name)) for name in ("value", "low", "high"))
        share = number(entry.get("share"), 0, 1)
        if lost is None:
            continue
        first = not entries
        result = "warning" if first and found.get("warning") is True else ""
        if first and limit is not None and (share is None or share > limit + 1e-12):
            result = "refused"
        cells = (text(entry.get("feature"), 120), told(lost, digits=3), interval(low, high), told(share, limit, 3))
        entries.append(Entry(cells=cells, value=lost, low=low, high=high, result=result))
    if not entries:
        return []
    lost_of = {"accuracy": "accuracy", "r2": "R²"}.get(str(found.get("measure")), "score")
    note = f"How much {lost_of} is lost when a feature's values no longer belong to their rows."
    note += " Features that say the same share their importance."
    if entries[0].result:
        note = f"One feature carries the model: {entries[0].cells[0]}. {note}"
    if limit is not None:
        note += f" No feature may have more than {told(limit)} of all losses."
    columns = ("Feature", "Lost", "95 % interval", "Share of all")
    return [Exhibit(title="Importance of the features", note=note, table=forest(columns, entries, bars=True))]


def explanations(value: Any) -> list[Exhibit]:
    """From `hallmark.behaviour.explanations.judge_explanations`: a picture for each example, its strongest feature
    first."""
    found = mapping(value)
    pairs = count(found.get("pairs"))
    shares_out = {
        "probability": "the probability of {of}",
        "answer": "the answer {of} (1, any other 0)",
        "prediction": "the prediction",
    }.get(str(found.get("measure")))
    drawn: list[Exhibit] = []
    for example in objects(found.get("examples")):
        row = count(example.get("row"))
        whole, background = number(example.get("value")), number(example.get("background"))
        entries = [entry for part in objects(example.get("features")) if (entry := _part(part)) is not None]
        if row is None or whole is None or background is None or shares_out is None or not entries:
            continue
        rest, left = number(example.get("others")), count(example.get("others_features"))
        if rest is not None and left:
            entries.append(Entry(cells=(f"{left} more features", NOTHING, told(rest, digits=3), NOTHING), value=rest))
        of = shares_out.format(of=text(example.get("of"), 60))
        note = (
            f"How each feature moved {of} from {told(background)}, the mean of other rows, to {told(whole)}: Shapley"
            f" values by {pairs or NOTHING} pairs of sampled orders. What is shown moves the model, not the world."
        )
        columns: tuple[str, ...] = ("Feature", "Value in the row", "Moved by", "95 % interval")
        if all(entry.cells[1] == NOTHING for entry in entries):
            columns = (columns[0], *columns[2:])
            note += " The policy does not show the row's values (data.quality.failingRows.showValues)."
            entries = [replace(entry, cells=(entry.cells[0], *entry.cells[2:])) for entry in entries]
        table = forest(columns, entries, bars=True)
        drawn.append(Exhibit(title=f"Why row {row} got its answer", note=note, table=table))
    return drawn


def _part(entry: dict[str, Any]) -> Entry | None:
    value, error = number(entry.get("value")), number(entry.get("error"), 0)
    if value is None:
        return None
    low, high = (None, None) if error is None else (value - 1.96 * error, value + 1.96 * error)
    shown = NOTHING if entry.get("shown") is None else text(entry["shown"], 40)
    return Entry(
        cells=(text(entry.get("feature"), 120), shown, told(value, digits=3), interval(low, high)),
        value=value,
        low=low,
        high=high,
    )
