"""fetch-source: check out one commit of the model's repository, and pin what the run is about.

The first task of a delivery. It resolves the revision once, and hands over the commit, the tree's digest and the
policy's digest, which every later task recomputes. Both documents are read here, so that a mistake in them costs
seconds and not a training. Git LFS pointers are replaced by what they name.

Trusts: the git server for what the branch holds. Nothing in the repository: files are written byte for byte, no hook,
filter or submodule is followed, and a link that leads out of the tree is bad input. Its `.lfsconfig` does not count:
the credential goes to the repository's own server; to another one that the policy names (`source.lfs.server`) only if
the credential's owner lists that policy beside it.
Refuses nothing as a gate; what cannot be delivered is bad input.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hallmark import history as histories
from hallmark.command import Context, Outcome
from hallmark.contract import param, path, result
from hallmark.documents.agreement import require_agreement
from hallmark.documents.model import Model, load_model
from hallmark.documents.policy import Lfs, load_policy, policy_digest
from hallmark.documents.rules_inputs import is_remote
from hallmark.errors import BadInputError
from hallmark.files import atomic_path, sha256_tree
from hallmark.gate_report import Check, GateReport, decide
from hallmark.image_builder import builder, containerfile
from hallmark.inputs import lfs
from hallmark.inputs.fetching import find
from hallmark.inputs.unpack import Budget
from hallmark.release import POLICIES, repository_checks, require_accepted
from hallmark.tools.git import check_url, session
from hallmark.tools.git_lfs import Repository

EXAMPLE = (
    "hallmark fetch-source --repository-url=https://git.example.com/team/iris.git --revision=main "
    "--source=run/source --history=run/history --policy=policy"
)

MARK = "hallmark-fetch-source"
"""A file in `history`: both folders were filled by this command, so it may empty them."""


@dataclass(frozen=True, kw_only=True)
class Params:
    repository_url: str = param("URL of the model's git repository (https, http, ssh, git, file), without a password")
    revision: str = param("Branch, tag or commit SHA to deliver; resolved once", default="main")
    source: Path = path("Where the commit's tree is written")
    history: Path = path("Where a bare repository with all branches is written, for questions of ancestry")
    policy: Path = path("The validators' folder with policy.yaml")
    credential: Path | None = path(
        "Folder with `username` and `password`, or `ssh-privatekey` and `known_hosts`; if it has `policies`, a list of "
        "digests, it is used for no other policy, and without that list for no Git LFS server but the repository's own",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Results:
    commit: str | None = result("Full SHA of the commit")
    commit_time: str | None = result("The committer's date, seconds since 1970")
    repository_url: str | None = result("The repository's URL without a user name")
    chains_git_commit: str | None = result("The commit, for Tekton Chains", name="CHAINS-GIT_COMMIT")
    chains_git_url: str | None = result("The repository's URL, for Tekton Chains", name="CHAINS-GIT_URL")
    source_digest: str | None = result("Digest of the checked out tree")
    policy_digest: str | None = result("Digest of the validators' folder")
    model_name: str | None = result("The model's name, from hallmark.yaml")
    model_version: str | None = result("The model's version, from hallmark.yaml")
    minimum_accuracy: str | None = result("The accuracy that hallmark.yaml asks for; empty if it asks for none")
    independent_data: str | None = result("`fetched` if the policy's independent data has to be fetched, else `given`")


def run(params: Params, context: Context) -> Outcome:
    """Fetch, resolve, check out, and read both documents.

    Raises:
        BadInputError: no such revision, an odd tree, or a mistake in one of the documents.
        ToolFailedError: the git server does not answer or does not let us in.
    """
    url = check_url(params.repository_url)
    policy = load_policy(params.policy)
    pinned = policy_digest(params.policy)
    strange = repository_checks(url, policy)
    if failures := [check for check in strange if not check.passed]:
        return Outcome(report=_refused(failures), results=None)
    _require_consent(params, policy.source.lfs, pinned)
    _empty(params.source, params.history)
    context.say(f"fetching {url}")
    with session(params.repository_url, params.credential) as git, tempfile.TemporaryDirectory() as scratch:
        secrets = policy.code.secrets
        contents = secrets.enabled and secrets.history
        histories.fetch(git, params.repository_url, params.history, contents=contents)
        commit = histories.resolve(git, params.history, params.revision)
        time = histories.commit_time(git, params.history, commit)
        context.say(f"checking out {commit}")
        histories.check_out(git, params.history, commit, params.source, Path(scratch) / "index")
        submodules = histories.submodules(git, params.history, commit)
        objects = _smudge(params, policy.source.lfs, Path(scratch), context)
    if time < 0:
        raise BadInputError(f"the commit {commit} is dated before 1970", solution="commit again with a right clock")
    refuse_links_out(params.source)
    model = load_model(params.source)
    _refuse_missing(params.source, model)
    require_agreement(model, policy)
    minimum = model.model.minimum_accuracy
    results = Results(
        commit=commit,
        commit_time=str(time),
        repository_url=url,
        chains_git_commit=commit,
        chains_git_url=url,
        source_digest=sha256_tree(params.source),
        policy_digest=pinned,
        model_name=model.metadata.name,
        model_version=model.metadata.version,
        minimum_accuracy="" if minimum is None else repr(minimum),
        independent_data="fetched" if is_remote(policy.data.independent.path) else "given",
    )
    return Outcome(report=_report(results, model, submodules, objects), results=results)


def _require_consent(params: Params, rules: Lfs, policy_digest: str) -> None:
    """Whoever starts a run binds policy and credential: a policy of theirs could name a server of theirs.

    Raises:
        BadInputError: the credential is for other policies, or would be sent to a server that this one names.
    """
    if require_accepted(params.credential, policy_digest, "the git credential") or params.credential is None:
        return
    key = (params.credential / "ssh-privatekey").is_file()  # which git-lfs sends to nobody by HTTP
    if not key and rules.server is not None and _origin(rules.server) != _origin(params.repository_url):
        raise BadInputError(
            f"the policy names another server for Git LFS, {_origin(rules.server)}, and the git credential has no "
            f"{POLICIES} that say whether it may be sent there",
            solution=f"have the credential's owner put {policy_digest} into {POLICIES} beside it",
        )


def _origin(url: str) -> str:
    """Scheme and host, as a credential is sent to them."""
    parts = urlsplit(check_url(url))
    return f"{parts.scheme}://{parts.netloc}"


def _smudge(params: Params, rules: Lfs, scratch: Path, context: Context) -> int:
    """Put the objects in the place of the tree's Git LFS pointers, and return how many there were."""
    pointers = {
        path.relative_to(params.source).as_posix(): path
        for path in sorted(params.source.rglob("*"))
        if path.is_file() and not path.is_symlink() and lfs.is_pointer(path)
    }
    if pointers:
        context.say(f"fetching {len(pointers)} objects of Git LFS")
        objects = lfs.resolve(
            pointers,
            scratch,
            credential=params.credential,
            budget=Budget(rules.maximum_bytes),
            seconds=rules.timeout,
            what="the repository's Git LFS objects",
            repository=Repository(store=scratch / "none", remote=params.repository_url, server=rules.server or ""),
        )
        for name, path in pointers.items():
            with atomic_path(path) as target:
                # Two pointers may name the same object.
                shutil.copyfile(objects[name], target)
                target.chmod(path.stat().st_mode)
    return len(pointers)


