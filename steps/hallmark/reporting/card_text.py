"""The model card as Markdown. Every text in it comes from others: what Markdown or HTML would take for more than a
text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hallmark.model_card import CardExample, CardGroups, CardMetric, ModelCard
from hallmark.redaction import printable
from hallmark.reporting.exhibits import NOTHING, interval, told

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&!$@]|:(?=//)|(?<=www)\.")
"""What means something inside a line, in CommonMark or on GitHub; at a line's start stands no text of others."""
_DESCRIBED = {
    "intended_use": "What it is for",
    "users": "Who is meant to use it",
    "out_of_scope": "What it is not for",
    "contact": "Whom to ask",
    "licence": "Licence",
}


def to_markdown(card: ModelCard) -> str:
    """The whole text, in the sections of Mitchell and others."""
    return "\n".join(_lines(card)) + "\n"


def escaped(words: str) -> str:
    """`words` on one line, as nothing but text.

    >>> escaped("a_b | <b>[x](javascript:y)</b>")
    'a\\\\_b \\\\| \\\\<b\\\\>\\\\[x\\\\](javascript:y)\\\\</b\\\\>'
    """
    return _SPECIAL.sub(r"\\\g<0>", printable(words).strip())


def _lines(card: ModelCard) -> Iterator[str]:
    yield f"# {escaped(card.model.name)} {escaped(card.model.version)}"
    yield ""
    yield f"**{card.outcome.capitalize()}**: {escaped(card.summary)}"
    yield from _details(card)
    yield from _use(card)
    yield from _section("Factors", _words(card.described.factors), *_compared(card))
    yield from _metrics(card)
    yield from _data(card)
    for groups in card.groups:
        yield from _groups(groups)
    yield from _more(card)
    yield from _section("Ethical considerations", _words(card.described.ethics))
    yield from _section("Caveats and recommendations", _words(card.described.caveats))
    yield from (f"- {escaped(caveat)}" for caveat in card.caveats)
    yield from _section("Limits and outcome")
    yield from _table(
        ("Check", "Result", "Found", "Needed"),
        [(check.name, "passed" if check.passed else "REFUSED", check.value, check.limit) for check in card.checks],
    )
    yield ""
    yield "Texts of the maker are marked as such and were checked by nobody. What counts is the signed verdict."


def _details(card: ModelCard) -> Iterator[str]:
    model, proposed = card.model, card.proposed_version
    yield from _section("Model details")
    yield from _table(
        ("", ""),
        [
            ("Task", model.task),
            ("Format", model.format),
            ("Model file", model.digest),
            ("Size", NOTHING if model.mebibytes is None else f"{told(model.mebibytes)} MiB"),
            ("Repository", model.repository),
            ("Commit", model.commit),
            ("Source", model.source),
            ("Signed image", model.image or "none"),
            ("Version", model.version),
            ("Proposed version", f"{proposed.version} ({proposed.change}): {proposed.reason}"),
            ("The version fits", "yes" if proposed.fits else f"no: raise it to {proposed.version} or more"),
        ],
    )


def _use(card: ModelCard) -> Iterator[str]:
    yield from _section("Intended use")
    said = [(title, getattr(card.described, name)) for name, title in _DESCRIBED.items()]
    known = [(title, words) for title, words in said if words]
    yield from (f"- **{title}** (the maker says): {escaped(words)}" for title, words in known)
    if not known:
        yield "The maker says nothing of it. `card` in hallmark.yaml is the place."


def _words(words: str | None) -> str:
    return f"The maker says: {escaped(words)}" if words else "The maker says nothing of it."


def _compared(card: ModelCard) -> list[str]:
    by = "; ".join(" and ".join(groups.by) for groups in card.groups)
    return [f"Groups compared by the validators: {escaped(by) or 'none'}."]


def _metrics(card: ModelCard) -> Iterator[str]:
    yield from _section("Metrics", "On independent data, which the maker never had, each with its 95 % interval.")
    yield from _table(
        ("Metric", "Value", "95 % interval", "Needed"),
        [
            (metric.name, told(metric.value, _limit(metric)), interval(metric.low, metric.high), _needed(metric))
            for metric in card.metrics
        ],
    )


def _limit(metric: CardMetric) -> float | None:
    return metric.minimum if metric.minimum is not None else metric.maximum


def _needed(metric: CardMetric) -> str:
    limit = _limit(metric)
    if limit is None:
        return NOTHING
    end = " by the interval's worse end" if metric.decide == "bound" else ""
    return f"at {'least' if metric.minimum is not None else 'most'} {told(limit, metric.value)}{end}"


def _data(card: ModelCard) -> Iterator[str]:
    training, evaluation = card.training, card.evaluation
    yield from _section("Evaluation data")
    yield from _table(
        ("", ""),
        [("Data", evaluation.digest), ("Rows", str(evaluation.rows or NOTHING)), ("Policy", evaluation.policy)],
    )
    yield from _section("Training data")
    yield from _table(
        ("", ""),
        [
            ("Data", training.digest),
            ("File", training.path),
            ("Rows", str(training.rows or NOTHING)),
            ("Columns", str(training.columns)),
            ("Label", training.label),
            ("Features", ", ".join(training.features)),
            ("Script", training.script),
            ("Seed", NOTHING if training.seed is None else str(training.seed)),
            *((f"Hyperparameter {name}", value) for name, value in training.parameters.items()),
            *((f"Version of {name}", value) for name, value in training.dependencies.items()),
        ],
    )


def _groups(groups: CardGroups) -> Iterator[str]:
    yield from _section(f"Groups by {escaped(' and '.join(groups.by))}")
    rates = sorted({name for group in groups.groups for name in group.rates}, key=_last)
    yield from _table(
        ("Group", "Rows", *(escaped(rate.replace("_", " ")) for rate in rates), "95 % interval of the last rate"),
        [
            (
                group.name,
                str(group.rows),
                *(told(group.rates.get(rate)) for rate in rates),
                interval(group.low, group.high),
            )
            for group in groups.groups
        ],
    )
    if groups.differences:
        yield ""
    for name, value in groups.differences.items():
        yield f"- {escaped(name.replace('_', ' '))}: {escaped(told(value))}"


def _last(rate: str) -> tuple[bool, str]:
    """For sorting: the rate that the interval is of stands last."""
    return rate in ("accuracy", "mae"), rate


def _more(card: ModelCard) -> Iterator[str]:
    if card.weakest_slices:
        yield from _section("Weakest slices")
        slices = [
            (part.name, str(part.rows), told(part.value), interval(part.low, part.high)) for part in card.weakest_slices
        ]
        yield from _table(("Slice", "Rows", "Value", "95 % interval"), slices)
    measured = [
        ("Importance of the features", card.importances),
        *((_why(example), example.features) for example in card.examples),
        ("Performance", card.performance),
    ]
    for title, measures in measured:
        if measures:
            yield from _section(title)
            rows = [(part.name, told(part.value), interval(part.low, part.high), part.unit) for part in measures]
            yield from _table(("Measure", "Value", "95 % interval", "Unit"), rows)


def _why(example: CardExample) -> str:
    of = f" ({escaped(example.of)})" if example.of else ""
    return f"Why row {example.row} got {told(example.value)}{of} and not {told(example.background)}, the mean"


def _section(title: str, *paragraphs: str) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    for paragraph in paragraphs:
        yield from (paragraph, "")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(escaped(cell) or NOTHING for cell in row)} |"
