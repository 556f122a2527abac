"""scan-image: say what the image is made of, and look for what should not be in it, before anybody signs it.

The image's layers are fetched by digest, read within bounds (`hallmark.image_scan.filesystem`), and never run. From
them come a bill of materials (CycloneDX) with the model and its card, and, where the policy asks for it, a report on
known vulnerabilities by OSV's databases.

Trusts: the policy, the database, and the digests that it recomputes. Not the image: neither names, links nor sizes in
its layers, and no settings for a tool.
Refuses: advisories from the policy's severity on, licences, secrets in any layer or in the configuration, files that
are setuid or that everybody may write to, an image that starts as root, and one that does not tell the packages of its
operating system, or tells others than its base does. Writes `scan-image.sarif` beside the report.
"""

from __future__ import annotations

import datetime
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hallmark import __version__, base_images, oci_json
from hallmark.attestations import SBOM_FILE, VULNERABILITIES_FILE
from hallmark.code_gate import baseline, databases, licences
from hallmark.code_gate.baseline import Sorted
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_image import ImageRules
from hallmark.documents.rules_scan import Scan
from hallmark.errors import BadInputError
from hallmark.files import DIGEST, inside, require_digest, sha256_bytes, sha256_file, sha256_tree, write_text
from hallmark.image_parts import parts_of
from hallmark.image_reference import Image, image, parse_image
from hallmark.image_scan import bom, contents, filesystem, vulnerabilities
from hallmark.image_scan.packages import is_python, licensed, listed_digests, packages, relevant, wanted
from hallmark.image_scan.report import SARIF, TOOLS, Scanned, make_report, together
from hallmark.registry_auth import docker_config
from hallmark.reporting.sarif import Finding, to_sarif
from hallmark.tools import gitleaks, skopeo, syft

EXAMPLE = (
    "hallmark scan-image --candidate-image=registry.example.com/candidates/iris --image-digest=sha256:... "
    "--source=run/source --policy=policy --sbom=run/sbom --commit=... --source-digest=sha256:... ..."
)
MAXIMUM_BYTES = 8 << 30
"""Of the layers, packed."""
MAXIMUM_CONFIG = 8 << 20
SECONDS = 900.0

DATABASES = "scan.vulnerabilities.databases"
BASELINE = "the baseline of accepted findings (scan.baseline in the policy)"


