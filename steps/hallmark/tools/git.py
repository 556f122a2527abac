"""git(1), with a configuration of its own: nothing of the user's, the machine's or the repository's changes a result.

No hooks, no filters, no submodules, no prompts, only the transports that are named here. A credential is a folder
(a Secret workspace) with `username` and `password` (kubernetes.io/basic-auth) or `ssh-privatekey` and
`known_hosts` (kubernetes.io/ssh-auth).
"""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from hallmark import process
from hallmark.errors import BadInputError, ToolFailedError

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
TRANSPORTS = ("https", "http", "ssh", "git", "file")
SCP_FORM = re.compile(r"^(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+:(?!//)[^\s]+$")
NETWORK_SECONDS = 900.0
IDENTITY = ("Hallmark", "noreply@hallmark.dev")
"""Name and address in the commits that a step makes."""

RAW_ATTRIBUTES = "* -text -ident -filter -working-tree-encoding -export-subst -export-ignore\n"
"""For `info/attributes`, which wins over the tree's: files are checked out byte for byte as they were committed."""

NEUTRAL = (
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "core.autocrlf=false",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "init.defaultBranch=main",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "protocol.version=2",
    "protocol.allow=never",
)


@dataclass(frozen=True, kw_only=True)
class Git:
    """Runs git; made by :func:`session`."""

    env: Mapping[str, str] = field(repr=False)
    transports: Sequence[str] = ()
    index: Path | None = None

    def run(
        self,
        *arguments: str,
        repository: Path | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        accept: Sequence[int] | None = (0,),
        timeout: float = NETWORK_SECONDS,
    ) -> process.Completed:
        """Run `git ARGUMENTS` on the bare `repository`. Raises ToolFailedError as `process.run` does."""
        settings = [*NEUTRAL, *(f"protocol.{name}.allow=always" for name in self.transports)]
        argv = ["git", *(part for setting in settings for part in ("-c", setting))]
        if repository is not None:
            argv.append(f"--git-dir={repository}")
        env = {**self.env, **({"GIT_INDEX_FILE": str(self.index)} if self.index else {})}
        done = process.run([*argv, *arguments], cwd=cwd, env=env, stdin=stdin, accept=None, timeout=timeout)
        if accept is not None and done.exit_code not in accept:
            raise ToolFailedError(
                f"{process.shown(['git', *arguments])} ended with exit code {done.exit_code}: {done.last_words}",
                solution="check the repository's URL, the credential, and whether its server answers",
            )
        return done

    def text(self, *arguments: str, repository: Path | None = None, cwd: Path | None = None) -> str:
        """The output of `git ARGUMENTS` without the newline at its end."""
        return self.run(*arguments, repository=repository, cwd=cwd).stdout.rstrip("\n")

    def answers(self, *arguments: str, repository: Path) -> bool:
        """Whether `git ARGUMENTS` ends with exit code 0; for questions that git answers by its exit code."""
        return self.run(*arguments, repository=repository, accept=None).exit_code == 0

    def offline(self) -> Git:
        """The same git without any transport: a question about a repository on disk never asks a server."""
        return replace(self, transports=(), env={**self.env, "GIT_NO_LAZY_FETCH": "1"})

    def with_index(self, index: Path) -> Git:
        """The same git with the index in the file `index`."""
        return replace(self, index=index)


@contextlib.contextmanager
def session(url: str = "", credential: Path | None = None) -> Iterator[Git]:
    """Git for the server of `url` (checked by :func:`check_url`); what it keeps on disk goes when the block ends.

    Raises:
        BadInputError: `credential` is no folder with a credential in it.
    """
    with tempfile.TemporaryDirectory(prefix="hallmark-git-") as name:
        folder = Path(name)
        configuration = folder / "config"
        # In a pod the volume's owner is seldom the step's user. This one setting has to be a file, because a
        # server's side that git starts on the same machine sees no `-c` of ours (and keeps its own hooks).
        configuration.write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
        env = {
            "GIT_CONFIG_GLOBAL": str(configuration),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
            # A repository that was tampered with could forge ancestry by them.
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_AUTHOR_NAME": IDENTITY[0],
            "GIT_AUTHOR_EMAIL": IDENTITY[1],
            "GIT_COMMITTER_NAME": IDENTITY[0],
            "GIT_COMMITTER_EMAIL": IDENTITY[1],
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }
        yield Git(env={**env, **_credential_env(url, credential, folder)}, transports=TRANSPORTS)


def check_url(url: str) -> str:
    """`url` as it may be shown and kept: of a known transport, and without a user name on HTTP.

    >>> check_url("https://someone@git.example.com/team/iris.git")
    'https://git.example.com/team/iris.git'

    Raises:
        BadInputError: another transport, or a password in the URL (which is not repeated in the message).
    """
    if any(character.isspace() or not character.isprintable() for character in url) or url.startswith("-"):
        raise _bad_url("the repository's URL has a character that no URL has")
    if SCP_FORM.match(url):
        return url
    if url.startswith("/"):
        return url
    try:
        parts = urlsplit(url)
        host, password = parts.netloc.rpartition("@")[2], parts.password
    except ValueError as error:
        raise _bad_url("the repository's URL is none") from error
    if password is not None:
        raise BadInputError(
            f"the repository's URL for {host} holds a password",
            solution="take it out of the URL, revoke it, and give a Secret with `username` and `password` instead",
        )
    if parts.scheme not in TRANSPORTS or "::" in url:
        raise _bad_url(f"{url} is no URL of a repository")
    if parts.scheme in ("http", "https"):
        return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    return url


def _bad_url(message: str) -> BadInputError:
    return BadInputError(message, solution=f"give one of {', '.join(TRANSPORTS)}, e.g. https://host/team/model.git")


def _credential_env(url: str, credential: Path | None, folder: Path) -> dict[str, str]:
    if credential is None:
        return {"GIT_SSH_COMMAND": "ssh -F /dev/null -o BatchMode=yes", "GIT_SSH_VARIANT": "ssh"}
    if (credential / "ssh-privatekey").is_file():
        return _ssh(credential, folder)
    if (credential / "username").is_file() and (credential / "password").is_file():
        return _basic(url, credential, folder)
    raise BadInputError(
        f"{credential} holds no git credential",
        solution="give a Secret with `username` and `password`, or with `ssh-privatekey` and `known_hosts`",
    )


def _basic(url: str, credential: Path, folder: Path) -> dict[str, str]:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    helper = folder / "askpass"
    command = shlex.join([sys.executable, "-I", "-m", "hallmark.tools.git_askpass", str(credential.resolve()), origin])
    helper.write_text(f'#!/bin/sh\nexec {command} "$1"\n', encoding="utf-8")
    helper.chmod(0o700)
    return {"GIT_ASKPASS": str(helper)}


def _ssh(credential: Path, folder: Path) -> dict[str, str]:
    known_hosts = credential / "known_hosts"
    if not known_hosts.is_file():
        raise BadInputError(
            f"{credential} has an ssh-privatekey but no known_hosts",
            solution="add the server's line of known_hosts to the Secret; without it anybody can pose as the server",
        )
    key = folder / "key"
    # ssh refuses a key that others may read, which a mounted Secret's file often is.
    key.touch(mode=0o600)
    key.write_bytes((credential / "ssh-privatekey").read_bytes().rstrip() + b"\n")
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known_hosts.resolve()),
        "GlobalKnownHostsFile": "/dev/null",
    }
    argv = ["ssh", "-F", "/dev/null", "-i", str(key)]
    argv += [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return {"GIT_SSH_COMMAND": shlex.join(argv), "GIT_SSH_VARIANT": "ssh"}
