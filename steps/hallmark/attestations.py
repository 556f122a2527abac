"""What is attested about a release beside its verdict, and what each of it must say to be believed.

The provenance and the test result are made from the verdict alone, so that whoever holds a verdict can tell what they
must be; the SBOM and the vulnerability report are what scan-image wrote about the same digest. Predicates:
https://slsa.dev/spec/v1.0/provenance, https://github.com/in-toto/attestation (predicates/test-result.md),
https://cyclonedx.org/bom and cosign's own vulnerability record (specs/COSIGN_VULN_ATTESTATION_SPEC.md).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from hallmark import base_images
from hallmark.documents.policy import Policy
from hallmark.documents.rules_signing import Attestation
from hallmark.errors import BadInputError, HallmarkError
from hallmark.gate_report import Check
from hallmark.image_reference import Image, parse_image
from hallmark.tools.cosign_output import Statement, strict_json
from hallmark.verdict import PREDICATE_TYPE, Verdict

TYPES: Mapping[Attestation, str] = {
    "verdict": PREDICATE_TYPE,
    "provenance": "https://slsa.dev/provenance/v1",
    "tests": "https://in-toto.io/attestation/test-result/v0.1",
    "sbom": "https://cyclonedx.org/bom",
    "vulnerabilities": "https://cosign.sigstore.dev/attestation/vuln/v1",
}
"""The predicate type of each, by the name that the policy has for it."""
ATTESTATIONS = "attestations"
"""The check of sign-image's report that lists what was attested."""
BUILD_TYPE = "https://hallmark.dev/build-types/model-delivery/v1"
SBOM_FILE, VULNERABILITIES_FILE = "sbom.cdx.json", "vulnerabilities.json"
MAXIMUM_BYTES = 32 << 20
"""Of an SBOM or a vulnerability report; cosign reads up to 128 MiB."""
JUDGE = "verify-model"
BASE, OCI_URI = "base-image", "docker://"
"""How the provenance names the image that was built on."""


def provenance(verdict: Verdict, released: str, *, builder: str, base_image: str = "", run: str = "") -> dict[str, Any]:
    """SLSA's provenance v1 of the image: what it was made from, each by digest.

    Args:
        released: the repository that it is released in.
        builder: URI of the platform, from the policy.
        base_image: what the image was built on, by digest; empty where nobody said.
        run: the PipelineRun's name; empty where nobody said.
    """
    base = [_by_digest(BASE, base_image)] if base_image else []
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "repository": verdict.source.repository,
                "commit": verdict.source.commit,
                "candidateImage": verdict.image.repository,
                "releaseImage": released,
                "model": {"name": verdict.model.name, "version": verdict.model.version},
            },
            "resolvedDependencies": [*_dependencies(verdict), *base],
        },
        "runDetails": {"builder": {"id": builder}, **({"metadata": {"invocationId": run}} if run else {})},
    }


def test_result(verdict: Verdict) -> dict[str, Any]:
    """in-toto's test result v0.1: the gates and the judge's checks, with the digest of each gate's report."""
    checks = {f"{JUDGE}: {check.name}": check.passed for check in verdict.checks}
    told = {**{name: gate.passed for name, gate in verdict.gates.items()}, **checks}
    failed = sorted(name for name, passed in told.items() if not passed)
    return {
        "result": "FAILED" if failed or not verdict.passed else "PASSED",
        "configuration": [
            _resource("policy", verdict.policy),
            *(_resource(name, gate.report) for name, gate in sorted(verdict.gates.items())),
        ],
        "passedTests": sorted(name for name, passed in told.items() if passed),
        "warnedTests": [],
        "failedTests": failed,
    }


test_result.__test__ = False  # type: ignore[attr-defined]


def read_predicate(name: str, data: bytes) -> dict[str, Any]:
    """A file that is to be attested. Raises BadInputError where it is no JSON object, or has a key twice."""
    try:
        found = strict_json(data.decode("utf-8"))
    except (HallmarkError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{name} is no JSON in which each key stands once", solution="bind the folder that scan-image wrote"
        ) from error
    if not isinstance(found, dict):
        raise BadInputError(f"{name} holds no JSON object", solution="bind the folder that scan-image wrote")
    return found


