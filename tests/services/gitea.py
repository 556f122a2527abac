"""Gitea with its LFS server, from the program that the one-machine cluster runs (`make cluster-up` builds it)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.processes import free_port, listens, running

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".tools" / "cluster" / "bin" / "gitea"
USER, PASSWORD = "ada", "a maker's password 1"
ENV = {"GITEA_I_AM_BEING_UNSAFE_RUNNING_AS_ROOT": "true", "USER": "root"}


@dataclass(frozen=True)
class Gitea:
    port: int

    def url(self, repository: str) -> str:
        return f"http://127.0.0.1:{self.port}/{USER}/{repository}.git"

    def create(self, repository: str) -> None:
        """A private repository of ada's."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/user/repos",
            data=json.dumps({"name": repository, "private": True}).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            assert answer.status == 201


@contextlib.contextmanager
def gitea() -> Iterator[Gitea]:
    with tempfile.TemporaryDirectory(prefix="hallmark-gitea-") as name:
        folder, port = Path(name), free_port()
        module = subprocess.run(
            ["go", "mod", "download", "-json", "code.gitea.io/gitea"],
            cwd=ROOT / "tools" / "gitea", capture_output=True, check=True, timeout=300,
        )  # fmt: skip
        settings = folder / "app.ini"
        settings.write_text(f"""
RUN_MODE = prod
RUN_USER = {"root" if os.geteuid() == 0 else os.environ.get("USER", "")}
WORK_PATH = {folder}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {json.loads(module.stdout)["Dir"]}
APP_DATA_PATH = {folder}/data
DISABLE_SSH = true
LFS_START_SERVER = true
LFS_JWT_SECRET = {"x" * 43}
OFFLINE_MODE = true
[lfs]
PATH = {folder}/lfs
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[repository]
ROOT = {folder}/repositories
[security]
INSTALL_LOCK = true
SECRET_KEY = {"s" * 32}
[queue]
TYPE = channel
[log]
MODE = console
LEVEL = Warn
[indexer]
ISSUE_INDEXER_TYPE = db
[cron.update_checker]
ENABLED = false
""")
        env = {**ENV, "HOME": str(folder)}
        argv = [str(PROGRAM), "web", f"--config={settings}"]
        with running(argv, folder / "log", lambda: listens(port), env=env):
            subprocess.run(
                [str(PROGRAM), "admin", "user", "create", f"--username={USER}", f"--password={PASSWORD}",
                 "--email=ada@example.invalid", "--must-change-password=false", f"--config={settings}"],
                env={**os.environ, **env}, check=True, capture_output=True, timeout=60,
            )  # fmt: skip
            yield Gitea(port)
