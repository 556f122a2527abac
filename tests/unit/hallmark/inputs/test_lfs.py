"""With the real git-lfs, and Gitea's LFS server."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark.command import Context
from hallmark.commands import fetch_source
from hallmark.errors import BadInputError
from hallmark.files import sha256_tree
from hallmark.tools.git_lfs import parse_pointer
from services import gitea as service
from services.gitea import Gitea
from services.http import WebServer

from ..supply_chain.supply_chain_helpers import MODEL, POLICY
from .desk import Desk

CSV = b"a,b\n1,2\n3,4\n"
POINTER = (
    f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(CSV).hexdigest()}\nsize {len(CSV)}\n"
).encode()


def git(folder: Path, *arguments: str, **env: str) -> None:
    subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, timeout=120,
        env={**os.environ, "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
             "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
             **env},
    )  # fmt: skip


def repository(folder: Path) -> Path:
    """A repository whose CSV files are git-lfs's."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "lfs", "install", "--local")
    git(folder, "lfs", "track", "*.csv")
    (folder / "d.csv").write_bytes(CSV)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Data")
    return folder


def as_pointer(folder: Path) -> None:
    """The file as a checkout without git-lfs leaves it."""
    assert subprocess.check_output(["git", "show", "HEAD:d.csv"], cwd=folder) == POINTER
    (folder / "d.csv").write_bytes(POINTER)


@pytest.fixture(scope="session")
def server() -> Iterator[Gitea]:
    if not service.PROGRAM.exists():
        pytest.skip("make cluster-up builds Gitea")
    with service.gitea() as found:
        yield found


@pytest.fixture
def pushed(server: Gitea, desk: Desk, request: pytest.FixtureRequest) -> Path:
    """A repository whose objects are on the server and no longer here."""
    name = f"r{abs(hash(request.node.name))}"
    server.create(name)
    repository(desk.base)
    address = server.url(name)
    git(desk.base, "remote", "add", "origin", address)
    helper = desk.base.parent / "askpass"
    helper.write_text(f'#!/bin/sh\ncase "$1" in User*) echo {service.USER};; *) echo "{service.PASSWORD}";; esac\n')
    helper.chmod(0o700)
    git(desk.base, "push", "--quiet", "origin", "main", GIT_ASKPASS=str(helper))
    as_pointer(desk.base)
    subprocess.run(["rm", "-r", str(desk.base / ".git" / "lfs" / "objects")], check=True)
    return desk.base


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "policy.yaml").write_text(POLICY)
    return tmp_path / "policy"


def push_model(repository: Path, helper: Path, **files: str) -> None:
    """Make the pushed repository one of a model; `d.csv` is its training data."""
    named = MODEL.replace("data/training.csv", "d.csv")
    for name, content in {"hallmark.yaml": named, "train.py": "", "Containerfile": "FROM scratch\n", **files}.items():
        (repository / name).write_text(content)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "Model")
    git(repository, "push", "--quiet", "origin", "main", GIT_ASKPASS=str(helper), GIT_LFS_SKIP_PUSH="1")


def test_fetch_source_puts_objects_in_the_place_of_pointers(
    pushed: Path, server: Gitea, policy: Path, tmp_path: Path, web: WebServer
) -> None:
    """And the repository's own `.lfsconfig` leads the credential nowhere."""
    elsewhere = f'[lfs]\n\turl = "{web.url("/lfs")}"\n'
    push_model(pushed, pushed.parent / "askpass", **{".lfsconfig": elsewhere})
    params = fetch_source.Params(
        repository_url=server.url(pushed_name(pushed)),
        source=tmp_path / "source",
        history=tmp_path / "history",
        policy=policy,
        credential=login(tmp_path / "login"),
    )
    outcome = fetch_source.run(params, Context(report_dir=tmp_path, say=print))
    assert (tmp_path / "source" / "d.csv").read_bytes() == CSV
    assert outcome.results.source_digest == sha256_tree(tmp_path / "source")
    assert [check.value for check in outcome.report.checks if check.name == "Git LFS"] == [
        "1 objects in the place of their pointers"
    ]
    assert web.asked == []


def pushed_name(repository: Path) -> str:
    address = subprocess.check_output(["git", "remote", "get-url", "origin"], cwd=repository, text=True)
    return Path(address.strip()).name.removesuffix(".git")


