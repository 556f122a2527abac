"""update-manifest: commit the image's digest to the configuration repository, where the cluster takes it from.

Sets `images[name].digest` of one kustomization and nothing else, and records in the commit's trailers what the digest
rests on. The same digest again makes no commit. If somebody else pushes in between, the edit is made anew on the fresh
head; nothing is ever forced.

Trusts: that verify-image passed before it, in the same pod; the configuration repository for what was delivered last.
Refuses: a source commit that is older than the one delivered last, and one that was delivered and then taken back.
"""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hallmark import delivery, kustomization
from hallmark.command import Context, Outcome
from hallmark.config_repository import ConfigRepository
from hallmark.contract import param, path, result
from hallmark.errors import BadInputError, ToolFailedError
from hallmark.files import DIGEST
from hallmark.gate_report import Check, decide
from hallmark.history import holds, relation
from hallmark.tools.git import COMMIT, check_url, session

EXAMPLE = (
    "hallmark update-manifest --config-repository-url=https://git.example.com/team/config.git --image-name=iris "
    "--release-image=registry.example.com/releases/iris --image-digest=sha256:... --commit=... "
    "--commit-time=1767225600 --repository-url=https://git.example.com/team/iris.git --model-digest=sha256:... "
    "--verdict-digest=sha256:... --run-name=iris-1 --history=run/history"
)

ATTEMPTS = 5
FIRST_WAIT = 0.2
"""Seconds before the second attempt; doubled before each further one."""


@dataclass(frozen=True, kw_only=True)
class Params:
    config_repository_url: str = param("URL of the configuration repository, without a password")
    config_branch: str = param("Branch that is pushed to", default="main")
    kustomization: str = param("Path of the kustomization in the repository", default="kustomization.yaml")
    image_name: str = param("`name` of the entry in the kustomization's `images`")
    release_image: str = param("Repository of the released image, without tag; the entry's `newName`")
    image_digest: str = param("Digest of the released image")
    commit: str = param("Full SHA of the source commit")
    commit_time: int = param("The source commit's committer date, seconds since 1970")
    repository_url: str = param("URL of the model's repository, for the record")
    model_digest: str = param("Digest of the model file, for the record")
    verdict_digest: str = param("Digest of the verdict, for the record")
    run_name: str = param("Name of the PipelineRun, for the record")
    history: Path = path("The model's repository as fetch-source left it, for questions of ancestry")
    credential: Path | None = path(
        "Folder with `username` and `password`, or `ssh-privatekey` and `known_hosts`", default=None
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    manifest_commit: str | None = result("The commit in the configuration repository that holds the digest")
    changed: str | None = result('"true" if this run made that commit, "false" if the digest stood there already')


def run(params: Params, context: Context) -> Outcome:
    """Fetch, edit, commit and push, anew as often as somebody else was quicker.

    Raises:
        BadInputError: no such branch, file or entry, or a param that is no digest, commit or path.
        ToolFailedError: the git server does not answer, does not let us in, or others were quicker five times.
    """
    _check(params)
    with (
        session(params.config_repository_url, params.credential) as git,
        tempfile.TemporaryDirectory(prefix="hallmark-config-") as folder,
    ):
        url = params.config_repository_url
        repository = ConfigRepository(git=git, url=url, branch=params.config_branch, folder=Path(folder))
        for attempt in range(1, ATTEMPTS + 1):
            context.say(f"reading {params.kustomization} of {check_url(url)}, attempt {attempt} of {ATTEMPTS}")
            outcome = _attempt(params, repository)
            if outcome is not None:
                return outcome
            time.sleep(FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311 # nosec B311
    raise ToolFailedError(
        f"somebody else pushed to {params.config_branch} during each of {ATTEMPTS} attempts",
        solution="start the task again when the configuration repository is quieter",
    )


def _attempt(params: Params, repository: ConfigRepository) -> Outcome | None:
    """One attempt on the head of this moment; None if somebody else was quicker."""
    head = repository.fetch()
    mode, text = repository.read(head, params.kustomization)
    edited = kustomization.set_digest(
        text, name=params.image_name, repository=params.release_image, digest=params.image_digest
    )
    last = repository.last_delivery(head, params.kustomization, params.image_name)
    if edited.text == text:
        holder = last.manifest_commit if last and last.image_digest == params.image_digest else head
        return _outcome(params, manifest_commit=holder, changed=False, before=edited.before)
    between = relation(repository.git, params.history, params.commit, last.source_commit) if last else "newer"
    objection = delivery.objection(params.commit, params.commit_time, last, between, edited.before)
    if last is not None and objection:
        return _refused(params, objection, last)
    commit = repository.commit(head, params.kustomization, mode, edited.text, _message(params))
    if not repository.push(commit, head):
        return None
    return _outcome(params, manifest_commit=commit, changed=True, before=edited.before)


def _check(params: Params) -> None:
    check_url(params.config_repository_url)
    check_url(params.repository_url)
    for name in ("image_digest", "model_digest", "verdict_digest"):
        if not DIGEST.fullmatch(getattr(params, name)):
            flag = name.replace("_", "-")
            raise BadInputError(f"--{flag} is no digest", solution="give `sha256:` and 64 hexadecimal digits")
    if not COMMIT.fullmatch(params.commit):
        raise BadInputError(f"--commit={params.commit} is no full SHA", solution="give fetch-source's result commit")
    target = PurePosixPath(params.kustomization)
    if target.is_absolute() or str(target) != params.kustomization or {"..", ".git"} & set(target.parts):
        raise BadInputError(
            f"--kustomization={params.kustomization} is no plain path inside the repository",
            solution="give it as git shows it, e.g. production/kustomization.yaml",
        )
    with session() as git:
        if not holds(git, params.history, params.commit):
            raise BadInputError(
                f"{params.history} does not hold the commit {params.commit}",
                solution="bind the folder `history` that fetch-source wrote in the same run",
            )


def _message(params: Params) -> str:
    trailers = {
        "Image-Digest": params.image_digest,
        "Model-Digest": params.model_digest,
        "Source-Commit": params.commit,
        "Source-Commit-Time": str(params.commit_time),
        "Source-Repository": check_url(params.repository_url),
        "Verdict-Digest": params.verdict_digest,
        "PipelineRun": params.run_name,
    }
    return delivery.message(params.image_name, trailers)


def _outcome(params: Params, *, manifest_commit: str, changed: bool, before: str | None) -> Outcome:
    stands = f"{params.release_image}@{params.image_digest}"
    report = decide(
        "update-manifest",
        [
            Check(name="order", passed=True, value=f"no newer commit than {params.commit[:12]} was delivered"),
            Check(name="digest", passed=True, value=params.image_digest, limit=f"before: {before or 'none'}"),
            Check(name="manifest commit", passed=True, value=manifest_commit),
        ],
        passed=f"{params.kustomization} {'now holds' if changed else 'held already'} {stands}",
        refused="",
        solution="",
        digests={"image": params.image_digest, "model": params.model_digest, "verdict": params.verdict_digest},
    )
    return Outcome(report=report, results=Results(manifest_commit=manifest_commit, changed=str(changed).lower()))


def _refused(params: Params, objection: str, last: delivery.Delivery) -> Outcome:
    report = decide(
        "update-manifest",
        [Check(name="order", passed=False, value=objection, limit="an older commit never replaces a newer one")],
        passed="",
        refused=f"nothing was committed: {objection}",
        solution="deliver a newer commit; to go back on purpose, take the delivery back in the configuration "
        f"repository (`git revert {last.manifest_commit[:12]}`)",
        digests={"image": params.image_digest},
    )
    return Outcome(report=report, results=Results())
