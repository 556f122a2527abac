"""Which advisories meet an image's packages, and which of them the policy refuses."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from hallmark.code_gate import advisories
from hallmark.code_gate.advisories import Advisory
from hallmark.code_gate.cvss import Severity
from hallmark.documents.rules_code import Ignored
from hallmark.documents.rules_scan import ScanVulnerabilities
from hallmark.errors import BadInputError
from hallmark.image_scan import osv
from hallmark.image_scan.osv import Database, Ecosystem
from hallmark.image_scan.packages import Package
from hallmark.reporting.sarif import Finding
from hallmark.tools.syft import Distribution

TOOL = "vulnerabilities"
ORDER: tuple[Severity, ...] = ("low", "medium", "high", "critical")
MAXIMUM_PACKAGES = 100_000


@dataclass(frozen=True, kw_only=True)
class Vulnerability:
    """What the database knows of one package, its advisories that are aliases of each other taken as one."""

    id: str
    aliases: tuple[str, ...]
    package: Package
    severity: Severity | None
    """None: nobody gives one that is understood."""
    fixed: tuple[str, ...]
    summary: str
    status: str
    """`refused`, or why it does not count: `ignored`, `below severity`, `not fixed`."""
    reason: str = ""
    """Of the policy, where it is ignored."""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "aliases": list(self.aliases),
            "package": {"name": self.package.name, "version": self.package.version, "purl": self.package.purl},
            "severity": self.severity or "unknown",
            "fixed": list(self.fixed),
            "summary": self.summary,
            "status": self.status,
            "reason": self.reason,
        }

    def as_finding(self) -> Finding:
        rated = f"{self.severity} severity" if self.severity else "severity unknown"
        cure = f"fixed in {', '.join(self.fixed[:4])}" if self.fixed else "no fixed version is known"
        also = f" ({', '.join(self.aliases[:4])})" if self.aliases else ""
        return Finding(
            tool=TOOL,
            rule=self.id,
            file=self.package.place or "image",
            line=1,
            message=f"{self.package.text}: {self.summary or 'it says no more'}{also}; {rated}; {cure}"[:400],
            help=f"https://osv.dev/vulnerability/{self.id}",
        )


@dataclass(frozen=True, kw_only=True)
class Known:
    """The answer for a whole image."""

    vulnerabilities: tuple[Vulnerability, ...]
    database: Database
    looked_up: Mapping[str, int]
    """Packages by the ecosystem that they were looked up in."""
    left_out: Mapping[str, int]
    """Packages by kind, of those that the policy leaves out."""
    notes: tuple[str, ...]
    """Exceptions of the policy that expired, or met nothing."""

    @property
    def refused(self) -> list[Vulnerability]:
        return [one for one in self.vulnerabilities if one.status == "refused"]

    @property
    def newest(self) -> datetime.date:
        """Of the ecosystem whose database is the oldest."""
        return min(self.database.newest.values())

    def counts(self) -> dict[str, int]:
        """How many there are by status."""
        return dict(sorted(Counter(one.status for one in self.vulnerabilities).items()))


def look_up(
    found: Sequence[Package],
    distribution: Distribution,
    path: Path,
    rules: ScanVulnerabilities,
    *,
    today: datetime.date,
) -> Known:
    """Look the packages up in the databases at `path`.

    Raises:
        BadInputError: the database cannot be used, is too old, or has nothing of a kind of package that is there.
    """
    wanted: dict[Ecosystem, set[str]] = {}
    subjects: list[tuple[Package, Ecosystem, str, str]] = []
    left_out: Counter[str] = Counter()
    if len(found) > MAXIMUM_PACKAGES:
        raise BadInputError(
            f"the image has {len(found)} packages, more than the {MAXIMUM_PACKAGES} that are looked up",
            solution="build the image with fewer packages",
        )
    for package in found:
        if package.kind in rules.leave_out:
            left_out[package.kind] += 1
            continue
        of = osv.ecosystem(package, distribution)
        if of is None:
            raise _unknown(package, distribution)
        name, version = osv.subject(package, of)
        wanted.setdefault(of, set()).add(name)
        subjects.append((package, of, name, version))
    if not subjects:
        raise BadInputError(
            "no package of the image could be looked up, so nothing would be known of it",
            solution="name fewer kinds in scan.vulnerabilities.leaveOut, or switch scan.vulnerabilities off",
        )
    database = osv.load(path, wanted)
    _require_fresh(database, rules, today)
    used: set[int] = set()
    known: list[Vulnerability] = []
    for package, of, name, version in subjects:
        met = [one for one in database.advisories.get((of.name, name), ()) if osv.affects(one, package.kind, version)]
        known += [_judged(package, group, database, rules, used, today) for group in advisories._same(met)]
    notes = [
        f"{rule.id} expired on {rule.expires}" if rule.expires < today else f"{rule.id} met nothing"
        for index, rule in enumerate(rules.ignore)
        if index not in used
    ]
    return Known(
        vulnerabilities=tuple(sorted(known, key=lambda one: (one.package, one.id))),
        database=database,
        looked_up=dict(sorted(Counter(of.name for _, of, _, _ in subjects).items())),
        left_out=dict(sorted(left_out.items())),
        notes=tuple(notes),
    )


def merged(parts: Mapping[str, Known]) -> Known:
    """What is known of several images by their platforms, each vulnerability once."""
    first = next(iter(parts.values()))
    if len(parts) == 1:
        return first
    looked_up, left_out = Counter[str](), Counter[str]()
    for one in parts.values():
        looked_up.update(one.looked_up)
        left_out.update(one.left_out)
    return Known(
        vulnerabilities=tuple(dict.fromkeys(found for one in parts.values() for found in one.vulnerabilities)),
        database=replace(
            first.database,
            total={name: total for one in parts.values() for name, total in one.database.total.items()},
            newest={name: day for one in parts.values() for name, day in one.database.newest.items()},
            files={name: digest for one in parts.values() for name, digest in one.database.files.items()},
        ),
        looked_up=dict(sorted(looked_up.items())),
        left_out=dict(sorted(left_out.items())),
        notes=tuple(note for note in first.notes if all(note in one.notes for one in parts.values())),
    )


def predicate(parts: Mapping[str, Known], *, scanner: Mapping[str, str], started: str, finished: str) -> dict[str, Any]:
    """What is known, as the predicate of cosign's attestation of vulnerabilities.

    Source: sigstore/cosign, specs/COSIGN_VULN_ATTESTATION_SPEC.md.

    Args:
        parts: of each image of a list, by platform; of a single image its own, under any name.
    """
    known = merged(parts)
    single = {} if len(parts) > 1 else _of_image(known)
    listed = {"platforms": {name: _of_image(one) for name, one in parts.items()}} if len(parts) > 1 else {}
    return {
        "invocation": {"parameters": [], "uri": "", "event_id": "", "builder.id": ""},
        "scanner": {
            "uri": scanner["uri"],
            "version": scanner["version"],
            "db": {
                "uri": "https://osv.dev",
                "version": known.database.digest,
                "lastUpdate": f"{known.newest.isoformat()}T00:00:00Z",
            },
            "result": {
                "databases": [
                    {"ecosystem": name, "entries": total, "newest": known.database.newest[name].isoformat()}
                    for name, total in sorted(known.database.total.items())
                ],
                "files": dict(known.database.files),
                **single,
                **listed,
            },
        },
        "metadata": {"scanStartedOn": started, "scanFinishedOn": finished},
    }


def _of_image(known: Known) -> dict[str, Any]:
    return {
        "counts": known.counts(),
        "packages": dict(known.looked_up),
        "leftOut": dict(known.left_out),
        "vulnerabilities": [one.as_json() for one in known.vulnerabilities],
    }


def _judged(
    package: Package,
    group: Sequence[Advisory],
    database: Database,
    rules: ScanVulnerabilities,
    used: set[int],
    today: datetime.date,
) -> Vulnerability:
    names = frozenset().union(*({one.id, *one.aliases} for one in group))
    severity = advisories._worst(group)
    if severity is None and any(one.id in database.unimportant for one in group):
        severity = "low"
    fixed = tuple(sorted({text for one in group for text in osv.fixed_in(one)}))
    index = _exception(names, package, rules.ignore, today)
    status, reason = "refused", ""
    if index is not None:
        used.add(index)
        status, reason = "ignored", f"until {rules.ignore[index].expires}: {rules.ignore[index].reason}"
    elif severity is not None and ORDER.index(severity) < ORDER.index(rules.severity):
        status = "below severity"
    elif rules.fixed_only and not fixed:
        status = "not fixed"
    return Vulnerability(
        id=group[0].id,
        aliases=tuple(sorted(names - {group[0].id})),
        package=package,
        severity=severity,
        fixed=fixed,
        summary=next((one.summary for one in group if one.summary), ""),
        status=status,
        reason=reason,
    )


def _exception(names: frozenset[str], package: Package, ignore: Iterable[Ignored], today: datetime.date) -> int | None:
    own = {package.name, package.source, canonicalize_name(package.name)}
    for index, rule in enumerate(ignore):
        if rule.id in names and (not rule.package or rule.package in own) and today <= rule.expires:
            return index
    return None


def _require_fresh(database: Database, rules: ScanVulnerabilities, today: datetime.date) -> None:
    """Each ecosystem by itself: a fresh database of one says nothing of another's."""
    for name, newest in sorted(database.newest.items()):
        age = (today - newest).days
        if age > rules.maximum_age_days:
            raise BadInputError(
                f"the advisory database of {name} is of {newest}, {age} days old; "
                f"the policy's scan.vulnerabilities.maximumAgeDays is {rules.maximum_age_days}",
                solution=f"provide a newer copy of OSV's database of {name}",
            )
        if age < -1:
            raise BadInputError(
                f"the advisory database of {name} is of {newest}, which is to come",
                solution="correct this machine's clock",
            )


def _unknown(package: Package, distribution: Distribution) -> BadInputError:
    of = f"{distribution.id} {distribution.version}".strip() or "an unknown distribution"
    return BadInputError(
        f"nothing can be looked up of {package.text}, a package of the kind {package.kind} ({package.place}; {of})",
        solution="build on a distribution that OSV knows by its /etc/os-release, or let the policy's owner name "
        f"{package.kind} in scan.vulnerabilities.leaveOut",
    )
