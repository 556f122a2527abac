"""build-image: build the image with the model baked in, and push it by digest.

Where the repository has no Containerfile, its image is the base, Hallmark's model server and the model
(`hallmark.served_image`). Otherwise:

The build's context is a private copy of the source and `model/model.<format>`. `RUN` has no network, the base is the
one that the run names by digest, and every file is dated with the commit, so that the same inputs give the same digest.
The image is labelled with the commit and the digests of source and model, which sign-image compares with the verdict.

Trusts: the policy, which it reads before anything is built; `RUN` does not see it. Nothing that the Containerfile does:
the credential here is good for the candidates only, and nothing is ever deployed from there. What is refused about the
base is refused here so that it is told early; sign-image looks at it again.
Refuses: a base that the policy does not name (`image.bases`), and a Containerfile that takes something from another
image; a model's folder that was not signed, as it is, by a key that the policy names (`signing.modelKeys`), before
anything of it is baked; a build that fails; `RUN --mount`, if this Buildah has known holes there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hallmark import base_images, image_labels, signed_model
from hallmark.command import Context, Outcome
from hallmark.containerfiles import in_context, other_images, read
from hallmark.contract import param, path, result
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import load_policy
from hallmark.documents.rules_image import ImageRules
from hallmark.errors import BadInputError
from hallmark.files import DIGEST, require_digest, sha256_file, sha256_tree, write_text
from hallmark.gate_report import Check, decide
from hallmark.image_builder import builder
from hallmark.image_builder import containerfile as containerfile_of
from hallmark.image_reference import Image, image, parse_image
from hallmark.platforms import as_text, covers, tested_check, this_machine
from hallmark.registry_auth import docker_config
from hallmark.served_image import build_and_push, manifest_annotations
from hallmark.tools import skopeo
from hallmark.tools.buildah import MOUNT_HOLES, MOUNTS_MENDED, has_mounts, session
from hallmark.tools.git import COMMIT, check_url

EXAMPLE = (
    "hallmark build-image --source=run/source --model=run/model --policy=policy --source-digest=sha256:... "
    "--policy-digest=sha256:... --model-digest=sha256:... --data-digest=sha256:... --commit=... "
    "--commit-time=1767225600 "
    "--repository-url=https://git.example.com/team/iris.git "
    "--base-image=registry.example.com/base/python@sha256:... --candidate-image=registry.example.com/candidates/iris"
)

MODEL_FOLDER = "model"
NAME = "localhost/candidate"
"""With a registry before it: in a pod, `push` does not find a name without one again."""
LOG = "build.log"
"""Beside the report: what the build printed, for its author."""
LOG_CHARACTERS = 1 << 20
TAIL_LINES = 12
UNTESTED = (
    "take the platform out of image.platforms in hallmark.yaml, or ask the validators whether it may go untested "
    "(image.untestedPlatforms in the policy)"
)


@dataclass(frozen=True, kw_only=True)
class Params:
    candidate_image: str = param("Repository that the image is pushed to, without tag")
    base_image: str = param("Image that is built on (a Containerfile's `BASE_IMAGE`), `repository@sha256:...`")
    source_digest: str = param("Digest of the source, from fetch-source")
    policy_digest: str = param("Digest of the policy, from fetch-source")
    model_digest: str = param("Digest of the model file, from train")
    data_digest: str = param("Digest of the training data, from train; for the label")
    commit: str = param("Full SHA of the source commit; also the tag that is pushed")
    commit_time: int = param("The commit's committer date, seconds since 1970; dates every file of the image")
    repository_url: str = param("URL of the model's repository, for the label")
    tls_verify: bool = param('"false" only for a registry on plain HTTP, on one machine', default=True)
    source: Path = path("The checked out repository")
    model: Path = path("Folder with model.<format>")
    signature: Path | None = path(
        "Folder with model.sig, from sign-model; for a policy with signing.modelKeys", default=None
    )
    policy: Path = path("The validators' folder with policy.yaml")
    credential: Path | None = path(
        "Folder with docker's config.json, good to push candidates and to read the base", default=None
    )
    base_store: Path | None = path(
        "Folder laid out like /var/lib/containers that holds the base image unpacked; empty: it is pulled", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    image_url: str | None = result("Repository of the pushed image", name="IMAGE_URL")
    image_digest: str | None = result("Digest of the pushed image, or list of images", name="IMAGE_DIGEST")
    image_platforms: str | None = result(
        "Of a list of images: the digest of each, `linux/amd64=sha256:...` with blanks between them; empty where it is "
        "one image"
    )


def run(params: Params, context: Context) -> Outcome:
    """Check the digests and the base, build, and push.

    Raises:
        BadInputError: an artefact is not the one that was handed over, or the repository stands in the model's place.
        ToolFailedError: a registry does not answer or does not let us in, or nothing can be built here.
    """
    base = parse_image(params.base_image)
    image(params.candidate_image, base.digest)
    if not COMMIT.fullmatch(params.commit):
        raise BadInputError(f"--commit={params.commit} is no full SHA", solution="give fetch-source's result commit")
    if not DIGEST.fullmatch(params.data_digest):
        raise BadInputError(
            f"--data-digest={params.data_digest} is no digest", solution="give train's result training-data-digest"
        )
    policy = load_policy(params.policy, expected_digest=params.policy_digest)
    rules = policy.image
    named = base_images.named(rules, base)
    if not named.passed:
        said = f"the policy does not name the base image {base}"
        return _before_refused(
            params, base, [named], said, "start the run with a base that the policy names (image.bases)"
        )
    require_digest("the source", sha256_tree(params.source), params.source_digest)
    description = load_model(params.source)
    file = _model_file(params.model, description).name
    signed = signed_model.look(policy, params.policy, params.model, params.model_digest, file, params.signature)
    before = [named, *([signed.check] if signed.check else [])]
    if signed.check and not signed.check.passed:
        said = f"the model's folder is not signed as the policy asks: {signed.check.value}"
        return _before_refused(params, base, before, said, signed_model.SOLUTION)
    if builder(params.source, description) == "server":
        if (several := _platforms(description, rules)) and not several.passed:
            said = f"the policy does not allow an image for machines on which it was not tested: {several.value}"
            return _before_refused(params, base, [*before, several], said, UNTESTED)
        before += [several] if several else []
        return _serve(params, base, description, before, signed.beside, context)
    with tempfile.TemporaryDirectory(prefix="hallmark-context-") as scratch:
        folder = Path(scratch) / "context"
        make_context(params.source, params.model, description, params.model_digest, folder, beside=signed.beside)
        containerfile = in_context(folder, containerfile_of(description), generated=MODEL_FOLDER)
        if others := _others(containerfile, base, rules):
            said = f"the Containerfile takes from other images than the base that the policy names: {others.value}"
            return _before_refused(
                params, base, [*before, others], said, "write FROM ${BASE_IMAGE}, and COPY from no other image"
            )
        return _build(params, base, description, before, folder, containerfile, context)


def _build(
    params: Params,
    base: Image,
    description: Model,
    before: list[Check],
    folder: Path,
    containerfile: Path,
    context: Context,
) -> Outcome:
    """Have Buildah build the context in `folder`, and push the image."""
    name = containerfile_of(description)
    with (
        docker_config(params.credential) as authfile,
        session(authfile, tls_verify=params.tls_verify, base_store=params.base_store) as buildah,
    ):
        if has_mounts(read(containerfile)) and not buildah.mounts_safely():
            return _mounts_refused(params, base)
        context.say(f"base image {base}")
        pulled = buildah.pull(base)
        context.say(f"{'pulled it' if pulled else 'it is here already'}; building {name}")
        built = buildah.build(
            folder,
            containerfile,
            NAME,
            build_args={"BASE_IMAGE": str(base)},
            labels=_labels(params, description),
            annotations=manifest_annotations(_labels(params, description), base, params.commit_time),
            timestamp=params.commit_time,
        )
        output = f"{built.stdout}\n{built.stderr}"[-LOG_CHARACTERS:]
        write_text(context.report_dir / LOG, output)
        if built.exit_code != 0:
            return _refused(params, base, output)
        context.say(f"pushing to {params.candidate_image}")
        digest = buildah.push(NAME, params.candidate_image, params.commit)
    return _passed(params, base, image(params.candidate_image, digest), name, before, {})


def _serve(
    params: Params,
    base: Image,
    description: Model,
    before: list[Check],
    beside: Mapping[str, bytes],
    context: Context,
) -> Outcome:
    """Make the image of Hallmark's own server."""
    context.say(f"no Containerfile is used: Hallmark's model server on {base}")
    file = _model_file(params.model, description)
    with docker_config(params.credential) as authfile:
        made = build_and_push(
            base,
            params.candidate_image,
            params.commit,
            skopeo.Registry(authfile=authfile, tls_verify=params.tls_verify),
            model=file,
            model_digest=params.model_digest,
            description=description,
            labels=_labels(params, description),
            created=params.commit_time,
            beside=beside,
        )
    built = image(params.candidate_image, made.digest)
    return _passed(params, base, built, "Hallmark's model server", before, made.platforms)


