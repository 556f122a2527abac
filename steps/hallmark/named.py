"""Whether the columns and classes that the policy and hallmark.yaml name exist, asked before anything is computed.

The checks themselves would find a misspelt name too, some of them only after a model has been trained and asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml

from hallmark.documents.loading import compose, read
from hallmark.documents.mistakes import deepest, place
from hallmark.documents.model import FILE_NAME as MODEL_FILE
from hallmark.documents.model import Model
from hallmark.documents.policy import FILE_NAME as POLICY_FILE
from hallmark.documents.policy import Policy, policy_nodes
from hallmark.documents.rules_behaviour import Behaviour, Declared
from hallmark.errors import BadInputError
from hallmark.labels import canonical
from hallmark.nearest import hinted

if TYPE_CHECKING:
    from hallmark.datasets import Dataset

Known = Literal["training", "independent", "offered", "given"]
"""Where a column has to exist: in one of the data, among the policy's features, or among hallmark.yaml's."""
Step = int | str
_Wrong = tuple["Named", str, Collection[str]]
"""A name, what is wrong with it, and what is known in its place."""
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Named:
    """A name that stands in a document, and where it has to be known."""

    file: Literal["policy", "model"]
    key: tuple[Step, ...]
    name: str
    known: tuple[Known, ...]


def require_named(policy: Policy, folder: Path, *, model: tuple[Model, Path] | None, data: Sequence[Dataset]) -> None:
    """Check every column that the policy and the description name, and every class that the policy does.

    What only data could tell that is not at hand is not looked at.

    Args:
        folder: the policy's, for the places of mistakes.
        model: the description and the folder it lies in, if there is one.
        data: the training data, the independent data, both or none, open.

    Raises:
        BadInputError: a name is not known; all of them, each with its file, line and the nearest known name. Or a
            value of the label is no class.
    """
    known: dict[Known, tuple[str, list[str]]] = {
        "offered": (f"{POLICY_FILE} does not offer as a feature", policy.data.independent.features)
    }
    for side in data:
        name: Known = "training" if side.name == "training" else "independent"
        known[name] = (f"the {side.name} data {side.file} does not have", side.opened.schema.names())
    described = model[0] if model else None
    if described is not None:
        known["given"] = (f"is none of data.features in {MODEL_FILE}", described.data.features)
    wrong: list[_Wrong] = [
        (named, f"names column {named.name}, which {known[side][0]}", known[side][1])
        for named in _columns(policy, described)
        for side in dict.fromkeys(named.known)
        if side in known and named.name not in known[side][1]
    ]
    if not wrong and policy.model.task == "classification":
        wrong = list(_classes(policy, data))
    if wrong:
        raise _unknown(wrong, folder, model[1] if model else None)


def label_classes(data: Dataset, label: str) -> set[str]:
    """The classes that a data set's label has. Raises BadInputError where a value is none."""
    import polars as pl

    values = data.opened.collect(data.frame.select(pl.col(label).drop_nulls().unique()))[label]
    if values.dtype.is_float():
        values = values.filter(values.is_finite())
    try:
        return set(canonical(values.cast(pl.Float64) if values.dtype.is_decimal() else values))
    except ValueError as error:
        raise BadInputError(
            f"column {label} of the {data.name} data {data.file} holds {error}", solution="use class names as labels"
        ) from error


def _columns(policy: Policy, model: Model | None) -> Iterator[Named]:
    both: tuple[Known, ...] = ("training", "independent")
    independent, quality, drift = policy.data.independent, policy.data.quality, policy.data.drift

    def said(names: Iterable[str], known: tuple[Known, ...], *key: Step) -> Iterator[Named]:
        for name in names:
            yield Named(file="policy", key=key, name=name, known=known)

    yield from said([independent.label], ("independent",), "data", "independent", "label")
    yield from said(independent.features, ("independent",), "data", "independent", "features")
    for at, comparison in enumerate(quality.overlaps):
        yield from said(comparison.columns, both, "data", "quality", "overlaps", at, "columns")
    for at, rule in enumerate(quality.groups):
        yield from said(rule.columns, tuple(rule.data), "data", "quality", "groups", at, "columns")
    yield from said(quality.leakage.allow, ("training",), "data", "quality", "leakage", "allow")
    yield from said(quality.duplicates.columns, both, "data", "quality", "duplicates", "columns")
    yield from said(quality.columns.allow_constant, both, "data", "quality", "columns", "allowConstant")
    yield from said(quality.failing_rows.personal, both, "data", "quality", "failingRows", "personal")
    if drift is not None:
        compared = both if drift.reference == "training" else ("independent",)
        yield from said(drift.columns or [], compared, "data", "drift", "columns")
        yield from said(drift.overrides, compared, "data", "drift", "overrides")
    yield from _behaviour(policy.model.behaviour)
    if model is not None:
        for key, names in (("features", model.data.features), ("label", [model.data.label])):
            for name in names:
                yield Named(file="model", key=("data", key), name=name, known=both)
        yield from _declared(model.behaviour, "model", ("behaviour",), "given")


