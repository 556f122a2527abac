"""A minimal Debian or Ubuntu as a tar file, from the package sources that this machine uses itself."""

from __future__ import annotations

import os
import platform
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hallmark.errors import BadInputError
from hallmark.process import run
from laptop import packages
from laptop.errors import LaptopError

OLDEST_PYTHON, NEWEST_PYTHON = 11, 14
"""Minor versions of Python 3 that requirements.lock is made for."""

POCKETS = ("", "-updates", "-security")
"""The parts of a release that belong to it; backports do not."""

KEYRINGS = {
    "Debian": Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    "Ubuntu": Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
}
LEFT_OUT = ["/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/doc/*"]
KEPT = ["/usr/share/doc/*/copyright"]
MERGED_USR = Path("/usr/share/mmdebstrap/hooks/maybe-merged-usr")
"""mmdebstrap's own way to a root whose /bin is a link, for the releases that want that. Without it, a package named
usrmerge comes to make the links, and brings 50 MB of Perl. An older mmdebstrap does not have it."""

FORWARDED = re.compile(r"Acquire::(https?::(Proxy|CaInfo|Verify-Peer)|Check-Valid-Until|Check-Date)\b")
"""The settings of this machine's apt that decide whether its sources can be reached and read."""

FIELDS = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A distribution's release, such as `bookworm`, and the machine's architecture, such as `amd64`."""

    codename: str
    architecture: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source of packages, as apt knows it from this machine's lists."""

    origin: str
    uri: str
    suite: str
    component: str

    def line(self) -> str:
        """One line of sources.list(5), with the keyring that must have signed the index."""
        keyring = KEYRINGS.get(self.origin)
        signed = f"[signed-by={keyring}] " if keyring and keyring.exists() else ""
        return f"deb {signed}{self.uri} {self.suite} {self.component}"


@dataclass(frozen=True, kw_only=True)
class Python:
    """The distribution's Python: its package and its version, such as `3.11.2`."""

    package: str
    full_version: str

    @property
    def version(self) -> str:
        """Major and minor version, as in the names of its folders."""
        return ".".join(self.full_version.split(".")[:2])


def this_release() -> Release:
    """The release of this machine, which the image gets too.

    Raises:
        BadInputError: it is neither Debian nor Ubuntu.
    """
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    if not codename or not Path("/usr/bin/dpkg").exists():
        raise BadInputError(
            "a base image is made on Debian and Ubuntu only", solution="set BASE_IMAGE to an image that you have"
        )
    architecture = run(["dpkg", "--print-architecture"], timeout=60).stdout.strip()
    return Release(codename=codename, architecture=architecture)


def sources(release: Release) -> list[Source]:
    """This machine's own sources of the release's packages; third parties' are left out.

    Raises:
        BadInputError: apt has no lists, and this user cannot fetch them.
        LaptopError: it has none for this release even so.
    """
    found = parse_sources(_index_targets(), release)
    if not found:
        packages.update("apt has no package lists")
        found = parse_sources(_index_targets(), release)
    if not found:
        raise LaptopError(
            f"apt knows no source of {release.codename}", solution="see /etc/apt, or set BASE_IMAGE to an image"
        )
    return found


def parse_sources(lines: Iterable[str], release: Release) -> list[Source]:
    """The sources among `apt-get indextargets` lines in the form of :data:`FIELDS`, without repetition."""
    codenames = {release.codename + pocket for pocket in POCKETS}
    found: dict[Source, None] = {}
    for line in lines:
        origin, codename, uri, suite, component = line.split("|")
        if origin in KEYRINGS and codename in codenames and not suite.endswith("-backports"):
            found[Source(origin=origin, uri=uri, suite=suite, component=component)] = None
    return list(found)


def python_of_release() -> Python:
    """The distribution's default Python, or the newest one it has if that is too old.

    Raises:
        BadInputError: it has none that requirements.lock is made for.
    """
    for package in ["python3", *[f"python3.{minor}" for minor in range(NEWEST_PYTHON, OLDEST_PYTHON - 1, -1)]]:
        found = re.search(r"^Version: (3\.(\d+)\.\d+)", _package_record(package), re.MULTILINE)
        if found and OLDEST_PYTHON <= int(found[2]) <= NEWEST_PYTHON:
            return Python(package=package, full_version=found[1])
    raise BadInputError(
        f"this distribution has no Python from 3.{OLDEST_PYTHON} to 3.{NEWEST_PYTHON}",
        solution="set BASE_IMAGE to an image that has one",
    )


def make(
    target: Path,
    release: Release,
    origins: Sequence[Source],
    wanted: Sequence[str],
    *,
    epoch: int,
    more: Mapping[Path, Sequence[str]] | None = None,
) -> None:
    """Write the root file system of `release` with the packages `wanted` to the tar file `target`.

    An ordinary user needs subordinate IDs (subuid(5)) for this.

    Args:
        epoch: seconds since 1970; no file is younger, so that the same packages give the same bytes.
        more: existing folder -> packages that are not installed, but laid there as files (.deb) with everything that
            they need beside `wanted`, for images on top of this one.

    Raises:
        ToolFailedError: mmdebstrap failed, for instance because a source did not answer.
    """
    argv = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(wanted)}"]
    argv += [f"--hook-directory={MERGED_USR}"] if MERGED_USR.is_dir() else []
    # Only root could make devices, and no container engine needs them: without, root and others get the same bytes.
    argv += ["--skip=output/dev"]
    argv += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    argv += [f"--dpkgopt=path-include={path}" for path in KEPT]
    argv += [f"--aptopt={setting}" for setting in _apt_settings()]
    for folder, names in (more or {}).items():
        argv += [f"--customize-hook={hook}" for hook in _download_hooks(folder, names)]
    run(
        [*argv, f"--architectures={release.architecture}", release.codename, str(target), "-"],
        stdin="".join(f"{source.line()}\n" for source in origins),
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        timeout=1800,
    )


def _download_hooks(folder: Path, names: Sequence[str]) -> list[str]:
    """How mmdebstrap, which reads hooks as a shell does, has the new root's own apt settings fetch packages."""
    inner = "/packages"
    options = f'-o Dir::Cache::Archives="$1{inner}/" -o APT::Sandbox::User=root -o Debug::NoLocking=1'
    install = f"apt-get -qq --yes --download-only {options} install {shlex.join(names)}"
    fetch = f'mkdir "$1{inner}"; APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" {install} >&2; rm -r "$1{inner}/partial"'
    # `sync-out` is mmdebstrap's own: the only way out of an ordinary user's namespace.
    return [f"set -e; {fetch}", f"sync-out {inner} {shlex.quote(str(folder))}", f'rm -r "$1{inner}"']


def _index_targets() -> list[str]:
    argv = ["apt-get", "indextargets", "--format", FIELDS, "Created-By: Packages"]
    return run(argv, timeout=120).stdout.splitlines()


def _package_record(package: str) -> str:
    """What apt knows of the newest version of a package; empty if there is no such package."""
    return run(["apt-cache", "show", "--no-all-versions", package], accept=None, timeout=120).stdout


def _apt_settings() -> list[str]:
    lines = run(["apt-config", "dump"], timeout=120).stdout.splitlines()
    return [line for line in lines if FORWARDED.match(line)]
