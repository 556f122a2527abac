"""Parameter types and checks (upstream pkg/reconciler/pipelinerun/resources/validate_params.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tkn_solo.errors import InputError
from tkn_solo.model import Param, ParamSpec
from tkn_solo.substitution import parameter_of, references
from tkn_solo.values import Value, type_of


def declared_type(spec: ParamSpec) -> str:
    """The parameter's type: as written, else by `properties`, else by the default, else string."""
    if spec.type:
        return spec.type
    if spec.properties is not None:
        return "object"
    return type_of(spec.default) if spec.default is not None else "string"


def check_specs(specs: tuple[ParamSpec, ...], where: str) -> None:
    """Names once, known types, defaults of the declared type."""
    seen: set[str] = set()
    for spec in specs:
        kind = declared_type(spec)
        if kind not in ("string", "array", "object"):
            raise InputError(f"param {spec.name!r} has the unknown type {kind!r}", where=where)
        if spec.name in seen:
            raise InputError(f"param {spec.name!r} is declared twice", where=where)
        seen.add(spec.name)
        if spec.default is not None and type_of(spec.default) != kind:
            raise InputError(
                f"the default of param {spec.name!r} is of type {type_of(spec.default)}, declared is {kind}",
                where=where,
            )
        if kind == "object" and spec.properties is None:
            raise InputError(f"object param {spec.name!r} declares no properties", where=where)


def check_given(
    specs: tuple[ParamSpec, ...], given: Iterable[Param], where: str, *, conditions: Mapping[str, str]
) -> None:
    """Every needed parameter is there, with the declared type and an object's keys; extra ones are passed over.

    `conditions` maps `missing`, `type` and `keys` to the reason upstream sets for it. A string that is a single
    reference may still become an array or object, so it is accepted for them.
    """
    values = {param.name: param.value for param in given}
    missing = [spec.name for spec in specs if spec.default is None and spec.name not in values]
    if missing:
        raise InputError(
            f"missing values for these params which have no default values: [{' '.join(missing)}]",
            where=where,
            condition=conditions["missing"],
            solution="Give them, for instance with -p NAME=VALUE.",
        )
    for spec in specs:
        if spec.name not in values:
            continue
        value, kind = values[spec.name], declared_type(spec)
        if isinstance(value, str) and kind != "string" and any(references(value)):
            continue
        if type_of(value) != kind:
            raise InputError(
                f"param {spec.name!r} is of type {kind}, the given value is of type {type_of(value)}",
                where=where,
                condition=conditions["type"],
            )
    _check_keys(specs, values, where, conditions["keys"])


def _check_keys(specs: tuple[ParamSpec, ...], values: Mapping[str, Value], where: str, condition: str) -> None:
    for spec in specs:
        if declared_type(spec) != "object" or spec.properties is None:
            continue
        provided: set[str] = set(spec.default) if isinstance(spec.default, Mapping) else set()
        given = values.get(spec.name)
        if isinstance(given, str):
            continue
        provided |= set(given) if isinstance(given, Mapping) else set()
        if missing := sorted(set(spec.properties) - provided):
            raise InputError(
                f"object param {spec.name!r} lacks the keys [{' '.join(missing)}]", where=where, condition=condition
            )


def effective(specs: tuple[ParamSpec, ...], given: Iterable[Param]) -> dict[str, Value]:
    """Declared parameters with the values that count, defaults included."""
    values = {spec.name: spec.default for spec in specs if spec.default is not None}
    names = {spec.name for spec in specs}
    for param in given:
        if param.name in names:
            default, value = values.get(param.name), param.value
            merged = isinstance(default, Mapping) and isinstance(value, Mapping)
            values[param.name] = {**default, **value} if merged else value  # type: ignore[dict-item]
    return values


def check_usage(
    texts: Iterable[tuple[str, str, bool]], types: Mapping[str, str], where: str, *, inherited: bool = False
) -> None:
    """Every `$(params.x)` names a declared parameter and fits its place.

    `texts` are (path, text, may it hold a whole array); `inherited` leaves unknown names to an outer scope.
    """
    for path, text, lists in texts:
        for variable in references(text):
            if not variable.startswith(("params.", "params[")):
                continue
            name = parameter_of(variable)
            spot = f"{where}: {path}"
            if variable.startswith("params.") and "[" not in variable and variable.count(".") > 2:
                raise InputError(
                    f"Invalid referencing of parameters in {text!r}: only two dot-separated components after "
                    '"params" are allowed',
                    where=spot,
                    solution='Write a name with dots in brackets: $(params["a.b"]).',
                )
            if name is None or name not in types:
                if inherited:
                    continue
                raise InputError(
                    f"non-existent variable in {text!r}: {variable}",
                    where=spot,
                    solution=f"Declare the param {name!r}, or write $$ and a shell variable if it is not a param.",
                )
            _check_fit(variable, name, types[name], text, spot, lists=lists)


def _check_fit(variable: str, name: str, kind: str, text: str, spot: str, *, lists: bool) -> None:
    whole = variable.removesuffix("[*]") in (f"params.{name}", f'params["{name}"]', f"params['{name}']")
    if kind == "string" or not whole:
        return
    if not lists:
        raise InputError(f"variable type invalid in {text!r}: {name!r} is of type {kind}", where=spot)
    if text != f"$({variable})":
        raise InputError(f"variable is not properly isolated in {text!r}", where=spot)