def _platforms(description: Model, rules: ImageRules) -> Check | None:
    """Whether the image may be for all platforms that its maker wants, of which this machine, which tests it, is one.

    verify-model asks the same of the platforms that the image has; here it is told early.

    Raises:
        BadInputError: this machine is none of them, so that the image could not be tested at all.
    """
    wanted, own = description.image.platforms, this_machine()
    if not wanted:
        return None
    if not any(covers(own, one) for one in wanted):
        raise BadInputError(
            f"hallmark.yaml wants an image for {', '.join(wanted)}, and this machine is {own}",
            solution=f"add {own} to image.platforms, or have the pipeline run on such machines",
        )
    # The base may call it by one of its variants, which is all that the policy has to allow.
    variants = [one for one in wanted if any(covers(one, allowed) for allowed in rules.untested_platforms)]
    return tested_check(wanted, own, [*rules.untested_platforms, *variants])


def _others(containerfile: Path, base: Image, rules: ImageRules) -> Check | None:
    """That the Containerfile names images beside the base, where the policy says which ones may be built on."""
    others = other_images(read(containerfile), str(base)) if rules.bases else []
    found = ", ".join(one[:100] for one in others[:4])
    limit = "${BASE_IMAGE}, and stages of the same file"
    return Check(name="images of the Containerfile", passed=False, value=found, limit=limit) if others else None


