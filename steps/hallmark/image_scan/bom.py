"""The bill of materials of an image and its model: CycloneDX 1.6 (ECMA-424), with the model's card in it.

https://cyclonedx.org/docs/1.6/json/ says what stands where; a test holds what is made here to its strict schema. It is
made of digests and of what the image and the repository say, without a time of its own and without chance, so that the
same image has the same bill, byte for byte.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from hallmark import __version__
from hallmark.documents.model import Model
from hallmark.image_scan.packages import OF_SYSTEMS, Package
from hallmark.tools.syft import Distribution

NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
"""Of object identifiers (RFC 9562); an image's digest is the name in it."""
TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d+)?(Z|[+-]\d{2}:\d{2})")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the bill is about; digests in OCI's notation."""

    repository: str
    """Of the image, as it was scanned; the digest is what names it."""
    image: str
    """Or of a list of images."""
    created: str
    """When, by the image's own configuration; empty where it does not say."""
    model: str
    training_data: str
    independent_data: str
    source_url: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What one image is made of."""

    image: str
    """Its digest."""
    platform: str
    """Of an image in a list; empty of one by itself."""
    packages: Sequence[Package]
    system: Distribution


def make(subject: Subject, model: Model, images: Sequence[Contents], syft: str) -> str:
    """The bill as JSON: of one image, or of a list, in which each image is a component that depends on its own."""
    image, of_model = f"image:{subject.image}", f"model:{subject.model}"
    data = [
        _data("training", model.data.training, subject.training_data, model),
        _data("independent", "independent data", subject.independent_data, model),
    ]
    found = {one.image: [*_system(one.system), *_packages(one.packages)] for one in images}
    parts = {part["bom-ref"]: part for listed in found.values() for part in listed}
    # What one image holds the bill's own subject depends on; of a list each image stands between.
    listed = [_image(subject, digest, names) for digest, names in _platforms(images).items()]
    components = [_model(of_model, subject, model, [one["bom-ref"] for one in data]), *data, *listed, *parts.values()]
    depends = {f"image:{digest}": [of_model, *(one["bom-ref"] for one in own)] for digest, own in found.items()}
    if listed:
        depends = {image: [one["bom-ref"] for one in listed], **depends}
    told = TIME.fullmatch(subject.created)
    content = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, subject.image)}",
        "version": 1,
        "metadata": {
            **({"timestamp": f"{told[1]}{told[2]}"} if told else {}),
            "lifecycles": [{"phase": "post-build"}],
            "tools": {
                "components": [
                    {"type": "application", "name": "hallmark", "version": __version__},
                    {"type": "application", "name": "syft", "version": syft},
                ]
            },
            "component": {
                "type": "container",
                "bom-ref": image,
                "name": subject.repository,
                "version": subject.image,
                "hashes": [_sha256(subject.image)],
                "externalReferences": [_source(subject)],
            },
        },
        "components": components,
        "dependencies": [
            *({"ref": ref, "dependsOn": refs} for ref, refs in depends.items()),
            {"ref": of_model, "dependsOn": [data[0]["bom-ref"]]},
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def _platforms(images: Sequence[Contents]) -> dict[str, list[str]]:
    """What each image of a list is for, by its digest; one of them may be for several."""
    found: dict[str, list[str]] = {}
    for one in images:
        if one.platform:
            found.setdefault(one.image, []).append(one.platform)
    return found


def _image(subject: Subject, digest: str, platforms: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "container",
        "bom-ref": f"image:{digest}",
        "name": subject.repository,
        "version": digest,
        "hashes": [_sha256(digest)],
        "properties": [{"name": "hallmark:platform", "value": name} for name in platforms],
    }


def _model(ref: str, subject: Subject, model: Model, data: Sequence[str]) -> dict[str, Any]:
    card = model.card
    texts = {
        "users": [card.users] if card.users else [],
        "useCases": [card.intended_use] if card.intended_use else [],
        "technicalLimitations": [text for text in (card.out_of_scope, card.factors, card.caveats) if text],
        "ethicalConsiderations": [{"name": card.ethics}] if card.ethics else [],
    }
    considerations = {name: entries for name, entries in texts.items() if entries}
    parameters = {f"hallmark:parameter:{name}": value for name, value in sorted(model.training.parameters.items())}
    facts = {"hallmark:format": model.model.format, "hallmark:seed": model.training.seed, **parameters}
    return {
        "type": "machine-learning-model",
        "bom-ref": ref,
        "name": model.metadata.name,
        "version": model.metadata.version,
        "hashes": [_sha256(subject.model)],
        **({"licenses": _licences([card.licence])} if card.licence else {}),
        "pedigree": {"commits": [{"uid": subject.commit, "url": _reference(subject.source_url)}]},
        "externalReferences": [_source(subject)],
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": model.task,
                "datasets": [{"ref": one} for one in data],
                "inputs": [{"format": f"{len(model.data.features)} columns: {', '.join(model.data.features)}"[:4000]}],
                "outputs": [{"format": f"{'class' if model.task == 'classification' else 'number'}: "
                             f"{model.data.label}"}],
            },
            **({"considerations": considerations} if considerations else {}),
            "properties": [{"name": name, "value": str(value)} for name, value in facts.items()],
        },
    }  # fmt: skip


def _data(role: str, name: str, digest: str, model: Model) -> dict[str, Any]:
    said = {
        "training": f"Rows that {model.metadata.name} was trained on.",
        "independent": "Rows that the model's maker never had; the model is judged on them.",
    }[role]
    return {
        "type": "data",
        "bom-ref": f"data:{role}:{digest}",
        "name": name,
        "version": digest,
        "description": said,
        "hashes": [_sha256(digest)],
        "data": [{"type": "dataset", "name": role}],
    }


def _system(system: Distribution) -> list[dict[str, Any]]:
    if not system.id:
        return []
    told = {"version": system.version, "description": system.name}
    filled = {name: value for name, value in told.items() if value}
    return [
        {"type": "operating-system", "bom-ref": f"system:{system.id}:{system.version}", "name": system.id, **filled}
    ]


def _packages(packages: Iterable[Package]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for package in packages:
        ref = f"{package.purl or f'{package.kind}:{package.name}@{package.version}'}#{package.place}"
        if ref in seen:
            continue
        seen.add(ref)
        facts = {"hallmark:kind": package.kind, "hallmark:place": f"/{package.place}"}
        if package.source and (package.source, package.source_version) != (package.name, package.version):
            facts["hallmark:source"] = f"{package.source} {package.source_version}".strip()
        found.append(
            {
                "type": "application" if package.kind in OF_SYSTEMS else "library",
                "bom-ref": ref,
                "name": package.name,
                **({"version": package.version} if package.version else {}),
                **({"licenses": _licences(package.licences)} if package.licences else {}),
                **({"purl": package.purl} if package.purl else {}),
                "properties": [{"name": name, "value": value} for name, value in facts.items()],
            }
        )
    return found


def _licences(told: Iterable[str]) -> list[dict[str, Any]]:
    """One SPDX expression, or the names that somebody else gave; the schema has no mixture."""
    names = list(told)
    try:
        if len(names) == 1:
            return [{"expression": canonicalize_license_expression(names[0])}]
    except InvalidLicenseExpression:
        pass
    return [{"license": {"name": name}} for name in names]


def _source(subject: Subject) -> dict[str, Any]:
    return {"type": "vcs", "url": _reference(subject.source_url), "comment": f"commit {subject.commit}"}


def _reference(url: str) -> str:
    """A URL as an IRI reference; git's own `host:path` is one of the scheme ssh."""
    short = re.fullmatch(r"(?!\w+://)([\w.@-]+):(?!/)(\S+)", url)
    return f"ssh://{short[1]}/{short[2]}" if short else url.replace(" ", "%20")


def _sha256(digest: str) -> Mapping[str, str]:
    return {"alg": "SHA-256", "content": digest.removeprefix("sha256:")}