def login(folder: Path, password: str = service.PASSWORD) -> Path:
    folder.mkdir()
    (folder / "username").write_text(service.USER)
    (folder / "password").write_text(password)
    return folder


def test_a_pointer_is_resolved_from_the_repositorys_own_store(desk: Desk) -> None:
    repository(desk.base)
    as_pointer(desk.base)
    assert desk.read("d.csv").rows() == [(1, 2), (3, 4)]
    assert desk.digest("d.csv") == f"sha256:{hashlib.sha256(CSV).hexdigest()}"


def test_pointers_in_a_folder_are_resolved_beside_plain_files(desk: Desk) -> None:
    repository(desk.base)
    (desk.base / "d").mkdir()
    (desk.base / "d" / "a.csv").write_bytes(POINTER)
    (desk.base / "d" / "b.csv").write_bytes(CSV)
    assert desk.read("d").height == 4


def test_an_object_is_fetched_from_the_server(pushed: Path, desk: Desk, tmp_path: Path) -> None:
    assert desk.read("d.csv", login(tmp_path / "login")).rows() == [(1, 2), (3, 4)]


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_server_that_does_not_know_the_credential_is_told(
    password: str | None, pushed: Path, desk: Desk, tmp_path: Path
) -> None:
    error = desk.refused("d.csv", login(tmp_path / "login", password) if password else None)
    assert "git lfs fetch ended with exit code" in error.message
    assert "wrong" not in error.message


def test_an_object_that_was_never_pushed_is_told(pushed: Path, desk: Desk, tmp_path: Path) -> None:
    oid = "0" * 64
    (pushed / "d.csv").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12\n")
    error = desk.refused("d.csv", login(tmp_path / "login"))
    assert "Git LFS" in error.message or "git lfs" in error.message


def test_configuration_of_the_repository_does_not_run(pushed: Path, desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n")
    script.chmod(0o700)
    for key in ("core.sshCommand", "core.fsmonitor", "core.askPass", "filter.lfs.smudge", "credential.helper",
                "lfs.customtransfer.x.path"):  # fmt: skip
        git(pushed, "config", key, f"!{script}" if key == "credential.helper" else str(script))
    git(pushed, "config", "lfs.standalonetransferagent", "x")
    assert desk.read("d.csv", login(tmp_path / "login")).height == 2
    assert not mark.exists()


def test_a_pointer_without_a_repository_is_bad_input(desk: Desk) -> None:
    desk.write("d.csv", POINTER)
    assert "no repository to resolve it in" in desk.refused("d.csv").message


def test_a_pointer_without_a_remote_is_bad_input(desk: Desk) -> None:
    git(desk.base, "init", "--quiet")
    desk.write("d.csv", POINTER)
    assert "no remote to fetch it from" in desk.refused("d.csv").message


@pytest.mark.parametrize("remote", ["file:///srv/data.git", "ssh://host/data.git", "/srv/data.git", "ext::sh -c id"])
def test_a_remote_is_asked_by_http_only(remote: str, desk: Desk) -> None:
    git(desk.base, "init", "--quiet")
    git(desk.base, "config", "remote.origin.url", remote)
    desk.write("d.csv", POINTER)
    assert "has no http(s) address" in desk.refused("d.csv").message


def test_an_object_of_other_content_is_refused(desk: Desk) -> None:
    repository(desk.base)
    as_pointer(desk.base)
    oid = hashlib.sha256(CSV).hexdigest()
    stored = desk.base / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    stored.chmod(0o600)
    stored.write_bytes(CSV.replace(b"1", b"9"))
    assert "is another one than its pointer names" in desk.refused("d.csv").message


def test_an_object_that_is_too_large_is_not_fetched(desk: Desk) -> None:
    git(desk.base, "init", "--quiet")
    git(desk.base, "config", "remote.origin.url", "http://127.0.0.1:9/data.git")
    desk.write("d.csv", POINTER.replace(b"size 12", b"size 999999999999"))
    assert "larger than" in desk.refused("d.csv").message


def test_a_damaged_pointer_is_bad_input() -> None:
    for damage in (POINTER.replace(b"oid", b"old"), POINTER[:60], POINTER + b"x" * 2000):
        with pytest.raises(BadInputError, match="damaged Git LFS pointer"):
            parse_pointer(damage, "the data")
    assert parse_pointer(CSV, "the data") is None
