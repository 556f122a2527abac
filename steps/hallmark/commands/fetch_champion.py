"""fetch-champion: takes the model in production out of its signed image, to compare the candidate with.

Does nothing where the policy does not ask for that (`model.champion`). Otherwise it reads in the configuration
repository which image is in production, asks for a signature and a verdict of the policy's keys on it, and takes the
file whose SHA-256 that verdict names out of its layers, or out of the artefact from which it fetches its model. The
model is only copied here: whoever loads it treats it as any other model file.

Trusts: the policy's keys; the configuration repository for what is in production, which is where its readers take it
from too. No path in the image, no label and no tag.
Refuses: a place that the policy does not name (`model.champion.production`), for whoever starts a run could choose one
with a weaker champion, or with none; an image in production that is not signed, or without a passing verdict on it and
on this model. A verdict that does not say how the model is asked, or an image without the model, is bad input; a
registry that does not answer is an error. None of them is ever "nothing in production".
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hallmark import champion as champions
from hallmark import image_layers, kustomization, model_artifact
from hallmark.attestations import places, statement_checks
from hallmark.command import Context, Outcome
from hallmark.config_repository import ConfigRepository
from hallmark.contract import param, path, result
from hallmark.documents.policy import Policy, load_policy, policy_digest
from hallmark.documents.rules_model import Champion, Place
from hallmark.errors import BadInputError
from hallmark.files import sha256_tree
from hallmark.gate_report import Check, GateReport, decide, failures
from hallmark.image_parts import parts_of
from hallmark.image_reference import Image, image
from hallmark.registry_auth import docker_config
from hallmark.release import cosign_for
from hallmark.signatures import signature_checks, signers, verdicts
from hallmark.tools import skopeo
from hallmark.tools.cosign import Cosign, Signer
from hallmark.tools.git import check_url, session
from hallmark.verdict import Verdict, read_verdict

EXAMPLE = (
    "hallmark fetch-champion --config-repository-url=https://git.example.com/team/config.git "
    "--kustomization=production/kustomization.yaml --release-image=registry.example.com/releases/iris "
    "--policy=policy --champion=run/champion"
)

MAXIMUM_PACKED_BYTES = 32 << 30
"""Of the image's layers together, as the registry has them."""
SECONDS = 900.0
BOUNDS = image_layers.Bounds()


@dataclass(frozen=True, kw_only=True)
class Params:
    config_repository_url: str = param("URL of the configuration repository, without a password")
    config_branch: str = param("Branch of the configuration repository", default="main")
    kustomization: str = param("Path of the kustomization in the repository", default="kustomization.yaml")
    release_image: str = param("Repository of the released image, without tag; the entry's `newName`")
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    policy: Path = path("The validators' folder with policy.yaml and the public keys")
    champion: Path = path("Folder for the model in production, and champion.json about it")
    config_credential: Path | None = path(
        "Folder with `username` and `password`, or `ssh-privatekey` and `known_hosts`", default=None
    )
    release_credential: Path | None = path("Folder with docker's config.json, good to read the releases", default=None)


@dataclass(frozen=True, kw_only=True)
class Results:
    champion_digest: str | None = result(
        "Digest of the folder with the model in production; `none`: nothing is there; `not-asked`: the policy does not "
        "ask for it"
    )
    champion_image: str | None = result("The image in production, `repository@sha256:...`; empty where there is none")
    champion_model_digest: str | None = result("SHA-256 of the model in it; empty where there is none")
    champion_place: str | None = result(
        "Where production is described: repository, branch and path, with blanks between them; empty where that is not "
        "asked for"
    )


NOT_ASKED = Results(champion_digest=champions.NOT_ASKED, champion_image="", champion_model_digest="", champion_place="")


def run(params: Params, context: Context) -> Outcome:
    """Find, check and fetch the champion.

    Raises:
        BadInputError: no such branch, file or entry; a verdict that does not describe its model; no such model in the
            image.
        ToolFailedError: git server or registry does not answer, does not let us in, or does not have the image.
    """
    policy = load_policy(params.policy)
    _empty(params.champion)
    if policy.model.champion is None:
        return _outcome([_said("comparison", "the policy asks for none")], NOT_ASKED, "no champion is asked for")
    place = _place(params)
    where = _place_check(place, policy.model.champion)
    if not where.passed:
        # Before anything is asked there: the credentials go to no place that the policy does not name either.
        return Outcome(report=_refused_place(where), results=Results())
    keys = signers(policy, params.policy)
    standing = _in_production(params, policy, context)
    if standing is None:
        said = "nothing is in production yet; whether a first delivery is allowed is for verify-model to say"
        nothing = dataclasses.replace(NOT_ASKED, champion_digest=champions.NONE, champion_place=str(place))
        return _outcome([where, _said("in production", "no image")], nothing, said)
    context.say(f"fetch-champion: checking {standing}, which is in production")
    with docker_config(params.release_credential) as authfile:
        registry = skopeo.Registry(authfile=authfile, tls_verify=params.tls_verify)
        skopeo.require(standing, registry)
        tool = cosign_for(policy, params.policy, authfile, tls_verify=params.tls_verify)
        checks = [where, _said("in production", str(standing)), *signature_checks(tool, standing, keys, policy)]
        more, verdict = _verdict(tool, standing, keys, policy)
        checks += more
        if verdict is None or not all(check.passed for check in checks):
            # cosign has one exit code for "nothing fits" and "no connection"; only the first may become a refusal.
            skopeo.require(standing, registry)
            return _outcome(checks, Results(), "", digests={"champion-image": standing.digest})
        found = champions.described(verdict, standing, policy, policy_digest(params.policy))
        context.say("fetch-champion: fetching its model")
        layer = _take_out(standing, registry, found.model.digest, params.champion)
    found.write(params.champion)
    checks.append(_said("the model in the image", f"{found.model.format}, {layer}, {found.model.digest}"))
    results = Results(
        champion_digest=sha256_tree(params.champion),
        champion_image=str(standing),
        champion_model_digest=found.model.digest,
        champion_place=str(place),
    )
    digests = {"champion-image": standing.digest, "champion": results.champion_digest or "", "policy": found.policy}
    said = f"version {found.model.version} is in production, signed, and its model was taken out of {standing}"
    return _outcome(checks, results, said, digests=digests, production=found)


