"""The packages of an image, as advisories and a bill of materials name them."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name

from hallmark.code_gate.licences import Licensed, list_of
from hallmark.code_gate.locks import Locked
from hallmark.documents.rules_code import Licences
from hallmark.errors import BadInputError
from hallmark.image_scan.filesystem import Entry, FileSystem
from hallmark.tools.syft import Artifact

KINDS = {
    "alpm": "alpm",
    "apk": "apk",
    "deb": "deb",
    "dotnet": "nuget",
    "gem": "gem",
    "go-module": "golang",
    "java-archive": "maven",
    "npm": "npm",
    "php-composer": "composer",
    "python": "pypi",
    "R-package": "cran",
    "rpm": "rpm",
    "rust-crate": "cargo",
}
"""syft's words for what Package URLs call a type; others are kept as they are."""
OF_SYSTEMS = ("alpm", "apk", "deb", "rpm")
"""Kinds of packages of which an operating system is made."""
PYTHON = "pypi"

STATUS = "var/lib/dpkg/status"
LISTS = (".dist-info/RECORD", ".md5sums", ".list", ".shlibs", ".symbols", ".templates")
"""What installers write about a package: names, digests and questions, which are the same for everybody."""
MAXIMUM_DATABASE = 256 << 20
MAXIMUM_METADATA = 4 << 20
"""Bytes of one METADATA file that are read."""


@dataclass(frozen=True, kw_only=True, order=True)
class Package:
    """One package in one place."""

    kind: str
    """The type of its Package URL: deb, rpm, apk, pypi, npm, ..."""
    name: str
    version: str
    """With its epoch, where there is one."""
    place: str
    """The file that says so."""
    purl: str = ""
    source: str = ""
    """The source package that it was built from; advisories of Debian and Alpine speak of these."""
    source_version: str = ""
    licences: tuple[str, ...] = ()
    """One SPDX expression, or the words of whoever packed it."""

    @property
    def text(self) -> str:
        return f"{self.name} {self.version}"


def wanted(path: str) -> bool:
    """Whether a file is kept for syft even if it is no text: databases of packages, and archives that are packages."""
    return path.startswith(DATABASES) or path.endswith((".jar", ".war", ".ear"))


DATABASES = (
    "var/lib/dpkg/",
    "var/lib/rpm/",
    "usr/lib/sysimage/rpm/",
    "usr/share/rpm/",
    "lib/apk/db/",
    "usr/lib/apk/db/",
)


OF_SYSTEM = re.compile(
    r"(etc|usr/lib)/os-release|var/lib/dpkg/(status(\.d/.+)?|info/.+\.md5sums)|(usr/)?lib/apk/db/installed"
    r"|(var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)/(rpmdb\.sqlite(-wal)?|Packages(\.db)?)"
)
"""Where distributions say which they are, and which packages they are made of; not what only locks, logs or indexes."""


def tells_of_system(path: str) -> bool:
    """Whether an image tells by this file which operating system it has, or which packages of it.

    >>> [tells_of_system(path) for path in ("var/lib/dpkg/status", "var/lib/dpkg/status-old", "etc/os-release")]
    [True, False, True]
    """
    return OF_SYSTEM.fullmatch(path) is not None


def relevant(files: FileSystem) -> dict[str, Entry]:
    """The files that tell of packages, by path: all that syft's cataloguers look at.

    Raises:
        BadInputError: one of them is larger than any database of packages.
    """
    found = {
        path: entry
        for path, entry in files.root.items()
        if entry.content is not None and (not entry.text or _tells(path))
    }
    for path, entry in found.items():
        if entry.size > MAXIMUM_DATABASE:
            raise BadInputError(
                f"{path[:200]} in the image has {entry.size} bytes, more than a file that tells of packages may have",
                solution="build the image without it",
            )
    return found


