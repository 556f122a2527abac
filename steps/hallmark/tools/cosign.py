"""cosign(1) 2.4 to 3.x with a key pair, in its legacy format, without any transparency log and any service of sigstore.

Only that a signature fits a key is left to cosign. What was signed is read here, from its JSON: cosign 3 accepts any
bundle of the key, whatever it says (security-profiles-operator#3449), so its exit code alone proves too little.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark import process
from hallmark.errors import ToolFailedError
from hallmark.image_reference import Image

SIGNATURE_TYPE = "cosign container image signature"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = re.compile(r"https://in-toto\.io/Statement/v\d+(\.\d+)?")
VERSION = re.compile(r"v?(\d+)\.(\d+)\.\d+")
OLDEST, NEWEST = (2, 4), (3, 999)
NO_TUF = {"SIGSTORE_REKOR_PUBLIC_KEY": "/dev/null"}
"""A key of our own, which is never read (no log is asked), keeps cosign from fetching sigstore's trusted root."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An in-toto statement whose signature fits: what it says, not yet believed."""

    predicate_type: str
    digests: tuple[str, ...]
    """The digests of its subjects, `sha256:<hex>`."""
    predicate: Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What fits a key: signed digests or statements. Empty with cosign's `words` where nothing fits."""

    found: tuple[Any, ...] = ()
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Cosign:
    """Runs cosign on one registry; made by :func:`cosign`."""

    authfile: Path
    """docker's `config.json`, in a folder of its own."""
    tls_verify: bool
    major: int

    def signed_digests(self, image: Image, public_key: Path) -> Answer:
        """The digests in the signatures of `image` that fit `public_key`."""
        argv = [*self._verify("verify", public_key), "--output=json", str(image)]
        done = self._run(argv, accept=None)
        if done.exit_code != 0:
            return Answer(words=_error(done))
        return Answer(found=tuple(parse_signatures(done.stdout)))

    def statements(self, image: Image, public_key: Path, predicate_type: str) -> Answer:
        """The statements about `image` of that type whose signature fits `public_key`, as :class:`Statement`."""
        argv = [*self._verify("verify-attestation", public_key), f"--type={predicate_type}", str(image)]
        done = self._run(argv, accept=None)
        if done.exit_code != 0:
            return Answer(words=_error(done))
        return Answer(found=tuple(parse_statements(done.stdout)))

    def sign(self, image: Image, key: Path, password: str) -> None:
        """Sign the digest of `image`. Raises ToolFailedError where the key or the registry does not let us."""
        self._run(["cosign", "sign", *self._write(key), str(image)], env={"COSIGN_PASSWORD": password})

    def attest(self, image: Image, key: Path, password: str, predicate: Path, predicate_type: str) -> None:
        """Attach the JSON file `predicate` to `image` as a signed statement. Raises ToolFailedError as `sign` does."""
        what = [f"--predicate={predicate}", f"--type={predicate_type}"]
        self._run(["cosign", "attest", *self._write(key), *what, str(image)], env={"COSIGN_PASSWORD": password})

    def _verify(self, command: str, public_key: Path) -> list[str]:
        return ["cosign", command, f"--key={public_key}", "--insecure-ignore-tlog=true", *self._insecure()]

    def _write(self, key: Path) -> list[str]:
        modern = ["--use-signing-config=false", "--new-bundle-format=false"] if self.major >= 3 else []
        return [f"--key={key}", "--tlog-upload=false", "--yes", *modern, *self._insecure()]

    def _insecure(self) -> list[str]:
        return [] if self.tls_verify else ["--allow-insecure-registry", "--allow-http-registry"]

    def _run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, accept: Sequence[int] | None = (0,)
    ) -> process.Completed:
        docker = {"DOCKER_CONFIG": str(self.authfile.parent)}
        return process.run(argv, env={**docker, **NO_TUF, **(env or {})}, timeout=300, accept=accept)


def cosign(authfile: Path, *, tls_verify: bool) -> Cosign:
    """The cosign on PATH. Raises ToolFailedError where there is none, or one of another version."""
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
    return Cosign(authfile=authfile, tls_verify=tls_verify, major=version[0])


def public_key(key: Path, password: str) -> str:
    """The public part (PEM) of an encrypted private key. Raises ToolFailedError where the password is wrong."""
    argv = ["cosign", "public-key", f"--key={key}"]
    done = process.run(argv, env={"COSIGN_PASSWORD": password}, timeout=60, accept=None)
    if done.exit_code != 0:
        raise ToolFailedError(
            f"cosign cannot open the signing key: {done.last_words}",
            solution="check that cosign.password is the password of cosign.key in the signing-key Secret",
        )
    return done.stdout


def key_bytes(pem: str) -> bytes | None:
    """The key in a PEM text, to compare two of them; None where there is not exactly one public key."""
    match = re.fullmatch(r"\s*-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*", pem)
    try:
        return base64.b64decode("".join(match[1].split()), validate=True) if match else None
    except binascii.Error:
        return None


def _error(done: process.Completed) -> str:
    """cosign's own error without its warnings about the logs that are not used."""
    lines = [line.removeprefix("Error: ") for line in done.stderr.splitlines() if line.startswith("Error: ")]
    return (lines[0].strip(" :")[:300] if lines else "") or done.last_words


def parse_signatures(text: str) -> list[str]:
    """The image digests in the output of `cosign verify --output=json`; entries of another type do not count.

    Raises:
        ToolFailedError: the output is not what cosign 2.4 to 3.x prints.
    """
    entries = strict_json(text)
    if not isinstance(entries, list):
        raise _unknown("verify")
    found = []
    for entry in entries:
        critical = entry.get("critical") if isinstance(entry, dict) else None
        if isinstance(critical, dict) and critical.get("type") == SIGNATURE_TYPE:
            image = critical.get("image")
            found.append(str(image.get("docker-manifest-digest")) if isinstance(image, dict) else "")
    return found


def parse_statements(text: str) -> list[Statement]:
    """The statements in the output of `cosign verify-attestation`: a DSSE envelope on each line.

    Raises:
        ToolFailedError: the output is not what cosign 2.4 to 3.x prints.
    """
    return [_statement(strict_json(line)) for line in text.splitlines() if line.strip()]


def _statement(envelope: Any) -> Statement:
    try:
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise _unknown("verify-attestation")
        content = strict_json(base64.b64decode(envelope["payload"], validate=True).decode())
        if not STATEMENT_TYPE.fullmatch(content["_type"]):
            raise _unknown("verify-attestation")
        digests = tuple(f"sha256:{subject['digest']['sha256']}" for subject in content["subject"])
        return Statement(
            predicate_type=str(content["predicateType"]), digests=digests, predicate=content.get("predicate")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unknown("verify-attestation") from error


def strict_json(text: str) -> Any:
    """JSON in which no key stands twice: two readers must not be able to see two things in it."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key stands twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except ValueError as error:
        raise _unknown("the command") from error


def _unknown(command: str) -> ToolFailedError:
    return ToolFailedError(
        f"the output of cosign's {command} is not understood, so nothing is believed",
        solution="use cosign 2.4 to 3.x, and see who else writes attestations to this repository",
    )
