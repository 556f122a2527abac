"""What an image is built on: whether the policy names it, and whether the image really begins with its layers.

A layer is known by the digest of what it is unpacked, in the configuration of each image that has it (OCI image
specification, config.md, rootfs.diff_ids); packed it may differ from one push to the next. That an image has the layers
which its configuration tells is what scan-image reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hallmark.documents.rules_image import ImageRules
from hallmark.errors import BadInputError
from hallmark.files import DIGEST
from hallmark.gate_report import Check
from hallmark.image_reference import Image, image
from hallmark.tools import skopeo

ANY = "any: the policy names no base (image.bases)"
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The layers of one image, the lowest first, and what machines it is for."""

    diff_ids: tuple[str, ...]
    system: str
    architecture: str


def named(rules: ImageRules, base: Image | None) -> Check:
    """Whether the policy names this base; passes where it names none, which the check tells.

    Args:
        base: None: nobody said what the image is built on.
    """
    value = "not told" if base is None else str(base)
    if not rules.bases:
        return Check(name="base image", passed=True, value=value, limit=ANY)
    return Check(
        name="base image",
        passed=base is not None and not {str(base), base.digest}.isdisjoint(rules.bases),
        value=value,
        limit=f"one of {shown(rules)}",
    )


def shown(rules: ImageRules) -> str:
    """The bases that the policy names, for a report."""
    more = f" and {len(rules.bases) - SHOWN} more" if len(rules.bases) > SHOWN else ""
    return ", ".join(rules.bases[:SHOWN]) + more


def built_on(candidate: Image, config: Mapping[str, Any], base: Image, registry: skopeo.Registry) -> Check:
    """Whether the layers of `candidate` begin with those of `base`, or of the image for the same machines in it.

    Args:
        config: the candidate's configuration, whose digest its manifest names.

    Raises:
        BadInputError: one of both is no image, or a configuration names no layers.
        ToolFailedError: a registry does not answer, does not let us in, or gives something else than the digest names.
    """
    own = layers_in(config, str(candidate))
    return compare(own, _bases(own, base, registry), base)


def compare(own: Layers, bases: Mapping[str, Layers], base: Image) -> Check:
    """The check of :func:`built_on`, of what was read.

    Args:
        bases: the images that `base` is for such machines.
    """
    limit = f"the first layers are those of {base}"
    if not bases:
        said = f"the base has no image for {own.system}/{own.architecture}"
        return Check(name="built on the base image", passed=False, value=said, limit=limit)
    same = max(_common(own.diff_ids, one.diff_ids) for one in bases.values())
    fits = [one for one in bases.values() if own.diff_ids[: len(one.diff_ids)] == one.diff_ids]
    wanted = len((fits or list(bases.values()))[0].diff_ids)
    return Check(
        name="built on the base image",
        passed=bool(fits),
        value=f"{same} of the base's {wanted} layers, then {len(own.diff_ids) - same} more",
        limit=limit,
        detail="" if fits else "it is built on something else, or its layers were merged (squash) or built anew",
    )


def base_layers(own: Layers, base: Image, registry: skopeo.Registry) -> int:
    """How many of the lowest layers of `own` are all those of `base`; 0: it is built on something else.

    Raises:
        BadInputError, ToolFailedError: as :func:`built_on`.
    """
    found = [one.diff_ids for one in _bases(own, base, registry).values()]
    return max((len(one) for one in found if own.diff_ids[: len(one)] == one), default=0)


def _bases(own: Layers, base: Image, registry: skopeo.Registry) -> dict[str, Layers]:
    """The layers of each image that `base` is for the machines of `own`, by its reference."""
    images = platform_images(base, skopeo.manifest(base, registry), own)
    return {str(one): layers_of(one, registry) for one in images}


def platform_images(base: Image, manifest: Mapping[str, Any], own: Layers) -> list[Image]:
    """The images of `base` for the machines of `own`: of a list those that are, else the base itself."""
    listed = manifest.get("manifests")
    if listed is None:
        return [base]
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return [
        image(base.repository, str(entry["digest"]))
        for entry in entries
        if entry.get("mediaType") in skopeo.MANIFESTS
        and DIGEST.fullmatch(str(entry.get("digest")))
        and _machines(entry.get("platform")) == (own.system, own.architecture)
    ]


def layers_of(single: Image, registry: skopeo.Registry) -> Layers:
    """The layers of an image by its configuration; skopeo holds that and the manifest against their digests.

    Raises:
        BadInputError: the configuration names none.
        ToolFailedError: as `skopeo.configuration`.
    """
    return layers_in(skopeo.configuration(single, registry), str(single))


def layers_in(config: Mapping[str, Any], name: str) -> Layers:
    """The layers that the configuration of the image `name` tells. Raises BadInputError: it names none."""
    rootfs = config.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(found, list) or not found or not all(DIGEST.fullmatch(str(one)) for one in found):
        raise BadInputError(
            f"the configuration of {name} names no layers (rootfs.diff_ids)",
            solution="use an image with layers, as OCI's image specification describes them",
        )
    system, architecture = _machines(config)
    return Layers(diff_ids=tuple(map(str, found)), system=system, architecture=architecture)


def _machines(told: Any) -> tuple[str, str]:
    found = told if isinstance(told, dict) else {}
    return str(found.get("os") or ""), str(found.get("architecture") or "")


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many layers both begin with."""
    return next(
        (n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )
