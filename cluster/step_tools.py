"""What step images have beside Hallmark's code: a base with Python; Debian packages, libraries and programs on it."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.files import sha256_file, write_text
from hallmark.process import run
from laptop import base_image, cosign, gitleaks, root_filesystem, serving_packages
from laptop.base_image import EPOCH, LOCK
from laptop.console import Say
from laptop.containers import buildah, remove
from laptop.root_filesystem import Python
from laptop.setup import ROOT, TOOLS

RECIPE = ROOT / "images" / "steps"
COSIGN, GITLEAKS = "cosign", "gitleaks"
"""The programs that no base has to have: they are built from the project's pinned sources."""

PROGRAMS = {
    "steps": [GITLEAKS, "git", "ssh"],
    "build": ["buildah"],
    "delivery": [COSIGN, GITLEAKS, "git", "skopeo", "ssh"],
}
"""The step images, as Tasks name them, and the programs that their commands call."""

NAMES = tuple(PROGRAMS)
"""Each has a folder with lists in the recipe."""

BASE = "localhost/step-base"
GIVEN = "STEP_BASE_IMAGE"
"""Variable with an image to build on instead: it has Python, and brings git, skopeo and buildah itself."""

EVERYTHING, NOT = "*", "-"
TELL_MISSING = 'for name; do command -v "$name" >/dev/null || echo "$name"; done'
KNOWN_PYTHONS = [f"3.{minor}" for minor in range(root_filesystem.OLDEST_PYTHON, root_filesystem.NEWEST_PYTHON + 1)]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The images below the code, in a folder of their own; `python` as in `3.11`."""

    home: Path
    python: str

    @property
    def state(self) -> Path:
        """Buildah's folder, which has them unpacked."""
        return self.home / "state"


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What the images are made of beside the recipe. `base`: an image by its digest; empty: it is made here."""

    base: str
    cosign: Path
    gitleaks: Path

    def key(self) -> str:
        """Names them: it changes with everything but Hallmark's code."""
        release = root_filesystem.this_release() if not self.base else None
        recipe = [
            RECIPE / "base.Containerfile",
            RECIPE / "tools.Containerfile",
            *sorted(RECIPE.glob("*/*-packages.txt")),
        ]
        texts = [f"{path.relative_to(RECIPE)}\n{path.read_text()}" for path in recipe]
        programs = [sha256_file(program) for program in (self.cosign, self.gitleaks)]
        parts = [EPOCH, str(release), self.base, *programs, LOCK.read_text(), *texts]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def image(name: str) -> str:
    """The image that the code of the step image `name` is put on, as Buildah knows it."""
    return f"localhost/step-tools-{name}"


def ensure(cache: Path, say: Say, *, environment: Mapping[str, str] = os.environ) -> Tools:
    """The images below the code, made if they are not there, which takes some minutes; others are removed then.

    Args:
        cache: an existing folder that nobody else writes to meanwhile.
        environment: where :data:`GIVEN` is looked up.

    Raises:
        BadInputError: the image that is given cannot be had, or this machine is neither Debian nor Ubuntu.
        ToolFailedError: a tool failed, or a package registry did not answer.
    """
    given = environment.get(GIVEN, "")
    inputs = _Inputs(
        base=base_image.resolve(given) if given else "",
        cosign=cosign.ensure(ROOT / "tools", TOOLS / "bin", say),
        gitleaks=gitleaks.ensure(ROOT / "tools", TOOLS / "bin", say),
    )
    home = cache.resolve() / inputs.key()
    record = home / "python"
    if not record.exists():
        _make(home, inputs, say)
        remove(*(other for other in cache.iterdir() if other.is_dir() and other.resolve() != home))
    return Tools(home=home, python=record.read_text())


def build(state: Path, containerfile: Path, context: Path, tag: str, arguments: Mapping[str, str]) -> None:
    """Build an image with one layer on its base. The same inputs give the same bits."""
    pinned = ["--timestamp", str(EPOCH), "--identity-label=false", "--layers=false", "--format", "oci"]
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    offline = ["--pull-never", "--isolation", "chroot"]
    buildah(
        state, ["build", "--quiet", *offline, *pinned, *given, "--tag", tag, "--file", str(containerfile), str(context)]
    )


