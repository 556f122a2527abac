"""cosign(1) 2.4 to 3.x: signs and attests by digest, and tells what fits a key; legacy format or sigstore bundles.

Only that a signature fits is left to cosign. What was signed is read here, from its JSON: cosign 3 accepts any bundle
of the key as a signature, whatever it says (security-profiles-operator#3449), so its exit code alone proves too little.
Which of the two formats is read is always told to cosign 3; cosign 2.6 reads bundles as soon as there is one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hallmark import process, registry_calls
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import write_text
from hallmark.image_reference import Image
from hallmark.registry_auth import require_plain_http, require_tls_kept
from hallmark.tools.cosign_output import Written, parse_signatures, parse_statements

Format = Literal["legacy", "bundle", "both"]
Version = tuple[int, int]
"""cosign's, as far as its flags depend on it."""
VERSION = re.compile(r"v?(\d+)\.(\d+)\.\d+")
OLDEST, NEWEST, BUNDLES = (2, 4), (3, 999), (2, 6)
LONG_AGO = "1970-01-01T00:00:00Z"
ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"

MANAGED: Mapping[str, tuple[str, ...]] = {
    "k8s": ("KUBECONFIG", "KUBERNETES_"),
    "awskms": ("AWS_",),
    "gcpkms": ("GOOGLE_", "CLOUDSDK_"),
    "azurekms": ("AZURE_",),
    "hashivault": ("VAULT_", "TRANSIT_SECRET_ENGINE_PATH"),
}
"""Where a key may be kept that is no file, and how the environment variables begin by which cosign gets there."""
KEY_URI = re.compile(rf"({'|'.join(MANAGED)})://[^\s\x00-\x1f]+")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What fits a key: signatures or statements. Empty with cosign's `words` where nothing fits."""

    found: tuple[Any, ...] = ()
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Who may have signed: the owner of a public key, or with a certificate, whom it names."""

    public_key: Path | None = None
    identity: str = ""
    issuer: str = ""
    trusted_root: Path | None = None
    """sigstore's trusted_root.json, for a certificate; None: cosign fetches the public one."""


@dataclass(frozen=True, kw_only=True)
class Log:
    """A transparency log that holds what keys have signed (Rekor's v1 API)."""

    url: str
    public_key: Path
    """PEM, of ECDSA on P-256."""


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """A key to sign with: an encrypted file and its password, or the URI of a key that never leaves its place."""

    reference: str
    password: str = field(default="", repr=False)

    @property
    def env(self) -> dict[str, str]:
        """What cosign gets in its environment, so that nothing secret stands on a command line."""
        begins = MANAGED.get(self.reference.partition("://")[0], ())
        passed = {name: value for name, value in os.environ.items() if begins and name.startswith(begins)}
        return {**passed, "COSIGN_PASSWORD": self.password}

    @property
    def flags(self) -> list[str]:
        return [f"--key={self.reference}"]


@dataclass(frozen=True, kw_only=True)
class Certified:
    """No key: who a token says that we are, for which Fulcio gives a certificate that is good for some minutes."""

    token: Path
    fulcio: str
    issuer: str
    """The token's, not yet believed by anybody."""
    trusted_root: Path | None = None

    @property
    def env(self) -> dict[str, str]:
        """Nothing: the token is a file."""
        return {}

    @property
    def flags(self) -> list[str]:
        # Where no log of certificates is trusted, none has to have seen this one.
        unseen = ["--insecure-skip-verify=true"] if _trusts_no_certificate_log(self.trusted_root) else []
        return [f"--identity-token={self.token}", f"--fulcio-url={self.fulcio}", *unseen]


Signing = PrivateKey | Certified
"""What there is to sign with."""