def _behaviour(rules: Behaviour) -> Iterator[Named]:
    above = ("model", "behaviour")
    groups = [(("slices",), rules.slices.columns or [])] if rules.slices else []
    groups += [(("fairness", at), rule.columns) for at, rule in enumerate(rules.fairness)]  # type: ignore[misc]
    for key, names in groups:
        for name in names:
            yield Named(file="policy", key=(*above, *key, "columns"), name=name, known=("independent",))
    robustness = rules.robustness
    for kind, rule in (
        ("noise", robustness.noise),
        ("swap", robustness.swap),
        ("missing", robustness.missing),
        ("outOfRange", robustness.out_of_range),
    ):
        for name in (rule.columns or []) if rule is not None else []:
            yield Named(file="policy", key=(*above, "robustness", kind, "columns"), name=name, known=("offered",))
    yield from _declared(rules, "policy", above, "offered")


def _declared(
    rules: Behaviour | Declared, file: Literal["policy", "model"], above: tuple[Step, ...], known: Known
) -> Iterator[Named]:
    for at, invariance in enumerate(rules.invariance):
        for name in invariance.columns:
            yield Named(file=file, key=(*above, "invariance", at, "columns"), name=name, known=(known,))
    for at, directional in enumerate(rules.directional):
        yield Named(file=file, key=(*above, "directional", at, "column"), name=directional.column, known=(known,))


def _classes(policy: Policy, data: Sequence[Dataset]) -> Iterator[_Wrong]:
    """The classes that are named and that no row of the data in question has."""
    label = policy.data.independent.label
    asked: list[tuple[tuple[Step, ...], str | None, Sequence[str]]] = [
        (("model", "positive"), policy.model.positive, ("independent",))
    ]
    for at, group in enumerate(policy.data.quality.groups):
        asked.append((("data", "quality", "groups", at, "positive"), group.positive, group.data))
    for at, rule in enumerate(policy.model.behaviour.fairness):
        asked.append((("model", "behaviour", "fairness", at, "positive"), rule.positive, ("independent",)))
    found: Mapping[str, set[str]] = {
        side.name: label_classes(side, label)
        for side in data
        if any(name is not None and side.name in sides for _, name, sides in asked)
    }
    for key, name, sides in asked:
        for side in sides:
            if name is not None and side in found and canonical([name])[0] not in found[side]:
                named = Named(file="policy", key=key, name=name, known=())
                yield named, f"names class {name}, which the {side} data does not have", found[side]


def _unknown(wrong: Sequence[_Wrong], policy: Path, source: Path | None) -> BadInputError:
    roots: dict[str, yaml.Node] = {}
    messages, hints = [], []
    for named, what, known in wrong:
        key = ".".join(map(str, named.key))
        if named.file not in roots:
            roots[named.file] = policy_nodes(policy) if named.file == "policy" or source is None else _nodes(source)
        at = place(deepest(roots[named.file], _to_the_item(roots[named.file], named))[0])
        hint = hinted(named.name, known, f"{key} has to name one of {', '.join(sorted(known)[:_SHOWN])}")
        messages.append(f"{at}: {key} {what}")
        hints.append(hint)
    more = f"; and {len(messages) - _SHOWN} more" if len(messages) > _SHOWN else ""
    return BadInputError("; ".join(messages[:_SHOWN]) + more, solution="; ".join(dict.fromkeys(hints[:_SHOWN])))


def _to_the_item(root: yaml.Node, named: Named) -> tuple[Step, ...]:
    """The key, and in a list or mapping the place of the name itself."""
    node = deepest(root, named.key)[1]
    if isinstance(node, yaml.SequenceNode):
        texts = [item.value for item in node.value]
        return (*named.key, texts.index(named.name)) if named.name in texts else named.key
    return (*named.key, named.name) if isinstance(node, yaml.MappingNode) else named.key


def _nodes(source: Path) -> yaml.Node:
    return compose(read(source / MODEL_FILE, what="the model's description"), name=MODEL_FILE)
