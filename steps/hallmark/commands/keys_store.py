"""keys-store: puts a signing key into the cluster, as the Secret that `sign-image` is given.

Or, with `--signs=model`, one that signs models' folders, as the Secret that `sign-model` is given: `model.key`,
`model.pub` and `model.password`; what it says of a model no policy has to allow.

The Secret holds the encrypted `cosign.key`, `cosign.pub`, `cosign.password`, and `policies`: the digests of the
policies that the key may sign for. It goes to kubectl through a pipe, is first asked for with a server-side dry run,
and is applied server-side, for kubectl's own way keeps a copy of the data in an annotation. The public key's
fingerprint is an annotation, by which another key that lies there is recognised.

Refuses (bad input) a password that does not open the key, an empty list of policies, and to replace another key unless
it is told to: what that one has signed may still be live.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hallmark import model_keys
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.errors import BadInputError
from hallmark.gate_report import Check, decide
from hallmark.release import accepted_policies
from hallmark.signing_keys import (
    KEY,
    MODEL_KEY,
    MODEL_PASSWORD,
    MODEL_PUBLIC,
    PASSWORD,
    POLICIES,
    PUBLIC,
    RELEASE,
    fingerprint,
    password,
    read_public,
    signs_models,
)
from hallmark.tools import cosign_keys, kubectl

EXAMPLE = (
    "hallmark keys-store --key=new-key --policies=policies --namespace=hallmark --name=iris-signing-key "
    "--password-file=$XDG_RUNTIME_DIR/password"
)
ANNOTATION = "hallmark.dev/public-key"
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Params:
    key: Path = path("Folder with cosign.key, or model.key")
    signs: str = param("What the key signs: release or model", default=RELEASE)
    policies: Path | None = path(
        "File with the digests of the policies that a key of releases may sign for, one a line", default=None
    )
    namespace: str = param("Namespace of the pipelines", default="hallmark")
    name: str = param("Name of the Secret; left out: signing-key, or model-key", default="")
    replace: bool = param('"true": also where another key lies there', default=False)
    password_file: Path | None = path("File in memory with the password; left out: $COSIGN_PASSWORD", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    fingerprint: str | None = result("SHA-256 of the public key's DER bytes")


def run(params: Params, context: Context) -> Outcome:
    """Open the key, look what lies there, and store it.

    Raises:
        BadInputError: as the module says.
        ToolFailedError: the key cannot be opened, or the cluster does not take it.
    """
    model = signs_models(params.signs)
    params = replace(params, name=params.name or ("model-key" if model else "signing-key"))
    for flag, value in (("namespace", params.namespace), ("name", params.name)):
        if not NAME.fullmatch(value):
            raise BadInputError(f"--{flag}={value} is no name of Kubernetes", solution="give lower case, digits and -")
    accepted = [] if model else _accepted(params.policies)
    secret = password(params.password_file)
    data, public = _model_key(params, secret) if model else _release_key(params, secret, accepted)
    found = fingerprint(public)
    before = kubectl.notes("secret", params.name, params.namespace)
    _replaceable(params, before, found)
    kubectl.apply(_secret(params, data, found), params.namespace)
    report = decide(
        "keys-store",
        [Check(name="policy", passed=True, value=digest) for digest in accepted]
        or [Check(name="signs", passed=True, value="models' folders")],
        passed=f"the key {found} is in {params.namespace}/{params.name}, for "
        + ("models" if model else f"{len(accepted)} policies"),
        refused="",
        solution="",
        digests={"public key": found},
    )
    return Outcome(report=report, results=Results(fingerprint=found))


def _accepted(policies: Path | None) -> list[str]:
    """What a key of releases may sign for."""
    if policies is None:
        raise BadInputError("--policies is missing", solution="give the file with the digests of accepted policies")
    accepted = sorted(accepted_policies(policies, "the signing key"))
    if not accepted:
        raise BadInputError(
            f"{policies} lists no policy, and such a key signs nothing",
            solution="write the digest that `hallmark policy check` prints",
        )
    return accepted


def _release_key(params: Params, secret: str, accepted: list[str]) -> tuple[dict[str, bytes], str]:
    """The Secret's data, and the public key."""
    private = params.key / KEY
    public = read_public(cosign_keys.public(private, secret), str(private))
    listed = "".join(f"{digest}\n" for digest in accepted).encode()
    return {
        KEY: private.read_bytes(),
        PUBLIC: public.encode(),
        PASSWORD: secret.encode(),
        POLICIES: listed,
    }, public


def _model_key(params: Params, secret: str) -> tuple[dict[str, bytes], str]:
    """The same of a key that signs models' folders."""
    if params.policies is not None:
        raise BadInputError("--policies says nothing of a key of models", solution="leave it out")
    private = params.key / MODEL_KEY
    public = model_keys.public(private, secret)
    return {MODEL_KEY: private.read_bytes(), MODEL_PUBLIC: public.encode(), MODEL_PASSWORD: secret.encode()}, public


def _replaceable(params: Params, before: dict[str, str] | None, found: str) -> None:
    if before is None or before.get(ANNOTATION) == found or params.replace:
        return
    raise BadInputError(
        f"another key lies in {params.namespace}/{params.name}: {before.get(ANNOTATION, 'nobody said which')}",
        solution="rotate it with `hallmark keys rotate`, sign again what is live, then store the new one with "
        "--replace=true",
    )


def _secret(params: Params, data: dict[str, bytes], found: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": params.name, "namespace": params.namespace, "annotations": {ANNOTATION: found}},
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
