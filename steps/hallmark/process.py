"""The one place that runs the tools the steps rely on. Code of the model's repository runs in `hallmark.guard`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import ToolFailedError

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", *PROXIES)
"""The environment a tool sees; what else it needs (a password, say) is given to it by name."""


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A tool's exit code and output, decoded as UTF-8 (undecodable bytes replaced)."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_words(self) -> str:
        """The end of what the tool printed, for an error message."""
        lines = [line for line in (self.stderr or self.stdout).strip().splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-600:] or "it printed nothing"


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 600,
    accept: Sequence[int] | None = (0,),
) -> Completed:
    """Run a tool and return what it said.

    Args:
        argv: the command, never a shell's text. It may be shown in errors, so it must hold no secret.
        env: variables beside those of `INHERITED`.
        timeout: seconds after which the tool is killed.
        accept: the exit codes that are answers; None accepts all.

    Raises:
        ToolFailedError: the tool is missing, took too long, or ended with a code that is not in `accept`.
    """
    executable = shutil.which(argv[0])
    if executable is None:
        raise ToolFailedError(
            f"{argv[0]} is not on PATH", solution=f"use the step image, or install {argv[0]} on this machine"
        )
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    try:
        done = subprocess.run(
            [executable, *argv[1:]],
            cwd=cwd,
            env={**inherited, **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolFailedError(
            f"{shown(argv)} was stopped after {timeout:g} s",
            solution="see whether the service it talks to answers",
        ) from error
    completed = Completed(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)
    if accept is not None and completed.exit_code not in accept:
        raise ToolFailedError(
            f"{shown(argv)} ended with exit code {completed.exit_code}: {completed.last_words}",
            solution=_solution(completed),
        )
    return completed


KNOWN_COMPLAINTS = {
    "server gave HTTP response to HTTPS client": "this registry has no TLS: use one that has; for one on this machine "
    "only, give tls-verify=false",
    "certificate signed by unknown authority": "have the service's authority among those that are trusted here",
    "authentication required": "check the credential: it is missing, has expired, or is for another service",
    "unauthorized": "check the credential: it is missing, has expired, or is for another service",
    "connection refused": "see whether the service runs, and whether its address is right",
    "no such host": "correct the address, or see whether names are found where this runs",
    "no space left on device": "make room where the tool writes, then run again",
}
"""What tools that are written in Go say, and what to do."""


def _solution(completed: Completed) -> str:
    said = f"{completed.stderr}{completed.stdout}".lower()
    known = (solution for words, solution in KNOWN_COMPLAINTS.items() if words.lower() in said)
    return next(known, "mend what the tool complains of, then run again")


def shown(argv: Sequence[str]) -> str:
    """A command as a person would type it, shortened to a line."""
    text = shlex.join(argv)
    return text if len(text) <= 160 else f"{text[:157]}..."
