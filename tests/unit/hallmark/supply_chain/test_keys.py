"""hallmark keys: real cosign, real registries; a kubectl that only writes down what it is given."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from hallmark.attestations import TYPES
from hallmark.documents.policy import load_policy, policy_digest
from hallmark.image_reference import parse_image
from hallmark.registry_auth import docker_config
from hallmark.signing_keys import filesystem_of, scratch
from hallmark.tools.cosign import Signer, cosign
from hallmark.verdict import PREDICATE_TYPE

from .supply_chain_helpers import Called
from .supply_chain_images import Registries, verdict_content

SECRET = "correct horse battery staple"  # noqa: S105
Hallmark = Callable[..., Called]

KUBECTL = """\
#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
stored, log = here / "stored.json", here / "argv"
with log.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "get":
    if stored.exists():
        found = json.loads(stored.read_text())["metadata"]
        print(found["name"] if "--output=name" in sys.argv else json.dumps(found.get("annotations", {})))
elif "--dry-run=server" in sys.argv:
    sys.stdin.read()
else:
    stored.write_text(sys.stdin.read())
"""


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory with the password of the keys here."""
    with scratch() as folder:
        (folder / "password").write_text(SECRET + "\n")
        yield folder


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kubectl"
    folder.mkdir()
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


@pytest.fixture
def pair(hallmark: Hallmark, in_memory: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "pair"
    called = hallmark("keys-generate", output=folder, password_file=in_memory / "password")
    assert called.code == 0, called.output
    return folder


def test_a_pair_is_made_encrypted_and_nobody_else_may_read_it(
    hallmark: Hallmark, pair: Path, in_memory: Path, tmp_path: Path
) -> None:
    assert sorted(file.name for file in pair.iterdir()) == ["cosign.key", "cosign.pub"]
    assert (pair / "cosign.key").stat().st_mode & 0o777 == 0o600
    assert "ENCRYPTED" in (pair / "cosign.key").read_text()
    public = tmp_path / "public.pub"
    called = hallmark("keys-public", key=pair, output=public, password_file=in_memory / "password")
    assert called.code == 0, called.output
    assert public.read_text() == (pair / "cosign.pub").read_text()
    assert public.read_text() in called.output
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", str(public), "-outform", "DER"], capture_output=True, check=True
    )
    told = subprocess.run(["sha256sum"], input=der.stdout, capture_output=True, check=True).stdout.split()[0].decode()
    assert f"sha256:{told}" in called.output
    assert list(in_memory.iterdir()) == [in_memory / "password"]


def test_a_key_is_never_replaced(hallmark: Hallmark, pair: Path, in_memory: Path) -> None:
    before = (pair / "cosign.key").read_bytes()
    called = hallmark("keys-generate", output=pair, password_file=in_memory / "password")
    assert called.code == 2
    assert "never replaced" in called.output
    assert (pair / "cosign.key").read_bytes() == before
    other = pair.parent / "other.pub"
    other.write_text("another key\n")
    for file in (pair / "cosign.key", other, pair):
        called = hallmark("keys-public", key=pair, output=file, password_file=in_memory / "password")
        assert (called.code, "exists and is not this public key" in called.output) == (2, True), called.output
    assert (pair / "cosign.key").read_bytes() == before
    assert other.read_text() == "another key\n"
    assert hallmark("keys-public", key=pair, output=pair / "cosign.pub", password_file=in_memory / "password").code == 0


def test_a_key_that_is_not_there_or_not_opened_is_bad_input(
    hallmark: Hallmark, pair: Path, in_memory: Path, tmp_path: Path
) -> None:
    (in_memory / "wrong").write_text("wrong horse battery staple")
    for key, password, said in [
        (tmp_path / "none", "password", f"there is no key {tmp_path / 'none' / 'cosign.key'}"),
        (pair, "wrong", "cosign cannot open"),
        (pair, "none", f"there is no file {in_memory / 'none'}"),
    ]:
        called = hallmark("keys-public", key=key, password_file=in_memory / password)
        assert (called.code, said in called.output) == (2, True), called.output


