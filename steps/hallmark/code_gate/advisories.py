"""Known vulnerabilities of pinned packages, from a copy of OSV's database: nothing is asked over a network.

The format, and when a version is affected: https://ossf.github.io/osv-schema/ (evaluation of `affected`). OSV
publishes the ecosystem PyPI as one zip of JSON files, which also holds known malware.
"""

from __future__ import annotations

import datetime
import functools
import json
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from hallmark import zips
from hallmark.code_gate.cvss import Severity, base_score, severity_of
from hallmark.code_gate.locks import Locked
from hallmark.documents.rules_code import Ignored, Vulnerabilities
from hallmark.errors import BadInputError
from hallmark.files import sha256_file, sha256_mounted
from hallmark.reporting.sarif import Finding, Level

TOOL = "advisories"
ECOSYSTEM = "PyPI"
MAXIMUM_BYTES = 2 << 20
"""A larger advisory is no advisory."""
MAXIMUM_ADVISORIES = 500_000

_ORDER: tuple[Severity, ...] = ("low", "medium", "high", "critical")
_WORDS: Mapping[str, Severity] = {
    "LOW": "low",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "HIGH": "high",
    "CRITICAL": "critical",
}
_LEVELS: Mapping[str, Level] = {"low": "note", "medium": "warning"}


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """What one file of the database says of one package."""

    id: str
    aliases: frozenset[str]
    package: str
    summary: str
    severity: Severity | None
    """None: it gives none that is understood."""
    versions: frozenset[str]
    ranges: tuple[tuple[Mapping[str, str], ...], ...]
    """The events of each range of type ECOSYSTEM."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """The advisories that are wanted by the package's normal name; `total`: how many there are of PyPI."""

    advisories: Mapping[str, Sequence[Advisory]]
    total: int
    newest: datetime.date
    """When the latest of them was changed: the database is not younger."""
    digest: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the packages that were looked up."""

    findings: tuple[Finding, ...]
    ignored: tuple[str, ...] = ()
    """Advisories that met a package and did not count: `GHSA-... of numpy until 2027-01-01`."""
    below: int = 0
    """How many met a package and are below the severity that counts."""
    notes: tuple[str, ...] = ()
    """Exceptions of the policy that expired, or met nothing."""


def load(path: Path, packages: Collection[str] | None = None) -> Database:
    """The database in a folder, or a zip file, of JSON files.

    Args:
        packages: the normal names whose advisories are wanted; None: all. Every file is read in any case.

    Raises:
        BadInputError: it is missing, holds a broken or foreign file, or no advisory of PyPI.
    """
    advisories: dict[str, list[Advisory]] = {}
    total, newest = 0, datetime.date.min
    wanted = None if packages is None else frozenset(packages)
    for name, data in _files(path):
        try:
            entry = json.loads(data)
            modified = datetime.datetime.fromisoformat(entry["modified"]).date()
            affected = _affected(entry)
            found = [_advisory(entry, part) for part in affected if wanted is None or _name(part) in wanted]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _broken(path, f"{name} is no advisory in OSV's format ({type(error).__name__}: {error})") from error
        if affected:
            total, newest = total + 1, max(newest, modified)
        for advisory in found:
            advisories.setdefault(advisory.package, []).append(advisory)
    if not total:
        raise _broken(path, f"it has no advisory of {ECOSYSTEM}")
    digest = sha256_mounted(path) if path.is_dir() else sha256_file(path)
    return Database(advisories=advisories, total=total, newest=newest, digest=digest)


def require_fresh(database: Database, rules: Vulnerabilities, today: datetime.date) -> None:
    """Raise BadInputError if the database is older than the policy allows, or from the future."""
    age = (today - database.newest).days
    if age > rules.maximum_age_days:
        raise BadInputError(
            f"the advisory database is of {database.newest}, {age} days old; "
            f"the policy's code.vulnerabilities.maximumAgeDays is {rules.maximum_age_days}",
            solution="provide a newer copy of OSV's database of PyPI",
        )
    if age < -1:
        raise BadInputError(
            f"the advisory database is of {database.newest}, which is to come", solution="correct this machine's clock"
        )


def look_up(packages: Iterable[Locked], database: Database, rules: Vulnerabilities, *, today: datetime.date) -> Known:
    """What the database knows of the packages. Advisories that are aliases of each other count as one.

    Raises:
        BadInputError: a version, of a package or in an advisory of it, is none by PEP 440.
    """
    findings: list[Finding] = []
    ignored: list[str] = []
    used: set[int] = set()
    below = 0
    for package in packages:
        met = [entry for entry in database.advisories.get(package.name, ()) if affects(entry, package.version)]
        for group in _same(met):
            names = frozenset().union(*({entry.id, *entry.aliases} for entry in group))
            index = _exception(names, package.name, rules.ignore, today)
            if index is not None:
                used.add(index)
                ignored.append(f"{group[0].id} of {package.name} until {rules.ignore[index].expires}")
                continue
            severity = _worst(group)
            if severity is not None and _ORDER.index(severity) < _ORDER.index(rules.severity):
                below += 1
                continue
            findings.append(_finding(package, group, severity))
    notes = [
        f"{rule.id} expired on {rule.expires}" if rule.expires < today else f"{rule.id} met nothing"
        for index, rule in enumerate(rules.ignore)
        if index not in used
    ]
    return Known(findings=tuple(findings), ignored=tuple(ignored), below=below, notes=tuple(notes))


def affects(advisory: Advisory, version: str) -> bool:
    """Whether the advisory is about this version: it is listed, or lies in a range.

    A local version such as `2.1+cu118` is a build of 2.1, and shares what is wrong with it.

    Raises:
        BadInputError: a version is none by PEP 440.
    """
    wanted = Version(_version(version, f"{advisory.package} is locked to").public)
    if any(listed == version or _listed(listed) == wanted for listed in advisory.versions):
        return True
    return any(_in_range(events, wanted, advisory) for events in advisory.ranges)


def _in_range(events: Sequence[Mapping[str, str]], wanted: Version, advisory: Advisory) -> bool:
    """OSV's algorithm: go through the events in the order of versions, and see which state holds at `wanted`."""
    where = f"{advisory.id} speaks of {advisory.package}"
    steps: list[tuple[Version, int, str]] = []
    for event in events:
        for kind, text in event.items():
            if kind == "introduced" and text == "0":
                steps.append((_FIRST, _AFTER[kind], kind))
            elif text != "*":
                steps.append((_version(text, where), _AFTER[kind], kind))
    inside = False
    for version, _, kind in sorted(steps):
        if kind == "introduced" and wanted >= version:
            inside = True
        elif (kind == "fixed" and wanted >= version) or (kind == "last_affected" and wanted > version):
            inside = False
    limits = [version for version, _, kind in steps if kind == "limit"]
    return inside and (not limits or any(wanted < limit for limit in limits))


