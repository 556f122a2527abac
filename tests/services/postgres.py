"""PostgreSQL from Debian's package, as a user that is not root, who alone it starts for."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.processes import free_port, running

PASSWORD = "it's:a/pass word@%"  # noqa: S105


@dataclass(frozen=True)
class Postgres:
    port: int
    folder: Path

    @property
    def location(self) -> str:
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    def run(self, sql: str) -> None:
        """Run statements as the superuser."""
        subprocess.run(
            [program("psql"), "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
             "-U", "postgres", "-d", "postgres", "-c", sql],
            check=True, capture_output=True, env={**os.environ, "PGPASSWORD": PASSWORD}, timeout=60,
        )  # fmt: skip

    def credential(self, folder: Path, username: str = "postgres", password: str = PASSWORD) -> Path:
        """A Secret's folder."""
        folder.mkdir(exist_ok=True)
        (folder / "username").write_text(username)
        (folder / "password").write_text(f"{password}\n")
        return folder


def program(name: str) -> str:
    """Debian keeps the servers' programs off PATH."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    assert found, f"install Debian's package postgresql: {name} is missing"
    return found


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A new, empty server."""
    with tempfile.TemporaryDirectory(prefix="hallmark-postgres-") as name:
        folder, port = Path(name), free_port()
        password, data = folder / "password", folder / "data"
        password.write_text(PASSWORD)
        as_user: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (folder, password):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            as_user = ["setpriv", "--reuid=nobody", f"--regid={nobody.pw_gid}", "--clear-groups"]
        subprocess.run(
            [*as_user, program("initdb"), f"--pgdata={data}", "--username=postgres", "--auth=scram-sha-256",
             f"--pwfile={password}", "--no-sync", "--encoding=UTF8", "--locale=C"],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        argv = [*as_user, program("postgres"), "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1",
                "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]  # fmt: skip
        found = Postgres(port, folder)

        def ready() -> bool:
            answer = subprocess.run(
                [program("pg_isready"), "-h", "127.0.0.1", "-p", str(port)], capture_output=True, timeout=10
            )
            return answer.returncode == 0

        with running(argv, folder / "log", ready):
            yield found