def same(kind: Attestation, one: Any, other: Any) -> bool:
    """Whether two predicates say the same; when and by which run is not looked at."""
    return bool(_timeless(kind, one) == _timeless(kind, other))


def predicate_checks(
    kind: Attestation, predicate: Any, verdict: Verdict, image: Image, policy: Policy, places: tuple[str, ...]
) -> list[Check]:
    """Whether a predicate is about what the verdict is about: the facts that an auditor would hold side by side.

    Args:
        places: repositories that the image may have been released in.
    """
    found = predicate if isinstance(predicate, dict) else {}
    if kind == "provenance":
        return _provenance_checks(found, verdict, policy, places)
    if kind == "tests":
        return _test_checks(found, verdict, policy)
    return [_sbom_check(found, verdict, image) if kind == "sbom" else _vulnerabilities_check(found)]


def statement_checks(kind: Attestation, statement: Statement, image: Image, places: tuple[str, ...]) -> list[Check]:
    """Whether a statement is of its kind, about this image, and made where it may have been made."""
    name, elsewhere = _name(kind), [place for place in statement.names if place and normal(place) not in places]
    return [
        _equal(name, statement.predicate_type, TYPES[kind]),
        Check(
            name=f"{name}'s subject",
            passed=bool(statement.digests) and set(statement.digests) == {image.digest},
            value=", ".join(statement.digests[:3]),
            limit=image.digest,
        ),
        Check(
            name=f"{name}'s repository",
            passed=not elsewhere,
            value=", ".join(elsewhere[:3]) or ", ".join(statement.names[:3]) or "not named",
            limit=f"one of {', '.join(places)}",
            detail=RELOCATED if elsewhere else "",
        ),
    ]


RELOCATED = "the image was copied here with its signature; the policy's signing.relocatedFrom may allow that"


def normal(repository: str) -> str:
    """A repository as cosign writes it: Docker Hub by its old name, and its images with their owner."""
    host, _, path = repository.partition("@")[0].partition("/")
    if host in ("docker.io", "index.docker.io"):
        return f"index.docker.io/{path if '/' in path else f'library/{path}'}"
    return f"{host}/{path}"


def places(image: Image, policy: Policy) -> tuple[str, ...]:
    """Where `image` may have been signed: where it is, or what the policy says that it may be copied from."""
    return (normal(image.repository), *(normal(place) for place in policy.signing.relocated_from))


def _dependencies(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "name": "source",
            "uri": f"git+{verdict.source.repository}",
            "digest": {"gitCommit": verdict.source.commit},
        },
        _resource("source-tree", verdict.source.digest),
        _resource("training-data", verdict.data.training),
        _resource("independent-data", verdict.data.independent),
        _resource("model", verdict.model.digest),
        _resource("policy", verdict.policy),
    ]


def _resource(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}


def _by_digest(name: str, image: str) -> dict[str, Any]:
    repository, _, digest = image.partition("@")
    return {**_resource(name, digest), "uri": f"{OCI_URI}{repository}"}


def _provenance_checks(found: dict[str, Any], verdict: Verdict, policy: Policy, places: tuple[str, ...]) -> list[Check]:
    told = _at(found, "buildDefinition", "resolvedDependencies")
    told = told if isinstance(told, list) else []
    wanted = _dependencies(verdict)
    names = [entry.get("name") for entry in told if isinstance(entry, dict)]
    missing = [entry["name"] for entry in wanted if entry not in told or names.count(entry["name"]) != 1]
    released = _at(found, "buildDefinition", "externalParameters", "releaseImage")
    return [
        _equal("provenance's build type", _at(found, "buildDefinition", "buildType"), BUILD_TYPE),
        _equal("provenance's builder", _at(found, "runDetails", "builder", "id"), policy.signing.builder),
        _equal(
            "provenance's commit",
            _at(found, "buildDefinition", "externalParameters", "commit"),
            verdict.source.commit,
        ),
        Check(
            name="provenance's release",
            passed=isinstance(released, str) and normal(released) in places,
            value=str(released),
            limit=f"one of {', '.join(places)}",
        ),
        Check(
            name="provenance's dependencies",
            passed=not missing,
            value=f"other than the verdict's: {', '.join(missing)}" if missing else f"{len(told)}, by digest",
            limit=", ".join(entry["name"] for entry in wanted),
        ),
        *([_base_check(told, policy)] if policy.image.bases else []),
    ]