def test_the_password_comes_from_memory_or_the_environment_and_protects(
    hallmark: Hallmark, in_memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COSIGN_PASSWORD", raising=False)
    called = hallmark("keys-generate", output=tmp_path / "none")
    assert (called.code, "there is no password" in called.output) == (2, True)
    (in_memory / "short").write_text("secret")
    called = hallmark("keys-generate", output=tmp_path / "none", password_file=in_memory / "short")
    assert (called.code, "shorter than 16" in called.output) == (2, True)
    assert not (tmp_path / "none").exists()
    monkeypatch.setenv("COSIGN_PASSWORD", SECRET)
    called = hallmark("keys-generate", output=tmp_path / "pair")
    assert called.code == 0, called.output
    assert SECRET not in called.output


def test_a_password_on_a_disk_is_refused(hallmark: Hallmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "password"
    disk.write_text(SECRET)
    monkeypatch.setattr("hallmark.signing_keys.filesystem_of", lambda path: "ext4")
    called = hallmark("keys-generate", output=tmp_path / "none", password_file=disk)
    assert called.code == 2
    assert "lies on ext4" in called.output


MOUNTS = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:2 / /run rw shared:1 - tmpfs tmpfs rw
3 2 0:3 / /run/my\\040disk rw - xfs /dev/sdb1 rw
4 1 0:4 / /mnt rw - xfs /dev/sdc1 rw
5 1 0:5 / /mnt rw - ramfs ramfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/etc/x", "ext4"), ("/run/x/y", "tmpfs"), ("/run/my disk/x", "xfs"), ("/runner", "ext4"), ("/mnt/x", "ramfs")],
)
def test_the_file_system_is_that_of_the_deepest_and_last_mount(path: str, kind: str) -> None:
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_a_key_is_stored_through_a_pipe_and_not_over_another_one(
    hallmark: Hallmark, pair: Path, in_memory: Path, kubectl: Path, tmp_path: Path
) -> None:
    policies = tmp_path / "policies"
    policies.write_text(f"# iris\nsha256:{'1' * 64}\n")
    flags = {"key": pair, "policies": policies, "name": "iris-signing-key", "password_file": in_memory / "password"}
    called = hallmark("keys-store", **flags)
    assert called.code == 0, called.output
    stored = json.loads((kubectl / "stored.json").read_text())
    data = {name: base64.b64decode(value).decode() for name, value in stored["data"].items()}
    assert data == {
        "cosign.key": (pair / "cosign.key").read_text(),
        "cosign.pub": (pair / "cosign.pub").read_text(),
        "cosign.password": SECRET,
        "policies": f"sha256:{'1' * 64}\n",
    }
    argv = (kubectl / "argv").read_text()
    assert argv.index("--dry-run=server") < argv.rindex("apply")
    assert all("--server-side" in line for line in argv.splitlines() if "apply" in line)
    for secret in (SECRET, data["cosign.key"].splitlines()[1], stored["data"]["cosign.password"]):
        assert secret not in argv + called.output
    assert hallmark("keys-store", **flags).code == 0, "the same key again"
    hallmark("keys-generate", output=tmp_path / "other", password_file=in_memory / "password")
    called = hallmark("keys-store", **{**flags, "key": tmp_path / "other"})
    assert (called.code, "another key lies in" in called.output) == (2, True)
    assert json.loads((kubectl / "stored.json").read_text()) == stored
    assert hallmark("keys-store", **{**flags, "key": tmp_path / "other", "replace": "true"}).code == 0
    assert json.loads((kubectl / "stored.json").read_text()) != stored


def test_a_key_that_signs_models_is_made_and_stored_apart_from_those_that_sign_releases(
    hallmark: Hallmark, in_memory: Path, kubectl: Path, tmp_path: Path
) -> None:
    folder, file = tmp_path / "model-pair", in_memory / "password"
    made = hallmark("keys-generate", output=folder, signs="model", password_file=file)
    assert made.code == 0, made.output
    assert sorted(entry.name for entry in folder.iterdir()) == ["model.key", "model.pub"]
    assert (folder / "model.key").stat().st_mode & 0o777 == 0o600
    assert (folder / "model.key").read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    again = hallmark("keys-generate", output=folder, signs="model", password_file=file)
    assert (again.code, "never replaced" in again.output) == (2, True)

    stored = hallmark("keys-store", key=folder, signs="model", password_file=file)
    assert stored.code == 0, stored.output
    secret = json.loads((kubectl / "stored.json").read_text())
    assert secret["metadata"]["name"] == "model-key"
    data = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    names = ("model.key", "model.pub")
    assert data == {**{name: (folder / name).read_text() for name in names}, "model.password": SECRET}
    assert SECRET not in made.output + stored.output + (kubectl / "argv").read_text()

    (in_memory / "wrong").write_text("wrong horse battery staple")
    for flags, said in (
        ({"password_file": in_memory / "wrong"}, "does not open"),
        ({"policies": tmp_path / "policies"}, "--policies says nothing of a key of models"),
        ({"signs": "models"}, "--signs=models is nothing that a key signs"),
        ({"signs": "release"}, "--policies is missing"),
    ):
        called = hallmark("keys-store", **{"key": folder, "signs": "model", "password_file": file, **flags})
        assert (called.code, said in called.output) == (2, True), called.output


def test_a_key_that_would_sign_nothing_is_not_stored(
    hallmark: Hallmark, pair: Path, in_memory: Path, kubectl: Path, tmp_path: Path
) -> None:
    policies = tmp_path / "policies"
    policies.write_text("# none yet\n")
    flags = {"key": pair, "policies": policies, "password_file": in_memory / "password"}
    called = hallmark("keys-store", **flags)
    assert (called.code, "lists no policy" in called.output) == (2, True)
    policies.write_text(f"sha256:{'1' * 64}\n")
    (in_memory / "wrong").write_text("wrong horse battery staple")
    called = hallmark("keys-store", **{**flags, "password_file": in_memory / "wrong"})
    assert (called.code, "cosign cannot open" in called.output) == (2, True)
    called = hallmark("keys-store", **flags, name="../x")
    assert (called.code, "no name of Kubernetes" in called.output) == (2, True)
    assert not (kubectl / "stored.json").exists()


def test_a_key_is_rotated_without_a_moment_in_which_live_images_are_refused(
    hallmark: Hallmark, registries: Registries, signing_policy: Path, in_memory: Path, tmp_path: Path
) -> None:
    """Old key, both keys, new key: what is live verifies at each edition, at the last not by the old key."""
    file = signing_policy / "policy.yaml"
    file.write_text(file.read_text().replace("signing: {", "# who signs\nsigning: {"))
    images = tmp_path / "live"
    live, left_out = (_delivered(registries, signing_policy, number) for number in "12")
    images.write_text(f"{live}  # iris\n")
    both, last, new_key = tmp_path / "both", tmp_path / "last", tmp_path / "new-key"
    flags = {"policy": signing_policy, "images": images, "password_file": in_memory / "password"}
    called = hallmark("keys-rotate", output=both, new_key=new_key, results=("policy-digest", "public-key"), **flags)
    assert called.code == 0, called.output
    assert f"to be signed again: {live}" in called.output
    assert called.result("policy-digest") == policy_digest(both)
    assert load_policy(both).signing.trusted_policies == [policy_digest(signing_policy)]
    assert "# who signs" in (both / "policy.yaml").read_text()
    assert (both / str(called.result("public-key"))).read_text() == (new_key / "cosign.pub").read_text()

    def verify(policy: Path, image: str) -> int:
        wanted = {"image": image, "policy": policy, "policy_digest": policy_digest(policy), "tls_verify": "false"}
        return hallmark("verify-image", credential=registries.releases.credential, **wanted).code

    assert verify(both, live) == 0, "the old key is good"
    retire = {"key": "cosign.pub", "policy": both, "output": last, "images": images, "tls_verify": "false"}
    retire["credential"] = registries.releases.credential
    called = hallmark("keys-retire", **retire)
    assert (called.code, "is still needed" in called.output, last.exists()) == (1, True, False)

    secret = _secret(in_memory, new_key, policy_digest(signing_policy))
    resign = {"images": images, "policy": both, "signing_key": secret, "tls_verify": "false"}
    resign["credential"] = registries.releases.credential
    called = hallmark("keys-resign", **resign)
    assert (called.code, "is not for the policy" in called.output) == (2, True)
    (secret / "policies").write_text(f"{policy_digest(both)}\n")
    called = hallmark("keys-resign", **resign)
    assert called.code == 0, called.output
    assert "signed, verdict" in called.output
    assert "was signed before" in hallmark("keys-resign", **resign).output

    called = hallmark("keys-retire", results=("policy-digest",), **retire)
    assert called.code == 0, called.output
    assert called.result("policy-digest") == policy_digest(last)
    assert yaml.safe_load((last / "policy.yaml").read_text())["signing"]["publicKeys"] != ["cosign.pub"]
    assert not (last / "cosign.pub").exists(), "by hand too nothing is verified by it"
    assert verify(last, live) == 0
    assert verify(both, left_out) == 0
    assert verify(last, left_out) == 1, "the old key is refused"


def test_what_does_not_verify_is_not_signed_again(
    hallmark: Hallmark, registries: Registries, signing_policy: Path, in_memory: Path, tmp_path: Path
) -> None:
    both, new_key, images = tmp_path / "both", tmp_path / "new-key", tmp_path / "live"
    flags = {"policy": signing_policy, "password_file": in_memory / "password"}
    assert hallmark("keys-rotate", output=both, new_key=new_key, **flags).code == 0
    secret = _secret(in_memory, new_key, policy_digest(both))
    unsigned = f"{registries.release}@{registries.push(registries.release)}"
    resign = {"images": images, "policy": both, "signing_key": secret, "tls_verify": "false"}
    resign["credential"] = registries.releases.credential
    images.write_text(f"{unsigned}\n")
    called = hallmark("keys-resign", **resign)
    assert (called.code, "were not signed again" in called.output) == (1, True)
    images.write_text("# nothing\n")
    called = hallmark("keys-resign", **resign)
    assert (called.code, "names 0 images" in called.output) == (2, True)


def test_a_statement_that_was_copied_from_elsewhere_is_not_repeated_by_the_new_key(
    hallmark: Hallmark, registries: Registries, signing_policy: Path, in_memory: Path, tmp_path: Path
) -> None:
    """One about another image and one of another repository lie beside the live image's own; the old key made all."""
    both, new_key, images = tmp_path / "both", tmp_path / "new-key", tmp_path / "live"
    flags = {"policy": signing_policy, "password_file": in_memory / "password"}
    assert hallmark("keys-rotate", output=both, new_key=new_key, **flags).code == 0
    found, other = registries.push(registries.release), registries.push(registries.release, {"another": "image"})
    image, tag = f"{registries.release}@{found}", f"{found.replace(':', '-')}.att"
    elsewhere = f"{registries.releases.address}/elsewhere/{registries.name}"
    registries.copy(image, f"{elsewhere}:it")
    registries.attest(f"{registries.release}@{other}", {"result": "PASSED"}, predicate_type=TYPES["tests"])
    registries.copy(f"{registries.release}:{other.replace(':', '-')}.att", f"{elsewhere}:{tag}")
    registries.attest(f"{elsewhere}@{found}", {"bomFormat": "CycloneDX"}, predicate_type=TYPES["sbom"])
    registries.copy(f"{elsewhere}:{tag}", f"{registries.release}:{tag}")
    registries.sign(image)
    content = verdict_content(policy_digest(signing_policy), registries.candidate, found)
    registries.attest(image, content, predicate_type=PREDICATE_TYPE)
    images.write_text(f"{image}\n")
    resign = {"images": images, "policy": both, "signing_key": _secret(in_memory, new_key, policy_digest(both))}
    called = hallmark("keys-resign", tls_verify="false", credential=registries.releases.credential, **resign)
    assert called.code == 0, called.output
    assert "signed, verdict; not repeated" in called.output
    with docker_config(registries.releases.credential) as authfile:
        tool, old = cosign(authfile, tls_verify=False), Signer(public_key=registries.key.public)
        new, where = Signer(public_key=new_key / "cosign.pub"), parse_image(image)
        kinds = (TYPES["verdict"], TYPES["sbom"])
        made = [[len(tool.statements(where, who, kind, "legacy").found) for kind in kinds] for who in (old, new)]
    assert made == [[1, 1], [1, 0]], "the old key's lie there still"


def test_keys_of_a_level_above_are_not_rotated_here(
    hallmark: Hallmark, signing_policy: Path, in_memory: Path, tmp_path: Path
) -> None:
    (signing_policy / "team.yaml").write_text("signing: {publicKeys: [cosign.pub]}\n")
    file = signing_policy / "policy.yaml"
    file.write_text(file.read_text() + "extends: team.yaml\n")
    flags = {"policy": signing_policy, "password_file": in_memory / "password"}
    called = hallmark("keys-rotate", output=tmp_path / "both", new_key=tmp_path / "new-key", **flags)
    assert (called.code, "extends team.yaml" in called.output) == (2, True)
    assert not (tmp_path / "both").exists()
    assert not (tmp_path / "new-key").exists()


def test_an_edition_and_its_key_lie_where_nothing_else_changes_by_them(
    hallmark: Hallmark, signing_policy: Path, pair: Path, in_memory: Path, tmp_path: Path
) -> None:
    before = policy_digest(signing_policy)
    flags = {"policy": signing_policy, "password_file": in_memory / "password"}
    (tmp_path / "there").mkdir()
    for output, new_key, said in [
        (signing_policy / "next", tmp_path / "new-key", "which would be another edition"),
        (tmp_path / "there", tmp_path / "new-key", "there exists"),
        (tmp_path / "next", signing_policy / "new-key", "which everybody may read"),
        (tmp_path / "next", tmp_path / "next" / "new-key", "which everybody may read"),
    ]:
        called = hallmark("keys-rotate", output=output, new_key=new_key, **flags)
        assert (called.code, said in called.output) == (2, True), called.output
        assert not new_key.exists()
    called = hallmark("policy-admission", policy=signing_policy, output=signing_policy / "admission")
    assert (called.code, "whose digest these files name" in called.output) == (2, True), called.output
    assert policy_digest(signing_policy) == before
    shutil.copy(pair / "cosign.key", signing_policy)
    called = hallmark("keys-rotate", output=tmp_path / "next", new_key=tmp_path / "new-key", **flags)
    assert (called.code, "is a private key" in called.output) == (2, True), called.output


def _secret(in_memory: Path, pair: Path, policy: str) -> Path:
    """What the new key's Secret will have."""
    folder = in_memory / "secret"
    folder.mkdir()
    shutil.copy(pair / "cosign.key", folder)
    (folder / "cosign.password").write_text(SECRET)
    (folder / "policies").write_text(f"{policy}\n")
    return folder


def _delivered(registries: Registries, policy: Path, number: str) -> str:
    found = registries.push(registries.release, {"number": number})
    image = f"{registries.release}@{found}"
    registries.sign(image)
    content = verdict_content(policy_digest(policy), registries.candidate, found)
    registries.attest(image, content, predicate_type=PREDICATE_TYPE)
    return image
