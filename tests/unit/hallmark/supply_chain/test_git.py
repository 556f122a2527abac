"""git with its neutral configuration, and credentials over HTTP with git's own server (git-http-backend)."""

from __future__ import annotations

import base64
import contextlib
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hallmark.errors import BadInputError, ToolFailedError
from hallmark.tools import git_askpass
from hallmark.tools.git import check_url, session
from services.http import serving

from .supply_chain_helpers import Called, WorkTree

PASSWORD = "correct horse battery staple"  # noqa: S105


class GitServer(ThreadingHTTPServer):
    """git-http-backend behind basic authentication; redirects everything where `redirect_to` is set."""

    redirect_to = ""

    def __init__(self, root: Path) -> None:
        self.root, self.seen = root, list[str]()
        super().__init__(("127.0.0.1", 0), GitHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class GitHandler(BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = self.headers.get("Authorization", "")
        self.server.seen.append(given)
        if self.server.redirect_to:
            self.send_response(302)
            self.send_header("Location", self.server.redirect_to + self.path)
            self.end_headers()
            return
        if given != "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        answer = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        ).stdout
        headers, _, content = answer.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in headers.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[Callable[[], GitServer]]:
    with contextlib.ExitStack() as stack:

        def start() -> GitServer:
            server = GitServer(tmp_path)
            stack.enter_context(serving(server))
            return server

        yield start


@pytest.fixture
def credential(tmp_path: Path) -> Path:
    folder = tmp_path / "credential"
    folder.mkdir()
    (folder / "username").write_text("robot")
    (folder / "password").write_text(f"{PASSWORD}\n")
    return folder


@pytest.fixture
def fetch_over_http(
    hallmark: Callable[..., Called], tmp_path: Path, policy: Path
) -> Callable[[str, Path | None], Called]:
    def call(url: str, credential: Path | None) -> Called:
        flags: dict[str, Any] = {"source": tmp_path / "source", "history": tmp_path / "history", "policy": policy}
        given = str(credential or "")
        return hallmark("fetch-source", repository_url=url, credential=given, results=("repository-url",), **flags)

    return call


def test_a_private_repository_is_fetched_with_the_secrets_password(
    git_server: Callable[[], GitServer],
    model_tree: WorkTree,
    credential: Path,
    fetch_over_http: Callable[[str, Path | None], Called],
    tmp_path: Path,
) -> None:
    server = git_server()
    called = fetch_over_http(f"{server.url}/iris.git".replace("//", "//robot@"), credential)
    assert called.code == 0, called.output
    assert called.result("repository-url") == f"{server.url}/iris.git"
    assert PASSWORD not in called.output
    left = b"".join(file.read_bytes() for file in (tmp_path / "history").rglob("*") if file.is_file())
    assert PASSWORD.encode() not in left


def test_a_private_repository_without_or_with_a_wrong_password_is_a_failed_tool(
    git_server: Callable[[], GitServer],
    model_tree: WorkTree,
    credential: Path,
    fetch_over_http: Callable[[str, Path | None], Called],
) -> None:
    server = git_server()
    assert fetch_over_http(f"{server.url}/iris.git", None).code == 3
    (credential / "password").write_text("wrong password")
    called = fetch_over_http(f"{server.url}/iris.git", credential)
    assert called.code == 3
    assert "check the repository's URL, the credential" in called.output
    assert "wrong password" not in called.output


def test_a_server_that_redirects_to_another_does_not_pass_the_password_on(
    git_server: Callable[[], GitServer],
    model_tree: WorkTree,
    credential: Path,
    fetch_over_http: Callable[[str, Path | None], Called],
) -> None:
    trusted, other = git_server(), git_server()
    trusted.redirect_to = other.url
    called = fetch_over_http(f"{trusted.url}/iris.git", credential)
    assert called.code == 3
    assert set(other.seen) == {""}


def test_a_push_over_http_uses_the_credential(
    git_server: Callable[[], GitServer], model_tree: WorkTree, credential: Path
) -> None:
    server = git_server()
    url = f"{server.url}/iris.git"
    with session(url, credential) as git:
        git.run("push", "--quiet", url, "HEAD:refs/heads/pushed", repository=model_tree.path / ".git")
    assert model_tree.git("rev-parse", "pushed", cwd=model_tree.bare) == model_tree.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Username for 'https://git.example.com': ", "robot"),
        ("Password for 'https://robot@git.example.com': ", PASSWORD),
        ("Password for 'https://robot@git.example.com.evil.example': ", None),
        ("Password for 'https://git.example.com@evil.example': ", None),
        ("Password for 'http://robot@git.example.com': ", None),
        ('Username for "https://git.example.com"', "robot"),
        ('Password for "https://robot@git.example.com/team/iris.git/info/lfs"', PASSWORD),
        ("Password for 'https://git.example.com\"@evil.example': ", None),
        ("Enter passphrase for key '/key': ", None),
    ],
)
def test_the_askpass_helper_answers_one_server_only(credential: Path, prompt: str, expected: str | None) -> None:
    assert git_askpass.answer(credential, "https://git.example.com", prompt) == expected


def test_an_ssh_key_is_used_with_its_known_hosts_only(tmp_path: Path) -> None:
    folder = tmp_path / "ssh"
    folder.mkdir()
    (folder / "ssh-privatekey").write_text("KEY")
    with pytest.raises(BadInputError, match="no known_hosts"), session("git@host:x.git", folder):
        pass
    (folder / "known_hosts").write_text("")
    with session("git@host:x.git", folder) as git:
        command = git.env["GIT_SSH_COMMAND"]
        key = Path(command.split(" -i ")[1].split()[0])
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert "StrictHostKeyChecking=yes" in command
    assert not key.exists()


def test_a_folder_without_a_credential_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds no git credential"), session("https://host/x", tmp_path):
        pass


def test_a_repository_of_another_user_is_read(model_tree: WorkTree) -> None:
    with session(model_tree.url) as git:
        as_stranger = replace(git, env={**git.env, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})
        listed = as_stranger.text("ls-remote", model_tree.url, "refs/heads/main")
    assert listed.startswith(model_tree.git("rev-parse", "HEAD"))


def test_offline_git_reaches_no_server(model_tree: WorkTree) -> None:
    with session(model_tree.url) as git, pytest.raises(ToolFailedError, match="not allowed"):
        git.offline().run("ls-remote", model_tree.url)


@pytest.mark.parametrize("url", ["git@host.example:team/x.git", "ssh://git@host/x.git", "file:///srv/x.git", "/srv/x"])
def test_urls_of_every_kind_are_kept(url: str) -> None:
    assert check_url(url) == url