@dataclass(frozen=True, kw_only=True)
class Cosign:
    """Runs cosign on one registry; made by :func:`cosign`."""

    authfile: Path
    """docker's `config.json`, in a folder of its own."""
    tls_verify: bool
    version: Version
    written: tuple[Written, ...] = ("legacy",)
    """The formats to write, in this order."""
    log: Log | None = None
    """What has to hold every signature of a key; None: no log is told or asked."""

    @property
    def read(self) -> tuple[Written, ...]:
        """The formats to read. cosign 2 cannot be kept from reading bundles where there are any; as they are written
        last, whoever finds them knows that the rest was written too."""
        return self.written if self.version >= (3, 0) else self.written[-1:]

    def signatures(self, image: Image, signer: Signer, kept: Written) -> Answer:
        """The signatures of `image` by `signer` in one format, as :class:`Signed`."""
        done = self._ask(["cosign", "verify", *self._verify(signer, kept), "--output=json", str(image)], signer)
        if done.exit_code != 0:
            return Answer(words=_error(done, kept))
        return Answer(found=tuple(parse_signatures(done.stdout, kept)))

    def statements(self, image: Image, signer: Signer, predicate_type: str, kept: Written) -> Answer:
        """The statements about `image` of that type by `signer`, as :class:`Statement`."""
        argv = ["cosign", "verify-attestation", *self._verify(signer, kept), f"--type={predicate_type}", str(image)]
        done = self._ask(argv, signer)
        if done.exit_code != 0:
            return Answer(words=_error(done, kept))
        return Answer(found=tuple(parse_statements(done.stdout)))

    def sign(self, image: Image, key: Signing, kept: Written) -> None:
        """Sign the digest of `image`. Raises ToolFailedError where the key or the registry does not let us."""
        self._run(["cosign", "sign", *self._write(key, kept), str(image)], env={**self._log_key, **key.env})

    def attest(self, image: Image, key: Signing, predicate: Path, predicate_type: str, kept: Written) -> None:
        """Attach the JSON file `predicate` to `image` as a signed statement. Raises ToolFailedError as `sign` does."""
        what = [f"--predicate={predicate}", f"--type={predicate_type}"]
        self._run(["cosign", "attest", *self._write(key, kept), *what, str(image)], env={**self._log_key, **key.env})

    def _verify(self, signer: Signer, kept: Written) -> list[str]:
        if signer.public_key is None:
            root = [] if signer.trusted_root is None else [f"--trusted-root={signer.trusted_root}"]
            root += ["--insecure-ignore-sct=true"] if _trusts_no_certificate_log(signer.trusted_root) else []
            who = [f"--certificate-identity={signer.identity}", f"--certificate-oidc-issuer={signer.issuer}", *root]
        else:
            # The entry lies beside the signature, with the log's promise: nobody has to be asked for it.
            who = [f"--key={signer.public_key}", "--offline=true" if self.log else "--insecure-ignore-tlog=true"]
            if kept == "bundle" and (self.log or self.version < (3, 0)):
                file = self.authfile.with_name("trusted_root.json")
                write_text(file, trusted_root(self.log))
                who.append(f"--trusted-root={file}")
        return [*who, *self._format(kept), *self._insecure()]

    def _write(self, key: Signing, kept: Written) -> list[str]:
        modern = ["--use-signing-config=false"] if self.version >= (3, 0) else []
        return [
            *key.flags,
            *(["--tlog-upload=false"] if self.log is None else ["--tlog-upload=true", f"--rekor-url={self.log.url}"]),
            "--yes",
            *modern,
            *self._format(kept),
            *self._insecure(),
        ]

    def _format(self, kept: Written) -> list[str]:
        return [] if self.version < BUNDLES else [f"--new-bundle-format={str(kept == 'bundle').lower()}"]

    def _insecure(self) -> list[str]:
        return [] if self.tls_verify else ["--allow-insecure-registry", "--allow-http-registry"]

    def _ask(self, argv: Sequence[str], signer: Signer) -> process.Completed:
        return self._run(argv, env=self._log_key if signer.public_key else {}, accept=None)

    @property
    def _log_key(self) -> dict[str, str]:
        """With a log's key, also one that is never read, cosign does not fetch sigstore's trusted root."""
        return {"SIGSTORE_REKOR_PUBLIC_KEY": str(self.log.public_key) if self.log else "/dev/null"}

    def _run(
        self, argv: Sequence[str], *, env: Mapping[str, str], accept: Sequence[int] | None = (0,)
    ) -> process.Completed:
        # Each of these calls ends with its image.
        (require_tls_kept if self.tls_verify else require_plain_http)(argv[-1], self.authfile)
        docker = {"DOCKER_CONFIG": str(self.authfile.parent)}
        return registry_calls.run(argv, [self.authfile], env={**docker, **env}, timeout=300, accept=accept)


def _trusts_no_certificate_log(root: Path | None) -> bool:
    """Whether a trusted root of one's own has no log of certificates; sigstore's public one has."""
    try:
        return root is not None and not json.loads(root.read_bytes()).get("ctlogs")
    except (ValueError, AttributeError) as error:
        raise BadInputError(
            f"{root.name if root else ''} is no trusted root", solution="give sigstore's trusted_root.json"
        ) from error


