"""git-lfs(1): pointers, and fetching the objects that they name (https://github.com/git-lfs/git-lfs/blob/main/docs).

A pointer is resolved in a repository of its own, made in the scratch folder, which holds nothing but the pointers and
the address: neither configuration nor hooks, filters or transfer agents of the checked out repository ever count.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.tools import git

POINTER_BYTES = 1024
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*"
    rb"oid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>\d{1,18})\n?"
)
_BEGINS = b"version https://git-lfs.github.com/spec/"
SETTINGS = (
    ("lfs.concurrenttransfers", "2"),
    ("lfs.transfer.maxretries", "4"),
    ("lfs.transfer.maxretrydelay", "10"),
    ("lfs.dialtimeout", "10"),
    ("lfs.activitytimeout", "60"),
    ("lfs.tlstimeout", "10"),
)
BRANCH = "main"
QUESTIONS = 8
"""How often the user name or the password is told: two for each of git-lfs's requests that ask, and some to spare."""


@dataclass(frozen=True, kw_only=True)
class Pointer:
    oid: str
    """64 hex digits: the object's SHA-256."""
    size: int
    """Bytes."""


def parse_pointer(start: bytes, what: str) -> Pointer | None:
    """The pointer that a file of these first bytes is; None if it is none.

    Raises:
        BadInputError: it begins as a pointer and is damaged.
    """
    if not start.startswith(_BEGINS):
        return None
    found = _POINTER.fullmatch(start)
    if found is None:
        raise BadInputError(f"{what} is a damaged Git LFS pointer", solution="commit the file anew with Git LFS")
    return Pointer(oid=found["oid"].decode(), size=int(found["size"]))


def object_in(store: Path, pointer: Pointer) -> Path:
    """Where git-lfs keeps an object below `.git/lfs`."""
    return store / "objects" / pointer.oid[:2] / pointer.oid[2:4] / pointer.oid


@dataclass(frozen=True, kw_only=True)
class Repository:
    """What a checked out repository says about its objects."""

    store: Path
    """Its `.git/lfs`."""
    remote: str
    """The URL of `origin`; empty if there is none."""
    server: str
    """The URL of the LFS server, where `.lfsconfig` names one."""


def repository_of(folder: Path) -> Repository | None:
    """The repository that `folder` belongs to, None if it is in none. It is only asked, nothing of it runs."""
    with git.session() as session:
        quiet = session.offline()
        found = quiet.run("rev-parse", "--path-format=absolute", "--git-common-dir", "--show-toplevel", cwd=folder,
                          accept=None)  # fmt: skip
        if found.exit_code != 0:
            return None
        common, _, top = found.stdout.rstrip("\n").partition("\n")
        config = Path(top) / ".lfsconfig"
        server = quiet.run("config", f"--file={config}", "--no-includes", "lfs.url", accept=None) if (
            top and config.is_file() and not config.is_symlink()
        ) else None  # fmt: skip
        remote = quiet.run("config", "--local", "--no-includes", "remote.origin.url", cwd=folder, accept=None)
    return Repository(
        store=Path(common) / "lfs", remote=remote.stdout.strip(), server=server.stdout.strip() if server else ""
    )


def fetch(
    repository: Repository, pointers: Mapping[str, Pointer], scratch: Path, *, credential: Path | None, seconds: float
) -> Path:
    """Fetch the objects of `pointers` into a store in `scratch`, and return that store.

    Args:
        pointers: by names that are only used here.

    Raises:
        BadInputError: the server is none that is spoken to by HTTP.
        ToolFailedError: git-lfs failed; its last words are in the message.
    """
    remote = _require_http(repository.remote or repository.server)
    server = _require_http(repository.server) if repository.server else ""
    own = scratch / "lfs-repository"
    own.mkdir(parents=True)
    with git.session(server or remote, credential) as session:
        # No ~/.netrc of whoever runs this.
        session = replace(session, env={**session.env, "HOME": str(scratch), **_bounded(session, scratch)})
        session.run("init", "--quiet", cwd=own)
        for name, pointer in pointers.items():
            text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{pointer.oid}\nsize {pointer.size}\n"
            (own / name).write_text(text, encoding="utf-8")
        session.run("add", "--", *pointers, cwd=own)
        session.run("commit", "--quiet", "--message=Pointers", cwd=own)
        settings = [("remote.origin.url", remote), *([("lfs.url", server)] if server else []), *SETTINGS]
        for key, value in settings:
            session.run("config", key, value, cwd=own)
        done = session.run("lfs", "fetch", "origin", BRANCH, cwd=own, accept=None, timeout=seconds)
    if done.exit_code != 0:
        raise ToolFailedError(
            f"git lfs fetch ended with exit code {done.exit_code}: {done.last_words}",
            solution="check the LFS server's address, the credential, and that the object was pushed",
        )
    return own / ".git" / "lfs"


def _bounded(session: git.Git, scratch: Path) -> dict[str, str]:
    """git-lfs asks again as long as the server refuses, with the same answer: the credential is given a few times only.

    Returns:
        The environment with a helper that takes the place of the session's own.
    """
    helper = session.env.get("GIT_ASKPASS")
    if helper is None:
        return {}
    asked = scratch / "lfs-asked"
    asked.mkdir()
    once = f'mkdir "$asked/$number" 2>/dev/null && exec {shlex.quote(helper)} "$1"'
    numbers = " ".join(map(str, range(QUESTIONS)))
    own = scratch / "lfs-askpass"
    own.write_text(
        f"#!/bin/sh\nasked={shlex.quote(str(asked))}\nfor number in {numbers}; do {once}; done\nexit 1\n",
        encoding="utf-8",
    )
    own.chmod(0o700)
    return {"GIT_ASKPASS": str(own)}


def _require_http(url: str) -> str:
    """Of LFS's transports the one that neither runs a program here nor reads this machine's files."""
    if not url.startswith(("https://", "http://")):
        raise BadInputError(
            "the repository's Git LFS server has no http(s) address",
            solution="set lfs.url in .lfsconfig, or fetch the objects before",
        )
    return git.check_url(url)
