"""skopeo(1): what a registry holds under a digest, and copies between registries that keep the digest."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark import oci_json, process, registry_calls
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import DIGEST, require_digest, sha256_bytes
from hallmark.image_reference import Image
from hallmark.platforms import name_of
from hallmark.registry_auth import AUTHORITY, require_plain_http

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LISTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MAXIMUM_IMAGES = 32
"""In a list: each of them is scanned, signed and verified."""
LAYER = re.compile(r"application/vnd\.(oci\.image\.layer\.v1|docker\.image\.rootfs\.diff)\.tar([.+](gzip|zstd))?")
LAZY = "containerd.io/snapshot/"
"""How annotations begin by which a node starts an image before it has its layers."""


class NoSuchImageError(ToolFailedError):
    """The registry answers, lets us in, and has nothing under that digest."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A way into a registry: docker's configuration file, and whether its certificate is checked."""

    authfile: Path
    tls_verify: bool

    def access(self, name: str, side: str = "") -> list[str]:
        """skopeo's flags for the image or repository `name`.

        Args:
            side: of a copy, `src-` or `dest-`.

        Raises:
            BadInputError: the certificate is not to be checked, and nobody allows that for this host.
        """
        if not self.tls_verify:
            require_plain_http(name, self.authfile)
        flags = [f"--{side}authfile={self.authfile}", f"--{side}tls-verify={str(self.tls_verify).lower()}"]
        # For this side alone: the environment's SSL_CERT_FILE would hold for both registries of a copy.
        own = self.authfile.with_name(AUTHORITY).is_file()
        return [*flags, *([f"--{side}cert-dir={self.authfile.parent}"] if own else [])]


def require_single(image: Image, registry: Registry) -> None:
    """Hold what lies under the digest of `image` to be one image, whatever a list calls it.

    Raises:
        BadInputError: it is another list, or nothing that is known.
        ToolFailedError: as :func:`manifest`.
    """
    require_layers(image, manifest(image, registry))


def require_layers(image: Image, manifest: Mapping[str, Any]) -> None:
    """Hold the manifest of `image` to be that of one image. Raises BadInputError."""
    known = manifest.get("mediaType", MANIFESTS[0]) in MANIFESTS and isinstance(manifest.get("layers"), list)
    if not known or "manifests" in manifest:
        raise BadInputError(
            f"{image} is no single image ({manifest.get('mediaType')})",
            solution="make it anew as one image with layers, as OCI's image specification has it, or as a list of such",
        )