def trusted_root(log: Log | None) -> str:
    """sigstore's TrustedRoot (protobuf-specs, sigstore_trustroot.proto) with this log, and nobody else.

    Bundles are held against one, also those of a key pair.

    Raises:
        BadInputError: the log's key is no public key.
    """
    logs = []
    if log is not None:
        key = key_bytes(log.public_key.read_text(encoding="ascii", errors="replace"))
        if key is None:
            raise BadInputError(
                f"{log.public_key.name} holds no public key", solution="put the log's key there (PEM, ECDSA on P-256)"
            )
        raw, name = base64.b64encode(key).decode(), base64.b64encode(hashlib.sha256(key).digest()).decode()
        described = {"rawBytes": raw, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": {"start": LONG_AGO}}
        logs = [{"baseUrl": log.url, "hashAlgorithm": "SHA2_256", "publicKey": described, "logId": {"keyId": name}}]
    return json.dumps({"mediaType": ROOT_TYPE, "tlogs": logs})


def installed_version() -> Version:
    """The version of the cosign on PATH. Raises ToolFailedError where there is none, or one of another version."""
    done = process.run(["cosign", "version", "--json"], timeout=60)
    try:
        text = str(json.loads(done.stdout)["gitVersion"])
    except (ValueError, KeyError, TypeError):
        text = "unknown"
    match = VERSION.match(text)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if not OLDEST <= version <= NEWEST:
        raise ToolFailedError(
            f"cosign {text} is on PATH, which this step does not know", solution="install cosign 2.4 to 3.x"
        )
    return version


def cosign(
    authfile: Path,
    *,
    tls_verify: bool,
    kept: Format = "legacy",
    log: Log | None = None,
    version: Version | None = None,
) -> Cosign:
    """The cosign on PATH, for signatures of that format, which `log` has to hold.

    Args:
        version: its own, where somebody has asked before.

    Raises:
        ToolFailedError: there is none, or one of another version.
        BadInputError: it is too old for the format.
    """
    version = version or installed_version()
    if kept != "legacy" and version < BUNDLES:
        raise BadInputError(
            f"the policy's signing.format is {kept}, for which cosign {version[0]}.{version[1]} is too old",
            solution="install cosign 2.6 or newer, or ask for signing.format: legacy",
        )
    written: tuple[Written, ...] = ("legacy", "bundle") if kept == "both" else (kept,)
    return Cosign(authfile=authfile, tls_verify=tls_verify, version=version, written=written, log=log)


def public_key(key: PrivateKey) -> str:
    """The public part (PEM) of a private key. Raises ToolFailedError where it cannot be opened or reached."""
    done = process.run(["cosign", "public-key", f"--key={key.reference}"], env=key.env, timeout=60, accept=None)
    if done.exit_code != 0:
        managed = KEY_URI.fullmatch(key.reference)
        raise ToolFailedError(
            f"cosign cannot open the signing key: {done.last_words}",
            solution="check that the step may reach the key's service and use the key there"
            if managed
            else "check that cosign.password is the password of cosign.key in the signing-key Secret",
        )
    return done.stdout


def key_bytes(pem: str) -> bytes | None:
    """The key in a PEM text, to compare two of them; None where there is not exactly one public key."""
    match = re.fullmatch(r"\s*-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*", pem)
    try:
        return base64.b64decode("".join(match[1].split()), validate=True) if match else None
    except binascii.Error:
        return None


def _error(done: process.Completed, kept: Written) -> str:
    """cosign's own error without its warnings about the logs that are not used.

    Raises:
        ToolFailedError: it is none about the image: cosign did not get the trusted root.
    """
    lines = [line.removeprefix("Error: ") for line in done.stderr.splitlines() if line.startswith("Error: ")]
    said = (lines[0].strip(" :")[:300] if lines else "") or done.last_words
    if "trusted root is required" in said:
        if kept == "bundle":
            raise ToolFailedError(
                "cosign did not get sigstore's trusted root, without which it verifies no certificate",
                solution="name signing.trustedRoot in the policy, or let the step reach sigstore's TUF repository",
            )
        return "a sigstore bundle lies beside the legacy signature, so that cosign 2.6 does not look at the signature"
    return said
