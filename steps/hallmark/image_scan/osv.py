"""Known vulnerabilities of an image's packages, from copies of OSV's databases: nothing is asked over a network.

The format, and when a version is affected: https://ossf.github.io/osv-schema/ (evaluation of `affected`). OSV publishes
each ecosystem as one zip of JSON files. Versions are compared as the ecosystem's own tools do: by PEP 440 for Python,
and by the package `univers` for all others (dpkg's, rpm's and apk's order, semantic versions, Go's and Maven's).
Debian's and Alpine's advisories speak of source packages, those of the others of what is installed.
"""

from __future__ import annotations

import datetime
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from hallmark import zips
from hallmark.code_gate import advisories
from hallmark.code_gate.advisories import MAXIMUM_ADVISORIES, Advisory
from hallmark.code_gate.databases import files
from hallmark.errors import BadInputError
from hallmark.files import sha256_file, sha256_mounted
from hallmark.image_scan.packages import PYTHON, Package
from hallmark.tools.syft import Distribution

MAXIMUM_BYTES = 16 << 20
"""A larger advisory is no advisory; those of kernels list thousands of versions."""
MAXIMUM_NAMED = 50
AFTER = advisories._AFTER

_MODIFIED = re.compile(rb'"modified"\s*:\s*"(\d{4}-\d{2}-\d{2})')
_WITHDRAWN = re.compile(rb'"withdrawn"\s*:\s*"')
_PACKAGE = re.compile(rb'"(name|ecosystem)"\s*:\s*"([^"\\]*)"')


@dataclass(frozen=True, kw_only=True)
class Ecosystem:
    """What OSV calls a distribution or registry; entries of `name` and of `name:...` belong to it."""

    name: str
    of_sources: bool = False
    """Whether its advisories speak of source packages."""

    def holds(self, other: str) -> bool:
        return other == self.name or other.startswith(f"{self.name}:")


@dataclass(frozen=True, kw_only=True)
class Database:
    """The advisories that are wanted, by ecosystem and name of a package."""

    advisories: Mapping[tuple[str, str], Sequence[Advisory]]
    newest: Mapping[str, datetime.date]
    """When the latest entry of each ecosystem was changed."""
    total: Mapping[str, int]
    digest: str
    files: Mapping[str, str] = field(default_factory=dict)
    """The digest of each zip file, by its path, if there are not very many."""
    unimportant: frozenset[str] = field(default_factory=frozenset)
    """Advisories that Debian's security team calls unimportant."""


REGISTRIES = {
    PYTHON: Ecosystem(name="PyPI"),
    "npm": Ecosystem(name="npm"),
    "golang": Ecosystem(name="Go"),
    "maven": Ecosystem(name="Maven"),
    "gem": Ecosystem(name="RubyGems"),
    "cargo": Ecosystem(name="crates.io"),
    "nuget": Ecosystem(name="NuGet"),
    "composer": Ecosystem(name="Packagist"),
}


def ecosystem(package: Package, distribution: Distribution) -> Ecosystem | None:
    """Where OSV has what is known of a package; None where it has nothing, or nobody tells which distribution it is."""
    major, minor = (*distribution.version.split("."), "", "")[:2]
    if not major or package.kind not in ("deb", "rpm", "apk"):
        return REGISTRIES.get(package.kind)
    return {
        ("deb", "debian"): Ecosystem(name=f"Debian:{major}", of_sources=True),
        ("deb", "ubuntu"): Ecosystem(name=f"Ubuntu:{major}.{minor}", of_sources=True),
        ("apk", "alpine"): Ecosystem(name=f"Alpine:v{major}.{minor}", of_sources=True),
        ("rpm", "almalinux"): Ecosystem(name=f"AlmaLinux:{major}"),
        ("rpm", "rocky"): Ecosystem(name=f"Rocky Linux:{major}"),
        ("rpm", "rhel"): Ecosystem(name=f"Red Hat:enterprise_linux:{major}"),
    }.get((package.kind, distribution.id))


def subject(package: Package, of: Ecosystem) -> tuple[str, str]:
    """The name and version of a package that an ecosystem's advisories speak of."""
    if of.of_sources:
        return package.source or package.name, package.source_version or package.version
    if package.kind == PYTHON:
        return canonicalize_name(package.name), package.version
    return package.name, package.version