def _place(params: Params) -> Place:
    found = {"repository": check_url(params.config_repository_url), "branch": params.config_branch}
    try:
        return Place(**found, path=params.kustomization)
    except ValidationError as error:
        raise BadInputError(
            "--config-repository-url, --config-branch and --kustomization name no place where production is described",
            solution="give the three as model.champion.production in policy.yaml has them",
        ) from error


def _place_check(place: Place, rules: Champion) -> Check:
    return Check(
        name="place of production",
        passed=place in rules.production,
        value=str(place),
        limit=f"one of {', '.join(map(str, rules.production))}",
    )


def _refused_place(where: Check) -> GateReport:
    return decide(
        "fetch-champion",
        [where],
        passed="",
        refused=f"the policy does not say that {where.value} describes production",
        solution="start the run with config-repository-url, config-branch and kustomization as one of "
        "model.champion.production in policy.yaml has them, or ask the validators to add the place",
    )


def _in_production(params: Params, policy: Policy, context: Context) -> Image | None:
    url = params.config_repository_url
    context.say(f"fetch-champion: reading {params.kustomization} of {check_url(url)}")
    with (
        session(url, params.config_credential) as git,
        tempfile.TemporaryDirectory(prefix="hallmark-config-") as folder,
    ):
        repository = ConfigRepository(git=git, url=url, branch=params.config_branch, folder=Path(folder))
        _, text = repository.read(repository.fetch(), params.kustomization)
    digest = kustomization.digest_of(text, name=policy.metadata.name, repository=params.release_image)
    return None if digest is None else image(params.release_image, digest)


def _verdict(
    tool: Cosign, standing: Image, keys: Mapping[str, Signer], policy: Policy
) -> tuple[list[Check], Verdict | None]:
    """The checks on the newest attestation that passes them all, or else on the last one."""
    statements, none = verdicts(tool, standing, keys)
    checks, best = [none], None
    for statement in statements:
        found = statement_checks("verdict", statement, standing, places(standing, policy))
        try:
            verdict = read_verdict(json.dumps(statement.predicate), name="the attestation's predicate")
        except BadInputError as error:
            unread = Check(name="verdict", passed=False, value=error.message, limit="as verify-model writes it")
            checks = checks if best else [*found, unread]
            continue
        found += champions.verdict_checks(verdict, standing, policy)
        good = all(check.passed for check in found)
        if good and (best is None or verdict.judged_at > best.judged_at):
            checks, best = found, verdict
        elif best is None:
            checks = found
    return checks, best


def _take_out(standing: Image, registry: skopeo.Registry, digest: str, target: Path) -> str:
    """Write the model, out of the image's layers or of the artefact beside it; returns where it was, for people.

    The label only says where to look: the model is the file that has the digest of the signed verdict.
    """
    # Of a list any image will do: all of them are for the model of the one verdict.
    single = parts_of(standing, registry)[0].image
    labels = skopeo.labels_in(skopeo.configuration(single, registry))
    if (artifact := model_artifact.of(labels, standing.repository)) is not None:
        size = model_artifact.take_out(
            artifact, digest, registry, target / champions.MODEL_FILE, maximum_bytes=BOUNDS.file_bytes, timeout=SECONDS
        )
        return f"{size} bytes in {artifact}"
    with tempfile.TemporaryDirectory(prefix="hallmark-champion-") as scratch:
        layers = skopeo.download(
            single, registry, Path(scratch) / "image", maximum_bytes=MAXIMUM_PACKED_BYTES, timeout=SECONDS
        )
        found = image_layers.find(layers, digest, BOUNDS)
        image_layers.take_out(layers, found, digest, target / champions.MODEL_FILE, BOUNDS)
    return f"{found.size} bytes in layer {found.layer} of {len(layers)}"


def _empty(folder: Path) -> None:
    """Remove what an earlier run left, so that the folder's digest is of this champion only."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (champions.MODEL_FILE, champions.DESCRIPTION_FILE):
        (folder / name).unlink(missing_ok=True)
    if left := sorted(entry.name for entry in folder.iterdir()):
        raise BadInputError(f"{folder} is not empty: {left[0]}", solution="give a new folder for each run")


def _said(name: str, value: str) -> Check:
    return Check(name=name, passed=True, value=value)


def _outcome(
    checks: list[Check], results: Results, said: str, *,
    digests: dict[str, str] | None = None, production: champions.InProduction | None = None,
) -> Outcome:  # fmt: skip
    report = decide(
        "fetch-champion",
        checks,
        passed=said,
        refused=f"what is in production is no champion to compare with: {failures(checks)}",
        solution="find out who deployed it; deliver a signed image, or take the digest back in the configuration "
        "repository to one that is signed",
        figures={"production": production.model_dump(mode="json", by_alias=True)} if production else {},
        digests=digests,
    )
    return Outcome(report=report, results=results)
