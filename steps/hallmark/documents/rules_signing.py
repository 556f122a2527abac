"""`signing` in policy.yaml: who may have signed a release, in which form, and what has to be attested about it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from hallmark.documents.loading import Document
from hallmark.documents.paths import RepositoryPath
from hallmark.documents.rules_inputs import Digest
from hallmark.documents.tighter import Fewer, FewerOfAll, Fixed, Lower, More

Attestation = Literal["verdict", "provenance", "tests", "sbom", "vulnerabilities"]
Format = Literal["legacy", "bundle", "both"]


class Identity(Document):
    """Who may have signed without a key, by a certificate of sigstore's authority."""

    identity: Fixed[str] = Field(min_length=1, description="The certificate's subject: an address or a URI, whole.")
    issuer: Fixed[str] = Field(pattern=r"^https://\S+$", description="The identity provider that the signer used.")


class TransparencyLog(Document):
    """A log like Rekor, in which everybody can see what was signed, and when."""

    url: Fixed[str] = Field(pattern=r"^https?://\S+$", description="Where the log takes entries (Rekor's v1 API).")
    public_key: Fixed[RepositoryPath] = Field(
        default="rekor.pub", description="The log's public key, beside this policy (PEM, ECDSA on P-256)."
    )


class Signing(Document):
    public_keys: Fewer[list[RepositoryPath]] = Field(
        default=["cosign.pub"],
        description="Keys that may have signed a release, beside this policy (PEM).",
    )
    model_keys: FewerOfAll[list[RepositoryPath]] = Field(
        default=[],
        min_length=1,
        description="Keys that may have signed a model's folder, beside this policy (PEM). build-image then bakes no "
        "model whose signature by one of them does not hold; left out: no signature of a model is asked for.",
    )
    keyless: Fewer[list[Identity]] = Field(
        default_factory=list,
        description="Who may have signed a release without a key. Needs `format: bundle`; for sign-image also "
        "`transparencyLog`.",
    )
    trusted_root: Fixed[RepositoryPath | None] = Field(
        default=None,
        description="For `keyless`: sigstore's trusted_root.json beside this policy; null: cosign fetches it.",
    )
    transparency_log: Fixed[TransparencyLog | None] = Field(
        default=None,
        description="The log that has to hold each signature and attestation of a key; null: none is asked, and "
        "nothing is told to any.",
    )
    format: Fixed[Format] = Field(
        default="legacy",
        description="How cosign keeps signatures and attestations: legacy (tags that OpenShift, podman and Kyverno can "
        "read), bundle (sigstore bundles as referrers), or both.",
    )
    attestations: More[list[Attestation]] = Field(
        default=["verdict", "provenance", "tests"],
        description="What has to be attested about an image before it is deployed; the verdict always is.",
    )
    builder: Fixed[str] = Field(
        default="https://hallmark.dev/builders/tekton/v1",
        pattern=r"^https?://\S+$",
        description="URI of the platform that runs the pipeline, as the provenance names it (SLSA's builder.id).",
    )
    relocated_from: Fewer[list[str]] = Field(
        default_factory=list,
        description="Repositories, without tag, that an image may have been signed in and copied from with its "
        "signature; elsewhere than where it was signed no image is accepted.",
    )
    valid_for: Lower[int | None] = Field(
        default=365,
        ge=1,
        le=36_500,
        description="Days after which a verdict is no longer good for a deployment; null: it is good for ever.",
    )
    trusted_policies: Fewer[list[Digest]] = Field(
        default_factory=list,
        description="Digests of earlier editions of the policy's folder: an image that was judged by one of them may "
        "still be deployed, if its verdict holds what this edition asks.",
    )

    @model_validator(mode="after")
    def _somebody_may_sign(self) -> Self:
        if not self.public_keys and not self.keyless:
            raise ValueError("names nobody who may sign: give publicKeys, or keyless")
        if self.keyless and self.format != "bundle":
            raise ValueError("keyless needs `format: bundle`")
        if shared := set(self.model_keys) & set(self.public_keys):
            raise ValueError(f"{min(shared)} is in publicKeys and modelKeys: a model is signed before it is judged")
        if "verdict" not in self.attestations:
            raise ValueError("attestations must have `verdict`: without it nothing says that the model passed")
        return self