def _model_file(model: Path, description: Model) -> Path:
    name = f"model.{description.model.format}"
    file = model / name
    if file.is_symlink() or not file.is_file():
        raise BadInputError(f"there is no {name} in {model}", solution="bind the folder that train wrote")
    return file


def make_context(
    source: Path, model: Path, description: Model, model_digest: str, target: Path, *, beside: Mapping[str, bytes]
) -> None:
    """Write the build's context to the new folder `target`: the source, and the model in its place.

    Args:
        beside: further files for the model's folder, by their name.

    Modes are made equal to what git knows of them, for they are part of an image, and differ between volumes.

    Raises:
        BadInputError: the model is another one, or the repository holds something where the model belongs.
    """
    file = _model_file(model, description)
    name = file.name
    shutil.copytree(source, target, symlinks=True)
    place = target / MODEL_FOLDER
    taken = [place / one for one in (name, *beside)]
    if place.is_symlink() or (place.exists() and not place.is_dir()) or any(one.is_symlink() for one in taken):
        raise BadInputError(
            f"the repository has something else at {MODEL_FOLDER}", solution="rename it; the trained model goes there"
        )
    if there := [one.name for one in taken if one.exists()]:
        raise BadInputError(
            f"the repository has a file {MODEL_FOLDER}/{there[0]}",
            solution="remove it from the repository; the model that this run trains goes there",
        )
    place.mkdir(exist_ok=True)
    for one, content in beside.items():
        (place / one).write_bytes(content)
    shutil.copyfile(file, place / name)
    require_digest("the model", sha256_file(place / name), model_digest)
    for entry in (target, *target.rglob("*")):
        if not entry.is_symlink():
            entry.chmod(0o755 if entry.is_dir() or entry.stat().st_mode & 0o100 else 0o644)


