"""An image for two kinds of machine, from the commit to the signature of each of its parts, through tkn-solo.

The base for the other kind is this machine's own under the other's name: nothing is called there, and a real one takes
minutes to make. `untested-platform` beside this file is the delivery that is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hallmark.attestations import TYPES
from hallmark.errors import ToolFailedError
from hallmark.platforms import name_of, this_machine
from hallmark.process import run
from laptop import kustomization
from laptop.base_image import BaseImage
from laptop.delivery import Delivery, Project, Sides, deliver, set_up
from laptop.registry import Registry
from laptop.setup import ROOT
from laptop.world import World

SAMPLE = ROOT / "samples" / "diabetes"
OWN = this_machine()
OTHER = next(name for name in ("linux/amd64", "linux/arm64") if name != OWN)
KIND = "application/vnd.oci.image"
INDEX = f"{KIND}.index.v1+json"
BASE = "registry.example.com/base/python-sklearn@sha256:" + "0" * 64
"""What the policy names, until this machine's base takes its place."""


@pytest.fixture(scope="module")
def project(services: World, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The sample without a Containerfile, for both machines; the validators let it go untested on the other."""
    folder = tmp_path_factory.mktemp("several")
    base = BaseImage(reference=list_of_bases(services, folder / "layout"), store=None)
    sides = Sides(repository=folder / "repository", validators=folder / "validators", config=SAMPLE / "config")
    for side in (sides.repository, sides.validators):
        shutil.copytree(SAMPLE / side.name, side, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    change(sides.repository / "hallmark.yaml", platforms=[OWN, OTHER])
    change(sides.validators / "policy" / "policy.yaml", untestedPlatforms=[OTHER], bases=[BASE])
    return set_up(replace(services, base=base), sides, "several-platforms")


@pytest.fixture(scope="module")
def delivery(project: Project) -> Delivery:
    found = deliver(project, "first", quiet=True)
    assert found.exit_code == 0, found.run["status"]["conditions"]
    return found


def change(file: Path, **image: Any) -> None:
    """Add to the part `image` of a document."""
    document = yaml.safe_load(file.read_text())
    document["image"] |= image
    file.write_text(yaml.safe_dump(document))


def list_of_bases(services: World, layout: Path) -> str:
    """Push a list of this machine's base and of the same layers under the other machine's name; its reference."""
    own, registry = services.base.reference, services.candidates
    text, config = inspect(registry, own, "--raw"), inspect(registry, own, "--config")
    manifest, renamed = json.loads(text), json.dumps({**json.loads(config), "architecture": OTHER.partition("/")[2]})
    manifest["config"] |= described(renamed)
    images = {OWN: (text, config), OTHER: (json.dumps(manifest), renamed)}
    return push_list(registry, own.partition("@")[0], images, layout)


def push_list(registry: Registry, repository: str, images: Mapping[str, tuple[str, str]], layout: Path) -> str:
    """Push a list of images whose layers the repository has, each its manifest and configuration; its reference."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: str) -> dict[str, Any]:
        told = described(content)
        (blobs / told["digest"].partition(":")[2]).write_text(content)
        return told

    entries = []
    for name, (manifest, config) in images.items():
        put(config)
        system = dict(zip(("os", "architecture"), name.split("/"), strict=True))
        entries.append({"mediaType": f"{KIND}.manifest.v1+json", **put(manifest), "platform": system})
    index = put(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
    top = {"mediaType": INDEX, **index, "annotations": {"org.opencontainers.image.ref.name": "it"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    copy(registry, f"oci:{layout}:it", f"{repository}:of-this-test")
    return f"{repository}@{index['digest']}"


def described(content: str) -> dict[str, Any]:
    data = content.encode()
    return {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def copy(registry: Registry, source: str, target: str) -> None:
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false"]
    argv += ["--dest-tls-verify=false", f"--authfile={registry.auth_file}", source, f"docker://{target}"]
    run(argv, timeout=300)


def inspect(registry: Registry, image: str, what: str) -> str:
    argv = ["skopeo", "inspect", what, "--raw", "--tls-verify=false", f"--authfile={registry.auth_file}"]
    return run([*argv, f"docker://{image}"]).stdout


def parts(project: Project, image: str) -> dict[str, str]:
    """The images of a released list, each `repository@digest`, by platform."""
    index = json.loads(inspect(project.world.releases, image, "--raw"))
    assert index["mediaType"] == INDEX
    names = [name_of(entry["platform"]) for entry in index["manifests"]]
    found = [f"{project.release_image}@{entry['digest']}" for entry in index["manifests"]]
    return dict(zip(names, found, strict=True))


def cosign(project: Project, *arguments: str) -> list[dict[str, Any]]:
    """What cosign says with nothing but the public key; an error where it does not verify."""
    argv = [str(project.world.cosign), *arguments[:-1], "--insecure-ignore-tlog=true"]
    argv += [f"--key={project.policy / 'cosign.pub'}", arguments[-1]]
    environment = {"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(project.world.releases.credential)}
    told = run(argv, env={**environment, "HOME": str(project.folder)}, timeout=120).stdout
    return [json.loads(line) for line in told.splitlines() if line.strip()]


def attested(project: Project, image: str, kind: str) -> Mapping[str, Any]:
    """The one statement of this type about an image."""
    (envelope,) = cosign(project, "verify-attestation", f"--type={kind}", image)
    statement: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    assert [subject["digest"]["sha256"] for subject in statement["subject"]] == [image.rpartition(":")[2]]
    return statement["predicate"]


def test_what_is_released_and_deployed_is_a_list_with_the_same_model_for_each_machine(
    project: Project, delivery: Delivery
) -> None:
    image = delivery.results["image"]
    found = parts(project, image)
    assert list(found) == [OWN, OTHER]
    manifests = [json.loads(inspect(project.world.releases, one, "--raw")) for one in found.values()]
    assert manifests[0]["layers"] == manifests[1]["layers"]
    for name, one in found.items():
        config = json.loads(inspect(project.world.releases, one, "--config"))
        assert f"linux/{config['architecture']}" == name
    deployed = run(["git", "-C", str(project.config), "show", f"main:{kustomization.PATH}"]).stdout
    assert yaml.safe_load(deployed)["images"][0]["digest"] == image.partition("@")[2]


def test_cosign_alone_verifies_the_list_and_each_image_in_it(project: Project, delivery: Delivery) -> None:
    """By the commands of README.md: a controller asks for the list, a node for its own image."""
    image = delivery.results["image"]
    digests = {name: one.partition("@")[2] for name, one in parts(project, image).items()}
    said = f"{OWN}, {OTHER}; not tested on {OTHER}, as the policy allows"
    for one in (image, *parts(project, image).values()):
        ((signature,),) = cosign(project, "verify", one)
        assert signature["critical"]["image"]["docker-manifest-digest"] == one.partition("@")[2]
        verdict = attested(project, one, TYPES["verdict"])
        assert verdict["image"]["digest"] == image.partition("@")[2]
        assert (verdict["image"]["platforms"], verdict["image"]["tested"]) == (digests, OWN)
        assert said in [check["value"] for check in verdict["checks"] if check["name"] == "platforms"]
        assert attested(project, one, TYPES["provenance"])["buildDefinition"]["externalParameters"]
        assert attested(project, one, TYPES["tests"])["result"] == "PASSED"
        depends = {entry["ref"]: entry["dependsOn"] for entry in attested(project, one, TYPES["sbom"])["dependencies"]}
        told = {digest for ref in depends for digest in digests.values() if digest in ref}
        assert told == set(digests.values())


def test_a_list_that_leads_elsewhere_has_no_part_in_the_signature(
    project: Project, delivery: Delivery, tmp_path: Path
) -> None:
    """The other machine's image is replaced by one that is signed itself, and the list has the good one's signature."""
    registry, good = project.world.releases, delivery.results["image"]
    own = parts(project, good)[OWN]
    image = (inspect(registry, own, "--raw"), inspect(registry, own, "--config"))
    changed = push_list(registry, project.release_image, {OWN: image, OTHER: image}, tmp_path / "layout")
    there, here = (one.replace("@sha256:", ":sha256-") for one in (good, changed))
    copy(registry, f"docker://{there}.sig", f"{here}.sig")
    assert cosign(project, "verify", own)
    with pytest.raises(ToolFailedError, match="invalid or missing digest in claim"):
        cosign(project, "verify", changed)
