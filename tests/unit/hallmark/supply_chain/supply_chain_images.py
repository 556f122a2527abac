"""Small real images in real registries, and verdicts about them."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.client
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hallmark import image_labels
from hallmark.image_reference import Image
from hallmark.tools import skopeo
from hallmark.verdict import Verdict
from laptop.keys import KeyPair
from laptop.registry import Registry

COMMIT = "c" * 40
POLICY_WITH_KEY = """\
apiVersion: hallmark.dev/v1alpha1
kind: Policy
metadata: {name: iris}
requiredGates: [check-code, test-image]
data:
  independent: {path: independent.csv, sha256: "sha256:%s", label: species, features: [width, length]}
  maximumOverlap: 0.1
model:
  metrics: {accuracy: {minimum: 0.9}}
  minimumRows: 30
signing: {attestations: [verdict], publicKeys: [cosign.pub]}
""" % ("0" * 64)


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


LABELS = {
    image_labels.REVISION: COMMIT,
    image_labels.SOURCE_DIGEST: digest("1"),
    image_labels.MODEL_DIGEST: digest("2"),
}


def days_ago(days: float) -> str:
    """A time as a verdict holds it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def verdict_content(policy_digest: str, repository: str, image_digest: str, **changes: Any) -> dict[str, Any]:
    """A passing verdict as JSON; `changes` replace whole top-level keys."""
    content: dict[str, Any] = {
        "apiVersion": "hallmark.dev/v1alpha1",
        "kind": "Verdict",
        "passed": True,
        "judgedAt": days_ago(1),
        "model": {"name": "iris", "version": "1.2.3", "digest": digest("2")},
        "source": {
            "repository": "https://git.example.com/team/iris.git",
            "commit": COMMIT,
            "commitTime": 1_700_000_000,
            "digest": digest("1"),
        },
        "policy": policy_digest,
        "data": {"training": digest("3"), "independent": digest("4"), "rows": 45, "overlap": 0.0},
        "image": {"repository": repository, "digest": image_digest},
        "metrics": {"accuracy": {"value": 0.95, "minimum": 0.9, "low": 0.85, "high": 0.99}},
        "gates": {name: {"passed": True, "report": digest("5")} for name in ("check-code", "test-image")},
        "checks": [{"name": "accuracy", "passed": True, "value": "0.95", "limit": "at least 0.9"}],
    }
    return {**content, **changes}


def labels_of(image: Image, registry: skopeo.Registry) -> Mapping[str, str]:
    """The labels of a single image in a registry."""
    skopeo.require_single(image, registry)
    return skopeo.labels_in(skopeo.configuration(image, registry))


