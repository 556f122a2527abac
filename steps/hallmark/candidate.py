"""The candidate as its registry has it, one image or a list of them, held against the verdict and the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hallmark import base_images, image_labels, model_artifact
from hallmark.gate_report import Check
from hallmark.image_parts import Part
from hallmark.image_reference import Image
from hallmark.platforms import covers, name_of
from hallmark.tools import skopeo
from hallmark.verdict import Verdict


def candidate_checks(
    parts: Mapping[Part, Mapping[str, Any]], verdict: Verdict, bases: Sequence[Image], registry: skopeo.Registry
) -> tuple[list[Check], list[Image]]:
    """Each image's labels, its first layers, and the model beside it, against what was judged and built on.

    Args:
        parts: the images with their configurations.
        bases: the image that the candidate has to be built on; none where the policy does not ask for one.

    Returns:
        The checks, and the models that are fetched at each start, where they lie beside the candidate.

    Raises:
        BadInputError: an image names no layers.
        ToolFailedError: the registry does not answer or let us in, or gives something else than a digest names.
    """
    checks, artifacts = [*_list_checks(parts, verdict)], dict[Image, None]()
    for part, config in parts.items():
        labels = skopeo.labels_in(config)
        artifact, beside = model_artifact.look(labels, part.image.repository, verdict.model.digest, registry)
        built = [base_images.built_on(part.image, config, base, registry) for base in bases]
        artifacts.update({artifact: None} if artifact else {})
        of = f"{part.platform}: " if part.platform else ""
        told = [*_machine(part, config), *_labels(verdict, labels), *beside, *built]
        checks += [replace(check, name=f"{of}{check.name}") for check in told]
    return checks, list(artifacts)


def _list_checks(parts: Mapping[Part, object], verdict: Verdict) -> list[Check]:
    """Whether the registry's list has the very images that the verdict names; no check where both have one image."""
    found = {part.platform: part.image.digest for part in parts if part.platform}
    judged = verdict.image.platforms
    if not found and not judged:
        return []
    return [
        Check(name="images of the list", passed=found == judged, value=_told(found), limit=f"equal to {_told(judged)}")
    ]


def _machine(part: Part, config: Mapping[str, Any]) -> list[Check]:
    """Whether an image of a list is for the machines that the list says; its base is chosen by what it says itself."""
    own = name_of({key: config.get(key) for key in ("os", "architecture")})
    fits = covers(own, part.platform)
    return [Check(name="platform", passed=fits, value=own, limit=part.platform)] if part.platform else []


def _told(digests: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {digest}" for name, digest in digests.items()) or "a single image"


def _labels(verdict: Verdict, labels: Mapping[str, str]) -> list[Check]:
    expected = {
        image_labels.REVISION: verdict.source.commit,
        image_labels.SOURCE_DIGEST: verdict.source.digest,
        image_labels.MODEL_DIGEST: verdict.model.digest,
    }
    return [
        Check(
            name=f"label {name}",
            passed=labels.get(name) == value,
            value=labels.get(name, "missing")[:100],
            limit=f"equal to {value}",
        )
        for name, value in expected.items()
    ]
