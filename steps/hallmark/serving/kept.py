"""The model's bytes in files of this machine: of the image, of a volume, and of the cache."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .errors import StoreFailedError, UnusableModelError, WrongSettingsError
from .settings import PREFIX


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The file that is wanted, as the image describes it."""

    digest: str
    size: int
    """Bytes."""
    file: str
    name: str
    version: str

    def require(self, data: bytes, where: str) -> bytes:
        """`data`, if it is the file. Raises UnusableModelError."""
        if len(data) != self.size:
            raise UnusableModelError(f"{where} has {len(data)} bytes, and the image's model {self.size}")
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if found != self.digest:
            raise UnusableModelError(f"{where} has the digest {found}, and the image's model {self.digest}")
        return data


def read_file(path: Path, wanted: Wanted) -> bytes:
    """The model in a file of this machine.

    Raises:
        StoreFailedError: there is no such file, or it cannot be read.
        UnusableModelError: it is another one.
    """
    try:
        # Whatever else lies there must not be waited for.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StoreFailedError(f"{path} is no file")
            data = file.read(wanted.size + 1)
    except OSError as error:
        raise StoreFailedError(f"cannot read {path}: {words(error)}") from None
    if len(data) > wanted.size:
        raise UnusableModelError(f"{path} has more than the {wanted.size} bytes of the image's model")
    return wanted.require(data, str(path))


def local(url: str) -> Path:
    """The path in an address that begins with `file:`. Raises WrongSettingsError."""
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise WrongSettingsError(f"{PREFIX}URL is no address of a file, such as file:///models/iris")
    return Path(urllib.request.url2pathname(parts.path))


def cached(kept: Path, wanted: Wanted) -> bytes | None:
    """The model in the cache; None where there is none, or something else, which is told."""
    if not kept.parent.is_dir():
        raise WrongSettingsError(f"{PREFIX}CACHE names {kept.parent}, which is no folder")
    if not kept.exists():
        return None
    try:
        return read_file(kept, wanted)
    except (StoreFailedError, UnusableModelError) as error:
        say(f"the cache is not used: {error}")
        return None


def keep(data: bytes, kept: Path) -> None:
    """Write the model to the cache, whole or not at all; without it the server serves as well."""
    try:
        number, name = tempfile.mkstemp(prefix=".model-", dir=kept.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(kept)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        say(f"the model is not kept in {kept.parent}, and will be fetched again: {words(error)}")


def words(error: object) -> str:
    """What went wrong, without a path or an address, which may hold a secret.

    >>> words(ConnectionRefusedError(111, "Connection refused")), words(ValueError("secret"))
    ('Connection refused', 'ValueError')
    """
    told = getattr(error, "strerror", None)
    return str(told) if told else "timed out" if isinstance(error, TimeoutError) else type(error).__name__


def say(told: str) -> None:
    """One line for whoever reads the container's log."""
    print(told, file=sys.stderr, flush=True)
