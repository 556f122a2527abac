"""A command's interface, declared once: flags, Tekton params and results, and README tables derive from it.

A command's module has two frozen dataclasses. Each field of `Params` is made by :func:`param` (becomes a Tekton
param) or :func:`path` (a file or folder that the Task's author wires to a workspace). Each field of `Results`
is made by :func:`result`.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import MISSING, dataclass
from typing import Any, Literal

from hallmark.errors import BadInputError

Kind = Literal["param", "path", "result"]


def param(description: str, *, default: Any = MISSING) -> Any:
    """A Tekton param. Types: str, int, float, bool (as "true"/"false"), tuple[str, ...] (a Tekton array)."""
    return dataclasses.field(default=default, metadata={"kind": "param", "description": description})


def path(description: str, *, default: Any = MISSING) -> Any:
    """A file or folder, usually inside a workspace. Type Path, or `Path | None` where it may be left out."""
    return dataclasses.field(default=default, metadata={"kind": "path", "description": description})


def result(description: str, *, name: str = "") -> Any:
    """A Tekton result, under 1 KB; None is not written. Types: str, and :class:`Artifact` or one of its kinds.

    Args:
        name: where Tekton Chains has to know the result by a name that is not made of lower-case words.
    """
    return dataclasses.field(default=None, metadata={"kind": "result", "description": description, "name": name})


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An artefact that Tekton Chains names in its provenance, as a result of type object.

    Chains takes one for an input where the result is called `*ARTIFACT_INPUTS`:
    https://tekton.dev/docs/chains/slsa-provenance/#type-hinting
    """

    uri: str
    digest: str
    """`sha256:<hex>`."""

    def properties(self) -> dict[str, str]:
        return {field.name: str(getattr(self, field.name)) for field in dataclasses.fields(self)}


@dataclass(frozen=True, kw_only=True)
class MadeArtifact(Artifact):
    """One that the task made: Chains takes one for an output where the result is called `*ARTIFACT_OUTPUTS`.

    It is a byproduct of slsa/v2alpha4, no subject: Chains 0.26 takes the name of each subject for an image's
    repository, and stores nothing at all of a run if it is none (pkg/chains/storage/oci/legacy.go).
    """

    isBuildArtifact: str = "false"  # noqa: N815 - the property's name is Chains'


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag of a command, and what it is in a Task."""

    field: str
    kind: Kind
    name: str
    """The name in Tekton: kebab-case, or as given to `result`."""
    flag: str
    description: str
    type: Any
    default: Any
    """MISSING where the flag is required."""

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def tekton_type(self) -> str:
        return "array" if self.type == tuple[str, ...] else "object" if self.properties else "string"

    @property
    def properties(self) -> list[str]:
        """The keys of a result that is an object."""
        declared, _ = _unwrap(self.type)
        return [field.name for field in dataclasses.fields(declared)] if dataclasses.is_dataclass(declared) else []

    @property
    def tekton_default(self) -> str | list[str] | None:
        """The default as Tekton holds it, None where there is none."""
        if self.required:
            return None
        if isinstance(self.default, tuple):
            return list(self.default)
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return "" if self.default is None else str(self.default)


def flags_of(declared: type) -> list[Flag]:
    """The flags of a `Params` or `Results` dataclass, in the order of its fields."""
    hints = typing.get_type_hints(declared)
    return [_flag(field, hints[field.name]) for field in dataclasses.fields(declared)]


def _flag(field: dataclasses.Field[Any], hint: Any) -> Flag:
    kind: Kind = field.metadata["kind"]
    kebab = field.name.replace("_", "-")
    return Flag(
        field=field.name,
        kind=kind,
        name=field.metadata.get("name") or kebab,
        flag=f"--result-{kebab}" if kind == "result" else f"--{kebab}",
        description=field.metadata["description"],
        type=hint,
        default=field.default,
    )


def parse_value(flag: Flag, given: str) -> Any:
    """A flag's text as the value of its declared type.

    Raises:
        BadInputError: the text is not of that type.
    """
    hint, optional = _unwrap(flag.type)
    if given == "" and optional:
        return None
    if given == "" and flag.required:
        raise BadInputError(
            f"{flag.flag} is empty", solution=f"give {flag.description[0].lower()}{flag.description[1:]}"
        )
    try:
        if hint is bool:
            return {"true": True, "false": False}[given]
        return hint(given)
    except (KeyError, ValueError) as error:
        wanted = '"true" or "false"' if hint is bool else f"of type {hint.__name__}"
        raise BadInputError(f"{flag.flag}={given} is not {wanted}", solution=f"give a value {wanted}") from error


def _unwrap(hint: Any) -> tuple[Any, bool]:
    """The type without its `| None`, and whether it had one."""
    if isinstance(hint, types.UnionType):
        inner = [part for part in hint.__args__ if part is not type(None)]
        return inner[0], True
    return hint, False