_FIRST = Version("0.dev0")
"""What `introduced: 0` means: before every version, those that go before 0 too."""
_AFTER = {"introduced": 1, "fixed": 0, "last_affected": 2, "limit": 3}
"""Events of one version: what was fixed in it may be introduced in it again, and be in it for the last time."""


def _listed(text: str) -> Version | None:
    """A version of an enumeration; those of old releases are not all PEP 440's, and no locked one can equal them."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _version(text: str, where: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion as error:
        raise BadInputError(
            f"{where} {text}, which is no version by PEP 440", solution="correct the lock file or the database"
        ) from error


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each JSON file in the folder, in its zip files, or in the zip file `path`."""
    if path.is_dir():
        for count, file in enumerate(sorted(path.rglob("*.json"))):
            _require_few(path, count, file.stat().st_size, file.name)
            yield file.name, file.read_bytes()
        for packed in sorted(path.rglob("*.zip")):
            yield from _files(packed)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for count, info in enumerate(archive.infolist()):
                if info.filename.endswith(".json"):
                    _require_few(path, count, info.file_size, info.filename)
                    yield info.filename, archive.read(info)
    except FileNotFoundError as error:
        raise BadInputError(
            f"there is no advisory database {path.name}",
            solution="bind the workspace `advisories`, or put OSV's all.zip of PyPI beside the policy",
        ) from error
    except zips.BROKEN as error:
        raise _broken(path, f"it is neither a folder nor a zip file that can be read ({error})") from error


def _require_few(path: Path, count: int, size: int, name: str) -> None:
    if count >= MAXIMUM_ADVISORIES or size > MAXIMUM_BYTES:
        raise _broken(path, f"{name} is larger than {MAXIMUM_BYTES >> 20} MiB, or there are too many files")


