"""cosign(1) 2.4 to 3.x for key pairs alone; the password reaches it by its environment."""

from __future__ import annotations

from pathlib import Path

from hallmark import process
from hallmark.errors import BadInputError

PREFIX = "cosign"


def generate_argv() -> list[str]:
    """The command that writes `cosign.key` (encrypted) and `cosign.pub` into the folder that it runs in."""
    return ["cosign", "generate-key-pair", f"--output-key-prefix={PREFIX}"]


def public_argv(key: str) -> list[str]:
    """The command that prints the public part of a key file or of a key by URI (k8s://, awskms://, ...)."""
    return ["cosign", "public-key", f"--key={key}"]


def generate(folder: Path, password: str) -> None:
    """Make a key pair in `folder`. Raises ToolFailedError where cosign fails."""
    process.run(generate_argv(), cwd=folder, env={"COSIGN_PASSWORD": password}, timeout=60)


def public(key: Path, password: str) -> str:
    """The public part (PEM) of an encrypted key file. Raises BadInputError where the password does not open it."""
    if not key.is_file():
        raise BadInputError(f"there is no key {key}", solution="give the folder that `hallmark keys generate` made")
    done = process.run(public_argv(str(key)), env={"COSIGN_PASSWORD": password}, timeout=60, accept=None)
    if done.exit_code != 0:
        raise BadInputError(
            f"cosign cannot open {key}: {done.last_words}", solution="give the password of this very key"
        )
    return done.stdout
