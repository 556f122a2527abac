"""Fixtures of the tests of source and supply chain."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hallmark import cli
from hallmark.documents.policy import policy_digest
from laptop.keys import KeyPair, ensure
from laptop.registry import Registry, running
from services import cosign3

from .supply_chain_helpers import MODEL, POLICY, Called, WorkTree
from .supply_chain_images import COMMIT, POLICY_WITH_KEY, Registries, verdict_content, write_verdict


@pytest.fixture
def work_tree(tmp_path: Path) -> Callable[[str], WorkTree]:
    def make(name: str) -> WorkTree:
        return WorkTree(tmp_path, name)

    return make


@pytest.fixture
def model_tree(work_tree: Callable[[str], WorkTree]) -> WorkTree:
    """A pushed repository of a model, not yet good for more than being fetched."""
    tree = work_tree("iris")
    tree.write("hallmark.yaml", MODEL)
    tree.write("train.py", "print('training')\n")
    tree.write("Containerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY model/ /app/model/\n")
    tree.write("data/training.csv", "width,length,species\n1,2,a\n")
    tree.push("Add the model")
    return tree


@pytest.fixture
def use_cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has `cosign` be that version's: 2.6 is on PATH, 3.1 is built where it is missing."""

    def use(version: str) -> None:
        if version == "3.1":
            (tmp_path / "cosign-3").mkdir()
            (tmp_path / "cosign-3" / "cosign").symlink_to(cosign3.program())
            monkeypatch.setenv("PATH", str(tmp_path / "cosign-3"), prepend=":")

    return use


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY)
    return folder


@pytest.fixture
def hallmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Calls `hallmark COMMAND --flag=value ...`; keyword arguments are the flags; `results` names those to keep."""
    calls = 0

    def call(command: str, *, results: tuple[str, ...] = (), **flags: object) -> Called:
        nonlocal calls
        calls += 1
        folder = tmp_path / f"results-{calls}"
        argv = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
        argv += [f"--result-{name}={folder / name}" for name in results]
        code = cli.main([command, *argv])
        captured = capsys.readouterr()
        return Called(code, captured.out + captured.err, folder)

    return call


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, Registry, KeyPair, KeyPair]]:
    """Two real registries and two key pairs, for all tests of this folder."""
    folder = tmp_path_factory.mktemp("services")
    cosign = Path(shutil.which("cosign") or "cosign")
    with running(folder / "candidates") as candidates, running(folder / "releases") as releases:
        yield candidates, releases, ensure(folder / "key", cosign), ensure(folder / "other-key", cosign)


@pytest.fixture
def registries(
    services: tuple[Registry, Registry, KeyPair, KeyPair], tmp_path: Path, request: pytest.FixtureRequest
) -> Registries:
    candidates, releases, key, other = services
    folder = tmp_path / "images"
    folder.mkdir()
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    return Registries(candidates=candidates, releases=releases, key=key, other_key=other, folder=folder, name=name)


@pytest.fixture
def signing_policy(tmp_path: Path, registries: Registries) -> Path:
    """The policy of the verdicts here, with the trusted key."""
    folder = tmp_path / "signing-policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY_WITH_KEY)
    shutil.copy(registries.key.public, folder / "cosign.pub")
    return folder


@pytest.fixture
def signing_key(tmp_path: Path, registries: Registries, signing_policy: Path) -> Path:
    folder = tmp_path / "signing-key"
    folder.mkdir()
    shutil.copy(registries.key.private, folder / "cosign.key")
    shutil.copy(registries.key.password, folder / "cosign.password")
    (folder / "policies").write_text(f"# accepted by the bank\n\n{policy_digest(signing_policy)}  # iris, 2026\n")
    return folder


@pytest.fixture
def sign(
    hallmark: Callable[..., Called], registries: Registries, signing_policy: Path, signing_key: Path, tmp_path: Path
) -> Callable[..., Called]:
    """Push a candidate (unless `image_digest` is given), write a verdict about it, and call sign-image."""

    def call(changes: dict[str, Any] | None = None, *, labels: dict[str, str] | None = None, **flags: object) -> Called:
        image_digest = str(flags.get("image_digest") or registries.push(registries.candidate, labels))
        pinned = policy_digest(signing_policy)
        content = verdict_content(pinned, registries.candidate, image_digest, **(changes or {}))
        given: dict[str, object] = {
            "candidate_image": registries.candidate,
            "image_digest": image_digest,
            "release_image": registries.release,
            "commit": COMMIT,
            "policy_digest": pinned,
            "verdict_digest": write_verdict(tmp_path / "verdict", content),
            "tls_verify": "false",
            "verdict": tmp_path / "verdict",
            "policy": signing_policy,
            "signing_key": signing_key,
            "candidate_credential": registries.candidates.credential,
            "release_credential": registries.releases.credential,
            "report": tmp_path / "report",
        }
        return hallmark("sign-image", results=("release-digest", "release-image-ref"), **{**given, **flags})

    return call


@pytest.fixture
def verify(
    hallmark: Callable[..., Called], registries: Registries, signing_policy: Path, tmp_path: Path
) -> Callable[..., Called]:
    def call(image: str, **flags: object) -> Called:
        given: dict[str, object] = {
            "image": image,
            "policy": signing_policy,
            "policy_digest": policy_digest(signing_policy),
            "credential": registries.releases.credential,
            "tls_verify": "false",
            "report": tmp_path / "report",
        }
        return hallmark("verify-image", results=("verified",), **{**given, **flags})

    return call
