"""The report of scan-image: what was found in an image, against what the policy asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hallmark.code_gate import licences
from hallmark.code_gate.baseline import Sorted
from hallmark.documents.rules_scan import Scan
from hallmark.gate_report import Check, GateReport, decide, failures
from hallmark.image_scan import contents, vulnerabilities
from hallmark.image_scan.packages import OF_SYSTEMS, Package
from hallmark.image_scan.vulnerabilities import Known
from hallmark.reporting.sarif import Finding
from hallmark.tools import gitleaks
from hallmark.tools.syft import Catalogue

COMMAND, SARIF = "scan-image", "scan-image.sarif"
TOOLS = (contents.FILES_TOOL, gitleaks.NAME, licences.TOOL, vulnerabilities.TOOL)
"""Whose findings a baseline may accept."""
SHOWN = 500
"""The report names no more findings, and no more vulnerabilities; all are in the files."""
LINES = 4


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What was found in an image, before the baseline is asked."""

    found: tuple[Package, ...]
    catalogue: Catalogue
    files: int
    """That a container sees."""
    findings: tuple[Finding, ...]
    """With their fingerprints, which do not depend on the other images of a list."""
    known: Known | None
    """None: the policy does not ask for vulnerabilities."""
    packaged: int
    """Texts that packages list, and in which no secrets were looked for."""
    secrets: bool
    """Whether they were looked for at all; so for `licences`."""
    licences: bool
    left_out: int
    """Files that are no texts, or too large ones."""
    base_layers: int | None
    """How many of the lowest of all `layers` are the base's; None: nobody told the base."""
    layers: int
    created: str
    """When the image was built, by its own configuration."""
    started: str


def together(parts: Mapping[str, Scanned]) -> Scanned:
    """What was found in all images of a list, by their platforms; a finding that not all have names those that do."""
    first = next(iter(parts.values()))
    if len(parts) == 1:
        return first
    where: dict[Finding, list[str]] = {}
    for name, one in parts.items():
        for finding in dict.fromkeys(one.findings):
            where.setdefault(finding, []).append(name)
    findings = [
        finding if len(names) == len(parts) else replace(finding, message=f"{finding.message} ({', '.join(names)})")
        for finding, names in where.items()
    ]
    below = [one.base_layers for one in parts.values() if one.base_layers is not None]
    known = {name: one.known for name, one in parts.items() if one.known is not None}
    return replace(
        first,
        found=tuple(dict.fromkeys(package for one in parts.values() for package in one.found)),
        files=sum(one.files for one in parts.values()),
        findings=tuple(sorted(findings)),
        known=vulnerabilities.merged(known) if known else None,
        packaged=sum(one.packaged for one in parts.values()),
        left_out=sum(one.left_out for one in parts.values()),
        base_layers=min(below) if below else None,
        layers=max(one.layers for one in parts.values()),
    )


def make_report(
    parts: Mapping[str, Scanned],
    scanned: Scanned,
    found: Sorted,
    rules: Scan,
    digests: dict[str, str],
    versions: Mapping[str, str],
) -> GateReport:
    """The gate's decision on an image, or on all of a list.

    Args:
        parts: by platform; of a single image under an empty name.
        scanned: all of them :func:`together`.

    Figures: `findings` [{tool, rule, file, line, message, fingerprint, ...}], `findings_total`, `baseline` {accepted,
    expired, unmatched}, `packages` {kind: number}, `system`, and where they were looked up `vulnerabilities` {counts,
    databases [{ecosystem, entries, newest}], files {zip file: digest}, worst [{id, package, version, severity, fixed,
    status}], notes}.
    """
    checks = [check for name, one in parts.items() for check in _package_checks(one, rules, name and f"{name}: ")]
    checks += _finding_checks(scanned, found.counting, rules)
    if rules.baseline:
        checks.append(_baseline_check(found))
    accepted = f", {len(found.accepted)} accepted" if found.accepted else ""
    return decide(
        COMMAND,
        checks,
        passed=f"nothing that the policy refuses in {len(scanned.found)} packages and {scanned.files} files{accepted}",
        refused=failures(checks),
        solution="build the image without what is named (all is in scan-image.sarif); raise the version of a package "
        "with an advisory, revoke a secret first; if a rule is wrong for this model, ask the policy's owner",
        figures={
            "findings": [finding.as_figure() for finding in found.counting[:SHOWN]],
            "findings_total": len(found.counting),
            "baseline": {
                "accepted": [{**one.as_figure(), "reason": reason} for one, reason in found.accepted.items()],
                "expired": [entry.model_dump(mode="json") for entry in found.expired],
                "unmatched": [entry.model_dump(mode="json") for entry in found.unmatched],
            },
            "packages": dict(sorted(Counter(package.kind for package in scanned.found).items())),
            "system": scanned.catalogue.distribution.name or scanned.catalogue.distribution.id,
            **({"vulnerabilities": _vulnerabilities(scanned.known)} if scanned.known else {}),
        },
        digests=digests,
        tools=dict(versions),
    )


