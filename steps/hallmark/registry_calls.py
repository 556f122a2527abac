"""Calls of the tools that talk to a registry (skopeo, Buildah, cosign): tried again, and told in plain words.

Their own retries differ: skopeo waits out 429 and nothing else, cosign some 5xx and no 429, Buildah three times
anything. What a registry may answer in a moment is asked again here, a bounded number of times within a bounded time;
layers that have arrived are not sent again, for all three ask first. What will not change by asking again is told at
once.

The words are those of containers/image (docker/docker_client.go, docker/errors.go), go-containerregistry
(pkg/v1/remote/transport/error.go) and Go's net/http, and the error codes of the distribution specification.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hallmark import process
from hallmark.errors import ToolFailedError
from hallmark.registry_auth import trusted_authority

ATTEMPTS = 4
FIRST_PAUSE = 0.5
"""Seconds before the second attempt; doubled for each further one."""
PATIENCE = 60.0
"""Seconds after which no further attempt begins."""

RATE = r"too ?many ?requests|\b429\b|rate limit"
BUSY = r"(status|code|registry)\D{0,12}5\d\d\b|internal server error|bad gateway|service unavailable|gateway time-?out"
BROKEN = (
    r"connection reset by peer|broken pipe|unexpected eof|: eof\b|i/o timeout|tls handshake timeout|http2: .*goaway"
)
TRANSIENT = re.compile(f"{RATE}|{BUSY}|{BROKEN}")

MISSING = "there is no such image: check the repository and the digest, and whether a clean-up has taken it away"
SOLUTIONS: Sequence[tuple[str, str]] = (
    (
        "retrieving cert",
        "see whether Fulcio runs at `fulcio-url`, and whether `identity-token` is of an issuer and for an audience "
        "that it knows, and has not expired",
    ),
    ("/api/v1/log/", "see whether the transparency log runs at the policy's signing.transparencyLog.url"),
    (
        "server gave http response to https client",
        "this registry has no TLS: use one that has; for one on this machine, give tls-verify=false; elsewhere it also "
        "has to stand in `plain-http` beside its credential",
    ),
    (
        r"x509|certificate signed by unknown authority|failed to verify certificate",
        "put the certificate of the registry's authority beside its config.json, as `ca.crt` (PEM); if it is there, it "
        "is another authority's, or the certificate has expired or is for another name",
    ),
    (RATE, "the registry lets nobody ask so often: wait, use a credential with a higher limit, or a mirror"),
    (
        r"quota|insufficient storage|\b507\b|entity too large|\b413\b|no space left|exceeds? (the )?(limit|maximum)",
        "the registry takes no more: have its owner raise the quota or the largest size of a layer, or remove images",
    ),
    (
        r"unauthorized|authentication required|invalid username/password|\b401\b",
        "check the credential: it is missing, has expired, or is for another registry",
    ),
    (
        r"denied|forbidden|insufficient_scope|\b403\b",
        "the credential is known there, but may not do this: have the registry's owner allow it for this repository",
    ),
    (
        r"blob[ _]unknown|unknown blob|blob unknown to registry",
        "the registry has lost a layer that it promised: end a clean-up that runs there, then deliver the commit again",
    ),
    (r"manifest[ _]unknown|name[ _]unknown|not found|\b404\b", MISSING),
    (r"connection refused|no route to host", "see whether the registry runs, and whether its address is right"),
    (r"no such host", "correct the registry's address, or see whether names are found where this runs"),
    (BUSY, "the registry itself fails: see its log and its storage, then run again"),
    (BROKEN, "the connection to the registry breaks off: see what is between (proxy, firewall), then run again"),
)
"""What the tools say, in lower case, and what to do; the first that fits counts."""


def run(
    argv: Sequence[str],
    authfiles: Sequence[Path],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float,
    accept: Sequence[int] | None = (0,),
) -> process.Completed:
    """Run a tool as `process.run` does, again where the registry may answer in a moment.

    Args:
        authfiles: docker's configuration files beside which a `ca.crt` is to be trusted, by the environment; none for
            a tool that is told so otherwise.
        accept: the exit codes that are answers. With None the last answer is returned, whatever it is.

    Raises:
        ToolFailedError: the tool is missing, took too long, or failed in a way that is told with what to do.
    """
    begun = time.monotonic()
    attempt = 0
    with trusted_authority(authfiles) as trust:
        while True:
            attempt += 1
            done = process.run(argv, env={**(env or {}), **trust}, timeout=timeout, accept=None)
            if done.exit_code == 0 or (accept is not None and done.exit_code in accept) or not transient(done):
                break
            pause = FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            if attempt == ATTEMPTS or time.monotonic() - begun + pause > PATIENCE:
                break
            time.sleep(pause)
    if accept is not None and done.exit_code not in accept:
        tries = "" if attempt == 1 else f" in {attempt} attempts"
        raise ToolFailedError(
            f"{process.shown(argv)} failed{tries}: {done.last_words}",
            solution=solution(done) or "mend what the tool complains of, then run again",
        )
    return done


def transient(done: process.Completed) -> bool:
    """Whether it may go well in a moment.

    >>> transient(process.Completed(exit_code=1, stdout="", stderr="unexpected status code 503 Service Unavailable"))
    True
    >>> transient(process.Completed(exit_code=1, stdout="", stderr="unexpected status code 404 Not Found"))
    False
    """
    return TRANSIENT.search(_said(done)) is not None


def solution(done: process.Completed) -> str:
    """What to do about what the tool says; empty where that is not known."""
    said = _said(done)
    return next((what for words, what in SOLUTIONS if re.search(words, said)), "")


def missing(done: process.Completed) -> bool:
    """Whether the registry says, for good, that it has no such image; all else that a tool says may be its own fault.

    >>> missing(process.Completed(exit_code=1, stdout="", stderr="reading manifest latest in x/y: manifest unknown"))
    True
    >>> missing(process.Completed(exit_code=1, stdout="", stderr="manifest unknown: authentication required"))
    False
    """
    return done.exit_code != 0 and not transient(done) and solution(done) == MISSING


def _said(done: process.Completed) -> str:
    """The tool's words in lower case, without the digests, in which any number may stand."""
    return re.sub(r"[0-9a-f]{32,}", "", f"{done.stderr}\n{done.stdout}".lower())