def _base_check(told: list[Any], policy: Policy) -> Check:
    """Whether the one base image that a provenance tells is one that the policy names."""
    found = [entry for entry in told if isinstance(entry, dict) and entry.get("name") == BASE]
    base = None
    if len(found) == 1:
        reference = str(found[0].get("uri")).removeprefix(OCI_URI)
        with contextlib.suppress(BadInputError):
            base = parse_image(f"{reference}@sha256:{_at(found[0], 'digest', 'sha256')}")
    return replace(base_images.named(policy.image, base), name="provenance's base image")


def _test_checks(found: dict[str, Any], verdict: Verdict, policy: Policy) -> list[Check]:
    passed, failed = ([name for name in _list(found, key) if isinstance(name, str)] for key in _TESTS)
    missing = [gate for gate in policy.required_gates if gate not in passed]
    return [
        _equal("test result", found.get("result"), "PASSED"),
        Check(
            name="test result's gates",
            passed=not missing and not failed and not _list(found, "failedTests"),
            value=", ".join([*(f"{name} failed" for name in failed), *(f"{name} is missing" for name in missing)])
            or f"{len(passed)} passed",
            limit=", ".join(policy.required_gates),
        ),
        Check(
            name="test result's evidence",
            passed=test_result(verdict)["configuration"] == _list(found, "configuration"),
            value=f"{len(_list(found, 'configuration'))} digests",
            limit="policy and reports as the verdict names them",
        ),
    ]


_TESTS = ("passedTests", "failedTests")


def _sbom_check(found: dict[str, Any], verdict: Verdict, image: Image) -> Check:
    """Whether a bill is about `image`, or about the list that it is judged in.

    CycloneDX has no one place for an image's digest: version, purl, bom-ref and hashes are all in use.
    """
    subject = _at(found, "metadata", "component")
    subject = subject if isinstance(subject, dict) else {}
    names = {one.removeprefix("sha256:") for one in (image.digest, verdict.image.digest)}
    hashes = [entry.get("content") for entry in _list(subject, "hashes") if isinstance(entry, dict)]
    named = [subject.get(key) for key in ("version", "purl", "bom-ref")]
    texts = [text for text in named if isinstance(text, str)]
    about = not names.isdisjoint(hashes) or any(name in text for name in names for text in texts)
    whole = found.get("bomFormat") == "CycloneDX" and isinstance(found.get("specVersion"), str)
    listed = len(_list(found, "components"))
    value = "no CycloneDX" if not whole else f"{listed} components" if about else "of another subject"
    return Check(name="sbom's subject", passed=whole and about and listed > 0, value=value, limit=image.digest)


def _vulnerabilities_check(found: dict[str, Any]) -> Check:
    scanner, finished = _at(found, "scanner", "uri"), _at(found, "metadata", "scanFinishedOn")
    good = isinstance(scanner, str) and bool(scanner) and isinstance(_at(found, "scanner", "result"), dict)
    return Check(
        name="vulnerability report",
        passed=good and _is_time(finished),
        value=f"by {scanner} at {finished}",
        limit="a scanner, what it found, and when",
    )


def _is_time(text: Any) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _timeless(kind: Attestation, predicate: Any) -> Any:
    if not isinstance(predicate, dict):
        return predicate
    if kind == "vulnerabilities":
        return {key: value for key, value in predicate.items() if key != "metadata"}
    if kind == "provenance" and isinstance(predicate.get("runDetails"), dict):
        details = {key: value for key, value in predicate["runDetails"].items() if key != "metadata"}
        return {**predicate, "runDetails": details}
    return json.loads(json.dumps(predicate))


def _at(found: Any, *path: str) -> Any:
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _list(found: dict[str, Any], key: str) -> list[Any]:
    value = found.get(key)
    return value if isinstance(value, list) else []


def _name(kind: Attestation) -> str:
    return "attestation" if kind == "verdict" else f"attestation of {kind}"


def _equal(name: str, found: Any, expected: str) -> Check:
    return Check(name=name, passed=found == expected, value=str(found)[:200], limit=f"equal to {expected}")
