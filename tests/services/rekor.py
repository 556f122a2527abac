"""Rekor, sigstore's transparency log, with Trillian below it: built from what tools/sigstore pins, in PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from laptop import go_tools
from services.postgres import PASSWORD, postgres
from services.processes import free_port, listens, running

ROOT = Path(__file__).parents[2]
MODULE, PROGRAMS = ROOT / "tools" / "sigstore", ROOT / ".tools" / "bin"
TRILLIAN, REKOR = "github.com/google/trillian/cmd", "github.com/sigstore/rekor/cmd"
STORE = "postgresql"


@dataclass(frozen=True)
class Rekor:
    url: str

    def public_key(self) -> str:
        """PEM; each server has a key of its own."""
        return self._get("/api/v1/log/publicKey").decode()

    def entries(self) -> int:
        """How many there are in the log by now."""
        return int(json.loads(self._get("/api/v1/log"))["treeSize"])

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body


def program(package: str) -> Path:
    """The program, built (some minutes) if it was not yet; one process builds, others wait for it."""
    target = PROGRAMS / package.rpartition("/")[2]
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(".rekor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not go_tools.is_built(MODULE, package, target):
            # Trillian's other stores stay out.
            go_tools.build(MODULE, package, target, tags=STORE)
    return target


@contextlib.contextmanager
def rekor(folder: Path) -> Iterator[Rekor]:
    """A new, empty log on the loopback."""
    log_server, signer, create = (
        program(f"{TRILLIAN}/{name}") for name in ("trillian_log_server", "trillian_log_signer", "createtree")
    )
    server = program(f"{REKOR}/rekor-server")
    ports = [free_port() for _ in range(6)]
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres())
        database.run(_schema())
        store = f"host=127.0.0.1 port={database.port} user=postgres dbname=postgres"
        common = [f"--storage_system={STORE}", "--quota_system=noop", f"--postgresql_uri={store}"]
        password = {"PGPASSWORD": PASSWORD}
        for at, argv in enumerate(
            ([str(log_server), *common], [str(signer), *common, "--force_master", "--sequencer_interval=100ms"])
        ):
            rpc, http = ports[2 * at : 2 * at + 2]
            argv += [f"--rpc_endpoint=127.0.0.1:{rpc}", f"--http_endpoint=127.0.0.1:{http}"]
            ready = functools.partial(listens, rpc)
            # It sleeps before it ends.
            stack.enter_context(running(argv, folder / f"trillian-{at}.log", ready, env=password, end=signal.SIGKILL))
        tree = subprocess.run(
            [create, f"--admin_server=127.0.0.1:{ports[0]}"], check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()
        argv = [str(server), "serve", "--rekor_server.address=127.0.0.1", f"--port={ports[4]}"]
        argv += ["--trillian_log_server.address=127.0.0.1", f"--trillian_log_server.port={ports[0]}"]
        argv += [f"--trillian_log_server.tlog_id={tree}", "--enable_retrieve_api=false"]
        argv += ["--rekor_server.signer=memory", "--log_type=dev"]
        stack.enter_context(running(argv, folder / "rekor.log", lambda: listens(ports[4]), end=signal.SIGKILL))
        yield Rekor(f"http://127.0.0.1:{ports[4]}")


def _schema() -> str:
    where = subprocess.run(
        ["go", "list", "-m", "-f={{.Dir}}", "github.com/google/trillian"],
        cwd=MODULE, check=True, capture_output=True, text=True, timeout=120,
    ).stdout.strip()  # fmt: skip
    return (Path(where) / "storage" / STORE / "schema" / "storage.sql").read_text()