def write_verdict(folder: Path, content: dict[str, Any]) -> str:
    """Write the verdict and return its digest."""
    folder.mkdir(exist_ok=True)
    file = Verdict.model_validate_json(json.dumps(content)).write(folder)
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def layout(
    folder: Path,
    labels: dict[str, str],
    *,
    as_index: bool = False,
    layer_tar: bytes = b"",
    above: Sequence[bytes] = (),
    architecture: str = "amd64",
) -> str:
    """An OCI image layout with one image of one layer (default: empty), and those `above`, under the name `it`; returns
    its digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes | dict[str, Any]) -> dict[str, Any]:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    archive = io.BytesIO()
    tarfile.open(fileobj=archive, mode="w").close()
    layers = [put(data) for data in (layer_tar or archive.getvalue(), *above)]
    config = put(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
    )
    kind = "application/vnd.oci.image"
    top: dict[str, Any] = {
        "mediaType": f"{kind}.manifest.v1+json",
        **put(
            {
                "schemaVersion": 2,
                "mediaType": f"{kind}.manifest.v1+json",
                "config": {"mediaType": f"{kind}.config.v1+json", **config},
                "layers": [{"mediaType": f"{kind}.layer.v1.tar", **layer} for layer in layers],
            }
        ),
    }
    if as_index:
        platform = {"architecture": architecture, "os": "linux"}
        index = {
            "schemaVersion": 2,
            "mediaType": f"{kind}.index.v1+json",
            "manifests": [{**top, "platform": platform}],
        }
        top = {"mediaType": f"{kind}.index.v1+json", **put(index)}
    name = {"org.opencontainers.image.ref.name": "it"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [{**top, "annotations": name}]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(top["digest"])


@dataclass(frozen=True, kw_only=True)
class Registries:
    """Both registries of a delivery with repositories of one test's own, and two key pairs."""

    candidates: Registry
    releases: Registry
    key: KeyPair
    other_key: KeyPair
    folder: Path
    name: str

    @property
    def candidate(self) -> str:
        return f"{self.candidates.address}/candidates/{self.name}"

    @property
    def release(self) -> str:
        return f"{self.releases.address}/releases/{self.name}"

    def push(self, repository: str, labels: dict[str, str] | None = None, **made: Any) -> str:
        """Push an image by `layout` with these labels (default: those of the verdicts here) and return its digest."""
        folder = self.folder / f"layout-{len(list(self.folder.glob('layout-*')))}"
        found = layout(folder, LABELS if labels is None else labels, **made)
        argv = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--all",
            "--preserve-digests",
            "--dest-tls-verify=false",
        ]
        argv += [f"--dest-authfile={self.registry_of(repository).auth_file}"]
        subprocess.run([*argv, f"oci:{folder}:it", f"docker://{repository}:it"], check=True, capture_output=True)
        return found

    def copy(self, source: str, target: str) -> None:
        """Copy an image, or whatever lies under a tag, within the releases' registry, bit by bit."""
        argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false"]
        argv += ["--dest-tls-verify=false", f"--authfile={self.releases.auth_file}"]
        subprocess.run([*argv, f"docker://{source}", f"docker://{target}"], check=True, capture_output=True)

    def push_list(
        self, names: Sequence[str], repository: str = "", layers: Sequence[bytes] = ()
    ) -> tuple[str, dict[str, str]]:
        """Push a list of images, one for each architecture, and return its digest, and those of the images.

        Args:
            repository: default: that of the releases.
            layers: of each image; default: none.
        """
        repository = repository or self.release
        below, *above = layers or [b""]
        digests = {
            name: self.push(
                repository, {**LABELS, "architecture": name}, layer_tar=below, above=above, architecture=name
            )
            for name in names
        }
        return self.push_index(repository, digests), digests

    def push_index(self, repository: str, digests: Mapping[str, str]) -> str:
        """Push a list of images that are in the repository already, by architecture, and return its digest."""
        sizes = {
            name: next(self.folder.glob(f"*/blobs/sha256/{found.removeprefix('sha256:')}")).stat().st_size
            for name, found in digests.items()
        }
        kind = "application/vnd.oci.image"
        entries = [
            {
                "mediaType": f"{kind}.manifest.v1+json",
                "digest": found,
                "size": sizes[name],
                "platform": {"os": "linux", "architecture": name},
            }
            for name, found in digests.items()
        ]
        body = json.dumps({"schemaVersion": 2, "mediaType": f"{kind}.index.v1+json", "manifests": entries})
        registry = self.registry_of(repository)
        user = json.loads(registry.auth_file.read_text())["auths"][registry.address]["auth"]
        path = f"/v2/{repository.partition('/')[2]}/manifests/list"
        head = {"Authorization": f"Basic {user}", "Content-Type": f"{kind}.index.v1+json"}
        with contextlib.closing(http.client.HTTPConnection(registry.address)) as connection:
            connection.request("PUT", path, body, head)
            assert connection.getresponse().status == 201
        return f"sha256:{hashlib.sha256(body.encode()).hexdigest()}"

    def registry_of(self, repository: str) -> Registry:
        return self.releases if repository.startswith(self.releases.address) else self.candidates

    def cosign(self, *arguments: str, key: KeyPair | None = None) -> str:
        """Call cosign on the releases' registry, with the password of `key` (default: the trusted one)."""
        pair = key or self.key
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "DOCKER_CONFIG": str(self.releases.credential),
            "COSIGN_PASSWORD": pair.password.read_text(),
        }
        done = subprocess.run(["cosign", *arguments], env=env, check=True, capture_output=True, text=True)
        return done.stdout

    def sign(self, image: str, key: KeyPair | None = None, *, kept: str = "legacy") -> None:
        """Sign by hand, past sign-image and all its checks."""
        self.cosign("sign", f"--key={(key or self.key).private}", *writing(kept), image, key=key)

    def attest(
        self, image: str, content: Any, key: KeyPair | None = None, *, predicate_type: str, kept: str = "legacy"
    ) -> None:
        """Attest any JSON by hand."""
        file = self.folder / "predicate.json"
        file.write_text(json.dumps(content))
        flags = [f"--key={(key or self.key).private}", *writing(kept)]
        self.cosign("attest", *flags, f"--predicate={file}", f"--type={predicate_type}", image, key=key)


def writing(kept: str) -> list[str]:
    """The flags by which the cosign on PATH writes a format, without a log."""
    modern = ["--use-signing-config=false"] if cosign_major(shutil.which("cosign") or "") >= 3 else []
    return ["--tlog-upload=false", "--yes", f"--new-bundle-format={str(kept == 'bundle').lower()}", *modern]


@functools.cache
def cosign_major(program: str) -> int:
    told = subprocess.run([program, "version", "--json"], capture_output=True, text=True, check=True).stdout
    return int(json.loads(told)["gitVersion"].lstrip("v").split(".")[0])


def small_root() -> bytes:
    """A layer of this machine's own dash, perl and a few small tools, enough to `RUN` something in."""
    programs = {"/bin/sh": "dash", "/usr/bin/perl": "perl", **{f"/bin/{name}": name for name in ("cat", "ls", "stat")}}
    files = {target: str(Path(shutil.which(name) or name).resolve()) for target, name in programs.items()}
    for program in list(files.values()):
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files |= {word: str(Path(word).resolve()) for word in listed.split() if word.startswith("/")}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for target, source in sorted(files.items()):
            data = Path(source).read_bytes()
            info = tarfile.TarInfo(target.lstrip("/"))
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        # Distributions' root file systems have device files, which only some kinds of root may unpack.
        device = tarfile.TarInfo("dev/null")
        device.type, device.devmajor, device.devminor, device.mode = tarfile.CHRTYPE, 1, 3, 0o666
        tar.addfile(device)
    return archive.getvalue()