def refuse_links_out(root: Path) -> None:
    """Raise BadInputError if a link in the tree leads out of it, or around in a circle."""
    top = os.path.realpath(root)
    for folder, folders, files in os.walk(root):
        for entry in (Path(folder) / name for name in (*folders, *files)):
            if not entry.is_symlink():
                continue
            name, target = entry.relative_to(root), entry.readlink()
            if target.is_absolute() or os.path.commonpath([top, os.path.realpath(entry)]) != top:
                raise BadInputError(
                    f"{name} is a link to {target}, which leads out of the repository",
                    solution="replace the link by a file, or let it lead to a path inside",
                )


def _empty(source: Path, history: Path) -> None:
    """Both folders empty, if they are new or this command filled them: never somebody's own work."""
    ours = (history / MARK).is_file()
    for folder in (source, history):
        folder.mkdir(parents=True, exist_ok=True)
        if not ours and _entries(folder):
            raise BadInputError(f"{folder} is not empty", solution="give a new folder for each run")
    (history / MARK).touch()
    for entry in [*_entries(source), *(found for found in _entries(history) if found.name != MARK)]:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _entries(folder: Path) -> list[Path]:
    """What a folder holds; `lost+found` belongs to a volume's file system."""
    return [entry for entry in folder.iterdir() if entry.name != "lost+found"]


def _refuse_missing(source: Path, model: Model) -> None:
    find(source, model.data.training, f"hallmark.yaml: data.training: {model.data.training}")
    named = {"training.script": model.training.script}
    if builder(source, model) == "containerfile":
        named["image.containerfile"] = containerfile(model)
    for key, relative in named.items():
        if not (source / relative).is_file():
            raise BadInputError(
                f"hallmark.yaml names {relative} as {key}, but the commit has no such file",
                solution="commit the file, or correct the path",
            )


def _refused(checks: list[Check]) -> GateReport:
    return decide(
        "fetch-source",
        checks,
        passed="",
        refused=f"{checks[0].value} is no repository of this model",
        solution="start the run with one of source.repositories in policy.yaml, or ask the validators to add it",
    )


def _report(results: Results, model: Model, submodules: list[str], objects: int) -> GateReport:
    checks = [
        Check(name="revision", passed=True, value=f"{results.commit}"),
        Check(name="model", passed=True, value=f"{results.model_name} {results.model_version}"),
        Check(name="policy", passed=True, value=f"{results.policy_digest}"),
    ]
    if objects:
        checks.append(Check(name="Git LFS", passed=True, value=f"{objects} objects in the place of their pointers"))
    if submodules:
        checks.append(Check(name="submodules", passed=True, value=f"not followed: {', '.join(submodules[:10])}"))
    return GateReport(
        command="fetch-source",
        status="passed",
        summary=f"{results.repository_url} at {results.commit}",
        checks=tuple(checks),
        figures={"card": model.card.model_dump(by_alias=True, exclude_none=True)},
        digests={"source": f"{results.source_digest}", "policy": f"{results.policy_digest}"},
    )
