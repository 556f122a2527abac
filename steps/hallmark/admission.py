"""What a policy asks of a verdict, as Rego and as CUE: for `cosign verify-attestation --policy` and admission
controllers that run without Hallmark. `hallmark.release` is the same list as Python; tests hold all three against the
same verdicts.

Both read the in-toto statement that cosign hands over as `input` (Rego) or the root (CUE). CUE takes a value that is
missing for the one that is asked for, unless its key is marked as required (`!`), so every key is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from hallmark.documents.policy import Policy
from hallmark.documents.rules_model import AT_MOST, AtLeast, Champion, Limit
from hallmark.release import CHAMPION
from hallmark.verdict import CLOCK_SKEW, PREDICATE_TYPE

API_VERSION, KIND = "hallmark.dev/v1alpha1", "Verdict"


COSIGN, CONTROLLER = ("signature", "allow"), ("sigstore", "isCompliant")
"""The package and the rule that `cosign --policy` and sigstore's policy-controller ask Rego for (cosign's
pkg/cosign/rego/rego.go)."""


def rego(policy: Policy, policy_digest: str, asks: tuple[str, str] = COSIGN) -> str:
    """The policy as Rego of OPA 0.59 and later, for who `asks`."""
    package, rule = asks
    rules = policy.model.champion
    asked = [
        f"input.predicateType == {_text(PREDICATE_TYPE)}",
        "some subject in input.subject",
        'concat(":", ["sha256", subject.digest.sha256]) in ({verdict.image.digest} | {one | some one in platforms})',
        *_rego_platforms(policy),
        f"verdict.apiVersion == {_text(API_VERSION)}",
        f"verdict.kind == {_text(KIND)}",
        "verdict.passed == true",
        "count(verdict.checks) > 0",
        "every check in verdict.checks { check.passed == true }",
        *(
            f"some check{number} in verdict.checks\n\tcheck{number}.name == {_text(name)}"
            for number, name in enumerate(required_checks(policy))
        ),
        f"verdict.policy in {_set(accepted(policy, policy_digest))}",
        f"verdict.model.name == {_text(policy.metadata.name)}",
        *([f"verdict.source.repository in {_set(policy.source.repositories)}"] if policy.source.repositories else []),
        f"every gate in {_set(policy.required_gates)} {{ verdict.gates[gate].passed == true }}",
        # Rego orders values of all types: any text is more than any number, and null is less.
        "is_number(verdict.data.rows)",
        f"verdict.data.rows >= {policy.model.minimum_rows}",
        "is_number(verdict.data.overlap)",
        f"verdict.data.overlap <= {_number(policy.data.maximum_overlap)}",
        *(line for name, limit in policy.model.metrics.limits.items() for line in _rego_metric(name, limit)),
        *([] if rules is None else [*_rego_champion(rules), "champion_holds"]),
        "judged := time.parse_rfc3339_ns(verdict.judgedAt)",
        f"judged <= time.now_ns() + {_nanoseconds(CLOCK_SKEW)}",
    ]
    if policy.signing.valid_for is not None:
        asked.append(f"time.now_ns() - judged < {_nanoseconds(timedelta(days=policy.signing.valid_for))}")
    body = "\n".join(f"\t{line}" for line in asked)
    return (
        f"# Written by `hallmark policy admission` from the policy {policy_digest}.\n"
        f"package {package}\n\nimport rego.v1\n\n"
        "verdict := input.predicate\n\n"
        'platforms := object.get(verdict.image, "platforms", {})\n\n'
        f"default {rule} := false\n\n{rule} if {{\n{body}\n}}\n" + ("" if rules is None else _rego_holds(rules))
    )


def cue(policy: Policy, policy_digest: str, now: datetime) -> str:
    """The policy as CUE of 0.6 and later. CUE has no clock: it refuses what had expired at `now`, and no more."""
    days = policy.signing.valid_for
    judged = [] if days is None else [f">{_text(_time(now - timedelta(days=days)))}"]
    wanted: dict[str, Any] = {
        "predicateType": _text(PREDICATE_TYPE),
        "predicate": {
            "apiVersion": _text(API_VERSION),
            "kind": _text(KIND),
            "passed": "true",
            "checks": _cue_checks(required_checks(policy)),
            "judgedAt": " & ".join(["string", '=~"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"', *judged]),
            "policy": " | ".join(map(_text, accepted(policy, policy_digest))),
            "model": {"name": _text(policy.metadata.name)},
            "gates": {gate: {"passed": "true"} for gate in policy.required_gates},
            "data": {
                "rows": f">={policy.model.minimum_rows}",
                "overlap": f"<={_number(policy.data.maximum_overlap)}",
            },
            "metrics": {name: _cue_metric(limit) for name, limit in policy.model.metrics.limits.items()},
        },
    }
    if policy.model.champion is not None:
        wanted["predicate"]["champion"] = _cue_champion(policy.model.champion)
    if policy.source.repositories:
        wanted["predicate"]["source"] = {"repository": " | ".join(map(_text, policy.source.repositories))}
    head = [
        f"// Written by `hallmark policy admission` from the policy {policy_digest} at {_time(now)}.",
        "// CUE has no clock and is not asked to compare two values of a verdict: make this file anew every month, and",
        "// prefer verdict.rego, which tells the age at the time of asking, holds the image against the subject, and a",
        "// list's platforms against the one that was tested.",
    ]
    imports = ['import "list"', ""] if required_checks(policy) else []
    return "\n".join([*head, "", *imports, *_cue(wanted, 0)]) + "\n"


def required_checks(policy: Policy) -> list[str]:
    """Names of checks that a verdict must have, for the policy asks for what they are about."""
    return [CHAMPION] if policy.model.champion is not None else []


def _rego_platforms(policy: Policy) -> Iterator[str]:
    """As `hallmark.platforms.untested`: a name and a slash begin with the other's where it stands for it."""
    allowed = _set(policy.image.untested_platforms) if policy.image.untested_platforms else "set()"
    covered = 'startswith(concat("", [name, "/"]), concat("", [one, "/"]))'
    yield 'tested := {one | one := object.get(verdict.image, "tested", null); is_string(one)}'
    yield f"ran := {{name | some name, _ in platforms; some one in tested; {covered}}}"
    yield f"known := {allowed} | {{one | some one in tested; count(ran) == 1}}"
    yield f"every name, _ in platforms {{ count(ran) > 0; some one in known; {covered} }}"


