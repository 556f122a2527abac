"""A policy as manifests for those who admit images to a cluster: OpenShift, sigstore's policy-controller and Kyverno.

All of them refuse what the policy's keys have not signed, and a signature exists only for a passing verdict. OpenShift
reads no more than that. The others also ask the verdict (policy-controller by the same Rego as cosign, Kyverno by
conditions, which say less), and that what the policy wants attested beside it is there.

Sources: the CRDs of openshift/api, policy-controller 0.13 and Kyverno 1.19; what each of them can verify, their code.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import yaml

from hallmark.admission import CONTROLLER, accepted, rego, required_checks
from hallmark.attestations import TYPES
from hallmark.documents.policy import Policy
from hallmark.documents.rules_model import AtLeast, Limit
from hallmark.errors import BadInputError
from hallmark.files import sha256_bytes
from hallmark.verdict import PREDICATE_TYPE

Kind = Literal["clusterimagepolicy", "policy-controller", "kyverno"]
KINDS: tuple[Kind, ...] = get_args(Kind)
POLICY_ANNOTATION = "hallmark.dev/policy-digest"
MAXIMUM_NAME = 63
"""Kyverno's limit; the other two take longer names."""


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """What is admitted, and by whose rules."""

    policy: Policy
    policy_digest: str
    repository: str
    """The released images' repository; no tag and no digest."""
    keys: dict[str, str]
    """Public keys (PEM) by the policy's name for each; one of them is enough."""
    log_key: str = ""
    """Of the transparency log (PEM), where the policy names one."""

    @property
    def metadata(self) -> dict[str, Any]:
        name = f"hallmark-{self.policy.metadata.name}"
        if len(name) > MAXIMUM_NAME:
            # Two long names must not become one.
            name = f"{name[: MAXIMUM_NAME - 9].rstrip('-.')}-{sha256_bytes(name.encode()).removeprefix('sha256:')[:8]}"
        return {"name": name, "annotations": {POLICY_ANNOTATION: self.policy_digest}}


CANNOT_READ: dict[Kind, str] = {
    "clusterimagepolicy": "CRI-O looks for the legacy `.sig` tag only (containers/container-libs#388)",
    "policy-controller": "with bundles, policy-controller wants keyless signatures: `when using the new bundle format, "
    "the authority must be keyless` (sigstore/policy-controller#1958)",
    "kyverno": "Kyverno's SigstoreBundle does not use a given key (kyverno/kyverno#16267), and its "
    "ImageValidatingPolicy takes any bundle of the key, an SBOM's too, for the signature",
}
"""Why a verifier cannot be given an image that carries nothing but sigstore bundles signed with a key."""


