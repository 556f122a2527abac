"""keys-store: puts a signing key into the cluster, as the Secret that `sign-image` is given.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.errors import BadInputError
from hallmark.gate_report import Check, decide
from hallmark.release import accepted_policies
from hallmark.signing_keys import KEY, PASSWORD, POLICIES, PUBLIC, fingerprint, password, read_public
from hallmark.tools import cosign_keys, kubectl

EXAMPLE = (
    "hallmark keys-store --key=new-key --policies=policies --namespace=hallmark --name=iris-signing-key "
    "--password-file=$XDG_RUNTIME_DIR/password"
)
ANNOTATION = "hallmark.dev/public-key"
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Params:
    key: Path = path("Folder with cosign.key")
    policies: Path = path("File with the digests of the policies that this key may sign for, one a line")
    namespace: str = param("Namespace of the pipelines", default="hallmark")
    name: str = param("Name of the Secret", default="signing-key")
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
    for flag, value in (("namespace", params.namespace), ("name", params.name)):
        if not NAME.fullmatch(value):
            raise BadInputError(f"--{flag}={value} is no name of Kubernetes", solution="give lower case, digits and -")
    accepted = sorted(accepted_policies(params.policies, "the signing key"))
    if not accepted:
        raise BadInputError(
            f"{params.policies} lists no policy, and such a key signs nothing",
            solution="write the digest that `hallmark policy check` prints",
        )
    secret = password(params.password_file)
    private = params.key / KEY
    public = read_public(cosign_keys.public(private, secret), str(private))
    found = fingerprint(public)
    before = kubectl.notes("secret", params.name, params.namespace)
    _replaceable(params, before, found)
    data = {KEY: private.read_bytes(), PUBLIC: public.encode(), PASSWORD: secret.encode()}
    data[POLICIES] = "".join(f"{digest}\n" for digest in accepted).encode()
    kubectl.apply(_secret(params, data, found), params.namespace)
    report = decide(
        "keys-store",
        [Check(name="policy", passed=True, value=digest) for digest in accepted],
        passed=f"the key {found} is in {params.namespace}/{params.name}, for {len(accepted)} policies",
        refused="",
        solution="",
        digests={"public key": found},
    )
    return Outcome(report=report, results=Results(fingerprint=found))


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
