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
from hallmark.release import accepted_policies, names_of, public_keys
from hallmark.signatures import signers
from hallmark.signing_keys import KEY, PASSWORD, POLICIES
from hallmark.tools.cosign import KEY_URI, Certified, PrivateKey, Signer, Signing, public_key

URI, TOKEN, FULCIO = "key-uri", "identity-token", "fulcio-url"


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
    """What is in `folder` beside `policies`: a key with its password, a key's URI, or an identity and who certifies it.

    Raises:
        BadInputError: one of them or `policies` is missing, there are several, the URI is of an unknown kind, or the
            policy knows nobody without a key.
        ToolFailedError: the password is not the key's, or the key's service does not answer or let us in.
    """
    kinds = {KEY: [KEY, PASSWORD], URI: [URI], TOKEN: [TOKEN, FULCIO]}
    there = [name for name in kinds if (folder / name).is_file()]
    if len(there) > 1:
        raise BadInputError(
            f"the signing key's folder has {' and '.join(there)}", solution="keep the one that is to sign"
        )
    needed = [*kinds[there[0] if there else KEY], POLICIES]
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise BadInputError(
            f"the signing key's folder has no {' and no '.join(missing)}",
            solution="let the key's owner put cosign.key, cosign.password (or key-uri, or identity-token and "
            "fulcio-url, instead of both) and policies (accepted policy digests, one a line) there",
        )
    policies = accepted_policies(folder / POLICIES, "the signing key")
    if there == [TOKEN]:
        known = {name: signer for name, signer in signers(policy, policy_folder).items() if signer.issuer}
        private = _certified(folder, known, policy)
        accepted = {name: signer for name, signer in known.items() if signer.issuer == private.issuer}
        return SigningKey(private=private, policies=policies, accepted=accepted)
    key = _managed(folder) if there == [URI] else _own(folder)
    return SigningKey(private=key, public=public_key(key), policies=policies)


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
        fulcio=(folder / FULCIO).read_text(encoding="utf-8").strip(),
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


def _own(folder: Path) -> PrivateKey:
    password = (folder / PASSWORD).read_text(encoding="utf-8").rstrip("\r\n")
    return PrivateKey(reference=str(folder / KEY), password=password)


def _managed(folder: Path) -> PrivateKey:
    uri = (folder / URI).read_text(encoding="utf-8").strip()
    if not KEY_URI.fullmatch(uri):
        raise BadInputError(
            f"{URI} in the signing key's folder names no key that cosign knows",
            solution="write k8s://namespace/secret, or a URI that begins with awskms://, gcpkms://, azurekms:// or "
            "hashivault://",
        )
    password = folder / PASSWORD
    return PrivateKey(
        reference=uri, password=password.read_text(encoding="utf-8").rstrip("\r\n") if password.is_file() else ""
    )