def _make(home: Path, inputs: _Inputs, say: Say) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=home.parent))
    try:
        tools = Tools(home=scratch, python="")
        tools.state.mkdir()
        contexts = {name: scratch / "contexts" / name for name in NAMES}
        for context in contexts.values():
            for folder in ("debian", "programs", "site-packages"):
                (context / folder).mkdir(parents=True)
        if inputs.base:
            python = _fetch_base(tools.state, inputs.base, scratch / "given.tar", say)
        else:
            python = _make_base(tools.state, scratch / "contexts", contexts, say)
        shutil.copy(inputs.cosign, contexts["delivery"] / "programs" / COSIGN)
        for name in ("delivery", "steps"):
            shutil.copy(inputs.gitleaks, contexts[name] / "programs" / GITLEAKS)
        for name, context in contexts.items():
            say(f"step image {name}: libraries")
            _install_libraries(name, python, context / "site-packages")
            arguments = {"BASE_IMAGE": BASE, "PYTHON": python.version, "PROGRAMS": " ".join(PROGRAMS[name])}
            build(tools.state, RECIPE / "tools.Containerfile", context, image(name), arguments)
        remove(scratch / "contexts", home)
        write_text(scratch / "python", python.version)
        scratch.chmod(0o755)
        scratch.rename(home)
    finally:
        remove(scratch)


def _make_base(state: Path, folder: Path, contexts: Mapping[str, Path], say: Say) -> Python:
    """Make the base from Debian's packages, and lay those of each image into the context of its build."""
    release, python = root_filesystem.this_release(), root_filesystem.python_of_release()
    say(f"step images: {release.codename} with Python {python.version} (a minute)")
    lists = {name: serving_packages.read_names(RECIPE / name / "debian-packages.txt") for name in ("base", *NAMES)}
    more = {
        context / "debian": [entry for entry in lists[name] if not entry.startswith(NOT)]
        for name, context in contexts.items()
    }
    context = folder / "base"
    context.mkdir()
    origins = root_filesystem.sources(release)
    wanted = [python.package, *lists["base"]]
    root_filesystem.make(context / "rootfs.tar", release, origins, wanted, epoch=EPOCH, more=more)
    for name in NAMES:
        for package in (contexts[name] / "debian").glob("*.deb"):
            unwanted = [entry.removeprefix(NOT) for entry in lists[name] if entry.startswith(NOT)]
            if any(fnmatch.fnmatchcase(package.name.partition("_")[0], pattern) for pattern in unwanted):
                package.unlink()
    build(state, RECIPE / "base.Containerfile", context, BASE, {"PYTHON": python.version})
    return python


def _fetch_base(state: Path, base: str, archive: Path, say: Say) -> Python:
    """Have somebody else's base, with this user's own logins, and look whether it has what is needed of it."""
    say(f"step images: on {base}")
    insecure = ["--src-tls-verify=false"] if base_image.LOOPBACK.match(base) else []
    argv = ["skopeo", "copy", "--quiet", *insecure, f"docker://{base}", f"oci-archive:{archive}:{BASE}"]
    run(argv, env=os.environ, timeout=900)
    buildah(state, ["pull", "--quiet", f"oci-archive:{archive}"])
    archive.unlink()
    container = buildah(state, ["from", "--pull-never", BASE]).stdout.strip()
    inside = ["run", "--isolation", "chroot", container, "--"]
    needed = sorted({"python3", *(name for names in PROGRAMS.values() for name in names)} - {COSIGN, GITLEAKS})
    missing = buildah(state, [*inside, "sh", "-c", TELL_MISSING, "sh", *needed]).stdout.split()
    if missing:
        raise BadInputError(
            f"{base} does not have {', '.join(missing)}",
            solution=f"install it there, or unset {GIVEN} to have a base made from Debian's packages",
        )
    asked = ["python3", "-Ic", "import platform; print(platform.python_version())"]
    version = buildah(state, [*inside, *asked]).stdout.strip()
    buildah(state, ["rm", container])
    found = Python(package="python3", full_version=version)
    if found.version not in KNOWN_PYTHONS:
        raise BadInputError(
            f"{base} has Python {version}, for which requirements.lock is not made",
            solution=f"give an image with one of {', '.join(KNOWN_PYTHONS)} as {GIVEN}, or none",
        )
    return found


def _install_libraries(name: str, python: Python, target: Path) -> None:
    lock = LOCK.read_text()
    names = serving_packages.read_names(RECIPE / name / "python-packages.txt")
    requirements = serving_packages.locked(lock, libraries(names, lock))
    chosen = serving_packages.for_python(requirements, python.full_version)
    serving_packages.install(chosen, python.version, target)


def libraries(names: Sequence[str], lock: str) -> list[str]:
    """The libraries that a list names: each by itself, or all of the lock but those with a `-` before them."""
    if EVERYTHING not in names:
        return list(names)
    unwanted = {name.removeprefix(NOT) for name in names if name.startswith(NOT)}
    return [name for name in serving_packages.every_name(lock) if name not in unwanted]