def _labels(params: Params, description: Model) -> dict[str, str]:
    return {
        image_labels.TITLE: description.metadata.name,
        image_labels.VERSION: description.metadata.version,
        image_labels.REVISION: params.commit,
        image_labels.SOURCE: check_url(params.repository_url),
        image_labels.SOURCE_DIGEST: params.source_digest,
        image_labels.MODEL_DIGEST: params.model_digest,
        image_labels.DATA_DIGEST: params.data_digest,
        # Neither a Containerfile nor a base may say that the model is beside the image: only what pushes it there.
        image_labels.MODEL_ARTIFACT: "",
    }


def _digests(params: Params, base: Image) -> dict[str, str]:
    return {
        "source": params.source_digest,
        "policy": params.policy_digest,
        "model": params.model_digest,
        "training data": params.data_digest,
        "base image": base.digest,
    }


def _passed(
    params: Params, base: Image, built: Image, recipe: str, before: list[Check], platforms: Mapping[str, str]
) -> Outcome:
    told = f" for {', '.join(platforms)}" if platforms else ""
    report = decide(
        "build-image",
        [
            *before,
            Check(name="build", passed=True, value=f"{recipe} on {base}{told}"),
            Check(name="push", passed=True, value=str(built), limit=f"tag {params.commit}"),
        ],
        passed=f"built and pushed {built}{told}",
        refused="",
        solution="",
        digests={**_digests(params, base), "image": built.digest},
    )
    results = Results(image_url=built.repository, image_digest=built.digest, image_platforms=as_text(platforms))
    return Outcome(report=report, results=results)


def _before_refused(params: Params, base: Image, checks: list[Check], said: str, solution: str) -> Outcome:
    report = decide("build-image", checks, passed="", refused=said, solution=solution, digests=_digests(params, base))
    return Outcome(report=report, results=Results())


def _mounts_refused(params: Params, base: Image) -> Outcome:
    mended = ".".join(map(str, MOUNTS_MENDED))
    check = Check(
        name="mounts",
        passed=False,
        value="the Containerfile has --mount",
        limit=f"none with a Buildah before {mended} ({', '.join(MOUNT_HOLES)})",
    )
    report = decide(
        "build-image",
        [check],
        passed="",
        refused="the Containerfile has --mount, which this Buildah does not keep inside the build "
        f"({', '.join(MOUNT_HOLES)})",
        solution=f"use COPY in its place, or have the step's image brought to Buildah {mended}",
        digests=_digests(params, base),
    )
    return Outcome(report=report, results=Results())


def _refused(params: Params, base: Image, output: str) -> Outcome:
    lines = [line[:300] for line in output.splitlines() if line.strip()]
    report = decide(
        "build-image",
        [
            Check(
                name="build",
                passed=False,
                value=lines[-1] if lines else "it printed nothing",
                limit="the Containerfile builds",
                detail="\n".join(lines[-TAIL_LINES:]),
            )
        ],
        passed="",
        refused="the Containerfile does not build",
        solution=f"see {LOG} beside the report; RUN has no network here, and FROM must be ${{BASE_IMAGE}} "
        f"({base.repository}), or a stage of the same file",
        digests=_digests(params, base),
    )
    return Outcome(report=report, results=Results())
