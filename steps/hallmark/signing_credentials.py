"""What sign-image signs with: a key in a folder or a service, or an identity for which Fulcio gives a certificate."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hallmark.documents.policy import Policy
from hallmark.errors import BadInputError
from hallmark.gate_report import Check
from hallmark.key_folder import FULCIO, TOKEN, private_key, text
from hallmark.release import accepted_policies, names_of, public_keys
from hallmark.signatures import signers
from hallmark.signing_keys import POLICIES
from hallmark.tools.cosign import Certified, PrivateKey, Signer, Signing, public_key


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """The signing key's folder, read and opened."""

    private: Signing
    policies: frozenset[str]
    public: str = ""
    """PEM; none of an identity, whose key lives for one signature."""
    accepted: Mapping[str, Signer] = field(default_factory=dict)
    """Whom of the policy's `keyless` an identity may be, as far as its issuer tells."""

    def signers(self, folder: Path) -> dict[str, Signer]:
        """Who this is to those who verify; `folder` keeps the public key for them."""
        if isinstance(self.private, Certified):
            return dict(self.accepted)
        (folder / "cosign.pub").write_text(self.public, encoding="ascii")
        return {"this key": Signer(public_key=folder / "cosign.pub")}


def open_key(folder: Path, policy: Policy, policy_folder: Path) -> SigningKey:
    """What is in `folder`, opened.

    Raises:
        BadInputError: as `key_folder.private_key` and `signing_key`.
        ToolFailedError: as `cosign.public_key`.
    """
    private = private_key(folder)
    return signing_key(folder, policy, policy_folder, None if private is None else (private, public_key(private)))


def signing_key(folder: Path, policy: Policy, policy_folder: Path, opened: tuple[PrivateKey, str] | None) -> SigningKey:
    """What is in `folder`, with the policies that its owner accepts.

    Args:
        opened: the key and its public part; None where it is an identity.

    Raises:
        BadInputError: the list of policies cannot be read, the identity is none, or the policy knows nobody without a
            key.
    """
    policies = accepted_policies(folder / POLICIES, "the signing key")
    if opened is not None:
        return SigningKey(private=opened[0], public=opened[1], policies=policies)
    known = {name: signer for name, signer in signers(policy, policy_folder).items() if signer.issuer}
    private = _certified(folder, known, policy)
    accepted = {name: signer for name, signer in known.items() if signer.issuer == private.issuer}
    return SigningKey(private=private, policies=policies, accepted=accepted)


def key_checks(key: SigningKey, policy: Policy, folder: Path, policy_digest: str) -> list[Check]:
    """Whether the key's owner accepts the policy in `folder`, and the policy the key."""
    if isinstance(key.private, Certified):
        # Whom the certificate names is Fulcio's to say; verify-image asks for the whole identity.
        what, fits = "identity", list(key.accepted)
        value, limit = key.private.issuer, ", ".join(known.issuer for known in policy.signing.keyless)
    else:
        names = public_keys(policy, folder)
        what, fits = "key", names_of(key.public, names)
        value, limit = ", ".join(fits) or "the signing key fits none of them", ", ".join(names)
    return [
        Check(
            name="policy accepted for this key",
            passed=policy_digest in key.policies,
            value=policy_digest,
            limit="listed in `policies` beside the key",
        ),
        Check(name=f"{what} accepted by the policy", passed=bool(fits), value=value, limit=f"one of {limit}"),
    ]


def _certified(folder: Path, known: Mapping[str, Signer], policy: Policy) -> Certified:
    if not known or policy.signing.transparency_log is None:
        raise BadInputError(
            "the signing key's folder has an identity, and the policy accepts none that a log has seen",
            solution="let the policy name signing.keyless and signing.transparencyLog (format: bundle), or sign with a "
            "key",
        )
    return Certified(
        token=(folder / TOKEN).absolute(),
        fulcio=text(folder / FULCIO).strip(),
        issuer=_issuer(folder / TOKEN),
        trusted_root=next(iter(known.values())).trusted_root,
    )


def _issuer(token: Path) -> str:
    """Who issued a token (RFC 7519, section 4.1.1)."""
    try:
        claims = token.read_text(encoding="ascii").strip().split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"])
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{TOKEN} in the signing key's folder is no identity token",
            solution="let its owner put a fresh one there, for the audience that Fulcio wants: kubectl create token",
        ) from error
