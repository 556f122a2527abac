"""sign-image and verify-image under a policy that names base images, against real registries and by real cosign."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark.documents.policy import policy_digest

from .supply_chain_helpers import Called
from .supply_chain_images import Registries, digest

Call = Callable[..., Called]
GATES = {name: {"passed": True, "report": digest("5")} for name in ("check-code", "scan-image", "test-image")}


def layer(name: str) -> bytes:
    """A layer with one file."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(f"opt/{name}")
        entry.size = len(name)
        tar.addfile(entry, io.BytesIO(name.encode()))
    return archive.getvalue()


SYSTEM, PYTHON, MODEL = layer("system"), layer("python"), layer("model")


@pytest.fixture
def bases(registries: Registries, signing_policy: Path, signing_key: Path) -> Callable[[str], None]:
    """Has the policy name one base and ask for the provenance, and has the key's owner accept that."""

    def name(base: str) -> None:
        file = signing_policy / "policy.yaml"
        text = file.read_text().partition("signing:")[0].partition("image:")[0]
        text = text.replace("[check-code, test-image]", "[check-code, test-image, scan-image]")
        file.write_text(f"{text}image: {{bases: ['{base}']}}\nsigning: {{attestations: [verdict, provenance]}}\n")
        (signing_key / "policies").write_text(policy_digest(signing_policy))

    return name


@pytest.fixture
def base(registries: Registries) -> str:
    """A list of images, of which one is for the candidate's machines."""
    repository = f"{registries.candidates.address}/base/{registries.name}"
    return f"{repository}@{registries.push(repository, {}, as_index=True, layer_tar=SYSTEM, above=[PYTHON])}"


def test_an_image_on_a_named_base_is_signed_and_may_be_deployed_as_long_as_the_policy_names_it(
    registries: Registries, bases: Callable[[str], None], sign: Call, verify: Call, base: str
) -> None:
    bases(base)
    found = registries.push(registries.candidate, layer_tar=SYSTEM, above=[PYTHON, MODEL])
    called = sign({"gates": GATES}, image_digest=found, base_image=base)
    assert called.code == 0, called.output
    assert "ok  built on the base image: 2 of the base's 2 layers, then 1 more" in called.output
    image = called.result("release-image-ref") or ""
    called = verify(image)
    assert called.code == 0, called.output
    assert f"ok  provenance's base image: {base}" in called.output
    bases(digest("9"))
    called = verify(image)
    assert called.code == 1, called.output
    assert f"NO  provenance's base image: {base}  (one of {digest('9')})" in called.output


@pytest.mark.parametrize(
    ("below", "above", "complaint"),
    [
        (PYTHON, [SYSTEM, MODEL], "0 of the base's 2 layers, then 3 more"),
        (SYSTEM, [MODEL], "1 of the base's 2 layers, then 1 more"),
        (layer("system, python and model"), [], "0 of the base's 2 layers, then 1 more"),
    ],
    ids=["another base", "an older one", "squashed"],
)
def test_a_candidate_that_is_not_built_on_the_named_base_is_not_signed(
    registries: Registries,
    bases: Callable[[str], None],
    sign: Call,
    base: str,
    below: bytes,
    above: list[bytes],
    complaint: str,
) -> None:
    bases(base)
    found = registries.push(registries.candidate, layer_tar=below, above=above)
    called = sign({"gates": GATES}, image_digest=found, base_image=base)
    assert called.code == 1, called.output
    assert f"NO  built on the base image: {complaint}" in called.output
    assert not registries.releases.holds(registries.release.partition("/")[2], found)


def test_a_base_that_the_policy_does_not_name_or_that_nobody_tells_is_not_signed(
    bases: Callable[[str], None], sign: Call, base: str
) -> None:
    bases(digest("9"))
    for flags, value in ({"base_image": base}, base), ({}, "not told"):
        called = sign({"gates": GATES}, **flags)
        assert called.code == 1, called.output
        assert f"NO  base image: {value}" in called.output
        assert "NO  provenance's base image" in called.output


def test_a_list_without_an_image_for_the_candidates_machines_is_refused(
    registries: Registries, bases: Callable[[str], None], sign: Call
) -> None:
    repository = f"{registries.candidates.address}/base/{registries.name}"
    base = f"{repository}@{registries.push(repository, {}, as_index=True, architecture='arm64')}"
    bases(base)
    called = sign({"gates": GATES}, base_image=base)
    assert called.code == 1, called.output
    assert "NO  built on the base image: the base has no image for linux/amd64" in called.output


@pytest.mark.parametrize("what", ["manifest", "configuration"])
def test_a_registry_that_gives_another_base_than_the_digest_names_is_not_believed(
    registries: Registries, bases: Callable[[str], None], sign: Call, what: str
) -> None:
    """The candidate is on another base, and whoever keeps the registry has the named one look like that."""
    repository = f"{registries.candidates.address}/base/{registries.name}"
    found = registries.push(repository, {}, layer_tar=layer(f"named, {what}"))
    bases(f"{repository}@{found}")
    candidate = registries.push(registries.candidate, layer_tar=SYSTEM, above=[MODEL])
    other = json.loads(blob(registries, registries.push(repository, {}, layer_tar=SYSTEM)).read_bytes())
    named = blob(registries, found)
    if what == "manifest":
        named.write_text(json.dumps(other))
    else:
        target = blob(registries, json.loads(named.read_bytes())["config"]["digest"])
        target.write_bytes(blob(registries, other["config"]["digest"]).read_bytes())
    called = sign({"gates": GATES}, image_digest=candidate, base_image=f"{repository}@{found}")
    assert called.code == 3, called.output
    assert found.removeprefix("sha256:")[:64] in called.output
    assert not registries.releases.holds(registries.release.partition("/")[2], candidate)


def blob(registries: Registries, name: str) -> Path:
    """Where the candidates' registry keeps what has this digest."""
    return next(registries.candidates.directory.rglob(f"blobs/sha256/*/{name.removeprefix('sha256:')}/data"))
