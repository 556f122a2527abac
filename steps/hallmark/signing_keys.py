"""Key pairs that sign releases: where their parts may lie, and how a password gets to cosign.

cosign keeps a private key encrypted and opens it in memory only. What is worth as much as the open key is its password:
it comes from the environment or from a file in memory (a mounted Secret is one), never from a flag or a disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.files import sha256_bytes
from hallmark.tools.cosign import key_bytes

KEY, PUBLIC, PASSWORD, POLICIES = "cosign.key", "cosign.pub", "cosign.password", "policies"
"""The names in the signing-key Secret, which are those that cosign itself knows."""
MODEL_KEY, MODEL_PUBLIC, MODEL_PASSWORD = "model.key", "model.pub", "model.password"
"""The names in the Secret of the key that signs models' folders."""
RELEASE, MODEL = "release", "model"
"""What a key signs. One key never signs both: a model is signed before anybody has judged it."""
PASSWORD_VARIABLE = "COSIGN_PASSWORD"  # noqa: S105
MINIMUM_PASSWORD = 16
"""Characters. cosign takes an empty password as well, and then the key lies open."""
PEM_BYTES = 1 << 16
"""In which a private key's header stands, if a file has one."""
MEMORY = ("tmpfs", "ramfs")
MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def password(file: Path | None) -> str:
    """The key's password, from a file in memory or else from the environment.

    Raises:
        BadInputError: there is none, the file lies on a disk, or it is too short to protect a key.
    """
    if file is not None:
        if not file.exists():
            raise BadInputError(f"there is no file {file}", solution="give a file with the key's password")
        require_memory(file, "the password's file")
        try:
            found = file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"cannot read {file}", solution="give a file with the key's password") from error
    else:
        found = os.environ.get(PASSWORD_VARIABLE, "")
    if not found:
        raise BadInputError(
            "there is no password for the key",
            solution=f"give --password-file, or set {PASSWORD_VARIABLE}; never put it on a command line",
        )
    if len(found) < MINIMUM_PASSWORD:
        raise BadInputError(
            f"the key's password is shorter than {MINIMUM_PASSWORD} characters",
            solution="take a random one, e.g. `openssl rand -base64 32`",
        )
    return found


def signs_models(signs: str) -> bool:
    """Whether a key signs models and not releases. Raises BadInputError where it is neither."""
    if signs not in (RELEASE, MODEL):
        raise BadInputError(f"--signs={signs} is nothing that a key signs", solution=f"give {RELEASE} or {MODEL}")
    return signs == MODEL


def require_memory(path: Path, what: str) -> None:
    """Raise BadInputError where `path` (there or not yet) lies on a disk and not in memory."""
    found = filesystem_of(path)
    if found not in MEMORY:
        raise BadInputError(
            f"{what} lies on {found or 'an unknown file system'}: {path}",
            solution=f"put it where nothing is written to a disk ({' or '.join(MEMORY)}): below $XDG_RUNTIME_DIR, or "
            "in a mounted Secret",
        )


def filesystem_of(path: Path, mounts: str | None = None) -> str:
    """The type of the file system that `path` lies on or would; empty where that cannot be told.

    Args:
        mounts: the text of Linux's mountinfo (proc_pid_mountinfo(5)); None: this process's.
    """
    where = path.resolve()
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields.split(" ")[4]))
        # Of two mounts at one place the later one is seen.
        if where.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), rest.split(" ")[0]
    return kind


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A private folder in memory, which is gone afterwards.

    Raises:
        BadInputError: this machine offers no place in memory.
    """
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm", tempfile.gettempdir()]  # noqa: S108
    usable = (Path(place) for place in places if place)
    found = next((p for p in usable if filesystem_of(p) in MEMORY and os.access(p, os.W_OK)), None)
    if found is None:
        raise BadInputError(
            "no folder in memory can be written here, and a key is made nowhere else",
            solution="mount a tmpfs and let XDG_RUNTIME_DIR name it",
        )
    with tempfile.TemporaryDirectory(prefix="hallmark-key-", dir=found) as folder:
        yield Path(folder)


def require_public_only(folder: Path) -> None:
    """Raise BadInputError where a file below `folder`, which others will read, holds a private key."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        with file.open("rb") as opened:
            begins = opened.read(PEM_BYTES)
        if b"PRIVATE KEY-----" in begins:
            raise BadInputError(
                f"{file} is a private key, and everybody may read this folder",
                solution="take it out, and make another pair if somebody has had the folder",
            )


def read_public(text: str, where: str) -> str:
    """A public key's PEM text with one line end. Raises BadInputError where it is none."""
    if key_bytes(text) is None:
        raise BadInputError(f"{where} holds no public key", solution="give the text of cosign.pub (PEM)")
    return text.strip() + "\n"


def fingerprint(pem: str) -> str:
    """A public key's name: the SHA-256 of its DER bytes, as `openssl pkey -pubin -outform DER | sha256sum` tells it."""
    return sha256_bytes(key_bytes(pem) or b"")