def load(path: Path, wanted: Mapping[Ecosystem, set[str]]) -> Database:
    """The databases in a folder of JSON and zip files, or in one zip file.

    Every entry is looked at, but only those that name a wanted package are read in full.

    Args:
        wanted: names of packages by ecosystem.

    Raises:
        BadInputError: it is missing, holds a broken or foreign file, or nothing of a wanted ecosystem.
    """
    found: dict[tuple[str, str], list[Advisory]] = {}
    newest: dict[str, datetime.date] = {}
    total = dict.fromkeys((one.name for one in wanted), 0)
    unimportant: set[str] = set()
    for name, data in _files(path):
        try:
            told = [(kind, value.decode()) for kind, value in _PACKAGE.findall(data)]
            modified = datetime.date.fromisoformat(_MODIFIED.search(data)[1].decode())  # type: ignore[index]
            of = [one for one in wanted if any(kind == b"ecosystem" and one.holds(value) for kind, value in told)]
            if not of and told:
                continue
            entry = None
            if not told or b"\\u" in data or _named(told, of, wanted):
                entry = json.loads(data)
                unimportant |= _take(entry, wanted, found)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise broken(path, f"{name} is no advisory in OSV's format ({type(error).__name__})") from error
        for one in of:
            total[one.name] += 1
            newest[one.name] = max(newest.get(one.name, modified), modified)
    if missing := sorted(name for name, number in total.items() if not number):
        raise BadInputError(
            f"the advisory database {path.name} has nothing of {', '.join(missing)}, so nothing could be looked up",
            solution="add OSV's zip of it to the folder, or let the policy's owner name the kind of package in "
            "scan.vulnerabilities.leaveOut",
        )
    digest = sha256_mounted(path) if path.is_dir() else sha256_file(path)
    packed = [file for file in files(path) if file.suffix == ".zip"]
    named = {} if len(packed) > MAXIMUM_NAMED else {_name(path, file): sha256_file(file) for file in packed}
    return Database(
        advisories=found,
        newest=newest,
        total=total,
        digest=digest,
        files=named,
        unimportant=frozenset(unimportant),
    )


def affects(advisory: Advisory, kind: str, version: str) -> bool:
    """Whether an advisory is about a version of a package of this kind: it is listed, or lies in a range.

    Raises:
        BadInputError: a version is none in this kind's sense.
    """
    if kind == PYTHON:
        return advisories.affects(advisory, version)
    if version in advisory.versions:
        return True
    parse = _versions(kind)

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except Exception as error:  # univers raises whatever the version's own parser does
            raise BadInputError(
                f"{text!r} is no version of a package of the kind {kind} ({advisory.id} of {advisory.package})",
                solution="correct the database, or let the policy's owner ignore this advisory",
            ) from error

    here = parsed(version)
    return any(_inside(events, here, parsed) for events in advisory.ranges)


def fixed_in(advisory: Advisory) -> list[str]:
    """The versions in which it is fixed; empty where none is known."""
    return sorted({text for events in advisory.ranges for event in events if (text := event.get("fixed"))})


def broken(path: Path, why: str) -> BadInputError:
    return BadInputError(
        f"the advisory database {path.name} cannot be used: {why}", solution="provide OSV's databases anew"
    )


def _inside(events: Sequence[Mapping[str, str]], here: Any, parsed: Callable[[str], Any]) -> bool:
    """OSV's algorithm: go through the events in the order of versions, and see which state holds at `here`.

    Only whether an event lies before, at or after `here` matters, so that events are never compared with each other.
    """
    state = False
    before: list[tuple[Any, int, str]] = []
    for event in events:
        for kind, text in event.items():
            if text == "*":
                continue
            if kind == "introduced" and text == "0":
                state = True
                continue
            version = parsed(text)
            if kind == "limit":
                if not here < version:
                    return False
            elif not here < version and not (kind == "last_affected" and here == version):
                before.append((version, AFTER[kind], kind))
    latest: tuple[Any, int, str] | None = None
    for one in before:
        if latest is None or latest[0] < one[0] or (latest[0] == one[0] and latest[1] < one[1]):
            latest = one
    return state if latest is None else latest[2] == "introduced"