def manifest(kind: Kind, admitted: Admitted) -> str:
    """The manifest as YAML. Raises BadInputError: the verifier cannot read the policy's format, or take its keys."""
    if admitted.policy.signing.format == "bundle":
        raise BadInputError(
            f"{kind} cannot verify images that are signed as bundles only: {CANNOT_READ[kind]}",
            solution="have the policy say `signing: {format: legacy}` or `both`, and sign the live images again",
        )
    head = f"# Written by `hallmark policy admission` from the policy {admitted.policy_digest}.\n"
    return head + yaml.dump(MAKERS[kind](admitted), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


def cluster_image_policy(admitted: Admitted) -> dict[str, Any]:
    """OpenShift's own policy, which CRI-O holds; it has one key, and knows no attestations."""
    if len(admitted.keys) != 1:
        raise BadInputError(
            f"OpenShift's ClusterImagePolicy takes one key, and the policy names {', '.join(admitted.keys)}",
            solution="say which with --key; while a key is rotated that is the old one until all live images are "
            "signed with the new one",
        )
    host = admitted.repository.split("/")[0]
    if "." not in host and host.partition(":")[0] != "localhost":
        raise BadInputError(
            f"OpenShift takes no scope on the host {host}", solution="name the registry by its domain, with a dot"
        )
    (pem,), log = admitted.keys.values(), admitted.log_key.strip()
    return {
        "apiVersion": "config.openshift.io/v1",
        "kind": "ClusterImagePolicy",
        "metadata": admitted.metadata,
        "spec": {
            "scopes": [admitted.repository],
            "policy": {
                "rootOfTrust": {
                    "policyType": "PublicKey",
                    "publicKey": {
                        "keyData": base64.b64encode(pem.strip().encode()).decode(),
                        **({"rekorKeyData": base64.b64encode(log.encode()).decode()} if log else {}),
                    },
                },
                # Of an image by digest the repository has to be the signed one; one by tag is never admitted.
                "signedIdentity": {"matchPolicy": "MatchRepoDigestOrExact"},
            },
        },
    }


def policy_controller(admitted: Admitted) -> dict[str, Any]:
    """sigstore's ClusterImagePolicy: for each key an authority that asks for the signature and one for the verdict.

    One authority that fits is enough for policy-controller, so a policy above them asks for one of each. It is not
    told of a transparency log: one of one's own takes a TrustRoot, which is the platform's. verify-image asks the log.
    """
    verdict = rego(admitted.policy, admitted.policy_digest, CONTROLLER).expandtabs(2)
    authorities: list[dict[str, Any]] = []
    signed: list[str] = []
    judged: list[str] = []
    for number, pem in enumerate(admitted.keys.values()):
        key = {"data": pem.strip() + "\n", "hashAlgorithm": "sha256"}
        signed.append(f"signature-{number}")
        judged.append(f"verdict-{number}")
        asked = {"name": "verdict", "predicateType": PREDICATE_TYPE, "policy": {"type": "rego", "data": verdict}}
        beside = [{"name": name, "predicateType": kind} for name, kind in _beside(admitted.policy).items()]
        authorities.append({"name": signed[-1], "key": key})
        # All of an authority's attestations have to be there.
        authorities.append({"name": judged[-1], "key": key, "attestations": [asked, *beside]})
    both = "\n".join(
        [
            "package sigstore",
            "",
            "import rego.v1",
            "",
            "default isCompliant := false",
            "",
            "isCompliant if {",
            f"  some signed in {_set(signed)}",
            "  count(input.authorityMatches[signed].signatures) > 0",
            f"  some judged in {_set(judged)}",
            "  count(input.authorityMatches[judged].attestations.verdict) > 0",
            "}",
            "",
        ]
    )
    return {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": admitted.metadata,
        "spec": {
            "mode": "enforce",
            "images": [{"glob": f"{admitted.repository}@*"}, {"glob": f"{admitted.repository}:**"}],
            "authorities": authorities,
            "policy": {"type": "rego", "data": both},
        },
    }


def kyverno(admitted: Admitted) -> dict[str, Any]:
    """Kyverno's ClusterPolicy. Its newer ImageValidatingPolicy verifies no attestation without a transparency log."""
    log = admitted.policy.signing.transparency_log
    logged = {"url": log.url, "pubkey": admitted.log_key.strip() + "\n"} if log else {"ignoreTlog": True}
    logs = {"rekor": logged, "ctlog": {"ignoreSCT": True}}
    entries = [{"keys": {"publicKeys": pem.strip() + "\n", **logs}} for pem in admitted.keys.values()]
    attestors = [{"count": 1, "entries": entries}]
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": admitted.metadata,
        "spec": {
            "background": False,
            "webhookConfiguration": {"failurePolicy": "Fail", "timeoutSeconds": 30},
            "rules": [
                {
                    "name": "signed-and-judged",
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "verifyImages": [
                        {
                            "type": "Cosign",
                            "imageReferences": [f"{admitted.repository}@*", f"{admitted.repository}:*"],
                            "failureAction": "Enforce",
                            "required": True,
                            "mutateDigest": True,
                            "verifyDigest": True,
                            # A verdict can expire while the answer is remembered.
                            "useCache": False,
                            "attestors": attestors,
                            "attestations": [
                                {
                                    "name": "verdict",
                                    "type": PREDICATE_TYPE,
                                    "attestors": attestors,
                                    "conditions": [{"all": list(_conditions(admitted))}],
                                },
                                *(
                                    {"name": name, "type": kind, "attestors": attestors}
                                    for name, kind in _beside(admitted.policy).items()
                                ),
                            ],
                        }
                    ],
                }
            ],
        },
    }


