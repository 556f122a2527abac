"""The signing key of one machine, in the place of the platform team's."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.process import run


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A cosign key pair. `private` and `password` are readable by their owner alone."""

    private: Path
    public: Path
    password: Path


def ensure(directory: Path, cosign: Path) -> KeyPair:
    """The key pair in `directory`, generated if there is none: cosign.key, cosign.pub, cosign.password.

    The password is random, and reaches cosign by its environment: a command line can be read by every process.

    Raises:
        BadInputError: `directory` holds a part of a key pair.
        ToolFailedError: cosign failed.
    """
    keys = KeyPair(
        private=directory / "cosign.key", public=directory / "cosign.pub", password=directory / "cosign.password"
    )
    present = [path.name for path in (keys.private, keys.public, keys.password) if path.exists()]
    if len(present) == 3:
        return keys
    if present:
        raise BadInputError(
            f"{directory} holds {' and '.join(present)} only", solution="put back the rest, or remove the folder"
        )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=directory) as name:
        fresh = Path(name)
        password = secrets.token_urlsafe(32)
        (fresh / "cosign.password").touch(mode=0o600)
        (fresh / "cosign.password").write_text(password)
        run([str(cosign), "generate-key-pair"], cwd=fresh, env={"COSIGN_PASSWORD": password}, timeout=60)
        (fresh / "cosign.key").chmod(0o600)
        # The private key comes last: a pair is whole as soon as it is there.
        for target in (keys.password, keys.public, keys.private):
            (fresh / target.name).replace(target)
    return keys
