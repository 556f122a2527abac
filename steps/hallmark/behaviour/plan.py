"""Which tests with changed rows the rules ask for: the same list for whoever makes the rows and whoever judges them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hallmark.behaviour import mixtures
from hallmark.behaviour.outcomes import require_known
from hallmark.documents.rules_behaviour import (
    Behaviour,
    Declared,
    Determinism,
    Directional,
    Importance,
    Invariance,
    Robust,
)
from hallmark.documents.rules_explanations import Explanations

Kind = Literal[
    "determinism",
    "noise",
    "swap",
    "missing",
    "out-of-range",
    "invariance",
    "directional",
    "importance",
    "explanations",
]
Rule = Determinism | Robust | Invariance | Directional | Importance | Explanations

IMPORTANCE_REPEATS = 5
"""How often a row may be used for one feature's importance, where there are fewer rows than would be looked at."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One test: which columns of how many rows change, and how it is judged."""

    name: str
    """Its own among all; what the key calls it."""
    kind: Kind
    columns: tuple[str, ...]
    """Features that change; empty for determinism."""
    rows: int
    rule: Rule
    by: Literal["policy", "hallmark.yaml"] = "policy"
    named: bool = True
    """Whether the rules name the columns; otherwise those that cannot be changed are left out."""
    untouched: tuple[str, ...] = ()
    """Columns that the rules name and the model is not given: its answer cannot depend on them."""


def planned(
    rules: Behaviour, features: Sequence[str], *, own: Declared | None = None, offered: Sequence[str] = ()
) -> list[Trial]:
    """The tests, in the order in which they are told.

    Args:
        features: the columns that the model is given.
        own: the tests of hallmark.yaml.
        offered: the columns that the policy offers to any model, of which this one may leave out some.

    Raises:
        BadInputError: a rule names a column that is not there.
    """
    known = [*features, *(name for name in offered if name not in features)]
    tests = [*_determinism(rules), *_robustness(rules, features, known)]
    tests += _declared(rules, features, known, "policy")
    tests += _declared(own or Declared(), features, list(features), "hallmark.yaml")
    if rules.importance.enabled:
        tests += [
            Trial(
                name=f"importance: {feature}",
                kind="importance",
                columns=(feature,),
                rows=max(1, rules.importance.rows // len(features)),
                rule=rules.importance,
            )
            for feature in features
        ]
    if rules.explanations is not None:
        rule = rules.explanations
        mixtures.pairs_of(rule, len(features))
        tests.append(Trial(name=mixtures.NAME, kind="explanations", columns=tuple(features), rows=rule.rows, rule=rule))
    return tests


def _determinism(rules: Behaviour) -> Iterator[Trial]:
    if rules.determinism.enabled:
        rule = rules.determinism
        yield Trial(name="the same row twice", kind="determinism", columns=(), rows=rule.rows, rule=rule)


def _robustness(rules: Behaviour, features: Sequence[str], known: list[str]) -> Iterator[Trial]:
    asked: list[tuple[Kind, Robust | None]] = [
        ("noise", rules.robustness.noise),
        ("swap", rules.robustness.swap),
        ("missing", rules.robustness.missing),
        ("out-of-range", rules.robustness.out_of_range),
    ]
    for kind, rule in asked:
        if rule is None:
            continue
        named = rule.columns or list(features)
        require_known(named, known, f"model.behaviour.robustness.{kind}.columns")
        yield Trial(
            name=kind,
            kind=kind,
            rows=rule.rows,
            rule=rule,
            named=rule.columns is not None,
            columns=_given(named, features),
            untouched=_absent(named, features),
        )


def _declared(
    rules: Behaviour | Declared, features: Sequence[str], known: list[str], by: Literal["policy", "hallmark.yaml"]
) -> Iterator[Trial]:
    section = "model.behaviour" if by == "policy" else "hallmark.yaml: behaviour"
    prefix = "" if by == "policy" else "hallmark.yaml "
    for place, invariance in enumerate(rules.invariance):
        require_known(invariance.columns, known, f"{section}.invariance.{place}.columns")
        yield Trial(
            name=f"{prefix}invariance: {invariance.name}",
            kind="invariance",
            rows=invariance.rows,
            rule=invariance,
            by=by,
            columns=_given(invariance.columns, features),
            untouched=_absent(invariance.columns, features),
        )
    for place, directional in enumerate(rules.directional):
        require_known([directional.column], known, f"{section}.directional.{place}.column")
        yield Trial(
            name=f"{prefix}directional: {directional.name}",
            kind="directional",
            rows=directional.rows,
            rule=directional,
            by=by,
            columns=_given([directional.column], features),
            untouched=_absent([directional.column], features),
        )


def _given(named: Sequence[str], features: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(named) if name in features)


def _absent(named: Sequence[str], features: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(named) if name not in features)