def _beside(policy: Policy) -> dict[str, str]:
    """The types of what has to be attested beside the verdict; only that it is there can be asked here."""
    return {kind: TYPES[kind] for kind in policy.signing.attestations if kind != "verdict"}


def _conditions(admitted: Admitted) -> Iterator[dict[str, Any]]:
    """What the verdict has to say, as JMESPath that has to be true.

    Kyverno's own operators take text for numbers, and an asterisk in the verdict for anything. JMESPath compares
    exactly, orders numbers only, and gives null for what is missing, which Kyverno takes for an error. Left to Rego and
    to verify-image: an interval's width, whether the time is one to come, and the image that the verdict names with its
    platforms.
    """
    policy = admitted.policy

    def asked(expression: str, message: str) -> dict[str, Any]:
        return {"key": f"{{{{ {expression} }}}}", "operator": "Equals", "value": True, "message": message}

    yield asked("passed", "the verdict is a refusal")
    yield asked(f"model.name == {_literal(policy.metadata.name)}", "the verdict is about another model")
    editions = _literal(accepted(policy, admitted.policy_digest))
    yield asked(f"contains({editions}, policy)", "the verdict is by another policy")
    yield asked("length(checks) > `0`", "the verdict has no checks")
    yield asked("length(checks[?passed != `true`]) == `0`", "the verdict has a check that failed")
    for name in required_checks(policy):
        yield asked(f"length(checks[?name == {_literal(name)}]) > `0`", f"the verdict has no check {name}")
    for gate in policy.required_gates:
        yield asked(f'gates."{gate}".passed', f"the gate {gate} has not passed")
    if policy.source.repositories:
        urls = _literal(policy.source.repositories)
        yield asked(f"contains({urls}, source.repository)", "the source is another repository")
    yield asked(f"data.rows >= {_literal(policy.model.minimum_rows)}", "judged on too few rows")
    yield asked(f"data.overlap <= {_literal(policy.data.maximum_overlap)}", "too many rows were trained on")
    for name, limit in policy.model.metrics.limits.items():
        yield asked(_metric(name, limit), f"{name} misses the policy's limit")
    if policy.signing.valid_for is not None:
        age = {"key": "{{ time_since('', judgedAt, '') }}", "operator": "LessThan"}
        yield {**age, "value": f"{policy.signing.valid_for * 24}h", "message": "the verdict has expired"}


def _metric(name: str, limit: Limit) -> str:
    end = "value" if limit.decide == "estimate" else "low" if isinstance(limit, AtLeast) else "high"
    if isinstance(limit, AtLeast):
        return f'metrics."{name}".{end} >= {_literal(limit.minimum)}'
    return f'metrics."{name}".{end} <= {_literal(limit.maximum)}'


def _literal(value: Any) -> str:
    """A JSON literal of JMESPath; braces, which would end Kyverno's variable, and backticks by their numbers."""
    text = json.dumps(value)
    if not isinstance(value, (int, float)):
        text = text.replace("`", "\\u0060")
        # JSON's own brackets of a list are square, so that every brace here stands in a text.
        text = text.replace("{", "\\u007b").replace("}", "\\u007d")
    return f"`{text}`"


def _set(names: list[str]) -> str:
    return "{" + ", ".join(f'"{name}"' for name in names) + "}"


MAKERS: dict[Kind, Callable[[Admitted], dict[str, Any]]] = {
    "clusterimagepolicy": cluster_image_policy,
    "policy-controller": policy_controller,
    "kyverno": kyverno,
}


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as people write them, and nothing by reference to something above."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