def labels_in(config: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels in an image's configuration."""
    told = config.get("config")
    found = told.get("Labels") if isinstance(told, dict) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def is_list(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is that of a list of images."""
    return "manifests" in manifest or manifest.get("mediaType") in LISTS


def require(image: Image, registry: Registry) -> None:
    """Ask for the manifest of `image`. Raises ToolFailedError where the registry does not give it."""
    _inspect(image, registry, "--raw")


def platforms(image: Image, registry: Registry) -> dict[str, str]:
    """The digests in a list of images, by platform; empty where `image` is a single image.

    Raises:
        BadInputError: it is neither or both, or the list holds too many images, or anything else.
        ToolFailedError: the registry does not give the manifest, or gives another one than the digest names.
    """
    told = manifest(image, registry)
    listed = told.get("manifests")
    if listed is None and told.get("mediaType", MANIFESTS[0]) in MANIFESTS:
        return {}
    entries = listed if isinstance(listed, list) else []
    if len(entries) > MAXIMUM_IMAGES:
        raise BadInputError(
            f"{image} is a list of {len(entries)} images, more than {MAXIMUM_IMAGES}",
            solution="make lists of what is to be deployed only",
        )
    found = {_platform(entry): entry["digest"] for entry in entries if _is_image(entry)}
    # What some read as a list and others as an image is read by nobody here (CVE-2021-41190).
    both = told.get("mediaType", LISTS[0]) not in LISTS or not {"config", "layers", "fsLayers"}.isdisjoint(told)
    if not found or len(found) != len(entries) or both:
        raise BadInputError(
            f"{image} is no image and no list of images, one for each platform ({told.get('mediaType')})",
            solution="give the digest of what is to be deployed",
        )
    return found


def _is_image(entry: Any) -> bool:
    found = entry if isinstance(entry, dict) else {}
    return found.get("mediaType") in MANIFESTS and DIGEST.fullmatch(str(found.get("digest"))) is not None


def _platform(entry: Any) -> str:
    told = name_of(entry.get("platform")) if isinstance(entry, dict) else ""
    return told or str(entry.get("digest") if isinstance(entry, dict) else entry)


def answers(image: Image, registry: Registry) -> bool:
    """Whether the registry gives the manifest of `image` at this moment."""
    return _inspect(image, registry, "--raw", accept=None).exit_code == 0


def lacks(repository: str, tag: str, registry: Registry) -> bool:
    """Whether the registry says that there is no such tag; not where it fails to say."""
    argv = ["skopeo", "inspect", "--raw", *registry.access(repository), f"docker://{repository}:{tag}"]
    return registry_calls.missing(registry_calls.run(argv, [], timeout=120, accept=None))


def copy(source: Image, source_registry: Registry, target: str, tag: str, target_registry: Registry) -> None:
    """Copy `source`, of a list every image, to the repository `target` under `tag`, bit by bit: the digest stays.

    Raises:
        ToolFailedError: one of the registries does not answer or does not let us in.
        BadInputError: what arrived has another digest.
    """
    with tempfile.TemporaryDirectory(prefix="hallmark-skopeo-") as folder:
        digestfile = Path(folder) / "digest"
        registry_calls.run(
            [
                "skopeo",
                "--insecure-policy",
                "copy",
                "--quiet",
                "--all",
                "--preserve-digests",
                *source_registry.access(str(source), "src-"),
                *target_registry.access(target, "dest-"),
                f"--digestfile={digestfile}",
                f"docker://{source}",
                f"docker://{target}:{tag}",
            ],
            [],
            timeout=1800,
        )
        require_digest(f"the copy {target}:{tag}", digestfile.read_text(encoding="utf-8").strip(), source.digest)


def manifest(image: Image, registry: Registry) -> Mapping[str, Any]:
    """The manifest that `image` names, of one image or of a list. Raises NoSuchImageError, or ToolFailedError."""
    return _json(_inspect(image, registry, "--raw"), image)


def configuration(image: Image, registry: Registry) -> Mapping[str, Any]:
    """The configuration of a single image. Raises ToolFailedError."""
    return _json(_inspect(image, registry, "--config"), image)


def push_layout(folder: Path, name: str, target: str, tag: str, registry: Registry, *, digest: str) -> None:
    """Push the image `name`, or the list of images, of an OCI layout to the repository `target` under `tag`.

    Layers that the repository has already need not be in the layout.

    Raises:
        ToolFailedError: the registry does not answer or let us in, or a layer is in neither of both.
        BadInputError: what arrived has another digest than `digest`.
    """
    digestfile = folder / "digest"
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]
    argv += registry.access(target, "dest-")
    argv += [f"--digestfile={digestfile}", f"oci:{folder}:{name}", f"docker://{target}:{tag}"]
    registry_calls.run(argv, [], timeout=1800)
    require_digest(f"the pushed {target}:{tag}", digestfile.read_text(encoding="utf-8").strip(), digest)


def download(
    image: Image,
    registry: Registry,
    folder: Path,
    *,
    maximum_bytes: int,
    timeout: float,
    kinds: Collection[str] = (),
) -> list[Path]:
    """Fetch the layers of `image` into the new `folder`, packed as they are, and return their files, the lowest first.

    skopeo compares every layer with its digest. What they weigh is told by the manifest, whose digest is the image's.

    Args:
        kinds: media types of the layers, where they are other than an image's.

    Raises:
        BadInputError: it is a list of images, has layers that are kept or read elsewhere, or is heavier than
            `maximum_bytes`.
        ToolFailedError: the registry does not answer or let us in, or takes longer than `timeout` seconds.
    """
    layers = manifest(image, registry).get("layers")
    if not isinstance(layers, list) or not are_layers(layers, kinds):
        raise BadInputError(f"{image} is no single image with layers", solution="build and push it for one platform")
    if sum(layer["size"] for layer in layers) > maximum_bytes:
        raise BadInputError(
            f"the layers of {image} are larger than {maximum_bytes} bytes; nothing was fetched",
            solution="build the image on a smaller base",
        )
    argv = ["skopeo", "--insecure-policy", "copy", "--quiet", *registry.access(str(image), "src-")]
    argv += [f"docker://{image}", f"dir:{folder}"]
    registry_calls.run(argv, [], timeout=timeout)
    return [folder / layer["digest"].removeprefix("sha256:") for layer in layers]


def are_layers(layers: list[Any], kinds: Collection[str] = ()) -> bool:
    """Whether there are any, all of these kinds (default: an image's), and none is kept or read elsewhere."""
    return bool(layers) and all(_is_layer(layer, kinds) for layer in layers)


def _is_layer(layer: Any, kinds: Collection[str] = ()) -> bool:
    found = layer if isinstance(layer, dict) else {}
    digest, size = found.get("digest"), found.get("size")
    # What has addresses of its own is fetched from there, and what is annotated so is read by a list of its own.
    notes = found.get("annotations") or {}
    if found.get("urls") or not isinstance(notes, dict) or any(str(key).startswith(LAZY) for key in notes):
        return False
    kind = str(found.get("mediaType"))
    if kind not in kinds if kinds else LAYER.fullmatch(kind) is None:
        return False
    return isinstance(digest, str) and DIGEST.fullmatch(digest) is not None and isinstance(size, int) and size >= 0


def _inspect(image: Image, registry: Registry, what: str, accept: tuple[int, ...] | None = (0,)) -> process.Completed:
    argv = ["skopeo", "inspect", what, *registry.access(str(image)), f"docker://{image}"]
    done = registry_calls.run(argv, [], timeout=120, accept=None)
    if accept is not None and done.exit_code not in accept:
        raise (NoSuchImageError if registry_calls.missing(done) else ToolFailedError)(
            f"the registry does not give {image}: {done.last_words}",
            solution=registry_calls.solution(done)
            or "check that the registry answers, that the credential may read there, and that the image exists",
        )
    # skopeo 1.9 prints whatever the registry gives for a digest, where the manifest is all that is asked for.
    if what == "--raw" and done.exit_code == 0 and sha256_bytes(done.stdout.encode()) != image.digest:
        raise ToolFailedError(
            f"the registry gives another manifest than the one of {image}",
            solution="see who has changed what lies in the registry, or stands between it and this step",
        )
    return done


def _json(done: process.Completed, image: Image) -> dict[str, Any]:
    try:
        found = oci_json.parse(done.stdout)
    except (ValueError, RecursionError) as error:
        raise ToolFailedError(
            f"{image}: what the registry has is not read here: {error}",
            solution="see who pushes there, and build the image anew",
        ) from error
    if not isinstance(found, dict):
        raise ToolFailedError(f"{image}: skopeo printed no JSON object", solution="check skopeo's version")
    return found