def _rego_metric(name: str, limit: Limit) -> Iterator[str]:
    at = f"verdict.metrics[{_text(name)}]"
    end = "value" if limit.decide == "estimate" else "low" if isinstance(limit, AtLeast) else "high"
    yield from (f"is_number({at}.{key})" for key in ("value", "low", "high"))
    if isinstance(limit, AtLeast):
        yield f"{at}.{end} >= {_number(limit.minimum)}"
    else:
        yield f"{at}.{end} <= {_number(limit.maximum)}"
    if limit.precision is not None:
        yield f"({at}.high - {at}.low) / 2 <= {_number(limit.precision)}"


def _rego_champion(rules: Champion) -> Iterator[str]:
    places = ", ".join(json.dumps(place.model_dump(), ensure_ascii=False) for place in rules.production)
    yield "verdict.champion.passed == true"
    yield f"verdict.champion.production in {{{places}}}"


def _rego_holds(rules: Champion) -> str:
    """`champion_holds`, a rule of several bodies: one of them has to be true, as `hallmark.release` asks one by one."""
    at = "verdict.champion"
    there = f"is_string({at}.image)"
    compared = [there, f"{at}.metric == {_text(rules.metric)}", f"{at}.rule == {_text(rules.rule)}"]
    if rules.rule == "ratio":
        compared += [f"is_number({at}.{key})" for key in ("candidate", "champion")]
        more = f"{_number(rules.ratio - 1)} * abs({at}.champion)"
        compared.append(
            f"{at}.candidate <= {at}.champion / {_number(rules.ratio)}"
            if rules.metric in AT_MOST
            else f"{at}.candidate >= {at}.champion + {more}"
        )
    else:
        compared += [f"is_number({at}.{key})" for key in ("margin", "p")]
        compared += [f"{at}.margin <= {_number(rules.margin or 0)}", f"{at}.p < {_number(rules.alpha)}"]
    bodies = [compared, [there, f"{at}.model == verdict.model.digest"]]
    if rules.first == "allow":
        bodies.append([f'object.get({at}, "image", null) == null'])
    return "".join("\nchampion_holds if {\n" + "\n".join(f"\t{line}" for line in body) + "\n}\n" for body in bodies)


def _cue_champion(rules: Champion) -> str:
    """What the verdict itself says that was asked: of its figures no two are compared."""
    places = " | ".join(_cue_struct({k: _text(v) for k, v in place.model_dump().items()}) for place in rules.production)
    compared = {"image": "string", "metric": _text(rules.metric), "rule": _text(rules.rule)}
    if rules.rule == "ratio":
        compared["ratio"] = f">={_number(rules.ratio)}"
    else:
        compared["margin"] = f"<={_number(rules.margin or 0)}"
    ways = [_cue_struct(compared), *([_cue_struct({"image": "null"})] if rules.first == "allow" else [])]
    return f"{_cue_struct({'passed': 'true', 'production': f'({places})'})} & ({' | '.join(ways)})"


def _cue_struct(fields: dict[str, str]) -> str:
    """An open struct on one line, each of its fields required."""
    return "{" + ", ".join(f"{_text(key)}!: {value}" for key, value in fields.items()) + ", ...}"


def _cue_metric(limit: Limit) -> dict[str, str]:
    end = "value" if limit.decide == "estimate" else "low" if isinstance(limit, AtLeast) else "high"
    asked = f">={_number(limit.minimum)}" if isinstance(limit, AtLeast) else f"<={_number(limit.maximum)}"
    return {end: asked}


def _cue_checks(required: list[str]) -> str:
    """An open list would be counted before the verdict's is known, so with MatchN nothing but validators may stand."""
    if not required:
        return "[{passed!: true}, ...{passed!: true}]"
    there = (f"list.MatchN(>0, {{name!: {_text(name)}, passed!: true, ...}})" for name in required)
    return " & ".join([*there, "list.MatchN(0, {passed!: false, ...})"])


def _cue(wanted: dict[str, Any], depth: int) -> Iterator[str]:
    """Fields of a struct, each required."""
    for key, value in wanted.items():
        head = f"{chr(9) * depth}{_text(key)}!: "
        if isinstance(value, dict):
            yield f"{head}{{"
            yield from _cue(value, depth + 1)
            yield f"{chr(9) * depth}}}"
        else:
            yield f"{head}{value}"


def accepted(policy: Policy, policy_digest: str) -> list[str]:
    """The digests of the policies that a verdict may be by: this edition first."""
    return [policy_digest, *policy.signing.trusted_policies]


def _text(value: str) -> str:
    """A string literal: JSON's is one of Rego and of CUE, which knows no pairs of surrogates."""
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    return json.dumps(value)


def _set(values: list[Any]) -> str:
    return f"{{{', '.join(_text(value) for value in values)}}}"


def _nanoseconds(time: timedelta) -> int:
    return int(time.total_seconds()) * 10**9


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