@dataclass(frozen=True, kw_only=True)
class Params:
    candidate_image: str = param("Repository of the candidate, without tag")
    image_digest: str = param("The image's digest, from build-image")
    source_digest: str = param("Digest of the source, from fetch-source")
    policy_digest: str = param("Digest of the policy, from fetch-source")
    model_digest: str = param("SHA-256 of the model's file, from train")
    training_data_digest: str = param("SHA-256 of the training data, from prepare-evaluation")
    independent_data_digest: str = param("SHA-256 of the independent data, from prepare-evaluation")
    repository_url: str = param("The model repository's URL without credentials, from fetch-source")
    commit: str = param("Full SHA of the source commit")
    base_image: str | None = param(
        "Image that it was built on, `repository@sha256:...`; empty: not told, so that all of it counts as the base's, "
        "which a policy that names bases refuses",
        default=None,
    )
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    source: Path = path("The checked out repository, for hallmark.yaml")
    policy: Path = path("The validators' folder with policy.yaml")
    sbom: Path = path("Where sbom.cdx.json and vulnerabilities.json are written")
    candidate_credential: Path | None = path("Folder with docker's config.json, to read the candidates", default=None)
    advisories: Path | None = path("OSV's databases, if the policy has none of its own", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    sbom_digest: str | None = result("SHA-256 of sbom.cdx.json; written also when the gate says no")
    vulnerabilities_digest: str | None = result("SHA-256 of vulnerabilities.json; empty where nothing was looked up")


def run(params: Params, context: Context) -> Outcome:
    """Fetch, read, write the bill of materials, and judge. Figures: see `image_scan.report`.

    Raises:
        BadInputError: an artefact is not the one that was handed over, the layers cannot be read to their end, or the
            policy asks for vulnerabilities and no database, or one that is too old, is there.
        ToolFailedError: the registry does not answer or let us in, or a tool failed.
    """
    candidate = image(params.candidate_image, params.image_digest)
    for name in ("model_digest", "training_data_digest", "independent_data_digest"):
        if not DIGEST.fullmatch(getattr(params, name)):
            raise BadInputError(f"--{name.replace('_', '-')} is no digest", solution="hand over the tasks' results")
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    rules, base = policy.scan, _base(params, policy.image)
    database = _database(params, rules)
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    model = load_model(params.source)
    today = datetime.datetime.now(datetime.UTC).date()
    accepted = baseline.load(params.policy, rules.baseline, TOOLS, what=BASELINE) if rules.baseline else None
    with (
        tempfile.TemporaryDirectory(prefix="hallmark-scan-") as name,
        docker_config(params.candidate_credential) as auth,
    ):
        folder = Path(name)
        if database is not None:
            allowed = rules.vulnerabilities.databases
            database = databases.accepted(database, allowed, folder / "databases", key=DATABASES)
        registry = skopeo.Registry(authfile=auth, tls_verify=params.tls_verify)
        images = {part.platform: part.image for part in parts_of(candidate, registry)}
        parts = {}
        for number, (platform, one) in enumerate(images.items()):
            context.say(f"fetching {one}{platform and f', for {platform}'}")
            own = folder / str(number)
            own.mkdir()
            layers = skopeo.download(one, registry, own / "image", maximum_bytes=MAXIMUM_BYTES, timeout=SECONDS)
            config = _config(own / "image", one.digest)
            below = None
            if base is not None:
                below = base_images.base_layers(base_images.layers_in(_object(config), str(one)), base, registry)
            parts[platform] = _scan(layers, config, own, rules, database, context, today, below)
            shutil.rmtree(own)
    scanned = together(parts)
    text = _bill(params, model, images, parts)
    write_text(params.sbom / SBOM_FILE, text)
    digests = {"sbom": sha256_bytes(text.encode()), "image": params.image_digest}
    vulnerable = _write_vulnerabilities(params.sbom, parts)
    digests |= {"vulnerabilities": vulnerable} if vulnerable else {}
    digests |= {"advisories": scanned.known.database.digest} if scanned.known else {}
    findings = scanned.findings
    found = baseline.apply(findings, accepted, today) if accepted else Sorted(counting=findings, accepted={})
    versions = _versions(scanned)
    sarif = to_sarif([*found.counting, *found.accepted], versions, found.accepted)
    write_text(context.report_dir / SARIF, sarif)
    digests |= {
        "sarif": sha256_bytes(sarif.encode()),
        "source": params.source_digest,
        "policy": params.policy_digest,
        "model": params.model_digest,
        "training-data": params.training_data_digest,
        "independent-data": params.independent_data_digest,
    }
    report = make_report(parts, scanned, found, rules, digests, versions)
    results = Results(sbom_digest=digests["sbom"], vulnerabilities_digest=vulnerable)
    return Outcome(report=report, results=results)


def _base(params: Params, rules: ImageRules) -> Image | None:
    """The base image, if it is told. Raises BadInputError: it is not one that the policy names."""
    base = None if params.base_image is None else parse_image(params.base_image)
    named = base_images.named(rules, base)
    if not named.passed:
        raise BadInputError(
            f"the policy names base images, and this one is not among them: {named.value}",
            solution="give the base image that build-image was given",
        )
    return base


def _database(params: Params, rules: Scan) -> Path | None:
    """Where the database is; asked before anything is fetched."""
    if not rules.vulnerabilities.enabled:
        return None
    own = rules.vulnerabilities.advisories
    found = inside(params.policy, own) if own else params.advisories
    if found is None or not found.exists():
        raise BadInputError(
            "the policy asks for known vulnerabilities (scan.vulnerabilities), and there is no advisory database",
            solution="bind the workspace `advisories`, or name a folder below the policy's in "
            "scan.vulnerabilities.advisories",
        )
    return found


def _config(folder: Path, digest: str) -> bytes:
    """The image's configuration, whose digest its manifest names, whose digest is the image's."""
    manifest = folder / "manifest.json"
    require_digest("the image's manifest", sha256_file(manifest), digest)
    told = str(_object(_object(manifest.read_bytes()).get("config")).get("digest", ""))
    file = folder / told.removeprefix("sha256:")
    if not DIGEST.fullmatch(told) or not file.is_file() or file.stat().st_size > MAXIMUM_CONFIG:
        raise _no_configuration()
    require_digest("the image's configuration", sha256_file(file), told)
    return file.read_bytes()


def _object(value: object) -> dict[str, Any]:
    """A JSON object, or the one in a text. Raises BadInputError where it is none."""
    try:
        found = oci_json.parse(value) if isinstance(value, bytes) else value
    except (ValueError, RecursionError) as error:
        raise _no_configuration(str(error)) from error
    if not isinstance(found, dict):
        raise _no_configuration()
    return found


def _no_configuration(why: str = "") -> BadInputError:
    return BadInputError(
        f"the image has no configuration that is read here{why and ': '}{why}",
        solution="build the image anew with a tool that follows OCI's image specification",
    )


def _scan(
    layers: Sequence[Path],
    config: bytes,
    folder: Path,
    rules: Scan,
    database: Path | None,
    context: Context,
    today: datetime.date,
    below: int | None,
) -> Scanned:
    """Read and judge the layers, of which the lowest `below` are the base's; None: nobody told the base."""
    started = _now()
    settings = _object(config)
    _object(settings.get("config") or {})
    kept, tree = folder / "kept", folder / "tree"
    kept.mkdir()
    context.say(f"reading {len(layers)} layers")
    files = filesystem.read(layers, kept, wanted)
    _require_layers(settings, files.diff_ids)
    if below is not None and (odd := filesystem.below_links(files, below)):
        raise BadInputError(
            f"a layer above the base holds {odd[0][:200]!r}, which lies below a link, and so elsewhere than it is told",
            solution="build the image anew with a tool that writes proper layers",
        )
    base = None if below is None else filesystem.lowest(files, below)
    filesystem.lay_out(relevant(files), tree)
    context.say("looking for packages" + (" and for secrets" if rules.secrets.enabled else ""))
    packaged, secrets = 0, list[Finding]()
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(syft.catalogue, tree)
        if rules.secrets.enabled:
            digests = set() if rules.secrets.packaged else listed_digests(files)
            secrets, packaged = contents.secrets(files, config, folder / "secrets", listed=digests)
        catalogue = asked.result()
    found = packages(catalogue.artifacts, rules.licences, tree)
    findings = [
        *secrets,
        *contents.privileged(files.root, rules.files, base),
        *(contents.changed_lists(files.root, base) if base is not None and rules.package_lists == "of-base" else []),
        *contents.writable(files.root, rules.files),
        *(contents.root_user(settings, files.root) if rules.user == "not-root" else []),
    ]
    if rules.licences.enabled:
        findings += licences.judge(map(licensed, filter(is_python, found)), rules.licences, where="scan.licences")
    known = None
    if database is not None:
        context.say(f"looking {len(found)} packages up")
        known = vulnerabilities.look_up(found, catalogue.distribution, database, rules.vulnerabilities, today=today)
        findings += [one.as_finding() for one in known.refused]
    return Scanned(
        found=tuple(found),
        catalogue=catalogue,
        files=len(files.root),
        findings=tuple(baseline.with_fingerprints(findings, _text)),
        known=known,
        packaged=packaged,
        secrets=rules.secrets.enabled,
        licences=rules.licences.enabled,
        left_out=files.left_out,
        base_layers=below,
        layers=len(layers),
        created=str(settings.get("created") or ""),
        started=started,
    )


def _require_layers(settings: dict[str, Any], found: Sequence[str]) -> None:
    """By what the configuration says of a layer, a node takes one that it has already for it, and unpacks nothing."""
    if _object(settings.get("rootfs")).get("diff_ids") != list(found):
        raise BadInputError(
            "the image's configuration names other layers than the image has (rootfs.diff_ids)",
            solution="build the image anew with a tool that follows OCI's image specification",
        )


def _bill(params: Params, model: Model, images: Mapping[str, Image], parts: Mapping[str, Scanned]) -> str:
    first = next(iter(parts.values()))
    subject = bom.Subject(
        repository=params.candidate_image,
        image=params.image_digest,
        created=first.created,
        model=params.model_digest,
        training_data=params.training_data_digest,
        independent_data=params.independent_data_digest,
        source_url=params.repository_url,
        commit=params.commit,
    )
    made_of = [
        bom.Contents(
            image=images[name].digest, platform=name, packages=scanned.found, system=scanned.catalogue.distribution
        )
        for name, scanned in parts.items()
    ]
    return bom.make(subject, model, made_of, first.catalogue.version)


def _write_vulnerabilities(folder: Path, parts: Mapping[str, Scanned]) -> str:
    """Write the report and return its digest; empty, and no report of an earlier attempt left, where none was asked."""
    file = folder / VULNERABILITIES_FILE
    known = {name: scanned.known for name, scanned in parts.items() if scanned.known is not None}
    if not known:
        file.unlink(missing_ok=True)
        return ""
    scanner = {"uri": "https://hallmark.dev/scan-image", "version": __version__}
    started = min(scanned.started for scanned in parts.values())
    content = vulnerabilities.predicate(known, scanner=scanner, started=started, finished=_now())
    text = json.dumps(content, indent=1) + "\n"
    write_text(file, text)
    return sha256_bytes(text.encode())


def _versions(scanned: Scanned) -> dict[str, str]:
    found = {contents.FILES_TOOL: __version__, syft.NAME: scanned.catalogue.version}
    if scanned.secrets:
        found[gitleaks.NAME] = gitleaks.version()
    if scanned.licences:
        found[licences.TOOL] = __version__
    if scanned.known is not None:
        found[vulnerabilities.TOOL] = f"{__version__} of {scanned.known.newest}"
    return found


def _text(finding: Finding) -> str:
    """What a fingerprint is made of: the place of a secret, never itself; of everything else what was said."""
    return f"{finding.line}:{finding.column}" if finding.tool == gitleaks.NAME else finding.message


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