def _tells(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return (
        path.startswith((*DATABASES, "etc/", "usr/lib/os-release", "var/lib/pacman/"))
        or folder.endswith((".dist-info", ".egg-info"))
        or name.endswith((".egg-info", ".gemspec", ".deps.json"))
        or name in ("package.json", "installed.json", "DESCRIPTION", "copyright")
    )


def packages(artifacts: Iterable[Artifact], rules: Licences, tree: Path) -> list[Package]:
    """The packages, sorted. The licences of Python's distributions are read from their metadata below `tree`.

    Raises:
        BadInputError: the policy names a licence that SPDX does not have.
    """
    gone = _removed(tree / STATUS)
    found = [_package(one) for one in artifacts if (one.place, one.name, one.version) not in gone]
    own = _metadata(found, tree)
    told = {
        (one.package.name, one.package.version): one.licence
        for one in list_of((_locked(p) for p in found if p.kind == PYTHON), rules, own, where="scan.licences")
    }
    return sorted(_licensed(package, told) for package in found)


def _removed(status: Path) -> set[tuple[str, str, str]]:
    """Place, name and version of packages that dpkg removed, of which it still knows the configuration; syft does not
    tell them from those that are there."""
    if not status.is_file():
        return set()
    found = set()
    for stanza in re.split(r"\n\s*\n", status.read_text(encoding="utf-8", errors="replace")):
        fields = dict(line.partition(": ")[::2] for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if not fields.get("Status", " installed").endswith(" installed"):
            found.add((STATUS, fields.get("Package", ""), fields.get("Version", "")))
    return found


def _licensed(package: Package, told: Mapping[tuple[str, str], str]) -> Package:
    if package.kind != PYTHON:
        return package
    licence = told[(canonicalize_name(package.name), package.version)]
    return replace(package, licences=(licence,) if licence else ())


def is_python(package: Package) -> bool:
    """Whether it is a distribution of Python."""
    return package.kind == PYTHON


def licensed(package: Package) -> Licensed:
    """A package as the gate of the code names it, with its licence."""
    return Licensed(package=_locked(package), licence=package.licences[0] if package.licences else "")


def _locked(package: Package) -> Locked:
    return Locked(name=canonicalize_name(package.name), version=package.version, file=package.place, line=1)


def _package(artifact: Artifact) -> Package:
    kind = KINDS.get(artifact.type, artifact.type)
    told = artifact.metadata
    source, source_version = "", ""
    if kind == "deb":
        source = str(told.get("source") or artifact.name)
        source_version = str(told.get("sourceVersion") or artifact.version)
    elif kind == "apk":
        source, source_version = str(told.get("originPackage") or artifact.name), artifact.version
    return Package(
        kind=kind,
        name=artifact.name,
        version=artifact.version,
        place=artifact.place,
        purl=artifact.purl,
        source=source,
        source_version=source_version,
        licences=artifact.licences,
    )


def _metadata(found: Iterable[Package], tree: Path) -> Callable[[str], Mapping[str, list[str]] | None]:
    places = {canonicalize_name(package.name): package.place for package in found if package.kind == PYTHON}

    def fields(name: str) -> Mapping[str, list[str]] | None:
        place = places.get(canonicalize_name(name), "")
        file = tree / place
        if not place or ".." in Path(place).parts or not file.is_file() or file.stat().st_size > MAXIMUM_METADATA:
            return None
        message = BytesHeaderParser().parsebytes(file.read_bytes())
        wanted = ("Version", "License-Expression", "License", "Classifier")
        return {field: [str(value) for value in message.get_all(field) or []] for field in wanted}

    return fields


def listed_digests(files: FileSystem) -> set[str]:
    """SHA-256 and MD5 digests, hexadecimal, of the files that installed packages list as theirs.

    dpkg lists MD5 (`info/*.md5sums`, and of configuration in `status`), Python's distributions SHA-256 (RECORD, PEP
    376 and 627). They only say what needs no second look for secrets: what everybody has from the same package.
    """
    found: set[str] = set()
    for path, entry in files.root.items():
        if entry.content is None:
            continue
        if path.endswith(LISTS[:1]) or (path.startswith("var/lib/dpkg/info/") and path.endswith(LISTS)):
            found.add(entry.sha256)
        if path.startswith("var/lib/dpkg/") and (path.endswith(".md5sums") or _split_name(path) == "status"):
            words = entry.content.read_text(encoding="utf-8", errors="replace").split()
            found.update(word for word in words if len(word) == 32)
        elif path.endswith(".dist-info/RECORD"):
            found.update(_recorded(path, entry.content))
    return found


def _split_name(path: str) -> str:
    return path.rpartition("/")[2]


def _recorded(path: str, record: Path) -> set[str]:
    text = record.read_text(encoding="utf-8", errors="replace")
    found = set()
    try:
        for row in csv.reader(io.StringIO(text)):
            kind, _, value = row[1].partition("=") if len(row) > 1 else ("", "", "")
            if kind == "sha256":
                found.add(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex())
    except (csv.Error, ValueError) as error:
        raise BadInputError(
            f"{path} in the image is no RECORD of a Python distribution ({error})",
            solution="install the distribution anew, with pip or another installer that follows PEP 627",
        ) from error
    return found