def _broken(path: Path, why: str) -> BadInputError:
    return BadInputError(
        f"the advisory database {path.name} cannot be used: {why}", solution="provide OSV's database of PyPI anew"
    )


def _affected(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """What a file says of packages of PyPI; nothing where it was withdrawn."""
    parts = [] if entry.get("withdrawn") else entry.get("affected", [])
    return [part for part in parts if part.get("package", {}).get("ecosystem", "").partition(":")[0] == ECOSYSTEM]


@functools.lru_cache(maxsize=100_000)
def _normal(name: str) -> str:
    return canonicalize_name(name)


def _name(part: Mapping[str, Any]) -> str:
    return _normal(part["package"]["name"])


def _advisory(entry: Mapping[str, Any], part: Mapping[str, Any]) -> Advisory:
    ranges = [found["events"] for found in part.get("ranges", ()) if found["type"] == "ECOSYSTEM"]
    for event in (event for events in ranges for event in events):
        if not set(event) <= set(_AFTER):
            raise ValueError(f"an event of {sorted(event)}")
    return Advisory(
        id=str(entry["id"]),
        aliases=frozenset(map(str, entry.get("aliases", ()))),
        package=_name(part),
        summary=str(entry.get("summary") or entry.get("details", "")).strip().partition("\n")[0][:300],
        severity=_severity(entry, part),
        versions=frozenset(map(str, part.get("versions", ()))),
        ranges=tuple(tuple(events) for events in ranges),
    )


def _severity(entry: Mapping[str, Any], affected: Mapping[str, Any]) -> Severity | None:
    """The highest of what the advisory says; malware is critical whatever it says."""
    if str(entry["id"]).startswith("MAL-"):
        return "critical"
    told: list[Severity] = []
    for part in (entry, affected):
        word = str((part.get("database_specific") or {}).get("severity", "")).upper()
        if word in _WORDS:
            told.append(_WORDS[word])
        scores = [base_score(str(one.get("score", ""))) for one in part.get("severity") or ()]
        told += [severity_of(score) for score in scores if score is not None]
    return max(told, key=_ORDER.index, default=None)


def _same(met: Sequence[Advisory]) -> list[list[Advisory]]:
    """The advisories in groups that share an id or alias, by the first one's id."""
    groups: list[tuple[set[str], list[Advisory]]] = []
    for advisory in sorted(met, key=lambda one: one.id):
        names = {advisory.id, *advisory.aliases}
        joined = [group for group in groups if group[0] & names]
        members = [one for group in joined for one in group[1]]
        groups = [group for group in groups if group not in joined]
        groups.append((names.union(*(group[0] for group in joined)), [*members, advisory]))
    return sorted((members for _, members in groups), key=lambda members: members[0].id)


def _worst(group: Sequence[Advisory]) -> Severity | None:
    return max((entry.severity for entry in group if entry.severity), key=_ORDER.index, default=None)


def _exception(names: frozenset[str], package: str, ignore: Sequence[Ignored], today: datetime.date) -> int | None:
    for index, rule in enumerate(ignore):
        fits = rule.id in names and (not rule.package or canonicalize_name(rule.package) == package)
        if fits and today <= rule.expires:
            return index
    return None


def _finding(package: Locked, group: Sequence[Advisory], severity: Severity | None) -> Finding:
    first = group[0]
    others = sorted(frozenset().union(*({entry.id, *entry.aliases} for entry in group)) - {first.id})
    fixed = sorted(
        {text for entry in group for events in entry.ranges for event in events if (text := event.get("fixed"))}
    )
    said = next((entry.summary for entry in group if entry.summary), "it says no more")
    rated = f"{severity} severity" if severity else "severity unknown"
    cure = f"; fixed in {', '.join(fixed[:4])}" if fixed else ""
    also = f" ({', '.join(others[:4])})" if others else ""
    return Finding(
        tool=TOOL,
        rule=first.id,
        file=package.file,
        line=package.line,
        message=f"{package.name} {package.version}: {said}{also}; {rated}{cure}"[:400],
        level=_LEVELS.get(severity or "", "error"),
        help=f"https://osv.dev/vulnerability/{first.id}",
    )