def _versions(kind: str) -> Callable[[str], Any]:
    from univers import versions

    classes: dict[str, Callable[[str], Any]] = {
        "deb": versions.DebianVersion,
        "rpm": versions.RpmVersion,
        "apk": versions.AlpineLinuxVersion,
        "npm": versions.SemverVersion,
        "cargo": versions.SemverVersion,
        "golang": lambda text: versions.SemverVersion(text.removeprefix("go").removeprefix("v")),
        "maven": versions.MavenVersion,
        "gem": versions.RubygemsVersion,
        "nuget": versions.NugetVersion,
        "composer": versions.ComposerVersion,
    }
    return classes[kind]


def _named(told: Sequence[tuple[bytes, str]], of: Sequence[Ecosystem], wanted: Mapping[Ecosystem, set[str]]) -> bool:
    names = {value for kind, value in told if kind == b"name"}
    normal = {canonicalize_name(name) for name in names} if any(one.name == "PyPI" for one in of) else set()
    return any(not wanted[one].isdisjoint(names | normal) for one in of)


def _take(
    entry: Mapping[str, Any],
    wanted: Mapping[Ecosystem, set[str]],
    found: dict[tuple[str, str], list[Advisory]],
) -> set[str]:
    """Add what an entry says of wanted packages; returns its id where Debian calls it unimportant."""
    unimportant: set[str] = set()
    if entry.get("withdrawn"):
        return unimportant
    for part in entry.get("affected", []):
        told = part.get("package") or {}
        for one in (one for one in wanted if one.holds(str(told.get("ecosystem", "")))):
            name = str(told["name"])
            name = canonicalize_name(name) if one.name == "PyPI" else name
            if name not in wanted[one]:
                continue
            found.setdefault((one.name, name), []).append(_advisory(entry, part, name))
            if (part.get("ecosystem_specific") or {}).get("urgency") == "unimportant":
                unimportant.add(str(entry["id"]))
    return unimportant


def _advisory(entry: Mapping[str, Any], part: Mapping[str, Any], name: str) -> Advisory:
    ranges = [one["events"] for one in part.get("ranges", ()) if one["type"] in ("ECOSYSTEM", "SEMVER")]
    for event in (event for events in ranges for event in events):
        if not set(event) <= set(AFTER):
            raise ValueError(f"an event of {sorted(event)}")
    # Debian's entries name the CVE that they are about as `upstream`, which says as much as an alias.
    also = [*entry.get("aliases", ()), *(one for one in entry.get("upstream", ()) if str(one).startswith("CVE-"))]
    return Advisory(
        id=str(entry["id"]),
        aliases=frozenset(map(str, also)),
        package=name,
        summary=str(entry.get("summary") or entry.get("details", "")).strip().partition("\n")[0][:300],
        severity=advisories._severity(dict(entry), part),
        versions=frozenset(map(str, part.get("versions", ()))),
        ranges=tuple(tuple(events) for events in ranges),
    )


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each JSON file in the folder or zip file, and in the zip files of the folder."""
    count = 0
    if not path.exists():
        raise BadInputError(
            f"there is no advisory database {path.name}",
            solution="bind the workspace `advisories`, or put OSV's zips below the policy's folder",
        )
    for file in files(path):
        for name, size, content in _entries(path, file):
            count += 1
            if count > MAXIMUM_ADVISORIES or size > MAXIMUM_BYTES:
                raise broken(path, f"{name} is larger than {MAXIMUM_BYTES >> 20} MiB, or there are too many files")
            yield name, content()


def _name(path: Path, file: Path) -> str:
    return file.relative_to(path).as_posix() if path.is_dir() else file.name


def _entries(path: Path, file: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    if file.suffix == ".json":
        yield file.name, file.stat().st_size, file.read_bytes
        return
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".json"):
                    yield f"{file.name}/{info.filename}", info.file_size, lambda info=info: archive.read(info)  # type: ignore[misc]
    except zips.BROKEN as error:
        raise broken(path, f"{file.name} is no zip file that can be read ({type(error).__name__})") from error