def _package_checks(scanned: Scanned, rules: Scan, of: str) -> list[Check]:
    kinds = Counter(package.kind for package in scanned.found)
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "none"
    system = scanned.catalogue.distribution
    checks = [Check(name=f"{of}packages", passed=bool(scanned.found), value=told, limit="at least one")]
    if rules.system == "told":
        of_system = sum(kinds[kind] for kind in OF_SYSTEMS)
        value = f"{of_system} packages of {system.name or system.id or 'an unknown system'}"
        checks.append(
            Check(
                name=f"{of}operating system",
                passed=bool(system.id and of_system),
                value=value,
                limit="its name and its packages are told",
                detail="without /etc/os-release and the packages' database nobody can tell what the image is made of",
            )
        )
    return checks


def _finding_checks(scanned: Scanned, findings: tuple[Finding, ...], rules: Scan) -> list[Check]:
    below, above = scanned.base_layers, scanned.layers - (scanned.base_layers or 0)
    known = "" if below is None else f", {below} of {scanned.layers} layers being the base's"
    limit = f"none but those allowed{known}"
    checks = [
        _check(findings, "setuid files", limit, tool=contents.FILES_TOOL, rule=contents.SETUID),
        _check(findings, "files that everybody may write to", "none", tool=contents.FILES_TOOL, rule=contents.WRITABLE),
    ]
    if rules.package_lists == "of-base":
        checks.append(_lists_check(findings, below, above))
    if rules.user == "not-root":
        limit = "a user who is not root"
        checks.append(_check(findings, "user", limit, tool=contents.FILES_TOOL, rule=contents.USER))
    if scanned.licences:
        allowed = f"one of {', '.join(rules.licences.allowed)}" if rules.licences.allowed else "any"
        denied = f"; never {', '.join(rules.licences.denied)}" if rules.licences.denied else ""
        checks.append(_check(findings, "licences of Python distributions", f"{allowed}{denied}", tool=licences.TOOL))
    if scanned.secrets:
        aside = {
            f"{scanned.packaged} texts that packages list by their digest": scanned.packaged,
            f"{scanned.left_out} files that are no texts, or too large": scanned.left_out,
        }
        left = " and ".join(words for words, number in aside.items() if number)
        limit = f"none in the texts of any layer, nor in the configuration{f' (left out: {left})' if left else ''}"
        checks.append(_check(findings, "secrets (gitleaks)", limit, tool=gitleaks.NAME))
    if scanned.known is not None:
        asked = rules.vulnerabilities
        fixed = " that are fixed" if asked.fixed_only else ""
        by = f"by a database of {scanned.known.newest} ({scanned.known.database.digest})"
        limit = f"none of at least {asked.severity} severity{fixed}, {by}"
        checks.append(_check(findings, "known vulnerabilities", limit, tool=vulnerabilities.TOOL))
    return checks


def _check(findings: tuple[Finding, ...], name: str, limit: str, *, tool: str, rule: str = "") -> Check:
    found = [one for one in findings if one.tool == tool and rule in ("", one.rule)]
    more = f" (and {len(found) - LINES} more in {SARIF})" if len(found) > LINES else ""
    number = f"{len(found) or 'no'} finding{'' if len(found) in (0, 1) else 's'}"
    detail = "\n".join(f"{one.file}: {one.message}" for one in found[:LINES]) + more
    return Check(name=name, passed=not found, value=number, limit=limit, detail=detail)


def _lists_check(findings: tuple[Finding, ...], below: int | None, above: int) -> Check:
    name = "lists of the system's packages"
    if below is None:
        return Check(name=name, passed=True, value="not looked at", limit="nobody told the base image (base-image)")
    of = f"that the {below} layers of the base have" if below else "of the base, on which this image is not built"
    limit = f"those {of}, not changed by the {above} above"
    return _check(findings, name, limit, tool=contents.FILES_TOOL, rule=contents.LISTS)


def _baseline_check(found: Sorted) -> Check:
    return Check(
        name="accepted findings (baseline)",
        passed=not found.missed,
        value=f"{len(found.accepted)} accepted, {len(found.expired)} expired, {len(found.unmatched)} without a finding",
        limit="no expired entry whose finding is still there",
        detail="\n".join(f"{one.file}: {one.rule} ({one.tool}) expired on {one.expires}" for one in found.missed),
    )


def _vulnerabilities(known: Known) -> dict[str, object]:
    order = (None, *reversed(vulnerabilities.ORDER))
    worst = sorted(known.vulnerabilities, key=lambda one: (one.status != "refused", order.index(one.severity)))
    return {
        "counts": known.counts(),
        "databases": [
            {"ecosystem": name, "entries": total, "newest": known.database.newest[name].isoformat()}
            for name, total in sorted(known.database.total.items())
        ],
        "files": dict(known.database.files),
        "worst": [
            {
                "id": one.id,
                "package": one.package.name,
                "version": one.package.version,
                "severity": one.severity or "unknown",
                "fixed": ", ".join(one.fixed[:4]),
                "status": one.status,
            }
            for one in worst[:SHOWN]
        ],
        "left_out": dict(known.left_out),
        "notes": list(known.notes),
    }
