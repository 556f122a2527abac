"""Real git repositories, and the smallest documents that load; the fixtures of `conftest.py` are made of these."""

from __future__ import annotations

import subprocess
from pathlib import Path

MODEL = """\
apiVersion: hallmark.dev/v1alpha1
kind: Model
metadata: {name: iris, version: 1.2.3}
data: {training: data/training.csv, label: species, features: [width, length]}
training: {script: train.py}
image: {port: 8080, predict: "/v1/models/iris:predict"}
"""

POLICY = """\
apiVersion: hallmark.dev/v1alpha1
kind: Policy
metadata: {name: iris}
data:
  independent: {path: independent.csv, sha256: "sha256:%s", label: species, features: [width, length]}
model:
  metrics: {accuracy: {minimum: 0.9}}
image: {readyWithin: 5, rows: 10}
""" % ("0" * 64)

GIT_ENV = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A. Maker",
    "GIT_AUTHOR_EMAIL": "maker@example.com",
    "GIT_COMMITTER_NAME": "A. Maker",
    "GIT_COMMITTER_EMAIL": "maker@example.com",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
}


class WorkTree:
    """A repository with files, as its author has it, and a bare one beside it that is its server's."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self.bare = folder / f"{name}.git"
        self.time = 1_700_000_000
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.bare), cwd=folder)
        self.git("init", "--quiet", "--initial-branch=main", str(self.path), cwd=folder)
        self.git("remote", "add", "origin", str(self.bare))

    @property
    def url(self) -> str:
        return self.bare.as_uri()

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        date = {"GIT_AUTHOR_DATE": f"{self.time} +0000", "GIT_COMMITTER_DATE": f"{self.time} +0000"}
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.path, env={**GIT_ENV, **date}, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def write(self, name: str, content: str | bytes) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def push(self, message: str = "Change", *, branch: str = "main", force: bool = False) -> str:
        """Commit everything, a minute after the last time, push it, and return the commit's SHA."""
        self.time += 60
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        self.git("push", "--quiet", *(["--force"] if force else []), "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")


class Called:
    """What a call of the command line left behind."""

    def __init__(self, code: int, output: str, results: Path) -> None:
        self.code, self.output, self._results = code, output, results

    def result(self, name: str) -> str | None:
        file = self._results / name
        return file.read_text() if file.exists() else None
