"""versitygw: an S3 server over a folder, built from the sources that tools/versitygw pins."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from laptop import go_tools
from services.processes import free_port, listens, running

ROOT = Path(__file__).resolve().parents[2]
MODULE, PACKAGE = ROOT / "tools" / "versitygw", "github.com/versity/versitygw/cmd/versitygw"
PROGRAM = ROOT / ".tools" / "bin" / "versitygw"
ACCESS_KEY, SECRET_KEY = "validators", "S3/secret+key"


@dataclass(frozen=True)
class S3Server:
    port: int
    folder: Path
    address: str = "127.0.0.1"

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}:{self.port}"

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """An object; the server keeps it as a file."""
        path = self.folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def credential(self, folder: Path, access: str = ACCESS_KEY, secret: str = SECRET_KEY) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "access-key").write_text(f"{access}\n")
        (folder / "secret-key").write_text(f"{secret}\n")
        return folder


@contextlib.contextmanager
def s3_server(
    address: str = "127.0.0.1", within: Sequence[str] = (), up: Callable[[int], bool] = listens
) -> Iterator[S3Server]:
    """A new server without buckets.

    Args:
        within: a command that runs the server elsewhere, such as `ip netns exec NAME`, where `address` is.
        up: whether a port is listened on there.
    """
    if not go_tools.is_built(MODULE, PACKAGE, PROGRAM):
        go_tools.build(MODULE, PACKAGE, PROGRAM)
    with tempfile.TemporaryDirectory(prefix="hallmark-s3-") as name:
        folder, port = Path(name) / "objects", free_port()
        folder.mkdir()
        env = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        argv = [*within, str(PROGRAM), "--port", f"{address}:{port}", "--quiet", "posix", str(folder)]
        with running(argv, Path(name) / "log", lambda: up(port), env=env):
            yield S3Server(port, folder, address)
