"""Whether the model's folder was signed by a key that the policy names, before anything of it is baked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hallmark import left_behind, model_signature
from hallmark.documents.policy import Policy
from hallmark.errors import BadInputError
from hallmark.files import inside, require_digest, sha256_bytes
from hallmark.gate_report import Check
from hallmark.model_signature import METADATA, SIGNATURE, NotVerifiedError

CHECK = "model signature"
MAXIMUM_METADATA_BYTES = 1 << 20
SOLUTION = (
    'start the run with sign-model="true" and the Secret of a key that signing.modelKeys names; if it was signed, find '
    "out what else writes to this run's volume"
)


@dataclass(frozen=True, kw_only=True)
class SignedModel:
    """The gate's answer; `check` is None where the policy asks for no signature."""

    check: Check | None = None
    beside: Mapping[str, bytes] = field(default_factory=dict)
    """What belongs beside the model's file in the image: the signature and what else it is about."""


def look(
    policy: Policy, policy_folder: Path, model: Path, digest: str, file: str, signature: Path | None
) -> SignedModel:
    """Hold the folder `model` against its signature, where the policy names `signing.modelKeys`.

    Args:
        digest: of the model's file, as train handed it over.
        file: that file's name; beside it only training.json may lie.
        signature: the folder with model.sig; None or empty: nothing was signed.

    Raises:
        BadInputError: a key of the policy is none, the folder holds a link or cannot be read, or it changes meanwhile.
    """
    names = policy.signing.model_keys
    if not names:
        return SignedModel()
    keys = {name: inside(policy_folder, name) for name in names}
    if signature is None or not (signature / SIGNATURE).exists():
        return _refused("there is none", names)
    try:
        text = left_behind.read(signature / SIGNATURE, what=SIGNATURE, maximum=model_signature.MAXIMUM_BYTES)
    except BadInputError as error:
        return _refused(error.message, names)
    try:
        verified = model_signature.verify(model, text, keys)
    except NotVerifiedError as error:
        return _refused(str(error), names)
    # The key says that it has seen this folder. Which model is to be baked, and what else may lie there, is the run's.
    if set(verified.files) != {file, METADATA} or verified.files[file] != digest:
        return _refused(f"it is of {', '.join(sorted(verified.files)[:5])} of another model", names)
    metadata = left_behind.read(model / METADATA, what=METADATA, maximum=MAXIMUM_METADATA_BYTES)
    require_digest(METADATA, sha256_bytes(metadata), verified.files[METADATA])
    check = Check(name=CHECK, passed=True, value=f"by {verified.key}, of {file} and {METADATA}", limit=_limit(names))
    return SignedModel(check=check, beside={SIGNATURE: text, METADATA: metadata})


def _refused(why: str, names: list[str]) -> SignedModel:
    return SignedModel(check=Check(name=CHECK, passed=False, value=why, limit=_limit(names)))


def _limit(names: list[str]) -> str:
    return f"every file of the folder, and no other, signed by one of {', '.join(names)}"
