"""fetch-champion against a real configuration repository, registry and cosign: what is in production, or a clear no."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark import image_labels, model_artifact
from hallmark.champion import read_champion
from hallmark.documents.policy import policy_digest
from hallmark.errors import BadInputError
from hallmark.files import sha256_tree
from hallmark.tools import skopeo
from hallmark.verdict import PREDICATE_TYPE

from .supply_chain_helpers import Called, WorkTree
from .supply_chain_images import Registries, days_ago, digest, verdict_content

MODEL = b"the model in production"
MODEL_DIGEST = f"sha256:{hashlib.sha256(MODEL).hexdigest()}"
DESCRIBED = {
    "name": "iris",
    "version": "1.2.3",
    "digest": MODEL_DIGEST,
    "format": "skops",
    "task": "classification",
    "features": ["width", "length"],
}
FILE = "production/kustomization.yaml"
RESULTS = ("champion-digest", "champion-image", "champion-model-digest", "champion-place")
Fetch = Callable[..., Called]


def layer_with(data: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        info = tarfile.TarInfo("app/model/anything.bin")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return archive.getvalue()


@pytest.fixture
def config(work_tree: Callable[[str], WorkTree]) -> WorkTree:
    return work_tree("config")


@pytest.fixture
def asking_policy(signing_policy: Path, config: WorkTree) -> Path:
    file = signing_policy / "policy.yaml"
    place = f"{{repository: '{config.url}', path: {FILE}}}"
    asked = f"model:\n  champion: {{metric: accuracy, first: allow, production: [{place}]}}\n"
    file.write_text(file.read_text().replace("model:\n", asked))
    return signing_policy


@pytest.fixture
def fetch(
    hallmark: Callable[..., Called], config: WorkTree, registries: Registries, asking_policy: Path, tmp_path: Path
) -> Fetch:
    def call(**flags: object) -> Called:
        given: dict[str, object] = {
            "config_repository_url": config.url,
            "kustomization": FILE,
            "release_image": registries.release,
            "tls_verify": "false",
            "policy": asking_policy,
            "champion": tmp_path / "champion",
            "release_credential": registries.releases.credential,
            "report": tmp_path / "report",
        }
        return hallmark("fetch-champion", results=RESULTS, **{**given, **flags})

    return call


def deploy(config: WorkTree, registries: Registries, found: str | None, name: str = "iris") -> None:
    line = f"    digest: {found}\n" if found else ""
    config.write(FILE, f"images:\n  - name: {name}\n    newName: {registries.release}\n{line}")
    config.push("Deploy")


@pytest.fixture
def content(registries: Registries) -> Callable[..., dict[str, Any]]:
    """A verdict of an earlier policy: the champion was judged by the one of its day."""

    def make(image_digest: str, **changes: Any) -> dict[str, Any]:
        return verdict_content(digest("8"), registries.candidate, image_digest, **{"model": DESCRIBED, **changes})

    return make


Content = Callable[..., dict[str, Any]]


@pytest.fixture
def champion(config: WorkTree, registries: Registries) -> str:
    """The digest of an image in production, not signed yet."""
    found = registries.push(registries.release, layer_tar=layer_with(MODEL))
    deploy(config, registries, found)
    return found


def test_the_model_in_production_is_taken_out_of_its_image(
    fetch: Fetch,
    config: WorkTree,
    registries: Registries,
    champion: str,
    content: Content,
    asking_policy: Path,
    tmp_path: Path,
) -> None:
    image = f"{registries.release}@{champion}"
    registries.sign(image)
    registries.attest(image, content(champion), predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 0, called.output
    folder = tmp_path / "champion"
    assert sorted(path.name for path in folder.iterdir()) == ["champion.json", "model"]
    assert (folder / "model").read_bytes() == MODEL
    assert called.result("champion-digest") == sha256_tree(folder)
    assert called.result("champion-image") == image
    assert called.result("champion-model-digest") == MODEL_DIGEST
    assert called.result("champion-place") == f"{config.url} main {FILE}"
    pinned = policy_digest(asking_policy)
    found = read_champion(folder, digest=sha256_tree(folder), policy_digest=pinned)
    assert (found.image, found.model.format, found.features) == (image, "skops", ["width", "length"])
    again = fetch()
    assert again.result("champion-digest") == called.result("champion-digest")
    with pytest.raises(BadInputError, match="the policy that the champion was checked by"):
        read_champion(folder, digest=sha256_tree(folder), policy_digest=digest("0"))
    (folder / "model").write_bytes(b"another")
    with pytest.raises(BadInputError, match="the folder of the champion was changed"):
        read_champion(folder, digest=called.result("champion-digest") or "", policy_digest=pinned)
    with pytest.raises(BadInputError, match="the champion's model"):
        read_champion(folder, digest=sha256_tree(folder), policy_digest=pinned)


@pytest.mark.parametrize("standing", [None, f"sha256:{'0' * 64}"])
def test_nothing_in_production_is_told_by_a_word(
    fetch: Fetch, config: WorkTree, registries: Registries, tmp_path: Path, standing: str | None
) -> None:
    deploy(config, registries, standing)
    called = fetch()
    assert called.code == 0, called.output
    assert [called.result(name) for name in RESULTS] == ["none", "", "", f"{config.url} main {FILE}"]
    assert "nothing is in production yet" in called.output
    assert list((tmp_path / "champion").iterdir()) == []


def test_where_the_policy_asks_for_no_comparison_nothing_is_asked_of_anyone(
    fetch: Fetch, asking_policy: Path, tmp_path: Path
) -> None:
    file = asking_policy / "policy.yaml"
    lines = [line for line in file.read_text().splitlines() if "champion:" not in line]
    file.write_text("\n".join(lines))
    called = fetch(config_repository_url="https://127.0.0.1:9/nobody.git")
    assert called.code == 0, called.output
    assert [called.result(name) for name in RESULTS] == ["not-asked", "", "", ""]


@pytest.mark.parametrize(
    "flags",
    [
        {"config_repository_url": "file:///nowhere/config.git"},
        {"config_branch": "next"},
        {"kustomization": "staging/kustomization.yaml"},
    ],
    ids=str,
)
def test_a_place_that_the_policy_does_not_name_is_refused_and_nobody_is_asked(
    fetch: Fetch, champion: str, flags: dict[str, object]
) -> None:
    called = fetch(**flags)
    assert called.code == 1, called.output
    assert "NO  place of production" in called.output
    assert [called.result(name) for name in RESULTS] == [None] * 4


def test_an_unsigned_image_in_production_is_refused(fetch: Fetch, champion: str, tmp_path: Path) -> None:
    called = fetch()
    assert called.code == 1, called.output
    assert "NO  signature: no signatures found" in called.output
    assert called.result("champion-digest") is None
    assert list((tmp_path / "champion").iterdir()) == []


@pytest.mark.parametrize("what", ["signature", "attestation"])
def test_a_champion_of_another_key_is_refused(
    fetch: Fetch, registries: Registries, champion: str, content: Content, what: str
) -> None:
    image, other = f"{registries.release}@{champion}", registries.other_key
    registries.sign(image, other if what == "signature" else None)
    key = other if what == "attestation" else None
    registries.attest(image, content(champion), key, predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 1, called.output
    assert f"NO  {what}" in called.output


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": {**DESCRIBED, "name": "wine"}}, "NO  model of the champion's verdict: wine"),
        ({"passed": False}, "NO  champion's verdict: refused"),
        (
            {"checks": [{"name": "accuracy", "passed": False, "value": "0.5", "limit": "0.9"}]},
            "NO  champion's verdict: refused: accuracy",
        ),
        ({"image": {"repository": "x.example/iris", "digest": digest("9")}}, "NO  image of the champion's verdict"),
        ({"gates": "none"}, "NO  verdict"),
    ],
)
def test_a_verdict_that_is_not_about_this_champion_is_refused(
    fetch: Fetch, registries: Registries, champion: str, content: Content, changes: dict[str, Any], complaint: str
) -> None:
    image = f"{registries.release}@{champion}"
    registries.sign(image)
    registries.attest(image, content(champion, **changes), predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 1, called.output
    assert complaint in called.output
    assert called.result("champion-digest") is None


def test_of_several_verdicts_the_newest_that_holds_counts(
    fetch: Fetch, registries: Registries, champion: str, content: Content, tmp_path: Path
) -> None:
    image = f"{registries.release}@{champion}"
    registries.sign(image)
    old = {key: value for key, value in DESCRIBED.items() if key not in ("format", "task", "features")}
    registries.attest(image, content(champion, model=old, judgedAt=days_ago(800)), predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 2, called.output
    assert "was judged before verdicts did" in called.output
    assert "under a policy without model.champion" in called.output
    registries.attest(image, content(champion), predicate_type=PREDICATE_TYPE)
    registries.attest(image, content(champion, passed=False), predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 0, called.output
    assert called.result("champion-model-digest") == MODEL_DIGEST


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"digest": digest("7")}, "layers has a file with the digest sha256:777"),
        ({"features": ["width", "colour"]}, "needs features that the policy does not offer: colour"),
        ({"features": []}, "does not say which features"),
        ({"task": "regression"}, "the model in production is of a regression"),
        ({"format": "h5"}, "describes its model as nothing that is known here"),
    ],
)
def test_a_champion_that_cannot_be_asked_is_bad_input(
    fetch: Fetch, registries: Registries, champion: str, content: Content, changes: dict[str, Any], complaint: str
) -> None:
    image = f"{registries.release}@{champion}"
    registries.sign(image)
    registries.attest(image, content(champion, model={**DESCRIBED, **changes}), predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 2, called.output
    assert complaint in called.output


def test_a_champion_that_is_fetched_at_its_start_is_taken_from_beside_its_image(
    fetch: Fetch, config: WorkTree, registries: Registries, content: Content, tmp_path: Path
) -> None:
    file = tmp_path / "model.skops"
    file.write_bytes(MODEL)
    registry = skopeo.Registry(authfile=registries.releases.auth_file, tls_verify=False)
    beside = model_artifact.push(file, MODEL_DIGEST, name="iris", target=registries.release, registry=registry)

    def standing(artifact: str) -> Called:
        found = registries.push(registries.release, {image_labels.MODEL_ARTIFACT: artifact}, layer_tar=layer_with(b""))
        deploy(config, registries, found)
        image = f"{registries.release}@{found}"
        registries.sign(image)
        registries.attest(image, content(found), predicate_type=PREDICATE_TYPE)
        return fetch()

    called = standing(beside)
    assert called.code == 0, called.output
    assert f"{len(MODEL)} bytes in {registries.release}@{beside}" in called.output
    assert sorted(path.name for path in (tmp_path / "champion").iterdir()) == ["champion.json", "model"]
    assert (tmp_path / "champion" / "model").read_bytes() == MODEL
    assert called.result("champion-model-digest") == MODEL_DIGEST
    missing = standing(digest("9"))
    assert (missing.code, "the registry does not give" in missing.output) == (3, True), missing.output


def test_a_champion_that_is_a_list_of_images_is_taken_out_of_one_of_them(
    fetch: Fetch, config: WorkTree, registries: Registries, content: Content, tmp_path: Path
) -> None:
    found, parts = registries.push_list(["amd64", "arm64"], layers=[layer_with(MODEL)])
    deploy(config, registries, found)
    image = f"{registries.release}@{found}"
    registries.sign(image)
    # Of the list, and not of an image in it: what is in production is the list.
    registries.attest(image, content(parts["amd64"]), predicate_type=PREDICATE_TYPE)
    refused = fetch()
    assert refused.code == 1, refused.output
    assert f"image of the champion's verdict: {parts['amd64']}" in refused.output
    registries.attest(image, content(found), predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 0, called.output
    assert (tmp_path / "champion" / "model").read_bytes() == MODEL


def test_a_champion_may_be_one_image_of_the_list_that_was_judged(
    fetch: Fetch, config: WorkTree, registries: Registries, content: Content, tmp_path: Path
) -> None:
    whole, parts = registries.push_list(["amd64", "arm64"], layers=[layer_with(MODEL)])
    deploy(config, registries, parts["arm64"])
    image = f"{registries.release}@{parts['arm64']}"
    registries.sign(image)
    judged = {"repository": registries.candidate, "digest": whole, "tested": "linux/amd64"}
    judged["platforms"] = {f"linux/{name}": found for name, found in parts.items()}
    registries.attest(image, content(whole, image=judged), predicate_type=PREDICATE_TYPE)
    called = fetch()
    assert called.code == 0, called.output
    assert (tmp_path / "champion" / "model").read_bytes() == MODEL


def test_a_registry_that_does_not_give_the_image_is_a_failed_tool(
    fetch: Fetch, config: WorkTree, registries: Registries, champion: str
) -> None:
    assert fetch(release_credential="").code == 3
    assert fetch(release_credential=registries.candidates.credential).code == 3
    deploy(config, registries, digest("a"))
    assert fetch().code == 3
    config.write(FILE, f"images:\n  - {{name: iris, newName: 127.0.0.1:9/iris, digest: '{digest('a')}'}}\n")
    config.push("Move away")
    assert fetch(release_image="127.0.0.1:9/iris").code == 3


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ({"release_image": "registry.example.com/other"}, 2, "has newName"),
        ({"kustomization": "missing.yaml"}, 2, "missing.yaml does not exist"),
        ({"config_branch": "nobody"}, 2, "has no branch nobody"),
        ({"config_repository_url": "file:///nowhere/config.git"}, 3, "exit code"),
        ({"config_repository_url": ""}, 2, "--config-repository-url is empty"),
    ],
)
def test_a_kustomization_that_does_not_tell_is_never_nothing_in_production(
    fetch: Fetch,
    config: WorkTree,
    asking_policy: Path,
    champion: str,
    flags: dict[str, object],
    code: int,
    words: str,
) -> None:
    file = asking_policy / "policy.yaml"
    place = {"repository": flags.get("config_repository_url") or config.url, "path": flags.get("kustomization", FILE)}
    named = json.dumps({**place, "branch": flags.get("config_branch", "main")})
    file.write_text(re.sub(r"production: \[.*\]", f"production: [{named}]", file.read_text()))
    called = fetch(**flags)
    assert called.code == code, called.output
    assert words in called.output
    assert called.result("champion-digest") is None


@pytest.mark.parametrize("standing", ["v1", "sha256:abc", "5"])
def test_what_is_no_digest_is_never_nothing_in_production(
    fetch: Fetch, config: WorkTree, registries: Registries, standing: str
) -> None:
    deploy(config, registries, standing)
    called = fetch()
    assert called.code == 2, called.output
    assert "is no digest" in called.output


def test_a_kustomization_without_the_image_is_bad_input(fetch: Fetch, config: WorkTree, registries: Registries) -> None:
    deploy(config, registries, digest("a"), name="wine")
    called = fetch()
    assert called.code == 2, called.output
    assert "no entry for the image iris" in called.output


def test_what_lies_in_the_folder_is_not_handed_over(
    fetch: Fetch, config: WorkTree, registries: Registries, tmp_path: Path
) -> None:
    deploy(config, registries, None)
    folder = tmp_path / "champion"
    folder.mkdir()
    (folder / "champion.json").write_text(json.dumps({"image": "forged"}))
    assert fetch().code == 0
    assert list(folder.iterdir()) == []
    (folder / "other").write_text("kept")
    assert fetch().code == 2
